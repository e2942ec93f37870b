/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame.c - raw frames of a type of their own
 *
 * They pass beside lwIP: what TCP would repair stays visible, so tests and
 * programs with a protocol of their own see exactly what left and came.
 */
#include <string.h>
#include "guest-libc/net/frame.h"
#include "guest-libc/net/net-internal.h"

#define FRAME_HEADER    14u
#define FRAME_QUEUE_MAX 256u /* of one file; more are lost */

struct frame_buffer {
    struct list node;
    uint32_t len_bytes;
    uint8_t data[]; /* header included */
};

struct frame_file {
    struct file file;
    struct list node;  /* of frame_files */
    struct list queue; /* of frame_buffer.node */
    uint32_t queued;
};

static struct list frame_files = LIST_INIT(frame_files);
static const struct file_ops frame_ops;

static struct frame_file *frame_of(struct file *file)
{
    return list_entry(file, struct frame_file, file);
}

static struct frame_buffer *frame_first(struct frame_file *f)
{
    return list_empty(&f->queue)
               ? NULL
               : list_entry(f->queue.next, struct frame_buffer, node);
}

static uint32_t frame_events(struct file *file)
{
    return (list_empty(&frame_of(file)->queue) ? 0 : EPOLLIN) | EPOLLOUT;
}

static void frame_release(struct file *file)
{
    struct frame_file *f = frame_of(file);

    while (frame_first(f)) {
        frame_drop(file);
    }
    list_remove(&f->node);
    heap_free(f);
}

static const struct file_ops frame_ops = {
    .name = "frames",
    .mode = LINUX_S_IFSOCK | 0600,
    .events = frame_events,
    .release = frame_release,
};

/**
 * frame_open() - a file that gets every raw frame
 *
 * Return: with one reference, or NULL.
 * Context: lock held.
 */
struct file *frame_open(void)
{
    struct frame_file *f = heap_zalloc(sizeof(*f));

    if (!f) {
        return NULL;
    }
    file_init(&f->file, &frame_ops, O_RDWR);
    list_init(&f->queue);
    list_append(&frame_files, &f->node);
    return &f->file;
}

/**
 * frame_is() - is this a file of raw frames?
 * @file: any file
 *
 * Return: whether.
 */
bool frame_is(const struct file *file)
{
    return file->ops == &frame_ops;
}

/**
 * frame_input() - a raw frame arrived
 * @data: header included
 * @len_bytes: at least a header
 *
 * Context: lock held.
 */
void frame_input(const uint8_t *data, size_t len_bytes)
{
    struct list *node;

    list_for_each (node, &frame_files) {
        struct frame_file *f = list_entry(node, struct frame_file, node);
        struct frame_buffer *b;

        if (f->queued == FRAME_QUEUE_MAX) {
            continue;
        }
        b = heap_zalloc(sizeof(*b) + len_bytes);
        if (!b) {
            continue;
        }
        b->len_bytes = len_bytes;
        memcpy(b->data, data, len_bytes);
        list_append(&f->queue, &b->node);
        f->queued++;
        file_wake(&f->file, EPOLLIN);
    }
}

/**
 * frame_send() - send one raw frame
 * @to: hardware address, NULL for broadcast
 * @payload: in library memory
 * @len_bytes: of @payload
 * @nonblock: do not wait while the hold is full
 *
 * Return: 0, -EAGAIN, -EINTR, -EMSGSIZE, -ENETDOWN.
 * Context: lock held.
 */
long frame_send(const uint8_t *to, const uint8_t *payload, size_t len_bytes,
                bool nonblock)
{
    uint8_t header[FRAME_HEADER];
    struct sys_iov iov[2] = {
        { (uintptr_t)header, sizeof(header) },
        { (uintptr_t)payload, len_bytes },
    };
    uint32_t n = len_bytes ? 2 : 1;

    if (!link_mac()) {
        return -ENETDOWN;
    }
    if (len_bytes > link_mtu()) {
        return -EMSGSIZE;
    }
    if (to) {
        memcpy(header, to, FRAME_ADDRESS);
    } else {
        memset(header, 0xff, FRAME_ADDRESS);
    }
    memcpy(header + FRAME_ADDRESS, link_mac(), FRAME_ADDRESS);
    header[12] = FRAME_ETHERTYPE >> 8;
    header[13] = FRAME_ETHERTYPE & 0xff;
    return nonblock ? link_send(iov, n) : link_send_wait(iov, n);
}

/**
 * frame_peek() - look at the oldest frame
 * @file: of frame_open()
 * @ret_from: its sender
 * @ret_payload: what follows the header
 *
 * Return: length of the payload, -EAGAIN if there is none.
 * Context: lock held.
 */
long frame_peek(struct file *file, const uint8_t **ret_from,
                const uint8_t **ret_payload)
{
    struct frame_buffer *b = frame_first(frame_of(file));

    if (!b) {
        return -EAGAIN;
    }
    *ret_from = b->data + FRAME_ADDRESS;
    *ret_payload = b->data + FRAME_HEADER;
    return b->len_bytes - FRAME_HEADER;
}

/**
 * frame_drop() - the oldest frame is done with
 * @file: of frame_open()
 *
 * Context: lock held.
 */
void frame_drop(struct file *file)
{
    struct frame_file *f = frame_of(file);
    struct frame_buffer *b = frame_first(f);

    list_remove(&b->node);
    f->queued--;
    heap_free(b);
}
