/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * binds.c - who may have a name beside whom
 *
 * A first socket has a name, in one of several states; a second one asks for
 * the same port.  What comes of it is printed for every pair of options and
 * addresses, and Linux' answers are the ones to give.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "tap.h"

#define ADDR        1
#define PORT        2
#define OTHER       (INADDR_LOOPBACK + 1)
#define PATIENCE_MS 10000

static const char *const option_names[] = { "nothing", "addr", "port",
                                            "addr+port" };
static const uint32_t addresses[] = { INADDR_ANY, INADDR_LOOPBACK, OTHER };
static const char *const address_names[] = { "any", "127.0.0.1", "127.0.0.2" };

static struct sockaddr_in name_of(uint32_t address, uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(address),
    };

    return sin;
}

static int make(int type, int options)
{
    int fd = socket(AF_INET, type, 0), yes = 1;

    if ((options & ADDR) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes))) {
        printf("# SO_REUSEADDR: %s\n", strerror(errno));
    }
    if ((options & PORT) &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes))) {
        printf("# SO_REUSEPORT: %s\n", strerror(errno));
    }
    return fd;
}

static int bind_to(int fd, uint32_t address, uint16_t port)
{
    struct sockaddr_in sin = name_of(address, port);

    return bind(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static int connect_to(int fd, uint32_t address, uint16_t port)
{
    struct sockaddr_in sin = name_of(address, port);

    return connect(fd, (struct sockaddr *)&sin, sizeof(sin));
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in sin = { 0 };
    socklen_t len = sizeof(sin);

    getsockname(fd, (struct sockaddr *)&sin, &len);
    return ntohs(sin.sin_port);
}

/*
 * A port that nobody has, at any address, nor will be given unless he names it:
 * others on this machine get theirs meanwhile, also from this program.
 */
static uint16_t free_port(int type)
{
    static unsigned count;

    for (;;) {
        uint16_t port = 10000 + (getpid() * 331u + count++) % 20000;
        int fd = make(type, 0), taken = bind_to(fd, INADDR_ANY, port);

        close(fd);
        if (!taken) {
            return port;
        }
    }
}

static int listener(int options, uint32_t address, uint16_t port)
{
    int fd = make(SOCK_STREAM, options);

    if (bind_to(fd, address, port) || listen(fd, 64)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };

    poll(&p, 1, 1000);
}

/* -- the first socket ------------------------------------------------------- */

enum state {
    BOUND,
    LISTENING,
    ACCEPTED,
    FIN_WAIT,
    TIME_WAITS,
    CONNECTED,
    REFUSED,
    STATES
};

static const char *const state_names[STATES] = {
    "bound",
    "listening",
    "accepted, its listener closed",
    "closed here, not by the peer",
    "in TIME_WAIT",
    "connected from there",
    "refused from there",
};

struct first {
    int fds[3];
};

/* A client and its server's end; the listener is closed. */
static void first_accepted(struct first *f, int options, uint32_t address,
                           uint16_t port)
{
    int l = listener(options, address, port);

    f->fds[0] = make(SOCK_STREAM, 0);
    connect_to(f->fds[0], address, port);
    f->fds[1] = accept(l, NULL, NULL);
    close(l);
}

static void first_close(struct first *f, int all)
{
    char byte;

    close(f->fds[1]);
    f->fds[1] = -1;
    if (recv(f->fds[0], &byte, 1, 0) != 0) {
        printf("# no end of file\n");
    }
    if (all) {
        close(f->fds[0]);
        f->fds[0] = -1;
    }
}

static void first_client(struct first *f, int options, uint32_t address,
                         uint16_t port, int refused)
{
    uint16_t there = free_port(SOCK_STREAM);

    f->fds[1] = make(SOCK_STREAM, 0);
    bind_to(f->fds[1], INADDR_LOOPBACK, there);
    if (!refused) {
        listen(f->fds[1], 1);
    }
    f->fds[0] = make(SOCK_STREAM, options);
    bind_to(f->fds[0], address, port);
    if ((connect_to(f->fds[0], INADDR_LOOPBACK, there) != 0) != refused) {
        printf("# connect: %s\n", strerror(errno));
    }
    if (!refused) {
        f->fds[2] = accept(f->fds[1], NULL, NULL);
    }
}

static void first_make(struct first *f, enum state state, int options,
                       uint32_t address, uint16_t port)
{
    f->fds[0] = f->fds[1] = f->fds[2] = -1;
    switch (state) {
    case BOUND:
        f->fds[0] = make(SOCK_STREAM, options);
        bind_to(f->fds[0], address, port);
        break;
    case LISTENING:
        f->fds[0] = listener(options, address, port);
        break;
    case CONNECTED:
    case REFUSED:
        first_client(f, options, address, port, state == REFUSED);
        break;
    default:
        first_accepted(f, options, address, port);
        if (state != ACCEPTED) {
            first_close(f, state == TIME_WAITS);
        }
        break;
    }
}

static void first_end(struct first *f)
{
    for (int i = 0; i < 3; i++) {
        if (f->fds[i] >= 0) {
            close(f->fds[i]);
        }
    }
}

/* -- the second ------------------------------------------------------------- */

/* '+': it listens; 'b', 'l': what refused; '?': with another error. */
static char second(int type, int options, uint32_t address, uint16_t port)
{
    int fd = make(type, options);
    char result = '+';

    if (bind_to(fd, address, port)) {
        result = errno == EADDRINUSE ? 'b' : '?';
    } else if (type == SOCK_STREAM && listen(fd, 4)) {
        result = errno == EADDRINUSE && port_of(fd) == port ? 'l' : '?';
    }
    close(fd);
    return result;
}

static void test_tcp_pair(enum state state, int options, int at)
{
    char name[160], found[16];
    int n = 0;

    for (int o = 0; o < 4; o++) {
        for (int a = 0; a < 3; a++) {
            uint16_t port = free_port(SOCK_STREAM);
            struct first f;

            first_make(&f, state, options, addresses[at], port);
            found[n++] = second(SOCK_STREAM, o, addresses[a], port);
            first_end(&f);
        }
    }
    found[n] = 0;
    snprintf(name, sizeof(name), "TCP %s, with %s, %s: %s", address_names[at],
             option_names[options], state_names[state], found);
    tap_ok(1, name);
}

static void test_tcp(void)
{
    for (int state = 0; state < STATES; state++) {
        for (int options = 0; options < 4; options++) {
            for (int at = 0; at < 2; at++) {
                test_tcp_pair(state, options, at);
            }
        }
    }
}

static void test_udp_pair(int options, int at, int connected)
{
    char name[160], found[16];
    int n = 0;

    for (int o = 0; o < 4; o++) {
        for (int a = 0; a < 3; a++) {
            uint16_t port = free_port(SOCK_DGRAM);
            int fd = make(SOCK_DGRAM, options);

            bind_to(fd, addresses[at], port);
            if (connected) {
                connect_to(fd, INADDR_LOOPBACK, 9);
            }
            found[n++] = second(SOCK_DGRAM, o, addresses[a], port);
            close(fd);
        }
    }
    found[n] = 0;
    snprintf(name, sizeof(name), "UDP %s, with %s, %s: %s", address_names[at],
             option_names[options], connected ? "connected" : "bound", found);
    tap_ok(1, name);
}

static void test_udp(void)
{
    for (int connected = 0; connected < 2; connected++) {
        for (int options = 0; options < 4; options++) {
            for (int at = 0; at < 2; at++) {
                test_udp_pair(options, at, connected);
            }
        }
    }
}

/* -- what follows from it --------------------------------------------------- */

/* A server that moves its listener while it serves. */
static void test_listen_again(void)
{
    uint16_t port = free_port(SOCK_STREAM);
    int l = listener(ADDR, INADDR_ANY, port), c, s, good = 1;
    char byte = 0;

    c = make(SOCK_STREAM, 0);
    connect_to(c, INADDR_LOOPBACK, port);
    s = accept(l, NULL, NULL);
    for (int i = 0; i < 6; i++) {
        close(l);
        l = listener(ADDR, i & 1 ? INADDR_ANY : INADDR_LOOPBACK, port);
        good &= l >= 0;
    }
    tap_ok(good, "listen again while a connection lives");
    tap_ok(send(c, "x", 1, 0) == 1 && recv(s, &byte, 1, 0) == 1 && byte == 'x',
           "and it goes on");
    close(c);
    c = make(SOCK_STREAM, 0);
    tap_ok(connect_to(c, INADDR_LOOPBACK, port) == 0, "so does the listener");
    close(c);
    close(s);
    close(l);
}

static void test_free_ports(void)
{
    int held = make(SOCK_STREAM, ADDR), held_udp = make(SOCK_DGRAM, ADDR);
    int clashes = 0, clashes_udp = 0;

    bind_to(held, INADDR_LOOPBACK, 0);
    bind_to(held_udp, INADDR_LOOPBACK, 0);
    for (int i = 0; i < 200; i++) {
        int fd = make(SOCK_STREAM, ADDR);

        bind_to(fd, INADDR_LOOPBACK, 0);
        clashes += port_of(fd) == port_of(held);
        close(fd);
        fd = make(SOCK_DGRAM, 0);
        bind_to(fd, INADDR_ANY, 0);
        clashes_udp += port_of(fd) == port_of(held_udp);
        close(fd);
    }
    tap_ok(!clashes, "TCP: a free port is nobody's");
    tap_ok(!clashes_udp, "UDP: a free port is nobody's");
    close(held);
    close(held_udp);
}

/* The same four numbers are never two connections. */
static void test_same_ends(void)
{
    uint16_t port = free_port(SOCK_STREAM), from = free_port(SOCK_STREAM);
    int l = listener(ADDR, INADDR_LOOPBACK, port);
    int one = make(SOCK_STREAM, ADDR), two = make(SOCK_STREAM, ADDR);

    tap_ok(!bind_to(one, INADDR_LOOPBACK, from) &&
               !bind_to(two, INADDR_LOOPBACK, from),
           "two clients are bound to one name");
    tap_ok(connect_to(one, INADDR_LOOPBACK, port) == 0, "the first connects");
    tap_ok(connect_to(two, INADDR_LOOPBACK, port) == -1 &&
               errno == EADDRNOTAVAIL,
           "the second to the same end: EADDRNOTAVAIL");
    close(one);
    close(two);
    close(l);
}

/* One that is over, and waits for late segments, is not in the way. */
static void test_after_time_wait(void)
{
    uint16_t port = free_port(SOCK_STREAM), from = free_port(SOCK_STREAM);
    int l = listener(ADDR, INADDR_LOOPBACK, port), good = 1;
    char byte;

    for (int i = 0; i < 5; i++) {
        int c = make(SOCK_STREAM, 0), s;

        good &= !bind_to(c, INADDR_LOOPBACK, from) &&
                !connect_to(c, INADDR_LOOPBACK, port);
        s = accept(l, NULL, NULL);
        close(s);
        good &= recv(c, &byte, 1, 0) == 0;
        close(c);
    }
    tap_ok(good, "again between the same ends, while the last is in TIME_WAIT");
    close(l);
}

/* -- SO_REUSEPORT ------------------------------------------------------------ */

static int taken(int l)
{
    int n = 0, fd;

    fcntl(l, F_SETFL, O_NONBLOCK);
    while ((fd = accept(l, NULL, NULL)) >= 0) {
        close(fd);
        n++;
    }
    return n;
}

static void test_tcp_group(void)
{
    uint16_t port = free_port(SOCK_STREAM);
    int one = listener(PORT, INADDR_LOOPBACK, port);
    int two = listener(PORT, INADDR_LOOPBACK, port);
    int any = listener(PORT, INADDR_ANY, port);
    int clients[40], of_one, of_two;

    tap_ok(one >= 0 && two >= 0 && any >= 0, "three listeners on a port");
    for (int i = 0; i < 40; i++) {
        clients[i] = make(SOCK_STREAM, 0);
        connect_to(clients[i], INADDR_LOOPBACK, port);
    }
    /* Each is in its listener's queue: accept() has nothing to wait for. */
    wait_for(one, POLLIN);
    wait_for(two, POLLIN);
    of_one = taken(one);
    of_two = taken(two);
    tap_ok(of_one && of_two && of_one + of_two == 40,
           "those of one address share its clients");
    tap_ok(taken(any) == 0, "that of all addresses gets none of them");
    close(one);
    for (int i = 0; i < 40; i++) {
        close(clients[i]);
        clients[i] = make(SOCK_STREAM, 0);
        connect_to(clients[i], INADDR_LOOPBACK, port);
    }
    tap_ok(taken(two) == 40, "the one that is left gets all");
    close(two);
    for (int i = 0; i < 40; i++) {
        close(clients[i]);
        clients[i] = make(SOCK_STREAM, 0);
        connect_to(clients[i], INADDR_LOOPBACK, port);
    }
    tap_ok(taken(any) == 40, "and then that of all addresses");
    for (int i = 0; i < 40; i++) {
        close(clients[i]);
    }
    close(any);
}

static int queued(int fd)
{
    char byte;
    int n = 0;

    while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1) {
        n++;
    }
    return n;
}

static void send_to(int fd, uint16_t port)
{
    struct sockaddr_in sin = name_of(INADDR_LOOPBACK, port);

    sendto(fd, "x", 1, 0, (struct sockaddr *)&sin, sizeof(sin));
}

/* How many of @n datagrams each has got: a busy Linux brings them later. */
static void arrive(int n, int one, int two, int *ret_one, int *ret_two)
{
    struct pollfd p[2] = { { one, POLLIN, 0 }, { two, POLLIN, 0 } };

    *ret_one = *ret_two = 0;
    while (*ret_one + *ret_two < n && poll(p, 2, PATIENCE_MS) > 0) {
        *ret_one += queued(one);
        *ret_two += queued(two);
    }
}

static void test_udp_group(void)
{
    uint16_t port = free_port(SOCK_DGRAM);
    int one = make(SOCK_DGRAM, PORT), two = make(SOCK_DGRAM, PORT), split = 0;
    int of_one = 0, of_two = 0;

    bind_to(one, INADDR_LOOPBACK, port);
    bind_to(two, INADDR_LOOPBACK, port);
    for (int i = 0; i < 40; i++) {
        int fd = make(SOCK_DGRAM, 0), a, b;

        send_to(fd, port);
        send_to(fd, port);
        close(fd);
        arrive(2, one, two, &a, &b);
        split += a == 1 || b == 1 || a + b != 2;
        of_one += a;
        of_two += b;
    }
    tap_ok(of_one && of_two && of_one + of_two == 80, "UDP: two share a port");
    tap_ok(!split, "UDP: a sender's all go to the same");
    close(one);
    close(two);
}

static void test_udp_last(void)
{
    uint16_t port = free_port(SOCK_DGRAM);
    int one = make(SOCK_DGRAM, ADDR), two = make(SOCK_DGRAM, ADDR);
    int from = make(SOCK_DGRAM, 0), of_one, of_two;

    bind_to(one, INADDR_LOOPBACK, port);
    bind_to(two, INADDR_LOOPBACK, port);
    send_to(from, port);
    send_to(from, port);
    arrive(2, one, two, &of_one, &of_two);
    tap_ok(of_two == 2 && of_one == 0,
           "UDP with SO_REUSEADDR: the last one gets all");
    close(two);
    send_to(from, port);
    arrive(1, one, one, &of_one, &of_two);
    tap_ok(of_one == 1, "and when it is gone the other");
    close(one);
    close(from);
}

/* -- options ----------------------------------------------------------------- */

static int get(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, level, option, &value, &len) ? -errno : value;
}

static void test_options(int type, const char *what)
{
    static const int options[] = { SO_REUSEADDR, SO_REUSEPORT };
    int fd = make(type, 0), many = 7, none = 0, good = 1;
    char name[80];

    for (int i = 0; i < 2; i++) {
        good &= get(fd, SOL_SOCKET, options[i]) == 0;
        good &= !setsockopt(fd, SOL_SOCKET, options[i], &many, sizeof(many));
        good &= get(fd, SOL_SOCKET, options[i]) == 1;
        good &= !setsockopt(fd, SOL_SOCKET, options[i], &none, sizeof(none));
        good &= get(fd, SOL_SOCKET, options[i]) == 0;
        good &= setsockopt(fd, SOL_SOCKET, options[i], &many, 2) == -1 &&
                errno == EINVAL;
    }
    snprintf(name, sizeof(name), "%s: SO_REUSEADDR, SO_REUSEPORT read back",
             what);
    tap_ok(good, name);
    close(fd);
}

/* An accepted socket has what was set of its listener. */
static void test_inherited(void)
{
    static const struct {
        int level, option, value;
    } set[] = {
        { SOL_SOCKET, SO_REUSEADDR, 1 },   { SOL_SOCKET, SO_REUSEPORT, 1 },
        { SOL_SOCKET, SO_KEEPALIVE, 1 },   { IPPROTO_TCP, TCP_NODELAY, 1 },
        { IPPROTO_TCP, TCP_KEEPIDLE, 30 }, { IPPROTO_TCP, TCP_KEEPINTVL, 7 },
        { IPPROTO_TCP, TCP_KEEPCNT, 4 },
    };
    struct linger linger = { 1, 5 }, got_linger = { 0 };
    struct timeval late = { 3, 0 }, got_late = { 0 };
    uint16_t port = free_port(SOCK_STREAM);
    int l = listener(0, INADDR_LOOPBACK, port), c, s, good = 1;
    socklen_t len = sizeof(got_linger);

    for (unsigned i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        setsockopt(l, set[i].level, set[i].option, &set[i].value, sizeof(int));
    }
    setsockopt(l, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &late, sizeof(late));
    c = make(SOCK_STREAM, 0);
    connect_to(c, INADDR_LOOPBACK, port);
    s = accept(l, NULL, NULL);
    for (unsigned i = 0; i < sizeof(set) / sizeof(set[0]); i++) {
        good &= get(s, set[i].level, set[i].option) == set[i].value;
    }
    tap_ok(good, "an accepted socket has its listener's options");
    getsockopt(s, SOL_SOCKET, SO_LINGER, &got_linger, &len);
    tap_ok(got_linger.l_onoff && got_linger.l_linger == 5, "SO_LINGER too");
    len = sizeof(got_late);
    getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &got_late, &len);
    tap_ok(got_late.tv_sec == 3, "and SO_RCVTIMEO");
    close(s);
    close(c);
    close(l);
}

int main(void)
{
    test_tcp();
    test_udp();
    test_listen_again();
    test_free_ports();
    test_same_ends();
    test_after_time_wait();
    test_tcp_group();
    test_udp_group();
    test_udp_last();
    test_options(SOCK_STREAM, "TCP");
    test_options(SOCK_DGRAM, "UDP");
    test_inherited();
    return tap_done();
}
