/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * abandon.c - connections that this line of the guest no longer owns (R2)
 *
 * A checkpoint that is started under another identity, or once more, holds
 * connections whose other ends talk to somebody else, or talked about things
 * that never happened here.  A fork lets them go without a word: a reset would
 * kill the original's.  A rollback resets them.
 */
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip4.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"

/* 127.0.0.0/8: both ends are ours, and both came along. */
static bool is_inner(const struct tcp_pcb *pcb)
{
    return (ip_2_ip4(&pcb->remote_ip)->addr & 0xff) == 127;
}

/*
 * A reset without an acknowledgement: a peer that has our SYN believes it, and
 * one that has not, because it lay in the hold, goes on asking.  It would take
 * the other kind for a refusal.
 */
static void reset_half_open(const struct tcp_pcb *pcb)
{
    struct netif *netif = ip4_route(ip_2_ip4(&pcb->remote_ip));
    struct pbuf *p = pbuf_alloc(PBUF_IP, TCP_HLEN, PBUF_RAM);
    struct tcp_hdr *reset;

    if (!p) {
        return;
    }
    if (netif) {
        reset = p->payload;
        memset(reset, 0, TCP_HLEN);
        reset->src = lwip_htons(pcb->local_port);
        reset->dest = lwip_htons(pcb->remote_port);
        reset->seqno = lwip_htonl(pcb->snd_nxt);
        TCPH_HDRLEN_FLAGS_SET(reset, TCP_HLEN / 4, TCP_RST);
        reset->chksum = ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len,
                                         &pcb->local_ip, &pcb->remote_ip);
        ip4_output_if(p, ip_2_ip4(&pcb->local_ip), ip_2_ip4(&pcb->remote_ip),
                      pcb->ttl, pcb->tos, IP_PROTO_TCP, netif);
    }
    pbuf_free(p);
}

/* The pcb is freed; its socket, if it has one, is told afterwards. */
static void give_up(struct tcp_pcb *pcb, bool reset)
{
    tcp_err_fn on_error = pcb->errf;
    void *arg = pcb->callback_arg;

    pcb->errf = NULL;
    if (reset && pcb->state == SYN_RCVD) {
        reset_half_open(pcb);
        reset = false;
    }
    tcp_abandon(pcb, reset);
    if (on_error) {
        on_error(arg, ERR_CONN);
    }
}

static void list_give_up(struct tcp_pcb *pcb, bool reset)
{
    while (pcb) {
        struct tcp_pcb *next = pcb->next;

        if (!is_inner(pcb)) {
            give_up(pcb, reset);
        }
        pcb = next;
    }
}

/**
 * net_abandon() - give up all TCP connections that leave this process
 * @reset: tell the peers; else not a frame leaves, not even one that waits for
 *         a neighbour's address
 *
 * The program finds them reset (ECONNRESET), those that were being made timed
 * out.  Listeners stay, and so do connections by way of 127.0.0.0/8.  A reset
 * for which the hold has no room is lost: the peer gets one when it speaks.
 *
 * Context: lock held; not from within lwIP.
 */
void net_abandon(bool reset)
{
    if (!reset) {
        link_forget_neighbours();
    }
    list_give_up(tcp_active_pcbs, reset);
    list_give_up(tcp_tw_pcbs, false);
}
