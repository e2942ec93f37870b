/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * osdep.h - the few things of QEMU's header of this name that the gate uses,
 * so that it can be linked into a program without QEMU
 */
#ifndef SHIM_OSDEP_H
#define SHIM_OSDEP_H

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <glib.h>

#define ARRAY_SIZE(x)    G_N_ELEMENTS(x)
#define ROUND_DOWN(n, d) ((n) & -(0 ? (n) : (d)))
#define ROUND_UP(n, d)   ROUND_DOWN((n) + (d)-1, (d))

typedef struct Error Error;

#endif
