/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-move-out.h - what the two halves of a move that leaves share
 *
 * ckptd-move-out.c sends the guest; ckptd-move-give.c has what is before and
 * after: the link, the offer, the hand-over, and what the main thread asks.
 */
#ifndef CKPTD_MOVE_OUT_H
#define CKPTD_MOVE_OUT_H

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-move.h"
#include "ckptd/ckptd-ship.h"

/**
 * struct ckptd_move_out - see ckptd-move.h
 *
 * Constant: env, guest, print (of the other host), done, opaque, ask, options,
 * paths.
 *
 * Of the thread of the move alone:
 * @link, @ship, @ledger
 * @log_offset:  how much of the log went over
 * @epoch, @generation: of the last epoch
 * @freeze_us:   when the guest was told to stand still
 * @tap_fd:      the guest's interface here, or -1
 * @forwards:    our end of the tunnel is there
 *
 * Under @lock:
 * @events:      of enum ckptd_move_event, bits
 * @resolution:  an operator's word
 * @progress:    its phase is written by the thread alone
 *
 * @cancellable: ends whatever the thread waits for
 * @ends:        atomic: the guest goes down, or ckptd ends
 */
struct ckptd_move_out {
    gint refs; /* atomic */
    const struct ckptd_move_env *env;
    CkptdGuest *guest;
    char *print;
    CkptdMoveDone done;
    gpointer opaque;
    gboolean ask;
    struct ckptd_move_options options;
    char *log_path;
    char *seq_path;
    GThread *thread;
    GCancellable *cancellable;
    gint ends;

    CkptdLink *link;
    struct ckptd_ship ship;
    CkptdLedger *ledger;
    guint64 log_offset;
    uint64_t epoch;
    uint64_t generation;
    gint64 freeze_us;
    int tap_fd;
    gboolean forwards;

    GMutex lock;
    GCond cond;
    guint events;
    enum ckptd_ledger_outcome resolution;
    gboolean cancelled;
    struct ckptd_move_progress progress;
    GError *error;
};

void ckptd_move_out_set_phase(CkptdMoveOut *out, enum ckptd_move_phase phase);
void ckptd_move_out_step(CkptdMoveOut *out, const char *step);
gboolean ckptd_move_out_stream(CkptdMoveOut *out, GError **error);

#endif
