/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-move-in-internal.h - what the files of a guest that comes share
 */
#ifndef CKPTD_MOVE_IN_INTERNAL_H
#define CKPTD_MOVE_IN_INTERNAL_H

#include "ckptd/ckptd-image.h"
#include "ckptd/ckptd-landing.h"
#include "ckptd/ckptd-move.h"

/*
 * enum ckptd_in_phase - how far a guest that comes is
 *
 *  OFFERED  room is made; FILE, then LAUNCH
 *  COPYING  a QEMU waits for it; PAGES, ROUND, FILE; then LAST
 *  RESTING  its last epoch is here; HOLD, FILE; then SEAL
 *  READY    all of it is durable here; GIVE
 *  TAKING   GIVE has come: it will be ours
 *  TAKEN    the ledger says so; FRAME, FORGET
 *  DROPPED  it never will be ours
 */
enum ckptd_in_phase {
    CKPTD_IN_OFFERED,
    CKPTD_IN_COPYING,
    CKPTD_IN_RESTING,
    CKPTD_IN_READY,
    CKPTD_IN_TAKING,
    CKPTD_IN_TAKEN,
    CKPTD_IN_DROPPED,
};

/**
 * struct ckptd_move_in - see ckptd-move.h
 *
 * Of the thread of the link alone, but what follows @lock.
 * @print:  of the other host's certificate
 * @unsynced: files of which something came since they were synced, bits
 * @load:   of the guest, when it is whole
 * @tap_fd: a copy of its interface's descriptor, or -1
 * @inject: a socket that sends to the guest's side of the interface, or -1
 *
 * Under @lock:
 * @agreed: its QEMU is the right one
 * @failed: why it cannot come, or NULL
 */
struct ckptd_move_in {
    const struct ckptd_move_env *env;
    CkptdLink *link;
    GCancellable *cancellable;
    char *host;
    char *print;
    CkptdGuest *guest;
    struct ckptd_peer_offer offer;
    CkptdLedger *ledger;
    CkptdImage *image;
    guint unsynced;
    struct ckptd_peer_last last;
    struct ckptd_landing_load load;
    int tap_fd;
    int inject;

    GMutex lock;
    GCond cond;
    enum ckptd_in_phase phase;
    gboolean agreed;
    char *failed;
};

/* ckptd-move-in.c */
gboolean ckptd_move_in_advance(CkptdMoveIn *in, enum ckptd_in_phase phase,
                               GError **error);

/* ckptd-move-room.c */
gboolean ckptd_move_in_take_offer(CkptdMoveIn *in,
                                  const struct ckptd_peer_msg *msg,
                                  GError **error);
gboolean ckptd_move_in_launch(CkptdMoveIn *in, GError **error);

#endif
