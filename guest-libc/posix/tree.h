/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree.h - the read-only tree of files, as names lead through it
 *
 * What the boot bundle holds, and what the library gives where the bundle has
 * nothing.  Nodes are made at the start (and by tree_generate()) and never go
 * away, so a pointer to one stays good without the lock; all else needs it.
 */
#ifndef POSIX_TREE_H
#define POSIX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_NAME_MAX 255u /* NAME_MAX of Linux */

enum tree_kind {
    TREE_DIRECTORY,
    TREE_REGULAR, /* @data: its bytes */
    TREE_DEVICE,  /* @data: struct file_ops */
    TREE_LINK,    /* @data: what it names, with a NUL */
};

struct tree_node {
    const char *name; /* not NUL terminated */
    const void *data;
    uint64_t len_bytes;
    struct tree_node *parent;    /* of the root: itself */
    struct tree_node *child;     /* the newest */
    struct tree_node *sibling;   /* the next older */
    struct tree_node *hash_next; /* in the same bucket */
    uint32_t mtime_s;
    uint16_t mode; /* permission bits */
    uint8_t name_len;
    uint8_t kind;   /* enum tree_kind */
    bool generated; /* @data is of the heap, and may be replaced */
};

/* From the bundle and the defaults; once, before the program runs. */
void tree_start(void);

const struct tree_node *tree_root(void);

/*
 * Where @path leads from @from.  A link at the end is followed only if
 * @follow.  On -ENOENT *ret_node is the directory that lacks just the last
 * name, or NULL.
 * Return: 0, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG.
 */
long tree_walk(const struct tree_node *from, const char *path, bool follow,
               const struct tree_node **ret_node);

/* Kind and permission bits, as st_mode has them. */
uint32_t tree_mode(const struct tree_node *node);

/* Absolute path of a node with its NUL: length, or -ERANGE. */
long tree_path(const struct tree_node *node, char *path, size_t size_bytes);

/* A number for each node, from 1: st_ino. */
uint64_t tree_number(const struct tree_node *node);
/* The node of a number, NULL if there is none. */
const struct tree_node *tree_numbered(uint64_t number);

/*
 * Give a file such as /etc/resolv.conf its contents, as often as they change.
 * A file of that name in the bundle is the user's word and stays.
 * Return: 0, -EEXIST (the bundle has it), -ENOMEM.
 * Context: after posix_start(), lock held.  @path: a constant string.
 */
long tree_generate(const char *path, const char *text);

#endif
