/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-domain.c - is a process the QEMU of a certain libvirt domain?
 *
 * libvirt runs the QEMUs of all domains as one user, who may open the sockets of
 * all guests. So whoever calls must belong to the guest's own domain:
 *
 *   its command line     has the domain's -uuid, which libvirt writes there and
 *                        who may only edit a domain cannot give to two of them.
 *                        A QEMU that was taken over can change what it shows.
 *   libvirt's pid file   names it, where that is found (qemu:///system): it is
 *                        written before QEMU is executed, by root
 *   AppArmor's label     is the domain's, where QEMU is confined by a profile
 *                        of libvirt's: the kernel keeps it
 */
#include "ckptd/ckptd-domain.h"

#include <string.h>

#include "ckptd/ckptd-error.h"

#define SYSTEM_PIDS  "/run/libvirt/qemu"
#define LABEL_PREFIX "libvirt-"

static gboolean refuse(GError **error, GPid pid, const char *why)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                "process %d is not the QEMU of this guest's domain: %s",
                (int)pid, why);
    return FALSE;
}

static gboolean read_proc(GPid pid, const char *name, char **ret_text,
                          gsize *ret_len, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, name);

    return g_file_get_contents(path, ret_text, ret_len, error);
}

/* Each -uuid that is there must be the domain's: which of two counts is not ours
 * to know. */
static gboolean check_command_line(GPid pid, const char *uuid, GError **error)
{
    g_autofree char *line = NULL;
    const char *word, *end;
    gboolean found = FALSE;
    gsize len;

    if (!read_proc(pid, "cmdline", &line, &len, error)) {
        return FALSE;
    }
    end = line + len; /* there is a NUL behind the last one in any case */
    for (word = line; word < end; word += strlen(word) + 1) {
        if (strcmp(word, "-uuid") && strcmp(word, "--uuid")) {
            continue;
        }
        word += strlen(word) + 1;
        if (word >= end || g_ascii_strcasecmp(word, uuid)) {
            return refuse(error, pid, "its -uuid is another");
        }
        found = TRUE;
    }
    return found || refuse(error, pid, "it has no -uuid");
}

static gboolean check_pid_file(GPid pid, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) local = NULL;
    guint64 noted;

    if (!path) {
        return TRUE;
    }
    if (!g_file_get_contents(path, &text, NULL, &local)) {
        if (g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
            return TRUE; /* libvirt may keep it elsewhere */
        }
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, G_MAXINT, &noted,
                                    NULL) ||
        noted != (guint64)pid) {
        return refuse(error, pid, "libvirt has noted another process");
    }
    return TRUE;
}

/* No label at all is a host without AppArmor, or a libvirt told not to use it. */
static gboolean check_label(GPid pid, const char *uuid, GError **error)
{
    g_autofree char *label = NULL;
    size_t prefix = strlen(LABEL_PREFIX);

    if (!read_proc(pid, "attr/current", &label, NULL, NULL) ||
        !g_str_has_prefix(label, LABEL_PREFIX) ||
        !g_ascii_strncasecmp(label + prefix, uuid, strlen(uuid))) {
        return TRUE;
    }
    return refuse(error, pid, "its security label is another domain's");
}

/**
 * ckptd_domain_check() - is a process the QEMU of this domain?
 * @pid: of a process that lives, and is watched by a pidfd
 * @domain: the domain
 * @error: says why not, or that it cannot be found out
 *
 * Return: TRUE if so, as far as this host lets us know.
 */
gboolean ckptd_domain_check(GPid pid, const struct ckptd_domain *domain,
                            GError **error)
{
    return check_command_line(pid, domain->uuid, error) &&
           check_pid_file(pid, domain->pid_path, error) &&
           check_label(pid, domain->uuid, error);
}

/**
 * ckptd_domain_pid_path() - where libvirt writes a domain's QEMU down
 * @uri: of libvirt
 * @name: of the domain
 *
 * Return: a path, to be freed, or NULL where it may be anywhere.
 */
char *ckptd_domain_pid_path(const char *uri, const char *name)
{
    if (strcmp(uri, "qemu:///system")) {
        return NULL;
    }
    return g_strdup_printf(SYSTEM_PIDS "/%s.pid", name);
}
