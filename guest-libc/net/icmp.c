/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * icmp.c - ICMP for programs: ping, and the news that nobody listens
 *
 * lwIP answers echo requests by itself and forgets about all else.  So one raw
 * pcb looks at every ICMP message before lwIP does, and eats none: replies go
 * to sockets, "port unreachable" to the UDP socket that it is about.
 */
#include <errno.h>
#include <string.h>
#include "guest-libc/net/dgram-internal.h"
#include "guest-libc/net/net-internal.h"
#include "lwip/icmp.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip4.h"
#include "lwip/prot/udp.h"
#include "lwip/raw.h"

#define ICMP_HEADER_BYTES 8u
/* Two IP headers, two more headers: what can be of interest. */
#define ICMP_LOOK_BYTES   (2 * (60u + ICMP_HEADER_BYTES))
#define ICMP_QUOTED_BYTES 8u /* of what is in it, at least */
#define ICMP_ID_ATTEMPTS  64

static struct raw_pcb *icmp_pcb;

/* -- in ----------------------------------------------------------------------- */

static size_t ip_header_bytes(const uint8_t *ip)
{
    return (ip[0] & 15) * 4;
}

static uint32_t field32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint16_t field16(const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* What Linux makes of it, and whether another attempt is of no use. */
struct reason {
    int error;
    bool final;
};

static struct reason reason_of(uint8_t type, uint8_t code)
{
    static const struct reason unreachable[] = {
        { ENETUNREACH, false },  { EHOSTUNREACH, false },
        { ENOPROTOOPT, true },   { ECONNREFUSED, true },
        { EMSGSIZE, false },     { EOPNOTSUPP, false },
        { ENETUNREACH, true },   { EHOSTDOWN, true },
        { ENONET, true },        { ENETUNREACH, true },
        { EHOSTUNREACH, true },  { ENETUNREACH, false },
        { EHOSTUNREACH, false }, { EHOSTUNREACH, true },
        { EHOSTUNREACH, true },  { EHOSTUNREACH, true },
    };

    switch (type) {
    case ICMP_DUR:
        return code < sizeof(unreachable) / sizeof(unreachable[0])
                   ? unreachable[code]
                   : (struct reason){ 0 };
    case ICMP_TE:
        return (struct reason){ EHOSTUNREACH, false };
    case ICMP_PP:
        return (struct reason){ EPROTO, true };
    default:
        return (struct reason){ 0 };
    }
}

static void udp_undelivered(const uint8_t *ip, int error)
{
    size_t header = ip_header_bytes(ip);
    struct sock_addr remote;

    remote.address = field32(ip + 16);
    remote.port = field16(ip + header + 2);
    dgram_unreachable(field16(ip + header), &remote, error);
}

/* Is @ip a packet of ours, with the ends and the number of what is in it? */
static bool is_of_ours(const uint8_t *ip, size_t len_bytes)
{
    size_t header = len_bytes >= IP_HLEN ? ip_header_bytes(ip) : 0;

    return header >= IP_HLEN && len_bytes >= header + ICMP_QUOTED_BYTES &&
           link_is_ours(field32(ip + 12));
}

/* @quoted: the IP packet that could not be delivered, as far as it was sent. */
static void undelivered(const uint8_t *message, const uint8_t *quoted,
                        size_t len_bytes)
{
    struct reason reason = reason_of(message[0], message[1]);

    if (!reason.error || !is_of_ours(quoted, len_bytes)) {
        return;
    }
    if (quoted[9] == IP_PROTO_UDP && reason.final) {
        udp_undelivered(quoted, reason.error);
    } else if (quoted[9] != IP_PROTO_TCP) {
        return;
    } else if (reason.error == EMSGSIZE) {
        tcp_too_long(quoted, len_bytes, lwip_ntohs(field16(message + 6)));
    } else {
        tcp_undelivered(quoted, len_bytes, reason.error);
    }
}

/**
 * icmp_no_neighbour() - nobody has answered for a packet's next hop
 * @packet: of IP
 *
 * Context: lock held, from within lwIP's ARP.
 */
void icmp_no_neighbour(const struct pbuf *packet)
{
    static const uint8_t message[ICMP_HEADER_BYTES] = { ICMP_DUR,
                                                        ICMP_DUR_HOST };
    uint8_t look[ICMP_LOOK_BYTES];
    size_t len = pbuf_copy_partial(packet, look, sizeof(look), 0);

    undelivered(message, look, len);
}

/* A copy without its first @skip bytes. */
static struct pbuf *copy_of(struct pbuf *p, size_t skip)
{
    struct pbuf *copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);

    if (copy) {
        pbuf_remove_header(copy, skip);
    }
    return copy;
}

static void hand_out(struct pbuf *p, const uint8_t *message, size_t header,
                     uint32_t from)
{
    uint8_t type = message[0];
    struct list *node;

    list_for_each (node, &dgram_all) {
        struct dgram *d = list_entry(node, struct dgram, node);
        struct pbuf *copy;
        bool raw = d->kind == DGRAM_RAW;

        if (d->kind == DGRAM_UDP ||
            (d->connected && d->remote.address != from)) {
            continue;
        }
        if (raw ? type < 32 && (d->icmp_filter >> type & 1)
                : type != ICMP_ER || field16(message + 4) != d->local.port) {
            continue;
        }
        copy = copy_of(p, raw ? 0 : header);
        if (copy) {
            dgram_deliver(d, copy, from, 0);
        }
    }
}

static bool checksum_is_good(struct pbuf *p, size_t header)
{
    uint16_t sum;

    pbuf_remove_header(p, header);
    sum = inet_chksum_pbuf(p);
    pbuf_header_force(p, (s16_t)header);
    return sum == 0;
}

/* lwIP goes on with @p: it stays as it is. */
static u8_t icmp_on_recv(void *arg, struct raw_pcb *pcb, struct pbuf *p,
                         const ip_addr_t *from)
{
    uint8_t look[ICMP_LOOK_BYTES];
    size_t len = pbuf_copy_partial(p, look, sizeof(look), 0);
    size_t header = len >= IP_HLEN ? ip_header_bytes(look) : 0;
    size_t inner = header + ICMP_HEADER_BYTES;

    (void)arg;
    (void)pcb;
    if (header < IP_HLEN || len < inner || p->len < header ||
        !checksum_is_good(p, header)) {
        return 0;
    }
    undelivered(look + header, look + inner, len - inner);
    hand_out(p, look + header, header, ip_2_ip4(from)->addr);
    return 0;
}

/**
 * icmp_start() - look at ICMP messages from now on
 *
 * Context: once, after lwip_init().
 */
void icmp_start(void)
{
    icmp_pcb = raw_new(IP_PROTO_ICMP);
    lib_assert(icmp_pcb);
    raw_recv(icmp_pcb, icmp_on_recv, NULL);
}

/* -- out ---------------------------------------------------------------------- */

static bool id_is_free(uint16_t id)
{
    struct list *node;

    list_for_each (node, &dgram_all) {
        struct dgram *d = list_entry(node, struct dgram, node);

        if (d->kind == DGRAM_PING && d->local.port == id) {
            return false;
        }
    }
    return id != 0;
}

/**
 * icmp_bind() - give a socket of ICMP a local name
 * @d: the socket
 * @local: its port is the number of PING's requests; 0: a free one
 *
 * Return: 0, -EINVAL, -EADDRINUSE.
 * Context: lock held.
 */
long icmp_bind(struct dgram *d, const struct sock_addr *local)
{
    uint16_t id = local->port;

    if (d->kind == DGRAM_PING) {
        if (d->local.port) {
            return -EINVAL;
        }
        for (int i = 0; !id && i < ICMP_ID_ATTEMPTS; i++) {
            id = (uint16_t)random_u32();
            id = id_is_free(id) ? id : 0;
        }
        if (!id || !id_is_free(id)) {
            return -EADDRINUSE;
        }
        d->local.port = id;
    }
    d->local.address = local->address;
    return 0;
}

/* The message's number and checksum are ours to say. */
static long ping_prepare(struct dgram *d, struct pbuf *p)
{
    struct icmp_echo_hdr *echo = p->payload;
    static const struct sock_addr any;
    long ret;

    if (p->tot_len < sizeof(*echo) || echo->type != ICMP_ECHO || echo->code) {
        return -EINVAL;
    }
    ret = d->local.port ? 0 : icmp_bind(d, &any);
    if (ret) {
        return ret;
    }
    echo->id = d->local.port;
    echo->chksum = 0;
    echo->chksum = inet_chksum_pbuf(p);
    return 0;
}

/**
 * icmp_send() - send an ICMP message
 * @d: PING or RAW
 * @p: the message, without an IP header; stays the caller's
 * @to_address: network byte order
 *
 * Return: 0, -EINVAL (PING: not an echo request), or as dgram_errno().
 * Context: lock held.
 */
long icmp_send(struct dgram *d, struct pbuf *p, uint32_t to_address)
{
    ip_addr_t address = { .addr = to_address };
    long ret = d->kind == DGRAM_PING ? ping_prepare(d, p) : 0;

    if (ret) {
        return ret;
    }
    icmp_pcb->ttl = dgram_ttl(d);
    icmp_pcb->tos = d->opt.tos;
    return dgram_errno(d, raw_sendto(icmp_pcb, p, &address));
}
