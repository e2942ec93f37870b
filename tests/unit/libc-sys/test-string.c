/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-string.c - the library's memory functions against the C library's */
#include <glib.h>
#include <string.h>

#include "tests/unit/libc-sys/tests.h"

/* Under other names, or they would be this program's own. */
#define memcpy  lib_memcpy
#define memmove lib_memmove
#define memset  lib_memset
#define memcmp  lib_memcmp
#define strlen  lib_strlen
#define strcmp  lib_strcmp
#define strncmp lib_strncmp
void *lib_memcpy(void *to, const void *from, size_t n);
void *lib_memmove(void *to, const void *from, size_t n);
void *lib_memset(void *to, int byte, size_t n);
int lib_memcmp(const void *a, const void *b, size_t n);
size_t lib_strlen(const char *s);
int lib_strcmp(const char *a, const char *b);
int lib_strncmp(const char *a, const char *b, size_t n);
#include "guest-libc/sys/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp

#define BYTES 200

static uint8_t ours[BYTES], theirs[BYTES];

static void fill(void)
{
    int i;

    for (i = 0; i < BYTES; i++) {
        ours[i] = theirs[i] = i * 7;
    }
}

static void test_moves(void)
{
    int from, to, n;

    for (from = 0; from < 40; from += 3) {
        for (to = 0; to < 40; to++) {
            for (n = 0; n < 60; n += 7) {
                fill();
                lib_memmove(ours + to, ours + from, n);
                memmove(theirs + to, theirs + from, n);
                g_assert_cmpmem(ours, BYTES, theirs, BYTES);
                lib_memcpy(ours + 120, ours + from, n);
                memcpy(theirs + 120, theirs + from, n);
                lib_memset(ours + to, from, n);
                memset(theirs + to, from, n);
                g_assert_cmpmem(ours, BYTES, theirs, BYTES);
            }
        }
    }
}

static void test_compare(void)
{
    g_assert_cmpint(lib_memcmp("abc", "abd", 2), ==, 0);
    g_assert_cmpint(lib_memcmp("abc", "abd", 3), <, 0);
    g_assert_cmpint(lib_memcmp("\xff", "\x01", 1), >, 0);
    g_assert_cmpint(lib_strcmp("a", "ab"), <, 0);
    g_assert_cmpint(lib_strcmp("ab", "ab"), ==, 0);
    g_assert_cmpint(lib_strncmp("abx", "aby", 2), ==, 0);
    g_assert_cmpuint(lib_strlen("four"), ==, 4);
}

void test_string_add(void)
{
    g_test_add_func("/libc-sys/string/moves", test_moves);
    g_test_add_func("/libc-sys/string/compare", test_compare);
}
