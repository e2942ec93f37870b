/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-gate.c - hold the guest's output until its checkpoint is durable
 *
 * Whatever the guest says is withheld until the state in which it said it can
 * no longer be lost; then a crash looks like packet loss and nothing else.
 *
 * Theory of operation
 *
 *   G1  every record carries the epoch in which the guest made it
 *   G2  records leave in the order in which they were made
 *   G3  no record leaves before its epoch is durable, and none is dropped: a
 *       full hold refuses the next one and the guest waits
 *
 * Two rings lie in the memory shared with ckptd (abi/ckpt-hold.h).  Each is
 * a queue of records in which only byte counts move:
 *
 *   TX    cursor ... released up to here | committed | ... | head
 *         ckpt_gate_hold() appends at the head, ckpt_gate_commit() raises
 *         @committed, gate_pump() moves the cursor over records whose epoch is
 *         <= @committed (G3), one after the other (G2).
 *   RX    tail ... given to the guest ... | replay_pos ... not yet again | head
 *         ckpt_gate_journal() appends, ckpt_gate_commit() trims at the tail.
 *         Only after a restore is replay_pos behind the head.
 *
 * Because epochs never go backwards in the TX ring, the first record that may
 * not leave ends the search: nothing behind it may leave either.
 *
 *   R2  after a fork or a rollback no frame passes that is not from one of the
 *       new line's addresses, nor any that was made before the guest knew of
 *       it; such frames are dropped as if the wire had lost them
 *
 * A record is BUSY from the send() that said so to ckpt_gate_sent(); the cursor
 * stays before it.  A death between the netdev's taking it and the store of the
 * cursor doubles that one packet (R1), a death before loses none.
 *
 * What lies behind the cursor of the TX ring or behind the tail of the RX ring
 * outlives this process.  The successor adopts it: each record header is copied
 * and checked, once, before anything is done with it; the first that makes no
 * sense ends its ring.  From then on only this process writes the rings, so a
 * record found bad later is a broken invariant and not an input error.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/ckpt/ckpt-gate.h"
#include "ckpt-nic.h"
#include "ckpt-ring.h"
#include "trace.h"

#define GATE_HEADER_SPAN    4096u           /* room before the first ring */
#define GATE_OWN_BYTES      (1u << 20)      /* an open gate's own hold */
#define GATE_COUNT_MAX      (1ull << 62)    /* byte counts and sequences */

struct CkptGate {
    const CkptGateOps *ops;
    void *opaque;
    void *own_mem;          /* of a gate opened without a hold */
    bool ready;             /* the rings have memory */
    bool open;
    bool sealed;            /* nothing is offered any more */
    bool epoch_empty;
    bool busy;              /* send() said BUSY for the record at the cursor */
    bool pumping;
    bool tx_starved;        /* refused one since the last room() */
    bool rx_starved;
    uint64_t epoch;         /* 0 = none yet */
    uint64_t committed;
    uint64_t adopted;       /* @committed of the adoption */
    uint64_t replay_pos;    /* next journaled input to give again */
    uint64_t released;
    uint64_t full_count;
    uint64_t refused;
    const CkptIdentities *own;  /* the device's; NULL: anybody */
    bool hushed;
    CkptRing tx;
    CkptRing rx;
};

#define GATE_TX_KINDS   (1u << CKPT_HOLD_FRAME | 1u << CKPT_HOLD_LOG | \
                         1u << CKPT_HOLD_EXIT)
#define GATE_RX_KINDS   (1u << CKPT_HOLD_FRAME | 1u << CKPT_HOLD_MBOX)

/* --- life ---------------------------------------------------------------- */

/**
 * ckpt_gate_new: a gate without memory: it holds nothing and releases nothing
 * @ops: called under the big QEMU lock; kept, not copied
 * @opaque: first argument of each of them
 *
 * Return: the gate; ckpt_gate_free() ends it.
 */
CkptGate *ckpt_gate_new(const CkptGateOps *ops, void *opaque)
{
    CkptGate *gate = g_new0(CkptGate, 1);

    gate->ops = ops;
    gate->opaque = opaque;
    gate->epoch_empty = true;
    gate->tx.name = "output";
    gate->tx.kinds = GATE_TX_KINDS;
    gate->tx.ordered = true;
    gate->rx.name = "journal";
    gate->rx.kinds = GATE_RX_KINDS;
    return gate;
}

/**
 * ckpt_gate_free: end the gate; the hold stays as it is for a successor
 * @gate: or NULL
 */
void ckpt_gate_free(CkptGate *gate)
{
    if (gate) {
        g_free(gate->own_mem);
        g_free(gate);
    }
}

static void gate_attach(CkptGate *gate, struct ckpt_hold_header *shared,
                        const struct ckpt_hold_header *hdr)
{
    uint8_t *mem = (uint8_t *)shared;

    assert(!gate->busy && !gate->pumping);
    gate->tx.base = mem + hdr->tx_offset;
    gate->tx.size = hdr->tx_size;
    gate->tx.head = hdr->tx_head;
    gate->tx.tail = hdr->tx_cursor;
    gate->tx.seq = hdr->tx_seq;
    gate->tx.records = 0;
    gate->tx.shared_head = &shared->tx_head;
    gate->tx.shared_tail = &shared->tx_cursor;
    gate->tx.shared_seq = &shared->tx_seq;
    gate->rx.base = mem + hdr->rx_offset;
    gate->rx.size = hdr->rx_size;
    gate->rx.head = hdr->rx_head;
    gate->rx.tail = hdr->rx_tail;
    gate->rx.seq = hdr->rx_seq;
    gate->rx.records = 0;
    gate->rx.shared_head = &shared->rx_head;
    gate->rx.shared_tail = &shared->rx_tail;
    gate->rx.shared_seq = &shared->rx_seq;
    gate->open = false;
    gate->epoch_empty = true;
    gate->epoch = 0;
    gate->committed = 0;
    gate->adopted = 0;
    gate->replay_pos = hdr->rx_head;
    gate->ready = true;
}

/* Tell those who were refused, once, that it is worth another try. */
static void gate_room(CkptGate *gate, bool *starved)
{
    if (*starved) {
        *starved = false;
        gate->ops->room(gate->opaque);
    }
}

/**
 * ckpt_gate_format: lay a fresh hold out; the gate is shut
 * @gate: the gate
 * @mem: page aligned memory, the caller's, that outlives the gate's use
 * @bytes: its size
 * @errp: set where it is too small
 *
 * Return: true when the gate can hold records.
 */
bool ckpt_gate_format(CkptGate *gate, void *mem, size_t bytes, Error **errp)
{
    struct ckpt_hold_header hdr = { 0 };
    uint64_t ring;

    if (bytes < GATE_HEADER_SPAN + 2 * CKPT_HOLD_RING_MIN) {
        error_setg(errp, "hold of %zu bytes is too small: at least %u",
                   bytes, GATE_HEADER_SPAN + 2 * CKPT_HOLD_RING_MIN);
        return false;
    }
    ring = ROUND_DOWN((bytes - GATE_HEADER_SPAN) / 2, CKPT_HOLD_ALIGN);
    hdr.magic = CKPT_HOLD_MAGIC;
    hdr.version = CKPT_HOLD_VERSION;
    hdr.header_bytes = sizeof(hdr);
    hdr.tx_offset = GATE_HEADER_SPAN;
    hdr.tx_size = ring;
    hdr.rx_offset = GATE_HEADER_SPAN + ring;
    hdr.rx_size = ring;
    hdr.tx_seq = 1;
    hdr.rx_seq = 1;
    memcpy(mem, &hdr, sizeof(hdr));
    gate_attach(gate, mem, &hdr);
    gate_room(gate, &gate->tx_starved);
    gate_room(gate, &gate->rx_starved);
    return true;
}

/* --- adoption ------------------------------------------------------------ */

static bool ring_place_ok(uint64_t offset, uint64_t size, size_t bytes)
{
    return offset >= sizeof(struct ckpt_hold_header) && offset < bytes &&
           size >= CKPT_HOLD_RING_MIN && size <= bytes - offset &&
           offset % CKPT_HOLD_ALIGN == 0 && size % CKPT_HOLD_ALIGN == 0;
}

static bool ring_counts_ok(uint64_t tail, uint64_t head, uint64_t seq,
                           uint64_t size)
{
    return tail <= head && head <= GATE_COUNT_MAX && head - tail <= size &&
           seq <= GATE_COUNT_MAX && head % CKPT_HOLD_ALIGN == 0 &&
           tail % CKPT_HOLD_ALIGN == 0;
}

static bool header_ok(const struct ckpt_hold_header *hdr, size_t bytes,
                      Error **errp)
{
    if (hdr->magic != CKPT_HOLD_MAGIC ||
        hdr->version != CKPT_HOLD_VERSION ||
        hdr->header_bytes != sizeof(*hdr)) {
        error_setg(errp, "the hold is none, or of another version");
        return false;
    }
    if (!ring_place_ok(hdr->tx_offset, hdr->tx_size, bytes) ||
        !ring_place_ok(hdr->rx_offset, hdr->rx_size, bytes) ||
        (hdr->tx_offset < hdr->rx_offset + hdr->rx_size &&
         hdr->rx_offset < hdr->tx_offset + hdr->tx_size)) {
        error_setg(errp, "the hold's rings do not lie within its memory");
        return false;
    }
    if (!ring_counts_ok(hdr->tx_cursor, hdr->tx_head, hdr->tx_seq,
                        hdr->tx_size) ||
        !ring_counts_ok(hdr->rx_tail, hdr->rx_head, hdr->rx_seq,
                        hdr->rx_size)) {
        error_setg(errp, "the hold's counters make no sense");
        return false;
    }
    return true;
}

static bool gate_trim(CkptGate *gate);
static void replay_seek(CkptGate *gate, uint64_t pos);

/**
 * ckpt_gate_adopt: take over a predecessor's hold
 * @gate: the gate
 * @mem: the hold, writable
 * @bytes: its size
 * @committed: the epoch to whose end the guest was restored
 * @errp: set where the hold's header is damaged
 *
 * Output of later epochs is cut off: the guest will make it again, or other.
 * The journal's inputs of later epochs are what ckpt_gate_replay() shows.
 * Damaged records cost what lies behind them and are reported, no more.
 *
 * Return: true; false leaves @mem and the gate as they were.
 */
bool ckpt_gate_adopt(CkptGate *gate, void *mem, size_t bytes,
                     uint64_t committed, Error **errp)
{
    struct ckpt_hold_header hdr;

    if (bytes < sizeof(hdr) || committed > GATE_COUNT_MAX) {
        error_setg(errp, "the hold is cut off, or its epoch out of range");
        return false;
    }
    memcpy(&hdr, mem, sizeof(hdr));
    if (!header_ok(&hdr, bytes, errp)) {
        return false;
    }
    gate_attach(gate, mem, &hdr);
    ckpt_ring_adopt(&gate->tx, committed);
    ckpt_ring_adopt(&gate->rx, UINT64_MAX);
    gate->adopted = committed;
    gate->committed = committed;
    gate->epoch = committed + 1;
    gate->replay_pos = gate->rx.head;
    gate_trim(gate);
    replay_seek(gate, gate->rx.tail);
    trace_ckpt_gate_adopt(committed, gate->tx.records, gate->rx.records);
    gate_room(gate, &gate->tx_starved);
    gate_room(gate, &gate->rx_starved);
    return true;
}

/* --- output -------------------------------------------------------------- */

/*
 * Offer what may leave, oldest first.  Not reentered: a send() that makes the
 * guest say more, or sent() from within it, is seen by the running loop.
 */
static void gate_pump(CkptGate *gate)
{
    CkptRing *r = &gate->tx;
    struct ckpt_hold_record rec;
    uint64_t pos, next, before;
    int got;

    if (gate->pumping || !gate->ready) {
        return;
    }
    gate->pumping = true;
    before = r->tail;
    while (!gate->busy && !gate->sealed) {
        pos = r->tail;
        got = ckpt_ring_read(r, &pos, &rec, &next);
        assert(got >= 0);
        if (!got || (!gate->open && rec.epoch > gate->committed)) {
            break;
        }
        gate->busy = true;
        trace_ckpt_gate_offer(rec.epoch, rec.seq, rec.len_bytes);
        if (gate->ops->send(gate->opaque, &rec,
                            (uint8_t *)ckpt_ring_at(r, pos) + sizeof(rec)) ==
            CKPT_GATE_SENT) {
            ckpt_gate_sent(gate);
        }
    }
    gate->pumping = false;
    if (r->tail != before) {
        gate_room(gate, &gate->tx_starved);
    }
}

/**
 * ckpt_gate_sent: the record for which send() said BUSY has been taken
 * @gate: the gate
 *
 * The cursor moves on only here, so that a death on the way repeats the record
 * and does not lose it.
 */
void ckpt_gate_sent(CkptGate *gate)
{
    CkptRing *r = &gate->tx;
    struct ckpt_hold_record rec;
    uint64_t pos = r->tail;
    uint64_t next;
    int got;

    assert(gate->busy);
    got = ckpt_ring_read(r, &pos, &rec, &next);
    assert(got > 0);
    assert(gate->open || rec.epoch <= gate->committed); /* G3 */
    gate->busy = false;
    gate->released++;
    ckpt_ring_drop(r, next);
    trace_ckpt_gate_release(rec.epoch, rec.seq, rec.len_bytes);
    if (!gate->pumping) {
        gate_pump(gate);
        gate_room(gate, &gate->tx_starved);
    }
}

/**
 * ckpt_gate_unsent: the record for which send() said BUSY was thrown away
 * @gate: the gate
 *
 * It still lies in the hold and is offered again at once.
 */
void ckpt_gate_unsent(CkptGate *gate)
{
    assert(gate->busy && !gate->pumping);
    gate->busy = false;
    gate_pump(gate);
}

/**
 * ckpt_gate_holds: is there such a record that has not left yet?
 * @gate: the gate
 * @kind: of the record
 * @data: its payload
 * @len_bytes: of it
 *
 * Return: true if so.
 */
bool ckpt_gate_holds(const CkptGate *gate, enum ckpt_hold_kind kind,
                     const void *data, size_t len_bytes)
{
    const CkptRing *r = &gate->tx;
    struct ckpt_hold_record rec;
    uint64_t pos = r->tail;
    uint64_t next;

    while (gate->ready && ckpt_ring_read(r, &pos, &rec, &next) > 0) {
        if (rec.kind == kind && rec.len_bytes == len_bytes &&
            !memcmp((uint8_t *)ckpt_ring_at(r, pos) + sizeof(rec), data,
                    len_bytes)) {
            return true;
        }
        pos = next;
    }
    return false;
}

/**
 * ckpt_gate_set_identities: frames from these addresses only
 * @gate: the gate
 * @own: the set, which must live as long as the gate; NULL: any frame
 */
void ckpt_gate_set_identities(CkptGate *gate, const CkptIdentities *own)
{
    gate->own = own;
}

/**
 * ckpt_gate_hush: no frames at all, for the time being
 * @gate: the gate
 * @on: a new line begins, and the guest does not know; false: now it does
 */
void ckpt_gate_hush(CkptGate *gate, bool on)
{
    gate->hushed = on;
}

/* R2: is this frame one that the guest may not send? */
static bool gate_refuses(CkptGate *gate, const struct iovec *iov, unsigned niov)
{
    uint8_t head[CKPT_IDENTITY_HEAD];
    size_t len = 0;
    unsigned i;

    for (i = 0; i < niov && len < sizeof(head); i++) {
        size_t n = MIN(iov[i].iov_len, sizeof(head) - len);

        memcpy(head + len, iov[i].iov_base, n);
        len += n;
    }
    if (!gate->hushed &&
        (!gate->own || ckpt_identities_own(gate->own, head, len))) {
        return false;
    }
    gate->refused++;
    trace_ckpt_gate_refuse(gate->epoch, gate->hushed, gate->refused);
    return true;
}

/**
 * ckpt_gate_hold: hold one record of the current epoch (G1)
 * @gate: the gate
 * @kind: FRAME, LOG or EXIT
 * @iov: the payload's parts
 * @niov: their number
 * @len_bytes: their sum; the caller has checked it against the kind
 *
 * Return: true when it was taken, or dropped because the guest may not say it
 * (R2); false when the hold is full: nothing was taken, room() follows.
 */
bool ckpt_gate_hold(CkptGate *gate, enum ckpt_hold_kind kind,
                    const struct iovec *iov, unsigned niov, size_t len_bytes)
{
    CkptRing *r = &gate->tx;
    uint8_t *to;
    size_t done = 0;
    unsigned i;

    assert(ckpt_ring_kind_fits(r, kind, len_bytes));
    if (kind == CKPT_HOLD_FRAME && gate_refuses(gate, iov, niov)) {
        return true;
    }
    if (!gate->ready || !ckpt_ring_has_room(r, len_bytes)) {
        if (!gate->tx_starved) {
            trace_ckpt_gate_full(gate->epoch, r->head - r->tail);
            gate->full_count++;
        }
        gate->tx_starved = true;
        return false;
    }
    assert(gate->open || gate->epoch > gate->committed);
    to = ckpt_ring_reserve(r, kind, gate->epoch, len_bytes);
    for (i = 0; i < niov; i++) {
        assert(iov[i].iov_len <= len_bytes - done);
        memcpy(to + done, iov[i].iov_base, iov[i].iov_len);
        done += iov[i].iov_len;
    }
    assert(done == len_bytes);
    ckpt_ring_publish(r, len_bytes);
    trace_ckpt_gate_hold(gate->epoch, r->seq - 1, len_bytes, kind);

    if (gate->open) {
        gate_pump(gate);
    } else if (gate->epoch_empty) {
        gate->epoch_empty = false;
        gate->ops->first_held(gate->opaque);
    }
    return true;
}

/**
 * ckpt_gate_open: there are no checkpoints to wait for
 * @gate: the gate; one without a hold makes a small one of its own
 */
void ckpt_gate_open(CkptGate *gate)
{
    if (!gate->ready) {
        gate->own_mem = g_malloc0(GATE_OWN_BYTES);
        ckpt_gate_format(gate, gate->own_mem, GATE_OWN_BYTES, &error_abort);
    }
    gate->open = true;
    gate_pump(gate);
}

/* --- epochs -------------------------------------------------------------- */

/**
 * ckpt_gate_set_epoch: the epoch that new records are tagged with
 * @gate: the gate
 * @epoch: greater than any committed one; never going backwards
 */
void ckpt_gate_set_epoch(CkptGate *gate, uint64_t epoch)
{
    assert(epoch > gate->committed && epoch >= gate->epoch);
    gate->epoch = epoch;
    gate->epoch_empty = true;
}

/**
 * ckpt_gate_epoch: the epoch that is being executed
 * @gate: the gate
 *
 * Return: it, or 0 before the first.
 */
uint64_t ckpt_gate_epoch(const CkptGate *gate)
{
    return gate->epoch;
}

/**
 * ckpt_gate_epoch_empty: is nothing held in the current epoch?
 * @gate: the gate
 *
 * Return: true when a checkpoint would let no output go.
 */
bool ckpt_gate_epoch_empty(const CkptGate *gate)
{
    return gate->epoch_empty;
}

/**
 * ckpt_gate_advance: the checkpoint is being taken, at this instant (E2)
 * @gate: the gate
 *
 * An input that still waits to be given again belongs to the epoch in which
 * the guest will get it, so it may not be trimmed with the one that ends here.
 */
void ckpt_gate_advance(CkptGate *gate)
{
    CkptRing *r = &gate->rx;
    struct ckpt_hold_record rec;
    uint64_t pos = gate->replay_pos;
    uint64_t next;

    gate->epoch++;
    gate->epoch_empty = true;
    while (gate->ready && ckpt_ring_read(r, &pos, &rec, &next) > 0) {
        if (rec.epoch > gate->adopted && rec.epoch < gate->epoch) {
            ckpt_ring_set_record_epoch(r, pos, gate->epoch);
        }
        pos = next;
    }
}

/* Forget inputs that a durable checkpoint contains. Return: were there any? */
static bool gate_trim(CkptGate *gate)
{
    CkptRing *r = &gate->rx;
    struct ckpt_hold_record rec;
    uint64_t before = r->tail;
    uint64_t pos, next;
    int got;

    while (r->tail < gate->replay_pos) {
        pos = r->tail;
        got = ckpt_ring_read(r, &pos, &rec, &next);
        assert(got >= 0);
        if (!got || pos >= gate->replay_pos || rec.epoch > gate->committed) {
            break;
        }
        ckpt_ring_drop(r, next);
    }
    return r->tail != before;
}

/**
 * ckpt_gate_commit: the checkpoint of @epoch is durable, and all before it
 * @gate: the gate
 * @epoch: less than the epoch being executed; going backwards does nothing
 *
 * Releases what was held in those epochs, in order, and trims the journal.
 */
void ckpt_gate_commit(CkptGate *gate, uint64_t epoch)
{
    bool trimmed;

    assert(gate->open || epoch < gate->epoch);
    trace_ckpt_gate_commit(epoch, gate->tx.records, gate->rx.records);
    gate->committed = MAX(gate->committed, epoch);
    if (!gate->ready) {
        return;
    }
    trimmed = gate_trim(gate);
    gate_pump(gate);
    if (trimmed) {
        gate_room(gate, &gate->rx_starved);
    }
}

/**
 * ckpt_gate_seal: release nothing any more, whatever becomes durable
 * @gate: the gate
 *
 * What is held stays in the hold, where a successor finds it.
 */
void ckpt_gate_seal(CkptGate *gate)
{
    gate->sealed = true;
}

/**
 * ckpt_gate_unseal: release again
 * @gate: sealed, and nobody has taken what it holds
 */
void ckpt_gate_unseal(CkptGate *gate)
{
    gate->sealed = false;
    if (!gate->busy) {
        gate_pump(gate);
    }
}

/* --- input --------------------------------------------------------------- */

/**
 * ckpt_gate_journal_room: would the journal take an input now?
 * @gate: the gate
 * @len_bytes: of its payload
 *
 * None is taken while older ones wait to be replayed: the guest gets them in
 * their order.
 *
 * Return: true, or false and room() follows.
 */
bool ckpt_gate_journal_room(CkptGate *gate, size_t len_bytes)
{
    if (gate->open ||
        (gate->ready && gate->replay_pos == gate->rx.head &&
         ckpt_ring_has_room(&gate->rx, len_bytes))) {
        return true;
    }
    if (!gate->rx_starved) {
        gate->rx_starved = true;
        gate->full_count++;
    }
    return false;
}

/**
 * ckpt_gate_journal_high: is the journal more than half full?
 * @gate: the gate
 *
 * Only a checkpoint makes room in it, so it is time for one.
 *
 * Return: true if so.
 */
bool ckpt_gate_journal_high(const CkptGate *gate)
{
    return gate->rx.head - gate->rx.tail > gate->rx.size / 2;
}

/**
 * ckpt_gate_journal: remember an input that the guest is about to get
 * @gate: the gate
 * @kind: FRAME or MBOX
 * @data: the payload
 * @len_bytes: its length; the caller has checked it against the kind
 *
 * Return: false when there is no room: do not deliver, room() follows.
 */
bool ckpt_gate_journal(CkptGate *gate, enum ckpt_hold_kind kind,
                       const void *data, size_t len_bytes)
{
    CkptRing *r = &gate->rx;

    assert(ckpt_ring_kind_fits(r, kind, len_bytes));
    if (gate->open) {
        return true;
    }
    if (!ckpt_gate_journal_room(gate, len_bytes)) {
        return false;
    }
    memcpy(ckpt_ring_reserve(r, kind, gate->epoch, len_bytes), data, len_bytes);
    ckpt_ring_publish(r, len_bytes);
    gate->replay_pos = r->head;
    trace_ckpt_gate_journal(gate->epoch, r->seq - 1, len_bytes, kind);
    return true;
}

/*
 * The next input to give again is the first from @pos on that the restored
 * checkpoint does not contain.
 */
static void replay_seek(CkptGate *gate, uint64_t pos)
{
    CkptRing *r = &gate->rx;
    struct ckpt_hold_record rec;
    uint64_t next;
    int got;

    while ((got = ckpt_ring_read(r, &pos, &rec, &next)) > 0 &&
           rec.epoch <= gate->adopted) {
        pos = next;
    }
    assert(got >= 0);
    gate->replay_pos = pos;
}

/**
 * ckpt_gate_replay: show the next input that the guest gets again
 * @gate: the gate
 * @rec: its header
 * @data: its payload, valid until the next call of the gate
 *
 * Return: false when there is none (left).
 */
bool ckpt_gate_replay(CkptGate *gate, struct ckpt_hold_record *rec,
                      const void **data)
{
    CkptRing *r = &gate->rx;
    uint64_t pos = gate->replay_pos;
    uint64_t next;

    if (!gate->ready || ckpt_ring_read(r, &pos, rec, &next) <= 0) {
        return false;
    }
    *data = (uint8_t *)ckpt_ring_at(r, pos) + sizeof(*rec);
    return true;
}

/**
 * ckpt_gate_replayed: the guest has the input that ckpt_gate_replay() showed
 * @gate: the gate
 *
 * After the last one new inputs are taken again (room()).
 */
void ckpt_gate_replayed(CkptGate *gate)
{
    CkptRing *r = &gate->rx;
    struct ckpt_hold_record rec;
    uint64_t pos = gate->replay_pos;
    uint64_t next;
    int got;

    got = ckpt_ring_read(r, &pos, &rec, &next);
    assert(got > 0);
    ckpt_ring_set_record_epoch(r, pos, gate->epoch);
    trace_ckpt_gate_replay(gate->epoch, rec.seq, rec.len_bytes, rec.kind);
    replay_seek(gate, next);
    if (gate->replay_pos == r->head) {
        gate_room(gate, &gate->rx_starved);
    }
}

/* --- moving -------------------------------------------------------------- */

/**
 * ckpt_gate_pack: what a guest that moves takes along
 * @gate: sealed
 * @ret: filled in; the buffers are the caller's
 *
 * A record that is BUSY is part of it: it has not left.
 */
void ckpt_gate_pack(const CkptGate *gate, CkptGateCargo *ret)
{
    g_autoptr(GByteArray) tx = g_byte_array_new();
    g_autoptr(GByteArray) rx = g_byte_array_new();

    assert(gate->ready && gate->sealed);
    ckpt_ring_pack(&gate->tx, gate->tx.tail, tx);
    ckpt_ring_pack(&gate->rx, gate->replay_pos, rx);
    ret->tx_seq = gate->tx.seq;
    ret->rx_seq = gate->rx.seq;
    ret->tx_bytes = tx->len;
    ret->rx_bytes = rx->len;
    ret->tx = g_byte_array_free(g_steal_pointer(&tx), false);
    ret->rx = g_byte_array_free(g_steal_pointer(&rx), false);
}

/**
 * ckpt_gate_unpack: a guest arrives with what it had
 * @gate: freshly formatted, without an epoch
 * @cargo: from another host
 * @epoch: that the guest is in
 * @errp: what is wrong with it
 *
 * All output waits for the first commit here, whatever its epoch.  Inputs are
 * given when the guest runs, as after a restore.
 *
 * Return: false when it makes no sense; the gate is of no use then.
 */
bool ckpt_gate_unpack(CkptGate *gate, const CkptGateCargo *cargo,
                      uint64_t epoch, Error **errp)
{
    CkptRing *r = &gate->rx;
    struct ckpt_hold_record rec;
    uint64_t pos, next;

    if (!epoch || epoch > GATE_COUNT_MAX ||
        cargo->tx_seq > GATE_COUNT_MAX || cargo->rx_seq > GATE_COUNT_MAX) {
        error_setg(errp, "epoch %" PRIu64 " or a sequence number is out of "
                   "range", epoch);
        return false;
    }
    if (!ckpt_ring_unpack(&gate->tx, cargo->tx, cargo->tx_bytes,
                          cargo->tx_seq, epoch, errp) ||
        !ckpt_ring_unpack(r, cargo->rx, cargo->rx_bytes, cargo->rx_seq,
                          UINT64_MAX, errp)) {
        return false;
    }
    for (pos = r->tail; ckpt_ring_read(r, &pos, &rec, &next) > 0; pos = next) {
        ckpt_ring_set_record_epoch(r, pos, epoch);
    }
    gate->adopted = epoch - 1;
    gate->epoch = epoch;
    replay_seek(gate, r->tail);
    return true;
}

/**
 * ckpt_gate_stats: figures for people
 * @gate: the gate
 * @ret: filled
 */
void ckpt_gate_stats(const CkptGate *gate, CkptGateStats *ret)
{
    *ret = (CkptGateStats) {
        .held_bytes = gate->tx.head - gate->tx.tail,
        .held_records = gate->tx.records,
        .journal_bytes = gate->rx.head - gate->rx.tail,
        .released_records = gate->released,
        .full_count = gate->full_count,
        .refused_frames = gate->refused,
    };
}
