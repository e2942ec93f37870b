/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * posix-timer.c - timers that a program makes: timer_create() and its kin
 *
 * Each owns the one signal that it may have waiting; what is due meanwhile is
 * counted by it (see signal_send_kept_locked()).  A timer that tells nobody
 * does not run: what it would say is reckoned when somebody asks.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/signal.h>
#include <linux/time.h>
#include "guest-libc/sys/timer.h"

#define TIMERS_MAX 1024u

struct posix_timer {
    struct timer timer; /* first */
    bool used;
    bool silent; /* SIGEV_NONE */
    int tid;     /* SIGEV_THREAD_ID, or 0: the process */
    struct clock clock;
    struct signal_entry signal;
};

struct user_sigevent {
    uint64_t value;
    int32_t sig;
    int32_t notify;
    int32_t tid;
    int32_t rest[11];
};

_Static_assert(sizeof(struct user_sigevent) == 64, "Linux's");

struct user_itimerspec {
    struct {
        int64_t seconds, ns;
    } interval, value;
};

static struct posix_timer *posix_timers BULKY; /* TIMERS_MAX, as touched */
static uint32_t timers_end BULKY;              /* none was used from here on */

static struct posix_timer *find(uint64_t id)
{
    return (uint32_t)id < timers_end && posix_timers[(uint32_t)id].used
               ? &posix_timers[(uint32_t)id]
               : NULL;
}

static void posix_expire(struct timer *timer, uint64_t count)
{
    struct posix_timer *p = (struct posix_timer *)timer;
    struct thread *t = p->tid ? thread_find_locked(p->tid) : NULL;

    if (p->tid && !t) {
        return;
    }
    signal_send_kept_locked(t, &p->signal);
    p->signal.overrun += count - 1;
}

/* The helper may be late: what counts is when the signal is taken. */
static void posix_count(struct signal_entry *entry)
{
    struct posix_timer *p =
        (struct posix_timer *)((char *)entry -
                               offsetof(struct posix_timer, signal));
    struct timer *timer = &p->timer;

    entry->overrun +=
        timer_forward(timer, clock_now(timer->at.base, timer->at.tid));
}

static struct posix_timer *take_slot(void)
{
    uint32_t i;

    if (!posix_timers) {
        posix_timers = lib_pages(TIMERS_MAX * sizeof(*posix_timers));
    }
    for (i = 0; posix_timers && i < TIMERS_MAX; i++) {
        if (!posix_timers[i].used) {
            timers_end = i >= timers_end ? i + 1 : timers_end;
            return &posix_timers[i];
        }
    }
    return NULL;
}

/* How the program wants to hear of it. */
static long event_check(const struct user_sigevent *event)
{
    switch (event->notify) {
    case SIGEV_SIGNAL | SIGEV_THREAD_ID:
        if (!thread_find_locked(event->tid)) {
            return -EINVAL;
        }
        /* fall through */
    case SIGEV_SIGNAL:
    case SIGEV_THREAD:
        return event->sig > 0 && event->sig <= SIGNAL_COUNT ? 0 : -EINVAL;
    case SIGEV_NONE:
        return 0;
    default:
        return -EINVAL;
    }
}

static long create_locked(uint64_t clock_id, struct user_sigevent *event,
                          bool by_default)
{
    struct posix_timer *p;
    struct clock clock;
    long ret = clock_find_locked(clock_id, &clock);

    if (!ret && clock.no_timer) {
        ret = -EOPNOTSUPP;
    }
    if (!ret) {
        ret = event_check(event);
    }
    if (ret) {
        return ret;
    }
    p = take_slot();
    if (!p) {
        return -EAGAIN;
    }
    ret = p - posix_timers;
    *p = (struct posix_timer){
        .timer.expire = posix_expire,
        .used = true,
        .silent = event->notify == SIGEV_NONE,
        .tid = event->notify & SIGEV_THREAD_ID ? event->tid : 0,
        .clock = clock,
        .signal = {
            .sig = event->sig,
            .kept = true,
            .count = posix_count,
            .info = {
                .code = SI_TIMER,
                .pid = ret,
                .value = by_default ? (uint64_t)ret : event->value,
            },
        },
    };
    return ret;
}

/* Its signal no longer waits, and it is due no more. */
static void quiet(struct posix_timer *p)
{
    if (p->silent) {
        p->timer.runs = false; /* it is on no list */
    }
    timer_stop(&p->timer);
    p->timer.interval_ns = 0;
    if (p->signal.queue) {
        sigqueue_remove_kept(&p->signal);
    }
    p->signal.overrun = 0;
    p->signal.told = 0;
}

/* timer_create(clock, event, ret_id) */
/* @linux call timer_create timer_delete
 * @test guest/programs/timers.c "a timer of each kind"
 * @test guest/programs/timers.c "timers that cannot be made" */
static long posix_timer_create(struct sys_args *args)
{
    struct user_sigevent event = { .sig = SIGALRM, .notify = SIGEV_SIGNAL };
    int32_t id;
    long ret;

    if (args->arg[1] && copy_from_user(&event, args->arg[1], sizeof(event))) {
        return -EFAULT;
    }
    lib_lock();
    ret = create_locked(args->arg[0], &event, !args->arg[1]);
    if (ret >= 0) {
        id = ret;
        ret = copy_to_user(args->arg[2], &id, sizeof(id));
        if (ret) {
            posix_timers[id].used = false;
        }
    }
    lib_unlock();
    return ret;
}

static long posix_timer_delete(struct sys_args *args)
{
    struct posix_timer *p;

    lib_lock();
    p = find(args->arg[0]);
    if (p) {
        quiet(p);
        p->used = false;
    }
    lib_unlock();
    return p ? 0 : -EINVAL;
}

static struct user_itimerspec state(struct posix_timer *p)
{
    struct user_itimerspec state = { { 0, 0 }, { 0, 0 } };
    struct timer *timer = &p->timer;
    uint64_t left_ns;

    if (p->silent) {
        uint64_t now_ns = clock_now(timer->at.base, timer->at.tid);

        /* It is on no list: see set_silent(). */
        if (timer->runs && now_ns >= timer->at.ns && !timer->interval_ns) {
            timer->runs = false;
        } else {
            timer_forward(timer, now_ns);
        }
    }
    left_ns = timer_left(timer);
    /* What runs has something left, though its time may have come. */
    left_ns = timer->runs && !left_ns ? 1 : left_ns;
    state.interval.seconds = timer->interval_ns / NS_PER_SEC;
    state.interval.ns = timer->interval_ns % NS_PER_SEC;
    state.value.seconds = left_ns / NS_PER_SEC;
    state.value.ns = left_ns % NS_PER_SEC;
    return state;
}

static void set_silent(struct timer *timer, const struct moment *at,
                       uint64_t interval_ns)
{
    timer->at = *at;
    timer->interval_ns = interval_ns;
    timer->runs = true;
}

/* Spans of the wall clock are measured by the monotonic one. */
static long set_locked(struct posix_timer *p, bool absolute, uint64_t value_ns,
                       uint64_t interval_ns)
{
    struct moment at = { .base = p->clock.base, .tid = p->clock.tid };

    quiet(p);
    if (!value_ns) {
        p->timer.interval_ns = interval_ns;
        return 0;
    }
    if (absolute) {
        at.ns = value_ns;
    } else {
        at.base = at.base == CLOCK_BASE_WALL ? CLOCK_BASE_MONO : at.base;
        at.ns = clock_now(at.base, at.tid) + value_ns;
    }
    if (p->silent) {
        set_silent(&p->timer, &at, interval_ns);
        return 0;
    }
    return timer_start(&p->timer, &at, interval_ns);
}

/* timer_settime(id, flags, new, old) */
/* @linux call timer_settime timer_gettime - CPU time is looked at every 10 ms
 * @test guest/programs/timers.c "what is left of a timer"
 * @test unit/libc-sys/test-timer.c "/libc-sys/timer/wall-set" */
static long posix_timer_settime(struct sys_args *args)
{
    const uint64_t value_at = offsetof(struct user_itimerspec, value);
    uint64_t interval_ns, value_ns;
    struct user_itimerspec old;
    struct posix_timer *p;
    long ret;

    if (!args->arg[2]) {
        return -EINVAL;
    }
    ret = timespec_from_user(args->arg[2], &interval_ns);
    if (!ret) {
        ret = timespec_from_user(args->arg[2] + value_at, &value_ns);
    }
    if (ret) {
        return ret;
    }
    lib_lock();
    p = find(args->arg[0]);
    if (p) {
        old = state(p);
        ret =
            set_locked(p, args->arg[1] & TIMER_ABSTIME, value_ns, interval_ns);
    }
    lib_unlock();
    if (!p) {
        return -EINVAL;
    }
    if (!ret && args->arg[3]) {
        ret = copy_to_user(args->arg[3], &old, sizeof(old));
    }
    return ret;
}

static long posix_timer_gettime(struct sys_args *args)
{
    struct user_itimerspec now;
    struct posix_timer *p;

    lib_lock();
    p = find(args->arg[0]);
    if (p) {
        now = state(p);
    }
    lib_unlock();
    return p ? copy_to_user(args->arg[1], &now, sizeof(now)) : -EINVAL;
}

/* @linux call timer_getoverrun
 * @test guest/programs/timers.c "what was missed is counted"
 * @test guest/programs/timers.c "and told until the next signal is taken" */
static long posix_timer_getoverrun(struct sys_args *args)
{
    struct posix_timer *p;
    long ret = -EINVAL;

    lib_lock();
    p = find(args->arg[0]);
    if (p) {
        ret = p->signal.told < INT32_MAX ? p->signal.told : INT32_MAX;
    }
    lib_unlock();
    return ret;
}

const struct sys_entry posix_timer_calls[] = {
    { __NR_timer_create, "timer_create", posix_timer_create },
    { __NR_timer_delete, "timer_delete", posix_timer_delete },
    { __NR_timer_settime, "timer_settime", posix_timer_settime },
    { __NR_timer_gettime, "timer_gettime", posix_timer_gettime },
    { __NR_timer_getoverrun, "timer_getoverrun", posix_timer_getoverrun },
    { 0, NULL, NULL },
};
