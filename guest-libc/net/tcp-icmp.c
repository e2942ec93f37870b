/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp-icmp.c - what the network tells of TCP's packets
 *
 * Anybody can send such a message.  So it is believed only if it quotes a
 * sequence number that is under way (RFC 5927), and of a connection that is made
 * it can never end anything: TCP goes on trying, and says in the end why it was
 * in vain (RFC 1122, 4.2.3.9).  One that is being made ends, as on Linux.
 */
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/tcp-timers.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"

/* Linux takes no less (min_pmtu): a lie costs no more than this. */
#define PATH_MTU_MIN 552u
#define HEADERS      (IP_HLEN + TCP_HLEN)

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint16_t port_of(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

/* Whose packet is quoted: one that is under way. */
static struct tcp_pcb *quoted_pcb(const uint8_t *ip, size_t len_bytes)
{
    const uint8_t *tcp = ip + (ip[0] & 15) * 4;
    struct tcp_pcb *pcb;
    uint32_t seqno;

    if (tcp + 8 > ip + len_bytes) {
        return NULL;
    }
    seqno = lwip_ntohl(get32(tcp + 4));
    for (pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->local_port == port_of(tcp) &&
            pcb->remote_port == port_of(tcp + 2) &&
            ip_2_ip4(&pcb->local_ip)->addr == get32(ip + 12) &&
            ip_2_ip4(&pcb->remote_ip)->addr == get32(ip + 16)) {
            return TCP_SEQ_BETWEEN(seqno, pcb->lastack, pcb->snd_nxt) ? pcb
                                                                      : NULL;
        }
    }
    return NULL;
}

/**
 * tcp_undelivered() - a packet did not reach its destination
 * @ip: the packet, as far as it is known
 * @len_bytes: of it
 * @error: positive errno
 *
 * Context: lock held; not from within lwIP's TCP.
 */
void tcp_undelivered(const uint8_t *ip, size_t len_bytes, int error)
{
    struct tcp_pcb *pcb = quoted_pcb(ip, len_bytes);

    tcp_output_look();
    if (!pcb || tcp_output_is_held(pcb)) {
        return;
    }
    sock_unreachable(pcb, error);
    if (pcb->state == SYN_SENT || pcb->state == SYN_RCVD) {
        tcp_abandon(pcb, 0);
    }
}

/* No segment that waits is longer than @mss then; false: no memory. */
static bool split_all(struct tcp_pcb *pcb, uint16_t mss)
{
    struct tcp_seg *first = pcb->unsent, *seg = first;
    err_t err = ERR_OK;

    /* lwIP splits what is at the head of the queue. */
    while (seg && err == ERR_OK) {
        pcb->unsent = seg;
        err = tcp_split_unsent_seg(pcb, mss);
        seg = seg->next;
    }
    pcb->unsent = first;
    return err == ERR_OK;
}

/* A larger one that was tried and did not fit (RFC 1191, 7.1). */
static uint16_t next_plateau(uint16_t length)
{
    static const uint16_t plateaus[] = { 8166, 4352, 2002, 1492, 1006 };

    for (size_t i = 0; i < sizeof(plateaus) / sizeof(plateaus[0]); i++) {
        if (plateaus[i] < length) {
            return plateaus[i];
        }
    }
    return PATH_MTU_MIN;
}

/**
 * tcp_too_long() - a packet was longer than a network on its way takes
 * @ip: the packet, as far as it is known
 * @len_bytes: of it
 * @mtu: what that network takes, 0: a router that does not say
 *
 * What is under way is sent again in pieces that fit, at once: it was not lost
 * to a queue that overflowed.
 *
 * Context: lock held; not from within lwIP's TCP.
 */
void tcp_too_long(const uint8_t *ip, size_t len_bytes, uint16_t mtu)
{
    struct tcp_pcb *pcb = quoted_pcb(ip, len_bytes);
    uint16_t mss;

    if (!pcb || pcb->state < ESTABLISHED) {
        return;
    }
    if (!mtu) {
        mtu = next_plateau(port_of(ip + 2));
    }
    mss = (mtu > PATH_MTU_MIN ? mtu : PATH_MTU_MIN) - HEADERS;
    if (mss >= pcb->mss) {
        return;
    }
    if (pcb->unacked && tcp_rexmit_rto_prepare(pcb) != ERR_OK) {
        /* It has not even left: the next one will tell again. */
        return;
    }
    if (split_all(pcb, mss)) {
        pcb->mss = mss;
    }
    clock_touch();
    tcp_output(pcb);
}
