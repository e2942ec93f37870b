/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer.h - moments at which something is done (sys/ only); lock held */
#ifndef TIMER_H
#define TIMER_H

#include "guest-libc/sys/clock.h"

struct timer {
    struct timer *next; /* of those that run */
    bool runs;
    struct moment at;
    uint64_t interval_ns; /* 0: once */
    /* @count: how often it was due since the last time. */
    void (*expire)(struct timer *timer, uint64_t count);
};

/* Let it run from now on: 0 or negative errno. */
long timer_start(struct timer *timer, const struct moment *at,
                 uint64_t interval_ns);
void timer_stop(struct timer *timer);
/* Count what was due by @now_ns of its clock, and set it on: how often. */
uint64_t timer_forward(struct timer *timer, uint64_t now_ns);
/* Until it is due; 0: it does not run, or it is. */
uint64_t timer_left(const struct timer *timer);

#endif
