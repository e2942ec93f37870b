/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-tcp-path.c - what lies between TCP and its peer: the hold, windows,
 * routers, neighbours
 */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "tests/unit/libc-net/script.h"
#include "tests/unit/libc-net/sim.h"
#include "tests/unit/libc-net/states.h"

#define HOUR_MS 3600000u
#define GONE_1  "< A 500 ack 1; > RA 1 ack 500"

/* So many milliseconds in which the program sleeps. */
static void sleep_ms(uint64_t ms)
{
    CALL(poll_sys_poll, 0, 0, ms);
}

/* -- windows ---------------------------------------------------------------------- */

/* A peer that answers may keep its window shut for as long as it likes. */
static void test_window_shut(void)
{
    established();
    SCRIPT("< A 101 ack 1 win 0");
    write_all(3000);
    SCRIPT("@200 > A 1+1 ack 101; < A 101 ack 1 win 0;"
           "@400 > A 1+1 ack 101; < A 101 ack 1 win 0;"
           "@800 > A 1+1 ack 101; < A 101 ack 1 win 0");
    for (uint64_t start = sim.now_ns; sim.now_ns < start + 3600 * S;) {
        SCRIPT(".1000");
        if (script_drain()) {
            SCRIPT("< A 101 ack 1 win 0");
        }
    }
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT(".1; < A 101 ack 1; > A 1+1460 ack 101; > A 1461+1460 ack 101;"
           "< A 101 ack 2921; > PA 2921+80 ack 101; < A 101 ack 3001; -1000");
    end();
}

/* Fifteen probes without an answer, further and further apart. */
static void test_window_shut_silent(void)
{
    unsigned probes = 0;
    uint64_t start;

    established();
    SCRIPT("< A 101 ack 1 win 0");
    write_all(3000);
    start = sim.now_ns;
    while (error_of() == 0 && probes < 100) {
        SCRIPT(".100");
        probes += script_drain();
    }
    g_assert_cmpuint(probes, ==, 15);
    g_assert_cmpuint((sim.now_ns - start) / S, >=, 900);
    g_assert_cmpuint((sim.now_ns - start) / S, <=, 950);
    end();
}

/* The last byte is taken by its probe: nothing is left to ask with. */
static void test_window_shut_one_byte(void)
{
    established();
    SCRIPT("< A 101 ack 1 win 0");
    write_all(1);
    SCRIPT("@200 > A 1+1 ack 101; < A 101 ack 2 win 0; -10000;"
           "< A 101 ack 2; -1000");
    write_all(10);
    SCRIPT("> PA 2+10 ack 101; < A 101 ack 12");
    end();
}

/* What was written before the window was known is longer than it takes. */
static void test_window_small(void)
{
    established();
    end();
    script_begin(80);
    SCRIPT("< S 0 mss 1460 win 0; > SA 0 ack 1; < A 1 ack 1 win 0");
    fd = CALL(socket_sys_accept4, listener, 0, 0, SOCK_NONBLOCK);
    write_all(3000);
    SCRIPT("< A 1 ack 1 win 100");
    write_all(10);
    SCRIPT(".1000");
    g_assert_cmpuint(script_drain(), >=, 100);
    SCRIPT("< R 1");
    CALL(fd_sys_close, fd);
    fd = -1;
}

/* The end is said behind the last byte, however little is taken at a time. */
static void test_window_cuts_the_end(void)
{
    established();
    SCRIPT("< A 101 ack 1 win 0");
    write_all(100);
    CALL(socket_sys_shutdown, fd, SHUT_WR);
    SCRIPT("< A 101 ack 1 win 96; @200 > A 1+96 ack 101;"
           "< A 101 ack 97; > FA 97+4 ack 101; < A 101 ack 102; -1000");
    end();
}

/* Ten segments at once, and twice as many when they are acknowledged. */
static void test_initial_window(void)
{
    established();
    write_all(100000);
    SCRIPT(".5");
    g_assert_cmpuint(script_drain(), ==, 14600);
    SCRIPT("< A 101 ack 14601; .5");
    g_assert_cmpuint(script_drain(), ==, 29200);
    SCRIPT("< A 101 ack 43801; .5");
    g_assert_cmpuint(script_drain(), ==, 55480);
    SCRIPT("< A 101 ack 99281; > PA 99281+720 ack 101; < A 101 ack 100001");
    /* A short idle time halves the window, a long one leaves the initial. */
    SCRIPT("-60000");
    write_all(100000);
    SCRIPT(".5");
    g_assert_cmpuint(script_drain(), ==, 14600);
    end();
}

/* Only a SYN says how long segments are; a few bytes it never says. */
static void test_segment_size(void)
{
    established();
    SCRIPT("< A 101 ack 1 win 0");
    write_all(1460);
    SCRIPT("< A 101 ack 1 win 0 mss 100");
    write_all(1460);
    SCRIPT("< A 101 ack 1; > A 1+1460 ack 101; > PA 1461+1460 ack 101;"
           "< A 101 ack 2921");
    end();
}

/* -- the hold --------------------------------------------------------------------- */

/* Nothing is durable for an hour: it is not the peer's fault. */
static void hold(void (*make)(void), size_t bytes)
{
    sim.epoch = 5;
    sim.committed = 4;
    make();
    if (bytes) {
        write_all(bytes);
        SCRIPT("> PA 1+1 ack 101");
    }
    for (int i = 0; i < 360; i++) {
        SCRIPT("-10000");
    }
    sim.committed = 9;
    sim.epoch = 10;
    /* It leaves now, and has its full time from when that is noticed. */
    SCRIPT(".1000");
    g_assert_cmpuint(script_drain(), <=, 2);
    sim.epoch = sim.committed = 0;
}

static void test_hold_data(void)
{
    hold(established, 1);
    SCRIPT("< A 101 ack 2");
    g_assert_cmpint(error_of(), ==, 0);
    /* The next one is lost, and is tried after 200 ms as ever. */
    write_all(1);
    SCRIPT("> PA 2+1 ack 101; @200 > PA 2+1 ack 101; < A 101 ack 3");
    end();
}

static void test_hold_fin(void)
{
    hold(last_ack, 0);
    SCRIPT("< A 102 ack 2; < A 500 ack 2; > RA 2 ack 500");
    end();
}

static void test_hold_syn(void)
{
    hold(syn_sent, 0);
    SCRIPT("< SA 0 ack 1 mss 1460; > A 1 ack 1");
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT("< R 1; .1");
    end();
}

/* The hold takes nothing for an hour. */
static void test_hold_full(void)
{
    established();
    sim.gate_full = true;
    sim.gate_opens_ns = sim.now_ns + 3600 * S;
    sim.refused = 0;
    write_all(1);
    sleep_ms(HOUR_MS - 10);
    g_assert_cmpuint(sim.refused, <, 10);
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT(".20; > PA 1+1 ack 101; @200 > PA 1+1 ack 101; < A 101 ack 2");
    end();
}

static void test_hold_full_window_shut(void)
{
    established();
    SCRIPT("< A 101 ack 1 win 0");
    write_all(1);
    sim.gate_full = true;
    sim.gate_opens_ns = sim.now_ns + 3600 * S;
    sleep_ms(HOUR_MS);
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT(".2000");
    g_assert_cmpuint(script_drain(), >=, 1);
    SCRIPT("< A 101 ack 2; -1000");
    end();
}

/* An acknowledgement that could not be sent is sent when that goes on. */
static void test_hold_full_ack(void)
{
    unsigned sleeps;

    established();
    sim.gate_full = true;
    sim.gate_opens_ns = sim.now_ns + 60 * S;
    SCRIPT("< PA 101+10 ack 1");
    sleeps = sim.sleeps;
    SCRIPT("-59000");
    g_assert_cmpuint(sim.sleeps - sleeps, <, 700); /* the script's own */
    SCRIPT(".1100; > A 1 ack 111");
    end();
}

/* Keep-alives lie in the hold: silence is no wonder. */
static void test_hold_keepalive(void)
{
    int on = 1, idle_s = 10;

    established();
    CALL(sockopt_sys_set, fd, SOL_SOCKET, SO_KEEPALIVE, P(&on), sizeof(on));
    CALL(sockopt_sys_set, fd, IPPROTO_TCP, TCP_KEEPIDLE, P(&idle_s), 4);
    sim.epoch = sim.committed = 5;
    SCRIPT("-9000");
    sim.epoch = 6;
    SCRIPT(".2000; > A 0 ack 101; -3600000");
    g_assert_cmpint(error_of(), ==, 0);
    sim.committed = 6;
    SCRIPT(".80000; > A 0 ack 101; < A 101 ack 1");
    sim.epoch = sim.committed = 0;
    end();
}

/* The guest stood still: what came meanwhile is looked at first. */
static void test_stood_still(void)
{
    established();
    write_all(1);
    SCRIPT("> PA 1+1 ack 101");
    sim_pass(20 * S);
    net_poll();
    SCRIPT("-5; < A 101 ack 2; -1000");
    write_all(1);
    SCRIPT("> PA 2+1 ack 101; @200 > PA 2+1 ack 101; < A 101 ack 3");
    end();
}

/* After a restore a time-out of minutes is one of the way's again. */
static void test_restored(void)
{
    established();
    write_all(1);
    SCRIPT(".200000");
    script_drain();
    net_restored();
    SCRIPT(".50");
    script_drain(); /* what prompts the peer */
    SCRIPT(".300");
    g_assert_cmpuint(script_drain(), ==, 1);
    end();
}

/* The same for a shut window, and whatever epochs are counted from then on. */
static void test_restored_window_shut(void)
{
    established();
    sim.epoch = 500;
    sim.committed = 500;
    SCRIPT("< A 101 ack 1 win 0");
    write_all(1000);
    sim.epoch = 501;
    SCRIPT(".100000");
    script_drain();
    sim.epoch = 2;
    sim.committed = 1;
    net_restored();
    SCRIPT(".50");
    sim.epoch = 4;
    sim.committed = 3;
    SCRIPT(".100000");
    g_assert_cmpuint(script_drain(), >=, 1);
    sim.epoch = sim.committed = 0;
    end();
}

/* A rollback that nobody has read of yet. */
static void rollback(void)
{
    static const struct ckpt_identity id = {
        .why = CKPT_LINE_ROLLBACK,
        .generation = 2,
        .flags = CKPT_IDENTITY_OWN,
    };

    sim.identity = &id;
    sim.line++;
}

static void accept_it(void)
{
    fd = CALL(socket_sys_accept4, listener, 0, 0, SOCK_NONBLOCK);
    g_assert_cmpint(fd, >=, 0);
}

/* Who calls when a line has begun is this line's. */
static void test_rollback_called(void)
{
    rollback();
    syn_rcvd();
    SCRIPT("< A 1 ack 1; < PA 1+1 ack 1; > A 1 ack 2");
    accept_it();
    end();
}

/* Who has our SYN hears of the end; who lacks it may go on asking. */
static void test_rollback_half_open(void)
{
    syn_rcvd();
    rollback();
    SCRIPT("> R 1; < S 0 mss 1460; > SA 0 ack 1; < A 1 ack 1; -1000");
    accept_it();
    end();
    established();
    rollback();
    SCRIPT("> RA 1 ack 101; " GONE_1);
    end();
}

/* Nobody answers for ten minutes: a guest sleeps through most of them. */
static void test_wake_ups(void)
{
    unsigned before;

    established();
    write_all(1);
    SCRIPT("> PA 1+1 ack 101; .20");
    before = sim.sleeps;
    sleep_ms(590000);
    /* 13 attempts, each with the tick after it, and what ARP asks. */
    g_assert_cmpuint(sim.sleeps - before, <=, 60);
    script_drain();
    end();
}

/* The round trip is measured, the SYN's too: no attempt is made before. */
static void test_round_trip(void)
{
    syn_sent();
    SCRIPT(".600; < SA 0 ack 1 mss 1460; > A 1 ack 1; .20");
    write_all(1);
    SCRIPT("> PA 1+1 ack 1; -600; < A 1 ack 2");
    write_all(1);
    /* 600 ms, and 4 times a deviation of 200. */
    SCRIPT("> PA 2+1 ack 1; -1000; .1000");
    g_assert_cmpuint(script_drain(), ==, 1);
    /* Which of the two is acknowledged? It is not measured. */
    SCRIPT("< A 1 ack 3");
    write_all(1);
    SCRIPT("> PA 3+1 ack 1; -1000; < A 1 ack 4; < R 1");
    end();
}

/* -- routers ---------------------------------------------------------------------- */

static void test_icmp_connecting(void)
{
    syn_sent();
    SCRIPT("icmp 3 1 5"); /* of another number */
    g_assert_cmpint(error_of(), ==, 0);
    SCRIPT("icmp 3 1 0");
    g_assert_cmpint(error_of(), ==, EHOSTUNREACH);
    end();
    syn_sent();
    SCRIPT("icmp 3 3 0");
    g_assert_cmpint(error_of(), ==, ECONNREFUSED);
    end();
    syn_sent();
    SCRIPT("icmp 3 0 0");
    g_assert_cmpint(error_of(), ==, ENETUNREACH);
    end();
    syn_rcvd();
    SCRIPT("icmp 3 3 0; < A 1 ack 1; > RA 1 ack 1");
    end();
}

/* It ends nothing, and is what the program is told in the end. */
static void test_icmp_connected(void)
{
    established();
    write_all(1);
    SCRIPT("> PA 1+1 ack 101; icmp 3 3 1; icmp 3 1 1; .1000");
    g_assert_cmpint(error_of(), ==, 0);
    script_drain();
    SCRIPT(".930000");
    g_assert_cmpint(error_of(), ==, EHOSTUNREACH);
    script_drain();
    end();
}

static void test_path_mtu(void)
{
    int on = 1;

    established();
    CALL(sockopt_sys_set, fd, IPPROTO_TCP, TCP_NODELAY, P(&on), sizeof(on));
    write_all(2900);
    SCRIPT("> A 1+1460 ack 101; > PA 1461+1440 ack 101");
    /* Not of ours, and one that would make it longer. */
    SCRIPT("icmp 3 4 9000 mtu 600; icmp 3 4 1 mtu 4000; -50");
    SCRIPT("icmp 3 4 1 mtu 1240; > A 1+1200 ack 101; > A 1201+260 ack 101;"
           "> A 1461+1200 ack 101; > PA 2661+240 ack 101; -50;"
           "icmp 3 4 1461 mtu 1240; -50; < A 101 ack 2901");
    write_all(1300);
    SCRIPT("> A 2901+1200 ack 101; > PA 4101+100 ack 101;"
           "< A 101 ack 4201");
    /* No less than 552, whatever it says; a router of old says nothing. */
    write_all(1000);
    SCRIPT("> PA 4201+1000 ack 101; icmp 3 4 4201 mtu 68;"
           "> A 4201+512 ack 101; > PA 4713+488 ack 101; < A 101 ack 5201");
    end();
    established();
    CALL(sockopt_sys_set, fd, IPPROTO_TCP, TCP_NODELAY, P(&on), sizeof(on));
    write_all(1460);
    SCRIPT("> PA 1+1460 ack 101; icmp 3 4 1 mtu 0; > A 1+1452 ack 101;"
           "> PA 1453+8 ack 101; < A 101 ack 1461");
    end();
}

/* -- neighbours -------------------------------------------------------------------- */

static unsigned asked;

static bool answer_all(const uint8_t *frame, size_t len_bytes)
{
    uint8_t answer[60] = { 0 };

    (void)len_bytes;
    if (frame[12] != 8 || frame[13] != 6) {
        return true;
    }
    asked++;
    memcpy(answer, frame + 6, 6);
    memcpy(answer + 6, "\2\0\0\0\1", 5);
    answer[11] = frame[41];
    memcpy(answer + 12, frame + 12, 8);
    answer[21] = 2;
    memcpy(answer + 22, answer + 6, 6);
    memcpy(answer + 28, frame + 38, 4);
    memcpy(answer + 32, frame + 22, 10);
    sim_inject(answer, sizeof(answer));
    return true;
}

static void speak_to_all(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
    long u = CALL(socket_sys_socket, AF_INET, SOCK_DGRAM, 0);

    for (uint32_t host = 3; host < 255; host++) {
        sin.sin_addr.s_addr = (SIM_ADDRESS & 0xffffff) | host << 24;
        g_assert_cmpint(
            CALL(socket_sys_sendto, u, P("x"), 1, 0, P(&sin), sizeof(sin)), ==,
            1);
        sleep_ms(1);
    }
    CALL(fd_sys_close, u);
}

/* Each of a whole network is asked for once. */
static void test_arp_many(void)
{
    sim.listener = answer_all;
    speak_to_all();
    g_assert_cmpuint(asked, >=, 251);
    asked = 0;
    speak_to_all();
    g_assert_cmpuint(asked, ==, 0);
}

/* Nobody is there: Linux says so after it has asked three times. */
static void test_arp_nobody(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_port = htons(9),
                               .sin_addr.s_addr = SIM_PEER + (254u << 24) };

    sim.listener = NULL;
    sin.sin_addr.s_addr = htonl(0xc0a800ffu - 12);
    net_readdress(NULL, SIM_ADDRESS, 0x00ffffff, SIM_PEER, false);
    fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&sin), sizeof(sin)), ==,
                    -EINPROGRESS);
    sleep_ms(1500);
    g_assert_cmpint(error_of(), ==, 0);
    sleep_ms(3000);
    g_assert_cmpint(error_of(), ==, EHOSTUNREACH);
    CALL(fd_sys_close, fd);
    /* Not so while the question lies in the hold. */
    sim.epoch = 5;
    sim.committed = 4;
    fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&sin), sizeof(sin)), ==,
                    -EINPROGRESS);
    sleep_ms(600000);
    g_assert_cmpint(error_of(), ==, 0);
    sim.epoch = sim.committed = 0;
    CALL(fd_sys_close, fd);
    fd = -1;
}

/* After an hour without a frame the time to answer is not over already. */
static void test_arp_after_idle(void)
{
    established();
    SCRIPT("-590000");
    sim_pass(600 * S);
    write_all(1);
    SCRIPT("> PA 1+1 ack 101; < A 101 ack 2");
    SCRIPT("-590000");
    sim_pass(600 * S);
    SCRIPT("< PA 101+1 ack 2; > A 2 ack 102");
    end();
}

/* -- out of order ------------------------------------------------------------------ */

/* Bytes with gaps between: what is kept of them is bounded. */
static void test_out_of_order_pieces(void)
{
    size_t used;

    established();
    used = heap_net_used();
    for (unsigned i = 0; i < 3000; i++) {
        g_autofree char *text = g_strdup_printf("< A %u+1 ack 1", 103 + 2 * i);

        SCRIPT(text);
        script_drain();
    }
    g_assert_cmpuint(heap_net_used() - used, <, 200 * 1024);
    end();
}

/* Whoever knows the ports and not the numbers can do nothing. */
static void test_forged(void)
{
    char data[30];

    established();
    /* A window that is shut, far ahead and far behind. */
    SCRIPT("< A 90000000 ack 1 win 0; > A 1 ack 101;"
           "< PA 4000000000+10 ack 1 win 0; > A 1 ack 101");
    write_all(2920);
    SCRIPT("> A 1+1460 ack 101; > A 1461+1460 ack 101; "
           /* An acknowledgement from afar, and of what was never sent. */
           "< A 90000000 ack 2921; > A 2921 ack 101;"
           "< PA 101+10 ack 5000; > A 2921 ack 101;"
           /* None: Linux does not answer. */
           "< P 101+10; < F 101; -60; < S 90000000; > A 2921 ack 101;"
           "< RA 90000000 ack 2921; -60; < A 101 ack 1;"
           ".500");
    g_assert_cmpuint(script_drain(), >=, 1460);
    SCRIPT("< A 101 ack 2921; < PA 101+10 ack 2921; > A 2921 ack 111; -2000");
    g_assert_cmpint(CALL(io_sys_read, fd, P(data), sizeof(data)), ==, 10);
    end();
}

/* They wait for as long as the connection lives. */
static void test_out_of_order_waits(void)
{
    established();
    SCRIPT("< PA 111+10 ack 1; > A 1 ack 101; -60000;"
           "< PA 101+10 ack 1; > A 1 ack 121");
    end();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    states_start();
    g_test_add_func("/libc/tcp/window/shut", test_window_shut);
    g_test_add_func("/libc/tcp/window/shut-silent", test_window_shut_silent);
    g_test_add_func("/libc/tcp/window/one-byte", test_window_shut_one_byte);
    g_test_add_func("/libc/tcp/window/small", test_window_small);
    g_test_add_func("/libc/tcp/window/cuts-the-end", test_window_cuts_the_end);
    g_test_add_func("/libc/tcp/window/initial", test_initial_window);
    g_test_add_func("/libc/tcp/segment-size", test_segment_size);
    g_test_add_func("/libc/tcp/hold/data", test_hold_data);
    g_test_add_func("/libc/tcp/hold/fin", test_hold_fin);
    g_test_add_func("/libc/tcp/hold/syn", test_hold_syn);
    g_test_add_func("/libc/tcp/hold/full", test_hold_full);
    g_test_add_func("/libc/tcp/hold/full-window-shut",
                    test_hold_full_window_shut);
    g_test_add_func("/libc/tcp/hold/full-ack", test_hold_full_ack);
    g_test_add_func("/libc/tcp/hold/keepalive", test_hold_keepalive);
    g_test_add_func("/libc/tcp/stood-still", test_stood_still);
    g_test_add_func("/libc/tcp/restored", test_restored);
    g_test_add_func("/libc/tcp/restored-window-shut",
                    test_restored_window_shut);
    g_test_add_func("/libc/tcp/rollback/called", test_rollback_called);
    g_test_add_func("/libc/tcp/rollback/half-open", test_rollback_half_open);
    g_test_add_func("/libc/tcp/wake-ups", test_wake_ups);
    g_test_add_func("/libc/tcp/round-trip", test_round_trip);
    g_test_add_func("/libc/tcp/icmp/connecting", test_icmp_connecting);
    g_test_add_func("/libc/tcp/icmp/connected", test_icmp_connected);
    g_test_add_func("/libc/tcp/icmp/path-mtu", test_path_mtu);
    g_test_add_func("/libc/tcp/out-of-order/pieces", test_out_of_order_pieces);
    g_test_add_func("/libc/tcp/out-of-order/waits", test_out_of_order_waits);
    g_test_add_func("/libc/tcp/forged", test_forged);
    g_test_add_func("/libc/tcp/arp/after-idle", test_arp_after_idle);
    g_test_add_func("/libc/tcp/arp/many", test_arp_many);
    g_test_add_func("/libc/tcp/arp/nobody", test_arp_nobody);
    return g_test_run();
}
