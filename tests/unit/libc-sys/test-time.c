/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-time.c - deadlines, sleeping, clocks */
#include <asm/unistd.h>
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <time.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"
#include "guest-libc/sys/clock.h"

static int64_t *spec;

static void setup(void)
{
    fake_reset();
    if (!spec) {
        spec = fake_user(4096);
    }
}

static void test_deadlines(void)
{
    struct moment wall = { .base = CLOCK_BASE_WALL };
    uint64_t ns;

    setup();
    g_assert_cmpuint(deadline_after(5), ==, fake.now_ns + 5);
    g_assert_cmpuint(deadline_after(INT64_MAX), ==, SYS_FOREVER);
    wall.ns = 0;
    g_assert_cmpuint(moment_deadline(&wall), ==, fake.now_ns);
    wall.ns = prim_wall_ns() + 7;
    g_assert_cmpuint(moment_deadline(&wall), ==, fake.now_ns + 7);
    wall.ns = INT64_MAX;
    g_assert_cmpuint(moment_deadline(&wall), ==, SYS_FOREVER);
    spec[0] = INT64_MAX;
    spec[1] = 0;
    g_assert_cmpint(timespec_from_user((uint64_t)spec, &ns), ==, 0);
    g_assert_cmpuint(ns, ==, INT64_MAX);
    spec[0] = -1;
    g_assert_cmpint(timespec_from_user((uint64_t)spec, &ns), ==, -EINVAL);
}

static void test_clocks(void)
{
    setup();
    fake.now_ns = 3000000004;
    g_assert_cmpint(
        fake_call(__NR_clock_gettime, CLOCK_MONOTONIC, (uint64_t)spec, 0, 0),
        ==, 0);
    g_assert_cmpint(spec[0], ==, 3);
    g_assert_cmpint(spec[1], ==, 4);
    g_assert_cmpint(
        fake_call(__NR_clock_gettime, CLOCK_REALTIME, (uint64_t)spec, 0, 0), ==,
        0);
    g_assert_cmpint(spec[0], ==, 1700000003);
    g_assert_cmpint(fake_call(__NR_clock_gettime, 99, (uint64_t)spec, 0, 0), ==,
                    -EINVAL);
}

static void test_sleep(void)
{
    uint64_t start_ns;

    setup();
    start_ns = fake.now_ns;
    spec[0] = 2;
    spec[1] = 1;
    g_assert_cmpint(fake_call(__NR_nanosleep, (uint64_t)spec, 0, 0, 0), ==, 0);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + 2000000001);
    g_assert_cmpint(fake_call(__NR_clock_nanosleep, CLOCK_MONOTONIC,
                              TIMER_ABSTIME, (uint64_t)spec, 0),
                    ==, 0);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + 2000000001);
}

static void interrupt_it(void)
{
    struct signal_info info = { 0 };

    fake.now_ns += 500000000;
    lib_lock();
    signal_send_locked(thread_self(), SIGUSR1, &info);
    lib_unlock();
}

static void test_sleep_interrupted(void)
{
    setup();
    spec[0] = 2;
    spec[1] = 0;
    fake.on_wait = interrupt_it;
    g_assert_cmpint(
        fake_call(__NR_nanosleep, (uint64_t)spec, (uint64_t)(spec + 2), 0, 0),
        ==, -EINTR);
    g_assert_cmpint(spec[2], ==, 1);
    g_assert_cmpint(spec[3], ==, 500000000);
    g_assert_cmpuint(thread_self()->restart_number, ==, 0);
}

static long sleep_to_wall(uint64_t wall_ns)
{
    spec[0] = wall_ns / NS_PER_SEC;
    spec[1] = wall_ns % NS_PER_SEC;
    return fake_call(__NR_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME,
                     (uint64_t)spec, 0);
}

static void set_by(int64_t ns)
{
    fake.wall_offset_ns += ns;
    lib_lock();
    wall_clock_look_locked();
    lib_unlock();
}

/* The guest was away: the wall clock is 6 s ahead of what it was. */
static void set_ahead(void)
{
    set_by(6 * NS_PER_SEC);
}

static void set_back(void)
{
    set_by(-3 * (int64_t)NS_PER_SEC);
}

/* Trimmed back without a word: it is seen at the end. */
static void set_back_quietly(void)
{
    fake.wall_offset_ns -= 1000;
    fake.now_ns += NS_PER_SEC;
}

static void test_wall_set(void)
{
    uint64_t start_ns;

    setup();
    start_ns = fake.now_ns;
    fake.on_wait = set_ahead;
    g_assert_cmpint(sleep_to_wall(prim_wall_ns() + 10 * NS_PER_SEC), ==, 0);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + 4 * NS_PER_SEC);
    start_ns = fake.now_ns;
    fake.on_wait = set_back;
    g_assert_cmpint(sleep_to_wall(prim_wall_ns() + NS_PER_SEC), ==, 0);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + 4 * NS_PER_SEC);
    start_ns = fake.now_ns;
    fake.on_wait = set_back_quietly;
    g_assert_cmpint(sleep_to_wall(prim_wall_ns() + NS_PER_SEC), ==, 0);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + NS_PER_SEC + 1000);
    fake.on_wait = set_ahead;
    g_assert_cmpint(sleep_to_wall(prim_wall_ns() + NS_PER_SEC), ==, 0);
    /* Spans are measured by another clock. */
    start_ns = fake.now_ns;
    spec[0] = 10;
    spec[1] = 0;
    fake.on_wait = set_ahead;
    g_assert_cmpint(
        fake_call(__NR_clock_nanosleep, CLOCK_REALTIME, 0, (uint64_t)spec, 0),
        ==, 0);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + 10 * NS_PER_SEC);
}

/* A restore says so by a message. */
static void mail_restored(void)
{
    fake.wall_offset_ns += 6 * NS_PER_SEC;
    fake.mail.kind = CKPT_MBOX_GENERATION;
    lib_lock();
    mailbox_read_locked();
    lib_unlock();
}

static void test_wall_restored(void)
{
    uint64_t start_ns;

    setup();
    start_ns = fake.now_ns;
    fake.on_wait = mail_restored;
    g_assert_cmpint(sleep_to_wall(prim_wall_ns() + 10 * NS_PER_SEC), ==, 0);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + 4 * NS_PER_SEC);
}

void test_time_add(void)
{
    g_test_add_func("/libc-sys/time/deadlines", test_deadlines);
    g_test_add_func("/libc-sys/time/clocks", test_clocks);
    g_test_add_func("/libc-sys/time/sleep", test_sleep);
    g_test_add_func("/libc-sys/time/sleep-interrupted", test_sleep_interrupted);
    g_test_add_func("/libc-sys/time/wall-set", test_wall_set);
    g_test_add_func("/libc-sys/time/wall-restored", test_wall_restored);
}
