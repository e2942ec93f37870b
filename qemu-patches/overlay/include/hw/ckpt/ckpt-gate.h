/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-gate.h - hold the guest's output until its checkpoint is durable
 *
 * Knows epochs, records and memory (abi/ckpt-hold.h), but no QEMU device, no
 * network and no thread: it is linked into a unit test alone.  All calls are
 * made under the big QEMU lock.
 */
#ifndef HW_CKPT_GATE_H
#define HW_CKPT_GATE_H

#include "ckpt-hold.h"
#include "hw/ckpt/ckpt-identity.h"

typedef struct CkptGate CkptGate;

/* What becomes of a record offered to the outside. */
typedef enum CkptGateSent {
    CKPT_GATE_SENT,     /* taken whole: the cursor moves on */
    CKPT_GATE_BUSY,     /* not taken yet: sent() or unsent() will be called */
} CkptGateSent;

typedef struct CkptGateOps {
    /* A committed record leaves.  @data is valid until it is SENT. */
    CkptGateSent (*send)(void *opaque, const struct ckpt_hold_record *rec,
                         const void *data);
    /* The first record of the current epoch is held now. */
    void (*first_held)(void *opaque);
    /* There is room again after ckpt_gate_hold() or _journal() failed. */
    void (*room)(void *opaque);
} CkptGateOps;

typedef struct CkptGateStats {
    uint64_t held_bytes;
    uint64_t held_records;
    uint64_t journal_bytes;
    uint64_t released_records;
    uint64_t full_count;
    uint64_t refused_frames;
} CkptGateStats;

CkptGate *ckpt_gate_new(const CkptGateOps *ops, void *opaque);
void ckpt_gate_free(CkptGate *gate);

/* Lay a fresh hold out in @mem (@bytes long, caller's); the gate is shut. */
bool ckpt_gate_format(CkptGate *gate, void *mem, size_t bytes, Error **errp);

/*
 * Take over the hold in @mem that a predecessor left, for a guest restored to
 * the end of epoch @committed: cut off what is of later epochs (G3).  What is
 * held of epochs <= @committed leaves by ckpt_gate_commit(@committed).
 */
bool ckpt_gate_adopt(CkptGate *gate, void *mem, size_t bytes,
                     uint64_t committed, Error **errp);

/*
 * No checkpoints: everything leaves at once, in order, nothing is journaled.
 * A gate without a hold makes a small one of its own.
 */
void ckpt_gate_open(CkptGate *gate);

/* Epoch that new records are tagged with (G1); set at boot and restore. */
void ckpt_gate_set_epoch(CkptGate *gate, uint64_t epoch);
uint64_t ckpt_gate_epoch(const CkptGate *gate);
/* E2: called by the engine at the instant of the checkpoint. */
void ckpt_gate_advance(CkptGate *gate);

/*
 * R2: only frames of @own are held, others are dropped as they come.  The set
 * is the caller's, who may change it; NULL: any frame.
 */
void ckpt_gate_set_identities(CkptGate *gate, const CkptIdentities *own);
/* R2: drop all frames while the guest has not heard who it is. */
void ckpt_gate_hush(CkptGate *gate, bool on);
/*
 * Hold one record.  Return: true when it was taken, or dropped (R2); false when
 * full; ops->room() follows.
 */
bool ckpt_gate_hold(CkptGate *gate, enum ckpt_hold_kind kind,
                    const struct iovec *iov, unsigned niov, size_t len_bytes);
/* Remember one delivered input.  Return: false when full, deliver nothing. */
bool ckpt_gate_journal(CkptGate *gate, enum ckpt_hold_kind kind,
                       const void *data, size_t len_bytes);
/* Would ckpt_gate_journal() take @len_bytes now?  If not, room() follows. */
bool ckpt_gate_journal_room(CkptGate *gate, size_t len_bytes);
/* Is it time for a checkpoint, because of the journal? */
bool ckpt_gate_journal_high(const CkptGate *gate);
/* Nothing held in the current epoch? (COMMIT and idle decisions) */
bool ckpt_gate_epoch_empty(const CkptGate *gate);

/* Epochs <= @epoch are durable: release them in order, trim the journal. */
void ckpt_gate_commit(CkptGate *gate, uint64_t epoch);
void ckpt_gate_seal(CkptGate *gate);
void ckpt_gate_unseal(CkptGate *gate);
/* The record for which send() said BUSY has been taken: go on. */
void ckpt_gate_sent(CkptGate *gate);
/* That record was thrown away on its way: offer it again. */
void ckpt_gate_unsent(CkptGate *gate);
/* Is there a record of @kind with these very bytes that has not left yet? */
bool ckpt_gate_holds(const CkptGate *gate, enum ckpt_hold_kind kind,
                     const void *data, size_t len_bytes);

/*
 * Replay after a restore, in order.  ckpt_gate_replay() shows the next input
 * that the predecessor had journaled and returns false when there is none;
 * ckpt_gate_replayed() says that the guest has it: it stays in the journal,
 * tagged anew with the current epoch.  The port's deliver() does the latter;
 * when it returns false the guest has no room, and the port goes on by itself.
 */
bool ckpt_gate_replay(CkptGate *gate, struct ckpt_hold_record *rec,
                      const void **data);
void ckpt_gate_replayed(CkptGate *gate);

/*
 * A guest that moves takes its gate along: what is held, and the inputs that it
 * has not been given yet.
 */
typedef struct CkptGateCargo {
    uint64_t tx_seq;
    uint64_t rx_seq;
    uint32_t tx_bytes;
    uint32_t rx_bytes;
    uint8_t *tx;            /* g_malloc() */
    uint8_t *rx;
} CkptGateCargo;

void ckpt_gate_pack(const CkptGate *gate, CkptGateCargo *ret);
bool ckpt_gate_unpack(CkptGate *gate, const CkptGateCargo *cargo,
                      uint64_t epoch, Error **errp);

void ckpt_gate_stats(const CkptGate *gate, CkptGateStats *ret);

#endif
