/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vdso.c - put the vDSO image into the program's view
 *
 * A copy of its own rather than the bytes in the library's constants: it needs
 * the shared page's address, and to be executable without being library text.
 */
#include <string.h>
#include "guest-libc/start/vdso.h"
#include "guest-libc/sys/libos.h"

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
    size_t len_bytes = vdso_image_end - vdso_image;
    uint8_t *copy = lib_pages(len_bytes);

    if (!copy) {
        return 0;
    }
    memcpy(copy, vdso_image, len_bytes);
    memcpy(copy + VDSO_SLOT_OFFSET, &shared_addr, sizeof(shared_addr));
    if (prim_protect((uint64_t)copy, (len_bytes + 4095) & ~(size_t)4095,
                     SYS_PROT_READ | SYS_PROT_EXEC, SYS_MAP_LIBRARY) < 0) {
        lib_pages_free(copy, len_bytes);
        return 0;
    }
    return (uint64_t)copy;
}
