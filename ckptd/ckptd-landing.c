/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-landing.c - a session whose guest is still on its way from another host
 *
 * The session's thread waits with QEMU's HELLO in its hands and does one step
 * after the other, as it is told; who tells it waits for each.
 */
#include <string.h>

#include "ckptd/ckptd-session-internal.h"
#include "ckptd/ckptd-trace.h"

/* Everything that can be done before the guest stands still. */
static gboolean make_room(CkptdSession *s, const struct ckpt_hello *h,
                          GError **error)
{
    return ckptd_welcome_open_store(s, error) &&
           ckptd_welcome_make_shm(s, h->devstate_max, error);
}

/* What is in the store is what QEMU restores from: no need to read it back. */
static gboolean make_ready(CkptdSession *s, struct ckptd_landing_load *load,
                           GError **error)
{
    if (load->slot_bytes > s->slot_bytes) {
        g_set_error(
            error, CKPTD_ERROR, CKPTD_ERROR_NO_SPACE,
            "the last epoch has %zu bytes, QEMU takes %" G_GUINT64_FORMAT,
            load->slot_bytes, s->slot_bytes);
        return FALSE;
    }
    if (!ckptd_store_start_behind(s->store, load->epoch - 1, load->generation,
                                  error) ||
        !ckptd_store_append(s->store, load->slot, load->slot_bytes, error) ||
        (load->next_seq &&
         !ckptd_output_seen(s->output, load->next_seq - 1, error))) {
        return FALSE;
    }
    memcpy((char *)s->staging.addr + CKPTD_RESTORE_SLOT * s->slot_bytes,
           load->slot, load->slot_bytes);
    g_mutex_lock(&s->lock);
    s->stats.captured = s->stats.committed = load->epoch;
    s->stats.generation = load->generation;
    ckptd_shm_clear(&s->hold);
    s->hold = load->hold;
    load->hold = (struct ckptd_shm)CKPTD_SHM_NONE;
    g_mutex_unlock(&s->lock);
    s->hold_valid = TRUE;
    s->prepared = TRUE;
    s->config.arriving = FALSE; /* whichever QEMU comes next */
    ckptd_trace("prepared", s->config.manifest.name, load->generation,
                load->epoch, "%s", "");
    return TRUE;
}

/**
 * ckptd_landing_hello() - answer a HELLO when the guest has arrived
 * @s: the session, with the packet
 * @conn_fd: the connection
 * @error: set when it is not answered by WELCOME; not NULL
 *
 * Return: see enum ckptd_welcome.
 * Context: session thread; waits for the thread of the move.
 */
enum ckptd_welcome ckptd_landing_hello(CkptdSession *s, int conn_fd,
                                       GError **error)
{
    struct ckptd_landing *a = &s->landing;
    enum ckptd_landing_step step;
    struct ckpt_hello h;
    GError *local;

    if (!ckptd_welcome_check(s, &h, error) || !make_room(s, &h, error)) {
        ckptd_welcome_refuse(s, conn_fd, (*error)->message);
        return CKPTD_WELCOME_FAILED;
    }
    ckptd_session_notify(s, CKPTD_SESSION_AGREED, 0, NULL);
    do {
        g_mutex_lock(&s->lock);
        while (a->step == CKPTD_LANDING_NONE && !a->end) {
            g_cond_wait(&a->cond, &s->lock);
        }
        step = a->step;
        g_mutex_unlock(&s->lock);
        if (step == CKPTD_LANDING_NONE) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                        "the guest does not arrive");
            return CKPTD_WELCOME_BAD_PEER;
        }
        local = NULL;
        if (step == CKPTD_LANDING_READY) {
            make_ready(s, a->load, &local);
        }
        g_mutex_lock(&s->lock);
        a->error = local;
        a->step = CKPTD_LANDING_NONE;
        g_cond_broadcast(&a->cond);
        g_mutex_unlock(&s->lock);
    } while (step != CKPTD_LANDING_GO);
    return ckptd_welcome_hello(s, conn_fd, error);
}

/**
 * ckptd_landing_end() - nothing arrives any more
 * @s: the session
 *
 * Context: any thread.
 */
void ckptd_landing_end(CkptdSession *s)
{
    g_mutex_lock(&s->lock);
    s->landing.end = TRUE;
    g_cond_broadcast(&s->landing.cond);
    g_mutex_unlock(&s->lock);
}

/* Have the session's thread do a step. */
static gboolean lead(CkptdSession *s, enum ckptd_landing_step step,
                     struct ckptd_landing_load *load, GError **error)
{
    struct ckptd_landing *a = &s->landing;
    gboolean ok = FALSE;

    g_mutex_lock(&s->lock);
    if (a->end) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE,
                    "the guest does not arrive: its QEMU is gone");
    } else {
        a->load = load;
        a->step = step;
        g_cond_broadcast(&a->cond);
        while (a->step != CKPTD_LANDING_NONE) {
            g_cond_wait(&a->cond, &s->lock);
        }
        ok = a->error == NULL;
        if (a->error) {
            g_propagate_error(error, g_steal_pointer(&a->error));
        }
    }
    g_mutex_unlock(&s->lock);
    return ok;
}

/**
 * ckptd_landing_ready() - all of the guest is here
 * @s: the session; CKPTD_SESSION_AGREED was told
 * @load: see there
 * @error: set on failure
 *
 * Return: TRUE when it is durable and could go on.
 * Context: the thread of the move; waits.
 */
gboolean ckptd_landing_ready(CkptdSession *s, struct ckptd_landing_load *load,
                             GError **error)
{
    return lead(s, CKPTD_LANDING_READY, load, error);
}

/**
 * ckptd_landing_go() - let QEMU run it
 * @s: the session; the guest was taken
 * @error: set when QEMU has died: the guest is recovered then
 *
 * Return: TRUE when QEMU gets its WELCOME.
 * Context: the thread of the move; waits.
 */
gboolean ckptd_landing_go(CkptdSession *s, GError **error)
{
    return lead(s, CKPTD_LANDING_GO, NULL, error);
}
