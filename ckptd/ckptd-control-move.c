/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-control-move.c - the D-Bus interface's part about hosts and moves
 */
#include "ckptd/ckptd-control-move.h"

static gboolean answer(GDBusMethodInvocation *invocation, gboolean ok,
                       const GError *error)
{
    if (ok) {
        g_dbus_method_invocation_return_value(invocation, NULL);
    } else {
        g_dbus_method_invocation_return_gerror(invocation, error);
    }
    return TRUE;
}

/* --- moves ---------------------------------------------------------------- */

static void on_move_done(const struct ckptd_move_progress *p,
                         const GError *error, gpointer opaque)
{
    GDBusMethodInvocation *invocation = opaque;
    GVariantBuilder b;

    if (error) {
        answer(invocation, FALSE, error);
        return;
    }
    g_variant_builder_init(&b, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add_parsed(&b, "{'downtime_us', <%t>}", p->downtime_us);
    g_variant_builder_add_parsed(&b, "{'rounds', <%u>}", p->rounds);
    g_variant_builder_add_parsed(&b, "{'sent_bytes', <%t>}", p->sent_bytes);
    g_variant_builder_add_parsed(
        &b, "{'move_ms', <%t>}",
        (guint64)(g_get_monotonic_time() - p->start_us) / 1000);
    g_dbus_method_invocation_return_value(
        invocation, g_variant_new("(@a{sv})", g_variant_builder_end(&b)));
}

static gboolean on_migrate(CkptdDbus *skeleton G_GNUC_UNUSED,
                           GDBusMethodInvocation *invocation, const char *name,
                           const char *host, GVariant *options,
                           CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_move_options how = { 0 };

    g_variant_lookup(options, "bandwidth", "t", &how.bandwidth);
    g_variant_lookup(options, "forward", "b", &how.forward);
    return ckptd_moves_start(moves, name, host, &how, on_move_done, invocation,
                             &error) ||
           answer(invocation, FALSE, error);
}

static gboolean on_cancel(CkptdDbus *skeleton G_GNUC_UNUSED,
                          GDBusMethodInvocation *invocation, const char *name,
                          CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = ckptd_moves_cancel(moves, name, &error);

    return answer(invocation, ok, error);
}

static gboolean on_resolve(CkptdDbus *skeleton G_GNUC_UNUSED,
                           GDBusMethodInvocation *invocation, const char *name,
                           gboolean keep, CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = ckptd_moves_resolve(moves, name, keep, &error);

    return answer(invocation, ok, error);
}

static gboolean on_forwards(CkptdDbus *skeleton,
                            GDBusMethodInvocation *invocation,
                            CkptdMoves *moves)
{
    ckptd_dbus_complete_forwards(skeleton, invocation,
                                 ckptd_moves_list_forwards(moves));
    return TRUE;
}

static gboolean on_forward_remove(CkptdDbus *skeleton G_GNUC_UNUSED,
                                  GDBusMethodInvocation *invocation,
                                  const char *name, CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = ckptd_moves_remove_forward(moves, name, &error);

    return answer(invocation, ok, error);
}

/* --- hosts ---------------------------------------------------------------- */

static void on_added(GVariant *value G_GNUC_UNUSED, const GError *error,
                     gpointer opaque)
{
    answer(opaque, !error, error);
}

static void on_listed(GVariant *value, const GError *error, gpointer opaque)
{
    GDBusMethodInvocation *invocation = opaque;

    if (error) {
        answer(invocation, FALSE, error);
    } else {
        g_dbus_method_invocation_return_value(
            invocation, g_variant_new("(@aa{sv})", value));
    }
}

static gboolean on_hosts(CkptdDbus *skeleton G_GNUC_UNUSED,
                         GDBusMethodInvocation *invocation, CkptdMoves *moves)
{
    ckptd_moves_list_hosts(moves, on_listed, invocation);
    return TRUE;
}

static gboolean on_listen(CkptdDbus *skeleton G_GNUC_UNUSED,
                          GDBusMethodInvocation *invocation,
                          const char *address, CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = ckptd_moves_set_listen(moves, address, &error);

    return answer(invocation, ok, error);
}

static gboolean on_invite(CkptdDbus *skeleton,
                          GDBusMethodInvocation *invocation,
                          const char *address, CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *token = ckptd_moves_invite(moves, address, &error);

    if (!token) {
        return answer(invocation, FALSE, error);
    }
    ckptd_dbus_complete_host_invite(skeleton, invocation, token);
    return TRUE;
}

static gboolean on_add(CkptdDbus *skeleton G_GNUC_UNUSED,
                       GDBusMethodInvocation *invocation, const char *name,
                       const char *token, const char *own_name,
                       CkptdMoves *moves)
{
    ckptd_moves_add_host(moves, name, token, own_name, on_added, invocation);
    return TRUE;
}

static gboolean on_remove(CkptdDbus *skeleton G_GNUC_UNUSED,
                          GDBusMethodInvocation *invocation, const char *name,
                          CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    gboolean ok = ckptd_moves_remove_host(moves, name, &error);

    return answer(invocation, ok, error);
}

/**
 * ckptd_control_move_connect() - take orders about hosts and moves
 * @skeleton: of the interface
 * @moves:    that carries them out, outlives it
 */
void ckptd_control_move_connect(CkptdDbus *skeleton, CkptdMoves *moves)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } methods[] = {
        { "handle-migrate", G_CALLBACK(on_migrate) },
        { "handle-migrate-cancel", G_CALLBACK(on_cancel) },
        { "handle-migrate-resolve", G_CALLBACK(on_resolve) },
        { "handle-forwards", G_CALLBACK(on_forwards) },
        { "handle-forward-remove", G_CALLBACK(on_forward_remove) },
        { "handle-hosts", G_CALLBACK(on_hosts) },
        { "handle-host-listen", G_CALLBACK(on_listen) },
        { "handle-host-invite", G_CALLBACK(on_invite) },
        { "handle-host-add", G_CALLBACK(on_add) },
        { "handle-host-remove", G_CALLBACK(on_remove) },
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_signal_connect(skeleton, methods[i].signal, methods[i].handler,
                         moves);
    }
}
