/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-tsc.h - how fast the guest's time stamp counter runs
 */
#ifndef HW_CKPT_TSC_H
#define HW_CKPT_TSC_H

/* The host's monotonic clock and its counter, at one instant. */
typedef struct CkptTscSample {
    int64_t clock_ns;
    int64_t ticks;
} CkptTscSample;

CkptTscSample ckpt_tsc_sample(void);
/* Hz, exact under KVM; otherwise as it ran @since, at least 5 ms ago. */
uint64_t ckpt_tsc_hz(const CkptTscSample *since);

#endif
