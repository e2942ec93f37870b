/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-uaccess.c - copies stop at faults and at the library's border */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"
#include "guest-libc/sys/uaccess.h"

#define PAGE 4096u

static void test_copies(void)
{
    char *user = fake_user(PAGE);
    char back[100];
    size_t n;

    for (n = 0; n < sizeof(back); n++) {
        memset(user, 0, PAGE);
        memset(back, 'x', sizeof(back));
        g_assert_cmpint(copy_to_user((uint64_t)user + n, back, n), ==, 0);
        g_assert_cmpint(copy_from_user(back, (uint64_t)user + n, n), ==, 0);
        g_assert(!user[2 * n] && (!n || user[2 * n - 1] == 'x'));
    }
}

static void test_faults(void)
{
    char *user = fake_user(PAGE);
    uint64_t end = (uint64_t)user + PAGE;
    char buf[64] = { 0 };
    size_t n;

    for (n = 1; n < sizeof(buf); n++) {
        g_assert_cmpint(copy_to_user(end - n + 1, buf, n), ==, -EFAULT);
        g_assert_cmpint(copy_from_user(buf, end - n + 1, n), ==, -EFAULT);
        g_assert_cmpint(clear_user(end - n + 1, n), ==, -EFAULT);
        g_assert_cmpint(clear_user(end - n, n), ==, 0);
    }
    g_assert_cmpint(copy_from_user(buf, 0, 1), ==, -EFAULT);
}

/* Addresses of the library's half are refused without being touched. */
static void test_range(void)
{
    char buf[8] = { 0 };

    g_assert_cmpint(copy_to_user(USER_END, buf, 1), ==, -EFAULT);
    g_assert_cmpint(copy_to_user(USER_END - 4, buf, 8), ==, -EFAULT);
    g_assert_cmpint(copy_from_user(buf, LIBRARY_BASE, 8), ==, -EFAULT);
    g_assert_cmpint(copy_from_user(buf, ~0ull - 3, 8), ==, -EFAULT);
    g_assert_cmpint(copy_from_user(buf, 0x200000000000ull, ~0ull), ==, -EFAULT);
}

static void test_strings(void)
{
    char *user = fake_user(PAGE);
    uint64_t end = (uint64_t)user + PAGE;
    char buf[16];

    strcpy(user, "hello");
    g_assert_cmpint(strncpy_from_user(buf, (uint64_t)user, 16), ==, 5);
    g_assert_cmpstr(buf, ==, "hello");
    g_assert_cmpint(strncpy_from_user(buf, (uint64_t)user, 6), ==, 5);
    g_assert_cmpint(strncpy_from_user(buf, (uint64_t)user, 5), ==,
                    -ENAMETOOLONG);
    memset(user + PAGE - 3, 'y', 3);
    g_assert_cmpint(strncpy_from_user(buf, end - 3, 16), ==, -EFAULT);
    g_assert_cmpint(strncpy_from_user(buf, USER_END, 16), ==, -EFAULT);
}

static void test_word(void)
{
    uint32_t *user = fake_user(PAGE);
    uint32_t value = 0;

    user[1] = 42;
    g_assert_cmpint(load_user_u32(&value, (uint64_t)&user[1]), ==, 0);
    g_assert_cmpuint(value, ==, 42);
    g_assert_cmpint(load_user_u32(&value, (uint64_t)user + 2), ==, -EINVAL);
    g_assert_cmpint(load_user_u32(&value, (uint64_t)user + PAGE), ==, -EFAULT);
}

void test_uaccess_add(void)
{
    fake_reset();
    g_test_add_func("/libc-sys/uaccess/copies", test_copies);
    g_test_add_func("/libc-sys/uaccess/faults", test_faults);
    g_test_add_func("/libc-sys/uaccess/range", test_range);
    g_test_add_func("/libc-sys/uaccess/strings", test_strings);
    g_test_add_func("/libc-sys/uaccess/word", test_word);
}
