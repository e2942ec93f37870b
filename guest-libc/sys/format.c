/* SPDX-License-Identifier: GPL-2.0-or-later */
/* format.c - what printf() does, as far as the library needs it */
#include "guest-libc/sys/libos.h"

static void put_string(const struct format_sink *sink, const char *s, int width)
{
    if (!s) {
        s = "(null)";
    }
    for (; *s; s++, width--) {
        sink->put(sink->to, *s);
    }
    while (width-- > 0) {
        sink->put(sink->to, ' ');
    }
}

static void put_number(const struct format_sink *sink, uint64_t value,
                       unsigned base, int width, char pad)
{
    char digits[24];
    int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (width-- > n) {
        sink->put(sink->to, pad);
    }
    while (n) {
        sink->put(sink->to, digits[--n]);
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

/**
 * lib_format - write by a format
 * @sink: takes one character after the other
 * @f: the format, see libos.h
 * @args: what it names
 *
 * Context: any, as far as the sink goes.
 */
void lib_format(const struct format_sink *sink, const char *f, va_list args)
{
    struct spec spec;
    int64_t number;

    for (; *f; f++) {
        if (*f != '%') {
            sink->put(sink->to, *f);
            continue;
        }
        f = parse_spec(f + 1, &spec);
        switch (*f) {
        case 's':
            put_string(sink, va_arg(args, const char *), spec.width);
            break;
        case 'c':
            sink->put(sink->to, va_arg(args, int));
            break;
        case 'p':
            put_string(sink, "0x", 0);
            put_number(sink, va_arg(args, uint64_t), 16, 0, ' ');
            break;
        case 'd':
            number = spec.is_long ? va_arg(args, long) : va_arg(args, int);
            if (number < 0) {
                sink->put(sink->to, '-');
                number = -number;
            }
            put_number(sink, number, 10, spec.width, spec.pad);
            break;
        case 'u':
        case 'o':
        case 'x':
            number =
                spec.is_long ? va_arg(args, uint64_t) : va_arg(args, uint32_t);
            put_number(sink, number,
                       *f == 'x'   ? 16
                       : *f == 'o' ? 8
                                   : 10,
                       spec.width, spec.pad);
            break;
        case '\0':
            return;
        default:
            sink->put(sink->to, *f);
            break;
        }
    }
}
