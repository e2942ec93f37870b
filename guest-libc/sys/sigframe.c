/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigframe.c - the frame a signal handler runs on, in Linux's layout
 *
 * Downwards on the program's stack, below its red zone:
 *
 *    extended state      XSAVE area, 64 byte aligned, with the marks that
 *                        say how long it is
 *    struct rt_frame     return address (the restorer), ucontext, siginfo
 *
 * Handlers of C libraries and language runtimes read and change these, so the
 * layout is the kernel's of Linux x86-64 to the byte.  The area goes through
 * the thread's own xsave area: the program's stack may fault.
 */
#include <errno.h>
#include <string.h>
#include <linux/signal.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include "guest-libc/sys/sigcontext.h"
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/xstate.h"

struct rt_frame {
    uint64_t restorer;
    struct ucontext uc;
    siginfo_t info;
};

_Static_assert(offsetof(struct rt_frame, info) == 312, "Linux's layout");
_Static_assert(sizeof(siginfo_t) == 128, "Linux's layout");

#define RED_ZONE_BYTES    128u
#define UC_FP_XSTATE_FLAG 1u

/* Flags that sigreturn may set: AC OF DF TF SF ZF AF PF CF RF. */
#define RFLAGS_PROGRAM    0x50dd5ull
#define RFLAGS_FIXED      0x202ull      /* IF and the bit that is always 1 */
#define RFLAGS_AT_HANDLER (~0x10500ull) /* RF DF TF are clear there */

static uint64_t frame_base(const struct thread *t, uint64_t rsp, uint64_t flags)
{
    const struct alt_stack *alt = &t->alt;

    if ((flags & SA_ONSTACK) && !(alt->flags & SS_DISABLE) &&
        !(rsp > alt->sp && rsp - alt->sp <= alt->size_bytes)) {
        return alt->sp + alt->size_bytes;
    }
    return rsp - RED_ZONE_BYTES;
}

static void put_registers(struct sigcontext *sc, const struct sys_context *c)
{
    sigcontext_put(sc, c);
    sc->eflags = c->rflags;
    sc->err = c->error;
    sc->trapno = c->vector < 32 ? c->vector : 0;
    sc->cr2 = c->cr2;
    sc->cs = 0x33;
    sc->ss = 0x2b;
}

static void get_registers(struct sys_context *c, const struct sigcontext *sc)
{
    sigcontext_get(c, sc);
    c->rflags = (sc->eflags & RFLAGS_PROGRAM) | RFLAGS_FIXED;
}

static bool is_fault(int sig, const struct signal_info *info)
{
    return info->code > 0 && (sig == SIGSEGV || sig == SIGBUS ||
                              sig == SIGFPE || sig == SIGILL || sig == SIGTRAP);
}

static void put_info(siginfo_t *si, int sig, const struct signal_info *info)
{
    si->si_signo = sig;
    si->si_code = info->code;
    if (is_fault(sig, info)) {
        si->si_addr = (void *)info->value;
    } else {
        si->si_pid = info->pid;
        si->si_value.sival_ptr = (void *)info->value;
    }
}

/**
 * sigframe_push - write a signal's frame, enter its handler
 * @t: the calling thread
 * @context: the program's registers; changed to enter the handler
 * @sig: the signal
 * @info: what goes with it
 * @mask: mask to come back to at sigreturn
 *
 * Return: 0, or -EFAULT if the program's stack cannot take it.
 * Context: lock held; the program's extended state is live.
 */
long sigframe_push(struct thread *t, struct sys_context *context, int sig,
                   const struct signal_info *info, uint64_t mask)
{
    const struct signal_action *action = signal_action(sig);
    uint8_t *area = (uint8_t *)t->ublock.xsave[0];
    struct rt_frame frame;
    uint64_t fp_addr, addr;

    xstate_save_live(area);
    xstate_mark(area);
    fp_addr = frame_base(t, context->rsp, action->flags) - xstate_bytes();
    fp_addr &= ~63ull;
    addr = ((fp_addr - sizeof(frame)) & ~15ull) - 8;

    memset(&frame, 0, sizeof(frame));
    frame.restorer = action->restorer;
    frame.uc.uc_flags =
        UC_FP_XSTATE_FLAG | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    frame.uc.uc_stack.ss_sp = (void *)t->alt.sp;
    frame.uc.uc_stack.ss_flags = t->alt.flags;
    frame.uc.uc_stack.ss_size = t->alt.size_bytes;
    put_registers(&frame.uc.uc_mcontext, context);
    frame.uc.uc_mcontext.fpstate = (void *)fp_addr;
    memcpy(&frame.uc.uc_sigmask, &mask, sizeof(mask));
    put_info(&frame.info, sig, info);
    if (copy_to_user(fp_addr, area, xstate_bytes()) ||
        copy_to_user(addr, &frame, sizeof(frame))) {
        return -EFAULT;
    }

    context->rsp = addr;
    context->rip = action->handler;
    context->rdi = sig;
    context->rsi = addr + offsetof(struct rt_frame, info);
    context->rdx = addr + offsetof(struct rt_frame, uc);
    context->rax = 0;
    context->rflags &= RFLAGS_AT_HANDLER;
    context->xsave = 0;
    return 0;
}

/**
 * sigframe_pop - read back what a handler returns to
 * @t: the calling thread
 * @user_rsp: the program's RSP in rt_sigreturn()
 * @ret_context: for prim_resume()
 * @ret_mask: signal mask to restore
 *
 * Return: 0 or -EFAULT.
 * Context: no lock needed.
 */
long sigframe_pop(struct thread *t, uint64_t user_rsp,
                  struct sys_context *ret_context, uint64_t *ret_mask)
{
    uint8_t *area = (uint8_t *)t->ublock.xsave[0];
    struct ucontext uc;
    uint64_t fp_addr;

    /* The handler's RET has taken the restorer's address. */
    if (copy_from_user(&uc, user_rsp, sizeof(uc))) {
        return -EFAULT;
    }
    if (uc.uc_mcontext.rip >= USER_END) {
        return -EFAULT;
    }
    memset(ret_context, 0, sizeof(*ret_context));
    get_registers(ret_context, &uc.uc_mcontext);
    ret_context->fs_base = t->fs_base;
    ret_context->gs_base = (uint64_t)t;
    fp_addr = (uint64_t)uc.uc_mcontext.fpstate;
    if (fp_addr) {
        if (copy_from_user(area, fp_addr, process.xsave_bytes)) {
            return -EFAULT;
        }
        xstate_check(area);
        ret_context->xsave = (uint64_t)area;
    }
    memcpy(ret_mask, &uc.uc_sigmask, sizeof(*ret_mask));
    return 0;
}
