/* SPDX-License-Identifier: GPL-2.0-or-later */
/* locks.h - locks on files: of fcntl() and flock() */
#ifndef POSIX_LOCKS_H
#define POSIX_LOCKS_H

#include "guest-libc/posix/file.h"

/* Is it a command of fcntl() about locks? */
bool locks_is_command(uint32_t command);
/* fcntl(@fd, @command, @user_lock); may sleep.  Lock held. */
long locks_fcntl(uint32_t fd, uint32_t command, uint64_t user_lock);
/* A descriptor of @file is closed: the process loses its locks there. */
void locks_closed(struct file *file);
/* @file ends: its own locks go. */
void locks_released(struct file *file);

#endif
