/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prim-linux.c - the layer below is Linux: plain calls
 *
 * The library keeps its place in the address space (LIBRARY_BASE and up) and
 * the program its own (below USER_END), as in the guest.  Linux would choose
 * addresses above USER_END for everything, so they are chosen here: each range
 * has a cursor that only goes up, plenty for a test run.
 */
#include <errno.h>
#include <linux/signal.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/time_types.h>
#include <linux/sysinfo.h>
#include "guest-libc/host/host.h"
#include "guest-libc/host/linux-call.h"
#include "guest-libc/sys/libos.h"
#include "guest-libc/sys/shared-clock.h"

#define PAGE_MASK     4095ull
#define PROGRAM_MAPS  0x0000200000000000ull
#define MAP_GAP_BYTES 4096ull /* keeps mappings from being adjacent */
#define NS_PER_SEC    1000000000ull
#define STDOUT        1

static const struct guest_shared *shared;
static uint64_t program_cursor = PROGRAM_MAPS;
static uint64_t library_cursor = LIBRARY_HEAP;

void prim_boot(const struct boot_info *info)
{
    shared = (const struct guest_shared *)info->shared;
}

_Noreturn void prim_exit(uint32_t status)
{
    uint32_t sig = status & 0xff;
    uint64_t default_action[4] = { 0 };

    if (status & CKPT_EXIT_SIGNALLED) {
        linux_call(__NR_rt_sigaction, sig, (uint64_t)default_action, 0, 8);
        linux_call(__NR_kill, linux_call(__NR_getpid, 0, 0, 0, 0), sig, 0, 0);
    }
    for (;;) {
        linux_call(__NR_exit_group, sig, 0, 0, 0);
    }
}

void prim_ending(uint32_t status)
{
    (void)status; /* who started the runner waits for its end */
}

long prim_log(const void *buf, size_t len_bytes)
{
    return linux_call(__NR_write, STDOUT, (uint64_t)buf, len_bytes, 0);
}

void prim_random(void *buf, size_t len_bytes)
{
    uint64_t to = (uint64_t)buf;
    long n;

    while (len_bytes) {
        n = linux_call(__NR_getrandom, to, len_bytes, 0, 0);
        if (n > 0) {
            to += n;
            len_bytes -= n;
        }
    }
}

long prim_wait(const uint32_t *addr, uint32_t value, uint64_t deadline_ns)
{
    struct __kernel_timespec ts;
    uint64_t now_ns, left_ns = 0;

    if (deadline_ns != SYS_FOREVER) {
        now_ns = prim_now_ns();
        left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        ts.tv_sec = left_ns / NS_PER_SEC;
        ts.tv_nsec = left_ns % NS_PER_SEC;
    }
    return linux_call(__NR_futex, (uint64_t)addr, FUTEX_WAIT_PRIVATE, value,
                      deadline_ns == SYS_FOREVER ? 0 : (uint64_t)&ts);
}

long prim_wake(const uint32_t *addr, uint32_t count)
{
    return linux_call(__NR_futex, (uint64_t)addr, FUTEX_WAKE_PRIVATE,
                      count > INT32_MAX ? INT32_MAX : count, 0);
}

void prim_yield(void)
{
    linux_call(__NR_sched_yield, 0, 0, 0, 0);
}

static long map_fixed(uint64_t addr, size_t len_bytes, uint32_t prot,
                      uint32_t fixed)
{
    return linux_call6(__NR_mmap, addr, len_bytes, prot,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1,
                       0);
}

long prim_map(uint64_t addr, size_t len_bytes, uint32_t prot, uint32_t flags)
{
    uint32_t how = flags & SYS_MAP_GROWSDOWN ? MAP_GROWSDOWN : 0;
    uint64_t *cursor =
        flags & SYS_MAP_LIBRARY ? &library_cursor : &program_cursor;
    uint64_t step = ((len_bytes + PAGE_MASK) & ~PAGE_MASK) + MAP_GAP_BYTES;
    long ret;

    if (flags & SYS_MAP_FIXED) {
        return map_fixed(addr, len_bytes, prot, how | MAP_FIXED);
    }
    if (flags & SYS_MAP_NOREPLACE) {
        return map_fixed(addr, len_bytes, prot, how | MAP_FIXED_NOREPLACE);
    }
    if (flags & SYS_MAP_LOW) {
        return map_fixed(0, len_bytes, prot, how | MAP_32BIT);
    }
    do {
        addr = __atomic_fetch_add(cursor, step, __ATOMIC_RELAXED);
        ret = map_fixed(addr, len_bytes, prot, how | MAP_FIXED_NOREPLACE);
    } while (ret == -EEXIST);
    return ret;
}

long prim_unmap(uint64_t addr, size_t len_bytes, uint32_t flags)
{
    (void)flags;
    return linux_call(__NR_munmap, addr, len_bytes, 0, 0);
}

long prim_protect(uint64_t addr, size_t len_bytes, uint32_t prot,
                  uint32_t flags)
{
    (void)flags;
    return linux_call(__NR_mprotect, addr, len_bytes, prot, 0);
}

long prim_remap(uint64_t old, size_t old_bytes, size_t new_bytes,
                uint32_t flags, uint64_t new_addr)
{
    uint32_t how = flags & SYS_REMAP_FIXED ? MREMAP_MAYMOVE | MREMAP_FIXED : 0;
    long ret =
        linux_call6(__NR_mremap, old, old_bytes, new_bytes, how, new_addr, 0);

    if (ret != -ENOMEM || !(flags & SYS_REMAP_MAYMOVE) || how) {
        return ret;
    }
    new_addr = __atomic_fetch_add(&program_cursor, new_bytes + MAP_GAP_BYTES,
                                  __ATOMIC_RELAXED);
    return linux_call6(__NR_mremap, old, old_bytes, new_bytes,
                       MREMAP_MAYMOVE | MREMAP_FIXED, new_addr, 0);
}

long prim_discard(uint64_t addr, size_t len_bytes, uint32_t flags)
{
    (void)flags;
    return linux_call(__NR_madvise, addr, len_bytes, MADV_DONTNEED, 0);
}

long prim_resident(uint64_t addr, size_t len_bytes, uint8_t *ret_pages)
{
    if (!ret_pages) {
        return linux_call(__NR_msync, addr, len_bytes, MS_ASYNC, 0);
    }
    return linux_call(__NR_mincore, addr, len_bytes, (uint64_t)ret_pages, 0);
}

long prim_wipe(uint64_t addr, size_t len_bytes, bool on)
{
    return linux_call(__NR_madvise, addr, len_bytes,
                      on ? MADV_WIPEONFORK : MADV_KEEPONFORK, 0);
}

uint64_t prim_now_ns(void)
{
    uint64_t offset_ns;

    return shared_clock_read(shared, &offset_ns);
}

uint64_t prim_wall_ns(void)
{
    uint64_t offset_ns;
    uint64_t now_ns = shared_clock_read(shared, &offset_ns);

    return now_ns + offset_ns;
}

uint64_t prim_wall_offset_ns(void)
{
    uint64_t offset_ns;

    shared_clock_read(shared, &offset_ns);
    return offset_ns;
}

uint64_t prim_generation(void)
{
    return shared->generation;
}

const uint64_t *prim_line(void)
{
    return &shared->line;
}

/* There is no checkpoint of a Linux process. */
long prim_commit(uint32_t flags)
{
    (void)flags;
    return -ENOTSUP;
}

static long cpu_time_ns(long clock)
{
    struct __kernel_timespec ts = { 0 };
    long ret = linux_call(__NR_clock_gettime, clock, (uint64_t)&ts, 0, 0);

    return ret ? -ESRCH : (long)(ts.tv_sec * NS_PER_SEC + ts.tv_nsec);
}

/* Linux' number of a thread's CPU clock: see cpu_clock() of sys/clock.c. */
long prim_thread_cpu_ns(int tid)
{
    return cpu_time_ns((int32_t)(~(uint32_t)tid << 3 | 6));
}

static long free_bytes(void)
{
    struct sysinfo info = { 0 };

    linux_call(__NR_sysinfo, (uint64_t)&info, 0, 0, 0);
    return info.freeram * info.mem_unit;
}

long prim_query(enum sys_query query)
{
    switch (query) {
    case SYS_QUERY_TID:
        return linux_call(__NR_gettid, 0, 0, 0, 0);
    case SYS_QUERY_CPU_NS:
        return cpu_time_ns(CLOCK_PROCESS_CPUTIME_ID);
    case SYS_QUERY_THREAD_CPU_NS:
        return -EINVAL; /* prim_thread_cpu_ns() */
    case SYS_QUERY_FREE_BYTES:
        return free_bytes();
    case SYS_QUERY_GENERATION:
        return prim_generation();
    case SYS_QUERY_EPOCH:
    case SYS_QUERY_COMMITTED:
        return 0;
    }
    return -EINVAL;
}

/* A SIGTERM from outside is the one message that Linux sends. */
long prim_mailbox(struct ckpt_mbox *ret_message)
{
    if (!host_term_taken()) {
        return -EAGAIN;
    }
    *ret_message = (struct ckpt_mbox){ .kind = CKPT_MBOX_SIGTERM };
    return 0;
}
