/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vdso.h - put the vDSO image into the program's view */
#ifndef VDSO_H
#define VDSO_H

#include <stdint.h>

#define VDSO_SLOT_OFFSET 0x800u /* of vdso_shared, see vdso.lds */

/* Address of the mapped image, for AT_SYSINFO_EHDR; 0 if there is no room. */
uint64_t vdso_map(uint64_t shared_addr);

#endif
