/* SPDX-License-Identifier: GPL-2.0-or-later */
/* host-utils.h - numbers of 128 bits, as QEMU's functions have them */
#ifndef SHIM_HOST_UTILS_H
#define SHIM_HOST_UTILS_H

static inline void mulu64(uint64_t *low, uint64_t *high, uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    *low = product;
    *high = product >> 64;
}

static inline void divu128(uint64_t *low, uint64_t *high, uint64_t divisor)
{
    unsigned __int128 value = (unsigned __int128)*high << 64 | *low;

    value /= divisor;
    *low = value;
    *high = value >> 64;
}

#endif
