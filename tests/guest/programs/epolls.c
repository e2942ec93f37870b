/* SPDX-License-Identifier: GPL-2.0-or-later */
/* epolls.c - what an epoll file refuses, edges, one after the other */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define IN    EPOLLIN
#define OUT   EPOLLOUT
#define ALONE EPOLLEXCLUSIVE

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

static int add(int ep, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
}

static int change(int ep, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.fd = fd };

    return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event);
}

/* The events of the only descriptor that has some, 0 if there is none. */
static uint32_t look(int ep)
{
    struct epoll_event got[4];
    int n = epoll_wait(ep, got, 4, 0);

    return n == 1 ? got[0].events : n ? 0xbad : 0;
}

static void test_files(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), file, dir, null, zero;

    tap_ok(ep >= 0 && fcntl(ep, F_GETFD) == FD_CLOEXEC &&
               epoll_create(1) >= 0 &&
               fails(syscall(SYS_epoll_create, 0), EINVAL) &&
               fails(epoll_create1(1), EINVAL),
           "made with flags or a size");
    file = open("/etc/passwd", O_RDONLY);
    dir = open("/", O_RDONLY | O_DIRECTORY);
    null = open("/dev/null", O_RDWR);
    zero = open("/dev/zero", O_RDWR);
    tap_ok(file >= 0 && dir >= 0 && null >= 0 && zero >= 0, "files");
    tap_ok(fails(add(ep, file, IN), EPERM) && fails(add(ep, dir, IN), EPERM) &&
               fails(add(ep, null, IN), EPERM) &&
               fails(add(ep, zero, IN), EPERM),
           "no epoll for files: EPERM");
    tap_ok(fails(change(ep, file, IN), EPERM) &&
               fails(epoll_ctl(ep, EPOLL_CTL_DEL, file, NULL), EPERM),
           "nor to change it");
    close(file);
    tap_ok(fails(add(ep, file, IN), EBADF) && fails(add(-1, dir, IN), EBADF) &&
               fails(add(dir, ep, IN), EINVAL) &&
               fails(add(ep, ep, IN), EINVAL),
           "what is no descriptor, or no epoll file");
    close(ep);
}

static void test_exclusive(void)
{
    int ep = epoll_create1(0), other = epoll_create1(0), fd = eventfd(1, 0);

    tap_ok(add(ep, fd, IN | ALONE) == 0 && look(ep) == IN, "exclusive");
    tap_ok(fails(change(ep, fd, IN | ALONE), EINVAL) &&
               fails(change(ep, fd, IN), EINVAL) &&
               epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == 0 &&
               fails(add(ep, fd, IN | ALONE | EPOLLONESHOT), EINVAL) &&
               fails(add(ep, fd, IN | ALONE | EPOLLPRI), EINVAL) &&
               fails(add(ep, fd, IN | ALONE | EPOLLRDHUP), EINVAL) &&
               fails(add(ep, other, IN | ALONE), EINVAL),
           "exclusive: not changed, not with all");
    tap_ok(add(ep, fd, IN | OUT | EPOLLERR | EPOLLHUP | EPOLLET | ALONE) == 0,
           "but with these");
    tap_ok(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == 0 &&
               add(ep, fd, IN) == 0 &&
               fails(change(ep, fd, IN | ALONE), EINVAL),
           "it is so from the beginning");
    close(fd);
    close(other);
    close(ep);
}

static void test_edges(void)
{
    int ep = epoll_create1(0), fd = eventfd(0, EFD_NONBLOCK), p[2];
    uint64_t one = 1;

    add(ep, fd, IN | OUT | EPOLLET);
    tap_ok(look(ep) == OUT && look(ep) == 0, "a first look, and no more");
    tap_ok(write(fd, &one, 8) == 8 && look(ep) == (IN | OUT) && !look(ep),
           "a write is an edge");
    tap_ok(write(fd, &one, 8) == 8 && look(ep) == (IN | OUT), "each of them");
    tap_ok(read(fd, &one, 8) == 8 && one == 2 && look(ep) == OUT && !look(ep),
           "a read is one");
    tap_ok(change(ep, fd, IN | OUT | EPOLLET) == 0 && look(ep) == OUT,
           "a change looks anew");
    tap_ok(change(ep, fd, OUT | EPOLLONESHOT) == 0 && look(ep) == OUT &&
               !look(ep) && write(fd, &one, 8) == 8 && !look(ep) &&
               change(ep, fd, IN | EPOLLONESHOT) == 0 && look(ep) == IN,
           "one shot");
    close(fd);
    if (pipe2(p, O_NONBLOCK) == 0 && add(ep, p[0], IN | EPOLLET) == 0) {
        tap_ok(write(p[1], "ab", 2) == 2 && look(ep) == IN && !look(ep) &&
                   read(p[0], &one, 1) == 1 && !look(ep) &&
                   write(p[1], "c", 1) == 1 && look(ep) == IN,
               "edges of a pipe");
        close(p[1]);
        tap_ok(look(ep) == (IN | EPOLLHUP), "its end is one");
        close(p[0]);
    }
    tap_ok(look(ep) == 0, "who is closed is forgotten");
    close(ep);
}

static void test_copies(void)
{
    int ep = epoll_create1(0), fd = eventfd(1, 0), copy = dup(fd);
    struct epoll_event got[4];

    tap_ok(add(ep, fd, IN) == 0 && fails(add(ep, fd, IN), EEXIST) &&
               add(ep, copy, IN) == 0 && epoll_wait(ep, got, 4, 0) == 2,
           "a copy is another one");
    close(fd);
    tap_ok(epoll_wait(ep, got, 4, 0) == 2, "it keeps the first one there");
    close(copy);
    tap_ok(epoll_wait(ep, got, 4, 0) == 0, "the last one does not");
    close(ep);
}

static void test_nested(void)
{
    int ep[7], i, depth;
    struct epoll_event got;
    uint64_t one = 1;
    int fd = eventfd(0, 0);

    for (i = 0; i < 7; i++) {
        ep[i] = epoll_create1(0);
    }
    for (depth = 0; depth < 6 && add(ep[depth], ep[depth + 1], IN) == 0;) {
        depth++;
    }
    tap_ok(errno == ELOOP && depth == 4, "four around the innermost, no more");
    tap_ok(fails(add(ep[4], ep[0], IN), ELOOP), "nor in a circle");
    add(ep[4], fd, IN);
    tap_ok(epoll_wait(ep[0], &got, 1, 0) == 0 && write(fd, &one, 8) == 8 &&
               epoll_wait(ep[0], &got, 1, 1000) == 1 && got.data.fd == ep[1],
           "the innermost is heard of");
    tap_ok(read(fd, &one, 8) == 8 && epoll_wait(ep[0], &got, 1, 0) == 0,
           "until it is quiet");
    for (i = 0; i < 7; i++) {
        close(ep[i]);
    }
    close(fd);
}

static void test_waiting(void)
{
    int ep = epoll_create1(0), fd = eventfd(1, 0);
    struct timespec bad = { 0, 1000000000 }, none = { 0, 0 };
    struct epoll_event got;
    uint64_t mask = 0;

    add(ep, fd, IN);
    tap_ok(fails(epoll_wait(ep, &got, 0, 0), EINVAL) &&
               fails(syscall(SYS_epoll_wait, ep, &got, -1, 0), EINVAL) &&
               fails(epoll_wait(fd, &got, 1, 0), EINVAL) &&
               fails(epoll_wait(-1, &got, 1, 0), EBADF) &&
               fails(syscall(SYS_epoll_wait, ep, BAD, 1, 0), EFAULT),
           "waiting: what is refused");
    tap_ok(
        fails(syscall(SYS_epoll_pwait, ep, &got, 1, 0, &mask, 7), EINVAL) &&
            fails(syscall(SYS_epoll_pwait, ep, &got, 1, 0, BAD, 8), EFAULT) &&
            syscall(SYS_epoll_pwait, ep, &got, 1, 0, &mask, 8) == 1,
        "with a mask");
    tap_ok(
        fails(syscall(SYS_epoll_pwait2, ep, &got, 1, &bad, NULL, 8), EINVAL) &&
            fails(syscall(SYS_epoll_pwait2, ep, &got, 1, BAD, NULL, 8),
                  EFAULT) &&
            syscall(SYS_epoll_pwait2, ep, &got, 1, &none, NULL, 8) == 1,
        "with a time in nanoseconds");
    tap_ok(fails(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_MOD, fd, BAD), EFAULT) &&
               fails(epoll_ctl(ep, 9, fd, &got), EINVAL) &&
               epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == 0 &&
               fails(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL), ENOENT) &&
               fails(change(ep, fd, IN), ENOENT),
           "no such watch");
    close(ep);
    close(fd);
}

int main(void)
{
    test_files();
    test_exclusive();
    test_edges();
    test_copies();
    test_nested();
    test_waiting();
    return tap_done();
}
