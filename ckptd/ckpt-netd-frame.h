/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-frame.h - Ethernet frames in a byte stream
 *
 * As QEMU's "stream" netdev has them: a 4-byte big-endian length, then the
 * frame.  A length that cannot be one means that the stream is out of step:
 * then nothing behind it can be believed.
 */
#ifndef CKPT_NETD_FRAME_H
#define CKPT_NETD_FRAME_H

#include <sys/uio.h>
#include <glib.h>
#include "abi/ckpt-nic.h"

#define NETD_FRAME_HEAD_BYTES 4u
#define NETD_FRAME_MAX        CKPT_FRAME_MAX

typedef void (*NetdFrameFn)(void *opaque, const guint8 *frame, gsize len_bytes);

/* Cuts what arrives into frames. */
struct netd_framer {
    gsize len_bytes; /* in @buf: the begin of a frame that is not whole yet */
    guint8 buf[64 << 10];
};

void netd_framer_reset(struct netd_framer *f);
guint8 *netd_framer_space(struct netd_framer *f, gsize *ret_bytes);
gboolean netd_framer_take(struct netd_framer *f, gsize bytes, NetdFrameFn fn,
                          void *opaque);

/*
 * Frames on their way out, in order, those already written included as long as
 * the other side may not have read them.
 */
struct netd_queue {
    GQueue frames;       /* of GBytes, head included, not yet whole written */
    gsize bytes;         /* of them */
    gsize offset;        /* written of the first */
    GQueue written;      /* of GBytes, newest last */
    gsize written_bytes; /* of them, not more than @keep_bytes */
    gsize max_bytes;
    gsize keep_bytes;
    guint64 dropped;
};

void netd_queue_init(struct netd_queue *q, gsize max_bytes, gsize keep_bytes);
void netd_queue_clear(struct netd_queue *q);
gboolean netd_queue_push(struct netd_queue *q, const void *frame,
                         gsize len_bytes);
guint netd_queue_peek(const struct netd_queue *q, struct iovec *iov,
                      guint n_iov);
void netd_queue_advance(struct netd_queue *q, gsize bytes);
void netd_queue_rewind(struct netd_queue *q, gsize unread_bytes);

#endif
