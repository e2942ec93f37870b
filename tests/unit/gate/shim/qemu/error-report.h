/* SPDX-License-Identifier: GPL-2.0-or-later */
/* error-report.h - stands in for QEMU's header of this name */
#ifndef SHIM_ERROR_REPORT_H
#define SHIM_ERROR_REPORT_H

#include <glib.h>

/* Calls of error_report() so far; what it is told is not shown. */
extern unsigned shim_error_reports;
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

#endif
