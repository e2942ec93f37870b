/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-libvirt-domain.c - the libvirt domain of a guest: why down, start it
 *
 * A persistent domain is remembered by libvirt: why it went down, and how it is
 * started. A transient one vanishes with its QEMU, so both are remembered here:
 * the reason from the event, the description from a file that is written each
 * time the domain is seen to start.
 */
#include <libvirt/virterror.h>
#include <string.h>

#include "ckptd/ckpt-libvirt-domain.h"
#include "ckptd/ckptd-error.h"

/* Ends that somebody wanted; all others are faults, if ckptd says so too. */
static const struct {
    int detail; /* of VIR_DOMAIN_EVENT_STOPPED */
    int reason; /* of VIR_DOMAIN_SHUTOFF */
    const char *how;
} wanted[] = {
    { VIR_DOMAIN_EVENT_STOPPED_DESTROYED, VIR_DOMAIN_SHUTOFF_DESTROYED,
      "destroyed" },
    { VIR_DOMAIN_EVENT_STOPPED_MIGRATED, VIR_DOMAIN_SHUTOFF_MIGRATED,
      "migrated" },
    { VIR_DOMAIN_EVENT_STOPPED_SAVED, VIR_DOMAIN_SHUTOFF_SAVED, "saved" },
    { VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT, VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT,
      "reverted to a snapshot" },
};

static void set_error(GError **error, const char *what)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s: %s", what,
                virGetLastErrorMessage());
}

/* Return: FALSE when libvirt did not answer; else *ret is it, or NULL. */
static gboolean find(const struct domain *d, virConnectPtr conn,
                     virDomainPtr *ret, GError **error)
{
    *ret = virDomainLookupByUUIDString(conn, d->uuid);
    if (!*ret && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN) {
        set_error(error, "looking for the domain");
        return FALSE;
    }
    return TRUE;
}

/**
 * domain_keep_xml() - write down how to start it
 * @d: the domain
 * @conn: to libvirt
 * @error: set on failure
 *
 * Return: TRUE when it is written, or the domain does not run.
 */
gboolean domain_keep_xml(const struct domain *d, virConnectPtr conn,
                         GError **error)
{
    virDomainPtr domain;
    gboolean ok = TRUE;
    char *xml;

    if (!find(d, conn, &domain, error)) {
        return FALSE;
    }
    if (domain && virDomainIsActive(domain) == 1) {
        xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE |
                                              VIR_DOMAIN_XML_SECURE);
        if (xml) {
            ok = g_file_set_contents_full(d->xml_path, xml, -1,
                                          G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                                          error);
        } else {
            set_error(error, "the domain's description");
            ok = FALSE;
        }
        free(xml);
    }
    if (domain) {
        virDomainFree(domain);
    }
    return ok;
}

static const char *why_down(const struct domain *d, virDomainPtr domain)
{
    gboolean remembered = domain && virDomainIsPersistent(domain) == 1;
    int state, reason = -1;
    guint i;

    if (remembered && virDomainGetState(domain, &state, &reason, 0) < 0) {
        reason = -1;
    }
    for (i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (remembered ? reason == wanted[i].reason
                       : d->detail == wanted[i].detail) {
            return wanted[i].how;
        }
    }
    return NULL;
}

/**
 * domain_look() - may it be started?
 * @d: the domain
 * @conn: to libvirt
 * @ret_why: why not, for DOMAIN_STAYS
 * @error: set for DOMAIN_UNKNOWN
 *
 * Return: what to do.
 */
enum domain_outlook domain_look(const struct domain *d, virConnectPtr conn,
                                const char **ret_why, GError **error)
{
    enum domain_outlook outlook = DOMAIN_MAY_START;
    virDomainPtr domain;

    if (!find(d, conn, &domain, error)) {
        return DOMAIN_UNKNOWN;
    }
    if (domain && virDomainIsActive(domain) == 1) {
        outlook = DOMAIN_RUNS;
    } else if ((*ret_why = why_down(d, domain))) {
        outlook = DOMAIN_STAYS;
    }
    if (domain) {
        virDomainFree(domain);
    }
    return outlook;
}

/* A transient one, by what was written down when it ran. */
static virDomainPtr create_again(const struct domain *d, virConnectPtr conn,
                                 GError **error)
{
    g_autofree char *xml = NULL;
    virDomainPtr domain;

    if (!g_file_get_contents(d->xml_path, &xml, NULL, NULL)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "libvirt has no domain %s, and it was not seen to run "
                    "before",
                    d->uuid);
        return NULL;
    }
    domain = virDomainCreateXML(conn, xml, 0);
    if (!domain) {
        set_error(error, "libvirt");
    }
    return domain;
}

/**
 * domain_start() - start it
 * @d: the domain, which does not run
 * @conn: to libvirt
 * @error: what libvirt said
 *
 * Return: TRUE when libvirt has started it.
 * Context: blocks until then.
 */
gboolean domain_start(const struct domain *d, virConnectPtr conn,
                      GError **error)
{
    virDomainPtr domain;
    gboolean ok;

    if (!find(d, conn, &domain, error)) {
        return FALSE;
    }
    if (domain) {
        ok = virDomainCreate(domain) == 0;
        if (!ok) {
            set_error(error, "libvirt");
        }
    } else {
        domain = create_again(d, conn, error);
        ok = domain != NULL;
    }
    if (domain) {
        virDomainFree(domain);
    }
    return ok;
}
