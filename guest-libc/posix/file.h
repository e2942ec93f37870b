/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.h - open files, descriptors and waiting for them
 *
 * A struct file is what several descriptors may share (an "open file
 * description").  Its kind is its table of operations.  Operations never
 * sleep: they return -EAGAIN, and io.c waits and asks again unless the file is
 * non-blocking.  When something becomes possible that was not, whoever made it
 * so calls file_wake() with the events that came true.
 *
 * Everything here needs the library's lock.
 */
#ifndef POSIX_FILE_H
#define POSIX_FILE_H

#include "guest-libc/posix/linux.h"
#include "guest-libc/posix/list.h"
#include "guest-libc/posix/uio.h"
#include "guest-libc/sys/libos.h"

struct file;

struct file_ops {
    const char *name;
    uint32_t mode;      /* S_IF* and permissions, for fstat() */
    uint32_t rdev;      /* of a device: st_rdev */
    int32_t open_error; /* of a device: what open() says, 0: it is opened */
    bool maps_zeros;    /* a mapping of it is fresh memory */
    bool in_tree;       /* the file is a struct tree_file (tree-file.h) */
    /* EPOLL* that hold now. */
    uint32_t (*events)(struct file *file);
    /* Bytes moved, 0 at the end, -EAGAIN; NULL: -EINVAL. */
    long (*read)(struct file *file, struct uio *uio);
    long (*write)(struct file *file, struct uio *uio);
    /* Bytes moved, 0 at the end; NULL: -ESPIPE. */
    long (*read_at)(struct file *file, struct uio *uio, uint64_t offset);
    /* SEEK_*: the new position; NULL: -ESPIPE. */
    long (*seek)(struct file *file, int64_t offset, uint32_t whence);
    /* The last reference is gone; frees the file's memory. */
    void (*release)(struct file *file);
    /* A number of ioctl() that is of this kind alone; may be NULL. */
    long (*ioctl)(struct file *file, uint64_t request, uint64_t user_arg);
};

struct file {
    const struct file_ops *ops;
    uint32_t refs;   /* descriptors, and calls that sleep on it */
    uint32_t flags;  /* FILE_FLAGS, as F_GETFL tells them */
    uint64_t number; /* from 1: inode of what is not in the tree */
    int32_t owner;   /* of F_SETOWN, F_SETSIG: kept, never used */
    uint8_t owner_kind, owner_signal;
    struct list watches; /* struct watch of epoll.c */
    struct list waiters; /* struct waiter */
    /* How long a blocking call waits (SO_RCVTIMEO, SO_SNDTIMEO); SYS_FOREVER */
    uint64_t rx_timeout_ns, tx_timeout_ns;
};

/* What stays of the flags of open(). */
#define FILE_FLAGS                                                             \
    (O_ACCMODE | O_NONBLOCK | O_APPEND | O_DIRECTORY | O_NOFOLLOW | O_SYNC |   \
     LINUX_O_LARGEFILE | LINUX_O_NOATIME | LINUX_O_PATH)

#define FD_MAX 65536u

/* file.c */
void file_init(struct file *file, const struct file_ops *ops, uint32_t flags);
struct file *file_hold(struct file *file);
void file_release(struct file *file);
/* What a link to it says, without a NUL: length or -errno. */
long file_name(struct file *file, char *to, size_t room);
/*
 * Open what is open once more, where that is no node of the tree.  A pipe or a
 * standard stream is shared, its flags included.  0, -ENXIO, -EACCES.
 */
long file_reopen(struct file *file, uint32_t flags, struct file **ret_file);
/* @events came true: threads that wait and epoll files that watch. */
void file_wake(struct file *file, uint32_t events);

/* fd.c */
void fd_start(void);
/* The file of @fd or NULL, also if it is only a path (O_PATH); holds no
 * reference. */
struct file *fd_file(uint64_t fd);
/* That of O_PATH as well. */
struct file *fd_file_any(uint64_t fd);
bool fd_is_cloexec(uint32_t fd);
void fd_set_cloexec(uint32_t fd, bool cloexec);
/* Lowest free number >= @from for the file of @fd. */
long fd_duplicate(uint64_t fd, uint64_t from, bool cloexec);
/* Lowest free number >= @from for @file, which is taken over. */
long fd_install(struct file *file, uint64_t from, bool cloexec);
/* fd_install(file, 0, ...); on failure @file is released. */
long fd_open(struct file *file, uint32_t flags);
/* The process ends. */
void fd_close_all(void);
/* Two at once, their numbers stored as int[2]: both or none. */
long fd_open_pair(struct file *files[2], uint32_t flags, uint64_t user_fds);

/* wait.c */
struct waiter {
    struct list node;
    uint32_t word;   /* changes when it is to look again */
    uint32_t events; /* those it waits for */
};

/*
 * Wait until an event of @events may have come true for @file, or for any file
 * when @file is NULL.  The caller looks again whatever the answer.
 * Return: 0, -EINTR, -ETIMEDOUT.
 */
long file_wait(struct file *file, uint32_t events, uint64_t deadline_ns);
/*
 * The same for a call that got -EAGAIN and may wait: 0 (try again), or what the
 * call returns: LIB_RESTART, -EINTR, -EAGAIN when the deadline is over.
 */
long file_wait_for_call(struct file *file, uint32_t events,
                        uint64_t deadline_ns);
/* Threads that wait for any file. */
void wait_wake_any(uint32_t events);
/* Wake those of @file that wait for @events: all, or only the first. */
void wait_wake(struct file *file, uint32_t events, bool all);
/* Nanoseconds from now as a deadline; SYS_FOREVER stays what it is. */
uint64_t wait_deadline(uint64_t from_now_ns);

/* epoll.c */
struct watch;
void epoll_notify(struct file *file, uint32_t events);
void epoll_forget(struct file *file);

/* pipe.c: F_GETPIPE_SZ and F_SETPIPE_SZ of fcntl(); -EBADF: it is no pipe. */
long pipe_fcntl(struct file *file, uint32_t command, uint64_t arg);

/* timerfd.c: wake those that are due; when the next one is. */
uint64_t timerfd_run(uint64_t now_ns);

/* sluice.c: wake those that wait for a commit. */
void sluice_poll(void);
/* line.c: another line began; why: enum ckpt_line_why.  Lock held. */
void sluice_new_line(uint32_t why);

/* stdio.c */
struct file *stdio_open(int fd);
/* Unfinished lines go out. */
void stdio_flush(void);

/* io.c: blocking forms; bytes moved, or what the call returns. */
long file_read(struct file *file, struct uio *uio, bool nonblock);
long file_write(struct file *file, struct uio *uio, bool nonblock);

#endif
