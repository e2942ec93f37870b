/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-log-fold.c - what leaves the log, and what has to wait for that
 */
#include "ckptd/ckptd-log-internal.h"

#define HELD_WAIT_US      (10 * G_TIME_SPAN_MILLISECOND) /* at twice L5 */
#define HELD_WAIT_MAX_US  (50 * G_TIME_SPAN_MILLISECOND)

/* From the end of a fold that failed to the next try, twice as long each. */
#define FOLD_RETRY_US     (100 * G_TIME_SPAN_MILLISECOND)
#define FOLD_RETRY_MAX_US (5 * G_TIME_SPAN_SECOND)

/* --- how much there is ---------------------------------------------------- */

/**
 * ckptd_log_tail_bytes_locked() - how much the log holds
 * @log: the log, locked
 *
 * Return: bytes of all records that are not let go of.
 */
uint64_t ckptd_log_tail_bytes_locked(CkptdLog *log)
{
    uint64_t bytes = 0;
    guint i;

    for (i = 0; i < log->live->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(log->live, i);

        bytes += seg->end - CKPTD_SEGMENT_START;
    }
    return bytes;
}

/**
 * ckptd_log_n_closed_locked() - how many segments can be folded
 * @log:       the log, locked
 * @ret_bytes: of them
 *
 * All before the one that holds the last record (L2).
 *
 * Return: the number.
 */
guint ckptd_log_n_closed_locked(CkptdLog *log, uint64_t *ret_bytes)
{
    const CkptdRecord *last;
    guint i;

    *ret_bytes = 0;
    if (!log->records->len) {
        return 0;
    }
    last = g_ptr_array_index(log->records, log->records->len - 1);
    for (i = 0; i < log->live->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(log->live, i);

        if (seg == last->segment) {
            break;
        }
        *ret_bytes += seg->end - CKPTD_SEGMENT_START;
    }
    return i;
}

/*
 * L5. Wait until the folder has something done, or long enough, for a log of
 * which somebody holds @tail_bytes.  Return: whether to look again.
 */
static gboolean wait_for_folder_locked(CkptdLog *log, uint64_t tail_bytes,
                                       gint64 start_us)
{
    uint64_t max = log->config.params.tail_max_bytes;
    gint64 wait_us =
        MIN((double)(tail_bytes - max) / max * HELD_WAIT_US, HELD_WAIT_MAX_US);

    if (log->n_holds) {
        return g_cond_wait_until(&log->cond, &log->lock, start_us + wait_us);
    }
    g_cond_wait(&log->cond, &log->lock);
    return TRUE;
}

/**
 * ckptd_log_throttle() - have an append wait while the log is full (L5)
 * @log:   the log
 * @bytes: of the record
 * @error: folding has failed
 *
 * Without closed segments there is nothing to wait for.
 *
 * Return: TRUE when the record may be appended.
 * Context: owner thread.
 */
gboolean ckptd_log_throttle(CkptdLog *log, uint64_t bytes, GError **error)
{
    uint64_t max = log->config.params.tail_max_bytes;
    gint64 start_us = g_get_monotonic_time();
    gboolean waited = FALSE;
    gboolean ok = TRUE;
    uint64_t tail_bytes, closed;

    if (log->config.params.manual) {
        return TRUE;
    }
    g_mutex_lock(&log->lock);
    while ((tail_bytes = ckptd_log_tail_bytes_locked(log) + bytes) > max &&
           ckptd_log_n_closed_locked(log, &closed) && closed) {
        if (log->fold_error) {
            g_propagate_prefixed_error(error, g_error_copy(log->fold_error),
                                       "the log is full: ");
            ok = FALSE;
            break;
        }
        if (!waited) {
            waited = log->throttled = TRUE;
            g_cond_broadcast(&log->cond);
        }
        if (!wait_for_folder_locked(log, tail_bytes, start_us)) {
            break;
        }
    }
    log->throttled = FALSE;
    if (waited) {
        log->stats.throttle_count++;
        log->stats.throttle_ns += (g_get_monotonic_time() - start_us) * 1000;
    }
    g_mutex_unlock(&log->lock);
    return ok;
}

/**
 * ckptd_log_starve() - an append has failed
 * @log:   the log
 * @bytes: of its record
 *
 * A fold gives segments back, which may be all that is missing.
 *
 * Context: owner thread.
 */
void ckptd_log_starve(CkptdLog *log, uint64_t bytes)
{
    g_mutex_lock(&log->lock);
    log->starved = TRUE;
    log->stats.need_bytes =
        MAX(log->config.params.segment_bytes, bytes) + CKPTD_FORMAT_BLOCK_BYTES;
    g_cond_broadcast(&log->cond);
    g_mutex_unlock(&log->lock);
}

/* --- folding -------------------------------------------------------------- */

/* Is folding worth it, or waited for? */
static gboolean fold_is_due_locked(CkptdLog *log)
{
    uint64_t closed;

    ckptd_log_n_closed_locked(log, &closed);
    return !log->n_holds && (closed >= log->config.params.fold_start_bytes ||
                             (closed && (log->throttled || log->starved)));
}

/* When folding has failed it is tried again, but not at once. */
static gboolean fold_must_wait_locked(CkptdLog *log)
{
    return log->fold_error && g_get_monotonic_time() < log->fold_retry_us;
}

/**
 * ckptd_log_fold_wait() - wait until folding is worth it
 * @log: the log
 *
 * Return: FALSE if the log is being stopped.
 * Context: folder thread; blocks.
 */
gboolean ckptd_log_fold_wait(CkptdLog *log)
{
    gboolean go_on;

    g_mutex_lock(&log->lock);
    while (!log->stop) {
        if (!fold_is_due_locked(log)) {
            g_cond_wait(&log->cond, &log->lock);
        } else if (fold_must_wait_locked(log)) {
            g_cond_wait_until(&log->cond, &log->lock, log->fold_retry_us);
        } else {
            break;
        }
    }
    go_on = !log->stop;
    g_mutex_unlock(&log->lock);
    return go_on;
}

/**
 * ckptd_log_fold_take() - what can be folded now
 * @log:      the log
 * @ret_fold: what; its records are to be unreferenced
 *
 * Return: FALSE if there is nothing.
 * Context: folder thread; or owner thread if there is none.
 */
gboolean ckptd_log_fold_take(CkptdLog *log, struct ckptd_log_fold *ret_fold)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&log->lock);
    const CkptdRecord *last = NULL;
    const CkptdSegment *behind;
    GPtrArray *records;
    uint64_t closed;
    guint n_closed;
    guint i;

    n_closed = ckptd_log_n_closed_locked(log, &closed);
    if (!closed || log->n_holds) {
        return FALSE;
    }
    behind = g_ptr_array_index(log->live, n_closed);
    records = g_ptr_array_new();
    for (i = 0; i < log->records->len; i++) {
        CkptdRecord *r = g_ptr_array_index(log->records, i);

        if (r->segment->seq >= behind->seq) {
            break;
        }
        g_ptr_array_add(records, r);
        last = r;
    }
    g_assert(last && last->epoch < log->last_epoch);
    *ret_fold = (struct ckptd_log_fold){
        .records = records,
        .epoch = last->epoch,
        .seal = last->seal,
        .log_seq = behind->seq,
        .last_epoch = log->last_epoch,
    };
    return TRUE;
}

/*
 * Take both locks with nobody holding the log (L6).  The pin is not kept while
 * waiting: a recovery wants it.
 */
static void wait_for_holds(CkptdLog *log)
{
    for (;;) {
        g_mutex_lock(&log->pin);
        g_mutex_lock(&log->lock);
        if (!log->n_holds) {
            return;
        }
        g_mutex_unlock(&log->pin);
        g_cond_wait(&log->cond, &log->lock);
        g_mutex_unlock(&log->lock);
    }
}

/**
 * ckptd_log_fold_done() - let go what is in the base image now
 * @log:   the log
 * @fold:  from ckptd_log_fold_take(); the meta page that goes with it is
 *         durable (L3)
 * @error: a file could not be removed
 *
 * Return: TRUE on success.
 * Context: as ckptd_log_fold_take(); waits while the records are pinned or
 * held.
 */
gboolean ckptd_log_fold_done(CkptdLog *log, const struct ckptd_log_fold *fold,
                             GError **error)
{
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    gboolean ok = TRUE;
    guint i;

    wait_for_holds(log);
    g_ptr_array_remove_range(log->records, 0, fold->records->len);
    while (((CkptdSegment *)g_ptr_array_index(log->live, 0))->seq <
           fold->log_seq) {
        g_ptr_array_add(gone, g_ptr_array_steal_index(log->live, 0));
    }
    g_mutex_unlock(&log->lock);
    for (i = 0; i < gone->len; i++) {
        ok &= ckptd_log_remove_segment(log, g_ptr_array_index(gone, i),
                                       ok ? error : NULL);
    }
    g_mutex_unlock(&log->pin);

    g_mutex_lock(&log->lock);
    log->stats.fold_count++;
    g_cond_broadcast(&log->cond);
    g_mutex_unlock(&log->lock);
    return ok;
}

/**
 * ckptd_log_fold_ended() - a fold is done, or could not be
 * @log:    the log
 * @reason: why not; appends fail with it while the log is full.  NULL = it is
 *
 * Context: folder thread.
 */
void ckptd_log_fold_ended(CkptdLog *log, const GError *reason)
{
    g_mutex_lock(&log->lock);
    if (!reason && log->fold_error) {
        g_message("%s: folding goes on", log->dir);
    } else if (reason && !log->fold_error) {
        g_warning("%s; tried again until it can be done", reason->message);
    }
    log->fold_delay_us = log->fold_error && reason
                             ? MIN(2 * log->fold_delay_us, FOLD_RETRY_MAX_US)
                             : FOLD_RETRY_US;
    log->fold_retry_us = g_get_monotonic_time() + log->fold_delay_us;
    g_clear_error(&log->fold_error);
    log->fold_error = reason ? g_error_copy(reason) : NULL;
    g_cond_broadcast(&log->cond);
    g_mutex_unlock(&log->lock);
}

/* --- what must not leave -------------------------------------------------- */

/**
 * ckptd_log_pin() - all records that are not in the base image
 * @log: the log
 *
 * They and their segments stay until ckptd_log_unpin().
 *
 * Return: (element-type CkptdRecord): oldest first.
 * Context: owner thread; may wait for the folder to let segments go.
 */
GPtrArray *ckptd_log_pin(CkptdLog *log)
{
    GPtrArray *records = g_ptr_array_new();
    guint i;

    g_mutex_lock(&log->pin);
    g_mutex_lock(&log->lock);
    for (i = 0; i < log->records->len; i++) {
        g_ptr_array_add(records, g_ptr_array_index(log->records, i));
    }
    g_mutex_unlock(&log->lock);
    return records;
}

/**
 * ckptd_log_unpin() - the records are needed no more
 * @log:     the log
 * @records: (transfer full): from ckptd_log_pin()
 *
 * Context: owner thread.
 */
void ckptd_log_unpin(CkptdLog *log, GPtrArray *records)
{
    g_ptr_array_unref(records);
    g_mutex_unlock(&log->pin);
}

/**
 * ckptd_log_hold() - keep the log as it is, for as long as one likes
 * @log: the log
 *
 * Unlike ckptd_log_pin() for whoever is not the owner, and may take his time:
 * L6.  Appends go on.
 *
 * Return: (element-type CkptdRecord): all records there are, oldest first.
 * Context: owner thread; does not block.
 */
GPtrArray *ckptd_log_hold(CkptdLog *log)
{
    GPtrArray *records = g_ptr_array_new();
    guint i;

    g_mutex_lock(&log->lock);
    log->n_holds++;
    g_cond_broadcast(&log->cond);
    for (i = 0; i < log->records->len; i++) {
        g_ptr_array_add(records, g_ptr_array_index(log->records, i));
    }
    g_mutex_unlock(&log->lock);
    return records;
}

/**
 * ckptd_log_let_go() - the log may be folded again
 * @log:     the log
 * @records: (transfer full): from ckptd_log_hold()
 *
 * Context: any thread.
 */
void ckptd_log_let_go(CkptdLog *log, GPtrArray *records)
{
    g_ptr_array_unref(records);
    g_mutex_lock(&log->lock);
    g_assert(log->n_holds);
    if (!--log->n_holds) {
        g_cond_broadcast(&log->cond);
    }
    g_mutex_unlock(&log->lock);
}
