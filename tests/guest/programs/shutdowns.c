/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shutdowns.c - how TCP sockets end and are used again: shutdown() and
 * connect() in every state, what is sent and received then, and the events
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
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "tap.h"

#define PATIENCE_MS 10000
#define OF_RESET    (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP)

static volatile sig_atomic_t pipes;

static int fails_with(long ret, int error)
{
    return ret == -1 && errno == error;
}

static void on_pipe(int sig)
{
    (void)sig;
    pipes++;
}

/* A call that failed with EPIPE raised its signal once. */
static int breaks(long ret)
{
    int good = fails_with(ret, EPIPE) && pipes == 1;

    pipes = 0;
    return good;
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

static int tcp(int flags)
{
    return socket(AF_INET, SOCK_STREAM | flags, 0);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in sin = { 0 };
    socklen_t len = sizeof(sin);

    getsockname(fd, (struct sockaddr *)&sin, &len);
    return ntohs(sin.sin_port);
}

static int connect_port(int fd, uint16_t port)
{
    struct sockaddr_in sin = loopback(port);

    return connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int connect_nowhere(int fd)
{
    struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

    return connect(fd, &nowhere, sizeof(nowhere));
}

/* A listener at @port, 0: a free one. */
static int listener(uint16_t port, int flags)
{
    struct sockaddr_in sin = loopback(port);
    int fd = tcp(flags), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 16)) {
        return -1;
    }
    return fd;
}

/* Two connected ends: fds[0] called. */
static int connected(int fds[2])
{
    int l = listener(0, 0);

    fds[0] = tcp(0);
    fds[1] = connect_port(fds[0], port_of(l)) ? -1 : accept(l, NULL, NULL);
    close(l);
    return fds[1] < 0 ? -1 : 0;
}

static void both_close(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

/* A port at which nobody listens. */
static uint16_t free_port(void)
{
    int l = listener(0, 0);
    uint16_t port = port_of(l);

    close(l);
    return port;
}

/* What holds, of all that could. */
static int holds(int fd)
{
    struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

    poll(&p, 1, 0);
    return p.revents;
}

/* Wait until what holds is @events. */
static int becomes(int fd, int events)
{
    struct pollfd p = { fd, 0, 0 };

    for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
        if (holds(fd) == events) {
            return 1;
        }
        /* Not a fixed time: it is looked at again and again. */
        p.fd = -1;
        poll(&p, 1, 5);
    }
    return 0;
}

static int so_error(int fd)
{
    int error = -1;
    socklen_t len = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ? -1 : error;
}

static int no_peer(int fd)
{
    struct sockaddr_in sin;
    socklen_t len = sizeof(sin);

    return fails_with(getpeername(fd, (struct sockaddr *)&sin, &len), ENOTCONN);
}

/* Throw away what comes until the stream ends. */
static int reads_to_end(int fd)
{
    char buf[64];
    long n;

    while ((n = read(fd, buf, sizeof(buf))) > 0) {
    }
    return n == 0;
}

static void test_unconnected(void)
{
    int fd = tcp(0);
    char b;

    tap_ok(holds(fd) == (POLLOUT | POLLHUP), "a fresh socket: OUT and HUP");
    tap_ok(fails_with(recv(fd, &b, 1, 0), ENOTCONN), "no recv");
    tap_ok(breaks(send(fd, "x", 1, 0)), "a send is a broken pipe");
    tap_ok(fails_with(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE) && !pipes,
           "without its signal if asked");
    tap_ok(fails_with(shutdown(fd, SHUT_RD), ENOTCONN),
           "shutdown of an unconnected socket");
    tap_ok(recv(fd, &b, 1, 0) == 0, "which took place all the same");
    tap_ok(holds(fd) == (POLLIN | POLLOUT | POLLHUP | POLLRDHUP),
           "and is to be seen");
    tap_ok(fails_with(shutdown(fd, 3), EINVAL) &&
               fails_with(shutdown(fd, -1), EINVAL),
           "no such direction");
    tap_ok(fails_with(shutdown(99, SHUT_RD), EBADF) &&
               fails_with(shutdown(0, SHUT_RD), ENOTSOCK),
           "no socket");
    close(fd);
}

static int acceptor_errno;

static void *acceptor(void *arg)
{
    int fd = accept(*(int *)arg, NULL, NULL);

    acceptor_errno = fd < 0 ? errno : 0;
    return NULL;
}

static void test_listener(void)
{
    uint16_t port = free_port();
    int l = listener(port, 0), c, s;
    pthread_t thread;
    char b;

    tap_ok(l >= 0 && holds(l) == 0, "a listener to whom nobody came");
    tap_ok(fails_with(connect_port(l, port), EISCONN), "may not connect");
    tap_ok(fails_with(recv(l, &b, 1, 0), ENOTCONN), "nor receive");
    tap_ok(breaks(send(l, "x", 1, 0)), "nor send");
    tap_ok(no_peer(l), "and has no peer");
    tap_ok(shutdown(l, SHUT_WR) == 0 && holds(l) == 0,
           "shutdown of a listener for writing: nothing");
    c = tcp(0);
    tap_ok(connect_port(c, port) == 0 && becomes(l, POLLIN),
           "it still listens");
    s = accept(l, NULL, NULL);
    pthread_create(&thread, NULL, acceptor, &l);
    /* Either order is good: accept() finds it so, or is woken. */
    tap_ok(shutdown(l, SHUT_RD) == 0, "shutdown of a listener");
    pthread_join(thread, NULL);
    tap_ok(acceptor_errno == EINVAL, "ends a blocked accept with EINVAL");
    tap_ok(fails_with(accept(l, NULL, NULL), EINVAL), "and the next");
    tap_ok(holds(l) == (POLLOUT | POLLHUP), "it is as a fresh one");
    tap_ok(port_of(l) == port, "with its port");
    tap_ok(send(c, "x", 1, 0) == 1 && recv(s, &b, 1, 0) == 1,
           "who was accepted stays");
    close(c);
    close(s);
    c = tcp(0);
    tap_ok(fails_with(connect_port(c, port), ECONNREFUSED),
           "nobody listens there");
    tap_ok(listen(l, 4) == 0 && connect_port(c, port) == 0, "listen again");
    s = accept(l, NULL, NULL);
    tap_ok(s >= 0, "accept again");
    close(s);
    close(c);
    c = tcp(0);
    tap_ok(connect_port(c, port) == 0 && becomes(l, POLLIN) &&
               shutdown(l, SHUT_RDWR) == 0,
           "shutdown with one that waits");
    tap_ok(becomes(c, OF_RESET), "who is reset");
    close(c);
    close(l);
}

static void *blocked_recv(void *arg)
{
    char b;

    acceptor_errno = recv(*(int *)arg, &b, 1, 0) ? errno : 0;
    return NULL;
}

/* shutdown() of a connection, each direction. */
static void test_directions(void)
{
    int fds[2];
    pthread_t thread;
    char buf[8];

    connected(fds);
    tap_ok(shutdown(fds[0], SHUT_RD) == 0 &&
               holds(fds[0]) == (POLLIN | POLLOUT | POLLRDHUP),
           "shutdown for reading");
    tap_ok(recv(fds[0], buf, 8, 0) == 0, "is an end");
    tap_ok(send(fds[1], "late", 4, 0) == 4 && send(fds[0], "x", 1, 0) == 1 &&
               recv(fds[1], buf, 1, 0) == 1,
           "but the peer may send");
    while (recv(fds[0], buf, 8, MSG_PEEK) == 0) {
    }
    tap_ok(recv(fds[0], buf, 8, 0) == 4 && recv(fds[0], buf, 8, 0) == 0,
           "and that is read");
    both_close(fds);

    connected(fds);
    tap_ok(shutdown(fds[0], SHUT_WR) == 0 && holds(fds[0]) == POLLOUT,
           "shutdown for writing");
    tap_ok(breaks(send(fds[0], "x", 1, 0)), "a send breaks");
    tap_ok(shutdown(fds[0], SHUT_WR) == 0, "twice is the same");
    tap_ok(becomes(fds[1], POLLIN | POLLOUT | POLLRDHUP),
           "the peer sees the end");
    tap_ok(!no_peer(fds[0]) && !no_peer(fds[1]), "half of it: both have peers");
    tap_ok(send(fds[1], "back", 4, 0) == 4 &&
               recv(fds[0], buf, 4, MSG_WAITALL | MSG_PEEK) == 4,
           "and can answer");
    close(fds[1]);
    tap_ok(becomes(fds[0], OF_RESET & ~POLLERR), "both closed: HUP");
    tap_ok(reads_to_end(fds[0]) && no_peer(fds[0]), "no peer any more");
    tap_ok(fails_with(shutdown(fds[0], SHUT_RDWR), ENOTCONN),
           "and no shutdown");
    tap_ok(so_error(fds[0]) == 0 && breaks(send(fds[0], "x", 1, 0)),
           "nor an error, nor a send");
    close(fds[0]);

    connected(fds);
    pthread_create(&thread, NULL, blocked_recv, &fds[0]);
    tap_ok(shutdown(fds[0], SHUT_RDWR) == 0, "shutdown for both");
    pthread_join(thread, NULL);
    tap_ok(acceptor_errno == 0, "ends a blocked recv");
    tap_ok(holds(fds[0]) == (OF_RESET & ~POLLERR), "HUP at once");
    tap_ok(becomes(fds[1], POLLIN | POLLOUT | POLLRDHUP) &&
               send(fds[1], "x", 1, 0) == 1,
           "the peer sends into it");
    tap_ok(becomes(fds[1], OF_RESET), "and is reset");
    tap_ok(recv(fds[1], buf, 8, 0) == 0, "its stream had ended");
    tap_ok(breaks(send(fds[1], "x", 1, 0)), "what breaks is the pipe");
    both_close(fds);
}

/* What comes of a reset, in the order in which programs find it. */
static void test_reset(void)
{
    struct linger now = { 1, 0 };
    int fds[2];
    char buf[8];

    connected(fds);
    send(fds[0], "unread", 6, 0);
    recv(fds[1], buf, 1, MSG_PEEK);
    close(fds[1]);
    tap_ok(becomes(fds[0], OF_RESET), "reset: IN OUT ERR HUP RDHUP");
    tap_ok(no_peer(fds[0]), "no peer");
    tap_ok(fails_with(recv(fds[0], buf, 8, 0), ECONNRESET), "ECONNRESET");
    tap_ok(holds(fds[0]) == (OF_RESET & ~POLLERR), "told once");
    tap_ok(recv(fds[0], buf, 8, 0) == 0, "then the end");
    tap_ok(breaks(send(fds[0], "x", 1, 0)), "and EPIPE");
    close(fds[0]);

    connected(fds);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fds[1]);
    tap_ok(becomes(fds[0], OF_RESET), "closed without lingering");
    tap_ok(fails_with(send(fds[0], "x", 1, MSG_NOSIGNAL), ECONNRESET),
           "a send finds it, too");
    tap_ok(breaks(send(fds[0], "x", 1, 0)), "and then EPIPE");
    tap_ok(recv(fds[0], buf, 8, 0) == 0, "a recv the end");
    close(fds[0]);

    connected(fds);
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    send(fds[1], "data", 4, 0);
    recv(fds[0], buf, 1, MSG_PEEK);
    close(fds[1]);
    tap_ok(becomes(fds[0], OF_RESET) && so_error(fds[0]) == ECONNRESET &&
               so_error(fds[0]) == 0,
           "SO_ERROR tells it, once");
    tap_ok(recv(fds[0], buf, 8, 0) == 4, "what came before is read");
    tap_ok(recv(fds[0], buf, 8, 0) == 0, "and the end");
    close(fds[0]);

    connected(fds);
    close(fds[1]);
    tap_ok(becomes(fds[0], POLLIN | POLLOUT | POLLRDHUP), "a plain close");
    tap_ok(send(fds[0], "x", 1, 0) == 1 && becomes(fds[0], OF_RESET),
           "written into: a reset");
    tap_ok(recv(fds[0], buf, 8, 0) == 0 && holds(fds[0]) == OF_RESET,
           "the stream had ended: that is no error");
    tap_ok(breaks(send(fds[0], "x", 1, 0)), "the next write breaks");
    tap_ok(no_peer(fds[0]) && so_error(fds[0]) == 0, "nothing is left");
    close(fds[0]);
}

static void test_edges(void)
{
    struct epoll_event ev = { .events =
                                  EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET },
                       out;
    int fds[2], ep = epoll_create1(0);
    unsigned seen = 0;

    connected(fds);
    epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev);
    tap_ok(epoll_wait(ep, &out, 1, 0) == 1 && out.events == EPOLLOUT &&
               epoll_wait(ep, &out, 1, 0) == 0,
           "an edge: may be written");
    send(fds[0], "unread", 6, 0);
    recv(fds[1], &ev, 1, MSG_PEEK);
    close(fds[1]);
    while (epoll_wait(ep, &out, 1, PATIENCE_MS) == 1) {
        seen |= out.events;
        if (seen & EPOLLHUP) {
            break;
        }
    }
    tap_ok(seen == (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP),
           "an edge: the reset");
    close(fds[0]);
    close(ep);
}

static void test_connect(void)
{
    int c = tcp(0), l, s;
    uint16_t port = free_port();
    struct sockaddr_in sin = loopback(port);
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
    char b;

    tap_ok(fails_with(connect_port(c, port), ECONNREFUSED), "refused");
    tap_ok(so_error(c) == 0 && no_peer(c), "connect has told it");
    tap_ok(holds(c) == (POLLOUT | POLLHUP), "it is as a fresh one");
    tap_ok(fails_with(recv(c, &b, 1, 0), ENOTCONN), "and not connected");
    tap_ok(fails_with(connect_port(c, port), ECONNREFUSED), "refused again");
    l = listener(0, 0);
    port = port_of(l);
    tap_ok(connect_port(c, port) == 0, "then taken");
    tap_ok(fails_with(connect_port(c, port), EISCONN), "twice: EISCONN");
    sin.sin_family = 12345;
    tap_ok(fails_with(connect(c, (void *)&sin, 1), EINVAL), "no address");
    s = accept(l, NULL, NULL);
    tap_ok(connect_nowhere(c) == 0, "connect to nowhere");
    tap_ok(becomes(s, OF_RESET), "resets the peer");
    tap_ok(no_peer(c) && (holds(c) & POLLHUP), "there is no peer");
    close(s);
    tap_ok(connect_port(c, port) == 0 && so_error(c) == 0, "connect anew");
    s = accept(l, NULL, NULL);
    tap_ok(send(c, "x", 1, 0) == 1 && recv(s, &b, 1, 0) == 1, "and it carries");
    close(s);
    close(c);
    c = tcp(0);
    tap_ok(connect_nowhere(c) == 0, "to nowhere from nowhere");
    /* Whole, or SELinux finds it too short first. */
    tap_ok(fails_with(connect(c, (void *)&sin6, sizeof(sin6)), EAFNOSUPPORT),
           "another family");
    sin = loopback(port);
    sin.sin_addr.s_addr = htonl(0xe0000001);
    tap_ok(fails_with(connect(c, (void *)&sin, sizeof(sin)), ENETUNREACH),
           "no TCP to many");
    close(c);
    close(l);
    tap_ok(fails_with(connect_port(99, port), EBADF) &&
               fails_with(connect_port(0, port), ENOTSOCK),
           "connect: no socket");
}

static void test_not_waiting(void)
{
    int l = listener(0, 0), c = tcp(SOCK_NONBLOCK), s;
    uint16_t port = port_of(l);
    char b;

    tap_ok(fails_with(connect_port(c, port), EINPROGRESS),
           "not waiting: EINPROGRESS");
    tap_ok(becomes(c, POLLOUT), "done: OUT");
    tap_ok(connect_port(c, port) == 0, "the next connect tells it");
    tap_ok(fails_with(connect_port(c, port), EISCONN), "EISCONN after that");
    s = accept(l, NULL, NULL);
    tap_ok(fails_with(recv(c, &b, 1, 0), EAGAIN), "nothing yet");
    close(s);
    close(c);

    c = tcp(SOCK_NONBLOCK);
    close(l);
    tap_ok(fails_with(connect_port(c, port), EINPROGRESS) &&
               becomes(c, OF_RESET),
           "not waiting, and refused");
    tap_ok(fails_with(connect_port(c, port), ECONNREFUSED),
           "the next connect tells it");
    tap_ok(so_error(c) == 0 && holds(c) == (POLLOUT | POLLHUP), "once");
    tap_ok(fails_with(connect_port(c, port), EINPROGRESS) &&
               becomes(c, OF_RESET) && so_error(c) == ECONNREFUSED &&
               so_error(c) == 0,
           "or SO_ERROR does");
    tap_ok(fails_with(connect_port(c, port), ECONNABORTED),
           "then connect does not know why");
    l = listener(port, 0);
    tap_ok(fails_with(connect_port(c, port), EINPROGRESS) &&
               becomes(c, POLLOUT) && so_error(c) == 0,
           "and the next attempt goes well");
    close(c);
    close(l);
}

/* A connect() that is not answered: the listener's queue is full. */
static int unanswered(int *ret_listener, int others[8], int flags)
{
    struct sockaddr_in sin = loopback(0);
    int fd = tcp(0);

    bind(fd, (struct sockaddr *)&sin, sizeof(sin));
    listen(fd, 0);
    *ret_listener = fd;
    for (int i = 0; i < 8; i++) {
        struct pollfd p = { others[i] = tcp(SOCK_NONBLOCK), POLLOUT, 0 };

        connect_port(others[i], port_of(fd));
        if (poll(&p, 1, 200) == 0) {
            fcntl(others[i], F_SETFL, flags);
            return others[i];
        }
    }
    return -1;
}

static void close_all(int listener_fd, int others[8])
{
    for (int i = 0; i < 8 && others[i] > 0; i++) {
        close(others[i]);
    }
    close(listener_fd);
}

static void test_unanswered(void)
{
    int others[8] = { 0 }, l, c = unanswered(&l, others, O_NONBLOCK);
    struct timeval tv = { .tv_usec = 20000 };
    char b;

    tap_ok(c >= 0 && holds(c) == 0, "a connection that is being made");
    tap_ok(fails_with(connect_port(c, port_of(l)), EALREADY), "EALREADY");
    tap_ok(fails_with(recv(c, &b, 1, 0), EAGAIN) &&
               fails_with(send(c, "x", 1, 0), EAGAIN),
           "data must wait");
    tap_ok(no_peer(c) && port_of(c), "a name, and no peer");
    fcntl(c, F_SETFL, 0);
    setsockopt(c, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    tap_ok(fails_with(connect_port(c, port_of(l)), EALREADY),
           "SO_SNDTIMEO ends the wait");
    tap_ok(shutdown(c, SHUT_WR) == 0, "shutdown while connecting");
    tap_ok(holds(c) == (POLLOUT | POLLHUP | POLLERR), "ERR and HUP");
    tap_ok(so_error(c) == ECONNRESET && holds(c) == (POLLOUT | POLLHUP),
           "SO_ERROR: ECONNRESET");
    close_all(l, others);
    memset(others, 0, sizeof(others));
    c = unanswered(&l, others, O_NONBLOCK);
    tap_ok(connect_nowhere(c) == 0 && so_error(c) == ECONNRESET &&
               holds(c) == (POLLOUT | POLLHUP),
           "to nowhere while connecting");
    close_all(l, others);
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void test_interrupted(void)
{
    struct sigaction act = { .sa_handler = on_alarm };
    struct itimerval soon = { .it_value.tv_usec = 50000 }, off = { 0 };
    int others[8] = { 0 }, l, c = unanswered(&l, others, 0), i;

    soon.it_interval = soon.it_value;
    sigaction(SIGALRM, &act, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    tap_ok(fails_with(connect_port(c, port_of(l)), EINTR),
           "a signal ends connect");
    setitimer(ITIMER_REAL, &off, NULL);
    fcntl(c, F_SETFL, O_NONBLOCK);
    tap_ok(fails_with(connect_port(c, port_of(l)), EALREADY),
           "but not the attempt");
    for (i = 0; i < 8; i++) {
        int s = accept(l, NULL, NULL);

        if (s < 0 || becomes(c, POLLOUT)) {
            break;
        }
        close(s);
    }
    tap_ok(so_error(c) == 0 && connect_port(c, port_of(l)) == 0,
           "which goes on");
    close_all(l, others);
}

int main(void)
{
    struct sigaction act = { .sa_handler = on_pipe };

    sigaction(SIGPIPE, &act, NULL);
    test_unconnected();
    test_listener();
    test_directions();
    test_reset();
    test_edges();
    test_connect();
    test_not_waiting();
    test_unanswered();
    test_interrupted();
    return tap_done();
}
