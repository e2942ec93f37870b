/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wait.c - threads that wait for files
 *
 * A waiter is on the list of the file it waits for, or on wait_any when it
 * waits for several (poll, select).  Its word changes when one of its events
 * may have come true.
 */
#include "guest-libc/net/net.h"
#include "guest-libc/posix/file.h"

static struct list wait_any = LIST_INIT(wait_any);

/* What nobody can mask out. */
#define WAIT_ALWAYS (EPOLLERR | EPOLLHUP)

static void list_wake(struct list *waiters, uint32_t events, bool all)
{
    struct list *node;

    list_for_each (node, waiters) {
        struct waiter *w = list_entry(node, struct waiter, node);

        /* One that is awake already will look by itself. */
        if ((w->events & events) && !w->word) {
            net_wake(&w->word, 1);
            if (!all) {
                return;
            }
        }
    }
}

/**
 * file_wait() - sleep until @file may have one of @events
 * @file: the file, or NULL for any
 * @events: EPOLL*; errors always count
 * @deadline_ns: absolute, or SYS_FOREVER
 *
 * Return: 0 (look again), -EINTR, -ETIMEDOUT.
 * Context: lock held; released while it sleeps.
 */
long file_wait(struct file *file, uint32_t events, uint64_t deadline_ns)
{
    struct waiter w = { .events = events | WAIT_ALWAYS };
    long ret;

    if (file) {
        file_hold(file);
    }
    list_append(file ? &file->waiters : &wait_any, &w.node);
    /* May let the lock go: only now that no event can be missed. */
    stdio_flush();
    /* The very attempt that failed may have made it possible (loopback). */
    if (file && (file->ops->events(file) & w.events)) {
        net_poll();
        ret = 0;
    } else {
        ret = net_sleep(&w.word, 0, deadline_ns);
    }
    list_remove(&w.node);
    if (file) {
        file_release(file);
    }
    return ret;
}

/**
 * file_wait_for_call() - wait within a call that found nothing to do
 * @file: the file
 * @events: what the call needs
 * @deadline_ns: absolute, or SYS_FOREVER
 *
 * Linux restarts a call that a signal ended unless it had a time-out.
 *
 * Return: 0 (try again), or what the call is to return.
 * Context: lock held; released while it sleeps.
 */
long file_wait_for_call(struct file *file, uint32_t events,
                        uint64_t deadline_ns)
{
    switch (file_wait(file, events, deadline_ns)) {
    case -EINTR:
        return deadline_ns == SYS_FOREVER ? LIB_RESTART : -EINTR;
    case -ETIMEDOUT:
        return -EAGAIN;
    default:
        return 0;
    }
}

/**
 * wait_wake_any() - wake threads that wait for several files
 * @events: what came true
 *
 * Context: lock held.
 */
void wait_wake_any(uint32_t events)
{
    list_wake(&wait_any, events, true);
}

/**
 * wait_wake() - wake threads that wait for @file
 * @file: the file
 * @events: what came true
 * @all: every one, or the first that sleeps
 *
 * Context: lock held.
 */
void wait_wake(struct file *file, uint32_t events, bool all)
{
    list_wake(&file->waiters, events, all);
}

/**
 * wait_deadline() - a time span as a deadline
 * @from_now_ns: SYS_FOREVER for none
 *
 * Return: absolute, monotonic.
 */
uint64_t wait_deadline(uint64_t from_now_ns)
{
    uint64_t now = prim_now_ns();

    return from_now_ns >= SYS_FOREVER - now ? SYS_FOREVER : now + from_now_ns;
}
