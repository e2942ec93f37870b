/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * settle.c - TCP after the end of the program
 *
 * Sockets are closed, and lwIP goes on with their connections as it does after
 * any close(): what was written, then FIN, again and again until it is
 * acknowledged.  With the process all of that would be gone, so the process
 * waits here.  It owes nothing any more to a peer that has acknowledged the
 * FIN: the connection may then be in FIN_WAIT_2, where Linux would wait for the
 * peer's end, and in TIME_WAIT; the peer has all, and whatever it may still say
 * is to nobody.
 */
#include "guest-libc/net/net-internal.h"
#include "lwip/priv/tcp_priv.h"

static uint32_t settle_word; /* nobody changes it: rounds end the sleep */

/**
 * net_refuse() - reset connections that were never accepted by a socket
 *
 * The peer of one that is in the middle of its handshake would believe that it
 * is served.
 *
 * Context: lock held; not from within lwIP; no socket is open.
 */
void net_refuse(void)
{
    struct tcp_pcb *pcb = tcp_active_pcbs;

    while (pcb) {
        struct tcp_pcb *next = pcb->next;

        if (pcb->state == SYN_RCVD) {
            tcp_abort(pcb);
        }
        pcb = next;
    }
}

static bool pcb_owes(const struct tcp_pcb *pcb)
{
    return pcb->state == FIN_WAIT_1 || pcb->state == CLOSING ||
           pcb->state == LAST_ACK || pcb->unsent || pcb->unacked ||
           (pcb->flags & TF_CLOSEPEND);
}

/**
 * net_owes() - is something of ours not acknowledged yet?
 *
 * Return: true while a peer lacks data or the end of a connection.
 * Context: lock held; no socket is open.
 */
bool net_owes(void)
{
    const struct tcp_pcb *pcb;

    for (pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb_owes(pcb)) {
            return true;
        }
    }
    return false;
}

/**
 * net_settle() - wait until peers have all, or TCP has given up
 *
 * Context: lock held, released while it sleeps; no socket is open, no other
 * thread of the program is left.
 */
void net_settle(void)
{
    while (net_owes()) {
        net_sleep(&settle_word, settle_word, SYS_FOREVER);
    }
}
