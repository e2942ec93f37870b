/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-ending.c - a guest whose program has ended
 *
 * On Linux the kernel outlives a program and delivers what it sent. Here the
 * guest does that, and says so by CKPT_OUTPUT_ENDING; a crash in that time is
 * recovered like any other. When all is acknowledged QEMU ends by the program's
 * exit. With user-mode networking it was ckpt-netd that acknowledged: what slow
 * peers have not taken lies there, and it goes on alone (settling).
 *
 * Nothing but the peers ends that. SIGTERM has no program any more to go to, and
 * the time that a stop gives is the program's.
 */
#include "ckptd/ckptd-guest-internal.h"

/**
 * ckptd_guest_up_state() - how a guest is whose QEMU runs it
 * @g: the guest
 *
 * Return: RUNNING or ENDING.
 */
enum ckptd_guest_state ckptd_guest_up_state(const CkptdGuest *g)
{
    return g->ending ? CKPTD_GUEST_ENDING : CKPTD_GUEST_RUNNING;
}

/**
 * ckptd_guest_program_ended() - the guest goes on for its peers only
 * @g: the guest; its QEMU has said so
 */
void ckptd_guest_program_ended(CkptdGuest *g)
{
    g->ending = TRUE;
    if (g->state == CKPTD_GUEST_RUNNING ||
        (g->state == CKPTD_GUEST_STOPPING && g->stop_pending)) {
        g_clear_handle_id(&g->timer, g_source_remove);
        ckptd_guest_set_state(g, CKPTD_GUEST_ENDING);
    }
}

/**
 * ckptd_guest_was_reset() - it boots, and so has a program again
 * @g: the guest
 */
void ckptd_guest_was_reset(CkptdGuest *g)
{
    g->ending = FALSE;
    if (g->state == CKPTD_GUEST_ENDING) {
        ckptd_guest_set_state(g, CKPTD_GUEST_RUNNING);
    }
}

/**
 * ckptd_guest_is_settling() - is its ckpt-netd all that there is of it?
 * @g: any
 *
 * Return: TRUE if so.
 */
gboolean ckptd_guest_is_settling(const CkptdGuest *g)
{
    return g->state == CKPTD_GUEST_ENDING && g->qemu.pidfd < 0;
}

/**
 * ckptd_guest_settle() - QEMU is dead, it had said that the guest is done
 * @g: the guest
 */
void ckptd_guest_settle(CkptdGuest *g)
{
    if (!ckptd_guest_net_drain(g)) {
        ckptd_guest_settled(g);
    } else if (g->state == CKPTD_GUEST_ENDING) {
        ckptd_guest_save_life(g);
    } else {
        g_clear_handle_id(&g->timer, g_source_remove);
        ckptd_guest_set_state(g, CKPTD_GUEST_ENDING);
    }
}

/**
 * ckptd_guest_settled() - nothing is left to be done for its peers
 * @g: the guest; its QEMU is dead
 */
void ckptd_guest_settled(CkptdGuest *g)
{
    ckptd_guest_go_down(g, g->stop_pending ? CKPTD_GUEST_STOPPED
                                           : CKPTD_GUEST_EXITED);
}

/**
 * ckptd_guest_settle_resume() - go on where an earlier ckptd left off
 * @g: just loaded, not to be up; what there is of it was looked for
 *
 * Return: TRUE when its ckpt-netd is at work for it.
 */
gboolean ckptd_guest_settle_resume(CkptdGuest *g)
{
    if (!ckptd_guest_is_settling(g)) {
        return FALSE;
    }
    if (g->netd.pidfd >= 0) {
        ckptd_guest_net_watch(g);
    }
    ckptd_guest_settle(g);
    return TRUE;
}
