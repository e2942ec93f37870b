/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-options.h - options that several verbs take
 */
#ifndef CKPTCTL_OPTIONS_H
#define CKPTCTL_OPTIONS_H

#include <glib.h>
#include "ckptd/ckptctl-dict.h"

/* Where a guest is in the world: of run and start. */
struct ckptctl_net_options {
    char **ports;
    char **ips;
    char **macs;
    char *net;
    char *gateway;
    char *dns;
    char *capture;
};

/* How checkpoints are taken: of run, start and adopt. */
struct ckptctl_pace_options {
    gint hold_mib;
    gint min_interval_us;
    gint max_interval_ms;
    gboolean verify;
    char *on_full;
};

#define CKPTCTL_PACE_INIT                                                      \
    {                                                                          \
        .hold_mib = CKPTCTL_NOT_GIVEN, .min_interval_us = CKPTCTL_NOT_GIVEN,   \
        .max_interval_ms = CKPTCTL_NOT_GIVEN                                   \
    }

void ckptctl_options_add(GArray *all, const GOptionEntry *entries);
void ckptctl_net_options_add(struct ckptctl_net_options *opt, GArray *all);
void ckptctl_net_options_pack(const struct ckptctl_net_options *opt,
                              GVariantDict *dict);
void ckptctl_net_options_clear(struct ckptctl_net_options *opt);
void ckptctl_pace_options_add(struct ckptctl_pace_options *opt, GArray *all);
void ckptctl_pace_options_pack(const struct ckptctl_pace_options *opt,
                               GVariantDict *dict);
void ckptctl_pace_options_clear(struct ckptctl_pace_options *opt);

#endif
