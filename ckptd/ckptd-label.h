/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-label.h - named checkpoints: an image that never changes
 *
 * A label is a directory of its own (FORMAT.md), made from a snapshot of a
 * store and kept until it is deleted.  A store can begin with one: a fork of
 * the guest, or the guest itself stepping back.
 */
#ifndef CKPTD_LABEL_H
#define CKPTD_LABEL_H

#include "abi/ckpt-nic.h"
#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-snapshot.h"

#define CKPTD_LABEL_NAME_MAX CKPT_LABEL_MAX

/**
 * struct ckptd_label - what is known of a named checkpoint
 *
 * @image_bytes: of its pages that are not zero: what it takes on disk
 * @ram_hash:    0: not known
 */
struct ckptd_label {
    struct ckptd_manifest manifest;
    uint64_t epoch;
    uint64_t generation;
    int64_t created_s;
    uint64_t image_bytes;
    uint64_t ram_hash;
    uint64_t devstate_bytes;
};

/**
 * struct ckptd_label_work - a label being written, seen from other threads
 *
 * @cancel: set from outside: give up
 * @done:   pages so far
 * @total:  of how many; 0: not known yet
 */
struct ckptd_label_work {
    gint cancel;
    gint done;
    gint total;
};

gboolean ckptd_label_name_ok(const char *name);
gboolean ckptd_label_write(struct ckptd_io *io, const char *labels_dir,
                           const char *name, CkptdSnapshot *snapshot,
                           struct ckptd_label_work *work, GError **error);
gboolean ckptd_label_load(struct ckptd_io *io, const char *dir,
                          struct ckptd_label *ret_label, GError **error);
gboolean ckptd_label_remove(struct ckptd_io *io, const char *labels_dir,
                            const char *name, GError **error);
void ckptd_label_tidy(struct ckptd_io *io, const char *labels_dir,
                      const char *store_dir);

gboolean ckptd_label_branch(struct ckptd_io *io, const char *label_dir,
                            const char *store_dir,
                            const struct ckptd_manifest *manifest,
                            enum ckpt_line_why why, uint64_t generation,
                            GError **error);

#endif
