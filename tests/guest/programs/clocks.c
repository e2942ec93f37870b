/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clocks.c - clocks agree with each other and never go back */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define NS_PER_SEC 1000000000ll
#define MS         1000000ll

static int64_t now(int clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t now_by_call(int clock)
{
    struct timespec ts;

    syscall(SYS_clock_gettime, clock, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void test_order(void)
{
    int64_t last = now(CLOCK_MONOTONIC), next;
    int i, back = 0;

    for (i = 0; i < 200000; i++) {
        next = now(CLOCK_MONOTONIC);
        back += next < last;
        last = next;
    }
    tap_ok(back == 0, "the monotonic clock never goes back");
    next = now_by_call(CLOCK_MONOTONIC);
    tap_ok(next >= last && next - last < 500 * MS,
           "the vDSO and the call tell the same time");
    tap_ok(now(CLOCK_MONOTONIC) >= next, "in this order too");
}

static void test_wall(void)
{
    int64_t wall = now(CLOCK_REALTIME);
    struct timeval tv;

    gettimeofday(&tv, NULL);
    tap_ok(wall > 1700000000ll * NS_PER_SEC, "the wall clock is set");
    tap_ok(tv.tv_sec - wall / NS_PER_SEC <= 1 &&
               time(NULL) - wall / NS_PER_SEC <= 1,
           "gettimeofday() and time() agree with it");
}

static void test_sleep(void)
{
    struct timespec nap = { 0, 30 * MS }, until;
    int64_t start = now(CLOCK_MONOTONIC), end;

    nanosleep(&nap, NULL);
    end = now(CLOCK_MONOTONIC);
    tap_ok(end - start >= 30 * MS, "nanosleep() is not too short");
    tap_ok(end - start < 2000 * MS, "and not absurdly long");
    start = now(CLOCK_MONOTONIC);
    until.tv_sec = (start + 20 * MS) / NS_PER_SEC;
    until.tv_nsec = (start + 20 * MS) % NS_PER_SEC;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    tap_ok(now(CLOCK_MONOTONIC) - start >= 20 * MS, "until a given time");
    tap_ok(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == 0,
           "a time that is over does not wait");
    nap.tv_nsec = NS_PER_SEC;
    tap_ok(nanosleep(&nap, NULL) == -1 && errno == EINVAL,
           "a bad time is EINVAL");
}

static void test_cpu_time(void)
{
    volatile unsigned long n = 0;
    int64_t start = now(CLOCK_PROCESS_CPUTIME_ID);

    while (n < 30000000) {
        n++;
    }
    tap_ok(now(CLOCK_PROCESS_CPUTIME_ID) > start, "computing takes CPU time");
}

int main(void)
{
    test_order();
    test_wall();
    test_sleep();
    test_cpu_time();
    return tap_done();
}
