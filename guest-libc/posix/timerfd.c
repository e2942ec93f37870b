/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timerfd.c - timers to wait for
 *
 * Armed timers are on one list; the round of the poller (net/poller.c) wakes
 * those that are due and takes the earliest deadline of the others, so a timer
 * costs nothing while nobody is woken.
 */
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include <sys/timerfd.h>

struct timerfd {
    struct file file;
    bool wall;        /* CLOCK_REALTIME */
    bool told;        /* of the expiry at next_ns */
    uint64_t next_ns; /* monotonic; 0: disarmed */
    uint64_t interval_ns;
    struct list armed_node;
};

static struct list timerfd_armed = LIST_INIT(timerfd_armed);
static const struct file_ops timerfd_ops;

static struct timerfd *timerfd_of(struct file *file)
{
    return file && file->ops == &timerfd_ops
               ? list_entry(file, struct timerfd, file)
               : NULL;
}

static bool timerfd_is_due(const struct timerfd *t)
{
    return t->next_ns && prim_now_ns() >= t->next_ns;
}

/**
 * timerfd_run() - wake those that are due
 * @now_ns: the present
 *
 * Return: when the next one is due, SYS_FOREVER if none is.
 * Context: lock held.
 */
uint64_t timerfd_run(uint64_t now_ns)
{
    uint64_t next_ns = SYS_FOREVER;
    struct list *node;

    list_for_each (node, &timerfd_armed) {
        struct timerfd *t = list_entry(node, struct timerfd, armed_node);

        if (t->told) {
            continue;
        }
        if (now_ns >= t->next_ns) {
            t->told = true;
            file_wake(&t->file, EPOLLIN);
        } else if (t->next_ns < next_ns) {
            next_ns = t->next_ns;
        }
    }
    return next_ns;
}

static uint32_t timerfd_events(struct file *file)
{
    return timerfd_is_due(timerfd_of(file)) ? EPOLLIN : 0;
}

/* Take the expiries since the last time. */
static uint64_t timerfd_take(struct timerfd *t)
{
    uint64_t n = 1;

    if (t->interval_ns) {
        n += (prim_now_ns() - t->next_ns) / t->interval_ns;
        t->next_ns += n * t->interval_ns;
    } else {
        t->next_ns = 0;
        list_remove(&t->armed_node);
    }
    t->told = false;
    return n;
}

static long timerfd_read(struct file *file, struct uio *uio)
{
    struct timerfd *t = timerfd_of(file);
    uint64_t n;

    if (uio->left_bytes < sizeof(n)) {
        return -EINVAL;
    }
    if (!timerfd_is_due(t)) {
        return -EAGAIN;
    }
    n = timerfd_take(t);
    return uio_copy_out(uio, &n, sizeof(n)) ? -EFAULT : (long)sizeof(n);
}

static void timerfd_release(struct file *file)
{
    struct timerfd *t = timerfd_of(file);

    list_remove(&t->armed_node);
    heap_free(t);
}

static const struct file_ops timerfd_ops = {
    .name = "timerfd",
    .mode = 0600,
    .events = timerfd_events,
    .read = timerfd_read,
    .release = timerfd_release,
};

/** timerfd_sys_create() - timerfd_create(clock, flags) */
long timerfd_sys_create(struct sys_args *a)
{
    uint32_t clock = (uint32_t)a->arg[0], flags = (uint32_t)a->arg[1];
    struct timerfd *t;
    long ret;

    if (flags & ~(TFD_NONBLOCK | TFD_CLOEXEC) ||
        (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC &&
         clock != CLOCK_BOOTTIME)) {
        return -EINVAL;
    }
    lib_lock();
    t = heap_zalloc(sizeof(*t));
    if (t) {
        file_init(&t->file, &timerfd_ops, O_RDWR | (flags & TFD_NONBLOCK));
        list_init(&t->armed_node);
        t->wall = clock == CLOCK_REALTIME;
    }
    ret = fd_open(t ? &t->file : NULL, flags);
    lib_unlock();
    return ret;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
}

static struct itimerspec timerfd_state(const struct timerfd *t)
{
    uint64_t now = prim_now_ns(), left = 0;

    if (t->next_ns) {
        left = t->next_ns > now ? t->next_ns - now : 1;
    }
    return (struct itimerspec){
        timespec_of(t->interval_ns),
        timespec_of(left),
    };
}

/* An absolute time of the timer's clock as a monotonic one; never 0. */
static uint64_t timerfd_absolute(const struct timerfd *t, uint64_t at_ns)
{
    uint64_t now = prim_now_ns(), wall;

    if (t->wall) {
        wall = prim_wall_ns();
        return at_ns > wall ? now + (at_ns - wall) : now;
    }
    return at_ns;
}

static void timerfd_arm(struct timerfd *t, uint64_t value_ns,
                        uint64_t interval_ns, bool absolute)
{
    list_remove(&t->armed_node);
    t->told = false;
    t->next_ns = 0;
    t->interval_ns = interval_ns;
    if (value_ns) {
        t->next_ns =
            absolute ? timerfd_absolute(t, value_ns) : wait_deadline(value_ns);
        list_append(&timerfd_armed, &t->armed_node);
        net_kick();
    }
}

/** timerfd_sys_settime() - timerfd_settime(fd, flags, new, old) */
long timerfd_sys_settime(struct sys_args *a)
{
    uint64_t interval_ns, value_ns;
    struct itimerspec old;
    struct timerfd *t;
    long ret = a->arg[2] ? user_timespec(a->arg[2], &interval_ns) : -EFAULT;

    if (!ret) {
        ret = user_timespec(a->arg[2] + sizeof(struct timespec), &value_ns);
    }
    if (ret) {
        return ret;
    }
    lib_lock();
    t = timerfd_of(fd_file(a->arg[0]));
    if (!t) {
        ret = fd_file(a->arg[0]) ? -EINVAL : -EBADF;
    } else {
        old = timerfd_state(t);
        timerfd_arm(t, value_ns, interval_ns, a->arg[1] & TFD_TIMER_ABSTIME);
    }
    lib_unlock();
    if (!ret && a->arg[3]) {
        ret = copy_to_user(a->arg[3], &old, sizeof(old));
    }
    return ret;
}

/** timerfd_sys_gettime() - timerfd_gettime(fd, current) */
long timerfd_sys_gettime(struct sys_args *a)
{
    struct itimerspec state;
    struct timerfd *t;

    lib_lock();
    t = timerfd_of(fd_file(a->arg[0]));
    if (t) {
        state = timerfd_state(t);
    }
    lib_unlock();
    return t ? copy_to_user(a->arg[1], &state, sizeof(state)) : -EBADF;
}
