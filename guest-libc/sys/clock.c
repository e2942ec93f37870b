/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - which clocks there are, what they say, and waiting for it
 *
 * Theory of operation.  The layer below sleeps until a time of the monotonic
 * clock only.  A time of day is turned into one anew whenever the wall clock is
 * set: after a restore it is, by as long as the guest was away.  The kernel
 * shows that by the offset in the shared page, and says it by a message; the
 * poller of the NIC and the reader of messages call wall_clock_look_locked(),
 * which makes everyone who waits for a time of day reckon again.
 *
 * CPU time cannot pass more quickly than time does, so who waits for a moment
 * of it sleeps for what is missing and then looks again.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/time.h>
#include <linux/timex.h>
#include <string.h>
#include "guest-libc/sys/clock.h"

#define NS_PER_US    1000ull
#define US_PER_SEC   1000000ll
#define TICK_NS      4000000u   /* of the coarse clocks: HZ is 250 */
#define CPU_LOOK_NS  10000000u  /* the least sleep for CPU time */
#define WALL_STEP_NS 10000000ll /* less is the host's clock being trimmed */
#define CPU_THREAD   4          /* bits of a CPU clock's id */
#define CPU_KIND     3
#define CPU_KIND_FD  3

static uint64_t wall_offset_seen; /* lock */

/* Ids below zero: ~pid in the upper bits, then whether of a thread, a kind. */
static long cpu_clock(int32_t id, struct clock *ret_clock)
{
    int pid = ~(id >> 3);
    bool of_thread = id & CPU_THREAD;
    struct thread *t;

    if ((id & CPU_KIND) == CPU_KIND_FD) {
        return -EINVAL; /* a clock device: there are none */
    }
    if (pid == 0) {
        pid = of_thread ? thread_tid() : FIRST_TID;
    }
    t = thread_find_locked(pid);
    if (of_thread ? !t : pid != FIRST_TID) {
        return -EINVAL;
    }
    *ret_clock = (struct clock){
        .base = CLOCK_BASE_CPU,
        .tid = of_thread ? -t->prim_tid : 0,
        .no_sleep = of_thread && pid == thread_tid(),
        .coarse = (id & CPU_KIND) != 2,
    };
    return 0;
}

/**
 * clock_find_locked - understand a clock id
 * @id: the program's argument
 * @ret_clock: the clock
 *
 * Return: 0, -EINVAL.
 * Context: lock held.
 */
long clock_find_locked(uint64_t id, struct clock *ret_clock)
{
    int32_t number = (int32_t)id;

    if (number < 0) {
        return cpu_clock(number, ret_clock);
    }
    *ret_clock = (struct clock){ .base = CLOCK_BASE_MONO };
    switch (number) {
    case CLOCK_REALTIME:
        ret_clock->may_be_set = true;
        ret_clock->base = CLOCK_BASE_WALL;
        return 0;
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
        ret_clock->base = CLOCK_BASE_WALL;
        return 0;
    case CLOCK_REALTIME_COARSE:
        ret_clock->base = CLOCK_BASE_WALL;
        ret_clock->coarse = ret_clock->no_sleep = ret_clock->no_timer = true;
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return 0;
    case CLOCK_MONOTONIC_RAW:
        ret_clock->no_sleep = ret_clock->no_timer = true;
        return 0;
    case CLOCK_MONOTONIC_COARSE:
        ret_clock->coarse = ret_clock->no_sleep = ret_clock->no_timer = true;
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        ret_clock->base = CLOCK_BASE_CPU;
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        ret_clock->base = CLOCK_BASE_CPU;
        ret_clock->tid = -thread_self()->prim_tid;
        ret_clock->no_sleep = true;
        return 0;
    default:
        return -EINVAL;
    }
}

/**
 * clock_now - what a clock says
 * @base: the clock
 * @tid: CLOCK_BASE_CPU: of the calling thread; below 0, of any thread, as
 *       clock_find_locked() says it; 0 for the process
 *
 * Return: nanoseconds; of a thread that has ended, 0.
 * Context: any.
 */
uint64_t clock_now(enum clock_base base, int tid)
{
    long ns;

    switch (base) {
    case CLOCK_BASE_WALL:
        return prim_wall_ns();
    case CLOCK_BASE_CPU:
        if (tid) {
            ns = prim_thread_cpu_ns(tid < 0 ? -tid : thread_self()->prim_tid);
            return ns < 0 ? 0 : ns;
        }
        return prim_query(SYS_QUERY_CPU_NS);
    default:
        return prim_now_ns();
    }
}

/**
 * deadline_after - a duration from now, as a deadline
 * @duration_ns: the duration
 *
 * Return: monotonic deadline, SYS_FOREVER if it is beyond the range.
 * Context: any.
 */
uint64_t deadline_after(uint64_t duration_ns)
{
    uint64_t now_ns = prim_now_ns();

    return duration_ns >= (uint64_t)INT64_MAX - now_ns ? SYS_FOREVER
                                                       : now_ns + duration_ns;
}

/**
 * moment_deadline - when a moment of a clock comes, as things stand now
 * @moment: the moment
 *
 * Return: monotonic deadline; SYS_FOREVER: never.
 * Context: any.
 */
uint64_t moment_deadline(const struct moment *moment)
{
    uint64_t now_ns, left_ns;

    if (moment->ns >= INT64_MAX) {
        return SYS_FOREVER; /* what is beyond the range of a timespec */
    }
    if (moment->base == CLOCK_BASE_MONO) {
        return moment->ns;
    }
    now_ns = clock_now(moment->base, moment->tid);
    left_ns = moment->ns > now_ns ? moment->ns - now_ns : 0;
    if (moment->base == CLOCK_BASE_CPU && left_ns && left_ns < CPU_LOOK_NS) {
        left_ns = CPU_LOOK_NS;
    }
    return deadline_after(left_ns);
}

/**
 * moment_over - whether a moment has come
 * @moment: the moment
 *
 * Return: true if it has.
 * Context: any.
 */
bool moment_over(const struct moment *moment)
{
    return moment->ns != SYS_FOREVER &&
           clock_now(moment->base, moment->tid) >= moment->ns;
}

/**
 * thread_sleep_until - sleep on the thread's own word
 * @moment: when to wake up at the latest
 *
 * Return: 0 (the word changed, or for no reason), -ETIMEDOUT (the moment has
 * come), -EINTR.
 * Context: lock held; released while asleep.
 */
long thread_sleep_until(const struct moment *moment)
{
    struct thread *t = thread_self();
    long ret;

    t->wall_sleep = moment->base == CLOCK_BASE_WALL;
    ret = lib_wait(&t->word, t->word, moment_deadline(moment));
    t->wall_sleep = false;
    return ret == -ETIMEDOUT && !moment_over(moment) ? 0 : ret;
}

/**
 * wall_clock_look_locked - the wall clock may have been set
 *
 * Whoever waits for a time of day is made to look how far it is now.
 *
 * Context: lock held.
 */
void wall_clock_look_locked(void)
{
    uint64_t offset_ns = prim_wall_offset_ns();
    int64_t step_ns = offset_ns - wall_offset_seen;
    struct thread *t;
    bool step;

    if (step_ns == 0) {
        return;
    }
    wall_offset_seen = offset_ns;
    for (t = process.threads; t; t = t->next) {
        if (t->wall_sleep) {
            lib_wake(&t->word, 1);
        }
    }
    step = step_ns >= WALL_STEP_NS || step_ns <= -WALL_STEP_NS;
    if (step) {
        futex_wall_set_locked();
    }
    timer_wall_set_locked();
    posix_wall_set(step);
}

/**
 * clock_boot - remember how the wall clock stands
 *
 * Context: boot.
 */
void clock_boot(void)
{
    wall_offset_seen = prim_wall_offset_ns();
}

static long find(uint64_t id, struct clock *ret_clock)
{
    long ret;

    lib_lock();
    ret = clock_find_locked(id, ret_clock);
    lib_unlock();
    return ret;
}

static long clock_sys_gettime(struct sys_args *args)
{
    struct clock clock;
    long ret = find(args->arg[0], &clock);

    if (ret) {
        return ret;
    }
    return timespec_to_user(args->arg[1], clock_now(clock.base, clock.tid));
}

static long clock_sys_getres(struct sys_args *args)
{
    struct clock clock;
    long ret = find(args->arg[0], &clock);

    if (ret || !args->arg[1]) {
        return ret;
    }
    return timespec_to_user(args->arg[1], clock.coarse ? TICK_NS : 1);
}

/* The wall clock is the host's: nobody here may set it. */
static long clock_sys_settime(struct sys_args *args)
{
    struct clock clock;
    uint64_t ns;
    long ret;

    ret = find(args->arg[0], &clock);
    /* Of the CPU clocks those by number would be set, if anybody could. */
    if (ret || (!clock.may_be_set && (int32_t)args->arg[0] >= 0)) {
        return -EINVAL;
    }
    ret = timespec_from_user(args->arg[1], &ns);
    return ret ? ret : -EPERM;
}

static long clock_sys_settimeofday(struct sys_args *args)
{
    int64_t tv[2];
    int32_t zone[2];

    if (args->arg[0]) {
        if (copy_from_user(tv, args->arg[0], sizeof(tv))) {
            return -EFAULT;
        }
        if (tv[0] < 0 || tv[1] < 0 || tv[1] >= US_PER_SEC) {
            return -EINVAL;
        }
    }
    if (args->arg[1] && copy_from_user(zone, args->arg[1], sizeof(zone))) {
        return -EFAULT;
    }
    return -EPERM;
}

/* What an untrimmed clock answers: nobody here holds it to another one. */
static long timex_read(uint64_t user_timex)
{
    struct __kernel_timex timex;
    uint64_t wall_ns = prim_wall_ns();

    if (copy_from_user(&timex, user_timex, sizeof(timex))) {
        return -EFAULT;
    }
    if (timex.modes && timex.modes != ADJ_OFFSET_SS_READ) {
        return -EPERM;
    }
    memset(&timex, 0, sizeof(timex));
    timex.maxerror = timex.esterror = 16000000;
    timex.status = STA_UNSYNC;
    timex.constant = 2;
    timex.precision = 1;
    timex.tolerance = 500ll << 16;
    timex.tick = 10000;
    timex.time.tv_sec = wall_ns / NS_PER_SEC;
    timex.time.tv_usec = wall_ns % NS_PER_SEC / NS_PER_US;
    return copy_to_user(user_timex, &timex, sizeof(timex)) ? -EFAULT
                                                           : TIME_ERROR;
}

static long clock_sys_adjtimex(struct sys_args *args)
{
    return timex_read(args->arg[0]);
}

static long clock_sys_adjtime(struct sys_args *args)
{
    struct clock clock;
    long ret = find(args->arg[0], &clock);

    if (ret) {
        return ret;
    }
    return clock.base == CLOCK_BASE_WALL && clock.may_be_set
               ? timex_read(args->arg[1])
               : -EOPNOTSUPP;
}

/*
 * @linux call clock_gettime clock_getres
 * @test guest/programs/clock-ids.c "no such clock: EINVAL"
 */
/*
 * @linux call clock_settime settimeofday - the clock is the host's: EPERM
 * @test guest/programs/clock-ids.c "only some clocks can be set"
 */
/*
 * @linux call adjtimex clock_adjtime - reading only: changes are EPERM
 * @test guest/programs/clock-ids.c "adjtimex() reads"
 */
const struct sys_entry clock_calls[] = {
    { __NR_clock_gettime, "clock_gettime", clock_sys_gettime },
    { __NR_clock_getres, "clock_getres", clock_sys_getres },
    { __NR_clock_settime, "clock_settime", clock_sys_settime },
    { __NR_settimeofday, "settimeofday", clock_sys_settimeofday },
    { __NR_adjtimex, "adjtimex", clock_sys_adjtimex },
    { __NR_clock_adjtime, "clock_adjtime", clock_sys_adjtime },
    { 0, NULL, NULL },
};
