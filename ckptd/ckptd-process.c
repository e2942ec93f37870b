/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-process.c - processes that outlive ckptd and are found again
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-process.h"

static int pidfd_open_cloexec(GPid pid)
{
    return syscall(SYS_pidfd_open, pid, 0); /* always close-on-exec */
}

/*
 * Field 22 of /proc/PID/stat; the second, in brackets, may hold anything.
 * Nothing here takes memory.  Return: 0, or a negative errno: -ENOENT when
 * there is no such process.
 */
static int read_start_time(GPid pid, guint64 *ret_start_time)
{
    char path[32], text[1024];
    const char *rest;
    ssize_t len;
    int fd, err;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    len = read(fd, text, sizeof(text) - 1);
    err = errno;
    close(fd);
    if (len < 0) {
        return err == ESRCH ? -ENOENT : -err;
    }
    text[len] = '\0';
    rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %*s %*s %*s %*s %*s %" G_GUINT64_FORMAT,
                        ret_start_time) != 1) {
        return -EPROTO;
    }
    return 0;
}

/*
 * In the child, between fork and exec, so nothing here takes memory: a session
 * of its own, so that ^C at ckptd is not for it, and its pid file.  A pid file
 * that is there is whole: what cannot be read is damage, and no absence.
 */
static void become_known(gpointer opaque)
{
    const struct ckptd_spawn *how = opaque;
    char text[64], fresh[PATH_MAX];
    guint64 start_time;
    int fd, len;

    setsid();
    if (snprintf(fresh, sizeof(fresh), "%s.new", how->pid_path) >=
            (int)sizeof(fresh) ||
        read_start_time(getpid(), &start_time) < 0) {
        _exit(127);
    }
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    len = snprintf(text, sizeof(text), "%d %" G_GUINT64_FORMAT "\n",
                   (int)getpid(), start_time);
    if (fd < 0 || write(fd, text, len) != len ||
        rename(fresh, how->pid_path) < 0) {
        _exit(127);
    }
}

/* Know a child that is not reaped yet, so its pid is still its own. */
static gboolean know_child(GPid pid, struct ckptd_process *ret_process,
                           GError **error)
{
    struct ckptd_process process = { .pid = pid };
    int err = 0;

    process.pidfd = pidfd_open_cloexec(pid);
    if (process.pidfd < 0) {
        err = errno;
    } else {
        err = -read_start_time(pid, &process.start_time);
    }
    if (!err) {
        *ret_process = process;
        return TRUE;
    }
    /* Nobody could fence it (F1). */
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    ckptd_process_clear(&process);
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "process %d: %s", (int)pid,
                g_strerror(err));
    return FALSE;
}

/**
 * ckptd_process_spawn() - start a process
 * @how: see there
 * @ret_process: filled in on success
 * @error: set on failure
 *
 * Return: TRUE when the program was executed.
 */
gboolean ckptd_process_spawn(const struct ckptd_spawn *how,
                             struct ckptd_process *ret_process, GError **error)
{
    struct ckptd_process process = CKPTD_PROCESS_NONE;
    g_autoptr(GError) local = NULL;
    int log_fd;
    gboolean ok;

    log_fd =
        open(how->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s", how->log_path,
                    g_strerror(errno));
        return FALSE;
    }
    ok = g_spawn_async_with_pipes_and_fds(
        how->cwd, (const char *const *)how->argv, NULL,
        G_SPAWN_DO_NOT_REAP_CHILD, become_known, (gpointer)how, -1, log_fd,
        log_fd, &how->fd, &how->target_fd, how->fd >= 0 ? 1 : 0, &process.pid,
        NULL, NULL, NULL, &local);
    close(log_fd);
    if (!ok) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "starting %s: %s",
                    how->argv[0], local->message);
        return FALSE;
    }
    return know_child(process.pid, ret_process, error);
}

static gboolean not_known(GError **error, const char *path, int err)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO,
                "%s: it is not known whether this process runs: %s", path,
                g_strerror(err));
    return FALSE;
}

/* The pid file at @path says so.  FALSE: that is not known. */
static gboolean find_named(const char *path, struct ckptd_process *process,
                           GError **error)
{
    guint64 start_time = 0;
    int err;

    process->pidfd = pidfd_open_cloexec(process->pid);
    if (process->pidfd < 0) {
        /* No such process, or the number is of another's thread now. */
        return errno == ESRCH || errno == EINVAL || errno == ENOENT ||
               not_known(error, path, errno);
    }
    /* The pidfd pins the process; only now can the time be compared. */
    err = -read_start_time(process->pid, &start_time);
    if (err && err != ENOENT) {
        return not_known(error, path, err);
    }
    if (err || start_time != process->start_time ||
        ckptd_process_wait(process, 0)) {
        ckptd_process_clear(process);
    }
    return TRUE;
}

/**
 * ckptd_process_find() - find a process that an earlier ckptd started
 * @path: of the pid file
 * @ret_process: filled in on success; CKPTD_PROCESS_NONE where it does not run
 * any more, or there is no pid file
 * @error: _DAMAGED: the pid file says nothing; _IO
 *
 * Return: TRUE when it is known whether it runs.
 */
gboolean ckptd_process_find(const char *path, struct ckptd_process *ret_process,
                            GError **error)
{
    struct ckptd_process process = CKPTD_PROCESS_NONE;
    g_autoptr(GError) local = NULL;
    g_autofree char *text = ckptd_lookup_text(path, &local);
    int pid = 0;

    if (!text && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (text && (sscanf(text, "%d %" G_GUINT64_FORMAT, &pid,
                        &process.start_time) != 2 ||
                 pid <= 0)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: not a pid and a time", path);
        return FALSE;
    }
    process.pid = pid;
    if (text && !find_named(path, &process, error)) {
        ckptd_process_clear(&process);
        return FALSE;
    }
    if (process.pidfd < 0) {
        ckptd_process_clear(&process);
    }
    *ret_process = process;
    return TRUE;
}

/**
 * ckptd_process_watch() - know a process that somebody else started
 * @pid: of it; the caller makes sure that it is still the same afterwards
 * @ret_process: filled in on success
 *
 * Return: TRUE when there is such a process, and it can be watched.
 */
gboolean ckptd_process_watch(GPid pid, struct ckptd_process *ret_process)
{
    struct ckptd_process process = { .pid = pid };

    process.pidfd = pidfd_open_cloexec(pid);
    if (process.pidfd < 0 || read_start_time(pid, &process.start_time) < 0) {
        ckptd_process_clear(&process);
        return FALSE;
    }
    *ret_process = process;
    return TRUE;
}

/**
 * ckptd_process_note() - write a pid file for one that somebody else started
 * @process: running
 * @path: of the file, for ckptd_process_find()
 * @error: set on failure
 *
 * Return: TRUE when written.
 */
gboolean ckptd_process_note(const struct ckptd_process *process,
                            const char *path, GError **error)
{
    g_autofree char *text = g_strdup_printf(
        "%d %" G_GUINT64_FORMAT "\n", (int)process->pid, process->start_time);

    return g_file_set_contents_full(
        path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

/**
 * ckptd_process_kill() - send a signal
 * @process: may have ended, or be none
 * @signal: to send
 */
void ckptd_process_kill(const struct ckptd_process *process, int signal)
{
    if (process->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0);
    }
}

/**
 * ckptd_process_wait() - wait for its end
 * @process: running or not
 * @timeout_ms: 0 only looks, -1 waits for ever
 *
 * Return: TRUE when it has ended.
 */
gboolean ckptd_process_wait(const struct ckptd_process *process, int timeout_ms)
{
    struct pollfd pfd = { process->pidfd, POLLIN, 0 };
    int n;

    if (process->pidfd < 0) {
        return TRUE;
    }
    do {
        n = poll(&pfd, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/**
 * ckptd_process_reap() - how it ended; forgets the process
 * @process: ended
 *
 * One that an earlier ckptd started is not our child: how it ended is not to
 * be known.
 *
 * Return: in words, to be freed.
 */
char *ckptd_process_reap(struct ckptd_process *process)
{
    siginfo_t info = { 0 };
    char *text;

    if (waitid(P_PIDFD, process->pidfd, &info, WEXITED | WNOHANG) < 0 ||
        info.si_pid == 0) {
        text = g_strdup("ended");
    } else if (info.si_code == CLD_EXITED) {
        text = g_strdup_printf("exited with status %d", info.si_status);
    } else {
        text = g_strdup_printf("killed by signal %d (%s)", info.si_status,
                               strsignal(info.si_status));
    }
    ckptd_process_clear(process);
    return text;
}

/**
 * ckptd_process_clear() - forget a process, running or not
 * @process: becomes CKPTD_PROCESS_NONE
 */
void ckptd_process_clear(struct ckptd_process *process)
{
    if (process->pidfd >= 0) {
        close(process->pidfd);
    }
    *process = (struct ckptd_process)CKPTD_PROCESS_NONE;
}
