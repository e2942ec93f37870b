/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-session-epoch.c - a guest's epochs: QEMU's messages in, commits out
 *
 * What an EPOCH costs is waking up, writing, answering:
 *
 *   EPOCH(n) -> checked -> ckptd_store_append() straight from the staging
 *   mapping, durable when it returns -> COMMITTED(n)                      (S2)
 *
 * What the gate has released for people, log bytes, the exit status, a panic's
 * report, comes as OUTPUT on the same connection, behind its COMMITTED.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>

#include "ckptd/ckptd-session-internal.h"
#include "ckptd/ckptd-trace.h"

static void count_epoch(CkptdSession *s, const struct ckpt_epoch *e,
                        uint64_t epoch, uint64_t n_pages, uint64_t now_ns)
{
    struct ckptd_session_stats *stats = &s->stats;
    uint64_t capture_ns = e->submit_ns - MIN(e->submit_ns, e->pause_ns);
    g_autofree char *label = NULL;
    gboolean wanted;

    g_mutex_lock(&s->lock);
    stats->committed = epoch;
    stats->epochs++;
    ckptd_histogram_add(&stats->pages, n_pages);
    ckptd_histogram_add(&stats->pause_ns, e->pause_ns);
    ckptd_histogram_add(&stats->wait_ns, e->wait_ns);
    ckptd_histogram_add(&stats->scan_ns, e->scan_ns);
    ckptd_histogram_add(&stats->copy_ns, e->copy_ns);
    ckptd_histogram_add(&stats->devstate_ns, e->devstate_ns);
    ckptd_histogram_add(&stats->commit_ns, now_ns - MIN(now_ns, e->submit_ns));
    wanted = s->want_capture_ns && capture_ns >= s->want_capture_ns;
    if (wanted) {
        s->want_capture_ns = 0;
        label = g_steal_pointer(&s->want_label);
    }
    g_mutex_unlock(&s->lock);
    if (label) {
        ckptd_session_lines_keep(s, label);
    }
    if (wanted) {
        ckptd_session_notify(s, CKPTD_SESSION_COMMITTED, epoch, NULL);
    }
}

/* One that stands still for a move was told to (FREEZE), and says so once. */
static gboolean refuse_last(CkptdSession *s, const struct ckpt_epoch *e,
                            GError **error)
{
    gboolean last = (e->flags & CKPT_EPOCH_LAST) != 0;
    gboolean freezing;

    g_mutex_lock(&s->lock);
    freezing = s->freezing;
    g_mutex_unlock(&s->lock);
    if ((last && !freezing) || (s->heard & CKPTD_HEARD_LAST)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "EPOCH %" PRIu64 " %s", s->packet.msg.epoch,
                    last && !freezing ? "is the last, and nobody asked for it"
                                      : "behind the last one");
        return TRUE;
    }
    s->heard |= last ? CKPTD_HEARD_LAST : 0;
    return FALSE;
}

static gboolean refuse_epoch(CkptdSession *s, const struct ckpt_epoch *e,
                             GError **error)
{
    if (s->pass) {
        g_set_error_literal(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                            "EPOCH from a guest without checkpoints");
        return TRUE;
    }
    if (s->packet.msg.epoch != ckptd_store_last_epoch(s->store) + 1) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "EPOCH %" PRIu64 " after %" PRIu64, s->packet.msg.epoch,
                    ckptd_store_last_epoch(s->store));
        return TRUE;
    }
    if (e->flags & (CKPT_EPOCH_ARRIVING | CKPT_EPOCH_ARRIVED)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "EPOCH %" PRIu64 " of a guest that comes, and is here",
                    s->packet.msg.epoch);
        return TRUE;
    }
    return refuse_last(s, e, error);
}

/* What QEMU wrote into a slot, for people: bounded, but not to be relied on. */
static uint64_t pages_in(CkptdSession *s, const struct ckpt_slot *slot)
{
    uint64_t n_pages = __atomic_load_n(&slot->n_pages, __ATOMIC_RELAXED);

    return MIN(n_pages, s->config.manifest.ram_bytes / CKPT_PAGE_BYTES);
}

static void trace_durable(CkptdSession *s, uint64_t log_bytes_before)
{
    struct ckptd_store_stats stats;

    if (ckptd_trace_on()) {
        ckptd_store_stats(s->store, &stats);
        ckptd_trace("durable", s->config.manifest.name, stats.generation,
                    stats.last_epoch, "bytes=%" PRIu64 " append_ns=%" PRIu64,
                    stats.log_bytes - log_bytes_before, stats.append_ns);
    }
}

/*
 * Tried until the disk takes it.  Return: FALSE without an error when the
 * connection ended before.
 */
static gboolean append(CkptdSession *s, int conn_fd, const char *slot,
                       GError **error)
{
    g_autoptr(GError) local = NULL;

    while (!ckptd_store_append(s->store, slot, s->slot_bytes, &local)) {
        if (!ckptd_session_disk_retry(s, conn_fd, g_steal_pointer(&local),
                                      error)) {
            return FALSE;
        }
    }
    ckptd_session_disk_well(s);
    return TRUE;
}

/* Checked, then on disk when it returns TRUE (S2). */
static gboolean write_epoch(CkptdSession *s, int conn_fd,
                            const struct ckpt_epoch *e, GError **error)
{
    const struct ckpt_msg *msg = &s->packet.msg;
    struct ckptd_store_stats stats = { 0 };
    const char *slot = (const char *)s->staging.addr + e->slot * s->slot_bytes;
    uint64_t last_epoch;

    if (ckptd_trace_on()) {
        ckptd_store_stats(s->store, &stats);
    }
    if (!append(s, conn_fd, slot, error)) {
        return FALSE;
    }
    last_epoch = ckptd_store_last_epoch(s->store);
    if (last_epoch != msg->epoch) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "EPOCH %" PRIu64 " with a slot of epoch %" PRIu64,
                    msg->epoch, last_epoch);
        return FALSE;
    }
    trace_durable(s, stats.log_bytes);
    return TRUE;
}

/* A guest that dirties faster than a move can follow waits for its output. */
static void throttle(CkptdSession *s)
{
    guint delay_us = g_atomic_int_get(&s->throttle_us);

    if (delay_us) {
        g_usleep(delay_us);
    }
}

/* Write one epoch, answer it. */
static gboolean on_epoch(CkptdSession *s, int conn_fd, GError **error)
{
    const char *guest = s->config.manifest.name;
    struct ckpt_msg reply = {
        .type = CKPT_MSG_COMMITTED,
        .epoch = s->packet.msg.epoch,
        .generation = s->packet.msg.generation,
    };
    g_autoptr(GError) local = NULL;
    struct ckpt_epoch e;
    uint64_t n_pages;

    if (!ckptd_wire_check_epoch(&s->packet, &e, error) ||
        refuse_epoch(s, &e, error)) {
        return FALSE;
    }
    g_mutex_lock(&s->lock);
    s->stats.captured = reply.epoch;
    g_mutex_unlock(&s->lock);
    n_pages = pages_in(s, (const struct ckpt_slot *)((char *)s->staging.addr +
                                                     e.slot * s->slot_bytes));
    ckptd_trace("received", guest, reply.generation, reply.epoch,
                "slot=%u cause=%u trigger_ns=%" PRIu64 " submit_ns=%" PRIu64
                " wait_ns=%u scan_ns=%u copy_ns=%u devstate_ns=%u pause_ns=%u"
                " pages=%" PRIu64,
                e.slot, e.cause, e.trigger_ns, e.submit_ns, e.wait_ns,
                e.scan_ns, e.copy_ns, e.devstate_ns, e.pause_ns, n_pages);
    if (!write_epoch(s, conn_fd, &e, error)) {
        return FALSE;
    }
    s->hold_valid = TRUE;
    throttle(s);
    if (!ckptd_wire_send_wait(conn_fd, &reply, NULL, NULL, 0, &local)) {
        /* It died, and what it had sent before is still worth having; or it
         * is stuck, and must come back by RECONNECT. */
        g_message("%s: %s", guest, local->message);
        shutdown(conn_fd, SHUT_RDWR);
    }
    ckptd_trace("committed", guest, reply.generation, reply.epoch, "%s", "");
    count_epoch(s, &e, reply.epoch, n_pages, ckptd_trace_now().monotonic_ns);
    if (e.cause == CKPT_CAUSE_RESET) {
        ckptd_session_notify(s, CKPTD_SESSION_RESET, 0, NULL);
    }
    if (e.flags & CKPT_EPOCH_LAST) {
        ckptd_session_notify(s, CKPTD_SESSION_FROZEN, reply.epoch, NULL);
    }
    return TRUE;
}

/* A released record must be of a committed epoch: anything else broke G3. */
static gboolean output_is_early(CkptdSession *s, const struct ckpt_output *o,
                                GError **error)
{
    if (s->pass || o->kind == CKPT_OUTPUT_PANIC) {
        return FALSE;
    }
    if (!(o->flags & CKPT_OUTPUT_COMMITTED) ||
        s->packet.msg.epoch > ckptd_store_last_epoch(s->store)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "OUTPUT of epoch %" PRIu64 ", which is not committed",
                    s->packet.msg.epoch);
        return TRUE;
    }
    return FALSE;
}

static gboolean keep_output(CkptdSession *s, const struct ckpt_output *o,
                            const uint8_t *data, size_t len_bytes,
                            GError **error)
{
    switch ((enum ckpt_output_kind)o->kind) {
    case CKPT_OUTPUT_LOG:
        return ckptd_output_log(s->output, o->seq, data, len_bytes, error);
    case CKPT_OUTPUT_EXIT:
    case CKPT_OUTPUT_ENDING:
        return ckptd_output_seen(s->output, o->seq, error);
    case CKPT_OUTPUT_PANIC:
        return ckptd_output_panic(s->output, data, len_bytes, error);
    }
    g_assert_not_reached();
}

/* What the owner of the session hears of it. */
static void tell_output(CkptdSession *s, const struct ckpt_output *o,
                        const uint8_t *data, size_t len_bytes)
{
    g_autofree char *text = NULL;
    uint32_t status;

    if (o->kind == CKPT_OUTPUT_EXIT) {
        memcpy(&status, data, sizeof(status));
        ckptd_session_notify(s, CKPTD_SESSION_EXIT, status, NULL);
    } else if (o->kind == CKPT_OUTPUT_ENDING) {
        ckptd_session_notify(s, CKPTD_SESSION_ENDING, 0, NULL);
    } else if (o->kind == CKPT_OUTPUT_PANIC) {
        text = g_utf8_make_valid((const char *)data, len_bytes);
        ckptd_session_notify(s, CKPTD_SESSION_PANIC, 0, text);
    }
}

static gboolean on_output(CkptdSession *s, int conn_fd, GError **error)
{
    g_autoptr(GError) local = NULL;
    struct ckpt_output o;
    const uint8_t *data;
    size_t len_bytes;

    if (!ckptd_wire_check_output(&s->packet, &o, &data, &len_bytes, error) ||
        output_is_early(s, &o, error)) {
        return FALSE;
    }
    ckptd_trace("output", s->config.manifest.name, s->packet.msg.generation,
                s->packet.msg.epoch, "kind=%u seq=%" PRIu64 " bytes=%zu",
                o.kind, o.seq, len_bytes);
    tell_output(s, &o, data, len_bytes);
    while (!keep_output(s, &o, data, len_bytes, &local)) {
        if (!ckptd_session_disk_retry(s, conn_fd, g_steal_pointer(&local),
                                      error)) {
            return FALSE;
        }
    }
    ckptd_session_disk_well(s);
    return TRUE;
}

static gboolean on_bye(CkptdSession *s, GError **error)
{
    g_autofree char *text = NULL;
    struct ckpt_bye bye;

    if (!ckptd_wire_check_bye(&s->packet, &bye, &text, error)) {
        return FALSE;
    }
    if (bye.reason == CKPT_BYE_EXIT) {
        ckptd_session_notify(s, CKPTD_SESSION_EXIT, bye.status, NULL);
    }
    ckptd_session_notify(s, CKPTD_SESSION_BYE, bye.reason, text);
    return TRUE;
}

/**
 * ckptd_session_forget_heard() - the QEMU that there was is dead
 * @s: the session
 *
 * Context: session thread.
 */
void ckptd_session_forget_heard(CkptdSession *s)
{
    s->heard = 0;
    g_mutex_lock(&s->lock);
    s->freezing = FALSE;
    g_mutex_unlock(&s->lock);
}

static gboolean unexpected(const struct ckpt_msg *msg, const char *why,
                           GError **error)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                "unexpected message %u (%s)%s", msg->type,
                ckptd_wire_type_name(msg->type), why);
    return FALSE;
}

/**
 * ckptd_session_on_message() - what QEMU says after its WELCOME
 * @s: the session; the message is its packet
 * @conn_fd: the connection
 * @error: set when the connection must end; its code says whose fault it is
 *
 * Return: TRUE when the connection goes on.
 * Context: session thread; an EPOCH writes the disk.
 */
gboolean ckptd_session_on_message(CkptdSession *s, int conn_fd, GError **error)
{
    const struct ckpt_msg *msg = &s->packet.msg;

    if (msg->generation != s->stats.generation && !s->arrival) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s of generation %" PRIu64 " in generation %" PRIu64,
                    ckptd_wire_type_name(msg->type), msg->generation,
                    s->stats.generation);
        return FALSE;
    }
    if (s->arrival && msg->type != CKPT_MSG_EPOCH &&
        msg->type != CKPT_MSG_BYE) {
        return unexpected(msg, " of a guest that has not arrived", error);
    }
    switch (msg->type) {
    case CKPT_MSG_MOVE:
        return ckptd_session_on_move(s, conn_fd, error);
    case CKPT_MSG_EPOCH:
        return s->arrival ? ckptd_session_on_arriving(s, conn_fd, error)
                          : on_epoch(s, conn_fd, error);
    case CKPT_MSG_OUTPUT:
        return on_output(s, conn_fd, error);
    case CKPT_MSG_NAME:
        return ckptd_session_lines_on_name(s, error);
    case CKPT_MSG_BYE:
        return on_bye(s, error);
    default:
        return unexpected(msg, "", error);
    }
}
