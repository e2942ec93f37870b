/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-label.c - named checkpoints: an image that never changes
 *
 * The base image of a store changes with every fold, under the eyes of a QEMU
 * that maps it; a label is therefore a copy, and nobody writes to it once it
 * has its name.  It is written under a name that no label can have, every file
 * synced, and then renamed: a label that can be found is whole.
 *
 * A store that begins with a label takes no copy: it links the label's image
 * (ckptd-origin.c), so that a label can be deleted while stores need it.  It
 * is put together beside the store that it replaces and exchanged with it in
 * one step: a rollback has happened, or it has not.
 */
#include "ckptd/ckptd-label.h"

#include <stdlib.h>
#include <string.h>

#include "ckptd/ckptd-io-later.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-manifest.h"
#include "ckptd/ckptd-store-internal.h"
#include "ckptd/ckptd-sum.h"

#define LABEL_FILE    "label"
#define IMAGE_FILE    "image"
#define SUMS_FILE     "image.sums"
#define DEVSTATE_FILE "devstate"
#define UNFINISHED    "+"    /* begins names that no label has */
#define FRESH_STORE   ".new" /* one that is being put together, or given up */

#define UNCHANGED     "nothing was changed: "

#define PAGE          CKPTD_FORMAT_PAGE_BYTES
/* So much waits for the disk at most: whoever gives up waits for it, and so do
 * the guest's own appends. */
#define SYNC_BYTES    (32u << 20)

/**
 * ckptd_label_name_ok() - can a label be called so?
 * @name: for it
 *
 * Return: TRUE for 1 to 48 letters, digits, '.', '_' or '-', with a letter or
 * digit in front.
 */
gboolean ckptd_label_name_ok(const char *name)
{
    return g_ascii_isalnum(name[0]) && strlen(name) <= CKPTD_LABEL_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789._-") == strlen(name);
}

/* Return: FALSE with CKPTD_ERROR_NOT_FOUND, or with why it is not known. */
static gboolean is_there(struct ckptd_io *io, const char *dir, GError **error)
{
    g_autoptr(GPtrArray) names = ckptd_io_list(io, dir, error);

    return names != NULL;
}

/* --- writing -------------------------------------------------------------- */

struct writer {
    struct ckptd_io *io;
    struct ckptd_label_work *work;
    CkptdFile *image;
    le64 *sums;
    uint64_t bytes;
};

static gboolean write_page(uint64_t page, const uint8_t *data, uint64_t sum,
                           gpointer opaque, GError **error)
{
    struct writer *w = opaque;

    if (g_atomic_int_get(&w->work->cancel)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "the named checkpoint was given up");
        return FALSE;
    }
    w->sums[page] = le64_put(sum);
    w->bytes += PAGE;
    g_atomic_int_inc(&w->work->done);
    return ckptd_io_write(w->image, data, PAGE, page * PAGE, error) &&
           (w->bytes % SYNC_BYTES || ckptd_io_sync(w->image, error));
}

/* A new file with this content, durable. */
static gboolean put_file(struct ckptd_io *io, const char *dir, const char *name,
                         const void *data, size_t len, GError **error)
{
    g_autoptr(CkptdFile) f =
        ckptd_io_open(io, dir, name, CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);

    return f && ckptd_io_write(f, data, len, 0, error) &&
           ckptd_io_sync(f, error);
}

static gboolean write_image(const char *dir, CkptdSnapshot *snapshot,
                            struct writer *w, uint64_t ram_bytes,
                            GError **error)
{
    g_autoptr(CkptdFile) image = ckptd_io_open(
        w->io, dir, IMAGE_FILE, CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);
    uint64_t pages;

    w->image = image;
    if (!ckptd_snapshot_count_pages(snapshot, &pages, error)) {
        return FALSE;
    }
    g_atomic_int_set(&w->work->total, pages);
    return image && ckptd_io_resize(image, ram_bytes, error) &&
           ckptd_snapshot_read_pages(snapshot, write_page, w, error) &&
           ckptd_io_sync(image, error);
}

static gboolean write_files(struct ckptd_io *io, const char *dir,
                            CkptdSnapshot *snapshot,
                            struct ckptd_label_work *work, GError **error)
{
    struct ckptd_disk_label d = {
        .version = le32_put(CKPTD_FORMAT_VERSION),
        .struct_bytes = le32_put(sizeof(d)),
        .created_s = le64_put(g_get_real_time() / G_USEC_PER_SEC),
    };
    g_autofree uint8_t *devstate = NULL;
    struct ckptd_snapshot_info info;
    g_autofree le64 *sums = NULL;
    struct writer w = { .io = io, .work = work };
    size_t sums_bytes;

    ckptd_snapshot_info(snapshot, &info);
    sums_bytes = info.manifest.ram_bytes / PAGE * sizeof(*sums);
    w.sums = sums = g_malloc0(sums_bytes);
    devstate = g_malloc(info.devstate_bytes);
    if (!ckptd_snapshot_read_devstate(snapshot, devstate, error) ||
        !write_image(dir, snapshot, &w, info.manifest.ram_bytes, error) ||
        !put_file(io, dir, SUMS_FILE, sums, sums_bytes, error) ||
        !put_file(io, dir, DEVSTATE_FILE, devstate, info.devstate_bytes,
                  error) ||
        !ckptd_manifest_save(io, dir, &info.manifest, error)) {
        return FALSE;
    }
    memcpy(d.magic, CKPTD_FORMAT_LABEL_MAGIC, sizeof(d.magic));
    d.epoch = le64_put(info.epoch);
    d.generation = le64_put(info.generation);
    d.ram_bytes = le64_put(info.manifest.ram_bytes);
    d.ram_hash = le64_put(info.ram_hash);
    d.image_bytes = le64_put(w.bytes);
    d.devstate_bytes = le64_put(info.devstate_bytes);
    d.devstate_sum = le64_put(ckptd_sum(devstate, info.devstate_bytes, 0));
    d.sums_sum = le64_put(ckptd_sum(sums, sums_bytes, 0));
    d.sum = le64_put(ckptd_sum(&d, offsetof(struct ckptd_disk_label, sum), 0));
    return put_file(io, dir, LABEL_FILE, &d, sizeof(d), error) &&
           ckptd_io_sync_dir(io, dir, error);
}

/**
 * ckptd_label_write() - make a label of a snapshot
 * @io:         the layer
 * @labels_dir: of the guest's labels, made if it is not there
 * @name:       of the label
 * @snapshot:   what it is of
 * @work:       progress, and a way to give up
 * @error:      CKPTD_ERROR_EXISTS, _NO_SPACE and others
 *
 * Return: TRUE if it is durable under its name; otherwise nothing of it stays.
 * Context: any thread; blocks long.
 */
gboolean ckptd_label_write(struct ckptd_io *io, const char *labels_dir,
                           const char *name, CkptdSnapshot *snapshot,
                           struct ckptd_label_work *work, GError **error)
{
    g_autofree char *unfinished = g_strconcat(UNFINISHED, name, NULL);
    g_autofree char *fresh = g_build_filename(labels_dir, unfinished, NULL);
    g_autofree char *dir = g_build_filename(labels_dir, name, NULL);
    g_autofree char *parent = g_path_get_dirname(labels_dir);
    g_autoptr(GError) local = NULL;

    if (is_there(io, dir, &local)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "there is a checkpoint %s already", name);
        return FALSE;
    }
    if (!ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!ckptd_io_make_dir(io, labels_dir, error) ||
        !ckptd_io_sync_dir(io, parent, error) ||
        !ckptd_io_remove_dir(io, fresh, error) ||
        !ckptd_io_make_dir(io, fresh, error)) {
        return FALSE;
    }
    if (!write_files(io, fresh, snapshot, work, error) ||
        !ckptd_io_rename(io, labels_dir, unfinished, name, error)) {
        ckptd_io_remove_dir(io, fresh, NULL);
        return FALSE;
    }
    return TRUE;
}

/* --- reading -------------------------------------------------------------- */

static gboolean damaged(GError **error, const char *dir, const char *what)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED, "%s: %s", dir, what);
    return FALSE;
}

/* Return: (transfer full): a file that has to be this long, or NULL. */
static uint8_t *get_file(struct ckptd_io *io, const char *dir, const char *name,
                         uint64_t bytes, GError **error)
{
    g_autoptr(CkptdFile) f = ckptd_io_open(io, dir, name, 0, error);
    g_autofree uint8_t *data = NULL;
    uint64_t size;

    if (!f || !ckptd_io_size(f, &size, error)) {
        return NULL;
    }
    data = g_try_malloc(bytes + 1);
    if (size != bytes || !data) {
        damaged(error, f->path, "is not as long as it should be");
        return NULL;
    }
    return ckptd_io_read(f, data, bytes, 0, NULL, error)
               ? g_steal_pointer(&data)
               : NULL;
}

static gboolean load_head(struct ckptd_io *io, const char *dir,
                          struct ckptd_disk_label *ret, GError **error)
{
    g_autofree uint8_t *data =
        get_file(io, dir, LABEL_FILE, sizeof(*ret), error);

    if (!data) {
        return FALSE;
    }
    memcpy(ret, data, sizeof(*ret));
    if (memcmp(ret->magic, CKPTD_FORMAT_LABEL_MAGIC, sizeof(ret->magic)) ||
        le64_get(ret->sum) !=
            ckptd_sum(ret, offsetof(struct ckptd_disk_label, sum), 0)) {
        return damaged(error, dir, "its file \"label\" is damaged");
    }
    if (le32_get(ret->version) != CKPTD_FORMAT_VERSION ||
        (le64_get(ret->incompat) & ~CKPTD_FORMAT_INCOMPAT)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_VERSION,
                    "%s: written by a later version", dir);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_label_load() - read what a label is
 * @io:        the layer
 * @dir:       of the label
 * @ret_label: filled in
 * @error:     CKPTD_ERROR_NOT_FOUND, _DAMAGED, _VERSION
 *
 * Return: TRUE if its description is whole; its pages are not looked at.
 * Context: any thread.
 */
gboolean ckptd_label_load(struct ckptd_io *io, const char *dir,
                          struct ckptd_label *ret_label, GError **error)
{
    struct ckptd_disk_label d;
    struct ckptd_label label;

    if (!load_head(io, dir, &d, error) ||
        !ckptd_manifest_load(io, dir, &label.manifest, error)) {
        return FALSE;
    }
    label.epoch = le64_get(d.epoch);
    label.generation = le64_get(d.generation);
    label.created_s = le64_get(d.created_s);
    label.image_bytes = le64_get(d.image_bytes);
    label.ram_hash = le64_get(d.ram_hash);
    label.devstate_bytes = le64_get(d.devstate_bytes);
    if (!label.epoch || label.manifest.ram_bytes != le64_get(d.ram_bytes) ||
        label.devstate_bytes > CKPTD_RECORD_DEVSTATE_MAX_BYTES) {
        return damaged(error, dir, "contradicts itself");
    }
    *ret_label = label;
    return TRUE;
}

/**
 * ckptd_label_remove() - delete a label
 * @io:         the layer
 * @labels_dir: of the guest's labels
 * @name:       of the label
 * @error:      CKPTD_ERROR_NOT_FOUND, _IO
 *
 * Stores that began with it keep what they need.
 *
 * Return: TRUE when it is gone.
 * Context: any thread.
 */
gboolean ckptd_label_remove(struct ckptd_io *io, const char *labels_dir,
                            const char *name, GError **error)
{
    g_autofree char *unfinished = g_strconcat(UNFINISHED, name, NULL);
    g_autofree char *gone = g_build_filename(labels_dir, unfinished, NULL);
    g_autofree char *dir = g_build_filename(labels_dir, name, NULL);
    g_autoptr(GError) local = NULL;

    if (!is_there(io, dir, &local)) {
        if (ckptd_lookup_is_absence(local)) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                        "there is no checkpoint %s; `ckptctl ls` lists them",
                        name);
        } else {
            g_propagate_error(error, g_steal_pointer(&local));
        }
        return FALSE;
    }
    return ckptd_io_remove_dir(io, gone, error) &&
           ckptd_io_rename(io, labels_dir, name, unfinished, error) &&
           ckptd_io_remove_dir(io, gone, error);
}

/**
 * ckptd_label_tidy() - remove what a crash left unfinished
 * @io:         the layer
 * @labels_dir: of the guest's labels, need not be there
 * @store_dir:  of the guest's store, likewise
 *
 * Context: before anything else is done there.
 */
void ckptd_label_tidy(struct ckptd_io *io, const char *labels_dir,
                      const char *store_dir)
{
    g_autoptr(GPtrArray) names = ckptd_io_list(io, labels_dir, NULL);
    g_autofree char *fresh = g_strconcat(store_dir, FRESH_STORE, NULL);
    guint i;

    ckptd_io_remove_dir(io, fresh, NULL);
    for (i = 0; names && i < names->len; i++) {
        if (g_str_has_prefix(names->pdata[i], UNFINISHED)) {
            g_autofree char *path =
                g_build_filename(labels_dir, names->pdata[i], NULL);

            ckptd_io_remove_dir(io, path, NULL);
        }
    }
}

/* --- a store that begins with one ----------------------------------------- */

/* Check what is small: with the sums whole every page can be checked later. */
static uint8_t *check_parts(struct ckptd_io *io, const char *dir,
                            const struct ckptd_label *label, GError **error)
{
    uint64_t sums_bytes = label->manifest.ram_bytes / PAGE * sizeof(le64);
    g_autofree uint8_t *devstate = NULL;
    g_autofree uint8_t *sums = NULL;
    struct ckptd_disk_label d;

    if (!load_head(io, dir, &d, error) ||
        !(sums = get_file(io, dir, SUMS_FILE, sums_bytes, error)) ||
        !(devstate =
              get_file(io, dir, DEVSTATE_FILE, label->devstate_bytes, error))) {
        return NULL;
    }
    if (ckptd_sum(sums, sums_bytes, 0) != le64_get(d.sums_sum) ||
        ckptd_sum(devstate, label->devstate_bytes, 0) !=
            le64_get(d.devstate_sum)) {
        damaged(error, dir, "its sums or its device state are damaged");
        return NULL;
    }
    return g_steal_pointer(&devstate);
}

/* The first record: no pages, the label's device state, a line begins. */
static gboolean append_first(CkptdStore *s, const struct ckptd_label *label,
                             const uint8_t *devstate, enum ckpt_line_why why,
                             uint64_t generation, GError **error)
{
    size_t bytes = PAGE + label->devstate_bytes;
    uint8_t *slot = ckptd_io_alloc(bytes);
    struct ckpt_slot head = {
        .magic = CKPT_SLOT_MAGIC,
        .epoch = label->epoch,
        .generation = generation,
        .list_offset = sizeof(head),
        .devstate_offset = sizeof(head),
        .devstate_bytes = label->devstate_bytes,
        .data_offset = 0,
        .ram_hash = label->ram_hash,
    };
    struct ckptd_store_parts parts;
    gboolean ok;

    memcpy(slot, &head, sizeof(head));
    memcpy(slot + sizeof(head), devstate, label->devstate_bytes);
    ckptd_store_parts(s, &parts);
    ok = ckptd_log_append(parts.log, slot, bytes, generation,
                          why == CKPT_LINE_FORK ? CKPTD_FORMAT_RECORD_FORK
                                                : CKPTD_FORMAT_RECORD_ROLLBACK,
                          error);
    free(slot);
    return ok;
}

static gboolean put_together(struct ckptd_io *io, const char *label_dir,
                             const char *dir,
                             const struct ckptd_manifest *manifest,
                             const struct ckptd_label *label,
                             enum ckpt_line_why why, uint64_t generation,
                             GError **error)
{
    const struct ckptd_store_params params = { .manual = TRUE,
                                               .unfilled = TRUE };
    g_autofree char *image = g_build_filename(label_dir, IMAGE_FILE, NULL);
    g_autofree char *sums = g_build_filename(label_dir, SUMS_FILE, NULL);
    g_autofree uint8_t *devstate = check_parts(io, label_dir, label, error);
    struct ckptd_meta_state first = {
        .generation = generation,
        .base_epoch = label->epoch - 1,
        .fold_epoch = label->epoch - 1,
        .committed = label->epoch - 1,
        .origin = TRUE,
    };
    g_autoptr(CkptdStore) s = NULL;

    if (!devstate || !ckptd_io_make_dir(io, dir, error) ||
        !ckptd_io_link(io, image, dir, CKPTD_STORE_ORIGIN_FILE, error) ||
        !ckptd_io_link(io, sums, dir, CKPTD_STORE_ORIGIN_SUMS_FILE, error) ||
        !ckptd_store_populate(io, dir, manifest, &params, &first, error)) {
        return FALSE;
    }
    s = ckptd_store_open_full(dir, &params, io, error);
    return s && append_first(s, label, devstate, why, generation, error);
}

/* Nobody takes @dir for a store yet: it need not be durable bit by bit. */
static gboolean build(struct ckptd_io *io, const char *label_dir,
                      const char *dir, const struct ckptd_manifest *manifest,
                      const struct ckptd_label *label, enum ckpt_line_why why,
                      uint64_t generation, GError **error)
{
    g_autoptr(CkptdIoLater) later = ckptd_io_later_new(io);

    return put_together(ckptd_io_later_layer(later), label_dir, dir, manifest,
                        label, why, generation, error) &&
           ckptd_io_later_finish(later, dir, error);
}

/**
 * ckptd_label_branch() - make a store that begins with a label
 * @io:         the layer
 * @label_dir:  of the label
 * @store_dir:  of the store; one that is there is given up, whatever it holds
 * @manifest:   what the guest is: the label's, under another name and UUID
 *              where it is a fork
 * @why:        kept with the store until an epoch of its own is durable
 * @generation: at least; the label's own if that is greater
 * @error:      CKPTD_ERROR_NOT_FOUND, _DAMAGED, _MISMATCH, _IO
 *
 * Return: TRUE if it is durable; otherwise the message says whether all is as
 * it was.
 * Context: any thread; nobody has the store open.
 */
gboolean ckptd_label_branch(struct ckptd_io *io, const char *label_dir,
                            const char *store_dir,
                            const struct ckptd_manifest *manifest,
                            enum ckpt_line_why why, uint64_t generation,
                            GError **error)
{
    g_autofree char *fresh = g_strconcat(store_dir, FRESH_STORE, NULL);
    g_autoptr(GError) left = NULL;
    struct ckptd_manifest m;
    struct ckptd_label label;
    gboolean replaced;

    if (!ckptd_label_load(io, label_dir, &label, error)) {
        g_prefix_error(error, UNCHANGED);
        return FALSE;
    }
    if (manifest->ram_bytes != label.manifest.ram_bytes) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    UNCHANGED "%s is of a guest with %" G_GUINT64_FORMAT
                              " bytes of RAM, not %" G_GUINT64_FORMAT,
                    label_dir, label.manifest.ram_bytes, manifest->ram_bytes);
        return FALSE;
    }
    m = label.manifest;
    memcpy(m.uuid, manifest->uuid, sizeof(m.uuid));
    memcpy(m.name, manifest->name, sizeof(m.name));
    if (!ckptd_io_remove_dir(io, fresh, error) ||
        !build(io, label_dir, fresh, &m, &label, why,
               MAX(generation, label.generation), error)) {
        ckptd_io_remove_dir(io, fresh, NULL);
        g_prefix_error(error, UNCHANGED);
        return FALSE;
    }
    if (!ckptd_io_replace_dir(io, store_dir, fresh, &replaced, error)) {
        g_prefix_error(error, "%s",
                       replaced ? "the store begins with it now, but a crash "
                                  "of the host may undo that: "
                                : UNCHANGED);
        return FALSE;
    }
    /* What is left of the other one ckptd_label_tidy() removes. */
    if (!ckptd_io_remove_dir(io, fresh, &left)) {
        g_warning("%s", left->message);
    }
    return TRUE;
}
