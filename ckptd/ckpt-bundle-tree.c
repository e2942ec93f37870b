/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-bundle-tree.c - a directory of the host as files of the guest
 *
 * The guest's tree has files and nothing else: directories are implied by
 * their names and symbolic links are replaced by what they lead to.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-error.h"

/* Where the walk is; @up are the directories around it. */
struct walk {
    CkptBundle *bundle;
    guint process;
    const struct walk_dir {
        const struct walk_dir *up;
        dev_t dev;
        ino_t ino;
    } * up;
};

static gboolean walk(struct walk *w, const char *host, const char *guest,
                     GError **error);

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted: the same tree makes the same bundle. */
static GPtrArray *names_in(const char *path, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, error);
    GPtrArray *names;
    const char *name;

    if (!dir) {
        return NULL;
    }
    names = g_ptr_array_new_with_free_func(g_free);
    while ((name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, by_name);
    return names;
}

static gboolean walk_dir(struct walk *w, const char *host, const char *guest,
                         const struct stat *st, GError **error)
{
    struct walk_dir here = { w->up, st->st_dev, st->st_ino };
    g_autoptr(GPtrArray) names = NULL;
    const struct walk_dir *up;
    gboolean ok = TRUE;
    guint i;

    for (up = w->up; up; up = up->up) {
        if (up->dev == st->st_dev && up->ino == st->st_ino) {
            return TRUE; /* a link to where we are */
        }
    }
    names = names_in(host, error);
    if (!names) {
        return FALSE;
    }
    w->up = &here;
    for (i = 0; ok && i < names->len; i++) {
        g_autofree char *from = g_build_filename(host, names->pdata[i], NULL);
        g_autofree char *to = g_build_filename(guest, names->pdata[i], NULL);

        ok = walk(w, from, to, error);
    }
    w->up = here.up;
    return ok;
}

static gboolean walk(struct walk *w, const char *host, const char *guest,
                     GError **error)
{
    struct stat st;

    if (stat(host, &st) < 0) {
        if (errno == ENOENT && w->up) {
            return TRUE; /* a link that leads nowhere, there as here */
        }
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND, "%s: %s", host,
                    g_strerror(errno));
        return FALSE;
    }
    if (S_ISDIR(st.st_mode)) {
        return walk_dir(w, host, guest, &st, error);
    }
    if (!S_ISREG(st.st_mode)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s: neither a file nor a directory", host);
        return FALSE;
    }
    return ckpt_bundle_add_file(w->bundle, w->process, host, guest, error);
}

/**
 * ckpt_bundle_add_tree() - a directory, with all that is below it
 * @bundle: to add to
 * @process: its number, or BOOT_SHARED
 * @host_path: of the directory
 * @guest_path: absolute path under which the program sees it
 * @error: names the file that cannot be added, and why
 *
 * Return: TRUE when all was added.
 */
gboolean ckpt_bundle_add_tree(CkptBundle *bundle, guint process,
                              const char *host_path, const char *guest_path,
                              GError **error)
{
    struct walk w = { .bundle = bundle, .process = process };

    if (!g_file_test(host_path, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "%s: there is no such directory", host_path);
        return FALSE;
    }
    return walk(&w, host_path, guest_path, error);
}

/**
 * ckpt_bundle_split_path() - "HOST:GUEST" or "PATH", as --file and --dir take it
 * @text: the two paths, or one that is the same on both sides
 * @ret_host: to be freed
 * @ret_guest: to be freed
 * @error: set when the guest's path is not absolute
 *
 * Return: TRUE when @text was understood.
 */
gboolean ckpt_bundle_split_path(const char *text, char **ret_host,
                                char **ret_guest, GError **error)
{
    const char *colon = g_strrstr(text, ":/");
    const char *guest = colon ? colon + 1 : text;

    if (guest[0] != '/' || colon == text) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s': expected HOSTPATH:GUESTPATH, the guest's absolute",
                    text);
        return FALSE;
    }
    *ret_host = colon ? g_strndup(text, colon - text) : g_strdup(text);
    *ret_guest = g_canonicalize_filename(guest, "/");
    return TRUE;
}

static gboolean add_each(CkptBundle *bundle, char **paths,
                         gboolean (*add)(CkptBundle *, guint, const char *,
                                         const char *, GError **),
                         GError **error)
{
    for (; paths && *paths; paths++) {
        g_autofree char *host = NULL, *guest = NULL;

        if (!ckpt_bundle_split_path(*paths, &host, &guest, error) ||
            !add(bundle, BOOT_SHARED, host, guest, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/**
 * ckpt_bundle_add_paths() - what --file and --dir name
 * @bundle: to add to
 * @files: as ckpt_bundle_split_path() takes them, or NULL
 * @dirs: likewise
 * @error: names what cannot be added, and why
 *
 * Return: TRUE when all was added, for all processes.
 */
gboolean ckpt_bundle_add_paths(CkptBundle *bundle, char **files, char **dirs,
                               GError **error)
{
    return add_each(bundle, files, ckpt_bundle_add_file, error) &&
           add_each(bundle, dirs, ckpt_bundle_add_tree, error);
}
