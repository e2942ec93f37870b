/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-netd.c - ckpt-netd without libslirp: framing, link, control, capture
 */
#include <errno.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "ckptd/ckpt-netd-control.h"
#include "ckptd/ckpt-netd-frame.h"
#include "ckptd/ckpt-netd-link.h"
#include "ckptd/ckpt-netd-pcap.h"
#include "ckptd/ckpt-netd-reset.h"
#include "ckptd/ckpt-netd-tcp.h"

#define QUEUE_BYTES 100000

static guint8 frame[NETD_FRAME_MAX];

/* --- framing ------------------------------------------------------------- */

static void collect(void *opaque, const guint8 *data, gsize len_bytes)
{
    g_ptr_array_add(opaque, g_bytes_new(data, len_bytes));
}

static void append(GByteArray *stream, guint32 len)
{
    guint32 head = GUINT32_TO_BE(len);

    g_byte_array_append(stream, (guint8 *)&head, 4);
    g_byte_array_append(stream, frame, MIN(len, sizeof(frame)));
}

static void test_any_cut(void)
{
    static const guint32 lens[] = { 14, 60, 1514, NETD_FRAME_MAX, 15, 9000 };
    g_autoptr(GByteArray) stream = g_byte_array_new();
    g_autofree struct netd_framer *f = g_new0(struct netd_framer, 1);
    guint round, i;

    for (i = 0; i < 60; i++) {
        append(stream, lens[i % G_N_ELEMENTS(lens)]);
    }
    for (round = 0; round < 50; round++) {
        g_autoptr(GPtrArray) got =
            g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
        gsize at = 0;

        netd_framer_reset(f);
        while (at < stream->len) {
            gsize room;
            guint8 *space = netd_framer_space(f, &room);
            gsize n = round ? (gsize)g_test_rand_int_range(1, 70000) : 1;

            n = MIN(n, MIN(room, stream->len - at));
            memcpy(space, stream->data + at, n);
            g_assert_true(netd_framer_take(f, n, collect, got));
            at += n;
        }
        g_assert_cmpuint(got->len, ==, 60);
        for (i = 0; i < got->len; i++) {
            gsize len;
            const void *data = g_bytes_get_data(got->pdata[i], &len);

            g_assert_cmpmem(data, len, frame, lens[i % G_N_ELEMENTS(lens)]);
        }
    }
}

static void test_bad_length(void)
{
    static const guint32 bad[] = { 0, 13, NETD_FRAME_MAX + 1, 0x80000000,
                                   0xffffffff };
    g_autofree struct netd_framer *f = g_new0(struct netd_framer, 1);
    g_autoptr(GPtrArray) got =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    guint i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GByteArray) stream = g_byte_array_new();
        gsize room;

        append(stream, 60);
        append(stream, bad[i]);
        netd_framer_reset(f);
        memcpy(netd_framer_space(f, &room), stream->data, 68);
        g_assert_false(netd_framer_take(f, 68, collect, got));
        g_assert_cmpuint(got->len, ==, i + 1);
    }
}

static void test_queue_is_bounded(void)
{
    struct netd_queue q;
    guint n = 0;

    netd_queue_init(&q, 10000, 10000);
    while (netd_queue_push(&q, frame, 996)) {
        n++;
        g_assert_cmpuint(n, <=, 10);
    }
    g_assert_cmpuint(n, ==, 10);
    g_assert_cmpuint(q.dropped, ==, 1);
    g_assert_false(netd_queue_push(&q, frame, 13));
    g_assert_false(netd_queue_push(&q, frame, NETD_FRAME_MAX + 1));
    netd_queue_advance(&q, 1000);
    g_assert_true(netd_queue_push(&q, frame, 996));
    netd_queue_clear(&q);
    g_assert_cmpuint(q.bytes, ==, 0);
}

/* However much was written and read: what was not read whole comes again. */
static void test_rewind(void)
{
    guint written, read;

    for (written = 0; written <= 1000; written += 10) {
        for (read = 0; read <= written; read += 10) {
            struct netd_queue q;
            guint i;

            netd_queue_init(&q, 10000, 10000);
            for (i = 0; i < 10; i++) {
                netd_queue_push(&q, frame, 96);
            }
            netd_queue_advance(&q, written);
            netd_queue_rewind(&q, written - read);
            g_assert_cmpuint(q.frames.length, ==, 10 - read / 100);
            g_assert_cmpuint(q.offset, ==, 0);
            g_assert_cmpuint(q.bytes, ==, q.frames.length * 100);
            netd_queue_clear(&q);
        }
    }
}

/* --- link ---------------------------------------------------------------- */

typedef struct Fixture {
    NetdLink *link;
    GPtrArray *got;
    int fd; /* QEMU's end */
} Fixture;

static void plug(Fixture *f, gboolean with_copy)
{
    struct timeval deadline = { .tv_sec = 10 };
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    netd_link_attach(f->link, pair[0], with_copy ? dup(pair[1]) : -1);
    if (f->fd >= 0) {
        close(f->fd);
    }
    f->fd = pair[1];
    setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
}

static void set_up(Fixture *f, gconstpointer unused)
{
    (void)unused;
    f->got = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    f->link = netd_link_new(QUEUE_BYTES, collect, f->got);
    f->fd = -1;
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    (void)unused;
    netd_link_free(f->link);
    g_ptr_array_free(f->got, TRUE);
    if (f->fd >= 0) {
        close(f->fd);
    }
}

static void spin(void)
{
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

static void send_tagged(Fixture *f, guint8 tag)
{
    guint8 buf[60] = { tag };

    netd_link_send(f->link, buf, sizeof(buf));
    netd_link_flush(f->link);
}

static void expect_tagged(Fixture *f, guint8 tag)
{
    guint8 buf[64];

    g_assert_cmpint(recv(f->fd, buf, sizeof(buf), MSG_WAITALL), ==, 64);
    g_assert_cmpuint(buf[3], ==, 60);
    g_assert_cmpuint(buf[4], ==, tag);
}

static void expect_silence(Fixture *f)
{
    guint8 byte;

    g_assert_cmpint(recv(f->fd, &byte, 1, MSG_DONTWAIT), ==, -1);
}

static void test_link_waits_for_guest(Fixture *f, gconstpointer unused)
{
    struct netd_link_stats stats;

    (void)unused;
    send_tagged(f, 1);
    send_tagged(f, 2);
    netd_link_stats(f->link, &stats);
    g_assert_false(stats.attached);
    g_assert_cmpuint(stats.queued_bytes, ==, 128);
    plug(f, FALSE);
    expect_tagged(f, 1);
    expect_tagged(f, 2);
    expect_silence(f);
}

static void test_link_partial_frame_is_dropped(Fixture *f, gconstpointer unused)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();
    const void *data;
    gsize len;

    (void)unused;
    append(stream, 60);
    append(stream, 60);
    plug(f, FALSE);
    g_assert_cmpint(send(f->fd, stream->data, 100, 0), ==, 100);
    spin();
    g_assert_cmpuint(f->got->len, ==, 1);
    plug(f, FALSE);
    g_assert_cmpint(send(f->fd, stream->data, 128, 0), ==, 128);
    spin();
    g_assert_cmpuint(f->got->len, ==, 3);
    data = g_bytes_get_data(f->got->pdata[1], &len);
    g_assert_cmpmem(data, len, frame, 60);
}

/* What a QEMU wrote before it was replaced is passed on. */
static void test_link_drains_before_replacing(Fixture *f, gconstpointer unused)
{
    g_autoptr(GByteArray) stream = g_byte_array_new();

    (void)unused;
    append(stream, 60);
    plug(f, TRUE);
    g_assert_cmpint(send(f->fd, stream->data, 64, 0), ==, 64);
    plug(f, TRUE);
    g_assert_cmpuint(f->got->len, ==, 1);
}

static void test_link_unread_comes_again(Fixture *f, gconstpointer unused)
{
    struct netd_link_stats stats;
    guint8 half[20];

    (void)unused;
    plug(f, TRUE);
    send_tagged(f, 1);
    send_tagged(f, 2);
    send_tagged(f, 3);
    expect_tagged(f, 1);
    g_assert_cmpint(recv(f->fd, half, 20, 0), ==, 20);
    close(f->fd); /* QEMU dies in the middle of the second */
    f->fd = -1;
    spin();
    send_tagged(f, 4);
    plug(f, TRUE);
    expect_tagged(f, 2);
    expect_tagged(f, 3);
    expect_tagged(f, 4);
    expect_silence(f);
    netd_link_stats(f->link, &stats);
    g_assert_cmpuint(stats.repeated, ==, 3);
    g_assert_cmpuint(stats.dropped, ==, 0);
}

static void test_link_out_of_step(Fixture *f, gconstpointer unused)
{
    struct netd_link_stats stats;
    guint8 byte;

    (void)unused;
    plug(f, FALSE);
    g_assert_cmpint(send(f->fd, "\xff\xff\xff\xff", 4, 0), ==, 4);
    spin();
    netd_link_stats(f->link, &stats);
    g_assert_false(stats.attached);
    g_assert_cmpint(recv(f->fd, &byte, 1, 0), ==, 0);
}

/* A guest that reads nothing costs the queue and no more; then all arrives. */
static void test_link_full_then_flows(Fixture *f, gconstpointer unused)
{
    struct netd_link_stats stats;
    guint i;

    (void)unused;
    plug(f, TRUE);
    for (i = 0; i < 10000; i++) {
        send_tagged(f, i);
    }
    netd_link_stats(f->link, &stats);
    g_assert_cmpuint(stats.dropped, >, 0);
    g_assert_cmpuint(stats.queued_bytes, <=, QUEUE_BYTES);
    for (i = 0; i < 10000 - stats.dropped; i++) {
        spin();
        expect_tagged(f, i);
    }
    spin();
    expect_silence(f);
}

/* --- control ------------------------------------------------------------- */

struct orders {
    int fd, far_fd;
    guint attaches, resets, drains, quits;
};

static void order_attach(void *opaque, int fd, int far_fd)
{
    struct orders *o = opaque;

    o->attaches++;
    o->fd = fd;
    o->far_fd = far_fd;
}

static char *order_status(void *opaque)
{
    (void)opaque;
    return g_strdup("{}");
}

static void order_reset(void *opaque)
{
    ((struct orders *)opaque)->resets++;
}

static void order_drain(void *opaque)
{
    ((struct orders *)opaque)->drains++;
}

static void order_quit(void *opaque)
{
    ((struct orders *)opaque)->quits++;
}

static const struct netd_control_ops orders_ops = {
    .attach = order_attach,
    .status = order_status,
    .reset = order_reset,
    .drain = order_drain,
    .quit = order_quit,
};

static int dial(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    return fd;
}

/* Ask, with @n descriptors; the answer is NUL terminated in @answer. */
static ssize_t ask(int control, const char *request, const int *fds, int n,
                   char answer[100])
{
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } space = { { 0 } };
    struct iovec iov = { (void *)request, strlen(request) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    ssize_t len;

    if (n) {
        msg.msg_control = &space;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
        CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, n * sizeof(int));
    }
    g_assert_cmpint(sendmsg(control, &msg, 0), ==, strlen(request));
    spin();
    len = recv(control, answer, 99, MSG_DONTWAIT);
    answer[MAX(len, 0)] = '\0';
    return len;
}

static void test_control(void)
{
    g_autofree char *dir = g_dir_make_tmp("netd-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "control", NULL);
    g_autoptr(GError) error = NULL;
    struct orders orders = { 0 };
    NetdControl *c = netd_control_listen(path, &orders_ops, &orders, &error);
    int pair[2], control, newer, std[] = { 0, 1, 2 };
    char answer[100];

    g_assert_no_error(error);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    control = dial(path);
    g_assert_cmpint(ask(control, "S", NULL, 0, answer), ==, 2);
    g_assert_cmpstr(answer, ==, "{}");
    g_assert_cmpint(ask(control, "A", pair, 1, answer), ==, 1);
    g_assert_cmpint(answer[0], ==, 0);
    g_assert_cmpint(orders.far_fd, ==, -1);
    close(orders.fd);
    g_assert_cmpint(ask(control, "A", pair, 2, answer), ==, 1);
    g_assert_cmpint(orders.far_fd, >, orders.fd);
    close(orders.fd);
    close(orders.far_fd);
    /* Refused, and what came along is closed. */
    g_assert_cmpint(ask(control, "A", NULL, 0, answer), >, 1);
    g_assert_cmpint(ask(control, "A", std, 1, answer), >, 1);
    g_assert_cmpint(ask(control, "A", std, 3, answer), >, 1);
    g_assert_cmpint(ask(control, "X", pair, 2, answer), >, 1);
    g_assert_cmpint(ask(control, "AA", pair, 1, answer), >, 1);
    g_assert_cmpuint(orders.attaches, ==, 2);
    /* The newest connection wins. */
    newer = dial(path);
    spin();
    g_assert_cmpint(recv(control, answer, 1, MSG_DONTWAIT), ==, 0);
    g_assert_cmpint(ask(newer, "S", NULL, 0, answer), ==, 2);
    g_assert_cmpint(ask(newer, "R", NULL, 0, answer), ==, 1);
    g_assert_cmpuint(orders.resets, ==, 1);
    g_assert_cmpint(ask(newer, "D", NULL, 0, answer), ==, 1);
    g_assert_cmpuint(orders.drains, ==, 1);
    g_assert_cmpint(ask(newer, "Q", NULL, 0, answer), ==, -1);
    g_assert_cmpuint(orders.quits, ==, 1);
    /* A socket in use is not taken away, one left behind is. */
    g_assert_null(netd_control_listen(path, &orders_ops, &orders, &error));
    g_assert_nonnull(error);
    netd_control_close(c);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    close(control);
    close(newer);
    close(pair[0]);
    close(pair[1]);
    g_rmdir(dir);
}

static void test_control_stale_socket(void)
{
    g_autofree char *dir = g_dir_make_tmp("netd-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "control", NULL);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct orders orders = { 0 };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    NetdControl *c;

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    close(fd);
    c = netd_control_listen(path, &orders_ops, &orders, NULL);
    g_assert_nonnull(c);
    netd_control_close(c);
    g_rmdir(dir);
}

/* --- capture ------------------------------------------------------------- */

static void test_pcap(void)
{
    g_autofree char *dir = g_dir_make_tmp("netd-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "frames.pcap", NULL);
    NetdPcap *pcap = netd_pcap_open(path, NULL);
    g_autofree char *data = NULL;
    guint32 word[4];
    gsize len;

    netd_pcap_write(pcap, frame, 60);
    netd_pcap_write(pcap, frame, 1514);
    netd_pcap_close(pcap);
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmpuint(len, ==, 24 + 16 + 60 + 16 + 1514);
    memcpy(word, data, 4);
    g_assert_cmphex(word[0], ==, 0xa1b23c4d);
    memcpy(word, data + 24, 16);
    g_assert_cmpuint(word[0], >=, g_get_real_time() / G_USEC_PER_SEC - 60);
    g_assert_cmpuint(word[1], <, 1000000000);
    g_assert_cmpuint(word[2], ==, 60);
    g_assert_cmpuint(word[3], ==, 60);
    g_assert_cmpmem(data + 40, 60, frame, 60);
    g_assert_null(netd_pcap_open(dir, NULL));
    g_unlink(path);
    g_rmdir(dir);
}

#define ADD(path, fn) g_test_add(path, Fixture, NULL, set_up, fn, tear_down)

/* --- repeated SYNs ------------------------------------------------------- */

/* An Ethernet frame with a SYN|ACK: NOP, MSS 1460 (odd offset), END padding. */
static const guint8 syn_ack[] = {
    0x52, 0x55, 0x0a, 0x00, 0x02, 0x02, 0x52, 0x54, 0x00, 0x12,
    0x34, 0x56, 0x08, 0x00, /* IPv4 */
    0x45, 0x00, 0x00, 0x30, 0x00, 0x01, 0x00, 0x00, 0x40, 0x06,
    0x00, 0x00, 0x0a, 0x00, 0x02, 0x0f, 0x0a, 0x00, 0x02, 0x02, /* TCP */
    0x18, 0xeb, 0xa4, 0x92, 0x12, 0x34, 0x56, 0x78, 0x00, 0x03,
    0xe8, 0x02, 0x70, 0x12, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
    0x01, 0x02, 0x04, 0x05, 0xb4, 0x00, 0x00, 0x00,
};
#define SYN_TCP      (14 + 20)
#define SYN_CHECKSUM (SYN_TCP + 16)

/* Of the TCP segment and its pseudo header: 0 when the checksum in it fits. */
static guint16 tcp_sum(const guint8 *f, gsize len_bytes)
{
    guint32 sum = 6 + len_bytes - SYN_TCP;
    gsize i;

    for (i = 14 + 12; i < len_bytes; i += 2) {
        sum += f[i] << 8 | f[i + 1];
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (guint16)~sum;
}

static void test_tcp_hide_mss(void)
{
    static const guint8 hidden[] = { 1, 1, 1, 1, 1, 0, 0, 0 };
    guint8 f[sizeof(syn_ack)];
    guint16 sum;

    memcpy(f, syn_ack, sizeof(f));
    sum = tcp_sum(f, sizeof(f));
    f[SYN_CHECKSUM] = sum >> 8;
    f[SYN_CHECKSUM + 1] = sum & 0xff;
    g_assert_cmpuint(tcp_sum(f, sizeof(f)), ==, 0);
    g_assert_true(netd_tcp_hide_mss(f, sizeof(f)));
    g_assert_cmpmem(f + SYN_TCP + 20, 8, hidden, 8);
    g_assert_cmpuint(tcp_sum(f, sizeof(f)), ==, 0);
    g_assert_false(netd_tcp_hide_mss(f, sizeof(f)));

    memcpy(f, syn_ack, sizeof(f));
    f[SYN_TCP + 13] = 0x10; /* an ACK is left alone */
    g_assert_false(netd_tcp_hide_mss(f, sizeof(f)));
    g_assert_cmpuint(f[SYN_TCP + 21], ==, 2);
}

static void test_tcp_any_bytes(void)
{
    guint i, n;

    for (i = 0; i < 200000; i++) {
        g_autofree guint8 *f = g_memdup2(syn_ack, sizeof(syn_ack));

        for (n = g_test_rand_int_range(0, 6); n; n--) {
            f[g_test_rand_int_range(0, sizeof(syn_ack))] = g_test_rand_int();
        }
        netd_tcp_hide_mss(f, g_test_rand_int_range(0, sizeof(syn_ack) + 1));
    }
}

/* A connection: ours, and its peer's end. */
static void connect_pair(int *ret_ours, int *ret_peer)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(at);

    *ret_peer = socket(AF_INET, SOCK_STREAM, 0);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&at, len), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_assert_cmpint(getsockname(listener, (struct sockaddr *)&at, &len), ==, 0);
    g_assert_cmpint(connect(*ret_peer, (struct sockaddr *)&at, len), ==, 0);
    *ret_ours = accept(listener, NULL, NULL);
    g_assert_cmpint(*ret_ours, >=, 0);
    close(listener);
}

static void expect_reset(int peer)
{
    char byte;

    g_assert_cmpint(recv(peer, &byte, 1, 0), ==, -1);
    g_assert_cmpint(errno, ==, ECONNRESET);
    close(peer);
}

/* Only what was shut down in order ends in order. */
static void test_reset_unless_ended(void)
{
    int ours, peer;
    char byte;

    connect_pair(&ours, &peer);
    netd_reset_unless_ended(ours);
    close(ours);
    expect_reset(peer);

    connect_pair(&ours, &peer);
    netd_reset_unless_ended(ours);
    g_assert_cmpint(shutdown(ours, SHUT_RD), ==, 0);
    close(ours);
    expect_reset(peer);

    connect_pair(&ours, &peer);
    netd_reset_unless_ended(ours);
    g_assert_cmpint(send(ours, "x", 1, 0), ==, 1);
    g_assert_cmpint(shutdown(ours, SHUT_WR), ==, 0);
    close(ours);
    g_assert_cmpint(recv(peer, &byte, 1, 0), ==, 1);
    g_assert_cmpint(recv(peer, &byte, 1, 0), ==, 0);
    close(peer);

    g_assert_cmpint(shutdown(-1, SHUT_WR), ==, -1);
    g_assert_cmpint(errno, ==, EBADF);
}

/* R2: a peer sees a reset, not the end of what it was told. */
static void test_reset(void)
{
    int ours, peer;

    connect_pair(&ours, &peer);
    netd_reset_at_close();
    close(ours);
    expect_reset(peer);
}

int main(int argc, char **argv)
{
    guint i;

    for (i = 0; i < sizeof(frame); i++) {
        frame[i] = i * 7;
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/netd/frame/any-cut", test_any_cut);
    g_test_add_func("/netd/frame/bad-length", test_bad_length);
    g_test_add_func("/netd/queue/is-bounded", test_queue_is_bounded);
    g_test_add_func("/netd/queue/rewind", test_rewind);
    ADD("/netd/link/waits-for-guest", test_link_waits_for_guest);
    ADD("/netd/link/partial-frame-dropped", test_link_partial_frame_is_dropped);
    ADD("/netd/link/drains-before-replacing",
        test_link_drains_before_replacing);
    ADD("/netd/link/unread-comes-again", test_link_unread_comes_again);
    ADD("/netd/link/out-of-step", test_link_out_of_step);
    ADD("/netd/link/full-then-flows", test_link_full_then_flows);
    g_test_add_func("/netd/control/orders", test_control);
    g_test_add_func("/netd/control/stale-socket", test_control_stale_socket);
    g_test_add_func("/netd/reset/unless-ended", test_reset_unless_ended);
    g_test_add_func("/netd/reset/all", test_reset);
    g_test_add_func("/netd/pcap", test_pcap);
    g_test_add_func("/netd/tcp/hide-mss", test_tcp_hide_mss);
    g_test_add_func("/netd/tcp/any-bytes", test_tcp_any_bytes);
    return g_test_run();
}
