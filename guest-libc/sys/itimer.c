/* SPDX-License-Identifier: GPL-2.0-or-later */
/* itimer.c - the three interval timers of the process */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/signal.h>
#include <linux/time.h>
#include "guest-libc/sys/timer.h"

#define NS_PER_US   1000ull
#define US_PER_SEC  1000000
#define SECONDS_MAX (INT64_MAX / (int64_t)NS_PER_SEC)
#define KINDS       3u /* ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF */

struct user_timeval {
    int64_t seconds;
    int64_t us;
};

static struct timer timers[KINDS] BULKY; /* lock */

/* What was missed is one signal. */
static void itimer_expire(struct timer *timer, uint64_t count)
{
    static const int signals[KINDS] = { SIGALRM, SIGVTALRM, SIGPROF };
    struct signal_info info = { .code = SI_KERNEL };

    (void)count;
    signal_send_locked(NULL, signals[timer - timers], &info);
}

/* One that runs has something left. */
static uint64_t itimer_left(const struct timer *timer)
{
    uint64_t left_ns = timer_left(timer);

    return timer->runs && left_ns < NS_PER_US ? NS_PER_US : left_ns;
}

static long itimer_set(struct timer *timer, uint64_t value_ns,
                       uint64_t interval_ns)
{
    struct moment at = {
        .base =
            timer == &timers[ITIMER_REAL] ? CLOCK_BASE_MONO : CLOCK_BASE_CPU,
    };

    timer->expire = itimer_expire;
    if (!value_ns) {
        timer_stop(timer);
        timer->interval_ns = 0;
        return 0;
    }
    at.ns = clock_now(at.base, 0) + value_ns;
    return timer_start(timer, &at, interval_ns);
}

static bool timeval_ns(const struct user_timeval *tv, uint64_t *ret_ns)
{
    if (tv->seconds < 0 || tv->us < 0 || tv->us >= US_PER_SEC) {
        return false;
    }
    *ret_ns = tv->seconds >= SECONDS_MAX / 2
                  ? INT64_MAX / 2
                  : tv->seconds * NS_PER_SEC + tv->us * NS_PER_US;
    return true;
}

static struct user_timeval ns_timeval(uint64_t ns)
{
    struct user_timeval tv = { ns / NS_PER_SEC, ns % NS_PER_SEC / NS_PER_US };

    return tv;
}

static void itimer_state(const struct timer *timer, struct user_timeval *ret)
{
    ret[0] = ns_timeval(timer->interval_ns);
    ret[1] = ns_timeval(itimer_left(timer));
}

/* setitimer(which, new, old): interval first, then value */
/* @linux call setitimer getitimer - all CPU time is the user's, and looked at
 * every 10 ms
 * @test guest/programs/timers.c "interval timers of three kinds" */
static long itimer_sys_set(struct sys_args *args)
{
    struct user_timeval new[2] = { { 0, 0 }, { 0, 0 } }, old[2];
    uint64_t interval_ns, value_ns;
    struct timer *timer;
    long ret;

    if (args->arg[1] && copy_from_user(new, args->arg[1], sizeof(new))) {
        return -EFAULT;
    }
    if (!timeval_ns(&new[0], &interval_ns) || !timeval_ns(&new[1], &value_ns) ||
        (uint32_t)args->arg[0] >= KINDS) {
        return -EINVAL;
    }
    timer = &timers[(uint32_t)args->arg[0]];
    lib_lock();
    itimer_state(timer, old);
    ret = itimer_set(timer, value_ns, interval_ns);
    lib_unlock();
    if (!ret && args->arg[2]) {
        ret = copy_to_user(args->arg[2], old, sizeof(old));
    }
    return ret;
}

static long itimer_sys_get(struct sys_args *args)
{
    struct user_timeval now[2];

    if ((uint32_t)args->arg[0] >= KINDS) {
        return -EINVAL;
    }
    lib_lock();
    itimer_state(&timers[(uint32_t)args->arg[0]], now);
    lib_unlock();
    return copy_to_user(args->arg[1], now, sizeof(now));
}

/* @linux call alarm
 * @test guest/programs/timers.c "alarm() tells what was left" */
static long itimer_sys_alarm(struct sys_args *args)
{
    struct timer *timer = &timers[ITIMER_REAL];
    uint64_t left_ns;

    lib_lock();
    left_ns = itimer_left(timer);
    itimer_set(timer, (args->arg[0] & UINT32_MAX) * NS_PER_SEC, 0);
    lib_unlock();
    /* To the nearest second, but one that runs is not over. */
    return left_ns && left_ns < NS_PER_SEC
               ? 1
               : (left_ns + NS_PER_SEC / 2) / NS_PER_SEC;
}

const struct sys_entry itimer_calls[] = {
    { __NR_setitimer, "setitimer", itimer_sys_set },
    { __NR_getitimer, "getitimer", itimer_sys_get },
    { __NR_alarm, "alarm", itimer_sys_alarm },
    { 0, NULL, NULL },
};
