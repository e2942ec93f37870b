/* SPDX-License-Identifier: GPL-2.0-or-later */
/* futex.c - futexes by the call itself */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define WAITERS                4

/* Of linux/futex.h, which not every C library brings along. */
#define FUTEX_WAIT             0
#define FUTEX_WAKE             1
#define FUTEX_CMP_REQUEUE      4
#define FUTEX_WAIT_BITSET      9
#define FUTEX_WAKE_BITSET      10
#define FUTEX_PRIVATE_FLAG     128
#define FUTEX_CLOCK_REALTIME   256
#define FUTEX_BITSET_MATCH_ANY 0xffffffffu

static uint32_t word, other;
static int asleep, awake;
static const struct timespec moment = { 0, 10000000 };

static long futex(uint32_t *addr, int op, uint32_t value, const void *timeout,
                  uint32_t *addr2, uint32_t value3)
{
    return syscall(SYS_futex, addr, op | FUTEX_PRIVATE_FLAG, value, timeout,
                   addr2, value3);
}

static void *wait_bits(void *arg)
{
    uint32_t bits = (uint32_t)(uintptr_t)arg;

    __atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
    futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, bits);
    __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Until all of them surely sleep; the count is taken just before. */
static void start(pthread_t *threads, int n, uint32_t (*bits)(int))
{
    int i;

    asleep = awake = 0;
    for (i = 0; i < n; i++) {
        pthread_create(&threads[i], NULL, wait_bits,
                       (void *)(uintptr_t)bits(i));
    }
    while (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) < n) {
        nanosleep(&moment, NULL);
    }
    nanosleep(&moment, NULL);
    nanosleep(&moment, NULL);
}

static uint32_t any_bit(int i)
{
    (void)i;
    return FUTEX_BITSET_MATCH_ANY;
}

static uint32_t own_bit(int i)
{
    return 1u << i;
}

static void join(pthread_t *threads, int n)
{
    while (n--) {
        pthread_join(threads[n], NULL);
    }
}

static void test_alone(void)
{
    struct timespec wall;
    long ret = futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0);

    tap_ok(ret == -1 && errno == EAGAIN, "another value: EAGAIN");
    ret = futex(&word, FUTEX_WAIT, 0, &moment, NULL, 0);
    tap_ok(ret == -1 && errno == ETIMEDOUT, "a wait times out");
    clock_gettime(CLOCK_REALTIME, &wall);
    wall.tv_sec--;
    ret = futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &wall, NULL,
                FUTEX_BITSET_MATCH_ANY);
    tap_ok(ret == -1 && errno == ETIMEDOUT, "at once, if the time is over");
    tap_ok(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0,
           "nobody to wake: 0");
    ret = futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0);
    tap_ok(ret == -1 && errno == EINVAL, "no bits: EINVAL");
}

static void test_wake(void)
{
    pthread_t threads[WAITERS];

    start(threads, WAITERS, any_bit);
    tap_ok(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1, "wake one");
    tap_ok(futex(&word, FUTEX_WAKE, 100, NULL, NULL, 0) == WAITERS - 1,
           "wake the rest");
    join(threads, WAITERS);
    start(threads, WAITERS, own_bit);
    tap_ok(futex(&word, FUTEX_WAKE_BITSET, 100, NULL, NULL, 6) == 2,
           "wake by bits");
    tap_ok(futex(&word, FUTEX_WAKE_BITSET, 100, NULL, NULL, ~0u) == WAITERS - 2,
           "wake the other bits");
    join(threads, WAITERS);
    tap_ok(awake == WAITERS, "all of them are awake");
}

static void test_requeue(void)
{
    pthread_t threads[WAITERS];
    long ret;

    start(threads, WAITERS, any_bit);
    ret = futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)100, &other, 1);
    tap_ok(ret == -1 && errno == EAGAIN, "requeue compares");
    ret = futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)100, &other, 0);
    tap_ok(ret == WAITERS, "one is woken, the others moved");
    tap_ok(futex(&word, FUTEX_WAKE, 100, NULL, NULL, 0) == 0,
           "none is left at the first word");
    tap_ok(futex(&other, FUTEX_WAKE, 100, NULL, NULL, 0) == WAITERS - 1,
           "they are at the second");
    join(threads, WAITERS);
}

int main(void)
{
    test_alone();
    test_wake();
    test_requeue();
    return tap_done();
}
