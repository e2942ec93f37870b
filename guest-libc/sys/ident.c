/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ident.c - where the program is: alone, on a small machine
 *
 * There is one process in an address space, so most answers are constants.
 * Users and groups are in creds.c.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/random.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>
#include <string.h>
#include "guest-libc/sys/thread.h"
#include "guest-libc/sys/timespec.h"

#define RANDOM_CHUNK 256u

static uint32_t file_mask = 022;             /* umask(); lock */
static uint32_t personality BULKY;           /* lock */
static char domain[__NEW_UTS_LEN + 1] BULKY; /* lock */
static bool domain_set BULKY;                /* lock */

static long ident_zero(struct sys_args *args)
{
    (void)args;
    return 0;
}

/* @linux call getpid getppid
 * @test guest/programs/identity.c "the process is its first thread"
 * @linux call getpgrp getpgid getsid setsid setpgid - the one process leads
 * its group and session; who makes it do so is told yes
 * @test guest/programs/identity.c "it leads its group"
 * @test guest/programs/identity.c "in a session" */
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

static void put_field(char *field, const char *text)
{
    size_t len = strlen(text);

    if (len > __NEW_UTS_LEN) {
        len = __NEW_UTS_LEN;
    }
    memcpy(field, text, len);
}

/* @linux call uname - it names itself 6.1.0-sluice
 * @test unit/libc-sys/test-ident.c "/libc-sys/ident/names" */
static long ident_uname(struct sys_args *args)
{
    struct new_utsname name;

    memset(&name, 0, sizeof(name));
    put_field(name.sysname, "Linux");
    put_field(name.nodename, boot_hostname());
    put_field(name.release, LINUX_RELEASE);
    put_field(name.version, LINUX_VERSION);
    put_field(name.machine, "x86_64");
    put_field(name.domainname, domain_set ? domain : "(none)");
    return copy_to_user(args->arg[0], &name, sizeof(name));
}

/* Who may: a name of the caller's, not ended by a NUL. */
static long read_name(const struct sys_args *args, char *name)
{
    int32_t len = args->arg[1];

    if (!creds_may(CAP_SYS_ADMIN)) {
        return -EPERM;
    }
    if (len < 0 || len > __NEW_UTS_LEN) {
        return -EINVAL;
    }
    memset(name, 0, __NEW_UTS_LEN + 1);
    return copy_from_user(name, args->arg[0], len);
}

/* @linux call sethostname setdomainname
 * @test unit/libc-sys/test-ident.c "/libc-sys/ident/names"
 * @test guest/programs/identity.c "a name too long: EINVAL" */
static long ident_sethostname(struct sys_args *args)
{
    char name[__NEW_UTS_LEN + 1];
    long ret = read_name(args, name);

    if (!ret) {
        lib_lock();
        boot_set_hostname(name);
        lib_unlock();
    }
    return ret;
}

static long ident_setdomainname(struct sys_args *args)
{
    char name[__NEW_UTS_LEN + 1];
    long ret = read_name(args, name);

    if (!ret) {
        lib_lock();
        memcpy(domain, name, sizeof(domain));
        domain_set = true;
        lib_unlock();
    }
    return ret;
}

/* @linux call personality - kept
 * @test guest/programs/identity.c "a personality is kept" */
static long ident_personality(struct sys_args *args)
{
    uint32_t old;

    lib_lock();
    old = personality;
    if ((uint32_t)args->arg[0] != UINT32_MAX) {
        personality = args->arg[0];
    }
    lib_unlock();
    return old;
}

/* @linux call sysinfo - no loads, one process
 * @test guest/programs/identity.c "the machine has memory" */
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
/* @linux call getrandom
 * @test guest/programs/identity.c "random bytes of an unknown kind" */
static long ident_getrandom(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1], flags = args->arg[2];
    uint64_t done = 0;
    uint8_t chunk[RANDOM_CHUNK];
    size_t n;

    if (flags & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
        (flags & (GRND_RANDOM | GRND_INSECURE)) ==
            (GRND_RANDOM | GRND_INSECURE)) {
        return -EINVAL;
    }
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

/**
 * ident_report - what else there is to tell of the process
 * @ret_report: its parts of it are filled in
 *
 * Context: lock held.
 */
void ident_report(struct process_report *ret_report)
{
    ret_report->umask = file_mask;
    ret_report->personality = personality;
    ret_report->domain = domain_set ? domain : "(none)";
}

/* @linux call umask
 * @test guest/programs/identity.c "so is the mask" */
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
/* @linux call fork vfork execve - not served: ENOSYS
 * @linux call wait4 - not served: there are no children, ECHILD */
static long ident_enosys(struct sys_args *args)
{
    (void)args;
    return -ENOSYS;
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
    { __NR_uname, "uname", ident_uname },
    { __NR_sethostname, "sethostname", ident_sethostname },
    { __NR_setdomainname, "setdomainname", ident_setdomainname },
    { __NR_personality, "personality", ident_personality },
    { __NR_sysinfo, "sysinfo", ident_sysinfo },
    { __NR_getrandom, "getrandom", ident_getrandom },
    { __NR_umask, "umask", ident_umask },
    { __NR_fork, "fork", ident_enosys },
    { __NR_vfork, "vfork", ident_enosys },
    { __NR_execve, "execve", ident_enosys },
    { __NR_wait4, "wait4", ident_no_child },
    { 0, NULL, NULL },
};
