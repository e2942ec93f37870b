/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-line.c - threads that wait for ever when another line begins
 *
 * Run by tests/engine/test_guest_lines.py, whose ckptd begins the line.
 */
#include "kcall.h"

#define N_THREADS 4

static const uint32_t never;
static uint32_t started;

static void wait_to_be_told(uint64_t slot)
{
    int64_t ret;

    __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    ret = kcall(SYS_WAIT, &never, 0, SYS_FOREVER);
    if (ret == -EINTR &&
        (__atomic_load_n(&ublocks[slot].pending, __ATOMIC_RELAXED) &
         SYS_PENDING_MAILBOX) != 0) {
        say_number("told ", slot);
    } else {
        say_number("woken for nothing ", slot);
    }
}

/* No network, no timer, no thread that runs: nothing else wakes anybody. */
void line_process(void)
{
    unsigned int i;

    for (i = 1; i < N_THREADS; i++) {
        start_thread(i, wait_to_be_told, i);
    }
    while (__atomic_load_n(&started, __ATOMIC_RELAXED) < N_THREADS - 1) {
        kcall(SYS_YIELD);
    }
    say("ready");
    wait_to_be_told(0);
    for (;;) {
        kcall(SYS_WAIT, &never, 0, SYS_FOREVER);
    }
}
