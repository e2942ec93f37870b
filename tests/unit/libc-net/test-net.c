/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-net.c - TCP of the library over a bad wire, and what is around it
 *
 * Tests speak the calls' own interface: they fill struct sys_args as entry.S
 * does. One world serves all of them in turn (see sim.h).
 */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/include/sluice.h"
#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "tests/unit/libc-net/sim.h"

#define MS 1000000ull
#define S  1000000000ull

uint16_t checksum_fold(const void *data, int len_bytes);

#define CALL(handler, ...)                                                     \
    (handler)(&(struct sys_args){ .arg = { __VA_ARGS__ } })
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

static long do_socket(uint32_t flags)
{
    return CALL(socket_sys_socket, AF_INET, SOCK_STREAM | flags, 0);
}

static long do_connect(long fd, uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = SIM_PEER,
    };

    return CALL(socket_sys_connect, fd, P(&sin), sizeof(sin));
}

static long do_close(long fd)
{
    return CALL(fd_sys_close, fd);
}

static long connected(void)
{
    long fd = do_socket(0);

    g_assert_cmpint(do_connect(fd, 7), ==, 0);
    return fd;
}

/* A perfect wire, and nothing under way. */
static void calm(void)
{
    sim.loss_percent = sim.double_percent = sim.reorder_percent = 0;
    sim.gate_full = false;
    sim.gate_opens_ns = 0;
    peer_mode(PEER_ECHO);
    for (int i = 0; i < 2000; i++) {
        sim_pass(100 * MS);
        net_poll();
    }
}

/* Send @len bytes and read them back: a thread that does both in turn. */
static void echo(long fd, size_t len, uint32_t seed)
{
    g_autofree uint8_t *out = g_malloc(len), *in = g_malloc(len);
    struct pollfd p = { .fd = (int)fd };
    size_t sent = 0, got = 0;
    uint32_t x = seed;

    for (size_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        out[i] = x >> 24;
    }
    CALL(fd_sys_fcntl, fd, F_SETFL, O_NONBLOCK);
    while (got < len) {
        long n;

        p.events = POLLIN | (sent < len ? POLLOUT : 0);
        n = CALL(poll_sys_poll, P(&p), 1, -1);
        g_assert_cmpint(n, ==, 1);
        if (p.revents & POLLOUT) {
            n = CALL(io_sys_write, fd, P(out + sent), len - sent);
            g_assert_cmpint(n, >, 0);
            sent += n;
        }
        if (p.revents & POLLIN) {
            n = CALL(io_sys_read, fd, P(in + got), len - got);
            g_assert_cmpint(n, >, 0);
            got += n;
        }
    }
    g_assert_cmpmem(in, len, out, len);
}

/* -- tests ---------------------------------------------------------------------- */

static void test_checksum(void)
{
    uint8_t data[300];

    for (int len = 0; len < 256; len++) {
        for (int at = 0; at < 8; at++) {
            uint32_t sum = 0;

            for (size_t i = 0; i < sizeof(data); i++) {
                data[i] = (uint8_t)(i * 37 + len * 11 + at);
            }
            for (int i = 0; i < len; i++) {
                sum += i & 1 ? data[at + i] << 8 : data[at + i];
            }
            while (sum >> 16) {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            g_assert_cmpuint(checksum_fold(data + at, len), ==, sum);
        }
    }
}

static void test_heap(void)
{
    void *a = heap_zalloc(100), *b = heap_zalloc(100), *c;
    size_t used = heap_net_used();

    g_assert_nonnull(a);
    g_assert_true(a != b);
    memset(a, 0xff, 100);
    heap_free(b);
    heap_free(a);
    c = heap_zalloc(100);
    g_assert_true(c == a); /* the last one freed is the first one used */
    g_assert_cmpint(*(uint8_t *)c, ==, 0);
    g_assert_null(heap_zalloc(HEAP_OBJECT_MAX + 1));
    g_assert_nonnull(heap_zalloc(HEAP_OBJECT_MAX));

    a = heap_alloc_net(1500);
    g_assert_cmpuint(heap_net_used(), >, used);
    heap_free(a);
    g_assert_cmpuint(heap_net_used(), ==, used);
    heap_net_limit(used + 1000);
    g_assert_null(heap_alloc_net(1500));
    heap_net_limit(8 << 20);
}

/* Fill what writes may have, then what may be received. */
static void test_heap_shares(void)
{
    static const enum heap_use order[] = { HEAP_WRITTEN, HEAP_RECEIVED,
                                           HEAP_CONTROL };
    size_t used = heap_net_used();
    GPtrArray *all = g_ptr_array_new_with_free_func(heap_free);

    heap_net_limit(used + (1 << 20));
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        enum heap_use before = heap_net_use(order[i]);
        guint n = all->len;
        void *object;

        g_assert_cmpint(before, ==, HEAP_CONTROL);
        while ((object = heap_alloc_net(1500))) {
            g_ptr_array_add(all, object);
        }
        /* Each finds room where the one before found none. */
        g_assert_cmpuint(all->len, >, n);
        heap_net_use(before);
    }
    g_ptr_array_free(all, true);
    g_assert_cmpuint(heap_net_used(), ==, used);
    heap_net_limit(8 << 20);
}

static void test_echo_clean(void)
{
    long fd;

    calm();
    fd = connected();
    echo(fd, 300000, 1);
    do_close(fd);
}

/* Loss, doubles and reordering, each way, several seeds. */
static void test_echo_bad_wire(void)
{
    for (uint32_t seed = 1; seed <= 6; seed++) {
        uint64_t start;
        long fd;

        calm();
        sim_seed(seed);
        fd = connected();
        sim.loss_percent = 2;
        sim.double_percent = 3;
        sim.reorder_percent = 10;
        start = sim.now_ns;
        echo(fd, 200000, seed);
        g_test_message("seed %u: %.1f s", seed, (sim.now_ns - start) / 1e9);
        g_assert_cmpuint(sim.now_ns - start, <, 120 * S);
        do_close(fd);
    }
}

/* SYN and its answer get lost, ARP too: it still connects. */
static void test_connect_lossy(void)
{
    calm();
    for (uint32_t seed = 1; seed <= 10; seed++) {
        long fd;

        sim_seed(seed);
        sim.loss_percent = 30;
        fd = connected();
        sim.loss_percent = 0;
        do_close(fd);
    }
}

/* Nobody answers for 20 s: the connection is still there. */
static void test_outage(void)
{
    uint8_t b = 'x';
    unsigned before;
    long fd;

    calm();
    fd = connected();
    echo(fd, 1000, 3);
    sim.loss_percent = 100;
    CALL(fd_sys_fcntl, fd, F_SETFL, 0);
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    before = sim.sent;
    for (int i = 0; i < 200; i++) {
        sim_pass(100 * MS);
        net_poll();
    }
    /* 0.2 s, doubled each time: about 7 attempts in 20 s. */
    g_assert_cmpuint(sim.sent - before, >=, 4);
    g_assert_cmpuint(sim.sent - before, <, 30);
    sim.loss_percent = 0;
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, 1);
    do_close(fd);
}

/* The hold is full again and again: nothing is lost, nobody spins. */
static void test_gate_full(void)
{
    uint8_t data[100000], back[100000];
    size_t got = 0;
    long fd;

    calm();
    fd = connected();
    memset(data, 'g', sizeof(data));
    sim.gate_full = true;
    sim.gate_opens_ns = sim.now_ns + 300 * MS;
    sim.refused = 0;
    g_assert_cmpint(CALL(io_sys_write, fd, P(data), sizeof(data)), ==,
                    sizeof(data));
    while (got < sizeof(data)) {
        long n = CALL(io_sys_read, fd, P(back + got), sizeof(back) - got);

        g_assert_cmpint(n, >, 0);
        got += n;
    }
    g_assert_cmpmem(back, sizeof(back), data, sizeof(data));
    g_assert_cmpuint(sim.refused, >, 0);
    g_assert_cmpuint(sim.refused, <, 100);
    do_close(fd);
}

/* A raw frame waits for room, and asks for it once. */
static void test_frame_gate_full(void)
{
    uint8_t payload[1501] = "raw", to[6] = { 2, 0, 0, 0, 0, 9 };
    uint64_t start;
    long fd;

    calm();
    fd = CALL(sluice_sys_frame_open, 0);
    start = sim.now_ns;
    sim.gate_full = true;
    sim.gate_opens_ns = start + 700 * MS;
    sim.refused = 0;
    g_assert_cmpint(CALL(sluice_sys_frame_send, fd, P(to), P(payload), 50), ==,
                    0);
    g_assert_cmpuint(sim.now_ns - start, ==, 700 * MS);
    g_assert_cmpuint(sim.refused, ==, 1);
    g_assert_cmpuint(sim.last_frame_bytes, ==, 64);
    g_assert_cmpmem(sim.last_frame, 6, to, 6);
    g_assert_cmpmem(sim.last_frame + 6, 8, "\2\0\0\0\0\2\x88\xb5", 8);
    CALL(fd_sys_fcntl, fd, F_SETFL, O_NONBLOCK);
    sim.gate_full = true;
    sim.gate_opens_ns = 0;
    g_assert_cmpint(CALL(sluice_sys_frame_send, fd, 0, P(payload), 50), ==,
                    -EAGAIN);
    sim.gate_full = false;
    g_assert_cmpint(CALL(sluice_sys_frame_send, fd, 0, P(payload), 1501), ==,
                    -EMSGSIZE);
    do_close(fd);
}

static void test_frame_receive(void)
{
    uint8_t frame[100] = "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\7\x88\xb5hello";
    uint8_t from[6], payload[200];
    long fd;

    calm();
    fd = CALL(sluice_sys_frame_open, 0);
    CALL(fd_sys_fcntl, fd, F_SETFL, O_NONBLOCK);
    g_assert_cmpint(CALL(sluice_sys_frame_recv, fd, P(from), P(payload), 200),
                    ==, -EAGAIN);
    sim_inject(frame, sizeof(frame));
    g_assert_cmpint(CALL(sluice_sys_frame_recv, fd, P(from), P(payload), 200),
                    ==, 86);
    g_assert_cmpmem(from, 6, "\2\0\0\0\0\7", 6);
    g_assert_cmpstr((char *)payload, ==, "hello");
    do_close(fd);
}

/* Frames that cannot be: nothing happens. */
static void test_bad_frames(void)
{
    uint8_t frame[1514];
    size_t used;
    long fd;

    calm();
    fd = connected();
    used = heap_net_used();
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = 1 + g_random_int() % sizeof(frame);

        for (size_t k = 0; k < len; k++) {
            frame[k] = (uint8_t)g_random_int();
        }
        if (i % 2 && len > 40) { /* ours, IPv4, TCP */
            memcpy(frame, "\2\0\0\0\0\2\2\0\0\0\0\1\x08\x00\x45", 15);
            frame[23] = 6;
        }
        sim_inject(frame, len);
        if (i % 50 == 0) {
            net_poll();
        }
    }
    echo(fd, 5000, 9);
    do_close(fd);
    calm();
    g_assert_cmpuint(heap_net_used(), <=, used + 4096);
}

/* The peer does not read: EAGAIN, a closed window, and on again. */
static void test_slow_reader(void)
{
    static uint8_t data[2 << 20];
    size_t sent = 0;
    long fd, n;

    calm();
    fd = connected();
    peer_mode(PEER_HOLD);
    CALL(fd_sys_fcntl, fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 100; i++) {
        n = CALL(io_sys_write, fd, P(data), sizeof(data) - sent);
        sent += n > 0 ? n : 0;
        sim_pass(10 * MS);
        net_poll();
    }
    g_assert_cmpint(n, ==, -EAGAIN);
    g_assert_cmpuint(sent, >=, 512 * 1024);
    g_assert_cmpuint(sent, <=, 1100 * 1024);
    for (int i = 0; i < 60; i++) {
        sim_pass(S);
        net_poll();
    }
    peer_mode(PEER_ECHO);
    CALL(fd_sys_fcntl, fd, F_SETFL, 0);
    for (size_t got = 0; got < sent; got += n) {
        n = CALL(io_sys_read, fd, P(data), sizeof(data));
        g_assert_cmpint(n, >, 0);
    }
    do_close(fd);
}

/* Write until no more is taken, over a second in which nobody reads. */
static size_t fill(long fd)
{
    static const uint8_t data[64 << 10];
    size_t sent = 0;

    CALL(fd_sys_fcntl, fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 100; i++) {
        long n = CALL(io_sys_write, fd, P(data), sizeof(data));

        sent += n > 0 ? n : 0;
        sim_pass(10 * MS);
        net_poll();
    }
    return sent;
}

static size_t drain(long fd)
{
    static uint8_t data[64 << 10];
    size_t got = 0;
    long n;

    for (int i = 0; i < 1000; i++) {
        while ((n = CALL(io_sys_read, fd, P(data), sizeof(data))) > 0) {
            got += n;
        }
        g_assert_cmpint(n, ==, -EAGAIN);
        sim_pass(10 * MS);
        net_poll();
    }
    return got;
}

/*
 * Both ends of a connection to oneself write and do not read.  A probe of a
 * shut window is a byte beyond it; the acknowledgements after it must not go
 * beyond it, too, or each is the reason for another one.
 */
static void test_both_windows_shut(void)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(98),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    size_t there, back;
    long l, c, s;

    calm();
    l = do_socket(0);
    g_assert_cmpint(CALL(socket_sys_bind, l, P(&sin), sizeof(sin)), ==, 0);
    g_assert_cmpint(CALL(socket_sys_listen, l, 5), ==, 0);
    c = do_socket(0);
    g_assert_cmpint(CALL(socket_sys_connect, c, P(&sin), sizeof(sin)), ==, 0);
    s = CALL(socket_sys_accept, l, 0, 0);
    g_assert_cmpint(s, >, 0);
    there = fill(c);
    back = fill(s);
    g_assert_cmpuint(there, >=, 512 * 1024);
    g_assert_cmpuint(back, >=, 512 * 1024);
    for (int i = 0; i < 60; i++) { /* probes of both ends */
        sim_pass(S);
        net_poll();
    }
    g_assert_cmpuint(drain(s), ==, there);
    g_assert_cmpuint(drain(c), ==, back);
    do_close(c);
    do_close(s);
    do_close(l);
}

/* The deadline with which a program that waits for ever goes to sleep. */
static uint64_t idle_deadline(long fd)
{
    struct pollfd p = { .fd = (int)fd, .events = POLLIN };

    /* Rounds until the clock has stopped, then one sleep. */
    for (int i = 0; i < 100; i++) {
        sim_pass(100 * MS);
        net_poll();
    }
    CALL(poll_sys_poll, P(&p), 1, 1);
    net_poll();
    sim.last_deadline_ns = 0;
    g_assert_cmpint(CALL(poll_sys_poll, P(&p), 1, 200 * 1000), ==, 0);
    return sim.last_deadline_ns;
}

static void test_idle_has_no_timer(void)
{
    uint64_t start;
    long fd;

    calm();
    fd = connected();
    echo(fd, 100, 4);
    sim_pass(20 * S);
    start = sim.now_ns;
    /* Nothing but poll()'s own time-out. */
    g_assert_cmpuint(idle_deadline(fd), >=, start + 200 * S);
    do_close(fd);
}

static void test_keepalive(void)
{
    int on = 1, idle_s = 30;
    unsigned before;
    uint64_t start;
    long fd;

    calm();
    fd = connected();
    echo(fd, 100, 5);
    CALL(sockopt_sys_set, fd, SOL_SOCKET, SO_KEEPALIVE, P(&on), sizeof(on));
    CALL(sockopt_sys_set, fd, IPPROTO_TCP, TCP_KEEPIDLE, P(&idle_s), 4);
    start = sim.now_ns;
    before = sim.sent;
    g_assert_cmpuint(idle_deadline(fd), <=, start + 260 * S);
    /* One probe each 30 s and not a frame more. */
    g_assert_cmpuint(sim.sent - before, >=, 6);
    g_assert_cmpuint(sim.sent - before, <=, 9);
    sim.loss_percent = 100;
    for (int i = 0; i < 1000; i++) {
        sim_pass(S);
        net_poll();
    }
    sim.loss_percent = 0;
    g_assert_cmpint(CALL(io_sys_read, fd, P(&on), 4), ==, -ETIMEDOUT);
    do_close(fd);
}

static void test_restored_announces(void)
{
    calm();
    sim.last_frame_bytes = 0;
    sim.sent = 0;
    net_restored();
    g_assert_cmpuint(sim.sent, ==, 1);
    g_assert_cmpuint(sim.last_frame_bytes, >=, 42);
    /* Broadcast ARP whose sender and target address are ours. */
    g_assert_cmpmem(sim.last_frame, 6, "\xff\xff\xff\xff\xff\xff", 6);
    g_assert_cmpmem(sim.last_frame + 12, 2, "\x08\x06", 2);
    g_assert_cmpmem(sim.last_frame + 28, 4, "\xc0\xa8\0\2", 4);
    g_assert_cmpmem(sim.last_frame + 38, 4, "\xc0\xa8\0\2", 4);
}

/* What got lost while nobody was there comes again at once. */
static void test_restored_prompts(void)
{
    char buf[200];
    uint64_t start;
    long fd;

    calm();
    fd = connected();
    echo(fd, 100, 6);
    CALL(fd_sys_fcntl, fd, F_SETFL, 0);
    g_assert_cmpint(CALL(io_sys_write, fd, P(buf), 100), ==, 100);
    sim_pass(60000); /* it is with the peer now, */
    sim.loss_percent = 100;
    sim_pass(MS); /* and its answer is lost */
    sim.loss_percent = 0;
    start = sim.now_ns;
    net_restored();
    g_assert_cmpint(CALL(io_sys_read, fd, P(buf), 200), ==, 100);
    g_assert_cmpuint(sim.now_ns - start, <, 10 * MS);
    do_close(fd);
}

/* Connections as they may be: open, read from inside, being made. */
struct lines {
    long open, connecting, inner, listener, accepted;
};

static struct lines lines_make(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(98) };
    struct lines l;

    l.open = connected();
    echo(l.open, 100, 7);
    CALL(fd_sys_fcntl, l.open, F_SETFL, 0);
    /* What is acknowledged late: the peer has no reason to speak up. */
    for (int i = 0; i < 50; i++) {
        sim_pass(10 * MS);
        net_poll();
    }
    l.listener = do_socket(0);
    CALL(socket_sys_bind, l.listener, P(&sin), sizeof(sin));
    CALL(socket_sys_listen, l.listener, 5);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    l.inner = do_socket(0);
    g_assert_cmpint(CALL(socket_sys_connect, l.inner, P(&sin), sizeof(sin)), ==,
                    0);
    l.accepted = CALL(socket_sys_accept, l.listener, 0, 0);
    g_assert_cmpint(l.accepted, >, 0);
    sin.sin_addr.s_addr = SIM_PEER + (9u << 24); /* nobody */
    l.connecting = do_socket(SOCK_NONBLOCK);
    g_assert_cmpint(
        CALL(socket_sys_connect, l.connecting, P(&sin), sizeof(sin)), ==,
        -EINPROGRESS);
    sim_pass(MS);
    net_poll();
    return l;
}

/* What the program finds of them once they are given up. */
static void lines_check(const struct lines *l)
{
    struct pollfd p = { .fd = (int)l->connecting, .events = POLLOUT };
    int error = 0;
    uint32_t len = sizeof(error);
    char b = 'b';

    g_assert_cmpint(CALL(io_sys_read, l->open, P(&b), 1), ==, -ECONNRESET);
    g_assert_cmpint(CALL(poll_sys_poll, P(&p), 1, 0), ==, 1);
    CALL(sockopt_sys_get, l->connecting, SOL_SOCKET, SO_ERROR, P(&error),
         P(&len));
    g_assert_cmpint(error, ==, ETIMEDOUT);
    g_assert_cmpint(CALL(io_sys_write, l->inner, P(&b), 1), ==, 1);
    g_assert_cmpint(CALL(io_sys_read, l->accepted, P(&b), 1), ==, 1);
    do_close(l->open);
    do_close(l->connecting);
    do_close(l->inner);
    do_close(l->accepted);
    do_close(l->listener);
}

/* A fork (R2): its connections are the original's, who must not notice. */
static void test_abandon_silent(void)
{
    unsigned sent;
    struct lines l;

    calm();
    l = lines_make();
    sent = sim.sent;
    net_abandon(false);
    sim_pass(S);
    net_poll();
    g_assert_cmpuint(sim.sent - sent, ==, 0);
    g_assert_true(peer_is_connected());
    lines_check(&l);
    g_assert_cmpuint(sim.sent - sent, ==, 0);
}

/* A rollback (R2): each peer is told. */
static void test_abandon_reset(void)
{
    unsigned resets = sim.resets;
    struct lines l;

    calm();
    l = lines_make();
    net_abandon(true);
    sim_pass(S);
    g_assert_cmpuint(sim.resets - resets, ==, 1);
    g_assert_false(peer_is_connected());
    lines_check(&l);
}

/* Somebody else: said at once, and nothing of the old one's leaves any more. */
static void test_readdress(void)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x22 };
    uint32_t other = SIM_ADDRESS + (1u << 24);
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(9),
                               .sin_addr.s_addr = SIM_PEER + (8u << 24) };
    long fd, asks;

    calm();
    fd = connected();
    asks = do_socket(SOCK_NONBLOCK);
    /* Its SYN waits for an address that nobody has. */
    g_assert_cmpint(CALL(socket_sys_connect, asks, P(&sin), sizeof(sin)), ==,
                    -EINPROGRESS);
    net_abandon(false);
    sim.sent = 0;
    net_readdress(mac, other, 0x00ffffff, SIM_PEER, false);
    g_assert_cmpuint(sim.sent, ==, 1);
    g_assert_cmpmem(sim.last_frame + 6, 6, mac, 6);
    g_assert_cmpmem(sim.last_frame + 28, 4, &other, 4);
    g_assert_cmpmem(sim.last_frame + 38, 4, &other, 4);
    g_assert_cmpuint(net_address(), ==, other);
    sim_pass(5 * S);
    net_poll();
    g_assert_cmpuint(sim.sent, ==, 1);
    do_close(fd);
    do_close(asks);
    fd = connected();
    echo(fd, 5000, 8);
    do_close(fd);
    net_readdress((const uint8_t *)"\2\0\0\0\0\2", SIM_ADDRESS, 0x00ffffff,
                  SIM_PEER, false);
    fd = connected();
    echo(fd, 5000, 9);
    do_close(fd);
}

/* A wait for a commit ends when the register says so, whoever knows first. */
static void test_commit_wait(void)
{
    calm();
    sim.epoch = 8;
    sim.committed = 8; /* as after a restore at checkpoint 8 */
    g_assert_cmpint(CALL(sluice_sys_commit, SLUICE_COMMIT_WAIT), ==, 8);
    g_assert_cmpint(CALL(sluice_sys_wait_committed, 8), ==, 0);
    g_assert_cmpint(CALL(sluice_sys_wait_committed, 3), ==, 0);
    g_assert_cmpint(CALL(sluice_sys_committed), ==, 8);
    g_assert_cmpint(CALL(sluice_sys_commit, 64), ==, -EINVAL);
    sim.epoch = 0;
}

/* The peer connects, talks, and is reset when nobody reads it. */
static void test_listen(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(99) };
    struct epoll_event ev = { .events = EPOLLIN }, out;
    char buf[300];
    long l, s, ep;

    calm();
    l = do_socket(0);
    g_assert_cmpint(CALL(socket_sys_bind, l, P(&sin), sizeof(sin)), ==, 0);
    g_assert_cmpint(CALL(socket_sys_listen, l, 5), ==, 0);
    ep = CALL(epoll_sys_create1, 0);
    CALL(epoll_sys_ctl, ep, EPOLL_CTL_ADD, l, P(&ev));
    g_assert_cmpint(CALL(epoll_sys_wait, ep, P(&out), 1, 0), ==, 0);
    peer_connect(99, 200);
    g_assert_cmpint(CALL(epoll_sys_wait, ep, P(&out), 1, -1), ==, 1);
    s = CALL(socket_sys_accept, l, 0, 0);
    g_assert_cmpint(s, >, 0);
    g_assert_cmpint(CALL(io_sys_read, s, P(buf), 100), ==, 100);
    /* Edge-triggered: what is there now is told once, what comes again. */
    ev.events = EPOLLIN | EPOLLET;
    CALL(epoll_sys_ctl, ep, EPOLL_CTL_ADD, s, P(&ev));
    g_assert_cmpint(CALL(epoll_sys_wait, ep, P(&out), 1, 0), ==, 1);
    g_assert_cmpint(CALL(epoll_sys_wait, ep, P(&out), 1, 100), ==, 0);
    do_close(s);                                    /* 100 bytes unread */
    g_assert_cmpint(sim.last_frame[47] & 4, ==, 4); /* RST */
    do_close(l);
    do_close(ep);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sim_start(NULL);
    g_test_add_func("/libc/net/checksum", test_checksum);
    g_test_add_func("/libc/net/heap", test_heap);
    g_test_add_func("/libc/net/heap-shares", test_heap_shares);
    g_test_add_func("/libc/net/echo/clean", test_echo_clean);
    g_test_add_func("/libc/net/echo/bad-wire", test_echo_bad_wire);
    g_test_add_func("/libc/net/connect/lossy", test_connect_lossy);
    g_test_add_func("/libc/net/outage", test_outage);
    g_test_add_func("/libc/net/gate/full", test_gate_full);
    g_test_add_func("/libc/net/gate/frame", test_frame_gate_full);
    g_test_add_func("/libc/net/frame/receive", test_frame_receive);
    g_test_add_func("/libc/net/frame/garbage", test_bad_frames);
    g_test_add_func("/libc/net/slow-reader", test_slow_reader);
    g_test_add_func("/libc/net/both-windows-shut", test_both_windows_shut);
    g_test_add_func("/libc/net/idle/no-timer", test_idle_has_no_timer);
    g_test_add_func("/libc/net/idle/keepalive", test_keepalive);
    g_test_add_func("/libc/net/restored/announces", test_restored_announces);
    g_test_add_func("/libc/net/restored/prompts", test_restored_prompts);
    g_test_add_func("/libc/net/abandon/silent", test_abandon_silent);
    g_test_add_func("/libc/net/abandon/reset", test_abandon_reset);
    g_test_add_func("/libc/net/readdress", test_readdress);
    g_test_add_func("/libc/net/commit", test_commit_wait);
    g_test_add_func("/libc/net/listen", test_listen);
    return g_test_run();
}
