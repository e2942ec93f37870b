/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-ram.c - which pages of RAM changed in an epoch, and what is in them
 *
 * Theory of operation
 *
 * A capture is scan, then copy, both while the vCPU does not run and with the
 * BQL held, so that no device writes either (E1).  The scan (ckpt-dirty.c) says
 * which pages changed.
 *
 *   R-1  a page whose bit the scan took is copied in this very epoch (E3);
 *        the staging slot has room for all of RAM, so none is ever left out.
 *   R-2  a write after the scan sets the bit again, for the next epoch.
 *   R-3  after a restore all bits are clear before the first device state is
 *        loaded: RAM is then what the store holds, and what comes later counts.
 *
 * verify=on does not believe a word of this: it keeps a shadow, puts into it
 * what the slot says, compares all of RAM, and aborts at the first difference.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bitops.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/madvise.h"
#include "qemu/rcu.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ram_addr.h"
#include "exec/ramblock.h"
#include "hw/boards.h"
#include "hw/core/cpu.h"
#include "hw/i386/x86.h"
#include "system/hw_accel.h"
#include "system/reset.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

QEMU_BUILD_BUG_ON(TARGET_PAGE_SIZE != CKPT_PAGE_BYTES);

/* Where x86 shows the end of its firmware besides below 4 GiB. */
#define LOW_FIRMWARE_END    (1 * MiB)
#define LOW_FIRMWARE_MAX    (128 * KiB)

typedef struct OtherRam {
    const CkptRam *ram;
    const MemoryRegion *found;
} OtherRam;

/* A range that the guest can write and no checkpoint would hold? */
static bool refuse_other_ram(Int128 start, Int128 len, const MemoryRegion *mr,
                             hwaddr offset, void *opaque)
{
    OtherRam *other = opaque;
    MemoryRegion *region = (MemoryRegion *)mr;
    MemoryRegionSection section;
    bool writable;

    if (!memory_region_is_ram(region) || region == current_machine->ram ||
        region == other->ram->firmware || memory_region_is_ram_device(region)) {
        return false;
    }
    section = memory_region_find(get_system_memory(), int128_get64(start), 1);
    writable = !section.readonly;
    memory_region_unref(section.mr);
    if (writable) {
        other->found = mr;
    }
    return writable;
}

/*
 * A machine that was reset starts in its firmware, as it came from its file:
 * QEMU's own reset of ROMs has been before us and found it hidden.
 */
static void show_firmware(void *opaque)
{
    CkptRam *ram = opaque;

    memcpy(memory_region_get_ram_ptr(ram->firmware), ram->firmware_image,
           memory_region_size(ram->firmware));
    memory_region_set_enabled(ram->firmware, true);
}

static void find_firmware(CkptRam *ram)
{
    Object *machine = OBJECT(current_machine);

    if (object_dynamic_cast(machine, TYPE_X86_MACHINE)) {
        ram->firmware = &X86_MACHINE(machine)->bios;
        ram->firmware_image =
            g_memdup2(memory_region_get_ram_ptr(ram->firmware),
                      memory_region_size(ram->firmware));
        qemu_register_reset(show_firmware, ram);
    }
}

/**
 * ckpt_ram_firmware_runs: is the vCPU still in firmware?
 * @ram: main RAM
 * @cpu: the vCPU
 *
 * Return: true if so; then the guest must not be checkpointed yet.
 * Context: the vCPU's thread.
 */
bool ckpt_ram_firmware_runs(const CkptRam *ram, CPUState *cpu)
{
    MemoryRegionSection section;

    if (!ram->firmware || !ram->firmware->enabled) {
        return false;
    }
    cpu_synchronize_state(cpu);
    section = memory_region_find(get_system_memory(), cpu->cc->get_pc(cpu), 1);
    if (section.mr) {
        memory_region_unref(section.mr);
    }
    return section.mr == ram->firmware;
}

/**
 * ckpt_ram_hide_firmware: take the firmware out of the guest's sight
 * @ram: main RAM
 *
 * microvm's firmware is RAM that the guest can write, and qboot does; no
 * checkpoint holds it.  So from the first checkpoint on there is main RAM in
 * its place: before and after a recovery the guest sees the same.
 */
void ckpt_ram_hide_firmware(CkptRam *ram)
{
    if (ram->firmware && ram->firmware->enabled) {
        memory_region_set_enabled(ram->firmware, false);
    }
}

/**
 * ckpt_ram_replace_firmware: let main RAM hold what the firmware has left
 * @ram: main RAM, of a guest that has left its firmware
 *
 * The kernel's start info and command line lie below 1 MiB in what qboot has
 * written, and the kernel may not have read them yet.
 *
 * Context: the vCPU does not run, the log is on, before a scan.
 */
void ckpt_ram_replace_firmware(CkptRam *ram)
{
    MemoryRegionSection section;
    hwaddr bytes, paddr;
    bool visible;

    if (!ram->firmware || !ram->firmware->enabled) {
        return;
    }
    bytes = MIN(memory_region_size(ram->firmware), LOW_FIRMWARE_MAX);
    paddr = LOW_FIRMWARE_END - bytes;
    section = memory_region_find(get_system_memory(), paddr, bytes);
    visible = section.mr == ram->firmware &&
              int128_get64(section.size) == bytes;
    if (section.mr) {
        memory_region_unref(section.mr);
    }
    ckpt_ram_hide_firmware(ram);
    if (visible) {
        address_space_write(&address_space_memory, paddr,
                            MEMTXATTRS_UNSPECIFIED,
                            (uint8_t *)memory_region_get_ram_ptr(
                                ram->firmware) + section.offset_within_region,
                            bytes);
    }
}

/**
 * ckpt_ram_init: find main RAM
 * @ram: filled in
 * @verify: keep a shadow and compare
 * @errp: why this machine's memory cannot be checkpointed
 *
 * Return: false when the guest has memory that a checkpoint would not hold.
 * Context: the machine is built, the guest has not run.
 */
bool ckpt_ram_init(CkptRam *ram, bool verify, Error **errp)
{
    OtherRam other = { .ram = ram };
    MemoryRegion *mr = current_machine->ram;

    if (!mr || !mr->ram_block) {
        error_setg(errp, "ckpt-engine: the machine has no main RAM");
        return false;
    }
    find_firmware(ram);
    WITH_RCU_READ_LOCK_GUARD() {
        flatview_for_each_range(address_space_to_flatview(
                                    &address_space_memory),
                                refuse_other_ram, &other);
    }
    if (other.found) {
        error_setg(errp, "ckpt-engine: the guest can write RAM block '%s', "
                   "which is no part of main RAM",
                   other.found->ram_block->idstr);
        return false;
    }
    if (qemu_ram_pagesize(mr->ram_block) != CKPT_PAGE_BYTES) {
        error_setg(errp, "ckpt-engine: main RAM must have pages of %u bytes",
                   CKPT_PAGE_BYTES);
        return false;
    }
    ram->block = mr->ram_block;
    ram->host = ram->block->host;
    ram->n_pages = ram->block->used_length / CKPT_PAGE_BYTES;
    ckpt_dirty_init(ram);
    if (verify) {
        ram->shadow = g_malloc0(ram->n_pages * CKPT_PAGE_BYTES);
    }
    /* bits are taken a word at a time */
    assert(!((ram->block->offset >> TARGET_PAGE_BITS) % BITS_PER_LONG));
    return true;
}

/**
 * ckpt_ram_copy: put the pages that the scan found into a slot
 * @ram: main RAM
 * @staging: whose layout is used
 * @slot: header at the start of the slot; list and counts are filled in
 *
 * Context: as ckpt_dirty_scan(), with nothing in between.
 */
void ckpt_ram_copy(CkptRam *ram, CkptStaging *staging, struct ckpt_slot *slot)
{
    uint8_t *base = (uint8_t *)slot;
    uint64_t *list = (uint64_t *)(base + CKPT_PAGE_BYTES);
    uint8_t *data = base + staging->data_offset;
    uint64_t k, n_pages = 0, n_data = 0;

    for (k = 0; k < BITS_TO_LONGS(ram->n_pages); k++) {
        unsigned long word = ram->dirty[k];

        while (word) {
            uint64_t page_no = k * BITS_PER_LONG + ctzl(word);
            const uint8_t *page = ram->host + page_no * CKPT_PAGE_BYTES;

            word &= word - 1;
            if (buffer_is_zero(page, CKPT_PAGE_BYTES)) {
                list[n_pages++] = page_no | CKPT_PAGE_ZERO;
            } else {
                list[n_pages++] = page_no;
                memcpy(data + n_data * CKPT_PAGE_BYTES, page, CKPT_PAGE_BYTES);
                n_data++;
            }
        }
    }
    assert(n_pages <= ram->n_pages);
    slot->n_pages = n_pages;
    slot->n_data = n_data;
    slot->list_offset = CKPT_PAGE_BYTES;
    slot->data_offset = staging->data_offset;
}

/**
 * ckpt_ram_shadow: add what a slot says to the shadow
 * @ram: main RAM, with a shadow
 * @slot: the slot just filled
 */
void ckpt_ram_shadow(CkptRam *ram, const struct ckpt_slot *slot)
{
    const uint8_t *base = (const uint8_t *)slot;
    const uint64_t *list = (const uint64_t *)(base + slot->list_offset);
    const uint8_t *data = base + slot->data_offset;
    uint64_t i;

    for (i = 0; i < slot->n_pages; i++) {
        uint8_t *page = ram->shadow +
                        (list[i] & ~CKPT_PAGE_ZERO) * CKPT_PAGE_BYTES;

        if (list[i] & CKPT_PAGE_ZERO) {
            memset(page, 0, CKPT_PAGE_BYTES);
        } else {
            memcpy(page, data, CKPT_PAGE_BYTES);
            data += CKPT_PAGE_BYTES;
        }
    }
}

/**
 * ckpt_ram_verify: prove that the increments so far add up to RAM (E3)
 * @ram: main RAM, with a shadow
 * @slot: the slot just filled
 *
 * Aborts with the page number when they do not.
 */
void ckpt_ram_verify(CkptRam *ram, const struct ckpt_slot *slot)
{
    uint64_t i;

    ckpt_ram_shadow(ram, slot);
    for (i = 0; i < ram->n_pages; i++) {
        if (memcmp(ram->shadow + i * CKPT_PAGE_BYTES,
                   ram->host + i * CKPT_PAGE_BYTES, CKPT_PAGE_BYTES)) {
            error_report("ckpt: verify: epoch %" PRIu64 ": page %" PRIu64
                         " (paddr offset 0x%" PRIx64 ") changed and is not "
                         "in the checkpoint", slot->epoch, i,
                         i * CKPT_PAGE_BYTES);
            abort();
        }
    }
}

/**
 * ckpt_ram_hash: a hash of all of RAM
 * @ram: main RAM
 *
 * Return: XXH3 64, seed 0.
 */
uint64_t ckpt_ram_hash(const CkptRam *ram)
{
    return XXH3_64bits(ram->host, ram->n_pages * CKPT_PAGE_BYTES);
}

/**
 * ckpt_ram_map_base: let the base image be RAM
 * @ram: main RAM
 * @fd: the image; still the caller's
 * @bytes: of the image, as ckptd says
 * @errp: why it cannot be
 *
 * The map is private: pages are read when the guest wants them, and what the
 * guest writes never reaches the file.
 *
 * Return: false on failure.
 * Context: the guest has not run.
 */
bool ckpt_ram_map_base(CkptRam *ram, int fd, uint64_t bytes, Error **errp)
{
    uint64_t ram_bytes = ram->n_pages * CKPT_PAGE_BYTES;
    struct stat st;
    void *map;

    if (fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "ckptd's base image");
        return false;
    }
    if (bytes != ram_bytes || st.st_size < 0 ||
        (uint64_t)st.st_size < ram_bytes) {
        error_setg(errp, "ckptd's base image is of %" PRIu64 " bytes (file of "
                   "%" PRId64 "), main RAM has %" PRIu64, bytes,
                   (int64_t)st.st_size, ram_bytes);
        return false;
    }
    map = mmap(ram->host, ram_bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_FIXED, fd, 0);
    if (map != ram->host) {
        error_setg_errno(errp, errno, "cannot map ckptd's base image");
        return false;
    }
    /* a fork of QEMU (a helper program) must not copy what is not its own */
    qemu_madvise(ram->host, ram_bytes, QEMU_MADV_DONTFORK);
    return true;
}

/**
 * ckpt_ram_fill: put the pages of ckptd's slot over the base image
 * @ram: main RAM
 * @base: start of the slot
 * @slot: its header, checked by ckpt_staging_read_slot()
 * @errp: what is wrong with the list
 *
 * Return: false when the list makes no sense.
 * Context: the guest has not run.
 */
bool ckpt_ram_fill(CkptRam *ram, const uint8_t *base,
                   const struct ckpt_slot *slot, Error **errp)
{
    const uint64_t *list = (const uint64_t *)(base + slot->list_offset);
    const uint8_t *data = base + slot->data_offset;
    uint64_t i, n_data = 0, next = 0;

    for (i = 0; i < slot->n_pages; i++) {
        uint64_t entry = qatomic_read(&list[i]);
        uint64_t page_no = entry & ~CKPT_PAGE_ZERO;
        bool zero = entry & CKPT_PAGE_ZERO;
        uint8_t *page = ram->host + page_no * CKPT_PAGE_BYTES;

        if (page_no < next || page_no >= ram->n_pages ||
            (!zero && n_data == slot->n_data)) {
            error_setg(errp, "ckptd's page list is damaged at entry %" PRIu64,
                       i);
            return false;
        }
        next = page_no + 1;
        if (zero) {
            memset(page, 0, CKPT_PAGE_BYTES);
        } else {
            memcpy(page, data + n_data * CKPT_PAGE_BYTES, CKPT_PAGE_BYTES);
            n_data++;
        }
    }
    return true;
}

/**
 * ckpt_ram_settle: what RAM holds now is what the store holds
 * @ram: main RAM, restored, with the log on
 *
 * Context: the guest has not run, its device state is not yet loaded.
 */
void ckpt_ram_settle(CkptRam *ram)
{
    ckpt_dirty_scan(ram, false);
    if (ram->shadow) {
        memcpy(ram->shadow, ram->host, ram->n_pages * CKPT_PAGE_BYTES);
    }
}
