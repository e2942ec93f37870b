/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vdso.c - the vDSO is memory of the program, and signals may find it there
 *
 * A program spends much of its time in the vDSO: signals arrive there by
 * luck (a timer) and at each of its instructions (the trap flag); a handler
 * may send the program there, and a bad pointer faults there.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include "tap.h"

typedef long (*clock_function)(long clock, struct timespec *ret_time);

static uint64_t vdso, vdso_bytes;
static clock_function vdso_clock;
static volatile sig_atomic_t seen, seen_inside;
static volatile uint64_t seen_rip;
static sigjmp_buf back;

static int inside(uint64_t rip)
{
    return rip >= vdso && rip < vdso + vdso_bytes;
}

static uint64_t rip_of(void *context)
{
    return ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

static void set(int sig, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    sigaction(sig, &action, NULL);
}

/* Addresses in the image are relative to its first byte. */
static const void *at(uint64_t offset)
{
    return (const void *)(vdso + offset);
}

/*
 * How far its mapping reaches, which is changed as a whole or not at all: it
 * may be longer than its one segment.
 */
static uint64_t mapped_bytes(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long from, to;
    uint64_t bytes = 0;
    char line[512];

    while (maps && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from == vdso) {
            bytes = to - from;
        }
    }
    if (maps) {
        fclose(maps);
    }
    return bytes;
}

/* Where a clock is read. */
static void find(void)
{
    const Elf64_Ehdr *ehdr = at(0);
    const Elf64_Phdr *phdr = at(ehdr->e_phoff);
    const Elf64_Dyn *dyn = NULL;
    const Elf64_Sym *sym = NULL;
    const char *names = NULL;
    int i;

    for (i = 0; i < ehdr->e_phnum; i++) {
        if (phdr[i].p_type == PT_DYNAMIC) {
            dyn = at(phdr[i].p_offset);
        }
    }
    for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
        if (dyn->d_tag == DT_SYMTAB) {
            sym = at(dyn->d_un.d_ptr);
        } else if (dyn->d_tag == DT_STRTAB) {
            names = at(dyn->d_un.d_ptr);
        }
    }
    /* The symbols end where the names begin. */
    for (sym++; names && (const char *)sym < names; sym++) {
        if (!strcmp(names + sym->st_name, "__vdso_clock_gettime")) {
            vdso_clock = (clock_function)(vdso + sym->st_value);
        }
    }
}

static void on_tick(int sig, siginfo_t *si, void *context)
{
    (void)sig;
    (void)si;
    seen++;
    seen_inside += inside(rip_of(context));
}

static int earlier(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec ||
           (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void test_timer(void)
{
    struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
    struct itimerval off = { { 0, 0 }, { 0, 0 } };
    struct timespec last = { 0, 0 }, now;
    int wrong = 0;

    set(SIGALRM, on_tick);
    setitimer(ITIMER_REAL, &every, NULL);
    while (seen_inside < 30 && seen < 30000) {
        wrong += vdso_clock(CLOCK_MONOTONIC, &now) != 0;
        wrong += earlier(&now, &last);
        last = now;
    }
    setitimer(ITIMER_REAL, &off, NULL);
    tap_ok(seen_inside >= 30, "a timer's signals find the program in the vDSO");
    tap_ok(wrong == 0, "which goes on with the right time");
}

static void on_trap(int sig, siginfo_t *si, void *context)
{
    (void)sig;
    (void)si;
    seen++;
    seen_inside += inside(rip_of(context));
}

/* Each instruction is followed by a signal. */
static long step(long clock, struct timespec *ret_time)
{
    long ret;

    __asm__ volatile("sub $128, %%rsp\n\t"
                     "pushfq\n\t"
                     "orl $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "call *%3\n\t"
                     "pushfq\n\t"
                     "andl $~0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "add $128, %%rsp"
                     : "=a"(ret), "+D"(clock), "+S"(ret_time)
                     : "r"(vdso_clock)
                     : "rcx", "rdx", "r8", "r9", "r10", "r11", "cc", "memory");
    return ret;
}

static void test_each_instruction(void)
{
    struct timespec before, now, after;
    long ret;

    set(SIGTRAP, on_trap);
    seen = seen_inside = 0;
    clock_gettime(CLOCK_MONOTONIC, &before);
    ret = step(CLOCK_MONOTONIC, &now);
    clock_gettime(CLOCK_MONOTONIC, &after);
    tap_ok(seen_inside >= 10 && seen > seen_inside,
           "a signal at each instruction of the vDSO");
    tap_ok(ret == 0 && !earlier(&now, &before) && !earlier(&after, &now),
           "and the clock is right");
}

static struct timespec sent_time;

/* As if the UD2 were a call of the vDSO. */
static void on_send(int sig, siginfo_t *si, void *context)
{
    greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)sig;
    (void)si;
    regs[REG_RSP] -= 8;
    *(uint64_t *)regs[REG_RSP] = regs[REG_RIP] + 2;
    regs[REG_RDI] = CLOCK_MONOTONIC;
    regs[REG_RSI] = (greg_t)&sent_time;
    regs[REG_RIP] = (greg_t)vdso_clock;
}

static void test_send(void)
{
    struct timespec before;
    long ret = -1;

    set(SIGILL, on_send);
    clock_gettime(CLOCK_MONOTONIC, &before);
    __asm__ volatile("sub $128, %%rsp\n\tud2\n\tadd $128, %%rsp"
                     : "+a"(ret)
                     :
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
                       "cc", "memory");
    tap_ok(ret == 0 && !earlier(&sent_time, &before),
           "a handler may go on in the vDSO");
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
    (void)sig;
    (void)si;
    seen_rip = rip_of(context);
    siglongjmp(back, 1);
}

static void test_fault(void)
{
    set(SIGSEGV, on_fault);
    seen_rip = 0;
    if (!sigsetjmp(back, 1)) {
        vdso_clock(CLOCK_MONOTONIC, (struct timespec *)8);
    }
    tap_ok(inside(seen_rip), "a bad pointer faults in the vDSO");
}

static void test_memory(void)
{
    char copy[16];
    int fds[2];

    tap_ok(pipe(fds) == 0 && write(fds[1], at(0), 16) == 16 &&
               read(fds[0], copy, 16) == 16 && !memcmp(copy, at(0), 16),
           "a call may read it");
    tap_ok(write(fds[1], copy, 16) == 16 && read(fds[0], (void *)vdso, 1) < 0 &&
               errno == EFAULT,
           "but not write it");
    tap_ok(!mprotect((void *)vdso, vdso_bytes, PROT_READ) &&
               !mprotect((void *)vdso, vdso_bytes, PROT_READ | PROT_EXEC) &&
               vdso_clock(CLOCK_MONOTONIC, &sent_time) == 0,
           "mprotect() changes it");
    tap_ok(munmap((void *)vdso, vdso_bytes) == 0 &&
               write(fds[1], at(0), 16) < 0 && errno == EFAULT,
           "munmap() takes it away");
}

int main(void)
{
    vdso = getauxval(AT_SYSINFO_EHDR);
    tap_ok(vdso && !memcmp(at(0), ELFMAG, SELFMAG),
           "AT_SYSINFO_EHDR says where it is");
    vdso_bytes = mapped_bytes();
    find();
    tap_ok(vdso_bytes && vdso_clock, "it has a function that reads a clock");
    test_timer();
    test_each_instruction();
    test_send();
    test_fault();
    test_memory();
    return tap_done();
}
