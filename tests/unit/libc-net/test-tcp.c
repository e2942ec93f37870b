/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-tcp.c - each state of TCP, each kind of segment, and how long it waits
 *
 * The peer follows a script (script.h). It has sent 100 bytes before a state is
 * made, so that its numbers go on at 101; the guest has sent none.
 */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "tests/unit/libc-net/script.h"
#include "tests/unit/libc-net/sim.h"
#include "tests/unit/libc-net/states.h"

/* -- what comes in each state ---------------------------------------------------- */

/* No such connection: what comes is reset. */
#define GONE_1 "< A 500 ack 1; > RA 1 ack 500"
#define GONE_2 "< A 500 ack 2; > RA 2 ack 500"

static const struct {
    const char *state;
    void (*make)(void);
    const char *segment, *script;
} reactions[] = {
    { "SYN_SENT", syn_sent, "data", "< P 1+10; -60" },
    { "SYN_SENT", syn_sent, "FIN", "< F 1; -60" },
    { "SYN_SENT", syn_sent, "RST", "< RA 0 ack 1; < SA 0 ack 1; > RA 1 ack 1" },
    { "SYN_SENT", syn_sent, "RST of others", "< RA 0 ack 7; < R 0; -60" },
    { "SYN_SENT", syn_sent, "old ACK", "< A 5 ack 77; > RA 77 ack 5" },
    { "SYN_SENT", syn_sent, "SYN",
      "< S 0 mss 1460; > SA 0 ack 1; < SA 0 ack 1; > A 1 ack 1;"
      "< PA 1+10 ack 1; > A 1 ack 11; < R 11" },
    { "SYN_SENT", syn_sent, "SYN, and an answer to ours",
      "< S 0 mss 1460; > SA 0 ack 1; < S 0 mss 1460; > SA 0 ack 1;"
      "< A 1 ack 1; < PA 1+10 ack 1; > A 1 ack 11; < R 11" },
    { "SYN_SENT", syn_sent, "its answer",
      "< SA 0 ack 1 mss 1460; > A 1 ack 1" },

    { "SYN_RCVD", syn_rcvd, "SYN again", "< S 0 mss 1460; > SA 0 ack 1" },
    { "SYN_RCVD", syn_rcvd, "RST", "< R 1; < A 1 ack 1; > RA 1 ack 1" },
    { "SYN_RCVD", syn_rcvd, "RST in the window", "< R 9; > A 1 ack 1" },
    { "SYN_RCVD", syn_rcvd, "RST outside", "< R 200000; -60" },
    { "SYN_RCVD", syn_rcvd, "wrong ACK", "< A 1 ack 9; > RA 9 ack 1" },
    { "SYN_RCVD", syn_rcvd, "data", "< PA 1+10 ack 1; > A 1 ack 11" },
    { "SYN_RCVD", syn_rcvd, "FIN", "< FA 1 ack 1; > A 1 ack 2" },

    { "ESTABLISHED", established, "data", "< PA 101+10 ack 1; > A 1 ack 111" },
    { "ESTABLISHED", established, "FIN", "< FA 101 ack 1; > A 1 ack 102" },
    { "ESTABLISHED", established, "RST", "< R 101; " GONE_1 },
    { "ESTABLISHED", established, "RST in the window",
      "< R 150; > A 1 ack 101; -60" },
    { "ESTABLISHED", established, "RST outside", "< R 99; < R 200000; -60" },
    { "ESTABLISHED", established, "SYN", "< S 101; > A 1 ack 101" },
    { "ESTABLISHED", established, "old data",
      "< PA 51+50 ack 1; > A 1 ack 101" },
    { "ESTABLISHED", established, "data outside",
      "< PA 200101+10 ack 1; > A 1 ack 101" },
    { "ESTABLISHED", established, "data half old",
      "< PA 51+60 ack 1; > A 1 ack 111" },
    { "ESTABLISHED", established, "data that lacks some",
      "< PA 111+10 ack 1; > A 1 ack 101;"
      "< PA 101+10 ack 1; > A 1 ack 121" },
    { "ESTABLISHED", established, "FIN that lacks some",
      "< FA 111 ack 1; > A 1 ack 101; < PA 101+10 ack 1; > A 1 ack 112" },
    { "ESTABLISHED", established, "ACK of what was not sent",
      "< A 101 ack 50; > A 1 ack 101" },

    { "FIN_WAIT_1", fin_wait_1, "data", "< PA 101+10 ack 1; > A 2 ack 111" },
    { "FIN_WAIT_1", fin_wait_1, "FIN", "< FA 101 ack 1; > A 2 ack 102" },
    { "FIN_WAIT_1", fin_wait_1, "FIN and ACK",
      "< FA 101 ack 2; > A 2 ack 102; -500" },
    { "FIN_WAIT_1", fin_wait_1, "RST", "< R 101; " GONE_2 },
    { "FIN_WAIT_1", fin_wait_1, "RST in the window", "< R 150; > A 2 ack 101" },
    { "FIN_WAIT_1", fin_wait_1, "SYN", "< S 101; > A 2 ack 101" },
    { "FIN_WAIT_1", fin_wait_1, "old data", "< PA 51+50 ack 1; > A 2 ack 101" },
    { "FIN_WAIT_1", fin_wait_1, "data outside",
      "< PA 200101+10 ack 1; > A 2 ack 101" },

    { "FIN_WAIT_2", fin_wait_2, "data", "< PA 101+10 ack 2; > A 2 ack 111" },
    { "FIN_WAIT_2", fin_wait_2, "FIN", "< FA 101 ack 2; > A 2 ack 102" },
    { "FIN_WAIT_2", fin_wait_2, "RST", "< R 101; " GONE_2 },
    { "FIN_WAIT_2", fin_wait_2, "RST in the window", "< R 150; > A 2 ack 101" },
    { "FIN_WAIT_2", fin_wait_2, "SYN", "< S 101; > A 2 ack 101" },
    { "FIN_WAIT_2", fin_wait_2, "old data", "< PA 51+50 ack 2; > A 2 ack 101" },
    { "FIN_WAIT_2", fin_wait_2, "data outside",
      "< PA 200101+10 ack 2; > A 2 ack 101" },

    { "CLOSING", closing, "ACK", "< A 102 ack 2; -500" },
    { "CLOSING", closing, "data", "< PA 102+10 ack 1; -60" },
    { "CLOSING", closing, "FIN again", "< FA 101 ack 1; > A 2 ack 102" },
    { "CLOSING", closing, "RST", "< R 102; " GONE_2 },
    { "CLOSING", closing, "RST in the window", "< R 150; > A 2 ack 102" },
    { "CLOSING", closing, "SYN", "< S 102; > A 2 ack 102" },
    { "CLOSING", closing, "old data", "< PA 51+50 ack 1; > A 2 ack 102" },

    { "TIME_WAIT", time_wait, "FIN again", "< FA 101 ack 2; > A 2 ack 102" },
    { "TIME_WAIT", time_wait, "RST", "< R 102; < FA 101 ack 2; > A 2 ack 102" },
    { "TIME_WAIT", time_wait, "old data", "< PA 51+50 ack 2; > A 2 ack 102" },
    { "TIME_WAIT", time_wait, "old SYN", "< S 50; > A 2 ack 102" },
    { "TIME_WAIT", time_wait, "the next SYN of the same number",
      "< S 102; > A 2 ack 102" },
    { "TIME_WAIT", time_wait, "a new SYN",
      "< S 9000 mss 1460; > SA 0 ack 9001;"
      "< R 9001" },

    { "CLOSE_WAIT", close_wait, "data", "< PA 102+10 ack 1; -60" },
    { "CLOSE_WAIT", close_wait, "FIN again", "< FA 101 ack 1; > A 1 ack 102" },
    { "CLOSE_WAIT", close_wait, "RST", "< R 102; " GONE_1 },
    { "CLOSE_WAIT", close_wait, "RST in the window", "< R 150; > A 1 ack 102" },
    { "CLOSE_WAIT", close_wait, "SYN", "< S 102; > A 1 ack 102" },
    { "CLOSE_WAIT", close_wait, "old data", "< PA 51+50 ack 1; > A 1 ack 102" },

    { "LAST_ACK", last_ack, "ACK", "< A 102 ack 2; " GONE_2 },
    { "LAST_ACK", last_ack, "data", "< PA 102+10 ack 1; -60" },
    { "LAST_ACK", last_ack, "FIN again", "< FA 101 ack 1; > A 2 ack 102" },
    { "LAST_ACK", last_ack, "RST", "< R 102; " GONE_2 },
    { "LAST_ACK", last_ack, "RST in the window", "< R 150; > A 2 ack 102" },
    { "LAST_ACK", last_ack, "SYN", "< S 102; > A 2 ack 102" },
    { "LAST_ACK", last_ack, "old data", "< PA 51+50 ack 1; > A 2 ack 102" },
};

static void test_reactions(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(reactions); i++) {
        g_test_message("%s: %s", reactions[i].state, reactions[i].segment);
        reactions[i].make();
        SCRIPT(reactions[i].script);
        if (fd < 0) {
            fd = CALL(socket_sys_accept4, listener, 0, 0, SOCK_NONBLOCK);
        }
        end();
    }
}

/* -- how long it waits ------------------------------------------------------------ */

/* A SYN six times again, and 127 s in all. */
static void test_syn_sent_waits(void)
{
    syn_sent();
    SCRIPT("@1000 > S 0; @2000 > S 0; @4000 > S 0; @8000 > S 0;"
           "@16000 > S 0; @32000 > S 0; -63800");
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT("-300");
    g_assert_cmpint(error_of(), ==, ETIMEDOUT);
    end();
}

static void test_syn_rcvd_waits(void)
{
    syn_rcvd();
    SCRIPT("@1000 > SA 0 ack 1; @2000 > SA 0 ack 1; @4000 > SA 0 ack 1;"
           "@8000 > SA 0 ack 1; @16000 > SA 0 ack 1; -31800;"
           "< S 0; > SA 0 ack 1"); /* it is still there */
    SCRIPT("-40000; < A 1 ack 1; > RA 1 ack 1");
    end();
}

/* Twice as long each time, up to 120 s, for a quarter of an hour. */
static void test_established_waits(void)
{
    char b = 'b';

    established();
    g_assert_cmpint(CALL(io_sys_write, fd, P(&b), 1), ==, 1);
    SCRIPT("> PA 1+1 ack 101");
    for (unsigned ms = 200; ms < 102400; ms *= 2) {
        g_autofree char *text = g_strdup_printf("@%u > PA 1+1 ack 101", ms);

        SCRIPT(text);
    }
    SCRIPT("@102400 > PA 1+1 ack 101");
    for (int i = 0; i < 5; i++) {
        SCRIPT("@120000 > PA 1+1 ack 101");
        g_assert_cmpint(error_of(), ==, 0);
    }
    SCRIPT("-120300");
    g_assert_cmpint(error_of(), ==, ETIMEDOUT);
    end();
}

/* Closed by its program: 102 s, and whatever is acknowledged begins anew. */
static void orphan_waits(void (*make)(void), const char *again)
{
    static const unsigned waits[] = { 200,  400,  800,   1600,
                                      3200, 6400, 12800, 25600 };

    make();
    CALL(fd_sys_close, fd);
    fd = -1;
    for (size_t i = 0; i < G_N_ELEMENTS(waits); i++) {
        g_autofree char *text = g_strdup_printf("@%u > %s", waits[i], again);

        SCRIPT(text);
    }
    SCRIPT("-51400; < A 500 ack 2; > RA 2 ack 500");
    end();
}

static void test_orphans_wait(void)
{
    orphan_waits(fin_wait_1, "FA 1 ack 101");
    /* Both have ended: the socket has let go, and it has the full time. */
    closing();
    CALL(fd_sys_close, fd);
    fd = -1;
    SCRIPT(".110000");
    script_drain();
    SCRIPT("< FA 101 ack 1; > A 2 ack 102; < A 102 ack 2; -1000");
    end();
}

static void test_fin_wait_2_waits(void)
{
    /* For ever if the program may still read, ... */
    fin_wait_2();
    SCRIPT("-600000; < PA 101+10 ack 2; > A 2 ack 111");
    /* ... else for 60 s from then. */
    g_assert_cmpint(CALL(io_sys_read, fd, P((char[10]){ 0 }), 10), ==, 10);
    CALL(fd_sys_close, fd);
    fd = -1;
    SCRIPT("-59800; < A 110 ack 2; > A 2 ack 111; -300;"
           "< FA 111 ack 2; > RA 2 ack 112");
    end();
}

static void test_time_wait_waits(void)
{
    time_wait();
    CALL(fd_sys_close, fd);
    fd = -1;
    SCRIPT("-59000; < FA 101 ack 2; > A 2 ack 102");
    SCRIPT("-59000; < A 101 ack 2 ; -60"); /* the FIN began it anew */
    SCRIPT("-1500; < FA 101 ack 2; > RA 2 ack 102");
    end();
}

static void set_option(int option, int value)
{
    g_assert_cmpint(CALL(sockopt_sys_set, fd, IPPROTO_TCP, option, P(&value),
                         sizeof(value)),
                    ==, 0);
}

/* As long as the program says: for data, and a shut window too. */
static void test_user_timeout(void)
{
    established();
    set_option(TCP_USER_TIMEOUT, 5000);
    write_all(1);
    SCRIPT("> PA 1+1 ack 101; .4800");
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT(".400");
    g_assert_cmpint(error_of(), ==, ETIMEDOUT);
    end();
    established();
    set_option(TCP_USER_TIMEOUT, 5000);
    SCRIPT("< A 101 ack 1 win 0");
    write_all(1);
    for (int i = 0; i < 8; i++) {
        SCRIPT(".600");
        script_drain();
        g_assert_cmpint(error_of(), ==, 0);
        SCRIPT("< A 101 ack 1 win 0");
    }
    SCRIPT(".4000");
    g_assert_cmpint(error_of(), ==, ETIMEDOUT);
    end();
}

static void test_syncnt(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = SCRIPT_PEER };

    script_begin(0);
    sin.sin_port = htons(script_port());
    fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    set_option(TCP_SYNCNT, 2);
    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&sin), sizeof(sin)), ==,
                    -EINPROGRESS);
    SCRIPT("> S 0; @1000 > S 0; @2000 > S 0; -3800");
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT("-400");
    g_assert_cmpint(error_of(), ==, ETIMEDOUT);
    end();
}

static void test_linger2(void)
{
    fin_wait_2();
    set_option(TCP_LINGER2, 5);
    CALL(fd_sys_close, fd);
    fd = -1;
    SCRIPT("-4800; < A 100 ack 2; > A 2 ack 101; -400; " GONE_2);
    end();
    fin_wait_2();
    set_option(TCP_LINGER2, -1);
    CALL(fd_sys_close, fd);
    fd = -1;
    SCRIPT("> RA 2 ack 101; " GONE_2);
    end();
}

/* -- closed, and not yet read ------------------------------------------------------ */

/*
 * The peer has said all it has to say and takes its time to read the answer: it
 * gets all of it, whenever the program closed.
 */
static void late_reader(void (*make)(void), const char *fin)
{
    make();
    SCRIPT("< A 102 ack 1 win 1000");
    write_all(3000);
    CALL(fd_sys_close, fd);
    fd = -1;
    SCRIPT("@200 > A 1+1000 ack 102; < A 102 ack 1001 win 0");
    /* Probes: it answers each and stays shut for a minute. */
    for (int i = 0; i < 8; i++) {
        SCRIPT(".8000");
        script_drain();
        SCRIPT("< A 102 ack 1001 win 0");
    }
    SCRIPT("< A 102 ack 1001 win 65535; > A 1001+460 ack 102;"
           "> A 1461+1460 ack 102");
    SCRIPT(fin);
    SCRIPT("< A 102 ack 3002; < A 500 ack 3002; > RA 3002 ack 500");
    end();
}

static void test_late_reader(void)
{
    late_reader(close_wait, "> FPA 2921+80 ack 102");
}

/* The same without a window that is shut: nothing is acknowledged for 30 s. */
static void test_late_ack(void)
{
    close_wait();
    write_all(5000);
    CALL(fd_sys_close, fd);
    fd = -1;
    SCRIPT(".30000");
    script_drain();
    SCRIPT("< A 102 ack 1461; .5");
    g_assert_cmpuint(script_drain(), >=, 1460);
    SCRIPT("< A 102 ack 4381; .5");
    script_drain();
    SCRIPT("< A 102 ack 5002; < A 500 ack 5002; > RA 5002 ack 500");
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    states_start();
    g_test_add_func("/libc/tcp/reactions", test_reactions);
    g_test_add_func("/libc/tcp/wait/syn-sent", test_syn_sent_waits);
    g_test_add_func("/libc/tcp/wait/syn-rcvd", test_syn_rcvd_waits);
    g_test_add_func("/libc/tcp/wait/established", test_established_waits);
    g_test_add_func("/libc/tcp/wait/orphans", test_orphans_wait);
    g_test_add_func("/libc/tcp/wait/fin-wait-2", test_fin_wait_2_waits);
    g_test_add_func("/libc/tcp/wait/time-wait", test_time_wait_waits);
    g_test_add_func("/libc/tcp/wait/user-timeout", test_user_timeout);
    g_test_add_func("/libc/tcp/wait/syncnt", test_syncnt);
    g_test_add_func("/libc/tcp/wait/linger2", test_linger2);
    g_test_add_func("/libc/tcp/close/late-reader", test_late_reader);
    g_test_add_func("/libc/tcp/close/late-ack", test_late_ack);
    return g_test_run();
}
