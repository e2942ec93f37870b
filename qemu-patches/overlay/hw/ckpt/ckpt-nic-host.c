/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-nic-host.c - ckpt-nic's way to the world: gate, netdev, engine, mailbox
 *
 * Output goes only one way: ckpt_nic_hold() -> gate -> on_send() -> netdev or
 * ckptd.  Input goes only one way: netdev or ckptd -> journal -> guest.  So the
 * gate sees everything that crosses the border, in its order.
 *
 * A frame that the netdev could not take lies in QEMU's queue of that netdev
 * while the gate waits for its completion.  A stop of the VM purges that queue
 * and completes with 0: the frame is still in the hold, and is offered again
 * from a bottom half, because the purge walks the queue it would be put into.
 * A netdev whose peer goes away drops the queue, as it does all frames from
 * then on: see link_is_coming().
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "system/runstate.h"
#include "ckpt-nic-internal.h"
#include "trace.h"

#define LINK_POLL_NS    (200 * SCALE_US)
#define LINK_WAIT_NS    (10 * NANOSECONDS_PER_SECOND)

/* --- output -------------------------------------------------------------- */

static void on_frame_done(NetClientState *nc, ssize_t ret)
{
    CkptNic *s = qemu_get_nic_opaque(nc);

    if (ret > 0) {
        ckpt_gate_sent(s->gate);
    } else {
        trace_ckpt_nic_purged();
        qemu_bh_schedule(s->resend_bh);
    }
}

static void resend(void *opaque)
{
    CkptNic *s = opaque;

    ckpt_gate_unsent(s->gate);
}

/*
 * A stream netdev is connected by a thread, also where its descriptor has long
 * been connected; until then it says that the link is down, and QEMU's network
 * layer drops what is sent.  Right after a restore that would be the very
 * frames that the hold kept for it.  Once the link was up, down means a pulled
 * cable, here as anywhere.
 */
static bool link_is_coming(CkptNic *s)
{
    NetClientState *peer = qemu_get_queue(s->nic)->peer;
    int64_t now_ns = get_clock();

    if (s->link_seen) {
        return false;
    }
    if (!s->link_deadline_ns) {
        s->link_deadline_ns = now_ns + LINK_WAIT_NS;
    }
    if (peer && peer->link_down && now_ns < s->link_deadline_ns) {
        timer_mod(&s->link_timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                                  LINK_POLL_NS);
        return true;
    }
    if (peer && peer->link_down) {
        warn_report("ckpt-nic: the netdev is still not connected; frames are "
                    "lost until it is");
    }
    s->link_seen = true;
    return false;
}

/*
 * QEMU's network layer carries nothing for a VM that is stopped.  What is
 * durable is owed to the world even so, and a peer that waits for it would give
 * up: it goes to the netdev past QEMU's queue and filters.  Not while the VM
 * moves, when what is held moves with it.
 */
static bool goes_directly(void)
{
    return runstate_check(RUN_STATE_PAUSED) || runstate_check(RUN_STATE_DEBUG);
}

static CkptGateSent send_directly(CkptNic *s, const void *data,
                                  size_t len_bytes)
{
    NetClientState *nc = qemu_get_queue(s->nic);

    if (nc->link_down || !nc->peer ||
        qemu_receive_packet(nc->peer, data, len_bytes)) {
        return CKPT_GATE_SENT;
    }
    timer_mod(&s->link_timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                              LINK_POLL_NS);
    return CKPT_GATE_BUSY;
}

static CkptGateSent send_frame(CkptNic *s, const void *data, size_t len_bytes)
{
    if (link_is_coming(s)) {
        return CKPT_GATE_BUSY;
    }
    if (goes_directly()) {
        return send_directly(s, data, len_bytes);
    }
    return qemu_send_packet_async(qemu_get_queue(s->nic), data, len_bytes,
                                  on_frame_done) ? CKPT_GATE_SENT
                                                 : CKPT_GATE_BUSY;
}

static CkptGateSent send_output(CkptNic *s, enum ckpt_output_kind kind,
                                const struct ckpt_hold_record *rec,
                                const void *data)
{
    uint32_t flags = ckpt_engine_active(s->engine) ? CKPT_OUTPUT_COMMITTED : 0;

    return ckpt_engine_output(s->engine, kind, flags, rec->epoch, rec->seq,
                              data, rec->len_bytes) ? CKPT_GATE_SENT
                                                    : CKPT_GATE_BUSY;
}

static CkptGateSent on_send(void *opaque, const struct ckpt_hold_record *rec,
                            const void *data)
{
    CkptNic *s = opaque;

    switch (rec->kind) {
    case CKPT_HOLD_FRAME:
        return send_frame(s, data, rec->len_bytes);
    case CKPT_HOLD_LOG:
        return send_output(s, CKPT_OUTPUT_LOG, rec, data);
    case CKPT_HOLD_EXIT:
        return send_output(s, ldl_le_p(data) & CKPT_EXIT_ENDING
                              ? CKPT_OUTPUT_ENDING : CKPT_OUTPUT_EXIT,
                           rec, data);
    default:
        g_assert_not_reached();
    }
}

static void on_first_held(void *opaque)
{
    CkptNic *s = opaque;

    ckpt_engine_request(s->engine, CKPT_CAUSE_FRAME);
}

/* Go on with what a full hold or journal had stopped. */
static void go_on(CkptNic *s)
{
    CkptNicQueue *tx = &s->queue[CKPT_QUEUE_TX];
    uint32_t causes = 0;

    if (tx->status & CKPT_QUEUE_BLOCKED) {
        tx->status &= ~CKPT_QUEUE_BLOCKED;
        ckpt_nic_tx_scan(s);
        causes |= tx->status & CKPT_QUEUE_BLOCKED ? 0 : CKPT_INT_TX;
    }
    if (s->exit_waits) { /* behind the frames (G2) */
        s->exit_waits = false;
        ckpt_nic_exit(s, s->exit_value);
    }
    if (s->buf_waits) {
        s->buf_waits = false;
        causes |= CKPT_INT_TX;
    }
    ckpt_nic_raise(s, causes);
    ckpt_nic_input(s);
}

static void on_room(void *opaque)
{
    /* The guest's memory is not touched while the VM is stopped. */
    if (runstate_is_running()) {
        go_on(opaque);
    }
}

static const CkptGateOps gate_ops = {
    .send = on_send,
    .first_held = on_first_held,
    .room = on_room,
};

/**
 * ckpt_nic_hold: give one piece of output to the gate
 * @s: the device
 * @kind: FRAME, LOG or EXIT
 * @data: the payload
 * @len_bytes: its length, checked by the caller
 *
 * Return: false when the gate is full; go_on() follows.
 */
bool ckpt_nic_hold(CkptNic *s, enum ckpt_hold_kind kind, const void *data,
                   size_t len_bytes)
{
    struct iovec iov = { .iov_base = (void *)data, .iov_len = len_bytes };

    return ckpt_gate_hold(s->gate, kind, &iov, 1, len_bytes);
}

/**
 * ckpt_nic_exit: the program has ended
 * @s: the device
 * @value: as written to CKPT_NIC_EXIT
 *
 * Said behind all frames that the guest had made ready; where the gate is full
 * it waits in the device, because a register write cannot be refused.  The end
 * takes the place of an announcement (CKPT_EXIT_ENDING) that waits.
 */
void ckpt_nic_exit(CkptNic *s, uint32_t value)
{
    uint32_t le = cpu_to_le32(value);

    if (s->exit_waits && !(s->exit_value & CKPT_EXIT_ENDING)) {
        return;
    }
    ckpt_nic_tx_scan(s);
    s->exit_value = value;
    s->exit_waits = (s->queue[CKPT_QUEUE_TX].status & CKPT_QUEUE_BLOCKED) ||
                    !ckpt_nic_hold(s, CKPT_HOLD_EXIT, &le, sizeof(le));
    s->exit_said |= !s->exit_waits && !(value & CKPT_EXIT_ENDING);
}

/*
 * A guest that has said EXIT only halts, and nobody restores it but where
 * nobody lived to note its end: ckptd and QEMU died with EXIT between them, and
 * perhaps the hold with them.  Then the end is said again, as output of the
 * epoch that runs now (G3).
 */
static void exit_again(CkptNic *s)
{
    uint32_t le = cpu_to_le32(s->exit_value);

    if (s->exit_lost) {
        s->exit_lost = false;
        s->exit_waits |= !ckpt_gate_holds(s->gate, CKPT_HOLD_EXIT, &le,
                                          sizeof(le));
    }
}

/**
 * ckpt_nic_panic: the guest's kernel gives up; shown at once, not held
 * @s: the device
 * @text: its report
 * @len_bytes: length of it
 */
void ckpt_nic_panic(CkptNic *s, const char *text, size_t len_bytes)
{
    ckpt_engine_output(s->engine, CKPT_OUTPUT_PANIC, 0,
                       ckpt_gate_epoch(s->gate), 0, text, len_bytes);
}

/* --- input --------------------------------------------------------------- */

static void mailbox_give(CkptNic *s, const struct ckpt_mbox *msg)
{
    assert(s->mailbox.count < CKPT_NIC_MAILBOX_MAX);
    s->mailbox.msg[s->mailbox.count++] = *msg;
    trace_ckpt_nic_mailbox(msg->kind, msg->seq, msg->len_bytes);
    ckpt_nic_raise(s, CKPT_INT_MAILBOX);
}

/**
 * ckpt_nic_mailbox_bytes: size of the oldest message
 * @s: the device
 *
 * Return: bytes, 0 when there is none.
 */
uint32_t ckpt_nic_mailbox_bytes(const CkptNic *s)
{
    return s->mailbox.count ? offsetof(struct ckpt_mbox, data) +
                              s->mailbox.msg[0].len_bytes : 0;
}

/**
 * ckpt_nic_mailbox_get: take the oldest message out
 * @s: the device
 * @ret_msg: filled
 *
 * Return: false when there is none.
 */
bool ckpt_nic_mailbox_get(CkptNic *s, struct ckpt_mbox *ret_msg)
{
    if (!s->mailbox.count) {
        return false;
    }
    *ret_msg = s->mailbox.msg[0];
    s->mailbox.count--;
    memmove(&s->mailbox.msg[0], &s->mailbox.msg[1],
            s->mailbox.count * sizeof(s->mailbox.msg[0]));
    ckpt_nic_mailbox_changed(s);
    return true;
}

/**
 * ckpt_nic_mailbox_changed: a message was taken out, or all were loaded
 * @s: the device
 *
 * Frames that the guest makes before it has heard who it is are not its own.
 */
void ckpt_nic_mailbox_changed(CkptNic *s)
{
    bool hush = false;
    uint32_t i;

    for (i = 0; i < s->mailbox.count; i++) {
        hush |= s->mailbox.msg[i].kind == CKPT_MBOX_IDENTITY;
    }
    ckpt_gate_hush(s->gate, hush);
}

/* Is there a message, unread, of a fork? */
static bool mailbox_says_fork(const CkptNic *s)
{
    struct ckpt_identity id;
    uint32_t i;

    for (i = 0; i < s->mailbox.count; i++) {
        memcpy(&id, s->mailbox.msg[i].data, sizeof(id));
        if (s->mailbox.msg[i].kind == CKPT_MBOX_IDENTITY &&
            id.why == CKPT_LINE_FORK) {
            return true;
        }
    }
    return false;
}

/*
 * CkptPort: another line of this guest begins (R2).  A guest that was forked
 * and, before it had heard of it, rolled back has the original's connections:
 * it may not reset them.
 */
static void port_new_line(void *opaque, const struct ckpt_identity *ids,
                          unsigned n)
{
    CkptNic *s = opaque;
    bool fork = mailbox_says_fork(s);
    unsigned i;

    trace_ckpt_nic_new_line(fork ? CKPT_LINE_FORK : ids[0].why, n,
                            ckpt_nic_tx_discard(s));
    ckpt_identities_set(&s->own, ids, n);
    s->mailbox.count = 0;
    for (i = 0; i < n; i++) {
        struct ckpt_identity id = ids[i];
        struct ckpt_mbox msg = {
            .kind = CKPT_MBOX_IDENTITY,
            .len_bytes = sizeof(id),
            .seq = ++s->mailbox_seq,
        };

        id.why = fork ? CKPT_LINE_FORK : id.why;
        memcpy(msg.data, &id, sizeof(id));
        mailbox_give(s, &msg);
    }
    ckpt_nic_mailbox_changed(s);
}

/*
 * CkptPort: a message from ckptd, ckptctl or a monitor.  The engine tries again
 * when it is refused.  GENERATION is not for the journal: the next restore says
 * it anew.
 */
static bool port_mailbox(void *opaque, const struct ckpt_mbox *msg)
{
    CkptNic *s = opaque;
    struct ckpt_mbox copy = *msg;

    assert(ckpt_mbox_ok(msg));      /* whoever brought it has checked it */
    copy.seq = s->mailbox_seq + 1;
    if (s->mailbox.count == CKPT_NIC_MAILBOX_MAX ||
        (msg->kind != CKPT_MBOX_GENERATION &&
         !ckpt_gate_journal(s->gate, CKPT_HOLD_MBOX, &copy, sizeof(copy)))) {
        return false;
    }
    s->mailbox_seq++;
    mailbox_give(s, &copy);
    return true;
}

/* `system_powerdown`: the program gets SIGTERM, as from `ckptctl stop`. */
static void on_powerdown(Notifier *notifier, void *unused)
{
    CkptNic *s = container_of(notifier, CkptNic, powerdown);
    struct ckpt_mbox msg = { .kind = CKPT_MBOX_SIGTERM };

    if (s->engine) {
        ckpt_engine_message(s->engine, &msg);
    } else if (!port_mailbox(s, &msg)) {
        warn_report("ckpt-nic: the guest reads no messages; SIGTERM is lost");
    }
}

/* CkptPort: an input of the journal, again. */
static bool port_deliver(void *opaque, const struct ckpt_hold_record *rec,
                         const void *data)
{
    CkptNic *s = opaque;
    struct ckpt_mbox msg;

    if (rec->kind == CKPT_HOLD_MBOX) {
        if (s->mailbox.count == CKPT_NIC_MAILBOX_MAX) {
            return false;
        }
        memcpy(&msg, data, sizeof(msg));
        if (ckpt_mbox_ok(&msg)) {
            s->mailbox_seq = MAX(s->mailbox_seq, msg.seq);
            mailbox_give(s, &msg);
        } else {
            warn_report("ckpt-nic: a message in the hold makes no sense (kind "
                        "%u, %u bytes); it is lost", msg.kind, msg.len_bytes);
        }
        ckpt_gate_replayed(s->gate);
        return true;
    }
    if (!ckpt_nic_rx_ready(s) ||
        !ckpt_nic_rx_write(s, data, rec->len_bytes)) {
        return false;
    }
    trace_ckpt_nic_rx(ckpt_gate_epoch(s->gate), rec->len_bytes);
    ckpt_nic_rx_publish(s, rec->len_bytes);
    ckpt_gate_replayed(s->gate); /* last: new frames may come in from here */
    return true;
}

static bool nic_can_receive(NetClientState *nc)
{
    CkptNic *s = qemu_get_nic_opaque(nc);

    if (!ckpt_gate_journal_room(s->gate, s->mtu + CKPT_FRAME_MIN)) {
        ckpt_engine_request(s->engine, CKPT_CAUSE_JOURNAL);
        return false;
    }
    return ckpt_nic_rx_ready(s);
}

static ssize_t nic_receive(NetClientState *nc, const uint8_t *buf, size_t size)
{
    CkptNic *s = qemu_get_nic_opaque(nc);

    if (!nic_can_receive(nc)) {
        return 0;
    }
    if (size < CKPT_FRAME_MIN || size > s->mtu + CKPT_FRAME_MIN) {
        trace_ckpt_nic_rx_drop(size);
        return size;
    }
    if (!ckpt_nic_rx_write(s, buf, size)) {
        return 0;
    }
    ckpt_gate_journal(s->gate, CKPT_HOLD_FRAME, buf, size);
    trace_ckpt_nic_rx(ckpt_gate_epoch(s->gate), size);
    ckpt_nic_rx_publish(s, size);
    if (ckpt_gate_journal_high(s->gate)) {
        ckpt_engine_request(s->engine, CKPT_CAUSE_JOURNAL);
    }
    return size;
}

/**
 * ckpt_nic_input: give the guest what waits for it
 * @s: the device
 *
 * First what a predecessor had journaled, then what waits in the netdev.
 */
void ckpt_nic_input(CkptNic *s)
{
    struct ckpt_hold_record rec;
    const void *data;

    while (ckpt_gate_replay(s->gate, &rec, &data)) {
        if (!port_deliver(s, &rec, data)) {
            return;
        }
    }
    qemu_flush_queued_packets(qemu_get_queue(s->nic));
}

/* --- commits ------------------------------------------------------------- */

/**
 * ckpt_nic_commit: a write to COMMIT
 * @s: the device
 * @flags: CKPT_COMMIT_*
 */
void ckpt_nic_commit(CkptNic *s, uint32_t flags)
{
    s->commit_epoch = 0;
    if (s->engine && ckpt_engine_active(s->engine)) {
        s->commit_epoch = flags & CKPT_COMMIT_NOW
                          ? ckpt_engine_request(s->engine, CKPT_CAUSE_COMMIT)
                          : ckpt_gate_epoch(s->gate);
    }
    if (s->commit_epoch && (flags & CKPT_COMMIT_NOTIFY)) {
        s->notify_epoch = s->commit_epoch;
    }
    trace_ckpt_nic_commit(s->commit_epoch, flags);
}

/* CkptPort: all epochs up to @epoch are durable. */
static void port_committed(void *opaque, uint64_t epoch)
{
    CkptNic *s = opaque;

    if (s->notify_epoch && s->notify_epoch <= epoch) {
        s->notify_epoch = 0;
        ckpt_nic_raise(s, CKPT_INT_COMMIT);
    }
}

/* CkptPort: the guest moves; on_frame_done() hears of each. */
static void port_take_back(void *opaque)
{
    CkptNic *s = opaque;

    qemu_purge_queued_packets(qemu_get_queue(s->nic));
}

/* CkptPort: what is at the netdev's other end does not move. */
static bool port_tied(void *opaque, Error **errp)
{
    CkptNic *s = opaque;
    NetClientState *peer = qemu_get_queue(s->nic)->peer;

    if (!peer || (peer->info->type != NET_CLIENT_DRIVER_USER &&
                  peer->info->type != NET_CLIENT_DRIVER_STREAM)) {
        return false;
    }
    error_setg(errp, "netdev '%s' (%s) is user-mode networking: the host "
               "sockets of the guest's connections stay behind; a guest on a "
               "TAP can move", peer->name,
               NetClientDriver_str(peer->info->type));
    return true;
}

/* CkptPort: an epoch is about to end. */
static void port_drain_tx(void *opaque)
{
    ckpt_nic_tx_scan(opaque);
}

/*
 * The VM starts, for the first time or after a stop or a restore.  A wait for
 * an epoch that the restored checkpoint contains is over at once.
 */
static void on_vm_change(void *opaque, bool running, RunState state)
{
    CkptNic *s = opaque;

    if (running) {
        if (s->engine) {
            port_committed(s, ckpt_engine_committed(s->engine));
        }
        exit_again(s);
        go_on(s);
    }
}

/* --- life ---------------------------------------------------------------- */

static NetClientInfo net_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .can_receive = nic_can_receive,
    .receive = nic_receive,
};

/**
 * ckpt_nic_host_realize: tie the device to netdev, gate and engine
 * @s: the device
 * @errp: set where the engine serves another device
 *
 * Return: true
 */
bool ckpt_nic_host_realize(CkptNic *s, Error **errp)
{
    DeviceState *dev = DEVICE(s);

    s->gate = ckpt_gate_new(&gate_ops, s);
    ckpt_gate_set_identities(s->gate, &s->own);
    s->engine = ckpt_engine_get();
    if (s->engine) {
        s->port = (CkptPort) {
            .gate = s->gate,
            .opaque = s,
            .drain_tx = port_drain_tx,
            .new_line = port_new_line,
            .deliver = port_deliver,
            .mailbox = port_mailbox,
            .committed = port_committed,
            .take_back = port_take_back,
            .tied = port_tied,
        };
        if (!ckpt_engine_register_port(s->engine, &s->port, errp)) {
            ckpt_gate_free(s->gate);
            return false;
        }
    } else {
        ckpt_gate_open(s->gate);
        info_report("ckpt-nic: " CKPT_OFF_TEXT " (no -object ckpt-engine)");
    }
    s->powerdown.notify = on_powerdown;
    qemu_register_powerdown_notifier(&s->powerdown);
    qemu_macaddr_default_if_unset(&s->conf.macaddr);
    s->nic = qemu_new_nic(&net_info, &s->conf, TYPE_CKPT_NIC, dev->id,
                          &dev->mem_reentrancy_guard, s);
    qemu_format_nic_info_str(qemu_get_queue(s->nic), s->conf.macaddr.a);
    timer_init_ns(&s->link_timer, QEMU_CLOCK_REALTIME, resend, s);
    s->resend_bh = qemu_bh_new_guarded(resend, s, &dev->mem_reentrancy_guard);
    s->vm_change = qemu_add_vm_change_state_handler(on_vm_change, s);
    return true;
}
