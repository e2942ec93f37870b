/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-adopt.c - adopt: a guest whose QEMU somebody else starts
 */
#include <stdio.h>

#include "ckptd/ckptctl-dict.h"
#include "ckptd/ckptctl.h"

static const char about_adopt[] =
    "\n"
    "Makes a guest that ckptd does not start, and prints what the command line\n"
    "of its QEMU needs, one option a line; docs/by-hand.md has a whole one.\n"
    "Whenever that QEMU is started, it boots or goes on from the last\n"
    "checkpoint. A guest that is there already is shown again.";

static GVariant *pack(const struct ckptctl_adopt *opt)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    ckptctl_dict_add_text(&dict, "name", opt->name);
    ckptctl_dict_add_text(&dict, "uuid", opt->uuid);
    ckptctl_dict_add_text(&dict, "mac", opt->mac);
    ckptctl_dict_add_text(&dict, "owner", opt->owner);
    ckptctl_dict_add_text(&dict, "libvirt", opt->libvirt);
    ckptctl_dict_add_text(&dict, "accel", opt->accel);
    ckptctl_dict_add_number(&dict, "memory_mib", opt->memory_mib);
    ckptctl_pace_options_pack(&opt->pace, &dict);
    if (opt->checkpoint) {
        g_variant_dict_insert(&dict, "checkpoint", "b",
                              g_str_equal(opt->checkpoint, "on"));
    }
    return g_variant_dict_end(&dict);
}

static int check_adopt(const struct ckptctl_adopt *opt)
{
    if (opt->checkpoint && !g_str_equal(opt->checkpoint, "on") &&
        !g_str_equal(opt->checkpoint, "off")) {
        fprintf(stderr, "ckptctl: --checkpoint is on or off\n");
        return CKPTCTL_USAGE;
    }
    return -1;
}

/**
 * ckptctl_adopt_parse() - parse a verb that may make such a guest
 * @ctl: this invocation
 * @verb: its table entry
 * @opt: initialised by CKPTCTL_ADOPT_INIT; filled in
 * @more: the verb's own options
 * @about: more words for --help
 * @max_args: how many arguments it takes
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: -1 to go on, or an exit status after a message.
 */
int ckptctl_adopt_parse(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                        struct ckptctl_adopt *opt, const GOptionEntry *more,
                        const char *about, int max_args, int *argc,
                        char ***argv)
{
    const GOptionEntry entries[] = {
        { "name", 'n', 0, G_OPTION_ARG_STRING, &opt->name,
          "Name of the guest (guest-1)", "NAME" },
        { "memory", 'm', 0, G_OPTION_ARG_INT, &opt->memory_mib, "Memory (128)",
          "MIB" },
        { "owner", 0, 0, G_OPTION_ARG_STRING, &opt->owner,
          "User that may start its QEMU, besides ourselves and root", "USER" },
        { "checkpoint", 0, 0, G_OPTION_ARG_STRING, &opt->checkpoint,
          "off: nothing is held, nothing survives (on)", "on|off" },
        { "uuid", 0, 0, G_OPTION_ARG_STRING, &opt->uuid,
          "Its UUID (drawn at random)", "UUID" },
        { "mac", 0, 0, G_OPTION_ARG_STRING, &opt->mac,
          "Its MAC address (from the UUID)", "MAC" },
        { "accel", 0, 0, G_OPTION_ARG_STRING, &opt->accel,
          "Accelerator that it is to have (auto)", "auto|kvm|tcg" },
        { "libvirt", 0, 0, G_OPTION_ARG_STRING, &opt->libvirt,
          "It is a domain there: started again after a crash", "URI" },
        { 0 },
    };
    g_autoptr(GArray) all = g_array_new(TRUE, FALSE, sizeof(GOptionEntry));
    int status;

    ckptctl_options_add(all, entries);
    ckptctl_pace_options_add(&opt->pace, all);
    ckptctl_options_add(all, more);
    status = ckptctl_parse(ctl, verb, (const GOptionEntry *)all->data, about, 0,
                           max_args, argc, argv);
    return status < 0 ? check_adopt(opt) : status;
}

/**
 * ckptctl_adopt_clear() - free what ckptctl_adopt_parse() filled in
 * @opt: initialised
 */
void ckptctl_adopt_clear(struct ckptctl_adopt *opt)
{
    ckptctl_pace_options_clear(&opt->pace);
    g_free(opt->name);
    g_free(opt->uuid);
    g_free(opt->mac);
    g_free(opt->owner);
    g_free(opt->libvirt);
    g_free(opt->accel);
    g_free(opt->checkpoint);
}

/* A comma in a value is doubled on QEMU's command line. */
static char *escape(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);

    return g_strjoinv(",,", parts);
}

/**
 * ckptctl_engine_option() - what QEMU's -object takes
 * @guest: its status
 *
 * Return: to be freed.
 */
char *ckptctl_engine_option(GVariant *guest)
{
    g_autofree char *path = escape(ckptctl_dict_text(guest, "engine_socket"));

    return g_strdup_printf(
        "ckpt-engine,id=ck0,path=%s,guest=%s%s%s", path,
        ckptctl_dict_text(guest, "name"),
        ckptctl_dict_flag(guest, "checkpoint") ? "" : ",checkpoint=off",
        ckptctl_dict_flag(guest, "verify") ? ",verify=on" : "");
}

/**
 * ckptctl_nic_option() - what QEMU's -device takes
 * @guest: its status
 * @netdev: id of its -netdev, or NULL
 *
 * Return: to be freed.
 */
char *ckptctl_nic_option(GVariant *guest, const char *netdev)
{
    return g_strdup_printf("ckpt-nic%s%s,mac=%s", netdev ? ",netdev=" : "",
                           netdev ? netdev : "",
                           ckptctl_dict_text(guest, "mac"));
}

static char **qemu_options(GVariant *guest, const char *netdev)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *engine = ckptctl_engine_option(guest);
    g_autofree char *nic = ckptctl_nic_option(guest, netdev);
    g_autofree char *memory = NULL;
    guint memory_mib = 0;

    g_variant_lookup(guest, "memory_mib", "u", &memory_mib);
    memory = g_strdup_printf("%u", memory_mib);
    g_strv_builder_add_many(argv, "-name", ckptctl_dict_text(guest, "name"),
                            "-uuid", ckptctl_dict_text(guest, "uuid"), "-m",
                            memory, "-smp", "1", "-object", engine, "-device",
                            nic, NULL);
    return g_strv_builder_end(argv);
}

static void print_json(GVariant *guest, char **options)
{
    static const char *const keys[] = { "name",       "uuid",   "mac",
                                        "owner",      "state",  "memory_mib",
                                        "checkpoint", "verify", "accel" };
    g_autoptr(GVariant) value = NULL;
    GVariantDict dict;
    GVariant *item;
    guint i;

    g_variant_dict_init(&dict, NULL);
    for (i = 0; i < G_N_ELEMENTS(keys); i++) {
        item = g_variant_lookup_value(guest, keys[i], NULL);
        if (item) {
            g_variant_dict_insert_value(&dict, keys[i], item);
            g_variant_unref(item);
        }
    }
    g_variant_dict_insert(&dict, "socket", "s",
                          ckptctl_dict_text(guest, "engine_socket"));
    g_variant_dict_insert(&dict, "options", "^as", options);
    value = g_variant_ref_sink(g_variant_dict_end(&dict));
    ckptctl_print_json(value);
}

/**
 * ckptctl_adopt_call() - make such a guest, or find the one that is there
 * @ctl: connected
 * @opt: what it is to be
 * @error: set on failure
 *
 * Return: its status, or NULL.
 */
GVariant *ckptctl_adopt_call(struct ckptctl *ctl,
                             const struct ckptctl_adopt *opt, GError **error)
{
    GVariant *guest = NULL;

    ckptd_dbus_call_adopt_sync(ctl->proxy, pack(opt), &guest, NULL, error);
    return guest;
}

static int adopt(struct ckptctl *ctl, const struct ckptctl_adopt *opt,
                 const char *netdev)
{
    GError *error = NULL;
    g_autoptr(GVariant) guest = ckptctl_adopt_call(ctl, opt, &error);
    g_auto(GStrv) options = NULL;
    guint i;

    if (!guest) {
        return ckptctl_fail(error);
    }
    options = qemu_options(guest, netdev);
    if (ctl->json) {
        print_json(guest, options);
        return CKPTCTL_OK;
    }
    for (i = 0; options[i]; i += 2) {
        printf("%s %s\n", options[i], options[i + 1]);
    }
    fprintf(stderr, "ckptctl: %s waits for its QEMU at %s\n",
            ckptctl_dict_text(guest, "name"),
            ckptctl_dict_text(guest, "engine_socket"));
    return CKPTCTL_OK;
}

/**
 * ckptctl_adopt() - make a guest whose QEMU somebody else starts
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_adopt(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                  int argc, char **argv)
{
    struct ckptctl_adopt opt = CKPTCTL_ADOPT_INIT;
    g_autofree char *netdev = NULL;
    const GOptionEntry more[] = {
        { "netdev", 0, 0, G_OPTION_ARG_STRING, &netdev,
          "Name the -netdev in the -device that is printed", "ID" },
        { 0 },
    };
    int status = ckptctl_adopt_parse(ctl, verb, &opt, more, about_adopt, 0,
                                     &argc, &argv);

    if (status < 0) {
        status = ckptctl_connect(ctl);
        if (status == CKPTCTL_OK) {
            status = adopt(ctl, &opt, netdev);
        }
    }
    ckptctl_adopt_clear(&opt);
    return status;
}
