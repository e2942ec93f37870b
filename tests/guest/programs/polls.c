/* SPDX-License-Identifier: GPL-2.0-or-later */
/* polls.c - poll and select: what is left, what is refused, many of them */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define WORDS 64 /* of a set of 4096 */

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static int p[2];

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

/* By the calls themselves: C libraries hand over copies of the time. */
static long sel(int n, uint64_t *r, uint64_t *w, struct timeval *tv)
{
    return syscall(SYS_select, n, r, w, NULL, tv);
}

static long psel(int n, uint64_t *r, struct timespec *ts)
{
    return syscall(SYS_pselect6, n, r, NULL, NULL, ts, NULL);
}

static long ppol(struct pollfd *fds, int n, struct timespec *ts)
{
    return syscall(SYS_ppoll, fds, n, ts, NULL, 8);
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void test_left(void)
{
    uint64_t set = 1ull << p[0];
    struct pollfd fds = { p[0], POLLIN, 0 };
    struct timeval tv = { 100, 0 };
    struct timespec ts = { 100, 0 };

    tap_ok(write(p[1], "x", 1) == 1 && sel(p[0] + 1, &set, NULL, &tv) == 1 &&
               tv.tv_sec == 99,
           "select: what is left of the time");
    tap_ok(psel(p[0] + 1, &set, &ts) == 1 && ts.tv_sec == 99, "pselect, too");
    ts = (struct timespec){ 100, 0 };
    tap_ok(ppol(&fds, 1, &ts) == 1 && ts.tv_sec == 99,
           "ppoll: what is left of the time");
    tv = (struct timeval){ 0, 3000 };
    set = 0;
    tap_ok(sel(0, NULL, NULL, &tv) == 0 && tv.tv_sec == 0 && tv.tv_usec == 0,
           "nothing, if it ran out");
    ts = (struct timespec){ 0, 3000000 };
    tap_ok(ppol(NULL, 0, &ts) == 0 && ts.tv_sec == 0 && ts.tv_nsec == 0,
           "ppoll as well");
    set = 1ull << 60;
    tv = (struct timeval){ 100, 0 };
    tap_ok(fails(sel(61, &set, NULL, &tv), EBADF) && tv.tv_sec == 99,
           "after an error");
    tv = (struct timeval){ 1, 5000000 };
    set = 1ull << p[0];
    tap_ok(sel(p[0] + 1, &set, NULL, &tv) == 1 && tv.tv_sec == 5,
           "more than a second of microseconds");
}

static void test_interrupted(void)
{
    struct sigaction action = { .sa_handler = on_alarm,
                                .sa_flags = SA_RESTART };
    struct itimerval soon = { { 0, 10000 }, { 0, 10000 } }, never = { 0 };
    struct timeval tv = { 100, 0 };
    struct timespec ts = { 100, 0 };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    tap_ok(fails(sel(0, NULL, NULL, &tv), EINTR) && tv.tv_sec == 99,
           "interrupted, the rest is told");
    tap_ok(fails(psel(0, NULL, &ts), EINTR) && ts.tv_sec == 99, "pselect");
    ts = (struct timespec){ 100, 0 };
    tap_ok(fails(ppol(NULL, 0, &ts), EINTR) && ts.tv_sec == 99, "ppoll");
    setitimer(ITIMER_REAL, &never, NULL);
}

static void test_refused(void)
{
    struct timeval tv = { 0, -1 };
    struct timespec ts = { 0, 1000000000 };
    uint64_t set = 1, mask = 0;
    struct {
        void *mask;
        size_t bytes;
    } arg = { &mask, 7 };

    tap_ok(fails(sel(-1, NULL, NULL, NULL), EINVAL), "less than none");
    tap_ok(fails(sel(0, NULL, NULL, &tv), EINVAL) &&
               fails(psel(0, NULL, &ts), EINVAL) &&
               fails(ppol(NULL, 0, &ts), EINVAL),
           "no such time");
    tap_ok(fails(sel(1, BAD, NULL, NULL), EFAULT) &&
               fails(sel(0, NULL, NULL, BAD), EFAULT) &&
               fails(psel(0, NULL, BAD), EFAULT) &&
               fails(ppol(BAD, 1, NULL), EFAULT),
           "from nowhere");
    ts.tv_nsec = 0;
    tap_ok(
        fails(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, &arg), EINVAL) &&
            fails(syscall(SYS_ppoll, NULL, 0, &ts, &mask, 7), EINVAL),
        "a mask of a wrong size");
    tap_ok(fails(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, BAD), EFAULT),
           "nowhere");
    tv.tv_usec = 0;
    close(10);
    set = 1 << 10;
    tap_ok(fails(sel(11, NULL, &set, &tv), EBADF), "no descriptor");
}

static void test_poll(void)
{
    struct pollfd fds[4] = {
        { -1, POLLIN, 7 },
        { p[1], POLLOUT, 0 },
        { 77, 0, 0 },
        { p[0], POLLOUT, 9 },
    };

    tap_ok(poll(fds, 4, 0) == 2 && fds[2].revents == POLLNVAL,
           "poll: no descriptor is POLLNVAL");
    tap_ok(fds[0].revents == 0 && fds[1].revents == POLLOUT &&
               fds[3].revents == 0,
           "those below zero are left out");
}

static void test_many(void)
{
    struct rlimit limit = { 3000, 3000 };
    struct timeval tv = { 0, 0 };
    uint64_t r[WORDS] = { 0 }, w[WORDS] = { 0 };
    char byte;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 3000;
    tap_ok(setrlimit(RLIMIT_NOFILE, &limit) == 0 && dup2(p[0], 2900) == 2900 &&
               dup2(p[1], 2901) == 2901,
           "descriptors of large numbers");
    r[2900 / 64] = 1ull << 2900 % 64;
    w[2901 / 64] = 1ull << 2901 % 64;
    tap_ok(sel(2902, r, w, &tv) == 2 && r[2900 / 64] == 1ull << 2900 % 64 &&
               w[2901 / 64] == 1ull << 2901 % 64,
           "select: descriptors beyond 1024");
    tap_ok(read(p[0], &byte, 1) == 1 && sel(2902, r, NULL, &tv) == 0 &&
               r[2900 / 64] == 0,
           "what does not hold is cleared");
}

int main(void)
{
    if (pipe(p)) {
        return 1;
    }
    test_left();
    test_interrupted();
    test_refused();
    test_poll();
    test_many();
    return tap_done();
}
