/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wait.c - sleep until an address is woken
 *
 * A waiting thread is in the queue of its (process, address), by hash, and
 * with a deadline also in a list by time.  Nothing runs between the look at
 * the value and the thread's place in the queue, so no wake-up can be lost.
 */
#include "kernel.h"

#define WAIT_BUCKETS 64

static struct list buckets[WAIT_BUCKETS];
static struct list deadlines; /* earliest first */

/**
 * wait_init - prepare for the first wait
 */
void wait_init(void)
{
    unsigned int i;

    for (i = 0; i < WAIT_BUCKETS; i++) {
        list_init(&buckets[i]);
    }
    list_init(&deadlines);
}

static struct list *bucket(const struct process *process, uint64_t addr)
{
    uint64_t hash = (addr >> 2) * 0x9e3779b97f4a7c15ull;

    return &buckets[((hash >> 56) ^ process->number) % WAIT_BUCKETS];
}

static void add_deadline(struct thread *thread, uint64_t deadline_ns)
{
    struct list *at = deadlines.prev;

    /* From the end: most deadlines are later than those that wait. */
    while (at != &deadlines &&
           CONTAINER_OF(at, struct thread, timed)->deadline_ns > deadline_ns) {
        at = at->prev;
    }
    thread->deadline_ns = deadline_ns;
    list_add_before(at->next, &thread->timed);
}

/*
 * An interrupt since the thread last looked at pending must not be slept
 * over; one that its library has served meanwhile counts no more.
 */
static bool was_interrupted(struct thread *thread)
{
    const struct sys_ublock *ublock;

    if (!thread->interrupted) {
        return false;
    }
    thread->interrupted = false;
    ublock = thread_ublock(thread);
    return ublock == NULL || ublock->pending != 0;
}

/**
 * wait_on - sleep while a word has a value
 * @addr: user address of the word
 * @value: sleep only if it is this
 * @deadline_ns: monotonic time to give up, or SYS_FOREVER
 *
 * Context: may block.
 *
 * Return: 0 when woken, -EAGAIN (other value), -ETIMEDOUT, -EINTR, -EFAULT.
 */
int wait_on(uint64_t addr, uint32_t value, uint64_t deadline_ns)
{
    struct thread *thread = current;
    uint32_t seen;
    int result = load_user_u32(addr, &seen);

    if (result != 0) {
        return result;
    }
    if (seen != value) {
        return -EAGAIN;
    }
    if (was_interrupted(thread)) {
        return -EINTR;
    }
    if (deadline_ns != SYS_FOREVER) {
        if (deadline_ns <= time_now_ns()) {
            return -ETIMEDOUT;
        }
        add_deadline(thread, deadline_ns);
    }
    thread->wait_addr = addr;
    list_add_before(bucket(thread->process, addr), &thread->queue);
    sched_block();
    return thread->wait_result;
}

/**
 * wait_finish - end a thread's wait
 * @thread: the thread, waiting
 * @result: what its wait_on() returns
 */
void wait_finish(struct thread *thread, int result)
{
    sched_remove(thread);
    thread->wait_result = result;
    sched_ready(thread);
}

/**
 * wait_wake - wake threads that wait for an address
 * @process: whose address
 * @addr: the address
 * @count: how many at most; the longest waiting first
 *
 * Return: how many were woken.
 */
uint32_t wait_wake(struct process *process, uint64_t addr, uint32_t count)
{
    struct list *head = bucket(process, addr);
    struct list *node, *next;
    uint32_t woken = 0;

    for (node = head->next; node != head && woken < count; node = next) {
        struct thread *thread = CONTAINER_OF(node, struct thread, queue);

        next = node->next;
        if (thread->process == process && thread->wait_addr == addr) {
            wait_finish(thread, 0);
            woken++;
        }
    }
    return woken;
}

/**
 * wait_expire - end waits whose deadline is over
 * @now_ns: the time
 *
 * Context: the timer.
 */
void wait_expire(uint64_t now_ns)
{
    while (!list_empty(&deadlines)) {
        struct thread *thread =
            CONTAINER_OF(deadlines.next, struct thread, timed);

        if (thread->deadline_ns > now_ns) {
            break;
        }
        wait_finish(thread, -ETIMEDOUT);
    }
}

/**
 * wait_first_deadline_ns - when the timer is needed for a wait
 *
 * Return: the earliest deadline, or SYS_FOREVER.
 */
uint64_t wait_first_deadline_ns(void)
{
    if (list_empty(&deadlines)) {
        return SYS_FOREVER;
    }
    return CONTAINER_OF(deadlines.next, struct thread, timed)->deadline_ns;
}
