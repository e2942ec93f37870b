/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-spec-net.h - the network part of a spec (ckptd-spec.c)
 */
#ifndef CKPTD_SPEC_NET_H
#define CKPTD_SPEC_NET_H

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-spec.h"

gboolean ckptd_spec_net_check(struct ckptd_spec *spec, GError **error);
gboolean ckptd_spec_net_address(const struct ckptd_spec *spec, guint process,
                                struct boot_net *ret_net, GError **error);

#endif
