/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd.c - user-mode networking that survives QEMU
 *
 * libslirp in a process of its own: it ends the peers' TCP connections on the
 * host's sockets, so it must outlive what speaks TCP inside.  QEMU comes and
 * goes at the other end of a stream socket (ckpt-netd-link.c), ckptd says which
 * (ckpt-netd-control.c), and may itself come and go; or QEMU, started by hand,
 * connects by itself (ckpt-netd-listen.c).
 *
 *   peers <-> host sockets <-> libslirp <-> link <-> QEMU <-> guest
 *
 * A1: libslirp acknowledges to peers what the guest has not yet acknowledged;
 * it keeps those bytes until the guest has, so a frame dropped between the two
 * is a lost packet and no more.  When this process dies its connections are
 * reset and never resumed (ckpt-netd-reset.c).
 */
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <glib-unix.h>
#include <gio/gio.h>

#include "ckptd/ckpt-netd-control.h"
#include "ckptd/ckpt-netd-link.h"
#include "ckptd/ckpt-netd-listen.h"
#include "ckptd/ckpt-netd-pcap.h"
#include "ckptd/ckpt-netd-reset.h"
#include "ckptd/ckpt-netd-slirp.h"

#define QUEUE_KIB_DEFAULT 4096
#define QUEUE_KIB_MAX     (1 << 20)

struct netd {
    GMainLoop *loop;
    NetdControl *control;
    NetdListen *listener;
    NetdLink *link;
    NetdPcap *pcap;
    NetdSlirp *slirp;
    char **forwards;
    gboolean draining; /* ends when peers have all that the guest sent them */
};

struct options {
    char *control;
    char *listen;
    char **forwards;
    char *capture;
    char *pid_file;
    int queue_kib;
    int linger_s;
};

/* --- frames -------------------------------------------------------------- */

static void from_guest(void *opaque, const guint8 *frame, gsize len_bytes)
{
    struct netd *n = opaque;

    netd_pcap_write(n->pcap, frame, len_bytes);
    netd_slirp_input(n->slirp, frame, len_bytes);
}

static void to_guest(void *opaque, const void *frame, gsize len_bytes)
{
    struct netd *n = opaque;

    if (netd_link_send(n->link, frame, len_bytes)) {
        netd_pcap_write(n->pcap, frame, len_bytes);
    }
}

static void end_when_drained(struct netd *n)
{
    if (n->draining && !netd_slirp_owes(n->slirp)) {
        g_main_loop_quit(n->loop);
    }
}

static void flush(void *opaque)
{
    struct netd *n = opaque;

    netd_link_flush(n->link);
    end_when_drained(n);
}

static const struct netd_slirp_ops slirp_ops = {
    .send = to_guest,
    .flush = flush,
};

/* --- orders -------------------------------------------------------------- */

static void order_attach(void *opaque, int fd, int far_fd)
{
    netd_link_attach(((struct netd *)opaque)->link, fd, far_fd);
}

static void append_json_string(GString *json, const char *text)
{
    const char *p;

    g_string_append_c(json, '"');
    for (p = text; *p; p++) {
        if (*p == '"' || *p == '\\') {
            g_string_append_printf(json, "\\%c", *p);
        } else if ((guchar)*p < ' ') {
            g_string_append_printf(json, "\\u%04x", *p);
        } else {
            g_string_append_c(json, *p);
        }
    }
    g_string_append_c(json, '"');
}

/* Lines of libslirp's table that are connections, not its two headings. */
static guint count_connections(const char *table)
{
    g_auto(GStrv) lines = g_strsplit(table, "\n", -1);
    guint n = 0;
    guint i;

    for (i = 0; lines[i]; i++) {
        n += strstr(lines[i], "[ESTABLISHED]") != NULL;
    }
    return n;
}

static char *order_status(void *opaque)
{
    struct netd *n = opaque;
    g_autofree char *table = netd_slirp_connections(n->slirp);
    struct netd_link_stats stats;
    GString *json = g_string_new("{");
    guint i;

    netd_link_stats(n->link, &stats);
    g_string_append_printf(
        json,
        "\"attached\":%s,\"attaches\":%" G_GUINT64_FORMAT
        ",\"connections\":%u,\"from_guest\":%" G_GUINT64_FORMAT
        ",\"to_guest\":%" G_GUINT64_FORMAT ",\"dropped\":%" G_GUINT64_FORMAT
        ",\"repeated\":%" G_GUINT64_FORMAT ",\"queue_bytes\":%" G_GSIZE_FORMAT
        ",\"forwards\":[",
        stats.attached ? "true" : "false", stats.attaches,
        count_connections(table), stats.from_guest, stats.to_guest,
        stats.dropped, stats.repeated, stats.queued_bytes);
    for (i = 0; n->forwards && n->forwards[i]; i++) {
        g_string_append(json, i ? "," : "");
        append_json_string(json, n->forwards[i]);
    }
    g_string_append(json, "]}");
    return g_string_free(json, FALSE);
}

static void order_reset(void *opaque G_GNUC_UNUSED)
{
    netd_reset_at_close();
}

/*
 * What the kernel has it delivers without us; what libslirp has waits for peers
 * that are slow.
 */
static void order_drain(void *opaque)
{
    struct netd *n = opaque;

    netd_link_end(n->link);
    netd_slirp_close_ports(n->slirp);
    n->draining = TRUE;
    end_when_drained(n);
}

static void order_quit(void *opaque)
{
    g_main_loop_quit(((struct netd *)opaque)->loop);
}

static const struct netd_control_ops control_ops = {
    .attach = order_attach,
    .status = order_status,
    .reset = order_reset,
    .drain = order_drain,
    .quit = order_quit,
};

static gboolean on_signal(gpointer data)
{
    order_quit(data);
    return G_SOURCE_CONTINUE;
}

/* --- life ---------------------------------------------------------------- */

static gboolean parse(struct options *o, int *argc, char ***argv,
                      GError **error)
{
    const GOptionEntry entries[] = {
        { "control", 'c', 0, G_OPTION_ARG_FILENAME, &o->control,
          "Listen for ckptd at this unix socket", "PATH" },
        { "listen", 'l', 0, G_OPTION_ARG_FILENAME, &o->listen,
          "Listen for QEMU's -netdev stream at this unix socket", "PATH" },
        { "forward", 'f', 0, G_OPTION_ARG_STRING_ARRAY, &o->forwards,
          "Forward a port of the host to the guest",
          "PROTO:HOSTADDR:HOSTPORT:GUESTPORT" },
        { "capture", 'w', 0, G_OPTION_ARG_FILENAME, &o->capture,
          "Write the frames of both directions (pcap)", "FILE" },
        { "pid-file", 'p', 0, G_OPTION_ARG_FILENAME, &o->pid_file,
          "Write the process id", "FILE" },
        { "queue", 'q', 0, G_OPTION_ARG_INT, &o->queue_kib,
          "Keep so much for the guest while it is away (default 4096)", "KIB" },
        { "linger", 0, 0, G_OPTION_ARG_INT, &o->linger_s,
          "With --listen: end when no QEMU has been connected for so long",
          "SECONDS" },
        { NULL, 0, 0, 0, NULL, NULL, NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_set_summary(
        context, "User-mode networking (libslirp) for a guest of ckptd, in a "
                 "process that outlives\nthe guest's QEMU. The guest has the "
                 "address 10.0.2.15, its router is 10.0.2.2.");
    g_option_context_set_description(
        context, "When the guest is away its frames wait, as many as fit; "
                 "then the newest are dropped.\n");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error)) {
        return FALSE;
    }
    if (*argc > 1 || (!o->control && !o->listen)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    *argc > 1 ? "unexpected argument '%s'; see --help"
                              : "--listen or --control is needed; see --help",
                    *argc > 1 ? (*argv)[1] : NULL);
        return FALSE;
    }
    if (o->linger_s < 0 || (o->linger_s && !o->listen)) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "--linger is in seconds and goes with --listen");
        return FALSE;
    }
    if (o->queue_kib < 1 || o->queue_kib > QUEUE_KIB_MAX) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--queue is from 1 to %d", QUEUE_KIB_MAX);
        return FALSE;
    }
    return TRUE;
}

/* In an order in which each may use those before it. */
static gboolean start(struct netd *n, const struct options *o, GError **error)
{
    g_autofree char *pid = g_strdup_printf("%d\n", (int)getpid());
    guint i;

    if (o->capture) {
        n->pcap = netd_pcap_open(o->capture, error);
        if (!n->pcap) {
            return FALSE;
        }
    }
    n->link = netd_link_new((gsize)o->queue_kib << 10, from_guest, n);
    n->slirp = netd_slirp_new(&slirp_ops, n);
    n->forwards = o->forwards;
    for (i = 0; o->forwards && o->forwards[i]; i++) {
        if (!netd_slirp_forward(n->slirp, o->forwards[i], error)) {
            return FALSE;
        }
    }
    if (o->pid_file && !g_file_set_contents_full(o->pid_file, pid, -1,
                                                 G_FILE_SET_CONTENTS_CONSISTENT,
                                                 0600, error)) {
        return FALSE;
    }
    /* Last: whoever can connect finds everything ready. */
    if (o->listen) {
        n->listener = netd_listen_new(o->listen, n->link, error);
        if (!n->listener) {
            return FALSE;
        }
        if (o->linger_s) {
            netd_listen_linger(n->listener, o->linger_s, order_drain, n);
        }
    }
    if (o->control) {
        n->control = netd_control_listen(o->control, &control_ops, n, error);
    }
    return !o->control || n->control;
}

static void stop(struct netd *n)
{
    g_clear_pointer(&n->control, netd_control_close);
    g_clear_pointer(&n->listener, netd_listen_free);
    g_clear_pointer(&n->slirp, netd_slirp_free);
    g_clear_pointer(&n->link, netd_link_free);
    g_clear_pointer(&n->pcap, netd_pcap_close);
    g_clear_pointer(&n->loop, g_main_loop_unref);
}

/*
 * One for each connection.  The soft limit is low for the sake of programs that
 * use select(2).
 */
static void allow_many_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    struct options o = { .queue_kib = QUEUE_KIB_DEFAULT };
    g_autoptr(GError) error = NULL;
    struct netd n = { 0 };
    int status = 0;

    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    allow_many_descriptors();
    n.loop = g_main_loop_new(NULL, FALSE);
    if (parse(&o, &argc, &argv, &error) && start(&n, &o, &error)) {
        g_unix_signal_add(SIGTERM, on_signal, &n);
        g_unix_signal_add(SIGINT, on_signal, &n);
        g_main_loop_run(n.loop);
    } else {
        g_printerr("ckpt-netd: %s\n", error->message);
        status = 1;
    }
    stop(&n);
    g_strfreev(o.forwards);
    g_free(o.control);
    g_free(o.listen);
    g_free(o.capture);
    g_free(o.pid_file);
    return status;
}
