/* SPDX-License-Identifier: GPL-2.0-or-later */
/* linux-call.h - system calls to the Linux below (host/ only) */
#ifndef LINUX_CALL_H
#define LINUX_CALL_H

#include <asm/unistd.h>
#include <stdint.h>

static inline long linux_call6(long number, uint64_t a, uint64_t b, uint64_t c,
                               uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
                       "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

static inline long linux_call(long number, uint64_t a, uint64_t b, uint64_t c,
                              uint64_t d)
{
    return linux_call6(number, a, b, c, d, 0, 0);
}

#endif
