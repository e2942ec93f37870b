/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-engine.h - takes checkpoints; what ckpt-nic and the restore hook see
 *
 * At most one engine per QEMU.  All calls under the big QEMU lock.
 */
#ifndef HW_CKPT_ENGINE_H
#define HW_CKPT_ENGINE_H

#include "ckpt-nic.h"
#include "ckpt-wire.h"
#include "hw/ckpt/ckpt-gate.h"

/* Said at the start of a QEMU that takes none, with the reason behind it. */
#define CKPT_OFF_TEXT   "no checkpoints are taken: frames pass at once and " \
                        "a crash loses the guest"

typedef struct CkptEngine CkptEngine;

/*
 * The device that the engine serves.  The device owns the gate and is the way
 * in and out of the guest; it registers itself at realize, before the machine
 * starts.  The engine formats, adopts, advances and commits the gate.
 */
typedef struct CkptPort {
    CkptGate *gate;
    void *opaque;
    /* Take what lies in the TX ring into the gate, before an epoch ends. */
    void (*drain_tx)(void *opaque);
    /*
     * R2: another line begins.  What the guest had made ready is discarded, and
     * it is told who it is now.  Before the vCPU runs, devices restored.
     */
    void (*new_line)(void *opaque, const struct ckpt_identity *ids, unsigned n);
    /* An input of the journal, again (ckpt_gate_replay). */
    bool (*deliver)(void *opaque, const struct ckpt_hold_record *rec,
                    const void *data);
    /* A message from ckptd, ckptctl or a monitor for the guest. */
    bool (*mailbox)(void *opaque, const struct ckpt_mbox *msg);
    /* COMMITTED(n) arrived; after the gate released. */
    void (*committed)(void *opaque, uint64_t epoch);
    /* Take back what is on its way to the netdev; the gate is sealed. */
    void (*take_back)(void *opaque);
    /* Why the netdev ties the guest to this host; false when it does not. */
    bool (*tied)(void *opaque, Error **errp);
} CkptPort;

/* Is this a message that a device can hand to its guest? */
static inline bool ckpt_mbox_ok(const struct ckpt_mbox *msg)
{
    return msg->kind >= CKPT_MBOX_SIGTERM && msg->kind <= CKPT_MBOX_IDENTITY &&
           msg->len_bytes <= CKPT_MBOX_DATA_MAX;
}

/* The engine object of this QEMU, or NULL: then no checkpoints are taken. */
CkptEngine *ckpt_engine_get(void);
/* Return: false when the engine has a port already. */
bool ckpt_engine_register_port(CkptEngine *e, CkptPort *port, Error **errp);

/* Ask for a checkpoint soon.  Return: the epoch it ends, 0 = no checkpoints. */
uint64_t ckpt_engine_request(CkptEngine *e, enum ckpt_cause cause);
/* A message for the guest; it goes to the port's mailbox when there is room. */
void ckpt_engine_message(CkptEngine *e, const struct ckpt_mbox *msg);
uint64_t ckpt_engine_committed(const CkptEngine *e);
uint64_t ckpt_engine_generation(const CkptEngine *e);
/* false while checkpoints are off (checkpoint=off, or no path=). */
bool ckpt_engine_active(const CkptEngine *e);

/*
 * Log bytes, exit status and panic on their way to ckptd (OUTPUT).  @e may be
 * NULL: without ckptd they go to stderr, and the exit status is QEMU's own.
 * Return: true when they have been taken; false when they cannot leave now:
 * the engine has copied them, and tells the port's gate by ckpt_gate_sent()
 * once they are gone.  Until then it must not be called again, but for a PANIC.
 */
bool ckpt_engine_output(CkptEngine *e, enum ckpt_output_kind kind,
                        uint32_t flags, uint64_t epoch, uint64_t seq,
                        const void *data, size_t len_bytes);

/*
 * Called once by QEMU after machine init and reset, before the guest starts
 * and beside -loadvm: asks ckptd what there is and boots or restores.
 */
bool ckpt_restore_at_start(Error **errp);

/*
 * Called by QEMU's migration.  The first two share the dirty log
 * (ckpt-dirty.c), the last says that the destination did not take the guest.
 */
struct RAMBlock;
bool ckpt_dirty_share(struct RAMBlock *rb, uint64_t *ret_new_pages);
void ckpt_dirty_arrived(void *haddr);
void ckpt_move_refused(void);

#endif
