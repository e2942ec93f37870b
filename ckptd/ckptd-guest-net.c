/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-net.c - a guest's network, over all of its QEMUs
 *
 * Either a ckpt-netd, which gives each QEMU a socket of its own, or a TAP, of
 * which each QEMU gets the same descriptor. Both are made when the guest goes
 * up and end when it is down; in between they outlive QEMU, which is why its
 * clients' connections do.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-netctl.h"
#include "ckptd/ckptd-tap.h"

#define NETD_START_MS 5000
#define NETD_QUIT_MS  1000
#define NETD_DRAIN_MS 20 /* most have nothing left: no need to be told later */

static gboolean is_net(const CkptdGuest *g, const char *net)
{
    return g_str_equal(g->spec->net, net);
}

static gboolean on_netd_death(gint fd G_GNUC_UNUSED,
                              GIOCondition condition G_GNUC_UNUSED,
                              gpointer opaque)
{
    CkptdGuest *g = opaque;
    g_autofree char *how = ckptd_process_reap(&g->netd);

    g->netd_source = 0;
    if (ckptd_guest_is_settling(g)) {
        ckptd_guest_settled(g);
        return G_SOURCE_REMOVE;
    }
    g_warning("%s: the network %s; its connections are lost", g->spec->name,
              how);
    ckptd_process_kill(&g->qemu, SIGKILL);
    return G_SOURCE_REMOVE;
}

static void watch_netd(CkptdGuest *g)
{
    g->netd_source = g_unix_fd_add(g->netd.pidfd, G_IO_IN, on_netd_death, g);
}

static int netd_end(int *ret_far_fd, GError **error)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "socketpair: %s",
                    g_strerror(errno));
        return -1;
    }
    *ret_far_fd = pair[0];
    return pair[1];
}

static int tap_up(CkptdGuest *g, GError **error)
{
    g_autofree char *own = g_strdup_printf("ck%.8s", g->spec->uuid);
    int fd;

    if (g->tap_fd < 0) {
        g->tap_fd = ckptd_tap_open(g->spec->ifname, own, g->spec->bridge,
                                   g->spec->mac, error);
        if (g->tap_fd < 0) {
            return -1;
        }
    }
    fd = fcntl(g->tap_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "TAP: %s",
                    g_strerror(errno));
    }
    return fd;
}

/**
 * ckptd_guest_net_up() - begin to have a network, and make an end of it for
 *                        the next QEMU
 * @g: the guest; its last QEMU is dead
 * @ret_ends: the end, -1 without a network; and the one on the other side, -1
 *            if there is nobody; to be closed by the caller
 * @error: set on failure
 *
 * Return: TRUE when @ret_ends is valid.
 */
gboolean ckptd_guest_net_up(CkptdGuest *g, int ret_ends[2], GError **error)
{
    int fd = -1, far_fd = -1;

    if (is_net(g, "user")) {
        fd = netd_end(&far_fd, error);
    } else if (is_net(g, "tap")) {
        fd = tap_up(g, error);
    } else {
        ret_ends[0] = ret_ends[1] = -1;
        return TRUE;
    }
    if (fd >= 0) {
        ret_ends[0] = fd;
        ret_ends[1] = far_fd;
    }
    return fd >= 0;
}

/**
 * ckptd_guest_net_join() - join both sides of the network
 * @g: the guest, with a QEMU that has its end
 * @ends: from ckptd_guest_net_up()
 * @error: has what ckpt-netd said, most likely that a port is taken
 *
 * The first time, ckpt-netd is started here: while QEMU builds its machine.
 *
 * Return: TRUE when frames pass.
 * Context: blocks for some milliseconds, the first time.
 */
gboolean ckptd_guest_net_join(CkptdGuest *g, const int ends[2], GError **error)
{
    g_autofree char *socket =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_NETD_SOCKET);
    g_autofree char *log = ckptd_guest_file(g, "netd.log");
    const int pair[2] = { ends[1], ends[0] };

    if (ends[1] < 0) {
        return TRUE;
    }
    if (g->netd.pidfd < 0) {
        if (!ckptd_launch_netd(g->spec, g->runtime_dir, log, &g->netd, error)) {
            return FALSE;
        }
        watch_netd(g);
    }
    return ckptd_netctl_wait(socket, &g->netd, NETD_START_MS, log, error) &&
           ckptd_netctl_attach(socket, pair, error);
}

/**
 * ckptd_guest_net_down() - end the network
 * @g: the guest; its last QEMU is dead, so a TAP that was made is gone with
 *     the descriptor that is closed here
 * @reset: connections that ckpt-netd kept end by a reset (R2)
 */
void ckptd_guest_net_down(CkptdGuest *g, gboolean reset)
{
    g_autofree char *socket =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_NETD_SOCKET);

    g_clear_handle_id(&g->netd_source, g_source_remove);
    if (g->tap_fd >= 0) {
        close(g->tap_fd);
        g->tap_fd = -1;
    }
    if (g->netd.pidfd < 0) {
        return;
    }
    ckptd_netctl_quit(socket, reset);
    if (!ckptd_process_wait(&g->netd, NETD_QUIT_MS)) {
        ckptd_process_kill(&g->netd, SIGKILL);
        ckptd_process_wait(&g->netd, -1);
    }
    g_free(ckptd_process_reap(&g->netd));
}

/**
 * ckptd_guest_net_watch() - be told when the network ends
 * @g: the guest, with a ckpt-netd
 */
void ckptd_guest_net_watch(CkptdGuest *g)
{
    watch_netd(g);
}

/**
 * ckptd_guest_net_drain() - let peers have what the guest sent them
 * @g: the guest, which has ended; its QEMU is dead
 *
 * Return: TRUE when ckpt-netd still has some of it: its end will be told.
 */
gboolean ckptd_guest_net_drain(CkptdGuest *g)
{
    g_autofree char *socket =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_NETD_SOCKET);

    return g->netd_source && ckptd_netctl_drain(socket) &&
           !ckptd_process_wait(&g->netd, NETD_DRAIN_MS);
}

/*
 * Is one of the process's descriptors @end?  An earlier ckptd may have died
 * between starting QEMU and telling ckpt-netd of it: then nobody keeps a copy
 * of QEMU's end.
 */
static gboolean has_end(const struct ckptd_process *netd, const char *end,
                        gboolean *ret_has, GError **error)
{
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int)netd->pid);
    g_autoptr(GPtrArray) names = ckptd_io_list(ckptd_io_system(), fds, error);
    guint i;

    *ret_has = FALSE;
    for (i = 0; names && i < names->len && !*ret_has; i++) {
        g_autofree char *fd = g_build_filename(fds, names->pdata[i], NULL);
        g_autoptr(GError) local = NULL;
        g_autofree char *what = ckptd_lookup_link(fd, &local);

        if (!what && !ckptd_lookup_is_absence(local)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        *ret_has = g_strcmp0(what, end) == 0;
    }
    return names != NULL;
}

/* Sets @g->cut_off.  Return: FALSE when it is not known. */
static gboolean find_join(CkptdGuest *g, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int)g->qemu.pid,
                                            CKPTD_LAUNCH_NET_FD);
    g_autoptr(GError) local = NULL;
    g_autofree char *end = ckptd_lookup_link(path, &local);
    gboolean joined = FALSE;

    if ((!end && !ckptd_lookup_is_absence(local)) ||
        (end && !has_end(&g->netd, end, &joined, &local) &&
         !ckptd_lookup_is_absence(local))) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g->cut_off = !joined;
    return TRUE;
}

/**
 * ckptd_guest_net_find() - what an earlier ckptd left behind
 * @g: the guest; its QEMU was looked for already
 * @error: set on failure
 *
 * Return: TRUE when it is known.
 */
gboolean ckptd_guest_net_find(CkptdGuest *g, GError **error)
{
    g_autofree char *pid =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_NETD_PID_FILE);

    if (ckptd_spec_is_external(g->spec)) {
        return TRUE;
    }
    if (!ckptd_process_find(pid, &g->netd, error)) {
        return FALSE;
    }
    if (g->netd.pidfd < 0) {
        g->cut_off = is_net(g, "user");
        return TRUE;
    }
    return g->qemu.pidfd < 0 || find_join(g, error);
}

static void take_back_tap(CkptdGuest *g)
{
    g_autoptr(GError) error = NULL;

    if (!is_net(g, "tap") || g->qemu.pidfd < 0) {
        return;
    }
    g->tap_fd = ckptd_tap_take_back(&g->qemu, CKPTD_LAUNCH_NET_FD, &error);
    if (g->tap_fd < 0) {
        g_warning("%s: %s; when QEMU dies, its interface will be gone for a "
                  "moment",
                  g->spec->name, error->message);
    }
}

/**
 * ckptd_guest_net_resume() - go on with what was found
 * @g: the guest, to be up
 *
 * Return: FALSE when its QEMU talks to nobody any more.
 */
gboolean ckptd_guest_net_resume(CkptdGuest *g)
{
    take_back_tap(g);
    if (g->netd.pidfd >= 0) {
        watch_netd(g);
    }
    return !g->cut_off;
}

/**
 * ckptd_guest_net_leave() - let go of the network, which goes on
 * @g: the guest
 */
void ckptd_guest_net_leave(CkptdGuest *g)
{
    g_clear_handle_id(&g->netd_source, g_source_remove);
    ckptd_process_clear(&g->netd);
    if (g->tap_fd >= 0) {
        close(g->tap_fd);
        g->tap_fd = -1;
    }
}
