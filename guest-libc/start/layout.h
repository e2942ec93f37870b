/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.h - offsets that entry.S and the C code agree on
 *
 * GS points to the thread's block: struct thread (sys/thread.h), which begins
 * with struct sys_ublock.  sys/thread.c asserts every number.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define UBLOCK_APP_RIP    0
#define UBLOCK_APP_RFLAGS 8
#define UBLOCK_STACK_TOP  16
#define UBLOCK_SELF       24
#define UBLOCK_SCRATCH    32
#define UBLOCK_PENDING    40
#define THREAD_FRAME_TOP  448 /* just after struct sys_ublock */

#define FRAME_BYTES       128 /* sizeof(struct frame) */

#endif
