/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-run.c - run, logs
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "abi/ckpt-nic.h"
#include "ckptd/ckptctl-dict.h"
#include "ckptd/ckptctl.h"
#include "ckptd/ckptd-spec.h"

static const char about_run[] =
    "\n"
    "PROGRAM is a static x86-64 Linux executable. It gets a machine of its\n"
    "own with one processor and is checkpointed whenever it has something\n"
    "to say: what it sends leaves when a checkpoint of it is on disk. If\n"
    "QEMU dies, it goes on from there. Prints the guest's name.\n"
    "\n"
    "After `--', each further `--' begins another program: all share the\n"
    "machine and its checkpoints, each has an address of its own. --ip and\n"
    "--mac may then be given once for each, in their order.";

/* --- logs ----------------------------------------------------------------- */

struct follow {
    GMainLoop *loop;
    const char *name;
    int log_fd;
    gboolean down;
};

static gboolean is_down(const char *state)
{
    return g_str_equal(state, "stopped") || g_str_equal(state, "exited") ||
           g_str_equal(state, "failed") || g_str_equal(state, "created");
}

static gboolean copy_log(int fd)
{
    char buffer[65536];
    ssize_t n;

    while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
        if (fwrite(buffer, 1, n, stdout) != (size_t)n) {
            return FALSE;
        }
    }
    return fflush(stdout) == 0;
}

static void on_file(GFileMonitor *monitor G_GNUC_UNUSED,
                    GFile *file G_GNUC_UNUSED, GFile *other G_GNUC_UNUSED,
                    GFileMonitorEvent event G_GNUC_UNUSED,
                    struct follow *follow)
{
    if (!copy_log(follow->log_fd)) {
        g_main_loop_quit(follow->loop);
    }
}

static void on_state(CkptdDbus *proxy G_GNUC_UNUSED, const char *name,
                     const char *state, struct follow *follow)
{
    if (g_str_equal(name, follow->name) && is_down(state)) {
        follow->down = TRUE;
        g_main_loop_quit(follow->loop);
    }
}

/* ckptd may have died; the guest has not, so wait for the next ckptd. */
static void on_lost(GDBusConnection *connection G_GNUC_UNUSED,
                    gboolean remote G_GNUC_UNUSED, GError *error G_GNUC_UNUSED,
                    struct follow *follow)
{
    g_main_loop_quit(follow->loop);
}

static int follow_once(struct ckptctl *ctl, struct follow *follow,
                       const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileMonitor) monitor = NULL;
    g_autoptr(GVariant) status = NULL;
    GDBusConnection *connection;
    GError *error = NULL;
    const char *state;

    connection = g_dbus_proxy_get_connection(G_DBUS_PROXY(ctl->proxy));
    monitor = g_file_monitor_file(file, G_FILE_MONITOR_NONE, NULL, &error);
    if (!monitor) {
        return ckptctl_fail(error);
    }
    g_file_monitor_set_rate_limit(monitor, 20);
    g_signal_connect(monitor, "changed", G_CALLBACK(on_file), follow);
    g_signal_connect(ctl->proxy, "state-changed", G_CALLBACK(on_state), follow);
    g_signal_connect(connection, "closed", G_CALLBACK(on_lost), follow);
    /* Only after the signal is connected is its absence news. */
    status = ckptctl_status_of(ctl, follow->name, &error);
    if (!status) {
        g_signal_handlers_disconnect_by_data(connection, follow);
        return ckptctl_fail(error);
    }
    g_variant_lookup(status, "state", "&s", &state);
    follow->down = is_down(state);
    copy_log(follow->log_fd);
    if (!follow->down) {
        g_main_loop_run(follow->loop);
    }
    g_signal_handlers_disconnect_by_data(connection, follow);
    g_signal_handlers_disconnect_by_data(ctl->proxy, follow);
    copy_log(follow->log_fd);
    return CKPTCTL_OK;
}

/**
 * ckptctl_follow() - print a guest's log, then what is added to it
 * @ctl: connected
 * @name: of the guest
 * @until_down: follow until the guest is down; else only what is there
 *
 * Return: an exit status.
 */
int ckptctl_follow(struct ckptctl *ctl, const char *name, gboolean until_down)
{
    struct follow follow = { .name = name };
    g_autoptr(GVariant) guest = NULL;
    g_autofree char *path = NULL;
    GError *error = NULL;
    int status = CKPTCTL_OK;

    guest = ckptctl_status_of(ctl, name, &error);
    if (!guest) {
        return ckptctl_fail(error);
    }
    g_variant_lookup(guest, "log", "s", &path);
    follow.log_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (follow.log_fd < 0) {
        fprintf(stderr, "ckptctl: %s: %s\n", path, g_strerror(errno));
        return CKPTCTL_FAILED;
    }
    follow.loop = g_main_loop_new(NULL, FALSE);
    copy_log(follow.log_fd);
    while (until_down && !follow.down && status == CKPTCTL_OK) {
        status = follow_once(ctl, &follow, path);
        if (status == CKPTCTL_OK && !follow.down) {
            g_clear_object(&ctl->proxy);
            status = ckptctl_connect(ctl);
        }
    }
    g_main_loop_unref(follow.loop);
    close(follow.log_fd);
    return status;
}

/**
 * ckptctl_logs() - what a guest's program wrote
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_logs(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                 char **argv)
{
    gboolean until_down = FALSE;
    const GOptionEntry entries[] = {
        { "follow", 'f', 0, G_OPTION_ARG_NONE, &until_down,
          "Go on until the guest is down", NULL },
        { 0 },
    };
    int status = ckptctl_parse(ctl, verb, entries, NULL, 1, 1, &argc, &argv);

    if (status < 0) {
        status = ckptctl_connect(ctl);
    }
    return status ? status : ckptctl_follow(ctl, argv[1], until_down);
}

/* --- run ------------------------------------------------------------------ */

struct run_options {
    char **env;
    char **files;
    char **dirs;
    char **options;
    char *name;
    char *accel;
    struct ckptctl_net_options net;
    struct ckptctl_pace_options pace;
    gint memory_mib;
    gboolean no_checkpoint;
    gboolean foreground;
    gboolean remove;
};

/* Host paths are the caller's, ckptd runs in another directory. */
static char **absolute_paths(char **paths)
{
    GPtrArray *out = g_ptr_array_new();
    guint i;

    for (i = 0; paths && paths[i]; i++) {
        const char *colon = g_strrstr(paths[i], ":/");
        g_autofree char *host =
            colon ? g_strndup(paths[i], colon - paths[i]) : g_strdup(paths[i]);
        g_autofree char *full = g_canonicalize_filename(host, NULL);

        g_ptr_array_add(out, g_strconcat(full, colon ? colon : "", NULL));
    }
    g_ptr_array_add(out, NULL);
    return (char **)g_ptr_array_free(out, FALSE);
}

static GVariant *pack(const struct run_options *opt, char **more)
{
    g_auto(GStrv) files = absolute_paths(opt->files);
    g_auto(GStrv) dirs = absolute_paths(opt->dirs);
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    ckptctl_dict_add_list(&dict, "more", more);
    ckptctl_dict_add_list(&dict, "env", opt->env);
    ckptctl_dict_add_list(&dict, "options", opt->options);
    ckptctl_dict_add_list(&dict, "files", files);
    ckptctl_dict_add_list(&dict, "dirs", dirs);
    ckptctl_dict_add_text(&dict, "name", opt->name);
    ckptctl_dict_add_text(&dict, "accel", opt->accel);
    ckptctl_dict_add_number(&dict, "memory_mib", opt->memory_mib);
    g_variant_dict_insert(&dict, "checkpoint", "b", !opt->no_checkpoint);
    ckptctl_net_options_pack(&opt->net, &dict);
    ckptctl_pace_options_pack(&opt->pace, &dict);
    return g_variant_dict_end(&dict);
}

/* A name without a slash is looked for here, then in $PATH. */
static char *find_program(const char *name)
{
    g_autofree char *found = NULL;

    if (access(name, F_OK) == 0 || strchr(name, '/')) {
        return g_canonicalize_filename(name, NULL);
    }
    found = g_find_program_in_path(name);
    return g_canonicalize_filename(found ? found : name, NULL);
}

/* One program of several: its words as one line, in the shell's quoting. */
static char *quote_program(char **words, guint n)
{
    g_autofree char *path = find_program(words[0]);
    GString *line = g_string_new(NULL);
    guint i;

    for (i = 0; i < n; i++) {
        g_autofree char *word = g_shell_quote(i ? words[i] : path);

        g_string_append_printf(line, "%s%s", i ? " " : "", word);
    }
    return g_string_free(line, FALSE);
}

/* Cut @argv at its first "--"; what follows, by programs. */
static char **split_programs(char **argv)
{
    GPtrArray *more = g_ptr_array_new();
    guint at = 0, n;

    while (argv[at] && strcmp(argv[at], "--")) {
        at++;
    }
    while (argv[at]) {
        g_clear_pointer(&argv[at], g_free);
        at++;
        for (n = 0; argv[at + n] && strcmp(argv[at + n], "--"); n++) {
        }
        if (n) {
            g_ptr_array_add(more, quote_program(argv + at, n));
        }
        for (; n; n--, at++) {
            g_clear_pointer(&argv[at], g_free);
        }
    }
    g_ptr_array_add(more, NULL);
    return (char **)g_ptr_array_free(more, FALSE);
}

/* Wait for the end, as a shell waits for a program. */
static int follow_to_end(struct ckptctl *ctl, const char *name, gboolean remove)
{
    g_autoptr(GVariant) guest = NULL;
    int status = ckptctl_follow(ctl, name, TRUE);
    const char *state, *reason = "";
    GError *error = NULL;
    guint exit_status;

    if (status) {
        return status;
    }
    guest = ckptctl_status_of(ctl, name, &error);
    if (!guest) {
        return ckptctl_fail(error);
    }
    if (g_variant_lookup(guest, "exit_status", "u", &exit_status)) {
        status = exit_status & CKPT_EXIT_SIGNALLED ? 128 + (exit_status & 0x7f)
                                                   : exit_status & 0xff;
    } else {
        g_variant_lookup(guest, "state", "&s", &state);
        g_variant_lookup(guest, "reason", "&s", &reason);
        fprintf(stderr, "ckptctl: %s %s%s%s\n", name, state,
                reason[0] ? ": " : "", reason);
        status = CKPTCTL_FAILED;
    }
    if (remove &&
        !ckptd_dbus_call_remove_sync(ctl->proxy, name, FALSE, NULL, &error)) {
        ckptctl_fail(error);
    }
    return status;
}

static int parse_run(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                     struct run_options *opt, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "name", 'n', 0, G_OPTION_ARG_STRING, &opt->name,
          "Name of the guest (PROGRAM-1)", "NAME" },
        { "memory", 'm', 0, G_OPTION_ARG_INT, &opt->memory_mib, "Memory (128)",
          "MIB" },
        { "env", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &opt->env,
          "Environment of the program", "NAME=VALUE" },
        { "file", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt->files,
          "A read-only file for the program", "PATH[:GUESTPATH]" },
        { "dir", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt->dirs,
          "A directory and all below it, read-only", "PATH[:GUESTPATH]" },
        { "foreground", 'f', 0, G_OPTION_ARG_NONE, &opt->foreground,
          "Print the log until the program ends; its status is ours", NULL },
        { "rm", 0, 0, G_OPTION_ARG_NONE, &opt->remove,
          "With --foreground: remove the guest in the end", NULL },
        { "accel", 0, 0, G_OPTION_ARG_STRING, &opt->accel,
          "How to run the processor (auto)", "auto|kvm|tcg" },
        { "no-checkpoint", 0, 0, G_OPTION_ARG_NONE, &opt->no_checkpoint,
          "No checkpoints: nothing is held, nothing survives", NULL },
        { "option", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt->options,
          "Option of the guest's kernel or library", "NAME=VALUE" },
        { 0 },
    };
    g_autoptr(GArray) all = g_array_new(TRUE, FALSE, sizeof(GOptionEntry));

    ckptctl_options_add(all, entries);
    ckptctl_net_options_add(&opt->net, all);
    ckptctl_pace_options_add(&opt->pace, all);
    return ckptctl_parse(ctl, verb, (const GOptionEntry *)all->data, about_run,
                         1, G_MAXINT, argc, argv);
}

static void free_run(struct run_options *opt)
{
    g_strfreev(opt->env);
    g_strfreev(opt->files);
    g_strfreev(opt->dirs);
    g_strfreev(opt->options);
    g_free(opt->name);
    g_free(opt->accel);
    ckptctl_net_options_clear(&opt->net);
    ckptctl_pace_options_clear(&opt->pace);
}

/* @several: a "--" in @argv begins another program. */
static int start(struct ckptctl *ctl, const struct run_options *opt,
                 char **argv, gboolean several)
{
    g_autofree char *name = NULL, *accel = NULL, *why = NULL;
    g_auto(GStrv) program = g_strdupv(argv);
    g_auto(GStrv) more = several ? split_programs(program) : NULL;
    GError *error = NULL;

    if (!program[0]) {
        fprintf(stderr, "ckptctl: no program behind `--'\n");
        return CKPTCTL_USAGE;
    }
    g_free(program[0]);
    program[0] = find_program(argv[0]);
    if (!ckptd_dbus_call_run_sync(ctl->proxy, pack(opt, more),
                                  (const char *const *)program, &name, &accel,
                                  &why, NULL, &error)) {
        return ckptctl_fail(error);
    }
    fprintf(stderr, "ckptctl: accelerator %s: %s\n", accel, why);
    if (opt->foreground) {
        return follow_to_end(ctl, name, opt->remove);
    }
    puts(name);
    return CKPTCTL_OK;
}

/**
 * ckptctl_run() - start a program in a guest
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_run(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
                char **argv)
{
    struct run_options opt = { .memory_mib = CKPTCTL_NOT_GIVEN,
                               .pace = CKPTCTL_PACE_INIT };
    int status = parse_run(ctl, verb, &opt, &argc, &argv);
    gboolean several;

    if (status < 0) {
        several = argc > 1 && g_str_equal(argv[1], "--");
        status = ckptctl_connect(ctl);
        if (status == CKPTCTL_OK) {
            status = start(ctl, &opt, argv + 1 + several, several);
        }
    }
    free_run(&opt);
    return status;
}
