/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netlink.h - sockets to the kernel that tell of the network; lock held */
#ifndef POSIX_NETLINK_H
#define POSIX_NETLINK_H

#include "guest-libc/net/options.h"
#include "guest-libc/posix/file.h"

#define NETLINK_NAME_BYTES 12u /* struct sockaddr_nl */

struct netlink;

/* socket(AF_NETLINK, @type, @protocol): a descriptor. */
long netlink_open(uint32_t type, uint32_t protocol, uint32_t flags);
struct netlink *netlink_of(struct file *file);
struct sock_options *netlink_options(struct netlink *n);
/* SOCK_RAW or SOCK_DGRAM, as it was asked for. */
int32_t netlink_type(const struct netlink *n);
/* @user_name: a sockaddr_nl. */
long netlink_bind(struct netlink *n, uint64_t user_name, uint32_t len_bytes);
long netlink_connect(struct netlink *n, uint64_t user_name, uint32_t len_bytes);
/* Its name, or that of the peer, which is the kernel. */
void netlink_name(const struct netlink *n, bool peer,
                  uint8_t name[NETLINK_NAME_BYTES]);
long netlink_send(struct netlink *n, struct uio *uio, uint64_t user_name,
                  uint32_t len_bytes);
/* Bytes, -EAGAIN; @ret_bytes: the whole length. */
long netlink_recv(struct netlink *n, struct uio *uio, bool peek,
                  size_t *ret_bytes);
/* Level SOL_NETLINK: flags alone. */
long netlink_set(struct netlink *n, uint32_t option, int32_t number);
long netlink_get(const struct netlink *n, uint32_t option, int32_t *ret_number);

/* rtnetlink.c: what answers a request is put there, as a datagram or two. */
struct nlmsghdr;
#define NETLINK_REPLY_MAX 4096u
struct netlink_reply {
    uint32_t port; /* whose request it was */
    uint32_t sequence;
    uint32_t len_bytes;
    uint8_t bytes[NETLINK_REPLY_MAX];
};
/* Payload after a header of its own, or NULL where there is no room. */
void *netlink_put(struct netlink_reply *r, uint16_t type, uint16_t flags,
                  uint32_t payload_bytes);
/*
 * Answer @request (@request->nlmsg_len bytes): 0, or a negative errno, which
 * the asker is told.  *ret_dump: it is a list, and needs an end.
 */
long rtnetlink_answer(struct netlink_reply *r, const struct nlmsghdr *request,
                      bool *ret_dump);

#endif
