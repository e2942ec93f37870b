/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mailbox.c - messages from the host
 *
 * The kernel says that there is one by counting sys_net.event up, or by
 * ublock.pending of the first thread; neither says which of its reasons it
 * was.  Looking costs a kernel call, too much for every round of a busy
 * poller, so it looks at most once in MAILBOX_INTERVAL_NS, and asks to be
 * called again when it has skipped a look.
 */
#include <errno.h>
#include <string.h>
#include <linux/signal.h>
#include "guest-libc/sys/thread.h"

#define MAILBOX_INTERVAL_NS 1000000ull

static uint64_t looked_ns; /* lock */

static void handle(const struct ckpt_mbox *message)
{
    struct signal_info info = { .code = SI_USER };
    struct ckpt_identity id;

    switch (message->kind) {
    case CKPT_MBOX_SIGTERM:
        signal_send_locked(NULL, SIGTERM, &info);
        break;
    case CKPT_MBOX_GENERATION:
        /* The clock's page is the kernel's; the network must speak up. */
        net_restored();
        break;
    case CKPT_MBOX_IDENTITY:
        memcpy(&id, message->data, sizeof(id));
        net_new_line(&id);
        break;
    default:
        lib_log("message of unknown kind %u", message->kind);
        break;
    }
}

/**
 * mailbox_read_locked - take all messages from the host
 *
 * Context: lock held.
 */
void mailbox_read_locked(void)
{
    struct ckpt_mbox message;

    /* A clock that was set is announced as a message is, without one. */
    wall_clock_look_locked();
    while (prim_mailbox(&message) == 0) {
        handle(&message);
    }
}

/**
 * sys_poll_locked - what the poller of the NIC does besides
 *
 * Return: when to call again at the latest, monotonic; SYS_FOREVER: when the
 * event word changes.
 * Context: lock held.
 */
uint64_t sys_poll_locked(void)
{
    uint64_t now_ns = prim_now_ns();

    if (now_ns - looked_ns < MAILBOX_INTERVAL_NS) {
        return looked_ns + MAILBOX_INTERVAL_NS;
    }
    looked_ns = now_ns;
    mailbox_read_locked();
    return SYS_FOREVER;
}
