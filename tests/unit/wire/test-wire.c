/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-wire.c - nothing that a QEMU can send gets past ckptd-wire unchecked
 *
 * What the checks let through must be safe to use, so the fuzzers look at it as
 * ckptd would: they read all of what a check returned (ASan watches), and count
 * descriptors at the end.
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckptd-histogram.h"
#include "ckptd/ckptd-shm.h"
#include "ckptd/ckptd-wire.h"

#define FUZZ_ROUNDS 20000

struct pair {
    int qemu;
    int ckptd;
    struct ckptd_packet packet;
};

static void pair_up(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds),
                    ==, 0);
    p->qemu = fds[0];
    p->ckptd = fds[1];
    ckptd_wire_packet_init(&p->packet);
}

static void pair_down(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    ckptd_wire_packet_clear(&p->packet);
    close(p->qemu);
    close(p->ckptd);
}

static guint count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

static struct ckpt_hello good_hello(void)
{
    struct ckpt_hello h = {
        .version = CKPT_WIRE_VERSION,
        .ram_bytes = 64 << 20,
        .tsc_hz = 1000000000,
        .page_bytes = CKPT_PAGE_BYTES,
        .devstate_max = 65536,
        .name = "guest",
        .qemu = "10.0.0",
        .machine = "microvm",
        .cpu = "max",
        .accel = "tcg",
    };

    return h;
}

static void put_hello(struct ckptd_packet *packet, const struct ckpt_hello *h)
{
    ckptd_wire_packet_clear(packet);
    packet->msg.type = CKPT_MSG_HELLO;
    packet->msg.len_bytes = sizeof(*h);
    memcpy(packet->payload, h, sizeof(*h));
}

static void test_round_trip(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    struct ckpt_hello h = good_hello(), got;
    struct ckpt_msg msg = {
        .type = CKPT_MSG_HELLO,
        .len_bytes = sizeof(h),
        .epoch = 7,
    };
    int fds[2] = { open("/dev/null", O_RDONLY), open("/dev/zero", O_RDONLY) };
    g_autoptr(GError) error = NULL;

    h.flags = CKPT_HELLO_RECONNECT;
    h.committed = 7;
    g_assert_true(ckptd_wire_send(p->qemu, &msg, &h, fds, 2, &error));
    close(fds[0]);
    close(fds[1]);
    g_assert_cmpint(ckptd_wire_recv(p->ckptd, &p->packet, &error), ==,
                    CKPTD_RECV_PACKET);
    g_assert_true(ckptd_wire_check_hello(&p->packet, &got, &error));
    g_assert_cmpmem(&h, sizeof(h), &got, sizeof(got));
    fds[0] = ckptd_wire_steal_fd(&p->packet, 0);
    g_assert_cmpint(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, !=, 0);
    close(fds[0]);
}

static void test_end(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    struct ckpt_msg msg = { .type = CKPT_MSG_EPOCH };
    g_autoptr(GError) error = NULL;

    /* What was sent before the end is heard, also when the end is a death
     * with unread data (ECONNRESET). */
    g_assert_true(ckptd_wire_send(p->ckptd, &msg, NULL, NULL, 0, &error));
    g_assert_true(ckptd_wire_send(p->qemu, &msg, NULL, NULL, 0, &error));
    close(p->qemu);
    p->qemu = -1;
    g_assert_cmpint(ckptd_wire_recv(p->ckptd, &p->packet, &error), ==,
                    CKPTD_RECV_PACKET);
    g_assert_cmpint(ckptd_wire_recv(p->ckptd, &p->packet, &error), ==,
                    CKPTD_RECV_END);
    g_assert_no_error(error);
}

static void expect_recv_error(struct pair *p, const void *data, size_t len)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(send(p->qemu, data, len, 0), ==, len);
    g_assert_cmpint(ckptd_wire_recv(p->ckptd, &p->packet, &error), ==,
                    CKPTD_RECV_ERROR);
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
}

static void test_bad_lengths(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *data = g_malloc0(CKPT_MSG_MAX + 64);
    struct ckpt_msg msg = { .type = CKPT_MSG_OUTPUT, .len_bytes = 5 };

    expect_recv_error(p, data, 1);
    expect_recv_error(p, data, sizeof(msg) - 1);
    memcpy(data, &msg, sizeof(msg));
    expect_recv_error(p, data, sizeof(msg));
    expect_recv_error(p, data, sizeof(msg) + 4);
    expect_recv_error(p, data, CKPT_MSG_MAX + 1);
    msg.len_bytes = UINT32_MAX;
    memcpy(data, &msg, sizeof(msg));
    expect_recv_error(p, data, sizeof(msg) + 4);
}

static void test_many_fds(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    char space[CMSG_SPACE(sizeof(int) * 16)] = { 0 };
    struct ckpt_msg msg = { .type = CKPT_MSG_HELLO };
    struct iovec iov = { &msg, sizeof(msg) };
    struct msghdr head = { .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = space,
                           .msg_controllen = sizeof(space) };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&head);
    g_autoptr(GError) error = NULL;
    guint before = count_fds(), i;
    int fds[16];

    for (i = 0; i < 16; i++) {
        fds[i] = p->qemu;
    }
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(fds));
    memcpy(CMSG_DATA(cmsg), fds, sizeof(fds));
    g_assert_cmpint(sendmsg(p->qemu, &head, 0), ==, sizeof(msg));
    g_assert_cmpint(ckptd_wire_recv(p->ckptd, &p->packet, &error), ==,
                    CKPTD_RECV_ERROR);
    ckptd_wire_packet_clear(&p->packet);
    g_assert_cmpuint(count_fds(), ==, before);
}

static void refuse_hello(struct ckptd_packet *packet,
                         const struct ckpt_hello *h)
{
    g_autoptr(GError) error = NULL;
    struct ckpt_hello got;

    put_hello(packet, h);
    g_assert_false(ckptd_wire_check_hello(packet, &got, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
}

#define REFUSE_HELLO(change)                                                   \
    do {                                                                       \
        struct ckpt_hello h = good_hello();                                    \
        change;                                                                \
        refuse_hello(&p->packet, &h);                                          \
    } while (0)

static void test_hello(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    struct ckpt_hello h = good_hello(), got;
    g_autoptr(GError) error = NULL;

    put_hello(&p->packet, &h);
    g_assert_true(ckptd_wire_check_hello(&p->packet, &got, &error));
    p->packet.msg.len_bytes--;
    g_assert_false(ckptd_wire_check_hello(&p->packet, &got, NULL));
    REFUSE_HELLO(h.version++);
    REFUSE_HELLO(h.flags = 1u << 31);
    REFUSE_HELLO(h.features = 1);
    REFUSE_HELLO(h.ram_bytes = 0);
    REFUSE_HELLO(h.ram_bytes++);
    REFUSE_HELLO(h.ram_bytes = UINT64_MAX & ~4095ull);
    REFUSE_HELLO(h.page_bytes = 16384);
    REFUSE_HELLO(h.devstate_max = UINT32_MAX);
    REFUSE_HELLO(memset(h.name, 'x', sizeof(h.name)));
    REFUSE_HELLO(h.cpu[0] = '\n');
    REFUSE_HELLO(h.accel[0] = (char)0xff);
    REFUSE_HELLO(h.flags = CKPT_HELLO_RECONNECT); /* no descriptors */
}

static void test_epoch_output_bye(struct pair *p,
                                  gconstpointer opaque G_GNUC_UNUSED)
{
    struct ckpt_epoch e = { .slot = CKPT_STAGING_SLOTS };
    struct ckpt_output o = { .kind = CKPT_OUTPUT_EXIT };
    struct ckpt_bye b = { .reason = CKPT_BYE_ERROR };
    g_autofree char *text = NULL;
    const uint8_t *data;
    size_t len;

    p->packet.msg = (struct ckpt_msg){ .type = CKPT_MSG_EPOCH,
                                       .epoch = 1,
                                       .len_bytes = sizeof(e) };
    memcpy(p->packet.payload, &e, sizeof(e));
    g_assert_false(ckptd_wire_check_epoch(&p->packet, &e, NULL));
    e = (struct ckpt_epoch){ .slot = 1, .flags = CKPT_EPOCH_FULL };
    memcpy(p->packet.payload, &e, sizeof(e));
    g_assert_true(ckptd_wire_check_epoch(&p->packet, &e, NULL));
    p->packet.msg.epoch = 0;
    g_assert_false(ckptd_wire_check_epoch(&p->packet, &e, NULL));

    p->packet.msg = (struct ckpt_msg){ .type = CKPT_MSG_OUTPUT,
                                       .len_bytes = sizeof(o) + 3 };
    memcpy(p->packet.payload, &o, sizeof(o));
    g_assert_false(ckptd_wire_check_output(&p->packet, &o, &data, &len, NULL));
    p->packet.msg.len_bytes = sizeof(o) + 4;
    g_assert_true(ckptd_wire_check_output(&p->packet, &o, &data, &len, NULL));
    g_assert_cmpuint(len, ==, 4);
    o.kind = CKPT_OUTPUT_ENDING;
    memcpy(p->packet.payload, &o, sizeof(o));
    g_assert_true(ckptd_wire_check_output(&p->packet, &o, &data, &len, NULL));
    p->packet.msg.len_bytes--;
    g_assert_false(ckptd_wire_check_output(&p->packet, &o, &data, &len, NULL));
    p->packet.msg.len_bytes++;
    o.kind++;
    memcpy(p->packet.payload, &o, sizeof(o));
    g_assert_false(ckptd_wire_check_output(&p->packet, &o, &data, &len, NULL));

    p->packet.msg =
        (struct ckpt_msg){ .type = CKPT_MSG_BYE, .len_bytes = sizeof(b) + 4 };
    memcpy(p->packet.payload, &b, sizeof(b));
    memcpy(p->packet.payload + sizeof(b),
           "\xff"
           "abc",
           4);
    g_assert_true(ckptd_wire_check_bye(&p->packet, &b, &text, NULL));
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_true(g_str_has_suffix(text, "abc"));
}

/* Who reads nothing is found out at once, and waited for only where asked. */
static void test_deaf(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    struct ckpt_msg msg = { .type = CKPT_MSG_COMMIT_NOW };
    g_autoptr(GError) error = NULL;

    while (ckptd_wire_send(p->ckptd, &msg, NULL, NULL, 0, &error)) {
    }
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY);
    g_clear_error(&error);
    shutdown(p->ckptd, SHUT_RDWR); /* somebody ends it: no more waiting */
    g_assert_false(ckptd_wire_send_wait(p->ckptd, &msg, NULL, NULL, 0, &error));
    g_assert_nonnull(error);
}

static gpointer listen_late(gpointer opaque)
{
    struct pair *p = opaque;
    struct ckptd_packet *packet = g_new(struct ckptd_packet, 1);
    guint n = 0;

    ckptd_wire_packet_init(packet);
    while (ckptd_wire_recv(p->qemu, packet, NULL) == CKPTD_RECV_PACKET) {
        n++;
    }
    g_free(packet);
    return GUINT_TO_POINTER(n);
}

/* One that reads late gets everything. */
static void test_late(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    struct ckpt_msg msg = { .type = CKPT_MSG_COMMITTED };
    guint n = 0, more;
    GThread *reader;

    while (ckptd_wire_send(p->ckptd, &msg, NULL, NULL, 0, NULL)) {
        n++;
    }
    reader = g_thread_new("reader", listen_late, p);
    for (more = 0; more < 1000; more++) {
        g_assert_true(
            ckptd_wire_send_wait(p->ckptd, &msg, NULL, NULL, 0, NULL));
    }
    shutdown(p->ckptd, SHUT_WR);
    g_assert_cmpuint(GPOINTER_TO_UINT(g_thread_join(reader)), ==, n + more);
}

/* A text fills a message as far as whole characters go, and is one line. */
static void test_long_text(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    struct ckpt_bye b = { .reason = CKPT_BYE_ERROR };
    size_t len = sizeof(p->packet.payload) - sizeof(b);
    char *text;

    g_assert_cmpuint(ckptd_wire_text_bytes(""), ==, 0);
    g_assert_cmpuint(ckptd_wire_text_bytes("why"), ==, 3);
    memcpy(p->packet.payload, &b, sizeof(b));
    memset(p->packet.payload + sizeof(b), 0xff, len);
    p->packet.payload[sizeof(b)] = '\n';
    p->packet.msg =
        (struct ckpt_msg){ .type = CKPT_MSG_BYE, .len_bytes = sizeof(b) + len };
    g_assert_true(ckptd_wire_check_bye(&p->packet, &b, &text, NULL));
    g_assert_cmpuint(strlen(text), <=, CKPTD_WIRE_TEXT_MAX);
    g_assert_cmpuint(strlen(text), >, CKPTD_WIRE_TEXT_MAX - 4);
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_cmpint(text[0], ==, ' ');
    g_free(text);
}

static gboolean named(struct pair *p, guint64 epoch, const char *text,
                      guint32 len_bytes)
{
    char label[CKPT_LABEL_MAX + 1];
    g_autoptr(GError) error = NULL;
    gboolean ok;

    p->packet.msg = (struct ckpt_msg){ .type = CKPT_MSG_NAME,
                                       .len_bytes = len_bytes,
                                       .epoch = epoch };
    memcpy(p->packet.payload, text, len_bytes);
    ok = ckptd_wire_check_name(&p->packet, label, &error);
    if (ok) {
        g_assert_cmpmem(label, len_bytes + 1, text, len_bytes + 1);
    } else {
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    }
    return ok;
}

static void test_name(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    static const char longest[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef";

    g_assert_true(named(p, 7, "warm", 4));
    g_assert_true(named(p, 7, "\xc3\xb6\xc3\x9f", 4));
    g_assert_true(named(p, 7, longest, CKPT_LABEL_MAX));
    g_assert_false(named(p, 0, "warm", 4));
    g_assert_false(named(p, 7, "", 0));
    g_assert_false(named(p, 7, longest, CKPT_LABEL_MAX + 1));
    g_assert_false(named(p, 7, "wa\0m", 4));
    g_assert_false(named(p, 7, "wa\nm", 4));
    g_assert_false(named(p, 7, "wa\xff", 3));
}

static gboolean moves(struct ckptd_packet *packet, uint32_t phase,
                      uint32_t reserved, uint32_t len)
{
    struct ckpt_move m = { .phase = phase, .reserved = reserved }, got;

    packet->msg.type = CKPT_MSG_MOVE;
    packet->msg.len_bytes = len;
    memcpy(packet->payload, &m, sizeof(m));
    return ckptd_wire_check_move(packet, &got, NULL) && got.phase == phase;
}

static void test_move(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    uint32_t phase;

    for (phase = CKPT_MOVE_LEAVING; phase <= CKPT_MOVE_MOVED; phase++) {
        g_assert_true(moves(&p->packet, phase, 0, sizeof(struct ckpt_move)));
    }
    g_assert_false(moves(&p->packet, 0, 0, sizeof(struct ckpt_move)));
    g_assert_false(moves(&p->packet, phase, 0, sizeof(struct ckpt_move)));
    g_assert_false(moves(&p->packet, 1, 1, sizeof(struct ckpt_move)));
    g_assert_false(moves(&p->packet, 1, 0, sizeof(struct ckpt_move) - 1));
    g_assert_false(moves(&p->packet, 1, 0, sizeof(struct ckpt_move) + 1));
}

/* Look at a packet as ckptd does, whatever is in it. */
static void use(struct ckptd_packet *packet)
{
    struct ckpt_hello h;
    struct ckpt_epoch e;
    struct ckpt_output o;
    struct ckpt_bye b;
    struct ckpt_move m;
    char label[CKPT_LABEL_MAX + 1];
    const uint8_t *data;
    size_t len, i;
    guint sum = 0;
    char *text;

    if (ckptd_wire_check_hello(packet, &h, NULL)) {
        g_assert_cmpuint(strlen(h.name), <, sizeof(h.name));
        g_assert_cmpuint(ckptd_wire_slot_bytes(h.ram_bytes, h.devstate_max), >,
                         h.ram_bytes);
    }
    switch (packet->msg.type) {
    case CKPT_MSG_EPOCH:
        if (ckptd_wire_check_epoch(packet, &e, NULL)) {
            g_assert_cmpuint(e.slot, <, CKPT_STAGING_SLOTS);
        }
        break;
    case CKPT_MSG_OUTPUT:
        if (ckptd_wire_check_output(packet, &o, &data, &len, NULL)) {
            for (i = 0; i < len; i++) {
                sum += data[i];
            }
            g_assert_cmpuint(sum, <=, 255 * CKPT_MSG_MAX);
        }
        break;
    case CKPT_MSG_BYE:
        if (ckptd_wire_check_bye(packet, &b, &text, NULL)) {
            g_assert_true(g_utf8_validate(text, -1, NULL));
            g_free(text);
        }
        break;
    case CKPT_MSG_MOVE:
        if (ckptd_wire_check_move(packet, &m, NULL)) {
            g_assert_cmpuint(m.phase, <=, CKPT_MOVE_MOVED);
        }
        break;
    case CKPT_MSG_NAME:
        if (ckptd_wire_check_name(packet, label, NULL)) {
            g_assert_cmpuint(strlen(label), ==, packet->msg.len_bytes);
        }
        break;
    default:
        break;
    }
}

static size_t random_message(guint8 *data)
{
    static const guint32 sizes[] = { 0,  8,   16,   20,
                                     48, 320, 4096, CKPT_MSG_MAX - 24 };
    struct ckpt_hello h = good_hello();
    struct ckpt_msg msg = {
        .type = g_test_rand_int_range(0, CKPT_MSG_STORED + 1),
        .len_bytes = sizes[g_test_rand_int_range(0, G_N_ELEMENTS(sizes))],
        .epoch = g_test_rand_int_range(0, 3),
        .generation = g_test_rand_int_range(0, 3),
    };
    guint flips = g_test_rand_int_range(0, 6), i;
    size_t len = sizeof(msg) + msg.len_bytes;

    for (i = 0; i < msg.len_bytes; i++) {
        data[sizeof(msg) + i] =
            g_test_rand_bit() ? 0 : g_test_rand_int_range(0, 5);
    }
    memcpy(data, &msg, sizeof(msg));
    if (msg.type == CKPT_MSG_HELLO && msg.len_bytes == sizeof(h)) {
        memcpy(data + sizeof(msg), &h, sizeof(h));
    }
    for (i = 0; i < flips; i++) {
        data[g_test_rand_int_range(0, len)] = g_test_rand_int_range(0, 256);
    }
    return len;
}

static void test_fuzz(struct pair *p, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autofree guint8 *data = g_malloc0(CKPT_MSG_MAX);
    guint before = count_fds(), round;
    size_t len;

    for (round = 0; round < FUZZ_ROUNDS; round++) {
        len = random_message(data);
        g_assert_cmpint(send(p->qemu, data, len, 0), ==, len);
        if (ckptd_wire_recv(p->ckptd, &p->packet, NULL) == CKPTD_RECV_PACKET) {
            use(&p->packet);
        }
    }
    ckptd_wire_packet_clear(&p->packet);
    g_assert_cmpuint(count_fds(), ==, before);
}

static void test_shm_seals(void)
{
    struct ckptd_shm made = CKPTD_SHM_NONE, got = CKPTD_SHM_NONE;
    g_autoptr(GError) error = NULL;
    int fd;

    g_assert_true(ckptd_shm_create("test", 65536, &made, &error));
    g_assert_cmpint(ftruncate(made.fd, 4096), ==, -1);
    g_assert_cmpint(ftruncate(made.fd, 1 << 20), ==, -1);
    fd = dup(made.fd);
    g_assert_false(ckptd_shm_adopt(fd, "test", 4096, &got, NULL));
    g_assert_true(ckptd_shm_adopt(fd, "test", 65536, &got, &error));
    memcpy(got.addr, "seen", 4);
    g_assert_cmpmem(made.addr, 4, "seen", 4);
    ckptd_shm_clear(&got);
    ckptd_shm_clear(&made);

    fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_cmpint(ftruncate(fd, 65536), ==, 0);
    g_assert_false(ckptd_shm_adopt(fd, "unsealed", 65536, &got, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    close(fd);
}

static void test_histogram(void)
{
    struct ckptd_histogram *h = g_new0(struct ckptd_histogram, 1);
    guint64 i, got;

    g_assert_cmpuint(ckptd_histogram_percentile(h, 50), ==, 0);
    for (i = 1; i <= 100000; i++) {
        ckptd_histogram_add(h, i);
    }
    got = ckptd_histogram_percentile(h, 50);
    g_assert_cmpuint(got, >, 47000);
    g_assert_cmpuint(got, <, 53000);
    g_assert_cmpuint(ckptd_histogram_percentile(h, 100), <=, h->max);
    ckptd_histogram_add(h, UINT64_MAX);
    g_assert_cmpuint(h->max, ==, UINT64_MAX);
    g_free(h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func)                                                        \
    g_test_add(path, struct pair, NULL, pair_up, func, pair_down)
    ADD("/wire/round-trip", test_round_trip);
    ADD("/wire/end", test_end);
    ADD("/wire/bad-lengths", test_bad_lengths);
    ADD("/wire/too-many-descriptors", test_many_fds);
    ADD("/wire/hello", test_hello);
    ADD("/wire/epoch-output-bye", test_epoch_output_bye);
    ADD("/wire/name", test_name);
    ADD("/wire/move", test_move);
    ADD("/wire/deaf", test_deaf);
    ADD("/wire/late", test_late);
    ADD("/wire/long-text", test_long_text);
    ADD("/wire/fuzz", test_fuzz);
    g_test_add_func("/shm/seals", test_shm_seals);
    g_test_add_func("/histogram/percentiles", test_histogram);
    return g_test_run();
}
