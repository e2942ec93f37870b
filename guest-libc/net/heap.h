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

/*
 * What lwIP takes memory for.  Each has less of the limit than the one before:
 * what waits for a peer or the program never keeps out what would free it.
 *
 *  CONTROL   acknowledgements, ours and the peers', and all that is passing
 *  RECEIVED  data and connections that the program has to take
 *  WRITTEN   data that peers have to take
 */
enum heap_use {
    HEAP_CONTROL,
    HEAP_RECEIVED,
    HEAP_WRITTEN,
};

/* From now on lwIP takes memory for this; return: for what before. */
enum heap_use heap_net_use(enum heap_use use);
/* lwIP's share: it may not take more than heap_net_limit() allows. */
void *heap_alloc_net(size_t len_bytes);
void *heap_calloc_net(size_t count, size_t len_bytes);
void heap_net_limit(size_t limit_bytes);
size_t heap_net_used(void);

#endif
