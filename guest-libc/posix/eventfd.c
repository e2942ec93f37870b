/* SPDX-License-Identifier: GPL-2.0-or-later */
/* eventfd.c - a counter to wait for */
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include <sys/eventfd.h>

#define EVENTFD_MAX (UINT64_MAX - 1)

struct eventfd {
    struct file file;
    uint64_t count;
    bool semaphore; /* a read takes 1 and not all */
};

static struct eventfd *counter_of(struct file *file)
{
    return list_entry(file, struct eventfd, file);
}

static uint32_t counter_events(struct file *file)
{
    struct eventfd *e = counter_of(file);

    return (e->count ? EPOLLIN : 0) | (e->count < EVENTFD_MAX ? EPOLLOUT : 0);
}

static long counter_read(struct file *file, struct uio *uio)
{
    struct eventfd *e = counter_of(file);
    uint64_t value = e->semaphore ? 1 : e->count;

    if (uio->left_bytes < sizeof(value)) {
        return -EINVAL;
    }
    if (!e->count) {
        return -EAGAIN;
    }
    if (uio_copy_out(uio, &value, sizeof(value))) {
        return -EFAULT;
    }
    e->count -= value;
    file_wake(file, EPOLLOUT);
    return sizeof(value);
}

static long counter_write(struct file *file, struct uio *uio)
{
    struct eventfd *e = counter_of(file);
    struct uio before = *uio;
    uint64_t value;

    if (uio->left_bytes < sizeof(value)) {
        return -EINVAL;
    }
    if (uio_copy_in(uio, &value, sizeof(value))) {
        return -EFAULT;
    }
    if (value > EVENTFD_MAX) {
        return -EINVAL;
    }
    if (value > EVENTFD_MAX - e->count) {
        *uio = before;
        return -EAGAIN;
    }
    e->count += value;
    /* One value is one write, however long the buffer is. */
    uio->left_bytes = 0;
    if (value) {
        file_wake(file, EPOLLIN);
    }
    return sizeof(value);
}

static void counter_release(struct file *file)
{
    heap_free(counter_of(file));
}

static const struct file_ops eventfd_ops = {
    .name = "[eventfd]",
    .mode = 0600,
    .events = counter_events,
    .read = counter_read,
    .write = counter_write,
    .release = counter_release,
};

static long counter_create(uint32_t count, uint32_t flags)
{
    struct eventfd *e;
    long ret;

    if (flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) {
        return -EINVAL;
    }
    lib_lock();
    e = heap_zalloc(sizeof(*e));
    if (e) {
        file_init(&e->file, &eventfd_ops, O_RDWR | (flags & EFD_NONBLOCK));
        e->count = count;
        e->semaphore = flags & EFD_SEMAPHORE;
    }
    ret = fd_open(e ? &e->file : NULL, flags);
    lib_unlock();
    return ret;
}

/**
 * eventfd_sys_create() - eventfd(count)
 *
 * @linux call eventfd eventfd2
 * @test guest/programs/events.c "eventfd"
 * @test guest/programs/epolls.c "a write is an edge"
 */
long eventfd_sys_create(struct sys_args *a)
{
    return counter_create((uint32_t)a->arg[0], 0);
}

/** eventfd_sys_create2() - eventfd2(count, flags) */
long eventfd_sys_create2(struct sys_args *a)
{
    return counter_create((uint32_t)a->arg[0], (uint32_t)a->arg[1]);
}
