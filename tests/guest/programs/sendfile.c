/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sendfile.c - sendfile() and reading and writing at a place */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "connect.h"
#include "tap.h"

static char *file_bytes; /* the program's file */
static size_t file_len;
static int file;

static int error_of(long ret)
{
    return ret == -1 ? errno : 0;
}

static void read_file(void)
{
    struct stat st;

    file = open("/proc/self/exe", O_RDONLY);
    fstat(file, &st);
    file_len = st.st_size;
    file_bytes = malloc(file_len);
    if (pread(file, file_bytes, file_len, 0) != (ssize_t)file_len) {
        file_len = 0;
    }
}

struct drain {
    int fd;
    size_t len; /* bytes that came */
    int right;  /* and were those of the file */
};

static void *drain(void *arg)
{
    static char buf[65536];
    struct drain *d = arg;
    ssize_t n;

    d->right = 1;
    while ((n = read(d->fd, buf, sizeof(buf))) > 0) {
        if (d->len + n > file_len || memcmp(buf, file_bytes + d->len, n) != 0) {
            d->right = 0;
        }
        d->len += n;
    }
    return NULL;
}

/* The whole file to @out, whose other end is @in; both are closed. */
static int sends_all(int out, int in, int by_offset)
{
    struct drain d = { .fd = in };
    off_t at = 0, left = file_len;
    pthread_t thread;
    ssize_t n = 1;

    lseek(file, 0, SEEK_SET);
    pthread_create(&thread, NULL, drain, &d);
    while (left && n > 0) {
        n = sendfile(out, file, by_offset ? &at : NULL, left + 1000);
        left -= n;
    }
    close(out);
    pthread_join(thread, NULL);
    close(in);
    return !left && d.right && d.len == file_len &&
           (by_offset ? at : lseek(file, 0, SEEK_CUR)) == (off_t)file_len &&
           (!by_offset || lseek(file, 0, SEEK_CUR) == 0);
}

static void test_whole(void)
{
    int s[2], p[2];

    connect_pair(s);
    tap_ok(sends_all(s[0], s[1], 1), "to a socket, all bytes");
    connect_pair(s);
    tap_ok(sends_all(s[0], s[1], 0), "at the file's position");
    pipe(p);
    tap_ok(sends_all(p[1], p[0], 1), "to a pipe");
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    tap_ok(sends_all(s[0], s[1], 0), "to a socketpair");
}

static void test_part(void)
{
    int p[2], null = open("/dev/null", O_WRONLY);
    off_t at = 100;
    char buf[64];

    pipe(p);
    tap_ok(sendfile(p[1], file, &at, 50) == 50 && at == 150 &&
               read(p[0], buf, 64) == 50 && !memcmp(buf, file_bytes + 100, 50),
           "a part from an offset");
    at = file_len - 10;
    tap_ok(sendfile(p[1], file, &at, 1000) == 10 && at == (off_t)file_len &&
               sendfile(p[1], file, &at, 1000) == 0 &&
               sendfile(p[1], file, NULL, 0) == 0 && read(p[0], buf, 64) == 10,
           "up to the end, and nothing behind it");
    at = 0;
    tap_ok(sendfile(null, file, &at, SSIZE_MAX) == (ssize_t)file_len,
           "to a device, more than there is");
    close(p[0]), close(p[1]), close(null);
}

static void test_full(void)
{
    int p[2], s[2], n, total = 0;
    off_t at = 0;

    pipe2(p, O_NONBLOCK);
    while ((n = sendfile(p[1], file, &at, 1 << 20)) > 0) {
        total += n;
    }
    tap_ok(n == -1 && errno == EAGAIN && total > 0 && at == total,
           "a pipe that is full: EAGAIN");
    connect_pair(s);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    for (at = 0; (n = sendfile(s[0], file, &at, file_len)) > 0;) {
        at = 0;
    }
    tap_ok(n == -1 && errno == EAGAIN && at == 0, "a socket that is full");
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    at = 0;
    tap_ok(error_of(sendfile(p[1], file, &at, 10)) == EPIPE && at == 0,
           "nobody who reads: EPIPE");
    close(p[1]), close(s[0]), close(s[1]);
}

static void test_refused(void)
{
    int p[2], dir = open("/", O_RDONLY), epoll = epoll_create1(0);
    int append = open("/dev/null", O_WRONLY | O_APPEND);
    int null = open("/dev/null", O_WRONLY);
    off_t at = 0, before = -1;

    pipe(p);
    tap_ok(error_of(sendfile(-1, file, &at, 1)) == EBADF &&
               error_of(sendfile(p[1], -1, &at, 1)) == EBADF &&
               error_of(sendfile(file, file, &at, 1)) == EBADF &&
               error_of(sendfile(p[1], p[1], NULL, 1)) == EBADF &&
               error_of(sendfile(null, p[0], &at, 1)) == ESPIPE &&
               error_of(sendfile(append, file, &at, 1)) == EINVAL &&
               error_of(sendfile(null, file, &before, 1)) == EINVAL &&
               error_of(sendfile(null, file, &at, -1)) == EINVAL &&
               error_of(sendfile(null, dir, NULL, 1)) == EINVAL &&
               error_of(sendfile(null, epoll, NULL, 1)) == EINVAL &&
               error_of(syscall(SYS_sendfile, null, file, 1, 1)) == EFAULT,
           "what cannot be sent, or where to");
    tap_ok(error_of(syscall(SYS_copy_file_range, file, NULL, file, NULL, 1,
                            0)) == EBADF &&
               error_of(syscall(SYS_copy_file_range, file, NULL, null, NULL, 1,
                                0)) == EINVAL &&
               error_of(syscall(SYS_copy_file_range, dir, NULL, null, NULL, 1,
                                0)) == EISDIR &&
               error_of(syscall(SYS_copy_file_range, file, NULL, -1, NULL, 1,
                                0)) == EBADF &&
               error_of(syscall(SYS_copy_file_range, file, NULL, file, NULL, 1,
                                2)) == EINVAL,
           "copy_file_range needs a writable file");
    close(p[0]), close(p[1]), close(dir), close(append), close(null);
    close(epoll);
}

static void test_places(void)
{
    int p[2], null = open("/dev/null", O_RDWR);
    struct iovec iov[2];
    char a[4], b[4];

    pipe(p);
    iov[0] = (struct iovec){ a, 4 };
    iov[1] = (struct iovec){ b, 4 };
    tap_ok(preadv(file, iov, 2, 8) == 8 && !memcmp(a, file_bytes + 8, 4) &&
               !memcmp(b, file_bytes + 12, 4) &&
               error_of(pread(file, a, 1, -1)) == EINVAL &&
               error_of(pread(p[0], a, 1, 0)) == ESPIPE &&
               error_of(pwrite(p[1], a, 1, 0)) == ESPIPE &&
               error_of(pwrite(file, a, 1, 0)) == EBADF &&
               error_of(pwrite(file, a, 1, -1)) == EINVAL &&
               pwrite(null, a, 4, 5) == 4 && pwritev(null, iov, 2, 5) == 8 &&
               error_of(pread(-1, a, 1, 0)) == EBADF,
           "pread and pwrite of each kind");
    lseek(file, 20, SEEK_SET);
    tap_ok(syscall(SYS_preadv2, file, iov, 1, -1L, -1L, 0) == 4 &&
               lseek(file, 0, SEEK_CUR) == 24 &&
               !memcmp(a, file_bytes + 20, 4) &&
               syscall(SYS_preadv2, file, iov, 1, 4L, 0L, 0) == 4 &&
               !memcmp(a, file_bytes + 4, 4) &&
               syscall(SYS_pwritev2, null, iov, 2, -1L, -1L, 0) == 8 &&
               error_of(syscall(SYS_preadv2, file, iov, 1, 4L, 0L, 1 << 20)) ==
                   EOPNOTSUPP,
           "preadv2 and pwritev2 at the position");
    lseek(file, 40, SEEK_SET);
    tap_ok(readv(file, iov, 2) == 8 && !memcmp(b, file_bytes + 44, 4) &&
               writev(p[1], iov, 2) == 8 && read(p[0], b, 4) == 4 &&
               !memcmp(b, file_bytes + 40, 4) &&
               error_of(syscall(SYS_readv, file, iov, -1)) == EINVAL &&
               error_of(syscall(SYS_readv, file, iov, 1025)) == EINVAL &&
               error_of(syscall(SYS_readv, file, 1, 1)) == EFAULT &&
               error_of(writev(-1, iov, 1)) == EBADF &&
               readv(file, iov, 0) == 0,
           "readv and writev");
    tap_ok(lseek(file, -5, SEEK_END) == (off_t)file_len - 5 &&
               error_of(lseek(file, -1, SEEK_SET)) == EINVAL &&
               error_of(lseek(file, 0, 99)) == EINVAL &&
               error_of(lseek(p[0], 0, SEEK_CUR)) == ESPIPE &&
               lseek(file, 3, SEEK_DATA) == 3 &&
               lseek(file, 3, SEEK_HOLE) == (off_t)file_len &&
               error_of(lseek(file, file_len, SEEK_DATA)) == ENXIO,
           "lseek");
    close(p[0]), close(p[1]), close(null);
}

static void test_sync(void)
{
    int p[2], dir = open("/", O_RDONLY), sock = socket(AF_INET, SOCK_DGRAM, 0);
    int null = open("/dev/null", O_WRONLY);

    pipe(p);
    sync();
    tap_ok(fsync(file) == 0 && fdatasync(file) == 0 && fsync(dir) == 0 &&
               error_of(fsync(p[0])) == EINVAL &&
               error_of(fsync(sock)) == EINVAL &&
               error_of(fsync(null)) == EINVAL &&
               error_of(fsync(-1)) == EBADF && syncfs(file) == 0 &&
               error_of(syncfs(-1)) == EBADF,
           "fsync of each kind");
    tap_ok(posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL) == 0 &&
               posix_fadvise(file, 0, 0, 99) == EINVAL &&
               posix_fadvise(file, 0, -1, POSIX_FADV_NORMAL) == EINVAL &&
               posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL) == ESPIPE &&
               posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL) == EBADF &&
               readahead(file, 0, 4096) == 0 &&
               error_of(readahead(p[0], 0, 1)) == EINVAL &&
               error_of(readahead(null, 0, 1)) == EBADF &&
               sync_file_range(file, 0, 10, 7) == 0 &&
               error_of(sync_file_range(file, 0, 10, 8)) == EINVAL &&
               error_of(sync_file_range(file, -1, 10, 0)) == EINVAL &&
               error_of(sync_file_range(p[1], 0, 0, 0)) == ESPIPE &&
               error_of(sync_file_range(-1, 0, 0, 0)) == EBADF,
           "advice");
    close(p[0]), close(p[1]), close(dir), close(sock), close(null);
}

int main(void)
{
    read_file();
    test_whole();
    test_part();
    test_full();
    test_refused();
    test_places();
    test_sync();
    return tap_done();
}
