/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * locks.c - locks on files: of fcntl() and flock()
 *
 * Theory of operation.  There is one process, so that its own locks (F_SETLK)
 * never stand in its way; those that belong to an open file (F_OFD_SETLK,
 * flock) may.  All are in one list, which is empty but for programs that lock.
 * A lock is of an inode: a node of the tree, or what is open if that has none.
 * Locks of flock() and of fcntl() do not know of each other, as in Linux.
 *
 * Who waits looks again whenever a lock goes.
 */
#include <string.h>
#include <sys/file.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/locks.h"
#include "guest-libc/posix/tree-file.h"

#define LOCKS_OFD_GETLK  36u
#define LOCKS_OFD_SETLK  37u
#define LOCKS_OFD_SETLKW 38u
#define LOCKS_END        INT64_MAX /* up to the end, wherever that is */

struct lock {
    struct list node;
    uint64_t inode;
    struct file *owner; /* NULL: the process */
    int64_t start, end; /* inclusive; flock: all of it */
    bool is_flock, is_write;
};

struct user_lock { /* struct flock */
    int16_t type, whence;
    int32_t pad;
    int64_t start, len;
    int32_t pid, pad2;
};

static struct list locks = LIST_INIT(locks);
static uint32_t locks_word; /* changes when a lock goes */
static uint32_t locks_waiters;

static uint64_t inode_of(struct file *file)
{
    const struct tree_node *node = tree_file_node(file);

    return node ? (uint64_t)(uintptr_t)node : file->number;
}

static void tell(void)
{
    net_wake(&locks_word, locks_waiters);
}

static void lock_free(struct lock *l)
{
    list_remove(&l->node);
    heap_free(l);
    tell();
}

/* The first lock, by its place, that stands in the way of @want, or NULL. */
static struct lock *find_conflict(const struct lock *want)
{
    struct lock *l, *first = NULL;
    struct list *node;

    list_for_each (node, &locks) {
        l = list_entry(node, struct lock, node);
        if (l->inode == want->inode && l->is_flock == want->is_flock &&
            l->owner != want->owner && l->start <= want->end &&
            want->start <= l->end && (l->is_write || want->is_write) &&
            (!first || l->start < first->start)) {
            first = l;
        }
    }
    return first;
}

static bool is_same(const struct lock *l, const struct lock *want)
{
    return l->inode == want->inode && l->owner == want->owner &&
           l->is_flock == want->is_flock;
}

/* Take [want->start, want->end] out of @l; @spare is for what lies behind. */
static bool cut(struct lock *l, const struct lock *want, struct lock *spare)
{
    bool split = l->start < want->start && l->end > want->end;

    if (split) {
        *spare = *l;
        spare->start = want->end + 1;
        list_append(&locks, &spare->node);
    }
    if (l->start < want->start) {
        l->end = want->start - 1;
        tell();
    } else if (l->end > want->end) {
        l->start = want->end + 1;
        tell();
    } else {
        lock_free(l);
    }
    return split;
}

/* Do they touch or overlap, and is one like the other? */
static bool joins(const struct lock *l, const struct lock *other)
{
    return is_same(l, other) && l->is_write == other->is_write &&
           (other->end == LOCKS_END || l->start <= other->end + 1) &&
           (l->end == LOCKS_END || other->start <= l->end + 1);
}

/* Grow @l by its like neighbours. */
static void join(struct lock *l)
{
    struct list *node, *next;
    struct lock *other;

    for (node = locks.next; node != &locks; node = next) {
        next = node->next;
        other = list_entry(node, struct lock, node);
        if (other != l && joins(l, other)) {
            l->start = other->start < l->start ? other->start : l->start;
            l->end = other->end > l->end ? other->end : l->end;
            list_remove(&other->node);
            heap_free(other);
        }
    }
}

/* Put @want in the place of what its owner has there; or only remove that. */
static long change(const struct lock *want, bool remove)
{
    struct lock *spare = heap_zalloc(sizeof(*spare));
    struct lock *fresh = remove ? NULL : heap_zalloc(sizeof(*fresh));
    struct list *node, *next;
    struct lock *l;

    if (!spare || (!remove && !fresh)) {
        heap_free(spare);
        heap_free(fresh);
        return -ENOLCK;
    }
    for (node = locks.next; node != &locks; node = next) {
        next = node->next;
        l = list_entry(node, struct lock, node);
        if (is_same(l, want) && l->start <= want->end &&
            want->start <= l->end && cut(l, want, spare)) {
            spare = NULL;
            break;
        }
    }
    if (fresh) {
        *fresh = *want;
        list_append(&locks, &fresh->node);
        join(fresh);
    }
    if (spare) {
        heap_free(spare);
    }
    return 0;
}

/* Until nothing stands in the way: 0, -EINTR as LIB_RESTART, or -EBADF. */
static long wait_free(uint32_t fd, struct file *file, const struct lock *want)
{
    long ret = 0;

    file_hold(file);
    locks_waiters++;
    while (!ret && find_conflict(want)) {
        if (net_sleep(&locks_word, locks_word, SYS_FOREVER) == -EINTR) {
            ret = LIB_RESTART;
        } else if (fd_file(fd) != file) {
            ret = -EBADF; /* closed meanwhile, so that nobody could unlock */
        }
    }
    locks_waiters--;
    file_release(file);
    return ret;
}

/* The range that the program means: 0, -EINVAL, -EOVERFLOW. */
static long parse_range(struct file *file, const struct user_lock *u,
                        struct lock *l)
{
    const struct tree_node *node = tree_file_node(file);
    int64_t base = 0;

    if (u->whence == SEEK_CUR) {
        base = tree_file_position(file);
    } else if (u->whence == SEEK_END) {
        base = node ? (int64_t)node->len_bytes : 0;
    } else if (u->whence != SEEK_SET) {
        return -EINVAL;
    }
    if (__builtin_add_overflow(base, u->start, &l->start)) {
        return -EOVERFLOW;
    }
    if (l->start < 0) {
        return -EINVAL;
    }
    l->end = LOCKS_END;
    if (u->len > 0 && __builtin_add_overflow(l->start, u->len - 1, &l->end)) {
        return -EOVERFLOW;
    }
    if (u->len < 0) {
        l->end = l->start - 1;
        l->start += u->len;
    }
    return l->start < 0 ? -EINVAL : 0;
}

static long get_lock(const struct lock *want, struct user_lock *u)
{
    const struct lock *l = find_conflict(want);
    struct process_report process;

    report_process(&process);
    if (!l) {
        u->type = F_UNLCK;
        return 0;
    }
    u->type = l->is_write ? F_WRLCK : F_RDLCK;
    u->whence = SEEK_SET;
    u->start = l->start;
    u->len = l->end == LOCKS_END ? 0 : l->end - l->start + 1;
    u->pid = l->owner ? -1 : process.pid;
    return 0;
}

static bool may_lock(const struct file *file, int16_t type)
{
    uint32_t how = file->flags & O_ACCMODE;

    return type == F_UNLCK ||
           (type == F_RDLCK ? how != O_WRONLY : how != O_RDONLY);
}

/**
 * locks_is_command() - is it about locks?
 * @command: of fcntl()
 *
 * Return: whether locks_fcntl() serves it.
 */
bool locks_is_command(uint32_t command)
{
    return command == F_GETLK || command == F_SETLK || command == F_SETLKW ||
           (command >= LOCKS_OFD_GETLK && command <= LOCKS_OFD_SETLKW);
}

static long serve(uint32_t fd, uint32_t command, struct user_lock *u)
{
    bool ofd = command >= LOCKS_OFD_GETLK;
    bool get = command == F_GETLK || command == LOCKS_OFD_GETLK;
    bool wait = command == F_SETLKW || command == LOCKS_OFD_SETLKW;
    struct file *file = fd_file(fd);
    struct lock want = {
        .inode = inode_of(file),
        .owner = ofd ? file : NULL,
        .is_write = u->type == F_WRLCK,
    };
    long ret;

    if (u->type != F_RDLCK && u->type != F_WRLCK &&
        (get || u->type != F_UNLCK)) {
        return -EINVAL;
    }
    ret = parse_range(file, u, &want);
    if (ret) {
        return ret;
    }
    if (ofd && u->pid) {
        return -EINVAL;
    }
    if (get) {
        return get_lock(&want, u);
    }
    if (!may_lock(file, u->type)) {
        return -EBADF;
    }
    if (u->type != F_UNLCK && find_conflict(&want)) {
        ret = wait ? wait_free(fd, file, &want) : -EAGAIN;
    }
    return ret ? ret : change(&want, u->type == F_UNLCK);
}

/**
 * locks_fcntl() - the commands of fcntl() about locks
 * @fd: an open number
 * @command: as locks_is_command() takes
 * @user_lock: struct flock of the program
 *
 * @linux fcntl F_GETLK F_SETLK F_SETLKW
 * @test guest/programs/file-locks.c "ranges that are no ranges"
 * @test guest/programs/file-locks.c "the process's locks are not in its way"
 *
 * Return: 0, -EAGAIN, -EBADF, -EINVAL, -EOVERFLOW, -EFAULT, -ENOLCK,
 *         LIB_RESTART.
 * Context: lock held; let go while it waits.
 */
long locks_fcntl(uint32_t fd, uint32_t command, uint64_t user_lock)
{
    bool get = command == F_GETLK || command == LOCKS_OFD_GETLK;
    struct user_lock u;
    long ret;

    if (copy_from_user(&u, user_lock, sizeof(u))) {
        return -EFAULT;
    }
    /* @linux fcntl F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW
     * @test guest/programs/file-locks.c "locks of open files meet"
     * @test guest/programs/file-locks.c "who waits for a lock gets it" */
    ret = serve(fd, command, &u);
    if (!ret && get && copy_to_user(user_lock, &u, sizeof(u))) {
        ret = -EFAULT;
    }
    return ret;
}

static void drop(uint64_t inode, const struct file *owner)
{
    struct list *node, *next;
    struct lock *l;

    for (node = locks.next; node != &locks; node = next) {
        next = node->next;
        l = list_entry(node, struct lock, node);
        if (l->owner == owner && l->inode == inode) {
            lock_free(l);
        }
    }
}

/**
 * locks_closed() - a descriptor was closed
 * @file: what it was of
 *
 * Any of a file's descriptors takes the process's locks on it along.
 *
 * Context: lock held.
 */
void locks_closed(struct file *file)
{
    if (!list_empty(&locks)) {
        drop(inode_of(file), NULL);
    }
}

/**
 * locks_released() - an open file ends
 * @file: its locks go
 *
 * Context: lock held.
 */
void locks_released(struct file *file)
{
    if (!list_empty(&locks)) {
        drop(inode_of(file), file);
    }
}

static long flock_locked(uint32_t fd, uint32_t how)
{
    struct file *file = fd_file(fd);
    struct lock want = {
        .end = LOCKS_END,
        .owner = file,
        .is_flock = true,
        .is_write = (how & ~(uint32_t)LOCK_NB) == LOCK_EX,
    };
    long ret;

    switch (how & ~(uint32_t)LOCK_NB) {
    case LOCK_SH:
    case LOCK_EX:
    case LOCK_UN:
        break;
    default:
        return -EINVAL;
    }
    if (!file) {
        return -EBADF;
    }
    want.inode = inode_of(file);
    if (!find_conflict(&want) || (how & LOCK_UN)) {
        return change(&want, how & LOCK_UN);
    }
    /* A lock that is to become another one is lost first. */
    ret = change(&want, true);
    if (!ret) {
        ret = how & LOCK_NB ? -EAGAIN : wait_free(fd, file, &want);
    }
    return ret ? ret : change(&want, false);
}

/**
 * locks_sys_flock() - flock(fd, operation)
 *
 * @linux call flock
 * @test guest/programs/file-locks.c "flock: shared and exclusive"
 * @test guest/programs/file-locks.c "flock: who waits gets it"
 */
long locks_sys_flock(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = flock_locked((uint32_t)a->arg[0], (uint32_t)a->arg[1]);
    lib_unlock();
    return ret;
}
