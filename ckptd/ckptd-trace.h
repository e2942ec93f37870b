/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-trace.h - what happens, one line a step, for tests and the curious
 *
 * A line is `key=value` words.  The first are always
 *   event=WORD guest=NAME generation=N epoch=N monotonic_ns=N realtime_ns=N
 * and these names stay; PROTOCOL.md lists the events.  A line is in the file
 * before the step after it begins, so that a test can kill between two.
 */
#ifndef CKPTD_TRACE_H
#define CKPTD_TRACE_H

#include <glib.h>

struct ckptd_moment {
    guint64 monotonic_ns;
    guint64 realtime_ns;
};

gboolean ckptd_trace_open(const char *path, GError **error);
gboolean ckptd_trace_on(void);
void ckptd_trace_may_stop(const char *step);
void ckptd_trace_step(const char *guest, const char *step, const char *id);
struct ckptd_moment ckptd_trace_now(void);
void ckptd_trace(const char *event, const char *guest, guint64 generation,
                 guint64 epoch, const char *format, ...) G_GNUC_PRINTF(5, 6);

#endif
