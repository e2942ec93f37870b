/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree-file.c - open files of the tree: regular ones, directories, devices
 *
 * A directory's position is where getdents64() goes on: 0 and 1 for "." and
 * "..", 2 for its first child, then DIR_BEGIN and the number of the child that
 * comes next, which stays right when a file is added meanwhile.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/tree-file.h"

#define DIR_BEGIN 2u
#define DIR_END   INT64_MAX

/* What getdents64() writes, before the name. */
struct dirent_head {
    uint64_t number;
    int64_t next;
    uint16_t len_bytes;
    uint8_t type;
} __attribute__((packed));

#define DIRENT_MAX 280u /* head, name and NUL, to a multiple of 8 */
_Static_assert(sizeof(struct dirent_head) + TREE_NAME_MAX + 1 <= DIRENT_MAX,
               "the longest name fits");

static struct tree_file *tree_file_of(struct file *file)
{
    return list_entry(file, struct tree_file, file);
}

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

static long directory_read(struct file *file, struct uio *uio)
{
    (void)file;
    (void)uio;
    return -EISDIR;
}

/* To a place that getdents64() has told, or the beginning. */
static long directory_seek(struct file *file, int64_t offset, uint32_t whence)
{
    struct tree_file *t = tree_file_of(file);

    if (whence == SEEK_CUR) {
        offset += t->position;
    } else if (whence != SEEK_SET) {
        return -EINVAL;
    }
    if (offset < 0) {
        return -EINVAL;
    }
    t->position = offset;
    return offset;
}

/* The child that comes at a position, NULL at the end. */
static const struct tree_node *child_at(const struct tree_node *dir,
                                        uint64_t position)
{
    const struct tree_node *child;

    if (position == DIR_BEGIN) {
        return dir->child;
    }
    child = position == DIR_END ? NULL : tree_numbered(position - DIR_BEGIN);
    return child && child->parent == dir && child != dir ? child : NULL;
}

struct listed { /* one entry of a directory */
    const struct tree_node *node;
    const char *name;
    size_t name_len;
    uint64_t next; /* position */
};

static bool list_at(const struct tree_file *t, struct listed *ret_listed)
{
    const struct tree_node *dir = t->node, *child;

    if (t->position < DIR_BEGIN) {
        *ret_listed = (struct listed){
            .node = t->position ? dir->parent : dir,
            .name = "..",
            .name_len = t->position + 1,
            .next = t->position + 1,
        };
        return true;
    }
    child = child_at(dir, t->position);
    if (!child) {
        return false;
    }
    *ret_listed = (struct listed){
        .node = child,
        .name = child->name,
        .name_len = child->name_len,
        .next =
            child->sibling ? DIR_BEGIN + tree_number(child->sibling) : DIR_END,
    };
    return true;
}

/* Bytes written, or -EINVAL (too little room), -EFAULT. */
static long put_dirent(const struct listed *l, uint64_t user_buf, size_t room)
{
    struct dirent_head head = {
        .number = tree_number(l->node),
        .next = l->next,
        .type = tree_mode(l->node) >> 12, /* DT_* are S_IF* shifted */
    };
    size_t used = sizeof(head) + l->name_len + 1;
    uint8_t entry[DIRENT_MAX] = { 0 };

    head.len_bytes = (used + 7) & ~(size_t)7;
    if (head.len_bytes > room) {
        return -EINVAL;
    }
    memcpy(entry, &head, sizeof(head));
    memcpy(entry + sizeof(head), l->name, l->name_len);
    return copy_to_user(user_buf, entry, head.len_bytes) ? -EFAULT
                                                         : head.len_bytes;
}

static long getdents_locked(struct file *file, uint64_t user_buf, size_t room)
{
    struct tree_file *t;
    struct listed listed;
    long done = 0, ret;

    if (!file) {
        return -EBADF;
    }
    if (!tree_file_node(file) || tree_file_node(file)->kind != TREE_DIRECTORY) {
        return -ENOTDIR;
    }
    t = tree_file_of(file);
    while (list_at(t, &listed)) {
        ret = put_dirent(&listed, user_buf + done, room - done);
        if (ret < 0) {
            return done ? done : ret;
        }
        done += ret;
        t->position = listed.next;
    }
    return done;
}

/** tree_sys_getdents64() - getdents64(fd, buf, bytes) */
long tree_sys_getdents64(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = getdents_locked(fd_file(a->arg[0]), a->arg[1], (uint32_t)a->arg[2]);
    lib_unlock();
    return ret;
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

static const struct file_ops directory_ops = {
    .name = "directory",
    .mode = LINUX_S_IFDIR | 0555,
    .in_tree = true,
    .events = tree_file_events,
    .read = directory_read,
    .seek = directory_seek,
    .release = tree_file_release,
};

/**
 * tree_file_open() - open what a path led to
 * @node: not a link
 * @flags: O_*
 *
 * Return: with one reference, or NULL without memory.
 * Context: lock held.
 */
struct file *tree_file_open(const struct tree_node *node, uint32_t flags)
{
    struct tree_file *t = heap_zalloc(sizeof(*t));
    const struct file_ops *ops = node->kind == TREE_DIRECTORY ? &directory_ops
                                 : node->kind == TREE_DEVICE  ? node->data
                                                              : &regular_ops;

    if (!t) {
        return NULL;
    }
    file_init(&t->file, ops, flags);
    t->node = node;
    return &t->file;
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
    if (file && file->ops->read_at) {
        ret = file->ops->read_at(file, &uio, offset);
    }
    lib_unlock();
    return ret < 0 ? ret : 0;
}
