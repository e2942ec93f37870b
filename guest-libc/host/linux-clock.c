/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux-clock.c - struct guest_shared of this host
 *
 * In the guest the kernel knows the time stamp counter's frequency; here it is
 * measured against CLOCK_MONOTONIC, long enough that the error (some ten parts
 * in a million) does not matter to a test.
 */
#include <linux/time.h>
#include <linux/time_types.h>
#include "guest-libc/host/host.h"
#include "guest-libc/host/linux-call.h"
#include "guest-libc/sys/shared-clock.h"

#define NS_PER_SEC   1000000000ull
#define CALIBRATE_NS 5000000ull
#define TSC_SHIFT    32u

static struct guest_shared shared;

static uint64_t linux_clock_ns(int clock)
{
    struct __kernel_timespec ts = { 0 };

    linux_call(__NR_clock_gettime, clock, (uint64_t)&ts, 0, 0);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

/* A pair of readings; the quickest of a few was interrupted the least. */
static void sample(uint64_t *ret_ns, uint64_t *ret_tsc)
{
    uint64_t best = UINT64_MAX;
    uint64_t before, ns, after;
    int i;

    for (i = 0; i < 8; i++) {
        before = shared_tsc();
        ns = linux_clock_ns(CLOCK_MONOTONIC);
        after = shared_tsc();
        if (after - before < best) {
            best = after - before;
            *ret_ns = ns;
            *ret_tsc = before + best / 2;
        }
    }
}

/**
 * host_clock_start - measure the counter, fill the shared page
 *
 * Return: the page.
 * Context: before anything reads a clock.
 */
const struct guest_shared *host_clock_start(void)
{
    struct __kernel_timespec pause = { 0, CALIBRATE_NS };
    uint64_t ns[2], tsc[2];

    sample(&ns[0], &tsc[0]);
    linux_call(__NR_nanosleep, (uint64_t)&pause, 0, 0, 0);
    sample(&ns[1], &tsc[1]);
    shared.tsc_shift = TSC_SHIFT;
    shared.tsc_mult = ((ns[1] - ns[0]) << TSC_SHIFT) / (tsc[1] - tsc[0]);
    shared.tsc_base = tsc[1];
    shared.mono_base_ns = ns[1];
    shared.wall_offset_ns =
        linux_clock_ns(CLOCK_REALTIME) - linux_clock_ns(CLOCK_MONOTONIC);
    shared.generation = 1;
    return &shared;
}
