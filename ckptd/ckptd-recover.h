/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-recover.h - what a log holds, found out from its files
 */
#ifndef CKPTD_RECOVER_H
#define CKPTD_RECOVER_H

#include "ckptd/ckptd-meta.h"
#include "ckptd/ckptd-record.h"

/**
 * struct ckptd_recovery - what was found
 *
 * @live:      (element-type CkptdSegment): oldest first, the last one is where
 *             appends go on; at least one
 * @spare:     (element-type CkptdSegment): of no use to anybody
 * @records:   (element-type CkptdRecord): epochs base_epoch + 1 to last_epoch
 * @last_epoch, @last_seal: of the last record
 * @torn:      (nullable): a record whose seal is whole but whose pages are
 *             not: its write never returned
 */
typedef struct ckptd_recovery {
    GPtrArray *live;
    GPtrArray *spare;
    GPtrArray *records;
    uint64_t last_epoch;
    uint64_t last_seal;
    CkptdRecord *torn;
} CkptdRecovery;

gboolean ckptd_recover(struct ckptd_io *io, const char *dir,
                       const struct ckptd_meta_state *meta, uint64_t ram_pages,
                       gboolean read_only, CkptdRecovery *ret, GError **error);
void ckptd_recover_clear(CkptdRecovery *rec);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CkptdRecovery, ckptd_recover_clear)

#endif
