/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu-clocks.c - CPU time: each thread has its own, the process has the sum
 *
 * What a busy host takes away from a guest counts there, for whoever ran.  So
 * clocks are held against each other, never against a number.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define MS      1000000ll
#define BURN_NS (200 * MS)

#define TICKS   (20 * MS) /* what getrusage() may be off by */

static pthread_barrier_t barrier;
static clockid_t burner_clock, main_clock;

static long long clock_ns(clockid_t clock)
{
    struct timespec ts = { 0, 0 };

    if (clock_gettime(clock, &ts)) {
        return -1;
    }
    return ts.tv_sec * 1000 * MS + ts.tv_nsec;
}

static long long rusage_ns(int who)
{
    struct rusage usage;

    if (getrusage(who, &usage)) {
        return -1;
    }
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 * MS +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ll;
}

/* Until it is much more than what the other thread used. */
static void burn(void)
{
    long long own;

    do {
        own = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    } while (own < BURN_NS ||
             (own < 2 * clock_ns(main_clock) && own < 50 * BURN_NS));
}

static long long burned_ns, burner_rusage_ns, main_ns;

static void *burner(void *arg)
{
    (void)arg;
    burn();
    main_ns = clock_ns(main_clock);
    burned_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    burner_rusage_ns = rusage_ns(RUSAGE_THREAD);
    pthread_getcpuclockid(pthread_self(), &burner_clock);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static int is_between(long long before, long long ns, long long after)
{
    return ns >= 0 && before <= ns && ns <= after;
}

static void check_own(void)
{
    long long before = clock_ns(CLOCK_THREAD_CPUTIME_ID), ns;
    struct timespec ts;
    clockid_t mine;

    ns = rusage_ns(RUSAGE_THREAD);
    tap_ok(burner_rusage_ns >= burned_ns - TICKS &&
               rusage_ns(RUSAGE_SELF) >= burned_ns - TICKS &&
               is_between(before - TICKS, ns,
                          clock_ns(CLOCK_THREAD_CPUTIME_ID) + TICKS),
           "getrusage() tells the same");
    before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    ns = pthread_getcpuclockid(pthread_self(), &mine) ? -1 : clock_ns(mine);
    tap_ok(is_between(before, ns, clock_ns(CLOCK_THREAD_CPUTIME_ID)) &&
               clock_getres(mine, &ts) == 0,
           "my own clock, by its number");
}

int main(void)
{
    pthread_t thread;
    clockid_t process;
    long long p0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

    pthread_getcpuclockid(pthread_self(), &main_clock);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, burner, NULL);
    pthread_barrier_wait(&barrier);
    tap_ok(main_ns >= 0 && main_ns <= burned_ns / 2,
           "what another computes is not mine");
    tap_ok(is_between(burned_ns, clock_ns(burner_clock),
                      clock_ns(CLOCK_PROCESS_CPUTIME_ID)),
           "it is the other's, by its clock");
    tap_ok(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - p0 >= BURN_NS,
           "and the process's");
    check_own();
    tap_ok(clock_getcpuclockid(0, &process) == 0 &&
               clock_ns(process) >= BURN_NS,
           "the process's clock, by its number");
    tap_ok(clock_getcpuclockid(getpid(), &process) == 0 &&
               clock_ns(process) >= BURN_NS,
           "and by the number of the process");
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    tap_ok(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - p0 >= BURN_NS,
           "what a thread that ended computed stays the process's");
    return tap_done();
}
