/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-launch.c - the processes of a guest: QEMU and ckpt-netd
 *
 * One command line serves the first boot and every recovery
 * (qemu-patches/README.md gives the reason for each word of it); what happens
 * is decided over the engine's socket.  Sockets are named relative to the
 * guest's runtime directory, which keeps them short enough for sun_path
 * wherever that directory is.
 */
#include <stdarg.h>
#include <unistd.h>

#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-paths.h"

static const char machine[] = "microvm," CKPTD_LAUNCH_MACHINE_OPTIONS;

static void add(GPtrArray *argv, ...) G_GNUC_NULL_TERMINATED;

static void add(GPtrArray *argv, ...)
{
    const char *word;
    va_list words;

    va_start(words, argv);
    while ((word = va_arg(words, const char *))) {
        g_ptr_array_add(argv, g_strdup(word));
    }
    va_end(words);
}

static void addf(GPtrArray *argv, const char *option, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void addf(GPtrArray *argv, const char *option, const char *format, ...)
{
    va_list args;

    g_ptr_array_add(argv, g_strdup(option));
    va_start(args, format);
    g_ptr_array_add(argv, g_strdup_vprintf(format, args));
    va_end(args);
}

/**
 * ckptd_launch_qemu_argv() - the command line of a guest
 * @spec: of the guest
 * @bundle: path of its boot bundle
 * @error: set when QEMU or an image is not where it should be
 *
 * Return: NULL terminated, to be freed by g_strfreev(), or NULL.
 */
char **ckptd_launch_qemu_argv(const struct ckptd_spec *spec, const char *bundle,
                              GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *qemu = NULL, *qboot = NULL, *kernel = NULL;
    gboolean kvm = g_str_equal(spec->accel, "kvm");

    if (!(qemu = ckptd_paths_find("qemu", error)) ||
        !(qboot = ckptd_paths_find("qboot", error)) ||
        !(kernel = ckptd_paths_find("kernel", error))) {
        return NULL;
    }
    add(argv, qemu, "-nodefaults", "-no-user-config", "-display", "none",
        "-no-reboot", "-M", machine, "-accel", spec->accel, "-cpu",
        kvm ? "host" : "max", "-global", "apic-common.vapic=off", "-smp", "1",
        "-bios", qboot, "-kernel", kernel, "-initrd", bundle, "-uuid",
        spec->uuid, "-name", spec->name, NULL);
    addf(argv, "-m", "%u", spec->memory_mib);
    addf(argv, "-object",
         "ckpt-engine,id=ck0,path=%s,guest=%s,checkpoint=%s,"
         "verify=%s",
         CKPTD_LAUNCH_ENGINE_SOCKET, spec->name,
         spec->checkpoint ? "on" : "off", spec->verify ? "on" : "off");
    if (g_str_equal(spec->net, "user")) {
        addf(argv, "-netdev",
             "stream,id=n0,server=off,addr.type=fd,"
             "addr.str=%d",
             CKPTD_LAUNCH_NET_FD);
    } else if (g_str_equal(spec->net, "tap")) {
        addf(argv, "-netdev", "tap,id=n0,fd=%d", CKPTD_LAUNCH_NET_FD);
    }
    addf(argv, "-device", "ckpt-nic,%smac=%s",
         g_str_equal(spec->net, "none") ? "" : "netdev=n0,", spec->mac);
    addf(argv, "-qmp", "unix:%s,server=on,wait=off", CKPTD_LAUNCH_QMP_SOCKET);
    add(argv, "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
        "resourcecontrol=deny",
        NULL);
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
}

/**
 * ckptd_launch_qemu() - start QEMU
 * @spec: of the guest
 * @bundle: path of its boot bundle
 * @runtime_dir: of the guest
 * @log_path: of QEMU's own messages
 * @net_fd: its end of the network, or -1; still the caller's
 * @ret_process: filled in on success
 * @error: set on failure
 *
 * Return: TRUE when it was executed.
 */
gboolean ckptd_launch_qemu(const struct ckptd_spec *spec, const char *bundle,
                           const char *runtime_dir, const char *log_path,
                           int net_fd, struct ckptd_process *ret_process,
                           GError **error)
{
    g_auto(GStrv) argv = ckptd_launch_qemu_argv(spec, bundle, error);
    g_autofree char *qmp =
        g_build_filename(runtime_dir, CKPTD_LAUNCH_QMP_SOCKET, NULL);
    g_autofree char *pid =
        g_build_filename(runtime_dir, CKPTD_LAUNCH_QEMU_PID_FILE, NULL);
    struct ckptd_spawn how = {
        .argv = argv,
        .cwd = runtime_dir,
        .log_path = log_path,
        .pid_path = pid,
        .fd = net_fd,
        .target_fd = CKPTD_LAUNCH_NET_FD,
    };

    unlink(qmp);
    return argv && ckptd_process_spawn(&how, ret_process, error);
}

/**
 * ckptd_launch_netd() - start ckpt-netd
 * @spec: of the guest
 * @runtime_dir: of the guest
 * @log_path: of its messages
 * @ret_process: filled in on success
 * @error: set on failure
 *
 * Return: TRUE when it was executed; see ckptd_netctl_wait().
 */
gboolean ckptd_launch_netd(const struct ckptd_spec *spec,
                           const char *runtime_dir, const char *log_path,
                           struct ckptd_process *ret_process, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *socket =
        g_build_filename(runtime_dir, CKPTD_LAUNCH_NETD_SOCKET, NULL);
    g_autofree char *pid =
        g_build_filename(runtime_dir, CKPTD_LAUNCH_NETD_PID_FILE, NULL);
    struct ckptd_spawn how = {
        .cwd = runtime_dir,
        .log_path = log_path,
        .pid_path = pid,
        .fd = -1,
        .target_fd = -1,
    };
    g_autofree char *netd = ckptd_paths_find("netd", error);
    guint i;

    if (!netd) {
        return FALSE;
    }
    add(argv, netd, "--control", CKPTD_LAUNCH_NETD_SOCKET, NULL);
    for (i = 0; spec->forwards[i]; i++) {
        add(argv, "--forward", spec->forwards[i], NULL);
    }
    if (spec->capture) {
        add(argv, "--capture", spec->capture, NULL);
    }
    g_ptr_array_add(argv, NULL);
    how.argv = (char **)argv->pdata;
    unlink(socket);
    unlink(log_path);
    return ckptd_process_spawn(&how, ret_process, error);
}
