/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - TCP for posix/, and who polls the NIC
 *
 * The library has no thread of its own that waits for packets: the thread of
 * the program that would block looks into the receive ring, runs TCP, and then
 * sleeps on the ring's event word.  See poller.c.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

/* poller.c */
/* One round: frames, timers, messages from the host. Return: any frame? */
bool net_poll(void);
/*
 * Sleep until *word != seen or the deadline, polling if nobody else does.
 * May return early.  0, -EINTR, -ETIMEDOUT.  Context: lock held.
 */
long net_sleep(uint32_t *word, uint32_t seen, uint64_t deadline_ns);
/* ++*word and wake up to @count that sleep there by net_sleep(). */
void net_wake(uint32_t *word, uint32_t count);
/* Helper thread: polls when the program does not. */
long net_helper_start(void);
/* True without a network: only loopback works. */
bool net_is_local(void);
/* Our address, network byte order; 0: none. */
uint32_t net_address(void);

/* interface.c: as programs see them; addresses in network byte order */
#define NET_INTERFACES 2u /* they are numbered from 1: lo, eth0 */
struct net_interface {
    const char *name;
    uint32_t address, netmask, broadcast, gateway; /* 0: none */
    uint32_t mtu;
    uint8_t mac[6];
    bool loopback;
};
/* False: there is none of that number. */
bool net_interface(uint32_t index, struct net_interface *ret_interface);
/* An address of ours, or of loopback: what goes there does not leave. */
bool net_is_inner(uint32_t address);
/* The number of that name, 0: none. */
uint32_t net_interface_named(const char *name);

/* settle.c: the process ends.  Lock held, all sockets closed. */
/* Connections that no socket ever had are reset. */
void net_refuse(void);
/* Is something not acknowledged yet, data or the end of a connection? */
bool net_owes(void);
/* Wait until all is, or TCP has given up. */
void net_settle(void);

/* abandon.c, link.c: what R2 asks for; addresses in network byte order */
/*
 * Give up every TCP connection that leaves this process: with a reset to its
 * peer, or without a frame.  Listeners and loopback stay.  Lock held.
 */
void net_abandon(bool reset);
/*
 * Be somebody else from now on, and say so (gratuitous ARP).  @mac NULL: the
 * same hardware address; it is the caller who has the kernel deliver to a new
 * one.  @by_dhcp: ask for an address, under a new lease.  Neighbours are forgotten, with what waited for them.  Connections that
 * are left are reset by it, so net_abandon() comes first.  Lock held.
 */
void net_readdress(const uint8_t mac[6], uint32_t address, uint32_t netmask,
                   uint32_t gateway, bool by_dhcp);

#endif
