/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-netd-poll.c - which sockets are ready, as libslirp's wishes change
 */
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <glib.h>

#include "ckptd/ckpt-netd-poll.h"

#define MANY 1000

static void want_only(NetdPoll *p, int fd, guint32 events)
{
    netd_poll_begin(p);
    if (fd >= 0) {
        netd_poll_want(p, fd, events);
    }
    netd_poll_end(p);
}

static void make_pair(int pair[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
}

static void test_wishes_change(void)
{
    NetdPoll *p = netd_poll_new();
    int a[2], b[2];

    make_pair(a);
    make_pair(b);
    g_assert_cmpint(write(a[1], "x", 1), ==, 1);
    g_assert_cmpint(write(b[1], "x", 1), ==, 1);
    want_only(p, a[0], EPOLLIN);
    netd_poll_look(p);
    g_assert_cmpuint(netd_poll_ready(p, a[0]), ==, EPOLLIN);
    want_only(p, b[0], EPOLLIN);
    netd_poll_look(p);
    g_assert_cmpuint(netd_poll_ready(p, a[0]), ==, 0);
    g_assert_cmpuint(netd_poll_ready(p, b[0]), ==, EPOLLIN);
    want_only(p, b[0], EPOLLIN | EPOLLOUT);
    netd_poll_look(p);
    g_assert_cmpuint(netd_poll_ready(p, b[0]), ==, EPOLLIN | EPOLLOUT);
    want_only(p, -1, 0);
    close(b[1]); /* would be an event of b[0] if anybody waited */
    netd_poll_look(p);
    g_assert_cmpuint(netd_poll_ready(p, b[0]), ==, 0);
    netd_poll_free(p);
    close(a[0]);
    close(a[1]);
    close(b[0]);
}

static void test_number_used_again(void)
{
    NetdPoll *p = netd_poll_new();
    int a[2], b[2];

    make_pair(a);
    make_pair(b);
    g_assert_cmpint(write(b[1], "x", 1), ==, 1);
    want_only(p, a[0], EPOLLIN);
    netd_poll_forget(p, a[0]);
    g_assert_cmpint(dup2(b[0], a[0]), ==, a[0]); /* closes what it was */
    close(b[0]);
    want_only(p, a[0], EPOLLIN);
    netd_poll_look(p);
    g_assert_cmpuint(netd_poll_ready(p, a[0]), ==, EPOLLIN);
    netd_poll_forget(p, a[0]);
    g_assert_cmpuint(netd_poll_ready(p, a[0]), ==, 0);
    netd_poll_forget(p, -1);
    netd_poll_forget(p, 1 << 20);
    netd_poll_free(p);
    close(a[0]);
    close(a[1]);
    close(b[1]);
}

/* More than one look shows; each is looked at in turn. */
static void test_many(void)
{
    NetdPoll *p = netd_poll_new();
    static int pairs[MANY][2];
    guint left = MANY, looks, i;
    char byte;

    for (i = 0; i < MANY; i++) {
        make_pair(pairs[i]);
        g_assert_cmpint(write(pairs[i][1], "x", 1), ==, 1);
    }
    for (looks = 0; left && looks < MANY; looks++) {
        netd_poll_begin(p);
        for (i = 0; i < MANY; i++) {
            netd_poll_want(p, pairs[i][0], EPOLLIN);
        }
        netd_poll_end(p);
        netd_poll_look(p);
        for (i = 0; i < MANY; i++) {
            if (netd_poll_ready(p, pairs[i][0])) {
                g_assert_cmpint(read(pairs[i][0], &byte, 1), ==, 1);
                left--;
            }
        }
    }
    g_assert_cmpuint(left, ==, 0);
    netd_poll_free(p);
    for (i = 0; i < MANY; i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

static int listen_somewhere(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(*at);

    *at = (struct sockaddr_in){ .sin_family = AF_INET };
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    g_assert_cmpint(bind(fd, (struct sockaddr *)at, len), ==, 0);
    g_assert_cmpint(listen(fd, 8), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)at, &len), ==, 0);
    return fd;
}

static int call(const struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    g_assert_cmpint(connect(fd, (const struct sockaddr *)at, sizeof(*at)), ==,
                    0);
    return fd;
}

static void test_listeners(void)
{
    NetdPoll *p = netd_poll_new();
    struct sockaddr_in at;
    int listener = listen_somewhere(&at), caller[3], pair[2];
    guint i, accepted = 0;

    make_pair(pair);
    g_assert_cmpint(write(pair[1], "x", 1), ==, 1);
    for (i = 0; i < G_N_ELEMENTS(caller); i++) {
        caller[i] = call(&at);
    }
    netd_poll_begin(p);
    netd_poll_want(p, listener, EPOLLIN);
    netd_poll_want(p, pair[0], EPOLLIN);
    netd_poll_end(p);
    netd_poll_look(p);
    g_assert_cmpuint(netd_poll_ready(p, pair[0]), ==, EPOLLIN);
    while (netd_poll_look_at_listeners(p)) {
        g_assert_cmpuint(netd_poll_ready(p, listener), ==, EPOLLIN);
        g_assert_cmpuint(netd_poll_ready(p, pair[0]), ==, 0);
        close(accept(listener, NULL, NULL));
        accepted++;
    }
    g_assert_cmpuint(accepted, ==, G_N_ELEMENTS(caller));
    netd_poll_forget(p, listener);
    g_assert_false(netd_poll_look_at_listeners(p));
    netd_poll_free(p);
    for (i = 0; i < G_N_ELEMENTS(caller); i++) {
        close(caller[i]);
    }
    close(listener);
    close(pair[0]);
    close(pair[1]);
}

/* Clients do not get the last descriptors; everything else goes on. */
static void test_few_descriptors(void)
{
    NetdPoll *p = netd_poll_new();
    struct rlimit all, few;
    struct sockaddr_in at;
    int listener = listen_somewhere(&at), caller = call(&at), pair[2], pass;

    make_pair(pair);
    g_assert_cmpint(write(pair[1], "x", 1), ==, 1);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &all), ==, 0);
    few = all;
    few.rlim_cur = pair[1] + 8;
    for (pass = 0; pass < 2; pass++) {
        setrlimit(RLIMIT_NOFILE, pass ? &all : &few);
        netd_poll_begin(p);
        netd_poll_want(p, listener, EPOLLIN);
        netd_poll_want(p, pair[0], EPOLLIN);
        netd_poll_end(p);
        netd_poll_look(p);
        g_assert_cmpuint(netd_poll_ready(p, pair[0]), ==, EPOLLIN);
        g_assert_cmpuint(netd_poll_ready(p, listener), ==, pass ? EPOLLIN : 0);
        g_assert_cmpint(netd_poll_look_at_listeners(p), ==, pass);
    }
    netd_poll_free(p);
    close(caller);
    close(listener);
    close(pair[0]);
    close(pair[1]);
}

static void allow_many_descriptors(void)
{
    struct rlimit limit;

    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    allow_many_descriptors();
    g_test_add_func("/netd/poll/wishes-change", test_wishes_change);
    g_test_add_func("/netd/poll/number-used-again", test_number_used_again);
    g_test_add_func("/netd/poll/many", test_many);
    g_test_add_func("/netd/poll/listeners", test_listeners);
    g_test_add_func("/netd/poll/few-descriptors", test_few_descriptors);
    return g_test_run();
}
