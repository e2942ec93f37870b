/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inotify.c - tell programs what happens to files
 *
 * A watch is of a node of the tree and hears what happens to the node itself
 * and, if that is a directory, to the nodes right below it.  Whoever opens,
 * reads, writes, changes or closes a file says so by inotify_node().  All
 * watches hang in one table by node, so that a file that nobody watches costs a
 * look into a bucket, and nothing at all while there is no watch.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/inotify.h"
#include "guest-libc/posix/path.h"

#define INOTIFY_BUCKETS       64u
/* As fs/inotify of Linux' /proc/sys begins. */
#define INOTIFY_INSTANCES_MAX 128u
#define INOTIFY_WATCHES_MAX   8192u
#define INOTIFY_QUEUED_MAX    16384u

/* What <sys/inotify.h> gives as enumerators, and the kernel's own bits. */
#define INOTIFY_EVENTS        ((uint32_t)IN_ALL_EVENTS)
#define INOTIFY_MASK_CREATE   0x10000000u
#define INOTIFY_TAKEN                                                          \
    (INOTIFY_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR |   \
     IN_DONT_FOLLOW | IN_EXCL_UNLINK | INOTIFY_MASK_CREATE | IN_MASK_ADD |     \
     IN_ISDIR | (uint32_t)IN_ONESHOT)
/* What stays of the mask of a watch. */
#define INOTIFY_KEPT (INOTIFY_EVENTS | IN_EXCL_UNLINK | (uint32_t)IN_ONESHOT)

struct told { /* an event that waits to be read */
    struct list node;
    int32_t wd;
    uint32_t events;
    uint32_t name_bytes; /* with at least one NUL, to a multiple; or 0 */
    char name[];
};

struct inotify {
    struct file file;
    struct list watches;
    struct list queue; /* of struct told */
    uint32_t queued;
    int32_t last_wd;
    /* Stands for all that found no room; it needs none itself. */
    struct told overflow;
};

struct inode_watch {
    struct list node;              /* of its instance */
    struct inode_watch *hash_next; /* in the same bucket */
    struct inotify *owner;
    const struct tree_node *on;
    int32_t wd;
    uint32_t mask;
};

uint32_t inotify_watches;
static uint32_t inotify_instances;
static struct inode_watch *buckets[INOTIFY_BUCKETS] BULKY;

static struct inotify *inotify_of(struct file *file)
{
    return list_entry(file, struct inotify, file);
}

static struct inode_watch **bucket_of(const struct tree_node *node)
{
    return &buckets[tree_number(node) % INOTIFY_BUCKETS];
}

static struct told *first_of(struct inotify *i)
{
    return list_entry(i->queue.next, struct told, node);
}

static bool is_same(const struct told *t, int32_t wd, uint32_t events,
                    const char *name, size_t len)
{
    return t->wd == wd && t->events == events && !(events & IN_IGNORED) &&
           !t->name_bytes == !len && !strncmp(t->name, name, len) &&
           (!len || !t->name[len]);
}

/* The new event, or NULL: no room for it. */
static struct told *told_new(int32_t wd, uint32_t events, const char *name,
                             size_t len)
{
    size_t step = sizeof(struct inotify_event);
    size_t room = len ? (len + step) / step * step : 0;
    struct told *t = heap_zalloc(sizeof(*t) + room);

    if (t) {
        t->wd = wd;
        t->events = events;
        t->name_bytes = room;
        memcpy(t->name, name, len);
    }
    return t;
}

/* Queue an event, unless the newest one says the same. */
static void tell(struct inotify *i, int32_t wd, uint32_t events,
                 const char *name, size_t len)
{
    struct told *t = NULL;

    if (i->queued && is_same(list_entry(i->queue.prev, struct told, node), wd,
                             events, name, len)) {
        return;
    }
    if (i->queued < INOTIFY_QUEUED_MAX) {
        t = told_new(wd, events, name, len);
    }
    if (!t) {
        t = &i->overflow;
        if (t->events) {
            return; /* it waits already */
        }
        t->wd = -1;
        t->events = IN_Q_OVERFLOW;
    }
    list_append(&i->queue, &t->node);
    i->queued++;
    file_wake(&i->file, EPOLLIN | EPOLLRDNORM);
}

/* Take an event off the queue. */
static void told_drop(struct inotify *i, struct told *t)
{
    list_remove(&t->node);
    i->queued--;
    if (t == &i->overflow) {
        t->events = 0;
    } else {
        heap_free(t);
    }
}

static void watch_free(struct inode_watch *w)
{
    struct inode_watch **at = bucket_of(w->on);

    while (*at != w) {
        at = &(*at)->hash_next;
    }
    *at = w->hash_next;
    list_remove(&w->node);
    heap_free(w);
    inotify_watches--;
}

static void watch_end(struct inode_watch *w)
{
    struct inotify *owner = w->owner;
    int32_t wd = w->wd;

    watch_free(w);
    tell(owner, wd, IN_IGNORED, "", 0);
}

/* Tell those who watch @on; what happened to a child bears its name. */
static void tell_watches(const struct tree_node *on, uint32_t events,
                         const char *name, size_t len)
{
    struct inode_watch *w = *bucket_of(on), *next;

    for (; w; w = next) {
        next = w->hash_next;
        if (w->on != on || !(w->mask & events & INOTIFY_EVENTS)) {
            continue;
        }
        tell(w->owner, w->wd, events, name, len);
        if (w->mask & (uint32_t)IN_ONESHOT) {
            watch_end(w);
        }
    }
}

/**
 * inotify_node() - something happened to a file or directory
 * @node: of the tree
 * @events: one of IN_*
 *
 * The directory hears of it first, as with Linux; that of a mount's root is on
 * another file system and hears nothing.
 *
 * Context: lock held.
 */
void inotify_node(const struct tree_node *node, uint32_t events)
{
    const struct tree_node *dir = node->parent;

    if (!inotify_watches) {
        return;
    }
    if (node->kind == TREE_DIRECTORY) {
        events |= IN_ISDIR;
    }
    if (dir != node && tree_mount(dir) == tree_mount(node)) {
        tell_watches(dir, events, node->name, node->name_len);
    }
    tell_watches(node, events, "", 0);
}

/**
 * inotify_opened() - a file of the tree was opened, and has a number
 * @file: of the tree; one of O_PATH is only a name, which nobody hears of
 *
 * Context: lock held.
 */
void inotify_opened(struct file *file)
{
    if (!(file->flags & LINUX_O_PATH)) {
        tree_file_of(file)->opened = true;
        inotify_file(file, IN_OPEN);
    }
}

/**
 * inotify_closed() - the last reference to a file is gone
 * @file: any
 *
 * Context: lock held.
 */
void inotify_closed(struct file *file)
{
    if (file->ops->in_tree && tree_file_of(file)->opened) {
        inotify_file(file, (file->flags & O_ACCMODE) == O_RDONLY
                               ? IN_CLOSE_NOWRITE
                               : IN_CLOSE_WRITE);
    }
}

static uint32_t inotify_events(struct file *file)
{
    return inotify_of(file)->queued ? EPOLLIN | EPOLLRDNORM : 0;
}

/* An event that cannot be stored is lost: it is off the queue by then. */
static long read_one(struct inotify *i, struct uio *uio)
{
    struct told *t = first_of(i);
    struct inotify_event head = {
        .wd = t->wd,
        .mask = t->events,
        .len = t->name_bytes,
    };
    long ret = sizeof(head) + t->name_bytes;

    if (uio->left_bytes < (uint64_t)ret) {
        return -EINVAL;
    }
    if (uio_copy_out(uio, &head, sizeof(head)) ||
        uio_copy_out(uio, t->name, t->name_bytes)) {
        ret = -EFAULT;
    }
    told_drop(i, t);
    return ret;
}

static long inotify_read(struct file *file, struct uio *uio)
{
    struct inotify *i = inotify_of(file);
    long done = 0, ret;

    while (i->queued) {
        ret = read_one(i, uio);
        if (ret < 0) {
            return done && ret != -EFAULT ? done : ret;
        }
        done += ret;
    }
    return done ? done : -EAGAIN;
}

/* It has a place, which never moves. */
static long inotify_seek(struct file *file, int64_t offset, uint32_t whence)
{
    (void)file;
    (void)offset;
    (void)whence;
    return 0;
}

static long inotify_ioctl(struct file *file, uint64_t request,
                          uint64_t user_arg)
{
    struct inotify *i = inotify_of(file);
    struct list *node;
    uint32_t bytes = 0;

    if (request != LINUX_FIONREAD) {
        return -ENOTTY;
    }
    list_for_each (node, &i->queue) {
        bytes += sizeof(struct inotify_event) +
                 list_entry(node, struct told, node)->name_bytes;
    }
    return copy_to_user(user_arg, &bytes, sizeof(bytes));
}

static void inotify_release(struct file *file)
{
    struct inotify *i = inotify_of(file);

    while (!list_empty(&i->watches)) {
        watch_free(list_entry(i->watches.next, struct inode_watch, node));
    }
    while (i->queued) {
        told_drop(i, first_of(i));
    }
    heap_free(i);
    inotify_instances--;
}

static const struct file_ops inotify_ops = {
    .name = "inotify",
    .mode = 0600,
    .events = inotify_events,
    .read = inotify_read,
    .seek = inotify_seek,
    .release = inotify_release,
    .ioctl = inotify_ioctl,
};

static long inotify_new(uint32_t flags)
{
    struct inotify *i;

    if (inotify_instances == INOTIFY_INSTANCES_MAX) {
        return -EMFILE;
    }
    i = heap_zalloc(sizeof(*i));
    if (i) {
        file_init(&i->file, &inotify_ops, O_RDONLY | (flags & IN_NONBLOCK));
        list_init(&i->watches);
        list_init(&i->queue);
        inotify_instances++;
    }
    return fd_open(i ? &i->file : NULL, flags);
}

/**
 * inotify_sys_init() - inotify_init()
 *
 * @linux call inotify_init inotify_init1 - the limits of /proc/sys/fs/inotify
 *             are Linux' own and cannot be changed
 * @test guest/programs/inotify.c "a new one: flags and name"
 */
long inotify_sys_init(struct sys_args *a)
{
    long ret;

    (void)a;
    lib_lock();
    ret = inotify_new(0);
    lib_unlock();
    return ret;
}

/** inotify_sys_init1() - inotify_init1(flags) */
long inotify_sys_init1(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[0];
    long ret;

    if (flags & ~(uint32_t)(IN_CLOEXEC | IN_NONBLOCK)) {
        return -EINVAL;
    }
    lib_lock();
    ret = inotify_new(flags);
    lib_unlock();
    return ret;
}

static struct inode_watch *watch_on(struct inotify *i,
                                    const struct tree_node *node)
{
    struct inode_watch *w = *bucket_of(node);

    while (w && (w->on != node || w->owner != i)) {
        w = w->hash_next;
    }
    return w;
}

/* The watch descriptor, or -errno. */
static long watch_new(struct inotify *i, const struct tree_node *node,
                      uint32_t mask)
{
    struct inode_watch *w;

    if (inotify_watches == INOTIFY_WATCHES_MAX) {
        return -ENOSPC;
    }
    w = heap_zalloc(sizeof(*w));
    if (!w) {
        return -ENOMEM;
    }
    w->owner = i;
    w->on = node;
    w->wd = ++i->last_wd;
    w->mask = mask & INOTIFY_KEPT;
    w->hash_next = *bucket_of(node);
    *bucket_of(node) = w;
    list_append(&i->watches, &w->node);
    inotify_watches++;
    return w->wd;
}

static long watch_add(struct inotify *i, const struct tree_node *node,
                      uint32_t mask)
{
    struct inode_watch *w = watch_on(i, node);

    if (!w) {
        return watch_new(i, node, mask);
    }
    if (mask & INOTIFY_MASK_CREATE) {
        return -EEXIST;
    }
    w->mask = (mask & IN_MASK_ADD ? w->mask : 0) | (mask & INOTIFY_KEPT);
    return w->wd;
}

/* The instance behind a number, with a reference: 0, -EBADF, -EINVAL. */
static long hold_instance(uint64_t fd, bool good, struct file **ret_file)
{
    struct file *file;
    long ret;

    lib_lock();
    file = fd_file(fd);
    ret = !file ? -EBADF : good && file->ops == &inotify_ops ? 0 : -EINVAL;
    if (!ret) {
        *ret_file = file_hold(file);
    }
    lib_unlock();
    return ret;
}

/**
 * inotify_sys_add_watch() - inotify_add_watch(fd, path, mask)
 *
 * @linux call inotify_add_watch - only devices, /proc and what the library
 *             itself renews can change: the rest is opened, read and closed
 * @test guest/programs/inotify.c "what cannot be watched, or how"
 * @test guest/programs/inotify.c "a file is opened, read and closed"
 * @test guest/programs/inotify.c "a directory hears of what is in it"
 * @test unit/libc-posix/test-files.c "/libc/files/inotify-of-what-is-renewed"
 */
long inotify_sys_add_watch(struct sys_args *a)
{
    const uint32_t both = IN_MASK_ADD | INOTIFY_MASK_CREATE;
    uint32_t mask = (uint32_t)a->arg[2];
    const struct tree_node *node;
    struct file *file;
    long ret;

    if ((mask & ~INOTIFY_TAKEN) || !mask) {
        return -EINVAL;
    }
    ret = hold_instance(a->arg[0], (mask & both) != both, &file);
    if (ret) {
        return ret;
    }
    ret = path_look(PATH_AT_FDCWD, a->arg[1],
                    mask & IN_DONT_FOLLOW ? PATH_AT_NOFOLLOW : 0, &node);
    if (!ret && (mask & IN_ONLYDIR) && node->kind != TREE_DIRECTORY) {
        ret = -ENOTDIR;
    }
    lib_lock();
    if (!ret) {
        ret = watch_add(inotify_of(file), node, mask);
    }
    file_release(file);
    lib_unlock();
    return ret;
}

static long watch_remove(struct inotify *i, int32_t wd)
{
    struct list *node;

    list_for_each (node, &i->watches) {
        struct inode_watch *w = list_entry(node, struct inode_watch, node);

        if (w->wd == wd) {
            watch_end(w);
            return 0;
        }
    }
    return -EINVAL;
}

/**
 * inotify_sys_rm_watch() - inotify_rm_watch(fd, wd)
 *
 * @linux call inotify_rm_watch
 * @test guest/programs/inotify.c "a watch ends: IN_IGNORED"
 */
long inotify_sys_rm_watch(struct sys_args *a)
{
    struct file *file;
    long ret = hold_instance(a->arg[0], true, &file);

    if (ret) {
        return ret;
    }
    lib_lock();
    ret = watch_remove(inotify_of(file), (int32_t)a->arg[1]);
    file_release(file);
    lib_unlock();
    return ret;
}
