/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.c - the library's own words in the guest's log
 *
 * One line a call, prefixed, so that they are told from the program's output.
 * A full hold drops the line: the log must never block the library.
 */
#include <stdarg.h>
#include "guest-libc/sys/libos.h"

#define LINE_MAX_BYTES 256

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
};

static void put_char(struct line *line, char c)
{
    if (line->len < sizeof(line->text) - 1) {
        line->text[line->len++] = c;
    }
}

static void put_string(struct line *line, const char *s)
{
    if (!s) {
        s = "(null)";
    }
    while (*s) {
        put_char(line, *s++);
    }
}

static void put_number(struct line *line, uint64_t value, unsigned base,
                       int width, char pad)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (width-- > n) {
        put_char(line, pad);
    }
    while (n) {
        put_char(line, digits[--n]);
    }
}

struct spec { /* one conversion of the format */
    int width;
    char pad;
    bool is_long;
};

static const char *parse_spec(const char *f, struct spec *ret_spec)
{
    struct spec spec = { 0, ' ', false };

    if (*f == '0') {
        spec.pad = '0';
        f++;
    }
    while (*f >= '0' && *f <= '9') {
        spec.width = spec.width * 10 + (*f++ - '0');
    }
    while (*f == 'l' || *f == 'z') {
        spec.is_long = true;
        f++;
    }
    *ret_spec = spec;
    return f;
}

static void format_line(struct line *line, const char *f, va_list args)
{
    struct spec spec;
    int64_t number;

    for (; *f; f++) {
        if (*f != '%') {
            put_char(line, *f);
            continue;
        }
        f = parse_spec(f + 1, &spec);
        switch (*f) {
        case 's':
            put_string(line, va_arg(args, const char *));
            break;
        case 'c':
            put_char(line, va_arg(args, int));
            break;
        case 'p':
            put_string(line, "0x");
            put_number(line, va_arg(args, uint64_t), 16, 0, ' ');
            break;
        case 'd':
            number = spec.is_long ? va_arg(args, long) : va_arg(args, int);
            if (number < 0) {
                put_char(line, '-');
                number = -number;
            }
            put_number(line, number, 10, spec.width, spec.pad);
            break;
        case 'u':
        case 'x':
            number =
                spec.is_long ? va_arg(args, uint64_t) : va_arg(args, uint32_t);
            put_number(line, number, *f == 'x' ? 16 : 10, spec.width, spec.pad);
            break;
        case '\0':
            return;
        default:
            put_char(line, *f);
            break;
        }
    }
}

static void log_line(const char *format, va_list args)
{
    struct line line;

    line.len = 0;
    put_string(&line, "libos: ");
    format_line(&line, format, args);
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
