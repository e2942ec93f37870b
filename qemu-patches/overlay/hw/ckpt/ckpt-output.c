/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-output.c - log bytes, exit status, panic: on their way to ckptd
 *
 * The gate gives them to us when their epoch is durable, in order with the
 * frames, and one at a time: when the socket does not take a record, the gate
 * waits.  A panic report waits for nothing and is marked as such.
 *
 * What is in the socket is not yet ckptd's: if it dies, it dies with it.  So
 * each record is kept until an epoch that was sent behind it is durable, which
 * ckptd cannot have reached without having read the record; after a reconnect
 * those that are left are sent again, with the sequence numbers they had.
 *
 * The end of QEMU is told by BYE.  A QEMU that goes without one has crashed.
 * One that stays (-no-shutdown, as libvirt has it) says it again to a ckptd that
 * comes back and has forgotten.  If it is then reset, it would run a guest that
 * nobody checkpoints: it ends, and BYE says that the next one is to start.  That
 * too is first said, and waits for a ckptd to hear it.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "system/runstate-action.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

/* Exit status of QEMU for that of a program, without a ckptd to tell it to. */
static int process_status(uint32_t exit_value)
{
    int low = exit_value & 0xff;

    return exit_value & CKPT_EXIT_SIGNALLED ? 128 + low : low;
}

static uint32_t exit_value(const void *data, size_t len_bytes)
{
    uint32_t value;

    assert(len_bytes == sizeof(value));     /* our NIC's and gate's invariant */
    memcpy(&value, data, sizeof(value));
    return value;
}

static void output_alone(enum ckpt_output_kind kind, const void *data,
                         size_t len_bytes)
{
    switch (kind) {
    case CKPT_OUTPUT_EXIT:
        qemu_system_shutdown_request_with_code(
            SHUTDOWN_CAUSE_GUEST_SHUTDOWN,
            process_status(exit_value(data, len_bytes)));
        break;
    case CKPT_OUTPUT_PANIC:
        fwrite(data, 1, len_bytes, stderr);
        qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_GUEST_PANIC,
                                               CKPT_QEMU_STATUS_PANIC);
        break;
    case CKPT_OUTPUT_LOG:
        fwrite(data, 1, len_bytes, stderr);
        break;
    case CKPT_OUTPUT_ENDING:
        break;
    }
}

struct CkptOutputRecord {
    struct ckpt_msg head;
    struct ckpt_output out;
    uint64_t settled_by;        /* once sent: when this epoch is durable */
    size_t len_bytes;
    uint8_t data[];
};

static CkptSend send_output(CkptEngine *e, const struct ckpt_msg *head,
                            const struct ckpt_output *out, const void *data,
                            size_t len_bytes)
{
    struct iovec iov[] = {
        { .iov_base = (void *)out, .iov_len = sizeof(*out) },
        { .iov_base = (void *)data, .iov_len = len_bytes },
    };

    return ckpt_client_send(e, head, iov, ARRAY_SIZE(iov));
}

/* The guest has ended: no more epochs, tell ckptd, leave. */
static void output_end(CkptEngine *e, enum ckpt_output_kind kind,
                       const void *data, size_t len_bytes)
{
    if (e->state != CKPT_STATE_END) {
        ckpt_engine_set_state(e, CKPT_STATE_END);
    }
    if (kind == CKPT_OUTPUT_EXIT) {
        ckpt_output_bye(e, CKPT_BYE_EXIT, exit_value(data, len_bytes), NULL);
        qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_GUEST_SHUTDOWN,
                                               0);
    } else {
        ckpt_output_bye(e, CKPT_BYE_PANIC, 0, NULL);
        qemu_system_shutdown_request_with_code(SHUTDOWN_CAUSE_GUEST_PANIC,
                                               CKPT_QEMU_STATUS_PANIC);
    }
}

/* Send all that is due.  Return: false when some is left. */
static bool output_send_all(CkptEngine *e)
{
    struct CkptOutputRecord *r;

    while ((r = g_queue_peek_head(&e->outputs_due))) {
        if (send_output(e, &r->head, &r->out, r->data, r->len_bytes) !=
            CKPT_SEND_DONE) {
            return false;
        }
        g_queue_push_tail(&e->outputs_sent,
                          g_queue_pop_head(&e->outputs_due));
        r->settled_by = e->checkpoint ? ckpt_engine_captured(e) + 1 : 0;
        if (r->out.kind == CKPT_OUTPUT_EXIT && e->state != CKPT_STATE_END) {
            output_end(e, r->out.kind, r->data, r->len_bytes);
        }
    }
    if (!ckpt_engine_active(e)) {
        /* no epochs, so nothing would ever settle them */
        ckpt_output_settle(e, 0);
    }
    return true;
}

/**
 * ckpt_engine_output: an output record leaves
 * @e: the engine; NULL, or one without path=, stands for stderr
 * @kind: what it is
 * @flags: CKPT_OUTPUT_COMMITTED when its epoch is durable
 * @epoch: in which it was written
 * @seq: its number in the hold
 * @data: its bytes
 * @len_bytes: how many
 *
 * Return: true when it is gone; false when it is kept here until it can go,
 * which ckpt_gate_sent() will tell.
 * Context: BQL; any thread.
 */
bool ckpt_engine_output(CkptEngine *e, enum ckpt_output_kind kind,
                        uint32_t flags, uint64_t epoch, uint64_t seq,
                        const void *data, size_t len_bytes)
{
    struct ckpt_output out = { .kind = kind, .flags = flags, .seq = seq };
    struct ckpt_msg head = { .type = CKPT_MSG_OUTPUT, .epoch = epoch };
    struct CkptOutputRecord *record;

    if (!e || !e->path) {
        output_alone(kind, data, len_bytes);
        return true;
    }
    trace_ckpt_output(kind, epoch, seq, len_bytes);
    if (kind == CKPT_OUTPUT_PANIC) {
        if (send_output(e, &head, &out, data, len_bytes) != CKPT_SEND_DONE) {
            fwrite(data, 1, len_bytes, stderr);
        }
        output_end(e, kind, data, len_bytes);
        return true;
    }
    assert(!e->output_waits);
    record = g_malloc(sizeof(*record) + len_bytes);
    *record = (struct CkptOutputRecord) {
        .head = head,
        .out = out,
        .len_bytes = len_bytes,
    };
    memcpy(record->data, data, len_bytes);
    g_queue_push_tail(&e->outputs_due, record);
    e->output_waits = !output_send_all(e);
    return !e->output_waits;
}

static bool send_bye(CkptEngine *e)
{
    struct ckpt_msg head = {
        .type = CKPT_MSG_BYE,
        .epoch = e->committed,
    };
    size_t room = CKPT_MSG_MAX - sizeof(head) - sizeof(e->bye);
    struct iovec iov[] = {
        { .iov_base = &e->bye, .iov_len = sizeof(e->bye) },
        { .iov_base = e->bye_text,
          .iov_len = e->bye_text ? MIN(strlen(e->bye_text), room) : 0 },
    };

    return ckpt_client_send(e, &head, iov, ARRAY_SIZE(iov)) == CKPT_SEND_DONE;
}

/* Behind all output.  After a reset there is nothing to stay for. */
static void flush_bye(CkptEngine *e)
{
    if (!e->bye_due || !send_bye(e)) {
        return;
    }
    e->bye_due = false;
    if (e->bye.reason == CKPT_BYE_RESET) {
        shutdown_action = SHUTDOWN_ACTION_POWEROFF;
        qemu_system_shutdown_request(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

/**
 * ckpt_output_flush: send what the socket did not take before
 * @e: the engine
 *
 * Context: main loop, BQL, not from within the gate.
 */
void ckpt_output_flush(CkptEngine *e)
{
    if (!output_send_all(e)) {
        return;
    }
    if (e->output_waits) {
        e->output_waits = false;
        ckpt_gate_sent(e->port->gate);
    }
    flush_bye(e);
}

/**
 * ckpt_output_settle: ckptd has what was sent before an epoch
 * @e: the engine
 * @epoch: which is durable
 */
void ckpt_output_settle(CkptEngine *e, uint64_t epoch)
{
    struct CkptOutputRecord *record;

    while ((record = g_queue_peek_head(&e->outputs_sent)) &&
           record->settled_by <= epoch) {
        g_free(g_queue_pop_head(&e->outputs_sent));
    }
}

/**
 * ckpt_output_lost: the connection is lost, and perhaps what was in it
 * @e: the engine
 */
void ckpt_output_lost(CkptEngine *e)
{
    struct CkptOutputRecord *record;

    while ((record = g_queue_pop_tail(&e->outputs_sent))) {
        g_queue_push_head(&e->outputs_due, record);
    }
    e->bye_due = e->bye.reason != 0;
}

/**
 * ckpt_output_take_back: the guest moves, with the record that the gate offers
 * @e: the engine, its gate sealed
 *
 * The socket has not taken it, so it is still held; sent from here as well, it
 * would be doubled.
 *
 * Context: BQL, not from within the gate.
 */
void ckpt_output_take_back(CkptEngine *e)
{
    if (e->output_waits) {
        e->output_waits = false;
        g_free(g_queue_pop_tail(&e->outputs_due));
        ckpt_gate_unsent(e->port->gate);
    }
}

/**
 * ckpt_output_bye: say that this QEMU ends in good order
 * @e: the engine
 * @reason: why
 * @status: of the program (EXIT)
 * @text: of the error (ERROR), or NULL
 *
 * Only the first counts.
 */
void ckpt_output_bye(CkptEngine *e, enum ckpt_bye_reason reason,
                     uint32_t status, const char *text)
{
    if (e->bye.reason) {
        return;
    }
    e->bye = (struct ckpt_bye) { .reason = reason, .status = status };
    e->bye_text = g_strdup(text);
    e->bye_due = !send_bye(e) && !(ckpt_client_wait(e) && send_bye(e));
}

/* QEMU is about to end, whoever wanted it. */
static void output_shutdown(Notifier *n, void *data)
{
    CkptEngine *e = container_of(n, CkptEngine, shutdown);
    ShutdownCause cause = *(ShutdownCause *)data;
    static const char text[] = "the guest reset itself (triple fault?)\n";

    if (e->state == CKPT_STATE_START) {
        return;
    }
    if (cause == SHUTDOWN_CAUSE_GUEST_RESET && !e->bye.reason) {
        ckpt_engine_output(e, CKPT_OUTPUT_PANIC, 0, 0, 0, text,
                           sizeof(text) - 1);
    }
    if (e->state != CKPT_STATE_END) {
        ckpt_engine_set_state(e, CKPT_STATE_END);
    }
    ckpt_output_bye(e, CKPT_BYE_SHUTDOWN, 0, NULL);
}

/* A reset of what has ended; see the head of this file. */
static void output_reset(void *opaque)
{
    CkptEngine *e = opaque;

    if (!e->bye.reason) {
        return;
    }
    e->bye = (struct ckpt_bye) { .reason = CKPT_BYE_RESET };
    g_clear_pointer(&e->bye_text, g_free);
    e->bye_due = true;
    ckpt_output_flush(e);
}

/* Who resets a guest that has ended says `cont` next: nobody is there to take
 * its checkpoints. */
static void output_vm_change(void *opaque, bool running, RunState state)
{
    CkptEngine *e = opaque;

    if (running && e->bye_due && e->bye.reason == CKPT_BYE_RESET) {
        warn_report("ckpt: the guest was reset after its end; it is started "
                    "anew when ckptd is back");
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_PAUSED);
    }
}

/**
 * ckpt_output_init: listen for the end of QEMU
 * @e: the engine
 */
void ckpt_output_init(CkptEngine *e)
{
    e->shutdown.notify = output_shutdown;
    qemu_register_shutdown_notifier(&e->shutdown);
    qemu_register_reset(output_reset, e);
    qemu_add_vm_change_state_handler(output_vm_change, e);
}
