/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockets.c - TCP sockets over loopback, inside one process
 *
 * Everything asked here is what Linux does: the program is run there, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "tap.h"

static void *volatile bad_pointer = (void *)16;
#define BAD  bad_pointer
#define BULK (3 * 1024 * 1024)

static char bulk_out[BULK], bulk_in[BULK];

static int fails_with(long ret, int error)
{
    return ret == -1 && errno == error;
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    return sin;
}

/* A listener on a free port, which is stored. */
static int listener(uint16_t *ret_port, int flags)
{
    struct sockaddr_in sin = loopback(0);
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
        listen(fd, 16) || getsockname(fd, (struct sockaddr *)&sin, &len)) {
        return -1;
    }
    *ret_port = ntohs(sin.sin_port);
    return fd;
}

/* Two connected ends. */
static int connected(int fds[2])
{
    struct sockaddr_in sin;
    uint16_t port = 0;
    int l = listener(&port, 0);

    sin = loopback(port);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fds[0], (struct sockaddr *)&sin, sizeof(sin))) {
        return -1;
    }
    fds[1] = accept(l, NULL, NULL);
    close(l);
    return fds[1] < 0 ? -1 : 0;
}

static void test_kinds(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stat st;

    tap_ok(fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) &&
               fcntl(fd, F_GETFD) == FD_CLOEXEC,
           "socket with flags");
    tap_ok(fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode), "fstat: a socket");
    tap_ok(fails_with(lseek(fd, 0, SEEK_SET), ESPIPE), "no position");
    tap_ok(fails_with(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE) ||
               errno == ENOTCONN,
           "not connected: no send");
    tap_ok(fails_with(recv(fd, &st, 1, 0), ENOTCONN), "not connected: no recv");
    tap_ok(fails_with(accept(fd, NULL, NULL), EINVAL),
           "does not listen: EINVAL");
    close(fd);
    tap_ok(fails_with(socket(12345, SOCK_STREAM, 0), EAFNOSUPPORT),
           "an unknown family");
    tap_ok(fails_with(bind(0, BAD, 16), EFAULT) || errno == ENOTSOCK,
           "bind from nowhere");
}

static void test_names(void)
{
    struct sockaddr_in a, b, sin;
    socklen_t len = sizeof(a);
    uint16_t port = 0;
    int l = listener(&port, SOCK_NONBLOCK), c, s, v = 1;

    tap_ok(l >= 0 && port, "bind to port 0 finds one");
    tap_ok(fails_with(accept(l, NULL, NULL), EAGAIN), "nobody yet: EAGAIN");
    sin = loopback(port);
    c = socket(AF_INET, SOCK_STREAM, 0);
    tap_ok(
        fails_with(bind(c, (struct sockaddr *)&sin, sizeof(sin)), EADDRINUSE),
        "the port is taken");
    close(c);
    c = socket(AF_INET, SOCK_STREAM, 0);
    sin.sin_addr.s_addr = htonl(0xc6336401); /* 198.51.100.1: nobody's */
    sin.sin_port = 0;
    tap_ok(fails_with(bind(c, (struct sockaddr *)&sin, sizeof(sin)),
                      EADDRNOTAVAIL),
           "not our address");
    sin = loopback(port);
    tap_ok(connect(c, (struct sockaddr *)&sin, sizeof(sin)) == 0, "connect");
    tap_ok(
        fails_with(connect(c, (struct sockaddr *)&sin, sizeof(sin)), EISCONN),
        "twice: EISCONN");
    s = accept4(l, (struct sockaddr *)&a, &len, SOCK_NONBLOCK);
    tap_ok(s >= 0 && len == sizeof(a) && (fcntl(s, F_GETFL) & O_NONBLOCK),
           "accept4");
    len = sizeof(b);
    tap_ok(getsockname(c, (struct sockaddr *)&b, &len) == 0 &&
               b.sin_port == a.sin_port &&
               b.sin_addr.s_addr == a.sin_addr.s_addr,
           "both agree on the client");
    tap_ok(getpeername(c, (struct sockaddr *)&b, &len) == 0 &&
               ntohs(b.sin_port) == port,
           "and on the server");
    tap_ok(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)) == 0,
           "TCP_NODELAY");
    v = 0;
    len = sizeof(v);
    tap_ok(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, &len) == 0 && v == 1,
           "and it is set");
    tap_ok(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &len) == 0 &&
               v == SOCK_STREAM,
           "SO_TYPE");
    tap_ok(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len) == 0 && v == 1,
           "SO_ACCEPTCONN");
    v = 30;
    tap_ok(setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof(v)) == 0 &&
               setsockopt(c, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof(v)) == 0 &&
               setsockopt(c, IPPROTO_TCP, TCP_KEEPINTVL, &v, sizeof(v)) == 0 &&
               setsockopt(c, IPPROTO_TCP, TCP_KEEPCNT, &v, sizeof(v)) == 0,
           "keep-alive options");
    tap_ok(setsockopt(c, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)) == 0 &&
               setsockopt(c, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)) == 0,
           "buffer sizes are taken");
    close(c);
    close(s);
    close(l);
}

static void test_data(void)
{
    struct iovec iov[2];
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    char buf[16] = "";
    int fds[2], n;

    tap_ok(connected(fds) == 0, "a connection");
    tap_ok(send(fds[0], "hello", 5, 0) == 5 &&
               recv(fds[1], buf, 5, MSG_WAITALL) == 5 &&
               !memcmp(buf, "hello", 5),
           "send and recv");
    tap_ok(fails_with(recv(fds[1], buf, 1, MSG_DONTWAIT), EAGAIN),
           "MSG_DONTWAIT");
    iov[0] = (struct iovec){ "ab", 2 };
    iov[1] = (struct iovec){ "cd", 2 };
    tap_ok(sendmsg(fds[1], &msg, 0) == 4, "sendmsg");
    tap_ok(recv(fds[0], buf, 4, MSG_WAITALL | MSG_PEEK) > 0 &&
               recv(fds[0], buf, 1, 0) == 1 && buf[0] == 'a',
           "MSG_PEEK leaves");
    iov[0] = (struct iovec){ buf, 1 };
    iov[1] = (struct iovec){ buf + 1, 8 };
    tap_ok(recvmsg(fds[0], &msg, 0) == 3 && !memcmp(buf, "bcd", 3), "recvmsg");
    tap_ok(send(fds[0], "xyz", 3, 0) == 3, "three more bytes");
    do {
        ioctl(fds[1], FIONREAD, &n);
    } while (n < 3);
    tap_ok(n == 3, "FIONREAD");
    tap_ok(fails_with(read(fds[1], BAD, 3), EFAULT), "read to nowhere");
    tap_ok(read(fds[1], buf, 3) == 3 && !memcmp(buf, "xyz", 3),
           "nothing was lost by it");
    tap_ok(fails_with(write(fds[0], BAD, 3), EFAULT), "write from nowhere");
    close(fds[0]);
    tap_ok(read(fds[1], buf, 1) == 0, "closed: the end");
    close(fds[1]);
}

static void *bulk_echo(void *arg)
{
    int fd = *(int *)arg;
    static char buf[100000];
    ssize_t n, done, k;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        for (done = 0; done < n; done += k) {
            k = write(fd, buf + done, n - done);
            if (k < 0) {
                return arg;
            }
        }
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void *bulk_write(void *arg)
{
    int fd = *(int *)arg;
    ssize_t n, done;

    for (done = 0; done < BULK; done += n) {
        n = write(fd, bulk_out + done, BULK - done);
        if (n < 0) {
            return arg;
        }
    }
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void test_bulk(void)
{
    pthread_t echo, writer;
    int fds[2];
    ssize_t n, done = 0;

    for (int i = 0; i < BULK; i++) {
        bulk_out[i] = i * 2654435761u >> 13;
    }
    if (connected(fds)) {
        return;
    }
    pthread_create(&echo, NULL, bulk_echo, &fds[1]);
    pthread_create(&writer, NULL, bulk_write, &fds[0]);
    while ((n = read(fds[0], bulk_in + done, BULK - done)) > 0) {
        done += n;
    }
    tap_ok(done == BULK && !memcmp(bulk_in, bulk_out, BULK),
           "3 MiB there and back, three threads, blocking");
    pthread_join(echo, NULL);
    pthread_join(writer, NULL);
    close(fds[0]);
    close(fds[1]);
}

static void test_full(void)
{
    struct pollfd p;
    int fds[2];
    ssize_t n, in = 0, out = 0;

    if (connected(fds)) {
        return;
    }
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    while ((n = write(fds[0], bulk_out, 50000)) > 0) {
        out += n;
    }
    tap_ok(n == -1 && errno == EAGAIN && out >= 50000,
           "a reader that does not read: EAGAIN at last");
    p = (struct pollfd){ fds[0], POLLOUT, 0 };
    tap_ok(poll(&p, 1, 0) == 0, "not writable");
    while (in < out && (n = read(fds[1], bulk_in, 65536)) > 0) {
        in += n;
    }
    tap_ok(in == out, "all that was written comes");
    tap_ok(poll(&p, 1, 5000) == 1 && p.revents == POLLOUT, "writable again");
    close(fds[0]);
    close(fds[1]);
}

static void test_errors(void)
{
    struct linger linger = { 1, 0 };
    struct sockaddr_in sin;
    struct pollfd p;
    socklen_t len = sizeof(int);
    uint16_t port = 0;
    int l = listener(&port, 0), c, error = 0, fds[2];
    char buf[8];

    close(l);
    sin = loopback(port);
    c = socket(AF_INET, SOCK_STREAM, 0);
    tap_ok(fails_with(connect(c, (struct sockaddr *)&sin, sizeof(sin)),
                      ECONNREFUSED),
           "nobody listens: ECONNREFUSED");
    close(c);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(c, (struct sockaddr *)&sin, sizeof(sin)) == 0 ||
        (errno != EINPROGRESS && errno != ECONNREFUSED)) {
        error = -1;
    }
    p = (struct pollfd){ c, POLLOUT, 0 };
    tap_ok(poll(&p, 1, 5000) == 1 && (p.revents & (POLLERR | POLLHUP)),
           "not waiting: the failure is an event");
    tap_ok(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
               error == ECONNREFUSED,
           "SO_ERROR tells it");
    tap_ok(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0,
           "once");
    close(c);

    if (connected(fds)) {
        return;
    }
    tap_ok(send(fds[0], "unread", 6, 0) == 6 &&
               recv(fds[1], buf, 1, MSG_PEEK) == 1,
           "bytes nobody reads");
    close(fds[1]);
    tap_ok(fails_with(recv(fds[0], buf, 8, 0), ECONNRESET),
           "are a reset when the socket is closed");
    close(fds[0]);

    if (connected(fds)) {
        return;
    }
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fds[1]);
    tap_ok(fails_with(recv(fds[0], buf, 8, 0), ECONNRESET),
           "SO_LINGER 0: reset");
    close(fds[0]);
}

static void test_shutdown(void)
{
    struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP }, out;
    int fds[2], ep = epoll_create1(0);
    char buf[8];

    if (connected(fds)) {
        return;
    }
    epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &ev);
    tap_ok(send(fds[0], "last", 4, 0) == 4 && shutdown(fds[0], SHUT_WR) == 0,
           "shutdown after the last bytes");
    tap_ok(fails_with(send(fds[0], "x", 1, MSG_NOSIGNAL), EPIPE), "then EPIPE");
    do {
        epoll_wait(ep, &out, 1, 5000);
    } while (!(out.events & EPOLLRDHUP));
    tap_ok(out.events == (EPOLLIN | EPOLLRDHUP), "EPOLLRDHUP");
    tap_ok(recv(fds[1], buf, 8, MSG_WAITALL) == 4 &&
               recv(fds[1], buf, 8, 0) == 0,
           "bytes, then the end");
    tap_ok(send(fds[1], "reply", 5, 0) == 5 &&
               recv(fds[0], buf, 5, MSG_WAITALL) == 5,
           "the other direction is open");
    tap_ok(shutdown(fds[1], SHUT_WR) == 0 && recv(fds[0], buf, 8, 0) == 0,
           "and ends, too");
    ev.events = EPOLLIN;
    epoll_ctl(ep, EPOLL_CTL_MOD, fds[1], &ev);
    tap_ok(epoll_wait(ep, &out, 1, 5000) == 1 && (out.events & EPOLLHUP),
           "both ended: EPOLLHUP");
    close(fds[0]);
    close(fds[1]);
    close(ep);
}

static void test_many(void)
{
    struct sockaddr_in sin;
    uint16_t port = 0;
    int l = listener(&port, 0), good = 0, c, s;
    char x;

    sin = loopback(port);
    for (int i = 0; i < 200; i++) {
        c = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c, (struct sockaddr *)&sin, sizeof(sin))) {
            break;
        }
        s = accept(l, NULL, NULL);
        if (s < 0) {
            break;
        }
        good += write(c, "x", 1) == 1 && read(s, &x, 1) == 1;
        close(i & 1 ? c : s);
        close(i & 1 ? s : c);
    }
    tap_ok(good == 200, "200 connections one after the other");
    close(l);
}

/* Both ends of a connection in one: each is the answer to the other's SYN. */
static void test_to_oneself(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    int c = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(sin);
    char buf[8] = "";

    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(c, (struct sockaddr *)&sin, sizeof(sin));
    getsockname(c, (struct sockaddr *)&sin, &len);
    tap_ok(connect(c, (struct sockaddr *)&sin, sizeof(sin)) == 0,
           "a socket connects to itself");
    tap_ok(send(c, "mirror", 6, 0) == 6 && recv(c, buf, 6, MSG_WAITALL) == 6 &&
               !memcmp(buf, "mirror", 6),
           "and hears what it says");
    tap_ok(shutdown(c, SHUT_WR) == 0 && recv(c, buf, 8, 0) == 0, "to the end");
    close(c);
}

int main(void)
{
    test_kinds();
    test_names();
    test_data();
    test_bulk();
    test_full();
    test_errors();
    test_shutdown();
    test_many();
    test_to_oneself();
    return tap_done();
}
