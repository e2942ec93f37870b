/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-moved.c - a note that a guest has left, or may have
 *
 * Written durably before QEMU sends anything without which the guest could not
 * run elsewhere (MOVE LEAVING), and looked at before a guest is recovered: the
 * store alone would say that it is here (F1).  A note that cannot be read says
 * the same as one that can.  It names the generation that left; a store of a
 * later one is of a guest that came back.
 */
#include "ckptd/ckptd-moved.h"

#include <errno.h>
#include <unistd.h>

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-meta.h"

#define GROUP "moved"

/**
 * ckptd_moved_save() - write the note
 * @path: where
 * @moved: what it says
 * @error: set on failure
 *
 * Return: TRUE when it is durable.
 */
gboolean ckptd_moved_save(const char *path, const struct ckptd_moved *moved,
                          GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autofree char *data = NULL;
    gsize len;

    g_key_file_set_uint64(file, GROUP, "phase", moved->phase);
    g_key_file_set_uint64(file, GROUP, "generation", moved->generation);
    g_key_file_set_uint64(file, GROUP, "epoch", moved->epoch);
    data = g_key_file_to_data(file, &len, NULL);
    return g_file_set_contents_full(path, data, len,
                                    G_FILE_SET_CONTENTS_CONSISTENT |
                                        G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

/**
 * ckptd_moved_clear() - the guest is here
 * @path: of the note, which need not be there
 * @error: set on failure
 *
 * Return: TRUE when the note is gone for good.
 */
gboolean ckptd_moved_clear(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);

    if (unlink(path) < 0 && errno != ENOENT) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "removing %s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    return ckptd_io_sync_dir(ckptd_io_system(), dir, error);
}

static guint64 store_generation(const char *store_dir)
{
    g_autoptr(CkptdMeta) meta =
        ckptd_meta_open(ckptd_io_system(), store_dir, TRUE, NULL);
    struct ckptd_meta_state state = { 0 };

    if (meta) {
        ckptd_meta_get(meta, &state);
    }
    return state.generation;
}

/**
 * ckptd_moved_load() - has the guest left?
 * @path: of the note
 * @store_dir: of the guest
 * @ret_moved: filled in; phase 0: it has not
 */
void ckptd_moved_load(const char *path, const char *store_dir,
                      struct ckptd_moved *ret_moved)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) error = NULL;
    struct ckptd_moved moved = { .phase = CKPT_MOVE_UNKNOWN };

    *ret_moved = (struct ckptd_moved){ 0 };
    if (!g_key_file_load_from_file(file, path, G_KEY_FILE_NONE, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            g_warning("%s: %s", path, error->message);
            *ret_moved = moved;
        }
        return;
    }
    moved.generation = g_key_file_get_uint64(file, GROUP, "generation", NULL);
    moved.epoch = g_key_file_get_uint64(file, GROUP, "epoch", NULL);
    if (g_key_file_get_uint64(file, GROUP, "phase", NULL) == CKPT_MOVE_MOVED) {
        moved.phase = CKPT_MOVE_MOVED;
    }
    if (!moved.generation || store_generation(store_dir) <= moved.generation) {
        *ret_moved = moved;
    }
}
