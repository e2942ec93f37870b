/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sockopt-tcp.c - options of level IPPROTO_TCP that are more than a value */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/sock-info.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/sockopt.h"

#define MSS_MIN           88
#define MSS_MAX           32767
#define LINGER2_MAX_S     120
#define LINGER2_DEFAULT_S 60
#define MSS_DEFAULT       536
#define RTO_FIRST_S       1
#define RTO_MAX_S         120
#define RETRIES_MAX       255
#define CONGESTION_BYTES  16u

/* What lwIP does is NewReno, which goes by that name. */
static const char congestion[CONGESTION_BYTES] = "reno";

/* TCP_DEFER_ACCEPT is told as the sum of so many waits, each twice as long. */
static int32_t retries_to_seconds(uint8_t retries)
{
    int32_t wait = RTO_FIRST_S, seconds = retries ? wait : 0;

    for (; retries > 1; retries--) {
        wait = wait * 2 < RTO_MAX_S ? wait * 2 : RTO_MAX_S;
        seconds += wait;
    }
    return seconds;
}

static uint8_t seconds_to_retries(int32_t seconds)
{
    uint8_t retries = 0;

    while (retries < RETRIES_MAX && seconds > 0 &&
           retries_to_seconds(retries) < seconds) {
        retries++;
    }
    return retries;
}

static long set_congestion(const struct sockopt_call *c)
{
    char name[CONGESTION_BYTES] = "";

    if (!c->len_bytes) {
        return -EINVAL;
    }
    memcpy(name, c->bytes,
           c->len_bytes < CONGESTION_BYTES ? c->len_bytes
                                           : CONGESTION_BYTES - 1);
    return strcmp(name, congestion) ? -ENOENT : 0;
}

/**
 * sockopt_tcp_set() - set an option of level IPPROTO_TCP
 * @c: the call
 *
 * @linux sockopt TCP_CONGESTION - reno, and no other
 * @test guest/programs/sockopts.c "TCP_CONGESTION"
 * @linux sockopt TCP_MAXSEG TCP_QUICKACK - kept and told, of no effect
 * @test guest/programs/sockopts.c "TCP_MAXSEG"
 * @linux sockopt TCP_LINGER2
 * @test guest/programs/sockopts.c "TCP_LINGER2"
 * @test unit/libc-net/test-tcp.c "test_linger2"
 * @linux sockopt TCP_DEFER_ACCEPT
 * @test guest/programs/sockopts.c "TCP_DEFER_ACCEPT"
 * @test guest/programs/backlog.c "the server does not know yet"
 *
 * Return: 0, -EINVAL, -ENOENT, -ENOPROTOOPT.
 * Context: lock held.
 */
long sockopt_tcp_set(struct sockopt_call *c)
{
    struct sock_options *opt = c->socket.opt;

    switch (c->option) {
    case TCP_CONGESTION:
        return set_congestion(c);
    case TCP_MAXSEG:
        if (c->number && (c->number < MSS_MIN || c->number > MSS_MAX)) {
            return -EINVAL;
        }
        opt->user_mss = (uint16_t)c->number;
        return 0;
    case TCP_LINGER2:
        opt->linger2_s = c->number < 0               ? -1
                         : c->number > LINGER2_MAX_S ? LINGER2_MAX_S
                                                     : (int16_t)c->number;
        return 0;
    case TCP_DEFER_ACCEPT:
        opt->defer_accept = seconds_to_retries(c->number);
        return 0;
    case TCP_QUICKACK:
        opt->quickack = c->number;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int32_t get_mss(const struct sock *s)
{
    bool fresh = sock_is_closed(s) || s->state == SOCK_LISTENING;

    if (!fresh) {
        return (int32_t)sock_mss(s);
    }
    return s->opt.user_mss ? s->opt.user_mss : MSS_DEFAULT;
}

/**
 * sockopt_tcp_get() - read an option of level IPPROTO_TCP
 * @c: the call
 *
 * @linux sockopt TCP_INFO - what lwIP does not count is 0
 * @test guest/programs/sockopts.c "TCP_INFO of a connection"
 *
 * Return: 0, -ENOPROTOOPT.
 * Context: lock held.
 */
long sockopt_tcp_get(struct sockopt_call *c)
{
    const struct sock_options *opt = c->socket.opt;

    switch (c->option) {
    case TCP_INFO:
        c->len_bytes = sock_info(c->socket.tcp, c->bytes);
        return 0;
    case TCP_CONGESTION:
        memcpy(c->bytes, congestion, CONGESTION_BYTES);
        c->len_bytes = CONGESTION_BYTES;
        return 0;
    case TCP_MAXSEG:
        c->number = get_mss(c->socket.tcp);
        return 0;
    case TCP_LINGER2:
        c->number = opt->linger2_s ? opt->linger2_s : LINGER2_DEFAULT_S;
        return 0;
    case TCP_DEFER_ACCEPT:
        c->number = retries_to_seconds(opt->defer_accept);
        return 0;
    case TCP_QUICKACK:
        c->number = opt->quickack;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
