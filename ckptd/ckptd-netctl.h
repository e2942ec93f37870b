/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-netctl.h - speak to ckpt-netd's control socket (PROTOCOL.md)
 */
#ifndef CKPTD_NETCTL_H
#define CKPTD_NETCTL_H

#include "ckptd/ckptd-process.h"

gboolean ckptd_netctl_wait(const char *socket_path,
                           const struct ckptd_process *process, int timeout_ms,
                           const char *log_path, GError **error);
gboolean ckptd_netctl_attach(const char *socket_path, const int pair[2],
                             GError **error);
gboolean ckptd_netctl_drain(const char *socket_path);
void ckptd_netctl_quit(const char *socket_path, gboolean reset);

#endif
