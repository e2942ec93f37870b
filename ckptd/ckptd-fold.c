/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-fold.c - old checkpoints merged into the base image
 *
 * A fold takes the records of the closed segments, base_epoch + 1 to F, and
 * writes the newest copy of each of their pages into the base image in place:
 *
 *   1 meta pages: fold_epoch = F, durable
 *   2 pages into the base image, their sums into base.sums
 *   3 fdatasync of both
 *   4 meta pages: base_epoch = F, log_seq = first segment behind, durable
 *   5 segments of the folded records become spare
 *
 * A crash before 4 leaves a base image with some pages of later epochs, but
 * each of these is in a record that is still there, so recovery puts the
 * newest copy over it: doing it again is doing it once. 3 before 4, or the log
 * would be gone before what replaces it is there. 1 before 2, so that nobody
 * steps back to an epoch before F when the base image has moved on.
 *
 * A store that began with a named checkpoint has no base image of its own until
 * its first fold: step 0, ckptd-origin.c.
 *
 * Why a QEMU that maps the base image privately never sees any of it, and why
 * the writes go through the page cache and never shorten the file: FORMAT.md,
 * "The base image while it is in use".
 */
#include "ckptd/ckptd-fold.h"

#include "ckptd/ckptd-index.h"
#include "ckptd/ckptd-origin.h"

struct ckptd_fold {
    struct ckptd_fold_config config;
    GThread *thread;

    GMutex lock; /* all below */
    uint64_t base_bytes;
    uint64_t last_ns;
};

/* Zero pages that follow each other, not yet punched. */
struct writer {
    CkptdFold *fold;
    uint64_t zero_first;
    uint64_t zero_pages;
    uint64_t bytes;
};

static gboolean flush_zeros(struct writer *w, GError **error)
{
    const struct ckptd_fold_config *c = &w->fold->config;
    g_autofree le64 *sums = g_new0(le64, w->zero_pages);
    gboolean ok;

    if (!w->zero_pages) {
        return TRUE;
    }
    ok = ckptd_io_punch(c->base, w->zero_first * CKPTD_FORMAT_PAGE_BYTES,
                        w->zero_pages * CKPTD_FORMAT_PAGE_BYTES, error) &&
         ckptd_io_write(c->sums, sums, w->zero_pages * sizeof(le64),
                        w->zero_first * sizeof(le64), error);
    w->bytes += w->zero_pages * sizeof(le64);
    w->zero_pages = 0;
    return ok;
}

static gboolean write_page(uint64_t index G_GNUC_UNUSED,
                           const struct ckptd_index_page *p,
                           const uint8_t *data, gpointer opaque, GError **error)
{
    struct writer *w = opaque;
    const struct ckptd_fold_config *c = &w->fold->config;
    le64 sum = le64_put(p->sum);

    if (!data && w->zero_pages && p->page == w->zero_first + w->zero_pages) {
        w->zero_pages++;
        return TRUE;
    }
    if (!flush_zeros(w, error)) {
        return FALSE;
    }
    if (!data) {
        w->zero_first = p->page;
        w->zero_pages = 1;
        return TRUE;
    }
    w->bytes += CKPTD_FORMAT_PAGE_BYTES + sizeof(sum);
    return ckptd_io_write(c->base, data, CKPTD_FORMAT_PAGE_BYTES,
                          p->page * CKPTD_FORMAT_PAGE_BYTES, error) &&
           ckptd_io_write(c->sums, &sum, sizeof(sum), p->page * sizeof(sum),
                          error);
}

/* Steps 2 and 3. */
static gboolean write_base(CkptdFold *fold, GPtrArray *records, GError **error)
{
    const struct ckptd_fold_config *c = &fold->config;
    g_autoptr(GArray) pages = ckptd_index_newest(records, c->ram_pages);
    struct writer w = { .fold = fold };
    gboolean ok;

    ok = ckptd_index_read(pages, write_page, &w, error) &&
         flush_zeros(&w, error) && ckptd_io_sync(c->base, error) &&
         ckptd_io_sync(c->sums, error);
    g_mutex_lock(&fold->lock);
    fold->base_bytes += w.bytes;
    g_mutex_unlock(&fold->lock);
    return ok;
}

/**
 * ckptd_fold_once() - fold what can be folded
 * @fold:  the folder
 * @error: where to say why not; nothing is lost then
 *
 * Return: TRUE on success, also if there was nothing.
 * Context: folder thread; or owner thread if there is none. Blocks.
 */
gboolean ckptd_fold_once(CkptdFold *fold, GError **error)
{
    const struct ckptd_fold_config *c = &fold->config;
    gint64 start_us = g_get_monotonic_time();
    struct ckptd_log_fold f;
    uint64_t filled = 0;
    gboolean ok;

    if (!ckptd_log_fold_take(c->log, &f)) {
        return TRUE;
    }
    ok = ckptd_origin_fill(c, &filled, error) &&
         ckptd_meta_set_fold(c->meta, f.epoch, f.last_epoch, error) &&
         write_base(fold, f.records, error) &&
         ckptd_meta_set_base(c->meta, f.epoch, f.seal, f.log_seq, error) &&
         ckptd_log_fold_done(c->log, &f, error);
    g_ptr_array_unref(f.records);
    g_mutex_lock(&fold->lock);
    fold->base_bytes += filled;
    fold->last_ns = (g_get_monotonic_time() - start_us) * 1000;
    g_mutex_unlock(&fold->lock);
    if (!ok) {
        g_prefix_error(error, "fold: ");
    }
    return ok;
}

static gpointer folder_main(gpointer opaque)
{
    CkptdFold *fold = opaque;

    while (ckptd_log_fold_wait(fold->config.log)) {
        g_autoptr(GError) error = NULL;

        ckptd_fold_once(fold, &error);
        ckptd_log_fold_ended(fold->config.log, error);
    }
    return NULL;
}

/**
 * ckptd_fold_new() - get ready to fold
 * @config: copied
 *
 * Return: (transfer full): the folder, without a thread.
 * Context: owner thread.
 */
CkptdFold *ckptd_fold_new(const struct ckptd_fold_config *config)
{
    CkptdFold *fold = g_new0(CkptdFold, 1);

    fold->config = *config;
    g_mutex_init(&fold->lock);
    return fold;
}

/**
 * ckptd_fold_start() - have a thread fold whenever it is worth it
 * @fold: the folder
 *
 * Context: owner thread.
 */
void ckptd_fold_start(CkptdFold *fold)
{
    fold->thread = g_thread_new("ckptd-folder", folder_main, fold);
}

/**
 * ckptd_fold_stats() - fill in what the folder knows
 * @fold:  the folder
 * @stats: where
 *
 * Context: any thread.
 */
void ckptd_fold_stats(CkptdFold *fold, struct ckptd_store_stats *stats)
{
    g_mutex_lock(&fold->lock);
    stats->base_bytes = fold->base_bytes;
    stats->fold_ns = fold->last_ns;
    g_mutex_unlock(&fold->lock);
}

/**
 * ckptd_fold_free() - end folding
 * @fold: (transfer full) (nullable): its log was stopped
 *
 * Context: owner thread; waits for a fold under way.
 */
void ckptd_fold_free(CkptdFold *fold)
{
    if (fold) {
        if (fold->thread) {
            g_thread_join(fold->thread);
        }
        g_mutex_clear(&fold->lock);
        g_free(fold);
    }
}
