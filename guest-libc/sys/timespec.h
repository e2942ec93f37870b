/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timespec.h - the program's ways to say a time, as nanoseconds */
#ifndef TIMESPEC_H
#define TIMESPEC_H

#include <stdint.h>

#define NS_PER_SEC 1000000000ull

/* Read a struct timespec: 0, -EFAULT, -EINVAL. */
long timespec_from_user(uint64_t user_from, uint64_t *ret_ns);
/* Write one: 0 or -EFAULT. */
long timespec_to_user(uint64_t user_to, uint64_t ns);

/* A span from now on the monotonic clock; too far away is SYS_FOREVER. */
uint64_t deadline_after(uint64_t duration_ns);

#endif
