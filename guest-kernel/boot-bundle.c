/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot-bundle.c - from the bundle to processes that run
 *
 * Layout and division of labour: abi/guest-boot.h.  Everything that the bundle
 * says is checked; a bad one is a panic with the reason, for without it there
 * is nothing to run.
 *
 * What the library does not write (text, constants) is mapped from the bundle
 * itself; what it writes is copied.  A process sees of the bundle its own
 * entries and those of all, where they lie; the header and the table of entries
 * are a copy that tells of no others.
 */
#include "kernel.h"

#define ELF_MAGIC          0x464c457fu
#define ELF_CLASS_DATA     0x0102u /* 64 bits, little-endian */
#define ELF_TYPE_EXEC      2
#define ELF_MACHINE_X86_64 62
#define ELF_LOAD           1
#define ELF_X              1
#define ELF_W              2
#define ELF_R              4
#define ELF_MAX_SEGMENTS   16

#define INFO_ADDR          BOOT_BASE
#define SHARED_ADDR        (BOOT_BASE + PAGE_BYTES)
#define BUNDLE_ADDR        (BOOT_BASE + 0x200000)

struct elf_header {
    uint32_t magic;
    uint16_t class_data;
    uint8_t ident_rest[10];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t segments_offset;
    uint64_t sections_offset;
    uint32_t flags;
    uint16_t header_bytes;
    uint16_t segment_bytes;
    uint16_t n_segments;
    uint16_t section_bytes;
    uint16_t n_sections;
    uint16_t names_section;
};

struct elf_segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t align;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF");
_Static_assert(sizeof(struct elf_segment) == 56, "ELF");

static uint64_t bundle_paddr;
static const struct boot_bundle *bundle;
static const struct boot_entry *entries;

/* Bytes of header and table of the bundle, from its start. */
static uint64_t head_bytes(uint32_t n_entries)
{
    return bundle->entries_offset + n_entries * sizeof(*entries);
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        panic("boot bundle: %s", what);
    }
}

/**
 * bundle_init - check the bundle
 * @module: where the firmware put it
 */
void bundle_init(const struct boot_module *module)
{
    uint32_t i;

    check(module->len_bytes >= sizeof(*bundle), "there is none");
    check(module->paddr % BOOT_ALIGN == 0, "not page aligned");
    bundle_paddr = module->paddr;
    bundle = pmem_to_virt(bundle_paddr);
    check(bundle->magic == BOOT_BUNDLE_MAGIC, "wrong magic");
    check(bundle->version == BOOT_BUNDLE_VERSION, "unknown version");
    check(bundle->total_bytes <= module->len_bytes, "cut short");
    check(bundle->n_entries <= BOOT_MAX_ENTRIES, "too many entries");
    check(bundle->n_processes >= 1 && bundle->n_processes <= BOOT_MAX_PROCESSES,
          "number of processes");
    check(bundle->entries_offset % sizeof(uint64_t) == 0 &&
              bundle->entries_offset <= bundle->total_bytes &&
              bundle->n_entries * sizeof(*entries) <=
                  bundle->total_bytes - bundle->entries_offset,
          "table of entries");
    entries = (const void *)((const char *)bundle + bundle->entries_offset);
    for (i = 0; i < bundle->n_entries; i++) {
        check(entries[i].offset % BOOT_ALIGN == 0 &&
                  entries[i].offset <= bundle->total_bytes &&
                  entries[i].len_bytes <=
                      bundle->total_bytes - entries[i].offset,
              "an entry lies outside");
        check(entries[i].len_bytes == 0 ||
                  entries[i].offset >= head_bytes(bundle->n_entries),
              "an entry lies in the table");
    }
}

static bool is_of(const struct boot_entry *entry, const struct process *process)
{
    return entry->process == process->number || entry->process == BOOT_SHARED;
}

static const struct boot_entry *find_entry(uint32_t type,
                                           const struct process *process)
{
    uint32_t i;

    for (i = 0; i < bundle->n_entries; i++) {
        if (entries[i].type == type && is_of(&entries[i], process)) {
            return &entries[i];
        }
    }
    return NULL;
}

static void must_map(struct process *process, uint64_t start, uint64_t bytes,
                     uint32_t prot, enum vma_kind kind, uint64_t paddr)
{
    if (vm_map(&process->vm, start, ALIGN_UP(bytes, PAGE_BYTES), prot, kind,
               paddr) != 0) {
        panic("not enough memory to boot");
    }
}

/* Fill anonymous memory of a process that does not run yet. */
static void fill(struct process *process, uint64_t to, const uint8_t *from,
                 uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t part = PAGE_BYTES - to % PAGE_BYTES;
        void *page = vm_pin(&process->vm, to);

        if (page == NULL) {
            panic("not enough memory to boot");
        }
        part = part < bytes ? part : bytes;
        memcpy(page, from, part);
        to += part;
        from += part;
        bytes -= part;
    }
}

static void check_segment(const struct elf_segment *segment,
                          const struct boot_entry *entry)
{
    check(segment->offset <= entry->len_bytes &&
              segment->file_bytes <= entry->len_bytes - segment->offset &&
              segment->file_bytes <= segment->memory_bytes,
          "a segment of the library lies outside its file");
    check(segment->vaddr >= LIBRARY_BASE && segment->vaddr < LIBRARY_HEAP &&
              segment->memory_bytes <=
                  LIBRARY_HEAP - 2 * USTACK_BYTES - segment->vaddr,
          "a segment of the library lies outside its range");
    check(segment->vaddr % PAGE_BYTES == segment->offset % PAGE_BYTES,
          "a segment of the library is not page aligned");
    check(!(segment->flags & ELF_W) || !(segment->flags & ELF_X),
          "a segment of the library is writable and executable");
}

static void load_segment(struct process *process,
                         const struct elf_segment *segment,
                         const struct boot_entry *entry)
{
    uint64_t start = ALIGN_DOWN(segment->vaddr, PAGE_BYTES);
    uint64_t bytes = segment->vaddr + segment->memory_bytes - start;
    uint64_t offset = entry->offset + segment->offset;
    uint32_t prot = SYS_PROT_READ;

    check_segment(segment, entry);
    if (segment->flags & ELF_X) {
        prot |= SYS_PROT_EXEC;
    }
    if (segment->flags & ELF_W) {
        prot |= SYS_PROT_WRITE;
    } else {
        check(segment->file_bytes == segment->memory_bytes,
              "a constant segment of the library has no contents");
        must_map(process, start, bytes, prot, VMA_PHYS,
                 bundle_paddr + ALIGN_DOWN(offset, PAGE_BYTES));
        return;
    }
    must_map(process, start, bytes, prot, VMA_ANON, 0);
    fill(process, segment->vaddr, (const uint8_t *)bundle + offset,
         segment->file_bytes);
}

/* Map the library: its entry point. */
static uint64_t load_library(struct process *process)
{
    const struct boot_entry *entry = find_entry(BOOT_LIBRARY, process);
    const struct elf_header *elf;
    const struct elf_segment *segments;
    uint16_t i;

    check(entry != NULL && entry->len_bytes >= sizeof(*elf), "no library");
    elf = (const void *)((const char *)bundle + entry->offset);
    check(elf->magic == ELF_MAGIC && elf->class_data == ELF_CLASS_DATA &&
              elf->type == ELF_TYPE_EXEC &&
              elf->machine == ELF_MACHINE_X86_64 &&
              elf->segment_bytes == sizeof(*segments) &&
              elf->n_segments <= ELF_MAX_SEGMENTS &&
              elf->segments_offset % sizeof(uint64_t) == 0 &&
              elf->segments_offset <= entry->len_bytes &&
              elf->n_segments * sizeof(*segments) <=
                  entry->len_bytes - elf->segments_offset,
          "the library is no static x86-64 ELF");
    segments = (const void *)((const char *)elf + elf->segments_offset);
    for (i = 0; i < elf->n_segments; i++) {
        if (segments[i].type == ELF_LOAD && segments[i].memory_bytes != 0) {
            load_segment(process, &segments[i], entry);
        }
    }
    check(elf->entry >= LIBRARY_BASE && elf->entry < LIBRARY_HEAP,
          "the library's entry point");
    return elf->entry;
}

/* The data of one entry, as far as another has not shown it already. */
static void show_data(struct process *process, const struct boot_entry *entry)
{
    uint64_t start = BUNDLE_ADDR + entry->offset;
    uint64_t end = start + ALIGN_UP(entry->len_bytes, PAGE_BYTES);
    uint64_t to;

    for (; start < end; start = to) {
        if (!vm_gap(&process->vm, start, end, &to)) {
            continue; /* shown */
        }
        must_map(process, start, to - start, SYS_PROT_READ, VMA_PHYS,
                 bundle_paddr + (start - BUNDLE_ADDR));
    }
}

/* Header and table in pages of the process's own. */
static void show_table(struct process *process, uint32_t n_entries)
{
    struct boot_bundle head = *bundle;
    uint64_t to = BUNDLE_ADDR + head.entries_offset;
    uint64_t bytes = ALIGN_UP(head_bytes(n_entries), PAGE_BYTES);
    uint32_t i;

    head.n_entries = n_entries;
    must_map(process, BUNDLE_ADDR, bytes, SYS_PROT_READ | SYS_PROT_WRITE,
             VMA_ANON, 0);
    fill(process, BUNDLE_ADDR, (const uint8_t *)&head, sizeof(head));
    for (i = 0; i < bundle->n_entries; i++) {
        if (is_of(&entries[i], process)) {
            fill(process, to, (const uint8_t *)&entries[i], sizeof(entries[i]));
            to += sizeof(entries[i]);
        }
    }
    if (vm_protect(&process->vm, BUNDLE_ADDR, BUNDLE_ADDR + bytes,
                   SYS_PROT_READ) != 0) {
        panic("not enough memory to boot");
    }
}

static void show_bundle(struct process *process)
{
    uint32_t n = 0;
    uint32_t i;

    for (i = 0; i < bundle->n_entries; i++) {
        n += is_of(&entries[i], process);
    }
    if (n == bundle->n_entries) {
        must_map(process, BUNDLE_ADDR, bundle->total_bytes, SYS_PROT_READ,
                 VMA_PHYS, bundle_paddr);
        return;
    }
    show_table(process, n);
    for (i = 0; i < bundle->n_entries; i++) {
        if (is_of(&entries[i], process)) {
            show_data(process, &entries[i]);
        }
    }
}

static void make_info(struct process *process)
{
    uint64_t paddr = pmem_alloc_zero();
    struct boot_info *info = pmem_to_virt(paddr);
    unsigned int i;

    check(paddr != 0, "not enough memory");
    info->magic = BOOT_INFO_MAGIC;
    info->version = SYS_ABI_VERSION;
    info->process = process->number;
    info->bundle = BUNDLE_ADDR;
    info->bundle_bytes = bundle->total_bytes;
    info->shared = SHARED_ADDR;
    info->ram_bytes = pmem_free_bytes();
    info->stack_top = LIBRARY_HEAP;
    info->xsave_bytes = cpu_xsave_bytes;
    info->xsave_mask = cpu_xsave_mask;
    for (i = 0; i < sizeof(info->entropy); i += sizeof(uint64_t)) {
        uint64_t word = nic_value(CKPT_SEL_ENTROPY);

        memcpy(info->entropy + i, &word, sizeof(word));
    }
    must_map(process, INFO_ADDR, PAGE_BYTES, SYS_PROT_READ, VMA_PHYS, paddr);
    process->info_paddr = paddr;
}

static void start_process(uint32_t number)
{
    struct process *process = process_create(number);
    struct sys_thread spec = {
        .rsp = LIBRARY_HEAP,
        .arg = INFO_ADDR,
    };

    check(process != NULL, "not enough memory");
    spec.rip = load_library(process);
    must_map(process, LIBRARY_HEAP - USTACK_BYTES - PAGE_BYTES, PAGE_BYTES, 0,
             VMA_RESERVE, 0);
    must_map(process, LIBRARY_HEAP - USTACK_BYTES, USTACK_BYTES,
             SYS_PROT_READ | SYS_PROT_WRITE, VMA_ANON, 0);
    must_map(process, SHARED_ADDR, PAGE_BYTES, SYS_PROT_READ, VMA_PHYS,
             time_shared_paddr());
    show_bundle(process);
    make_info(process);
    if (thread_create(process, &spec, NULL) < 0) {
        panic("not enough memory to boot");
    }
}

/**
 * bundle_start_processes - make every process, ready to run
 */
void bundle_start_processes(void)
{
    uint32_t i;

    quota_init(bundle->n_processes);
    for (i = 0; i < bundle->n_processes; i++) {
        start_process(i);
    }
}
