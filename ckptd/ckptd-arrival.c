/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-arrival.c - the store of a guest that is coming in
 *
 * Pages are written to an image in a directory beside the store while they
 * come; that is no store, because it has no meta file (S1), and after a crash
 * it is thrown away.  The end is that of a store that begins with a label
 * (ckptd-label.c): the image becomes the origin, the last pages and the device
 * state the first record, and the whole is exchanged with the store that was
 * there in one step.  Before that step nothing has changed; after it the guest
 * is here, durable, and of the new generation (F1).
 */
#include "ckptd/ckptd-arrival.h"

#include <string.h>

#include "ckptd/ckptd-record.h"
#include "ckptd/ckptd-store-internal.h"

#define PAGE     CKPTD_FORMAT_PAGE_BYTES
#define ARRIVING ".arriving" /* added to the store's name */

struct ckptd_arrival {
    struct ckptd_io *io;
    char *store_dir;
    char *dir;
    struct ckptd_manifest manifest;
    CkptdFile *image;
    le64 *sums;
    uint64_t ram_pages;
    struct ckptd_record_buf buf;
};

/**
 * ckptd_arrival_begin() - a guest is going to come in
 * @io:        the layer
 * @store_dir: where its store is to be; one that is there stays as it is
 * @manifest:  what the guest is
 * @error:     set on failure
 *
 * Return: (transfer full): for the pages, or NULL.
 * Context: one thread for all calls; blocks.
 */
CkptdArrival *ckptd_arrival_begin(struct ckptd_io *io, const char *store_dir,
                                  const struct ckptd_manifest *manifest,
                                  GError **error)
{
    CkptdArrival *a = g_new0(CkptdArrival, 1);

    a->io = io;
    a->store_dir = g_strdup(store_dir);
    a->dir = g_strconcat(store_dir, ARRIVING, NULL);
    a->manifest = *manifest;
    a->ram_pages = manifest->ram_bytes / PAGE;
    a->sums = g_new0(le64, a->ram_pages);
    if (!ckptd_io_remove_dir(io, a->dir, error) ||
        !ckptd_io_make_dir(io, a->dir, error) ||
        !(a->image = ckptd_io_open(io, a->dir, CKPTD_STORE_ORIGIN_FILE,
                                   CKPTD_IO_WRITE | CKPTD_IO_CREATE, error)) ||
        !ckptd_io_resize(a->image, manifest->ram_bytes, error)) {
        ckptd_arrival_free(a);
        return NULL;
    }
    return a;
}

/**
 * ckptd_arrival_free() - it is over
 * @a: (nullable): what did not become a store is thrown away
 */
void ckptd_arrival_free(CkptdArrival *a)
{
    if (!a) {
        return;
    }
    ckptd_io_close(a->image);
    ckptd_arrival_tidy(a->io, a->store_dir);
    ckptd_record_buf_clear(&a->buf);
    g_free(a->sums);
    g_free(a->store_dir);
    g_free(a->dir);
    g_free(a);
}

/**
 * ckptd_arrival_tidy() - remove what a crash left unfinished, or done with
 * @io:        the layer
 * @store_dir: of the guest, to which nobody comes
 *
 * Context: any thread.
 */
void ckptd_arrival_tidy(struct ckptd_io *io, const char *store_dir)
{
    g_autofree char *dir = g_strconcat(store_dir, ARRIVING, NULL);
    g_autoptr(GError) error = NULL;

    if (!ckptd_io_remove_dir(io, dir, &error)) {
        g_warning("%s", error->message);
    }
}

/* Neighbours in RAM are neighbours in the slot: one write for them all. */
static gboolean write_run(CkptdArrival *a, uint64_t first, uint64_t n,
                          const uint8_t *data, GError **error)
{
    return n == 0 ||
           ckptd_io_write(a->image, data, n * PAGE, first * PAGE, error);
}

/**
 * ckptd_arrival_put() - write pages that have come in
 * @a:          the arrival
 * @slot:       as for ckptd_store_append(); its device state is not looked at
 * @slot_bytes: its size
 * @error:      CKPTD_ERROR_INVALID: the slot; others: the disk
 *
 * Durable when it returns, so that little is left to wait for at the end.
 *
 * Return: TRUE when they are written.
 */
gboolean ckptd_arrival_put(CkptdArrival *a, const void *slot, size_t slot_bytes,
                           GError **error)
{
    uint64_t i, first = 0, n = 0, n_data = 0;
    g_autoptr(CkptdRecord) r = NULL;
    const void *pages;
    const uint8_t *run;

    r = ckptd_record_encode(&a->buf, slot, slot_bytes, a->ram_pages, &pages,
                            error);
    run = pages;
    for (i = 0; r && i < r->n_pages; i++) {
        uint64_t entry = le64_get(r->list[i].page);
        uint64_t page = entry & ~CKPT_PAGE_ZERO;
        gboolean zero = (entry & CKPT_PAGE_ZERO) != 0;

        if (n && (zero || page != first + n)) {
            if (!write_run(a, first, n, run, error)) {
                return FALSE;
            }
            n = 0;
        }
        if (zero && le64_get(a->sums[page]) &&
            !ckptd_io_punch(a->image, page * PAGE, PAGE, error)) {
            return FALSE;
        }
        if (!zero) {
            if (!n) {
                first = page;
                run = (const uint8_t *)pages + n_data * PAGE;
            }
            n++;
            n_data++;
        }
        a->sums[page] = r->list[i].sum;
    }
    return r && write_run(a, first, n, run, error) &&
           ckptd_io_sync(a->image, error);
}

static gboolean write_sums(CkptdArrival *a, GError **error)
{
    g_autoptr(CkptdFile) f =
        ckptd_io_open(a->io, a->dir, CKPTD_STORE_ORIGIN_SUMS_FILE,
                      CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);

    return f &&
           ckptd_io_write(f, a->sums, a->ram_pages * sizeof(*a->sums), 0,
                          error) &&
           ckptd_io_sync(f, error);
}

static gboolean append_first(CkptdArrival *a, const void *slot,
                             size_t slot_bytes, uint64_t generation,
                             GError **error)
{
    const struct ckptd_store_params params = { .manual = TRUE };
    g_autoptr(CkptdStore) s =
        ckptd_store_open_full(a->dir, &params, a->io, error);
    struct ckptd_store_parts parts;

    if (!s) {
        return FALSE;
    }
    ckptd_store_parts(s, &parts);
    return ckptd_log_append(parts.log, slot, slot_bytes, generation, 0, error);
}

/**
 * ckptd_arrival_finish() - the guest has come
 * @a:          the arrival; nothing but ckptd_arrival_free() follows
 * @slot:       the last pages and the device state
 * @slot_bytes: its size
 * @epoch:      of the slot
 * @generation: of the slot; greater than that of a store that is there
 * @error:      set on failure
 *
 * Nobody has the store that is there open.
 *
 * Return: TRUE when the guest's store is durable in its place; otherwise all
 * is as it was.
 */
gboolean ckptd_arrival_finish(CkptdArrival *a, const void *slot,
                              size_t slot_bytes, uint64_t epoch,
                              uint64_t generation, GError **error)
{
    struct ckptd_meta_state first = {
        .generation = generation,
        .base_epoch = epoch - 1,
        .fold_epoch = epoch - 1,
        .committed = epoch - 1,
        .origin = TRUE,
    };
    gboolean replaced;

    g_assert(epoch > 0);
    return ckptd_io_sync(a->image, error) && write_sums(a, error) &&
           ckptd_store_populate(a->io, a->dir, &a->manifest, NULL, &first,
                                error) &&
           append_first(a, slot, slot_bytes, generation, error) &&
           ckptd_io_replace_dir(a->io, a->store_dir, a->dir, &replaced, error);
}
