/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wallclock.c - keep to the host's clock
 *
 * Theory of operation
 *
 * The host's clock is set and trimmed while the guest runs, and the frequency
 * of the time stamp counter that the NIC tells may have been measured in a
 * hurry.  So the kernel looks at the host's clock from time to time: first
 * after a second, then less and less often.  It does so when the guest is awake
 * anyway.  An idle guest is not woken for it, and wakes with a look if one is
 * due, before any program reads a clock.
 *
 * A look gives two things.  The counter's frequency, between this look and the
 * one before, unless the host's clock was set in between; and how far our wall
 * clock is off:
 *
 *  behind        it is put forward
 *  ahead         it must not go back before the eyes of a program.  After a
 *                sleep longer than that nobody sees it; else both clocks run
 *                slower until it is right (500 parts in a million, as Linux
 *                trims them), and as they should as soon as the guest is idle
 *  far off       the host's clock was set: so is ours, also back
 *
 * The monotonic clock never steps.
 */
#include "kernel.h"

#define SECOND_NS       1000000000ull
#define LOOK_LONGEST_NS (64 * SECOND_NS)
#define LEARN_NS        (4 * SECOND_NS) /* longest interval of learning */
#define SLEW_PART       2000ull         /* 1/500 ppm */
#define SET_NS          100000000ull    /* more was not trimming */
#define NOISE_NS        1000000ull      /* of one look, on a busy host */
#define NOISE_PART      200u            /* of the time between two */
#define TRIES           3u
#define NEVER           UINT64_MAX

/* Both clocks at one instant. */
struct look {
    uint64_t tsc;
    uint64_t mono_ns;
    uint64_t wall_ns;
};

static struct look last;
static uint64_t rate; /* ns per tick << 32, as last measured */
static uint64_t next_ns = NEVER;
static uint64_t interval_ns;
static uint64_t idle_since_ns;
static bool slewing;

/* Of some tries the one that took least time. */
static struct look look_at_host(void)
{
    uint64_t least = UINT64_MAX;
    struct look best = { 0 };
    uint32_t i;

    for (i = 0; i < TRIES; i++) {
        uint64_t before = rdtsc();
        uint64_t wall_ns = nic_value(CKPT_SEL_WALL_NS);
        uint64_t took = rdtsc() - before;

        if (took < least) {
            least = took;
            best.tsc = before + took / 2;
            best.wall_ns = wall_ns;
        }
    }
    best.mono_ns = time_at_ns(best.tsc);
    return best;
}

/* (ns << 32) / ticks, with 128 bits in between. */
static uint64_t ns_per_tick(uint64_t ns, uint64_t ticks)
{
    uint64_t high = ns >> 32;
    uint64_t low = ns << 32;
    uint64_t quotient, rest;

    if (high >= ticks) {
        return 0;
    }
    __asm__("divq %4"
            : "=a"(quotient), "=d"(rest)
            : "0"(low), "1"(high), "r"(ticks)
            : "cc");
    return quotient;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/*
 * Go half the way to what was measured, but not far at once: a pause of the
 * guest looks like a slower counter.  Only at first much may be wrong.
 */
static void learn_rate(const struct look *now)
{
    uint64_t measured =
        ns_per_tick(now->wall_ns - last.wall_ns, now->tsc - last.tsc);
    uint64_t most = rate / (interval_ns <= LEARN_NS ? 100 : 10000);
    uint64_t change = distance(measured, rate) / 2;

    if (change > most) {
        change = most;
    }
    rate = measured > rate ? rate + change : rate - change;
}

/**
 * wallclock_start - take the host's clock over: at boot and after a restore
 * @tsc_rate: ns per tick << 32
 *
 * Return: what the wall clock is ahead of the monotonic one.
 */
uint64_t wallclock_start(uint64_t tsc_rate)
{
    if (rate == 0) {
        rate = tsc_rate;
    }
    last = look_at_host();
    interval_ns = SECOND_NS;
    next_ns = last.mono_ns + interval_ns;
    slewing = false;
    return last.wall_ns - last.mono_ns;
}

/**
 * wallclock_next_ns - when a look is due, if the guest is awake
 *
 * Return: the time.
 */
uint64_t wallclock_next_ns(void)
{
    return next_ns;
}

/**
 * wallclock_idle - nobody runs from now on
 */
void wallclock_idle(void)
{
    idle_since_ns = time_now_ns();
    if (slewing) {
        slewing = false;
        next_ns = idle_since_ns;
        time_set(rate, time_wall_offset_ns());
    }
}

/**
 * wallclock_look - look at the host's clock if it is time to
 * @now_ns: the time
 *
 * Context: an interrupt.
 */
void wallclock_look(uint64_t now_ns)
{
    uint64_t slept_ns = current->process == NULL ? now_ns - idle_since_ns : 0;
    uint64_t ours_ns, off_ns;
    struct look now;
    bool was_set;

    if (now_ns < next_ns) {
        return;
    }
    now = look_at_host();
    ours_ns = now.mono_ns + time_wall_offset_ns();
    off_ns = distance(now.wall_ns, ours_ns);
    was_set = off_ns > SET_NS ||
              off_ns > NOISE_NS + (now.mono_ns - last.mono_ns) / NOISE_PART;
    if (!was_set) {
        learn_rate(&now);
    }
    interval_ns = was_set ? SECOND_NS : interval_ns * 2;
    if (interval_ns > LOOK_LONGEST_NS) {
        interval_ns = LOOK_LONGEST_NS;
    }
    slewing = now.wall_ns < ours_ns && off_ns <= SET_NS && off_ns > slept_ns;
    if (slewing) {
        time_set(rate - rate / SLEW_PART, time_wall_offset_ns());
        interval_ns = SECOND_NS;
        next_ns = now_ns + off_ns * SLEW_PART;
    } else {
        time_set(rate, time_wall_offset_ns() + now.wall_ns - ours_ns);
        next_ns = now_ns + interval_ns;
    }
    if (was_set && !slewing) {
        process_clock_set();
    }
    last = now;
}
