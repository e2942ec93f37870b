/* SPDX-License-Identifier: GPL-2.0-or-later */
/* atomic.h - stands in for QEMU's header of this name */
#ifndef SHIM_ATOMIC_H
#define SHIM_ATOMIC_H

#define qatomic_set(p, v)           __atomic_store_n(p, v, __ATOMIC_RELAXED)
#define qatomic_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

#endif
