/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recvflags.c - the flags of send and receive, control messages, and datagrams
 *
 * Everything asked here is what Linux does: the program is run there, too.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "tap.h"

#define SIOCOUTQ TIOCOUTQ
#ifndef SIOCOUTQNSD
#define SIOCOUTQNSD 0x894b
#endif
#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

#define PATIENCE_MS 10000

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static int fails_with(long ret, int error)
{
    return ret == -1 && errno == error;
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    return sin;
}

static int connected(int fds[2])
{
    struct sockaddr_in sin = loopback(0);
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

static void both_close(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static int number(int fd, unsigned long request)
{
    int n = -1;

    return ioctl(fd, request, &n) ? -1 : n;
}

static int becomes(int fd, unsigned long request, int wanted)
{
    for (int ms = 0; ms < PATIENCE_MS && number(fd, request) != wanted; ms++) {
        poll(NULL, 0, 1);
    }
    return number(fd, request) == wanted;
}

/* A thread that waits, and then writes. */
static void *writer(void *arg)
{
    int fd = *(int *)arg;

    poll(NULL, 0, 30);
    if (write(fd, "def", 3) != 3) {
        return arg;
    }
    return NULL;
}

static void test_pair(void)
{
    struct timeval tv = { .tv_usec = 30000 };
    int fds[2];
    char buf[16] = "";

    tap_ok(fails_with(socketpair(AF_UNIX, SOCK_STREAM, 77, fds),
                      EPROTONOSUPPORT) &&
               fails_with(socketpair(AF_INET, SOCK_STREAM, 0, fds), EOPNOTSUPP),
           "socketpair: what there is none of");
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    tap_ok(write(fds[0], "hello", 5) == 5 &&
               recv(fds[1], buf, 16, MSG_PEEK) == 5 &&
               recv(fds[1], buf, 3, MSG_PEEK | MSG_WAITALL) == 3 &&
               recv(fds[1], buf, 16, MSG_PEEK | MSG_WAITALL) == 5 &&
               !memcmp(buf, "hello", 5),
           "socketpair: MSG_PEEK");
    tap_ok(number(fds[1], FIONREAD) == 5, "leaves all of it");
    tap_ok(recv(fds[1], buf, 2, 0) == 2 && recv(fds[1], buf, 16, 0) == 3 &&
               !memcmp(buf, "llo", 3),
           "for the next recv");
    tap_ok(fails_with(recv(fds[1], buf, 1, MSG_DONTWAIT), EAGAIN),
           "MSG_DONTWAIT");
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    tap_ok(fails_with(recv(fds[1], buf, 1, 0), EAGAIN), "SO_RCVTIMEO");
    write(fds[0], "ab", 2);
    tap_ok(recv(fds[1], buf, 3, MSG_WAITALL) == 2,
           "MSG_WAITALL gives what came in time");
    tap_ok(fails_with(sendto(fds[0], "x", 1, 0, (void *)buf, 2), EISCONN),
           "socketpair: no other name");
    write(fds[0], "unread", 6);
    close(fds[1]);
    tap_ok(fails_with(read(fds[0], buf, 1), ECONNRESET) &&
               read(fds[0], buf, 1) == 0,
           "socketpair: closed with unread bytes is a reset");
    tap_ok(fails_with(send(fds[0], "x", 1, MSG_NOSIGNAL), EPIPE),
           "and a broken pipe");
    close(fds[0]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    write(fds[1], "last", 4);
    tap_ok(shutdown(fds[0], SHUT_RD) == 0 && recv(fds[0], buf, 8, 0) == 4 &&
               recv(fds[0], buf, 8, 0) == 0,
           "socketpair: shutdown for reading");
    tap_ok(fails_with(send(fds[1], "x", 1, MSG_NOSIGNAL), EPIPE),
           "the peer may not write");
    tap_ok(fails_with(shutdown(fds[0], 7), EINVAL), "no such direction");
    both_close(fds);
}

static void test_credentials(void)
{
    int fds[2], on = 1;
    char b, control[CMSG_SPACE(sizeof(struct ucred))];
    struct iovec iov = { &b, 1 };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = sizeof(control) };
    struct cmsghdr *c;
    struct ucred who = { 0 };

    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    setsockopt(fds[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
    write(fds[0], "x", 1);
    tap_ok(recvmsg(fds[1], &msg, 0) == 1 && (c = CMSG_FIRSTHDR(&msg)) &&
               c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS,
           "SO_PASSCRED");
    memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(who));
    tap_ok(who.pid == getpid() && who.uid == getuid(), "it was us");
    both_close(fds);
}

static void test_stream(void)
{
    int fds[2], n = 4;
    struct timeval tv = { .tv_usec = 30000 };
    pthread_t thread;
    char buf[16] = "";

    connected(fds);
    write(fds[0], "abc", 3);
    pthread_create(&thread, NULL, writer, &fds[0]);
    tap_ok(recv(fds[1], buf, 6, MSG_PEEK | MSG_WAITALL) == 6,
           "MSG_PEEK with MSG_WAITALL waits");
    pthread_join(thread, NULL);
    tap_ok(recv(fds[1], buf, 6, MSG_WAITALL) == 6 && !memcmp(buf, "abcdef", 6),
           "and leaves all of it");
    write(fds[0], "throwaway+keep", 14);
    tap_ok(becomes(fds[1], FIONREAD, 14), "FIONREAD");
    tap_ok(recv(fds[1], NULL, 10, MSG_TRUNC) == 10,
           "MSG_TRUNC throws bytes away");
    tap_ok(recv(fds[1], buf, 16, 0) == 4 && !memcmp(buf, "keep", 4),
           "and no others");
    write(fds[0], "xyz", 3);
    becomes(fds[1], FIONREAD, 3);
    memcpy(buf, "---", 3);
    tap_ok(recv(fds[1], buf, 3, MSG_TRUNC | MSG_PEEK) == 3 &&
               !memcmp(buf, "---", 3) && number(fds[1], FIONREAD) == 3,
           "with MSG_PEEK it looks at nothing");
    tap_ok(recv(fds[1], buf, 16, 0) == 3, "three bytes");
    tap_ok(fails_with(recv(fds[1], buf, 1, MSG_DONTWAIT), EAGAIN) &&
               fails_with(recv(fds[1], buf, 0, MSG_DONTWAIT), EAGAIN) &&
               read(fds[1], buf, 0) == 0,
           "nothing is there, not even for nothing");
    tap_ok(fails_with(recv(fds[1], buf, 1, MSG_OOB), EINVAL), "no urgent data");
    tap_ok(fails_with(recv(fds[1], buf, 1, MSG_ERRQUEUE), EAGAIN),
           "no errors in their queue");
    tap_ok(number(fds[1], SIOCATMARK) == 0, "no mark");
    setsockopt(fds[1], SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    write(fds[0], "abc", 3);
    becomes(fds[1], FIONREAD, 3);
    tap_ok(recv(fds[1], buf, 16, MSG_DONTWAIT | MSG_PEEK) == 3 &&
               poll(&(struct pollfd){ fds[1], POLLIN, 0 }, 1, 0) == 0,
           "SO_RCVLOWAT: not enough to wake up for");
    tap_ok(recv(fds[1], buf, 16, 0) == 3, "but at the end of the wait");
    write(fds[0], "abcd", 4);
    tap_ok(poll(&(struct pollfd){ fds[1], POLLIN, 0 }, 1, PATIENCE_MS) == 1 &&
               recv(fds[1], buf, 16, 0) == 4,
           "SO_RCVLOWAT: enough");
    tv = (struct timeval){ 0 };
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    n = 3;
    setsockopt(fds[1], SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
    pthread_create(&thread, NULL, writer, &fds[0]);
    tap_ok(read(fds[1], buf, 16) == 3, "a read waits for fewer");
    pthread_join(thread, NULL);
    tap_ok(becomes(fds[0], SIOCOUTQ, 0) && number(fds[0], SIOCOUTQNSD) == 0,
           "SIOCOUTQ: all was taken");
    both_close(fds);
}

static void on_alarm(int sig)
{
    (void)sig;
}

/* MSG_WAITALL that ends early gives what it has. */
static void test_wait_all(void)
{
    struct sigaction act = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    struct itimerval soon = { .it_value.tv_usec = 50000 };
    struct timeval tv = { .tv_usec = 30000 };
    int fds[2];
    char buf[16];

    connected(fds);
    sigaction(SIGALRM, &act, NULL);
    write(fds[0], "abc", 3);
    becomes(fds[1], FIONREAD, 3);
    setitimer(ITIMER_REAL, &soon, NULL);
    tap_ok(recv(fds[1], buf, 6, MSG_WAITALL) == 3,
           "MSG_WAITALL ends with a signal");
    write(fds[0], "abc", 3);
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    tap_ok(recv(fds[1], buf, 6, MSG_WAITALL) == 3, "with SO_RCVTIMEO");
    write(fds[0], "abc", 3);
    close(fds[0]);
    tap_ok(recv(fds[1], buf, 6, MSG_WAITALL | MSG_PEEK) == 3 &&
               recv(fds[1], buf, 6, MSG_WAITALL) == 3 &&
               recv(fds[1], buf, 6, MSG_WAITALL) == 0,
           "and with the stream");
    close(fds[1]);
}

static char full[256 * 1024];

static void test_send(void)
{
    struct timeval tv = { .tv_usec = 30000 };
    struct sockaddr_in sin = loopback(9);
    int fds[2];
    long n, sent = 0;
    char buf[4];

    connected(fds);
    tap_ok(sendto(fds[0], "to", 2, 0, (void *)&sin, sizeof(sin)) == 2 &&
               recv(fds[1], buf, 4, 0) == 2,
           "TCP: where to is not looked at");
    tap_ok(send(fds[0], "", 0, 0) == 0, "nothing is sent");
    tap_ok(send(fds[0], "a", 1, MSG_MORE) == 1 &&
               send(fds[0], "b", 1, 0) == 1 &&
               recv(fds[1], buf, 2, MSG_WAITALL) == 2,
           "MSG_MORE");
    setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    while ((n = send(fds[0], full, sizeof(full), 0)) > 0) {
        sent += n;
    }
    tap_ok(fails_with(n, EAGAIN) && sent > 0, "SO_SNDTIMEO ends a send");
    /* Linux may have found some room by then. */
    while ((n = send(fds[0], full, sizeof(full), MSG_DONTWAIT)) > 0) {
    }
    tap_ok(fails_with(n, EAGAIN), "MSG_DONTWAIT, too");
    tap_ok(number(fds[0], SIOCOUTQ) > 0, "SIOCOUTQ: some was not taken");
    both_close(fds);
}

/* -- datagrams -------------------------------------------------------------------- */

static int bound(struct sockaddr_in *ret_name, uint32_t address)
{
    struct sockaddr_in sin = loopback(0);
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    sin.sin_addr.s_addr = htonl(address);
    if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) ||
        getsockname(fd, (struct sockaddr *)&sin, &len)) {
        return -1;
    }
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *ret_name = sin;
    return fd;
}

static long send_to(int fd, const void *data, size_t len,
                    const struct sockaddr_in *to)
{
    return sendto(fd, data, len, 0, (const struct sockaddr *)to, sizeof(*to));
}

static void test_datagrams(void)
{
    struct sockaddr_in a, b, from;
    int one = bound(&a, INADDR_LOOPBACK), two = bound(&b, INADDR_LOOPBACK);
    socklen_t len = sizeof(from);
    char buf[16];
    struct iovec iov = { NULL, 0 };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    send_to(one, "12345678", 8, &b);
    tap_ok(recvmsg(two, &msg, MSG_PEEK | MSG_TRUNC) == 8 &&
               msg.msg_flags == MSG_TRUNC,
           "UDP: MSG_PEEK with MSG_TRUNC tells the size");
    tap_ok(recv(two, buf, 4, MSG_PEEK) == 4 &&
               recv(two, buf, 4, MSG_TRUNC) == 8,
           "MSG_TRUNC: the whole length");
    tap_ok(fails_with(recv(two, buf, 4, MSG_DONTWAIT), EAGAIN),
           "and the rest is gone");
    tap_ok(send_to(one, "", 0, &b) == 0 && number(two, FIONREAD) == 0 &&
               poll(&(struct pollfd){ two, POLLIN, 0 }, 1, PATIENCE_MS) == 1 &&
               recvfrom(two, buf, 4, 0, (void *)&from, &len) == 0 &&
               from.sin_port == a.sin_port,
           "an empty datagram is one");
    tap_ok(fails_with(sendto(one, "x", 1, MSG_OOB, (void *)&b, sizeof(b)),
                      EOPNOTSUPP),
           "UDP: no urgent data");
    tap_ok(fails_with(send(one, "x", 1, 0), EDESTADDRREQ), "where to?");
    tap_ok(fails_with(sendto(one, "x", 1, 0, (void *)&b, 4), EINVAL) &&
               fails_with(sendto(one, "x", 1, 0, (void *)&b, 4000), EINVAL),
           "half a name, and too much of one");
    b.sin_family = AF_UNSPEC;
    tap_ok(send_to(one, "x", 1, &b) == 1 && recv(two, buf, 4, 0) == 1,
           "UDP: a name of no family");
    b.sin_family = AF_INET;
    connect(one, (void *)&b, sizeof(b));
    tap_ok(send_to(one, "y", 1, &b) == 1 && recv(two, buf, 4, 0) == 1,
           "sendto when connected");
    msg = (struct msghdr){
        .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &b, .msg_namelen = 0
    };
    iov = (struct iovec){ buf, 3 };
    tap_ok(sendmsg(one, &msg, 0) == 3 && recv(two, buf, 4, 0) == 3,
           "a name of no length is none");
    msg.msg_iovlen = 2000;
    tap_ok(fails_with(sendmsg(one, &msg, 0), EMSGSIZE), "too many buffers");
    msg.msg_iovlen = 1;
    msg.msg_iov = BAD;
    tap_ok(fails_with(sendmsg(one, &msg, 0), EFAULT) &&
               fails_with(recvmsg(one, &msg, MSG_DONTWAIT), EFAULT),
           "buffers from nowhere");
    /* musl looks into it by itself. */
    tap_ok(fails_with(syscall(SYS_sendmsg, one, BAD, 0), EFAULT) &&
               fails_with(syscall(SYS_recvmsg, one, BAD, 0), EFAULT),
           "a message from nowhere");
    both_close((int[]){ one, two });
}

static void *receiver(void *arg)
{
    char b;

    return recv(*(int *)arg, &b, 1, 0) ? arg : NULL;
}

static void test_dgram_ends(void)
{
    struct sockaddr_in a, b, sin;
    struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
    int one = bound(&a, INADDR_LOOPBACK), two = bound(&b, INADDR_LOOPBACK);
    int three = socket(AF_INET, SOCK_DGRAM, 0);
    struct pollfd p = { two, POLLIN | POLLOUT | POLLRDHUP, 0 };
    socklen_t len = sizeof(sin);
    pthread_t thread;
    void *wrong;
    char buf[8];

    pthread_create(&thread, NULL, receiver, &one);
    /* Either order is good: recv() finds it so, or is woken. */
    tap_ok(fails_with(shutdown(one, SHUT_RD), ENOTCONN),
           "UDP: shutdown without a peer");
    pthread_join(thread, &wrong);
    tap_ok(!wrong, "ends a blocked recv all the same");
    connect(two, (void *)&a, sizeof(a));
    tap_ok(shutdown(two, SHUT_RD) == 0 && poll(&p, 1, 0) == 1 &&
               p.revents == (POLLIN | POLLOUT | POLLRDHUP),
           "UDP: shutdown for reading");
    tap_ok(recv(two, buf, 8, 0) == 0 && read(two, buf, 8) == 0 &&
               fails_with(recv(two, buf, 8, MSG_DONTWAIT), EAGAIN),
           "who would wait is told");
    tap_ok(send_to(one, "x", 1, &b) == 1 && becomes(two, FIONREAD, 1) &&
               recv(two, buf, 8, 0) == 1,
           "what comes is received");
    tap_ok(shutdown(two, SHUT_WR) == 0 && poll(&p, 1, 0) == 1 &&
               p.revents == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP),
           "UDP: both directions");
    tap_ok(fails_with(send(two, "x", 1, MSG_NOSIGNAL), EPIPE), "no send");
    connect(three, (void *)&a, sizeof(a));
    getsockname(three, (void *)&sin, &len);
    tap_ok(sin.sin_port && connect(three, &nowhere, sizeof(nowhere)) == 0 &&
               getsockname(three, (void *)&sin, &len) == 0 && !sin.sin_port &&
               !sin.sin_addr.s_addr,
           "to nowhere: the name goes as well");
    tap_ok(connect(two, &nowhere, sizeof(nowhere)) == 0 &&
               getsockname(two, (void *)&sin, &len) == 0 && !sin.sin_port &&
               sin.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
           "but what bind() said");
    close(three);
    three = socket(AF_INET, SOCK_DGRAM, 0);
    close(two);
    b.sin_family = AF_UNSPEC;
    tap_ok(fails_with(bind(three, (void *)&b, sizeof(b)), EAFNOSUPPORT),
           "bind: no family");
    b.sin_addr.s_addr = 0;
    tap_ok(bind(three, (void *)&b, sizeof(b)) == 0 &&
               connect(three, (void *)&a, sizeof(a)) == 0 &&
               connect(three, &nowhere, sizeof(nowhere)) == 0 &&
               getsockname(three, (void *)&sin, &len) == 0 &&
               sin.sin_port == b.sin_port,
           "any address, and a port that stays");
    close(three);
    close(one);
}

/* -- control messages -------------------------------------------------------------- */

static char control[256];

/* The control message of that kind, or NULL. */
static const void *control_of(struct msghdr *msg, int level, int type,
                              size_t len)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == level && c->cmsg_type == type) {
            return c->cmsg_len == CMSG_LEN(len) ? CMSG_DATA(c) : NULL;
        }
    }
    return NULL;
}

static struct msghdr receive(int fd, size_t room)
{
    static char buf[16];
    static struct iovec iov = { buf, sizeof(buf) };
    static struct sockaddr_in from;
    struct msghdr msg = { .msg_name = &from,
                          .msg_namelen = sizeof(from),
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = room };

    if (recvmsg(fd, &msg, 0) < 0) {
        msg.msg_controllen = 0;
    }
    return msg;
}

static void set(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value));
}

static void test_told(void)
{
    struct sockaddr_in a, b, to;
    int one = bound(&a, INADDR_LOOPBACK), two = bound(&b, INADDR_ANY), ttl;
    struct in_pktinfo info = { 0 };
    struct timeval before, after, stamp;
    struct timespec fine;
    struct msghdr msg;
    const void *said;

    set(two, IPPROTO_IP, IP_PKTINFO, 1);
    send_to(one, "q", 1, &b);
    msg = receive(two, sizeof(control));
    said = control_of(&msg, IPPROTO_IP, IP_PKTINFO, sizeof(info));
    if (said) {
        memcpy(&info, said, sizeof(info));
    }
    tap_ok(said && info.ipi_addr.s_addr == htonl(INADDR_LOOPBACK) &&
               info.ipi_spec_dst.s_addr == htonl(INADDR_LOOPBACK) &&
               info.ipi_ifindex == 1,
           "IP_PKTINFO: where it went to");
    tap_ok(msg.msg_controllen == CMSG_SPACE(sizeof(info)) && !msg.msg_flags,
           "and nothing else");
    send_to(one, "q", 1, &b);
    msg = receive(two, CMSG_LEN(4));
    tap_ok(msg.msg_flags == MSG_CTRUNC && msg.msg_controllen == CMSG_LEN(4),
           "MSG_CTRUNC: half of it");
    send_to(one, "q", 1, &b);
    msg = receive(two, 4);
    tap_ok(msg.msg_flags == MSG_CTRUNC && msg.msg_controllen == 0,
           "MSG_CTRUNC: none of it");
    set(two, IPPROTO_IP, IP_PKTINFO, 0);
    set(two, IPPROTO_IP, IP_RECVTTL, 1);
    set(two, IPPROTO_IP, IP_RECVTOS, 1);
    set(one, IPPROTO_IP, IP_TTL, 33);
    set(one, IPPROTO_IP, IP_TOS, 0x20);
    send_to(one, "q", 1, &b);
    msg = receive(two, sizeof(control));
    said = control_of(&msg, IPPROTO_IP, IP_TTL, sizeof(ttl));
    tap_ok(said && !memcmp(said, (int[]){ 33 }, sizeof(int)) &&
               (said = control_of(&msg, IPPROTO_IP, IP_TOS, 1)) &&
               *(const uint8_t *)said == 0x20,
           "IP_RECVTTL and IP_RECVTOS");
    set(two, IPPROTO_IP, IP_RECVTTL, 0);
    set(two, IPPROTO_IP, IP_RECVTOS, 0);
    set(two, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    send_to(one, "q", 1, &b);
    msg = receive(two, sizeof(control));
    said = control_of(&msg, IPPROTO_IP, IP_ORIGDSTADDR, sizeof(to));
    if (said) {
        memcpy(&to, said, sizeof(to));
    }
    tap_ok(said && to.sin_port == b.sin_port &&
               to.sin_addr.s_addr == b.sin_addr.s_addr,
           "IP_RECVORIGDSTADDR");
    set(two, IPPROTO_IP, IP_RECVORIGDSTADDR, 0);
    set(two, SOL_SOCKET, SO_TIMESTAMP, 1);
    gettimeofday(&before, NULL);
    send_to(one, "q", 1, &b);
    msg = receive(two, sizeof(control));
    gettimeofday(&after, NULL);
    said = control_of(&msg, SOL_SOCKET, SO_TIMESTAMP, sizeof(stamp));
    if (said) {
        memcpy(&stamp, said, sizeof(stamp));
    }
    tap_ok(said && !timercmp(&stamp, &before, <) &&
               !timercmp(&after, &stamp, <),
           "SO_TIMESTAMP: the time of arrival");
    set(two, SOL_SOCKET, SO_TIMESTAMP, 0);
    set(two, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    send_to(one, "q", 1, &b);
    msg = receive(two, sizeof(control));
    tap_ok(control_of(&msg, SOL_SOCKET, SO_TIMESTAMPNS, sizeof(fine)) != NULL,
           "SO_TIMESTAMPNS");
    both_close((int[]){ one, two });
}

/* Send with one control message. */
static long send_with(int fd, const struct sockaddr_in *to, int level, int type,
                      const void *data, size_t len)
{
    struct iovec iov = { "c", 1 };
    struct msghdr msg = { .msg_name = (void *)to,
                          .msg_namelen = sizeof(*to),
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = CMSG_SPACE(len) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    return sendmsg(fd, &msg, 0);
}

static void test_asked(void)
{
    struct sockaddr_in a, b, *from;
    int one = bound(&a, INADDR_ANY), two = bound(&b, INADDR_ANY);
    int ttl = 7, wrong = 1000;
    struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(0x7f000002) };
    struct msghdr msg;
    const void *said;

    set(two, IPPROTO_IP, IP_RECVTTL, 1);
    tap_ok(send_with(one, &b, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) == 1,
           "sendmsg: IP_TTL");
    msg = receive(two, sizeof(control));
    said = control_of(&msg, IPPROTO_IP, IP_TTL, sizeof(ttl));
    tap_ok(said && !memcmp(said, &ttl, sizeof(ttl)), "of this datagram");
    send_to(one, "x", 1, &b);
    msg = receive(two, sizeof(control));
    said = control_of(&msg, IPPROTO_IP, IP_TTL, sizeof(ttl));
    tap_ok(said && !memcmp(said, (int[]){ 64 }, sizeof(int)), "and no other");
    tap_ok(send_with(one, &b, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)) == 1,
           "sendmsg: IP_PKTINFO");
    msg = receive(two, 0);
    from = msg.msg_name;
    tap_ok(from->sin_addr.s_addr == htonl(0x7f000002),
           "says from which address");
    tap_ok(fails_with(
               send_with(one, &b, IPPROTO_IP, IP_TTL, &wrong, sizeof(wrong)),
               EINVAL) &&
               fails_with(send_with(one, &b, IPPROTO_IP, IP_TTL, &ttl, 2),
                          EINVAL) &&
               fails_with(send_with(one, &b, IPPROTO_IP, 99, &ttl, 4), EINVAL),
           "what cannot be asked for");
    info.ipi_spec_dst.s_addr = htonl(0xc6336401);
    /* Newer ones say that there is no way from there. */
    tap_ok(fails_with(
               send_with(one, &b, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info)),
               EINVAL) ||
               errno == ENETUNREACH,
           "an address that is not ours");
    tap_ok(send_with(one, &b, 4242, 1, &ttl, sizeof(ttl)) == 1,
           "another level is another's");
    both_close((int[]){ one, two });
}

static void test_many(void)
{
    struct sockaddr_in a, b;
    int one = bound(&a, INADDR_LOOPBACK), two = bound(&b, INADDR_LOOPBACK);
    struct timespec soon = { .tv_nsec = 20000000 }, wrong = { .tv_sec = -1 };
    char buf[4];
    struct iovec iov = { buf, 4 };
    struct mmsghdr many[2] = {
        { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } },
        { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } }
    };

    send_to(one, "1", 1, &b);
    send_to(one, "2", 1, &b);
    soon.tv_sec = 100;
    tap_ok(recvmmsg(two, many, 2, 0, &soon) == 2, "recvmmsg with a time-out");
    tap_ok(soon.tv_sec < 100 || soon.tv_nsec < 20000000,
           "which tells what is left of it");
    tap_ok(fails_with(recvmmsg(two, many, 2, 0, &wrong), EINVAL),
           "no time at all");
    tap_ok(fails_with(recvmmsg(two, many, 2, 0, BAD), EFAULT),
           "a time from nowhere");
    send_to(one, "1", 1, &b);
    soon = (struct timespec){ 0 };
    tap_ok(recvmmsg(two, many, 2, 0, &soon) == 1,
           "a time-out is looked at after each");
    tap_ok(recvmmsg(two, many, 0, MSG_DONTWAIT, NULL) == 0, "none wanted");
    both_close((int[]){ one, two });
}

int main(void)
{
    test_pair();
    test_credentials();
    test_stream();
    test_wait_all();
    test_send();
    test_datagrams();
    test_dgram_ends();
    test_told();
    test_asked();
    test_many();
    return tap_done();
}
