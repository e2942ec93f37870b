/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-disk.h - what is on a disk, and what an operation makes of it
 */
#ifndef CRASH_DISK_H
#define CRASH_DISK_H

#include "tests/unit/store/crash-io.h"

enum op_type {
    OP_WRITE,
    OP_RESIZE,
    OP_PUNCH,
    OP_SYNC,
    OP_CREATE,
    OP_MAKE_DIR,
    OP_REMOVE_DIR,
    OP_LINK,
    OP_RENAME,
    OP_EXCHANGE,
    OP_UNLINK,
    OP_SYNC_DIR,
    OP_PROMISE,
};

struct crash_op {
    enum op_type type;
    guint file;
    gboolean durable; /* OP_WRITE: when it returns */
    gboolean failed;  /* OP_WRITE: an error was returned, and yet it may get to
                         the disk, until somebody writes there again */
    uint64_t offset;  /* OP_RESIZE: the size */
    uint64_t len;
    uint8_t *data;
    char *name;
    char *to;
    struct crash_promise promise;
};

/* Files by number, and names for some of them; a directory has number DIR. */
#define DIR (G_MAXUINT - 1)

struct crash_disk {
    GPtrArray *files;  /* GByteArray */
    GHashTable *names; /* path -> number + 1 */
};

void crash_disk_init(struct crash_disk *d);
void crash_disk_clear(struct crash_disk *d);
void crash_disk_copy(struct crash_disk *to, const struct crash_disk *from);
GByteArray *crash_disk_file(struct crash_disk *d, guint file);
gboolean crash_disk_has_dir(struct crash_disk *d, const char *path);
void crash_disk_drop_orphans(struct crash_disk *d);
void crash_disk_apply(struct crash_disk *d, const struct crash_op *op,
                      enum crash_keep keep, GRand *rand);

const char *crash_op_describe(enum op_type type);
void crash_op_free(gpointer opaque);
gboolean crash_op_is_name(const struct crash_op *op);
gboolean crash_op_is_in(const struct crash_op *op, const char *dir);

#endif
