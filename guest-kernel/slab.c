/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slab.c - kernel objects of one size, cut from pages
 *
 * Last freed, first used: what was touched a moment ago is touched again, so
 * few pages change between two checkpoints.  A page once cut up stays with
 * its slab.
 */
#include "kernel.h"

/**
 * slab_init - make an empty slab
 * @slab: the slab
 * @object_bytes: size of one object; rounded up to 64, which aligns it too
 */
void slab_init(struct slab *slab, uint32_t object_bytes)
{
    slab->free = NULL;
    slab->object_bytes = ALIGN_UP(object_bytes, 64);
    KASSERT(slab->object_bytes <= PAGE_BYTES);
}

static bool slab_grow(struct slab *slab)
{
    uint64_t paddr = pmem_alloc();
    uint32_t at;

    if (paddr == 0) {
        return false;
    }
    for (at = 0; at + slab->object_bytes <= PAGE_BYTES;
         at += slab->object_bytes) {
        slab_free(slab, pmem_to_virt(paddr + at));
    }
    return true;
}

/**
 * slab_alloc_zero - take one object
 * @slab: the slab
 *
 * Return: the object, all zero, or NULL when there is no memory.
 */
void *slab_alloc_zero(struct slab *slab)
{
    void *object;

    if (slab->free == NULL && !slab_grow(slab)) {
        return NULL;
    }
    object = slab->free;
    slab->free = *(void **)object;
    memset(object, 0, slab->object_bytes);
    return object;
}

/**
 * slab_free - give one object back
 * @slab: the slab it came from
 * @object: the object
 */
void slab_free(struct slab *slab, void *object)
{
    *(void **)object = slab->free;
    slab->free = object;
}
