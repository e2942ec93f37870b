/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-moves-internal.h - what the files about other hosts share
 *
 * ckptd-moves.c has the links that others make, and the guests that go;
 * ckptd-moves-hosts.c the hosts, and the links that we make for their sake.
 */
#ifndef CKPTD_MOVES_INTERNAL_H
#define CKPTD_MOVES_INTERNAL_H

#include "ckptd/ckptd-door.h"
#include "ckptd/ckptd-moves.h"

/**
 * struct ckptd_moves - see ckptd-moves.h
 *
 * @env:     for all moves
 * @print:   of our own certificate
 * @service: that listens, or NULL
 * @listens: where, "" if nowhere
 * @door:    that links come through, with a lock of its own
 *
 * Under @lock:
 * @n_threads: links and errands
 * @cancels:   of links: GCancellable
 */
struct ckptd_moves {
    struct ckptd_move_env env;
    char *print;
    GSocketService *service;
    char *listens;
    struct ckptd_door door;

    GMutex lock;
    GCond cond;
    guint n_threads;
    GPtrArray *cancels;
};

GCancellable *ckptd_moves_enter(CkptdMoves *moves);
void ckptd_moves_leave(CkptdMoves *moves, GCancellable *cancellable);
gboolean ckptd_moves_have_cert(CkptdMoves *moves, GError **error);
guint ckptd_moves_parse_address(const char *address, GSocketAddress **ret,
                                GError **error);
void ckptd_moves_forget_ended(CkptdMoves *moves,
                              const struct ckptd_ledger_entry *entry);

#endif
