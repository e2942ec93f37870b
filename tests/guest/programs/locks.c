/* SPDX-License-Identifier: GPL-2.0-or-later */
/* locks.c - locks with an owner: PI futexes, robust mutexes */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

/* Of linux/futex.h, which not every C library brings along. */
#define FUTEX_WAIT            0
#define FUTEX_WAKE            1
#define FUTEX_CMP_REQUEUE     4
#define FUTEX_LOCK_PI         6
#define FUTEX_UNLOCK_PI       7
#define FUTEX_TRYLOCK_PI      8
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI  12
#define FUTEX_LOCK_PI2        13
#define FUTEX_PRIVATE_FLAG    128
#define FUTEX_WAITERS         0x80000000u
#define FUTEX_OWNER_DIED      0x40000000u
#define FUTEX_TID_MASK        0x3fffffffu

static const struct timespec moment = { 0, 2000000 };
static uint32_t lock, other, condition;
static int results[4];
static uint32_t seen[4];

static long futex(uint32_t *addr, int op, uint32_t value, const void *value2,
                  uint32_t *addr2, uint32_t value3)
{
    return syscall(SYS_futex, addr, op | FUTEX_PRIVATE_FLAG, value, value2,
                   addr2, value3);
}

static long op(uint32_t *addr, int number)
{
    return futex(addr, number, 0, NULL, NULL, 0);
}

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

static uint32_t self(void)
{
    return syscall(SYS_gettid);
}

static void until(uint32_t *word, uint32_t bits)
{
    while (!(__atomic_load_n(word, __ATOMIC_SEQ_CST) & bits)) {
        nanosleep(&moment, NULL);
    }
}

static void test_alone(void)
{
    struct timespec past = { 1, 0 };

    lock = 0;
    tap_ok(op(&lock, FUTEX_LOCK_PI) == 0 && lock == self(),
           "the word names its owner");
    tap_ok(fails(op(&lock, FUTEX_LOCK_PI), EDEADLK), "once more: EDEADLK");
    tap_ok(fails(op(&lock, FUTEX_TRYLOCK_PI), EDEADLK), "trying, too");
    tap_ok(op(&lock, FUTEX_UNLOCK_PI) == 0 && lock == 0, "given back");
    tap_ok(fails(op(&lock, FUTEX_UNLOCK_PI), EPERM), "twice: EPERM");
    tap_ok(op(&lock, FUTEX_TRYLOCK_PI) == 0 && lock == self(), "tried");
    lock = 0;
    tap_ok(futex(&lock, FUTEX_LOCK_PI2, 0, &past, NULL, 0) == 0,
           "a lock that is free, whatever time it is");
    lock = 0x3ffffff0;
    tap_ok(fails(op(&lock, FUTEX_LOCK_PI), ESRCH), "no such owner: ESRCH");
    tap_ok(fails(op(&lock, FUTEX_UNLOCK_PI), EPERM), "nor is it ours: EPERM");
    lock = FUTEX_OWNER_DIED;
    tap_ok(op(&lock, FUTEX_LOCK_PI) == 0 && lock == (FUTEX_OWNER_DIED | self()),
           "an owner that ended is told of");
    tap_ok(fails(op((uint32_t *)4096, FUTEX_LOCK_PI), EFAULT), "no word");
    tap_ok(fails(op((uint32_t *)((char *)&lock + 2), FUTEX_LOCK_PI), EINVAL),
           "not aligned");
    lock = 0;
}

static void *take(void *arg)
{
    int i = (int)(intptr_t)arg;

    results[i] = op(&lock, FUTEX_LOCK_PI) ? errno : 0;
    seen[i] = lock == (self() | FUTEX_WAITERS);
    op(&lock, FUTEX_UNLOCK_PI);
    return NULL;
}

static void *take_no_more(void *arg)
{
    struct timespec end;
    int *ret = arg;

    clock_gettime(CLOCK_REALTIME, &end);
    ret[0] = futex(&lock, FUTEX_LOCK_PI, 0, &end, NULL, 0) ? errno : 0;
    clock_gettime(CLOCK_MONOTONIC, &end);
    ret[1] = futex(&lock, FUTEX_LOCK_PI2, 0, &end, NULL, 0) ? errno : 0;
    ret[2] = op(&lock, FUTEX_TRYLOCK_PI) ? errno : 0;
    ret[3] = op(&lock, FUTEX_UNLOCK_PI) ? errno : 0;
    return NULL;
}

static void test_contended(void)
{
    pthread_t threads[2];
    int ret[4];

    op(&lock, FUTEX_LOCK_PI);
    pthread_create(&threads[0], NULL, take_no_more, ret);
    pthread_join(threads[0], NULL);
    tap_ok(ret[0] == ETIMEDOUT && ret[1] == ETIMEDOUT, "others wait in vain");
    tap_ok(ret[2] == EAGAIN, "try in vain");
    tap_ok(ret[3] == EPERM, "and may not give it back");
    tap_ok(lock == (self() | FUTEX_WAITERS), "the word says that they did");
    pthread_create(&threads[0], NULL, take, (void *)0);
    pthread_create(&threads[1], NULL, take, (void *)1);
    nanosleep(&moment, NULL);
    tap_ok(op(&lock, FUTEX_UNLOCK_PI) == 0, "given back");
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    tap_ok(results[0] == 0 && results[1] == 0, "the waiter becomes the owner");
    tap_ok(lock == 0, "at last it is free");
}

static void *wait_plainly(void *arg)
{
    (void)arg;
    futex(&lock, FUTEX_WAIT, lock, NULL, NULL, 0);
    return NULL;
}

static void *lock_and_end(void *arg)
{
    op(&lock, FUTEX_LOCK_PI);
    until(arg, ~0u);
    nanosleep(&moment, NULL);
    syscall(SYS_exit, 0);
    return NULL;
}

/* Of another thread that is there for ever: the main one's number is enough. */
static void test_mixed(void)
{
    pthread_t thread;

    lock = getpid();
    pthread_create(&thread, NULL, wait_plainly, NULL);
    while (futex(&lock, FUTEX_CMP_REQUEUE, 0, (void *)1, &lock, lock) != 1) {
        nanosleep(&moment, NULL);
    }
    lock = 0;
    tap_ok(fails(op(&lock, FUTEX_LOCK_PI), EINVAL),
           "a plain waiter at a lock: EINVAL");
    tap_ok(op(&lock, FUTEX_WAKE) == 1, "it is woken plainly");
    pthread_join(thread, NULL);
}

static void *lock_both(void *arg)
{
    (void)arg;
    op(&other, FUTEX_LOCK_PI);
    results[0] = op(&lock, FUTEX_LOCK_PI) ? errno : 0;
    op(&lock, FUTEX_UNLOCK_PI);
    op(&other, FUTEX_UNLOCK_PI);
    return NULL;
}

static void test_circle(void)
{
    pthread_t thread;

    lock = other = 0;
    op(&lock, FUTEX_LOCK_PI);
    pthread_create(&thread, NULL, lock_both, NULL);
    until(&lock, FUTEX_WAITERS);
    nanosleep(&moment, NULL);
    nanosleep(&moment, NULL);
    tap_ok(fails(op(&other, FUTEX_LOCK_PI), EDEADLK),
           "two that wait for each other: EDEADLK");
    tap_ok(fails(op(&lock, FUTEX_WAKE), EINVAL),
           "who waits for a lock is not woken plainly");
    op(&lock, FUTEX_UNLOCK_PI);
    pthread_join(thread, NULL);
    tap_ok(results[0] == 0 && lock == 0 && (other & ~FUTEX_WAITERS) == 0,
           "one of them goes on");
}

static void on_signal(int sig)
{
    (void)sig;
    __atomic_store_n(&seen[3], 1, __ATOMIC_SEQ_CST);
}

static void test_interrupted(void)
{
    struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART */
    pthread_t thread;

    sigaction(SIGUSR1, &action, NULL);
    lock = 0;
    op(&lock, FUTEX_LOCK_PI);
    pthread_create(&thread, NULL, take, (void *)2);
    until(&lock, FUTEX_WAITERS);
    nanosleep(&moment, NULL);
    pthread_kill(thread, SIGUSR1);
    until(&seen[3], 1);
    op(&lock, FUTEX_UNLOCK_PI);
    pthread_join(thread, NULL);
    tap_ok(results[2] == 0, "a signal does not end the wait for a lock");
}

static void test_owner_ends(void)
{
    pthread_t thread;

    lock = 0;
    pthread_create(&thread, NULL, lock_and_end, &condition);
    pthread_detach(thread);
    until(&lock, ~0u);
    condition = 1;
    tap_ok(op(&lock, FUTEX_LOCK_PI) == 0 || errno == ESRCH,
           "an owner that ends does not keep it");
    condition = 0;
}

static void *wait_to_own(void *arg)
{
    int i = (int)(intptr_t)arg;

    results[i] =
        futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock, 0) ? errno : 0;
    seen[i] = (lock & FUTEX_TID_MASK) == self();
    op(&lock, FUTEX_UNLOCK_PI);
    return NULL;
}

static void test_requeue(void)
{
    pthread_t threads[3];
    struct timespec past = { 1, 0 };
    int i, moved = 0;

    lock = condition = 0;
    tap_ok(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0) == 0,
           "nobody to move");
    tap_ok(fails(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, &past, &lock, 0),
                 ETIMEDOUT),
           "nobody moves it in time");
    op(&lock, FUTEX_LOCK_PI);
    for (i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, wait_to_own, (void *)(intptr_t)i);
    }
    while (moved < 3) {
        nanosleep(&moment, NULL);
        moved +=
            futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 0);
    }
    tap_ok(moved == 3, "all of them are moved");
    tap_ok(
        fails(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &lock, 1),
              EAGAIN),
        "the word is compared");
    op(&lock, FUTEX_UNLOCK_PI);
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    tap_ok(results[0] + results[1] + results[2] == 0 && seen[0] && seen[1] &&
               seen[2],
           "each in turn owns the lock");
    /* With a free lock the first one gets it at once. */
    pthread_create(&threads[0], NULL, wait_to_own, (void *)0);
    while (futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, (void *)0, &lock, 0) !=
           1) {
        nanosleep(&moment, NULL);
    }
    pthread_join(threads[0], NULL);
    tap_ok(results[0] == 0 && lock == 0, "at once if it is free");
}

/* -- as C libraries use them --------------------------------------------------- */

static pthread_mutex_t mutex;

static void mutex_make(int protocol, int robust)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, protocol);
    pthread_mutexattr_setrobust(&attr, robust);
    pthread_mutex_init(&mutex, &attr);
}

static void *hold_and_end(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&mutex);
    return NULL;
}

static void *hold_for_a_while(void *arg)
{
    pthread_mutex_lock(&mutex);
    __atomic_store_n((uint32_t *)arg, 1, __ATOMIC_SEQ_CST);
    nanosleep(&moment, NULL);
    nanosleep(&moment, NULL);
    return NULL;
}

static void test_robust(int protocol, const char *what)
{
    pthread_t thread;

    printf("# %s\n", what);
    mutex_make(protocol, PTHREAD_MUTEX_ROBUST);
    pthread_create(&thread, NULL, hold_and_end, NULL);
    pthread_join(thread, NULL);
    tap_ok(pthread_mutex_trylock(&mutex) == EOWNERDEAD,
           "the owner ended: EOWNERDEAD");
    tap_ok(pthread_mutex_consistent(&mutex) == 0 &&
               pthread_mutex_unlock(&mutex) == 0 &&
               pthread_mutex_lock(&mutex) == 0,
           "made consistent, it is a mutex again");
    pthread_mutex_unlock(&mutex);
    condition = 0;
    pthread_create(&thread, NULL, hold_for_a_while, &condition);
    until(&condition, 1);
    tap_ok(pthread_mutex_lock(&mutex) == EOWNERDEAD,
           "who waits meanwhile is told");
    pthread_join(thread, NULL);
    pthread_mutex_unlock(&mutex);
    tap_ok(pthread_mutex_lock(&mutex) == ENOTRECOVERABLE,
           "not made consistent, it is lost");
}

static long counter;

static void *count(void *arg)
{
    int i;

    (void)arg;
    for (i = 0; i < 2000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        if (i % 100 == 0) {
            sched_yield();
        }
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *hold_until_told(void *arg)
{
    uint32_t *told = arg;

    pthread_mutex_lock(&mutex);
    __atomic_store_n(told, 1, __ATOMIC_SEQ_CST);
    until(told, 2);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

/*
 * The owner must not end while another one waits: Linux passes the lock on with
 * FUTEX_OWNER_DIED, and glibc aborts if it sees that in a lock that is not
 * robust.
 */
static void test_inheriting(void)
{
    struct timespec end = { 1, 0 };
    pthread_t threads[4];
    int i;

    mutex_make(PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
    for (i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, count, NULL);
    }
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    tap_ok(counter == 8000, "a mutex that inherits excludes");
    condition = 0;
    pthread_create(&threads[0], NULL, hold_until_told, &condition);
    until(&condition, 1);
    tap_ok(pthread_mutex_timedlock(&mutex, &end) == ETIMEDOUT,
           "and a wait for it times out");
    __atomic_store_n(&condition, 2, __ATOMIC_SEQ_CST);
    pthread_join(threads[0], NULL);
}

static void test_list_calls(void)
{
    void *head = &head;
    size_t len;

    tap_ok(fails(syscall(SYS_set_robust_list, head, 23), EINVAL),
           "a list's head has one size");
    tap_ok(syscall(SYS_get_robust_list, 0, &head, &len) == 0 && len == 24,
           "the list is known");
    tap_ok(fails(syscall(SYS_get_robust_list, 0x3ffffff0, &head, &len), ESRCH),
           "no such thread: ESRCH");
    tap_ok(fails(syscall(SYS_get_robust_list, 0, NULL, &len), EFAULT),
           "nowhere to put it: EFAULT");
}

int main(void)
{
    test_alone();
    test_contended();
    test_mixed();
    test_circle();
    test_interrupted();
    test_owner_ends();
    test_requeue();
    test_robust(PTHREAD_PRIO_NONE, "robust");
    test_robust(PTHREAD_PRIO_INHERIT, "robust, and inheriting");
    test_inheriting();
    test_list_calls();
    return tap_done();
}
