/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-recover.c - what a log holds, found out from its files
 *
 * Theory of operation
 *
 * One append is under way at a time, and the next begins when it is durable.
 * So when a store is opened after a crash, at most one record is torn, it is
 * the last that was written, and nobody was told that it is durable. From this
 * follows what tells a torn tail from damage (S1):
 *
 *  T1  The walk goes from the base image's seal from record to record, as long
 *      as each is sealed, has the salt of its segment, follows the epoch
 *      before and names its seal.
 *  T2  Where the walk ends nothing sealed may come later: whoever wrote that
 *      had seen what is missing become durable. If there is something, what is
 *      missing was damaged.
 *  T3  Nor may it end before what the meta pages know to be committed, or to
 *      have gone into the base image.
 *  T4  Only the last record can have pages that its writer did not get to
 *      disk. So only its pages are checked here; those of the others when they
 *      are used. If they are not whole it is the torn one, unless T3 objects.
 *  T5  A write that failed may have left its record, or leave it yet. Before
 *      anything else is appended a fresh segment says so: whatever is before
 *      it of that epoch does not count.
 *
 * Damage is an error and changes nothing on disk: somebody has to decide.
 */
#include "ckptd/ckptd-recover.h"

#include <string.h>

#define SCAN_CHUNK_BYTES        (1u << 20)

/* Smaller records than this are read with all that lies between. */
#define READ_AHEAD_RECORD_BYTES (256u << 10)
#define READ_AHEAD_BYTES        (2u << 20)

struct walk {
    const struct ckptd_meta_state *meta;
    uint64_t ram_pages;
    uint64_t generation; /* of the last record */
    struct ckptd_record_buf buf;
    CkptdRecovery *rec;
};

static gboolean damaged(GError **error, const char *path, uint64_t epoch,
                        const char *what)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                "%s: epoch %" G_GUINT64_FORMAT ": %s", path, epoch, what);
    return FALSE;
}

static int compare_seq(gconstpointer a, gconstpointer b)
{
    const CkptdSegment *x = *(const CkptdSegment *const *)a;
    const CkptdSegment *y = *(const CkptdSegment *const *)b;

    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Open all segments and sort them into live and spare ones. */
static gboolean find_segments(struct ckptd_io *io, const char *dir,
                              gboolean read_only, struct walk *w,
                              GError **error)
{
    g_autoptr(GPtrArray) names = ckptd_io_list(io, dir, error);
    CkptdRecovery *rec = w->rec;
    guint i;

    if (!names) {
        return FALSE;
    }
    for (i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        CkptdSegment *seg;

        if (!ckptd_segment_name_is_valid(name)) {
            continue;
        }
        seg = ckptd_segment_open(io, dir, name, w->meta->store_id, read_only,
                                 error);
        if (!seg) {
            return FALSE;
        }
        g_ptr_array_add(seg->seq >= w->meta->log_seq ? rec->live : rec->spare,
                        seg);
    }
    g_ptr_array_sort(rec->live, compare_seq);
    for (i = 0; i < rec->live->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(rec->live, i);

        if (seg->seq != w->meta->log_seq + i) {
            break;
        }
    }
    if (i < rec->live->len || !rec->live->len) {
        return damaged(error, dir, w->meta->base_epoch,
                       "a segment after it is missing");
    }
    return TRUE;
}

static gboolean follows(const struct walk *w, const CkptdRecord *r)
{
    return r->epoch == w->rec->last_epoch + 1 &&
           r->prev_seal == w->rec->last_seal &&
           r->generation >= w->generation &&
           r->generation <= w->meta->generation;
}

/*
 * The walk goes from header to header, which the kernel does not take for
 * something to read ahead of: tell it.
 */
static void read_ahead(CkptdSegment *seg, const CkptdRecord *r, uint64_t *ahead)
{
    if (r->record_bytes < READ_AHEAD_RECORD_BYTES &&
        seg->end + READ_AHEAD_BYTES / 2 > *ahead && *ahead < seg->bytes) {
        *ahead = MAX(*ahead, seg->end);
        ckptd_io_advise(seg->in, *ahead, READ_AHEAD_BYTES, TRUE);
        *ahead += READ_AHEAD_BYTES;
    }
}

/* T5: what the header of @seg says of the record before it. */
static gboolean drop_void(struct walk *w, const CkptdSegment *seg,
                          GError **error)
{
    CkptdRecovery *rec = w->rec;
    CkptdRecord *r;

    if (!seg->void_epoch || rec->last_epoch < seg->void_epoch) {
        return TRUE;
    }
    if (rec->last_epoch > seg->void_epoch || !rec->records->len) {
        return damaged(error, seg->in->path, seg->void_epoch,
                       "it is said to have failed, but others follow it");
    }
    r = g_ptr_array_steal_index(rec->records, rec->records->len - 1);
    r->segment->end = r->offset;
    rec->last_epoch = r->epoch - 1;
    rec->last_seal = r->prev_seal;
    ckptd_record_free(r);
    w->generation = 0;
    if (rec->records->len) {
        r = g_ptr_array_index(rec->records, rec->records->len - 1);
        w->generation = r->generation;
    }
    return TRUE;
}

/* T1 in one segment; leaves its end after the last record. */
static gboolean walk_segment(struct walk *w, CkptdSegment *seg, GError **error)
{
    uint64_t ahead = 0;

    if (!drop_void(w, seg, error)) {
        return FALSE;
    }
    for (;;) {
        CkptdRecord *r;

        if (!ckptd_record_read(seg, seg->end, FALSE, w->ram_pages, &w->buf, &r,
                               error)) {
            return FALSE;
        }
        if (!r) {
            return TRUE;
        }
        if (!follows(w, r)) {
            damaged(error, seg->in->path, r->epoch,
                    "its record does not follow the one before");
            ckptd_record_free(r);
            return FALSE;
        }
        g_ptr_array_add(w->rec->records, r);
        w->rec->last_epoch = r->epoch;
        w->rec->last_seal = r->seal;
        w->generation = r->generation;
        seg->end += r->record_bytes;
        read_ahead(seg, r, &ahead);
    }
}

/* T2 in one segment, from @offset on. */
static gboolean scan(struct walk *w, CkptdSegment *seg, uint64_t offset,
                     gboolean any_salt, GError **error)
{
    g_autofree uint8_t *chunk = g_malloc(SCAN_CHUNK_BYTES);

    while (offset < seg->bytes) {
        size_t len;
        size_t at;

        if (!ckptd_io_read(seg->in, chunk, SCAN_CHUNK_BYTES, offset, &len,
                           error)) {
            return FALSE;
        }
        for (at = 0; at + sizeof(struct ckptd_disk_record) <= len;
             at += CKPTD_FORMAT_BLOCK_BYTES) {
            g_autoptr(CkptdRecord) r = NULL;

            if (memcmp(chunk + at, CKPTD_FORMAT_RECORD_MAGIC, 8)) {
                continue;
            }
            if (!ckptd_record_read(seg, offset + at, any_salt, w->ram_pages,
                                   &w->buf, &r, error)) {
                return FALSE;
            }
            if (r && r->epoch > w->rec->last_epoch) {
                return damaged(error, seg->in->path, r->epoch,
                               "its record is there, but not all before it");
            }
        }
        if (len < SCAN_CHUNK_BYTES) {
            break;
        }
        offset += len;
    }
    return TRUE;
}

/* T2: look behind the last record, and into files that lost their header. */
static gboolean look_behind(struct walk *w, GError **error)
{
    CkptdRecovery *rec = w->rec;
    const CkptdRecord *last = NULL;
    guint i;

    if (rec->records->len) {
        last = g_ptr_array_index(rec->records, rec->records->len - 1);
    }
    for (i = 0; i < rec->live->len; i++) {
        CkptdSegment *seg = g_ptr_array_index(rec->live, i);

        /* What starts at the end itself was no record, the walk says so. */
        if ((!last || seg->seq >= last->segment->seq) &&
            !scan(w, seg, seg->end + CKPTD_FORMAT_BLOCK_BYTES, FALSE, error)) {
            return FALSE;
        }
    }
    for (i = 0; i < rec->spare->len; i++) {
        CkptdSegment *seg = g_ptr_array_index(rec->spare, i);

        if (!seg->whole && !scan(w, seg, CKPTD_SEGMENT_START, TRUE, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* T4 */
static gboolean check_last(struct walk *w, GError **error)
{
    CkptdRecovery *rec = w->rec;
    CkptdRecord *last;
    gboolean whole;

    if (!rec->records->len) {
        return TRUE;
    }
    last = g_ptr_array_index(rec->records, rec->records->len - 1);
    if (!ckptd_record_check_data(last, &whole, error)) {
        return FALSE;
    }
    if (!whole) {
        rec->torn =
            g_ptr_array_steal_index(rec->records, rec->records->len - 1);
        rec->torn->segment->end = rec->torn->offset;
        rec->last_epoch = rec->torn->epoch - 1;
        rec->last_seal = rec->torn->prev_seal;
    }
    return TRUE;
}

static gboolean recover(struct ckptd_io *io, const char *dir,
                        gboolean read_only, struct walk *w, GError **error)
{
    CkptdRecovery *rec = w->rec;
    uint64_t known = MAX(w->meta->committed, w->meta->fold_epoch);
    guint i;

    if (!find_segments(io, dir, read_only, w, error)) {
        return FALSE;
    }
    for (i = 0; i < rec->live->len; i++) {
        if (!walk_segment(w, g_ptr_array_index(rec->live, i), error)) {
            return FALSE;
        }
    }
    if (!look_behind(w, error) || !check_last(w, error)) {
        return FALSE;
    }
    /* A store that begins with a label is about to get its first record. */
    if (rec->last_epoch < known ||
        (known && !rec->records->len && !w->meta->origin)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: whole up to epoch %" G_GUINT64_FORMAT
                    ", but epoch %" G_GUINT64_FORMAT " was committed",
                    dir, rec->last_epoch, known);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_recover() - find out what a log holds
 * @io:        the layer
 * @dir:       the store's directory
 * @meta:      its meta page
 * @ram_pages: of the guest
 * @read_only: the segments will not be written to
 * @ret:       what was found; to be cleared with ckptd_recover_clear(), on
 *             failure too: then it is as far as one got
 * @error:     CKPTD_ERROR_DAMAGED, _VERSION, _IO
 *
 * Return: TRUE if the log is whole, but for at most one torn record.
 * Context: any thread; blocks.
 */
gboolean ckptd_recover(struct ckptd_io *io, const char *dir,
                       const struct ckptd_meta_state *meta, uint64_t ram_pages,
                       gboolean read_only, CkptdRecovery *ret, GError **error)
{
    struct walk w = { .meta = meta, .ram_pages = ram_pages, .rec = ret };
    gboolean ok;

    *ret = (CkptdRecovery){
        .live =
            g_ptr_array_new_with_free_func((GDestroyNotify)ckptd_segment_free),
        .spare =
            g_ptr_array_new_with_free_func((GDestroyNotify)ckptd_segment_free),
        .records =
            g_ptr_array_new_with_free_func((GDestroyNotify)ckptd_record_free),
        .last_epoch = meta->base_epoch,
        .last_seal = meta->base_seal,
    };
    ok = recover(io, dir, read_only, &w, error);
    ckptd_record_buf_clear(&w.buf);
    return ok;
}

/**
 * ckptd_recover_clear() - give back what was found and is still there
 * @rec: from ckptd_recover()
 *
 * Context: any thread.
 */
void ckptd_recover_clear(CkptdRecovery *rec)
{
    g_clear_pointer(&rec->records, g_ptr_array_unref);
    g_clear_pointer(&rec->live, g_ptr_array_unref);
    g_clear_pointer(&rec->spare, g_ptr_array_unref);
    g_clear_pointer(&rec->torn, ckptd_record_free);
}
