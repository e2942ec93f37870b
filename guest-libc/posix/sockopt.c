/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockopt.c - options of sockets
 *
 * Here are the two calls and level SOL_SOCKET, as far as its options are more
 * than a value (sockopt-table.c).  What a program must not be led to rely on is
 * refused.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/netlink.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/posix/sockopt.h"

#define SOL_RAW_LEVEL     255 /* hidden without extensions */
#define ICMP_FILTER       1
#define SOL_NETLINK_LEVEL 270
#define DEVICE_BYTES      16u /* IFNAMSIZ */

/* The same again with wider times, which on this machine they are anyway. */
#define RCVTIMEO_NEW      66
#define SNDTIMEO_NEW      67

/* -- set ------------------------------------------------------------------------ */

/* Doubled, as on Linux: what keeping the bytes costs counts, too. */
static uint32_t buffer_size(int32_t asked, uint32_t least, bool force)
{
    uint32_t value = (uint32_t)asked;

    if (force) {
        value = asked < 0 ? 0 : asked > INT32_MAX / 2 ? INT32_MAX / 2 : value;
    } else if (value > OPTION_BUFFER_MAX) {
        value = OPTION_BUFFER_MAX;
    }
    return value * 2 > least ? value * 2 : least;
}

static long set_linger(struct sockopt_call *c)
{
    struct linger linger;

    if (c->len_bytes < sizeof(linger)) {
        return -EINVAL;
    }
    memcpy(&linger, c->bytes, sizeof(linger));
    c->socket.opt->linger = linger.l_onoff;
    if (linger.l_onoff) {
        c->socket.opt->linger_s = linger.l_linger;
    }
    return 0;
}

/* SO_RCVTIMEO, SO_SNDTIMEO: 0 is for ever. */
static long set_timeout(struct sockopt_call *c, uint64_t *timeout_ns)
{
    struct timeval tv;

    if (c->len_bytes < sizeof(tv)) {
        return -EINVAL;
    }
    memcpy(&tv, c->bytes, sizeof(tv));
    if (tv.tv_usec < 0 || (uint64_t)tv.tv_usec >= USEC_PER_SEC) {
        return -EDOM;
    }
    if (tv.tv_sec < 0) {
        /* As Linux has it: not a moment. */
        *timeout_ns = 0;
    } else if ((!tv.tv_sec && !tv.tv_usec) ||
               (uint64_t)tv.tv_sec >= SYS_FOREVER / NSEC_PER_SEC) {
        *timeout_ns = SYS_FOREVER;
    } else {
        *timeout_ns = tv.tv_sec * NSEC_PER_SEC + tv.tv_usec * NSEC_PER_USEC;
    }
    return 0;
}

static long set_device(struct sockopt_call *c)
{
    char name[DEVICE_BYTES] = "";
    uint32_t index;

    memcpy(name, c->bytes,
           c->len_bytes < DEVICE_BYTES ? c->len_bytes : DEVICE_BYTES - 1);
    index = name[0] ? net_interface_named(name) : OPTION_DEVICE_NONE;
    if (name[0] && !index) {
        return -ENODEV;
    }
    c->socket.opt->device = (uint8_t)index;
    return 0;
}

/*
 * @linux sockopt SO_LINGER - does not wait where both ends had said before
 *   close() that they send no more
 * @test guest/programs/sockopts.c "SO_LINGER"
 * @test guest/programs/lingers.c "close() waits until the peer has all"
 * @linux sockopt SO_RCVTIMEO SO_SNDTIMEO SO_BINDTODEVICE
 * @test guest/programs/sockopts.c "SO_RCVTIMEO and SO_SNDTIMEO"
 * @test guest/programs/sockopts.c "SO_BINDTODEVICE"
 * @linux sockopt SO_RCVBUF SO_SNDBUF SO_RCVBUFFORCE SO_SNDBUFFORCE - kept and
 *   told; only the queue of datagrams follows
 * @test guest/programs/sockopts.c "SO_RCVBUF and SO_SNDBUF"
 * @linux sockopt SO_RCVLOWAT
 * @test guest/programs/sockopts.c "SO_RCVLOWAT"
 * @linux sockopt SO_BSDCOMPAT
 * @test guest/programs/sockopts.c "SO_BSDCOMPAT"
 */
static long set_socket_level(struct sockopt_call *c)
{
    struct sock_options *opt = c->socket.opt;
    struct file *file = c->socket.file;
    bool force = c->option == SO_RCVBUFFORCE || c->option == SO_SNDBUFFORCE;

    switch (c->option) {
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        opt->rcvbuf_bytes = buffer_size(c->number, OPTION_RCVBUF_MIN, force);
        return 0;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        opt->sndbuf_bytes = buffer_size(c->number, OPTION_SNDBUF_MIN, force);
        return 0;
    case SO_LINGER:
        return set_linger(c);
    case SO_RCVTIMEO:
    case RCVTIMEO_NEW:
        return set_timeout(c, &file->rx_timeout_ns);
    case SO_SNDTIMEO:
    case SNDTIMEO_NEW:
        return set_timeout(c, &file->tx_timeout_ns);
    case SO_RCVLOWAT:
        opt->rcvlowat_bytes = c->number < 0 || c->number > SOCK_LOWAT_MAX
                                  ? SOCK_LOWAT_MAX
                                  : (c->number ? c->number : 1);
        file_wake(file, EPOLLIN | SOCK_EVENT_MORE);
        return 0;
    case SO_BSDCOMPAT:
        return 0;
    case SO_PASSCRED:
        if (!c->socket.pair) {
            return -EOPNOTSUPP;
        }
        opt->passcred = c->number;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* Of ICMP's raw sockets alone. */
static long set_raw_level(struct sockopt_call *c)
{
    struct dgram *d = c->socket.dgram;

    if (c->option != ICMP_FILTER || !d || d->kind != DGRAM_RAW) {
        return -ENOPROTOOPT;
    }
    d->icmp_filter = c->word[0];
    return 0;
}

static long set_level(struct sockopt_call *c)
{
    long ret;

    if (c->level == SOL_SOCKET || c->level == IPPROTO_IP ||
        (c->level == IPPROTO_TCP && c->socket.tcp)) {
        ret = sockopt_table_set(c);
        if (ret != SOCKOPT_OTHER) {
            return ret;
        }
    }
    switch (c->level) {
    case SOL_SOCKET:
        return set_socket_level(c);
    case IPPROTO_IP:
        return sockopt_ip_set(c);
    case IPPROTO_TCP:
        return c->socket.tcp ? sockopt_tcp_set(c) : -ENOPROTOOPT;
    case SOL_RAW_LEVEL:
        return set_raw_level(c);
    default:
        return -ENOPROTOOPT;
    }
}

/* Those whose value may be shorter than a number. */
static bool takes_any_length(const struct sockopt_call *c)
{
    return c->level == IPPROTO_IP ||
           (c->level == SOL_SOCKET && c->option == SO_BINDTODEVICE) ||
           (c->level == IPPROTO_TCP && c->option == TCP_CONGESTION);
}

/* Does what TCP_CORK keeps go out?  With TCP_NODELAY, just this once. */
static bool ends_cork(const struct sockopt_call *c)
{
    return c->level == IPPROTO_TCP && ((c->option == TCP_CORK && !c->number) ||
                                       (c->option == TCP_NODELAY && c->number));
}

static long set_locked(struct sockopt_call *c)
{
    long ret;

    if (c->level != SOL_SOCKET && c->socket.pair) {
        return -EOPNOTSUPP;
    }
    if (c->level != SOL_SOCKET && c->socket.netlink) {
        return c->level != SOL_NETLINK_LEVEL ? -ENOPROTOOPT
               : c->len_bytes < sizeof(c->number)
                   ? -EINVAL
                   : netlink_set(c->socket.netlink, c->option, c->number);
    }
    if (c->level == SOL_SOCKET && c->option == SO_BINDTODEVICE) {
        return set_device(c);
    }
    if (c->len_bytes < sizeof(c->number)) {
        if (!takes_any_length(c)) {
            return -EINVAL;
        }
        if (c->level == IPPROTO_IP) {
            c->number = c->bytes[0];
        }
    }
    if (c->socket.pair && c->option == SO_REUSEPORT && c->number) {
        return -EOPNOTSUPP;
    }
    ret = set_level(c);
    if (!ret && c->socket.tcp) {
        c->socket.tcp->reuse = c->socket.opt->reuse;
        c->socket.tcp->reuseport = c->socket.opt->reuseport;
        sock_apply_options(c->socket.tcp);
        if (ends_cork(c)) {
            sock_push(c->socket.tcp);
        }
    } else if (!ret && c->socket.dgram) {
        c->socket.dgram->reuse = c->socket.opt->reuse;
        c->socket.dgram->reuseport = c->socket.opt->reuseport;
        dgram_apply_options(c->socket.dgram);
    }
    return ret;
}

/**
 * sockopt_sys_set() - setsockopt(fd, level, option, value, bytes)
 *
 * @linux call setsockopt
 * @test guest/programs/sockopts.c "values of SOL_SOCKET are kept"
 * @test guest/programs/sockopts.c "a value from nowhere"
 */
long sockopt_sys_set(struct sys_args *a)
{
    struct sockopt_call c = {
        .level = (uint32_t)a->arg[1],
        .option = (uint32_t)a->arg[2],
        .len_bytes = (uint32_t)a->arg[4],
    };
    uint32_t n =
        c.len_bytes < SOCKOPT_VALUE_MAX ? c.len_bytes : SOCKOPT_VALUE_MAX;
    long ret, copied = copy_from_user(c.bytes, a->arg[3], n);

    lib_lock();
    ret = socket_any(a->arg[0], &c.socket);
    if (!ret && (int32_t)c.len_bytes < 0) {
        ret = -EINVAL;
    }
    if (!ret && copied) {
        ret = n < sizeof(c.number) && !takes_any_length(&c) ? -EINVAL : -EFAULT;
    }
    ret = ret ? ret : set_locked(&c);
    lib_unlock();
    return ret;
}

/* -- get ------------------------------------------------------------------------ */

static void get_timeout(struct sockopt_call *c, uint64_t timeout_ns)
{
    uint64_t ns = timeout_ns == SYS_FOREVER ? 0 : timeout_ns;
    struct timeval tv = {
        .tv_sec = ns / NSEC_PER_SEC,
        .tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC,
    };

    memcpy(c->bytes, &tv, sizeof(tv));
    c->len_bytes = sizeof(tv);
}

static void get_linger(struct sockopt_call *c)
{
    struct linger linger = {
        .l_onoff = c->socket.opt->linger,
        .l_linger = c->socket.opt->linger_s,
    };

    memcpy(c->bytes, &linger, sizeof(linger));
    c->len_bytes = sizeof(linger);
}

static void get_peer(struct sockopt_call *c)
{
    struct pair_who who = { 0, -1, -1 };

    if (c->socket.pair) {
        who = pair_maker(c->socket.pair);
    }
    memcpy(c->bytes, &who, sizeof(who));
    c->len_bytes = sizeof(who);
}

static long get_device(struct sockopt_call *c)
{
    struct net_interface interface;

    if (!net_interface(c->socket.opt->device, &interface)) {
        c->len_bytes = 0;
        return 0;
    }
    if (c->room_bytes < DEVICE_BYTES) {
        return -EINVAL;
    }
    c->len_bytes = (uint32_t)strlen(interface.name) + 1;
    memcpy(c->bytes, interface.name, c->len_bytes);
    return 0;
}

/* A number that no other socket of this process has had. */
static long get_cookie(struct sockopt_call *c)
{
    static uint64_t last;

    if (c->room_bytes < sizeof(last)) {
        return -EINVAL;
    }
    if (!c->socket.opt->cookie) {
        c->socket.opt->cookie = ++last;
    }
    memcpy(c->bytes, &c->socket.opt->cookie, sizeof(last));
    c->len_bytes = sizeof(last);
    return 0;
}

static int32_t take_error(const struct socket *s)
{
    return s->tcp     ? sock_take_error(s->tcp)
           : s->dgram ? dgram_take_error(s->dgram)
           : s->pair  ? pair_take_error(s->file)
                      : 0;
}

/* What kind of socket it is: family, type, protocol. */
static void get_kind(struct sockopt_call *c)
{
    const struct socket *s = &c->socket;

    if (c->option == SO_DOMAIN) {
        c->number = s->netlink ? AF_NETLINK : s->pair ? AF_UNIX : AF_INET;
    } else if (c->option == SO_TYPE) {
        c->number = s->netlink ? netlink_type(s->netlink)
                    : s->pair && pair_lone(s->pair)
                        ? (int32_t)pair_lone(s->pair)
                    : !s->dgram                   ? SOCK_STREAM
                    : s->dgram->kind == DGRAM_RAW ? SOCK_RAW
                                                  : SOCK_DGRAM;
    } else if (s->tcp) {
        c->number = IPPROTO_TCP;
    } else if (s->dgram) {
        c->number = s->dgram->kind == DGRAM_UDP ? IPPROTO_UDP : IPPROTO_ICMP;
    }
}

/*
 * @linux sockopt SO_ERROR SO_TYPE SO_DOMAIN SO_PROTOCOL SO_ACCEPTCONN
 *   SO_SNDLOWAT SO_COOKIE
 * @test guest/programs/sockopts.c "what it is"
 * @test guest/programs/sockopts.c "SO_COOKIE"
 * @test guest/programs/shutdowns.c "SO_ERROR tells it, once"
 * @linux sockopt SO_PEERCRED
 * @test guest/programs/sockopts.c "SO_PEERCRED"
 */
static long get_socket_level(struct sockopt_call *c)
{
    const struct sock_options *opt = c->socket.opt;
    const struct file *file = c->socket.file;

    switch (c->option) {
    case SO_ERROR:
        c->number = take_error(&c->socket);
        return 0;
    case SO_TYPE:
    case SO_DOMAIN:
    case SO_PROTOCOL:
        get_kind(c);
        return 0;
    case SO_ACCEPTCONN:
        c->number = c->socket.tcp && c->socket.tcp->state == SOCK_LISTENING;
        return 0;
    case SO_RCVBUF:
        c->number = (int32_t)opt->rcvbuf_bytes;
        return 0;
    case SO_SNDBUF:
        c->number = (int32_t)opt->sndbuf_bytes;
        return 0;
    case SO_RCVLOWAT:
        c->number = opt->rcvlowat_bytes;
        return 0;
    case SO_SNDLOWAT:
        c->number = 1;
        return 0;
    case SO_LINGER:
        get_linger(c);
        return 0;
    case SO_RCVTIMEO:
    case RCVTIMEO_NEW:
        get_timeout(c, file->rx_timeout_ns);
        return 0;
    case SO_SNDTIMEO:
    case SNDTIMEO_NEW:
        get_timeout(c, file->tx_timeout_ns);
        return 0;
    case SO_PASSCRED:
        c->number = opt->passcred;
        return 0;
    case SO_BSDCOMPAT:
        return 0;
    case SO_PEERCRED:
        get_peer(c);
        return 0;
    case SO_BINDTODEVICE:
        return get_device(c);
    case SO_COOKIE:
        return get_cookie(c);
    default:
        return -ENOPROTOOPT;
    }
}

static long get_raw_level(struct sockopt_call *c)
{
    const struct dgram *d = c->socket.dgram;

    if (c->option != ICMP_FILTER || !d || d->kind != DGRAM_RAW) {
        return -EOPNOTSUPP;
    }
    c->word[0] = d->icmp_filter;
    return 0;
}

static long get_locked(struct sockopt_call *c)
{
    long ret;

    if (c->level != SOL_SOCKET && c->socket.pair) {
        return -EOPNOTSUPP;
    }
    if (c->level != SOL_SOCKET && c->socket.netlink) {
        return c->level == SOL_NETLINK_LEVEL
                   ? netlink_get(c->socket.netlink, c->option, &c->number)
                   : -ENOPROTOOPT;
    }
    if (c->level == SOL_SOCKET || c->level == IPPROTO_IP ||
        (c->level == IPPROTO_TCP && c->socket.tcp)) {
        ret = sockopt_table_get(c);
        if (ret != SOCKOPT_OTHER) {
            return ret;
        }
    }
    switch (c->level) {
    case SOL_SOCKET:
        return get_socket_level(c);
    case IPPROTO_IP:
        return sockopt_ip_get(c);
    case IPPROTO_TCP:
        return c->socket.tcp ? sockopt_tcp_get(c) : -EOPNOTSUPP;
    case SOL_RAW_LEVEL:
        return get_raw_level(c);
    default:
        return -EOPNOTSUPP;
    }
}

/* Where there is room for less than a number, IP gives a byte if it can. */
static uint32_t shorten(struct sockopt_call *c)
{
    uint32_t n = c->room_bytes < c->len_bytes ? c->room_bytes : c->len_bytes;
    bool byte = c->level == IPPROTO_IP && c->number >= 0 && c->number <= 255;

    return n && n < sizeof(c->number) && byte ? 1 : n;
}

/**
 * sockopt_sys_get() - getsockopt(fd, level, option, value, bytes)
 *
 * @linux call getsockopt
 * @test guest/programs/sockopts.c "values of SOL_SOCKET are kept"
 * @test guest/programs/sockopts.c "a value to nowhere"
 */
long sockopt_sys_get(struct sys_args *a)
{
    struct sockopt_call c = {
        .level = (uint32_t)a->arg[1],
        .option = (uint32_t)a->arg[2],
        .len_bytes = sizeof(c.number),
    };
    uint32_t bytes;
    long ret,
        copied = copy_from_user(&c.room_bytes, a->arg[4], sizeof(c.room_bytes));

    lib_lock();
    ret = socket_any(a->arg[0], &c.socket);
    if (!ret) {
        ret = copied ? copied : (int32_t)c.room_bytes < 0 ? -EINVAL : 0;
    }
    ret = ret ? ret : get_locked(&c);
    lib_unlock();
    if (ret) {
        return ret;
    }
    bytes = shorten(&c);
    if (copy_to_user(a->arg[3], c.bytes, bytes) ||
        copy_to_user(a->arg[4], &bytes, sizeof(bytes))) {
        return -EFAULT;
    }
    return 0;
}
