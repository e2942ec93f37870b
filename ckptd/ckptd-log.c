/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-log.c - the log of checkpoints: appending, and what is in it
 *
 * Theory of operation
 *
 * The log is a row of segment files. Appends go to the last one; when a record
 * does not fit, a spare segment becomes the last one, by a write of its header.
 * Three threads meet here:
 *
 *  owner   appends, reads the tail for a recovery
 *  keeper  keeps one spare segment ready, so that no append has to write
 *          zeros; notes in the meta pages what is committed once appends have
 *          paused for HINT_DELAY_US
 *  folder  takes the records of closed segments (ckptd-fold.c) and, when they
 *          are in the base image, lets their segments go
 *
 *  L1  An append is durable when it returns, and only then is in the index.
 *  L2  The last record is never folded: its device state is needed.
 *  L3  A segment is let go only after the meta page that no longer needs it is
 *      durable, and never while the owner has the records pinned.
 *  L4  After a failed write nothing is appended before a fresh segment, whose
 *      header says that a record of that epoch before it does not count: it may
 *      be there, or get there yet.
 *  L5  The log holds tail_max_bytes and one record at most: appends wait for
 *      the folder.  While somebody holds the log it may hold more: an append
 *      waits the longer the more there is, up to a bound, because who holds
 *      it may be waiting for that very epoch.
 *  L6  While somebody holds the log no fold begins, and none lets go of any.
 */
#include "ckptd/ckptd-log-internal.h"

#include <string.h>

#include "ckptd/ckptd-recover.h"

#define FIRST_SEGMENT_MAX_BYTES (4u << 20) /* somebody waits for it */

/* --- appending ------------------------------------------------------------ */

/* The record is durable: L1. Wakes who has something to do now. */
static void publish(CkptdLog *log, CkptdRecord *r, gint64 append_us,
                    gint64 write_us)
{
    uint64_t closed;

    g_mutex_lock(&log->lock);
    r->segment->end += r->record_bytes;
    g_ptr_array_add(log->records, r);
    log->last_epoch = r->epoch;
    log->last_seal = r->seal;
    log->stats.records++;
    log->stats.pages += r->n_pages;
    log->stats.page_bytes += r->n_data * CKPTD_FORMAT_PAGE_BYTES;
    log->stats.log_bytes += r->record_bytes;
    log->stats.append_ns = append_us * 1000;
    log->stats.write_ns = write_us * 1000;
    log->starved = FALSE;
    log->stats.need_bytes = 0;
    ckptd_log_n_closed_locked(log, &closed);
    if (log->keeper_idle || closed >= log->config.params.fold_start_bytes) {
        g_cond_broadcast(&log->cond);
    }
    g_mutex_unlock(&log->lock);
}

static gboolean check_order(CkptdLog *log, const CkptdRecord *r,
                            uint64_t generation, GError **error)
{
    struct ckptd_meta_state meta;

    if (r->generation != generation) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "epoch %" G_GUINT64_FORMAT
                    " of generation %" G_GUINT64_FORMAT
                    ", which is not the current %" G_GUINT64_FORMAT,
                    r->epoch, r->generation, generation);
        return FALSE;
    }
    ckptd_meta_get(log->config.meta, &meta); /* an empty log begins there */
    if (r->epoch != MAX(log->last_epoch, meta.base_epoch) + 1) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "epoch %" G_GUINT64_FORMAT " after %" G_GUINT64_FORMAT,
                    r->epoch, log->last_epoch);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_log_append() - make a checkpoint durable
 * @log:        the log
 * @slot:       staging slot, page aligned, laid out as struct ckpt_slot
 * @slot_bytes: its size
 * @generation: the current one
 * @flags:      CKPTD_FORMAT_RECORD_* beside what the slot says
 * @error:      CKPTD_ERROR_INVALID, _STALE: the slot; _NO_SPACE, _IO: the disk
 *
 * When the disk failed it may be tried again, with the same slot, as often as
 * one likes: nothing is lost, and no failed try counts (L4).
 *
 * Return: TRUE if it is durable (S2).
 * Context: owner thread; blocks, and waits while folding is behind (S3).
 */
gboolean ckptd_log_append(CkptdLog *log, const void *slot, size_t slot_bytes,
                          uint64_t generation, uint32_t flags, GError **error)
{
    gint64 start_us = g_get_monotonic_time();
    struct iovec iov[2];
    CkptdSegment *seg;
    const void *data;
    gint64 write_us;
    g_autoptr(CkptdRecord) r = ckptd_record_encode(
        &log->buf, slot, slot_bytes, log->ram_pages, &data, error);

    if (!r || !check_order(log, r, generation, error)) {
        return FALSE;
    }
    if (!ckptd_log_throttle(log, r->record_bytes, error) ||
        !ckptd_log_make_room(log, r->record_bytes, error)) {
        ckptd_log_starve(log, r->record_bytes);
        return FALSE;
    }
    seg = ckptd_log_last_segment(log);
    r->flags |= flags;
    ckptd_record_seal(r, &log->buf, seg, log->last_epoch, log->last_seal);
    iov[0] = (struct iovec){ log->buf.data, r->meta_bytes };
    iov[1] =
        (struct iovec){ (void *)data, r->n_data * CKPTD_FORMAT_PAGE_BYTES };
    write_us = g_get_monotonic_time();
    if (!ckptd_io_writev(seg->out, iov, 2, seg->end, error)) {
        log->failed_epoch = r->epoch;
        ckptd_log_starve(log, r->record_bytes);
        return FALSE;
    }
    write_us = g_get_monotonic_time() - write_us;
    publish(log, g_steal_pointer(&r), g_get_monotonic_time() - start_us,
            write_us);
    return TRUE;
}

/**
 * ckptd_log_settle() - have what a failed write may have left not count (L4)
 * @log:   the log
 * @error: where to say why not
 *
 * For who goes on from the last durable epoch without the one that failed.
 *
 * Return: TRUE if that is durable, or nothing had failed.
 * Context: owner thread; blocks.
 */
gboolean ckptd_log_settle(CkptdLog *log, GError **error)
{
    return (!log->failed_epoch && !log->half) ||
           ckptd_log_make_room(log, 0, error);
}

/* --- what is in it -------------------------------------------------------- */

/**
 * ckptd_log_last_epoch() - the last durable epoch
 * @log: the log
 *
 * Return: the epoch, 0 = none.
 * Context: any thread.
 */
uint64_t ckptd_log_last_epoch(CkptdLog *log)
{
    uint64_t epoch;

    g_mutex_lock(&log->lock);
    epoch = log->last_epoch;
    g_mutex_unlock(&log->lock);
    return epoch;
}

/**
 * ckptd_log_last_record() - the record of the last durable epoch
 * @log: the log
 *
 * Return: (transfer none) (nullable): valid until the next append.
 * Context: owner thread.
 */
const CkptdRecord *ckptd_log_last_record(CkptdLog *log)
{
    const CkptdRecord *r = NULL;

    g_mutex_lock(&log->lock);
    if (log->records->len) {
        r = g_ptr_array_index(log->records, log->records->len - 1);
    }
    g_mutex_unlock(&log->lock);
    return r;
}

/**
 * ckptd_log_stats() - fill in what the log knows
 * @log:   the log
 * @stats: where
 *
 * Context: any thread.
 */
void ckptd_log_stats(CkptdLog *log, struct ckptd_store_stats *stats)
{
    g_mutex_lock(&log->lock);
    *stats = log->stats;
    stats->last_epoch = log->last_epoch;
    stats->tail_bytes = ckptd_log_tail_bytes_locked(log);
    stats->segments = log->live->len + log->spare->len;
    stats->direct_io = ckptd_log_last_segment_locked(log)->out->direct;
    g_mutex_unlock(&log->lock);
}

/* --- opening and closing -------------------------------------------------- */

/**
 * ckptd_log_create() - make the first segment
 * @io:       the layer
 * @dir:      the store's directory
 * @store_id: of the store
 * @params:   sizes
 * @error:    where to say why not
 *
 * Return: TRUE if an empty log is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_log_create(struct ckptd_io *io, const char *dir,
                          const uint8_t *store_id,
                          const struct ckptd_store_params *params,
                          GError **error)
{
    g_autoptr(CkptdSegment) seg = ckptd_segment_create(
        io, dir, "log-0000", store_id,
        MIN(params->segment_bytes, FIRST_SEGMENT_MAX_BYTES), !params->unfilled,
        error);

    return seg && ckptd_segment_activate(seg, store_id, 1, 0, error);
}

/*
 * Overwrite a torn record's header: the next record may go to another segment,
 * and a sealed record that nothing follows would look like damage.  Where that
 * cannot be written, L4 does it.
 */
static void wipe_torn(CkptdLog *log, const CkptdRecord *torn)
{
    uint8_t *zeros = ckptd_io_alloc(CKPTD_FORMAT_BLOCK_BYTES);
    g_autoptr(GError) error = NULL;

    if (!ckptd_io_write(torn->segment->out, zeros, CKPTD_FORMAT_BLOCK_BYTES,
                        torn->offset, &error)) {
        g_warning("%s", error->message);
        log->failed_epoch = torn->epoch;
    }
    free(zeros);
}

/* Take over what recovery found. */
static gboolean take_over(CkptdLog *log, CkptdRecovery *rec, GError **error)
{
    guint i;

    if (rec->torn) {
        wipe_torn(log, rec->torn);
    }
    for (i = 0; i < rec->live->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(rec->live, i);

        ckptd_log_note_name(log, seg->name);
    }
    for (i = 0; i < rec->spare->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(rec->spare, i);

        ckptd_log_note_name(log, seg->name);
    }
    log->records = g_steal_pointer(&rec->records);
    log->live = g_steal_pointer(&rec->live);
    log->last_epoch = rec->last_epoch;
    log->last_seal = rec->last_seal;
    while (rec->spare->len) {
        if (!ckptd_log_remove_segment(
                log, g_ptr_array_steal_index(rec->spare, 0), error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/**
 * ckptd_log_open() - recover the log and get ready to append
 * @config: copied
 * @error:  CKPTD_ERROR_DAMAGED and others
 *
 * Return: (transfer full): the log.
 * Context: the thread that becomes its owner; blocks.
 */
CkptdLog *ckptd_log_open(const struct ckptd_log_config *config, GError **error)
{
    g_auto(CkptdRecovery) rec = { 0 };
    g_autoptr(CkptdLog) log = g_new0(CkptdLog, 1);
    struct ckptd_meta_state meta;

    ckptd_meta_get(config->meta, &meta);
    log->config = *config;
    log->dir = g_strdup(config->dir);
    log->ram_pages = config->ram_bytes / CKPTD_FORMAT_PAGE_BYTES;
    memcpy(log->store_id, meta.store_id, sizeof(log->store_id));
    log->spare =
        g_ptr_array_new_with_free_func((GDestroyNotify)ckptd_segment_free);
    g_mutex_init(&log->pin);
    g_mutex_init(&log->lock);
    g_cond_init(&log->cond);
    if (!ckptd_recover(config->io, config->dir, &meta, log->ram_pages, FALSE,
                       &rec, error) ||
        !take_over(log, &rec, error)) {
        return NULL;
    }
    if (!ckptd_log_last_segment(log)->out->direct) {
        g_warning("%s: no O_DIRECT on this file system: checkpoints take "
                  "longer",
                  log->dir);
    }
    if (!log->config.params.manual) {
        /* Here: the thread may begin to run only after the first append. */
        log->hinted_epoch = log->last_epoch;
        log->keeper = g_thread_new("ckptd-keeper", ckptd_log_keeper_main, log);
    }
    return g_steal_pointer(&log);
}

/**
 * ckptd_log_stop() - have the threads that wait in the log return
 * @log: the log
 *
 * Context: owner thread; blocks until the keeper has ended.
 */
void ckptd_log_stop(CkptdLog *log)
{
    g_mutex_lock(&log->lock);
    log->stop = TRUE;
    g_cond_broadcast(&log->cond);
    g_mutex_unlock(&log->lock);
    if (log->keeper) {
        g_thread_join(g_steal_pointer(&log->keeper));
    }
}

/**
 * ckptd_log_close() - close the log
 * @log: (transfer full) (nullable): no other thread uses it any more
 *
 * Context: owner thread.
 */
void ckptd_log_close(CkptdLog *log)
{
    if (!log) {
        return;
    }
    ckptd_log_stop(log);
    ckptd_record_buf_clear(&log->buf);
    ckptd_segment_free(log->half);
    g_clear_pointer(&log->records, g_ptr_array_unref);
    g_clear_pointer(&log->live, g_ptr_array_unref);
    g_clear_pointer(&log->spare, g_ptr_array_unref);
    g_clear_error(&log->keeper_error);
    g_clear_error(&log->fold_error);
    g_mutex_clear(&log->pin);
    g_mutex_clear(&log->lock);
    g_cond_clear(&log->cond);
    g_free(log->dir);
    g_free(log);
}
