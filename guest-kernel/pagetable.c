/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pagetable.c - the processor's four levels of tables
 *
 * The upper half is the same in every address space: its 256 top entries are
 * made once, at boot, and copied into each new root.  An entry of the last
 * level that is not zero holds a page; with PTE_P clear it is resident but may
 * not be touched (PROT_NONE).
 *
 * The last level's tables of the user half are freed with the last area that
 * used them, the others with the address space.
 */
#include "kernel.h"

#define ENTRIES      512
#define TABLE_FLAGS  (PTE_P | PTE_W | PTE_U | PTE_A)
#define KERNEL_FLAGS (PTE_P | PTE_A | PTE_D | PTE_G)

extern char image_start[], text_end[], rodata_end[], image_end[];

uint64_t pt_kernel_root;
uint64_t pt_user_tables;

static unsigned int pt_index(uint64_t vaddr, unsigned int level)
{
    return (vaddr >> (PAGE_SHIFT + 9 * level)) & (ENTRIES - 1);
}

/* The table that entry points to, made if needed; NULL without memory. */
static uint64_t *table_below(uint64_t *entry)
{
    uint64_t paddr;

    if (*entry == 0) {
        paddr = pmem_alloc_zero();
        if (paddr == 0) {
            return NULL;
        }
        *entry = paddr | TABLE_FLAGS;
    }
    return pmem_to_virt(*entry & PTE_ADDR);
}

/* The entry for vaddr in the tables of @level (0: pages, 1: 2 MiB). */
static uint64_t *entry_at(uint64_t root, uint64_t vaddr, unsigned int level)
{
    uint64_t *table = pmem_to_virt(root);
    unsigned int i;

    for (i = 3; i > level; i--) {
        uint64_t *entry = &table[pt_index(vaddr, i)];
        bool is_new = *entry == 0;

        table = table_below(entry);
        if (table == NULL) {
            return NULL;
        }
        pt_user_tables += is_new && root != pt_kernel_root;
    }
    return &table[pt_index(vaddr, level)];
}

/**
 * pt_entry - the last level's entry for an address
 * @root: physical address of the top table
 * @vaddr: the address
 *
 * Tables on the way are made.
 *
 * Return: the entry, or NULL when there is no memory for a table.
 */
uint64_t *pt_entry(uint64_t root, uint64_t vaddr)
{
    return entry_at(root, vaddr, 0);
}

/**
 * pt_next - the next resident page in a range
 * @root: physical address of the top table
 * @vaddr: where to begin; gets the address of the page found
 * @end: where to stop
 *
 * Leaps over what has no tables, so that wide empty ranges cost little.
 *
 * Return: the page's entry, or NULL if there is none before @end.
 */
uint64_t *pt_next(uint64_t root, uint64_t *vaddr, uint64_t end)
{
    uint64_t at = *vaddr;

    while (at < end) {
        uint64_t *table = pmem_to_virt(root);
        uint64_t *entry = NULL;
        unsigned int level;

        for (level = 3;; level--) {
            entry = &table[pt_index(at, level)];
            if (*entry == 0 || level == 0) {
                break;
            }
            table = pmem_to_virt(*entry & PTE_ADDR);
        }
        if (*entry != 0) {
            *vaddr = at;
            return entry;
        }
        at = ALIGN_DOWN(at, 1ull << (PAGE_SHIFT + 9 * level)) +
             (1ull << (PAGE_SHIFT + 9 * level));
    }
    return NULL;
}

/* The table of level 1 that has an entry for vaddr; NULL: there is none. */
static uint64_t *directory_of(uint64_t root, uint64_t vaddr)
{
    uint64_t *table = pmem_to_virt(root);
    unsigned int level;

    for (level = 3; level > 1; level--) {
        uint64_t entry = table[pt_index(vaddr, level)];

        if (entry == 0) {
            return NULL;
        }
        table = pmem_to_virt(entry & PTE_ADDR);
    }
    return table;
}

/**
 * pt_prune - free the last level's tables of a range without pages
 * @root: physical address of the top table
 * @start: first address; tables that reach below it stay
 * @end: address behind the last; likewise
 */
void pt_prune(uint64_t root, uint64_t start, uint64_t end)
{
    uint64_t at = ALIGN_UP(start, PT_TABLE_BYTES);
    bool freed = false;

    while (at + PT_TABLE_BYTES <= end) {
        uint64_t *directory = directory_of(root, at);
        uint64_t *entry;

        if (directory == NULL) {
            at = ALIGN_DOWN(at, ENTRIES * PT_TABLE_BYTES) +
                 ENTRIES * PT_TABLE_BYTES;
            continue;
        }
        entry = &directory[pt_index(at, 1)];
        if (*entry != 0) {
            pmem_free(*entry & PTE_ADDR);
            pt_user_tables--;
            *entry = 0;
            freed = true;
        }
        at += PT_TABLE_BYTES;
    }
    if (freed && read_cr3() == root) {
        write_cr3(root); /* the CPU remembers tables, too */
    }
}

/**
 * pt_map_kernel - map one page into the kernel's half
 * @vaddr: where
 * @paddr: the page
 * @flags: PTE_W, PTE_NX, PTE_PCD
 *
 * Return: 0 or -ENOMEM.
 */
int pt_map_kernel(uint64_t vaddr, uint64_t paddr, uint64_t flags)
{
    uint64_t *entry = entry_at(pt_kernel_root, vaddr, 0);

    if (entry == NULL) {
        return -ENOMEM;
    }
    *entry = paddr | flags | KERNEL_FLAGS;
    invlpg(vaddr);
    return 0;
}

/* Rights of an address in the image: no page may be written and run (W^X). */
static uint64_t image_flags(uint64_t vaddr)
{
    if (vaddr < (uint64_t)text_end) {
        return 0;
    }
    return vaddr < (uint64_t)rodata_end ? PTE_NX : PTE_NX | PTE_W;
}

static bool is_image(uint64_t paddr, uint64_t bytes)
{
    return paddr < (uint64_t)image_end - KERNEL_BASE &&
           paddr + bytes > (uint64_t)image_start - KERNEL_BASE;
}

static void must_map(uint64_t vaddr, uint64_t paddr, uint64_t flags)
{
    int result = pt_map_kernel(vaddr, paddr, flags);

    KASSERT(result == 0);
}

static void map_image(void)
{
    uint64_t vaddr;

    for (vaddr = (uint64_t)image_start; vaddr < (uint64_t)image_end;
         vaddr += PAGE_BYTES) {
        must_map(vaddr, vaddr - KERNEL_BASE, image_flags(vaddr));
    }
}

/* RAM at DIRECT_BASE: by 2 MiB where it can be, never runnable. */
static void map_direct(uint64_t start, uint64_t end)
{
    uint64_t at = start;
    uint64_t *entry;

    while (at < end) {
        if (at % PT_TABLE_BYTES == 0 && at + PT_TABLE_BYTES <= end &&
            !is_image(at, PT_TABLE_BYTES)) {
            entry = entry_at(pt_kernel_root, DIRECT_BASE + at, 1);
            KASSERT(entry != NULL);
            *entry = at | PTE_PS | PTE_W | PTE_NX | KERNEL_FLAGS;
            at += PT_TABLE_BYTES;
        } else {
            must_map(DIRECT_BASE + at, at,
                     is_image(at, PAGE_BYTES)
                         ? image_flags(KERNEL_BASE + at) | PTE_NX
                         : PTE_NX | PTE_W);
            at += PAGE_BYTES;
        }
    }
}

/**
 * pt_init - make the kernel's half and switch to it
 */
void pt_init(void)
{
    uint64_t *top;
    uint64_t start, end;
    uint32_t i;

    pt_kernel_root = pmem_alloc_zero();
    KASSERT(pt_kernel_root != 0);
    top = pmem_to_virt(pt_kernel_root);
    for (i = ENTRIES / 2; i < ENTRIES; i++) {
        /* Made now: copies of the root have to agree for ever. */
        if (i == pt_index(DIRECT_BASE, 3) || i == pt_index(KSTACK_BASE, 3) ||
            i == pt_index(MMIO_BASE, 3) || i == pt_index(KERNEL_BASE, 3)) {
            KASSERT(table_below(&top[i]) != NULL);
            top[i] &= ~PTE_U;
        }
    }
    map_image();
    for (i = 0; pmem_range(i, &start, &end); i++) {
        map_direct(start, end);
    }
    must_map(LAPIC_BASE, LAPIC_PHYS, PTE_W | PTE_NX | PTE_PCD);
    must_map(IOAPIC_BASE, IOAPIC_PHYS, PTE_W | PTE_NX | PTE_PCD);
    write_cr3(pt_kernel_root);
}

/**
 * pt_new_root - make an address space with an empty user half
 *
 * Return: physical address of its top table, 0 when there is no memory.
 */
uint64_t pt_new_root(void)
{
    uint64_t root = pmem_alloc_zero();

    if (root != 0) {
        memcpy((uint64_t *)pmem_to_virt(root) + ENTRIES / 2,
               (uint64_t *)pmem_to_virt(pt_kernel_root) + ENTRIES / 2,
               PAGE_BYTES / 2);
    }
    return root;
}

static void free_tables(uint64_t *table, unsigned int level)
{
    unsigned int i;

    for (i = 0; i < (level == 3 ? ENTRIES / 2 : ENTRIES); i++) {
        if (table[i] == 0) {
            continue;
        }
        if (level > 1) {
            free_tables(pmem_to_virt(table[i] & PTE_ADDR), level - 1);
        }
        pmem_free(table[i] & PTE_ADDR);
        pt_user_tables--;
    }
}

/**
 * pt_free_root - free the tables of an address space
 * @root: physical address of its top table, not in CR3; its pages must have
 *        been freed before
 */
void pt_free_root(uint64_t root)
{
    KASSERT(read_cr3() != root);
    free_tables(pmem_to_virt(root), 3);
    pmem_free(root);
}
