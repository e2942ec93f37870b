/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluice.c - the calls of sluice.h
 *
 * Waiting for a commit.  The committed epoch is a register that is asked for
 * by a call; the NIC tells by the event word when an epoch that was asked for
 * with NOTIFY has become durable, and the poller's round then looks for all
 * that wait (sluice_poll).  A wait that is restored with the very checkpoint
 * it waits for is over at once: the message about the new generation ends the
 * sleep, and the register says so.
 */
#include <string.h>
#include "guest-libc/include/sluice.h"
#include "guest-libc/net/frame.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"

#define SLUICE_PAYLOAD_MAX 9202u /* of a CKPT_FRAME_MAX */

static uint32_t commit_word; /* changes when the register has changed */
static uint32_t commit_waiters;
static uint64_t committed_known;
static uint64_t notify_epoch; /* the greatest asked for with NOTIFY */

/**
 * sluice_poll() - part of a round: has a checkpoint become durable?
 *
 * Context: lock held.
 */
void sluice_poll(void)
{
    uint64_t committed;

    if (!commit_waiters) {
        return;
    }
    committed = prim_query(SYS_QUERY_COMMITTED);
    if (committed != committed_known) {
        committed_known = committed;
        net_wake(&commit_word, commit_waiters);
    }
}

static long commit_ask(void)
{
    long epoch = prim_commit(CKPT_COMMIT_NOW | CKPT_COMMIT_NOTIFY);

    if (epoch > 0 && (uint64_t)epoch > notify_epoch) {
        notify_epoch = epoch;
    }
    return epoch;
}

static long commit_wait(uint64_t epoch)
{
    long ret = 0;

    commit_waiters++;
    for (;;) {
        uint32_t seen = commit_word;

        if ((uint64_t)prim_query(SYS_QUERY_COMMITTED) >= epoch) {
            ret = 0;
            break;
        }
        if (ret == -EINTR) {
            break;
        }
        ret = net_sleep(&commit_word, seen, SYS_FOREVER);
    }
    commit_waiters--;
    return ret;
}

/** sluice_sys_commit() - sluice_commit(flags) */
long sluice_sys_commit(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[0];
    long epoch, ret = 0;

    if (flags & ~SLUICE_COMMIT_WAIT) {
        return -EINVAL;
    }
    lib_lock();
    epoch = commit_ask();
    if (epoch > 0 && (flags & SLUICE_COMMIT_WAIT)) {
        ret = commit_wait(epoch);
    }
    lib_unlock();
    return ret ? ret : epoch;
}

/** sluice_sys_wait_committed() - sluice_wait_committed(epoch) */
long sluice_sys_wait_committed(struct sys_args *a)
{
    uint64_t epoch = a->arg[0];
    long ret = 0;

    lib_lock();
    if ((uint64_t)prim_query(SYS_QUERY_COMMITTED) < epoch) {
        /* Nobody would tell of one that was not asked for. */
        if (epoch > notify_epoch) {
            ret = commit_ask();
        }
        if (ret >= 0) {
            ret = commit_wait(epoch);
        }
    }
    lib_unlock();
    return ret;
}

static long query(enum sys_query what)
{
    return prim_query(what);
}

/** sluice_sys_epoch() - sluice_epoch() */
long sluice_sys_epoch(struct sys_args *a)
{
    (void)a;
    return query(SYS_QUERY_EPOCH);
}

/** sluice_sys_committed() - sluice_committed() */
long sluice_sys_committed(struct sys_args *a)
{
    (void)a;
    return query(SYS_QUERY_COMMITTED);
}

/** sluice_sys_generation() - sluice_generation() */
long sluice_sys_generation(struct sys_args *a)
{
    (void)a;
    return prim_generation();
}

/** sluice_sys_frame_open() - sluice_frame_open() */
long sluice_sys_frame_open(struct sys_args *a)
{
    long ret;

    if (a->arg[0]) {
        return -EINVAL;
    }
    lib_lock();
    ret = fd_open(frame_open(), 0);
    lib_unlock();
    return ret;
}

/* The file of raw frames behind @fd, held, or an error. */
static long frame_file(uint64_t fd, struct file **ret_file)
{
    struct file *file = fd_file(fd);

    if (!file) {
        return -EBADF;
    }
    if (!frame_is(file)) {
        return -EINVAL;
    }
    *ret_file = file_hold(file);
    return 0;
}

/** sluice_sys_frame_send() - sluice_frame_send(fd, to, payload, bytes) */
long sluice_sys_frame_send(struct sys_args *a)
{
    uint8_t payload[SLUICE_PAYLOAD_MAX], to[FRAME_ADDRESS];
    struct file *file;
    long ret;

    if (a->arg[3] > sizeof(payload)) {
        return -EMSGSIZE;
    }
    if (copy_from_user(payload, a->arg[2], a->arg[3]) ||
        (a->arg[1] && copy_from_user(to, a->arg[1], sizeof(to)))) {
        return -EFAULT;
    }
    lib_lock();
    ret = frame_file(a->arg[0], &file);
    if (!ret) {
        ret = frame_send(a->arg[1] ? to : NULL, payload, a->arg[3],
                         file->flags & O_NONBLOCK);
        file_release(file);
    }
    lib_unlock();
    return ret == -EINTR ? LIB_RESTART : ret;
}

static long recv_locked(struct file *file, struct sys_args *a)
{
    const uint8_t *from, *payload;
    long len, n;

    for (;;) {
        len = frame_peek(file, &from, &payload);
        if (len >= 0) {
            break;
        }
        if (file->flags & O_NONBLOCK) {
            return len;
        }
        if (file_wait(file, EPOLLIN, SYS_FOREVER) == -EINTR) {
            return LIB_RESTART;
        }
    }
    n = a->arg[3] < (uint64_t)len ? (long)a->arg[3] : len;
    if ((a->arg[1] && copy_to_user(a->arg[1], from, FRAME_ADDRESS)) ||
        copy_to_user(a->arg[2], payload, n)) {
        return -EFAULT;
    }
    frame_drop(file);
    return len;
}

/** sluice_sys_frame_recv() - sluice_frame_recv(fd, from, payload, room) */
long sluice_sys_frame_recv(struct sys_args *a)
{
    struct file *file;
    long ret;

    lib_lock();
    ret = frame_file(a->arg[0], &file);
    if (!ret) {
        net_poll();
        ret = recv_locked(file, a);
        file_release(file);
    }
    lib_unlock();
    return ret;
}
