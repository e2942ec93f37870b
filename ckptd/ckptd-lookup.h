/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-lookup.h - is it there?  Yes, no, or not known
 */
#ifndef CKPTD_LOOKUP_H
#define CKPTD_LOOKUP_H

#include <glib.h>

gboolean ckptd_lookup_is_absence(const GError *error);
gboolean ckptd_lookup_path(const char *path, GError **error);
char *ckptd_lookup_text(const char *path, GError **error);
char *ckptd_lookup_link(const char *path, GError **error);
gboolean ckptd_lookup_keys(GKeyFile *file, const char *path, GError **error);

#endif
