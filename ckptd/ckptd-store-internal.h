/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-store-internal.h - the files in a store, for who works on them
 */
#ifndef CKPTD_STORE_INTERNAL_H
#define CKPTD_STORE_INTERNAL_H

#include "ckptd/ckptd-log.h"

#define CKPTD_STORE_BASE_FILE        "base"
#define CKPTD_STORE_SUMS_FILE        "base.sums"
#define CKPTD_STORE_LOCK_FILE        "lock"
#define CKPTD_STORE_ORIGIN_FILE      "origin"
#define CKPTD_STORE_ORIGIN_SUMS_FILE "origin.sums"

/**
 * struct ckptd_store_parts - borrowed; there for as long as the store is open
 *
 * @base, @sums: where the base image is now
 */
struct ckptd_store_parts {
    CkptdLog *log;
    CkptdFile *base;
    CkptdFile *sums;
};

gboolean ckptd_store_populate(struct ckptd_io *io, const char *dir,
                              const struct ckptd_manifest *manifest,
                              const struct ckptd_store_params *params,
                              const struct ckptd_meta_state *first,
                              GError **error);
void ckptd_store_parts(CkptdStore *s, struct ckptd_store_parts *ret_parts);

#endif
