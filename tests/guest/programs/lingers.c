/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lingers.c - close() that waits for the peer (SO_LINGER)
 *
 * A peer that does not read has a shut window: it acknowledges nothing more, the
 * end of the stream least of all, until it reads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define LONG_S 100 /* nobody waits so long */

static char bytes[65536];
static int out, in;
static long sent, got;
static volatile int reading;
static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
    (void)sig;
    alarms++;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A connection of which @out has written all that goes in. */
static void begin(int linger_s, int nonblock)
{
    struct linger linger = { 1, linger_s };
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    socklen_t len = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    long n;

    out = socket(AF_INET, SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0), 0);
    if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&a, &len) ||
        (connect(out, (struct sockaddr *)&a, len) && errno != EINPROGRESS)) {
        exit(1);
    }
    in = accept(listener, NULL, NULL);
    close(listener);
    setsockopt(out, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    sent = 0;
    /* The second round finds room that the first one's segments leave. */
    for (int i = 0; i < 2; i++) {
        while ((n = send(out, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
            sent += n;
        }
        usleep(20000);
    }
}

/* All that was written, and the end. */
static int read_all(void)
{
    long n;

    got = 0;
    while ((n = recv(in, bytes, sizeof(bytes), 0)) > 0) {
        got += n;
    }
    if (n || got != sent) {
        printf("# %ld of %ld bytes, %s\n", got, sent, n ? strerror(errno) : "");
    }
    close(in);
    return n == 0 && got == sent;
}

static void *read_later(void *arg)
{
    usleep(100000);
    reading = 1;
    return read_all() ? NULL : arg;
}

/* Does it wait until the peer reads?  @finish: closes @out. */
static int waits(int nonblock, int (*finish)(void))
{
    pthread_t thread;
    void *bad;
    int good;

    begin(LONG_S, nonblock);
    reading = 0;
    pthread_create(&thread, NULL, read_later, bytes);
    good = finish() == 0 && reading;
    pthread_join(thread, &bad);
    return good && !bad;
}

static int by_close(void)
{
    return close(out);
}

static int by_dup2(void)
{
    int other = dup(2), ret = dup2(other, out) != out;

    close(other);
    return ret | (write(out, "", 0) != 0) | close(out);
}

static int by_range(void)
{
    return (int)syscall(SYS_close_range, out, out, 0);
}

static void test_waits(void)
{
    double start = now();

    tap_ok(waits(0, by_close), "close() waits until the peer has all");
    tap_ok(waits(1, by_close), "so does that of a socket that never waits");
    tap_ok(waits(0, by_dup2), "and dup2() that closes it");
    tap_ok(waits(0, by_range), "and close_range()");
    tap_ok(now() - start < LONG_S, "but no longer");
}

static void test_time(void)
{
    double start;

    begin(1, 0);
    start = now();
    tap_ok(close(out) == 0 && now() - start >= 0.9, "it waits its time");
    tap_ok(read_all(), "and what was written arrives all the same");
}

static void test_not(void)
{
    double start = now();
    int copy;

    begin(LONG_S, 0);
    copy = dup(out);
    tap_ok(close(out) == 0, "another descriptor is left: nothing to wait for");
    shutdown(in, SHUT_RD);
    out = copy;
    close(in);
    tap_ok(close(out) == 0, "reset: nothing to wait for");
    begin(0, 0);
    tap_ok(close(out) == 0, "no time at all: a reset");
    close(in);
    out = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(out, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, LONG_S },
               sizeof(struct linger));
    tap_ok(close(out) == 0 && now() - start < LONG_S, "never connected");
}

static void test_signal(void)
{
    struct itimerval soon = { { 0, 50000 }, { 0, 50000 } }, never = { 0 };
    struct sigaction act = { .sa_handler = on_alarm };
    double start = now();

    sigaction(SIGALRM, &act, NULL);
    begin(LONG_S, 0);
    setitimer(ITIMER_REAL, &soon, NULL);
    tap_ok(close(out) == 0 && alarms && now() - start < LONG_S,
           "a signal ends it, and close() says nothing of that");
    setitimer(ITIMER_REAL, &never, NULL);
    tap_ok(fcntl(out, F_GETFD) == -1 && errno == EBADF, "the number is free");
    tap_ok(read_all(), "all arrives");
}

int main(void)
{
    test_waits();
    test_time();
    test_not();
    test_signal();
    return tap_done();
}
