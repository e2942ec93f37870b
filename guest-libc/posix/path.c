/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.c - calls that name a file by its path
 *
 * The tree is read-only: what would change it is EROFS, once it is clear that
 * nothing else is wrong with it.
 */
#include <string.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/path.h"
#include "guest-libc/posix/tree-file.h"

static const struct tree_node *path_cwd BULKY; /* NULL: the root; lock */

static const struct tree_node *cwd_locked(void)
{
    return path_cwd ? path_cwd : tree_root();
}

/* Where a path relative to @dir_fd begins: 0, -EBADF, -ENOTDIR. */
static long base_locked(uint64_t dir_fd, const struct tree_node **ret_node)
{
    struct file *file;

    if ((int32_t)dir_fd == PATH_AT_FDCWD) {
        *ret_node = cwd_locked();
        return 0;
    }
    file = fd_file(dir_fd);
    if (!file) {
        return -EBADF;
    }
    *ret_node = tree_file_node(file);
    return *ret_node && (*ret_node)->kind == TREE_DIRECTORY ? 0 : -ENOTDIR;
}

/**
 * path_look() - find what a path names
 * @dir_fd: where a relative path begins: a descriptor or PATH_AT_FDCWD
 * @user_path: of the program
 * @flags: PATH_AT_NOFOLLOW; PATH_AT_EMPTY: an empty path is the directory
 * @ret_node: as of tree_walk()
 *
 * Return: 0, -EBADF, -EFAULT, or as tree_walk().
 * Context: lock not held.
 */
long path_look(uint64_t dir_fd, uint64_t user_path, uint32_t flags,
               const struct tree_node **ret_node)
{
    const struct tree_node *base = tree_root();
    char path[PATH_BYTES];
    long ret = strncpy_from_user(path, user_path, sizeof(path));

    *ret_node = NULL;
    if (ret < 0) {
        return ret;
    }
    lib_lock();
    if (!path[0] && (flags & PATH_AT_EMPTY)) {
        path[0] = '.';
        path[1] = '\0';
    }
    ret = path[0] && path[0] != '/' ? base_locked(dir_fd, &base) : 0;
    if (!ret) {
        ret = tree_walk(base, path, !(flags & PATH_AT_NOFOLLOW), ret_node);
    }
    lib_unlock();
    return ret;
}

/**
 * path_is_fd() - does a call mean its descriptor itself?
 * @user_path: of the program
 * @flags: PATH_AT_EMPTY counts
 *
 * Return: whether the path is empty and may be.
 */
bool path_is_fd(uint64_t user_path, uint32_t flags)
{
    char first;

    return (flags & PATH_AT_EMPTY) && !copy_from_user(&first, user_path, 1) &&
           !first;
}

/* -ENOENT, or -EROFS where only the last name is missing. */
static long cannot_make(const struct tree_node *dir)
{
    return dir ? -EROFS : -ENOENT;
}

/* May what a path led to be opened so?  0 or -errno. */
static long open_check(const struct tree_node *node, uint32_t flags)
{
    bool write = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);

    if ((flags & O_CREAT) && (flags & O_EXCL)) {
        return -EEXIST;
    }
    if (node->kind == TREE_LINK) {
        return -ELOOP; /* O_NOFOLLOW */
    }
    if (node->kind == TREE_DIRECTORY) {
        return write || (flags & O_CREAT) ? -EISDIR : 0;
    }
    if (flags & O_DIRECTORY) {
        return -ENOTDIR;
    }
    return write && node->kind == TREE_REGULAR ? -EROFS : 0;
}

static long path_open(uint64_t dir_fd, uint64_t user_path, uint32_t flags)
{
    const struct tree_node *node;
    long ret = path_look(
        dir_fd, user_path,
        flags & O_NOFOLLOW || (flags & O_EXCL) ? PATH_AT_NOFOLLOW : 0, &node);

    if (ret == -ENOENT && (flags & O_CREAT)) {
        return cannot_make(node);
    }
    if (!ret && (flags & LINUX_O_TMPFILE) == LINUX_O_TMPFILE) {
        return node->kind == TREE_DIRECTORY ? -EROFS : -ENOTDIR;
    }
    ret = ret ? ret : open_check(node, flags);
    if (ret) {
        return ret;
    }
    lib_lock();
    ret = fd_open(tree_file_open(node, flags), flags);
    lib_unlock();
    return ret;
}

/** path_sys_open() - open(path, flags, mode) */
long path_sys_open(struct sys_args *a)
{
    return path_open(PATH_AT_FDCWD, a->arg[0], (uint32_t)a->arg[1]);
}

/** path_sys_openat() - openat(dir, path, flags, mode) */
long path_sys_openat(struct sys_args *a)
{
    return path_open(a->arg[0], a->arg[1], (uint32_t)a->arg[2]);
}

/** path_sys_creat() - creat(path, mode) */
long path_sys_creat(struct sys_args *a)
{
    return path_open(PATH_AT_FDCWD, a->arg[0], O_CREAT | O_WRONLY | O_TRUNC);
}

static long read_link(uint64_t dir_fd, uint64_t user_path, uint64_t user_buf,
                      int32_t room)
{
    const struct tree_node *node;
    long ret = path_look(dir_fd, user_path, PATH_AT_NOFOLLOW, &node);
    size_t len;

    if (room <= 0) {
        return -EINVAL;
    }
    if (ret) {
        return ret;
    }
    if (node->kind != TREE_LINK) {
        return -EINVAL;
    }
    len = node->len_bytes < (uint32_t)room ? node->len_bytes : (uint32_t)room;
    return copy_to_user(user_buf, node->data, len) ? -EFAULT : (long)len;
}

/** path_sys_readlink() - readlink(path, buf, bytes) */
long path_sys_readlink(struct sys_args *a)
{
    return read_link(PATH_AT_FDCWD, a->arg[0], a->arg[1], (int32_t)a->arg[2]);
}

/** path_sys_readlinkat() - readlinkat(dir, path, buf, bytes) */
long path_sys_readlinkat(struct sys_args *a)
{
    return read_link(a->arg[0], a->arg[1], a->arg[2], (int32_t)a->arg[3]);
}

static long change(uint64_t dir_fd, uint64_t user_path)
{
    const struct tree_node *node;
    long ret = path_look(dir_fd, user_path, PATH_AT_NOFOLLOW, &node);

    return ret ? ret : -EROFS;
}

/** path_sys_change() - unlink(path), rename(path, ...), chmod(path), ... */
long path_sys_change(struct sys_args *a)
{
    return change(PATH_AT_FDCWD, a->arg[0]);
}

/**
 * path_sys_changeat() - unlinkat(dir, path, ...), fchownat(dir, path, ...), ...
 *
 * Those that may mean the descriptor itself do so by a null pointer.
 */
long path_sys_changeat(struct sys_args *a)
{
    return a->arg[1] ? change(a->arg[0], a->arg[1]) : path_sys_change_fd(a);
}

/** path_sys_change_fd() - fchmod(fd, mode), fchown(fd, ...) */
long path_sys_change_fd(struct sys_args *a)
{
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(a->arg[0]);
    ret = !file ? -EBADF : file->ops->in_tree ? -EROFS : -EPERM;
    lib_unlock();
    return ret;
}

static long make(uint64_t dir_fd, uint64_t user_path)
{
    const struct tree_node *node;
    long ret = path_look(dir_fd, user_path, PATH_AT_NOFOLLOW, &node);

    return ret == -ENOENT ? cannot_make(node) : ret ? ret : -EEXIST;
}

/** path_sys_make() - mkdir(path, mode), mknod(path, ...) */
long path_sys_make(struct sys_args *a)
{
    return make(PATH_AT_FDCWD, a->arg[0]);
}

/** path_sys_makeat() - mkdirat(dir, path, mode), mknodat(dir, path, ...) */
long path_sys_makeat(struct sys_args *a)
{
    return make(a->arg[0], a->arg[1]);
}

/** path_sys_symlink() - symlink(target, path), link(target, path) */
long path_sys_symlink(struct sys_args *a)
{
    return make(PATH_AT_FDCWD, a->arg[1]);
}

/** path_sys_symlinkat() - symlinkat(target, dir, path) */
long path_sys_symlinkat(struct sys_args *a)
{
    return make(a->arg[1], a->arg[2]);
}

static long change_directory(const struct tree_node *node)
{
    if (!node || node->kind != TREE_DIRECTORY) {
        return -ENOTDIR;
    }
    path_cwd = node;
    return 0;
}

/** path_sys_chdir() - chdir(path) */
long path_sys_chdir(struct sys_args *a)
{
    const struct tree_node *node;
    long ret = path_look(PATH_AT_FDCWD, a->arg[0], 0, &node);

    if (ret) {
        return ret;
    }
    lib_lock();
    ret = change_directory(node);
    lib_unlock();
    return ret;
}

/** path_sys_fchdir() - fchdir(fd) */
long path_sys_fchdir(struct sys_args *a)
{
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(a->arg[0]);
    ret = file ? change_directory(tree_file_node(file)) : -EBADF;
    lib_unlock();
    return ret;
}

/** path_sys_getcwd() - getcwd(buf, bytes) */
long path_sys_getcwd(struct sys_args *a)
{
    char path[PATH_BYTES];
    size_t room = a->arg[1] < sizeof(path) ? a->arg[1] : sizeof(path);
    long ret;

    lib_lock();
    ret = tree_path(cwd_locked(), path, room);
    lib_unlock();
    if (ret < 0) {
        return ret;
    }
    return copy_to_user(a->arg[0], path, ret) ? -EFAULT : ret;
}
