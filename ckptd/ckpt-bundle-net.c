/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-bundle-net.c - who a process is on the network, from text
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ckptd/ckpt-bundle.h"
#include "ckptd/ckptd-error.h"

#define MTU_MIN 576
#define MTU_MAX 9202

static gboolean parse_mac(const char *text, guint8 ret_mac[6])
{
    guint byte[6], i;
    char end;

    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2],
               &byte[3], &byte[4], &byte[5], &end) != 6 ||
        byte[0] & 1) {
        return FALSE; /* a group address is nobody's own */
    }
    for (i = 0; i < 6; i++) {
        ret_mac[i] = byte[i];
    }
    return TRUE;
}

/* Not one of a group, of nobody, or of the loopback. */
static gboolean is_host(guint32 address)
{
    guint first = ntohl(address) >> 24;

    return first > 0 && first != 127 && first < 224;
}

static gboolean parse_host(const char *text, guint32 *ret_address)
{
    return inet_pton(AF_INET, text, ret_address) == 1 && is_host(*ret_address);
}

static gboolean parse_address(const char *text, struct boot_net *net)
{
    g_auto(GStrv) part = g_strsplit(text, "/", 2);
    guint64 bits;

    if (g_str_equal(text, "dhcp")) {
        net->flags |= BOOT_NET_DHCP;
        return TRUE;
    }
    if (!part[0] || !part[1] || !parse_host(part[0], &net->address) ||
        !g_ascii_string_to_unsigned(part[1], 10, 1, 32, &bits, NULL)) {
        return FALSE;
    }
    net->netmask = htonl((guint32)(0xffffffffull << (32 - bits)));
    return TRUE;
}

static gboolean parse_word(const char *word, struct boot_net *net)
{
    const char *value = strchr(word, '=');
    g_autofree char *name = value ? g_strndup(word, value - word) : NULL;
    guint64 number;

    if (!name) {
        return FALSE;
    }
    value++;
    if (g_str_equal(name, "gateway")) {
        return parse_host(value, &net->gateway);
    }
    if (g_str_equal(name, "dns")) {
        return parse_host(value, &net->dns);
    }
    if (g_str_equal(name, "hostname")) {
        return g_strlcpy(net->hostname, value, sizeof(net->hostname)) <
               sizeof(net->hostname);
    }
    if (g_str_equal(name, "mac")) {
        return parse_mac(value, net->mac);
    }
    if (g_str_equal(name, "mtu") &&
        g_ascii_string_to_unsigned(value, 10, MTU_MIN, MTU_MAX, &number,
                                   NULL)) {
        net->mtu = number;
        return TRUE;
    }
    return FALSE;
}

/**
 * ckpt_bundle_parse_net() - addresses from text
 * @text: ADDRESS/LEN or "dhcp", then
 *        [,gateway=A][,dns=A][,mac=M][,mtu=N][,hostname=H]
 * @ret_net: filled in on success
 * @error: names the part that is wrong
 *
 * Return: TRUE when all of it was understood.
 */
gboolean ckpt_bundle_parse_net(const char *text, struct boot_net *ret_net,
                               GError **error)
{
    g_auto(GStrv) word = g_strsplit(text, ",", -1);
    struct boot_net net = { 0 };
    const char *wrong = NULL;
    guint i;

    if (!word[0] || !parse_address(word[0], &net)) {
        wrong = word[0] ? word[0] : "";
    }
    for (i = 1; !wrong && word[i]; i++) {
        if (!parse_word(word[i], &net)) {
            wrong = word[i];
        }
    }
    if (wrong) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s': expected ADDRESS/LEN or dhcp[,gateway=ADDRESS]"
                    "[,dns=ADDRESS][,mac=MAC][,mtu=BYTES][,hostname=NAME]",
                    wrong);
        return FALSE;
    }
    if (net.gateway && (net.gateway ^ net.address) & net.netmask) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s': the gateway is not in the network of the address",
                    text);
        return FALSE;
    }
    *ret_net = net;
    return TRUE;
}
