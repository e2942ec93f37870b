/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-dgram.c - UDP and ICMP of the library over a bad wire
 *
 * What a program sees over loopback is in tests/guest/programs/udp.c, and is
 * compared with Linux; here is what takes a wire, or time.
 */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "tests/unit/libc-net/sim.h"

#define MS        1000000ull
#define S         1000000000ull

#define PORT_ECHO 7
#define PORT_NONE 9

#define CALL(handler, ...)                                                     \
    (handler)(&(struct sys_args){ .arg = { __VA_ARGS__ } })
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

static struct sockaddr_in to_peer(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr.s_addr = SIM_PEER };
}

static long open_socket(int type, int protocol)
{
    return CALL(socket_sys_socket, AF_INET, type, protocol);
}

static long udp_to(uint16_t port, int flags)
{
    struct sockaddr_in sin = to_peer(port);
    long fd = open_socket(SOCK_DGRAM | flags, 0);

    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&sin), sizeof(sin)), ==, 0);
    return fd;
}

static void calm(void)
{
    sim.loss_percent = sim.double_percent = sim.reorder_percent = 0;
    sim.gate_full = false;
    sim.gate_opens_ns = 0;
    for (int i = 0; i < 200; i++) {
        sim_pass(100 * MS);
        net_poll();
    }
}

/* With nothing to wait for, a poll has its own deadline alone. */
static void assert_idle(void)
{
    uint64_t start = sim.now_ns;

    sim.last_deadline_ns = 0;
    g_assert_cmpint(CALL(poll_sys_poll, 0, 0, 100 * 1000), ==, 0);
    g_assert_cmpuint(sim.last_deadline_ns, >=, start + 100 * S);
}

static void test_echo(void)
{
    uint8_t out[60000], in[60000];
    long fd;

    calm();
    fd = udp_to(PORT_ECHO, 0);
    for (size_t i = 0; i < sizeof(out); i++) {
        out[i] = (uint8_t)(i * 13 + i / 256);
    }
    /* From one frame to many fragments. */
    for (size_t len = 0; len <= sizeof(out); len = len * 2 + 700) {
        g_assert_cmpint(CALL(io_sys_write, fd, P(out), len), ==, len);
        g_assert_cmpint(CALL(socket_sys_recvfrom, fd, P(in), sizeof(in)), ==,
                        len);
        g_assert_cmpmem(in, len, out, len);
    }
    CALL(fd_sys_close, fd);
}

/*
 * Loss, doubles, reordering: some do not come, some come twice, none comes
 * changed, and what was lacking leaves nothing behind.
 */
static void test_bad_wire(void)
{
    uint32_t out[1000], in[1000];
    size_t used;
    unsigned got = 0;
    long fd;

    calm();
    fd = udp_to(PORT_ECHO, SOCK_NONBLOCK);
    CALL(io_sys_write, fd, P(out), 4);
    calm();
    CALL(io_sys_read, fd, P(in), sizeof(in));
    used = heap_net_used();
    sim.loss_percent = 10;
    sim.double_percent = 10;
    sim.reorder_percent = 20;
    for (uint32_t i = 0; i < 300; i++) {
        size_t len = i % 2 ? sizeof(out) : 40; /* three fragments, or none */
        long n;

        for (size_t k = 0; k < len / 4; k++) {
            out[k] = i * 1000003 + k;
        }
        g_assert_cmpint(CALL(io_sys_write, fd, P(out), len), ==, len);
        sim_pass(MS);
        net_poll();
        while ((n = CALL(io_sys_read, fd, P(in), sizeof(in))) > 0) {
            g_assert_true(n == 40 || n == sizeof(in));
            for (long k = 1; k < n / 4; k++) {
                g_assert_cmpuint(in[k], ==, in[0] + k);
            }
            got++;
        }
        g_assert_cmpint(n, ==, -EAGAIN);
    }
    g_assert_cmpuint(got, >, 100);
    g_assert_cmpuint(got, <, 330);
    calm();
    while (CALL(io_sys_read, fd, P(in), sizeof(in)) > 0) {
    }
    g_assert_cmpuint(heap_net_used(), <=, used);
    assert_idle();
    CALL(fd_sys_close, fd);
}

/* The peer says that nobody listens. */
static void test_refused(void)
{
    struct sockaddr_in sin = to_peer(PORT_NONE);
    long fd, other;
    char b = 'x';

    calm();
    fd = udp_to(PORT_NONE, 0);
    other = open_socket(SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CALL(socket_sys_sendto, other, P(&b), 1, 0, P(&sin), sizeof(sin));
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, -ECONNREFUSED);
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    sim_pass(10 * MS);
    net_poll();
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, -ECONNREFUSED);
    g_assert_cmpint(CALL(io_sys_read, other, P(&b), 1), ==, -EAGAIN);
    CALL(fd_sys_close, fd);
    CALL(fd_sys_close, other);
}

/* The hold is full: a datagram waits or is refused, and none is dropped. */
static void test_gate_full(void)
{
    uint64_t start;
    struct pollfd p;
    long fd;
    char b = 'x';

    calm();
    fd = udp_to(PORT_ECHO, 0);
    CALL(io_sys_write, fd, P(&b), 1);
    CALL(io_sys_read, fd, P(&b), 1);
    start = sim.now_ns;
    sim.gate_full = true;
    sim.gate_opens_ns = start + 300 * MS;
    sim.refused = 0;
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    g_assert_cmpuint(sim.now_ns - start, ==, 300 * MS);
    /* Whatever comes in may mean room; nothing else is a reason to try. */
    g_assert_cmpuint(sim.refused, <=, 3);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, 1);

    sim.gate_full = true;
    sim.gate_opens_ns = sim.now_ns + 300 * MS;
    g_assert_cmpint(CALL(socket_sys_sendto, fd, P(&b), 1, MSG_DONTWAIT), ==,
                    -EAGAIN);
    p = (struct pollfd){ .fd = (int)fd, .events = POLLOUT };
    g_assert_cmpint(CALL(poll_sys_poll, P(&p), 1, 10), ==, 0);
    g_assert_cmpint(CALL(poll_sys_poll, P(&p), 1, -1), ==, 1);
    g_assert_cmpint(CALL(socket_sys_sendto, fd, P(&b), 1, MSG_DONTWAIT), ==, 1);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, 1);
    CALL(fd_sys_close, fd);
}

/* Who does not read keeps no more than its share, and others go on. */
static void test_flood(void)
{
    int bytes = 20000;
    uint8_t data[1000] = { 0 };
    struct sockaddr_in sin;
    uint32_t len = sizeof(sin);
    size_t used;
    long fd, other;
    int n = 0;

    calm();
    fd = udp_to(PORT_ECHO, SOCK_NONBLOCK);
    other = udp_to(PORT_ECHO, 0);
    CALL(sockopt_sys_set, fd, SOL_SOCKET, SO_RCVBUF, P(&bytes), sizeof(bytes));
    used = heap_net_used();
    for (int i = 0; i < 1000; i++) {
        CALL(io_sys_write, fd, P(data), sizeof(data));
        sim_pass(MS);
        net_poll();
    }
    g_assert_cmpuint(heap_net_used() - used, <=, 2 * 40000);
    g_assert_cmpint(CALL(io_sys_write, other, P(data), 10), ==, 10);
    g_assert_cmpint(CALL(io_sys_read, other, P(data), 100), ==, 10);
    while (CALL(io_sys_read, fd, P(data), sizeof(data)) > 0) {
        n++;
    }
    g_assert_cmpint(n, >=, 20);
    g_assert_cmpint(n, <=, 40);
    CALL(socket_sys_getsockname, fd, P(&sin), P(&len));
    g_assert_cmpuint(sin.sin_addr.s_addr, ==, SIM_ADDRESS);
    CALL(fd_sys_close, fd);
    CALL(fd_sys_close, other);
    g_assert_cmpuint(heap_net_used(), <=, used);
}

static void test_broadcast(void)
{
    struct sockaddr_in all = { .sin_family = AF_INET,
                               .sin_port = htons(PORT_ECHO),
                               .sin_addr.s_addr = INADDR_BROADCAST };
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(68) };
    int on = 1;
    char b[2] = "b";
    long fd;

    calm();
    fd = open_socket(SOCK_DGRAM, 0);
    g_assert_cmpint(CALL(socket_sys_bind, fd, P(&name), sizeof(name)), ==, 0);
    g_assert_cmpint(
        CALL(socket_sys_sendto, fd, P(b), 1, 0, P(&all), sizeof(all)), ==,
        -EACCES);
    CALL(sockopt_sys_set, fd, SOL_SOCKET, SO_BROADCAST, P(&on), sizeof(on));
    for (int i = 0; i < 2; i++) {
        g_assert_cmpint(
            CALL(socket_sys_sendto, fd, P(b), 1, 0, P(&all), sizeof(all)), ==,
            1);
        g_assert_cmpmem(sim.last_frame, 6, "\xff\xff\xff\xff\xff\xff", 6);
        g_assert_cmpmem(sim.last_frame + 30, 4, &all.sin_addr, 4);
        g_assert_cmpint(CALL(io_sys_read, fd, P(b), 2), ==, 1);
        all.sin_addr.s_addr = SIM_PEER | 0xff000000; /* of our network */
    }
    CALL(fd_sys_close, fd);
}

/* A raw message and our own checksum over it. */
static void icmp_fill(uint8_t *message, size_t len_bytes, uint8_t type)
{
    uint32_t sum = 0;

    memset(message, 0, 8);
    message[0] = type;
    for (size_t i = 8; i < len_bytes; i++) {
        message[i] = (uint8_t)(i * 3);
    }
    message[5] = 77; /* its number */
    message[7] = 1;
    for (size_t i = 0; i < len_bytes; i++) {
        sum += i % 2 ? message[i] : message[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    message[2] = (uint8_t)(~sum >> 8);
    message[3] = (uint8_t)~sum;
}

/* ping without privileges, and as root has it. */
static void test_ping(void)
{
    struct sockaddr_in sin = to_peer(0), from;
    uint8_t out[64], in[200];
    uint32_t len = sizeof(from);
    long ping, raw;

    calm();
    ping = open_socket(SOCK_DGRAM, IPPROTO_ICMP);
    raw = open_socket(SOCK_RAW, IPPROTO_ICMP);
    icmp_fill(out, sizeof(out), 8);
    g_assert_cmpint(CALL(socket_sys_sendto, ping, P(out), sizeof(out), 0,
                         P(&sin), sizeof(sin)),
                    ==, sizeof(out));
    g_assert_cmpint(CALL(socket_sys_recvfrom, ping, P(in), sizeof(in), 0,
                         P(&from), P(&len)),
                    ==, sizeof(out));
    g_assert_cmpuint(in[0], ==, 0); /* a reply */
    g_assert_cmpmem(in + 8, 56, out + 8, 56);
    g_assert_cmpuint(from.sin_addr.s_addr, ==, SIM_PEER);
    /* The raw one saw it, with its IP header. */
    g_assert_cmpint(CALL(io_sys_read, raw, P(in), sizeof(in)), ==,
                    20 + sizeof(out));
    g_assert_cmpuint(in[0], ==, 0x45);

    g_assert_cmpint(CALL(socket_sys_sendto, raw, P(out), sizeof(out), 0,
                         P(&sin), sizeof(sin)),
                    ==, sizeof(out));
    g_assert_cmpint(CALL(io_sys_read, raw, P(in), sizeof(in)), ==,
                    20 + sizeof(out));
    g_assert_cmpuint(in[25], ==, 77);
    g_assert_cmpint(
        CALL(socket_sys_recvfrom, ping, P(in), sizeof(in), MSG_DONTWAIT), ==,
        -EAGAIN);
    out[0] = 13;
    g_assert_cmpint(CALL(socket_sys_sendto, ping, P(out), sizeof(out), 0,
                         P(&sin), sizeof(sin)),
                    ==, -EINVAL);
    CALL(fd_sys_close, ping);
    CALL(fd_sys_close, raw);
}

/* An Ethernet and an IP header for what @frame holds from 34 on. */
static size_t ip_fill(uint8_t *frame, uint8_t protocol, size_t len_bytes)
{
    uint32_t from = SIM_PEER, to = SIM_ADDRESS, sum = 0;
    size_t total = 20 + len_bytes;

    memcpy(frame, "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0\x45\0", 16);
    frame[16] = (uint8_t)(total >> 8);
    frame[17] = (uint8_t)total;
    memset(frame + 18, 0, 8);
    frame[22] = 64;
    frame[23] = protocol;
    memcpy(frame + 26, &from, 4);
    memcpy(frame + 30, &to, 4);
    for (int i = 14; i < 34; i += 2) {
        sum += frame[i] << 8 | frame[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    frame[24] = (uint8_t)(~sum >> 8);
    frame[25] = (uint8_t)~sum;
    return 14 + total;
}

/* Whoever asks whether we are there is answered. */
static void test_answers_ping(void)
{
    uint8_t frame[14 + 20 + 64];
    unsigned before;

    calm();
    icmp_fill(frame + 34, 64, 8);
    ip_fill(frame, IPPROTO_ICMP, 64);
    before = sim.sent;
    sim_inject(frame, sizeof(frame));
    net_poll();
    g_assert_cmpuint(sim.sent - before, ==, 1);
    g_assert_cmpuint(sim.last_frame_bytes, ==, sizeof(frame));
    g_assert_cmpuint(sim.last_frame[34], ==, 0);
    g_assert_cmpmem(sim.last_frame + 38, 60, frame + 38, 60);
}

/*
 * "Port unreachable" is believed of what we sent and of nothing else: not of
 * another port, not of another's packet, not with a wrong checksum.
 */
static void test_false_news(void)
{
    uint8_t frame[14 + 20 + 36] = { 0 }, quoted[28], *icmp = frame + 34;
    struct sockaddr_in name;
    uint32_t len = sizeof(name);
    long fd, error;
    char b = 'x';

    calm();
    fd = udp_to(PORT_ECHO, SOCK_NONBLOCK);
    CALL(socket_sys_getsockname, fd, P(&name), P(&len));
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    sim_pass(MS);
    net_poll();
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, 1);
    memcpy(quoted, sim.last_frame + 14, sizeof(quoted));
    g_assert_cmpmem(quoted + 20, 2, &name.sin_port, 2);
    for (int lie = 0; lie <= 5; lie++) {
        uint8_t mine[28];
        uint32_t sum = 0;

        memcpy(mine, quoted, sizeof(mine));
        mine[21] ^= lie == 1; /* from another port of ours */
        mine[23] ^= lie == 2; /* to another of theirs */
        mine[15] ^= lie == 3; /* not our address */
        mine[9] ^= lie == 4;  /* not UDP */
        memset(icmp, 0, 8);
        icmp[0] = 3;
        icmp[1] = 3;
        memcpy(icmp + 8, mine, sizeof(mine));
        for (int i = 0; i < 36; i += 2) {
            sum += icmp[i] << 8 | icmp[i + 1];
        }
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        icmp[2] = (uint8_t)(~sum >> 8);
        icmp[3] = (uint8_t)(~sum ^ (lie == 5));
        ip_fill(frame, IPPROTO_ICMP, 36);
        sim_inject(frame, sizeof(frame));
        net_poll();
        error = CALL(io_sys_read, fd, P(&b), 1);
        g_assert_cmpint(error, ==, lie ? -EAGAIN : -ECONNREFUSED);
    }
    CALL(fd_sys_close, fd);
}

/* Which of them Linux takes for final, and says of a connected socket. */
static void test_news(void)
{
    static const int errors[16] = {
        [2] = ENOPROTOOPT,   [3] = ECONNREFUSED,  [6] = ENETUNREACH,
        [7] = EHOSTDOWN,     [8] = ENONET,        [9] = ENETUNREACH,
        [10] = EHOSTUNREACH, [13] = EHOSTUNREACH, [14] = EHOSTUNREACH,
        [15] = EHOSTUNREACH,
    };
    uint8_t frame[14 + 20 + 36] = { 0 }, *icmp = frame + 34;
    char b = 'x';
    long fd;

    calm();
    fd = udp_to(PORT_ECHO, SOCK_NONBLOCK);
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    sim_pass(MS);
    net_poll();
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, 1);
    for (int code = 0; code < 17; code++) {
        int error = code < 16 && errors[code] ? errors[code] : EAGAIN;
        uint32_t sum = 0;

        memset(icmp, 0, 8);
        icmp[0] = 3;
        icmp[1] = (uint8_t)code;
        memcpy(icmp + 8, sim.last_frame + 14, 28);
        for (int i = 0; i < 36; i += 2) {
            sum += icmp[i] << 8 | icmp[i + 1];
        }
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        icmp[2] = (uint8_t)(~sum >> 8);
        icmp[3] = (uint8_t)~sum;
        ip_fill(frame, IPPROTO_ICMP, 36);
        sim_inject(frame, sizeof(frame));
        net_poll();
        g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, -error);
    }
    CALL(fd_sys_close, fd);
}

/* Frames that cannot be, fragments of them too: nothing happens. */
static void test_garbage(void)
{
    uint8_t frame[1514], b[2000];
    struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(99) };
    size_t used;
    long fd, raw;

    calm();
    fd = open_socket(SOCK_DGRAM | SOCK_NONBLOCK, 0);
    raw = open_socket(SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
    CALL(socket_sys_bind, fd, P(&any), sizeof(any));
    used = heap_net_used();
    for (unsigned i = 0; i < 20000; i++) {
        size_t len = 42 + g_random_int_range(0, 1400);

        for (size_t k = 34; k < len; k++) {
            frame[k] = (uint8_t)g_random_int();
        }
        if (i % 2) {
            memcpy(frame + 36, "\0\x63", 2); /* to our port */
            memset(frame + 40, 0, 2);        /* no checksum */
        }
        ip_fill(frame, i % 3 ? IPPROTO_UDP : IPPROTO_ICMP, len - 34);
        if (i % 5 == 0) {
            frame[20] = (uint8_t)g_random_int(); /* a fragment */
            frame[21] = (uint8_t)g_random_int();
            frame[24] = frame[25] = 0;
        }
        sim_inject(frame, len);
        if (i % 20 == 0) {
            net_poll();
            while (CALL(io_sys_read, fd, P(b), sizeof(b)) >= 0 ||
                   CALL(io_sys_read, raw, P(b), sizeof(b)) >= 0) {
            }
        }
    }
    CALL(fd_sys_close, fd);
    CALL(fd_sys_close, raw);
    calm();
    g_assert_cmpuint(heap_net_used(), <=, used + 4096);
    test_echo();
    assert_idle();
}

/* A port that nobody named is not the next one to be guessed. */
static void test_ports(void)
{
    uint16_t last = 0;
    int steps = 0;

    calm();
    for (int i = 0; i < 20; i++) {
        struct sockaddr_in name;
        uint32_t len = sizeof(name);
        long fd = udp_to(PORT_ECHO, 0);

        CALL(socket_sys_getsockname, fd, P(&name), P(&len));
        g_assert_cmpuint(ntohs(name.sin_port), >=, 32768);
        steps += ntohs(name.sin_port) == last + 1;
        last = ntohs(name.sin_port);
        CALL(fd_sys_close, fd);
    }
    g_assert_cmpint(steps, <, 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sim_start(NULL);
    g_test_add_func("/libc/dgram/echo", test_echo);
    g_test_add_func("/libc/dgram/bad-wire", test_bad_wire);
    g_test_add_func("/libc/dgram/refused", test_refused);
    g_test_add_func("/libc/dgram/gate-full", test_gate_full);
    g_test_add_func("/libc/dgram/flood", test_flood);
    g_test_add_func("/libc/dgram/broadcast", test_broadcast);
    g_test_add_func("/libc/dgram/ports", test_ports);
    g_test_add_func("/libc/dgram/garbage", test_garbage);
    g_test_add_func("/libc/icmp/ping", test_ping);
    g_test_add_func("/libc/icmp/answers", test_answers_ping);
    g_test_add_func("/libc/icmp/false-news", test_false_news);
    g_test_add_func("/libc/icmp/news", test_news);
    return g_test_run();
}
