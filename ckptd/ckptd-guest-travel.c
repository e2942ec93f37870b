/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-travel.c - what a move does to a guest, on either side
 *
 * The thread of a move (ckptd-move-out.c, ckptd-move-in.c) decides what is
 * next; the functions here are its hands on the guest.  Those that say so are
 * called in its thread, the rest in the main thread.
 *
 *   leaves    RUNNING -> HANDING -> GIVEN -> gone; or from HANDING and GIVEN
 *             back by a recovery, with the hold that the last QEMU left
 *   arrives   LANDING -> RUNNING; or gone as if it had never been there
 *
 * What a crash of ckptd left is sorted out by the ledgers before any guest is
 * looked at: ckptd_guest_travel_tidy().
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-forward.h"
#include "ckptd/ckptd-guest-dir.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-move.h"
#include "ckptd/ckptd-tap.h"

#define ARRIVING_FILE "arriving" /* has the move's id */

/* --- leaving -------------------------------------------------------------- */

static gboolean refuse(GError **error, const CkptdGuest *g, const char *why)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s cannot move: %s",
                g->spec->name, why);
    return FALSE;
}

/* They are kept until somebody deletes them, and do not go along. */
static gboolean has_named(const CkptdGuest *g, GError **error)
{
    if (!g->naming && !ckptd_guest_has_labels(g, NULL)) {
        return FALSE;
    }
    refuse(error, g,
           "it has named checkpoints, which would stay behind: remove them "
           "first; `ckptctl ls` lists them");
    return TRUE;
}

/**
 * ckptd_guest_travel_start() - send it to another host
 * @g: any
 * @env: of all moves
 * @host: where to
 * @options: how
 * @done: told in the end, if it begins
 * @opaque: for it
 * @error: says why it cannot move
 *
 * Return: TRUE when it begins.
 */
gboolean ckptd_guest_travel_start(CkptdGuest *g,
                                  const struct ckptd_move_env *env,
                                  const struct ckptd_host *host,
                                  const struct ckptd_move_options *options,
                                  CkptdMoveDone done, gpointer opaque,
                                  GError **error)
{
    if (g->out) {
        return refuse(error, g, "it is moving already");
    }
    if (ckptd_spec_is_external(g->spec)) {
        return refuse(error, g,
                      "somebody else starts its QEMU, and has to move it: by "
                      "`virsh migrate`, or QMP's migrate");
    }
    if (!g->spec->checkpoint) {
        return refuse(error, g, "it runs without checkpoints");
    }
    if (g_str_equal(g->spec->net, "user")) {
        return refuse(error, g,
                      "it is on user-mode networking, whose connections end "
                      "in sockets of this host; --net tap can move");
    }
    if (options->forward && !g->spec->bridge) {
        return refuse(error, g,
                      "nothing is known of its Ethernet: --forward needs a "
                      "guest with --net tap,bridge=");
    }
    if (g->state != CKPTD_GUEST_RUNNING) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%s is %s: it can move when it runs", g->spec->name,
                    ckptd_guest_state_name(g));
        return FALSE;
    }
    if (has_named(g, error)) {
        return FALSE;
    }
    g->out = ckptd_move_out_start(env, g, host, options, done, opaque);
    return TRUE;
}

/**
 * ckptd_guest_travel_over() - a move has ended, one way or the other
 * @g: the guest
 * @out: that move
 */
void ckptd_guest_travel_over(CkptdGuest *g, const CkptdMoveOut *out)
{
    if (g->out == out) {
        g->out = NULL;
    }
}

/**
 * ckptd_guest_travel_end() - the guest goes down or ckptd ends: so does its move
 * @g: the guest
 *
 * Context: main thread; waits for the move's.
 */
void ckptd_guest_travel_end(CkptdGuest *g)
{
    if (g->out) {
        ckptd_move_out_end(g->out);
        g->out = NULL;
    }
}

/**
 * ckptd_guest_travel_refuses() - is it in the middle of a move?
 * @g: any
 * @error: says what to do instead
 *
 * Return: TRUE if nothing may be asked of it now.
 */
gboolean ckptd_guest_travel_refuses(CkptdGuest *g, GError **error)
{
    const char *advice =
        g->state == CKPTD_GUEST_HANDING   ? "`ckptctl migrate --cancel` first"
        : g->state == CKPTD_GUEST_GIVEN   ? "it may run on the other host; see "
                                            "`ckptctl status`"
        : g->state == CKPTD_GUEST_LANDING ? "it is not here yet"
                                          : NULL;

    if (advice) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY, "%s is %s: %s",
                    g->spec->name, ckptd_guest_state_name(g), advice);
    }
    return advice != NULL;
}

/**
 * ckptd_guest_travel_holds() - is its store on its way to another host?
 * @g: any
 * @error: says what to do first
 *
 * Return: TRUE if what is in its store must not be exchanged, nor named.
 */
gboolean ckptd_guest_travel_holds(CkptdGuest *g, GError **error)
{
    if (!g->out) {
        return ckptd_guest_travel_refuses(g, error);
    }
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                "%s is on its way to another host: wait for that, or `ckptctl "
                "migrate --cancel %s` first",
                g->spec->name, g->spec->name);
    return TRUE;
}

/**
 * ckptd_guest_travel_snapshot() - hold its store's state still
 * @g: with a session
 * @error: there is no checkpoint yet
 *
 * Return: to be freed before the move ends, or NULL.
 * Context: the move's thread, for which the guest keeps its session.
 */
CkptdSnapshot *ckptd_guest_travel_snapshot(CkptdGuest *g, GError **error)
{
    return ckptd_session_snapshot(g->session, error);
}

/**
 * ckptd_guest_travel_hold() - what its last QEMU had not released
 * @g: with a session
 *
 * Return: owned by the session; its content counts once QEMU is dead.
 * Context: the move's thread.
 */
const struct ckptd_shm *ckptd_guest_travel_hold(CkptdGuest *g)
{
    return ckptd_session_hold(g->session);
}

/**
 * ckptd_guest_travel_throttle() - slow it down, or no longer
 * @g: with a session
 * @delay_us: at each commit
 *
 * Context: the move's thread.
 */
void ckptd_guest_travel_throttle(CkptdGuest *g, guint delay_us)
{
    if (g->session) {
        ckptd_session_throttle(g->session, delay_us);
    }
}

/**
 * ckptd_guest_travel_freeze() - have it stand still after one more epoch
 * @g: moving
 * @error: CKPTD_ERROR_BUSY: not now
 *
 * Return: TRUE when it will: the move is told FROZEN and DEAD, or LOST.
 */
gboolean ckptd_guest_travel_freeze(CkptdGuest *g, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (g->state == CKPTD_GUEST_RECOVERING) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY, "%s is recovering",
                    g->spec->name);
        return FALSE;
    }
    if (g->state != CKPTD_GUEST_RUNNING) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s is %s",
                    g->spec->name, ckptd_guest_state_name(g));
        return FALSE;
    }
    if (has_named(g, error)) {
        return FALSE;
    }
    ckptd_guest_set_state(g, CKPTD_GUEST_HANDING);
    g->frozen = FALSE;
    if (!ckptd_session_send(g->session, CKPT_MSG_FREEZE, NULL, 0, &local)) {
        g_message("%s: %s", g->spec->name, local->message);
        ckptd_process_kill(&g->qemu, SIGKILL);
    }
    return TRUE;
}

/**
 * ckptd_guest_travel_frozen() - its last epoch is durable
 * @g: leaving
 *
 * Nothing can be had of this QEMU any more but its death.
 */
void ckptd_guest_travel_frozen(CkptdGuest *g)
{
    if (g->state != CKPTD_GUEST_HANDING) {
        return;
    }
    g->frozen = TRUE;
    ckptd_process_kill(&g->qemu, SIGKILL);
    if (g->out) {
        ckptd_move_out_tell(g->out, CKPTD_MOVE_FROZEN, 0);
    }
}

/**
 * ckptd_guest_travel_judge() - what QEMU's death means to a guest that moves
 * @g: any
 * @how: it died
 *
 * Return: TRUE if that was all; FALSE: as for any other guest.
 */
gboolean ckptd_guest_travel_judge(CkptdGuest *g, const char *how)
{
    g_autofree char *line = NULL;

    if (g->state == CKPTD_GUEST_LANDING) {
        if (g->in && !ckptd_move_in_is_taken(g->in)) {
            line =
                g_strdup_printf("QEMU %s%s%s", how, g->last.fatal ? ": " : "",
                                g->last.fatal ? g->last.fatal : "");
            ckptd_move_in_failed(g->in, line);
            return TRUE;
        }
        ckptd_guest_recover(g, how);
        return TRUE;
    }
    if (g->state != CKPTD_GUEST_HANDING) {
        return FALSE;
    }
    if (g->out && g->frozen && !g->move_back) {
        ckptd_move_out_tell(g->out, CKPTD_MOVE_DEAD, 0);
        return TRUE;
    }
    if (g->out) {
        ckptd_move_out_tell(g->out, CKPTD_MOVE_LOST, 0);
    }
    line = g_steal_pointer(&g->move_back);
    ckptd_guest_recover(g, line ? line : how);
    return TRUE;
}

/**
 * ckptd_guest_travel_given() - it may be the other host's
 * @g: leaving, its QEMU is dead
 * @host: to which it was given
 *
 * Return: a copy of its interface's descriptor, to be closed, or -1.
 */
int ckptd_guest_travel_given(CkptdGuest *g, const char *host)
{
    g_assert(g->qemu.pidfd < 0); /* F1 */
    ckptd_guest_set_reason(g, g_strdup_printf("given to %s", host));
    ckptd_guest_set_state(g, CKPTD_GUEST_GIVEN);
    return g->tap_fd >= 0 ? fcntl(g->tap_fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/**
 * ckptd_guest_travel_forward() - have its Ethernet reach the other host
 * @g: moving, in a bridge
 * @state_dir: of the daemon
 * @host: where it goes
 * @address: of that host; taken over
 * @error: says why not
 *
 * Return: TRUE when our end of the tunnel is there.
 */
gboolean ckptd_guest_travel_forward(CkptdGuest *g, const char *state_dir,
                                    const char *host, char *address,
                                    GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(CkptdForward) there =
        ckptd_forward_find(state_dir, g->spec->name, &local);
    struct ckptd_forward f = {
        .guest = g->spec->name,
        .uuid = g->spec->uuid,
        .host = (char *)host,
        .address = address,
        .bridge = g->spec->bridge,
        .end = CKPTD_FORWARD_HOME,
        .vni = ckptd_forward_vni(g->spec->uuid),
    };
    gboolean ok;

    if (there) {
        ok = refuse(error, g,
                    "it is away from its own Ethernet: move it home first");
    } else if (!ckptd_lookup_is_absence(local)) {
        ok = refuse(error, g, local->message);
    } else {
        ok = ckptd_forward_add(state_dir, &f, error);
    }
    g_free(address);
    return ok;
}

/* A guest that leaves takes its longer cable out of the wall. */
static void end_forward(const CkptdGuest *g, const char *state_dir,
                        enum ckptd_forward_end end)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdForward) f =
        ckptd_forward_find(state_dir, g->spec->name, &error);

    if (f && f->end == end && g_str_equal(f->uuid, g->spec->uuid)) {
        ckptd_forward_remove(state_dir, g->spec->name, &error);
    }
    if (error && !ckptd_lookup_is_absence(error)) {
        g_warning("%s: its tunnel stays: %s", g->spec->name, error->message);
    }
}

/**
 * ckptd_guest_travel_gone() - the other host has it
 * @g: given
 * @host: that has it
 * @state_dir: of the daemon
 *
 * Return: TRUE; its files can be removed.
 */
gboolean ckptd_guest_travel_gone(CkptdGuest *g, const char *host,
                                 const char *state_dir)
{
    g->out = NULL; /* the caller, which ends by itself */
    ckptd_guest_set_reason(g, g_strdup_printf("moved to %s", host));
    ckptd_guest_go_down(g, CKPTD_GUEST_STOPPED);
    end_forward(g, state_dir, CKPTD_FORWARD_AWAY);
    return TRUE;
}

/**
 * ckptd_guest_travel_back() - it is ours and goes on here
 * @g: leaving, given, or already as it was
 * @why: it did not move
 */
void ckptd_guest_travel_back(CkptdGuest *g, const char *why)
{
    g_autofree char *reason = g_strdup_printf("did not move: %s", why);

    if (g->state == CKPTD_GUEST_HANDING && g->qemu.pidfd >= 0) {
        g_free(g->move_back);
        g->move_back = g_steal_pointer(&reason);
        ckptd_process_kill(&g->qemu, SIGKILL);
    } else if (g->state == CKPTD_GUEST_HANDING ||
               g->state == CKPTD_GUEST_GIVEN) {
        ckptd_guest_recover(g, reason);
    }
}

/* --- arriving ------------------------------------------------------------- */

/* What goes into QEMU's command line is what ckptd itself could have made. */
static gboolean is_sound(const struct ckptd_spec *spec)
{
    return (g_str_equal(spec->net, "tap") || g_str_equal(spec->net, "none")) &&
           (g_str_equal(spec->accel, "tcg") ||
            g_str_equal(spec->accel, "kvm")) &&
           strlen(spec->mac) == 17 &&
           strspn(spec->mac, "0123456789abcdefABCDEF:") == 17 &&
           (!spec->bridge || ckptd_tap_name_ok(spec->bridge)) &&
           (!spec->ifname || ckptd_tap_name_ok(spec->ifname));
}

/* Its bridge is one of its own here; or, when it comes home, the one it had. */
static gboolean choose_bridge(CkptdGuest *g, const struct ckptd_paths *paths,
                              const struct ckptd_peer_offer *offer,
                              const char *host, const char *address,
                              GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(CkptdForward) home =
        ckptd_forward_find(paths->state_dir, g->spec->name, &local);
    g_autofree char *conf = ckptd_guest_file(g, "guest.conf");
    struct ckptd_forward f = {
        .guest = g->spec->name,
        .uuid = g->spec->uuid,
        .host = (char *)host,
        .address = (char *)address,
        .end = CKPTD_FORWARD_AWAY,
        .vni = offer->vni,
    };

    if (!home && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (home && home->end == CKPTD_FORWARD_HOME &&
        g_str_equal(home->uuid, g->spec->uuid)) {
        g_free(g->spec->bridge);
        g->spec->bridge = g_strdup(home->bridge);
        return ckptd_spec_save(g->spec, conf, error);
    }
    if (!offer->vni) {
        return TRUE;
    }
    g_free(g->spec->bridge);
    g->spec->bridge = f.bridge = ckptd_forward_bridge(g->spec->uuid);
    return ckptd_spec_save(g->spec, conf, error) &&
           ckptd_forward_add(paths->state_dir, &f, error);
}

/**
 * ckptd_guest_travel_arrive() - make room for a guest that comes
 * @paths: of the daemon
 * @offer: checked
 * @host: that it comes from
 * @address: of that host
 * @error: says why it cannot come
 *
 * Return: the guest, in state arriving, without anything in its store.
 */
CkptdGuest *ckptd_guest_travel_arrive(const struct ckptd_paths *paths,
                                      const struct ckptd_peer_offer *offer,
                                      const char *host, const char *address,
                                      GError **error)
{
    g_autoptr(CkptdGuest) g = ckptd_guest_alloc(paths, offer->manifest.name);
    g_autofree char *marker = ckptd_guest_file(g, ARRIVING_FILE);
    g_autofree char *conf = ckptd_guest_file(g, "guest.conf");

    if (!ckptd_guest_new_dir(g, error)) {
        return NULL;
    }
    if (!g_file_set_contents_full(marker, offer->id, -1,
                                  G_FILE_SET_CONTENTS_CONSISTENT |
                                      G_FILE_SET_CONTENTS_DURABLE,
                                  0600, error) ||
        !g_file_set_contents_full(conf, offer->spec, -1,
                                  G_FILE_SET_CONTENTS_CONSISTENT |
                                      G_FILE_SET_CONTENTS_DURABLE,
                                  0600, error) ||
        !(g->spec = ckptd_spec_load(conf, error))) {
        ckptd_guest_remove_tree(g->state_dir, NULL);
        return NULL;
    }
    if (strcmp(g->spec->name, offer->manifest.name) ||
        strcmp(g->spec->uuid, offer->manifest.uuid) ||
        ((guint64)g->spec->memory_mib << 20) != offer->manifest.ram_bytes ||
        ((guint64)g->spec->hold_mib << 20) != offer->hold_bytes ||
        !g->spec->checkpoint || ckptd_spec_is_external(g->spec) ||
        !is_sound(g->spec)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "its description contradicts its manifest");
        ckptd_guest_remove_tree(g->state_dir, NULL);
        return NULL;
    }
    if (!choose_bridge(g, paths, offer, host, address, error) ||
        !ckptd_guest_dir_keep(ckptd_io_system(), g->state_dir, error)) {
        ckptd_guest_remove_tree(g->state_dir, NULL);
        return NULL;
    }
    g->created_s = offer->created_s;
    g->recoveries = offer->recoveries;
    ckptd_guest_set_state(g, CKPTD_GUEST_LANDING);
    return g_steal_pointer(&g);
}

/**
 * ckptd_guest_travel_launch() - have a QEMU wait for it
 * @g: arriving, with its bundle
 * @offer: as it came
 * @error: says why there is none
 *
 * Return: TRUE when one was started: the move is told whether it is the right
 * one.
 */
gboolean ckptd_guest_travel_launch(CkptdGuest *g,
                                   const struct ckptd_peer_offer *offer,
                                   GError **error)
{
    return ckptd_guest_open_arriving(g, &offer->manifest, error) &&
           ckptd_guest_launch_arriving(g, error);
}

/**
 * ckptd_guest_travel_unmark() - a guest's directory no longer says that it is
 * arriving
 * @state_dir: of the daemon
 * @guest: its name
 * @id: of the move that it may be marked with
 * @error: says why not
 *
 * As long as it is marked it is ours by the ledger: so this comes before the
 * ledger is let go of.
 *
 * Return: TRUE when it is durable, also if there is no such mark.
 * Context: any thread; blocks.
 */
gboolean ckptd_guest_travel_unmark(const char *state_dir, const char *guest,
                                   const char *id, GError **error)
{
    g_autofree char *dir = g_build_filename(state_dir, "guests", guest, NULL);
    g_autofree char *marker = g_build_filename(dir, ARRIVING_FILE, NULL);
    g_autoptr(GError) local = NULL;
    g_autofree char *text = ckptd_lookup_text(marker, &local);

    if (!text && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (g_strcmp0(text, id)) {
        return TRUE;
    }
    return ckptd_io_unlink(ckptd_io_system(), dir, ARRIVING_FILE, error) &&
           ckptd_io_sync_dir(ckptd_io_system(), dir, error);
}

/**
 * ckptd_guest_travel_settled() - it is ours, and the other host knows
 * @g: that arrived
 * @state_dir: of the daemon
 * @recoveries: that it had on the other host after it was offered
 */
void ckptd_guest_travel_settled(CkptdGuest *g, const char *state_dir,
                                guint recoveries)
{
    g->in = NULL;
    g->recoveries += recoveries;
    if (recoveries) {
        ckptd_guest_save_life(g);
    }
    end_forward(g, state_dir, CKPTD_FORWARD_HOME);
}

/**
 * ckptd_guest_travel_discard() - it does not come
 * @g: arriving, not taken
 * @state_dir: of the daemon
 *
 * Nothing of it stays but what the caller has.
 * Context: main thread; waits for its QEMU's end.
 */
void ckptd_guest_travel_discard(CkptdGuest *g, const char *state_dir)
{
    g->in = NULL;
    ckptd_guest_end_qemu(g);
    ckptd_guest_go_down(g, CKPTD_GUEST_STOPPED);
    end_forward(g, state_dir, CKPTD_FORWARD_AWAY);
}

/* --- after a crash -------------------------------------------------------- */

/* Return: FALSE when that is not known. */
static gboolean was_taken(const struct ckptd_paths *paths, const char *id,
                          gboolean *ret_taken, GError **error)
{
    g_autofree char *dir = ckptd_ledger_dir(paths->state_dir);
    g_autoptr(GError) local = NULL;
    g_autoptr(CkptdLedger) ledger =
        ckptd_ledger_open(ckptd_io_system(), dir, id, &local);

    if (!ledger && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    *ret_taken = ledger &&
                 ckptd_ledger_entry(ledger)->role == CKPTD_LEDGER_TO &&
                 ckptd_ledger_entry(ledger)->step == CKPTD_LEDGER_DECIDED;
    return TRUE;
}

/**
 * ckptd_guest_remove_leftover() - end what there is of a guest that is not ours
 * @paths: of the daemon
 * @name: of a directory among the guests'
 * @error: says why not; its QEMU may live then
 *
 * Return: TRUE when nothing is left of it.
 * Context: main thread; waits for its QEMU's end.
 */
gboolean ckptd_guest_remove_leftover(const struct ckptd_paths *paths,
                                     const char *name, GError **error)
{
    g_autoptr(CkptdGuest) g = ckptd_guest_alloc(paths, name);
    g_autofree char *qemu =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_QEMU_PID_FILE);
    g_autofree char *netd =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_NETD_PID_FILE);

    if (!ckptd_process_find(qemu, &g->qemu, error) ||
        !ckptd_process_find(netd, &g->netd, error)) {
        return FALSE;
    }
    ckptd_guest_end_qemu(g);
    ckptd_process_kill(&g->netd, SIGKILL);
    ckptd_process_wait(&g->netd, -1);
    return ckptd_guest_remove_tree(g->runtime_dir, error) &&
           ckptd_guest_remove_tree(g->state_dir, error);
}

static gboolean end_away(const struct ckptd_paths *paths, const char *name,
                         GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(CkptdForward) f =
        ckptd_forward_find(paths->state_dir, name, &local);

    if (!f && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return !f || f->end != CKPTD_FORWARD_AWAY ||
           ckptd_forward_remove(paths->state_dir, name, error);
}

/* It is the ledger's word that it is not ours. */
static gboolean clear_away(const struct ckptd_paths *paths, const char *name,
                           GError **error)
{
    return end_away(paths, name, error) &&
           ckptd_guest_remove_leftover(paths, name, error);
}

/* Return: FALSE when it is not known. */
static gboolean is_marked(const struct ckptd_paths *paths, const char *name,
                          char **ret_id, GError **error)
{
    g_autofree char *marker =
        g_build_filename(paths->state_dir, "guests", name, ARRIVING_FILE, NULL);
    g_autoptr(GError) local = NULL;
    g_autofree char *id = ckptd_lookup_text(marker, &local);

    if (!id && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (id && !ckptd_peer_id_ok(id)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: not the id of a move", marker);
        return FALSE;
    }
    *ret_id = g_steal_pointer(&id);
    return TRUE;
}

/**
 * ckptd_guest_travel_tidy() - is this guest ours, after whatever happened?
 * @paths: of the daemon
 * @name: of a directory among the guests'
 * @ret_ours: FALSE: it never arrived, or has left: it is removed
 * @error: set on failure
 *
 * Return: FALSE when that is not known, or not all of it could be removed.
 */
gboolean ckptd_guest_travel_tidy(const struct ckptd_paths *paths,
                                 const char *name, gboolean *ret_ours,
                                 GError **error)
{
    struct ckptd_ledger_entry entry;
    g_autoptr(GError) local = NULL;
    g_autofree char *id = NULL;
    gboolean taken;

    *ret_ours = TRUE;
    if (!is_marked(paths, name, &id, error)) {
        return FALSE;
    }
    if (id) {
        if (!was_taken(paths, id, &taken, error)) {
            return FALSE;
        }
        *ret_ours = taken;
        if (taken) {
            return TRUE;
        }
        g_message("%s: had not arrived when ckptd ended, discarded", name);
        return clear_away(paths, name, error);
    }
    if (!ckptd_ledger_find(ckptd_io_system(), paths->state_dir,
                           CKPTD_LEDGER_ENDED, name, &entry, &local)) {
        if (ckptd_lookup_is_absence(local)) {
            return TRUE;
        }
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (entry.outcome != CKPTD_LEDGER_GONE) {
        return TRUE;
    }
    *ret_ours = FALSE;
    g_message("%s: has moved to %s", name, entry.host);
    return clear_away(paths, name, error);
}

/**
 * ckptd_guest_travel_find() - was it given when the last ckptd ended?
 * @g: being loaded
 * @state_dir: of the daemon
 * @error: set on failure
 *
 * Return: TRUE when that is known.
 */
gboolean ckptd_guest_travel_find(CkptdGuest *g, const char *state_dir,
                                 GError **error)
{
    struct ckptd_ledger_entry entry;
    g_autoptr(GError) local = NULL;

    g->given =
        ckptd_ledger_find(ckptd_io_system(), state_dir, CKPTD_LEDGER_DECIDED,
                          g->spec->name, &entry, &local);
    if (g->given) {
        ckptd_guest_set_reason(g, g_strdup_printf("given to %s", entry.host));
    } else if (!ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_guest_travel_resume() - go on as it was given, if it was
 * @g: just loaded
 *
 * Return: TRUE if so: it is in state given, and nothing else may be done.
 */
gboolean ckptd_guest_travel_resume(CkptdGuest *g)
{
    if (g->given) {
        ckptd_guest_set_state(g, CKPTD_GUEST_GIVEN);
    }
    return g->given;
}

/* --- status --------------------------------------------------------------- */

/**
 * ckptd_guest_travel_status() - how a move goes
 * @g: any
 * @b: of its status: a{sv}
 */
void ckptd_guest_travel_status(CkptdGuest *g, GVariantBuilder *b)
{
    struct ckptd_move_progress p;
    guint64 rest;

    if (g->in) {
        g_variant_builder_add_parsed(b, "{'move_from', <%s>}",
                                     ckptd_move_in_host(g->in));
    }
    if (!g->out) {
        return;
    }
    ckptd_move_out_progress(g->out, &p);
    rest = p.rounds ? p.rest_pages * CKPTD_FORMAT_PAGE_BYTES
                    : p.total_bytes - MIN(p.total_bytes, p.sent_bytes);
    g_variant_builder_add_parsed(b, "{'move_to', <%s>}", p.host);
    g_variant_builder_add_parsed(b, "{'move_id', <%s>}", p.id);
    g_variant_builder_add_parsed(b, "{'move_phase', <%s>}",
                                 ckptd_move_phase_name(p.phase));
    g_variant_builder_add_parsed(b, "{'move_waits', <%s>}",
                                 p.waits ? p.waits : "");
    g_variant_builder_add_parsed(b, "{'move_rounds', <%u>}", p.rounds);
    g_variant_builder_add_parsed(b, "{'move_sent_bytes', <%t>}", p.sent_bytes);
    g_variant_builder_add_parsed(b, "{'move_total_bytes', <%t>}",
                                 p.total_bytes);
    g_variant_builder_add_parsed(b, "{'move_rest_bytes', <%t>}", rest);
    g_variant_builder_add_parsed(b, "{'move_rate', <%t>}", p.rate);
    g_variant_builder_add_parsed(b, "{'move_throttle_us', <%u>}",
                                 p.throttle_us);
    g_variant_builder_add_parsed(
        b, "{'move_ms', <%t>}",
        (guint64)(g_get_monotonic_time() - p.start_us) / 1000);
    g_free(p.waits);
}
