/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store-fixture.h - a guest that is only RAM, for the tests of the store
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-store.h"

/**
 * struct store_guest - RAM as it should be, and a staging slot
 *
 * @ram:        model of RAM at the end of @epoch
 * @dirty:      one byte a page: changed since
 * @devstate:   what the next slot carries
 */
struct store_guest {
    uint64_t ram_pages;
    uint64_t epoch;
    uint64_t generation;
    uint8_t *ram;
    uint8_t *dirty;
    uint8_t *slot;
    size_t slot_bytes;
    char devstate[64];
    GRand *rand;
    gboolean with_hash;
};

/* Folds after few epochs, and only when a test says so. */
extern const struct ckptd_store_params store_small;

void store_guest_init(struct store_guest *g, uint64_t ram_pages, guint32 seed);
void store_guest_clear(struct store_guest *g);
void store_guest_write(struct store_guest *g, uint64_t page, uint8_t value);
void store_guest_scribble(struct store_guest *g, unsigned n_pages);
void store_guest_capture(struct store_guest *g);

void store_manifest(struct ckptd_manifest *m, uint64_t ram_pages);
CkptdStore *store_create(const char *dir, const struct store_guest *g,
                         const struct ckptd_store_params *params);
void store_append(CkptdStore *s, struct store_guest *g, unsigned n_pages);
void store_lay_tail(const struct store_guest *g, uint8_t *ram,
                    char *ret_devstate);
uint8_t *store_rebuild(CkptdStore *s, const struct store_guest *g,
                       const uint8_t *base, char *ret_devstate, GError **error);
char *store_temp_dir(void);
void store_remove_dir(const char *dir);

#endif
