/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-disk.c - what is on a disk, and what an operation makes of it
 */
#include "tests/unit/store/crash-disk.h"

#include <string.h>

static const char *const op_name[] = {
    "write",    "resize",     "punch",   "sync",   "create",
    "make dir", "remove dir", "link",    "rename", "exchange",
    "unlink",   "sync dir",   "promise",
};
G_STATIC_ASSERT(G_N_ELEMENTS(op_name) == OP_PROMISE + 1);

/**
 * crash_op_describe() - an operation for people
 * @type: of it
 *
 * Return: a word or two.
 */
const char *crash_op_describe(enum op_type type)
{
    return op_name[type];
}

/**
 * crash_op_free() - free an operation
 * @opaque: of a trace
 */
void crash_op_free(gpointer opaque)
{
    struct crash_op *op = opaque;

    g_free(op->data);
    g_free(op->name);
    g_free(op->to);
    g_free(op);
}

/**
 * crash_op_is_name() - does it change names?
 * @op: the operation
 *
 * Return: TRUE if a sync of a directory makes it durable.
 */
gboolean crash_op_is_name(const struct crash_op *op)
{
    return op->type >= OP_CREATE && op->type <= OP_UNLINK;
}

/**
 * crash_op_is_in() - the sync of which directory?
 * @op: changes names
 * @dir: path of one
 *
 * Return: TRUE if it is that one.
 */
gboolean crash_op_is_in(const struct crash_op *op, const char *dir)
{
    g_autofree char *of = g_path_get_dirname(op->name);

    return g_str_equal(of, dir);
}

/**
 * crash_disk_init() - an empty disk
 * @d: to set up
 */
void crash_disk_init(struct crash_disk *d)
{
    d->files =
        g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    d->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/**
 * crash_disk_clear() - free what is on a disk
 * @d: the disk
 */
void crash_disk_clear(struct crash_disk *d)
{
    g_ptr_array_unref(d->files);
    g_hash_table_unref(d->names);
}

/**
 * crash_disk_file() - the bytes of a file
 * @d: the disk
 * @file: its number
 *
 * Return: borrowed; empty where there was none.
 */
GByteArray *crash_disk_file(struct crash_disk *d, guint file)
{
    while (d->files->len <= file) {
        g_ptr_array_add(d->files, g_byte_array_new());
    }
    return g_ptr_array_index(d->files, file);
}

/**
 * crash_disk_copy() - a second disk with the same on it
 * @to: to set up
 * @from: the disk
 */
void crash_disk_copy(struct crash_disk *to, const struct crash_disk *from)
{
    GHashTableIter iter;
    gpointer name;
    gpointer file;
    guint i;

    crash_disk_init(to);
    for (i = 0; i < from->files->len; i++) {
        const GByteArray *f = g_ptr_array_index(from->files, i);

        g_byte_array_append(crash_disk_file(to, i), f->data, f->len);
    }
    g_hash_table_iter_init(&iter, from->names);
    while (g_hash_table_iter_next(&iter, &name, &file)) {
        g_hash_table_insert(to->names, g_strdup(name), file);
    }
}

static void file_resize(GByteArray *f, uint64_t bytes)
{
    guint old = f->len;

    g_byte_array_set_size(f, bytes);
    if (bytes > old) {
        memset(f->data + old, 0, bytes - old);
    }
}

static void file_write(GByteArray *f, uint64_t offset, const uint8_t *data,
                       uint64_t len)
{
    if (offset + len > f->len) {
        file_resize(f, offset + len);
    }
    if (data) {
        memcpy(f->data + offset, data, len);
    } else {
        memset(f->data + offset, 0, len);
    }
}

static gboolean sector_is_kept(enum crash_keep keep, uint64_t i, uint64_t n,
                               GRand *rand)
{
    switch (keep) {
    case CRASH_DROP:
        return FALSE;
    case CRASH_KEEP:
        return TRUE;
    case CRASH_FIRST_HALF:
        return i < n / 2;
    case CRASH_LAST_HALF:
        return i >= n / 2;
    case CRASH_NO_FIRST:
        return i > 0;
    case CRASH_NO_LAST:
        return i + 1 < n;
    case CRASH_RANDOM:
        return g_rand_boolean(rand);
    default:
        g_assert_not_reached();
    }
}

static void disk_name(struct crash_disk *d, const char *path, guint file)
{
    g_hash_table_insert(d->names, g_strdup(path), GUINT_TO_POINTER(file + 1));
}

/**
 * crash_disk_has_dir() - is there such a directory?
 * @d: the disk
 * @path: of it
 *
 * Return: TRUE if so.
 */
gboolean crash_disk_has_dir(struct crash_disk *d, const char *path)
{
    return g_str_equal(path, "/") ||
           g_hash_table_lookup(d->names, path) == GUINT_TO_POINTER(DIR + 1);
}

/* @path, if it is @from or in it, as it is called when @from is called @to. */
static char *renamed(const char *path, const char *from, const char *to)
{
    size_t len = strlen(from);

    if (strncmp(path, from, len) || (path[len] && path[len] != '/')) {
        return NULL;
    }
    return g_strconcat(to, path + len, NULL);
}

/* A directory takes along what is in it. */
static void disk_rename(struct crash_disk *d, const char *from, const char *to,
                        gboolean exchange)
{
    GHashTable *names =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer name;
    gpointer file;

    g_hash_table_iter_init(&iter, d->names);
    while (g_hash_table_iter_next(&iter, &name, &file)) {
        char *path = renamed(name, from, to);

        if (!path && exchange) {
            path = renamed(name, to, from);
        } else if (!path && g_str_equal(name, to)) {
            continue;
        }
        g_hash_table_insert(names, path ? path : g_strdup(name), file);
    }
    g_hash_table_unref(d->names);
    d->names = names;
}

static gboolean is_orphan(gpointer name, gpointer file G_GNUC_UNUSED,
                          gpointer opaque)
{
    g_autofree char *dir = g_path_get_dirname(name);

    return !crash_disk_has_dir(opaque, dir);
}

/**
 * crash_disk_drop_orphans() - what is in no directory is nowhere
 * @d: the disk
 */
void crash_disk_drop_orphans(struct crash_disk *d)
{
    while (g_hash_table_foreach_remove(d->names, is_orphan, d)) {
    }
}

/**
 * crash_disk_apply() - let a disk see an operation
 * @d: the disk
 * @op: the operation
 * @keep: how much of it
 * @rand: for what is left to chance
 */
void crash_disk_apply(struct crash_disk *d, const struct crash_op *op,
                      enum crash_keep keep, GRand *rand)
{
    uint64_t n = (op->len + CRASH_SECTOR_BYTES - 1) / CRASH_SECTOR_BYTES;
    gboolean whole =
        keep == CRASH_KEEP || (keep != CRASH_DROP && g_rand_boolean(rand));
    uint64_t i;

    switch (op->type) {
    case OP_WRITE:
    case OP_PUNCH:
        for (i = 0; i < n; i++) {
            uint64_t at = i * CRASH_SECTOR_BYTES;

            if (sector_is_kept(keep, i, n, rand)) {
                file_write(crash_disk_file(d, op->file), op->offset + at,
                           op->data ? op->data + at : NULL,
                           MIN(CRASH_SECTOR_BYTES, op->len - at));
            }
        }
        break;
    case OP_RESIZE:
        if (whole) {
            file_resize(crash_disk_file(d, op->file), op->offset);
        }
        break;
    case OP_CREATE:
    case OP_LINK:
        crash_disk_file(d, op->file);
        disk_name(d, op->name, op->file);
        break;
    case OP_MAKE_DIR:
        disk_name(d, op->name, DIR);
        break;
    case OP_RENAME:
    case OP_EXCHANGE:
        disk_rename(d, op->name, op->to, op->type == OP_EXCHANGE);
        break;
    case OP_REMOVE_DIR:
    case OP_UNLINK:
        g_hash_table_remove(d->names, op->name);
        break;
    default:
        break;
    }
}
