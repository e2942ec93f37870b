/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-poll.h - which of very many sockets are ready
 */
#ifndef CKPT_NETD_POLL_H
#define CKPT_NETD_POLL_H

#include <glib.h>

typedef struct NetdPoll NetdPoll;

NetdPoll *netd_poll_new(void);
void netd_poll_free(NetdPoll *p);
int netd_poll_fd(const NetdPoll *p);
void netd_poll_begin(NetdPoll *p);
void netd_poll_want(NetdPoll *p, int fd, guint32 events);
void netd_poll_end(NetdPoll *p);
void netd_poll_forget(NetdPoll *p, int fd);
void netd_poll_look(NetdPoll *p);
gboolean netd_poll_look_at_listeners(NetdPoll *p);
guint32 netd_poll_ready(const NetdPoll *p, int fd);

#endif
