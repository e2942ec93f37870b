/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * directory.c - open directories
 *
 * A directory's position is where getdents64() goes on: 0 and 1 for "." and
 * "..", 2 for its first child, then DIR_BEGIN and the number of the child that
 * comes next, which stays right when a file is added meanwhile.
 */
#include <string.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/inotify.h"
#include "guest-libc/posix/tree-file.h"

#define DIR_BEGIN 2u
#define DIR_END   INT64_MAX

/* What getdents64() writes, before the name. */
struct dirent_head {
    uint64_t number;
    int64_t next;
    uint16_t len_bytes;
    uint8_t type;
} __attribute__((packed));

#define DIRENT_MAX 280u /* head, name and NUL, to a multiple of 8 */
_Static_assert(sizeof(struct dirent_head) + TREE_NAME_MAX + 1 <= DIRENT_MAX,
               "the longest name fits");

static long directory_read(struct file *file, struct uio *uio)
{
    (void)file;
    (void)uio;
    return -EISDIR;
}

/* To a place that getdents64() has told, or the beginning. */
static long directory_seek(struct file *file, int64_t offset, uint32_t whence)
{
    struct tree_file *t = tree_file_of(file);

    if (whence == SEEK_CUR) {
        offset += t->position;
    } else if (whence != SEEK_SET) {
        return -EINVAL;
    }
    if (offset < 0) {
        return -EINVAL;
    }
    t->position = offset;
    return offset;
}

/* A directory that makes its children counts them by itself. */
static const struct tree_node *made_child_at(const struct tree_node *dir,
                                             uint64_t position,
                                             uint64_t *ret_next)
{
    const struct tree_maker *maker = dir->data;
    const struct tree_node *child;
    uint64_t at = position - DIR_BEGIN;

    child = position == DIR_END ? NULL : maker->next(dir, &at);
    *ret_next = DIR_BEGIN + at;
    return child;
}

/* The child that comes at a position, NULL at the end. */
static const struct tree_node *child_at(const struct tree_node *dir,
                                        uint64_t position)
{
    const struct tree_node *child;

    if (position == DIR_BEGIN) {
        return dir->child;
    }
    child = position == DIR_END ? NULL : tree_numbered(position - DIR_BEGIN);
    return child && child->parent == dir && child != dir ? child : NULL;
}

struct listed { /* one entry of a directory */
    const struct tree_node *node;
    const char *name;
    size_t name_len;
    uint64_t next; /* position */
};

static bool list_at(const struct tree_file *t, struct listed *ret_listed)
{
    const struct tree_node *dir = t->node, *child;
    uint64_t next;

    if (t->position < DIR_BEGIN) {
        *ret_listed = (struct listed){
            .node = t->position ? dir->parent : dir,
            .name = "..",
            .name_len = t->position + 1,
            .next = t->position + 1,
        };
        return true;
    }
    if (dir->data) {
        child = made_child_at(dir, t->position, &next);
    } else {
        child = child_at(dir, t->position);
        next = child && child->sibling ? DIR_BEGIN + tree_number(child->sibling)
                                       : DIR_END;
    }
    if (!child) {
        return false;
    }
    *ret_listed = (struct listed){
        .node = child,
        .name = child->name,
        .name_len = child->name_len,
        .next = next,
    };
    return true;
}

/*
 * Write an entry.  The @old form has the name where the new one has the type,
 * and the type in the last byte.
 * Return: bytes written, or -EINVAL (too little room), -EFAULT.
 */
static long put_dirent(const struct listed *l, bool old, uint64_t user_buf,
                       size_t room)
{
    struct dirent_head head = {
        .number = tree_number(l->node),
        .next = l->next,
        .type = tree_mode(l->node) >> 12, /* DT_* are S_IF* shifted */
    };
    size_t name_at = old ? offsetof(struct dirent_head, type) : sizeof(head);
    size_t used = sizeof(head) + l->name_len + 1;
    uint8_t entry[DIRENT_MAX] = { 0 };

    head.len_bytes = (used + 7) & ~(size_t)7;
    if (head.len_bytes > room) {
        return -EINVAL;
    }
    memcpy(entry, &head, name_at);
    memcpy(entry + name_at, l->name, l->name_len);
    if (old) {
        entry[head.len_bytes - 1] = head.type;
    }
    return copy_to_user(user_buf, entry, head.len_bytes) ? -EFAULT
                                                         : head.len_bytes;
}

static long getdents_locked(struct file *file, bool old, uint64_t user_buf,
                            size_t room)
{
    struct tree_file *t;
    struct listed listed;
    long done = 0, ret;

    if (!file) {
        return -EBADF;
    }
    if (!tree_file_node(file) || tree_file_node(file)->kind != TREE_DIRECTORY) {
        return -ENOTDIR;
    }
    t = tree_file_of(file);
    inotify_file(file, IN_ACCESS);
    while (list_at(t, &listed)) {
        ret = put_dirent(&listed, old, user_buf + done, room - done);
        if (ret < 0) {
            return done ? done : ret;
        }
        done += ret;
        t->position = listed.next;
    }
    return done;
}

static long getdents(const struct sys_args *a, bool old)
{
    long ret;

    lib_lock();
    ret = getdents_locked(fd_file(a->arg[0]), old, a->arg[1],
                          (uint32_t)a->arg[2]);
    lib_unlock();
    return ret;
}

/**
 * tree_sys_getdents64() - getdents64(fd, buf, bytes)
 *
 * @linux call getdents64 getdents
 * @test guest/programs/paths.c "getdents lists what getdents64 lists"
 * @test guest/programs/paths.c "telldir and seekdir"
 */
long tree_sys_getdents64(struct sys_args *a)
{
    return getdents(a, false);
}

/** tree_sys_getdents() - getdents(fd, buf, bytes), the older form */
long tree_sys_getdents(struct sys_args *a)
{
    return getdents(a, true);
}

const struct file_ops directory_ops = {
    .name = "directory",
    .mode = LINUX_S_IFDIR | 0555,
    .in_tree = true,
    .events = tree_file_events,
    .read = directory_read,
    .seek = directory_seek,
    .release = tree_file_release,
};
