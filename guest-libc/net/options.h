/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * options.h - what setsockopt() gave a socket, of whatever kind
 *
 * Most values are only told back: what they ask for has no meaning here, or is
 * done anyway.  Those that are followed are named with who follows them.  A
 * connection begins with its listener's.
 */
#ifndef NET_OPTIONS_H
#define NET_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Names of interfaces: as they are numbered on Linux. */
#define OPTION_DEVICE_NONE 0u
#define OPTION_DEVICE_LO   1u
#define OPTION_DEVICE_NIC  2u

struct sock_options {
    /* SOL_SOCKET */
    uint64_t cookie;                     /* SO_COOKIE: 0: nobody has asked */
    uint32_t rcvbuf_bytes, sndbuf_bytes; /* DGRAM: the first is followed */
    int32_t priority, mark, busy_poll, incoming_cpu;
    int32_t rcvlowat_bytes; /* receive, poll */
    uint32_t max_pacing;
    int32_t linger_s;
    bool linger;           /* close */
    bool reuse, reuseport; /* TCP, DGRAM: bind; they have them once more */
    bool broadcast, keepalive, oobinline, dontroute, debug, no_check;
    bool passcred; /* socketpair: receive */
    bool rxq_ovfl;
    bool timestamp, timestampns; /* DGRAM: receive */
    uint8_t device;              /* OPTION_DEVICE_*: lwIP */

    /* IPPROTO_IP */
    int16_t ttl; /* -1: the default; lwIP */
    int16_t multicast_ttl;
    uint8_t tos; /* lwIP */
    uint8_t mtu_discover;
    uint32_t multicast_if;
    bool multicast_loop, multicast_all;
    bool pktinfo, recvttl, recvtos, recvorigdst; /* DGRAM: receive */
    bool recverr, freebind, bind_no_port, recvopts, retopts;

    /* IPPROTO_TCP */
    bool nodelay, cork, quickack, inq, save_syn, thin_linear, thin_dupack;
    uint8_t syncnt;
    uint8_t defer_accept; /* retransmissions that it takes */
    int16_t linger2_s;    /* 0: the default */
    uint16_t user_mss;    /* 0: none */
    uint32_t keep_idle_s, keep_intvl_s, keep_cnt; /* lwIP */
    int32_t user_timeout_ms;
    uint32_t notsent_lowat, window_clamp;
};

#define OPTION_TTL_DEFAULT  64
#define OPTION_STREAM_BYTES (512u * 1024)
/* As on Linux: what a queue holds by default, and what may be asked for. */
#define OPTION_DGRAM_BYTES  212992u
#define OPTION_RCVBUF_MIN   2304u
#define OPTION_SNDBUF_MIN   4608u
#define OPTION_BUFFER_MAX   212992u

/* As Linux has them at first; @buffer_bytes: of each direction. */
static inline void sock_options_init(struct sock_options *o,
                                     uint32_t buffer_bytes)
{
    o->rcvbuf_bytes = o->sndbuf_bytes = buffer_bytes;
    o->incoming_cpu = -1;
    o->rcvlowat_bytes = 1;
    o->max_pacing = UINT32_MAX;
    o->ttl = -1;
    o->multicast_ttl = 1;
    o->mtu_discover = 1;
    o->multicast_loop = o->multicast_all = true;
    o->syncnt = 6;
    o->keep_idle_s = 7200;
    o->keep_intvl_s = 75;
    o->keep_cnt = 9;
}

#endif
