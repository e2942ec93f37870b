/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket-data.c - send and receive, on any kind of socket
 *
 * The forms that calls give them are in socket-message.c.
 */
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/netlink.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/posix/socket.h"

#define DATA_SIGPIPE 13

static bool may_wait(const struct file *file, uint32_t flags)
{
    return !(flags & MSG_DONTWAIT) && !(file->flags & O_NONBLOCK);
}

/* -- streams: TCP and socketpairs ------------------------------------------------ */

static long stream_take(const struct socket *s, struct socket_transfer *t)
{
    uint32_t how = (t->flags & MSG_PEEK ? SOCK_RECV_PEEK : 0) |
                   (t->flags & MSG_TRUNC ? SOCK_RECV_DISCARD : 0);

    return s->tcp ? sock_recv(s->tcp, &t->uio, how)
                  : pair_recv(s->pair, &t->uio, t->flags & MSG_PEEK);
}

static uint32_t stream_unread(const struct socket *s)
{
    return s->tcp ? s->tcp->rx_bytes : pair_unread(s->pair);
}

/* Will there be no more than what is there? */
static bool stream_is_over(const struct socket *s)
{
    return s->tcp ? s->tcp->rx_end || s->tcp->error || sock_is_closed(s->tcp)
                  : pair_is_over(s->pair);
}

/* How many bytes a receive waits for. */
static uint64_t recv_target(const struct socket *s,
                            const struct socket_transfer *t)
{
    uint64_t most = t->uio.left_bytes ? t->uio.left_bytes : 1;
    uint64_t least = (uint64_t)s->opt->rcvlowat_bytes;

    return t->flags & MSG_WAITALL || least > most ? most : least;
}

static long wait_more(const struct socket *s, struct socket_transfer *t,
                      uint64_t deadline_ns)
{
    return may_wait(s->file, t->flags)
               ? file_wait_for_call(s->file, SOCK_EVENT_MORE | EPOLLRDHUP,
                                    deadline_ns)
               : -EAGAIN;
}

/* What is looked at stays, so it is looked at once: when enough is there. */
static long peek_stream(const struct socket *s, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(s->file->rx_timeout_ns);
    /* A socketpair does not wait for all of it, on Linux either. */
    uint64_t target = s->tcp ? recv_target(s, t) : 1;
    long ret, waited = 0;

    while (stream_unread(s) < target && !stream_is_over(s) && !waited) {
        waited = wait_more(s, t, deadline_ns);
    }
    ret = stream_take(s, t);
    return ret == -EAGAIN && waited ? waited : ret;
}

static long recv_stream(const struct socket *s, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(s->file->rx_timeout_ns);
    uint64_t target = recv_target(s, t);
    uint64_t done = 0;
    long ret;

    if (t->flags & MSG_PEEK) {
        return peek_stream(s, t);
    }
    for (;;) {
        ret = stream_take(s, t);
        if (ret > 0) {
            done += ret;
        } else if (ret != -EAGAIN) {
            return done ? (long)done : ret;
        }
        if (!t->uio.left_bytes && ret >= 0) {
            return done;
        }
        if (done && (done >= target || stream_is_over(s))) {
            return done;
        }
        ret = wait_more(s, t, deadline_ns);
        if (ret) {
            return done ? (long)done : ret;
        }
    }
}

static long send_stream(struct sock *s, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(s->file.tx_timeout_ns);
    long done = 0, ret;

    for (;;) {
        ret = sock_send(s, &t->uio, t->flags & MSG_MORE);
        if (ret >= 0) {
            done += ret;
            if (!t->uio.left_bytes) {
                return done;
            }
            continue;
        }
        if (ret == -EAGAIN && may_wait(&s->file, t->flags)) {
            ret = file_wait_for_call(&s->file, EPOLLOUT, deadline_ns);
            if (!ret) {
                continue;
            }
        }
        return done ? done : ret;
    }
}

/* -- datagrams --------------------------------------------------------------------- */

static long recv_dgram(struct dgram *d, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(d->file.rx_timeout_ns);
    size_t bytes;
    long ret;

    do {
        ret = dgram_recv(d, &t->uio, t->flags & MSG_PEEK, &t->info, &bytes);
        if (ret >= 0) {
            t->has_name = t->info.from.address != 0;
            t->ret_flags = bytes > (size_t)ret ? MSG_TRUNC : 0;
            return t->flags & MSG_TRUNC ? (long)bytes : ret;
        }
        if (ret != -EAGAIN || !may_wait(&d->file, t->flags)) {
            return ret;
        }
        if (d->rx_end) {
            /* Only who would wait is told of the end, as on Linux. */
            return 0;
        }
        ret = file_wait_for_call(&d->file, EPOLLIN | EPOLLRDHUP, deadline_ns);
    } while (!ret);
    return ret;
}

static long send_dgram(struct dgram *d, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(d->file.tx_timeout_ns);
    struct sock_addr to;
    long ret = 0;

    if (t->user_name) {
        ret = socket_get_name(&to, t->user_name, t->name_bytes, true);
    }
    while (!ret) {
        ret = dgram_send(d, &t->uio, t->user_name ? &to : NULL, &t->control);
        if (ret != -EAGAIN || !may_wait(&d->file, t->flags)) {
            return ret;
        }
        ret = file_wait_for_call(&d->file, EPOLLOUT, deadline_ns);
    }
    return ret;
}

/* -- netlink -------------------------------------------------------------------- */

static long recv_netlink(const struct socket *s, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(s->file->rx_timeout_ns);
    size_t bytes;
    long ret;

    t->is_netlink = true;
    do {
        ret = netlink_recv(s->netlink, &t->uio, t->flags & MSG_PEEK, &bytes);
        if (ret >= 0) {
            t->ret_flags = bytes > (size_t)ret ? MSG_TRUNC : 0;
            return t->flags & MSG_TRUNC ? (long)bytes : ret;
        }
        if (ret != -EAGAIN || !may_wait(s->file, t->flags)) {
            return ret;
        }
        ret = file_wait_for_call(s->file, EPOLLIN, deadline_ns);
    } while (!ret);
    return ret;
}

/* -- any --------------------------------------------------------------------------- */

/* There is no urgent data, and nobody can be given any. */
static long no_urgent(const struct socket *s, bool out)
{
    return out || s->pair || s->netlink ? -EOPNOTSUPP : (s->tcp ? -EINVAL : 0);
}

static long send_any(const struct socket *s, struct socket_transfer *t)
{
    if (s->tcp) {
        return send_stream(s->tcp, t);
    }
    if (s->dgram) {
        return send_dgram(s->dgram, t);
    }
    if (s->netlink) {
        return netlink_send(s->netlink, &t->uio, t->user_name, t->name_bytes);
    }
    if (t->user_name) {
        return pair_lone(s->pair) ? -EOPNOTSUPP : -EISCONN;
    }
    return file_write(s->file, &t->uio, t->flags & MSG_DONTWAIT);
}

static long transfer(uint64_t fd, struct socket_transfer *t, bool out)
{
    struct socket s;
    long ret = socket_any(fd, &s);

    if (!ret && t->flags & MSG_OOB) {
        ret = no_urgent(&s, out);
    }
    if (ret) {
        return ret;
    }
    file_hold(s.file);
    if (out) {
        ret = send_any(&s, t);
    } else {
        ret = s.netlink ? recv_netlink(&s, t)
              : s.dgram ? recv_dgram(s.dgram, t)
                        : recv_stream(&s, t);
        t->wanted = *s.opt;
        t->is_dgram = s.dgram != NULL;
    }
    file_release(s.file);
    return ret;
}

/**
 * socket_send() - send on a socket of any kind
 * @fd: the program's argument
 * @t: what and where to
 *
 * Return: bytes, or a negative errno; -EPIPE with its signal.
 * Context: without the lock.
 */
long socket_send(uint64_t fd, struct socket_transfer *t)
{
    long ret;

    lib_lock();
    ret = transfer(fd, t, true);
    if (ret == -EPIPE && !(t->flags & MSG_NOSIGNAL)) {
        signal_raise_locked(DATA_SIGPIPE);
    }
    lib_unlock();
    return ret;
}

/**
 * socket_recv() - receive on a socket of any kind
 * @fd: the program's argument
 * @t: where to; then what came
 *
 * Return: bytes, or a negative errno.
 * Context: without the lock.
 */
long socket_recv(uint64_t fd, struct socket_transfer *t)
{
    struct socket s;
    long ret;

    t->has_name = false;
    t->is_netlink = false;
    t->ret_flags = 0;
    lib_lock();
    if (t->flags & MSG_ERRQUEUE) {
        /* Nobody puts anything into the queue of errors. */
        ret = socket_any(fd, &s);
        ret = ret ? ret : -EAGAIN;
    } else {
        ret = transfer(fd, t, false);
    }
    lib_unlock();
    return ret;
}
