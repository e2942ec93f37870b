/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-libvirt-domain.h - the libvirt domain of a guest: why down, start it
 */
#ifndef CKPT_LIBVIRT_DOMAIN_H
#define CKPT_LIBVIRT_DOMAIN_H

#include <glib.h>
#include <libvirt/libvirt.h>

/**
 * struct domain - the domain, as seen over all of its lives
 *
 * @uuid:     as libvirt writes it
 * @xml_path: where its description is kept while it runs
 * @detail:   virDomainEventStoppedDetailType of the last stop that was seen,
 *            -1: none since it was seen to start
 */
struct domain {
    const char *uuid;
    const char *xml_path;
    int detail;
};

/* What libvirt says of a domain that is to be started. */
enum domain_outlook {
    DOMAIN_MAY_START,
    DOMAIN_RUNS,
    DOMAIN_STAYS, /* it is down because somebody wanted that */
    DOMAIN_UNKNOWN,
};

gboolean domain_keep_xml(const struct domain *d, virConnectPtr conn,
                         GError **error);
enum domain_outlook domain_look(const struct domain *d, virConnectPtr conn,
                                const char **ret_why, GError **error);
gboolean domain_start(const struct domain *d, virConnectPtr conn,
                      GError **error);

#endif
