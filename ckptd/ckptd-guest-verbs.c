/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-verbs.c - what may be asked of a guest
 *
 * Stop, kill, crash, checkpoint: each begins something that the state machine
 * (ckptd-guest.c) finishes, and answers when it is finished.
 */
#include <signal.h>

#include "abi/ckpt-nic.h"
#include "ckptd/ckptd-guest-internal.h"

#define QUIT_TIMEOUT_MS 2000u

static void wait_for(GArray *waiters, CkptdGuestDone done, gpointer opaque)
{
    struct ckptd_waiter waiter = { done, opaque };

    if (done) {
        g_array_append_val(waiters, waiter);
    }
}

static gboolean kill_timeout(gpointer opaque)
{
    CkptdGuest *g = opaque;

    g->timer = 0;
    ckptd_process_kill(&g->qemu, SIGKILL);
    return G_SOURCE_REMOVE;
}

static gboolean quit_timeout(gpointer opaque)
{
    CkptdGuest *g = opaque;

    g->timer = 0;
    g->stop_pending = FALSE;
    g_message("%s: did not end in time, powering it off", g->spec->name);
    if (ckptd_guest_between(g)) {
        ckptd_guest_go_down(g, CKPTD_GUEST_STOPPED);
        return G_SOURCE_REMOVE;
    }
    if (g->state != CKPTD_GUEST_STOPPING) {
        ckptd_guest_set_state(g, CKPTD_GUEST_STOPPING);
    }
    if (ckptd_session_send(g->session, CKPT_MSG_QUIT, NULL, 0, NULL)) {
        ckptd_guest_set_timer(g, QUIT_TIMEOUT_MS, kill_timeout);
    } else {
        ckptd_process_kill(&g->qemu, SIGKILL);
    }
    return G_SOURCE_REMOVE;
}

/**
 * ckptd_guest_stop_now() - SIGTERM to the program of a guest that runs
 * @g: welcomed; stop_timeout_ms is set
 */
void ckptd_guest_stop_now(CkptdGuest *g)
{
    struct ckpt_mbox sigterm = { .kind = CKPT_MBOX_SIGTERM };
    g_autoptr(GError) error = NULL;

    ckptd_guest_set_state(g, CKPTD_GUEST_STOPPING);
    if (!g->timer) {
        ckptd_guest_set_timer(g, g->stop_timeout_ms, quit_timeout);
    }
    if (!ckptd_session_send(g->session, CKPT_MSG_MAILBOX, &sigterm,
                            sizeof(sigterm), &error)) {
        g_message("%s: %s", g->spec->name, error->message);
    }
}

/**
 * ckptd_guest_when_started() - wait until a guest that was started runs
 * @g: started
 * @done: told when it runs, or that it does not
 * @opaque: for it
 */
void ckptd_guest_when_started(CkptdGuest *g, CkptdGuestDone done,
                              gpointer opaque)
{
    g_assert(!ckptd_guest_is_down(g));
    wait_for(g->start_waiters, done, opaque);
}

/**
 * ckptd_guest_stop() - SIGTERM to the program, power off after a while
 * @g: any; nothing is done to one that is down
 * @timeout_ms: how long the program may take
 * @done: told when the guest is down
 * @opaque: for it
 *
 * What the program sent before its end is delivered, however long that takes.
 */
void ckptd_guest_stop(CkptdGuest *g, guint timeout_ms, CkptdGuestDone done,
                      gpointer opaque)
{
    g_autoptr(GError) error = NULL;

    if (ckptd_guest_is_down(g)) {
        done(0, NULL, opaque);
        return;
    }
    if (ckptd_guest_travel_refuses(g, &error)) {
        done(0, error, opaque);
        return;
    }
    wait_for(g->down_waiters, done, opaque);
    if (g->state == CKPTD_GUEST_STOPPING) {
        return;
    }
    g->stop_pending = TRUE;
    g->stop_timeout_ms = timeout_ms;
    if (g->state == CKPTD_GUEST_RUNNING) {
        ckptd_guest_stop_now(g);
    } else if (!g->ending && !ckptd_guest_is_settling(g)) {
        /* Nobody to tell it to yet: WELCOME will find this. */
        ckptd_guest_set_timer(g, timeout_ms, quit_timeout);
    }
}

/**
 * ckptd_guest_kill() - off now, stays down, store kept
 * @g: any; nothing is done to one that is down
 * @done: told when the guest is down, or NULL
 * @opaque: for it
 */
void ckptd_guest_kill(CkptdGuest *g, CkptdGuestDone done, gpointer opaque)
{
    g_autoptr(GError) error = NULL;

    ckptd_guest_libvirt_give_up(g);
    if (ckptd_guest_is_down(g)) {
        if (done) {
            done(0, NULL, opaque);
        }
        return;
    }
    if (ckptd_guest_travel_refuses(g, &error)) {
        if (done) {
            done(0, error, opaque);
        }
        return;
    }
    wait_for(g->down_waiters, done, opaque);
    g->stop_pending = FALSE;
    if (g->state != CKPTD_GUEST_STOPPING) {
        ckptd_guest_set_reason(g, g_strdup("killed"));
    }
    if (ckptd_guest_is_settling(g) || ckptd_guest_between(g)) {
        ckptd_guest_go_down(g, CKPTD_GUEST_STOPPED);
        return;
    }
    if (g->state != CKPTD_GUEST_STOPPING) {
        ckptd_guest_set_state(g, CKPTD_GUEST_STOPPING);
    }
    ckptd_process_kill(&g->qemu, SIGKILL);
}

/**
 * ckptd_guest_crash() - SIGKILL to QEMU as a fault: it recovers
 * @g: any
 * @error: set when there is no QEMU to kill
 *
 * Return: TRUE when killed.
 */
gboolean ckptd_guest_crash(CkptdGuest *g, GError **error)
{
    if (g->qemu.pidfd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s is %s: no QEMU runs", g->spec->name,
                    ckptd_guest_state_name(g));
        return FALSE;
    }
    ckptd_process_kill(&g->qemu, SIGKILL);
    return TRUE;
}

/**
 * ckptd_guest_checkpoint() - take a checkpoint
 * @g: any
 * @done: told when it is durable, or that it cannot be
 * @opaque: for it
 */
void ckptd_guest_checkpoint(CkptdGuest *g, CkptdGuestDone done, gpointer opaque)
{
    g_autoptr(GError) error = NULL;

    if (!g->spec->checkpoint) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s runs without checkpoints", g->spec->name);
    } else if (ckptd_guest_is_down(g) || g->state == CKPTD_GUEST_STOPPING ||
               g->state == CKPTD_GUEST_ENDING) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s is %s",
                    g->spec->name, ckptd_guest_state_name(g));
    } else {
        ckptd_guest_travel_refuses(g, &error);
    }
    if (error) {
        done(0, error, opaque);
        return;
    }
    wait_for(g->checkpoint_waiters, done, opaque);
    /* When this fails, the next WELCOME asks again. */
    if (!ckptd_session_checkpoint(g->session, &error)) {
        g_message("%s: %s", g->spec->name, error->message);
    }
}
