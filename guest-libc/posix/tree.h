/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree.h - the read-only tree of files, as names lead through it
 *
 * What the boot bundle holds, and what the library gives where the bundle has
 * nothing.  Nodes are made at the start (and by tree_generate()) and never go
 * away, so a pointer to one stays good without the lock; all else needs it.
 *
 * Some are made up (proc.h): a file whose contents are written when it is read,
 * a directory that makes its children when they are looked for, a link that
 * leads to a node rather than to a path.  Their nodes never go away either, but
 * one may come to stand for another thread (@task).
 */
#ifndef POSIX_TREE_H
#define POSIX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_NAME_MAX 255u /* NAME_MAX of Linux */

enum tree_kind {
    TREE_DIRECTORY, /* @data: struct tree_maker, NULL: of tree.c alone */
    TREE_REGULAR,   /* @data: its bytes */
    TREE_DEVICE,    /* @data: struct file_ops */
    TREE_LINK,      /* @data: what it names, with a NUL */
    TREE_MADE,      /* a regular file; @data: struct tree_made */
    TREE_MAGIC,     /* a link; @data: struct tree_magic */
    TREE_OPEN,      /* an open file of another kind; @data: struct tree_open */
    TREE_KINDS
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
    int32_t task;   /* of /proc: which thread it tells of; 0: the process */
};

struct text;
struct file;

/* A directory that makes its children. */
struct tree_maker {
    /* The child of that name (not NUL terminated), or NULL. */
    const struct tree_node *(*find)(const struct tree_node *dir,
                                    const char *name, size_t len);
    /* The first child at *position or behind it, which becomes the place
     * after that child; NULL: there are no more.  It begins with 0. */
    const struct tree_node *(*next)(const struct tree_node *dir,
                                    uint64_t *position);
};

/* A file that is written when it is read; 0 or -errno. */
struct tree_made {
    const char *name;
    uint16_t mode;
    long (*make)(const struct tree_node *node, struct text *text);
    /* Takes what the program wrote, with a NUL: 0 or -errno; NULL: EROFS. */
    long (*write)(const struct tree_node *node, char *text);
};

struct tree_magic {
    /* What readlink() says, without a NUL: its length or -errno. */
    long (*text)(const struct tree_node *node, char *to, size_t room);
    /* Where it leads, NULL: nowhere. */
    const struct tree_node *(*target)(const struct tree_node *node);
};

/* A descriptor of something that has no node of its own. */
struct tree_open {
    struct file *(*file)(const struct tree_node *node); /* NULL: closed */
};

/* A number in a name: its value, or -1 if it is none that Linux would write. */
int64_t tree_name_number(const char *name, size_t len);

/* From the bundle and the defaults; once, before the program runs. */
void tree_start(void);
/*
 * A node of the start; @path and @data stay where they are.  The first of a
 * name wins.  Return: NULL if it is not there by this call.
 */
struct tree_node *tree_add(const char *path, enum tree_kind kind, uint16_t mode,
                           const void *data, size_t len_bytes);

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
/* Which mount it is of: st_dev. */
enum tree_mount {
    TREE_MOUNT_ROOT = 1,
    TREE_MOUNT_DEV,
    TREE_MOUNT_PROC,
    TREE_MOUNT_SYS
};
enum tree_mount tree_mount(const struct tree_node *node);
/* How many nodes there are, and the bytes of their files. */
void tree_size(uint64_t *ret_nodes, uint64_t *ret_bytes);
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
