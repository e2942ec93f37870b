/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * faults.c - what each kind of fault is to a program
 *
 * Each is made on purpose; number, code, address and trap number are Linux's.
 * A CPU that is translated (TCG) raises no exceptions of SSE, of denormals and
 * of alignment, and says #GP for a stack at no address: there the lines about
 * these say no more than that the program lives.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include "tap.h"

#define NON_CANONICAL 0x4000000000000000ull /* by any number of levels */

static sigjmp_buf back;
static volatile int seen, seen_code, seen_trap;
static volatile uint64_t seen_addr, seen_rip;

static void on_fault(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;

    seen = sig;
    seen_code = si->si_code;
    seen_addr = (uint64_t)si->si_addr;
    seen_trap = uc->uc_mcontext.gregs[REG_TRAPNO];
    seen_rip = uc->uc_mcontext.gregs[REG_RIP];
    siglongjmp(back, 1);
}

static void set(int sig)
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(sig, &action, NULL);
}

static int was(int sig, int code, int trap)
{
    return seen == sig && seen_code == code && seen_trap == trap;
}

/*
 * By the CPU's name: KVM on such a CPU hands the name on, and can raise no more.
 */
static int is_translated(void)
{
    uint32_t name[12], *at = name;
    unsigned leaf;

    for (leaf = 0x80000002; leaf <= 0x80000004; leaf++, at += 4) {
        __cpuid(leaf, at[0], at[1], at[2], at[3]);
    }
    return memcmp(name, "QEMU TCG", 8) == 0;
}

#define TRY(statement)                                                         \
    do {                                                                       \
        seen = seen_code = seen_trap = 0;                                      \
        seen_addr = seen_rip = 0;                                              \
        if (!sigsetjmp(back, 1)) {                                             \
            statement;                                                         \
        }                                                                      \
    } while (0)

static void divide(int by)
{
    __asm__ volatile("mov $1, %%eax; xor %%edx, %%edx; idivl %0"
                     :
                     : "r"(by)
                     : "eax", "edx", "cc");
}

static void test_integers(void)
{
    TRY(divide(0));
    tap_ok(was(SIGFPE, FPE_INTDIV, 0) && seen_addr == seen_rip,
           "1/0: SIGFPE, FPE_INTDIV, where");
    TRY(__asm__ volatile("mov $0x80000000, %%eax; cltd; mov $-1, %%ecx;"
                         "idivl %%ecx"
                         :
                         :
                         : "eax", "ecx", "edx", "cc"));
    tap_ok(was(SIGFPE, FPE_INTDIV, 0), "a quotient that is too large likewise");
}

static void test_instructions(void)
{
    TRY(__asm__ volatile("ud2"));
    tap_ok(was(SIGILL, ILL_ILLOPN, 6) && seen_addr == seen_rip,
           "an undefined instruction: SIGILL, where");
    TRY(__asm__ volatile("int3"));
    tap_ok(was(SIGTRAP, SI_KERNEL, 3) && seen_addr == 0,
           "a breakpoint: SIGTRAP, no address");
    TRY(__asm__ volatile("hlt"));
    tap_ok(was(SIGSEGV, SI_KERNEL, 13) && seen_addr == 0,
           "a privileged instruction: SIGSEGV, no address");
    TRY(__asm__ volatile("sub $128, %%rsp; pushfq; orl $0x100, (%%rsp); popfq;"
                         "nop; add $128, %%rsp"
                         :
                         :
                         : "cc", "memory"));
    tap_ok(was(SIGTRAP, TRAP_TRACE, 1) && seen_addr == seen_rip,
           "the trap flag: SIGTRAP, TRAP_TRACE, where");
    __asm__ volatile("sub $128, %%rsp; pushfq; andl $~0x100, (%%rsp); popfq;"
                     "add $128, %%rsp"
                     :
                     :
                     : "cc", "memory");
}

/* The flags after a call that was made with some set. */
static uint64_t flags_after_call(uint64_t set_flags)
{
    uint64_t flags;

    __asm__ volatile("sub $128, %%rsp\n\t"
                     "pushfq\n\t"
                     "or %1, (%%rsp)\n\t"
                     "popfq\n\t"
                     "mov $110, %%eax\n\t" /* getppid */
                     "syscall\n\t"
                     "pushfq\n\t"
                     "pop %0\n\t"
                     "pushfq\n\t"
                     "andl $~0x40500, (%%rsp)\n\t"
                     "popfq\n\t"
                     "add $128, %%rsp"
                     : "=&b"(flags)
                     : "d"(set_flags)
                     : "rax", "rcx", "r11", "cc", "memory");
    return flags;
}

static void on_step(int sig, siginfo_t *si, void *context)
{
    (void)sig;
    (void)si;
    (void)context;
    seen++;
}

static void test_flags(void)
{
    struct sigaction action;

    tap_ok(flags_after_call(0x400) & 0x400, "a call keeps the direction flag");
    tap_ok(flags_after_call(0x40000) & 0x40000, "and the AC flag");
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_step;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, NULL);
    seen = 0;
    tap_ok(flags_after_call(0x100) & 0x100, "and the trap flag");
    tap_ok(seen >= 5, "so that one can step over a call");
}

static char *map(int prot)
{
    return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Pages that nobody has touched: the CPU knows nothing of them. */
static void test_untouched(void)
{
    char *page = map(PROT_NONE);

    TRY((void)*(volatile char *)page);
    tap_ok(was(SIGSEGV, SEGV_ACCERR, 14), "a page without rights: SEGV_ACCERR");
    munmap(page, 4096);
    TRY((void)*(volatile char *)page);
    tap_ok(was(SIGSEGV, SEGV_MAPERR, 14), "once unmapped: SEGV_MAPERR");
    page = map(PROT_READ);
    TRY(*(volatile char *)page = 1);
    tap_ok(was(SIGSEGV, SEGV_ACCERR, 14), "a write where one may read");
    page = map(PROT_READ | PROT_WRITE);
    TRY(((void (*)(void))page)());
    tap_ok(was(SIGSEGV, SEGV_ACCERR, 14),
           "a jump where one may read and write");
}

static void test_memory(void)
{
    char *page = map(PROT_READ);

    TRY(*(volatile char *)0x1234 = 1);
    tap_ok(was(SIGSEGV, SEGV_MAPERR, 14) && seen_addr == 0x1234,
           "a hole: SIGSEGV, SEGV_MAPERR, the address");
    (void)*(volatile char *)page;
    TRY(*(volatile char *)(page + 5) = 1);
    tap_ok(was(SIGSEGV, SEGV_ACCERR, 14) && seen_addr == (uint64_t)page + 5,
           "a page without the right: SEGV_ACCERR");
    TRY(((void (*)(void))page)());
    tap_ok(was(SIGSEGV, SEGV_ACCERR, 14) && seen_rip == (uint64_t)page,
           "a jump to what is no code: SEGV_ACCERR, the RIP there");
    TRY(__asm__ volatile("movb $1, (%0)" : : "r"(NON_CANONICAL) : "memory"));
    tap_ok(was(SIGSEGV, SI_KERNEL, 13) && seen_addr == 0,
           "no address at all: SIGSEGV, SI_KERNEL");
}

static char alt[65536];

/* With such a stack pointer only another stack can take the frame. */
static void test_stack(void)
{
    stack_t stack = { .ss_sp = alt, .ss_size = sizeof(alt) };
    struct sigaction action;

    sigaltstack(&stack, NULL);
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    TRY(__asm__ volatile("mov %0, %%rsp; push %%rax"
                         :
                         : "r"(NON_CANONICAL + 4096)
                         : "memory"));
    tap_ok((was(SIGBUS, SI_KERNEL, 12) && seen_addr == 0) || is_translated(),
           "a stack at no address: SIGBUS");
    TRY(__asm__ volatile("mov %0, %%rsp; push %%rax"
                         :
                         : "r"(0x10000ull)
                         : "memory"));
    tap_ok(was(SIGSEGV, SEGV_MAPERR, 14) && seen_addr == 0x10000 - 8,
           "a stack in a hole: SIGSEGV, the address");
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

static void clear_align_check(void)
{
    __asm__ volatile("sub $128, %%rsp; pushfq; andl $~0x40000, (%%rsp); popfq;"
                     "add $128, %%rsp"
                     :
                     :
                     : "cc", "memory");
}

static void test_alignment(void)
{
    static char bytes[16] __attribute__((aligned(16)));

    TRY(__asm__ volatile("sub $128, %%rsp; pushfq; orl $0x40000, (%%rsp);"
                         "popfq; movl $1, 1(%0); pushfq;"
                         "andl $~0x40000, (%%rsp); popfq; add $128, %%rsp"
                         :
                         : "r"(bytes)
                         : "cc", "memory"));
    clear_align_check();
    tap_ok((was(SIGBUS, BUS_ADRALN, 17) && seen_addr == 0) || is_translated(),
           "an odd address with the AC flag: SIGBUS, BUS_ADRALN");
}

enum {
    INVALID = 1,
    DENORMAL = 2,
    DIVIDE = 4,
    OVERFLOW = 8,
    UNDERFLOW = 16,
    INEXACT = 32
};

static const struct {
    int unmask, code;
    double a, b;
    char op;
    const char *name;
} sums[] = {
    { INVALID, FPE_FLTINV, 0.0, 0.0, '/', "0.0/0.0: FPE_FLTINV" },
    { DIVIDE, FPE_FLTDIV, 1.0, 0.0, '/', "1.0/0.0: FPE_FLTDIV" },
    { OVERFLOW, FPE_FLTOVF, 1e300, 1e300, '*', "too large: FPE_FLTOVF" },
    { UNDERFLOW, FPE_FLTUND, 1e-300, 1e-300, '*', "too small: FPE_FLTUND" },
    { DENORMAL, FPE_FLTUND, 4e-324, 1.5, '*', "denormal: FPE_FLTUND" },
    { INEXACT, FPE_FLTRES, 1.0, 3.0, '/', "inexact: FPE_FLTRES" },
};

static double x87(double a, double b, char op, int unmask)
{
    uint16_t control = 0x027f & ~unmask; /* 53 bits */
    double result = 0;

    __asm__ volatile("fnclex; fldcw %0" : : "m"(control));
    if (op == '/') {
        __asm__ volatile("fldl %1; fdivl %2; fstpl %0; fwait"
                         : "=m"(result)
                         : "m"(a), "m"(b));
    } else {
        __asm__ volatile("fldl %1; fmull %2; fstpl %0; fwait"
                         : "=m"(result)
                         : "m"(a), "m"(b));
    }
    return result;
}

static void sse(double a, double b, char op, int unmask)
{
    uint32_t mxcsr = 0x1f80 & ~(unmask << 7);

    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    if (op == '/') {
        __asm__ volatile("divsd %1, %0" : "+x"(a) : "x"(b));
    } else {
        __asm__ volatile("mulsd %1, %0" : "+x"(a) : "x"(b));
    }
}

static void float_reset(void)
{
    uint32_t mxcsr = 0x1f80;

    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
}

static void test_floats(void)
{
    char name[64];
    size_t i;

    for (i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        TRY(x87(sums[i].a, sums[i].b, sums[i].op, sums[i].unmask));
        float_reset();
        snprintf(name, sizeof(name), "x87, %s", sums[i].name);
        tap_ok(was(SIGFPE, sums[i].code, 16) ||
                   (sums[i].unmask == DENORMAL && is_translated()),
               name);
        TRY(sse(sums[i].a, sums[i].b, sums[i].op, sums[i].unmask));
        float_reset();
        snprintf(name, sizeof(name), "SSE, %s", sums[i].name);
        tap_ok(was(SIGFPE, sums[i].code, 19) || is_translated(), name);
    }
}

/* A handler that goes on has to mask what it was called for. */
static void on_mask(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;

    (void)si;
    seen = sig;
    uc->uc_mcontext.fpregs->cwd |= 0x3f;
    uc->uc_mcontext.fpregs->swd &= ~0x80ff;
}

static void test_go_on(void)
{
    struct sigaction action;
    double result;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_mask;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGFPE, &action, NULL);
    seen = 0;
    result = x87(1.0, 4.0, '/', DIVIDE);
    tap_ok(seen == 0 && result == 0.25, "an unmasked unit computes");
    result = x87(1.0, 0.0, '/', DIVIDE);
    tap_ok(seen == SIGFPE, "a handler masks the exception and goes on");
    float_reset();
}

int main(void)
{
    set(SIGSEGV);
    set(SIGBUS);
    set(SIGFPE);
    set(SIGILL);
    set(SIGTRAP);
    test_integers();
    test_instructions();
    test_flags();
    test_memory();
    test_untouched();
    test_alignment();
    test_floats();
    test_go_on();
    test_stack();
    return tap_done();
}
