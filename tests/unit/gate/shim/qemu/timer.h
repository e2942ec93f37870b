/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timer.h - the clocks that a test brings along */
#ifndef SHIM_TIMER_H
#define SHIM_TIMER_H

#define SCALE_MS               1000000
#define NANOSECONDS_PER_SECOND 1000000000LL

int64_t get_clock(void);
int64_t cpu_get_host_ticks(void);

#endif
