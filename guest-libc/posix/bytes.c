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
    b->data = lib_pages(BYTES_SIZE);
    b->size = BYTES_SIZE;
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
        lib_pages_free(b->data, b->size);
        b->data = NULL;
    }
}

/**
 * bytes_resize() - make more room, or less
 * @b: the queue
 * @size: bytes, whole pages
 *
 * Return: 0, -EBUSY if more are in it, -ENOMEM.
 * Context: lock held.
 */
long bytes_resize(struct bytes *b, uint32_t size)
{
    uint8_t *data;

    if (size < b->count) {
        return -EBUSY;
    }
    data = lib_pages(size);
    if (!data) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        data[i] = b->data[(b->first + i) % b->size];
    }
    lib_pages_free(b->data, b->size);
    b->data = data;
    b->size = size;
    b->first = 0;
    return 0;
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
        uint32_t n = b->size - b->first;

        n = n < b->count ? n : b->count;
        n = uio_min(uio, n);
        if (uio_copy_out(uio, b->data + b->first, n)) {
            return done ? done : -EFAULT;
        }
        b->first = (b->first + n) % b->size;
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
        uint32_t at = (b->first + b->count) % b->size;
        uint32_t n = b->size - at;

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
