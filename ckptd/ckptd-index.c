/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-index.c - which copy of a page is the newest, and reading them
 *
 * The index of the log is the list of its records, whose page lists stay in
 * memory: 16 bytes for each page in the log, so at most 1/256 of the tail. A
 * table from page to copy is made when one is wanted, by a recovery or a fold;
 * keeping one up to date would cost every commit.
 *
 * Copies are read in the order in which they lie on disk, neighbours together
 * and small gaps read over, with the kernel told of all of it beforehand: one
 * page at a time would cost a disk's latency for each.
 */
#include "ckptd/ckptd-index.h"

#include "ckptd/ckptd-sum.h"

#define RUN_MAX_BYTES (1u << 20)
#define GAP_MAX_BYTES (64u << 10)

struct place {
    uint64_t seq;
    uint64_t offset;
    uint64_t index; /* in the caller's array */
};

/**
 * ckptd_index_newest() - the newest copy of each page in some records
 * @records:   of CkptdRecord, oldest first
 * @ram_pages: of the guest
 *
 * Return: (transfer full): struct ckptd_index_page, in the order of the pages.
 * Context: any thread that keeps the records alive.
 */
GArray *ckptd_index_newest(GPtrArray *records, uint64_t ram_pages)
{
    GArray *pages = g_array_new(FALSE, FALSE, sizeof(struct ckptd_index_page));
    /* page -> its place in all, + 1 */
    g_autofree uint64_t *last = g_new0(uint64_t, ram_pages);
    g_autoptr(GArray) all = NULL;
    uint64_t page, rest;
    guint i;

    all = g_array_new(FALSE, FALSE, sizeof(struct ckptd_index_page));
    for (i = 0; i < records->len; i++) {
        const CkptdRecord *r = g_ptr_array_index(records, i);
        uint64_t at = r->offset + r->meta_bytes;
        uint64_t k;

        for (k = 0; k < r->n_pages; k++) {
            uint64_t entry = le64_get(r->list[k].page);
            struct ckptd_index_page p = {
                .page = entry & ~CKPTD_FORMAT_PAGE_ZERO,
                .sum = le64_get(r->list[k].sum),
            };

            if (!(entry & CKPTD_FORMAT_PAGE_ZERO)) {
                p.segment = r->segment;
                p.offset = at;
                at += CKPTD_FORMAT_PAGE_BYTES;
            }
            if (last[p.page]) {
                g_array_index(all, struct ckptd_index_page, last[p.page] - 1) =
                    p;
            } else {
                g_array_append_val(all, p);
                last[p.page] = all->len;
            }
        }
    }
    for (page = 0, rest = all->len; rest; page++) {
        if (last[page]) {
            g_array_append_val(
                pages,
                g_array_index(all, struct ckptd_index_page, last[page] - 1));
            rest--;
        }
    }
    return pages;
}

static int compare_places(gconstpointer a, gconstpointer b)
{
    const struct place *x = a;
    const struct place *y = b;

    if (x->seq != y->seq) {
        return x->seq < y->seq ? -1 : 1;
    }
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Places that are read together, from the first on: how many. */
static guint run_length(const GArray *places, guint first, uint64_t *ret_bytes)
{
    const struct place *start = &g_array_index(places, struct place, first);
    uint64_t end = start->offset + CKPTD_FORMAT_PAGE_BYTES;
    guint n = 1;

    while (first + n < places->len) {
        const struct place *p = &g_array_index(places, struct place, first + n);

        if (p->seq != start->seq || p->offset > end + GAP_MAX_BYTES ||
            p->offset + CKPTD_FORMAT_PAGE_BYTES >
                start->offset + RUN_MAX_BYTES) {
            break;
        }
        end = p->offset + CKPTD_FORMAT_PAGE_BYTES;
        n++;
    }
    *ret_bytes = end - start->offset;
    return n;
}

/* Tell the kernel of every run, before the first is read or after the last. */
static void advise(const GArray *pages, const GArray *places,
                   gboolean will_need)
{
    uint64_t bytes;
    guint first;
    guint n;

    for (first = 0; first < places->len; first += n) {
        const struct place *p = &g_array_index(places, struct place, first);
        CkptdSegment *segment =
            g_array_index(pages, struct ckptd_index_page, p->index).segment;

        n = run_length(places, first, &bytes);
        ckptd_io_advise(segment->in, p->offset, bytes, will_need);
    }
}

static gboolean read_run(GArray *pages, const struct place *places, guint n,
                         uint64_t bytes, uint8_t *buf, CkptdIndexFunc func,
                         gpointer opaque, GError **error)
{
    CkptdSegment *segment =
        g_array_index(pages, struct ckptd_index_page, places->index).segment;
    guint i;

    if (!ckptd_io_read(segment->in, buf, bytes, places->offset, NULL, error)) {
        return FALSE;
    }
    for (i = 0; i < n; i++) {
        const struct ckptd_index_page *p =
            &g_array_index(pages, struct ckptd_index_page, places[i].index);
        const uint8_t *data = buf + (p->offset - places->offset);

        if (ckptd_sum(data, CKPTD_FORMAT_PAGE_BYTES, 0) != p->sum) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                        "%s: page %" G_GUINT64_FORMAT
                        " at byte %" G_GUINT64_FORMAT " is no longer whole",
                        segment->in->path, p->page, p->offset);
            return FALSE;
        }
        if (!func(places[i].index, p, data, opaque, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/**
 * ckptd_index_read() - read pages, each checked against its checksum
 * @pages:  struct ckptd_index_page
 * @func:   called for each, zero pages first and in order, then the others in
 *          the order in which they lie on disk
 * @opaque: for @func
 * @error:  CKPTD_ERROR_DAMAGED, _IO, or what @func says
 *
 * Return: TRUE if all were read.
 * Context: any thread that keeps the segments alive; blocks.
 */
gboolean ckptd_index_read(GArray *pages, CkptdIndexFunc func, gpointer opaque,
                          GError **error)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(struct place));
    g_autofree uint8_t *buf = NULL;
    gboolean ok = TRUE;
    uint64_t bytes;
    guint i;
    guint n;

    for (i = 0; i < pages->len; i++) {
        const struct ckptd_index_page *p =
            &g_array_index(pages, struct ckptd_index_page, i);
        struct place place = { .index = i };

        if (!p->segment) {
            if (!func(i, p, NULL, opaque, error)) {
                return FALSE;
            }
            continue;
        }
        place.seq = p->segment->seq;
        place.offset = p->offset;
        g_array_append_val(places, place);
    }
    g_array_sort(places, compare_places);
    advise(pages, places, TRUE);
    buf = g_malloc(RUN_MAX_BYTES);
    for (i = 0; ok && i < places->len; i += n) {
        n = run_length(places, i, &bytes);
        ok = read_run(pages, &g_array_index(places, struct place, i), n, bytes,
                      buf, func, opaque, error);
    }
    advise(pages, places, FALSE);
    return ok;
}
