/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-nic-rings.c - ckpt-nic's rings in guest RAM
 *
 * The one place where the device reads and writes what the guest points at.
 * Every word is copied before it is looked at, every access must hit RAM (a
 * descriptor that points at a device's registers would let a guest make devices
 * call each other) and goes through the memory API, so that what the device
 * writes is part of the next checkpoint (E3).
 *
 * Neither side may sleep on the other's last word: the guest stores prod, then
 * reads cons to see whether the device had caught up and wants a KICK; the
 * device stores cons, then reads prod again.  Each has a full barrier between
 * its store and its load, and they pair.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "exec/address-spaces.h"
#include "ckpt-nic-internal.h"
#include "trace.h"

static const MemTxAttrs ram_only = { .memory = 1 };

#define RING_PROD   offsetof(struct ckpt_ring, prod)
#define RING_CONS   offsetof(struct ckpt_ring, cons)

/**
 * ckpt_nic_dma: copy between guest RAM and the device
 * @s: the device
 * @paddr: where in the guest
 * @buf: here
 * @len_bytes: how much
 * @is_write: into the guest
 *
 * Return: false when it is not all RAM.
 */
bool ckpt_nic_dma(CkptNic *s, uint64_t paddr, void *buf, size_t len_bytes,
                  bool is_write)
{
    if (paddr + len_bytes < paddr) {
        return false;
    }
    return address_space_rw(&address_space_memory, paddr, ram_only, buf,
                            len_bytes, is_write) == MEMTX_OK;
}

/*
 * Not address_space_ldl() and _stl(): they would reach a device's registers.
 * The counters are aligned words, so the copy is one access all the same.
 */
static bool ring_load_prod(CkptNic *s, const CkptNicQueue *q, uint32_t *ret)
{
    uint32_t le = 0;
    bool ok = ckpt_nic_dma(s, q->paddr + RING_PROD, &le, sizeof(le), false);

    *ret = le32_to_cpu(le);
    return ok;
}

static bool ring_store_cons(CkptNic *s, const CkptNicQueue *q)
{
    uint32_t le = cpu_to_le32(q->cons);

    return ckpt_nic_dma(s, q->paddr + RING_CONS, &le, sizeof(le), true);
}

static uint64_t desc_paddr(const CkptNicQueue *q, uint32_t i)
{
    return q->paddr + sizeof(struct ckpt_ring) +
           (uint64_t)(i & (q->size - 1)) * sizeof(struct ckpt_desc);
}

static bool desc_load(CkptNic *s, const CkptNicQueue *q, uint32_t i,
                      struct ckpt_desc *ret)
{
    if (!ckpt_nic_dma(s, desc_paddr(q, i), ret, sizeof(*ret), false)) {
        return false;
    }
    ret->paddr = le64_to_cpu(ret->paddr);
    ret->len_bytes = le32_to_cpu(ret->len_bytes);
    ret->flags = le32_to_cpu(ret->flags);
    return true;
}

/* The guest broke the contract: this queue stops, the host does not. */
static void queue_fail(CkptNic *s, unsigned no, const char *why)
{
    CkptNicQueue *q = &s->queue[no];

    qemu_log_mask(LOG_GUEST_ERROR,
                  "ckpt-nic: queue %u stopped at descriptor %u: %s\n",
                  no, q->cons, why);
    trace_ckpt_nic_queue_error(no, q->cons, why);
    q->status = CKPT_QUEUE_ERROR;
    ckpt_nic_raise(s, CKPT_INT_ERROR);
}

/* Return: entries the guest has made ready, or -1 and the queue stopped. */
static int queue_ready(CkptNic *s, unsigned no)
{
    CkptNicQueue *q = &s->queue[no];
    uint32_t prod;

    if (!ring_load_prod(s, q, &prod)) {
        queue_fail(s, no, "ring outside RAM");
        return -1;
    }
    if (prod - q->cons > q->size) {
        queue_fail(s, no, "prod out of range");
        return -1;
    }
    smp_rmb(); /* descriptors after prod; pairs with the guest's release */
    return prod - q->cons;
}

/**
 * ckpt_nic_queue_start: a write to QSIZE
 * @s: the device
 * @no: queue
 * @size: entries, 0 = off
 *
 * Both counters begin at what the ring says is zero work done: cons is stored
 * as 0 and prod is the guest's.
 */
void ckpt_nic_queue_start(CkptNic *s, unsigned no, uint32_t size)
{
    CkptNicQueue *q = &s->queue[no];
    uint64_t bytes = sizeof(struct ckpt_ring) +
                     (uint64_t)size * sizeof(struct ckpt_desc);

    q->status = 0;
    q->size = 0;
    q->cons = 0;
    trace_ckpt_nic_queue_start(no, q->paddr, size);
    if (size == 0) {
        return;
    }
    if (!is_power_of_2(size) || size > CKPT_RING_MAX) {
        queue_fail(s, no, "bad size");
        return;
    }
    if (q->paddr % CKPT_RING_ALIGN || q->paddr + bytes < q->paddr ||
        !ring_store_cons(s, q)) {
        queue_fail(s, no, "bad ring address");
        return;
    }
    q->size = size;
    q->status = CKPT_QUEUE_ENABLED;
    ckpt_nic_queue_kick(s, no);
}

/**
 * ckpt_nic_queue_kick: there may be new descriptors
 * @s: the device
 * @no: queue
 */
void ckpt_nic_queue_kick(CkptNic *s, unsigned no)
{
    if (no == CKPT_QUEUE_TX) {
        ckpt_nic_tx_scan(s);
    } else {
        ckpt_nic_input(s);
    }
}

/* --- TX ------------------------------------------------------------------ */

/*
 * Gather the frame whose first descriptor is at cons into s->frame.
 * Return: descriptors it took, 0 when the queue stopped.
 */
static unsigned tx_gather(CkptNic *s, unsigned ready, size_t *ret_len_bytes)
{
    CkptNicQueue *q = &s->queue[CKPT_QUEUE_TX];
    struct ckpt_desc desc;
    const char *why = NULL;
    size_t len = 0;
    unsigned n = 0;

    do {
        if (n == ready || n == CKPT_CHAIN_MAX) {
            why = "chain too long, or beyond prod";
        } else if (!desc_load(s, q, q->cons + n, &desc)) {
            why = "ring outside RAM";
        } else if (desc.flags & ~CKPT_DESC_NEXT) {
            why = "unknown flag";
        } else if (desc.len_bytes == 0 ||
                   desc.len_bytes > s->mtu + CKPT_FRAME_MIN - len) {
            why = "buffer empty, or frame too long";
        } else if (!ckpt_nic_dma(s, desc.paddr, s->frame + len,
                                 desc.len_bytes, false)) {
            why = "buffer outside RAM";
        } else {
            len += desc.len_bytes;
            n++;
        }
    } while (!why && (desc.flags & CKPT_DESC_NEXT));
    if (!why && len < CKPT_FRAME_MIN) {
        why = "frame too short";
    }
    if (why) {
        queue_fail(s, CKPT_QUEUE_TX, why);
        return 0;
    }
    *ret_len_bytes = len;
    return n;
}

/*
 * Take the @ready entries' frames into the gate.
 * Return: false when it took not all of them: the queue stopped or is blocked.
 */
static bool tx_take(CkptNic *s, unsigned ready)
{
    CkptNicQueue *q = &s->queue[CKPT_QUEUE_TX];
    size_t len_bytes;
    unsigned n;

    while (ready) {
        n = tx_gather(s, ready, &len_bytes);
        if (!n) {
            return false;
        }
        if (!ckpt_nic_hold(s, CKPT_HOLD_FRAME, s->frame, len_bytes)) {
            q->status |= CKPT_QUEUE_BLOCKED;
            return false;
        }
        q->cons += n;
        ready -= n;
    }
    return true;
}

/**
 * ckpt_nic_tx_scan: take all frames that are ready, in order
 * @s: the device
 */
void ckpt_nic_tx_scan(CkptNic *s)
{
    CkptNicQueue *q = &s->queue[CKPT_QUEUE_TX];
    bool all = true;
    int ready;

    if (s->scanning || q->status != CKPT_QUEUE_ENABLED) {
        return;
    }
    s->scanning = true;
    while (all && (ready = queue_ready(s, CKPT_QUEUE_TX)) > 0) {
        all = tx_take(s, ready);
        smp_wmb(); /* buffers are read before the guest may reuse them */
        if (!ring_store_cons(s, q)) {
            queue_fail(s, CKPT_QUEUE_TX, "ring outside RAM");
            break;
        }
        smp_mb(); /* cons before prod: see the head of this file */
    }
    s->scanning = false;
}

/**
 * ckpt_nic_tx_discard: forget all frames that are ready (R2)
 * @s: the device
 *
 * For the guest it is as if they had been taken.
 *
 * Return: descriptors that there were.
 */
uint32_t ckpt_nic_tx_discard(CkptNic *s)
{
    CkptNicQueue *q = &s->queue[CKPT_QUEUE_TX];
    int ready;

    if (!(q->status & CKPT_QUEUE_ENABLED)) {
        return 0;
    }
    ready = queue_ready(s, CKPT_QUEUE_TX);
    if (ready <= 0) {
        return 0;
    }
    q->cons += ready;
    if (!ring_store_cons(s, q)) {
        queue_fail(s, CKPT_QUEUE_TX, "ring outside RAM");
    }
    return ready;
}

/* --- RX ------------------------------------------------------------------ */

/**
 * ckpt_nic_rx_ready: has the guest posted a buffer?
 * @s: the device
 *
 * Return: true if so; else a KICK follows when it has.
 */
bool ckpt_nic_rx_ready(CkptNic *s)
{
    smp_mb(); /* an earlier store of cons before this load of prod */
    return s->queue[CKPT_QUEUE_RX].status == CKPT_QUEUE_ENABLED &&
           queue_ready(s, CKPT_QUEUE_RX) > 0;
}

/**
 * ckpt_nic_rx_write: put a frame into the next buffer, unseen by the guest yet
 * @s: the device; ckpt_nic_rx_ready() was true
 * @data: the frame
 * @len_bytes: its length
 *
 * Return: false when the queue stopped.
 */
bool ckpt_nic_rx_write(CkptNic *s, const void *data, size_t len_bytes)
{
    CkptNicQueue *q = &s->queue[CKPT_QUEUE_RX];
    struct ckpt_desc desc;

    if (!desc_load(s, q, q->cons, &desc)) {
        queue_fail(s, CKPT_QUEUE_RX, "ring outside RAM");
        return false;
    }
    if (desc.len_bytes < len_bytes) {
        queue_fail(s, CKPT_QUEUE_RX, "buffer smaller than a frame");
        return false;
    }
    if (!ckpt_nic_dma(s, desc.paddr, (void *)data, len_bytes, true)) {
        queue_fail(s, CKPT_QUEUE_RX, "buffer outside RAM");
        return false;
    }
    return true;
}

/**
 * ckpt_nic_rx_publish: give the guest what ckpt_nic_rx_write() wrote
 * @s: the device
 * @len_bytes: of the frame
 */
void ckpt_nic_rx_publish(CkptNic *s, size_t len_bytes)
{
    CkptNicQueue *q = &s->queue[CKPT_QUEUE_RX];
    struct ckpt_desc desc;

    if (!desc_load(s, q, q->cons, &desc)) {
        queue_fail(s, CKPT_QUEUE_RX, "ring outside RAM");
        return;
    }
    desc.paddr = cpu_to_le64(desc.paddr);
    desc.len_bytes = cpu_to_le32(len_bytes);
    desc.flags = cpu_to_le32(CKPT_DESC_DONE);
    if (!ckpt_nic_dma(s, desc_paddr(q, q->cons), &desc, sizeof(desc), true)) {
        queue_fail(s, CKPT_QUEUE_RX, "ring outside RAM");
        return;
    }
    q->cons++;
    smp_wmb(); /* frame and descriptor before cons; pairs with an acquire */
    if (!ring_store_cons(s, q)) {
        queue_fail(s, CKPT_QUEUE_RX, "ring outside RAM");
        return;
    }
    ckpt_nic_raise_rx(s);
}
