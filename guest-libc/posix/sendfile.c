/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sendfile.c - from a file to whatever can be written
 *
 * A file of the bundle is read-only and stays where it is, so its bytes go out
 * from there.  What may change meanwhile, because it is made up or generated,
 * is copied a piece at a time.
 */
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/inotify.h"
#include "guest-libc/posix/tree-file.h"

#define SEND_PIECE_BYTES (256u << 10)
#define SEND_COPY_BYTES  16320u
#define SEND_BYTES_MAX   0x7ffff000ull /* of Linux, in one call */
#define SEND_SIGPIPE     13

struct sending {
    struct file *in, *out;
    uint64_t position, left;
    uint8_t *copy; /* SEND_COPY_BYTES, made when it is needed */
};

static bool can_stay(const struct tree_node *node)
{
    return node->kind == TREE_REGULAR && !node->generated;
}

/* The next bytes: their number, 0 at the end, or -errno. */
static long next_piece(struct sending *s, struct uio *uio)
{
    const struct tree_node *node = tree_file_node(s->in);
    size_t n = s->left < SEND_PIECE_BYTES ? s->left : SEND_PIECE_BYTES;
    struct uio copy;
    long ret;

    if (can_stay(node)) {
        if (s->position >= node->len_bytes) {
            return 0;
        }
        n = node->len_bytes - s->position < n ? node->len_bytes - s->position
                                              : n;
        uio_library(uio, (uint8_t *)(uintptr_t)node->data + s->position, n);
        return n;
    }
    s->copy = s->copy ? s->copy : heap_zalloc(SEND_COPY_BYTES);
    if (!s->copy) {
        return -ENOMEM;
    }
    uio_library(&copy, s->copy, n < SEND_COPY_BYTES ? n : SEND_COPY_BYTES);
    ret = s->in->ops->read_at(s->in, &copy, s->position);
    uio_library(uio, s->copy, ret > 0 ? ret : 0);
    return ret;
}

/* Bytes sent, fewer than asked for at the end or if it may not wait. */
static long send_all(struct sending *s)
{
    long done = 0, ret, n;
    struct uio uio;

    while (s->left) {
        n = next_piece(s, &uio);
        ret = n > 0 ? file_write(s->out, &uio, false) : n;
        if (ret <= 0) {
            return done ? done : ret;
        }
        done += ret;
        s->position += ret;
        s->left -= ret;
        if (ret < n) {
            return done;
        }
    }
    return done;
}

static bool is_regular(struct file *file)
{
    const struct tree_node *node = tree_file_node(file);

    return node && (node->kind == TREE_REGULAR || node->kind == TREE_MADE);
}

/* May bytes go from @in, at @offset, to @out?  0 or -errno. */
static long check(const struct sys_args *a, struct file *in, struct file *out,
                  int64_t offset)
{
    if (!in || (in->flags & O_ACCMODE) == O_WRONLY) {
        return -EBADF;
    }
    if (a->arg[2] && !in->ops->seek) {
        return -ESPIPE;
    }
    if (offset < 0 || (int64_t)a->arg[3] < 0) {
        return -EINVAL;
    }
    if (!out || (out->flags & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    return !is_regular(in) || (out->flags & O_APPEND) ? -EINVAL : 0;
}

static long sendfile_locked(const struct sys_args *a, int64_t *offset)
{
    struct file *in = fd_file(a->arg[1]), *out = fd_file(a->arg[0]);
    struct sending s = { .in = in, .out = out };
    long ret;

    if (in && !a->arg[2]) {
        *offset = tree_file_position(in);
    }
    ret = check(a, in, out, *offset);
    if (ret) {
        return ret;
    }
    s.position = *offset;
    s.left = a->arg[3] < SEND_BYTES_MAX ? a->arg[3] : SEND_BYTES_MAX;
    file_hold(in);
    file_hold(out);
    ret = send_all(&s);
    if (ret == -EPIPE) {
        signal_raise_locked(SEND_SIGPIPE);
    }
    if (ret > 0) {
        inotify_file(in, IN_ACCESS);
        *offset += ret;
        if (!a->arg[2]) {
            tree_file_of(in)->position = *offset;
        }
    }
    file_release(out);
    file_release(in);
    if (s.copy) {
        heap_free(s.copy);
    }
    return ret;
}

/**
 * send_sys_sendfile() - sendfile(out, in, offset, count)
 *
 * @linux call sendfile
 * @test guest/programs/sendfile.c "to a socket, all bytes"
 * @test guest/programs/sendfile.c "what cannot be sent, or where to"
 */
long send_sys_sendfile(struct sys_args *a)
{
    int64_t offset = 0;
    long ret;

    if (a->arg[2] && copy_from_user(&offset, a->arg[2], sizeof(offset))) {
        return -EFAULT;
    }
    lib_lock();
    ret = sendfile_locked(a, &offset);
    lib_unlock();
    if (a->arg[2] && ret >= 0 &&
        copy_to_user(a->arg[2], &offset, sizeof(offset))) {
        return -EFAULT;
    }
    return ret;
}

static long copy_check(struct file *in, struct file *out)
{
    const struct tree_node *from, *to;

    if (!in || !out) {
        return -EBADF;
    }
    from = tree_file_node(in);
    to = tree_file_node(out);
    if ((from && from->kind == TREE_DIRECTORY) ||
        (to && to->kind == TREE_DIRECTORY)) {
        return -EISDIR;
    }
    /* No regular file can be open for writing. */
    return is_regular(in) && is_regular(out) ? -EBADF : -EINVAL;
}

/**
 * send_sys_copy() - copy_file_range(in, offset, out, offset, count, flags)
 *
 * @linux call copy_file_range
 * @test guest/programs/sendfile.c "copy_file_range needs a writable file"
 */
long send_sys_copy(struct sys_args *a)
{
    int64_t offset;
    long ret;

    lib_lock();
    ret = fd_file(a->arg[0]) && fd_file(a->arg[2]) ? 0 : -EBADF;
    lib_unlock();
    if (ret) {
        return ret;
    }
    if ((a->arg[1] && copy_from_user(&offset, a->arg[1], sizeof(offset))) ||
        (a->arg[3] && copy_from_user(&offset, a->arg[3], sizeof(offset)))) {
        return -EFAULT;
    }
    if ((uint32_t)a->arg[5]) {
        return -EINVAL;
    }
    lib_lock();
    ret = copy_check(fd_file(a->arg[0]), fd_file(a->arg[2]));
    lib_unlock();
    return ret;
}
