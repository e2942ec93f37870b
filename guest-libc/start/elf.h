/* SPDX-License-Identifier: GPL-2.0-or-later */
/* elf.h - load the program (start/ only) */
#ifndef ELF_H
#define ELF_H

#include <stdint.h>
#include <stddef.h>

struct elf_image { /* of the program in memory */
    uint64_t entry;
    uint64_t phdr; /* address of its program headers, 0: none */
    uint64_t phnum;
    uint64_t end; /* page after its last byte */
};

/* NULL, or what is wrong with it. */
const char *elf_load(const void *file, size_t len_bytes,
                     struct elf_image *ret_image);

#endif
