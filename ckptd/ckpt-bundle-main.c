/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-bundle-main.c - the ckpt-bundle tool
 *
 * `ckptctl run` makes bundles by itself; the tool is for guests that are
 * started by hand, for tests of the kernel and for several processes.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-paths.h"

static const char usage[] =
    "PROGRAM [ARGUMENT...] [--and PROGRAM [ARGUMENT...]]...";
static const char about[] =
    "Writes the boot bundle of a guest: the system library, one or more\n"
    "programs, their arguments, environment, addresses and files.\n"
    "Each --and begins another process; --net may be given once for each.\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.";

static struct {
    char *output;
    char *library;
    char **env;
    char **net;
    char **files;
    char **dirs;
    char **options;
    char **rest;
} opt;

static const GOptionEntry entries[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &opt.output,
      "Where to write the bundle", "FILE" },
    { "library", 'l', 0, G_OPTION_ARG_FILENAME, &opt.library,
      "The system library (that of this installation)", "ELF" },
    { "env", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &opt.env,
      "Environment of all processes", "NAME=VALUE" },
    { "net", 'n', 0, G_OPTION_ARG_STRING_ARRAY, &opt.net,
      "Addresses of the next process",
      "ADDRESS/LEN|dhcp[,gateway=ADDRESS]..." },
    { "file", 'f', 0, G_OPTION_ARG_STRING_ARRAY, &opt.files,
      "A read-only file for all processes", "HOSTPATH[:GUESTPATH]" },
    { "dir", 'd', 0, G_OPTION_ARG_STRING_ARRAY, &opt.dirs,
      "A directory and all below it, read-only", "HOSTPATH[:GUESTPATH]" },
    { "option", 'O', 0, G_OPTION_ARG_STRING_ARRAY, &opt.options,
      "Option of kernel or library", "NAME=VALUE" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt.rest, NULL,
      NULL },
    { 0 },
};

static gboolean add_processes(CkptBundle *bundle, GError **error)
{
    g_autoptr(GPtrArray) argv = NULL;
    guint process = 0, n_net = opt.net ? g_strv_length(opt.net) : 0;
    struct boot_net net;
    char **arg;

    for (arg = opt.rest; *arg; process++) {
        g_clear_pointer(&argv, g_ptr_array_unref);
        argv = g_ptr_array_new();
        for (; *arg && strcmp(*arg, "--and"); arg++) {
            g_ptr_array_add(argv, *arg);
        }
        arg += *arg != NULL;
        g_ptr_array_add(argv, NULL);
        if (!argv->pdata[0]) {
            g_set_error_literal(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                                "--and needs a program behind it");
            return FALSE;
        }
        if (!ckpt_bundle_add_program(bundle, process, argv->pdata[0],
                                     argv->pdata[0], error) ||
            !ckpt_bundle_add_strings(bundle, BOOT_ARGV, process,
                                     (const char *const *)argv->pdata, error) ||
            (opt.env &&
             !ckpt_bundle_add_strings(bundle, BOOT_ENVP, process,
                                      (const char *const *)opt.env, error))) {
            return FALSE;
        }
        if (process < n_net &&
            (!ckpt_bundle_parse_net(opt.net[process], &net, error) ||
             !ckpt_bundle_add_net(bundle, process, &net, error))) {
            return FALSE;
        }
    }
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_autoptr(CkptBundle) bundle = ckpt_bundle_new();
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, about);
    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_strict_posix(context, TRUE);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "ckpt-bundle: %s\n", error->message);
        return 2;
    }
    if (!opt.output || !opt.rest) {
        fprintf(stderr, "ckpt-bundle: --output and a program are needed; see "
                        "ckpt-bundle --help\n");
        return 2;
    }
    if (!opt.library) {
        opt.library = ckptd_paths_find("library", &error);
    }
    if (!opt.library || !ckpt_bundle_add_library(bundle, opt.library, &error) ||
        !add_processes(bundle, &error) ||
        !ckpt_bundle_add_paths(bundle, opt.files, opt.dirs, &error) ||
        (opt.options &&
         !ckpt_bundle_add_strings(bundle, BOOT_OPTIONS, BOOT_SHARED,
                                  (const char *const *)opt.options, &error)) ||
        !ckpt_bundle_write(bundle, opt.output, &error)) {
        fprintf(stderr, "ckpt-bundle: %s\n", error->message);
        return 1;
    }
    return 0;
}
