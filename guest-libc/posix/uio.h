/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uio.h - the program's buffers of one read or write, walked once */
#ifndef POSIX_UIO_H
#define POSIX_UIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "abi/guest-syscall.h"

#define UIO_IOV_MAX 1024u /* of Linux */
#define UIO_INLINE  16u

/*
 * struct sys_iov has the layout of Linux' struct iovec.  A vector longer than
 * UIO_INLINE is read from the program's memory piece by piece.
 */
struct uio {
    struct sys_iov iov[UIO_INLINE];
    uint64_t user_iov; /* where iov[] continues */
    uint32_t in_array; /* valid elements of iov[] */
    uint32_t more;     /* elements not read yet */
    uint32_t index;
    bool is_vector;      /* it was a vector of the program's */
    bool is_library;     /* the buffers are the library's own */
    uint64_t offset;     /* in iov[index] */
    uint64_t left_bytes; /* of all */
};

/* One buffer. */
void uio_single(struct uio *uio, uint64_t user_addr, uint64_t len_bytes);
/* One buffer of the library's, where a program's is expected (sendfile). */
void uio_library(struct uio *uio, void *bytes, size_t len_bytes);
/* And a second one. */
void uio_library_more(struct uio *uio, void *bytes, size_t len_bytes);
/* @n of the program's iovecs: 0, -EFAULT, -EINVAL. */
long uio_vector(struct uio *uio, uint64_t user_iov, uint64_t n);
/*
 * Copy @len_bytes (not more than are left) and move on: 0 or -EFAULT, and then
 * the position is undefined.
 */
long uio_copy_in(struct uio *uio, void *to, size_t len_bytes);
long uio_copy_out(struct uio *uio, const void *from, size_t len_bytes);
long uio_zero_out(struct uio *uio, size_t len_bytes);

static inline size_t uio_min(const struct uio *uio, size_t len_bytes)
{
    return uio->left_bytes < len_bytes ? uio->left_bytes : len_bytes;
}

#endif
