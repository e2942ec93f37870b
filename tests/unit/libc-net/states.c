/* SPDX-License-Identifier: GPL-2.0-or-later */
/* states.c - a connection in each state of TCP, with a scripted peer */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "tests/unit/libc-net/script.h"
#include "tests/unit/libc-net/sim.h"
#include "tests/unit/libc-net/states.h"

#define PORT 80

long listener, fd;

void states_start(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PORT) };

    sim_start(NULL);
    listener = CALL(socket_sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CALL(socket_sys_bind, listener, P(&sin), sizeof(sin));
    CALL(socket_sys_listen, listener, 50);
}

/* -- states ---------------------------------------------------------------------- */

void syn_sent(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = SCRIPT_PEER };

    script_begin(0);
    sin.sin_port = htons(script_port());
    fd = CALL(socket_sys_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    g_assert_cmpint(CALL(socket_sys_connect, fd, P(&sin), sizeof(sin)), ==,
                    -EINPROGRESS);
    SCRIPT("> S 0");
}

void syn_rcvd(void)
{
    script_begin(PORT);
    SCRIPT("< S 0 mss 1460; > SA 0 ack 1");
    fd = -1;
}

void established(void)
{
    char data[100];

    syn_rcvd();
    SCRIPT("< A 1 ack 1; < PA 1+100 ack 1; > A 1 ack 101");
    fd = CALL(socket_sys_accept4, listener, 0, 0, SOCK_NONBLOCK);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(CALL(io_sys_read, fd, P(data), 100), ==, 100);
}

void fin_wait_1(void)
{
    established();
    CALL(socket_sys_shutdown, fd, SHUT_WR);
    SCRIPT("> FA 1 ack 101");
}

void fin_wait_2(void)
{
    fin_wait_1();
    SCRIPT("< A 101 ack 2");
}

void closing(void)
{
    fin_wait_1();
    SCRIPT("< FA 101 ack 1; > A 2 ack 102");
}

void time_wait(void)
{
    fin_wait_2();
    SCRIPT("< FA 101 ack 2; > A 2 ack 102");
}

void close_wait(void)
{
    established();
    SCRIPT("< FA 101 ack 1; > A 1 ack 102");
}

void last_ack(void)
{
    close_wait();
    CALL(socket_sys_shutdown, fd, SHUT_WR);
    SCRIPT("> FA 1 ack 102");
}

void end(void)
{
    if (fd >= 0) {
        CALL(fd_sys_close, fd);
        fd = -1;
    }
    /* Nothing of it is to speak up in the next test. */
    SCRIPT("< R 101; < R 102; < R 111; .1");
    script_drain();
}

int error_of(void)
{
    int error = 0;
    uint32_t len = sizeof(error);

    CALL(sockopt_sys_get, fd, SOL_SOCKET, SO_ERROR, P(&error), P(&len));
    return error;
}

void write_all(size_t len)
{
    g_autofree char *data = g_malloc0(len);

    g_assert_cmpint(CALL(io_sys_write, fd, P(data), len), ==, (long)len);
}
