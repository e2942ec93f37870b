/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-io-later.c - a layer that makes everything durable at once, in the end
 *
 * Whoever makes a store syncs what he has made before he makes what says that
 * it is there.  Where the store is put together under a name that nobody takes
 * for one, and gets its own in one step, all that can wait for that step: one
 * sync a file in place of one for each thing that was done to it.
 */
#include "ckptd/ckptd-io-later.h"

#include <string.h>

/* @layer: first, cast back; @paths: of files that were opened to be written */
struct ckptd_io_later {
    struct ckptd_io layer;
    struct ckptd_io *under;
    GPtrArray *paths;
};

static struct ckptd_io *under(struct ckptd_io *io)
{
    return ((CkptdIoLater *)io)->under;
}

static guint find(CkptdIoLater *later, const char *path)
{
    guint i;

    for (i = 0; i < later->paths->len; i++) {
        if (!strcmp(later->paths->pdata[i], path)) {
            break;
        }
    }
    return i;
}

static void forget(CkptdIoLater *later, const char *path)
{
    guint i = find(later, path);

    if (i < later->paths->len) {
        g_ptr_array_remove_index(later->paths, i);
    }
}

static void remember(CkptdIoLater *later, const char *path)
{
    if (find(later, path) == later->paths->len) {
        g_ptr_array_add(later->paths, g_strdup(path));
    }
}

static int later_open(struct ckptd_io *io, const char *path, unsigned flags)
{
    if (flags & CKPTD_IO_WRITE) {
        remember((CkptdIoLater *)io, path);
    }
    return under(io)->open(under(io), path,
                           flags & ~(CKPTD_IO_DSYNC | CKPTD_IO_DIRECT));
}

static void later_close(struct ckptd_io *io, int handle)
{
    under(io)->close(under(io), handle);
}

static ssize_t later_writev(struct ckptd_io *io, int handle,
                            const struct iovec *iov, int n_iov, uint64_t offset)
{
    return under(io)->writev(under(io), handle, iov, n_iov, offset);
}

static ssize_t later_read(struct ckptd_io *io, int handle, void *buf,
                          size_t len, uint64_t offset)
{
    return under(io)->read(under(io), handle, buf, len, offset);
}

static int later_sync(struct ckptd_io *io G_GNUC_UNUSED,
                      int handle G_GNUC_UNUSED)
{
    return 0;
}

static int later_resize(struct ckptd_io *io, int handle, uint64_t bytes)
{
    return under(io)->resize(under(io), handle, bytes);
}

static int later_reserve(struct ckptd_io *io, int handle, uint64_t bytes)
{
    return under(io)->reserve(under(io), handle, bytes);
}

static int later_punch(struct ckptd_io *io, int handle, uint64_t offset,
                       uint64_t len)
{
    return under(io)->punch(under(io), handle, offset, len);
}

static int64_t later_size(struct ckptd_io *io, int handle)
{
    return under(io)->size(under(io), handle);
}

static void later_advise(struct ckptd_io *io, int handle, uint64_t offset,
                         uint64_t len, gboolean will_need)
{
    under(io)->advise(under(io), handle, offset, len, will_need);
}

static int later_lock(struct ckptd_io *io, int handle, gboolean shared)
{
    return under(io)->lock(under(io), handle, shared);
}

static int later_fd(struct ckptd_io *io, int handle)
{
    return under(io)->fd(under(io), handle);
}

static int later_make_dir(struct ckptd_io *io, const char *path)
{
    return under(io)->make_dir(under(io), path);
}

static int later_sync_dir(struct ckptd_io *io G_GNUC_UNUSED,
                          const char *path G_GNUC_UNUSED)
{
    return 0;
}

static int later_remove_dir(struct ckptd_io *io, const char *path)
{
    return under(io)->remove_dir(under(io), path);
}

static int later_rename(struct ckptd_io *io, const char *from, const char *to)
{
    int ret = under(io)->rename(under(io), from, to);

    if (ret == 0) {
        forget((CkptdIoLater *)io, from);
        remember((CkptdIoLater *)io, to);
    }
    return ret;
}

static int later_exchange(struct ckptd_io *io, const char *a, const char *b)
{
    return under(io)->exchange(under(io), a, b);
}

static int later_link(struct ckptd_io *io, const char *from, const char *to)
{
    return under(io)->link(under(io), from, to);
}

static int later_unlink(struct ckptd_io *io, const char *path)
{
    forget((CkptdIoLater *)io, path);
    return under(io)->unlink(under(io), path);
}

static int later_list(struct ckptd_io *io, const char *path, GPtrArray *names)
{
    return under(io)->list(under(io), path, names);
}

/**
 * ckptd_io_later_new() - a layer over another
 * @under: the other; outlives it
 *
 * Return: (transfer full): the layer, for one thread.
 */
CkptdIoLater *ckptd_io_later_new(struct ckptd_io *under)
{
    CkptdIoLater *later = g_new0(CkptdIoLater, 1);

    later->layer = (struct ckptd_io){
        .open = later_open,
        .close = later_close,
        .writev = later_writev,
        .read = later_read,
        .sync = later_sync,
        .resize = later_resize,
        .reserve = later_reserve,
        .punch = later_punch,
        .size = later_size,
        .advise = later_advise,
        .lock = later_lock,
        .fd = later_fd,
        .make_dir = later_make_dir,
        .sync_dir = later_sync_dir,
        .remove_dir = later_remove_dir,
        .rename = later_rename,
        .exchange = later_exchange,
        .link = later_link,
        .unlink = later_unlink,
        .list = later_list,
    };
    later->under = under;
    later->paths = g_ptr_array_new_with_free_func(g_free);
    return later;
}

/**
 * ckptd_io_later_free() - free a layer
 * @later: (nullable): finished, or what was done by it is given up
 */
void ckptd_io_later_free(CkptdIoLater *later)
{
    if (later) {
        g_ptr_array_unref(later->paths);
        g_free(later);
    }
}

/**
 * ckptd_io_later_layer() - the layer as its users see it
 * @later: it
 *
 * Return: (transfer none): lives as long as @later.
 */
struct ckptd_io *ckptd_io_later_layer(CkptdIoLater *later)
{
    return &later->layer;
}

/**
 * ckptd_io_later_finish() - make all that was done durable
 * @later: the layer; nothing is open by it
 * @dir:   the directory that all of it is in
 * @error: where to say why not
 *
 * Return: TRUE when the files and their names in @dir are; @dir's own name is
 * not.
 * Context: blocks.
 */
gboolean ckptd_io_later_finish(CkptdIoLater *later, const char *dir,
                               GError **error)
{
    guint i;

    for (i = 0; i < later->paths->len; i++) {
        g_autofree char *name = g_path_get_basename(later->paths->pdata[i]);
        g_autoptr(CkptdFile) f =
            ckptd_io_open(later->under, dir, name, CKPTD_IO_WRITE, error);

        if (!f || !ckptd_io_sync(f, error)) {
            return FALSE;
        }
    }
    return ckptd_io_sync_dir(later->under, dir, error);
}
