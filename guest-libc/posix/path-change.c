/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * path-change.c - calls that would change the tree: EROFS
 *
 * A program tells by the error what is wrong, so each says first what Linux
 * says first on a file system that is mounted read-only: a removal does not
 * look for the last name, a creation does.
 */
#include <sys/stat.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/path.h"
#include "guest-libc/posix/tree-file.h"

#define CHANGE_NOFOLLOW  0x100u
#define CHANGE_REMOVEDIR 0x200u
#define CHANGE_FOLLOW    0x400u
#define RENAME_KNOWN     7u
#define RENAME_SWAP      2u
#define FALLOCATE_KNOWN  0x7fu

static long remove_name(uint64_t dir_fd, uint64_t user_path, bool directory)
{
    static const long wrong[] = {
        [PATH_LAST_NAME] = -EROFS,
        [PATH_LAST_DOT] = -EINVAL,
        [PATH_LAST_DOTDOT] = -ENOTEMPTY,
        [PATH_LAST_ROOT] = -EBUSY,
    };
    struct path_end end;
    long ret = path_parent(dir_fd, user_path, &end);

    if (ret) {
        return ret;
    }
    return !directory && end.last != PATH_LAST_NAME ? -EISDIR : wrong[end.last];
}

/**
 * path_sys_unlink() - unlink(path)
 *
 * @linux call unlink unlinkat rmdir - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_unlink(struct sys_args *a)
{
    return remove_name(PATH_AT_FDCWD, a->arg[0], false);
}

/** path_sys_rmdir() - rmdir(path) */
long path_sys_rmdir(struct sys_args *a)
{
    return remove_name(PATH_AT_FDCWD, a->arg[0], true);
}

/** path_sys_unlinkat() - unlinkat(dir, path, flags) */
long path_sys_unlinkat(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[2];

    if (flags & ~CHANGE_REMOVEDIR) {
        return -EINVAL;
    }
    return remove_name(a->arg[0], a->arg[1], flags != 0);
}

static long rename_names(uint64_t old_dir, uint64_t user_old, uint64_t new_dir,
                         uint64_t user_new)
{
    struct path_end old_end, new_end;
    long ret = path_parent(old_dir, user_old, &old_end);

    ret = ret ? ret : path_parent(new_dir, user_new, &new_end);
    if (ret) {
        return ret;
    }
    if (tree_mount(old_end.dir) != tree_mount(new_end.dir)) {
        return -EXDEV;
    }
    return old_end.last != PATH_LAST_NAME || new_end.last != PATH_LAST_NAME
               ? -EBUSY
               : -EROFS;
}

/**
 * path_sys_rename() - rename(old, new)
 *
 * @linux call rename renameat renameat2 - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_rename(struct sys_args *a)
{
    return rename_names(PATH_AT_FDCWD, a->arg[0], PATH_AT_FDCWD, a->arg[1]);
}

/** path_sys_renameat() - renameat(dir, old, dir, new) */
long path_sys_renameat(struct sys_args *a)
{
    return rename_names(a->arg[0], a->arg[1], a->arg[2], a->arg[3]);
}

/** path_sys_renameat2() - renameat2(dir, old, dir, new, flags) */
long path_sys_renameat2(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[4];

    if (flags & ~RENAME_KNOWN ||
        ((flags & RENAME_SWAP) && (flags & ~RENAME_SWAP))) {
        return -EINVAL;
    }
    return path_sys_renameat(a);
}

/* A new name; only a directory's may end in '/'. */
static long make_name(uint64_t dir_fd, uint64_t user_path, bool directory)
{
    struct path_end end;
    long ret = path_parent(dir_fd, user_path, &end);

    if (ret) {
        return ret;
    }
    if (end.last != PATH_LAST_NAME || !end.found) {
        return -EEXIST;
    }
    if (end.found != -ENOENT) {
        return end.found;
    }
    return end.slash && !directory ? -ENOENT : -EROFS;
}

/**
 * path_sys_mkdir() - mkdir(path, mode)
 *
 * @linux call mkdir mkdirat mknod mknodat - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_mkdir(struct sys_args *a)
{
    return make_name(PATH_AT_FDCWD, a->arg[0], true);
}

/** path_sys_mkdirat() - mkdirat(dir, path, mode) */
long path_sys_mkdirat(struct sys_args *a)
{
    return make_name(a->arg[0], a->arg[1], true);
}

static long make_special(uint64_t dir_fd, uint64_t user_path, uint32_t mode)
{
    switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return make_name(dir_fd, user_path, false);
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

/** path_sys_mknod() - mknod(path, mode, device) */
long path_sys_mknod(struct sys_args *a)
{
    return make_special(PATH_AT_FDCWD, a->arg[0], (uint32_t)a->arg[1]);
}

/** path_sys_mknodat() - mknodat(dir, path, mode, device) */
long path_sys_mknodat(struct sys_args *a)
{
    return make_special(a->arg[0], a->arg[1], (uint32_t)a->arg[2]);
}

static long make_symlink(uint64_t user_target, uint64_t dir_fd,
                         uint64_t user_path)
{
    char first;

    if (copy_from_user(&first, user_target, 1)) {
        return -EFAULT;
    }
    return first ? make_name(dir_fd, user_path, false) : -ENOENT;
}

/**
 * path_sys_symlink() - symlink(target, path)
 *
 * @linux call symlink symlinkat link linkat - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_symlink(struct sys_args *a)
{
    return make_symlink(a->arg[0], PATH_AT_FDCWD, a->arg[1]);
}

/** path_sys_symlinkat() - symlinkat(target, dir, path) */
long path_sys_symlinkat(struct sys_args *a)
{
    return make_symlink(a->arg[0], a->arg[1], a->arg[2]);
}

static long make_link(uint64_t old_dir, uint64_t user_old, uint32_t flags,
                      uint64_t new_dir, uint64_t user_new)
{
    const struct tree_node *node;
    long ret = path_look(old_dir, user_old, flags, &node);

    return ret ? ret : make_name(new_dir, user_new, false);
}

/** path_sys_link() - link(old, new) */
long path_sys_link(struct sys_args *a)
{
    return make_link(PATH_AT_FDCWD, a->arg[0], PATH_AT_NOFOLLOW, PATH_AT_FDCWD,
                     a->arg[1]);
}

/** path_sys_linkat() - linkat(dir, old, dir, new, flags) */
long path_sys_linkat(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[4], how;

    if (flags & ~(CHANGE_FOLLOW | PATH_AT_EMPTY)) {
        return -EINVAL;
    }
    how = (flags & CHANGE_FOLLOW ? 0 : PATH_AT_NOFOLLOW) |
          (flags & PATH_AT_EMPTY);
    return make_link(a->arg[0], a->arg[1], how, a->arg[2], a->arg[3]);
}

/* Something about a file that there is. */
static long change(uint64_t dir_fd, uint64_t user_path, uint32_t flags)
{
    const struct tree_node *node;
    long ret = path_look(dir_fd, user_path, flags, &node);

    return ret ? ret : -EROFS;
}

/**
 * path_sys_change() - chmod(path), chown(path), utime(path), setxattr(path)
 *
 * @linux call chmod chown utime utimes setxattr removexattr - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_change(struct sys_args *a)
{
    return change(PATH_AT_FDCWD, a->arg[0], 0);
}

/**
 * path_sys_change_link() - lchown(path), lsetxattr(path), lremovexattr(path)
 *
 * @linux call lchown lsetxattr lremovexattr - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_change_link(struct sys_args *a)
{
    return change(PATH_AT_FDCWD, a->arg[0], PATH_AT_NOFOLLOW);
}

/**
 * path_sys_change_fd() - fchmod(fd), fchown(fd), fsetxattr(fd)
 *
 * @linux call fchmod fchown fsetxattr fremovexattr - EROFS, and EPERM for what
 *             has no name
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
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

static long change_at(struct sys_args *a, uint32_t flags)
{
    if (flags & ~(CHANGE_NOFOLLOW | PATH_AT_EMPTY)) {
        return -EINVAL;
    }
    if (path_is_fd(a->arg[1], flags) && (int32_t)a->arg[0] != PATH_AT_FDCWD) {
        return path_sys_change_fd(a);
    }
    return change(a->arg[0], a->arg[1], flags);
}

/**
 * path_sys_fchmodat() - fchmodat(dir, path, mode): without flags
 *
 * @linux call fchmodat fchownat utimensat futimesat - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_fchmodat(struct sys_args *a)
{
    return change_at(a, 0);
}

/** path_sys_fchownat() - fchownat(dir, path, user, group, flags) */
long path_sys_fchownat(struct sys_args *a)
{
    return change_at(a, (uint32_t)a->arg[4]);
}

/** path_sys_utimensat() - utimensat(dir, path, times, flags) */
long path_sys_utimensat(struct sys_args *a)
{
    /* Without a path the descriptor is meant. */
    return a->arg[1]             ? change_at(a, (uint32_t)a->arg[3])
           : (uint32_t)a->arg[3] ? -EINVAL
                                 : path_sys_change_fd(a);
}

/** path_sys_futimesat() - futimesat(dir, path, times) */
long path_sys_futimesat(struct sys_args *a)
{
    return a->arg[1] ? change_at(a, 0) : path_sys_change_fd(a);
}

/**
 * path_sys_truncate() - truncate(path, length)
 *
 * @linux call truncate - EROFS
 * @test unit/libc-posix/test-files.c "/libc/files/changes"
 */
long path_sys_truncate(struct sys_args *a)
{
    const struct tree_node *node;
    long ret;

    if ((int64_t)a->arg[1] < 0) {
        return -EINVAL;
    }
    ret = path_look(PATH_AT_FDCWD, a->arg[0], 0, &node);
    if (ret) {
        return ret;
    }
    switch (tree_mode(node) & S_IFMT) {
    case S_IFDIR:
        return -EISDIR;
    case S_IFREG:
        return -EROFS;
    default:
        return -EINVAL;
    }
}

/**
 * path_sys_ftruncate() - ftruncate(fd, length): no regular file is writable
 *
 * @linux call ftruncate
 * @test guest/programs/paths.c "what needs a writable file"
 */
long path_sys_ftruncate(struct sys_args *a)
{
    long ret;

    if ((int64_t)a->arg[1] < 0) {
        return -EINVAL;
    }
    lib_lock();
    ret = fd_file(a->arg[0]) ? -EINVAL : -EBADF;
    lib_unlock();
    return ret;
}

static long fallocate_result(const struct file *file)
{
    if (!file || (file->flags & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    return (file->ops->mode & S_IFMT) == S_IFIFO ? -ESPIPE : -ENODEV;
}

/**
 * path_sys_fallocate() - fallocate(fd, mode, offset, length)
 *
 * @linux call fallocate
 * @test guest/programs/paths.c "what needs a writable file"
 */
long path_sys_fallocate(struct sys_args *a)
{
    int64_t offset = a->arg[2], len = a->arg[3];
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(a->arg[0]);
    ret = !file                                   ? -EBADF
          : offset < 0 || len <= 0                ? -EINVAL
          : (uint32_t)a->arg[1] > FALLOCATE_KNOWN ? -EOPNOTSUPP
                                                  : fallocate_result(file);
    lib_unlock();
    return ret;
}
