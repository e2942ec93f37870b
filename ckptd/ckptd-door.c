/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-door.c - links of hosts that are not known yet, and how many of either
 *
 * Anybody who reaches the port can connect to it. Until a link has shown the
 * certificate of a host that is known, or has redeemed an invitation, it is a
 * stranger's: it has CKPTD_DOOR_DEADLINE_MS in all for that, however busy it
 * keeps itself, and where there are too many strangers the oldest has to go. It
 * never takes the place of a link that is known.
 */
#include "ckptd/ckptd-door.h"

#include "ckptd/ckptd-error.h"

static gboolean on_deadline(gpointer opaque)
{
    g_cancellable_cancel(opaque);
    return G_SOURCE_REMOVE;
}

/**
 * ckptd_door_enter() - somebody has connected
 * @door: that everybody comes through
 * @visit: filled in
 * @cancellable: ends the link; is cancelled when it is no good in time
 *
 * Context: the link's thread.
 */
void ckptd_door_enter(struct ckptd_door *door, struct ckptd_visit *visit,
                      GCancellable *cancellable)
{
    struct ckptd_visit *oldest = NULL;

    *visit = (struct ckptd_visit){ .door = door,
                                   .cancellable = cancellable,
                                   .stranger = TRUE };
    visit->deadline = g_timeout_source_new(CKPTD_DOOR_DEADLINE_MS);
    g_source_set_callback(visit->deadline, on_deadline,
                          g_object_ref(cancellable), g_object_unref);
    g_source_attach(visit->deadline, NULL);
    g_mutex_lock(&door->lock);
    if (door->strangers.length >= CKPTD_DOOR_STRANGERS) {
        oldest = g_queue_pop_head(&door->strangers);
        oldest->stranger = FALSE;
        g_cancellable_cancel(oldest->cancellable);
    }
    g_queue_push_tail(&door->strangers, visit);
    g_mutex_unlock(&door->lock);
}

static void end_being_strange(struct ckptd_visit *visit)
{
    struct ckptd_door *door = visit->door;

    if (visit->stranger) {
        g_queue_remove(&door->strangers, visit);
        visit->stranger = FALSE;
    }
}

/**
 * ckptd_door_is_known() - the link is one of a host that is known
 * @visit: the link; nothing is done to one that was known before
 * @error: set when there are too many already, or it was too late
 *
 * Return: TRUE when it may go on, without a deadline.
 * Context: the link's thread.
 */
gboolean ckptd_door_is_known(struct ckptd_visit *visit, GError **error)
{
    struct ckptd_door *door = visit->door;
    gboolean ok;

    if (visit->known) {
        return TRUE;
    }
    g_mutex_lock(&door->lock);
    ok = door->n_known < CKPTD_DOOR_KNOWN;
    if (ok) {
        end_being_strange(visit);
        door->n_known++;
        visit->known = TRUE;
    }
    g_mutex_unlock(&door->lock);
    if (!ok) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%u links to other hosts are in use", CKPTD_DOOR_KNOWN);
        return FALSE;
    }
    g_source_destroy(visit->deadline);
    return !g_cancellable_set_error_if_cancelled(visit->cancellable, error);
}

/**
 * ckptd_door_leave() - the link has ended
 * @visit: the link
 *
 * Context: the link's thread.
 */
void ckptd_door_leave(struct ckptd_visit *visit)
{
    struct ckptd_door *door = visit->door;

    g_source_destroy(visit->deadline);
    g_source_unref(visit->deadline);
    g_mutex_lock(&door->lock);
    end_being_strange(visit);
    door->n_known -= visit->known;
    g_mutex_unlock(&door->lock);
}
