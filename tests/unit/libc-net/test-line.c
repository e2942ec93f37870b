/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-line.c - what the library makes of a fork and of a rollback (R2), in
 * simulated time
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/include/sluice.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "tests/unit/libc-net/sim.h"

#define MS      1000000ull
#define S       1000000000ull
#define OTHER   (SIM_ADDRESS + (1u << 24))
#define MASK    0x00ffffffu
#define RESTORE 20u /* starts from the same checkpoint */

#define CALL(handler, ...)                                                     \
    (handler)(&(struct sys_args){ .arg = { __VA_ARGS__ } })
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

uint16_t checksum_fold(const void *data, int len_bytes);

static const uint8_t own_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t other_mac[6] = { 2, 0, 0, 0, 0, 0x22 };

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

static void echo(long fd)
{
    char b = 'e';

    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, 1);
    g_assert_cmpint(b, ==, 'e');
}

/* Until nothing is under way: acknowledgements, and what was announced. */
static void calm(void)
{
    for (int i = 0; i < 100; i++) {
        sim_pass(100 * MS);
        net_poll();
    }
}

/* As the kernel does it: first the count, then the library reads its mail. */
static void begin(enum ckpt_line_why why, const uint8_t mac[6],
                  uint32_t address)
{
    struct ckpt_identity id = {
        .why = why,
        .generation = 2,
        .address = address,
        .netmask = MASK,
        .gateway = SIM_PEER,
        .hostname = "other",
    };

    memcpy(id.mac, mac, 6);
    sim.line++;
    net_new_line(&id);
}

/* Back to who we were at the start, for the next test. */
static void back(void)
{
    begin(CKPT_LINE_FORK, own_mac, SIM_ADDRESS);
    calm();
}

static void expect_announced(const uint8_t mac[6], uint32_t address)
{
    g_assert_cmpuint(sim.last_frame_bytes, >=, 42);
    g_assert_cmpmem(sim.last_frame, 6, "\xff\xff\xff\xff\xff\xff", 6);
    g_assert_cmpmem(sim.last_frame + 6, 6, mac, 6);
    g_assert_cmpmem(sim.last_frame + 12, 2, "\x08\x06", 2);
    g_assert_cmpmem(sim.last_frame + 22, 6, mac, 6);
    g_assert_cmpmem(sim.last_frame + 28, 4, &address, 4);
    g_assert_cmpmem(sim.last_frame + 38, 4, &address, 4);
}

static void test_fork_is_silent(void)
{
    unsigned resets = sim.resets, sent;
    long fd = connected();
    char b;

    echo(fd);
    calm();
    sent = sim.sent;
    begin(CKPT_LINE_FORK, other_mac, OTHER);
    g_assert_cmpuint(sim.sent - sent, ==, 1);
    expect_announced(other_mac, OTHER);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, -ECONNRESET);
    CALL(fd_sys_close, fd);
    calm();
    g_assert_cmpuint(sim.sent - sent, ==, 1);
    g_assert_cmpuint(sim.resets, ==, resets);
    g_assert_true(peer_is_connected());

    fd = connected(); /* and one of its own */
    echo(fd);
    CALL(fd_sys_close, fd);
    back();
}

/* The checksums of a bare TCP segment. */
static void sums(uint8_t segment[54])
{
    uint8_t pseudo[32] = { 0 };
    uint16_t sum;

    sum = (uint16_t)~checksum_fold(segment + 14, 20);
    memcpy(segment + 24, &sum, 2);
    memcpy(pseudo, segment + 26, 8);
    pseudo[9] = IPPROTO_TCP;
    pseudo[11] = 20;
    memcpy(pseudo + 12, segment + 34, 20);
    sum = (uint16_t)~checksum_fold(pseudo, sizeof(pseudo));
    memcpy(segment + 50, &sum, 2);
}

/* A segment of nobody's connection comes in, to be answered by a reset. */
static void inject_stray(void)
{
    uint8_t segment[60] = { 0 };

    memcpy(segment, own_mac, 6);
    memcpy(segment + 6, "\2\0\0\0\0\1\x08\0\x45\0\0\x28", 12);
    memcpy(segment + 22, "\x40\6\0\0", 4);
    memcpy(segment + 26, &(uint32_t){ SIM_PEER }, 4);
    memcpy(segment + 30, &(uint32_t){ SIM_ADDRESS }, 4);
    memcpy(segment + 34, "\0\7\0\7\0\0\0\1\0\0\0\1\x50\x10", 14);
    sums(segment);
    sim_inject(segment, 54);
}

/* The original's peer spoke just before the checkpoint: no answer from us. */
static void test_fork_answers_nothing_that_came_before(void)
{
    long fd = connected();
    unsigned sent;

    echo(fd);
    calm();
    inject_stray();
    sent = sim.sent;
    begin(CKPT_LINE_FORK, own_mac, SIM_ADDRESS);
    calm();
    g_assert_cmpuint(sim.sent - sent, ==, 1);
    expect_announced(own_mac, SIM_ADDRESS);
    CALL(fd_sys_close, fd);
}

static void test_rollback_resets(void)
{
    unsigned resets = sim.resets;
    long fd = connected();
    char b;

    echo(fd);
    calm();
    begin(CKPT_LINE_ROLLBACK, own_mac, SIM_ADDRESS);
    expect_announced(own_mac, SIM_ADDRESS);
    g_assert_cmpint(CALL(io_sys_read, fd, P(&b), 1), ==, -ECONNRESET);
    CALL(fd_sys_close, fd);
    sim_pass(S);
    g_assert_cmpuint(sim.resets - resets, ==, 1);
    g_assert_false(peer_is_connected());
    g_assert_cmpuint(net_address(), ==, SIM_ADDRESS);
    fd = connected();
    echo(fd);
    CALL(fd_sys_close, fd);
    calm();
}

/* It may be the first word of a client that comes back: it is heard. */
static void test_rollback_hears_what_waited(void)
{
    unsigned resets;
    long fd = connected();

    echo(fd);
    CALL(fd_sys_close, fd);
    calm();
    resets = sim.resets;
    inject_stray();
    begin(CKPT_LINE_ROLLBACK, own_mac, SIM_ADDRESS);
    calm();
    g_assert_cmpuint(sim.resets - resets, ==, 1);
}

/* Not to be told who we are: as told who we are already. */
static void test_rollback_under_own_addresses(void)
{
    struct ckpt_identity id = {
        .why = CKPT_LINE_ROLLBACK,
        .generation = 2,
        .flags = CKPT_IDENTITY_OWN,
    };

    sim.line++;
    net_new_line(&id);
    expect_announced(own_mac, SIM_ADDRESS);
    g_assert_cmpuint(net_address(), ==, SIM_ADDRESS);
    calm();
}

/* Sequence and port numbers of the first connection after a start. */
static uint64_t first_numbers(enum ckpt_line_why why)
{
    const uint8_t *tcp = sim.last_frame + 34;
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(7),
        .sin_addr.s_addr = SIM_PEER,
    };
    uint64_t numbers = 0;
    long fd;

    begin(why, own_mac, SIM_ADDRESS);
    calm();
    CALL(fd_sys_close, connected()); /* the peer's address is known now */
    fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&sin), sizeof(sin)), ==,
                    -EINPROGRESS);
    g_assert_cmpuint(tcp[13], ==, 2); /* SYN */
    memcpy(&numbers, tcp, 2);
    memcpy((char *)&numbers + 2, tcp + 4, 4);
    CALL(fd_sys_close, fd);
    return numbers;
}

static void test_numbers_are_drawn_anew(void)
{
    static const enum ckpt_line_why whys[] = { CKPT_LINE_FORK,
                                               CKPT_LINE_ROLLBACK };
    uint64_t seen[RESTORE];

    for (unsigned i = 0; i < RESTORE; i++) {
        unsigned randoms = sim.randoms;

        seen[i] = first_numbers(whys[i % 2]);
        g_assert_cmpuint(sim.randoms, >, randoms);
        for (unsigned k = 0; k < i; k++) {
            g_assert_cmphex(seen[i], !=, seen[k]);
        }
    }
    calm();
}

/* Two programs with the same past draw different numbers in the same place. */
static void test_same_past_other_numbers(void)
{
    uint8_t a[32], b[32];

    for (unsigned i = 0; i < RESTORE; i++) {
        long fd = CALL(path_sys_openat, AT_FDCWD, P("/dev/urandom"), O_RDONLY);

        g_assert_cmpint(fd, >=, 0);
        g_assert_cmpint(CALL(io_sys_read, fd, P(a), sizeof(a)), ==, sizeof(a));
        begin(CKPT_LINE_FORK, own_mac, SIM_ADDRESS);
        g_assert_cmpint(CALL(io_sys_read, fd, P(b), sizeof(b)), ==, sizeof(b));
        g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);
        CALL(fd_sys_close, fd);
    }
    calm();
}

static void test_name_changes(void)
{
    char text[64] = { 0 };
    long fd;

    begin(CKPT_LINE_FORK, other_mac, OTHER);
    fd = CALL(path_sys_openat, AT_FDCWD, P("/etc/hostname"), O_RDONLY);
    g_assert_cmpint(CALL(io_sys_read, fd, P(text), sizeof(text) - 1), >, 0);
    g_assert_cmpstr(text, ==, "other\n");
    CALL(fd_sys_close, fd);
    back();
}

static void test_program_is_told(void)
{
    struct sluice_line line = { 0 }, again;
    const volatile uint64_t *counter =
        (const volatile uint64_t *)CALL(sluice_sys_line_counter, 0);
    uint64_t before = *counter;

    begin(CKPT_LINE_ROLLBACK, own_mac, SIM_ADDRESS);
    g_assert_cmpuint(*counter, ==, before + 1);
    g_assert_cmpint(CALL(sluice_sys_line, P(&line), 0), ==, 0);
    g_assert_cmpuint(line.line, ==, before + 1);
    g_assert_cmpuint(line.why, ==, SLUICE_LINE_ROLLBACK);

    again = (struct sluice_line){ .line = before };
    g_assert_cmpint(CALL(sluice_sys_line, P(&again), 1), ==, 0);
    g_assert_cmpmem(&again, sizeof(again), &line, sizeof(line));
    begin(CKPT_LINE_FORK, own_mac, SIM_ADDRESS);
    g_assert_cmpint(CALL(sluice_sys_line, P(&line), 1), ==, 0);
    g_assert_cmpuint(line.line, ==, before + 2);
    g_assert_cmpuint(line.why, ==, SLUICE_LINE_FORK);
    g_assert_cmpint(CALL(sluice_sys_line, 0, 0), ==, -EFAULT);
    calm();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    sim_start(NULL);
    calm();
#define ADD(path, func) g_test_add_func("/libc/line/" path, func)
    ADD("fork-is-silent", test_fork_is_silent);
    ADD("fork-answers-nothing-of-before",
        test_fork_answers_nothing_that_came_before);
    ADD("rollback-resets", test_rollback_resets);
    ADD("rollback-hears-what-waited", test_rollback_hears_what_waited);
    ADD("rollback-under-own-addresses", test_rollback_under_own_addresses);
    ADD("numbers-are-drawn-anew", test_numbers_are_drawn_anew);
    ADD("same-past-other-numbers", test_same_past_other_numbers);
    ADD("name-changes", test_name_changes);
    ADD("program-is-told", test_program_is_told);
#undef ADD
    return g_test_run();
}
