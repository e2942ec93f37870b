/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sys-table.h - the one table of Linux system calls */
#ifndef SYS_TABLE_H
#define SYS_TABLE_H

#include "guest-libc/sys/libos.h"

void sys_table_init(void);
sys_handler sys_handler_of(uint64_t number);
void sys_dispatch(struct frame *frame);

#endif
