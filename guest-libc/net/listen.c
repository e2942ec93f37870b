/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen.c - which listener gets a connection, and when
 *
 * One port may have several: those of the address that is called go before
 * those of all addresses, and of several with the same name (SO_REUSEPORT)
 * each has its share of the callers.
 *
 * A connection is made known to the program when the handshake is complete,
 * which it is when we say so: while the program has not taken those before it,
 * or has asked for data to come first, the last segment of the handshake is
 * treated as lost.  The peer is through with its connect() all the same, and
 * what it sends it sends again.
 */
#include "guest-libc/net/hooks.h"
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/sock.h"
#include "lwip/ip.h"
#include "lwip/tcp.h"

/* An answer to a SYN is repeated so often; the answer to the last counts. */
#define DEFER_RETRIES_MAX 5u

/* The @i-th listener of that name, and how many there are. */
static struct tcp_pcb_listen *named(struct tcp_pcb_listen *pcb,
                                    uint32_t address, uint16_t port, uint32_t i,
                                    uint32_t *ret_count)
{
    struct tcp_pcb_listen *found = NULL;

    *ret_count = 0;
    for (; pcb; pcb = pcb->next) {
        if (pcb->local_port == port &&
            ip_2_ip4(&pcb->local_ip)->addr == address && (*ret_count)++ == i) {
            found = pcb;
        }
    }
    return found;
}

/**
 * listen_choose() - who gets the connection that a segment is about
 * @all: every listener
 * @from_port: the caller's, host byte order
 * @port: ours, host byte order
 *
 * Always the same one for the same caller, while no listener comes or goes.
 *
 * Return: the listener, or NULL.
 * Context: lock held, within lwIP's input.
 */
struct tcp_pcb_listen *listen_choose(struct tcp_pcb_listen *all,
                                     uint16_t from_port, uint16_t port)
{
    const uint32_t addresses[] = { ip4_current_dest_addr()->addr, 0 };

    for (unsigned i = 0; i < 2; i++) {
        uint32_t count;
        struct tcp_pcb_listen *found =
            named(all, addresses[i], port, 0, &count);

        if (count > 1) {
            uint32_t choice =
                random_choice(ip4_current_src_addr()->addr, from_port, count);

            found = named(all, addresses[i], port, choice, &count);
        }
        if (found) {
            return found;
        }
    }
    return NULL;
}

/**
 * listen_later() - is the last segment of a handshake to be treated as lost?
 * @pcb: the connection, in SYN_RCVD; its listener listens
 * @len_bytes: of the segment's data
 *
 * Return: whether.
 * Context: lock held, within lwIP's input.
 */
int listen_later(const struct tcp_pcb *pcb, uint16_t len_bytes)
{
    const struct sock *s = pcb->callback_arg;

    if (!pcb->unacked && !pcb->unsent) {
        /* Of a cookie: ours is not repeated, so there is one chance. */
        return 0;
    }
    return pcb->listener->accepts_pending > pcb->listener->backlog ||
           (!len_bytes && s && pcb->nrtx < s->opt.defer_accept &&
            pcb->nrtx < DEFER_RETRIES_MAX);
}
