/* SPDX-License-Identifier: GPL-2.0-or-later */
/* timerfds.c - what a timer's descriptor counts, tells and refuses */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define NS_PER_SEC 1000000000ll
#define MS         1000000ll

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

static int64_t now(int clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static struct timespec spec(int64_t ns)
{
    return (struct timespec){ ns / NS_PER_SEC, ns % NS_PER_SEC };
}

static int set(int fd, int flags, int64_t value, int64_t interval)
{
    struct itimerspec new = { spec(interval), spec(value) };

    return timerfd_settime(fd, flags, &new, NULL);
}

static int64_t left(int fd, int64_t *ret_interval)
{
    struct itimerspec old = { { -1, -1 }, { -1, -1 } };

    timerfd_gettime(fd, &old);
    *ret_interval =
        old.it_interval.tv_sec * NS_PER_SEC + old.it_interval.tv_nsec;
    return old.it_value.tv_sec * NS_PER_SEC + old.it_value.tv_nsec;
}

static int ready(int fd, int ms)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

static int64_t count(int fd)
{
    uint64_t n;

    return read(fd, &n, sizeof(n)) == 8 ? (int64_t)n : -errno;
}

static void test_once(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int64_t interval, ns;

    tap_ok(left(fd, &interval) == 0 && interval == 0, "not set");
    set(fd, 0, 100 * NS_PER_SEC, 0);
    ns = left(fd, &interval);
    tap_ok(ns > 90 * NS_PER_SEC && ns <= 100 * NS_PER_SEC, "it runs");
    tap_ok(count(fd) == -EAGAIN && !ready(fd, 0), "nothing has expired");
    set(fd, 0, 1, 0);
    tap_ok(ready(fd, 5000), "at last");
    tap_ok(left(fd, &interval) == 0 && interval == 0,
           "timerfd: nothing is left of one shot");
    tap_ok(ready(fd, 0) && count(fd) == 1, "it is counted all the same");
    tap_ok(count(fd) == -EAGAIN && left(fd, &interval) == 0, "once");
    set(fd, 0, 1, 0);
    ready(fd, 5000);
    set(fd, 0, 0, 7 * NS_PER_SEC);
    tap_ok(count(fd) == -EAGAIN && left(fd, &interval) == 0 &&
               interval == 7 * NS_PER_SEC,
           "setting it anew forgets");
    close(fd);
}

static void test_again(void)
{
    int fd = timerfd_create(CLOCK_REALTIME, 0); /* is not near its start */
    int64_t interval, ns, start = now(CLOCK_REALTIME), n;

    set(fd, TFD_TIMER_ABSTIME, start - 95 * NS_PER_SEC, 10 * NS_PER_SEC);
    ready(fd, 5000); /* on a slow CPU Linux' interrupt is later than a call */
    ns = left(fd, &interval);
    tap_ok(interval == 10 * NS_PER_SEC && ns > 0 && ns <= 5 * NS_PER_SEC,
           "what is left is of the interval");
    tap_ok(ready(fd, 0) && count(fd) == 10, "those missed are counted");
    ns = left(fd, &interval);
    tap_ok(ns > 0 && ns <= 5 * NS_PER_SEC, "it goes on in phase");
    set(fd, 0, 2 * MS, 2 * MS);
    usleep(20000);
    n = count(fd);
    tap_ok(n >= 9, "each interval counts");
    tap_ok(count(fd) >= 1, "reading waits for the next one");
    close(fd);
}

static void test_wall(void)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    int64_t at = now(CLOCK_REALTIME) + 20 * MS, interval;

    tap_ok(set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, at, 0) == 0,
           "at a time of day");
    tap_ok(ready(fd, 5000) && now(CLOCK_REALTIME) >= at && count(fd) == 1,
           "not before it");
    set(fd, TFD_TIMER_ABSTIME, 1, 0);
    tap_ok(ready(fd, 5000) && count(fd) == 1, "one that is long over");
    set(fd, 0, 50 * NS_PER_SEC, 0);
    tap_ok(left(fd, &interval) > 40 * NS_PER_SEC, "or in a while");
    close(fd);
}

static void test_edges(void)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET }, got;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    int ep = epoll_create1(0);

    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
    set(fd, 0, 1, 0);
    tap_ok(epoll_wait(ep, &got, 1, 5000) == 1, "an expiry is an edge");
    tap_ok(epoll_wait(ep, &got, 1, 0) == 0, "one");
    set(fd, 0, 1, 0);
    tap_ok(epoll_wait(ep, &got, 1, 5000) == 1, "the next one is another");
    close(ep);
    close(fd);
}

static void test_refusals(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, 0), p[2];
    struct itimerspec new = { { 0, 0 }, { 0, NS_PER_SEC } }, good = { 0 };
    uint64_t n;

    tap_ok(fails(timerfd_create(CLOCK_MONOTONIC_RAW, 0), EINVAL) &&
               fails(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL) &&
               fails(timerfd_create(99, 0), EINVAL) &&
               fails(timerfd_create(-1, 0), EINVAL),
           "timerfd: other clocks are EINVAL");
    tap_ok(fails(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL), "unknown flags");
    tap_ok(fails(timerfd_settime(fd, 0, &new, NULL), EINVAL), "no such time");
    new.it_value = (struct timespec){ -1, 0 };
    tap_ok(fails(timerfd_settime(fd, 0, &new, NULL), EINVAL), "nor before 0");
    tap_ok(fails(timerfd_settime(fd, 4, &good, NULL), EINVAL),
           "unknown flags when set");
    tap_ok(fails(syscall(SYS_timerfd_settime, fd, 0, 8, NULL), EFAULT) &&
               fails(syscall(SYS_timerfd_settime, fd, 0, &good, 8), EFAULT) &&
               fails(syscall(SYS_timerfd_gettime, fd, 8), EFAULT),
           "nowhere");
    tap_ok(fails(timerfd_settime(-1, 0, &good, NULL), EBADF) &&
               fails(timerfd_gettime(-1, &good), EBADF),
           "no descriptor");
    if (pipe(p) == 0) {
        tap_ok(fails(timerfd_settime(p[0], 0, &good, NULL), EINVAL) &&
                   fails(timerfd_gettime(p[0], &good), EINVAL),
               "none of a timer");
    }
    tap_ok(fails(read(fd, &n, 7), EINVAL) && fails(write(fd, &n, 8), EINVAL),
           "eight bytes are read, none written");
    close(fd);
}

int main(void)
{
    test_once();
    test_again();
    test_wall();
    test_edges();
    test_refusals();
    return tap_done();
}
