/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-control.c - the D-Bus interface (org.sluice.Ckptd1.xml)
 *
 * There is no bus: each client speaks D-Bus to ckptd alone, over a socket that
 * only its owner can open, and is let in only as that user or as root. All handlers run in the main thread; those that have to wait for
 * a guest keep the invocation and answer later.
 */
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd-dbus.h"
#include "ckptd/ckptd-control-move.h"
#include "ckptd/ckptd-control.h"
#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-lines.h"

struct CkptdControl {
    CkptdServer *server;
    CkptdMoves *moves;
    GMainLoop *loop;
    GDBusServer *bus;
    CkptdDbus *skeleton;
    CkptdLines *lines;
    GPtrArray *connections;
    char *socket_path;
};

static const GDBusErrorEntry error_entries[] = {
    { CKPTD_ERROR_IO, "org.sluice.Ckptd1.Error.Io" },
    { CKPTD_ERROR_NOT_FOUND, "org.sluice.Ckptd1.Error.NotFound" },
    { CKPTD_ERROR_EXISTS, "org.sluice.Ckptd1.Error.Exists" },
    { CKPTD_ERROR_BUSY, "org.sluice.Ckptd1.Error.Busy" },
    { CKPTD_ERROR_VERSION, "org.sluice.Ckptd1.Error.Version" },
    { CKPTD_ERROR_DAMAGED, "org.sluice.Ckptd1.Error.Damaged" },
    { CKPTD_ERROR_INVALID, "org.sluice.Ckptd1.Error.Invalid" },
    { CKPTD_ERROR_STALE, "org.sluice.Ckptd1.Error.Stale" },
    { CKPTD_ERROR_NO_SPACE, "org.sluice.Ckptd1.Error.NoSpace" },
    { CKPTD_ERROR_MISMATCH, "org.sluice.Ckptd1.Error.Mismatch" },
    { CKPTD_ERROR_FAILED, "org.sluice.Ckptd1.Error.Failed" },
};
G_STATIC_ASSERT(G_N_ELEMENTS(error_entries) == CKPTD_ERROR_FAILED + 1);

static void fail(GDBusMethodInvocation *invocation, const GError *error)
{
    g_dbus_method_invocation_return_gerror(invocation, error);
}

/* Return: the guest; NULL when the invocation was answered with an error. */
static CkptdGuest *find(CkptdControl *control,
                        GDBusMethodInvocation *invocation, const char *name)
{
    g_autoptr(GError) error = NULL;
    CkptdGuest *guest = ckptd_server_find(control->server, name, &error);

    if (!guest) {
        fail(invocation, error);
    }
    return guest;
}

/* --- answers that come later ---------------------------------------------- */

static void answer_empty(guint64 epoch G_GNUC_UNUSED, const GError *error,
                         gpointer opaque)
{
    GDBusMethodInvocation *invocation = opaque;

    if (error) {
        fail(invocation, error);
    } else {
        g_dbus_method_invocation_return_value(invocation, NULL);
    }
}

static void answer_epoch(guint64 epoch, const GError *error, gpointer opaque)
{
    GDBusMethodInvocation *invocation = opaque;

    if (error) {
        fail(invocation, error);
    } else {
        g_dbus_method_invocation_return_value(invocation,
                                              g_variant_new("(t)", epoch));
    }
}

struct pending_run {
    GDBusMethodInvocation *invocation;
    CkptdGuest *guest;
};

static void answer_run(guint64 epoch G_GNUC_UNUSED, const GError *error,
                       gpointer opaque)
{
    struct pending_run *run = opaque;
    const struct ckptd_spec *spec = ckptd_guest_spec(run->guest);

    if (error) {
        fail(run->invocation, error);
    } else {
        g_dbus_method_invocation_return_value(
            run->invocation,
            g_variant_new("(sss)", spec->name, spec->accel, spec->accel_why));
    }
    ckptd_guest_unref(run->guest);
    g_free(run);
}

struct pending_remove {
    GDBusMethodInvocation *invocation;
    CkptdControl *control;
    char *name;
    gboolean force;
};

static void answer_remove(guint64 epoch G_GNUC_UNUSED,
                          const GError *killed G_GNUC_UNUSED, gpointer opaque)
{
    struct pending_remove *remove = opaque;
    g_autoptr(GError) error = NULL;

    ckptd_server_remove(remove->control->server, remove->name, remove->force,
                        &error);
    answer_empty(0, error, remove->invocation);
    g_free(remove->name);
    g_free(remove);
}

/* Not from within the guest's own change of state: it is freed by it. */
static gboolean remove_later(gpointer opaque)
{
    answer_remove(0, NULL, opaque);
    return G_SOURCE_REMOVE;
}

static void remove_when_down(guint64 epoch G_GNUC_UNUSED,
                             const GError *error G_GNUC_UNUSED, gpointer opaque)
{
    g_idle_add(remove_later, opaque);
}

/* --- methods -------------------------------------------------------------- */

static gboolean on_run(CkptdDbus *skeleton G_GNUC_UNUSED,
                       GDBusMethodInvocation *invocation, GVariant *options,
                       const char *const *argv, CkptdControl *control)
{
    g_autoptr(GError) error = NULL;
    CkptdGuest *guest =
        ckptd_server_run(control->server, options, argv, &error);
    struct pending_run *run;

    if (!guest) {
        fail(invocation, error);
        return TRUE;
    }
    run = g_new0(struct pending_run, 1);
    run->invocation = invocation;
    run->guest = ckptd_guest_ref(guest);
    ckptd_guest_when_started(guest, answer_run, run);
    return TRUE;
}

static gboolean on_adopt(CkptdDbus *skeleton, GDBusMethodInvocation *invocation,
                         GVariant *options, CkptdControl *control)
{
    g_autoptr(GError) error = NULL;
    CkptdGuest *guest = ckptd_server_adopt(control->server, options, &error);

    if (guest) {
        ckptd_dbus_complete_adopt(skeleton, invocation,
                                  ckptd_guest_status(guest));
    } else {
        fail(invocation, error);
    }
    return TRUE;
}

static gboolean on_list(CkptdDbus *skeleton, GDBusMethodInvocation *invocation,
                        CkptdControl *control)
{
    g_autoptr(GList) guests = ckptd_server_list(control->server);
    GVariantBuilder builder;
    GList *item;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (item = guests; item; item = item->next) {
        g_variant_builder_add_value(&builder, ckptd_guest_status(item->data));
    }
    ckptd_server_add_left(control->server, NULL, &builder);
    ckptd_dbus_complete_list(skeleton, invocation,
                             g_variant_builder_end(&builder));
    return TRUE;
}

/* Return: a{sv} of one that was left alone, to be unreffed, or NULL. */
static GVariant *left_status(CkptdControl *control, const char *name)
{
    g_autoptr(GVariant) list = NULL;
    GVariantBuilder builder;
    guint n;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    n = ckptd_server_add_left(control->server, name, &builder);
    list = g_variant_ref_sink(g_variant_builder_end(&builder));
    return n ? g_variant_get_child_value(list, 0) : NULL;
}

static gboolean on_status(CkptdDbus *skeleton,
                          GDBusMethodInvocation *invocation, const char *name,
                          CkptdControl *control)
{
    g_autoptr(GVariant) left = left_status(control, name);
    CkptdGuest *guest = left ? NULL : find(control, invocation, name);

    if (left) {
        ckptd_dbus_complete_status(skeleton, invocation, left);
    } else if (guest) {
        ckptd_dbus_complete_status(skeleton, invocation,
                                   ckptd_guest_status(guest));
    }
    return TRUE;
}

static gboolean on_stop(CkptdDbus *skeleton G_GNUC_UNUSED,
                        GDBusMethodInvocation *invocation, const char *name,
                        guint timeout_ms, CkptdControl *control)
{
    CkptdGuest *guest = find(control, invocation, name);

    if (guest) {
        ckptd_guest_stop(guest, timeout_ms, answer_empty, invocation);
    }
    return TRUE;
}

static gboolean on_kill(CkptdDbus *skeleton G_GNUC_UNUSED,
                        GDBusMethodInvocation *invocation, const char *name,
                        CkptdControl *control)
{
    CkptdGuest *guest = find(control, invocation, name);

    if (guest) {
        ckptd_guest_kill(guest, answer_empty, invocation);
    }
    return TRUE;
}

static gboolean on_crash(CkptdDbus *skeleton G_GNUC_UNUSED,
                         GDBusMethodInvocation *invocation, const char *name,
                         CkptdControl *control)
{
    CkptdGuest *guest = find(control, invocation, name);
    g_autoptr(GError) error = NULL;

    if (guest) {
        ckptd_guest_crash(guest, &error);
        answer_empty(0, error, invocation);
    }
    return TRUE;
}

static gboolean on_recover(CkptdDbus *skeleton G_GNUC_UNUSED,
                           GDBusMethodInvocation *invocation, const char *name,
                           CkptdControl *control)
{
    g_autoptr(GError) error = NULL;
    CkptdGuest *guest;

    if (ckptd_server_is_left(control->server, name, NULL)) {
        if (ckptd_server_retry(control->server, name, &error)) {
            ckptd_moves_ask(control->moves, name);
        }
        answer_empty(0, error, invocation);
        return TRUE;
    }
    guest = find(control, invocation, name);
    if (guest && !ckptd_guest_start(guest, &error)) {
        fail(invocation, error);
    } else if (guest && ckptd_guest_is_down(guest)) {
        answer_empty(0, NULL, invocation); /* it waits for its QEMU */
    } else if (guest) {
        ckptd_guest_when_started(guest, answer_empty, invocation);
    }
    return TRUE;
}

static gboolean on_reclaim(CkptdDbus *skeleton G_GNUC_UNUSED,
                           GDBusMethodInvocation *invocation, const char *name,
                           CkptdControl *control)
{
    CkptdGuest *guest = find(control, invocation, name);
    g_autoptr(GError) error = NULL;

    if (guest) {
        ckptd_guest_reclaim(guest, &error);
        answer_empty(0, error, invocation);
    }
    return TRUE;
}

static gboolean on_remove(CkptdDbus *skeleton G_GNUC_UNUSED,
                          GDBusMethodInvocation *invocation, const char *name,
                          gboolean force, CkptdControl *control)
{
    gboolean left = ckptd_server_is_left(control->server, name, NULL);
    CkptdGuest *guest = left ? NULL : find(control, invocation, name);
    struct pending_remove *remove;

    if (!guest && !left) {
        return TRUE;
    }
    remove = g_new0(struct pending_remove, 1);
    remove->invocation = invocation;
    remove->control = control;
    remove->name = g_strdup(name);
    remove->force = force;
    if (force && !left) {
        ckptd_guest_kill(guest, remove_when_down, remove);
    } else {
        answer_remove(0, NULL, remove);
    }
    return TRUE;
}

static gboolean on_checkpoint(CkptdDbus *skeleton G_GNUC_UNUSED,
                              GDBusMethodInvocation *invocation,
                              const char *name, CkptdControl *control)
{
    CkptdGuest *guest = find(control, invocation, name);

    if (guest) {
        ckptd_guest_checkpoint(guest, answer_epoch, invocation);
    }
    return TRUE;
}

static gboolean on_shutdown(CkptdDbus *skeleton,
                            GDBusMethodInvocation *invocation,
                            CkptdControl *control)
{
    guint up = ckptd_server_count_up(control->server);
    g_autoptr(GError) error = NULL;

    if (up) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%u guest%s up: `ckptctl stop` %s first", up,
                    up == 1 ? " is" : "s are", up == 1 ? "it" : "them");
        fail(invocation, error);
        return TRUE;
    }
    ckptd_dbus_complete_shutdown(skeleton, invocation);
    g_dbus_connection_flush_sync(
        g_dbus_method_invocation_get_connection(invocation), NULL, NULL);
    g_main_loop_quit(control->loop);
    return TRUE;
}

/* --- connections ---------------------------------------------------------- */

static gboolean authorize(GDBusAuthObserver *observer G_GNUC_UNUSED,
                          GIOStream *stream G_GNUC_UNUSED,
                          GCredentials *credentials,
                          gpointer opaque G_GNUC_UNUSED)
{
    uid_t uid = credentials ? g_credentials_get_unix_user(credentials, NULL)
                            : (uid_t)-1;

    if (uid != 0 && uid != geteuid()) {
        g_warning("a client of user %d is not let in", (int)uid);
        return FALSE;
    }
    return TRUE;
}

static gboolean allow_mechanism(GDBusAuthObserver *observer G_GNUC_UNUSED,
                                const char *mechanism,
                                gpointer opaque G_GNUC_UNUSED)
{
    return g_str_equal(mechanism, "EXTERNAL");
}

static void on_closed(GDBusConnection *connection,
                      gboolean remote G_GNUC_UNUSED,
                      GError *error G_GNUC_UNUSED, CkptdControl *control)
{
    g_dbus_interface_skeleton_unexport_from_connection(
        G_DBUS_INTERFACE_SKELETON(control->skeleton), connection);
    g_signal_handlers_disconnect_by_data(connection, control);
    g_ptr_array_remove(control->connections, connection);
}

static gboolean on_connection(GDBusServer *bus G_GNUC_UNUSED,
                              GDBusConnection *connection,
                              CkptdControl *control)
{
    g_autoptr(GError) error = NULL;

    if (!g_dbus_interface_skeleton_export(
            G_DBUS_INTERFACE_SKELETON(control->skeleton), connection,
            CKPTD_BUS_PATH, &error)) {
        g_warning("control: %s", error->message);
        return FALSE;
    }
    g_ptr_array_add(control->connections, g_object_ref(connection));
    g_signal_connect(connection, "closed", G_CALLBACK(on_closed), control);
    return TRUE;
}

static void on_state(const char *name, const char *state, gpointer opaque)
{
    CkptdControl *control = opaque;

    ckptd_dbus_emit_state_changed(control->skeleton, name, state);
}

static void connect_methods(CkptdControl *control)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } methods[] = {
        { "handle-run", G_CALLBACK(on_run) },
        { "handle-adopt", G_CALLBACK(on_adopt) },
        { "handle-list", G_CALLBACK(on_list) },
        { "handle-status", G_CALLBACK(on_status) },
        { "handle-stop", G_CALLBACK(on_stop) },
        { "handle-kill", G_CALLBACK(on_kill) },
        { "handle-crash", G_CALLBACK(on_crash) },
        { "handle-recover", G_CALLBACK(on_recover) },
        { "handle-reclaim", G_CALLBACK(on_reclaim) },
        { "handle-remove", G_CALLBACK(on_remove) },
        { "handle-checkpoint", G_CALLBACK(on_checkpoint) },
        { "handle-shutdown", G_CALLBACK(on_shutdown) },
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_signal_connect(control->skeleton, methods[i].signal,
                         methods[i].handler, control);
    }
}

static gboolean listen_on(CkptdControl *control, GError **error)
{
    g_autofree char *address = NULL, *escaped = NULL, *guid = NULL;
    g_autoptr(GDBusAuthObserver) observer = g_dbus_auth_observer_new();

    if (strlen(control->socket_path) >= 108) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s is too long for a socket: choose a shorter "
                    "--runtime-dir",
                    control->socket_path);
        return FALSE;
    }
    g_signal_connect(observer, "authorize-authenticated-peer",
                     G_CALLBACK(authorize), NULL);
    g_signal_connect(observer, "allow-mechanism", G_CALLBACK(allow_mechanism),
                     NULL);
    escaped = g_dbus_address_escape_value(control->socket_path);
    address = g_strconcat("unix:path=", escaped, NULL);
    guid = g_dbus_generate_guid();
    unlink(control->socket_path);
    control->bus = g_dbus_server_new_sync(address, G_DBUS_SERVER_FLAGS_NONE,
                                          guid, observer, NULL, error);
    if (!control->bus) {
        return FALSE;
    }
    g_signal_connect(control->bus, "new-connection", G_CALLBACK(on_connection),
                     control);
    g_dbus_server_start(control->bus);
    return TRUE;
}

/**
 * ckptd_control_new() - begin to take orders
 * @server: that carries them out, not owned
 * @moves: that carries out those about other hosts, not owned
 * @loop: ended by Shutdown
 * @error: set on failure
 *
 * Return: the control interface, or NULL.
 */
CkptdControl *ckptd_control_new(CkptdServer *server, CkptdMoves *moves,
                                GMainLoop *loop, GError **error)
{
    g_autoptr(CkptdControl) control = g_new0(CkptdControl, 1);
    static gsize registered;
    static gsize quark;

    if (g_once_init_enter(&registered)) {
        g_dbus_error_register_error_domain("ckptd-error-quark", &quark,
                                           error_entries,
                                           G_N_ELEMENTS(error_entries));
        g_once_init_leave(&registered, 1);
    }
    control->server = server;
    control->moves = moves;
    control->loop = loop;
    control->socket_path = ckptd_paths_bus_socket(ckptd_server_paths(server));
    control->connections = g_ptr_array_new_with_free_func(g_object_unref);
    control->skeleton = ckptd_dbus_skeleton_new();
    ckptd_dbus_set_version(control->skeleton, CKPTD_VERSION);
    ckptd_dbus_set_state_directory(control->skeleton,
                                   ckptd_server_paths(server)->state_dir);
    connect_methods(control);
    control->lines = ckptd_lines_new(server, control->skeleton);
    ckptd_control_move_connect(control->skeleton, moves);
    if (!listen_on(control, error)) {
        return NULL;
    }
    ckptd_server_observe(server, on_state, control);
    return g_steal_pointer(&control);
}

/**
 * ckptd_control_free() - take no more orders
 * @control: may be NULL
 */
void ckptd_control_free(CkptdControl *control)
{
    guint i;

    if (!control) {
        return;
    }
    ckptd_server_observe(control->server, NULL, NULL);
    ckptd_lines_free(control->lines);
    if (control->bus) {
        g_dbus_server_stop(control->bus);
        unlink(control->socket_path);
    }
    for (i = 0; i < control->connections->len; i++) {
        g_signal_handlers_disconnect_by_data(control->connections->pdata[i],
                                             control);
        g_dbus_interface_skeleton_unexport_from_connection(
            G_DBUS_INTERFACE_SKELETON(control->skeleton),
            control->connections->pdata[i]);
    }
    g_ptr_array_unref(control->connections);
    g_clear_object(&control->bus);
    g_object_unref(control->skeleton);
    g_free(control->socket_path);
    g_free(control);
}
