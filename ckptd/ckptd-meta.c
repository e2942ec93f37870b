/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-meta.c - the two meta pages: where a store begins
 *
 * Few things change here, and rarely: the generation, the fold, and a hint of
 * what is committed. Each change is written to one page and, when that is
 * durable, to the other: a crash in between leaves one whole page of either
 * the old or the new state, and at rest both say the same, so that damage to
 * one of them loses nothing, least of all a generation (F1).
 */
#include "ckptd/ckptd-meta.h"

#include <stdlib.h>
#include <string.h>

#include "ckptd/ckptd-format.h"
#include "ckptd/ckptd-sum.h"

#define META_NEW_FILE "meta.new"

struct ckptd_meta {
    CkptdFile *file;

    GMutex update;  /* one change at a time; taken before lock */
    uint8_t *block; /* aligned, one block */

    GMutex lock; /* all below; not held while writing: appends look here */
    struct ckptd_meta_state state; /* durable; changed under both locks */
    uint64_t bytes_written;
};

static void encode(const struct ckptd_meta_state *state, uint8_t *block)
{
    struct ckptd_disk_meta d = {
        .version = le32_put(CKPTD_FORMAT_VERSION),
        .struct_bytes = le32_put(sizeof(d)),
        .incompat = le64_put(state->origin ? CKPTD_FORMAT_META_ORIGIN : 0),
        .compat = le64_put(CKPTD_FORMAT_COMPAT),
        .serial = le64_put(state->serial),
        .generation = le64_put(state->generation),
        .base_epoch = le64_put(state->base_epoch),
        .base_seal = le64_put(state->base_seal),
        .fold_epoch = le64_put(state->fold_epoch),
        .committed = le64_put(state->committed),
        .log_seq = le64_put(state->log_seq),
    };

    memcpy(d.magic, CKPTD_FORMAT_META_MAGIC, sizeof(d.magic));
    memcpy(d.store_id, state->store_id, sizeof(d.store_id));
    d.sum = le64_put(ckptd_sum(&d, offsetof(struct ckptd_disk_meta, sum), 0));
    memset(block, 0, CKPTD_FORMAT_BLOCK_BYTES);
    memcpy(block, &d, sizeof(d));
}

/* Return: whether the page is whole; *ret_known: and of a version we know. */
static gboolean decode(const uint8_t *block, unsigned page,
                       struct ckptd_meta_state *ret_state, gboolean *ret_known)
{
    struct ckptd_disk_meta d;

    memcpy(&d, block, sizeof(d));
    if (memcmp(d.magic, CKPTD_FORMAT_META_MAGIC, sizeof(d.magic)) ||
        le64_get(d.sum) !=
            ckptd_sum(&d, offsetof(struct ckptd_disk_meta, sum), 0) ||
        (le64_get(d.serial) & 1) != page) {
        return FALSE;
    }
    *ret_known = le32_get(d.version) == CKPTD_FORMAT_VERSION &&
                 !(le64_get(d.incompat) & ~CKPTD_FORMAT_META_INCOMPAT);
    ret_state->origin = le64_get(d.incompat) & CKPTD_FORMAT_META_ORIGIN;
    memcpy(ret_state->store_id, d.store_id, sizeof(d.store_id));
    ret_state->serial = le64_get(d.serial);
    ret_state->generation = le64_get(d.generation);
    ret_state->base_epoch = le64_get(d.base_epoch);
    ret_state->base_seal = le64_get(d.base_seal);
    ret_state->fold_epoch = le64_get(d.fold_epoch);
    ret_state->committed = le64_get(d.committed);
    ret_state->log_seq = le64_get(d.log_seq);
    return TRUE;
}

/* Write one page; when it is durable this is the state. */
static gboolean write_page(CkptdMeta *m, const struct ckptd_meta_state *next,
                           GError **error)
{
    uint64_t offset = (next->serial & 1) * CKPTD_FORMAT_BLOCK_BYTES;

    encode(next, m->block);
    if (!ckptd_io_write(m->file, m->block, CKPTD_FORMAT_BLOCK_BYTES, offset,
                        error)) {
        return FALSE;
    }
    g_mutex_lock(&m->lock);
    m->state = *next;
    m->bytes_written += CKPTD_FORMAT_BLOCK_BYTES;
    g_mutex_unlock(&m->lock);
    return TRUE;
}

/*
 * Make @next the state: durable in both pages when it returns TRUE. Caller
 * holds the update lock.
 */
static gboolean update_locked(CkptdMeta *m, struct ckptd_meta_state *next,
                              GError **error)
{
    g_assert(next->generation >= m->state.generation);
    g_assert(next->base_epoch >= m->state.base_epoch);
    g_assert(next->fold_epoch >= next->base_epoch);
    g_assert(next->log_seq >= m->state.log_seq);
    next->committed = MAX(next->committed, m->state.committed);
    next->serial = m->state.serial + 1;
    if (!write_page(m, next, error)) {
        return FALSE;
    }
    next->serial++;
    return write_page(m, next, error);
}

static CkptdMeta *meta_new(struct ckptd_io *io, const char *dir,
                           const char *name, unsigned flags, GError **error)
{
    CkptdFile *file = ckptd_io_open(io, dir, name, flags, error);
    CkptdMeta *m;

    if (!file) {
        return NULL;
    }
    m = g_new0(CkptdMeta, 1);
    m->file = file;
    m->block = ckptd_io_alloc(CKPTD_FORMAT_BLOCK_BYTES);
    g_mutex_init(&m->update);
    g_mutex_init(&m->lock);
    return m;
}

/**
 * ckptd_meta_create() - write the first meta pages, which makes it a store
 * @io:    the layer
 * @dir:   the store's directory; all else in it is durable already
 * @first: the first state; its serial is set here
 * @error: where to say why not
 *
 * Return: (transfer full): the meta pages, durable under their name.
 * Context: any thread; blocks.
 */
CkptdMeta *ckptd_meta_create(struct ckptd_io *io, const char *dir,
                             const struct ckptd_meta_state *first,
                             GError **error)
{
    unsigned flags = CKPTD_IO_WRITE | CKPTD_IO_DSYNC | CKPTD_IO_DIRECT;
    struct ckptd_meta_state state = *first;
    g_autoptr(CkptdMeta) m =
        meta_new(io, dir, META_NEW_FILE, flags | CKPTD_IO_CREATE, error);

    if (!m || !update_locked(m, &state, error) ||
        !ckptd_io_rename(io, dir, META_NEW_FILE, CKPTD_META_FILE, error)) {
        return NULL;
    }
    return g_steal_pointer(&m);
}

/**
 * ckptd_meta_open() - read the meta pages
 * @io:        the layer
 * @dir:       the store's directory
 * @read_only: nothing will be set
 * @error:     CKPTD_ERROR_NOT_FOUND, _VERSION, _DAMAGED (neither is whole)
 *
 * Return: (transfer full): the meta pages, or NULL.
 * Context: any thread; blocks.
 */
CkptdMeta *ckptd_meta_open(struct ckptd_io *io, const char *dir,
                           gboolean read_only, GError **error)
{
    unsigned flags = CKPTD_IO_WRITE | CKPTD_IO_DSYNC | CKPTD_IO_DIRECT;
    g_autoptr(CkptdMeta) m =
        meta_new(io, dir, CKPTD_META_FILE, read_only ? 0 : flags, error);
    gboolean found = FALSE;
    gboolean known = FALSE;
    unsigned page;

    for (page = 0; m && page < 2; page++) {
        struct ckptd_meta_state state;
        gboolean page_known;
        size_t len;

        if (!ckptd_io_read(m->file, m->block, CKPTD_FORMAT_BLOCK_BYTES,
                           page * CKPTD_FORMAT_BLOCK_BYTES, &len, error)) {
            return NULL;
        }
        if (len == CKPTD_FORMAT_BLOCK_BYTES &&
            decode(m->block, page, &state, &page_known) &&
            (!found || state.serial > m->state.serial)) {
            m->state = state;
            found = TRUE;
            known = page_known;
        }
    }
    if (!m) {
        return NULL;
    }
    if (!found) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: neither meta page is whole", m->file->path);
        return NULL;
    }
    if (!known) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_VERSION,
                    "%s: written by a later version", m->file->path);
        return NULL;
    }
    if (m->state.fold_epoch < m->state.base_epoch || !m->state.log_seq) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: contradicts itself", m->file->path);
        return NULL;
    }
    return g_steal_pointer(&m);
}

/**
 * ckptd_meta_close() - close the file
 * @m: (transfer full) (nullable): the meta pages
 *
 * Context: any thread, the last that uses it.
 */
void ckptd_meta_close(CkptdMeta *m)
{
    if (m) {
        ckptd_io_close(m->file);
        g_mutex_clear(&m->update);
        g_mutex_clear(&m->lock);
        free(m->block);
        g_free(m);
    }
}

/**
 * ckptd_meta_get() - the current state
 * @m:         the meta pages
 * @ret_state: a copy of it
 *
 * Context: any thread.
 */
void ckptd_meta_get(CkptdMeta *m, struct ckptd_meta_state *ret_state)
{
    g_mutex_lock(&m->lock);
    *ret_state = m->state;
    g_mutex_unlock(&m->lock);
}

/**
 * ckptd_meta_bytes_written() - for the statistics
 * @m: the meta pages
 *
 * Return: bytes since it was opened.
 * Context: any thread.
 */
uint64_t ckptd_meta_bytes_written(CkptdMeta *m)
{
    uint64_t n;

    g_mutex_lock(&m->lock);
    n = m->bytes_written;
    g_mutex_unlock(&m->lock);
    return n;
}

/**
 * ckptd_meta_set_generation() - begin a generation
 * @m:          the meta pages
 * @generation: greater than any before
 * @committed:  last durable epoch
 * @error:      where to say why not
 *
 * Return: TRUE if it is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_meta_set_generation(CkptdMeta *m, uint64_t generation,
                                   uint64_t committed, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&m->update);
    struct ckptd_meta_state next = m->state;

    next.generation = generation;
    next.committed = committed;
    return update_locked(m, &next, error);
}

/**
 * ckptd_meta_set_start() - begin behind an epoch of another store
 * @m:          the meta pages of a store without epochs
 * @generation: greater than any before
 * @base_epoch: of that other store; the base image is as of then
 * @error:      where to say why not
 *
 * Return: TRUE if it is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_meta_set_start(CkptdMeta *m, uint64_t generation,
                              uint64_t base_epoch, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&m->update);
    struct ckptd_meta_state next = m->state;

    g_assert(!next.committed && !next.fold_epoch);
    next.generation = generation;
    next.base_epoch = next.fold_epoch = next.committed = base_epoch;
    return update_locked(m, &next, error);
}

/**
 * ckptd_meta_set_committed() - note what is durable, so that later damage to
 * the last record is not taken for a torn one
 * @m:         the meta pages
 * @committed: last durable epoch
 * @error:     where to say why not
 *
 * Return: TRUE if it is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_meta_set_committed(CkptdMeta *m, uint64_t committed,
                                  GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&m->update);
    struct ckptd_meta_state next = m->state;

    if (m->state.committed >= committed) {
        return TRUE;
    }
    next.committed = committed;
    return update_locked(m, &next, error);
}

/**
 * ckptd_meta_set_fold() - announce that the base image is about to be written
 * @m:          the meta pages
 * @fold_epoch: up to the pages of this epoch
 * @committed:  last durable epoch
 * @error:      where to say why not
 *
 * Return: TRUE if it is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_meta_set_fold(CkptdMeta *m, uint64_t fold_epoch,
                             uint64_t committed, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&m->update);
    struct ckptd_meta_state next = m->state;

    g_assert(fold_epoch <= committed);
    next.fold_epoch = MAX(fold_epoch, m->state.fold_epoch);
    next.committed = committed;
    return update_locked(m, &next, error);
}

/**
 * ckptd_meta_set_filled() - the base image needs its origin no more
 * @m:     the meta pages
 * @error: where to say why not
 *
 * Return: TRUE if it is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_meta_set_filled(CkptdMeta *m, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&m->update);
    struct ckptd_meta_state next = m->state;

    next.origin = FALSE;
    return update_locked(m, &next, error);
}

/**
 * ckptd_meta_set_base() - the base image has become a later epoch's
 * @m:          the meta pages
 * @base_epoch: which; its pages are durable in the base image
 * @base_seal:  seal of its record
 * @log_seq:    of the first segment with a later record
 * @error:      where to say why not
 *
 * Return: TRUE if it is durable.
 * Context: any thread; blocks.
 */
gboolean ckptd_meta_set_base(CkptdMeta *m, uint64_t base_epoch,
                             uint64_t base_seal, uint64_t log_seq,
                             GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&m->update);
    struct ckptd_meta_state next = m->state;

    next.base_epoch = base_epoch;
    next.base_seal = base_seal;
    next.log_seq = log_seq;
    return update_locked(m, &next, error);
}
