/* SPDX-License-Identifier: GPL-2.0-or-later */
/* error.h - stands in for QEMU's header of this name */
#ifndef SHIM_ERROR_H
#define SHIM_ERROR_H

#include <glib.h>

/* &error_abort: the error cannot happen. */
extern Error *error_abort;
void error_setg(Error **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
const char *error_get_pretty(const Error *err);
void error_free(Error *err);

#endif
