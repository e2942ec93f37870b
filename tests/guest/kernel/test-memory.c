/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-memory.c - map, unmap, protect, remap, discard */
#include "kcall.h"

int library_peek(uint32_t *ret, uint64_t addr);

static int64_t free_bytes(void)
{
    return kcall(SYS_QUERY, SYS_QUERY_FREE_BYTES);
}

static bool readable(uint64_t addr)
{
    uint32_t value;

    return library_peek(&value, addr) == 0;
}

static void memory_comes_zero_and_on_touch(void)
{
    int64_t before = free_bytes();
    int64_t addr = kcall(SYS_MAP, 0, 1ul << 30, RW, 0);
    volatile uint64_t *p = (volatile uint64_t *)addr;

    CHECK(addr > 0 && (uint64_t)addr < USER_END);
    CHECK(free_bytes() >= before - (int64_t)PAGE);
    CHECK(p[0] == 0 && p[1000000] == 0);
    p[0] = 1;
    CHECK(free_bytes() <= before - 2 * (int64_t)PAGE);
    CHECK(kcall(SYS_UNMAP, addr, 1ul << 30, 0) == 0);
    CHECK(!readable((uint64_t)addr));
    addr = kcall(SYS_MAP, 0, PAGE, RW, 0);
    CHECK(*(volatile uint64_t *)addr == 0);
    CHECK(kcall(SYS_UNMAP, addr, PAGE, 0) == 0);
}

static void pages_come_back(void)
{
    int64_t before = 0;
    unsigned int i;

    for (i = 0; i < 20; i++) {
        uint8_t *p = (uint8_t *)kcall(SYS_MAP, 0, 256 * PAGE, RW, 0);

        memory_set(p, 1, 256 * PAGE);
        CHECK(kcall(SYS_UNMAP, p, 256 * PAGE, 0) == 0);
        if (i == 0) {
            before = free_bytes();
        }
    }
    CHECK(free_bytes() == before);
}

static void protect_is_enforced(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 4 * PAGE, RW, 0);
    volatile uint32_t *p = (volatile uint32_t *)addr;

    p[0] = 11;
    p[PAGE / 4] = 12;
    CHECK(kcall(SYS_PROTECT, addr, PAGE, 0, 0) == 0);
    CHECK(!readable(addr));
    CHECK(p[PAGE / 4] == 12);
    CHECK(kcall(SYS_PROTECT, addr, PAGE, SYS_PROT_READ, 0) == 0);
    CHECK(p[0] == 11);
    CHECK(kcall(SYS_WAKE, addr, 1) == 0);
    CHECK(kcall(SYS_RANDOM, addr, 8) == -EFAULT); /* read-only */
    CHECK(p[0] == 11);
    CHECK(kcall(SYS_PROTECT, addr, 4 * PAGE, RW, 0) == 0);
    CHECK(kcall(SYS_RANDOM, addr, 8) == 0);
    CHECK(kcall(SYS_PROTECT, addr - PAGE, 2 * PAGE, RW, 0) == -ENOMEM);
    CHECK(kcall(SYS_UNMAP, addr, 4 * PAGE, 0) == 0);
}

static void reserve_needs_protect(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 1ul << 36, 0, SYS_MAP_RESERVE);

    CHECK(addr < USER_END);
    CHECK(!readable(addr + PAGE));
    CHECK(kcall(SYS_PROTECT, addr + PAGE, PAGE, RW, 0) == 0);
    CHECK(readable(addr + PAGE));
    CHECK(!readable(addr));
    CHECK(!readable(addr + 2 * PAGE));
    CHECK(kcall(SYS_UNMAP, addr, 1ul << 36, 0) == 0);
}

static void discard_makes_zero(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 8 * PAGE, RW, 0);
    volatile uint32_t *p = (volatile uint32_t *)addr;
    int64_t before;

    memory_set((void *)addr, 9, 8 * PAGE);
    before = free_bytes();
    CHECK(kcall(SYS_DISCARD, addr + PAGE, 6 * PAGE, 0) == 0);
    CHECK(free_bytes() == before + 6 * (int64_t)PAGE);
    CHECK(p[0] == 0x09090909 && p[7 * PAGE / 4] == 0x09090909);
    CHECK(p[PAGE / 4] == 0 && p[6 * PAGE / 4] == 0);
    CHECK(kcall(SYS_UNMAP, addr, 8 * PAGE, 0) == 0);
}

static void remap_moves_pages(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 4 * PAGE, RW, 0);
    volatile uint32_t *p = (volatile uint32_t *)addr;
    int64_t moved;
    int64_t before;

    p[0] = 21;
    p[3 * PAGE / 4] = 24;
    before = free_bytes();
    moved = kcall6(SYS_REMAP, addr, 4 * PAGE, 64 * PAGE, SYS_REMAP_MAYMOVE, 0);
    CHECK(moved > 0);
    p = (volatile uint32_t *)moved;
    CHECK(p[0] == 21 && p[3 * PAGE / 4] == 24 && p[63 * PAGE / 4] == 0);
    CHECK(free_bytes() >= before - 4 * (int64_t)PAGE);
    CHECK((uint64_t)moved == addr || !readable(addr));
    CHECK(kcall6(SYS_REMAP, moved, 64 * PAGE, PAGE, 0, 0) == moved);
    CHECK(p[0] == 21 && !readable((uint64_t)moved + PAGE));
    CHECK(kcall6(SYS_REMAP, moved, PAGE, 2 * PAGE,
                 SYS_REMAP_MAYMOVE | SYS_REMAP_FIXED,
                 0x40000000) == 0x40000000);
    CHECK(*(volatile uint32_t *)0x40000000 == 21);
    CHECK(!readable((uint64_t)moved));
    CHECK(kcall6(SYS_REMAP, 0x40000000, PAGE, PAGE, SYS_REMAP_FIXED,
                 0x40000000) == -EINVAL);
    CHECK(kcall6(SYS_REMAP, 0x50000000, PAGE, PAGE, 0, 0) == -EFAULT);
    CHECK(kcall(SYS_UNMAP, 0x40000000, 2 * PAGE, 0) == 0);
}

static void fixed_replaces_and_noreplace_does_not(void)
{
    volatile uint32_t *p = (volatile uint32_t *)0x60000000;

    CHECK(kcall(SYS_MAP, 0x60000000, 4 * PAGE, RW, SYS_MAP_NOREPLACE) ==
          0x60000000);
    p[0] = 31;
    CHECK(kcall(SYS_MAP, 0x60001000, PAGE, RW, SYS_MAP_NOREPLACE) == -EEXIST);
    CHECK(kcall(SYS_MAP, 0x60000000, PAGE, RW, 0) != 0x60000000);
    CHECK(p[0] == 31);
    CHECK(kcall(SYS_MAP, 0x60000000, PAGE, RW, SYS_MAP_FIXED) == 0x60000000);
    CHECK(p[0] == 0);
    CHECK(kcall(SYS_UNMAP, 0x5f000000, 0x2000000, 0) == 0);
    CHECK(!readable(0x60000000) && !readable(0x60003000));
}

static void the_librarys_range_is_closed_to_programs(void)
{
    uint64_t text = (uint64_t)text_lo;
    int64_t addr;

    CHECK(kcall(SYS_UNMAP, text, PAGE, 0) == -EINVAL);
    CHECK(kcall(SYS_UNMAP, text, PAGE, SYS_MAP_LIBRARY) == -EACCES);
    CHECK(kcall(SYS_PROTECT, text, PAGE, RW, SYS_MAP_LIBRARY) == -EACCES);
    CHECK(kcall(SYS_MAP, text, PAGE, RW, SYS_MAP_FIXED) == -EINVAL);
    CHECK(kcall(SYS_MAP, BOOT_BASE, PAGE, RW,
                SYS_MAP_FIXED | SYS_MAP_LIBRARY) == -EINVAL);
    CHECK(kcall(SYS_MAP, 0, PAGE, RW | SYS_PROT_EXEC, SYS_MAP_LIBRARY) ==
          -EINVAL);
    CHECK(kcall(SYS_MAP, 0xffff800000000000, PAGE, RW, SYS_MAP_FIXED) ==
          -EINVAL);
    CHECK(kcall(SYS_MAP, USER_END - PAGE, 2 * PAGE, RW, SYS_MAP_FIXED) ==
          -EINVAL);
    CHECK(kcall(SYS_MAP, 0, (uint64_t)-PAGE, RW, 0) == -EINVAL);
    CHECK(kcall(SYS_MAP, 0, 1ul << 47, RW, 0) < 0);
    CHECK(kcall(SYS_MAP, 0, 0, RW, 0) == -EINVAL);
    CHECK(kcall(SYS_MAP, 0, PAGE, 0x100, 0) == -EINVAL);
    addr = kcall(SYS_MAP, 0, PAGE, RW, SYS_MAP_LIBRARY);
    CHECK((uint64_t)addr >= LIBRARY_HEAP && (uint64_t)addr < BOOT_BASE);
    CHECK(kcall(SYS_UNMAP, addr, PAGE, 0) == -EINVAL);
    CHECK(kcall(SYS_UNMAP, addr, PAGE, SYS_MAP_LIBRARY) == 0);
}

static void a_program_may_map_wx(void)
{
    int64_t addr = kcall(SYS_MAP, 0, PAGE, RW | SYS_PROT_EXEC, 0);
    uint8_t *p = (uint8_t *)addr;

    CHECK(addr > 0);
    p[0] = 0xb8; /* mov $42, %eax; ret */
    p[1] = 42;
    p[5] = 0xc3;
    CHECK(((int (*)(void))addr)() == 42);
    CHECK(kcall(SYS_UNMAP, addr, PAGE, 0) == 0);
}

#define TRIES_MAX 12u /* pages until a thread can be made */

static uint32_t waited_for;

static void wait_once(uint64_t slot)
{
    (void)slot;
    kcall(SYS_WAIT, &waited_for, 0, SYS_FOREVER);
}

/*
 * With no memory left, calls that need some say so.  They lose none: when as
 * much is given back as a thread needs, it can be made.
 */
static void out_of_memory_is_survived(void)
{
    int64_t before = free_bytes();
    uint64_t bytes = ((uint64_t)before & ~(PAGE - 1)) + (64ul << 20);
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, bytes, RW, 0);
    uint64_t at, given = addr;
    unsigned int slot = 1;
    int64_t made;

    for (at = addr; free_bytes() >= 2 * (int64_t)PAGE; at += PAGE) {
        CHECK(readable(at));
    }
    waited_for = 0;
    while ((made = start_thread(slot, wait_once, slot)) > 0) {
        CHECK(slot < THREADS_MAX - 1); /* those that had a stack already */
        slot++;
    }
    CHECK(made == -ENOMEM);
    while ((made = start_thread(slot, wait_once, slot)) < 0) {
        CHECK(made == -ENOMEM && given - addr < TRIES_MAX * PAGE);
        CHECK(kcall(SYS_DISCARD, given, PAGE, 0) == 0);
        given += PAGE;
    }
    __atomic_store_n(&waited_for, 1, __ATOMIC_RELEASE);
    kcall(SYS_WAKE, &waited_for, UINT32_MAX);
    for (; slot > 0; slot--) {
        join_thread(slot);
    }
    CHECK(kcall(SYS_UNMAP, addr, bytes, 0) == 0);
    CHECK(free_bytes() > before - 40 * (int64_t)PAGE);
}

static void a_thousand_areas_split_and_join(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 2000 * PAGE, RW, 0);
    int64_t before;
    unsigned int i, round;

    for (round = 0; round < 3; round++) {
        before = free_bytes();
        for (i = 0; i < 2000; i += 2) {
            CHECK(kcall(SYS_PROTECT, addr + i * PAGE, PAGE, SYS_PROT_READ, 0) ==
                  0);
        }
        CHECK(kcall(SYS_PROTECT, addr, 2000 * PAGE, RW, 0) == 0);
    }
    CHECK(free_bytes() == before);
    CHECK(kcall(SYS_UNMAP, addr, 2000 * PAGE, 0) == 0);
}

/*
 * How many areas lie in [start, end); the last of them is left in *area.  0:
 * the list is wrong.
 */
static unsigned int count_areas(uint64_t start, uint64_t end,
                                struct sys_area *area)
{
    struct sys_area some[3];
    unsigned int count = 0;
    int64_t n, i;

    while ((n = kcall(SYS_AREAS, start, some, 3)) > 0) {
        for (i = 0; i < n && some[i].start < end; i++) {
            if (some[i].start >= some[i].end || some[i].end <= start) {
                return 0;
            }
            *area = some[i];
            start = some[i].end;
            count++;
        }
        if (i < n) {
            break;
        }
    }
    return n < 0 ? 0 : count;
}

static void areas_are_listed(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 32 * PAGE, RW, 0);
    struct sys_area area;

    CHECK(kcall(SYS_UNMAP, addr + 16 * PAGE, 2 * PAGE, 0) == 0);
    CHECK(kcall(SYS_PROTECT, addr, PAGE, SYS_PROT_READ, 0) == 0);
    CHECK(kcall(SYS_MAP, addr + 16 * PAGE, PAGE, 0,
                SYS_MAP_NOREPLACE | SYS_MAP_RESERVE) > 0);
    *(volatile char *)(addr + 20 * PAGE) = 1;
    *(volatile char *)(addr + 21 * PAGE) = 1;
    CHECK(count_areas(addr, addr + 32 * PAGE, &area) == 4);
    CHECK(area.start == addr + 18 * PAGE && area.end >= addr + 32 * PAGE);
    CHECK(area.prot == RW && area.resident_bytes >= 2 * PAGE);
    CHECK(count_areas(addr + 16 * PAGE, addr + 17 * PAGE, &area) == 1);
    CHECK(area.prot == 0 && area.resident_bytes == 0);
    CHECK(count_areas(0, LIBRARY_END, &area) > 4);
    CHECK(kcall(SYS_AREAS, LIBRARY_END, &area, 1) == 0);
    CHECK(kcall(SYS_AREAS, 0, &area, 0) == 0);
    CHECK(kcall(SYS_AREAS, 0, &area, SYS_AREAS_MAX + 1) == -EINVAL);
    CHECK(kcall(SYS_AREAS, 0, 8, 1) == -EFAULT);
    CHECK(kcall(SYS_UNMAP, addr, 32 * PAGE, 0) == 0);
}

/* Tables and areas, too: 2 MiB apart, so that each place needs a table. */
static void moves_leave_nothing_behind(void)
{
    const uint64_t step = 2ul << 20;
    uint64_t at = 0x4000000000, to;
    int64_t before = 0;
    unsigned int i;

    CHECK(kcall(SYS_MAP, at, PAGE, RW, SYS_MAP_FIXED) == (int64_t)at);
    *(volatile uint32_t *)at = 1;
    for (i = 0; i < 300; i++) {
        to = at + step;
        CHECK(kcall6(SYS_REMAP, at, PAGE, PAGE,
                     SYS_REMAP_FIXED | SYS_REMAP_MAYMOVE, to) == (int64_t)to);
        at = to;
        if (i == 0) {
            before = free_bytes();
        }
    }
    CHECK(*(volatile uint32_t *)at == 1);
    CHECK(kcall(SYS_UNMAP, at, PAGE, 0) == 0);
    /* Above the last level, tables stay with the process: one a GiB. */
    CHECK(free_bytes() >= before);
}

static void boot_info_says_the_truth(void)
{
    const struct boot_bundle *bundle = (const void *)boot_info->bundle;

    CHECK(boot_info->magic == BOOT_INFO_MAGIC);
    CHECK(boot_info->version == SYS_ABI_VERSION);
    CHECK(bundle->magic == BOOT_BUNDLE_MAGIC);
    CHECK(boot_info->bundle_bytes == bundle->total_bytes);
    CHECK(boot_info->xsave_bytes >= 576);
    CHECK(boot_info->stack_top % 16 == 0);
    CHECK(kcall(SYS_RANDOM, boot_info, 8) == -EFAULT);
    CHECK(kcall(SYS_RANDOM, boot_info->shared, 8) == -EFAULT);
    CHECK(kcall(SYS_RANDOM, boot_info->bundle, 8) == -EFAULT);
    CHECK(!readable(boot_info->stack_top - 256 * 1024 - PAGE));
}

/* Every page that can be read is of an entry that the table shows. */
static void the_bundle_shows_nothing_of_others(void)
{
    const struct boot_bundle *bundle = (const void *)boot_info->bundle;
    const struct boot_entry *entry =
        (const void *)(boot_info->bundle + bundle->entries_offset);
    uint64_t head = bundle->entries_offset + bundle->n_entries * sizeof(*entry);
    uint64_t at;
    uint32_t i, n_readable = 0, n_own = 0;

    for (i = 0; i < bundle->n_entries; i++) {
        CHECK(entry[i].process == BOOT_SHARED ||
              entry[i].process == boot_info->process);
    }
    for (at = 0; at < boot_info->bundle_bytes; at += PAGE) {
        bool own = at < head;

        for (i = 0; i < bundle->n_entries; i++) {
            own |= at >= entry[i].offset &&
                   at < entry[i].offset + entry[i].len_bytes;
        }
        n_own += own;
        n_readable += readable(boot_info->bundle + at);
        CHECK(readable(boot_info->bundle + at) == own);
    }
    CHECK(n_own == n_readable && at / PAGE > n_own);
    for (at = head; at % PAGE != 0; at++) {
        CHECK(*(const char *)(boot_info->bundle + at) == 0);
    }
}

static void resident_pages_are_told(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 8 * PAGE, RW, 0);
    uint8_t seen[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };

    *(volatile uint8_t *)(addr + 2 * PAGE) = 1;
    CHECK(kcall(SYS_RESIDENT, addr, 7 * PAGE, seen) == 0);
    CHECK(seen[0] == 0 && seen[1] == 0 && seen[2] == 1 && seen[3] == 0);
    CHECK(seen[6] == 0 && seen[7] == 9);
    CHECK(kcall(SYS_RESIDENT, addr, 8 * PAGE, 0) == 0);
    CHECK(kcall(SYS_UNMAP, addr + 3 * PAGE, PAGE, 0) == 0);
    CHECK(kcall(SYS_RESIDENT, addr, 8 * PAGE, 0) == -ENOMEM);
    CHECK(kcall(SYS_RESIDENT, addr, 8 * PAGE, seen) == -ENOMEM);
    CHECK(kcall(SYS_RESIDENT, addr + 1, PAGE, seen) == -EINVAL);
    CHECK(kcall(SYS_RESIDENT, LIBRARY_HEAP, PAGE, seen) == -EINVAL);
    CHECK(kcall(SYS_RESIDENT, addr, (SYS_RESIDENT_MAX + 1) * PAGE, seen) ==
          -EINVAL);
    CHECK(kcall(SYS_RESIDENT, addr, PAGE, 0x5000000) == -EFAULT);
    CHECK(kcall(SYS_UNMAP, addr, 8 * PAGE, 0) == 0);
}

static void a_stack_grows_down_to_its_gap(void)
{
    const uint64_t top = 0x5000000000, low = top - 4 * SYS_GROWS_GAP;
    struct sys_area area;

    CHECK(kcall(SYS_MAP, low, PAGE, RW, SYS_MAP_FIXED) == (int64_t)low);
    CHECK(kcall(SYS_MAP, top - PAGE, PAGE, RW,
                SYS_MAP_FIXED | SYS_MAP_GROWSDOWN) == (int64_t)(top - PAGE));
    CHECK(readable(top - 9 * PAGE));
    CHECK(kcall(SYS_AREAS, top - PAGE, &area, 1) == 1);
    CHECK(area.start == top - 9 * PAGE && area.end == top);
    CHECK(readable(low + PAGE + SYS_GROWS_GAP));
    CHECK(!readable(low + SYS_GROWS_GAP));
    CHECK(kcall(SYS_PROTECT, low, PAGE, 0, 0) == 0);
    CHECK(readable(low + SYS_GROWS_GAP)); /* nobody can run over into it */
    CHECK(kcall(SYS_MAP, 0, PAGE, RW, SYS_MAP_GROWSDOWN | SYS_MAP_LIBRARY) ==
          -EINVAL);
    CHECK(kcall(SYS_UNMAP, low, top - low, 0) == 0);
}

static void low_addresses_can_be_had(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 3 * PAGE, RW, SYS_MAP_LOW);

    CHECK(addr >= USER_BASE && addr + 3 * PAGE <= 0x80000000);
    CHECK(kcall(SYS_MAP, 0, 4ul << 30, RW, SYS_MAP_LOW) == -ENOMEM);
    CHECK(kcall(SYS_UNMAP, addr, 3 * PAGE, 0) == 0);
}

static void wipe_refuses_nonsense(void)
{
    uint64_t addr = (uint64_t)kcall(SYS_MAP, 0, 3 * PAGE, RW, 0);
    struct sys_area area;

    *(volatile uint8_t *)(addr + PAGE) = 5;
    CHECK(kcall(SYS_WIPE, addr + PAGE, PAGE, 1) == 0);
    CHECK(*(volatile uint8_t *)(addr + PAGE) == 5); /* not now */
    CHECK(kcall(SYS_AREAS, addr, &area, 1) == 1 && area.end == addr + PAGE);
    CHECK(kcall(SYS_WIPE, addr + PAGE, PAGE, 0) == 0);
    CHECK(kcall(SYS_AREAS, addr, &area, 1) == 1 && area.end >= addr + 3 * PAGE);
    CHECK(kcall(SYS_WIPE, addr, PAGE, 2) == -EINVAL);
    CHECK(kcall(SYS_WIPE, LIBRARY_HEAP, PAGE, 1) == -EINVAL);
    CHECK(kcall(SYS_UNMAP, addr, 3 * PAGE, 0) == 0);
}

const struct test memory_tests[] = {
    { "memory comes zero and on touch", memory_comes_zero_and_on_touch },
    { "unmapped pages come back", pages_come_back },
    { "protect is enforced, in the kernel's copies too", protect_is_enforced },
    { "reserved addresses need protect", reserve_needs_protect },
    { "discard makes pages zero and free", discard_makes_zero },
    { "remap moves pages", remap_moves_pages },
    { "fixed replaces, noreplace does not",
      fixed_replaces_and_noreplace_does_not },
    { "the library's range is closed to programs",
      the_librarys_range_is_closed_to_programs },
    { "a program may map memory to write and run", a_program_may_map_wx },
    { "out of memory is survived", out_of_memory_is_survived },
    { "a thousand areas split and join", a_thousand_areas_split_and_join },
    { "areas are listed", areas_are_listed },
    { "moves leave nothing behind", moves_leave_nothing_behind },
    { "the bundle shows nothing of others",
      the_bundle_shows_nothing_of_others },
    { "resident pages are told", resident_pages_are_told },
    { "a stack grows down to its gap", a_stack_grows_down_to_its_gap },
    { "low addresses can be had", low_addresses_can_be_had },
    { "wipe refuses nonsense", wipe_refuses_nonsense },
    { "boot info says the truth", boot_info_says_the_truth },
};
const unsigned int n_memory_tests = N_ELEMENTS(memory_tests);
