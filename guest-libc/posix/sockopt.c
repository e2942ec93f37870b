/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockopt.c - options of sockets
 *
 * What TCP here can follow, it follows (sockopt-dgram.c does so for the other
 * kinds); what has no meaning in this process
 * (buffer sizes, priorities, binding to devices) is taken and has no effect;
 * what a program must not be led to rely on is refused.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/posix/socket.h"

#define SOCKOPT_KEEP_MAX_S   32767
#define SOCKOPT_BUFFER_BYTES (512u * 1024)

static long set_socket_level(struct sock *s, uint32_t option, uint32_t value)
{
    switch (option) {
    /* @linux sockopt SO_REUSEADDR SO_REUSEPORT
     * @test guest/programs/binds.c "SO_REUSEADDR, SO_REUSEPORT read back" */
    case SO_REUSEADDR:
        s->reuse = value;
        return 0;
    case SO_REUSEPORT:
        s->reuseport = value;
        return 0;
    case SO_KEEPALIVE:
        s->keepalive = value;
        return 0;
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        s->rcvbuf_bytes = value * 2;
        return 0;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        s->sndbuf_bytes = value * 2;
        return 0;
    case SO_BROADCAST:
    case SO_DONTROUTE:
    case SO_OOBINLINE:
    case SO_PRIORITY:
    case SO_RCVLOWAT:
    case SO_MARK:
    case SO_BUSY_POLL:
    case SO_INCOMING_CPU:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static long set_linger(struct sock *s, uint64_t user_value, uint32_t bytes)
{
    struct linger linger;

    if (bytes < sizeof(linger)) {
        return -EINVAL;
    }
    if (copy_from_user(&linger, user_value, sizeof(linger))) {
        return -EFAULT;
    }
    s->linger = linger.l_onoff;
    s->linger_s = linger.l_linger < 0 || linger.l_linger > UINT16_MAX
                      ? UINT16_MAX
                      : linger.l_linger;
    return 0;
}

/* SO_RCVTIMEO, SO_SNDTIMEO: 0 is for ever. */
static long set_timeout(uint64_t *timeout_ns, uint64_t user_value,
                        uint32_t bytes)
{
    struct timeval tv;

    if (bytes < sizeof(tv)) {
        return -EINVAL;
    }
    if (copy_from_user(&tv, user_value, sizeof(tv))) {
        return -EFAULT;
    }
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

static void get_timeout(uint64_t timeout_ns, uint32_t value[4])
{
    uint64_t ns = timeout_ns == SYS_FOREVER ? 0 : timeout_ns;
    struct timeval tv = {
        .tv_sec = ns / NSEC_PER_SEC,
        .tv_usec = ns % NSEC_PER_SEC / NSEC_PER_USEC,
    };

    memcpy(value, &tv, sizeof(tv));
}

static long set_tcp_level(struct sock *s, uint32_t option, uint32_t value)
{
    bool seconds_fit = value >= 1 && value <= SOCKOPT_KEEP_MAX_S;

    switch (option) {
    case TCP_NODELAY:
        s->nodelay = value;
        return 0;
    case TCP_KEEPIDLE:
        s->keep_idle_ms = seconds_fit ? value * 1000 : s->keep_idle_ms;
        return seconds_fit ? 0 : -EINVAL;
    case TCP_KEEPINTVL:
        s->keep_intvl_ms = seconds_fit ? value * 1000 : s->keep_intvl_ms;
        return seconds_fit ? 0 : -EINVAL;
    case TCP_KEEPCNT:
        if (value < 1 || value > 127) {
            return -EINVAL;
        }
        s->keep_cnt = value;
        return 0;
    case TCP_CORK:
    case TCP_QUICKACK:
    case TCP_USER_TIMEOUT:
    case TCP_DEFER_ACCEPT:
    case TCP_SYNCNT:
    case TCP_LINGER2:
    case TCP_NOTSENT_LOWAT:
    case TCP_WINDOW_CLAMP:
    case TCP_MAXSEG:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static long set_locked(struct sys_args *a, uint32_t value)
{
    uint32_t level = (uint32_t)a->arg[1], option = (uint32_t)a->arg[2];
    struct file *file = fd_file(a->arg[0]);
    struct socket socket;
    struct sock *s;
    long ret;

    if (file && pair_is(file)) {
        return level == SOL_SOCKET ? 0 : -EOPNOTSUPP;
    }
    ret = socket_find(a->arg[0], &socket);
    if (ret) {
        return ret;
    }
    if (level == SOL_SOCKET &&
        (option == SO_RCVTIMEO || option == SO_SNDTIMEO)) {
        return set_timeout(option == SO_RCVTIMEO ? &file->rx_timeout_ns
                                                 : &file->tx_timeout_ns,
                           a->arg[3], (uint32_t)a->arg[4]);
    }
    if (level != IPPROTO_IP && (uint32_t)a->arg[4] < sizeof(value)) {
        return -EINVAL;
    }
    if (socket.dgram) {
        return sockopt_dgram_set(socket.dgram, level, option, value);
    }
    s = socket.tcp;
    switch (level) {
    case SOL_SOCKET:
        ret = option == SO_LINGER
                  ? set_linger(s, a->arg[3], (uint32_t)a->arg[4])
                  : set_socket_level(s, option, value);
        break;
    case IPPROTO_TCP:
        ret = set_tcp_level(s, option, value);
        break;
    case IPPROTO_IP:
        /* TOS, TTL, path MTU: nothing here depends on them. */
        return 0;
    default:
        return -ENOPROTOOPT;
    }
    if (!ret) {
        sock_apply_options(s);
    }
    return ret;
}

/** sockopt_sys_set() - setsockopt(fd, level, option, value, bytes) */
long sockopt_sys_set(struct sys_args *a)
{
    uint32_t value = 0, bytes = (uint32_t)a->arg[4];
    long ret;

    if (bytes >= sizeof(value) &&
        copy_from_user(&value, a->arg[3], sizeof(value))) {
        return -EFAULT;
    }
    lib_lock();
    ret = set_locked(a, value);
    lib_unlock();
    return ret;
}

static long get_socket_level(struct sock *s, uint32_t option, uint32_t *value)
{
    switch (option) {
    case SO_ERROR:
        *value = sock_take_error(s);
        return 0;
    case SO_TYPE:
        *value = SOCK_STREAM;
        return 0;
    case SO_DOMAIN:
        *value = AF_INET;
        return 0;
    case SO_PROTOCOL:
        *value = IPPROTO_TCP;
        return 0;
    case SO_ACCEPTCONN:
        *value = s->state == SOCK_LISTENING;
        return 0;
    case SO_REUSEADDR:
        *value = s->reuse;
        return 0;
    case SO_REUSEPORT:
        *value = s->reuseport;
        return 0;
    case SO_KEEPALIVE:
        *value = s->keepalive;
        return 0;
    case SO_RCVBUF:
        *value = s->rcvbuf_bytes ? s->rcvbuf_bytes : SOCKOPT_BUFFER_BYTES;
        return 0;
    case SO_SNDBUF:
        *value = s->sndbuf_bytes ? s->sndbuf_bytes : SOCKOPT_BUFFER_BYTES;
        return 0;
    case SO_BROADCAST:
    case SO_OOBINLINE:
    case SO_PRIORITY:
        *value = 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static long get_tcp_level(struct sock *s, uint32_t option, uint32_t *value)
{
    switch (option) {
    case TCP_NODELAY:
        *value = s->nodelay;
        return 0;
    case TCP_MAXSEG:
        *value = sock_mss(s);
        return 0;
    case TCP_KEEPIDLE:
        *value = s->keep_idle_ms / 1000;
        return 0;
    case TCP_KEEPINTVL:
        *value = s->keep_intvl_ms / 1000;
        return 0;
    case TCP_KEEPCNT:
        *value = s->keep_cnt;
        return 0;
    case TCP_QUICKACK:
    case TCP_CORK:
        *value = 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* What the option is: 0 with *ret_bytes of @value, or a negative errno. */
static long get_locked(struct sys_args *a, uint32_t value[4],
                       uint32_t *ret_bytes)
{
    uint32_t level = (uint32_t)a->arg[1], option = (uint32_t)a->arg[2];
    struct file *file = fd_file(a->arg[0]);
    struct socket socket;
    struct sock *s;
    long ret;

    *ret_bytes = sizeof(value[0]);
    value[0] = 0;
    if (file && pair_is(file)) {
        if (level == SOL_SOCKET && option == SO_TYPE) {
            value[0] = SOCK_STREAM;
        } else if (level == SOL_SOCKET && option == SO_DOMAIN) {
            value[0] = AF_UNIX;
        }
        return level == SOL_SOCKET ? 0 : -EOPNOTSUPP;
    }
    ret = socket_find(a->arg[0], &socket);
    if (ret) {
        return ret;
    }
    if (level == SOL_SOCKET &&
        (option == SO_RCVTIMEO || option == SO_SNDTIMEO)) {
        get_timeout(option == SO_RCVTIMEO ? file->rx_timeout_ns
                                          : file->tx_timeout_ns,
                    value);
        *ret_bytes = sizeof(struct timeval);
        return 0;
    }
    if (socket.dgram) {
        return sockopt_dgram_get(socket.dgram, level, option, value);
    }
    s = socket.tcp;
    switch (level) {
    case SOL_SOCKET:
        if (option == SO_LINGER) {
            value[0] = s->linger;
            value[1] = s->linger_s;
            *ret_bytes = sizeof(struct linger);
            return 0;
        }
        return get_socket_level(s, option, &value[0]);
    case IPPROTO_TCP:
        return get_tcp_level(s, option, &value[0]);
    default:
        return -ENOPROTOOPT;
    }
}

/** sockopt_sys_get() - getsockopt(fd, level, option, value, bytes) */
long sockopt_sys_get(struct sys_args *a)
{
    uint32_t value[4], room, bytes; /* a struct timeval is the longest */
    long ret;

    if (copy_from_user(&room, a->arg[4], sizeof(room))) {
        return -EFAULT;
    }
    lib_lock();
    ret = get_locked(a, value, &bytes);
    lib_unlock();
    if (ret) {
        return ret;
    }
    bytes = room < bytes ? room : bytes;
    if (copy_to_user(a->arg[3], value, bytes) ||
        copy_to_user(a->arg[4], &bytes, sizeof(bytes))) {
        return -EFAULT;
    }
    return 0;
}
