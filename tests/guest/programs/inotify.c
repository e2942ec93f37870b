/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inotify.c - hear what happens to files
 *
 * In the guest /etc/passwd is there and nobody else reads it.  Under Linux
 * others do, so that the same names are made below a directory of our own.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "tap.h"

#ifndef IN_MASK_CREATE
#define IN_MASK_CREATE 0x10000000
#endif
#define HEAD ((int)sizeof(struct inotify_event))

static void *volatile bad_pointer = (void *)16;
static char top[64], etc[80], file[96];

static int fails_with(long ret, int error)
{
    return ret == -1 && errno == error;
}

static void make_names(void)
{
    char name[] = "/tmp/inotify-XXXXXX";
    int fd;

    if (mkdtemp(name)) {
        strcpy(top, name);
        snprintf(etc, sizeof(etc), "%s/etc", top);
        snprintf(file, sizeof(file), "%s/passwd", etc);
        mkdir(etc, 0700);
        fd = open(file, O_CREAT | O_WRONLY, 0600);
        if (write(fd, "root:x:0:0:root:/:/bin/sh\n", 26) != 26) {
            exit(1);
        }
        close(fd);
    } else {
        strcpy(top, "/");
        strcpy(etc, "/etc");
        strcpy(file, "/etc/passwd");
    }
}

static void remove_names(void)
{
    if (top[1]) {
        unlink(file);
        rmdir(etc);
        rmdir(top);
    }
}

/* The next event is this one: its name, if it has one, in 16 bytes. */
static int next_is(int fd, int wd, uint32_t mask, const char *name)
{
    union {
        struct inotify_event event;
        char bytes[512];
    } got;
    int room = HEAD + (name ? 16 : 0), n;

    n = read(fd, got.bytes, room);
    return n == room && got.event.wd == wd && got.event.mask == mask &&
           got.event.cookie == 0 && (int)got.event.len == room - HEAD &&
           (!name || !strcmp(got.event.name, name));
}

static int is_quiet(int fd)
{
    char byte;

    return fails_with(read(fd, &byte, 1), EAGAIN);
}

static void test_new(void)
{
    char link[40], text[64] = "", name[40];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), other = inotify_init();
    struct stat st;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    tap_ok(fd >= 0 && other >= 0 && fcntl(fd, F_GETFL) == O_NONBLOCK &&
               fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(other, F_GETFL) == 0 &&
               fcntl(other, F_GETFD) == 0 &&
               readlink(link, text, sizeof(text) - 1) > 0 &&
               !strcmp(text, "anon_inode:inotify"),
           "a new one: flags and name");
    tap_ok(fails_with(inotify_init1(1), EINVAL), "flags that there are not");
    tap_ok(fstat(fd, &st) == 0 && st.st_mode == 0600 &&
               lseek(fd, 5, SEEK_SET) == 0 &&
               fails_with(write(fd, "x", 1), EBADF) &&
               fails_with(pread(fd, name, 1, 0), ESPIPE) &&
               fails_with(ioctl(fd, TIOCOUTQ, name), ENOTTY),
           "what can be done with it");
    close(fd);
    close(other);
}

static void test_refused(void)
{
    int fd = inotify_init1(IN_NONBLOCK), plain = open(file, O_RDONLY);
    int path = open(file, O_PATH);
    char below[120];

    snprintf(below, sizeof(below), "%s/x", file);
    tap_ok(
        fails_with(inotify_add_watch(fd, file, 0), EINVAL) &&
            fails_with(inotify_add_watch(fd, file, 0x1000), EINVAL) &&
            fails_with(inotify_add_watch(-1, file, 0), EINVAL) &&
            fails_with(inotify_add_watch(-1, file, IN_OPEN), EBADF) &&
            fails_with(inotify_add_watch(path, file, IN_OPEN), EBADF) &&
            fails_with(inotify_add_watch(plain, file, IN_OPEN), EINVAL) &&
            fails_with(inotify_add_watch(plain, "", IN_OPEN), EINVAL) &&
            fails_with(inotify_add_watch(fd, "", IN_OPEN), ENOENT) &&
            fails_with(inotify_add_watch(fd, "/no/file", IN_OPEN), ENOENT) &&
            fails_with(inotify_add_watch(fd, below, IN_OPEN), ENOTDIR) &&
            fails_with(inotify_add_watch(fd, bad_pointer, IN_OPEN), EFAULT) &&
            fails_with(inotify_add_watch(fd, file, IN_OPEN | IN_ONLYDIR),
                       ENOTDIR) &&
            fails_with(inotify_add_watch(
                           fd, file, IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE),
                       EINVAL),
        "what cannot be watched, or how");
    tap_ok(fails_with(inotify_rm_watch(fd, 1), EINVAL) &&
               fails_with(inotify_rm_watch(fd, -1), EINVAL) &&
               fails_with(inotify_rm_watch(plain, 1), EINVAL) &&
               fails_with(inotify_rm_watch(999, 1), EBADF),
           "no such watch");
    close(path);
    close(plain);
    close(fd);
}

static void test_descriptors(void)
{
    int fd = inotify_init1(IN_NONBLOCK), other = inotify_init1(IN_NONBLOCK);

    tap_ok(inotify_add_watch(fd, file, IN_OPEN) == 1 &&
               inotify_add_watch(fd, etc, IN_OPEN) == 2 &&
               inotify_add_watch(fd, file, IN_OPEN) == 1 &&
               inotify_add_watch(other, file, IN_OPEN) == 1,
           "a number for each watched file");
    tap_ok(fails_with(inotify_add_watch(fd, file, IN_OPEN | IN_MASK_CREATE),
                      EEXIST) &&
               inotify_add_watch(other, etc, IN_OPEN | IN_MASK_CREATE) == 2,
           "IN_MASK_CREATE makes new ones only");
    tap_ok(inotify_rm_watch(fd, 1) == 0 && next_is(fd, 1, IN_IGNORED, NULL) &&
               fails_with(inotify_rm_watch(fd, 1), EINVAL),
           "a watch ends: IN_IGNORED");
    tap_ok(inotify_add_watch(fd, file, IN_OPEN) == 3,
           "a number is not used again");
    tap_ok(inotify_rm_watch(fd, 3) == 0 && inotify_rm_watch(fd, 2) == 0 &&
               next_is(fd, 3, IN_IGNORED, NULL) &&
               next_is(fd, 2, IN_IGNORED, NULL) && is_quiet(fd),
           "each is told to end");
    close(fd);
    close(other);
}

static void test_file(void)
{
    int fd = inotify_init1(IN_NONBLOCK), in, again, path;
    int wd = inotify_add_watch(fd, file, IN_ALL_EVENTS);
    struct iovec v = { (char[64]){ 0 }, 64 };
    struct stat st;
    char b[4];

    in = open(file, O_RDONLY);
    tap_ok(in >= 0 && next_is(fd, wd, IN_OPEN, NULL) && is_quiet(fd) &&
               read(in, b, 4) == 4 && next_is(fd, wd, IN_ACCESS, NULL) &&
               is_quiet(fd) && close(in) == 0 &&
               next_is(fd, wd, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "a file is opened, read and closed");
    in = open(file, O_RDONLY);
    again = dup(in);
    close(in);
    tap_ok(next_is(fd, wd, IN_OPEN, NULL) && is_quiet(fd),
           "another number for it is nothing");
    tap_ok(pread(again, b, 4, 1) == 4 && next_is(fd, wd, IN_ACCESS, NULL) &&
               readv(again, &v, 1) > 0 && next_is(fd, wd, IN_ACCESS, NULL) &&
               preadv(again, &v, 1, 2) > 0 && next_is(fd, wd, IN_ACCESS, NULL),
           "all the ways to read");
    lseek(again, 0, SEEK_END);
    tap_ok(read(again, b, 4) == 0 && pread(again, b, 4, 1 << 20) == 0 &&
               lseek(again, 0, SEEK_SET) == 0 && read(again, b, 0) == 0 &&
               is_quiet(fd),
           "a read of nothing is none");
    lseek(again, 0, SEEK_END);
    tap_ok(readv(again, &v, 1) == 0 && next_is(fd, wd, IN_ACCESS, NULL),
           "but one with a vector");
    close(again);
    tap_ok(next_is(fd, wd, IN_CLOSE_NOWRITE, NULL), "the last number closes");
    path = open(file, O_PATH);
    tap_ok(stat(file, &st) == 0 && access(file, R_OK) == 0 && is_quiet(fd),
           "who only looks is not heard");
    close(path);
    close(fd);
}

static void test_sendfile(void)
{
    int fd = inotify_init1(IN_NONBLOCK), in = open(file, O_RDONLY), s[2];
    int wd = inotify_add_watch(fd, file, IN_ALL_EVENTS);

    tap_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 &&
               sendfile(s[0], in, NULL, 8) == 8 &&
               next_is(fd, wd, IN_ACCESS, NULL) && is_quiet(fd),
           "sendfile reads");
    close(s[0]);
    close(s[1]);
    close(in);
    close(fd);
}

static void test_directory(void)
{
    int fd = inotify_init1(IN_NONBLOCK), in;
    int dir = inotify_add_watch(fd, etc, IN_ALL_EVENTS | IN_ONLYDIR);
    int wd = inotify_add_watch(fd, file, IN_ALL_EVENTS), up;
    char b[4];
    DIR *d;

    in = open(file, O_RDONLY);
    tap_ok(dir == 1 && wd == 2 && next_is(fd, dir, IN_OPEN, "passwd") &&
               next_is(fd, wd, IN_OPEN, NULL) && read(in, b, 4) == 4 &&
               next_is(fd, dir, IN_ACCESS, "passwd") &&
               next_is(fd, wd, IN_ACCESS, NULL) && close(in) == 0 &&
               next_is(fd, dir, IN_CLOSE_NOWRITE, "passwd") &&
               next_is(fd, wd, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "a directory hears of what is in it");
    up = inotify_add_watch(fd, top, IN_OPEN | IN_CLOSE);
    d = opendir(etc);
    tap_ok(d && next_is(fd, up, IN_OPEN | IN_ISDIR, "etc") &&
               next_is(fd, dir, IN_OPEN | IN_ISDIR, NULL) && readdir(d) &&
               next_is(fd, dir, IN_ACCESS | IN_ISDIR, NULL) && is_quiet(fd),
           "a directory is opened and listed");
    closedir(d);
    tap_ok(next_is(fd, up, IN_CLOSE_NOWRITE | IN_ISDIR, "etc") &&
               next_is(fd, dir, IN_CLOSE_NOWRITE | IN_ISDIR, NULL) &&
               is_quiet(fd),
           "and closed");
    close(fd);
}

static void test_masks(void)
{
    int fd = inotify_init1(IN_NONBLOCK), wd;
    char b[4];
    int in;

    wd = inotify_add_watch(fd, file, IN_OPEN);
    close(open(file, O_RDONLY));
    tap_ok(next_is(fd, wd, IN_OPEN, NULL) && is_quiet(fd),
           "only what is asked for");
    inotify_add_watch(fd, file, IN_CLOSE_NOWRITE);
    close(open(file, O_RDONLY));
    tap_ok(next_is(fd, wd, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "another mask replaces it");
    inotify_add_watch(fd, file, IN_OPEN | IN_MASK_ADD);
    close(open(file, O_RDONLY));
    tap_ok(next_is(fd, wd, IN_OPEN, NULL) &&
               next_is(fd, wd, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "IN_MASK_ADD adds to it");
    inotify_add_watch(fd, file, IN_OPEN | IN_ONESHOT);
    close(open(file, O_RDONLY));
    close(open(file, O_RDONLY));
    tap_ok(next_is(fd, wd, IN_OPEN, NULL) &&
               next_is(fd, wd, IN_IGNORED, NULL) && is_quiet(fd) &&
               fails_with(inotify_rm_watch(fd, wd), EINVAL),
           "IN_ONESHOT: one event and the end");
    wd = inotify_add_watch(fd, file, IN_ACCESS | IN_CLOSE);
    in = open(file, O_RDONLY);
    tap_ok(read(in, b, 1) == 1 && read(in, b, 1) == 1 && close(in) == 0 &&
               next_is(fd, wd, IN_ACCESS, NULL) &&
               next_is(fd, wd, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "the same twice is told once");
    wd = inotify_add_watch(fd, etc, IN_EXCL_UNLINK);
    close(open(file, O_RDONLY));
    tap_ok(wd == 3 && next_is(fd, 2, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "a watch for nothing");
    close(fd);
}

static void test_links(void)
{
    int fd = inotify_init1(IN_NONBLOCK);
    int wd = inotify_add_watch(fd, "/proc/self/exe", IN_OPEN | IN_DONT_FOLLOW);

    close(open("/proc/self/exe", O_RDONLY));
    tap_ok(wd == 1 && is_quiet(fd), "IN_DONT_FOLLOW watches the link itself");
    tap_ok(fails_with(inotify_add_watch(fd, "/proc/self/exe",
                                        IN_OPEN | IN_DONT_FOLLOW | IN_ONLYDIR),
                      ENOTDIR),
           "which is no directory");
    close(fd);
}

static void test_reading(void)
{
    int fd = inotify_init1(IN_NONBLOCK), n;
    int dir = inotify_add_watch(fd, etc, IN_OPEN | IN_CLOSE);
    int wd = inotify_add_watch(fd, file, IN_OPEN | IN_CLOSE);
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };
    char b[512];

    tap_ok(ioctl(fd, FIONREAD, &n) == 0 && n == 0 && poll(&p, 1, 0) == 0,
           "nothing yet");
    close(open(file, O_RDONLY));
    tap_ok(ioctl(fd, FIONREAD, &n) == 0 && n == 4 * HEAD + 32,
           "FIONREAD counts whole events");
    tap_ok(poll(&p, 1, 0) == 1 && p.revents == POLLIN, "poll");
    tap_ok(fails_with(read(fd, b, 0), EINVAL) &&
               fails_with(read(fd, b, HEAD + 15), EINVAL) &&
               next_is(fd, dir, IN_OPEN, "passwd"),
           "an event is read whole or not at all");
    tap_ok(read(fd, b, HEAD + HEAD + 15) == HEAD, "as many as fit");
    tap_ok(fails_with(read(fd, bad_pointer, HEAD + 16), EFAULT) &&
               next_is(fd, wd, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "what could not be stored is lost");
    close(open(file, O_RDONLY));
    tap_ok(read(fd, b, sizeof(b)) == 4 * HEAD + 32 && is_quiet(fd),
           "all at once");
    close(fd);
}

static void *open_later(void *arg)
{
    usleep(20000);
    close(open(file, O_RDONLY));
    return arg;
}

static void test_waiting(void)
{
    struct epoll_event ev = { .events = EPOLLIN }, out;
    int fd = inotify_init(), ep = epoll_create1(0);
    int wd = inotify_add_watch(fd, file, IN_OPEN);
    pthread_t thread;

    pthread_create(&thread, NULL, open_later, NULL);
    tap_ok(next_is(fd, wd, IN_OPEN, NULL), "a read waits for an event");
    pthread_join(thread, NULL);
    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
    tap_ok(epoll_wait(ep, &out, 1, 0) == 0, "epoll: nothing yet");
    pthread_create(&thread, NULL, open_later, NULL);
    tap_ok(epoll_wait(ep, &out, 1, 60000) == 1 && out.events == EPOLLIN &&
               next_is(fd, wd, IN_OPEN, NULL) &&
               epoll_wait(ep, &out, 1, 0) == 0,
           "epoll waits for an event");
    pthread_join(thread, NULL);
    close(ep);
    close(fd);
}

static void test_devices(void)
{
    int fd = inotify_init1(IN_NONBLOCK), out = open("/proc/self/comm", O_RDWR);
    int wd = inotify_add_watch(fd, "/proc/self/comm", IN_ALL_EVENTS);
    char b[32];

    tap_ok(read(out, b, 32) > 0 && next_is(fd, wd, IN_ACCESS, NULL) &&
               write(out, "other", 5) == 5 &&
               next_is(fd, wd, IN_MODIFY, NULL) && close(out) == 0 &&
               next_is(fd, wd, IN_CLOSE_WRITE, NULL) && is_quiet(fd),
           "what can be written to is");
    close(fd);
}

static void test_full(void)
{
    int fd = inotify_init1(IN_NONBLOCK), n = 0, i;
    int wd = inotify_add_watch(fd, file, IN_OPEN | IN_CLOSE);
    union {
        struct inotify_event events[64];
        char bytes[64 * sizeof(struct inotify_event)];
    } got;
    uint32_t last = 0;
    int at = 0;

    for (i = 0; i < 8193; i++) {
        close(open(file, O_RDONLY));
    }
    while ((i = read(fd, got.bytes, sizeof(got))) > 0) {
        n += i / HEAD;
        last = got.events[i / HEAD - 1].mask;
        at = got.events[i / HEAD - 1].wd;
    }
    tap_ok(n == 16385 && last == IN_Q_OVERFLOW && at == -1,
           "what finds no room: IN_Q_OVERFLOW");
    close(open(file, O_RDONLY));
    tap_ok(next_is(fd, wd, IN_OPEN, NULL) &&
               next_is(fd, wd, IN_CLOSE_NOWRITE, NULL) && is_quiet(fd),
           "and it goes on");
    close(fd);
}

int main(void)
{
    make_names();
    test_new();
    test_refused();
    test_descriptors();
    test_file();
    test_sendfile();
    test_directory();
    test_masks();
    test_links();
    test_reading();
    test_waiting();
    test_devices();
    test_full();
    remove_names();
    return tap_done();
}
