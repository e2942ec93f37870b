/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pipes.c - how much goes into a pipe */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "tap.h"

#define KIB 1024
#define MIB (1024 * KIB)

static int p[2];
static char big[2 * MIB];

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

static int has_room(void)
{
    struct pollfd fd = { p[1], POLLOUT, 0 };

    return poll(&fd, 1, 0) == 1;
}

/* Fill it, by pages. */
static long fill(void)
{
    long done = 0;
    int i;

    while (write(p[1], big + done, 4 * KIB) == 4 * KIB) {
        for (i = 0; i < 4 * KIB; i++) {
            big[done + i] = (char)(done >> 12);
        }
        done += 4 * KIB;
    }
    return errno == EAGAIN ? done : -1;
}

static void test_size(void)
{
    long room;

    tap_ok(fcntl(p[0], F_GETPIPE_SZ) == 64 * KIB &&
               fcntl(p[1], F_GETPIPE_SZ) == 64 * KIB,
           "64 KiB at first");
    tap_ok(fcntl(p[1], F_SETPIPE_SZ, 200 * KIB) == 256 * KIB &&
               fcntl(p[0], F_GETPIPE_SZ) == 256 * KIB,
           "a pipe of another size");
    room = fill();
    tap_ok(room == 256 * KIB && !has_room(), "takes as much");
    tap_ok(fails(fcntl(p[1], F_SETPIPE_SZ, 128 * KIB), EBUSY) &&
               fcntl(p[1], F_GETPIPE_SZ) == 256 * KIB,
           "not less than what is in it");
    tap_ok(fcntl(p[0], F_SETPIPE_SZ, MIB) == MIB && has_room(),
           "with more room it can be written again");
    tap_ok(fill() == 768 * KIB, "up to a MiB");
    for (room = 0; room < MIB;) {
        long n = read(p[0], big, sizeof(big));

        if (n <= 0) {
            break;
        }
        room += n;
    }
    tap_ok(room == MIB, "all of which comes out");
    tap_ok(fcntl(p[0], F_SETPIPE_SZ, 1) == 4 * KIB && fill() == 4 * KIB,
           "a page is the least");
    tap_ok(read(p[0], big, sizeof(big)) == 4 * KIB, "and is read");
}

static void test_order(void)
{
    int i, good = 1;

    fcntl(p[0], F_SETPIPE_SZ, 16 * KIB);
    for (i = 0; i < 12 * KIB; i++) {
        big[i] = (char)i;
    }
    good &= write(p[1], big, 12 * KIB) == 12 * KIB;
    good &= read(p[0], big + 64 * KIB, 8 * KIB) == 8 * KIB;
    good &= write(p[1], big, 12 * KIB) == 12 * KIB; /* round the end */
    good &= fcntl(p[0], F_SETPIPE_SZ, 64 * KIB) == 64 * KIB;
    good &= read(p[0], big + 64 * KIB, 32 * KIB) == 16 * KIB;
    good &= !memcmp(big + 64 * KIB, big + 8 * KIB, 4 * KIB) &&
            !memcmp(big + 68 * KIB, big, 12 * KIB);
    tap_ok(good, "what is in it stays in order");
}

static void test_refused(void)
{
    int file = open("/etc/passwd", O_RDONLY);

    tap_ok(fails(fcntl(p[0], F_SETPIPE_SZ, -1), EINVAL), "far too much");
    tap_ok(fails(fcntl(file, F_GETPIPE_SZ), EBADF) &&
               fails(fcntl(file, F_SETPIPE_SZ, 4096), EBADF) &&
               fails(fcntl(-1, F_GETPIPE_SZ), EBADF),
           "what is no pipe: EBADF");
    tap_ok(fails(syscall(SYS_pipe2, p, 1), EINVAL), "unknown flags");
}

int main(void)
{
    if (pipe2(p, O_NONBLOCK)) {
        return 1;
    }
    test_size();
    test_order();
    test_refused();
    return tap_done();
}
