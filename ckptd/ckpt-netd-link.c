/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-link.c - the cable to whatever QEMU runs the guest now
 *
 * Each generation of the guest gets a socket pair of its own, so a QEMU of an
 * earlier one speaks to nobody once the next is attached (F1).
 *
 * What is lost when QEMU is killed: a frame that it had read and not yet given
 * to the NIC; the NIC's journal has what it had.  What it had not read is not
 * lost when ckptd hands over a copy of QEMU's end too: that keeps the socket
 * alive, its count of unread bytes says which frames they were, and they go out
 * first on the next cable.  Without the copy they are lost packets, no more:
 * libslirp keeps every byte that it has acknowledged to a peer (A1).
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <glib-unix.h>

#include "ckptd/ckpt-netd-link.h"

#define IOV_BATCH    64
#define READ_BATCH   16 /* reads before others get their turn */

/*
 * Little enough that QEMU, which reads 68 KiB at once, takes all of it: so few
 * frames are on the way when it dies.
 */
#define SOCKET_BYTES (64 << 10)

struct NetdLink {
    int fd;     /* ours, or -1 */
    int far_fd; /* a copy of QEMU's, never read, or -1 */
    guint in_source;
    guint out_source;
    NetdFrameFn from_guest;
    void *opaque;
    NetdDownFn down; /* or NULL */
    void *down_opaque;
    guint64 attaches;
    guint64 n_from_guest;
    guint64 n_to_guest;
    guint64 n_repeated;
    struct netd_queue queue;
    struct netd_framer framer;
};

static gboolean on_readable(gint fd, GIOCondition cond, gpointer data);

/**
 * netd_link_new() - a cable with nobody at its end
 * @queue_bytes: of frames that may wait for the guest
 * @from_guest: called for each of its frames
 * @opaque: its first argument
 *
 * Return: the link, for netd_link_free().
 */
NetdLink *netd_link_new(gsize queue_bytes, NetdFrameFn from_guest, void *opaque)
{
    NetdLink *link = g_new0(NetdLink, 1);

    link->fd = -1;
    link->far_fd = -1;
    link->from_guest = from_guest;
    link->opaque = opaque;
    netd_queue_init(&link->queue, queue_bytes, 4 * SOCKET_BYTES);
    return link;
}

static void count_frame(void *opaque, const guint8 *frame, gsize len_bytes)
{
    NetdLink *link = opaque;

    link->n_from_guest++;
    link->from_guest(link->opaque, frame, len_bytes);
}

/* Return: NULL when there may be more later, or why there cannot. */
static const char *read_frames(NetdLink *link, guint max_reads)
{
    guint8 *space;
    gsize room;
    ssize_t n;

    while (max_reads--) {
        space = netd_framer_space(&link->framer, &room);
        n = recv(link->fd, space, room, MSG_DONTWAIT);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? NULL : g_strerror(errno);
        }
        if (n == 0) {
            return "closed";
        }
        if (!netd_framer_take(&link->framer, n, count_frame, link)) {
            return "no frame has such a length";
        }
    }
    return NULL;
}

static void detach(NetdLink *link, const char *why)
{
    int unread = 0;
    guint before = link->queue.frames.length;

    if (link->fd < 0) {
        return;
    }
    g_clear_handle_id(&link->in_source, g_source_remove);
    g_clear_handle_id(&link->out_source, g_source_remove);
    /* What QEMU wrote has left its hold: it is ours to pass on. */
    read_frames(link, G_MAXUINT);
    /* First ours, so that an old QEMU can read nothing more meanwhile. */
    close(link->fd);
    link->fd = -1;
    if (link->far_fd >= 0) {
        if (ioctl(link->far_fd, FIONREAD, &unread) < 0) {
            unread = 0;
        }
        close(link->far_fd);
        link->far_fd = -1;
    }
    netd_queue_rewind(&link->queue, unread);
    netd_framer_reset(&link->framer);
    link->n_repeated += link->queue.frames.length - before;
    g_message("link down: %s; %d bytes unread, %" G_GSIZE_FORMAT " queued", why,
              unread, link->queue.bytes);
    if (link->down) {
        link->down(link->down_opaque);
    }
}

/**
 * netd_link_when_down() - be told when a QEMU has hung up
 * @link: the link
 * @down: called then, or NULL: nobody is
 * @opaque: its argument
 */
void netd_link_when_down(NetdLink *link, NetdDownFn down, void *opaque)
{
    link->down = down;
    link->down_opaque = opaque;
}

/**
 * netd_link_end() - take what a QEMU that is dead had written, pull the cable
 * @link: the link
 */
void netd_link_end(NetdLink *link)
{
    detach(link, "the guest has ended");
}

/**
 * netd_link_free() - pull the cable
 * @link: the link
 */
void netd_link_free(NetdLink *link)
{
    detach(link, "end");
    netd_queue_clear(&link->queue);
    g_free(link);
}

/**
 * netd_link_attach() - plug the cable into another QEMU
 * @link: the link
 * @fd: our end of a connected SOCK_STREAM socket; taken over
 * @far_fd: a copy of the other end, or -1; taken over
 *
 * The frames that waited go out at once; a frame that was cut in half on the
 * old cable begins anew.
 */
void netd_link_attach(NetdLink *link, int fd, int far_fd)
{
    int bytes = SOCKET_BYTES;

    detach(link, "replaced");
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    link->fd = fd;
    link->far_fd = far_fd;
    link->attaches++;
    link->in_source =
        g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, link);
    g_message("link up, the %" G_GUINT64_FORMAT ". time", link->attaches);
    netd_link_flush(link);
}

static gboolean on_writable(gint fd, GIOCondition cond, gpointer data)
{
    NetdLink *link = data;

    (void)fd;
    (void)cond;
    link->out_source = 0;
    netd_link_flush(link);
    return G_SOURCE_REMOVE;
}

/**
 * netd_link_flush() - write what waits, as far as the guest takes it
 * @link: the link
 */
void netd_link_flush(NetdLink *link)
{
    struct iovec iov[IOV_BATCH];
    struct msghdr msg = { .msg_iov = iov };
    ssize_t n;

    while (link->fd >= 0 && !link->out_source) {
        msg.msg_iovlen = netd_queue_peek(&link->queue, iov, IOV_BATCH);
        if (!msg.msg_iovlen) {
            return;
        }
        n = sendmsg(link->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            netd_queue_advance(&link->queue, n);
        } else if (errno == EAGAIN) {
            link->out_source =
                g_unix_fd_add(link->fd, G_IO_OUT, on_writable, link);
        } else if (errno != EINTR) {
            detach(link, g_strerror(errno));
        }
    }
}

/**
 * netd_link_send() - a frame for the guest
 * @link: the link
 * @frame: the frame, copied
 * @len_bytes: its length
 *
 * It leaves with the next netd_link_flush().
 *
 * Return: FALSE when it was dropped.
 */
gboolean netd_link_send(NetdLink *link, const void *frame, gsize len_bytes)
{
    link->n_to_guest++;
    return netd_queue_push(&link->queue, frame, len_bytes);
}

static gboolean on_readable(gint fd, GIOCondition cond, gpointer data)
{
    NetdLink *link = data;
    const char *end = read_frames(link, READ_BATCH);

    (void)fd;
    (void)cond;
    netd_link_flush(link);
    if (end) {
        detach(link, end);
    }
    return G_SOURCE_CONTINUE; /* detach() removes the source itself */
}

/**
 * netd_link_stats() - figures for people
 * @link: the link
 * @ret_stats: filled
 */
void netd_link_stats(const NetdLink *link, struct netd_link_stats *ret_stats)
{
    *ret_stats = (struct netd_link_stats){
        .attached = link->fd >= 0,
        .attaches = link->attaches,
        .from_guest = link->n_from_guest,
        .to_guest = link->n_to_guest,
        .dropped = link->queue.dropped,
        .repeated = link->n_repeated,
        .queued_bytes = link->queue.bytes,
    };
}
