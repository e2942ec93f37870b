/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-move.c - migrate, forward, host, hosts
 */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptctl-dict.h"
#include "ckptd/ckptctl.h"

#define LOOK_MS 250

/* --- migrate -------------------------------------------------------------- */

/**
 * struct migrate - a move that is being watched
 *
 * @status: exit status, valid when @loop has ended
 */
struct migrate {
    struct ckptctl *ctl;
    const char *name;
    const char *host;
    GMainLoop *loop;
    int status;
    gboolean shown;
    gboolean cancelled;
};

static void end_line(struct migrate *m)
{
    if (m->shown) {
        fprintf(stderr, "\n");
        m->shown = FALSE;
    }
}

static void on_migrated(GObject *proxy, GAsyncResult *result, gpointer opaque)
{
    struct migrate *m = opaque;
    g_autoptr(GVariant) r = NULL;
    GError *error = NULL;

    end_line(m);
    if (!ckptd_dbus_call_migrate_finish(CKPTD_DBUS(proxy), &r, result,
                                        &error)) {
        m->status = ckptctl_fail(error);
    } else if (m->ctl->json) {
        ckptctl_print_json(r);
    } else {
        g_autofree char *bytes =
            ckptctl_human_bytes(ckptctl_dict_number(r, "sent_bytes"));

        printf("%s runs on %s: %s in %.1f s, %u rounds, stood still for "
               "%.1f ms\n",
               m->name, m->host, bytes,
               ckptctl_dict_number(r, "move_ms") / 1000.0,
               (guint)ckptctl_dict_number(r, "rounds"),
               ckptctl_dict_number(r, "downtime_us") / 1000.0);
    }
    g_main_loop_quit(m->loop);
}

static void show(struct migrate *m, GVariant *status)
{
    guint64 rate = ckptctl_dict_number(status, "move_rate");
    guint64 rest = ckptctl_dict_number(status, "move_rest_bytes");
    guint64 ms = ckptctl_dict_number(status, "move_ms");
    guint64 sent = ckptctl_dict_number(status, "move_sent_bytes");
    g_autofree char *done = ckptctl_human_bytes(sent);
    g_autofree char *left = ckptctl_human_bytes(rest);
    const char *phase = "", *waits = "";

    if (!g_variant_lookup(status, "move_phase", "&s", &phase)) {
        return;
    }
    g_variant_lookup(status, "move_waits", "&s", &waits);
    if (!rate && ms) {
        rate = sent * 1000 / ms;
    }
    fprintf(stderr, "\r\033[K%s: %s, round %u, %s sent, %s to go", m->name,
            phase, (guint)ckptctl_dict_number(status, "move_rounds") + 1, done,
            left);
    if (rate) {
        fprintf(stderr, ", %" G_GUINT64_FORMAT " s", rest / rate);
    }
    if (ckptctl_dict_number(status, "move_throttle_us")) {
        fprintf(stderr, " (the guest is slowed down)");
    }
    fprintf(stderr, "%s%s", waits[0] ? "; " : "", waits);
    m->shown = TRUE;
}

static void on_status(GObject *proxy, GAsyncResult *result, gpointer opaque)
{
    struct migrate *m = opaque;
    g_autoptr(GVariant) status = NULL;

    if (ckptd_dbus_call_status_finish(CKPTD_DBUS(proxy), &status, result,
                                      NULL)) {
        show(m, status);
    }
}

static gboolean look(gpointer opaque)
{
    struct migrate *m = opaque;

    ckptd_dbus_call_status(m->ctl->proxy, m->name, NULL, on_status, m);
    return G_SOURCE_CONTINUE;
}

static void on_cancelled(GObject *proxy, GAsyncResult *result, gpointer opaque)
{
    struct migrate *m = opaque;
    GError *error = NULL;

    if (!ckptd_dbus_call_migrate_cancel_finish(CKPTD_DBUS(proxy), result,
                                               &error)) {
        end_line(m);
        ckptctl_fail(error);
    }
}

/* ^C once gives the move up; twice leaves it to ckptd. */
static gboolean on_interrupt(gpointer opaque)
{
    struct migrate *m = opaque;

    if (m->cancelled) {
        end_line(m);
        fprintf(stderr,
                "ckptctl: the move goes on without me; see `ckptctl "
                "status %s`\n",
                m->name);
        m->status = CKPTCTL_FAILED;
        g_main_loop_quit(m->loop);
        return G_SOURCE_CONTINUE;
    }
    m->cancelled = TRUE;
    ckptd_dbus_call_migrate_cancel(m->ctl->proxy, m->name, NULL, on_cancelled,
                                   m);
    return G_SOURCE_CONTINUE;
}

static int watch(struct ckptctl *ctl, const char *name, const char *host,
                 guint64 bandwidth, gboolean forward)
{
    struct migrate m = { ctl, name, host, NULL, CKPTCTL_OK, FALSE, FALSE };
    GVariantDict options;

    g_variant_dict_init(&options, NULL);
    if (bandwidth) {
        g_variant_dict_insert(&options, "bandwidth", "t", bandwidth);
    }
    g_variant_dict_insert(&options, "forward", "b", forward);
    m.loop = g_main_loop_new(NULL, FALSE);
    ckptd_dbus_call_migrate(ctl->proxy, name, host,
                            g_variant_dict_end(&options), NULL, on_migrated,
                            &m);
    if (isatty(STDERR_FILENO)) {
        g_timeout_add(LOOK_MS, look, &m);
    }
    g_unix_signal_add(SIGINT, on_interrupt, &m);
    g_main_loop_run(m.loop);
    g_main_loop_unref(m.loop);
    return m.status;
}

/* "10M" -> bytes a second; 0 when it makes no sense. */
static guint64 parse_bandwidth(const char *text)
{
    static const char units[] = "KMG";
    char *end;
    guint64 value = g_ascii_strtoull(text, &end, 10);
    const char *unit;

    if (end == text || value > G_MAXUINT64 >> 30) {
        return 0;
    }
    if (!*end) {
        return value;
    }
    unit = strchr(units, g_ascii_toupper(*end));
    return unit && !end[1] ? value << (10 * (unit - units + 1)) : 0;
}

static int resolve(struct ckptctl *ctl, const char *name, const char *how)
{
    gboolean keep = g_str_equal(how, "keep");
    GError *error = NULL;

    if (!keep && !g_str_equal(how, "gone")) {
        fprintf(stderr, "ckptctl: --resolve takes 'keep' or 'gone'\n");
        return CKPTCTL_USAGE;
    }
    return ckptd_dbus_call_migrate_resolve_sync(ctl->proxy, name, keep, NULL,
                                                &error)
               ? CKPTCTL_OK
               : ckptctl_fail(error);
}

static const char about_migrate[] =
    "Its memory goes over while it runs; then it stands still for some\n"
    "milliseconds and goes on there, with its connections. ^C gives the move\n"
    "up, until the guest is given.\n"
    "\n"
    "When the link broke just then, this host waits until the other one says\n"
    "whether it took the guest. Only if it never will say so again:\n"
    "  --resolve keep   you are sure that it does not run there and never\n"
    "                   will: the other host's disk is gone for good\n"
    "  --resolve gone   you are sure that it runs there\n"
    "Being wrong means two guests with one address, or none.";

/**
 * ckptctl_migrate() - the verb migrate
 * @ctl: of this invocation
 * @verb: its table entry
 * @argc: argv[0] is the verb
 * @argv: see there
 *
 * Return: an exit status.
 */
int ckptctl_migrate(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                    int argc, char **argv)
{
    g_autofree char *bandwidth = NULL, *how = NULL;
    gboolean cancel = FALSE, forward = FALSE;
    const GOptionEntry entries[] = {
        { "bandwidth", 'b', 0, G_OPTION_ARG_STRING, &bandwidth,
          "At most so many bytes a second (K, M, G) while it runs", "N" },
        { "forward", 0, 0, G_OPTION_ARG_NONE, &forward,
          "To another network: bring its Ethernet along, by a tunnel", NULL },
        { "cancel", 0, 0, G_OPTION_ARG_NONE, &cancel,
          "Give up a move that is under way", NULL },
        { "resolve", 0, 0, G_OPTION_ARG_STRING, &how,
          "Decide for a host that cannot be asked; see above", "keep|gone" },
        { 0 },
    };
    guint64 bytes = 0;
    GError *error = NULL;
    int status =
        ckptctl_parse(ctl, verb, entries, about_migrate, 1, 2, &argc, &argv);

    if (status >= 0) {
        return status;
    }
    if ((argc != 3) != (cancel || how) || (cancel && how)) {
        fprintf(stderr, "usage: ckptctl migrate NAME HOST, or --cancel or "
                        "--resolve with NAME; see --help\n");
        return CKPTCTL_USAGE;
    }
    if (bandwidth && !(bytes = parse_bandwidth(bandwidth))) {
        fprintf(stderr,
                "ckptctl: '%s' is no bandwidth: a number, and K, M or "
                "G\n",
                bandwidth);
        return CKPTCTL_USAGE;
    }
    status = ckptctl_connect(ctl);
    if (status != CKPTCTL_OK) {
        return status;
    }
    if (how) {
        return resolve(ctl, argv[1], how);
    }
    if (cancel) {
        return ckptd_dbus_call_migrate_cancel_sync(ctl->proxy, argv[1], NULL,
                                                   &error)
                   ? CKPTCTL_OK
                   : ckptctl_fail(error);
    }
    return watch(ctl, argv[1], argv[2], bytes, forward);
}

/* --- forward -------------------------------------------------------------- */

static int list_forwards(struct ckptctl *ctl)
{
    g_autoptr(GVariant) all = NULL;
    GError *error = NULL;
    gsize i;

    if (!ckptd_dbus_call_forwards_sync(ctl->proxy, &all, NULL, &error)) {
        return ckptctl_fail(error);
    }
    if (ctl->json) {
        ckptctl_print_json(all);
        return CKPTCTL_OK;
    }
    for (i = 0; i < g_variant_n_children(all); i++) {
        g_autoptr(GVariant) f = g_variant_get_child_value(all, i);
        const char *guest = "", *host = "", *bridge = "";
        gboolean away = FALSE;

        g_variant_lookup(f, "guest", "&s", &guest);
        g_variant_lookup(f, "host", "&s", &host);
        g_variant_lookup(f, "bridge", "&s", &bridge);
        g_variant_lookup(f, "away", "b", &away);
        printf(away ? "%-16s on %s, frames from and to %s\n"
                    : "%-16s here, its Ethernet on %s, by %s\n",
               guest, host, bridge);
    }
    return CKPTCTL_OK;
}

/**
 * ckptctl_forward() - the verb forward
 * @ctl: of this invocation
 * @verb: its table entry
 * @argc: argv[0] is the verb
 * @argv: see there
 *
 * Return: an exit status.
 */
int ckptctl_forward(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                    int argc, char **argv)
{
    static const char about[] =
        "  ls        the tunnels by which guests reach their own Ethernet\n"
        "  rm NAME   end one: who is left on that Ethernet reaches the guest\n"
        "            no more";
    GError *error = NULL;
    int status = ckptctl_parse(ctl, verb, NULL, about, 1, 2, &argc, &argv);

    if (status < 0) {
        status = ckptctl_connect(ctl);
    }
    if (status != CKPTCTL_OK) {
        return status;
    }
    if (g_str_equal(argv[1], "ls") && argc == 2) {
        return list_forwards(ctl);
    }
    if (!g_str_equal(argv[1], "rm") || argc != 3) {
        fprintf(stderr, "usage: ckptctl forward ls|rm NAME; see --help\n");
        return CKPTCTL_USAGE;
    }
    return ckptd_dbus_call_forward_remove_sync(ctl->proxy, argv[2], NULL,
                                               &error)
               ? CKPTCTL_OK
               : ckptctl_fail(error);
}

/* --- hosts ---------------------------------------------------------------- */

static void print_host(GVariant *host)
{
    const char *name = "", *address = "", *reason = "";
    gboolean reachable = FALSE;

    g_variant_lookup(host, "name", "&s", &name);
    g_variant_lookup(host, "address", "&s", &address);
    g_variant_lookup(host, "reason", "&s", &reason);
    g_variant_lookup(host, "reachable", "b", &reachable);
    printf("%-16s %-24s %s%s\n", name, address[0] ? address : "-",
           reachable ? "reachable" : "not reached: ", reason);
}

/**
 * ckptctl_hosts() - the verb hosts
 * @ctl: of this invocation
 * @verb: its table entry
 * @argc: argv[0] is the verb
 * @argv: see there
 *
 * Return: an exit status.
 */
int ckptctl_hosts(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  int argc, char **argv)
{
    g_autoptr(GVariant) hosts = NULL;
    GError *error = NULL;
    int status = ckptctl_parse(ctl, verb, NULL, NULL, 0, 0, &argc, &argv);
    gsize i;

    if (status < 0) {
        status = ckptctl_connect(ctl);
    }
    if (status != CKPTCTL_OK) {
        return status;
    }
    if (!ckptd_dbus_call_hosts_sync(ctl->proxy, &hosts, NULL, &error)) {
        return ckptctl_fail(error);
    }
    if (ctl->json) {
        ckptctl_print_json(hosts);
        return CKPTCTL_OK;
    }
    for (i = 0; i < g_variant_n_children(hosts); i++) {
        g_autoptr(GVariant) host = g_variant_get_child_value(hosts, i);

        print_host(host);
    }
    return CKPTCTL_OK;
}

static int host_invite(struct ckptctl *ctl, const char *address)
{
    g_autofree char *token = NULL;
    GError *error = NULL;

    if (!ckptd_dbus_call_host_invite_sync(ctl->proxy, address ? address : "",
                                          &token, NULL, &error)) {
        return ckptctl_fail(error);
    }
    printf("%s\n", token);
    return CKPTCTL_OK;
}

static const char about_host[] =
    "  listen ADDRESS:PORT      let paired hosts in, now and after each start\n"
    "  listen off               no more\n"
    "  invite [ADDRESS:PORT]    print a token for one other host, good once,\n"
    "                           for ten minutes; it finds this one there\n"
    "  add NAME TOKEN           on the other host: pair the two, both ways\n"
    "  rm NAME                  forget a host";

/**
 * ckptctl_host() - the verb host
 * @ctl: of this invocation
 * @verb: its table entry
 * @argc: argv[0] is the verb
 * @argv: see there
 *
 * Return: an exit status.
 */
int ckptctl_host(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                 char **argv)
{
    g_autofree char *own_name = NULL;
    const GOptionEntry entries[] = {
        { "as", 0, 0, G_OPTION_ARG_STRING, &own_name,
          "add: what the other host calls this one (the host's name)", "NAME" },
        { 0 },
    };
    GError *error = NULL;
    gboolean ok;
    int status =
        ckptctl_parse(ctl, verb, entries, about_host, 1, 3, &argc, &argv);

    if (status < 0) {
        status = ckptctl_connect(ctl);
    }
    if (status != CKPTCTL_OK) {
        return status;
    }
    if (g_str_equal(argv[1], "invite") && argc <= 3) {
        return host_invite(ctl, argc == 3 ? argv[2] : NULL);
    }
    if (g_str_equal(argv[1], "listen") && argc == 3) {
        ok = ckptd_dbus_call_host_listen_sync(
            ctl->proxy, g_str_equal(argv[2], "off") ? "" : argv[2], NULL,
            &error);
    } else if (g_str_equal(argv[1], "add") && argc == 4) {
        ok = ckptd_dbus_call_host_add_sync(
            ctl->proxy, argv[2], argv[3],
            own_name ? own_name : g_get_host_name(), NULL, &error);
    } else if (g_str_equal(argv[1], "rm") && argc == 3) {
        ok =
            ckptd_dbus_call_host_remove_sync(ctl->proxy, argv[2], NULL, &error);
    } else {
        fprintf(stderr, "usage: ckptctl host listen|invite|add|rm; see "
                        "--help\n");
        return CKPTCTL_USAGE;
    }
    return ok ? CKPTCTL_OK : ckptctl_fail(error);
}
