/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-limits.c - how many descriptors ckptd may have, and what a guest takes
 *
 * A guest that is up has some ten to twenty of them: its store, its sockets, the
 * memory that it shares with QEMU. The soft limit is low for the sake of
 * programs that use select(2), so it is raised to the hard one. A guest for which
 * that is not enough is refused before it begins; what runs is to have room for
 * its recovery, its folds and its labels.
 */
#include "ckptd/ckptd-limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "ckptd/ckptd-error.h"

#define GUEST_FDS 32u /* that one may have at its worst moment */

/**
 * ckptd_limits_raise() - have as many descriptors as this process may have
 */
void ckptd_limits_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/**
 * ckptd_limits_room() - are there descriptors for one guest more?
 * @name: of the guest
 * @error: names the limit where there are not
 *
 * Return: TRUE if so.
 */
gboolean ckptd_limits_room(const char *name, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
    guint open_fds = 0;

    getrlimit(RLIMIT_NOFILE, &limit);
    while (dir && g_dir_read_name(dir)) {
        open_fds++;
    }
    if (dir && open_fds + (guint64)GUEST_FDS <= limit.rlim_cur) {
        return TRUE;
    }
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NO_SPACE,
                "%s: ckptd may have %" PRIu64 " descriptors (RLIMIT_NOFILE, "
                "LimitNOFILE= of its service) and has %u: too few are left "
                "for a guest more",
                name, (uint64_t)limit.rlim_cur, open_fds);
    return FALSE;
}
