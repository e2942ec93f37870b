/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-session-disk.c - a disk that is full or fails, and a guest that waits
 *
 * Theory of operation
 *
 * What cannot be written is not answered: no COMMITTED, so the gate stays shut
 * (G3, S2).  QEMU waits as it does for a slow disk, the guest's connections
 * stay, and nothing is lost, because the epoch lies in the staging memory until
 * it is durable.  So all that there is to do is to try again.  The thread tries
 * after FIRST_DELAY_MS, then after twice as long each time, up to
 * MAX_DELAY_MS; the owner of the session is told once that it waits and why,
 * and once that it goes on.
 *
 * It gives up when the connection ends: QEMU has died or is to end.  The epoch
 * that waits is lost then, and nothing of it was released; the next generation
 * begins with the one before (ckptd_log_settle()).
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/statvfs.h>

#include "ckptd/ckptd-session-internal.h"

#define FIRST_DELAY_MS 50u
#define MAX_DELAY_MS   3200u
#define MIB            1048576.0

/* What is to be said about @error. */
static char *describe(CkptdSession *s, const GError *error)
{
    struct ckptd_store_stats store = { 0 };
    struct statvfs vfs;
    double free_mib;

    if (error->code != CKPTD_ERROR_NO_SPACE ||
        statvfs(s->config.home_dir, &vfs) < 0) {
        return g_strdup(error->message);
    }
    if (s->store) {
        ckptd_store_stats(s->store, &store);
    }
    free_mib = (double)vfs.f_bavail * vfs.f_frsize / MIB;
    return store.need_bytes
               ? g_strdup_printf("no space on %s: %.1f MiB needed, %.1f MiB "
                                 "free",
                                 s->config.home_dir, store.need_bytes / MIB,
                                 free_mib)
               : g_strdup_printf("no space on %s: %.1f MiB free (%s)",
                                 s->config.home_dir, free_mib, error->message);
}

/**
 * ckptd_session_disk_ill() - is it the disk, and worth another try?
 * @s: the session
 * @error: what went wrong; cleared when it is, and noted for people
 *
 * Return: TRUE if so: see ckptd_session_disk_pause().
 * Context: session thread.
 */
gboolean ckptd_session_disk_ill(CkptdSession *s, GError **error)
{
    g_autofree char *text = NULL;
    gint code = (*error)->code;

    if ((*error)->domain != CKPTD_ERROR || s->config.stop_on_full ||
        (code != CKPTD_ERROR_NO_SPACE && code != CKPTD_ERROR_IO)) {
        return FALSE;
    }
    text = describe(s, *error);
    g_mutex_lock(&s->lock);
    g_strlcpy(s->stats.waiting, text, sizeof(s->stats.waiting));
    g_mutex_unlock(&s->lock);
    if (!s->disk_delay_ms || s->disk_code != code) {
        ckptd_session_notify(s, CKPTD_SESSION_WAITING, code, text);
    }
    s->disk_code = code;
    s->disk_delay_ms = s->disk_delay_ms
                           ? MIN(2 * s->disk_delay_ms, MAX_DELAY_MS)
                           : FIRST_DELAY_MS;
    g_clear_error(error);
    return TRUE;
}

/**
 * ckptd_session_disk_pause() - wait until it is time for another try
 * @s: the session
 * @conn_fd: the connection
 *
 * Return: FALSE if the connection has ended: nobody wants it any more.
 * Context: session thread; blocks.
 */
gboolean ckptd_session_disk_pause(CkptdSession *s, int conn_fd)
{
    struct pollfd pfd = { .fd = conn_fd };
    int ret;

    do {
        ret = poll(&pfd, 1, s->disk_delay_ms);
    } while (ret < 0 && errno == EINTR);
    return ret == 0;
}

/**
 * ckptd_session_disk_retry() - a write failed: is it to be tried again?
 * @s: the session
 * @conn_fd: the connection
 * @why: what went wrong, which is taken
 * @error: set to that where it is not the disk
 *
 * Return: TRUE when it is time for another try; FALSE without @error: the
 * connection has ended.
 * Context: session thread; blocks.
 */
gboolean ckptd_session_disk_retry(CkptdSession *s, int conn_fd, GError *why,
                                  GError **error)
{
    if (!ckptd_session_disk_ill(s, &why)) {
        g_propagate_error(error, why);
        return FALSE;
    }
    return ckptd_session_disk_pause(s, conn_fd);
}

/**
 * ckptd_session_disk_well() - it was written
 * @s: the session
 *
 * Context: session thread.
 */
void ckptd_session_disk_well(CkptdSession *s)
{
    if (!s->disk_delay_ms) {
        return;
    }
    s->disk_delay_ms = 0;
    g_mutex_lock(&s->lock);
    s->stats.waiting[0] = '\0';
    g_mutex_unlock(&s->lock);
    ckptd_session_notify(s, CKPTD_SESSION_GOES_ON, 0, NULL);
}
