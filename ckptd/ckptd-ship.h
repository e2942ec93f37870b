/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-ship.h - sending what a guest is made of over a link
 */
#ifndef CKPTD_SHIP_H
#define CKPTD_SHIP_H

#include "ckptd/ckptd-peer-link.h"
#include "ckptd/ckptd-shm.h"
#include "ckptd/ckptd-snapshot.h"

/**
 * struct ckptd_ship - one guest on its way
 *
 * @link:      borrowed
 * @bandwidth: bytes a second, 0 = as the link gives
 *
 * Read from other threads, atomic:
 * @sent:      bytes so far
 *
 * The rest is ckptd-ship.c's.
 */
struct ckptd_ship {
    CkptdLink *link;
    GCancellable *cancellable;
    guint64 bandwidth;
    guint64 sent;

    gint64 free_us;
    GByteArray *list;
    GByteArray *data;
    guint n;
    gboolean last;
};

void ckptd_ship_init(struct ckptd_ship *ship, CkptdLink *link,
                     GCancellable *cancellable, guint64 bandwidth);
void ckptd_ship_clear(struct ckptd_ship *ship);
guint64 ckptd_ship_sent(const struct ckptd_ship *ship);

gboolean ckptd_ship_all(struct ckptd_ship *ship, CkptdSnapshot *snapshot,
                        GError **error);
gboolean ckptd_ship_changes(struct ckptd_ship *ship, CkptdSnapshot *snapshot,
                            uint64_t since, gboolean last, GError **error);
gboolean ckptd_ship_file(struct ckptd_ship *ship, enum ckptd_peer_file which,
                         const char *path, guint64 *offset, GError **error);
gboolean ckptd_ship_hold(struct ckptd_ship *ship, const struct ckptd_shm *hold,
                         GError **error);

#endif
