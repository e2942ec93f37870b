/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-moved.h - a note that a guest has left, or may have
 */
#ifndef CKPTD_MOVED_H
#define CKPTD_MOVED_H

#include "ckptd/ckptd-error.h"

/**
 * struct ckptd_moved - how a guest left
 *
 * @phase:      enum ckpt_move_phase: LEAVING, UNKNOWN or MOVED; 0: it is here
 * @generation: that it left
 * @epoch:      that it was in
 */
struct ckptd_moved {
    guint phase;
    guint64 generation;
    guint64 epoch;
};

gboolean ckptd_moved_save(const char *path, const struct ckptd_moved *moved,
                          GError **error);
gboolean ckptd_moved_clear(const char *path, GError **error);
void ckptd_moved_load(const char *path, const char *store_dir,
                      struct ckptd_moved *ret_moved);

#endif
