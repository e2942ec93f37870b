/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-snapshot.h - a store as of one epoch, held still
 *
 * Appends go on while a snapshot is there; folding waits for it, so that it
 * should not be kept for longer than it takes (S3: appends wait when the log
 * is full).
 */
#ifndef CKPTD_SNAPSHOT_H
#define CKPTD_SNAPSHOT_H

#include "ckptd/ckptd-store.h"

typedef struct ckptd_snapshot CkptdSnapshot;

/**
 * struct ckptd_snapshot_info - what it is a snapshot of
 *
 * @ram_hash: of all of RAM, 0 if its record carries none
 */
struct ckptd_snapshot_info {
    struct ckptd_manifest manifest;
    uint64_t epoch;
    uint64_t generation; /* in which the epoch was made */
    uint64_t devstate_bytes;
    uint64_t ram_hash;
};

/**
 * typedef CkptdSnapshotFunc - takes a page
 * @page:   its number
 * @data:   its content, checked; NULL: all zero
 * @sum:    its checksum, as in base.sums
 * @opaque: the caller's
 * @error:  where to say why it stops
 *
 * Return: FALSE stops.
 */
typedef gboolean (*CkptdSnapshotFunc)(uint64_t page, const uint8_t *data,
                                      uint64_t sum, gpointer opaque,
                                      GError **error);

CkptdSnapshot *ckptd_store_snapshot(CkptdStore *s, GError **error);
void ckptd_snapshot_info(const CkptdSnapshot *snapshot,
                         struct ckptd_snapshot_info *ret_info);
gboolean ckptd_snapshot_read_devstate(CkptdSnapshot *snapshot, void *buf,
                                      GError **error);
gboolean ckptd_snapshot_count_pages(CkptdSnapshot *snapshot,
                                    uint64_t *ret_pages, GError **error);
gboolean ckptd_snapshot_read_pages(CkptdSnapshot *snapshot,
                                   CkptdSnapshotFunc func, gpointer opaque,
                                   GError **error);
gboolean ckptd_snapshot_read_changes(CkptdSnapshot *snapshot, uint64_t since,
                                     CkptdSnapshotFunc func, gpointer opaque,
                                     GError **error);
uint64_t ckptd_snapshot_count_changes(CkptdSnapshot *snapshot, uint64_t since);
void ckptd_snapshot_free(CkptdSnapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdSnapshot, ckptd_snapshot_free)

#endif
