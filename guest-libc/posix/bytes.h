/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bytes.h - a bounded queue of bytes between two ends (pipe, socketpair) */
#ifndef POSIX_BYTES_H
#define POSIX_BYTES_H

#include <stdbool.h>
#include "guest-libc/posix/uio.h"

#define BYTES_SIZE   65536u /* unless it is made another one */
#define BYTES_ATOMIC 4096u  /* PIPE_BUF: written whole or not at all */

struct bytes {
    uint8_t *data; /* NULL: no memory */
    uint32_t size; /* of it, whole pages */
    uint32_t first, count;
};

bool bytes_init(struct bytes *b);
void bytes_free(struct bytes *b);
/* Have room for @size bytes in all: 0, -EBUSY, -ENOMEM. */
long bytes_resize(struct bytes *b, uint32_t size);
/* Bytes moved, or -EFAULT; 0 if it is empty (full). */
long bytes_get(struct bytes *b, struct uio *uio);
long bytes_put(struct bytes *b, struct uio *uio);

/*
 * The room, or the bytes in it, at most so many, as buffers of the library's.
 * What was put there is then bytes_added(), what was taken bytes_dropped().
 */
void bytes_as_room(const struct bytes *b, struct uio *uio, uint64_t most);
void bytes_as_data(const struct bytes *b, struct uio *uio, uint64_t most);
void bytes_added(struct bytes *b, uint32_t n);
void bytes_dropped(struct bytes *b, uint32_t n);

static inline uint32_t bytes_room(const struct bytes *b)
{
    return b->size - b->count;
}

#endif
