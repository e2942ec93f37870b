/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * epoll.c - epoll files
 *
 * Theory of operation.  A watch joins an epoll file and a watched (file, fd)
 * pair.  When an event that a watch asks for may have come true, the watch is
 * queued on its epoll file's ready list; epoll_wait() takes watches from that
 * list and looks at their files again, so a watch that is queued in vain costs
 * a look and is never reported.
 *  - level-triggered: a watch that was reported is queued again at once, so the
 *    next epoll_wait() looks again;
 *  - edge-triggered: it is queued again only by the next event;
 *  - one-shot: after a report it asks for nothing until EPOLL_CTL_MOD.
 *
 * An epoll file may watch another one; a circle, or more than EPOLL_NEST_MAX
 * of them around the innermost, is refused (ELOOP).
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"

#define EPOLL_NEST_MAX   4
#define EPOLL_PRIVATE    (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)
#define EPOLL_ALWAYS     (EPOLLERR | EPOLLHUP)
#define EPOLL_MAX_EVENTS (INT32_MAX / 12)
#define DEVICE_RANDOM    (1u << 8 | 8u) /* /dev/random */

/* The program's, as the kernel lays it out: packed. */
struct epoll_user_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct epoll_user_event) == 12, "size");

struct epoll {
    struct file file;
    struct list watches; /* of epoll_node */
    struct list ready;   /* of ready_node */
};

struct watch {
    struct epoll *epoll;
    struct file *file; /* not a reference: see epoll_forget() */
    uint32_t fd;
    uint32_t events; /* asked for; 0 but for flags: disarmed */
    uint64_t data;
    struct list file_node; /* on file->watches */
    struct list epoll_node;
    struct list ready_node; /* a ring of its own when not queued */
};

static const struct file_ops epoll_ops;

static struct epoll *epoll_of(struct file *file)
{
    return file && file->ops == &epoll_ops
               ? list_entry(file, struct epoll, file)
               : NULL;
}

static bool watch_armed(const struct watch *w)
{
    return w->events & ~EPOLL_PRIVATE;
}

static void watch_queue(struct watch *w)
{
    if (list_empty(&w->ready_node)) {
        list_append(&w->epoll->ready, &w->ready_node);
    }
}

/* One thread is enough for one event; files that watch us hear of it too. */
static void epoll_wake(struct epoll *ep)
{
    wait_wake(&ep->file, EPOLLIN, false);
    wait_wake_any(EPOLLIN);
    if (!list_empty(&ep->file.watches)) {
        epoll_notify(&ep->file, EPOLLIN);
    }
}

/**
 * epoll_notify() - queue the watches of a file
 * @file: the file
 * @events: what came true
 *
 * Context: lock held.
 */
void epoll_notify(struct file *file, uint32_t events)
{
    struct list *node;

    list_for_each (node, &file->watches) {
        struct watch *w = list_entry(node, struct watch, file_node);

        if (watch_armed(w) && ((w->events | EPOLL_ALWAYS) & events)) {
            watch_queue(w);
            epoll_wake(w->epoll);
        }
    }
}

static void watch_free(struct watch *w)
{
    list_remove(&w->file_node);
    list_remove(&w->epoll_node);
    list_remove(&w->ready_node);
    heap_free(w);
}

/**
 * epoll_forget() - a file ends: nobody watches it any more
 * @file: the file
 *
 * Context: lock held.
 */
void epoll_forget(struct file *file)
{
    while (!list_empty(&file->watches)) {
        watch_free(list_entry(file->watches.next, struct watch, file_node));
    }
}

static void epoll_release(struct file *file)
{
    struct epoll *ep = epoll_of(file);

    while (!list_empty(&ep->watches)) {
        watch_free(list_entry(ep->watches.next, struct watch, epoll_node));
    }
    heap_free(ep);
}

static uint32_t watch_events(const struct watch *w)
{
    if (!watch_armed(w)) {
        return 0;
    }
    return w->file->ops->events(w->file) & (w->events | EPOLL_ALWAYS);
}

/* Readable if a watch really has something; the others leave the list. */
static uint32_t epoll_events(struct file *file)
{
    struct epoll *ep = epoll_of(file);

    while (!list_empty(&ep->ready)) {
        struct watch *w = list_entry(ep->ready.next, struct watch, ready_node);

        if (watch_events(w)) {
            return EPOLLIN | EPOLLRDNORM;
        }
        list_remove(&w->ready_node);
    }
    return 0;
}

static const struct file_ops epoll_ops = {
    .name = "[eventpoll]",
    .mode = 0600,
    .events = epoll_events,
    .release = epoll_release,
};

static long epoll_make(uint32_t flags)
{
    struct epoll *ep;
    long ret;

    lib_lock();
    ep = heap_zalloc(sizeof(*ep));
    if (ep) {
        file_init(&ep->file, &epoll_ops, O_RDWR);
        list_init(&ep->watches);
        list_init(&ep->ready);
    }
    ret = fd_open(ep ? &ep->file : NULL, flags);
    lib_unlock();
    return ret;
}

/**
 * epoll_sys_create() - epoll_create(size)
 *
 * @linux call epoll_create epoll_create1
 * @test guest/programs/epolls.c "made with flags or a size"
 */
long epoll_sys_create(struct sys_args *a)
{
    return (int32_t)a->arg[0] <= 0 ? -EINVAL : epoll_make(0);
}

/** epoll_sys_create1() - epoll_create1(flags) */
long epoll_sys_create1(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[0];

    return flags & ~EPOLL_CLOEXEC ? -EINVAL : epoll_make(flags);
}

/* -- control ------------------------------------------------------------------ */

static struct watch *watch_find(struct epoll *ep, struct file *file,
                                uint32_t fd)
{
    struct list *node;

    list_for_each (node, &file->watches) {
        struct watch *w = list_entry(node, struct watch, file_node);

        if (w->epoll == ep && w->fd == fd) {
            return w;
        }
    }
    return NULL;
}

/* How deep epoll files nest below @ep, or EPOLL_NEST_MAX + 1 if @stop is met. */
static int epoll_depth(struct epoll *ep, struct epoll *stop, int depth)
{
    int deepest = depth;
    struct list *node;

    if (ep == stop || depth > EPOLL_NEST_MAX) {
        return EPOLL_NEST_MAX + 1;
    }
    list_for_each (node, &ep->watches) {
        struct watch *w = list_entry(node, struct watch, epoll_node);
        struct epoll *inner = epoll_of(w->file);
        int below = inner ? epoll_depth(inner, stop, depth + 1) : depth;

        if (below > deepest) {
            deepest = below;
        }
    }
    return deepest;
}

/* How many epoll files lie around @ep; there is no circle. */
static int epoll_height(const struct epoll *ep)
{
    int highest = 0;
    struct list *node;

    list_for_each (node, &ep->file.watches) {
        struct watch *w = list_entry(node, struct watch, file_node);
        int above = 1 + epoll_height(w->epoll);

        if (above > highest) {
            highest = above;
        }
    }
    return highest;
}

static void watch_arm(struct watch *w, const struct epoll_user_event *event)
{
    w->events = event->events;
    w->data = event->data;
    if (watch_events(w)) {
        watch_queue(w);
        epoll_wake(w->epoll);
    }
}

static long watch_add(struct epoll *ep, struct file *file, uint32_t fd,
                      const struct epoll_user_event *event)
{
    struct epoll *inner = epoll_of(file);
    struct watch *w;

    if (inner &&
        epoll_height(ep) + epoll_depth(inner, ep, 1) > EPOLL_NEST_MAX) {
        return -ELOOP;
    }
    w = heap_zalloc(sizeof(*w));
    if (!w) {
        return -ENOMEM;
    }
    w->epoll = ep;
    w->file = file;
    w->fd = fd;
    list_append(&file->watches, &w->file_node);
    list_append(&ep->watches, &w->epoll_node);
    list_init(&w->ready_node);
    watch_arm(w, event);
    return 0;
}

/* Of the files of the tree one can be waited for; the others never block. */
static bool can_poll(const struct file *file)
{
    return file->ops->events &&
           (!file->ops->in_tree || file->ops->rdev == DEVICE_RANDOM);
}

/* One that is woken alone is so from the beginning, and is no epoll file. */
static bool exclusive_allowed(uint32_t op, struct file *file, uint32_t events)
{
    const uint32_t known = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP |
                           EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

    if (!(events & EPOLLEXCLUSIVE) || op == EPOLL_CTL_DEL) {
        return true;
    }
    return op != EPOLL_CTL_MOD &&
           (op != EPOLL_CTL_ADD || (!epoll_of(file) && !(events & ~known)));
}

static long ctl_locked(uint64_t epfd, uint32_t op, uint32_t fd,
                       const struct epoll_user_event *event)
{
    struct file *ep_file = fd_file(epfd), *file = fd_file(fd);
    struct epoll *ep = epoll_of(ep_file);
    struct watch *w;

    if (!ep_file || !file) {
        return -EBADF;
    }
    if (!can_poll(file)) {
        return -EPERM;
    }
    if (!ep || file == ep_file || !exclusive_allowed(op, file, event->events)) {
        return -EINVAL;
    }
    w = watch_find(ep, file, fd);
    switch (op) {
    case EPOLL_CTL_ADD:
        return w ? -EEXIST : watch_add(ep, file, fd, event);
    case EPOLL_CTL_MOD:
        if (!w) {
            return -ENOENT;
        }
        if (w->events & EPOLLEXCLUSIVE) {
            return -EINVAL;
        }
        watch_arm(w, event);
        return 0;
    case EPOLL_CTL_DEL:
        if (!w) {
            return -ENOENT;
        }
        watch_free(w);
        return 0;
    default:
        return -EINVAL;
    }
}

/**
 * epoll_sys_ctl() - epoll_ctl(epfd, op, fd, event)
 *
 * @linux call epoll_ctl - EPOLLEXCLUSIVE wakes all, EPOLLWAKEUP does nothing
 * @test guest/programs/epolls.c "no epoll for files: EPERM"
 * @test guest/programs/epolls.c "exclusive: not changed, not with all"
 */
long epoll_sys_ctl(struct sys_args *a)
{
    struct epoll_user_event event = { 0 };
    long ret;

    if ((uint32_t)a->arg[1] != EPOLL_CTL_DEL &&
        copy_from_user(&event, a->arg[3], sizeof(event))) {
        return -EFAULT;
    }
    lib_lock();
    ret =
        ctl_locked(a->arg[0], (uint32_t)a->arg[1], (uint32_t)a->arg[2], &event);
    lib_unlock();
    return ret;
}

/* -- waiting ------------------------------------------------------------------ */

/* Report ready watches: their number, or -EFAULT if not even one could be. */
static long epoll_collect(struct epoll *ep, uint64_t user_events, uint32_t max)
{
    /* Those queued again meanwhile come behind @last. */
    struct list *last = ep->ready.prev;
    uint32_t n = 0;

    while (n < max && !list_empty(&ep->ready)) {
        struct list *node = ep->ready.next;
        struct watch *w = list_entry(node, struct watch, ready_node);
        struct epoll_user_event event = {
            .events = watch_events(w),
            .data = w->data,
        };

        list_remove(node);
        if (event.events) {
            if (copy_to_user(user_events + n * sizeof(event), &event,
                             sizeof(event))) {
                watch_queue(w);
                return n ? (long)n : -EFAULT;
            }
            n++;
            if (w->events & EPOLLONESHOT) {
                w->events &= EPOLL_PRIVATE;
            } else if (!(w->events & EPOLLET)) {
                watch_queue(w);
            }
        }
        if (node == last) {
            break;
        }
    }
    return n;
}

static long wait_locked(uint64_t epfd, uint64_t user_events, uint32_t max,
                        uint64_t timeout_ns)
{
    struct file *file = fd_file(epfd);
    struct epoll *ep = epoll_of(file);
    uint64_t deadline = SYS_FOREVER;
    long ret;

    if (!file) {
        return -EBADF;
    }
    if (!ep || !max || max > EPOLL_MAX_EVENTS) {
        return -EINVAL;
    }
    if (timeout_ns && timeout_ns != SYS_FOREVER) {
        deadline = wait_deadline(timeout_ns);
    }
    file_hold(file);
    /* A busy loop must not keep frames waiting. */
    net_poll();
    for (;;) {
        ret = epoll_collect(ep, user_events, max);
        if (ret || !timeout_ns) {
            break;
        }
        ret = file_wait(file, EPOLLIN, deadline);
        if (ret) {
            /* What came at the last moment counts. */
            long n = epoll_collect(ep, user_events, max);

            ret = n ? n : ret == -ETIMEDOUT ? 0 : ret;
            break;
        }
    }
    if (ret > 0 && (uint32_t)ret == max && !list_empty(&ep->ready)) {
        wait_wake(file, EPOLLIN, false);
    }
    file_release(file);
    return ret;
}

static long epoll_wait_masked(struct sys_args *a, uint64_t timeout_ns)
{
    uint64_t mask;
    long ret;

    if (a->arg[4]) {
        if (a->arg[5] != sizeof(mask)) {
            return -EINVAL;
        }
        if (copy_from_user(&mask, a->arg[4], sizeof(mask))) {
            return -EFAULT;
        }
    }
    lib_lock();
    if (a->arg[4]) {
        signal_mask_for_call_locked(mask);
    }
    ret = wait_locked(a->arg[0], a->arg[1], (uint32_t)a->arg[2], timeout_ns);
    lib_unlock();
    return ret;
}

static uint64_t timeout_of_ms(uint64_t arg)
{
    int32_t ms = (int32_t)arg;

    return ms < 0 ? SYS_FOREVER : ms * NSEC_PER_MSEC;
}

/**
 * epoll_sys_wait() - epoll_wait(epfd, events, max, timeout_ms)
 *
 * @linux call epoll_wait epoll_pwait epoll_pwait2
 * @test guest/programs/epolls.c "waiting: what is refused"
 */
long epoll_sys_wait(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = wait_locked(a->arg[0], a->arg[1], (uint32_t)a->arg[2],
                      timeout_of_ms(a->arg[3]));
    lib_unlock();
    return ret;
}

/** epoll_sys_pwait() - epoll_pwait(..., timeout_ms, mask, mask_bytes) */
long epoll_sys_pwait(struct sys_args *a)
{
    return epoll_wait_masked(a, timeout_of_ms(a->arg[3]));
}

/** epoll_sys_pwait2() - epoll_pwait2(..., timespec, mask, mask_bytes) */
long epoll_sys_pwait2(struct sys_args *a)
{
    uint64_t timeout_ns;
    long ret = user_timespec(a->arg[3], &timeout_ns);

    return ret ? ret : epoll_wait_masked(a, timeout_ns);
}
