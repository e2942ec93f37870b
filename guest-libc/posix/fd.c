/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fd.c - descriptors: numbers for open files
 *
 * The table is one lazily touched range: only pages with numbers in use exist.
 */
#include "guest-libc/net/sock.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/locks.h"

struct fd_entry {
    struct file *file;
    bool cloexec;
};

static struct fd_entry *fds;
static uint32_t fd_lowest; /* no number below it is free */
static uint32_t fd_end;    /* no number from here on was ever used */

static void fd_put(uint32_t fd, struct file *file, bool cloexec)
{
    fds[fd].file = file;
    fds[fd].cloexec = cloexec;
    if (fd >= fd_end) {
        fd_end = fd + 1;
    }
}

/**
 * fd_start() - the table, and 0, 1, 2
 *
 * Context: once, before the program runs.
 */
void fd_start(void)
{
    fds = lib_pages(FD_MAX * sizeof(*fds));
    if (!fds) {
        lib_panic("no memory for descriptors");
    }
    for (int fd = 0; fd < 3; fd++) {
        struct file *file = stdio_open(fd);

        if (!file || fd_install(file, fd, false) != fd) {
            lib_panic("no memory for descriptor %d", fd);
        }
    }
}

/**
 * fd_file_any() - the file behind a number, one of O_PATH as well
 * @fd: the program's argument, any value
 *
 * Return: the file, without a reference of the caller's own, or NULL.
 * Context: lock held.
 */
struct file *fd_file_any(uint64_t fd)
{
    uint32_t number = (uint32_t)fd;

    return number < FD_MAX ? fds[number].file : NULL;
}

/**
 * fd_file() - the file behind a number
 * @fd: the program's argument, any value
 *
 * Return: the file, without a reference of the caller's own; NULL also for a
 *         place in the tree that was opened with O_PATH.
 * Context: lock held.
 */
struct file *fd_file(uint64_t fd)
{
    struct file *file = fd_file_any(fd);

    return file && !(file->flags & LINUX_O_PATH) ? file : NULL;
}

/**
 * fd_is_cloexec() - is it closed by execve()?
 * @fd: an open number
 *
 * Return: FD_CLOEXEC.
 * Context: lock held.
 */
bool fd_is_cloexec(uint32_t fd)
{
    return fds[fd].cloexec;
}

/**
 * fd_set_cloexec() - is it to be closed by execve()?
 * @fd: an open number
 * @cloexec: FD_CLOEXEC
 *
 * Context: lock held.
 */
void fd_set_cloexec(uint32_t fd, bool cloexec)
{
    fds[fd].cloexec = cloexec;
}

/**
 * fd_install() - number a file
 * @file: the caller's reference is taken over, if it succeeds
 * @from: no number below this
 * @cloexec: FD_CLOEXEC
 *
 * Return: the number, or -EMFILE, -EINVAL.
 * Context: lock held.
 */
long fd_install(struct file *file, uint64_t from, bool cloexec)
{
    uint32_t fd = from > fd_lowest ? from : fd_lowest;
    uint32_t end = limit_files();

    if (from >= end) {
        return from ? -EINVAL : -EMFILE;
    }
    while (fd < FD_MAX && fds[fd].file) {
        fd++;
    }
    if (from <= fd_lowest) {
        fd_lowest = fd;
    }
    if (fd >= end) {
        return -EMFILE;
    }
    fd_put(fd, file, cloexec);
    return fd;
}

/**
 * fd_open() - number a file that was just made
 * @file: or NULL if there was no memory; released if there is no number
 * @flags: O_CLOEXEC counts
 *
 * Return: the number, -EMFILE, -ENOMEM.
 * Context: lock held.
 */
long fd_open(struct file *file, uint32_t flags)
{
    long fd;

    if (!file) {
        return -ENOMEM;
    }
    fd = fd_install(file, 0, flags & O_CLOEXEC);
    if (fd < 0) {
        file_release(file);
    }
    return fd;
}

/* The file loses its number: it, or NULL. */
static struct file *fd_take(uint32_t fd)
{
    struct file *file = fd_file_any(fd);

    if (file) {
        fds[fd].file = NULL;
        fd_lowest = fd < fd_lowest ? fd : fd_lowest;
    }
    return file;
}

/* It has lost a number; with the last one it may wait (SO_LINGER). */
static void fd_drop(struct file *file)
{
    struct sock *s = file->refs == 1 ? sock_of(file) : NULL;

    locks_closed(file);
    if (s) {
        sock_close(s);
    } else {
        file_release(file);
    }
}

static long fd_close(uint32_t fd)
{
    struct file *file = fd_take(fd);

    if (!file) {
        return -EBADF;
    }
    fd_drop(file);
    return 0;
}

/**
 * fd_close_all() - close every descriptor
 *
 * No end waits for a peer here: that is for net_settle().
 *
 * Context: lock held; the process ends.
 */
void fd_close_all(void)
{
    for (uint32_t fd = 0; fd < fd_end; fd++) {
        struct file *file = fd_take(fd);

        if (file) {
            locks_closed(file);
            file_release(file);
        }
    }
}

/**
 * fd_open_pair() - number two files that were just made
 * @files: both are released on failure
 * @flags: O_CLOEXEC counts
 * @user_fds: int[2] of the program
 *
 * Return: 0, -EMFILE, -EFAULT.
 * Context: lock held.
 */
long fd_open_pair(struct file *files[2], uint32_t flags, uint64_t user_fds)
{
    int32_t numbers[2];
    long ret = fd_open(files[0], flags);

    if (ret < 0) {
        file_release(files[1]);
        return ret;
    }
    numbers[0] = ret;
    ret = fd_open(files[1], flags);
    if (ret < 0) {
        fd_close(numbers[0]);
        return ret;
    }
    numbers[1] = ret;
    if (copy_to_user(user_fds, numbers, sizeof(numbers))) {
        fd_close(numbers[0]);
        fd_close(numbers[1]);
        return -EFAULT;
    }
    return 0;
}

/**
 * fd_duplicate() - another number for an open file
 * @fd: the number that it has
 * @from: no number below this
 * @cloexec: FD_CLOEXEC of the new one
 *
 * Return: the number, -EBADF, -EINVAL, -EMFILE.
 * Context: lock held.
 */
long fd_duplicate(uint64_t fd, uint64_t from, bool cloexec)
{
    struct file *file = fd_file_any(fd);
    long ret;

    if (!file) {
        return -EBADF;
    }
    ret = fd_install(file_hold(file), from, cloexec);
    if (ret < 0) {
        file_release(file);
    }
    return ret;
}

static long fd_replace(uint64_t fd, uint64_t to, bool cloexec)
{
    uint32_t number = (uint32_t)to;
    struct file *file = fd_file_any(fd), *before;

    if (!file || number >= limit_files()) {
        return -EBADF;
    }
    file_hold(file);
    before = fds[number].file;
    fd_put(number, file, cloexec);
    if (before) {
        fd_drop(before);
    }
    return number;
}

/**
 * fd_sys_close() - close(fd)
 *
 * @linux call close close_range
 * @test guest/programs/file-locks.c "close_range and its flags"
 */
long fd_sys_close(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = fd_close((uint32_t)a->arg[0]);
    lib_unlock();
    return ret;
}

/** fd_sys_close_range() - close_range(first, last, flags) */
long fd_sys_close_range(struct sys_args *a)
{
    enum {
        UNSHARE = 2,
        CLOEXEC = 4
    };
    uint32_t first = (uint32_t)a->arg[0], last = (uint32_t)a->arg[1];
    uint32_t flags = (uint32_t)a->arg[2];

    if (first > last || flags & ~(UNSHARE | CLOEXEC)) {
        return -EINVAL;
    }
    lib_lock();
    for (uint32_t fd = first; fd <= last && fd < FD_MAX; fd++) {
        if (flags & CLOEXEC) {
            fds[fd].cloexec = fds[fd].file != NULL;
        } else {
            fd_close(fd);
        }
    }
    lib_unlock();
    return 0;
}

/**
 * fd_sys_dup() - dup(fd)
 *
 * @linux call dup dup2 dup3
 * @test guest/programs/file-locks.c "numbers that there are not"
 * @test guest/programs/devices.c "the standard streams by their names"
 */
long fd_sys_dup(struct sys_args *a)
{
    long ret;

    lib_lock();
    ret = fd_duplicate(a->arg[0], 0, false);
    lib_unlock();
    return ret;
}

/** fd_sys_dup2() - dup2(fd, to): the same number is no error */
long fd_sys_dup2(struct sys_args *a)
{
    long ret;

    lib_lock();
    if ((uint32_t)a->arg[0] == (uint32_t)a->arg[1]) {
        ret = fd_file_any(a->arg[0]) ? (long)(uint32_t)a->arg[0] : -EBADF;
    } else {
        ret = fd_replace(a->arg[0], a->arg[1], false);
    }
    lib_unlock();
    return ret;
}

/** fd_sys_dup3() - dup3(fd, to, flags) */
long fd_sys_dup3(struct sys_args *a)
{
    uint32_t flags = (uint32_t)a->arg[2];
    long ret;

    if ((uint32_t)a->arg[0] == (uint32_t)a->arg[1] || flags & ~O_CLOEXEC) {
        return -EINVAL;
    }
    lib_lock();
    ret = fd_replace(a->arg[0], a->arg[1], flags & O_CLOEXEC);
    lib_unlock();
    return ret;
}
