/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-dir.h - the directory of a guest that is made, or comes in
 */
#ifndef CKPTD_GUEST_DIR_H
#define CKPTD_GUEST_DIR_H

#include "ckptd/ckptd-io.h"

gboolean ckptd_guest_dir_make(struct ckptd_io *io, const char *dir,
                              GError **error);
gboolean ckptd_guest_dir_keep(struct ckptd_io *io, const char *dir,
                              GError **error);
gboolean ckptd_guest_dir_put(struct ckptd_io *io, const char *dir,
                             const char *name, const void *data, size_t len,
                             uint64_t offset, GError **error);
gboolean ckptd_guest_dir_sync(struct ckptd_io *io, const char *dir,
                              const char *name, GError **error);

#endif
