/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prim-sluice.c - the layer below is the Sluice kernel
 *
 * One kernel call each (abi/guest-syscall.h); only the clocks need none.
 */
#include <errno.h>
#include "guest-libc/sys/libos.h"
#include "guest-libc/sys/shared-clock.h"

#define RANDOM_MAX 256u /* bytes of one SYS_RANDOM */

static const struct guest_shared *shared;

static long kernel_call(long number, uint64_t a, uint64_t b, uint64_t c,
                        uint64_t d, uint64_t e)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return ret;
}

void prim_boot(const struct boot_info *info)
{
    shared = (const struct guest_shared *)info->shared;
}

void prim_handler_set(void)
{
    long ret = kernel_call(SYS_HANDLER_SET, (uint64_t)reflect_entry,
                           (uint64_t)upcall_entry, (uint64_t)library_text_start,
                           (uint64_t)library_text_end, 0);

    lib_assert(ret == 0);
}

_Noreturn void prim_exit(uint32_t status)
{
    for (;;) {
        kernel_call(SYS_EXIT, status, 0, 0, 0, 0);
    }
}

void prim_ending(uint32_t status)
{
    /* For people only: nothing depends on it. */
    kernel_call(SYS_ENDING, status, 0, 0, 0, 0);
}

long prim_log(const void *buf, size_t len_bytes)
{
    return kernel_call(SYS_LOG, (uint64_t)buf, len_bytes, 0, 0, 0);
}

void prim_random(void *buf, size_t len_bytes)
{
    uint8_t *to = buf;
    size_t n;

    for (; len_bytes; len_bytes -= n, to += n) {
        n = len_bytes < RANDOM_MAX ? len_bytes : RANDOM_MAX;
        /* Without entropy nothing that asks for it may go on. */
        if (kernel_call(SYS_RANDOM, (uint64_t)to, n, 0, 0, 0) < 0) {
            lib_panic("no entropy from the host");
        }
    }
}

long prim_wait(const uint32_t *addr, uint32_t value, uint64_t deadline_ns)
{
    return kernel_call(SYS_WAIT, (uint64_t)addr, value, deadline_ns, 0, 0);
}

long prim_wake(const uint32_t *addr, uint32_t count)
{
    return kernel_call(SYS_WAKE, (uint64_t)addr, count, 0, 0, 0);
}

void prim_yield(void)
{
    kernel_call(SYS_YIELD, 0, 0, 0, 0, 0);
}

long prim_map(uint64_t addr, size_t len_bytes, uint32_t prot, uint32_t flags)
{
    return kernel_call(SYS_MAP, addr, len_bytes, prot, flags, 0);
}

long prim_unmap(uint64_t addr, size_t len_bytes, uint32_t flags)
{
    return kernel_call(SYS_UNMAP, addr, len_bytes, flags, 0, 0);
}

long prim_protect(uint64_t addr, size_t len_bytes, uint32_t prot,
                  uint32_t flags)
{
    return kernel_call(SYS_PROTECT, addr, len_bytes, prot, flags, 0);
}

long prim_remap(uint64_t old, size_t old_bytes, size_t new_bytes,
                uint32_t flags, uint64_t new_addr)
{
    return kernel_call(SYS_REMAP, old, old_bytes, new_bytes, flags, new_addr);
}

long prim_discard(uint64_t addr, size_t len_bytes, uint32_t flags)
{
    return kernel_call(SYS_DISCARD, addr, len_bytes, flags, 0, 0);
}

long prim_resident(uint64_t addr, size_t len_bytes, uint8_t *ret_pages)
{
    return kernel_call(SYS_RESIDENT, addr, len_bytes, (uint64_t)ret_pages, 0,
                       0);
}

long prim_wipe(uint64_t addr, size_t len_bytes, bool on)
{
    return kernel_call(SYS_WIPE, addr, len_bytes, on, 0, 0);
}

long prim_areas(uint64_t from, struct sys_area *ret_areas, uint32_t n)
{
    return kernel_call(SYS_AREAS, from, (uint64_t)ret_areas, n, 0, 0);
}

long prim_thread_create(const struct sys_thread *thread)
{
    return kernel_call(SYS_THREAD_CREATE, (uint64_t)thread, 0, 0, 0, 0);
}

void prim_thread_adopt(struct sys_ublock *ublock)
{
    long ret = kernel_call(SYS_THREAD_SET, SYS_THREAD_UBLOCK, (uint64_t)ublock,
                           0, 0, 0);

    lib_assert(ret == 0);
    ret = kernel_call(SYS_THREAD_SET, SYS_THREAD_GS, (uint64_t)ublock, 0, 0, 0);
    lib_assert(ret == 0);
}

_Noreturn void prim_thread_exit(void *block, size_t len_bytes)
{
    for (;;) {
        kernel_call(SYS_THREAD_EXIT, 0, (uint64_t)block, len_bytes, 0, 0);
    }
}

long prim_thread_set(enum sys_thread_reg reg, uint64_t value)
{
    return kernel_call(SYS_THREAD_SET, reg, value, 0, 0, 0);
}

long prim_interrupt(int tid, uint32_t bits)
{
    return kernel_call(SYS_THREAD_INTERRUPT, tid, bits, 0, 0, 0);
}

_Noreturn void prim_resume(const struct sys_context *context)
{
    kernel_call(SYS_RESUME, (uint64_t)context, 0, 0, 0, 0);
    lib_panic("resume failed: rip %lx rsp %lx", context->rip, context->rsp);
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
    return __atomic_load_n(&shared->generation, __ATOMIC_ACQUIRE);
}

const uint64_t *prim_line(void)
{
    return &shared->line;
}

long prim_net_attach(const uint8_t *mac, struct sys_net **ret_net)
{
    return kernel_call(SYS_NET_ATTACH, (uint64_t)mac, (uint64_t)ret_net, 0, 0,
                       0);
}

long prim_net_send(const struct sys_iov *iov, uint32_t n)
{
    return kernel_call(SYS_NET_SEND, (uint64_t)iov, n, 0, 0, 0);
}

long prim_commit(uint32_t flags)
{
    return kernel_call(SYS_COMMIT, flags, 0, 0, 0, 0);
}

long prim_query(enum sys_query query)
{
    return kernel_call(SYS_QUERY, query, 0, 0, 0, 0);
}

long prim_thread_cpu_ns(int tid)
{
    return kernel_call(SYS_QUERY, SYS_QUERY_THREAD_CPU_NS, tid, 0, 0, 0);
}

long prim_mailbox(struct ckpt_mbox *ret_message)
{
    return kernel_call(SYS_MAILBOX, (uint64_t)ret_message, 0, 0, 0, 0);
}
