/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-options.c - options that several verbs take
 *
 * A verb puts its table together from its own entries and these: a GArray of
 * GOptionEntry that is zero-terminated.
 */
#include "ckptd/ckptctl-options.h"

#include "ckptd/ckptctl-dict.h"

/**
 * ckptctl_options_add() - add a table to a table
 * @all:     zero-terminated array of GOptionEntry
 * @entries: up to one without a name
 */
void ckptctl_options_add(GArray *all, const GOptionEntry *entries)
{
    for (; entries->long_name; entries++) {
        g_array_append_vals(all, entries, 1);
    }
}

/**
 * ckptctl_net_options_add() - have a verb take these
 * @opt: filled in when the verb's words are parsed; to be cleared
 * @all: see above
 */
void ckptctl_net_options_add(struct ckptctl_net_options *opt, GArray *all)
{
    const GOptionEntry entries[] = {
        { "publish", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &opt->ports,
          "Forward a port of this host",
          "[ADDRESS:]HOST:[GUESTADDRESS:]GUEST[/udp]" },
        { "net", 0, 0, G_OPTION_ARG_STRING, &opt->net, "Network (user)",
          "user|tap[,bridge=BRIDGE][,ifname=NAME]|none" },
        { "ip", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt->ips,
          "Address of the program (user: 10.0.2.15/24, tap: dhcp)",
          "ADDRESS/LEN|dhcp" },
        { "mac", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt->macs,
          "Hardware address of the program (random)", "MAC" },
        { "gateway", 0, 0, G_OPTION_ARG_STRING, &opt->gateway,
          "Router of the network", "ADDRESS" },
        { "dns", 0, 0, G_OPTION_ARG_STRING, &opt->dns, "Name server",
          "ADDRESS" },
        { "capture", 0, 0, G_OPTION_ARG_FILENAME, &opt->capture,
          "Record what passes the network, in pcap format", "FILE" },
        { 0 },
    };

    ckptctl_options_add(all, entries);
}

/**
 * ckptctl_net_options_pack() - as ckptd takes them
 * @opt:  parsed
 * @dict: gets those that were given
 */
void ckptctl_net_options_pack(const struct ckptctl_net_options *opt,
                              GVariantDict *dict)
{
    g_autofree char *capture =
        opt->capture ? g_canonicalize_filename(opt->capture, NULL) : NULL;

    ckptctl_dict_add_list(dict, "forwards", opt->ports);
    ckptctl_dict_add_list(dict, "ips", opt->ips);
    ckptctl_dict_add_list(dict, "macs", opt->macs);
    ckptctl_dict_add_text(dict, "net", opt->net);
    ckptctl_dict_add_text(dict, "gateway", opt->gateway);
    ckptctl_dict_add_text(dict, "dns", opt->dns);
    ckptctl_dict_add_text(dict, "capture", capture);
}

/**
 * ckptctl_net_options_clear() - free what was filled in
 * @opt: parsed or not
 */
void ckptctl_net_options_clear(struct ckptctl_net_options *opt)
{
    g_strfreev(opt->ports);
    g_strfreev(opt->ips);
    g_strfreev(opt->macs);
    g_free(opt->net);
    g_free(opt->gateway);
    g_free(opt->dns);
    g_free(opt->capture);
}

/**
 * ckptctl_pace_options_add() - have a verb take these
 * @opt: initialised by CKPTCTL_PACE_INIT; filled in when words are parsed
 * @all: see above
 */
void ckptctl_pace_options_add(struct ckptctl_pace_options *opt, GArray *all)
{
    const GOptionEntry entries[] = {
        { "verify", 0, 0, G_OPTION_ARG_NONE, &opt->verify,
          "Check each checkpoint against all of memory (slow)", NULL },
        { "hold", 0, 0, G_OPTION_ARG_INT, &opt->hold_mib,
          "Room for output that waits (16)", "MIB" },
        { "min-interval", 0, 0, G_OPTION_ARG_INT, &opt->min_interval_us,
          "Between the starts of two checkpoints (0)", "US" },
        { "max-interval", 0, 0, G_OPTION_ARG_INT, &opt->max_interval_ms,
          "A checkpoint at least so often while memory changes; 0: none "
          "(1000)",
          "MS" },
        { "on-full", 0, 0, G_OPTION_ARG_STRING, &opt->on_full,
          "What to do while the disk is full or fails (wait)", "wait|stop" },
        { 0 },
    };

    ckptctl_options_add(all, entries);
}

/**
 * ckptctl_pace_options_pack() - as ckptd takes them
 * @opt:  parsed
 * @dict: gets those that were given
 */
void ckptctl_pace_options_pack(const struct ckptctl_pace_options *opt,
                               GVariantDict *dict)
{
    ckptctl_dict_add_number(dict, "hold_mib", opt->hold_mib);
    ckptctl_dict_add_number(dict, "min_interval_us", opt->min_interval_us);
    ckptctl_dict_add_number(dict, "max_interval_ms", opt->max_interval_ms);
    ckptctl_dict_add_text(dict, "on_full", opt->on_full);
    if (opt->verify) {
        g_variant_dict_insert(dict, "verify", "b", TRUE);
    }
}

/**
 * ckptctl_pace_options_clear() - free what was filled in
 * @opt: parsed or not
 */
void ckptctl_pace_options_clear(struct ckptctl_pace_options *opt)
{
    g_free(opt->on_full);
}
