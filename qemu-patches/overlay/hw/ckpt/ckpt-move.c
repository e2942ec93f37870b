/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-move.c - QEMU's own migration takes the guest away
 *
 * Theory of operation
 *
 * Pre-copy changes nothing here: epochs are captured and committed, frames
 * leave.  The dirty log is shared (ckpt-dirty.c).  Then migration stops the
 * vCPU, sends the rest of RAM, and asks each device for its state; we have
 * registered last.  The engine's vmstate is the cargo: generation, epoch, what
 * the gate holds, what the guest has not been given yet.  Without it nobody can
 * run the guest with its gate (ckpt-arrive.c refuses), so it is the token:
 *
 *   before it is written   nobody else can run the guest.  A migration that
 *       fails or is cancelled goes on here as if nothing had been.
 *   cargo_pre_save()       the gate is sealed and nothing is captured any more;
 *       what lies in the netdev's queue is taken back; ckptd is told LEAVING
 *       and has noted durably that it must not recover the guest (MOVE_OK).
 *       Without its answer the migration fails.
 *   afterwards             somebody else may run it (F1).  Success and silence
 *       are the same to us: this QEMU never runs it again, `cont` or not, unless
 *       the destination itself says that it did not take it (migration's
 *       return path), or an operator does (STAY).
 *
 * A migration into a file is the same: the file holds the token, and whoever
 * loads it first has the guest.
 *
 *   M-1  away != HERE: the gate is sealed, and no epoch is captured.
 *   M-2  the cargo is written only after MOVE_OK.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "qapi/qapi-types-migration.h"
#include "migration/blocker.h"
#include "migration/migration.h"
#include "migration/misc.h"
#include "migration/options.h"
#include "migration/qemu-file.h"
#include "system/runstate.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

/* More than a hold can be: what a stream may make us allocate. */
#define CARGO_BYTES_MAX (1u << 30)
/* How long ckptd may take to note LEAVING; the guest stands still meanwhile. */
#define LEAVE_TIMEOUT_MS 5000

static const char *const ckpt_away_str[] = {
    [CKPT_AWAY_HERE] = "here",
    [CKPT_AWAY_LEFT] = "left",
    [CKPT_AWAY_AWAY] = "away",
};
QEMU_BUILD_BUG_ON(ARRAY_SIZE(ckpt_away_str) != CKPT_AWAY__MAX);

static const uint8_t ckpt_away_next[CKPT_AWAY__MAX] = {
    [CKPT_AWAY_HERE] = BIT(CKPT_AWAY_LEFT),
    [CKPT_AWAY_LEFT] = BIT(CKPT_AWAY_HERE) | BIT(CKPT_AWAY_AWAY),
    [CKPT_AWAY_AWAY] = BIT(CKPT_AWAY_HERE),
};

static void set_away(CkptEngine *e, enum ckpt_away next)
{
    assert(ckpt_away_next[e->move.away] & BIT(next));
    trace_ckpt_away(ckpt_gate_epoch(e->port->gate),
                    ckpt_away_str[e->move.away], ckpt_away_str[next]);
    e->move.away = next;
}

/* --- what ckptd is told -------------------------------------------------- */

/**
 * ckpt_move_flush: send what the socket did not take before
 * @e: the engine
 */
void ckpt_move_flush(CkptEngine *e)
{
    struct ckpt_move move = { .phase = e->move.said };
    struct ckpt_msg head = { .type = CKPT_MSG_MOVE };
    struct iovec iov = { .iov_base = &move, .iov_len = sizeof(move) };

    if (!e->move.say) {
        return;
    }
    head.epoch = ckpt_gate_epoch(e->port->gate);
    e->move.say = ckpt_client_send(e, &head, &iov, 1) != CKPT_SEND_DONE;
}

static void say(CkptEngine *e, enum ckpt_move_phase phase)
{
    e->move.said = phase;
    e->move.say = true;
    ckpt_move_flush(e);
}

/**
 * ckpt_move_say_again: ckptd is back and may not have heard the last
 * @e: the engine
 */
void ckpt_move_say_again(CkptEngine *e)
{
    e->move.say = e->move.said != 0;
    ckpt_move_flush(e);
}

/* --- leaving and staying ------------------------------------------------- */

static void unseal(CkptEngine *e)
{
    say(e, CKPT_MOVE_STAYS);
    e->ended = false;
    ckpt_gate_unseal(e->port->gate);
    ckpt_engine_go_on(e);
}

static void stay(CkptEngine *e)
{
    set_away(e, CKPT_AWAY_HERE);
    unseal(e);
}

static bool is_granted(const CkptEngine *e)
{
    return e->move.granted;
}

/* Is there nobody left to send it to?  Then it need not leave. */
static bool is_cut_off(Error **errp)
{
    MigrationState *s = migrate_get_current();

    if (migrate_has_error(s) || qemu_file_get_error(s->to_dst_file)) {
        error_setg(errp, "the connection to the destination is broken");
        return true;
    }
    return false;
}

/* Until this returns true, nobody else can run the guest. */
static bool leave(CkptEngine *e, Error **errp)
{
    if (is_cut_off(errp)) {
        return false;
    }
    ckpt_engine_seal(e);
    e->ended = true;
    e->move.granted = false;
    qatomic_set(&e->move.refused, false);
    say(e, CKPT_MOVE_LEAVING);
    if (!ckpt_client_wait_for(e, is_granted, LEAVE_TIMEOUT_MS, errp)) {
        unseal(e);
        return false;
    }
    set_away(e, CKPT_AWAY_LEFT);
    return true;
}

/* Migration has ended, and the token is out: whose is the guest? */
static void settle(CkptEngine *e, bool completed)
{
    if (!completed && qatomic_read(&e->move.refused)) {
        stay(e);
        return;
    }
    set_away(e, CKPT_AWAY_AWAY);
    ckpt_name_fail(e, "the guest has left for another QEMU");
    say(e, completed && migrate_return_path() ? CKPT_MOVE_MOVED
                                              : CKPT_MOVE_UNKNOWN);
}

/**
 * ckpt_move_refused: the destination says that it has not taken the guest
 *
 * Context: migration's return path thread, without the BQL.
 */
void ckpt_move_refused(void)
{
    CkptEngine *e = ckpt_engine_get();

    if (e) {
        qatomic_set(&e->move.refused, true);
    }
}

/**
 * ckpt_move_reclaim: an operator says that the guest runs nowhere else
 * @e: the engine
 *
 * Context: main loop, BQL.
 */
void ckpt_move_reclaim(CkptEngine *e)
{
    if (e->move.away == CKPT_AWAY_AWAY) {
        stay(e);
        vm_start();
    }
}

/*
 * A migration that failed starts the vCPU before it says so to anybody, and
 * `cont` does it where nobody asked us.
 */
static void on_vm_change(void *opaque, bool running, RunState state)
{
    CkptEngine *e = opaque;

    if (!running || e->move.away == CKPT_AWAY_HERE) {
        return;
    }
    if (e->move.away == CKPT_AWAY_LEFT) {
        settle(e, false);
    }
    if (e->move.away == CKPT_AWAY_AWAY) {
        error_report("ckpt: the guest was sent to another QEMU, and nothing "
                     "says that it does not run there: it stays stopped here; "
                     "`ckptctl reclaim %s` lets it go on", e->guest);
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_PAUSED);
    }
}

/* --- what goes and what does not ----------------------------------------- */

static bool can_leave(CkptEngine *e, Error **errp)
{
    static const struct {
        MigrationCapability capability;
        const char *why;
    } no[] = {
        { MIGRATION_CAPABILITY_POSTCOPY_RAM,
          "a guest whose memory is elsewhere cannot be checkpointed" },
        { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT,
          "it would be in two places" },
        { MIGRATION_CAPABILITY_X_COLO, "it does the same in another way" },
        { MIGRATION_CAPABILITY_MULTIFD,
          "the destination has to see each page come in" },
        { MIGRATION_CAPABILITY_MAPPED_RAM,
          "the destination has to see each page come in" },
        { MIGRATION_CAPABILITY_X_IGNORE_SHARED,
          "the destination has to see each page come in" },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(no); i++) {
        if (migrate_get_current()->capabilities[no[i].capability]) {
            error_setg(errp, "ckpt-engine: no migration with capability '%s': "
                       "%s", MigrationCapability_str(no[i].capability),
                       no[i].why);
            return false;
        }
    }
    if (e->move.away != CKPT_AWAY_HERE || e->ended) {
        error_setg(errp, "ckpt-engine: the guest has left this QEMU");
        return false;
    }
    if (e->full) {
        error_setg(errp, "ckpt-engine: the guest has no checkpoint yet; try "
                   "again when it has run for a moment");
        return false;
    }
    if (!ckpt_client_is_up(e)) {
        error_setg(errp, "ckpt-engine: ckptd is away; it must know when the "
                   "guest leaves");
        return false;
    }
    return true;
}

static int on_migration(NotifierWithReturn *n, MigrationEvent *event,
                        Error **errp)
{
    CkptEngine *e = container_of(n, CkptEngine, move.notifier);

    switch (event->type) {
    case MIG_EVENT_PRECOPY_SETUP:
        return !ckpt_engine_active(e) || can_leave(e, errp) ? 0 : -EBUSY;
    case MIG_EVENT_PRECOPY_DONE:
    case MIG_EVENT_PRECOPY_FAILED:
        if (e->move.away == CKPT_AWAY_LEFT) {
            settle(e, event->type == MIG_EVENT_PRECOPY_DONE);
        }
        return 0;
    default:
        return 0;
    }
}

static bool add_blockers(CkptEngine *e, bool launched, Error **errp)
{
    CkptMove *m = &e->move;

    error_setg(&m->cpr_blocker, "ckpt-engine: a QEMU that replaces itself "
               "would be one more: end it, and start it again");
    if (migrate_add_blocker_modes(&m->cpr_blocker, errp, MIG_MODE_CPR_REBOOT,
                                  MIG_MODE_CPR_TRANSFER, -1) < 0) {
        return false;
    }
    if (launched) {
        error_setg(&m->blocker, "ckpt-engine: ckptd has started this guest, "
                   "and moves it: `ckptctl migrate %s HOST`", e->guest);
    } else {
        e->port->tied(e->port->opaque, &m->blocker);
    }
    return !m->blocker || migrate_add_blocker_normal(&m->blocker, errp) == 0;
}

/* --- the vmstate --------------------------------------------------------- */

/* A checkpoint saves devices too, and is no move. */
static bool cargo_needed(void *opaque)
{
    CkptEngine *e = container_of(opaque, CkptEngine, move.cargo);

    return ckpt_engine_active(e) && e->state != CKPT_STATE_CAPTURE;
}

static void cargo_clear(CkptCargo *cargo)
{
    g_free(cargo->gate.tx);
    g_free(cargo->gate.rx);
    g_free(cargo->messages);
    memset(cargo, 0, sizeof(*cargo));
}

static void pack_messages(CkptEngine *e, CkptCargo *cargo)
{
    struct ckpt_mbox *to;
    GList *l;

    cargo->n_messages = g_queue_get_length(&e->mailbox);
    cargo->messages_bytes = cargo->n_messages * sizeof(*to);
    to = g_malloc(cargo->messages_bytes);
    cargo->messages = (uint8_t *)to;
    for (l = e->mailbox.head; l; l = l->next) {
        memcpy(to++, l->data, sizeof(*to));
    }
}

static int cargo_pre_save(void *opaque)
{
    CkptEngine *e = container_of(opaque, CkptEngine, move.cargo);
    CkptCargo *cargo = opaque;
    Error *err = NULL;

    if (!leave(e, &err)) {
        error_reportf_err(err, "ckpt: the guest cannot leave: ");
        return -EIO;
    }
    cargo->generation = e->generation;
    cargo->epoch = ckpt_gate_epoch(e->port->gate);
    ckpt_gate_pack(e->port->gate, &cargo->gate);
    pack_messages(e, cargo);
    trace_ckpt_cargo(cargo->epoch, cargo->generation, cargo->gate.tx_bytes,
                     cargo->gate.rx_bytes);
    return 0;
}

static int cargo_post_save(void *opaque)
{
    cargo_clear(opaque);
    return 0;
}

static int cargo_pre_load(void *opaque)
{
    CkptEngine *e = container_of(opaque, CkptEngine, move.cargo);

    cargo_clear(opaque);
    e->move.received = false;
    return e->state == CKPT_STATE_ARRIVE ? 0 : -EINVAL;
}

static bool messages_ok(const CkptCargo *cargo)
{
    const struct ckpt_mbox *msg = (const struct ckpt_mbox *)cargo->messages;
    uint32_t i;

    if (cargo->n_messages > CKPT_MESSAGES_MAX ||
        cargo->messages_bytes != cargo->n_messages * sizeof(*msg)) {
        return false;
    }
    for (i = 0; i < cargo->n_messages; i++) {
        if (!ckpt_mbox_ok(&msg[i])) {
            return false;
        }
    }
    return true;
}

static int cargo_post_load(void *opaque, int version_id)
{
    CkptEngine *e = container_of(opaque, CkptEngine, move.cargo);
    CkptCargo *cargo = opaque;
    Error *err = NULL;

    if (!cargo->generation || cargo->generation == UINT64_MAX ||
        !messages_ok(cargo)) {
        error_report("ckpt: what came in makes no sense: generation %" PRIu64
                     ", %u messages", cargo->generation, cargo->n_messages);
        return -EINVAL;
    }
    if (!ckpt_gate_format(e->port->gate, e->hold, e->hold_bytes, &err) ||
        !ckpt_gate_unpack(e->port->gate, &cargo->gate, cargo->epoch, &err)) {
        error_reportf_err(err, "ckpt: what came in makes no sense: ");
        return -EINVAL;
    }
    e->move.received = true;
    trace_ckpt_cargo(cargo->epoch, cargo->generation, cargo->gate.tx_bytes,
                     cargo->gate.rx_bytes);
    return 0;
}

static bool cargo_sizes_ok(void *opaque, int version_id)
{
    const CkptCargo *cargo = opaque;

    return cargo->gate.tx_bytes <= CARGO_BYTES_MAX &&
           cargo->gate.rx_bytes <= CARGO_BYTES_MAX &&
           cargo->messages_bytes <= CARGO_BYTES_MAX;
}

/* clang-format off */
static const VMStateDescription vmstate_cargo = {
    .name = TYPE_CKPT_ENGINE,
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = cargo_needed,
    .pre_save = cargo_pre_save,
    .post_save = cargo_post_save,
    .pre_load = cargo_pre_load,
    .post_load = cargo_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(generation, CkptCargo),
        VMSTATE_UINT64(epoch, CkptCargo),
        VMSTATE_UINT64(gate.tx_seq, CkptCargo),
        VMSTATE_UINT64(gate.rx_seq, CkptCargo),
        VMSTATE_UINT32(gate.tx_bytes, CkptCargo),
        VMSTATE_UINT32(gate.rx_bytes, CkptCargo),
        VMSTATE_UINT32(n_messages, CkptCargo),
        VMSTATE_UINT32(messages_bytes, CkptCargo),
        VMSTATE_VALIDATE("sizes in range", cargo_sizes_ok),
        VMSTATE_VBUFFER_ALLOC_UINT32(gate.tx, CkptCargo, 0, NULL,
                                     gate.tx_bytes),
        VMSTATE_VBUFFER_ALLOC_UINT32(gate.rx, CkptCargo, 0, NULL,
                                     gate.rx_bytes),
        VMSTATE_VBUFFER_ALLOC_UINT32(messages, CkptCargo, 0, NULL,
                                     messages_bytes),
        VMSTATE_END_OF_LIST()
    }
};
/* clang-format on */

/**
 * ckpt_move_init: say what may move, and be told when it does
 * @e: the engine, with a port, to be active
 * @launched: ckptd has started this QEMU
 * @errp: set where QEMU was told that nothing may block a migration
 *
 * Return: false then.
 * Context: the machine is built: our vmstate is registered, and saved, last.
 */
bool ckpt_move_init(CkptEngine *e, bool launched, Error **errp)
{
    if (!add_blockers(e, launched, errp)) {
        return false;
    }
    vmstate_register(NULL, 0, &vmstate_cargo, &e->move.cargo);
    migration_add_notifier(&e->move.notifier, on_migration);
    qemu_add_vm_change_state_handler(on_vm_change, e);
    return true;
}
