/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signalfd.c - signals to read
 *
 * The file holds no signal, only a set: what waits for the thread that asks,
 * its own signals and the process's, is looked up when it asks.
 */
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include <sys/signalfd.h>

#define SIGNAL_BIT(sig) (1ull << ((sig)-1))
#define UNMASKABLE      (SIGNAL_BIT(9) | SIGNAL_BIT(19)) /* SIGKILL SIGSTOP */

struct signalfd {
    struct file file;
    uint64_t set;
    struct list node; /* of signalfds */
};

static struct list signalfds = LIST_INIT(signalfds);

static struct signalfd *signalfd_of(struct file *file)
{
    return list_entry(file, struct signalfd, file);
}

/**
 * posix_signal_sent() - a signal waits, perhaps for one who reads it
 * @sig: its number
 *
 * Context: lock held.
 */
void posix_signal_sent(int sig)
{
    struct list *node;

    list_for_each (node, &signalfds) {
        struct signalfd *s = list_entry(node, struct signalfd, node);

        if (s->set & SIGNAL_BIT(sig)) {
            file_wake(&s->file, EPOLLIN);
        }
    }
}

static uint32_t signalfd_events(struct file *file)
{
    return signal_pending_locked() & signalfd_of(file)->set ? EPOLLIN : 0;
}

static long signalfd_read(struct file *file, struct uio *uio)
{
    struct signalfd_siginfo info;
    long done = 0;

    if (uio->left_bytes < sizeof(info)) {
        return -EINVAL;
    }
    while (uio->left_bytes >= sizeof(info) &&
           signal_read_locked(signalfd_of(file)->set, &info)) {
        if (uio_copy_out(uio, &info, sizeof(info))) {
            return done ? done : -EFAULT;
        }
        done += sizeof(info);
    }
    return done ? done : -EAGAIN;
}

static void signalfd_release(struct file *file)
{
    struct signalfd *s = signalfd_of(file);

    list_remove(&s->node);
    heap_free(s);
}

static const struct file_ops signalfd_ops = {
    .name = "[signalfd]",
    .mode = 0600,
    .events = signalfd_events,
    .read = signalfd_read,
    .release = signalfd_release,
};

static long signalfd_new(uint64_t set, uint32_t flags)
{
    struct signalfd *s = heap_zalloc(sizeof(*s));

    if (s) {
        file_init(&s->file, &signalfd_ops, O_RDWR | (flags & SFD_NONBLOCK));
        s->set = set;
        list_append(&signalfds, &s->node);
    }
    return fd_open(s ? &s->file : NULL, flags);
}

static long signalfd_change(int fd, uint64_t set)
{
    struct file *file = fd_file((uint32_t)fd);

    if (!file) {
        return -EBADF;
    }
    if (file->ops != &signalfd_ops) {
        return -EINVAL;
    }
    signalfd_of(file)->set = set;
    if (signalfd_events(file)) {
        file_wake(file, EPOLLIN);
    }
    return fd;
}

static long signalfd_call(const struct sys_args *a, uint32_t flags)
{
    int fd = (int)a->arg[0];
    uint64_t set;
    long ret;

    if (a->arg[2] != sizeof(set)) {
        return -EINVAL;
    }
    if (copy_from_user(&set, a->arg[1], sizeof(set))) {
        return -EFAULT;
    }
    if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) {
        return -EINVAL;
    }
    set &= ~UNMASKABLE;
    lib_lock();
    ret = fd == -1 ? signalfd_new(set, flags) : signalfd_change(fd, set);
    lib_unlock();
    return ret;
}

/*
 * @linux call signalfd signalfd4
 * @test guest/programs/sigqueue.c "signalfd: each signal is read once"
 * @test guest/programs/sigqueue.c "epoll says that a signalfd is readable"
 */

/** signalfd_sys_signalfd() - signalfd(fd, set, set_bytes) */
long signalfd_sys_signalfd(struct sys_args *a)
{
    return signalfd_call(a, 0);
}

/** signalfd_sys_signalfd4() - signalfd4(fd, set, set_bytes, flags) */
long signalfd_sys_signalfd4(struct sys_args *a)
{
    return signalfd_call(a, (uint32_t)a->arg[3]);
}
