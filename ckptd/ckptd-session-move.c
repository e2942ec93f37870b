/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-session-move.c - QEMU's own migration, as a session sees it
 *
 * A guest that comes: HELLO says INCOMING, its RAM is written beside the store
 * (ckptd-arrival.c), ARRIVED puts it in its place.  Until then the session has
 * the store that was there, and afterwards the new one.
 *
 * A guest that goes: MOVE LEAVING is noted durably before it is answered, so
 * that from then on nobody here recovers the guest (ckptd-moved.c).
 */
#include <inttypes.h>
#include <string.h>

#include "ckptd/ckptd-session-internal.h"
#include "ckptd/ckptd-trace.h"

/* --- it comes ------------------------------------------------------------- */

/* May a guest come in, where another may be? */
static gboolean check_room(CkptdSession *s, const struct ckptd_moved *moved,
                           GError **error)
{
    if (s->config.socket_path) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "ckptd has started this guest, and moves it: `ckptctl "
                    "migrate`");
        return FALSE;
    }
    if (!moved->phase && s->stats.committed &&
        s->stats.committed != s->config.ended_epoch) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s is here, at epoch %" PRIu64 ": another one cannot come "
                    "in its place; `ckptctl rm` removes it",
                    s->config.manifest.name, s->stats.committed);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_session_arrival_begin() - a HELLO says that a guest is to come
 * @s: the session, with its store open
 * @error: set when none may
 *
 * Return: TRUE when its RAM can come.
 * Context: session thread.
 */
gboolean ckptd_session_arrival_begin(CkptdSession *s, GError **error)
{
    struct ckptd_moved moved;

    if (s->heard & CKPTD_HEARD_WELCOMED) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "a guest cannot come into a QEMU that has one");
        return FALSE;
    }
    ckptd_moved_load(s->config.moved_path, s->config.store_dir, &moved);
    if (!check_room(s, &moved, error)) {
        return FALSE;
    }
    s->arrival = ckptd_arrival_begin(ckptd_io_system(), s->config.store_dir,
                                     &s->stats.manifest, error);
    return s->arrival != NULL;
}

/**
 * ckptd_session_arrival_end() - the connection is over
 * @s: the session; what has come in is thrown away
 *
 * Context: session thread.
 */
void ckptd_session_arrival_end(CkptdSession *s)
{
    ckptd_arrival_free(g_steal_pointer(&s->arrival));
}

/* The arrival becomes the store, in a generation that nobody has had. */
static gboolean take_place(CkptdSession *s, const void *slot, GError **error)
{
    const struct ckpt_msg *msg = &s->packet.msg;
    uint64_t generation = ckptd_store_generation(s->store);
    CkptdStore *store;

    if (msg->generation > G_MAXINT64 || msg->epoch > G_MAXINT64) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "a guest that comes in generation %" PRIu64 ", epoch "
                    "%" PRIu64,
                    msg->generation, msg->epoch);
        return FALSE;
    }
    if (s->stats.committed && msg->generation <= generation) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "what comes in left generation %" PRIu64 ", and the guest "
                    "has gone on to %" PRIu64 " since",
                    msg->generation - 1, generation);
        return FALSE;
    }
    ckptd_session_lines_close_store(s); /* labels being written are of it */
    if (!ckptd_arrival_finish(s->arrival, slot, s->slot_bytes, msg->epoch,
                              msg->generation, error)) {
        return FALSE;
    }
    store = ckptd_store_open(s->config.store_dir, error);
    if (!store || !ckptd_moved_clear(s->config.moved_path, error)) {
        ckptd_store_close(store);
        return FALSE;
    }
    g_mutex_lock(&s->lock);
    s->store = store;
    g_mutex_unlock(&s->lock);
    return TRUE;
}

static void note_arrival(CkptdSession *s)
{
    const struct ckpt_msg *msg = &s->packet.msg;

    ckptd_session_arrival_end(s);
    s->heard |= CKPTD_HEARD_WELCOMED;
    s->hold_valid = TRUE;
    g_mutex_lock(&s->lock);
    s->config.ended_epoch = 0;
    s->stats.generation = msg->generation;
    s->stats.captured = s->stats.committed = msg->epoch;
    s->stats.epochs++;
    g_mutex_unlock(&s->lock);
    ckptd_trace("arrived", s->config.manifest.name, msg->generation, msg->epoch,
                "%s", "");
    ckptd_session_notify(s, CKPTD_SESSION_ARRIVED, msg->generation, NULL);
}

/**
 * ckptd_session_on_arriving() - EPOCH of a guest that is coming in
 * @s: the session, with an arrival and the packet
 * @conn_fd: where to answer
 * @error: set when the connection must end
 *
 * Return: FALSE then.
 * Context: session thread; writes to the disk.
 */
gboolean ckptd_session_on_arriving(CkptdSession *s, int conn_fd, GError **error)
{
    struct ckpt_msg reply = {
        .type = CKPT_MSG_STORED,
        .epoch = s->packet.msg.epoch,
        .generation = s->packet.msg.generation,
    };
    struct ckpt_epoch e;
    const void *slot;

    if (!ckptd_wire_check_epoch(&s->packet, &e, error)) {
        return FALSE;
    }
    slot = (char *)s->staging.addr + e.slot * s->slot_bytes;
    if (e.flags & CKPT_EPOCH_ARRIVING) {
        if (!ckptd_arrival_put(s->arrival, slot, s->slot_bytes, error)) {
            return FALSE;
        }
    } else if (e.flags & CKPT_EPOCH_ARRIVED) {
        if (!take_place(s, slot, error)) {
            return FALSE;
        }
        reply.type = CKPT_MSG_COMMITTED;
        note_arrival(s);
    } else {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "EPOCH %" PRIu64 " of a guest that has not arrived",
                    reply.epoch);
        return FALSE;
    }
    /* One that does not hear it is dead; its successor goes on from here. */
    ckptd_wire_send_wait(conn_fd, &reply, NULL, NULL, 0, NULL);
    return TRUE;
}

/* --- it goes -------------------------------------------------------------- */

/* What became of a guest that was sent is told of one that was. */
static gboolean move_is_due(CkptdSession *s, uint32_t phase, GError **error)
{
    struct ckptd_moved noted;

    if (phase == CKPT_MOVE_LEAVING || phase == CKPT_MOVE_STAYS) {
        return TRUE;
    }
    ckptd_moved_load(s->config.moved_path, s->config.store_dir, &noted);
    if (!noted.phase) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "MOVE with phase %u of a guest that was not leaving",
                    phase);
    }
    return noted.phase != 0;
}

/**
 * ckptd_session_on_move() - MOVE
 * @s: the session, with the packet
 * @conn_fd: where to answer
 * @error: set when the connection must end
 *
 * Return: FALSE then.
 * Context: session thread; writes to the disk.
 */
gboolean ckptd_session_on_move(CkptdSession *s, int conn_fd, GError **error)
{
    struct ckptd_moved moved = {
        .generation = s->packet.msg.generation,
        .epoch = s->packet.msg.epoch,
    };
    struct ckpt_msg reply = {
        .type = CKPT_MSG_MOVE_OK,
        .epoch = moved.epoch,
        .generation = moved.generation,
    };
    struct ckpt_move move;
    gboolean ok;

    if (!ckptd_wire_check_move(&s->packet, &move, error)) {
        return FALSE;
    }
    if (s->pass || s->config.socket_path || s->arrival) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "MOVE of a guest that cannot move");
        return FALSE;
    }
    if (!move_is_due(s, move.phase, error)) {
        return FALSE;
    }
    moved.phase = move.phase;
    ckptd_trace("move", s->config.manifest.name, moved.generation, moved.epoch,
                "phase=%u", moved.phase);
    ok = move.phase == CKPT_MOVE_STAYS
             ? ckptd_moved_clear(s->config.moved_path, error)
             : ckptd_moved_save(s->config.moved_path, &moved, error);
    if (ok) {
        ckptd_session_notify(s, CKPTD_SESSION_MOVE, move.phase, NULL);
    }
    if (ok && move.phase == CKPT_MOVE_LEAVING) {
        ckptd_wire_send_wait(conn_fd, &reply, NULL, NULL, 0, NULL);
    }
    return ok;
}
