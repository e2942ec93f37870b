/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ending.c - the end of the process
 *
 * Theory of operation
 *
 * Whatever ends a program (exit_group(), the last thread's exit(), a signal)
 * comes here, in the thread that it happens to: the ender.  What Linux does for
 * a process that has ended, the library does before the process is gone:
 *
 *  1. All other threads leave (process_stop_threads).  They are told as by a
 *     signal: one that sleeps wakes, its call unwinds and gives back what it
 *     holds; one that runs the program is forced into an upcall.  At the door
 *     to the program each finds that there is an ender, and leaves for good.
 *  2. posix_exit() closes what is open and sees to it that what was written
 *     arrives.  The library's own threads go on meanwhile, so the network
 *     lives, over checkpoints and recoveries like any other time.
 *  3. prim_exit() tells the status.  It goes by the hold, behind all frames.
 *
 * The first ender counts; a second one is a thread like the others.  Signals
 * find nobody.
 */
#include "guest-libc/sys/thread.h"

/**
 * process_stop_threads - no other thread of the program runs any more
 *
 * The program's last words are out when it returns.
 *
 * Context: lock held; released while it waits.  Returns to the ender only; any
 * other thread leaves.
 */
void process_stop_threads(void)
{
    struct thread *self = thread_self();
    struct thread *t;

    if (process.ender == self) {
        return;
    }
    if (process.ender) {
        lib_unlock();
        thread_leave();
    }
    process.ender = self;
    for (t = process.threads; t; t = t->next) {
        if (t != self) {
            thread_kick(t);
        }
    }
    while (process.n_threads > 1) {
        lib_wait(&process.ender_word, process.ender_word, SYS_FOREVER);
    }
    /* Whatever wanted this thread to look: it does not return. */
    __atomic_store_n(&self->ublock.pending, 0, __ATOMIC_RELAXED);
    posix_flush();
}

/**
 * process_end - end the process
 * @status: as CKPT_NIC_EXIT
 *
 * Context: lock held; does not return.
 */
_Noreturn void process_end(uint32_t status)
{
    process_stop_threads();
    posix_exit(status);
    prim_exit(status);
}
