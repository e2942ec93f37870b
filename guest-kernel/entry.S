/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * entry.S - the ways into the kernel and back
 *
 * One CPU: what an entry needs lies in struct cpu at a fixed address, so GS
 * stays the program's and SWAPGS is not used.  The kernel runs with
 * interrupts off from entry to exit; only the idle thread lets them in.
 *
 * Reflection, the fast path: nothing is saved and no stack is used.  RSP
 * serves as scratch, which is safe because nothing can trap there: cpu.ublock
 * is an address in the direct map, NMI and double fault have stacks of their
 * own, and SFMASK has cleared TF.
 *
 * SYSRET with a non-canonical RCX would fault in the kernel on the program's
 * stack.  It cannot happen: no user page lies at or above LIBRARY_END, so the
 * address after a SYSCALL is canonical, handler_set() checks the reflection
 * entry, and every frame whose RIP was changed leaves by IRET.
 */
#include "abi/guest-syscall.h"
#include "memlayout.h"

/* The general registers of struct trap_frame, below vector and error. */
    .macro PUSH_REGISTERS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .text
    .globl syscall_entry
syscall_entry:
    movq %rsp, cpu+CPU_USER_RSP(%rip)
    leaq -0x1000(%rax), %rsp
    cmpq $0xfff, %rsp
    jbe kernel_call
    cmpq cpu+CPU_TEXT_LO(%rip), %rcx
    jb 1f
    cmpq cpu+CPU_TEXT_HI(%rip), %rcx
    jb kernel_call              /* of the library itself: ENOSYS, slowly */
1:  movq cpu+CPU_UBLOCK(%rip), %rsp
    testq %rsp, %rsp
    jz kernel_call              /* no handler, or its page is not known */
    movq %rcx, 0(%rsp)
    movq %r11, 8(%rsp)
    andl $~SYS_RFLAGS_CLEAR, %r11d
    movq cpu+CPU_REFLECT(%rip), %rcx
    movq cpu+CPU_USER_RSP(%rip), %rsp
    sysretq

kernel_call:
    movq cpu+CPU_KSTACK_TOP(%rip), %rsp
    pushq $SEL_UDATA
    pushq cpu+CPU_USER_RSP(%rip)
    pushq %r11
    pushq $SEL_UCODE
    pushq %rcx
    pushq $0
    pushq $VECTOR_SYSCALL
    PUSH_REGISTERS
    xorl %ebp, %ebp
    movq %rsp, %rdi
    call syscall_dispatch

return_to_frame:                /* RSP = struct trap_frame */
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    cmpq $VECTOR_SYSCALL, 0(%rsp)
    jne 1f
    movq FRAME_RSP-FRAME_VECTOR(%rsp), %rsp
    sysretq
1:  addq $16, %rsp
    iretq

trap_common:
    PUSH_REGISTERS
    cld
    cmpb $0, cpu+CPU_SMAP(%rip) /* a gate leaves AC as the program set it */
    je 1f
    clac
1:  testb $3, FRAME_CS(%rsp)
    jz 2f
    xorl %ebp, %ebp             /* a backtrace ends at the border */
2:  movq %rsp, %rdi
    call trap_dispatch
    jmp return_to_frame

/* Where thread_switch() takes a new thread; its frame lies at RSP. */
    .globl thread_begin
thread_begin:
    movq %rsp, %rdi
    call sched_begin
    jmp return_to_frame

/*
 * void thread_switch(uint64_t *save_ksp, uint64_t ksp): leave the present
 * kernel stack, go on where the other one was left.
 */
    .globl thread_switch
thread_switch:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/*
 * Accesses to user memory.  Each instruction that may fault has an entry in
 * the table of fixups: where to go on, with the access refused.
 */
    .macro FIXUP at, to
    .pushsection .fixups, "a"
    .quad \at, \to
    .popsection
    .endm

    .macro USER_BEGIN
    cmpb $0, cpu+CPU_SMAP(%rip)
    je 900f
    stac
900:
    .endm

    .macro USER_END_RETURN
    cmpb $0, cpu+CPU_SMAP(%rip)
    je 901f
    clac
901:
    ret
    .endm

/* int user_copy(void *to, const void *from, size_t bytes) */
    .globl user_copy
user_copy:
    USER_BEGIN
    xorl %eax, %eax
    movq %rdx, %rcx
    shrq $3, %rcx
10: rep movsq
    movl %edx, %ecx
    andl $7, %ecx
11: rep movsb
12: USER_END_RETURN
13: movl $-14, %eax             /* -EFAULT */
    jmp 12b
    FIXUP 10b, 13b
    FIXUP 11b, 13b

/* int user_load32(uint32_t *ret, const uint32_t *from) */
    .globl user_load32
user_load32:
    USER_BEGIN
    xorl %eax, %eax
20: movl (%rsi), %edx
    movl %edx, (%rdi)
21: USER_END_RETURN
22: movl $-14, %eax
    jmp 21b
    FIXUP 20b, 22b

/* int user_xsave(void *area, uint64_t mask) */
    .globl user_xsave
user_xsave:
    USER_BEGIN
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
30: xsave64 (%rdi)
    xorl %eax, %eax
31: USER_END_RETURN
32: movl $-14, %eax
    jmp 31b
    FIXUP 30b, 32b

/* int user_xrstor(const void *area, uint64_t mask) */
    .globl user_xrstor
user_xrstor:
    USER_BEGIN
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
40: xrstor64 (%rdi)
    xorl %eax, %eax
41: USER_END_RETURN
42: movl $-14, %eax
    jmp 41b
    FIXUP 40b, 42b

/* One stub for each of the 256 vectors, VECTOR_STUB_BYTES apart. */
    .balign 16
    .globl vector_stubs
vector_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector > 31) || (((0x60227d00 >> (vector & 31)) & 1) == 0)
    pushq $0                    /* where the CPU pushes no error code */
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

    .section .note.GNU-stack, "", @progbits
