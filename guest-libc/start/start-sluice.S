/* SPDX-License-Identifier: GPL-2.0-or-later */
/* start-sluice.S - the library's ELF entry in the guest; RDI: boot_info */
    .text
    .globl _start
_start:
    xor     %ebp, %ebp
    and     $-16, %rsp
    call    boot_main
    ud2

    .section .note.GNU-stack, "", @progbits
