/* SPDX-License-Identifier: GPL-2.0-or-later */
/* entry-linux.S - what the Linux build needs beside start/entry.S */
    .text

/* The process's first instruction: argc is at RSP. */
    .globl _start
_start:
    xor     %ebp, %ebp
    mov     %rsp, %rdi
    and     $-16, %rsp
    call    runner_main
    ud2

/* Host signal handlers return here. */
    .globl host_restorer
host_restorer:
    mov     $15, %eax           /* rt_sigreturn */
    syscall
    ud2

/* host_clone(flags, stack, fs_base): tid, or the child in C code */
    .globl host_clone
host_clone:
    mov     %rdx, %r8           /* tls */
    xor     %edx, %edx
    xor     %r10d, %r10d
    mov     $56, %eax           /* clone */
    syscall
    test    %rax, %rax
    jnz     1f
    xor     %ebp, %ebp
    pop     %rdi
    and     $-16, %rsp
    call    host_thread_main
    ud2
1:  ret

/* host_reader_clone(flags, stack): tid; the child reads frames for ever */
    .globl host_reader_clone
host_reader_clone:
    xor     %edx, %edx
    xor     %r10d, %r10d
    xor     %r8d, %r8d
    mov     $56, %eax
    syscall
    test    %rax, %rax
    jnz     1f
    xor     %ebp, %ebp
    and     $-16, %rsp
    call    host_reader_main
    ud2
1:  ret

/* host_enter(rip, rsp, arg) */
    .globl host_enter
host_enter:
    mov     %rsi, %rsp
    mov     %rdi, %rax
    mov     %rdx, %rdi
    xor     %ebp, %ebp
    jmp     *%rax

/* host_sigreturn(rsp): all registers from the signal frame there */
    .globl host_sigreturn
host_sigreturn:
    mov     %rdi, %rsp
    mov     $15, %eax
    syscall
    ud2

/* host_leave(block, bytes): unmap the stack under our feet, then end */
    .globl host_leave
host_leave:
    mov     $11, %eax           /* munmap */
    syscall
    xor     %edi, %edi
    mov     $60, %eax           /* exit */
    syscall
    ud2

    .section .note.GNU-stack, "", @progbits
