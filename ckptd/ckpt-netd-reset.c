/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-reset.c - how connections of the host end
 *
 * The kernel ends a socket that is closed by FIN, however it comes to be closed:
 * by libslirp when the guest resets, by the end of this process, by its death. A
 * peer would take what it has for the whole answer. So each connection is set
 * from its first moment to end by a reset, whoever closes it, and one thing
 * alone changes that: the guest's own FIN, when all that the guest had said
 * before it is with the kernel. libslirp passes it on by shutdown(), so this
 * file stands in for that function.
 *
 * A rollback makes even such an end untrue (R2): then all are reset.
 *
 * The sockets are libslirp's; where it does not say which they are, they are
 * found where all of this process are listed.
 */
#include "ckptd/ckpt-netd-reset.h"

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void set_end(int fd, gboolean reset)
{
    const struct linger linger = { .l_onoff = reset, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/**
 * netd_reset_unless_ended() - let a connection end by a reset
 * @fd: a new socket, of any kind
 *
 * Until shutdown() says that nothing more is to be sent.
 */
void netd_reset_unless_ended(int fd)
{
    set_end(fd, TRUE);
}

/**
 * shutdown() - the C library's, and the end of what this side sends is an
 *              orderly one
 * @fd: a socket
 * @how: SHUT_RD, SHUT_WR or SHUT_RDWR
 *
 * Return: 0, or -1 with errno set.
 */
int shutdown(int fd, int how)
{
    if (how != SHUT_RD) {
        set_end(fd, FALSE);
    }
    return syscall(SYS_shutdown, fd, how);
}

static gboolean is_connection(int fd)
{
    struct sockaddr_in peer = { .sin_family = AF_UNSPEC };
    socklen_t peer_len = sizeof(peer), type_len = sizeof(int);
    int type = 0;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
           type == SOCK_STREAM &&
           getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
           peer.sin_family == AF_INET;
}

/**
 * netd_reset_at_close() - have each TCP connection that there is end by a reset
 *
 * What was not sent yet is not sent any more.
 */
void netd_reset_at_close(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        int fd = (int)g_ascii_strtoull(name, NULL, 10);

        if (is_connection(fd)) {
            set_end(fd, TRUE);
        }
    }
}
