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
#define STAT_OPEN_DEV  16u /* st_dev of what has no name; see TREE_MOUNT_* */
#define STATFS_RDONLY  1l
#define STATFS_VALID   0x20l
#define STATFS_ROOT    0x7275l     /* ROMFS_MAGIC: what else is read-only */
#define STATFS_DEV     0x01021994l /* TMPFS_MAGIC */
#define STATFS_PROC    0x9fa0l
#define STATFS_SYS     0x62656572l
#define STATFS_PIPE    0x50495045l
#define STATFS_SOCK    0x534f434bl
#define STATFS_ANON    0x09041934l
#define STATX_SYNC     0x6000u /* both ways at once are none */
#define STAT_FLAGS     (PATH_AT_NOFOLLOW | PATH_AT_EMPTY | 0x6800u)
#define ACCESS_FLAGS   (PATH_AT_NOFOLLOW | PATH_AT_EMPTY | 0x200u)
#define ACCESS_EXECUTE 1u
#define ACCESS_WRITE   2u
#define ACCESS_KNOWN   7u

/* What stat(), statx() and statfs() tell. */
struct facts {
    uint64_t number, len_bytes, mtime_s;
    uint32_t mode, rdev, dev, links;
};

/* What is open and is not in the tree. */
static void facts_of_file(const struct file *file, struct facts *ret_facts)
{
    *ret_facts = (struct facts){
        .number = file->number,
        .mode = file->ops->mode,
        .rdev = file->ops->rdev,
        .dev = STAT_OPEN_DEV + (file->ops->mode >> 12),
        .links = 1,
    };
}

/* 0 or, if what the node stands for is gone, -ENOENT. */
static long facts_of_node(const struct tree_node *node, struct facts *ret_facts)
{
    const struct tree_open *open = node->data;
    struct file *file;

    if (node->kind == TREE_OPEN) {
        file = open->file(node);
        if (file) {
            facts_of_file(file, ret_facts);
        }
        return file ? 0 : -ENOENT;
    }
    *ret_facts = (struct facts){
        .number = tree_number(node),
        .len_bytes = node->len_bytes,
        .mtime_s = node->mtime_s,
        .mode = tree_mode(node),
        .dev = tree_mount(node),
        .links = node->kind == TREE_DIRECTORY ? 2 : 1,
    };
    if (node->kind == TREE_DEVICE) {
        ret_facts->rdev = ((const struct file_ops *)node->data)->rdev;
    }
    return 0;
}

static long facts_of_path(uint64_t dir_fd, uint64_t user_path, uint32_t flags,
                          struct facts *ret_facts)
{
    const struct tree_node *node;
    long ret = path_look(dir_fd, user_path, flags, &node);

    if (!ret) {
        lib_lock();
        ret = facts_of_node(node, ret_facts);
        lib_unlock();
    }
    return ret;
}

static long facts_of_fd(uint64_t fd, struct facts *ret_facts)
{
    const struct tree_node *node;
    struct file *file;

    long ret = 0;

    lib_lock();
    file = fd_file_any(fd);
    node = file ? tree_file_node(file) : NULL;
    if (!file) {
        ret = -EBADF;
    } else if (node) {
        ret = facts_of_node(node, ret_facts);
    } else {
        facts_of_file(file, ret_facts);
    }
    lib_unlock();
    return ret;
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

/**
 * stat_sys_stat() - stat(path, st)
 *
 * @linux call stat lstat fstat newfstatat statx - a directory has two links; a
 *             file has one time; there is no time of birth
 * @test guest/programs/paths.c "stat of each kind"
 * @test guest/programs/paths.c "flags of stat()"
 */
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
    uint32_t flags = (uint32_t)a->arg[3];
    struct facts facts;
    long ret = flags & ~STAT_FLAGS
                   ? -EINVAL
                   : facts_of(a->arg[0], a->arg[1], flags, &facts);

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
    uint32_t flags = (uint32_t)a->arg[2], mask = (uint32_t)a->arg[3];
    long ret = flags & ~STAT_FLAGS || (flags & STATX_SYNC) == STATX_SYNC ||
                       (mask & STATX__RESERVED)
                   ? -EINVAL
                   : facts_of(a->arg[0], a->arg[1], flags, &facts);

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
    uint32_t kind = facts->mode & LINUX_S_IFMT;
    bool in_files =
        kind == LINUX_S_IFREG || kind == LINUX_S_IFDIR || kind == LINUX_S_IFLNK;
    bool writable = facts->dev == TREE_MOUNT_PROC && (facts->mode & 0222);

    if ((wanted & ACCESS_WRITE) && in_files && !writable) {
        return -EROFS;
    }
    return (wanted & ACCESS_EXECUTE) && !(facts->mode & 0111) ? -EACCES : 0;
}

static long access_at(uint64_t dir_fd, uint64_t user_path, uint32_t wanted,
                      uint32_t flags)
{
    struct facts facts;
    long ret = wanted & ~ACCESS_KNOWN || flags & ~ACCESS_FLAGS
                   ? -EINVAL
                   : facts_of(dir_fd, user_path, flags, &facts);

    return ret ? ret : check_access(&facts, wanted);
}

/**
 * stat_sys_access() - access(path, mode)
 *
 * @linux call access faccessat faccessat2
 * @test guest/programs/paths.c "access by mode"
 */
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

static long statfs_type(const struct facts *facts)
{
    switch (facts->dev) {
    case TREE_MOUNT_ROOT:
        return STATFS_ROOT;
    case TREE_MOUNT_DEV:
        return STATFS_DEV;
    case TREE_MOUNT_PROC:
        return STATFS_PROC;
    case TREE_MOUNT_SYS:
        return STATFS_SYS;
    default:
        break;
    }
    switch (facts->mode & LINUX_S_IFMT) {
    case LINUX_S_IFSOCK:
        return STATFS_SOCK;
    case LINUX_S_IFIFO:
        return STATFS_PIPE;
    case LINUX_S_IFCHR:
        return STATFS_DEV;
    default:
        return STATFS_ANON;
    }
}

/* The files of the bundle take what there is; the rest is made up. */
static long put_statfs(uint64_t user_statfs, const struct facts *facts)
{
    struct statfs fs = {
        .f_type = statfs_type(facts),
        .f_bsize = STAT_BLOCK,
        .f_frsize = STAT_BLOCK,
        .f_namelen = TREE_NAME_MAX,
        .f_flags = STATFS_VALID,
        .f_fsid.val = { (int)facts->dev, 0 },
    };
    uint64_t nodes, bytes;

    if (facts->dev == TREE_MOUNT_ROOT) {
        lib_lock();
        tree_size(&nodes, &bytes);
        lib_unlock();
        fs.f_blocks = (bytes + STAT_BLOCK - 1) / STAT_BLOCK;
        fs.f_files = nodes;
        fs.f_flags |= STATFS_RDONLY;
    }
    return copy_to_user(user_statfs, &fs, sizeof(fs));
}

/**
 * stat_sys_statfs() - statfs(path, buf)
 *
 * @linux call statfs fstatfs - the root is romfs, read-only and full
 * @test guest/programs/paths.c "statfs of /proc, pipes and sockets"
 * @test unit/libc-posix/test-files.c "/libc/files/statfs"
 */
long stat_sys_statfs(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_path(PATH_AT_FDCWD, a->arg[0], 0, &facts);

    return ret ? ret : put_statfs(a->arg[1], &facts);
}

/** stat_sys_fstatfs() - fstatfs(fd, buf) */
long stat_sys_fstatfs(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_fd(a->arg[0], &facts);

    return ret ? ret : put_statfs(a->arg[1], &facts);
}

/**
 * stat_sys_xattr() - getxattr(path), listxattr(path): there are none
 *
 * @linux call getxattr listxattr - EOPNOTSUPP
 * @test unit/libc-posix/test-files.c "/libc/files/attributes"
 */
long stat_sys_xattr(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_path(PATH_AT_FDCWD, a->arg[0], 0, &facts);

    return ret ? ret : -EOPNOTSUPP;
}

/**
 * stat_sys_lxattr() - lgetxattr(path), llistxattr(path)
 *
 * @linux call lgetxattr llistxattr - EOPNOTSUPP
 * @test unit/libc-posix/test-files.c "/libc/files/attributes"
 */
long stat_sys_lxattr(struct sys_args *a)
{
    struct facts facts;
    long ret =
        facts_of_path(PATH_AT_FDCWD, a->arg[0], PATH_AT_NOFOLLOW, &facts);

    return ret ? ret : -EOPNOTSUPP;
}

/**
 * stat_sys_fxattr() - fgetxattr(fd), flistxattr(fd)
 *
 * @linux call fgetxattr flistxattr - EOPNOTSUPP
 * @test unit/libc-posix/test-files.c "/libc/files/attributes"
 */
long stat_sys_fxattr(struct sys_args *a)
{
    struct facts facts;
    long ret = facts_of_fd(a->arg[0], &facts);

    return ret ? ret : -EOPNOTSUPP;
}
