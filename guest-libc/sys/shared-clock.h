/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shared-clock.h - read the clocks of struct guest_shared
 *
 * Used by the library and, built a second time, by the vDSO image; hence
 * inline and without any other symbol.
 */
#ifndef SHARED_CLOCK_H
#define SHARED_CLOCK_H

#include "abi/guest-boot.h"

static inline uint64_t shared_tsc(void)
{
    uint32_t low, high;

    /* Not before the loads in front of it: a clock must not go back. */
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Both clocks of one instant; @ret_offset_ns is wall minus monotonic. */
static inline uint64_t shared_clock_read(const struct guest_shared *shared,
                                         uint64_t *ret_offset_ns)
{
    uint32_t sequence;
    uint64_t mono_ns;

    do {
        /* Pairs with the kernel's two stores around an update. */
        sequence = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);
        mono_ns =
            shared->mono_base_ns +
            (uint64_t)((unsigned __int128)(shared_tsc() - shared->tsc_base) *
                           shared->tsc_mult >>
                       shared->tsc_shift);
        *ret_offset_ns = shared->wall_offset_ns;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((sequence & 1) ||
             sequence != __atomic_load_n(&shared->sequence, __ATOMIC_RELAXED));
    return mono_ns;
}

#endif
