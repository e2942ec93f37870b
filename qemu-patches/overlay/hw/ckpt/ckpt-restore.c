/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-restore.c - first boot or recovery, as ckptd decides
 *
 * Called once from system/vl.c beside -loadvm: the machine is built and reset,
 * firmware and kernel are in RAM, the guest has not run (with -incoming it comes
 * from elsewhere: ckpt-arrive.c).  A first boot goes on
 * from there.  A recovery lays the checkpoint over it: base image and pages
 * over main RAM, then the state of vCPU and devices.  Because the machine was
 * reset as always, ROM data is kept and a later system_reset works; -incoming
 * would have thrown it away.
 *
 * What the last QEMU left in the hold comes after that, when the guest runs:
 * held output of durable epochs leaves, the guest is told of its new
 * generation (R1), and what had been delivered to it since is delivered again.
 *
 * A fork or a rollback (R2) has nothing of the last QEMU's.  The device learns
 * of it as soon as it is loaded, not when the guest runs: a checkpoint may be
 * taken before, and from that one the guest must learn of it as well.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "system/runstate.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

/* Number of descriptors that each answer brings. */
static const unsigned ckpt_action_fds[] = {
    [CKPT_ACTION_BOOT]    = 2,
    [CKPT_ACTION_RESTORE] = 3,
    [CKPT_ACTION_PASS]    = 0,
    [CKPT_ACTION_INCOMING] = 2,
};

static bool check_action(const CkptEngine *e, const CkptMessage *m,
                         Error **errp)
{
    const struct ckpt_welcome *w = m->payload;
    bool pass = w->action == CKPT_ACTION_PASS;
    bool restore = w->action == CKPT_ACTION_RESTORE;
    bool incoming = w->action == CKPT_ACTION_INCOMING;

    if (w->action >= ARRAY_SIZE(ckpt_action_fds) ||
        w->action == CKPT_ACTION_CONTINUE || !w->action ||
        m->n_fd != ckpt_action_fds[w->action] ||
        pass == e->checkpoint || (restore && !m->head.epoch) ||
        (!pass && incoming != runstate_check(RUN_STATE_INMIGRATE)) ||
        (!pass && (w->staging_slots != CKPT_STAGING_SLOTS ||
                   w->hold_bytes > SIZE_MAX))) {
        error_setg(errp, "ckptd's WELCOME makes no sense: action %u, epoch %"
                   PRIu64 ", %u descriptors, %u slots", w->action,
                   m->head.epoch, m->n_fd, w->staging_slots);
        return false;
    }
    return true;
}

static bool check_machine(const CkptEngine *e, Error **errp)
{
    const CpuTopology *smp = &current_machine->smp;

    if (!e->port) {
        error_setg(errp, "ckpt-engine needs a '-device ckpt-nic'");
        return false;
    }
    if (smp->max_cpus != 1) {
        error_setg(errp, "ckpt-engine can checkpoint one vCPU only: use "
                   "-smp 1");
        return false;
    }
    return true;
}

static bool map_hold(CkptEngine *e, uint64_t bytes, Error **errp)
{
    void *map;

    if (!ckpt_memfd_check(e->hold_fd, bytes, "hold", errp)) {
        return false;
    }
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, e->hold_fd, 0);
    if (map == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map ckptd's hold");
        return false;
    }
    e->hold = map;
    e->hold_bytes = bytes;
    return true;
}

/* RAM, then devices, as they were at the end of @epoch. */
static bool restore_machine(CkptEngine *e, const struct ckpt_welcome *w,
                            int base_fd, uint64_t epoch, Error **errp)
{
    CkptSlot *slot;
    struct ckpt_slot head;

    if (!ckpt_staging_read_slot(&e->staging, w->restore_slot, e->ram.n_pages,
                                &head, errp)) {
        return false;
    }
    if (head.epoch != epoch) {
        error_setg(errp, "ckptd's slot holds epoch %" PRIu64 ", not %" PRIu64,
                   head.epoch, epoch);
        return false;
    }
    slot = &e->staging.slot[w->restore_slot];
    ckpt_staging_set_state(slot, CKPT_SLOT_RESTORE);
    if (!ckpt_ram_map_base(&e->ram, base_fd, w->base_bytes, errp) ||
        !ckpt_ram_fill(&e->ram, slot->base, &head, errp)) {
        return false;
    }
    if ((w->flags & CKPT_WELCOME_HASH) &&
        ckpt_ram_hash(&e->ram) != w->ram_hash) {
        error_setg(errp, "RAM restored to epoch %" PRIu64 " has hash %016"
                   PRIx64 ", the checkpoint says %016" PRIx64, epoch,
                   ckpt_ram_hash(&e->ram), w->ram_hash);
        return false;
    }
    ckpt_ram_hide_firmware(&e->ram);
    if (!ckpt_dirty_start(&e->ram, errp)) {
        return false;
    }
    ckpt_ram_settle(&e->ram);
    return ckpt_devstate_load(slot->base + head.devstate_offset,
                              head.devstate_bytes, errp);
}

/* The guest runs: give it, and the world, what the last QEMU could not. */
static void restore_first_run(void *opaque, bool running, RunState state)
{
    CkptEngine *e = opaque;
    CkptGate *gate = e->port->gate;
    struct ckpt_mbox msg = { .kind = CKPT_MBOX_GENERATION };
    struct ckpt_hold_record rec;
    const void *data;

    if (!running) {
        return;
    }
    qemu_del_vm_change_state_handler(e->first_run);
    e->first_run = NULL;

    ckpt_engine_message(e, &msg);
    while (ckpt_gate_replay(gate, &rec, &data) &&
           e->port->deliver(e->port->opaque, &rec, data)) {
        trace_ckpt_replay(rec.epoch, rec.seq, rec.len_bytes);
    }
    ckpt_gate_commit(gate, e->committed);
}

/* Its epochs go on counting where those of a program that has ended stopped. */
static bool start_boot(CkptEngine *e, const struct ckpt_welcome *w,
                       uint64_t epoch, Error **errp)
{
    if (!ckpt_dirty_start(&e->ram, errp) ||
        !ckpt_gate_format(e->port->gate, e->hold, w->hold_bytes, errp)) {
        return false;
    }
    ckpt_gate_set_epoch(e->port->gate, epoch + 1);
    ckpt_engine_begin(e, epoch, true);
    return true;
}

/* @ids: the identities of a new line, w->n_identities of them. */
static bool start_restore(CkptEngine *e, const struct ckpt_welcome *w,
                          const struct ckpt_identity *ids, int base_fd,
                          uint64_t epoch, Error **errp)
{
    CkptGate *gate = e->port->gate;
    bool old = w->flags & CKPT_WELCOME_HOLD;

    if (!restore_machine(e, w, base_fd, epoch, errp)) {
        return false;
    }
    if (!(old ? ckpt_gate_adopt(gate, e->hold, w->hold_bytes, epoch, errp)
              : ckpt_gate_format(gate, e->hold, w->hold_bytes, errp))) {
        return false;
    }
    ckpt_gate_set_epoch(gate, epoch + 1);
    ckpt_engine_begin(e, epoch, false);
    if (w->flags & CKPT_WELCOME_NEW_LINE) {
        e->port->new_line(e->port->opaque, ids, w->n_identities);
        return true;
    }
    e->first_run = qemu_add_vm_change_state_handler(restore_first_run, e);
    return true;
}

static bool start_by_welcome(CkptEngine *e, CkptMessage *m, Error **errp)
{
    const void *ids = (const struct ckpt_welcome *)m->payload + 1;
    struct ckpt_welcome w;
    bool ok;

    memcpy(&w, m->payload, sizeof(w));
    trace_ckpt_start(w.action, m->head.epoch, m->head.generation);
    e->min_interval_us = w.min_interval_us;
    e->max_interval_ms = w.max_interval_ms;
    if (w.action == CKPT_ACTION_PASS) {
        info_report("ckpt-engine: " CKPT_OFF_TEXT " (checkpoint=off)");
        ckpt_gate_open(e->port->gate);
        ckpt_engine_set_state(e, CKPT_STATE_OFF);
        return true;
    }

    e->hold_fd = m->fd[0];
    if (!ckpt_ram_init(&e->ram, e->verify, errp) ||
        !ckpt_staging_map(&e->staging, m->fd[1], w.slot_bytes, e->ram.n_pages,
                          errp) ||
        !map_hold(e, w.hold_bytes, errp)) {
        return false;
    }
    ckpt_devstate_init(&e->devstate);
    if (!ckpt_move_init(e, w.flags & CKPT_WELCOME_LAUNCHED, errp)) {
        return false;
    }
    if (w.action == CKPT_ACTION_BOOT) {
        return start_boot(e, &w, m->head.epoch, errp);
    }
    if (w.action == CKPT_ACTION_INCOMING) {
        return ckpt_gate_format(e->port->gate, e->hold, w.hold_bytes, errp) &&
               ckpt_arrive_start(e, errp);
    }
    ok = start_restore(e, &w, ids, m->fd[2], m->head.epoch, errp);
    close(m->fd[2]);
    return ok;
}

/**
 * ckpt_restore_at_start: boot, or recover to the last durable checkpoint
 * @errp: why the guest cannot start; then QEMU ends
 *
 * Return: true also when there is no engine.
 * Context: main thread, BQL, once, after machine init and reset, before the
 * guest starts; waits for ckptd.
 */
bool ckpt_restore_at_start(Error **errp)
{
    CkptEngine *e = ckpt_engine_get();
    CkptMessage welcome;
    Error *err = NULL;
    uint32_t flags;

    if (!e) {
        return true;
    }
    if (!e->path) {
        info_report("ckpt-engine: " CKPT_OFF_TEXT " (no path=)");
        ckpt_engine_set_state(e, CKPT_STATE_OFF);
        if (e->port) {
            ckpt_gate_open(e->port->gate);
        }
        return true;
    }
    flags = !e->checkpoint ? CKPT_HELLO_NO_CHECKPOINT
            : runstate_check(RUN_STATE_INMIGRATE) ? CKPT_HELLO_INCOMING : 0;
    if (!check_machine(e, &err) ||
        !ckpt_client_hello(e, flags, &welcome, &err) ||
        !check_action(e, &welcome, &err) ||
        !start_by_welcome(e, &welcome, &err)) {
        ckpt_output_bye(e, CKPT_BYE_ERROR, 0, error_get_pretty(err));
        error_propagate(errp, err);
        return false;
    }
    ckpt_client_run(e);
    return true;
}
