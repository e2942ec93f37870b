/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-nic-state.c - what a checkpoint, or a migration, holds of ckpt-nic
 *
 * What comes in was written by a QEMU, but has been on a disk or a wire since.
 * Each field that the device would index with, copy by or raise a line for is
 * checked before the guest runs; the others the guest may set to anything.
 *
 * What is not always there is a subsection, so that a checkpoint which lacks it
 * is as short as before, and one of an older QEMU can be loaded.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "migration/vmstate.h"
#include "ckpt-nic-internal.h"

static bool mailbox_needed(void *opaque)
{
    return ((CkptNic *)opaque)->mailbox.count > 0;
}

static bool own_needed(void *opaque)
{
    return ((CkptNic *)opaque)->own.count > 0;
}

static bool exit_needed(void *opaque)
{
    return ((CkptNic *)opaque)->exit_said;
}

static bool mailbox_ok(const CkptNicMailbox *mailbox)
{
    uint32_t i;

    if (mailbox->count > CKPT_NIC_MAILBOX_MAX) {
        return false;
    }
    for (i = 0; i < mailbox->count; i++) {
        if (!ckpt_mbox_ok(&mailbox->msg[i])) {
            return false;
        }
    }
    return true;
}

/* A queue is off, stopped by an error, or runs; only TX waits for the gate. */
static bool queue_ok(const CkptNicQueue *q, unsigned no)
{
    uint64_t bytes = sizeof(struct ckpt_ring) +
                     (uint64_t)q->size * sizeof(struct ckpt_desc);
    uint32_t running = q->status;

    if (no == CKPT_QUEUE_TX) {
        running &= ~CKPT_QUEUE_BLOCKED;
    }
    if (q->size > CKPT_RING_MAX || (q->size & (q->size - 1))) {
        return false;
    }
    if (running == CKPT_QUEUE_ENABLED) {
        return q->size && q->paddr % CKPT_RING_ALIGN == 0 &&
               q->paddr + bytes >= q->paddr;
    }
    return q->status == 0 || q->status == CKPT_QUEUE_ERROR;
}

/* What makes no sense, or NULL. */
static const char *fault(const CkptNic *s)
{
    unsigned i;

    if ((s->int_status | s->int_enable) & ~CKPT_INT_ALL) {
        return "interrupts";
    }
    if (s->qsel >= CKPT_NIC_NQUEUES) {
        return "selected queue";
    }
    for (i = 0; i < CKPT_NIC_NQUEUES; i++) {
        if (!queue_ok(&s->queue[i], i)) {
            return i == CKPT_QUEUE_TX ? "TX queue" : "RX queue";
        }
    }
    if (s->buf_result > CKPT_RESULT_EMPTY) {
        return "result of a command";
    }
    if (!mailbox_ok(&s->mailbox)) {
        return "mailbox";
    }
    if (s->own.count > CKPT_IDENTITIES_MAX) {
        return "identities";
    }
    return NULL;
}

static int post_load(void *opaque, int version_id)
{
    CkptNic *s = opaque;
    const char *what = fault(s);

    if (what) {
        error_report("ckpt-nic: the state that was loaded makes no sense: %s",
                     what);
        return -EINVAL;
    }
    s->exit_lost = s->exit_said;
    ckpt_nic_mailbox_changed(s);
    return 0;
}

/* What a subsection holds is as after a reset where there is none. */
static int pre_load(void *opaque)
{
    CkptNic *s = opaque;

    memset(&s->mailbox, 0, sizeof(s->mailbox));
    memset(&s->own, 0, sizeof(s->own));
    s->exit_said = false;
    return 0;
}

/* clang-format off */
static const VMStateDescription vmstate_mailbox = {
    .name = "ckpt-nic/mailbox",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = mailbox_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(mailbox.count, CkptNic),
        VMSTATE_BUFFER_UNSAFE(mailbox.msg, CkptNic, 1,
                              sizeof(((CkptNic *)0)->mailbox.msg)),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_identity = {
    .name = "ckpt-nic/identity",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8_ARRAY(mac, CkptIdentity, 6),
        VMSTATE_UINT8_ARRAY(address, CkptIdentity, 4),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_own = {
    .name = "ckpt-nic/own",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = own_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(own.count, CkptNic),
        VMSTATE_STRUCT_ARRAY(own.id, CkptNic, CKPT_IDENTITIES_MAX, 1,
                             vmstate_identity, CkptIdentity),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_exit = {
    .name = "ckpt-nic/exit",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = exit_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_BOOL(exit_said, CkptNic),
        VMSTATE_END_OF_LIST()
    }
};

static const VMStateDescription vmstate_queue = {
    .name = "ckpt-nic/queue",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(paddr, CkptNicQueue),
        VMSTATE_UINT32(size, CkptNicQueue),
        VMSTATE_UINT32(status, CkptNicQueue),
        VMSTATE_UINT32(cons, CkptNicQueue),
        VMSTATE_END_OF_LIST()
    }
};

const VMStateDescription ckpt_nic_vmstate = {
    .name = TYPE_CKPT_NIC,
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = pre_load,
    .post_load = post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(int_status, CkptNic),
        VMSTATE_UINT32(int_enable, CkptNic),
        VMSTATE_UINT32(qsel, CkptNic),
        VMSTATE_STRUCT_ARRAY(queue, CkptNic, CKPT_NIC_NQUEUES, 1,
                             vmstate_queue, CkptNicQueue),
        VMSTATE_UINT64(value, CkptNic),
        VMSTATE_UINT64(buf_paddr, CkptNic),
        VMSTATE_UINT32(buf_len_bytes, CkptNic),
        VMSTATE_UINT32(buf_result, CkptNic),
        VMSTATE_BOOL(buf_waits, CkptNic),
        VMSTATE_BOOL(exit_waits, CkptNic),
        VMSTATE_UINT32(exit_value, CkptNic),
        VMSTATE_UINT64(commit_epoch, CkptNic),
        VMSTATE_UINT64(notify_epoch, CkptNic),
        VMSTATE_UINT64(tsc_hz, CkptNic),
        VMSTATE_UINT64(mailbox_seq, CkptNic),
        VMSTATE_TIMER(rx_timer, CkptNic),
        VMSTATE_BOOL(rx_held_back, CkptNic),
        VMSTATE_END_OF_LIST()
    },
    .subsections = (const VMStateDescription * const []) {
        &vmstate_mailbox,
        &vmstate_own,
        &vmstate_exit,
        NULL
    }
};
/* clang-format on */
