/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-paths.c - where things are: state, sockets, programs
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-paths.h"

static char *choose(const char *given, const char *variable, const char *root,
                    const char *user_dir)
{
    if (!given) {
        given = g_getenv(variable);
    }
    if (given) {
        return g_canonicalize_filename(given, NULL);
    }
    return geteuid() == 0 ? g_strdup(root)
                          : g_build_filename(user_dir, "sluice", NULL);
}

/**
 * ckptd_paths_init() - decide on the directories
 * @paths: filled in
 * @state_dir: from the command line, or NULL
 * @runtime_dir: likewise
 */
void ckptd_paths_init(struct ckptd_paths *paths, const char *state_dir,
                      const char *runtime_dir)
{
    paths->state_dir = choose(state_dir, "SLUICE_STATE_DIR", "/var/lib/sluice",
                              g_get_user_state_dir());
    paths->runtime_dir = choose(runtime_dir, "SLUICE_RUNTIME_DIR",
                                "/run/sluice", g_get_user_runtime_dir());
}

/**
 * ckptd_paths_clear() - free what ckptd_paths_init() made
 * @paths: initialised
 */
void ckptd_paths_clear(struct ckptd_paths *paths)
{
    g_clear_pointer(&paths->state_dir, g_free);
    g_clear_pointer(&paths->runtime_dir, g_free);
}

/**
 * ckptd_paths_bus_socket() - where ckptctl finds ckptd
 * @paths: initialised
 *
 * Return: to be freed.
 */
char *ckptd_paths_bus_socket(const struct ckptd_paths *paths)
{
    return g_build_filename(paths->runtime_dir, "ckptd.sock", NULL);
}

/**
 * ckptd_paths_log() - the daemon's own log, when it runs in the background
 * @paths: initialised
 *
 * Return: to be freed.
 */
char *ckptd_paths_log(const struct ckptd_paths *paths)
{
    return g_build_filename(paths->state_dir, "ckptd.log", NULL);
}

/**
 * ckptd_paths_make_dir() - make a directory and its parents, for us alone
 * @path: to make
 * @error: set on failure
 *
 * Return: TRUE when it is there and ours.
 */
gboolean ckptd_paths_make_dir(const char *path, GError **error)
{
    struct stat st;

    if (g_mkdir_with_parents(path, 0700) < 0 || lstat(path, &st) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO,
                    "cannot make directory %s: %s", path, g_strerror(errno));
        return FALSE;
    }
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 0022) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s must be a directory of user %d that nobody else can "
                    "write to",
                    path, (int)geteuid());
        return FALSE;
    }
    return TRUE;
}

static char *own_dir(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);

    return g_path_get_dirname(self ? self : ".");
}

/*
 * What ckptd needs, where it is in the build tree (from $(B)/ckptd) and where
 * it is when installed (from PREFIX/bin), and which variable overrides it.
 */
static const struct {
    const char *what;
    const char *variable;
    const char *candidates[3];
} known[] = {
    { "qemu",
      "SLUICE_QEMU",
      { "../qemu/qemu-system-x86_64",
        "../libexec/sluice/qemu-system-x86_64" } },
    { "kernel",
      "SLUICE_KERNEL",
      { "../guest-kernel/sluice-kernel.elf",
        "../libexec/sluice/sluice-kernel.elf" } },
    { "library",
      "SLUICE_LIBRARY",
      { "../guest-libc/libsluiceos.elf",
        "../libexec/sluice/libsluiceos.elf" } },
    { "netd", "SLUICE_NETD", { "ckpt-netd", "../libexec/sluice/ckpt-netd" } },
    { "libvirt",
      "SLUICE_LIBVIRT",
      { "ckpt-libvirt", "../libexec/sluice/ckpt-libvirt" } },
    { "ckptd", "SLUICE_CKPTD", { "ckptd" } },
    { "qboot",
      "SLUICE_QBOOT",
      { "/usr/share/qemu/qboot.rom", "/usr/share/seabios/qboot.rom" } },
    { "bridge-helper",
      "SLUICE_BRIDGE_HELPER",
      { "/usr/lib/qemu/qemu-bridge-helper",
        "/usr/libexec/qemu-bridge-helper" } },
};

/**
 * ckptd_paths_find() - find a program or image that ckptd needs
 * @what: qemu, kernel, library, netd, libvirt, ckptd, qboot or bridge-helper
 * @error: says where it was looked for
 *
 * Return: its path, to be freed, or NULL.
 */
char *ckptd_paths_find(const char *what, GError **error)
{
    g_autofree char *dir = own_dir();
    const char *override;
    char *path;
    guint i, j;

    for (i = 0; i < G_N_ELEMENTS(known); i++) {
        if (!g_str_equal(known[i].what, what)) {
            continue;
        }
        override = g_getenv(known[i].variable);
        if (override) {
            return g_canonicalize_filename(override, NULL);
        }
        for (j = 0; known[i].candidates[j]; j++) {
            path = g_canonicalize_filename(known[i].candidates[j], dir);
            if (access(path, R_OK) == 0) {
                return path;
            }
            g_free(path);
        }
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "no %s found near %s: build it with `make`, or name it "
                    "in $%s",
                    what, dir, known[i].variable);
        return NULL;
    }
    g_assert_not_reached();
}
