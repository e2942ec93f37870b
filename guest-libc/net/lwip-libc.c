/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lwip-libc.c - what lwIP wants of a C library beyond sys/string.c */
#include <stddef.h>

/**
 * strtol() - a decimal number, for the digits in an interface's name
 * @text: digits
 * @ret_end: must be NULL
 * @base: must be 10
 *
 * Return: its value.
 */
long strtol(const char *text, char **ret_end, int base)
{
    long value = 0;

    (void)ret_end;
    (void)base;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + (*text - '0');
    }
    return value;
}
