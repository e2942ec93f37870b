/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-pcap.h - write the frames of both directions to a capture file
 */
#ifndef CKPT_NETD_PCAP_H
#define CKPT_NETD_PCAP_H

#include <glib.h>

typedef struct NetdPcap NetdPcap;

NetdPcap *netd_pcap_open(const char *path, GError **error);
void netd_pcap_write(NetdPcap *pcap, const void *frame, gsize len_bytes);
void netd_pcap_close(NetdPcap *pcap);

#endif
