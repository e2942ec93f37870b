/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store-fixture.c - a guest that is only RAM, for the tests of the store
 */
#include "tests/unit/store/store-fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "ckptd/ckptd-sum.h"

#define PAGE CKPT_PAGE_BYTES

const struct ckptd_store_params store_small = {
    .segment_bytes = 256 << 10,
    .fold_start_bytes = 256 << 10,
    .tail_max_bytes = 64 << 20,
    .manual = TRUE,
};

/**
 * store_guest_init() - RAM all zero, before its first checkpoint
 * @g:         the guest
 * @ram_pages: of it
 * @seed:      of what store_guest_scribble() writes
 *
 * Context: any.
 */
void store_guest_init(struct store_guest *g, uint64_t ram_pages, guint32 seed)
{
    memset(g, 0, sizeof(*g));
    g->ram_pages = ram_pages;
    g->slot_bytes = PAGE * (4 + ram_pages + ram_pages / 256);
    g->ram = g_malloc0(ram_pages * PAGE);
    g->dirty = g_malloc0(ram_pages);
    g->slot = ckptd_io_alloc(g->slot_bytes);
    g->rand = g_rand_new_with_seed(seed);
    g->generation = 1;
}

/**
 * store_guest_clear() - free it
 * @g: the guest
 *
 * Context: any.
 */
void store_guest_clear(struct store_guest *g)
{
    g_free(g->ram);
    g_free(g->dirty);
    free(g->slot);
    g_rand_free(g->rand);
}

/**
 * store_guest_write() - change a page
 * @g:     the guest
 * @page:  which
 * @value: of its first bytes; 0 makes the page zero
 *
 * Context: any.
 */
void store_guest_write(struct store_guest *g, uint64_t page, uint8_t value)
{
    memset(g->ram + page * PAGE, 0, PAGE);
    memset(g->ram + page * PAGE, value, 100);
    g->dirty[page] = 1;
}

/**
 * store_guest_scribble() - change pages at random, some of them to zero
 * @g:       the guest
 * @n_pages: how many times
 *
 * Context: any.
 */
void store_guest_scribble(struct store_guest *g, unsigned n_pages)
{
    unsigned i;

    for (i = 0; i < n_pages; i++) {
        uint64_t page = g_rand_int_range(g->rand, 0, g->ram_pages);
        unsigned k;

        if (g_rand_int_range(g->rand, 0, 5) == 0) {
            store_guest_write(g, page, 0);
            continue;
        }
        for (k = 0; k < PAGE; k += sizeof(guint32)) {
            guint32 v = g_rand_int(g->rand);

            memcpy(g->ram + page * PAGE + k, &v, sizeof(v));
        }
        g->dirty[page] = 1;
    }
}

static gboolean page_is_zero(const uint8_t *p)
{
    return !p[0] && !memcmp(p, p + 1, PAGE - 1);
}

/**
 * store_guest_capture() - end the epoch: put what changed into the slot
 * @g: the guest
 *
 * Context: any.
 */
void store_guest_capture(struct store_guest *g)
{
    struct ckpt_slot *s = (struct ckpt_slot *)g->slot;
    uint64_t *list = (uint64_t *)(g->slot + sizeof(*s));
    uint64_t page;
    uint8_t *data;

    memset(s, 0, sizeof(*s));
    s->magic = CKPT_SLOT_MAGIC;
    s->epoch = ++g->epoch;
    s->generation = g->generation;
    s->list_offset = sizeof(*s);
    for (page = 0; page < g->ram_pages; page++) {
        if (g->dirty[page]) {
            gboolean zero = page_is_zero(g->ram + page * PAGE);

            list[s->n_pages++] = page | (zero ? CKPT_PAGE_ZERO : 0);
            s->n_data += !zero;
        }
    }
    s->devstate_offset = s->list_offset + s->n_pages * sizeof(uint64_t);
    s->devstate_bytes = sizeof(g->devstate);
    g_snprintf(g->devstate, sizeof(g->devstate), "device state of %u",
               (unsigned)g->epoch);
    memcpy(g->slot + s->devstate_offset, g->devstate, sizeof(g->devstate));
    s->data_offset =
        (s->devstate_offset + s->devstate_bytes + PAGE - 1) / PAGE * PAGE;
    data = g->slot + s->data_offset;
    for (page = 0; page < s->n_pages; page++) {
        if (!(list[page] & CKPT_PAGE_ZERO)) {
            memcpy(data, g->ram + list[page] * PAGE, PAGE);
            data += PAGE;
        }
    }
    g_assert(data <= g->slot + g->slot_bytes);
    if (g->with_hash) {
        s->ram_hash = ckptd_sum(g->ram, g->ram_pages * PAGE, 0);
    }
    memset(g->dirty, 0, g->ram_pages);
}

/**
 * store_manifest() - one like any other
 * @m:         to be filled in
 * @ram_pages: of the guest
 *
 * Context: any.
 */
void store_manifest(struct ckptd_manifest *m, uint64_t ram_pages)
{
    *m = (struct ckptd_manifest){
        .uuid = "9b2f4c1e-0d1a-4c55-8a3e-3f1f6f0f7a10",
        .name = "guest",
        .machine = "microvm",
        .cpu = "max",
        .accel = "tcg",
        .qemu = "10.0",
        .ram_bytes = ram_pages * PAGE,
        .tsc_hz = 1000000000,
    };
}

/**
 * store_create() - an empty store of a guest, in its first generation
 * @dir:    of the store
 * @g:      the guest
 * @params: of the store
 *
 * Return: to be closed.
 * Context: any.
 */
CkptdStore *store_create(const char *dir, const struct store_guest *g,
                         const struct ckptd_store_params *params)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    uint64_t generation;
    CkptdStore *s;

    store_manifest(&manifest, g->ram_pages);
    s = ckptd_store_create_full(dir, &manifest, params, ckptd_io_system(),
                                &error);
    g_assert_no_error(error);
    ckptd_store_begin_generation(s, &generation, &error);
    g_assert_no_error(error);
    return s;
}

/**
 * store_append() - one more epoch
 * @s:       of the guest
 * @g:       the guest
 * @n_pages: to be changed first, somewhere
 *
 * Context: any.
 */
void store_append(CkptdStore *s, struct store_guest *g, unsigned n_pages)
{
    g_autoptr(GError) error = NULL;

    store_guest_scribble(g, n_pages);
    store_guest_capture(g);
    ckptd_store_append(s, g->slot, g->slot_bytes, &error);
    g_assert_no_error(error);
}

/**
 * store_lay_tail() - lay what ckptd_store_load_tail() found over the base image
 * @g:            whose slot holds it
 * @ram:          the base image, read after the tail was loaded: a fold may
 *                move pages from there to here meanwhile, never back
 * @ret_devstate: (nullable): device state, as large as the guest's
 *
 * Context: any.
 */
void store_lay_tail(const struct store_guest *g, uint8_t *ram,
                    char *ret_devstate)
{
    const struct ckpt_slot *h = (const struct ckpt_slot *)g->slot;
    const uint64_t *list = (const uint64_t *)(g->slot + h->list_offset);
    const uint8_t *data = g->slot + h->data_offset;
    uint64_t i;

    for (i = 0; i < h->n_pages; i++) {
        uint8_t *to = ram + (list[i] & ~CKPT_PAGE_ZERO) * PAGE;

        if (list[i] & CKPT_PAGE_ZERO) {
            memset(to, 0, PAGE);
        } else {
            memcpy(to, data, PAGE);
            data += PAGE;
        }
    }
    if (ret_devstate) {
        g_assert_cmpuint(h->devstate_bytes, ==, sizeof(g->devstate));
        memcpy(ret_devstate, g->slot + h->devstate_offset, sizeof(g->devstate));
    }
}

/**
 * store_rebuild() - RAM as a recovery would see it
 * @s:            the store
 * @g:            for sizes and the slot, which is overwritten
 * @base:         (nullable): content of the base image, which nobody folds
 *                into meanwhile; NULL: read its fd
 * @ret_devstate: (nullable): device state, as large as the guest's
 * @error:        where to say why not
 *
 * Return: (transfer full): RAM, or NULL.
 * Context: the store's owner thread.
 */
uint8_t *store_rebuild(CkptdStore *s, const struct store_guest *g,
                       const uint8_t *base, char *ret_devstate, GError **error)
{
    g_autofree uint8_t *ram = g_malloc(g->ram_pages * PAGE);

    if (!ckptd_store_load_tail(s, g->slot, g->slot_bytes, error)) {
        return NULL;
    }
    if (base) {
        memcpy(ram, base, g->ram_pages * PAGE);
    } else {
        g_assert_cmpint(
            pread(ckptd_store_base_fd(s), ram, g->ram_pages * PAGE, 0), ==,
            g->ram_pages * PAGE);
    }
    store_lay_tail(g, ram, ret_devstate);
    return g_steal_pointer(&ram);
}

/**
 * store_temp_dir() - a directory for one test
 *
 * Return: (transfer full): its path.
 * Context: any.
 */
char *store_temp_dir(void)
{
    g_autoptr(GError) error = NULL;
    char *dir = g_dir_make_tmp("sluice-store-XXXXXX", &error);

    g_assert_no_error(error);
    return dir;
}

/**
 * store_remove_dir() - remove a directory with the files in it
 * @dir: its path
 *
 * Context: any.
 */
void store_remove_dir(const char *dir)
{
    GDir *d = g_dir_open(dir, 0, NULL);
    const char *name;

    while (d && (name = g_dir_read_name(d))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (g_remove(path) < 0) {
            store_remove_dir(path);
        }
    }
    if (d) {
        g_dir_close(d);
    }
    g_rmdir(dir);
}
