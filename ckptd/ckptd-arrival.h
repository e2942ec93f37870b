/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-arrival.h - the store of a guest that is coming in
 */
#ifndef CKPTD_ARRIVAL_H
#define CKPTD_ARRIVAL_H

#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-store.h"

typedef struct ckptd_arrival CkptdArrival;

CkptdArrival *ckptd_arrival_begin(struct ckptd_io *io, const char *store_dir,
                                  const struct ckptd_manifest *manifest,
                                  GError **error);
gboolean ckptd_arrival_put(CkptdArrival *a, const void *slot, size_t slot_bytes,
                           GError **error);
gboolean ckptd_arrival_finish(CkptdArrival *a, const void *slot,
                              size_t slot_bytes, uint64_t epoch,
                              uint64_t generation, GError **error);
void ckptd_arrival_free(CkptdArrival *a);
void ckptd_arrival_tidy(struct ckptd_io *io, const char *store_dir);

#endif
