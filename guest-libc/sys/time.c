/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time.c - sleeping, and times of day
 *
 * Programs read clocks by the vDSO image mostly; the calls here are for those
 * that do not.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/time.h>
#include "guest-libc/sys/clock.h"

#define NS_PER_US   1000ull
#define SECONDS_MAX (INT64_MAX / (int64_t)NS_PER_SEC)

struct user_timespec {
    int64_t seconds;
    int64_t ns;
};

struct user_timeval {
    int64_t seconds;
    int64_t us;
};

/**
 * timespec_from_user - read a struct timespec of the program
 * @user_from: its address
 * @ret_ns: the time; one beyond the range is the greatest
 *
 * Return: 0, -EFAULT, -EINVAL.
 * Context: any.
 */
long timespec_from_user(uint64_t user_from, uint64_t *ret_ns)
{
    struct user_timespec ts;

    if (copy_from_user(&ts, user_from, sizeof(ts))) {
        return -EFAULT;
    }
    if (ts.seconds < 0 || ts.ns < 0 || ts.ns >= (int64_t)NS_PER_SEC) {
        return -EINVAL;
    }
    if (ts.seconds >= SECONDS_MAX) {
        *ret_ns = INT64_MAX;
    } else {
        *ret_ns = ts.seconds * NS_PER_SEC + ts.ns;
    }
    return 0;
}

/**
 * timespec_to_user - write a struct timespec of the program
 * @user_to: its address
 * @ns: the time
 *
 * Return: 0 or -EFAULT.
 * Context: any.
 */
long timespec_to_user(uint64_t user_to, uint64_t ns)
{
    struct user_timespec ts = { ns / NS_PER_SEC, ns % NS_PER_SEC };

    return copy_to_user(user_to, &ts, sizeof(ts));
}

/* @linux call gettimeofday time
 * @test guest/programs/clocks.c "gettimeofday() and time() agree with it" */
static long time_gettimeofday(struct sys_args *args)
{
    uint64_t ns = prim_wall_ns();
    struct user_timeval tv = { ns / NS_PER_SEC, ns % NS_PER_SEC / NS_PER_US };

    if (args->arg[0] && copy_to_user(args->arg[0], &tv, sizeof(tv))) {
        return -EFAULT;
    }
    return args->arg[1] ? clear_user(args->arg[1], 8) : 0;
}

static long time_time(struct sys_args *args)
{
    int64_t seconds = prim_wall_ns() / NS_PER_SEC;

    if (args->arg[0] && copy_to_user(args->arg[0], &seconds, sizeof(seconds))) {
        return -EFAULT;
    }
    return seconds;
}

static long sleep_until(const struct moment *until)
{
    long ret;

    lib_lock();
    do {
        ret = thread_sleep_until(until);
    } while (!ret);
    lib_unlock();
    return ret == -ETIMEDOUT ? 0 : ret;
}

/* Wall-clock spans are measured by the monotonic clock, as Linux does. */
static long sleep_for(struct moment until, uint64_t ns, uint64_t user_left)
{
    uint64_t now_ns;
    long ret;

    if (until.base == CLOCK_BASE_WALL) {
        until.base = CLOCK_BASE_MONO;
    }
    now_ns = clock_now(until.base, until.tid);
    until.ns = ns >= INT64_MAX - now_ns ? SYS_FOREVER : now_ns + ns;
    ret = sleep_until(&until);
    if (ret == -EINTR && user_left) {
        now_ns = clock_now(until.base, until.tid);
        if (timespec_to_user(user_left,
                             until.ns > now_ns ? until.ns - now_ns : 0)) {
            return -EFAULT;
        }
    }
    return ret;
}

/* @linux call nanosleep
 * @test guest/programs/clocks.c "nanosleep() is not too short"
 * @test guest/programs/clock-ids.c "nanosleep: the rest, when interrupted"
 */
static long time_nanosleep(struct sys_args *args)
{
    struct moment mono = { .base = CLOCK_BASE_MONO };
    uint64_t ns;
    long ret = timespec_from_user(args->arg[0], &ns);

    return ret ? ret : sleep_for(mono, ns, args->arg[1]);
}

/* clock_nanosleep(clock, flags, time, left) */
/* @linux call clock_nanosleep - CPU time is looked at every 10 ms
 * @test guest/programs/clock-ids.c "clocks that only tell the time"
 * @test unit/libc-sys/test-time.c "/libc-sys/time/wall-set" */
static long time_clock_nanosleep(struct sys_args *args)
{
    struct clock clock;
    struct moment until = { 0 };
    uint64_t ns;
    long ret;

    lib_lock();
    ret = clock_find_locked(args->arg[0], &clock);
    lib_unlock();
    if (ret) {
        return ret;
    }
    if (clock.no_sleep && (int32_t)args->arg[0] >= 0) {
        return -EOPNOTSUPP;
    }
    ret = timespec_from_user(args->arg[2], &ns);
    if (!ret && clock.no_sleep) {
        ret = -EINVAL; /* nobody can wait for CPU time of its own */
    }
    if (ret) {
        return ret;
    }
    until.base = clock.base;
    until.tid = clock.tid;
    if (!(args->arg[1] & TIMER_ABSTIME)) {
        return sleep_for(until, ns, args->arg[3]);
    }
    until.ns = ns;
    return sleep_until(&until);
}

const struct sys_entry time_calls[] = {
    { __NR_clock_nanosleep, "clock_nanosleep", time_clock_nanosleep },
    { __NR_nanosleep, "nanosleep", time_nanosleep },
    { __NR_gettimeofday, "gettimeofday", time_gettimeofday },
    { __NR_time, "time", time_time },
    { 0, NULL, NULL },
};
