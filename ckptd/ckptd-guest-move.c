/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-move.c - external guests that QEMU's own migration moves
 *
 * The session decides and notes (ckptd-session-move.c); here is what the guest's
 * state makes of it, and how an operator decides what nobody here can know.
 */
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-moved.h"

static char *moved_file(CkptdGuest *g)
{
    return ckptd_guest_file(g, "moved");
}

static void explain(CkptdGuest *g)
{
    static const char *const what[] = {
        [CKPT_MOVE_LEAVING] = "is being sent to another QEMU",
        [CKPT_MOVE_UNKNOWN] = "was sent to another QEMU, and it is not known "
                              "whether it runs there",
        [CKPT_MOVE_MOVED] = "runs in another QEMU",
    };

    ckptd_guest_set_reason(
        g, g_strdup_printf("%s %s; if it does not, `ckptctl reclaim %s` lets "
                           "it go on here",
                           g->spec->name, what[g->move_phase], g->spec->name));
}

/**
 * ckptd_guest_move_load() - see whether the guest had left
 * @g: external, just loaded
 */
void ckptd_guest_move_load(CkptdGuest *g)
{
    g_autofree char *path = moved_file(g);
    g_autofree char *store = ckptd_guest_file(g, "store");
    struct ckptd_moved moved;

    ckptd_moved_load(path, store, &moved);
    g->move_phase = moved.phase;
}

/**
 * ckptd_guest_move_rest() - nothing runs: what does the guest wait for?
 * @g: external; its reason is set where it has left
 *
 * Return: WAITING or MOVED.
 */
enum ckptd_guest_state ckptd_guest_move_rest(CkptdGuest *g)
{
    if (!g->move_phase) {
        return CKPTD_GUEST_WAITING;
    }
    if (g->move_phase == CKPT_MOVE_LEAVING) {
        g->move_phase = CKPT_MOVE_UNKNOWN; /* it did not live to tell */
    }
    explain(g);
    return CKPTD_GUEST_MOVED;
}

/**
 * ckptd_guest_move_said() - its QEMU tells how it leaves
 * @g: external
 * @phase: enum ckpt_move_phase, already noted
 */
void ckptd_guest_move_said(CkptdGuest *g, guint phase)
{
    enum ckptd_guest_state next = CKPTD_GUEST_LEAVING;

    if (phase == CKPT_MOVE_STAYS) {
        g->move_phase = 0;
        ckptd_guest_set_reason(g, NULL);
        next = ckptd_guest_up_state(g);
    } else {
        g->move_phase = phase;
        explain(g);
    }
    if (g->state != ckptd_guest_up_state(g) &&
        g->state != CKPTD_GUEST_LEAVING) {
        return; /* it is being stopped, say */
    }
    if (g->state != next) {
        ckptd_guest_set_state(g, next);
    }
}

/**
 * ckptd_guest_move_arriving() - its QEMU waits for it to come in
 * @g: external, starting
 */
void ckptd_guest_move_arriving(CkptdGuest *g)
{
    g_clear_handle_id(&g->timer, g_source_remove);
    if (g->state != CKPTD_GUEST_STOPPING) {
        ckptd_guest_set_reason(g, NULL);
        ckptd_guest_set_state(g, CKPTD_GUEST_ARRIVING);
    }
}

/**
 * ckptd_guest_move_arrived() - it is here
 * @g: external, arriving
 */
void ckptd_guest_move_arrived(CkptdGuest *g)
{
    g->move_phase = 0;
    g->crashed = FALSE;
    g->ended_epoch = 0;
}

/**
 * ckptd_guest_reclaim() - an operator says that the guest runs nowhere else
 * @g: any
 * @error: set when it has not left, or is only about to
 *
 * Return: TRUE when it goes on here, or waits for its QEMU to do so.
 */
gboolean ckptd_guest_reclaim(CkptdGuest *g, GError **error)
{
    g_autofree char *path = moved_file(g);

    if ((g->state != CKPTD_GUEST_LEAVING && g->state != CKPTD_GUEST_MOVED) ||
        g->move_phase == CKPT_MOVE_LEAVING) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY, "%s is %s%s",
                    g->spec->name, ckptd_guest_state_name(g),
                    g->state == CKPTD_GUEST_LEAVING
                        ? ", and its QEMU still sends: cancel that"
                        : ": there is nothing to reclaim");
        return FALSE;
    }
    if (g->state == CKPTD_GUEST_LEAVING) {
        return ckptd_session_send(g->session, CKPT_MSG_STAY, NULL, 0, error);
    }
    if (!ckptd_moved_clear(path, error)) {
        return FALSE;
    }
    g->move_phase = 0;
    g->crashed = TRUE; /* it goes on from its last checkpoint here */
    ckptd_guest_set_reason(g, g_strdup("reclaimed"));
    ckptd_guest_set_state(g, CKPTD_GUEST_WAITING);
    ckptd_guest_libvirt_waiting(g);
    return TRUE;
}
