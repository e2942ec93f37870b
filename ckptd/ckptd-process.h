/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-process.h - processes that outlive ckptd and are found again
 *
 * A process is known by its pid and its start time together, so that a pid
 * used again by somebody else is never taken for ours, and is watched and
 * killed through a pidfd.
 */
#ifndef CKPTD_PROCESS_H
#define CKPTD_PROCESS_H

#include <glib.h>

struct ckptd_process {
    GPid pid;           /* 0 = none */
    guint64 start_time; /* clock ticks since boot, of /proc/PID/stat */
    int pidfd;          /* readable when it has ended; -1 = none */
};

#define CKPTD_PROCESS_NONE                                                     \
    {                                                                          \
        0, 0, -1                                                               \
    }

/**
 * struct ckptd_spawn - how to start a process
 *
 * @argv:      NULL terminated
 * @cwd:       its working directory
 * @log_path:  standard output and error are appended there
 * @pid_path:  the process writes down there who it is, before it becomes the
 *             program: a ckptd that dies right now leaves nobody unknown
 * @fd:        a descriptor it gets, or -1
 * @target_fd: the number under which it gets it
 */
struct ckptd_spawn {
    char **argv;
    const char *cwd;
    const char *log_path;
    const char *pid_path;
    int fd;
    int target_fd;
};

gboolean ckptd_process_spawn(const struct ckptd_spawn *how,
                             struct ckptd_process *ret_process, GError **error);
gboolean ckptd_process_find(const char *path, struct ckptd_process *ret_process,
                            GError **error);
gboolean ckptd_process_watch(GPid pid, struct ckptd_process *ret_process);
gboolean ckptd_process_note(const struct ckptd_process *process,
                            const char *path, GError **error);
void ckptd_process_kill(const struct ckptd_process *process, int signal);
gboolean ckptd_process_wait(const struct ckptd_process *process,
                            int timeout_ms);
char *ckptd_process_reap(struct ckptd_process *process);
void ckptd_process_clear(struct ckptd_process *process);

#endif
