/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-manifest.h - the file that says what a guest is
 */
#ifndef CKPTD_MANIFEST_H
#define CKPTD_MANIFEST_H

#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-store.h"

#define CKPTD_MANIFEST_RAM_MAX_BYTES (1ull << 42)

gboolean ckptd_manifest_check(const struct ckptd_manifest *m, GError **error);
gboolean ckptd_manifest_load(struct ckptd_io *io, const char *dir,
                             struct ckptd_manifest *ret_manifest,
                             GError **error);
gboolean ckptd_manifest_save(struct ckptd_io *io, const char *dir,
                             const struct ckptd_manifest *m, GError **error);

#endif
