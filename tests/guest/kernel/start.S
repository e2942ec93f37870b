/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.S - entry points of the test image: start, threads, calls, upcalls
 *
 * text_lo and text_hi bound what counts as the library's text.  The tests
 * themselves lie outside, in .text.program, so that their unknown system calls
 * are reflected and their faults are a program's.
 */
#include "abi/guest-syscall.h"

    .section .text.library, "ax"
    .globl _start
_start:
    xorl %ebp, %ebp
    call test_main
    ud2

/* A thread of start_thread(): RDI = argument, function on the stack. */
    .globl thread_entry
thread_entry:
    popq %rax
    xorl %ebp, %ebp
    call *%rax
    movl $SYS_THREAD_EXIT, %eax
    popq %rdi                   /* word to clear and wake */
    xorl %esi, %esi
    xorl %edx, %edx
    syscall
    ud2

/* kcall(number, a, b, c, d, e): C arguments to those of a kernel call */
    .globl kcall, kcall6
kcall:
kcall6:
    movq %rdi, %rax
    movq %rsi, %rdi
    movq %rdx, %rsi
    movq %rcx, %rdx
    movq %r8, %r10
    movq %r9, %r8
    syscall
    ret

/*
 * Reflected calls: the number of times is counted, the result is
 * number + 1000000, and every register but RAX, RCX and R11 is kept.
 */
    .globl reflect_entry
reflect_entry:
    movq %gs:0, %rcx            /* ublock->app_rip */
    movq %rcx, reflected_rip(%rip)
    incq reflected(%rip)
    addq $1000000, %rax
    jmp *%rcx

/* RDI = level: the C handler changes the context and resumes it. */
    .globl upcall_entry
upcall_entry:
    andq $-16, %rsp
    call upcall_handler
    ud2

/* int user_peek(uint32_t *ret, addr): a load in library text that may fault */
    .globl library_peek, library_peek_at, library_peek_failed
library_peek:
library_peek_at:
    movl (%rsi), %eax
    movl %eax, (%rdi)
    xorl %eax, %eax
    ret
library_peek_failed:
    movl $-14, %eax
    ret

    .section .text.program, "ax"

/* int64_t program_call(number): an unknown system call of a program */
    .globl program_call, program_call_next
program_call:
    movq %rdi, %rax
    syscall
program_call_next:
    ret

/* int program_load(addr): a load in program text; a handler may skip it */
    .globl program_load, program_load_at, program_load_skipped
program_load:
    movl $-1, %eax
program_load_at:
    movl (%rdi), %eax
program_load_skipped:
    ret

/* A loop in program text that ends when *RDI is not 0. */
    .globl program_spin
program_spin:
    movl (%rdi), %eax
    testl %eax, %eax
    jz program_spin
    ret

/*
 * int program_registers(rounds): keeps values in the callee's registers and in
 * XMM registers over a long loop of reflected calls.  0 if all were kept.
 */
    .globl program_registers
program_registers:
    pushq %rbx
    pushq %r12
    pushq %r13
    movq %rdi, %rbx
    movq %rdi, %xmm7
    leaq 77(%rdi), %r12
    movq %r12, %xmm15
1:  movl $39, %eax
    movq %rbx, %rdx
    movq %r12, %r9
    syscall
    cmpq %rbx, %rdx
    jne 9f
    cmpq %r12, %r9
    jne 9f
    movq %xmm7, %r13
    cmpq %rdi, %r13
    jne 9f
    movq %xmm15, %r13
    cmpq %r12, %r13
    jne 9f
    decq %rsi
    jnz 1b
    xorl %eax, %eax
    jmp 2f
9:  movl $1, %eax
2:  popq %r13
    popq %r12
    popq %rbx
    ret

    .data
    .globl reflected, reflected_rip
reflected:      .quad 0
reflected_rip:  .quad 0

    .section .note.GNU-stack, "", @progbits
