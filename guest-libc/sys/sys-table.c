/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys-table.c - the one table of Linux system calls
 *
 * Each room exports its calls; they are joined here at boot.  What nobody
 * serves is -ENOSYS and one line in the log for each number: that line is how
 * one learns what a new program needs.
 */
#include <errno.h>
#include "guest-libc/sys/sys-table.h"
#include "guest-libc/sys/thread.h"

#define SYS_LINUX   512u    /* Linux' own numbers are below */
#define SYS_OWN     0x2000u /* those of sluice.h from here */
#define SYS_NUMBERS (SYS_LINUX + 16u)

static const struct sys_entry *table[SYS_NUMBERS] BULKY;
static uint8_t reported[SYS_NUMBERS / 8] BULKY; /* lock */

/* Place of a call in the table, SYS_NUMBERS if it has none. */
static uint64_t slot_of(uint64_t number)
{
    if (number >= SYS_OWN && number < SYS_OWN + SYS_NUMBERS - SYS_LINUX) {
        return SYS_LINUX + number - SYS_OWN;
    }
    return number < SYS_LINUX ? number : SYS_NUMBERS;
}

static void add_room(const struct sys_entry *entry)
{
    for (; entry && entry->handler; entry++) {
        uint64_t slot = slot_of(entry->number);

        lib_assert(slot < SYS_NUMBERS);
        if (table[slot]) {
            lib_panic("call %u is served twice: %s", entry->number,
                      entry->name);
        }
        table[slot] = entry;
    }
}

/**
 * sys_table_init - join the rooms' calls
 *
 * Context: boot.
 */
void sys_table_init(void)
{
    add_room(memory_calls);
    add_room(thread_calls);
    add_room(futex_calls);
    add_room(robust_calls);
    add_room(signal_calls);
    add_room(clock_calls);
    add_room(time_calls);
    add_room(itimer_calls);
    add_room(posix_timer_calls);
    add_room(ident_calls);
    add_room(creds_calls);
    add_room(capability_calls);
    add_room(rlimit_calls);
    add_room(prctl_calls);
    add_room(sched_calls);
    add_room(posix_calls);
    add_room(net_calls);
}

/**
 * sys_handler_of - find who serves a call
 * @number: Linux x86-64
 *
 * Return: the handler, NULL if nobody does.
 * Context: any.
 */
sys_handler sys_handler_of(uint64_t number)
{
    uint64_t slot = slot_of(number);

    return slot < SYS_NUMBERS && table[slot] ? table[slot]->handler : NULL;
}

static long unknown_call(uint64_t number)
{
    uint64_t slot = slot_of(number);
    bool first = true;

    if (slot < SYS_NUMBERS) {
        lib_lock();
        first = !(reported[slot / 8] & (1u << slot % 8));
        reported[slot / 8] |= 1u << slot % 8;
        lib_unlock();
    }
    if (first) {
        lib_log("system call %lu is not served", number);
    }
    return -ENOSYS;
}

/**
 * sys_dispatch - serve one system call
 * @frame: the program's registers; RAX becomes the result
 *
 * Context: called from entry.S on the thread's library stack, no lock held.
 */
void sys_dispatch(struct frame *frame)
{
    struct sys_args args = {
        .arg = { frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8,
                 frame->r9 },
        .frame = frame,
    };
    uint64_t number = frame->rax;
    sys_handler handler = sys_handler_of(number);
    struct thread *t;
    long ret;

    ret = handler ? handler(&args) : unknown_call(number);
    if (ret == LIB_RESTART) {
        /* Delivery decides between a restart and this. */
        t = thread_self();
        t->restart_number = number + 1;
        __atomic_fetch_or(&t->ublock.pending, 1, __ATOMIC_RELAXED);
        ret = -EINTR;
    }
    if (frame->r11 & SYS_RFLAGS_CLEAR) {
        /* The way back has none of them: delivery loads them. */
        __atomic_fetch_or(&thread_self()->ublock.pending, 1, __ATOMIC_RELAXED);
    }
    frame->rax = ret;
}
