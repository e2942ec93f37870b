/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * demux.c - which connection a segment is of
 *
 * A table of chains of connections, by a hash of both ends. Looking up writes
 * nothing. That a peer may choose its ports so that its connections share a
 * chain does no harm to anybody before it knows the secret that is mixed in.
 */
#include "guest-libc/net/hooks.h"
#include "guest-libc/net/net-internal.h"
#include "lwip/ip.h"
#include "lwip/tcp.h"

#define DEMUX_CHAINS 4096u

static struct tcp_pcb *demux_chains[DEMUX_CHAINS]
    __attribute__((section(".bss.demux")));
static uint32_t demux_secret;

static uint32_t mix(uint32_t hash, uint32_t word)
{
    hash = (hash ^ word) * 0x85ebca6bu;
    return hash ^ hash >> 15;
}

static struct tcp_pcb **chain(uint32_t local, uint16_t local_port,
                              uint32_t remote, uint16_t remote_port)
{
    uint32_t hash = mix(mix(demux_secret, remote), local);

    hash = mix(hash, (uint32_t)remote_port << 16 | local_port);
    return &demux_chains[hash % DEMUX_CHAINS];
}

static struct tcp_pcb **chain_of(const struct tcp_pcb *pcb)
{
    return chain(ip_2_ip4(&pcb->local_ip)->addr, pcb->local_port,
                 ip_2_ip4(&pcb->remote_ip)->addr, pcb->remote_port);
}

/**
 * demux_add() - a connection begins
 * @pcb: the connection, with both its ends
 *
 * Context: lock held.
 */
void demux_add(struct tcp_pcb *pcb)
{
    struct tcp_pcb **first;

    if (!demux_secret) {
        demux_secret = random_u32() | 1;
    }
    first = chain_of(pcb);
    pcb->found_next = *first;
    *first = pcb;
}

/**
 * demux_remove() - a connection ends
 * @pcb: one that was added; its ends are as they were then
 *
 * Context: lock held.
 */
void demux_remove(struct tcp_pcb *pcb)
{
    struct tcp_pcb **at = chain_of(pcb);

    while (*at && *at != pcb) {
        at = &(*at)->found_next;
    }
    lib_assert(*at == pcb);
    *at = pcb->found_next;
    pcb->found_next = NULL;
}

/**
 * demux_find() - the connection that the current segment is of
 * @remote_port: where it comes from, host byte order
 * @local_port: where it goes to
 *
 * The addresses are lwIP's current ones.
 *
 * Return: the connection, or NULL.
 * Context: lock held, within lwIP's input.
 */
struct tcp_pcb *demux_find(uint16_t remote_port, uint16_t local_port)
{
    uint32_t remote = ip4_current_src_addr()->addr;
    uint32_t local = ip4_current_dest_addr()->addr;
    struct tcp_pcb *pcb = *chain(local, local_port, remote, remote_port);

    for (; pcb; pcb = pcb->found_next) {
        if (pcb->remote_port == remote_port && pcb->local_port == local_port &&
            ip_2_ip4(&pcb->remote_ip)->addr == remote &&
            ip_2_ip4(&pcb->local_ip)->addr == local &&
            (pcb->netif_idx == NETIF_NO_INDEX ||
             pcb->netif_idx == netif_get_index(ip_current_input_netif()))) {
            return pcb;
        }
    }
    return NULL;
}

/**
 * demux_ends() - keep what demux_holds() asks for
 * @pcb: a connection
 * @ret_ends: its names
 *
 * Context: lock held.
 */
void demux_ends(const struct tcp_pcb *pcb, struct demux_ends *ret_ends)
{
    ret_ends->local = ip_2_ip4(&pcb->local_ip)->addr;
    ret_ends->remote = ip_2_ip4(&pcb->remote_ip)->addr;
    ret_ends->local_port = pcb->local_port;
    ret_ends->remote_port = pcb->remote_port;
}

/**
 * demux_holds() - is a connection still there?
 * @pcb: where it was; nothing is read there
 * @ends: its names then
 *
 * Return: whether; true also for another one of the same names that has come
 *         into its place.
 * Context: lock held.
 */
bool demux_holds(const struct tcp_pcb *pcb, const struct demux_ends *ends)
{
    const struct tcp_pcb *at =
        *chain(ends->local, ends->local_port, ends->remote, ends->remote_port);

    while (at && at != pcb) {
        at = at->found_next;
    }
    return at != NULL;
}
