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
        bytes_dropped(b, n);
        done += n;
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
        bytes_added(b, n);
        done += n;
    }
    return done;
}

/* @n bytes from place @at on, which may go on at the beginning. */
static void pieces(const struct bytes *b, uint32_t at, uint32_t n,
                   struct uio *uio)
{
    uint32_t to_end = b->size - at;

    if (n <= to_end) {
        uio_library(uio, b->data + at, n);
    } else {
        uio_library(uio, b->data + at, to_end);
        uio_library_more(uio, b->data, n - to_end);
    }
}

/**
 * bytes_as_room() - the room as buffers to be filled
 * @b: the queue
 * @uio: filled in
 * @most: not more bytes than that
 *
 * Context: lock held, as long as @uio is used.
 */
void bytes_as_room(const struct bytes *b, struct uio *uio, uint64_t most)
{
    uint32_t room = bytes_room(b);

    pieces(b, (b->first + b->count) % b->size, most < room ? most : room, uio);
}

/**
 * bytes_as_data() - what is in it as buffers to be read
 * @b: the queue
 * @uio: filled in
 * @most: not more bytes than that
 *
 * Context: lock held, as long as @uio is used.
 */
void bytes_as_data(const struct bytes *b, struct uio *uio, uint64_t most)
{
    pieces(b, b->first, most < b->count ? most : b->count, uio);
}

/**
 * bytes_added() - the next bytes of the room have been filled
 * @b: the queue
 * @n: how many
 *
 * Context: lock held.
 */
void bytes_added(struct bytes *b, uint32_t n)
{
    b->count += n;
}

/**
 * bytes_dropped() - the first bytes have been read
 * @b: the queue
 * @n: how many
 *
 * Context: lock held.
 */
void bytes_dropped(struct bytes *b, uint32_t n)
{
    b->count -= n;
    b->first = b->count ? (b->first + n) % b->size : 0;
}
