/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-control.c - ckptd's orders to ckpt-netd
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <glib-unix.h>
#include <gio/gio.h>

#include "ckptd/ckpt-netd-control.h"

#define REQUEST_MAX_BYTES 64
#define FDS_MAX           4 /* one more than makes sense, to be closed */

struct NetdControl {
    const struct netd_control_ops *ops;
    void *opaque;
    char *path;
    int listen_fd;
    int fd; /* the newest connection, or -1 */
    guint listen_source;
    guint source;
};

static void hang_up(NetdControl *c)
{
    g_clear_handle_id(&c->source, g_source_remove);
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}

static void answer(NetdControl *c, const void *data, gsize len_bytes)
{
    if (send(c->fd, data, len_bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        g_message("control: answer not taken: %s", g_strerror(errno));
    }
}

static void refuse(NetdControl *c, const char *why)
{
    g_message("control: refused: %s", why);
    answer(c, why, strlen(why));
}

/* Copy the descriptors of @msg out. Return: how many. */
static int take_fds(struct msghdr *msg, int *fds)
{
    struct cmsghdr *cmsg;
    int n = 0;

    for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
        if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
            n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));
        }
    }
    return n;
}

static gboolean is_stream_socket(int fd)
{
    int type = 0;
    socklen_t len = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
           type == SOCK_STREAM;
}

static void attach(NetdControl *c, int *fds, int n)
{
    int i;

    if ((n == 1 || n == 2) && is_stream_socket(fds[0]) &&
        is_stream_socket(fds[n - 1])) {
        c->ops->attach(c->opaque, fds[0], n == 2 ? fds[1] : -1);
        answer(c, "", 1);
        return;
    }
    for (i = 0; i < n; i++) {
        close(fds[i]);
    }
    refuse(c, "attach needs one stream socket, or two");
}

static void carry_out(NetdControl *c, char request, int *fds, int n)
{
    g_autofree char *text = NULL;
    int i;

    if (request == 'A') {
        attach(c, fds, n);
        return;
    }
    for (i = 0; i < n; i++) {
        close(fds[i]);
    }
    switch (request) {
    case 'S':
        text = c->ops->status(c->opaque);
        answer(c, text, strlen(text));
        break;
    case 'R':
        c->ops->reset(c->opaque);
        answer(c, "", 1);
        break;
    case 'D':
        c->ops->drain(c->opaque);
        answer(c, "", 1);
        break;
    case 'Q':
        c->ops->quit(c->opaque);
        break;
    default:
        refuse(c, "unknown request");
    }
}

static gboolean on_request(gint fd, GIOCondition cond, gpointer data)
{
    NetdControl *c = data;
    union {
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } space;
    char request[REQUEST_MAX_BYTES];
    struct iovec iov = { request, sizeof(request) };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &space,
        .msg_controllen = sizeof(space),
    };
    int fds[FDS_MAX];
    ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    (void)cond;
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (len <= 0) {
        hang_up(c);
        return G_SOURCE_CONTINUE; /* hang_up() removed the source */
    }
    carry_out(c, len == 1 ? request[0] : '\0', fds, take_fds(&msg, fds));
    return G_SOURCE_CONTINUE;
}

static gboolean peer_may(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        return FALSE;
    }
    return cred.uid == 0 || cred.uid == geteuid();
}

static gboolean on_connection(gint listen_fd, GIOCondition cond, gpointer data)
{
    NetdControl *c = data;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)cond;
    if (fd < 0) {
        return G_SOURCE_CONTINUE;
    }
    if (!peer_may(fd)) {
        g_message("control: a process of another user was sent away");
        close(fd);
        return G_SOURCE_CONTINUE;
    }
    hang_up(c);
    c->fd = fd;
    c->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP, on_request, c);
    return G_SOURCE_CONTINUE;
}

/* A socket left behind by a dead process may go, a living one may not. */
static gboolean clear_path(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int ret = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
    int err = errno;

    close(fd);
    if (ret < 0 && err == ECONNREFUSED) {
        unlink(addr->sun_path);
    }
    errno = ret < 0 && (err == ECONNREFUSED || err == ENOENT) ? 0 : EADDRINUSE;
    return errno == 0;
}

static int listen_at(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    mode_t mask;
    int fd, ret, err;

    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >=
        sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (!clear_path(&addr)) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mask = umask(077);
    ret = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    umask(mask);
    if (ret < 0 || listen(fd, 4) < 0) {
        err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

/**
 * netd_control_listen() - open the control socket
 * @path: of the socket
 * @ops: what the requests do; kept
 * @opaque: first argument of each
 * @error: set on failure
 *
 * Return: the control, or NULL.
 */
NetdControl *netd_control_listen(const char *path,
                                 const struct netd_control_ops *ops,
                                 void *opaque, GError **error)
{
    int fd = listen_at(path);
    NetdControl *c;

    if (fd < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                    "control socket %s: %s", path, g_strerror(errno));
        return NULL;
    }
    c = g_new0(NetdControl, 1);
    c->ops = ops;
    c->opaque = opaque;
    c->path = g_strdup(path);
    c->fd = -1;
    c->listen_fd = fd;
    c->listen_source = g_unix_fd_add(fd, G_IO_IN, on_connection, c);
    return c;
}

/**
 * netd_control_close() - close the control socket and take its file away
 * @c: the control
 */
void netd_control_close(NetdControl *c)
{
    hang_up(c);
    g_source_remove(c->listen_source);
    close(c->listen_fd);
    unlink(c->path);
    g_free(c->path);
    g_free(c);
}
