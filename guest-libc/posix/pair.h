/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pair.h - ends of a socketpair, for the calls that serve all sockets */
#ifndef POSIX_PAIR_H
#define POSIX_PAIR_H

#include "guest-libc/posix/file.h"

bool pair_is(const struct file *file);
void pair_shutdown(struct file *file, bool rx, bool tx);

#endif
