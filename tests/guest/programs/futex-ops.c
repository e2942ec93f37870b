/* SPDX-License-Identifier: GPL-2.0-or-later */
/* futex-ops.c - the rarer futex operations, and what each refuses */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

/* Of linux/futex.h, which not every C library brings along. */
enum {
    WAIT,
    WAKE,
    FD,
    REQUEUE,
    CMP_REQUEUE,
    WAKE_OP,
    WAIT_BITSET = 9,
    WAKE_BITSET,
    WAIT_REQUEUE_PI,
    CMP_REQUEUE_PI,
    PRIVATE = 128,
    REALTIME = 256
};
#define SET     (0u << 28)
#define ADD     (1u << 28)
#define OR      (2u << 28)
#define ANDN    (3u << 28)
#define XOR     (4u << 28)
#define BIT     (8u << 28) /* the argument is a number of a bit */
#define EQ      (0u << 24)
#define NE      (1u << 24)
#define LT      (2u << 24)
#define LE      (3u << 24)
#define GT      (4u << 24)
#define GE      (5u << 24)
#define ARG(n)  (((unsigned)(n)&0xfff) << 12)
#define WITH(n) ((unsigned)(n)&0xfff)

static uint32_t first, second;
static int awake;
static const struct timespec moment = { 0, 2000000 };

static long futex(uint32_t *addr, int op, uint32_t value, uint64_t value2,
                  uint32_t *addr2, uint32_t value3)
{
    return syscall(SYS_futex, addr, op, value, value2, addr2, value3);
}

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

static void *wait_there(void *arg)
{
    futex(arg, WAIT | PRIVATE, *(uint32_t *)arg, 0, NULL, 0);
    __atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* A thread that sleeps there: seen by moving it to where it is. */
static pthread_t sleeper(uint32_t *addr, int already)
{
    pthread_t thread;

    pthread_create(&thread, NULL, wait_there, addr);
    while (futex(addr, CMP_REQUEUE | PRIVATE, 0, 100, addr, *addr) <= already) {
        nanosleep(&moment, NULL);
    }
    return thread;
}

static uint32_t after(unsigned op, uint32_t old, long ret)
{
    second = old;
    return futex(&first, WAKE_OP | PRIVATE, 1, 1, &second, op) == ret ? second
                                                                      : ~second;
}

static void test_wake_op_values(void)
{
    tap_ok(after(SET | EQ | ARG(7) | WITH(3), 3, 0) == 7, "wake-op: set");
    tap_ok(after(ADD | EQ | ARG(7) | WITH(3), 3, 0) == 10, "add");
    tap_ok(after(OR | EQ | ARG(12) | WITH(3), 3, 0) == 15, "or");
    tap_ok(after(ANDN | EQ | ARG(2) | WITH(3), 3, 0) == 1, "and not");
    tap_ok(after(XOR | EQ | ARG(6) | WITH(3), 3, 0) == 5, "exclusive or");
    tap_ok(after(OR | BIT | EQ | ARG(31) | WITH(3), 1, 0) == 0x80000001,
           "a bit by its number");
    tap_ok(after(ADD | EQ | ARG(-1) | WITH(3), 3, 0) == 2,
           "the argument has a sign");
    tap_ok(fails(futex(&first, WAKE_OP | PRIVATE, 1, 1, &second, 5u << 28),
                 ENOSYS),
           "no such operation: ENOSYS");
    tap_ok(fails(futex(&first, WAKE_OP | PRIVATE, 1, 1, &second, 6u << 24),
                 ENOSYS),
           "no such comparison: ENOSYS");
    tap_ok(fails(futex(&first, WAKE_OP | PRIVATE, 1, 1,
                       (uint32_t *)((char *)&second + 2), 0),
                 EINVAL),
           "the second word is not aligned: EINVAL");
    tap_ok(fails(futex(&first, WAKE_OP | PRIVATE, 1, 1, (uint32_t *)4096, 0),
                 EFAULT),
           "or not there: EFAULT");
}

/* Does a comparison of -2 with @with make the second word's thread wake? */
static int compares(unsigned compare, int with)
{
    pthread_t thread;
    long ret;

    second = -2u;
    thread = sleeper(&second, 0);
    ret = futex(&first, WAKE_OP | PRIVATE, 1, 1, &second,
                ADD | compare | ARG(0) | WITH(with));
    if (ret == 0) {
        futex(&second, WAKE | PRIVATE, 1, 0, NULL, 0);
    }
    pthread_join(thread, NULL);
    return ret;
}

static void test_wake_op_compare(void)
{
    tap_ok(compares(EQ, -2) == 1 && compares(EQ, 1) == 0, "equal");
    tap_ok(compares(NE, -2) == 0 && compares(NE, 1) == 1, "not equal");
    tap_ok(compares(LT, -1) == 1 && compares(LT, -2) == 0, "less");
    tap_ok(compares(LE, -2) == 1 && compares(LE, -3) == 0, "less or equal");
    tap_ok(compares(GT, -3) == 1 && compares(GT, -2) == 0, "greater");
    tap_ok(compares(GE, -2) == 1 && compares(GE, 5) == 0,
           "greater or equal, with a sign");
}

static void test_wake_op_both(void)
{
    pthread_t threads[4];
    int i;

    first = second = 0;
    for (i = 0; i < 4; i++) {
        threads[i] = sleeper(i < 2 ? &first : &second, i % 2);
    }
    tap_ok(futex(&first, WAKE_OP | PRIVATE, 1, 2, &second,
                 SET | EQ | ARG(1) | WITH(0)) == 3,
           "wake-op: both words' threads");
    tap_ok(futex(&first, WAKE_OP | PRIVATE, 5, 5, &second,
                 SET | EQ | ARG(1) | WITH(0)) == 1 &&
               second == 1,
           "or those of the first alone");
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void test_counts(void)
{
    pthread_t threads[3];
    int i;

    first = second = 0;
    for (i = 0; i < 3; i++) {
        threads[i] = sleeper(&first, i);
    }
    tap_ok(futex(&first, WAKE | PRIVATE, 0, 0, NULL, 0) == 1,
           "to wake none wakes one");
    tap_ok(fails(futex(&first, REQUEUE | PRIVATE, -1, 1, &second, 0), EINVAL),
           "requeue: less than none is EINVAL");
    tap_ok(fails(futex(&first, REQUEUE | PRIVATE, 1, -1u, &second, 0), EINVAL),
           "in both counts");
    tap_ok(futex(&first, REQUEUE | PRIVATE, 1, 1, &second, 0) == 2,
           "requeue tells of those moved as well");
    tap_ok(futex(&second, WAKE | PRIVATE, 9, 0, NULL, 0) == 1, "one was moved");
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void test_refusals(void)
{
    struct timespec bad = { 0, 1000000000 }, past = { 1, 0 };
    uint32_t *odd = (uint32_t *)((char *)&first + 1);

    first = 0;
    tap_ok(fails(futex(&first, FD | PRIVATE, 1, 0, NULL, 0), ENOSYS),
           "FUTEX_FD is no more");
    tap_ok(fails(futex(&first, 99, 0, 0, NULL, 0), ENOSYS),
           "no such operation");
    tap_ok(fails(futex(&first, WAKE | REALTIME, 1, 0, NULL, 0), ENOSYS),
           "a wake-up has no clock");
    tap_ok(fails(futex(odd, WAIT | PRIVATE, 0, 0, NULL, 0), EINVAL) &&
               fails(futex(odd, WAKE | PRIVATE, 0, 0, NULL, 0), EINVAL),
           "words are aligned");
    tap_ok(
        fails(futex(&first, WAKE_BITSET | PRIVATE, 1, 0, NULL, 0), EINVAL) &&
            fails(futex(&first, WAIT_BITSET | PRIVATE, 0, 0, NULL, 0), EINVAL),
        "no bits: EINVAL");
    tap_ok(fails(futex(&first, WAIT | PRIVATE, 0, (uint64_t)&bad, NULL, 0),
                 EINVAL),
           "no such time: EINVAL");
    tap_ok(fails(futex(&first, WAIT | PRIVATE, 0, 8, NULL, 0), EFAULT),
           "a time nowhere: EFAULT");
    tap_ok(
        fails(futex((uint32_t *)4096, WAIT | PRIVATE, 0, 0, NULL, 0), EFAULT),
        "a word nowhere: EFAULT");
    tap_ok(futex((uint32_t *)4096, WAKE | PRIVATE, 1, 0, NULL, 0) == 0 &&
               fails(futex((uint32_t *)4096, WAKE, 1, 0, NULL, 0), EFAULT),
           "to wake there is an error if it is shared");
    tap_ok(
        fails(futex(&first, WAIT_BITSET | PRIVATE, 0, (uint64_t)&past, NULL, 1),
              ETIMEDOUT),
        "a time that is over: ETIMEDOUT");
    tap_ok(fails(futex(&first, CMP_REQUEUE_PI | PRIVATE, 1, 1, &first, 0),
                 EINVAL) &&
               fails(futex(&first, WAIT_REQUEUE_PI | PRIVATE, 0, 0, &first, 0),
                     EINVAL),
           "from a word to itself: EINVAL");
    tap_ok(fails(futex(&first, CMP_REQUEUE_PI | PRIVATE, 2, 1, &second, 0),
                 EINVAL),
           "only one becomes the owner");
}

int main(void)
{
    test_wake_op_values();
    test_wake_op_compare();
    test_wake_op_both();
    test_counts();
    test_refusals();
    return tap_done();
}
