/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-image.h - a store that comes in from another host, page by page
 */
#ifndef CKPTD_IMAGE_H
#define CKPTD_IMAGE_H

#include "ckptd/ckptd-peer-wire.h"

typedef struct ckptd_image CkptdImage;

CkptdImage *ckptd_image_begin(const char *dir,
                              const struct ckptd_manifest *manifest,
                              GError **error);
void ckptd_image_free(CkptdImage *image);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdImage, ckptd_image_free)

gboolean ckptd_image_write(CkptdImage *image,
                           const struct ckptd_peer_pages *pages,
                           GError **error);
gboolean ckptd_image_sync(CkptdImage *image, GError **error);
void *ckptd_image_finish(CkptdImage *image, const struct ckptd_peer_last *last,
                         uint64_t generation, size_t *ret_bytes,
                         GError **error);

#endif
