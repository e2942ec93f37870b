/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * futex.c - the program's futexes
 *
 * Queues of our own instead of the kernel's wait() on the program's word: a
 * sleeper waits on a word of its thread block, so that a signal can wake it
 * without a race (see lib_wait()), and a requeue is a change of lists.  The
 * program's word is compared under the lock that the waker takes, which is
 * what makes a wake-up between the comparison and the sleep visible.
 *
 * Locks with an owner (PI futexes) are in futex-pi.c; their waiters lie in the
 * same queues.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/futex.h>
#include "guest-libc/sys/futex.h"
#include "guest-libc/sys/uaccess.h"

#define QUEUES 64u

static struct thread *queues[QUEUES];

static struct thread **queue_of(uint64_t addr)
{
    return &queues[(addr >> 2 ^ addr >> 12) % QUEUES];
}

/**
 * futex_queue_add - put a thread at the end of a word's queue
 * @t: the thread, in no queue
 * @addr: the word
 *
 * Context: lock held.
 */
void futex_queue_add(struct thread *t, uint64_t addr)
{
    struct thread **link = queue_of(addr);

    while (*link) {
        link = &(*link)->futex_next;
    }
    t->futex_addr = addr;
    t->futex_next = NULL;
    *link = t;
}

/**
 * futex_queue_remove - take a thread out of its queue
 * @t: the thread
 *
 * Context: lock held.
 */
void futex_queue_remove(struct thread *t)
{
    struct thread **link = queue_of(t->futex_addr);

    while (*link != t) {
        link = &(*link)->futex_next;
    }
    *link = t->futex_next;
    t->futex_addr = 0;
}

/**
 * futex_next_waiter - go through the threads that wait on a word
 * @after: the one before, or NULL
 * @addr: the word
 *
 * Return: the next one, NULL if there is none.
 * Context: lock held.
 */
struct thread *futex_next_waiter(struct thread *after, uint64_t addr)
{
    struct thread *t = after ? after->futex_next : *queue_of(addr);

    while (t && t->futex_addr != addr) {
        t = t->futex_next;
    }
    return t;
}

/**
 * futex_wake_locked - wake threads that wait on a word of the program
 * @addr: the word
 * @count: at most so many
 * @bits: only those with one of these bits
 *
 * Return: how many; -EINVAL if one of them waits for a lock with an owner.
 * Context: lock held.
 */
long futex_wake_locked(uint64_t addr, uint32_t count, uint32_t bits)
{
    struct thread *t = futex_next_waiter(NULL, addr);
    struct thread *next;
    uint32_t woken = 0;

    for (; t && woken < count; t = next) {
        next = futex_next_waiter(t, addr);
        if (t->futex_kind != FUTEX_PLAIN) {
            return -EINVAL;
        }
        if (t->futex_bits & bits) {
            futex_queue_remove(t);
            lib_wake(&t->word, 1);
            woken++;
        }
    }
    return woken;
}

/**
 * futex_compare - whether a word of the program still has a value
 * @addr: the word
 * @value: the value
 *
 * Return: 0 if it has; -EAGAIN, -EFAULT, -EINVAL.
 * Context: lock held.
 */
long futex_compare(uint64_t addr, uint32_t value)
{
    uint32_t now;
    long ret = load_user_u32(&now, addr);

    return ret ? ret : now == value ? 0 : -EAGAIN;
}

/**
 * futex_wall_set_locked - have those who reckon do it again
 *
 * musl makes a span of the time of day that pthread_cond_timedwait() and its
 * kin are given.  A wake-up for no reason, which every caller has to expect,
 * makes it look at the clock.
 *
 * Context: lock held.
 */
void futex_wall_set_locked(void)
{
    struct thread *t;

    for (t = process.threads; t; t = t->next) {
        if (t->futex_addr && t->futex_reckons) {
            futex_queue_remove(t);
            lib_wake(&t->word, 1);
        }
    }
}

static long futex_wait(uint64_t addr, uint32_t value,
                       const struct moment *until, uint32_t bits, bool span)
{
    struct thread *t = thread_self();
    long ret;

    if (!bits) {
        return -EINVAL;
    }
    lib_lock();
    ret = futex_compare(addr, value);
    if (ret) {
        lib_unlock();
        return ret;
    }
    t->futex_bits = bits;
    t->futex_kind = FUTEX_PLAIN;
    t->futex_reckons = span;
    futex_queue_add(t, addr);
    do {
        ret = thread_sleep_until(until);
    } while (!ret && t->futex_addr);
    t->futex_reckons = false;
    if (!t->futex_addr) {
        ret = 0;
    } else {
        futex_queue_remove(t);
    }
    lib_unlock();
    if (ret == -EINTR && until->ns == SYS_FOREVER) {
        return LIB_RESTART;
    }
    return ret;
}

/* Linux' count of those to wake is looked at after each: one at least. */
static uint32_t at_least_one(uint32_t count)
{
    return (int32_t)count > 1 ? count : 1;
}

static long futex_wake(uint64_t addr, uint32_t count, uint32_t bits)
{
    long ret;

    if (!bits) {
        return -EINVAL;
    }
    lib_lock();
    ret = futex_wake_locked(addr, at_least_one(count), bits);
    lib_unlock();
    return ret;
}

static long requeue_locked(uint64_t from, int32_t wake_count,
                           int32_t move_count, uint64_t to)
{
    struct thread *t = futex_next_waiter(NULL, from);
    struct thread *next;
    int64_t n;

    for (n = 0; t && n - wake_count < move_count; t = next, n++) {
        next = futex_next_waiter(t, from);
        if (t->futex_kind != FUTEX_PLAIN) {
            return -EINVAL;
        }
        if (n < wake_count) {
            futex_queue_remove(t);
            lib_wake(&t->word, 1);
        } else if (from != to) {
            futex_queue_remove(t);
            futex_queue_add(t, to);
        }
    }
    return n;
}

static long futex_requeue(uint64_t from, int32_t wake_count, int32_t move_count,
                          uint64_t to, const uint32_t *expected)
{
    long ret = 0;

    if (wake_count < 0 || move_count < 0) {
        return -EINVAL;
    }
    lib_lock();
    if (expected) {
        ret = futex_compare(from, *expected);
    }
    if (!ret) {
        ret = requeue_locked(from, wake_count, move_count, to);
    }
    lib_unlock();
    return ret;
}

/* FUTEX_WAKE_OP: what to make of the second word's old value, or -ENOSYS. */
static long wake_op_value(uint32_t op, uint32_t old, uint32_t *ret_new)
{
    int32_t arg = (int32_t)(op << 8) >> 20;
    uint32_t operand = arg;

    if (op >> 28 & FUTEX_OP_OPARG_SHIFT) {
        operand = 1u << (arg & 31);
    }
    switch (op >> 28 & 7) {
    case FUTEX_OP_SET:
        *ret_new = operand;
        return 0;
    case FUTEX_OP_ADD:
        *ret_new = old + operand;
        return 0;
    case FUTEX_OP_OR:
        *ret_new = old | operand;
        return 0;
    case FUTEX_OP_ANDN:
        *ret_new = old & ~operand;
        return 0;
    case FUTEX_OP_XOR:
        *ret_new = old ^ operand;
        return 0;
    default:
        return -ENOSYS;
    }
}

/* Whether the old value makes the second word's threads wake, or -ENOSYS. */
static long wake_op_compare(uint32_t op, int32_t old)
{
    int32_t with = (int32_t)(op << 20) >> 20;

    switch (op >> 24 & 15) {
    case FUTEX_OP_CMP_EQ:
        return old == with;
    case FUTEX_OP_CMP_NE:
        return old != with;
    case FUTEX_OP_CMP_LT:
        return old < with;
    case FUTEX_OP_CMP_LE:
        return old <= with;
    case FUTEX_OP_CMP_GT:
        return old > with;
    case FUTEX_OP_CMP_GE:
        return old >= with;
    default:
        return -ENOSYS;
    }
}

static long wake_op_locked(uint64_t addr, uint32_t count, uint64_t addr2,
                           uint32_t count2, uint32_t op)
{
    uint32_t old, seen, new_value;
    long ret = load_user_u32(&old, addr2), more, woken;

    if (ret) {
        return ret;
    }
    do {
        seen = old;
        ret = wake_op_value(op, old, &new_value);
        if (!ret) {
            ret = cmpxchg_user_u32(addr2, &old, new_value);
        }
        if (ret) {
            return ret;
        }
    } while (old != seen);
    more = wake_op_compare(op, old);
    if (more < 0) {
        return more;
    }
    woken = futex_wake_locked(addr, at_least_one(count), ~0u);
    if (woken < 0 || !more) {
        return woken;
    }
    ret = futex_wake_locked(addr2, at_least_one(count2), ~0u);
    return ret < 0 ? ret : woken + ret;
}

static long futex_wake_op(struct sys_args *args)
{
    long ret;

    lib_lock();
    ret = wake_op_locked(args->arg[0], args->arg[2], args->arg[4], args->arg[3],
                         args->arg[5]);
    lib_unlock();
    return ret;
}

/* The time-out of a call; LOCK_PI's is a time of day by itself. */
static long futex_until(struct sys_args *args, uint32_t op,
                        struct moment *ret_until)
{
    bool wall = (args->arg[1] & FUTEX_CLOCK_REALTIME) || op == FUTEX_LOCK_PI;
    uint64_t ns;
    long ret;

    *ret_until = (struct moment){ .ns = SYS_FOREVER };
    if (!args->arg[3]) {
        return 0;
    }
    ret = timespec_from_user(args->arg[3], &ns);
    if (ret) {
        return ret;
    }
    if (op == FUTEX_WAIT) {
        ret_until->ns = deadline_after(ns);
    } else {
        ret_until->ns = ns;
        ret_until->base = wall ? CLOCK_BASE_WALL : CLOCK_BASE_MONO;
    }
    return 0;
}

static long futex_wait_call(struct sys_args *args, uint32_t op)
{
    struct moment until;
    long ret = futex_until(args, op, &until);

    if (ret) {
        return ret;
    }
    switch (op) {
    case FUTEX_WAIT:
        return futex_wait(args->arg[0], args->arg[2], &until, ~0u,
                          until.ns != SYS_FOREVER);
    case FUTEX_WAIT_BITSET:
        return futex_wait(args->arg[0], args->arg[2], &until, args->arg[5],
                          false);
    case FUTEX_WAIT_REQUEUE_PI:
        return futex_wait_requeue_pi(args->arg[0], args->arg[2], &until,
                                     args->arg[4]);
    default:
        return futex_lock_pi(args->arg[0], &until, false);
    }
}

/* Alignment and range of both words, which Linux looks at first. */
static long futex_check(const struct sys_args *args, uint32_t op)
{
    bool two = op == FUTEX_REQUEUE || op == FUTEX_CMP_REQUEUE ||
               op == FUTEX_CMP_REQUEUE_PI || op == FUTEX_WAKE_OP ||
               op == FUTEX_WAIT_REQUEUE_PI;
    uint64_t a = args->arg[0], b = two ? args->arg[4] : 0;
    uint32_t value;

    if ((a | b) & 3) {
        return -EINVAL;
    }
    if (a >= USER_END || b >= USER_END || (two && !b)) {
        return -EFAULT;
    }
    if (args->arg[1] & FUTEX_PRIVATE_FLAG) {
        return 0;
    }
    /* A shared word is looked up by what lies there. */
    if (load_user_u32(&value, a)) {
        return -EFAULT;
    }
    return two ? load_user_u32(&value, b) : 0;
}

static long futex_serve(struct sys_args *args, uint32_t op)
{
    uint64_t addr = args->arg[0], addr2 = args->arg[4];
    uint32_t value = args->arg[2], value2 = args->arg[3], value3 = args->arg[5];

    switch (op) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return futex_wait_call(args, op);
    case FUTEX_WAKE:
        return futex_wake(addr, value, ~0u);
    case FUTEX_WAKE_BITSET:
        return futex_wake(addr, value, value3);
    case FUTEX_REQUEUE:
        return futex_requeue(addr, value, value2, addr2, NULL);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(addr, value, value2, addr2, &value3);
    case FUTEX_WAKE_OP:
        return futex_wake_op(args);
    case FUTEX_TRYLOCK_PI:
        return futex_lock_pi(addr, NULL, true);
    case FUTEX_UNLOCK_PI:
        return futex_unlock_pi(addr);
    case FUTEX_CMP_REQUEUE_PI:
        return futex_cmp_requeue_pi(addr, value3, value, value2, addr2);
    default:
        return -ENOSYS;
    }
}

static bool futex_op_known(uint32_t op)
{
    return op <= FUTEX_LOCK_PI2 && op != FUTEX_FD;
}

/*
 * @linux call futex - one CPU and no priorities: a lock's owner inherits none
 * @test guest/programs/futex.c "a wait times out"
 * @test guest/programs/futex-ops.c "wake-op: both words' threads"
 * @test guest/programs/locks.c "the waiter becomes the owner"
 * @test unit/libc-sys/test-futex.c "/libc-sys/futex/wall-set"
 */
static long futex_call(struct sys_args *args)
{
    uint32_t op = args->arg[1] & FUTEX_CMD_MASK;
    long ret;

    if ((args->arg[1] & FUTEX_CLOCK_REALTIME) && op != FUTEX_WAIT_BITSET &&
        op != FUTEX_WAIT_REQUEUE_PI && op != FUTEX_LOCK_PI2) {
        return -ENOSYS;
    }
    if (!futex_op_known(op)) {
        return -ENOSYS;
    }
    ret = futex_check(args, op);
    return ret ? ret : futex_serve(args, op);
}

const struct sys_entry futex_calls[] = {
    { __NR_futex, "futex", futex_call },
    { 0, NULL, NULL },
};
