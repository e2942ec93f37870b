/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dgram.c - datagram sockets: their queues, and UDP over lwIP's raw interface
 *
 * What arrives is kept as lwIP gives it, one pbuf for a datagram, and is
 * counted by what keeping it costs: a queue that is full drops what comes, as
 * the network may.  What is sent is refused while the hold is full, and tried
 * again when it goes on; nothing is dropped for want of room (but a datagram
 * that waits for its neighbour's address may be).
 */
#include <errno.h>
#include <string.h>
#include "guest-libc/net/dgram-internal.h"
#include "guest-libc/net/net-internal.h"
#include "lwip/netif.h"
#include "lwip/udp.h"

#define DGRAM_UDP_MAX  65507u /* payload: 65535 less both headers */
#define DGRAM_PIECE    16384u /* of one pbuf */
#define DGRAM_OVERHEAD 256u   /* of a queued datagram besides its bytes */

struct dgram_packet {
    struct list node;
    struct pbuf *p;
    struct dgram_info info;
};

struct list dgram_all = LIST_INIT(dgram_all);

/* -- the queue -------------------------------------------------------------- */

static uint32_t packet_cost(const struct pbuf *p)
{
    return p->tot_len + DGRAM_OVERHEAD;
}

static struct dgram_packet *queue_first(struct dgram *d)
{
    return list_empty(&d->queue)
               ? NULL
               : list_entry(d->queue.next, struct dgram_packet, node);
}

static void queue_drop_first(struct dgram *d)
{
    struct dgram_packet *packet = queue_first(d);

    list_remove(&packet->node);
    d->queued_bytes -= packet_cost(packet->p);
    pbuf_free(packet->p);
    heap_free(packet);
}

/* What lwIP knows of the packet that it works on. */
static void info_fill(struct dgram_info *info, const struct dgram *d)
{
    const struct ip_hdr *ip = ip4_current_header();

    info->to.address = ip4_current_dest_addr()->addr;
    info->to.port = d->pcb ? lwip_htons(d->pcb->local_port) : 0;
    info->ttl = IPH_TTL(ip);
    info->tos = IPH_TOS(ip);
    info->device = net_is_inner(ip4_current_src_addr()->addr)
                       ? OPTION_DEVICE_LO
                       : OPTION_DEVICE_NIC;
    info->wall_ns = prim_wall_ns();
}

/**
 * dgram_deliver() - a datagram arrived
 * @d: whose it is
 * @p: the datagram; taken over
 * @from_address: sender, network byte order like the next
 * @from_port: its port
 *
 * Context: lock held; from within lwIP's input.
 */
void dgram_deliver(struct dgram *d, struct pbuf *p, uint32_t from_address,
                   uint16_t from_port)
{
    struct dgram_packet *packet = NULL;
    bool full = !list_empty(&d->queue) &&
                d->queued_bytes + packet_cost(p) > d->opt.rcvbuf_bytes;

    if (!full) {
        packet = heap_zalloc(sizeof(*packet));
    }
    if (!packet) {
        pbuf_free(p);
        return;
    }
    packet->p = p;
    info_fill(&packet->info, d);
    packet->info.from.address = from_address;
    packet->info.from.port = from_port;
    d->queued_bytes += packet_cost(p);
    list_append(&d->queue, &packet->node);
    file_wake(&d->file, EPOLLIN);
}

/**
 * dgram_fail() - an error was reported by somebody on the way
 * @d: whose datagram met it
 * @error: positive errno
 *
 * Context: lock held.
 */
void dgram_fail(struct dgram *d, int error)
{
    d->error = error;
    file_wake(&d->file, EPOLLIN | EPOLLOUT | EPOLLERR);
}

/**
 * dgram_unreachable() - nobody takes what a UDP socket sent
 * @local_port: of the datagram, network byte order
 * @remote: where it went
 * @error: positive errno
 *
 * Only one who is connected there hears of it: others may have sent to many.
 *
 * Context: lock held.
 */
void dgram_unreachable(uint16_t local_port, const struct sock_addr *remote,
                       int error)
{
    struct list *node;

    list_for_each (node, &dgram_all) {
        struct dgram *d = list_entry(node, struct dgram, node);

        if (d->kind == DGRAM_UDP && d->pcb && d->connected &&
            lwip_htons(d->pcb->local_port) == local_port &&
            d->remote.address == remote->address &&
            d->remote.port == remote->port) {
            dgram_fail(d, error);
            return;
        }
    }
}

/**
 * dgram_room() - the hold goes on: those who found it full may try again
 *
 * Context: lock held.
 */
void dgram_room(void)
{
    struct list *node;

    list_for_each (node, &dgram_all) {
        struct dgram *d = list_entry(node, struct dgram, node);

        if (d->tx_waits) {
            d->tx_waits = false;
            file_wake(&d->file, EPOLLOUT);
        }
    }
}

/* -- UDP --------------------------------------------------------------------- */

static bool shares_name(const struct dgram *a, const struct dgram *b)
{
    return a->kind == DGRAM_UDP && a->pcb && !a->connected &&
           a->pcb->local_port == b->pcb->local_port &&
           ip_addr_eq(&a->pcb->local_ip, &b->pcb->local_ip);
}

/*
 * Of sockets that share a name, lwIP's choice is any: it is to be the one that
 * this sender has always (SO_REUSEPORT), or the one bound last (SO_REUSEADDR).
 */
static struct dgram *udp_choose(struct dgram *d, uint32_t address,
                                uint16_t port)
{
    struct dgram *last = d;
    struct list *node;
    uint32_t n = 0, i;

    if (d->connected) {
        return d;
    }
    list_for_each (node, &dgram_all) {
        struct dgram *other = list_entry(node, struct dgram, node);

        if (shares_name(other, d)) {
            last = other;
            n++;
        }
    }
    if (n < 2 || !last->reuseport) {
        return last;
    }
    i = random_choice(address, port, n);
    list_for_each (node, &dgram_all) {
        struct dgram *other = list_entry(node, struct dgram, node);

        if (shares_name(other, d) && !i--) {
            return other;
        }
    }
    return last;
}

static void udp_on_recv(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                        const ip_addr_t *from, u16_t port)
{
    struct dgram *d = arg;
    uint32_t address = ip_2_ip4(from)->addr;

    (void)pcb;
    /* A broadcast is for all of them, one after the other. */
    if (!ip4_addr_isbroadcast(ip4_current_dest_addr(), ip_current_netif())) {
        d = udp_choose(d, address, port);
    }
    dgram_deliver(d, p, address, lwip_htons(port));
}

/* Port 0: one of our choice. */
static long udp_attach(struct dgram *d, const struct sock_addr *local)
{
    ip_addr_t address = { .addr = local->address };
    uint16_t port = local->port;

    if (!port) {
        port = name_udp_free_port(d, local->address);
        if (!port) {
            return -EAGAIN;
        }
    } else if (!name_udp_is_free(d, local)) {
        return -EADDRINUSE;
    }
    d->pcb = udp_new_ip_type(IPADDR_TYPE_V4);
    if (!d->pcb) {
        return -ENOBUFS;
    }
    /* Who may share a port is for names.c to say. */
    ip_set_option(d->pcb, SOF_REUSEADDR);
    dgram_apply_options(d);
    if (udp_bind(d->pcb, &address, lwip_ntohs(port)) != ERR_OK) {
        udp_remove(d->pcb);
        d->pcb = NULL;
        return -EADDRINUSE;
    }
    udp_recv(d->pcb, udp_on_recv, d);
    return 0;
}

/* A port, if it has none yet. */
static long udp_need_port(struct dgram *d)
{
    return d->pcb ? 0 : udp_attach(d, &d->local);
}

static err_t udp_send_as_said(struct dgram *d, struct pbuf *p,
                              const ip_addr_t *to, uint16_t port,
                              const struct dgram_control *control)
{
    ip_addr_t source = { .addr = control->source };
    struct netif *netif = control->device
                              ? netif_get_by_index((u8_t)control->device)
                              : ip4_route_src(&source, to);

    if (!netif) {
        return ERR_RTE;
    }
    return control->source
               ? udp_sendto_if_src(d->pcb, p, to, port, netif, &source)
               : udp_sendto_if(d->pcb, p, to, port, netif);
}

static long udp_send_pbuf(struct dgram *d, struct pbuf *p,
                          const struct sock_addr *to,
                          const struct dgram_control *control)
{
    ip_addr_t address = { .addr = to->address };
    uint16_t port = lwip_ntohs(to->port);
    err_t err;

    d->pcb->ttl = control->ttl < 0 ? dgram_ttl(d) : (u8_t)control->ttl;
    d->pcb->tos = control->tos < 0 ? d->opt.tos : (u8_t)control->tos;
    err = control->source || control->device
              ? udp_send_as_said(d, p, &address, port, control)
              : udp_sendto(d->pcb, p, &address, port);
    return dgram_errno(d, err);
}

/* -- life --------------------------------------------------------------------- */

/**
 * dgram_create() - a socket without a name
 * @kind: what it carries
 * @flags: of the file
 *
 * Return: with one reference, or NULL.
 * Context: lock held.
 */
struct dgram *dgram_create(enum dgram_kind kind, uint32_t flags)
{
    struct dgram *d = heap_zalloc(sizeof(*d));

    if (d) {
        file_init(&d->file, &dgram_ops, flags);
        d->kind = kind;
        sock_options_init(&d->opt, OPTION_DGRAM_BYTES);
        list_init(&d->queue);
        list_append(&dgram_all, &d->node);
    }
    return d;
}

static void dgram_release(struct file *file)
{
    struct dgram *d = dgram_of(file);

    while (queue_first(d)) {
        queue_drop_first(d);
    }
    if (d->pcb) {
        udp_remove(d->pcb);
    }
    list_remove(&d->node);
    heap_free(d);
}

/**
 * dgram_apply_options() - make the pcb follow the socket's options
 * @d: the socket
 *
 * Context: lock held.
 */
void dgram_apply_options(struct dgram *d)
{
    if (!d->pcb) {
        return;
    }
    d->pcb->ttl = dgram_ttl(d);
    d->pcb->tos = d->opt.tos;
    udp_bind_netif(d->pcb, netif_get_by_index(d->opt.device));
}

/* -- names -------------------------------------------------------------------- */

static bool is_broadcast(uint32_t address)
{
    ip4_addr_t to = { .addr = address };
    struct netif *netif = ip4_route(&to);

    return netif && ip4_addr_isbroadcast(&to, netif);
}

/**
 * dgram_bind() - give the socket a local name
 * @d: the socket
 * @local: address 0: any; port 0: a free one
 *
 * Return: 0, -EINVAL, -EADDRNOTAVAIL, -EADDRINUSE, -ENOBUFS.
 * Context: lock held.
 */
long dgram_bind(struct dgram *d, const struct sock_addr *local)
{
    long ret;

    if (!d->opt.freebind && !link_is_ours(local->address) &&
        !is_broadcast(local->address)) {
        return -EADDRNOTAVAIL;
    }
    if (d->kind != DGRAM_UDP) {
        return icmp_bind(d, local);
    }
    if (d->pcb) {
        return -EINVAL;
    }
    ret = udp_attach(d, local);
    if (!ret) {
        d->local = *local;
        d->port_named = local->port != 0;
    }
    return ret;
}

/* Nowhere and anywhere: a port that nobody named is given back. */
static void dgram_disconnect(struct dgram *d)
{
    static const struct sock_addr none;

    d->connected = false;
    d->remote = none;
    if (d->pcb && d->port_named) {
        udp_disconnect(d->pcb);
    } else if (d->pcb) {
        udp_remove(d->pcb);
        d->pcb = NULL;
    }
}

/**
 * dgram_connect() - say where datagrams go to, and from where alone they come
 * @d: the socket
 * @remote: address 0 is this host; NULL: nowhere and anywhere
 *
 * Return: 0, -ENETUNREACH, -EACCES (broadcast), -ENOBUFS.
 * Context: lock held.
 */
long dgram_connect(struct dgram *d, const struct sock_addr *remote)
{
    ip_addr_t address = { .addr = remote ? remote->address : 0 };
    long ret;

    if (!remote) {
        dgram_disconnect(d);
        return 0;
    }
    if (!address.addr) {
        address.addr = lwip_htonl(0x7f000001);
    }
    if (!ip4_route(ip_2_ip4(&address))) {
        return -ENETUNREACH;
    }
    if (is_broadcast(address.addr) && !d->opt.broadcast) {
        return -EACCES;
    }
    if (d->kind == DGRAM_UDP) {
        ret = udp_need_port(d);
        if (ret) {
            return ret;
        }
        udp_connect(d->pcb, &address, lwip_ntohs(remote->port));
    }
    d->connected = true;
    d->remote.address = address.addr;
    d->remote.port = remote->port;
    return 0;
}

/**
 * dgram_local() - our name
 * @d: the socket
 * @ret_local: zeros if it has none; once connected the address is that from
 *             which datagrams go there
 *
 * Context: lock held.
 */
void dgram_local(struct dgram *d, struct sock_addr *ret_local)
{
    ip4_addr_t to = { .addr = d->remote.address };
    struct netif *netif;

    *ret_local = d->local;
    if (d->pcb) {
        ret_local->address = ip_2_ip4(&d->pcb->local_ip)->addr;
        ret_local->port = lwip_htons(d->pcb->local_port);
    }
    if (!ret_local->address && d->connected) {
        netif = ip4_route(&to);
        ret_local->address = netif ? netif_ip4_addr(netif)->addr : 0;
    }
}

/* -- data --------------------------------------------------------------------- */

/**
 * dgram_errno() - what lwIP answered to a datagram
 * @d: who sent it; remembers that it waits for room
 * @err: lwIP's answer
 *
 * Return: 0 or a negative errno.
 * Context: lock held.
 */
long dgram_errno(struct dgram *d, err_t err)
{
    switch (err) {
    case ERR_OK:
        return 0;
    case ERR_WOULDBLOCK:
        d->tx_waits = true;
        return -EAGAIN;
    case ERR_RTE:
        return -ENETUNREACH;
    case ERR_MEM:
    case ERR_BUF:
        return -ENOBUFS;
    default:
        return -ENETDOWN;
    }
}

static struct pbuf *dgram_pieces(size_t len_bytes)
{
    size_t n = len_bytes < DGRAM_PIECE ? len_bytes : DGRAM_PIECE;
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)n, PBUF_RAM);

    for (len_bytes -= n; p && len_bytes; len_bytes -= n) {
        struct pbuf *more;

        n = len_bytes < DGRAM_PIECE ? len_bytes : DGRAM_PIECE;
        more = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM);
        if (!more) {
            pbuf_free(p);
            return NULL;
        }
        pbuf_cat(p, more);
    }
    return p;
}

/**
 * dgram_pbuf() - memory for a datagram that is to be sent
 * @len_bytes: its length
 *
 * Return: a chain, with room for headers before it; NULL without memory.
 * Context: lock held.
 */
struct pbuf *dgram_pbuf(size_t len_bytes)
{
    enum heap_use before = heap_net_use(HEAP_WRITTEN);
    struct pbuf *p = dgram_pieces(len_bytes);

    heap_net_use(before);
    return p;
}

/* From where: one of ours, by a way that there is. */
static long check_control(const struct dgram_control *control)
{
    if (control->device > NET_INTERFACES ||
        (control->device && !netif_get_by_index((u8_t)control->device))) {
        return -ENODEV;
    }
    return link_is_ours(control->source) ? 0 : -EINVAL;
}

/* Where it goes: 0 and *ret_to, or why not. */
static long send_check(struct dgram *d, const struct uio *uio,
                       const struct sock_addr *to, struct sock_addr *ret_to)
{
    if (uio->left_bytes > DGRAM_UDP_MAX) {
        return -EMSGSIZE;
    }
    if (!to && !d->connected) {
        return -EDESTADDRREQ;
    }
    *ret_to = to ? *to : d->remote;
    if (d->kind == DGRAM_UDP && !ret_to->port) {
        return -EINVAL;
    }
    if (!ret_to->address) {
        ret_to->address = lwip_htonl(0x7f000001);
    }
    if (d->error) {
        return -dgram_take_error(d);
    }
    if (d->tx_end) {
        return -EPIPE;
    }
    return is_broadcast(ret_to->address) && !d->opt.broadcast ? -EACCES : 0;
}

/**
 * dgram_send() - send one datagram
 * @d: the socket; gets a port if it has none
 * @uio: all of the datagram
 * @to: where to, NULL: where it is connected to
 * @control: how, if it is said
 *
 * Return: its length, -EAGAIN while the hold is full (@uio is as before), or
 *         another negative errno.
 * Context: lock held.
 */
long dgram_send(struct dgram *d, struct uio *uio, const struct sock_addr *to,
                const struct dgram_control *control)
{
    size_t len_bytes = uio->left_bytes;
    struct uio before = *uio;
    struct sock_addr dest;
    struct pbuf *p;
    long ret = send_check(d, uio, to, &dest);

    ret = ret ? ret : check_control(control);
    if (!ret && d->kind == DGRAM_UDP) {
        ret = udp_need_port(d);
    }
    if (ret) {
        return ret;
    }
    p = dgram_pbuf(len_bytes);
    if (!p) {
        return -ENOBUFS;
    }
    for (struct pbuf *q = p; q && !ret; q = q->next) {
        ret = uio_copy_in(uio, q->payload, q->len);
    }
    if (!ret) {
        ret = d->kind == DGRAM_UDP ? udp_send_pbuf(d, p, &dest, control)
                                   : icmp_send(d, p, dest.address);
    }
    pbuf_free(p);
    if (ret) {
        *uio = before;
    }
    link_loop();
    return ret ? ret : (long)len_bytes;
}

/**
 * dgram_recv() - take the oldest datagram
 * @d: the socket
 * @uio: where to; what does not fit is lost
 * @peek: leave it in the queue
 * @ret_info: who sent it, and what else is known of it
 * @ret_bytes: its whole length
 *
 * Return: bytes copied, -EAGAIN, -EFAULT (the datagram is gone), or an error
 *         that somebody reported, once.
 * Context: lock held.
 */
long dgram_recv(struct dgram *d, struct uio *uio, bool peek,
                struct dgram_info *ret_info, size_t *ret_bytes)
{
    struct dgram_packet *packet = queue_first(d);
    size_t done = 0;
    long ret = 0;

    if (d->error) {
        return -dgram_take_error(d);
    }
    if (!packet) {
        memset(ret_info, 0, sizeof(*ret_info));
        *ret_bytes = 0;
        return -EAGAIN;
    }
    *ret_info = packet->info;
    *ret_bytes = packet->p->tot_len;
    for (struct pbuf *q = packet->p; q && uio->left_bytes && !ret;
         q = q->next) {
        size_t n = uio_min(uio, q->len);

        ret = uio_copy_out(uio, q->payload, n);
        done += n;
    }
    if (!peek) {
        queue_drop_first(d);
    }
    return ret ? ret : (long)done;
}

/**
 * dgram_shutdown() - end one or both directions, here alone
 * @d: the socket
 * @rx: nothing more is to be received
 * @tx: nothing more will be sent
 *
 * Return: 0 or -ENOTCONN.
 * Context: lock held.
 */
long dgram_shutdown(struct dgram *d, bool rx, bool tx)
{
    d->rx_end |= rx;
    d->tx_end |= tx;
    file_wake(&d->file, EPOLLIN | EPOLLOUT | EPOLLRDHUP |
                            (d->rx_end && d->tx_end ? EPOLLHUP : 0));
    return d->connected ? 0 : -ENOTCONN;
}

/**
 * dgram_take_error() - the pending error, which is then forgotten
 * @d: the socket
 *
 * Return: a positive errno or 0.
 * Context: lock held.
 */
int dgram_take_error(struct dgram *d)
{
    int error = d->error;

    d->error = 0;
    return error;
}

static uint32_t dgram_events(struct file *file)
{
    struct dgram *d = dgram_of(file);

    return (queue_first(d) || d->rx_end ? EPOLLIN | EPOLLRDNORM : 0) |
           (d->rx_end ? EPOLLRDHUP : 0) |
           (d->rx_end && d->tx_end ? EPOLLHUP : 0) |
           (d->tx_waits ? 0 : EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND) |
           (d->error ? EPOLLERR : 0);
}

static long dgram_read(struct file *file, struct uio *uio)
{
    struct dgram *d = dgram_of(file);
    struct dgram_info info;
    size_t bytes;
    long ret;

    /* A read of nothing takes nothing. */
    ret = uio->left_bytes ? dgram_recv(d, uio, false, &info, &bytes) : 0;
    /* Only who would wait is told of the end, as on Linux. */
    return ret == -EAGAIN && d->rx_end && !(file->flags & O_NONBLOCK) ? 0 : ret;
}

static long dgram_write(struct file *file, struct uio *uio)
{
    static const struct dgram_control nothing = { .ttl = -1, .tos = -1 };

    return dgram_send(dgram_of(file), uio, NULL, &nothing);
}

static long dgram_ioctl(struct file *file, uint64_t request, uint64_t user_arg)
{
    struct dgram_packet *packet = queue_first(dgram_of(file));
    uint32_t value = 0;

    switch (request) {
    case LINUX_FIONREAD:
        value = packet ? packet->p->tot_len : 0;
        break;
    case LINUX_SIOCOUTQ:
        /* What is sent has left, or is refused. */
        break;
    default:
        return -ENOTTY;
    }
    return copy_to_user(user_arg, &value, sizeof(value));
}

const struct file_ops dgram_ops = {
    .name = "socket",
    .mode = LINUX_S_IFSOCK | 0777,
    .events = dgram_events,
    .read = dgram_read,
    .write = dgram_write,
    .release = dgram_release,
    .ioctl = dgram_ioctl,
};
