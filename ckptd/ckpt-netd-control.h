/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-control.h - ckptd's orders to ckpt-netd
 *
 * A SOCK_SEQPACKET unix socket, one request a message, one answer each:
 *
 *   'A'  attach   with one descriptor by SCM_RIGHTS, our end of the stream
 *                 socket to a new QEMU, or two, the second a copy of QEMU's
 *                 end, which lets us see what it had not read when it died
 *                 answer: one byte 0, or text that says why not
 *   'S'  status   answer: JSON
 *   'R'  reset    connections end by a reset from now on; answer: one byte 0
 *   'Q'  quit     no answer
 *
 * Only peers of our own user, or root, are listened to; of several connections
 * the newest.
 */
#ifndef CKPT_NETD_CONTROL_H
#define CKPT_NETD_CONTROL_H

#include <glib.h>

typedef struct NetdControl NetdControl;

struct netd_control_ops {
    /* Takes both over; @far_fd may be -1. */
    void (*attach)(void *opaque, int fd, int far_fd);
    char *(*status)(void *opaque);
    void (*reset)(void *opaque);
    /* The guest has ended: quit when its connections have too. */
    void (*drain)(void *opaque);
    void (*quit)(void *opaque);
};

NetdControl *netd_control_listen(const char *path,
                                 const struct netd_control_ops *ops,
                                 void *opaque, GError **error);
void netd_control_close(NetdControl *c);

#endif
