/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-ring-pack.c - a ring's records as bytes, for another host
 *
 * Records follow each other without PADs: header as in the ring, payload, no
 * alignment.  What comes in was written by another QEMU and is checked like
 * any input: nothing of it is used before it makes sense.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qapi/error.h"
#include "ckpt-ring.h"

/**
 * ckpt_ring_pack: the records from a position on
 * @r: the ring
 * @pos: where the first begins, or the head
 * @out: they are appended here
 */
void ckpt_ring_pack(const CkptRing *r, uint64_t pos, GByteArray *out)
{
    struct ckpt_hold_record rec;
    uint64_t next;
    int got;

    while ((got = ckpt_ring_read(r, &pos, &rec, &next)) > 0) {
        g_byte_array_append(out, (const uint8_t *)&rec, sizeof(rec));
        g_byte_array_append(out, (uint8_t *)ckpt_ring_at(r, pos) + sizeof(rec),
                            rec.len_bytes);
        pos = next;
    }
    assert(!got);   /* our own ring */
}

/**
 * ckpt_ring_unpack: put the records of another ring into this one
 * @r: the ring, freshly formatted
 * @data: what ckpt_ring_pack() made, or anything
 * @len_bytes: of it
 * @seq: the other ring's next sequence number
 * @epoch_max: greatest epoch that makes sense
 * @errp: what does not make sense, or that there is no room
 *
 * Return: false then; the ring is of no use.
 */
bool ckpt_ring_unpack(CkptRing *r, const uint8_t *data, size_t len_bytes,
                      uint64_t seq, uint64_t epoch_max, Error **errp)
{
    struct ckpt_hold_record rec;
    uint64_t last_epoch = 1;
    size_t done = 0;

    assert(r->head == r->tail);
    while (done < len_bytes) {
        if (len_bytes - done < sizeof(rec)) {
            goto bad;
        }
        memcpy(&rec, data + done, sizeof(rec));
        done += sizeof(rec);
        if (!ckpt_ring_kind_fits(r, rec.kind, rec.len_bytes) ||
            rec.len_bytes > len_bytes - done || rec.seq < r->seq ||
            rec.seq >= seq || rec.epoch < last_epoch ||
            rec.epoch > epoch_max) {
            goto bad;
        }
        if (!ckpt_ring_has_room(r, rec.len_bytes)) {
            error_setg(errp, "the hold is too small for the %s that comes in",
                       r->name);
            return false;
        }
        if (r->ordered) {
            last_epoch = rec.epoch;
        }
        r->seq = rec.seq;
        memcpy(ckpt_ring_reserve(r, rec.kind, rec.epoch, rec.len_bytes),
               data + done, rec.len_bytes);
        ckpt_ring_publish(r, rec.len_bytes);
        done += rec.len_bytes;
    }
    if (seq < r->seq) {
        goto bad;
    }
    r->seq = seq;
    qatomic_set(r->shared_seq, seq);
    return true;

bad:
    error_setg(errp, "the %s that comes in makes no sense at byte %zu",
               r->name, done);
    return false;
}
