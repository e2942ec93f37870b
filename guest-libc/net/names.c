/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.c - which local names a socket may have
 *
 * lwIP knows of one reason to share a port; Linux knows several, and programs
 * rely on each: a server that starts again beside its old connections, one
 * that moves its listener, workers with a listener each.  So the rules are
 * here, and lwIP is told to allow what passed them (SOF_REUSEADDR on every
 * pcb; what the program said is in SOCK_REUSE* beside it).
 *
 * A name has owners: sockets that were bound to it, whatever became of them
 * since; connections that got it otherwise (accepted, or connected without
 * bind()); and connections that the program has closed, until TCP is done with
 * them.  One that is only half open owns nothing yet.  Two owners whose
 * addresses differ, and neither of which is "any", are no matter for one
 * another.  Otherwise both must have said SO_REUSEPORT, or both SO_REUSEADDR
 * and the one that is there does not listen.  It is asked at bind() and again
 * at listen(): two that were bound may not both listen.  UDP has the same
 * rules without the listening, and all its owners are sockets.
 */
#include "guest-libc/net/dgram-internal.h"
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/sock.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"

/* Of sock.bound_node: they were given a port by bind(). */
static struct list names_bound = LIST_INIT(names_bound);

struct owner {
    uint32_t address;
    bool reuseaddr, reuseport, listens;
};

/* Ports that nobody named, as on Linux. */
#define PORT_FIRST 32768u
#define PORT_COUNT 28232u

static bool overlap(uint32_t a, uint32_t b)
{
    return !a || !b || a == b;
}

/*
 * @exclusive: the port is of our choice, so nobody is to share it
 */
static bool conflicts(const struct sock *s, uint32_t address,
                      const struct owner *owner, bool exclusive)
{
    if (!overlap(address, owner->address)) {
        return false;
    }
    if (exclusive) {
        return true;
    }
    return !(s->reuseport && owner->reuseport) &&
           !(s->reuse && owner->reuseaddr && !owner->listens);
}

/* A pcb that owns its name while no socket of names_bound does. */
static bool pcb_owns(const struct tcp_pcb *pcb, uint16_t port)
{
    const struct sock *s = pcb->callback_arg;

    return pcb->local_port == port && pcb->state != SYN_RCVD &&
           (!s || !s->port_named);
}

static bool pcbs_conflict(const struct tcp_pcb *pcb, const struct sock *s,
                          uint32_t address, uint16_t port, bool exclusive)
{
    for (; pcb; pcb = pcb->next) {
        struct owner owner = {
            .address = ip_2_ip4(&pcb->local_ip)->addr,
            .reuseaddr = ip_get_option(pcb, SOCK_REUSEADDR) != 0,
            .reuseport = ip_get_option(pcb, SOCK_REUSEPORT) != 0,
            .listens = pcb->state == LISTEN,
        };

        if (pcb_owns(pcb, port) && pcb->callback_arg != s &&
            conflicts(s, address, &owner, exclusive)) {
            return true;
        }
    }
    return false;
}

static bool is_taken(const struct sock *s, uint32_t address, uint16_t port,
                     bool exclusive)
{
    const struct list *node;

    list_for_each (node, &names_bound) {
        const struct sock *other = list_entry(node, struct sock, bound_node);
        struct owner owner = {
            .address = other->local.address,
            .reuseaddr = other->reuse,
            .reuseport = other->reuseport,
            .listens = other->state == SOCK_LISTENING,
        };

        if (other != s && lwip_ntohs(other->local.port) == port &&
            conflicts(s, address, &owner, exclusive)) {
            return true;
        }
    }
    return pcbs_conflict(tcp_bound_pcbs, s, address, port, exclusive) ||
           pcbs_conflict(tcp_listen_pcbs.pcbs, s, address, port, exclusive) ||
           pcbs_conflict(tcp_active_pcbs, s, address, port, exclusive) ||
           pcbs_conflict(tcp_tw_pcbs, s, address, port, exclusive);
}

/**
 * name_is_free() - may this socket have this name, and its options with it?
 * @s: the socket; a name of its own is no obstacle
 * @name: port not 0
 *
 * Return: whether Linux would allow it.
 * Context: lock held.
 */
bool name_is_free(const struct sock *s, const struct sock_addr *name)
{
    return !is_taken(s, name->address, lwip_ntohs(name->port), false);
}

static bool udp_is_taken(const struct dgram *d, uint32_t address, uint16_t port,
                         bool exclusive)
{
    const struct list *node;

    list_for_each (node, &dgram_all) {
        struct dgram *other = list_entry(node, struct dgram, node);
        struct sock_addr local;

        if (other == d || other->kind != DGRAM_UDP || !other->pcb) {
            continue;
        }
        dgram_local(other, &local);
        if (local.port == port && overlap(address, local.address) &&
            (exclusive || !((d->reuse && other->reuse) ||
                            (d->reuseport && other->reuseport)))) {
            return true;
        }
    }
    return false;
}

/* A connection between the same ends, or somebody who asked for the port. */
static bool is_taken_towards(uint16_t port, const struct sock_addr *remote)
{
    const struct tcp_pcb *const lists[] = { tcp_active_pcbs, tcp_tw_pcbs };
    const struct tcp_pcb *const named[] = { tcp_bound_pcbs,
                                            tcp_listen_pcbs.pcbs };
    const struct list *node;

    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const struct tcp_pcb *pcb = lists[i]; pcb; pcb = pcb->next) {
            if (pcb->local_port == port &&
                pcb->remote_port == lwip_ntohs(remote->port) &&
                ip_2_ip4(&pcb->remote_ip)->addr == remote->address) {
                return true;
            }
        }
    }
    list_for_each (node, &names_bound) {
        if (lwip_ntohs(list_entry(node, struct sock, bound_node)->local.port) ==
            port) {
            return true;
        }
    }
    for (unsigned i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        for (const struct tcp_pcb *pcb = named[i]; pcb; pcb = pcb->next) {
            if (pcb->local_port == port) {
                return true;
            }
        }
    }
    return false;
}

/**
 * name_free_port() - a port that an outsider cannot guess
 * @s: who is to have it
 * @address: of its name, network byte order
 * @remote: it connects there, so the port may be in use towards others; NULL:
 *          it does not
 *
 * Return: network byte order; 0: none is free.
 * Context: lock held.
 */
uint16_t name_free_port(const struct sock *s, uint32_t address,
                        const struct sock_addr *remote)
{
    uint32_t start = random_u32() % PORT_COUNT;

    for (uint32_t i = 0; i < PORT_COUNT; i++) {
        uint16_t port = PORT_FIRST + (start + i) % PORT_COUNT;

        if (!(remote ? is_taken_towards(port, remote)
                     : is_taken(s, address, port, true))) {
            return lwip_htons(port);
        }
    }
    return 0;
}

/**
 * name_keep() - the socket was bound: its name is its own until it is closed
 * @s: the socket
 *
 * Context: lock held.
 */
void name_keep(struct sock *s)
{
    s->port_named = true;
    list_append(&names_bound, &s->bound_node);
}

/**
 * name_drop() - the socket goes
 * @s: the socket, bound or not
 *
 * Context: lock held.
 */
void name_drop(struct sock *s)
{
    if (s->port_named) {
        s->port_named = false;
        list_remove(&s->bound_node);
    }
}

/**
 * name_udp_is_free() - may this socket have this name?
 * @d: a UDP socket
 * @name: port not 0
 *
 * Return: whether Linux would allow it.
 * Context: lock held.
 */
bool name_udp_is_free(const struct dgram *d, const struct sock_addr *name)
{
    return !udp_is_taken(d, name->address, name->port, false);
}

/**
 * name_udp_free_port() - a port that an outsider cannot guess
 * @d: a UDP socket, who is to have it
 * @address: of its name, network byte order
 *
 * Return: network byte order; 0: none is free.
 * Context: lock held.
 */
uint16_t name_udp_free_port(const struct dgram *d, uint32_t address)
{
    uint32_t start = random_u32() % PORT_COUNT;

    for (uint32_t i = 0; i < PORT_COUNT; i++) {
        uint16_t port = lwip_htons(PORT_FIRST + (start + i) % PORT_COUNT);

        if (!udp_is_taken(d, address, port, true)) {
            return port;
        }
    }
    return 0;
}
