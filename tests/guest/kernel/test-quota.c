/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-quota.c - what a process can take from another, and the end of memory
 *
 * The glutton (process 0) takes all memory that it can get and tells the modest
 * one (process 1), which then takes what each is promised, and ends.  The
 * glutton goes on until it is killed.
 */
#include "kcall.h"

#define HEADER 14

static const uint8_t modest_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t all_macs[6] = { 255, 255, 255, 255, 255, 255 };
static struct sys_net *net;

static int64_t free_bytes(void)
{
    return kcall(SYS_QUERY, SYS_QUERY_FREE_BYTES);
}

static void wait_for_frame(void)
{
    while (__atomic_load_n(&net->head, __ATOMIC_ACQUIRE) == 0) {
        kcall(SYS_WAIT, &net->event, 0, SYS_FOREVER);
    }
}

static void tell(const uint8_t *mac)
{
    uint8_t frame[HEADER] = { 0 };
    struct sys_iov iov = { (uint64_t)frame, sizeof(frame) };

    memcpy(frame, mac, 6);
    kcall(SYS_NET_SEND, &iov, 1);
}

/* Touch page after page of fresh memory, until @left is all there is. */
static void take_memory(uint64_t bytes, int64_t left)
{
    volatile uint8_t *at = (volatile uint8_t *)kcall(SYS_MAP, 0, bytes, RW, 0);
    uint64_t i;

    for (i = 0; i < bytes && free_bytes() > left; i += PAGE) {
        at[i] = 1;
    }
}

void glutton_process(void)
{
    kcall(SYS_NET_ATTACH, 0, &net);
    take_memory(boot_info->ram_bytes, 3 * PAGE);
    say("glutton: full");
    tell(modest_mac);
    wait_for_frame();
    /* When the other has ended all of the memory is ours, and not enough. */
    take_memory(2 * boot_info->ram_bytes, -1);
    say("glutton: still there");
    kcall(SYS_EXIT, 0);
}

static void nothing(uint64_t slot)
{
    (void)slot;
}

void modest_process(void)
{
    unsigned int i;

    kcall(SYS_NET_ATTACH, modest_mac, &net);
    wait_for_frame();
    take_memory(boot_info->ram_bytes / 5, 0);
    for (i = 0; i < 100; i++) {
        if (start_thread(1, nothing, 1) < 0) {
            say("modest: no thread");
        }
        join_thread(1);
    }
    say("modest: done");
    tell(all_macs);
    kcall(SYS_EXIT, 0);
}
