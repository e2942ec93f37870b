/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket-control.c - control messages: what sendmsg() asks for besides its
 * bytes, and what recvmsg() tells besides them
 *
 * @linux sockopt SO_PASSCRED - of socketpairs alone
 * @test guest/programs/recvflags.c "SO_PASSCRED"
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/posix/socket-control.h"

/* Hidden without extensions. */
#define SCM_CREDENTIALS_TYPE 2
#define CONTROL_MAX          1024u /* of one message: all kinds fit */
#define INT_MESSAGE          CMSG_LEN(sizeof(int))

/* -- send ------------------------------------------------------------------------- */

static long get_number(const struct cmsghdr *c, int32_t least, int32_t *ret)
{
    if (c->cmsg_len == INT_MESSAGE) {
        memcpy(ret, CMSG_DATA(c), sizeof(*ret));
    } else if (c->cmsg_len == CMSG_LEN(1) && c->cmsg_type == IP_TOS) {
        *ret = *CMSG_DATA(c);
    } else {
        return -EINVAL;
    }
    return *ret < least || *ret > 255 ? -EINVAL : 0;
}

static long get_ip(const struct cmsghdr *c, struct dgram_control *control)
{
    struct in_pktinfo info;

    switch (c->cmsg_type) {
    case IP_PKTINFO:
        if (c->cmsg_len != CMSG_LEN(sizeof(info))) {
            return -EINVAL;
        }
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        control->device = (uint32_t)info.ipi_ifindex;
        control->source = info.ipi_spec_dst.s_addr;
        return 0;
    case IP_TTL:
        return get_number(c, 1, &control->ttl);
    case IP_TOS:
        return get_number(c, 0, &control->tos);
    default:
        return -EINVAL;
    }
}

/* Descriptors and credentials: Linux takes them and gives IP nothing. */
static long get_one(const struct cmsghdr *c, struct dgram_control *control)
{
    if (c->cmsg_level == SOL_SOCKET) {
        return c->cmsg_type == SCM_RIGHTS ||
                       c->cmsg_type == SCM_CREDENTIALS_TYPE ||
                       c->cmsg_type == SO_MARK
                   ? 0
                   : -EINVAL;
    }
    return c->cmsg_level == IPPROTO_IP ? get_ip(c, control) : 0;
}

/**
 * control_get() - what a message to be sent asks for
 * @control: filled in
 * @user_control: the program's control messages
 * @len_bytes: of all of them
 *
 * Return: 0, -EFAULT, -EINVAL, -ENOBUFS (too many).
 */
long control_get(struct dgram_control *control, uint64_t user_control,
                 uint64_t len_bytes)
{
    union {
        uint8_t bytes[CONTROL_MAX];
        struct cmsghdr align;
    } all;
    size_t at = 0;
    long ret = 0;

    control->ttl = control->tos = -1;
    if (len_bytes > sizeof(all)) {
        return -ENOBUFS;
    }
    if (copy_from_user(all.bytes, user_control, len_bytes)) {
        return -EFAULT;
    }
    while (!ret && at + sizeof(struct cmsghdr) <= len_bytes) {
        const struct cmsghdr *c = (const struct cmsghdr *)(all.bytes + at);

        if (c->cmsg_len < sizeof(*c) || c->cmsg_len > len_bytes - at) {
            return -EINVAL;
        }
        ret = get_one(c, control);
        at += CMSG_ALIGN(c->cmsg_len);
    }
    return ret;
}

/* -- receive ------------------------------------------------------------------------ */

/* The program's room for control messages, and how much of it is used. */
struct control_room {
    uint64_t user_at;
    uint64_t left_bytes;
    uint64_t used_bytes;
    uint32_t flags; /* MSG_CTRUNC */
};

static long put_one(struct control_room *room, int level, int type,
                    const void *data, size_t len_bytes)
{
    struct cmsghdr c = {
        .cmsg_len = CMSG_LEN(len_bytes),
        .cmsg_level = level,
        .cmsg_type = type,
    };
    uint64_t space = CMSG_SPACE(len_bytes);

    if (!room->user_at || room->left_bytes < sizeof(c)) {
        room->flags |= MSG_CTRUNC;
        return 0;
    }
    if (room->left_bytes < c.cmsg_len) {
        room->flags |= MSG_CTRUNC;
        c.cmsg_len = room->left_bytes;
    }
    if (copy_to_user(room->user_at, &c, sizeof(c)) ||
        copy_to_user(room->user_at + sizeof(c), data, c.cmsg_len - sizeof(c))) {
        return -EFAULT;
    }
    space = space < room->left_bytes ? space : room->left_bytes;
    room->user_at += space;
    room->used_bytes += space;
    room->left_bytes -= space;
    return 0;
}

static long put_time(struct control_room *room, const struct socket_transfer *t)
{
    uint64_t ns = t->info.wall_ns;
    struct timespec ts = { ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
    struct timeval tv = { ts.tv_sec, ts.tv_nsec / NSEC_PER_USEC };

    if (t->wanted.timestampns) {
        return put_one(room, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
    }
    return t->wanted.timestamp
               ? put_one(room, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv))
               : 0;
}

/* Where it went to, and by which address an answer would leave. */
static long put_pktinfo(struct control_room *room,
                        const struct dgram_info *packet)
{
    struct net_interface interface;
    struct in_pktinfo info = {
        .ipi_ifindex = packet->device,
        .ipi_addr.s_addr = packet->to.address,
        .ipi_spec_dst.s_addr = packet->to.address,
    };

    if (!net_is_inner(packet->to.address) &&
        net_interface(packet->device, &interface)) {
        info.ipi_spec_dst.s_addr = interface.address;
    }
    return put_one(room, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static long put_packet(struct control_room *room,
                       const struct socket_transfer *t)
{
    const struct sock_options *wanted = &t->wanted;
    const int ttl = t->info.ttl;
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = t->info.to.address,
        .sin_port = t->info.to.port,
    };
    long ret = put_time(room, t);

    if (!ret && wanted->pktinfo) {
        ret = put_pktinfo(room, &t->info);
    }
    if (!ret && wanted->recvttl) {
        ret = put_one(room, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
    }
    if (!ret && wanted->recvtos) {
        ret = put_one(room, IPPROTO_IP, IP_TOS, &t->info.tos, 1);
    }
    if (!ret && wanted->recvorigdst) {
        ret = put_one(room, IPPROTO_IP, IP_ORIGDSTADDR, &to, sizeof(to));
    }
    return ret;
}

static long put_credentials(struct control_room *room)
{
    struct pair_who who = pair_caller();

    return put_one(room, SOL_SOCKET, SCM_CREDENTIALS_TYPE, &who, sizeof(who));
}

/**
 * control_put() - tell the program what came besides the bytes
 * @t: what was received; MSG_CTRUNC is added to its flags
 * @user_control: the program's room
 * @len_bytes: how much that is; then how much is used
 *
 * Return: 0 or -EFAULT.
 */
long control_put(struct socket_transfer *t, uint64_t user_control,
                 uint64_t *len_bytes)
{
    struct control_room room = {
        .user_at = user_control,
        .left_bytes = *len_bytes,
    };
    long ret = 0;

    if (t->is_dgram) {
        /* Of a datagram; there is none after a shutdown. */
        ret = t->has_name ? put_packet(&room, t) : 0;
    } else if (t->wanted.passcred) {
        ret = put_credentials(&room);
    }
    t->ret_flags |= room.flags;
    *len_bytes = room.used_bytes;
    return ret;
}
