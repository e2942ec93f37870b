/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux-signal.c - host signals play the kernel's part
 *
 *   SIGSYS               Syscall User Dispatch: a call from outside the
 *                        library's text.  Becomes a reflection.
 *   SIGSEGV and friends  become upcalls, from program or library text.
 *   SIGURG               prim_interrupt(): an upcall, or nothing if the thread
 *                        is in the library (ublock.pending is set already).
 *   SIGTERM, SIGINT      a message from the host.
 *
 * A handler changes the registers that it returns to, and nothing else; the
 * extended state is restored by its return, so it is live in the library as it
 * is in the guest.  Handlers run on a stack of their own, one at a time.
 */
#include <linux/prctl.h>
#include <linux/signal.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <string.h>
#include "guest-libc/host/host.h"
#include "guest-libc/host/linux-call.h"
#include "guest-libc/sys/sigcontext.h"
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/xstate.h"

#define CONTEXT_1_USED     2u
#define UPCALL_GAP_BYTES   512u
#define LINUX_SIGSET_BYTES 8u
#define ALL_SIGNALS        (~0ull)

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON           1
#endif

extern const char image_start[];

/* The selector of Syscall User Dispatch: 1 blocks, and it always does. */
static uint8_t dispatch_block = 1;
static bool term_came;

static bool in_library_text(uint64_t rip)
{
    return rip >= (uint64_t)library_text_start &&
           rip < (uint64_t)library_text_end;
}

static void put_context(struct sys_context *c, const struct sigcontext *sc)
{
    sigcontext_get(c, sc);
    c->rflags = sc->eflags;
    c->error = sc->err;
    c->cr2 = sc->cr2;
    c->xsave = 0;
}

static void upcall(struct sigcontext *sc, uint64_t vector)
{
    struct sys_ublock *u = &thread_self()->ublock;
    uint64_t level = in_library_text(sc->rip) ? 1 : 0;

    if (level) {
        if (u->context_used & CONTEXT_1_USED) {
            lib_panic("fault while a fault is served: rip %p", (void *)sc->rip);
        }
        u->context_used |= CONTEXT_1_USED;
    }
    put_context(&u->context[level], sc);
    u->context[level].vector = vector;
    sc->rsp = level ? (sc->rsp - UPCALL_GAP_BYTES) & ~15ull : u->stack_top;
    sc->rip = (uint64_t)upcall_entry;
    sc->rdi = level;
    sc->eflags &= ~(uint64_t)SYS_RFLAGS_CLEAR;
}

static void on_reflect(int sig, siginfo_t *si, struct ucontext *uc)
{
    struct sigcontext *sc = &uc->uc_mcontext;
    struct sys_ublock *u = &thread_self()->ublock;

    (void)sig;
    (void)si;
    u->app_rip = sc->rip;
    u->app_rflags = sc->eflags;
    sc->rip = (uint64_t)reflect_entry;
    sc->rcx = (uint64_t)reflect_entry;
    sc->eflags &= ~(uint64_t)SYS_RFLAGS_CLEAR;
}

static void on_fault(int sig, siginfo_t *si, struct ucontext *uc)
{
    (void)sig;
    (void)si;
    upcall(&uc->uc_mcontext, uc->uc_mcontext.trapno);
}

static void on_interrupt(int sig, siginfo_t *si, struct ucontext *uc)
{
    struct thread *t = thread_self();

    (void)sig;
    (void)si;
    __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELAXED);
    if (!t->helper && !in_library_text(uc->uc_mcontext.rip)) {
        upcall(&uc->uc_mcontext, SYS_VECTOR_INTERRUPT);
    }
}

static void on_term(int sig, siginfo_t *si, struct ucontext *uc)
{
    __atomic_store_n(&term_came, true, __ATOMIC_RELEASE);
    host_net_event();
    if (thread_self()->helper) {
        prim_interrupt(linux_call(__NR_getpid, 0, 0, 0, 0), 1);
    } else {
        on_interrupt(sig, si, uc);
    }
}

/**
 * host_term_taken - whether a SIGTERM came from outside, once
 *
 * Return: true if one came since the last call.
 * Context: any.
 */
bool host_term_taken(void)
{
    return __atomic_exchange_n(&term_came, false, __ATOMIC_ACQUIRE);
}

static void handle(int sig,
                   void (*handler)(int, siginfo_t *, struct ucontext *))
{
    struct signal_action action = {
        .handler = (uint64_t)handler,
        .flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER,
        .restorer = (uint64_t)host_restorer,
        .mask = ALL_SIGNALS,
    };

    linux_call(__NR_rt_sigaction, sig, (uint64_t)&action, 0,
               LINUX_SIGSET_BYTES);
}

/**
 * host_signals_start - install the handlers
 *
 * Context: boot, once the first thread has its block.
 */
void host_signals_start(void)
{
    handle(SIGSYS, on_reflect);
    handle(SIGSEGV, on_fault);
    handle(SIGBUS, on_fault);
    handle(SIGFPE, on_fault);
    handle(SIGILL, on_fault);
    handle(SIGTRAP, on_fault);
    handle(HOST_SIGNAL_INTERRUPT, on_interrupt);
    handle(SIGTERM, on_term);
    handle(SIGINT, on_term);
}

/**
 * host_signals_block - no signal for this thread any more
 *
 * Context: a thread that leaves, or one that only host code runs in.
 */
void host_signals_block(void)
{
    uint64_t all = ALL_SIGNALS;

    linux_call(__NR_rt_sigprocmask, SIG_SETMASK, (uint64_t)&all, 0,
               LINUX_SIGSET_BYTES);
}

static void host_signals_unblock(void)
{
    uint64_t none = 0;

    linux_call(__NR_rt_sigprocmask, SIG_SETMASK, (uint64_t)&none, 0,
               LINUX_SIGSET_BYTES);
}

/**
 * host_thread_arm - have this thread's calls reflected
 *
 * Context: every thread that may run program text; GS is set.
 */
void host_thread_arm(void)
{
    struct alt_stack stack = { .size_bytes = HOST_SIGNAL_STACK_BYTES };
    long ret;

    stack.sp = (uint64_t)host_signal_stack_get();
    lib_assert(stack.sp);
    linux_call(__NR_sigaltstack, (uint64_t)&stack, 0, 0, 0);
    ret = linux_call6(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH,
                      PR_SYS_DISPATCH_ON, (uint64_t)image_start,
                      library_text_end - image_start, (uint64_t)&dispatch_block,
                      0);
    if (ret) {
        lib_panic("this Linux has no Syscall User Dispatch: %ld", ret);
    }
}

void prim_handler_set(void)
{
    host_signals_start();
    host_thread_arm();
}

/* What rt_sigreturn() pops: the restorer's address is gone already. */
struct resume_frame {
    struct ucontext uc;
    siginfo_t info;
};

static void get_context(struct sigcontext *sc, const struct sys_context *c)
{
    sigcontext_put(sc, c);
    sc->eflags = c->rflags;
    sc->cs = 0x33;
    sc->ss = 0x2b;
}

static void xstate_load(const uint8_t *area)
{
    uint32_t low = process.xsave_mask;
    uint32_t high = process.xsave_mask >> 32;

    if (!process.xsave_mask) {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
        return;
    }
    __asm__ volatile("xrstor64 (%0)"
                     :
                     : "r"(area), "a"(low), "d"(high)
                     : "memory");
}

/* An interrupt that came before the program runs again is one there. */
static void resume_interrupted(const struct sys_context *context)
{
    struct sys_ublock *u = &thread_self()->ublock;

    if (in_library_text(context->rip) ||
        !__atomic_load_n(&u->pending, __ATOMIC_ACQUIRE)) {
        return;
    }
    if (context->xsave) {
        xstate_load((const uint8_t *)context->xsave);
    }
    if (context != &u->context[0]) {
        u->context[0] = *context;
    }
    u->context[0].vector = SYS_VECTOR_INTERRUPT;
    host_signals_unblock();
    host_enter((uint64_t)upcall_entry, u->stack_top, 0);
}

_Noreturn void prim_resume(const struct sys_context *context)
{
    struct thread *t = thread_self();
    struct resume_frame frame;
    uint8_t *area = (uint8_t *)context->xsave;

    host_signals_block();
    if (!area) {
        area = (uint8_t *)t->ublock.xsave[context == &t->ublock.context[1]];
        xstate_save_live(area);
    }
    xstate_mark(area);
    memset(&frame, 0, sizeof(frame));
    get_context(&frame.uc.uc_mcontext, context);
    frame.uc.uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    frame.uc.uc_mcontext.fpstate = (void *)area;
    linux_call(__NR_sigaltstack, 0, (uint64_t)&frame.uc.uc_stack, 0, 0);
    resume_interrupted(context);
    host_sigreturn((uint64_t)&frame);
}
