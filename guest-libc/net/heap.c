/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap.c - an allocator that dirties few pages
 *
 * Theory of operation.  A header before each object names its size class.
 * Freed objects go to the front of their class's list and are the next to be
 * given out (LIFO): a steady load works in the same few pages again and again,
 * however large the heap once was, and a page never touched is never in a
 * checkpoint.  New objects are cut from a region by moving a pointer, so
 * nothing is written before it is used.  Memory is not given back.
 *
 * Small objects of all classes come from one region: what one request needs (a
 * connection, a segment, its buffers) lies side by side, where a region for
 * each class would dirty a page for each.  Large objects have a region of their
 * own, or they would tear the small ones apart.
 *
 * lwIP's part is counted and limited: with many slow readers its queues would
 * otherwise take the program's memory.  At the limit it does without: a frame
 * is dropped as on a busy wire, a write is told to wait.  Writes meet it first,
 * then data and SYNs that come in, and last acknowledgements: they are what
 * gives memory back.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/sys/libos.h"

#define HEAP_REGION_BYTES (1024ul * 1024)
#define HEAP_SMALL_BYTES  512u
#define HEAP_MAGIC        0x48434b31u
#define HEAP_NET_DEFAULT  (16ul * 1024 * 1024)

/*
 * Multiples of 16.  1600 holds a full frame of MTU 1500 with lwIP's header,
 * 10240 a jumbo frame.
 */
static const uint32_t heap_class_bytes[] = {
    32,
    48,
    64,
    80,
    96,
    128,
    160,
    192,
    256,
    320,
    384,
    512,
    768,
    1024,
    1600,
    2048,
    3072,
    4096,
    6144,
    10240,
    16320,
    32704,
    HEAP_OBJECT_MAX,
};
#define HEAP_CLASSES (sizeof(heap_class_bytes) / sizeof(heap_class_bytes[0]))

/* Before each object; as long as the alignment that lwIP wants. */
struct heap_header {
    struct heap_header *next; /* free ones of the class */
    uint32_t magic;
    uint16_t class;
    uint16_t counted; /* lwIP's: the limit speaks of it */
};
_Static_assert(sizeof(struct heap_header) == 16, "alignment of objects");

struct heap_region {
    uintptr_t next, end;
};

static struct heap_header *heap_free_lists[HEAP_CLASSES];
static struct heap_region heap_small, heap_large;
static enum heap_use net_use;
static size_t net_used_bytes, net_limit_bytes = HEAP_NET_DEFAULT;

static unsigned class_of(size_t len_bytes)
{
    unsigned i = 0;

    while (i < HEAP_CLASSES && heap_class_bytes[i] < len_bytes) {
        i++;
    }
    return i;
}

/* Cut a new object; the rest of a region that is too short is left. */
static struct heap_header *object_cut(unsigned class)
{
    struct heap_region *region =
        heap_class_bytes[class] <= HEAP_SMALL_BYTES ? &heap_small : &heap_large;
    size_t bytes = sizeof(struct heap_header) + heap_class_bytes[class];
    struct heap_header *header;

    if (region->end - region->next < bytes) {
        void *pages = lib_pages(HEAP_REGION_BYTES);

        if (!pages) {
            return NULL;
        }
        region->next = (uintptr_t)pages;
        region->end = region->next + HEAP_REGION_BYTES;
    }
    header = (void *)region->next;
    region->next += bytes;
    header->magic = HEAP_MAGIC;
    header->class = class;
    return header;
}

static void *object_take(unsigned class, bool counted)
{
    struct heap_header *header = heap_free_lists[class];

    if (header) {
        heap_free_lists[class] = header->next;
    } else {
        header = object_cut(class);
        if (!header) {
            return NULL;
        }
    }
    header->counted = counted;
    return header + 1;
}

/**
 * heap_zalloc() - an object of the library, zeroed
 * @len_bytes: its size
 *
 * Return: the object, or NULL.
 * Context: lock held.
 */
void *heap_zalloc(size_t len_bytes)
{
    unsigned class = class_of(len_bytes);
    void *object;

    if (class == HEAP_CLASSES) {
        return NULL;
    }
    object = object_take(class, false);
    if (object) {
        memset(object, 0, len_bytes);
    }
    return object;
}

/**
 * heap_net_use() - what lwIP takes memory for from now on
 * @use: for what
 *
 * Return: for what it took it before.
 * Context: lock held.
 */
enum heap_use heap_net_use(enum heap_use use)
{
    enum heap_use before = net_use;

    net_use = use;
    return before;
}

/* Eighths of the limit, by use. */
static size_t net_limit_now(void)
{
    return net_limit_bytes / 8 * (8 - net_use);
}

/**
 * heap_alloc_net() - an object of lwIP, counted against its limit
 * @len_bytes: its size
 *
 * Return: the object, not cleared, or NULL.
 * Context: lock held.
 */
void *heap_alloc_net(size_t len_bytes)
{
    unsigned class = class_of(len_bytes);
    void *object;

    if (class == HEAP_CLASSES ||
        net_used_bytes + heap_class_bytes[class] > net_limit_now()) {
        return NULL;
    }
    object = object_take(class, true);
    if (object) {
        net_used_bytes += heap_class_bytes[class];
    }
    return object;
}

/**
 * heap_calloc_net() - heap_alloc_net() of @count objects in a row, zeroed
 * @count: how many
 * @len_bytes: size of one
 *
 * Return: the first, or NULL.
 * Context: lock held.
 */
void *heap_calloc_net(size_t count, size_t len_bytes)
{
    void *object;

    if (len_bytes && count > HEAP_OBJECT_MAX / len_bytes) {
        return NULL;
    }
    object = heap_alloc_net(count * len_bytes);
    if (object) {
        memset(object, 0, count * len_bytes);
    }
    return object;
}

/**
 * heap_free() - give an object back
 * @object: from any function here; NULL does nothing
 *
 * Context: lock held.
 */
void heap_free(void *object)
{
    struct heap_header *header;

    if (!object) {
        return;
    }
    header = (struct heap_header *)object - 1;
    lib_assert(header->magic == HEAP_MAGIC);
    header->next = heap_free_lists[header->class];
    heap_free_lists[header->class] = header;
    if (header->counted) {
        net_used_bytes -= heap_class_bytes[header->class];
    }
}

/**
 * heap_net_limit() - how much lwIP may hold at once
 * @limit_bytes: counted by size class
 *
 * Context: lock held.
 */
void heap_net_limit(size_t limit_bytes)
{
    net_limit_bytes = limit_bytes;
}

/**
 * heap_net_used() - what lwIP holds now
 *
 * Return: bytes, counted by size class.
 * Context: lock held.
 */
size_t heap_net_used(void)
{
    return net_used_bytes;
}
