/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timer.c - moments at which something is done
 *
 * A helper thread sleeps until the first timer is due.  It is made when a timer
 * is first set, so a program without one has no such thread, and timers that do
 * not run wake nobody.
 */
#include "guest-libc/sys/timer.h"

#define LEAST_NS 100000u /* between two looks, however short an interval is */

static struct timer *running;
static uint32_t helper_word BULKY; /* changes when the list does */
static bool helper_made BULKY;

/**
 * timer_forward - count what was due
 * @timer: the timer
 * @now_ns: the present, of its clock
 *
 * Missed periods (a restore, a long pause) are counted, not caught up.
 *
 * Return: how often it was due; one without an interval no longer runs then.
 * Context: lock held.
 */
uint64_t timer_forward(struct timer *timer, uint64_t now_ns)
{
    uint64_t count;

    if (!timer->runs || now_ns < timer->at.ns) {
        return 0;
    }
    if (!timer->interval_ns) {
        timer_stop(timer);
        return 1;
    }
    count = 1 + (now_ns - timer->at.ns) / timer->interval_ns;
    timer->at.ns += count * timer->interval_ns;
    return count;
}

/**
 * timer_left - how long it is until a timer is due
 * @timer: the timer
 *
 * Return: nanoseconds of its clock; 0: it does not run, or it is due.
 * Context: lock held.
 */
uint64_t timer_left(const struct timer *timer)
{
    uint64_t now_ns = clock_now(timer->at.base, timer->at.tid);

    return timer->runs && timer->at.ns > now_ns ? timer->at.ns - now_ns : 0;
}

/* Do what is due; when the next one is. */
static uint64_t run(void)
{
    uint64_t first_ns = SYS_FOREVER, least_ns = 0, at_ns, count;
    struct timer *timer, *next;

    for (timer = running; timer; timer = next) {
        next = timer->next;
        count = timer_forward(timer, clock_now(timer->at.base, timer->at.tid));
        if (count) {
            timer->expire(timer, count);
            least_ns = prim_now_ns() + LEAST_NS;
        }
        at_ns = timer->runs ? moment_deadline(&timer->at) : SYS_FOREVER;
        if (at_ns < first_ns) {
            first_ns = at_ns;
        }
    }
    return first_ns > least_ns ? first_ns : least_ns;
}

static void helper_run(void *arg)
{
    (void)arg;
    lib_lock();
    for (;;) {
        uint64_t first_ns = run();

        lib_wait(&helper_word, helper_word, first_ns);
    }
}

/**
 * timer_wall_set_locked - the wall clock was set
 *
 * Context: lock held.
 */
void timer_wall_set_locked(void)
{
    if (running) {
        lib_wake(&helper_word, 1);
    }
}

/**
 * timer_stop - it is no longer due
 * @timer: the timer, running or not
 *
 * Context: lock held.
 */
void timer_stop(struct timer *timer)
{
    struct timer **link = &running;

    if (!timer->runs) {
        return;
    }
    while (*link != timer) {
        link = &(*link)->next;
    }
    *link = timer->next;
    timer->runs = false;
}

/**
 * timer_start - let a timer run
 * @timer: running or not
 * @at: when it is due
 * @interval_ns: and again after each of these; 0: once
 *
 * Return: 0, -ENOMEM.
 * Context: lock held.
 */
long timer_start(struct timer *timer, const struct moment *at,
                 uint64_t interval_ns)
{
    long ret;

    if (!helper_made) {
        ret = thread_spawn_helper(helper_run, NULL);
        if (ret) {
            return ret;
        }
        helper_made = true;
    }
    timer_stop(timer);
    timer->at = *at;
    timer->interval_ns = interval_ns;
    timer->runs = true;
    timer->next = running;
    running = timer;
    lib_wake(&helper_word, 1);
    return 0;
}
