/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.c - descriptors without a network: pipe, socketpair, eventfd,
 * timerfd, epoll, poll, select
 *
 * Everything asked here is what Linux does: the program is run there, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static volatile sig_atomic_t pipes_broken;

static void on_sigpipe(int sig)
{
    (void)sig;
    pipes_broken++;
}

static int fails_with(long ret, int error)
{
    return ret == -1 && errno == error;
}

static void test_pipe(void)
{
    struct iovec out[3] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } };
    char buf[8] = "";
    struct iovec in[2] = { { buf, 1 }, { buf + 1, 7 } };
    struct stat st;
    int p[2], n;

    tap_ok(pipe2(p, O_NONBLOCK) == 0, "pipe2");
    tap_ok(fails_with(read(p[0], buf, 1), EAGAIN), "an empty pipe: EAGAIN");
    tap_ok(writev(p[1], out, 3) == 5, "writev of three pieces");
    tap_ok(ioctl(p[0], FIONREAD, &n) == 0 && n == 5, "FIONREAD");
    tap_ok(readv(p[0], in, 2) == 5 && !memcmp(buf, "abcde", 5), "readv");
    tap_ok(fails_with(read(p[0], BAD, 1), EAGAIN), "nothing to copy: EAGAIN");
    tap_ok(write(p[1], "x", 1) == 1 && fails_with(read(p[0], BAD, 1), EFAULT),
           "a bad pointer: EFAULT");
    tap_ok(read(p[0], buf, 8) == 1 && buf[0] == 'x',
           "and the byte is still there");
    tap_ok(fails_with(write(p[1], BAD, 1), EFAULT), "write from nowhere");
    tap_ok(fails_with(read(p[1], buf, 1), EBADF), "no reading at this end");
    tap_ok(fails_with(lseek(p[0], 0, SEEK_CUR), ESPIPE), "no position");
    tap_ok(fstat(p[0], &st) == 0 && S_ISFIFO(st.st_mode), "fstat: a pipe");
    close(p[0]);
    close(p[1]);
    tap_ok(fails_with(pipe(BAD), EFAULT), "pipe() to nowhere");
}

/* A pipe of its own: in older kernels a write from nowhere takes up a page. */
static void test_full_pipe(void)
{
    static char big[65536];
    int p[2], n, i;

    tap_ok(pipe2(p, O_NONBLOCK) == 0, "a pipe to be filled");
    memset(big, 'z', sizeof(big));
    tap_ok(write(p[1], big, sizeof(big)) == 65536, "64 KiB fit");
    tap_ok(fails_with(write(p[1], "y", 1), EAGAIN), "and not one more");
    tap_ok(read(p[0], big, 100) == 100 &&
               fails_with(write(p[1], big, 4096), EAGAIN),
           "a page is written whole or not at all");
    for (i = 100; i < 65536; i += n) {
        n = read(p[0], big, sizeof(big));
        if (n <= 0) {
            break;
        }
    }
    tap_ok(i == 65536, "all of it comes out");
    close(p[0]);
    tap_ok(fails_with(write(p[1], "x", 1), EPIPE) && pipes_broken == 1,
           "no reader: EPIPE and SIGPIPE");
    close(p[1]);
}

static void *write_later(void *arg)
{
    usleep(20000);
    if (write(*(int *)arg, "late", 4) != 4) {
        return arg;
    }
    return NULL;
}

static void test_blocking(void)
{
    pthread_t thread;
    char buf[8];
    int p[2];
    void *bad;

    tap_ok(pipe(p) == 0, "pipe");
    pthread_create(&thread, NULL, write_later, &p[1]);
    tap_ok(read(p[0], buf, 8) == 4, "a read waits for another thread's write");
    pthread_join(thread, &bad);
    tap_ok(!bad, "which succeeded");
    close(p[1]);
    tap_ok(read(p[0], buf, 8) == 0, "no writer: the end");
    close(p[0]);
}

static void test_descriptors(void)
{
    int p[2], a, b;

    if (pipe(p)) {
        return;
    }
    a = dup(p[0]);
    tap_ok(a == p[1] + 1, "dup: the lowest free number");
    tap_ok(fcntl(a, F_GETFD) == 0 && fcntl(a, F_SETFD, FD_CLOEXEC) == 0 &&
               fcntl(a, F_GETFD) == FD_CLOEXEC,
           "FD_CLOEXEC");
    tap_ok(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0 &&
               (fcntl(a, F_GETFL) & O_NONBLOCK),
           "duplicates share O_NONBLOCK");
    tap_ok((fcntl(a, F_GETFL) & O_ACCMODE) == O_RDONLY &&
               (fcntl(p[1], F_GETFL) & O_ACCMODE) == O_WRONLY,
           "access modes");
    tap_ok(dup2(p[1], 100) == 100 && write(100, "q", 1) == 1, "dup2");
    b = fcntl(a, F_DUPFD, 50);
    tap_ok(b == 50, "F_DUPFD");
    tap_ok(fails_with(dup3(a, a, 0), EINVAL), "dup3 to itself: EINVAL");
    tap_ok(dup2(a, a) == a, "dup2 to itself: fine");
    tap_ok(syscall(SYS_close_range, 50, 100, 0) == 0 &&
               fails_with(fcntl(50, F_GETFD), EBADF) &&
               fails_with(fcntl(100, F_GETFD), EBADF),
           "close_range");
    tap_ok(close(a) == 0 && fails_with(close(a), EBADF), "close once");
    tap_ok(fails_with(read(9999, &a, 1), EBADF), "a number without a file");
    close(p[0]);
    close(p[1]);
}

/* As whoever is given a descriptor finds out that it is a socket. */
static void test_pair_names(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_un un;
    } name;
    socklen_t len = sizeof(name);
    int type = 0;

    tap_ok(getsockname(fd, &name.any, &len) == 0 &&
               len == sizeof(sa_family_t) && name.any.sa_family == AF_UNIX,
           "getsockname: a family and no name");
    len = sizeof(name);
    tap_ok(getpeername(fd, &name.any, &len) == 0 &&
               len == sizeof(sa_family_t) && name.any.sa_family == AF_UNIX,
           "getpeername: likewise");
    len = 1;
    tap_ok(getsockname(fd, &name.any, &len) == 0 && len == sizeof(sa_family_t),
           "cut short: its length all the same");
    len = sizeof(name);
    tap_ok(fails_with(getsockname(fd, BAD, &len), EFAULT), "to nowhere");
    len = sizeof(type);
    tap_ok(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
               type == SOCK_STREAM,
           "SO_TYPE");
}

static void test_pair(void)
{
    char buf[8];
    int s[2];

    tap_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0,
           "socketpair");
    test_pair_names(s[0]);
    tap_ok(write(s[0], "one", 3) == 3 && write(s[1], "two", 3) == 3 &&
               read(s[1], buf, 8) == 3 && !memcmp(buf, "one", 3) &&
               read(s[0], buf, 8) == 3 && !memcmp(buf, "two", 3),
           "both ways");
    tap_ok(fails_with(recv(s[0], buf, 1, 0), EAGAIN), "empty: EAGAIN");
    tap_ok(shutdown(s[0], SHUT_WR) == 0 && recv(s[1], buf, 1, 0) == 0,
           "shutdown: the other end reads the end");
    tap_ok(send(s[1], "x", 1, 0) == 1 && recv(s[0], buf, 1, 0) == 1,
           "the other direction lives");
    close(s[0]);
    tap_ok(fails_with(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE),
           "closed: EPIPE, and no signal if it is not wanted");
    close(s[1]);
}

static void test_eventfd(void)
{
    uint64_t v = 3;
    int e = eventfd(2, EFD_NONBLOCK);

    tap_ok(e >= 0, "eventfd");
    tap_ok(write(e, &v, 8) == 8 && read(e, &v, 8) == 8 && v == 5,
           "it adds up, a read takes all");
    tap_ok(fails_with(read(e, &v, 8), EAGAIN), "0: EAGAIN");
    tap_ok(fails_with(read(e, &v, 4), EINVAL), "less than 8 bytes: EINVAL");
    v = UINT64_MAX - 1;
    tap_ok(write(e, &v, 8) == 8, "up to the limit");
    v = 1;
    tap_ok(fails_with(write(e, &v, 8), EAGAIN), "and not beyond");
    close(e);
    e = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);
    tap_ok(read(e, &v, 8) == 8 && v == 1 && read(e, &v, 8) == 8 &&
               fails_with(read(e, &v, 8), EAGAIN),
           "as a semaphore");
    close(e);
}

static void test_timerfd(void)
{
    struct itimerspec t = { { 0, 0 }, { 3600, 0 } }, now;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint64_t n = 0;

    tap_ok(fd >= 0 && timerfd_settime(fd, 0, &t, NULL) == 0, "timerfd");
    tap_ok(fails_with(read(fd, &n, 8), EAGAIN) && poll(&p, 1, 0) == 0,
           "not yet");
    tap_ok(timerfd_gettime(fd, &now) == 0 && now.it_value.tv_sec > 0,
           "time left");
    t.it_value.tv_sec = 0;
    t.it_value.tv_nsec = 20000000;
    timerfd_settime(fd, 0, &t, NULL);
    tap_ok(poll(&p, 1, 60000) == 1 && read(fd, &n, 8) == 8 && n == 1,
           "expires once");
    tap_ok(poll(&p, 1, 50) == 0, "and is over");
    t.it_interval.tv_nsec = 5000000;
    t.it_value.tv_nsec = 5000000;
    timerfd_settime(fd, 0, &t, NULL);
    usleep(60000);
    tap_ok(read(fd, &n, 8) == 8 && n >= 5, "expiries are counted");
    close(fd);
}

static void test_epoll(void)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 77 }, out[4];
    char buf[8];
    int p[2], ep = epoll_create1(0), ep2 = epoll_create1(0), d;

    if (pipe(p)) {
        return;
    }
    tap_ok(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev) == 0, "epoll: add");
    tap_ok(fails_with(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev), EEXIST),
           "twice: EEXIST");
    tap_ok(fails_with(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev), ENOENT),
           "not there: ENOENT");
    tap_ok(fails_with(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL),
           "itself: EINVAL");
    tap_ok(epoll_wait(ep, out, 4, 0) == 0, "nothing yet");
    d = write(p[1], "ab", 2);
    tap_ok(d == 2 && epoll_wait(ep, out, 4, 1000) == 1 &&
               out[0].data.u64 == 77 && out[0].events == EPOLLIN,
           "readable");
    tap_ok(epoll_wait(ep, out, 4, 0) == 1, "level: again");
    ev.events = EPOLLIN | EPOLLET;
    epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
    tap_ok(epoll_wait(ep, out, 4, 0) == 1 && epoll_wait(ep, out, 4, 0) == 0,
           "edge: once");
    d = write(p[1], "c", 1);
    tap_ok(d == 1 && epoll_wait(ep, out, 4, 0) == 1 &&
               epoll_wait(ep, out, 4, 0) == 0,
           "edge: once for the next byte");
    ev.events = EPOLLIN | EPOLLONESHOT;
    epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
    d = epoll_wait(ep, out, 4, 0);
    tap_ok(d == 1 && write(p[1], "d", 1) == 1 && epoll_wait(ep, out, 4, 0) == 0,
           "one-shot: once");
    epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
    tap_ok(epoll_wait(ep, out, 4, 0) == 1, "one-shot: armed again");
    ev.events = EPOLLIN;
    epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
    tap_ok(epoll_ctl(ep2, EPOLL_CTL_ADD, ep, &ev) == 0 &&
               epoll_wait(ep2, out, 4, 0) == 1,
           "an epoll file in an epoll file");
    tap_ok(fails_with(epoll_ctl(ep, EPOLL_CTL_ADD, ep2, &ev), ELOOP),
           "a circle: ELOOP");
    d = dup(p[0]);
    tap_ok(epoll_ctl(ep, EPOLL_CTL_ADD, d, &ev) == 0 &&
               epoll_wait(ep, out, 4, 0) == 2,
           "two numbers of one file");
    tap_ok(epoll_ctl(ep, EPOLL_CTL_DEL, d, NULL) == 0 &&
               epoll_wait(ep, out, 4, 0) == 1,
           "remove one");
    close(d);
    tap_ok(read(p[0], buf, 8) == 4 && epoll_wait(ep, out, 4, 0) == 0,
           "empty: nothing");
    close(p[1]);
    tap_ok(epoll_wait(ep, out, 4, 1000) == 1 && out[0].events == EPOLLHUP,
           "no writer: EPOLLHUP");
    close(p[0]);
    tap_ok(epoll_wait(ep, out, 4, 0) == 0, "a closed file is forgotten");
    tap_ok(fails_with(epoll_wait(ep, out, 0, 0), EINVAL), "no room: EINVAL");
    close(ep);
    close(ep2);
}

static void *tick_eventfd(void *arg)
{
    uint64_t one = 1;

    usleep(20000);
    return write(*(int *)arg, &one, 8) == 8 ? NULL : arg;
}

static void test_wake_between_threads(void)
{
    struct epoll_event ev = { .events = EPOLLIN }, out;
    int e = eventfd(0, EFD_NONBLOCK), ep = epoll_create1(0);
    pthread_t thread;

    epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev);
    pthread_create(&thread, NULL, tick_eventfd, &e);
    tap_ok(epoll_wait(ep, &out, 1, 5000) == 1,
           "another thread's event ends epoll_wait");
    pthread_join(thread, NULL);
    close(e);
    close(ep);
}

static void test_poll_and_select(void)
{
    struct timespec start, end;
    struct timeval tv = { 0, 30000 };
    struct pollfd p[3];
    fd_set r, w;
    int a[2], n;

    if (pipe(a)) {
        return;
    }
    p[0] = (struct pollfd){ a[0], POLLIN, 0 };
    p[1] = (struct pollfd){ a[1], POLLOUT, 0 };
    p[2] = (struct pollfd){ 9999, POLLIN, 0 };
    tap_ok(poll(p, 2, 0) == 1 && !p[0].revents && p[1].revents == POLLOUT,
           "poll: an empty pipe is writable");
    tap_ok(poll(p, 3, 0) == 2 && p[2].revents == POLLNVAL, "POLLNVAL");
    p[0].fd = -1;
    tap_ok(poll(p, 1, 0) == 0, "a negative number is skipped");
    tap_ok(fails_with(poll(BAD, 1, 0), EFAULT), "poll from nowhere");
    clock_gettime(CLOCK_MONOTONIC, &start);
    n = poll(NULL, 0, 30);
    clock_gettime(CLOCK_MONOTONIC, &end);
    tap_ok(n == 0 && (end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec -
                             start.tv_nsec >=
                         30000000,
           "poll waits its time");
    FD_ZERO(&r);
    FD_SET(a[0], &r);
    tap_ok(select(a[0] + 1, &r, NULL, NULL, &tv) == 0 && !FD_ISSET(a[0], &r),
           "select: time is over");
    n = write(a[1], "x", 1);
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_SET(a[0], &r);
    FD_SET(a[1], &w);
    tap_ok(n == 1 && select(a[1] + 1, &r, &w, NULL, NULL) == 2 &&
               FD_ISSET(a[0], &r) && FD_ISSET(a[1], &w),
           "select: both");
    close(a[0]);
    close(a[1]);
}

static void test_devices(void)
{
    unsigned char zeros[16], random[64], none[64] = { 0 };
    int fd;

    fd = open("/dev/null", O_RDWR);
    tap_ok(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, zeros, 1) == 0,
           "/dev/null");
    close(fd);
    memset(zeros, 1, sizeof(zeros));
    fd = open("/dev/zero", O_RDONLY);
    tap_ok(read(fd, zeros, 16) == 16 && !memcmp(zeros, none, 16), "/dev/zero");
    close(fd);
    fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    tap_ok(read(fd, random, 64) == 64 && memcmp(random, none, 64),
           "/dev/urandom");
    close(fd);
    tap_ok(fails_with(open("/no/such/file", O_RDONLY), ENOENT), "no file");
    tap_ok(fails_with(open(BAD, O_RDONLY), EFAULT), "no name");
}

int main(void)
{
    signal(SIGPIPE, on_sigpipe);
    test_pipe();
    test_full_pipe();
    test_blocking();
    test_descriptors();
    test_pair();
    test_eventfd();
    test_timerfd();
    test_epoll();
    test_wake_between_threads();
    test_poll_and_select();
    test_devices();
    return tap_done();
}
