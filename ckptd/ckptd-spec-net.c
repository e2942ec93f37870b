/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-spec-net.c - which network a guest has, and who its processes are there
 *
 * The guest is one cable; each process on it has a hardware address and an IP
 * address of its own. The first process has the NIC's hardware address, those
 * of the others are counted up from it unless they are given.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-spec-net.h"
#include "ckptd/ckptd-tap.h"

/* libslirp's network, see ckpt-netd-slirp.c. */
#define USER_NETWORK "10.0.2."
#define USER_FIRST   15u
#define USER_LEN     24u
#define USER_GATEWAY USER_NETWORK "2"
#define USER_DNS     USER_NETWORK "3"

static gboolean bad(GError **error, const char *what, const char *why)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID, "%s: %s", what, why);
    return FALSE;
}

static gboolean is_net(const struct ckptd_spec *spec, const char *net)
{
    return g_str_equal(spec->net, net);
}

static gboolean take_tap_word(struct ckptd_spec *spec, const char *word,
                              GError **error)
{
    char **slot = NULL;
    const char *value = strchr(word, '=');

    if (g_str_has_prefix(word, "bridge=")) {
        slot = &spec->bridge;
    } else if (g_str_has_prefix(word, "ifname=")) {
        slot = &spec->ifname;
    }
    if (!slot) {
        return bad(error, word, "--net tap takes bridge=NAME and ifname=NAME");
    }
    if (!ckptd_tap_name_ok(value + 1)) {
        return bad(error, word,
                   "the name of an interface is 1 to 15 letters, digits, '.', "
                   "'_' or '-'");
    }
    g_free(*slot);
    *slot = g_strdup(value + 1);
    return TRUE;
}

/* "tap,bridge=BR,ifname=IF" becomes net, bridge and ifname. */
static gboolean split_net(struct ckptd_spec *spec, GError **error)
{
    g_auto(GStrv) word = g_strsplit(spec->net, ",", -1);
    gboolean tap = word[0] && g_str_equal(word[0], "tap");
    guint i;

    if (!word[0] || (!tap && !g_str_equal(word[0], "user") &&
                     !g_str_equal(word[0], "none"))) {
        return bad(error, spec->net,
                   "choose user, tap[,bridge=BRIDGE][,ifname=NAME] or none");
    }
    if (!tap && word[1]) {
        return bad(error, spec->net, "only tap takes more words");
    }
    for (i = 1; word[i]; i++) {
        if (!take_tap_word(spec, word[i], error)) {
            return FALSE;
        }
    }
    g_free(spec->net);
    spec->net = g_strdup(word[0]);
    return TRUE;
}

/*
 * "[ADDRESS:]HOST:[GUESTADDRESS:]GUEST[/udp]" becomes what ckpt-netd takes:
 * PROTOCOL:ADDRESS:HOST:[GUESTADDRESS:]GUEST.
 */
static char *normalise_forward(const char *text, GError **error)
{
    g_autoptr(GRegex) form = g_regex_new(
        "^(?:([0-9.]+):)?([0-9]+):(?:([0-9.]+):)?([0-9]+)(?:/(tcp|udp))?$", 0,
        0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_auto(GStrv) part = NULL;
    struct in_addr ignored;
    guint64 port;

    if (!g_regex_match(form, text, 0, &match)) {
        bad(error, text,
            "a forwarded port is [ADDRESS:]HOST:[GUESTADDRESS:]GUEST[/udp]");
        return NULL;
    }
    part = g_match_info_fetch_all(match);
    if ((part[1][0] && inet_pton(AF_INET, part[1], &ignored) != 1) ||
        (part[3][0] && inet_pton(AF_INET, part[3], &ignored) != 1) ||
        !g_ascii_string_to_unsigned(part[2], 10, 1, 65535, &port, NULL) ||
        !g_ascii_string_to_unsigned(part[4], 10, 1, 65535, &port, NULL)) {
        bad(error, text,
            "a forwarded port is [ADDRESS:]HOST:[GUESTADDRESS:]GUEST[/udp], "
            "with numbers from 1 to 65535");
        return NULL;
    }
    return g_strdup_printf("%s:%s:%s:%s%s%s", part[5] ? part[5] : "tcp",
                           part[1][0] ? part[1] : "127.0.0.1", part[2], part[3],
                           part[3][0] ? ":" : "", part[4]);
}

static gboolean check_user_only(struct ckptd_spec *spec, GError **error)
{
    char *forward;
    guint i;

    if (!is_net(spec, "user") && spec->forwards[0]) {
        return bad(error, "--publish",
                   "ports are forwarded with --net user; on a TAP clients "
                   "reach the guest's own address");
    }
    if (!is_net(spec, "user") && spec->capture) {
        return bad(error, "--capture",
                   "only with --net user; on a TAP, capture at the interface "
                   "that `ckptctl status` shows");
    }
    for (i = 0; spec->forwards[i]; i++) {
        forward = normalise_forward(spec->forwards[i], error);
        if (!forward) {
            return FALSE;
        }
        g_free(spec->forwards[i]);
        spec->forwards[i] = forward;
    }
    return TRUE;
}

/* Two processes with one address would each get half of the other's frames. */
static gboolean check_distinct(const struct ckptd_spec *spec, guint n,
                               GError **error)
{
    g_autofree struct boot_net *nets = g_new0(struct boot_net, n);
    guint i, j;

    for (i = 0; i < n; i++) {
        if (!ckptd_spec_net_address(spec, i, &nets[i], error)) {
            return FALSE;
        }
        for (j = 0; j < i; j++) {
            if (!memcmp(nets[i].mac, nets[j].mac, sizeof(nets[i].mac))) {
                return bad(error, "--mac",
                           "two programs would have the same address");
            }
            if (nets[i].address && nets[i].address == nets[j].address) {
                return bad(error, "--ip",
                           "two programs would have the same address");
            }
        }
    }
    return TRUE;
}

/**
 * ckptd_spec_net_check() - check what was asked for, and bring it into form
 * @spec: to check; its programs and mac are known
 * @error: says what would be right
 *
 * Return: TRUE when the guest can have this network.
 */
gboolean ckptd_spec_net_check(struct ckptd_spec *spec, GError **error)
{
    guint n = 1 + g_strv_length(spec->more);

    if (!split_net(spec, error) || !check_user_only(spec, error)) {
        return FALSE;
    }
    if (is_net(spec, "none") &&
        (spec->ips[0] || spec->macs[0] || spec->gateway || spec->dns)) {
        return bad(error, "--net none", "no address goes with it");
    }
    if (g_strv_length(spec->ips) > n || g_strv_length(spec->macs) > n) {
        return bad(error, "--ip, --mac", "one for each program at most");
    }
    return is_net(spec, "none") || check_distinct(spec, n, error);
}

static char *address_words(const struct ckptd_spec *spec, guint process,
                           gboolean *ret_fixed)
{
    if (process < g_strv_length(spec->ips)) {
        *ret_fixed = !g_str_equal(spec->ips[process], "dhcp");
        return g_strdup(spec->ips[process]);
    }
    *ret_fixed = is_net(spec, "user");
    return *ret_fixed ? g_strdup_printf(USER_NETWORK "%u/%u",
                                        USER_FIRST + process, USER_LEN)
                      : g_strdup("dhcp");
}

static void count_up(guint8 mac[6], guint process)
{
    guint low = (mac[3] << 16 | mac[4] << 8 | mac[5]) + process;

    mac[3] = low >> 16;
    mac[4] = low >> 8;
    mac[5] = low;
}

/**
 * ckptd_spec_net_address() - who a process is on the network
 * @spec: of the guest
 * @process: its number
 * @ret_net: filled in; without a network only how it is called
 * @error: names what cannot be
 *
 * Return: TRUE on success.
 */
gboolean ckptd_spec_net_address(const struct ckptd_spec *spec, guint process,
                                struct boot_net *ret_net, GError **error)
{
    gboolean user = is_net(spec, "user"), own_mac, fixed;
    g_autofree char *address = NULL;
    GString *text;
    gboolean ok;

    own_mac = process < g_strv_length(spec->macs);
    address = address_words(spec, process, &fixed);
    text = g_string_new(address);
    if (fixed && (user || spec->gateway)) {
        g_string_append_printf(text, ",gateway=%s",
                               spec->gateway ? spec->gateway : USER_GATEWAY);
    }
    if (fixed && (user || spec->dns)) {
        g_string_append_printf(text, ",dns=%s",
                               spec->dns ? spec->dns : USER_DNS);
    }
    g_string_append_printf(text, ",mac=%s,hostname=%s",
                           own_mac ? spec->macs[process] : spec->mac,
                           spec->name);
    if (process > 0) {
        g_string_append_printf(text, "-%u", process);
    }
    ok = ckpt_bundle_parse_net(text->str, ret_net, error);
    g_string_free(text, TRUE);
    if (ok && !own_mac) {
        count_up(ret_net->mac, process);
    }
    if (ok && is_net(spec, "none")) {
        ret_net->flags &= ~BOOT_NET_DHCP;
    }
    return ok;
}
