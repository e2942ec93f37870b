/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm.c - the mappings of a process
 *
 * Theory of operation
 *
 * An address space is a list of areas by address, without overlaps, and page
 * tables.  The list says what may be there, the tables what is there; pages
 * come on the first touch (vm-fault.c).
 *
 *  V1  a resident page lies in an area, and its entry has just the rights of
 *      that area
 *  V2  a resident page of a VMA_ANON area belongs to this address space alone
 *      and is freed with its entry; one of a VMA_PHYS area is never freed here
 *  V3  a VMA_RESERVE area has no resident pages
 *
 * VMA_PHYS areas are made by the kernel (bundle, library text, network ring)
 * and a process cannot change them: -EACCES.
 *
 *  V4  vm->quota counts resident pages of VMA_ANON areas, tables and areas
 *
 * A call that needs memory and has none is -ENOMEM and changes nothing, but
 * that a fixed map or remap may already have removed what was in its place.
 */
#include "kernel.h"
#include "vm.h"

/* So many single pages are flushed one by one; more flush all. */
#define FLUSH_PAGES_MAX 32

#define LOW_END         0x80000000ull /* of SYS_MAP_LOW */

static struct slab vma_slab;

/**
 * vm_init - prepare for the first address space
 */
void vm_init(void)
{
    slab_init(&vma_slab, sizeof(struct vma));
}

/**
 * vm_create - make an empty address space
 * @vm: the space
 *
 * Return: 0 or -ENOMEM.
 */
int vm_create(struct vm *vm)
{
    list_init(&vm->vmas);
    vm->last = NULL;
    vm->root = pt_new_root();
    return vm->root == 0 ? -ENOMEM : 0;
}

/**
 * vma_find - find an area
 * @vm: the space
 * @addr: an address
 *
 * Return: the first one that ends behind @addr, or the list's end (IS_END).
 */
struct vma *vma_find(struct vm *vm, uint64_t addr)
{
    struct vma *vma = vm->last;

    if (vma == NULL) {
        vma = FIRST_VMA(vm);
    }
    while (!IS_END(vm, vma) && vma->end <= addr) {
        vma = NEXT_VMA(vma);
    }
    while (&vma->node != vm->vmas.next && PREV_VMA(vma)->end > addr) {
        vma = PREV_VMA(vma);
    }
    vm->last = IS_END(vm, vma) ? NULL : vma;
    return vma;
}

static struct vma *vma_new(struct vm *vm)
{
    struct vma *vma;

    if (!quota_take(&vm->quota, sizeof(*vma))) {
        return NULL;
    }
    vma = slab_alloc_zero(&vma_slab);
    if (vma == NULL) {
        quota_add(&vm->quota, -(int64_t)sizeof(*vma));
    }
    return vma;
}

static void vma_remove(struct vm *vm, struct vma *vma)
{
    if (vm->last == vma) {
        vm->last = NULL;
    }
    list_remove(&vma->node);
    slab_free(&vma_slab, vma);
    quota_add(&vm->quota, -(int64_t)sizeof(*vma));
}

/* Tables were made or freed since there were @before. */
static void count_tables(struct vm *vm, uint64_t before)
{
    quota_add(&vm->quota, (int64_t)(pt_user_tables - before) * PAGE_BYTES);
}

/**
 * vm_entry - find the page table entry of a page, or make it
 * @vm: the space, to whose quota a new table is added
 * @vaddr: the page
 *
 * Return: as pt_entry().
 */
uint64_t *vm_entry(struct vm *vm, uint64_t vaddr)
{
    uint64_t before = pt_user_tables;
    uint64_t *entry = pt_entry(vm->root, vaddr);

    count_tables(vm, before);
    return entry;
}

/* Make [at, end) an area of its own.  Without memory: NULL. */
static struct vma *vma_split(struct vm *vm, struct vma *vma, uint64_t at)
{
    struct vma *upper = vma_new(vm);

    if (upper == NULL) {
        return NULL;
    }
    *upper = *vma;
    upper->start = at;
    if (vma->kind == VMA_PHYS) {
        upper->paddr += at - vma->start;
    }
    vma->end = at;
    list_add_before(vma->node.next, &upper->node);
    return upper;
}

static void vma_merge_with_previous(struct vm *vm, struct vma *vma)
{
    struct vma *before = PREV_VMA(vma);

    if (IS_END(vm, vma) || IS_END(vm, before) || before->end != vma->start ||
        before->kind != vma->kind || before->prot != vma->prot ||
        before->grows != vma->grows || before->wipe != vma->wipe ||
        (vma->kind == VMA_PHYS &&
         before->paddr + (before->end - before->start) != vma->paddr)) {
        return;
    }
    before->end = vma->end;
    vma_remove(vm, vma);
}

/* Cut areas so that none crosses start or end. */
static int vma_cut(struct vm *vm, uint64_t start, uint64_t end)
{
    struct vma *vma = vma_find(vm, start);

    if (!IS_END(vm, vma) && vma->start < start &&
        vma_split(vm, vma, start) == NULL) {
        return -ENOMEM;
    }
    vma = vma_find(vm, end);
    if (!IS_END(vm, vma) && vma->start < end &&
        vma_split(vm, vma, end) == NULL) {
        return -ENOMEM;
    }
    return 0;
}

/* Put neighbours together again that vma_cut() or a change left equal. */
static void vma_join(struct vm *vm, uint64_t start, uint64_t end)
{
    struct vma *vma = vma_find(vm, start);
    struct vma *next;

    while (!IS_END(vm, vma) && vma->start <= end) {
        next = NEXT_VMA(vma);
        vma_merge_with_previous(vm, vma);
        vma = next;
    }
}

static bool range_has_phys(struct vm *vm, uint64_t start, uint64_t end)
{
    struct vma *vma;

    for (vma = vma_find(vm, start); !IS_END(vm, vma) && vma->start < end;
         vma = NEXT_VMA(vma)) {
        if (vma->kind == VMA_PHYS) {
            return true;
        }
    }
    return false;
}

static bool range_is_mapped(struct vm *vm, uint64_t start, uint64_t end)
{
    struct vma *vma = vma_find(vm, start);

    while (!IS_END(vm, vma) && vma->start <= start) {
        start = vma->end;
        if (start >= end) {
            return true;
        }
        vma = NEXT_VMA(vma);
    }
    return false;
}

static void flush(struct vm *vm, uint64_t start, uint64_t end)
{
    uint64_t at;

    if (read_cr3() != vm->root) {
        return;
    }
    if ((end - start) >> PAGE_SHIFT > FLUSH_PAGES_MAX) {
        write_cr3(vm->root);
        return;
    }
    for (at = start; at < end; at += PAGE_BYTES) {
        invlpg(at);
    }
}

/**
 * pte_make - the entry of a resident page
 * @paddr: where it lies
 * @prot: SYS_PROT_*, the rights of its area
 *
 * Return: the entry.
 */
uint64_t pte_make(uint64_t paddr, uint32_t prot)
{
    uint64_t entry = paddr | PTE_U | PTE_A | PTE_D;

    if (prot != 0) {
        entry |= PTE_P;
    }
    if (prot & SYS_PROT_WRITE) {
        entry |= PTE_W;
    }
    if (!(prot & SYS_PROT_EXEC)) {
        entry |= PTE_NX;
    }
    return entry;
}

/* Drop all resident pages of one area's part. */
static void drop_pages(struct vm *vm, const struct vma *vma, uint64_t start,
                       uint64_t end)
{
    uint64_t at = start;
    uint64_t *entry;

    while ((entry = pt_next(vm->root, &at, end)) != NULL) {
        if (vma->kind == VMA_ANON) {
            pmem_free(*entry & PTE_ADDR);
            quota_add(&vm->quota, -(int64_t)PAGE_BYTES);
        }
        *entry = 0;
        at += PAGE_BYTES;
    }
    flush(vm, start, end);
}

/**
 * vm_destroy - free an address space
 * @vm: the space; not the one in use
 */
void vm_destroy(struct vm *vm)
{
    while (!list_empty(&vm->vmas)) {
        struct vma *vma = FIRST_VMA(vm);

        drop_pages(vm, vma, vma->start, vma->end);
        vma_remove(vm, vma);
    }
    pt_free_root(vm->root);
    quota_end(&vm->quota);
}

/**
 * vm_map - make one area where there is none
 * @vm: the space
 * @start: its address
 * @bytes: its length
 * @prot: SYS_PROT_*
 * @kind: what is behind it
 * @paddr: VMA_PHYS: of the first page
 *
 * Return: 0 or -ENOMEM.
 */
int vm_map(struct vm *vm, uint64_t start, uint64_t bytes, uint32_t prot,
           enum vma_kind kind, uint64_t paddr)
{
    struct vma *next = vma_find(vm, start);
    struct vma *vma = vma_new(vm);

    KASSERT(IS_END(vm, next) || next->start >= start + bytes);
    if (vma == NULL) {
        return -ENOMEM;
    }
    vma->start = start;
    vma->end = start + bytes;
    vma->prot = prot;
    vma->kind = kind;
    vma->paddr = paddr;
    list_add_before(&next->node, &vma->node);
    vma_join(vm, start, start + bytes);
    return 0;
}

/* What grows downwards keeps room to do so. */
static uint64_t start_with_gap(const struct vma *vma)
{
    return vma->grows && vma->start > SYS_GROWS_GAP ? vma->start - SYS_GROWS_GAP
                                                    : vma->start;
}

/* The highest gap below an address. */
static uint64_t find_downwards(struct vm *vm, uint64_t bytes, uint64_t top)
{
    struct vma *vma = vma_find(vm, top);
    struct list *node;

    if (!IS_END(vm, vma) && start_with_gap(vma) < top) {
        top = start_with_gap(vma);
    }
    for (node = vma->node.prev; node != &vm->vmas; node = node->prev) {
        vma = CONTAINER_OF(node, struct vma, node);
        if (top > vma->end && top - vma->end >= bytes) {
            return top - bytes;
        }
        top = start_with_gap(vma);
    }
    return top >= USER_BASE + bytes ? top - bytes : 0;
}

/* The lowest gap from LIBRARY_HEAP on. */
static uint64_t find_upwards(struct vm *vm, uint64_t bytes)
{
    uint64_t at = LIBRARY_HEAP;
    struct vma *vma;

    for (vma = vma_find(vm, at); !IS_END(vm, vma); vma = NEXT_VMA(vma)) {
        if (vma->start > at && vma->start - at >= bytes) {
            break;
        }
        at = vma->end > at ? vma->end : at;
    }
    return at <= BOOT_BASE && BOOT_BASE - at >= bytes ? at : 0;
}

/**
 * vm_gap - does a range begin with free addresses?
 * @vm: the space
 * @start: its first address
 * @end: the address behind its last
 * @ret_end: gets where the free part ends, or the area in its place
 *
 * Return: false if @start is mapped.
 */
bool vm_gap(struct vm *vm, uint64_t start, uint64_t end, uint64_t *ret_end)
{
    struct vma *vma = vma_find(vm, start);
    bool is_free = IS_END(vm, vma) || vma->start > start;

    *ret_end = end;
    if (!is_free && vma->end < end) {
        *ret_end = vma->end;
    } else if (is_free && !IS_END(vm, vma) && vma->start < end) {
        *ret_end = vma->start;
    }
    return is_free;
}

/**
 * vm_find_free - choose addresses for a new area
 * @vm: the space
 * @bytes: its length
 * @flags: SYS_MAP_LIBRARY, SYS_MAP_LOW
 *
 * Return: the address, 0 if there is no gap of that length.
 */
uint64_t vm_find_free(struct vm *vm, uint64_t bytes, uint32_t flags)
{
    if (flags & SYS_MAP_LIBRARY) {
        return find_upwards(vm, bytes);
    }
    return find_downwards(vm, bytes, flags & SYS_MAP_LOW ? LOW_END : USER_END);
}

/* It is mapped already, maybe as one with its neighbours. */
static int set_grows(struct vm *vm, uint64_t start, uint64_t end)
{
    if (vma_cut(vm, start, end) != 0) {
        vm_unmap(vm, start, end);
        return -ENOMEM;
    }
    vma_find(vm, start)->grows = true;
    return 0;
}

/**
 * vm_map_anon - map anonymous memory as a process asks
 * @vm: the space
 * @addr: where, or 0; a wish only, unless @flags say more
 * @bytes: length, page aligned
 * @prot: SYS_PROT_*
 * @flags: SYS_MAP_*
 *
 * Context: the caller has checked that @addr is in a range it may use.
 *
 * Return: the address, -ENOMEM, -EEXIST or -EACCES.
 */
int64_t vm_map_anon(struct vm *vm, uint64_t addr, uint64_t bytes, uint32_t prot,
                    uint32_t flags)
{
    enum vma_kind kind = flags & SYS_MAP_RESERVE ? VMA_RESERVE : VMA_ANON;
    bool fixed = flags & (SYS_MAP_FIXED | SYS_MAP_NOREPLACE);
    struct vma *vma = NULL;
    bool is_free;
    int result;

    if (addr != 0) {
        vma = vma_find(vm, addr);
    }
    is_free = addr != 0 && (IS_END(vm, vma) || vma->start >= addr + bytes);
    if (!is_free && (flags & SYS_MAP_NOREPLACE)) {
        return -EEXIST;
    }
    if (!is_free && fixed) {
        result = vm_unmap(vm, addr, addr + bytes);
        if (result != 0) {
            return result;
        }
    } else if (!is_free) {
        addr = vm_find_free(vm, bytes, flags);
        if (addr == 0) {
            return -ENOMEM;
        }
    }
    result = vm_map(vm, addr, bytes, kind == VMA_RESERVE ? 0 : prot, kind, 0);
    if (result != 0) {
        return result;
    }
    if (flags & SYS_MAP_GROWSDOWN) {
        result = set_grows(vm, addr, addr + bytes);
    }
    return result != 0 ? result : (int64_t)addr;
}

/* Nothing is mapped in [start, end): free tables that only it used. */
static void prune(struct vm *vm, uint64_t start, uint64_t end)
{
    struct vma *next = vma_find(vm, end - 1);
    uint64_t low = ALIGN_DOWN(start, PT_TABLE_BYTES);
    uint64_t high = ALIGN_UP(end, PT_TABLE_BYTES);
    uint64_t before = pt_user_tables;

    if (next->node.prev != &vm->vmas && PREV_VMA(next)->end > low) {
        low = PREV_VMA(next)->end;
    }
    if (!IS_END(vm, next) && next->start < high) {
        high = next->start;
    }
    pt_prune(vm->root, low, high);
    count_tables(vm, before);
}

/**
 * vm_unmap - remove all areas of a range
 * @vm: the space
 * @start: first address
 * @end: address behind the last
 *
 * Return: 0, -ENOMEM, or -EACCES if the kernel's areas are in it.
 */
int vm_unmap(struct vm *vm, uint64_t start, uint64_t end)
{
    struct vma *vma, *next;

    if (range_has_phys(vm, start, end)) {
        return -EACCES;
    }
    if (vma_cut(vm, start, end) != 0) {
        return -ENOMEM;
    }
    for (vma = vma_find(vm, start); !IS_END(vm, vma) && vma->start < end;
         vma = next) {
        next = NEXT_VMA(vma);
        drop_pages(vm, vma, vma->start, vma->end);
        vma_remove(vm, vma);
    }
    prune(vm, start, end);
    return 0;
}

static void set_rights(struct vm *vm, struct vma *vma, uint32_t prot)
{
    uint64_t at = vma->start;
    uint64_t *entry;

    if (vma->kind == VMA_RESERVE && prot != 0) {
        vma->kind = VMA_ANON;
    }
    vma->prot = prot;
    while ((entry = pt_next(vm->root, &at, vma->end)) != NULL) {
        *entry = pte_make(*entry & PTE_ADDR, prot);
        at += PAGE_BYTES;
    }
    flush(vm, vma->start, vma->end);
}

/**
 * vm_protect - change the rights of a range
 * @vm: the space
 * @start: first address
 * @end: address behind the last
 * @prot: SYS_PROT_*
 *
 * Return: 0, -ENOMEM (also: not all of it is mapped), -EACCES.
 */
int vm_protect(struct vm *vm, uint64_t start, uint64_t end, uint32_t prot)
{
    struct vma *vma;

    if (!range_is_mapped(vm, start, end)) {
        return -ENOMEM;
    }
    if (range_has_phys(vm, start, end)) {
        return -EACCES;
    }
    if (vma_cut(vm, start, end) != 0) {
        return -ENOMEM;
    }
    for (vma = vma_find(vm, start); !IS_END(vm, vma) && vma->start < end;
         vma = NEXT_VMA(vma)) {
        set_rights(vm, vma, prot);
    }
    vma_join(vm, start, end);
    return 0;
}

/**
 * vm_discard - make pages zero and untouched again
 * @vm: the space
 * @start: first address
 * @end: address behind the last; holes are fine
 *
 * Return: 0 or -EACCES.
 */
int vm_discard(struct vm *vm, uint64_t start, uint64_t end)
{
    struct vma *vma;

    if (range_has_phys(vm, start, end)) {
        return -EACCES;
    }
    for (vma = vma_find(vm, start); !IS_END(vm, vma) && vma->start < end;
         vma = NEXT_VMA(vma)) {
        drop_pages(vm, vma, vma->start > start ? vma->start : start,
                   vma->end < end ? vma->end : end);
    }
    return 0;
}

/**
 * vm_resident - which pages of a range have been touched
 * @vm: the space
 * @start: first address
 * @end: address behind the last
 * @ret_pages: gets a 1 for each that has, or NULL
 *
 * Return: 0, or -ENOMEM: not all of it is mapped.
 */
int vm_resident(struct vm *vm, uint64_t start, uint64_t end, uint8_t *ret_pages)
{
    uint64_t at = start;

    if (!range_is_mapped(vm, start, end)) {
        return -ENOMEM;
    }
    while (ret_pages != NULL && pt_next(vm->root, &at, end) != NULL) {
        ret_pages[(at - start) >> PAGE_SHIFT] = 1;
        at += PAGE_BYTES;
    }
    return 0;
}

/**
 * vm_set_wipe - shall pages become zero when another line begins?
 * @vm: the space
 * @start: first address
 * @end: address behind the last; holes are fine
 * @on: they shall
 *
 * Return: 0, -ENOMEM, or -EACCES if the kernel's areas are in it.
 */
int vm_set_wipe(struct vm *vm, uint64_t start, uint64_t end, bool on)
{
    struct vma *vma;

    if (range_has_phys(vm, start, end)) {
        return -EACCES;
    }
    if (vma_cut(vm, start, end) != 0) {
        return -ENOMEM;
    }
    for (vma = vma_find(vm, start); !IS_END(vm, vma) && vma->start < end;
         vma = NEXT_VMA(vma)) {
        vma->wipe = on;
    }
    vma_join(vm, start, end);
    return 0;
}

/**
 * vm_wipe - another line begins (R2): make those pages zero
 * @vm: the space
 */
void vm_wipe(struct vm *vm)
{
    struct vma *vma;

    for (vma = FIRST_VMA(vm); !IS_END(vm, vma); vma = NEXT_VMA(vma)) {
        if (vma->wipe) {
            drop_pages(vm, vma, vma->start, vma->end);
        }
    }
}

/* Move resident pages; tables at the new place must be there already. */
static void move_pages(struct vm *vm, uint64_t from, uint64_t to,
                       uint64_t bytes)
{
    uint64_t at = from;
    uint64_t *entry;

    while ((entry = pt_next(vm->root, &at, from + bytes)) != NULL) {
        uint64_t *place = pt_entry(vm->root, to + (at - from));

        KASSERT(place != NULL && *place == 0);
        *place = *entry;
        *entry = 0;
        at += PAGE_BYTES;
    }
    flush(vm, from, from + bytes);
}

static int make_tables(struct vm *vm, uint64_t from, uint64_t to,
                       uint64_t bytes)
{
    uint64_t at = from;

    while (pt_next(vm->root, &at, from + bytes) != NULL) {
        if (quota_room(&vm->quota) < PAGE_BYTES ||
            vm_entry(vm, to + (at - from)) == NULL) {
            return -ENOMEM;
        }
        at += PAGE_BYTES;
    }
    return 0;
}

/* Move one whole area to a free range. */
static int64_t move_area(struct vm *vm, struct vma *vma, uint64_t new,
                         uint64_t new_bytes)
{
    uint64_t bytes = vma->end - vma->start;
    uint64_t old = vma->start;

    if (make_tables(vm, old, new, bytes) != 0) {
        prune(vm, new, new + bytes);
        return -ENOMEM;
    }
    list_remove(&vma->node);
    vm->last = NULL;
    move_pages(vm, old, new, bytes);
    vma->start = new;
    vma->end = new + new_bytes;
    list_add_before(&vma_find(vm, new)->node, &vma->node);
    vma_join(vm, new, new + new_bytes);
    prune(vm, old, old + bytes);
    return (int64_t) new;
}

/**
 * vm_remap - grow, shrink or move an area
 * @vm: the space
 * @old: its address; may be a part of an area, but of one only
 * @old_bytes: its length
 * @new_bytes: the length it is to have
 * @flags: SYS_REMAP_*
 * @new: SYS_REMAP_FIXED: the address it is to have
 *
 * Return: its address, -ENOMEM, -EFAULT (nothing there), -EACCES.
 */
int64_t vm_remap(struct vm *vm, uint64_t old, uint64_t old_bytes,
                 uint64_t new_bytes, uint32_t flags, uint64_t new)
{
    struct vma *vma = vma_find(vm, old);
    struct vma *next;

    if (IS_END(vm, vma) || vma->start > old || vma->end < old + old_bytes) {
        return -EFAULT;
    }
    if (vma->kind == VMA_PHYS) {
        return -EACCES;
    }
    if (flags & SYS_REMAP_FIXED) {
        int result = vm_unmap(vm, new, new + new_bytes);

        if (result != 0) {
            return result;
        }
    }
    if (new_bytes < old_bytes) {
        if (vm_unmap(vm, old + new_bytes, old + old_bytes) != 0) {
            return -ENOMEM;
        }
        old_bytes = new_bytes;
    }
    if (!(flags & SYS_REMAP_FIXED)) {
        if (new_bytes == old_bytes) {
            return (int64_t)old;
        }
        vma = vma_find(vm, old);
        next = NEXT_VMA(vma);
        if (vma->end == old + old_bytes && old + new_bytes <= USER_END &&
            (IS_END(vm, next) || next->start >= old + new_bytes)) {
            vma->end = old + new_bytes;
            vma_join(vm, old, old + new_bytes);
            return (int64_t)old;
        }
        new = flags &SYS_REMAP_MAYMOVE ? vm_find_free(vm, new_bytes, 0) : 0;
        if (new == 0) {
            return -ENOMEM;
        }
    }
    if (vma_cut(vm, old, old + old_bytes) != 0) {
        return -ENOMEM;
    }
    return move_area(vm, vma_find(vm, old), new, new_bytes);
}
