/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket-message.c - the calls that send and receive, one or many messages */
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/socket-control.h"

#define MESSAGES_MAX 1024u /* of one call, as on Linux */
/* Hidden without extensions. */
#define WAIT_FOR_ONE 0x10000u    /* MSG_WAITFORONE */
#define CMSG_CLOEXEC 0x40000000u /* MSG_CMSG_CLOEXEC */

/* struct msghdr as the kernel lays it out. */
struct user_msghdr {
    uint64_t name;
    uint32_t name_bytes;
    uint32_t pad0;
    uint64_t iov;
    uint64_t iov_count;
    uint64_t control;
    uint64_t control_bytes;
    uint32_t flags;
    uint32_t pad1;
};
_Static_assert(sizeof(struct user_msghdr) == sizeof(struct msghdr), "size");

struct user_mmsghdr {
    struct user_msghdr header;
    uint32_t len_bytes;
    uint32_t pad;
};
_Static_assert(sizeof(struct user_mmsghdr) == 64, "size");

/**
 * socket_sys_sendto() - sendto(fd, buf, bytes, flags, addr, len)
 *
 * @linux call sendto - no MSG_OOB, no MSG_ZEROCOPY; UDP heeds no MSG_MORE
 * @test guest/programs/corks.c "MSG_MORE keeps what is no full segment"
 * @test guest/programs/recvflags.c "TCP: where to is not looked at"
 * @test guest/programs/recvflags.c "half a name, and too much of one"
 */
long socket_sys_sendto(struct sys_args *a)
{
    struct socket_transfer t = {
        .flags = (uint32_t)a->arg[3],
        .user_name = a->arg[4],
        .name_bytes = (uint32_t)a->arg[5],
        .control = { .ttl = -1, .tos = -1 },
    };

    uio_single(&t.uio, a->arg[1], a->arg[2]);
    return socket_send(a->arg[0], &t);
}

/**
 * socket_sys_recvfrom() - recvfrom(fd, buf, bytes, flags, addr, len)
 *
 * @linux call recvfrom - there is no urgent data: MSG_OOB finds none
 * @test guest/programs/recvflags.c "MSG_TRUNC throws bytes away"
 * @test guest/programs/recvflags.c "MSG_PEEK with MSG_WAITALL waits"
 */
long socket_sys_recvfrom(struct sys_args *a)
{
    struct socket_transfer t = { .flags = (uint32_t)a->arg[3] };
    long ret, wrong;

    uio_single(&t.uio, a->arg[1], a->arg[2]);
    ret = socket_recv(a->arg[0], &t);
    if (ret < 0 || !a->arg[4] || !a->arg[5]) {
        return ret;
    }
    wrong = socket_put_sender(&t, a->arg[4], a->arg[5]);
    return wrong ? wrong : ret;
}

/* A header of the program and its vector of buffers. */
static long message_get(struct user_msghdr *msg, struct socket_transfer *t,
                        uint64_t user_msg, uint32_t flags)
{
    if (copy_from_user(msg, user_msg, sizeof(*msg))) {
        return -EFAULT;
    }
    if ((int32_t)msg->name_bytes < 0) {
        return -EINVAL;
    }
    if (msg->iov_count > UIO_IOV_MAX) {
        return -EMSGSIZE;
    }
    memset(t, 0, sizeof(*t));
    t->flags = flags;
    return uio_vector(&t->uio, msg->iov, msg->iov_count);
}

static long message_send(uint64_t fd, uint64_t user_msg, uint32_t flags)
{
    struct user_msghdr msg;
    struct socket_transfer t;
    long ret = message_get(&msg, &t, user_msg, flags);

    if (ret) {
        return ret;
    }
    t.user_name = msg.name_bytes ? msg.name : 0;
    t.name_bytes = msg.name_bytes;
    ret = control_get(&t.control, msg.control, msg.control_bytes);
    return ret ? ret : socket_send(fd, &t);
}

/* Whom it is from; room and length are the header's own field. */
static long message_put_name(struct user_msghdr *msg,
                             const struct socket_transfer *t, uint64_t user_msg)
{
    uint64_t at = user_msg + offsetof(struct user_msghdr, name_bytes);
    long ret = socket_put_sender(t, msg->name, at);

    if (!ret && copy_from_user(&msg->name_bytes, at, sizeof(msg->name_bytes))) {
        ret = -EFAULT;
    }
    return ret;
}

static long message_recv(uint64_t fd, uint64_t user_msg, uint32_t flags)
{
    struct user_msghdr msg;
    struct socket_transfer t;
    long ret = message_get(&msg, &t, user_msg, flags);

    if (!ret) {
        ret = socket_recv(fd, &t);
    }
    if (ret < 0) {
        return ret;
    }
    if (msg.name) {
        long wrong = message_put_name(&msg, &t, user_msg);

        if (wrong) {
            return wrong;
        }
    }
    if (control_put(&t, msg.control, &msg.control_bytes)) {
        return -EFAULT;
    }
    msg.flags = t.ret_flags | (flags & CMSG_CLOEXEC);
    return copy_to_user(user_msg, &msg, sizeof(msg)) ? -EFAULT : ret;
}

/**
 * socket_sys_sendmsg() - sendmsg(fd, msg, flags)
 *
 * @linux call sendmsg - as sendto; no descriptors are passed
 * @test guest/programs/recvflags.c "sendmsg: IP_PKTINFO"
 * @test guest/programs/recvflags.c "a message from nowhere"
 */
long socket_sys_sendmsg(struct sys_args *a)
{
    return message_send(a->arg[0], a->arg[1], (uint32_t)a->arg[2]);
}

/**
 * socket_sys_recvmsg() - recvmsg(fd, msg, flags)
 *
 * @linux call recvmsg - as recvfrom; MSG_ERRQUEUE finds nothing
 * @test guest/programs/recvflags.c "IP_PKTINFO: where it went to"
 * @test guest/programs/recvflags.c "MSG_CTRUNC: half of it"
 */
long socket_sys_recvmsg(struct sys_args *a)
{
    return message_recv(a->arg[0], a->arg[1], (uint32_t)a->arg[2]);
}

/* One after the other until one fails: how many, or why not even the first. */
static long messages_move(struct sys_args *a, bool out, uint64_t deadline_ns)
{
    uint32_t count = (uint32_t)a->arg[2], flags = (uint32_t)a->arg[3];
    bool first_only = !out && (flags & WAIT_FOR_ONE);
    uint32_t done = 0;

    flags &= ~WAIT_FOR_ONE;
    count = count < MESSAGES_MAX ? count : MESSAGES_MAX;
    while (done < count) {
        uint64_t at = a->arg[1] + done * sizeof(struct user_mmsghdr);
        long ret = out ? message_send(a->arg[0], at, flags)
                       : message_recv(a->arg[0], at, flags);
        uint32_t len_bytes = (uint32_t)ret;

        if (ret < 0) {
            return done ? (long)done : ret;
        }
        if (copy_to_user(at + offsetof(struct user_mmsghdr, len_bytes),
                         &len_bytes, sizeof(len_bytes))) {
            return done ? (long)done : -EFAULT;
        }
        done++;
        if (first_only) {
            flags |= MSG_DONTWAIT;
        }
        if (deadline_ns != SYS_FOREVER && prim_now_ns() >= deadline_ns) {
            break;
        }
    }
    return done;
}

/**
 * socket_sys_sendmmsg() - sendmmsg(fd, vector, count, flags)
 *
 * @linux call sendmmsg
 * @test guest/programs/udp.c "sendmmsg"
 */
long socket_sys_sendmmsg(struct sys_args *a)
{
    return messages_move(a, true, SYS_FOREVER);
}

/* What is left of the time goes back to the program. */
static long put_time_left(uint64_t user_time, uint64_t deadline_ns)
{
    uint64_t now_ns = prim_now_ns();
    uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    struct timespec left = { left_ns / NSEC_PER_SEC, left_ns % NSEC_PER_SEC };

    return copy_to_user(user_time, &left, sizeof(left));
}

/**
 * socket_sys_recvmmsg() - recvmmsg(fd, vector, count, flags, timeout)
 *
 * As on Linux the time-out is looked at after each message only.
 *
 * @linux call recvmmsg
 * @test guest/programs/recvflags.c "recvmmsg with a time-out"
 * @test guest/programs/udp.c "recvmmsg: what is there"
 */
long socket_sys_recvmmsg(struct sys_args *a)
{
    uint64_t timeout_ns, deadline_ns;
    long ret = user_timespec(a->arg[4], &timeout_ns);

    if (ret) {
        return ret;
    }
    deadline_ns = wait_deadline(timeout_ns);
    ret = messages_move(a, false, deadline_ns);
    if (ret > 0 && deadline_ns != SYS_FOREVER &&
        put_time_left(a->arg[4], deadline_ns)) {
        return -EFAULT;
    }
    return ret;
}
