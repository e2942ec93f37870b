/* SPDX-License-Identifier: GPL-2.0-or-later */
/* place.c - where the program lies, for /proc to tell */
#include "guest-libc/start/place.h"

#define PAGE_MASK 4095ull

static struct program_place place BULKY;

/**
 * place_to_fill - the description, to be changed
 *
 * Return: it.
 * Context: before the program runs.
 */
struct program_place *place_to_fill(void)
{
    return &place;
}

/**
 * program_place - where the program lies
 *
 * Return: the description.
 * Context: any.
 */
const struct program_place *program_place(void)
{
    return &place;
}

/**
 * place_segment - note a segment of the program
 * @addr: of its first byte
 * @file_bytes: of the file that it holds
 * @offset: where they lie in the file
 * @prot: SYS_PROT_*
 *
 * Context: boot.
 */
void place_segment(uint64_t addr, uint64_t file_bytes, uint64_t offset,
                   uint32_t prot)
{
    if (place.n_segments < PROGRAM_SEGMENTS_MAX && file_bytes) {
        place.segments[place.n_segments++] = (struct program_segment){
            .start = addr & ~PAGE_MASK,
            .end = (addr + file_bytes + PAGE_MASK) & ~PAGE_MASK,
            .offset = offset & ~PAGE_MASK,
        };
    }
    if (prot & SYS_PROT_EXEC) {
        place.text_start = addr;
        place.text_end = addr + file_bytes;
    } else if (prot & SYS_PROT_WRITE) {
        place.data_start = addr;
        place.data_end = addr + file_bytes;
    }
}
