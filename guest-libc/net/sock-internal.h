/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock-internal.h - between sock.c (data, names) and sock-state.c */
#ifndef NET_SOCK_INTERNAL_H
#define NET_SOCK_INTERNAL_H

#include "guest-libc/net/sock.h"

#define SOCK_EVENTS_ALL (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP)

/* sock.c */
struct tcp_pcb *sock_detach(struct sock *s);
long sock_need_pcb(struct sock *s);
/* Reset, or given up: the pcb is gone. */
void sock_die(struct sock *s, int error);
bool sock_has_room(const struct sock *s);
void sock_drop_received(struct sock *s);
void sock_drop_accepted(struct sock *s);

#endif
