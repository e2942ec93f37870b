/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linger.c - close() that waits until the peer has all (SO_LINGER)
 *
 * The socket is gone by then and lwIP goes on with the connection, which it may
 * free at any time.  So who waits keeps the connection's place and its names and
 * looks whether it is still to be found; each round of the poller looks for all
 * who wait.
 */
#include "guest-libc/net/hooks.h"
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/sock.h"
#include "lwip/priv/tcp_priv.h"

#define LINGER_NS_PER_S 1000000000ull

struct linger {
    struct list node;
    uint32_t word; /* changes when it is to look again */
    const struct tcp_pcb *pcb;
    struct demux_ends ends;
};

static struct list lingering = LIST_INIT(lingering); /* lock */

/* Is the end that we said not acknowledged yet? */
static bool is_ending(const struct linger *l)
{
    const struct tcp_pcb *pcb = l->pcb;

    return demux_holds(pcb, &l->ends) &&
           (pcb->state == FIN_WAIT_1 || pcb->state == CLOSING ||
            pcb->state == LAST_ACK || (pcb->flags & TF_CLOSEPEND));
}

/**
 * linger_run() - wake those whose peers have all
 *
 * Context: lock held; not from within lwIP.
 */
void linger_run(void)
{
    struct list *node;

    list_for_each (node, &lingering) {
        struct linger *l = list_entry(node, struct linger, node);

        if (!is_ending(l)) {
            net_wake(&l->word, 1);
        }
    }
}

static void linger(struct linger *l, uint64_t deadline_ns)
{
    list_append(&lingering, &l->node);
    while (is_ending(l) && !net_sleep(&l->word, l->word, deadline_ns)) {
        continue;
    }
    list_remove(&l->node);
}

/**
 * sock_close() - the last descriptor of a socket is closed
 * @s: of which the caller has the last reference, which it loses
 *
 * With SO_LINGER it waits until the peer has acknowledged all, the time is over
 * or a signal came: whether or not the socket blocks, as Linux has it.
 *
 * Context: a thread of the program, lock held; released while it sleeps.
 */
void sock_close(struct sock *s)
{
    struct linger l = { .pcb = s->pcb };
    uint64_t wait_ns = (uint32_t)s->opt.linger_s * LINGER_NS_PER_S;
    bool waits = s->state == SOCK_CONNECTED && s->pcb && s->opt.linger;

    if (waits) {
        demux_ends(s->pcb, &l.ends);
    }
    file_release(&s->file);
    if (waits && wait_ns) {
        linger(&l, wait_deadline(wait_ns));
    }
}
