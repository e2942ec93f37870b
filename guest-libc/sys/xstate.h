/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xstate.h - the program's extended state as an XSAVE area */
#ifndef XSTATE_H
#define XSTATE_H

#include <stdint.h>
#include <stddef.h>

/* Bytes of an area in a signal frame, its end mark included. */
size_t xstate_bytes(void);
/* Save what is live in the CPU. */
void xstate_save_live(uint8_t *area);
/* Say in the area itself how much of it is valid, as Linux does. */
void xstate_mark(uint8_t *area);
/* Make what a program wrote fit to be restored. */
void xstate_check(uint8_t *area);

#endif
