/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xstate.h - the program's extended state as an XSAVE area */
#ifndef XSTATE_H
#define XSTATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define XSTATE_LEGACY_BYTES 512u /* of FXSAVE */

/* Bytes of an area in a signal frame, its end mark included. */
size_t xstate_bytes(void);
/* Save what is live in the CPU. */
void xstate_save_live(uint8_t *area);
/* Say in the area itself how much of it is valid, as Linux does. */
void xstate_mark(uint8_t *area);
/* Whether the FXSAVE part says that an XSAVE area follows. */
bool xstate_is_extended(const uint8_t *area);
/* The rest of the area is what a thread begins with. */
void xstate_make_legacy(uint8_t *area);
/* Make what a program wrote fit to be restored. */
void xstate_check(uint8_t *area);

#endif
