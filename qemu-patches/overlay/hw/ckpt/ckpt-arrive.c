/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-arrive.c - QEMU's own migration brings the guest
 *
 * Theory of operation
 *
 * While RAM comes in, what has come is handed to ckptd every few milliseconds,
 * as increments without device state (ARRIVING): the first holds all of RAM,
 * the next what migration wrote since (ckpt_dirty_arrived()).  They make no
 * checkpoint; they only see to it that little is left to write at the end.
 *
 * The end is when the vCPU is to run for the first time: migration does that
 * at once, or a monitor later (-S, libvirt).  Then, before any vCPU or device
 * hears of it (arrive_run() has the lowest priority):
 *
 *   the last increment and the device state are the checkpoint of the epoch
 *   that the guest was in when it left, of the generation behind (ARRIVED);
 *   it is waited for, and durable it is the guest's place (F1): here.
 *   Only then frames leave, and the vCPU runs.
 *
 * Whatever goes wrong before ends this QEMU, which therefore has never run the
 * guest, and ckptd throws away what came in.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "migration/global_state.h"
#include "system/runstate.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

#define ARRIVE_INTERVAL_MS  20
/* How long ckptd may take for what is left at the end. */
#define CLAIM_TIMEOUT_MS    60000

/* Hand over what has come in, if there is a slot for it. */
static void arrive_some(CkptEngine *e)
{
    CkptSlot *slot = ckpt_staging_find(&e->staging, CKPT_SLOT_FREE);

    if (!slot || !(e->full || ckpt_dirty_any(&e->ram))) {
        return;
    }
    slot->epoch = ++e->move.n_arriving;
    slot->msg = (struct ckpt_epoch) {
        .slot = slot->index,
        .flags = CKPT_EPOCH_ARRIVING | (e->full ? CKPT_EPOCH_FULL : 0),
        .cause = CKPT_CAUSE_ARRIVE,
        .trigger_ns = get_clock(),
    };
    ckpt_engine_fill_slot(e, slot, false, &error_abort);
    e->full = false;
    ckpt_staging_set_state(slot, CKPT_SLOT_CAPTURED);
    ckpt_engine_submit(e);
}

static void arrive_timer(void *opaque)
{
    CkptEngine *e = opaque;

    if (e->state == CKPT_STATE_ARRIVE) {
        arrive_some(e);
        timer_mod(e->move.arrive_timer,
                  get_clock() + ARRIVE_INTERVAL_MS * (int64_t)SCALE_MS);
    }
}

/**
 * ckpt_arrive_stored: ckptd has written an increment
 * @e: the engine
 * @epoch: its number
 */
void ckpt_arrive_stored(CkptEngine *e, uint64_t epoch)
{
    unsigned i;

    for (i = 0; i < CKPT_STAGING_SLOTS; i++) {
        CkptSlot *slot = &e->staging.slot[i];

        if (slot->state == CKPT_SLOT_SENT && slot->epoch == epoch &&
            (slot->msg.flags & CKPT_EPOCH_ARRIVING)) {
            ckpt_staging_set_state(slot, CKPT_SLOT_FREE);
        }
    }
}

static bool all_stored(const CkptEngine *e)
{
    unsigned i;

    for (i = 0; i < CKPT_STAGING_SLOTS; i++) {
        if (e->staging.slot[i].state != CKPT_SLOT_FREE) {
            return false;
        }
    }
    return true;
}

static bool is_durable(const CkptEngine *e)
{
    return e->committed == e->move.cargo.epoch;
}

/* The guest's checkpoint at its arrival.  Context: no vCPU has run. */
static bool capture(CkptEngine *e, Error **errp)
{
    const CkptCargo *cargo = &e->move.cargo;
    CkptSlot *slot = ckpt_staging_find(&e->staging, CKPT_SLOT_FREE);

    e->generation = cargo->generation + 1;
    ckpt_ram_hide_firmware(&e->ram);
    global_state_store_running();
    slot->epoch = cargo->epoch;
    slot->msg = (struct ckpt_epoch) {
        .slot = slot->index,
        .flags = CKPT_EPOCH_ARRIVED | (e->full ? CKPT_EPOCH_FULL : 0),
        .cause = CKPT_CAUSE_ARRIVE,
        .trigger_ns = get_clock(),
    };
    if (!ckpt_engine_fill_slot(e, slot, true, errp)) {
        return false;
    }
    ckpt_staging_set_state(slot, CKPT_SLOT_CAPTURED);
    ckpt_gate_advance(e->port->gate);   /* E2 */
    ckpt_engine_begin(e, cargo->epoch - 1, false);
    ckpt_engine_submit(e);
    return true;
}

static void give_messages(CkptEngine *e)
{
    const CkptCargo *cargo = &e->move.cargo;
    const struct ckpt_mbox *msg = (const struct ckpt_mbox *)cargo->messages;
    struct ckpt_mbox generation = { .kind = CKPT_MBOX_GENERATION };
    uint32_t i;

    ckpt_engine_message(e, &generation);
    for (i = 0; i < cargo->n_messages; i++) {
        ckpt_engine_message(e, &msg[i]);
    }
}

/* From its return on the guest is here. */
static bool claim(CkptEngine *e, Error **errp)
{
    const CkptCargo *cargo = &e->move.cargo;
    const struct ckpt_slot *head;
    int64_t begin_ns = get_clock();

    if (!e->move.received) {
        error_setg(errp, "what came in is no guest with checkpoints: its QEMU "
                   "has no ckpt-engine, or checkpoint=off");
        return false;
    }
    /* The answers to come are of another generation than what is said now. */
    if (!ckpt_client_wait_for(e, all_stored, CLAIM_TIMEOUT_MS, errp)) {
        return false;
    }
    head = (const struct ckpt_slot *)
        ckpt_staging_find(&e->staging, CKPT_SLOT_FREE)->base;
    if (!capture(e, errp) ||
        !ckpt_client_wait_for(e, is_durable, CLAIM_TIMEOUT_MS, errp)) {
        return false;
    }
    trace_ckpt_arrived(cargo->epoch, e->generation, head->n_pages,
                       get_clock() - begin_ns);
    info_report("ckpt: the guest is here: epoch %" PRIu64 ", generation %"
                PRIu64 "; %" PRIu64 " pages were left to write, first release "
                "after %" PRId64 " us", cargo->epoch, e->generation,
                head->n_pages, (get_clock() - begin_ns) / SCALE_US);
    return true;
}

static void arrive_run(void *opaque, bool running, RunState state)
{
    CkptEngine *e = opaque;
    Error *err = NULL;

    if (!running || e->state != CKPT_STATE_ARRIVE) {
        return;
    }
    if (!claim(e, &err)) {
        ckpt_output_bye(e, CKPT_BYE_ERROR, 0, error_get_pretty(err));
        error_reportf_err(err, "ckpt: the guest does not run here: ");
        exit(EXIT_FAILURE);
    }
    give_messages(e);
}

/**
 * ckpt_arrive_start: a guest is going to come in
 * @e: the engine, its gate formatted
 * @errp: why it cannot
 *
 * Return: false then.
 * Context: before the first byte of it is read.
 */
bool ckpt_arrive_start(CkptEngine *e, Error **errp)
{
    if (!ckpt_dirty_start(&e->ram, errp)) {
        return false;
    }
    e->full = true;
    ckpt_engine_set_state(e, CKPT_STATE_ARRIVE);
    qemu_add_vm_change_state_handler_prio(arrive_run, e, -1);
    e->move.arrive_timer = timer_new_ns(QEMU_CLOCK_REALTIME, arrive_timer, e);
    timer_mod(e->move.arrive_timer, get_clock());
    return true;
}
