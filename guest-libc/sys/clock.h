/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - the program's clocks, and moments of them (sys/ only)
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/timespec.h"

/* Which clock a moment is of. */
enum clock_base {
    CLOCK_BASE_MONO, /* stands still while the guest does */
    CLOCK_BASE_WALL, /* steps when it is set */
    CLOCK_BASE_CPU,  /* of a thread, or of the process */
};

/* A clock id of the program, understood. */
struct clock {
    enum clock_base base;
    int tid;         /* CLOCK_BASE_CPU: see clock_now() */
    bool coarse;     /* tells the time of the last tick */
    bool no_sleep;   /* a clock to read only */
    bool no_timer;   /* no timer runs on it */
    bool may_be_set; /* by who may set clocks */
};

/* A moment of a clock. */
struct moment {
    enum clock_base base;
    int tid;     /* as in struct clock */
    uint64_t ns; /* SYS_FOREVER: never */
};

/* 0, -EINVAL: there is no such clock. Lock held. */
long clock_find_locked(uint64_t id, struct clock *ret_clock);
uint64_t clock_now(enum clock_base base, int tid);
/* The moment as a deadline of the monotonic clock, as things stand now. */
uint64_t moment_deadline(const struct moment *moment);
bool moment_over(const struct moment *moment);
/*
 * Sleep on the calling thread's own word until it changes or the moment is
 * there, whatever happens to the wall clock meanwhile.
 * Return: as lib_wait(). Lock held.
 */
long thread_sleep_until(const struct moment *moment);

#endif
