/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink.c - what the network looks like: netlink, ioctl(), and the calls of C
 * libraries that ask by them
 *
 * The interface lo is everywhere the same, so it is what is looked for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "tap.h"

/* What musl's headers lack. */
struct sockaddr_nl {
    uint16_t nl_family, pad;
    uint32_t nl_pid, nl_groups;
};
struct nlmsghdr {
    uint32_t nlmsg_len;
    uint16_t nlmsg_type, nlmsg_flags;
    uint32_t nlmsg_seq, nlmsg_pid;
};
struct nlmsgerr {
    int error;
    struct nlmsghdr msg;
};
struct rtattr {
    uint16_t rta_len, rta_type;
};
struct rtgenmsg {
    uint8_t rtgen_family;
};
struct ifinfomsg {
    uint8_t ifi_family, pad;
    uint16_t ifi_type;
    int32_t ifi_index;
    uint32_t ifi_flags, ifi_change;
};
struct ifaddrmsg {
    uint8_t ifa_family, ifa_prefixlen, ifa_flags, ifa_scope;
    uint32_t ifa_index;
};
struct rtmsg {
    uint8_t rtm_family, rtm_dst_len, rtm_src_len, rtm_tos, rtm_table;
    uint8_t rtm_protocol, rtm_scope, rtm_type;
    uint32_t rtm_flags;
};

#define NETLINK_ROUTE           0
#define SOL_NETLINK             270
#define NETLINK_ADD_MEMBERSHIP  1
#define NETLINK_PKTINFO         3
#define NETLINK_BROADCAST_ERROR 4
#define NETLINK_NO_ENOBUFS      5
#define NETLINK_CAP_ACK         10
#define NETLINK_EXT_ACK         11
#define NETLINK_GET_STRICT_CHK  12
#define NLM_F_REQUEST           1
#define NLM_F_MULTI             2
#define NLM_F_ACK               4
#define NLM_F_CAPPED            0x100
#define NLM_F_DUMP              0x300
#define NLMSG_NOOP              1
#define NLMSG_ERROR             2
#define NLMSG_DONE              3
#define RTM_NEWLINK             16
#define RTM_GETLINK             18
#define RTM_NEWADDR             20
#define RTM_GETADDR             22
#define RTM_NEWROUTE            24
#define RTM_GETROUTE            26
#define RTNLGRP_LINK            1
#define IFLA_IFNAME             3
#define IFLA_MTU                4
#define IFA_LOCAL               2
#define IFA_LABEL               3
#define RTA_DST                 1
#define RTA_OIF                 4
#define RT_TABLE_LOCAL          255
#define RTN_LOCAL               2

#define ALIGNED(n)              (((n) + 3) & ~(size_t)3)
#define NLMSG_LENGTH(n)         (sizeof(struct nlmsghdr) + (n))
#define NLMSG_SPACE(n)          ALIGNED(NLMSG_LENGTH(n))
#define NLMSG_DATA(h)           ((void *)((char *)(h) + NLMSG_LENGTH(0)))
#define RTA_LENGTH(n)           (sizeof(struct rtattr) + (n))
#define RTA_SPACE(n)            ALIGNED(RTA_LENGTH(n))

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static union {
    char bytes[65536];
    struct nlmsghdr header;
} in;

static int fails_with(long ret, int error)
{
    return ret == -1 && errno == error;
}

static struct sockaddr_nl name_of(int fd)
{
    struct sockaddr_nl name = { 0 };
    socklen_t len = sizeof(name);

    getsockname(fd, (struct sockaddr *)&name, &len);
    return name;
}

struct request {
    struct nlmsghdr header;
    union {
        struct rtgenmsg any;
        struct ifinfomsg link;
    };
    struct rtattr attribute;
    char name[16];
};

/* Ask for all of @type. */
static long ask(int fd, uint16_t type, uint16_t flags, uint8_t family)
{
    struct request r = { .header = { .nlmsg_len =
                                         NLMSG_LENGTH(sizeof(struct ifinfomsg)),
                                     .nlmsg_type = type,
                                     .nlmsg_flags = NLM_F_REQUEST | flags,
                                     .nlmsg_seq = 77 } };

    r.any.rtgen_family = family;
    return send(fd, &r, r.header.nlmsg_len, 0);
}

static struct nlmsghdr *next(struct nlmsghdr *h, long *left)
{
    size_t step = ALIGNED(h->nlmsg_len);

    *left -= (long)step;
    return (struct nlmsghdr *)((char *)h + step);
}

typedef int (*check_fn)(const struct nlmsghdr *header);

/* Read a list to its end; was there one that is looked for? */
static int list(int fd, uint16_t type, check_fn check)
{
    int found = 0, good = 1;

    for (;;) {
        long n = recv(fd, in.bytes, sizeof(in.bytes), 0);
        struct nlmsghdr *h = &in.header;

        for (; n >= (long)sizeof(*h) && h->nlmsg_len <= n; h = next(h, &n)) {
            good &= h->nlmsg_seq == 77 && h->nlmsg_pid == name_of(fd).nl_pid &&
                    (h->nlmsg_flags & NLM_F_MULTI);
            if (h->nlmsg_type == NLMSG_DONE) {
                return good && found;
            }
            if (h->nlmsg_type != type) {
                return 0;
            }
            found |= check(h);
        }
        if (n < 0) {
            return 0;
        }
    }
}

/* An attribute's payload, or NULL. */
static const void *attribute(const struct nlmsghdr *h, size_t fixed,
                             uint16_t type)
{
    const char *at = (const char *)h + NLMSG_SPACE(fixed);
    const char *end = (const char *)h + h->nlmsg_len;

    while (at + sizeof(struct rtattr) <= end) {
        const struct rtattr *a = (const struct rtattr *)at;

        if (a->rta_type == type) {
            return at + RTA_LENGTH(0);
        }
        at += ALIGNED(a->rta_len);
    }
    return NULL;
}

static int is_address(const void *data, uint32_t address)
{
    uint32_t value;

    if (!data) {
        return 0;
    }
    memcpy(&value, data, sizeof(value));
    return value == htonl(address);
}

static int is_lo(const struct nlmsghdr *h)
{
    const struct ifinfomsg *info = NLMSG_DATA(h);
    const char *name = attribute(h, sizeof(*info), IFLA_IFNAME);
    const void *mtu = attribute(h, sizeof(*info), IFLA_MTU);

    return info->ifi_index == 1 && info->ifi_type == 772 &&
           (info->ifi_flags & IFF_LOOPBACK) && name && !strcmp(name, "lo") &&
           mtu && !memcmp(mtu, (uint32_t[]){ 65536 }, 4);
}

static int is_loopback(const struct nlmsghdr *h)
{
    const struct ifaddrmsg *info = NLMSG_DATA(h);

    return info->ifa_family == AF_INET && info->ifa_index == 1 &&
           info->ifa_prefixlen == 8 &&
           is_address(attribute(h, sizeof(*info), IFA_LOCAL),
                      INADDR_LOOPBACK) &&
           !strcmp(attribute(h, sizeof(*info), IFA_LABEL), "lo");
}

static int is_way_home(const struct nlmsghdr *h)
{
    const struct rtmsg *info = NLMSG_DATA(h);
    const void *by = attribute(h, sizeof(*info), RTA_OIF);

    return info->rtm_family == AF_INET && info->rtm_dst_len == 8 &&
           info->rtm_table == RT_TABLE_LOCAL && info->rtm_type == RTN_LOCAL &&
           is_address(attribute(h, sizeof(*info), RTA_DST), 0x7f000000) && by &&
           !memcmp(by, (uint32_t[]){ 1 }, 4);
}

static int anything(const struct nlmsghdr *h)
{
    (void)h;
    return 1;
}

static void test_names(void)
{
    int one = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int two = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE), v = 0;
    struct sockaddr_nl name = { .nl_family = AF_NETLINK };
    socklen_t len = sizeof(v);

    tap_ok(one >= 0 && two >= 0, "socket(AF_NETLINK)");
    tap_ok(name_of(one).nl_family == AF_NETLINK && !name_of(one).nl_pid,
           "no port yet");
    tap_ok(bind(one, (void *)&name, sizeof(name)) == 0 &&
               (int)name_of(one).nl_pid == getpid(),
           "bind: the process's number");
    tap_ok(bind(two, (void *)&name, sizeof(name)) == 0 && name_of(two).nl_pid &&
               name_of(two).nl_pid != name_of(one).nl_pid,
           "another has another");
    name.nl_pid = 4242;
    tap_ok(fails_with(bind(one, (void *)&name, sizeof(name)), EINVAL) &&
               fails_with(bind(one, (void *)&name, 4), EINVAL) &&
               fails_with(bind(one, BAD, sizeof(name)), EFAULT),
           "what it cannot be");
    close(two);
    two = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    name.nl_pid = name_of(one).nl_pid;
    tap_ok(fails_with(bind(two, (void *)&name, sizeof(name)), EADDRINUSE),
           "the port is taken");
    name.nl_pid = 4242;
    tap_ok(bind(two, (void *)&name, sizeof(name)) == 0 &&
               name_of(two).nl_pid == 4242,
           "a port that we say");
    tap_ok(getsockopt(two, SOL_SOCKET, SO_DOMAIN, &v, &len) == 0 &&
               v == AF_NETLINK &&
               getsockopt(two, SOL_SOCKET, SO_TYPE, &v, &len) == 0 &&
               v == SOCK_RAW,
           "what it is");
    tap_ok(fails_with(listen(two, 1), EOPNOTSUPP) &&
               fails_with(accept(two, NULL, NULL), EOPNOTSUPP) &&
               fails_with(shutdown(two, SHUT_RD), EOPNOTSUPP),
           "what it does not do");
    tap_ok(fails_with(socket(AF_NETLINK, SOCK_STREAM, NETLINK_ROUTE),
                      ESOCKTNOSUPPORT) &&
               fails_with(socket(AF_NETLINK, SOCK_RAW, 99), EPROTONOSUPPORT),
           "no such kind");
    close(one);
    close(two);
}

static void test_lists(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct pollfd p = { fd, POLLIN | POLLOUT, 0 };

    tap_ok(poll(&p, 1, 0) == 1 && p.revents == POLLOUT, "nothing to read");
    tap_ok(fails_with(recv(fd, in.bytes, 10, MSG_DONTWAIT), EAGAIN), "EAGAIN");
    tap_ok(ask(fd, RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC) > 0 &&
               poll(&p, 1, 5000) == 1 && p.revents == (POLLIN | POLLOUT),
           "an answer");
    tap_ok(list(fd, RTM_NEWLINK, is_lo), "RTM_GETLINK: lo is there");
    tap_ok(ask(fd, RTM_GETADDR, NLM_F_DUMP, AF_INET) > 0 &&
               list(fd, RTM_NEWADDR, is_loopback),
           "RTM_GETADDR: 127.0.0.1 is there");
    tap_ok(ask(fd, RTM_GETADDR, NLM_F_DUMP, AF_UNSPEC) > 0 &&
               list(fd, RTM_NEWADDR, is_loopback),
           "of all families, too");
    tap_ok(ask(fd, RTM_GETROUTE, NLM_F_DUMP, AF_INET) > 0 &&
               list(fd, RTM_NEWROUTE, is_way_home),
           "RTM_GETROUTE: to 127.0.0.0");
    close(fd);
}

/* The answer that tells of an error, or that there is none. */
static const struct nlmsgerr *verdict(int fd)
{
    long n = recv(fd, in.bytes, sizeof(in.bytes), 0);

    return n >= (long)NLMSG_LENGTH(sizeof(struct nlmsgerr)) &&
                   in.header.nlmsg_type == NLMSG_ERROR
               ? NLMSG_DATA(&in.header)
               : NULL;
}

static void test_one(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), on = 1;
    struct request r = { .header = { .nlmsg_len = sizeof(r),
                                     .nlmsg_type = RTM_GETLINK,
                                     .nlmsg_flags = NLM_F_REQUEST,
                                     .nlmsg_seq = 5 } };
    const struct nlmsgerr *said;
    struct sockaddr_nl from;
    socklen_t len = sizeof(from);

    r.attribute.rta_type = IFLA_IFNAME;
    r.attribute.rta_len = RTA_LENGTH(3);
    strcpy(r.name, "lo");
    r.header.nlmsg_len = NLMSG_SPACE(sizeof(struct ifinfomsg)) + RTA_SPACE(3);
    tap_ok(send(fd, &r, r.header.nlmsg_len, 0) > 0 &&
               recv(fd, in.bytes, sizeof(in.bytes), MSG_PEEK) > 0 &&
               recvfrom(fd, in.bytes, sizeof(in.bytes), 0, (void *)&from,
                        &len) > 0 &&
               is_lo(&in.header) && !(in.header.nlmsg_flags & NLM_F_MULTI),
           "the link of that name");
    tap_ok(len == sizeof(from) && from.nl_family == AF_NETLINK && !from.nl_pid,
           "the kernel says so");
    r.link.ifi_index = 1;
    r.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg));
    tap_ok(send(fd, &r, r.header.nlmsg_len, 0) > 0 &&
               recv(fd, in.bytes, 10, MSG_TRUNC | MSG_PEEK) > 10 &&
               recv(fd, in.bytes, sizeof(in.bytes), 0) > 0 && is_lo(&in.header),
           "the link of that number");
    r.link.ifi_index = 4242;
    send(fd, &r, r.header.nlmsg_len, 0);
    said = verdict(fd);
    tap_ok(said && said->error == -ENODEV && said->msg.nlmsg_seq == 5 &&
               in.header.nlmsg_len ==
                   NLMSG_LENGTH(sizeof(int)) + r.header.nlmsg_len,
           "no such link");
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    send(fd, &r, r.header.nlmsg_len, 0);
    said = verdict(fd);
    tap_ok(said && in.header.nlmsg_len == NLMSG_LENGTH(sizeof(*said)) &&
               (in.header.nlmsg_flags & NLM_F_CAPPED),
           "NETLINK_CAP_ACK: only the header comes back");
    r.header.nlmsg_type = NLMSG_NOOP;
    r.header.nlmsg_flags |= NLM_F_ACK;
    send(fd, &r, r.header.nlmsg_len, 0);
    said = verdict(fd);
    tap_ok(said && said->error == 0, "NLM_F_ACK");
    r.header.nlmsg_type = 4000;
    send(fd, &r, r.header.nlmsg_len, 0);
    said = verdict(fd);
    tap_ok(said && said->error == -EOPNOTSUPP, "no such request");
    r.header.nlmsg_len = 4;
    tap_ok(send(fd, &r, 20, 0) == 20 &&
               fails_with(recv(fd, in.bytes, 10, MSG_DONTWAIT), EAGAIN),
           "half a request is none");
    tap_ok(ask(fd, RTM_GETLINK, NLM_F_DUMP, AF_UNSPEC) > 0 &&
               list(fd, RTM_NEWLINK, anything),
           "and it goes on");
    close(fd);
}

static void test_options(void)
{
    static const int options[] = { NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK,
                                   NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR,
                                   NETLINK_NO_ENOBUFS };
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), good = 1, v = 1;
    int group = RTNLGRP_LINK;
    socklen_t len = sizeof(v);

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        v = 1;
        good &= setsockopt(fd, SOL_NETLINK, options[i], &v, sizeof(v)) == 0;
        v = 0;
        good &=
            getsockopt(fd, SOL_NETLINK, options[i], &v, &len) == 0 && v == 1;
    }
    tap_ok(good, "options of netlink are kept");
    tap_ok(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
                      sizeof(group)) == 0,
           "a group is joined");
    tap_ok(
        fails_with(setsockopt(fd, SOL_NETLINK, 999, &v, sizeof(v)),
                   ENOPROTOOPT) &&
            fails_with(getsockopt(fd, SOL_NETLINK, 999, &v, &len), ENOPROTOOPT),
        "no such option");
    close(fd);
}

static void test_library(void)
{
    struct ifaddrs *all = NULL;
    struct if_nameindex *names = if_nameindex();
    char name[IF_NAMESIZE] = "";
    int found = 0;

    tap_ok(getifaddrs(&all) == 0, "getifaddrs");
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        const struct sockaddr_in *sin = (void *)i->ifa_addr;
        const struct sockaddr_in *mask = (void *)i->ifa_netmask;

        found |= sin && sin->sin_family == AF_INET &&
                 sin->sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
                 !strcmp(i->ifa_name, "lo") && mask &&
                 mask->sin_addr.s_addr == htonl(0xff000000);
    }
    tap_ok(found, "knows 127.0.0.1");
    freeifaddrs(all);
    found = 0;
    for (struct if_nameindex *i = names; i && i->if_index; i++) {
        found |= i->if_index == 1 && !strcmp(i->if_name, "lo");
    }
    tap_ok(found, "if_nameindex");
    if_freenameindex(names);
    tap_ok(if_nametoindex("lo") == 1 && if_indextoname(1, name) &&
               !strcmp(name, "lo"),
           "if_nametoindex, if_indextoname");
    tap_ok(if_nametoindex("nonesuch") == 0 && errno == ENODEV, "no such name");
}

static void test_ioctl(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), found = 0;
    struct ifreq many[16], r = { .ifr_name = "lo" };
    struct ifconf conf = { .ifc_len = sizeof(many), .ifc_req = many };
    struct sockaddr_in *sin = (void *)&r.ifr_addr;
    int good;

    tap_ok(ioctl(fd, SIOCGIFCONF, &conf) == 0 && conf.ifc_len > 0 &&
               conf.ifc_len % sizeof(r) == 0,
           "SIOCGIFCONF");
    for (size_t i = 0; i < conf.ifc_len / sizeof(r); i++) {
        struct sockaddr_in *at = (void *)&many[i].ifr_addr;

        found |= !strcmp(many[i].ifr_name, "lo") &&
                 at->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    }
    tap_ok(found, "knows lo");
    found = conf.ifc_len;
    conf.ifc_req = NULL;
    tap_ok(ioctl(fd, SIOCGIFCONF, &conf) == 0 && conf.ifc_len == found,
           "how much room it takes");
    conf.ifc_req = many;
    conf.ifc_len = sizeof(r) - 1;
    tap_ok(ioctl(fd, SIOCGIFCONF, &conf) == 0 && conf.ifc_len == 0,
           "no more than there is");
    good = ioctl(fd, SIOCGIFINDEX, &r) == 0 && r.ifr_ifindex == 1;
    good &= ioctl(fd, SIOCGIFFLAGS, &r) == 0 &&
            (r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING)) ==
                (IFF_UP | IFF_LOOPBACK | IFF_RUNNING) &&
            !(r.ifr_flags & IFF_BROADCAST);
    good &= ioctl(fd, SIOCGIFMTU, &r) == 0 && r.ifr_mtu == 65536;
    good &= ioctl(fd, SIOCGIFMETRIC, &r) == 0 && r.ifr_metric == 0;
    good &= ioctl(fd, SIOCGIFTXQLEN, &r) == 0 && r.ifr_qlen == 1000;
    good &= ioctl(fd, SIOCGIFHWADDR, &r) == 0 &&
            r.ifr_hwaddr.sa_family == 772 &&
            !memcmp(r.ifr_hwaddr.sa_data, (char[6]){ 0 }, 6);
    good &= ioctl(fd, SIOCGIFADDR, &r) == 0 && sin->sin_family == AF_INET &&
            sin->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    good &= ioctl(fd, SIOCGIFNETMASK, &r) == 0 &&
            sin->sin_addr.s_addr == htonl(0xff000000);
    good &= ioctl(fd, SIOCGIFBRDADDR, &r) == 0 && !sin->sin_addr.s_addr;
    r.ifr_ifindex = 1;
    memset(r.ifr_name, 0, sizeof(r.ifr_name));
    good &= ioctl(fd, SIOCGIFNAME, &r) == 0 && !strcmp(r.ifr_name, "lo");
    tap_ok(good, "SIOCGIF: what lo is");
    strcpy(r.ifr_name, "nonesuch");
    tap_ok(fails_with(ioctl(fd, SIOCGIFADDR, &r), ENODEV) &&
               fails_with(ioctl(fd, SIOCGIFFLAGS, &r), ENODEV) &&
               fails_with(ioctl(fd, SIOCGIFINDEX, &r), ENODEV),
           "no such interface");
    tap_ok(fails_with(ioctl(fd, SIOCGIFFLAGS, BAD), EFAULT) &&
               fails_with(ioctl(fd, SIOCGIFCONF, BAD), EFAULT),
           "from nowhere");
    tap_ok(fails_with(ioctl(fd, 0x12345, &r), ENOTTY), "no such request");
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    strcpy(r.ifr_name, "lo");
    tap_ok(ioctl(fd, SIOCGIFINDEX, &r) == 0 && r.ifr_ifindex == 1,
           "any socket will do");
    close(fd);
}

/* One of AF_UNIX, as musl takes it to ask about interfaces. */
static void test_unix(void)
{
    struct sockaddr sun = { .sa_family = AF_UNIX, .sa_data = "/nonesuch" };
    struct pollfd p = { 0, POLLIN | POLLOUT, 0 };
    socklen_t len = sizeof(sun);
    char b;

    p.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tap_ok(p.fd >= 0 && fails_with(connect(p.fd, &sun, sizeof(sun)), ENOENT),
           "a socket of AF_UNIX, and nobody there");
    tap_ok(fails_with(recv(p.fd, &b, 1, 0), EINVAL) &&
               fails_with(send(p.fd, "x", 1, MSG_NOSIGNAL), ENOTCONN) &&
               fails_with(getpeername(p.fd, &sun, &len), ENOTCONN),
           "it has no peer");
    tap_ok(poll(&p, 1, 0) == 1 && p.revents == (POLLOUT | POLLHUP),
           "which is to be seen");
    tap_ok(shutdown(p.fd, SHUT_RDWR) == 0, "shutdown all the same");
    close(p.fd);
    p.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    tap_ok(fails_with(recv(p.fd, &b, 1, MSG_DONTWAIT), EAGAIN) &&
               fails_with(send(p.fd, "x", 1, 0), ENOTCONN) &&
               poll(&p, 1, 0) == 1 && p.revents == POLLOUT,
           "one of datagrams");
    close(p.fd);
    tap_ok(fails_with(socket(AF_UNIX, SOCK_STREAM, 77), EPROTONOSUPPORT),
           "no such protocol");
}

int main(void)
{
    test_names();
    test_lists();
    test_one();
    test_options();
    test_library();
    test_ioctl();
    test_unix();
    return tap_done();
}
