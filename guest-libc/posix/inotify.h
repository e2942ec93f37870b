/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inotify.h - what happens to files, for those that watch them */
#ifndef POSIX_INOTIFY_H
#define POSIX_INOTIFY_H

#include <stddef.h>
#include <sys/inotify.h>
#include "guest-libc/posix/tree-file.h"

/* Watches that there are; lock. */
extern uint32_t inotify_watches;

/* @events (IN_*) happened to @node; lock held. */
void inotify_node(const struct tree_node *node, uint32_t events);
/* @file of the tree was opened, by a path. */
void inotify_opened(struct file *file);
/* The last reference to @file is gone. */
void inotify_closed(struct file *file);

/* @events happened through @file, which may be of any kind. */
static inline void inotify_file(struct file *file, uint32_t events)
{
    if (inotify_watches && file->ops->in_tree) {
        inotify_node(tree_file_of(file)->node, events);
    }
}

#endif
