/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-origin.c - a base image that begins as a named checkpoint's
 *
 * A store that was made from a named checkpoint has in "origin" and
 * "origin.sums" other names for the checkpoint's image and sums, which nobody
 * ever writes to, and a base image of zeros.  So making it costs the same
 * however large RAM is, and a QEMU maps the image itself.  A fold writes to the
 * base image, so before the first one it is filled:
 *
 *   1 every page of the origin that is not zero, checked, into the base image,
 *     and all sums
 *   2 fdatasync of both
 *   3 meta pages: the base image is the store's own, durable
 *   4 the other names are removed
 *
 * A crash before 3 leaves a store that does not look at its base image; one
 * before 4 leaves names that ckptd_origin_tidy() removes.
 */
#include "ckptd/ckptd-origin.h"

#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-store-internal.h"
#include "ckptd/ckptd-sum.h"

#define CHUNK_PAGES 256u

/* Pages [first, first + n), none of them zero. */
static gboolean copy_run(const struct ckptd_fold_config *c, const le64 *sums,
                         uint64_t first, uint64_t n, uint8_t *buf,
                         GError **error)
{
    uint64_t offset = first * CKPTD_FORMAT_PAGE_BYTES;
    uint64_t len = n * CKPTD_FORMAT_PAGE_BYTES;
    uint64_t i;

    if (!ckptd_io_read(c->origin, buf, len, offset, NULL, error)) {
        return FALSE;
    }
    for (i = 0; i < n; i++) {
        if (ckptd_sum(buf + i * CKPTD_FORMAT_PAGE_BYTES,
                      CKPTD_FORMAT_PAGE_BYTES,
                      0) != le64_get(sums[first + i])) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                        "%s: page %" G_GUINT64_FORMAT " is no longer whole",
                        c->origin->path, first + i);
            return FALSE;
        }
    }
    return ckptd_io_write(c->base, buf, len, offset, error);
}

static gboolean copy_pages(const struct ckptd_fold_config *c, const le64 *sums,
                           uint64_t *bytes, GError **error)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK_PAGES * CKPTD_FORMAT_PAGE_BYTES);
    uint64_t page;
    uint64_t n = 0; /* pages of the run that ends before @page */

    for (page = 0; page <= c->ram_pages; page++) {
        gboolean wanted = page < c->ram_pages && le64_get(sums[page]);

        if (n && (!wanted || n == CHUNK_PAGES)) {
            if (!copy_run(c, sums, page - n, n, buf, error)) {
                return FALSE;
            }
            *bytes += n * CKPTD_FORMAT_PAGE_BYTES;
            n = 0;
        }
        n += wanted;
    }
    return TRUE;
}

/**
 * ckptd_origin_fill() - give the store a base image of its own, if it has none
 * @config:    of the fold that is about to begin
 * @ret_bytes: written, added to
 * @error:     CKPTD_ERROR_DAMAGED, _IO
 *
 * Return: TRUE on success; otherwise the store is as it was.
 * Context: folder thread, or owner thread if there is none; blocks.
 */
gboolean ckptd_origin_fill(const struct ckptd_fold_config *config,
                           uint64_t *ret_bytes, GError **error)
{
    const struct ckptd_fold_config *c = config;
    uint64_t sums_bytes = c->ram_pages * sizeof(le64);
    g_autofree le64 *sums = NULL;
    struct ckptd_meta_state meta;

    ckptd_meta_get(c->meta, &meta);
    if (!meta.origin) {
        return TRUE;
    }
    sums = g_malloc(sums_bytes);
    if (!ckptd_io_read(c->origin_sums, sums, sums_bytes, 0, NULL, error) ||
        !copy_pages(c, sums, ret_bytes, error) ||
        !ckptd_io_write(c->sums, sums, sums_bytes, 0, error) ||
        !ckptd_io_sync(c->base, error) || !ckptd_io_sync(c->sums, error) ||
        !ckptd_meta_set_filled(c->meta, error)) {
        return FALSE;
    }
    *ret_bytes += sums_bytes;
    return ckptd_origin_tidy(c->io, c->dir, error);
}

/**
 * ckptd_origin_tidy() - the base image is the store's own: no other is needed
 * @io:    the layer
 * @dir:   of the store
 * @error: CKPTD_ERROR_IO: they go on taking room
 *
 * Return: TRUE when the other names are gone, or were not there.
 * Context: any thread that has the store's lock.
 */
gboolean ckptd_origin_tidy(struct ckptd_io *io, const char *dir, GError **error)
{
    static const char *const names[] = { CKPTD_STORE_ORIGIN_FILE,
                                         CKPTD_STORE_ORIGIN_SUMS_FILE };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) local = NULL;

        if (!ckptd_io_unlink(io, dir, names[i], &local) &&
            !ckptd_lookup_is_absence(local)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    return TRUE;
}
