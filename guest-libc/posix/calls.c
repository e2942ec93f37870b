/* SPDX-License-Identifier: GPL-2.0-or-later */
/* calls.c - the table of posix/, and its start */
#include "guest-libc/include/sluice.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/defaults.h"
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/tree.h"

/**
 * posix_start() - files and descriptors before the program runs
 *
 * Return: 0.
 */
long posix_start(void)
{
    tree_start();
    defaults_hostname();
    fd_start();
    return 0;
}

/**
 * posix_flush() - what is buffered goes to the log
 *
 * Context: lock held.
 */
void posix_flush(void)
{
    stdio_flush();
}

/**
 * posix_exit() - the process ends: all is closed, and what was sent arrives
 * @status: of the end, for the host
 *
 * Linux closes what a process leaves open and goes on sending for it. Here
 * nobody else does that, so the process stays until it is done.
 *
 * Context: lock held; no other thread of the program is left.
 */
void posix_exit(uint32_t status)
{
    fd_close_all();
    net_refuse();
    if (net_owes()) {
        prim_ending(status);
        net_settle();
    }
}

/* clang-format off */
const struct sys_entry posix_calls[] = {
    { SYS_read,             "read",             io_sys_read },
    { SYS_write,            "write",            io_sys_write },
    { SYS_readv,            "readv",            io_sys_readv },
    { SYS_writev,           "writev",           io_sys_writev },
    { SYS_lseek,            "lseek",            io_sys_seek },
    { SYS_pread64,          "pread64",          io_sys_pread },
    { SYS_preadv,           "preadv",           io_sys_preadv },
    { SYS_preadv2,          "preadv2",          io_sys_preadv2 },
    { SYS_pwrite64,         "pwrite64",         io_sys_pwrite },
    { SYS_pwritev,          "pwritev",          io_sys_pwritev },
    { SYS_pwritev2,         "pwritev2",         io_sys_pwritev2 },
    { SYS_fsync,            "fsync",            io_sys_sync },
    { SYS_fdatasync,        "fdatasync",        io_sys_sync },
    { SYS_sync,             "sync",             io_sys_nothing },
    { SYS_syncfs,           "syncfs",           io_sys_syncfs },
    { SYS_sync_file_range,  "sync_file_range",  io_sys_sync_range },
    { SYS_fadvise64,        "fadvise64",        io_sys_fadvise },
    { SYS_readahead,        "readahead",        io_sys_readahead },
    { SYS_flock,            "flock",            locks_sys_flock },
    { SYS_ftruncate,        "ftruncate",        path_sys_ftruncate },
    { SYS_copy_file_range,  "copy_file_range",  send_sys_copy },
    { SYS_sendfile,         "sendfile",         send_sys_sendfile },
    { SYS_splice,           "splice",           splice_sys_splice },
    { SYS_tee,              "tee",              splice_sys_tee },
    { SYS_vmsplice,         "vmsplice",         splice_sys_vmsplice },

    { SYS_close,            "close",            fd_sys_close },
    { SYS_close_range,      "close_range",      fd_sys_close_range },
    { SYS_dup,              "dup",              fd_sys_dup },
    { SYS_dup2,             "dup2",             fd_sys_dup2 },
    { SYS_dup3,             "dup3",             fd_sys_dup3 },
    { SYS_fcntl,            "fcntl",            fd_sys_fcntl },
    { SYS_ioctl,            "ioctl",            fd_sys_ioctl },

    { SYS_open,             "open",             path_sys_open },
    { SYS_openat,           "openat",           path_sys_openat },
    { SYS_creat,            "creat",            path_sys_creat },
    { SYS_stat,             "stat",             stat_sys_stat },
    { SYS_lstat,            "lstat",            stat_sys_lstat },
    { SYS_fstat,            "fstat",            stat_sys_fstat },
    { SYS_newfstatat,       "newfstatat",       stat_sys_newfstatat },
    { SYS_statx,            "statx",            stat_sys_statx },
    { SYS_access,           "access",           stat_sys_access },
    { SYS_faccessat,        "faccessat",        stat_sys_faccessat },
    { SYS_faccessat2,       "faccessat2",       stat_sys_faccessat2 },
    { SYS_statfs,           "statfs",           stat_sys_statfs },
    { SYS_fstatfs,          "fstatfs",          stat_sys_fstatfs },
    { SYS_getxattr,         "getxattr",         stat_sys_xattr },
    { SYS_lgetxattr,        "lgetxattr",        stat_sys_lxattr },
    { SYS_fgetxattr,        "fgetxattr",        stat_sys_fxattr },
    { SYS_listxattr,        "listxattr",        stat_sys_xattr },
    { SYS_llistxattr,       "llistxattr",       stat_sys_lxattr },
    { SYS_flistxattr,       "flistxattr",       stat_sys_fxattr },
    { SYS_getdents64,       "getdents64",       tree_sys_getdents64 },
    { SYS_getdents,         "getdents",         tree_sys_getdents },
    { SYS_readlink,         "readlink",         path_sys_readlink },
    { SYS_readlinkat,       "readlinkat",       path_sys_readlinkat },
    { SYS_unlink,           "unlink",           path_sys_unlink },
    { SYS_rename,           "rename",           path_sys_rename },
    { SYS_rmdir,            "rmdir",            path_sys_rmdir },
    { SYS_chmod,            "chmod",            path_sys_change },
    { SYS_chown,            "chown",            path_sys_change },
    { SYS_lchown,           "lchown",           path_sys_change_link },
    { SYS_truncate,         "truncate",         path_sys_truncate },
    { SYS_utime,            "utime",            path_sys_change },
    { SYS_utimes,           "utimes",           path_sys_change },
    { SYS_unlinkat,         "unlinkat",         path_sys_unlinkat },
    { SYS_renameat,         "renameat",         path_sys_renameat },
    { SYS_renameat2,        "renameat2",        path_sys_renameat2 },
    { SYS_fchmodat,         "fchmodat",         path_sys_fchmodat },
    { SYS_fchownat,         "fchownat",         path_sys_fchownat },
    { SYS_utimensat,        "utimensat",        path_sys_utimensat },
    { SYS_futimesat,        "futimesat",        path_sys_futimesat },
    { SYS_fchmod,           "fchmod",           path_sys_change_fd },
    { SYS_fchown,           "fchown",           path_sys_change_fd },
    { SYS_mkdir,            "mkdir",            path_sys_mkdir },
    { SYS_mknod,            "mknod",            path_sys_mknod },
    { SYS_mkdirat,          "mkdirat",          path_sys_mkdirat },
    { SYS_mknodat,          "mknodat",          path_sys_mknodat },
    { SYS_link,             "link",             path_sys_link },
    { SYS_symlink,          "symlink",          path_sys_symlink },
    { SYS_symlinkat,        "symlinkat",        path_sys_symlinkat },
    { SYS_linkat,           "linkat",           path_sys_linkat },
    { SYS_setxattr,         "setxattr",         path_sys_change },
    { SYS_removexattr,      "removexattr",      path_sys_change },
    { SYS_lsetxattr,        "lsetxattr",        path_sys_change_link },
    { SYS_lremovexattr,     "lremovexattr",     path_sys_change_link },
    { SYS_fsetxattr,        "fsetxattr",        path_sys_change_fd },
    { SYS_fremovexattr,     "fremovexattr",     path_sys_change_fd },
    { SYS_fallocate,        "fallocate",        path_sys_fallocate },
    { SYS_chdir,            "chdir",            path_sys_chdir },
    { SYS_fchdir,           "fchdir",           path_sys_fchdir },
    { SYS_getcwd,           "getcwd",           path_sys_getcwd },

    { SYS_epoll_create,     "epoll_create",     epoll_sys_create },
    { SYS_epoll_create1,    "epoll_create1",    epoll_sys_create1 },
    { SYS_epoll_ctl,        "epoll_ctl",        epoll_sys_ctl },
    { SYS_epoll_wait,       "epoll_wait",       epoll_sys_wait },
    { SYS_epoll_pwait,      "epoll_pwait",      epoll_sys_pwait },
    { SYS_epoll_pwait2,     "epoll_pwait2",     epoll_sys_pwait2 },
    { SYS_poll,             "poll",             poll_sys_poll },
    { SYS_ppoll,            "ppoll",            poll_sys_ppoll },
    { SYS_select,           "select",           poll_sys_select },
    { SYS_pselect6,         "pselect6",         poll_sys_pselect6 },

    { SYS_pipe,             "pipe",             pipe_sys_pipe },
    { SYS_pipe2,            "pipe2",            pipe_sys_pipe2 },
    { SYS_socketpair,       "socketpair",       pair_sys_socketpair },
    { SYS_eventfd,          "eventfd",          eventfd_sys_create },
    { SYS_eventfd2,         "eventfd2",         eventfd_sys_create2 },
    { SYS_signalfd,         "signalfd",         signalfd_sys_signalfd },
    { SYS_signalfd4,        "signalfd4",        signalfd_sys_signalfd4 },
    { SYS_timerfd_create,   "timerfd_create",   timerfd_sys_create },
    { SYS_timerfd_settime,  "timerfd_settime",  timerfd_sys_settime },
    { SYS_timerfd_gettime,  "timerfd_gettime",  timerfd_sys_gettime },

    { SYS_inotify_init,     "inotify_init",     inotify_sys_init },
    { SYS_inotify_init1,    "inotify_init1",    inotify_sys_init1 },
    { SYS_inotify_add_watch, "inotify_add_watch", inotify_sys_add_watch },
    { SYS_inotify_rm_watch, "inotify_rm_watch", inotify_sys_rm_watch },

    { SYS_socket,           "socket",           socket_sys_socket },
    { SYS_bind,             "bind",             socket_sys_bind },
    { SYS_listen,           "listen",           socket_sys_listen },
    { SYS_accept,           "accept",           socket_sys_accept },
    { SYS_accept4,          "accept4",          socket_sys_accept4 },
    { SYS_connect,          "connect",          socket_sys_connect },
    { SYS_getsockname,      "getsockname",      socket_sys_getsockname },
    { SYS_getpeername,      "getpeername",      socket_sys_getpeername },
    { SYS_shutdown,         "shutdown",         socket_sys_shutdown },
    { SYS_setsockopt,       "setsockopt",       sockopt_sys_set },
    { SYS_getsockopt,       "getsockopt",       sockopt_sys_get },
    { SYS_sendto,           "sendto",           socket_sys_sendto },
    { SYS_recvfrom,         "recvfrom",         socket_sys_recvfrom },
    { SYS_sendmsg,          "sendmsg",          socket_sys_sendmsg },
    { SYS_recvmsg,          "recvmsg",          socket_sys_recvmsg },
    { SYS_sendmmsg,         "sendmmsg",         socket_sys_sendmmsg },
    { SYS_recvmmsg,         "recvmmsg",         socket_sys_recvmmsg },

    { SLUICE_CALL_COMMIT,         "sluice_commit", sluice_sys_commit },
    { SLUICE_CALL_WAIT_COMMITTED, "sluice_wait_committed",
                                                sluice_sys_wait_committed },
    { SLUICE_CALL_EPOCH,          "sluice_epoch", sluice_sys_epoch },
    { SLUICE_CALL_COMMITTED,      "sluice_committed", sluice_sys_committed },
    { SLUICE_CALL_GENERATION,     "sluice_generation",
                                                sluice_sys_generation },
    { SLUICE_CALL_FRAME_OPEN,     "sluice_frame_open",
                                                sluice_sys_frame_open },
    { SLUICE_CALL_FRAME_SEND,     "sluice_frame_send",
                                                sluice_sys_frame_send },
    { SLUICE_CALL_FRAME_RECV,     "sluice_frame_recv",
                                                sluice_sys_frame_recv },
    { SLUICE_CALL_LINE,           "sluice_line", sluice_sys_line },
    { SLUICE_CALL_LINE_COUNTER,   "sluice_line_counter",
                                                sluice_sys_line_counter },
    { 0, NULL, NULL },
};
/* clang-format on */
