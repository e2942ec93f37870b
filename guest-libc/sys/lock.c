/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lock.c - the library's one lock, and sleeping with it
 *
 * One lock, because a guest has one CPU and a call holds it for well under a
 * microsecond; what would need finer locks is elsewhere (the stack's input
 * runs in whichever thread would block anyway).
 */
#include <errno.h>
#include "guest-libc/sys/thread.h"

enum {
    LOCK_FREE,
    LOCK_HELD,
    LOCK_CONTENDED
};

static uint32_t lock_word;

/**
 * lib_lock - take the library's lock
 *
 * Context: may block; not recursive.
 */
void lib_lock(void)
{
    uint32_t expected = LOCK_FREE;

    if (__atomic_compare_exchange_n(&lock_word, &expected, LOCK_HELD, false,
                                    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return;
    }
    while (__atomic_exchange_n(&lock_word, LOCK_CONTENDED, __ATOMIC_ACQUIRE) !=
           LOCK_FREE) {
        prim_wait(&lock_word, LOCK_CONTENDED, SYS_FOREVER);
    }
}

/**
 * lib_unlock - give the lock back
 *
 * Context: the holder.
 */
void lib_unlock(void)
{
    if (__atomic_exchange_n(&lock_word, LOCK_FREE, __ATOMIC_RELEASE) ==
        LOCK_CONTENDED) {
        prim_wake(&lock_word, 1);
    }
}

/*
 * Another line may have begun while this thread slept, also if a frame has
 * woken it: what the frame says is for the new line, so that comes first.
 */
static bool is_told_of_message(struct thread *t)
{
    if (!(__atomic_load_n(&t->ublock.pending, __ATOMIC_RELAXED) &
          SYS_PENDING_MAILBOX)) {
        return false;
    }
    __atomic_fetch_and(&t->ublock.pending, ~SYS_PENDING_MAILBOX,
                       __ATOMIC_ACQUIRE);
    return true;
}

/**
 * lib_wait - sleep until a word changes
 * @word: library word, changed by lib_wake() or by the kernel
 * @seen: its value, read under the lock
 * @deadline_ns: monotonic, SYS_FOREVER for none
 *
 * thread.waiting names the word while we sleep, so that a signal can change
 * it: a sender that comes between our look at the signals and the kernel's
 * look at the word makes the values differ, and we do not sleep.
 *
 * Return: 0, -ETIMEDOUT, -EINTR (a signal waits for this thread).
 * Context: lock held; released while asleep.
 */
long lib_wait(uint32_t *word, uint32_t seen, uint64_t deadline_ns)
{
    struct thread *t = thread_self();
    long ret;

    if (thread_pending()) {
        signal_claim_locked();
        return -EINTR;
    }
    t->waiting = word;
    lib_unlock();
    ret = prim_wait(word, seen, deadline_ns);
    lib_lock();
    t->waiting = NULL;
    if (is_told_of_message(t) || ret == -EINTR) {
        mailbox_read_locked();
    }
    if (thread_pending()) {
        signal_claim_locked();
        return -EINTR;
    }
    return ret == -ETIMEDOUT ? ret : 0;
}

/**
 * lib_wake - change a word and wake who sleeps on it
 * @word: the word
 * @count: greatest number of threads to wake
 *
 * Context: lock held.
 */
void lib_wake(uint32_t *word, uint32_t count)
{
    /* The kernel adds to sys_net.event too, hence atomic. */
    __atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
    prim_wake(word, count);
}
