/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * creds.c - user and group ids of the program's threads
 *
 * A guest's program begins as root.  Ids decide nothing here by themselves:
 * what a thread may is in its capabilities (capability.c), which it loses as on
 * Linux when it becomes somebody else.  As on Linux ids are a thread's own, and
 * C libraries make all threads change them.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include "guest-libc/sys/thread.h"

#define NO_ID UINT32_MAX

/* What goes with the user id for file access. */
#define FILE_CAPABILITIES                                                      \
    (1ull << CAP_CHOWN | 1ull << CAP_MKNOD | 1ull << CAP_DAC_OVERRIDE |        \
     1ull << CAP_DAC_READ_SEARCH | 1ull << CAP_FOWNER | 1ull << CAP_FSETID |   \
     1ull << CAP_LINUX_IMMUTABLE | 1ull << CAP_MAC_OVERRIDE)

static struct creds *self(void)
{
    return &thread_self()->creds;
}

static size_t groups_bytes(uint32_t count)
{
    return sizeof(struct groups) + count * sizeof(uint32_t);
}

/**
 * creds_drop - a thread ends
 * @creds: its own
 *
 * Context: lock held.
 */
void creds_drop(struct creds *creds)
{
    struct groups *groups = creds->groups;

    creds->groups = NULL;
    if (groups && --groups->refs == 0) {
        lib_pages_free(groups, groups_bytes(groups->count));
    }
}

/**
 * creds_copy - a thread is made
 * @to: its own
 * @from: its maker's
 *
 * Context: lock held.
 */
void creds_copy(struct creds *to, const struct creds *from)
{
    *to = *from;
    if (to->groups) {
        to->groups->refs++;
    }
}

/* What the change of user ids makes of the capabilities. */
static void adjust_capabilities(struct creds *c, const struct ids *old)
{
    bool was_root = !old->real || !old->effective || !old->saved;
    bool is_root = !c->user.real || !c->user.effective || !c->user.saved;

    if (c->secure_bits & SECBIT_NO_SETUID_FIXUP) {
        return;
    }
    if (was_root && !is_root) {
        if (!(c->secure_bits & SECBIT_KEEP_CAPS)) {
            c->permitted = c->usable = 0;
        }
        c->ambient = 0;
    }
    if (!old->effective && c->user.effective) {
        c->usable = 0;
    } else if (old->effective && !c->user.effective) {
        c->usable = c->permitted;
    }
}

static bool same_ids(const struct ids *a, const struct ids *b)
{
    return a->effective == b->effective && a->files == b->files;
}

/* Who changes into somebody else is no longer to be looked into. */
static void store(struct ids *ids, const struct ids *new)
{
    if (!same_ids(ids, new)) {
        process.dumpable = false;
    }
    *ids = *new;
}

static long store_user(const struct ids *new)
{
    struct creds *c = self();
    struct ids old;

    lib_lock();
    old = c->user;
    store(&c->user, new);
    adjust_capabilities(c, &old);
    lib_unlock();
    return 0;
}

static long store_group(const struct ids *new)
{
    lib_lock();
    store(&self()->group, new);
    lib_unlock();
    return 0;
}

/* setuid() and setgid() */
static long set_one(struct ids *ids, uint32_t id, bool may)
{
    if (id == NO_ID) {
        return -EINVAL;
    }
    if (may) {
        ids->real = ids->saved = id;
    } else if (id != ids->real && id != ids->saved) {
        return -EPERM;
    }
    ids->effective = ids->files = id;
    return 0;
}

/* setreuid() and setregid() */
static long set_pair(struct ids *ids, uint32_t real, uint32_t effective,
                     bool may)
{
    struct ids old = *ids;

    if (real != NO_ID) {
        if (!may && real != old.real && real != old.effective) {
            return -EPERM;
        }
        ids->real = real;
    }
    if (effective != NO_ID) {
        if (!may && effective != old.real && effective != old.effective &&
            effective != old.saved) {
            return -EPERM;
        }
        ids->effective = effective;
    }
    if (real != NO_ID || (effective != NO_ID && effective != old.real)) {
        ids->saved = ids->effective;
    }
    ids->files = ids->effective;
    return 0;
}

static bool is_any_of(const struct ids *ids, uint32_t id)
{
    return id == ids->real || id == ids->effective || id == ids->saved;
}

/* setresuid() and setresgid() */
static long set_triple(struct ids *ids, const uint64_t *arg, bool may)
{
    uint32_t *to[3] = { &ids->real, &ids->effective, &ids->saved };
    struct ids old = *ids;
    int i;

    for (i = 0; i < 3; i++) {
        if ((uint32_t)arg[i] == NO_ID) {
            continue;
        }
        if (!may && !is_any_of(&old, arg[i])) {
            return -EPERM;
        }
        *to[i] = arg[i];
    }
    ids->files = ids->effective;
    return 0;
}

/* @linux call setuid setgid setreuid setregid setresuid setresgid
 * @test guest/programs/identity.c "who gave root up does not get it back"
 * @test guest/programs/identity.c "one of three" */
static long creds_setuid(struct sys_args *args)
{
    struct ids ids = self()->user;
    long ret = set_one(&ids, args->arg[0], creds_may(CAP_SETUID));

    return ret ? ret : store_user(&ids);
}

static long creds_setgid(struct sys_args *args)
{
    struct ids ids = self()->group;
    long ret = set_one(&ids, args->arg[0], creds_may(CAP_SETGID));

    return ret ? ret : store_group(&ids);
}

static long creds_setreuid(struct sys_args *args)
{
    struct ids ids = self()->user;
    long ret =
        set_pair(&ids, args->arg[0], args->arg[1], creds_may(CAP_SETUID));

    return ret ? ret : store_user(&ids);
}

static long creds_setregid(struct sys_args *args)
{
    struct ids ids = self()->group;
    long ret =
        set_pair(&ids, args->arg[0], args->arg[1], creds_may(CAP_SETGID));

    return ret ? ret : store_group(&ids);
}

static long creds_setresuid(struct sys_args *args)
{
    struct ids ids = self()->user;
    long ret = set_triple(&ids, args->arg, creds_may(CAP_SETUID));

    return ret ? ret : store_user(&ids);
}

static long creds_setresgid(struct sys_args *args)
{
    struct ids ids = self()->group;
    long ret = set_triple(&ids, args->arg, creds_may(CAP_SETGID));

    return ret ? ret : store_group(&ids);
}

static long get_triple(const struct ids *ids, const uint64_t *user_to)
{
    if (copy_to_user(user_to[0], &ids->real, sizeof(uint32_t)) ||
        copy_to_user(user_to[1], &ids->effective, sizeof(uint32_t)) ||
        copy_to_user(user_to[2], &ids->saved, sizeof(uint32_t))) {
        return -EFAULT;
    }
    return 0;
}

/* @linux call getresuid getresgid getuid geteuid getgid getegid
 * @test guest/programs/identity.c "all three user ids" */
static long creds_getresuid(struct sys_args *args)
{
    return get_triple(&self()->user, args->arg);
}

static long creds_getresgid(struct sys_args *args)
{
    return get_triple(&self()->group, args->arg);
}

static long creds_getuid(struct sys_args *args)
{
    (void)args;
    return self()->user.real;
}

static long creds_geteuid(struct sys_args *args)
{
    (void)args;
    return self()->user.effective;
}

static long creds_getgid(struct sys_args *args)
{
    (void)args;
    return self()->group.real;
}

static long creds_getegid(struct sys_args *args)
{
    (void)args;
    return self()->group.effective;
}

/* @linux call setfsuid setfsgid
 * @test guest/programs/identity.c "setfsuid() tells the one before" */
static long creds_setfsuid(struct sys_args *args)
{
    struct creds *c = self();
    uint32_t id = args->arg[0], old = c->user.files;
    struct ids ids = c->user;

    if (id != NO_ID && id != old &&
        (is_any_of(&ids, id) || creds_may(CAP_SETUID))) {
        ids.files = id;
        lib_lock();
        store(&c->user, &ids);
        if (!old && !(c->secure_bits & SECBIT_NO_SETUID_FIXUP)) {
            c->usable &= ~FILE_CAPABILITIES;
        } else if (!id && !(c->secure_bits & SECBIT_NO_SETUID_FIXUP)) {
            c->usable |= c->permitted & FILE_CAPABILITIES;
        }
        lib_unlock();
    }
    return old;
}

static long creds_setfsgid(struct sys_args *args)
{
    struct ids ids = self()->group;
    uint32_t id = args->arg[0], old = ids.files;

    if (id != NO_ID && (is_any_of(&ids, id) || creds_may(CAP_SETGID))) {
        ids.files = id;
        store_group(&ids);
    }
    return old;
}

/* -- further groups ------------------------------------------------------------ */

/* Few, or sorted already: as a rule. */
static void sort(uint32_t *id, uint32_t count)
{
    uint32_t i, j, gap, one;

    for (gap = count / 2; gap; gap /= 2) {
        for (i = gap; i < count; i++) {
            one = id[i];
            for (j = i; j >= gap && id[j - gap] > one; j -= gap) {
                id[j] = id[j - gap];
            }
            id[j] = one;
        }
    }
}

static long groups_read(uint64_t user_from, uint32_t count,
                        struct groups **ret_groups)
{
    struct groups *groups = NULL;
    uint32_t i;

    if (count) {
        groups = lib_pages(groups_bytes(count));
        if (!groups) {
            return -ENOMEM;
        }
        groups->refs = 1;
        groups->count = count;
        if (copy_from_user(groups->id, user_from, count * sizeof(uint32_t))) {
            lib_pages_free(groups, groups_bytes(count));
            return -EFAULT;
        }
        for (i = 0; i < count; i++) {
            if (groups->id[i] == NO_ID) {
                lib_pages_free(groups, groups_bytes(count));
                return -EINVAL;
            }
        }
        sort(groups->id, count);
    }
    *ret_groups = groups;
    return 0;
}

/* @linux call setgroups getgroups
 * @test guest/programs/identity.c "groups come back, sorted" */
static long creds_setgroups(struct sys_args *args)
{
    struct groups *groups;
    uint32_t count = args->arg[0];
    long ret;

    if (!creds_may(CAP_SETGID)) {
        return -EPERM;
    }
    if (count > GROUPS_MAX) {
        return -EINVAL;
    }
    ret = groups_read(args->arg[1], count, &groups);
    if (!ret) {
        lib_lock();
        creds_drop(self());
        self()->groups = groups;
        lib_unlock();
    }
    return ret;
}

static long creds_getgroups(struct sys_args *args)
{
    const struct groups *groups = self()->groups;
    int32_t room = args->arg[0];
    uint32_t count = groups ? groups->count : 0;

    if (room < 0 || (room && (uint32_t)room < count)) {
        return -EINVAL;
    }
    if (room && count &&
        copy_to_user(args->arg[1], groups->id, count * sizeof(uint32_t))) {
        return -EFAULT;
    }
    return count;
}

const struct sys_entry creds_calls[] = {
    { __NR_getuid, "getuid", creds_getuid },
    { __NR_geteuid, "geteuid", creds_geteuid },
    { __NR_getgid, "getgid", creds_getgid },
    { __NR_getegid, "getegid", creds_getegid },
    { __NR_setuid, "setuid", creds_setuid },
    { __NR_setgid, "setgid", creds_setgid },
    { __NR_setreuid, "setreuid", creds_setreuid },
    { __NR_setregid, "setregid", creds_setregid },
    { __NR_setresuid, "setresuid", creds_setresuid },
    { __NR_setresgid, "setresgid", creds_setresgid },
    { __NR_getresuid, "getresuid", creds_getresuid },
    { __NR_getresgid, "getresgid", creds_getresgid },
    { __NR_setfsuid, "setfsuid", creds_setfsuid },
    { __NR_setfsgid, "setfsgid", creds_setfsgid },
    { __NR_getgroups, "getgroups", creds_getgroups },
    { __NR_setgroups, "setgroups", creds_setgroups },
    { 0, NULL, NULL },
};
