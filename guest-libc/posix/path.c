/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path.c - calls that name a file by its path
 *
 * The tree is read-only: what would change it is EROFS, once it is clear that
 * nothing else is wrong with it.  path-change.c has the calls that only change.
 */
#include <string.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/inotify.h"
#include "guest-libc/posix/path.h"
#include "guest-libc/posix/tree-file.h"

static const struct tree_node *path_cwd BULKY; /* NULL: the root; lock */

static const struct tree_node *cwd_locked(void)
{
    return path_cwd ? path_cwd : tree_root();
}

/**
 * path_directory() - the working directory
 *
 * Return: its node.
 * Context: lock held.
 */
const struct tree_node *path_directory(void)
{
    return cwd_locked();
}

/* Where a path relative to @dir_fd begins: 0, -EBADF, -ENOTDIR. */
static long base_locked(uint64_t dir_fd, const struct tree_node **ret_node)
{
    struct file *file;

    if ((int32_t)dir_fd == PATH_AT_FDCWD) {
        *ret_node = cwd_locked();
        return 0;
    }
    file = fd_file_any(dir_fd);
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

/* The last name of @path, cut off; what is before it stays in @path. */
static char *cut_last(char *path, struct path_end *end)
{
    size_t len = strlen(path);
    char *name;

    while (len && path[len - 1] == '/') {
        path[--len] = '\0';
        end->slash = true;
    }
    name = path + len;
    while (name > path && name[-1] != '/') {
        name--;
    }
    end->last = !len                  ? PATH_LAST_ROOT
                : !strcmp(name, ".")  ? PATH_LAST_DOT
                : !strcmp(name, "..") ? PATH_LAST_DOTDOT
                                      : PATH_LAST_NAME;
    return name;
}

static long parent_locked(uint64_t dir_fd, char *path, struct path_end *end)
{
    const struct tree_node *base = tree_root();
    bool absolute = path[0] == '/';
    char *name = cut_last(path, end);
    char last[TREE_NAME_MAX + 2] = "";
    size_t len = strlen(name);
    long ret = absolute ? 0 : base_locked(dir_fd, &base);

    memcpy(last, name, len < sizeof(last) ? len : sizeof(last) - 1);
    *name = '\0';
    end->dir = base;
    if (!ret && path[0]) {
        ret = tree_walk(base, path, true, &end->dir);
    }
    if (!ret && end->dir->kind != TREE_DIRECTORY) {
        ret = -ENOTDIR;
    }
    if (!ret) {
        end->found = end->last == PATH_LAST_ROOT
                         ? 0
                         : tree_walk(end->dir, last, false, &end->node);
    }
    return ret;
}

/**
 * path_parent() - find the directory that a path's last name is of
 * @dir_fd: where a relative path begins: a descriptor or PATH_AT_FDCWD
 * @user_path: of the program
 * @ret_end: the directory, and what of the last name there is to say
 *
 * Return: 0, -ENOENT, -EBADF, -EFAULT, or as tree_walk().
 * Context: lock not held.
 */
long path_parent(uint64_t dir_fd, uint64_t user_path, struct path_end *ret_end)
{
    char path[PATH_BYTES];
    long ret = strncpy_from_user(path, user_path, sizeof(path));

    memset(ret_end, 0, sizeof(*ret_end));
    if (ret < 0) {
        return ret;
    }
    if (!path[0]) {
        return -ENOENT;
    }
    lib_lock();
    ret = parent_locked(dir_fd, path, ret_end);
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

/* May what a path led to be opened so?  0 or -errno. */
static long open_check(const struct tree_node *node, uint32_t flags)
{
    bool write = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);

    if ((flags & O_CREAT) && (flags & O_EXCL)) {
        return -EEXIST;
    }
    if (node->kind == TREE_LINK || node->kind == TREE_MAGIC) {
        return flags & O_DIRECTORY ? -ENOTDIR : -ELOOP; /* O_NOFOLLOW */
    }
    if (node->kind == TREE_DIRECTORY) {
        return write || (flags & O_CREAT) ? -EISDIR : 0;
    }
    if (flags & O_DIRECTORY) {
        return -ENOTDIR;
    }
    if (node->kind == TREE_MADE) {
        const struct tree_made *made = node->data;

        return write && !made->write ? -EROFS : 0;
    }
    if (node->kind == TREE_DEVICE) {
        return ((const struct file_ops *)node->data)->open_error;
    }
    return write && node->kind == TREE_REGULAR ? -EROFS : 0;
}

/* A file that there is, or a descriptor of one. */
static long open_node(const struct tree_node *node, uint32_t flags)
{
    const struct tree_open *open = node->data;
    struct file *file;
    long ret;

    if ((flags & LINUX_O_PATH) || node->kind != TREE_OPEN) {
        flags |= flags & LINUX_O_PATH ? 0 : LINUX_O_LARGEFILE;
        file = tree_file_open(node, flags);
        ret = fd_open(file, flags);
        if (ret >= 0) {
            inotify_opened(file);
        }
        return ret;
    }
    file = open->file(node);
    ret = file ? file_reopen(file, flags, &file) : -ENOENT;
    return ret ? ret : fd_open(file, flags);
}

/* With O_PATH all other flags but these are nothing. */
#define PATH_FLAGS (LINUX_O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* It could not be found; @dir lacks only the last name, or is NULL. */
static long open_missing(uint64_t dir_fd, uint64_t user_path,
                         const struct tree_node *dir)
{
    struct path_end end;

    if (!dir) {
        return -ENOENT;
    }
    return !path_parent(dir_fd, user_path, &end) && end.slash ? -EISDIR
                                                              : -EROFS;
}

static long open_temporary(const struct tree_node *node, uint32_t flags)
{
    if ((flags & O_ACCMODE) == O_RDONLY) {
        return -EINVAL;
    }
    return node->kind == TREE_DIRECTORY ? -EROFS : -ENOTDIR;
}

static long path_open(uint64_t dir_fd, uint64_t user_path, uint32_t flags)
{
    const struct tree_node *node;
    bool follow;
    long ret;

    if (flags & LINUX_O_PATH) {
        flags &= PATH_FLAGS;
    }
    follow = !(flags & O_NOFOLLOW) &&
             (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
    ret = path_look(dir_fd, user_path, follow ? 0 : PATH_AT_NOFOLLOW, &node);
    if (ret == -ENOENT && (flags & O_CREAT)) {
        return open_missing(dir_fd, user_path, node);
    }
    if (!ret && (flags & LINUX_O_TMPFILE) == LINUX_O_TMPFILE) {
        return open_temporary(node, flags);
    }
    if (ret) {
        return ret;
    }
    if (!(flags & LINUX_O_PATH)) {
        ret = open_check(node, flags);
    } else if ((flags & O_DIRECTORY) && node->kind != TREE_DIRECTORY) {
        ret = -ENOTDIR;
    }
    if (ret) {
        return ret;
    }
    lib_lock();
    ret = open_node(node, flags);
    lib_unlock();
    return ret;
}

/**
 * path_sys_open() - open(path, flags, mode)
 *
 * @linux call open openat - what would be written is EROFS; a pipe opened again
 *             by /proc/self/fd shares its flags
 * @test guest/programs/paths.c "flags of open()"
 * @test guest/programs/paths.c "paths that lead nowhere"
 * @test unit/libc-posix/test-files.c "/libc/files/read-only"
 */
long path_sys_open(struct sys_args *a)
{
    return path_open(PATH_AT_FDCWD, a->arg[0], (uint32_t)a->arg[1]);
}

/** path_sys_openat() - openat(dir, path, flags, mode) */
long path_sys_openat(struct sys_args *a)
{
    return path_open(a->arg[0], a->arg[1], (uint32_t)a->arg[2]);
}

/**
 * path_sys_creat() - creat(path, mode)
 *
 * @linux call creat - EROFS, but of devices
 * @test unit/libc-posix/test-files.c "/libc/files/read-only"
 */
long path_sys_creat(struct sys_args *a)
{
    return path_open(PATH_AT_FDCWD, a->arg[0], O_CREAT | O_WRONLY | O_TRUNC);
}

/* What a link says: its length, -EINVAL for anything else. */
static long link_text(const struct tree_node *node, char *to, size_t room)
{
    const struct tree_magic *magic = node->data;
    size_t len = node->len_bytes < room ? node->len_bytes : room;

    if (node->kind == TREE_MAGIC) {
        return magic->text(node, to, room);
    }
    if (node->kind != TREE_LINK) {
        return -EINVAL;
    }
    memcpy(to, node->data, len);
    return len;
}

/* An empty path is the link that @dir_fd was opened as. */
static long find_link(uint64_t dir_fd, uint64_t user_path,
                      const struct tree_node **ret_node)
{
    struct file *file;

    if (!path_is_fd(user_path, PATH_AT_EMPTY) ||
        (int32_t)dir_fd == PATH_AT_FDCWD) {
        return path_look(dir_fd, user_path, PATH_AT_NOFOLLOW, ret_node);
    }
    lib_lock();
    file = fd_file_any(dir_fd);
    *ret_node = file ? tree_file_node(file) : NULL;
    lib_unlock();
    return !file ? -EBADF : *ret_node ? 0 : -ENOENT;
}

static long read_link(uint64_t dir_fd, uint64_t user_path, uint64_t user_buf,
                      int32_t room)
{
    const struct tree_node *node;
    char text[PATH_BYTES];
    long ret, len;

    if (room <= 0) {
        return -EINVAL;
    }
    ret = find_link(dir_fd, user_path, &node);
    if (ret) {
        return ret;
    }
    lib_lock();
    len = link_text(node, text, sizeof(text));
    lib_unlock();
    if (len < 0) {
        return len;
    }
    len = len < room ? len : room;
    return copy_to_user(user_buf, text, len) ? -EFAULT : len;
}

/**
 * path_sys_readlink() - readlink(path, buf, bytes)
 *
 * @linux call readlink readlinkat
 * @test guest/programs/paths.c "readlink cuts what has no room"
 */
long path_sys_readlink(struct sys_args *a)
{
    return read_link(PATH_AT_FDCWD, a->arg[0], a->arg[1], (int32_t)a->arg[2]);
}

/** path_sys_readlinkat() - readlinkat(dir, path, buf, bytes) */
long path_sys_readlinkat(struct sys_args *a)
{
    return read_link(a->arg[0], a->arg[1], a->arg[2], (int32_t)a->arg[3]);
}

static long change_directory(const struct tree_node *node)
{
    if (!node || node->kind != TREE_DIRECTORY) {
        return -ENOTDIR;
    }
    path_cwd = node;
    return 0;
}

/**
 * path_sys_chdir() - chdir(path)
 *
 * @linux call chdir fchdir getcwd
 * @test guest/programs/paths.c "the working directory"
 */
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
    file = fd_file_any(a->arg[0]);
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
