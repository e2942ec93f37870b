/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-lines.c - named checkpoints: take, list, start from, step back, remove
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ckptd/ckptctl-dict.h"
#include "ckptd/ckptctl.h"

/* "NAME@LABEL"; @ret_label is NULL without an "@".  Return: the name. */
static char *split(const char *text, char **ret_label)
{
    const char *at = strchr(text, '@');

    *ret_label = at ? g_strdup(at + 1) : NULL;
    return at ? g_strndup(text, at - text) : g_strdup(text);
}

/* As split(), for who needs a label.  Return: NULL after a message. */
static char *split_both(const char *text, char **ret_label)
{
    char *name = split(text, ret_label);

    if (!*ret_label || !name[0] || !(*ret_label)[0]) {
        fprintf(stderr,
                "ckptctl: '%s': expected NAME@LABEL; `ckptctl ls` "
                "lists them\n",
                text);
        g_clear_pointer(ret_label, g_free);
        g_clear_pointer(&name, g_free);
    }
    return name;
}

/* --- checkpoint ----------------------------------------------------------- */

/* The answer to a call that runs while signals come in. */
struct call {
    GMainLoop *loop;
    const char *name;
    const char *label;
    gboolean shown;
    guint64 epoch;
    GError *error;
};

static void on_progress(CkptdDbus *proxy G_GNUC_UNUSED, const char *name,
                        const char *label, guint64 done_bytes,
                        guint64 total_bytes, struct call *call)
{
    g_autofree char *done = NULL;
    g_autofree char *total = NULL;

    if (!total_bytes || !g_str_equal(name, call->name) ||
        !g_str_equal(label, call->label)) {
        return;
    }
    done = ckptctl_human_bytes(done_bytes);
    total = ckptctl_human_bytes(total_bytes);
    fprintf(stderr, "\r%s@%s: %s of %s (%.0f %%) ", name, label, done, total,
            100.0 * done_bytes / total_bytes);
    call->shown = TRUE;
}

static void on_named(GObject *proxy, GAsyncResult *result, gpointer opaque)
{
    struct call *call = opaque;

    ckptd_dbus_call_name_checkpoint_finish(CKPTD_DBUS(proxy), &call->epoch,
                                           result, &call->error);
    g_main_loop_quit(call->loop);
}

/* Ctrl-C needs no handler: ckptd gives up what a closed connection asked. */
static guint64 name_checkpoint(struct ckptctl *ctl, const char *name,
                               const char *label, GError **error)
{
    struct call call = { .name = name, .label = label };

    call.loop = g_main_loop_new(NULL, FALSE);
    if (isatty(STDERR_FILENO) && !ctl->json) {
        g_signal_connect(ctl->proxy, "naming-progress", G_CALLBACK(on_progress),
                         &call);
    }
    ckptd_dbus_call_name_checkpoint(ctl->proxy, name, label, NULL, on_named,
                                    &call);
    g_main_loop_run(call.loop);
    g_signal_handlers_disconnect_by_data(ctl->proxy, &call);
    g_main_loop_unref(call.loop);
    if (call.shown) {
        fputc('\n', stderr);
    }
    if (call.error) {
        g_propagate_error(error, call.error);
    }
    return call.epoch;
}

static const char about_checkpoint[] =
    "\n"
    "With --name it is kept until it is removed: a copy of all memory that is\n"
    "not zero. `ckptctl start --from` begins new guests with it, `ckptctl\n"
    "rollback` steps back to it.";

/**
 * ckptctl_checkpoint() - take a checkpoint, and perhaps give it a name
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_checkpoint(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                       int argc, char **argv)
{
    g_autofree char *label = NULL;
    const GOptionEntry entries[] = {
        { "name", 'n', 0, G_OPTION_ARG_STRING, &label,
          "Keep it under this name", "LABEL" },
        { 0 },
    };
    GError *error = NULL;
    guint64 epoch = 0;
    int status =
        ckptctl_parse(ctl, verb, entries, about_checkpoint, 1, 1, &argc, &argv);

    if (status >= 0 || (status = ckptctl_connect(ctl))) {
        return status;
    }
    if (label) {
        epoch = name_checkpoint(ctl, argv[1], label, &error);
    } else {
        ckptd_dbus_call_checkpoint_sync(ctl->proxy, argv[1], &epoch, NULL,
                                        &error);
    }
    if (error) {
        return ckptctl_fail(error);
    }
    printf(ctl->json ? "{\"epoch\": %" G_GUINT64_FORMAT "}\n"
                     : "%" G_GUINT64_FORMAT "\n",
           epoch);
    return CKPTCTL_OK;
}

/* --- ls ------------------------------------------------------------------- */

static void print_label(GVariant *label)
{
    g_autofree char *name =
        g_strdup_printf("%s@%s", ckptctl_dict_text(label, "guest"),
                        ckptctl_dict_text(label, "label"));
    g_autofree char *bytes =
        ckptctl_human_bytes(ckptctl_dict_number(label, "bytes"));
    g_autoptr(GDateTime) when = NULL;
    g_autofree char *created = NULL;
    gint64 created_s = 0;

    if (ckptctl_dict_text(label, "damage")[0]) {
        printf("%-32s damaged: %s\n", name, ckptctl_dict_text(label, "damage"));
        return;
    }
    g_variant_lookup(label, "created", "x", &created_s);
    when = g_date_time_new_from_unix_local(created_s);
    created =
        when ? g_date_time_format(when, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
    printf("%-32s %10" G_GUINT64_FORMAT " %-19s %12s\n", name,
           ckptctl_dict_number(label, "epoch"), created, bytes);
}

/**
 * ckptctl_ls() - list named checkpoints
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_ls(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
               char **argv)
{
    g_autoptr(GVariant) labels = NULL;
    GError *error = NULL;
    GVariantIter iter;
    GVariant *label;
    int status = ckptctl_parse(ctl, verb, NULL, NULL, 0, 1, &argc, &argv);

    if (status >= 0 || (status = ckptctl_connect(ctl))) {
        return status;
    }
    if (!ckptd_dbus_call_list_labels_sync(ctl->proxy, argc > 1 ? argv[1] : "",
                                          &labels, NULL, &error)) {
        return ckptctl_fail(error);
    }
    if (ctl->json) {
        ckptctl_print_json(labels);
        return CKPTCTL_OK;
    }
    printf("%-32s %10s %-19s %12s\n", "NAME@LABEL", "EPOCH", "CREATED",
           "ON DISK");
    g_variant_iter_init(&iter, labels);
    while ((label = g_variant_iter_next_value(&iter))) {
        print_label(label);
        g_variant_unref(label);
    }
    return CKPTCTL_OK;
}

/* --- start ---------------------------------------------------------------- */

struct start_options {
    char *from;
    struct ckptctl_net_options net;
    struct ckptctl_pace_options pace;
};

static const char about_start[] =
    "\n"
    "NEW goes on where the checkpoint was taken, beside the guest that it is of,\n"
    "with a store, addresses and random numbers of its own. What is not given\n"
    "is as there; with user-mode networking each port that leads to the other\n"
    "guest gets a free one that leads to this, and on a bridge it asks for its\n"
    "address by DHCP.";

static int parse_start(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                       struct start_options *opt, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "from", 0, 0, G_OPTION_ARG_STRING, &opt->from,
          "The checkpoint to begin with", "NAME@LABEL" },
        { 0 },
    };
    g_autoptr(GArray) all = g_array_new(TRUE, FALSE, sizeof(GOptionEntry));
    int status;

    ckptctl_options_add(all, entries);
    ckptctl_net_options_add(&opt->net, all);
    ckptctl_pace_options_add(&opt->pace, all);
    status = ckptctl_parse(ctl, verb, (const GOptionEntry *)all->data,
                           about_start, 1, 1, argc, argv);
    if (status < 0 && !opt->from) {
        fprintf(stderr, "ckptctl: start needs --from NAME@LABEL; `ckptctl "
                        "recover NAME` starts a guest that is down\n");
        status = CKPTCTL_USAGE;
    }
    return status;
}

static GVariant *pack(const struct start_options *opt)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    ckptctl_net_options_pack(&opt->net, &dict);
    ckptctl_pace_options_pack(&opt->pace, &dict);
    return g_variant_dict_end(&dict);
}

static int start(struct ckptctl *ctl, const struct start_options *opt,
                 const char *fresh)
{
    g_autofree char *label = NULL;
    g_autofree char *name = split_both(opt->from, &label);
    g_autoptr(GVariant) guest = NULL;
    g_autofree char *ports = NULL;
    GError *error = NULL;

    if (!name) {
        return CKPTCTL_USAGE;
    }
    if (!ckptd_dbus_call_start_from_sync(ctl->proxy, name, label, fresh,
                                         pack(opt), &guest, NULL, &error)) {
        return ckptctl_fail(error);
    }
    if (ctl->json) {
        ckptctl_print_json(guest);
        return CKPTCTL_OK;
    }
    ports = ckptctl_ports_of(guest);
    fprintf(stderr, "ckptctl: %s goes on from %s; network %s%s%s\n", fresh,
            opt->from, ckptctl_dict_text(guest, "net"), ports[0] ? ", " : "",
            ports);
    puts(fresh);
    return CKPTCTL_OK;
}

/**
 * ckptctl_start() - start a guest from a named checkpoint
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_start(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  int argc, char **argv)
{
    struct start_options opt = { .pace = CKPTCTL_PACE_INIT };
    int status = parse_start(ctl, verb, &opt, &argc, &argv);

    if (status < 0) {
        status = ckptctl_connect(ctl);
        if (status == CKPTCTL_OK) {
            status = start(ctl, &opt, argv[1]);
        }
    }
    g_free(opt.from);
    ckptctl_net_options_clear(&opt.net);
    ckptctl_pace_options_clear(&opt.pace);
    return status;
}

/* --- rollback, rm --------------------------------------------------------- */

static const char about_rollback[] =
    "\n"
    "The guest is ended as by a crash, all that came after the checkpoint is\n"
    "given up, and it goes on from there: its clients' connections are reset.\n"
    "One that is down is started; where somebody else starts its QEMU, that is\n"
    "to be started again with the same command line, as libvirt is asked to.";

/* Who starts its QEMU may not know yet that it is to be started again. */
static void hint_at_start(struct ckptctl *ctl, const char *name,
                          const char *label)
{
    g_autoptr(GVariant) status = ckptctl_status_of(ctl, name, NULL);
    const char *state = "";

    if (status && g_variant_lookup(status, "state", "&s", &state) &&
        g_str_equal(state, "waiting")) {
        printf("%s goes on from %s when its QEMU is started again\n", name,
               label);
    }
}

/**
 * ckptctl_rollback() - step a guest back to a named checkpoint
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_rollback(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                     int argc, char **argv)
{
    g_autofree char *label = NULL;
    g_autofree char *name = NULL;
    GError *error = NULL;
    int status =
        ckptctl_parse(ctl, verb, NULL, about_rollback, 1, 1, &argc, &argv);

    if (status >= 0) {
        return status;
    }
    name = split_both(argv[1], &label);
    if (!name) {
        return CKPTCTL_USAGE;
    }
    status = ckptctl_connect(ctl);
    if (status) {
        return status;
    }
    if (!ckptd_dbus_call_rollback_sync(ctl->proxy, name, label, NULL, &error)) {
        return ckptctl_fail(error);
    }
    hint_at_start(ctl, name, label);
    return CKPTCTL_OK;
}

static const char about_rm[] =
    "\n"
    "NAME@LABEL removes one named checkpoint; guests that began with it keep\n"
    "what they need. A guest's named checkpoints go with it.";

/**
 * ckptctl_rm() - forget a guest and its checkpoints, or one that has a name
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_rm(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
               char **argv)
{
    gboolean force = FALSE;
    const GOptionEntry entries[] = {
        { "force", 'f', 0, G_OPTION_ARG_NONE, &force,
          "Kill it first if it runs; remove named checkpoints too", NULL },
        { 0 },
    };
    g_autofree char *label = NULL;
    g_autofree char *name = NULL;
    GError *error = NULL;
    gboolean ok;
    int status =
        ckptctl_parse(ctl, verb, entries, about_rm, 1, 1, &argc, &argv);

    if (status >= 0 || (status = ckptctl_connect(ctl))) {
        return status;
    }
    name = split(argv[1], &label);
    if (label) {
        ok = ckptd_dbus_call_remove_label_sync(ctl->proxy, name, label, NULL,
                                               &error);
    } else {
        ok = ckptd_dbus_call_remove_sync(ctl->proxy, name, force, NULL, &error);
    }
    return ok ? CKPTCTL_OK : ckptctl_fail(error);
}
