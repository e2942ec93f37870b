/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-image.c - a store that comes in from another host, page by page
 *
 * What comes while the guest still runs there goes into the base image, again
 * and again, and is synced in small steps: a disk that has to write all of a
 * round at once keeps other guests' epochs waiting.  What changed in its last epochs
 * becomes the log's first record: one write, and nothing that grows with RAM.
 * The base image is then older than "as of the epoch before" in just the pages
 * that the record has.
 *
 * The store is made before, without epochs, and its owner has it open all the
 * time: nothing reads the base image of such a store, and nothing folds.
 */
#include "ckptd/ckptd-image.h"

#include <stdlib.h>
#include <string.h>

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-store-internal.h"

#define PAGE           CKPTD_FORMAT_PAGE_BYTES
#define LAST_MAX_BYTES (4ull << 30) /* what a peer can make us keep in memory */
#define SYNC_BYTES     (4u << 20)

/**
 * struct ckptd_image - see ckptd-image.h
 *
 * @table: of the base image's pages, as base.sums is to be
 * @dirty: something came since ckptd_image_sync()
 * @unsynced_bytes: of the base image
 * @last:  page -> its newest content in the last epochs, NULL: zero
 * @last_bytes: of these
 */
struct ckptd_image {
    struct ckptd_io *io;
    CkptdFile *base;
    CkptdFile *sums;
    uint64_t ram_pages;
    le64 *table;
    gboolean dirty;
    uint64_t unsynced_bytes;
    GTree *last;
    uint64_t last_bytes;
};

static gint by_page(gconstpointer a, gconstpointer b,
                    gpointer opaque G_GNUC_UNUSED)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/**
 * ckptd_image_begin() - make a store, and take what it is to have
 * @dir:      where it is to be; nothing is there yet
 * @manifest: what the guest is
 * @error:    where to say why not
 *
 * Return: to be freed, or NULL.
 * Context: any one thread, as all that follow; blocks.
 */
CkptdImage *ckptd_image_begin(const char *dir,
                              const struct ckptd_manifest *manifest,
                              GError **error)
{
    g_autoptr(CkptdImage) image = g_new0(CkptdImage, 1);

    image->io = ckptd_io_system();
    image->ram_pages = manifest->ram_bytes / PAGE;
    image->table = g_new0(le64, image->ram_pages);
    image->last = g_tree_new_full(by_page, NULL, g_free, g_free);
    if (!ckptd_io_make_dir(image->io, dir, error) ||
        !ckptd_store_populate(image->io, dir, manifest, NULL,
                              &(struct ckptd_meta_state){ 0 }, error) ||
        !(image->base = ckptd_io_open(image->io, dir, CKPTD_STORE_BASE_FILE,
                                      CKPTD_IO_WRITE, error)) ||
        !(image->sums = ckptd_io_open(image->io, dir, CKPTD_STORE_SUMS_FILE,
                                      CKPTD_IO_WRITE, error))) {
        return NULL;
    }
    return g_steal_pointer(&image);
}

/**
 * ckptd_image_free() - let go of it; what is on disk stays
 * @image: may be NULL
 */
void ckptd_image_free(CkptdImage *image)
{
    if (image) {
        ckptd_io_close(image->base);
        ckptd_io_close(image->sums);
        g_tree_unref(image->last);
        g_free(image->table);
        g_free(image);
    }
}

static gboolean sync_base(CkptdImage *image, GError **error)
{
    image->unsynced_bytes = 0;
    return ckptd_io_sync(image->base, error);
}

static gboolean write_base(CkptdImage *image, uint64_t page, le64 sum,
                           const uint8_t *data, GError **error)
{
    image->dirty = TRUE;
    if (data) {
        image->table[page] = sum;
        image->unsynced_bytes += PAGE;
        return ckptd_io_write(image->base, data, PAGE, page * PAGE, error) &&
               (image->unsynced_bytes < SYNC_BYTES || sync_base(image, error));
    }
    if (!le64_get(image->table[page])) {
        return TRUE;
    }
    image->table[page] = le64_put(0);
    return ckptd_io_punch(image->base, page * PAGE, PAGE, error);
}

/**
 * ckptd_image_write() - take pages
 * @image: not finished
 * @pages: checked
 * @error: CKPTD_ERROR_IO and others; _INVALID: more are said to be of the last
 *         epochs than could be
 *
 * Return: TRUE when taken; durable after ckptd_image_sync() or _finish().
 */
gboolean ckptd_image_write(CkptdImage *image,
                           const struct ckptd_peer_pages *pages, GError **error)
{
    const uint8_t *data = pages->data;
    uint32_t i;

    for (i = 0; i < pages->n; i++) {
        uint64_t entry = le64_get(pages->list[i].page);
        uint64_t page = entry & ~CKPTD_FORMAT_PAGE_ZERO;
        const uint8_t *content = entry & CKPTD_FORMAT_PAGE_ZERO ? NULL : data;

        data += content ? PAGE : 0;
        if (pages->last && image->last_bytes > LAST_MAX_BYTES) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                        "the other host: too much in the last epochs");
            return FALSE;
        }
        if (pages->last) {
            image->last_bytes += sizeof(page) + (content ? PAGE : 0);
            g_tree_replace(image->last, g_memdup2(&page, sizeof(page)),
                           g_memdup2(content, content ? PAGE : 0));
        } else if (!write_base(image, page, pages->list[i].sum, content,
                               error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/**
 * ckptd_image_sync() - the end of a round
 * @image: not finished
 * @error: CKPTD_ERROR_IO and others
 *
 * Return: TRUE when all that was taken, but of the last epochs, is durable.
 */
gboolean ckptd_image_sync(CkptdImage *image, GError **error)
{
    if (image->dirty &&
        (!ckptd_io_write(image->sums, image->table,
                         image->ram_pages * sizeof(le64), 0, error) ||
         !sync_base(image, error) || !ckptd_io_sync(image->sums, error))) {
        return FALSE;
    }
    image->dirty = FALSE;
    return TRUE;
}

struct layout {
    uint8_t *slot;
    struct ckpt_slot head;
    uint64_t n;
    uint64_t n_data;
};

static gboolean count(gpointer key G_GNUC_UNUSED, gpointer value,
                      gpointer opaque)
{
    struct layout *l = opaque;

    l->head.n_pages++;
    l->head.n_data += value != NULL;
    return FALSE;
}

static gboolean lay(gpointer key, gpointer value, gpointer opaque)
{
    struct layout *l = opaque;
    uint64_t entry = htole64(*(uint64_t *)key | (value ? 0 : CKPT_PAGE_ZERO));

    memcpy(l->slot + l->head.list_offset + l->n++ * sizeof(entry), &entry,
           sizeof(entry));
    if (value) {
        memcpy(l->slot + l->head.data_offset + l->n_data++ * PAGE, value, PAGE);
    }
    return FALSE;
}

/**
 * ckptd_image_finish() - all pages are here
 * @image:      with all of them
 * @last:       the last epoch, checked
 * @generation: in which it is to be
 * @ret_bytes:  size of what is returned
 * @error:      where to say why not
 *
 * Return: the last epoch, for ckptd_store_append() behind
 * ckptd_store_start_behind(), to be freed by free(); or NULL.
 */
void *ckptd_image_finish(CkptdImage *image, const struct ckptd_peer_last *last,
                         uint64_t generation, size_t *ret_bytes, GError **error)
{
    gsize devstate_bytes;
    const void *devstate = g_bytes_get_data(last->devstate, &devstate_bytes);
    struct layout l = { .head = { .magic = CKPT_SLOT_MAGIC } };
    struct ckpt_slot *head = &l.head;

    if (!ckptd_image_sync(image, error)) {
        return NULL;
    }
    g_tree_foreach(image->last, count, &l);
    head->epoch = last->epoch;
    head->generation = generation;
    head->ram_hash = last->ram_hash;
    head->list_offset = sizeof(*head);
    head->devstate_offset =
        head->list_offset + head->n_pages * sizeof(uint64_t);
    head->devstate_bytes = devstate_bytes;
    head->data_offset =
        (head->devstate_offset + devstate_bytes + PAGE - 1) / PAGE * PAGE;
    *ret_bytes = head->data_offset + head->n_data * PAGE;
    l.slot = ckptd_io_alloc(*ret_bytes);
    memset(l.slot, 0, head->data_offset);
    memcpy(l.slot, head, sizeof(*head));
    memcpy(l.slot + head->devstate_offset, devstate, devstate_bytes);
    g_tree_foreach(image->last, lay, &l);
    return l.slot;
}
