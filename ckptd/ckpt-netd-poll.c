/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-poll.c - which of very many sockets are ready
 *
 * libslirp says before each wait which descriptors it waits for, all of them.
 * Between two waits few of these wishes change, and of thousands of sockets few
 * are ready.  So the kernel keeps them (epoll), and is told what has changed.
 *
 * A descriptor that was closed is out of the kernel's set, and its number may
 * be another's by the next wait: netd_poll_forget() has to be called for one of
 * the two.
 *
 *  W1  fds->pdata[i] is the number of a descriptor in the kernel's set, its
 *      watch has place i; any other watch has no events
 */
#include "ckptd/ckpt-netd-poll.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Descriptors that clients do not get: the cable to the guest's next QEMU needs
 * some, and without it all connections would be lost.
 */
#define FDS_SPARE   32
#define READY_BATCH 256

/*
 * Of one descriptor.
 *
 * @events:   that the kernel looks for; 0: it is not in its set
 * @ready:    of these, at the last look
 * @round:    in which it was wanted last
 * @place:    in fds
 * @listener: a client is accepted when it is readable
 */
struct watch {
    guint32 events;
    guint32 ready;
    guint32 round;
    guint place;
    gboolean listener;
};

struct NetdPoll {
    int epoll_fd;
    guint32 round;
    gboolean may_accept; /* in this round */
    GArray *watches;     /* struct watch, by descriptor */
    GArray *fds;         /* int: those in the kernel's set */
    GArray *listeners;   /* int: of those, clients come by these */
    GArray *ready;       /* int: those with watch.ready */
};

static struct watch *watch_of(const NetdPoll *p, int fd)
{
    return &g_array_index(p->watches, struct watch, fd);
}

/**
 * netd_poll_new() - nothing is waited for
 *
 * Return: for netd_poll_free().
 */
NetdPoll *netd_poll_new(void)
{
    NetdPoll *p = g_new0(NetdPoll, 1);

    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll_fd < 0) {
        g_error("epoll_create1: %s", g_strerror(errno));
    }
    p->watches = g_array_new(FALSE, TRUE, sizeof(struct watch));
    p->fds = g_array_new(FALSE, FALSE, sizeof(int));
    p->listeners = g_array_new(FALSE, FALSE, sizeof(int));
    p->ready = g_array_new(FALSE, FALSE, sizeof(int));
    return p;
}

/**
 * netd_poll_free() - wait no more
 * @p: what netd_poll_new() made
 */
void netd_poll_free(NetdPoll *p)
{
    close(p->epoll_fd);
    g_array_free(p->watches, TRUE);
    g_array_free(p->fds, TRUE);
    g_array_free(p->listeners, TRUE);
    g_array_free(p->ready, TRUE);
    g_free(p);
}

/**
 * netd_poll_fd() - what a main loop has to wait for
 * @p: the set
 *
 * Return: a descriptor that is readable when something in the set is ready.
 */
int netd_poll_fd(const NetdPoll *p)
{
    return p->epoll_fd;
}

/* The lowest number that is free tells how many are in use. */
static gboolean fds_are_left(const NetdPoll *p)
{
    struct rlimit limit;
    int fd = dup(p->epoll_fd);

    if (fd < 0) {
        return FALSE;
    }
    close(fd);
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
           (rlim_t)fd + FDS_SPARE < limit.rlim_cur;
}

/**
 * netd_poll_begin() - all wishes follow, by netd_poll_want()
 * @p: the set
 */
void netd_poll_begin(NetdPoll *p)
{
    p->round++;
    p->may_accept = fds_are_left(p);
}

static gboolean is_listener(int fd)
{
    int yes = 0;
    socklen_t len = sizeof(yes);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes;
}

/* Out of the kernel's set, and out of fds by the last taking its place. */
static void drop(NetdPoll *p, int fd)
{
    struct watch *w = watch_of(p, fd);
    int last = g_array_index(p->fds, int, p->fds->len - 1);
    guint i;

    epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    g_array_index(p->fds, int, w->place) = last;
    watch_of(p, last)->place = w->place;
    g_array_set_size(p->fds, p->fds->len - 1);
    w->events = 0;
    for (i = 0; w->listener && i < p->listeners->len; i++) {
        if (g_array_index(p->listeners, int, i) == fd) {
            g_array_remove_index_fast(p->listeners, i);
            break;
        }
    }
}

/**
 * netd_poll_want() - a wish
 * @p: the set
 * @fd: descriptor
 * @events: EPOLL*, not 0
 *
 * Without a descriptor left for another client, or hardly one, clients wait in
 * the queue of the socket that listens.
 */
void netd_poll_want(NetdPoll *p, int fd, guint32 events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };
    struct watch *w;

    if ((guint)fd >= p->watches->len) {
        g_array_set_size(p->watches, fd + 1);
    }
    w = watch_of(p, fd);
    if (!w->events) {
        w->listener = is_listener(fd);
    }
    if (w->listener && !p->may_accept) {
        return;
    }
    w->round = p->round;
    if (w->events == events) {
        return;
    }
    if (epoll_ctl(p->epoll_fd, w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
                  &event) < 0) {
        g_message("waiting for descriptor %d: %s", fd, g_strerror(errno));
        return;
    }
    if (!w->events) {
        w->place = p->fds->len;
        g_array_append_val(p->fds, fd);
        if (w->listener) {
            g_array_append_val(p->listeners, fd);
        }
    }
    w->events = events;
}

/**
 * netd_poll_end() - there are no other wishes
 * @p: the set
 */
void netd_poll_end(NetdPoll *p)
{
    guint i;

    /* From the end: what takes a dropped one's place has been looked at. */
    for (i = p->fds->len; i > 0; i--) {
        int fd = g_array_index(p->fds, int, i - 1);

        if (watch_of(p, fd)->round != p->round) {
            drop(p, fd);
        }
    }
}

/**
 * netd_poll_forget() - the number is, or will be, another descriptor's
 * @p: the set
 * @fd: descriptor, or a number that is none
 */
void netd_poll_forget(NetdPoll *p, int fd)
{
    if (fd >= 0 && (guint)fd < p->watches->len) {
        if (watch_of(p, fd)->events) {
            drop(p, fd);
        }
        watch_of(p, fd)->ready = 0;
    }
}

static void clear_ready(NetdPoll *p)
{
    guint i;

    for (i = 0; i < p->ready->len; i++) {
        watch_of(p, g_array_index(p->ready, int, i))->ready = 0;
    }
    g_array_set_size(p->ready, 0);
}

static void set_ready(NetdPoll *p, int fd, guint32 events)
{
    watch_of(p, fd)->ready = events;
    g_array_append_val(p->ready, fd);
}

/**
 * netd_poll_look() - see what is ready now, without waiting
 * @p: the set
 *
 * Of very many the kernel shows those first that were not shown last time.
 */
void netd_poll_look(NetdPoll *p)
{
    struct epoll_event events[READY_BATCH];
    int n = epoll_wait(p->epoll_fd, events, READY_BATCH, 0);
    int i;

    clear_ready(p);
    for (i = 0; i < n; i++) {
        set_ready(p, events[i].data.fd, events[i].events);
    }
}

/**
 * netd_poll_look_at_listeners() - see whether clients wait that were not yet
 *                                 accepted
 * @p: the set
 *
 * Nothing else is ready then.
 *
 * Return: TRUE if one does, and there is a descriptor for it.
 */
gboolean netd_poll_look_at_listeners(NetdPoll *p)
{
    guint i;

    clear_ready(p);
    if (!fds_are_left(p)) {
        return FALSE;
    }
    for (i = 0; i < p->listeners->len; i++) {
        struct pollfd one = { .fd = g_array_index(p->listeners, int, i),
                              .events = POLLIN };

        if (poll(&one, 1, 0) == 1) {
            set_ready(p, one.fd, EPOLLIN);
        }
    }
    return p->ready->len > 0;
}

/**
 * netd_poll_ready() - what a descriptor was ready for at the last look
 * @p: the set
 * @fd: that was wanted
 *
 * Return: EPOLL*.
 */
guint32 netd_poll_ready(const NetdPoll *p, int fd)
{
    return watch_of(p, fd)->ready;
}
