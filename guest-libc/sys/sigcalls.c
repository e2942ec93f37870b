/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigcalls.c - the system calls that send signals and take them
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/signal.h>
#include "guest-libc/sys/altstack.h"
#include "guest-libc/sys/siginfo.h"
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/timespec.h"

/* Flags of an action that Linux keeps; a program can see which. */
#define FLAGS_KNOWN 0xdc000807ull

static long set_from_user(uint64_t user_set, uint64_t set_bytes,
                          uint64_t *ret_set)
{
    if (set_bytes != sizeof(*ret_set)) {
        return -EINVAL;
    }
    return copy_from_user(ret_set, user_set, sizeof(*ret_set));
}

/* rt_sigaction(sig, action, old_action, set_bytes) */
/* @linux call rt_sigaction
 * @test guest/programs/signals.c "an ignored signal does nothing"
 * @test guest/programs/sigqueue.c "an action's unknown flags are dropped" */
static long signal_sigaction(struct sys_args *args)
{
    int sig = args->arg[0];
    struct signal_action action, old;

    if (args->arg[3] != sizeof(uint64_t)) {
        return -EINVAL;
    }
    if (args->arg[1] && copy_from_user(&action, args->arg[1], sizeof(action))) {
        return -EFAULT;
    }
    if (sig < 1 || sig > SIGNAL_COUNT ||
        (args->arg[1] && (sig == SIGKILL || sig == SIGSTOP))) {
        return -EINVAL;
    }
    lib_lock();
    old = *signal_action(sig);
    if (args->arg[1]) {
        action.flags &= FLAGS_KNOWN;
        signal_action_set(sig, &action);
    }
    lib_unlock();
    return args->arg[2] ? copy_to_user(args->arg[2], &old, sizeof(old)) : 0;
}

/* rt_sigprocmask(how, set, old_set, set_bytes) */
/* @linux call rt_sigprocmask
 * @test guest/programs/signals.c "a blocked signal waits"
 * @test guest/programs/sigroute.c "SIGKILL and SIGSTOP cannot be blocked" */
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
        switch ((int)args->arg[0]) {
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

/* rt_sigpending(set, set_bytes): a shorter set is a part of it */
/* @linux call rt_sigpending
 * @test guest/programs/signals.c "a blocked signal waits" */
static long signal_sigpending(struct sys_args *args)
{
    uint64_t set;

    if (args->arg[1] > sizeof(set)) {
        return -EINVAL;
    }
    lib_lock();
    set = signal_pending_locked() & thread_self()->signal_mask;
    lib_unlock();
    return copy_to_user(args->arg[0], &set, args->arg[1]);
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

/* @linux call rt_sigsuspend
 * @test guest/programs/signals.c "sigsuspend() waits" */
static long signal_sigsuspend(struct sys_args *args)
{
    uint64_t mask;
    long ret = set_from_user(args->arg[0], args->arg[1], &mask);

    if (ret) {
        return ret;
    }
    lib_lock();
    signal_mask_for_call_locked(mask);
    ret = sleep_for_signal();
    lib_unlock();
    return ret;
}

/* @linux call pause
 * @test guest/programs/sigroute.c "a signal ends pause()" */
static long signal_pause(struct sys_args *args)
{
    long ret;

    (void)args;
    lib_lock();
    ret = sleep_for_signal();
    lib_unlock();
    return ret;
}

/* Take one of @set, or sleep until one comes: its number or -EAGAIN, -EINTR. */
static long wait_for_signal_locked(uint64_t set, uint64_t deadline_ns,
                                   struct signal_info *ret_info)
{
    struct thread *t = thread_self();
    long ret;

    signal_want_locked(set);
    for (;;) {
        ret = signal_take_locked(t, t->signal_wanted, ret_info);
        if (ret) {
            break;
        }
        ret = lib_wait(&t->word, t->word, deadline_ns);
        if (ret && !(signal_pending_locked() & t->signal_wanted)) {
            ret = ret == -ETIMEDOUT ? -EAGAIN : ret;
            break;
        }
    }
    signal_want_locked(0);
    return ret;
}

/* rt_sigtimedwait(set, info, timeout, set_bytes) */
/* @linux call rt_sigtimedwait
 * @test guest/programs/signals.c "sigtimedwait() times out"
 * @test guest/programs/sigqueue.c "of several the lowest number comes first"
 * @test guest/programs/sigroute.c "one that waits for a signal gets it" */
static long signal_sigtimedwait(struct sys_args *args)
{
    uint64_t deadline_ns = SYS_FOREVER;
    uint64_t set, ns;
    struct signal_info info;
    struct siginfo_bytes si;
    long ret = set_from_user(args->arg[0], args->arg[3], &set);

    if (!ret && args->arg[2]) {
        ret = timespec_from_user(args->arg[2], &ns);
        deadline_ns = ret ? 0 : deadline_after(ns);
    }
    if (ret) {
        return ret;
    }
    lib_lock();
    ret = wait_for_signal_locked(set, deadline_ns, &info);
    lib_unlock();
    if (ret > 0 && args->arg[1]) {
        siginfo_fill(&si, ret, &info);
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

/* The first thread is there as long as the process, as on Linux. */
static long send_to_tid(int tid, uint64_t sig, const struct signal_info *info)
{
    struct thread *t;
    long ret = 0;

    lib_lock();
    t = find_thread(tid);
    if (!t && tid != FIRST_TID) {
        ret = -ESRCH;
    } else if (sig > SIGNAL_COUNT) {
        ret = -EINVAL;
    } else if (t && sig) {
        ret = signal_send_locked(t, sig, info);
    }
    lib_unlock();
    return ret;
}

static long send_to_process(uint64_t sig, const struct signal_info *info)
{
    long ret = 0;

    if (sig > SIGNAL_COUNT) {
        return -EINVAL;
    }
    if (sig) {
        lib_lock();
        ret = signal_send_locked(NULL, sig, info);
        lib_unlock();
    }
    return ret;
}

static struct signal_info from_self(int32_t code)
{
    return (struct signal_info){
        .code = code,
        .pid = FIRST_TID,
        .uid = thread_self()->creds.user.real,
    };
}

/* kill(pid, sig): there is one process, and one group of it */
/* @linux call kill
 * @test guest/programs/signals.c "kill() of oneself likewise"
 * @test guest/programs/sigroute.c "kill(): the process first, then the signal"
 * @test unit/libc-sys/test-signal.c "/libc-sys/signal/kill" */
static long signal_kill(struct sys_args *args)
{
    struct signal_info info = from_self(SI_USER);
    int pid = args->arg[0];

    if (pid != FIRST_TID && pid != 0 && pid != -FIRST_TID) {
        return -ESRCH;
    }
    return send_to_process((uint32_t)args->arg[1], &info);
}

/* @linux call tkill
 * @test guest/programs/sigroute.c "tkill() wants the number of a thread" */
static long signal_tkill(struct sys_args *args)
{
    struct signal_info info = from_self(SI_TKILL);

    if ((int)args->arg[0] <= 0) {
        return -EINVAL;
    }
    return send_to_tid(args->arg[0], (uint32_t)args->arg[1], &info);
}

/* @linux call tgkill
 * @test guest/programs/signals.c "pthread_kill() reaches a computing thread"
 * @test guest/programs/sigroute.c "tgkill() wants the process's number too" */
static long signal_tgkill(struct sys_args *args)
{
    struct signal_info info = from_self(SI_TKILL);

    if ((int)args->arg[0] <= 0 || (int)args->arg[1] <= 0) {
        return -EINVAL;
    }
    if ((int)args->arg[0] != FIRST_TID) {
        return -ESRCH;
    }
    return send_to_tid(args->arg[1], (uint32_t)args->arg[2], &info);
}

/* What the kernel says may be said to oneself only. */
static long get_queueinfo(uint64_t user_from, int to,
                          struct signal_info *ret_info)
{
    struct siginfo_bytes si;

    if (copy_from_user(&si, user_from, sizeof(si))) {
        return -EFAULT;
    }
    if ((si.code >= 0 || si.code == SI_TKILL) && to != thread_tid()) {
        return -EPERM;
    }
    siginfo_get(&si, ret_info);
    return 0;
}

/* @linux call rt_sigqueueinfo
 * @test guest/programs/sigqueue.c "each comes with its value, in order"
 * @test guest/programs/sigqueue.c "beyond RLIMIT_SIGPENDING sigqueue() fails" */
static long signal_sigqueueinfo(struct sys_args *args)
{
    struct signal_info info;
    long ret = get_queueinfo(args->arg[2], args->arg[0], &info);

    if (!ret && (int)args->arg[0] != FIRST_TID) {
        ret = -ESRCH;
    }
    return ret ? ret : send_to_process((uint32_t)args->arg[1], &info);
}

/* @linux call rt_tgsigqueueinfo
 * @test guest/programs/sigqueue.c "a thread's queue is its own" */
static long signal_tgsigqueueinfo(struct sys_args *args)
{
    struct signal_info info;
    long ret = get_queueinfo(args->arg[3], args->arg[1], &info);

    if (ret) {
        return ret;
    }
    if ((int)args->arg[0] <= 0 || (int)args->arg[1] <= 0) {
        return -EINVAL;
    }
    if ((int)args->arg[0] != FIRST_TID) {
        return -ESRCH;
    }
    return send_to_tid(args->arg[1], (uint32_t)args->arg[2], &info);
}

/* @linux call sigaltstack
 * @test guest/programs/signals.c "a stack overflow is handled on it"
 * @test guest/programs/altstack.c "it cannot be changed from itself" */
static long signal_sigaltstack(struct sys_args *args)
{
    struct thread *t = thread_self();
    uint64_t rsp = args->frame->rsp;
    struct alt_stack new, old = t->alt;
    long ret = 0;

    old.flags = altstack_flags(t, rsp);
    if (args->arg[0]) {
        if (copy_from_user(&new, args->arg[0], sizeof(new))) {
            return -EFAULT;
        }
        ret = altstack_set(t, &new, rsp);
    }
    if (!ret && args->arg[1]) {
        ret = copy_to_user(args->arg[1], &old, sizeof(old));
    }
    return ret;
}

/* All registers come from the frame; there is no result. */
/* @linux call rt_sigreturn
 * @test guest/programs/signals.c "a handler changes where and with what"
 * @test guest/programs/altstack.c "a frame that cannot be read: SIGSEGV" */
static long signal_sigreturn(struct sys_args *args)
{
    struct thread *t = thread_self();
    struct sys_context *context = &t->ublock.context[0];
    uint64_t mask;

    if (sigframe_pop(t, args->frame->rsp, context, &mask)) {
        signal_bad_frame(args->frame);
        return 0;
    }
    lib_lock();
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
