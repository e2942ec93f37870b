/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc-maps.c - what is mapped: /proc/self/maps, smaps, statm
 *
 * The kernel knows areas of like rights, not what they are for: an area is cut
 * where a named piece begins or ends.  The library's own range is left out: it
 * is no memory of the program.
 */
#include <string.h>
#include "guest-libc/posix/proc.h"

#define NAME_COLUMN 73u /* of Linux */
#define AREAS       16u

/* A piece that has a name. */
struct piece {
    uint64_t start, end, offset;
    const char *name; /* NULL: the program's file */
};

#define PIECES_MAX (PROGRAM_SEGMENTS_MAX + 3u)

struct pieces {
    struct piece list[PIECES_MAX];
    unsigned n;
};

static void add_piece(struct pieces *pieces, uint64_t start, uint64_t end,
                      uint64_t offset, const char *name)
{
    if (start < end && pieces->n < PIECES_MAX) {
        pieces->list[pieces->n++] = (struct piece){ start, end, offset, name };
    }
}

static uint64_t page_up(uint64_t n)
{
    return (n + PROC_PAGE_BYTES - 1) & ~(uint64_t)(PROC_PAGE_BYTES - 1);
}

static void find_pieces(struct pieces *pieces)
{
    const struct program_place *place = program_place();
    struct process_report process;
    unsigned i;

    pieces->n = 0;
    for (i = 0; i < place->n_segments; i++) {
        add_piece(pieces, place->segments[i].start, place->segments[i].end,
                  place->segments[i].offset, NULL);
    }
    report_process(&process);
    add_piece(pieces, process.heap_start, page_up(process.heap_end), 0,
              "[heap]");
    add_piece(pieces, place->stack_start, place->stack_end, 0, "[stack]");
    if (place->vdso) {
        add_piece(pieces, place->vdso, place->vdso + PROC_PAGE_BYTES, 0,
                  "[vdso]");
    }
}

/* One line of maps, as it is being made of an area. */
struct mapping {
    uint64_t start, end, resident;
    uint32_t prot;
    const struct piece *piece; /* NULL: nothing is known of it */
};

/* What begins at @at in @area and is one mapping. */
static void cut(const struct pieces *pieces, const struct sys_area *area,
                uint64_t at, struct mapping *ret_mapping)
{
    struct mapping m = { .start = at, .end = area->end, .prot = area->prot };
    unsigned i;

    for (i = 0; i < pieces->n; i++) {
        const struct piece *p = &pieces->list[i];

        if (p->start <= at && at < p->end) {
            m.piece = p;
            m.end = p->end < m.end ? p->end : m.end;
        } else if (p->start > at && p->start < m.end) {
            m.end = p->start;
        }
    }
    *ret_mapping = m;
}

static bool is_vdso(const struct sys_area *area)
{
    uint64_t vdso = program_place()->vdso;

    return vdso && area->start <= vdso && vdso < area->end;
}

/*
 * Call @each for every mapping of the program.  Touched pages of an area that
 * is cut are counted from its beginning.
 */
static void for_each_mapping(void (*each)(void *to, const struct mapping *m),
                             void *to)
{
    struct sys_area areas[AREAS];
    struct pieces pieces;
    struct mapping m;
    uint64_t from = 0, at, resident;
    long n, i;

    find_pieces(&pieces);
    while ((n = prim_areas(from, areas, AREAS)) > 0) {
        for (i = 0; i < n; i++) {
            from = areas[i].end;
            if (areas[i].start >= USER_END && !is_vdso(&areas[i])) {
                continue;
            }
            resident = areas[i].resident_bytes;
            for (at = areas[i].start; at < areas[i].end; at = m.end) {
                cut(&pieces, &areas[i], at, &m);
                m.resident = resident < m.end - at ? resident : m.end - at;
                resident -= m.resident;
                each(to, &m);
            }
        }
    }
}

static bool is_stack(const struct mapping *m)
{
    return m->start == program_place()->stack_start;
}

static void add_memory(void *to, const struct mapping *m)
{
    struct proc_memory *sum = to;
    uint64_t bytes = m->end - m->start;

    sum->all += bytes;
    sum->resident += m->resident;
    if (is_stack(m)) {
        sum->stack += bytes;
    } else if (m->prot & SYS_PROT_WRITE) {
        sum->data += bytes;
    } else if ((m->prot & SYS_PROT_EXEC) && m->piece && !m->piece->name) {
        sum->text += bytes;
    }
}

/**
 * proc_memory() - how much memory the program has
 * @ret_memory: filled in
 *
 * Context: lock held.
 */
void proc_memory(struct proc_memory *ret_memory)
{
    memset(ret_memory, 0, sizeof(*ret_memory));
    for_each_mapping(add_memory, ret_memory);
}

static void put_name(struct text *text, size_t line, const struct mapping *m)
{
    char path[256];

    if (!m->piece) {
        return;
    }
    text_pad(text, line, NAME_COLUMN);
    if (m->piece->name) {
        text_put(text, "%s", m->piece->name);
    } else if (proc_program() &&
               tree_path(proc_program(), path, sizeof(path)) > 0) {
        text_put(text, "%s", path);
    }
}

static void put_mapping(void *to, const struct mapping *m)
{
    const struct tree_node *file =
        m->piece && !m->piece->name ? proc_program() : NULL;
    struct text *text = to;
    size_t line = text->used;

    text_put(text, "%08lx-%08lx %c%c%cp %08lx %02x:%02x %lu ", m->start, m->end,
             m->prot & SYS_PROT_READ ? 'r' : '-',
             m->prot & SYS_PROT_WRITE ? 'w' : '-',
             m->prot & SYS_PROT_EXEC ? 'x' : '-',
             file ? m->piece->offset + (m->start - m->piece->start) : 0, 0u,
             file ? (unsigned)tree_mount(file) : 0u,
             file ? tree_number(file) : 0);
    put_name(text, line, m);
    text_put(text, "\n");
}

static long make_maps(const struct tree_node *node, struct text *text)
{
    (void)node;
    for_each_mapping(put_mapping, text);
    return 0;
}

/* The lines of smaps below a mapping's; all that is touched is private. */
static void put_sizes(struct text *text, uint64_t resident)
{
    static const char *const names[] = {
        "Rss",
        "Pss",
        "Pss_Dirty",
        "Shared_Clean",
        "Shared_Dirty",
        "Private_Clean",
        "Private_Dirty",
        "Referenced",
        "Anonymous",
        "LazyFree",
        "AnonHugePages",
        "ShmemPmdMapped",
        "FilePmdMapped",
        "Shared_Hugetlb",
        "Private_Hugetlb",
        "Swap",
        "SwapPss",
        "Locked",
    };
    unsigned i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        bool counts = i < 3 || (i >= 6 && i <= 8);
        size_t line = text->used;

        text_put(text, "%s:", names[i]);
        text_pad(text, line, 16);
        text_put(text, "%8lu kB\n", counts ? PROC_KIB(resident) : 0);
    }
}

static void put_smap(void *to, const struct mapping *m)
{
    struct text *text = to;

    put_mapping(text, m);
    text_put(text, "Size:           %8lu kB\n", PROC_KIB(m->end - m->start));
    text_put(text, "KernelPageSize: %8u kB\nMMUPageSize:    %8u kB\n",
             PROC_PAGE_BYTES >> 10, PROC_PAGE_BYTES >> 10);
    put_sizes(text, m->resident);
    text_put(text, "THPeligible:           0\nVmFlags: %s%s%smr mw me \n",
             m->prot & SYS_PROT_READ ? "rd " : "",
             m->prot & SYS_PROT_WRITE ? "wr " : "",
             m->prot & SYS_PROT_EXEC ? "ex " : "");
}

static long make_smaps(const struct tree_node *node, struct text *text)
{
    (void)node;
    for_each_mapping(put_smap, text);
    return 0;
}

static long make_rollup(const struct tree_node *node, struct text *text)
{
    struct proc_memory memory;
    size_t line = text->used;

    (void)node;
    proc_memory(&memory);
    text_put(text, "%08lx-%08lx ---p 00000000 00:00 0 ", (uint64_t)USER_BASE,
             (uint64_t)USER_END);
    text_pad(text, line, NAME_COLUMN);
    text_put(text, "[rollup]\n");
    put_sizes(text, memory.resident);
    return 0;
}

static long make_statm(const struct tree_node *node, struct text *text)
{
    struct proc_memory m;

    (void)node;
    proc_memory(&m);
    text_put(text, "%lu %lu 0 %lu 0 %lu 0\n", m.all / PROC_PAGE_BYTES,
             m.resident / PROC_PAGE_BYTES, m.text / PROC_PAGE_BYTES,
             (m.data + m.stack) / PROC_PAGE_BYTES);
    return 0;
}

/*
 * @linux proc /proc/self/maps - a mapping of a file is a copy: it has no name
 * @test guest/programs/proc.c "maps: the program's segments"
 * @test guest/programs/proc.c "maps: the stack, the heap, the vDSO"
 */
/*
 * @linux proc /proc/self/smaps /proc/self/smaps_rollup - all is private
 * @test guest/programs/proc.c "smaps has sizes"
 */
/* @linux proc /proc/self/statm
 * @test guest/programs/proc.c "statm counts pages" */
const struct tree_made proc_maps_files[] = {
    { "maps", 0444, make_maps, NULL },
    { "smaps", 0444, make_smaps, NULL },
    { "smaps_rollup", 0444, make_rollup, NULL },
    { "statm", 0444, make_statm, NULL },
    { 0 },
};
