/* SPDX-License-Identifier: GPL-2.0-or-later */
/* prctl.c - what a program may want of its process and threads */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <string.h>
#include "guest-libc/sys/thread.h"

#define SLACK_NS 50000u /* what a thread has if it asks for none */

static long set_name(uint64_t user_name)
{
    char name[THREAD_NAME_BYTES];
    long ret;

    memset(name, 0, sizeof(name));
    ret = strncpy_from_user(name, user_name, sizeof(name));
    if (ret == -EFAULT) {
        return ret;
    }
    name[sizeof(name) - 1] = '\0';
    lib_lock();
    ret = report_rename(thread_tid(), name);
    lib_unlock();
    return ret;
}

static long get_name(uint64_t user_to)
{
    char name[THREAD_NAME_BYTES];

    lib_lock();
    memcpy(name, thread_self()->name, sizeof(name));
    lib_unlock();
    return copy_to_user(user_to, name, sizeof(name));
}

static long put_word(uint64_t user_to, uint32_t value)
{
    return copy_to_user(user_to, &value, sizeof(value));
}

static bool any(uint64_t a, uint64_t b, uint64_t c)
{
    return a | b | c;
}

/* Of a thread. */
/* @linux prctl PR_SET_NAME PR_GET_NAME
 * @test guest/programs/identity.c "a thread's name, cut"
 * @linux prctl PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS
 * @test guest/programs/identity.c "no new privileges, for ever"
 * @linux prctl PR_SET_TIMERSLACK PR_GET_TIMERSLACK - kept, no timer uses it
 * @test guest/programs/identity.c "timers' slack is kept"
 * @linux prctl PR_GET_TID_ADDRESS
 * @test guest/programs/identity.c "where the thread's number is cleared"
 * @linux prctl PR_GET_TSC PR_SET_TSC - it can be read, always
 * @test guest/programs/identity.c "the time stamp counter can be read" */
static long of_thread(const uint64_t arg[5])
{
    struct thread *t = thread_self();

    switch (arg[0]) {
    case PR_SET_NAME:
        return set_name(arg[1]);
    case PR_GET_NAME:
        return get_name(arg[1]);
    case PR_SET_NO_NEW_PRIVS:
        if (arg[1] != 1 || any(arg[2], arg[3], arg[4])) {
            return -EINVAL;
        }
        t->no_new_privs = true;
        return 0;
    case PR_GET_NO_NEW_PRIVS:
        return arg[1] || any(arg[2], arg[3], arg[4]) ? -EINVAL
                                                     : t->no_new_privs;
    case PR_SET_TIMERSLACK:
        t->slack_ns = (int64_t)arg[1] > 0 ? arg[1] : 0;
        return 0;
    case PR_GET_TIMERSLACK:
        return t->slack_ns ? t->slack_ns : SLACK_NS;
    case PR_GET_TID_ADDRESS:
        return copy_to_user(arg[1], &t->clear_child_tid,
                            sizeof(t->clear_child_tid));
    case PR_GET_TSC:
        return put_word(arg[1], PR_TSC_ENABLE);
    case PR_SET_TSC:
        return arg[1] == PR_TSC_ENABLE ? 0 : -EINVAL;
    default:
        return -ENOSYS;
    }
}

/* Of the process. */
/* @linux prctl PR_SET_PDEATHSIG PR_GET_PDEATHSIG - the parent is the host,
 * which does not die before the guest
 * @test guest/programs/identity.c "the parent's death is not news"
 * @test guest/programs/sigqueue.c "PR_GET_PDEATHSIG says what was set"
 * @linux prctl PR_SET_DUMPABLE PR_GET_DUMPABLE - kept, nobody writes a core
 * @test guest/programs/identity.c "not dumpable as somebody else"
 * @linux prctl PR_SET_CHILD_SUBREAPER PR_GET_CHILD_SUBREAPER - kept
 * @test guest/programs/identity.c "kept until it is set again"
 * @linux prctl PR_SET_THP_DISABLE PR_GET_THP_DISABLE - kept, there are none
 * @test guest/programs/identity.c "kept until it is set again"
 * @linux prctl PR_GET_SECCOMP
 * @test guest/programs/identity.c "no filter of calls"
 * @linux prctl PR_GET_TIMING PR_SET_TIMING
 * @test guest/programs/identity.c "time is accounted as ever" */
static long of_process(const uint64_t arg[5])
{
    switch (arg[0]) {
    case PR_SET_PDEATHSIG:
        if (arg[1] > SIGNAL_COUNT) {
            return -EINVAL;
        }
        process.parent_signal = arg[1];
        return 0;
    case PR_GET_PDEATHSIG:
        return put_word(arg[1], process.parent_signal);
    case PR_SET_DUMPABLE:
        if (arg[1] > 1) {
            return -EINVAL;
        }
        process.dumpable = arg[1];
        return 0;
    case PR_GET_DUMPABLE:
        return process.dumpable;
    case PR_SET_CHILD_SUBREAPER:
        process.subreaper = arg[1];
        return 0;
    case PR_GET_CHILD_SUBREAPER:
        return put_word(arg[1], process.subreaper);
    case PR_SET_THP_DISABLE:
        if (any(arg[2], arg[3], arg[4])) {
            return -EINVAL;
        }
        process.no_huge_pages = arg[1];
        return 0;
    case PR_GET_THP_DISABLE:
        return arg[1] || any(arg[2], arg[3], arg[4]) ? -EINVAL
                                                     : process.no_huge_pages;
    case PR_GET_SECCOMP:
        return 0;
    case PR_GET_TIMING:
        return PR_TIMING_STATISTICAL;
    case PR_SET_TIMING:
        return arg[1] == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
    default:
        return -ENOSYS;
    }
}

/* @linux call prctl - the options are listed below
 * @test guest/programs/identity.c "no such option: EINVAL" */
static long prctl_call(struct sys_args *args)
{
    uint64_t arg[5] = { (uint32_t)args->arg[0], args->arg[1], args->arg[2],
                        args->arg[3], args->arg[4] };
    long ret = of_thread(arg);

    if (ret == -ENOSYS) {
        ret = of_process(arg);
    }
    if (ret == -ENOSYS) {
        ret = creds_prctl(arg);
    }
    return ret == -ENOSYS ? -EINVAL : ret;
}

const struct sys_entry prctl_calls[] = {
    { __NR_prctl, "prctl", prctl_call },
    { 0, NULL, NULL },
};
