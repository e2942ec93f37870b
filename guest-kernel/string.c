/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * string.c - memory functions, which the compiler also calls by itself
 *
 * By string instructions: short, and quick both on hardware and under TCG.
 */
#include "kernel.h"

/**
 * memcpy - copy bytes that do not overlap
 * @to: where to
 * @from: where from
 * @bytes: how many
 *
 * Return: @to.
 */
void *memcpy(void *to, const void *from, size_t bytes)
{
    void *result = to;
    size_t words = bytes / 8;
    size_t rest = bytes % 8;

    __asm__ volatile("rep movsq"
                     : "+D"(to), "+S"(from), "+c"(words)
                     :
                     : "memory");
    __asm__ volatile("rep movsb"
                     : "+D"(to), "+S"(from), "+c"(rest)
                     :
                     : "memory");
    return result;
}

/**
 * memmove - copy bytes that may overlap
 * @to: where to
 * @from: where from
 * @bytes: how many
 *
 * Return: @to.
 */
void *memmove(void *to, const void *from, size_t bytes)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    if (d <= s || d >= s + bytes) {
        return memcpy(to, from, bytes);
    }
    while (bytes-- > 0) {
        d[bytes] = s[bytes];
    }
    return to;
}

/**
 * memset - fill memory with one byte
 * @to: where
 * @byte: the value
 * @bytes: how many
 *
 * Return: @to.
 */
void *memset(void *to, int byte, size_t bytes)
{
    void *result = to;
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;
    size_t words = bytes / 8;
    size_t rest = bytes % 8;

    __asm__ volatile("rep stosq"
                     : "+D"(to), "+c"(words)
                     : "a"(pattern)
                     : "memory");
    __asm__ volatile("rep stosb"
                     : "+D"(to), "+c"(rest)
                     : "a"(pattern)
                     : "memory");
    return result;
}

/**
 * memcmp - compare memory
 * @a: one
 * @b: the other
 * @bytes: how many
 *
 * Return: 0 when equal, else the difference of the first bytes that differ.
 */
int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *p = a;
    const uint8_t *q = b;
    size_t i;

    for (i = 0; i < bytes; i++) {
        if (p[i] != q[i]) {
            return p[i] - q[i];
        }
    }
    return 0;
}

/**
 * strlen - length of a string
 * @s: the string
 *
 * Return: bytes before its NUL.
 */
size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n] != '\0') {
        n++;
    }
    return n;
}
