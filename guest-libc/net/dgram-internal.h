/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dgram-internal.h - between dgram.c (queues, UDP) and icmp.c */
#ifndef NET_DGRAM_INTERNAL_H
#define NET_DGRAM_INTERNAL_H

#include "guest-libc/net/dgram.h"
#include "lwip/pbuf.h"

/* dgram.c */
extern struct list dgram_all; /* of struct dgram.node */
/* @p is taken over; from within lwIP's input: the rest is in its header. */
void dgram_deliver(struct dgram *d, struct pbuf *p, uint32_t from_address,
                   uint16_t from_port);
/* An error that the peer or a router reported: positive errno. */
void dgram_fail(struct dgram *d, int error);
/* Memory for @len_bytes in pieces, with room for headers; NULL without. */
struct pbuf *dgram_pbuf(size_t len_bytes);
/* What lwIP's err_t means here. */
long dgram_errno(struct dgram *d, err_t err);
/* The UDP socket that sends from @local_port to @remote, if it is connected. */
void dgram_unreachable(uint16_t local_port, const struct sock_addr *remote,
                       int error);

/* names.c; ports in network byte order */
bool name_udp_is_free(const struct dgram *d, const struct sock_addr *name);
uint16_t name_udp_free_port(const struct dgram *d, uint32_t address);

static inline uint8_t dgram_ttl(const struct dgram *d)
{
    return d->opt.ttl < 0 ? OPTION_TTL_DEFAULT : (uint8_t)d->opt.ttl;
}

/* icmp.c: of kinds PING and RAW; as the functions of dgram.h */
long icmp_bind(struct dgram *d, const struct sock_addr *local);
long icmp_send(struct dgram *d, struct pbuf *p, uint32_t to_address);

#endif
