/* SPDX-License-Identifier: GPL-2.0-or-later */
/* splices.c - splice(), tee() and vmsplice() */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "connect.h"
#include "tap.h"

#define LEN (600 * 1000)

static int p[2], q[2];
static char *bytes; /* the beginning of the program's file */
static char buf[LEN];
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
    (void)sig;
    signals++;
}

static int error_of(long ret)
{
    return ret == -1 ? errno : 0;
}

static long move(int in, int out, size_t len, unsigned flags)
{
    return splice(in, NULL, out, NULL, len, flags);
}

static int holds(int pipe_end)
{
    int n = -1;

    ioctl(pipe_end, FIONREAD, &n);
    return n;
}

static int reads(int fd, const char *what, long len)
{
    return read(fd, buf, sizeof(buf)) == len && !memcmp(buf, what, len);
}

static void test_pipes(void)
{
    tap_ok(write(p[1], "abcdef", 6) == 6 && move(p[0], q[1], 4, 0) == 4 &&
               holds(p[0]) == 2 && reads(q[0], "abcd", 4),
           "from a pipe to a pipe");
    tap_ok(tee(p[0], q[1], 100, 0) == 2 && holds(p[0]) == 2 &&
               reads(q[0], "ef", 2) && reads(p[0], "ef", 2),
           "tee leaves it where it is");
    tap_ok(error_of(move(p[0], q[1], 1, SPLICE_F_NONBLOCK)) == EAGAIN &&
               error_of(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK)) == EAGAIN,
           "nothing is there: EAGAIN");
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    tap_ok(error_of(move(p[0], q[1], 1, 0)) == EAGAIN &&
               error_of(tee(p[0], q[1], 1, 0)) == EAGAIN,
           "so it is if the pipe says so");
    fcntl(p[0], F_SETFL, 0);
    tap_ok(move(p[0], q[1], 0, ~0u) == 0, "nothing is always moved");
}

static void *write_later(void *arg)
{
    usleep(50000);
    return write(p[1], "late", 4) == 4 ? NULL : arg;
}

static void test_waits(void)
{
    struct sigaction act = { .sa_handler = on_signal };
    pthread_t thread;
    void *bad;

    pthread_create(&thread, NULL, write_later, buf);
    tap_ok(move(p[0], q[1], 100, 0) == 4 && reads(q[0], "late", 4),
           "it waits for what comes");
    pthread_join(thread, &bad);
    sigaction(SIGALRM, &act, NULL);
    ualarm(50000, 50000);
    tap_ok(error_of(move(p[0], q[1], 1, 0)) == EINTR && signals,
           "a signal ends that");
    tap_ok(error_of(tee(p[0], q[1], 1, 0)) == EINTR, "and that of tee");
    ualarm(0, 0);
}

static void test_file(void)
{
    int file = open("/proc/self/exe", O_RDONLY);
    loff_t at = 100;

    tap_ok(move(file, p[1], 1000, 0) == 1000 && reads(p[0], bytes, 1000) &&
               lseek(file, 0, SEEK_CUR) == 1000,
           "from a file to a pipe");
    tap_ok(splice(file, &at, p[1], NULL, 50, 0) == 50 && at == 150 &&
               reads(p[0], bytes + 100, 50) && lseek(file, 0, SEEK_CUR) == 1000,
           "from a place in it");
    lseek(file, 4096, SEEK_SET); /* Linux counts pages */
    tap_ok(move(file, p[1], LEN, 0) == 65536 &&
               error_of(move(file, p[1], 1, SPLICE_F_NONBLOCK)) == EAGAIN &&
               reads(p[0], bytes + 4096, 65536),
           "as much as there is room for");
    lseek(file, 0, SEEK_END);
    tap_ok(move(file, p[1], 10, 0) == 0, "the end of a file");
    close(file);
}

struct flow {
    int in, out, right;
};

/* Passes all on, through a pipe of its own. */
static void *pass_on(void *arg)
{
    struct flow *f = arg;
    long n, m;
    int r[2];

    f->right = pipe(r) == 0;
    while ((n = move(f->in, r[1], 1 << 20, SPLICE_F_MOVE)) > 0) {
        while (n > 0 && (m = move(r[0], f->out, n, SPLICE_F_MORE)) > 0) {
            n -= m;
        }
    }
    f->right &= n == 0;
    close(r[0]);
    close(r[1]);
    shutdown(f->out, SHUT_WR);
    return NULL;
}

static void *write_all(void *arg)
{
    struct flow *f = arg;

    f->right = write(f->out, bytes, LEN) == LEN;
    shutdown(f->out, SHUT_WR);
    return NULL;
}

/* A writer, a proxy that splices, and this as the reader. */
static int is_passed_on(int front[2], int back[2])
{
    struct flow writer = { .out = front[0] };
    struct flow proxy = { .in = front[1], .out = back[0] };
    pthread_t threads[2];
    long done = 0, n;

    pthread_create(&threads[0], NULL, write_all, &writer);
    pthread_create(&threads[1], NULL, pass_on, &proxy);
    while ((n = read(back[1], buf + done, LEN - done)) > 0) {
        done += n;
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    for (int i = 0; i < 2; i++) {
        close(front[i]);
        close(back[i]);
    }
    return writer.right && proxy.right && done == LEN &&
           !memcmp(buf, bytes, LEN);
}

static void test_sockets(void)
{
    int a[2], b[2], file = open("/proc/self/exe", O_RDONLY);

    tap_ok(connect_pair(a) && connect_pair(b) && is_passed_on(a, b),
           "from one connection to another");
    tap_ok(!socketpair(AF_UNIX, SOCK_STREAM, 0, a) && connect_pair(b) &&
               is_passed_on(a, b),
           "from a socketpair to a connection");
    connect_pair(a);
    tap_ok(move(file, p[1], 1000, 0) == 1000 &&
               move(p[0], a[0], 1000, 0) == 1000 &&
               recv(a[1], buf, 1000, MSG_WAITALL) == 1000 &&
               !memcmp(buf, bytes, 1000),
           "from a file to a socket");
    fcntl(a[1], F_SETFL, O_NONBLOCK);
    tap_ok(error_of(move(a[1], p[1], 10, 0)) == EAGAIN,
           "a socket that has nothing");
    close(a[0]);
    fcntl(a[1], F_SETFL, 0);
    tap_ok(move(a[1], p[1], 10, 0) == 0, "the end of a connection");
    close(a[1]);
    close(file);
}

static void test_memory(void)
{
    char one[3] = "ab", two[3] = "cd";
    struct iovec iov[2] = { { one, 2 }, { two, 2 } };
    struct iovec bad = { (void *)8, 8 };

    tap_ok(vmsplice(p[1], iov, 2, 0) == 4 && holds(p[0]) == 4 &&
               vmsplice(p[0], &(struct iovec){ buf, 3 }, 1, 0) == 3 &&
               !memcmp(buf, "abc", 3) && reads(p[0], "d", 1),
           "vmsplice: out of memory, and into it");
    tap_ok(error_of(vmsplice(p[1], &bad, 1, 0)) == EFAULT &&
               error_of(vmsplice(p[1], (void *)8, 1, 0)) == EFAULT &&
               error_of(vmsplice(p[1], iov, 1025, 0)) == EINVAL,
           "vmsplice: from nowhere");
    tap_ok(error_of(vmsplice(p[0], iov, 2, SPLICE_F_NONBLOCK)) == EAGAIN &&
               vmsplice(p[0], iov, 0, 0) == 0 &&
               error_of(vmsplice(0, iov, 1, 0)) == EBADF &&
               error_of(vmsplice(-1, iov, 1, 0)) == EBADF &&
               error_of(vmsplice(p[1], iov, 1, 16)) == EINVAL,
           "vmsplice: what it refuses");
}

static void test_refused(void)
{
    int null = open("/dev/null", O_WRONLY), event = eventfd(1, 0);
    int file = open("/proc/self/exe", O_RDONLY);
    loff_t at = -1, zero = 0;

    write(p[1], "x", 1);
    tap_ok(error_of(move(-1, p[1], 1, 0)) == EBADF &&
               error_of(move(p[0], -1, 1, 0)) == EBADF &&
               error_of(move(p[1], q[1], 1, 0)) == EBADF &&
               error_of(move(p[0], q[0], 1, 0)) == EBADF &&
               error_of(move(p[0], file, 1, 0)) == EBADF,
           "what cannot be spliced");
    tap_ok(error_of(move(p[0], p[1], 1, 0)) == EINVAL &&
               error_of(tee(p[0], p[1], 1, 0)) == EINVAL &&
               error_of(move(file, null, 1, 0)) == EINVAL &&
               error_of(tee(file, p[1], 1, 0)) == EINVAL &&
               error_of(move(p[0], event, 1, 0)) == EINVAL &&
               error_of(move(p[0], q[1], 1, 16)) == EINVAL &&
               error_of(tee(p[0], q[1], 1, 16)) == EINVAL,
           "no pipe, or the same one");
    tap_ok(error_of(splice(p[0], &zero, q[1], NULL, 1, 0)) == ESPIPE &&
               error_of(splice(p[0], NULL, q[1], &zero, 1, 0)) == ESPIPE &&
               error_of(splice(file, &at, p[1], NULL, 1, 0)) == EINVAL &&
               error_of(splice(file, (loff_t *)8, p[1], NULL, 1, 0)) == EFAULT,
           "places");
    tap_ok(move(p[0], null, 10, 0) == 1 && holds(p[0]) == 0, "thrown away");
    close(null);
    close(event);
    close(file);
}

static void test_ends(void)
{
    signal(SIGPIPE, on_signal);
    signals = 0;
    write(p[1], "x", 1);
    close(q[0]);
    tap_ok(error_of(move(p[0], q[1], 1, 0)) == EPIPE && signals == 1 &&
               error_of(tee(p[0], q[1], 1, 0)) == EPIPE && signals == 2 &&
               holds(p[0]) == 1,
           "nobody reads: EPIPE, and nothing is lost");
    close(q[1]);
    pipe(q);
    close(p[1]);
    tap_ok(move(p[0], q[1], 10, 0) == 1 && move(p[0], q[1], 10, 0) == 0 &&
               tee(p[0], q[1], 10, 0) == 0,
           "nobody writes: the rest, then the end");
}

int main(void)
{
    int file = open("/proc/self/exe", O_RDONLY);
    long n = 0, more;

    bytes = calloc(1, LEN);
    while (n < LEN && (more = read(file, bytes + n, LEN - n)) > 0) {
        n += more;
    }
    close(file);
    if (pipe(p) || pipe(q) || n < 70000) {
        return EXIT_FAILURE;
    }
    test_pipes();
    test_waits();
    test_file();
    test_sockets();
    test_memory();
    test_refused();
    test_ends();
    return tap_done();
}
