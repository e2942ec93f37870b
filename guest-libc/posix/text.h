/* SPDX-License-Identifier: GPL-2.0-or-later */
/* text.h - text that grows as it is written, for files made up at a read */
#ifndef POSIX_TEXT_H
#define POSIX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *bytes;
    size_t used, room;
    bool failed; /* there was no memory for all of it */
};

/* Everything needs the library's lock.  @format: see lib_format(). */
void text_put(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_bytes(struct text *text, const void *bytes, size_t len_bytes);
/* The program's memory; what cannot be read ends it. */
void text_user(struct text *text, uint64_t user_from, uint64_t user_end);
/* Spaces up to a column of the line that begins at @line. */
void text_pad(struct text *text, size_t line, size_t column);
void text_free(struct text *text);

/* Into @to, cut where there is no room; with a NUL.  The length without it. */
size_t text_line(char *to, size_t size_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
