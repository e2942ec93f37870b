/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-wire.c - messages of abi/ckpt-wire.h, sent, received and checked
 *
 * The peer is a QEMU that a guest may have taken over, so nothing it sends is
 * trusted: a packet's header must agree with the packet's length, strings must
 * end, numbers must be in range, descriptors that nobody asked for are closed.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckptd-wire.h"

static gboolean bad(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

static const char *const type_names[] = {
    [CKPT_MSG_HELLO] = "HELLO",         [CKPT_MSG_WELCOME] = "WELCOME",
    [CKPT_MSG_REFUSE] = "REFUSE",       [CKPT_MSG_EPOCH] = "EPOCH",
    [CKPT_MSG_COMMITTED] = "COMMITTED", [CKPT_MSG_OUTPUT] = "OUTPUT",
    [CKPT_MSG_MAILBOX] = "MAILBOX",     [CKPT_MSG_COMMIT_NOW] = "COMMIT_NOW",
    [CKPT_MSG_QUIT] = "QUIT",           [CKPT_MSG_BYE] = "BYE",
    [CKPT_MSG_FREEZE] = "FREEZE",       [CKPT_MSG_NAME] = "NAME",
    [CKPT_MSG_NAMED] = "NAMED",         [CKPT_MSG_MOVE] = "MOVE",
    [CKPT_MSG_MOVE_OK] = "MOVE_OK",     [CKPT_MSG_STAY] = "STAY",
    [CKPT_MSG_STORED] = "STORED",
};
G_STATIC_ASSERT(G_N_ELEMENTS(type_names) == CKPT_MSG_STORED + 1);

/* Return: FALSE, for the caller to return. */
static gboolean bad(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(
        error,
        g_error_new_valist(CKPTD_ERROR, CKPTD_ERROR_INVALID, format, args));
    va_end(args);
    return FALSE;
}

/**
 * ckptd_wire_type_name() - a message type for people
 * @type: any number
 *
 * Return: its name, "?" if it has none.
 */
const char *ckptd_wire_type_name(uint32_t type)
{
    return type < G_N_ELEMENTS(type_names) && type_names[type]
               ? type_names[type]
               : "?";
}

/**
 * ckptd_wire_packet_init() - an empty packet, before its first use
 * @packet: to initialise
 */
void ckptd_wire_packet_init(struct ckptd_packet *packet)
{
    guint i;

    memset(&packet->msg, 0, sizeof(packet->msg));
    for (i = 0; i < CKPTD_WIRE_FDS_MAX; i++) {
        packet->fds[i] = -1;
    }
}

/**
 * ckptd_wire_packet_clear() - close what descriptors a packet still holds
 * @packet: initialised
 */
void ckptd_wire_packet_clear(struct ckptd_packet *packet)
{
    guint i;

    for (i = 0; i < CKPTD_WIRE_FDS_MAX; i++) {
        if (packet->fds[i] >= 0) {
            close(packet->fds[i]);
        }
    }
    ckptd_wire_packet_init(packet);
}

/**
 * ckptd_wire_steal_fd() - take a descriptor out of a packet
 * @packet: received
 * @index: which
 *
 * Return: the descriptor, now the caller's, or -1.
 */
int ckptd_wire_steal_fd(struct ckptd_packet *packet, guint index)
{
    int fd;

    g_assert(index < CKPTD_WIRE_FDS_MAX);
    fd = packet->fds[index];
    packet->fds[index] = -1;
    return fd;
}

static void take_fds(struct ckptd_packet *packet, struct msghdr *msg)
{
    struct cmsghdr *cmsg;
    guint n = 0, i, count;
    int fd;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (i = 0; i < count; i++) {
            memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
            if (n < CKPTD_WIRE_FDS_MAX) {
                packet->fds[n++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

/**
 * ckptd_wire_recv() - wait for the next packet
 * @sock: SOCK_SEQPACKET
 * @packet: initialised; what descriptors it still holds are closed
 * @error: set for CKPTD_RECV_ERROR
 *
 * A peer that died with unread data shows as ECONNRESET once; what it had sent
 * before is still there and is received by the next calls.
 *
 * Return: see enum ckptd_recv.
 * Context: may block.
 */
enum ckptd_recv ckptd_wire_recv(int sock, struct ckptd_packet *packet,
                                GError **error)
{
    char control[CMSG_SPACE(CKPTD_WIRE_FDS_MAX * sizeof(int))];
    struct iovec iov[2] = {
        { &packet->msg, sizeof(packet->msg) },
        { packet->payload, CKPT_MSG_MAX - sizeof(packet->msg) },
    };
    struct msghdr msg = {
        .msg_iov = iov,
        .msg_iovlen = G_N_ELEMENTS(iov),
        .msg_control = control,
        .msg_controllen = sizeof(control),
    };
    ssize_t len_bytes;

    ckptd_wire_packet_clear(packet);
    do {
        len_bytes = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    } while (len_bytes < 0 && (errno == EINTR || errno == ECONNRESET));
    if (len_bytes < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "recvmsg: %s",
                    g_strerror(errno));
        return CKPTD_RECV_ERROR;
    }
    take_fds(packet, &msg);
    if (len_bytes == 0) {
        return CKPTD_RECV_END;
    }
    if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        bad(error,
            "a message longer than %u bytes, or with more than %u "
            "descriptors",
            CKPT_MSG_MAX, CKPTD_WIRE_FDS_MAX);
        return CKPTD_RECV_ERROR;
    }
    if ((size_t)len_bytes < sizeof(packet->msg) ||
        packet->msg.len_bytes != len_bytes - sizeof(packet->msg)) {
        bad(error, "a message of %zd bytes whose header does not fit",
            len_bytes);
        return CKPTD_RECV_ERROR;
    }
    return CKPTD_RECV_PACKET;
}

/**
 * ckptd_wire_send() - send one packet, now or not at all
 * @sock: SOCK_SEQPACKET
 * @msg: header; len_bytes tells the payload's length
 * @payload: may be NULL when there is none
 * @fds: descriptors to send along, still the caller's
 * @n_fds: their number
 * @error: CKPTD_ERROR_BUSY: the peer does not read, and its queue is full
 *
 * Return: TRUE when the kernel has taken it.
 * Context: any thread, packets are not mixed up; does not block.
 */
gboolean ckptd_wire_send(int sock, const struct ckpt_msg *msg,
                         const void *payload, const int *fds, guint n_fds,
                         GError **error)
{
    char control[CMSG_SPACE(CKPTD_WIRE_FDS_MAX * sizeof(int))] = { 0 };
    struct iovec iov[2] = {
        { (void *)msg, sizeof(*msg) },
        { (void *)payload, msg->len_bytes },
    };
    struct msghdr head = {
        .msg_iov = iov,
        .msg_iovlen = msg->len_bytes ? 2 : 1,
    };
    struct cmsghdr *cmsg;
    ssize_t len_bytes;
    gboolean full;

    g_assert(n_fds <= CKPTD_WIRE_FDS_MAX);
    g_assert(msg->len_bytes <= CKPT_MSG_MAX - sizeof(*msg));
    if (n_fds) {
        head.msg_control = control;
        head.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&head);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
    }
    do {
        len_bytes = sendmsg(sock, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (len_bytes < 0 && errno == EINTR);
    if (len_bytes < 0) {
        full = errno == EAGAIN;
        g_set_error(error, CKPTD_ERROR,
                    full ? CKPTD_ERROR_BUSY : CKPTD_ERROR_IO, "sending %s: %s",
                    ckptd_wire_type_name(msg->type),
                    full ? "the other side does not read" : g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

/* Return: FALSE when it is too late, or somebody has shut the socket down. */
static gboolean wait_for_room(int sock, gint64 deadline_us)
{
    struct pollfd pfd = { sock, POLLOUT, 0 };
    gint64 left_us = deadline_us - g_get_monotonic_time();
    int n = left_us > 0 ? poll(&pfd, 1, (left_us + 999) / 1000) : 0;

    return (n < 0 && errno == EINTR) ||
           (n > 0 && !(pfd.revents & (POLLHUP | POLLERR | POLLNVAL)));
}

/**
 * ckptd_wire_send_wait() - send one packet, and wait for room if there is none
 * @sock: as for ckptd_wire_send(), and likewise what follows
 * @msg: likewise
 * @payload: likewise
 * @fds: likewise
 * @n_fds: likewise
 * @error: CKPTD_ERROR_BUSY: CKPTD_WIRE_SEND_MS were not enough, or the socket
 *         was shut down meanwhile
 *
 * Return: TRUE when the kernel has taken it.
 * Context: a session's thread; blocks.
 */
gboolean ckptd_wire_send_wait(int sock, const struct ckpt_msg *msg,
                              const void *payload, const int *fds, guint n_fds,
                              GError **error)
{
    gint64 deadline_us =
        g_get_monotonic_time() + CKPTD_WIRE_SEND_MS * G_TIME_SPAN_MILLISECOND;
    g_autoptr(GError) local = NULL;

    while (!ckptd_wire_send(sock, msg, payload, fds, n_fds, &local)) {
        if (!g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_BUSY) ||
            !wait_for_room(sock, deadline_us)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        g_clear_error(&local);
    }
    return TRUE;
}

/**
 * ckptd_wire_text_bytes() - how much of a text goes into a message
 * @text: for people, UTF-8
 *
 * Return: its length, or that of its first whole characters where it is long.
 */
guint ckptd_wire_text_bytes(const char *text)
{
    size_t len_bytes = strnlen(text, CKPTD_WIRE_TEXT_MAX + 1);

    if (len_bytes > CKPTD_WIRE_TEXT_MAX) {
        len_bytes =
            g_utf8_find_prev_char(text, text + CKPTD_WIRE_TEXT_MAX + 1) - text;
    }
    return len_bytes;
}

static gboolean string_ok(const char *s, size_t size_bytes)
{
    size_t len_bytes = strnlen(s, size_bytes), i;

    for (i = 0; i < len_bytes; i++) {
        if (g_ascii_iscntrl(s[i])) {
            return FALSE;
        }
    }
    return len_bytes < size_bytes && g_utf8_validate(s, len_bytes, NULL);
}

/**
 * ckptd_wire_check_hello() - is this a HELLO we can work with?
 * @packet: received
 * @ret_hello: filled in on success
 * @error: says what is wrong
 *
 * Return: TRUE if so.
 */
gboolean ckptd_wire_check_hello(const struct ckptd_packet *packet,
                                struct ckpt_hello *ret_hello, GError **error)
{
    const uint32_t known = CKPT_HELLO_RECONNECT | CKPT_HELLO_VERIFY |
                           CKPT_HELLO_NO_CHECKPOINT | CKPT_HELLO_INCOMING;
    struct ckpt_hello h;
    guint n_fds;

    if (packet->msg.type != CKPT_MSG_HELLO ||
        packet->msg.len_bytes != sizeof(h)) {
        return bad(error, "expected HELLO, got %s of %u bytes",
                   ckptd_wire_type_name(packet->msg.type),
                   packet->msg.len_bytes);
    }
    memcpy(&h, packet->payload, sizeof(h));
    if (h.version != CKPT_WIRE_VERSION) {
        return bad(error,
                   "QEMU speaks version %u of the protocol, ckptd "
                   "version %u: build both from the same source",
                   h.version, CKPT_WIRE_VERSION);
    }
    if (h.flags & ~known || h.features) {
        return bad(error,
                   "HELLO with flags 0x%x, features 0x%" PRIx64
                   " that nobody agreed on",
                   h.flags, h.features);
    }
    if (h.page_bytes != CKPT_PAGE_BYTES || h.ram_bytes == 0 ||
        h.ram_bytes % CKPT_PAGE_BYTES || h.ram_bytes > CKPTD_WIRE_RAM_MAX ||
        h.devstate_max > CKPTD_WIRE_DEVSTATE_MAX) {
        return bad(error,
                   "HELLO with RAM of %" PRIu64 " bytes, pages of %u, "
                   "device state of %u",
                   h.ram_bytes, h.page_bytes, h.devstate_max);
    }
    if (!string_ok(h.name, sizeof(h.name)) ||
        !string_ok(h.qemu, sizeof(h.qemu)) ||
        !string_ok(h.machine, sizeof(h.machine)) ||
        !string_ok(h.cpu, sizeof(h.cpu)) ||
        !string_ok(h.accel, sizeof(h.accel))) {
        return bad(error, "HELLO with a string that is not text");
    }
    n_fds = (h.flags & CKPT_HELLO_RECONNECT) &&
                    !(h.flags & CKPT_HELLO_NO_CHECKPOINT)
                ? 2
                : 0;
    if ((n_fds && (packet->fds[0] < 0 || packet->fds[1] < 0)) ||
        packet->fds[n_fds] >= 0) {
        return bad(error, "HELLO needs %u descriptors", n_fds);
    }
    if ((h.flags & CKPT_HELLO_INCOMING) &&
        (h.flags & (CKPT_HELLO_RECONNECT | CKPT_HELLO_NO_CHECKPOINT))) {
        return bad(error, "HELLO of a guest that comes in, with flags 0x%x",
                   h.flags);
    }
    if ((h.flags & CKPT_HELLO_RECONNECT) && packet->msg.epoch < h.committed) {
        return bad(error,
                   "HELLO: epoch %" PRIu64 " committed before it was "
                   "captured (%" PRIu64 ")",
                   h.committed, packet->msg.epoch);
    }
    *ret_hello = h;
    return TRUE;
}

/**
 * ckptd_wire_check_epoch() - is this a sound EPOCH?
 * @packet: received
 * @ret_epoch: filled in on success
 * @error: says what is wrong
 *
 * The slot it names is checked by the store, against the slot's own copy.
 *
 * Return: TRUE if so.
 */
gboolean ckptd_wire_check_epoch(const struct ckptd_packet *packet,
                                struct ckpt_epoch *ret_epoch, GError **error)
{
    struct ckpt_epoch e;

    g_assert(packet->msg.type == CKPT_MSG_EPOCH);
    if (packet->msg.len_bytes != sizeof(e)) {
        return bad(error, "EPOCH of %u bytes", packet->msg.len_bytes);
    }
    memcpy(&e, packet->payload, sizeof(e));
    if (packet->msg.epoch == 0 || e.slot >= CKPT_STAGING_SLOTS ||
        e.flags & ~(CKPT_EPOCH_FULL | CKPT_EPOCH_HASH | CKPT_EPOCH_LAST |
                    CKPT_EPOCH_ARRIVING | CKPT_EPOCH_ARRIVED)) {
        return bad(error, "EPOCH %" PRIu64 " in slot %u with flags 0x%x",
                   packet->msg.epoch, e.slot, e.flags);
    }
    *ret_epoch = e;
    return TRUE;
}

/**
 * ckptd_wire_check_output() - is this a sound OUTPUT?
 * @packet: received
 * @ret_output: filled in on success
 * @ret_data: the bytes, in the packet
 * @ret_len_bytes: their number
 * @error: says what is wrong
 *
 * Return: TRUE if so.
 */
gboolean ckptd_wire_check_output(const struct ckptd_packet *packet,
                                 struct ckpt_output *ret_output,
                                 const uint8_t **ret_data,
                                 size_t *ret_len_bytes, GError **error)
{
    struct ckpt_output o;
    size_t len_bytes;

    g_assert(packet->msg.type == CKPT_MSG_OUTPUT);
    if (packet->msg.len_bytes < sizeof(o)) {
        return bad(error, "OUTPUT of %u bytes", packet->msg.len_bytes);
    }
    memcpy(&o, packet->payload, sizeof(o));
    len_bytes = packet->msg.len_bytes - sizeof(o);
    if (o.kind < CKPT_OUTPUT_LOG || o.kind > CKPT_OUTPUT_ENDING ||
        o.flags & ~CKPT_OUTPUT_COMMITTED) {
        return bad(error, "OUTPUT of kind %u with flags 0x%x", o.kind, o.flags);
    }
    if ((o.kind == CKPT_OUTPUT_EXIT || o.kind == CKPT_OUTPUT_ENDING) &&
        len_bytes != sizeof(uint32_t)) {
        return bad(error, "exit status of %zu bytes", len_bytes);
    }
    *ret_output = o;
    *ret_data = packet->payload + sizeof(o);
    *ret_len_bytes = len_bytes;
    return TRUE;
}

/* What a peer says for people: text, one line, and no longer than a few. */
static char *take_text(const char *text, size_t len_bytes)
{
    g_autofree char *valid = g_utf8_make_valid(text, len_bytes);
    char *at;

    valid[ckptd_wire_text_bytes(valid)] = '\0';
    for (at = valid; *at; at++) {
        if (g_ascii_iscntrl(*at)) {
            *at = ' ';
        }
    }
    return g_strdup(valid);
}

/**
 * ckptd_wire_check_bye() - is this a sound BYE?
 * @packet: received
 * @ret_bye: filled in on success
 * @ret_text: what QEMU says about it, valid UTF-8, one line, at most
 *            CKPTD_WIRE_TEXT_MAX bytes of it; to be freed
 * @error: says what is wrong
 *
 * Return: TRUE if so.
 */
gboolean ckptd_wire_check_bye(const struct ckptd_packet *packet,
                              struct ckpt_bye *ret_bye, char **ret_text,
                              GError **error)
{
    struct ckpt_bye b;
    const char *text;
    size_t len_bytes;

    g_assert(packet->msg.type == CKPT_MSG_BYE);
    if (packet->msg.len_bytes < sizeof(b)) {
        return bad(error, "BYE of %u bytes", packet->msg.len_bytes);
    }
    memcpy(&b, packet->payload, sizeof(b));
    if (b.reason < CKPT_BYE_EXIT || b.reason > CKPT_BYE_RESET) {
        return bad(error, "BYE with reason %u", b.reason);
    }
    text = (const char *)packet->payload + sizeof(b);
    len_bytes = strnlen(text, packet->msg.len_bytes - sizeof(b));
    *ret_bye = b;
    *ret_text = take_text(text, len_bytes);
    return TRUE;
}

/**
 * ckptd_wire_check_name() - is this a sound NAME?
 * @packet: received
 * @ret_label: the label, NUL terminated
 * @error: says what is wrong
 *
 * What a label may look like beyond that is ckptd_label_name_ok()'s to say.
 *
 * Return: TRUE if so.
 */
gboolean ckptd_wire_check_name(const struct ckptd_packet *packet,
                               char ret_label[CKPT_LABEL_MAX + 1],
                               GError **error)
{
    char label[CKPT_LABEL_MAX + 1] = { 0 };

    g_assert(packet->msg.type == CKPT_MSG_NAME);
    if (packet->msg.len_bytes < 1 || packet->msg.len_bytes > CKPT_LABEL_MAX ||
        packet->msg.epoch == 0) {
        return bad(error, "NAME for epoch %" PRIu64 " with a label of %u bytes",
                   packet->msg.epoch, packet->msg.len_bytes);
    }
    memcpy(label, packet->payload, packet->msg.len_bytes);
    if (strlen(label) != packet->msg.len_bytes ||
        !string_ok(label, sizeof(label))) {
        return bad(error, "NAME with a label that is not text");
    }
    memcpy(ret_label, label, sizeof(label));
    return TRUE;
}

/**
 * ckptd_wire_check_move() - is this a sound MOVE?
 * @packet: received
 * @ret_move: filled in on success
 * @error: says what is wrong
 *
 * Return: TRUE if so.
 */
gboolean ckptd_wire_check_move(const struct ckptd_packet *packet,
                               struct ckpt_move *ret_move, GError **error)
{
    struct ckpt_move m;

    g_assert(packet->msg.type == CKPT_MSG_MOVE);
    if (packet->msg.len_bytes != sizeof(m)) {
        return bad(error, "MOVE of %u bytes", packet->msg.len_bytes);
    }
    memcpy(&m, packet->payload, sizeof(m));
    if (m.phase < CKPT_MOVE_LEAVING || m.phase > CKPT_MOVE_MOVED ||
        m.reserved) {
        return bad(error, "MOVE with phase %u", m.phase);
    }
    *ret_move = m;
    return TRUE;
}

/**
 * ckptd_wire_slot_bytes() - size of a staging slot that never overflows
 * @ram_bytes: of main RAM
 * @devstate_max: as HELLO asks
 *
 * A slot has room for all of RAM: a full one would have to drop pages, and
 * that would break E3.  The memory behind it is only taken where it is used.
 *
 * Return: bytes, a multiple of CKPT_PAGE_BYTES.
 */
uint64_t ckptd_wire_slot_bytes(uint64_t ram_bytes, uint32_t devstate_max)
{
    uint64_t head = sizeof(struct ckpt_slot) +
                    ram_bytes / CKPT_PAGE_BYTES * sizeof(uint64_t) +
                    devstate_max;

    /* One page more for each of the three offsets that may be aligned up. */
    head = (head + 4 * CKPT_PAGE_BYTES - 1) & ~(uint64_t)(CKPT_PAGE_BYTES - 1);
    return head + ram_bytes;
}
