/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * interface.c - the network interfaces, as programs know them
 *
 * lwIP's own names and numbers are not told: programs look for lo and eth0.
 */
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "lwip/netif.h"

#define LOOPBACK_MTU 65536u

/**
 * net_interface() - one interface
 * @index: from 1; as lwIP numbers them
 * @ret_interface: what it is
 *
 * Return: whether there is one.
 * Context: lock held.
 */
bool net_interface(uint32_t index, struct net_interface *ret_interface)
{
    struct netif *netif = NULL;

    if (index >= 1 && index <= NET_INTERFACES) {
        netif = netif_get_by_index((u8_t)index);
    }
    if (!netif) {
        return false;
    }
    memset(ret_interface, 0, sizeof(*ret_interface));
    ret_interface->loopback = index == 1;
    ret_interface->name = index == 1 ? "lo" : "eth0";
    ret_interface->mtu = index == 1 ? LOOPBACK_MTU : netif->mtu;
    ret_interface->address = netif_ip4_addr(netif)->addr;
    ret_interface->netmask = netif_ip4_netmask(netif)->addr;
    if (index != 1) {
        memcpy(ret_interface->mac, netif->hwaddr, sizeof(ret_interface->mac));
        ret_interface->gateway = netif_ip4_gw(netif)->addr;
    }
    if (index != 1 && ret_interface->address) {
        ret_interface->broadcast =
            ret_interface->address | ~ret_interface->netmask;
    }
    return true;
}

/**
 * net_interface_named() - find an interface
 * @name: as programs know it
 *
 * Return: its number, 0: there is none.
 * Context: lock held.
 */
uint32_t net_interface_named(const char *name)
{
    struct net_interface interface;

    for (uint32_t i = 1; i <= NET_INTERFACES; i++) {
        if (net_interface(i, &interface) && !strcmp(interface.name, name)) {
            return i;
        }
    }
    return 0;
}

/**
 * net_is_inner() - does what is sent there stay in this process?
 * @address: network byte order
 *
 * Return: whether.
 * Context: lock held.
 */
bool net_is_inner(uint32_t address)
{
    return (address & 0xff) == 127 || (address && address == net_address());
}
