/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_memory.c - kernel calls about memory: what a process may ask of vm.c
 *
 * Two ranges: a program's, [USER_BASE, USER_END), and with SYS_MAP_LIBRARY
 * the library's, [LIBRARY_BASE, BOOT_BASE).  A call stays within one of them.
 */
#include "kernel.h"

#define PROT_ALL (SYS_PROT_READ | SYS_PROT_WRITE | SYS_PROT_EXEC)
#define MAP_ALL                                                                \
    (SYS_MAP_FIXED | SYS_MAP_NOREPLACE | SYS_MAP_RESERVE | SYS_MAP_LIBRARY |   \
     SYS_MAP_GROWSDOWN | SYS_MAP_LOW)
#define FOR_PROGRAMS (SYS_MAP_GROWSDOWN | SYS_MAP_LOW)

static bool range_ok(uint64_t addr, uint64_t bytes, uint64_t flags)
{
    bool library = flags & SYS_MAP_LIBRARY;
    uint64_t low = library ? LIBRARY_BASE : USER_BASE;
    uint64_t high = library ? BOOT_BASE : USER_END;

    return addr % PAGE_BYTES == 0 && bytes % PAGE_BYTES == 0 && bytes != 0 &&
           addr >= low && addr < high && bytes <= high - addr;
}

/* W^X holds for the library; programs may map what they like (JITs). */
static bool prot_ok(uint64_t prot, uint64_t flags)
{
    if (prot & ~(uint64_t)PROT_ALL) {
        return false;
    }
    return !(flags & SYS_MAP_LIBRARY) || !(prot & SYS_PROT_WRITE) ||
           !(prot & SYS_PROT_EXEC);
}

/**
 * sys_map - map anonymous memory
 * @arg: address or 0, bytes, SYS_PROT_*, SYS_MAP_*
 *
 * Return: the address, -EINVAL, or see vm_map_anon().
 */
int64_t sys_map(const uint64_t arg[6])
{
    uint64_t addr = arg[0];
    uint64_t bytes = ALIGN_UP(arg[1], PAGE_BYTES);
    uint32_t flags = (uint32_t)arg[3];
    bool fixed = flags & (SYS_MAP_FIXED | SYS_MAP_NOREPLACE);

    if (bytes == 0 || bytes > LIBRARY_END || !prot_ok(arg[2], flags) ||
        (arg[3] & ~(uint64_t)MAP_ALL) ||
        ((flags & SYS_MAP_LIBRARY) && (flags & FOR_PROGRAMS)) ||
        (fixed && !range_ok(addr, bytes, flags))) {
        return -EINVAL;
    }
    if (!range_ok(addr, bytes, flags)) {
        addr = 0; /* a wish that cannot be met */
    }
    if (addr != 0 && (flags & SYS_MAP_FIXED)) {
        process_forget_ublocks(current->process, addr, addr + bytes);
    }
    return vm_map_anon(&current->process->vm, addr, bytes, (uint32_t)arg[2],
                       flags);
}

/**
 * sys_unmap - remove mappings
 * @arg: address, bytes, SYS_MAP_LIBRARY or 0
 *
 * Return: 0, -EINVAL, or see vm_unmap().
 */
int64_t sys_unmap(const uint64_t arg[6])
{
    uint64_t bytes = ALIGN_UP(arg[1], PAGE_BYTES);

    if (!range_ok(arg[0], bytes, arg[2])) {
        return -EINVAL;
    }
    process_forget_ublocks(current->process, arg[0], arg[0] + bytes);
    return vm_unmap(&current->process->vm, arg[0], arg[0] + bytes);
}

/**
 * sys_protect - change the rights of mappings
 * @arg: address, bytes, SYS_PROT_*, SYS_MAP_LIBRARY or 0
 *
 * Return: 0, -EINVAL, or see vm_protect().
 */
int64_t sys_protect(const uint64_t arg[6])
{
    uint64_t bytes = ALIGN_UP(arg[1], PAGE_BYTES);

    if (!range_ok(arg[0], bytes, arg[3]) || !prot_ok(arg[2], arg[3])) {
        return -EINVAL;
    }
    return vm_protect(&current->process->vm, arg[0], arg[0] + bytes,
                      (uint32_t)arg[2]);
}

/**
 * sys_remap - grow, shrink or move a program's mapping
 * @arg: address, bytes, new bytes, SYS_REMAP_*, new address
 *
 * Return: the address, -EINVAL, or see vm_remap().
 */
int64_t sys_remap(const uint64_t arg[6])
{
    uint64_t old_bytes = ALIGN_UP(arg[1], PAGE_BYTES);
    uint64_t new_bytes = ALIGN_UP(arg[2], PAGE_BYTES);
    bool fixed = arg[3] & SYS_REMAP_FIXED;

    if ((arg[3] & ~(uint64_t)(SYS_REMAP_FIXED | SYS_REMAP_MAYMOVE)) ||
        !range_ok(arg[0], old_bytes, 0) || new_bytes == 0 ||
        new_bytes > USER_END ||
        (fixed &&
         (!range_ok(arg[4], new_bytes, 0) ||
          (arg[4] < arg[0] + old_bytes && arg[0] < arg[4] + new_bytes)))) {
        return -EINVAL;
    }
    return vm_remap(&current->process->vm, arg[0], old_bytes, new_bytes,
                    (uint32_t)arg[3], arg[4]);
}

/**
 * sys_discard - make pages zero and untouched
 * @arg: address, bytes, SYS_MAP_LIBRARY or 0
 *
 * Return: 0, -EINVAL, or see vm_discard().
 */
int64_t sys_discard(const uint64_t arg[6])
{
    uint64_t bytes = ALIGN_UP(arg[1], PAGE_BYTES);

    if (!range_ok(arg[0], bytes, arg[2])) {
        return -EINVAL;
    }
    process_forget_ublocks(current->process, arg[0], arg[0] + bytes);
    return vm_discard(&current->process->vm, arg[0], arg[0] + bytes);
}

/**
 * sys_resident - which pages of a program's range have been touched
 * @arg: address, bytes, user address of a byte for each page, or 0
 *
 * Return: 0, -EINVAL, -EFAULT, or see vm_resident().
 */
int64_t sys_resident(const uint64_t arg[6])
{
    static uint8_t pages[SYS_RESIDENT_MAX] BULKY;
    uint64_t bytes = ALIGN_UP(arg[1], PAGE_BYTES);
    uint64_t n = bytes >> PAGE_SHIFT;
    int result;

    if (!range_ok(arg[0], bytes, 0) || (arg[2] != 0 && n > SYS_RESIDENT_MAX)) {
        return -EINVAL;
    }
    if (arg[2] == 0) {
        return vm_resident(&current->process->vm, arg[0], arg[0] + bytes, NULL);
    }
    memset(pages, 0, n);
    result = vm_resident(&current->process->vm, arg[0], arg[0] + bytes, pages);
    return result != 0 ? result : copy_to_user(arg[2], pages, n);
}

/**
 * sys_wipe - shall a program's pages become zero when another line begins?
 * @arg: address, bytes, 1 or 0
 *
 * Return: 0, -EINVAL, or see vm_set_wipe().
 */
int64_t sys_wipe(const uint64_t arg[6])
{
    uint64_t bytes = ALIGN_UP(arg[1], PAGE_BYTES);

    if (!range_ok(arg[0], bytes, 0) || arg[2] > 1) {
        return -EINVAL;
    }
    return vm_set_wipe(&current->process->vm, arg[0], arg[0] + bytes, arg[2]);
}

/**
 * sys_areas - list what is mapped
 * @arg: address to begin at, struct sys_area of the caller, how many
 *
 * Return: how many were written, -EINVAL, -EFAULT.
 */
int64_t sys_areas(const uint64_t arg[6])
{
    uint64_t from = arg[0];
    struct sys_area area;
    uint64_t n;

    if (arg[2] > SYS_AREAS_MAX) {
        return -EINVAL;
    }
    for (n = 0; n < arg[2]; n++) {
        if (!vm_area(&current->process->vm, from, &area)) {
            break;
        }
        if (copy_to_user(arg[1] + n * sizeof(area), &area, sizeof(area)) != 0) {
            return -EFAULT;
        }
        from = area.end;
    }
    return (int64_t)n;
}
