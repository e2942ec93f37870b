/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-snapshot.c - a store as of one epoch, held still
 *
 * What is in it: the records that were in the log when it was made, and below
 * them the base image.  The log keeps both still (ckptd_log_hold()): a fold
 * that is under way may write to the base image, but only pages of records
 * that the snapshot has itself, and lets go of nothing; the next fold waits.
 */
#include "ckptd/ckptd-snapshot.h"

#include "ckptd/ckptd-index.h"
#include "ckptd/ckptd-log.h"
#include "ckptd/ckptd-store-internal.h"
#include "ckptd/ckptd-sum.h"

#define RUN_MAX_PAGES 256u

struct ckptd_snapshot {
    CkptdLog *log;
    CkptdFile *base; /* borrowed from the store, as the log */
    CkptdFile *sums;
    GPtrArray *records; /* of CkptdRecord, oldest first */
    uint64_t ram_pages;
    struct ckptd_snapshot_info info;
};

/**
 * ckptd_store_snapshot() - hold the state as of the last durable epoch still
 * @s:     the store; must stay open for as long as the snapshot is there
 * @error: CKPTD_ERROR_NOT_FOUND: there is no checkpoint yet
 *
 * Return: (transfer full): the snapshot.
 * Context: any thread; does not block.
 */
CkptdSnapshot *ckptd_store_snapshot(CkptdStore *s, GError **error)
{
    struct ckptd_store_parts parts;
    const CkptdRecord *last;
    CkptdSnapshot *snapshot;
    GPtrArray *records;

    ckptd_store_parts(s, &parts);
    records = ckptd_log_hold(parts.log);
    /* Only now: a fold that ended before may have moved the base image. */
    ckptd_store_parts(s, &parts);
    if (!records->len) {
        ckptd_log_let_go(parts.log, records);
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "there is no checkpoint yet");
        return NULL;
    }
    last = g_ptr_array_index(records, records->len - 1);
    snapshot = g_new0(CkptdSnapshot, 1);
    snapshot->log = parts.log;
    snapshot->base = parts.base;
    snapshot->sums = parts.sums;
    snapshot->records = records;
    snapshot->info = (struct ckptd_snapshot_info){
        .manifest = *ckptd_store_manifest(s),
        .epoch = last->epoch,
        .generation = last->generation,
        .devstate_bytes = last->devstate_bytes,
        .ram_hash = last->flags & CKPTD_FORMAT_RECORD_HASH ? last->ram_hash : 0,
    };
    snapshot->ram_pages =
        snapshot->info.manifest.ram_bytes / CKPTD_FORMAT_PAGE_BYTES;
    return snapshot;
}

/**
 * ckptd_snapshot_info() - what it is a snapshot of
 * @snapshot: the snapshot
 * @ret_info: filled in
 *
 * Context: any thread.
 */
void ckptd_snapshot_info(const CkptdSnapshot *snapshot,
                         struct ckptd_snapshot_info *ret_info)
{
    *ret_info = snapshot->info;
}

/**
 * ckptd_snapshot_read_devstate() - read and check the device state
 * @snapshot: the snapshot
 * @buf:      room for info.devstate_bytes
 * @error:    CKPTD_ERROR_DAMAGED, _IO
 *
 * Return: TRUE on success.
 * Context: any one thread; blocks.
 */
gboolean ckptd_snapshot_read_devstate(CkptdSnapshot *snapshot, void *buf,
                                      GError **error)
{
    const CkptdRecord *last =
        g_ptr_array_index(snapshot->records, snapshot->records->len - 1);

    return ckptd_record_read_devstate(last, buf, error);
}

struct reading {
    CkptdSnapshotFunc func;
    gpointer opaque;
    const le64 *sums; /* of the base image's pages */
    uint8_t *buf;     /* RUN_MAX_PAGES */
};

static gboolean take_logged(uint64_t index G_GNUC_UNUSED,
                            const struct ckptd_index_page *p,
                            const uint8_t *data, gpointer opaque,
                            GError **error)
{
    struct reading *r = opaque;

    return !data || r->func(p->page, data, p->sum, r->opaque, error);
}

/* Pages [first, first + n) of the base image, none of them zero. */
static gboolean read_base_run(CkptdSnapshot *snapshot, struct reading *r,
                              uint64_t first, uint64_t n, GError **error)
{
    uint64_t i;

    if (!ckptd_io_read(snapshot->base, r->buf, n * CKPTD_FORMAT_PAGE_BYTES,
                       first * CKPTD_FORMAT_PAGE_BYTES, NULL, error)) {
        return FALSE;
    }
    for (i = 0; i < n; i++) {
        const uint8_t *data = r->buf + i * CKPTD_FORMAT_PAGE_BYTES;
        uint64_t sum = le64_get(r->sums[first + i]);

        if (ckptd_sum(data, CKPTD_FORMAT_PAGE_BYTES, 0) != sum) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                        "%s: page %" G_GUINT64_FORMAT " is no longer whole",
                        snapshot->base->path, first + i);
            return FALSE;
        }
        if (!r->func(first + i, data, sum, r->opaque, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* What the base image has and no record: runs of pages that are not zero. */
static gboolean read_base(CkptdSnapshot *snapshot, struct reading *r,
                          const GArray *logged, GError **error)
{
    uint64_t first = 0;
    uint64_t page;
    uint64_t n = 0;
    guint next = 0; /* place in @logged */

    for (page = 0; page <= snapshot->ram_pages; page++) {
        gboolean wanted = page < snapshot->ram_pages && le64_get(r->sums[page]);

        if (next < logged->len &&
            g_array_index(logged, struct ckptd_index_page, next).page == page) {
            wanted = FALSE;
            next++;
        }
        if (n && (!wanted || n == RUN_MAX_PAGES)) {
            if (!read_base_run(snapshot, r, first, n, error)) {
                return FALSE;
            }
            n = 0;
        }
        if (wanted && !n++) {
            first = page;
        }
    }
    return TRUE;
}

/* Return: the sums of the base image, or NULL. */
static le64 *read_sums(CkptdSnapshot *snapshot, GError **error)
{
    g_autofree le64 *sums = g_new(le64, snapshot->ram_pages);

    return ckptd_io_read(snapshot->sums, sums,
                         snapshot->ram_pages * sizeof(*sums), 0, NULL, error)
               ? g_steal_pointer(&sums)
               : NULL;
}

/**
 * ckptd_snapshot_count_pages() - how many pages there are to read
 * @snapshot:  the snapshot
 * @ret_pages: of those that are not zero
 * @error:     CKPTD_ERROR_IO
 *
 * Return: TRUE on success.
 * Context: any one thread; blocks.
 */
gboolean ckptd_snapshot_count_pages(CkptdSnapshot *snapshot,
                                    uint64_t *ret_pages, GError **error)
{
    g_autoptr(GArray) logged =
        ckptd_index_newest(snapshot->records, snapshot->ram_pages);
    g_autofree le64 *sums = read_sums(snapshot, error);
    uint64_t n = 0;
    uint64_t page;
    guint i;

    for (page = 0; sums && page < snapshot->ram_pages; page++) {
        n += le64_get(sums[page]) != 0;
    }
    for (i = 0; sums && i < logged->len; i++) {
        const struct ckptd_index_page *p =
            &g_array_index(logged, struct ckptd_index_page, i);

        n += (p->segment != NULL) - (le64_get(sums[p->page]) != 0);
    }
    if (sums) {
        *ret_pages = n;
    }
    return sums != NULL;
}

/**
 * ckptd_snapshot_read_pages() - read every page that is not zero, once
 * @snapshot: the snapshot
 * @func:     called for each, in no order that counts
 * @opaque:   for @func
 * @error:    CKPTD_ERROR_DAMAGED, _IO, or what @func says
 *
 * Return: TRUE if all were read, and whole.
 * Context: any one thread; blocks.
 */
gboolean ckptd_snapshot_read_pages(CkptdSnapshot *snapshot,
                                   CkptdSnapshotFunc func, gpointer opaque,
                                   GError **error)
{
    g_autoptr(GArray) logged =
        ckptd_index_newest(snapshot->records, snapshot->ram_pages);
    g_autofree le64 *sums = read_sums(snapshot, error);
    g_autofree uint8_t *buf = g_malloc(RUN_MAX_PAGES * CKPTD_FORMAT_PAGE_BYTES);
    struct reading r = { func, opaque, sums, buf };

    return sums && read_base(snapshot, &r, logged, error) &&
           ckptd_index_read(logged, take_logged, &r, error);
}

/* The records behind an epoch, borrowed; all of them, or NULL. */
static GPtrArray *records_since(CkptdSnapshot *snapshot, uint64_t since)
{
    GPtrArray *some = g_ptr_array_new();
    guint i;

    for (i = 0; i < snapshot->records->len; i++) {
        CkptdRecord *r = g_ptr_array_index(snapshot->records, i);

        if (r->epoch > since) {
            g_ptr_array_add(some, r);
        }
    }
    if (some->len != snapshot->info.epoch - since) {
        g_ptr_array_unref(some);
        return NULL;
    }
    return some;
}

static gboolean take_change(uint64_t index G_GNUC_UNUSED,
                            const struct ckptd_index_page *p,
                            const uint8_t *data, gpointer opaque,
                            GError **error)
{
    struct reading *r = opaque;

    return r->func(p->page, data, p->sum, r->opaque, error);
}

/**
 * ckptd_snapshot_read_changes() - read what changed since an epoch, once
 * @snapshot: the snapshot
 * @since:    of an earlier snapshot, which was let go of after this one was
 *            made: so its records are all still there
 * @func:     called for each page that was written to, also if it is zero now
 * @opaque:   for @func
 * @error:    CKPTD_ERROR_DAMAGED, _IO, or what @func says
 *
 * Return: TRUE if all were read, and whole.
 * Context: any one thread; blocks.
 */
gboolean ckptd_snapshot_read_changes(CkptdSnapshot *snapshot, uint64_t since,
                                     CkptdSnapshotFunc func, gpointer opaque,
                                     GError **error)
{
    g_autoptr(GPtrArray) records = records_since(snapshot, since);
    g_autoptr(GArray) pages = NULL;
    struct reading r = { .func = func, .opaque = opaque };

    g_assert(records);
    pages = ckptd_index_newest(records, snapshot->ram_pages);
    return ckptd_index_read(pages, take_change, &r, error);
}

/**
 * ckptd_snapshot_count_changes() - how much that would be
 * @snapshot: the snapshot
 * @since:    as for ckptd_snapshot_read_changes()
 *
 * Return: pages, zero ones included.
 * Context: any one thread.
 */
uint64_t ckptd_snapshot_count_changes(CkptdSnapshot *snapshot, uint64_t since)
{
    g_autoptr(GPtrArray) records = records_since(snapshot, since);
    g_autoptr(GArray) pages = NULL;

    g_assert(records);
    pages = ckptd_index_newest(records, snapshot->ram_pages);
    return pages->len;
}

/**
 * ckptd_snapshot_free() - let folding go on
 * @snapshot: (transfer full) (nullable): the snapshot
 *
 * Context: any thread, before the store is closed.
 */
void ckptd_snapshot_free(CkptdSnapshot *snapshot)
{
    if (snapshot) {
        ckptd_log_let_go(snapshot->log, snapshot->records);
        g_free(snapshot);
    }
}
