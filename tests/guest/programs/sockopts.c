/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockopts.c - options of sockets: what is set is told, what cannot be is
 * refused
 *
 * Everything asked here is what Linux does: the program is run there, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "tap.h"

#ifndef SO_BUSY_POLL
#define SO_BUSY_POLL 46
#endif
#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef TCP_NOTSENT_LOWAT
#define TCP_NOTSENT_LOWAT 25
#endif

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static int fails_with(long ret, int error)
{
    return ret == -1 && errno == error;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

static int get(int fd, int level, int option)
{
    int value = -12345;
    socklen_t len = sizeof(value);

    return getsockopt(fd, level, option, &value, &len) ? -12345 : value;
}

/* It was @before, is set, and is @after then. */
static int keeps(int fd, int level, int option, int before, int value,
                 int after)
{
    int good = get(fd, level, option) == before &&
               set(fd, level, option, value) == 0 &&
               get(fd, level, option) == after;

    if (!good) {
        printf("# option %d of %d\n", option, level);
    }
    return good;
}

static int connected(int fds[2])
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sin);
    int l = socket(AF_INET, SOCK_STREAM, 0);

    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) || listen(l, 1) ||
        getsockname(l, (struct sockaddr *)&sin, &len) ||
        connect(fds[0], (struct sockaddr *)&sin, sizeof(sin))) {
        return -1;
    }
    fds[1] = accept(l, NULL, NULL);
    close(l);
    return fds[1] < 0 ? -1 : 0;
}

static int kinds[4]; /* TCP, UDP, ends of a socketpair */

static void test_socket_level(void)
{
    static const int flags[] = { SO_DONTROUTE, SO_OOBINLINE, SO_BROADCAST,
                                 SO_KEEPALIVE, SO_TIMESTAMP, SO_RXQ_OVFL };
    int good = 1;

    for (int k = 0; k < 3; k++) {
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            good &= keeps(kinds[k], SOL_SOCKET, flags[i], 0, 7, 1) &&
                    keeps(kinds[k], SOL_SOCKET, flags[i], 1, 0, 0);
        }
        good &= keeps(kinds[k], SOL_SOCKET, SO_PRIORITY, 0, 5, 5) &&
                keeps(kinds[k], SOL_SOCKET, SO_BUSY_POLL, 0, 0, 0) &&
                keeps(kinds[k], SOL_SOCKET, SO_MAX_PACING_RATE, -1, 1 << 20,
                      1 << 20);
    }
    tap_ok(good, "values of SOL_SOCKET are kept");
    /* Who is not root may not. */
    tap_ok((set(kinds[0], SOL_SOCKET, SO_MARK, 9) == 0 &&
            get(kinds[0], SOL_SOCKET, SO_MARK) == 9) ||
               errno == EPERM,
           "SO_MARK");
    good = 1;
    for (int k = 0; k < 3; k++) {
        good &= keeps(kinds[k], SOL_SOCKET, SO_REUSEADDR, 0, 5, 1) &&
                keeps(kinds[k], SOL_SOCKET, SO_REUSEADDR, 1, 0, 0);
    }
    tap_ok(good, "SO_REUSEADDR");
    good = 1;
    for (int k = 0; k < 3; k++) {
        good &= set(kinds[k], SOL_SOCKET, SO_RCVBUF, 20000) == 0 &&
                get(kinds[k], SOL_SOCKET, SO_RCVBUF) == 40000 &&
                set(kinds[k], SOL_SOCKET, SO_RCVBUF, 1) == 0 &&
                get(kinds[k], SOL_SOCKET, SO_RCVBUF) == 2304 &&
                set(kinds[k], SOL_SOCKET, SO_SNDBUF, 20000) == 0 &&
                get(kinds[k], SOL_SOCKET, SO_SNDBUF) == 40000 &&
                set(kinds[k], SOL_SOCKET, SO_SNDBUF, 1) == 0 &&
                get(kinds[k], SOL_SOCKET, SO_SNDBUF) == 4608 &&
                set(kinds[k], SOL_SOCKET, SO_SNDBUF, -1) == 0 &&
                get(kinds[k], SOL_SOCKET, SO_SNDBUF) >= 400000;
    }
    tap_ok(good, "SO_RCVBUF and SO_SNDBUF");
    good = 1;
    for (int k = 0; k < 3; k++) {
        good &= keeps(kinds[k], SOL_SOCKET, SO_RCVLOWAT, 1, 9, 9) &&
                keeps(kinds[k], SOL_SOCKET, SO_RCVLOWAT, 9, 0, 1);
    }
    tap_ok(good, "SO_RCVLOWAT");
    tap_ok(set(kinds[0], SOL_SOCKET, SO_BSDCOMPAT, 1) == 0, "SO_BSDCOMPAT");
}

static void test_kinds(void)
{
    tap_ok(get(kinds[0], SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
               get(kinds[1], SOL_SOCKET, SO_TYPE) == SOCK_DGRAM &&
               get(kinds[2], SOL_SOCKET, SO_TYPE) == SOCK_STREAM &&
               get(kinds[0], SOL_SOCKET, SO_DOMAIN) == AF_INET &&
               get(kinds[1], SOL_SOCKET, SO_DOMAIN) == AF_INET &&
               get(kinds[2], SOL_SOCKET, SO_DOMAIN) == AF_UNIX &&
               get(kinds[0], SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP &&
               get(kinds[1], SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP &&
               get(kinds[2], SOL_SOCKET, SO_PROTOCOL) == 0 &&
               get(kinds[0], SOL_SOCKET, SO_ACCEPTCONN) == 0 &&
               get(kinds[0], SOL_SOCKET, SO_SNDLOWAT) == 1,
           "what it is");
    tap_ok(
        fails_with(set(kinds[0], SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT) &&
            fails_with(set(kinds[0], SOL_SOCKET, SO_ERROR, 0), ENOPROTOOPT) &&
            fails_with(set(kinds[0], SOL_SOCKET, SO_ACCEPTCONN, 1),
                       ENOPROTOOPT) &&
            fails_with(set(kinds[0], SOL_SOCKET, SO_SNDLOWAT, 9), ENOPROTOOPT),
        "cannot be set");
}

static void test_times(void)
{
    struct linger linger = { 1, 7 }, back = { 0 };
    struct timeval tv = { 2, 500000 }, got = { 0 };
    socklen_t len = sizeof(back);

    tap_ok(setsockopt(kinds[0], SOL_SOCKET, SO_LINGER, &linger,
                      sizeof(linger)) == 0 &&
               getsockopt(kinds[0], SOL_SOCKET, SO_LINGER, &back, &len) == 0 &&
               back.l_onoff == 1 && back.l_linger == 7 && len == sizeof(back),
           "SO_LINGER");
    tap_ok(fails_with(setsockopt(kinds[0], SOL_SOCKET, SO_LINGER, &linger, 4),
                      EINVAL),
           "half of it");
    linger.l_onoff = 0;
    setsockopt(kinds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    tv.tv_usec = 1000000;
    tap_ok(fails_with(
               setsockopt(kinds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)),
               EDOM),
           "no such time");
    tv.tv_usec = 500000;
    len = sizeof(got);
    tap_ok(setsockopt(kinds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ==
                   0 &&
               getsockopt(kinds[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len) == 0 &&
               got.tv_sec == 2 && got.tv_usec == 500000 &&
               getsockopt(kinds[0], SOL_SOCKET, SO_SNDTIMEO, &got, &len) == 0 &&
               got.tv_sec == 0 && len == sizeof(got),
           "SO_RCVTIMEO and SO_SNDTIMEO");
    tap_ok(fails_with(setsockopt(kinds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, 8),
                      EINVAL),
           "half a time");
}

static void test_device(void)
{
    char name[16] = "";
    socklen_t len = sizeof(name);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    tap_ok(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) == 0 &&
               len == 0,
           "no device");
    tap_ok(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0 ||
               errno == EPERM,
           "SO_BINDTODEVICE");
    len = sizeof(name);
    tap_ok(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) == 0 &&
               ((len == 3 && !strcmp(name, "lo")) || len == 0),
           "its name");
    tap_ok(
        fails_with(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nonesuch", 8),
                   ENODEV) ||
            errno == EPERM,
        "no such device");
    close(fd);
}

static void test_others(void)
{
    struct ucred who = { 0 };
    uint64_t one = 0, again = 0, two = 0;
    socklen_t len = sizeof(who);

    tap_ok(getsockopt(kinds[2], SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
               len == sizeof(who) && who.pid == getpid() &&
               who.uid == geteuid() && who.gid == getegid(),
           "SO_PEERCRED");
    tap_ok(getsockopt(kinds[0], SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
               who.pid == 0 && who.uid == (uid_t)-1 && who.gid == (gid_t)-1,
           "of nobody");
    len = sizeof(one);
    tap_ok(getsockopt(kinds[0], SOL_SOCKET, SO_COOKIE, &one, &len) == 0 &&
               getsockopt(kinds[0], SOL_SOCKET, SO_COOKIE, &again, &len) == 0 &&
               getsockopt(kinds[1], SOL_SOCKET, SO_COOKIE, &two, &len) == 0 &&
               one && one == again && two && one != two,
           "SO_COOKIE");
    len = 4;
    tap_ok(fails_with(getsockopt(kinds[0], SOL_SOCKET, SO_COOKIE, &one, &len),
                      EINVAL),
           "half of it");
}

static void test_ip(void)
{
    static const int flags[] = {
        IP_PKTINFO,  IP_RECVTTL,         IP_RECVTOS,
        IP_RECVERR,  IP_RECVOPTS,        IP_RETOPTS,
        IP_FREEBIND, IP_RECVORIGDSTADDR, IP_BIND_ADDRESS_NO_PORT
    };
    struct in_addr group = { htonl(INADDR_LOOPBACK) }, back = { 0 };
    socklen_t len = sizeof(back);
    unsigned char byte = 33;
    int good = 1;

    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            good &= keeps(kinds[k], IPPROTO_IP, flags[i], 0, 3, 1) &&
                    keeps(kinds[k], IPPROTO_IP, flags[i], 1, 0, 0);
        }
        good &= keeps(kinds[k], IPPROTO_IP, IP_MTU_DISCOVER, 1, 0, 0) &&
                keeps(kinds[k], IPPROTO_IP, IP_MULTICAST_LOOP, 1, 0, 0) &&
                keeps(kinds[k], IPPROTO_IP, IP_MULTICAST_ALL, 1, 0, 0);
    }
    tap_ok(good, "values of IPPROTO_IP are kept");
    tap_ok(keeps(kinds[0], IPPROTO_IP, IP_TTL, 64, 9, 9) &&
               keeps(kinds[0], IPPROTO_IP, IP_TTL, 9, -1, 64) &&
               keeps(kinds[1], IPPROTO_IP, IP_TOS, 0, 0x1f, 0x1f) &&
               keeps(kinds[0], IPPROTO_IP, IP_TOS, 0, 0x13, 0x10),
           "IP_TOS and IP_TTL");
    tap_ok(setsockopt(kinds[1], IPPROTO_IP, IP_TTL, &byte, 1) == 0 &&
               get(kinds[1], IPPROTO_IP, IP_TTL) == 33,
           "a byte is enough");
    len = 1;
    tap_ok(getsockopt(kinds[1], IPPROTO_IP, IP_TOS, &byte, &len) == 0 &&
               len == 1 && byte == 0x1f,
           "and is room enough");
    tap_ok(
        fails_with(set(kinds[0], IPPROTO_IP, IP_TTL, 0), EINVAL) &&
            fails_with(set(kinds[0], IPPROTO_IP, IP_TTL, 256), EINVAL) &&
            fails_with(set(kinds[0], IPPROTO_IP, IP_MTU_DISCOVER, 6), EINVAL) &&
            fails_with(set(kinds[0], IPPROTO_IP, IP_MULTICAST_ALL, 2), EINVAL),
        "IP: what cannot be");
    tap_ok(keeps(kinds[1], IPPROTO_IP, IP_MULTICAST_TTL, 1, 9, 9) &&
               fails_with(set(kinds[0], IPPROTO_IP, IP_MULTICAST_TTL, 9),
                          EINVAL) &&
               fails_with(set(kinds[1], IPPROTO_IP, IP_MULTICAST_TTL, 256),
                          EINVAL),
           "IP_MULTICAST_TTL");
    len = sizeof(back);
    tap_ok(setsockopt(kinds[1], IPPROTO_IP, IP_MULTICAST_IF, &group,
                      sizeof(group)) == 0 &&
               getsockopt(kinds[1], IPPROTO_IP, IP_MULTICAST_IF, &back, &len) ==
                   0 &&
               back.s_addr == group.s_addr,
           "IP_MULTICAST_IF");
}

static void test_connection(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    int fds[2];

    tap_ok(connected(fds) == 0, "a connection");
    memset(&info, 0, sizeof(info));
    tap_ok(getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
               info.tcpi_state == TCP_ESTABLISHED && info.tcpi_snd_cwnd > 0 &&
               info.tcpi_snd_mss > 0 && info.tcpi_rto > 0 &&
               info.tcpi_unacked == 0,
           "TCP_INFO of a connection");
    shutdown(fds[0], SHUT_WR);
    shutdown(fds[1], SHUT_WR);
    while (read(fds[0], &info, 1) > 0) {
    }
    len = sizeof(info);
    getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &len);
    tap_ok(info.tcpi_state == TCP_CLOSE, "and after its end");
    close(fds[0]);
    close(fds[1]);
    len = 1;
    memset(&info, 0x55, sizeof(info));
    tap_ok(getsockopt(kinds[0], IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
               len == 1 && info.tcpi_state == TCP_CLOSE &&
               info.tcpi_ca_state == 0x55,
           "as much as there is room for");
    connected(fds);
    tap_ok(get(fds[0], IPPROTO_IP, IP_MTU) >= 1500, "IP_MTU of a connection");
    tap_ok(fails_with(set(fds[0], IPPROTO_IP, IP_MTU, 1), ENOPROTOOPT),
           "which cannot be set");
    len = sizeof(int);
    tap_ok(fails_with(getsockopt(kinds[1], IPPROTO_IP, IP_MTU, &info, &len),
                      ENOTCONN),
           "IP_MTU of none");
    close(fds[0]);
    close(fds[1]);
}

static void test_tcp(void)
{
    int tcp = kinds[0];
    char name[16] = "";
    socklen_t len = sizeof(name);

    tap_ok(keeps(tcp, IPPROTO_TCP, TCP_NODELAY, 0, 5, 1) &&
               keeps(tcp, IPPROTO_TCP, TCP_CORK, 0, 5, 1) &&
               keeps(tcp, IPPROTO_TCP, TCP_CORK, 1, 0, 0) &&
               keeps(tcp, IPPROTO_TCP, TCP_KEEPIDLE, 7200, 30, 30) &&
               keeps(tcp, IPPROTO_TCP, TCP_KEEPINTVL, 75, 10, 10) &&
               keeps(tcp, IPPROTO_TCP, TCP_KEEPCNT, 9, 4, 4) &&
               keeps(tcp, IPPROTO_TCP, TCP_SYNCNT, 6, 3, 3) &&
               keeps(tcp, IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 20000, 20000) &&
               keeps(tcp, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 0, 16384, 16384),
           "values of IPPROTO_TCP are kept");
    tap_ok(
        fails_with(set(tcp, IPPROTO_TCP, TCP_KEEPIDLE, 0), EINVAL) &&
            fails_with(set(tcp, IPPROTO_TCP, TCP_KEEPIDLE, 32768), EINVAL) &&
            fails_with(set(tcp, IPPROTO_TCP, TCP_KEEPCNT, 128), EINVAL) &&
            fails_with(set(tcp, IPPROTO_TCP, TCP_SYNCNT, 0), EINVAL) &&
            fails_with(set(tcp, IPPROTO_TCP, TCP_SYNCNT, 128), EINVAL) &&
            fails_with(set(tcp, IPPROTO_TCP, TCP_USER_TIMEOUT, -1), EINVAL) &&
            fails_with(set(tcp, IPPROTO_TCP, 12345, 1), ENOPROTOOPT),
        "TCP: what cannot be");
    tap_ok(keeps(tcp, IPPROTO_TCP, TCP_MAXSEG, 536, 1000, 1000) &&
               fails_with(set(tcp, IPPROTO_TCP, TCP_MAXSEG, 87), EINVAL),
           "TCP_MAXSEG");
    tap_ok(keeps(tcp, IPPROTO_TCP, TCP_LINGER2, 60, 7, 7) &&
               keeps(tcp, IPPROTO_TCP, TCP_LINGER2, 7, -5, -1) &&
               keeps(tcp, IPPROTO_TCP, TCP_LINGER2, -1, 1000, 120),
           "TCP_LINGER2");
    tap_ok(keeps(tcp, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0, 1, 1) &&
               keeps(tcp, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1, 5, 7) &&
               keeps(tcp, IPPROTO_TCP, TCP_DEFER_ACCEPT, 7, 200, 247) &&
               keeps(tcp, IPPROTO_TCP, TCP_DEFER_ACCEPT, 247, 0, 0),
           "TCP_DEFER_ACCEPT");
    tap_ok(set(tcp, IPPROTO_TCP, TCP_QUICKACK, 1) == 0 &&
               get(tcp, IPPROTO_TCP, TCP_QUICKACK) == 1,
           "TCP_QUICKACK");
    tap_ok(setsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0 &&
               getsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0 &&
               len == 16 && !strcmp(name, "reno"),
           "TCP_CONGESTION");
    tap_ok(
        fails_with(setsockopt(tcp, IPPROTO_TCP, TCP_CONGESTION, "nonesuch", 8),
                   ENOENT),
        "no such way");
}

static void test_wrong(void)
{
    socklen_t len = sizeof(int);
    int v = 1, tcp = kinds[0];

    tap_ok(
        fails_with(setsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, BAD, 4), EFAULT) &&
            fails_with(setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, BAD, 4),
                       EFAULT),
        "a value from nowhere");
    tap_ok(fails_with(getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, BAD, &len),
                      EFAULT) &&
               fails_with(getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &v, BAD),
                          EFAULT),
           "a value to nowhere");
    tap_ok(
        fails_with(setsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &v, 3), EINVAL) &&
            fails_with(setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &v, 3),
                       EINVAL) &&
            fails_with(setsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &v, -1),
                       EINVAL),
        "too short");
    len = -1;
    tap_ok(
        fails_with(getsockopt(tcp, SOL_SOCKET, SO_KEEPALIVE, &v, &len), EINVAL),
        "no length");
    len = 2;
    v = -1;
    tap_ok(getsockopt(tcp, SOL_SOCKET, SO_TYPE, &v, &len) == 0 && len == 2 &&
               (v & 0xffff) == SOCK_STREAM && (v >> 16 & 0xffff) == 0xffff,
           "two bytes of it");
    len = sizeof(v);
    tap_ok(
        fails_with(getsockopt(tcp, SOL_SOCKET, 12345, &v, &len), ENOPROTOOPT) &&
            fails_with(set(tcp, SOL_SOCKET, 12345, 1), ENOPROTOOPT) &&
            fails_with(set(tcp, 12345, 1, 1), ENOPROTOOPT) &&
            fails_with(getsockopt(tcp, 12345, 1, &v, &len), EOPNOTSUPP),
        "no such option, no such level");
    tap_ok(
        fails_with(set(kinds[2], IPPROTO_TCP, TCP_NODELAY, 1), EOPNOTSUPP) &&
            fails_with(set(kinds[1], IPPROTO_TCP, TCP_NODELAY, 1), ENOPROTOOPT),
        "no TCP");
    tap_ok(fails_with(set(99, SOL_SOCKET, SO_KEEPALIVE, 1), EBADF) &&
               fails_with(set(0, SOL_SOCKET, SO_KEEPALIVE, 1), ENOTSOCK),
           "no socket");
}

/* Who makes a socketpair is told, not who he has become. */
static void test_maker(void)
{
    struct ucred who = { 0 };
    socklen_t len = sizeof(who);
    uid_t uid = geteuid();
    int fds[2];

    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    /* Who is not root stays who he is. */
    if (seteuid(12345)) {
        errno = 0;
    }
    tap_ok(getsockopt(fds[0], SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 &&
               who.uid == uid,
           "SO_PEERCRED: who made it");
    if (seteuid(uid)) {
        errno = 0;
    }
    close(fds[0]);
    close(fds[1]);
}

/* A connection begins with what its listener was given. */
static void test_inherited(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval tv = { 3, 0 }, got = { 0 };
    socklen_t len = sizeof(sin);
    int l = socket(AF_INET, SOCK_STREAM, 0);
    int c = socket(AF_INET, SOCK_STREAM, 0), s;

    set(l, SOL_SOCKET, SO_REUSEADDR, 1);
    set(l, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(l, SOL_SOCKET, SO_RCVLOWAT, 2);
    set(l, IPPROTO_TCP, TCP_NODELAY, 1);
    set(l, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
    set(l, IPPROTO_IP, IP_TTL, 9);
    setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    bind(l, (struct sockaddr *)&sin, sizeof(sin));
    listen(l, 1);
    getsockname(l, (struct sockaddr *)&sin, &len);
    connect(c, (struct sockaddr *)&sin, sizeof(sin));
    s = accept(l, NULL, NULL);
    tap_ok(get(l, SOL_SOCKET, SO_ACCEPTCONN) == 1 &&
               get(s, SOL_SOCKET, SO_ACCEPTCONN) == 0,
           "SO_ACCEPTCONN");
    tap_ok(get(s, SOL_SOCKET, SO_REUSEADDR) == 1 &&
               get(s, SOL_SOCKET, SO_KEEPALIVE) == 1 &&
               get(s, SOL_SOCKET, SO_RCVLOWAT) == 2 &&
               get(s, IPPROTO_TCP, TCP_NODELAY) == 1 &&
               get(s, IPPROTO_TCP, TCP_USER_TIMEOUT) == 30000 &&
               get(s, IPPROTO_IP, IP_TTL) == 9,
           "accept: the listener's options");
    len = sizeof(got);
    tap_ok(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &got, &len) == 0 &&
               got.tv_sec == 3,
           "and its times");
    close(s);
    close(c);
    close(l);
}

int main(void)
{
    kinds[0] = socket(AF_INET, SOCK_STREAM, 0);
    kinds[1] = socket(AF_INET, SOCK_DGRAM, 0);
    socketpair(AF_UNIX, SOCK_STREAM, 0, &kinds[2]);
    test_socket_level();
    test_kinds();
    test_times();
    test_device();
    test_others();
    test_ip();
    test_tcp();
    test_connection();
    test_wrong();
    test_inherited();
    test_maker();
    return tap_done();
}
