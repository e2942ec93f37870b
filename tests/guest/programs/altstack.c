/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * altstack.c - alternate signal stacks: nested, too small, disarmed
 *
 * A frame holds the vector registers and may be larger than MINSIGSTKSZ says.
 * What does not fit must not be written: the program gets SIGSEGV.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include "tap.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

#define SMALLEST 2048
#define BELOW    16384
#define BIG      65536
#define PATTERN  0x5a

static unsigned char area[BELOW + BIG] __attribute__((aligned(64)));
static unsigned char *const alt = area + BELOW;
static sigjmp_buf back;
static volatile int seen, seen_code, on_it, nested_on_it;
static volatile int flags_inside, error_inside;
static volatile uint64_t first_sp, second_sp;

/* The C libraries' own calls know better than the kernel what is too small. */
static int set_stack(void *sp, size_t size, int flags)
{
    stack_t stack = { .ss_sp = sp, .ss_size = size, .ss_flags = flags };

    return syscall(SYS_sigaltstack, &stack, NULL);
}

static int flags_now(void)
{
    stack_t now;

    syscall(SYS_sigaltstack, NULL, &now);
    return now.ss_flags;
}

static int is_on(const void *p, size_t size)
{
    return (const unsigned char *)p >= alt &&
           (const unsigned char *)p < alt + size;
}

static void set(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaction(sig, &action, NULL);
}

static int is_untouched(void)
{
    int i;

    for (i = 0; i < BELOW && area[i] == PATTERN; i++) {
    }
    return i == BELOW;
}

static void on_segv(int sig, siginfo_t *si, void *context)
{
    char here;

    (void)context;
    seen = sig;
    seen_code = si->si_code;
    on_it = is_on(&here, BIG);
    siglongjmp(back, 1);
}

static void test_forms(void)
{
    tap_ok(flags_now() == SS_DISABLE, "there is none at first");
    tap_ok(set_stack(alt, SMALLEST - 1, 0) == -1 && errno == ENOMEM,
           "one that is too small: ENOMEM");
    tap_ok(set_stack(alt, BIG, 4) == -1 && errno == EINVAL &&
               set_stack(alt, BIG, SS_ONSTACK | SS_DISABLE) == -1 &&
               errno == EINVAL,
           "no such flag: EINVAL");
    tap_ok(syscall(SYS_sigaltstack, 8, NULL) == -1 && errno == EFAULT,
           "no such address: EFAULT");
    tap_ok(set_stack(alt, BIG, SS_ONSTACK) == 0 && flags_now() == 0,
           "SS_ONSTACK means nothing when it is set");
    tap_ok(set_stack(alt, 5, SS_DISABLE) == 0 && flags_now() == SS_DISABLE,
           "SS_DISABLE needs no size");
    tap_ok(getauxval(AT_MINSIGSTKSZ) >= 1024, "AT_MINSIGSTKSZ is there");
}

static void on_inside(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    char here;

    (void)sig;
    (void)si;
    on_it = is_on(&here, BIG);
    flags_inside = flags_now();
    error_inside = set_stack(alt, BIG, 0) == -1 ? errno : 0;
    seen = uc->uc_stack.ss_sp == alt && uc->uc_stack.ss_size == BIG;
}

static void test_inside(void)
{
    set_stack(alt, BIG, 0);
    set(SIGUSR1, on_inside, SA_ONSTACK);
    raise(SIGUSR1);
    tap_ok(on_it && flags_inside == SS_ONSTACK, "a handler runs on it");
    tap_ok(error_inside == EPERM, "it cannot be changed from itself");
    tap_ok(seen, "the frame names it");
    set(SIGUSR1, on_inside, 0);
    raise(SIGUSR1);
    tap_ok(!on_it && flags_inside == 0 && error_inside == 0,
           "without SA_ONSTACK it does not");
}

static void on_second(int sig, siginfo_t *si, void *context)
{
    char here;

    (void)sig;
    (void)si;
    (void)context;
    second_sp = (uint64_t)&here;
    nested_on_it = is_on(&here, BIG);
}

static void on_first(int sig, siginfo_t *si, void *context)
{
    char here;

    (void)sig;
    (void)si;
    (void)context;
    first_sp = (uint64_t)&here;
    raise(SIGUSR2);
}

static void test_nested(void)
{
    set_stack(alt, BIG, 0);
    set(SIGUSR1, on_first, SA_ONSTACK);
    set(SIGUSR2, on_second, SA_ONSTACK);
    raise(SIGUSR1);
    tap_ok(nested_on_it && second_sp < first_sp,
           "a second signal goes on below the first one");
    set(SIGUSR2, on_second, 0);
    raise(SIGUSR1);
    tap_ok(nested_on_it && second_sp < first_sp,
           "whether or not it asks for the stack");
}

/*
 * The stack is as small as it may be.  SIGSEGV has none of its own: it runs
 * on the stack that the program was on.
 */
static void test_too_small(void)
{
    size_t room = getauxval(AT_MINSIGSTKSZ);
    int fits = room <= SMALLEST;

    memset(area, PATTERN, sizeof(area));
    set_stack(alt, SMALLEST, 0);
    set(SIGSEGV, on_segv, 0);
    set(SIGUSR1, on_inside, SA_ONSTACK);
    seen = on_it = 0;
    if (!sigsetjmp(back, 1)) {
        raise(SIGUSR1);
    }
    tap_ok(is_untouched(), "what lies below the stack is untouched");
    tap_ok(fits || (seen == SIGSEGV && seen_code == SI_KERNEL && !on_it),
           "a frame that does not fit: SIGSEGV");
    set_stack(alt, SMALLEST, SS_DISABLE);
}

/* AT_MINSIGSTKSZ is for the frame alone. */
static void test_large_enough(void)
{
    size_t size = getauxval(AT_MINSIGSTKSZ) + 2048;

    memset(area, PATTERN, sizeof(area));
    set_stack(alt, size, 0);
    set(SIGUSR1, on_inside, SA_ONSTACK);
    on_it = 0;
    raise(SIGUSR1);
    tap_ok(on_it && is_untouched(), "one of AT_MINSIGSTKSZ and some is enough");
    set_stack(NULL, 0, SS_DISABLE);
}

static void on_disarmed(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    char here;

    (void)sig;
    (void)si;
    on_it = is_on(&here, BIG);
    flags_inside = flags_now();
    seen = (unsigned)uc->uc_stack.ss_flags == SS_AUTODISARM &&
           uc->uc_stack.ss_sp == alt;
    error_inside = set_stack(area, BELOW, 0) == -1 ? errno : 0;
}

static void test_disarm(void)
{
    stack_t now;

    set_stack(alt, BIG, SS_AUTODISARM);
    tap_ok((unsigned)flags_now() == SS_AUTODISARM, "SS_AUTODISARM is kept");
    set(SIGUSR1, on_disarmed, SA_ONSTACK);
    raise(SIGUSR1);
    tap_ok(on_it && flags_inside == SS_DISABLE && seen,
           "the handler runs on it and finds none");
    syscall(SYS_sigaltstack, NULL, &now);
    tap_ok(error_inside == 0 && now.ss_sp == alt &&
               (unsigned)now.ss_flags == SS_AUTODISARM,
           "it may set another; its return sets the first one again");
    set_stack(NULL, 0, SS_DISABLE);
}

static void on_change(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;

    (void)sig;
    (void)si;
    uc->uc_stack.ss_sp = alt;
    uc->uc_stack.ss_size = BIG;
    uc->uc_stack.ss_flags = 0;
}

static void test_return(void)
{
    stack_t now;

    set(SIGUSR1, on_change, 0);
    raise(SIGUSR1);
    syscall(SYS_sigaltstack, NULL, &now);
    tap_ok(now.ss_sp == alt && now.ss_size == BIG && now.ss_flags == 0,
           "what a handler writes into its frame is set");
    set(SIGSEGV, on_segv, SA_ONSTACK);
    seen = 0;
    if (!sigsetjmp(back, 1)) {
        __asm__ volatile("mov $16, %%rsp; mov $15, %%eax; syscall"
                         :
                         :
                         : "rax", "rcx", "r11", "memory");
    }
    tap_ok(seen == SIGSEGV && seen_code == SI_KERNEL && on_it,
           "a frame that cannot be read: SIGSEGV");
    set_stack(NULL, 0, SS_DISABLE);
}

int main(void)
{
    test_forms();
    test_inside();
    test_nested();
    test_too_small();
    test_large_enough();
    test_disarm();
    test_return();
    return tap_done();
}
