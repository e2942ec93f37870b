/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-timer.c - timers when the wall clock is set */
#include <asm/unistd.h>
#include <glib.h>
#include <signal.h>
#include <time.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"
#include "guest-libc/sys/clock.h"

static int64_t *spec; /* interval, value */
static int32_t *id;

static void setup(void)
{
    fake_reset();
    if (!spec) {
        spec = fake_user(4096);
        id = (int32_t *)(spec + 16);
    }
}

static long set(int timer, int flags, uint64_t value_ns)
{
    spec[0] = spec[1] = 0;
    spec[2] = value_ns / NS_PER_SEC;
    spec[3] = value_ns % NS_PER_SEC;
    return fake_call(__NR_timer_settime, timer, flags, (uint64_t)spec, 0);
}

static uint64_t left(int timer)
{
    g_assert_cmpint(fake_call(__NR_timer_gettime, timer, (uint64_t)spec, 0, 0),
                    ==, 0);
    return spec[2] * NS_PER_SEC + spec[3];
}

/* A time of day comes sooner by as long as the guest was away. */
static void test_wall_set(void)
{
    int day, span, wakes;

    setup();
    g_assert_cmpint(
        fake_call(__NR_timer_create, CLOCK_REALTIME, 0, (uint64_t)id, 0), ==,
        0);
    day = *id;
    g_assert_cmpint(
        fake_call(__NR_timer_create, CLOCK_REALTIME, 0, (uint64_t)id, 0), ==,
        0);
    span = *id;
    g_assert_cmpint(set(day, TIMER_ABSTIME, prim_wall_ns() + 10 * NS_PER_SEC),
                    ==, 0);
    g_assert_cmpint(set(span, 0, 10 * NS_PER_SEC), ==, 0);
    wakes = fake.n_wakes;
    fake.wall_offset_ns += 6 * NS_PER_SEC;
    lib_lock();
    wall_clock_look_locked();
    lib_unlock();
    /* The thread that sleeps for them looks again. */
    g_assert_cmpint(fake.n_wakes, >, wakes);
    g_assert_cmpuint(left(day), ==, 4 * NS_PER_SEC);
    g_assert_cmpuint(left(span), ==, 10 * NS_PER_SEC);
    fake_call(__NR_timer_delete, day, 0, 0, 0);
    fake_call(__NR_timer_delete, span, 0, 0, 0);
}

void test_timer_add(void)
{
    g_test_add_func("/libc-sys/timer/wall-set", test_wall_set);
}
