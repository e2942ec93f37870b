/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-namer.c - writes labels beside a store that goes on
 *
 * A label of a large guest takes seconds, and its epochs must not wait for it.
 * So the store's owner takes a snapshot, which takes no time, and hands it over
 * to a thread here, which does one after the other. The thread is there from
 * the first label to ckptd_namer_stop(), which the owner calls before it closes
 * the store.
 */
#include "ckptd/ckptd-namer.h"

#include <string.h>

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-label.h"

/*
 * @snapshot: NULL if @error is set: there is nothing but to say so in its turn
 * @work:     its cancel stands for this label alone
 */
struct job {
    char *label;
    guint tag;
    CkptdSnapshot *snapshot;
    GError *error;
    struct ckptd_label_work work;
};

/**
 * struct ckptd_namer - see ckptd-namer.h
 *
 * Under @lock: @jobs (struct job, the first is being worked on), @ending.
 * @thread is the owner's.
 */
struct ckptd_namer {
    char *labels_dir;
    CkptdNamerDone done;
    gpointer opaque;
    GThread *thread;

    GMutex lock;
    GCond more;
    GQueue jobs;
    gboolean ending;
};

static void job_free(struct job *job)
{
    ckptd_snapshot_free(job->snapshot);
    g_clear_error(&job->error);
    g_free(job->label);
    g_free(job);
}

/**
 * ckptd_namer_new() - for the labels of one guest
 * @labels_dir: where they are
 * @done:       told of each
 * @opaque:     for it
 *
 * Return: (transfer full): the namer, without a thread yet.
 */
CkptdNamer *ckptd_namer_new(const char *labels_dir, CkptdNamerDone done,
                            gpointer opaque)
{
    CkptdNamer *namer = g_new0(CkptdNamer, 1);

    namer->labels_dir = g_strdup(labels_dir);
    namer->done = done;
    namer->opaque = opaque;
    g_mutex_init(&namer->lock);
    g_cond_init(&namer->more);
    g_queue_init(&namer->jobs);
    return namer;
}

/**
 * ckptd_namer_free() - free a namer
 * @namer: (nullable): stopped
 */
void ckptd_namer_free(CkptdNamer *namer)
{
    if (!namer) {
        return;
    }
    g_assert(!namer->thread && g_queue_is_empty(&namer->jobs));
    g_mutex_clear(&namer->lock);
    g_cond_clear(&namer->more);
    g_free(namer->labels_dir);
    g_free(namer);
}

static void carry_out(CkptdNamer *namer, struct job *job)
{
    struct ckptd_snapshot_info info = { .epoch = 0 };

    if (!job->error) {
        ckptd_snapshot_info(job->snapshot, &info);
        ckptd_label_write(ckptd_io_system(), namer->labels_dir, job->label,
                          job->snapshot, &job->work, &job->error);
        /* Folding may go on before anybody is told. */
        g_clear_pointer(&job->snapshot, ckptd_snapshot_free);
    }
    namer->done(job->label, job->tag, job->error ? 0 : info.epoch, job->error,
                namer->opaque);
}

static gpointer namer_main(gpointer opaque)
{
    CkptdNamer *namer = opaque;
    struct job *job;

    g_mutex_lock(&namer->lock);
    for (;;) {
        job = g_queue_peek_head(&namer->jobs);
        if (!job && namer->ending) {
            break;
        }
        if (!job) {
            g_cond_wait(&namer->more, &namer->lock);
            continue;
        }
        g_mutex_unlock(&namer->lock);
        carry_out(namer, job);
        g_mutex_lock(&namer->lock);
        g_queue_pop_head(&namer->jobs);
        job_free(job);
    }
    g_mutex_unlock(&namer->lock);
    return NULL;
}

/**
 * ckptd_namer_is_full() - should nobody ask for more?
 * @namer: the namer
 *
 * Return: TRUE when CKPTD_NAMER_JOBS_MAX labels wait.
 * Context: any thread.
 */
gboolean ckptd_namer_is_full(CkptdNamer *namer)
{
    gboolean full;

    g_mutex_lock(&namer->lock);
    full = namer->jobs.length >= CKPTD_NAMER_JOBS_MAX;
    g_mutex_unlock(&namer->lock);
    return full;
}

/**
 * ckptd_namer_add() - have a label written, after those that were asked before
 * @namer:    the namer
 * @label:    its name
 * @tag:      for the answer
 * @snapshot: (transfer full) (nullable): of what
 * @error:    (transfer full) (nullable): why there is no snapshot
 *
 * Context: the thread that owns the store.
 */
void ckptd_namer_add(CkptdNamer *namer, const char *label, guint tag,
                     CkptdSnapshot *snapshot, GError *error)
{
    struct job *job = g_new0(struct job, 1);

    g_assert(!snapshot == !!error);
    job->label = g_strdup(label);
    job->tag = tag;
    job->snapshot = snapshot;
    job->error = error;
    g_mutex_lock(&namer->lock);
    g_queue_push_tail(&namer->jobs, job);
    g_cond_signal(&namer->more);
    g_mutex_unlock(&namer->lock);
    if (!namer->thread) {
        namer->thread = g_thread_new("namer", namer_main, namer);
    }
}

static gint by_label(gconstpointer job, gconstpointer label)
{
    return strcmp(((const struct job *)job)->label, label);
}

static struct job *find_locked(CkptdNamer *namer, const char *label)
{
    GList *item = g_queue_find_custom(&namer->jobs, label, by_label);

    return item ? item->data : NULL;
}

static void give_up(gpointer job, gpointer opaque G_GNUC_UNUSED)
{
    g_atomic_int_set(&((struct job *)job)->work.cancel, 1);
}

/**
 * ckptd_namer_cancel() - give a label up
 * @namer: the namer
 * @label: its name; one that is not being written is none of our business;
 *         NULL = all
 *
 * Context: any thread; does not wait.
 */
void ckptd_namer_cancel(CkptdNamer *namer, const char *label)
{
    struct job *job;

    g_mutex_lock(&namer->lock);
    job = label ? find_locked(namer, label) : NULL;
    if (job) {
        give_up(job, NULL);
    } else if (!label) {
        g_queue_foreach(&namer->jobs, give_up, NULL);
    }
    g_mutex_unlock(&namer->lock);
}

/**
 * ckptd_namer_progress() - how far a label is
 * @namer:           the namer
 * @label:           its name
 * @ret_done_bytes:  written
 * @ret_total_bytes: of so many; 0: not known yet
 *
 * Return: FALSE if it is not being written.
 * Context: any thread.
 */
gboolean ckptd_namer_progress(CkptdNamer *namer, const char *label,
                              uint64_t *ret_done_bytes,
                              uint64_t *ret_total_bytes)
{
    struct job *job;

    g_mutex_lock(&namer->lock);
    job = find_locked(namer, label);
    if (job) {
        *ret_done_bytes =
            (uint64_t)g_atomic_int_get(&job->work.done) * CKPT_PAGE_BYTES;
        *ret_total_bytes =
            (uint64_t)g_atomic_int_get(&job->work.total) * CKPT_PAGE_BYTES;
    }
    g_mutex_unlock(&namer->lock);
    return job != NULL;
}

/**
 * ckptd_namer_stop() - give all labels up, and wait until that is done
 * @namer: the namer; may be used again
 *
 * Afterwards no snapshot is left.
 *
 * Context: the thread that owns the store; blocks.
 */
void ckptd_namer_stop(CkptdNamer *namer)
{
    ckptd_namer_cancel(namer, NULL);
    g_mutex_lock(&namer->lock);
    namer->ending = TRUE;
    g_cond_signal(&namer->more);
    g_mutex_unlock(&namer->lock);
    if (namer->thread) {
        g_thread_join(g_steal_pointer(&namer->thread));
    }
    namer->ending = FALSE;
}
