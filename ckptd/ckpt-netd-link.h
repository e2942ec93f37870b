/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-link.h - the cable to whatever QEMU runs the guest now
 */
#ifndef CKPT_NETD_LINK_H
#define CKPT_NETD_LINK_H

#include "ckptd/ckpt-netd-frame.h"

typedef struct NetdLink NetdLink;
typedef void (*NetdDownFn)(void *opaque);

struct netd_link_stats {
    gboolean attached;
    guint64 attaches;
    guint64 from_guest; /* frames */
    guint64 to_guest;   /* frames taken for it */
    guint64 dropped;    /* of those, no room */
    guint64 repeated;   /* written, never read, written again */
    gsize queued_bytes;
};

NetdLink *netd_link_new(gsize queue_bytes, NetdFrameFn from_guest,
                        void *opaque);
void netd_link_end(NetdLink *link);
void netd_link_free(NetdLink *link);
void netd_link_when_down(NetdLink *link, NetdDownFn down, void *opaque);
void netd_link_attach(NetdLink *link, int fd, int far_fd);
gboolean netd_link_send(NetdLink *link, const void *frame, gsize len_bytes);
void netd_link_flush(NetdLink *link);
void netd_link_stats(const NetdLink *link, struct netd_link_stats *ret_stats);

#endif
