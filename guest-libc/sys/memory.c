/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - the program's address space
 *
 * The kernel keeps the list of mappings; here Linux's calls become its few.
 * The kernel has only anonymous memory: a mapped file is a copy of its bytes.
 * Everything must lie below USER_END, or the program could unmap the library
 * from under itself.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/mman.h>
#include "guest-libc/sys/thread.h"

#define PAGE_BYTES 4096ull
#define PAGE_MASK  (PAGE_BYTES - 1)

_Static_assert(PROT_READ == SYS_PROT_READ && PROT_WRITE == SYS_PROT_WRITE &&
                   PROT_EXEC == SYS_PROT_EXEC,
               "protection bits are Linux's");

#define OVERCOMMIT_TIMES 32u /* of the guest's memory */

#define PROT_KNOWN       (PROT_READ | PROT_WRITE | PROT_EXEC)

static uint64_t page_up(uint64_t n)
{
    return (n + PAGE_MASK) & ~PAGE_MASK;
}

/* Page aligned and wholly the program's; *len_bytes is rounded up. */
static bool program_range(uint64_t addr, uint64_t *len_bytes)
{
    if ((addr & PAGE_MASK) || !*len_bytes || *len_bytes > USER_END) {
        return false;
    }
    *len_bytes = page_up(*len_bytes);
    return addr < USER_END && *len_bytes <= USER_END - addr;
}

/**
 * lib_pages - take zeroed pages for the library
 * @len_bytes: rounded up to pages
 *
 * Return: the pages, or NULL.
 * Context: any.
 */
void *lib_pages(size_t len_bytes)
{
    long addr = prim_map(0, page_up(len_bytes), SYS_PROT_READ | SYS_PROT_WRITE,
                         SYS_MAP_LIBRARY);

    return addr < 0 ? NULL : (void *)addr;
}

/**
 * lib_pages_free - give pages back
 * @addr: from lib_pages()
 * @len_bytes: likewise
 *
 * Context: any.
 */
void lib_pages_free(void *addr, size_t len_bytes)
{
    prim_unmap((uint64_t)addr, page_up(len_bytes), SYS_MAP_LIBRARY);
}

/*
 * As Linux does it unless told otherwise: memory is promised freely, but not
 * what can never be there.  A guest is small and programs that touch little of
 * much are many, so the bound is a multiple of the memory.
 */
static bool is_too_much(uint64_t len_bytes)
{
    return len_bytes / OVERCOMMIT_TIMES > boot_ram_bytes();
}

struct map_request {
    uint64_t addr;
    uint64_t len_bytes;
    uint32_t prot;
    uint32_t flags; /* of Linux */
};

static long map_at(const struct map_request *r, uint64_t addr, uint32_t how)
{
    if (!r->prot) {
        how |= SYS_MAP_RESERVE;
    }
    if (r->flags & MAP_GROWSDOWN) {
        how |= SYS_MAP_GROWSDOWN;
    }
    return prim_map(addr, page_up(r->len_bytes), r->prot, how);
}

static long map_fixed(const struct map_request *r)
{
    uint64_t len_bytes = r->len_bytes;

    if (r->addr & PAGE_MASK) {
        return -EINVAL;
    }
    if (!program_range(r->addr, &len_bytes)) {
        return r->addr < USER_BASE ? -EPERM : -ENOMEM;
    }
    return map_at(r, r->addr,
                  r->flags & MAP_FIXED_NOREPLACE ? SYS_MAP_NOREPLACE
                                                 : SYS_MAP_FIXED);
}

static long map_anywhere(const struct map_request *r)
{
    uint64_t addr = r->addr & ~PAGE_MASK;
    uint64_t len_bytes = r->len_bytes;
    long ret;

    if (addr >= USER_BASE && program_range(addr, &len_bytes)) {
        ret = map_at(r, addr, SYS_MAP_NOREPLACE);
        if (ret >= 0) {
            return ret;
        }
    }
    if (r->flags & MAP_32BIT) {
        return map_at(r, 0, SYS_MAP_LOW);
    }
    return map_at(r, 0, 0);
}

static long map_anonymous(const struct map_request *r)
{
    if (r->len_bytes >= USER_END) {
        return -ENOMEM;
    }
    if ((r->prot & PROT_WRITE) && !(r->flags & MAP_NORESERVE) &&
        is_too_much(r->len_bytes)) {
        return -ENOMEM;
    }
    /* What replaces something may be no more than there was. */
    if (!(r->flags & MAP_FIXED) &&
        limit_memory(page_up(r->len_bytes), r->prot & PROT_WRITE)) {
        return -ENOMEM;
    }
    return r->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) ? map_fixed(r)
                                                        : map_anywhere(r);
}

/* Flags that MAP_SHARED_VALIDATE lets pass for a file. */
#define MAP_KNOWN                                                              \
    (MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN |        \
     MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE |             \
     MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB |                   \
     MAP_FIXED_NOREPLACE | MAP_HUGE_MASK << MAP_HUGE_SHIFT)

/* A copy takes its memory now, and the program cannot tell where it ended. */
static bool has_no_room(uint64_t len_bytes)
{
    return len_bytes > (uint64_t)prim_query(SYS_QUERY_FREE_BYTES);
}

/*
 * Files are read-only, so that a copy differs from a shared mapping in
 * nothing but the memory that it takes.
 */
static long map_file(const struct sys_args *args, struct map_request *r)
{
    bool shared = (r->flags & MAP_TYPE) != MAP_PRIVATE;
    uint32_t prot = r->prot;
    long addr, ret;

    ret = posix_map_check(args->arg[4], shared && (prot & PROT_WRITE));
    if (ret) {
        return ret;
    }
    if (has_no_room(r->len_bytes)) {
        return -ENOMEM;
    }
    r->prot = PROT_READ | PROT_WRITE;
    addr = map_anonymous(r);
    if (addr < 0) {
        return addr;
    }
    ret = posix_map_fill(args->arg[4], args->arg[5], addr, r->len_bytes);
    if (!ret && prot != (PROT_READ | PROT_WRITE)) {
        ret = prim_protect(addr, page_up(r->len_bytes), prot, 0);
    }
    if (ret) {
        prim_unmap(addr, page_up(r->len_bytes), 0);
        return ret;
    }
    return addr;
}

/* What the kind of mapping allows; MAP_SHARED_VALIDATE is for files only. */
static long check_kind(uint32_t flags)
{
    bool anonymous = flags & MAP_ANONYMOUS;

    switch (flags & MAP_TYPE) {
    case MAP_PRIVATE:
        return flags & MAP_GROWSDOWN && !anonymous ? -EINVAL : 0;
    case MAP_SHARED:
        return flags & MAP_GROWSDOWN ? -EINVAL : 0;
    case MAP_SHARED_VALIDATE:
        if (anonymous) {
            return -EINVAL;
        }
        if (flags & ~(uint32_t)MAP_KNOWN) {
            return -EOPNOTSUPP;
        }
        return flags & MAP_GROWSDOWN ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

/* mmap(addr, length, prot, flags, fd, offset) */
/* @linux call mmap - a file is mapped as a copy; no huge pages; MAP_POPULATE
 * and MAP_LOCKED take no memory before it is touched; refused as too much is
 * what has 32 times the size of the guest's memory
 * @test guest/programs/mappings.c "mmap: one of private and shared"
 * @test unit/libc-sys/test-memory.c "/libc-sys/memory/too-much"
 * @test guest/programs/mappings.c "MAP_GROWSDOWN grows"
 * @test guest/programs/memory.c "MAP_FIXED_NOREPLACE refuses" */
static long memory_mmap(struct sys_args *args)
{
    struct map_request r = {
        .addr = args->arg[0],
        .len_bytes = args->arg[1],
        .prot = args->arg[2] & PROT_KNOWN,
        .flags = args->arg[3],
    };
    bool anonymous = r.flags & MAP_ANONYMOUS;
    long ret;

    if (args->arg[5] & PAGE_MASK) {
        return -EINVAL;
    }
    if (!anonymous) {
        ret = posix_map_check(args->arg[4], false);
        if (ret == -EBADF) {
            return ret;
        }
    }
    if (!r.len_bytes) {
        return -EINVAL;
    }
    if (r.flags & MAP_HUGETLB) {
        return anonymous ? -ENOMEM : -EINVAL;
    }
    ret = check_kind(r.flags);
    if (ret) {
        return ret;
    }
    return anonymous ? map_anonymous(&r) : map_file(args, &r);
}

/* @linux call munmap
 * @test guest/programs/memory.c "a hole in the middle"
 * @test guest/programs/mappings.c "munmap: what is not a range" */
static long memory_munmap(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1];

    if (!program_range(args->arg[0], &len_bytes)) {
        return -EINVAL;
    }
    return prim_unmap(args->arg[0], len_bytes, 0);
}

/* @linux call mprotect - all of the range or, if it has a hole, nothing
 * @test guest/programs/memory.c "read-only: no write"
 * @test guest/programs/mappings.c "mprotect: what it refuses" */
static long memory_mprotect(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1];
    uint64_t prot = args->arg[2];

    if (args->arg[0] & PAGE_MASK || prot & ~(uint64_t)(PROT_KNOWN | PROT_SEM)) {
        return -EINVAL;
    }
    if (!len_bytes) {
        return 0;
    }
    if (!program_range(args->arg[0], &len_bytes)) {
        return -ENOMEM;
    }
    return prim_protect(args->arg[0], len_bytes, prot & PROT_KNOWN, 0);
}

/* The place that MREMAP_FIXED asks for. */
static long check_new_place(uint64_t old, uint64_t old_bytes, uint64_t new_addr,
                            uint64_t new_bytes)
{
    if (!program_range(new_addr, &new_bytes) ||
        (new_addr < old + old_bytes && old < new_addr + new_bytes)) {
        return -EINVAL;
    }
    return 0;
}

/* @linux call mremap - no MREMAP_DONTUNMAP
 * @test guest/programs/memory.c "it moves with its bytes"
 * @test guest/programs/mappings.c "mremap: what it refuses" */
static long memory_mremap(struct sys_args *args)
{
    uint64_t old = args->arg[0];
    uint64_t old_bytes = args->arg[1];
    uint64_t new_bytes = args->arg[2];
    uint64_t flags = args->arg[3];
    uint32_t how = 0;
    long ret;

    if (flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED) ||
        ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) ||
        (old & PAGE_MASK) || !new_bytes || !old_bytes) {
        return -EINVAL;
    }
    if (new_bytes >= USER_END && !(flags & MREMAP_FIXED)) {
        return -ENOMEM;
    }
    if (!program_range(old, &old_bytes)) {
        return -EFAULT;
    }
    new_bytes = page_up(new_bytes);
    if (new_bytes > old_bytes && (is_too_much(new_bytes - old_bytes) ||
                                  limit_memory(new_bytes - old_bytes, true))) {
        return -ENOMEM;
    }
    if (flags & MREMAP_FIXED) {
        ret = check_new_place(old, old_bytes, args->arg[4], new_bytes);
        if (ret) {
            return ret;
        }
        how |= SYS_REMAP_FIXED;
    }
    if (flags & MREMAP_MAYMOVE) {
        how |= SYS_REMAP_MAYMOVE;
    }
    return prim_remap(old, old_bytes, new_bytes, how, args->arg[4]);
}

/*
 * A range of advice, of msync() or mlock(): 0 if all of it is mapped, -ENOMEM if
 * it is not.
 */
static long check_mapped(uint64_t addr, uint64_t len_bytes)
{
    if (!program_range(addr, &len_bytes)) {
        return -ENOMEM;
    }
    return prim_resident(addr, len_bytes, NULL);
}

/* Have every page now; one that cannot be read is -EFAULT. */
static long populate(uint64_t addr, uint64_t len_bytes)
{
    uint8_t byte;
    uint64_t at;

    for (at = addr; at < addr + len_bytes; at += PAGE_BYTES) {
        if (copy_from_user(&byte, at, 1)) {
            return -EFAULT;
        }
    }
    return 0;
}

/* Applied to what is mapped, also when that is not all. */
static long advise(uint64_t addr, uint64_t len_bytes, uint64_t advice)
{
    long ret = check_mapped(addr, len_bytes);
    long done = 0;

    if (!program_range(addr, &len_bytes)) {
        return ret;
    }
    switch (advice) {
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
    case MADV_FREE:
        done = prim_discard(addr, len_bytes, 0);
        break;
    case MADV_WIPEONFORK:
    case MADV_KEEPONFORK:
        done = prim_wipe(addr, len_bytes, advice == MADV_WIPEONFORK);
        break;
    case MADV_POPULATE_READ:
    case MADV_POPULATE_WRITE:
        return ret ? ret : populate(addr, len_bytes);
    default:
        break;
    }
    return done ? done : ret;
}

static bool advice_is_known(uint64_t advice)
{
    switch (advice) {
    case MADV_NORMAL ... MADV_DONTNEED:
    case MADV_FREE:
    case MADV_DONTFORK ... MADV_COLLAPSE:
        return true;
    default: /* MADV_REMOVE: of shared memory with a file behind it only */
        return false;
    }
}

/*
 * MADV_DONTNEED gives zeros at once, which C libraries rely on; MADV_FREE may.
 * What MADV_WIPEONFORK names is zero in the next line of the guest (R2), as in
 * the child of a fork.  All other advice may be ignored.
 */
/* @linux call madvise - MADV_WIPEONFORK: pages are zero after a start from a
 * named checkpoint and after a rollback, too; advice about huge pages, sharing
 * and dumps has no effect
 * @test guest/programs/mappings.c "madvise: a hole is ENOMEM"
 * @test guest/programs/memory.c "MADV_DONTNEED gives zeros, its neighbours stay"
 * @test functional/test_lines.py "test_rollback_resets" */
static long memory_madvise(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1];

    if (args->arg[0] & PAGE_MASK || !advice_is_known(args->arg[2]) ||
        len_bytes > -PAGE_BYTES || args->arg[0] + len_bytes < args->arg[0]) {
        return -EINVAL;
    }
    if (!len_bytes) {
        return 0;
    }
    return advise(args->arg[0], len_bytes, args->arg[2]);
}

/*
 * brk(addr): grows by mappings that never replace another, so that what the
 * program has mapped in the way ends the heap's growth and nothing else.
 */
/* @linux call brk
 * @test guest/programs/memory.c "brk grows"
 * @test guest/programs/memory.c "an impossible end changes nothing" */
static long memory_brk(struct sys_args *args)
{
    uint64_t want = args->arg[0];
    uint64_t old_end, new_end;
    long ret = 0;

    lib_lock();
    if (want >= process.brk_start && want < USER_END) {
        old_end = page_up(process.brk_now);
        new_end = page_up(want);
        if (new_end > old_end && (is_too_much(new_end - old_end) ||
                                  limit_memory(new_end - old_end, true))) {
            ret = -ENOMEM;
        } else if (new_end > old_end) {
            ret = prim_map(old_end, new_end - old_end,
                           SYS_PROT_READ | SYS_PROT_WRITE, SYS_MAP_NOREPLACE);
        } else if (new_end < old_end) {
            ret = prim_unmap(new_end, old_end - new_end, 0);
        }
        if (ret >= 0) {
            process.brk_now = want;
        }
    }
    ret = process.brk_now;
    lib_unlock();
    return ret;
}

/* Files are read-only: every mapping is in step with them. */
/* @linux call msync
 * @test guest/programs/mappings.c "msync: a hole is ENOMEM" */
static long memory_msync(struct sys_args *args)
{
    uint64_t flags = args->arg[2];

    if (flags & ~(uint64_t)(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ||
        (args->arg[0] & PAGE_MASK) ||
        ((flags & MS_ASYNC) && (flags & MS_SYNC))) {
        return -EINVAL;
    }
    return args->arg[1] ? check_mapped(args->arg[0], args->arg[1]) : 0;
}

/* Whole pages around the range, as Linux takes them for these calls. */
static long check_locked(uint64_t addr, uint64_t len_bytes)
{
    if (addr + len_bytes < addr || len_bytes > -PAGE_BYTES) {
        return -EINVAL;
    }
    if (!len_bytes) {
        return 0;
    }
    len_bytes += addr & PAGE_MASK;
    return check_mapped(addr & ~PAGE_MASK, len_bytes);
}

/* Nothing is ever paged out. */
/* @linux call mlock munlock - takes no memory before it is touched
 * @test guest/programs/mappings.c "mlock: a hole is ENOMEM" */
static long memory_mlock(struct sys_args *args)
{
    return check_locked(args->arg[0], args->arg[1]);
}

/* @linux call mlock2 - takes no memory before it is touched
 * @test guest/programs/mappings.c "mlock2: unknown flags" */
static long memory_mlock2(struct sys_args *args)
{
    if (args->arg[2] & ~(uint64_t)MLOCK_ONFAULT) {
        return -EINVAL;
    }
    return check_locked(args->arg[0], args->arg[1]);
}

/* @linux call mlockall - takes no memory before it is touched
 * @test guest/programs/mappings.c "mlockall: what it refuses" */
static long memory_mlockall(struct sys_args *args)
{
    uint64_t flags = args->arg[0];

    if (!flags || flags & ~(uint64_t)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ||
        flags == MCL_ONFAULT) {
        return -EINVAL;
    }
    return 0;
}

/* @linux call munlockall
 * @test guest/programs/mappings.c "munlockall" */
static long memory_munlockall(struct sys_args *args)
{
    (void)args;
    return 0;
}

/* mincore(addr, length, vec) */
/* @linux call mincore
 * @test guest/programs/mappings.c "mincore: what was touched" */
static long memory_mincore(struct sys_args *args)
{
    static uint8_t pages[SYS_RESIDENT_MAX] BULKY; /* lock */
    uint64_t addr = args->arg[0];
    uint64_t len_bytes = args->arg[1];
    uint64_t user_vec = args->arg[2];
    uint64_t part;
    long ret = 0;

    if (addr & PAGE_MASK) {
        return -EINVAL;
    }
    if (!len_bytes) {
        return 0;
    }
    if (!program_range(addr, &len_bytes)) {
        return -ENOMEM;
    }
    lib_lock();
    for (; len_bytes && !ret; len_bytes -= part, addr += part) {
        part = SYS_RESIDENT_MAX * PAGE_BYTES;
        part = part < len_bytes ? part : len_bytes;
        ret = prim_resident(addr, part, pages);
        if (!ret && copy_to_user(user_vec, pages, part / PAGE_BYTES)) {
            ret = -EFAULT;
        }
        user_vec += part / PAGE_BYTES;
    }
    lib_unlock();
    return ret;
}

const struct sys_entry memory_calls[] = {
    { __NR_mmap, "mmap", memory_mmap },
    { __NR_munmap, "munmap", memory_munmap },
    { __NR_mprotect, "mprotect", memory_mprotect },
    { __NR_mremap, "mremap", memory_mremap },
    { __NR_madvise, "madvise", memory_madvise },
    { __NR_brk, "brk", memory_brk },
    { __NR_mincore, "mincore", memory_mincore },
    { __NR_msync, "msync", memory_msync },
    { __NR_mlock, "mlock", memory_mlock },
    { __NR_mlock2, "mlock2", memory_mlock2 },
    { __NR_munlock, "munlock", memory_mlock },
    { __NR_mlockall, "mlockall", memory_mlockall },
    { __NR_munlockall, "munlockall", memory_munlockall },
    { 0, NULL, NULL },
};
