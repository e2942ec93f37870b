/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-record.h - one checkpoint in the log
 */
#ifndef CKPTD_RECORD_H
#define CKPTD_RECORD_H

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-format.h"
#include "ckptd/ckptd-segment.h"

#define CKPTD_RECORD_DEVSTATE_MAX_BYTES (64u << 20)

/**
 * struct ckptd_record - what is kept in memory of a record in the log
 *
 * @segment: where it lies, at @offset; borrowed
 * @list:    @n_pages entries as on disk, checked
 *
 * Everything else as in struct ckptd_disk_record. Never changes once it is in
 * the index.
 */
typedef struct ckptd_record {
    CkptdSegment *segment;
    uint64_t offset;
    uint64_t epoch;
    uint64_t generation;
    uint64_t committed;
    uint64_t seal;
    uint64_t prev_seal;
    uint64_t record_bytes;
    uint64_t meta_bytes;
    uint64_t header_bytes;
    uint64_t n_pages;
    uint64_t n_data;
    uint64_t devstate_bytes;
    uint64_t ram_hash;
    uint32_t flags;
    struct ckptd_disk_page *list;
} CkptdRecord;

/**
 * struct ckptd_record_buf - where the meta part of a record is put together
 *
 * Aligned, zeroed when it is new, kept from record to record.
 */
struct ckptd_record_buf {
    uint8_t *data;
    size_t bytes;
};

void ckptd_record_buf_clear(struct ckptd_record_buf *buf);

CkptdRecord *ckptd_record_encode(struct ckptd_record_buf *buf, const void *slot,
                                 size_t slot_bytes, uint64_t ram_pages,
                                 const void **ret_data, GError **error);
void ckptd_record_seal(CkptdRecord *r, struct ckptd_record_buf *buf,
                       CkptdSegment *segment, uint64_t committed,
                       uint64_t prev_seal);
gboolean ckptd_record_read(CkptdSegment *segment, uint64_t offset,
                           gboolean any_salt, uint64_t ram_pages,
                           struct ckptd_record_buf *buf, CkptdRecord **ret,
                           GError **error);
gboolean ckptd_record_check_data(const CkptdRecord *r, gboolean *ret_whole,
                                 GError **error);
gboolean ckptd_record_read_devstate(const CkptdRecord *r, void *buf,
                                    GError **error);
void ckptd_record_free(CkptdRecord *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdRecord, ckptd_record_free)

#endif
