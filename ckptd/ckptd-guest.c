/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest.c - a guest's life: its states, how it goes up and down
 *
 * Theory of operation
 *
 * Three things happen to a guest: somebody asks for something (D-Bus), its
 * session tells something, and one of its processes dies; for the last two see
 * ckptd-guest-events.c. Each ends in ckptd_guest_set_state(), which checks the
 * table below.
 *
 * A recovery starts the next QEMU at once and leaves the store's part to the
 * session's thread in parallel: QEMU boots, meanwhile the generation is made
 * durable and the restore slot filled; they meet at WELCOME.
 *
 * ckpt-netd lives as long as the guest is up, over all generations; its death
 * takes the connections it kept along, so QEMU is killed and both begin anew:
 * nothing may acknowledge what it cannot keep (A1).
 */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-limits.h"
#include "ckptd/ckptd-trace.h"

#define FRUITLESS_MAX    5u
#define ADOPT_TIMEOUT_MS 10000u
#define RETRY_MIN_MS     500u
#define RETRY_MAX_MS     30000u

static const char *const state_names[] = {
    [CKPTD_GUEST_CREATED] = "created",
    [CKPTD_GUEST_STARTING] = "starting",
    [CKPTD_GUEST_RUNNING] = "running",
    [CKPTD_GUEST_RECOVERING] = "recovering",
    [CKPTD_GUEST_ADOPTING] = "adopting",
    [CKPTD_GUEST_STOPPING] = "stopping",
    [CKPTD_GUEST_STOPPED] = "stopped",
    [CKPTD_GUEST_EXITED] = "exited",
    [CKPTD_GUEST_FAILED] = "failed",
    [CKPTD_GUEST_WAITING] = "waiting",
    [CKPTD_GUEST_ROLLING_BACK] = "rolling-back",
    [CKPTD_GUEST_HANDING] = "handing-over",
    [CKPTD_GUEST_GIVEN] = "given",
    [CKPTD_GUEST_LANDING] = "landing",
    [CKPTD_GUEST_ARRIVING] = "arriving",
    [CKPTD_GUEST_LEAVING] = "leaving",
    [CKPTD_GUEST_MOVED] = "moved",
    [CKPTD_GUEST_ENDING] = "ending",
};
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == CKPTD_GUEST__MAX);

#define S(name) (1u << CKPTD_GUEST_##name)
#define DOWN                                                                   \
    (S(CREATED) | S(STOPPED) | S(EXITED) | S(FAILED) | S(WAITING) | S(MOVED))

/* Legal successors of each state. */
static const guint next_states[] = {
    [CKPTD_GUEST_CREATED] = S(STARTING) | S(RECOVERING) | S(ADOPTING) |
                            S(WAITING) | S(FAILED) | S(MOVED) | S(GIVEN) |
                            S(LANDING),
    [CKPTD_GUEST_STARTING] = S(RUNNING) | S(RECOVERING) | S(STOPPING) |
                             S(STOPPED) | S(EXITED) | S(FAILED) | S(WAITING) |
                             S(ROLLING_BACK) | S(ARRIVING) | S(MOVED) |
                             S(ENDING),
    [CKPTD_GUEST_RUNNING] =
        S(RECOVERING) | S(STOPPING) | S(STOPPED) | S(EXITED) | S(FAILED) |
        S(WAITING) | S(ROLLING_BACK) | S(LEAVING) | S(HANDING) | S(ENDING),
    [CKPTD_GUEST_RECOVERING] = S(RUNNING) | S(RECOVERING) | S(STOPPING) |
                               S(STOPPED) | S(EXITED) | S(FAILED) | S(WAITING) |
                               S(ROLLING_BACK) | S(ARRIVING) | S(MOVED) |
                               S(ENDING),
    [CKPTD_GUEST_ADOPTING] = S(RUNNING) | S(RECOVERING) | S(STOPPING) |
                             S(STOPPED) | S(EXITED) | S(FAILED) | S(WAITING) |
                             S(ROLLING_BACK) | S(MOVED) | S(ENDING),
    [CKPTD_GUEST_STOPPING] =
        S(STOPPED) | S(FAILED) | S(WAITING) | S(MOVED) | S(ENDING),
    [CKPTD_GUEST_STOPPED] = S(STARTING),
    [CKPTD_GUEST_EXITED] = S(STARTING),
    [CKPTD_GUEST_FAILED] =
        S(STARTING) | S(WAITING) | S(MOVED) | S(ROLLING_BACK),
    [CKPTD_GUEST_WAITING] =
        S(STARTING) | S(RECOVERING) | S(FAILED) | S(ROLLING_BACK),
    [CKPTD_GUEST_ROLLING_BACK] =
        S(STARTING) | S(STOPPING) | S(FAILED) | S(WAITING),
    [CKPTD_GUEST_HANDING] = S(GIVEN) | S(RECOVERING) | S(FAILED),
    [CKPTD_GUEST_GIVEN] = S(STOPPED) | S(RECOVERING) | S(FAILED),
    [CKPTD_GUEST_LANDING] = S(RUNNING) | S(RECOVERING) | S(STOPPED) | S(FAILED),
    [CKPTD_GUEST_ARRIVING] = S(RUNNING) | S(STOPPING) | S(FAILED) | S(WAITING) |
                             S(MOVED) | S(ENDING),
    [CKPTD_GUEST_LEAVING] = S(RUNNING) | S(ENDING) | S(STOPPING) | S(FAILED) |
                            S(WAITING) | S(MOVED),
    [CKPTD_GUEST_MOVED] = S(STARTING) | S(WAITING) | S(FAILED),
    [CKPTD_GUEST_ENDING] = S(RUNNING) | S(RECOVERING) | S(STOPPING) |
                           S(STOPPED) | S(EXITED) | S(FAILED) | S(WAITING) |
                           S(LEAVING) | S(MOVED),
};
G_STATIC_ASSERT(G_N_ELEMENTS(next_states) == CKPTD_GUEST__MAX);

/* --- state ---------------------------------------------------------------- */

/**
 * ckptd_guest_may_become() - is a state a legal successor?
 * @g: the guest
 * @next: that state
 *
 * For what a QEMU tells: it may tell anything, and is no reason to assert.
 *
 * Return: TRUE if ckptd_guest_set_state() would take it.
 */
gboolean ckptd_guest_may_become(const CkptdGuest *g,
                                enum ckptd_guest_state next)
{
    return (next_states[g->state] & (1u << next)) != 0;
}

/**
 * ckptd_guest_set_state() - the only place where the state changes
 * @g: the guest
 * @next: a legal successor
 */
void ckptd_guest_set_state(CkptdGuest *g, enum ckptd_guest_state next)
{
    g_assert(ckptd_guest_may_become(g, next));
    g_message("%s: %s -> %s%s%s", g->spec->name, state_names[g->state],
              state_names[next], g->reason ? ": " : "",
              g->reason ? g->reason : "");
    ckptd_trace("state", g->spec->name, 0, 0, "old=%s new=%s",
                state_names[g->state], state_names[next]);
    g->state = next;
    ckptd_guest_save_life(g);
    if (g->observer) {
        g->observer(g, g->observer_opaque);
    }
}

/**
 * ckptd_guest_set_reason() - why it is as it is
 * @g: the guest
 * @reason: for people, taken over; NULL = nothing to say
 */
void ckptd_guest_set_reason(CkptdGuest *g, char *reason)
{
    g_free(g->reason);
    g->reason = reason;
}

/**
 * ckptd_guest_set_timer() - the guest's one timer, in place of the one before
 * @g: the guest
 * @timeout_ms: from now
 * @func: gets @g; clears g->timer
 */
void ckptd_guest_set_timer(CkptdGuest *g, guint timeout_ms, GSourceFunc func)
{
    g_clear_handle_id(&g->timer, g_source_remove);
    g->timer = g_timeout_add(timeout_ms, func, g);
}

/**
 * ckptd_guest_answer_all() - what somebody waits for has happened
 * @waiters: become none
 * @epoch: for them
 * @error: for them, NULL when it has
 */
void ckptd_guest_answer_all(GArray *waiters, guint64 epoch, const GError *error)
{
    g_autoptr(GArray) old = g_array_copy(waiters);
    guint i;

    g_array_set_size(waiters, 0);
    for (i = 0; i < old->len; i++) {
        g_array_index(old, struct ckptd_waiter, i)
            .done(epoch, error,
                  g_array_index(old, struct ckptd_waiter, i).opaque);
    }
}

/**
 * ckptd_guest_clear_last() - forget what the last QEMU said
 * @g: the guest
 */
void ckptd_guest_clear_last(CkptdGuest *g)
{
    g_free(g->last.fatal);
    g_free(g->last.bad);
    memset(&g->last, 0, sizeof(g->last));
}

/* --- going down ----------------------------------------------------------- */

/**
 * ckptd_guest_release() - let go of everything but the files
 * @g: its QEMU is dead
 */
void ckptd_guest_release(CkptdGuest *g)
{
    g_clear_handle_id(&g->timer, g_source_remove);
    g_clear_handle_id(&g->retry, g_source_remove);
    g_clear_handle_id(&g->qemu_source, g_source_remove);
    g_assert(g->qemu.pidfd < 0);
    ckptd_guest_travel_end(g);
    if (g->session) {
        ckptd_session_stats(g->session, &g->final);
        g->final.connected = FALSE;
    }
    ckptd_guest_end_session(g);
    ckptd_guest_net_down(g, FALSE);
    if (!ckptd_guest_remove_tree(g->runtime_dir, NULL)) {
        g_warning("%s: cannot remove %s", g->spec->name, g->runtime_dir);
    }
    g->stop_pending = FALSE;
    g_clear_pointer(&g->stalled, g_free);
    ckptd_guest_clear_last(g);
}

/**
 * ckptd_guest_stall() - its session waits for the disk, or no longer
 * @g: the guest
 * @why: it waits; NULL = it goes on
 */
void ckptd_guest_stall(CkptdGuest *g, const char *why)
{
    g_free(g->stalled);
    g->stalled = g_strdup(why);
    if (why) {
        g_warning("%s: %s -> waiting: %s", g->spec->name, state_names[g->state],
                  why);
        if (g->state == CKPTD_GUEST_ADOPTING) {
            g_clear_handle_id(&g->timer, g_source_remove);
        }
    } else {
        g_message("%s: waiting -> %s: the disk works again", g->spec->name,
                  state_names[g->state]);
    }
    ckptd_trace("stall", g->spec->name, 0, 0, "waiting=%d", why != NULL);
    if (g->observer) {
        g->observer(g, g->observer_opaque);
    }
}

/**
 * ckptd_guest_go_down() - QEMU is dead and stays so
 * @g: the guest, reason set
 * @state: STOPPED, EXITED or FAILED: all is let go of; WAITING or MOVED:
 * nothing is
 */
void ckptd_guest_go_down(CkptdGuest *g, enum ckptd_guest_state state)
{
    g_autoptr(GError) error = NULL;

    if (state != CKPTD_GUEST_WAITING && state != CKPTD_GUEST_MOVED) {
        ckptd_guest_release(g);
    }
    ckptd_guest_set_state(g, state);
    g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s is %s%s%s",
                g->spec->name, state_names[state], g->reason ? ": " : "",
                g->reason ? g->reason : "");
    g_clear_pointer(&g->back_to, g_free);
    ckptd_guest_named(g, 0, error);
    ckptd_guest_answer_all(g->checkpoint_waiters, 0, error);
    ckptd_guest_answer_all(g->start_waiters, 0, error);
    ckptd_guest_answer_all(g->down_waiters, 0, NULL);
}

/* --- going up ------------------------------------------------------------- */

/* @manifest: of one that arrives, or NULL. */
static gboolean open_session(CkptdGuest *g,
                             const struct ckptd_manifest *manifest,
                             GError **error)
{
    g_autofree char *socket =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_ENGINE_SOCKET);
    g_autofree char *store = ckptd_guest_file(g, "store");
    g_autofree char *moved = ckptd_guest_file(g, "moved");
    g_autofree char *log = ckptd_guest_file(g, "console.log");
    g_autofree char *seq = ckptd_guest_file(g, "console.seq");
    g_autofree char *labels = ckptd_guest_file(g, "labels");
    g_autofree char *from = ckptd_guest_origin(g, "labels");
    struct ckptd_session_config config = {
        .socket_path = ckptd_spec_is_external(g->spec) ? NULL : socket,
        .home_dir = g->state_dir,
        .stop_on_full = g_str_equal(g->spec->on_full, "stop"),
        .store_dir = g->spec->checkpoint ? store : NULL,
        .labels_dir = labels,
        .from_dir = from,
        .moved_path = moved,
        .log_path = log,
        .seq_path = seq,
        .ended_epoch = g->ended_epoch,
        .hold_bytes = (guint64)g->spec->hold_mib << 20,
        .min_interval_us = g->spec->min_interval_us,
        .max_interval_ms = g->spec->max_interval_ms,
        .notify = ckptd_notes_take,
    };

    g_assert(!g->session);
    if (!ckptd_paths_make_dir(g->runtime_dir, error) ||
        !ckptd_guest_identities(g, &config, error)) {
        return FALSE;
    }
    g_strlcpy(config.manifest.uuid, g->spec->uuid,
              sizeof(config.manifest.uuid));
    g_strlcpy(config.manifest.name, g->spec->name,
              sizeof(config.manifest.name));
    config.manifest.ram_bytes = (guint64)g->spec->memory_mib << 20;
    if (manifest) {
        config.manifest = *manifest;
        config.arriving = TRUE;
    }
    config.opaque = ckptd_notes_open(&g->notes, g);
    g->session = ckptd_session_new(&config, error);
    return g->session != NULL;
}

/**
 * ckptd_guest_end_session() - have no session; nothing that it told is heard
 * @g: any
 *
 * Context: main thread; waits for what is being written.
 */
void ckptd_guest_end_session(CkptdGuest *g)
{
    ckptd_notes_close(&g->notes);
    g_clear_pointer(&g->session, ckptd_session_free);
}

/**
 * ckptd_guest_open_session() - have all ready for a QEMU but a generation
 * @g: without a session
 * @error: set on failure
 *
 * Return: TRUE when there is one.
 */
gboolean ckptd_guest_open_session(CkptdGuest *g, GError **error)
{
    return open_session(g, NULL, error);
}

/**
 * ckptd_guest_open_arriving() - likewise, for one that comes from another host
 * @g: without a session
 * @manifest: that the other host keeps
 * @error: set on failure
 *
 * Return: TRUE when there is one.
 */
gboolean ckptd_guest_open_arriving(CkptdGuest *g,
                                   const struct ckptd_manifest *manifest,
                                   GError **error)
{
    return open_session(g, manifest, error);
}

/**
 * ckptd_guest_end_qemu() - have no QEMU
 * @g: any
 *
 * Context: main thread; waits for its end.
 */
void ckptd_guest_end_qemu(CkptdGuest *g)
{
    g_clear_handle_id(&g->qemu_source, g_source_remove);
    ckptd_process_kill(&g->qemu, SIGKILL);
    if (g->qemu.pidfd >= 0) {
        ckptd_process_wait(&g->qemu, -1);
        g_free(ckptd_process_reap(&g->qemu));
    }
}

/* @ret_executed: there was one, if only for a moment; it is dead by now. */
static gboolean start_qemu(CkptdGuest *g, gboolean *ret_executed,
                           GError **error)
{
    g_autofree char *bundle = ckptd_guest_file(g, "bundle");
    g_autofree char *log = ckptd_guest_file(g, "qemu.log");
    gboolean ok;
    int ends[2];
    guint i;

    *ret_executed = FALSE;
    if (!ckptd_guest_net_up(g, ends, error)) {
        return FALSE;
    }
    ok = ckptd_launch_qemu(g->spec, bundle, g->runtime_dir, log, ends[0],
                           &g->qemu, error);
    *ret_executed = ok;
    if (ok) {
        ckptd_trace("launched", g->spec->name, 0, 0, "pid=%d",
                    (int)g->qemu.pid);
        ckptd_session_expect(g->session, g->qemu.pid, FALSE);
        ckptd_trace_may_stop("executed");
        ok = ckptd_guest_net_join(g, ends, error);
    }
    if (!ok) {
        ckptd_guest_end_qemu(g);
    }
    for (i = 0; i < G_N_ELEMENTS(ends); i++) {
        if (ends[i] >= 0) {
            close(ends[i]);
        }
    }
    return ok;
}

static gboolean execute_qemu(CkptdGuest *g, gboolean *ret_executed,
                             GError **error)
{
    if (!start_qemu(g, ret_executed, error)) {
        return FALSE;
    }
    ckptd_guest_watch_qemu(g);
    return TRUE;
}

/**
 * ckptd_guest_launch_arriving() - start a QEMU that waits for its guest
 * @g: arriving, with a session
 * @error: set on failure
 *
 * Return: TRUE when it was started.
 */
gboolean ckptd_guest_launch_arriving(CkptdGuest *g, GError **error)
{
    gboolean executed;

    ckptd_guest_clear_last(g);
    return execute_qemu(g, &executed, error);
}

static gboolean on_retry(gpointer opaque)
{
    CkptdGuest *g = opaque;

    g->retry = 0;
    ckptd_guest_launch(g);
    return G_SOURCE_REMOVE;
}

/*
 * QEMU is being upgraded, memory is short: that ends, and until then the guest
 * loses nothing, for store and hold stay ours.
 */
static void retry_later(CkptdGuest *g, const char *why)
{
    char *reason = g_strdup_printf("%s; it is tried again until it works, or "
                                   "`ckptctl kill %s` says otherwise",
                                   why, g->spec->name);

    if (g_strcmp0(g->reason, reason)) {
        g_warning("%s: %s", g->spec->name, reason);
    }
    ckptd_guest_set_reason(g, reason);
    g->retry_ms = CLAMP(2 * g->retry_ms, RETRY_MIN_MS, RETRY_MAX_MS);
    g->retry = g_timeout_add(g->retry_ms, on_retry, g);
}

/**
 * ckptd_guest_between() - does it wait to be launched once more?
 * @g: any; if so it does not wait any longer
 *
 * For who wants it to do something else, and would wait for QEMU's death.
 *
 * Return: TRUE if so: there is no QEMU.
 */
gboolean ckptd_guest_between(CkptdGuest *g)
{
    gboolean waits = g->retry != 0;

    g_clear_handle_id(&g->retry, g_source_remove);
    return waits;
}

/**
 * ckptd_guest_launch() - start the next generation
 * @g: its last QEMU is dead
 *
 * QEMU boots while the session prepares. A guest that recovers, and whose QEMU
 * cannot be executed, stays as it is, and it is tried again.
 */
void ckptd_guest_launch(CkptdGuest *g)
{
    g_autoptr(GError) error = NULL;
    gboolean executed;

    g_assert(g->qemu.pidfd < 0); /* F1 */
    ckptd_guest_clear_last(g);
    ckptd_session_prepare(g->session);
    if (execute_qemu(g, &executed, &error)) {
        g->retry_ms = 0;
    } else if (g->state == CKPTD_GUEST_RECOVERING && !executed) {
        retry_later(g, error->message);
    } else {
        ckptd_guest_set_reason(g, g_strdup(error->message));
        ckptd_guest_go_down(g, CKPTD_GUEST_FAILED);
    }
}

static char *crash_loop_report(CkptdGuest *g, guint64 epoch, const char *why)
{
    return g_strdup_printf("crash loop: %u recoveries in a row got no further "
                           "than epoch %" PRIu64 "; the last: %s. See "
                           "`ckptctl logs %s` and %s/qemu.log; `ckptctl "
                           "recover %s` tries again",
                           FRUITLESS_MAX, epoch, why, g->spec->name,
                           g->state_dir, g->spec->name);
}

/**
 * ckptd_guest_is_fruitless() - QEMU crashed: is it worth another try?
 * @g: with a session; on FALSE the try is counted
 * @why: of the crash
 *
 * While the disk takes nothing no try is counted: none could be durable.
 *
 * Return: TRUE when FRUITLESS_MAX tries in a row made no durable epoch; then
 * the reason is a report.
 */
gboolean ckptd_guest_is_fruitless(CkptdGuest *g, const char *why)
{
    struct ckptd_session_stats stats;

    ckptd_session_stats(g->session, &stats);
    if (stats.committed > g->floor_epoch) {
        g->fruitless = 0;
        g->floor_epoch = stats.committed;
    }
    if (g->fruitless >= FRUITLESS_MAX) {
        ckptd_guest_set_reason(g, crash_loop_report(g, stats.committed, why));
        return TRUE;
    }
    g->fruitless += !g->stalled;
    return FALSE;
}

/**
 * ckptd_guest_recover() - go on from the last checkpoint
 * @g: its QEMU is dead
 * @why: for people
 */
void ckptd_guest_recover(CkptdGuest *g, const char *why)
{
    g_autoptr(GError) error = NULL;

    if (!g->session && !ckptd_guest_open_session(g, &error)) {
        ckptd_guest_set_reason(g, g_strdup(error->message));
        ckptd_guest_go_down(g, CKPTD_GUEST_FAILED);
        return;
    }
    if (!g->spec->checkpoint) {
        ckptd_guest_set_reason(g,
                               g_strdup_printf("%s; there are no checkpoints "
                                               "to recover from",
                                               why));
        ckptd_guest_go_down(g, CKPTD_GUEST_FAILED);
        return;
    }
    if (ckptd_guest_is_fruitless(g, why)) {
        ckptd_guest_go_down(g, CKPTD_GUEST_FAILED);
        return;
    }
    g->recoveries++;
    ckptd_guest_set_reason(g, g_strdup(why));
    ckptd_guest_set_state(g, CKPTD_GUEST_RECOVERING);
    ckptd_guest_launch(g);
}

/**
 * ckptd_guest_start() - first boot, or start again from the last checkpoint
 * @g: down
 * @error: set when it cannot even be tried
 *
 * Return: TRUE when QEMU was started.
 */
gboolean ckptd_guest_start(CkptdGuest *g, GError **error)
{
    if (!ckptd_guest_is_down(g)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY, "%s is %s",
                    g->spec->name, state_names[g->state]);
        return FALSE;
    }
    if (!ckptd_limits_room(g->spec->name, error)) {
        return FALSE;
    }
    if (ckptd_spec_is_external(g->spec)) {
        return ckptd_guest_external_start(g, error);
    }
    if ((g->ended_epoch && !ckptd_guest_readdress(g, error)) ||
        !ckptd_guest_open_session(g, error)) {
        return FALSE;
    }
    g->fruitless = 0;
    g->floor_epoch = 0;
    g->has_exit_status = FALSE;
    g_clear_pointer(&g->panic, g_free);
    ckptd_guest_set_reason(g, NULL);
    ckptd_guest_set_state(g, CKPTD_GUEST_STARTING);
    ckptd_guest_launch(g);
    if (g->state == CKPTD_GUEST_FAILED) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s", g->reason);
        return FALSE;
    }
    return TRUE;
}

static gboolean adopt_timeout(gpointer opaque)
{
    CkptdGuest *g = opaque;

    g->timer = 0;
    g_warning("%s: QEMU runs but does not reconnect", g->spec->name);
    ckptd_process_kill(&g->qemu, SIGKILL);
    return G_SOURCE_REMOVE;
}

static void end_leftovers(CkptdGuest *g)
{
    ckptd_guest_end_qemu(g);
    ckptd_guest_release(g);
}

/**
 * ckptd_guest_resume() - go on where an earlier ckptd left off
 * @g: just loaded
 *
 * A QEMU that runs is waited for: it keeps its epochs and reconnects (E3, G3).
 * One that does not is recovered from the store.
 */
void ckptd_guest_resume(CkptdGuest *g)
{
    g_autoptr(GError) error = NULL;

    if (ckptd_spec_is_external(g->spec)) {
        ckptd_guest_external_resume(g);
        return;
    }
    if (ckptd_guest_travel_resume(g)) {
        ckptd_guest_end_qemu(g); /* it stands still */
        return;
    }
    if (!g->wanted_up) {
        if (!ckptd_guest_settle_resume(g)) {
            end_leftovers(g);
        }
        return;
    }
    if (!ckptd_guest_net_resume(g)) {
        ckptd_guest_end_qemu(g);
    }
    if (!ckptd_guest_open_session(g, &error)) {
        ckptd_guest_set_reason(g, g_strdup(error->message));
        end_leftovers(g);
        ckptd_guest_set_state(g, CKPTD_GUEST_FAILED);
    } else if (g->qemu.pidfd >= 0) {
        ckptd_guest_watch_qemu(g);
        ckptd_session_expect(g->session, g->qemu.pid, TRUE);
        ckptd_guest_set_state(g, CKPTD_GUEST_ADOPTING);
        ckptd_guest_set_timer(g, ADOPT_TIMEOUT_MS, adopt_timeout);
    } else {
        g->recoveries++;
        ckptd_guest_set_reason(g,
                               g_strdup("ckptd came back and found no QEMU"));
        ckptd_guest_set_state(g, CKPTD_GUEST_RECOVERING);
        ckptd_guest_launch(g);
    }
}

/**
 * ckptd_guest_leave() - ckptd ends, the guest goes on without it
 * @g: any
 *
 * QEMU runs on with its gate shut and waits for the next ckptd.
 */
void ckptd_guest_leave(CkptdGuest *g)
{
    g_clear_handle_id(&g->timer, g_source_remove);
    g_clear_handle_id(&g->retry, g_source_remove);
    g_clear_handle_id(&g->qemu_source, g_source_remove);
    ckptd_guest_travel_end(g);
    if (g->state == CKPTD_GUEST_ARRIVING) {
        ckptd_guest_end_qemu(g);
    }
    ckptd_guest_end_session(g);
    ckptd_process_clear(&g->qemu);
    ckptd_guest_net_leave(g);
    ckptd_guest_external_close(g, FALSE);
}

/**
 * ckptd_guest_is_down() - does nothing of it run?
 * @g: any
 *
 * Return: TRUE if so.
 */
gboolean ckptd_guest_is_down(const CkptdGuest *g)
{
    return (DOWN & (1u << g->state)) != 0;
}

/**
 * ckptd_guest_state_name() - its state for people and programs
 * @g: any
 *
 * Return: a word.
 */
const char *ckptd_guest_state_name(const CkptdGuest *g)
{
    return g->stalled ? state_names[CKPTD_GUEST_WAITING]
                      : state_names[g->state];
}
