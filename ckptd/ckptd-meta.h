/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-meta.h - the two meta pages: where a store begins
 */
#ifndef CKPTD_META_H
#define CKPTD_META_H

#include "ckptd/ckptd-io.h"

#define CKPTD_META_FILE "meta"

/**
 * struct ckptd_meta_state - what a meta page says; see struct ckptd_disk_meta
 */
struct ckptd_meta_state {
    uint8_t store_id[16];
    uint64_t serial;
    uint64_t generation;
    uint64_t base_epoch;
    uint64_t base_seal;
    uint64_t fold_epoch;
    uint64_t committed;
    uint64_t log_seq;
    gboolean origin; /* the base image is still in the files of the origin */
};

typedef struct ckptd_meta CkptdMeta;

CkptdMeta *ckptd_meta_create(struct ckptd_io *io, const char *dir,
                             const struct ckptd_meta_state *first,
                             GError **error);
CkptdMeta *ckptd_meta_open(struct ckptd_io *io, const char *dir,
                           gboolean read_only, GError **error);
void ckptd_meta_close(CkptdMeta *m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdMeta, ckptd_meta_close)

void ckptd_meta_get(CkptdMeta *m, struct ckptd_meta_state *ret_state);
uint64_t ckptd_meta_bytes_written(CkptdMeta *m);

gboolean ckptd_meta_set_generation(CkptdMeta *m, uint64_t generation,
                                   uint64_t committed, GError **error);
gboolean ckptd_meta_set_start(CkptdMeta *m, uint64_t generation,
                              uint64_t base_epoch, GError **error);
gboolean ckptd_meta_set_committed(CkptdMeta *m, uint64_t committed,
                                  GError **error);
gboolean ckptd_meta_set_fold(CkptdMeta *m, uint64_t fold_epoch,
                             uint64_t committed, GError **error);
gboolean ckptd_meta_set_filled(CkptdMeta *m, GError **error);
gboolean ckptd_meta_set_base(CkptdMeta *m, uint64_t base_epoch,
                             uint64_t base_seal, uint64_t log_seq,
                             GError **error);

#endif
