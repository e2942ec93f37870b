/* SPDX-License-Identifier: GPL-2.0-or-later */
/* clock-ids.c - which clocks there are, what can be done with each */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define NS_PER_SEC        1000000000ll
#define MS                1000000ll
#define CPU_OF(tid, kind) ((int)(~(unsigned)(tid) << 3 | 4 | (kind)))
#define NOBODY            0x3ffffff

static const int readable[] = { 0, 1, 2, 3, 4, 5, 6, 7, 11 };
#define N_READABLE (sizeof(readable) / sizeof(readable[0]))

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

/* By the calls themselves: C libraries have ideas of their own. */
static int64_t now(int clock)
{
    struct timespec ts = { -1, -1 };

    if (syscall(SYS_clock_gettime, clock, &ts)) {
        return -1;
    }
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t resolution(int clock)
{
    struct timespec ts = { -1, -1 };

    if (syscall(SYS_clock_getres, clock, &ts)) {
        return -1;
    }
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static long nap(int clock, int flags, int64_t s, int64_t ns,
                struct timespec *left)
{
    struct timespec ts = { s, ns };

    return syscall(SYS_clock_nanosleep, clock, flags, &ts, left);
}

static void test_reading(void)
{
    static const int unknown[] = { -1, 10, 12, 16, 99, 1000 };
    int64_t first;
    unsigned i;
    int good = 1;

    for (i = 0; i < N_READABLE; i++) {
        good &= now(readable[i]) > 0;
    }
    tap_ok(good, "each clock can be read");
    good = 1;
    for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        good &= now(unknown[i]) == -1 && errno == EINVAL;
        good &= resolution(unknown[i]) == -1 && errno == EINVAL;
        good &= fails(nap(unknown[i], 0, 0, 1, NULL), EINVAL);
    }
    tap_ok(good, "no such clock: EINVAL");
    tap_ok(fails(syscall(SYS_clock_gettime, 0, 8), EFAULT), "to nowhere");
    tap_ok(resolution(0) == 1 && resolution(1) == 1 && resolution(7) == 1 &&
               resolution(2) == 1 && resolution(3) == 1,
           "clocks of a nanosecond");
    tap_ok(resolution(5) >= MS && resolution(6) == resolution(5),
           "and coarse ones");
    tap_ok(syscall(SYS_clock_getres, 1, NULL) == 0 &&
               fails(syscall(SYS_clock_getres, -1, NULL), EINVAL),
           "whether a clock is there");
    first = now(0);
    tap_ok(now(11) >= first, "they agree");
}

static void *wait_for_word(void *arg)
{
    while (!__atomic_load_n((int *)arg, __ATOMIC_SEQ_CST)) {
        usleep(1000);
    }
    return NULL;
}

static void test_cpu(void)
{
    int tid = syscall(SYS_gettid), pid = getpid(), done = 0;
    clockid_t id;
    pthread_t thread;

    tap_ok(now(CPU_OF(0, 2)) >= 0 && now(CPU_OF(tid, 2)) >= 0,
           "CPU time of a thread by its number");
    tap_ok(now(CPU_OF(0, 2) & ~4) >= 0 && now(CPU_OF(pid, 2) & ~4) >= 0,
           "of a process by its number");
    tap_ok(now(CPU_OF(NOBODY, 2)) == -1 && errno == EINVAL, "of no thread");
    tap_ok(now(CPU_OF(NOBODY, 2) & ~4) == -1 && errno == EINVAL,
           "of no process");
    tap_ok(now(CPU_OF(0, 3)) == -1 && errno == EINVAL, "no clock device");
    tap_ok(resolution(CPU_OF(0, 2)) == 1, "in nanoseconds");
    pthread_create(&thread, NULL, wait_for_word, &done);
    tap_ok(pthread_getcpuclockid(thread, &id) == 0 && now(id) >= 0,
           "of another thread");
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    tap_ok(clock_getcpuclockid(0, &id) == 0 && now(id) > 0, "of this process");
}

static void test_sleeping(void)
{
    static const int sleepers[] = { 0, 1, 7, 11 };
    int64_t start = now(CLOCK_MONOTONIC), at;
    unsigned i;
    int good = 1;

    for (i = 0; i < 4; i++) {
        good &= nap(sleepers[i], 0, 0, 5 * MS, NULL) == 0;
    }
    tap_ok(good && now(CLOCK_MONOTONIC) - start >= 20 * MS, "for a while");
    start = now(CLOCK_MONOTONIC);
    for (i = 0; i < 4; i++) {
        at = now(sleepers[i]) + 5 * MS;
        good &= nap(sleepers[i], TIMER_ABSTIME, at / NS_PER_SEC,
                    at % NS_PER_SEC, NULL) == 0;
        good &= now(sleepers[i]) >= at;
    }
    tap_ok(good && now(CLOCK_MONOTONIC) - start >= 20 * MS, "until a time");
    good = fails(nap(4, 0, 0, 1, NULL), EOPNOTSUPP) &&
           fails(nap(5, 0, 0, 1, NULL), EOPNOTSUPP) &&
           fails(nap(6, 0, 0, 1, NULL), EOPNOTSUPP) &&
           fails(nap(3, 0, 0, 1, NULL), EOPNOTSUPP);
    tap_ok(good, "clocks that only tell the time");
    tap_ok(fails(nap(CPU_OF(0, 2), 0, 0, 1, NULL), EINVAL),
           "nobody waits for CPU time of its own");
    tap_ok(nap(2, 0, 0, 0, NULL) == 0 && nap(2, TIMER_ABSTIME, 0, 1, NULL) == 0,
           "CPU time that is over");
    good = fails(nap(1, 0, -1, 0, NULL), EINVAL) &&
           fails(nap(1, 0, 0, -1, NULL), EINVAL) &&
           fails(nap(1, 0, 0, NS_PER_SEC, NULL), EINVAL) &&
           fails(nap(0, TIMER_ABSTIME, -1, 0, NULL), EINVAL);
    tap_ok(good, "no such time: EINVAL");
    tap_ok(fails(syscall(SYS_clock_nanosleep, 1, 0, 8, 0), EFAULT) &&
               fails(syscall(SYS_nanosleep, 8, 0), EFAULT),
           "a time nowhere: EFAULT");
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void test_interrupted(void)
{
    struct sigaction action = { .sa_handler = on_alarm,
                                .sa_flags = SA_RESTART };
    struct itimerval soon = { { 0, 20000 }, { 0, 20000 } }, never = { 0 };
    struct timespec long_time = { 100, 0 }, left = { 0, 0 };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    tap_ok(fails(syscall(SYS_nanosleep, &long_time, &left), EINTR) &&
               left.tv_sec >= 90 && left.tv_sec < 100,
           "nanosleep: the rest, when interrupted");
    left.tv_sec = 0;
    tap_ok(fails(nap(CLOCK_REALTIME, 0, 100, 0, &left), EINTR) &&
               left.tv_sec >= 90 && left.tv_sec < 100,
           "clock_nanosleep: as well");
    left.tv_sec = 77;
    tap_ok(fails(nap(CLOCK_MONOTONIC, TIMER_ABSTIME,
                     now(CLOCK_MONOTONIC) / NS_PER_SEC + 100, 0, &left),
                 EINTR) &&
               left.tv_sec == 77,
           "but not of a given time");
    tap_ok(fails(syscall(SYS_nanosleep, &long_time, 8), EFAULT),
           "the rest to nowhere: EFAULT");
    setitimer(ITIMER_REAL, &never, NULL);
}

static long set(int clock, int64_t s, int64_t ns)
{
    struct timespec ts = { s, ns };

    return syscall(SYS_clock_settime, clock, &ts);
}

/* Without a valid time, lest a test sets somebody's clock. */
static void test_setting(void)
{
    struct timeval tv = { 0, -1 };
    struct timex timex = { .modes = 0 };

    tap_ok(fails(set(1, 1, 0), EINVAL) && fails(set(7, 1, 0), EINVAL) &&
               fails(set(4, 1, 0), EINVAL) && fails(set(11, 1, 0), EINVAL) &&
               fails(set(99, 1, 0), EINVAL),
           "only some clocks can be set");
    tap_ok(fails(set(0, 1, NS_PER_SEC), EINVAL), "to a valid time");
    tap_ok(fails(set(2, 1, 0), EINVAL) && fails(set(3, 1, 0), EINVAL),
           "CPU time cannot");
    tap_ok(fails(syscall(SYS_clock_settime, 0, 8), EFAULT), "from nowhere");
    tap_ok(fails(syscall(SYS_settimeofday, &tv, NULL), EINVAL) &&
               fails(syscall(SYS_settimeofday, 8, NULL), EFAULT),
           "settimeofday");
    tap_ok(syscall(SYS_adjtimex, &timex) >= 0 && timex.time.tv_sec > 1700000000,
           "adjtimex() reads");
    timex.modes = 0;
    tap_ok(syscall(SYS_clock_adjtime, 0, &timex) >= 0 && timex.tick == 10000,
           "clock_adjtime() too");
    tap_ok(fails(syscall(SYS_clock_adjtime, 1, &timex), EOPNOTSUPP) &&
               fails(syscall(SYS_clock_adjtime, 99, &timex), EINVAL),
           "the wall clock only");
    tap_ok(fails(syscall(SYS_adjtimex, 8), EFAULT), "to nowhere");
}

int main(void)
{
    test_reading();
    test_cpu();
    test_sleeping();
    test_interrupted();
    test_setting();
    return tap_done();
}
