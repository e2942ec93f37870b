/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-files.c - a guest's files, and what is told about it
 *
 * In the state directory, guests/NAME/:
 *   guest.conf     what the user asked for (ckptd-spec.c)
 *   life.conf      whether it should be up, how it ended
 *   bundle         what it boots with
 *   store/         its checkpoints
 *   labels/        those that have a name
 *   console.log    what the program wrote, committed; console.seq beside it
 *   qemu.log, netd.log, libvirt.log   what these say
 *   domain.xml     how libvirt starts it (ckpt-libvirt), of an external guest
 * In the runtime directory, guests/NAME/: sockets and pid files, gone when the
 * guest is down; engines/NAME.sock: where the QEMU of an external guest reports,
 * as long as there is the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-dir.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-tap.h"

/**
 * ckptd_guest_file() - path of a file of the guest
 * @g: the guest
 * @name: in its state directory
 *
 * Return: to be freed.
 */
char *ckptd_guest_file(const CkptdGuest *g, const char *name)
{
    return g_build_filename(g->state_dir, name, NULL);
}

/**
 * ckptd_guest_runtime_file() - path of a socket or pid file of the guest
 * @g: the guest
 * @name: in its runtime directory
 *
 * Return: to be freed.
 */
char *ckptd_guest_runtime_file(const CkptdGuest *g, const char *name)
{
    return g_build_filename(g->runtime_dir, name, NULL);
}

/**
 * ckptd_guest_engine_path() - where the guest's QEMU reports
 * @g: the guest
 *
 * That of an external guest lies where its owner gets to, which is in no
 * directory of the guest's own.
 *
 * Return: to be freed.
 */
char *ckptd_guest_engine_path(const CkptdGuest *g)
{
    g_autofree char *file = NULL;

    if (!ckptd_spec_is_external(g->spec)) {
        return ckptd_guest_runtime_file(g, CKPTD_LAUNCH_ENGINE_SOCKET);
    }
    file = g_strdup_printf("%s.sock", g->spec->name);
    return g_build_filename(g->engines_dir, file, NULL);
}

/**
 * ckptd_guest_alloc() - a guest object without a spec
 * @paths: of the daemon
 * @name: of the guest
 *
 * Return: with one reference.
 */
CkptdGuest *ckptd_guest_alloc(const struct ckptd_paths *paths, const char *name)
{
    CkptdGuest *g = g_new0(CkptdGuest, 1);

    g->refs = 1;
    g->state_dir = g_build_filename(paths->state_dir, "guests", name, NULL);
    g->runtime_dir = g_build_filename(paths->runtime_dir, "guests", name, NULL);
    g->engines_dir = g_build_filename(paths->runtime_dir, "engines", NULL);
    g->caller_fd = -1;
    g->qemu = g->netd = g->caller = (struct ckptd_process)CKPTD_PROCESS_NONE;
    g->tap_fd = -1;
    ckptd_notes_init(&g->notes);
    g->down_waiters = g_array_new(FALSE, FALSE, sizeof(struct ckptd_waiter));
    g->checkpoint_waiters =
        g_array_new(FALSE, FALSE, sizeof(struct ckptd_waiter));
    g->start_waiters = g_array_new(FALSE, FALSE, sizeof(struct ckptd_waiter));
    g->created_s = g_get_real_time() / G_USEC_PER_SEC;
    return g;
}

/**
 * ckptd_guest_ref() - one reference more
 * @g: the guest
 *
 * Return: it.
 * Context: any thread.
 */
CkptdGuest *ckptd_guest_ref(CkptdGuest *g)
{
    g_atomic_int_inc(&g->refs);
    return g;
}

/**
 * ckptd_guest_unref() - one reference less
 * @g: the guest, may be NULL; let go of (ckptd_guest_leave()) or down
 */
void ckptd_guest_unref(CkptdGuest *g)
{
    if (!g || !g_atomic_int_dec_and_test(&g->refs)) {
        return;
    }
    g_assert(!g->session && !g->engine_socket && !g->libvirt);
    ckptd_process_clear(&g->qemu);
    ckptd_process_clear(&g->netd);
    ckptd_notes_clear(&g->notes);
    ckptd_spec_free(g->spec);
    g_array_unref(g->down_waiters);
    g_array_unref(g->checkpoint_waiters);
    g_array_unref(g->start_waiters);
    g_free(g->state_dir);
    g_free(g->runtime_dir);
    g_free(g->engines_dir);
    g_free(g->reason);
    g_free(g->move_back);
    g_free(g->panic);
    g_free(g->last.fatal);
    g_free(g->last.bad);
    g_free(g->back_to);
    g_free(g->naming);
    g_free(g);
}

/**
 * ckptd_guest_observe() - be told of every change of state
 * @g: the guest
 * @observer: replaces the one before
 * @opaque: for it
 */
void ckptd_guest_observe(CkptdGuest *g, CkptdGuestObserver observer,
                         gpointer opaque)
{
    g->observer = observer;
    g->observer_opaque = opaque;
}

/**
 * ckptd_guest_spec() - what the user asked for
 * @g: the guest
 *
 * Return: owned by the guest.
 */
const struct ckptd_spec *ckptd_guest_spec(const CkptdGuest *g)
{
    return g->spec;
}

/**
 * ckptd_guest_origin() - a file of the guest from whose label this one began
 * @g: the guest
 * @name: in the other's state directory; "labels" is that very label
 *
 * Return: to be freed; NULL if it began by booting.
 */
char *ckptd_guest_origin(const CkptdGuest *g, const char *name)
{
    const char *at = g->spec->from ? strchr(g->spec->from, '@') : NULL;
    g_autofree char *guests = g_path_get_dirname(g->state_dir);
    g_autofree char *other =
        at ? g_strndup(g->spec->from, at - g->spec->from) : NULL;

    if (!at) {
        return NULL;
    }
    return g_build_filename(guests, other, name,
                            g_str_equal(name, "labels") ? at + 1 : NULL, NULL);
}

/*
 * What it boots with. One that began with a label does so only after its
 * program's end, see ckptd_guest_readdress(); until then QEMU needs no more than
 * the file, and that of the other guest will do.
 */
static gboolean make_bundle(const CkptdGuest *g, GError **error)
{
    g_autofree char *bundle = ckptd_guest_file(g, "bundle");
    g_autofree char *other = ckptd_guest_origin(g, "bundle");

    if (ckptd_spec_is_external(g->spec)) {
        return TRUE;
    }
    if (!other) {
        return ckptd_spec_make_bundle(g->spec, bundle, error);
    }
    return ckptd_io_link(ckptd_io_system(), other, g->state_dir, "bundle",
                         error);
}

/**
 * ckptd_guest_readdress() - have a boot bundle with the guest's own addresses
 * @g: the guest, about to boot anew
 * @error: set on failure
 *
 * Return: TRUE when its bundle will do.
 */
gboolean ckptd_guest_readdress(const CkptdGuest *g, GError **error)
{
    g_autofree char *bundle = ckptd_guest_file(g, "bundle");

    return !g->spec->from ||
           ckptd_spec_copy_bundle(g->spec, bundle, bundle, error);
}

/**
 * ckptd_guest_new_dir() - make a guest's directory, which nobody else may have
 * @g: without any files
 * @error: CKPTD_ERROR_EXISTS: there is one already
 *
 * Return: TRUE when it is there, new, and ours alone.
 */
gboolean ckptd_guest_new_dir(const CkptdGuest *g, GError **error)
{
    g_autofree char *guests = g_path_get_dirname(g->state_dir);

    return ckptd_paths_make_dir(guests, error) &&
           ckptd_guest_dir_make(ckptd_io_system(), g->state_dir, error);
}

/**
 * ckptd_guest_create() - make a new guest's files
 * @paths: of the daemon
 * @spec: taken over on success
 * @error: set on failure, nothing stays then
 *
 * Return: the guest, in state created.
 */
CkptdGuest *ckptd_guest_create(const struct ckptd_paths *paths,
                               struct ckptd_spec *spec, GError **error)
{
    g_autoptr(CkptdGuest) g = ckptd_guest_alloc(paths, spec->name);
    g_autofree char *conf = ckptd_guest_file(g, "guest.conf");

    if (!ckptd_guest_new_dir(g, error)) {
        return NULL;
    }
    g->spec = spec;
    if (!make_bundle(g, error) || !ckptd_spec_save(spec, conf, error) ||
        !ckptd_guest_dir_keep(ckptd_io_system(), g->state_dir, error)) {
        g->spec = NULL;
        ckptd_guest_remove_tree(g->state_dir, NULL);
        return NULL;
    }
    return g_steal_pointer(&g);
}

static gboolean cannot_remove(GError **error, const char *path, int err)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "removing %s: %s", path,
                g_strerror(err));
    return FALSE;
}

/**
 * ckptd_guest_remove_tree() - remove a directory and all in it
 * @path: of the directory; links in it are removed, not followed
 * @error: set on failure
 *
 * Return: TRUE when it is gone, or was not there.
 */
gboolean ckptd_guest_remove_tree(const char *path, GError **error)
{
    g_autoptr(GPtrArray) names = NULL;
    GStatBuf st;
    guint i;

    if (g_lstat(path, &st) < 0) {
        return errno == ENOENT || cannot_remove(error, path, errno);
    }
    if (S_ISDIR(st.st_mode)) {
        names = ckptd_io_list(ckptd_io_system(), path, error);
        if (!names) {
            return FALSE;
        }
    }
    for (i = 0; names && i < names->len; i++) {
        g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);

        if (!ckptd_guest_remove_tree(child, error)) {
            return FALSE;
        }
    }
    return g_remove(path) == 0 || errno == ENOENT ||
           cannot_remove(error, path, errno);
}

/**
 * ckptd_guest_remove() - delete a guest's files, checkpoints included
 * @g: down
 * @force: those with a name too
 * @error: set on failure
 *
 * Return: TRUE when they are gone.
 */
gboolean ckptd_guest_remove(CkptdGuest *g, gboolean force, GError **error)
{
    if (!ckptd_guest_is_down(g)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%s is %s: stop it first, or use --force", g->spec->name,
                    ckptd_guest_state_name(g));
        return FALSE;
    }
    if (!force && ckptd_guest_has_labels(g, error)) {
        return FALSE;
    }
    if (ckptd_spec_is_external(g->spec)) {
        ckptd_guest_external_close(g, TRUE);
        ckptd_guest_release(g);
    }
    return ckptd_guest_remove_tree(g->runtime_dir, error) &&
           ckptd_guest_remove_tree(g->state_dir, error);
}

/* --- status --------------------------------------------------------------- */

static void add(GVariantBuilder *b, const char *name, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_variant_builder_add(b, "{sv}", name,
                          g_variant_new_va(format, NULL, &args));
    va_end(args);
}

static void add_spread(GVariantBuilder *b, const char *name,
                       const struct ckptd_histogram *h, double unit)
{
    static const guint percents[] = { 50, 90, 99 };
    g_autofree char *key = NULL;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(percents); i++) {
        g_free(key);
        key = g_strdup_printf("%s_p%u", name, percents[i]);
        add(b, key, "d", ckptd_histogram_percentile(h, percents[i]) / unit);
    }
    g_free(key);
    key = g_strdup_printf("%s_max", name);
    add(b, key, "d", h->max / unit);
}

static void add_session(GVariantBuilder *b, const CkptdGuest *g,
                        const struct ckptd_session_stats *s)
{
    add(b, "generation", "t", s->generation);
    add(b, "epoch", "t", s->captured);
    add(b, "committed", "t", s->committed);
    add(b, "held_bytes", "t", s->held_bytes);
    add(b, "connected", "b", s->connected);
    add(b, "epochs", "t", s->epochs);
    add(b, "pages_per_epoch", "d",
        s->pages.count ? (double)s->pages.sum / s->pages.count : 0.0);
    add_spread(b, "pages", &s->pages, 1);
    add_spread(b, "pause_us", &s->pause_ns, 1000);
    add_spread(b, "wait_us", &s->wait_ns, 1000);
    add_spread(b, "scan_us", &s->scan_ns, 1000);
    add_spread(b, "copy_us", &s->copy_ns, 1000);
    add_spread(b, "devstate_us", &s->devstate_ns, 1000);
    add_spread(b, "commit_us", &s->commit_ns, 1000);
    add_spread(b, "recovery_ms", &g->recovery_us, 1000);
    add(b, "log_bytes", "t", s->store.log_bytes);
    add(b, "bytes_written", "t", s->store.bytes_written);
    add(b, "page_bytes", "t", s->store.page_bytes);
    add(b, "tail_bytes", "t", s->store.tail_bytes);
    add(b, "base_epoch", "t", s->store.base_epoch);
    add(b, "segments", "t", s->store.segments);
    add(b, "folds", "t", s->store.fold_count);
    add(b, "throttles", "t", s->store.throttle_count);
    add(b, "direct_io", "b", s->store.direct_io);
    add(b, "machine", "s", s->manifest.machine);
    add(b, "cpu", "s", s->manifest.cpu);
    add(b, "qemu_version", "s", s->manifest.qemu);
}

static void add_tap(GVariantBuilder *b, const CkptdGuest *g)
{
    g_autofree char *name = g->tap_fd >= 0 ? ckptd_tap_name(g->tap_fd) : NULL;

    if (name) {
        add(b, "ifname", "s", name);
    }
}

static void add_spec(GVariantBuilder *b, const struct ckptd_spec *spec)
{
    add(b, "program", "s", spec->argv[0] ? spec->argv[0] : "");
    add(b, "launch", "s", spec->launch);
    add(b, "from", "s", spec->from ? spec->from : "");
    add(b, "owner", "s", spec->owner ? spec->owner : "");
    add(b, "libvirt", "s", spec->libvirt ? spec->libvirt : "");
    add(b, "argv", "^as", spec->argv);
    add(b, "memory_mib", "u", spec->memory_mib);
    add(b, "accel", "s", spec->accel);
    add(b, "accel_why", "s", spec->accel_why ? spec->accel_why : "");
    add(b, "net", "s", spec->net);
    add(b, "ports", "^as", spec->forwards);
    add(b, "mac", "s", spec->mac);
    add(b, "uuid", "s", spec->uuid);
    add(b, "checkpoint", "b", spec->checkpoint);
    add(b, "verify", "b", spec->verify);
}

/**
 * ckptd_guest_status() - all that is known about it
 * @g: the guest
 *
 * Return: a{sv}, floating.
 */
GVariant *ckptd_guest_status(CkptdGuest *g)
{
    g_autofree char *store = ckptd_guest_file(g, "store");
    g_autofree char *log = ckptd_guest_file(g, "console.log");
    g_autofree char *socket = ckptd_guest_engine_path(g);
    g_autofree struct ckptd_session_stats *stats =
        g_new0(struct ckptd_session_stats, 1);
    GVariantBuilder b;

    if (g->session && g->state != CKPTD_GUEST_WAITING &&
        g->state != CKPTD_GUEST_MOVED) {
        ckptd_session_stats(g->session, stats);
    } else {
        *stats = g->final;
    }
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    add(&b, "name", "s", g->spec->name);
    add(&b, "state", "s", ckptd_guest_state_name(g));
    add(&b, "reason", "s",
        stats->waiting[0] ? stats->waiting
        : g->reason       ? g->reason
                          : "");
    if (g->has_exit_status) {
        add(&b, "exit_status", "u", g->exit_status);
    }
    if (g->panic) {
        add(&b, "panic", "s", g->panic);
    }
    add(&b, "created", "x", g->created_s);
    add(&b, "recoveries", "u", g->recoveries);
    add(&b, "fruitless_recoveries", "u", g->fruitless);
    add(&b, "qemu_pid", "i", (gint)g->qemu.pid);
    add(&b, "netd_pid", "i", (gint)g->netd.pid);
    add(&b, "engine_socket", "s", socket);
    add(&b, "libvirt_pid", "i", (gint)ckptd_guest_libvirt_pid(g));
    add_tap(&b, g);
    ckptd_guest_travel_status(g, &b);
    add(&b, "store", "s", store);
    add(&b, "log", "s", log);
    add_spec(&b, g->spec);
    add_session(&b, g, stats);
    return g_variant_builder_end(&b);
}
