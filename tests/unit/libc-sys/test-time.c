/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-time.c - deadlines, sleeping, clocks */
#include <asm/unistd.h>
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <time.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"
#include "guest-libc/sys/timespec.h"

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
    uint64_t ns;

    setup();
    g_assert_cmpuint(deadline_after(5), ==, fake.now_ns + 5);
    g_assert_cmpuint(deadline_after(INT64_MAX), ==, SYS_FOREVER);
    g_assert_cmpuint(deadline_at_wall(0), ==, fake.now_ns);
    g_assert_cmpuint(deadline_at_wall(prim_wall_ns() + 7), ==, fake.now_ns + 7);
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

void test_time_add(void)
{
    g_test_add_func("/libc-sys/time/deadlines", test_deadlines);
    g_test_add_func("/libc-sys/time/clocks", test_clocks);
    g_test_add_func("/libc-sys/time/sleep", test_sleep);
    g_test_add_func("/libc-sys/time/sleep-interrupted", test_sleep_interrupted);
}
