/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-tsc.c - how fast the guest's time stamp counter runs
 *
 * KVM knows it.  TCG's counter is the host's own, to be compared with its
 * clock.  A guest does not go on where the counter runs at another frequency
 * than it had, so it must not seem to: not to who had to wait for a processor
 * between reading the one and the other.
 */
#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "qom/object.h"
#include "system/kvm.h"
#include "hw/ckpt/ckpt-tsc.h"

#define TRIES    16
#define LEAST_NS (5 * SCALE_MS)

/**
 * ckpt_tsc_sample: read clock and counter at one instant
 *
 * Return: of several tries the one with the least time around it: a busy host
 * takes the processor away in one of them, not in all.
 * Context: any.
 */
CkptTscSample ckpt_tsc_sample(void)
{
    int64_t before, clock_ns, after, least = INT64_MAX;
    CkptTscSample best = { 0 };
    int i;

    for (i = 0; i < TRIES; i++) {
        before = cpu_get_host_ticks();
        clock_ns = get_clock();
        after = cpu_get_host_ticks();
        if (after - before < least) {
            least = after - before;
            best.clock_ns = clock_ns;
            best.ticks = before + least / 2;
        }
    }
    return best;
}

/**
 * ckpt_tsc_hz: the counter's frequency
 * @since: an earlier sample
 *
 * Return: Hz.
 * Context: any; waits until @since was 5 ms ago.
 */
uint64_t ckpt_tsc_hz(const CkptTscSample *since)
{
    CkptTscSample now;
    uint64_t low, high;
    int64_t hz;

    if (kvm_enabled()) {
        hz = object_property_get_int(OBJECT(first_cpu), "tsc-frequency", NULL);
        if (hz > 0) {
            return hz;
        }
    }
    do {
        now = ckpt_tsc_sample();
    } while (now.clock_ns - since->clock_ns < LEAST_NS);
    /* 128 bits: a QEMU that reconnects may have run for years */
    mulu64(&low, &high, now.ticks - since->ticks, NANOSECONDS_PER_SECOND);
    divu128(&low, &high, now.clock_ns - since->clock_ns);
    return low;
}
