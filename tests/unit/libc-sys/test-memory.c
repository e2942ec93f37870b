/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-memory.c - what reaches the layer below, and what must not */
#include <asm/unistd.h>
#include <errno.h>
#include <glib.h>
#include <sys/mman.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"

#define PAGE 4096ull
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define WISH 0x300000000000ull

static long map(uint64_t addr, uint64_t len_bytes, int flags)
{
    return fake_call(__NR_mmap, addr, len_bytes, PROT_READ, flags);
}

static void test_map(void)
{
    fake_reset();
    fake.memory_result = 0x12345000;
    g_assert_cmpint(map(0, 1, ANON), ==, 0x12345000);
    g_assert_cmpuint(fake.len_bytes, ==, PAGE);
    g_assert_cmpuint(fake.flags, ==, 0);
    map(WISH, PAGE, ANON);
    g_assert_cmpuint(fake.flags, ==, SYS_MAP_NOREPLACE);
    map(WISH, PAGE, ANON | MAP_FIXED);
    g_assert_cmpuint(fake.flags, ==, SYS_MAP_FIXED);
    fake_call(__NR_mmap, 0, PAGE, PROT_NONE, ANON);
    g_assert_cmpuint(fake.flags, ==, SYS_MAP_RESERVE);
    g_assert_cmpint(map(0, 0, ANON), ==, -EINVAL);
    g_assert_cmpint(map(0, ~0ull, ANON), ==, -ENOMEM);
    g_assert_cmpint(map(0, PAGE, MAP_PRIVATE), ==, -EBADF);
    g_assert_cmpint(map(WISH + 1, PAGE, ANON | MAP_FIXED), ==, -EINVAL);
}

/* The library's half is out of a program's reach, by any call. */
static void test_library_is_safe(void)
{
    uint64_t at[] = { LIBRARY_BASE, USER_END - PAGE, LIBRARY_HEAP, BOOT_BASE,
                      ~0ull << 47 };
    size_t i;

    fake_reset();
    for (i = 0; i < G_N_ELEMENTS(at); i++) {
        fake.addr = 1;
        g_assert_cmpint(map(at[i], 2 * PAGE, ANON | MAP_FIXED), <, 0);
        g_assert_cmpint(fake_call(__NR_munmap, at[i], 2 * PAGE, 0, 0), <, 0);
        g_assert_cmpint(fake_call(__NR_mprotect, at[i], 2 * PAGE, 3, 0), <, 0);
        g_assert_cmpint(
            fake_call(__NR_madvise, at[i], 2 * PAGE, MADV_DONTNEED, 0), <, 0);
        g_assert_cmpint(
            fake_call(__NR_mremap, at[i], 2 * PAGE, PAGE, MREMAP_MAYMOVE), <,
            0);
        fake.arg5 = at[i];
        g_assert_cmpint(fake_call(__NR_mremap, WISH, 2 * PAGE, 2 * PAGE,
                                  MREMAP_MAYMOVE | MREMAP_FIXED),
                        <, 0);
        g_assert_cmphex(fake.addr, ==, 1);
    }
    g_assert_cmpint(fake_call(__NR_munmap, WISH, ~0ull, 0, 0), ==, -EINVAL);
}

static void test_brk(void)
{
    fake_reset();
    process.brk_start = process.brk_now = WISH;
    g_assert_cmpint(fake_call(__NR_brk, 0, 0, 0, 0), ==, WISH);
    g_assert_cmpint(fake_call(__NR_brk, WISH + 10, 0, 0, 0), ==, WISH + 10);
    g_assert_cmphex(fake.addr, ==, WISH);
    g_assert_cmpuint(fake.flags, ==, SYS_MAP_NOREPLACE);
    fake.addr = 1;
    g_assert_cmpint(fake_call(__NR_brk, WISH + 100, 0, 0, 0), ==, WISH + 100);
    g_assert_cmphex(fake.addr, ==, 1); /* on the page that it has */
    fake.memory_result = -EEXIST;
    g_assert_cmpint(fake_call(__NR_brk, WISH + 9 * PAGE, 0, 0, 0), ==,
                    WISH + 100);
    g_assert_cmpint(fake_call(__NR_brk, USER_END + PAGE, 0, 0, 0), ==,
                    WISH + 100);
}

static long map_rw(uint64_t len_bytes, int flags)
{
    return fake_call(__NR_mmap, 0, len_bytes, PROT_READ | PROT_WRITE, flags);
}

/* What can never be there is refused, unless the program says that it knows. */
static void test_too_much(void)
{
    uint64_t most = 32 * FAKE_RAM_BYTES;

    fake_reset();
    fake.memory_result = WISH;
    g_assert_cmpint(map_rw(most, ANON), ==, WISH);
    g_assert_cmpint(map_rw(2 * most, ANON), ==, -ENOMEM);
    g_assert_cmpint(map_rw(2 * most, MAP_SHARED | MAP_ANONYMOUS), ==, -ENOMEM);
    g_assert_cmpint(map_rw(2 * most, ANON | MAP_NORESERVE), ==, WISH);
    g_assert_cmpint(map(0, 2 * most, ANON), ==, WISH); /* read only */
    g_assert_cmpint(
        fake_call(__NR_mremap, WISH, PAGE, 2 * most, MREMAP_MAYMOVE), ==,
        -ENOMEM);
    process.brk_start = process.brk_now = WISH;
    g_assert_cmpint(fake_call(__NR_brk, WISH + 2 * most, 0, 0, 0), ==, WISH);
    g_assert_cmpint(map_rw(2 << 20, ANON | MAP_HUGETLB), ==, -ENOMEM);
}

void test_memory_add(void)
{
    g_test_add_func("/libc-sys/memory/too-much", test_too_much);
    g_test_add_func("/libc-sys/memory/map", test_map);
    g_test_add_func("/libc-sys/memory/library-is-safe", test_library_is_safe);
    g_test_add_func("/libc-sys/memory/brk", test_brk);
}
