/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock-state.c - how a TCP socket is connected, shut down and used again
 *
 * Linux keeps two states: that of TCP, and whether connect() has told the
 * program how it ended.  The second is @connecting: until it has, connect()
 * goes on with that attempt, and afterwards begins another one.
 */
#include <errno.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/sock-internal.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"

/**
 * sock_is_closed() - is there no peer?
 * @s: the socket
 *
 * Return: true before a connection and after its end in both directions.
 * Context: lock held.
 */
bool sock_is_closed(const struct sock *s)
{
    return s->state == SOCK_NEW || s->state == SOCK_DEAD ||
           (s->state == SOCK_CONNECTED && !s->pcb);
}

/* End the connection at once; what the socket is told of it. */
static int cut(struct sock *s)
{
    struct tcp_pcb *pcb = sock_detach(s);

    if (!pcb) {
        return 0;
    }
    clock_touch();
    if (s->state == SOCK_CONNECTING) {
        tcp_abandon(pcb, 0);
        return ECONNRESET;
    }
    if (pcb->state == CLOSING || pcb->state == LAST_ACK) {
        /* Both ends are as good as gone: lwIP finishes. */
        return 0;
    }
    tcp_abort(pcb);
    return ECONNRESET;
}

/**
 * sock_disconnect() - as if it had never been connected, or listened
 * @s: the socket; a connection is reset, the name that bind() gave stays
 *
 * Context: lock held; not from within lwIP.
 */
void sock_disconnect(struct sock *s)
{
    static const struct sock_addr none;
    int error = 0;

    switch (s->state) {
    case SOCK_NEW:
        break;
    case SOCK_LISTENING:
        sock_drop_accepted(s);
        tcp_arg(s->pcb, NULL);
        tcp_close(s->pcb);
        s->pcb = NULL;
        break;
    default:
        error = cut(s);
    }
    sock_drop_received(s);
    s->error = error ? error : s->error;
    s->connecting = s->fin = s->rx_end = s->tx_end = false;
    s->tx_waits = s->tx_starved = false;
    s->remote = none;
    if (s->state != SOCK_NEW) {
        s->state = SOCK_NEW;
        s->local.address = s->address_named ? s->local.address : 0;
        s->local.port = s->port_named ? s->local.port : 0;
        if (s->local.port) {
            /* If it fails, the next listen() or connect() tries again. */
            sock_need_pcb(s);
        }
    }
    link_loop();
    file_wake(&s->file, SOCK_EVENTS_ALL);
}

/* -- connecting --------------------------------------------------------------- */

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct sock *s = arg;

    (void)pcb;
    (void)err;
    s->state = SOCK_CONNECTED;
    file_wake(&s->file, EPOLLOUT);
    return ERR_OK;
}

/**
 * sock_connect_result() - how the connection attempt ended
 * @s: a socket of which connect() has not told it yet
 *
 * Return: 0, -EALREADY (it has not ended), or why it failed: the socket can be
 *         connected again then.
 * Context: lock held.
 */
long sock_connect_result(struct sock *s)
{
    int error;

    if (s->state == SOCK_CONNECTING) {
        return -EALREADY;
    }
    s->connecting = false;
    if (!sock_is_closed(s)) {
        return 0;
    }
    error = sock_take_error(s);
    sock_disconnect(s);
    return error ? -error : -ECONNABORTED;
}

/* One to whom TCP can speak: 0 or a negative errno. */
static long check_remote(const ip4_addr_t *address)
{
    struct netif *netif = ip4_route(address);

    return !netif || ip4_addr_isbroadcast(address, netif) ||
                   ip4_addr_ismulticast(address)
               ? -ENETUNREACH
               : 0;
}

/* One that no connection has to there, unless bind() gave one. */
static long need_port(struct sock *s, const struct sock_addr *to)
{
    if (!s->local.port) {
        s->local.port = name_free_port(s, 0, to);
    }
    return s->local.port ? 0 : -EADDRNOTAVAIL;
}

static long connect_errno(err_t err)
{
    switch (err) {
    case ERR_RTE:
        return -ENETUNREACH;
    case ERR_USE:
    case ERR_BUF:
        return -EADDRNOTAVAIL;
    default:
        return -ENOBUFS;
    }
}

/**
 * sock_connect() - start a connection, or tell how the one before ended
 * @s: the socket
 * @remote: where to; address 0 is this host
 *
 * Return: -EINPROGRESS when the SYN is out; 0, -EALREADY or an error when
 *         there was an attempt already; -EISCONN; another error otherwise.
 * Context: lock held.
 */
long sock_connect(struct sock *s, const struct sock_addr *remote)
{
    ip_addr_t address = { .addr = remote->address };
    struct sock_addr to = *remote;
    err_t err;
    long ret;

    if (s->connecting) {
        return sock_connect_result(s);
    }
    if (s->state != SOCK_NEW) {
        return -EISCONN;
    }
    if (!address.addr) {
        address.addr = lwip_htonl(0x7f000001);
    }
    to.address = address.addr;
    ret = check_remote(ip_2_ip4(&address));
    ret = ret ? ret : need_port(s, &to);
    ret = ret ? ret : sock_need_pcb(s);
    if (ret) {
        return ret;
    }
    clock_touch();
    err = tcp_connect(s->pcb, &address, lwip_ntohs(remote->port), on_connected);
    if (err != ERR_OK) {
        return connect_errno(err);
    }
    s->state = SOCK_CONNECTING;
    s->connecting = true;
    s->error = 0;
    s->remote = to;
    s->local.address = ip_2_ip4(&s->pcb->local_ip)->addr;
    s->local.port = lwip_htons(s->pcb->local_port);
    link_loop();
    return -EINPROGRESS;
}

/* -- shutting down ------------------------------------------------------------ */

static void end_directions(struct sock *s, bool rx, bool tx)
{
    s->rx_end |= rx;
    if (tx && !s->tx_end) {
        s->tx_end = true;
        if (s->pcb && s->state == SOCK_CONNECTED) {
            clock_touch();
            tcp_shutdown(s->pcb, 0, 1);
        }
    }
    file_wake(&s->file, EPOLLOUT | (s->rx_end ? EPOLLIN | EPOLLRDHUP : 0) |
                            (s->rx_end && s->tx_end ? EPOLLHUP : 0));
    link_loop();
}

/**
 * sock_shutdown() - end one or both directions
 * @s: the socket
 * @rx: nothing more is to be received; a listener does not listen any more
 * @tx: nothing more will be sent
 *
 * A socket without a peer says so, and its directions have ended all the same.
 *
 * Return: 0 or -ENOTCONN.
 * Context: lock held.
 */
long sock_shutdown(struct sock *s, bool rx, bool tx)
{
    bool closed = sock_is_closed(s);

    if (s->state == SOCK_CONNECTING || (s->state == SOCK_LISTENING && rx)) {
        sock_disconnect(s);
        return 0;
    }
    if (s->state != SOCK_LISTENING) {
        s->connecting = false;
        end_directions(s, rx, tx);
    }
    return closed ? -ENOTCONN : 0;
}

/* -- what holds ---------------------------------------------------------------- */

/**
 * sock_take_error() - the pending error, which is then forgotten
 * @s: the socket
 *
 * Return: a positive errno or 0.
 * Context: lock held.
 */
int sock_take_error(struct sock *s)
{
    int error = s->error;

    s->error = 0;
    return error;
}

/* Whether a read, and whether a write is worth its while. */
static uint32_t data_events(struct sock *s)
{
    uint32_t wanted_bytes = (uint32_t)s->opt.rcvlowat_bytes;
    uint32_t events = s->rx_bytes >= wanted_bytes ? EPOLLIN | EPOLLRDNORM : 0;

    if (s->tx_end || sock_is_closed(s) || sock_has_room(s)) {
        events |= EPOLLOUT | EPOLLWRNORM;
    } else {
        s->tx_waits = true;
    }
    return events;
}

/**
 * sock_events() - what holds now
 * @file: of a socket
 *
 * Return: EPOLL* bits.
 * Context: lock held.
 */
uint32_t sock_events(struct file *file)
{
    struct sock *s = sock_of(file);
    uint32_t events = s->error ? EPOLLERR : 0;

    if (s->state == SOCK_LISTENING) {
        return list_empty(&s->accepted) ? 0 : EPOLLIN | EPOLLRDNORM;
    }
    if (sock_is_closed(s) || (s->rx_end && s->tx_end)) {
        events |= EPOLLHUP;
    }
    if (s->rx_end) {
        events |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
    }
    return s->state == SOCK_CONNECTING ? events : events | data_events(s);
}
