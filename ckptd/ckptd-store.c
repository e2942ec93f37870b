/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-store.c - one guest's checkpoints on disk
 *
 * Puts the parts together: who may write (the lock and the generation, F1),
 * what there is (manifest, base image, log), and how a recovery gets its pages.
 * The meta file is made last: a directory without one is no store, whatever
 * else a crash left in it.
 */
#include "ckptd/ckptd-store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "abi/ckpt-nic.h"
#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-fold.h"
#include "ckptd/ckptd-index.h"
#include "ckptd/ckptd-manifest.h"
#include "ckptd/ckptd-origin.h"
#include "ckptd/ckptd-store-internal.h"

#define SEGMENT_MIN_BYTES      (64u << 10)
#define SEGMENT_DEFAULT_BYTES  (32u << 20)
#define TAIL_MAX_DEFAULT_BYTES (256u << 20)

struct ckptd_store {
    struct ckptd_io *io;
    char *dir;
    struct ckptd_manifest manifest;
    CkptdFile *lock;
    CkptdFile *base;
    CkptdFile *sums;
    CkptdFile *origin; /* base and sums until the first fold, or NULL */
    CkptdFile *origin_sums;
    CkptdMeta *meta;
    CkptdLog *log;
    CkptdFold *fold;
};

static struct ckptd_store_params complete(
    const struct ckptd_store_params *params)
{
    struct ckptd_store_params p = { 0 };
    uint64_t block = CKPTD_FORMAT_BLOCK_BYTES;

    if (params) {
        p = *params;
    }
    if (!p.segment_bytes) {
        p.segment_bytes = SEGMENT_DEFAULT_BYTES;
    }
    p.segment_bytes = MAX(p.segment_bytes / block * block, SEGMENT_MIN_BYTES);
    if (!p.fold_start_bytes) {
        p.fold_start_bytes = 2 * p.segment_bytes;
    }
    if (!p.tail_max_bytes) {
        p.tail_max_bytes = TAIL_MAX_DEFAULT_BYTES;
    }
    p.tail_max_bytes =
        MAX(p.tail_max_bytes, p.fold_start_bytes + 2 * p.segment_bytes);
    return p;
}

/* F1 on one host: whoever has the lock file locked has the store. */
static CkptdFile *take_lock(struct ckptd_io *io, const char *dir,
                            GError **error)
{
    g_autoptr(CkptdFile) f =
        ckptd_io_open(io, dir, CKPTD_STORE_LOCK_FILE,
                      CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);
    char pid[24] = "";
    size_t len = 0;

    if (!f) {
        return NULL;
    }
    if (!ckptd_io_lock(f, FALSE, error)) {
        ckptd_io_read(f, pid, sizeof(pid) - 1, 0, &len, NULL);
        g_prefix_error(error,
                       "held by process %s: ", *pid ? g_strchomp(pid) : "?");
        return NULL;
    }
    /* For people: on a full disk it may stay as it was. */
    g_snprintf(pid, sizeof(pid), "%-20ld\n", (long)getpid());
    ckptd_io_write(f, pid, strlen(pid), 0, NULL);
    return g_steal_pointer(&f);
}

/* --- creating ------------------------------------------------------------- */

static gboolean make_sized(struct ckptd_io *io, const char *dir,
                           const char *name, uint64_t bytes, GError **error)
{
    g_autoptr(CkptdFile) f =
        ckptd_io_open(io, dir, name, CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);

    return f && ckptd_io_resize(f, 0, error) &&
           ckptd_io_resize(f, bytes, error) && ckptd_io_sync(f, error);
}

static gboolean make_base(struct ckptd_io *io, const char *dir,
                          uint64_t ram_bytes, GError **error)
{
    uint64_t ram_pages = ram_bytes / CKPTD_FORMAT_PAGE_BYTES;

    return make_sized(io, dir, CKPTD_STORE_BASE_FILE, ram_bytes, error) &&
           make_sized(io, dir, CKPTD_STORE_SUMS_FILE, ram_pages * sizeof(le64),
                      error);
}

/**
 * ckptd_store_populate() - all but the meta pages, durable; then those
 * @io:       the layer
 * @dir:      the store's directory, and in it the origin if there is one
 * @manifest: checked
 * @params:   (nullable): sizes
 * @first:    of the meta pages; its id and log_seq are set here
 * @error:    where to say why not
 *
 * Return: TRUE if the store is durable.
 * Context: the thread that holds the store's lock; blocks.
 */
gboolean ckptd_store_populate(struct ckptd_io *io, const char *dir,
                              const struct ckptd_manifest *manifest,
                              const struct ckptd_store_params *params,
                              const struct ckptd_meta_state *first,
                              GError **error)
{
    const struct ckptd_store_params p = complete(params);
    struct ckptd_meta_state state = *first;
    g_autofree char *parent = g_path_get_dirname(dir);
    g_autoptr(CkptdMeta) meta = NULL;

    state.log_seq = 1;
    if (getrandom(state.store_id, sizeof(state.store_id), 0) !=
        sizeof(state.store_id)) {
        g_error("no random numbers");
    }
    if (!make_base(io, dir, manifest->ram_bytes, error) ||
        !ckptd_manifest_save(io, dir, manifest, error) ||
        !ckptd_log_create(io, dir, state.store_id, &p, error) ||
        !ckptd_io_sync_dir(io, dir, error) ||
        !ckptd_io_sync_dir(io, parent, error)) {
        return FALSE;
    }
    meta = ckptd_meta_create(io, dir, &state, error);
    return meta != NULL;
}

/*
 * A create that did not get to its end leaves files, but no record; a store
 * that lost its meta file has records, and is not to be written over.
 */
static gboolean nothing_to_lose(struct ckptd_io *io, const char *dir,
                                GPtrArray *names,
                                const struct ckptd_manifest *manifest,
                                GError **error)
{
    uint64_t ram_pages = manifest->ram_bytes / CKPTD_FORMAT_PAGE_BYTES;
    static const uint8_t no_id[16];
    guint i;

    for (i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        struct ckptd_record_buf buf = { 0 };
        g_autoptr(CkptdSegment) seg = NULL;
        g_autoptr(CkptdRecord) r = NULL;
        gboolean ok;

        if (!strcmp(name, CKPTD_META_FILE)) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                        "%s: there is a store already", dir);
            return FALSE;
        }
        if (!ckptd_segment_name_is_valid(name)) {
            continue;
        }
        seg = ckptd_segment_open(io, dir, name, no_id, TRUE, error);
        ok = seg && ckptd_record_read(seg, CKPTD_SEGMENT_START, TRUE, ram_pages,
                                      &buf, &r, error);
        ckptd_record_buf_clear(&buf);
        if (!ok) {
            return FALSE;
        }
        if (r) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                        "%s: there are checkpoints, but the meta file is gone",
                        dir);
            return FALSE;
        }
    }
    return TRUE;
}

static CkptdStore *open_locked(const char *dir, CkptdFile *lock,
                               const struct ckptd_store_params *params,
                               struct ckptd_io *io, GError **error);

/**
 * ckptd_store_create_full() - make a store, with sizes and a layer of one's own
 * @dir:      its directory, made if it is not there; its parent is
 * @manifest: what the guest is, as far as known
 * @params:   (nullable): sizes
 * @io:       the layer, outlives the store
 * @error:    CKPTD_ERROR_EXISTS, _BUSY, _INVALID and others
 *
 * Return: (transfer full): the store, open and durable, of generation 0.
 * Context: the thread that becomes its owner; blocks.
 */
CkptdStore *ckptd_store_create_full(const char *dir,
                                    const struct ckptd_manifest *manifest,
                                    const struct ckptd_store_params *params,
                                    struct ckptd_io *io, GError **error)
{
    struct ckptd_store_params p = complete(params);
    g_autoptr(GPtrArray) names = NULL;
    g_autoptr(CkptdFile) lock = NULL;

    if (!ckptd_manifest_check(manifest, error) ||
        !ckptd_io_make_dir(io, dir, error)) {
        return NULL;
    }
    lock = take_lock(io, dir, error);
    names = lock ? ckptd_io_list(io, dir, error) : NULL;
    if (!names) {
        return NULL;
    }
    if (!nothing_to_lose(io, dir, names, manifest, error)) {
        return NULL;
    }
    if (!ckptd_store_populate(io, dir, manifest, params,
                              &(struct ckptd_meta_state){ 0 }, error)) {
        return NULL;
    }
    return open_locked(dir, g_steal_pointer(&lock), &p, io, error);
}

/**
 * ckptd_store_create() - make a store
 * @dir:      its directory, made if it is not there; its parent is
 * @manifest: what the guest is, as far as known
 * @error:    CKPTD_ERROR_EXISTS, _BUSY, _INVALID and others
 *
 * Return: (transfer full): the store, open and durable, of generation 0.
 * Context: the thread that becomes its owner; blocks.
 */
CkptdStore *ckptd_store_create(const char *dir,
                               const struct ckptd_manifest *manifest,
                               GError **error)
{
    return ckptd_store_create_full(dir, manifest, NULL, ckptd_io_system(),
                                   error);
}

/* --- opening and closing -------------------------------------------------- */

static CkptdFile *open_sized(CkptdStore *s, const char *name, unsigned flags,
                             uint64_t bytes, GError **error)
{
    g_autoptr(CkptdFile) f = ckptd_io_open(s->io, s->dir, name, flags, error);
    uint64_t have = 0;

    if (!f || !ckptd_io_size(f, &have, error)) {
        return NULL;
    }
    if (have != bytes) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: the base image is not as large as RAM", s->dir);
        return NULL;
    }
    return g_steal_pointer(&f);
}

/* A crash may have come before they were removed. */
static void tidy_origin(CkptdStore *s)
{
    g_autoptr(GError) error = NULL;

    if (!ckptd_origin_tidy(s->io, s->dir, &error)) {
        g_warning("%s", error->message);
    }
}

static gboolean open_base(CkptdStore *s, GError **error)
{
    uint64_t ram_bytes = s->manifest.ram_bytes;
    uint64_t sums_bytes = ram_bytes / CKPTD_FORMAT_PAGE_BYTES * sizeof(le64);
    struct ckptd_meta_state meta;

    s->base =
        open_sized(s, CKPTD_STORE_BASE_FILE, CKPTD_IO_WRITE, ram_bytes, error);
    s->sums = s->base ? open_sized(s, CKPTD_STORE_SUMS_FILE, CKPTD_IO_WRITE,
                                   sums_bytes, error)
                      : NULL;
    ckptd_meta_get(s->meta, &meta);
    if (s->sums && !meta.origin) {
        tidy_origin(s);
    }
    if (!s->sums || !meta.origin) {
        return s->sums != NULL;
    }
    s->origin = open_sized(s, CKPTD_STORE_ORIGIN_FILE, 0, ram_bytes, error);
    s->origin_sums = s->origin ? open_sized(s, CKPTD_STORE_ORIGIN_SUMS_FILE, 0,
                                            sums_bytes, error)
                               : NULL;
    return s->origin_sums != NULL;
}

/* Takes the lock over, also on failure. */
static CkptdStore *open_locked(const char *dir, CkptdFile *lock,
                               const struct ckptd_store_params *params,
                               struct ckptd_io *io, GError **error)
{
    g_autoptr(CkptdStore) s = g_new0(CkptdStore, 1);
    struct ckptd_log_config log = { .io = io, .dir = dir, .params = *params };
    struct ckptd_fold_config fold;

    s->io = io;
    s->dir = g_strdup(dir);
    s->lock = lock;
    s->meta = ckptd_meta_open(io, dir, FALSE, error);
    if (!s->meta || !ckptd_manifest_load(io, dir, &s->manifest, error) ||
        !open_base(s, error)) {
        return NULL;
    }
    log.ram_bytes = s->manifest.ram_bytes;
    log.meta = s->meta;
    s->log = ckptd_log_open(&log, error);
    if (!s->log) {
        return NULL;
    }
    fold = (struct ckptd_fold_config){
        .log = s->log,
        .meta = s->meta,
        .base = s->base,
        .sums = s->sums,
        .origin = s->origin,
        .origin_sums = s->origin_sums,
        .io = io,
        .dir = s->dir,
        .ram_pages = s->manifest.ram_bytes / CKPTD_FORMAT_PAGE_BYTES,
    };
    s->fold = ckptd_fold_new(&fold);
    if (!params->manual) {
        ckptd_fold_start(s->fold);
    }
    return g_steal_pointer(&s);
}

/**
 * ckptd_store_open_full() - open a store, with sizes and a layer of one's own
 * @dir:    its directory
 * @params: (nullable): sizes; segments that are there keep theirs
 * @io:     the layer, outlives the store
 * @error:  CKPTD_ERROR_NOT_FOUND, _BUSY, _VERSION, _DAMAGED, _IO
 *
 * Return: (transfer full): the store, at its last durable epoch.
 * Context: the thread that becomes its owner; blocks.
 */
CkptdStore *ckptd_store_open_full(const char *dir,
                                  const struct ckptd_store_params *params,
                                  struct ckptd_io *io, GError **error)
{
    struct ckptd_store_params p = complete(params);
    CkptdFile *lock;

    /* Before the lock file, which would be made where there is no store. */
    g_autoptr(CkptdFile) meta =
        ckptd_io_open(io, dir, CKPTD_META_FILE, 0, error);

    if (!meta) {
        return NULL;
    }
    lock = take_lock(io, dir, error);
    return lock ? open_locked(dir, lock, &p, io, error) : NULL;
}

/**
 * ckptd_store_open() - open a store
 * @dir:   its directory
 * @error: CKPTD_ERROR_NOT_FOUND, _BUSY (names the holder), _VERSION, _DAMAGED
 *         (an operator has to decide), _IO
 *
 * Return: (transfer full): the store, at its last durable epoch.
 * Context: the thread that becomes its owner; blocks.
 */
CkptdStore *ckptd_store_open(const char *dir, GError **error)
{
    return ckptd_store_open_full(dir, NULL, ckptd_io_system(), error);
}

/**
 * ckptd_store_close() - close a store
 * @s: (transfer full) (nullable): the store
 *
 * Notes in the meta pages what is committed: a record that is damaged while
 * nobody looks cannot be taken for a torn one.
 *
 * Context: owner thread; waits for a fold under way.
 */
void ckptd_store_close(CkptdStore *s)
{
    g_autoptr(GError) error = NULL;

    if (!s) {
        return;
    }
    if (s->log) {
        ckptd_log_stop(s->log);
        ckptd_fold_free(s->fold);
        if (!ckptd_meta_set_committed(s->meta, ckptd_log_last_epoch(s->log),
                                      &error)) {
            g_warning("%s", error->message);
        }
        ckptd_log_close(s->log);
    }
    ckptd_meta_close(s->meta);
    ckptd_io_close(s->origin_sums);
    ckptd_io_close(s->origin);
    ckptd_io_close(s->sums);
    ckptd_io_close(s->base);
    ckptd_io_close(s->lock);
    g_free(s->dir);
    g_free(s);
}

/* --- what it is ----------------------------------------------------------- */

/**
 * ckptd_store_manifest() - what the guest is
 * @s: the store
 *
 * Return: (transfer none): valid until it is set or the store closed.
 * Context: owner thread.
 */
const struct ckptd_manifest *ckptd_store_manifest(CkptdStore *s)
{
    return &s->manifest;
}

/**
 * ckptd_store_set_manifest() - say what the guest is, now that it is known
 * @s:        the store, without any checkpoint
 * @manifest: with the UUID and the RAM size that it had
 * @error:    CKPTD_ERROR_MISMATCH: fixed already; _INVALID, _IO
 *
 * Return: TRUE if it is durable.
 * Context: owner thread; blocks.
 */
gboolean ckptd_store_set_manifest(CkptdStore *s,
                                  const struct ckptd_manifest *manifest,
                                  GError **error)
{
    if (!ckptd_manifest_check(manifest, error)) {
        return FALSE;
    }
    if (ckptd_log_last_epoch(s->log) ||
        manifest->ram_bytes != s->manifest.ram_bytes ||
        strcmp(manifest->uuid, s->manifest.uuid)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "%s: the manifest is fixed", s->dir);
        return FALSE;
    }
    if (!ckptd_manifest_save(s->io, s->dir, manifest, error)) {
        return FALSE;
    }
    s->manifest = *manifest;
    return TRUE;
}

/**
 * ckptd_store_generation() - the current generation
 * @s: the store
 *
 * Return: the generation, 0 before the first.
 * Context: any thread.
 */
uint64_t ckptd_store_generation(CkptdStore *s)
{
    struct ckptd_meta_state meta;

    ckptd_meta_get(s->meta, &meta);
    return meta.generation;
}

/**
 * ckptd_store_last_epoch() - the last durable epoch
 * @s: the store
 *
 * Return: the epoch, 0 = none.
 * Context: any thread.
 */
uint64_t ckptd_store_last_epoch(CkptdStore *s)
{
    return ckptd_log_last_epoch(s->log);
}

/**
 * ckptd_store_begin_generation() - nobody of an older generation may append now
 * @s:              the store
 * @ret_generation: the new one
 * @error:          where to say why not
 *
 * Return: TRUE if it is durable (F1).
 * Context: owner thread; blocks.
 */
gboolean ckptd_store_begin_generation(CkptdStore *s, uint64_t *ret_generation,
                                      GError **error)
{
    uint64_t generation = ckptd_store_generation(s) + 1;

    /* What the generation before could not write must not come up later. */
    if (!ckptd_log_settle(s->log, error) ||
        !ckptd_meta_set_generation(s->meta, generation,
                                   ckptd_log_last_epoch(s->log), error)) {
        return FALSE;
    }
    *ret_generation = generation;
    return TRUE;
}

/**
 * ckptd_store_start_behind() - go on from an epoch of another host's store
 * @s:          the store, without epochs; its base image was filled by
 *              ckptd-image.c
 * @epoch:      as of which it is, but for what the next append brings
 * @generation: to begin
 * @error:      where to say why not
 *
 * Until the next append is done it is no store that could be opened.
 *
 * Return: TRUE if it is durable.
 * Context: owner thread; blocks.
 */
gboolean ckptd_store_start_behind(CkptdStore *s, uint64_t epoch,
                                  uint64_t generation, GError **error)
{
    return ckptd_meta_set_start(s->meta, generation, epoch, error);
}

/**
 * ckptd_store_append() - make a checkpoint durable
 * @s:          the store
 * @slot:       staging slot, page aligned, laid out as struct ckpt_slot; must
 *              not be written to until this returns
 * @slot_bytes: its size
 * @error:      CKPTD_ERROR_INVALID, _STALE: the slot; others: the store
 *
 * Return: TRUE if the epoch is durable (S2).
 * Context: owner thread; blocks, and waits while folding is behind (S3).
 */
gboolean ckptd_store_append(CkptdStore *s, const void *slot, size_t slot_bytes,
                            GError **error)
{
    return ckptd_log_append(s->log, slot, slot_bytes, ckptd_store_generation(s),
                            0, error);
}

/* --- recovery ------------------------------------------------------------- */

/**
 * ckptd_store_base_fd() - the base image, to be mapped privately
 * @s: the store
 *
 * To be asked for after ckptd_store_load_tail(): a fold may move pages from the
 * tail to the base image meanwhile, never back.
 *
 * Return: borrowed; as large as RAM.
 * Context: owner thread.
 */
int ckptd_store_base_fd(CkptdStore *s)
{
    struct ckptd_store_parts parts;

    ckptd_store_parts(s, &parts);
    return ckptd_io_fd(parts.base);
}

/**
 * ckptd_store_line() - does a line begin behind the last epoch?
 * @s: the store
 *
 * Return: enum ckpt_line_why, 0 if it goes on as it was.
 * Context: owner thread.
 */
unsigned ckptd_store_line(CkptdStore *s)
{
    const CkptdRecord *last = ckptd_log_last_record(s->log);

    if (last && (last->flags & CKPTD_FORMAT_RECORD_FORK)) {
        return CKPT_LINE_FORK;
    }
    return last && (last->flags & CKPTD_FORMAT_RECORD_ROLLBACK)
               ? CKPT_LINE_ROLLBACK
               : 0;
}

/* Lay the slot out; its header is written when all else is there. */
static gboolean plan_slot(const CkptdRecord *last, GArray *pages,
                          size_t slot_bytes, struct ckpt_slot *ret_slot,
                          GError **error)
{
    struct ckpt_slot s = {
        .magic = CKPT_SLOT_MAGIC,
        .epoch = last->epoch,
        .generation = last->generation,
        .n_pages = pages->len,
        .list_offset = sizeof(s),
        .devstate_bytes = last->devstate_bytes,
        .ram_hash = last->ram_hash,
    };
    uint64_t end;
    guint i;

    for (i = 0; i < pages->len; i++) {
        s.n_data +=
            g_array_index(pages, struct ckptd_index_page, i).segment != NULL;
    }
    s.devstate_offset = s.list_offset + s.n_pages * sizeof(uint64_t);
    end = s.devstate_offset + s.devstate_bytes;
    s.data_offset =
        (end + CKPT_PAGE_BYTES - 1) / CKPT_PAGE_BYTES * CKPT_PAGE_BYTES;
    end = s.data_offset + s.n_data * CKPT_PAGE_BYTES;
    if (end > slot_bytes) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "the tail needs a slot of %" G_GUINT64_FORMAT
                    " bytes, it has %zu",
                    end, slot_bytes);
        return FALSE;
    }
    *ret_slot = s;
    return TRUE;
}

struct load {
    uint8_t *data;   /* in the slot */
    uint64_t *place; /* page of the list -> page of the data */
};

static gboolean load_page(uint64_t index,
                          const struct ckptd_index_page *p G_GNUC_UNUSED,
                          const uint8_t *data, gpointer opaque,
                          GError **error G_GNUC_UNUSED)
{
    struct load *l = opaque;

    if (data) {
        memcpy(l->data + l->place[index] * CKPT_PAGE_BYTES, data,
               CKPT_PAGE_BYTES);
    }
    return TRUE;
}

static gboolean load(CkptdStore *s, GPtrArray *records, uint8_t *slot,
                     size_t slot_bytes, GError **error)
{
    const CkptdRecord *last = g_ptr_array_index(records, records->len - 1);
    g_autoptr(GArray) pages = ckptd_index_newest(
        records, s->manifest.ram_bytes / CKPTD_FORMAT_PAGE_BYTES);
    g_autofree uint64_t *place = g_new(uint64_t, pages->len);
    struct ckpt_slot head;
    struct load l = { .place = place };
    uint64_t n_data = 0;
    guint i;

    if (!plan_slot(last, pages, slot_bytes, &head, error)) {
        return FALSE;
    }
    for (i = 0; i < pages->len; i++) {
        const struct ckptd_index_page *p =
            &g_array_index(pages, struct ckptd_index_page, i);
        uint64_t entry = htole64(p->page | (p->segment ? 0 : CKPT_PAGE_ZERO));

        place[i] = n_data;
        n_data += p->segment != NULL;
        memcpy(slot + head.list_offset + i * sizeof(entry), &entry,
               sizeof(entry));
    }
    l.data = slot + head.data_offset;
    if (!ckptd_record_read_devstate(last, slot + head.devstate_offset, error) ||
        !ckptd_index_read(pages, load_page, &l, error)) {
        return FALSE;
    }
    memcpy(slot, &head, sizeof(head));
    return TRUE;
}

/**
 * ckptd_store_load_tail() - get what a recovery needs beside the base image
 * @s:          the store
 * @slot:       where to put the newest copy of each page that the base image
 *              lacks, and the device state, of the last epoch
 * @slot_bytes: its size
 * @error:      CKPTD_ERROR_NOT_FOUND (no checkpoint), _NO_SPACE, _DAMAGED, _IO
 *
 * Return: TRUE if all of it is there, and whole.
 * Context: owner thread; blocks.
 */
gboolean ckptd_store_load_tail(CkptdStore *s, void *slot, size_t slot_bytes,
                               GError **error)
{
    GPtrArray *records = ckptd_log_pin(s->log);
    gboolean ok = FALSE;

    if (records->len) {
        ok = load(s, records, slot, slot_bytes, error);
    } else {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "%s: no checkpoint", s->dir);
    }
    ckptd_log_unpin(s->log, records);
    return ok;
}

/**
 * ckptd_store_ram_hash() - hash of RAM as of the last epoch
 * @s:        the store
 * @ret_hash: the hash
 *
 * Return: FALSE if its record carries none.
 * Context: owner thread.
 */
gboolean ckptd_store_ram_hash(CkptdStore *s, uint64_t *ret_hash)
{
    const CkptdRecord *last = ckptd_log_last_record(s->log);

    if (!last || !(last->flags & CKPTD_FORMAT_RECORD_HASH)) {
        return FALSE;
    }
    *ret_hash = last->ram_hash;
    return TRUE;
}

/**
 * ckptd_store_devstate_bytes() - size of the device state of the last epoch
 * @s: the store
 *
 * Return: at most CKPTD_RECORD_DEVSTATE_MAX_BYTES, 0 if there is no epoch.
 * Context: owner thread.
 */
uint64_t ckptd_store_devstate_bytes(CkptdStore *s)
{
    const CkptdRecord *last = ckptd_log_last_record(s->log);

    return last ? last->devstate_bytes : 0;
}

/**
 * ckptd_store_parts() - what a snapshot is made of
 * @s:         the store
 * @ret_parts: borrowed
 *
 * Context: owner thread.
 */
void ckptd_store_parts(CkptdStore *s, struct ckptd_store_parts *ret_parts)
{
    struct ckptd_meta_state meta;

    ckptd_meta_get(s->meta, &meta);
    *ret_parts = (struct ckptd_store_parts){
        .log = s->log,
        .base = meta.origin ? s->origin : s->base,
        .sums = meta.origin ? s->origin_sums : s->sums,
    };
}

/* --- folding and figures -------------------------------------------------- */

/**
 * ckptd_store_fold() - fold now
 * @s:     the store, opened with manual set
 * @error: where to say why not
 *
 * Return: TRUE on success, also if there was nothing to fold.
 * Context: owner thread; blocks.
 */
gboolean ckptd_store_fold(CkptdStore *s, GError **error)
{
    return ckptd_fold_once(s->fold, error);
}

/**
 * ckptd_store_stats() - figures since the store was opened
 * @s:         the store
 * @ret_stats: the figures
 *
 * Context: any thread.
 */
void ckptd_store_stats(CkptdStore *s, struct ckptd_store_stats *ret_stats)
{
    struct ckptd_meta_state meta;

    ckptd_log_stats(s->log, ret_stats);
    ckptd_fold_stats(s->fold, ret_stats);
    ckptd_meta_get(s->meta, &meta);
    ret_stats->base_epoch = meta.base_epoch;
    ret_stats->generation = meta.generation;
    ret_stats->bytes_written = ret_stats->log_bytes + ret_stats->base_bytes +
                               ret_stats->prepare_bytes +
                               ckptd_meta_bytes_written(s->meta);
}
