/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signal.c - the program's signals: who gets which, and when
 *
 * Theory of operation
 *
 * The kernel below knows no signals.  It can interrupt a thread, and that is
 * all we need: a signal is a bit in a queue of the library (of a thread or of
 * the process), and raising one makes the thread that is to have it look:
 *
 *   asleep in lib_wait()     its word is changed and woken; the call returns
 *                            -EINTR or LIB_RESTART and leaves
 *   elsewhere in the library ublock.pending is set; seen before it leaves
 *   in the program           prim_interrupt() forces an upcall
 *
 * Delivery itself (deliver.c) happens in the thread concerned, at one of these
 * exits.  One signal of each number waits at a time, as for Linux's standard
 * signals; real-time signals do not queue here.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/signal.h>
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/timespec.h"

#define UNMASKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

/* There is no job control: what would stop a process does nothing. */
#define IGNORED_BY_DEFAULT                                                     \
    (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) |          \
     SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) |        \
     SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

#define HANDLER_DEFAULT 0ull
#define HANDLER_IGNORE  1ull

static struct signal_action actions[SIGNAL_COUNT + 1] BULKY;

/**
 * signal_action - what the program wants done with a signal
 * @sig: 1..SIGNAL_COUNT
 *
 * Return: its action.
 * Context: lock held.
 */
const struct signal_action *signal_action(int sig)
{
    return &actions[sig];
}

/**
 * signal_action_reset - back to the default (SA_RESETHAND)
 * @sig: 1..SIGNAL_COUNT
 *
 * Context: lock held.
 */
void signal_action_reset(int sig)
{
    actions[sig].handler = HANDLER_DEFAULT;
}

/**
 * signal_ignored - whether a signal would have no effect
 * @sig: 1..SIGNAL_COUNT
 *
 * Return: true if it is ignored, by the program or by default.
 * Context: lock held.
 */
bool signal_ignored(int sig)
{
    uint64_t handler = actions[sig].handler;

    return handler == HANDLER_IGNORE ||
           (handler == HANDLER_DEFAULT &&
            (IGNORED_BY_DEFAULT & SIGNAL_BIT(sig)));
}

static uint64_t deliverable(const struct thread *t, uint64_t allowed)
{
    return (t->signals.pending | process.signals.pending) & allowed;
}

/**
 * thread_pending - whether the calling thread must leave to take a signal
 *
 * Return: true if a signal that it does not block, or waits for, is there.
 * Context: lock held.
 */
bool thread_pending(void)
{
    struct thread *t = thread_self();

    return !t->helper &&
           deliverable(t, ~t->signal_mask | t->signal_wanted) != 0;
}

static void thread_kick(struct thread *t)
{
    __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELEASE);
    if (t->waiting) {
        lib_wake(t->waiting, ~0u);
    } else if (t != thread_self()) {
        prim_interrupt(t->prim_tid, 1);
    }
}

static bool accepts(const struct thread *t, int sig)
{
    return SIGNAL_BIT(sig) & (~t->signal_mask | t->signal_wanted);
}

/* Of a process's signal: the first thread if it may, else any that may. */
static struct thread *choose_thread(int sig)
{
    struct thread *t;

    if (process.first && accepts(process.first, sig)) {
        return process.first;
    }
    for (t = process.threads; t; t = t->next) {
        if (accepts(t, sig)) {
            return t;
        }
    }
    return NULL;
}

/**
 * signal_send_locked - raise a signal
 * @t: the thread, or NULL for the process
 * @sig: 1..SIGNAL_COUNT
 * @info: what goes with it
 *
 * Context: lock held; any thread.
 */
void signal_send_locked(struct thread *t, int sig,
                        const struct signal_info *info)
{
    struct signal_queue *queue = t ? &t->signals : &process.signals;
    struct thread *taker = t ? t : choose_thread(sig);

    /* One that somebody blocks is kept: its action may change meanwhile. */
    if (signal_ignored(sig) && taker && accepts(taker, sig) &&
        !(taker->signal_wanted & SIGNAL_BIT(sig))) {
        return;
    }
    if (queue->pending & SIGNAL_BIT(sig)) {
        return;
    }
    queue->pending |= SIGNAL_BIT(sig);
    queue->info[sig - 1] = *info;
    if (taker && accepts(taker, sig)) {
        thread_kick(taker);
    }
}

/**
 * signal_raise_locked - raise a signal in the calling thread
 * @sig: e.g. SIGPIPE
 *
 * Context: lock held.
 */
void signal_raise_locked(int sig)
{
    struct signal_info info = { .code = SI_USER };

    signal_send_locked(thread_self(), sig, &info);
}

static int queue_take(struct signal_queue *queue, uint64_t allowed,
                      struct signal_info *ret_info)
{
    uint64_t ready = queue->pending & allowed;
    int sig;

    if (!ready) {
        return 0;
    }
    sig = __builtin_ctzll(ready) + 1;
    queue->pending &= ~SIGNAL_BIT(sig);
    *ret_info = queue->info[sig - 1];
    return sig;
}

/**
 * signal_take_locked - take the next signal for a thread
 * @t: the thread
 * @allowed: set of signals that it may have now
 * @ret_info: what came with it
 *
 * Return: its number, 0 if there is none.
 * Context: lock held.
 */
int signal_take_locked(struct thread *t, uint64_t allowed,
                       struct signal_info *ret_info)
{
    int sig = queue_take(&t->signals, allowed, ret_info);

    return sig ? sig : queue_take(&process.signals, allowed, ret_info);
}

/**
 * signal_mask_set_locked - change a thread's mask
 * @t: the calling thread
 * @mask: new mask
 *
 * What becomes deliverable is delivered before the thread leaves.
 *
 * Context: lock held.
 */
void signal_mask_set_locked(struct thread *t, uint64_t mask)
{
    t->signal_mask = mask & ~UNMASKABLE;
    if (deliverable(t, ~t->signal_mask)) {
        __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELAXED);
    }
}

/**
 * signal_mask_for_call_locked - another mask until this call leaves
 * @mask: the program's set
 *
 * Context: lock held.
 */
void signal_mask_for_call_locked(uint64_t mask)
{
    struct thread *t = thread_self();

    t->saved_mask = t->signal_mask;
    t->saved_mask_valid = true;
    signal_mask_set_locked(t, mask);
    /* Have the exit look, also when no signal comes: it restores. */
    __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELAXED);
}

/* rt_sigaction(sig, action, old_action, set_bytes) */
static long signal_sigaction(struct sys_args *args)
{
    uint64_t sig = args->arg[0];
    struct signal_action action, old;
    struct thread *t;

    if (args->arg[3] != sizeof(uint64_t) || sig < 1 || sig > SIGNAL_COUNT ||
        (args->arg[1] && (sig == SIGKILL || sig == SIGSTOP))) {
        return -EINVAL;
    }
    if (args->arg[1] && copy_from_user(&action, args->arg[1], sizeof(action))) {
        return -EFAULT;
    }
    lib_lock();
    old = actions[sig];
    if (args->arg[1]) {
        action.mask &= ~UNMASKABLE;
        actions[sig] = action;
        if (signal_ignored(sig)) {
            process.signals.pending &= ~SIGNAL_BIT(sig);
            for (t = process.threads; t; t = t->next) {
                t->signals.pending &= ~SIGNAL_BIT(sig);
            }
        }
    }
    lib_unlock();
    return args->arg[2] ? copy_to_user(args->arg[2], &old, sizeof(old)) : 0;
}

/* rt_sigprocmask(how, set, old_set, set_bytes) */
static long signal_sigprocmask(struct sys_args *args)
{
    struct thread *t = thread_self();
    uint64_t set = 0;
    uint64_t old;
    long ret = 0;

    if (args->arg[3] != sizeof(set)) {
        return -EINVAL;
    }
    if (args->arg[1] && copy_from_user(&set, args->arg[1], sizeof(set))) {
        return -EFAULT;
    }
    lib_lock();
    old = t->signal_mask;
    if (args->arg[1]) {
        switch (args->arg[0]) {
        case SIG_BLOCK:
            signal_mask_set_locked(t, old | set);
            break;
        case SIG_UNBLOCK:
            signal_mask_set_locked(t, old & ~set);
            break;
        case SIG_SETMASK:
            signal_mask_set_locked(t, set);
            break;
        default:
            ret = -EINVAL;
            break;
        }
    }
    lib_unlock();
    if (!ret && args->arg[2]) {
        ret = copy_to_user(args->arg[2], &old, sizeof(old));
    }
    return ret;
}

static long signal_sigpending(struct sys_args *args)
{
    struct thread *t = thread_self();
    uint64_t set;

    lib_lock();
    set = deliverable(t, t->signal_mask);
    lib_unlock();
    return copy_to_user(args->arg[0], &set, sizeof(set));
}

static long sleep_for_signal(void)
{
    struct thread *t = thread_self();
    long ret;

    do {
        ret = lib_wait(&t->word, t->word, SYS_FOREVER);
    } while (ret != -EINTR);
    return ret;
}

static long signal_sigsuspend(struct sys_args *args)
{
    uint64_t mask;
    long ret;

    if (args->arg[1] != sizeof(mask)) {
        return -EINVAL;
    }
    if (copy_from_user(&mask, args->arg[0], sizeof(mask))) {
        return -EFAULT;
    }
    lib_lock();
    signal_mask_for_call_locked(mask);
    ret = sleep_for_signal();
    lib_unlock();
    return ret;
}

static long signal_pause(struct sys_args *args)
{
    long ret;

    (void)args;
    lib_lock();
    ret = sleep_for_signal();
    lib_unlock();
    return ret;
}

static void put_siginfo(siginfo_t *si, int sig, const struct signal_info *info)
{
    *si = (siginfo_t){ .si_signo = sig };
    si->si_code = info->code;
    si->si_pid = info->pid;
    si->si_value.sival_ptr = (void *)info->value;
}

/* rt_sigtimedwait(set, info, timeout, set_bytes) */
static long signal_sigtimedwait(struct sys_args *args)
{
    struct thread *t = thread_self();
    uint64_t deadline_ns = SYS_FOREVER;
    uint64_t set, ns;
    struct signal_info info;
    siginfo_t si;
    long ret;

    if (args->arg[3] != sizeof(set)) {
        return -EINVAL;
    }
    if (copy_from_user(&set, args->arg[0], sizeof(set))) {
        return -EFAULT;
    }
    if (args->arg[2]) {
        ret = timespec_from_user(args->arg[2], &ns);
        if (ret) {
            return ret;
        }
        deadline_ns = deadline_after(ns);
    }
    set &= ~UNMASKABLE;
    lib_lock();
    t->signal_wanted = set;
    for (;;) {
        ret = signal_take_locked(t, set, &info);
        if (ret) {
            break;
        }
        ret = lib_wait(&t->word, t->word, deadline_ns);
        if (ret && !deliverable(t, set)) {
            ret = ret == -ETIMEDOUT ? -EAGAIN : ret;
            break;
        }
    }
    t->signal_wanted = 0;
    lib_unlock();
    if (ret > 0 && args->arg[1]) {
        put_siginfo(&si, ret, &info);
        if (copy_to_user(args->arg[1], &si, sizeof(si))) {
            return -EFAULT;
        }
    }
    return ret;
}

static struct thread *find_thread(int tid)
{
    struct thread *t;

    for (t = process.threads; t && t->tid != tid; t = t->next) {
    }
    return t;
}

static long send_to_tid(int tid, uint64_t sig, const struct signal_info *info)
{
    struct thread *t;

    if (sig > SIGNAL_COUNT) {
        return -EINVAL;
    }
    lib_lock();
    t = find_thread(tid);
    if (t && sig) {
        signal_send_locked(t, sig, info);
    }
    lib_unlock();
    return t ? 0 : -ESRCH;
}

static bool is_this_process(int pid)
{
    return pid == FIRST_TID || pid == 0 || pid == -1 || pid == -FIRST_TID;
}

static long send_to_process(int pid, uint64_t sig,
                            const struct signal_info *info)
{
    if (sig > SIGNAL_COUNT) {
        return -EINVAL;
    }
    if (!is_this_process(pid)) {
        return -ESRCH;
    }
    if (sig) {
        lib_lock();
        signal_send_locked(NULL, sig, info);
        lib_unlock();
    }
    return 0;
}

static long signal_kill(struct sys_args *args)
{
    struct signal_info info = { .code = SI_USER, .pid = FIRST_TID };

    return send_to_process(args->arg[0], args->arg[1], &info);
}

static long signal_tkill(struct sys_args *args)
{
    struct signal_info info = { .code = SI_TKILL, .pid = FIRST_TID };

    return send_to_tid(args->arg[0], args->arg[1], &info);
}

static long signal_tgkill(struct sys_args *args)
{
    struct signal_info info = { .code = SI_TKILL, .pid = FIRST_TID };

    if ((int)args->arg[0] != FIRST_TID) {
        return -ESRCH;
    }
    return send_to_tid(args->arg[1], args->arg[2], &info);
}

static long get_queueinfo(uint64_t user_from, struct signal_info *ret_info)
{
    siginfo_t si;

    if (copy_from_user(&si, user_from, sizeof(si))) {
        return -EFAULT;
    }
    if (si.si_code >= 0) {
        return -EPERM;
    }
    ret_info->code = si.si_code;
    ret_info->pid = si.si_pid;
    ret_info->value = (uint64_t)si.si_value.sival_ptr;
    return 0;
}

static long signal_sigqueueinfo(struct sys_args *args)
{
    struct signal_info info;
    long ret = get_queueinfo(args->arg[2], &info);

    return ret ? ret : send_to_process(args->arg[0], args->arg[1], &info);
}

static long signal_tgsigqueueinfo(struct sys_args *args)
{
    struct signal_info info;
    long ret = get_queueinfo(args->arg[3], &info);

    if (!ret && (int)args->arg[0] != FIRST_TID) {
        ret = -ESRCH;
    }
    return ret ? ret : send_to_tid(args->arg[1], args->arg[2], &info);
}

#define ALT_MIN_BYTES 2048u

static bool on_alt_stack(const struct thread *t, uint64_t rsp)
{
    return !(t->alt.flags & SS_DISABLE) && rsp > t->alt.sp &&
           rsp - t->alt.sp <= t->alt.size_bytes;
}

static long signal_sigaltstack(struct sys_args *args)
{
    struct thread *t = thread_self();
    bool on_it = on_alt_stack(t, args->frame->rsp);
    struct alt_stack new, old = t->alt;

    if (args->arg[0]) {
        if (copy_from_user(&new, args->arg[0], sizeof(new))) {
            return -EFAULT;
        }
        if (on_it) {
            return -EPERM;
        }
        if (new.flags & ~(SS_DISABLE | SS_ONSTACK)) {
            return -EINVAL;
        }
        if (new.flags & SS_DISABLE) {
            new = (struct alt_stack){ .flags = SS_DISABLE };
        } else if (new.size_bytes < ALT_MIN_BYTES) {
            return -ENOMEM;
        }
        new.flags &= SS_DISABLE;
        t->alt = new;
    }
    old.flags |= on_it ? SS_ONSTACK : 0;
    return args->arg[1] ? copy_to_user(args->arg[1], &old, sizeof(old)) : 0;
}

/* All registers come from the frame; there is no result. */
static long signal_sigreturn(struct sys_args *args)
{
    struct thread *t = thread_self();
    struct sys_context *context = &t->ublock.context[0];
    uint64_t mask;

    lib_lock();
    if (sigframe_pop(t, args->frame->rsp, context, &mask)) {
        signal_die(SIGSEGV, NULL);
    }
    signal_mask_set_locked(t, mask);
    lib_unlock();
    prim_resume(context);
}

const struct sys_entry signal_calls[] = {
    { __NR_rt_sigaction, "rt_sigaction", signal_sigaction },
    { __NR_rt_sigprocmask, "rt_sigprocmask", signal_sigprocmask },
    { __NR_rt_sigpending, "rt_sigpending", signal_sigpending },
    { __NR_rt_sigsuspend, "rt_sigsuspend", signal_sigsuspend },
    { __NR_rt_sigtimedwait, "rt_sigtimedwait", signal_sigtimedwait },
    { __NR_rt_sigqueueinfo, "rt_sigqueueinfo", signal_sigqueueinfo },
    { __NR_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", signal_tgsigqueueinfo },
    { __NR_rt_sigreturn, "rt_sigreturn", signal_sigreturn },
    { __NR_sigaltstack, "sigaltstack", signal_sigaltstack },
    { __NR_pause, "pause", signal_pause },
    { __NR_kill, "kill", signal_kill },
    { __NR_tkill, "tkill", signal_tkill },
    { __NR_tgkill, "tgkill", signal_tgkill },
    { 0, NULL, NULL },
};
