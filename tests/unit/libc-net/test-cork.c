/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-cork.c - what TCP_CORK and MSG_MORE keep, segment by segment
 *
 * The peer follows a script (script.h); its segments are of 1460 bytes.
 */
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/sys/libos.h"
#include "tests/unit/libc-net/script.h"
#include "tests/unit/libc-net/sim.h"
#include "tests/unit/libc-net/states.h"

static void set_option(int option, int value)
{
    g_assert_cmpint(CALL(sockopt_sys_set, fd, IPPROTO_TCP, option, P(&value),
                         sizeof(value)),
                    ==, 0);
}

static void send_bytes(size_t len, uint32_t flags)
{
    static const char bytes[8192];

    g_assert_cmpint(CALL(socket_sys_sendto, fd, P(bytes), len, flags, 0, 0), ==,
                    (long)len);
}

static void close_it(void)
{
    CALL(fd_sys_close, fd);
    fd = -1;
}

/* Small writes become full segments, and the rest goes when it is told to. */
static void test_segments(void)
{
    established();
    set_option(TCP_CORK, 1);
    send_bytes(100, 0);
    send_bytes(1000, 0);
    SCRIPT("-100");
    send_bytes(400, 0);
    SCRIPT("> A 1+1460 ack 101; -20; < A 101 ack 1461; -100");
    set_option(TCP_CORK, 0);
    SCRIPT("> A 1461+40 ack 101; < A 101 ack 1501; -1000");
    send_bytes(10, 0);
    SCRIPT("> A 1501+10 ack 101; < A 101 ack 1511");
    end();
}

/* Nobody says more: it goes out by itself, once, and waits for its answer. */
static void test_time(void)
{
    established();
    set_option(TCP_CORK, 1);
    send_bytes(7, 0);
    SCRIPT("-150; .150; > A 1+7 ack 101; < A 101 ack 8; -500");
    send_bytes(8, 0);
    SCRIPT("-150; .150; > A 8+8 ack 101; < A 101 ack 16; -5000");
    send_bytes(9, 0);
    SCRIPT("-150; .150; > A 16+9 ack 101");
    /* What was sent is sent again if nobody answers. */
    SCRIPT(".400; > A 16+9 ack 101; < A 101 ack 25; -5000");
    end();
}

/* The time begins when nothing is under way. */
static void test_time_in_flight(void)
{
    established();
    set_option(TCP_CORK, 1);
    send_bytes(1470, 0);
    SCRIPT("> A 1+1460 ack 101; -150; < A 101 ack 1461; -150; .150;"
           "> A 1461+10 ack 101; < A 101 ack 1471; -500");
    end();
}

static void test_more(void)
{
    established();
    send_bytes(10, MSG_MORE);
    send_bytes(0, 0);
    SCRIPT("-100");
    send_bytes(20, 0);
    SCRIPT("> A 1+30 ack 101; < A 101 ack 31; -500");
    send_bytes(10, MSG_MORE);
    SCRIPT("-150; .150; > A 31+10 ack 101; < A 101 ack 41; -500");
    /* Whatever the peer says ends it. */
    send_bytes(5, MSG_MORE);
    SCRIPT("-50; < PA 101+1 ack 41; > A 41+5 ack 102; < A 102 ack 46; -500");
    /* Not so the option. */
    set_option(TCP_CORK, 1);
    send_bytes(5, 0);
    SCRIPT("-50; < PA 102+1 ack 46; .50; > A 46 ack 103; -50");
    set_option(TCP_CORK, 0);
    SCRIPT("> A 46+5 ack 103; < A 103 ack 51");
    end();
}

/* TCP_NODELAY lets out what is there, and not what comes. */
static void test_nodelay(void)
{
    established();
    set_option(TCP_CORK, 1);
    send_bytes(3, 0);
    SCRIPT("-100");
    set_option(TCP_NODELAY, 1);
    SCRIPT("> A 1+3 ack 101");
    send_bytes(4, 0);
    SCRIPT("-100; < A 101 ack 4; -100");
    set_option(TCP_NODELAY, 1);
    SCRIPT("> A 4+4 ack 101; < A 101 ack 8");
    end();
}

static void test_end(void)
{
    established();
    set_option(TCP_CORK, 1);
    send_bytes(3, 0);
    SCRIPT("-50");
    g_assert_cmpint(CALL(socket_sys_shutdown, fd, SHUT_WR), ==, 0);
    SCRIPT("> FPA 1+3 ack 101; < A 101 ack 5");
    end();
    established();
    send_bytes(3, MSG_MORE);
    close_it();
    SCRIPT("> FPA 1+3 ack 101; < A 101 ack 5");
    end();
}

/* Who waits for room must not wait for himself. */
static void test_full(void)
{
    established();
    set_option(TCP_CORK, 1);
    SCRIPT("< A 101 ack 1 win 65535");
    while (CALL(socket_sys_sendto, fd, P("1234567"), 7, MSG_DONTWAIT, 0, 0) >
           0) {
        continue;
    }
    SCRIPT(".5");
    g_assert_cmpuint(script_drain(), >, 0);
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    states_start();
    g_test_add_func("/libc/net/cork/segments", test_segments);
    g_test_add_func("/libc/net/cork/time", test_time);
    g_test_add_func("/libc/net/cork/time-in-flight", test_time_in_flight);
    g_test_add_func("/libc/net/cork/more", test_more);
    g_test_add_func("/libc/net/cork/nodelay", test_nodelay);
    g_test_add_func("/libc/net/cork/end", test_end);
    g_test_add_func("/libc/net/cork/full", test_full);
    return g_test_run();
}
