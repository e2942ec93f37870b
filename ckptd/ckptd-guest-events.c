/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-events.c - what a guest's session and QEMU's death tell of it
 *
 * QEMU's death is worked on in two steps. The pidfd says that it is gone, which
 * is the fence (F1); then the session is asked to drain the socket, because the
 * last EPOCH, the program's exit and BYE may still lie in it. Only then it is
 * decided what the death means. What the session tells comes from its thread,
 * brought to the main thread by an idle source.
 */
#include <glib-unix.h>
#include <signal.h>
#include <string.h>

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-move.h"
#include "ckptd/ckptd-trace.h"

/* --- death ---------------------------------------------------------------- */

static char *last_line(CkptdGuest *g, const char *name)
{
    g_autofree char *path = ckptd_guest_file(g, name);
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return g_strdup("");
    }
    line = strrchr(g_strchomp(text), '\n');
    return g_utf8_make_valid(line ? line + 1 : text, -1);
}

/* What QEMU's death means, now that all it said is known. */
static void judge(CkptdGuest *g, const char *how)
{
    g_autofree char *line = NULL;
    g_autofree char *why = NULL;
    struct ckptd_session_stats stats;

    ckptd_session_stats(g->session, &stats);
    if (ckptd_guest_travel_judge(g, how)) {
        return;
    }
    if (g->last.exited) {
        g->has_exit_status = TRUE;
        g->exit_status = g->last.exit_status;
        g->ended_epoch = ckptd_session_end_line(g->session);
        g->ending = FALSE;
    }
    if (g->state == CKPTD_GUEST_ROLLING_BACK) {
        ckptd_guest_rolled_back(g);
    } else if (ckptd_spec_is_external(g->spec)) {
        ckptd_guest_external_judge(g);
    } else if (g->last.fatal) {
        ckptd_guest_set_reason(g, g_strdup(g->last.fatal));
        ckptd_guest_go_down(g, g->state == CKPTD_GUEST_STOPPING
                                   ? CKPTD_GUEST_STOPPED
                                   : CKPTD_GUEST_FAILED);
    } else if (g->last.exited &&
               (g->stop_pending || g->state != CKPTD_GUEST_STOPPING)) {
        ckptd_guest_settle(g);
    } else if (g->state == CKPTD_GUEST_STOPPING) {
        ckptd_guest_go_down(g, CKPTD_GUEST_STOPPED);
    } else if (g->last.bye == CKPT_BYE_SHUTDOWN) {
        ckptd_guest_set_reason(g, g_strdup("powered off from inside"));
        ckptd_guest_go_down(g, CKPTD_GUEST_STOPPED);
    } else if (g->state == CKPTD_GUEST_STARTING && !g->last.welcomed &&
               stats.committed == 0) {
        /* It never ran, so there is nothing that trying again could save. */
        line = last_line(g, "qemu.log");
        ckptd_guest_set_reason(
            g,
            g_strdup_printf("QEMU %s before it reached ckptd: %s", how, line));
        ckptd_guest_go_down(g, CKPTD_GUEST_FAILED);
    } else {
        why = g_strdup_printf("QEMU %s%s%s", how, g->last.bad ? ": " : "",
                              g->last.bad ? g->last.bad : "");
        ckptd_guest_recover(g, why);
    }
}

static gboolean on_qemu_death(gint fd G_GNUC_UNUSED,
                              GIOCondition condition G_GNUC_UNUSED,
                              gpointer opaque)
{
    CkptdGuest *g = opaque;

    g->died_ns = ckptd_trace_now().monotonic_ns;
    g->qemu_source = 0;
    ckptd_trace("died", g->spec->name, 0, 0, "pid=%d", (int)g->qemu.pid);
    ckptd_session_drain(g->session);
    return G_SOURCE_REMOVE;
}

/**
 * ckptd_guest_watch_qemu() - be told of QEMU's death
 * @g: with a pidfd
 */
void ckptd_guest_watch_qemu(CkptdGuest *g)
{
    g->qemu_source = g_unix_fd_add_full(G_PRIORITY_HIGH, g->qemu.pidfd, G_IO_IN,
                                        on_qemu_death, g, NULL);
}

/* --- the session's events ------------------------------------------------- */

/*
 * What a QEMU says is checked by the session's thread against what it said
 * before. Here it meets what has been done to the guest since: where the two do
 * not go together that QEMU is ended, and the guest goes on by its death.
 */
static void on_bad_peer(CkptdGuest *g, const char *how)
{
    g_free(g->last.bad);
    g->last.bad = g_strdup(how);
    if (!ckptd_guest_external_refused(g, 0)) {
        ckptd_process_kill(&g->qemu, SIGKILL);
    }
}

static gboolean is_due(CkptdGuest *g, enum ckptd_guest_state next,
                       const char *what)
{
    g_autofree char *how = NULL;

    if (ckptd_guest_may_become(g, next)) {
        return TRUE;
    }
    how = g_strdup_printf("QEMU %s while the guest was %s", what,
                          ckptd_guest_state_name(g));
    g_warning("%s: %s", g->spec->name, how);
    on_bad_peer(g, how);
    return FALSE;
}

/* What was asked for before, and may not have been heard. */
static void ask_again(CkptdGuest *g)
{
    if (g->checkpoint_waiters->len || g->naming) {
        ckptd_session_checkpoint(g->session, NULL);
    }
}

static void on_welcomed(CkptdGuest *g)
{
    guint64 now_ns = ckptd_trace_now().monotonic_ns;

    g->last.welcomed = TRUE;
    if (g->died_ns) {
        ckptd_histogram_add(&g->recovery_us, (now_ns - g->died_ns) / 1000);
        g->died_ns = 0;
    }
    if (g->state == CKPTD_GUEST_STOPPING || g->state == CKPTD_GUEST_RUNNING ||
        g->state == CKPTD_GUEST_ENDING ||
        g->state == CKPTD_GUEST_ROLLING_BACK ||
        g->state == CKPTD_GUEST_LEAVING || g->state == CKPTD_GUEST_HANDING) {
        /* RECONNECT of one that was running all the time */
        if (g->state == CKPTD_GUEST_RUNNING) {
            ask_again(g);
        }
        return;
    }
    if (!is_due(g, ckptd_guest_up_state(g), "was welcomed")) {
        return;
    }
    g_clear_handle_id(&g->timer, g_source_remove);
    ckptd_guest_external_welcomed(g);
    ckptd_guest_line_began(g);
    ckptd_guest_set_reason(g, NULL);
    ckptd_guest_set_state(g, ckptd_guest_up_state(g));
    ckptd_guest_answer_all(g->start_waiters, 0, NULL);
    if (g->stop_pending && !g->ending) {
        ckptd_guest_stop_now(g);
    } else {
        ask_again(g);
    }
}

static void on_arriving(CkptdGuest *g)
{
    if (g->state == CKPTD_GUEST_STOPPING ||
        is_due(g, CKPTD_GUEST_ARRIVING, "wants the guest to come")) {
        ckptd_guest_move_arriving(g);
    }
}

static void take_text(char **slot, const char *text)
{
    if (text && text[0]) {
        g_free(*slot);
        *slot = g_strdup(text);
    }
}

static void on_named(CkptdGuest *g, const struct ckptd_session_event *event)
{
    g_autoptr(GError) error = NULL;

    if (event->text) {
        g_set_error_literal(&error, CKPTD_ERROR, event->number, event->text);
    }
    ckptd_guest_named(g, event->number, error);
}

static void on_failed(CkptdGuest *g, const struct ckptd_session_event *event)
{
    if (ckptd_spec_is_external(g->spec) && g->qemu.pidfd < 0) {
        /* It could not step back. */
        ckptd_guest_set_reason(g, g_strdup(event->text));
        ckptd_guest_external_fail(g);
    } else if (ckptd_guest_external_refused(g, event->number)) {
        take_text(&g->last.bad, event->text);
    } else {
        take_text(&g->last.fatal, event->text);
        ckptd_process_kill(&g->qemu, SIGKILL);
    }
}

/**
 * ckptd_guest_on_event() - its session has told something
 * @g: with a session
 * @event: what
 *
 * Context: main thread.
 */
void ckptd_guest_on_event(CkptdGuest *g,
                          const struct ckptd_session_event *event)
{
    g_autofree char *how = NULL;

    switch (event->type) {
    case CKPTD_SESSION_WELCOMED:
        on_welcomed(g);
        break;
    case CKPTD_SESSION_ARRIVING:
        on_arriving(g);
        break;
    case CKPTD_SESSION_ARRIVED:
        ckptd_guest_move_arrived(g);
        on_welcomed(g);
        break;
    case CKPTD_SESSION_MOVE:
        ckptd_guest_move_said(g, event->number);
        break;
    case CKPTD_SESSION_ENDING:
        ckptd_guest_program_ended(g);
        break;
    case CKPTD_SESSION_RESET:
        ckptd_guest_was_reset(g);
        break;
    case CKPTD_SESSION_EXIT:
        g->last.exited = TRUE;
        g->last.exit_status = event->number;
        break;
    case CKPTD_SESSION_PANIC:
        take_text(&g->panic, event->text);
        take_text(&g->last.bad, "the guest's kernel panicked, see its log");
        break;
    case CKPTD_SESSION_BYE:
        g->last.bye = event->number;
        take_text(&g->last.bad, event->text);
        break;
    case CKPTD_SESSION_COMMITTED:
        ckptd_guest_answer_all(g->checkpoint_waiters, event->number, NULL);
        break;
    case CKPTD_SESSION_NAMED:
        on_named(g, event);
        break;
    case CKPTD_SESSION_BAD_PEER:
        on_bad_peer(g, event->text);
        break;
    case CKPTD_SESSION_FAILED:
        on_failed(g, event);
        break;
    case CKPTD_SESSION_WAITING:
        ckptd_guest_stall(g, event->text);
        break;
    case CKPTD_SESSION_GOES_ON:
        ckptd_guest_stall(g, NULL);
        break;
    case CKPTD_SESSION_DRAINED:
        how = ckptd_process_reap(&g->qemu);
        judge(g, how);
        break;
    case CKPTD_SESSION_FROZEN:
        ckptd_guest_travel_frozen(g);
        break;
    case CKPTD_SESSION_AGREED:
        ckptd_move_in_agreed(g->in);
        break;
    case CKPTD_SESSION_ROLLED_BACK:
        ckptd_guest_external_rolled_back(g);
        break;
    }
}
