/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-io-later.h - a layer that makes everything durable at once, in the end
 */
#ifndef CKPTD_IO_LATER_H
#define CKPTD_IO_LATER_H

#include "ckptd/ckptd-io.h"

typedef struct ckptd_io_later CkptdIoLater;

CkptdIoLater *ckptd_io_later_new(struct ckptd_io *under);
void ckptd_io_later_free(CkptdIoLater *later);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdIoLater, ckptd_io_later_free)

struct ckptd_io *ckptd_io_later_layer(CkptdIoLater *later);
gboolean ckptd_io_later_finish(CkptdIoLater *later, const char *dir,
                               GError **error);

#endif
