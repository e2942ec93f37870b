/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-door.h - links of hosts that are not known yet, and how many of either
 */
#ifndef CKPTD_DOOR_H
#define CKPTD_DOOR_H

#include <gio/gio.h>

#define CKPTD_DOOR_STRANGERS   16u
#define CKPTD_DOOR_KNOWN       32u
#define CKPTD_DOOR_DEADLINE_MS 5000u

/**
 * struct ckptd_door - how many links there are; zero is a door without links
 *
 * Under @lock: @strangers (struct ckptd_visit, the oldest first), @n_known.
 */
struct ckptd_door {
    GMutex lock;
    GQueue strangers;
    guint n_known;
};

/**
 * struct ckptd_visit - one link, from accept() to its end
 *
 * Under the door's lock: @known, @stranger. Of the link's thread: the others.
 */
struct ckptd_visit {
    struct ckptd_door *door;
    GCancellable *cancellable;
    GSource *deadline;
    gboolean known;
    gboolean stranger;
};

void ckptd_door_enter(struct ckptd_door *door, struct ckptd_visit *visit,
                      GCancellable *cancellable);
gboolean ckptd_door_is_known(struct ckptd_visit *visit, GError **error);
void ckptd_door_leave(struct ckptd_visit *visit);

#endif
