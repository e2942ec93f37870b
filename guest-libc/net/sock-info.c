/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock-info.c - TCP_INFO: what lwIP knows of a connection, as Linux tells it
 *
 * lwIP measures times in ticks.  What it does not count is 0.
 */
#include <linux/tcp.h>
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/sock-info.h"
#include "lwip/priv/tcp_priv.h"

#define TICK_US (TCP_SLOW_INTERVAL * 1000u)

_Static_assert(sizeof(struct tcp_info) <= SOCK_INFO_MAX, "room for it");

/* Linux' numbers of the states; lwIP begins with CLOSED and LISTEN. */
static const uint8_t linux_state[] = {
    [CLOSED] = 7,      [LISTEN] = 10,    [SYN_SENT] = 2,   [SYN_RCVD] = 3,
    [ESTABLISHED] = 1, [FIN_WAIT_1] = 4, [FIN_WAIT_2] = 5, [CLOSE_WAIT] = 8,
    [CLOSING] = 11,    [LAST_ACK] = 9,   [TIME_WAIT] = 6,
};

static uint32_t count_segments(const struct tcp_seg *seg)
{
    uint32_t n = 0;

    for (; seg; seg = seg->next) {
        n++;
    }
    return n;
}

static void put_options(struct tcp_info *info, const struct tcp_pcb *pcb)
{
    if (pcb->flags & TF_SACK) {
        info->tcpi_options |= TCPI_OPT_SACK;
    }
    if (pcb->flags & TF_WND_SCALE) {
        info->tcpi_options |= TCPI_OPT_WSCALE;
        info->tcpi_snd_wscale = pcb->snd_scale;
        info->tcpi_rcv_wscale = pcb->rcv_scale;
    }
}

static void put_connection(struct tcp_info *info, const struct tcp_pcb *pcb)
{
    uint32_t mss = pcb->mss ? pcb->mss : 1;

    put_options(info, pcb);
    info->tcpi_retransmits = pcb->nrtx;
    info->tcpi_probes = pcb->persist_probe;
    info->tcpi_backoff = pcb->nrtx;
    info->tcpi_rto = (uint32_t)pcb->rto * TICK_US;
    info->tcpi_snd_mss = pcb->mss;
    info->tcpi_rcv_mss = pcb->mss;
    info->tcpi_advmss = TCP_MSS;
    info->tcpi_pmtu = pcb->mss + 40u;
    info->tcpi_unacked = count_segments(pcb->unacked);
    /* Van Jacobson's scaled averages: 8 times the mean, 4 times the rest. */
    info->tcpi_rtt = (uint32_t)(pcb->sa < 0 ? 0 : pcb->sa) * TICK_US / 8;
    info->tcpi_rttvar = (uint32_t)(pcb->sv < 0 ? 0 : pcb->sv) * TICK_US / 4;
    info->tcpi_snd_cwnd = pcb->cwnd / mss;
    info->tcpi_snd_ssthresh = pcb->ssthresh / mss;
    info->tcpi_rcv_ssthresh = pcb->rcv_wnd;
    info->tcpi_rcv_space = TCP_WND;
    info->tcpi_reordering = 3;
    info->tcpi_notsent_bytes = pcb->snd_lbb - pcb->snd_nxt;
    info->tcpi_snd_wnd = pcb->snd_wnd;
}

/**
 * sock_info() - what is known of a connection
 * @s: the socket
 * @to: struct tcp_info of Linux
 *
 * Return: its length in bytes.
 * Context: lock held.
 */
uint32_t sock_info(const struct sock *s, void *to)
{
    struct tcp_info *info = to;
    uint8_t state = CLOSED;

    memset(info, 0, sizeof(*info));
    if (s->pcb) {
        state = (uint8_t)s->pcb->state;
    }
    info->tcpi_state = linux_state[state];
    if (s->pcb && s->state != SOCK_NEW && s->state != SOCK_LISTENING) {
        put_connection(info, s->pcb);
    }
    return sizeof(*info);
}
