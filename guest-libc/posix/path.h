/* SPDX-License-Identifier: GPL-2.0-or-later */
/* path.h - from a program's path to a node of the tree */
#ifndef POSIX_PATH_H
#define POSIX_PATH_H

#include "guest-libc/posix/tree.h"

#define PATH_BYTES       4096u /* PATH_MAX of Linux */
#define PATH_AT_FDCWD    (-100)
/* Flags of the *at() calls; <fcntl.h> hides some without extensions. */
#define PATH_AT_NOFOLLOW 0x100u
#define PATH_AT_EMPTY    0x1000u

/*
 * What @user_path names, seen from the directory @dir_fd; a link at its end is
 * followed unless @flags say PATH_AT_NOFOLLOW.  *ret_node as of tree_walk().
 * Return: 0, -EBADF, -EFAULT, or as tree_walk().  Context: lock not held.
 */
long path_look(uint64_t dir_fd, uint64_t user_path, uint32_t flags,
               const struct tree_node **ret_node);
/* A path's directory, and its last name. */
struct path_end {
    const struct tree_node *dir;
    const struct tree_node *node; /* of that name, if @found is 0 */
    long found;                   /* 0, -ENOENT, -ENAMETOOLONG */
    bool slash;                   /* there are slashes behind the name */
    enum {
        PATH_LAST_NAME,
        PATH_LAST_DOT,
        PATH_LAST_DOTDOT,
        PATH_LAST_ROOT
    } last;
};
/* 0, -ENOENT (nothing but the last name counts), -EBADF, -EFAULT, ... */
long path_parent(uint64_t dir_fd, uint64_t user_path, struct path_end *ret_end);
/* The working directory; lock held. */
const struct tree_node *path_directory(void);
/* An empty path, with PATH_AT_EMPTY in @flags: @dir_fd itself is meant. */
bool path_is_fd(uint64_t user_path, uint32_t flags);

#endif
