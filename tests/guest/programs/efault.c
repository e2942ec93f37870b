/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * efault.c - a bad pointer in a system call is EFAULT, and no more
 *
 * By syscall(): the C library and the vDSO would touch the pointer themselves.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define PAGE        4096
#define KERNEL_HALF ((void *)0xffff800000000000ul)

static char *page, *edge; /* edge: 4 bytes, then nothing */

static void refused(const char *name, long ret)
{
    tap_ok(ret == -1 && errno == EFAULT, name);
}

static void test_write(void)
{
    refused("clock_gettime to NULL",
            syscall(SYS_clock_gettime, CLOCK_MONOTONIC, NULL));
    refused("clock_gettime to an unmapped page",
            syscall(SYS_clock_gettime, CLOCK_MONOTONIC, page + PAGE));
    refused("clock_gettime across the end of a page",
            syscall(SYS_clock_gettime, CLOCK_MONOTONIC, edge));
    refused("uname to the kernel's half", syscall(SYS_uname, KERNEL_HALF));
    refused("getrandom to NULL", syscall(SYS_getrandom, NULL, 16, 0));
    mprotect(page, PAGE, PROT_READ);
    refused("uname to a read-only page", syscall(SYS_uname, page));
    mprotect(page, PAGE, PROT_NONE);
    refused("uname to a page without rights", syscall(SYS_uname, page));
    mprotect(page, PAGE, PROT_READ | PROT_WRITE);
    tap_ok(syscall(SYS_uname, page) == 0, "uname to the page when it may");
}

static void test_read(void)
{
    refused("nanosleep from NULL", syscall(SYS_nanosleep, NULL, NULL));
    refused("nanosleep from across the end",
            syscall(SYS_nanosleep, edge, NULL));
    refused("rt_sigaction from a wild pointer",
            syscall(SYS_rt_sigaction, SIGUSR1, 0x10, NULL, 8));
    refused("futex on an unmapped word",
            syscall(SYS_futex, page + PAGE, 128, 0, NULL));
    tap_ok(syscall(SYS_futex, page + 1, 128, 0, NULL) == -1 && errno == EINVAL,
           "futex on an odd address is EINVAL");
}

int main(void)
{
    page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + PAGE, PAGE);
    edge = page + PAGE - 4;
    test_write();
    test_read();
    return tap_done();
}
