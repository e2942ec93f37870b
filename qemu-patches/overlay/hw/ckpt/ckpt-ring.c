/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-ring.c - one of the hold's two rings of records
 *
 * Only byte counts move: the writer appends at the head, the reader drops at
 * the tail, byte b lies at base + b % size, a record never wraps.
 *
 * The counts in the shared header are copies for a successor; this process goes
 * by its own.  A record is written first, then the sequence number, then the
 * head (release; pairs with the successor's start, which comes after the
 * writer's death).
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/error-report.h"
#include "ckpt-nic.h"
#include "ckpt-ring.h"
#include "trace.h"

/* Payload bytes that make sense, by kind. */
static const struct {
    uint32_t min_bytes;
    uint32_t max_bytes;
} kind_limit[] = {
    [CKPT_HOLD_FRAME] = { CKPT_FRAME_MIN, CKPT_FRAME_MAX },
    [CKPT_HOLD_LOG]   = { 1, CKPT_LOG_MAX },
    [CKPT_HOLD_EXIT]  = { sizeof(uint32_t), sizeof(uint32_t) },
    [CKPT_HOLD_MBOX]  = { sizeof(struct ckpt_mbox), sizeof(struct ckpt_mbox) },
};

static uint64_t record_bytes(uint64_t len_bytes)
{
    return sizeof(struct ckpt_hold_record) +
           ROUND_UP(len_bytes, CKPT_HOLD_ALIGN);
}

static uint64_t bytes_to_end(const CkptRing *r, uint64_t pos)
{
    return r->size - pos % r->size;
}

/**
 * ckpt_ring_kind_fits: may this ring hold such a record?
 * @r: the ring
 * @kind: enum ckpt_hold_kind, or anything
 * @len_bytes: of the payload
 *
 * Return: true if so.
 */
bool ckpt_ring_kind_fits(const CkptRing *r, uint32_t kind, uint64_t len_bytes)
{
    return kind < ARRAY_SIZE(kind_limit) && (r->kinds & (1u << kind)) &&
           len_bytes >= kind_limit[kind].min_bytes &&
           len_bytes <= kind_limit[kind].max_bytes;
}

/**
 * ckpt_ring_at: the memory of a byte
 * @r: the ring
 * @pos: byte count
 *
 * Return: its place.
 */
void *ckpt_ring_at(const CkptRing *r, uint64_t pos)
{
    return r->base + pos % r->size;
}

/**
 * ckpt_ring_read: copy the header of a record and check that it lies inside
 * @r: the ring
 * @pos: where it begins; a PAD there is stepped over
 * @rec: filled
 * @ret_next: where the one behind it begins
 *
 * Return: 1, 0 at the head, -1 where there is nothing that makes sense.
 */
int ckpt_ring_read(const CkptRing *r, uint64_t *pos,
                   struct ckpt_hold_record *rec, uint64_t *ret_next)
{
    uint64_t left;

    while (*pos != r->head) {
        memcpy(rec, ckpt_ring_at(r, *pos), sizeof(*rec));
        left = MIN(bytes_to_end(r, *pos), r->head - *pos);
        if (rec->kind == CKPT_HOLD_PAD) {
            if (bytes_to_end(r, *pos) > left) {
                return -1;
            }
            *pos += left;
            continue;
        }
        if (!ckpt_ring_kind_fits(r, rec->kind, rec->len_bytes) ||
            record_bytes(rec->len_bytes) > left) {
            return -1;
        }
        *ret_next = *pos + record_bytes(rec->len_bytes);
        return 1;
    }
    return 0;
}

/**
 * ckpt_ring_set_record_epoch: tag a record anew
 * @r: the ring
 * @pos: where the record itself begins
 * @epoch: its new epoch
 */
void ckpt_ring_set_record_epoch(CkptRing *r, uint64_t pos, uint64_t epoch)
{
    struct ckpt_hold_record *rec = ckpt_ring_at(r, pos);

    qatomic_set(&rec->epoch, epoch);
}

/* Bytes that a record of @len_bytes takes at the head, its PAD included. */
static uint64_t bytes_needed(const CkptRing *r, size_t len_bytes)
{
    uint64_t need = record_bytes(len_bytes);
    uint64_t to_end = bytes_to_end(r, r->head);

    assert(need <= r->size / 2);
    return need <= to_end ? need : to_end + need;
}

/**
 * ckpt_ring_has_room: is there room for one more record?
 * @r: the ring
 * @len_bytes: of its payload
 *
 * Return: true if so.
 */
bool ckpt_ring_has_room(const CkptRing *r, size_t len_bytes)
{
    return bytes_needed(r, len_bytes) <= r->size - (r->head - r->tail);
}

/**
 * ckpt_ring_reserve: write the header of a new record at the head
 * @r: the ring, with room for it
 * @kind: enum ckpt_hold_kind
 * @epoch: its tag (G1)
 * @len_bytes: of its payload
 *
 * Return: where the caller puts the payload before ckpt_ring_publish().
 */
void *ckpt_ring_reserve(CkptRing *r, uint32_t kind, uint64_t epoch,
                        size_t len_bytes)
{
    struct ckpt_hold_record *rec;
    uint64_t pad = bytes_needed(r, len_bytes) - record_bytes(len_bytes);

    if (pad) {
        rec = ckpt_ring_at(r, r->head);
        *rec = (struct ckpt_hold_record) {
            .kind = CKPT_HOLD_PAD,
            .len_bytes = pad - sizeof(*rec),
            .epoch = epoch,
            .seq = r->seq,
        };
    }
    rec = ckpt_ring_at(r, r->head + pad);
    *rec = (struct ckpt_hold_record) {
        .kind = kind,
        .len_bytes = len_bytes,
        .epoch = epoch,
        .seq = r->seq,
    };
    return rec + 1;
}

/**
 * ckpt_ring_publish: the reserved record is whole
 * @r: the ring
 * @len_bytes: as reserved
 */
void ckpt_ring_publish(CkptRing *r, size_t len_bytes)
{
    r->head += bytes_needed(r, len_bytes);
    r->seq++;
    r->records++;
    qatomic_set(r->shared_seq, r->seq);
    /* The record is whole before a successor can see it. */
    qatomic_store_release(r->shared_head, r->head);
}

/**
 * ckpt_ring_drop: the oldest record is done with
 * @r: the ring
 * @next: where the one behind it begins
 */
void ckpt_ring_drop(CkptRing *r, uint64_t next)
{
    assert(next > r->tail && next <= r->head && r->records > 0);
    r->tail = next;
    r->records--;
    qatomic_store_release(r->shared_tail, next);
}

/**
 * ckpt_ring_adopt: check what a predecessor left, record by record
 * @r: the ring, its counts in range
 * @cut_above: greatest epoch whose records stay
 *
 * The ring ends before the first record that makes no sense, which is reported,
 * or that is of an epoch above @cut_above.
 */
void ckpt_ring_adopt(CkptRing *r, uint64_t cut_above)
{
    struct ckpt_hold_record rec;
    uint64_t pos = r->tail;
    uint64_t end = pos;
    uint64_t last_epoch = 1;
    uint64_t last_seq = 0;
    uint64_t next;
    int got;

    while ((got = ckpt_ring_read(r, &pos, &rec, &next)) > 0) {
        if (rec.epoch < last_epoch || rec.seq <= last_seq ||
            rec.seq >= r->seq) {
            got = -1;
            break;
        }
        if (rec.epoch > cut_above) {
            trace_ckpt_gate_cut(r->name, rec.epoch, rec.seq, r->head - end);
            break;
        }
        if (r->ordered) {
            last_epoch = rec.epoch;
        }
        last_seq = rec.seq;
        r->records++;
        pos = end = next;
    }
    if (got < 0) {
        error_report("ckpt-gate: hold %s: no valid record at byte %" PRIu64
                     ", %" PRIu64 " bytes from there on are lost",
                     r->name, pos, r->head - end);
    }
    r->head = end;
    qatomic_store_release(r->shared_head, end);
}
