/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-main-call.h - have the main thread do something, and wait for it
 */
#ifndef CKPTD_MAIN_CALL_H
#define CKPTD_MAIN_CALL_H

#include <gio/gio.h>

/**
 * typedef CkptdMainFunc - what the main thread does
 * @opaque: the caller's
 * @error:  where to say why not
 *
 * Return: TRUE on success.
 */
typedef gboolean (*CkptdMainFunc)(gpointer opaque, GError **error);

gboolean ckptd_main_call(CkptdMainFunc func, gpointer opaque,
                         GCancellable *cancellable, GError **error);

#endif
