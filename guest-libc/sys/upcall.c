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

#define FAULT_PRESENT  1u /* page fault error: the page was there */

enum {
    VECTOR_DIVIDE = 0,
    VECTOR_DEBUG = 1,
    VECTOR_BREAKPOINT = 3,
    VECTOR_OVERFLOW = 4,
    VECTOR_BOUND = 5,
    VECTOR_OPCODE = 6,
    VECTOR_STACK = 12,
    VECTOR_PROTECTION = 13,
    VECTOR_PAGE = 14,
    VECTOR_X87 = 16,
    VECTOR_ALIGNMENT = 17,
    VECTOR_SIMD = 19,
};

extern const char return_to_program[], return_to_program_end[];
_Noreturn void leave_by_frame(void);

static int fault_signal(const struct sys_context *c, struct signal_info *info)
{
    info->pid = 0;
    info->value = c->rip;
    switch (c->vector) {
    case VECTOR_DIVIDE:
        info->code = FPE_INTDIV;
        return SIGFPE;
    case VECTOR_X87:
    case VECTOR_SIMD:
        info->code = FPE_FLTINV;
        return SIGFPE;
    case VECTOR_DEBUG:
        info->code = TRAP_TRACE;
        return SIGTRAP;
    case VECTOR_BREAKPOINT:
        info->code = SI_KERNEL;
        return SIGTRAP;
    case VECTOR_OPCODE:
        info->code = ILL_ILLOPN;
        return SIGILL;
    case VECTOR_ALIGNMENT:
        info->code = BUS_ADRALN;
        return SIGBUS;
    case VECTOR_PAGE:
        info->code = c->error & FAULT_PRESENT ? SEGV_ACCERR : SEGV_MAPERR;
        info->value = c->cr2;
        return SIGSEGV;
    default: /* #GP, #SS, #OF, #BR: no address is known */
        info->code = SI_KERNEL;
        info->value = 0;
        return SIGSEGV;
    }
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
