/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-lookup.c - is it there?  Yes, no, or not known
 *
 * What ckptd does about a file that is not there may not be done about one that
 * it could not read: a guest that arrived would be deleted for want of a
 * descriptor.  Only ENOENT is absence.  Whoever asks gets CKPTD_ERROR_NOT_FOUND
 * then, and has to hand every other error on.
 */
#include "ckptd/ckptd-lookup.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "ckptd/ckptd-error.h"

/**
 * ckptd_lookup_is_absence() - is it known that it is not there?
 * @error: of a function that was to find it; may be NULL
 *
 * Return: TRUE if so.
 * Context: any thread, as all that follow.
 */
gboolean ckptd_lookup_is_absence(const GError *error)
{
    return g_error_matches(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
}

/* Of GLib's error about @path one of ours, set in @error. */
static void hand_on(GError **error, const char *path, const GError *why)
{
    int code = CKPTD_ERROR_IO;

    if (g_error_matches(why, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
        code = CKPTD_ERROR_NOT_FOUND;
    } else if (why->domain == G_KEY_FILE_ERROR) {
        code = CKPTD_ERROR_DAMAGED;
    }
    if (strstr(why->message, path)) {
        g_set_error(error, CKPTD_ERROR, code, "%s", why->message);
    } else {
        g_set_error(error, CKPTD_ERROR, code, "%s: %s", path, why->message);
    }
}

/**
 * ckptd_lookup_path() - is there such a file, directory or link?
 * @path:  of it; a link is not followed
 * @error: CKPTD_ERROR_NOT_FOUND; _IO: that is not known
 *
 * Return: TRUE if there is.
 */
gboolean ckptd_lookup_path(const char *path, GError **error)
{
    GStatBuf st;

    if (g_lstat(path, &st) == 0) {
        return TRUE;
    }
    g_set_error(error, CKPTD_ERROR,
                errno == ENOENT ? CKPTD_ERROR_NOT_FOUND : CKPTD_ERROR_IO,
                "%s: %s", path, g_strerror(errno));
    return FALSE;
}

/**
 * ckptd_lookup_text() - read a small file
 * @path:  of it
 * @error: CKPTD_ERROR_NOT_FOUND; _IO: it may be there
 *
 * Return: its content, to be freed, or NULL.
 */
char *ckptd_lookup_text(const char *path, GError **error)
{
    g_autoptr(GError) local = NULL;
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, &local)) {
        hand_on(error, path, local);
        return NULL;
    }
    return text;
}

/**
 * ckptd_lookup_link() - where does a symbolic link lead?
 * @path:  of it
 * @error: CKPTD_ERROR_NOT_FOUND; _IO: that is not known
 *
 * Return: to be freed, or NULL.
 */
char *ckptd_lookup_link(const char *path, GError **error)
{
    g_autoptr(GError) local = NULL;
    char *target = g_file_read_link(path, &local);

    if (!target) {
        hand_on(error, path, local);
    }
    return target;
}

/**
 * ckptd_lookup_keys() - read a key file
 * @file:  filled in
 * @path:  of it
 * @error: CKPTD_ERROR_NOT_FOUND; _IO: it may be there; _DAMAGED: it is, and is
 *         no key file
 *
 * Return: TRUE when it was read.
 */
gboolean ckptd_lookup_keys(GKeyFile *file, const char *path, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &local)) {
        hand_on(error, path, local);
        return FALSE;
    }
    return TRUE;
}
