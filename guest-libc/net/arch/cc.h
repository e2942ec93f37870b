/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cc.h - what lwIP wants to know about the compiler and the platform */
#ifndef CC_H
#define CC_H

#include <limits.h>
#include <stdint.h>
#include <stddef.h>

#define LWIP_NO_CTYPE_H    1
#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_UNISTD_H   1
#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif
typedef long ssize_t;

#define X8_F  "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "lu"

void lib_log(const char *format, ...);
_Noreturn void lib_panic(const char *format, ...);
#define LWIP_PLATFORM_DIAG(x)                                                  \
    do {                                                                       \
        lib_log x;                                                             \
    } while (0)
#define LWIP_PLATFORM_ASSERT(m) lib_panic("lwIP: %s", m)

uint32_t random_u32(void);
#define LWIP_RAND() random_u32()

void *heap_alloc_net(size_t len_bytes);
void *heap_calloc_net(size_t count, size_t len_bytes);
void heap_free(void *object);

uint16_t checksum_fold(const void *data, int len_bytes);

#endif
