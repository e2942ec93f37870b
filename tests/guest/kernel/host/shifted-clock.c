/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shifted-clock.c - preloaded into QEMU: the host's wall clock, set by a test
 *
 * The file that SHIFT_FILE names holds by how many milliseconds the wall clock
 * is shifted, as a signed 64-bit number; it may change at any time.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_ms;

__attribute__((constructor)) static void map_shift(void)
{
    const char *path = getenv("SHIFT_FILE");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page;

    if (fd >= 0) {
        page = mmap(NULL, sizeof(*shift_ms), PROT_READ, MAP_SHARED, fd, 0);
        shift_ms = page == MAP_FAILED ? NULL : page;
        close(fd);
    }
}

static int64_t wall_us(void)
{
    struct timespec ts;

    syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
    return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000 +
           (shift_ms ? *shift_ms * 1000 : 0);
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    int64_t us = wall_us();

    (void)zone;
    tv->tv_sec = us / 1000000;
    tv->tv_usec = us % 1000000;
    return 0;
}
