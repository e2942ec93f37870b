/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-ending.c - the end of a process: what TCP still does for its peers
 *
 * posix_exit() closes what is open and comes back when nothing is owed; there is
 * no program then, so each test may have an end of its own.
 */
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "tests/unit/libc-net/sim.h"

#define MS     1000000ull
#define S      1000000000ull
#define PORT   99
#define BYTES  400000u /* fits into the send buffer */
#define STATUS 7

#define CALL(handler, ...)                                                     \
    (handler)(&(struct sys_args){ .arg = { __VA_ARGS__ } })
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

/* A perfect wire with a peer that keeps what it gets, nothing under way. */
static void calm(enum peer_mode mode)
{
    sim.loss_percent = sim.double_percent = sim.reorder_percent = 0;
    sim.gate_full = false;
    sim.gate_opens_ns = 0;
    peer_mode(PEER_ECHO); /* it gets rid of the last connection */
    for (int i = 0; i < 300; i++) {
        sim_pass(100 * MS);
        net_poll();
    }
    peer_mode(mode);
    sim.endings = sim.resets = 0;
}

static long connected(void)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(7),
        .sin_addr.s_addr = SIM_PEER,
    };
    long fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&sin), sizeof(sin)), ==, 0);
    return fd;
}

static long listening(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    long fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(CALL(socket_sys_bind, fd, P(&sin), sizeof(sin)), ==, 0);
    g_assert_cmpint(CALL(socket_sys_listen, fd, 5), ==, 0);
    return fd;
}

static void write_all(long fd)
{
    g_autofree char *data = g_malloc0(BYTES);
    size_t done = 0;

    while (done < BYTES) {
        long n = CALL(io_sys_write, fd, P(data + done), BYTES - done);

        g_assert_cmpint(n, >, 0);
        done += n;
    }
}

static void test_nothing_owed(void)
{
    calm(PEER_HOLD);
    listening();
    posix_exit(STATUS);
    g_assert_cmpuint(sim.endings, ==, 0);
    g_assert_cmpint(CALL(fd_sys_close, 0), ==, -EBADF);
}

/* With one frame of five lost each way. */
static void test_lossy_wire(void)
{
    long fd;

    calm(PEER_HOLD);
    fd = connected();
    sim.loss_percent = 20;
    write_all(fd);
    posix_exit(STATUS);
    g_assert_cmpuint(peer_received_bytes(), ==, BYTES);
    g_assert_cmpuint(sim.endings, ==, 1);
    g_assert_cmpuint(sim.ending_status, ==, STATUS);
    g_assert_cmpuint(sim.resets, ==, 0);
}

/* What was shut or closed before the end is not forgotten. */
static void test_closed_before(void)
{
    long fd;

    calm(PEER_HOLD);
    fd = connected();
    write_all(fd);
    g_assert_cmpint(CALL(socket_sys_shutdown, fd, SHUT_WR), ==, 0);
    g_assert_cmpint(CALL(fd_sys_close, fd), ==, 0);
    posix_exit(STATUS);
    g_assert_cmpuint(peer_received_bytes(), ==, BYTES);
    g_assert_cmpuint(sim.endings, ==, 1);
}

static void test_gate_full(void)
{
    long fd;

    calm(PEER_HOLD);
    fd = connected();
    write_all(fd);
    sim.gate_full = true;
    sim.gate_opens_ns = sim.now_ns + 3 * S;
    posix_exit(STATUS);
    g_assert_cmpuint(peer_received_bytes(), ==, BYTES);
}

/* Nobody answers any more: TCP gives up, and so does the process. */
static void test_peer_gone(void)
{
    uint64_t start_ns;
    long fd;

    calm(PEER_HOLD);
    fd = connected();
    write_all(fd);
    sim.loss_percent = 100;
    start_ns = sim.now_ns;
    posix_exit(STATUS);
    g_assert_cmpuint(sim.endings, ==, 1);
    g_assert_cmpuint(sim.now_ns - start_ns, >, 10 * S);
}

/* The peer must not believe that all it sent was read. */
static void test_unread(void)
{
    char byte;
    long fd;

    calm(PEER_ECHO);
    fd = connected();
    g_assert_cmpint(CALL(io_sys_write, fd, P("xyz"), 3), ==, 3);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&byte), 1), ==, 1);
    posix_exit(STATUS);
    g_assert_cmpuint(sim.resets, ==, 1);
    g_assert_cmpuint(sim.endings, ==, 0);
}

/* A connection that the program never took. */
static void test_not_accepted(void)
{
    calm(PEER_HOLD);
    listening();
    peer_connect(PORT, 0);
    for (int i = 0; i < 10; i++) {
        sim_pass(10 * MS);
        net_poll();
    }
    g_assert_true(peer_is_connected());
    posix_exit(STATUS);
    g_assert_cmpuint(sim.resets, ==, 1);
    g_assert_cmpuint(sim.endings, ==, 0);
}

/* One in the middle of its handshake: our answer to its SYN is lost. */
static void test_half_open(void)
{
    calm(PEER_HOLD);
    listening();
    peer_connect(PORT, 0);
    sim_pass(5 * MS);
    sim.loss_percent = 100;
    net_poll();
    sim.loss_percent = 0;
    posix_exit(STATUS);
    g_assert_cmpuint(sim.resets, ==, 1);
    g_assert_cmpuint(sim.endings, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sim_start(NULL);
    g_test_add_func("/libc/ending/nothing-owed", test_nothing_owed);
    g_test_add_func("/libc/ending/lossy-wire", test_lossy_wire);
    g_test_add_func("/libc/ending/closed-before", test_closed_before);
    g_test_add_func("/libc/ending/gate-full", test_gate_full);
    g_test_add_func("/libc/ending/peer-gone", test_peer_gone);
    g_test_add_func("/libc/ending/unread", test_unread);
    g_test_add_func("/libc/ending/not-accepted", test_not_accepted);
    g_test_add_func("/libc/ending/half-open", test_half_open);
    return g_test_run();
}
