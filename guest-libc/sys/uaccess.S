/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uaccess.S - copies that may fault
 *
 * The program's pointers are touched by these routines only.  Every
 * instruction that may fault has an entry in the exception table; a fault
 * there comes back as an upcall, whose handler (upcall.c) continues at the
 * entry's second address.  Entries are offsets from themselves, so that the
 * table needs no relocation wherever the code is linked.
 *
 * Eight bytes at a time: the guest's CPU may be emulated, and then a REP MOVSB
 * costs as much for a byte as for a word.
 */
    .macro FAULT at, to
    .pushsection uaccess_table, "a"
    .balign 4
    .long   \at - .
    .long   \to - .
    .popsection
    .endm

    .text

/* long uaccess_copy(void *to, const void *from, size_t bytes): bytes left */
    .globl uaccess_copy
    .type uaccess_copy, @function
uaccess_copy:
    mov     %rdx, %rcx
    shr     $3, %rcx
1:  rep movsq
    mov     %edx, %ecx
    and     $7, %ecx
2:  rep movsb
    xor     %eax, %eax
    ret
3:  and     $7, %edx            /* words left in RCX, and the tail */
    lea     (%rdx, %rcx, 8), %rax
    ret
4:  mov     %rcx, %rax
    ret
    FAULT 1b, 3b
    FAULT 2b, 4b

/* long uaccess_zero(void *to, size_t bytes): bytes left */
    .globl uaccess_zero
    .type uaccess_zero, @function
uaccess_zero:
    mov     %rsi, %rcx
    shr     $3, %rcx
    xor     %eax, %eax
1:  rep stosq
    mov     %esi, %ecx
    and     $7, %ecx
2:  rep stosb
    xor     %eax, %eax
    ret
3:  and     $7, %esi
    lea     (%rsi, %rcx, 8), %rax
    ret
4:  mov     %rcx, %rax
    ret
    FAULT 1b, 3b
    FAULT 2b, 4b

/* long uaccess_string(char *to, const char *from, size_t size): bytes before
 * the NUL, size if there is none, -1 at a fault */
    .globl uaccess_string
    .type uaccess_string, @function
uaccess_string:
    xor     %eax, %eax
1:  cmp     %rdx, %rax
    jae     3f
2:  movb    (%rsi, %rax), %cl
    movb    %cl, (%rdi, %rax)
    test    %cl, %cl
    jz      3f
    inc     %rax
    jmp     1b
3:  ret
4:  mov     $-1, %rax
    ret
    FAULT 2b, 4b

/* long uaccess_load32(uint32_t *to, const uint32_t *from): 0 or -1; one
 * load, as a futex needs it */
    .globl uaccess_load32
    .type uaccess_load32, @function
uaccess_load32:
1:  mov     (%rsi), %ecx
    mov     %ecx, (%rdi)
    xor     %eax, %eax
    ret
2:  mov     $-1, %rax
    ret
    FAULT 1b, 2b

/* long uaccess_cmpxchg32(uint32_t *at, uint32_t *expected, uint32_t new): 0 or
 * -1; *expected becomes what was there, stored only if that was equal */
    .globl uaccess_cmpxchg32
    .type uaccess_cmpxchg32, @function
uaccess_cmpxchg32:
    mov     (%rsi), %eax
1:  lock cmpxchg %edx, (%rdi)
    mov     %eax, (%rsi)
    xor     %eax, %eax
    ret
2:  mov     $-1, %rax
    ret
    FAULT 1b, 2b

    .section .note.GNU-stack, "", @progbits
