/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cpu.h - no processor */
#ifndef SHIM_CPU_H
#define SHIM_CPU_H

#define first_cpu NULL

#endif
