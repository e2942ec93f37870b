/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-forward.c - a guest's Ethernet, brought to where the guest is now
 *
 * Theory of operation
 *
 * A guest that moves to a host on another network keeps its address, and its
 * neighbours look for it where it was.  So its old host puts one end of a VXLAN
 * tunnel into the bridge that the guest was in, and the new host the other end
 * into a bridge made for this guest alone: the two Ethernets do not become one,
 * only the guest's cable is longer.
 *
 *   neighbours -- bridge -- vxlan ~~~~ routers ~~~~ vxlan -- own bridge -- TAP
 *                 HOME                                       AWAY
 *
 * The kernel carries the frames, whether ckptd runs or not.  Outer packets may
 * be fragmented, so that the guest's frames stay as long as they were.  What
 * there is, is written down in forwards/GUEST.conf and made again after the
 * host was down.
 */
#include "ckptd/ckptd-forward.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <net/if.h>
#include <string.h>

#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-paths.h"
#include "ckptd/ckptd-spec.h"
#include "ckptd/ckptd-sum.h"
#include "ckptd/ckptd-tap.h"

#define GROUP  "forward"
#define SUFFIX ".conf"
#define PORT   "4789"
#define MTU    "1500"

/**
 * ckptd_forward_free() - free one
 * @forward: may be NULL
 */
void ckptd_forward_free(struct ckptd_forward *forward)
{
    if (forward) {
        g_free(forward->guest);
        g_free(forward->uuid);
        g_free(forward->host);
        g_free(forward->address);
        g_free(forward->bridge);
        g_free(forward);
    }
}

/**
 * ckptd_forward_vni() - number of a guest's tunnel
 * @uuid: of the guest
 *
 * Return: the same for the same guest, not 0.
 */
guint ckptd_forward_vni(const char *uuid)
{
    return ckptd_sum(uuid, strlen(uuid), 0) % CKPTD_FORWARD_VNI_MAX + 1;
}

/**
 * ckptd_forward_bridge() - name of the bridge that a guest has away from home
 * @uuid: of the guest
 *
 * Return: to be freed.
 */
char *ckptd_forward_bridge(const char *uuid)
{
    return g_strdup_printf("ckv%.8s", uuid);
}

static char *tunnel_of(const struct ckptd_forward *f)
{
    return g_strdup_printf("ckx%.8s", f->uuid);
}

/* --- the kernel's part ---------------------------------------------------- */

/* ip(8) with the given words. */
static gboolean ip(GError **error, ...) G_GNUC_NULL_TERMINATED;

static gboolean ip(GError **error, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *said = NULL;
    const char *word = "ip";
    g_autoptr(GError) local = NULL;
    va_list words;
    gint status;

    va_start(words, error);
    for (; word; word = va_arg(words, const char *)) {
        g_ptr_array_add(argv, (gpointer)word);
    }
    va_end(words);
    g_ptr_array_add(argv, NULL);
    if (g_spawn_sync(NULL, (char **)argv->pdata, NULL,
                     G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL,
                     NULL, NULL, &said, &status, &local) &&
        g_spawn_check_wait_status(status, &local)) {
        return TRUE;
    }
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "the tunnel: %s",
                said && said[0] ? g_strchomp(said) : local->message);
    return FALSE;
}

static gboolean there(const char *name)
{
    return if_nametoindex(name) != 0;
}

static gboolean make_bridge(const char *name, GError **error)
{
    return there(name) ||
           (ip(error, "link", "add", "name", name, "type", "bridge",
               "stp_state", "0", "forward_delay", "0", NULL) &&
            ip(error, "link", "set", "dev", name, "up", NULL));
}

static void tear_down(const struct ckptd_forward *f)
{
    g_autofree char *tunnel = tunnel_of(f);
    g_autoptr(GError) error = NULL;

    if (there(tunnel) && !ip(&error, "link", "del", "dev", tunnel, NULL)) {
        g_warning("%s: %s", f->guest, error->message);
        g_clear_error(&error);
    }
    if (f->end == CKPTD_FORWARD_AWAY && there(f->bridge) &&
        !ip(&error, "link", "del", "dev", f->bridge, NULL)) {
        g_warning("%s: %s", f->guest, error->message);
    }
}

static gboolean set_up(const struct ckptd_forward *f, GError **error)
{
    g_autofree char *tunnel = tunnel_of(f);
    g_autofree char *vni = g_strdup_printf("%u", f->vni);

    if (there(tunnel)) {
        return TRUE;
    }
    if ((f->end == CKPTD_FORWARD_AWAY && !make_bridge(f->bridge, error)) ||
        !ip(error, "link", "add", "name", tunnel, "type", "vxlan", "id", vni,
            "remote", f->address, "dstport", PORT, NULL) ||
        !ip(error, "link", "set", "dev", tunnel, "mtu", MTU, "master",
            f->bridge, "up", NULL)) {
        tear_down(f);
        return FALSE;
    }
    return TRUE;
}

/* --- what is written down ------------------------------------------------- */

static char *conf_path(const char *state_dir, const char *guest)
{
    g_autofree char *file = g_strconcat(guest, SUFFIX, NULL);

    return g_build_filename(state_dir, "forwards", file, NULL);
}

static gboolean save(const char *state_dir, const struct ckptd_forward *f,
                     GError **error)
{
    g_autofree char *dir = g_build_filename(state_dir, "forwards", NULL);
    g_autofree char *path = conf_path(state_dir, f->guest);
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *text = NULL;
    gsize len;

    g_key_file_set_string(conf, GROUP, "uuid", f->uuid);
    g_key_file_set_string(conf, GROUP, "host", f->host);
    g_key_file_set_string(conf, GROUP, "address", f->address);
    g_key_file_set_string(conf, GROUP, "bridge", f->bridge);
    g_key_file_set_integer(conf, GROUP, "end", f->end);
    g_key_file_set_integer(conf, GROUP, "vni", f->vni);
    text = g_key_file_to_data(conf, &len, NULL);
    return ckptd_paths_make_dir(dir, error) &&
           g_file_set_contents_full(path, text, len,
                                    G_FILE_SET_CONTENTS_CONSISTENT |
                                        G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

static gboolean sane(const struct ckptd_forward *f)
{
    g_autoptr(GInetAddress) address =
        f->address ? g_inet_address_new_from_string(f->address) : NULL;

    return address && f->uuid && g_uuid_string_is_valid(f->uuid) && f->host &&
           f->bridge && ckptd_tap_name_ok(f->bridge) && f->vni &&
           f->vni <= CKPTD_FORWARD_VNI_MAX &&
           (f->end == CKPTD_FORWARD_HOME || f->end == CKPTD_FORWARD_AWAY);
}

/**
 * ckptd_forward_find() - the tunnel of a guest
 * @state_dir: of the daemon
 * @guest:     its name
 * @error:     CKPTD_ERROR_NOT_FOUND: it has none; any other: that is not known
 *
 * Return: to be freed, or NULL.
 */
struct ckptd_forward *ckptd_forward_find(const char *state_dir,
                                         const char *guest, GError **error)
{
    g_autofree char *path = conf_path(state_dir, guest);
    g_autoptr(CkptdForward) f = g_new0(struct ckptd_forward, 1);
    g_autoptr(GKeyFile) conf = g_key_file_new();

    if (!ckptd_lookup_keys(conf, path, error)) {
        return NULL;
    }
    f->guest = g_strdup(guest);
    f->uuid = g_key_file_get_string(conf, GROUP, "uuid", NULL);
    f->host = g_key_file_get_string(conf, GROUP, "host", NULL);
    f->address = g_key_file_get_string(conf, GROUP, "address", NULL);
    f->bridge = g_key_file_get_string(conf, GROUP, "bridge", NULL);
    f->end = g_key_file_get_integer(conf, GROUP, "end", NULL);
    f->vni = g_key_file_get_integer(conf, GROUP, "vni", NULL);
    if (!sane(f)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s: describes no tunnel", path);
        return NULL;
    }
    return g_steal_pointer(&f);
}

/**
 * ckptd_forward_list() - all tunnels
 * @state_dir: of the daemon
 *
 * Return: (element-type CkptdForward): to be unreffed.
 */
GPtrArray *ckptd_forward_list(const char *state_dir)
{
    g_autofree char *path = g_build_filename(state_dir, "forwards", NULL);
    GPtrArray *all =
        g_ptr_array_new_with_free_func((GDestroyNotify)ckptd_forward_free);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) names = ckptd_io_list(ckptd_io_system(), path, &error);
    guint i;

    if (!names && !ckptd_lookup_is_absence(error)) {
        g_warning("tunnels: %s", error->message);
    }
    for (i = 0; names && i < names->len; i++) {
        const char *name = names->pdata[i];
        g_autofree char *guest = g_strdup(name);
        g_autoptr(GError) local = NULL;
        struct ckptd_forward *f;

        if (!g_str_has_suffix(name, SUFFIX)) {
            continue;
        }
        guest[strlen(name) - strlen(SUFFIX)] = '\0';
        f = ckptd_spec_name_ok(guest)
                ? ckptd_forward_find(state_dir, guest, &local)
                : NULL;
        if (f) {
            g_ptr_array_add(all, f);
        } else if (local) {
            g_warning("%s is left alone: %s", name, local->message);
        }
    }
    return all;
}

/* --- what others call ----------------------------------------------------- */

/**
 * ckptd_forward_add() - have one end of a tunnel, now and later
 * @state_dir: of the daemon
 * @forward:   which
 * @error:     says why not
 *
 * Return: TRUE when it is there.
 * Context: main thread; blocks for some milliseconds.
 */
gboolean ckptd_forward_add(const char *state_dir,
                           const struct ckptd_forward *forward, GError **error)
{
    if (!sane(forward)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "a tunnel that cannot be");
        return FALSE;
    }
    if (!set_up(forward, error)) {
        return FALSE;
    }
    if (!save(state_dir, forward, error)) {
        tear_down(forward);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_forward_remove() - end a tunnel
 * @state_dir: of the daemon
 * @guest:     whose
 * @error:     CKPTD_ERROR_NOT_FOUND
 *
 * Return: TRUE when it is gone.
 * Context: main thread; blocks for some milliseconds.
 */
gboolean ckptd_forward_remove(const char *state_dir, const char *guest,
                              GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(CkptdForward) f = ckptd_forward_find(state_dir, guest, &local);
    g_autofree char *path = conf_path(state_dir, guest);

    if (!f && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!f) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "nothing is forwarded for %s; `ckptctl forward ls` lists "
                    "what is",
                    guest);
        return FALSE;
    }
    if (g_unlink(path) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "removing %s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    tear_down(f);
    return TRUE;
}

/**
 * ckptd_forward_resume() - make again what the host lost when it was down
 * @state_dir: of the daemon
 */
void ckptd_forward_resume(const char *state_dir)
{
    g_autoptr(GPtrArray) all = ckptd_forward_list(state_dir);
    guint i;

    for (i = 0; i < all->len; i++) {
        g_autoptr(GError) error = NULL;

        if (!set_up(g_ptr_array_index(all, i), &error)) {
            g_warning("%s", error->message);
        }
    }
}
