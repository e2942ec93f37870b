/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pipe.h - a pipe and its two ends, for pipe.c and splice.c */
#ifndef POSIX_PIPE_H
#define POSIX_PIPE_H

#include "guest-libc/posix/bytes.h"
#include "guest-libc/posix/file.h"

struct pipe {
    struct bytes bytes;
    struct file *reader, *writer; /* NULL: that end is closed */
};

/* The pipe that @file is an end of, NULL if it is of another kind. */
struct pipe *pipe_find(struct file *file);

#endif
