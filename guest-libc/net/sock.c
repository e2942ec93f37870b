/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock.c - a TCP socket over lwIP's raw interface
 *
 * lwIP calls back while frames or timers are worked on; the callbacks only
 * move data into the socket's queue and tell the file layer which events came
 * true.
 *
 * Who owns a pcb.  s->pcb is valid until lwIP frees the pcb, and it does so
 *   - calling sock_on_error (the pcb is gone already);
 *   - silently, after both FINs: in TIME_WAIT.  So a socket whose two
 *     directions have ended lets its pcb go (sock_detach) and lwIP finishes.
 * A socket that the program closes lets go as well; with unread data the
 * connection is reset, since the peer must not believe it was read.
 */
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/sock-internal.h"
#include "guest-libc/net/tcp-timers.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"

/* Writable again when so much is free: one event per many segments. */
#define SOCK_TX_LOW      (TCP_SND_BUF / 4)
/* tcp_write() counts in 16 bits; the copy on the way stays in the cache. */
#define SOCK_PIECE       16384u
#define SOCK_U16_MAX     0xffffu
/* net.core.somaxconn */
#define SOCK_BACKLOG_MAX 4096

/* Bytes on their way from the program into segments; under the lock. */
static uint8_t sock_piece[SOCK_PIECE] __attribute__((section(".bss.piece")));

/* -- lwIP calls ------------------------------------------------------------ */

static err_t sock_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                          err_t err);
static err_t sock_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len);
static void sock_on_error(void *arg, err_t err);

static void sock_attach(struct sock *s, struct tcp_pcb *pcb)
{
    s->pcb = pcb;
    tcp_arg(pcb, s);
    tcp_recv(pcb, sock_on_recv);
    tcp_sent(pcb, sock_on_sent);
    tcp_err(pcb, sock_on_error);
    sock_apply_options(s);
}

/**
 * sock_detach() - lwIP goes on without us
 * @s: the socket
 *
 * Return: the pcb that it had, or NULL.
 * Context: lock held.
 */
struct tcp_pcb *sock_detach(struct sock *s)
{
    struct tcp_pcb *pcb = s->pcb;

    s->pcb = NULL;
    if (pcb) {
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
        tcp_poll(pcb, NULL, 0);
    }
    return pcb;
}

static err_t sock_on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p,
                          err_t err)
{
    struct sock *s = arg;

    (void)err;
    if (!p) {
        s->fin = true;
        s->rx_end = true;
        if (s->tx_end) {
            sock_detach(s);
        }
        file_wake(&s->file, EPOLLIN | EPOLLRDHUP | (s->tx_end ? EPOLLHUP : 0));
        return ERR_OK;
    }
    if (s->rx_end && s->tx_end) {
        /* Nobody will read it, and nobody can say so any more but by a reset.
         * What came after SHUT_RD alone waits for a read, as on Linux. */
        pbuf_free(p);
        sock_detach(s);
        tcp_abort(pcb);
        sock_die(s, ECONNRESET);
        return ERR_ABRT;
    }
    s->rx_bytes += p->tot_len;
    if (s->rx_tail) {
        s->rx_tail->next = p;
    } else {
        s->rx_head = p;
    }
    while (p->next) {
        p = p->next;
    }
    s->rx_tail = p;
    file_wake(&s->file, EPOLLIN | SOCK_EVENT_MORE);
    return ERR_OK;
}

/**
 * sock_has_room() - is a write worth its while?
 * @s: a socket with a pcb
 *
 * Return: whether.
 * Context: lock held.
 */
bool sock_has_room(const struct sock *s)
{
    /* tcp_sndbuf() would cut it to 16 bits. */
    return !s->tx_starved && s->pcb->snd_buf >= SOCK_TX_LOW &&
           tcp_sndqueuelen(s->pcb) < TCP_SNDQUEUELOWAT;
}

static err_t sock_on_room(struct sock *s)
{
    s->tx_starved = false;
    if (s->tx_waits && sock_has_room(s)) {
        s->tx_waits = false;
        tcp_poll(s->pcb, NULL, 0);
        file_wake(&s->file, EPOLLOUT);
    }
    return ERR_OK;
}

static err_t sock_on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    (void)pcb;
    (void)len;
    return sock_on_room(arg);
}

/* A write failed for want of memory while nothing was in flight. */
static err_t sock_on_poll(void *arg, struct tcp_pcb *pcb)
{
    (void)pcb;
    return sock_on_room(arg);
}

/**
 * sock_die() - the connection is gone before its time
 * @s: the socket; it has no pcb any more
 * @error: positive errno
 *
 * Context: lock held.
 */
void sock_die(struct sock *s, int error)
{
    s->error = error;
    s->state = SOCK_DEAD;
    s->rx_end = true;
    s->tx_end = true;
    file_wake(&s->file, SOCK_EVENTS_ALL);
}

/* What the program is told of it. */
static int errno_of(const struct sock *s, err_t err)
{
    if (s->state == SOCK_CONNECTING) {
        return err == ERR_RST  ? ECONNREFUSED
               : s->soft_error ? s->soft_error
                               : ETIMEDOUT;
    }
    if (err == ERR_ABRT) {
        return s->soft_error ? s->soft_error : ETIMEDOUT;
    }
    /* The peer had ended its direction: what fails is ours. */
    return s->fin && !s->tx_end ? EPIPE : ECONNRESET;
}

static void sock_on_error(void *arg, err_t err)
{
    struct sock *s = arg;

    if (!s) {
        return;
    }
    s->pcb = NULL;
    if (err == ERR_CLSD || (s->fin && s->tx_end && err != ERR_RST)) {
        /* Both directions had ended, or just did: nothing is lost. */
        s->rx_end = true;
        s->tx_end = true;
        file_wake(&s->file, SOCK_EVENTS_ALL & ~EPOLLERR);
        return;
    }
    sock_die(s, errno_of(s, err));
}

/* As Linux has it: an accepted socket has all that was set of its listener. */
static void sock_inherit(struct sock *s, const struct sock *listener)
{
    s->reuse = listener->reuse;
    s->reuseport = listener->reuseport;
    s->opt = listener->opt;
    s->opt.cookie = 0;
    s->file.rx_timeout_ns = listener->file.rx_timeout_ns;
    s->file.tx_timeout_ns = listener->file.tx_timeout_ns;
}

/**
 * sock_unreachable() - the network tells why a connection's packets are lost
 * @pcb: the connection
 * @error: positive errno; told to the program if it is given up
 *
 * Context: lock held.
 */
void sock_unreachable(struct tcp_pcb *pcb, int error)
{
    struct sock *s = pcb->errf == sock_on_error ? pcb->callback_arg : NULL;

    if (s) {
        s->soft_error = error;
    }
}

static err_t sock_on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct sock *listener = arg, *s;

    if (!listener || err != ERR_OK || !pcb) {
        return ERR_VAL;
    }
    s = sock_create(O_RDWR);
    if (!s) {
        return ERR_MEM;
    }
    s->state = SOCK_CONNECTED;
    s->local.address = ip_2_ip4(&pcb->local_ip)->addr;
    s->local.port = lwip_htons(pcb->local_port);
    s->remote.address = ip_2_ip4(&pcb->remote_ip)->addr;
    s->remote.port = lwip_htons(pcb->remote_port);
    sock_inherit(s, listener);
    sock_attach(s, pcb);
    /* It counts against the backlog until the program takes it. */
    tcp_backlog_delayed(pcb);
    list_append(&listener->accepted, &s->accept_node);
    file_wake(&listener->file, EPOLLIN);
    return ERR_OK;
}

/* -- life ------------------------------------------------------------------- */

/**
 * sock_create() - a socket without a name
 * @flags: of the file
 *
 * Return: with one reference, or NULL.
 * Context: lock held.
 */
struct sock *sock_create(uint32_t flags)
{
    struct sock *s = heap_zalloc(sizeof(*s));

    if (s) {
        file_init(&s->file, &sock_ops, flags);
        list_init(&s->accepted);
        list_init(&s->accept_node);
        sock_options_init(&s->opt, OPTION_STREAM_BYTES);
    }
    return s;
}

/**
 * sock_drop_received() - forget what nobody has read
 * @s: the socket
 *
 * Context: lock held.
 */
void sock_drop_received(struct sock *s)
{
    while (s->rx_head) {
        struct pbuf *p = s->rx_head;

        s->rx_head = p->next;
        p->next = NULL;
        p->tot_len = p->len;
        pbuf_free(p);
    }
    s->rx_tail = NULL;
    s->rx_bytes = 0;
}

static void sock_end(struct sock *s)
{
    bool unread = s->rx_bytes != 0;
    struct tcp_pcb *pcb;

    sock_drop_received(s);
    if (!s->pcb) {
        return;
    }
    clock_touch();
    if (s->state == SOCK_LISTENING) {
        tcp_arg(s->pcb, NULL);
        tcp_close(s->pcb);
        s->pcb = NULL;
        return;
    }
    pcb = sock_detach(s);
    if (unread || (s->opt.linger && !s->opt.linger_s) ||
        tcp_close(pcb) != ERR_OK) {
        tcp_abort(pcb);
    }
}

/**
 * sock_drop_accepted() - reset the connections that nobody has taken
 * @s: a listening socket
 *
 * Context: lock held.
 */
void sock_drop_accepted(struct sock *s)
{
    while (!list_empty(&s->accepted)) {
        struct sock *child =
            list_entry(s->accepted.next, struct sock, accept_node);

        list_remove(&child->accept_node);
        /* Nobody will ever serve it. */
        child->opt.linger = true;
        child->opt.linger_s = 0;
        file_release(&child->file);
    }
}

static void sock_release(struct file *file)
{
    struct sock *s = sock_of(file);

    sock_drop_accepted(s);
    sock_end(s);
    name_drop(s);
    link_loop();
    heap_free(s);
}

/**
 * sock_apply_options() - make the pcb follow the socket's options
 * @s: the socket
 *
 * Context: lock held.
 */
void sock_apply_options(struct sock *s)
{
    struct tcp_pcb *pcb = s->pcb;

    if (!pcb) {
        return;
    }
    /* Who may share a port is for names.c to say. */
    ip_set_option(pcb, SOF_REUSEADDR);
    ip_reset_option(pcb, SOCK_REUSEADDR | SOCK_REUSEPORT);
    ip_set_option(pcb, (s->reuse ? SOCK_REUSEADDR : 0) |
                           (s->reuseport ? SOCK_REUSEPORT : 0));
    if (s->state == SOCK_LISTENING) {
        return;
    }
    pcb->tos = s->opt.tos;
    pcb->ttl = s->opt.ttl < 0 ? OPTION_TTL_DEFAULT : s->opt.ttl;
    tcp_bind_netif(pcb, netif_get_by_index(s->opt.device));
    if (s->opt.nodelay) {
        tcp_nagle_disable(pcb);
    } else {
        tcp_nagle_enable(pcb);
    }
    if (s->opt.keepalive) {
        ip_set_option(pcb, SOF_KEEPALIVE);
    } else {
        ip_reset_option(pcb, SOF_KEEPALIVE);
    }
    pcb->keep_idle = s->opt.keep_idle_s * 1000;
    pcb->keep_intvl = s->opt.keep_intvl_s * 1000;
    pcb->keep_cnt = s->opt.keep_cnt;
    pcb->user_timeout = (uint32_t)s->opt.user_timeout_ms;
    pcb->syn_retries = s->opt.syncnt;
    pcb->linger2 = s->opt.linger2_s;
    pcb->cork = (pcb->cork & TCP_CORK_MORE) | (s->opt.cork ? TCP_CORK_SET : 0);
    /* A nearer keep-alive than the stopped clock knows of. */
    clock_touch();
}

/**
 * sock_push() - send what was kept to fill a segment
 * @s: the socket
 *
 * Context: lock held.
 */
void sock_push(struct sock *s)
{
    if (s->pcb && s->state == SOCK_CONNECTED) {
        clock_touch();
        tcp_output_kept(s->pcb);
        link_loop();
    }
}

/* -- naming ------------------------------------------------------------------ */

static long sock_bind_pcb(struct sock *s, const struct sock_addr *local)
{
    ip_addr_t address = { .addr = local->address };

    return tcp_bind(s->pcb, &address, lwip_ntohs(local->port)) == ERR_OK
               ? 0
               : -EADDRINUSE;
}

/**
 * sock_need_pcb() - have a pcb, with the name that the socket was given
 * @s: the socket
 *
 * Return: 0, -ENOBUFS, -EADDRINUSE (somebody took the name meanwhile).
 * Context: lock held.
 */
long sock_need_pcb(struct sock *s)
{
    struct tcp_pcb *pcb;
    long ret;

    if (s->pcb) {
        return 0;
    }
    pcb = tcp_new_ip_type(IPADDR_TYPE_V4);
    if (!pcb) {
        return -ENOBUFS;
    }
    sock_attach(s, pcb);
    ret = s->local.port ? sock_bind_pcb(s, &s->local) : 0;
    if (ret) {
        tcp_close(sock_detach(s));
    }
    return ret;
}

/**
 * sock_bind() - give the socket a local name
 * @s: the socket
 * @local: address 0: any; port 0: a free one
 *
 * Return: 0, -EINVAL, -EADDRNOTAVAIL, -EADDRINUSE, -ENOBUFS.
 * Context: lock held.
 */
long sock_bind(struct sock *s, const struct sock_addr *local)
{
    struct sock_addr name = *local;
    long ret;

    if (s->state != SOCK_NEW || s->local.port) {
        return -EINVAL;
    }
    if (!s->opt.freebind && !link_is_ours(local->address)) {
        return -EADDRNOTAVAIL;
    }
    if (!name.port) {
        name.port = name_free_port(s, name.address, NULL);
    } else if (!name_is_free(s, &name)) {
        name.port = 0;
    }
    if (!name.port) {
        return -EADDRINUSE;
    }
    ret = sock_need_pcb(s);
    ret = ret ? ret : sock_bind_pcb(s, &name);
    if (ret) {
        return ret;
    }
    s->local = name;
    s->address_named = local->address != 0;
    if (local->port) {
        name_keep(s);
    }
    return 0;
}

/**
 * sock_listen() - take connections
 * @s: the socket; gets a port if it has none
 * @backlog: how many may wait, besides one; less than 0: as many as can
 *
 * Return: 0, -EINVAL, -EADDRINUSE, -ENOBUFS.
 * Context: lock held.
 */
long sock_listen(struct sock *s, int backlog)
{
    static const struct sock_addr any;
    /* As Linux has it: a number without a sign. */
    uint16_t limit =
        (uint32_t)backlog > SOCK_BACKLOG_MAX ? SOCK_BACKLOG_MAX : backlog;
    struct tcp_pcb *pcb;
    err_t err = ERR_OK;
    long ret;

    if (s->state == SOCK_LISTENING) {
        tcp_backlog_set(s->pcb, limit);
        return 0;
    }
    if (s->state != SOCK_NEW) {
        return -EINVAL;
    }
    if (s->local.port && !name_is_free(s, &s->local)) {
        return -EADDRINUSE;
    }
    ret = s->local.port ? sock_need_pcb(s) : sock_bind(s, &any);
    if (ret) {
        return ret;
    }
    pcb = tcp_listen_with_backlog_and_err(s->pcb, limit, &err);
    if (!pcb) {
        return err == ERR_USE ? -EADDRINUSE : -ENOBUFS;
    }
    s->pcb = pcb;
    s->state = SOCK_LISTENING;
    tcp_arg(pcb, s);
    tcp_accept(pcb, sock_on_accept);
    return 0;
}

/**
 * sock_accept() - take the oldest connection that waits
 * @s: a listening socket
 * @ret_sock: the connection; the reference is the caller's
 *
 * Return: 0, -EINVAL (does not listen), -EAGAIN.
 * Context: lock held.
 */
long sock_accept(struct sock *s, struct sock **ret_sock)
{
    struct sock *child;

    if (s->state != SOCK_LISTENING) {
        return -EINVAL;
    }
    if (list_empty(&s->accepted)) {
        return -EAGAIN;
    }
    child = list_entry(s->accepted.next, struct sock, accept_node);
    list_remove(&child->accept_node);
    if (child->pcb) {
        tcp_backlog_accepted(child->pcb);
    }
    *ret_sock = child;
    return 0;
}

/* -- data ------------------------------------------------------------------- */

/* Copy up to all of the queue; ret_bytes is what was copied or thrown away. */
static long queue_copy(struct sock *s, struct uio *uio, uint32_t how,
                       size_t *ret_bytes)
{
    bool peek = how & SOCK_RECV_PEEK;
    struct pbuf *p = s->rx_head;
    uint32_t offset = s->rx_offset;

    while (p && uio->left_bytes) {
        size_t n = uio_min(uio, p->len - offset);

        if (how & SOCK_RECV_DISCARD) {
            uio->left_bytes -= n;
        } else if (uio_copy_out(uio, (uint8_t *)p->payload + offset, n)) {
            return -EFAULT;
        }
        *ret_bytes += n;
        offset += n;
        if (!peek) {
            s->rx_offset = offset;
            s->rx_bytes -= n;
        }
        if (offset == p->len) {
            struct pbuf *done = p;

            p = p->next;
            offset = 0;
            if (!peek) {
                s->rx_head = p;
                s->rx_tail = p ? s->rx_tail : NULL;
                s->rx_offset = 0;
                done->next = NULL;
                done->tot_len = done->len;
                pbuf_free(done);
            }
        }
    }
    return 0;
}

/* Nothing is in the queue: will there be, and if not, why? */
static long recv_empty(struct sock *s)
{
    if (s->fin) {
        return 0;
    }
    if (s->error) {
        return -sock_take_error(s);
    }
    if (s->rx_end) {
        return 0;
    }
    return s->state == SOCK_CONNECTING || s->pcb ? -EAGAIN : -ENOTCONN;
}

/**
 * sock_recv() - take received bytes
 * @s: the socket
 * @uio: where to
 * @how: SOCK_RECV_*
 *
 * Return: bytes, 0 at the end of the stream, -EAGAIN, -ENOTCONN, -EFAULT, or
 *         the error that ended the connection, once.
 * Context: lock held.
 */
long sock_recv(struct sock *s, struct uio *uio, uint32_t how)
{
    bool peek = how & SOCK_RECV_PEEK;
    size_t taken = 0;
    long ret;

    if (s->state == SOCK_NEW || s->state == SOCK_LISTENING) {
        return s->error ? -sock_take_error(s) : s->rx_end ? 0 : -ENOTCONN;
    }
    if (!s->rx_bytes) {
        return recv_empty(s);
    }
    ret = queue_copy(s, uio, how, &taken);
    for (size_t left = peek ? 0 : taken; s->pcb && left;) {
        u16_t n = left < SOCK_U16_MAX ? left : SOCK_U16_MAX;

        clock_touch();
        tcp_recved(s->pcb, n);
        left -= n;
    }
    return taken ? (long)taken : ret;
}

/* From sock_piece into segments. */
static bool sock_queue(struct sock *s, size_t len_bytes, u8_t flags)
{
    enum heap_use before = heap_net_use(HEAP_WRITTEN);
    err_t err = tcp_write(s->pcb, sock_piece, (u16_t)len_bytes, flags);

    heap_net_use(before);
    return err == ERR_OK;
}

static long send_check(struct sock *s)
{
    if (s->error) {
        return -sock_take_error(s);
    }
    if (s->state == SOCK_CONNECTING) {
        return -EAGAIN;
    }
    return s->state != SOCK_CONNECTED || s->tx_end || !s->pcb ? -EPIPE : 0;
}

/* Something was queued, or @blocked: the program waits for room. */
static void send_output(struct sock *s, size_t queued, bool more, bool blocked)
{
    if (blocked) {
        tcp_output_kept(s->pcb);
        return;
    }
    if (queued) {
        s->pcb->cork =
            (s->pcb->cork & TCP_CORK_SET) | (more ? TCP_CORK_MORE : 0);
    }
    tcp_output(s->pcb);
}

/**
 * sock_send() - queue bytes for the peer
 * @s: the socket
 * @uio: the bytes
 * @more: others follow at once (MSG_MORE): keep what is no full segment
 *
 * They go by way of sock_piece: a bad pointer must be met here and not inside
 * lwIP, where it could not be undone.
 *
 * Return: bytes taken, -EAGAIN if there is no room, -EPIPE, -EFAULT, ...
 * Context: lock held.
 */
long sock_send(struct sock *s, struct uio *uio, bool more)
{
    size_t done = 0;
    long ret = send_check(s);

    if (ret) {
        return ret;
    }
    clock_touch();
    while (uio->left_bytes) {
        size_t n = uio_min(uio, SOCK_PIECE);
        u8_t flags = TCP_WRITE_FLAG_COPY;
        struct uio before = *uio;

        if (n > tcp_sndbuf(s->pcb)) {
            n = tcp_sndbuf(s->pcb);
        }
        if (!n) {
            ret = -EAGAIN;
            break;
        }
        ret = uio_copy_in(uio, sock_piece, n);
        if (ret) {
            break;
        }
        if (more || uio->left_bytes) {
            flags |= TCP_WRITE_FLAG_MORE;
        }
        if (!sock_queue(s, n, flags)) {
            *uio = before;
            s->tx_starved = true;
            ret = -EAGAIN;
            break;
        }
        done += n;
    }
    if (ret == -EAGAIN) {
        s->tx_waits = true;
        if (!tcp_sndqueuelen(s->pcb)) {
            /* No acknowledgement will come to tell of room. */
            tcp_poll(s->pcb, sock_on_poll, 1);
        }
    }
    send_output(s, done, more, ret == -EAGAIN);
    link_loop();
    return done ? (long)done : ret;
}

/**
 * sock_mss() - the connection's segment size
 * @s: the socket
 *
 * Return: bytes.
 * Context: lock held.
 */
uint32_t sock_mss(const struct sock *s)
{
    return s->pcb && s->state == SOCK_CONNECTED ? tcp_mss(s->pcb) : TCP_MSS;
}

/**
 * sock_unsent() - bytes that the peer has not acknowledged (SIOCOUTQ)
 * @s: the socket
 *
 * Return: bytes.
 * Context: lock held.
 */
uint32_t sock_unsent(const struct sock *s)
{
    return s->pcb && s->state == SOCK_CONNECTED ? TCP_SND_BUF - s->pcb->snd_buf
                                                : 0;
}

/* Bytes of those that were not sent yet (SIOCOUTQNSD). */
static uint32_t sock_queued(const struct sock *s)
{
    return s->pcb && s->state == SOCK_CONNECTED
               ? s->pcb->snd_lbb - s->pcb->snd_nxt
               : 0;
}

static long sock_read(struct file *file, struct uio *uio)
{
    struct sock *s = sock_of(file);
    size_t least = uio_min(uio, (size_t)s->opt.rcvlowat_bytes);

    /* SO_RCVLOWAT: who waits, waits for so many. */
    if (s->rx_bytes < least && !s->rx_end && !s->error && !sock_is_closed(s) &&
        !(file->flags & O_NONBLOCK)) {
        return -EAGAIN;
    }
    /* A read of nothing asks nothing. */
    return uio->left_bytes ? sock_recv(s, uio, 0) : 0;
}

static long sock_write(struct file *file, struct uio *uio)
{
    return sock_send(sock_of(file), uio, false);
}

static long sock_ioctl(struct file *file, uint64_t request, uint64_t user_arg)
{
    struct sock *s = sock_of(file);
    bool listens = s->state == SOCK_LISTENING;
    uint32_t value = 0;

    switch (request) {
    case LINUX_FIONREAD:
        value = s->rx_bytes;
        break;
    case LINUX_SIOCOUTQ:
        value = listens ? 0 : sock_unsent(s);
        break;
    case LINUX_SIOCOUTQNSD:
        value = listens ? 0 : sock_queued(s);
        break;
    case LINUX_SIOCATMARK:
        /* There is no urgent data. */
        return copy_to_user(user_arg, &value, sizeof(value));
    default:
        return -ENOTTY;
    }
    return listens ? -EINVAL : copy_to_user(user_arg, &value, sizeof(value));
}

const struct file_ops sock_ops = {
    .name = "socket",
    .mode = LINUX_S_IFSOCK | 0777,
    .events = sock_events,
    .read = sock_read,
    .write = sock_write,
    .release = sock_release,
    .ioctl = sock_ioctl,
};
