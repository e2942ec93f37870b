/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86.h - instructions and bits of the processor, one function each
 */
#ifndef X86_H
#define X86_H

#include <stdint.h>

#define CR0_MP         (1ull << 1)
#define CR0_EM         (1ull << 2)
#define CR0_TS         (1ull << 3)
#define CR0_NE         (1ull << 5)
#define CR0_WP         (1ull << 16)

#define CR4_PGE        (1ull << 7)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)

#define RFLAGS_FIXED   (1ull << 1)
#define RFLAGS_TF      (1ull << 8)
#define RFLAGS_IF      (1ull << 9)
#define RFLAGS_DF      (1ull << 10)
#define RFLAGS_NT      (1ull << 14)
#define RFLAGS_AC      (1ull << 18)
/* CF PF AF ZF SF TF DF OF AC ID: what a program may choose itself */
#define RFLAGS_USER    0x240dd5ull

#define MSR_APIC_BASE  0x1b
#define MSR_EFER       0xc0000080
#define MSR_STAR       0xc0000081
#define MSR_LSTAR      0xc0000082
#define MSR_SFMASK     0xc0000084

#define PTE_P          (1ull << 0)
#define PTE_W          (1ull << 1)
#define PTE_U          (1ull << 2)
#define PTE_PCD        (1ull << 4)
#define PTE_A          (1ull << 5)
#define PTE_D          (1ull << 6)
#define PTE_PS         (1ull << 7)
#define PTE_G          (1ull << 8)
#define PTE_NX         (1ull << 63)
#define PTE_ADDR       0x000ffffffffff000ull

#define PF_WRITE       (1u << 1)
#define PF_EXEC        (1u << 4)

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo | (uint64_t)hi << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value),
                       "d"((uint32_t)(value >> 32))
                     : "memory");
}

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t ret_regs[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(ret_regs[0]), "=b"(ret_regs[1]), "=c"(ret_regs[2]),
                       "=d"(ret_regs[3])
                     : "a"(leaf), "c"(sub));
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return lo | (uint64_t)hi << 32;
}

#define X86_CONTROL_REGISTER(n)                                                \
    static inline uint64_t read_cr##n(void)                                    \
    {                                                                          \
        uint64_t value;                                                        \
                                                                               \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value));                  \
        return value;                                                          \
    }                                                                          \
                                                                               \
    static inline void write_cr##n(uint64_t value)                             \
    {                                                                          \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory");         \
    }

X86_CONTROL_REGISTER(0)
X86_CONTROL_REGISTER(2)
X86_CONTROL_REGISTER(3)
X86_CONTROL_REGISTER(4)
#undef X86_CONTROL_REGISTER

static inline void invlpg(uint64_t vaddr)
{
    __asm__ volatile("invlpg (%0)" : : "r"(vaddr) : "memory");
}

static inline void xsetbv(uint32_t reg, uint64_t value)
{
    __asm__ volatile("xsetbv"
                     :
                     : "c"(reg), "a"((uint32_t)value),
                       "d"((uint32_t)(value >> 32)));
}

static inline void xsave(void *area, uint64_t mask)
{
    __asm__ volatile("xsave64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask),
                       "d"((uint32_t)(mask >> 32))
                     : "memory");
}

static inline void xsaveopt(void *area, uint64_t mask)
{
    __asm__ volatile("xsaveopt64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask),
                       "d"((uint32_t)(mask >> 32))
                     : "memory");
}

static inline uint16_t fnstcw(void)
{
    uint16_t value;

    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static inline uint32_t stmxcsr(void)
{
    uint32_t value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static inline void xrstor(const void *area, uint64_t mask)
{
    __asm__ volatile("xrstor64 (%0)"
                     :
                     : "r"(area), "a"((uint32_t)mask),
                       "d"((uint32_t)(mask >> 32))
                     : "memory");
}

static inline uint64_t rdfsbase(void)
{
    uint64_t value;

    __asm__ volatile("rdfsbase %0" : "=r"(value));
    return value;
}

static inline uint64_t rdgsbase(void)
{
    uint64_t value;

    __asm__ volatile("rdgsbase %0" : "=r"(value));
    return value;
}

static inline void wrfsbase(uint64_t value)
{
    __asm__ volatile("wrfsbase %0" : : "r"(value));
}

static inline void wrgsbase(uint64_t value)
{
    __asm__ volatile("wrgsbase %0" : : "r"(value));
}

/* Interrupts on for exactly one HLT: STI lets none in before the HLT. */
static inline void wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void __attribute__((noreturn)) halt_forever(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt" : : : "memory");
    }
}

#endif
