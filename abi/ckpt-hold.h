/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-hold.h - the hold: output not yet released, input not yet committed
 *
 * A memfd made and sealed (no shrink, no grow) by ckptd and mapped shared by
 * QEMU's gate.  It outlives QEMU: the next QEMU of the guest finds in it what
 * the last one had accepted (R1).  Without ckptd the gate makes its own.
 *
 * Layout: struct ckpt_hold_header at 0, the output ring (TX) at tx_offset, the
 * input journal (RX) at rx_offset.  A ring is a sequence of records, each
 * CKPT_HOLD_ALIGN aligned; heads and tails are byte counts that only grow, byte
 * b lies at offset + b % size.  A record never wraps: a CKPT_HOLD_PAD record
 * (or, where not even a record header fits, nothing) fills the end of the ring.
 * The writer fills a record, then stores the head (release); what lies behind
 * the head is nothing.
 *
 * TX: records from tx_cursor to tx_head are held.  A frame's record is passed
 *     over by storing tx_cursor only after the netdev has taken all of it, so a
 *     crash between the two doubles that one packet (R1).
 *     Recovery to epoch n: records of epochs <= n are released, the head is
 *     cut back to the first record of an epoch > n.
 * RX: records from rx_tail to rx_head were given to the guest in epochs that
 *     are not durable.  Recovery to n gives those of epochs > n again, in order.
 *
 * Whoever maps it copies a record header before checking it, and takes one
 * that makes no sense (kind, length, sequence not rising, in TX an epoch going
 * backwards) as the end of the ring, with an error in the log.  An RX record
 * that is given again gets the epoch in which that happens, so RX epochs have
 * no order.
 */
#ifndef CKPT_HOLD_H
#define CKPT_HOLD_H

#include <stdint.h>
#include <stddef.h>

#define CKPT_HOLD_MAGIC     0x444c4f4843554c53ull /* "SLUCHOLD" */
#define CKPT_HOLD_VERSION   1u
#define CKPT_HOLD_ALIGN     32u
#define CKPT_HOLD_RING_MIN  (64u << 10)
#define CKPT_HOLD_BYTES_DEFAULT (16u << 20) /* whole memfd */

enum ckpt_hold_kind {
    CKPT_HOLD_PAD   = 0,    /* nothing up to the end of the ring */
    CKPT_HOLD_FRAME = 1,    /* TX, RX: an Ethernet frame */
    CKPT_HOLD_LOG   = 2,    /* TX: log bytes */
    CKPT_HOLD_EXIT  = 3,    /* TX: uint32_t, as written to CKPT_NIC_EXIT */
    CKPT_HOLD_MBOX  = 4,    /* RX: struct ckpt_mbox */
};

struct ckpt_hold_record {
    uint32_t kind;          /*  0 enum ckpt_hold_kind */
    uint32_t len_bytes;     /*  4 of the payload that follows this header */
    uint64_t epoch;         /*  8 G1 */
    uint64_t seq;           /* 16 grows by one per record of its ring, PADs not
                                  counted; never reused, also after recovery:
                                  what that cuts off leaves a gap */
    uint64_t reserved;      /* 24 zero */
};

struct ckpt_hold_header {
    uint64_t magic;         /*   0 */
    uint32_t version;       /*   8 */
    uint32_t header_bytes;  /*  12 */
    uint64_t tx_offset;     /*  16 */
    uint64_t tx_size;       /*  24 multiple of CKPT_HOLD_ALIGN */
    uint64_t rx_offset;     /*  32 */
    uint64_t rx_size;       /*  40 */
    uint64_t reserved0[2];  /*  48 */
    uint64_t tx_head;       /*  64 bytes ever held */
    uint64_t tx_seq;        /*  72 next sequence number */
    uint64_t reserved1[6];  /*  80 */
    uint64_t tx_cursor;     /* 128 bytes ever released */
    uint64_t reserved2[7];  /* 136 */
    uint64_t rx_head;       /* 192 */
    uint64_t rx_seq;        /* 200 */
    uint64_t reserved3[6];  /* 208 */
    uint64_t rx_tail;       /* 256 */
    uint64_t reserved4[31]; /* 264 */
};

_Static_assert(sizeof(struct ckpt_hold_record) == 32, "size");
_Static_assert(offsetof(struct ckpt_hold_record, epoch) == 8, "offset");
_Static_assert(offsetof(struct ckpt_hold_record, seq) == 16, "offset");
_Static_assert(sizeof(struct ckpt_hold_header) == 512, "size");
_Static_assert(offsetof(struct ckpt_hold_header, tx_head) == 64, "offset");
_Static_assert(offsetof(struct ckpt_hold_header, tx_cursor) == 128, "offset");
_Static_assert(offsetof(struct ckpt_hold_header, rx_head) == 192, "offset");
_Static_assert(offsetof(struct ckpt_hold_header, rx_tail) == 256, "offset");

#endif
