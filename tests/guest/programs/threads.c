/* SPDX-License-Identifier: GPL-2.0-or-later */
/* threads.c - POSIX threads: locks, conditions, ends, time limits */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define THREADS     8
#define ROUNDS      20000
#define SHORT_LIVES 200

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t ended;
static long counter;
static int turn;
static __thread int own;

static void *count(void *arg)
{
    int i;

    own = (int)(intptr_t)arg;
    for (i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return (void *)(intptr_t)(own == (int)(intptr_t)arg);
}

static void test_mutex(void)
{
    pthread_t threads[THREADS];
    void *kept;
    int i, good = 1;

    for (i = 0; i < THREADS; i++) {
        good &= !pthread_create(&threads[i], NULL, count,
                                (void *)(intptr_t)(i + 1));
    }
    tap_ok(good, "threads start");
    for (i = 0; i < THREADS; i++) {
        good &= !pthread_join(threads[i], &kept) && kept;
    }
    tap_ok(good, "each keeps its own thread-local variable");
    tap_ok(counter == (long)THREADS * ROUNDS, "a mutex excludes");
}

static void *ping(void *arg)
{
    int me = (int)(intptr_t)arg;
    int i;

    pthread_mutex_lock(&mutex);
    for (i = 0; i < 1000; i++) {
        while (turn != me) {
            pthread_cond_wait(&cond, &mutex);
        }
        turn = !me;
        pthread_cond_broadcast(&cond);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void test_cond(void)
{
    pthread_t a, b;

    pthread_create(&a, NULL, ping, (void *)0);
    pthread_create(&b, NULL, ping, (void *)1);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    tap_ok(turn == 0, "two threads take turns by a condition");
}

static void *short_life(void *arg)
{
    (void)arg;
    sem_post(&ended);
    return NULL;
}

static void test_short_lives(void)
{
    pthread_attr_t attr;
    pthread_t t;
    int i, good = 1;

    sem_init(&ended, 0, 0);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (i = 0; i < SHORT_LIVES; i++) {
        good &= !pthread_create(&t, &attr, short_life, NULL);
        sem_wait(&ended);
    }
    tap_ok(good, "detached threads come and go");
    for (i = 0; i < SHORT_LIVES; i++) {
        good &= !pthread_create(&t, NULL, short_life, NULL);
        good &= !pthread_join(t, NULL);
        sem_wait(&ended);
    }
    tap_ok(good, "joined threads come and go");
}

static void *meet(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)(pthread_barrier_wait(&barrier) ==
                              PTHREAD_BARRIER_SERIAL_THREAD);
}

static void test_barrier(void)
{
    pthread_t threads[THREADS];
    intptr_t serial = 0;
    void *kept;
    int i;

    pthread_barrier_init(&barrier, NULL, THREADS);
    for (i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, meet, NULL);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &kept);
        serial += (intptr_t)kept;
    }
    tap_ok(serial == 1, "a barrier lets all through together");
}

static long elapsed_ms(const struct timespec *since)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 +
           (now.tv_nsec - since->tv_nsec) / 1000000;
}

static void test_timeouts(void)
{
    struct timespec start, until;
    sem_t never;
    int ret;

    sem_init(&never, 0, 0);
    clock_gettime(CLOCK_MONOTONIC, &start);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    ret = sem_timedwait(&never, &until);
    tap_ok(ret == -1 && errno == ETIMEDOUT, "a semaphore's wait times out");
    tap_ok(elapsed_ms(&start) >= 48, "not before its time");

    pthread_mutex_lock(&mutex);
    until.tv_sec--;
    ret = pthread_cond_timedwait(&cond, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    tap_ok(ret == ETIMEDOUT, "a time that is over ends a wait at once");
}

static void *sleeper(void *arg)
{
    (void)arg;
    for (;;) {
        pause();
    }
    return NULL;
}

static void test_cancel(void)
{
    pthread_t t;
    void *kept;

    pthread_create(&t, NULL, sleeper, NULL);
    pthread_cancel(t);
    pthread_join(t, &kept);
    tap_ok(kept == PTHREAD_CANCELED, "a sleeping thread is cancelled");
}

int main(void)
{
    test_mutex();
    test_cond();
    test_short_lives();
    test_barrier();
    test_timeouts();
    test_cancel();
    return tap_done();
}
