/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vdso.c - put the vDSO image into the program's view
 *
 * A copy of its own rather than the bytes in the library's constants: it needs
 * the shared page's address, and to be executable without being library text.
 *
 * The copy is the program's memory, below USER_END, as on Linux.  A signal may
 * come while the program is there, and a handler may go on there: its saved
 * RIP is an address of the program.  Calls may be given pointers into it, and
 * a program may protect or unmap it.  The library itself never uses it.
 */
#include <string.h>
#include "guest-libc/start/vdso.h"
#include "guest-libc/sys/libos.h"

#define PAGE_MASK ((size_t)4095)

extern const uint8_t vdso_image[], vdso_image_end[];

/**
 * vdso_map - map the image
 * @shared_addr: of struct guest_shared
 *
 * Return: its address, 0 without memory (programs then make calls).
 * Context: boot.
 */
uint64_t vdso_map(uint64_t shared_addr)
{
    size_t image_bytes = vdso_image_end - vdso_image;
    size_t len_bytes = (image_bytes + PAGE_MASK) & ~PAGE_MASK;
    long addr = prim_map(0, len_bytes, SYS_PROT_READ | SYS_PROT_WRITE, 0);
    uint8_t *copy = (uint8_t *)addr;

    if (addr < 0) {
        return 0;
    }
    memcpy(copy, vdso_image, image_bytes);
    memcpy(copy + VDSO_SLOT_OFFSET, &shared_addr, sizeof(shared_addr));
    if (prim_protect(addr, len_bytes, SYS_PROT_READ | SYS_PROT_EXEC, 0) < 0) {
        prim_unmap(addr, len_bytes, 0);
        return 0;
    }
    return addr;
}
