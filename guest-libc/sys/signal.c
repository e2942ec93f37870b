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
 * exits.
 *
 * A signal of the process waits in the process's queue, and one thread is told:
 * ublock.pending of a thread says that it is to look there.  If that thread
 * blocks the signal or ends before it has looked, another one is told
 * (retarget).  A call that a signal of the process ends takes the signal to its
 * thread's own queue first (signal_claim_locked), or another thread could take
 * it and the call would have ended for nothing.
 */
#include <errno.h>
#include <linux/signal.h>
#include "guest-libc/sys/thread.h"

#define UNMASKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

/* There is no job control: what would stop a process does nothing. */
#define IGNORED_BY_DEFAULT                                                     \
    (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) |          \
     SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) |        \
     SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

/* What ends the process at once, in whichever thread: no core is written. */
#define FATAL                                                                  \
    (~(IGNORED_BY_DEFAULT | SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGILL) |         \
       SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGABRT) | SIGNAL_BIT(SIGBUS) |        \
       SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGXCPU) |        \
       SIGNAL_BIT(SIGXFSZ) | SIGNAL_BIT(SIGSYS)))

#define STOPS                                                                  \
    (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) |         \
     SIGNAL_BIT(SIGTTOU))

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

static void flush_everywhere(uint64_t set)
{
    struct thread *t;

    sigqueue_flush(&process.signals, set);
    for (t = process.threads; t; t = t->next) {
        sigqueue_flush(&t->signals, set);
    }
}

/**
 * signal_action_set - what the program wants done from now on
 * @sig: 1..SIGNAL_COUNT
 * @action: what
 *
 * One that is ignored no longer waits.
 *
 * Context: lock held.
 */
void signal_action_set(int sig, const struct signal_action *action)
{
    actions[sig] = *action;
    actions[sig].mask &= ~UNMASKABLE;
    if (signal_ignored(sig)) {
        flush_everywhere(SIGNAL_BIT(sig));
    }
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

static uint64_t takes(const struct thread *t)
{
    return ~t->signal_mask | t->signal_wanted;
}

static bool accepts(const struct thread *t, int sig)
{
    return SIGNAL_BIT(sig) & takes(t);
}

/**
 * thread_pending - whether the calling thread must leave to take a signal
 *
 * A signal of the process counts if this thread was told of it.
 *
 * Return: true if a signal that it does not block, or waits for, is there, or
 * if another thread ends the process.
 * Context: lock held.
 */
bool thread_pending(void)
{
    struct thread *t = thread_self();
    uint64_t waiting = t->signals.pending;

    if (t->helper || t == process.ender) {
        return false;
    }
    if (__atomic_load_n(&t->ublock.pending, __ATOMIC_RELAXED)) {
        waiting |= process.signals.pending;
    }
    return process.ender || (waiting & takes(t));
}

/**
 * signal_claim_locked - the signal that ends a call is this thread's
 *
 * The thread looks before it returns to the program.
 *
 * Context: lock held; thread_pending().
 */
void signal_claim_locked(void)
{
    struct thread *t = thread_self();

    if (!process.ender && !(t->signals.pending & takes(t))) {
        sigqueue_move_next(&t->signals, &process.signals, takes(t));
    }
    __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELAXED);
}

/**
 * thread_kick - have a thread look at what it is to do
 * @t: the thread
 *
 * Context: lock held.
 */
void thread_kick(struct thread *t)
{
    __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELEASE);
    if (t->waiting) {
        lib_wake(t->waiting, ~0u);
    } else if (t != thread_self()) {
        prim_interrupt(t->prim_tid, 1);
    }
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

/* Signals of the process that a thread was perhaps told of, and cannot take. */
static void retarget(uint64_t set)
{
    struct thread *t;
    int sig;

    for (set &= process.signals.pending; set; set &= set - 1) {
        sig = __builtin_ctzll(set) + 1;
        t = choose_thread(sig);
        if (t) {
            thread_kick(t);
        }
    }
}

/*
 * One that somebody blocks is kept: its action may change meanwhile.  Of a
 * process's signal the first thread decides, whoever may take it.
 */
static bool is_lost(const struct thread *t, int sig)
{
    t = t ? t : process.first ? process.first : choose_thread(sig);
    return process.ender || /* there is no program any more */
           (signal_ignored(sig) && t && !(t->signal_mask & SIGNAL_BIT(sig)));
}

/* A stop and its end cancel each other, though neither does anything here. */
static void cancel_opposite(int sig)
{
    if (sig == SIGCONT) {
        flush_everywhere(STOPS);
    } else if (STOPS & SIGNAL_BIT(sig)) {
        flush_everywhere(SIGNAL_BIT(SIGCONT));
    }
}

/* A signal waits: tell the thread that is to take it. */
static void tell(struct thread *t, int sig)
{
    struct thread *self = thread_self();

    posix_signal_sent(sig);
    t = t ? t : choose_thread(sig);
    if (!t || !accepts(t, sig)) {
        return;
    }
    if (actions[sig].handler == HANDLER_DEFAULT && (FATAL & SIGNAL_BIT(sig)) &&
        !(t->signal_mask & SIGNAL_BIT(sig))) {
        /* Whoever comes to its door first: the sender does not go on. */
        process.fatal_signal = sig;
        __atomic_fetch_or(&self->ublock.pending, 1, __ATOMIC_RELAXED);
    }
    thread_kick(t);
}

/**
 * signal_send_locked - raise a signal
 * @t: the thread, or NULL for the process
 * @sig: 1..SIGNAL_COUNT
 * @info: what goes with it
 *
 * Return: 0, or -EAGAIN if a real-time signal cannot be queued; no other
 * signal is ever lost.
 * Context: lock held; any thread.
 */
long signal_send_locked(struct thread *t, int sig,
                        const struct signal_info *info)
{
    long ret;

    cancel_opposite(sig);
    if (is_lost(t, sig)) {
        return 0;
    }
    ret = sigqueue_add(t ? &t->signals : &process.signals, sig, info);
    if (!ret) {
        tell(t, sig);
    }
    return ret;
}

/**
 * signal_send_kept_locked - raise a signal whose entry is its sender's
 * @t: the thread, or NULL for the process
 * @entry: with signal and information; counts how often it was sent while it
 * waited, and what it counted is the signal's si_overrun
 *
 * Needs no memory and obeys no limit: for timers.
 *
 * Return: true if it waits now and did not before.
 * Context: lock held; any thread.
 */
bool signal_send_kept_locked(struct thread *t, struct signal_entry *entry)
{
    if (entry->queue) {
        entry->overrun++;
        return false;
    }
    cancel_opposite(entry->sig);
    if (is_lost(t, entry->sig)) {
        return false;
    }
    sigqueue_add_kept(t ? &t->signals : &process.signals, entry);
    tell(t, entry->sig);
    return true;
}

/**
 * signal_raise_locked - raise a signal in the calling thread
 * @sig: e.g. SIGPIPE
 *
 * Context: lock held.
 */
void signal_raise_locked(int sig)
{
    struct thread *t = thread_self();
    struct signal_info info = {
        .code = SI_USER,
        .pid = FIRST_TID,
        .uid = t->creds.user.real,
    };

    signal_send_locked(t, sig, &info);
}

/**
 * signal_pending_locked - what waits for the calling thread
 *
 * Return: the set of its own signals and of the process's, blocked or not.
 * Context: lock held.
 */
uint64_t signal_pending_locked(void)
{
    return thread_self()->signals.pending | process.signals.pending;
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
    int sig = sigqueue_take(&t->signals, allowed, ret_info);

    return sig ? sig : sigqueue_take(&process.signals, allowed, ret_info);
}

/**
 * signal_mask_set_locked - change a thread's mask
 * @t: the calling thread
 * @mask: new mask
 *
 * What becomes deliverable is delivered before the thread leaves; what it can
 * no longer take another thread is told of.
 *
 * Context: lock held.
 */
void signal_mask_set_locked(struct thread *t, uint64_t mask)
{
    uint64_t blocked = mask & ~t->signal_mask;

    t->signal_mask = mask & ~UNMASKABLE;
    if (signal_pending_locked() & ~t->signal_mask) {
        __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELAXED);
    }
    retarget(blocked);
}

/**
 * signal_want_locked - take signals by a call, blocked or not
 * @set: which, 0: none any more
 *
 * Context: lock held.
 */
void signal_want_locked(uint64_t set)
{
    struct thread *t = thread_self();
    uint64_t before = t->signal_wanted & t->signal_mask;

    t->signal_wanted = set & ~UNMASKABLE;
    retarget(before & ~t->signal_wanted);
}

/**
 * signal_thread_leaves_locked - a thread takes no signal any more
 * @t: the thread, no longer on the list
 *
 * Context: lock held.
 */
void signal_thread_leaves_locked(struct thread *t)
{
    sigqueue_flush(&t->signals, ~0ull);
    retarget(takes(t));
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
