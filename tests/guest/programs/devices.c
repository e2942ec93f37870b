/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices.c - files of /dev, the standard streams by name, ioctl() */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>
#include "tap.h"

static int error_of(long ret)
{
    return ret == -1 ? errno : 0;
}

static int all_are(const char *p, size_t n, char value)
{
    size_t i;

    for (i = 0; i < n && p[i] == value; i++) {
    }
    return i == n;
}

static void test_memory_devices(void)
{
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
    int full = open("/dev/full", O_RDWR);
    char buf[512];

    memset(buf, 7, sizeof(buf));
    tap_ok(read(null, buf, 512) == 0 && write(null, buf, 512) == 512 &&
               syscall(SYS_write, null, 1, 512) == 512 &&
               read(zero, buf, 512) == 512 && all_are(buf, 512, 0) &&
               write(zero, buf, 512) == 512 && pread(zero, buf, 3, 99) == 3 &&
               pwrite(null, buf, 3, 99) == 3 && read(full, buf, 9) == 9 &&
               error_of(write(full, buf, 1)) == ENOSPC &&
               error_of(syscall(SYS_read, zero, 1, 9)) == EFAULT,
           "null, zero and full");
    tap_ok(lseek(null, 100, SEEK_SET) == 0 && lseek(zero, 5, SEEK_END) == 0 &&
               error_of(ftruncate(null, 0)) == EINVAL &&
               error_of(fsync(zero)) == EINVAL,
           "they have neither a position nor a length");
    close(null), close(zero), close(full);
}

static void test_zero_map(void)
{
    int zero = open("/dev/zero", O_RDWR), null = open("/dev/null", O_RDWR);
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);

    tap_ok(p != MAP_FAILED && all_are(p, 8192, 0) && (p[5000] = 3) == 3 &&
               munmap(p, 8192) == 0,
           "zero can be mapped");
    p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, null, 0);
    tap_ok(p == MAP_FAILED && errno == ENODEV, "null cannot");
    close(zero), close(null);
}

static void test_random(void)
{
    int a = open("/dev/random", O_RDWR), b = open("/dev/urandom", O_RDONLY);
    char x[600] = "", y[600] = "";

    tap_ok(read(a, x, 600) == 600 && read(b, y, 600) == 600 &&
               !all_are(x, 600, 0) && memcmp(x, y, 600) != 0 &&
               write(a, x, 16) == 16,
           "random bytes");
    close(a), close(b);
}

/* With or without a terminal: Linux has one only if its session does. */
static void test_tty(void)
{
    int fd = open("/dev/tty", O_RDWR);

    tap_ok(fd >= 0 ? isatty(fd) : errno == ENXIO, "there is no terminal");
    close(fd);
}

/* What is written by the name reaches what the descriptor is of. */
static void test_streams(void)
{
    int p[2], saved = dup(1), by_name, by_number;
    char buf[16] = "";
    FILE *f;

    pipe(p);
    fflush(stdout);
    dup2(p[1], 1);
    by_name = open("/dev/stdout", O_WRONLY | O_CREAT | O_APPEND, 0666);
    by_number = open("/dev/fd/1", O_WRONLY | O_TRUNC);
    write(by_name, "a", 1);
    write(by_number, "b", 1);
    f = fopen("/proc/self/fd/1", "w");
    fputs("c", f);
    fclose(f);
    dup2(saved, 1);
    tap_ok(by_name > 2 && by_number > 2 && read(p[0], buf, 3) == 3 &&
               !strcmp(buf, "abc"),
           "the standard streams by their names");
    close(by_name), close(by_number), close(saved);
    tap_ok(access("/dev/stdin", F_OK) == 0 && access("/dev/stderr", W_OK) == 0,
           "all three are there");
    close(p[0]), close(p[1]);
}

static void test_reopen(void)
{
    int p[2], again, sock = socket(AF_INET, SOCK_STREAM, 0), file;
    int event = eventfd(0, 0);
    char path[64], buf[8] = "";

    pipe(p);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", p[1]);
    again = open(path, O_WRONLY);
    close(p[1]);
    write(again, "x", 1);
    tap_ok(read(p[0], buf, 8) == 1 && buf[0] == 'x', "a pipe is opened again");
    close(again);
    tap_ok(read(p[0], buf, 8) == 0, "and ends with the last of its writers");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", sock);
    tap_ok(error_of(open(path, O_RDWR)) == ENXIO, "a socket is not");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", event);
    tap_ok(error_of(open(path, O_RDWR)) == ENXIO, "an eventfd is not");
    file = open("/proc/self/exe", O_RDONLY);
    read(file, buf, 4);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    again = open(path, O_RDONLY);
    tap_ok(lseek(again, 0, SEEK_CUR) == 0 && read(again, buf, 4) == 4 &&
               !memcmp(buf + 1, "ELF", 3),
           "a file has another position");
    close(again), close(p[0]), close(sock), close(event), close(file);
}

static void test_requests(void)
{
    int fds[4], on = 1, off = 0, i, good = 0, p[2];
    struct winsize size;
    struct termios term;

    pipe(p);
    fds[0] = open("/proc/self/exe", O_RDONLY);
    fds[1] = open("/dev/null", O_RDWR);
    fds[2] = socket(AF_INET, SOCK_STREAM, 0);
    fds[3] = p[0];
    for (i = 0; i < 4; i++) {
        good += ioctl(fds[i], FIONBIO, &on) == 0 &&
                (fcntl(fds[i], F_GETFL) & O_NONBLOCK) &&
                ioctl(fds[i], FIONBIO, &off) == 0 &&
                !(fcntl(fds[i], F_GETFL) & O_NONBLOCK) &&
                ioctl(fds[i], FIOCLEX) == 0 &&
                fcntl(fds[i], F_GETFD) == FD_CLOEXEC &&
                ioctl(fds[i], FIONCLEX) == 0 && fcntl(fds[i], F_GETFD) == 0 &&
                ioctl(fds[i], FIOASYNC, &off) == 0 &&
                error_of(ioctl(fds[i], FIONBIO, NULL)) == EFAULT;
    }
    tap_ok(good == 4, "requests that every file takes");
    for (i = good = 0; i < 4; i++) {
        good += !isatty(fds[i]) &&
                error_of(ioctl(fds[i], TCGETS, &term)) == ENOTTY &&
                error_of(ioctl(fds[i], TIOCGWINSZ, &size)) == ENOTTY;
    }
    tap_ok(good == 4 && error_of(ioctl(-1, TIOCGWINSZ, &size)) == EBADF,
           "no file is a terminal");
    for (i = 0; i < 4; i++) {
        close(fds[i]);
    }
    close(p[1]);
}

static void test_regular_requests(void)
{
    int fd = open("/proc/self/exe", O_RDONLY), dir = open("/", O_RDONLY);
    int left = 0, block = 0;
    struct stat st;

    fstat(fd, &st);
    lseek(fd, 10, SEEK_SET);
    tap_ok(ioctl(fd, FIONREAD, &left) == 0 && left == st.st_size - 10 &&
               ioctl(fd, 2 /* FIGETBSZ */, &block) == 0 && block == 4096 &&
               error_of(ioctl(dir, FIONREAD, &left)) == ENOTTY &&
               error_of(ioctl(fd, FIONREAD, NULL)) == EFAULT,
           "requests of a regular file");
    close(fd), close(dir);
}

int main(void)
{
    test_memory_devices();
    test_zero_map();
    test_random();
    test_tty();
    test_streams();
    test_reopen();
    test_requests();
    test_regular_requests();
    return tap_done();
}
