/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memlayout.h - where everything lies in the kernel's half of the addresses
 *
 * The user half is laid out in abi/guest-boot.h.  Read by C and by assembler.
 *
 *   DIRECT_BASE   all RAM, physical address + DIRECT_BASE; RW NX, but the
 *                 kernel's own text and constants are read-only there too
 *   KSTACK_BASE   kernel stacks, one slot of KSTACK_SLOT bytes a thread: the
 *                 lowest page of a slot is never mapped (the guard)
 *   MMIO_BASE     LAPIC and IOAPIC registers, uncached
 *   KERNEL_BASE   the image: text RX, constants R, data RW NX; loaded at
 *                 KERNEL_PHYS and linked at KERNEL_BASE + KERNEL_PHYS
 *
 * Page table entries are made with the accessed and dirty bits set: nobody
 * reads them, and a CPU that sets them itself would modify page table pages,
 * which a checkpoint then has to save.
 */
#ifndef MEMLAYOUT_H
#define MEMLAYOUT_H

#define PAGE_BYTES      4096
#define PAGE_SHIFT      12

#define KERNEL_PHYS     0x100000
#define DIRECT_BASE     0xffff800000000000
#define KSTACK_BASE     0xffffc00000000000
#define MMIO_BASE       0xffffe00000000000
#define KERNEL_BASE     0xffffffff80000000

#define KSTACK_BYTES    (2 * PAGE_BYTES)
#define KSTACK_SLOT     (4 * PAGE_BYTES)
#define KSTACK_SLOTS    8192 /* most threads in a guest */

#define LAPIC_PHYS      0xfee00000
#define IOAPIC_PHYS     0xfec00000
#define LAPIC_BASE      MMIO_BASE
#define IOAPIC_BASE     (MMIO_BASE + PAGE_BYTES)

/* First thread of a process: its library stack ends at LIBRARY_HEAP. */
#define USTACK_BYTES    (256 * 1024)

/* Selectors.  SYSRET wants user data, then user code, behind one another. */
#define SEL_KCODE       0x08
#define SEL_KDATA       0x10
#define SEL_SYSRET      0x18 /* SYSRET adds 8 for SS, 16 for CS */
#define SEL_UDATA       0x23
#define SEL_UCODE       0x2b
#define SEL_TSS         0x30

/* Vectors: 0..31 exceptions; these are ours. */
#define VECTOR_NIC      0x23
#define VECTOR_TIMER    0x40
#define VECTOR_SPURIOUS 0xff
#define VECTOR_SYSCALL  0x100 /* frame->vector of a kernel call: SYSRET */
#define VECTOR_NONE     0x101 /* frame made or changed by us: IRET */

/* struct trap_frame, for entry.S; trap.c asserts them */
#define FRAME_VECTOR    120
#define FRAME_RIP       136
#define FRAME_CS        144
#define FRAME_RSP       160

/* struct cpu, for entry.S; thread.c asserts them */
#define CPU_USER_RSP    0
#define CPU_KSTACK_TOP  8
#define CPU_UBLOCK      16
#define CPU_REFLECT     24
#define CPU_TEXT_LO     32
#define CPU_TEXT_HI     40
#define CPU_SMAP        48

#endif
