/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-reset.h - connections that end by a reset
 */
#ifndef CKPT_NETD_RESET_H
#define CKPT_NETD_RESET_H

void netd_reset_unless_ended(int fd);
void netd_reset_at_close(void);

#endif
