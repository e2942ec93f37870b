/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-record.c - one checkpoint in the log
 *
 * A record is made from a staging slot that its writer could still scribble
 * over: header, list and device state are copied before they are looked at.
 * The pages are not; their checksums are taken from the mapping they are
 * written from, and what is changed in between makes a record that is found
 * invalid, nothing worse.
 *
 * Each page has a checksum of its own in the list, and the seal covers the
 * list: so a reader can check just the pages it uses, and a record can be
 * known whole by hashing it once. Reading trusts nothing: every length is
 * checked against what encloses it before it is used.
 */
#include "ckptd/ckptd-record.h"

#include <stdlib.h>
#include <string.h>

#include "ckptd/ckptd-sum.h"

#define SEAL_FROM_BYTES   offsetof(struct ckptd_disk_record, salt)
#define CHECK_CHUNK_PAGES 256u

static uint64_t round_up_block(uint64_t n)
{
    return (n + CKPTD_FORMAT_BLOCK_BYTES - 1) &
           ~(uint64_t)(CKPTD_FORMAT_BLOCK_BYTES - 1);
}

static void buf_need(struct ckptd_record_buf *buf, size_t bytes)
{
    if (bytes > buf->bytes) {
        free(buf->data);
        buf->data = ckptd_io_alloc(bytes);
        buf->bytes = bytes;
    }
}

/**
 * ckptd_record_buf_clear() - give the memory back
 * @buf: the buffer; empty and usable afterwards
 *
 * Context: the buffer's owner thread.
 */
void ckptd_record_buf_clear(struct ckptd_record_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->bytes = 0;
}

/* --- from a slot ---------------------------------------------------------- */

static gboolean refuse(GError **error, const char *what)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID, "slot: %s", what);
    return FALSE;
}

static gboolean inside(uint64_t offset, uint64_t len, uint64_t limit)
{
    return offset <= limit && len <= limit - offset;
}

static gboolean check_slot(const struct ckpt_slot *s, size_t slot_bytes,
                           uint64_t ram_pages, GError **error)
{
    if (s->magic != CKPT_SLOT_MAGIC) {
        return refuse(error, "no magic");
    }
    if (!s->epoch || s->n_pages > ram_pages || s->n_data > s->n_pages) {
        return refuse(error, "impossible counts");
    }
    if (s->devstate_bytes > CKPTD_RECORD_DEVSTATE_MAX_BYTES ||
        !inside(s->list_offset, s->n_pages * sizeof(uint64_t), slot_bytes) ||
        !inside(s->devstate_offset, s->devstate_bytes, slot_bytes) ||
        s->data_offset % CKPT_PAGE_BYTES ||
        !inside(s->data_offset, s->n_data * CKPT_PAGE_BYTES, slot_bytes)) {
        return refuse(error, "a part lies outside");
    }
    return TRUE;
}

/* Copy and check the list, and sum the pages. */
static gboolean encode_list(const uint8_t *slot, const struct ckpt_slot *s,
                            uint64_t ram_pages, struct ckptd_disk_page *list,
                            GError **error)
{
    const uint8_t *from = slot + s->list_offset;
    const uint8_t *data = slot + s->data_offset;
    uint64_t n_data = 0;
    uint64_t next = 0;
    uint64_t i;

    for (i = 0; i < s->n_pages; i++) {
        uint64_t entry;
        uint64_t page;
        uint64_t sum = 0;

        memcpy(&entry, from + i * sizeof(entry), sizeof(entry));
        page = le64toh(entry) & ~CKPT_PAGE_ZERO;
        if (page < next || page >= ram_pages) {
            return refuse(error, "pages out of order or outside RAM");
        }
        next = page + 1;
        if (!(le64toh(entry) & CKPT_PAGE_ZERO)) {
            if (n_data == s->n_data) {
                return refuse(error, "more pages than data");
            }
            sum =
                ckptd_sum(data + n_data * CKPT_PAGE_BYTES, CKPT_PAGE_BYTES, 0);
            n_data++;
        }
        list[i].page.v = entry;
        list[i].sum = le64_put(sum);
    }
    return n_data == s->n_data ? TRUE : refuse(error, "more data than pages");
}

/**
 * ckptd_record_encode() - make the meta part of a record from a staging slot
 * @buf:        where to make it
 * @slot:       page aligned, shared with the guest's QEMU
 * @slot_bytes: its size
 * @ram_pages:  of the guest
 * @ret_data:   the record's pages, in the slot
 * @error:      CKPTD_ERROR_INVALID: what is wrong with the slot
 *
 * What depends on the place in the log is left to ckptd_record_seal().
 *
 * Return: (transfer full): the record, or NULL.
 * Context: the buffer's owner thread.
 */
CkptdRecord *ckptd_record_encode(struct ckptd_record_buf *buf, const void *slot,
                                 size_t slot_bytes, uint64_t ram_pages,
                                 const void **ret_data, GError **error)
{
    g_autoptr(CkptdRecord) r = g_new0(CkptdRecord, 1);
    struct ckpt_slot s;
    size_t list_bytes;
    size_t used;

    if (slot_bytes < sizeof(s)) {
        refuse(error, "too small");
        return NULL;
    }
    memcpy(&s, slot, sizeof(s));
    if (!check_slot(&s, slot_bytes, ram_pages, error)) {
        return NULL;
    }
    list_bytes = s.n_pages * sizeof(struct ckptd_disk_page);
    r->header_bytes = sizeof(struct ckptd_disk_record);
    used = r->header_bytes + list_bytes + s.devstate_bytes;
    r->meta_bytes = round_up_block(used);
    buf_need(buf, r->meta_bytes);
    r->list = g_malloc(list_bytes);
    if (!encode_list(slot, &s, ram_pages, r->list, error)) {
        return NULL;
    }
    if (list_bytes) {
        memcpy(buf->data + r->header_bytes, r->list, list_bytes);
    }
    memcpy(buf->data + r->header_bytes + list_bytes,
           (const uint8_t *)slot + s.devstate_offset, s.devstate_bytes);
    memset(buf->data + used, 0, r->meta_bytes - used);

    r->epoch = s.epoch;
    r->generation = s.generation;
    r->n_pages = s.n_pages;
    r->n_data = s.n_data;
    r->devstate_bytes = s.devstate_bytes;
    r->ram_hash = s.ram_hash;
    r->flags = s.ram_hash ? CKPTD_FORMAT_RECORD_HASH : 0;
    r->record_bytes = r->meta_bytes + r->n_data * CKPTD_FORMAT_PAGE_BYTES;
    *ret_data = (const uint8_t *)slot + s.data_offset;
    return g_steal_pointer(&r);
}

/**
 * ckptd_record_seal() - finish a record for its place in the log
 * @r:         from ckptd_record_encode()
 * @buf:       its meta part
 * @segment:   where it goes, at the segment's end
 * @committed: last durable epoch
 * @prev_seal: seal of the record before
 *
 * Context: the log's owner thread.
 */
void ckptd_record_seal(CkptdRecord *r, struct ckptd_record_buf *buf,
                       CkptdSegment *segment, uint64_t committed,
                       uint64_t prev_seal)
{
    struct ckptd_disk_record d = {
        .salt = le64_put(segment->salt),
        .struct_bytes = le32_put(r->header_bytes),
        .flags = le32_put(r->flags),
        .epoch = le64_put(r->epoch),
        .generation = le64_put(r->generation),
        .committed = le64_put(committed),
        .prev_seal = le64_put(prev_seal),
        .record_bytes = le64_put(r->record_bytes),
        .meta_bytes = le64_put(r->meta_bytes),
        .n_pages = le64_put(r->n_pages),
        .n_data = le64_put(r->n_data),
        .devstate_bytes = le64_put(r->devstate_bytes),
        .ram_hash = le64_put(r->ram_hash),
    };

    memcpy(d.magic, CKPTD_FORMAT_RECORD_MAGIC, sizeof(d.magic));
    memcpy(buf->data, &d, sizeof(d));
    r->seal = ckptd_sum(buf->data + SEAL_FROM_BYTES,
                        r->meta_bytes - SEAL_FROM_BYTES, segment->salt);
    d.seal = le64_put(r->seal);
    memcpy(buf->data, &d, sizeof(d));
    r->segment = segment;
    r->offset = segment->end;
    r->committed = committed;
    r->prev_seal = prev_seal;
}

/* --- from disk ------------------------------------------------------------ */

/* Are the header's lengths possible, where @room bytes are left? */
static gboolean decode_header(const struct ckptd_disk_record *d, uint64_t room,
                              uint64_t ram_pages, CkptdRecord *r)
{
    r->seal = le64_get(d->seal);
    r->header_bytes = le32_get(d->struct_bytes);
    r->flags = le32_get(d->flags);
    r->epoch = le64_get(d->epoch);
    r->generation = le64_get(d->generation);
    r->committed = le64_get(d->committed);
    r->prev_seal = le64_get(d->prev_seal);
    r->record_bytes = le64_get(d->record_bytes);
    r->meta_bytes = le64_get(d->meta_bytes);
    r->n_pages = le64_get(d->n_pages);
    r->n_data = le64_get(d->n_data);
    r->devstate_bytes = le64_get(d->devstate_bytes);
    r->ram_hash = le64_get(d->ram_hash);
    return r->header_bytes >= sizeof(*d) &&
           r->header_bytes <= CKPTD_FORMAT_BLOCK_BYTES &&
           r->n_pages <= ram_pages && r->n_data <= r->n_pages &&
           r->devstate_bytes <= CKPTD_RECORD_DEVSTATE_MAX_BYTES &&
           r->meta_bytes ==
               round_up_block(r->header_bytes +
                              r->n_pages * sizeof(struct ckptd_disk_page) +
                              r->devstate_bytes) &&
           r->record_bytes ==
               r->meta_bytes + r->n_data * CKPTD_FORMAT_PAGE_BYTES &&
           r->record_bytes <= room && r->epoch && r->committed < r->epoch;
}

static gboolean list_is_valid(const CkptdRecord *r, uint64_t ram_pages)
{
    uint64_t n_data = 0;
    uint64_t next = 0;
    uint64_t i;

    for (i = 0; i < r->n_pages; i++) {
        uint64_t entry = le64_get(r->list[i].page);
        uint64_t page = entry & ~CKPTD_FORMAT_PAGE_ZERO;

        if (page < next || page >= ram_pages) {
            return FALSE;
        }
        next = page + 1;
        if (!(entry & CKPTD_FORMAT_PAGE_ZERO)) {
            n_data++;
        } else if (le64_get(r->list[i].sum)) {
            return FALSE;
        }
    }
    return n_data == r->n_data;
}

/**
 * ckptd_record_read() - read the meta part of a record, if there is one
 * @segment:   where
 * @offset:    where in it
 * @any_salt:  take it whatever its salt, as if the segment's were unknown
 * @ram_pages: of the guest
 * @buf:       scratch memory; holds the meta part afterwards
 * @ret:       (transfer full): the record, or NULL if what lies there is none
 * @error:     a read failed
 *
 * A record that is returned has a valid seal; its pages are not looked at.
 *
 * Return: TRUE unless a read failed.
 * Context: the buffer's owner thread; blocks.
 */
gboolean ckptd_record_read(CkptdSegment *segment, uint64_t offset,
                           gboolean any_salt, uint64_t ram_pages,
                           struct ckptd_record_buf *buf, CkptdRecord **ret,
                           GError **error)
{
    g_autoptr(CkptdRecord) r = g_new0(CkptdRecord, 1);
    struct ckptd_disk_record d;
    size_t list_bytes;
    uint64_t room;
    uint64_t salt;

    *ret = NULL;
    if (offset >= segment->bytes ||
        segment->bytes - offset < CKPTD_FORMAT_BLOCK_BYTES) {
        return TRUE;
    }
    room = segment->bytes - offset;
    buf_need(buf, CKPTD_FORMAT_BLOCK_BYTES);
    if (!ckptd_io_read(segment->in, buf->data, CKPTD_FORMAT_BLOCK_BYTES, offset,
                       NULL, error)) {
        return FALSE;
    }
    memcpy(&d, buf->data, sizeof(d));
    salt = le64_get(d.salt);
    if (memcmp(d.magic, CKPTD_FORMAT_RECORD_MAGIC, sizeof(d.magic)) ||
        (!any_salt && salt != segment->salt) ||
        !decode_header(&d, room, ram_pages, r)) {
        return TRUE;
    }
    if (r->meta_bytes > CKPTD_FORMAT_BLOCK_BYTES) {
        buf_need(buf, r->meta_bytes);
        if (!ckptd_io_read(segment->in, buf->data, r->meta_bytes, offset, NULL,
                           error)) {
            return FALSE;
        }
    }
    list_bytes = r->n_pages * sizeof(struct ckptd_disk_page);
    r->list = g_memdup2(buf->data + r->header_bytes, list_bytes);
    r->segment = segment;
    r->offset = offset;
    if (r->seal == ckptd_sum(buf->data + SEAL_FROM_BYTES,
                             r->meta_bytes - SEAL_FROM_BYTES, salt) &&
        list_is_valid(r, ram_pages)) {
        *ret = g_steal_pointer(&r);
    }
    return TRUE;
}

/**
 * ckptd_record_check_data() - are all pages of a record whole
 * @r:         the record
 * @ret_whole: whether they are
 * @error:     a read failed
 *
 * Return: TRUE unless a read failed.
 * Context: any thread; blocks.
 */
gboolean ckptd_record_check_data(const CkptdRecord *r, gboolean *ret_whole,
                                 GError **error)
{
    uint64_t at = r->offset + r->meta_bytes;
    g_autofree uint8_t *chunk = NULL;
    uint64_t n_chunk = 0;
    uint64_t n_read = 0;
    uint64_t i;

    chunk = g_malloc(CHECK_CHUNK_PAGES * CKPTD_FORMAT_PAGE_BYTES);
    for (i = 0; i < r->n_pages; i++) {
        const uint8_t *page;

        if (le64_get(r->list[i].page) & CKPTD_FORMAT_PAGE_ZERO) {
            continue;
        }
        if (n_read % CHECK_CHUNK_PAGES == 0) {
            n_chunk = MIN(CHECK_CHUNK_PAGES, r->n_data - n_read);
            if (!ckptd_io_read(r->segment->in, chunk,
                               n_chunk * CKPTD_FORMAT_PAGE_BYTES, at, NULL,
                               error)) {
                return FALSE;
            }
            at += n_chunk * CKPTD_FORMAT_PAGE_BYTES;
        }
        page = chunk + n_read % CHECK_CHUNK_PAGES * CKPTD_FORMAT_PAGE_BYTES;
        n_read++;
        if (ckptd_sum(page, CKPTD_FORMAT_PAGE_BYTES, 0) !=
            le64_get(r->list[i].sum)) {
            *ret_whole = FALSE;
            return TRUE;
        }
    }
    *ret_whole = TRUE;
    return TRUE;
}

/**
 * ckptd_record_read_devstate() - read and check a record's device state
 * @r:     the record
 * @buf:   room for its devstate_bytes
 * @error: CKPTD_ERROR_DAMAGED, _IO
 *
 * The whole meta part is read again and its seal checked: the seal is what
 * covers the device state.
 *
 * Return: TRUE on success.
 * Context: any thread; blocks.
 */
gboolean ckptd_record_read_devstate(const CkptdRecord *r, void *buf,
                                    GError **error)
{
    g_autofree uint8_t *meta = g_malloc(r->meta_bytes);
    size_t list_bytes = r->n_pages * sizeof(struct ckptd_disk_page);

    if (!ckptd_io_read(r->segment->in, meta, r->meta_bytes, r->offset, NULL,
                       error)) {
        return FALSE;
    }
    if (r->seal != ckptd_sum(meta + SEAL_FROM_BYTES,
                             r->meta_bytes - SEAL_FROM_BYTES,
                             r->segment->salt)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: the record of epoch %" G_GUINT64_FORMAT
                    " is no longer whole",
                    r->segment->in->path, r->epoch);
        return FALSE;
    }
    memcpy(buf, meta + r->header_bytes + list_bytes, r->devstate_bytes);
    return TRUE;
}

/**
 * ckptd_record_free() - forget a record
 * @r: (transfer full) (nullable): the record
 *
 * Context: any thread.
 */
void ckptd_record_free(CkptdRecord *r)
{
    if (r) {
        g_free(r->list);
        g_free(r);
    }
}
