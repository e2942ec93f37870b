/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.c - the library's own words in the guest's log
 *
 * One line a call, prefixed, so that they are told from the program's output.
 * A full hold drops the line: the log must never block the library.
 */
#include <stdarg.h>
#include <string.h>
#include "guest-libc/sys/libos.h"

#define LINE_MAX_BYTES 256
#define LINE_PREFIX    "libos: "

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

static void put_char(void *to, char c)
{
    struct line *line = to;

    if (line->len < sizeof(line->text) - 1) {
        line->text[line->len++] = c;
    }
}

static void log_line(const char *format, va_list args)
{
    struct line line = { .text = LINE_PREFIX, .len = strlen(LINE_PREFIX) };
    const struct format_sink sink = { put_char, &line };

    lib_format(&sink, format, args);
    line.text[line.len++] = '\n';
    prim_log(line.text, line.len);
}

/**
 * lib_log - write one line to the log
 * @format: see libos.h; the newline is added
 *
 * Context: any, does not block.
 */
void lib_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line(format, args);
    va_end(args);
}

/**
 * lib_panic - end the process: an invariant of the library is broken
 * @format: see libos.h
 *
 * Context: any; does not return.
 */
void lib_panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    lib_log("panic");
    log_line(format, args);
    va_end(args);
    prim_exit(CKPT_EXIT_SIGNALLED | 6);
}
