/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-show.c - ps, status, verify
 */
#include <stdio.h>
#include <unistd.h>

#include "ckptd/ckptctl-dict.h"
#include "ckptd/ckptctl.h"
#include "ckptd/ckptd-store.h"

/**
 * ckptctl_status_of() - ask ckptd about a guest
 * @ctl: connected
 * @name: of the guest
 * @error: set on failure
 *
 * Return: a{sv}, to be unreffed, or NULL.
 */
GVariant *ckptctl_status_of(struct ckptctl *ctl, const char *name,
                            GError **error)
{
    GVariant *status = NULL;

    ckptd_dbus_call_status_sync(ctl->proxy, name, &status, NULL, error);
    return status;
}

static double real(GVariant *status, const char *key)
{
    double value = 0;

    g_variant_lookup(status, key, "d", &value);
    return value;
}

/**
 * ckptctl_ports_of() - a guest's forwarded ports for people
 * @status: of the guest
 *
 * Return: "127.0.0.1:6379->6379" for "tcp:127.0.0.1:6379:6379", one after the
 * other; to be freed.
 */
char *ckptctl_ports_of(GVariant *status)
{
    g_autofree const char **ports = NULL;
    GString *out = g_string_new(NULL);
    guint i;

    g_variant_lookup(status, "ports", "^a&s", &ports);
    for (i = 0; ports && ports[i]; i++) {
        g_auto(GStrv) part = g_strsplit(ports[i], ":", 4);

        if (g_strv_length(part) == 4) {
            g_string_append_printf(out, "%s%s:%s->%s%s", i ? " " : "", part[1],
                                   part[2], part[3],
                                   g_str_equal(part[0], "udp") ? "/udp" : "");
        }
    }
    return g_string_free(out, FALSE);
}

/* Of such a guest ckptd knows no more than its name, and why. */
static gboolean is_damaged(GVariant *guest)
{
    return g_str_equal(ckptctl_dict_text(guest, "state"), "damaged");
}

/**
 * ckptctl_ps() - list the guests
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_ps(struct ckptctl *ctl, const struct ckptctl_verb *verb, int argc,
               char **argv)
{
    g_autoptr(GVariant) guests = NULL;
    GError *error = NULL;
    GVariantIter iter;
    GVariant *guest;
    int status = ckptctl_parse(ctl, verb, NULL, NULL, 0, 0, &argc, &argv);

    if (status >= 0 || (status = ckptctl_connect(ctl))) {
        return status;
    }
    if (!ckptd_dbus_call_list_sync(ctl->proxy, &guests, NULL, &error)) {
        return ckptctl_fail(error);
    }
    if (ctl->json) {
        ckptctl_print_json(guests);
        return CKPTCTL_OK;
    }
    printf("%-20s %-10s %10s %10s %6s %-5s %s\n", "NAME", "STATE", "COMMITTED",
           "RECOVERIES", "MIB", "ACCEL", "PORTS");
    g_variant_iter_init(&iter, guests);
    while ((guest = g_variant_iter_next_value(&iter))) {
        g_autofree char *ports = ckptctl_ports_of(guest);

        if (is_damaged(guest)) {
            printf("%-20s %-10s %s\n", ckptctl_dict_text(guest, "name"),
                   ckptctl_dict_text(guest, "state"),
                   ckptctl_dict_text(guest, "reason"));
            g_variant_unref(guest);
            continue;
        }
        printf("%-20s %-10s %10" G_GUINT64_FORMAT " %10" G_GUINT64_FORMAT
               " %6" G_GUINT64_FORMAT " %-5s %s\n",
               ckptctl_dict_text(guest, "name"),
               ckptctl_dict_text(guest, "state"),
               ckptctl_dict_number(guest, "committed"),
               ckptctl_dict_number(guest, "recoveries"),
               ckptctl_dict_number(guest, "memory_mib"),
               ckptctl_dict_text(guest, "accel"), ports);
        g_variant_unref(guest);
    }
    return CKPTCTL_OK;
}

static void show_spread(GVariant *s, const char *label, const char *key,
                        const char *unit)
{
    g_autofree char *p50 = g_strdup_printf("%s_p50", key);
    g_autofree char *p90 = g_strdup_printf("%s_p90", key);
    g_autofree char *p99 = g_strdup_printf("%s_p99", key);
    g_autofree char *max = g_strdup_printf("%s_max", key);

    printf("%-14s p50 %.1f  p90 %.1f  p99 %.1f  max %.1f %s\n", label,
           real(s, p50), real(s, p90), real(s, p99), real(s, max), unit);
}

static void show_checkpoints(GVariant *s)
{
    g_autofree char *held =
        ckptctl_human_bytes(ckptctl_dict_number(s, "held_bytes"));
    g_autofree char *written =
        ckptctl_human_bytes(ckptctl_dict_number(s, "bytes_written"));
    g_autofree char *tail =
        ckptctl_human_bytes(ckptctl_dict_number(s, "tail_bytes"));

    printf("%-14s %" G_GUINT64_FORMAT " captured, %" G_GUINT64_FORMAT
           " committed, %" G_GUINT64_FORMAT " since ckptd serves it\n",
           "epoch", ckptctl_dict_number(s, "epoch"),
           ckptctl_dict_number(s, "committed"),
           ckptctl_dict_number(s, "epochs"));
    printf("%-14s %" G_GUINT64_FORMAT "\n", "generation",
           ckptctl_dict_number(s, "generation"));
    printf("%-14s %" G_GUINT64_FORMAT "\n", "recoveries",
           ckptctl_dict_number(s, "recoveries"));
    show_spread(s, "recovery", "recovery_ms", "ms");
    show_spread(s, "pause", "pause_us", "us");
    show_spread(s, "commit", "commit_us", "us");
    printf("%-14s mean %.1f  p50 %.0f  p99 %.0f\n", "pages/epoch",
           real(s, "pages_per_epoch"), real(s, "pages_p50"),
           real(s, "pages_p99"));
    printf("%-14s %s\n", "held", held);
    printf("%-14s %s written, log of %s in %" G_GUINT64_FORMAT " segments, "
           "folded up to epoch %" G_GUINT64_FORMAT "\n",
           "store", written, tail, ckptctl_dict_number(s, "segments"),
           ckptctl_dict_number(s, "base_epoch"));
}

static void show_status(GVariant *s)
{
    g_autofree char *ports = ckptctl_ports_of(s);
    gboolean checkpoint = FALSE;
    guint exit_status;

    printf("%-14s %s\n", "name", ckptctl_dict_text(s, "name"));
    printf("%-14s %s%s%s\n", "state", ckptctl_dict_text(s, "state"),
           ckptctl_dict_text(s, "reason")[0] ? ": " : "",
           ckptctl_dict_text(s, "reason"));
    if (is_damaged(s)) {
        return;
    }
    if (g_variant_lookup(s, "exit_status", "u", &exit_status)) {
        printf(exit_status & 0x100 ? "%-14s by signal %u\n" : "%-14s %u\n",
               "exit status", exit_status & 0xff);
    }
    if (g_str_equal(ckptctl_dict_text(s, "launch"), "external")) {
        printf("%-14s somebody else's QEMU, at %s\n", "started by",
               ckptctl_dict_text(s, "engine_socket"));
    } else {
        printf("%-14s %s\n", "program", ckptctl_dict_text(s, "program"));
    }
    if (ckptctl_dict_text(s, "from")[0]) {
        printf("%-14s %s\n", "began with", ckptctl_dict_text(s, "from"));
    }
    printf("%-14s %" G_GUINT64_FORMAT " MiB, %s (%s)\n", "machine",
           ckptctl_dict_number(s, "memory_mib"), ckptctl_dict_text(s, "accel"),
           ckptctl_dict_text(s, "accel_why"));
    printf("%-14s %s %s\n", "network", ckptctl_dict_text(s, "net"), ports);
    if (ckptctl_dict_number(s, "qemu_pid")) {
        printf("%-14s %" G_GUINT64_FORMAT "\n", "QEMU process",
               ckptctl_dict_number(s, "qemu_pid"));
    }
    g_variant_lookup(s, "checkpoint", "b", &checkpoint);
    if (checkpoint) {
        show_checkpoints(s);
    } else {
        printf("%-14s off\n", "checkpoints");
    }
    printf("%-14s %s\n", "log", ckptctl_dict_text(s, "log"));
}

/**
 * ckptctl_show_status() - how a guest does
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Return: an exit status.
 */
int ckptctl_show_status(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                        int argc, char **argv)
{
    g_autoptr(GVariant) guest = NULL;
    GError *error = NULL;
    int status = ckptctl_parse(ctl, verb, NULL, NULL, 1, 1, &argc, &argv);

    if (status >= 0 || (status = ckptctl_connect(ctl))) {
        return status;
    }
    guest = ckptctl_status_of(ctl, argv[1], &error);
    if (!guest) {
        return ckptctl_fail(error);
    }
    if (ctl->json) {
        ckptctl_print_json(guest);
    } else {
        show_status(guest);
    }
    return CKPTCTL_OK;
}

static void show_progress(uint64_t done_bytes, uint64_t total_bytes,
                          gpointer opaque G_GNUC_UNUSED)
{
    fprintf(stderr, "\rchecked %3.0f %%",
            total_bytes ? 100.0 * done_bytes / total_bytes : 100.0);
    if (done_bytes >= total_bytes) {
        fputc('\n', stderr);
    }
}

static void report_json(const char *name, const struct ckptd_verify_report *r)
{
    g_autoptr(GVariant) value = NULL;
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "name", "s", name);
    g_variant_dict_insert(&dict, "valid", "b", r->problems == 0);
    g_variant_dict_insert(&dict, "generation", "t", r->generation);
    g_variant_dict_insert(&dict, "base_epoch", "t", r->base_epoch);
    g_variant_dict_insert(&dict, "last_epoch", "t", r->last_epoch);
    g_variant_dict_insert(&dict, "committed", "t", r->committed);
    g_variant_dict_insert(&dict, "records", "t", r->records);
    g_variant_dict_insert(&dict, "pages", "t", r->pages);
    g_variant_dict_insert(&dict, "bytes", "t", r->bytes);
    g_variant_dict_insert(&dict, "problems", "t", r->problems);
    g_variant_dict_insert(&dict, "torn_tail", "b", r->torn_tail);
    g_variant_dict_insert(&dict, "hash_checked", "b", r->hash_checked);
    g_variant_dict_insert(&dict, "first_problem", "s", r->first_problem);
    value = g_variant_ref_sink(g_variant_dict_end(&dict));
    ckptctl_print_json(value);
}

static void report_text(const char *name, const struct ckptd_verify_report *r)
{
    g_autofree char *bytes = ckptctl_human_bytes(r->bytes);

    printf("%s: %s: %" G_GUINT64_FORMAT " records, %" G_GUINT64_FORMAT
           " pages, %s checked; epochs %" G_GUINT64_FORMAT
           " (base) to %" G_GUINT64_FORMAT ", generation %" G_GUINT64_FORMAT
           "%s%s\n",
           name, r->problems ? "DAMAGED" : "whole", r->records, r->pages, bytes,
           r->base_epoch, r->last_epoch, r->generation,
           r->torn_tail ? "; an append that was never acknowledged at the end"
                        : "",
           r->hash_checked ? "; hash of RAM agrees" : "");
    if (r->problems) {
        printf("%" G_GUINT64_FORMAT " problem(s), the first: %s\n", r->problems,
               r->first_problem);
    }
}

/**
 * ckptctl_verify() - check a guest's store
 * @ctl: this invocation
 * @verb: its table entry
 * @argc: of the verb
 * @argv: of the verb
 *
 * Reads the files itself; ckptd is only asked where they are.
 *
 * Return: an exit status.
 */
int ckptctl_verify(struct ckptctl *ctl, const struct ckptctl_verb *verb,
                   int argc, char **argv)
{
    struct ckptd_verify_report report = { 0 };
    g_autofree char *store = NULL;
    GError *error = NULL;
    int status = ckptctl_parse(ctl, verb, NULL, NULL, 1, 1, &argc, &argv);

    if (status >= 0) {
        return status;
    }
    store = g_build_filename(ctl->paths.state_dir, "guests", argv[1], "store",
                             NULL);
    if (!g_file_test(store, G_FILE_TEST_IS_DIR)) {
        fprintf(stderr, "ckptctl: no checkpoints of '%s' in %s\n", argv[1],
                ctl->paths.state_dir);
        return CKPTCTL_FAILED;
    }
    if (!ckptd_store_verify(store, isatty(STDERR_FILENO) ? show_progress : NULL,
                            NULL, &report, &error)) {
        if (g_error_matches(error, CKPTD_ERROR, CKPTD_ERROR_BUSY)) {
            g_clear_error(&error);
            g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                        "%s is up and its store in use: only the store of a "
                        "guest that is down can be checked (`ckptctl stop %s`, "
                        "`ckptctl ps`)",
                        argv[1], argv[1]);
        }
        return ckptctl_fail(error);
    }
    if (ctl->json) {
        report_json(argv[1], &report);
    } else {
        report_text(argv[1], &report);
    }
    return report.problems ? CKPTCTL_DAMAGED : CKPTCTL_OK;
}
