/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-trace.c - what happens, one line a step, for tests and the curious
 *
 * One file for the whole daemon, set once before any thread is started.  Each
 * line is one write() to a descriptor opened for appending: lines of several
 * threads never mix, and SIGKILL loses none that a step waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-trace.h"

static int trace_fd = -1;

/**
 * ckptd_trace_open() - begin tracing
 * @path: appended to
 * @error: set on failure
 *
 * Return: TRUE when it can be written.
 * Context: before the first thread is started.
 */
gboolean ckptd_trace_open(const char *path, GError **error)
{
    g_assert(trace_fd < 0);
    trace_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace_fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "trace %s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_trace_on() - is anybody interested?
 *
 * Return: TRUE if so.
 * Context: any thread.
 */
gboolean ckptd_trace_on(void)
{
    return trace_fd >= 0;
}

/**
 * ckptd_trace_now() - both clocks, read one after the other
 *
 * Return: them.
 * Context: any thread.
 */
struct ckptd_moment ckptd_trace_now(void)
{
    struct timespec mono, real;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &real);
    return (struct ckptd_moment){
        mono.tv_sec * 1000000000ull + mono.tv_nsec,
        real.tv_sec * 1000000000ull + real.tv_nsec,
    };
}

/**
 * ckptd_trace() - write one line
 * @event: what happened, one word
 * @guest: to whom
 * @generation: of the guest
 * @epoch: that it is about, or 0
 * @format: more `key=value` words, "" for none
 *
 * Context: any thread.
 */
void ckptd_trace(const char *event, const char *guest, guint64 generation,
                 guint64 epoch, const char *format, ...)
{
    struct ckptd_moment now;
    char line[512];
    va_list args;
    gint len;

    if (trace_fd < 0) {
        return;
    }
    now = ckptd_trace_now();
    len = g_snprintf(
        line, sizeof(line) / 2,
        "event=%s guest=%s generation=%" G_GUINT64_FORMAT
        " epoch=%" G_GUINT64_FORMAT " monotonic_ns=%" G_GUINT64_FORMAT
        " realtime_ns=%" G_GUINT64_FORMAT " ",
        event, guest, generation, epoch, now.monotonic_ns, now.realtime_ns);
    g_assert(len > 0 && (gsize)len < sizeof(line) / 2);
    va_start(args, format);
    len += g_vsnprintf(line + len, sizeof(line) - len - 1, format, args);
    va_end(args);
    len = MIN((gsize)len, sizeof(line) - 2);
    len -= line[len - 1] == ' ';
    line[len++] = '\n';
    if (write(trace_fd, line, len) != len) {
        g_warning_once("writing the trace: %s", g_strerror(errno));
    }
}

/**
 * ckptd_trace_may_stop() - a step at which tests can have a fault
 * @step: one word
 *
 * ckptd stops there, as by SIGSTOP, if the environment says so: what happens
 * then happens at just this step.
 *
 * Context: any thread.
 */
void ckptd_trace_may_stop(const char *step)
{
    static gint stopped; /* once: what follows may have the same step */

    if (!g_strcmp0(g_getenv("SLUICE_STOP_AT"), step) &&
        g_atomic_int_compare_and_exchange(&stopped, FALSE, TRUE)) {
        raise(SIGSTOP); /* this thread itself, before it goes on */
    }
}

/**
 * ckptd_trace_step() - a step of a move, and a ckptd_trace_may_stop()
 * @guest: that moves
 * @step: one word
 * @id: of the move
 *
 * Context: any thread.
 */
void ckptd_trace_step(const char *guest, const char *step, const char *id)
{
    ckptd_trace("move", guest, 0, 0, "step=%s id=%s", step, id);
    ckptd_trace_may_stop(step);
}
