/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu-clocks.c - CPU time: each thread has its own, the process has the sum */
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

static pthread_barrier_t barrier;
static clockid_t burner_clock;

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

static void burn(void)
{
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < BURN_NS) {
    }
}

static long long burner_rusage_ns;

static void *burner(void *arg)
{
    (void)arg;
    burn();
    burner_rusage_ns = rusage_ns(RUSAGE_THREAD);
    pthread_getcpuclockid(pthread_self(), &burner_clock);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

int main(void)
{
    struct timespec ts;
    pthread_t thread;
    clockid_t mine, process;
    long long p0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID), t0, t1;

    t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, burner, NULL);
    pthread_barrier_wait(&barrier);
    t1 = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    tap_ok(t0 >= 0 && t1 - t0 < BURN_NS, "what another computes is not mine");
    tap_ok(clock_ns(burner_clock) >= BURN_NS &&
               clock_ns(burner_clock) < 3 * BURN_NS,
           "it is the other's, by its clock");
    tap_ok(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - p0 >= BURN_NS,
           "and the process's");
    tap_ok(burner_rusage_ns >= BURN_NS - 20 * MS &&
               rusage_ns(RUSAGE_THREAD) - t0 < BURN_NS &&
               rusage_ns(RUSAGE_SELF) >= BURN_NS - 20 * MS,
           "getrusage() tells the same");
    tap_ok(pthread_getcpuclockid(pthread_self(), &mine) == 0 &&
               clock_ns(mine) - t0 < BURN_NS && clock_getres(mine, &ts) == 0,
           "my own clock, by its number");
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
