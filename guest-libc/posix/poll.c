/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poll.c - poll and select
 *
 * Both look at every file anew after each wake-up: they are for few files,
 * epoll is for many.
 */
#include <string.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"

#define POLL_CHUNK    32u
#define SELECT_MAX    1024u
#define SELECT_WORDS  (SELECT_MAX / 64)
/* The low bits of EPOLL* are those of POLL*. */
#define POLL_ALWAYS   (POLLERR | POLLHUP)

/* What select's three sets ask for. */
#define SELECT_READ   (EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLERR)
#define SELECT_WRITE  (EPOLLOUT | EPOLLWRNORM | EPOLLERR)
#define SELECT_EXCEPT EPOLLPRI

/**
 * user_timespec() - a timespec of the program
 * @user_addr: where it is; 0: none
 * @ret_ns: its value, SYS_FOREVER if there is none
 *
 * Return: 0, -EFAULT, -EINVAL.
 */
long user_timespec(uint64_t user_addr, uint64_t *ret_ns)
{
    struct timespec ts;

    if (!user_addr) {
        *ret_ns = SYS_FOREVER;
        return 0;
    }
    if (copy_from_user(&ts, user_addr, sizeof(ts))) {
        return -EFAULT;
    }
    if (ts.tv_sec < 0 || (uint64_t)ts.tv_nsec >= NSEC_PER_SEC) {
        return -EINVAL;
    }
    *ret_ns = (uint64_t)ts.tv_sec >= SYS_FOREVER / NSEC_PER_SEC
                  ? SYS_FOREVER
                  : ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
    return 0;
}

static uint32_t file_events(uint64_t fd)
{
    struct file *file = fd_file(fd);

    if (!file) {
        return POLLNVAL;
    }
    return file->ops->events ? file->ops->events(file) : EPOLLIN | EPOLLOUT;
}

/* Fill in revents of all: how many are not 0, or -EFAULT. */
static long poll_look(uint64_t user_fds, uint32_t n)
{
    struct pollfd fds[POLL_CHUNK];
    long found = 0;

    for (uint32_t i = 0; i < n; i += POLL_CHUNK) {
        uint32_t some = n - i < POLL_CHUNK ? n - i : POLL_CHUNK;
        uint64_t at = user_fds + i * sizeof(fds[0]);

        if (copy_from_user(fds, at, some * sizeof(fds[0]))) {
            return -EFAULT;
        }
        for (uint32_t j = 0; j < some; j++) {
            uint32_t wanted = (uint16_t)fds[j].events | POLL_ALWAYS | POLLNVAL;

            fds[j].revents =
                fds[j].fd < 0 ? 0 : file_events(fds[j].fd) & wanted;
            found += fds[j].revents != 0;
        }
        if (copy_to_user(at, fds, some * sizeof(fds[0]))) {
            return -EFAULT;
        }
    }
    return found;
}

static long poll_locked(uint64_t user_fds, uint32_t n, uint64_t timeout_ns)
{
    uint64_t deadline = SYS_FOREVER;
    long found, ret;

    if (n > limit_files()) {
        return -EINVAL;
    }
    if (timeout_ns && timeout_ns != SYS_FOREVER) {
        deadline = wait_deadline(timeout_ns);
    }
    net_poll();
    for (;;) {
        found = poll_look(user_fds, n);
        if (found || !timeout_ns) {
            return found;
        }
        ret = file_wait(NULL, ~0u, deadline);
        if (ret) {
            found = poll_look(user_fds, n);
            return found ? found : ret == -ETIMEDOUT ? 0 : ret;
        }
    }
}

/** poll_sys_poll() - poll(fds, n, timeout_ms) */
long poll_sys_poll(struct sys_args *a)
{
    int32_t ms = (int32_t)a->arg[2];
    long ret;

    lib_lock();
    ret = poll_locked(a->arg[0], (uint32_t)a->arg[1],
                      ms < 0 ? SYS_FOREVER : ms * NSEC_PER_MSEC);
    lib_unlock();
    return ret;
}

/** poll_sys_ppoll() - ppoll(fds, n, timespec, mask, mask_bytes) */
long poll_sys_ppoll(struct sys_args *a)
{
    uint64_t timeout_ns, mask;
    long ret = user_timespec(a->arg[2], &timeout_ns);

    if (ret) {
        return ret;
    }
    if (a->arg[3] && copy_from_user(&mask, a->arg[3], sizeof(mask))) {
        return -EFAULT;
    }
    lib_lock();
    if (a->arg[3]) {
        signal_mask_for_call_locked(mask);
    }
    ret = poll_locked(a->arg[0], (uint32_t)a->arg[1], timeout_ns);
    lib_unlock();
    return ret;
}

/* -- select ------------------------------------------------------------------- */

struct select_sets {
    uint64_t word[3][SELECT_WORDS]; /* read, write, except */
};

/* Which of @asked hold: their number, or -EBADF. */
static long select_look(const struct select_sets *asked,
                        struct select_sets *ret_found, uint32_t n)
{
    static const uint32_t wanted[3] = {
        SELECT_READ,
        SELECT_WRITE,
        SELECT_EXCEPT,
    };
    long found = 0;

    memset(ret_found, 0, sizeof(*ret_found));
    for (uint32_t fd = 0; fd < n; fd++) {
        uint64_t bit = 1ull << (fd % 64);
        uint32_t at = fd / 64, events;

        if (!((asked->word[0][at] | asked->word[1][at] | asked->word[2][at]) &
              bit)) {
            continue;
        }
        events = file_events(fd);
        if (events & POLLNVAL) {
            return -EBADF;
        }
        for (int set = 0; set < 3; set++) {
            if ((asked->word[set][at] & bit) && (events & wanted[set])) {
                ret_found->word[set][at] |= bit;
                found++;
            }
        }
    }
    return found;
}

static long select_locked(const struct select_sets *asked,
                          struct select_sets *ret_found, uint32_t n,
                          uint64_t timeout_ns)
{
    uint64_t deadline = SYS_FOREVER;
    long found, ret;

    if (timeout_ns && timeout_ns != SYS_FOREVER) {
        deadline = wait_deadline(timeout_ns);
    }
    net_poll();
    for (;;) {
        found = select_look(asked, ret_found, n);
        if (found || !timeout_ns) {
            return found;
        }
        ret = file_wait(NULL, ~0u, deadline);
        if (ret) {
            found = select_look(asked, ret_found, n);
            return found ? found : ret == -ETIMEDOUT ? 0 : ret;
        }
    }
}

static long select_common(struct sys_args *a, uint64_t timeout_ns,
                          const uint64_t *mask)
{
    struct select_sets asked, found;
    uint32_t n = (uint32_t)a->arg[0];
    size_t bytes;
    long ret;

    if ((int32_t)n < 0) {
        return -EINVAL;
    }
    n = n < SELECT_MAX ? n : SELECT_MAX;
    bytes = (n + 63) / 64 * sizeof(uint64_t);
    memset(&asked, 0, sizeof(asked));
    for (int set = 0; set < 3; set++) {
        if (a->arg[1 + set] &&
            copy_from_user(asked.word[set], a->arg[1 + set], bytes)) {
            return -EFAULT;
        }
    }
    lib_lock();
    if (mask) {
        signal_mask_for_call_locked(*mask);
    }
    ret = select_locked(&asked, &found, n, timeout_ns);
    lib_unlock();
    for (int set = 0; ret >= 0 && set < 3; set++) {
        if (a->arg[1 + set] &&
            copy_to_user(a->arg[1 + set], found.word[set], bytes)) {
            ret = -EFAULT;
        }
    }
    return ret;
}

/** poll_sys_select() - select(n, read, write, except, timeval) */
long poll_sys_select(struct sys_args *a)
{
    uint64_t timeout_ns = SYS_FOREVER;
    int64_t timeval[2];

    if (a->arg[4]) {
        if (copy_from_user(timeval, a->arg[4], sizeof(timeval))) {
            return -EFAULT;
        }
        if (timeval[0] < 0 || timeval[1] < 0) {
            return -EINVAL;
        }
        if ((uint64_t)timeval[0] < SYS_FOREVER / NSEC_PER_SEC / 2) {
            timeout_ns = timeval[0] * NSEC_PER_SEC + timeval[1] * NSEC_PER_USEC;
        }
    }
    return select_common(a, timeout_ns, NULL);
}

/** poll_sys_pselect6() - pselect6(n, r, w, e, timespec, {mask, bytes}) */
long poll_sys_pselect6(struct sys_args *a)
{
    uint64_t timeout_ns, argument[2] = { 0, 0 }, mask = 0;
    long ret = user_timespec(a->arg[4], &timeout_ns);

    if (ret) {
        return ret;
    }
    if (a->arg[5] && copy_from_user(argument, a->arg[5], sizeof(argument))) {
        return -EFAULT;
    }
    if (argument[0] && copy_from_user(&mask, argument[0], sizeof(mask))) {
        return -EFAULT;
    }
    return select_common(a, timeout_ns, argument[0] ? &mask : NULL);
}
