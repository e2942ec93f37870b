/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ifreq.c - what ioctl() tells of network interfaces, on any socket */
#include <errno.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/ifreq.h"

#define NAME_BYTES     16u
#define QUEUE_LENGTH   1000
#define FLAGS_LOOPBACK 0x49u   /* UP LOOPBACK RUNNING */
#define FLAGS_NIC      0x1043u /* UP BROADCAST RUNNING MULTICAST */

#define GIFNAME        0x8910u
#define GIFCONF        0x8912u
#define GIFFLAGS       0x8913u
#define GIFADDR        0x8915u
#define GIFDSTADDR     0x8917u
#define GIFBRDADDR     0x8919u
#define GIFNETMASK     0x891bu
#define GIFMETRIC      0x891du
#define GIFMTU         0x8921u
#define GIFHWADDR      0x8927u
#define GIFINDEX       0x8933u
#define GIFTXQLEN      0x8942u

/* struct ifreq, struct ifconf: hidden without extensions. */
struct request {
    char name[NAME_BYTES];
    union {
        struct sockaddr_in address;
        struct sockaddr hardware;
        int32_t number;
        uint16_t flags;
        uint8_t bytes[24];
    };
};
_Static_assert(sizeof(struct request) == 40, "struct ifreq");

struct list_request {
    int32_t len_bytes;
    uint32_t pad;
    uint64_t user_at;
};

static void put_name(struct request *r, const struct net_interface *i)
{
    memset(r->name, 0, sizeof(r->name));
    memcpy(r->name, i->name, strlen(i->name));
}

static void put_address(struct request *r, uint32_t address)
{
    memset(&r->address, 0, sizeof(r->address));
    r->address.sin_family = AF_INET;
    r->address.sin_addr.s_addr = address;
}

static void put_hardware(struct request *r, const struct net_interface *i)
{
    memset(&r->hardware, 0, sizeof(r->hardware));
    r->hardware.sa_family = i->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
    memcpy(r->hardware.sa_data, i->mac, sizeof(i->mac));
}

/* All that have an address, as many as there is room for. */
static long get_list(uint64_t user_arg)
{
    struct list_request list;
    struct net_interface interface;
    int32_t used = 0;

    if (copy_from_user(&list, user_arg, sizeof(list))) {
        return -EFAULT;
    }
    for (uint32_t i = 1; i <= NET_INTERFACES; i++) {
        struct request r = { .name = "" };

        if (!net_interface(i, &interface) || !interface.address) {
            continue;
        }
        put_name(&r, &interface);
        put_address(&r, interface.address);
        if (list.user_at) {
            if (list.len_bytes - used < (int32_t)sizeof(r)) {
                break;
            }
            if (copy_to_user(list.user_at + used, &r, sizeof(r))) {
                return -EFAULT;
            }
        }
        used += sizeof(r);
    }
    list.len_bytes = used;
    return copy_to_user(user_arg, &list, sizeof(list));
}

static long get_one(struct request *r, uint64_t request, uint32_t index,
                    const struct net_interface *i)
{
    switch (request) {
    case GIFFLAGS:
        r->flags = i->loopback ? FLAGS_LOOPBACK : FLAGS_NIC;
        return 0;
    case GIFADDR:
    case GIFDSTADDR:
        put_address(r, i->address);
        return i->address ? 0 : -EADDRNOTAVAIL;
    case GIFBRDADDR:
        put_address(r, i->broadcast);
        return i->address ? 0 : -EADDRNOTAVAIL;
    case GIFNETMASK:
        put_address(r, i->netmask);
        return i->address ? 0 : -EADDRNOTAVAIL;
    case GIFMETRIC:
        r->number = 0;
        return 0;
    case GIFMTU:
        r->number = (int32_t)i->mtu;
        return 0;
    case GIFHWADDR:
        put_hardware(r, i);
        return 0;
    case GIFINDEX:
        r->number = (int32_t)index;
        return 0;
    default:
        r->number = QUEUE_LENGTH;
        return 0;
    }
}

static bool is_known(uint64_t request)
{
    switch (request) {
    case GIFNAME:
    case GIFFLAGS:
    case GIFADDR:
    case GIFDSTADDR:
    case GIFBRDADDR:
    case GIFNETMASK:
    case GIFMETRIC:
    case GIFMTU:
    case GIFHWADDR:
    case GIFINDEX:
    case GIFTXQLEN:
        return true;
    default:
        return false;
    }
}

/**
 * ifreq_ioctl() - a request of ioctl() about an interface
 * @request: SIOCGIF*
 * @user_arg: struct ifreq or ifconf of the program
 *
 * @linux ioctl SIOCGIFNAME SIOCGIFCONF SIOCGIFFLAGS SIOCGIFADDR SIOCGIFDSTADDR
 *   SIOCGIFBRDADDR SIOCGIFNETMASK SIOCGIFMETRIC SIOCGIFMTU SIOCGIFHWADDR
 *   SIOCGIFINDEX SIOCGIFTXQLEN
 * @test guest/programs/netlink.c "SIOCGIFCONF"
 * @test guest/programs/netlink.c "SIOCGIF: what lo is"
 *
 * Return: 0, -ENODEV, -EADDRNOTAVAIL, -EFAULT, -ENOTTY (another request).
 * Context: lock held.
 */
long ifreq_ioctl(uint64_t request, uint64_t user_arg)
{
    struct net_interface interface;
    struct request r;
    uint32_t index;
    long ret;

    if (request == GIFCONF) {
        return get_list(user_arg);
    }
    if (!is_known(request)) {
        return -ENOTTY;
    }
    if (copy_from_user(&r, user_arg, sizeof(r))) {
        return -EFAULT;
    }
    r.name[NAME_BYTES - 1] = '\0';
    index =
        request == GIFNAME ? (uint32_t)r.number : net_interface_named(r.name);
    if (!net_interface(index, &interface)) {
        return -ENODEV;
    }
    if (request == GIFNAME) {
        put_name(&r, &interface);
        ret = 0;
    } else {
        ret = get_one(&r, request, index, &interface);
    }
    return ret ? ret : copy_to_user(user_arg, &r, sizeof(r));
}
