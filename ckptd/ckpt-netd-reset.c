/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-reset.c - connections that end by a reset
 *
 * When a guest steps back, what its peers were told is no longer so (R2), and
 * they must not take the end of their connections for the end of a reply. The
 * sockets are libslirp's, which closes them; so they are found where all of this
 * process are listed, and told how.
 */
#include "ckptd/ckpt-netd-reset.h"

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

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
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        int fd = (int)g_ascii_strtoull(name, NULL, 10);

        if (is_connection(fd)) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        }
    }
}
