/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-lines.c - the D-Bus methods about named checkpoints
 *
 * Whoever asks for a named checkpoint holds it up by his connection: when that
 * is closed, by ctrl-C or otherwise, it is given up.  A guest that was started
 * from one and does not get to run is removed again, not from within its own
 * change of state.
 */
#include <gio/gio.h>
#include <string.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-lines.h"
#include "ckptd/ckptd-spec-net.h"

#define PROGRESS_MS 100

/* @namings: struct naming, those that are being written */
struct ckptd_lines {
    CkptdServer *server;
    CkptdDbus *skeleton;
    GPtrArray *namings;
    guint timer;
};

static void fail(GDBusMethodInvocation *invocation, const GError *error)
{
    g_dbus_method_invocation_return_gerror(invocation, error);
}

/* Return: the guest; NULL when the invocation was answered with an error. */
static CkptdGuest *find(CkptdLines *lines, GDBusMethodInvocation *invocation,
                        const char *name)
{
    g_autoptr(GError) error = NULL;
    CkptdGuest *guest = ckptd_server_find(lines->server, name, &error);

    if (!guest) {
        fail(invocation, error);
    }
    return guest;
}

/* --- naming --------------------------------------------------------------- */

struct naming {
    CkptdLines *lines;
    GDBusMethodInvocation *invocation;
    CkptdGuest *guest;
    char *label;
    gulong closed_handler;
};

static gboolean tell_progress(gpointer opaque)
{
    CkptdLines *lines = opaque;
    guint64 done_bytes, total_bytes;
    const char *label;
    guint i;

    for (i = 0; i < lines->namings->len; i++) {
        const struct naming *n = lines->namings->pdata[i];

        if (ckptd_guest_name_progress(n->guest, &label, &done_bytes,
                                      &total_bytes)) {
            ckptd_dbus_emit_naming_progress(lines->skeleton,
                                            ckptd_guest_spec(n->guest)->name,
                                            label, done_bytes, total_bytes);
        }
    }
    return G_SOURCE_CONTINUE;
}

static void on_named(guint64 epoch, const GError *error, gpointer opaque)
{
    struct naming *n = opaque;

    g_signal_handler_disconnect(
        g_dbus_method_invocation_get_connection(n->invocation),
        n->closed_handler);
    if (error) {
        fail(n->invocation, error);
    } else {
        g_dbus_method_invocation_return_value(n->invocation,
                                              g_variant_new("(t)", epoch));
    }
    g_ptr_array_remove(n->lines->namings, n);
    if (!n->lines->namings->len) {
        g_clear_handle_id(&n->lines->timer, g_source_remove);
    }
    ckptd_guest_unref(n->guest);
    g_free(n->label);
    g_free(n);
}

static void on_closed(GDBusConnection *connection G_GNUC_UNUSED,
                      gboolean remote G_GNUC_UNUSED,
                      GError *error G_GNUC_UNUSED, struct naming *n)
{
    ckptd_guest_cancel_name(n->guest, n->label);
}

static gboolean on_name_checkpoint(CkptdDbus *skeleton G_GNUC_UNUSED,
                                   GDBusMethodInvocation *invocation,
                                   const char *name, const char *label,
                                   CkptdLines *lines)
{
    CkptdGuest *guest = find(lines, invocation, name);
    struct naming *n;

    if (!guest) {
        return TRUE;
    }
    n = g_new0(struct naming, 1);
    n->lines = lines;
    n->invocation = invocation;
    n->guest = ckptd_guest_ref(guest);
    n->label = g_strdup(label);
    n->closed_handler =
        g_signal_connect(g_dbus_method_invocation_get_connection(invocation),
                         "closed", G_CALLBACK(on_closed), n);
    g_ptr_array_add(lines->namings, n);
    if (!lines->timer) {
        lines->timer = g_timeout_add(PROGRESS_MS, tell_progress, lines);
    }
    ckptd_guest_name(guest, label, on_named, n);
    return TRUE;
}

/* --- what there is -------------------------------------------------------- */

static gboolean on_list_labels(CkptdDbus *skeleton,
                               GDBusMethodInvocation *invocation,
                               const char *name, CkptdLines *lines)
{
    g_autoptr(GList) guests = NULL;
    CkptdGuest *guest = NULL;
    GVariantBuilder list;
    GList *item;

    if (name[0] && !(guest = find(lines, invocation, name))) {
        return TRUE;
    }
    guests =
        guest ? g_list_prepend(NULL, guest) : ckptd_server_list(lines->server);
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (item = guests; item; item = item->next) {
        ckptd_guest_list_labels(item->data, &list);
    }
    ckptd_dbus_complete_list_labels(skeleton, invocation,
                                    g_variant_builder_end(&list));
    return TRUE;
}

static gboolean on_remove_label(CkptdDbus *skeleton,
                                GDBusMethodInvocation *invocation,
                                const char *name, const char *label,
                                CkptdLines *lines)
{
    CkptdGuest *guest = find(lines, invocation, name);
    g_autoptr(GError) error = NULL;

    if (guest && ckptd_guest_remove_label(guest, label, &error)) {
        ckptd_dbus_complete_remove_label(skeleton, invocation);
    } else if (guest) {
        fail(invocation, error);
    }
    return TRUE;
}

/* --- starting from one ---------------------------------------------------- */

struct start {
    CkptdLines *lines;
    GDBusMethodInvocation *invocation;
    CkptdGuest *guest;
};

static gboolean remove_later(gpointer opaque)
{
    struct start *start = opaque;
    const char *name = ckptd_guest_spec(start->guest)->name;
    g_autoptr(GError) error = NULL;

    if (!ckptd_server_remove(start->lines->server, name, TRUE, &error)) {
        g_warning("%s: %s", name, error->message);
    }
    ckptd_guest_unref(start->guest);
    g_free(start);
    return G_SOURCE_REMOVE;
}

static void on_started(guint64 epoch G_GNUC_UNUSED, const GError *error,
                       gpointer opaque)
{
    struct start *start = opaque;

    if (error) {
        fail(start->invocation, error);
        g_idle_add(remove_later, start);
        return;
    }
    g_dbus_method_invocation_return_value(
        start->invocation,
        g_variant_new("(@a{sv})", ckptd_guest_status(start->guest)));
    ckptd_guest_unref(start->guest);
    g_free(start);
}

/* Two stations with one address on one Ethernet hear each other's frames. */
static gboolean addresses_clash(const struct ckptd_spec *a,
                                const struct ckptd_spec *b, GError **error)
{
    guint n_a = 1 + g_strv_length(a->more), n_b = 1 + g_strv_length(b->more);
    struct boot_net x, y;
    guint i, j;

    if (!g_str_equal(a->net, "tap") || !g_str_equal(b->net, "tap")) {
        return FALSE;
    }
    for (i = 0; i < n_a * n_b; i++) {
        j = i % n_b;
        if (!ckptd_spec_net_address(a, i / n_b, &x, NULL) ||
            !ckptd_spec_net_address(b, j, &y, NULL)) {
            continue;
        }
        if (!memcmp(x.mac, y.mac, sizeof(x.mac)) ||
            (x.address && x.address == y.address)) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                        "%s: %s has that address: give --%s", a->name, b->name,
                        x.address == y.address && x.address ? "ip" : "mac");
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean is_alone(CkptdLines *lines, const struct ckptd_spec *spec,
                         GError **error)
{
    g_autoptr(GList) guests = ckptd_server_list(lines->server);
    GList *item;

    for (item = guests; item; item = item->next) {
        if (addresses_clash(spec, ckptd_guest_spec(item->data), error)) {
            return FALSE;
        }
    }
    return TRUE;
}

static CkptdGuest *start_from(CkptdLines *lines, CkptdGuest *of,
                              const char *label, const char *fresh,
                              GVariant *options, GError **error)
{
    g_autoptr(CkptdSpec) spec = NULL;
    struct ckptd_label found;

    if (!ckptd_guest_label(of, label, &found, NULL, error)) {
        return NULL;
    }
    spec = ckptd_spec_fork(ckptd_guest_spec(of), label, fresh, options, error);
    if (!spec || !is_alone(lines, spec, error)) {
        return NULL;
    }
    if (found.manifest.accel[0] &&
        !g_str_equal(found.manifest.accel, spec->accel)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH,
                    "the checkpoint is of accelerator '%s', this host has '%s'",
                    found.manifest.accel, spec->accel);
        return NULL;
    }
    return ckptd_server_add(lines->server, g_steal_pointer(&spec), error);
}

static gboolean on_start_from(CkptdDbus *skeleton G_GNUC_UNUSED,
                              GDBusMethodInvocation *invocation,
                              const char *name, const char *label,
                              const char *fresh, GVariant *options,
                              CkptdLines *lines)
{
    CkptdGuest *of = find(lines, invocation, name);
    g_autoptr(GError) error = NULL;
    CkptdGuest *guest;
    struct start *start;

    if (!of) {
        return TRUE;
    }
    guest = start_from(lines, of, label, fresh, options, &error);
    if (!guest) {
        fail(invocation, error);
        return TRUE;
    }
    start = g_new0(struct start, 1);
    start->lines = lines;
    start->invocation = invocation;
    start->guest = ckptd_guest_ref(guest);
    ckptd_guest_when_started(guest, on_started, start);
    return TRUE;
}

/* --- stepping back -------------------------------------------------------- */

static void on_rolled_back(guint64 epoch G_GNUC_UNUSED, const GError *error,
                           gpointer opaque)
{
    if (error) {
        fail(opaque, error);
    } else {
        g_dbus_method_invocation_return_value(opaque, NULL);
    }
}

static gboolean on_rollback(CkptdDbus *skeleton G_GNUC_UNUSED,
                            GDBusMethodInvocation *invocation, const char *name,
                            const char *label, CkptdLines *lines)
{
    CkptdGuest *guest = find(lines, invocation, name);

    if (guest) {
        ckptd_guest_roll_back(guest, label, on_rolled_back, invocation);
    }
    return TRUE;
}

/**
 * ckptd_lines_new() - take orders about named checkpoints
 * @server: that carries them out, not owned
 * @skeleton: of the control interface, not owned
 *
 * Return: to be freed by ckptd_lines_free().
 */
CkptdLines *ckptd_lines_new(CkptdServer *server, CkptdDbus *skeleton)
{
    CkptdLines *lines = g_new0(CkptdLines, 1);

    lines->server = server;
    lines->skeleton = skeleton;
    lines->namings = g_ptr_array_new();
    g_signal_connect(skeleton, "handle-name-checkpoint",
                     G_CALLBACK(on_name_checkpoint), lines);
    g_signal_connect(skeleton, "handle-list-labels", G_CALLBACK(on_list_labels),
                     lines);
    g_signal_connect(skeleton, "handle-remove-label",
                     G_CALLBACK(on_remove_label), lines);
    g_signal_connect(skeleton, "handle-start-from", G_CALLBACK(on_start_from),
                     lines);
    g_signal_connect(skeleton, "handle-rollback", G_CALLBACK(on_rollback),
                     lines);
    return lines;
}

/**
 * ckptd_lines_free() - take no more orders
 * @lines: may be NULL
 *
 * ckptd ends: labels that are being written are given up with their sessions,
 * and their askers see their connection end.
 */
void ckptd_lines_free(CkptdLines *lines)
{
    guint i;

    if (!lines) {
        return;
    }
    g_signal_handlers_disconnect_by_data(lines->skeleton, lines);
    g_clear_handle_id(&lines->timer, g_source_remove);
    for (i = 0; i < lines->namings->len; i++) {
        struct naming *n = lines->namings->pdata[i];

        g_signal_handler_disconnect(
            g_dbus_method_invocation_get_connection(n->invocation),
            n->closed_handler);
    }
    g_ptr_array_unref(lines->namings);
    g_free(lines);
}
