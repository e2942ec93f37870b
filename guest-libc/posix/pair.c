/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pair.c - socketpair(AF_UNIX, SOCK_STREAM): two byte queues, one each way */
#include <sys/socket.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/net/sock.h"
#include "guest-libc/posix/bytes.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/pair.h"
#include "guest-libc/sys/thread.h"

/*
 * What one end says of its directions holds for the other's, too, so each keeps
 * both; an end that is closed has ended both of the other's.
 */
struct pair {
    struct file file;
    struct pair *peer; /* NULL: closed */
    struct bytes rx;   /* what the peer wrote */
    uint32_t lone;     /* SOCK_*: never had a peer */
    struct pair_who maker;
    bool rx_end, tx_end;
    int error; /* positive errno, reported once */
    struct sock_options opt;
};

#define PAIR_EVENTS (EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP)

static const struct file_ops pair_ops;

static struct pair *pair_self(struct file *file)
{
    return list_entry(file, struct pair, file);
}

static uint32_t pair_events(struct file *file)
{
    struct pair *p = pair_self(file);
    uint32_t lone = p->lone == SOCK_STREAM ? EPOLLHUP : 0;
    bool room = !p->peer || bytes_room(&p->peer->rx) >= BYTES_ATOMIC;

    return (p->error ? EPOLLERR : 0) |
           (p->rx.count || p->rx_end ? EPOLLIN | EPOLLRDNORM : 0) |
           (room ? EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND : 0) |
           (p->rx_end ? EPOLLRDHUP : 0) |
           (p->rx_end && p->tx_end ? EPOLLHUP : lone);
}

/**
 * pair_unread() - how many bytes wait for a read
 * @p: one end
 *
 * Return: bytes.
 * Context: lock held.
 */
uint32_t pair_unread(const struct pair *p)
{
    return p->rx.count;
}

/**
 * pair_is_over() - will nothing come any more?
 * @p: one end
 *
 * Return: whether.
 * Context: lock held.
 */
bool pair_is_over(const struct pair *p)
{
    return p->rx_end || p->error;
}

/**
 * pair_take_error() - the pending error, which is then forgotten
 * @file: one end
 *
 * Return: a positive errno or 0.
 * Context: lock held.
 */
int pair_take_error(struct file *file)
{
    struct pair *p = pair_self(file);
    int error = p->error;

    p->error = 0;
    return error;
}

/**
 * pair_recv() - take what the peer wrote
 * @p: one end
 * @uio: where to
 * @peek: leave it
 *
 * Return: bytes, 0 at the end, -EAGAIN, -EFAULT, or an error, once.
 * Context: lock held.
 */
long pair_recv(struct pair *p, struct uio *uio, bool peek)
{
    long ret;

    if (p->lone == SOCK_STREAM) {
        return -EINVAL;
    }
    if (!p->rx.count) {
        if (p->error) {
            return -pair_take_error(&p->file);
        }
        return p->rx_end ? 0 : -EAGAIN;
    }
    if (peek) {
        /* Of a copy: the queue itself does not move. */
        struct bytes copy = p->rx;

        return bytes_get(&copy, uio);
    }
    ret = bytes_get(&p->rx, uio);
    if (ret > 0 && p->peer) {
        file_wake(&p->peer->file, EPOLLOUT);
    }
    return ret;
}

static long pair_read(struct file *file, struct uio *uio)
{
    return uio->left_bytes ? pair_recv(pair_self(file), uio, false) : 0;
}

static long pair_write(struct file *file, struct uio *uio)
{
    struct pair *p = pair_self(file);
    long ret;

    if (p->lone) {
        return -ENOTCONN;
    }
    if (p->tx_end) {
        return -EPIPE;
    }
    if (uio->left_bytes && !bytes_room(&p->peer->rx)) {
        return -EAGAIN;
    }
    ret = bytes_put(&p->peer->rx, uio);
    if (ret > 0) {
        file_wake(&p->peer->file, EPOLLIN | SOCK_EVENT_MORE);
    }
    return ret;
}

static void pair_release(struct file *file)
{
    struct pair *p = pair_self(file);
    struct pair *peer = p->peer;

    if (peer) {
        peer->peer = NULL;
        peer->rx_end = peer->tx_end = true;
        /* The peer must not believe that it was read. */
        peer->error = p->rx.count ? ECONNRESET : peer->error;
        file_wake(&peer->file, PAIR_EVENTS | EPOLLERR);
    }
    bytes_free(&p->rx);
    heap_free(p);
}

static long pair_ioctl(struct file *file, uint64_t request, uint64_t user_arg)
{
    struct pair *p = pair_self(file);
    uint32_t value;

    switch (request) {
    case LINUX_FIONREAD:
        value = p->rx.count;
        break;
    case LINUX_SIOCOUTQ:
        value = p->peer ? p->peer->rx.count : 0;
        break;
    default:
        return -ENOTTY;
    }
    return copy_to_user(user_arg, &value, sizeof(value));
}

static const struct file_ops pair_ops = {
    .name = "socketpair",
    .mode = LINUX_S_IFSOCK | 0777,
    .events = pair_events,
    .read = pair_read,
    .write = pair_write,
    .release = pair_release,
    .ioctl = pair_ioctl,
};

/**
 * pair_of() - one end of a socketpair
 * @file: any file
 *
 * Return: it, or NULL if it is none.
 */
struct pair *pair_of(struct file *file)
{
    return file->ops == &pair_ops ? pair_self(file) : NULL;
}

/**
 * pair_options() - what setsockopt() gave an end
 * @p: the end
 *
 * Return: the options.
 */
struct sock_options *pair_options(struct pair *p)
{
    return &p->opt;
}

/**
 * pair_caller() - who calls
 *
 * Nobody but this process can be given an end, so whoever sends is this one.
 *
 * Return: the calling thread's process, user and group.
 * Context: a thread of the program.
 */
struct pair_who pair_caller(void)
{
    const struct creds *creds = &thread_self()->creds;

    return (struct pair_who){
        .pid = FIRST_TID,
        .uid = (int32_t)creds->user.effective,
        .gid = (int32_t)creds->group.effective,
    };
}

/**
 * pair_maker() - who made a socketpair, and so is at its other end
 * @p: one end
 *
 * Return: nobody, if it never had a peer.
 */
struct pair_who pair_maker(const struct pair *p)
{
    return p->lone ? (struct pair_who){ 0, -1, -1 } : p->maker;
}

/**
 * pair_shutdown() - end one or both directions
 * @file: one end
 * @rx: nothing more is to be received
 * @tx: nothing more will be sent
 *
 * Context: lock held.
 */
void pair_shutdown(struct file *file, bool rx, bool tx)
{
    struct pair *p = pair_self(file);

    p->rx_end |= rx;
    p->tx_end |= tx;
    file_wake(file, PAIR_EVENTS);
    if (p->peer) {
        p->peer->rx_end |= tx;
        p->peer->tx_end |= rx;
        file_wake(&p->peer->file, PAIR_EVENTS);
    }
}

/**
 * pair_lone() - did it never have a peer?
 * @p: one end
 *
 * Return: SOCK_* of socket(), 0: it is of a socketpair.
 */
uint32_t pair_lone(const struct pair *p)
{
    return p->lone;
}

static struct pair *pair_make(uint32_t flags)
{
    struct pair *p = heap_zalloc(sizeof(*p));

    if (p && !bytes_init(&p->rx)) {
        heap_free(p);
        return NULL;
    }
    if (p) {
        file_init(&p->file, &pair_ops, O_RDWR | (flags & O_NONBLOCK));
        sock_options_init(&p->opt, OPTION_DGRAM_BYTES);
    }
    return p;
}

/**
 * pair_open() - socket(AF_UNIX, type, protocol)
 * @type: SOCK_*
 * @protocol: 0, AF_UNIX
 * @flags: SOCK_NONBLOCK, SOCK_CLOEXEC
 *
 * There is nobody to connect to: it serves those who have questions that any
 * socket answers, as C libraries do about interfaces.
 *
 * Return: a descriptor, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -ENOMEM, -EMFILE.
 * Context: lock held.
 */
long pair_open(uint32_t type, uint32_t protocol, uint32_t flags)
{
    struct pair *p;

    if (protocol && protocol != AF_UNIX) {
        return -EPROTONOSUPPORT;
    }
    if (type != SOCK_STREAM && type != SOCK_DGRAM) {
        return -ESOCKTNOSUPPORT;
    }
    p = heap_zalloc(sizeof(*p));
    if (p) {
        file_init(&p->file, &pair_ops, O_RDWR | (flags & O_NONBLOCK));
        sock_options_init(&p->opt, OPTION_DGRAM_BYTES);
        p->lone = type;
    }
    return fd_open(p ? &p->file : NULL, flags);
}

/**
 * pair_sys_socketpair() - socketpair(domain, type, protocol, fds)
 *
 * @linux call socketpair - SOCK_STREAM alone; no descriptors are passed
 * @test guest/programs/recvflags.c "socketpair: MSG_PEEK"
 */
long pair_sys_socketpair(struct sys_args *a)
{
    uint32_t type = (uint32_t)a->arg[1];
    struct pair *one, *two;
    struct file *files[2];
    long ret = -ENOMEM;

    if ((uint32_t)a->arg[0] != AF_UNIX) {
        return -EOPNOTSUPP;
    }
    if ((uint32_t)a->arg[2] && (uint32_t)a->arg[2] != AF_UNIX) {
        return -EPROTONOSUPPORT;
    }
    if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM) {
        return -ESOCKTNOSUPPORT;
    }
    lib_lock();
    one = pair_make(type);
    two = pair_make(type);
    if (one && two) {
        one->peer = two;
        two->peer = one;
        one->maker = two->maker = pair_caller();
        files[0] = &one->file;
        files[1] = &two->file;
        ret = fd_open_pair(files, type, a->arg[3]);
    } else if (one || two) {
        file_release(one ? &one->file : &two->file);
    }
    lib_unlock();
    return ret;
}
