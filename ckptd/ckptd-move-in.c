/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-move-in.c - a guest that comes from another host: the side that takes
 *
 * Theory of operation
 *
 * The thread is that of the link, and does what the other side says, message
 * by message; what it may say next depends on enum ckptd_in_phase.  Nothing of the
 * guest counts before the ledger says taken (ckptd-ledger.c, H2): whatever ends
 * the link before GIVE, or ckptd, ends with all of it removed.
 *
 * Two may want to decide at once: GIVE on this link, and on another one a QUERY
 * of the same move, by a source that has lost this link.  Whoever comes first
 * under @lock decides: TAKING is answered by TAKEN, DROPPED by NEVER, for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-dir.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-main-call.h"
#include "ckptd/ckptd-move-in-internal.h"
#include "ckptd/ckptd-trace.h"

#define FILE_MAX       (1ull << 40)
#define TAKING_WAIT_US (5 * G_TIME_SPAN_SECOND)

/* All that come, by id, for ckptd_move_in_query(). */
static GMutex arrivals_lock;
static GHashTable *arrivals;

/**
 * ckptd_move_in_advance() - the only place where the phase goes on
 * @in:    the move
 * @phase: a later one
 * @error: CKPTD_ERROR_STALE
 *
 * Return: FALSE when the move was given up meanwhile.
 * Context: the link's thread.
 */
gboolean ckptd_move_in_advance(CkptdMoveIn *in, enum ckptd_in_phase phase,
                               GError **error)
{
    gboolean ok;

    g_mutex_lock(&in->lock);
    ok = in->phase != CKPTD_IN_DROPPED;
    if (ok) {
        g_assert(phase > in->phase);
        in->phase = phase;
        g_cond_broadcast(&in->cond);
    }
    g_mutex_unlock(&in->lock);
    if (!ok) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "the move was given up");
    }
    return ok;
}

static void say_step(const CkptdMoveIn *in, const char *step)
{
    ckptd_trace_step(in->offer.manifest.name, step, in->offer.id);
}

/* --- messages ------------------------------------------------------------- */

static const char *const file_names[] = {
    [CKPTD_PEER_FILE_BUNDLE] = "bundle",
    [CKPTD_PEER_FILE_LOG] = "console.log",
};

static gboolean take_file(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                          GError **error)
{
    struct ckptd_peer_chunk_view chunk;

    if (!ckptd_peer_check_chunk(msg, FILE_MAX, &chunk, error)) {
        return FALSE;
    }
    in->unsynced |= 1u << chunk.which;
    return ckptd_guest_dir_put(ckptd_io_system(), in->guest->state_dir,
                               file_names[chunk.which], chunk.data,
                               chunk.len_bytes, chunk.offset, error);
}

/* What a DONE speaks for is durable. */
static gboolean sync_files(CkptdMoveIn *in, GError **error)
{
    guint i;

    for (i = 0; i < G_N_ELEMENTS(file_names); i++) {
        if ((in->unsynced & (1u << i)) &&
            !ckptd_guest_dir_sync(ckptd_io_system(), in->guest->state_dir,
                                  file_names[i], error)) {
            return FALSE;
        }
    }
    in->unsynced = 0;
    return TRUE;
}

static gboolean take_pages(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                           GError **error)
{
    struct ckptd_peer_pages pages;

    return ckptd_peer_check_pages(
               msg, in->offer.manifest.ram_bytes / CKPTD_FORMAT_PAGE_BYTES,
               &pages, error) &&
           ckptd_image_write(in->image, &pages, error);
}

/* What lies in the interface came in for the guest while it ran there. */
static void drop_frames(CkptdMoveIn *in)
{
    uint8_t frame[CKPTD_PEER_FRAME_MAX];

    while (in->tap_fd >= 0 && read(in->tap_fd, frame, sizeof(frame)) > 0) {
    }
}

static gboolean take_last(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                          GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);

    if (!dict || !ckptd_peer_last_get(dict, &in->last, error)) {
        return FALSE;
    }
    if (in->last.generation < in->offer.generation) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: LAST of an older generation");
        return FALSE;
    }
    say_step(in, "last");
    drop_frames(in);
    in->load.epoch = in->last.epoch;
    in->load.generation = in->last.generation + 1;
    in->load.slot = ckptd_image_finish(
        in->image, &in->last, in->load.generation, &in->load.slot_bytes, error);
    g_clear_pointer(&in->image, ckptd_image_free);
    return in->load.slot && ckptd_move_in_advance(in, CKPTD_IN_RESTING, error);
}

static gboolean take_hold(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                          GError **error)
{
    struct ckptd_peer_chunk_view chunk;

    if (!ckptd_peer_check_chunk(msg, in->load.hold.size_bytes, &chunk, error)) {
        return FALSE;
    }
    memcpy((uint8_t *)in->load.hold.addr + chunk.offset, chunk.data,
           chunk.len_bytes);
    return TRUE;
}

static gboolean seal(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                     GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);

    return dict &&
           ckptd_peer_get(dict, "next_seq", "t", &in->load.next_seq, error) &&
           sync_files(in, error) &&
           ckptd_landing_ready(in->guest->session, &in->load, error) &&
           ckptd_move_in_advance(in, CKPTD_IN_READY, error);
}

/* H2.  When the ledger cannot be written nobody knows: FROM asks again. */
static gboolean take(CkptdMoveIn *in, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!ckptd_move_in_advance(in, CKPTD_IN_TAKING, error)) {
        return FALSE;
    }
    say_step(in, "taking");
    if (!ckptd_ledger_decide(in->ledger, in->load.generation, in->load.epoch,
                             error)) {
        return FALSE;
    }
    ckptd_move_in_advance(in, CKPTD_IN_TAKEN, NULL);
    say_step(in, "taken");
    if (!ckptd_landing_go(in->guest->session, &local)) {
        g_message("%s: %s", in->offer.manifest.name, local->message);
    }
    say_step(in, "went");
    return ckptd_link_send(in->link, CKPTD_PEER_TAKEN, NULL, 0, error);
}

static gboolean give(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                     GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);
    g_autofree char *id =
        dict ? ckptd_peer_get_text(dict, "id", 64, error) : NULL;

    if (!id) {
        return FALSE;
    }
    if (!g_str_equal(id, in->offer.id)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: GIVE of another move");
        return FALSE;
    }
    return take(in, error);
}

static void inject(CkptdMoveIn *in, const struct ckptd_peer_msg *msg)
{
    if (in->inject >= 0 && send(in->inject, msg->data, msg->len_bytes, 0) < 0) {
        g_message("%s: a frame that came in at %s is lost: %s",
                  in->offer.manifest.name, in->host, g_strerror(errno));
    }
}

/* @step is done, if it is @ok. */
static gboolean done(CkptdMoveIn *in, const char *step, gboolean ok,
                     GError **error)
{
    if (ok) {
        say_step(in, step);
    }
    return ok && ckptd_link_send(in->link, CKPTD_PEER_DONE, NULL, 0, error);
}

static gboolean forget(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                       GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);
    g_autofree char *id =
        dict ? ckptd_peer_get_text(dict, "id", 64, error) : NULL;

    return id && done(in, "forgotten",
                      ckptd_move_in_forget(in->env, id,
                                           ckptd_link_print(in->link), error),
                      error);
}

/* Messages of each phase, bits. */
#define M(name) (1u << CKPTD_PEER_##name)
static const guint32 expected[] = {
    [CKPTD_IN_OFFERED] = M(FILE) | M(LAUNCH),
    [CKPTD_IN_COPYING] = M(PAGES) | M(ROUND) | M(FILE) | M(LAST),
    [CKPTD_IN_RESTING] = M(HOLD) | M(FILE) | M(SEAL),
    [CKPTD_IN_READY] = M(GIVE),
    [CKPTD_IN_TAKEN] = M(FRAME) | M(FORGET),
    [CKPTD_IN_DROPPED] = 0,
};

static gboolean has_failed(CkptdMoveIn *in, GError **error)
{
    gboolean failed;

    g_mutex_lock(&in->lock);
    failed = in->failed && in->phase < CKPTD_IN_TAKING;
    if (failed) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s", in->failed);
    }
    g_mutex_unlock(&in->lock);
    return failed;
}

static gboolean dispatch(CkptdMoveIn *in, const struct ckptd_peer_msg *msg,
                         GError **error)
{
    if (has_failed(in, error)) {
        return FALSE;
    }
    if (!(expected[in->phase] & (1u << msg->type))) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: unexpected %s",
                    ckptd_peer_type_name(msg->type));
        return FALSE;
    }
    switch (msg->type) {
    case CKPTD_PEER_FILE:
        return take_file(in, msg, error);
    case CKPTD_PEER_LAUNCH:
        return done(in, "launched",
                    sync_files(in, error) && ckptd_move_in_launch(in, error),
                    error);
    case CKPTD_PEER_PAGES:
        return take_pages(in, msg, error);
    case CKPTD_PEER_ROUND:
        return done(in, "synced",
                    ckptd_image_sync(in->image, error) && sync_files(in, error),
                    error);
    case CKPTD_PEER_LAST:
        return take_last(in, msg, error);
    case CKPTD_PEER_HOLD:
        return take_hold(in, msg, error);
    case CKPTD_PEER_SEAL:
        return done(in, "ready", seal(in, msg, error), error);
    case CKPTD_PEER_GIVE:
        return give(in, msg, error);
    case CKPTD_PEER_FRAME:
        inject(in, msg);
        return TRUE;
    case CKPTD_PEER_FORGET:
        return forget(in, msg, error);
    default:
        g_assert_not_reached();
    }
}

/* --- the end -------------------------------------------------------------- */

static gboolean discard_in_main(gpointer opaque, GError **error)
{
    CkptdMoveIn *in = opaque;

    ckptd_guest_travel_discard(in->guest,
                               ckptd_server_paths(in->env->server)->state_dir);
    return ckptd_server_remove(in->env->server, in->offer.manifest.name, TRUE,
                               error);
}

static gboolean landed_in_main(gpointer opaque, GError **error G_GNUC_UNUSED)
{
    CkptdMoveIn *in = opaque;

    /* Nothing else begins a generation of a guest that is on its way. */
    ckptd_guest_travel_settled(in->guest,
                               ckptd_server_paths(in->env->server)->state_dir,
                               in->last.generation - in->offer.generation);
    return TRUE;
}

/* Not ours and never will be: everything goes, the ledger last. */
static void discard(CkptdMoveIn *in)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&in->image, ckptd_image_free);
    if (in->guest &&
        !ckptd_main_call(discard_in_main, in, in->env->stopping, &error)) {
        g_message("%s: %s", in->offer.manifest.name, error->message);
        return; /* ckptd ends: the next one tidies up */
    }
    if (in->ledger) {
        ckptd_ledger_remove(ckptd_io_system(), in->env->ledger_dir,
                            in->offer.id, NULL);
    }
}

/* Return: FALSE: nobody knows whose it is, and @in has to stay. */
static gboolean end(CkptdMoveIn *in)
{
    enum ckptd_in_phase phase;

    g_mutex_lock(&in->lock);
    if (in->phase < CKPTD_IN_TAKING) {
        in->phase = CKPTD_IN_DROPPED;
    }
    phase = in->phase;
    g_mutex_unlock(&in->lock);
    if (phase == CKPTD_IN_TAKING) {
        g_warning("%s: the ledger could not be written: whether it is ours "
                  "will be known when ckptd starts anew",
                  in->offer.manifest.name);
        return FALSE;
    }
    if (phase == CKPTD_IN_DROPPED) {
        discard(in);
    } else {
        ckptd_main_call(landed_in_main, in, in->env->stopping, NULL);
    }
    return TRUE;
}

static void in_free(CkptdMoveIn *in)
{
    if (in->tap_fd >= 0) {
        close(in->tap_fd);
    }
    if (in->inject >= 0) {
        close(in->inject);
    }
    ckptd_image_free(in->image);
    ckptd_ledger_close(in->ledger);
    ckptd_peer_last_clear(&in->last);
    ckptd_shm_clear(&in->load.hold);
    free(in->load.slot);
    ckptd_peer_offer_clear(&in->offer);
    ckptd_guest_unref(in->guest);
    g_object_unref(in->cancellable);
    g_mutex_clear(&in->lock);
    g_cond_clear(&in->cond);
    g_free(in->failed);
    g_free(in->host);
    g_free(in->print);
    g_free(in);
}

static gboolean enlist(CkptdMoveIn *in, GError **error)
{
    gboolean ok;

    g_mutex_lock(&arrivals_lock);
    if (!arrivals) {
        arrivals = g_hash_table_new(g_str_hash, g_str_equal);
    }
    ok = !g_hash_table_contains(arrivals, in->offer.id) &&
         g_hash_table_insert(arrivals, in->offer.id, in);
    g_mutex_unlock(&arrivals_lock);
    if (!ok) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "there is such a move already");
    }
    return ok;
}

static void delist(CkptdMoveIn *in)
{
    g_mutex_lock(&arrivals_lock);
    if (g_hash_table_lookup(arrivals, in->offer.id) == in) {
        g_hash_table_remove(arrivals, in->offer.id);
    }
    g_mutex_unlock(&arrivals_lock);
}

/**
 * ckptd_move_in_run() - a host offers a guest: to the end of the move
 * @env:         of all moves
 * @link:        to it
 * @cancellable: of the link
 * @host:        that it is
 * @offer:       received
 *
 * Context: the link's thread.
 */
void ckptd_move_in_run(const struct ckptd_move_env *env, CkptdLink *link,
                       GCancellable *cancellable, const struct ckptd_host *host,
                       const struct ckptd_peer_msg *offer)
{
    CkptdMoveIn *in = g_new0(CkptdMoveIn, 1);
    struct ckptd_peer_msg msg = { 0 };
    g_autoptr(GError) error = NULL;
    gboolean ok;

    in->env = env;
    in->link = link;
    in->cancellable = g_object_ref(cancellable);
    in->host = g_strdup(host->name);
    in->print = g_strdup(ckptd_link_print(link));
    in->tap_fd = in->inject = -1;
    in->load.hold = (struct ckptd_shm)CKPTD_SHM_NONE;
    g_mutex_init(&in->lock);
    g_cond_init(&in->cond);
    ok = ckptd_move_in_take_offer(in, offer, &error) && enlist(in, &error) &&
         done(in, "offered", TRUE, &error);
    while (ok && ckptd_link_recv(link, &msg, &error)) {
        ok = dispatch(in, &msg, &error);
        if (msg.type == CKPTD_PEER_FORGET) {
            break;
        }
    }
    ckptd_peer_msg_clear(&msg);
    if (error) {
        g_message("%s from %s: %s", in->offer.manifest.name, host->name,
                  error->message);
        if (in->phase < CKPTD_IN_TAKING) {
            ckptd_link_refuse(link, error->message);
        }
    }
    if (end(in)) {
        delist(in);
        in_free(in);
    }
}

/* --- questions ------------------------------------------------------------ */

/* Of one that is known to this process.  Return: FALSE: not known yet. */
static gboolean decide_now(CkptdMoveIn *in, gboolean *ret_taken)
{
    gint64 until_us = g_get_monotonic_time() + TAKING_WAIT_US;
    gboolean known;

    g_mutex_lock(&in->lock);
    if (in->phase < CKPTD_IN_TAKING) {
        in->phase = CKPTD_IN_DROPPED;
        g_cancellable_cancel(in->cancellable);
    }
    while (in->phase == CKPTD_IN_TAKING &&
           g_cond_wait_until(&in->cond, &in->lock, until_us)) {
    }
    known = in->phase != CKPTD_IN_TAKING;
    *ret_taken = in->phase == CKPTD_IN_TAKEN;
    g_mutex_unlock(&in->lock);
    return known;
}

/**
 * ckptd_move_in_query() - was this move taken?
 * @env:       of all moves
 * @id:        of the move
 * @print:     of the host that asks
 * @ret_taken: TRUE; or FALSE, and then it never will be (H3)
 *
 * Return: FALSE when that cannot be said now.
 * Context: any thread; blocks.
 */
gboolean ckptd_move_in_query(const struct ckptd_move_env *env, const char *id,
                             const char *print, gboolean *ret_taken)
{
    g_autoptr(CkptdLedger) ledger = NULL;
    g_autoptr(GError) error = NULL;
    const struct ckptd_ledger_entry *e;
    gboolean known = FALSE;
    CkptdMoveIn *in;

    g_mutex_lock(&arrivals_lock);
    in = arrivals ? g_hash_table_lookup(arrivals, id) : NULL;
    if (in && g_str_equal(in->print, print)) {
        known = decide_now(in, ret_taken);
    }
    g_mutex_unlock(&arrivals_lock);
    if (in) {
        return known;
    }
    ledger = ckptd_ledger_open(ckptd_io_system(), env->ledger_dir, id, &error);
    if (!ledger) {
        *ret_taken = FALSE;
        return ckptd_lookup_is_absence(error);
    }
    e = ckptd_ledger_entry(ledger);
    *ret_taken = e->role == CKPTD_LEDGER_TO && e->step == CKPTD_LEDGER_DECIDED;
    return g_str_equal(e->print, print);
}

/**
 * ckptd_move_in_forget() - the other side will not ask any more (H4)
 * @env:   of all moves
 * @id:    of the move
 * @print: of the host that says so
 * @error: says why it is not forgotten
 *
 * Return: TRUE when there is no ledger of it.
 * Context: any thread; blocks.
 */
gboolean ckptd_move_in_forget(const struct ckptd_move_env *env, const char *id,
                              const char *print, GError **error)
{
    g_autoptr(CkptdLedger) ledger = NULL;
    g_autofree char *state_dir = NULL;
    g_autoptr(GError) local = NULL;

    if (!ckptd_peer_id_ok(id)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: a move called '%s'", id);
        return FALSE;
    }
    ledger = ckptd_ledger_open(ckptd_io_system(), env->ledger_dir, id, &local);
    if (!ledger && ckptd_lookup_is_absence(local)) {
        return TRUE;
    }
    if (!ledger) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (ckptd_ledger_entry(ledger)->role != CKPTD_LEDGER_TO ||
        !g_str_equal(ckptd_ledger_entry(ledger)->print, print)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: it is none of its moves");
        return FALSE;
    }
    state_dir = g_path_get_dirname(env->ledger_dir);
    return ckptd_guest_travel_unmark(
               state_dir, ckptd_ledger_entry(ledger)->guest, id, error) &&
           ckptd_ledger_remove(ckptd_io_system(), env->ledger_dir, id, error);
}

/* --- what the guest tells, main thread ------------------------------------ */

/**
 * ckptd_move_in_agreed() - its QEMU is the right one
 * @in: the move
 */
void ckptd_move_in_agreed(CkptdMoveIn *in)
{
    if (in) {
        g_mutex_lock(&in->lock);
        in->agreed = TRUE;
        g_cond_broadcast(&in->cond);
        g_mutex_unlock(&in->lock);
    }
}

/**
 * ckptd_move_in_failed() - its QEMU is gone before it was taken
 * @in:     the move
 * @reason: for people
 */
void ckptd_move_in_failed(CkptdMoveIn *in, const char *reason)
{
    g_mutex_lock(&in->lock);
    g_free(in->failed);
    in->failed = g_strdup(reason);
    g_cond_broadcast(&in->cond);
    g_mutex_unlock(&in->lock);
}

/**
 * ckptd_move_in_is_taken() - is the guest ours, or just becoming so?
 * @in: the move
 *
 * Return: TRUE if there is no way back.
 */
gboolean ckptd_move_in_is_taken(CkptdMoveIn *in)
{
    gboolean taken;

    g_mutex_lock(&in->lock);
    taken = in->phase == CKPTD_IN_TAKING || in->phase == CKPTD_IN_TAKEN;
    g_mutex_unlock(&in->lock);
    return taken;
}

/**
 * ckptd_move_in_host() - where the guest comes from
 * @in: the move
 *
 * Return: the host's name, owned by the move.
 */
const char *ckptd_move_in_host(CkptdMoveIn *in)
{
    return in->host;
}
