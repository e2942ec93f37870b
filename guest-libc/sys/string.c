/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * string.c - the memory and string functions that compilers and lwIP call
 *
 * Without a C library below us, and without SSE: the program's vector
 * registers are live while the library runs.  Built with
 * -fno-tree-loop-distribute-patterns, or the loops would call themselves.
 */
#include <stdint.h>
#include <string.h>

void *memcpy(void *to, const void *from, size_t n)
{
    void *result = to;
    size_t words = n >> 3;
    size_t tail = n & 7;

    __asm__ volatile("rep movsq"
                     : "+D"(to), "+S"(from), "+c"(words)
                     :
                     : "memory");
    __asm__ volatile("rep movsb"
                     : "+D"(to), "+S"(from), "+c"(tail)
                     :
                     : "memory");
    return result;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    if (d <= s || d >= s + n) {
        return memcpy(to, from, n);
    }
    while (n--) {
        d[n] = s[n];
    }
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    void *result = to;
    size_t words = n >> 3;
    size_t tail = n & 7;
    uint64_t pattern = (uint8_t)byte * 0x0101010101010101ull;

    __asm__ volatile("rep stosq"
                     : "+D"(to), "+c"(words)
                     : "a"(pattern)
                     : "memory");
    __asm__ volatile("rep stosb"
                     : "+D"(to), "+c"(tail)
                     : "a"(pattern)
                     : "memory");
    return result;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    size_t i;

    for (i = 0; i < n; i++) {
        if (x[i] != y[i]) {
            return x[i] - y[i];
        }
    }
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n--; a++, b++) {
        if (*a != *b) {
            return (uint8_t)*a - (uint8_t)*b;
        }
        if (!*a) {
            break;
        }
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}
