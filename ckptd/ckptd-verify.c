/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-verify.c - is everything in a store whole
 *
 * A recovery checks what it uses; this checks what is there: each page of each
 * record, each page of the base image that a recovery would use, and, where
 * the last record carries a hash of RAM, RAM as a recovery would put it
 * together. It writes nothing.
 */
#include "ckptd/ckptd-store.h"

#include <string.h>

#include "ckptd/ckptd-index.h"
#include "ckptd/ckptd-manifest.h"
#include "ckptd/ckptd-recover.h"
#include "ckptd/ckptd-store-internal.h"
#include "ckptd/ckptd-sum.h"

#define CHUNK_PAGES 256u

struct verify {
    CkptdVerifyFunc progress;
    gpointer opaque;
    struct ckptd_verify_report *report;
    uint64_t total_bytes;
    uint64_t ram_pages;
    CkptdFile *base;
    CkptdFile *sums;
    uint8_t *ram; /* (nullable): put together for the hash */
};

static void G_GNUC_PRINTF(2, 3) problem(struct verify *v, const char *fmt, ...)
{
    struct ckptd_verify_report *r = v->report;
    va_list ap;

    if (r->problems++ == 0) {
        va_start(ap, fmt);
        g_vsnprintf(r->first_problem, sizeof(r->first_problem), fmt, ap);
        va_end(ap);
    }
}

static void advance(struct verify *v, uint64_t bytes)
{
    v->report->bytes += bytes;
    if (v->progress) {
        v->progress(v->report->bytes, MAX(v->total_bytes, v->report->bytes),
                    v->opaque);
    }
}

static gboolean verify_records(struct verify *v, GPtrArray *records,
                               GError **error)
{
    guint i;

    for (i = 0; i < records->len; i++) {
        const CkptdRecord *r = g_ptr_array_index(records, i);
        gboolean whole;

        if (!ckptd_record_check_data(r, &whole, error)) {
            return FALSE;
        }
        if (!whole) {
            problem(v, "%s: pages of epoch %" G_GUINT64_FORMAT " are damaged",
                    r->segment->name, r->epoch);
        }
        v->report->records++;
        v->report->pages += r->n_pages;
        advance(v, r->record_bytes);
    }
    return TRUE;
}

static gboolean page_is_zero(const uint8_t *p)
{
    return !p[0] && !memcmp(p, p + 1, CKPTD_FORMAT_PAGE_BYTES - 1);
}

/* Pages of the base image, but for those that the tail replaces. */
static gboolean verify_base(struct verify *v, const uint8_t *replaced,
                            GError **error)
{
    g_autofree uint8_t *chunk = g_malloc(CHUNK_PAGES * CKPTD_FORMAT_PAGE_BYTES);
    le64 sums[CHUNK_PAGES];
    uint64_t first;
    uint64_t n;
    uint64_t i;

    for (first = 0; first < v->ram_pages; first += n) {
        n = MIN(CHUNK_PAGES, v->ram_pages - first);
        if (!ckptd_io_read(v->base, chunk, n * CKPTD_FORMAT_PAGE_BYTES,
                           first * CKPTD_FORMAT_PAGE_BYTES, NULL, error) ||
            !ckptd_io_read(v->sums, sums, n * sizeof(*sums),
                           first * sizeof(*sums), NULL, error)) {
            return FALSE;
        }
        for (i = 0; i < n; i++) {
            const uint8_t *page = chunk + i * CKPTD_FORMAT_PAGE_BYTES;
            uint64_t sum = le64_get(sums[i]);

            if (!replaced[first + i] &&
                !(sum ? sum == ckptd_sum(page, CKPTD_FORMAT_PAGE_BYTES, 0)
                      : page_is_zero(page))) {
                problem(v, "base: page %" G_GUINT64_FORMAT " is damaged",
                        first + i);
            }
        }
        if (v->ram) {
            memcpy(v->ram + first * CKPTD_FORMAT_PAGE_BYTES, chunk,
                   n * CKPTD_FORMAT_PAGE_BYTES);
        }
        advance(v, n * CKPTD_FORMAT_PAGE_BYTES);
    }
    return TRUE;
}

static gboolean overlay_page(uint64_t index G_GNUC_UNUSED,
                             const struct ckptd_index_page *p,
                             const uint8_t *data, gpointer opaque,
                             GError **error G_GNUC_UNUSED)
{
    uint8_t *to =
        ((struct verify *)opaque)->ram + p->page * CKPTD_FORMAT_PAGE_BYTES;

    if (data) {
        memcpy(to, data, CKPTD_FORMAT_PAGE_BYTES);
    } else {
        memset(to, 0, CKPTD_FORMAT_PAGE_BYTES);
    }
    return TRUE;
}

static gboolean verify_ram(struct verify *v, const CkptdRecovery *rec,
                           GError **error)
{
    g_autoptr(GArray) pages = ckptd_index_newest(rec->records, v->ram_pages);
    g_autofree uint8_t *replaced = g_malloc0(v->ram_pages);
    uint64_t ram_bytes = v->ram_pages * CKPTD_FORMAT_PAGE_BYTES;
    const CkptdRecord *last = NULL;
    gboolean ok;
    guint i;

    for (i = 0; i < pages->len; i++) {
        replaced[g_array_index(pages, struct ckptd_index_page, i).page] = 1;
    }
    if (rec->records->len) {
        last = g_ptr_array_index(rec->records, rec->records->len - 1);
    }
    if (last && (last->flags & CKPTD_FORMAT_RECORD_HASH) &&
        !v->report->problems) {
        v->ram = g_try_malloc(ram_bytes);
    }
    ok = verify_base(v, replaced, error);
    if (ok && v->ram && !v->report->problems) {
        ok = ckptd_index_read(pages, overlay_page, v, error);
        v->report->hash_checked = ok;
        if (ok && ckptd_sum(v->ram, ram_bytes, 0) != last->ram_hash) {
            problem(v,
                    "RAM as of epoch %" G_GUINT64_FORMAT
                    " does not have the hash that its record says",
                    last->epoch);
        }
    }
    g_clear_pointer(&v->ram, g_free);
    return ok;
}

static gboolean verify_locked(struct verify *v, struct ckptd_io *io,
                              const char *dir, GError **error)
{
    g_autoptr(CkptdMeta) meta = ckptd_meta_open(io, dir, TRUE, error);
    g_auto(CkptdRecovery) rec = { 0 };
    g_autoptr(GError) damage = NULL;
    struct ckptd_manifest manifest;
    struct ckptd_meta_state state;
    guint i;

    if (!meta || !ckptd_manifest_load(io, dir, &manifest, error)) {
        return FALSE;
    }
    ckptd_meta_get(meta, &state);
    v->ram_pages = manifest.ram_bytes / CKPTD_FORMAT_PAGE_BYTES;
    v->total_bytes = manifest.ram_bytes;
    if (!ckptd_recover(io, dir, &state, v->ram_pages, TRUE, &rec, &damage)) {
        if (!g_error_matches(damage, CKPTD_ERROR, CKPTD_ERROR_DAMAGED)) {
            g_propagate_error(error, g_steal_pointer(&damage));
            return FALSE;
        }
        problem(v, "%s", damage->message);
    }
    v->report->generation = state.generation;
    v->report->base_epoch = state.base_epoch;
    v->report->committed = MAX(state.committed, state.fold_epoch);
    v->report->last_epoch = rec.last_epoch;
    v->report->torn_tail = rec.torn != NULL;
    for (i = 0; i < rec.records->len; i++) {
        v->total_bytes +=
            ((CkptdRecord *)g_ptr_array_index(rec.records, i))->record_bytes;
    }
    return verify_records(v, rec.records, error) && verify_ram(v, &rec, error);
}

/**
 * ckptd_store_verify() - check all of a store that nobody has open
 * @dir:        its directory
 * @progress:   (nullable): called now and then
 * @opaque:     for @progress
 * @ret_report: what was found; problems says whether the store is whole
 * @error:      CKPTD_ERROR_NOT_FOUND, _BUSY, _VERSION, _IO; _DAMAGED where so
 *              much is missing that nothing could be checked
 *
 * Return: TRUE if it could be checked, whatever was found.
 * Context: any thread; blocks long.
 */
gboolean ckptd_store_verify(const char *dir, CkptdVerifyFunc progress,
                            gpointer opaque,
                            struct ckptd_verify_report *ret_report,
                            GError **error)
{
    struct ckptd_io *io = ckptd_io_system();
    struct ckptd_verify_report report = { 0 };
    struct verify v = { .progress = progress,
                        .opaque = opaque,
                        .report = &report };
    g_autoptr(CkptdFile) lock = NULL;
    g_autoptr(CkptdFile) base = NULL;
    g_autoptr(CkptdFile) sums = NULL;
    g_autoptr(CkptdMeta) meta = NULL;
    struct ckptd_meta_state state;

    lock = ckptd_io_open(io, dir, CKPTD_STORE_LOCK_FILE, 0, error);
    if (!lock || !ckptd_io_lock(lock, TRUE, error)) {
        return FALSE;
    }
    meta = ckptd_meta_open(io, dir, TRUE, error);
    if (!meta) {
        return FALSE;
    }
    ckptd_meta_get(meta, &state);
    base = ckptd_io_open(
        io, dir, state.origin ? CKPTD_STORE_ORIGIN_FILE : CKPTD_STORE_BASE_FILE,
        0, error);
    sums = base ? ckptd_io_open(io, dir,
                                state.origin ? CKPTD_STORE_ORIGIN_SUMS_FILE
                                             : CKPTD_STORE_SUMS_FILE,
                                0, error)
                : NULL;
    if (!sums) {
        return FALSE;
    }
    v.base = base;
    v.sums = sums;
    if (!verify_locked(&v, io, dir, error)) {
        return FALSE;
    }
    *ret_report = report;
    return TRUE;
}
