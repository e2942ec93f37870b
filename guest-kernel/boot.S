/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.S - from the PVH entry (32 bits, no paging) to kernel_main()
 *
 * The firmware jumps to pvh_start with EBX = physical address of the start
 * info.  The page tables here map the first GiB three times: at 0 for the
 * instructions that switch paging on, at DIRECT_BASE and at KERNEL_BASE.
 * vm_init_kernel() replaces them by the final ones.
 */
#include "memlayout.h"

#define PHYS(symbol)    (symbol - KERNEL_BASE)

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18              /* name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad PHYS(pvh_start)

    .section .text.boot, "ax"
    .code32
    .globl pvh_start
pvh_start:
    cli
    cld
    movl %ebx, %esi
    movl $0x20, %eax            /* PAE */
    movl %eax, %cr4
    movl $PHYS(boot_pml4), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      /* EFER: SYSCALL, long mode, no-execute */
    rdmsr
    orl $0x901, %eax
    wrmsr
    movl $0x80010033, %eax      /* PG WP NE ET MP PE */
    movl %eax, %cr0
    lgdt PHYS(boot_gdt_pointer)
    ljmp $SEL_KCODE, $PHYS(long_mode)

    .code64
long_mode:
    movq $high_half, %rax
    jmp *%rax
high_half:
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl $SEL_KDATA, %ecx
    movl %ecx, %ss
    leaq boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    movl %esi, %edi
    call kernel_main
    ud2

    .section .rodata
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff    /* SEL_KCODE */
    .quad 0x00cf93000000ffff    /* SEL_KDATA */
boot_gdt_pointer:
    .word boot_gdt_pointer - boot_gdt - 1
    .quad PHYS(boot_gdt)

    .section .data.boot, "aw"
    .balign PAGE_BYTES
boot_pml4:
    .quad PHYS(boot_pdpt_low) + 3
    .fill 255, 8, 0
    .quad PHYS(boot_pdpt_low) + 3
    .fill 254, 8, 0
    .quad PHYS(boot_pdpt_high) + 3
boot_pdpt_low:
    .quad PHYS(boot_pd) + 3
    .fill 511, 8, 0
boot_pdpt_high:
    .fill 510, 8, 0
    .quad PHYS(boot_pd) + 3
    .quad 0
boot_pd:
    .set frame, 0
    .rept 512
    .quad frame + 0x83          /* present, writable, 2 MiB */
    .set frame, frame + 0x200000
    .endr

    .section .bss.bulky, "aw", @nobits
    .balign 16
    .skip 8192
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
