/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-ship.c - sending what a guest is made of over a link
 *
 * Knows nothing of the order in which things go; that is ckptd-move-out.c's.
 */
#include "ckptd/ckptd-ship.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "abi/ckpt-hold.h"

#define PAGE         CKPTD_FORMAT_PAGE_BYTES
#define SLICE_MAX_US 20000

/**
 * ckptd_ship_init() - begin
 * @ship:        filled in
 * @link:        to the other host, outlives it
 * @cancellable: ends it
 * @bandwidth:   bytes a second, 0 = as the link gives
 */
void ckptd_ship_init(struct ckptd_ship *ship, CkptdLink *link,
                     GCancellable *cancellable, guint64 bandwidth)
{
    *ship = (struct ckptd_ship){
        .link = link,
        .cancellable = cancellable,
        .bandwidth = bandwidth,
        .list = g_byte_array_new(),
        .data = g_byte_array_sized_new(CKPTD_PEER_PAGES_MAX * PAGE),
    };
}

/**
 * ckptd_ship_clear() - free what it has
 * @ship: initialised
 */
void ckptd_ship_clear(struct ckptd_ship *ship)
{
    g_clear_pointer(&ship->list, g_byte_array_unref);
    g_clear_pointer(&ship->data, g_byte_array_unref);
}

/**
 * ckptd_ship_sent() - how much so far
 * @ship: initialised
 *
 * Return: bytes.
 * Context: any thread.
 */
guint64 ckptd_ship_sent(const struct ckptd_ship *ship)
{
    return __atomic_load_n(&ship->sent, __ATOMIC_RELAXED);
}

/* Wait until what was sent fits the bandwidth. */
static gboolean pace(struct ckptd_ship *ship, size_t len_bytes, GError **error)
{
    gint64 now_us = g_get_monotonic_time();

    __atomic_fetch_add(&ship->sent, len_bytes, __ATOMIC_RELAXED);
    if (!ship->bandwidth || ship->last) {
        return TRUE;
    }
    ship->free_us =
        MAX(ship->free_us, now_us) +
        (gint64)(len_bytes * (double)G_USEC_PER_SEC / ship->bandwidth);
    while (now_us < ship->free_us) {
        if (g_cancellable_set_error_if_cancelled(ship->cancellable, error)) {
            return FALSE;
        }
        g_usleep(MIN(ship->free_us - now_us, SLICE_MAX_US));
        now_us = g_get_monotonic_time();
    }
    return TRUE;
}

static gboolean send_all(struct ckptd_ship *ship, enum ckptd_peer_type type,
                         const void *data, size_t len_bytes, GError **error)
{
    return ckptd_link_send(ship->link, type, data, len_bytes, error) &&
           pace(ship, len_bytes, error);
}

/* --- pages ---------------------------------------------------------------- */

static gboolean flush(struct ckptd_ship *ship, GError **error)
{
    struct ckptd_peer_pages_head head = {
        .n = le32_put(ship->n),
        .flags = le32_put(ship->last ? CKPTD_PEER_PAGES_LAST : 0),
    };
    gboolean ok;

    if (!ship->n) {
        return TRUE;
    }
    g_byte_array_prepend(ship->list, (guint8 *)&head, sizeof(head));
    g_byte_array_append(ship->list, ship->data->data, ship->data->len);
    ok = send_all(ship, CKPTD_PEER_PAGES, ship->list->data, ship->list->len,
                  error);
    g_byte_array_set_size(ship->list, 0);
    g_byte_array_set_size(ship->data, 0);
    ship->n = 0;
    return ok;
}

static gboolean take(uint64_t page, const uint8_t *data, uint64_t sum,
                     gpointer opaque, GError **error)
{
    struct ckptd_ship *ship = opaque;
    struct ckptd_disk_page entry = {
        .page = le64_put(page | (data ? 0 : CKPTD_FORMAT_PAGE_ZERO)),
        .sum = le64_put(data ? sum : 0),
    };

    g_byte_array_append(ship->list, (guint8 *)&entry, sizeof(entry));
    if (data) {
        g_byte_array_append(ship->data, data, PAGE);
    }
    return ++ship->n < CKPTD_PEER_PAGES_MAX || flush(ship, error);
}

/**
 * ckptd_ship_all() - send every page that is not zero
 * @ship:     initialised
 * @snapshot: whose
 * @error:    says why not
 *
 * Return: TRUE when they are on their way.
 * Context: the link's thread, as all that follow; blocks.
 */
gboolean ckptd_ship_all(struct ckptd_ship *ship, CkptdSnapshot *snapshot,
                        GError **error)
{
    return ckptd_snapshot_read_pages(snapshot, take, ship, error) &&
           flush(ship, error);
}

/**
 * ckptd_ship_changes() - send what was written to
 * @ship:     initialised
 * @snapshot: whose
 * @since:    see ckptd_snapshot_read_changes()
 * @last:     the guest stands still: nothing is held back for the bandwidth
 * @error:    says why not
 *
 * Return: TRUE when they are on their way.
 */
gboolean ckptd_ship_changes(struct ckptd_ship *ship, CkptdSnapshot *snapshot,
                            uint64_t since, gboolean last, GError **error)
{
    ship->last = last;
    return ckptd_snapshot_read_changes(snapshot, since, take, ship, error) &&
           flush(ship, error);
}

/* --- bytes ---------------------------------------------------------------- */

static gboolean send_chunk(struct ckptd_ship *ship, enum ckptd_peer_type type,
                           guint which, guint64 offset, const void *data,
                           size_t len_bytes, GError **error)
{
    g_autofree uint8_t *buf =
        g_malloc(sizeof(struct ckptd_peer_chunk) + len_bytes);
    struct ckptd_peer_chunk head = {
        .which = le32_put(which),
        .offset = le64_put(offset),
    };

    memcpy(buf, &head, sizeof(head));
    memcpy(buf + sizeof(head), data, len_bytes);
    return send_all(ship, type, buf, sizeof(head) + len_bytes, error);
}

/**
 * ckptd_ship_file() - send a file, from somewhere to its end
 * @ship:   initialised
 * @which:  of the guest's
 * @path:   of it; need not be there
 * @offset: from where; how far it went
 * @error:  says why not
 *
 * Return: TRUE when it is on its way.
 */
gboolean ckptd_ship_file(struct ckptd_ship *ship, enum ckptd_peer_file which,
                         const char *path, guint64 *offset, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(CKPTD_PEER_CHUNK);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    gboolean ok = TRUE;
    ssize_t len;

    if (fd < 0) {
        return TRUE;
    }
    do {
        len = pread(fd, buf, CKPTD_PEER_CHUNK, *offset);
        if (len < 0) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s", path,
                        g_strerror(errno));
            ok = FALSE;
        } else if (len > 0) {
            ok = send_chunk(ship, CKPTD_PEER_FILE, which, *offset, buf, len,
                            error);
            *offset += len;
        }
    } while (ok && len > 0);
    close(fd);
    return ok;
}

static gboolean ship_range(struct ckptd_ship *ship,
                           const struct ckptd_shm *hold, guint64 from,
                           guint64 len_bytes, GError **error)
{
    const uint8_t *base = hold->addr;
    guint64 part;

    for (; len_bytes; from += part, len_bytes -= part) {
        part = MIN(len_bytes, CKPTD_PEER_CHUNK);
        if (!send_chunk(ship, CKPTD_PEER_HOLD, 0, from, base + from, part,
                        error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* What lies between two counters of a ring, which only grow. */
static gboolean ship_ring(struct ckptd_ship *ship, const struct ckptd_shm *hold,
                          guint64 offset, guint64 size, guint64 tail,
                          guint64 head, GError **error)
{
    guint64 at, first;

    if (head == tail) {
        return TRUE;
    }
    if (!size || offset > hold->size_bytes ||
        size > hold->size_bytes - offset || head - tail > size) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "QEMU left a hold that makes no sense");
        return FALSE;
    }
    at = tail % size;
    first = MIN(head - tail, size - at);
    return ship_range(ship, hold, offset + at, first, error) &&
           ship_range(ship, hold, offset, head - tail - first, error);
}

/**
 * ckptd_ship_hold() - send what is held and what was not committed
 * @ship:  initialised
 * @hold:  nobody writes to it any more
 * @error: says why not
 *
 * Return: TRUE when it is on its way.
 */
gboolean ckptd_ship_hold(struct ckptd_ship *ship, const struct ckptd_shm *hold,
                         GError **error)
{
    struct ckpt_hold_header h;

    memcpy(&h, hold->addr, sizeof(h));
    return ship_range(ship, hold, 0, sizeof(h), error) &&
           ship_ring(ship, hold, h.tx_offset, h.tx_size, h.tx_cursor, h.tx_head,
                     error) &&
           ship_ring(ship, hold, h.rx_offset, h.rx_size, h.rx_tail, h.rx_head,
                     error);
}
