/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backlog.c - clients that wait for accept()
 *
 * How many there may be, what becomes of more of them, and those that a
 * listener wants to hear from first.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tap.h"

#define MANY 400
#define FEW  20

static struct sockaddr_in there;

static int listener(int backlog)
{
    socklen_t len = sizeof(there);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    there.sin_family = AF_INET;
    there.sin_port = 0;
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&there, sizeof(there)) ||
        listen(fd, backlog) ||
        getsockname(fd, (struct sockaddr *)&there, &len)) {
        printf("# listen: %s\n", strerror(errno));
    }
    return fd;
}

static int client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (connect(fd, (struct sockaddr *)&there, sizeof(there)) &&
        errno != EINPROGRESS) {
        printf("# connect: %s\n", strerror(errno));
    }
    return fd;
}

static int wait_for(int fd, short events, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = events };

    return poll(&p, 1, timeout_ms) == 1 ? p.revents : 0;
}

/* Those that are connected are all that were asked to wait. */
static void test_many(void)
{
    int l = listener(511), fds[MANY], up = 0, got = 0;

    for (int i = 0; i < MANY; i++) {
        fds[i] = client();
    }
    for (int i = 0; i < MANY; i++) {
        up += wait_for(fds[i], POLLOUT, -1) == POLLOUT;
    }
    tap_ok(up == MANY, "400 clients are connected before any accept()");
    for (int s; (s = accept(l, NULL, NULL)) >= 0; got++) {
        close(s);
    }
    tap_ok(got == MANY, "and accept() finds them all");
    for (int i = 0; i < MANY; i++) {
        close(fds[i]);
    }
    close(l);
}

static void test_arguments(void)
{
    int fd = listener(1);

    tap_ok(listen(fd, INT_MAX) == 0 && listen(fd, -1) == 0 &&
               listen(fd, 0) == 0,
           "any backlog is one");
    close(fd);
}

/* One may wait even where none may. */
static void test_none(void)
{
    int l = listener(0), one = client(), two, s;

    tap_ok(wait_for(one, POLLOUT, -1) == POLLOUT, "listen(0): one may wait");
    two = client();
    tap_ok(!wait_for(two, POLLOUT, 100), "but no second one");
    wait_for(l, POLLIN, -1);
    s = accept(l, NULL, NULL);
    tap_ok(s >= 0, "when that is taken");
    tap_ok(wait_for(two, POLLOUT, -1) == POLLOUT, "the second one comes in");
    close(s);
    close(one);
    close(two);
    close(l);
}

/* What a client does when something happened to it: whether it is through. */
static int client_step(int fd, int *said, int *answered)
{
    char byte = 0;

    if (!*said) {
        *said = send(fd, "x", 1, MSG_NOSIGNAL) == 1;
        return !*said;
    }
    *answered += recv(fd, &byte, 1, 0) == 1 && byte == 'y';
    return 1;
}

/* More than may wait, who speak as soon as they can: nobody is turned away. */
static void test_more(void)
{
    struct pollfd p[1 + 2 * FEW];
    int said[FEW] = { 0 }, answered = 0, n = 0, left = FEW;
    char byte = 0;

    p[0].fd = listener(8);
    p[0].events = POLLIN;
    for (int i = 1; i <= FEW; i++) {
        p[i].fd = client();
        p[i].events = POLLOUT;
    }
    while (left && poll(p, 1 + FEW + n, -1) > 0) {
        for (int i = 1; i <= FEW; i++) {
            if (p[i].fd >= 0 && p[i].revents) {
                p[i].events = POLLIN;
                if (client_step(p[i].fd, &said[i - 1], &answered)) {
                    close(p[i].fd);
                    p[i].fd = -1;
                    left--;
                }
            }
        }
        for (int i = 1 + FEW; i <= FEW + n; i++) {
            if (p[i].fd >= 0 && p[i].revents) {
                if (recv(p[i].fd, &byte, 1, 0) == 1 && byte == 'x') {
                    send(p[i].fd, "y", 1, MSG_NOSIGNAL);
                }
                close(p[i].fd);
                p[i].fd = -1;
            }
        }
        for (int s; n < FEW && (s = accept(p[0].fd, NULL, NULL)) >= 0; n++) {
            p[1 + FEW + n].fd = s;
            p[1 + FEW + n].events = POLLIN;
            p[1 + FEW + n].revents = 0;
        }
    }
    tap_ok(answered == FEW, "20 clients, of whom 8 may wait, are all served");
    close(p[0].fd);
}

/* -- TCP_DEFER_ACCEPT -------------------------------------------------------- */

static int defer(int fd, int seconds)
{
    socklen_t len = sizeof(seconds);

    if (setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, len) ||
        getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, &len)) {
        return -1;
    }
    return seconds;
}

static void test_defer(void)
{
    int l = listener(16), c, s;
    char byte = 0;

    tap_ok(defer(l, 1) == 1 && defer(l, 5) == 7 && defer(l, 0) == 0 &&
               defer(l, 20) == 31,
           "TCP_DEFER_ACCEPT counts in retries");
    c = client();
    tap_ok(wait_for(c, POLLOUT, -1) == POLLOUT, "the client is connected");
    tap_ok(!wait_for(l, POLLIN, 100), "the server does not know yet");
    tap_ok(send(c, "x", 1, 0) == 1 && wait_for(l, POLLIN, -1) == POLLIN,
           "until there are data");
    s = accept(l, NULL, NULL);
    tap_ok(recv(s, &byte, 1, 0) == 1 && byte == 'x', "which are there then");
    close(s);
    close(c);
    defer(l, 1);
    c = client();
    tap_ok(wait_for(l, POLLIN, -1) == POLLIN &&
               (s = accept(l, NULL, NULL)) >= 0,
           "or until the time is over");
    tap_ok(send(s, "y", 1, 0) == 1 && wait_for(c, POLLIN, -1) == POLLIN &&
               recv(c, &byte, 1, 0) == 1 && byte == 'y',
           "and then the server may speak first");
    close(s);
    close(c);
    close(l);
}

int main(void)
{
    test_many();
    test_arguments();
    test_none();
    test_more();
    test_defer();
    return tap_done();
}
