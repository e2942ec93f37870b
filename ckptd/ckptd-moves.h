/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-moves.h - the other hosts, and the guests that come and go
 */
#ifndef CKPTD_MOVES_H
#define CKPTD_MOVES_H

#include "ckptd/ckptd-move.h"

typedef struct ckptd_moves CkptdMoves;

/**
 * typedef CkptdMovesDone - something that took its time is done
 * @value:  what was asked for, floating; NULL: nothing, or an error
 * @error:  says why not
 * @opaque: the caller's
 */
typedef void (*CkptdMovesDone)(GVariant *value, const GError *error,
                               gpointer opaque);

CkptdMoves *ckptd_moves_new(CkptdServer *server, GError **error);
void ckptd_moves_free(CkptdMoves *moves);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdMoves, ckptd_moves_free)

gboolean ckptd_moves_listen(CkptdMoves *moves, const char *address,
                            GError **error);
gboolean ckptd_moves_listen_saved(CkptdMoves *moves, GError **error);
gboolean ckptd_moves_set_listen(CkptdMoves *moves, const char *address,
                                GError **error);
const char *ckptd_moves_listens(const CkptdMoves *moves);
void ckptd_moves_resume(CkptdMoves *moves);
void ckptd_moves_ask(CkptdMoves *moves, const char *guest);

char *ckptd_moves_invite(CkptdMoves *moves, const char *address,
                         GError **error);
void ckptd_moves_add_host(CkptdMoves *moves, const char *name,
                          const char *token, const char *own_name,
                          CkptdMovesDone done, gpointer opaque);
gboolean ckptd_moves_remove_host(CkptdMoves *moves, const char *name,
                                 GError **error);
void ckptd_moves_list_hosts(CkptdMoves *moves, CkptdMovesDone done,
                            gpointer opaque);

gboolean ckptd_moves_start(CkptdMoves *moves, const char *guest,
                           const char *host,
                           const struct ckptd_move_options *options,
                           CkptdMoveDone done, gpointer opaque, GError **error);
gboolean ckptd_moves_cancel(CkptdMoves *moves, const char *guest,
                            GError **error);
GVariant *ckptd_moves_list_forwards(CkptdMoves *moves);
gboolean ckptd_moves_remove_forward(CkptdMoves *moves, const char *guest,
                                    GError **error);
gboolean ckptd_moves_resolve(CkptdMoves *moves, const char *guest,
                             gboolean keep, GError **error);

#endif
