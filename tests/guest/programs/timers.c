/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timers.c - timer_create() and its kin, interval timers */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define NS_PER_SEC 1000000000ll
#define MS         1000000ll
#define NOBODY     0x3ffffff
#define MANY       300

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

struct event { /* struct sigevent, whose names differ */
    uint64_t value;
    int sig, notify, tid, rest[11];
};

static volatile sig_atomic_t came, last_value, last_code, last_id, last_tid;

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
    (void)sig;
    (void)context;
    last_value = si->si_value.sival_int;
    last_code = si->si_code;
    last_id = si->si_pid; /* si_timerid */
    last_tid = syscall(SYS_gettid);
    came++;
}

/* By the calls themselves: C libraries have threads of their own for it. */
static int make(int clock, int notify, int sig, uint64_t value)
{
    struct event event = { .value = value, .sig = sig, .notify = notify };
    int id = -1;

    if (notify & SIGEV_THREAD_ID) {
        event.tid = syscall(SYS_gettid);
    }
    return syscall(SYS_timer_create, clock, &event, &id) ? -1 : id;
}

static struct timespec spec(int64_t ns)
{
    return (struct timespec){ ns / NS_PER_SEC, ns % NS_PER_SEC };
}

static long set(int id, int flags, int64_t value, int64_t interval)
{
    struct itimerspec new = { spec(interval), spec(value) };

    return syscall(SYS_timer_settime, id, flags, &new, NULL);
}

static int64_t left(int id)
{
    struct itimerspec now;

    if (syscall(SYS_timer_gettime, id, &now)) {
        return -1;
    }
    return now.it_value.tv_sec * NS_PER_SEC + now.it_value.tv_nsec;
}

static void delete (int id)
{
    syscall(SYS_timer_delete, id);
}

static int64_t now(int clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void until(int n)
{
    volatile unsigned long work = 0;
    int64_t end = now(CLOCK_MONOTONIC) + 20 * NS_PER_SEC;

    /* By computing: CPU time passes as well. */
    while (came < n && now(CLOCK_MONOTONIC) < end) {
        work++;
    }
}

static void test_kinds(void)
{
    static const int clocks[] = {
        CLOCK_REALTIME, CLOCK_MONOTONIC,          CLOCK_BOOTTIME,
        CLOCK_TAI,      CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID
    };
    int good = 1, i, id;

    for (i = 0; i < 6; i++) {
        came = 0;
        id = make(clocks[i], SIGEV_SIGNAL, SIGUSR1, 70 + i);
        good &= id >= 0 && set(id, 0, 2 * MS, 0) == 0;
        until(1);
        good &= came == 1 && last_code == SI_TIMER && last_value == 70 + i &&
                last_id == id && left(id) == 0;
        delete (id);
    }
    tap_ok(good, "a timer of each kind");
    good = 1;
    for (i = 0; i < 4; i++) {
        int64_t at = now(clocks[i]) + 5 * MS;

        came = 0;
        id = make(clocks[i], SIGEV_SIGNAL, SIGRTMIN, i);
        set(id, TIMER_ABSTIME, at, 0);
        until(1);
        good &= came == 1 && now(clocks[i]) >= at;
        delete (id);
    }
    tap_ok(good, "at a given time");
    came = 0;
    id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 3);
    set(id, 0, MS, 2 * MS);
    until(5);
    tap_ok(came >= 5, "again and again");
    set(id, 0, 0, 0);
    i = came;
    usleep(10000);
    tap_ok(came <= i + 1 && left(id) == 0, "until it is stopped");
    delete (id);
}

static void *timer_of_thread(void *arg)
{
    int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGUSR1, 1);

    came = 0;
    set(id, 0, MS, 0);
    until(1);
    *(int *)arg = came == 1 && last_tid == syscall(SYS_gettid);
    delete (id);
    return NULL;
}

static void test_whom(void)
{
    pthread_t thread;
    struct itimerspec new = { { 0, 0 }, { 0, 1000000 } };
    int good = 0, id, n;

    pthread_create(&thread, NULL, timer_of_thread, &good);
    pthread_join(thread, NULL);
    tap_ok(good, "to the thread that is named");
    came = 0;
    tap_ok(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id) == 0 &&
               syscall(SYS_timer_settime, id, 0, &new, NULL) == 0,
           "without a wish it is SIGALRM");
    until(1);
    tap_ok(came == 1 && last_value == id, "which tells the timer");
    delete (id);
    id = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    n = came;
    set(id, 0, 50 * NS_PER_SEC, 7 * NS_PER_SEC);
    tap_ok(left(id) > 40 * NS_PER_SEC, "one that tells nobody runs");
    set(id, 0, MS, 0);
    usleep(5000);
    tap_ok(came == n && left(id) == 0, "and ends quietly");
    set(id, TIMER_ABSTIME, 1, 10 * NS_PER_SEC);
    tap_ok(left(id) > 0 && left(id) <= 10 * NS_PER_SEC, "or goes on");
    delete (id);
}

static void test_left(void)
{
    int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    struct itimerspec new = { { 5, 0 }, { 30, 0 } }, old = { 0 };

    tap_ok(left(id) == 0 &&
               syscall(SYS_timer_settime, id, 0, &new, &old) == 0 &&
               old.it_value.tv_sec == 0 && old.it_interval.tv_sec == 0 &&
               left(id) > 25 * NS_PER_SEC && left(id) <= 30 * NS_PER_SEC,
           "what is left of a timer");
    new.it_value.tv_sec = 0;
    tap_ok(syscall(SYS_timer_settime, id, 0, &new, &old) == 0 &&
               old.it_value.tv_sec >= 25 && old.it_interval.tv_sec == 5 &&
               left(id) == 0,
           "and was, when it is set anew");
    delete (id);
}

static void test_overrun(void)
{
    int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 5);
    sigset_t mask;
    siginfo_t si;
    long n;

    sigemptyset(&mask);
    sigaddset(&mask, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    set(id, 0, MS, MS);
    usleep(30000);
    tap_ok(sigwaitinfo(&mask, &si) == SIGRTMIN && si.si_code == SI_TIMER,
           "one signal waits");
    n = syscall(SYS_timer_getoverrun, id);
    tap_ok(n >= 20 && (long)(unsigned)si.si_uid >= 20, /* si_overrun */
           "what was missed is counted");
    usleep(5000);
    tap_ok(syscall(SYS_timer_getoverrun, id) == n,
           "and told until the next signal is taken");
    set(id, 0, 0, 0);
    delete (id);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

static void test_refused(void)
{
    struct event event = { .sig = SIGUSR1, .notify = SIGEV_SIGNAL };
    struct itimerspec new = { { 0, 0 }, { 0, NS_PER_SEC } };
    int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0), other;

    tap_ok(make(99, SIGEV_SIGNAL, SIGUSR1, 0) == -1 && errno == EINVAL &&
               make(CLOCK_MONOTONIC_RAW, SIGEV_SIGNAL, SIGUSR1, 0) == -1 &&
               errno == EOPNOTSUPP &&
               make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0) == -1 &&
               errno == EINVAL &&
               make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0) == -1 &&
               errno == EINVAL && make(CLOCK_MONOTONIC, 77, 1, 0) == -1 &&
               errno == EINVAL,
           "timers that cannot be made");
    event.notify |= SIGEV_THREAD_ID;
    event.tid = NOBODY;
    tap_ok(fails(syscall(SYS_timer_create, 1, &event, &other), EINVAL),
           "for no thread");
    tap_ok(fails(syscall(SYS_timer_create, 1, BAD, &other), EFAULT) &&
               fails(syscall(SYS_timer_create, 1, NULL, BAD), EFAULT),
           "from nowhere, to nowhere");
    tap_ok(fails(syscall(SYS_timer_settime, id, 0, &new, NULL), EINVAL) &&
               fails(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL) &&
               fails(syscall(SYS_timer_settime, id, 0, BAD, NULL), EFAULT),
           "no such time");
    new.it_value.tv_nsec = 0;
    delete (id);
    tap_ok(fails(syscall(SYS_timer_settime, id, 0, &new, NULL), EINVAL) &&
               fails(syscall(SYS_timer_gettime, id, &new), EINVAL) &&
               fails(syscall(SYS_timer_getoverrun, id), EINVAL) &&
               fails(syscall(SYS_timer_delete, id), EINVAL),
           "none such");
}

static void test_many(void)
{
    static int ids[MANY];
    int i, good = 1;

    came = 0;
    for (i = 0; i < MANY; i++) {
        ids[i] = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, i);
        good &= ids[i] >= 0 && set(ids[i], 0, 3 * MS, 0) == 0;
    }
    until(MANY);
    tap_ok(good && came == MANY, "some hundred, each with its signal");
    for (i = 0; i < MANY; i++) {
        delete (ids[i]);
    }
}

static void test_interval_timers(void)
{
    static const int signals[] = { SIGALRM, SIGVTALRM, SIGPROF };
    struct itimerval again = { { 0, 3000 }, { 0, 3000 } }, never = { 0 }, old;
    int i, good = 1;

    for (i = 0; i < 3; i++) {
        struct sigaction action = { .sa_sigaction = on_signal,
                                    .sa_flags = SA_SIGINFO | SA_RESTART };

        sigaction(signals[i], &action, NULL);
        came = 0;
        good &= setitimer(i, &again, NULL) == 0;
        until(3);
        good &= came >= 3 && last_code == SI_KERNEL;
        good &= getitimer(i, &old) == 0 && old.it_interval.tv_usec >= 3000;
        good &= setitimer(i, &never, &old) == 0 &&
                old.it_value.tv_usec + old.it_value.tv_sec > 0;
        good &= getitimer(i, &old) == 0 && old.it_value.tv_usec == 0;
    }
    tap_ok(good, "interval timers of three kinds");
    tap_ok(alarm(50) == 0 && alarm(0) == 50 && alarm(0) == 0,
           "alarm() tells what was left");
    again.it_value.tv_usec = 1000000;
    tap_ok(fails(syscall(SYS_setitimer, 0, &again, NULL), EINVAL) &&
               fails(syscall(SYS_setitimer, 3, &never, NULL), EINVAL) &&
               fails(syscall(SYS_getitimer, 3, &old), EINVAL) &&
               fails(syscall(SYS_setitimer, 0, BAD, NULL), EFAULT) &&
               fails(syscall(SYS_getitimer, 0, BAD), EFAULT),
           "no such timer, no such time");
}

int main(void)
{
    struct sigaction action = { .sa_sigaction = on_signal,
                                .sa_flags = SA_SIGINFO | SA_RESTART };

    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    sigaction(SIGRTMIN + 1, &action, NULL);
    test_kinds();
    test_whom();
    test_left();
    test_overrun();
    test_refused();
    test_many();
    test_interval_timers();
    return tap_done();
}
