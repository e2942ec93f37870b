/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pmem.c - pages of RAM
 *
 * RAM is what the PVH memory map says, without the first MiB (the firmware's),
 * the kernel's image and the boot bundle.  Pages never used so far are taken
 * from the ranges in order; freed pages go on a stack and are taken from there
 * first, because a page that has been written in this epoch costs the
 * checkpoint nothing more.  The links of the stack lie in an array of their
 * own: freeing a page does not write to it.
 */
#include "kernel.h"

#define PMEM_MAX_RANGES  16
#define PMEM_IN_USE      0u          /* page 0 is the firmware's */
#define PMEM_END         0xffffffffu /* last of the free stack */
#define LOW_BYTES        0x100000

#define START_INFO_MAGIC 0x336ec578u
#define MEMMAP_RAM       1u

/* The part of the PVH start info that we read. */
struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t n_modules;
    uint64_t modules_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};

struct start_memmap {
    uint64_t addr;
    uint64_t bytes;
    uint32_t type;
    uint32_t reserved;
};

struct start_module {
    uint64_t paddr;
    uint64_t bytes;
    uint64_t cmdline_paddr;
    uint64_t reserved;
};

struct range {
    uint64_t start;
    uint64_t end;
};

extern char image_start[], image_end[];

static struct range ram[PMEM_MAX_RANGES]; /* as found */
static uint32_t n_ram;
static struct range untouched[PMEM_MAX_RANGES]; /* not yet taken */
static uint32_t n_untouched;
static uint32_t *free_next; /* by page number: next on the stack */
static uint32_t free_first = PMEM_END;
static uint64_t n_free;
static uint64_t n_pages; /* highest page number + 1 */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void add_range(struct range *ranges, uint32_t *n, uint64_t start,
                      uint64_t end)
{
    if (start >= end) {
        return;
    }
    KASSERT(*n < PMEM_MAX_RANGES);
    ranges[*n].start = start;
    ranges[*n].end = end;
    (*n)++;
}

/* Take [start, end) out of all untouched ranges. */
static void reserve(uint64_t start, uint64_t end)
{
    struct range old[PMEM_MAX_RANGES];
    uint32_t n_old = n_untouched;
    uint32_t i;

    memcpy(old, untouched, sizeof(old));
    n_untouched = 0;
    for (i = 0; i < n_old; i++) {
        add_range(untouched, &n_untouched, old[i].start,
                  min_u64(old[i].end, start));
        add_range(untouched, &n_untouched, max_u64(old[i].start, end),
                  old[i].end);
    }
}

static void read_memmap(const struct start_info *info)
{
    const struct start_memmap *map = pmem_to_virt(info->memmap_paddr);
    uint32_t i;

    for (i = 0; i < info->memmap_entries && n_ram < PMEM_MAX_RANGES; i++) {
        uint64_t start = ALIGN_UP(map[i].addr, PAGE_BYTES);
        uint64_t end = ALIGN_DOWN(map[i].addr + map[i].bytes, PAGE_BYTES);

        if (map[i].type == MEMMAP_RAM) {
            add_range(ram, &n_ram, max_u64(start, LOW_BYTES), end);
        }
    }
    for (i = 0; i < n_ram; i++) {
        n_pages = max_u64(n_pages, ram[i].end >> PAGE_SHIFT);
    }
}

/**
 * pmem_init - learn what RAM there is
 * @start_info_paddr: of the PVH start info
 * @ret_module: gets the first module, the boot bundle; 0 bytes if none
 *
 * Context: once, on the page tables of boot.S, which reach the first GiB.
 */
void pmem_init(uint64_t start_info_paddr, struct boot_module *ret_module)
{
    const struct start_info *info = pmem_to_virt(start_info_paddr);
    const struct start_module *module;
    uint64_t bytes, paddr;
    uint32_t i;

    KASSERT(info->magic == START_INFO_MAGIC && info->version >= 1);
    ret_module->paddr = 0;
    ret_module->len_bytes = 0;
    if (info->n_modules > 0) {
        module = pmem_to_virt(info->modules_paddr);
        ret_module->paddr = module->paddr;
        ret_module->len_bytes = module->bytes;
    }
    read_memmap(info);
    for (i = 0; i < n_ram; i++) {
        add_range(untouched, &n_untouched, ram[i].start, ram[i].end);
    }
    reserve((uint64_t)image_start - KERNEL_BASE,
            (uint64_t)image_end - KERNEL_BASE);
    reserve(ret_module->paddr,
            ALIGN_UP(ret_module->paddr + ret_module->len_bytes, PAGE_BYTES));

    bytes = ALIGN_UP(n_pages * sizeof(free_next[0]), PAGE_BYTES);
    for (i = 0; i < n_untouched; i++) {
        n_free += (untouched[i].end - untouched[i].start) >> PAGE_SHIFT;
    }
    paddr = pmem_alloc_run(bytes >> PAGE_SHIFT);
    KASSERT(paddr != 0);
    free_next = pmem_to_virt(paddr);
    memset(free_next, 0, bytes);
}

/**
 * pmem_alloc - take one page
 *
 * Return: its physical address, contents undefined; 0 when there is none.
 */
uint64_t pmem_alloc(void)
{
    uint32_t page = free_first;

    if (page == PMEM_END) {
        return pmem_alloc_run(1);
    }
    free_first = free_next[page];
    free_next[page] = PMEM_IN_USE;
    n_free--;
    return (uint64_t)page << PAGE_SHIFT;
}

/**
 * pmem_alloc_zero - take one page and clear it
 *
 * Return: as pmem_alloc().
 */
uint64_t pmem_alloc_zero(void)
{
    uint64_t paddr = pmem_alloc();

    if (paddr != 0) {
        memset(pmem_to_virt(paddr), 0, PAGE_BYTES);
    }
    return paddr;
}

/**
 * pmem_alloc_run - take pages behind one another
 * @n_run: how many
 *
 * Only from what was never used: meant for the start of kernel and processes.
 *
 * Return: physical address of the first, contents undefined; 0 if there is no
 * such run.
 */
uint64_t pmem_alloc_run(uint32_t n_run)
{
    uint64_t bytes = (uint64_t)n_run << PAGE_SHIFT;
    uint64_t paddr;
    uint32_t i;

    for (i = 0; i < n_untouched; i++) {
        if (untouched[i].end - untouched[i].start >= bytes) {
            paddr = untouched[i].start;
            untouched[i].start += bytes;
            n_free -= n_run;
            return paddr;
        }
    }
    return 0;
}

/**
 * pmem_free - give one page back
 * @paddr: its physical address
 */
void pmem_free(uint64_t paddr)
{
    uint32_t page = paddr >> PAGE_SHIFT;

    KASSERT(page < n_pages && (paddr & (PAGE_BYTES - 1)) == 0);
    KASSERT(free_next[page] == PMEM_IN_USE);
    free_next[page] = free_first;
    free_first = page;
    n_free++;
}

/**
 * pmem_free_bytes - memory that is left
 *
 * Return: bytes in free pages.
 */
uint64_t pmem_free_bytes(void)
{
    return n_free << PAGE_SHIFT;
}

/**
 * pmem_range - the RAM of this guest
 * @i: number of the range, from 0
 * @ret_start: gets its first physical address
 * @ret_end: gets the address behind it
 *
 * Return: false if there is no range @i.
 */
bool pmem_range(uint32_t i, uint64_t *ret_start, uint64_t *ret_end)
{
    if (i >= n_ram) {
        return false;
    }
    *ret_start = ram[i].start;
    *ret_end = ram[i].end;
    return true;
}
