/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket.h - what the files of the socket calls share */
#ifndef POSIX_SOCKET_H
#define POSIX_SOCKET_H

#include "guest-libc/net/dgram.h"
#include "guest-libc/net/sock.h"

/* A socket: @file is that of one of those below, the others are NULL. */
struct socket {
    struct file *file;
    struct sock_options *opt;
    struct sock *tcp;
    struct dgram *dgram; /* UDP, ICMP */
    struct pair *pair;   /* one end of a socketpair */
    struct netlink *netlink;
};

/* That of @fd: 0, -EBADF, -ENOTSOCK. */
long socket_any(uint64_t fd, struct socket *ret_socket);
/* The same, of the network: -EOPNOTSUPP for others. */
long socket_find(uint64_t fd, struct socket *ret_socket);
/* A sockaddr_in of the program: 0, -EFAULT, -EINVAL, -EAFNOSUPPORT. */
long socket_get_name(struct sock_addr *ret_addr, uint64_t user_addr,
                     uint64_t len_bytes, bool unspec_is_inet);
/* Store @addr as sockaddr_in, cut to *user_len, which becomes its length. */
long socket_put_name(const struct sock_addr *addr, uint64_t user_addr,
                     uint64_t user_len);

struct socket_transfer;
/* Whom a message is from: as socket_put_name(). */
long socket_put_sender(const struct socket_transfer *t, uint64_t user_addr,
                       uint64_t user_len);

/* One send or receive: what the call gives, and what it gets back. */
struct socket_transfer {
    struct uio uio;
    uint32_t flags;               /* MSG_* */
    uint64_t user_name;           /* send: where to, 0: not said */
    uint32_t name_bytes;          /* send */
    struct dgram_control control; /* send */
    /* Receive: */
    bool is_dgram;
    bool is_netlink; /* it is from the kernel */
    bool has_name;   /* a stream does not say where its bytes come from */
    struct dgram_info info;
    struct sock_options wanted; /* the socket's: what control messages */
    uint32_t ret_flags;         /* MSG_TRUNC, MSG_CTRUNC */
};

/* Bytes moved, or a negative errno; waits if it has to. */
long socket_send(uint64_t fd, struct socket_transfer *t);
long socket_recv(uint64_t fd, struct socket_transfer *t);

#endif
