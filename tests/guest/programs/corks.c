/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * corks.c - what TCP_CORK and MSG_MORE keep back
 *
 * What was not sent yet is told by SIOCOUTQNSD.  It is kept for 200 ms, which a
 * busy machine may take between two calls: what has to be kept is tried again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tap.h"

#ifndef SIOCOUTQNSD
#define SIOCOUTQNSD 0x894b
#endif
#define TRIES 20

static char bytes[8192];
static int out, in;

static void begin(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET,
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    socklen_t len = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM, 0), mss = 1000;

    out = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(out, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss));
    if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&a, &len) ||
        connect(out, (struct sockaddr *)&a, len)) {
        exit(1);
    }
    in = accept(listener, NULL, NULL);
    close(listener);
}

static void end(void)
{
    close(out);
    close(in);
}

static void set(int option, int value)
{
    setsockopt(out, IPPROTO_TCP, option, &value, sizeof(value));
}

static int unsent(void)
{
    int n = -1;

    return ioctl(out, SIOCOUTQNSD, &n) ? -1 : n;
}

static int take(size_t n)
{
    return recv(in, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

static int segment(void)
{
    int mss = 0;
    socklen_t len = sizeof(mss);

    return getsockopt(out, IPPROTO_TCP, TCP_MAXSEG, &mss, &len) ? 0 : mss;
}

/* Does @n bytes, sent by @flags, leave @kept of them here? */
static int keeps(int n, int flags, int kept)
{
    int i, good = 0;

    for (i = 0; i < TRIES && !good; i++) {
        if (send(out, bytes, n, flags) != n) {
            return 0;
        }
        good = unsent() == kept;
        if (!take(n)) {
            return 0;
        }
    }
    return good;
}

static void test_cork(void)
{
    int mss;

    begin();
    mss = segment();
    set(TCP_CORK, 1);
    tap_ok(mss > 500 && keeps(5, 0, 5),
           "TCP_CORK keeps what is no full segment");
    tap_ok(keeps(3 * mss + 100, 0, 100), "and the rest behind those that are");
    tap_ok(send(out, bytes, 5, 0) == 5 && take(5), "it comes by itself");
    set(TCP_NODELAY, 1);
    tap_ok(keeps(5, 0, 5), "TCP_NODELAY is weaker");
    send(out, bytes, 6, 0);
    set(TCP_NODELAY, 1);
    tap_ok(unsent() == 0 && take(6), "but lets go what is there");
    send(out, bytes, 7, 0);
    set(TCP_CORK, 0);
    tap_ok(unsent() == 0 && take(7), "without the cork it goes");
    send(out, bytes, 7, 0);
    tap_ok(unsent() == 0 && take(7), "and so does what follows");
    end();
}

static void test_more(void)
{
    begin();
    set(TCP_NODELAY, 1);
    tap_ok(keeps(5, MSG_MORE, 5), "MSG_MORE keeps what is no full segment");
    send(out, bytes, 5, MSG_MORE);
    send(out, bytes, 6, 0);
    tap_ok(unsent() == 0 && take(11), "until something is written without it");
    end();
}

static void test_end(void)
{
    begin();
    set(TCP_CORK, 1);
    send(out, bytes, 9, 0);
    shutdown(out, SHUT_WR);
    tap_ok(unsent() <= 1 && take(9) && recv(in, bytes, 1, 0) == 0,
           "the end of the stream takes it along");
    end();
    begin();
    send(out, bytes, 9, MSG_MORE);
    close(out);
    tap_ok(take(9) && recv(in, bytes, 1, 0) == 0, "and so does close()");
    close(in);
}

/* A blocked writer and a reader that waits for all: neither waits for ever. */
static void test_full(void)
{
    long sent = 0, got = 0, n;

    begin();
    set(TCP_CORK, 1);
    while ((n = send(out, bytes, 777, MSG_DONTWAIT)) > 0) {
        sent += n;
    }
    while (got < sent && (n = recv(in, bytes, sizeof(bytes), 0)) > 0) {
        got += n;
    }
    tap_ok(sent > 0 && got == sent, "all arrives from a full socket");
    end();
}

int main(void)
{
    test_cork();
    test_more();
    test_end();
    test_full();
    return tap_done();
}
