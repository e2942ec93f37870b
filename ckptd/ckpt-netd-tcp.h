/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-tcp.h - make a guest's repeated SYN harmless to libslirp
 */
#ifndef CKPT_NETD_TCP_H
#define CKPT_NETD_TCP_H

#include <glib.h>

gboolean netd_tcp_hide_mss(guint8 *frame, gsize len_bytes);

#endif
