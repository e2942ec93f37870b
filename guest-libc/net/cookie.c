/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cookie.c - connections that are half open and of which nothing is kept
 *
 * Who has said SYN without meaning it costs a listener one of its places until
 * the answer has been repeated in vain.  When none is left our sequence number
 * is made of what has to be known later, under a key; the segment that
 * completes the handshake brings it back, and the connection is made then.  So
 * the places are not what limits connections that are meant.
 *
 * What it costs is what has no room in 32 bits: such a connection has neither
 * window scaling nor selective acknowledgements.
 *
 *   bits 31-27  the time, in units of COOKIE_UNIT_NS
 *   bits 26-24  the peer's segment size, as an index
 *   bits 23-0   of the keyed hash of these and the two ends, plus the peer's
 *               number
 *
 * The peer's number is added and not hashed, so that a later segment of such a
 * connection shows what it is too: it is dropped, and the peer says all again,
 * from the beginning. A reset would end what the peer believes to be connected.
 */
#include "guest-libc/net/hooks.h"
#include "guest-libc/net/net-internal.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip4.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"

#define COOKIE_UNIT_NS 64000000000ull
#define COOKIE_AGE_MAX 3u /* units; the answer may lie in the hold first */
#define COOKIE_TIME(c) ((c) >> 27)
#define COOKIE_TIMES   32u
#define COOKIE_SIZE(c) ((c) >> 24 & 7)
#define COOKIE_HASH    0xffffffu
#define COOKIE_WINDOW  0xffffu /* that cookie_send() grants */

#define SYN_BYTES      (TCP_HLEN + LWIP_TCP_OPT_LEN_MSS)

static const uint16_t cookie_sizes[8] = {
    536, 900, 1220, 1300, 1400, 1440, 1460, 8960,
};

/* When one was given out last, in units, plus 1; 0: never. */
static uint64_t cookie_last;

static uint64_t cookie_now(void)
{
    return prim_now_ns() / COOKIE_UNIT_NS + 1;
}

static uint32_t cookie_hash(const struct tcp_hdr *hdr, uint64_t time,
                            uint32_t size)
{
    uint64_t addresses = (uint64_t)ip4_current_src_addr()->addr << 32 |
                         ip4_current_dest_addr()->addr;
    uint32_t ports = (uint32_t)hdr->src << 16 | hdr->dest;

    return random_hash(random_hash(addresses, ports),
                       (time & 0xffffffff) << 8 | size) &
           COOKIE_HASH;
}

/* The segment size that the SYN says; its options lie behind the header. */
static uint16_t peer_mss(const struct tcp_hdr *hdr, uint16_t option_bytes)
{
    const uint8_t *option = (const uint8_t *)(hdr + 1);
    uint16_t at = 0;

    while (at < option_bytes && option[at] != LWIP_TCP_OPT_EOL) {
        uint16_t left = option_bytes - at;

        if (option[at] == LWIP_TCP_OPT_NOP) {
            at++;
            continue;
        }
        if (left < 2 || option[at + 1] < 2 || option[at + 1] > left) {
            break;
        }
        if (option[at] == LWIP_TCP_OPT_MSS &&
            option[at + 1] == LWIP_TCP_OPT_LEN_MSS) {
            return option[at + 2] << 8 | option[at + 3];
        }
        at += option[at + 1];
    }
    return cookie_sizes[0];
}

/**
 * cookie_send() - answer a SYN and forget it
 * @pcb: the listener
 * @hdr: the SYN, fields in host byte order; its ends are lwIP's current ones
 * @option_bytes: of its options, as many as lie behind it
 *
 * Without memory or a way to the peer nothing is sent: it asks again.
 *
 * Context: lock held, within lwIP's input.
 */
void cookie_send(const struct tcp_pcb_listen *pcb, const struct tcp_hdr *hdr,
                 uint16_t option_bytes)
{
    const ip4_addr_t *to = ip4_current_src_addr();
    struct netif *netif = ip4_route(to);
    struct pbuf *p = pbuf_alloc(PBUF_IP, SYN_BYTES, PBUF_RAM);
    uint16_t mss = peer_mss(hdr, option_bytes);
    struct tcp_hdr *answer;
    uint32_t size = 0;

    if (!p) {
        return;
    }
    if (!netif) {
        pbuf_free(p);
        return;
    }
    while (size < 7 && cookie_sizes[size + 1] <= mss) {
        size++;
    }
    cookie_last = cookie_now();
    answer = p->payload;
    answer->src = lwip_htons(hdr->dest);
    answer->dest = lwip_htons(hdr->src);
    answer->seqno = lwip_htonl(
        (uint32_t)(cookie_last % COOKIE_TIMES) << 27 | size << 24 |
        ((cookie_hash(hdr, cookie_last, size) + hdr->seqno) & COOKIE_HASH));
    answer->ackno = lwip_htonl(hdr->seqno + 1);
    TCPH_HDRLEN_FLAGS_SET(answer, SYN_BYTES / 4, TCP_SYN | TCP_ACK);
    answer->wnd = lwip_htons(TCPWND_MIN16(TCP_WND));
    answer->urgp = 0;
    answer->chksum = 0;
    *(uint32_t *)(answer + 1) =
        TCP_BUILD_MSS_OPTION(tcp_eff_send_mss_netif(TCP_MSS, netif, to));
    answer->chksum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len,
                                      ip4_current_dest_addr(), to);
    ip4_output_if(p, ip4_current_dest_addr(), to, pcb->ttl, pcb->tos,
                  IP_PROTO_TCP, netif);
    pbuf_free(p);
}

/**
 * cookie_check() - does a segment to a listener bring a cookie back?
 * @pcb: the listener
 * @hdr: the segment, as for cookie_send()
 *
 * Return: the peer's segment size; COOKIE_LATER: the segment is of such a
 *         connection, but not the first; 0: it does not.
 * Context: lock held, within lwIP's input.
 */
uint16_t cookie_check(const struct tcp_pcb_listen *pcb,
                      const struct tcp_hdr *hdr)
{
    uint32_t cookie = hdr->ackno - 1, size = COOKIE_SIZE(cookie);
    uint64_t now = cookie_now();
    uint32_t age = (now - COOKIE_TIME(cookie)) % COOKIE_TIMES;
    uint32_t peer_number, offset;

    (void)pcb;
    if (!cookie_last || now - cookie_last > COOKIE_AGE_MAX ||
        age > COOKIE_AGE_MAX) {
        return 0;
    }
    peer_number = cookie - cookie_hash(hdr, now - age, size);
    offset = (hdr->seqno - 1 - peer_number) & COOKIE_HASH;
    if (offset > COOKIE_WINDOW) {
        return 0;
    }
    return offset ? COOKIE_LATER : cookie_sizes[size];
}
