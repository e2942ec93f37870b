/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vdso.c - clocks for the program without a system call
 *
 * A small shared object in the program's view (AT_SYSINFO_EHDR), with the
 * names and versions that C libraries look up in Linux's.  It reads the shared
 * page, whose address the library writes into vdso_shared before it makes the
 * image executable.  What the page cannot answer becomes a system call.
 */
#include <stddef.h>
#include <asm/unistd.h>
#include <linux/time.h>
#include "guest-libc/sys/shared-clock.h"

#define NS_PER_SEC 1000000000ull

/* Volatile: the compiler sees a constant zero, the library patches it. */
__attribute__((section(".slot"), visibility("hidden")))
const struct guest_shared *const volatile vdso_shared = NULL;

static long call(long number, long a, long b)
{
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(number), "D"(a), "S"(b)
                     : "rcx", "r11", "memory");
    return ret;
}

int __vdso_clock_gettime(int clock, struct timespec *ret_time)
{
    uint64_t offset_ns, ns;

    ns = shared_clock_read(vdso_shared, &offset_ns);
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        ns += offset_ns;
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        break;
    default:
        return call(__NR_clock_gettime, clock, (long)ret_time);
    }
    ret_time->tv_sec = ns / NS_PER_SEC;
    ret_time->tv_nsec = ns % NS_PER_SEC;
    return 0;
}

int __vdso_gettimeofday(struct timeval *ret_time, struct timezone *ret_zone)
{
    uint64_t offset_ns, ns;

    if (ret_time) {
        ns = shared_clock_read(vdso_shared, &offset_ns);
        ns += offset_ns;
        ret_time->tv_sec = ns / NS_PER_SEC;
        ret_time->tv_usec = ns % NS_PER_SEC / 1000;
    }
    if (ret_zone) {
        *ret_zone = (struct timezone){ 0, 0 };
    }
    return 0;
}

long __vdso_time(long *ret_time)
{
    uint64_t offset_ns;
    uint64_t ns = shared_clock_read(vdso_shared, &offset_ns);
    long seconds = (ns + offset_ns) / NS_PER_SEC;

    if (ret_time) {
        *ret_time = seconds;
    }
    return seconds;
}

/* One CPU, one node. */
long __vdso_getcpu(unsigned *ret_cpu, unsigned *ret_node, void *unused)
{
    (void)unused;
    if (ret_cpu) {
        *ret_cpu = 0;
    }
    if (ret_node) {
        *ret_node = 0;
    }
    return 0;
}

extern __typeof__(__vdso_clock_gettime) clock_gettime
    __attribute__((weak, alias("__vdso_clock_gettime")));
extern __typeof__(__vdso_gettimeofday) gettimeofday
    __attribute__((weak, alias("__vdso_gettimeofday")));
extern __typeof__(__vdso_time) time __attribute__((weak, alias("__vdso_time")));
extern __typeof__(__vdso_getcpu) getcpu
    __attribute__((weak, alias("__vdso_getcpu")));
