/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bytes.c - a bounded queue of bytes between two ends
 *
 * An empty queue starts again at its first page: a pipe that carries a byte
 * now and then dirties one page and not sixteen.
 */
#include <errno.h>
#include "guest-libc/posix/bytes.h"
#include "guest-libc/sys/libos.h"

/**
 * bytes_init() - an empty queue
 * @b: filled in
 *
 * Return: false without memory.
 */
bool bytes_init(struct bytes *b)
{
    b->data = lib_pages(BYTES_MAX);
    b->first = b->count = 0;
    return b->data;
}

/**
 * bytes_free() - end it
 * @b: the queue
 */
void bytes_free(struct bytes *b)
{
    if (b->data) {
        lib_pages_free(b->data, BYTES_MAX);
        b->data = NULL;
    }
}

/**
 * bytes_get() - take bytes out
 * @b: the queue
 * @uio: where to
 *
 * Return: how many, -EFAULT if not one could be given.
 * Context: lock held.
 */
long bytes_get(struct bytes *b, struct uio *uio)
{
    long done = 0;

    while (b->count && uio->left_bytes) {
        uint32_t n = BYTES_MAX - b->first;

        n = n < b->count ? n : b->count;
        n = uio_min(uio, n);
        if (uio_copy_out(uio, b->data + b->first, n)) {
            return done ? done : -EFAULT;
        }
        b->first = (b->first + n) % BYTES_MAX;
        b->count -= n;
        done += n;
    }
    if (!b->count) {
        b->first = 0;
    }
    return done;
}

/**
 * bytes_put() - put bytes in
 * @b: the queue
 * @uio: from where
 *
 * Return: how many, -EFAULT if not one could be read.
 * Context: lock held.
 */
long bytes_put(struct bytes *b, struct uio *uio)
{
    long done = 0;

    while (bytes_room(b) && uio->left_bytes) {
        uint32_t at = (b->first + b->count) % BYTES_MAX;
        uint32_t n = BYTES_MAX - at;

        n = n < bytes_room(b) ? n : bytes_room(b);
        n = uio_min(uio, n);
        if (uio_copy_in(uio, b->data + at, n)) {
            return done ? done : -EFAULT;
        }
        b->count += n;
        done += n;
    }
    return done;
}
