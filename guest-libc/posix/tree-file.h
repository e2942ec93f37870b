/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tree-file.h - open files of the tree: regular ones, directories, devices */
#ifndef POSIX_TREE_FILE_H
#define POSIX_TREE_FILE_H

#include "guest-libc/posix/file.h"
#include "guest-libc/posix/tree.h"

struct tree_file {
    struct file file;
    const struct tree_node *node;
    uint64_t position; /* in bytes; of a directory see tree-file.c */
    bool opened;       /* those that watch heard of it (inotify.c) */
};

/*
 * With one reference, or NULL without memory; links by O_PATH only, no
 * TREE_OPEN.
 */
struct file *tree_file_open(const struct tree_node *node, uint32_t flags);
struct file *made_file_open(const struct tree_node *node, uint32_t flags);
/* The node of an open file, NULL if it is none of the tree. */
const struct tree_node *tree_file_node(struct file *file);
/* Its position, 0 if it is none of the tree. */
uint64_t tree_file_position(struct file *file);

static inline struct tree_file *tree_file_of(struct file *file)
{
    return list_entry(file, struct tree_file, file);
}

extern const struct file_ops directory_ops;

/* What the tables of operations share; the file must be a struct tree_file. */
uint32_t tree_file_events(struct file *file);
void tree_file_release(struct file *file);

#endif
