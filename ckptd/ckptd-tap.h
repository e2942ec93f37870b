/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-tap.h - a network interface of this host that is a guest's cable
 */
#ifndef CKPTD_TAP_H
#define CKPTD_TAP_H

#include <glib.h>

#include "ckptd/ckptd-process.h"

gboolean ckptd_tap_name_ok(const char *name);
int ckptd_tap_open(const char *name, const char *fallback, const char *bridge,
                   const char *guest_mac, GError **error);
int ckptd_tap_take_back(const struct ckptd_process *process, int number,
                        GError **error);
char *ckptd_tap_name(int fd);

#endif
