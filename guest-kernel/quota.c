/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quota.c - what each process may take of the memory
 *
 * Half of the memory is promised, to each process the same part of it; the
 * other half is for who comes first.  A process alone has all.  What counts is
 * what it makes the kernel take: pages, tables, areas and threads.  The number
 * of threads that there can be is divided among them.
 *
 *  Q1  kept_bytes is the sum of what processes were promised and have not
 *      taken
 */
#include "kernel.h"

#define PROMISED_PART 2u /* a half */

static uint64_t kept_bytes;
static uint64_t promise_bytes; /* to each process */
static uint32_t threads_max;   /* of each process */

static uint64_t not_taken(const struct quota *quota)
{
    return quota->used_bytes < promise_bytes ? promise_bytes - quota->used_bytes
                                             : 0;
}

/**
 * quota_init - promise each process its part
 * @n_processes: how many there will be
 */
void quota_init(uint32_t n_processes)
{
    if (n_processes > 1) {
        promise_bytes = pmem_free_bytes() / PROMISED_PART / n_processes;
    }
    kept_bytes = promise_bytes * n_processes;
    threads_max =
        (KSTACK_SLOTS - 1) / n_processes; /* one is the idle thread's */
}

/**
 * quota_threads - how many threads a process may have
 *
 * Return: the number, the same for each.
 */
uint32_t quota_threads(void)
{
    return threads_max;
}

/**
 * quota_end - a process is gone, and what it was promised is for all
 * @quota: of the process
 */
void quota_end(struct quota *quota)
{
    kept_bytes -= not_taken(quota);
}

/**
 * quota_room - what a process can still take
 * @quota: of the process
 *
 * Return: bytes.
 */
uint64_t quota_room(const struct quota *quota)
{
    uint64_t of_others = kept_bytes - not_taken(quota);
    uint64_t free_bytes = pmem_free_bytes();

    return free_bytes > of_others ? free_bytes - of_others : 0;
}

/**
 * quota_add - a process has taken memory, or given it back
 * @quota: of the process
 * @bytes: how much; less than 0: given back
 */
void quota_add(struct quota *quota, int64_t bytes)
{
    kept_bytes -= not_taken(quota);
    quota->used_bytes += (uint64_t)bytes;
    kept_bytes += not_taken(quota);
}

/**
 * quota_take - take memory for a process
 * @quota: of the process
 * @bytes: how much
 *
 * Return: false if it may not have that.
 */
bool quota_take(struct quota *quota, uint64_t bytes)
{
    if (quota_room(quota) < bytes) {
        return false;
    }
    quota_add(quota, (int64_t)bytes);
    return true;
}
