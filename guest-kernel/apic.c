/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apic.c - the local APIC's timer, and the NIC's line through the IOAPIC
 *
 * The timer counts at 1 GHz: QEMU's APIC does under TCG, and so does KVM's.
 * Nothing depends on it being exact, see time.c.
 */
#include "kernel.h"

#define LAPIC_EOI          0x0b0
#define LAPIC_SPURIOUS     0x0f0
#define LAPIC_LVT_TIMER    0x320
#define LAPIC_LVT_LINT0    0x350
#define LAPIC_LVT_LINT1    0x360
#define LAPIC_INITIAL      0x380
#define LAPIC_DIVIDE       0x3e0

#define LAPIC_ENABLE       (1u << 8)
#define LVT_MASKED         (1u << 16)
#define DIVIDE_BY_1        0xbu
#define DIVIDE_BY_128      0xau

#define IOAPIC_SELECT      0x00
#define IOAPIC_WINDOW      0x10
#define IOAPIC_REDIRECTION 0x10 /* two registers a pin */

#define APIC_BASE_ENABLE   (1u << 11)

/* One shot of the undivided and of the divided counter, at most. */
#define SHORT_MAX_NS       0xffffffffull
#define LONG_DIVISOR       128

static uint32_t divide;

static void lapic_write(uint32_t reg, uint32_t value)
{
    *(volatile uint32_t *)(LAPIC_BASE + reg) = value;
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
    *(volatile uint32_t *)(IOAPIC_BASE + IOAPIC_SELECT) = reg;
    *(volatile uint32_t *)(IOAPIC_BASE + IOAPIC_WINDOW) = value;
}

static void set_divide(uint32_t value)
{
    if (divide != value) {
        divide = value;
        lapic_write(LAPIC_DIVIDE, value);
    }
}

/**
 * apic_init - switch the local APIC on and route the NIC's interrupt
 *
 * Edge triggered, active high, as an ISA line is.  The timer comes after the
 * enabling: an APIC that is off keeps every local vector masked.
 */
void apic_init(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
    lapic_write(LAPIC_LVT_LINT1, LVT_MASKED);
    lapic_write(LAPIC_SPURIOUS, LAPIC_ENABLE | VECTOR_SPURIOUS);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
    set_divide(DIVIDE_BY_1);
    ioapic_write(IOAPIC_REDIRECTION + 2 * CKPT_NIC_IRQ + 1, 0);
    ioapic_write(IOAPIC_REDIRECTION + 2 * CKPT_NIC_IRQ, VECTOR_NIC);
}

/**
 * apic_timer_set - one interrupt, a while from now
 * @delta_ns: the while; a longer one than the counter reaches ends early
 */
void apic_timer_set(uint64_t delta_ns)
{
    uint64_t count = delta_ns;

    if (delta_ns <= SHORT_MAX_NS) {
        set_divide(DIVIDE_BY_1);
    } else {
        set_divide(DIVIDE_BY_128);
        count = delta_ns / LONG_DIVISOR;
    }
    if (count == 0) {
        count = 1; /* 0 would stop it */
    }
    lapic_write(LAPIC_INITIAL, count > UINT32_MAX ? UINT32_MAX : count);
}

/**
 * apic_timer_stop - no interrupt after all
 */
void apic_timer_stop(void)
{
    lapic_write(LAPIC_INITIAL, 0);
}

/**
 * apic_end_of_interrupt - the interrupt being served may come again
 */
void apic_end_of_interrupt(void)
{
    lapic_write(LAPIC_EOI, 0);
}
