/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.c - text that grows as it is written
 *
 * Short ones lie in the heap, whose freed objects are the next to be taken;
 * long ones get pages of their own, which are given back.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/text.h"
#include "guest-libc/sys/libos.h"

#define TEXT_FIRST_BYTES 1024u
#define TEXT_HEAP_BYTES  32704u      /* the longest that lies in the heap */
#define TEXT_BYTES_MAX   (16u << 20) /* a program could ask for any length */

static void *take(size_t len_bytes)
{
    return len_bytes <= TEXT_HEAP_BYTES ? heap_zalloc(len_bytes)
                                        : lib_pages(len_bytes);
}

static void give_back(void *bytes, size_t len_bytes)
{
    if (len_bytes <= TEXT_HEAP_BYTES) {
        heap_free(bytes);
    } else {
        lib_pages_free(bytes, len_bytes);
    }
}

static bool grow(struct text *text, size_t needed)
{
    size_t room = text->room ? text->room * 2 : TEXT_FIRST_BYTES;
    char *bytes;

    while (room < needed) {
        room *= 2;
    }
    bytes = room <= TEXT_BYTES_MAX ? take(room) : NULL;
    if (!bytes) {
        text->failed = true;
        return false;
    }
    if (text->bytes) {
        memcpy(bytes, text->bytes, text->used);
        give_back(text->bytes, text->room);
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

static bool make_room(struct text *text, size_t len_bytes)
{
    return !text->failed && (text->room - text->used >= len_bytes ||
                             grow(text, text->used + len_bytes));
}

static void put_char(void *to, char c)
{
    struct text *text = to;

    if (make_room(text, 1)) {
        text->bytes[text->used++] = c;
    }
}

/**
 * text_put() - append by a format
 * @text: the text
 * @format: see lib_format()
 *
 * Context: lock held.
 */
void text_put(struct text *text, const char *format, ...)
{
    const struct format_sink sink = { put_char, text };
    va_list args;

    va_start(args, format);
    lib_format(&sink, format, args);
    va_end(args);
}

/**
 * text_bytes() - append bytes
 * @text: the text
 * @bytes: of the library
 * @len_bytes: their number
 *
 * Context: lock held.
 */
void text_bytes(struct text *text, const void *bytes, size_t len_bytes)
{
    if (make_room(text, len_bytes)) {
        memcpy(text->bytes + text->used, bytes, len_bytes);
        text->used += len_bytes;
    }
}

/**
 * text_user() - append the program's memory
 * @text: the text
 * @user_from: its beginning
 * @user_end: behind its last byte
 *
 * Context: lock held.
 */
void text_user(struct text *text, uint64_t user_from, uint64_t user_end)
{
    size_t len = user_end > user_from ? user_end - user_from : 0;

    if (make_room(text, len) &&
        !copy_from_user(text->bytes + text->used, user_from, len)) {
        text->used += len;
    }
}

/**
 * text_pad() - spaces up to a column
 * @text: the text
 * @line: what its length was when the line began
 * @column: from 0
 *
 * Context: lock held.
 */
void text_pad(struct text *text, size_t line, size_t column)
{
    while (!text->failed && text->used - line < column) {
        put_char(text, ' ');
    }
}

/**
 * text_free() - forget the text
 * @text: is empty then
 *
 * Context: lock held.
 */
void text_free(struct text *text)
{
    if (text->bytes) {
        give_back(text->bytes, text->room);
    }
    *text = (struct text){ 0 };
}

struct line {
    char *bytes;
    size_t used, room;
};

static void line_char(void *to, char c)
{
    struct line *line = to;

    if (line->used + 1 < line->room) {
        line->bytes[line->used++] = c;
    }
}

/**
 * text_line() - a short text in a place of fixed size
 * @to: gets it, with a NUL
 * @size_bytes: room there, at least 1
 * @format: see lib_format()
 *
 * Return: its length without the NUL.
 */
size_t text_line(char *to, size_t size_bytes, const char *format, ...)
{
    struct line line = { to, 0, size_bytes };
    const struct format_sink sink = { line_char, &line };
    va_list args;

    va_start(args, format);
    lib_format(&sink, format, args);
    va_end(args);
    to[line.used] = '\0';
    return line.used;
}
