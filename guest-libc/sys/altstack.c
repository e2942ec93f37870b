/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * altstack.c - a thread's alternate signal stack
 *
 * With SS_AUTODISARM the thread has none while a handler runs on it; the
 * handler's frame keeps it, and rt_sigreturn() sets it again.  Such a stack is
 * never found busy.
 */
#include <errno.h>
#include <linux/signal.h>
#include "guest-libc/sys/altstack.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

#define MIN_BYTES 2048u /* MINSIGSTKSZ of Linux, whatever AT_MINSIGSTKSZ is */

/**
 * altstack_reset - forget the alternate stack
 * @t: the calling thread, or a new one
 *
 * Context: any.
 */
void altstack_reset(struct thread *t)
{
    t->alt = (struct alt_stack){ .flags = SS_DISABLE };
}

/**
 * altstack_holds - whether an address is in the stack
 * @t: the calling thread
 * @rsp: a stack pointer; the stack's end is in, its beginning is not
 *
 * Return: true if it is.
 * Context: any.
 */
bool altstack_holds(const struct thread *t, uint64_t rsp)
{
    return rsp > t->alt.sp && rsp - t->alt.sp <= t->alt.size_bytes;
}

/**
 * altstack_is_busy - whether the thread runs on its alternate stack
 * @t: the calling thread
 * @rsp: its stack pointer
 *
 * Return: true if it does; false always if the stack disarms itself.
 * Context: any.
 */
bool altstack_is_busy(const struct thread *t, uint64_t rsp)
{
    return !(t->alt.flags & (int32_t)SS_AUTODISARM) && altstack_holds(t, rsp);
}

/**
 * altstack_is_free - whether a handler would begin at the stack's end
 * @t: the calling thread
 * @rsp: its stack pointer
 *
 * Return: true if there is such a stack and the thread is not on it.
 * Context: any.
 */
bool altstack_is_free(const struct thread *t, uint64_t rsp)
{
    return t->alt.size_bytes && !altstack_is_busy(t, rsp);
}

/**
 * altstack_flags - state of the stack, for the program
 * @t: the calling thread
 * @rsp: the program's stack pointer
 *
 * Return: SS_*.
 * Context: any.
 */
int32_t altstack_flags(const struct thread *t, uint64_t rsp)
{
    int32_t flags = t->alt.flags & (int32_t)SS_AUTODISARM;

    if (!t->alt.size_bytes) {
        return flags | SS_DISABLE;
    }
    return altstack_is_busy(t, rsp) ? flags | SS_ONSTACK : flags;
}

/**
 * altstack_set - set or disable the stack
 * @t: the calling thread
 * @new: as the program gives it
 * @rsp: the program's stack pointer
 *
 * Return: 0, -EPERM (the thread is on it), -EINVAL, -ENOMEM (too small).
 * Context: any.
 */
long altstack_set(struct thread *t, const struct alt_stack *new, uint64_t rsp)
{
    int32_t mode = new->flags & ~(int32_t)SS_AUTODISARM;

    if (altstack_is_busy(t, rsp)) {
        return -EPERM;
    }
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) {
        return -EINVAL;
    }
    if (mode != SS_DISABLE && new->size_bytes < MIN_BYTES) {
        return -ENOMEM;
    }
    t->alt = *new;
    t->alt.reserved = 0;
    if (mode == SS_DISABLE) {
        t->alt.sp = 0;
        t->alt.size_bytes = 0;
    }
    return 0;
}
