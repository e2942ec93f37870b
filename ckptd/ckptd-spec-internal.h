/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-spec-internal.h - how a spec is put together
 */
#ifndef CKPTD_SPEC_INTERNAL_H
#define CKPTD_SPEC_INTERNAL_H

#include "ckptd/ckptd-spec.h"

struct ckptd_spec *ckptd_spec_copy(const struct ckptd_spec *of);
gboolean ckptd_spec_take_options(struct ckptd_spec *spec, GVariant *options,
                                 GError **error);
gboolean ckptd_spec_complete(struct ckptd_spec *spec, GError **error);

#endif
