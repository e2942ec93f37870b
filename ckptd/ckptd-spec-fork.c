/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-spec-fork.c - a guest that begins with another's named checkpoint
 *
 * Its programs, memory and processor are in the checkpoint, so they are the
 * other's. What others see of it must be its own: name, UUID, hardware and IP
 * addresses, ports of this host. Unless the user says otherwise it is on the
 * same network, and nothing of it clashes with the other's:
 *
 *   user   a network of its own, so its guests keep their addresses; each port
 *          that leads to the other gets a free one that leads to it
 *   tap    the same bridge, an address by DHCP
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-spec-internal.h"
#include "ckptd/ckptd-spec-net.h"

static const char *const may_differ[] = {
    "forwards",
    "net",
    "ips",
    "macs",
    "gateway",
    "dns",
    "capture",
    "on_full",
    "verify",
    "hold_mib",
    "min_interval_us",
    "max_interval_ms",
    NULL,
};

static gboolean bad(GError **error, const char *what, const char *why)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID, "%s: %s", what, why);
    return FALSE;
}

static void set(char **slot, const char *value)
{
    g_free(*slot);
    *slot = g_strdup(value);
}

static void empty(char ***slot)
{
    g_strfreev(*slot);
    *slot = g_new0(char *, 1);
}

static gboolean options_ok(GVariant *options, GError **error)
{
    GVariantIter iter;
    const char *name;

    g_variant_iter_init(&iter, options);
    while (g_variant_iter_next(&iter, "{&sv}", &name, NULL)) {
        if (!g_strv_contains(may_differ, name)) {
            return bad(error, name, "is as in the checkpoint");
        }
    }
    return TRUE;
}

/* Nobody uses it at the moment, which is all that can be said. */
static guint free_port(const char *address, gboolean udp)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    guint port = 0;
    int fd;

    fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (fd >= 0 && inet_pton(AF_INET, address, &at.sin_addr) == 1 &&
        bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
        getsockname(fd, (struct sockaddr *)&at, &len) == 0) {
        port = ntohs(at.sin_port);
    }
    if (fd >= 0) {
        close(fd);
    }
    return port;
}

/* PROTOCOL:ADDRESS:HOST:[GUESTADDRESS:]GUEST, to another HOST, as users say. */
static char *forward_elsewhere(const char *forward, GError **error)
{
    g_auto(GStrv) part = g_strsplit(forward, ":", 4);
    gboolean udp;
    guint port;

    if (g_strv_length(part) != 4) {
        bad(error, forward, "is no forwarded port");
        return NULL;
    }
    udp = g_str_equal(part[0], "udp");
    port = free_port(part[1], udp);
    if (!port) {
        bad(error, forward, "no port is free for it; give --publish");
        return NULL;
    }
    return g_strdup_printf("%s:%u:%s%s", part[1], port, part[3],
                           udp ? "/udp" : "");
}

static gboolean forward_all_elsewhere(struct ckptd_spec *spec, GError **error)
{
    char *forward;
    guint i;

    for (i = 0; spec->forwards[i]; i++) {
        forward = forward_elsewhere(spec->forwards[i], error);
        if (!forward) {
            return FALSE;
        }
        g_free(spec->forwards[i]);
        spec->forwards[i] = forward;
    }
    return TRUE;
}

static gboolean is_given(GVariant *options, const char *name)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(options, name, NULL);

    return value != NULL;
}

/* What stays of the other's network where the user says nothing. */
static gboolean inherit_net(struct ckptd_spec *spec,
                            const struct ckptd_spec *of, GVariant *options,
                            GError **error)
{
    const char *net = of->net;
    g_auto(GStrv) words = NULL;
    gboolean same;

    g_variant_lookup(options, "net", "&s", &net);
    words = g_strsplit(net, ",", 2);
    same = words[0] && g_str_equal(words[0], of->net);
    if (!same &&
        (g_str_equal(of->net, "none") || g_strcmp0(words[0], "none") == 0)) {
        return bad(error, net, "a guest has a network or not from its boot on");
    }
    set(&spec->ifname, NULL);
    empty(&spec->macs);
    if (is_given(options, "net")) {
        set(&spec->bridge, NULL);
    }
    if (!same || g_str_equal(of->net, "tap")) {
        empty(&spec->ips);
    }
    if (!same) {
        set(&spec->gateway, NULL);
        set(&spec->dns, NULL);
        empty(&spec->forwards);
    }
    return is_given(options, "forwards") || forward_all_elsewhere(spec, error);
}

/**
 * ckptd_spec_fork() - a guest that begins with another's checkpoint
 * @of: the other
 * @label: of the checkpoint
 * @name: of the new guest
 * @options: a{sv}, see the D-Bus interface
 * @error: says what is wrong and what would be right
 *
 * Return: the spec, or NULL.
 */
struct ckptd_spec *ckptd_spec_fork(const struct ckptd_spec *of,
                                   const char *label, const char *name,
                                   GVariant *options, GError **error)
{
    g_autoptr(CkptdSpec) spec = ckptd_spec_copy(of);

    if (ckptd_spec_is_external(of)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s is started by somebody else: ckptd does not know the "
                    "command line that its checkpoints need",
                    of->name);
        return NULL;
    }
    if (!options_ok(options, error) || !inherit_net(spec, of, options, error)) {
        return NULL;
    }
    set(&spec->name, name);
    set(&spec->uuid, NULL);
    set(&spec->mac, NULL);
    set(&spec->capture, NULL);
    set(&spec->accel_why, NULL);
    g_free(spec->from);
    spec->from = g_strdup_printf("%s@%s", of->name, label);
    if (!ckptd_spec_take_options(spec, options, error) ||
        !ckptd_spec_complete(spec, error)) {
        return NULL;
    }
    return g_steal_pointer(&spec);
}

/**
 * ckptd_spec_copy_bundle() - what such a guest boots with, after its end
 * @spec: of the guest
 * @other: path of a bundle for the same programs
 * @path: of its own
 * @error: set on failure
 *
 * Return: TRUE when written.
 */
gboolean ckptd_spec_copy_bundle(const struct ckptd_spec *spec,
                                const char *other, const char *path,
                                GError **error)
{
    guint n = 1 + g_strv_length(spec->more), i;
    g_autofree struct boot_net *nets = g_new0(struct boot_net, n);

    for (i = 0; i < n; i++) {
        if (!ckptd_spec_net_address(spec, i, &nets[i], error)) {
            return FALSE;
        }
    }
    return ckpt_bundle_copy(other, path, nets, n, error);
}
