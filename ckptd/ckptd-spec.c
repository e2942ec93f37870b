/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-spec.c - what a user asked for at `ckptctl run`, kept with the guest
 *
 * A table names each field once, for the options of the D-Bus call and for the
 * file in the guest's directory alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-paths.h"
#include "ckptd/ckptd-spec-internal.h"
#include "ckptd/ckptd-spec-net.h"

#define GROUP           "guest"
#define MEMORY_MIN_MIB  16u
#define MEMORY_MAX_MIB  (1u << 20)
/* What kernel, page tables and stacks need beside the bundle, at least. */
#define MEMORY_REST_MIB 4u

enum field_type {
    FIELD_STRING,
    FIELD_LIST,
    FIELD_UINT,
    FIELD_BOOL,
};

static const struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    gboolean option; /* may be given by the user */
} fields[] = {
#define FIELD(member, type, option)                                            \
    {                                                                          \
#member, type, offsetof(struct ckptd_spec, member), option             \
    }
    FIELD(name, FIELD_STRING, TRUE),
    FIELD(uuid, FIELD_STRING, TRUE),
    FIELD(mac, FIELD_STRING, TRUE),
    FIELD(argv, FIELD_LIST, FALSE),
    FIELD(more, FIELD_LIST, TRUE),
    FIELD(env, FIELD_LIST, TRUE),
    FIELD(forwards, FIELD_LIST, TRUE),
    FIELD(files, FIELD_LIST, TRUE),
    FIELD(dirs, FIELD_LIST, TRUE),
    FIELD(options, FIELD_LIST, TRUE),
    FIELD(net, FIELD_STRING, TRUE),
    FIELD(bridge, FIELD_STRING, FALSE),
    FIELD(ifname, FIELD_STRING, FALSE),
    FIELD(macs, FIELD_LIST, TRUE),
    FIELD(ips, FIELD_LIST, TRUE),
    FIELD(gateway, FIELD_STRING, TRUE),
    FIELD(dns, FIELD_STRING, TRUE),
    FIELD(launch, FIELD_STRING, FALSE),
    FIELD(from, FIELD_STRING, FALSE),
    FIELD(owner, FIELD_STRING, TRUE),
    FIELD(libvirt, FIELD_STRING, TRUE),
    FIELD(capture, FIELD_STRING, TRUE),
    FIELD(on_full, FIELD_STRING, TRUE),
    FIELD(accel, FIELD_STRING, TRUE),
    FIELD(accel_why, FIELD_STRING, FALSE),
    FIELD(memory_mib, FIELD_UINT, TRUE),
    FIELD(hold_mib, FIELD_UINT, TRUE),
    FIELD(min_interval_us, FIELD_UINT, TRUE),
    FIELD(max_interval_ms, FIELD_UINT, TRUE),
    FIELD(checkpoint, FIELD_BOOL, TRUE),
    FIELD(verify, FIELD_BOOL, TRUE),
#undef FIELD
};

#define AT(spec, field, type) ((type *)((char *)(spec) + (field)->offset))

/**
 * ckptd_spec_free() - free a spec
 * @spec: may be NULL
 */
void ckptd_spec_free(struct ckptd_spec *spec)
{
    const struct field *f;
    guint i;

    for (i = 0; spec && i < G_N_ELEMENTS(fields); i++) {
        f = &fields[i];
        if (f->type == FIELD_STRING) {
            g_free(*AT(spec, f, char *));
        } else if (f->type == FIELD_LIST) {
            g_strfreev(*AT(spec, f, char **));
        }
    }
    g_free(spec);
}

/**
 * ckptd_spec_copy() - a spec like another
 * @of: the other
 *
 * Return: to be freed.
 */
struct ckptd_spec *ckptd_spec_copy(const struct ckptd_spec *of)
{
    struct ckptd_spec *spec = g_memdup2(of, sizeof(*of));
    const struct field *f;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        f = &fields[i];
        if (f->type == FIELD_STRING) {
            *AT(spec, f, char *) = g_strdup(*AT(of, f, char *));
        } else if (f->type == FIELD_LIST) {
            *AT(spec, f, char **) = g_strdupv(*AT(of, f, char **));
        }
    }
    return spec;
}

/**
 * ckptd_spec_name_ok() - may a guest be called so?
 * @name: to look at; it becomes the name of a directory
 *
 * Return: TRUE for 1 to 48 letters, digits, '.', '_', '-', not first '.'.
 */
gboolean ckptd_spec_name_ok(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789._-");

    return len >= 1 && len <= 48 && !name[len] && name[0] != '.' &&
           name[0] != '-';
}

static gboolean bad(GError **error, const char *format, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s: %s", what, format);

    g_set_error_literal(error, CKPTD_ERROR, CKPTD_ERROR_INVALID, text);
    return FALSE;
}

static gboolean take_option(struct ckptd_spec *spec, const char *name,
                            GVariant *value, GError **error)
{
    static const GVariantType *types[4];
    const struct field *f;
    guint i;

    types[FIELD_STRING] = G_VARIANT_TYPE_STRING;
    types[FIELD_LIST] = G_VARIANT_TYPE_STRING_ARRAY;
    types[FIELD_UINT] = G_VARIANT_TYPE_UINT32;
    types[FIELD_BOOL] = G_VARIANT_TYPE_BOOLEAN;
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        f = &fields[i];
        if (!f->option || !g_str_equal(f->name, name)) {
            continue;
        }
        if (!g_variant_is_of_type(value, types[f->type])) {
            return bad(error, "option of another type", name);
        }
        if (f->type == FIELD_STRING) {
            g_free(*AT(spec, f, char *));
            *AT(spec, f, char *) = g_variant_dup_string(value, NULL);
        } else if (f->type == FIELD_LIST) {
            g_strfreev(*AT(spec, f, char **));
            *AT(spec, f, char **) = g_variant_dup_strv(value, NULL);
        } else if (f->type == FIELD_UINT) {
            *AT(spec, f, guint) = g_variant_get_uint32(value);
        } else {
            *AT(spec, f, gboolean) = g_variant_get_boolean(value);
        }
        return TRUE;
    }
    return bad(error, "no such option", name);
}

/*
 * KVM only where the processor shows vmx or svm and /dev/kvm opens: a kernel
 * module that emulates either in software has the device but not the flag.
 * What is chosen is for the guest's life: so a want of descriptors, say, is an
 * error and no lack of KVM.
 */
static gboolean find_kvm(gboolean *ret_kvm, const char **ret_why,
                         GError **error)
{
    g_autofree char *cpuinfo = ckptd_lookup_text("/proc/cpuinfo", error);
    int fd;

    *ret_kvm = FALSE;
    if (!cpuinfo) {
        return FALSE;
    }
    if (!g_regex_match_simple("^flags\\s*:.*\\b(vmx|svm)\\b", cpuinfo,
                              G_REGEX_MULTILINE, 0)) {
        *ret_why = "the processor has neither vmx nor svm";
        return TRUE;
    }
    fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO ||
                   errno == EACCES || errno == EPERM)) {
        *ret_why = "/dev/kvm cannot be opened";
        return TRUE;
    }
    if (fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "/dev/kvm: %s",
                    g_strerror(errno));
        return FALSE;
    }
    close(fd);
    *ret_kvm = TRUE;
    *ret_why = "the processor has vmx or svm and /dev/kvm opens";
    return TRUE;
}

static gboolean choose_accel(struct ckptd_spec *spec, GError **error)
{
    const char *why = "asked for";
    gboolean kvm = FALSE;

    if (g_str_equal(spec->accel, "auto") || g_str_equal(spec->accel, "kvm")) {
        if (!find_kvm(&kvm, &why, error)) {
            return FALSE;
        }
        if (!kvm && g_str_equal(spec->accel, "kvm")) {
            return bad(error, why, "accelerator kvm");
        }
    } else if (!g_str_equal(spec->accel, "tcg")) {
        return bad(error, "choose auto, kvm or tcg", spec->accel);
    }
    g_free(spec->accel);
    spec->accel = g_strdup(kvm ? "kvm" : "tcg");
    spec->accel_why = g_strdup(why);
    return TRUE;
}

static gboolean check_paths(char **paths, GError **error)
{
    for (; *paths; paths++) {
        g_autofree char *host = NULL, *guest = NULL;

        if (!ckpt_bundle_split_path(*paths, &host, &guest, error)) {
            return FALSE;
        }
        if (host[0] != '/') {
            return bad(error, "the host's path must be absolute", *paths);
        }
    }
    return TRUE;
}

static gboolean check_more(char **programs, GError **error)
{
    for (; *programs; programs++) {
        g_auto(GStrv) argv = NULL;

        if (!g_shell_parse_argv(*programs, NULL, &argv, NULL) ||
            argv[0][0] != '/') {
            return bad(error, "a program's path must be absolute", *programs);
        }
    }
    return TRUE;
}

static gboolean check(struct ckptd_spec *spec, GError **error)
{
    guint i;

    if (!ckptd_spec_name_ok(spec->name)) {
        return bad(error, "a name is 1 to 48 letters, digits, '.', '_' or '-'",
                   spec->name);
    }
    if (spec->memory_mib < MEMORY_MIN_MIB ||
        spec->memory_mib > MEMORY_MAX_MIB) {
        return bad(error, "from 16 to 1048576 MiB", "memory");
    }
    if (spec->hold_mib < 1 || spec->hold_mib > 4096) {
        return bad(error, "from 1 to 4096 MiB", "hold");
    }
    if (!g_str_equal(spec->on_full, "wait") &&
        !g_str_equal(spec->on_full, "stop")) {
        return bad(error, "choose wait or stop", spec->on_full);
    }
    for (i = 0; spec->env[i]; i++) {
        if (!strchr(spec->env[i], '=')) {
            return bad(error, "expected NAME=VALUE", spec->env[i]);
        }
    }
    if (!spec->checkpoint && spec->verify) {
        return bad(error, "there is nothing to verify without checkpoints",
                   "verify");
    }
    return check_paths(spec->files, error) && check_paths(spec->dirs, error) &&
           check_more(spec->more, error) && ckptd_spec_net_check(spec, error) &&
           choose_accel(spec, error);
}

/* Better now than when QEMU is to be started. */
static gboolean parts_are_there(const struct ckptd_spec *spec, GError **error)
{
    static const char *const parts[] = {
        "qemu", "kernel", "library", "qboot", "netd",
    };
    gboolean netless = !g_str_equal(spec->net, "user");
    guint i;

    for (i = 0; i < G_N_ELEMENTS(parts) - netless; i++) {
        g_autofree char *path = ckptd_paths_find(parts[i], error);

        if (!path) {
            return FALSE;
        }
    }
    return TRUE;
}

static struct ckptd_spec *new_default(void)
{
    struct ckptd_spec *spec = g_new0(struct ckptd_spec, 1);

    spec->name = g_strdup("");
    spec->argv = g_new0(char *, 1);
    spec->more = g_new0(char *, 1);
    spec->env = g_new0(char *, 1);
    spec->forwards = g_new0(char *, 1);
    spec->files = g_new0(char *, 1);
    spec->dirs = g_new0(char *, 1);
    spec->macs = g_new0(char *, 1);
    spec->ips = g_new0(char *, 1);
    spec->options = g_new0(char *, 1);
    spec->net = g_strdup("user");
    spec->launch = g_strdup("ckptd");
    spec->on_full = g_strdup("wait");
    spec->accel = g_strdup("auto");
    spec->memory_mib = CKPTD_SPEC_MEMORY_DEFAULT_MIB;
    spec->hold_mib = 16;
    spec->max_interval_ms = 1000;
    spec->checkpoint = TRUE;
    return spec;
}

/**
 * ckptd_spec_take_options() - fields that somebody asks for
 * @spec: gets them
 * @options: a{sv}, see the D-Bus interface
 * @error: names what is none
 *
 * Return: TRUE when all were taken.
 */
gboolean ckptd_spec_take_options(struct ckptd_spec *spec, GVariant *options,
                                 GError **error)
{
    GVariantIter iter;
    const char *name;
    GVariant *value;
    gboolean ok = TRUE;

    g_variant_iter_init(&iter, options);
    while (ok && g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        ok = take_option(spec, name, value, error);
        g_variant_unref(value);
    }
    return ok;
}

/* Who it is: what the user did not say is drawn once, for good. */
static gboolean identify(struct ckptd_spec *spec, GError **error)
{
    g_autofree char *sum = NULL;

    if (!spec->uuid) {
        spec->uuid = g_uuid_string_random();
    } else if (!g_uuid_string_is_valid(spec->uuid)) {
        return bad(error, "not a UUID", spec->uuid);
    }
    if (!spec->mac && spec->macs[0]) {
        spec->mac = g_strdup(spec->macs[0]);
    }
    if (!spec->mac) {
        sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, spec->uuid, -1);
        spec->mac =
            g_strdup_printf("52:54:00:%.2s:%.2s:%.2s", sum, sum + 2, sum + 4);
    } else if (!g_regex_match_simple("^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$",
                                     spec->mac, G_REGEX_CASELESS, 0)) {
        return bad(error, "not a MAC address of one station", spec->mac);
    }
    return TRUE;
}

/**
 * ckptd_spec_complete() - check what is asked for, and decide the rest
 * @spec: with a program
 * @error: says what is wrong and what would be right
 *
 * Return: TRUE when a guest can be made of it.
 */
gboolean ckptd_spec_complete(struct ckptd_spec *spec, GError **error)
{
    return identify(spec, error) && check(spec, error) &&
           parts_are_there(spec, error);
}

/**
 * ckptd_spec_new() - check what a user asks for, and decide the rest
 * @options: a{sv}, see the D-Bus interface
 * @argv: program (absolute path) and its arguments
 * @error: says what is wrong and what would be right
 *
 * Return: the spec, or NULL.
 */
struct ckptd_spec *ckptd_spec_new(GVariant *options, const char *const *argv,
                                  GError **error)
{
    g_autoptr(CkptdSpec) spec = new_default();

    if (!ckptd_spec_take_options(spec, options, error)) {
        return NULL;
    }
    if (!argv[0] || argv[0][0] != '/') {
        bad(error, "the program's path must be absolute",
            argv[0] ? argv[0] : "PROGRAM");
        return NULL;
    }
    if (spec->owner || spec->libvirt) {
        bad(error, "only a guest that is adopted has one",
            spec->owner ? "owner" : "libvirt");
        return NULL;
    }
    g_strfreev(spec->argv);
    spec->argv = g_strdupv((char **)argv);
    return ckptd_spec_complete(spec, error) ? g_steal_pointer(&spec) : NULL;
}

static gboolean is_given(GVariant *options, const char *name)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(options, name, NULL);

    return value != NULL;
}

/**
 * ckptd_spec_new_external() - a guest whose QEMU somebody else starts
 * @options: a{sv}, see the D-Bus interface
 * @error: says what is wrong and what would be right
 *
 * Return: the spec, or NULL.
 */
struct ckptd_spec *ckptd_spec_new_external(GVariant *options, GError **error)
{
    static const char *const not_ours[] = {
        "net",  "forwards", "env",  "files", "dirs",    "options",
        "more", "ips",      "macs", "dns",   "gateway", "capture",
    };
    g_autoptr(CkptdSpec) spec = new_default();
    guint i;

    for (i = 0; i < G_N_ELEMENTS(not_ours); i++) {
        if (is_given(options, not_ours[i])) {
            bad(error, "is given on QEMU's command line, or in the bundle",
                not_ours[i]);
            return NULL;
        }
    }
    if (!ckptd_spec_take_options(spec, options, error)) {
        return NULL;
    }
    g_free(spec->net);
    spec->net = g_strdup("none");
    g_free(spec->launch);
    spec->launch = g_strdup("external");
    if (spec->libvirt && !g_str_has_prefix(spec->libvirt, "qemu:///") &&
        !g_str_has_prefix(spec->libvirt, "qemu+unix:///")) {
        bad(error, "expected a libvirt of this host, such as qemu:///system",
            spec->libvirt);
        return NULL;
    }
    if (!check(spec, error) || !identify(spec, error)) {
        return NULL;
    }
    return g_steal_pointer(&spec);
}

/**
 * ckptd_spec_is_external() - does somebody else start its QEMU?
 * @spec: of the guest
 *
 * Return: TRUE if so.
 */
gboolean ckptd_spec_is_external(const struct ckptd_spec *spec)
{
    return g_str_equal(spec->launch, "external");
}

static gboolean field_agrees(const struct field *f,
                             const struct ckptd_spec *spec,
                             const struct ckptd_spec *want)
{
    switch (f->type) {
    case FIELD_STRING:
        return !g_strcmp0(*AT(spec, f, char *), *AT(want, f, char *));
    case FIELD_LIST:
        return g_strv_equal(*AT(spec, f, const char *const *),
                            *AT(want, f, const char *const *));
    case FIELD_UINT:
        return *AT(spec, f, guint) == *AT(want, f, guint);
    case FIELD_BOOL:
        return *AT(spec, f, gboolean) == *AT(want, f, gboolean);
    }
    g_assert_not_reached();
}

/**
 * ckptd_spec_agrees() - is this external guest the one that is asked for?
 * @spec: of the guest
 * @options: as for ckptd_spec_new_external(); what is not in it is not asked
 * @error: names what is not alike
 *
 * Return: TRUE if so.
 */
gboolean ckptd_spec_agrees(const struct ckptd_spec *spec, GVariant *options,
                           GError **error)
{
    g_autoptr(CkptdSpec) want = ckptd_spec_new_external(options, error);
    guint i;

    if (!want) {
        return FALSE;
    }
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (is_given(options, fields[i].name) &&
            strcmp(fields[i].name, "accel") &&
            !field_agrees(&fields[i], spec, want)) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                        "there is a guest %s already, with another %s: choose "
                        "another --name, or `ckptctl rm %s`",
                        spec->name, fields[i].name, spec->name);
            return FALSE;
        }
    }
    return TRUE;
}

/**
 * ckptd_spec_save() - write a spec down
 * @spec: to write
 * @path: of the file
 * @error: set on failure
 *
 * Return: TRUE when durable.
 */
gboolean ckptd_spec_save(const struct ckptd_spec *spec, const char *path,
                         GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *text = NULL;
    const struct field *f;
    char **list;
    gsize len;
    guint i;

    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        f = &fields[i];
        switch (f->type) {
        case FIELD_STRING:
            if (*AT(spec, f, char *)) {
                g_key_file_set_string(file, GROUP, f->name,
                                      *AT(spec, f, char *));
            }
            break;
        case FIELD_LIST:
            list = *AT(spec, f, char **);
            g_key_file_set_string_list(file, GROUP, f->name,
                                       (const char *const *)list,
                                       g_strv_length(list));
            break;
        case FIELD_UINT:
            g_key_file_set_uint64(file, GROUP, f->name, *AT(spec, f, guint));
            break;
        case FIELD_BOOL:
            g_key_file_set_boolean(file, GROUP, f->name,
                                   *AT(spec, f, gboolean));
            break;
        }
    }
    text = g_key_file_to_data(file, &len, NULL);
    return g_file_set_contents_full(path, text, len,
                                    G_FILE_SET_CONTENTS_CONSISTENT |
                                        G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

static void load_field(struct ckptd_spec *spec, const struct field *f,
                       GKeyFile *file)
{
    char **list;

    if (!g_key_file_has_key(file, GROUP, f->name, NULL)) {
        return; /* written before there was such a field */
    }
    switch (f->type) {
    case FIELD_STRING:
        g_free(*AT(spec, f, char *));
        *AT(spec, f, char *) =
            g_key_file_get_string(file, GROUP, f->name, NULL);
        break;
    case FIELD_LIST:
        list = g_key_file_get_string_list(file, GROUP, f->name, NULL, NULL);
        if (list) {
            g_strfreev(*AT(spec, f, char **));
            *AT(spec, f, char **) = list;
        }
        break;
    case FIELD_UINT:
        *AT(spec, f, guint) = g_key_file_get_uint64(file, GROUP, f->name, NULL);
        break;
    case FIELD_BOOL:
        *AT(spec, f, gboolean) =
            g_key_file_get_boolean(file, GROUP, f->name, NULL);
        break;
    }
}

/**
 * ckptd_spec_load() - read a spec
 * @path: of the file
 * @error: set when it is not whole
 *
 * Return: the spec, or NULL.
 */
struct ckptd_spec *ckptd_spec_load(const char *path, GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(CkptdSpec) spec = new_default();
    guint i;

    if (!ckptd_lookup_keys(file, path, error)) {
        return NULL;
    }
    for (i = 0; i < G_N_ELEMENTS(fields); i++) {
        load_field(spec, &fields[i], file);
    }
    if (!spec->name || !ckptd_spec_name_ok(spec->name) || !spec->uuid ||
        !spec->mac || !spec->net || !spec->accel || !spec->launch ||
        !spec->on_full || (!spec->argv[0] && !ckptd_spec_is_external(spec))) {
        bad(error, "not the description of a guest", path);
        return NULL;
    }
    return g_steal_pointer(&spec);
}

/* One of the programs, with its arguments and addresses. */
static gboolean add_process(const struct ckptd_spec *spec, CkptBundle *bundle,
                            guint process, char **argv, GError **error)
{
    struct boot_net net;

    return ckptd_spec_net_address(spec, process, &net, error) &&
           ckpt_bundle_add_program(bundle, process, argv[0], argv[0], error) &&
           ckpt_bundle_add_strings(bundle, BOOT_ARGV, process,
                                   (const char *const *)argv, error) &&
           (g_str_equal(spec->net, "none") ||
            ckpt_bundle_add_net(bundle, process, &net, error));
}

static gboolean add_processes(const struct ckptd_spec *spec, CkptBundle *bundle,
                              GError **error)
{
    gboolean ok = add_process(spec, bundle, 0, spec->argv, error);
    guint i;

    for (i = 0; ok && spec->more[i]; i++) {
        g_auto(GStrv) argv = NULL;

        ok = g_shell_parse_argv(spec->more[i], NULL, &argv, error) &&
             add_process(spec, bundle, i + 1, argv, error);
    }
    return ok;
}

/* The bundle lies in the guest's memory for as long as the guest lives. */
static gboolean check_fits(const struct ckptd_spec *spec, const char *path,
                           GError **error)
{
    GStatBuf st;
    guint64 mib;

    if (g_stat(path, &st) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    mib = ((guint64)st.st_size >> 20) + 1;
    if (mib + MEMORY_REST_MIB > spec->memory_mib) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "programs and files take %" G_GUINT64_FORMAT " MiB of the "
                    "guest's %u MiB of memory: give it more (--memory)",
                    mib, spec->memory_mib);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_spec_make_bundle() - what the guest boots with
 * @spec: of the guest
 * @path: of the bundle
 * @error: set on failure
 *
 * Return: TRUE when written.
 */
gboolean ckptd_spec_make_bundle(const struct ckptd_spec *spec, const char *path,
                                GError **error)
{
    g_autoptr(CkptBundle) bundle = ckpt_bundle_new();
    g_autofree char *library = ckptd_paths_find("library", error);

    return library && ckpt_bundle_add_library(bundle, library, error) &&
           add_processes(spec, bundle, error) &&
           ckpt_bundle_add_strings(bundle, BOOT_ENVP, BOOT_SHARED,
                                   (const char *const *)spec->env, error) &&
           ckpt_bundle_add_strings(bundle, BOOT_OPTIONS, BOOT_SHARED,
                                   (const char *const *)spec->options, error) &&
           ckpt_bundle_add_paths(bundle, spec->files, spec->dirs, error) &&
           ckpt_bundle_write(bundle, path, error) &&
           check_fits(spec, path, error);
}
