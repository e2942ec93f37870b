/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigqueue.c - signals that wait: how many, in which order, with what
 *
 * Taken by sigtimedwait(), by handlers and by signalfd.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

#define N        10
#define RT_A     (SIGRTMIN + 2)
#define RT_B     (SIGRTMIN + 5)
#define SET_SIZE 8

static sigset_t waited_for, nothing;
static volatile int n_seen, seen_value[4 * N], seen_sig[4 * N];

static const struct timespec at_once = { 0, 0 };

static void queue(int sig, int value)
{
    union sigval v = { .sival_int = value };

    sigqueue(getpid(), sig, v);
}

static int take(siginfo_t *si)
{
    return sigtimedwait(&waited_for, si, &at_once);
}

static void drain(void)
{
    siginfo_t si;

    while (take(&si) > 0) {
    }
}

static void test_order(void)
{
    siginfo_t si;
    int i, good = 1;

    for (i = 0; i < N; i++) {
        queue(RT_A, i);
        kill(getpid(), SIGUSR1);
    }
    good = take(&si) == SIGUSR1 && si.si_code == SI_USER &&
           si.si_pid == getpid() && si.si_uid == getuid();
    tap_ok(good, "a standard signal waits once, and comes first");
    for (good = 1, i = 0; i < N; i++) {
        good &= take(&si) == RT_A && si.si_code == SI_QUEUE &&
                si.si_value.sival_int == i && si.si_pid == getpid() &&
                si.si_uid == getuid();
    }
    tap_ok(good && take(&si) == -1 && errno == EAGAIN,
           "a real-time signal as often as it was sent: "
           "each comes with its value, in order");
    queue(RT_B, 1);
    queue(RT_A, 2);
    queue(SIGUSR2, 3);
    queue(RT_A, 4);
    queue(SIGSEGV, 5);
    good = take(&si) == SIGSEGV && take(&si) == SIGUSR2 && take(&si) == RT_A &&
           si.si_value.sival_int == 2 && take(&si) == RT_A &&
           si.si_value.sival_int == 4 && take(&si) == RT_B;
    tap_ok(good, "of several the lowest number comes first");
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
    (void)context;
    seen_sig[n_seen] = sig;
    seen_value[n_seen++] = si->si_value.sival_int;
}

static void set_handler(int sig)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO;
    sigfillset(&action.sa_mask);
    sigaction(sig, &action, NULL);
}

static void test_handlers(void)
{
    int i, good = 1;

    set_handler(RT_A);
    set_handler(RT_B);
    for (i = 0; i < N; i++) {
        queue(RT_B, i);
        queue(RT_A, i);
    }
    n_seen = 0;
    sigprocmask(SIG_SETMASK, &nothing, NULL);
    sigprocmask(SIG_SETMASK, &waited_for, NULL);
    for (i = 0; i < 2 * N; i++) {
        good &= seen_sig[i] == (i < N ? RT_A : RT_B) && seen_value[i] == i % N;
    }
    tap_ok(n_seen == 2 * N && good, "handlers run as often, in the same order");
    queue(RT_A, 1);
    queue(RT_A, 2);
    signal(RT_A, SIG_IGN);
    signal(RT_A, SIG_DFL);
    tap_ok(take(&(siginfo_t){ 0 }) == -1, "ignoring a signal forgets them all");
}

static void test_limit(void)
{
    union sigval v = { 0 };
    struct rlimit old, few;
    int n = 0, taken = 0;

    getrlimit(RLIMIT_SIGPENDING, &old);
    few = old;
    few.rlim_cur = 20;
    setrlimit(RLIMIT_SIGPENDING, &few);
    while (n < 100 && sigqueue(getpid(), RT_A, v) == 0) {
        n++;
    }
    tap_ok(n > 0 && n <= 20 && errno == EAGAIN,
           "beyond RLIMIT_SIGPENDING sigqueue() fails");
    tap_ok(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), RT_B) == 0 &&
               kill(getpid(), RT_B) == 0,
           "kill() does not");
    tap_ok(take(&(siginfo_t){ 0 }) == SIGUSR1, "a standard signal comes");
    while (take(&(siginfo_t){ 0 }) == RT_A) {
        taken++;
    }
    tap_ok(taken == n && take(&(siginfo_t){ 0 }) == -1,
           "and what was queued; of the others one without information");
    setrlimit(RLIMIT_SIGPENDING, &old);
}

static pthread_t other;
static int go[2];
static volatile int other_tid;

static void *thread_of_its_own(void *arg)
{
    siginfo_t si;
    char c;
    int good;

    (void)arg;
    other_tid = syscall(SYS_gettid);
    read(go[0], &c, 1);
    good = take(&si) == RT_B && si.si_value.sival_int == 8 &&
           take(&si) == RT_A && si.si_value.sival_int == 7;
    return good ? go : NULL;
}

static void test_thread(void)
{
    union sigval v = { .sival_int = 8 };
    siginfo_t si;
    void *good;

    pipe(go);
    pthread_create(&other, NULL, thread_of_its_own, NULL);
    pthread_kill(pthread_self(), RT_B);
    queue(RT_A, 7);
    memset(&si, 0, sizeof(si));
    si.si_code = SI_QUEUE;
    si.si_value = v;
    while (!other_tid) {
        sched_yield();
    }
    syscall(SYS_rt_tgsigqueueinfo, getpid(), other_tid, RT_B, &si);
    tap_ok(take(&si) == RT_B && si.si_pid == getpid(), "one for this thread");
    write(go[1], "x", 1);
    pthread_join(other, &good);
    tap_ok(good && take(&si) == -1,
           "a thread's queue is its own, and is taken first");
}

static void test_forms(void)
{
    struct {
        uint64_t handler, flags, restorer, mask;
    } action = { 1, 0xffffffffull, 0, ~0ull }, old;
    unsigned char bytes[128], got[128];
    int i, code = -7, good;

    syscall(SYS_rt_sigaction, SIGUSR1, &action, NULL, SET_SIZE);
    syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, SET_SIZE);
    tap_ok(old.flags == 0xdc000807 && !(old.mask >> (SIGKILL - 1) & 1) &&
               !(old.mask >> (SIGSTOP - 1) & 1),
           "an action's unknown flags are dropped, and SIGKILL and SIGSTOP");
    signal(SIGUSR1, SIG_DFL);
    for (i = 0; i < 128; i++) {
        bytes[i] = i < 48 ? i + 1 : 0;
    }
    memcpy(bytes + 8, &code, 4);
    syscall(SYS_rt_sigqueueinfo, getpid(), RT_A, bytes);
    good = syscall(SYS_rt_sigtimedwait, &waited_for, got, &at_once, SET_SIZE) ==
           RT_A;
    tap_ok(good && !memcmp(got + 4, bytes + 4, 8) &&
               !memcmp(got + 16, bytes + 16, 112) && *(int *)got == RT_A,
           "sigqueueinfo: every byte arrives, but for the number");
    code = SI_USER;
    memcpy(bytes + 8, &code, 4);
    tap_ok(syscall(SYS_rt_sigqueueinfo, getpid(), RT_A, bytes) == 0 &&
               take((siginfo_t *)got) == RT_A,
           "one may tell oneself what only the kernel says");
    tap_ok(syscall(SYS_rt_sigqueueinfo, getpid(), 65, bytes) == -1 &&
               errno == EINVAL &&
               syscall(SYS_rt_sigqueueinfo, getpid(), RT_A, 8) == -1 &&
               errno == EFAULT,
           "no such signal: EINVAL; no information: EFAULT");
    good = prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0 &&
           prctl(PR_GET_PDEATHSIG, &i) == 0 && i == SIGUSR2 &&
           prctl(PR_SET_PDEATHSIG, 65) == -1 && errno == EINVAL &&
           prctl(PR_SET_PDEATHSIG, 0) == 0 &&
           prctl(PR_GET_PDEATHSIG, &i) == 0 && i == 0;
    tap_ok(good, "PR_GET_PDEATHSIG says what was set");
}

static void test_stops(void)
{
    siginfo_t si;

    kill(getpid(), SIGTSTP);
    kill(getpid(), SIGCONT);
    tap_ok(take(&si) == SIGCONT && take(&si) == -1,
           "SIGCONT cancels a stop that waits");
    kill(getpid(), SIGCONT);
    kill(getpid(), SIGTSTP);
    tap_ok(take(&si) == SIGTSTP && take(&si) == -1, "and a stop cancels it");
}

static void test_read(void)
{
    struct signalfd_siginfo ssi[4];
    char small[127];
    int fd = signalfd(-1, &waited_for, SFD_NONBLOCK | SFD_CLOEXEC);
    int good;

    tap_ok(fd >= 0 && read(fd, ssi, sizeof(ssi)) == -1 && errno == EAGAIN,
           "signalfd: nothing to read");
    tap_ok(read(fd, small, sizeof(small)) == -1 && errno == EINVAL,
           "a read has room for one");
    queue(RT_A, 5);
    queue(RT_A, 6);
    kill(getpid(), SIGUSR1);
    good = read(fd, ssi, sizeof(ssi)) == 3 * sizeof(ssi[0]);
    tap_ok(good && ssi[0].ssi_signo == SIGUSR1 && ssi[0].ssi_code == SI_USER &&
               ssi[0].ssi_pid == (uint32_t)getpid() && ssi[0].ssi_int == 0,
           "one read takes several");
    tap_ok(ssi[1].ssi_signo == (uint32_t)RT_A && ssi[1].ssi_code == SI_QUEUE &&
               ssi[1].ssi_int == 5 && (int)ssi[1].ssi_ptr == 5 &&
               ssi[1].ssi_uid == getuid() && ssi[2].ssi_int == 6,
           "with what came with them");
    tap_ok(read(fd, ssi, sizeof(ssi)) == -1 && errno == EAGAIN &&
               take(&(siginfo_t){ 0 }) == -1,
           "signalfd: each signal is read once");
    tap_ok(write(fd, ssi, sizeof(ssi)) == -1 && errno == EINVAL,
           "it cannot be written");
    close(fd);
}

static void test_poll(void)
{
    struct signalfd_siginfo ssi;
    struct epoll_event event = { .events = EPOLLIN };
    int fd = signalfd(-1, &waited_for, 0), ep = epoll_create1(0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    sigset_t only;
    int good;

    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
    good = poll(&p, 1, 0) == 0 && epoll_wait(ep, &event, 1, 0) == 0;
    queue(RT_A, 1);
    tap_ok(good && poll(&p, 1, 0) == 1 && p.revents == POLLIN,
           "poll says that a signalfd is readable");
    tap_ok(epoll_wait(ep, &event, 1, 0) == 1 && event.events == EPOLLIN,
           "epoll says that a signalfd is readable");
    read(fd, &ssi, sizeof(ssi));
    tap_ok(poll(&p, 1, 0) == 0 && epoll_wait(ep, &event, 1, 0) == 0,
           "and no longer");
    sigemptyset(&only);
    sigaddset(&only, RT_B);
    queue(RT_A, 1);
    queue(RT_B, 2);
    good = signalfd(fd, &only, 0) == fd &&
           read(fd, &ssi, sizeof(ssi)) == sizeof(ssi);
    tap_ok(good && ssi.ssi_signo == (uint32_t)RT_B && poll(&p, 1, 0) == 0,
           "its set can be changed");
    tap_ok(signalfd(ep, &only, 0) == -1 && errno == EINVAL &&
               signalfd(fd, &only, 1) == -1 && errno == EINVAL &&
               signalfd(999, &only, 0) == -1 && errno == EBADF &&
               syscall(SYS_signalfd4, -1, &only, 4, 0) == -1 && errno == EINVAL,
           "what is no signalfd, no flag, no descriptor, no set");
    close(ep);
    close(fd);
    drain();
}

static void *reader(void *arg)
{
    struct signalfd_siginfo ssi;
    int fd = *(int *)arg;

    write(go[1], "x", 1);
    return read(fd, &ssi, sizeof(ssi)) == sizeof(ssi) && ssi.ssi_int == 9
               ? arg
               : NULL;
}

static void test_blocking_read(void)
{
    struct timespec nap = { 0, 20000000 };
    int fd = signalfd(-1, &waited_for, 0);
    void *good;
    char c;

    pthread_create(&other, NULL, reader, &fd);
    read(go[0], &c, 1);
    nanosleep(&nap, NULL);
    queue(RT_A, 9);
    pthread_join(other, &good);
    tap_ok(good != NULL, "a thread sleeps in read() until a signal comes");
    close(fd);
}

/* Root's test; whoever else runs it stays who it is. */
static void test_uid(void)
{
    uid_t uid = getuid() ? getuid() : 1234;
    siginfo_t si;

    tap_ok(setresuid(uid, uid, getuid() ? uid : 0) == 0 &&
               kill(getpid(), SIGUSR1) == 0 && take(&si) == SIGUSR1 &&
               si.si_uid == uid,
           "a signal says whose it is");
    raise(SIGUSR1);
    tap_ok(take(&si) == SIGUSR1 && si.si_uid == uid, "raise() too");
}

int main(void)
{
    sigemptyset(&nothing);
    sigemptyset(&waited_for);
    sigaddset(&waited_for, SIGUSR1);
    sigaddset(&waited_for, SIGUSR2);
    sigaddset(&waited_for, SIGSEGV);
    sigaddset(&waited_for, SIGTSTP);
    sigaddset(&waited_for, SIGCONT);
    sigaddset(&waited_for, RT_A);
    sigaddset(&waited_for, RT_B);
    sigprocmask(SIG_SETMASK, &waited_for, NULL);
    test_order();
    test_handlers();
    test_limit();
    test_thread();
    test_forms();
    test_stops();
    test_read();
    test_poll();
    test_blocking_read();
    test_uid();
    return tap_done();
}
