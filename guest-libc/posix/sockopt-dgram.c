/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sockopt-dgram.c - options of UDP and ICMP sockets; see sockopt.c */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/socket.h"

#define SOL_RAW_LEVEL 255 /* hidden without extensions */
#define ICMP_FILTER   1

static long set_socket_level(struct dgram *d, uint32_t option, uint32_t value)
{
    switch (option) {
    case SO_REUSEADDR:
        d->reuse = value;
        return 0;
    case SO_REUSEPORT:
        d->reuseport = value;
        return 0;
    case SO_BROADCAST:
        d->broadcast = value;
        return 0;
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        /* Doubled, as on Linux: what keeping a datagram costs counts, too. */
        d->rcvbuf_bytes = value < DGRAM_RCVBUF_MIN / 2   ? DGRAM_RCVBUF_MIN
                          : value > DGRAM_RCVBUF_MAX / 2 ? DGRAM_RCVBUF_MAX
                                                         : value * 2;
        return 0;
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        d->sndbuf_bytes = value * 2;
        return 0;
    case SO_KEEPALIVE:
    case SO_DONTROUTE:
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

static long set_ip_level(struct dgram *d, uint32_t option, uint32_t value)
{
    switch (option) {
    case IP_TTL:
        if (value != UINT32_MAX && (value < 1 || value > 255)) {
            return -EINVAL;
        }
        d->ttl = value == UINT32_MAX ? DGRAM_TTL_DEFAULT : value;
        return 0;
    case IP_TOS:
        d->tos = value;
        return 0;
    case IP_RECVERR:
    case IP_MTU_DISCOVER:
        return 0;
    default:
        /* Multicast, and all that comes as a control message. */
        return -ENOPROTOOPT;
    }
}

/**
 * sockopt_dgram_set() - set an option of a datagram socket
 * @d: the socket
 * @level: SOL_*, IPPROTO_*
 * @option: of that level
 * @value: its first four bytes
 *
 * Return: 0, -EINVAL, -ENOPROTOOPT.
 * Context: lock held.
 */
long sockopt_dgram_set(struct dgram *d, uint32_t level, uint32_t option,
                       uint32_t value)
{
    long ret = -ENOPROTOOPT;

    if (level == SOL_SOCKET) {
        ret = set_socket_level(d, option, value);
    } else if (level == IPPROTO_IP) {
        ret = set_ip_level(d, option, value);
    } else if (level == SOL_RAW_LEVEL && option == ICMP_FILTER &&
               d->kind == DGRAM_RAW) {
        d->icmp_filter = value;
        ret = 0;
    }
    if (!ret) {
        dgram_apply_options(d);
    }
    return ret;
}

static long get_socket_level(struct dgram *d, uint32_t option, uint32_t *value)
{
    switch (option) {
    case SO_ERROR:
        *value = dgram_take_error(d);
        return 0;
    case SO_TYPE:
        *value = d->kind == DGRAM_RAW ? SOCK_RAW : SOCK_DGRAM;
        return 0;
    case SO_DOMAIN:
        *value = AF_INET;
        return 0;
    case SO_PROTOCOL:
        *value = d->kind == DGRAM_UDP ? IPPROTO_UDP : IPPROTO_ICMP;
        return 0;
    case SO_REUSEADDR:
        *value = d->reuse;
        return 0;
    case SO_REUSEPORT:
        *value = d->reuseport;
        return 0;
    case SO_BROADCAST:
        *value = d->broadcast;
        return 0;
    case SO_RCVBUF:
        *value = d->rcvbuf_bytes;
        return 0;
    case SO_SNDBUF:
        *value = d->sndbuf_bytes;
        return 0;
    case SO_ACCEPTCONN:
    case SO_KEEPALIVE:
    case SO_PRIORITY:
        *value = 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/**
 * sockopt_dgram_get() - read an option of a datagram socket
 * @d: the socket
 * @level: SOL_*, IPPROTO_*
 * @option: of that level
 * @ret_value: four bytes of it
 *
 * Return: 0, -ENOPROTOOPT.
 * Context: lock held.
 */
long sockopt_dgram_get(struct dgram *d, uint32_t level, uint32_t option,
                       uint32_t *ret_value)
{
    if (level == SOL_SOCKET) {
        return get_socket_level(d, option, ret_value);
    }
    if (level == IPPROTO_IP && (option == IP_TTL || option == IP_TOS)) {
        *ret_value = option == IP_TTL ? d->ttl : d->tos;
        return 0;
    }
    if (level == SOL_RAW_LEVEL && option == ICMP_FILTER &&
        d->kind == DGRAM_RAW) {
        *ret_value = d->icmp_filter;
        return 0;
    }
    return -ENOPROTOOPT;
}
