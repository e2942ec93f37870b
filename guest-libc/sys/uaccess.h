/* SPDX-License-Identifier: GPL-2.0-or-later */
/* uaccess.h - the faultable copies of uaccess.S, and their table */
#ifndef UACCESS_H
#define UACCESS_H

#include <stdint.h>
#include <stddef.h>

long uaccess_copy(void *to, const void *from, size_t len_bytes);
long uaccess_zero(void *to, size_t len_bytes);
long uaccess_string(char *to, const char *from, size_t size_bytes);
long uaccess_load32(uint32_t *to, const uint32_t *from);
long uaccess_cmpxchg32(uint32_t *at, uint32_t *expected, uint32_t new_value);

/* Where to go on after a fault at @rip, 0 if it must not fault. */
uint64_t uaccess_fixup(uint64_t rip);

/* One aligned 32 bit word of the program: 0 or -EFAULT. */
long load_user_u32(uint32_t *ret_value, uint64_t user_from);
/*
 * Store @new_value there if *@expected is there, in one access; *@expected
 * becomes what was there.  0 (stored or not) or -EFAULT.
 */
long cmpxchg_user_u32(uint64_t user_at, uint32_t *expected, uint32_t new_value);

#endif
