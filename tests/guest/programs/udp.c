/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp.c - UDP sockets over loopback, inside one process
 *
 * Everything asked here is what Linux does: the program is run there, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include "tap.h"

#define PATIENCE_MS 10000

#define LARGEST     65507

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static char big_out[LARGEST + 1], big_in[LARGEST + 1];

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

/* A socket with a port, and its name. */
static int bound(struct sockaddr_in *ret_name, int flags)
{
    struct sockaddr_in sin = loopback(0);
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_DGRAM | flags, 0);

    if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
        getsockname(fd, (struct sockaddr *)&sin, &len)) {
        return -1;
    }
    *ret_name = sin;
    return fd;
}

static long send_to(int fd, const void *data, size_t len,
                    const struct sockaddr_in *to)
{
    return sendto(fd, data, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void test_kinds(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in sin;
    socklen_t len = sizeof(sin);
    struct stat st;
    int v = 0;

    tap_ok(fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) &&
               fcntl(fd, F_GETFD) == FD_CLOEXEC,
           "socket with flags");
    tap_ok(fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode), "fstat: a socket");
    tap_ok(getsockname(fd, (struct sockaddr *)&sin, &len) == 0 &&
               sin.sin_family == AF_INET && !sin.sin_port,
           "no name yet");
    len = sizeof(v);
    tap_ok(getsockopt(fd, SOL_SOCKET, SO_TYPE, &v, &len) == 0 &&
               v == SOCK_DGRAM,
           "SO_TYPE");
    tap_ok(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &v, &len) == 0 &&
               v == IPPROTO_UDP,
           "SO_PROTOCOL");
    tap_ok(fails_with(listen(fd, 1), EOPNOTSUPP), "cannot listen");
    tap_ok(fails_with(accept(fd, NULL, NULL), EOPNOTSUPP) || errno == EINVAL,
           "nor accept");
    tap_ok(fails_with(recv(fd, &v, sizeof(v), 0), EAGAIN), "nothing: EAGAIN");
    tap_ok(fails_with(send(fd, "x", 1, 0), EDESTADDRREQ), "send to nobody");
    tap_ok(
        fails_with(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT),
        "TCP has no datagrams");
    close(fd);
}

static void test_names(void)
{
    struct sockaddr_in a, b, sin;
    int one = bound(&a, 0), two, on = 1;

    tap_ok(one >= 0 && a.sin_port, "bind to port 0 finds one");
    tap_ok(fails_with(bind(one, (struct sockaddr *)&a, sizeof(a)), EINVAL),
           "only once");
    two = socket(AF_INET, SOCK_DGRAM, 0);
    tap_ok(fails_with(bind(two, (struct sockaddr *)&a, sizeof(a)), EADDRINUSE),
           "the port is taken");
    sin = a;
    sin.sin_addr.s_addr = htonl(INADDR_ANY);
    tap_ok(
        fails_with(bind(two, (struct sockaddr *)&sin, sizeof(sin)), EADDRINUSE),
        "for any address, too");
    sin.sin_addr.s_addr = htonl(0xc6336401); /* 198.51.100.1: nobody's */
    tap_ok(fails_with(bind(two, (struct sockaddr *)&sin, sizeof(sin)),
                      EADDRNOTAVAIL),
           "not our address");
    setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(two, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    tap_ok(bind(two, (struct sockaddr *)&a, sizeof(a)) == 0,
           "SO_REUSEADDR on both: shared");
    close(two);
    two = bound(&b, 0);
    tap_ok(two >= 0 && b.sin_port != a.sin_port, "another port for another");
    close(one);
    close(two);
}

static void test_data(void)
{
    struct sockaddr_in a, b, from;
    int one = bound(&a, 0), two = bound(&b, 0), n = -1;
    socklen_t len = sizeof(from);
    char buf[100];

    tap_ok(send_to(one, "hello", 5, &b) == 5, "sendto");
    tap_ok(send_to(one, "", 0, &b) == 0, "a datagram of nothing");
    tap_ok(send_to(one, "world!", 6, &b) == 6, "another");
    tap_ok(ioctl(two, FIONREAD, &n) == 0 && n == 5, "FIONREAD: the next one");
    tap_ok(recv(two, buf, sizeof(buf), MSG_PEEK) == 5, "MSG_PEEK");
    tap_ok(recvfrom(two, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len) ==
                   5 &&
               memcmp(buf, "hello", 5) == 0,
           "recvfrom");
    tap_ok(len == sizeof(from) && from.sin_port == a.sin_port &&
               from.sin_addr.s_addr == a.sin_addr.s_addr,
           "and who sent it");
    tap_ok(recv(two, buf, sizeof(buf), 0) == 0, "nothing arrives as nothing");
    tap_ok(recv(two, buf, 3, MSG_TRUNC | MSG_PEEK) == 6,
           "MSG_TRUNC: its whole length");
    tap_ok(recv(two, buf, 3, 0) == 3 && memcmp(buf, "wor", 3) == 0,
           "what does not fit");
    tap_ok(fails_with(recv(two, buf, sizeof(buf), MSG_DONTWAIT), EAGAIN),
           "is lost");
    tap_ok(fails_with(send_to(one, BAD, 10, &b), EFAULT), "EFAULT: data");
    tap_ok(fails_with(sendto(one, "x", 1, 0, BAD, sizeof(b)), EFAULT),
           "EFAULT: name");
    tap_ok(fails_with(sendto(one, "x", 1, 0, (struct sockaddr *)&b, 8), EINVAL),
           "half a name");
    a.sin_family = AF_INET6;
    tap_ok(fails_with(send_to(two, "x", 1, &a), EAFNOSUPPORT),
           "a name of another family");
    b.sin_port = 0;
    tap_ok(fails_with(send_to(one, "x", 1, &b), EINVAL), "to port 0");
    close(one);
    close(two);
}

static void test_sizes(void)
{
    struct sockaddr_in a, b;
    int one = bound(&a, 0), two = bound(&b, 0), good = 1;
    static const int sizes[] = { 1,     1471,  1472,        1473,   1480,
                                 4000,  9000,  9001,        16384,  16385,
                                 32768, 50000, LARGEST - 1, LARGEST };

    for (size_t i = 0; i < sizeof(big_out); i++) {
        big_out[i] = (char)(i * 7 + i / 251);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(big_in, 0, sizeof(big_in));
        good &= send_to(one, big_out, sizes[i], &b) == sizes[i] &&
                recv(two, big_in, sizeof(big_in), 0) == sizes[i] &&
                memcmp(big_in, big_out, sizes[i]) == 0;
    }
    tap_ok(good, "every size arrives whole");
    tap_ok(fails_with(send_to(one, big_out, LARGEST + 1, &b), EMSGSIZE),
           "one byte too many");
    close(one);
    close(two);
}

static void test_connect(void)
{
    struct sockaddr_in a, b, c, sin;
    int one = bound(&a, 0), two = bound(&b, 0), three = bound(&c, 0);
    struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
    socklen_t len = sizeof(sin);
    char buf[100];

    tap_ok(
        fails_with(getpeername(one, (struct sockaddr *)&sin, &len), ENOTCONN),
        "no peer");
    tap_ok(connect(one, (struct sockaddr *)&b, sizeof(b)) == 0 &&
               getpeername(one, (struct sockaddr *)&sin, &len) == 0 &&
               sin.sin_port == b.sin_port,
           "connect");
    tap_ok(send(one, "to b", 4, 0) == 4 && recv(two, buf, 100, 0) == 4,
           "send goes there");
    tap_ok(write(one, "w", 1) == 1 && read(two, buf, 100) == 1,
           "write and read");
    send_to(three, "from c", 6, &a);
    tap_ok(fails_with(recv(one, buf, 100, MSG_DONTWAIT), EAGAIN),
           "nobody else is heard");
    send_to(two, "from b", 6, &a);
    tap_ok(recv(one, buf, 100, 0) == 6, "but the peer is");
    tap_ok(send_to(one, "to c", 4, &c) == 4 && recv(three, buf, 100, 0) == 4,
           "sendto says where else");
    tap_ok(connect(one, (struct sockaddr *)&c, sizeof(c)) == 0 &&
               send(one, "again", 5, 0) == 5 && recv(three, buf, 100, 0) == 5,
           "connect again");
    tap_ok(connect(one, &nowhere, sizeof(nowhere)) == 0 &&
               fails_with(send(one, "x", 1, 0), EDESTADDRREQ),
           "connect to nowhere");
    close(one);
    one = socket(AF_INET, SOCK_DGRAM, 0);
    len = sizeof(sin);
    tap_ok(connect(one, (struct sockaddr *)&b, sizeof(b)) == 0 &&
               getsockname(one, (struct sockaddr *)&sin, &len) == 0 &&
               sin.sin_port && sin.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
           "connect gives a name");
    close(one);
    close(two);
    close(three);
}

/* Nobody listens there, and one who is connected is told. */
static void test_refused(void)
{
    struct sockaddr_in a, b;
    int one = bound(&a, 0), gone = bound(&b, 0), error = 0;
    struct pollfd p = { .fd = one, .events = POLLIN };
    socklen_t len = sizeof(error);
    char buf[10];

    close(gone);
    tap_ok(send_to(one, "x", 1, &b) == 1 &&
               fails_with(recv(one, buf, 10, MSG_DONTWAIT), EAGAIN),
           "unconnected: nothing is heard");
    connect(one, (struct sockaddr *)&b, sizeof(b));
    tap_ok(send(one, "x", 1, 0) == 1, "the first send");
    tap_ok(poll(&p, 1, PATIENCE_MS) == 1 && (p.revents & POLLERR),
           "poll tells");
    tap_ok(fails_with(recv(one, buf, 10, 0), ECONNREFUSED),
           "recv: ECONNREFUSED");
    tap_ok(fails_with(recv(one, buf, 10, MSG_DONTWAIT), EAGAIN), "once");
    send(one, "x", 1, 0);
    poll(&p, 1, PATIENCE_MS);
    tap_ok(fails_with(send(one, "x", 1, 0), ECONNREFUSED),
           "the next send, too");
    send(one, "x", 1, 0);
    tap_ok(getsockopt(one, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
               error == ECONNREFUSED,
           "SO_ERROR");
    close(one);
}

static void test_messages(void)
{
    struct sockaddr_in a, b, from;
    int one = bound(&a, 0), two = bound(&b, 0);
    char buf[4][10];
    struct iovec out[2] = { { "ab", 2 }, { "cdef", 4 } };
    struct iovec in[2] = { { buf[0], 1 }, { buf[1], 3 } };
    struct msghdr msg = { .msg_name = &b,
                          .msg_namelen = sizeof(b),
                          .msg_iov = out,
                          .msg_iovlen = 2 };
    struct timespec soon = { .tv_sec = 5 };
    struct mmsghdr many[4];
    struct iovec single[4];

    tap_ok(sendmsg(one, &msg, 0) == 6, "sendmsg");
    msg = (struct msghdr){ .msg_name = &from,
                           .msg_namelen = sizeof(from),
                           .msg_iov = in,
                           .msg_iovlen = 2 };
    tap_ok(recvmsg(two, &msg, 0) == 4 && buf[0][0] == 'a' &&
               memcmp(buf[1], "bcd", 3) == 0,
           "recvmsg");
    tap_ok(msg.msg_flags == MSG_TRUNC && msg.msg_namelen == sizeof(from) &&
               from.sin_port == a.sin_port,
           "and what it says");

    memset(many, 0, sizeof(many));
    for (int i = 0; i < 3; i++) {
        single[i] = (struct iovec){ "0123456789", 3 + i };
        many[i].msg_hdr = (struct msghdr){ .msg_name = &b,
                                           .msg_namelen = sizeof(b),
                                           .msg_iov = &single[i],
                                           .msg_iovlen = 1 };
    }
    tap_ok(sendmmsg(one, many, 3, 0) == 3 && many[2].msg_len == 5, "sendmmsg");
    memset(many, 0, sizeof(many));
    for (int i = 0; i < 4; i++) {
        single[i] = (struct iovec){ buf[i], 10 };
        many[i].msg_hdr =
            (struct msghdr){ .msg_iov = &single[i], .msg_iovlen = 1 };
    }
    tap_ok(recvmmsg(two, many, 4, MSG_WAITFORONE, NULL) == 3 &&
               many[0].msg_len == 3 && many[2].msg_len == 5,
           "recvmmsg: what is there");
    tap_ok(fails_with(recvmmsg(two, many, 4, MSG_DONTWAIT, &soon), EAGAIN),
           "nothing is");
    close(one);
    close(two);
}

static void test_timeout(void)
{
    struct timeval tv = { .tv_usec = 50000 }, back;
    struct sockaddr_in a;
    int fd = bound(&a, 0);
    socklen_t len = sizeof(back);
    struct timespec before, after;
    long ms;
    char b;

    tap_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0 &&
               getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &back, &len) == 0 &&
               back.tv_sec == 0 && len == sizeof(back),
           "SO_RCVTIMEO");
    clock_gettime(CLOCK_MONOTONIC, &before);
    tap_ok(fails_with(recv(fd, &b, 1, 0), EAGAIN), "ends a recv");
    clock_gettime(CLOCK_MONOTONIC, &after);
    ms = (after.tv_sec - before.tv_sec) * 1000 +
         (after.tv_nsec - before.tv_nsec) / 1000000;
    tap_ok(ms >= 49, "not before its time");
    tap_ok(fails_with(read(fd, &b, 1), EAGAIN), "and a read");
    close(fd);
}

static void test_events(void)
{
    struct sockaddr_in a, b;
    int one = bound(&a, 0), two = bound(&b, SOCK_NONBLOCK);
    int ep = epoll_create1(0);
    struct epoll_event ev = { .events = EPOLLIN | EPOLLET }, out;
    struct pollfd p = { .fd = two, .events = POLLIN | POLLOUT };
    char buf[10];

    tap_ok(poll(&p, 1, 0) == 1 && p.revents == POLLOUT, "poll: may send");
    epoll_ctl(ep, EPOLL_CTL_ADD, two, &ev);
    tap_ok(epoll_wait(ep, &out, 1, 0) == 0, "epoll: nothing");
    send_to(one, "1", 1, &b);
    send_to(one, "2", 1, &b);
    tap_ok(epoll_wait(ep, &out, 1, 1000) == 1 && out.events == EPOLLIN,
           "epoll: a datagram");
    tap_ok(epoll_wait(ep, &out, 1, 0) == 0, "edge-triggered: said once");
    send_to(one, "3", 1, &b);
    tap_ok(epoll_wait(ep, &out, 1, 1000) == 1, "and again for another");
    tap_ok(poll(&p, 1, 0) == 1 && p.revents == (POLLIN | POLLOUT),
           "poll: both");
    tap_ok(recv(two, buf, 10, 0) == 1 && buf[0] == '1' &&
               recv(two, buf, 10, 0) == 1 && buf[0] == '2' &&
               recv(two, buf, 10, 0) == 1 && buf[0] == '3',
           "in order");
    close(one);
    close(two);
    close(ep);
}

static void *answer(void *arg)
{
    int fd = *(int *)arg;
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char buf[10];
    long n;

    while ((n = recvfrom(fd, buf, 10, 0, (struct sockaddr *)&from, &len)) > 0) {
        sendto(fd, buf, n, 0, (struct sockaddr *)&from, len);
    }
    return NULL;
}

static void test_threads(void)
{
    struct sockaddr_in a, b;
    int one = bound(&a, 0), two = bound(&b, 0), good = 1;
    pthread_t thread;
    char buf[10];

    pthread_create(&thread, NULL, answer, &two);
    for (int i = 0; i < 500; i++) {
        good &= send_to(one, &i, sizeof(i), &b) == sizeof(i) &&
                recv(one, buf, 10, 0) == sizeof(i) &&
                memcmp(buf, &i, sizeof(i)) == 0;
    }
    tap_ok(good, "a thread that answers, 500 times");
    send_to(one, "", 0, &b);
    pthread_join(thread, NULL);
    close(one);
    close(two);
}

/* More than the queue takes: some are lost, order and wholeness are not. */
static void test_queue(void)
{
    struct sockaddr_in a, b;
    int one = bound(&a, 0), two = bound(&b, SOCK_NONBLOCK), size = 8192;
    int got = 0, good = 1, last = -1, i;
    char buf[1000];

    setsockopt(two, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    for (i = 0; i < 200; i++) {
        memset(buf, i, sizeof(buf));
        memcpy(buf, &i, sizeof(i));
        good &= send_to(one, buf, sizeof(buf), &b) == sizeof(buf);
    }
    tap_ok(good, "a full queue is not the sender's error");
    while (recv(two, buf, sizeof(buf), 0) == sizeof(buf)) {
        memcpy(&i, buf, sizeof(i));
        good &= i > last && buf[999] == (char)i;
        last = i;
        got++;
    }
    tap_ok(got >= 4 && got <= 16, "it is bounded");
    tap_ok(good, "what was kept is whole and in order");
    tap_ok(send_to(one, "x", 1, &b) == 1 && recv(two, buf, 10, 0) == 1,
           "and it goes on");
    close(one);
    close(two);
}

static void test_shutdown(void)
{
    struct sockaddr_in a, b;
    int one = bound(&a, 0), two = bound(&b, 0);
    char buf[10];

    tap_ok(fails_with(shutdown(one, SHUT_RDWR), ENOTCONN),
           "shutdown: not connected");
    connect(two, (struct sockaddr *)&a, sizeof(a));
    tap_ok(shutdown(two, SHUT_RD) == 0 && recv(two, buf, 10, 0) == 0,
           "nothing more to receive");
    tap_ok(send(two, "x", 1, 0) == 1, "but to send");
    tap_ok(shutdown(two, SHUT_WR) == 0 &&
               fails_with(send(two, "x", 1, MSG_NOSIGNAL), EPIPE),
           "nor that");
    close(one);
    close(two);
}

int main(void)
{
    test_kinds();
    test_names();
    test_data();
    test_sizes();
    test_connect();
    test_refused();
    test_messages();
    test_timeout();
    test_events();
    test_threads();
    test_queue();
    test_shutdown();
    return tap_done();
}
