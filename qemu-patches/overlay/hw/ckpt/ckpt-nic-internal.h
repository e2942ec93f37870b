/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-nic-internal.h - what the parts of ckpt-nic share
 *
 *   ckpt-nic.c        the device: registers, interrupts, life
 *   ckpt-nic-state.c  what a checkpoint holds of it
 *   ckpt-nic-rings.c  towards the guest: descriptors and buffers in its RAM
 *   ckpt-nic-host.c   away from it: gate, netdev, engine, mailbox
 *
 * Everything here is called under the big QEMU lock.
 */
#ifndef HW_CKPT_NIC_INTERNAL_H
#define HW_CKPT_NIC_INTERNAL_H

#include "hw/ckpt/ckpt-engine.h"
#include "hw/ckpt/ckpt-gate.h"
#include "hw/ckpt/ckpt-tsc.h"
#include "hw/isa/isa.h"
#include "migration/vmstate.h"
#include "net/net.h"
#include "qemu/timer.h"
#include "qom/object.h"
#include "ckpt-nic.h"

#define TYPE_CKPT_NIC "ckpt-nic"
OBJECT_DECLARE_SIMPLE_TYPE(CkptNic, CKPT_NIC)

#define CKPT_NIC_MTU_DEFAULT    1500
#define CKPT_NIC_MAILBOX_MAX    16      /* messages, of each queue below */

typedef struct CkptNicQueue {
    uint64_t paddr;             /* of struct ckpt_ring */
    uint32_t size;              /* entries, 0 = off */
    uint32_t status;            /* CKPT_QUEUE_* */
    uint32_t cons;              /* the device's own count, as in the ring */
} CkptNicQueue;

/* Messages in the order in which they came. */
typedef struct CkptNicMailbox {
    uint32_t count;
    struct ckpt_mbox msg[CKPT_NIC_MAILBOX_MAX];
} CkptNicMailbox;

struct CkptNic {
    ISADevice parent_obj;

    /* properties */
    NICConf conf;
    uint32_t iobase;
    uint32_t isa_irq;
    uint32_t mtu;
    uint32_t rx_coalesce_us;

    /* of the host, not of the guest: not in the vmstate */
    MemoryRegion io;
    NICState *nic;
    qemu_irq irq;
    CkptGate *gate;
    CkptEngine *engine;         /* or NULL */
    CkptPort port;
    VMChangeStateEntry *vm_change;
    Notifier powerdown;
    QEMUBH *resend_bh;          /* a frame was purged on its way */
    QEMUTimer link_timer;       /* the netdev is not connected yet */
    int64_t link_deadline_ns;
    bool link_seen;             /* it was, or it takes too long */
    bool scanning;              /* tx_scan() is running */
    bool exit_lost;             /* said before a restore; look whether the hold
                                   still has it */
    uint8_t frame[CKPT_FRAME_MAX];

    /* registers and what lies behind them */
    uint32_t int_status;
    uint32_t int_enable;
    uint32_t qsel;
    CkptNicQueue queue[CKPT_NIC_NQUEUES];
    uint64_t value;             /* latched by SEL */
    uint64_t buf_paddr;
    uint32_t buf_len_bytes;
    uint32_t buf_result;
    bool buf_waits;             /* a LOG was told AGAIN */
    bool exit_waits;            /* EXIT found the gate full */
    uint32_t exit_value;
    bool exit_said;             /* EXIT went into the hold */
    uint64_t commit_epoch;      /* that the last COMMIT asked for */
    uint64_t notify_epoch;      /* CKPT_INT_COMMIT when durable, 0 = none */
    uint64_t tsc_hz;            /* 0 = not yet measured */
    CkptTscSample made;         /* to measure it from */
    uint64_t mailbox_seq;
    CkptNicMailbox mailbox;
    CkptIdentities own;         /* of this line, after a fork or rollback */
    QEMUTimer rx_timer;         /* runs while CKPT_INT_RX may not be raised */
    bool rx_held_back;          /* frames arrived meanwhile */
};

/* ckpt-nic.c */
void ckpt_nic_raise(CkptNic *s, uint32_t causes);
void ckpt_nic_raise_rx(CkptNic *s);

/* ckpt-nic-state.c */
extern const VMStateDescription ckpt_nic_vmstate;

/* ckpt-nic-rings.c */
void ckpt_nic_queue_start(CkptNic *s, unsigned no, uint32_t size);
void ckpt_nic_queue_kick(CkptNic *s, unsigned no);
void ckpt_nic_tx_scan(CkptNic *s);
uint32_t ckpt_nic_tx_discard(CkptNic *s);
bool ckpt_nic_rx_ready(CkptNic *s);
bool ckpt_nic_rx_write(CkptNic *s, const void *data, size_t len_bytes);
void ckpt_nic_rx_publish(CkptNic *s, size_t len_bytes);
bool ckpt_nic_dma(CkptNic *s, uint64_t paddr, void *buf, size_t len_bytes,
                  bool is_write);

/* ckpt-nic-host.c */
bool ckpt_nic_host_realize(CkptNic *s, Error **errp);
bool ckpt_nic_hold(CkptNic *s, enum ckpt_hold_kind kind, const void *data,
                   size_t len_bytes);
void ckpt_nic_exit(CkptNic *s, uint32_t value);
void ckpt_nic_panic(CkptNic *s, const char *text, size_t len_bytes);
void ckpt_nic_commit(CkptNic *s, uint32_t flags);
void ckpt_nic_input(CkptNic *s);
bool ckpt_nic_mailbox_get(CkptNic *s, struct ckpt_mbox *ret_msg);
uint32_t ckpt_nic_mailbox_bytes(const CkptNic *s);
void ckpt_nic_mailbox_changed(CkptNic *s);

#endif
