/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ifreq.h - requests of ioctl() about network interfaces */
#ifndef POSIX_IFREQ_H
#define POSIX_IFREQ_H

#include <stdint.h>

/* Of any socket: 0 or a negative errno, -ENOTTY for other requests. */
long ifreq_ioctl(uint64_t request, uint64_t user_arg);

#endif
