/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-limits.h - how many descriptors ckptd may have, and what a guest takes
 */
#ifndef CKPTD_LIMITS_H
#define CKPTD_LIMITS_H

#include <glib.h>

void ckptd_limits_raise(void);
gboolean ckptd_limits_room(const char *name, GError **error);

#endif
