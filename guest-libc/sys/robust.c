/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * robust.c - mutexes whose owner ended
 *
 * A program keeps, for each thread, a list of the locks that the thread holds.
 * When it ends each of them is marked, and one of its waiters is woken.  The
 * list lies in the program's memory: any of it may be wrong, and a circle has
 * no end.  At the end of the process nobody is left to be told.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include "guest-libc/sys/futex.h"
#include "guest-libc/sys/uaccess.h"

#define PI_BIT 1u /* of an entry's address: the lock is a PI futex */

/* False: there is no going on. */
static bool lock_died(const struct thread *t, uint64_t addr, bool pi,
                      bool pending)
{
    uint32_t value, seen;

    if (load_user_u32(&value, addr)) {
        return false;
    }
    /* It ended between giving the lock back and waking the next one. */
    if (pending && !pi && !(value & FUTEX_TID_MASK)) {
        futex_wake_locked(addr, 1, ~0u);
        return true;
    }
    do {
        if ((value & FUTEX_TID_MASK) != (uint32_t)t->tid) {
            return true;
        }
        seen = value;
        if (cmpxchg_user_u32(addr, &value,
                             (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED)) {
            return false;
        }
    } while (value != seen);
    /* A PI futex is passed on by futex_pi_leave_locked(). */
    if (!pi && (value & FUTEX_WAITERS)) {
        futex_wake_locked(addr, 1, ~0u);
    }
    return true;
}

/**
 * robust_leave_locked - mark what a thread holds that ends
 * @t: the calling thread
 *
 * Context: lock held.
 */
void robust_leave_locked(struct thread *t)
{
    struct robust_list_head head;
    uint64_t entry, next, pending;
    unsigned n;

    if (!t->robust_list ||
        copy_from_user(&head, t->robust_list, sizeof(head))) {
        return;
    }
    pending = (uint64_t)head.list_op_pending;
    entry = (uint64_t)head.list.next;
    for (n = 0; (entry & ~(uint64_t)PI_BIT) != t->robust_list; n++) {
        /* Read on first: whoever is woken may free the entry. */
        bool more =
            !copy_from_user(&next, entry & ~(uint64_t)PI_BIT, sizeof(next));

        if (entry != pending &&
            !lock_died(t, (entry & ~(uint64_t)PI_BIT) + head.futex_offset,
                       entry & PI_BIT, false)) {
            return;
        }
        if (!more || n == ROBUST_LIST_LIMIT) {
            break;
        }
        entry = next;
    }
    if (pending) {
        lock_died(t, (pending & ~(uint64_t)PI_BIT) + head.futex_offset,
                  pending & PI_BIT, true);
    }
}

/* @linux call set_robust_list get_robust_list
 * @test guest/programs/locks.c "the owner ended: EOWNERDEAD" */
static long robust_set(struct sys_args *args)
{
    if (args->arg[1] != sizeof(struct robust_list_head)) {
        return -EINVAL;
    }
    thread_self()->robust_list = args->arg[0];
    return 0;
}

/* get_robust_list(tid, list, length) */
static long robust_get(struct sys_args *args)
{
    uint64_t list = 0, len_bytes = sizeof(struct robust_list_head);
    int tid = args->arg[0] ? (int)args->arg[0] : thread_tid();
    struct thread *t;

    lib_lock();
    t = thread_find_locked(tid);
    if (t) {
        list = t->robust_list;
    }
    lib_unlock();
    if (!t) {
        return -ESRCH;
    }
    if (copy_to_user(args->arg[2], &len_bytes, sizeof(len_bytes))) {
        return -EFAULT;
    }
    return copy_to_user(args->arg[1], &list, sizeof(list));
}

const struct sys_entry robust_calls[] = {
    { __NR_set_robust_list, "set_robust_list", robust_set },
    { __NR_get_robust_list, "get_robust_list", robust_get },
    { 0, NULL, NULL },
};
