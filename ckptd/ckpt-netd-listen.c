/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-listen.c - a socket for a QEMU that is started by hand
 *
 * ckptd hands over a fresh socket pair for each QEMU that it starts; one that
 * is started by somebody else connects by itself, with -netdev stream. Such a
 * connection says nothing of generations, so the one that is there stays until
 * its QEMU hangs up: a second QEMU, which ckptd will not let run (F1), cannot
 * cut the first one's cable. It waits in the queue of the socket, and what it
 * has sent into it meanwhile is read when its turn has come.
 */
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <gio/gio.h>

#include "ckptd/ckpt-netd-listen.h"

struct NetdListen {
    NetdLink *link;
    char *path;
    int fd;
    guint source;
    guint linger_s;     /* 0: for ever */
    guint linger_timer; /* runs while nobody is attached */
    void (*deserted)(void *opaque);
    void *opaque;
};

static gboolean on_connection(gint listen_fd, GIOCondition cond, gpointer data)
{
    NetdListen *l = data;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)cond;
    if (fd < 0) {
        return G_SOURCE_CONTINUE;
    }
    l->source = 0;
    g_clear_handle_id(&l->linger_timer, g_source_remove);
    netd_link_attach(l->link, fd, -1);
    return G_SOURCE_REMOVE;
}

static gboolean on_linger_end(gpointer data)
{
    NetdListen *l = data;

    l->linger_timer = 0;
    l->deserted(l->opaque);
    return G_SOURCE_REMOVE;
}

/* Nobody is attached: whoever waits is next. */
static void on_down(void *opaque)
{
    NetdListen *l = opaque;

    if (!l->source) {
        l->source = g_unix_fd_add(l->fd, G_IO_IN, on_connection, l);
    }
    if (l->linger_s && !l->linger_timer) {
        l->linger_timer = g_timeout_add_seconds(l->linger_s, on_linger_end, l);
    }
}

/**
 * netd_listen_linger() - give up when nobody comes
 * @l: the listener
 * @seconds: without a QEMU, at least 1
 * @deserted: told then
 * @opaque: for it
 */
void netd_listen_linger(NetdListen *l, guint seconds,
                        void (*deserted)(void *opaque), void *opaque)
{
    l->linger_s = seconds;
    l->deserted = deserted;
    l->opaque = opaque;
    on_down(l);
}

/**
 * netd_listen_new() - let QEMUs connect, one after the other
 * @path: of the socket; one that lies there is replaced
 * @link: the cable that they get
 * @error: set on failure
 *
 * Return: the listener, or NULL.
 */
NetdListen *netd_listen_new(const char *path, NetdLink *link, GError **error)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    mode_t mask = umask(077);
    NetdListen *l;
    int ret = -1;

    errno = ENAMETOOLONG;
    if (g_strlcpy(addr.sun_path, fresh, sizeof(addr.sun_path)) <
        sizeof(addr.sun_path)) {
        unlink(fresh);
        ret = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    }
    umask(mask);
    /* Who sees the socket under its name can connect. */
    if (ret < 0 || listen(fd, 4) < 0 || rename(fresh, path) < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                    "socket %s: %s", path, g_strerror(errno));
        close(fd);
        return NULL;
    }
    l = g_new0(NetdListen, 1);
    l->link = link;
    l->path = g_strdup(path);
    l->fd = fd;
    netd_link_when_down(link, on_down, l);
    on_down(l);
    return l;
}

/**
 * netd_listen_free() - close the socket and take its file away
 * @l: the listener, before its link
 */
void netd_listen_free(NetdListen *l)
{
    netd_link_when_down(l->link, NULL, NULL);
    g_clear_handle_id(&l->source, g_source_remove);
    g_clear_handle_id(&l->linger_timer, g_source_remove);
    close(l->fd);
    unlink(l->path);
    g_free(l->path);
    g_free(l);
}
