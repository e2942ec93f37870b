/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lwipopts.h - how lwIP is configured for the system library
 *
 * lwIP is used through its raw API alone, from one thread at a time (the
 * library's lock is held), with timers driven by clock.c.  Memory comes from
 * heap.c and grows as it is needed: pools of fixed size would be written once
 * at boot and lie in every first checkpoint.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

/* No operating system below, no threads, no BSD sockets of its own. */
#define NO_SYS                         1
#define SYS_LIGHTWEIGHT_PROT           0
#define LWIP_SOCKET                    0
#define LWIP_NETCONN                   0
#define LWIP_TIMERS                    1
#define LWIP_TIMERS_CUSTOM             1

#define LWIP_IPV4                      1
#define LWIP_IPV6                      0
#define LWIP_ARP                       1
#define LWIP_ETHERNET                  1
#define LWIP_ICMP                      1
#define LWIP_RAW                       1
#define LWIP_UDP                       1
#define LWIP_TCP                       1
#define LWIP_DNS                       0
/* The largest datagram is 45 fragments. */
#define IP_FRAG                        1
#define IP_REASSEMBLY                  1
#define IP_DEFAULT_TTL                 64
#define IP_REASS_MAX_PBUFS             128

/* 127.0.0.1, and this host's own address from within. */
#define LWIP_HAVE_LOOPIF               1
#define LWIP_NETIF_LOOPBACK            1
#define LWIP_LOOPBACK_MAX_PBUFS        0

#define MEM_ALIGNMENT                  16
#define MEM_CUSTOM_ALLOCATOR           1
#define MEM_CUSTOM_MALLOC(n)           heap_alloc_net(n)
#define MEM_CUSTOM_FREE(p)             heap_free(p)
#define MEM_CUSTOM_CALLOC(n, m)        heap_calloc_net(n, m)
#define MEMP_MEM_MALLOC                1

#define PBUF_POOL_SIZE                 16 /* not used: frames are PBUF_RAM */
#define PBUF_POOL_BUFSIZE              1600

/* Packets wait while their next hop's address is asked for. */
#define ARP_TABLE_SIZE                 512 /* a /24 and more */
#define LWIP_NETIF_HWADDRHINT          1   /* each connection knows its place */
#define ARP_MAXPENDING                 3   /* s, as Linux asks thrice */
#define ARP_QUEUEING                   1
#define ARP_QUEUE_LEN                  64
#define ETHARP_SUPPORT_VLAN            0

/* A held reply makes the round trip as long as a checkpoint: large windows. */
#define TCP_MSS                        1460
#define LWIP_WND_SCALE                 1
#define TCP_RCV_SCALE                  4
#define TCP_WND                        (512 * 1024)
#define TCP_SND_BUF                    (512 * 1024)
#define TCP_SND_QUEUELEN               4096
#define TCP_SNDLOWAT                   (32 * 1024)
#define TCP_SNDQUEUELOWAT              1024
#define TCP_OVERSIZE                   TCP_MSS
#define TCP_QUEUE_OOSEQ                1
/* What came too early: no more than the window, nor in pieces without end. */
#define TCP_OOSEQ_MAX_BYTES            TCP_WND
#define TCP_OOSEQ_MAX_PBUFS            1024
#define LWIP_TCP_SACK_OUT              1
#define TCP_TMR_INTERVAL               10 /* ms */
/* tcp-timers.c, with more numbers (RFC 6298, and the least of Linux) */
#define LWIP_TCP_TIMERS_CUSTOM         1
#define LWIP_TCP_RTO_TIME              1000 /* ms, before one is measured */
#define TCP_RTO_MIN                    200  /* on top of the round trip */
#define TCP_RTO_MAX                    120000
#define TCP_MSL                        30000UL /* TIME_WAIT is twice that */
#define LWIP_TCP_KEEPALIVE             1
#define TCP_LISTEN_BACKLOG             1
#define TCP_DEFAULT_LISTEN_BACKLOG     255
#define SO_REUSE                       1
#define SO_REUSE_RXTOALL               1 /* a broadcast, as on Linux */

/* Ticks of 10 s: with 16 bits a lease is at most 7.5 days to us. */
#define LWIP_DHCP                      1
#define LWIP_ACD                       0
#define LWIP_DHCP_DOES_ACD_CHECK       0
#define LWIP_NETIF_HOSTNAME            1
#define DHCP_COARSE_TIMER_SECS         10
/* Name servers, and the MTU. */
#define DHCP_ADD_EXTRA_REQUEST_OPTIONS , 6, 26

#define LWIP_CHECKSUM_ON_COPY          0
#define LWIP_CHKSUM                    checksum_fold

#define LWIP_STATS                     0
#define LWIP_DISABLE_TCP_SANITY_CHECKS 0

#define LWIP_HOOK_FILENAME             "guest-libc/net/hooks.h"
#define LWIP_HOOK_TCP_ISN              random_isn
#define LWIP_HOOK_TCP_ADDED            demux_add
#define LWIP_HOOK_TCP_REMOVED          demux_remove
#define LWIP_HOOK_TCP_FIND             demux_find
#define LWIP_HOOK_TCP_LISTENER         listen_choose
#define LWIP_HOOK_ARP_UNREACHABLE      icmp_no_neighbour
#define LWIP_HOOK_TCP_ACCEPT_LATER     listen_later
#define LWIP_HOOK_TCP_COOKIE_SEND      cookie_send
#define LWIP_HOOK_TCP_COOKIE_CHECK     cookie_check
#define LWIP_HOOK_DHCP_PARSE_OPTION(netif, dhcp, state, msg, type, option,     \
                                    len, p, offset)                            \
    lease_option(dhcp, type, option, len, p, offset)

#endif
