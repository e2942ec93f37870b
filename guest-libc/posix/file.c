/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file.c - open files: references and events */
#include "guest-libc/posix/file.h"

/**
 * file_init() - a fresh file with one reference
 * @file: zeroed
 * @ops: its kind
 * @flags: O_ACCMODE, O_NONBLOCK, O_APPEND; others are dropped
 */
void file_init(struct file *file, const struct file_ops *ops, uint32_t flags)
{
    file->ops = ops;
    file->refs = 1;
    file->flags = flags & (O_ACCMODE | O_NONBLOCK | O_APPEND);
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
    lib_assert(list_empty(&file->waiters));
    file->ops->release(file);
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
