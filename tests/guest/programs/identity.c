/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity.c - who a program is, what it gives up, what prctl() keeps
 *
 * To be run as root, as a guest's programs are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "tap.h"

#define CAP_CHOWN            0
#define CAP_SETGID           6
#define CAP_SETUID           7
#define CAP_SETPCAP          8
#define CAP_SYS_PTRACE       19
#define CAP_LAST             40
#define VERSION_1            0x19980330
#define VERSION_3            0x20080522
#define SECURE_NOROOT        1
#define SECURE_NOROOT_LOCKED 2

static void *volatile bad_pointer = (void *)16;
#define BAD bad_pointer

static int fails(long ret, int error)
{
    return ret == -1 && errno == error;
}

/* By the calls themselves: of one thread, and nobody helps. */
static int ids(int which, int real, int effective, int saved)
{
    int r, e, s;

    if (syscall(which, &r, &e, &s)) {
        return 0;
    }
    return r == real && e == effective && s == saved;
}

struct caps {
    uint32_t usable, permitted, inheritable;
};

static uint64_t usable(void)
{
    uint32_t header[2] = { VERSION_3, 0 };
    struct caps caps[2];

    if (syscall(SYS_capget, header, caps)) {
        return -1;
    }
    return caps[0].usable | (uint64_t)caps[1].usable << 32;
}

static int has(int cap)
{
    return usable() >> cap & 1;
}

/* Run @test in a thread of its own: ids and capabilities are a thread's. */
static void *in_thread(void *arg)
{
    void (*test)(void) = *(void (**)(void))arg;

    test();
    return NULL;
}

static void apart(void (*test)(void))
{
    pthread_t thread;

    pthread_create(&thread, NULL, in_thread, &test);
    pthread_join(thread, NULL);
}

static void test_root(void)
{
    tap_ok(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0,
           "root");
    tap_ok(ids(SYS_getresuid, 0, 0, 0), "all three user ids");
    tap_ok(ids(SYS_getresgid, 0, 0, 0), "all three group ids");
    tap_ok(fails(syscall(SYS_setuid, -1), EINVAL) &&
               fails(syscall(SYS_setgid, -1), EINVAL),
           "nobody has the id -1");
    tap_ok(fails(syscall(SYS_getresuid, BAD, BAD, BAD), EFAULT), "to nowhere");
    tap_ok(syscall(SYS_setresuid, -1, -1, -1) == 0 &&
               syscall(SYS_setreuid, -1, -1) == 0 &&
               ids(SYS_getresuid, 0, 0, 0),
           "-1 changes nothing");
}

static void test_setuid(void)
{
    tap_ok(has(CAP_SETUID), "root may change");
    tap_ok(syscall(SYS_setgid, 1001) == 0 &&
               ids(SYS_getresgid, 1001, 1001, 1001),
           "another group");
    tap_ok(syscall(SYS_setuid, 1000) == 0 &&
               ids(SYS_getresuid, 1000, 1000, 1000),
           "another user");
    tap_ok(usable() == 0, "who is no longer root may nothing");
    tap_ok(fails(syscall(SYS_setuid, 0), EPERM) &&
               fails(syscall(SYS_setresuid, 0, -1, -1), EPERM) &&
               fails(syscall(SYS_setreuid, -1, 0), EPERM),
           "who gave root up does not get it back");
    tap_ok(fails(syscall(SYS_setgid, 0), EPERM) &&
               fails(syscall(SYS_setregid, 0, 0), EPERM) &&
               fails(syscall(SYS_setresgid, -1, -1, 0), EPERM),
           "nor its group");
    tap_ok(fails(syscall(SYS_setgroups, 0, NULL), EPERM), "nor groups");
    tap_ok(syscall(SYS_setuid, 1000) == 0 &&
               syscall(SYS_setreuid, 1000, 1000) == 0,
           "what one is already");
    tap_ok(fails(syscall(SYS_sethostname, "x", 1), EPERM) &&
               fails(syscall(SYS_setdomainname, "x", 1), EPERM),
           "names are root's");
    tap_ok(prctl(PR_GET_DUMPABLE) == 0, "not dumpable as somebody else");
}

static void test_switching(void)
{
    tap_ok(syscall(SYS_setresuid, 1000, 1001, 0) == 0 &&
               ids(SYS_getresuid, 1000, 1001, 0),
           "one of three");
    tap_ok(usable() == 0, "acting as somebody else");
    tap_ok(syscall(SYS_setresuid, -1, 0, -1) == 0 && has(CAP_SETUID),
           "and as root again");
    tap_ok(syscall(SYS_setresuid, 1000, 1001, 1002) == 0, "for good");
    tap_ok(syscall(SYS_setresuid, 1001, 1002, 1000) == 0 &&
               ids(SYS_getresuid, 1001, 1002, 1000),
           "each may be any of the three");
    tap_ok(fails(syscall(SYS_setresuid, 1001, 1003, 1000), EPERM) &&
               ids(SYS_getresuid, 1001, 1002, 1000),
           "but nobody else");
    tap_ok(syscall(SYS_setreuid, 1002, 1001) == 0 &&
               ids(SYS_getresuid, 1002, 1001, 1001),
           "exchanged, the saved id follows");
    tap_ok(syscall(SYS_setuid, 1002) == 0 &&
               ids(SYS_getresuid, 1002, 1002, 1001),
           "without root setuid() changes one");
}

static void test_files_id(void)
{
    uint64_t all = usable();

    tap_ok(setfsuid(1000) == 0, "setfsuid() tells the one before");
    tap_ok(setfsuid(-1) == 1000, "and changes nothing for -1");
    tap_ok((all & ~usable()) && !has(CAP_CHOWN) && has(CAP_SETUID),
           "files are no longer root's");
    tap_ok(setfsuid(0) == 1000 && usable() == all, "back again");
    tap_ok(setfsgid(1000) == 0 && setfsgid(0) == 1000, "of groups, too");
}

static void test_groups(void)
{
    gid_t set[] = { 30, 10, 20, 10 }, got[8];
    gid_t none[] = { 5, -1 };

    tap_ok(syscall(SYS_setgroups, 4, set) == 0 && getgroups(0, NULL) == 4 &&
               getgroups(8, got) == 4 && got[0] == 10 && got[1] == 10 &&
               got[2] == 20 && got[3] == 30,
           "groups come back, sorted");
    tap_ok(fails(getgroups(3, got), EINVAL) &&
               fails(syscall(SYS_getgroups, -1, got), EINVAL),
           "no room for them: EINVAL");
    tap_ok(fails(syscall(SYS_getgroups, 8, BAD), EFAULT) &&
               fails(syscall(SYS_setgroups, 2, BAD), EFAULT),
           "to nowhere");
    tap_ok(fails(syscall(SYS_setgroups, 65537, set), EINVAL) &&
               fails(syscall(SYS_setgroups, 2, none), EINVAL),
           "too many, or none such");
    tap_ok(getgroups(8, got) == 4, "they stay");
    tap_ok(syscall(SYS_setgroups, 0, NULL) == 0 && getgroups(8, got) == 0,
           "none");
}

static void test_capabilities(void)
{
    uint32_t header[2] = { VERSION_3, 0 };
    struct caps caps[2], more[2];

    tap_ok(syscall(SYS_capget, header, caps) == 0, "capget");
    memcpy(more, caps, sizeof(more));
    caps[0].usable &= ~(1u << CAP_SETUID);
    tap_ok(syscall(SYS_capset, header, caps) == 0 && !has(CAP_SETUID),
           "one put away");
    tap_ok(fails(syscall(SYS_setuid, 1000), EPERM), "is missed");
    tap_ok(syscall(SYS_capset, header, more) == 0 && has(CAP_SETUID),
           "and taken out again");
    caps[0].permitted = caps[0].usable;
    tap_ok(syscall(SYS_capset, header, caps) == 0 &&
               fails(syscall(SYS_capset, header, more), EPERM),
           "a capability given up is gone");
    caps[0].usable |= 1u << CAP_SETUID;
    tap_ok(fails(syscall(SYS_capset, header, caps), EPERM),
           "usable is what is permitted");
    header[1] = 0x3ffffff;
    tap_ok(fails(syscall(SYS_capget, header, caps), ESRCH) &&
               fails(syscall(SYS_capset, header, caps), EPERM),
           "of no thread");
    header[1] = 0;
    header[0] = 7;
    tap_ok(syscall(SYS_capget, header, NULL) == 0 && header[0] == VERSION_3,
           "capget: the version is told");
    header[0] = 7;
    tap_ok(fails(syscall(SYS_capget, header, caps), EINVAL) &&
               header[0] == VERSION_3,
           "and only known ones are used");
    tap_ok(fails(syscall(SYS_capget, BAD, caps), EFAULT) &&
               fails(syscall(SYS_capget, header, BAD), EFAULT),
           "to nowhere");
    header[0] = VERSION_1;
    tap_ok(syscall(SYS_capget, header, caps) == 0, "the first version");
}

static void test_sets(void)
{
    tap_ok(prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE) == 1 &&
               prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE) == 0 &&
               prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE) == 0,
           "what the bounding set lost");
    tap_ok(fails(prctl(PR_CAPBSET_READ, CAP_LAST + 1), EINVAL) &&
               fails(prctl(PR_CAPBSET_DROP, CAP_LAST + 1), EINVAL),
           "no such capability");
    tap_ok(prctl(PR_CAP_AMBIENT, 1, CAP_CHOWN, 0, 0) == 0 &&
               fails(prctl(PR_CAP_AMBIENT, 2, CAP_CHOWN, 0, 0), EPERM) &&
               prctl(PR_CAP_AMBIENT, 4, 0, 0, 0) == 0 &&
               fails(prctl(PR_CAP_AMBIENT, 9, 0, 0, 0), EINVAL),
           "ambient ones");
    tap_ok(prctl(PR_SET_SECUREBITS, SECURE_NOROOT | SECURE_NOROOT_LOCKED) ==
                   0 &&
               prctl(PR_GET_SECUREBITS) == 3 &&
               fails(prctl(PR_SET_SECUREBITS, 0), EPERM),
           "a locked bit stays");
    tap_ok(fails(prctl(PR_SET_KEEPCAPS, 2), EINVAL) &&
               prctl(PR_SET_KEEPCAPS, 1) == 0 && prctl(PR_GET_KEEPCAPS) == 1,
           "capabilities are kept");
    syscall(SYS_setuid, 1000);
    tap_ok(usable() == 0 && prctl(PR_CAPBSET_READ, 0) == 1, "not in use");
    {
        uint32_t header[2] = { VERSION_3, 0 };
        struct caps caps[2];

        syscall(SYS_capget, header, caps);
        tap_ok(caps[0].permitted >> CAP_SETUID & 1,
               "capabilities are kept if asked for");
        caps[0].usable = 1u << CAP_SETUID;
        caps[1].usable = 0;
        tap_ok(syscall(SYS_capset, header, caps) == 0 &&
                   syscall(SYS_setuid, 1001) == 0 &&
                   ids(SYS_getresuid, 1001, 1001, 1001),
               "and can be used");
    }
}

static void test_thread_options(void)
{
    char name[17] = "", long_name[] = "a name of a thread that is too long";
    uint64_t where = 0, before = 0;
    int word = 0;

    tap_ok(prctl(PR_SET_NAME, long_name) == 0 &&
               prctl(PR_GET_NAME, name) == 0 &&
               !strcmp(name, "a name of a thr"),
           "a thread's name, cut");
    tap_ok(fails(prctl(PR_SET_NAME, BAD), EFAULT) &&
               fails(prctl(PR_GET_NAME, BAD), EFAULT),
           "from nowhere");
    tap_ok(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 &&
               fails(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL) &&
               fails(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL) &&
               prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
           "no new privileges, for ever");
    tap_ok(prctl(PR_SET_TIMERSLACK, 1234) == 0 &&
               prctl(PR_GET_TIMERSLACK) == 1234,
           "timers' slack is kept");
    tap_ok(prctl(PR_GET_TSC, &word) == 0 && word == PR_TSC_ENABLE &&
               fails(prctl(PR_SET_TSC, 7), EINVAL),
           "the time stamp counter can be read");
    prctl(PR_GET_TID_ADDRESS, &before);
    syscall(SYS_set_tid_address, &word);
    tap_ok(fails(prctl(PR_GET_TID_ADDRESS, BAD), EFAULT) &&
               prctl(PR_GET_TID_ADDRESS, &where) == 0 &&
               where == (uint64_t)&word,
           "where the thread's number is cleared");
    syscall(SYS_set_tid_address, before);
}

static void test_process_options(void)
{
    int word = -1;

    tap_ok(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 &&
               prctl(PR_GET_PDEATHSIG, &word) == 0 && word == SIGUSR1 &&
               fails(prctl(PR_SET_PDEATHSIG, 65), EINVAL) &&
               fails(prctl(PR_GET_PDEATHSIG, BAD), EFAULT) &&
               prctl(PR_SET_PDEATHSIG, 0) == 0,
           "the parent's death is not news");
    tap_ok(prctl(PR_GET_DUMPABLE) == 1 && prctl(PR_SET_DUMPABLE, 0) == 0 &&
               prctl(PR_GET_DUMPABLE) == 0 &&
               fails(prctl(PR_SET_DUMPABLE, 2), EINVAL) &&
               prctl(PR_SET_DUMPABLE, 1) == 0,
           "dumpable or not");
    tap_ok(prctl(PR_SET_CHILD_SUBREAPER, 5) == 0 &&
               prctl(PR_GET_CHILD_SUBREAPER, &word) == 0 && word == 1 &&
               prctl(PR_SET_CHILD_SUBREAPER, 0) == 0 &&
               prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 &&
               prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1 &&
               prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0 &&
               prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0,
           "kept until it is set again");
    tap_ok(prctl(PR_GET_SECCOMP) == 0, "no filter of calls");
    tap_ok(prctl(PR_GET_TIMING) == 0 && prctl(PR_SET_TIMING, 0) == 0 &&
               fails(prctl(PR_SET_TIMING, 1), EINVAL),
           "time is accounted as ever");
    tap_ok(fails(prctl(0x7fff), EINVAL), "no such option: EINVAL");
    tap_ok(fails(syscall(SYS_sethostname, "x", -1), EINVAL) &&
               fails(syscall(SYS_sethostname, "x", 65), EINVAL) &&
               fails(syscall(SYS_setdomainname, "x", 65), EINVAL) &&
               fails(syscall(SYS_sethostname, BAD, 5), EFAULT),
           "a name too long: EINVAL");
    tap_ok(personality(-1) == 0 && personality(ADDR_NO_RANDOMIZE) == 0 &&
               personality(-1) == ADDR_NO_RANDOMIZE &&
               personality(0) == ADDR_NO_RANDOMIZE,
           "a personality is kept");
    umask(027);
    tap_ok(umask(0777022) == 027 && umask(022) == 022, "so is the mask");
    tap_ok(fails(syscall(SYS_getrandom, &word, 4, 8), EINVAL) &&
               fails(syscall(SYS_getrandom, &word, 4, 6), EINVAL),
           "random bytes of an unknown kind");
}

static void test_numbers(void)
{
    struct sysinfo info;

    tap_ok(getpid() == syscall(SYS_gettid) && getppid() > 0,
           "the process is its first thread");
    tap_ok(setpgid(0, 0) == 0 && getpgrp() == getpid() &&
               getpgid(0) == getpid() && getpgid(getpid()) == getpid() &&
               fails(getpgid(0x3ffffff), ESRCH),
           "it leads its group");
    tap_ok(getsid(0) > 0 && getsid(getpid()) == getsid(0) &&
               fails(getsid(0x3ffffff), ESRCH),
           "in a session");
    tap_ok(sysinfo(&info) == 0 && info.totalram > 0 && info.freeram > 0 &&
               info.procs > 0 && fails(syscall(SYS_sysinfo, BAD), EFAULT),
           "the machine has memory");
}

int main(void)
{
    test_numbers();
    test_process_options();
    apart(test_root);
    apart(test_thread_options);
    apart(test_groups);
    apart(test_files_id);
    apart(test_capabilities);
    apart(test_switching);
    apart(test_sets);
    apart(test_setuid);
    tap_ok(getuid() == 0 && has(CAP_SETUID), "other threads are still root");
    if (setgid(1001) == 0 && setuid(1000) == 0) {
        tap_ok(getuid() == 1000 && fails(setuid(0), EPERM),
               "the C library changes all of them");
    }
    return tap_done();
}
