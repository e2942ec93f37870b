/* SPDX-License-Identifier: GPL-2.0-or-later */
/* place.h - where the program lies, as it is being put there (start/ only) */
#ifndef PLACE_H
#define PLACE_H

#include "guest-libc/sys/libos.h"

/* Changed while the program is loaded, then constant. */
struct program_place *place_to_fill(void);
/* One segment of the program with @file_bytes of its file at @addr. */
void place_segment(uint64_t addr, uint64_t file_bytes, uint64_t offset,
                   uint32_t prot);

#endif
