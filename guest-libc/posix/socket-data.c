/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket-data.c - send and receive, on any kind of socket
 *
 * The forms that calls give them are in socket-message.c.
 */
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/posix/socket.h"

#define DATA_SIGPIPE 13

static bool may_wait(const struct file *file, uint32_t flags)
{
    return !(flags & MSG_DONTWAIT) && !(file->flags & O_NONBLOCK);
}

/* How many bytes a receive waits for. */
static uint64_t recv_target(const struct socket_transfer *t)
{
    uint64_t most = t->uio.left_bytes ? t->uio.left_bytes : 1;

    return t->flags & MSG_WAITALL ? most : 1;
}

/* May what a receive has seen so far be all that it gets? */
static bool recv_is_over(struct sock *s, uint64_t have_bytes, uint64_t target)
{
    return have_bytes >= target || s->rx_end || s->error || sock_is_closed(s);
}

static long wait_more(struct sock *s, struct socket_transfer *t,
                      uint64_t deadline_ns)
{
    return may_wait(&s->file, t->flags)
               ? file_wait_for_call(&s->file, SOCK_EVENT_MORE | EPOLLRDHUP,
                                    deadline_ns)
               : -EAGAIN;
}

/* What is looked at stays, so it is looked at once: when enough is there. */
static long peek_stream(struct sock *s, struct socket_transfer *t, uint32_t how)
{
    uint64_t deadline_ns = wait_deadline(s->file.rx_timeout_ns);
    uint64_t target = recv_target(t);
    long ret, waited = 0;

    while (!recv_is_over(s, s->rx_bytes, target) && !waited) {
        waited = wait_more(s, t, deadline_ns);
    }
    ret = sock_recv(s, &t->uio, how);
    return ret == -EAGAIN && waited ? waited : ret;
}

static long recv_stream(struct sock *s, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(s->file.rx_timeout_ns);
    uint64_t target = recv_target(t);
    uint32_t how = (t->flags & MSG_PEEK ? SOCK_RECV_PEEK : 0) |
                   (t->flags & MSG_TRUNC ? SOCK_RECV_DISCARD : 0);
    uint64_t done = 0;
    long ret;

    if (t->flags & MSG_PEEK) {
        return peek_stream(s, t, how);
    }
    for (;;) {
        ret = sock_recv(s, &t->uio, how);
        if (ret > 0) {
            done += ret;
        } else if (ret != -EAGAIN) {
            return done ? (long)done : ret;
        }
        if ((ret >= 0 && !t->uio.left_bytes) ||
            (done && recv_is_over(s, done, target))) {
            return done;
        }
        if (ret > 0) {
            continue;
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

static long recv_dgram(struct dgram *d, struct socket_transfer *t)
{
    uint64_t deadline_ns = wait_deadline(d->file.rx_timeout_ns);
    size_t bytes;
    long ret;

    do {
        ret = dgram_recv(d, &t->uio, t->flags & MSG_PEEK, &t->name, &bytes);
        if (ret >= 0) {
            t->has_name = t->name.address != 0;
            t->ret_flags = bytes > (size_t)ret ? MSG_TRUNC : 0;
            return t->flags & MSG_TRUNC ? (long)bytes : ret;
        }
        if (ret != -EAGAIN || !may_wait(&d->file, t->flags)) {
            return ret;
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
        ret = socket_get_name(&to, t->user_name, t->name_bytes);
    }
    while (!ret) {
        ret = dgram_send(d, &t->uio, t->user_name ? &to : NULL);
        if (ret != -EAGAIN || !may_wait(&d->file, t->flags)) {
            return ret;
        }
        ret = file_wait_for_call(&d->file, EPOLLOUT, deadline_ns);
    }
    return ret;
}

static long transfer(uint64_t fd, struct socket_transfer *t, bool out)
{
    struct file *file = fd_file(fd);
    struct socket socket;
    long ret;

    if (file && pair_is(file)) {
        file_hold(file);
        ret = out ? file_write(file, &t->uio, t->flags & MSG_DONTWAIT)
                  : file_read(file, &t->uio, t->flags & MSG_DONTWAIT);
        file_release(file);
        return ret;
    }
    ret = socket_find(fd, &socket);
    if (ret) {
        return ret;
    }
    if (t->flags & MSG_OOB) {
        /* There is no urgent data, and nobody can be given any. */
        return out ? -EOPNOTSUPP : -EINVAL;
    }
    file_hold(socket.file);
    if (socket.tcp) {
        ret = out ? send_stream(socket.tcp, t) : recv_stream(socket.tcp, t);
    } else {
        ret = out ? send_dgram(socket.dgram, t) : recv_dgram(socket.dgram, t);
    }
    file_release(socket.file);
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
    long ret;

    t->has_name = false;
    t->ret_flags = 0;
    lib_lock();
    /* Nobody puts anything into the queue of errors. */
    ret = t->flags & MSG_ERRQUEUE ? -EAGAIN : transfer(fd, t, false);
    lib_unlock();
    return ret;
}
