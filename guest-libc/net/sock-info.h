/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock-info.h - what TCP knows of a connection, as Linux tells it */
#ifndef NET_SOCK_INFO_H
#define NET_SOCK_INFO_H

#include "guest-libc/net/sock.h"

#define SOCK_INFO_MAX 256u

/* struct tcp_info of Linux at @to, which has SOCK_INFO_MAX: its length. */
uint32_t sock_info(const struct sock *s, void *to);

#endif
