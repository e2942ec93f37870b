/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * elf.c - load a static x86-64 ELF, position independent or not
 *
 * Segments are copied from the bundle into anonymous memory: a private copy is
 * needed for the data anyway, and text that is a mapping of its own can be
 * given back when the bundle is.
 */
#include <elf.h>
#include <string.h>
#include "guest-libc/start/elf.h"
#include "guest-libc/start/place.h"
#include "guest-libc/sys/libos.h"

#define PAGE_MASK 4095ull
#define PIE_BASE  0x555500000000ull

static uint64_t page_down(uint64_t n)
{
    return n & ~PAGE_MASK;
}

static uint64_t page_up(uint64_t n)
{
    return (n + PAGE_MASK) & ~PAGE_MASK;
}

static const char *check_header(const Elf64_Ehdr *h, size_t len_bytes)
{
    if (len_bytes < sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG) ||
        h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_machine != EM_X86_64) {
        return "not an x86-64 ELF file";
    }
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN) {
        return "not an executable";
    }
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phoff > len_bytes ||
        h->e_phnum * sizeof(Elf64_Phdr) > len_bytes - h->e_phoff) {
        return "damaged program headers";
    }
    return NULL;
}

static const char *check_segment(const Elf64_Phdr *p, uint64_t base,
                                 size_t len_bytes)
{
    uint64_t start = base + p->p_vaddr;

    if (p->p_offset > len_bytes || p->p_filesz > len_bytes - p->p_offset ||
        p->p_filesz > p->p_memsz || p->p_memsz > USER_END ||
        start < USER_BASE || start > USER_END - p->p_memsz - PAGE_MASK) {
        return "a segment lies out of bounds";
    }
    return NULL;
}

static uint32_t segment_prot(const Elf64_Phdr *p)
{
    return (p->p_flags & PF_R ? SYS_PROT_READ : 0) |
           (p->p_flags & PF_W ? SYS_PROT_WRITE : 0) |
           (p->p_flags & PF_X ? SYS_PROT_EXEC : 0);
}

static const char *load_segment(const Elf64_Phdr *p, const uint8_t *file,
                                uint64_t base)
{
    uint64_t start = page_down(base + p->p_vaddr);
    uint64_t end = page_up(base + p->p_vaddr + p->p_memsz);
    long addr = prim_map(start, end - start, SYS_PROT_READ | SYS_PROT_WRITE,
                         SYS_MAP_NOREPLACE);

    if (addr < 0) {
        return "no memory for a segment, or two overlap";
    }
    memcpy((void *)(base + p->p_vaddr), file + p->p_offset, p->p_filesz);
    if (prim_protect(start, end - start, segment_prot(p), 0) < 0) {
        return "cannot protect a segment";
    }
    place_segment(base + p->p_vaddr, p->p_filesz, p->p_offset, segment_prot(p));
    return NULL;
}

/* All of them, before the first is loaded. */
static const char *check_segments(const Elf64_Ehdr *h, const Elf64_Phdr *p,
                                  uint64_t base, size_t len_bytes)
{
    const char *wrong = "nothing to load";
    int i;

    for (i = 0; i < h->e_phnum; i++) {
        if (p[i].p_type == PT_INTERP) {
            return "dynamically linked: link it with -static";
        }
        if (p[i].p_type == PT_LOAD) {
            wrong = check_segment(&p[i], base, len_bytes);
            if (wrong) {
                return wrong;
            }
        }
    }
    return wrong;
}

/**
 * elf_load - load the program
 * @file: its ELF file in memory
 * @len_bytes: length of the file
 * @ret_image: where things are
 *
 * Return: NULL, or what is wrong with it.
 * Context: boot.
 */
const char *elf_load(const void *file, size_t len_bytes,
                     struct elf_image *ret_image)
{
    const Elf64_Ehdr *h = file;
    const Elf64_Phdr *p;
    struct elf_image image = { 0 };
    const char *wrong = check_header(h, len_bytes);
    uint64_t base, end;
    int i;

    if (wrong) {
        return wrong;
    }
    base = h->e_type == ET_DYN ? PIE_BASE : 0;
    p = (const Elf64_Phdr *)((const uint8_t *)file + h->e_phoff);
    wrong = check_segments(h, p, base, len_bytes);
    for (i = 0; !wrong && i < h->e_phnum; i++) {
        if (p[i].p_type != PT_LOAD) {
            continue;
        }
        wrong = load_segment(&p[i], file, base);
        end = page_up(base + p[i].p_vaddr + p[i].p_memsz);
        image.end = end > image.end ? end : image.end;
        if (h->e_phoff >= p[i].p_offset &&
            h->e_phoff < p[i].p_offset + p[i].p_filesz) {
            image.phdr = base + p[i].p_vaddr + h->e_phoff - p[i].p_offset;
        }
    }
    image.entry = base + h->e_entry;
    image.phnum = h->e_phnum;
    *ret_image = image;
    return wrong;
}
