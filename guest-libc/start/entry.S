/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * entry.S - where the program enters the library, and where it leaves it
 *
 * Theory of operation
 *
 * A system call is reflected to reflect_entry: the kernel has put the
 * program's RIP and RFLAGS into the thread block (GS) and has touched nothing
 * but RCX.  We move to the library's stack, push all general registers as a
 * struct frame, and call sys_dispatch(), which leaves the result in the frame.
 * The extended state stays live in the CPU: nothing in the library uses it.
 *
 * The stack of a thread, downwards from frame_top:
 *
 *    frame_top   struct frame of the call being served
 *    stack_top   the C code's frames; also where the kernel starts an upcall
 *
 * Leaving.  return_to_program looks at ublock.pending and then pops the frame.
 * Between the look and the last pop an interrupt must not be lost, so this
 * stretch lies in a section of its own, outside [library_text_start,
 * library_text_end): there the kernel may upcall, as in the program.  Popping
 * does not destroy the frame, and an upcall begins below it, so upcall_main()
 * recognises the address and simply starts the leaving anew (recheck_entry).
 */
#include "guest-libc/start/layout.h"

    .text

/* Reflected system call: all registers but RCX are the program's. */
    .balign 64
    .globl reflect_entry
    .type reflect_entry, @function
reflect_entry:
    mov     %rsp, %gs:UBLOCK_SCRATCH
    mov     %gs:THREAD_FRAME_TOP, %rsp
    pushq   %gs:UBLOCK_SCRATCH
    push    %rdi
    push    %rsi
    push    %rdx
    pushq   %gs:UBLOCK_APP_RIP
    push    %rax
    push    %r8
    push    %r9
    push    %r10
    pushq   %gs:UBLOCK_APP_RFLAGS
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    cld
    xor     %ebp, %ebp
    mov     %rsp, %rdi
    call    sys_dispatch
    jmp     return_to_program

/* A signal is pending for a thread that is about to leave with this frame. */
    .globl recheck_entry
recheck_entry:
    mov     %gs:THREAD_FRAME_TOP, %rsp
    sub     $FRAME_BYTES, %rsp
    cld
    xor     %ebp, %ebp
    mov     %rsp, %rdi
    call    signal_deliver_frame
    jmp     return_to_program

/* Upcall: RDI = 0 from the program, 1 from the library's own text. */
    .globl upcall_entry
    .type upcall_entry, @function
upcall_entry:
    cld
    xor     %ebp, %ebp
    and     $-16, %rsp
    call    upcall_main
    ud2

/* start_program(entry, rsp): the program's first instruction. */
    .globl start_program
    .type start_program, @function
start_program:
    mov     %rsi, %rsp
    mov     %rdi, %rax
    xor     %ebx, %ebx
    xor     %ecx, %ecx
    xor     %edx, %edx
    xor     %esi, %esi
    xor     %edi, %edi
    xor     %ebp, %ebp
    jmp     *%rax

/* leave_by_frame(): end an upcall as a call ends, with the frame in place. */
    .globl leave_by_frame
    .type leave_by_frame, @function
leave_by_frame:
    mov     %gs:THREAD_FRAME_TOP, %rsp
    sub     $FRAME_BYTES, %rsp
    jmp     return_to_program

/* First instructions of a thread that clone() made; RSP is at its frame. */
    .globl thread_first_return
thread_first_return:
    jmp     return_to_program

/* helper_first(thread): first instructions of a helper thread. */
    .globl helper_first
helper_first:
    xor     %ebp, %ebp
    and     $-16, %rsp
    call    thread_helper_main
    ud2

    .section .text.return, "ax", @progbits
    .globl return_to_program, return_to_program_end
return_to_program:
    cmpl    $0, %gs:UBLOCK_PENDING
    jne     recheck_entry
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rax
    pop     %rcx
    pop     %rdx
    pop     %rsi
    pop     %rdi
    pop     %rsp
    jmp     *%rcx
return_to_program_end:

    .section .note.GNU-stack, "", @progbits
