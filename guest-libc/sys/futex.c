/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * futex.c - the program's futexes
 *
 * Queues of our own instead of the kernel's wait() on the program's word: a
 * sleeper waits on a word of its thread block, so that a signal can wake it
 * without a race (see lib_wait()), and a requeue is a change of lists.  The
 * program's word is compared under the lock that the waker takes, which is
 * what makes a wake-up between the comparison and the sleep visible.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/timespec.h"
#include "guest-libc/sys/uaccess.h"

#define QUEUES 64u

static struct thread *queues[QUEUES];

static struct thread **queue_of(uint64_t addr)
{
    return &queues[(addr >> 2 ^ addr >> 12) % QUEUES];
}

static void queue_add(struct thread *t, uint64_t addr)
{
    struct thread **link = queue_of(addr);

    while (*link) {
        link = &(*link)->futex_next;
    }
    t->futex_addr = addr;
    t->futex_next = NULL;
    *link = t;
}

static void queue_remove(struct thread *t)
{
    struct thread **link = queue_of(t->futex_addr);

    while (*link != t) {
        link = &(*link)->futex_next;
    }
    *link = t->futex_next;
    t->futex_addr = 0;
}

/**
 * futex_wake_locked - wake threads that wait on a word of the program
 * @addr: the word
 * @count: at most so many
 * @bits: only those with one of these bits
 *
 * Return: how many.
 * Context: lock held.
 */
long futex_wake_locked(uint64_t addr, uint32_t count, uint32_t bits)
{
    struct thread *t = *queue_of(addr);
    struct thread *next;
    uint32_t woken = 0;

    for (; t && woken < count; t = next) {
        next = t->futex_next;
        if (t->futex_addr == addr && (t->futex_bits & bits)) {
            queue_remove(t);
            lib_wake(&t->word, 1);
            woken++;
        }
    }
    return woken;
}

static long futex_wait(uint64_t addr, uint32_t value, uint64_t deadline_ns,
                       uint32_t bits)
{
    struct thread *t = thread_self();
    uint32_t now;
    long ret;

    if (!bits) {
        return -EINVAL;
    }
    lib_lock();
    ret = load_user_u32(&now, addr);
    if (!ret && now != value) {
        ret = -EAGAIN;
    }
    if (ret) {
        lib_unlock();
        return ret;
    }
    t->futex_bits = bits;
    queue_add(t, addr);
    do {
        ret = lib_wait(&t->word, t->word, deadline_ns);
    } while (!ret && t->futex_addr);
    if (!t->futex_addr) {
        ret = 0;
    } else {
        queue_remove(t);
    }
    lib_unlock();
    if (ret == -EINTR && deadline_ns == SYS_FOREVER) {
        return LIB_RESTART;
    }
    return ret;
}

static long futex_requeue(uint64_t from, uint32_t wake_count,
                          uint32_t move_count, uint64_t to,
                          const uint32_t *expected)
{
    struct thread *t, *next;
    uint32_t now, moved = 0;
    long ret;

    lib_lock();
    if (expected) {
        ret = load_user_u32(&now, from);
        if (!ret && now != *expected) {
            ret = -EAGAIN;
        }
        if (ret) {
            lib_unlock();
            return ret;
        }
    }
    ret = futex_wake_locked(from, wake_count, ~0u);
    for (t = *queue_of(from); t && from != to && moved < move_count; t = next) {
        next = t->futex_next;
        if (t->futex_addr == from) {
            queue_remove(t);
            queue_add(t, to);
            moved++;
        }
    }
    lib_unlock();
    return ret + (expected ? moved : 0);
}

static long futex_deadline(uint64_t user_timeout, bool absolute, bool wall,
                           uint64_t *ret_deadline_ns)
{
    uint64_t ns;
    long ret;

    *ret_deadline_ns = SYS_FOREVER;
    if (!user_timeout) {
        return 0;
    }
    ret = timespec_from_user(user_timeout, &ns);
    if (ret) {
        return ret;
    }
    if (!absolute) {
        *ret_deadline_ns = deadline_after(ns);
    } else {
        *ret_deadline_ns = wall ? deadline_at_wall(ns) : ns;
    }
    return 0;
}

static long futex_call(struct sys_args *args)
{
    uint64_t addr = args->arg[0];
    uint32_t op = args->arg[1];
    uint32_t value = args->arg[2];
    uint32_t bits = args->arg[5];
    bool wall = op & FUTEX_CLOCK_REALTIME;
    uint64_t deadline_ns;
    long ret;

    if (addr & 3) {
        return -EINVAL;
    }
    op &= ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    switch (op) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        ret = futex_deadline(args->arg[3], op == FUTEX_WAIT_BITSET, wall,
                             &deadline_ns);
        if (ret) {
            return ret;
        }
        return futex_wait(addr, value, deadline_ns,
                          op == FUTEX_WAIT ? ~0u : bits);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
        lib_lock();
        ret = futex_wake_locked(addr, value, op == FUTEX_WAKE ? ~0u : bits);
        lib_unlock();
        return ret;
    case FUTEX_REQUEUE:
        return futex_requeue(addr, value, args->arg[3], args->arg[4], NULL);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(addr, value, args->arg[3], args->arg[4], &bits);
    default:
        return -ENOSYS;
    }
}

const struct sys_entry futex_calls[] = {
    { __NR_futex, "futex", futex_call },
    { 0, NULL, NULL },
};
