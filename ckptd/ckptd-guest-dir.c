/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-dir.c - the directory of a guest that is made, or comes in
 *
 * Before anybody is told that there is such a guest, its directory is durable:
 * what is in it, its name among the guests', and theirs.  And it is new: in one
 * that is there already may lie the checkpoints of a guest that could not be
 * read, which nobody is to write over, or to remove with a guest that could not
 * be made.
 */
#include "ckptd/ckptd-guest-dir.h"

#include "ckptd/ckptd-lookup.h"

/**
 * ckptd_guest_dir_make() - make a guest's directory
 * @io:    the layer
 * @dir:   of it; that of all guests, its parent, is made if need be
 * @error: CKPTD_ERROR_EXISTS: something is there already
 *
 * Return: TRUE when it is there, and new.
 * Context: any thread.
 */
gboolean ckptd_guest_dir_make(struct ckptd_io *io, const char *dir,
                              GError **error)
{
    g_autofree char *guests = g_path_get_dirname(dir);
    g_autofree char *name = g_path_get_basename(dir);
    g_autoptr(GError) local = NULL;

    if (ckptd_io_make_dir(io, guests, &local) &&
        ckptd_io_make_new_dir(io, dir, &local)) {
        return TRUE;
    }
    if (g_error_matches(local, CKPTD_ERROR, CKPTD_ERROR_EXISTS)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "there is a directory %s already, of no guest that is "
                    "known: choose another name than %s, or see what is in it "
                    "and move it away",
                    dir, name);
    } else {
        g_propagate_error(error, g_steal_pointer(&local));
    }
    return FALSE;
}

/**
 * ckptd_guest_dir_keep() - have the names durable
 * @io:    the layer
 * @dir:   of the guest; the files in it are durable
 * @error: where to say why not
 *
 * Return: TRUE when the guest will be found whatever happens.
 * Context: any thread; blocks.
 */
gboolean ckptd_guest_dir_keep(struct ckptd_io *io, const char *dir,
                              GError **error)
{
    g_autofree char *guests = g_path_get_dirname(dir);
    g_autofree char *state = g_path_get_dirname(guests);

    return ckptd_io_sync_dir(io, dir, error) &&
           ckptd_io_sync_dir(io, guests, error) &&
           ckptd_io_sync_dir(io, state, error);
}

/**
 * ckptd_guest_dir_put() - take a piece of a file that comes in
 * @io:     the layer
 * @dir:    of the guest
 * @name:   of the file, made if it is not there
 * @data:   the piece
 * @len:    its length
 * @offset: where in the file
 * @error:  where to say why not
 *
 * Return: TRUE when it is written; durable after ckptd_guest_dir_sync().
 * Context: any thread; may block.
 */
gboolean ckptd_guest_dir_put(struct ckptd_io *io, const char *dir,
                             const char *name, const void *data, size_t len,
                             uint64_t offset, GError **error)
{
    g_autoptr(CkptdFile) file =
        ckptd_io_open(io, dir, name, CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);

    return file && ckptd_io_write(file, data, len, offset, error);
}

/**
 * ckptd_guest_dir_sync() - have a file durable of which pieces came in
 * @io:    the layer
 * @dir:   of the guest
 * @name:  of the file, which need not be there
 * @error: where to say why not
 *
 * Return: TRUE when it is, under its name.
 * Context: any thread; blocks.
 */
gboolean ckptd_guest_dir_sync(struct ckptd_io *io, const char *dir,
                              const char *name, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(CkptdFile) file =
        ckptd_io_open(io, dir, name, CKPTD_IO_WRITE, &local);

    if (!file && ckptd_lookup_is_absence(local)) {
        return TRUE;
    }
    if (!file) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return ckptd_io_sync(file, error) && ckptd_io_sync_dir(io, dir, error);
}
