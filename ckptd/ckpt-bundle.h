/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-bundle.h - make the boot bundle of a guest (abi/guest-boot.h)
 *
 * Used by ckptd at `ckptctl run` and by the ckpt-bundle tool.  Add entries in
 * any order, then write the file; nothing is read before ckpt_bundle_write()
 * but what the add functions are given.
 */
#ifndef CKPT_BUNDLE_H
#define CKPT_BUNDLE_H

#include <glib.h>

#include "abi/guest-boot.h"

typedef struct CkptBundle CkptBundle;

CkptBundle *ckpt_bundle_new(void);
void ckpt_bundle_free(CkptBundle *bundle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptBundle, ckpt_bundle_free)

gboolean ckpt_bundle_check_elf(const void *data, gsize len_bytes,
                               const char *path, GError **error);

gboolean ckpt_bundle_add_library(CkptBundle *bundle, const char *path,
                                 GError **error);
gboolean ckpt_bundle_add_program(CkptBundle *bundle, guint process,
                                 const char *path, const char *argv0,
                                 GError **error);
gboolean ckpt_bundle_add_strings(CkptBundle *bundle, enum boot_entry_type type,
                                 guint process, const char *const *strings,
                                 GError **error);
gboolean ckpt_bundle_add_net(CkptBundle *bundle, guint process,
                             const struct boot_net *net, GError **error);
gboolean ckpt_bundle_add_file(CkptBundle *bundle, guint process,
                              const char *host_path, const char *guest_path,
                              GError **error);

gboolean ckpt_bundle_add_tree(CkptBundle *bundle, guint process,
                              const char *host_path, const char *guest_path,
                              GError **error);
gboolean ckpt_bundle_split_path(const char *text, char **ret_host,
                                char **ret_guest, GError **error);
gboolean ckpt_bundle_add_paths(CkptBundle *bundle, char **files, char **dirs,
                               GError **error);

GBytes *ckpt_bundle_build(CkptBundle *bundle, GError **error);
gboolean ckpt_bundle_write(CkptBundle *bundle, const char *path,
                           GError **error);

gboolean ckpt_bundle_copy(const char *from, const char *to,
                          const struct boot_net *nets, guint n_nets,
                          GError **error);

gboolean ckpt_bundle_parse_net(const char *text, struct boot_net *ret_net,
                               GError **error);

#endif
