/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-frame.c - Ethernet frames in a byte stream, both ways
 *
 * No file descriptor in here, so that the unit test can cut a stream wherever
 * it likes.
 */
#include <string.h>
#include <sys/uio.h>

#include "ckptd/ckpt-netd-frame.h"

/* --- in ------------------------------------------------------------------ */

/**
 * netd_framer_reset() - forget a frame that was cut off: a new stream begins
 * @f: the framer
 */
void netd_framer_reset(struct netd_framer *f)
{
    f->len_bytes = 0;
}

/**
 * netd_framer_space() - where to read the next bytes to
 * @f: the framer
 * @ret_bytes: room there, never 0
 *
 * Return: the place; netd_framer_take() says how many came.
 */
guint8 *netd_framer_space(struct netd_framer *f, gsize *ret_bytes)
{
    *ret_bytes = sizeof(f->buf) - f->len_bytes;
    return f->buf + f->len_bytes;
}

/**
 * netd_framer_take() - hand out the frames that are whole now
 * @f: the framer
 * @bytes: that were read to netd_framer_space()
 * @fn: called for each frame; must not call the framer
 * @opaque: its first argument
 *
 * Return: FALSE when the stream is out of step; only netd_framer_reset() helps.
 */
gboolean netd_framer_take(struct netd_framer *f, gsize bytes, NetdFrameFn fn,
                          void *opaque)
{
    guint32 len;
    gsize at = 0;

    f->len_bytes += bytes;
    while (f->len_bytes - at >= NETD_FRAME_HEAD_BYTES) {
        memcpy(&len, f->buf + at, sizeof(len));
        len = GUINT32_FROM_BE(len);
        if (len < CKPT_FRAME_MIN || len > NETD_FRAME_MAX) {
            return FALSE;
        }
        if (f->len_bytes - at < NETD_FRAME_HEAD_BYTES + len) {
            break;
        }
        fn(opaque, f->buf + at + NETD_FRAME_HEAD_BYTES, len);
        at += NETD_FRAME_HEAD_BYTES + len;
    }
    f->len_bytes -= at;
    memmove(f->buf, f->buf + at, f->len_bytes);
    return TRUE;
}

/* --- out ----------------------------------------------------------------- */

/**
 * netd_queue_init() - an empty queue
 * @q: the queue
 * @max_bytes: of frames that wait to be written
 * @keep_bytes: of written frames to remember for netd_queue_rewind()
 */
void netd_queue_init(struct netd_queue *q, gsize max_bytes, gsize keep_bytes)
{
    memset(q, 0, sizeof(*q));
    g_queue_init(&q->frames);
    g_queue_init(&q->written);
    q->max_bytes = max_bytes;
    q->keep_bytes = keep_bytes;
}

/**
 * netd_queue_clear() - free all frames
 * @q: the queue
 */
void netd_queue_clear(struct netd_queue *q)
{
    g_queue_clear_full(&q->frames, (GDestroyNotify)g_bytes_unref);
    g_queue_clear_full(&q->written, (GDestroyNotify)g_bytes_unref);
    q->bytes = q->offset = q->written_bytes = 0;
}

/**
 * netd_queue_push() - append a frame
 * @q: the queue
 * @frame: copied
 * @len_bytes: its length
 *
 * A full queue drops the newest, as a switch does: what waits in front is what
 * a TCP receiver needs first, and a hole at the end costs one retransmission
 * where a hole at the beginning costs all that follows.
 *
 * Return: FALSE when it was dropped.
 */
gboolean netd_queue_push(struct netd_queue *q, const void *frame,
                         gsize len_bytes)
{
    guint32 head = GUINT32_TO_BE((guint32)len_bytes);
    guint8 *copy;

    if (len_bytes < CKPT_FRAME_MIN || len_bytes > NETD_FRAME_MAX ||
        q->bytes + sizeof(head) + len_bytes > q->max_bytes) {
        q->dropped++;
        return FALSE;
    }
    copy = g_malloc(sizeof(head) + len_bytes);
    memcpy(copy, &head, sizeof(head));
    memcpy(copy + sizeof(head), frame, len_bytes);
    g_queue_push_tail(&q->frames,
                      g_bytes_new_take(copy, sizeof(head) + len_bytes));
    q->bytes += sizeof(head) + len_bytes;
    return TRUE;
}

/**
 * netd_queue_peek() - what to write next
 * @q: the queue
 * @iov: filled
 * @n_iov: its length
 *
 * Return: entries filled, 0 when nothing waits.
 */
guint netd_queue_peek(const struct netd_queue *q, struct iovec *iov,
                      guint n_iov)
{
    gsize skip = q->offset;
    GList *l;
    guint n = 0;

    for (l = q->frames.head; l && n < n_iov; l = l->next) {
        gsize len;
        const guint8 *data = g_bytes_get_data(l->data, &len);

        iov[n].iov_base = (void *)(data + skip);
        iov[n].iov_len = len - skip;
        skip = 0;
        n++;
    }
    return n;
}

/**
 * netd_queue_advance() - so many bytes were written
 * @q: the queue
 * @bytes: not more than netd_queue_peek() showed
 */
void netd_queue_advance(struct netd_queue *q, gsize bytes)
{
    q->offset += bytes;
    while (!g_queue_is_empty(&q->frames)) {
        GBytes *first = g_queue_peek_head(&q->frames);
        gsize len = g_bytes_get_size(first);

        if (q->offset < len) {
            break;
        }
        q->offset -= len;
        q->bytes -= len;
        g_queue_push_tail(&q->written, g_queue_pop_head(&q->frames));
        q->written_bytes += len;
    }
    while (q->written_bytes > q->keep_bytes) {
        GBytes *oldest = g_queue_pop_head(&q->written);

        q->written_bytes -= g_bytes_get_size(oldest);
        g_bytes_unref(oldest);
    }
}

/**
 * netd_queue_rewind() - the stream has ended; prepare for the next one
 * @q: the queue
 * @unread_bytes: of what was written, at the end, that nobody has read
 *
 * Every frame that was not read to its end is written again, whole.
 */
void netd_queue_rewind(struct netd_queue *q, gsize unread_bytes)
{
    gsize back = q->offset; /* written of the frame that is first now */

    q->offset = 0;
    while (back < unread_bytes && !g_queue_is_empty(&q->written)) {
        GBytes *frame = g_queue_pop_tail(&q->written);
        gsize len = g_bytes_get_size(frame);

        g_queue_push_head(&q->frames, frame);
        q->bytes += len;
        q->written_bytes -= len;
        back += len;
    }
    g_queue_clear_full(&q->written, (GDestroyNotify)g_bytes_unref);
    q->written_bytes = 0;
}
