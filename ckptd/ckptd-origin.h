/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-origin.h - a base image that begins as a named checkpoint's
 */
#ifndef CKPTD_ORIGIN_H
#define CKPTD_ORIGIN_H

#include "ckptd/ckptd-fold.h"

gboolean ckptd_origin_tidy(struct ckptd_io *io, const char *dir,
                           GError **error);
gboolean ckptd_origin_fill(const struct ckptd_fold_config *config,
                           uint64_t *ret_bytes, GError **error);

#endif
