/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upcall.c - the kernel calls: a fault, or somebody wants this thread
 *
 * Three cases, told apart by level and address:
 *   program text        a signal to deliver: fault, or what is pending
 *   the way back        (.text.return of entry.S) an interrupt as the thread
 *                       was leaving: leave anew, now seeing what is pending
 *   library text        a copy from or to the program's memory faulted: go on
 *                       where the exception table says
 */
#include <linux/signal.h>
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/uaccess.h"

#define CONTEXT_1_USED 2u /* in ublock.context_used */

/* Page fault error: the page was there; a write; an instruction. */
#define FAULT_PRESENT  1u
#define FAULT_WRITE    2u
#define FAULT_EXEC     16u

enum {
    VECTOR_DIVIDE = 0,
    VECTOR_DEBUG = 1,
    VECTOR_BREAKPOINT = 3,
    VECTOR_OPCODE = 6,
    VECTOR_NOT_PRESENT = 11,
    VECTOR_STACK = 12,
    VECTOR_PAGE = 14,
    VECTOR_X87 = 16,
    VECTOR_ALIGNMENT = 17,
    VECTOR_SIMD = 19,
};

extern const char return_to_program[], return_to_program_end[];
_Noreturn void leave_by_frame(void);

/* Bits of the status word, of MXCSR and of their masks. */
enum {
    FLOAT_INVALID = 1,
    FLOAT_DENORMAL = 2,
    FLOAT_DIVIDE = 4,
    FLOAT_OVERFLOW = 8,
    FLOAT_UNDERFLOW = 16,
    FLOAT_INEXACT = 32,
};

#define MXCSR_MASK_SHIFT 7u

/* The program's, still live: the library uses neither unit. */
static uint32_t float_errors(uint64_t vector)
{
    uint16_t control, status;
    uint32_t mxcsr;

    if (vector == VECTOR_X87) {
        __asm__ volatile("fnstcw %0" : "=m"(control));
        __asm__ volatile("fnstsw %0" : "=m"(status));
        return status & ~control;
    }
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr & ~(mxcsr >> MXCSR_MASK_SHIFT);
}

static int float_code(uint32_t errors)
{
    if (errors & FLOAT_INVALID) {
        return FPE_FLTINV;
    }
    if (errors & FLOAT_DIVIDE) {
        return FPE_FLTDIV;
    }
    if (errors & FLOAT_OVERFLOW) {
        return FPE_FLTOVF;
    }
    if (errors & (FLOAT_DENORMAL | FLOAT_UNDERFLOW)) {
        return FPE_FLTUND;
    }
    return FPE_FLTRES;
}

static const struct fault {
    int sig, code;
} faults[] = {
    [VECTOR_DIVIDE] = { SIGFPE, FPE_INTDIV },
    [VECTOR_DEBUG] = { SIGTRAP, TRAP_TRACE },
    [VECTOR_BREAKPOINT] = { SIGTRAP, SI_KERNEL },
    [VECTOR_OPCODE] = { SIGILL, ILL_ILLOPN },
    [VECTOR_NOT_PRESENT] = { SIGBUS, SI_KERNEL },
    [VECTOR_STACK] = { SIGBUS, SI_KERNEL },
    [VECTOR_X87] = { SIGFPE, 0 },
    [VECTOR_ALIGNMENT] = { SIGBUS, BUS_ADRALN },
    [VECTOR_SIMD] = { SIGFPE, 0 },
};

/*
 * The right was missing, or the page.  One that was never touched is not there
 * for the CPU, whatever its rights: the list of mappings knows.
 */
static int page_code(const struct sys_context *c)
{
    uint32_t need = c->error & FAULT_WRITE  ? SYS_PROT_WRITE
                    : c->error & FAULT_EXEC ? SYS_PROT_EXEC
                                            : SYS_PROT_READ;
    struct sys_area area;

    if (c->error & FAULT_PRESENT) {
        return SEGV_ACCERR;
    }
    if (prim_areas(c->cr2, &area, 1) == 1 && area.start <= c->cr2 &&
        c->cr2 < USER_END && !(area.prot & need)) {
        return SEGV_ACCERR;
    }
    return SEGV_MAPERR;
}

/* All that is not in the table (#GP, #OF, #BR) is SIGSEGV of no address. */
static int fault_signal(const struct sys_context *c, struct signal_info *info)
{
    struct fault fault = { SIGSEGV, SI_KERNEL };

    if (c->vector < sizeof(faults) / sizeof(faults[0]) &&
        faults[c->vector].sig) {
        fault = faults[c->vector];
    }
    *info = (struct signal_info){ .code = fault.code };
    switch (c->vector) {
    case VECTOR_X87:
    case VECTOR_SIMD:
        info->code = float_code(float_errors(c->vector));
        info->value = c->rip;
        break;
    case VECTOR_DIVIDE:
    case VECTOR_DEBUG:
    case VECTOR_OPCODE:
        info->value = c->rip;
        break;
    case VECTOR_PAGE:
        info->code = page_code(c);
        info->value = c->cr2;
        break;
    default:
        break;
    }
    return fault.sig;
}

static bool in_return_path(uint64_t rip)
{
    return rip >= (uint64_t)return_to_program &&
           rip < (uint64_t)return_to_program_end;
}

static _Noreturn void upcall_from_library(struct thread *t)
{
    struct sys_context *c = &t->ublock.context[1];
    uint64_t fixup = uaccess_fixup(c->rip);

    if (!fixup) {
        lib_panic("fault in the library: vector %lu error %lx rip %lx rsp %lx"
                  " address %lx rdi %lx rsi %lx rcx %lx",
                  c->vector, c->error, c->rip, c->rsp, c->cr2, c->rdi, c->rsi,
                  c->rcx);
    }
    c->rip = fixup;
    c->xsave = 0; /* untouched since the fault */
    __atomic_fetch_and(&t->ublock.context_used, ~CONTEXT_1_USED,
                       __ATOMIC_RELAXED);
    prim_resume(c);
}

/**
 * upcall_main - first C code of an upcall
 * @level: index of the context that the kernel has filled
 *
 * Context: called from entry.S on the library's stack; does not return.
 */
_Noreturn void upcall_main(uint64_t level)
{
    struct thread *t = thread_self();
    struct sys_context *c = &t->ublock.context[0];
    struct signal_info info;

    if (level) {
        upcall_from_library(t);
    }
    if (c->vector == SYS_VECTOR_INTERRUPT && in_return_path(c->rip)) {
        leave_by_frame();
    }
    c->xsave = 0; /* stays live, the library does not touch it */
    if (c->vector != SYS_VECTOR_INTERRUPT) {
        signal_fault(c, fault_signal(c, &info), &info);
    }
    signal_deliver_context(c);
    prim_resume(c);
}
