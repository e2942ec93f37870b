/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rlimit.c - limits of the process, and what it has used
 *
 * What a limit bounds asks for it: descriptors (posix/fd.c), memory
 * (memory.c), threads (thread.c).  The others are kept and told.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/times.h>
#include <string.h>
#include "guest-libc/sys/clock.h"

#define OPEN_FILES     16384u
#define OPEN_FILES_MAX 65536u /* FD_MAX, what Linux calls nr_open */
#define STACK_BYTES    (8u << 20)
#define SIGNALS        4096u
#define LOCKED_BYTES   (8u << 20)
#define QUEUE_BYTES    819200u
#define NS_PER_US      1000ull
#define NS_PER_TICK    10000000ull /* times() counts 100 a second */
#define AREAS          SYS_AREAS_MAX

struct limit {
    uint64_t now;
    uint64_t max;
};

#define NONE                                                                   \
    {                                                                          \
        RLIM64_INFINITY, RLIM64_INFINITY                                       \
    }

static const struct limit first_limits[RLIM_NLIMITS] = {
    [RLIMIT_CPU] = NONE,
    [RLIMIT_FSIZE] = NONE,
    [RLIMIT_DATA] = NONE,
    [RLIMIT_STACK] = { STACK_BYTES, RLIM64_INFINITY },
    [RLIMIT_CORE] = { 0, 0 },
    [RLIMIT_RSS] = NONE,
    [RLIMIT_NPROC] = NONE,
    [RLIMIT_NOFILE] = { OPEN_FILES, OPEN_FILES },
    [RLIMIT_MEMLOCK] = { LOCKED_BYTES, LOCKED_BYTES },
    [RLIMIT_AS] = NONE,
    [RLIMIT_LOCKS] = NONE,
    [RLIMIT_SIGPENDING] = { SIGNALS, SIGNALS },
    [RLIMIT_MSGQUEUE] = { QUEUE_BYTES, QUEUE_BYTES },
    [RLIMIT_NICE] = { 0, 0 },
    [RLIMIT_RTPRIO] = { 0, 0 },
    [RLIMIT_RTTIME] = NONE,
};

static struct limit limits[RLIM_NLIMITS] BULKY; /* lock */
static uint64_t resident_most BULKY; /* bytes, of those looked at; lock */

/**
 * limit_boot - the limits that the program begins with
 *
 * Context: boot.
 */
void limit_boot(void)
{
    memcpy(limits, first_limits, sizeof(limits));
}

/**
 * limit_now - a limit that counts now
 * @resource: RLIMIT_*
 *
 * Return: the limit, RLIM64_INFINITY: none.
 * Context: lock held.
 */
uint64_t limit_now(uint32_t resource)
{
    return limits[resource].now;
}

/**
 * limit_files - RLIMIT_NOFILE
 *
 * Return: numbers of descriptors are below it.
 * Context: lock held.
 */
uint32_t limit_files(void)
{
    return limits[RLIMIT_NOFILE].now;
}

/**
 * limit_sigpending - how many signals may wait
 *
 * Return: RLIMIT_SIGPENDING of the process.
 * Context: lock held.
 */
uint64_t limit_sigpending(void)
{
    return limits[RLIMIT_SIGPENDING].now;
}

/**
 * report_limit - a limit of the process
 * @resource: RLIMIT_*
 * @ret_now: what counts, UINT64_MAX: none
 * @ret_max: how far it may be raised
 *
 * Context: any.
 */
void report_limit(uint32_t resource, uint64_t *ret_now, uint64_t *ret_max)
{
    *ret_now = limits[resource].now;
    *ret_max = limits[resource].max;
}

static long limit_set_locked(uint32_t resource, const struct limit *want)
{
    struct limit *limit = &limits[resource];

    if (want->now > want->max) {
        return -EINVAL;
    }
    if (resource == RLIMIT_NOFILE && want->max > OPEN_FILES_MAX) {
        return -EPERM;
    }
    if (want->max > limit->max && !creds_may(CAP_SYS_RESOURCE)) {
        return -EPERM;
    }
    *limit = *want;
    return 0;
}

/* Set, if @user_new, and tell what was before, if @user_old. */
static long limit_change(uint32_t resource, uint64_t user_new,
                         uint64_t user_old)
{
    struct limit new, old;
    long ret = 0;

    if (user_new && copy_from_user(&new, user_new, sizeof(new))) {
        return -EFAULT;
    }
    if (resource >= RLIM_NLIMITS) {
        return -EINVAL;
    }
    lib_lock();
    old = limits[resource];
    if (user_new) {
        ret = limit_set_locked(resource, &new);
    }
    lib_unlock();
    if (!ret && user_old) {
        ret = copy_to_user(user_old, &old, sizeof(old));
    }
    return ret;
}

/* @linux call getrlimit setrlimit prlimit64 - kept all; of use are
 * RLIMIT_NOFILE, AS, DATA and NPROC, and RLIMIT_STACK tells the stack's size
 * @test guest/programs/limits.c "the first descriptor too many: EMFILE"
 * @test guest/programs/limits.c "limits are kept" */
static long rlimit_get(struct sys_args *args)
{
    return args->arg[1] ? limit_change(args->arg[0], 0, args->arg[1])
           : args->arg[0] < RLIM_NLIMITS ? -EFAULT
                                         : -EINVAL;
}

static long rlimit_set(struct sys_args *args)
{
    return args->arg[1] ? limit_change(args->arg[0], args->arg[1], 0) : -EFAULT;
}

/* prlimit64(pid, resource, new, old) */
static long rlimit_prlimit(struct sys_args *args)
{
    bool found = true;

    if (args->arg[0]) {
        lib_lock();
        found = thread_find_locked(args->arg[0]);
        lib_unlock();
    }
    return found ? limit_change(args->arg[1], args->arg[2], args->arg[3])
                 : -ESRCH;
}

/* -- what was used ------------------------------------------------------------- */

/* Bytes mapped and touched, of the program alone. */
static void areas_sum(uint64_t *ret_mapped, uint64_t *ret_writable,
                      uint64_t *ret_resident)
{
    struct sys_area areas[AREAS];
    uint64_t from = 0;
    long n, i;

    *ret_mapped = *ret_writable = *ret_resident = 0;
    while ((n = prim_areas(from, areas, AREAS)) > 0) {
        for (i = 0; i < n && areas[i].start < USER_END; i++) {
            *ret_mapped += areas[i].end - areas[i].start;
            *ret_resident += areas[i].resident_bytes;
            if (areas[i].prot & SYS_PROT_WRITE) {
                *ret_writable += areas[i].end - areas[i].start;
            }
        }
        if (i < n) {
            break;
        }
        from = areas[n - 1].end;
    }
}

/**
 * limit_memory - may the program map so much more?
 * @more_bytes: of address space
 * @writable: and write to it
 *
 * Return: 0, -ENOMEM.
 * Context: any.
 */
long limit_memory(uint64_t more_bytes, bool writable)
{
    uint64_t space = limits[RLIMIT_AS].now, data = limits[RLIMIT_DATA].now;
    uint64_t mapped, written, resident;

    if (space == RLIM64_INFINITY && data == RLIM64_INFINITY) {
        return 0;
    }
    areas_sum(&mapped, &written, &resident);
    if (mapped + more_bytes > space ||
        (writable && written + more_bytes > data)) {
        return -ENOMEM;
    }
    return 0;
}

static uint64_t resident_kib(void)
{
    uint64_t mapped, writable, resident, most;

    areas_sum(&mapped, &writable, &resident);
    lib_lock();
    if (resident > resident_most) {
        resident_most = resident;
    }
    most = resident_most;
    lib_unlock();
    return most >> 10;
}

/*
 * @linux call getrusage - all time is the user's; ru_maxrss is the most that
 * was seen when it was asked for; nothing else is counted
 * @test guest/programs/limits.c "memory touched is resident"
 */
static long rlimit_getrusage(struct sys_args *args)
{
    struct rusage usage;
    int32_t who = args->arg[0];
    uint64_t ns;

    if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD) {
        return -EINVAL;
    }
    memset(&usage, 0, sizeof(usage));
    if (who != RUSAGE_CHILDREN) {
        ns = clock_now(CLOCK_BASE_CPU, who == RUSAGE_THREAD ? thread_tid() : 0);
        usage.ru_utime.tv_sec = ns / NS_PER_SEC;
        usage.ru_utime.tv_usec = ns % NS_PER_SEC / NS_PER_US;
        usage.ru_maxrss = resident_kib();
    }
    return copy_to_user(args->arg[1], &usage, sizeof(usage));
}

/* @linux call times - all time is the user's
 * @test guest/programs/limits.c "times() counts" */
static long rlimit_times(struct sys_args *args)
{
    struct tms tms = { 0 };

    tms.tms_utime = clock_now(CLOCK_BASE_CPU, 0) / NS_PER_TICK;
    if (args->arg[0] && copy_to_user(args->arg[0], &tms, sizeof(tms))) {
        return -EFAULT;
    }
    return prim_now_ns() / NS_PER_TICK;
}

const struct sys_entry rlimit_calls[] = {
    { __NR_getrlimit, "getrlimit", rlimit_get },
    { __NR_setrlimit, "setrlimit", rlimit_set },
    { __NR_prlimit64, "prlimit64", rlimit_prlimit },
    { __NR_getrusage, "getrusage", rlimit_getrusage },
    { __NR_times, "times", rlimit_times },
    { 0, NULL, NULL },
};
