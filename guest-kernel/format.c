/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format.c - the few printf conversions that log and panic need
 *
 * %s %c %d %u %x %lu %lx %p and %%, with a width and leading zeros.
 */
#include "kernel.h"

#include <stdarg.h>

struct sink {
    char *buf;
    size_t size_bytes;
    size_t used;
};

static void put(struct sink *sink, char c)
{
    if (sink->used + 1 < sink->size_bytes) {
        sink->buf[sink->used++] = c;
    }
}

static void put_padded(struct sink *sink, const char *s, size_t len,
                       size_t width, char fill)
{
    while (width > len) {
        put(sink, fill);
        width--;
    }
    while (len-- > 0) {
        put(sink, *s++);
    }
}

static void put_number(struct sink *sink, uint64_t value, unsigned base,
                       bool negative, size_t width, char fill)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    if (negative) {
        digits[--at] = '-';
    }
    put_padded(sink, digits + at, sizeof(digits) - at, width, fill);
}

static void put_signed(struct sink *sink, int64_t value, size_t width,
                       char fill)
{
    put_number(sink, value < 0 ? -(uint64_t)value : (uint64_t)value, 10,
               value < 0, width, fill);
}

/**
 * format_va - format into a buffer
 * @buf: gets the text and a NUL
 * @size_bytes: of @buf, at least 1; what does not fit is cut off
 * @format: as printf, see the head of this file
 * @args: its arguments
 *
 * Return: length of the text in @buf.
 */
size_t format_va(char *buf, size_t size_bytes, const char *format, va_list args)
{
    struct sink sink = { buf, size_bytes, 0 };
    const char *s;

    for (; *format != '\0'; format++) {
        size_t width = 0;
        char fill = ' ';
        bool wide = false;

        if (*format != '%') {
            put(&sink, *format);
            continue;
        }
        format++;
        if (*format == '0') {
            fill = '0';
        }
        while (*format >= '0' && *format <= '9') {
            width = width * 10 + (size_t)(*format++ - '0');
        }
        while (*format == 'l') {
            wide = true;
            format++;
        }
        switch (*format) {
        case 's':
            s = va_arg(args, const char *);
            put_padded(&sink, s, strlen(s), width, ' ');
            break;
        case 'c':
            put(&sink, (char)va_arg(args, int));
            break;
        case 'd':
            put_signed(&sink, wide ? va_arg(args, int64_t) : va_arg(args, int),
                       width, fill);
            break;
        case 'u':
        case 'x':
            put_number(&sink,
                       wide ? va_arg(args, uint64_t) : va_arg(args, unsigned),
                       *format == 'x' ? 16 : 10, false, width, fill);
            break;
        case 'p':
            put_number(&sink, va_arg(args, uint64_t), 16, false, 16, '0');
            break;
        default:
            put(&sink, *format);
            break;
        }
    }
    buf[sink.used] = '\0';
    return sink.used;
}

/**
 * format - format into a buffer, arguments given one by one
 * @buf: gets the text and a NUL
 * @size_bytes: of @buf
 * @format: see format_va()
 *
 * Return: length of the text in @buf.
 */
size_t format(char *buf, size_t size_bytes, const char *format, ...)
{
    va_list args;
    size_t len;

    va_start(args, format);
    len = format_va(buf, size_bytes, format, args);
    va_end(args);
    return len;
}
