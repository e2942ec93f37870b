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
 *  L4  After a failed write no more appends until the log was opened anew.
 *  L5  The log holds tail_max_bytes and one record at most: appends wait for
 *      the folder.  While somebody holds the log it may hold more: an append
 *      waits the longer the more there is, HELD_WAIT_MAX_US at most, because
 *      who holds it may be waiting for that very epoch.
 *  L6  While somebody holds the log no fold begins, and none lets go of any.
 */
#include "ckptd/ckptd-log.h"

#include <string.h>

#include "ckptd/ckptd-recover.h"

#define FIRST_SEGMENT_MAX_BYTES (4u << 20) /* somebody waits for it */
#define SEGMENTS_AHEAD          4
#define NAMES_MAX               10000
#define HINT_DELAY_US           (200 * G_TIME_SPAN_MILLISECOND)
#define HELD_WAIT_US            (10 * G_TIME_SPAN_MILLISECOND) /* at twice L5 */
#define HELD_WAIT_MAX_US        (50 * G_TIME_SPAN_MILLISECOND)

struct ckptd_log {
    struct ckptd_log_config config;
    char *dir;
    uint8_t store_id[16];
    uint64_t ram_pages;
    GThread *keeper;

    /* owner thread alone */
    struct ckptd_record_buf buf;
    gboolean failed; /* L4 */

    GMutex pin; /* held by whoever needs segments to stay;
                   taken before lock */

    GMutex lock;        /* all below */
    GCond cond;         /* anything below changed */
    GPtrArray *live;    /* CkptdSegment; the last one takes appends,
                           and stays */
    GPtrArray *spare;   /* CkptdSegment */
    GPtrArray *records; /* CkptdRecord, oldest first */
    gboolean name_used[NAMES_MAX];
    uint64_t last_epoch;
    uint64_t last_seal;
    gboolean throttled;    /* an append waits for the folder */
    guint n_holds;         /* L6 */
    gboolean keeper_idle;  /* it waits without a deadline */
    uint64_t hinted_epoch; /* whose durability the meta page tells */
    gboolean stop;
    GError *keeper_error; /* no spare segment could be made */
    GError *fold_error;   /* the last fold failed */
    struct ckptd_store_stats stats;
};

/* --- segments ------------------------------------------------------------- */

/* Take a file name that no segment has. Caller holds the lock. */
static gboolean take_name_locked(CkptdLog *log, char *name, size_t size,
                                 unsigned *ret_number)
{
    unsigned i;

    for (i = 0; i < NAMES_MAX; i++) {
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

/*
 * A segment that is needed no more: keep it as a spare one, or remove it. As
 * many are kept as go round while a fold is under way, so that after a while
 * none has to be made.
 */
static gboolean let_go(CkptdLog *log, CkptdSegment *seg, GError **error)
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

static CkptdSegment *last_segment_locked(CkptdLog *log)
{
    return g_ptr_array_index(log->live, log->live->len - 1);
}

/* For the owner: the folder never lets the last one go. */
static CkptdSegment *last_segment(CkptdLog *log)
{
    CkptdSegment *seg;

    g_mutex_lock(&log->lock);
    seg = last_segment_locked(log);
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

/* Have a last segment with room for @bytes. */
static gboolean make_room(CkptdLog *log, uint64_t bytes, GError **error)
{
    CkptdSegment *last = last_segment(log);
    uint64_t segment_bytes = log->config.params.segment_bytes;
    CkptdSegment *seg;

    if (bytes <= last->bytes - last->end) {
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
    if (!ckptd_segment_activate(seg, log->store_id, last->seq + 1, error)) {
        log->failed = TRUE;
        ckptd_segment_free(seg);
        return FALSE;
    }
    g_mutex_lock(&log->lock);
    g_ptr_array_add(log->live, seg);
    log->stats.prepare_bytes += CKPTD_FORMAT_BLOCK_BYTES;
    g_mutex_unlock(&log->lock);
    return TRUE;
}

/* --- appending ------------------------------------------------------------ */

static uint64_t tail_bytes_locked(CkptdLog *log)
{
    uint64_t bytes = 0;
    guint i;

    for (i = 0; i < log->live->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(log->live, i);

        bytes += seg->end - CKPTD_SEGMENT_START;
    }
    return bytes;
}

/*
 * How many segments can be folded: all before the one that holds the last
 * record (L2).
 */
static guint n_closed_locked(CkptdLog *log, uint64_t *ret_bytes)
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
    gint64 wait_us = MIN((double)(tail_bytes - max) / max * HELD_WAIT_US,
                         HELD_WAIT_MAX_US);

    if (log->n_holds) {
        return g_cond_wait_until(&log->cond, &log->lock, start_us + wait_us);
    }
    g_cond_wait(&log->cond, &log->lock);
    return TRUE;
}

/* L5. Without closed segments there is nothing to wait for. */
static gboolean throttle(CkptdLog *log, uint64_t bytes, GError **error)
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
    while ((tail_bytes = tail_bytes_locked(log) + bytes) > max &&
           n_closed_locked(log, &closed) && closed) {
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
    n_closed_locked(log, &closed);
    if (log->keeper_idle || closed >= log->config.params.fold_start_bytes) {
        g_cond_broadcast(&log->cond);
    }
    g_mutex_unlock(&log->lock);
}

static gboolean check_order(CkptdLog *log, const CkptdRecord *r,
                            uint64_t generation, GError **error)
{
    struct ckptd_meta_state meta;

    if (log->failed) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO,
                    "%s: a write failed; open the store again", log->dir);
        return FALSE;
    }
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
 * @error:      CKPTD_ERROR_INVALID, _STALE: the slot; others: the log
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

    if (!r || !check_order(log, r, generation, error) ||
        !throttle(log, r->record_bytes, error) ||
        !make_room(log, r->record_bytes, error)) {
        return FALSE;
    }
    seg = last_segment(log);
    r->flags |= flags;
    ckptd_record_seal(r, &log->buf, seg, log->last_epoch, log->last_seal);
    iov[0] = (struct iovec){ log->buf.data, r->meta_bytes };
    iov[1] =
        (struct iovec){ (void *)data, r->n_data * CKPTD_FORMAT_PAGE_BYTES };
    write_us = g_get_monotonic_time();
    if (!ckptd_io_writev(seg->out, iov, 2, seg->end, error)) {
        log->failed = TRUE;
        return FALSE;
    }
    write_us = g_get_monotonic_time() - write_us;
    publish(log, g_steal_pointer(&r), g_get_monotonic_time() - start_us,
            write_us);
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

static gpointer keeper_main(gpointer opaque)
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

/* --- folding -------------------------------------------------------------- */

/* Is folding worth it, or waited for? */
static gboolean fold_is_due_locked(CkptdLog *log)
{
    uint64_t closed;

    n_closed_locked(log, &closed);
    return !log->fold_error && !log->n_holds &&
           (closed >= log->config.params.fold_start_bytes ||
            (closed && log->throttled));
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
    while (!log->stop && !fold_is_due_locked(log)) {
        g_cond_wait(&log->cond, &log->lock);
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

    n_closed = n_closed_locked(log, &closed);
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
        ok &= let_go(log, g_ptr_array_index(gone, i), ok ? error : NULL);
    }
    g_mutex_unlock(&log->pin);

    g_mutex_lock(&log->lock);
    log->stats.fold_count++;
    g_cond_broadcast(&log->cond);
    g_mutex_unlock(&log->lock);
    return ok;
}

/**
 * ckptd_log_fold_failed() - no more folding: appends end when the log is full
 * @log:    the log
 * @reason: why
 *
 * Context: folder thread.
 */
void ckptd_log_fold_failed(CkptdLog *log, const GError *reason)
{
    g_mutex_lock(&log->lock);
    g_clear_error(&log->fold_error);
    log->fold_error = g_error_copy(reason);
    g_cond_broadcast(&log->cond);
    g_mutex_unlock(&log->lock);
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
    stats->tail_bytes = tail_bytes_locked(log);
    stats->segments = log->live->len + log->spare->len;
    stats->direct_io = last_segment_locked(log)->out->direct;
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

    return seg && ckptd_segment_activate(seg, store_id, 1, error);
}

/*
 * Overwrite a torn record's header: the next record may go to another segment,
 * and a sealed record that nothing follows would look like damage.
 */
static gboolean wipe_torn(const CkptdRecord *torn, GError **error)
{
    uint8_t *zeros = ckptd_io_alloc(CKPTD_FORMAT_BLOCK_BYTES);
    gboolean ok = ckptd_io_write(torn->segment->out, zeros,
                                 CKPTD_FORMAT_BLOCK_BYTES, torn->offset, error);

    free(zeros);
    return ok;
}

/* Take over what recovery found. */
static gboolean take_over(CkptdLog *log, CkptdRecovery *rec, GError **error)
{
    guint i;

    if (rec->torn && !wipe_torn(rec->torn, error)) {
        return FALSE;
    }
    for (i = 0; i < rec->live->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(rec->live, i);

        log->name_used[name_number(seg->name)] = TRUE;
    }
    for (i = 0; i < rec->spare->len; i++) {
        const CkptdSegment *seg = g_ptr_array_index(rec->spare, i);

        log->name_used[name_number(seg->name)] = TRUE;
    }
    log->records = g_steal_pointer(&rec->records);
    log->live = g_steal_pointer(&rec->live);
    log->last_epoch = rec->last_epoch;
    log->last_seal = rec->last_seal;
    while (rec->spare->len) {
        if (!let_go(log, g_ptr_array_steal_index(rec->spare, 0), error)) {
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
    if (!last_segment(log)->out->direct) {
        g_warning("%s: no O_DIRECT on this file system: checkpoints take "
                  "longer",
                  log->dir);
    }
    if (!log->config.params.manual) {
        /* Here: the thread may begin to run only after the first append. */
        log->hinted_epoch = log->last_epoch;
        log->keeper = g_thread_new("ckptd-keeper", keeper_main, log);
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
