/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-server.c - all guests of this daemon
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-server.h"

/*
 * @left:  directories among the guests' of which not all is known: nothing was
 *         done about them, and a QEMU that they have runs on with its gate shut
 * @locks: of the two directories; a second ckptd on either would fight us.
 */
struct CkptdServer {
    struct ckptd_paths paths;
    GHashTable *guests; /* name -> CkptdGuest */
    GHashTable *left;   /* name -> why, for people */
    int locks[2];
    CkptdServerObserver observer;
    gpointer opaque;
};

static int lock_dir(const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, "ckptd.lock", NULL);
    int fd;

    if (!ckptd_paths_make_dir(dir, error)) {
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                        "another ckptd uses %s", dir);
        } else {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s", path,
                        g_strerror(errno));
        }
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/**
 * ckptd_server_new() - take possession of the directories
 * @paths: copied
 * @error: set when another ckptd has them
 *
 * Return: the server, without guests.
 */
CkptdServer *ckptd_server_new(const struct ckptd_paths *paths, GError **error)
{
    g_autoptr(CkptdServer) server = g_new0(CkptdServer, 1);

    server->locks[0] = server->locks[1] = -1;
    server->paths.state_dir = g_strdup(paths->state_dir);
    server->paths.runtime_dir = g_strdup(paths->runtime_dir);
    server->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify)ckptd_guest_unref);
    server->left =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    server->locks[0] = lock_dir(paths->state_dir, error);
    if (server->locks[0] < 0) {
        return NULL;
    }
    server->locks[1] = lock_dir(paths->runtime_dir, error);
    return server->locks[1] < 0 ? NULL : g_steal_pointer(&server);
}

/**
 * ckptd_server_free() - let go of all guests; they run on
 * @server: may be NULL
 */
void ckptd_server_free(CkptdServer *server)
{
    GHashTableIter iter;
    gpointer guest;
    guint i;

    if (!server) {
        return;
    }
    g_hash_table_iter_init(&iter, server->guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        ckptd_guest_observe(guest, NULL, NULL);
        ckptd_guest_leave(guest);
    }
    g_hash_table_unref(server->guests);
    g_hash_table_unref(server->left);
    for (i = 0; i < G_N_ELEMENTS(server->locks); i++) {
        if (server->locks[i] >= 0) {
            close(server->locks[i]);
        }
    }
    ckptd_paths_clear(&server->paths);
    g_free(server);
}

/**
 * ckptd_server_observe() - be told of every change of any guest's state
 * @server: the server
 * @observer: replaces the one before
 * @opaque: for it
 */
void ckptd_server_observe(CkptdServer *server, CkptdServerObserver observer,
                          gpointer opaque)
{
    server->observer = observer;
    server->opaque = opaque;
}

/**
 * ckptd_server_paths() - where this server keeps things
 * @server: the server
 *
 * Return: owned by the server.
 */
const struct ckptd_paths *ckptd_server_paths(CkptdServer *server)
{
    return &server->paths;
}

static void on_guest(CkptdGuest *guest, gpointer opaque)
{
    CkptdServer *server = opaque;

    if (server->observer) {
        server->observer(ckptd_guest_spec(guest)->name,
                         ckptd_guest_state_name(guest), server->opaque);
    }
}

static void take(CkptdServer *server, CkptdGuest *guest)
{
    g_hash_table_insert(server->guests, g_strdup(ckptd_guest_spec(guest)->name),
                        guest);
    ckptd_guest_observe(guest, on_guest, server);
}

/* --- guests of which not all is known -------------------------------------- */

static void leave_alone(CkptdServer *server, const char *name, const char *why)
{
    g_warning("%s is left alone: %s", name, why);
    g_hash_table_replace(server->left, g_strdup(name), g_strdup(why));
    if (server->observer) {
        server->observer(name, CKPTD_SERVER_DAMAGED, server->opaque);
    }
}

static gboolean has(const char *dir, const char *file, gboolean *ret_has,
                    GError **error)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autoptr(GError) local = NULL;

    *ret_has = ckptd_lookup_path(path, &local);
    if (*ret_has || ckptd_lookup_is_absence(local)) {
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

/*
 * A crash while it was being made: it never ran, and nobody was told of it.
 * Sets @ret_begun; FALSE: that is not known.
 */
static gboolean was_only_begun(const char *dir, gboolean *ret_begun,
                               GError **error)
{
    static const char *const files[] = { "guest.conf", "life.conf", "store",
                                         "labels" };
    gboolean any = FALSE;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(files) && !any; i++) {
        if (!has(dir, files[i], &any, error)) {
            return FALSE;
        }
    }
    *ret_begun = !any;
    return TRUE;
}

/* Return: FALSE when it has to be left alone. */
static gboolean load(CkptdServer *server, const char *name, GError **error)
{
    g_autofree char *dir =
        g_build_filename(server->paths.state_dir, "guests", name, NULL);
    gboolean ours, begun;
    CkptdGuest *guest;

    if (!ckptd_guest_travel_tidy(&server->paths, name, &ours, error)) {
        return FALSE;
    }
    if (!ours) {
        return TRUE;
    }
    if (!was_only_begun(dir, &begun, error)) {
        return FALSE;
    }
    if (begun) {
        g_message("%s: was only begun when ckptd ended, discarded", name);
        return ckptd_guest_remove_leftover(&server->paths, name, error);
    }
    guest = ckptd_guest_load(&server->paths, name, error);
    if (guest) {
        take(server, guest);
        ckptd_guest_resume(guest);
    }
    return guest != NULL;
}

/**
 * ckptd_server_resume() - go on with the guests that an earlier ckptd had
 * @server: without guests
 * @error: set when it is not known which there are
 *
 * Return: TRUE when all that there are were looked at.
 */
gboolean ckptd_server_resume(CkptdServer *server, GError **error)
{
    g_autofree char *path =
        g_build_filename(server->paths.state_dir, "guests", NULL);
    g_autoptr(GError) local = NULL;
    g_autoptr(GPtrArray) names = ckptd_io_list(ckptd_io_system(), path, &local);
    guint i;

    if (!names && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    for (i = 0; names && i < names->len; i++) {
        g_autoptr(GError) why = NULL;

        if (!load(server, names->pdata[i], &why)) {
            leave_alone(server, names->pdata[i], why->message);
        }
    }
    return TRUE;
}

/**
 * ckptd_server_is_left() - is not all known of a guest?
 * @server: the server
 * @name: of it
 * @error: says why, and what to do
 *
 * Return: TRUE if it was left alone.
 */
gboolean ckptd_server_is_left(CkptdServer *server, const char *name,
                              GError **error)
{
    const char *why = g_hash_table_lookup(server->left, name);

    if (why) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED,
                    "%s is left alone: %s; when that is mended `ckptctl "
                    "recover %s` takes it up, and `ckptctl rm --force %s` "
                    "deletes it with its checkpoints",
                    name, why, name, name);
    }
    return why != NULL;
}

/**
 * ckptd_server_retry() - look again at a guest that was left alone
 * @server: the server
 * @name: of it
 * @error: says why it still is
 *
 * Return: TRUE when it is as if ckptd had just started, and could read it.
 */
gboolean ckptd_server_retry(CkptdServer *server, const char *name,
                            GError **error)
{
    g_autoptr(GError) why = NULL;

    if (!load(server, name, &why)) {
        leave_alone(server, name, why->message);
        return !ckptd_server_is_left(server, name, error);
    }
    g_hash_table_remove(server->left, name);
    return TRUE;
}

/* Whatever it is: an operator wants it gone. */
static gboolean remove_left(CkptdServer *server, const char *name,
                            gboolean force, GError **error)
{
    if (!force) {
        return !ckptd_server_is_left(server, name, error);
    }
    if (!ckptd_guest_remove_leftover(&server->paths, name, error)) {
        return FALSE;
    }
    g_hash_table_remove(server->left, name);
    return TRUE;
}

/**
 * ckptd_server_add_left() - add the guests that were left alone to a list
 * @server: the server
 * @name: of the one that is wanted, NULL: all
 * @list: of a{sv}
 *
 * Return: how many.
 */
guint ckptd_server_add_left(CkptdServer *server, const char *name,
                            GVariantBuilder *list)
{
    g_autoptr(GList) names =
        g_list_sort(g_hash_table_get_keys(server->left), (GCompareFunc)strcmp);
    guint n = 0;
    GList *item;

    for (item = names; item; item = item->next) {
        g_autoptr(GError) why = NULL;

        if (name && strcmp(name, item->data)) {
            continue;
        }
        ckptd_server_is_left(server, item->data, &why);
        g_variant_builder_add_parsed(
            list, "{'name': <%s>, 'state': <%s>, 'reason': <%s>}",
            (const char *)item->data, CKPTD_SERVER_DAMAGED, why->message);
        n++;
    }
    return n;
}

/* --- all others ------------------------------------------------------------ */

/* The program's name and the smallest free number. */
static char *invent_name(CkptdServer *server, const char *program)
{
    g_autofree char *base = g_path_get_basename(program);
    char *name;
    guint i;

    g_strcanon(base,
               "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
               "0123456789._-",
               '-');
    if (strlen(base) > 40) {
        base[40] = '\0';
    }
    for (i = 1;; i++) {
        name = g_strdup_printf("%s-%u", base, i);
        if (!g_hash_table_contains(server->guests, name) &&
            !g_hash_table_contains(server->left, name)) {
            return name;
        }
        g_free(name);
    }
}

static GVariant *with_name(CkptdServer *server, GVariant *options,
                           const char *const *argv)
{
    g_autofree char *name = NULL;
    GVariantDict dict;

    g_variant_dict_init(&dict, options);
    if (!g_variant_dict_contains(&dict, "name") && argv[0]) {
        name = invent_name(server, argv[0]);
        g_variant_dict_insert(&dict, "name", "s", name);
    }
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

/**
 * ckptd_server_add() - make a guest and start it
 * @server: the server
 * @spec: of the guest; freed on failure
 * @error: set on failure; nothing of the guest stays then
 *
 * Return: the guest, owned by the server.
 */
CkptdGuest *ckptd_server_add(CkptdServer *server, struct ckptd_spec *spec,
                             GError **error)
{
    g_autoptr(CkptdSpec) ours = spec;
    CkptdGuest *guest;

    if (g_hash_table_contains(server->guests, spec->name)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "there is a guest %s already: choose another name, or "
                    "`ckptctl rm %s`",
                    spec->name, spec->name);
        return NULL;
    }
    guest = ckptd_server_is_left(server, spec->name, error)
                ? NULL
                : ckptd_guest_create(&server->paths, spec, error);
    if (!guest) {
        return NULL;
    }
    g_steal_pointer(&ours);
    take(server, guest);
    if (!ckptd_guest_start(guest, error)) {
        ckptd_guest_remove(guest, TRUE, NULL);
        g_hash_table_remove(server->guests, ckptd_guest_spec(guest)->name);
        return NULL;
    }
    return guest;
}

/**
 * ckptd_server_run() - make a guest that boots a program, and start it
 * @server: the server
 * @options: see the D-Bus interface
 * @argv: program and arguments
 * @error: set on failure; nothing of the guest stays then
 *
 * Return: the guest, owned by the server.
 */
CkptdGuest *ckptd_server_run(CkptdServer *server, GVariant *options,
                             const char *const *argv, GError **error)
{
    g_autoptr(GVariant) named = with_name(server, options, argv);
    struct ckptd_spec *spec = ckptd_spec_new(named, argv, error);

    return spec ? ckptd_server_add(server, spec, error) : NULL;
}

/**
 * ckptd_server_adopt() - make a guest whose QEMU somebody else starts
 * @server: the server
 * @options: see the D-Bus interface
 * @error: set on failure; nothing of the guest stays then
 *
 * One that is there already and is like that will do: the same command may be
 * given before each start.
 *
 * Return: the guest, owned by the server.
 */
CkptdGuest *ckptd_server_adopt(CkptdServer *server, GVariant *options,
                               GError **error)
{
    static const char *const nobody[] = { "guest", NULL };
    g_autoptr(GVariant) named = with_name(server, options, nobody);
    struct ckptd_spec *spec;
    const char *name = NULL;
    CkptdGuest *guest = NULL;

    if (g_variant_lookup(named, "name", "&s", &name)) {
        guest = g_hash_table_lookup(server->guests, name);
    }
    if (guest && !ckptd_spec_is_external(ckptd_guest_spec(guest))) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "there is a guest %s already, which ckptd starts: choose "
                    "another --name, or `ckptctl rm %s`",
                    name, name);
        return NULL;
    }
    if (guest) {
        return ckptd_spec_agrees(ckptd_guest_spec(guest), named, error) ? guest
                                                                        : NULL;
    }
    spec = ckptd_spec_new_external(named, error);
    return spec ? ckptd_server_add(server, spec, error) : NULL;
}

/**
 * ckptd_server_take() - have a guest that arrived
 * @server: the server
 * @guest: taken over
 */
void ckptd_server_take(CkptdServer *server, CkptdGuest *guest)
{
    take(server, guest);
}

/**
 * ckptd_server_find() - a guest by name
 * @server: the server
 * @name: of the guest
 * @error: set when there is none
 *
 * Return: the guest, owned by the server, or NULL.
 */
CkptdGuest *ckptd_server_find(CkptdServer *server, const char *name,
                              GError **error)
{
    CkptdGuest *guest = g_hash_table_lookup(server->guests, name);

    if (!guest && !ckptd_server_is_left(server, name, error)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "there is no guest %s; `ckptctl ps` lists them", name);
    }
    return guest;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(ckptd_guest_spec(a)->name, ckptd_guest_spec(b)->name);
}

/**
 * ckptd_server_list() - all guests, by name
 * @server: the server
 *
 * Return: a list to be freed, of guests owned by the server.
 */
GList *ckptd_server_list(CkptdServer *server)
{
    return g_list_sort(g_hash_table_get_values(server->guests), by_name);
}

/**
 * ckptd_server_remove() - forget a guest and its checkpoints
 * @server: the server
 * @name: of a guest that is down
 * @force: those with a name too
 * @error: set on failure
 *
 * Return: TRUE when it is gone.
 */
gboolean ckptd_server_remove(CkptdServer *server, const char *name,
                             gboolean force, GError **error)
{
    CkptdGuest *guest;

    if (g_hash_table_contains(server->left, name)) {
        return remove_left(server, name, force, error);
    }
    guest = ckptd_server_find(server, name, error);
    if (!guest || !ckptd_guest_remove(guest, force, error)) {
        return FALSE;
    }
    g_hash_table_remove(server->guests, name);
    return TRUE;
}

/**
 * ckptd_server_count_up() - how many guests run
 * @server: the server
 *
 * Return: their number.
 */
guint ckptd_server_count_up(CkptdServer *server)
{
    GHashTableIter iter;
    gpointer guest;
    guint n = 0;

    g_hash_table_iter_init(&iter, server->guests);
    while (g_hash_table_iter_next(&iter, NULL, &guest)) {
        n += !ckptd_guest_is_down(guest);
    }
    return n;
}
