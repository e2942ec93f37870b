/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net-internal.h - what the files of net/ share */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/sys/libos.h"

/* In a TCP pcb's so_options, beside lwIP's own: what the program said. */
#define SOCK_REUSEADDR 0x40u
#define SOCK_REUSEPORT 0x80u

#define NET_TICK_NS    10000000ull /* TCP_TMR_INTERVAL */

/* checksum.c */
uint16_t checksum_fold(const void *data, int len_bytes);

/* random.c */
void random_start(void);
uint32_t random_u32(void);
/* Of @a and @b < 2^63; always the same, and only we can tell. */
uint64_t random_hash(uint64_t a, uint64_t b);
/* Less than @count, always the same for one pair of @a and @b. */
uint32_t random_choice(uint64_t a, uint32_t b, uint32_t count);

/* clock.c */
void clock_start(void);
/* Something happened that may need the TCP timer: bring tcp_ticks up to date
 * and let the timer run. */
void clock_touch(void);
/* Let an ARP request run out. */
void clock_arp_asked(void);
/* A fragment came: let those that lack some run out. */
void clock_fragment(void);
/* What ages, before the received frames; and TCP, after them. */
void clock_seconds_run(void);
void clock_run(uint64_t now_ns);
uint64_t clock_deadline(void);

/* line.c */
bool line_look(void);

/* link.c */
bool link_start(const struct boot_net *net);
/* The word that tells of frames. */
uint32_t *link_event(void);
/* Take what the ring holds, at most a batch; return: frames taken. */
unsigned link_receive(void);
/* The hold was full; try again what waits. */
void link_retry(void);
/* Frames that this host sends to itself. */
void link_loop(void);
void link_announce(void);
void link_forget_neighbours(void);
void link_prompt_peers(void);
/* A whole frame, header included: as prim_net_send(). */
long link_send(const struct sys_iov *iov, uint32_t n);
/* The same, waiting while the hold is full; -EINTR. */
long link_send_wait(const struct sys_iov *iov, uint32_t n);
const uint8_t *link_mac(void);
uint16_t link_mtu(void);

/* Any of this process's addresses, 0 and loopback too; network byte order. */
bool link_is_ours(uint32_t address);

/* The least of what DHCP and the NIC say. */
void link_limit_mtu(uint16_t mtu);
/* What a boot or a new line says of it, 0: nothing. */
void link_mtu_set(uint16_t mtu);
/* Frames that lie in the ring are lost. */
void link_discard(void);

/* linger.c */
void linger_run(void);

/* lease.c */
struct netif;
void lease_start(struct netif *netif);
void lease_stop(void);
bool lease_is_ours(void);
void lease_verify(void);
void lease_wait(void);
void lease_run(uint64_t now_ns);
uint64_t lease_deadline(void);

/* resolv.c */
#define RESOLV_MAX 3u /* as many as C libraries look at */
void resolv_set(const uint32_t *servers, size_t count);

/* dgram.c: the hold goes on. */
void dgram_room(void);

/* icmp.c */
void icmp_start(void);

/* tcp-icmp.c: a TCP packet of ours could not be delivered; @error a positive
 * errno, @mtu what fits where it is too long. */
void tcp_undelivered(const uint8_t *ip, size_t len_bytes, int error);
void tcp_too_long(const uint8_t *ip, size_t len_bytes, uint16_t mtu);

/* sock.c */
struct tcp_pcb;
void sock_unreachable(struct tcp_pcb *pcb, int error);

/* frame.c: a frame of the raw type arrived. */
#define FRAME_ETHERTYPE 0x88b5u
void frame_input(const uint8_t *data, size_t len_bytes);

#endif
