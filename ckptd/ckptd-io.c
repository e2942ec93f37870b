/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-io.c - the store's only way to the disk
 *
 * First half: the system's calls behind struct ckptd_io. Second half: what the
 * rest of the store calls: whole transfers, and errno turned into a GError.
 */
#include "ckptd/ckptd-io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_ALIGN_BYTES 4096

/* --- the system ----------------------------------------------------------- */

static int result(int ret)
{
    return ret < 0 ? -errno : ret;
}

static int system_open(struct ckptd_io *io G_GNUC_UNUSED, const char *path,
                       unsigned flags)
{
    int how = O_CLOEXEC;

    how |= flags & CKPTD_IO_WRITE ? O_RDWR : O_RDONLY;
    how |= flags & CKPTD_IO_CREATE ? O_CREAT : 0;
    how |= flags & CKPTD_IO_NEW ? O_EXCL : 0;
    how |= flags & CKPTD_IO_DSYNC ? O_DSYNC : 0;
    how |= flags & CKPTD_IO_DIRECT ? O_DIRECT : 0;
    return result(open(path, how, 0600));
}

static void system_close(struct ckptd_io *io G_GNUC_UNUSED, int handle)
{
    /* A child that another thread has just forked has a lock of it, too. */
    flock(handle, LOCK_UN);
    close(handle);
}

static ssize_t system_writev(struct ckptd_io *io G_GNUC_UNUSED, int handle,
                             const struct iovec *iov, int n_iov,
                             uint64_t offset)
{
    ssize_t n = pwritev(handle, iov, n_iov, offset);

    return n < 0 ? -errno : n;
}

static ssize_t system_read(struct ckptd_io *io G_GNUC_UNUSED, int handle,
                           void *buf, size_t len, uint64_t offset)
{
    ssize_t n = pread(handle, buf, len, offset);

    return n < 0 ? -errno : n;
}

static int system_sync(struct ckptd_io *io G_GNUC_UNUSED, int handle)
{
    return result(fdatasync(handle));
}

static int system_resize(struct ckptd_io *io G_GNUC_UNUSED, int handle,
                         uint64_t bytes)
{
    return result(ftruncate(handle, bytes));
}

static int system_reserve(struct ckptd_io *io G_GNUC_UNUSED, int handle,
                          uint64_t bytes)
{
    int ret = result(fallocate(handle, FALLOC_FL_KEEP_SIZE, 0, bytes));

    return ret == -EOPNOTSUPP ? 0 : ret;
}

static int system_punch(struct ckptd_io *io G_GNUC_UNUSED, int handle,
                        uint64_t offset, uint64_t len)
{
    return result(fallocate(handle, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            offset, len));
}

static int64_t system_size(struct ckptd_io *io G_GNUC_UNUSED, int handle)
{
    struct stat st;

    return fstat(handle, &st) < 0 ? -errno : st.st_size;
}

static void system_advise(struct ckptd_io *io G_GNUC_UNUSED, int handle,
                          uint64_t offset, uint64_t len, gboolean will_need)
{
    /* A hint: nothing is lost where it is not taken. */
    posix_fadvise(handle, offset, len,
                  will_need ? POSIX_FADV_WILLNEED : POSIX_FADV_DONTNEED);
}

static int system_lock(struct ckptd_io *io G_GNUC_UNUSED, int handle,
                       gboolean shared)
{
    return result(flock(handle, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB));
}

static int system_fd(struct ckptd_io *io G_GNUC_UNUSED, int handle)
{
    return handle;
}

static int system_make_dir(struct ckptd_io *io G_GNUC_UNUSED, const char *path)
{
    return result(mkdir(path, 0700));
}

static int system_sync_dir(struct ckptd_io *io G_GNUC_UNUSED, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int ret;

    if (fd < 0) {
        return -errno;
    }
    ret = result(fsync(fd));
    close(fd);
    return ret;
}

static int system_remove_dir(struct ckptd_io *io G_GNUC_UNUSED,
                             const char *path)
{
    return result(rmdir(path));
}

static int system_rename(struct ckptd_io *io G_GNUC_UNUSED, const char *from,
                         const char *to)
{
    return result(rename(from, to));
}

static int system_exchange(struct ckptd_io *io G_GNUC_UNUSED, const char *a,
                           const char *b)
{
    return result(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
}

static int system_link(struct ckptd_io *io G_GNUC_UNUSED, const char *from,
                       const char *to)
{
    return result(link(from, to));
}

static int system_unlink(struct ckptd_io *io G_GNUC_UNUSED, const char *path)
{
    return result(unlink(path));
}

static int system_list(struct ckptd_io *io G_GNUC_UNUSED, const char *path,
                       GPtrArray *names)
{
    DIR *d = opendir(path);
    struct dirent *e;
    int ret;

    if (!d) {
        return -errno;
    }
    /* A directory that cannot be read to its end is not a shorter one. */
    while (errno = 0, (e = readdir(d))) {
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            g_ptr_array_add(names, g_strdup(e->d_name));
        }
    }
    ret = -errno;
    closedir(d);
    return ret;
}

/**
 * ckptd_io_system() - the operating system's files
 *
 * Return: an interface that lives as long as the process.
 * Context: any thread.
 */
struct ckptd_io *ckptd_io_system(void)
{
    static struct ckptd_io io = {
        .open = system_open,
        .close = system_close,
        .writev = system_writev,
        .read = system_read,
        .sync = system_sync,
        .resize = system_resize,
        .reserve = system_reserve,
        .punch = system_punch,
        .size = system_size,
        .advise = system_advise,
        .lock = system_lock,
        .fd = system_fd,
        .make_dir = system_make_dir,
        .sync_dir = system_sync_dir,
        .remove_dir = system_remove_dir,
        .rename = system_rename,
        .exchange = system_exchange,
        .link = system_link,
        .unlink = system_unlink,
        .list = system_list,
    };

    return &io;
}

/* --- wrappers ------------------------------------------------------------- */

static gboolean check(int64_t ret, const char *what, const char *path,
                      GError **error)
{
    int code = CKPTD_ERROR_IO;

    if (ret >= 0) {
        return TRUE;
    }
    if (ret == -ENOENT) {
        code = CKPTD_ERROR_NOT_FOUND;
    } else if (ret == -EEXIST) {
        code = CKPTD_ERROR_EXISTS;
    } else if (ret == -EWOULDBLOCK) {
        code = CKPTD_ERROR_BUSY;
    } else if (ret == -ENOSPC || ret == -EDQUOT) {
        code = CKPTD_ERROR_NO_SPACE;
    }
    g_set_error(error, CKPTD_ERROR, code, "%s %s: %s", what, path,
                g_strerror(-ret));
    return FALSE;
}

/**
 * ckptd_io_open() - open a file of the store
 * @io:    the layer
 * @dir:   directory
 * @name:  of the file in it
 * @flags: CKPTD_IO_*; where the file system refuses CKPTD_IO_DIRECT the file
 *         is opened without it, which @direct of the result tells
 * @error: where to say why not
 *
 * Return: (transfer full): the file, or NULL.
 * Context: any thread; may block.
 */
CkptdFile *ckptd_io_open(struct ckptd_io *io, const char *dir, const char *name,
                         unsigned flags, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    gboolean direct = flags & CKPTD_IO_DIRECT;
    int handle = io->open(io, path, flags);
    CkptdFile *f;

    if (handle == -EINVAL && direct) {
        direct = FALSE;
        handle = io->open(io, path, flags & ~CKPTD_IO_DIRECT);
    }
    if (!check(handle, "open", path, error)) {
        return NULL;
    }
    f = g_new0(CkptdFile, 1);
    f->io = io;
    f->handle = handle;
    f->path = g_steal_pointer(&path);
    f->direct = direct;
    return f;
}

/**
 * ckptd_io_close() - close a file
 * @f: (transfer full) (nullable): the file
 *
 * Context: any thread.
 */
void ckptd_io_close(CkptdFile *f)
{
    if (f) {
        f->io->close(f->io, f->handle);
        g_free(f->path);
        g_free(f);
    }
}

/* Take @len bytes off the front of the vector. */
static void iov_advance(struct iovec **iov, int *n_iov, size_t len)
{
    while (*n_iov > 0 && len >= (*iov)->iov_len) {
        len -= (*iov)->iov_len;
        (*iov)++;
        (*n_iov)--;
    }
    if (len) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + len;
        (*iov)->iov_len -= len;
    }
}

/**
 * ckptd_io_writev() - write all of a vector
 * @f:      the file
 * @iov:    the vector; used up
 * @n_iov:  its entries
 * @offset: where in the file
 * @error:  where to say why not
 *
 * One system call, unless the kernel takes less than all.
 *
 * Return: TRUE if everything was written (and is durable, CKPTD_IO_DSYNC).
 * Context: any thread; blocks.
 */
gboolean ckptd_io_writev(CkptdFile *f, struct iovec *iov, int n_iov,
                         uint64_t offset, GError **error)
{
    iov_advance(&iov, &n_iov, 0);
    while (n_iov > 0) {
        ssize_t n = f->io->writev(f->io, f->handle, iov, n_iov, offset);

        if (n == -EINTR) {
            continue;
        }
        if (!check(n ? n : -EIO, "write", f->path, error)) {
            return FALSE;
        }
        offset += n;
        iov_advance(&iov, &n_iov, n);
    }
    return TRUE;
}

/**
 * ckptd_io_write() - write a buffer
 * @f:      the file
 * @buf:    bytes
 * @len:    how many
 * @offset: where in the file
 * @error:  where to say why not
 *
 * Return: TRUE if everything was written.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_write(CkptdFile *f, const void *buf, size_t len,
                        uint64_t offset, GError **error)
{
    struct iovec iov = { (void *)buf, len };

    return ckptd_io_writev(f, &iov, 1, offset, error);
}

/**
 * ckptd_io_read() - read as much as there is
 * @f:       the file
 * @buf:     where to
 * @len:     how much
 * @offset:  where in the file
 * @ret_len: (nullable): how much there was; if NULL, less than @len is an
 *           error
 * @error:   where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_read(CkptdFile *f, void *buf, size_t len, uint64_t offset,
                       size_t *ret_len, GError **error)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = f->io->read(f->io, f->handle, (char *)buf + done,
                                len - done, offset + done);

        if (n == -EINTR) {
            continue;
        }
        if (!check(n, "read", f->path, error)) {
            return FALSE;
        }
        if (n == 0) {
            break;
        }
        done += n;
    }
    if (ret_len) {
        *ret_len = done;
    } else if (done < len) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "read %s: ends at byte %" G_GUINT64_FORMAT, f->path,
                    offset + done);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_io_sync() - make what was written durable, and the size
 * @f:     the file
 * @error: where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_sync(CkptdFile *f, GError **error)
{
    return check(f->io->sync(f->io, f->handle), "fdatasync", f->path, error);
}

/**
 * ckptd_io_resize() - set the size of a file; new bytes are zero, and a hole
 * @f:     the file
 * @bytes: its size
 * @error: where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread.
 */
gboolean ckptd_io_resize(CkptdFile *f, uint64_t bytes, GError **error)
{
    return check(f->io->resize(f->io, f->handle, bytes), "truncate", f->path,
                 error);
}

/**
 * ckptd_io_reserve() - have the blocks of a file laid out, its size unchanged
 * @f:     the file
 * @bytes: how much of it
 * @error: where to say why not
 *
 * Return: TRUE on success, and where the file system cannot.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_reserve(CkptdFile *f, uint64_t bytes, GError **error)
{
    return check(f->io->reserve(f->io, f->handle, bytes), "allocate", f->path,
                 error);
}

/**
 * ckptd_io_punch() - make a range zero, without blocks where possible
 * @f:      the file
 * @offset: of the range, in whole pages
 * @len:    of the range, in whole pages
 * @error:  where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_punch(CkptdFile *f, uint64_t offset, uint64_t len,
                        GError **error)
{
    static const char zeros[64 << 10];
    int ret = f->io->punch(f->io, f->handle, offset, len);

    if (ret != -EOPNOTSUPP) {
        return check(ret, "punch", f->path, error);
    }
    while (len) {
        size_t n = MIN(len, sizeof(zeros));

        if (!ckptd_io_write(f, zeros, n, offset, error)) {
            return FALSE;
        }
        offset += n;
        len -= n;
    }
    return TRUE;
}

/**
 * ckptd_io_size() - how large is it
 * @f:         the file
 * @ret_bytes: its size
 * @error:     where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread.
 */
gboolean ckptd_io_size(CkptdFile *f, uint64_t *ret_bytes, GError **error)
{
    int64_t n = f->io->size(f->io, f->handle);

    if (!check(n, "stat", f->path, error)) {
        return FALSE;
    }
    *ret_bytes = n;
    return TRUE;
}

/**
 * ckptd_io_lock() - lock a file against other holders
 * @f:      the file
 * @shared: with others that say so too
 * @error:  CKPTD_ERROR_BUSY if somebody else has it
 *
 * Return: TRUE if it is ours until it is closed.
 * Context: any thread; does not wait.
 */
gboolean ckptd_io_lock(CkptdFile *f, gboolean shared, GError **error)
{
    return check(f->io->lock(f->io, f->handle, shared), "lock", f->path, error);
}

/**
 * ckptd_io_advise() - say what will be read soon, or no more
 * @f:         the file
 * @offset:    of the range
 * @len:       of the range, 0 = to the end
 * @will_need: read ahead; else drop from the cache
 *
 * Context: any thread.
 */
void ckptd_io_advise(CkptdFile *f, uint64_t offset, uint64_t len,
                     gboolean will_need)
{
    f->io->advise(f->io, f->handle, offset, len, will_need);
}

/**
 * ckptd_io_fd() - the descriptor, to be handed on
 * @f: the file
 *
 * Return: owned by @f; -1 if the layer has none.
 * Context: any thread.
 */
int ckptd_io_fd(CkptdFile *f)
{
    return f->io->fd(f->io, f->handle);
}

/**
 * ckptd_io_make_dir() - make a directory for the owner alone
 * @io:    the layer
 * @path:  of it; its parent exists
 * @error: where to say why not
 *
 * Return: TRUE if it is there, also if it was before.
 * Context: any thread.
 */
gboolean ckptd_io_make_dir(struct ckptd_io *io, const char *path,
                           GError **error)
{
    int ret = io->make_dir(io, path);

    return check(ret == -EEXIST ? 0 : ret, "mkdir", path, error);
}

/**
 * ckptd_io_make_new_dir() - make a directory that is not there
 * @io:    the layer
 * @path:  of it; its parent exists
 * @error: CKPTD_ERROR_EXISTS and others
 *
 * Return: TRUE if it is there, and was not before.
 * Context: any thread.
 */
gboolean ckptd_io_make_new_dir(struct ckptd_io *io, const char *path,
                               GError **error)
{
    return check(io->make_dir(io, path), "mkdir", path, error);
}

/**
 * ckptd_io_sync_dir() - make names in a directory durable
 * @io:    the layer
 * @path:  of the directory
 * @error: where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_sync_dir(struct ckptd_io *io, const char *path,
                           GError **error)
{
    return check(io->sync_dir(io, path), "fsync", path, error);
}

/**
 * ckptd_io_rename() - replace one file by another, durably
 * @io:    the layer
 * @dir:   directory
 * @from:  name of a file that is durable already
 * @to:    its new name
 * @error: where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_rename(struct ckptd_io *io, const char *dir, const char *from,
                         const char *to, GError **error)
{
    g_autofree char *old = g_build_filename(dir, from, NULL);
    g_autofree char *new = g_build_filename(dir, to, NULL);

    return check(io->rename(io, old, new), "rename", old, error) &&
           ckptd_io_sync_dir(io, dir, error);
}

/**
 * ckptd_io_link() - give a file another name; durable with the next
 *                   ckptd_io_sync_dir()
 * @io:    the layer
 * @from:  path of the file
 * @dir:   directory of the other name, on the same file system
 * @name:  in it
 * @error: where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread.
 */
gboolean ckptd_io_link(struct ckptd_io *io, const char *from, const char *dir,
                       const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return check(io->link(io, from, path), "link", path, error);
}

/**
 * ckptd_io_unlink() - remove a file
 * @io:    the layer
 * @dir:   directory
 * @name:  of the file
 * @error: where to say why not
 *
 * Return: TRUE on success.
 * Context: any thread.
 */
gboolean ckptd_io_unlink(struct ckptd_io *io, const char *dir, const char *name,
                         GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return check(io->unlink(io, path), "unlink", path, error);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/**
 * ckptd_io_list() - names in a directory, sorted
 * @io:    the layer
 * @dir:   directory
 * @error: where to say why not
 *
 * Return: (transfer full): the names, or NULL.
 * Context: any thread.
 */
GPtrArray *ckptd_io_list(struct ckptd_io *io, const char *dir, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (!check(io->list(io, dir, names), "list", dir, error)) {
        return NULL;
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

/**
 * ckptd_io_remove_dir() - remove a directory and the files in it
 * @io:    the layer
 * @path:  of the directory, without directories in it; need not be there
 * @error: where to say why not
 *
 * Return: TRUE when it is gone.
 * Context: any thread.
 */
gboolean ckptd_io_remove_dir(struct ckptd_io *io, const char *path,
                             GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int ret = io->list(io, path, names);
    guint i;

    if (ret == -ENOENT) {
        return TRUE;
    }
    if (!check(ret, "list", path, error)) {
        return FALSE;
    }
    for (i = 0; i < names->len; i++) {
        if (!ckptd_io_unlink(io, path, names->pdata[i], error)) {
            return FALSE;
        }
    }
    return check(io->remove_dir(io, path), "rmdir", path, error);
}

/**
 * ckptd_io_replace_dir() - put a directory in the place of another, or of none
 * @io:    the layer
 * @path:  of the place
 * @fresh: path of a directory beside it, durable already; afterwards that of
 *         what was in the place before
 * @ret_replaced: also on failure: whether @path is @fresh now; then it is not
 *         known whether it stays so when the host crashes
 * @error: where to say why not
 *
 * In one step: at any time @path is the one or the other, whole.
 *
 * Return: TRUE when it is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_io_replace_dir(struct ckptd_io *io, const char *path,
                              const char *fresh, gboolean *ret_replaced,
                              GError **error)
{
    g_autofree char *parent = g_path_get_dirname(path);
    int ret = io->exchange(io, fresh, path);

    if (ret == -ENOENT) {
        ret = io->rename(io, fresh, path);
    }
    *ret_replaced = ret >= 0;
    return check(ret, "rename", fresh, error) &&
           ckptd_io_sync_dir(io, parent, error);
}

/**
 * ckptd_io_alloc() - a zeroed buffer aligned for direct transfers
 * @len_bytes: its size
 *
 * Return: (transfer full): to be freed with free().
 * Context: any thread.
 */
void *ckptd_io_alloc(size_t len_bytes)
{
    void *p = NULL;

    if (posix_memalign(&p, BUFFER_ALIGN_BYTES, len_bytes)) {
        g_error("out of memory: %zu bytes", len_bytes);
    }
    memset(p, 0, len_bytes);
    return p;
}
