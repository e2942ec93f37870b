/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.c - control registers, segments, gates and the extended state
 *
 * What every x86-64 server processor of the last ten years has is required:
 * NX, XSAVE, FSGSBASE.  SMEP, SMAP and UMIP are used where they are.
 */
#include "kernel.h"

#define XSAVE_X87_SSE_AVX   0x7u
#define XSAVE_AVX512        0xe0u
#define MXCSR_AND_HEADER    576 /* least size of an area */

#define IST_DOUBLE_FAULT    1
#define IST_NMI             2
#define IST_BYTES           PAGE_BYTES

#define VECTOR_NMI          2
#define VECTOR_BREAKPOINT   3
#define VECTOR_DOUBLE_FAULT 8
#define GATE_INTERRUPT      0x8e
#define GATE_INTERRUPT_USER 0xee

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

struct tss {
    uint32_t reserved0;
    uint32_t rsp0_low; /* halves: the struct is not aligned to 8 */
    uint32_t rsp0_high;
    uint32_t rsp12[4];
    uint32_t reserved1[2];
    uint32_t ist[14];
    uint32_t reserved2[2];
    uint16_t reserved3;
    uint16_t iomap_base; /* behind the limit: no ports for programs */
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

_Static_assert(sizeof(struct gate) == 16, "IDT entry");
_Static_assert(sizeof(struct tss) == 104, "TSS");

uint64_t cpu_xsave_mask;
uint32_t cpu_xsave_bytes;
bool cpu_has_xsaveopt;

static struct gate idt[256] BULKY;
static struct tss tss;
static uint64_t gdt[8] = {
    [SEL_KCODE / 8] = 0x00af9b000000ffff,
    [SEL_KDATA / 8] = 0x00cf93000000ffff,
    [SEL_UDATA / 8] = 0x00cff3000000ffff,
    [SEL_UCODE / 8] = 0x00affb000000ffff,
};
static uint8_t ist_stacks[2][IST_BYTES] __attribute__((aligned(16))) BULKY;

static void set_gate(unsigned int vector, uint8_t ist, uint8_t type)
{
    uint64_t entry = (uint64_t)vector_stubs + vector * VECTOR_STUB_BYTES;

    idt[vector].offset_low = (uint16_t)entry;
    idt[vector].selector = SEL_KCODE;
    idt[vector].ist = ist;
    idt[vector].type = type;
    idt[vector].offset_middle = (uint16_t)(entry >> 16);
    idt[vector].offset_high = (uint32_t)(entry >> 32);
}

static void set_ist(unsigned int ist)
{
    uint64_t top = (uint64_t)ist_stacks[ist - 1] + IST_BYTES;

    tss.ist[2 * (ist - 1)] = (uint32_t)top;
    tss.ist[2 * (ist - 1) + 1] = (uint32_t)(top >> 32);
}

static void load_tables(void)
{
    struct table_pointer idt_pointer = { sizeof(idt) - 1, (uint64_t)idt };
    struct table_pointer gdt_pointer = { sizeof(gdt) - 1, (uint64_t)gdt };
    uint64_t base = (uint64_t)&tss;
    unsigned int i;

    for (i = 0; i < N_ELEMENTS(idt); i++) {
        set_gate(i, 0, GATE_INTERRUPT);
    }
    set_gate(VECTOR_BREAKPOINT, 0, GATE_INTERRUPT_USER);
    set_gate(VECTOR_DOUBLE_FAULT, IST_DOUBLE_FAULT, GATE_INTERRUPT);
    set_gate(VECTOR_NMI, IST_NMI, GATE_INTERRUPT);
    set_ist(IST_DOUBLE_FAULT);
    set_ist(IST_NMI);
    tss.iomap_base = sizeof(tss);
    gdt[SEL_TSS / 8] = (sizeof(tss) - 1) | (base & 0xffffff) << 16 |
                       0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[SEL_TSS / 8 + 1] = base >> 32;
    __asm__ volatile("lgdt %0" : : "m"(gdt_pointer));
    __asm__ volatile("lidt %0" : : "m"(idt_pointer));
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
}

static void init_syscall(void)
{
    wrmsr(MSR_STAR, (uint64_t)SEL_KCODE << 32 | (uint64_t)(SEL_SYSRET | 3)
                                                    << 48);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK,
          RFLAGS_AC | RFLAGS_DF | RFLAGS_TF | RFLAGS_NT | RFLAGS_IF);
}

static void init_xsave(void)
{
    uint32_t regs[4];
    uint64_t mask;

    cpuid(0xd, 0, regs);
    mask = regs[0] & XSAVE_X87_SSE_AVX;
    if ((regs[0] & XSAVE_AVX512) == XSAVE_AVX512) {
        mask |= XSAVE_AVX512;
    }
    xsetbv(0, mask);
    cpuid(0xd, 1, regs);
    cpu_has_xsaveopt = regs[0] & 1;
    cpuid(0xd, 0, regs); /* EBX: size for what XCR0 now has */
    cpu_xsave_mask = mask;
    cpu_xsave_bytes = regs[1] < MXCSR_AND_HEADER ? MXCSR_AND_HEADER : regs[1];
}

/**
 * cpu_init - bring the processor into the state it keeps
 */
void cpu_init(void)
{
    uint64_t cr4 = read_cr4() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    uint32_t basic[4], extended[4];

    cpuid(1, 0, basic);
    cpuid(7, 0, extended);
    if (!(basic[2] & (1u << 26)) || !(extended[1] & (1u << 0))) {
        panic("the CPU lacks XSAVE or FSGSBASE: use -cpu max or host");
    }
    cr4 |= CR4_OSXSAVE | CR4_FSGSBASE;
    if (extended[1] & (1u << 7)) {
        cr4 |= CR4_SMEP;
    }
    if (extended[1] & (1u << 20)) {
        cr4 |= CR4_SMAP;
        cpu.smap = 1;
    }
    if (extended[2] & (1u << 2)) {
        cr4 |= CR4_UMIP;
    }
    write_cr4(cr4);
    write_cr0((read_cr0() | CR0_MP | CR0_NE | CR0_WP) & ~(CR0_EM | CR0_TS));
    load_tables();
    init_syscall();
    init_xsave();
}

/**
 * cpu_set_kstack - the stack for traps from user code
 * @top: its end
 */
void cpu_set_kstack(uint64_t top)
{
    tss.rsp0_low = (uint32_t)top;
    tss.rsp0_high = (uint32_t)(top >> 32);
}
