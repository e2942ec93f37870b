/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc-net.c - /proc/net: interfaces, routes and sockets
 *
 * Addresses and ports are written as numbers in the order of the network, as
 * Linux does on this kind of machine: the bytes of an address from last to
 * first.
 */
#include <linux/tcp.h>
#include "guest-libc/net/dgram.h"
#include "guest-libc/net/net.h"
#include "guest-libc/net/sock-info.h"
#include "guest-libc/posix/proc.h"

#define ROUTE_COLUMNS 127u
#define ROUTE_UP      1u
#define ROUTE_GATEWAY 2u
#define STATE_LISTENS 10u
#define STATE_LONE    7u /* of a UDP socket that is not connected */
#define STATE_PAIRED  1u

static void put_hex(struct text *text, uint32_t value, unsigned digits)
{
    while (digits--) {
        text_bytes(text, &"0123456789ABCDEF"[value >> (4 * digits) & 15], 1);
    }
}

/* @linux proc /proc/net/dev - nothing is counted
 * @test guest/programs/proc-net.c "dev: the interfaces" */
static long make_dev(const struct tree_node *node, struct text *text)
{
    struct net_interface interface;

    (void)node;
    text_put(text, "Inter-|   Receive                            "
                   "                    |  Transmit\n face |bytes    "
                   "packets errs drop fifo frame compressed multicast|bytes    "
                   "packets errs drop fifo colls carrier compressed\n");
    for (uint32_t i = 1; i <= NET_INTERFACES; i++) {
        if (net_interface(i, &interface)) {
            text_put(text, "%s%s:       0       0    0    0    0     0        ",
                     interface.loopback ? "    " : "  ", interface.name);
            text_put(text, "  0         0        0       0    0    0    0     "
                           "0       0          0\n");
        }
    }
    return 0;
}

static void put_route(struct text *text, const struct net_interface *i,
                      uint32_t to, uint32_t gateway, uint32_t mask)
{
    size_t line = text->used;

    text_put(text, "%s\t", i->name);
    put_hex(text, to, 8);
    text_put(text, "\t");
    put_hex(text, gateway, 8);
    text_put(text, "\t%04x\t0\t0\t0\t",
             ROUTE_UP | (gateway ? ROUTE_GATEWAY : 0));
    put_hex(text, mask, 8);
    text_put(text, "\t0\t0\t0");
    text_pad(text, line, ROUTE_COLUMNS);
    text_put(text, "\n");
}

/* @linux proc /proc/net/route
 * @test guest/programs/proc-net.c "route: a table"
 * @test unit/libc-posix/test-files.c "/libc/files/route" */
static long make_route(const struct tree_node *node, struct text *text)
{
    struct net_interface i;
    size_t line = text->used;

    (void)node;
    text_put(text, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\t"
                   "Mask\t\tMTU\tWindow\tIRTT");
    text_pad(text, line, ROUTE_COLUMNS);
    text_put(text, "\n");
    for (uint32_t n = 1; n <= NET_INTERFACES; n++) {
        if (!net_interface(n, &i) || i.loopback || !i.address) {
            continue;
        }
        if (i.gateway) {
            put_route(text, &i, 0, i.gateway, 0);
        }
        put_route(text, &i, i.address & i.netmask, 0, i.netmask);
    }
    return 0;
}

/* What a line says of a socket. */
struct socket_line {
    const struct file *file;
    struct sock_addr local, remote;
    uint32_t state, tx_bytes, rx_bytes;
};

static void put_address(struct text *text, const struct sock_addr *a)
{
    put_hex(text, a->address, 8);
    text_put(text, ":");
    put_hex(text, (uint32_t)(a->port >> 8 | (a->port & 255) << 8), 4);
}

static void put_socket(struct text *text, unsigned number,
                       const struct socket_line *l)
{
    text_put(text, "%4u: ", number);
    put_address(text, &l->local);
    text_put(text, " ");
    put_address(text, &l->remote);
    text_put(text, " ");
    put_hex(text, l->state, 2);
    text_put(text, " ");
    put_hex(text, l->tx_bytes, 8);
    text_put(text, ":");
    put_hex(text, l->rx_bytes, 8);
    text_put(text, " 00:00000000 00000000     0        0 %lu", l->file->number);
}

static bool tcp_line(struct file *file, struct socket_line *l)
{
    const struct sock *s = sock_of(file);
    _Alignas(uint64_t) uint8_t info[SOCK_INFO_MAX];

    if (!s || s->state == SOCK_NEW || sock_is_closed(s)) {
        return false;
    }
    sock_info(s, info);
    l->local = s->local;
    l->remote = s->remote;
    l->state = info[offsetof(struct tcp_info, tcpi_state)];
    if (l->state != STATE_LISTENS) {
        l->tx_bytes = sock_unsent(s);
        l->rx_bytes = s->rx_bytes;
    }
    return true;
}

static bool udp_line(struct file *file, struct socket_line *l)
{
    struct dgram *d = dgram_of(file);

    if (!d || d->kind != DGRAM_UDP || !d->pcb) {
        return false;
    }
    dgram_local(d, &l->local);
    if (d->connected) {
        l->remote = d->remote;
    }
    l->state = d->connected ? STATE_PAIRED : STATE_LONE;
    l->rx_bytes = d->queued_bytes;
    return true;
}

/* Does a lower number have the file, too? */
static bool is_again(const struct file *file, uint32_t fd)
{
    while (file->refs > 1 && fd--) {
        if (fd_file(fd) == file) {
            return true;
        }
    }
    return false;
}

static void put_sockets(struct text *text,
                        bool (*line)(struct file *, struct socket_line *),
                        const char *end)
{
    unsigned number = 0;

    for (uint32_t fd = 0; fd < FD_MAX; fd++) {
        struct file *file = fd_file(fd);
        struct socket_line l = { .file = file };

        if (file && line(file, &l) && !is_again(file, fd)) {
            put_socket(text, number++, &l);
            text_put(text, "%s\n", end);
        }
    }
}

/* @linux proc /proc/net/tcp /proc/net/udp - those that have a descriptor:
 *   none in TIME_WAIT, and no timers
 * @test guest/programs/proc-net.c "tcp: a listener and two ends"
 * @test guest/programs/proc-net.c "udp: one socket" */
static long make_tcp(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "  sl  local_address rem_address   st tx_queue rx_queue tr "
                   "tm->when retrnsmt   uid  timeout inode\n");
    put_sockets(text, tcp_line, " 1 0 20 0 0 10 -1");
    return 0;
}

static long make_udp(const struct tree_node *node, struct text *text)
{
    (void)node;
    text_put(text, "   sl  local_address rem_address   st tx_queue rx_queue tr "
                   "tm->when retrnsmt   uid  timeout inode ref pointer "
                   "drops\n");
    put_sockets(text, udp_line, " 2 0 0");
    return 0;
}

const struct tree_made proc_net_files[] = {
    { "net/dev", 0444, make_dev, NULL },
    { "net/route", 0444, make_route, NULL },
    { "net/tcp", 0444, make_tcp, NULL },
    { "net/udp", 0444, make_udp, NULL },
    { NULL, 0, NULL, NULL },
};
