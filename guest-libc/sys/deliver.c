/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deliver.c - hand signals to the program at its door
 *
 * A thread comes here when ublock.pending is set and it is about to return to
 * the program: at a call's exit (with a struct frame), after an upcall (with
 * the context the kernel saved), or because it has faulted.  Each signal that
 * has a handler pushes one frame and redirects the registers; several stack
 * up, as on Linux.
 */
#include <errno.h>
#include <linux/signal.h>
#include "guest-libc/sys/thread.h"

#define SYSCALL_BYTES 2u /* length of the instruction, to restart it */

static const char *const signal_names[] = {
    [SIGHUP] = "SIGHUP",   [SIGINT] = "SIGINT",   [SIGQUIT] = "SIGQUIT",
    [SIGILL] = "SIGILL",   [SIGTRAP] = "SIGTRAP", [SIGABRT] = "SIGABRT",
    [SIGBUS] = "SIGBUS",   [SIGFPE] = "SIGFPE",   [SIGKILL] = "SIGKILL",
    [SIGUSR1] = "SIGUSR1", [SIGSEGV] = "SIGSEGV", [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE", [SIGALRM] = "SIGALRM", [SIGTERM] = "SIGTERM",
};

/**
 * signal_die - end the process as a signal's default action
 * @sig: the signal
 * @context: where the program was, or NULL
 *
 * Context: lock held, and kept; does not return.
 */
_Noreturn void signal_die(int sig, const struct sys_context *context)
{
    const char *name = NULL;

    process_stop_threads();
    if ((size_t)sig < sizeof(signal_names) / sizeof(signal_names[0])) {
        name = signal_names[sig];
    }
    if (context && context->vector && context->vector < 32) {
        lib_log("killed by %s: thread %d rip %lx rsp %lx vector %lu error %lx"
                " address %lx",
                name ? name : "a fault", thread_tid(), context->rip,
                context->rsp, context->vector, context->error, context->cr2);
    } else {
        lib_log("killed by signal %d (%s)", sig, name ? name : "-");
    }
    process_end(CKPT_EXIT_SIGNALLED | sig);
}

static bool has_handler(int sig)
{
    return signal_action(sig)->handler > 1;
}

/* Push one signal with a handler; the mask that comes back is told apart. */
static bool try_push(struct thread *t, struct sys_context *context, int sig,
                     const struct signal_info *info)
{
    struct signal_action action = *signal_action(sig);
    uint64_t back = t->saved_mask_valid ? t->saved_mask : t->signal_mask;
    bool done;

    if (action.flags & SA_RESETHAND) {
        signal_action_reset(sig);
    }
    done = sigframe_push(t, context, &action, sig, info, back) == 0;
    if (done) {
        t->saved_mask_valid = false;
        signal_mask_set_locked(
            t, t->signal_mask | action.mask |
                   (action.flags & SA_NODEFER ? 0 : SIGNAL_BIT(sig)));
    }
    return done;
}

static void force(struct thread *t, struct sys_context *context, int sig,
                  const struct signal_info *info);

/* No room for the frame is a fault of the stack: SIGSEGV. */
static void push(struct thread *t, struct sys_context *context, int sig,
                 const struct signal_info *info)
{
    static const struct signal_info no_frame = { .code = SI_KERNEL };

    if (try_push(t, context, sig, info)) {
        return;
    }
    if (sig == SIGSEGV) {
        signal_die(sig, context);
    }
    force(t, context, SIGSEGV, &no_frame);
}

/*
 * A signal that the thread cannot go on without.  Blocked or without a handler
 * it ends the process.
 */
static void force(struct thread *t, struct sys_context *context, int sig,
                  const struct signal_info *info)
{
    if (!has_handler(sig) || (t->signal_mask & SIGNAL_BIT(sig))) {
        signal_die(sig, context);
    }
    push(t, context, sig, info);
}

static void restart(struct thread *t, struct sys_context *context)
{
    context->rip -= SYSCALL_BYTES;
    context->rax = t->restart_number - 1;
    t->restart_number = 0;
    t->restart_always = false;
}

static void deliver_pending(struct thread *t, struct sys_context *context)
{
    struct signal_info info;
    int sig;

    mailbox_read_locked();
    if (process.ender) {
        lib_unlock();
        thread_leave();
    }
    if (process.fatal_signal) {
        signal_die(process.fatal_signal, NULL);
    }
    while ((sig = signal_take_locked(t, ~t->signal_mask, &info))) {
        if (has_handler(sig)) {
            if (t->restart_number &&
                (t->restart_always ||
                 (signal_action(sig)->flags & SA_RESTART))) {
                restart(t, context);
            }
            t->restart_number = 0;
            push(t, context, sig, &info);
        } else if (!signal_ignored(sig)) {
            signal_die(sig, context);
        }
    }
    if (t->restart_number) {
        restart(t, context);
    }
    if (t->saved_mask_valid) {
        t->saved_mask_valid = false;
        signal_mask_set_locked(t, t->saved_mask);
    }
}

/**
 * signal_deliver_context - deliver what is pending, after an upcall
 * @context: the program's registers
 *
 * Context: the thread concerned, no lock held.
 */
void signal_deliver_context(struct sys_context *context)
{
    struct thread *t = thread_self();

    lib_lock();
    while (__atomic_exchange_n(&t->ublock.pending, 0, __ATOMIC_ACQUIRE)) {
        deliver_pending(t, context);
    }
    lib_unlock();
}

static void frame_to_context(struct sys_context *c, const struct frame *f)
{
    *c = (struct sys_context){
        .rax = f->rax,
        .rbx = f->rbx,
        .rcx = f->rcx,
        .rdx = f->rdx,
        .rsi = f->rsi,
        .rdi = f->rdi,
        .rbp = f->rbp,
        .rsp = f->rsp,
        .r8 = f->r8,
        .r9 = f->r9,
        .r10 = f->r10,
        .r11 = f->r11,
        .r12 = f->r12,
        .r13 = f->r13,
        .r14 = f->r14,
        .r15 = f->r15,
        .rip = f->rcx,
        .rflags = f->r11,
    };
}

/* All that delivery may have changed. */
static void context_to_frame(struct frame *f, const struct sys_context *c)
{
    f->rax = c->rax;
    f->rdi = c->rdi;
    f->rsi = c->rsi;
    f->rdx = c->rdx;
    f->rcx = c->rip;
    f->rsp = c->rsp;
}

/**
 * signal_deliver_frame - deliver what is pending, at a call's exit
 * @frame: the call's frame; its result is in place
 *
 * A handler needs neither RCX nor R11, so the frame is enough to enter it.
 * Flags that the way back does not load need a resume().
 *
 * Context: called from entry.S, no lock held.
 */
void signal_deliver_frame(struct frame *frame)
{
    struct thread *t = thread_self();
    struct sys_context context;

    frame_to_context(&context, frame);
    signal_deliver_context(&context);
    if (context.rflags & SYS_RFLAGS_CLEAR) {
        context.fs_base = t->fs_base;
        context.gs_base = (uint64_t)t;
        prim_resume(&context);
    }
    context_to_frame(frame, &context);
}

/**
 * signal_fault - the program has faulted
 * @context: its registers; changed to enter the handler
 * @sig: the signal that the fault is
 * @info: code and address
 *
 * Blocked or without a handler, it ends the process, as on Linux.
 *
 * Context: upcall of the thread concerned, no lock held.
 */
void signal_fault(struct sys_context *context, int sig,
                  const struct signal_info *info)
{
    lib_lock();
    force(thread_self(), context, sig, info);
    lib_unlock();
}

/**
 * signal_bad_frame - rt_sigreturn() was called without a frame to return to
 * @frame: the call's
 *
 * Context: the calling thread, no lock held.
 */
void signal_bad_frame(struct frame *frame)
{
    static const struct signal_info info = { .code = SI_KERNEL };
    struct sys_context context;

    frame_to_context(&context, frame);
    signal_fault(&context, SIGSEGV, &info);
    context_to_frame(frame, &context);
}
