/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hooks.h - places where lwIP calls the library */
#ifndef NET_HOOKS_H
#define NET_HOOKS_H

#include <stdbool.h>
#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"

struct dhcp;
struct tcp_hdr;
struct tcp_pcb;
struct tcp_pcb_listen;

uint32_t random_isn(const ip_addr_t *local, uint16_t local_port,
                    const ip_addr_t *remote, uint16_t remote_port);
struct tcp_pcb_listen *listen_choose(struct tcp_pcb_listen *all,
                                     uint16_t from_port, uint16_t port);
void icmp_no_neighbour(const struct pbuf *packet);
void demux_add(struct tcp_pcb *pcb);
void demux_remove(struct tcp_pcb *pcb);
struct tcp_pcb *demux_find(uint16_t remote_port, uint16_t local_port);
/* A connection that may be freed meanwhile, and whether it was. */
struct demux_ends {
    uint32_t local, remote;
    uint16_t local_port, remote_port;
};
void demux_ends(const struct tcp_pcb *pcb, struct demux_ends *ret_ends);
bool demux_holds(const struct tcp_pcb *pcb, const struct demux_ends *ends);
int listen_later(const struct tcp_pcb *pcb, uint16_t len_bytes);
void cookie_send(const struct tcp_pcb_listen *pcb, const struct tcp_hdr *hdr,
                 uint16_t option_bytes);
#define COOKIE_LATER 1u
uint16_t cookie_check(const struct tcp_pcb_listen *pcb,
                      const struct tcp_hdr *hdr);
void lease_option(struct dhcp *dhcp, uint8_t message_type, uint8_t option,
                  uint8_t len_bytes, const struct pbuf *p, uint16_t offset);

#endif
