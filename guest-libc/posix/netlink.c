/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netlink.c - sockets of AF_NETLINK: one asks, and reads the answers
 *
 * There is NETLINK_ROUTE alone, and of it what C libraries, Go and ip(8) ask
 * (rtnetlink.c).  Nothing is ever told without a question: groups may be
 * joined, and stay silent.
 */
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/netlink.h"
#include "guest-libc/sys/thread.h"

#define REQUEST_MAX 4096u
#define QUEUE_MAX   32u /* datagrams that nobody has read */

struct netlink_packet {
    struct list node;
    uint32_t len_bytes;
    uint8_t bytes[];
};

struct netlink {
    struct file file;
    struct list node; /* of all of them */
    uint32_t type;
    uint32_t port; /* 0: none yet */
    uint32_t groups;
    uint32_t options; /* a bit for each that is set */
    struct list queue;
    uint32_t queued;
    bool overrun; /* an answer was lost for want of room */
    struct sock_options opt;
};

static struct list all = LIST_INIT(all);
static const struct file_ops netlink_ops;

/**
 * netlink_of() - a socket of AF_NETLINK
 * @file: any file
 *
 * Return: it, or NULL if it is none.
 */
struct netlink *netlink_of(struct file *file)
{
    return file->ops == &netlink_ops ? list_entry(file, struct netlink, file)
                                     : NULL;
}

/**
 * netlink_options() - what setsockopt() gave it
 * @n: the socket
 *
 * Return: the options.
 */
struct sock_options *netlink_options(struct netlink *n)
{
    return &n->opt;
}

/**
 * netlink_type() - what socket() was asked for
 * @n: the socket
 *
 * Return: SOCK_RAW, SOCK_DGRAM.
 */
int32_t netlink_type(const struct netlink *n)
{
    return (int32_t)n->type;
}

/* -- names ------------------------------------------------------------------------ */

static bool port_is_taken(uint32_t port)
{
    struct list *node;

    list_for_each (node, &all) {
        if (list_entry(node, struct netlink, node)->port == port) {
            return true;
        }
    }
    return false;
}

/* The first gets the process's number, as on Linux, others what is free. */
static void need_port(struct netlink *n)
{
    uint32_t port = FIRST_TID;

    while (!n->port && port_is_taken(port)) {
        port = port == FIRST_TID ? UINT32_MAX : port - 1;
    }
    n->port = n->port ? n->port : port;
}

static long name_get(struct sockaddr_nl *name, uint64_t user_name,
                     uint32_t len_bytes)
{
    if (len_bytes < sizeof(*name)) {
        return -EINVAL;
    }
    if (copy_from_user(name, user_name, sizeof(*name))) {
        return -EFAULT;
    }
    return name->nl_family == AF_NETLINK ? 0 : -EINVAL;
}

/**
 * netlink_bind() - give it a port
 * @n: the socket
 * @user_name: sockaddr_nl of the program; port 0: one of our choice
 * @len_bytes: of the name
 *
 * Return: 0, -EINVAL, -EFAULT, -EADDRINUSE.
 * Context: lock held.
 */
long netlink_bind(struct netlink *n, uint64_t user_name, uint32_t len_bytes)
{
    struct sockaddr_nl name;
    long ret = name_get(&name, user_name, len_bytes);

    if (ret) {
        return ret;
    }
    if (n->port && name.nl_pid && name.nl_pid != n->port) {
        return -EINVAL;
    }
    if (!n->port && name.nl_pid) {
        if (port_is_taken(name.nl_pid)) {
            return -EADDRINUSE;
        }
        n->port = name.nl_pid;
    }
    need_port(n);
    n->groups = name.nl_groups;
    return 0;
}

/**
 * netlink_connect() - say to whom requests go: to the kernel
 * @n: the socket
 * @user_name: sockaddr_nl of the program
 * @len_bytes: of the name
 *
 * Return: 0, -EINVAL, -EFAULT, -ECONNREFUSED (to a program).
 * Context: lock held.
 */
long netlink_connect(struct netlink *n, uint64_t user_name, uint32_t len_bytes)
{
    struct sockaddr_nl name;
    long ret = name_get(&name, user_name, len_bytes);

    if (!ret && name.nl_pid) {
        ret = -ECONNREFUSED;
    }
    if (!ret) {
        need_port(n);
    }
    return ret;
}

/**
 * netlink_name() - its name, or its peer's
 * @n: the socket; not looked at for its peer's
 * @peer: the kernel's
 * @name: struct sockaddr_nl
 *
 * Context: lock held.
 */
void netlink_name(const struct netlink *n, bool peer,
                  uint8_t name[NETLINK_NAME_BYTES])
{
    struct sockaddr_nl nl = {
        .nl_family = AF_NETLINK,
        .nl_pid = peer ? 0 : n->port,
        .nl_groups = peer ? 0 : n->groups,
    };

    _Static_assert(sizeof(nl) == NETLINK_NAME_BYTES, "size");
    memcpy(name, &nl, sizeof(nl));
}

/* -- requests ----------------------------------------------------------------------- */

/**
 * netlink_put() - begin a message of an answer
 * @r: the answer
 * @type: of the message
 * @flags: NLM_F_*
 * @payload_bytes: how long it is for now; attributes lengthen it
 *
 * Return: its payload, zeroed; NULL where there is no room.
 */
void *netlink_put(struct netlink_reply *r, uint16_t type, uint16_t flags,
                  uint32_t payload_bytes)
{
    uint32_t len_bytes = NLMSG_LENGTH(payload_bytes);
    struct nlmsghdr *header = (struct nlmsghdr *)(r->bytes + r->len_bytes);

    if (NLMSG_ALIGN(len_bytes) > sizeof(r->bytes) - r->len_bytes) {
        return NULL;
    }
    memset(header, 0, NLMSG_ALIGN(len_bytes));
    header->nlmsg_len = len_bytes;
    header->nlmsg_type = type;
    header->nlmsg_flags = flags;
    header->nlmsg_seq = r->sequence;
    header->nlmsg_pid = r->port;
    r->len_bytes += NLMSG_ALIGN(len_bytes);
    return NLMSG_DATA(header);
}

/* The answer so far becomes a datagram of its own. */
static void queue_reply(struct netlink *n, struct netlink_reply *r)
{
    struct netlink_packet *packet = NULL;

    if (!r->len_bytes) {
        return;
    }
    if (n->queued < QUEUE_MAX) {
        packet = heap_zalloc(sizeof(*packet) + r->len_bytes);
    }
    if (packet) {
        packet->len_bytes = r->len_bytes;
        memcpy(packet->bytes, r->bytes, r->len_bytes);
        list_append(&n->queue, &packet->node);
        n->queued++;
    } else {
        n->overrun = true;
    }
    r->len_bytes = 0;
    file_wake(&n->file, EPOLLIN);
}

static bool option_is_set(const struct netlink *n, uint32_t option)
{
    return n->options >> option & 1;
}

/* How a request ended that is no list: 0 or a negative errno. */
static void put_ack(const struct netlink *n, struct netlink_reply *r,
                    const struct nlmsghdr *request, long error)
{
    bool whole = error && !option_is_set(n, NETLINK_CAP_ACK);
    uint32_t quoted = whole ? request->nlmsg_len : sizeof(*request);
    struct nlmsgerr *ack;

    ack = netlink_put(r, NLMSG_ERROR, whole ? 0 : NLM_F_CAPPED,
                      offsetof(struct nlmsgerr, msg) + quoted);
    if (ack) {
        ack->error = (int)error;
        memcpy(&ack->msg, request, quoted);
    }
}

static void serve(struct netlink *n, struct netlink_reply *r,
                  const struct nlmsghdr *request)
{
    bool dump = false;
    long error = 0;
    int *end;

    r->sequence = request->nlmsg_seq;
    if ((request->nlmsg_flags & NLM_F_REQUEST) &&
        request->nlmsg_type >= NLMSG_MIN_TYPE) {
        error = rtnetlink_answer(r, request, &dump);
    }
    queue_reply(n, r);
    if (dump && !error) {
        end = netlink_put(r, NLMSG_DONE, NLM_F_MULTI, sizeof(*end));
        lib_assert(end);
    } else if (error || request->nlmsg_flags & NLM_F_ACK) {
        put_ack(n, r, request, error);
    }
    queue_reply(n, r);
}

static void serve_all(struct netlink *n, struct netlink_reply *r,
                      const uint8_t *bytes, uint32_t len_bytes)
{
    while (len_bytes >= sizeof(struct nlmsghdr)) {
        const struct nlmsghdr *request = (const struct nlmsghdr *)bytes;
        uint32_t step;

        if (request->nlmsg_len < sizeof(*request) ||
            request->nlmsg_len > len_bytes) {
            return;
        }
        serve(n, r, request);
        step = NLMSG_ALIGN(request->nlmsg_len);
        step = step < len_bytes ? step : len_bytes;
        bytes += step;
        len_bytes -= step;
    }
}

/**
 * netlink_send() - ask
 * @n: the socket; gets a port if it has none
 * @uio: the requests
 * @user_name: whom; 0: the kernel
 * @len_bytes: of the name
 *
 * Return: their length, -EMSGSIZE, -EFAULT, -EINVAL, -ECONNREFUSED, -ENOBUFS.
 * Context: lock held.
 */
long netlink_send(struct netlink *n, struct uio *uio, uint64_t user_name,
                  uint32_t len_bytes)
{
    /* One after the other: the lock is held. */
    static struct netlink_reply reply BULKY;
    static union {
        uint8_t bytes[REQUEST_MAX];
        struct nlmsghdr align;
    } request BULKY;
    size_t sent = uio->left_bytes;
    long ret = user_name ? netlink_connect(n, user_name, len_bytes) : 0;

    if (!ret && sent > sizeof(request)) {
        ret = -EMSGSIZE;
    }
    ret = ret ? ret : uio_copy_in(uio, request.bytes, sent);
    if (ret) {
        return ret;
    }
    need_port(n);
    reply.port = n->port;
    reply.len_bytes = 0;
    serve_all(n, &reply, request.bytes, (uint32_t)sent);
    return (long)sent;
}

/* -- answers -------------------------------------------------------------------------- */

static struct netlink_packet *queue_first(struct netlink *n)
{
    return list_empty(&n->queue)
               ? NULL
               : list_entry(n->queue.next, struct netlink_packet, node);
}

static void queue_drop_first(struct netlink *n)
{
    struct netlink_packet *packet = queue_first(n);

    list_remove(&packet->node);
    n->queued--;
    heap_free(packet);
}

/**
 * netlink_recv() - read the oldest answer
 * @n: the socket
 * @uio: where to; what does not fit is lost
 * @peek: leave it
 * @ret_bytes: its whole length
 *
 * Return: bytes, -EAGAIN, -EFAULT, -ENOBUFS (one was lost), once.
 * Context: lock held.
 */
long netlink_recv(struct netlink *n, struct uio *uio, bool peek,
                  size_t *ret_bytes)
{
    struct netlink_packet *packet = queue_first(n);
    size_t bytes;

    if (n->overrun) {
        n->overrun = false;
        return -ENOBUFS;
    }
    if (!packet) {
        return -EAGAIN;
    }
    *ret_bytes = packet->len_bytes;
    bytes = uio_min(uio, packet->len_bytes);
    if (uio_copy_out(uio, packet->bytes, bytes)) {
        return -EFAULT;
    }
    if (!peek) {
        queue_drop_first(n);
    }
    return (long)bytes;
}

/* -- the file --------------------------------------------------------------------------- */

/**
 * netlink_set() - set an option of level SOL_NETLINK
 * @n: the socket
 * @option: of that level
 * @number: 0: off; of a group: its number
 *
 * @linux sockopt NETLINK_ADD_MEMBERSHIP NETLINK_DROP_MEMBERSHIP - nothing is
 *   told to groups
 * @test guest/programs/netlink.c "a group is joined"
 * @linux sockopt NETLINK_CAP_ACK
 * @test guest/programs/netlink.c "NETLINK_CAP_ACK: only the header comes back"
 * @linux sockopt NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK NETLINK_PKTINFO
 *   NETLINK_BROADCAST_ERROR NETLINK_NO_ENOBUFS - kept and told, of no effect
 * @test guest/programs/netlink.c "options of netlink are kept"
 *
 * Return: 0, -ENOPROTOOPT.
 * Context: lock held.
 */
long netlink_set(struct netlink *n, uint32_t option, int32_t number)
{
    switch (option) {
    case NETLINK_ADD_MEMBERSHIP:
    case NETLINK_DROP_MEMBERSHIP:
        need_port(n);
        return number > 0 ? 0 : -EINVAL;
    case NETLINK_PKTINFO:
    case NETLINK_BROADCAST_ERROR:
    case NETLINK_NO_ENOBUFS:
    case NETLINK_CAP_ACK:
    case NETLINK_EXT_ACK:
    case NETLINK_GET_STRICT_CHK:
        n->options &= ~(1u << option);
        n->options |= (number ? 1u : 0) << option;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/**
 * netlink_get() - read an option of level SOL_NETLINK
 * @n: the socket
 * @option: of that level
 * @ret_number: its value
 *
 * Return: 0, -ENOPROTOOPT.
 * Context: lock held.
 */
long netlink_get(const struct netlink *n, uint32_t option, int32_t *ret_number)
{
    switch (option) {
    case NETLINK_PKTINFO:
    case NETLINK_BROADCAST_ERROR:
    case NETLINK_NO_ENOBUFS:
    case NETLINK_CAP_ACK:
    case NETLINK_EXT_ACK:
    case NETLINK_GET_STRICT_CHK:
        *ret_number = option_is_set(n, option);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static uint32_t netlink_events(struct file *file)
{
    struct netlink *n = netlink_of(file);

    return (list_empty(&n->queue) ? 0 : EPOLLIN | EPOLLRDNORM) |
           (n->overrun ? EPOLLERR : 0) | EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
}

static long netlink_read(struct file *file, struct uio *uio)
{
    size_t bytes;

    return uio->left_bytes ? netlink_recv(netlink_of(file), uio, false, &bytes)
                           : 0;
}

static long netlink_write(struct file *file, struct uio *uio)
{
    return netlink_send(netlink_of(file), uio, 0, 0);
}

static void netlink_release(struct file *file)
{
    struct netlink *n = netlink_of(file);

    while (queue_first(n)) {
        queue_drop_first(n);
    }
    list_remove(&n->node);
    heap_free(n);
}

static const struct file_ops netlink_ops = {
    .name = "socket",
    .mode = LINUX_S_IFSOCK | 0777,
    .events = netlink_events,
    .read = netlink_read,
    .write = netlink_write,
    .release = netlink_release,
};

/**
 * netlink_open() - socket(AF_NETLINK, type, protocol)
 * @type: SOCK_*
 * @protocol: NETLINK_*
 * @flags: SOCK_NONBLOCK, SOCK_CLOEXEC
 *
 * Return: a descriptor, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -ENOMEM, -EMFILE.
 * Context: lock held.
 */
long netlink_open(uint32_t type, uint32_t protocol, uint32_t flags)
{
    struct netlink *n;

    if (type != SOCK_RAW && type != SOCK_DGRAM) {
        return -ESOCKTNOSUPPORT;
    }
    if (protocol != NETLINK_ROUTE) {
        return -EPROTONOSUPPORT;
    }
    n = heap_zalloc(sizeof(*n));
    if (n) {
        file_init(&n->file, &netlink_ops, O_RDWR | (flags & SOCK_NONBLOCK));
        sock_options_init(&n->opt, OPTION_DGRAM_BYTES);
        n->type = type;
        list_init(&n->queue);
        list_append(&all, &n->node);
    }
    return fd_open(n ? &n->file : NULL, flags);
}
