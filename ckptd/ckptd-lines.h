/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-lines.h - the D-Bus methods about named checkpoints
 */
#ifndef CKPTD_LINES_H
#define CKPTD_LINES_H

#include "ckptd-dbus.h"
#include "ckptd/ckptd-server.h"

typedef struct ckptd_lines CkptdLines;

CkptdLines *ckptd_lines_new(CkptdServer *server, CkptdDbus *skeleton);
void ckptd_lines_free(CkptdLines *lines);

#endif
