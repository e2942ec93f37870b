/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calls.h - the handlers of posix/, by file; the table is calls.c */
#ifndef POSIX_CALLS_H
#define POSIX_CALLS_H

#include "guest-libc/sys/libos.h"

/* fd.c */
long fd_sys_close(struct sys_args *a);
long fd_sys_close_range(struct sys_args *a);
long fd_sys_dup(struct sys_args *a);
long fd_sys_dup2(struct sys_args *a);
long fd_sys_dup3(struct sys_args *a);

/* fd-control.c */
long fd_sys_fcntl(struct sys_args *a);
long fd_sys_ioctl(struct sys_args *a);

/* io.c */
long io_sys_read(struct sys_args *a);
long io_sys_write(struct sys_args *a);
long io_sys_readv(struct sys_args *a);
long io_sys_writev(struct sys_args *a);
long io_sys_seek(struct sys_args *a);
long io_sys_pread(struct sys_args *a);
long io_sys_preadv(struct sys_args *a);
long io_sys_preadv2(struct sys_args *a);
long io_sys_pwrite(struct sys_args *a);
long io_sys_pwritev(struct sys_args *a);
long io_sys_pwritev2(struct sys_args *a);
long io_sys_sync(struct sys_args *a);
long io_sys_syncfs(struct sys_args *a);
long io_sys_fadvise(struct sys_args *a);
long io_sys_readahead(struct sys_args *a);
long io_sys_sync_range(struct sys_args *a);
long io_sys_nothing(struct sys_args *a);

/* splice.c */
long splice_sys_splice(struct sys_args *a);
long splice_sys_tee(struct sys_args *a);
long splice_sys_vmsplice(struct sys_args *a);

/* sendfile.c, locks.c */
long send_sys_sendfile(struct sys_args *a);
long send_sys_copy(struct sys_args *a);
long locks_sys_flock(struct sys_args *a);

/* epoll.c */
long epoll_sys_create(struct sys_args *a);
long epoll_sys_create1(struct sys_args *a);
long epoll_sys_ctl(struct sys_args *a);
long epoll_sys_wait(struct sys_args *a);
long epoll_sys_pwait(struct sys_args *a);
long epoll_sys_pwait2(struct sys_args *a);

/* poll.c */
long poll_sys_poll(struct sys_args *a);
long poll_sys_ppoll(struct sys_args *a);
long poll_sys_select(struct sys_args *a);
long poll_sys_pselect6(struct sys_args *a);

/* pipe.c, pair.c, eventfd.c, timerfd.c */
long pipe_sys_pipe(struct sys_args *a);
long pipe_sys_pipe2(struct sys_args *a);
long pair_sys_socketpair(struct sys_args *a);
long eventfd_sys_create(struct sys_args *a);
long eventfd_sys_create2(struct sys_args *a);
long timerfd_sys_create(struct sys_args *a);
long timerfd_sys_settime(struct sys_args *a);
long timerfd_sys_gettime(struct sys_args *a);

/* signalfd.c */
long signalfd_sys_signalfd(struct sys_args *a);
long signalfd_sys_signalfd4(struct sys_args *a);

/* inotify.c */
long inotify_sys_init(struct sys_args *a);
long inotify_sys_init1(struct sys_args *a);
long inotify_sys_add_watch(struct sys_args *a);
long inotify_sys_rm_watch(struct sys_args *a);

/* path.c */
long path_sys_open(struct sys_args *a);
long path_sys_openat(struct sys_args *a);
long path_sys_creat(struct sys_args *a);
long path_sys_readlink(struct sys_args *a);
long path_sys_readlinkat(struct sys_args *a);
long path_sys_chdir(struct sys_args *a);
long path_sys_fchdir(struct sys_args *a);
long path_sys_getcwd(struct sys_args *a);

/* path-change.c */
long path_sys_unlink(struct sys_args *a);
long path_sys_rmdir(struct sys_args *a);
long path_sys_unlinkat(struct sys_args *a);
long path_sys_rename(struct sys_args *a);
long path_sys_renameat(struct sys_args *a);
long path_sys_renameat2(struct sys_args *a);
long path_sys_mkdir(struct sys_args *a);
long path_sys_mkdirat(struct sys_args *a);
long path_sys_mknod(struct sys_args *a);
long path_sys_mknodat(struct sys_args *a);
long path_sys_symlink(struct sys_args *a);
long path_sys_symlinkat(struct sys_args *a);
long path_sys_link(struct sys_args *a);
long path_sys_linkat(struct sys_args *a);
long path_sys_change(struct sys_args *a);
long path_sys_change_link(struct sys_args *a);
long path_sys_change_fd(struct sys_args *a);
long path_sys_fchmodat(struct sys_args *a);
long path_sys_fchownat(struct sys_args *a);
long path_sys_utimensat(struct sys_args *a);
long path_sys_futimesat(struct sys_args *a);
long path_sys_truncate(struct sys_args *a);
long path_sys_ftruncate(struct sys_args *a);
long path_sys_fallocate(struct sys_args *a);

/* stat.c */
long stat_sys_stat(struct sys_args *a);
long stat_sys_lstat(struct sys_args *a);
long stat_sys_newfstatat(struct sys_args *a);
long stat_sys_fstat(struct sys_args *a);
long stat_sys_statx(struct sys_args *a);
long stat_sys_access(struct sys_args *a);
long stat_sys_faccessat(struct sys_args *a);
long stat_sys_faccessat2(struct sys_args *a);
long stat_sys_statfs(struct sys_args *a);
long stat_sys_fstatfs(struct sys_args *a);
long stat_sys_xattr(struct sys_args *a);
long stat_sys_lxattr(struct sys_args *a);
long stat_sys_fxattr(struct sys_args *a);

/* directory.c */
long tree_sys_getdents64(struct sys_args *a);
long tree_sys_getdents(struct sys_args *a);

/* socket.c */
long socket_sys_socket(struct sys_args *a);
long socket_sys_bind(struct sys_args *a);
long socket_sys_listen(struct sys_args *a);
long socket_sys_accept(struct sys_args *a);
long socket_sys_accept4(struct sys_args *a);
long socket_sys_connect(struct sys_args *a);
long socket_sys_getsockname(struct sys_args *a);
long socket_sys_getpeername(struct sys_args *a);
long socket_sys_shutdown(struct sys_args *a);

/* socket-message.c */
long socket_sys_sendto(struct sys_args *a);
long socket_sys_recvfrom(struct sys_args *a);
long socket_sys_sendmsg(struct sys_args *a);
long socket_sys_recvmsg(struct sys_args *a);
long socket_sys_sendmmsg(struct sys_args *a);
long socket_sys_recvmmsg(struct sys_args *a);

/* sockopt.c */
long sockopt_sys_set(struct sys_args *a);
long sockopt_sys_get(struct sys_args *a);

/* sluice.c */
long sluice_sys_commit(struct sys_args *a);
long sluice_sys_wait_committed(struct sys_args *a);
long sluice_sys_epoch(struct sys_args *a);
long sluice_sys_committed(struct sys_args *a);
long sluice_sys_generation(struct sys_args *a);
long sluice_sys_frame_open(struct sys_args *a);
long sluice_sys_frame_send(struct sys_args *a);
long sluice_sys_frame_recv(struct sys_args *a);

/* line.c */
long sluice_sys_line(struct sys_args *a);
long sluice_sys_line_counter(struct sys_args *a);

/*
 * A timespec of the program as nanoseconds; a null pointer is SYS_FOREVER.
 * Return: 0, -EFAULT, -EINVAL.
 */
long user_timespec(uint64_t user_addr, uint64_t *ret_ns);

#endif
