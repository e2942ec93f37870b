/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pair.c - socketpair(AF_UNIX, SOCK_STREAM): two byte queues, one each way */
#include <sys/socket.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/bytes.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/pair.h"

struct pair {
    struct file file;
    struct pair *peer; /* NULL: closed */
    struct bytes rx;   /* what the peer wrote */
    bool rx_end, tx_end;
};

static const struct file_ops pair_ops;

static struct pair *pair_self(struct file *file)
{
    return list_entry(file, struct pair, file);
}

static uint32_t pair_events(struct file *file)
{
    struct pair *p = pair_self(file);
    bool ended = p->rx_end || !p->peer || p->peer->tx_end;
    bool room = !p->peer || bytes_room(&p->peer->rx) >= BYTES_ATOMIC;

    return (p->rx.count || ended ? EPOLLIN | EPOLLRDNORM : 0) |
           (room ? EPOLLOUT | EPOLLWRNORM : 0) | (ended ? EPOLLRDHUP : 0) |
           (!p->peer || (ended && p->tx_end) ? EPOLLHUP : 0);
}

static long pair_read(struct file *file, struct uio *uio)
{
    struct pair *p = pair_self(file);
    long ret;

    if (!uio->left_bytes) {
        return 0;
    }
    if (!p->rx.count) {
        return p->peer && !p->peer->tx_end && !p->rx_end ? -EAGAIN : 0;
    }
    ret = bytes_get(&p->rx, uio);
    if (ret > 0 && p->peer) {
        file_wake(&p->peer->file, EPOLLOUT);
    }
    return ret;
}

static long pair_write(struct file *file, struct uio *uio)
{
    struct pair *p = pair_self(file);
    long ret;

    if (!p->peer || p->tx_end || p->peer->rx_end) {
        return -EPIPE;
    }
    if (uio->left_bytes && !bytes_room(&p->peer->rx)) {
        return -EAGAIN;
    }
    ret = bytes_put(&p->peer->rx, uio);
    if (ret > 0) {
        file_wake(&p->peer->file, EPOLLIN);
    }
    return ret;
}

static void pair_release(struct file *file)
{
    struct pair *p = pair_self(file);

    if (p->peer) {
        p->peer->peer = NULL;
        file_wake(&p->peer->file, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);
    }
    bytes_free(&p->rx);
    heap_free(p);
}

static long pair_ioctl(struct file *file, uint64_t request, uint64_t user_arg)
{
    if (request != LINUX_FIONREAD) {
        return -ENOTTY;
    }
    return copy_to_user(user_arg, &pair_self(file)->rx.count, sizeof(uint32_t));
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
 * pair_is() - is this one end of a socketpair?
 * @file: any file
 *
 * Return: whether.
 */
bool pair_is(const struct file *file)
{
    return file->ops == &pair_ops;
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
    file_wake(file, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    if (p->peer) {
        file_wake(&p->peer->file, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    }
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
    }
    return p;
}

/** pair_sys_socketpair() - socketpair(domain, type, protocol, fds) */
long pair_sys_socketpair(struct sys_args *a)
{
    uint32_t type = (uint32_t)a->arg[1];
    struct pair *one, *two;
    struct file *files[2];
    long ret = -ENOMEM;

    if ((uint32_t)a->arg[0] != AF_UNIX) {
        return -EOPNOTSUPP;
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
        files[0] = &one->file;
        files[1] = &two->file;
        ret = fd_open_pair(files, type, a->arg[3]);
    } else if (one || two) {
        file_release(one ? &one->file : &two->file);
    }
    lib_unlock();
    return ret;
}
