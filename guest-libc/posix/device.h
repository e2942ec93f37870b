/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device.h - the few device files that programs take for granted */
#ifndef POSIX_DEVICE_H
#define POSIX_DEVICE_H

#include "guest-libc/posix/file.h"

/* One device after the other, @name its path; NULL: there are no more. */
const struct file_ops *device_numbered(size_t i);

#endif
