/* SPDX-License-Identifier: GPL-2.0-or-later */
/* io.c - read and write in all their forms */
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/inotify.h"
#include "guest-libc/posix/tree-file.h"

/* To those that watch a read of nothing is one only if it had a vector. */
static long read_result(struct file *file, const struct uio *uio, long ret)
{
    if (ret > 0 || (!ret && uio->is_vector)) {
        inotify_file(file, IN_ACCESS);
    }
    return ret;
}

/**
 * file_read() - read, waiting for the first bytes
 * @file: the file
 * @uio: where to
 * @nonblock: do not wait, whatever the file's flags say
 *
 * Return: bytes, or a negative errno.
 * Context: lock held.
 */
long file_read(struct file *file, struct uio *uio, bool nonblock)
{
    uint64_t deadline_ns = SYS_FOREVER;
    bool held = false;
    long ret;

    if ((file->flags & O_ACCMODE) == O_WRONLY) {
        return -EBADF;
    }
    if (!file->ops->read) {
        return -EINVAL;
    }
    nonblock |= file->flags & O_NONBLOCK;
    for (;;) {
        ret = read_result(file, uio, file->ops->read(file, uio));
        if (ret != -EAGAIN || nonblock) {
            break;
        }
        if (!held) {
            deadline_ns = wait_deadline(file->rx_timeout_ns);
            held = file_hold(file);
        }
        ret = file_wait_for_call(file, EPOLLIN | EPOLLRDHUP, deadline_ns);
        if (ret) {
            break;
        }
    }
    if (held) {
        file_release(file); /* perhaps closed while it waited */
    }
    return ret;
}

/**
 * file_write() - write all, waiting for room
 * @file: the file
 * @uio: from where
 * @nonblock: do not wait, whatever the file's flags say
 *
 * Return: bytes, fewer than asked for only if it may not wait, was interrupted
 *         or failed; or a negative errno.
 * Context: lock held.
 */
long file_write(struct file *file, struct uio *uio, bool nonblock)
{
    uint64_t deadline_ns = SYS_FOREVER;
    bool held = false;
    long done = 0, ret;

    if ((file->flags & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    if (!file->ops->write) {
        return -EINVAL;
    }
    nonblock |= file->flags & O_NONBLOCK;
    for (;;) {
        ret = file->ops->write(file, uio);
        if (ret >= 0) {
            done += ret;
            if (!uio->left_bytes) {
                break;
            }
            continue;
        }
        if (ret != -EAGAIN || nonblock) {
            break;
        }
        if (!held) {
            deadline_ns = wait_deadline(file->tx_timeout_ns);
            held = file_hold(file);
        }
        ret = file_wait_for_call(file, EPOLLOUT, deadline_ns);
        if (ret) {
            break;
        }
    }
    if (done) {
        inotify_file(file, IN_MODIFY);
    }
    if (held) {
        file_release(file); /* perhaps closed while it waited */
    }
    return done ? done : ret;
}

/* A peer that is gone also raises a signal. */
static long write_result(long ret)
{
    if (ret == -EPIPE) {
        signal_raise_locked(13 /* SIGPIPE */);
    }
    return ret;
}

static long read_uio(uint64_t fd, struct uio *uio)
{
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(fd);
    ret = file ? file_read(file, uio, false) : -EBADF;
    lib_unlock();
    return ret;
}

static long write_uio(uint64_t fd, struct uio *uio)
{
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(fd);
    ret = file ? write_result(file_write(file, uio, false)) : -EBADF;
    lib_unlock();
    return ret;
}

/**
 * io_sys_read() - read(fd, buf, count)
 *
 * @linux call read readv write writev
 * @test guest/programs/sendfile.c "readv and writev"
 */
long io_sys_read(struct sys_args *a)
{
    struct uio uio;

    uio_single(&uio, a->arg[1], a->arg[2]);
    return read_uio(a->arg[0], &uio);
}

/** io_sys_write() - write(fd, buf, count) */
long io_sys_write(struct sys_args *a)
{
    struct uio uio;

    uio_single(&uio, a->arg[1], a->arg[2]);
    return write_uio(a->arg[0], &uio);
}

/** io_sys_readv() - readv(fd, iov, n) */
long io_sys_readv(struct sys_args *a)
{
    struct uio uio;
    long ret = uio_vector(&uio, a->arg[1], (uint32_t)a->arg[2]);

    return ret ? ret : read_uio(a->arg[0], &uio);
}

/** io_sys_writev() - writev(fd, iov, n) */
long io_sys_writev(struct sys_args *a)
{
    struct uio uio;
    long ret = uio_vector(&uio, a->arg[1], (uint32_t)a->arg[2]);

    return ret ? ret : write_uio(a->arg[0], &uio);
}

/**
 * io_sys_seek() - lseek(fd, offset, whence)
 *
 * @linux call lseek
 * @test guest/programs/sendfile.c "lseek"
 */
long io_sys_seek(struct sys_args *a)
{
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(a->arg[0]);
    ret = !file ? -EBADF
          : file->ops->seek
              ? file->ops->seek(file, (int64_t)a->arg[1], (uint32_t)a->arg[2])
              : -ESPIPE;
    lib_unlock();
    return ret;
}

static long read_at(uint64_t fd, struct uio *uio, int64_t offset)
{
    struct file *file;
    long ret;

    if (offset < 0) {
        return -EINVAL;
    }
    lib_lock();
    file = fd_file(fd);
    if (!file) {
        ret = -EBADF;
    } else if (!file->ops->read_at) {
        ret = file->ops->in_tree ? -EISDIR : -ESPIPE;
    } else if ((file->flags & O_ACCMODE) == O_WRONLY) {
        ret = -EBADF;
    } else {
        ret = read_result(file, uio, file->ops->read_at(file, uio, offset));
    }
    lib_unlock();
    return ret;
}

/**
 * io_sys_pread() - pread64(fd, buf, count, offset)
 *
 * @linux call pread64 preadv
 * @test guest/programs/sendfile.c "pread and pwrite of each kind"
 */
long io_sys_pread(struct sys_args *a)
{
    struct uio uio;

    uio_single(&uio, a->arg[1], a->arg[2]);
    return read_at(a->arg[0], &uio, (int64_t)a->arg[3]);
}

/** io_sys_preadv() - preadv(fd, iov, n, offset) */
long io_sys_preadv(struct sys_args *a)
{
    struct uio uio;
    long ret = uio_vector(&uio, a->arg[1], (uint32_t)a->arg[2]);

    return ret ? ret : read_at(a->arg[0], &uio, (int64_t)a->arg[3]);
}

/* RWF_*: how soon it is on the disk, and not to wait. */
#define IO_FLAGS_KNOWN 0x1fu

/**
 * io_sys_preadv2() - preadv2(fd, iov, n, offset, 0, flags)
 *
 * @linux call preadv2 pwritev2 - RWF_NOWAIT waits as others do
 * @test guest/programs/sendfile.c "preadv2 and pwritev2 at the position"
 */
long io_sys_preadv2(struct sys_args *a)
{
    if ((uint32_t)a->arg[5] & ~IO_FLAGS_KNOWN) {
        return -EOPNOTSUPP;
    }
    return (int64_t)a->arg[3] == -1 ? io_sys_readv(a) : io_sys_preadv(a);
}

/* Of what can be written only devices have a position: every one is alike. */
static long write_at(uint64_t fd, struct uio *uio, int64_t offset)
{
    struct file *file;
    long ret;

    if (offset < 0) {
        return -EINVAL;
    }
    lib_lock();
    file = fd_file(fd);
    ret = !file                 ? -EBADF
          : !file->ops->in_tree ? -ESPIPE
                                : file_write(file, uio, false);
    lib_unlock();
    return ret;
}

/**
 * io_sys_pwrite() - pwrite64(fd, buf, count, offset)
 *
 * @linux call pwrite64 pwritev
 * @test guest/programs/sendfile.c "pread and pwrite of each kind"
 */
long io_sys_pwrite(struct sys_args *a)
{
    struct uio uio;

    uio_single(&uio, a->arg[1], a->arg[2]);
    return write_at(a->arg[0], &uio, (int64_t)a->arg[3]);
}

/** io_sys_pwritev() - pwritev(fd, iov, n, offset) */
long io_sys_pwritev(struct sys_args *a)
{
    struct uio uio;
    long ret = uio_vector(&uio, a->arg[1], (uint32_t)a->arg[2]);

    return ret ? ret : write_at(a->arg[0], &uio, (int64_t)a->arg[3]);
}

/** io_sys_pwritev2() - pwritev2(fd, iov, n, offset, 0, flags) */
long io_sys_pwritev2(struct sys_args *a)
{
    if ((uint32_t)a->arg[5] & ~IO_FLAGS_KNOWN) {
        return -EOPNOTSUPP;
    }
    return (int64_t)a->arg[3] == -1 ? io_sys_writev(a) : io_sys_pwritev(a);
}

static uint32_t kind_of(struct file *file)
{
    const struct tree_node *node = tree_file_node(file);

    return (node ? tree_mode(node) : file->ops->mode) & LINUX_S_IFMT;
}

static long sync_result(struct file *file)
{
    uint32_t kind = file ? kind_of(file) : 0;

    return !file                                            ? -EBADF
           : kind == LINUX_S_IFREG || kind == LINUX_S_IFDIR ? 0
                                                            : -EINVAL;
}

/**
 * io_sys_sync() - fsync, fdatasync: nothing here changes
 *
 * @linux call fsync fdatasync
 * @test guest/programs/sendfile.c "fsync of each kind"
 */
long io_sys_sync(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = sync_result(fd_file(a->arg[0]));
    lib_unlock();
    return ret;
}

/**
 * io_sys_syncfs() - syncfs(fd)
 *
 * @linux call syncfs
 * @test guest/programs/sendfile.c "fsync of each kind"
 */
long io_sys_syncfs(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = fd_file(a->arg[0]) ? 0 : -EBADF;
    lib_unlock();
    return ret;
}

#define ADVICE_KNOWN 6u

static long advise_result(struct file *file, int64_t len, uint32_t advice)
{
    if (!file) {
        return -EBADF;
    }
    if (kind_of(file) == LINUX_S_IFIFO) {
        return -ESPIPE;
    }
    return len < 0 || advice >= ADVICE_KNOWN ? -EINVAL : 0;
}

/**
 * io_sys_fadvise() - fadvise64(fd, offset, length, advice): all is in memory
 *
 * @linux call fadvise64
 * @test guest/programs/sendfile.c "advice"
 */
long io_sys_fadvise(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = advise_result(fd_file(a->arg[0]), (int64_t)a->arg[2],
                        (uint32_t)a->arg[3]);
    lib_unlock();
    return ret;
}

/**
 * io_sys_readahead() - readahead(fd, offset, count)
 *
 * @linux call readahead
 * @test guest/programs/sendfile.c "advice"
 */
long io_sys_readahead(struct sys_args *a)
{
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(a->arg[0]);
    ret = !file || (file->flags & O_ACCMODE) == O_WRONLY ? -EBADF
          : kind_of(file) == LINUX_S_IFREG               ? 0
                                                         : -EINVAL;
    lib_unlock();
    return ret;
}

#define SYNC_RANGE_KNOWN 7u

static long sync_range_result(struct file *file, int64_t offset, int64_t len,
                              uint32_t flags)
{
    int64_t end;

    if (!file) {
        return -EBADF;
    }
    if (flags & ~SYNC_RANGE_KNOWN || offset < 0 || len < 0 ||
        __builtin_add_overflow(offset, len, &end)) {
        return -EINVAL;
    }
    return sync_result(file) ? -ESPIPE : 0;
}

/**
 * io_sys_sync_range() - sync_file_range(fd, offset, length, flags)
 *
 * @linux call sync_file_range
 * @test guest/programs/sendfile.c "advice"
 */
long io_sys_sync_range(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = sync_range_result(fd_file(a->arg[0]), (int64_t)a->arg[1],
                            (int64_t)a->arg[2], (uint32_t)a->arg[3]);
    lib_unlock();
    return ret;
}

/**
 * io_sys_nothing() - sync()
 *
 * @linux call sync
 * @test guest/programs/sendfile.c "fsync of each kind"
 */
long io_sys_nothing(struct sys_args *a)
{
    (void)a;
    return 0;
}
