/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * abandon.c - connections that this line of the guest no longer owns (R2)
 *
 * A checkpoint that is started under another identity, or once more, holds
 * connections whose other ends talk to somebody else, or talked about things
 * that never happened here.  A fork lets them go without a word: a reset would
 * kill the original's.  A rollback resets them.
 */
#include "guest-libc/net/net-internal.h"
#include "lwip/priv/tcp_priv.h"

/* 127.0.0.0/8: both ends are ours, and both came along. */
static bool is_inner(const struct tcp_pcb *pcb)
{
    return (ip_2_ip4(&pcb->remote_ip)->addr & 0xff) == 127;
}

/* The pcb is freed; its socket, if it has one, is told afterwards. */
static void give_up(struct tcp_pcb *pcb, bool reset)
{
    tcp_err_fn on_error = pcb->errf;
    void *arg = pcb->callback_arg;

    pcb->errf = NULL;
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
