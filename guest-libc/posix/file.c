/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file.c - open files: references, events, names */
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/inotify.h"
#include "guest-libc/posix/locks.h"
#include "guest-libc/posix/text.h"
#include "guest-libc/posix/tree-file.h"

static uint64_t file_last_number; /* lock */

/**
 * file_init() - a fresh file with one reference
 * @file: zeroed
 * @ops: its kind
 * @flags: O_*; what does not stay is dropped
 */
void file_init(struct file *file, const struct file_ops *ops, uint32_t flags)
{
    file->ops = ops;
    file->refs = 1;
    file->flags = flags & FILE_FLAGS;
    file->number = ++file_last_number;
    list_init(&file->watches);
    list_init(&file->waiters);
    file->rx_timeout_ns = SYS_FOREVER;
    file->tx_timeout_ns = SYS_FOREVER;
}

/**
 * file_hold() - one more reference
 * @file: the file
 *
 * Return: @file.
 */
struct file *file_hold(struct file *file)
{
    file->refs++;
    return file;
}

/**
 * file_release() - one reference less; the last one ends the file
 * @file: the file
 *
 * Context: lock held.
 */
void file_release(struct file *file)
{
    lib_assert(file->refs);
    if (--file->refs) {
        return;
    }
    epoll_forget(file);
    locks_released(file);
    lib_assert(list_empty(&file->waiters));
    inotify_closed(file);
    file->ops->release(file);
}

#define FILE_KIND(file) ((file)->ops->mode & LINUX_S_IFMT)

/**
 * file_name() - what a link to an open file says
 * @file: the file
 * @to: filled in, without a NUL
 * @room: bytes there
 *
 * Return: its length, -ENAMETOOLONG.
 * Context: lock held.
 */
long file_name(struct file *file, char *to, size_t room)
{
    const struct tree_node *node = tree_file_node(file);
    long len;

    if (node) {
        len = tree_path(node, to, room);
        return len < 0 ? -ENAMETOOLONG : len - 1;
    }
    switch (FILE_KIND(file)) {
    case LINUX_S_IFIFO:
        return text_line(to, room, "pipe:[%lu]", file->number);
    case LINUX_S_IFSOCK:
        return text_line(to, room, "socket:[%lu]", file->number);
    case LINUX_S_IFCHR:
        return text_line(to, room, "/dev/null"); /* that is how it reads */
    default:
        return text_line(to, room, "anon_inode:%s", file->ops->name);
    }
}

/**
 * file_reopen() - open what is open once more
 * @file: not of the tree
 * @flags: O_*
 * @ret_file: with a reference
 *
 * Return: 0, -ENXIO (nothing to open: a socket, an eventfd), -EACCES.
 * Context: lock held.
 */
long file_reopen(struct file *file, uint32_t flags, struct file **ret_file)
{
    uint32_t wanted = flags & O_ACCMODE, has = file->flags & O_ACCMODE;

    if (FILE_KIND(file) != LINUX_S_IFIFO && FILE_KIND(file) != LINUX_S_IFCHR) {
        return -ENXIO;
    }
    if (has != O_RDWR && has != wanted) {
        return -EACCES;
    }
    *ret_file = file_hold(file);
    return 0;
}

/**
 * file_wake() - tell whoever waits that events came true
 * @file: the file
 * @events: EPOLL*
 *
 * Context: lock held.
 */
void file_wake(struct file *file, uint32_t events)
{
    if (!list_empty(&file->watches)) {
        epoll_notify(file, events);
    }
    wait_wake(file, events, true);
    wait_wake_any(events);
}
