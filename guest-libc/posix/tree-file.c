/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tree-file.c - open files of the tree */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/tree-file.h"

/**
 * tree_file_events() - always ready
 * @file: the file
 *
 * Return: EPOLL*.
 */
uint32_t tree_file_events(struct file *file)
{
    (void)file;
    return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
}

/**
 * tree_file_release() - end an open file
 * @file: the file
 *
 * Context: lock held.
 */
void tree_file_release(struct file *file)
{
    heap_free(tree_file_of(file));
}

/* Bytes there are for a read of @uio at @offset. */
static size_t bytes_at(const struct tree_node *node, struct uio *uio,
                       uint64_t offset)
{
    return offset < node->len_bytes ? uio_min(uio, node->len_bytes - offset)
                                    : 0;
}

static long regular_read_at(struct file *file, struct uio *uio, uint64_t offset)
{
    const struct tree_node *node = tree_file_of(file)->node;
    size_t n = bytes_at(node, uio, offset);

    return uio_copy_out(uio, (const uint8_t *)node->data + offset, n) ? -EFAULT
                                                                      : (long)n;
}

static long regular_read(struct file *file, struct uio *uio)
{
    struct tree_file *t = tree_file_of(file);
    long ret = regular_read_at(file, uio, t->position);

    if (ret > 0) {
        t->position += ret;
    }
    return ret;
}

static long regular_seek(struct file *file, int64_t offset, uint32_t whence)
{
    struct tree_file *t = tree_file_of(file);
    int64_t bytes = t->node->len_bytes, to;

    switch (whence) {
    case SEEK_SET:
        to = 0;
        break;
    case SEEK_CUR:
        to = t->position;
        break;
    case SEEK_END:
        to = bytes;
        break;
    case LINUX_SEEK_DATA:
    case LINUX_SEEK_HOLE:
        /* One piece of data, and a hole at its end. */
        if (offset < 0 || offset >= bytes) {
            return -ENXIO;
        }
        to = whence == LINUX_SEEK_HOLE ? bytes - offset : 0;
        break;
    default:
        return -EINVAL;
    }
    if (__builtin_add_overflow(to, offset, &to) || to < 0) {
        return -EINVAL;
    }
    t->position = to;
    return to;
}

static const struct file_ops regular_ops = {
    .name = "file",
    .mode = LINUX_S_IFREG | 0444,
    .in_tree = true,
    .events = tree_file_events,
    .read = regular_read,
    .read_at = regular_read_at,
    .seek = regular_seek,
    .release = tree_file_release,
};

/* Only a place in the tree: nothing can be done with it but to name things. */
static const struct file_ops path_ops = {
    .name = "path",
    .in_tree = true,
    .events = tree_file_events,
    .release = tree_file_release,
};

static const struct file_ops *ops_of(const struct tree_node *node,
                                     uint32_t flags)
{
    if (flags & LINUX_O_PATH) {
        return &path_ops;
    }
    switch (node->kind) {
    case TREE_DIRECTORY:
        return &directory_ops;
    case TREE_DEVICE:
        return node->data;
    default:
        return &regular_ops;
    }
}

/**
 * tree_file_open() - open what a path led to
 * @node: a link only with O_PATH
 * @flags: O_*
 *
 * Return: with one reference, or NULL without memory.
 * Context: lock held.
 */
struct file *tree_file_open(const struct tree_node *node, uint32_t flags)
{
    struct tree_file *t;

    if (node->kind == TREE_MADE && !(flags & LINUX_O_PATH)) {
        return made_file_open(node, flags);
    }
    t = heap_zalloc(sizeof(*t));
    if (!t) {
        return NULL;
    }
    file_init(&t->file, ops_of(node, flags), flags);
    t->node = node;
    return &t->file;
}

/**
 * tree_file_position() - where an open file is
 * @file: any
 *
 * Return: 0 if it is none of the tree.
 */
uint64_t tree_file_position(struct file *file)
{
    return file->ops->in_tree ? tree_file_of(file)->position : 0;
}

/**
 * tree_file_node() - the node of an open file
 * @file: any
 *
 * Return: NULL if it is none of the tree.
 */
const struct tree_node *tree_file_node(struct file *file)
{
    return file->ops->in_tree ? tree_file_of(file)->node : NULL;
}

/**
 * posix_map_check() - may a file be mapped?
 * @fd: the program's number
 * @shared_write: by a mapping that would write to the file
 *
 * Return: 0, -EBADF, -EACCES, -ENODEV.
 * Context: lock not held.
 */
long posix_map_check(uint64_t fd, bool shared_write)
{
    const struct tree_node *node;
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(fd);
    node = file ? tree_file_node(file) : NULL;
    if (!file) {
        ret = -EBADF;
    } else if ((file->flags & O_ACCMODE) == O_WRONLY) {
        ret = -EACCES;
    } else if (file->ops->maps_zeros) {
        ret =
            shared_write && (file->flags & O_ACCMODE) == O_RDONLY ? -EACCES : 0;
    } else if (!node || node->kind != TREE_REGULAR) {
        ret = -ENODEV;
    } else {
        ret = shared_write ? -EACCES : 0;
    }
    lib_unlock();
    return ret;
}

/**
 * posix_map_fill() - copy what a mapping of a file shows
 * @fd: the program's number, checked before
 * @offset: where in the file the mapping begins
 * @user_addr: the mapping, zeroed and writable
 * @len_bytes: its length
 *
 * Return: 0, -EBADF (closed meanwhile), -EFAULT.
 * Context: lock not held.
 */
long posix_map_fill(uint64_t fd, uint64_t offset, uint64_t user_addr,
                    size_t len_bytes)
{
    struct file *file;
    struct uio uio;
    long ret = -EBADF;

    uio_single(&uio, user_addr, len_bytes);
    lib_lock();
    file = fd_file(fd);
    if (file && file->ops->maps_zeros) {
        ret = 0;
    } else if (file && file->ops->read_at) {
        ret = file->ops->read_at(file, &uio, offset);
    }
    lib_unlock();
    return ret < 0 ? ret : 0;
}
