/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-prim.c - a layer below that remembers what it was asked
 *
 * One host thread plays the program.  Time stands still unless a wait has a
 * deadline: then it jumps there.  While a thread "sleeps", on_wait() may be
 * the rest of the world.
 */
#include <asm/prctl.h>
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "guest-libc/start/bundle.h"
#include "guest-libc/sys/sys-table.h"
#include "guest-libc/sys/uaccess.h"

struct fake fake;
struct frame fake_frame;

void prim_boot(const struct boot_info *info)
{
    (void)info;
}

void prim_handler_set(void)
{
}

_Noreturn void prim_exit(uint32_t status)
{
    _exit(status & CKPT_EXIT_SIGNALLED ? 128 + (status & 0x7f) : status);
}

void prim_ending(uint32_t status)
{
    (void)status;
}

long prim_log(const void *buf, size_t len_bytes)
{
    g_assert_cmpuint(fake.log_bytes + len_bytes, <, sizeof(fake.log));
    memcpy(fake.log + fake.log_bytes, buf, len_bytes);
    fake.log_bytes += len_bytes;
    return len_bytes;
}

void prim_random(void *buf, size_t len_bytes)
{
    memset(buf, 0x5a, len_bytes);
}

long prim_wait(const uint32_t *addr, uint32_t value, uint64_t deadline_ns)
{
    void (*on_wait)(void) = fake.on_wait;

    fake.n_waits++;
    fake.deadline_ns = deadline_ns;
    if (__atomic_load_n(addr, __ATOMIC_ACQUIRE) != value) {
        return -EAGAIN;
    }
    if (on_wait) {
        fake.on_wait = NULL;
        on_wait();
        return 0;
    }
    /* Nobody is left to wake us. */
    g_assert_cmpuint(deadline_ns, !=, SYS_FOREVER);
    fake.now_ns = MAX(fake.now_ns, deadline_ns);
    return -ETIMEDOUT;
}

long prim_wake(const uint32_t *addr, uint32_t count)
{
    (void)addr;
    (void)count;
    fake.n_wakes++;
    return 0;
}

void prim_yield(void)
{
}

static long memory(uint64_t addr, size_t len_bytes, uint32_t prot,
                   uint32_t flags)
{
    fake.addr = addr;
    fake.len_bytes = len_bytes;
    fake.prot = prot;
    fake.flags = flags;
    return fake.memory_result;
}

long prim_map(uint64_t addr, size_t len_bytes, uint32_t prot, uint32_t flags)
{
    int how = MAP_PRIVATE | MAP_ANONYMOUS;
    void *p;

    if (!fake.real_memory && !(flags & SYS_MAP_LIBRARY)) {
        return memory(addr, len_bytes, prot, flags);
    }
    if (flags & SYS_MAP_NOREPLACE) {
        how |= MAP_FIXED_NOREPLACE;
    }
    p = mmap((void *)addr, len_bytes, prot, how, -1, 0);
    return p == MAP_FAILED ? -errno : (long)p;
}

long prim_unmap(uint64_t addr, size_t len_bytes, uint32_t flags)
{
    if (flags & SYS_MAP_LIBRARY) {
        return munmap((void *)addr, len_bytes);
    }
    return memory(addr, len_bytes, 0, flags);
}

long prim_protect(uint64_t addr, size_t len_bytes, uint32_t prot,
                  uint32_t flags)
{
    if (fake.real_memory || (flags & SYS_MAP_LIBRARY)) {
        return mprotect((void *)addr, len_bytes, prot);
    }
    return memory(addr, len_bytes, prot, flags);
}

long prim_remap(uint64_t old, size_t old_bytes, size_t new_bytes,
                uint32_t flags, uint64_t new_addr)
{
    (void)old_bytes;
    (void)new_addr;
    return memory(old, new_bytes, 0, flags);
}

long prim_discard(uint64_t addr, size_t len_bytes, uint32_t flags)
{
    return memory(addr, len_bytes, 0, flags);
}

long prim_resident(uint64_t addr, size_t len_bytes, uint8_t *ret_pages)
{
    (void)ret_pages;
    return memory(addr, len_bytes, 0, 0);
}

long prim_wipe(uint64_t addr, size_t len_bytes, bool on)
{
    return memory(addr, len_bytes, on, 0);
}

long prim_thread_cpu_ns(int tid)
{
    (void)tid;
    return prim_query(SYS_QUERY_CPU_NS);
}

long prim_areas(uint64_t from, struct sys_area *ret_areas, uint32_t n)
{
    (void)from;
    (void)ret_areas;
    (void)n;
    return 0;
}

long prim_thread_create(const struct sys_thread *thread)
{
    (void)thread;
    return 77;
}

void prim_thread_adopt(struct sys_ublock *ublock)
{
    syscall(SYS_arch_prctl, ARCH_SET_GS, ublock);
}

_Noreturn void prim_thread_exit(void *block, size_t len_bytes)
{
    (void)block;
    (void)len_bytes;
    g_assert_not_reached();
}

long prim_thread_set(enum sys_thread_reg reg, uint64_t value)
{
    (void)reg;
    (void)value;
    return 0;
}

long prim_interrupt(int tid, uint32_t bits)
{
    (void)bits;
    fake.n_interrupts++;
    fake.interrupted_tid = tid;
    return 0;
}

_Noreturn void prim_resume(const struct sys_context *context)
{
    (void)context;
    g_assert_not_reached();
}

uint64_t prim_now_ns(void)
{
    return fake.now_ns;
}

uint64_t prim_wall_ns(void)
{
    return fake.now_ns + fake.wall_offset_ns;
}

uint64_t prim_wall_offset_ns(void)
{
    return fake.wall_offset_ns;
}

uint64_t prim_generation(void)
{
    return 1;
}

long prim_net_attach(const uint8_t *mac, struct sys_net **ret_net)
{
    (void)mac;
    (void)ret_net;
    return -ENODEV;
}

long prim_net_send(const struct sys_iov *iov, uint32_t n)
{
    (void)iov;
    (void)n;
    return -ENODEV;
}

long prim_commit(uint32_t flags)
{
    (void)flags;
    return -ENOTSUP;
}

long prim_query(enum sys_query query)
{
    return query == SYS_QUERY_TID ? 7 : 0;
}

long prim_mailbox(struct ckpt_mbox *ret_message)
{
    if (!fake.mail.kind) {
        return -EAGAIN;
    }
    *ret_message = fake.mail;
    fake.mail.kind = 0;
    return 0;
}

/* entry.S calls it; no upcall ever comes here. */
_Noreturn void upcall_main(uint64_t level);

_Noreturn void upcall_main(uint64_t level)
{
    (void)level;
    g_assert_not_reached();
}

/* A copy that faults goes on where the table says, as in upcall.c. */
static void on_fault(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    uint64_t to = uaccess_fixup(uc->uc_mcontext.gregs[REG_RIP]);

    (void)sig;
    (void)si;
    if (!to) {
        abort();
    }
    uc->uc_mcontext.gregs[REG_RIP] = to;
}

static void clear_process(void)
{
    struct thread *t;
    int sig;

    sigqueue_flush(&process.signals, ~0ull);
    for (t = process.threads; t; t = t->next) {
        sigqueue_flush(&t->signals, ~0ull);
    }
    memset(&process, 0, sizeof(process));
    for (sig = 1; sig <= SIGNAL_COUNT; sig++) {
        signal_action_reset(sig);
    }
}

/* A machine with some memory, and nothing to run. */
static void open_bundle(void)
{
    static const struct boot_bundle bundle = {
        .magic = BOOT_BUNDLE_MAGIC,
        .version = BOOT_BUNDLE_VERSION,
        .entries_offset = sizeof(bundle),
        .total_bytes = sizeof(bundle),
    };
    static struct boot_info info;

    info = (struct boot_info){ .bundle = (uint64_t)&bundle,
                               .bundle_bytes = sizeof(bundle),
                               .ram_bytes = FAKE_RAM_BYTES };
    bundle_open(&info);
}

void fake_reset(void)
{
    static bool once;
    struct sigaction action = { .sa_sigaction = on_fault,
                                .sa_flags = SA_SIGINFO };
    struct boot_info info = { .xsave_bytes = 512 };

    memset(&fake, 0, sizeof(fake));
    open_bundle();
    fake.now_ns = 1000000000;
    fake.wall_offset_ns = 1700000000000000000ull;
    if (!once) {
        sys_table_init();
        sigaction(SIGSEGV, &action, NULL);
        once = true;
    }
    clear_process();
    thread_boot(&info);
}

struct thread *fake_thread(void)
{
    struct thread *t = thread_new();

    t->tid = process.next_tid++;
    t->prim_tid = 1000 + t->tid;
    t->next = process.threads;
    process.threads = t;
    process.n_threads++;
    return t;
}

long fake_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    memset(&fake_frame, 0, sizeof(fake_frame));
    fake_frame.rax = number;
    fake_frame.rdi = a;
    fake_frame.rsi = b;
    fake_frame.rdx = c;
    fake_frame.r10 = d;
    fake_frame.r8 = fake.arg5;
    fake_frame.r9 = fake.arg6;
    fake_frame.rcx = FAKE_RIP;
    sys_dispatch(&fake_frame);
    return fake_frame.rax;
}

void *fake_user(size_t len_bytes)
{
    static uint64_t cursor = 0x200000000000ull;
    void *p = mmap((void *)cursor, len_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    g_assert(p != MAP_FAILED);
    cursor += (len_bytes + 0xffff) & ~0xfffful; /* a gap behind each */
    return p;
}
