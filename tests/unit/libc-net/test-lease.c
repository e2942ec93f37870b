/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-lease.c - the library's address by DHCP, against a server of our own
 *
 * The order of the tests is that of a life: nobody answers at first.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/sys/libos.h"
#include "tests/unit/libc-net/sim.h"

#define MS 1000000ull
#define S  1000000000ull

#define CALL(handler, ...)                                                     \
    (handler)(&(struct sys_args){ .arg = { __VA_ARGS__ } })
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

enum message {
    DISCOVER = 1,
    OFFER,
    REQUEST,
    DECLINE,
    ACK,
    NAK,
    RELEASE
};

#define LEASE_S 120u
#define LEASED  0x3200a8c0u /* 192.168.0.50 */
#define OTHER   0x3300a8c0u
#define HEADERS (14 + 20 + 8)
#define OPTIONS 240 /* in a DHCP message, after the cookie */

/* What the server does, and what it saw. */
static struct {
    bool silent;
    bool refuses;     /* NAK once */
    uint32_t address; /* that it gives */
    unsigned seen[8]; /* by enum message */
    uint8_t last_mac[6];
    bool last_was_unicast;
    uint32_t last_wanted; /* option 50, or 0 */
} server;

static void sum_fill(uint8_t *header)
{
    uint32_t sum = 0;

    header[10] = header[11] = 0;
    for (int i = 0; i < 20; i += 2) {
        sum += header[i] << 8 | header[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    header[10] = (uint8_t)(~sum >> 8);
    header[11] = (uint8_t)~sum;
}

/* The value of an option, NULL without it. */
static const uint8_t *option(const uint8_t *message, size_t len, uint8_t which)
{
    for (size_t i = OPTIONS; i + 2 < len && message[i] != 255;) {
        if (message[i] == which) {
            return message + i + 2;
        }
        i += message[i] ? 2u + message[i + 1] : 1u;
    }
    return NULL;
}

static void answer(const uint8_t *question, enum message kind)
{
    static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17 };
    uint32_t lease = htonl(LEASE_S), mask = 0x00ffffff, peer = SIM_PEER;
    uint32_t dns[2] = { SIM_PEER, 0x08080808 };
    uint8_t frame[HEADERS + 320] = { 0 }, *m = frame + HEADERS;
    uint8_t *o = m + OPTIONS;
    struct {
        uint8_t number, len;
        const void *value;
    } all[] = {
        { 53, 1, &(uint8_t){ (uint8_t)kind } },
        { 54, 4, &peer },
        { 51, 4, &lease },
        { 1, 4, &mask },
        { 3, 4, &peer },
        { 6, 8, dns },
        { 26, 2, "\x05\x78" }, /* 1400 */
    };

    memcpy(frame, question + 6, 6); /* to who asked */
    memcpy(frame + 6, "\2\0\0\0\0\1\x08\0", 8);
    memcpy(frame + 14, ip, sizeof(ip));
    frame[16] = (sizeof(frame) - 14) >> 8;
    frame[17] = (sizeof(frame) - 14) & 0xff;
    memcpy(frame + 26, &peer, 4);
    memset(frame + 30, 0xff, 4);
    sum_fill(frame + 14);
    memcpy(frame + 34, "\0\x43\0\x44", 4);
    frame[38] = (sizeof(frame) - 34) >> 8;
    frame[39] = (sizeof(frame) - 34) & 0xff;
    memcpy(m, "\2\1\6", 3);
    memcpy(m + 4, question + HEADERS + 4, 4); /* its number */
    memcpy(m + 16, &server.address, 4);
    memcpy(m + 28, question + HEADERS + 28, 16);
    memcpy(m + OPTIONS - 4, "\x63\x82\x53\x63", 4);
    for (size_t i = 0; i < G_N_ELEMENTS(all) && (kind != NAK || i < 2); i++) {
        *o++ = all[i].number;
        *o++ = all[i].len;
        memcpy(o, all[i].value, all[i].len);
        o += all[i].len;
    }
    *o = 255;
    sim_peer_sends(frame, sizeof(frame));
}

/* Sees what reaches the network. */
static bool listener(const uint8_t *frame, size_t len_bytes)
{
    const uint8_t *m = frame + HEADERS, *kind, *wanted;
    size_t len = len_bytes - HEADERS;

    if (len_bytes < HEADERS + OPTIONS || frame[23] != IPPROTO_UDP ||
        frame[37] != 67) {
        return false;
    }
    kind = option(m, len, 53);
    g_assert_nonnull(kind);
    server.seen[*kind]++;
    memcpy(server.last_mac, frame + 6, 6);
    server.last_was_unicast = !(frame[0] & 1);
    wanted = option(m, len, 50);
    server.last_wanted = 0;
    if (wanted) {
        memcpy(&server.last_wanted, wanted, 4);
    }
    if (server.silent) {
        return true;
    }
    if (*kind == DISCOVER) {
        answer(frame, OFFER);
    } else if (*kind == REQUEST) {
        answer(frame, server.refuses ? NAK : ACK);
        server.refuses = false;
    }
    return true;
}

/* A program that does nothing: it sleeps until the library wakes for itself. */
static unsigned idle(uint64_t ns)
{
    uint64_t end = sim.now_ns + ns;
    unsigned rounds = 0;
    uint32_t word = 0;

    while (sim.now_ns < end) {
        net_sleep(&word, 0, end);
        rounds++;
    }
    return rounds;
}

static void await_address(uint32_t address)
{
    uint64_t end = sim.now_ns + 70 * S; /* the longest pause, and some */

    while (net_address() != address) {
        g_assert_cmpuint(sim.now_ns, <, end);
        idle(S);
    }
}

static void assert_resolv_conf(const char *expected)
{
    char text[200] = "";
    long fd = CALL(path_sys_open, P("/etc/resolv.conf"), O_RDONLY);

    g_assert_cmpint(CALL(io_sys_read, fd, P(text), sizeof(text)), ==,
                    strlen(expected));
    g_assert_cmpstr(text, ==, expected);
    CALL(fd_sys_close, fd);
}

static void forget(void)
{
    memset(server.seen, 0, sizeof(server.seen));
    sim.sent = 0;
}

/* net_start() gave up waiting, and the search went on; now there is a server. */
static void test_late(void)
{
    g_assert_cmpuint(net_address(), ==, 0);
    g_assert_cmpuint(sim.now_ns, >=, 15 * S); /* it began at 5 s */
    g_assert_cmpuint(sim.now_ns, <, 16 * S);
    g_assert_cmpuint(server.seen[DISCOVER], >=, 3);
    server.silent = false;
    await_address(LEASED);
    g_assert_cmpuint(server.seen[REQUEST], ==, 1);
    assert_resolv_conf("nameserver 192.168.0.1\nnameserver 8.8.8.8\n");
}

/* An hour: a renewal each minute, asked of the server alone, and no more. */
static void test_renewal(void)
{
    unsigned rounds;

    forget();
    rounds = idle(3600 * S);
    g_assert_cmpuint(server.seen[REQUEST], >=, 3600 / LEASE_S);
    g_assert_cmpuint(server.seen[REQUEST], <=, 2 * 3600 / LEASE_S + 1);
    g_assert_cmpuint(server.seen[DISCOVER], ==, 0);
    g_assert_true(server.last_was_unicast);
    g_assert_cmpuint(net_address(), ==, LEASED);
    /* The deadline, the answer, ARP of the server's: not a tick besides. */
    g_assert_cmpuint(rounds, <=, server.seen[REQUEST] * 14);
    g_test_message("%u rounds, %u frames", rounds, sim.sent);
}

/* It goes through with a third of all frames lost. */
static void test_lossy(void)
{
    for (uint32_t seed = 1; seed <= 5; seed++) {
        sim_seed(seed);
        server.silent = true;
        idle(200 * S);
        g_assert_cmpuint(net_address(), ==, 0);
        server.silent = false;
        sim.loss_percent = 33;
        idle(600 * S);
        sim.loss_percent = 0;
        idle(130 * S);
        g_assert_cmpuint(net_address(), ==, LEASED);
    }
}

/* The server is gone: asked alone, then all are asked, then it is over. */
static void test_expiry(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(7),
                              .sin_addr.s_addr = SIM_PEER };
    uint64_t start;
    char b = 'b';
    long fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM, 0);

    idle(61 * S);
    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&to), sizeof(to)), ==, 0);
    forget();
    server.silent = true;
    start = sim.now_ns;
    while (net_address()) {
        idle(S);
        g_assert_cmpuint(sim.now_ns - start, <=, (LEASE_S + 10) * S);
    }
    g_assert_cmpuint(sim.now_ns - start, >=, 50 * S);
    g_assert_cmpuint(server.seen[REQUEST], >=, 2);
    idle(S);
    g_assert_cmpuint(server.seen[DISCOVER], >=, 1);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), <, 0);
    CALL(fd_sys_close, fd);
    server.silent = false;
    await_address(LEASED);
}

/* After a restore the server is asked, and may be silent. */
static void test_restored(void)
{
    forget();
    net_restored();
    idle(MS * 100);
    g_assert_cmpuint(server.seen[REQUEST], ==, 1);
    g_assert_cmpuint(server.last_wanted, ==, LEASED);
    g_assert_cmpuint(net_address(), ==, LEASED);

    server.silent = true;
    net_restored();
    idle(30 * S);
    g_assert_cmpuint(net_address(), ==, LEASED);
    server.silent = false;
    idle(60 * S);
    g_assert_cmpuint(net_address(), ==, LEASED);

    server.refuses = true;
    server.address = OTHER;
    net_restored();
    idle(20 * S);
    g_assert_cmpuint(net_address(), ==, OTHER);
    server.address = LEASED;
}

/* A fork asks for an address of its own and gives back nothing (R2). */
static void test_fork(void)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 0x33 };

    forget();
    net_abandon(false);
    net_readdress(mac, 0, 0, 0, true);
    g_assert_cmpuint(net_address(), ==, 0);
    idle(20 * S);
    g_assert_cmpuint(server.seen[RELEASE], ==, 0);
    g_assert_cmpuint(server.seen[DISCOVER], ==, 1);
    g_assert_cmpmem(server.last_mac, 6, mac, 6);
    g_assert_cmpuint(net_address(), ==, LEASED);

    /* Or has been given one: DHCP is not asked any more. */
    forget();
    net_readdress(mac, OTHER, 0x00ffffff, SIM_PEER, false);
    net_restored();
    idle(600 * S);
    g_assert_cmpuint(net_address(), ==, OTHER);
    for (int i = 0; i < 8; i++) {
        g_assert_cmpuint(server.seen[i], ==, 0);
    }
}

int main(int argc, char **argv)
{
    static const struct boot_net net = {
        .flags = BOOT_NET_DHCP,
        .hostname = "guest",
    };

    g_test_init(&argc, &argv, NULL);
    sim.listener = listener;
    server.silent = true;
    server.address = LEASED;
    sim_start(&net);
    g_test_add_func("/libc/lease/1-late", test_late);
    g_test_add_func("/libc/lease/2-renewal", test_renewal);
    g_test_add_func("/libc/lease/3-lossy", test_lossy);
    g_test_add_func("/libc/lease/4-expiry", test_expiry);
    g_test_add_func("/libc/lease/5-restored", test_restored);
    g_test_add_func("/libc/lease/6-fork", test_fork);
    return g_test_run();
}
