/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memory.c - mmap and its family, brk, and what they must refuse */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf back;

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(back, 1);
}

static int faults(volatile char *addr, int write)
{
    if (sigsetjmp(back, 1)) {
        return 1;
    }
    if (write) {
        *addr = 1;
    } else {
        (void)*addr;
    }
    return 0;
}

static int all_are(const char *p, size_t n, char value)
{
    size_t i;

    for (i = 0; i < n && p[i] == value; i++) {
    }
    return i == n;
}

static void test_map(void)
{
    char *p = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);
    char *q;

    tap_ok(p != MAP_FAILED && all_are(p, 8 * PAGE, 0), "fresh pages are zero");
    memset(p, 7, 8 * PAGE);
    tap_ok(madvise(p, 2 * PAGE, MADV_DONTNEED) == 0 &&
               all_are(p, 2 * PAGE, 0) && all_are(p + 2 * PAGE, 6 * PAGE, 7),
           "MADV_DONTNEED gives zeros, its neighbours stay");
    tap_ok(mprotect(p + PAGE, PAGE, PROT_READ) == 0 && faults(p + PAGE, 1) &&
               !faults(p + PAGE, 0),
           "read-only: no write");
    tap_ok(mprotect(p + PAGE, PAGE, PROT_NONE) == 0 && faults(p + PAGE, 0),
           "no rights: no read");
    tap_ok(mprotect(p + PAGE, PAGE, RW) == 0 && !faults(p + PAGE, 1),
           "rights given back");
    tap_ok(munmap(p + 4 * PAGE, PAGE) == 0 && faults(p + 4 * PAGE, 0) &&
               !faults(p + 3 * PAGE, 0) && !faults(p + 5 * PAGE, 0),
           "a hole in the middle");
    q = mmap(p + 4 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    tap_ok(q == p + 4 * PAGE && all_are(q, PAGE, 0), "MAP_FIXED fills it");
    q = mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    tap_ok(q == MAP_FAILED && errno == EEXIST, "MAP_FIXED_NOREPLACE refuses");
    tap_ok(munmap(p, 8 * PAGE) == 0 && faults(p, 0), "unmapped is gone");
}

static void test_remap(void)
{
    char *p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    char *q, *fence;

    memset(p, 9, 4 * PAGE);
    q = mremap(p, 4 * PAGE, 2 * PAGE, 0);
    tap_ok(q == p && faults(p + 2 * PAGE, 0) && all_are(p, 2 * PAGE, 9),
           "mremap shrinks in place");
    fence = mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0);
    q = mremap(p, 2 * PAGE, 64 * PAGE, 0);
    tap_ok(q == MAP_FAILED && errno == ENOMEM, "no room to grow in place");
    q = mremap(p, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    tap_ok(q != MAP_FAILED && q != p && all_are(q, 2 * PAGE, 9) &&
               all_are(q + 2 * PAGE, 62 * PAGE, 0),
           "it moves with its bytes");
    tap_ok(faults(p, 0), "nothing is left behind");
    munmap(fence, PAGE);
    munmap(q, 64 * PAGE);
}

static void test_brk(void)
{
    char *start = (char *)syscall(SYS_brk, 0);
    char *end = (char *)syscall(SYS_brk, start + 100 * PAGE);

    tap_ok(end == start + 100 * PAGE, "brk grows");
    memset(start, 5, 100 * PAGE);
    end = (char *)syscall(SYS_brk, start);
    tap_ok(end == start, "and shrinks");
    syscall(SYS_brk, start + PAGE);
    tap_ok(all_are((char *)(((uintptr_t)start + PAGE - 1) & -PAGE), 1, 0),
           "what it gives again is zero");
    tap_ok((char *)syscall(SYS_brk, 1) == start + PAGE,
           "an impossible end changes nothing");
}

static void test_refusals(void)
{
    tap_ok(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED && errno == EINVAL,
           "no bytes: EINVAL");
    tap_ok(munmap((void *)1, PAGE) == -1 && errno == EINVAL,
           "not a page's address: EINVAL");
    tap_ok(mmap((void *)0xffff800000000000ul, PAGE, RW, ANON | MAP_FIXED, -1,
                0) == MAP_FAILED &&
               errno == ENOMEM,
           "the kernel's half: ENOMEM");
    tap_ok(mmap(NULL, 1ul << 50, RW, ANON, -1, 0) == MAP_FAILED &&
               errno == ENOMEM,
           "a petabyte: ENOMEM");
    tap_ok(mprotect((void *)0x10000000, PAGE, RW) == -1 && errno == ENOMEM,
           "nothing is there to protect: ENOMEM");
}

static void test_many(void)
{
    char *p[64];
    int i, good = 1;

    for (i = 0; i < 64; i++) {
        p[i] = malloc(100000 + i);
        good &= p[i] != NULL;
        memset(p[i], i, 100000 + i);
    }
    for (i = 0; i < 64; i++) {
        good &= all_are(p[i], 100000 + i, i);
        p[i] = realloc(p[i], 200000);
        good &= all_are(p[i], 100000 + i, i);
    }
    for (i = 0; i < 64; i++) {
        free(p[i]);
    }
    tap_ok(good, "malloc, realloc and free of a dozen megabytes");
}

int main(void)
{
    signal(SIGSEGV, on_fault);
    test_map();
    test_remap();
    test_brk();
    test_refusals();
    test_many();
    return tap_done();
}
