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
};

/* With one reference, or NULL without memory; not for links. */
struct file *tree_file_open(const struct tree_node *node, uint32_t flags);
/* The node of an open file, NULL if it is none of the tree. */
const struct tree_node *tree_file_node(struct file *file);

/* What the tables of operations share; the file must be a struct tree_file. */
uint32_t tree_file_events(struct file *file);
void tree_file_release(struct file *file);

#endif
