/* SPDX-License-Identifier: GPL-2.0-or-later */
/* stat.c - what a file is, asked by its path or its descriptor */
#include <asm/statfs.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/path.h"
#include "guest-libc/posix/tree-file.h"

#define STAT_BLOCK     4096u
#define STAT_SECTOR    512u
#define STAT_TREE_DEV  1u      /* st_dev of the tree; of all else 0 */
#define STATFS_MAGIC   0x7275l /* ROMFS_MAGIC: what else is read-only */
#define STATFS_FLAGS   0x21l   /* ST_RDONLY, ST_VALID */
#define ACCESS_EXECUTE 1u
#define ACCESS_WRITE   2u
#define ACCESS_KNOWN   7u

/* What stat() and statx() tell. */
struct facts {
    uint64_t number, len_bytes, mtime_s;
    uint32_t mode, rdev, dev, links;
};

static void facts_of_node(const struct tree_node *node, struct facts *ret_facts)
{
    *ret_facts = (struct facts){
        .number = tree_number(node),
        .len_bytes = node->len_bytes,
        .mtime_s = node->mtime_s,
        .mode = tree_mode(node),
        .dev = STAT_TREE_DEV,
        .links = node->kind == TREE_DIRECTORY ? 2 : 1,
    };
    if (node->kind == TREE_DEVICE) {
        ret_facts->rdev = ((const struct file_ops *)node->data)->rdev;
    }
}

static long facts_of_path(uint64_t dir_fd, uint64_t user_path, uint32_t flags,
                          struct facts *ret_facts)
{
    const struct tree_node *node;
    long ret = path_look(dir_fd, user_path, flags, &node);

    if (!ret) {
        facts_of_node(node, ret_facts);
    }
    return ret;
}

static long facts_of_fd(uint64_t fd, struct facts *ret_facts)
{
    const struct tree_node *node;
    struct file *file;

    lib_lock();
    file = fd_file(fd);
    node = file ? tree_file_node(file) : NULL;
    if (node) {
        facts_of_node(node, ret_facts);
    } else if (file) {
        *ret_facts = (struct facts){ .mode = file->ops->mode, .links = 1 };
    }
    lib_unlock();
    return file ? 0 : -EBADF;
}

static long facts_of(uint64_t dir_fd, uint64_t user_path, uint32_t flags,
                     struct facts *ret_facts)
{
    if (path_is_fd(user_path, flags) && (int32_t)dir_fd != PATH_AT_FDCWD) {
        return facts_of_fd(dir_fd, ret_facts);
    }
    return facts_of_path(dir_fd, user_path, flags, ret_facts);
}

static long put_stat(uint64_t user_stat, const struct facts *facts)
{
    struct stat st = {
        .st_dev = facts->dev,
        .st_ino = facts->number,
        .st_nlink = facts->links,
        .st_mode = facts->mode,
        .st_rdev = facts->rdev,
        .st_size = facts->len_bytes,
        .st_blksize = STAT_BLOCK,
        .st_blocks = (facts->len_bytes + STAT_SECTOR - 1) / STAT_SECTOR,
        .st_atime = facts->mtime_s,
        .st_mtime = facts->mtime_s,
        .st_ctime = facts->mtime_s,
    };

    return copy_to_user(user_stat, &st, sizeof(st));
}

/** stat_sys_stat() - stat(path, st) */
long stat_sys_stat(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_path(PATH_AT_FDCWD, a->arg[0], 0, &facts);

    return ret ? ret : put_stat(a->arg[1], &facts);
}

/** stat_sys_lstat() - lstat(path, st) */
long stat_sys_lstat(struct sys_args *a)
{
    struct facts facts;
    long ret =
        facts_of_path(PATH_AT_FDCWD, a->arg[0], PATH_AT_NOFOLLOW, &facts);

    return ret ? ret : put_stat(a->arg[1], &facts);
}

/** stat_sys_newfstatat() - newfstatat(dir, path, st, flags) */
long stat_sys_newfstatat(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of(a->arg[0], a->arg[1], (uint32_t)a->arg[3], &facts);

    return ret ? ret : put_stat(a->arg[2], &facts);
}

/** stat_sys_fstat() - fstat(fd, st) */
long stat_sys_fstat(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_fd(a->arg[0], &facts);

    return ret ? ret : put_stat(a->arg[1], &facts);
}

/** stat_sys_statx() - statx(dir, path, flags, mask, stx) */
long stat_sys_statx(struct sys_args *a)
{
    struct facts facts;
    struct statx stx;
    long ret = facts_of(a->arg[0], a->arg[1], (uint32_t)a->arg[2], &facts);

    if (ret) {
        return ret;
    }
    memset(&stx, 0, sizeof(stx));
    stx.stx_mask = STATX_BASIC_STATS;
    stx.stx_blksize = STAT_BLOCK;
    stx.stx_nlink = facts.links;
    stx.stx_mode = facts.mode;
    stx.stx_ino = facts.number;
    stx.stx_size = facts.len_bytes;
    stx.stx_blocks = (facts.len_bytes + STAT_SECTOR - 1) / STAT_SECTOR;
    stx.stx_atime.tv_sec = facts.mtime_s;
    stx.stx_ctime.tv_sec = facts.mtime_s;
    stx.stx_mtime.tv_sec = facts.mtime_s;
    stx.stx_rdev_major = facts.rdev >> 8;
    stx.stx_rdev_minor = facts.rdev & 0xff;
    stx.stx_dev_minor = facts.dev;
    return copy_to_user(a->arg[4], &stx, sizeof(stx));
}

/* The program is root: it may all that anybody may. */
static long check_access(const struct facts *facts, uint32_t wanted)
{
    bool device = (facts->mode & LINUX_S_IFCHR) == LINUX_S_IFCHR;

    if (wanted & ~ACCESS_KNOWN) {
        return -EINVAL;
    }
    if ((wanted & ACCESS_WRITE) && !device) {
        return -EROFS;
    }
    return (wanted & ACCESS_EXECUTE) && !(facts->mode & 0111) ? -EACCES : 0;
}

static long access_at(uint64_t dir_fd, uint64_t user_path, uint32_t wanted,
                      uint32_t flags)
{
    struct facts facts;
    long ret = facts_of(dir_fd, user_path, flags, &facts);

    return ret ? ret : check_access(&facts, wanted);
}

/** stat_sys_access() - access(path, mode) */
long stat_sys_access(struct sys_args *a)
{
    return access_at(PATH_AT_FDCWD, a->arg[0], (uint32_t)a->arg[1], 0);
}

/** stat_sys_faccessat() - faccessat(dir, path, mode): without flags */
long stat_sys_faccessat(struct sys_args *a)
{
    return access_at(a->arg[0], a->arg[1], (uint32_t)a->arg[2], 0);
}

/** stat_sys_faccessat2() - faccessat2(dir, path, mode, flags) */
long stat_sys_faccessat2(struct sys_args *a)
{
    return access_at(a->arg[0], a->arg[1], (uint32_t)a->arg[2],
                     (uint32_t)a->arg[3]);
}

static long put_statfs(uint64_t user_statfs)
{
    struct statfs fs = {
        .f_type = STATFS_MAGIC,
        .f_bsize = STAT_BLOCK,
        .f_frsize = STAT_BLOCK,
        .f_namelen = TREE_NAME_MAX,
        .f_flags = STATFS_FLAGS,
    };

    return copy_to_user(user_statfs, &fs, sizeof(fs));
}

/** stat_sys_statfs() - statfs(path, buf): full, and read-only */
long stat_sys_statfs(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_path(PATH_AT_FDCWD, a->arg[0], 0, &facts);

    return ret ? ret : put_statfs(a->arg[1]);
}

/** stat_sys_fstatfs() - fstatfs(fd, buf) */
long stat_sys_fstatfs(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_fd(a->arg[0], &facts);

    return ret ? ret : put_statfs(a->arg[1]);
}

/** stat_sys_xattr() - getxattr, listxattr and the like: there are none */
long stat_sys_xattr(struct sys_args *a)
{
    (void)a;
    return -EOPNOTSUPP;
}
