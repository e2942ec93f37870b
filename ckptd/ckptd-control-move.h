/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-control-move.h - the D-Bus interface's part about hosts and moves
 */
#ifndef CKPTD_CONTROL_MOVE_H
#define CKPTD_CONTROL_MOVE_H

#include "ckptd-dbus.h"
#include "ckptd/ckptd-moves.h"

void ckptd_control_move_connect(CkptdDbus *skeleton, CkptdMoves *moves);

#endif
