/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uio.c - the program's buffers of one read or write, walked once */
#include <string.h>
#include "guest-libc/posix/linux.h"
#include "guest-libc/posix/uio.h"
#include "guest-libc/sys/libos.h"

/* Linux moves no more than this in one call. */
#define UIO_BYTES_MAX 0x7ffff000ull

enum uio_direction {
    UIO_IN,
    UIO_OUT,
    UIO_ZERO
};

/**
 * uio_single() - a walk over one buffer
 * @uio: filled in
 * @user_addr: the buffer
 * @len_bytes: its length
 */
void uio_single(struct uio *uio, uint64_t user_addr, uint64_t len_bytes)
{
    if (len_bytes > UIO_BYTES_MAX) {
        len_bytes = UIO_BYTES_MAX;
    }
    uio->iov[0].addr = user_addr;
    uio->iov[0].len_bytes = len_bytes;
    uio->in_array = 1;
    uio->more = 0;
    uio->index = 0;
    uio->offset = 0;
    uio->left_bytes = len_bytes;
    uio->is_vector = false;
    uio->is_library = false;
}

/**
 * uio_library() - a walk over a buffer of the library's
 * @uio: filled in
 * @bytes: the buffer
 * @len_bytes: its length
 */
void uio_library(struct uio *uio, void *bytes, size_t len_bytes)
{
    uio_single(uio, (uint64_t)(uintptr_t)bytes, len_bytes);
    uio->is_library = true;
}

/**
 * uio_library_more() - one more buffer of the library's, behind the first
 * @uio: of uio_library(), nothing of it walked yet
 * @bytes: the buffer
 * @len_bytes: its length
 */
void uio_library_more(struct uio *uio, void *bytes, size_t len_bytes)
{
    uio->iov[uio->in_array].addr = (uint64_t)(uintptr_t)bytes;
    uio->iov[uio->in_array].len_bytes = len_bytes;
    uio->in_array++;
    uio->left_bytes += len_bytes;
}

/*
 * Read the next elements of the vector.  There may be none although bytes are
 * left: another thread of the program has changed the lengths meanwhile.
 */
static long uio_fill(struct uio *uio)
{
    uint32_t n = uio->more < UIO_INLINE ? uio->more : UIO_INLINE;

    if (!n) {
        return -EFAULT;
    }
    if (copy_from_user(uio->iov, uio->user_iov, n * sizeof(uio->iov[0]))) {
        return -EFAULT;
    }
    uio->user_iov += n * sizeof(uio->iov[0]);
    uio->in_array = n;
    uio->more -= n;
    uio->index = 0;
    uio->offset = 0;
    return 0;
}

/**
 * uio_vector() - a walk over the program's vector of buffers
 * @uio: filled in
 * @user_iov: struct iovec of Linux
 * @n: how many
 *
 * Return: 0, -EINVAL (more than IOV_MAX, lengths too large), -EFAULT.
 */
long uio_vector(struct uio *uio, uint64_t user_iov, uint64_t n)
{
    uint64_t total = 0;
    long ret;

    uio->is_vector = true;
    uio->is_library = false;
    if (n > UIO_IOV_MAX) {
        return -EINVAL;
    }
    /* Once for the sum of the lengths, then from the start. */
    uio->user_iov = user_iov;
    uio->more = n;
    while (uio->more) {
        ret = uio_fill(uio);
        if (ret) {
            return ret;
        }
        for (uint32_t i = 0; i < uio->in_array; i++) {
            if (uio->iov[i].len_bytes > INT64_MAX - total) {
                return -EINVAL;
            }
            total += uio->iov[i].len_bytes;
        }
    }
    uio->left_bytes = total < UIO_BYTES_MAX ? total : UIO_BYTES_MAX;
    if (n > UIO_INLINE) {
        uio->user_iov = user_iov;
        uio->more = n;
        return uio_fill(uio);
    }
    uio->in_array = n;
    uio->index = 0;
    uio->offset = 0;
    return 0;
}

static long copy_piece(const struct uio *uio, uint64_t addr, uint8_t *kernel,
                       size_t len_bytes, enum uio_direction direction)
{
    void *own = (void *)(uintptr_t)addr;

    if (uio->is_library) {
        switch (direction) {
        case UIO_IN:
            memcpy(kernel, own, len_bytes);
            break;
        case UIO_OUT:
            memcpy(own, kernel, len_bytes);
            break;
        default:
            memset(own, 0, len_bytes);
            break;
        }
        return 0;
    }
    switch (direction) {
    case UIO_IN:
        return copy_from_user(kernel, addr, len_bytes);
    case UIO_OUT:
        return copy_to_user(addr, kernel, len_bytes);
    default:
        return clear_user(addr, len_bytes);
    }
}

static long uio_copy(struct uio *uio, uint8_t *kernel, size_t len_bytes,
                     enum uio_direction direction)
{
    lib_assert(len_bytes <= uio->left_bytes);
    while (len_bytes) {
        struct sys_iov *iov;
        uint64_t n, addr;
        long ret;

        if (uio->index == uio->in_array) {
            ret = uio_fill(uio);
            if (ret) {
                return ret;
            }
        }
        iov = &uio->iov[uio->index];
        n = iov->len_bytes - uio->offset;
        if (n > len_bytes) {
            n = len_bytes;
        }
        addr = iov->addr + uio->offset;
        ret = copy_piece(uio, addr, kernel, n, direction);
        if (ret) {
            return -EFAULT;
        }
        if (kernel) {
            kernel += n;
        }
        len_bytes -= n;
        uio->left_bytes -= n;
        uio->offset += n;
        if (uio->offset == iov->len_bytes) {
            uio->index++;
            uio->offset = 0;
        }
    }
    return 0;
}

/**
 * uio_copy_in() - take the next bytes from the program
 * @uio: where the walk is
 * @to: library memory
 * @len_bytes: at most uio->left_bytes
 *
 * Return: 0 or -EFAULT.
 */
long uio_copy_in(struct uio *uio, void *to, size_t len_bytes)
{
    return uio_copy(uio, to, len_bytes, UIO_IN);
}

/**
 * uio_copy_out() - give the program its next bytes
 * @uio: where the walk is
 * @from: library memory
 * @len_bytes: at most uio->left_bytes
 *
 * Return: 0 or -EFAULT.
 */
long uio_copy_out(struct uio *uio, const void *from, size_t len_bytes)
{
    return uio_copy(uio, (uint8_t *)(uintptr_t)from, len_bytes, UIO_OUT);
}

/**
 * uio_zero_out() - give the program zeros
 * @uio: where the walk is
 * @len_bytes: at most uio->left_bytes
 *
 * Return: 0 or -EFAULT.
 */
long uio_zero_out(struct uio *uio, size_t len_bytes)
{
    return uio_copy(uio, NULL, len_bytes, UIO_ZERO);
}
