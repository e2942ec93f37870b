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
#include "guest-libc/sys/altstack.h"
#include "guest-libc/sys/sigcontext.h"
#include "guest-libc/sys/siginfo.h"
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/xstate.h"

struct rt_frame {
    uint64_t restorer;
    struct ucontext uc;
    struct siginfo_bytes info;
};

_Static_assert(offsetof(struct rt_frame, info) == 312, "Linux's layout");

_Static_assert(sizeof(struct alt_stack) == sizeof(stack_t), "Linux's layout");

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

#define RED_ZONE_BYTES    128u
#define UC_FP_XSTATE_FLAG 1u

/* Flags that sigreturn may set: AC OF DF TF SF ZF AF PF CF RF. */
#define RFLAGS_PROGRAM    0x50dd5ull
#define RFLAGS_FIXED      0x202ull      /* IF and the bit that is always 1 */
#define RFLAGS_AT_HANDLER (~0x10500ull) /* RF DF TF are clear there */

/*
 * Where the frame ends, or 0: it would leave the alternate stack, which it
 * enters or which the thread is on, and overwrite what lies below.
 */
static uint64_t frame_place(const struct thread *t, uint64_t rsp,
                            uint64_t flags, uint64_t *ret_fp_addr)
{
    bool on_alt = altstack_is_busy(t, rsp);
    uint64_t top = rsp - RED_ZONE_BYTES;
    uint64_t addr;

    if ((flags & SA_ONSTACK) && altstack_is_free(t, top)) {
        top = t->alt.sp + t->alt.size_bytes;
        on_alt = true;
    }
    *ret_fp_addr = (top - xstate_bytes()) & ~63ull;
    addr = ((*ret_fp_addr - sizeof(struct rt_frame)) & ~15ull) - 8;
    return on_alt && !altstack_holds(t, addr) ? 0 : addr;
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

/**
 * sigframe_push - write a signal's frame, enter its handler
 * @t: the calling thread
 * @context: the program's registers; changed to enter the handler
 * @action: the handler, and how it is entered
 * @sig: the signal
 * @info: what goes with it
 * @mask: mask to come back to at sigreturn
 *
 * Return: 0, or -EFAULT if the program's stack cannot take it, or the action
 * names no restorer.
 * Context: lock held; the program's extended state is live.
 */
long sigframe_push(struct thread *t, struct sys_context *context,
                   const struct signal_action *action, int sig,
                   const struct signal_info *info, uint64_t mask)
{
    uint8_t *area = (uint8_t *)t->ublock.xsave[0];
    struct rt_frame frame;
    uint64_t fp_addr, addr;

    addr = frame_place(t, context->rsp, action->flags, &fp_addr);
    if (!addr || !(action->flags & SA_RESTORER)) {
        return -EFAULT;
    }
    xstate_save_live(area);
    xstate_mark(area);
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
    siginfo_fill(&frame.info, sig, info);
    if (copy_to_user(fp_addr, area, xstate_bytes()) ||
        copy_to_user(addr, &frame, sizeof(frame))) {
        return -EFAULT;
    }

    if (t->alt.flags & (int32_t)SS_AUTODISARM) {
        altstack_reset(t);
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

/* Without the marks it is an FXSAVE area, and the rest begins anew. */
static long get_xstate(uint8_t *area, uint64_t fp_addr)
{
    if (copy_from_user(area, fp_addr, XSTATE_LEGACY_BYTES)) {
        return -EFAULT;
    }
    if (!xstate_is_extended(area)) {
        xstate_make_legacy(area);
    } else if (copy_from_user(area, fp_addr, process.xsave_bytes)) {
        return -EFAULT;
    }
    xstate_check(area);
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
    struct alt_stack alt;
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
        if (get_xstate(area, fp_addr)) {
            return -EFAULT;
        }
        ret_context->xsave = (uint64_t)area;
    }
    memcpy(ret_mask, &uc.uc_sigmask, sizeof(*ret_mask));
    /* One that cannot be set stays as it is: there is nobody to tell. */
    memcpy(&alt, &uc.uc_stack, sizeof(alt));
    altstack_set(t, &alt, ret_context->rsp);
    return 0;
}
