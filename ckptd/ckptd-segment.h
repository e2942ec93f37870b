/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-segment.h - one file of the log
 */
#ifndef CKPTD_SEGMENT_H
#define CKPTD_SEGMENT_H

#include "ckptd/ckptd-format.h"
#include "ckptd/ckptd-io.h"

/**
 * struct ckptd_segment - one file of the log
 *
 * A file is spare until it is activated, and spare again when all its records
 * are folded. Set by the log's owner thread, but for what is noted.
 *
 * @name:  of the file, for ever
 * @out:   for writing: direct and durable
 * @in:    for reading, through the page cache so that the kernel reads ahead
 * @whole: its header is; if not, nobody knows what the file is
 * @seq:   order in the log; 0 if it never was activated
 * @salt:  of this use of the file
 * @void_epoch: a record of this epoch before this segment does not count: its
 *         write had failed.  0 = there is none
 * @bytes: size of the file
 * @end:   where the next record goes
 */
typedef struct ckptd_segment {
    char *name;
    CkptdFile *out;
    CkptdFile *in;
    gboolean whole;
    uint64_t seq;
    uint64_t salt;
    uint64_t void_epoch;
    uint64_t bytes;
    uint64_t end;
} CkptdSegment;

#define CKPTD_SEGMENT_START CKPTD_FORMAT_BLOCK_BYTES

gboolean ckptd_segment_name_is_valid(const char *name);
CkptdSegment *ckptd_segment_create(struct ckptd_io *io, const char *dir,
                                   const char *name, const uint8_t *store_id,
                                   uint64_t bytes, gboolean zeroed,
                                   GError **error);
CkptdSegment *ckptd_segment_open(struct ckptd_io *io, const char *dir,
                                 const char *name, const uint8_t *store_id,
                                 gboolean read_only, GError **error);
gboolean ckptd_segment_activate(CkptdSegment *seg, const uint8_t *store_id,
                                uint64_t seq, uint64_t void_epoch,
                                GError **error);
void ckptd_segment_free(CkptdSegment *seg);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdSegment, ckptd_segment_free)

#endif
