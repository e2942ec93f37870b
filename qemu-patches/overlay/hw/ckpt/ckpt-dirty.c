/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-dirty.c - which pages changed, for us and for a migration
 *
 * Theory of operation
 *
 * The memory API's dirty bitmap says which pages changed: TCG sets bits in it
 * by itself, KVM's log is added to it by a sync.  To read it is to clear it,
 * and a migration reads the same one.  So whoever takes bits hands them on:
 *
 *   log ---- ckpt_dirty_scan(), an epoch ends -----> @dirty  and  @owed
 *   log ---- ckpt_dirty_share(), migration syncs --> migration's bitmap
 *                                                    and  @others
 *   @owed    captured, migration has not heard of it: it gets them at its
 *            next sync, together with the log's
 *   @others  taken for migration, in no epoch yet: the next scan gets them,
 *            together with the log's
 *
 * Both are done with the BQL, so neither sees the other half way, and on the
 * vCPU's own thread: TCG sets a bit and then, a moment later, stops watching the
 * page.  Whoever took the bit from another thread in that moment, and armed the
 * page before it ended, would never hear of that page again.
 *
 * A page that an incoming migration writes is in no log: migration says so by
 * ckpt_dirty_arrived(), and it goes to @others.
 *
 * What is taken is re-armed at once and for the whole block: each re-arming
 * walks the whole TLB (TCG) or is a system call (KVM).  A page is therefore
 * armed before either of the two reads it, and a later write is seen by both.
 *
 * The log is on under a flag of our own.  A migration that ends, well or badly,
 * takes its own flag back and leaves ours.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bitops.h"
#include "qemu/rcu.h"
#include "exec/memory.h"
#include "exec/ram_addr.h"
#include "exec/ramblock.h"
#include "hw/core/cpu.h"
#include "system/runstate.h"
#include "ckpt-engine-internal.h"

/* Whose log this is, while it is on. */
static CkptRam *dirty_ram;

/**
 * ckpt_dirty_init: make the bitmaps
 * @ram: main RAM, n_pages set
 */
void ckpt_dirty_init(CkptRam *ram)
{
    ram->dirty = bitmap_new(ram->n_pages);
    ram->owed = bitmap_new(ram->n_pages);
    ram->others = bitmap_new(ram->n_pages);
}

/**
 * ckpt_dirty_start: begin to record which pages change
 * @ram: main RAM
 * @errp: why it cannot be done
 *
 * Return: false on failure.
 */
bool ckpt_dirty_start(CkptRam *ram, Error **errp)
{
    assert(!dirty_ram);
    if (!memory_global_dirty_log_start(GLOBAL_DIRTY_CKPT, errp)) {
        return false;
    }
    dirty_ram = ram;
    return true;
}

/* Word @k of RAM's dirty bits.  Context: RCU read lock. */
static unsigned long *log_word(const CkptRam *ram, uint64_t k)
{
    unsigned long page = (ram->block->offset >> TARGET_PAGE_BITS) +
                         k * BITS_PER_LONG;
    unsigned long *const *blocks =
        qatomic_rcu_read(&ram_list.dirty_memory[DIRTY_MEMORY_MIGRATION])
            ->blocks;

    return &blocks[page / DIRTY_MEMORY_BLOCK_SIZE]
                  [BIT_WORD(page % DIRTY_MEMORY_BLOCK_SIZE)];
}

/* Take word @k of the log.  Context: RCU read lock. */
static unsigned long take_word(const CkptRam *ram, uint64_t k)
{
    unsigned long *word = log_word(ram, k);

    return qatomic_read(word) ? qatomic_xchg(word, 0) : 0;
}

static void arm(const CkptRam *ram)
{
    uint64_t bytes = ram->n_pages * CKPT_PAGE_BYTES;

    cpu_physical_memory_dirty_bits_cleared(ram->block->offset, bytes);
    memory_region_clear_dirty_bitmap(ram->block->mr, 0, bytes);
}

/**
 * ckpt_dirty_any: has any page changed since the last scan?
 * @ram: main RAM
 *
 * Return: true if so.
 * Context: any thread with the BQL; the vCPU may run.
 */
bool ckpt_dirty_any(CkptRam *ram)
{
    uint64_t k;

    memory_global_dirty_log_sync(false);
    RCU_READ_LOCK_GUARD();
    for (k = 0; k < BITS_TO_LONGS(ram->n_pages); k++) {
        if (ram->others[k] || qatomic_read(log_word(ram, k))) {
            return true;
        }
    }
    return false;
}

/**
 * ckpt_dirty_scan: an epoch ends: what changed in it, and arm the log again
 * @ram: main RAM; @ram->dirty is filled in
 * @full: every page counts as dirty
 *
 * Context: BQL; the vCPU does not run: this is its thread, or it has not
 * started.
 */
void ckpt_dirty_scan(CkptRam *ram, bool full)
{
    bool migrates = global_dirty_tracking & GLOBAL_DIRTY_MIGRATION;
    bool any = false;
    uint64_t k;

    memory_global_dirty_log_sync(false);
    WITH_RCU_READ_LOCK_GUARD() {
        for (k = 0; k < BITS_TO_LONGS(ram->n_pages); k++) {
            unsigned long word = take_word(ram, k);

            any |= word != 0;
            ram->dirty[k] = word | ram->others[k];
            ram->others[k] = 0;
            if (migrates) {
                ram->owed[k] |= word;
            }
        }
    }
    if (any) {
        arm(ram);
    }
    if (full) {
        bitmap_fill(ram->dirty, ram->n_pages);
    }
}

typedef struct Share {
    CkptRam *ram;
    uint64_t n_new;
} Share;

/* Context: BQL; the vCPU does not run. */
static void share(CPUState *cpu, run_on_cpu_data data)
{
    Share *s = data.host_ptr;
    CkptRam *ram = s->ram;
    unsigned long *bmap = ram->block->bmap;
    bool any = false;
    uint64_t k;

    RCU_READ_LOCK_GUARD();
    for (k = 0; k < BITS_TO_LONGS(ram->n_pages); k++) {
        unsigned long word = take_word(ram, k);

        any |= word != 0;
        ram->others[k] |= word;
        word |= ram->owed[k];
        ram->owed[k] = 0;
        s->n_new += ctpopl(word & ~bmap[k]);
        bmap[k] |= word;
    }
    if (any) {
        arm(ram);
    }
}

/**
 * ckpt_dirty_share: migration wants to know what changed in a block
 * @rb: the block; its bitmap gets the bits
 * @ret_new_pages: how many it did not have
 *
 * Return: false when the block is not ours and migration reads the log itself.
 * Context: migration's thread, BQL (given up while it waits for a vCPU that
 * runs), migration's lock of @rb's bitmap; the log has been synced.
 */
bool ckpt_dirty_share(RAMBlock *rb, uint64_t *ret_new_pages)
{
    Share s = { .ram = dirty_ram };
    run_on_cpu_data data = RUN_ON_CPU_HOST_PTR(&s);

    if (!dirty_ram || rb != dirty_ram->block) {
        return false;
    }
    if (runstate_is_running()) {
        run_on_cpu(first_cpu, share, data);
    } else {
        share(first_cpu, data);
    }
    *ret_new_pages = s.n_new;
    return true;
}

/**
 * ckpt_dirty_arrived: an incoming migration has written a page
 * @haddr: where, in any block
 *
 * Context: main loop, BQL.
 */
void ckpt_dirty_arrived(void *haddr)
{
    CkptRam *ram = dirty_ram;
    uint64_t page_no;

    if (!ram || (uint8_t *)haddr < ram->host) {
        return;
    }
    page_no = ((uint8_t *)haddr - ram->host) / CKPT_PAGE_BYTES;
    if (page_no < ram->n_pages) {
        set_bit(page_no, ram->others);
    }
}
