/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-control.h - the D-Bus interface (org.sluice.Ckptd1.xml)
 */
#ifndef CKPTD_CONTROL_H
#define CKPTD_CONTROL_H

#include "ckptd/ckptd-moves.h"
#include "ckptd/ckptd-server.h"

typedef struct CkptdControl CkptdControl;

CkptdControl *ckptd_control_new(CkptdServer *server, CkptdMoves *moves,
                                GMainLoop *loop, GError **error);
void ckptd_control_free(CkptdControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdControl, ckptd_control_free)

#endif
