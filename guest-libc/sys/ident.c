/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ident.c - who and where the program is: root, alone, on a small machine
 *
 * There are no users in a guest and one process in an address space, so most
 * answers are constants.  What asks for something else than it has is refused
 * rather than believed.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>
#include <string.h>
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/timespec.h"

#define OPEN_FILES_MAX  16384u
#define STACK_MAX_BYTES (8u << 20)
#define SIGPENDING_MAX  4096u
#define RANDOM_CHUNK    256u

/* The parent is the host, which does not die before the guest. */
static int32_t parent_death_signal;
static uint32_t file_mask = 022; /* umask(); lock */

static long ident_zero(struct sys_args *args)
{
    (void)args;
    return 0;
}

static long ident_pid(struct sys_args *args)
{
    (void)args;
    return FIRST_TID;
}

static long ident_ppid(struct sys_args *args)
{
    (void)args;
    return 1;
}

static long ident_pid_of(struct sys_args *args)
{
    return args->arg[0] == 0 || args->arg[0] == FIRST_TID ? FIRST_TID : -ESRCH;
}

/* Becoming what one is already succeeds; there is nobody else to become. */
static long ident_set_id(struct sys_args *args)
{
    return (uint32_t)args->arg[0] == 0 ? 0 : -EINVAL;
}

static long ident_set_pair(struct sys_args *args)
{
    uint32_t a = args->arg[0], b = args->arg[1];

    return (a == 0 || a == UINT32_MAX) && (b == 0 || b == UINT32_MAX) ? 0
                                                                      : -EINVAL;
}

static long ident_get_triple(struct sys_args *args)
{
    int i;

    for (i = 0; i < 3; i++) {
        if (clear_user(args->arg[i], sizeof(uint32_t))) {
            return -EFAULT;
        }
    }
    return 0;
}

static void put_field(char *field, const char *text)
{
    size_t len = strlen(text);

    if (len > __NEW_UTS_LEN) {
        len = __NEW_UTS_LEN;
    }
    memcpy(field, text, len);
}

static long ident_uname(struct sys_args *args)
{
    struct new_utsname name;

    memset(&name, 0, sizeof(name));
    put_field(name.sysname, "Linux");
    put_field(name.nodename, boot_hostname());
    put_field(name.release, LINUX_RELEASE);
    put_field(name.version, LINUX_VERSION);
    put_field(name.machine, "x86_64");
    put_field(name.domainname, "(none)");
    return copy_to_user(args->arg[0], &name, sizeof(name));
}

static long ident_prctl(struct sys_args *args)
{
    char name[THREAD_NAME_BYTES];
    long ret;

    switch (args->arg[0]) {
    case PR_SET_NAME:
        memset(name, 0, sizeof(name));
        ret = strncpy_from_user(name, args->arg[1], sizeof(name));
        if (ret == -EFAULT) {
            return ret;
        }
        name[sizeof(name) - 1] = '\0';
        lib_lock();
        ret = report_rename(thread_tid(), name);
        lib_unlock();
        return ret;
    case PR_GET_NAME:
        lib_lock();
        memcpy(name, thread_self()->name, sizeof(name));
        lib_unlock();
        return copy_to_user(args->arg[1], name, sizeof(name));
    /* @linux prctl PR_SET_PDEATHSIG PR_GET_PDEATHSIG
     * @test guest/programs/sigqueue.c "PR_GET_PDEATHSIG says what was set" */
    case PR_SET_PDEATHSIG:
        if (args->arg[1] > SIGNAL_COUNT) {
            return -EINVAL;
        }
        parent_death_signal = args->arg[1];
        return 0;
    case PR_GET_PDEATHSIG:
        return copy_to_user(args->arg[1], &parent_death_signal,
                            sizeof(parent_death_signal));
    case PR_GET_DUMPABLE:
        return 1;
    case PR_SET_DUMPABLE:
    case PR_SET_THP_DISABLE:
    case PR_SET_NO_NEW_PRIVS:
        return 0;
    default:
        return -EINVAL;
    }
}

struct limit {
    uint64_t now;
    uint64_t max;
};

/* Signals that wait, see sigqueue.c: each takes some 72 bytes. Lock. */
static struct limit sigpending = { SIGPENDING_MAX, SIGPENDING_MAX };

/**
 * limit_sigpending - how many signals may wait
 *
 * Return: RLIMIT_SIGPENDING of the process.
 * Context: lock held.
 */
uint64_t limit_sigpending(void)
{
    return sigpending.now;
}

static long limit_get(uint32_t resource, struct limit *ret_limit)
{
    if (resource >= RLIM_NLIMITS) {
        return -EINVAL;
    }
    *ret_limit = (struct limit){ RLIM64_INFINITY, RLIM64_INFINITY };
    if (resource == RLIMIT_SIGPENDING) {
        *ret_limit = sigpending;
    } else if (resource == RLIMIT_NOFILE) {
        *ret_limit = (struct limit){ OPEN_FILES_MAX, OPEN_FILES_MAX };
    } else if (resource == RLIMIT_STACK) {
        ret_limit->now = STACK_MAX_BYTES;
    } else if (resource == RLIMIT_CORE) {
        *ret_limit = (struct limit){ 0, 0 };
    }
    return 0;
}

static long limit_set(uint32_t resource, uint64_t user_limit)
{
    struct limit now, want;
    long ret = limit_get(resource, &now);

    if (ret) {
        return ret;
    }
    if (copy_from_user(&want, user_limit, sizeof(want))) {
        return -EFAULT;
    }
    if (want.now > want.max) {
        return -EINVAL;
    }
    if (want.now > now.max || want.max > now.max) {
        return -EPERM;
    }
    if (resource == RLIMIT_SIGPENDING) {
        lib_lock();
        sigpending = want;
        lib_unlock();
    }
    return 0;
}

static long ident_getrlimit(struct sys_args *args)
{
    struct limit limit;
    long ret = limit_get(args->arg[0], &limit);

    return ret ? ret : copy_to_user(args->arg[1], &limit, sizeof(limit));
}

static long ident_setrlimit(struct sys_args *args)
{
    return limit_set(args->arg[0], args->arg[1]);
}

/* prlimit64(pid, resource, new, old) */
static long ident_prlimit(struct sys_args *args)
{
    struct limit limit;
    long ret;

    if (args->arg[0] != 0 && args->arg[0] != FIRST_TID) {
        return -ESRCH;
    }
    ret = limit_get(args->arg[1], &limit);
    if (!ret && args->arg[2]) {
        ret = limit_set(args->arg[1], args->arg[2]);
    }
    if (!ret && args->arg[3]) {
        ret = copy_to_user(args->arg[3], &limit, sizeof(limit));
    }
    return ret;
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
    struct limit limit = { UINT64_MAX, UINT64_MAX };

    limit_get(resource, &limit);
    *ret_now = limit.now;
    *ret_max = limit.max;
}

static long ident_sysinfo(struct sys_args *args)
{
    struct sysinfo info;

    memset(&info, 0, sizeof(info));
    info.uptime = prim_now_ns() / NS_PER_SEC;
    info.totalram = boot_ram_bytes();
    info.freeram = prim_query(SYS_QUERY_FREE_BYTES);
    info.procs = 1;
    info.mem_unit = 1;
    return copy_to_user(args->arg[0], &info, sizeof(info));
}

/* getrandom(buf, length, flags) */
static long ident_getrandom(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1];
    uint64_t done = 0;
    uint8_t chunk[RANDOM_CHUNK];
    size_t n;

    if (len_bytes > INT32_MAX) {
        len_bytes = INT32_MAX;
    }
    while (done < len_bytes) {
        n = len_bytes - done < sizeof(chunk) ? len_bytes - done : sizeof(chunk);
        prim_random(chunk, n);
        if (copy_to_user(args->arg[0] + done, chunk, n)) {
            return done ? (long)done : -EFAULT;
        }
        done += n;
    }
    return done;
}

static long ident_umask(struct sys_args *args)
{
    uint32_t old;

    lib_lock();
    old = file_mask;
    file_mask = args->arg[0] & 0777;
    lib_unlock();
    return old;
}

/* fork() and execve() need more than one address space: refused, quietly. */
static long ident_enosys(struct sys_args *args)
{
    (void)args;
    return -ENOSYS;
}

/* Nobody is nicer than another; the call's 20 is nice 0. */
static long ident_priority(struct sys_args *args)
{
    (void)args;
    return 20;
}

static long ident_no_child(struct sys_args *args)
{
    (void)args;
    return -ECHILD;
}

const struct sys_entry ident_calls[] = {
    { __NR_getpid, "getpid", ident_pid },
    { __NR_getppid, "getppid", ident_ppid },
    { __NR_getpgrp, "getpgrp", ident_pid },
    { __NR_getpgid, "getpgid", ident_pid_of },
    { __NR_getsid, "getsid", ident_pid_of },
    { __NR_setsid, "setsid", ident_pid },
    { __NR_setpgid, "setpgid", ident_zero },
    { __NR_getuid, "getuid", ident_zero },
    { __NR_geteuid, "geteuid", ident_zero },
    { __NR_getgid, "getgid", ident_zero },
    { __NR_getegid, "getegid", ident_zero },
    { __NR_setuid, "setuid", ident_set_id },
    { __NR_setgid, "setgid", ident_set_id },
    { __NR_setreuid, "setreuid", ident_set_pair },
    { __NR_setregid, "setregid", ident_set_pair },
    { __NR_setresuid, "setresuid", ident_set_pair },
    { __NR_setresgid, "setresgid", ident_set_pair },
    { __NR_getresuid, "getresuid", ident_get_triple },
    { __NR_getresgid, "getresgid", ident_get_triple },
    { __NR_getgroups, "getgroups", ident_zero },
    { __NR_setgroups, "setgroups", ident_zero },
    { __NR_getpriority, "getpriority", ident_priority },
    { __NR_setpriority, "setpriority", ident_zero },
    { __NR_uname, "uname", ident_uname },
    { __NR_prctl, "prctl", ident_prctl },
    { __NR_getrlimit, "getrlimit", ident_getrlimit },
    { __NR_setrlimit, "setrlimit", ident_setrlimit },
    { __NR_prlimit64, "prlimit64", ident_prlimit },
    { __NR_sysinfo, "sysinfo", ident_sysinfo },
    { __NR_getrandom, "getrandom", ident_getrandom },
    { __NR_umask, "umask", ident_umask },
    { __NR_fork, "fork", ident_enosys },
    { __NR_vfork, "vfork", ident_enosys },
    { __NR_execve, "execve", ident_enosys },
    { __NR_wait4, "wait4", ident_no_child },
    { 0, NULL, NULL },
};
