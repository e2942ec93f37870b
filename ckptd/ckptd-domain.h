/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-domain.h - is a process the QEMU of a certain libvirt domain?
 */
#ifndef CKPTD_DOMAIN_H
#define CKPTD_DOMAIN_H

#include <glib.h>

/**
 * struct ckptd_domain - what tells a domain's QEMU from another's
 *
 * @uuid:     of the domain
 * @pid_path: where libvirt writes its QEMU down, or NULL: not known
 */
struct ckptd_domain {
    const char *uuid;
    const char *pid_path;
};

gboolean ckptd_domain_check(GPid pid, const struct ckptd_domain *domain,
                            GError **error);
char *ckptd_domain_pid_path(const char *uri, const char *name);

#endif
