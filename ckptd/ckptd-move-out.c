/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-move-out.c - a guest on its way to another host: the side that gives
 *
 * Theory of operation
 *
 * The thread goes through enum ckptd_move_phase.  Until it freezes the guest it
 * only reads the store (ckptd-snapshot.c), and whatever goes wrong leaves the
 * guest as it was.  From the freeze on the guest stands still here, for good in
 * this QEMU; giving up is a recovery.  From GIVEN on (ckptd-ledger.c, H1) there
 * is no giving up: the other host is asked, again and again if need be, and its
 * answer, or an operator's, is what ends the move.
 *
 *   COPY    snapshot k+1 is made, then snapshot k let go of: no fold can come
 *           between them, so that the log has all that changed since k.  Each
 *           round ends with the other host's disk.  When little changed, or
 *           rounds do not get smaller any more, one more that does not: what
 *           changed since then is what the guest stands still for.
 *   FREEZE  FREEZE to QEMU, its last epoch, SIGKILL; its death (F1); then what
 *           it left: the pages of the last epochs, the hold, the log's end
 *   GIVEN   GIVE, TAKEN; what came in for the guest in between goes over too
 */
#include "ckptd/ckptd-move-out.h"

#include <string.h>

#include "ckptd/ckptd-main-call.h"
#include "ckptd/ckptd-trace.h"

#define ROUNDS_MAX       40u
#define SMALL_PAGES      512u /* are kept in memory there, and never synced */
#define THROTTLE_STEP_US 1000u
#define THROTTLE_MAX_US  20000u
#define BUSY_TRIES       600u
#define BUSY_WAIT_US     (50 * G_TIME_SPAN_MILLISECOND)

static const char *const phase_names[] = {
    [CKPTD_MOVE_CONNECT] = "connecting", [CKPTD_MOVE_OFFER] = "offered",
    [CKPTD_MOVE_COPY] = "copying",       [CKPTD_MOVE_FREEZE] = "frozen",
    [CKPTD_MOVE_GIVEN] = "given",        [CKPTD_MOVE_ENDED] = "ended",
};
G_STATIC_ASSERT(G_N_ELEMENTS(phase_names) == CKPTD_MOVE__MAX);

/**
 * ckptd_move_phase_name() - a phase for people and programs
 * @phase: any
 *
 * Return: a word.
 */
const char *ckptd_move_phase_name(enum ckptd_move_phase phase)
{
    return phase_names[phase];
}

/**
 * ckptd_move_out_set_phase() - the only place where the phase changes
 * @out:   the move
 * @phase: a later one; from FREEZE back to none
 *
 * Context: thread of the move.
 */
void ckptd_move_out_set_phase(CkptdMoveOut *out, enum ckptd_move_phase phase)
{
    g_mutex_lock(&out->lock);
    g_assert(phase >= out->progress.phase);
    out->progress.phase = phase;
    g_mutex_unlock(&out->lock);
    g_message("%s: move %s to %s: %s", ckptd_guest_spec(out->guest)->name,
              out->progress.id, out->progress.host, phase_names[phase]);
}

/**
 * ckptd_move_out_step() - say where it is
 * @out:  the move
 * @step: one word, PROTOCOL.md lists them
 */
void ckptd_move_out_step(CkptdMoveOut *out, const char *step)
{
    ckptd_trace_step(ckptd_guest_spec(out->guest)->name, step,
                     out->progress.id);
}

/* --- COPY ----------------------------------------------------------------- */

static CkptdSnapshot *snapshot_of(CkptdMoveOut *out, GError **error)
{
    return ckptd_guest_travel_snapshot(out->guest, error);
}

static uint64_t epoch_of(CkptdSnapshot *snapshot)
{
    struct ckptd_snapshot_info info;

    ckptd_snapshot_info(snapshot, &info);
    return info.epoch;
}

static void note_round(CkptdMoveOut *out, guint64 sent_before, gint64 start_us)
{
    guint64 sent = ckptd_ship_sent(&out->ship);
    gint64 us = g_get_monotonic_time() - start_us;

    g_mutex_lock(&out->lock);
    out->progress.rounds++;
    if (us > 0 && sent > sent_before) {
        out->progress.rate = (double)(sent - sent_before) * G_USEC_PER_SEC / us;
    }
    g_mutex_unlock(&out->lock);
}

static gboolean end_round(CkptdMoveOut *out, GError **error)
{
    return ckptd_link_send(out->link, CKPTD_PEER_ROUND, NULL, 0, error) &&
           ckptd_link_expect(out->link, CKPTD_PEER_DONE, NULL, error);
}

static gboolean first_round(CkptdMoveOut *out, CkptdSnapshot *snapshot,
                            GError **error)
{
    gint64 start_us = g_get_monotonic_time();

    if (!ckptd_ship_all(&out->ship, snapshot, error) ||
        !ckptd_ship_file(&out->ship, CKPTD_PEER_FILE_LOG, out->log_path,
                         &out->log_offset, error) ||
        !end_round(out, error)) {
        return FALSE;
    }
    note_round(out, 0, start_us);
    ckptd_move_out_step(out, "copied");
    return TRUE;
}

/* The guest makes more than goes over: hold its output back a little. */
static void slow_down(CkptdMoveOut *out, guint64 pages, guint64 pages_before)
{
    guint delay_us = out->progress.throttle_us;

    if (pages * 10 < pages_before * 7 || pages <= SMALL_PAGES) {
        return;
    }
    delay_us = MIN(delay_us + THROTTLE_STEP_US, THROTTLE_MAX_US);
    if (!out->progress.throttle_us) {
        g_message("%s: dirties memory faster than it goes over to %s: its "
                  "commits are slowed down",
                  ckptd_guest_spec(out->guest)->name, out->progress.host);
    }
    g_mutex_lock(&out->lock);
    out->progress.throttle_us = delay_us;
    g_mutex_unlock(&out->lock);
    ckptd_guest_travel_throttle(out->guest, delay_us);
}

/*
 * Rounds until little is left.  @snapshot is what went over already; it is
 * replaced by what goes over last.
 */
static gboolean copy(CkptdMoveOut *out, CkptdSnapshot **snapshot,
                     GError **error)
{
    guint64 before = G_MAXUINT64 / 10, pages;
    gboolean last = FALSE, ok;
    guint round;

    for (round = 1; !last; round++) {
        CkptdSnapshot *next = snapshot_of(out, error);
        guint64 sent = ckptd_ship_sent(&out->ship);
        gint64 start_us = g_get_monotonic_time();
        uint64_t since = epoch_of(*snapshot);

        if (!next) {
            return FALSE;
        }
        pages = ckptd_snapshot_count_changes(next, since);
        g_mutex_lock(&out->lock);
        out->progress.rest_pages = pages;
        g_mutex_unlock(&out->lock);
        last = pages <= SMALL_PAGES || round == ROUNDS_MAX;
        slow_down(out, pages, before);
        before = pages;
        ckptd_snapshot_free(*snapshot);
        *snapshot = next;
        ok = ckptd_ship_changes(&out->ship, next, since, last, error) &&
             (last || end_round(out, error));
        if (!ok) {
            return FALSE;
        }
        note_round(out, sent, start_us);
    }
    return TRUE;
}

/* --- FREEZE --------------------------------------------------------------- */

static gboolean freeze_in_main(gpointer opaque, GError **error)
{
    CkptdMoveOut *out = opaque;

    return ckptd_guest_travel_freeze(out->guest, error);
}

/* A guest that is just recovering cannot be frozen, but soon. */
static gboolean freeze(CkptdMoveOut *out, GError **error)
{
    g_autoptr(GError) local = NULL;
    guint i;

    for (i = 0; i < BUSY_TRIES; i++) {
        g_clear_error(&local);
        if (ckptd_main_call(freeze_in_main, out, out->cancellable, &local)) {
            return TRUE;
        }
        if (!g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_BUSY)) {
            break;
        }
        g_usleep(BUSY_WAIT_US);
    }
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/* Until the guest tells @event, or that it never will. */
static gboolean wait_for(CkptdMoveOut *out, enum ckptd_move_event event,
                         GError **error)
{
    gboolean ok;

    g_mutex_lock(&out->lock);
    while (!(out->events & (1u << event)) &&
           !(out->events & (1u << CKPTD_MOVE_LOST)) &&
           !g_cancellable_is_cancelled(out->cancellable)) {
        g_cond_wait(&out->cond, &out->lock);
    }
    ok = out->events & (1u << event);
    g_mutex_unlock(&out->lock);
    if (!ok && !g_cancellable_set_error_if_cancelled(out->cancellable, error)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "QEMU died before its last epoch was durable");
    }
    return ok;
}

static gboolean send_last(CkptdMoveOut *out, CkptdSnapshot *snapshot,
                          GError **error)
{
    struct ckptd_peer_last last = { 0 };
    g_autofree uint8_t *devstate = NULL;
    struct ckptd_snapshot_info info;
    gboolean ok;

    ckptd_snapshot_info(snapshot, &info);
    devstate = g_malloc(info.devstate_bytes);
    if (!ckptd_snapshot_read_devstate(snapshot, devstate, error)) {
        return FALSE;
    }
    out->epoch = info.epoch;
    out->generation = info.generation;
    last.epoch = info.epoch;
    last.generation = info.generation;
    last.ram_hash = info.ram_hash;
    last.devstate =
        g_bytes_new_take(g_steal_pointer(&devstate), info.devstate_bytes);
    ok = ckptd_link_send_dict(out->link, CKPTD_PEER_LAST,
                              ckptd_peer_last_put(&last), error);
    ckptd_peer_last_clear(&last);
    return ok;
}

/* Of the guest's output; FALSE: not known, and some would come twice. */
static gboolean next_seq(CkptdMoveOut *out, uint64_t *ret_seq, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(out->seq_path);
    g_autofree char *name = g_path_get_basename(out->seq_path);
    g_autoptr(CkptdFile) file =
        ckptd_io_open(ckptd_io_system(), dir, name, 0, error);
    uint64_t seq = 0;
    size_t len;

    if (!file || !ckptd_io_read(file, &seq, sizeof(seq), 0, &len, error)) {
        return FALSE;
    }
    *ret_seq = len == sizeof(seq) ? seq : 0;
    return TRUE;
}

/* All that is left goes over, and is durable there. */
static gboolean send_rest(CkptdMoveOut *out, CkptdSnapshot *copied,
                          GError **error)
{
    g_autoptr(CkptdSnapshot) last = snapshot_of(out, error);
    uint64_t seq = 0;

    return last &&
           ckptd_ship_changes(&out->ship, last, epoch_of(copied), TRUE,
                              error) &&
           send_last(out, last, error) &&
           wait_for(out, CKPTD_MOVE_DEAD, error) &&
           ckptd_ship_file(&out->ship, CKPTD_PEER_FILE_LOG, out->log_path,
                           &out->log_offset, error) &&
           ckptd_ship_hold(&out->ship, ckptd_guest_travel_hold(out->guest),
                           error) &&
           next_seq(out, &seq, error) &&
           ckptd_link_send_dict(
               out->link, CKPTD_PEER_SEAL,
               g_variant_new_parsed("{'next_seq': <%t>}", (guint64)seq),
               error) &&
           ckptd_link_expect(out->link, CKPTD_PEER_DONE, NULL, error);
}

/**
 * ckptd_move_out_stream() - all of the guest goes over; it stands still at the
 * end, and may still be had back
 * @out:   the move, its offer taken
 * @error: says why not
 *
 * Return: TRUE when the other host has all, durably, and waits for GIVE.
 * Context: thread of the move.
 */
gboolean ckptd_move_out_stream(CkptdMoveOut *out, GError **error)
{
    g_autoptr(CkptdSnapshot) snapshot = snapshot_of(out, error);
    uint64_t pages = 0;

    ckptd_move_out_set_phase(out, CKPTD_MOVE_COPY);
    if (!snapshot || !ckptd_snapshot_count_pages(snapshot, &pages, error)) {
        return FALSE;
    }
    g_mutex_lock(&out->lock);
    out->progress.total_bytes = pages * CKPTD_FORMAT_PAGE_BYTES;
    g_mutex_unlock(&out->lock);
    if (!first_round(out, snapshot, error) || !copy(out, &snapshot, error)) {
        return FALSE;
    }
    ckptd_move_out_set_phase(out, CKPTD_MOVE_FREEZE);
    ckptd_move_out_step(out, "freeze");
    out->freeze_us = g_get_monotonic_time();
    if (!freeze(out, error) || !wait_for(out, CKPTD_MOVE_FROZEN, error)) {
        return FALSE;
    }
    ckptd_move_out_step(out, "frozen");
    if (!send_rest(out, snapshot, error)) {
        return FALSE;
    }
    ckptd_move_out_step(out, "sealed");
    return TRUE;
}
