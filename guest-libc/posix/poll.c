/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * poll.c - poll and select
 *
 * Both look at every file anew after each wake-up: they are for few files,
 * epoll is for many.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"

#define POLL_CHUNK    32u
#define SELECT_STACK  1024u /* as many descriptors need no memory */
#define SELECT_WORDS  (SELECT_STACK / 64)
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

/* -- select ------------------------------------------------------------------- */

/* What is asked for and what is found; each: read, write, except. */
struct select_sets {
    uint64_t *asked[3], *found[3];
    uint64_t few[6 * SELECT_WORDS];
    uint64_t *many; /* instead of @few, or NULL */
};

static bool select_room(struct select_sets *sets, uint32_t words)
{
    uint64_t *at = sets->few;

    sets->many = NULL;
    if (words > SELECT_WORDS) {
        lib_lock();
        at = sets->many = heap_zalloc(6 * words * sizeof(*at));
        lib_unlock();
        if (!at) {
            return false;
        }
    }
    memset(at, 0, 6 * words * sizeof(*at));
    for (int set = 0; set < 3; set++) {
        sets->asked[set] = at + set * words;
        sets->found[set] = at + (3 + set) * words;
    }
    return true;
}

/* Which of those asked for hold: their number, or -EBADF. */
static long select_look(struct select_sets *sets, uint32_t n)
{
    static const uint32_t wanted[3] = {
        SELECT_READ,
        SELECT_WRITE,
        SELECT_EXCEPT,
    };
    long found = 0;

    for (uint32_t fd = 0; fd < n; fd++) {
        uint64_t bit = 1ull << (fd % 64);
        uint32_t at = fd / 64, events;

        for (int set = 0; set < 3; set++) {
            sets->found[set][at] &= ~bit;
        }
        if (!((sets->asked[0][at] | sets->asked[1][at] | sets->asked[2][at]) &
              bit)) {
            continue;
        }
        events = file_events(fd);
        if (events & POLLNVAL) {
            return -EBADF;
        }
        for (int set = 0; set < 3; set++) {
            if ((sets->asked[set][at] & bit) && (events & wanted[set])) {
                sets->found[set][at] |= bit;
                found++;
            }
        }
    }
    return found;
}

static long select_locked(struct select_sets *sets, uint32_t n,
                          uint64_t deadline_ns)
{
    long found, ret;

    net_poll();
    for (;;) {
        found = select_look(sets, n);
        if (found || !deadline_ns) {
            return found;
        }
        ret = file_wait(NULL, ~0u, deadline_ns);
        if (ret) {
            found = select_look(sets, n);
            return found ? found : ret == -ETIMEDOUT ? 0 : ret;
        }
    }
}

/* @deadline_ns 0: do not wait. */
static long select_common(struct sys_args *a, uint64_t deadline_ns,
                          const uint64_t *mask)
{
    struct select_sets sets;
    uint32_t n = (uint32_t)a->arg[0];
    size_t bytes;
    long ret = 0;

    if ((int32_t)n < 0) {
        return -EINVAL;
    }
    n = n < FD_MAX ? n : FD_MAX;
    bytes = (n + 63) / 64 * sizeof(uint64_t);
    if (!select_room(&sets, bytes / sizeof(uint64_t))) {
        return -ENOMEM;
    }
    for (int set = 0; set < 3; set++) {
        if (a->arg[1 + set] &&
            copy_from_user(sets.asked[set], a->arg[1 + set], bytes)) {
            ret = -EFAULT;
        }
    }
    lib_lock();
    if (mask && !ret) {
        signal_mask_for_call_locked(*mask);
    }
    if (!ret) {
        ret = select_locked(&sets, n, deadline_ns);
    }
    lib_unlock();
    for (int set = 0; ret >= 0 && set < 3; set++) {
        if (a->arg[1 + set] &&
            copy_to_user(a->arg[1 + set], sets.found[set], bytes)) {
            ret = -EFAULT;
        }
    }
    if (sets.many) {
        lib_lock();
        heap_free(sets.many);
        lib_unlock();
    }
    return ret;
}

/* The deadline of a call that may wait so long; 0: not at all. */
static uint64_t poll_deadline(uint64_t timeout_ns)
{
    return timeout_ns ? wait_deadline(timeout_ns) : 0;
}

/*
 * Linux tells what is left of the time that was given, however the call ends.
 * Where that cannot be written nothing is said.
 */
static void tell_left(uint64_t user_time, uint64_t deadline_ns,
                      uint64_t ns_per_unit)
{
    uint64_t now_ns = prim_now_ns(), left_ns;
    uint64_t time[2];

    if (!user_time || !deadline_ns || deadline_ns == SYS_FOREVER) {
        return;
    }
    left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    time[0] = left_ns / NSEC_PER_SEC;
    time[1] = left_ns % NSEC_PER_SEC / ns_per_unit;
    (void)copy_to_user(user_time, time, sizeof(time));
}

/**
 * poll_sys_select() - select(n, read, write, except, timeval)
 *
 * @linux call select pselect6
 * @test guest/programs/polls.c "select: what is left of the time"
 * @test guest/programs/polls.c "select: descriptors beyond 1024"
 */
long poll_sys_select(struct sys_args *a)
{
    uint64_t deadline_ns = SYS_FOREVER, timeout_ns = SYS_FOREVER;
    int64_t timeval[2];
    long ret;

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
        deadline_ns = poll_deadline(timeout_ns);
    }
    ret = select_common(a, deadline_ns, NULL);
    tell_left(a->arg[4], deadline_ns, NSEC_PER_USEC);
    return ret;
}

/** poll_sys_pselect6() - pselect6(n, r, w, e, timespec, {mask, bytes}) */
long poll_sys_pselect6(struct sys_args *a)
{
    uint64_t timeout_ns, deadline_ns, argument[2] = { 0, 0 }, mask = 0;
    long ret;

    if (a->arg[5] && copy_from_user(argument, a->arg[5], sizeof(argument))) {
        return -EFAULT;
    }
    ret = user_timespec(a->arg[4], &timeout_ns);
    if (ret) {
        return ret;
    }
    if (argument[0] && argument[1] != sizeof(mask)) {
        return -EINVAL;
    }
    if (argument[0] && copy_from_user(&mask, argument[0], sizeof(mask))) {
        return -EFAULT;
    }
    deadline_ns = poll_deadline(timeout_ns);
    ret = select_common(a, deadline_ns, argument[0] ? &mask : NULL);
    tell_left(a->arg[4], deadline_ns, 1);
    return ret;
}

/* -- poll --------------------------------------------------------------------- */

static long poll_locked(uint64_t user_fds, uint32_t n, uint64_t deadline_ns)
{
    long found, ret;

    if (n > limit_files()) {
        return -EINVAL;
    }
    net_poll();
    for (;;) {
        found = poll_look(user_fds, n);
        if (found || !deadline_ns) {
            return found;
        }
        ret = file_wait(NULL, ~0u, deadline_ns);
        if (ret) {
            found = poll_look(user_fds, n);
            return found ? found : ret == -ETIMEDOUT ? 0 : ret;
        }
    }
}

/**
 * poll_sys_poll() - poll(fds, n, timeout_ms)
 *
 * @linux call poll ppoll
 * @test guest/programs/polls.c "ppoll: what is left of the time"
 * @test guest/programs/polls.c "poll: no descriptor is POLLNVAL"
 */
long poll_sys_poll(struct sys_args *a)
{
    int32_t ms = (int32_t)a->arg[2];
    long ret;

    lib_lock();
    ret = poll_locked(a->arg[0], (uint32_t)a->arg[1],
                      poll_deadline(ms < 0 ? SYS_FOREVER : ms * NSEC_PER_MSEC));
    lib_unlock();
    return ret;
}

/** poll_sys_ppoll() - ppoll(fds, n, timespec, mask, mask_bytes) */
long poll_sys_ppoll(struct sys_args *a)
{
    uint64_t timeout_ns, deadline_ns, mask;
    long ret = user_timespec(a->arg[2], &timeout_ns);

    if (ret) {
        return ret;
    }
    if (a->arg[3] && a->arg[4] != sizeof(mask)) {
        return -EINVAL;
    }
    if (a->arg[3] && copy_from_user(&mask, a->arg[3], sizeof(mask))) {
        return -EFAULT;
    }
    deadline_ns = poll_deadline(timeout_ns);
    lib_lock();
    if (a->arg[3]) {
        signal_mask_for_call_locked(mask);
    }
    ret = poll_locked(a->arg[0], (uint32_t)a->arg[1], deadline_ns);
    lib_unlock();
    tell_left(a->arg[2], deadline_ns, 1);
    return ret;
}
