/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sockopt-ip.c - options of level IPPROTO_IP that are more than a value */
#include <netinet/in.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/sockopt.h"

#define ECN_MASK 3 /* of the type of service: TCP's own */

static bool in_byte(int32_t number, int32_t least)
{
    return number >= least && number <= 255;
}

static void set_tos(struct sockopt_call *c)
{
    struct sock_options *opt = c->socket.opt;
    uint8_t tos = (uint8_t)c->number;

    opt->tos = c->socket.tcp ? (tos & ~ECN_MASK) | (opt->tos & ECN_MASK) : tos;
}

/* The interface by which what is sent to many leaves: kept. */
static long set_multicast_if(struct sockopt_call *c)
{
    struct ip_mreqn *mreqn = (struct ip_mreqn *)c->bytes;

    if (c->socket.tcp || c->len_bytes < sizeof(struct in_addr)) {
        return -EINVAL;
    }
    c->socket.opt->multicast_if = c->len_bytes >= sizeof(struct ip_mreq)
                                      ? mreqn->imr_address.s_addr
                                      : c->word[0];
    return 0;
}

/**
 * sockopt_ip_set() - set an option of level IPPROTO_IP
 * @c: the call
 *
 * @linux sockopt IP_TOS IP_TTL
 * @test guest/programs/sockopts.c "IP_TOS and IP_TTL"
 * @test guest/programs/recvflags.c "IP_RECVTTL and IP_RECVTOS"
 * @linux sockopt IP_MULTICAST_TTL IP_MULTICAST_IF - kept and told; there are
 *   no groups: IP_ADD_MEMBERSHIP is ENOPROTOOPT
 * @test guest/programs/sockopts.c "IP_MULTICAST_TTL"
 *
 * Return: 0, -EINVAL, -ENOPROTOOPT.
 * Context: lock held.
 */
long sockopt_ip_set(struct sockopt_call *c)
{
    struct sock_options *opt = c->socket.opt;

    switch (c->option) {
    case IP_TOS:
        set_tos(c);
        return 0;
    case IP_TTL:
        if (!c->len_bytes || (c->number != -1 && !in_byte(c->number, 1))) {
            return -EINVAL;
        }
        opt->ttl = (int16_t)c->number;
        return 0;
    case IP_MULTICAST_TTL:
        if (c->socket.tcp || !c->len_bytes ||
            (c->number != -1 && !in_byte(c->number, 0))) {
            return -EINVAL;
        }
        opt->multicast_ttl = c->number == -1 ? 1 : (int16_t)c->number;
        return 0;
    case IP_MULTICAST_IF:
        return set_multicast_if(c);
    default:
        return -ENOPROTOOPT;
    }
}

/* What one packet to the peer can hold. */
static long get_mtu(struct sockopt_call *c)
{
    const struct sock_addr *remote;
    struct net_interface interface;
    uint32_t index;

    if (c->socket.tcp) {
        remote = &c->socket.tcp->remote;
        if (sock_is_closed(c->socket.tcp)) {
            return -ENOTCONN;
        }
    } else {
        remote = &c->socket.dgram->remote;
        if (!c->socket.dgram->connected) {
            return -ENOTCONN;
        }
    }
    index =
        net_is_inner(remote->address) ? OPTION_DEVICE_LO : OPTION_DEVICE_NIC;
    if (!net_interface(index, &interface)) {
        return -ENOTCONN;
    }
    c->number = (int32_t)interface.mtu;
    return 0;
}

/**
 * sockopt_ip_get() - read an option of level IPPROTO_IP
 * @c: the call
 *
 * @linux sockopt IP_MTU
 * @test guest/programs/sockopts.c "IP_MTU of a connection"
 *
 * Return: 0, -ENOTCONN, -ENOPROTOOPT.
 * Context: lock held.
 */
long sockopt_ip_get(struct sockopt_call *c)
{
    const struct sock_options *opt = c->socket.opt;

    switch (c->option) {
    case IP_TOS:
        c->number = opt->tos;
        return 0;
    case IP_TTL:
        c->number = opt->ttl < 0 ? OPTION_TTL_DEFAULT : opt->ttl;
        return 0;
    case IP_MULTICAST_TTL:
        c->number = opt->multicast_ttl;
        return 0;
    case IP_MULTICAST_IF:
        c->word[0] = opt->multicast_if;
        return 0;
    case IP_MTU:
        return get_mtu(c);
    default:
        return -ENOPROTOOPT;
    }
}
