/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-namer.h - writes labels beside a store that goes on
 */
#ifndef CKPTD_NAMER_H
#define CKPTD_NAMER_H

#include "ckptd/ckptd-snapshot.h"

#define CKPTD_NAMER_JOBS_MAX 8u

typedef struct ckptd_namer CkptdNamer;

/**
 * typedef CkptdNamerDone - told once for each label, in the order of asking
 * @label:  its name
 * @tag:    the asker's
 * @epoch:  what has the name
 * @error:  why nothing has, or NULL
 * @opaque: the owner's
 *
 * Called in the namer's thread, which may not be waited for here.
 */
typedef void (*CkptdNamerDone)(const char *label, guint tag, uint64_t epoch,
                               const GError *error, gpointer opaque);

CkptdNamer *ckptd_namer_new(const char *labels_dir, CkptdNamerDone done,
                            gpointer opaque);
void ckptd_namer_free(CkptdNamer *namer);

gboolean ckptd_namer_is_full(CkptdNamer *namer);
void ckptd_namer_add(CkptdNamer *namer, const char *label, guint tag,
                     CkptdSnapshot *snapshot, GError *error);
void ckptd_namer_cancel(CkptdNamer *namer, const char *label);
void ckptd_namer_stop(CkptdNamer *namer);
gboolean ckptd_namer_progress(CkptdNamer *namer, const char *label,
                              uint64_t *ret_done_bytes,
                              uint64_t *ret_total_bytes);

#endif
