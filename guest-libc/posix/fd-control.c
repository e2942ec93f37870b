/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fd-control.c - fcntl() and those requests of ioctl() that every file has */
#include <limits.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/ifreq.h"
#include "guest-libc/posix/locks.h"
#include "guest-libc/posix/tree-file.h"

#define LINUX_O_ASYNC     020000
#define FCNTL_GETOWN_EX   16u
#define FCNTL_SETOWN_EX   15u
#define FCNTL_SETSIG      10u
#define FCNTL_GETSIG      11u
#define FCNTL_GETLEASE    1025u
#define FCNTL_SIGNAL_MAX  64u
#define FCNTL_OWNER_KINDS 3u /* thread, process, group */
#define FCNTL_BLOCK_BYTES 4096u

/* Regular files and directories tell nobody, so that they take the flag. */
static bool can_tell(const struct file *file)
{
    return !file->ops->in_tree;
}

/* @linux fcntl F_GETFL F_SETFL - O_ASYNC is EINVAL where it would do something
 * @test guest/programs/paths.c "F_GETFL tells those that stay"
 * @test guest/programs/file-locks.c "F_SETFL changes some flags only" */
static long set_flags(struct file *file, uint32_t flags)
{
    const uint32_t settable = O_NONBLOCK | O_APPEND | LINUX_O_NOATIME;

    if ((flags & LINUX_O_DIRECT) ||
        ((flags & LINUX_O_ASYNC) && can_tell(file))) {
        return -EINVAL;
    }
    file->flags = (file->flags & ~settable) | (flags & settable);
    return 0;
}

static bool is_owner(int32_t pid)
{
    struct process_report process;

    report_process(&process);
    return pid == 0 || pid == process.pid || pid == -process.pid;
}

/* @linux fcntl F_SETOWN F_GETOWN F_SETSIG F_GETSIG F_SETOWN_EX F_GETOWN_EX -
 *             kept, and nothing is ever sent
 * @test guest/programs/file-locks.c "owners and signals are kept" */
static long set_owner(struct file *file, int32_t pid)
{
    if (pid == INT_MIN) {
        return -EINVAL;
    }
    if (!is_owner(pid)) {
        return -ESRCH;
    }
    file->owner = pid;
    file->owner_kind = pid < 0 ? FCNTL_OWNER_KINDS - 1 : 1;
    return 0;
}

struct owner { /* struct f_owner_ex */
    int32_t kind, pid;
};

static long set_owner_ex(struct file *file, uint64_t user_owner)
{
    struct thread_report thread;
    struct owner owner;
    bool known;

    if (copy_from_user(&owner, user_owner, sizeof(owner))) {
        return -EFAULT;
    }
    if (owner.kind < 0 || owner.kind >= (int32_t)FCNTL_OWNER_KINDS) {
        return -EINVAL;
    }
    known = owner.kind == 0 ? report_thread(owner.pid, &thread) &&
                                  (!owner.pid || thread.tid == owner.pid)
                            : owner.pid >= 0 && is_owner(owner.pid);
    if (!known) {
        return -ESRCH;
    }
    file->owner_kind = owner.kind;
    file->owner = owner.kind == FCNTL_OWNER_KINDS - 1 ? -owner.pid : owner.pid;
    return 0;
}

static long get_owner_ex(const struct file *file, uint64_t user_owner)
{
    struct owner owner = {
        .kind = file->owner ? file->owner_kind : 1,
        .pid = file->owner < 0 ? -file->owner : file->owner,
    };

    return copy_to_user(user_owner, &owner, sizeof(owner));
}

static long set_signal(struct file *file, uint64_t sig)
{
    if (sig > FCNTL_SIGNAL_MAX) {
        return -EINVAL;
    }
    file->owner_signal = sig;
    return 0;
}

/* What may be asked of a place that was opened with O_PATH as well. */
static long fcntl_any(uint32_t fd, struct file *file, uint32_t command,
                      uint64_t arg)
{
    switch (command) {
    /* @linux fcntl F_DUPFD F_DUPFD_CLOEXEC
     * @test guest/programs/file-locks.c "F_DUPFD takes the lowest number from one" */
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return fd_duplicate(fd, (uint32_t)arg, command == F_DUPFD_CLOEXEC);
    /* @linux fcntl F_GETFD F_SETFD
     * @test guest/programs/paths.c "F_GETFL tells those that stay" */
    case F_GETFD:
        return fd_is_cloexec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
        fd_set_cloexec(fd, arg & FD_CLOEXEC);
        return 0;
    case F_GETFL:
        return file->flags;
    default:
        return -EBADF;
    }
}

static long fcntl_locked(uint32_t fd, uint32_t command, uint64_t arg)
{
    struct file *file = fd_file_any(fd);
    long ret;

    if (!file) {
        return -EBADF;
    }
    ret = fcntl_any(fd, file, command, arg);
    if (ret != -EBADF || (file->flags & LINUX_O_PATH)) {
        return ret;
    }
    switch (command) {
    case F_SETFL:
        return set_flags(file, (uint32_t)arg);
    case F_SETOWN:
        return set_owner(file, (int32_t)arg);
    case F_GETOWN:
        return file->owner;
    case FCNTL_SETSIG:
        return set_signal(file, arg);
    case FCNTL_GETSIG:
        return file->owner_signal;
    case FCNTL_SETOWN_EX:
        return set_owner_ex(file, arg);
    case FCNTL_GETOWN_EX:
        return get_owner_ex(file, arg);
    case LINUX_SETPIPE_SZ:
    case LINUX_GETPIPE_SZ:
        return pipe_fcntl(file, command, arg);
    default:
        return locks_is_command(command) ? locks_fcntl(fd, command, arg)
                                         : -EINVAL;
    }
}

/**
 * fd_sys_fcntl() - fcntl(fd, command, arg)
 *
 * @linux call fcntl - the commands that are listed below
 * @test guest/programs/paths.c "F_GETFL tells those that stay"
 */
long fd_sys_fcntl(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = fcntl_locked((uint32_t)a->arg[0], (uint32_t)a->arg[1], a->arg[2]);
    lib_unlock();
    return ret;
}

static long set_nonblock(struct file *file, uint64_t user_arg)
{
    uint32_t value;

    if (copy_from_user(&value, user_arg, sizeof(value))) {
        return -EFAULT;
    }
    file->flags = value ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK;
    return 0;
}

/* @linux ioctl FIOASYNC - ENOTTY, also where there is something to tell
 * @test guest/programs/devices.c "requests that every file takes" */
static long set_async(uint64_t user_arg)
{
    uint32_t value;

    if (copy_from_user(&value, user_arg, sizeof(value))) {
        return -EFAULT;
    }
    return value ? -ENOTTY : 0;
}

/* Of regular files only: bytes behind the position, size, size of a block. */
static long tree_ioctl(struct file *file, uint32_t request, uint64_t user_arg)
{
    const struct tree_node *node = tree_file_node(file);
    uint32_t value = FCNTL_BLOCK_BYTES;
    int64_t left;

    switch (request) {
    /* @linux ioctl FIONREAD FIGETBSZ FIOQSIZE
     * @test guest/programs/devices.c "requests of a regular file"
     * @test guest/programs/inotify.c "FIONREAD counts whole events" */
    case LINUX_FIGETBSZ:
        return copy_to_user(user_arg, &value, sizeof(value));
    case LINUX_FIONREAD:
        if (tree_mode(node) >> 12 != LINUX_S_IFREG >> 12) {
            return -ENOTTY;
        }
        left = node->len_bytes - tree_file_position(file);
        value = left;
        return copy_to_user(user_arg, &value, sizeof(value));
    case LINUX_FIOQSIZE:
        if (node->kind == TREE_DEVICE) {
            return -ENOTTY;
        }
        left = node->len_bytes;
        return copy_to_user(user_arg, &left, sizeof(left));
    default:
        return -ENOTTY;
    }
}

static long ioctl_locked(uint32_t fd, uint32_t request, uint64_t user_arg)
{
    struct file *file = fd_file(fd);
    long ret;

    if (!file) {
        return -EBADF;
    }
    switch (request) {
    /* @linux ioctl FIONBIO FIOCLEX FIONCLEX
     * @test guest/programs/devices.c "requests that every file takes" */
    case LINUX_FIONBIO:
        return set_nonblock(file, user_arg);
    case LINUX_FIOASYNC:
        return set_async(user_arg);
    case LINUX_FIOCLEX:
    case LINUX_FIONCLEX:
        fd_set_cloexec(fd, request == LINUX_FIOCLEX);
        return 0;
    default:
        break;
    }
    if (file->ops->in_tree && !file->ops->ioctl) {
        return tree_ioctl(file, request, user_arg);
    }
    ret =
        file->ops->ioctl ? file->ops->ioctl(file, request, user_arg) : -ENOTTY;
    /* Every socket knows of interfaces. */
    return ret == -ENOTTY && (file->ops->mode & LINUX_S_IFMT) == LINUX_S_IFSOCK
               ? ifreq_ioctl(request, user_arg)
               : ret;
}

/**
 * fd_sys_ioctl() - ioctl(fd, request, arg)
 *
 * @linux call ioctl - the requests that are listed below; no file is a terminal
 * @test guest/programs/devices.c "requests that every file takes"
 */
long fd_sys_ioctl(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = ioctl_locked((uint32_t)a->arg[0], (uint32_t)a->arg[1], a->arg[2]);
    lib_unlock();
    return ret;
}
