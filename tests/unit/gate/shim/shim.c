/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shim.c - errors as the gate makes them, without QEMU's error objects
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"

struct Error {
    char *text;
};

Error *error_abort;

void error_setg(Error **errp, const char *fmt, ...)
{
    va_list ap;

    g_assert(errp != &error_abort);
    if (errp) {
        g_assert_null(*errp);
        *errp = g_new0(Error, 1);
        va_start(ap, fmt);
        (*errp)->text = g_strdup_vprintf(fmt, ap);
        va_end(ap);
    }
}

const char *error_get_pretty(const Error *err)
{
    return err->text;
}

void error_free(Error *err)
{
    if (err) {
        g_free(err->text);
        g_free(err);
    }
}

unsigned shim_error_reports;

void error_report(const char *fmt, ...)
{
    (void)fmt;
    shim_error_reports++;
}
