/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_thread.c - kernel calls about threads, waiting and control flow
 *
 * Arguments, results and reasons: abi/guest-syscall.h.
 */
#include "kernel.h"

#define FRAME() thread_frame(current)

static bool in_library_range(uint64_t addr)
{
    return addr >= LIBRARY_BASE && addr < LIBRARY_END;
}

static bool is_canonical_user(uint64_t addr)
{
    return addr < LIBRARY_END;
}

/* A block must be the library's, so that a program cannot unmap it. */
static bool ublock_ok(uint64_t addr)
{
    return addr % SYS_UBLOCK_ALIGN == 0 && addr >= LIBRARY_BASE &&
           addr <= BOOT_BASE - sizeof(struct sys_ublock);
}

/**
 * sys_handler_set - who takes unknown calls and upcalls
 * @arg: reflect_entry, upcall_entry, text_lo, text_hi
 *
 * Return: 0 or -EINVAL.
 */
int64_t sys_handler_set(const uint64_t arg[6])
{
    struct process *process = current->process;

    if (!in_library_range(arg[0]) || !in_library_range(arg[1]) ||
        !in_library_range(arg[2]) || !in_library_range(arg[3]) ||
        arg[2] >= arg[3]) {
        return -EINVAL;
    }
    process->reflect_entry = arg[0];
    process->upcall_entry = arg[1];
    process->text_lo = arg[2];
    process->text_hi = arg[3];
    thread_sync_cpu(current);
    return 0;
}

/**
 * sys_thread_create - start a thread in the library
 * @arg: user address of a struct sys_thread
 *
 * Return: its number, -EFAULT, -EINVAL, or see thread_create().
 */
int64_t sys_thread_create(const uint64_t arg[6])
{
    struct sys_thread spec;

    if (copy_from_user(&spec, arg[0], sizeof(spec)) != 0) {
        return -EFAULT;
    }
    if (!in_library_range(spec.rip) || !is_canonical_user(spec.fs_base) ||
        !is_canonical_user(spec.gs_base) || !ublock_ok(spec.ublock)) {
        return -EINVAL;
    }
    if (vm_pin(&current->process->vm, spec.ublock) == NULL) {
        return -EFAULT;
    }
    return thread_create(current->process, &spec, NULL);
}

/**
 * sys_thread_exit - end the caller
 * @arg: address to clear and wake, range to unmap (start, bytes)
 *
 * Return: -EINVAL for a range that is not one; else it does not.
 */
int64_t sys_thread_exit(const uint64_t arg[6])
{
    struct process *process = current->process;
    const uint32_t zero = 0;

    if (arg[1] % PAGE_BYTES != 0 || arg[2] % PAGE_BYTES != 0 ||
        (arg[2] != 0 && !user_range_ok(arg[1], arg[2]))) {
        return -EINVAL;
    }
    if (arg[2] != 0) {
        process_forget_ublocks(process, arg[1], arg[1] + arg[2]);
        vm_unmap(&process->vm, arg[1], arg[1] + arg[2]);
    }
    if (arg[0] != 0 && copy_to_user(arg[0], &zero, sizeof(zero)) == 0) {
        wait_wake(process, arg[0], UINT32_MAX);
    }
    sched_exit();
}

/**
 * sys_thread_interrupt - make a thread look up
 * @arg: its number, bits for its ublock->pending
 *
 * Return: 0 or -ESRCH.
 */
int64_t sys_thread_interrupt(const uint64_t arg[6])
{
    struct thread *thread = thread_find(current->process, (uint32_t)arg[0]);

    if (thread == NULL) {
        return -ESRCH;
    }
    thread_interrupt(thread, (uint32_t)arg[1]);
    return 0;
}

/**
 * sys_thread_set - change a register of the caller that user code may not
 * @arg: enum sys_thread_reg, value
 *
 * Return: 0, -EINVAL, or -EFAULT for a block that is not writable memory.
 */
int64_t sys_thread_set(const uint64_t arg[6])
{
    switch (arg[0]) {
    case SYS_THREAD_FS:
        if (!is_canonical_user(arg[1])) {
            return -EINVAL;
        }
        wrfsbase(arg[1]);
        return 0;
    case SYS_THREAD_GS:
        if (!is_canonical_user(arg[1])) {
            return -EINVAL;
        }
        current->library_gs = arg[1];
        wrgsbase(arg[1]);
        return 0;
    case SYS_THREAD_UBLOCK:
        if (!ublock_ok(arg[1])) {
            return -EINVAL;
        }
        current->ublock = arg[1];
        current->ublock_direct = NULL;
        return thread_ublock(current) == NULL ? -EFAULT : 0;
    default:
        return -EINVAL;
    }
}

/**
 * sys_wait - sleep while a word has a value
 * @arg: address, value, deadline
 *
 * Context: may block.
 *
 * Return: see wait_on().
 */
int64_t sys_wait(const uint64_t arg[6])
{
    nic_poll_for();
    if (current->process->port != NULL) {
        netswitch_retry(current->process->port);
    }
    return wait_on(arg[0], (uint32_t)arg[1], arg[2]);
}

/**
 * sys_wake - wake threads that wait for an address
 * @arg: address, how many at most
 *
 * Return: how many were woken.
 */
int64_t sys_wake(const uint64_t arg[6])
{
    return wait_wake(current->process, arg[0], (uint32_t)arg[1]);
}

/**
 * sys_yield - let others run
 * @arg: not used
 *
 * Context: may block.
 *
 * Return: 0.
 */
int64_t sys_yield(const uint64_t arg[6])
{
    (void)arg;
    sched_yield();
    return 0;
}

/**
 * sys_resume - load all registers
 * @arg: user address of a struct sys_context
 *
 * Return: -EFAULT or -EINVAL; else the loaded RAX, so to say.
 */
int64_t sys_resume(const uint64_t arg[6])
{
    return upcall_resume(FRAME(), arg[0]);
}

/**
 * sys_exit - end the process
 * @arg: status, as CKPT_NIC_EXIT
 *
 * Return: not to the caller.
 */
int64_t sys_exit(const uint64_t arg[6])
{
    process_kill(current->process,
                 (uint32_t)arg[0] & (0xff | CKPT_EXIT_SIGNALLED));
    return 0;
}

/**
 * sys_ending - the program of the caller's process has ended
 * @arg: status, as CKPT_NIC_EXIT
 *
 * Return: 0.
 */
int64_t sys_ending(const uint64_t arg[6])
{
    process_is_ending(current->process,
                      (uint32_t)arg[0] & (0xff | CKPT_EXIT_SIGNALLED));
    return 0;
}
