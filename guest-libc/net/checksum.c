/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * checksum.c - the Internet checksum, eight bytes at a time
 *
 * lwIP's own adds 16 or 32 bits at a time; every byte sent or received passes
 * here, so this is the hottest loop of the stack.
 */
#include <string.h>
#include "guest-libc/net/net-internal.h"

static inline uint64_t add_carry(uint64_t sum, uint64_t value)
{
    sum += value;
    return sum + (sum < value);
}

static inline uint64_t load_u64(const uint8_t *p)
{
    uint64_t value;

    __builtin_memcpy(&value, p, sizeof(value));
    return value;
}

/**
 * checksum_fold() - one's complement sum of @len_bytes at @data
 * @data: any alignment
 * @len_bytes: a last odd byte counts as if a zero followed it
 *
 * Return: the sum folded to 16 bits in memory order, not inverted.
 * Context: any.
 */
uint16_t checksum_fold(const void *data, int len_bytes)
{
    const uint8_t *p = data;
    uint64_t sum = 0, tail = 0;

    while (len_bytes >= 32) {
        sum = add_carry(sum, load_u64(p));
        sum = add_carry(sum, load_u64(p + 8));
        sum = add_carry(sum, load_u64(p + 16));
        sum = add_carry(sum, load_u64(p + 24));
        p += 32;
        len_bytes -= 32;
    }
    while (len_bytes >= 8) {
        sum = add_carry(sum, load_u64(p));
        p += 8;
        len_bytes -= 8;
    }
    for (int i = 0; i < len_bytes; i++) {
        tail |= (uint64_t)p[i] << (8 * i);
    }
    sum = add_carry(sum, tail);

    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}
