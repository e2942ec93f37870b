/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink.c - interfaces, addresses and routes, for those who ask by netlink
 *
 * It is one table of what can be asked, and for each kind a function that tells
 * of one interface.
 */
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/netlink.h"

#define LINK_LOWER_UP 0x10000u /* IFF_LOWER_UP is hidden */
#define QUEUE_LENGTH  1000u
#define OPER_UNKNOWN  0
#define OPER_UP       6
#define FOR_EVER      0xffffffffu

/* The message that is being made; @r is NULL once there was no room. */
struct message {
    struct netlink_reply *r;
    struct nlmsghdr *header;
};

static void put_attribute(struct message *m, uint16_t type, const void *data,
                          uint32_t len_bytes)
{
    struct netlink_reply *r = m->r;
    uint32_t space = RTA_SPACE(len_bytes);
    struct rtattr *attribute;

    if (!m->header || space > sizeof(r->bytes) - r->len_bytes) {
        m->header = NULL;
        return;
    }
    attribute = (struct rtattr *)(r->bytes + r->len_bytes);
    memset(attribute, 0, space);
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(len_bytes);
    memcpy(RTA_DATA(attribute), data, len_bytes);
    r->len_bytes += space;
    m->header->nlmsg_len += space;
}

static void put_u32(struct message *m, uint16_t type, uint32_t value)
{
    put_attribute(m, type, &value, sizeof(value));
}

static void put_u8(struct message *m, uint16_t type, uint8_t value)
{
    put_attribute(m, type, &value, sizeof(value));
}

static void put_string(struct message *m, uint16_t type, const char *value)
{
    put_attribute(m, type, value, (uint32_t)strlen(value) + 1);
}

/* Return: the fixed part of the message, NULL where there is no room. */
static void *begin(struct message *m, struct netlink_reply *r, uint16_t type,
                   uint16_t flags, uint32_t len_bytes)
{
    void *payload = netlink_put(r, type, flags, len_bytes);

    m->r = r;
    m->header =
        payload ? (struct nlmsghdr *)((uint8_t *)payload - NLMSG_HDRLEN) : NULL;
    return payload;
}

static uint8_t prefix_of(uint32_t netmask)
{
    uint8_t bits = 0;

    for (; netmask; netmask &= netmask - 1) {
        bits++;
    }
    return bits;
}

/* -- of one interface ----------------------------------------------------------------- */

static void put_link(struct netlink_reply *r, uint16_t flags, uint32_t index,
                     const struct net_interface *i)
{
    static const uint8_t nobody[6],
        everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    struct message m;
    struct ifinfomsg *info = begin(&m, r, RTM_NEWLINK, flags, sizeof(*info));

    if (!info) {
        return;
    }
    info->ifi_type = i->loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
    info->ifi_index = (int)index;
    info->ifi_flags =
        IFF_UP | IFF_RUNNING | LINK_LOWER_UP |
        (i->loopback ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST);
    put_string(&m, IFLA_IFNAME, i->name);
    put_u32(&m, IFLA_TXQLEN, QUEUE_LENGTH);
    put_u8(&m, IFLA_OPERSTATE, i->loopback ? OPER_UNKNOWN : OPER_UP);
    put_u8(&m, IFLA_LINKMODE, 0);
    put_u32(&m, IFLA_MTU, i->mtu);
    put_u32(&m, IFLA_GROUP, 0);
    put_u32(&m, IFLA_PROMISCUITY, 0);
    put_u32(&m, IFLA_NUM_TX_QUEUES, 1);
    put_u32(&m, IFLA_NUM_RX_QUEUES, 1);
    put_u8(&m, IFLA_CARRIER, 1);
    put_string(&m, IFLA_QDISC, "noqueue");
    put_attribute(&m, IFLA_ADDRESS, i->mac, sizeof(i->mac));
    put_attribute(&m, IFLA_BROADCAST, i->loopback ? nobody : everybody,
                  sizeof(nobody));
}

static void put_address(struct netlink_reply *r, uint16_t flags, uint32_t index,
                        const struct net_interface *i)
{
    const struct ifa_cacheinfo always = { .ifa_prefered = FOR_EVER,
                                          .ifa_valid = FOR_EVER };
    struct message m;
    struct ifaddrmsg *info;

    if (!i->address) {
        return;
    }
    info = begin(&m, r, RTM_NEWADDR, flags, sizeof(*info));
    if (!info) {
        return;
    }
    info->ifa_family = AF_INET;
    info->ifa_prefixlen = prefix_of(i->netmask);
    info->ifa_flags = IFA_F_PERMANENT;
    info->ifa_scope = i->loopback ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
    info->ifa_index = index;
    put_u32(&m, IFA_ADDRESS, i->address);
    put_u32(&m, IFA_LOCAL, i->address);
    if (i->broadcast) {
        put_u32(&m, IFA_BROADCAST, i->broadcast);
    }
    put_string(&m, IFA_LABEL, i->name);
    put_u32(&m, IFA_FLAGS, IFA_F_PERMANENT);
    put_attribute(&m, IFA_CACHEINFO, &always, sizeof(always));
}

struct route {
    uint8_t table, protocol, scope, type, prefix;
    uint32_t to, gateway, source; /* 0: not said */
};

static void put_route(struct netlink_reply *r, uint16_t flags, uint32_t index,
                      const struct route *route)
{
    struct message m;
    struct rtmsg *info = begin(&m, r, RTM_NEWROUTE, flags, sizeof(*info));

    if (!info) {
        return;
    }
    info->rtm_family = AF_INET;
    info->rtm_dst_len = route->prefix;
    info->rtm_table = route->table;
    info->rtm_protocol = route->protocol;
    info->rtm_scope = route->scope;
    info->rtm_type = route->type;
    put_u32(&m, RTA_TABLE, route->table);
    if (route->prefix) {
        put_u32(&m, RTA_DST, route->to);
    }
    if (route->source) {
        put_u32(&m, RTA_PREFSRC, route->source);
    }
    if (route->gateway) {
        put_u32(&m, RTA_GATEWAY, route->gateway);
    }
    put_u32(&m, RTA_OIF, index);
}

/* To itself, to its network, and by it to everywhere else. */
static void put_routes(struct netlink_reply *r, uint16_t flags, uint32_t index,
                       const struct net_interface *i)
{
    struct route network = {
        .table = i->loopback ? RT_TABLE_LOCAL : RT_TABLE_MAIN,
        .protocol = RTPROT_KERNEL,
        .scope = i->loopback ? RT_SCOPE_HOST : RT_SCOPE_LINK,
        .type = i->loopback ? RTN_LOCAL : RTN_UNICAST,
        .prefix = prefix_of(i->netmask),
        .to = i->address & i->netmask,
        .source = i->address,
    };
    struct route own = {
        .table = RT_TABLE_LOCAL,
        .protocol = RTPROT_KERNEL,
        .scope = RT_SCOPE_HOST,
        .type = RTN_LOCAL,
        .prefix = 32,
        .to = i->address,
        .source = i->address,
    };
    struct route elsewhere = {
        .table = RT_TABLE_MAIN,
        .protocol = RTPROT_BOOT,
        .scope = RT_SCOPE_UNIVERSE,
        .type = RTN_UNICAST,
        .gateway = i->gateway,
    };

    if (!i->address) {
        return;
    }
    if (i->gateway) {
        put_route(r, flags, index, &elsewhere);
    }
    put_route(r, flags, index, &network);
    put_route(r, flags, index, &own);
}

/* -- requests --------------------------------------------------------------------------- */

typedef void (*tell_fn)(struct netlink_reply *r, uint16_t flags, uint32_t index,
                        const struct net_interface *i);

static tell_fn tell_of(uint16_t type)
{
    switch (type) {
    case RTM_GETLINK:
        return put_link;
    case RTM_GETADDR:
        return put_address;
    case RTM_GETROUTE:
        return put_routes;
    default:
        return NULL;
    }
}

/* The interface that is asked for by its name, 0: none is. */
static uint32_t named(const struct nlmsghdr *request)
{
    const uint8_t *at =
        (const uint8_t *)request + NLMSG_SPACE(sizeof(struct ifinfomsg));
    const uint8_t *end = (const uint8_t *)request + request->nlmsg_len;

    while (at + sizeof(struct rtattr) <= end) {
        const struct rtattr *attribute = (const struct rtattr *)at;
        char name[IFNAMSIZ] = "";
        uint32_t len = attribute->rta_len;

        if (len < sizeof(*attribute) || len > (size_t)(end - at)) {
            return 0;
        }
        len -= sizeof(*attribute);
        if (attribute->rta_type == IFLA_IFNAME && len <= sizeof(name)) {
            memcpy(name, RTA_DATA(attribute), len);
            name[sizeof(name) - 1] = '\0';
            return net_interface_named(name);
        }
        at += RTA_ALIGN(attribute->rta_len);
    }
    return 0;
}

/* One interface: of all that can be asked without a list, this alone is. */
static long answer_link(struct netlink_reply *r, const struct nlmsghdr *request)
{
    const struct ifinfomsg *asked = NLMSG_DATA(request);
    struct net_interface interface;
    uint32_t index;

    if (request->nlmsg_len < NLMSG_LENGTH(sizeof(*asked))) {
        return -EINVAL;
    }
    index = asked->ifi_index > 0 ? (uint32_t)asked->ifi_index : named(request);
    if (!net_interface(index, &interface)) {
        return -ENODEV;
    }
    put_link(r, 0, index, &interface);
    return 0;
}

/**
 * rtnetlink_answer() - tell what a request of NETLINK_ROUTE asks
 * @r: the answer
 * @request: the request
 * @ret_dump: it is a list of all
 *
 * @linux netlink RTM_GETLINK RTM_GETADDR
 * @test guest/programs/netlink.c "RTM_GETLINK: lo is there"
 * @test guest/programs/netlink.c "RTM_GETADDR: 127.0.0.1 is there"
 * @test guest/programs/netlink.c "getifaddrs"
 * @linux netlink RTM_GETROUTE - all of them; not the way to one address
 * @test guest/programs/netlink.c "RTM_GETROUTE: to 127.0.0.0"
 *
 * Return: 0, -EINVAL, -ENODEV, -EOPNOTSUPP (all that changes something, too).
 * Context: lock held.
 */
long rtnetlink_answer(struct netlink_reply *r, const struct nlmsghdr *request,
                      bool *ret_dump)
{
    const struct rtgenmsg *asked = NLMSG_DATA(request);
    tell_fn tell = tell_of(request->nlmsg_type);
    struct net_interface interface;

    if (!tell) {
        return -EOPNOTSUPP;
    }
    if (request->nlmsg_len < NLMSG_LENGTH(sizeof(*asked))) {
        return 0;
    }
    if ((request->nlmsg_flags & NLM_F_DUMP) != NLM_F_DUMP) {
        return request->nlmsg_type == RTM_GETLINK ? answer_link(r, request)
                                                  : -EOPNOTSUPP;
    }
    *ret_dump = true;
    if (request->nlmsg_type != RTM_GETLINK &&
        asked->rtgen_family != AF_UNSPEC && asked->rtgen_family != AF_INET) {
        /* Of other families there is none. */
        return 0;
    }
    for (uint32_t i = 1; i <= NET_INTERFACES; i++) {
        if (net_interface(i, &interface)) {
            tell(r, NLM_F_MULTI, i, &interface);
        }
    }
    return 0;
}
