/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pipe.c - pipes */
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/pipe.h"

#define PIPE_LEAST_BYTES 4096u
#define PIPE_MOST_BYTES  (1u << 20) /* as /proc/sys/fs/pipe-max-size says */

struct pipe_end {
    struct file file;
    struct pipe *pipe;
};

static struct pipe *pipe_of(struct file *file)
{
    return list_entry(file, struct pipe_end, file)->pipe;
}

static uint32_t reader_events(struct file *file)
{
    struct pipe *pipe = pipe_of(file);

    return (pipe->bytes.count ? EPOLLIN | EPOLLRDNORM : 0) |
           (pipe->writer ? 0 : EPOLLHUP);
}

static uint32_t writer_events(struct file *file)
{
    struct pipe *pipe = pipe_of(file);

    return (bytes_room(&pipe->bytes) >= BYTES_ATOMIC ? EPOLLOUT | EPOLLWRNORM
                                                     : 0) |
           (pipe->reader ? 0 : EPOLLERR);
}

static long pipe_read(struct file *file, struct uio *uio)
{
    struct pipe *pipe = pipe_of(file);
    long ret;

    if (!uio->left_bytes) {
        return 0;
    }
    if (!pipe->bytes.count) {
        return pipe->writer ? -EAGAIN : 0;
    }
    ret = bytes_get(&pipe->bytes, uio);
    if (ret > 0 && pipe->writer) {
        file_wake(pipe->writer, EPOLLOUT);
    }
    return ret;
}

static long pipe_write(struct file *file, struct uio *uio)
{
    struct pipe *pipe = pipe_of(file);
    long ret;

    if (!pipe->reader) {
        return -EPIPE;
    }
    if (uio->left_bytes <= BYTES_ATOMIC &&
        bytes_room(&pipe->bytes) < uio->left_bytes) {
        return -EAGAIN;
    }
    if (uio->left_bytes && !bytes_room(&pipe->bytes)) {
        return -EAGAIN;
    }
    ret = bytes_put(&pipe->bytes, uio);
    if (ret > 0) {
        file_wake(pipe->reader, EPOLLIN);
    }
    return ret;
}

static void end_free(struct file *file, struct pipe *pipe)
{
    if (!pipe->reader && !pipe->writer) {
        bytes_free(&pipe->bytes);
        heap_free(pipe);
    }
    heap_free(list_entry(file, struct pipe_end, file));
}

static void reader_release(struct file *file)
{
    struct pipe *pipe = pipe_of(file);

    pipe->reader = NULL;
    if (pipe->writer) {
        file_wake(pipe->writer, EPOLLERR | EPOLLOUT);
    }
    end_free(file, pipe);
}

static void writer_release(struct file *file)
{
    struct pipe *pipe = pipe_of(file);

    pipe->writer = NULL;
    if (pipe->reader) {
        file_wake(pipe->reader, EPOLLHUP | EPOLLIN);
    }
    end_free(file, pipe);
}

static long pipe_ioctl(struct file *file, uint64_t request, uint64_t user_arg)
{
    if (request != LINUX_FIONREAD) {
        return -ENOTTY;
    }
    return copy_to_user(user_arg, &pipe_of(file)->bytes.count,
                        sizeof(uint32_t));
}

static const struct file_ops reader_ops = {
    .name = "pipe",
    .mode = LINUX_S_IFIFO | 0600,
    .events = reader_events,
    .read = pipe_read,
    .release = reader_release,
    .ioctl = pipe_ioctl,
};

static const struct file_ops writer_ops = {
    .name = "pipe",
    .mode = LINUX_S_IFIFO | 0600,
    .events = writer_events,
    .write = pipe_write,
    .release = writer_release,
    .ioctl = pipe_ioctl,
};

/**
 * pipe_find() - the pipe that a file is an end of
 * @file: any file
 *
 * Return: it, NULL if the file is of another kind.
 */
struct pipe *pipe_find(struct file *file)
{
    bool is_end = file->ops == &reader_ops || file->ops == &writer_ops;

    return is_end ? pipe_of(file) : NULL;
}

/**
 * pipe_fcntl() - how much goes into a pipe
 * @file: any file
 * @command: LINUX_GETPIPE_SZ, LINUX_SETPIPE_SZ
 * @arg: bytes at least
 *
 * Return: bytes; -EBADF if it is no pipe, -EINVAL, -EPERM, -EBUSY, -ENOMEM.
 * Context: lock held.
 */
/* @linux fcntl F_GETPIPE_SZ F_SETPIPE_SZ - one byte takes no whole page
 * @test guest/programs/pipes.c "a pipe of another size" */
long pipe_fcntl(struct file *file, uint32_t command, uint64_t arg)
{
    struct pipe *pipe = pipe_find(file);
    uint32_t size = PIPE_LEAST_BYTES;
    struct bytes *b;
    bool was_full;
    long ret;

    if (!pipe) {
        return -EBADF;
    }
    b = &pipe->bytes;
    if (command == LINUX_GETPIPE_SZ) {
        return b->size;
    }
    arg &= UINT32_MAX;
    if (arg > 1u << 31) {
        return -EINVAL;
    }
    while (size < arg) {
        size *= 2;
    }
    if (size > PIPE_MOST_BYTES && size > b->size) {
        return -EPERM;
    }
    was_full = bytes_room(b) < BYTES_ATOMIC;
    ret = bytes_resize(b, size);
    if (!ret && was_full && pipe->writer) {
        file_wake(pipe->writer, EPOLLOUT);
    }
    return ret ? ret : (long)size;
}

/* Two ends with one reference each; nothing on failure. */
static bool pipe_make(uint32_t flags, struct file *ret_ends[2])
{
    struct pipe *pipe = heap_zalloc(sizeof(*pipe));
    struct pipe_end *r = heap_zalloc(sizeof(*r));
    struct pipe_end *w = heap_zalloc(sizeof(*w));

    if (!pipe || !r || !w || !bytes_init(&pipe->bytes)) {
        heap_free(pipe);
        heap_free(r);
        heap_free(w);
        return false;
    }
    file_init(&r->file, &reader_ops, O_RDONLY | (flags & O_NONBLOCK));
    file_init(&w->file, &writer_ops, O_WRONLY | (flags & O_NONBLOCK));
    w->file.number = r->file.number; /* one inode */
    r->pipe = w->pipe = pipe;
    pipe->reader = &r->file;
    pipe->writer = &w->file;
    ret_ends[0] = &r->file;
    ret_ends[1] = &w->file;
    return true;
}

static long pipe_create(uint64_t user_fds, uint32_t flags)
{
    struct file *ends[2];

    /* O_DIRECT would have it keep the bounds of each write. */
    if (flags & ~(O_CLOEXEC | O_NONBLOCK)) {
        return -EINVAL;
    }
    return pipe_make(flags, ends) ? fd_open_pair(ends, flags, user_fds)
                                  : -ENOMEM;
}

/**
 * pipe_sys_pipe() - pipe(fds)
 *
 * @linux call pipe pipe2 - O_DIRECT is EINVAL
 * @test guest/programs/events.c "64 KiB fit"
 * @test guest/programs/pipes.c "a pipe of another size"
 */
long pipe_sys_pipe(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = pipe_create(a->arg[0], 0);
    lib_unlock();
    return ret;
}

/** pipe_sys_pipe2() - pipe2(fds, flags) */
long pipe_sys_pipe2(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = pipe_create(a->arg[0], (uint32_t)a->arg[1]);
    lib_unlock();
    return ret;
}
