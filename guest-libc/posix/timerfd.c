/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timerfd.c - timers to wait for
 *
 * Armed timers are on one list; the round of the poller (net/poller.c) wakes
 * those that are due and takes the earliest deadline of the others, so a timer
 * costs nothing while nobody is woken.
 *
 * A timer keeps the moment of its own clock: one that was set to a time of day
 * stays true to it when the wall clock is set.  Expiries are counted when
 * somebody looks.
 */
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include <sys/timerfd.h>

struct timerfd {
    struct file file;
    bool realtime;    /* made for the wall clock */
    bool wall;        /* next_ns is a time of day */
    bool on_set;      /* TFD_TIMER_CANCEL_ON_SET */
    bool cancelled;   /* the clock was set, nobody was told yet */
    bool told;        /* of an expiry, which nobody has read yet */
    uint64_t ticks;   /* expiries nobody has read */
    uint64_t next_ns; /* 0: disarmed */
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

static uint64_t timerfd_now(const struct timerfd *t)
{
    return t->wall ? prim_wall_ns() : prim_now_ns();
}

/* Count what has expired by now. */
static void timerfd_count(struct timerfd *t)
{
    uint64_t now_ns = timerfd_now(t), n = 1;

    if (!t->next_ns || now_ns < t->next_ns) {
        return;
    }
    if (t->interval_ns) {
        n += (now_ns - t->next_ns) / t->interval_ns;
        t->next_ns += n * t->interval_ns;
    } else {
        t->next_ns = 0;
    }
    t->ticks += n;
}

static uint64_t timerfd_left(const struct timerfd *t)
{
    uint64_t now_ns = timerfd_now(t);

    return t->next_ns > now_ns ? t->next_ns - now_ns : 0;
}

/**
 * timerfd_run() - wake those that are due
 * @now_ns: the present, monotonic
 *
 * Return: when the next one is due, SYS_FOREVER if none is.
 * Context: lock held.
 */
uint64_t timerfd_run(uint64_t now_ns)
{
    uint64_t next_ns = SYS_FOREVER, at_ns;
    struct list *node;

    list_for_each (node, &timerfd_armed) {
        struct timerfd *t = list_entry(node, struct timerfd, armed_node);

        if (t->told || t->next_ns == SYS_FOREVER) {
            continue;
        }
        timerfd_count(t);
        if (t->ticks) {
            t->told = true;
            file_wake(&t->file, EPOLLIN);
            continue;
        }
        at_ns = now_ns + timerfd_left(t);
        if (t->next_ns && at_ns < next_ns) {
            next_ns = at_ns;
        }
    }
    return next_ns;
}

/**
 * posix_wall_set() - the wall clock was set
 * @step: not just trimmed: who asked for it is told
 *
 * Context: lock held.
 */
void posix_wall_set(bool step)
{
    struct list *node;

    list_for_each (node, &timerfd_armed) {
        struct timerfd *t = list_entry(node, struct timerfd, armed_node);

        if (step && t->on_set) {
            t->cancelled = true;
            file_wake(&t->file, EPOLLIN);
        }
    }
    net_kick();
}

static uint32_t timerfd_events(struct file *file)
{
    struct timerfd *t = timerfd_of(file);

    timerfd_count(t);
    return t->ticks || t->cancelled ? EPOLLIN : 0;
}

static long timerfd_read(struct file *file, struct uio *uio)
{
    struct timerfd *t = timerfd_of(file);
    uint64_t n;

    if (uio->left_bytes < sizeof(n)) {
        return -EINVAL;
    }
    timerfd_count(t);
    n = t->ticks;
    if (!n && !t->cancelled) {
        return -EAGAIN;
    }
    t->ticks = 0;
    t->told = false;
    if (t->cancelled) {
        t->cancelled = false;
        return -ECANCELED;
    }
    return uio_copy_out(uio, &n, sizeof(n)) ? -EFAULT : (long)sizeof(n);
}

static void timerfd_release(struct file *file)
{
    struct timerfd *t = timerfd_of(file);

    list_remove(&t->armed_node);
    heap_free(t);
}

static const struct file_ops timerfd_ops = {
    .name = "[timerfd]",
    .mode = 0600,
    .events = timerfd_events,
    .read = timerfd_read,
    .release = timerfd_release,
};

static bool timerfd_clock_known(uint32_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC ||
           clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME_ALARM ||
           clock == CLOCK_BOOTTIME_ALARM;
}

/**
 * timerfd_sys_create() - timerfd_create(clock, flags)
 *
 * @linux call timerfd_create
 * @test guest/programs/timerfds.c "timerfd: other clocks are EINVAL"
 */
long timerfd_sys_create(struct sys_args *a)
{
    uint32_t clock = (uint32_t)a->arg[0], flags = (uint32_t)a->arg[1];
    struct timerfd *t;
    long ret;

    if (flags & ~(TFD_NONBLOCK | TFD_CLOEXEC) || !timerfd_clock_known(clock)) {
        return -EINVAL;
    }
    lib_lock();
    t = heap_zalloc(sizeof(*t));
    if (t) {
        file_init(&t->file, &timerfd_ops, O_RDWR | (flags & TFD_NONBLOCK));
        list_init(&t->armed_node);
        t->realtime = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
    }
    ret = fd_open(t ? &t->file : NULL, flags);
    lib_unlock();
    return ret;
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
}

static struct itimerspec timerfd_state(struct timerfd *t)
{
    timerfd_count(t);
    return (struct itimerspec){
        timespec_of(t->interval_ns),
        timespec_of(timerfd_left(t)),
    };
}

/* Spans are measured by the monotonic clock, whatever the timer's is. */
static void timerfd_arm(struct timerfd *t, uint64_t value_ns,
                        uint64_t interval_ns, uint32_t flags)
{
    bool absolute = flags & TFD_TIMER_ABSTIME;

    list_remove(&t->armed_node);
    t->told = t->cancelled = false;
    t->ticks = 0;
    t->next_ns = 0;
    t->interval_ns = interval_ns;
    t->wall = t->realtime && absolute;
    t->on_set = t->wall && (flags & TFD_TIMER_CANCEL_ON_SET);
    if (value_ns) {
        t->next_ns = absolute ? value_ns : wait_deadline(value_ns);
    }
    if (value_ns || t->on_set) {
        list_append(&timerfd_armed, &t->armed_node);
        net_kick();
    }
}

/**
 * timerfd_sys_settime() - timerfd_settime(fd, flags, new, old)
 *
 * @linux call timerfd_settime timerfd_gettime
 * @test guest/programs/timerfds.c "timerfd: nothing is left of one shot"
 * @test unit/libc-posix/test-files.c "/libc/timerfd/wall-set"
 */
long timerfd_sys_settime(struct sys_args *a)
{
    const uint32_t known = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
    uint32_t flags = (uint32_t)a->arg[1];
    uint64_t interval_ns, value_ns;
    struct itimerspec old;
    struct timerfd *t;
    long ret = a->arg[2] ? user_timespec(a->arg[2], &interval_ns) : -EFAULT;

    if (!ret) {
        ret = user_timespec(a->arg[2] + sizeof(struct timespec), &value_ns);
    }
    if (ret || flags & ~known) {
        return ret ? ret : -EINVAL;
    }
    lib_lock();
    t = timerfd_of(fd_file(a->arg[0]));
    if (!t) {
        ret = fd_file(a->arg[0]) ? -EINVAL : -EBADF;
    } else {
        old = timerfd_state(t);
        timerfd_arm(t, value_ns, interval_ns, flags);
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
    long ret = 0;

    lib_lock();
    t = timerfd_of(fd_file(a->arg[0]));
    if (t) {
        state = timerfd_state(t);
    } else {
        ret = fd_file(a->arg[0]) ? -EINVAL : -EBADF;
    }
    lib_unlock();
    return ret ? ret : copy_to_user(a->arg[1], &state, sizeof(state));
}
