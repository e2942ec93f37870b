/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-fold.h - old checkpoints merged into the base image
 */
#ifndef CKPTD_FOLD_H
#define CKPTD_FOLD_H

#include "ckptd/ckptd-log.h"

typedef struct ckptd_fold CkptdFold;

/**
 * struct ckptd_fold_config - what folding works on; all outlive it
 */
struct ckptd_fold_config {
    CkptdLog *log;
    CkptdMeta *meta;
    CkptdFile *base;
    CkptdFile *sums;
    CkptdFile *origin; /* (nullable): what the base image begins as */
    CkptdFile *origin_sums;
    struct ckptd_io *io;
    const char *dir;
    uint64_t ram_pages;
};

CkptdFold *ckptd_fold_new(const struct ckptd_fold_config *config);
void ckptd_fold_start(CkptdFold *fold);
gboolean ckptd_fold_once(CkptdFold *fold, GError **error);
void ckptd_fold_stats(CkptdFold *fold, struct ckptd_store_stats *stats);
void ckptd_fold_free(CkptdFold *fold);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdFold, ckptd_fold_free)

#endif
