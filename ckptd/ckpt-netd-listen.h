/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-listen.h - a socket for a QEMU that is started by hand
 */
#ifndef CKPT_NETD_LISTEN_H
#define CKPT_NETD_LISTEN_H

#include <glib.h>

#include "ckptd/ckpt-netd-link.h"

typedef struct NetdListen NetdListen;

NetdListen *netd_listen_new(const char *path, NetdLink *link, GError **error);
void netd_listen_linger(NetdListen *l, guint seconds,
                        void (*deserted)(void *opaque), void *opaque);
void netd_listen_free(NetdListen *listener);

#endif
