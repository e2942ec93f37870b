/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-sum.c - the checksum of the store
 *
 * XXH3 with 64 bits: at memory speed, so that the checksum of a commit costs
 * a tenth of its write, and wide enough that a torn record passes for whole
 * once in 2^64. It finds accidents; it is no protection against somebody who
 * may write to the directory.
 *
 * In a file of its own because the header is compiled into its user whole.
 */
#include "ckptd/ckptd-sum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/**
 * ckptd_sum() - XXH3 64 of a buffer
 * @data:      what to sum; may change meanwhile, then the sum is arbitrary
 * @len_bytes: of it
 * @seed:      0, or the salt of a segment
 *
 * Return: the checksum.
 * Context: any thread.
 */
uint64_t ckptd_sum(const void *data, size_t len_bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len_bytes, seed);
}
