/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-client.c - the connection to ckptd, its loss and its return
 *
 * A SOCK_SEQPACKET socket: a message is one packet, whole or not there.  What
 * comes in is checked before anything is done with it: ckptd is trusted to
 * decide, not to be free of mistakes.  A message that makes no sense closes
 * the connection; the HELLO that follows tells both sides where they stand.
 *
 * The first HELLO waits for its answer, since the guest cannot start without
 * it.  After that nothing here blocks: a loss starts a timer that connects
 * again, WELCOME(CONTINUE) says what is durable, and the rest is sent again.
 */
#include "qemu/osdep.h"
#include <poll.h>
#include "qemu-version.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/sockets.h"
#include "qemu/timer.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "qapi/qapi-events-ckpt.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "system/kvm.h"
#include "system/runstate.h"
#include "system/system.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

/* How long ckptd may take to prepare a restore. */
#define WELCOME_TIMEOUT_MS  60000
/* How long the end of QEMU waits to be told to ckptd. */
#define FAREWELL_TIMEOUT_MS 1000
/* Messages handled before the main loop gets to its other work. */
#define RX_BATCH            32

static const char *const ckpt_link_str[] = {
    [CKPT_LINK_DOWN]  = "down",
    [CKPT_LINK_HELLO] = "hello",
    [CKPT_LINK_UP]    = "up",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(ckpt_link_str) != CKPT_LINK__MAX);

static const uint8_t ckpt_link_next[CKPT_LINK__MAX] = {
    [CKPT_LINK_DOWN]  = BIT(CKPT_LINK_HELLO),
    [CKPT_LINK_HELLO] = BIT(CKPT_LINK_UP) | BIT(CKPT_LINK_DOWN),
    [CKPT_LINK_UP]    = BIT(CKPT_LINK_DOWN),
};

static void ckpt_client_set_link(CkptEngine *e, enum ckpt_link next)
{
    CkptClient *c = &e->client;

    assert(ckpt_link_next[c->link] & BIT(next));
    trace_ckpt_link(ckpt_link_str[c->link], ckpt_link_str[next]);
    c->link = next;
}

/**
 * ckpt_client_is_up: can messages be sent?
 * @e: the engine
 *
 * Return: true after WELCOME and before a loss.
 */
bool ckpt_client_is_up(const CkptEngine *e)
{
    return e->client.link == CKPT_LINK_UP;
}

/* --- sockets ------------------------------------------------------------- */

static int ckpt_client_connect(const char *path, Error **errp)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        error_setg(errp, "ckptd's socket '%s': path too long", path);
        return -1;
    }
    pstrcpy(addr.sun_path, sizeof(addr.sun_path), path);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        error_setg_errno(errp, errno, "cannot reach ckptd at '%s'", path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* Return: 0, or a negative errno: the packet went whole or not at all. */
static int ckpt_client_sendmsg(int sock, const struct iovec *iov, unsigned niov,
                               const int *fds, unsigned n_fd)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(2 * sizeof(int))];
    } control = { };
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = niov,
    };
    ssize_t ret;

    if (n_fd) {
        struct cmsghdr *cmsg;

        assert(n_fd <= 2);
        msg.msg_control = control.buf;
        msg.msg_controllen = CMSG_SPACE(n_fd * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n_fd * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, n_fd * sizeof(int));
    }
    ret = RETRY_ON_EINTR(sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
    return ret < 0 ? -errno : 0;
}

static void ckpt_message_close_fds(CkptMessage *m)
{
    while (m->n_fd) {
        close(m->fd[--m->n_fd]);
    }
}

static void take_fds(CkptMessage *m, struct msghdr *msg)
{
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        unsigned i, n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int fd;

        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (i = 0; i < n; i++) {
            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
            if (m->n_fd < ARRAY_SIZE(m->fd)) {
                m->fd[m->n_fd++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

/*
 * Receive one message into the client's buffer.
 * Return: 1, 0 when there is none now, or -1 with @errp set when the
 * connection is over or the message makes no sense.
 */
static int ckpt_client_recv(CkptClient *c, CkptMessage *m, Error **errp)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(ARRAY_SIZE(m->fd) * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = c->rx, .iov_len = sizeof(c->rx) };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    ssize_t len;

    *m = (CkptMessage) { };
    len = RETRY_ON_EINTR(recvmsg(c->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 0;
    }
    if (len <= 0) {
        error_setg(errp, "ckptd closed the connection%s%s", len ? ": " : "",
                   len ? strerror(errno) : "");
        return -1;
    }
    take_fds(m, &msg);
    if ((size_t)len < sizeof(m->head)) {
        goto bad;
    }
    memcpy(&m->head, c->rx, sizeof(m->head));
    m->payload = c->rx + sizeof(m->head);
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ||
        m->head.len_bytes != len - sizeof(m->head)) {
        goto bad;
    }
    return 1;

bad:
    ckpt_message_close_fds(m);
    error_setg(errp, "ckptd sent a message with a wrong length");
    return -1;
}

/* --- HELLO and its answer ------------------------------------------------ */

static void fill_hello(const CkptEngine *e, uint32_t flags,
                       struct ckpt_hello *hello)
{
    MachineState *machine = current_machine;

    *hello = (struct ckpt_hello) {
        .version = CKPT_WIRE_VERSION,
        .flags = flags | (e->verify ? CKPT_HELLO_VERIFY : 0),
        .ram_bytes = machine->ram_size,
        .tsc_hz = ckpt_tsc_hz(&e->made),
        .committed = e->committed,
        .page_bytes = CKPT_PAGE_BYTES,
        .devstate_max = CKPT_DEVSTATE_MAX,
    };
    if (qemu_uuid_set) {
        memcpy(hello->uuid, qemu_uuid.data, sizeof(hello->uuid));
    }
    pstrcpy(hello->name, sizeof(hello->name), e->guest);
    pstrcpy(hello->qemu, sizeof(hello->qemu), QEMU_FULL_VERSION);
    pstrcpy(hello->machine, sizeof(hello->machine),
            MACHINE_GET_CLASS(machine)->name);
    pstrcpy(hello->cpu, sizeof(hello->cpu), object_get_typename(
            OBJECT(first_cpu)));
    pstrcpy(hello->accel, sizeof(hello->accel),
            kvm_enabled() ? "kvm" : "tcg");
}

/* Connect and send HELLO.  Return: false, and link still DOWN, on failure. */
static bool ckpt_client_send_hello(CkptEngine *e, uint32_t flags, Error **errp)
{
    CkptClient *c = &e->client;
    bool again = flags & CKPT_HELLO_RECONNECT;
    int fds[2] = { e->hold_fd, e->staging.fd };
    struct ckpt_hello hello;
    struct ckpt_msg head = {
        .type = CKPT_MSG_HELLO,
        .len_bytes = sizeof(hello),
        .epoch = again ? ckpt_engine_captured(e) : 0,
        .generation = e->generation,
    };
    struct iovec iov[] = {
        { .iov_base = &head, .iov_len = sizeof(head) },
        { .iov_base = &hello, .iov_len = sizeof(hello) },
    };
    int ret;

    c->fd = ckpt_client_connect(e->path, errp);
    if (c->fd < 0) {
        return false;
    }
    fill_hello(e, flags, &hello);
    ret = ckpt_client_sendmsg(c->fd, iov, ARRAY_SIZE(iov), fds, again ? 2 : 0);
    if (ret) {
        error_setg_errno(errp, -ret, "cannot greet ckptd");
        close(c->fd);
        c->fd = -1;
        return false;
    }
    ckpt_client_set_link(e, CKPT_LINK_HELLO);
    return true;
}

/* Identities follow a WELCOME if and only if it begins a new line (R2). */
static bool check_new_line(const CkptMessage *m, Error **errp)
{
    const struct ckpt_welcome *w = m->payload;
    bool new_line = w->flags & CKPT_WELCOME_NEW_LINE;
    uint32_t n = w->n_identities;

    if (new_line != !!n || n > CKPT_IDENTITIES_MAX ||
        m->head.len_bytes != sizeof(*w) + n * sizeof(struct ckpt_identity)) {
        error_setg(errp, "ckptd's WELCOME of %u bytes announces %u identities "
                   "%s a new line", m->head.len_bytes, n,
                   new_line ? "for" : "without");
        return false;
    }
    if (new_line && (w->action != CKPT_ACTION_RESTORE ||
                     (w->flags & CKPT_WELCOME_HOLD))) {
        error_setg(errp, "ckptd's WELCOME begins a new line by action %u, "
                   "flags 0x%x: it needs a restore and a fresh hold",
                   w->action, w->flags);
        return false;
    }
    return ckpt_identities_check((const void *)(w + 1), n, m->head.generation,
                                 errp);
}

/* Is @m a WELCOME that makes sense in itself?  REFUSE's reason is the error. */
static bool check_welcome(const CkptMessage *m, Error **errp)
{
    const struct ckpt_welcome *w = m->payload;

    if (m->head.type == CKPT_MSG_REFUSE) {
        error_setg(errp, "ckptd refuses: %.*s", (int)m->head.len_bytes,
                   (const char *)m->payload);
        return false;
    }
    if (m->head.type != CKPT_MSG_WELCOME || m->head.len_bytes < sizeof(*w) ||
        w->version != CKPT_WIRE_VERSION) {
        error_setg(errp, "ckptd's answer (message type %u, %u bytes) is no "
                   "WELCOME of version %u", m->head.type, m->head.len_bytes,
                   CKPT_WIRE_VERSION);
        return false;
    }
    return check_new_line(m, errp);
}

/**
 * ckpt_client_hello: connect for the first time and wait for the answer
 * @e: the engine
 * @flags: CKPT_HELLO_*
 * @ret_welcome: the answer, a struct ckpt_welcome behind it and the identities
 *     that it announces, checked; its descriptors are the caller's.  Valid
 *     until ckpt_client_run()
 * @errp: why there is none
 *
 * Return: false when ckptd is not there, or does not want this guest.
 * Context: before the guest runs; blocks.
 */
bool ckpt_client_hello(CkptEngine *e, uint32_t flags, CkptMessage *ret_welcome,
                       Error **errp)
{
    CkptClient *c = &e->client;
    CkptMessage m;
    int ret;

    if (!ckpt_client_send_hello(e, flags, errp)) {
        return false;
    }
    do {
        struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

        ret = RETRY_ON_EINTR(poll(&pfd, 1, WELCOME_TIMEOUT_MS));
        if (ret <= 0) {
            error_setg(errp, "ckptd at '%s' does not answer", e->path);
            return false;
        }
        ret = ckpt_client_recv(c, &m, errp);
        if (ret < 0) {
            return false;
        }
    } while (ret == 0);

    if (!check_welcome(&m, errp)) {
        ckpt_message_close_fds(&m);
        return false;
    }
    ckpt_client_set_link(e, CKPT_LINK_UP);
    e->generation = m.head.generation;
    *ret_welcome = m;
    return true;
}

/* The answer to a HELLO of a reconnect: agree on what is durable. */
static bool ckpt_client_continue(CkptEngine *e, const CkptMessage *m,
                                 Error **errp)
{
    const struct ckpt_welcome *w = m->payload;

    if (!check_welcome(m, errp)) {
        return false;
    }
    if (!e->checkpoint) {
        if (w->action != CKPT_ACTION_PASS) {
            error_setg(errp, "ckptd answers action %u to a guest without "
                       "checkpoints", w->action);
            return false;
        }
        ckpt_client_set_link(e, CKPT_LINK_UP);
        return true;
    }
    if (w->action != CKPT_ACTION_CONTINUE ||
        m->head.generation != e->generation) {
        error_setg(errp, "ckptd answers action %u, generation %" PRIu64
                   " to the guest's generation %" PRIu64
                   ", which therefore must not go on", w->action,
                   m->head.generation, e->generation);
        return false;
    }
    if (ckpt_engine_active(e) &&
        !ckpt_engine_is_durable(e, m->head.epoch, errp)) {
        return false;
    }
    ckpt_client_set_link(e, CKPT_LINK_UP);
    return true;
}

/* --- messages of a running connection ------------------------------------ */

static bool check_mbox(const CkptMessage *m)
{
    const struct ckpt_mbox *box = m->payload;

    return m->head.len_bytes == sizeof(*box) &&
           box->kind >= CKPT_MBOX_SIGTERM &&
           box->kind <= CKPT_MBOX_SHUTDOWN &&
           box->len_bytes <= CKPT_MBOX_DATA_MAX;
}

/* Return: false with @errp set when the connection must be closed. */
static bool ckpt_client_dispatch(CkptEngine *e, const CkptMessage *m,
                                 Error **errp)
{
    if (m->head.generation != e->generation || m->n_fd) {
        error_setg(errp, "ckptd sent message type %u of generation %" PRIu64
                   " with %u descriptors", m->head.type, m->head.generation,
                   m->n_fd);
        return false;
    }
    switch (m->head.type) {
    case CKPT_MSG_COMMITTED:
        return !ckpt_engine_active(e) ||
               ckpt_engine_is_durable(e, m->head.epoch, errp);
    case CKPT_MSG_MAILBOX:
        if (!check_mbox(m)) {
            error_setg(errp, "ckptd sent a mailbox message that makes no "
                       "sense");
            return false;
        }
        ckpt_engine_message(e, m->payload);
        return true;
    case CKPT_MSG_COMMIT_NOW:
        ckpt_engine_request(e, CKPT_CAUSE_QMP);
        return true;
    case CKPT_MSG_MOVE_OK:
        e->move.granted = true;
        return true;
    case CKPT_MSG_STAY:
        ckpt_move_reclaim(e);
        return true;
    case CKPT_MSG_STORED:
        ckpt_arrive_stored(e, m->head.epoch);
        return true;
    case CKPT_MSG_FREEZE:
        if (ckpt_engine_active(e) && !e->frozen) {
            ckpt_engine_freeze(e);
        }
        return true;
    case CKPT_MSG_NAMED:
        return ckpt_name_answered(e, m, errp);
    case CKPT_MSG_QUIT:
        qemu_system_shutdown_request(SHUTDOWN_CAUSE_HOST_QMP_QUIT);
        return true;
    default:
        error_setg(errp, "ckptd sent message type %u", m->head.type);
        return false;
    }
}

static void ckpt_client_update_handler(CkptEngine *e);

/* Connection lost: keep what is not durable, try again soon. */
static void ckpt_client_lost(CkptEngine *e, Error *err)
{
    unsigned i;

    if (e->client.link == CKPT_LINK_UP) {
        qapi_event_send_ckpt_connection(false);
        warn_reportf_err(err, "ckpt: ");
    } else {
        error_free(err);
    }
    ckpt_client_close(e);
    ckpt_output_lost(e);
    ckpt_name_lost(e);
    for (i = 0; i < CKPT_STAGING_SLOTS; i++) {
        if (e->staging.slot[i].state == CKPT_SLOT_SENT) {
            ckpt_staging_set_state(&e->staging.slot[i], CKPT_SLOT_CAPTURED);
        }
    }
    if (e->frozen || e->state == CKPT_STATE_ARRIVE) {
        /* The next ckptd knows of no move: it recovers from the store. */
        qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_HOST_ERROR, 1);
        return;
    }
    timer_mod(e->client.retry,
              get_clock() + e->reconnect_ms * (int64_t)SCALE_MS);
}

static void ckpt_client_went_up(CkptEngine *e)
{
    qapi_event_send_ckpt_connection(true);
    info_report("ckpt: ckptd is back, epoch %" PRIu64 " is durable",
                e->committed);
    ckpt_move_say_again(e);
    ckpt_engine_submit(e);
    ckpt_output_flush(e);
    ckpt_name_run(e);
}

static void ckpt_client_readable(void *opaque)
{
    CkptEngine *e = opaque;
    unsigned i;

    for (i = 0; i < RX_BATCH && e->client.fd >= 0; i++) {
        Error *err = NULL;
        CkptMessage m;
        int ret = ckpt_client_recv(&e->client, &m, &err);

        if (ret == 0) {
            return;
        }
        if (ret > 0 && e->client.link == CKPT_LINK_HELLO) {
            if (ckpt_client_continue(e, &m, &err)) {
                ckpt_client_went_up(e);
            } else {
                /* F1: somebody else may own the guest by now */
                ckpt_engine_fail(e, err);
                err = NULL;
                ckpt_client_close(e);
            }
        } else if (ret > 0) {
            ckpt_client_dispatch(e, &m, &err);
        }
        ckpt_message_close_fds(&m);
        if (err) {
            ckpt_client_lost(e, err);
        }
    }
}

static void ckpt_client_writable(void *opaque)
{
    CkptEngine *e = opaque;

    e->client.writing = false;
    ckpt_client_update_handler(e);
    ckpt_move_flush(e);
    ckpt_engine_submit(e);
    ckpt_output_flush(e);
    ckpt_name_run(e);
}

static void ckpt_client_update_handler(CkptEngine *e)
{
    CkptClient *c = &e->client;

    qemu_set_fd_handler(c->fd, ckpt_client_readable,
                        c->writing ? ckpt_client_writable : NULL, e);
}

static void ckpt_client_retry(void *opaque)
{
    CkptEngine *e = opaque;
    uint32_t flags = e->checkpoint ? CKPT_HELLO_RECONNECT
                                   : CKPT_HELLO_NO_CHECKPOINT;

    if (!ckpt_client_send_hello(e, flags, NULL)) {
        timer_mod(e->client.retry,
                  get_clock() + e->reconnect_ms * (int64_t)SCALE_MS);
        return;
    }
    ckpt_client_update_handler(e);
}

/**
 * ckpt_client_run: handle messages from the main loop from now on
 * @e: the engine, connected
 */
void ckpt_client_run(CkptEngine *e)
{
    e->client.retry = timer_new_ns(QEMU_CLOCK_REALTIME, ckpt_client_retry, e);
    ckpt_client_update_handler(e);
}

/**
 * ckpt_client_close: close the connection, if there is one
 * @e: the engine
 */
void ckpt_client_close(CkptEngine *e)
{
    CkptClient *c = &e->client;

    if (c->fd < 0) {
        return;
    }
    qemu_set_fd_handler(c->fd, NULL, NULL, NULL);
    close(c->fd);
    c->fd = -1;
    c->writing = false;
    ckpt_client_set_link(e, CKPT_LINK_DOWN);
}

/**
 * ckpt_client_send: send one message
 * @e: the engine
 * @head: type and epoch; the rest is filled in
 * @payload: what follows it, at most two parts
 * @n_payload: how many
 *
 * Return: CKPT_SEND_AGAIN when it did not go; the engine submits and flushes
 * again when there is room, or when ckptd is back.
 * Context: BQL; any thread; never blocks.
 */
CkptSend ckpt_client_send(CkptEngine *e, const struct ckpt_msg *head,
                          const struct iovec *payload, unsigned n_payload)
{
    CkptClient *c = &e->client;
    struct ckpt_msg full = *head;
    struct iovec iov[3] = { { .iov_base = &full, .iov_len = sizeof(full) } };
    unsigned i;
    int ret;

    assert(n_payload < ARRAY_SIZE(iov));
    if (!ckpt_client_is_up(e)) {
        return CKPT_SEND_AGAIN;
    }
    full.len_bytes = 0;
    full.generation = e->generation;
    for (i = 0; i < n_payload; i++) {
        iov[i + 1] = payload[i];
        full.len_bytes += payload[i].iov_len;
    }
    assert(sizeof(full) + full.len_bytes <= CKPT_MSG_MAX);
    ret = ckpt_client_sendmsg(c->fd, iov, n_payload + 1, NULL, 0);
    if (!ret) {
        trace_ckpt_send(full.type, full.epoch, full.len_bytes);
        return CKPT_SEND_DONE;
    }
    /* A socket that is broken is noticed by ckpt_client_readable(). */
    if (ret == -EAGAIN && !c->writing) {
        c->writing = true;
        ckpt_client_update_handler(e);
    }
    return CKPT_SEND_AGAIN;
}

/**
 * ckpt_client_wait: wait a moment for room in the socket
 * @e: the engine
 *
 * Return: false when there is none, or no connection.
 * Context: at the end of QEMU only; blocks.
 */
bool ckpt_client_wait(const CkptEngine *e)
{
    struct pollfd pfd = { .fd = e->client.fd, .events = POLLOUT };

    return ckpt_client_is_up(e) &&
           RETRY_ON_EINTR(poll(&pfd, 1, FAREWELL_TIMEOUT_MS)) > 0;
}

/**
 * ckpt_client_wait_for: handle messages until one has done something
 * @e: the engine
 * @done: has it?
 * @timeout_ms: how long it may take
 * @errp: set when ckptd went away or takes too long
 *
 * Return: false then.
 * Context: any thread, BQL; blocks, so the guest must stand still.
 */
bool ckpt_client_wait_for(CkptEngine *e, bool (*done)(const CkptEngine *e),
                          uint32_t timeout_ms, Error **errp)
{
    CkptClient *c = &e->client;
    int64_t end_ns = get_clock() + timeout_ms * (int64_t)SCALE_MS;

    while (!done(e)) {
        struct pollfd pfd = {
            .fd = c->fd,
            .events = POLLIN | (c->writing ? POLLOUT : 0),
        };
        int64_t left_ms = (end_ns - get_clock()) / SCALE_MS;

        if (!ckpt_client_is_up(e)) {
            error_setg(errp, "ckptd is away");
            return false;
        }
        if (left_ms <= 0 ||
            RETRY_ON_EINTR(poll(&pfd, 1, left_ms)) < 0) {
            error_setg(errp, "ckptd does not answer");
            return false;
        }
        if (pfd.revents & POLLOUT) {
            ckpt_client_writable(e);
        } else if (pfd.revents) {
            ckpt_client_readable(e);
        }
    }
    return true;
}
