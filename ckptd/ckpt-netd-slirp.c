/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-slirp.c - libslirp in a GLib main loop
 *
 * The network that the guest sees: 10.0.2.0/24, router 10.0.2.2, name server
 * 10.0.2.3, the guest itself 10.0.2.15.  TCP ends here, on the host's sockets,
 * and so this process must not end while a connection is to live.
 *
 * libslirp wants to be asked before each wait which descriptors it waits for.
 * A GSource does that in its prepare(), and itself waits for one descriptor,
 * that of ckpt-netd-poll.c.
 *
 * Of the clients that wait at a port libslirp accepts one each time it is told
 * what is ready, and looks through all its connections then.  So it is told
 * several times in a row, of its ports alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <slirp/libslirp.h>
#include <gio/gio.h>

#include "ckptd/ckpt-netd-frame.h"
#include "ckptd/ckpt-netd-poll.h"
#include "ckptd/ckpt-netd-reset.h"
#include "ckptd/ckpt-netd-slirp.h"
#include "ckptd/ckpt-netd-tcp.h"

#define GUEST_ADDRESS "10.0.2.15"
#define POLL_MAX_MS   1000
#define ACCEPT_BATCH  64 /* clients before others get their turn */

struct NetdSlirp {
    const struct netd_slirp_ops *ops;
    void *opaque;
    Slirp *slirp;
    GSource *source;
    NetdPoll *poll;
    GArray *forwards; /* struct forward */
};

struct forward {
    gboolean udp;
    struct in_addr host;
    guint16 port;
};

struct timer {
    NetdSlirp *s;
    SlirpTimerId id;
    void *arg;
    guint source;
};

struct slirp_source {
    GSource source;
    NetdSlirp *s;
};

/* --- what libslirp calls ------------------------------------------------- */

static ssize_t on_send_packet(const void *frame, size_t len, void *opaque)
{
    NetdSlirp *s = opaque;

    s->ops->send(s->opaque, frame, len);
    return len;
}

static void on_guest_error(const char *text, void *opaque)
{
    (void)opaque;
    g_message("guest: %s", text);
}

static int64_t on_clock_get_ns(void *opaque)
{
    (void)opaque;
    return g_get_monotonic_time() * 1000;
}

static void *on_timer_new(SlirpTimerId id, void *arg, void *opaque)
{
    struct timer *t = g_new0(struct timer, 1);

    t->s = opaque;
    t->id = id;
    t->arg = arg;
    return t;
}

static void on_timer_free(void *timer, void *opaque)
{
    struct timer *t = timer;

    (void)opaque;
    g_clear_handle_id(&t->source, g_source_remove);
    g_free(t);
}

static gboolean on_timer(gpointer data)
{
    struct timer *t = data;

    t->source = 0;
    slirp_handle_timer(t->s->slirp, t->id, t->arg);
    return G_SOURCE_REMOVE;
}

static void on_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    struct timer *t = timer;
    int64_t in_ms = expire_ms - g_get_monotonic_time() / 1000;

    (void)opaque;
    g_clear_handle_id(&t->source, g_source_remove);
    t->source = g_timeout_add(CLAMP(in_ms, 0, G_MAXINT), on_timer, t);
}

/* What it is to be polled for is asked before each wait. */
static void on_new_socket(int fd, void *opaque)
{
    netd_poll_forget(((NetdSlirp *)opaque)->poll, fd);
    netd_reset_unless_ended(fd);
}

static void on_old_socket(int fd, void *opaque)
{
    netd_poll_forget(((NetdSlirp *)opaque)->poll, fd);
}

static void on_notify(void *opaque)
{
    (void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = on_send_packet,
    .guest_error = on_guest_error,
    .clock_get_ns = on_clock_get_ns,
    .timer_new_opaque = on_timer_new,
    .timer_free = on_timer_free,
    .timer_mod = on_timer_mod,
    .register_poll_fd = on_new_socket,
    .unregister_poll_fd = on_old_socket,
    .notify = on_notify,
};

/* --- the source ---------------------------------------------------------- */

/* Return: what get_revents() is to be asked by. */
static int add_poll(int fd, int events, void *opaque)
{
    NetdSlirp *s = opaque;

    netd_poll_want(s->poll, fd,
                   (events & SLIRP_POLL_IN ? EPOLLIN : 0) |
                       (events & SLIRP_POLL_OUT ? EPOLLOUT : 0) |
                       (events & SLIRP_POLL_PRI ? EPOLLPRI : 0));
    return fd;
}

static int get_revents(int fd, void *opaque)
{
    NetdSlirp *s = opaque;
    guint32 r = netd_poll_ready(s->poll, fd);

    return (r & EPOLLIN ? SLIRP_POLL_IN : 0) |
           (r & EPOLLOUT ? SLIRP_POLL_OUT : 0) |
           (r & EPOLLPRI ? SLIRP_POLL_PRI : 0) |
           (r & EPOLLERR ? SLIRP_POLL_ERR : 0) |
           (r & EPOLLHUP ? SLIRP_POLL_HUP : 0);
}

static gboolean source_prepare(GSource *source, gint *timeout_ms)
{
    NetdSlirp *s = ((struct slirp_source *)source)->s;
    uint32_t ms = POLL_MAX_MS;

    netd_poll_begin(s->poll);
    slirp_pollfds_fill(s->slirp, &ms, add_poll, s);
    netd_poll_end(s->poll);
    *timeout_ms = MIN(ms, POLL_MAX_MS);
    return FALSE;
}

/* Always: its TCP timers run in slirp_pollfds_poll(). */
static gboolean source_check(GSource *source)
{
    (void)source;
    return TRUE;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback,
                                gpointer data)
{
    NetdSlirp *s = ((struct slirp_source *)source)->s;
    int left = ACCEPT_BATCH;

    (void)callback;
    (void)data;
    netd_poll_look(s->poll);
    slirp_pollfds_poll(s->slirp, 0, get_revents, s);
    while (left-- > 0 && netd_poll_look_at_listeners(s->poll)) {
        slirp_pollfds_poll(s->slirp, 0, get_revents, s);
    }
    s->ops->flush(s->opaque);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = {
    .prepare = source_prepare,
    .check = source_check,
    .dispatch = source_dispatch,
};

/* --- for the rest of ckpt-netd ------------------------------------------- */

/**
 * netd_slirp_new() - the network, without forwarded ports
 * @ops: where frames go; kept
 * @opaque: their first argument
 *
 * Return: the network, in the default main context.
 */
NetdSlirp *netd_slirp_new(const struct netd_slirp_ops *ops, void *opaque)
{
    NetdSlirp *s = g_new0(NetdSlirp, 1);
    SlirpConfig cfg = { .version = 4, .in_enabled = true };

    inet_pton(AF_INET, "10.0.2.0", &cfg.vnetwork);
    inet_pton(AF_INET, "255.255.255.0", &cfg.vnetmask);
    inet_pton(AF_INET, "10.0.2.2", &cfg.vhost);
    inet_pton(AF_INET, GUEST_ADDRESS, &cfg.vdhcp_start);
    inet_pton(AF_INET, "10.0.2.3", &cfg.vnameserver);
    s->ops = ops;
    s->opaque = opaque;
    s->poll = netd_poll_new();
    s->forwards = g_array_new(FALSE, TRUE, sizeof(struct forward));
    s->slirp = slirp_new(&cfg, &callbacks, s);
    s->source = g_source_new(&source_funcs, sizeof(struct slirp_source));
    ((struct slirp_source *)s->source)->s = s;
    g_source_add_unix_fd(s->source, netd_poll_fd(s->poll), G_IO_IN);
    /*
     * It never recurses; but a source that may not is taken out of the poll
     * and put back at each dispatch, which wakes the main loop for ever.
     */
    g_source_set_can_recurse(s->source, TRUE);
    g_source_attach(s->source, NULL);
    return s;
}

/**
 * netd_slirp_free() - end the network
 * @s: the network
 *
 * Its connections are reset but for those that the guest had ended.
 */
void netd_slirp_free(NetdSlirp *s)
{
    g_source_destroy(s->source);
    g_source_unref(s->source);
    slirp_cleanup(s->slirp);
    netd_poll_free(s->poll);
    g_array_free(s->forwards, TRUE);
    g_free(s);
}

static gboolean bad_forward(GError **error, const char *spec, const char *why)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "forward %s: %s", spec, why);
    return FALSE;
}

/*
 * libslirp listens with a backlog of one: of several clients that connect at
 * once all but the first would wait for the retransmission of their SYN, one
 * second and more.  listen() again on its socket, found by its address.
 */
static void raise_backlog(struct in_addr host, guint16 port)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        struct sockaddr_in at = { .sin_family = AF_UNSPEC };
        socklen_t len = sizeof(at), yes_len = sizeof(int);
        int fd = (int)g_ascii_strtoull(name, NULL, 10), yes = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &yes_len) == 0 &&
            yes && getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
            at.sin_family == AF_INET && at.sin_port == htons(port) &&
            at.sin_addr.s_addr == host.s_addr) {
            listen(fd, SOMAXCONN);
        }
    }
}

/**
 * netd_slirp_forward() - let peers of the host reach a port of the guest
 * @s: the network
 * @spec: PROTO:HOSTADDR:HOSTPORT:[GUESTADDR:]GUESTPORT, PROTO being tcp or udp
 * @error: says which port it was, and why not
 *
 * Return: TRUE when the host's port is open.
 */
gboolean netd_slirp_forward(NetdSlirp *s, const char *spec, GError **error)
{
    g_auto(GStrv) part = g_strsplit(spec, ":", -1);
    guint n = g_strv_length(part);
    struct in_addr host, guest;
    guint64 host_port, guest_port;
    struct forward made;

    if (n != 4 && n != 5) {
        return bad_forward(error, spec,
                           "not PROTO:HOSTADDR:HOSTPORT:[GUESTADDR:]GUESTPORT");
    }
    if (!g_str_equal(part[0], "tcp") && !g_str_equal(part[0], "udp")) {
        return bad_forward(error, spec, "the protocol is tcp or udp");
    }
    if (inet_pton(AF_INET, part[1], &host) != 1) {
        return bad_forward(error, spec, "the host address is not IPv4");
    }
    if (!g_ascii_string_to_unsigned(part[2], 10, 1, 65535, &host_port, NULL) ||
        !g_ascii_string_to_unsigned(part[n - 1], 10, 1, 65535, &guest_port,
                                    NULL)) {
        return bad_forward(error, spec, "a port is a number from 1 to 65535");
    }
    if (inet_pton(AF_INET, n == 5 ? part[3] : GUEST_ADDRESS, &guest) != 1) {
        return bad_forward(error, spec, "the guest's address is not IPv4");
    }
    errno = 0;
    if (slirp_add_hostfwd(s->slirp, g_str_equal(part[0], "udp"), host,
                          host_port, guest, guest_port) < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                    "%s port %s of %s cannot be opened: %s", part[0], part[2],
                    part[1], g_strerror(errno));
        return FALSE;
    }
    raise_backlog(host, host_port);
    made = (struct forward){
        .udp = g_str_equal(part[0], "udp"),
        .host = host,
        .port = host_port,
    };
    g_array_append_val(s->forwards, made);
    return TRUE;
}

/**
 * netd_slirp_close_ports() - let in no more peers
 * @s: the network
 */
void netd_slirp_close_ports(NetdSlirp *s)
{
    guint i;

    for (i = 0; i < s->forwards->len; i++) {
        const struct forward *f =
            &g_array_index(s->forwards, struct forward, i);

        slirp_remove_hostfwd(s->slirp, f->udp, f->host, f->port);
    }
    g_array_set_size(s->forwards, 0);
}

/**
 * netd_slirp_input() - a frame of the guest
 * @s: the network
 * @frame: the frame
 * @len_bytes: its length, at most NETD_FRAME_MAX
 */
void netd_slirp_input(NetdSlirp *s, const void *frame, gsize len_bytes)
{
    guint8 copy[NETD_FRAME_MAX];

    g_assert(len_bytes <= sizeof(copy));
    memcpy(copy, frame, len_bytes);
    netd_tcp_hide_mss(copy, len_bytes);
    slirp_input(s->slirp, copy, len_bytes);
}

/**
 * netd_slirp_connections() - libslirp's own table of them
 * @s: the network
 *
 * Return: text of several lines, for g_free().
 */
char *netd_slirp_connections(NetdSlirp *s)
{
    char *text = slirp_connection_info(s->slirp);
    char *copy = g_strdup(text);

    g_free(text);
    return copy;
}

/* In these states of libslirp's the guest has sent its FIN. */
static gboolean guest_has_ended(const char *state)
{
    static const char *const states[] = { "TCP[CLOSE_WAIT]", "TCP[CLOSING]",
                                          "TCP[LAST_ACK]", "TCP[TIME_WAIT]" };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(states); i++) {
        if (g_str_equal(state, states[i])) {
            return TRUE;
        }
    }
    return FALSE;
}

/**
 * netd_slirp_owes() - is there something of connections that the guest has
 *                     ended, which the host's kernel has not taken yet?
 * @s: the network
 *
 * libslirp tells it in its table alone: descriptor, two addresses with ports,
 * then the bytes that wait for the host and those for the guest.
 *
 * Return: TRUE if so.
 */
gboolean netd_slirp_owes(NetdSlirp *s)
{
    g_autofree char *table = netd_slirp_connections(s);
    g_auto(GStrv) lines = g_strsplit(table, "\n", -1);
    char state[32];
    guint i, bytes;

    for (i = 0; lines[i]; i++) {
        if (sscanf(lines[i], " %31s %*s %*s %*s %*s %*s %u", state, &bytes) ==
                2 &&
            bytes && guest_has_ended(state)) {
            return TRUE;
        }
    }
    return FALSE;
}
