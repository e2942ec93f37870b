/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-log-segments.c - the log's files, and the thread that has the next one
 *                        ready
 */
#include "ckptd/ckptd-log-internal.h"

#include <string.h>

#define SEGMENTS_AHEAD 4
#define HINT_DELAY_US  (200 * G_TIME_SPAN_MILLISECOND)

/* --- segments ------------------------------------------------------------- */

/* Take a file name that no segment has. Caller holds the lock. */
static gboolean take_name_locked(CkptdLog *log, char *name, size_t size,
                                 unsigned *ret_number)
{
    unsigned i;

    for (i = 0; i < CKPTD_LOG_NAMES_MAX; i++) {
        if (!log->name_used[i]) {
            log->name_used[i] = TRUE;
            g_snprintf(name, size, "log-%04u", i);
            *ret_number = i;
            return TRUE;
        }
    }
    return FALSE;
}

static unsigned name_number(const char *name)
{
    return g_ascii_strtoull(name + strlen("log-"), NULL, 10);
}

/**
 * ckptd_log_note_name() - a segment has this file name
 * @log:  the log, not yet in use by several threads
 * @name: of a segment's file
 */
void ckptd_log_note_name(CkptdLog *log, const char *name)
{
    log->name_used[name_number(name)] = TRUE;
}

/* Make a segment under a new name; the lock is not held. */
static CkptdSegment *make_segment(CkptdLog *log, uint64_t bytes,
                                  gboolean zeroed, GError **error)
{
    CkptdSegment *seg = NULL;
    unsigned number;
    char name[16];
    gboolean ok;

    g_mutex_lock(&log->lock);
    ok = take_name_locked(log, name, sizeof(name), &number);
    g_mutex_unlock(&log->lock);
    if (!ok) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NO_SPACE,
                    "%s: too many segments", log->dir);
        return NULL;
    }
    seg = ckptd_segment_create(log->config.io, log->dir, name, log->store_id,
                               bytes, zeroed, error);
    g_mutex_lock(&log->lock);
    if (seg) {
        log->stats.prepare_bytes +=
            CKPTD_FORMAT_BLOCK_BYTES + (zeroed ? bytes : 0);
    } else {
        log->name_used[number] = FALSE;
    }
    g_mutex_unlock(&log->lock);
    return seg;
}

/**
 * ckptd_log_remove_segment() - a segment is needed no more
 * @log:   the log
 * @seg:   taken over
 * @error: its file could not be removed
 *
 * It becomes a spare one or is removed.  As many are kept as go round while a
 * fold is under way, so that after a while none has to be made.
 *
 * Return: TRUE on success.
 * Context: any thread, without the lock.
 */
gboolean ckptd_log_remove_segment(CkptdLog *log, CkptdSegment *seg,
                                  GError **error)
{
    const struct ckptd_store_params *params = &log->config.params;
    guint n_keep =
        params->fold_start_bytes / params->segment_bytes + SEGMENTS_AHEAD;
    gboolean keep;
    gboolean ok;

    g_mutex_lock(&log->lock);
    keep = seg->bytes == params->segment_bytes &&
           log->live->len + log->spare->len < n_keep;
    if (keep) {
        g_ptr_array_add(log->spare, seg);
    }
    g_mutex_unlock(&log->lock);
    if (keep) {
        return TRUE;
    }
    ok = ckptd_io_unlink(log->config.io, log->dir, seg->name, error);
    g_mutex_lock(&log->lock);
    log->name_used[name_number(seg->name)] = !ok;
    g_mutex_unlock(&log->lock);
    ckptd_segment_free(seg);
    return ok;
}

/**
 * ckptd_log_last_segment_locked() - the one that takes appends
 * @log: the log, locked
 *
 * Return: (transfer none): the segment.
 */
CkptdSegment *ckptd_log_last_segment_locked(CkptdLog *log)
{
    return g_ptr_array_index(log->live, log->live->len - 1);
}

/**
 * ckptd_log_last_segment() - the one that takes appends
 * @log: the log
 *
 * Return: (transfer none): the segment; the folder never lets it go.
 * Context: owner thread.
 */
CkptdSegment *ckptd_log_last_segment(CkptdLog *log)
{
    CkptdSegment *seg;

    g_mutex_lock(&log->lock);
    seg = ckptd_log_last_segment_locked(log);
    g_mutex_unlock(&log->lock);
    return seg;
}

/* Wait for a spare segment. */
static CkptdSegment *take_spare(CkptdLog *log, GError **error)
{
    CkptdSegment *seg = NULL;

    if (log->config.params.manual && !log->spare->len) {
        return make_segment(log, log->config.params.segment_bytes, TRUE, error);
    }
    g_mutex_lock(&log->lock);
    if (!log->spare->len) {
        log->stats.stall_count++;
        /* Whatever went wrong then, have it tried again. */
        g_clear_error(&log->keeper_error);
        g_cond_broadcast(&log->cond);
    }
    while (!log->spare->len && !log->keeper_error) {
        g_cond_wait(&log->cond, &log->lock);
    }
    if (log->spare->len) {
        seg = g_ptr_array_steal_index(log->spare, 0);
        g_cond_broadcast(&log->cond);
    } else {
        g_propagate_error(error, g_error_copy(log->keeper_error));
    }
    g_mutex_unlock(&log->lock);
    return seg;
}

/*
 * Nobody knows what became of the header of @log->half, and the next segment
 * will have the same number: its file has to go before.
 */
static gboolean drop_half(CkptdLog *log, GError **error)
{
    CkptdSegment *seg = log->half;
    g_autoptr(GError) local = NULL;

    if (!seg) {
        return TRUE;
    }
    if ((!ckptd_io_unlink(log->config.io, log->dir, seg->name, &local) &&
         !g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND))) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!ckptd_io_sync_dir(log->config.io, log->dir, error)) {
        return FALSE;
    }
    g_mutex_lock(&log->lock);
    log->name_used[name_number(seg->name)] = FALSE;
    g_mutex_unlock(&log->lock);
    g_clear_pointer(&log->half, ckptd_segment_free);
    return TRUE;
}

/**
 * ckptd_log_make_room() - have a last segment with room
 * @log:   the log
 * @bytes: of the next record
 * @error: CKPTD_ERROR_NO_SPACE, _IO
 *
 * Return: TRUE on success.
 * Context: owner thread; may wait for the keeper.
 */
gboolean ckptd_log_make_room(CkptdLog *log, uint64_t bytes, GError **error)
{
    CkptdSegment *last = ckptd_log_last_segment(log);
    uint64_t segment_bytes = log->config.params.segment_bytes;
    CkptdSegment *seg;

    if (!drop_half(log, error)) {
        return FALSE;
    }
    if (!log->failed_epoch && bytes <= last->bytes - last->end) {
        return TRUE;
    }
    if (bytes <= segment_bytes - CKPTD_SEGMENT_START) {
        seg = take_spare(log, error);
    } else {
        seg = make_segment(log, bytes + CKPTD_SEGMENT_START, FALSE, error);
    }
    if (!seg) {
        return FALSE;
    }
    if (!ckptd_segment_activate(seg, log->store_id, last->seq + 1,
                                log->failed_epoch, error)) {
        log->half = seg;
        return FALSE;
    }
    log->failed_epoch = 0;
    g_mutex_lock(&log->lock);
    g_ptr_array_add(log->live, seg);
    log->stats.prepare_bytes += CKPTD_FORMAT_BLOCK_BYTES;
    g_mutex_unlock(&log->lock);
    return TRUE;
}

/* --- the keeper ----------------------------------------------------------- */

/* Make the spare segment; drops the lock meanwhile. */
static void keep_spare_locked(CkptdLog *log)
{
    g_autoptr(GError) error = NULL;
    CkptdSegment *seg;

    g_mutex_unlock(&log->lock);
    seg = make_segment(log, log->config.params.segment_bytes, TRUE, &error);
    g_mutex_lock(&log->lock);
    if (seg) {
        g_ptr_array_add(log->spare, seg);
    } else {
        log->keeper_error = g_steal_pointer(&error);
    }
    g_cond_broadcast(&log->cond);
}

/* Note what is committed once nothing was appended for a while. */
static void keep_hint_locked(CkptdLog *log)
{
    gint64 deadline_us = g_get_monotonic_time() + HINT_DELAY_US;
    g_autoptr(GError) error = NULL;
    uint64_t epoch = log->last_epoch;

    g_cond_wait_until(&log->cond, &log->lock, deadline_us);
    if (log->stop || log->last_epoch != epoch ||
        g_get_monotonic_time() < deadline_us) {
        return;
    }
    g_mutex_unlock(&log->lock);
    if (!ckptd_meta_set_committed(log->config.meta, epoch, &error)) {
        g_warning("%s", error->message);
    }
    g_mutex_lock(&log->lock);
    log->hinted_epoch = epoch;
}

/**
 * ckptd_log_keeper_main() - of the keeper thread, until the log is stopped
 * @opaque: the log
 *
 * Return: NULL.
 */
gpointer ckptd_log_keeper_main(gpointer opaque)
{
    gint64 start_us = g_get_monotonic_time() + HINT_DELAY_US;
    CkptdLog *log = opaque;

    g_mutex_lock(&log->lock);
    /* Whoever opens a store is in a hurry: the disk is his for a moment. */
    while (!log->stop && !log->stats.stall_count &&
           g_cond_wait_until(&log->cond, &log->lock, start_us)) {
    }
    while (!log->stop) {
        if (!log->spare->len && !log->keeper_error) {
            keep_spare_locked(log);
        } else if (log->last_epoch != log->hinted_epoch) {
            keep_hint_locked(log);
        } else {
            log->keeper_idle = TRUE;
            g_cond_wait(&log->cond, &log->lock);
            log->keeper_idle = FALSE;
        }
    }
    g_mutex_unlock(&log->lock);
    return NULL;
}
