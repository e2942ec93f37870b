/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-engine.c - takes checkpoints of the running guest
 *
 * Theory of operation
 *
 * Somebody asks for a checkpoint: the gate, because the first output of an
 * epoch is held; the guest, by COMMIT; a monitor or ckptd; a timer.  As soon
 * as a staging slot is free and the last one is min_interval ago, the capture
 * is queued on the vCPU's own thread, which costs one thread hand-off instead
 * of the several of a vm_stop().  It is not done in the handler of the guest's
 * doorbell: under KVM that instruction is not complete before the next entry.
 *
 * The capture (ckpt_engine_capture()) runs with the BQL, on the thread that
 * would run the guest, so that memory, vCPU and devices are of one instant
 * (E1): what is in the TX ring is taken into the gate, dirty pages are copied
 * to the slot, device state is saved behind them, and the gate goes to the
 * next epoch (E2).  EPOCH is sent from there; all else (encoding, checksums,
 * disk) is ckptd's.  COMMITTED(n) opens the gate up to n and frees the slot.
 *
 * A guest that is stopped (`stop`) gets no checkpoint that nobody asked for;
 * what is durable leaves even so.
 *
 * While ckptd is away the guest runs on until both slots are used and then
 * still, with the gate shut; what is captured is kept and sent again (G3, E3).
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "qapi/qapi-events-ckpt.h"
#include "hw/core/cpu.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

/* How long a message for the guest waits before it is tried again. */
#define MAILBOX_RETRY_MS    20
/* And a checkpoint, when the guest is in firmware. */
#define FIRMWARE_RETRY_MS   1

static const char *const ckpt_state_str[] = {
    [CKPT_STATE_START]   = "start",
    [CKPT_STATE_OFF]     = "off",
    [CKPT_STATE_ARRIVE]  = "arrive",
    [CKPT_STATE_RUN]     = "run",
    [CKPT_STATE_WAIT]    = "wait",
    [CKPT_STATE_PAUSE]   = "pause",
    [CKPT_STATE_CAPTURE] = "capture",
    [CKPT_STATE_END]     = "end",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(ckpt_state_str) != CKPT_STATE__MAX);

static const uint8_t ckpt_state_next[CKPT_STATE__MAX] = {
    [CKPT_STATE_START]   = BIT(CKPT_STATE_OFF) | BIT(CKPT_STATE_RUN) |
                           BIT(CKPT_STATE_ARRIVE) | BIT(CKPT_STATE_END),
    [CKPT_STATE_OFF]     = BIT(CKPT_STATE_END),
    [CKPT_STATE_ARRIVE]  = BIT(CKPT_STATE_RUN) | BIT(CKPT_STATE_END),
    [CKPT_STATE_RUN]     = BIT(CKPT_STATE_WAIT) | BIT(CKPT_STATE_END),
    [CKPT_STATE_WAIT]    = BIT(CKPT_STATE_PAUSE) | BIT(CKPT_STATE_END),
    [CKPT_STATE_PAUSE]   = BIT(CKPT_STATE_CAPTURE) | BIT(CKPT_STATE_WAIT) |
                           BIT(CKPT_STATE_END),
    [CKPT_STATE_CAPTURE] = BIT(CKPT_STATE_RUN) | BIT(CKPT_STATE_END),
};

/**
 * ckpt_engine_set_state: the only place where the state changes
 * @e: the engine
 * @next: a legal successor
 */
void ckpt_engine_set_state(CkptEngine *e, enum ckpt_state next)
{
    assert(ckpt_state_next[e->state] & BIT(next));
    trace_ckpt_state(e->port ? ckpt_gate_epoch(e->port->gate) : 0,
                     ckpt_state_str[e->state], ckpt_state_str[next]);
    e->state = next;
}

/**
 * ckpt_engine_state_name: for people
 * @e: the engine
 *
 * Return: static string.
 */
const char *ckpt_engine_state_name(const CkptEngine *e)
{
    return ckpt_state_str[e->state];
}

/**
 * ckpt_engine_register_port: the device makes itself known
 * @e: the engine
 * @port: the device's gate and calls; must live as long as @e
 * @errp: set when there is one already
 *
 * Return: false when the engine has a port already.
 * Context: BQL, at realize.
 */
bool ckpt_engine_register_port(CkptEngine *e, CkptPort *port, Error **errp)
{
    if (e->port) {
        error_setg(errp, "ckpt-engine serves one ckpt-nic only");
        return false;
    }
    e->port = port;
    return true;
}

/**
 * ckpt_engine_active: are checkpoints being taken?
 * @e: the engine or NULL
 *
 * Return: true between a successful start and the guest's end.
 */
bool ckpt_engine_active(const CkptEngine *e)
{
    return e && e->state != CKPT_STATE_START && e->state != CKPT_STATE_OFF &&
           e->state != CKPT_STATE_ARRIVE && e->state != CKPT_STATE_END;
}

/**
 * ckpt_engine_committed: the greatest epoch known to be durable
 * @e: the engine
 *
 * Return: the epoch, 0 = none.
 */
uint64_t ckpt_engine_committed(const CkptEngine *e)
{
    return e->committed;
}

/**
 * ckpt_engine_generation: fencing token of this run of the guest
 * @e: the engine
 *
 * Return: the generation as ckptd gave it.
 */
uint64_t ckpt_engine_generation(const CkptEngine *e)
{
    return e->generation;
}

/**
 * ckpt_engine_captured: the greatest epoch whose checkpoint has been taken
 * @e: the engine, active
 *
 * Return: the epoch before the one being executed.
 */
uint64_t ckpt_engine_captured(const CkptEngine *e)
{
    return ckpt_gate_epoch(e->port->gate) - 1;
}

/* --- requests ------------------------------------------------------------ */

static void ckpt_engine_capture(CPUState *cpu, run_on_cpu_data data);
static void ckpt_engine_mailbox_run(void *opaque);

/*
 * When the next capture is due.  One epoch after the other is written; a second
 * one that is captured long before its turn only waits, and so does all that
 * the guest sends meanwhile.  So it is captured when the first is nearly
 * durable: the disk goes on without a gap, and more replies share a write.
 */
static int64_t ckpt_engine_ready_ns(CkptEngine *e)
{
    int64_t ready_ns = e->start_ns + e->min_interval_us * (int64_t)SCALE_US;

    if (ckpt_staging_find(&e->staging, CKPT_SLOT_SENT)) {
        ready_ns = MAX(ready_ns, e->write_begin_ns + e->write_ns / 4 * 3);
    }
    return ready_ns;
}

/* What is stopped says nothing new: it gets a checkpoint if one is asked for. */
static bool ckpt_engine_may_capture(const CkptEngine *e)
{
    return !e->ended && (e->asked || runstate_is_running());
}

/* Queue the capture that is wanted, if nothing is in its way. */
static void ckpt_engine_try_start(CkptEngine *e)
{
    int64_t ready_ns = ckpt_engine_ready_ns(e);
    int64_t now_ns = get_clock();

    if (e->state != CKPT_STATE_WAIT || !ckpt_engine_may_capture(e) ||
        !ckpt_staging_find(&e->staging, CKPT_SLOT_FREE)) {
        return;
    }
    if (now_ns < ready_ns && !e->frozen) {
        timer_mod(e->start_timer, ready_ns);
        return;
    }
    e->start_ns = now_ns;
    ckpt_engine_set_state(e, CKPT_STATE_PAUSE);
    async_run_on_cpu(first_cpu, ckpt_engine_capture, RUN_ON_CPU_HOST_PTR(e));
}

static void ckpt_engine_start_timer(void *opaque)
{
    ckpt_engine_try_start(opaque);
}

/**
 * ckpt_engine_request: ask for a checkpoint
 * @e: the engine or NULL
 * @cause: why
 *
 * Return: the epoch that the checkpoint ends, 0 when none are taken.
 * Context: BQL; any thread; also from within the gate's calls.
 */
uint64_t ckpt_engine_request(CkptEngine *e, enum ckpt_cause cause)
{
    if (!ckpt_engine_active(e) || e->ended) {
        return 0;
    }
    e->asked |= cause == CKPT_CAUSE_QMP || cause == CKPT_CAUSE_FREEZE;
    if (e->state == CKPT_STATE_RUN) {
        e->cause = cause;
        e->trigger_ns = get_clock();
        ckpt_engine_set_state(e, CKPT_STATE_WAIT);
    }
    ckpt_engine_try_start(e);
    return ckpt_gate_epoch(e->port->gate);
}

/**
 * ckpt_engine_go_on: epochs are captured again
 * @e: the engine, active, @ended unset
 *
 * Context: BQL.
 */
void ckpt_engine_go_on(CkptEngine *e)
{
    if (e->state == CKPT_STATE_WAIT) {
        ckpt_engine_try_start(e);
    } else if (!ckpt_gate_epoch_empty(e->port->gate)) {
        ckpt_engine_request(e, CKPT_CAUSE_FRAME);
    }
}

/* An epoch with changed memory ends by max_interval; an idle guest's never. */
static void ckpt_engine_interval_timer(void *opaque)
{
    CkptEngine *e = opaque;

    if (!ckpt_engine_active(e)) {
        return;
    }
    if (e->state == CKPT_STATE_RUN && runstate_is_running() &&
        ckpt_dirty_any(&e->ram)) {
        ckpt_engine_request(e, CKPT_CAUSE_INTERVAL);
    }
    timer_mod(e->interval_timer,
              get_clock() + e->max_interval_ms * (int64_t)SCALE_MS);
}

/**
 * ckpt_engine_init_timers: make them; none runs yet
 * @e: the engine
 */
void ckpt_engine_init_timers(CkptEngine *e)
{
    e->start_timer = timer_new_ns(QEMU_CLOCK_REALTIME,
                                  ckpt_engine_start_timer, e);
    e->interval_timer = timer_new_ns(QEMU_CLOCK_REALTIME,
                                     ckpt_engine_interval_timer, e);
    e->mailbox_timer = timer_new_ns(QEMU_CLOCK_REALTIME,
                                    ckpt_engine_mailbox_run, e);
}

/* `cont`: what was wanted while the guest stood still is done now. */
static void ckpt_engine_vm_change(void *opaque, bool running, RunState state)
{
    if (running) {
        ckpt_engine_try_start(opaque);
    }
}

/*
 * A reset is a step of the guest like any other: the epochs go on counting, and
 * a crash before the next one is durable undoes it.  So that one comes soon.
 */
static void ckpt_engine_on_reset(void *opaque)
{
    ckpt_engine_request(opaque, CKPT_CAUSE_RESET);
}

/**
 * ckpt_engine_begin: the guest is about to run, take checkpoints from now on
 * @e: the engine, its gate at the first epoch to be executed
 * @committed: the epoch that RAM and devices are the end of, 0 = none
 * @full: the first checkpoint must hold all of RAM
 */
void ckpt_engine_begin(CkptEngine *e, uint64_t committed, bool full)
{
    e->committed = committed;
    e->full = full;
    ckpt_engine_set_state(e, CKPT_STATE_RUN);
    qemu_add_vm_change_state_handler(ckpt_engine_vm_change, e);
    qemu_register_reset(ckpt_engine_on_reset, e);
    if (e->max_interval_ms) {
        timer_mod(e->interval_timer,
                  get_clock() + e->max_interval_ms * (int64_t)SCALE_MS);
    }
}

/* --- capture ------------------------------------------------------------- */

static uint32_t span_ns(int64_t from_ns, int64_t to_ns)
{
    return MIN(MAX(to_ns - from_ns, 0), UINT32_MAX);
}

/**
 * ckpt_engine_fill_slot: a checkpoint of this instant, into a slot
 * @e: the engine
 * @slot: FREE, its epoch set; @slot->msg gets what each phase took
 * @whole: device state too, and verified; else RAM alone
 * @errp: why it cannot be done
 *
 * Return: false when it cannot.
 * Context: BQL; the vCPU does not run.
 */
bool ckpt_engine_fill_slot(CkptEngine *e, CkptSlot *slot, bool whole,
                           Error **errp)
{
    struct ckpt_slot *head = (struct ckpt_slot *)slot->base;
    struct ckpt_epoch *msg = &slot->msg;
    int64_t start_ns = get_clock(), scan_ns, copy_ns;
    uint64_t devstate_bytes = 0;

    memset(head, 0, sizeof(*head));
    head->magic = CKPT_SLOT_MAGIC;
    head->epoch = slot->epoch;
    head->generation = e->generation;

    ckpt_dirty_scan(&e->ram, e->full);
    scan_ns = get_clock();
    ckpt_ram_copy(&e->ram, &e->staging, head);
    copy_ns = get_clock();
    if (whole && !ckpt_devstate_save(&e->devstate,
                                     slot->base + e->staging.devstate_offset,
                                     CKPT_DEVSTATE_MAX, &devstate_bytes,
                                     errp)) {
        return false;
    }
    head->devstate_offset = e->staging.devstate_offset;
    head->devstate_bytes = devstate_bytes;

    msg->scan_ns = span_ns(start_ns, scan_ns);
    msg->copy_ns = span_ns(scan_ns, copy_ns);
    msg->devstate_ns = span_ns(copy_ns, get_clock());
    if (e->verify && whole) {
        ckpt_ram_verify(&e->ram, head);
        head->ram_hash = ckpt_ram_hash(&e->ram);
        msg->flags |= CKPT_EPOCH_HASH;
    } else if (e->verify) {
        ckpt_ram_shadow(&e->ram, head);
    }
    return true;
}

static void ckpt_engine_count(CkptEngine *e, const CkptSlot *slot)
{
    const struct ckpt_slot *head = (const struct ckpt_slot *)slot->base;

    e->stats.epochs++;
    e->stats.pages = head->n_pages;
    e->stats.bytes = head->n_data * CKPT_PAGE_BYTES + head->devstate_bytes;
    e->stats.last = slot->msg;
    trace_ckpt_capture(slot->epoch, slot->msg.cause, e->stats.pages,
                       e->stats.bytes, slot->msg.wait_ns, slot->msg.scan_ns,
                       slot->msg.copy_ns, slot->msg.devstate_ns,
                       slot->msg.pause_ns);
}

/* The checkpoint itself.  Context: vCPU thread, BQL. */
static void ckpt_engine_capture(CPUState *cpu, run_on_cpu_data data)
{
    CkptEngine *e = data.host_ptr;
    int64_t pause_ns = get_clock();
    Error *err = NULL;
    CkptSlot *slot;

    if (e->state != CKPT_STATE_PAUSE) {
        return;
    }
    if (!ckpt_engine_may_capture(e)) {
        ckpt_engine_set_state(e, CKPT_STATE_WAIT);
        return;
    }
    if (ckpt_ram_firmware_runs(&e->ram, cpu)) {
        ckpt_engine_set_state(e, CKPT_STATE_WAIT);
        timer_mod(e->start_timer, pause_ns + FIRMWARE_RETRY_MS * SCALE_MS);
        return;
    }
    ckpt_engine_set_state(e, CKPT_STATE_CAPTURE);
    slot = ckpt_staging_find(&e->staging, CKPT_SLOT_FREE);
    assert(slot);
    slot->epoch = ckpt_gate_epoch(e->port->gate);
    slot->msg = (struct ckpt_epoch) {
        .slot = slot->index,
        .flags = (e->full ? CKPT_EPOCH_FULL : 0) |
                 (e->frozen ? CKPT_EPOCH_LAST : 0),
        .cause = e->full ? CKPT_CAUSE_FIRST : e->cause,
        .wait_ns = span_ns(e->start_ns, pause_ns),
        .trigger_ns = e->trigger_ns,
    };

    ckpt_ram_replace_firmware(&e->ram);
    e->port->drain_tx(e->port->opaque);
    if (!ckpt_engine_fill_slot(e, slot, true, &err)) {
        ckpt_engine_fail(e, err);
        return;
    }
    ckpt_staging_set_state(slot, CKPT_SLOT_CAPTURED);
    ckpt_gate_advance(e->port->gate);   /* E2 */
    e->full = false;
    e->asked = false;
    ckpt_engine_set_state(e, CKPT_STATE_RUN);
    slot->msg.pause_ns = span_ns(pause_ns, get_clock());
    ckpt_engine_count(e, slot);
    ckpt_engine_submit(e);
    if (e->frozen) {
        e->ended = true;
        vm_stop(RUN_STATE_PAUSED);
    }
}

/**
 * ckpt_engine_submit: tell ckptd of what has been captured, oldest first
 * @e: the engine
 *
 * What the socket does not take now is sent when it can be.
 * Context: BQL; any thread.
 */
void ckpt_engine_submit(CkptEngine *e)
{
    CkptSlot *slot, *restored;

    if (!ckpt_client_is_up(e) || e->state == CKPT_STATE_END) {
        return;
    }
    while ((slot = ckpt_staging_find(&e->staging, CKPT_SLOT_CAPTURED))) {
        struct ckpt_msg head = {
            .type = CKPT_MSG_EPOCH,
            .epoch = slot->epoch,
        };
        struct iovec iov = {
            .iov_base = &slot->msg,
            .iov_len = sizeof(slot->msg),
        };

        slot->msg.submit_ns = get_clock();
        if (!ckpt_staging_find(&e->staging, CKPT_SLOT_SENT)) {
            e->write_begin_ns = slot->msg.submit_ns;
        }
        if (ckpt_client_send(e, &head, &iov, 1) != CKPT_SEND_DONE) {
            return;
        }
        ckpt_staging_set_state(slot, CKPT_SLOT_SENT);
        restored = ckpt_staging_find(&e->staging, CKPT_SLOT_RESTORE);
        if (restored) {
            ckpt_staging_set_state(restored, CKPT_SLOT_FREE);
        }
    }
}

/* --- what ckptd says ----------------------------------------------------- */

/**
 * ckpt_engine_is_durable: ckptd says that epochs up to @epoch are durable
 * @e: the engine
 * @epoch: by COMMITTED, or by WELCOME after a reconnect
 * @errp: set when that cannot be
 *
 * Return: false for an epoch that was never captured, or below one that was
 * said to be durable before.
 * Context: main loop, BQL.
 */
bool ckpt_engine_is_durable(CkptEngine *e, uint64_t epoch, Error **errp)
{
    int64_t now_ns = get_clock();
    unsigned i;

    if (epoch < e->committed || epoch > ckpt_engine_captured(e)) {
        error_setg(errp, "ckptd says that epoch %" PRIu64 " is durable; "
                   "%" PRIu64 " was before, and %" PRIu64 " is captured",
                   epoch, e->committed, ckpt_engine_captured(e));
        return false;
    }
    if (epoch == e->committed) {
        return true;
    }
    for (i = 0; i < CKPT_STAGING_SLOTS; i++) {
        CkptSlot *slot = &e->staging.slot[i];

        if ((slot->state == CKPT_SLOT_SENT ||
             slot->state == CKPT_SLOT_CAPTURED) && slot->epoch <= epoch) {
            e->stats.commit_ns = now_ns - slot->msg.trigger_ns;
            ckpt_staging_set_state(slot, CKPT_SLOT_FREE);
        }
    }
    e->committed = epoch;
    e->write_ns += (now_ns - e->write_begin_ns - e->write_ns) / 8;
    e->write_begin_ns = now_ns;
    trace_ckpt_committed(epoch, e->stats.commit_ns);
    ckpt_output_settle(e, epoch);
    ckpt_gate_commit(e->port->gate, epoch);
    e->port->committed(e->port->opaque, epoch);
    if (e->qmp_epoch && e->qmp_epoch <= epoch) {
        e->qmp_epoch = 0;
        qapi_event_send_ckpt_committed(epoch);
    }
    ckpt_name_run(e);
    ckpt_engine_try_start(e);
    return true;
}

/* Give the guest what waits for it, in order, as far as there is room. */
static void ckpt_engine_mailbox_run(void *opaque)
{
    CkptEngine *e = opaque;
    struct ckpt_mbox *msg;

    while ((msg = g_queue_peek_head(&e->mailbox))) {
        if (!e->port->mailbox(e->port->opaque, msg)) {
            timer_mod(e->mailbox_timer,
                      get_clock() + MAILBOX_RETRY_MS * (int64_t)SCALE_MS);
            return;
        }
        g_free(g_queue_pop_head(&e->mailbox));
    }
}

/**
 * ckpt_engine_message: a message for the guest
 * @e: the engine, with a port
 * @msg: the message, checked
 *
 * Context: main loop, BQL.
 */
void ckpt_engine_message(CkptEngine *e, const struct ckpt_mbox *msg)
{
    trace_ckpt_mailbox(msg->kind, msg->len_bytes);
    if (g_queue_get_length(&e->mailbox) >= CKPT_MESSAGES_MAX) {
        warn_report("ckpt: the guest reads no messages; one of kind %u is "
                    "lost", msg->kind);
        return;
    }
    g_queue_push_tail(&e->mailbox, g_memdup2(msg, sizeof(*msg)));
    ckpt_engine_mailbox_run(e);
}

/**
 * ckpt_engine_seal: nothing leaves this QEMU any more
 * @e: the engine
 *
 * What is on its way to the netdev or to ckptd, and not wholly taken, comes
 * back: it is held, and leaves from where the guest goes.
 *
 * Context: BQL, not from within the gate.
 */
void ckpt_engine_seal(CkptEngine *e)
{
    ckpt_gate_seal(e->port->gate);
    e->port->take_back(e->port->opaque);
    ckpt_output_take_back(e);
}

/**
 * ckpt_engine_freeze: the guest is about to move to another host
 * @e: the engine
 *
 * Nothing is released from now on, and what was offered and not yet taken is
 * taken back: so what is held at the end is exact.  One more checkpoint is
 * taken, and the vCPU does not run behind it.  There is no way back in this
 * QEMU: ckptd ends it, and a move that is given up now is a recovery.
 *
 * Context: main loop, BQL.
 */
void ckpt_engine_freeze(CkptEngine *e)
{
    ckpt_engine_seal(e);
    e->frozen = true;
    ckpt_name_fail(e, "the guest moves away");
    if (ckpt_engine_request(e, CKPT_CAUSE_FREEZE)) {
        ckpt_engine_try_start(e);
    }
}

/**
 * ckpt_engine_fail: the engine cannot go on, and so the guest cannot
 * @e: the engine
 * @err: why; freed
 *
 * The gate stays shut, QEMU ends with status 1, ckptd is told.
 * Context: BQL; any thread.
 */
void ckpt_engine_fail(CkptEngine *e, Error *err)
{
    if (e->state != CKPT_STATE_END) {
        ckpt_engine_set_state(e, CKPT_STATE_END);
    }
    qapi_event_send_ckpt_failed(error_get_pretty(err));
    ckpt_output_bye(e, CKPT_BYE_ERROR, 0, error_get_pretty(err));
    error_reportf_err(err, "ckpt: ");
    vm_stop(RUN_STATE_INTERNAL_ERROR);
    qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_HOST_ERROR, 1);
}
