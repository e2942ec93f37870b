/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-ring.h - one of the hold's two rings of records (abi/ckpt-hold.h)
 *
 * Private to the gate, which says what the records mean.
 */
#ifndef HW_CKPT_RING_H
#define HW_CKPT_RING_H

#include "ckpt-hold.h"

typedef struct CkptRing {
    const char *name;
    uint32_t kinds;         /* 1 << enum ckpt_hold_kind that it may hold */
    bool ordered;           /* epochs never go backwards (G2, G3) */
    uint8_t *base;
    uint64_t size;
    uint64_t head;          /* next byte to write */
    uint64_t tail;          /* TX: release cursor; RX: oldest journaled */
    uint64_t seq;           /* of the next record */
    uint64_t records;       /* from tail to head, PADs not counted */
    uint64_t *shared_head;  /* the same in the shared header */
    uint64_t *shared_tail;
    uint64_t *shared_seq;
} CkptRing;

bool ckpt_ring_kind_fits(const CkptRing *r, uint32_t kind, uint64_t len_bytes);
int ckpt_ring_read(const CkptRing *r, uint64_t *pos,
                   struct ckpt_hold_record *rec, uint64_t *ret_next);
void *ckpt_ring_at(const CkptRing *r, uint64_t pos);
void ckpt_ring_set_record_epoch(CkptRing *r, uint64_t pos, uint64_t epoch);
bool ckpt_ring_has_room(const CkptRing *r, size_t len_bytes);
void *ckpt_ring_reserve(CkptRing *r, uint32_t kind, uint64_t epoch,
                        size_t len_bytes);
void ckpt_ring_publish(CkptRing *r, size_t len_bytes);
void ckpt_ring_drop(CkptRing *r, uint64_t next);
void ckpt_ring_adopt(CkptRing *r, uint64_t cut_above);

/* ckpt-ring-pack.c */
void ckpt_ring_pack(const CkptRing *r, uint64_t pos, GByteArray *out);
bool ckpt_ring_unpack(CkptRing *r, const uint8_t *data, size_t len_bytes,
                      uint64_t seq, uint64_t epoch_max, Error **errp);

#endif
