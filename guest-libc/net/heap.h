/* SPDX-License-Identifier: GPL-2.0-or-later */
/* heap.h - small objects of net/ and posix/ */
#ifndef NET_HEAP_H
#define NET_HEAP_H

#include <stddef.h>
#include <stdint.h>

#define HEAP_OBJECT_MAX 65600u /* the largest packet, for loopback */

/* Zeroed; NULL if there is no memory or @len_bytes > HEAP_OBJECT_MAX. */
void *heap_zalloc(size_t len_bytes);
void heap_free(void *object);

/* lwIP's share: it may not take more than heap_net_limit() allows. */
void *heap_alloc_net(size_t len_bytes);
void *heap_calloc_net(size_t count, size_t len_bytes);
void heap_net_limit(size_t limit_bytes);
size_t heap_net_used(void);

#endif
