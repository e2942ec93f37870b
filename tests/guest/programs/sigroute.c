/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigroute.c - which thread gets a signal of the process
 *
 * Any that does not block it; and if the one that was to have it blocks it in
 * between, another one, at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define PATIENCE_S 20 /* for what comes at once */
#define ROUNDS     20
#define TAKERS     3
#define SIGNALS    60

static pthread_t main_thread;
static volatile sig_atomic_t in_main, elsewhere, waited, round_no;
static sem_t ready;
static sigset_t both, nothing;

static time_t now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

static void handled(void)
{
    if (pthread_equal(pthread_self(), main_thread)) {
        in_main++;
    } else {
        elsewhere++;
    }
}

static void on_second(int sig)
{
    (void)sig;
    handled();
}

/* SIGUSR2 is blocked here, and both were sent: another thread gets it. */
static void on_first(int sig)
{
    struct timespec nap = { 0, 1000000 };
    time_t end = now_s() + PATIENCE_S;

    (void)sig;
    while (in_main + elsewhere < round_no && now_s() < end) {
        nanosleep(&nap, NULL);
    }
    waited += in_main + elsewhere == round_no;
}

static void set(int sig, void (*handler)(int), int masked, int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = flags;
    if (masked) {
        sigaddset(&action.sa_mask, masked);
    }
    sigaction(sig, &action, NULL);
}

static volatile int stop;

static void *bystander(void *arg)
{
    struct timespec nap = { 1, 0 };

    (void)arg;
    sem_post(&ready);
    while (!stop) {
        nanosleep(&nap, NULL);
    }
    return NULL;
}

static void *sender(void *arg)
{
    sigset_t mask;

    (void)arg;
    sigfillset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sem_wait(&ready);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    return NULL;
}

/* By the mask of a handler: the first one runs until the second one has. */
static void test_handler_mask(void)
{
    pthread_t a, b;

    set(SIGUSR1, on_first, SIGUSR2, SA_RESTART);
    set(SIGUSR2, on_second, SIGUSR1, SA_RESTART);
    pthread_create(&a, NULL, bystander, NULL);
    sem_wait(&ready);
    for (round_no = 1; round_no <= ROUNDS; round_no++) {
        time_t end = now_s() + PATIENCE_S;

        pthread_create(&b, NULL, sender, NULL);
        sem_post(&ready);
        while (waited < round_no && now_s() < end) {
            sched_yield();
        }
        pthread_join(b, NULL);
    }
    stop = 1;
    pthread_kill(a, SIGUSR2);
    pthread_join(a, NULL);
    tap_ok(waited == ROUNDS,
           "what a handler's mask keeps from a thread goes to another");
}

static void *wait_then_look(void *arg)
{
    struct timespec nap = { 0, 1000000 };
    time_t end = now_s() + PATIENCE_S;

    pthread_sigmask(SIG_SETMASK, &both, NULL);
    sem_post(&ready);
    sem_wait((sem_t *)arg);
    /* It waits already: it comes with the first that lets it. */
    pthread_sigmask(SIG_SETMASK, &nothing, NULL);
    while (elsewhere == 0 && now_s() < end) {
        nanosleep(&nap, NULL);
    }
    return NULL;
}

static void test_blocked_by_all(void)
{
    sigset_t pending;
    pthread_t a;
    sem_t let;

    set(SIGUSR2, on_second, 0, 0);
    in_main = elsewhere = 0;
    sem_init(&let, 0, 0);
    sigprocmask(SIG_SETMASK, &both, NULL);
    pthread_create(&a, NULL, wait_then_look, &let);
    sem_wait(&ready);
    kill(getpid(), SIGUSR2);
    sigpending(&pending);
    tap_ok(sigismember(&pending, SIGUSR2) && !elsewhere,
           "a signal that all block waits for the process");
    sem_post(&let);
    pthread_join(a, NULL);
    tap_ok(elsewhere == 1 && in_main == 0, "the first that lets it gets it");
    sigprocmask(SIG_SETMASK, &nothing, NULL);
    sem_destroy(&let);
}

static volatile sig_atomic_t n_taken;

static void *taker(void *arg)
{
    siginfo_t si;
    int sig;

    (void)arg;
    pthread_sigmask(SIG_SETMASK, &both, NULL);
    do {
        sig = sigwaitinfo(&both, &si);
        if (sig == SIGUSR1) {
            __atomic_fetch_add(&n_taken, 1, __ATOMIC_RELAXED);
        }
    } while (sig != SIGUSR2);
    return NULL;
}

/* Each is taken, by one, although several wait for it. */
static void test_takers(void)
{
    time_t end = now_s() + PATIENCE_S;
    pthread_t threads[TAKERS];
    int i;

    sigprocmask(SIG_SETMASK, &both, NULL);
    for (i = 0; i < TAKERS; i++) {
        pthread_create(&threads[i], NULL, taker, NULL);
    }
    for (i = 0; i < SIGNALS; i++) {
        kill(getpid(), SIGUSR1);
        while (n_taken <= i && now_s() < end) {
            sched_yield();
        }
    }
    for (i = 0; i < TAKERS; i++) {
        pthread_kill(threads[i], SIGUSR2);
    }
    for (i = 0; i < TAKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    tap_ok(n_taken == SIGNALS, "one that waits for a signal gets it");
}

/* Again until the call has ended: the first may come before it begins. */
static void *interrupt(void *arg)
{
    struct timespec nap = { 0, 5000000 };

    while (!stop) {
        pthread_kill(*(pthread_t *)arg, SIGUSR2);
        nanosleep(&nap, NULL);
    }
    return NULL;
}

static void test_other_signal(void)
{
    struct timespec long_time = { PATIENCE_S, 0 };
    sigset_t one;
    pthread_t a;
    int ret, error;

    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    sigprocmask(SIG_SETMASK, &one, NULL);
    set(SIGUSR2, on_second, 0, SA_RESTART);
    stop = 0;
    pthread_create(&a, NULL, interrupt, &main_thread);
    ret = syscall(SYS_rt_sigtimedwait, &one, NULL, &long_time, 8);
    error = errno;
    stop = 1;
    pthread_join(a, NULL);
    tap_ok(ret == -1 && error == EINTR, "another signal ends sigtimedwait()");
    sigprocmask(SIG_SETMASK, &nothing, NULL);
}

static void test_pause(void)
{
    pthread_t a;
    int ret, error;

    set(SIGUSR2, on_second, 0, SA_RESTART);
    stop = 0;
    pthread_create(&a, NULL, interrupt, &main_thread);
    ret = pause();
    error = errno;
    stop = 1;
    pthread_join(a, NULL);
    tap_ok(ret == -1 && error == EINTR, "a signal ends pause()");
}

static void test_unmaskable(void)
{
    sigset_t all, now;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_SETMASK, &nothing, &now);
    tap_ok(sigismember(&now, SIGTERM) && !sigismember(&now, SIGKILL) &&
               !sigismember(&now, SIGSTOP),
           "SIGKILL and SIGSTOP cannot be blocked");
    tap_ok(signal(SIGKILL, on_second) == SIG_ERR && errno == EINVAL &&
               signal(SIGSTOP, SIG_IGN) == SIG_ERR && errno == EINVAL,
           "nor handled, nor ignored");
}

static void *end_at_once(void *arg)
{
    *(volatile int *)arg = syscall(SYS_gettid);
    return NULL;
}

static int fails(long ret, int with)
{
    return ret == -1 && errno == with;
}

static void test_numbers(void)
{
    int pid = getpid(), tid = 0;
    pthread_t a;

    tap_ok(kill(pid, 0) == 0 && fails(kill(pid, 65), EINVAL) &&
               fails(kill(pid, -1), EINVAL) &&
               fails(kill(0x3fffffff, 65), ESRCH),
           "kill(): the process first, then the signal");
    tap_ok(fails(syscall(SYS_tkill, 0, 0), EINVAL) &&
               fails(syscall(SYS_tkill, -1, 0), EINVAL) &&
               syscall(SYS_tkill, pid, 0) == 0 &&
               fails(syscall(SYS_tkill, pid, 65), EINVAL) &&
               fails(syscall(SYS_tkill, 0x3fffffff, 65), ESRCH),
           "tkill() wants the number of a thread");
    tap_ok(fails(syscall(SYS_tgkill, 0, pid, 0), EINVAL) &&
               fails(syscall(SYS_tgkill, pid, 0, 0), EINVAL) &&
               fails(syscall(SYS_tgkill, pid + 1000000, pid, 0), ESRCH) &&
               syscall(SYS_tgkill, pid, pid, 0) == 0,
           "tgkill() wants the process's number too");
    pthread_create(&a, NULL, end_at_once, &tid);
    pthread_join(a, NULL);
    while (syscall(SYS_tgkill, pid, tid, 0) == 0) {
        sched_yield(); /* joined is not quite gone */
    }
    tap_ok(errno == ESRCH, "a thread that has ended is not there");
}

static void *go_on_alone(void *arg)
{
    time_t end = now_s() + PATIENCE_S;
    int pid = getpid();

    (void)arg;
    pthread_join(main_thread, NULL);
    elsewhere = 0;
    tap_ok(syscall(SYS_tgkill, pid, pid, 0) == 0 &&
               syscall(SYS_tgkill, pid, pid, SIGUSR2) == 0 && elsewhere == 0,
           "the first thread's number outlives it");
    kill(pid, SIGUSR2);
    while (elsewhere == 0 && now_s() < end) {
        sched_yield();
    }
    tap_ok(elsewhere == 1, "the process's signals go to who is left");
    exit(tap_done());
}

int main(void)
{
    pthread_t last;

    main_thread = pthread_self();
    sem_init(&ready, 0, 0);
    sigemptyset(&nothing);
    sigemptyset(&both);
    sigaddset(&both, SIGUSR1);
    sigaddset(&both, SIGUSR2);
    test_handler_mask();
    test_blocked_by_all();
    test_takers();
    test_other_signal();
    test_pause();
    test_unmaskable();
    test_numbers();
    set(SIGUSR2, on_second, 0, 0);
    pthread_create(&last, NULL, go_on_alone, NULL);
    pthread_exit(NULL);
}
