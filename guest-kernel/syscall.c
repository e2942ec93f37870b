/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syscall.c - the table of kernel calls, and reflection by the slow way
 *
 * entry.S reflects by itself whenever it can.  What comes here instead: our
 * own calls, calls of library text, and calls of a process without a handler
 * or of a thread whose block has to be looked up first.
 */
#include "kernel.h"

static const syscall_fn table[] = {
    [SYS_HANDLER_SET - SYS_FIRST] = sys_handler_set,
    [SYS_THREAD_CREATE - SYS_FIRST] = sys_thread_create,
    [SYS_THREAD_EXIT - SYS_FIRST] = sys_thread_exit,
    [SYS_THREAD_INTERRUPT - SYS_FIRST] = sys_thread_interrupt,
    [SYS_WAIT - SYS_FIRST] = sys_wait,
    [SYS_WAKE - SYS_FIRST] = sys_wake,
    [SYS_YIELD - SYS_FIRST] = sys_yield,
    [SYS_MAP - SYS_FIRST] = sys_map,
    [SYS_UNMAP - SYS_FIRST] = sys_unmap,
    [SYS_PROTECT - SYS_FIRST] = sys_protect,
    [SYS_REMAP - SYS_FIRST] = sys_remap,
    [SYS_DISCARD - SYS_FIRST] = sys_discard,
    [SYS_RESIDENT - SYS_FIRST] = sys_resident,
    [SYS_WIPE - SYS_FIRST] = sys_wipe,
    [SYS_NET_ATTACH - SYS_FIRST] = sys_net_attach,
    [SYS_NET_SEND - SYS_FIRST] = sys_net_send,
    [SYS_COMMIT - SYS_FIRST] = sys_commit,
    [SYS_QUERY - SYS_FIRST] = sys_query,
    [SYS_EXIT - SYS_FIRST] = sys_exit,
    [SYS_ENDING - SYS_FIRST] = sys_ending,
    [SYS_LOG - SYS_FIRST] = sys_log,
    [SYS_RANDOM - SYS_FIRST] = sys_random,
    [SYS_RESUME - SYS_FIRST] = sys_resume,
    [SYS_MAILBOX - SYS_FIRST] = sys_mailbox,
    [SYS_THREAD_SET - SYS_FIRST] = sys_thread_set,
    [SYS_AREAS - SYS_FIRST] = sys_areas,
};

/* Hand an unknown call to the process's handler: see guest-syscall.h. */
static void reflect(struct trap_frame *frame)
{
    const struct process *process = current->process;
    struct sys_ublock *ublock = thread_ublock(current);

    if (ublock == NULL || process->reflect_entry == 0 ||
        (frame->rip >= process->text_lo && frame->rip < process->text_hi)) {
        frame->rax = (uint64_t)-ENOSYS;
        return;
    }
    ublock->app_rip = frame->rip;
    ublock->app_rflags = frame->rflags;
    frame->rip = process->reflect_entry;
    frame->rcx = process->reflect_entry;
    /* SYSRET takes the flags from R11. */
    frame->r11 = frame->rflags & ~(uint64_t)SYS_RFLAGS_CLEAR;
    frame->rflags = frame->r11;
}

/**
 * syscall_dispatch - carry out one call
 * @frame: the caller's registers; gets the result
 *
 * Context: may block.
 */
void syscall_dispatch(struct trap_frame *frame)
{
    uint64_t number = frame->rax - SYS_FIRST;

    if (number > SYS_LAST - SYS_FIRST) {
        reflect(frame);
    } else if (number >= N_ELEMENTS(table) || table[number] == NULL) {
        frame->rax = (uint64_t)-ENOSYS;
    } else {
        const uint64_t arg[6] = { frame->rdi, frame->rsi, frame->rdx,
                                  frame->r10, frame->r8,  frame->r9 };
        int64_t result = table[number](arg);

        if (frame->vector == VECTOR_SYSCALL) {
            frame->rax = (uint64_t)result;
        }
    }
    trap_before_user(frame);
}

/**
 * user_range_ok - may these be addresses of a process?
 * @addr: the first
 * @bytes: how many
 *
 * Return: true if all of them lie in the user half.
 */
bool user_range_ok(uint64_t addr, uint64_t bytes)
{
    return addr >= USER_BASE && addr < LIBRARY_END &&
           bytes <= LIBRARY_END - addr;
}

/**
 * copy_from_user - read memory of the running process
 * @to: where to
 * @from: user address
 * @bytes: how many
 *
 * Return: 0 or -EFAULT.
 */
int copy_from_user(void *to, uint64_t from, size_t bytes)
{
    if (!user_range_ok(from, bytes)) {
        return -EFAULT;
    }
    return user_copy(to, (const void *)from, bytes);
}

/**
 * copy_to_user - write memory of the running process
 * @to: user address
 * @from: where from
 * @bytes: how many
 *
 * Return: 0 or -EFAULT.
 */
int copy_to_user(uint64_t to, const void *from, size_t bytes)
{
    if (!user_range_ok(to, bytes)) {
        return -EFAULT;
    }
    return user_copy((void *)to, from, bytes);
}

/**
 * load_user_u32 - read one aligned word at once
 * @addr: user address
 * @ret_value: gets the word
 *
 * Return: 0, -EFAULT, or -EINVAL if it is not aligned.
 */
int load_user_u32(uint64_t addr, uint32_t *ret_value)
{
    if (addr % sizeof(uint32_t) != 0) {
        return -EINVAL;
    }
    if (!user_range_ok(addr, sizeof(uint32_t))) {
        return -EFAULT;
    }
    return user_load32(ret_value, (const uint32_t *)addr);
}
