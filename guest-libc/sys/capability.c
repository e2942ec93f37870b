/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capability.c - what the program's threads may
 *
 * The library asks creds_may() where Linux asks for a capability.  A program
 * that gives one up has given it up.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#include "guest-libc/sys/thread.h"

#define LAST     CAP_CHECKPOINT_RESTORE
#define ALL      ((2ull << LAST) - 1)
#define BIT(cap) (1ull << (cap))

/* As the call has them: the halves of three sets. */
struct cap_words {
    uint32_t usable, permitted, inheritable;
};

/**
 * creds_boot - the first thread's
 * @creds: filled in: root, who may everything
 *
 * Context: boot.
 */
void creds_boot(struct creds *creds)
{
    *creds = (struct creds){
        .permitted = ALL,
        .usable = ALL,
        .bounding = ALL,
    };
}

/**
 * creds_may - whether the calling thread has a capability
 * @capability: CAP_*
 *
 * Return: true if it has.
 * Context: any.
 */
bool creds_may(int capability)
{
    return thread_self()->creds.usable & BIT(capability);
}

/* How many words of 32 bits the caller has; 0 and its header is set right. */
static long header_read(uint64_t user_header, int *ret_words, int *ret_pid)
{
    struct __user_cap_header_struct header;

    if (copy_from_user(&header, user_header, sizeof(header))) {
        return -EFAULT;
    }
    *ret_pid = header.pid;
    switch (header.version) {
    case _LINUX_CAPABILITY_VERSION_1:
        *ret_words = 1;
        return 0;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3:
        *ret_words = 2;
        return 0;
    }
    header.version = _LINUX_CAPABILITY_VERSION_3;
    return copy_to_user(user_header, &header.version, sizeof(header.version))
               ? -EFAULT
               : -EINVAL;
}

/* @linux call capget capset
 * @test guest/programs/identity.c "a capability given up is gone"
 * @test guest/programs/identity.c "capget: the version is told" */
static long capability_get(struct sys_args *args)
{
    struct cap_words words[2];
    struct thread *t;
    struct creds c;
    int n, i, pid;
    long ret = header_read(args->arg[0], &n, &pid);

    if (!args->arg[1] && (ret == -EINVAL || !ret)) {
        return 0; /* asked for the version only */
    }
    if (ret || pid < 0) {
        return ret ? ret : -EINVAL;
    }
    lib_lock();
    t = pid ? thread_find_locked(pid) : thread_self();
    if (t) {
        c = t->creds;
    }
    lib_unlock();
    if (!t) {
        return -ESRCH;
    }
    for (i = 0; i < n; i++) {
        words[i] = (struct cap_words){
            .usable = c.usable >> 32 * i,
            .permitted = c.permitted >> 32 * i,
            .inheritable = c.inheritable >> 32 * i,
        };
    }
    return copy_to_user(args->arg[1], words, n * sizeof(words[0]));
}

static bool within(uint64_t set, uint64_t of)
{
    return !(set & ~of);
}

static long set_all(uint64_t usable, uint64_t permitted, uint64_t inheritable)
{
    struct creds *c = &thread_self()->creds;

    if (!creds_may(CAP_SETPCAP) &&
        !within(inheritable, c->inheritable | c->permitted)) {
        return -EPERM;
    }
    if (!within(inheritable, c->inheritable | c->bounding) ||
        !within(permitted, c->permitted) || !within(usable, permitted)) {
        return -EPERM;
    }
    c->usable = usable;
    c->permitted = permitted;
    c->inheritable = inheritable;
    c->ambient &= permitted & inheritable;
    return 0;
}

static long capability_set(struct sys_args *args)
{
    struct cap_words words[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
    int n, pid;
    long ret = header_read(args->arg[0], &n, &pid);

    if (ret) {
        return ret;
    }
    if (pid && pid != thread_tid()) {
        return -EPERM;
    }
    if (copy_from_user(words, args->arg[1], n * sizeof(words[0]))) {
        return -EFAULT;
    }
    return set_all(
        (words[0].usable | (uint64_t)words[1].usable << 32) & ALL,
        (words[0].permitted | (uint64_t)words[1].permitted << 32) & ALL,
        (words[0].inheritable | (uint64_t)words[1].inheritable << 32) & ALL);
}

static long ambient(struct creds *c, const uint64_t arg[5])
{
    if (arg[1] == PR_CAP_AMBIENT_CLEAR_ALL) {
        if (arg[2] | arg[3] | arg[4]) {
            return -EINVAL;
        }
        c->ambient = 0;
        return 0;
    }
    if (arg[3] | arg[4] || arg[2] > LAST) {
        return -EINVAL;
    }
    switch (arg[1]) {
    case PR_CAP_AMBIENT_IS_SET:
        return !!(c->ambient & BIT(arg[2]));
    case PR_CAP_AMBIENT_RAISE:
        if (!(c->permitted & c->inheritable & BIT(arg[2])) ||
            (c->secure_bits & SECBIT_NO_CAP_AMBIENT_RAISE)) {
            return -EPERM;
        }
        c->ambient |= BIT(arg[2]);
        return 0;
    case PR_CAP_AMBIENT_LOWER:
        c->ambient &= ~BIT(arg[2]);
        return 0;
    default:
        return -EINVAL;
    }
}

/* A locked bit stays as it is, locks included. */
static long secure_bits(struct creds *c, uint64_t bits)
{
    uint32_t locked = (c->secure_bits & SECURE_ALL_LOCKS) >> 1;

    if ((locked & (c->secure_bits ^ bits)) ||
        (c->secure_bits & SECURE_ALL_LOCKS & ~bits) ||
        (bits & ~(uint64_t)(SECURE_ALL_LOCKS | SECURE_ALL_BITS)) ||
        !creds_may(CAP_SETPCAP)) {
        return -EPERM;
    }
    c->secure_bits = bits;
    return 0;
}

static long keep(struct creds *c, uint64_t on)
{
    if (on > 1) {
        return -EINVAL;
    }
    if (c->secure_bits & SECBIT_KEEP_CAPS_LOCKED) {
        return -EPERM;
    }
    c->secure_bits &= ~SECBIT_KEEP_CAPS;
    c->secure_bits |= on ? SECBIT_KEEP_CAPS : 0;
    return 0;
}

/**
 * creds_prctl - those options of prctl() that are about capabilities
 * @arg: of the call
 *
 * Return: what the call returns; -ENOSYS if the option is another one.
 * Context: any.
 */
/* @linux prctl PR_CAPBSET_READ PR_CAPBSET_DROP PR_CAP_AMBIENT
 * @test guest/programs/identity.c "what the bounding set lost"
 * @linux prctl PR_SET_KEEPCAPS PR_GET_KEEPCAPS
 * @test guest/programs/identity.c "capabilities are kept if asked for"
 * @linux prctl PR_SET_SECUREBITS PR_GET_SECUREBITS
 * @test guest/programs/identity.c "a locked bit stays" */
long creds_prctl(const uint64_t arg[5])
{
    struct creds *c = &thread_self()->creds;

    switch (arg[0]) {
    case PR_CAPBSET_READ:
        return arg[1] > LAST ? -EINVAL : !!(c->bounding & BIT(arg[1]));
    case PR_CAPBSET_DROP:
        if (!creds_may(CAP_SETPCAP)) {
            return -EPERM;
        }
        if (arg[1] > LAST) {
            return -EINVAL;
        }
        c->bounding &= ~BIT(arg[1]);
        return 0;
    case PR_GET_KEEPCAPS:
        return !!(c->secure_bits & SECBIT_KEEP_CAPS);
    case PR_SET_KEEPCAPS:
        return keep(c, arg[1]);
    case PR_GET_SECUREBITS:
        return c->secure_bits;
    case PR_SET_SECUREBITS:
        return secure_bits(c, arg[1]);
    case PR_CAP_AMBIENT:
        return ambient(c, arg);
    default:
        return -ENOSYS;
    }
}

const struct sys_entry capability_calls[] = {
    { __NR_capget, "capget", capability_get },
    { __NR_capset, "capset", capability_set },
    { 0, NULL, NULL },
};
