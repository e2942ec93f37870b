/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-dict.h - the dictionaries (a{sv}) that go to ckptd and come back
 */
#ifndef CKPTCTL_DICT_H
#define CKPTCTL_DICT_H

#include <glib.h>

/* What a number is before a verb's options are parsed. */
#define CKPTCTL_NOT_GIVEN G_MININT

void ckptctl_dict_add_text(GVariantDict *dict, const char *key,
                           const char *value);
void ckptctl_dict_add_list(GVariantDict *dict, const char *key, char **list);
void ckptctl_dict_add_number(GVariantDict *dict, const char *key, gint value);

const char *ckptctl_dict_text(GVariant *dict, const char *key);
guint64 ckptctl_dict_number(GVariant *dict, const char *key);
gboolean ckptctl_dict_flag(GVariant *dict, const char *key);

#endif
