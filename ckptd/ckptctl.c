/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl.c - the command: verbs, the way to ckptd
 *
 * Verbs of one D-Bus call are here; those that do more have files of their own
 * (-run: run and logs, -adopt, -lines: named checkpoints, -show: ps, status and
 * verify, -move: migrate, forward, host and hosts).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ckptd/ckptctl.h"

#define START_TIMEOUT_MS 10000
#define START_POLL_MS    10

/**
 * ckptctl_fail() - tell the user what went wrong
 * @error: freed
 *
 * Return: the exit status for it.
 */
int ckptctl_fail(GError *error)
{
    g_dbus_error_strip_remote_error(error);
    fprintf(stderr, "ckptctl: %s\n", error->message);
    g_error_free(error);
    return CKPTCTL_FAILED;
}

/* --- the daemon ----------------------------------------------------------- */

static gboolean try_connect(struct ckptctl *ctl, GError **error)
{
    g_autofree char *path = ckptd_paths_bus_socket(&ctl->paths);
    g_autofree char *escaped = g_dbus_address_escape_value(path);
    g_autofree char *address = g_strconcat("unix:path=", escaped, NULL);
    g_autoptr(GDBusConnection) connection = NULL;

    connection = g_dbus_connection_new_for_address_sync(
        address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL,
        error);
    if (!connection) {
        return FALSE;
    }
    ctl->proxy = ckptd_dbus_proxy_new_sync(connection, G_DBUS_PROXY_FLAGS_NONE,
                                           NULL, CKPTD_BUS_PATH, NULL, error);
    if (!ctl->proxy) {
        return FALSE;
    }
    /* A stop may take as long as the program and its peers like. */
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(ctl->proxy), G_MAXINT);
    return TRUE;
}

static void in_background(gpointer opaque G_GNUC_UNUSED)
{
    setsid();
}

static gboolean spawn_daemon(struct ckptctl *ctl, const char *log,
                             GPid *ret_pid, GError **error)
{
    g_autofree char *program = ckptd_paths_find("ckptd", error);
    char *argv[] = {
        program,         "--state-dir",          ctl->paths.state_dir,
        "--runtime-dir", ctl->paths.runtime_dir, NULL,
    };
    gboolean ok;
    int log_fd;

    if (!program || !ckptd_paths_make_dir(ctl->paths.state_dir, error)) {
        return FALSE;
    }
    log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", log, g_strerror(errno));
        return FALSE;
    }
    ok = g_spawn_async_with_fds("/", argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                                in_background, NULL, ret_pid, -1, log_fd,
                                log_fd, error);
    close(log_fd);
    return ok;
}

static int start_daemon(struct ckptctl *ctl)
{
    g_autofree char *log = ckptd_paths_log(&ctl->paths);
    GError *error = NULL;
    int waited_ms;
    GPid pid;

    if (!spawn_daemon(ctl, log, &pid, &error)) {
        ckptctl_fail(error);
        return CKPTCTL_NO_DAEMON;
    }
    fprintf(stderr, "ckptctl: started ckptd (process %d), log in %s\n",
            (int)pid, log);
    for (waited_ms = 0; waited_ms < START_TIMEOUT_MS;
         waited_ms += START_POLL_MS) {
        if (try_connect(ctl, NULL)) {
            return CKPTCTL_OK;
        }
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            break;
        }
        g_usleep(START_POLL_MS * 1000);
    }
    fprintf(stderr, "ckptctl: ckptd did not start: see the end of %s\n", log);
    return CKPTCTL_NO_DAEMON;
}

/**
 * ckptctl_connect() - reach ckptd, start it if need be
 * @ctl: gets a proxy
 *
 * Return: CKPTCTL_OK, or an exit status after a message.
 */
int ckptctl_connect(struct ckptctl *ctl)
{
    g_autoptr(GError) error = NULL;

    if (ctl->proxy || try_connect(ctl, &error)) {
        return CKPTCTL_OK;
    }
    if (ctl->autostart) {
        return start_daemon(ctl);
    }
    fprintf(stderr,
            "ckptctl: no ckptd answers in %s (%s); without "
            "--no-autostart ckptctl starts one\n",
            ctl->paths.runtime_dir, error->message);
    return CKPTCTL_NO_DAEMON;
}

/* --- verbs of one call ---------------------------------------------------- */

/* One argument, the guest's name, and a connection.  Return: -1 to go on. */
static int begin(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                 const GOptionEntry *entries, int *argc, char ***argv)
{
    int status = ckptctl_parse(ctl, verb, entries, NULL, 1, 1, argc, argv);

    if (status < 0) {
        status = ckptctl_connect(ctl);
    }
    return status == CKPTCTL_OK ? -1 : status;
}

/* kill, crash, recover, reclaim: a name goes, nothing comes back. */
static int verb_plain(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                      int argc, char **argv)
{
    static const struct {
        const char *name;
        gboolean (*call)(CkptdDbus *proxy, const char *name,
                         GCancellable *cancellable, GError **error);
    } calls[] = {
        { "kill", ckptd_dbus_call_kill_sync },
        { "crash", ckptd_dbus_call_crash_sync },
        { "recover", ckptd_dbus_call_recover_sync },
        { "reclaim", ckptd_dbus_call_reclaim_sync },
    };
    GError *error = NULL;
    int status = begin(ctl, verb, NULL, &argc, &argv);
    guint i;

    if (status >= 0) {
        return status;
    }
    for (i = 0; i < G_N_ELEMENTS(calls); i++) {
        if (g_str_equal(calls[i].name, verb->name)) {
            return calls[i].call(ctl->proxy, argv[1], NULL, &error)
                       ? CKPTCTL_OK
                       : ckptctl_fail(error);
        }
    }
    g_assert_not_reached();
}

static int verb_shutdown(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                         int argc, char **argv)
{
    GError *error = NULL;
    int status = ckptctl_parse(ctl, verb, NULL, NULL, 0, 0, &argc, &argv);

    if (status >= 0) {
        return status;
    }
    if (!try_connect(ctl, NULL)) {
        fprintf(stderr, "ckptctl: no ckptd runs\n");
        return CKPTCTL_OK;
    }
    return ckptd_dbus_call_shutdown_sync(ctl->proxy, NULL, &error)
               ? CKPTCTL_OK
               : ckptctl_fail(error);
}

static int verb_version(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                        int argc, char **argv)
{
    int status = ckptctl_parse(ctl, verb, NULL, NULL, 0, 0, &argc, &argv);

    if (status >= 0) {
        return status;
    }
    printf("ckptctl %s\n", CKPTD_VERSION);
    if (try_connect(ctl, NULL)) {
        printf("ckptd %s\n", ckptd_dbus_get_version(ctl->proxy));
    }
    return CKPTCTL_OK;
}

/* --- the command line ----------------------------------------------------- */

static const struct ckptctl_verb verbs[] = {
    { "run", "PROGRAM [ARGUMENT...]", "start a program in a guest",
      ckptctl_run },
    { "adopt", "", "make a guest whose QEMU somebody else starts",
      ckptctl_adopt },
    { "domxml", "NAME | --new", "print a libvirt domain for such a guest",
      ckptctl_domxml },
    { "ps", "", "list the guests", ckptctl_ps },
    { "status", "NAME", "how a guest does", ckptctl_show_status },
    { "logs", "NAME", "what a guest's program wrote", ckptctl_logs },
    { "stop", "NAME", "SIGTERM to the program, then power off", ckptctl_stop },
    { "kill", "NAME", "off now, stays down, checkpoints kept", verb_plain },
    { "recover", "NAME", "start again from the last checkpoint", verb_plain },
    { "reclaim", "NAME", "it has moved and runs nowhere else: go on here",
      verb_plain },
    { "rm", "NAME[@LABEL]", "forget a guest and its checkpoints, or one",
      ckptctl_rm },
    { "checkpoint", "NAME", "take a checkpoint, print its epoch when durable",
      ckptctl_checkpoint },
    { "ls", "[NAME]", "list named checkpoints", ckptctl_ls },
    { "start", "NEW", "start a guest from a named checkpoint", ckptctl_start },
    { "rollback", "NAME@LABEL", "step a guest back to a named checkpoint",
      ckptctl_rollback },
    { "verify", "NAME", "check a guest's store, read-only", ckptctl_verify },
    { "crash", "NAME", "SIGKILL to QEMU, as a fault: it recovers", verb_plain },
    { "migrate", "NAME HOST", "send a guest to another host, as it runs",
      ckptctl_migrate },
    { "forward", "ls|rm", "tunnels of guests that moved to other networks",
      ckptctl_forward },
    { "hosts", "", "list the hosts that guests can go to", ckptctl_hosts },
    { "host", "listen|invite|add|rm", "pair this host with others",
      ckptctl_host },
    { "shutdown", "", "end ckptd, when no guest is up", verb_shutdown },
    { "version", "", "print the versions", verb_version },
};

static char *list_verbs(void)
{
    GString *text = g_string_new("Commands:\n");
    g_autofree char *head = NULL;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(verbs); i++) {
        g_free(head);
        head = g_strdup_printf("%s %s", verbs[i].name, verbs[i].arguments);
        g_string_append_printf(text, "  %-28s %s\n", head, verbs[i].summary);
    }
    g_string_append(
        text,
        "\n`ckptctl COMMAND --help` says more about one.\n\n"
        "Exit status: 0 done, 1 failed, 2 wrong usage, 3 ckptd not reached,\n"
        "4 verify found damage; `run --foreground`: the program's own, 128+N\n"
        "when it ended by signal N.");
    return g_string_free(text, FALSE);
}

/* Options that any verb takes, before or after it. */
static GOptionGroup *common_options(struct ckptctl *ctl)
{
    const GOptionEntry entries[] = {
        { "json", 0, 0, G_OPTION_ARG_NONE, &ctl->json,
          "Print JSON (adopt, ps, status, checkpoint, ls, start, verify, "
          "migrate, hosts)",
          NULL },
        { "no-autostart", 0, G_OPTION_FLAG_REVERSE, G_OPTION_ARG_NONE,
          &ctl->autostart, "Do not start ckptd when it does not run", NULL },
        { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &ctl->state_dir,
          "ckptd's state ($SLUICE_STATE_DIR)", "DIR" },
        { "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &ctl->runtime_dir,
          "ckptd's sockets ($SLUICE_RUNTIME_DIR)", "DIR" },
        { 0 },
    };
    GOptionGroup *group = g_option_group_new("common", "", "", NULL, NULL);

    g_option_group_add_entries(group, entries);
    return group;
}

static int parse(struct ckptctl *ctl, GOptionContext *context, int *argc,
                 char ***argv)
{
    g_autoptr(GError) error = NULL;

    g_option_context_set_strict_posix(context, TRUE);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        fprintf(stderr, "ckptctl: %s; see --help\n", error->message);
        return CKPTCTL_USAGE;
    }
    ckptd_paths_clear(&ctl->paths);
    ckptd_paths_init(&ctl->paths, ctl->state_dir, ctl->runtime_dir);
    return -1;
}

/* No number that a verb takes may be negative: -1 or a status to exit with. */
static int refuse_negative(const GOptionEntry *entry)
{
    for (; entry && entry->long_name; entry++) {
        gint value = 0;

        if (entry->arg == G_OPTION_ARG_INT) {
            value = *(const gint *)entry->arg_data;
        }
        if (value < 0 && value != CKPTCTL_NOT_GIVEN) {
            fprintf(stderr, "ckptctl: --%s: %d is negative\n", entry->long_name,
                    value);
            return CKPTCTL_USAGE;
        }
    }
    return -1;
}

/**
 * ckptctl_parse() - parse what follows a verb
 * @ctl: gets the common options
 * @verb: its table entry
 * @entries: its own options, or NULL
 * @about: more words for --help, or NULL
 * @min_args: arguments it needs
 * @max_args: arguments it takes, G_MAXINT = any number; then options end at
 *            the first
 * @argc: argv[0] is the verb
 * @argv: options are removed
 *
 * Return: -1 to go on, or an exit status after a message.
 */
int ckptctl_parse(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  const GOptionEntry *entries, const char *about, int min_args,
                  int max_args, int *argc, char ***argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(verb->arguments);
    g_autofree char *summary = g_strdup_printf(
        "%c%s.%s%s", g_ascii_toupper(verb->summary[0]), verb->summary + 1,
        about ? "\n" : "", about ? about : "");
    g_autofree char *name = g_strdup_printf("ckptctl %s", verb->name);
    GOptionGroup *group = common_options(ctl);
    int status;

    g_set_prgname(name);
    g_option_context_set_summary(context, summary);
    g_option_context_set_main_group(context, group);
    if (entries) {
        g_option_group_add_entries(group, entries);
    }
    status = parse(ctl, context, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (max_args != G_MAXINT && *argc > 1) {
        /* Options may follow the name as well. */
        (*argv)++;
        (*argc)--;
        status = parse(ctl, context, argc, argv);
        (*argv)--;
        (*argc)++;
    }
    if (status < 0) {
        status = refuse_negative(entries);
    }
    if (status < 0 && (*argc - 1 < min_args || *argc - 1 > max_args)) {
        fprintf(stderr, "usage: ckptctl %s %s; see ckptctl %s --help\n",
                verb->name, verb->arguments, verb->name);
        status = CKPTCTL_USAGE;
    }
    return status;
}

static int dispatch(struct ckptctl *ctl, int argc, char **argv)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new("COMMAND [ARGUMENT...]");
    g_autofree char *description = list_verbs();
    int status;
    guint i;

    g_option_context_set_summary(
        context, "Runs programs in guests that outlive their host process.");
    g_option_context_set_description(context, description);
    g_option_context_set_main_group(context, common_options(ctl));
    status = parse(ctl, context, &argc, &argv);
    if (status >= 0) {
        return status;
    }
    for (i = 0; argc > 1 && i < G_N_ELEMENTS(verbs); i++) {
        if (g_str_equal(argv[1], verbs[i].name)) {
            return verbs[i].run(ctl, &verbs[i], argc - 1, argv + 1);
        }
    }
    fprintf(stderr,
            argc > 1 ? "ckptctl: no command '%s'; see ckptctl --help\n"
                     : "usage: ckptctl COMMAND; see ckptctl --help\n",
            argv[1]);
    return CKPTCTL_USAGE;
}

int main(int argc, char **argv)
{
    struct ckptctl ctl = { .autostart = TRUE };
    int status;

    umask(077);
    status = dispatch(&ctl, argc, argv);
    g_clear_object(&ctl.proxy);
    ckptd_paths_clear(&ctl.paths);
    g_free(ctl.state_dir);
    g_free(ctl.runtime_dir);
    return status;
}
