/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * futex-pi.c - futexes that name their owner (PI futexes)
 *
 * The program's word holds the owner's thread number; FUTEX_WAITERS says that
 * the library is to be asked when it is given back.  A waiter lies in the
 * word's queue as FUTEX_PI and knows the owner, so a circle of owners and
 * waiters is seen (EDEADLK).  The word is passed on to the first waiter by
 * whoever gives it back, and by an owner's end with FUTEX_OWNER_DIED.
 *
 * There is one CPU and there are no priorities, so there is none to inherit.
 */
#include <errno.h>
#include <linux/futex.h>
#include "guest-libc/sys/futex.h"
#include "guest-libc/sys/uaccess.h"

/* What to do about a lock whose word holds @value and that has waiters. */
static long join_waiters(const struct thread *first, uint32_t value,
                         struct thread **ret_owner)
{
    uint32_t tid = value & FUTEX_TID_MASK;

    if (first->futex_kind != FUTEX_PI) {
        return -EINVAL;
    }
    if (tid != (uint32_t)first->futex_owner->tid &&
        !((value & FUTEX_OWNER_DIED) && !tid)) {
        return -EINVAL;
    }
    *ret_owner = first->futex_owner;
    return 0;
}

/*
 * Take the lock for @t, or find out whose it is.
 * Return: 1 (taken), 0 (it is *@ret_owner's, who will ask us), negative errno.
 */
static long lock_word(uint64_t addr, const struct thread *t, bool with_waiters,
                      struct thread **ret_owner)
{
    struct thread *first = futex_next_waiter(NULL, addr);
    uint32_t value, seen, new_value;
    long ret = load_user_u32(&value, addr);

    while (!ret) {
        if ((value & FUTEX_TID_MASK) == (uint32_t)t->tid) {
            return -EDEADLK;
        }
        if (first) {
            return join_waiters(first, value, ret_owner);
        }
        new_value = value | FUTEX_WAITERS;
        if (!(value & FUTEX_TID_MASK)) {
            new_value = (value & FUTEX_OWNER_DIED) | t->tid |
                        (with_waiters ? FUTEX_WAITERS : 0);
        }
        seen = value;
        ret = cmpxchg_user_u32(addr, &value, new_value);
        if (ret || value != seen) {
            continue;
        }
        if (!(value & FUTEX_TID_MASK)) {
            return 1;
        }
        *ret_owner = thread_find_locked(value & FUTEX_TID_MASK);
        return *ret_owner ? 0 : -ESRCH;
    }
    return ret;
}

/* Would @t wait for itself, in the end? */
static bool is_circle(const struct thread *t, const struct thread *owner)
{
    while (owner != t && owner->futex_addr && owner->futex_kind == FUTEX_PI) {
        owner = owner->futex_owner;
    }
    return owner == t;
}

static void queue_for(struct thread *t, uint64_t addr, struct thread *owner)
{
    t->futex_kind = FUTEX_PI;
    t->futex_owner = owner;
    futex_queue_add(t, addr);
}

/* @first, at the head of the lock's queue, has become the owner. */
static void hand_over(struct thread *first, uint64_t addr)
{
    struct thread *t = NULL;

    futex_queue_remove(first);
    while ((t = futex_next_waiter(t, addr))) {
        t->futex_owner = first;
    }
    lib_wake(&first->word, 1);
}

static long sleep_in_queue(const struct moment *until)
{
    struct thread *t = thread_self();
    long ret;

    do {
        ret = thread_sleep_until(until);
    } while (!ret && t->futex_addr);
    if (!t->futex_addr) {
        return 0;
    }
    futex_queue_remove(t);
    return ret;
}

/* An interrupted call begins anew whatever the signal's action says. */
static long restart_anyway(void)
{
    thread_self()->restart_always = true;
    return LIB_RESTART;
}

/**
 * futex_lock_pi - become the owner of a lock
 * @addr: its word
 * @until: how long to wait
 * @try_only: do not wait
 *
 * Return: 0, or a negative errno as Linux gives it.
 * Context: no lock held; may sleep.
 */
long futex_lock_pi(uint64_t addr, const struct moment *until, bool try_only)
{
    struct thread *t = thread_self();
    struct thread *owner;
    long ret;

    lib_lock();
    ret = lock_word(addr, t, false, &owner);
    if (ret == 0 && try_only) {
        ret = -EAGAIN;
    } else if (ret == 0 && is_circle(t, owner)) {
        ret = -EDEADLK;
    } else if (ret == 0) {
        queue_for(t, addr, owner);
        ret = sleep_in_queue(until);
    }
    lib_unlock();
    if (ret == -EINTR) {
        return restart_anyway();
    }
    return ret > 0 ? 0 : ret;
}

static long unlock_locked(uint64_t addr)
{
    struct thread *t = thread_self();
    struct thread *first = futex_next_waiter(NULL, addr);
    uint32_t value, seen, new_value = 0;
    long ret = load_user_u32(&value, addr);

    if (!ret && (value & FUTEX_TID_MASK) != (uint32_t)t->tid) {
        return -EPERM;
    }
    if (first) {
        if (first->futex_kind != FUTEX_PI || first->futex_owner != t) {
            return ret ? ret : -EINVAL;
        }
        new_value = FUTEX_WAITERS | first->tid;
    }
    while (!ret) {
        seen = value;
        ret = cmpxchg_user_u32(addr, &value, new_value);
        if (!ret && value == seen) {
            break;
        }
        if (!ret && (value & FUTEX_TID_MASK) != (uint32_t)t->tid) {
            return -EINVAL;
        }
    }
    if (!ret && first) {
        hand_over(first, addr);
    }
    return ret;
}

/**
 * futex_unlock_pi - give a lock back
 * @addr: its word
 *
 * Return: 0, or a negative errno as Linux gives it.
 * Context: no lock held.
 */
long futex_unlock_pi(uint64_t addr)
{
    long ret;

    lib_lock();
    ret = unlock_locked(addr);
    lib_unlock();
    return ret;
}

/**
 * futex_wait_requeue_pi - wait on a word, to be moved to a lock
 * @addr: the word (of a condition variable)
 * @value: what it is to hold
 * @until: how long to wait
 * @target: the lock's word
 *
 * Return: 0 as the lock's owner, or a negative errno as Linux gives it.
 * Context: no lock held; may sleep.
 */
long futex_wait_requeue_pi(uint64_t addr, uint32_t value,
                           const struct moment *until, uint64_t target)
{
    struct thread *t = thread_self();
    long ret;

    if (addr == target) {
        return -EINVAL;
    }
    lib_lock();
    ret = futex_compare(addr, value);
    if (ret) {
        lib_unlock();
        return ret;
    }
    t->futex_kind = FUTEX_TO_PI;
    t->futex_target = target;
    futex_queue_add(t, addr);
    ret = sleep_in_queue(until);
    lib_unlock();
    if (ret == -EINTR) {
        /* Once moved it is too late to begin anew. */
        return t->futex_kind == FUTEX_PI ? -EAGAIN : restart_anyway();
    }
    return ret;
}

static long move_locked(uint64_t from, int32_t move_count, uint64_t to)
{
    struct thread *t = futex_next_waiter(NULL, from);
    struct thread *owner = NULL, *next;
    int64_t n = 0;
    long ret;

    if (!t) {
        return 0;
    }
    if (t->futex_kind != FUTEX_TO_PI || t->futex_target != to) {
        return -EINVAL;
    }
    ret = lock_word(to, t, move_count > 0, &owner);
    if (ret < 0) {
        return ret;
    }
    if (ret) {
        owner = t;
        t = futex_next_waiter(t, from);
        futex_queue_remove(owner);
        lib_wake(&owner->word, 1);
        n = 1;
    }
    for (; t && n - 1 < move_count; t = next, n++) {
        next = futex_next_waiter(t, from);
        if (t->futex_kind != FUTEX_TO_PI || t->futex_target != to) {
            return -EINVAL;
        }
        if (is_circle(t, owner)) {
            return -EDEADLK;
        }
        futex_queue_remove(t);
        queue_for(t, to, owner);
    }
    return n;
}

/**
 * futex_cmp_requeue_pi - move those who wait on a word to a lock
 * @from: the word
 * @value: what it is to hold
 * @wake_count: 1: the first may become the owner
 * @move_count: how many others at most
 * @to: the lock's word
 *
 * Return: how many, or a negative errno as Linux gives it.
 * Context: no lock held.
 */
long futex_cmp_requeue_pi(uint64_t from, uint32_t value, int32_t wake_count,
                          int32_t move_count, uint64_t to)
{
    long ret;

    if (from == to || wake_count != 1 || move_count < 0) {
        return -EINVAL;
    }
    lib_lock();
    ret = futex_compare(from, value);
    if (!ret) {
        ret = move_locked(from, move_count, to);
    }
    lib_unlock();
    return ret;
}

static struct thread *any_waiter_for(const struct thread *owner)
{
    struct thread *t;

    for (t = process.threads; t; t = t->next) {
        if (t->futex_addr && t->futex_kind == FUTEX_PI &&
            t->futex_owner == owner) {
            return t;
        }
    }
    return NULL;
}

/**
 * futex_pi_leave_locked - pass on the locks of a thread that ends
 * @t: the thread
 *
 * Context: lock held.
 */
void futex_pi_leave_locked(struct thread *t)
{
    struct thread *waiter;
    uint32_t value, seen;
    uint64_t addr;

    while ((waiter = any_waiter_for(t))) {
        addr = waiter->futex_addr;
        waiter = futex_next_waiter(NULL, addr);
        if (!load_user_u32(&value, addr)) {
            do {
                seen = value;
            } while (!cmpxchg_user_u32(addr, &value,
                                       FUTEX_OWNER_DIED | FUTEX_WAITERS |
                                           waiter->tid) &&
                     value != seen);
        }
        hand_over(waiter, addr);
    }
}
