/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-life.c - a guest's life.conf, and all else that tells the next
 * ckptd how the guest stood
 *
 * What is not there says something: a guest without life.conf was never
 * started, one without a pid file has no QEMU.  What cannot be read says
 * nothing.  So a guest is loaded before anything is done about it, and one of
 * which not all is known is left alone, its QEMU with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-lookup.h"

#define LIFE       "life"
#define LIFE_BYTES 512 /* a sector; more if it takes more */

/*
 * Write into the file as it is, and leave it to the system when that reaches the
 * disk: in the middle of a recovery there is no time for it. Not a file that is
 * renamed to @path: when the host dies the name may be there without the bytes.
 * A sector is the old one or the new one.
 */
static gboolean overwrite_soon(const char *path, const char *sector,
                               GError **error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    gboolean ok =
        fd >= 0 && pwrite(fd, sector, LIFE_BYTES, 0) == (ssize_t)LIFE_BYTES;

    if (!ok) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s", path,
                    g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/*
 * Is it a crash when all of it is gone the next time that a ckptd looks?  Not
 * where somebody else starts QEMU and this one has not run the guest yet: it
 * may be still to come in, and run elsewhere (F1).
 */
static gboolean is_to_be_up(const CkptdGuest *g)
{
    return !ckptd_guest_is_down(g) && g->state != CKPTD_GUEST_STOPPING &&
           !ckptd_guest_is_settling(g) &&
           (g->last.welcomed || !ckptd_spec_is_external(g->spec));
}

/**
 * ckptd_guest_save_life() - write down how it stands, for the next ckptd
 * @g: the guest
 *
 * Whether it should be up is durable when this returns.
 */
void ckptd_guest_save_life(CkptdGuest *g)
{
    g_autofree char *path = ckptd_guest_file(g, "life.conf");
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL, *sector = NULL;
    gboolean up = is_to_be_up(g);

    g_key_file_set_boolean(file, LIFE, "up", up);
    g_key_file_set_integer(file, LIFE, "state",
                           up ? CKPTD_GUEST_CREATED
                           : g->state == CKPTD_GUEST_STOPPING
                               ? CKPTD_GUEST_STOPPED
                               : g->state);
    g_key_file_set_uint64(file, LIFE, "recoveries", g->recoveries);
    g_key_file_set_int64(file, LIFE, "created", g->created_s);
    g_key_file_set_uint64(file, LIFE, "epoch", g->final.committed);
    g_key_file_set_uint64(file, LIFE, "generation", g->final.generation);
    g_key_file_set_uint64(file, LIFE, "ended_epoch", g->ended_epoch);
    g_key_file_set_boolean(file, LIFE, "crashed", g->crashed);
    g_key_file_set_boolean(file, LIFE, "ending", g->ending);
    g_key_file_set_boolean(file, LIFE, "stopping", g->stop_pending);
    if (g->has_exit_status) {
        g_key_file_set_uint64(file, LIFE, "exit_status", g->exit_status);
    }
    if (g->reason) {
        g_key_file_set_string(file, LIFE, "reason", g->reason);
    }
    data = g_key_file_to_data(file, NULL, NULL);
    sector = g_strdup_printf("%-*s", LIFE_BYTES, data);
    if (up && g->saved_up && strlen(sector) == LIFE_BYTES) {
        overwrite_soon(path, sector, &error);
    } else {
        g_file_set_contents_full(path, sector, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT |
                                     G_FILE_SET_CONTENTS_DURABLE,
                                 0600, &error);
    }
    g->saved_up = up;
    if (error) {
        g_warning("%s: %s", g->spec->name, error->message);
    }
}

/* Return: whether life.conf is there; FALSE without @error: it is not. */
static gboolean read_life(const CkptdGuest *g, GKeyFile *file, GError **error)
{
    g_autofree char *path = ckptd_guest_file(g, "life.conf");
    g_autoptr(GError) local = NULL;

    if (ckptd_lookup_keys(file, path, &local)) {
        return TRUE;
    }
    if (!ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
    }
    return FALSE;
}

static gboolean load_life(CkptdGuest *g, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) local = NULL;
    gint state;

    if (!read_life(g, file, &local)) {
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        return TRUE;
    }
    g->wanted_up = g_key_file_get_boolean(file, LIFE, "up", &local);
    state = local ? 0 : g_key_file_get_integer(file, LIFE, "state", &local);
    if (local) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED, "%s/life.conf: %s",
                    g->state_dir, local->message);
        return FALSE;
    }
    if (state == CKPTD_GUEST_STOPPED || state == CKPTD_GUEST_EXITED ||
        state == CKPTD_GUEST_FAILED || state == CKPTD_GUEST_ENDING) {
        g->state = state;
    }
    g->recoveries = g_key_file_get_uint64(file, LIFE, "recoveries", NULL);
    g->created_s = g_key_file_get_int64(file, LIFE, "created", NULL);
    g->final.committed = g_key_file_get_uint64(file, LIFE, "epoch", NULL);
    g->final.captured = g->final.committed;
    g->final.generation = g_key_file_get_uint64(file, LIFE, "generation", NULL);
    g->ended_epoch = g_key_file_get_uint64(file, LIFE, "ended_epoch", NULL);
    g->crashed = g_key_file_get_boolean(file, LIFE, "crashed", NULL);
    g->ending = g_key_file_get_boolean(file, LIFE, "ending", NULL);
    g->stop_pending = g_key_file_get_boolean(file, LIFE, "stopping", NULL);
    g->has_exit_status = g_key_file_has_key(file, LIFE, "exit_status", NULL);
    g->exit_status = g_key_file_get_uint64(file, LIFE, "exit_status", NULL);
    g->reason = g_key_file_get_string(file, LIFE, "reason", NULL);
    return TRUE;
}

static gboolean find_qemu(CkptdGuest *g, GError **error)
{
    g_autofree char *pid =
        ckptd_guest_runtime_file(g, CKPTD_LAUNCH_QEMU_PID_FILE);

    return ckptd_process_find(pid, &g->qemu, error);
}

/**
 * ckptd_guest_load() - find a guest that an earlier ckptd made
 * @paths: of the daemon
 * @name: of the guest
 * @error: set when its files are not whole, or not all can be read
 *
 * Nothing was done to it, or to its QEMU, where this fails.
 *
 * Return: the guest, in state created until ckptd_guest_resume().
 */
CkptdGuest *ckptd_guest_load(const struct ckptd_paths *paths, const char *name,
                             GError **error)
{
    g_autoptr(CkptdGuest) g = ckptd_guest_alloc(paths, name);
    g_autofree char *conf = ckptd_guest_file(g, "guest.conf");

    g->spec = ckptd_spec_load(conf, error);
    if (!g->spec) {
        return NULL;
    }
    if (strcmp(g->spec->name, name)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID, "%s describes %s",
                    conf, g->spec->name);
        return NULL;
    }
    if (!load_life(g, error) || !find_qemu(g, error) ||
        !ckptd_guest_net_find(g, error) ||
        !ckptd_guest_travel_find(g, paths->state_dir, error)) {
        return NULL;
    }
    ckptd_guest_lines_tidy(g);
    return g_steal_pointer(&g);
}
