/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket.c - making, naming and connecting sockets
 *
 * TCP, UDP and ICMP over IPv4 are what there is: other families and types are
 * refused with the errors by which programs know to do without.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/netlink.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/posix/socket.h"

#define SOCKET_FLAGS    (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define SOCKET_NAME_MAX 128u /* struct sockaddr_storage */

/**
 * socket_any() - the socket of a descriptor
 * @fd: the program's argument
 * @ret_socket: it, without a reference of the caller's own
 *
 * Return: 0, -EBADF, -ENOTSOCK.
 * Context: lock held.
 */
long socket_any(uint64_t fd, struct socket *ret_socket)
{
    struct file *file = fd_file(fd);

    if (!file) {
        return -EBADF;
    }
    ret_socket->file = file;
    ret_socket->tcp = sock_of(file);
    ret_socket->dgram = dgram_of(file);
    ret_socket->pair = pair_of(file);
    ret_socket->netlink = netlink_of(file);
    if (ret_socket->tcp) {
        ret_socket->opt = &ret_socket->tcp->opt;
    } else if (ret_socket->dgram) {
        ret_socket->opt = &ret_socket->dgram->opt;
    } else if (ret_socket->pair) {
        ret_socket->opt = pair_options(ret_socket->pair);
    } else if (ret_socket->netlink) {
        ret_socket->opt = netlink_options(ret_socket->netlink);
    } else {
        return -ENOTSOCK;
    }
    return 0;
}

/**
 * socket_find() - the socket of a descriptor, if it is one of the network
 * @fd: the program's argument
 * @ret_socket: it, without a reference of the caller's own
 *
 * Return: 0, -EBADF, -ENOTSOCK, -EOPNOTSUPP (a socketpair, netlink).
 * Context: lock held.
 */
long socket_find(uint64_t fd, struct socket *ret_socket)
{
    long ret = socket_any(fd, ret_socket);

    if (!ret && (ret_socket->pair || ret_socket->netlink)) {
        ret = -EOPNOTSUPP;
    }
    return ret;
}

/* Of a call that streams alone know: -EOPNOTSUPP for others. */
static long stream_find(uint64_t fd, struct sock **ret_sock)
{
    struct socket socket;
    long ret = socket_find(fd, &socket);

    if (!ret) {
        *ret_sock = socket.tcp;
    }
    return ret ? ret : (socket.tcp ? 0 : -EOPNOTSUPP);
}

/**
 * socket_get_name() - take an address from the program
 * @ret_addr: the address
 * @user_addr: its sockaddr_in
 * @len_bytes: the length it says that has
 * @unspec_is_inet: AF_UNSPEC stands for AF_INET, as Linux has it in places
 *
 * Return: 0, -EFAULT, -EINVAL, -EAFNOSUPPORT.
 */
long socket_get_name(struct sock_addr *ret_addr, uint64_t user_addr,
                     uint64_t len_bytes, bool unspec_is_inet)
{
    struct sockaddr_in sin;

    if ((uint32_t)len_bytes < sizeof(sin) ||
        (uint32_t)len_bytes > SOCKET_NAME_MAX) {
        return -EINVAL;
    }
    if (copy_from_user(&sin, user_addr, sizeof(sin))) {
        return -EFAULT;
    }
    if (sin.sin_family != AF_INET &&
        !(unspec_is_inet && sin.sin_family == AF_UNSPEC)) {
        return -EAFNOSUPPORT;
    }
    ret_addr->address = sin.sin_addr.s_addr;
    ret_addr->port = sin.sin_port;
    return 0;
}

/* connect() to AF_UNSPEC: to nowhere. */
static bool is_nowhere(uint64_t user_addr, uint64_t len_bytes)
{
    uint16_t family = AF_UNSPEC;

    return (uint32_t)len_bytes >= sizeof(family) &&
           !copy_from_user(&family, user_addr, sizeof(family)) &&
           family == AF_UNSPEC;
}

static long put_name(const void *name, uint32_t len, uint64_t user_addr,
                     uint64_t user_len)
{
    uint32_t room;

    if (copy_from_user(&room, user_len, sizeof(room))) {
        return -EFAULT;
    }
    if ((int32_t)room < 0) {
        return -EINVAL;
    }
    if (copy_to_user(user_addr, name, room < len ? room : len) ||
        copy_to_user(user_len, &len, sizeof(len))) {
        return -EFAULT;
    }
    return 0;
}

/**
 * socket_put_name() - give the program an address
 * @addr: the address
 * @user_addr: where to; 0: nowhere
 * @user_len: socklen_t, room before, length of the whole after
 *
 * Return: 0, -EFAULT, -EINVAL.
 */
long socket_put_name(const struct sock_addr *addr, uint64_t user_addr,
                     uint64_t user_len)
{
    struct sockaddr_in sin;

    if (!user_addr) {
        return 0;
    }
    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = addr->address;
    sin.sin_port = addr->port;
    return put_name(&sin, sizeof(sin), user_addr, user_len);
}

/**
 * socket_put_sender() - give the program the name of whom a message is from
 * @t: the message
 * @user_addr: where to; 0: nowhere
 * @user_len: socklen_t, room before, length of the whole after
 *
 * Return: 0, -EFAULT, -EINVAL.
 */
long socket_put_sender(const struct socket_transfer *t, uint64_t user_addr,
                       uint64_t user_len)
{
    static const uint32_t no_name;
    uint8_t netlink[NETLINK_NAME_BYTES];

    if (t->is_netlink) {
        netlink_name(NULL, true, netlink);
        return put_name(netlink, sizeof(netlink), user_addr, user_len);
    }
    /* A stream does not say. */
    return t->has_name ? socket_put_name(&t->info.from, user_addr, user_len)
                       : copy_to_user(user_len, &no_name, sizeof(no_name));
}

/* What kind of datagram socket this is: 0, or why there is none. */
static long dgram_kind_of(uint32_t type, uint32_t protocol,
                          enum dgram_kind *ret_kind)
{
    if (type == SOCK_RAW) {
        *ret_kind = DGRAM_RAW;
        return protocol == IPPROTO_ICMP ? 0 : -EPROTONOSUPPORT;
    }
    if (type != SOCK_DGRAM) {
        return -ESOCKTNOSUPPORT;
    }
    *ret_kind = protocol == IPPROTO_ICMP ? DGRAM_PING : DGRAM_UDP;
    return !protocol || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP
               ? 0
               : -EPROTONOSUPPORT;
}

static long stream_open(uint32_t flags)
{
    struct sock *s;
    long ret;

    lib_lock();
    s = sock_create(O_RDWR | (flags & SOCK_NONBLOCK));
    ret = fd_open(s ? &s->file : NULL, flags);
    lib_unlock();
    return ret;
}

static long dgram_open(enum dgram_kind kind, uint32_t flags)
{
    struct dgram *d;
    long ret;

    lib_lock();
    d = dgram_create(kind, O_RDWR | (flags & SOCK_NONBLOCK));
    ret = fd_open(d ? &d->file : NULL, flags);
    lib_unlock();
    return ret;
}

/**
 * socket_sys_socket() - socket(domain, type, protocol)
 *
 * @linux call socket - AF_INET with TCP, UDP and ICMP; NETLINK_ROUTE;
 *   AF_UNIX that nobody can be connected to
 * @test guest/programs/sockets.c "socket with flags"
 * @test guest/programs/sockets.c "an unknown family"
 */
long socket_sys_socket(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[1] & SOCKET_FLAGS;
    uint32_t type = (uint32_t)a->arg[1] & ~SOCKET_FLAGS;
    uint32_t protocol = (uint32_t)a->arg[2];
    enum dgram_kind kind;
    long ret;

    if ((uint32_t)a->arg[0] == AF_NETLINK || (uint32_t)a->arg[0] == AF_UNIX) {
        lib_lock();
        ret = (uint32_t)a->arg[0] == AF_UNIX
                  ? pair_open(type, protocol, flags)
                  : netlink_open(type, protocol, flags);
        lib_unlock();
        return ret;
    }
    if ((uint32_t)a->arg[0] != AF_INET) {
        return -EAFNOSUPPORT;
    }
    if (type == SOCK_STREAM) {
        return protocol && protocol != IPPROTO_TCP ? -EPROTONOSUPPORT
                                                   : stream_open(flags);
    }
    ret = dgram_kind_of(type, protocol, &kind);
    return ret ? ret : dgram_open(kind, flags);
}

/**
 * socket_sys_bind() - bind(fd, addr, len)
 *
 * @linux call bind
 * @test guest/programs/sockets.c "bind to port 0 finds one"
 * @test guest/programs/sockets.c "not our address"
 */
long socket_sys_bind(struct sys_args *a)
{
    struct sock_addr local;
    struct socket socket;
    long named = socket_get_name(&local, a->arg[1], a->arg[2], false);
    long ret;

    if (named == -EAFNOSUPPORT &&
        !socket_get_name(&local, a->arg[1], a->arg[2], true) &&
        !local.address) {
        /* Linux takes no family for any address. */
        named = 0;
    }
    lib_lock();
    ret = socket_any(a->arg[0], &socket);
    if (!ret && socket.netlink) {
        ret = netlink_bind(socket.netlink, a->arg[1], (uint32_t)a->arg[2]);
        lib_unlock();
        return ret;
    }
    ret = ret ? ret : (socket.pair ? -EOPNOTSUPP : named);
    if (!ret) {
        ret = socket.tcp ? sock_bind(socket.tcp, &local)
                         : dgram_bind(socket.dgram, &local);
    }
    lib_unlock();
    return ret;
}

/**
 * socket_sys_listen() - listen(fd, backlog)
 *
 * @linux call listen
 * @test guest/programs/shutdowns.c "listen again"
 */
long socket_sys_listen(struct sys_args *a)
{
    struct sock *s;
    long ret;

    lib_lock();
    ret = stream_find(a->arg[0], &s);
    if (!ret) {
        ret = sock_listen(s, (int)a->arg[1]);
    }
    lib_unlock();
    return ret;
}

/* Wait for a connection unless the socket is non-blocking. */
static long accept_wait(struct sock *s, struct sock **ret_child)
{
    uint64_t deadline_ns = wait_deadline(s->file.rx_timeout_ns);
    long ret;

    do {
        ret = sock_accept(s, ret_child);
        if (ret != -EAGAIN || (s->file.flags & O_NONBLOCK)) {
            return ret;
        }
        ret = file_wait_for_call(&s->file, EPOLLIN, deadline_ns);
    } while (!ret);
    return ret;
}

static long accept_common(struct sys_args *a, uint32_t flags)
{
    struct sock *s, *child;
    struct sock_addr remote = { 0 };
    long ret;

    if (flags & ~SOCKET_FLAGS) {
        return -EINVAL;
    }
    lib_lock();
    ret = stream_find(a->arg[0], &s);
    if (!ret) {
        file_hold(&s->file);
        ret = accept_wait(s, &child);
        file_release(&s->file);
    }
    if (!ret) {
        remote = child->remote;
        child->file.flags |= flags & SOCK_NONBLOCK;
        ret = fd_open(&child->file, flags);
    }
    lib_unlock();
    if (ret >= 0 && socket_put_name(&remote, a->arg[1], a->arg[2])) {
        struct sys_args close_args = { .arg = { ret } };

        fd_sys_close(&close_args);
        return -EFAULT;
    }
    return ret;
}

/**
 * socket_sys_accept() - accept(fd, addr, len)
 *
 * @linux call accept
 * @test guest/programs/shutdowns.c "ends a blocked accept with EINVAL"
 */
long socket_sys_accept(struct sys_args *a)
{
    return accept_common(a, 0);
}

/**
 * socket_sys_accept4() - accept4(fd, addr, len, flags)
 *
 * @linux call accept4
 * @test guest/programs/sockets.c "accept4"
 */
long socket_sys_accept4(struct sys_args *a)
{
    return accept_common(a, (uint32_t)a->arg[3]);
}

static long connect_wait(struct sock *s, const struct sock_addr *remote)
{
    uint64_t deadline_ns = wait_deadline(s->file.tx_timeout_ns);
    long ret = sock_connect(s, remote);

    if ((ret != -EINPROGRESS && ret != -EALREADY) ||
        (s->file.flags & O_NONBLOCK)) {
        return ret;
    }
    while (s->state == SOCK_CONNECTING) {
        switch (file_wait(&s->file, EPOLLOUT, deadline_ns)) {
        case -EINTR:
            /* The attempt goes on; connect() again waits for it. */
            return deadline_ns == SYS_FOREVER ? LIB_RESTART : -EINTR;
        case -ETIMEDOUT:
            return ret;
        default:
            break;
        }
    }
    return s->connecting ? sock_connect_result(s) : -ECONNABORTED;
}

static long connect_stream(struct sock *s, const struct sock_addr *remote,
                           bool nowhere)
{
    long ret = 0;

    file_hold(&s->file);
    if (nowhere) {
        sock_disconnect(s);
        s->connecting = false;
    } else {
        ret = connect_wait(s, remote);
    }
    file_release(&s->file);
    return ret;
}

/* Nobody listens at any name. */
static long connect_unix(const struct pair *p)
{
    return pair_lone(p) ? -ENOENT : -EISCONN;
}

/**
 * socket_sys_connect() - connect(fd, addr, len)
 *
 * @linux call connect
 * @test guest/programs/shutdowns.c "the next connect tells it"
 * @test guest/programs/shutdowns.c "connect to nowhere"
 * @test guest/programs/shutdowns.c "a signal ends connect"
 */
long socket_sys_connect(struct sys_args *a)
{
    bool nowhere = is_nowhere(a->arg[1], a->arg[2]);
    struct sock_addr remote = { 0 };
    struct socket socket;
    long named =
        nowhere ? 0 : socket_get_name(&remote, a->arg[1], a->arg[2], false);
    long ret;

    lib_lock();
    ret = socket_any(a->arg[0], &socket);
    if (!ret && socket.netlink) {
        ret = netlink_connect(socket.netlink, a->arg[1], (uint32_t)a->arg[2]);
        lib_unlock();
        return ret;
    }
    ret = ret ? ret : (socket.pair ? connect_unix(socket.pair) : named);
    if (!ret && socket.dgram) {
        ret = dgram_connect(socket.dgram, nowhere ? NULL : &remote);
    } else if (!ret) {
        ret = connect_stream(socket.tcp, &remote, nowhere);
    }
    lib_unlock();
    return ret;
}

/* The address that @name_of tells.  Ends of a socketpair have none, but they
 * are sockets: what they have is a family. */
static long get_name(struct sys_args *a, bool peer,
                     long (*name_of)(const struct socket *, struct sock_addr *))
{
    static const uint16_t family = AF_UNIX;
    uint8_t netlink[NETLINK_NAME_BYTES];
    struct sock_addr addr;
    struct socket socket;
    long ret;

    lib_lock();
    ret = socket_any(a->arg[0], &socket);
    if (!ret && socket.netlink) {
        netlink_name(socket.netlink, peer, netlink);
    } else if (!ret && peer && socket.pair && pair_lone(socket.pair)) {
        ret = -ENOTCONN;
    } else if (!ret && !socket.pair) {
        ret = name_of(&socket, &addr);
    }
    lib_unlock();
    if (ret) {
        return ret;
    }
    if (socket.netlink) {
        return put_name(netlink, sizeof(netlink), a->arg[1], a->arg[2]);
    }
    return socket.pair ? put_name(&family, sizeof(family), a->arg[1], a->arg[2])
                       : socket_put_name(&addr, a->arg[1], a->arg[2]);
}

static long local_of(const struct socket *socket, struct sock_addr *ret_local)
{
    if (socket->tcp) {
        *ret_local = socket->tcp->local;
    } else {
        dgram_local(socket->dgram, ret_local);
    }
    return 0;
}

/**
 * socket_sys_getsockname() - getsockname(fd, addr, len)
 *
 * @linux call getsockname
 * @test guest/programs/sockets.c "both agree on the client"
 */
long socket_sys_getsockname(struct sys_args *a)
{
    return get_name(a, false, local_of);
}

static long peer_of(const struct socket *socket, struct sock_addr *ret_remote)
{
    bool connected = socket->tcp ? socket->tcp->state == SOCK_CONNECTED &&
                                       !sock_is_closed(socket->tcp)
                                 : socket->dgram->connected;

    *ret_remote = socket->tcp ? socket->tcp->remote : socket->dgram->remote;
    return connected ? 0 : -ENOTCONN;
}

/**
 * socket_sys_getpeername() - getpeername(fd, addr, len)
 *
 * @linux call getpeername
 * @test guest/programs/shutdowns.c "no peer any more"
 */
long socket_sys_getpeername(struct sys_args *a)
{
    return get_name(a, true, peer_of);
}

/**
 * socket_sys_shutdown() - shutdown(fd, how)
 *
 * @linux call shutdown
 * @test guest/programs/shutdowns.c "shutdown of a listener"
 * @test guest/programs/shutdowns.c "shutdown while connecting"
 * @test guest/programs/shutdowns.c "shutdown for both"
 */
long socket_sys_shutdown(struct sys_args *a)
{
    uint32_t how = (uint32_t)a->arg[1];
    bool rx = how != SHUT_WR, tx = how != SHUT_RD;
    struct socket socket;
    long ret;

    lib_lock();
    ret = socket_any(a->arg[0], &socket);
    if (!ret && how > SHUT_RDWR) {
        ret = -EINVAL;
    } else if (!ret && socket.netlink) {
        ret = -EOPNOTSUPP;
    } else if (!ret && socket.pair) {
        pair_shutdown(socket.file, rx, tx);
    } else if (!ret) {
        ret = socket.tcp ? sock_shutdown(socket.tcp, rx, tx)
                         : dgram_shutdown(socket.dgram, rx, tx);
    }
    lib_unlock();
    return ret;
}
