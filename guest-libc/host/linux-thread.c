/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux-thread.c - threads of the Linux build
 *
 * Linux does not pass Syscall User Dispatch nor the signal stack on to a new
 * thread, so a thread begins in host code on its own library stack, arms
 * itself, and only then goes where the library wants it.
 */
#include <errno.h>
#include <asm/prctl.h>
#include <linux/sched.h>
#include <string.h>
#include "guest-libc/host/host.h"
#include "guest-libc/host/linux-call.h"
#include "guest-libc/sys/libos.h"

#define HOST_CLONE_FLAGS                                                       \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |        \
     CLONE_SYSVSEM | CLONE_SETTLS)
#define BELOW_FRAME_BYTES 256u /* room for what the thread is to do */

/* Signal stacks that ended threads have left. */
struct free_stack {
    struct free_stack *next;
};

static struct free_stack *free_stacks;
static uint32_t free_stacks_lock;

static void stacks_lock(void)
{
    while (__atomic_exchange_n(&free_stacks_lock, 1, __ATOMIC_ACQUIRE)) {
        prim_yield();
    }
}

static void stacks_unlock(void)
{
    __atomic_store_n(&free_stacks_lock, 0, __ATOMIC_RELEASE);
}

/**
 * host_signal_stack_get - a signal stack for a new thread
 *
 * Return: HOST_SIGNAL_STACK_BYTES, or NULL.
 * Context: any.
 */
void *host_signal_stack_get(void)
{
    struct free_stack *stack;

    stacks_lock();
    stack = free_stacks;
    if (stack) {
        free_stacks = stack->next;
    }
    stacks_unlock();
    return stack ? stack : lib_pages(HOST_SIGNAL_STACK_BYTES);
}

/**
 * host_signal_stack_put - give a thread's signal stack back
 * @stack: from host_signal_stack_get(); no signal may come any more
 *
 * Context: any.
 */
void host_signal_stack_put(void *stack)
{
    struct free_stack *s = stack;

    stacks_lock();
    s->next = free_stacks;
    free_stacks = s;
    stacks_unlock();
}

/**
 * host_thread_main - first C code of a host thread
 * @start: where to go on
 *
 * Context: called from entry-linux.S; does not return.
 */
_Noreturn void host_thread_main(const struct sys_thread *start)
{
    linux_call(__NR_arch_prctl, ARCH_SET_GS, start->gs_base, 0, 0);
    host_thread_arm();
    host_enter(start->rip, start->rsp, start->arg);
}

long prim_thread_create(const struct sys_thread *thread)
{
    struct sys_thread *copy;
    uint64_t *stack;

    copy = (struct sys_thread *)((thread->rsp - BELOW_FRAME_BYTES) & ~15ull);
    *copy = *thread;
    stack = (uint64_t *)copy - 2;
    stack[0] = (uint64_t)copy;
    return host_clone(HOST_CLONE_FLAGS, stack, thread->fs_base);
}

void prim_thread_adopt(struct sys_ublock *ublock)
{
    linux_call(__NR_arch_prctl, ARCH_SET_GS, (uint64_t)ublock, 0, 0);
}

long prim_thread_set(enum sys_thread_reg reg, uint64_t value)
{
    return linux_call(__NR_arch_prctl,
                      reg == SYS_THREAD_FS ? ARCH_SET_FS : ARCH_SET_GS, value,
                      0, 0);
}

_Noreturn void prim_thread_exit(void *block, size_t len_bytes)
{
    struct {
        void *sp;
        int flags;
        size_t bytes;
    } stack;

    host_signals_block();
    linux_call(__NR_sigaltstack, 0, (uint64_t)&stack, 0, 0);
    host_signal_stack_put(stack.sp);
    host_leave(block, len_bytes);
}

long prim_interrupt(int tid, uint32_t bits)
{
    (void)bits; /* the library has set ublock.pending */
    return linux_call(__NR_tgkill, linux_call(__NR_getpid, 0, 0, 0, 0), tid,
                      HOST_SIGNAL_INTERRUPT, 0);
}
