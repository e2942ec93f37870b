/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sched.c - who runs when: what a program asks for is kept and told
 *
 * There is one CPU, and the kernel below gives its threads slices of equal
 * length.  Policies, priorities and nice values change nothing, but what asks
 * for one that is not there, or that it may not have, is refused as on Linux.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <string.h>
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/timespec.h"

#define PRIORITY_MAX 99
#define NICE_LEAST   (-20)
#define NICE_MOST    19
#define SLICE_NS     100000000u /* of SCHED_RR, as Linux says */
#define ATTR_BYTES_0 48u        /* of the first struct sched_attr */

/* 0: the caller. Lock held. */
static struct thread *find(uint64_t tid)
{
    return tid ? thread_find_locked(tid) : thread_self();
}

static bool policy_is_real(int32_t policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool policy_known(int32_t policy)
{
    return policy_is_real(policy) || policy == SCHED_NORMAL ||
           policy == SCHED_BATCH || policy == SCHED_IDLE;
}

/* @linux call sched_yield sched_getaffinity sched_setaffinity
 * @test guest/programs/limits.c "a CPU that is not there: EINVAL"
 * @linux call getcpu
 * @test guest/programs/limits.c "which CPU" */
static long sched_sys_yield(struct sys_args *args)
{
    (void)args;
    prim_yield();
    return 0;
}

static long sched_sys_getaffinity(struct sys_args *args)
{
    uint64_t one_cpu = 1;
    uint32_t len_bytes = args->arg[1];
    bool found;

    if (!len_bytes || len_bytes % sizeof(one_cpu)) {
        return -EINVAL;
    }
    lib_lock();
    found = find(args->arg[0]);
    lib_unlock();
    if (!found) {
        return -ESRCH;
    }
    return copy_to_user(args->arg[2], &one_cpu, sizeof(one_cpu))
               ? -EFAULT
               : (long)sizeof(one_cpu);
}

static long sched_sys_setaffinity(struct sys_args *args)
{
    uint32_t len_bytes = args->arg[1];
    uint64_t mask = 0;
    bool found;

    if (len_bytes > sizeof(mask)) {
        len_bytes = sizeof(mask);
    }
    if (copy_from_user(&mask, args->arg[2], len_bytes)) {
        return -EFAULT;
    }
    lib_lock();
    found = find(args->arg[0]);
    lib_unlock();
    if (!found) {
        return -ESRCH;
    }
    return mask & 1 ? 0 : -EINVAL;
}

static long sched_sys_getcpu(struct sys_args *args)
{
    if (args->arg[0] && clear_user(args->arg[0], sizeof(uint32_t))) {
        return -EFAULT;
    }
    return args->arg[1] ? clear_user(args->arg[1], sizeof(uint32_t)) : 0;
}

/* -- policies ------------------------------------------------------------------ */

/* A thread's own to lower; more needs CAP_SYS_NICE, or the limit allows it. */
static long policy_set(uint64_t tid, int32_t policy, int32_t priority)
{
    bool reset = policy >= 0 && (policy & SCHED_RESET_ON_FORK);
    struct thread *t;
    long ret = 0;

    policy &= ~(reset ? SCHED_RESET_ON_FORK : 0);
    if (!policy_known(policy) || priority < 0 || priority > PRIORITY_MAX ||
        policy_is_real(policy) != (priority != 0)) {
        return -EINVAL;
    }
    lib_lock();
    t = find(tid);
    if (!t) {
        ret = -ESRCH;
    } else if (policy_is_real(policy) && !creds_may(CAP_SYS_NICE) &&
               (uint64_t)priority > limit_now(RLIMIT_RTPRIO) &&
               priority > t->sched_priority) {
        ret = -EPERM;
    } else {
        t->sched_policy = policy;
        t->sched_priority = priority;
        t->sched_reset = reset;
    }
    lib_unlock();
    return ret;
}

/* Policy of a thread and its priority, or -ESRCH. */
static long policy_get(uint64_t tid, int32_t *ret_priority)
{
    struct thread *t;
    long ret = -ESRCH;

    if ((int32_t)tid < 0) {
        return -EINVAL;
    }
    lib_lock();
    t = find(tid);
    if (t) {
        *ret_priority = t->sched_priority;
        ret = t->sched_policy | (t->sched_reset ? SCHED_RESET_ON_FORK : 0);
    }
    lib_unlock();
    return ret;
}

/* sched_setscheduler(tid, policy, param) */
/* @linux call sched_setscheduler sched_getscheduler sched_setparam
 * sched_getparam - kept; all threads run alike
 * @test guest/programs/limits.c "a priority is of a real-time policy" */
static long sched_sys_setscheduler(struct sys_args *args)
{
    int32_t priority;

    if (!args->arg[2] || (int32_t)args->arg[0] < 0 ||
        (int32_t)args->arg[1] < 0) {
        return -EINVAL;
    }
    if (copy_from_user(&priority, args->arg[2], sizeof(priority))) {
        return -EFAULT;
    }
    return policy_set(args->arg[0], args->arg[1], priority);
}

static long sched_sys_getscheduler(struct sys_args *args)
{
    int32_t priority;

    return policy_get(args->arg[0], &priority);
}

static long sched_sys_setparam(struct sys_args *args)
{
    int32_t priority, before;
    long policy;

    if (!args->arg[1] || (int32_t)args->arg[0] < 0) {
        return -EINVAL;
    }
    if (copy_from_user(&priority, args->arg[1], sizeof(priority))) {
        return -EFAULT;
    }
    policy = policy_get(args->arg[0], &before);
    return policy < 0 ? policy : policy_set(args->arg[0], policy, priority);
}

static long sched_sys_getparam(struct sys_args *args)
{
    int32_t priority;
    long policy = args->arg[1] ? policy_get(args->arg[0], &priority) : -EINVAL;

    if (policy < 0) {
        return policy;
    }
    return copy_to_user(args->arg[1], &priority, sizeof(priority));
}

/* @linux call sched_get_priority_max sched_get_priority_min
 * sched_rr_get_interval
 * @test guest/programs/limits.c "priorities of each policy" */
static long sched_sys_priority_max(struct sys_args *args)
{
    if (policy_is_real(args->arg[0])) {
        return PRIORITY_MAX;
    }
    return policy_known(args->arg[0]) || args->arg[0] == SCHED_DEADLINE
               ? 0
               : -EINVAL;
}

static long sched_sys_priority_min(struct sys_args *args)
{
    long most = sched_sys_priority_max(args);

    return most > 0 ? 1 : most;
}

static long sched_sys_interval(struct sys_args *args)
{
    int32_t priority;
    long policy = policy_get(args->arg[0], &priority);

    if (policy < 0) {
        return policy;
    }
    return timespec_to_user(args->arg[1], policy == SCHED_FIFO ? 0 : SLICE_NS);
}

/* sched_getattr(tid, attr, bytes, flags) */
/* @linux call sched_getattr - policy, nice value and priority
 * @test guest/programs/limits.c "all attributes at once" */
static long sched_sys_getattr(struct sys_args *args)
{
    uint32_t room = args->arg[2];
    struct sched_attr attr;
    struct thread *t;

    if (!args->arg[1] || (int32_t)args->arg[0] < 0 || room < ATTR_BYTES_0 ||
        room > 4096 || args->arg[3]) {
        return -EINVAL;
    }
    memset(&attr, 0, sizeof(attr));
    attr.size = room < sizeof(attr) ? room : sizeof(attr);
    lib_lock();
    t = find(args->arg[0]);
    if (t) {
        attr.sched_policy = t->sched_policy;
        attr.sched_priority = t->sched_priority;
        attr.sched_nice = policy_is_real(t->sched_policy) ? 0 : t->nice;
        attr.sched_flags = t->sched_reset ? SCHED_FLAG_RESET_ON_FORK : 0;
    }
    lib_unlock();
    return t ? copy_to_user(args->arg[1], &attr, attr.size) : -ESRCH;
}

/* -- nice values --------------------------------------------------------------- */

/* Whom the call is about: one thread, or all of them. Lock held. */
static long nice_of(uint32_t which, uint32_t who, struct thread **ret_thread,
                    bool *ret_all)
{
    *ret_all = which != PRIO_PROCESS;
    *ret_thread = process.threads;
    switch (which) {
    case PRIO_PROCESS:
        *ret_thread = find(who);
        return *ret_thread ? 0 : -ESRCH;
    case PRIO_PGRP:
        return who == 0 || who == FIRST_TID ? 0 : -ESRCH;
    case PRIO_USER:
        return who == 0 || who == thread_self()->creds.user.real ? 0 : -ESRCH;
    default:
        return -EINVAL;
    }
}

/* @linux call getpriority setpriority - kept; all threads run alike
 * @test guest/programs/limits.c "nice values are kept" */
static long sched_sys_getpriority(struct sys_args *args)
{
    struct thread *t;
    int least = NICE_MOST;
    bool all;
    long ret;

    lib_lock();
    ret = nice_of(args->arg[0], args->arg[1], &t, &all);
    for (; !ret && t; t = all ? t->next : NULL) {
        least = t->nice < least ? t->nice : least;
    }
    lib_unlock();
    return ret ? ret : 20 - least;
}

static long sched_sys_setpriority(struct sys_args *args)
{
    int32_t nice = args->arg[2];
    struct thread *t;
    bool all;
    long ret;

    nice = nice < NICE_LEAST ? NICE_LEAST : nice > NICE_MOST ? NICE_MOST : nice;
    lib_lock();
    ret = nice_of(args->arg[0], args->arg[1], &t, &all);
    for (; ret != -EINVAL && ret != -ESRCH && t; t = all ? t->next : NULL) {
        if (nice < t->nice && !creds_may(CAP_SYS_NICE) &&
            20 - nice > (int64_t)limit_now(RLIMIT_NICE)) {
            ret = -EACCES;
        } else {
            t->nice = nice;
        }
    }
    lib_unlock();
    return ret;
}

const struct sys_entry sched_calls[] = {
    { __NR_sched_yield, "sched_yield", sched_sys_yield },
    { __NR_sched_getaffinity, "sched_getaffinity", sched_sys_getaffinity },
    { __NR_sched_setaffinity, "sched_setaffinity", sched_sys_setaffinity },
    { __NR_sched_getparam, "sched_getparam", sched_sys_getparam },
    { __NR_sched_setparam, "sched_setparam", sched_sys_setparam },
    { __NR_sched_getscheduler, "sched_getscheduler", sched_sys_getscheduler },
    { __NR_sched_setscheduler, "sched_setscheduler", sched_sys_setscheduler },
    { __NR_sched_get_priority_max, "sched_get_priority_max",
      sched_sys_priority_max },
    { __NR_sched_get_priority_min, "sched_get_priority_min",
      sched_sys_priority_min },
    { __NR_sched_rr_get_interval, "sched_rr_get_interval", sched_sys_interval },
    { __NR_sched_getattr, "sched_getattr", sched_sys_getattr },
    { __NR_getpriority, "getpriority", sched_sys_getpriority },
    { __NR_setpriority, "setpriority", sched_sys_setpriority },
    { __NR_getcpu, "getcpu", sched_sys_getcpu },
    { 0, NULL, NULL },
};
