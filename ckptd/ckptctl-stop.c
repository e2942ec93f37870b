/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-stop.c - the verb that ends a guest in good order
 *
 * The program gets some seconds; its peers get as long as TCP gives them to take
 * what it had sent. Whoever waits for that is told, once it is no moment.
 */
#include <stdio.h>

#include "ckptd/ckptctl.h"

#define SILENT_MS 1000

struct stop {
    struct ckptctl *ctl;
    const char *name;
    GMainLoop *loop;
    guint timer;
    GError *error;
};

static gboolean on_wait(gpointer opaque)
{
    struct stop *stop = opaque;

    stop->timer = 0;
    fprintf(stderr,
            "%s: the program has ended; its peers have not taken all that it "
            "sent (`ckptctl kill %s` cuts them off)\n",
            stop->name, stop->name);
    return G_SOURCE_REMOVE;
}

static void look(struct stop *stop, const char *state)
{
    if (g_str_equal(state, "ending") && !stop->timer) {
        stop->timer = g_timeout_add(SILENT_MS, on_wait, stop);
    }
}

static void on_state(CkptdDbus *proxy G_GNUC_UNUSED, const char *name,
                     const char *state, struct stop *stop)
{
    if (g_str_equal(name, stop->name)) {
        look(stop, state);
    }
}

static void on_stopped(GObject *proxy, GAsyncResult *result, gpointer opaque)
{
    struct stop *stop = opaque;

    ckptd_dbus_call_stop_finish(CKPTD_DBUS(proxy), result, &stop->error);
    g_main_loop_quit(stop->loop);
}

/**
 * ckptctl_stop() - `ckptctl stop`
 * @ctl: the invocation
 * @verb: for the usage line
 * @argc: of @argv
 * @argv: the verb, options, a name
 *
 * Return: an exit status.
 */
int ckptctl_stop(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                 char **argv)
{
    gint timeout_s = 10;
    const GOptionEntry entries[] = {
        { "timeout", 't', 0, G_OPTION_ARG_INT, &timeout_s,
          "Power off when the program has not ended by then (10)", "SECONDS" },
        { 0 },
    };
    int status = ckptctl_parse(ctl, verb, entries, NULL, 1, 1, &argc, &argv);
    g_autoptr(GMainLoop) loop = NULL;
    g_autoptr(GVariant) guest = NULL;
    struct stop stop = { .ctl = ctl };
    const char *state = "";

    if (status < 0) {
        status = ckptctl_connect(ctl);
    }
    if (status != CKPTCTL_OK) {
        return status;
    }
    stop.name = argv[1];
    stop.loop = loop = g_main_loop_new(NULL, FALSE);
    g_signal_connect(ctl->proxy, "state-changed", G_CALLBACK(on_state), &stop);
    ckptd_dbus_call_stop(ctl->proxy, stop.name,
                         (guint)CLAMP(timeout_s, 0, 1000000) * 1000, NULL,
                         on_stopped, &stop);
    /* It may have ended before the signal was connected. */
    guest = ckptctl_status_of(ctl, stop.name, NULL);
    if (guest && g_variant_lookup(guest, "state", "&s", &state)) {
        look(&stop, state);
    }
    g_main_loop_run(loop);
    g_clear_handle_id(&stop.timer, g_source_remove);
    g_signal_handlers_disconnect_by_data(ctl->proxy, &stop);
    return stop.error ? ckptctl_fail(stop.error) : CKPTCTL_OK;
}
