/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-backlog.c - listeners without room: nobody is turned away
 *
 * The listener here has one place for a connection that is half open, and one
 * for a connection that the program has not taken, besides the one that Linux
 * adds. What is beyond the first gets a cookie (cookie.c).
 */
#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "tests/unit/libc-net/script.h"
#include "tests/unit/libc-net/sim.h"
#include "tests/unit/libc-net/states.h"

#define PORT     80
#define SEQ_AT   (14 + 20 + 4)
#define TCP_MIN  (14 + 20 + 20)
#define SYN_SOME 300

/* Somebody else is half open, and has the only place. */
static void take_place(void)
{
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1");
}

/* The sequence number of the frame that left last. */
static uint32_t last_seq(void)
{
    const uint8_t *p = sim.last_frame + SEQ_AT;

    g_assert_cmpuint(sim.last_frame_bytes, >=, TCP_MIN);
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* A script of which each @ is the number of the cookie's first byte. */
static void run_from(uint32_t first, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);
    g_autofree char *number = g_strdup_printf("%u", first);
    g_autofree char *script = g_strjoinv(number, parts);

    SCRIPT(script);
}

static void check_served(void)
{
    char data[10];

    fd = CALL(socket_sys_accept4, listener, 0, 0, SOCK_NONBLOCK);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(CALL(io_sys_read, fd, P(data), 10), ==, 10);
}

/* Without a place: an answer of which nothing is kept here. */
static void test_cookie(void)
{
    take_place();
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1; -4000;" /* not said again */
           "< A 1 ack 1; < PA 1+10 ack 1; > A 1 ack 11");
    check_served();
    end();
    SCRIPT(".70000"); /* who took the place is given up */
}

/*
 * It asks again while our answer is on its way, and now there is a place: what
 * it says then is about the first answer.
 */
static void asks_again(const char *then)
{
    uint16_t holder;
    uint32_t cookie;

    take_place();
    holder = script_port();
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1");
    cookie = last_seq();
    script_as(holder);
    SCRIPT("< R 1");
    script_as(holder + 1);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1");
    run_from(cookie - last_seq() + 1, then);
    check_served();
    script_drain();
    end();
}

static void test_cookie_then_place(void)
{
    asks_again("< A 1 ack @; < PA 1+10 ack @; > A @ ack 11");
    asks_again("< PA 1+10 ack @; > A @ ack 11");
}

/* A cookie may have lain in the hold for minutes. */
static void test_cookie_old(void)
{
    take_place();
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1; -180000;"
           "< PA 1+10 ack 1; > A 1 ack 11");
    check_served();
    end();
    /* But not for ever. */
    take_place();
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1; -330000;"
           "< PA 1+10 ack 1; > RA 1 ack 11");
    fd = -1;
}

/* The first of its data is lost, or came when the program's queue was full. */
static void test_cookie_later_data(void)
{
    take_place();
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1; < PA 11+10 ack 1; -60;"
           "< PA 1+10 ack 1; > A 1 ack 11; < PA 11+10 ack 1; > A 1 ack 21");
    check_served();
    end();
    SCRIPT(".70000");
}

/* What is no cookie of ours is told so. */
static void test_no_cookie(void)
{
    take_place();
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1;"
           "< A 1 ack 2; > RA 2 ack 1;"
           "< A 200000 ack 1; > RA 1 ack 200000; < A 0 ack 1; > RA 1 ack 0");
    fd = -1;
    SCRIPT(".70000");
}

/* Two wait for accept(): whoever comes with a cookie is heard later. */
static void test_queue_full(void)
{
    uint16_t waits[2], served;
    long one;

    for (int i = 0; i < 2; i++) {
        script_begin(PORT);
        waits[i] = script_port();
        SCRIPT("< S 0 mss 1460; > SA 0 ack 1; < A 1 ack 1");
    }
    script_begin(PORT);
    served = script_port();
    SCRIPT("< S 0 mss 1460; -60");
    one = CALL(socket_sys_accept4, listener, 0, 0, SOCK_NONBLOCK);
    g_assert_cmpint(one, >=, 0);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1; < PA 1+10 ack 1; > A 1 ack 11");
    CALL(fd_sys_close, one);
    one = CALL(socket_sys_accept4, listener, 0, 0, SOCK_NONBLOCK);
    g_assert_cmpint(one, >=, 0);
    CALL(fd_sys_close, one);
    script_drain();
    check_served();
    end();
    for (int i = 0; i < 2; i++) {
        script_as(waits[i]);
        SCRIPT("< R 1; < R 2; .1");
    }
    script_as(served); /* the next one's port is new */
}

/* A flood of those who never answer: who means it gets in at once. */
static void test_flood(void)
{
    for (int i = 0; i < SYN_SOME; i++) {
        script_begin(PORT);
        SCRIPT("< S 0 mss 1460; > SA 0 ack 1");
    }
    established();
    end();
    SCRIPT(".70000");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    states_start();
    CALL(socket_sys_listen, listener, 1);
    g_test_add_func("/libc/backlog/cookie", test_cookie);
    g_test_add_func("/libc/backlog/cookie-then-place", test_cookie_then_place);
    g_test_add_func("/libc/backlog/cookie-old", test_cookie_old);
    g_test_add_func("/libc/backlog/cookie-later-data", test_cookie_later_data);
    g_test_add_func("/libc/backlog/no-cookie", test_no_cookie);
    g_test_add_func("/libc/backlog/queue-full", test_queue_full);
    g_test_add_func("/libc/backlog/flood", test_flood);
    return g_test_run();
}
