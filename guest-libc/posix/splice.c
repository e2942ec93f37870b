/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.c - bytes go into a pipe and out of it, and the program sees none
 *
 * Linux passes pages on. Here the bytes are copied once, from the file right
 * into the pipe's queue or out of it; what could not be written stays in the
 * queue. So nothing is lost and nothing comes twice, whoever else reads the
 * pipe while a call waits for the other file.
 */
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/posix/pipe.h"
#include "guest-libc/posix/tree-file.h"

#define SPLICE_NONBLOCK 2u
#define SPLICE_KNOWN    15u
#define SPLICE_SIGPIPE  13

struct splicing {
    struct file *in, *out;
    uint64_t left;
    int64_t *offset; /* of the file that is no pipe; NULL: its own */
    bool by_call;    /* SPLICE_NONBLOCK */
    bool nonblock;   /* what the pipe is concerned */
};

static long wait_pipe(struct file *end, uint32_t events, bool nonblock)
{
    return nonblock ? -EAGAIN : file_wait_for_call(end, events, SYS_FOREVER);
}

/* Until there are bytes: 1; 0 at the end, or what the call returns. */
static long wait_bytes(struct file *reader, bool nonblock)
{
    struct pipe *pipe = pipe_find(reader);
    long ret;

    while (!pipe->bytes.count) {
        if (!pipe->writer) {
            return 0;
        }
        ret = wait_pipe(reader, EPOLLIN, nonblock);
        if (ret) {
            return ret;
        }
    }
    return 1;
}

/* Until there is room: 1, or what the call returns. */
static long wait_room(struct file *writer, bool nonblock)
{
    struct pipe *pipe = pipe_find(writer);
    long ret;

    for (;;) {
        if (!pipe->reader) {
            return -EPIPE;
        }
        if (bytes_room(&pipe->bytes)) {
            return 1;
        }
        ret = wait_pipe(writer, EPOLLOUT, nonblock);
        if (ret) {
            return ret;
        }
    }
}

static void was_added(struct pipe *pipe, uint32_t n)
{
    bytes_added(&pipe->bytes, n);
    file_wake(pipe->reader, EPOLLIN);
}

static void was_dropped(struct pipe *pipe, uint32_t n)
{
    bytes_dropped(&pipe->bytes, n);
    if (pipe->writer) {
        file_wake(pipe->writer, EPOLLOUT);
    }
}

/* May a call not wait for @in? A pipe and AF_UNIX heed the call's own flag. */
static bool in_is_nonblock(const struct splicing *s)
{
    return (s->in->flags & O_NONBLOCK) || (s->nonblock && pipe_find(s->in)) ||
           (s->by_call && pair_of(s->in));
}

/* From any file, a pipe among them, into the pipe: the first bytes there are. */
static long fill(struct splicing *s)
{
    struct pipe *pipe = pipe_find(s->out);
    uint64_t deadline_ns = wait_deadline(s->in->rx_timeout_ns);
    struct uio uio;
    long ret;

    for (;;) {
        ret = wait_room(s->out, s->nonblock);
        if (ret <= 0) {
            return ret;
        }
        bytes_as_room(&pipe->bytes, &uio, s->left);
        ret = s->offset ? s->in->ops->read_at(s->in, &uio, *s->offset)
                        : s->in->ops->read(s->in, &uio);
        if (ret > 0) {
            was_added(pipe, ret);
        }
        if (ret != -EAGAIN || in_is_nonblock(s)) {
            return ret;
        }
        ret = file_wait_for_call(s->in, EPOLLIN | EPOLLRDHUP, deadline_ns);
        if (ret) {
            return ret;
        }
    }
}

/* Out of the pipe into another file, until the pipe is empty. */
static long drain(struct splicing *s)
{
    struct pipe *pipe = pipe_find(s->in);
    uint64_t deadline_ns = wait_deadline(s->out->tx_timeout_ns);
    struct uio uio;
    long done = 0, ret = 0;

    while (s->left) {
        ret = done ? (long)pipe->bytes.count : wait_bytes(s->in, s->nonblock);
        if (ret <= 0) {
            break;
        }
        bytes_as_data(&pipe->bytes, &uio, s->left);
        ret = s->out->ops->write(s->out, &uio);
        if (ret > 0) {
            was_dropped(pipe, ret);
            done += ret;
            s->left -= ret;
            continue;
        }
        if (ret != -EAGAIN || (s->out->flags & O_NONBLOCK)) {
            break;
        }
        ret = file_wait_for_call(s->out, EPOLLOUT, deadline_ns);
        if (ret) {
            break;
        }
    }
    return done ? done : ret;
}

/* From one pipe into another, where they stay as well. */
static long copy_on(struct splicing *s)
{
    struct pipe *from = pipe_find(s->in), *to = pipe_find(s->out);
    struct bytes peeked;
    struct uio uio;
    long ret;

    do {
        ret = wait_bytes(s->in, s->nonblock);
        ret = ret > 0 ? wait_room(s->out, s->nonblock) : ret;
    } while (ret > 0 && !from->bytes.count);
    if (ret <= 0) {
        return ret;
    }
    peeked = from->bytes;
    bytes_as_room(&to->bytes, &uio, s->left);
    ret = bytes_get(&peeked, &uio);
    was_added(to, ret);
    return ret;
}

static bool can_read(const struct file *file)
{
    return (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool can_write(const struct file *file)
{
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

static bool is_regular(struct file *file)
{
    const struct tree_node *node = tree_file_node(file);

    return node && (node->kind == TREE_REGULAR || node->kind == TREE_MADE);
}

/* Sockets, devices and the standard streams; of the rest see the callers. */
static bool is_stream(const struct file *file)
{
    uint32_t kind = file->ops->mode & LINUX_S_IFMT;

    return kind == LINUX_S_IFSOCK || kind == LINUX_S_IFCHR ||
           kind == LINUX_S_IFIFO;
}

static long check_in(const struct splicing *s)
{
    if (s->offset && (!s->in->ops->read_at || *s->offset < 0)) {
        return -EINVAL;
    }
    return s->in->ops->read && (is_regular(s->in) || is_stream(s->in))
               ? 0
               : -EINVAL;
}

static long check_out(const struct splicing *s)
{
    if (s->offset && (!s->out->ops->in_tree || *s->offset < 0)) {
        return -EINVAL;
    }
    return s->out->ops->write && is_stream(s->out) &&
                   !(s->out->flags & O_APPEND)
               ? 0
               : -EINVAL;
}

static long splice_files(struct splicing *s)
{
    struct pipe *from = pipe_find(s->in), *to = pipe_find(s->out);
    long ret;

    if (!can_read(s->in) || !can_write(s->out)) {
        return -EBADF;
    }
    if ((from && s->in->flags & O_NONBLOCK) ||
        (to && s->out->flags & O_NONBLOCK)) {
        s->nonblock = true;
    }
    if (from && to) {
        return from == to ? -EINVAL : fill(s);
    }
    if (to) {
        ret = check_in(s);
        return ret ? ret : fill(s);
    }
    if (from) {
        ret = check_out(s);
        return ret ? ret : drain(s);
    }
    return -EINVAL;
}

static long tee_files(struct splicing *s)
{
    struct pipe *from = pipe_find(s->in), *to = pipe_find(s->out);

    if (!can_read(s->in) || !can_write(s->out)) {
        return -EBADF;
    }
    if (!from || !to || from == to) {
        return -EINVAL;
    }
    s->nonblock |= (s->in->flags | s->out->flags) & O_NONBLOCK;
    return copy_on(s);
}

static long with_files(struct splicing *s, long (*move)(struct splicing *s))
{
    long ret;

    file_hold(s->in);
    file_hold(s->out);
    ret = move(s);
    if (ret == -EPIPE) {
        signal_raise_locked(SPLICE_SIGPIPE);
    }
    file_release(s->out);
    file_release(s->in);
    return ret;
}

/* The one offset that counts, of a file that is no pipe: 0 or -errno. */
static long take_offset(struct splicing *s, const struct sys_args *a,
                        int64_t *ret_offset)
{
    if ((pipe_find(s->in) && a->arg[1]) || (pipe_find(s->out) && a->arg[3])) {
        return -ESPIPE;
    }
    if ((a->arg[3] &&
         copy_from_user(ret_offset, a->arg[3], sizeof(*ret_offset))) ||
        (a->arg[1] &&
         copy_from_user(ret_offset, a->arg[1], sizeof(*ret_offset)))) {
        return -EFAULT;
    }
    s->offset = a->arg[1] || a->arg[3] ? ret_offset : NULL;
    return 0;
}

static long splice_locked(const struct sys_args *a, int64_t *offset)
{
    bool nonblock = a->arg[5] & SPLICE_NONBLOCK;
    struct splicing s = {
        .in = fd_file(a->arg[0]),
        .out = fd_file(a->arg[2]),
        .left = a->arg[4],
        .by_call = nonblock,
        .nonblock = nonblock,
    };
    long ret;

    if (!s.in || !s.out) {
        return -EBADF;
    }
    ret = take_offset(&s, a, offset);
    return ret ? ret : with_files(&s, splice_files);
}

/**
 * splice_sys_splice() - splice(in, offset, out, offset, count, flags)
 *
 * @linux call splice - bytes are copied, not passed on; SPLICE_F_MORE holds
 *             nothing back
 * @test guest/programs/splices.c "from a file to a socket"
 * @test guest/programs/splices.c "what cannot be spliced"
 */
long splice_sys_splice(struct sys_args *a)
{
    uint64_t user_offset = a->arg[1] ? a->arg[1] : a->arg[3];
    int64_t offset = 0;
    long ret;

    if (!a->arg[4]) {
        return 0;
    }
    if ((uint32_t)a->arg[5] & ~SPLICE_KNOWN) {
        return -EINVAL;
    }
    lib_lock();
    ret = splice_locked(a, &offset);
    lib_unlock();
    if (ret >= 0 && user_offset) {
        offset += ret;
        if (copy_to_user(user_offset, &offset, sizeof(offset))) {
            return -EFAULT;
        }
    }
    return ret;
}

/**
 * splice_sys_tee() - tee(in, out, count, flags)
 *
 * @linux call tee
 * @test guest/programs/splices.c "tee leaves it where it is"
 */
long splice_sys_tee(struct sys_args *a)
{
    struct splicing s = { .left = a->arg[2] };
    long ret = -EBADF;

    if ((uint32_t)a->arg[3] & ~SPLICE_KNOWN) {
        return -EINVAL;
    }
    if (!s.left) {
        return 0;
    }
    s.nonblock = a->arg[3] & SPLICE_NONBLOCK;
    lib_lock();
    s.in = fd_file(a->arg[0]);
    s.out = fd_file(a->arg[1]);
    if (s.in && s.out) {
        ret = with_files(&s, tee_files);
    }
    lib_unlock();
    return ret;
}

/* From the program's memory into a pipe, or the other way. */
static long vmsplice_end(struct file *end, struct uio *uio, bool nonblock)
{
    struct pipe *pipe = pipe_find(end);
    bool out = can_write(end);
    long ret;

    if (!pipe) {
        return -EBADF;
    }
    file_hold(end);
    ret = out ? wait_room(end, nonblock) : wait_bytes(end, nonblock);
    if (ret > 0) {
        ret = out ? bytes_put(&pipe->bytes, uio) : bytes_get(&pipe->bytes, uio);
    }
    if (ret > 0 && out) {
        file_wake(pipe->reader, EPOLLIN);
    } else if (ret > 0 && pipe->writer) {
        file_wake(pipe->writer, EPOLLOUT);
    } else if (ret == -EPIPE) {
        signal_raise_locked(SPLICE_SIGPIPE);
    }
    file_release(end);
    return ret;
}

/**
 * splice_sys_vmsplice() - vmsplice(pipe, iov, n, flags)
 *
 * @linux call vmsplice - bytes are copied, so the program may change its own
 * @test guest/programs/splices.c "vmsplice: out of memory, and into it"
 */
long splice_sys_vmsplice(struct sys_args *a)
{
    struct file *file;
    struct uio uio;
    long ret;

    if ((uint32_t)a->arg[3] & ~SPLICE_KNOWN) {
        return -EINVAL;
    }
    lib_lock();
    ret = fd_file(a->arg[0]) ? 0 : -EBADF;
    lib_unlock();
    ret = ret ? ret : uio_vector(&uio, a->arg[1], a->arg[2]);
    if (ret || !uio.left_bytes) {
        return ret;
    }
    lib_lock();
    file = fd_file(a->arg[0]);
    ret = file ? vmsplice_end(file, &uio, a->arg[3] & SPLICE_NONBLOCK) : -EBADF;
    lib_unlock();
    return ret;
}
