/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mappings.c - what mmap() and the calls about ranges take, refuse and say
 *
 * memory.c has what they do when all is well.  Here are flags, holes and
 * lengths, call by call; each result is Linux's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

#define PAGE 4096ul
#define MIB  (1ul << 20)
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define NONE 0x300000000000 /* nothing is mapped there */

static sigjmp_buf back;

static void on_fault(int sig)
{
    (void)sig;
    siglongjmp(back, 1);
}

static int faults(volatile char *addr)
{
    if (sigsetjmp(back, 1)) {
        return 1;
    }
    *addr = 1;
    return 0;
}

/* -errno, or 0 for an address. */
static int map(void *addr, size_t len, int prot, int flags, int fd, off_t at)
{
    void *p = (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, at);

    if (p == MAP_FAILED) {
        return -errno;
    }
    munmap(p, len);
    return 0;
}

static int err(long ret)
{
    return ret == -1 ? errno : 0;
}

static void test_kinds(void)
{
    int fd = open("/proc/self/exe", O_RDONLY);
    int dir = open("/", O_RDONLY | O_DIRECTORY);

    tap_ok(map(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0) == -EINVAL &&
               map(NULL, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, -1,
                   0) == -EINVAL &&
               map(NULL, PAGE, RW, ANON, -1, 0) == 0 &&
               map(NULL, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED, -1, 0) == 0,
           "mmap: one of private and shared");
    tap_ok(map(NULL, PAGE, PROT_READ, 0, fd, 0) == -EINVAL &&
               map(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == 0 &&
               map(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0) == 0 &&
               map(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0) == 0,
           "mmap: of a file as well");
    tap_ok(map(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x1000000, fd, 0) ==
               -EOPNOTSUPP,
           "mmap: a flag that nobody knows, validated");
    tap_ok(map(NULL, PAGE, RW, MAP_SHARED, fd, 0) == -EACCES,
           "mmap: a shared file that may not be written");
    tap_ok(map(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0) == -ENODEV,
           "mmap: a directory");
    tap_ok(map(NULL, PAGE, RW, ANON, -1, 1) == -EINVAL &&
               map(NULL, PAGE, RW, MAP_PRIVATE, 9999, 1) == -EINVAL &&
               map(NULL, 0, RW, MAP_PRIVATE, 9999, 0) == -EBADF &&
               map(NULL, 0, RW, ANON, -1, 0) == -EINVAL &&
               map(NULL, 0, RW, 0, fd, 0) == -EINVAL,
           "mmap: which fault comes first");
    tap_ok(map((void *)(NONE + 1), PAGE, RW, ANON | MAP_FIXED, -1, 0) ==
                   -EINVAL &&
               map((void *)(NONE + 1), PAGE, RW, ANON, -1, 0) == 0 &&
               map(NULL, ~0ul, RW, ANON, -1, 0) == -ENOMEM &&
               map(NULL, ~0ul - PAGE, RW, ANON, -1, 0) == -ENOMEM,
           "mmap: addresses and lengths");
    tap_ok(map(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1,
               0) == -EINVAL,
           "mmap: what is shared does not grow");
    tap_ok(map(NULL, PAGE, RW | 0x80, ANON, -1, 0) == 0,
           "mmap: protection that nobody knows");
    close(fd);
    close(dir);
}

static void test_low(void)
{
    char *p = mmap(NULL, 8 * PAGE, RW, ANON | MAP_32BIT, -1, 0);

    tap_ok(p != MAP_FAILED && (uintptr_t)p + 8 * PAGE <= 0x80000000ul,
           "MAP_32BIT lies low");
    p[0] = 1;
    munmap(p, 8 * PAGE);
}

/* Untouched memory costs nothing; a program says so, or it has no rights. */
static void test_reserve(void)
{
    tap_ok(map(NULL, 1ul << 40, RW, ANON | MAP_NORESERVE, -1, 0) == 0,
           "a tebibyte that is not reserved");
    tap_ok(map(NULL, 1ul << 40, PROT_NONE, ANON, -1, 0) == 0,
           "a tebibyte without rights");
}

static void test_grows(void)
{
    char *p = mmap(NULL, 32 * MIB, PROT_NONE, ANON, -1, 0);
    char *stack = p + 16 * MIB;
    struct rlimit limit;

    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 8 * MIB;
    setrlimit(RLIMIT_STACK, &limit);
    munmap(p + PAGE, 32 * MIB - PAGE);
    mprotect(p, PAGE, RW);
    stack = mmap(stack, 2 * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    tap_ok(stack == p + 16 * MIB && !faults(stack), "MAP_GROWSDOWN maps");
    tap_ok(!faults(stack - 1) && !faults(stack - 5 * PAGE) &&
               !faults(stack - MIB) && stack[-5 * (long)PAGE] == 1,
           "MAP_GROWSDOWN grows");
    tap_ok(!faults(stack - 7 * MIB) && faults(stack - 9 * MIB),
           "as far as a stack may");
    munmap(stack - 7 * MIB, 7 * MIB + 2 * PAGE);
    stack =
        mmap(p + 2 * MIB, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    tap_ok(faults(p + PAGE) && faults(p + MIB) && !faults(p + 3 * MIB / 2),
           "and not close to what lies below");
    munmap(p, 3 * MIB);
}

static void test_protect(char *p)
{
    tap_ok(err(syscall(SYS_mprotect, p + 1, PAGE, RW)) == EINVAL &&
               err(syscall(SYS_mprotect, p, PAGE, 0x40)) == EINVAL &&
               err(syscall(SYS_mprotect, p, 0, RW)) == 0 &&
               err(syscall(SYS_mprotect, (void *)NONE, PAGE, RW)) == ENOMEM &&
               err(syscall(SYS_mprotect, p, 4 * PAGE, RW)) == ENOMEM &&
               err(syscall(SYS_mprotect, p, ~0ul, RW)) != 0 &&
               err(syscall(SYS_mprotect, p, PAGE, RW | 8)) == 0,
           "mprotect: what it refuses");
}

static void test_unmap(char *p)
{
    tap_ok(err(munmap(p, 0)) == EINVAL && err(munmap(p + 1, PAGE)) == EINVAL &&
               err(munmap(p, ~0ul)) == EINVAL &&
               err(munmap((void *)NONE, PAGE)) == 0,
           "munmap: what is not a range");
}

static int remap(void *old, size_t old_len, size_t len, int flags, void *to)
{
    return err(syscall(SYS_mremap, old, old_len, len, flags, to));
}

static void test_remap(char *p)
{
    tap_ok(remap(p + 1, PAGE, PAGE, 0, NULL) == EINVAL &&
               remap(p, PAGE, 0, MREMAP_MAYMOVE, NULL) == EINVAL &&
               remap(p, 0, PAGE, MREMAP_MAYMOVE, NULL) == EINVAL &&
               remap(p, PAGE, PAGE, MREMAP_FIXED, (void *)NONE) == EINVAL &&
               remap(p, PAGE, PAGE, 0x100, NULL) == EINVAL &&
               remap((void *)NONE, PAGE, PAGE, 0, NULL) == EFAULT &&
               remap(p, PAGE, 1ul << 46, MREMAP_MAYMOVE, NULL) == ENOMEM &&
               remap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                     p + PAGE) == EINVAL &&
               remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 1) ==
                   EINVAL,
           "mremap: what it refuses");
}

/* @p: two pages, a hole of one, one more page */
static void test_advice(char *p)
{
    tap_ok(err(madvise(p + 1, PAGE, MADV_NORMAL)) == EINVAL &&
               err(madvise(p, PAGE, 7)) == EINVAL &&
               err(madvise(p, PAGE, 99)) == EINVAL &&
               err(madvise(p, PAGE, -1)) == EINVAL &&
               err(madvise(p, 0, MADV_DONTNEED)) == 0 &&
               err(madvise(p, ~0ul, MADV_DONTNEED)) == EINVAL,
           "madvise: what it refuses");
    tap_ok(err(madvise(p, PAGE, MADV_REMOVE)) == EINVAL,
           "madvise: nothing to remove in memory of our own");
    memset(p, 7, 2 * PAGE);
    p[3 * PAGE] = 7;
    tap_ok(err(madvise(p, 4 * PAGE, MADV_DONTNEED)) == ENOMEM && p[0] == 0 &&
               p[PAGE] == 0 && p[3 * PAGE] == 0,
           "madvise: a hole is ENOMEM, what is around it is dealt with");
    tap_ok(err(madvise(p, 4 * PAGE, MADV_WILLNEED)) == ENOMEM &&
               err(madvise((void *)NONE, PAGE, MADV_NORMAL)) == ENOMEM,
           "madvise: a hole is ENOMEM");
    tap_ok(err(madvise(p, 2 * PAGE, MADV_WIPEONFORK)) == 0 &&
               err(madvise(p, 2 * PAGE, MADV_KEEPONFORK)) == 0 &&
               err(madvise(p, 4 * PAGE, MADV_WIPEONFORK)) == ENOMEM,
           "madvise: wipe on fork");
}

static void test_sync(char *p)
{
    tap_ok(err(msync(p + 1, PAGE, MS_SYNC)) == EINVAL &&
               err(msync(p, PAGE, MS_SYNC | MS_ASYNC)) == EINVAL &&
               err(msync(p, PAGE, 0x10)) == EINVAL &&
               err(msync(p, 2 * PAGE, MS_SYNC)) == 0 &&
               err(msync(p, 0, MS_SYNC)) == 0,
           "msync: what it refuses");
    tap_ok(err(msync(p, 4 * PAGE, MS_SYNC)) == ENOMEM &&
               err(msync(p, 4 * PAGE, MS_ASYNC)) == ENOMEM &&
               err(msync((void *)NONE, PAGE, MS_INVALIDATE)) == ENOMEM,
           "msync: a hole is ENOMEM");
}

static void test_lock(char *p)
{
    tap_ok(err(mlock(p + 1, 10)) == 0 && err(munlock(p + 1, 10)) == 0 &&
               err(mlock(p, 0)) == 0 && err(munlock((void *)NONE, 0)) == 0,
           "mlock: any address");
    tap_ok(err(mlock(p, 4 * PAGE)) == ENOMEM &&
               err(munlock(p, 4 * PAGE)) == ENOMEM &&
               err(mlock(p + PAGE + 1, PAGE)) == ENOMEM,
           "mlock: a hole is ENOMEM");
    tap_ok(err(syscall(SYS_mlock2, p, PAGE, 2)) == EINVAL &&
               err(syscall(SYS_mlock2, p, PAGE, 1)) == 0 &&
               err(munlock(p, PAGE)) == 0,
           "mlock2: unknown flags");
    tap_ok(err(mlockall(0)) == EINVAL && err(mlockall(0x10)) == EINVAL &&
               err(mlockall(4)) == EINVAL,
           "mlockall: what it refuses");
    tap_ok(err(munlockall()) == 0, "munlockall");
}

static void test_core(void)
{
    unsigned char vec[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
    char *p = mmap(NULL, 8 * PAGE, RW, ANON, -1, 0);

    p[PAGE] = p[4 * PAGE] = 1;
    tap_ok(err(mincore(p, 6 * PAGE - 1, vec)) == 0 && !(vec[0] & 1) &&
               vec[1] & 1 && !(vec[2] & 1) && !(vec[3] & 1) && vec[4] & 1 &&
               !(vec[5] & 1) && vec[6] == 9,
           "mincore: what was touched");
    munmap(p + 6 * PAGE, PAGE);
    tap_ok(err(mincore(p + 1, PAGE, vec)) == EINVAL &&
               err(mincore(p, 7 * PAGE, vec)) == ENOMEM &&
               err(mincore(p, PAGE, (void *)8)) == EFAULT &&
               err(mincore(p, 0, vec)) == 0 &&
               err(mincore((void *)NONE, PAGE, vec)) == ENOMEM,
           "mincore: what it refuses");
    tap_ok(err(madvise(p + PAGE, PAGE, MADV_DONTNEED)) == 0 &&
               err(mincore(p, 3 * PAGE, vec)) == 0 && !(vec[1] & 1),
           "mincore: what was given back");
    munmap(p, 8 * PAGE);
}

int main(void)
{
    char *p;

    signal(SIGSEGV, on_fault);
    test_kinds();
    test_low();
    test_reserve();
    test_grows();
    p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
    munmap(p + 2 * PAGE, PAGE);
    test_protect(p);
    test_unmap(p);
    test_remap(p);
    test_advice(p);
    test_sync(p);
    test_lock(p);
    test_core();
    return tap_done();
}
