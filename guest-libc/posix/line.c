/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * line.c - the calls of sluice.h about lines: forks and rollbacks, as a program
 * sees them
 */
#include "guest-libc/include/sluice.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"

static uint32_t line_why;  /* of the present line; lock */
static uint32_t line_word; /* changes with it */
static uint32_t line_waiters;

_Static_assert((int)SLUICE_LINE_FORK == (int)CKPT_LINE_FORK &&
                   (int)SLUICE_LINE_ROLLBACK == (int)CKPT_LINE_ROLLBACK,
               "the host's numbers");

/**
 * sluice_new_line() - another line has begun
 * @why: enum ckpt_line_why
 *
 * Context: lock held.
 */
void sluice_new_line(uint32_t why)
{
    line_why = why;
    net_wake(&line_word, line_waiters);
}

/* Wait until the count is not @seen. */
static long line_wait(uint64_t seen)
{
    long ret = 0;

    line_waiters++;
    while (*prim_line() == seen && ret != -EINTR) {
        ret = net_sleep(&line_word, line_word, SYS_FOREVER);
    }
    line_waiters--;
    return *prim_line() == seen ? ret : 0;
}

/** sluice_sys_line() - sluice_line(line), sluice_line_wait(line): a->arg[1] */
long sluice_sys_line(struct sys_args *a)
{
    struct sluice_line line;
    long ret = 0;

    if (copy_from_user(&line, a->arg[0], sizeof(line))) {
        return -EFAULT;
    }
    lib_lock();
    if (a->arg[1]) {
        ret = line_wait(line.line);
    }
    line = (struct sluice_line){
        .line = *prim_line(),
        .generation = prim_generation(),
        .why = line_why,
    };
    lib_unlock();
    if (ret) {
        return ret;
    }
    return copy_to_user(a->arg[0], &line, sizeof(line));
}

/** sluice_sys_line_counter() - sluice_line_counter() */
long sluice_sys_line_counter(struct sys_args *a)
{
    (void)a;
    return (long)prim_line();
}
