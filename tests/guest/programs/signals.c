/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signals.c - signals: at calls, from faults, out of the blue
 *
 * The last kind is the hard one: a thread that only computes is interrupted,
 * and must find every register, the vector registers too, as it left them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "tap.h"

static volatile sig_atomic_t seen, seen_code, depth, deepest;
static void *volatile seen_addr;
static volatile int seen_value;
static sigjmp_buf back;

static void on_count(int sig)
{
    (void)sig;
    seen++;
}

static void on_info(int sig, siginfo_t *si, void *context)
{
    (void)context;
    seen = sig;
    seen_code = si->si_code;
    seen_addr = si->si_addr;
    seen_value = si->si_value.sival_int;
}

static void on_jump(int sig, siginfo_t *si, void *context)
{
    on_info(sig, si, context);
    siglongjmp(back, 1);
}

static void set(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaction(sig, &action, NULL);
}

static void test_raise(void)
{
    signal(SIGUSR1, on_count);
    seen = 0;
    raise(SIGUSR1);
    tap_ok(seen == 1, "raise() has run the handler when it returns");
    kill(getpid(), SIGUSR1);
    tap_ok(seen == 2, "kill() of oneself likewise");
    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    tap_ok(seen == 2, "an ignored signal does nothing");
}

static void test_mask(void)
{
    sigset_t set_one, old, pending;

    signal(SIGUSR1, on_count);
    seen = 0;
    sigemptyset(&set_one);
    sigaddset(&set_one, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set_one, &old);
    raise(SIGUSR1);
    sigpending(&pending);
    tap_ok(seen == 0 && sigismember(&pending, SIGUSR1),
           "a blocked signal waits");
    sigprocmask(SIG_SETMASK, &old, NULL);
    tap_ok(seen == 1, "and comes when it is let");
}

static void on_nested(int sig)
{
    depth++;
    if (depth > deepest) {
        deepest = depth;
    }
    if (sig == SIGUSR1) {
        raise(SIGUSR1); /* blocked meanwhile */
        raise(SIGUSR2); /* nests */
    }
    depth--;
    seen++;
    if (seen >= 4) {
        signal(SIGUSR1, SIG_IGN);
    }
}

static void test_nested(void)
{
    seen = 0;
    signal(SIGUSR1, on_nested);
    signal(SIGUSR2, on_nested);
    raise(SIGUSR1);
    tap_ok(deepest == 2, "another signal nests, the same one does not");
    tap_ok(seen >= 4, "the second one of a kind came afterwards");
}

static void test_faults(void)
{
    char *page =
        mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile int one = 1, zero = 0;

    set(SIGSEGV, on_jump, 0);
    set(SIGFPE, on_jump, 0);
    set(SIGILL, on_jump, 0);
    if (!sigsetjmp(back, 1)) {
        *(volatile int *)0x1234 = 1;
    }
    tap_ok(seen == SIGSEGV && seen_addr == (void *)0x1234 &&
               seen_code == SEGV_MAPERR,
           "a wild pointer: SIGSEGV, its address");
    (void)*(volatile char *)page;
    if (!sigsetjmp(back, 1)) {
        *(volatile char *)page = 1;
    }
    tap_ok(seen == SIGSEGV && seen_addr == page && seen_code == SEGV_ACCERR,
           "a write to a read-only page: SIGSEGV, no right");
    if (!sigsetjmp(back, 1)) {
        one = one / zero;
    }
    tap_ok(seen == SIGFPE && seen_code == FPE_INTDIV, "1/0: SIGFPE");
    if (!sigsetjmp(back, 1)) {
        __asm__ volatile("ud2");
    }
    tap_ok(seen == SIGILL, "an undefined instruction: SIGILL");
    signal(SIGSEGV, SIG_DFL);
}

static void on_skip(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;

    (void)sig;
    (void)si;
    uc->uc_mcontext.gregs[REG_RIP] += 2; /* over the UD2 */
    uc->uc_mcontext.gregs[REG_RAX] = 42;
    uc->uc_mcontext.gregs[REG_RCX] = 43;
    uc->uc_mcontext.gregs[REG_R11] = 44;
}

static void test_context(void)
{
    long a = 1, c = 2, r11 = 0;

    set(SIGILL, on_skip, 0);
    __asm__ volatile("mov $3, %%r11d\n\tud2\n\tmov %%r11, %2"
                     : "+a"(a), "+c"(c), "=r"(r11)
                     :
                     : "r11");
    tap_ok(a == 42 && c == 43 && r11 == 44,
           "a handler changes where and with what to go on");
}

static char alt_stack[65536] __attribute__((aligned(16)));

static int (*volatile again)(int); /* hides the recursion */

static int overflow(int n)
{
    volatile char big[4096];

    big[0] = n;
    return again(n + 1) + big[0];
}

static void on_overflow(int sig, siginfo_t *si, void *context)
{
    char here;

    (void)sig;
    (void)si;
    (void)context;
    seen = &here >= alt_stack && &here < alt_stack + sizeof(alt_stack);
    siglongjmp(back, 1);
}

static void test_alt_stack(void)
{
    stack_t stack = { .ss_sp = alt_stack, .ss_size = sizeof(alt_stack) };
    stack_t now;

    sigaltstack(&stack, NULL);
    sigaltstack(NULL, &now);
    tap_ok(now.ss_sp == alt_stack && now.ss_flags == 0,
           "the alternate stack is set");
    set(SIGSEGV, on_overflow, SA_ONSTACK);
    seen = 0;
    again = overflow;
    if (!sigsetjmp(back, 1)) {
        overflow(0);
    }
    tap_ok(seen, "a stack overflow is handled on it");
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

/*
 * A loop whose every value lives in registers, vector ones among them; the
 * compiler must neither see its result nor leave it out.
 */
static __attribute__((noinline)) double compute(long rounds)
{
    double x = 1.0, y = 2.0, z = 3.0;
    long i;

    for (i = 0; i < rounds; i++) {
        x = x * 1.0000001 + 0.5;
        y = y * 0.9999999 + x * 1e-9;
        z = z + x - y;
        if (z > 1e9) {
            z *= 1e-9;
            x = 1.0;
        }
    }
    __asm__ volatile("" : "+x"(x));
    return x + y + z;
}

static void on_tick(int sig)
{
    volatile double noise = 1e300;

    (void)sig;
    seen++;
    noise = noise * 1e-10 + compute(10);
    __asm__ volatile("pxor %%xmm0, %%xmm0; pxor %%xmm1, %%xmm1;"
                     "pxor %%xmm2, %%xmm2; pxor %%xmm7, %%xmm7"
                     :
                     :
                     : "xmm0", "xmm1", "xmm2", "xmm7");
}

static void test_registers(void)
{
    struct itimerval every = { { 0, 2000 }, { 0, 2000 } };
    struct itimerval off = { { 0, 0 }, { 0, 0 } };
    double expected = compute(200000);
    int wrong = 0, i;

    seen = 0;
    signal(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &every, NULL);
    for (i = 0; i < 100000 && seen < 30; i++) {
        wrong += compute(200000) != expected;
    }
    setitimer(ITIMER_REAL, &off, NULL);
    tap_ok(seen >= 30, "a timer interrupts a thread that only computes");
    tap_ok(wrong == 0, "which finds its registers unharmed");
}

static void test_suspend(void)
{
    struct itimerval once = { { 0, 0 }, { 0, 20000 } };
    struct timespec nap = { 10, 0 }, left = { 0, 0 };
    sigset_t block, none, now;
    int ret;

    signal(SIGALRM, on_count);
    seen = 0;
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGALRM);
    sigprocmask(SIG_BLOCK, &block, NULL);
    setitimer(ITIMER_REAL, &once, NULL);
    ret = sigsuspend(&none);
    sigprocmask(SIG_BLOCK, NULL, &now);
    tap_ok(ret == -1 && errno == EINTR && seen == 1, "sigsuspend() waits");
    tap_ok(sigismember(&now, SIGALRM), "and puts the mask back");
    sigprocmask(SIG_UNBLOCK, &block, NULL);
    setitimer(ITIMER_REAL, &once, NULL);
    ret = nanosleep(&nap, &left);
    tap_ok(ret == -1 && errno == EINTR && left.tv_sec >= 9,
           "a signal ends nanosleep(), which says what is left");
}

static void test_wait(void)
{
    struct timespec soon = { 0, 20000000 };
    union sigval value = { .sival_int = 77 };
    siginfo_t si;
    sigset_t set_one;
    int ret;

    sigemptyset(&set_one);
    sigaddset(&set_one, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set_one, NULL);
    ret = sigtimedwait(&set_one, &si, &soon);
    tap_ok(ret == -1 && errno == EAGAIN, "sigtimedwait() times out");
    sigqueue(getpid(), SIGUSR2, value);
    ret = sigtimedwait(&set_one, &si, &soon);
    tap_ok(ret == SIGUSR2 && si.si_code == SI_QUEUE &&
               si.si_value.sival_int == 77,
           "and takes a signal with its value");
    sigprocmask(SIG_UNBLOCK, &set_one, NULL);
}

static sem_t ready, let_go;
static volatile int target_done;
static volatile sig_atomic_t hits;
static pthread_t target;

static void on_hit(int sig)
{
    (void)sig;
    if (pthread_equal(pthread_self(), target)) {
        hits++;
    }
}

static void *spin(void *arg)
{
    (void)arg;
    sem_post(&ready);
    while (!target_done) {
        compute(1000);
    }
    return NULL;
}

static void test_other_thread(void)
{
    struct timespec nap = { 0, 1000000 };
    int i;

    sem_init(&ready, 0, 0);
    signal(SIGUSR1, on_hit);
    pthread_create(&target, NULL, spin, NULL);
    sem_wait(&ready);
    for (i = 0; i < 20; i++) {
        int before = hits;

        pthread_kill(target, SIGUSR1);
        while (hits == before) {
            nanosleep(&nap, NULL);
        }
    }
    target_done = 1;
    pthread_join(target, NULL);
    tap_ok(hits == 20,
           "pthread_kill() reaches a computing thread, and only it");
}

static void *wait_long(void *arg)
{
    (void)arg;
    sem_post(&ready);
    return sem_wait(&let_go) == 0 ? &ready : NULL;
}

static void test_restart(void)
{
    struct timespec nap = { 0, 5000000 };
    struct sigaction action;
    void *kept;
    int i;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_hit;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, NULL);
    sem_init(&let_go, 0, 0);
    pthread_create(&target, NULL, wait_long, NULL);
    sem_wait(&ready);
    hits = 0;
    for (i = 0; i < 10; i++) {
        nanosleep(&nap, NULL);
        pthread_kill(target, SIGUSR1);
    }
    nanosleep(&nap, NULL);
    sem_post(&let_go);
    pthread_join(target, &kept);
    tap_ok(hits > 0 && kept, "SA_RESTART goes on waiting after the handler");
}

int main(void)
{
    test_raise();
    test_mask();
    test_nested();
    test_faults();
    test_context();
    test_alt_stack();
    test_registers();
    test_suspend();
    test_wait();
    test_other_thread();
    test_restart();
    return tap_done();
}
