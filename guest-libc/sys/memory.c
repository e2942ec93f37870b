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

#define PROT_KNOWN (PROT_READ | PROT_WRITE | PROT_EXEC)

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

static long map_at(uint64_t addr, uint64_t len_bytes, uint32_t prot,
                   uint32_t how)
{
    if (!prot) {
        how |= SYS_MAP_RESERVE;
    }
    return prim_map(addr, len_bytes, prot, how);
}

static long map_anonymous(uint64_t addr, uint64_t len_bytes, uint32_t prot,
                          uint32_t flags)
{
    long ret;

    if (len_bytes >= USER_END) {
        return -ENOMEM;
    }
    /* What replaces something may be no more than there was. */
    if (!(flags & MAP_FIXED) &&
        limit_memory(page_up(len_bytes), prot & PROT_WRITE)) {
        return -ENOMEM;
    }
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (!program_range(addr, &len_bytes)) {
            return addr & PAGE_MASK ? -EINVAL : -ENOMEM;
        }
        return map_at(addr, len_bytes, prot,
                      flags & MAP_FIXED_NOREPLACE ? SYS_MAP_NOREPLACE
                                                  : SYS_MAP_FIXED);
    }
    addr &= ~PAGE_MASK;
    if (addr >= USER_BASE && program_range(addr, &len_bytes)) {
        ret = map_at(addr, len_bytes, prot, SYS_MAP_NOREPLACE);
        if (ret >= 0) {
            return ret;
        }
    }
    return map_at(0, page_up(len_bytes), prot, 0);
}

/*
 * Files are read-only, so that a copy differs from a shared mapping in
 * nothing but the memory that it takes.
 */
static long map_file(const struct sys_args *args, uint32_t prot, uint32_t flags)
{
    bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
    uint64_t len_bytes = args->arg[1];
    long addr, ret;

    if (args->arg[5] & PAGE_MASK) {
        return -EINVAL;
    }
    ret = posix_map_check(args->arg[4], shared && (prot & PROT_WRITE));
    if (ret) {
        return ret;
    }
    addr =
        map_anonymous(args->arg[0], len_bytes, PROT_READ | PROT_WRITE, flags);
    if (addr < 0) {
        return addr;
    }
    ret = posix_map_fill(args->arg[4], args->arg[5], addr, len_bytes);
    if (!ret && prot != (PROT_READ | PROT_WRITE)) {
        ret = prim_protect(addr, page_up(len_bytes), prot, 0);
    }
    if (ret) {
        prim_unmap(addr, page_up(len_bytes), 0);
        return ret;
    }
    return addr;
}

/* mmap(addr, length, prot, flags, fd, offset) */
static long memory_mmap(struct sys_args *args)
{
    uint32_t prot = args->arg[2] & PROT_KNOWN;
    uint32_t flags = args->arg[3];

    if (!args->arg[1]) {
        return -EINVAL;
    }
    if (!(flags & MAP_ANONYMOUS)) {
        return map_file(args, prot, flags);
    }
    return map_anonymous(args->arg[0], args->arg[1], prot, flags);
}

static long memory_munmap(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1];

    if (!program_range(args->arg[0], &len_bytes)) {
        return -EINVAL;
    }
    return prim_unmap(args->arg[0], len_bytes, 0);
}

static long memory_mprotect(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1];

    if (args->arg[0] & PAGE_MASK || args->arg[2] & ~(uint64_t)PROT_KNOWN) {
        return -EINVAL;
    }
    if (!len_bytes) {
        return 0;
    }
    if (!program_range(args->arg[0], &len_bytes)) {
        return -ENOMEM;
    }
    return prim_protect(args->arg[0], len_bytes, args->arg[2], 0);
}

static long memory_mremap(struct sys_args *args)
{
    uint64_t old_bytes = args->arg[1];
    uint64_t new_bytes = args->arg[2];
    uint64_t flags = args->arg[3];
    uint64_t new_addr = args->arg[4];
    uint32_t how = 0;

    if (flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED)) {
        return -EINVAL;
    }
    if (!program_range(args->arg[0], &old_bytes) || !new_bytes ||
        new_bytes >= USER_END) {
        return -EINVAL;
    }
    new_bytes = page_up(new_bytes);
    if (new_bytes > old_bytes && limit_memory(new_bytes - old_bytes, true)) {
        return -ENOMEM;
    }
    if (flags & MREMAP_FIXED) {
        if (!(flags & MREMAP_MAYMOVE) || !program_range(new_addr, &new_bytes)) {
            return -EINVAL;
        }
        how |= SYS_REMAP_FIXED;
    }
    if (flags & MREMAP_MAYMOVE) {
        how |= SYS_REMAP_MAYMOVE;
    }
    return prim_remap(args->arg[0], old_bytes, new_bytes, how, new_addr);
}

#define MADV_LAST_KNOWN MADV_COLLAPSE

/*
 * MADV_DONTNEED gives zeros at once, which C libraries rely on; MADV_FREE may.
 * All other advice may be ignored.
 */
static long memory_madvise(struct sys_args *args)
{
    uint64_t len_bytes = args->arg[1];

    if (args->arg[0] & PAGE_MASK || args->arg[2] > MADV_LAST_KNOWN) {
        return -EINVAL;
    }
    if (!len_bytes) {
        return 0;
    }
    if (!program_range(args->arg[0], &len_bytes)) {
        return -ENOMEM;
    }
    if (args->arg[2] == MADV_DONTNEED || args->arg[2] == MADV_FREE) {
        return prim_discard(args->arg[0], len_bytes, 0);
    }
    return 0;
}

/*
 * brk(addr): grows by mappings that never replace another, so that what the
 * program has mapped in the way ends the heap's growth and nothing else.
 */
static long memory_brk(struct sys_args *args)
{
    uint64_t want = args->arg[0];
    uint64_t old_end, new_end;
    long ret = 0;

    lib_lock();
    if (want >= process.brk_start && want < USER_END) {
        old_end = page_up(process.brk_now);
        new_end = page_up(want);
        if (new_end > old_end && limit_memory(new_end - old_end, true)) {
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

/* Nothing is ever paged out: locked, in step with no file. */
static long memory_nothing(struct sys_args *args)
{
    (void)args;
    return 0;
}

const struct sys_entry memory_calls[] = {
    { __NR_mmap, "mmap", memory_mmap },
    { __NR_munmap, "munmap", memory_munmap },
    { __NR_mprotect, "mprotect", memory_mprotect },
    { __NR_mremap, "mremap", memory_mremap },
    { __NR_madvise, "madvise", memory_madvise },
    { __NR_brk, "brk", memory_brk },
    { __NR_msync, "msync", memory_nothing },
    { __NR_mlock, "mlock", memory_nothing },
    { __NR_mlock2, "mlock2", memory_nothing },
    { __NR_munlock, "munlock", memory_nothing },
    { __NR_mlockall, "mlockall", memory_nothing },
    { __NR_munlockall, "munlockall", memory_nothing },
    { 0, NULL, NULL },
};
