/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-uio.c - vectors of buffers that change while they are walked
 *
 * Only this file and uio.c: the program's memory is ours, and another thread of
 * the program changes the vector between any two looks at it.
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include "guest-libc/posix/uio.h"
#include "guest-libc/sys/libos.h"

#define VECTOR_MAX 100u

static struct sys_iov vector[VECTOR_MAX];
static uint8_t memory[VECTOR_MAX * 64];
static uint64_t looks; /* at the vector */
static void (*change)(void);

long copy_from_user(void *to, uint64_t user_from, size_t len_bytes)
{
    memcpy(to, (const void *)(uintptr_t)user_from, len_bytes);
    if ((const struct sys_iov *)(uintptr_t)user_from >= vector &&
        (const struct sys_iov *)(uintptr_t)user_from < vector + VECTOR_MAX) {
        looks++;
        change();
    }
    return 0;
}

static bool is_ours(uint64_t addr, size_t len_bytes)
{
    return addr >= (uintptr_t)memory &&
           addr + len_bytes <= (uintptr_t)memory + sizeof(memory);
}

long copy_to_user(uint64_t user_to, const void *from, size_t len_bytes)
{
    g_assert_true(is_ours(user_to, len_bytes));
    memcpy((void *)(uintptr_t)user_to, from, len_bytes);
    return 0;
}

long clear_user(uint64_t user_to, size_t len_bytes)
{
    g_assert_true(is_ours(user_to, len_bytes));
    memset((void *)(uintptr_t)user_to, 0, len_bytes);
    return 0;
}

void lib_panic(const char *format, ...)
{
    g_error("%s", format);
}

static void no_change(void)
{
}

static void all_empty(void)
{
    for (unsigned i = 0; looks >= 2 && i < VECTOR_MAX; i++) {
        vector[i].len_bytes = 0;
    }
}

static void some_shorter(void)
{
    for (unsigned i = 0; i < VECTOR_MAX; i++) {
        vector[i].len_bytes = (looks * 7 + i * 3) % 40;
    }
}

static void longer(void)
{
    for (unsigned i = 0; looks >= 3 && i < VECTOR_MAX; i++) {
        vector[i].len_bytes = 64;
    }
}

static void fill(void)
{
    looks = 0;
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < VECTOR_MAX; i++) {
        vector[i].addr = (uintptr_t)memory + 64 * i;
        vector[i].len_bytes = 40;
    }
}

/* What uio_vector() took as its length, or what is there, or -EFAULT. */
static void walk(void (*how)(void), unsigned n, size_t piece)
{
    uint8_t data[256];
    struct uio uio;
    long ret = 0;

    memset(data, 0x55, sizeof(data));
    fill();
    change = how;
    g_assert_cmpint(uio_vector(&uio, (uintptr_t)vector, n), ==, 0);
    while (uio.left_bytes && !ret) {
        size_t len = uio_min(&uio, piece);

        ret = uio_copy_out(&uio, data, len);
    }
    if (how == no_change) {
        g_assert_cmpint(ret, ==, 0);
        g_assert_cmpuint(memory[64 * (n - 1) + 39], ==, 0x55);
    } else {
        g_assert_true(ret == 0 || ret == -EFAULT);
    }
    if (how == all_empty && n > UIO_INLINE) {
        g_assert_cmpint(ret, ==, -EFAULT);
    }
}

static void test_changes(void)
{
    void (*const changes[])(void) = { no_change, all_empty, some_shorter,
                                      longer };
    const unsigned counts[] = { 1, 15, 16, 17, 31, 32, 33, 48, 49, 100 };

    for (unsigned c = 0; c < G_N_ELEMENTS(changes); c++) {
        for (unsigned n = 0; n < G_N_ELEMENTS(counts); n++) {
            walk(changes[c], counts[n], 1);
            walk(changes[c], counts[n], 37);
            walk(changes[c], counts[n], 256);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/libc/uio/changes", test_changes);
    return g_test_run();
}
