/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-sum.h - the checksum of the store
 */
#ifndef CKPTD_SUM_H
#define CKPTD_SUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t ckptd_sum(const void *data, size_t len_bytes, uint64_t seed);

#endif
