/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mailbox.c - messages of the host
 *
 * All but SHUTDOWN are for the libraries; GENERATION and IDENTITY also for our
 * clock.  A line begins with one IDENTITY for each process; they are read
 * together, before user code runs.
 */
#include "kernel.h"

#define SIGNAL_KILL 9

static struct ckpt_mbox message __attribute__((aligned(256))) BULKY;
static uint64_t line_generation BULKY; /* in which the last line began */

static void read_identity(void)
{
    struct ckpt_identity id;

    memcpy(&id, message.data, sizeof(id));
    if (message.len_bytes < sizeof(id)) {
        return;
    }
    process_new_line(&message);
    if (id.generation != line_generation) {
        line_generation = id.generation;
        time_new_line();
    }
}

/**
 * mailbox_read - take and serve all messages that wait
 */
void mailbox_read(void)
{
    while (nic_command(CKPT_CMD_MAILBOX, &message, sizeof(message)) == 0) {
        switch (message.kind) {
        case CKPT_MBOX_SHUTDOWN:
            log_line("the host ends the guest");
            process_kill_all(SIGNAL_KILL | CKPT_EXIT_SIGNALLED);
            break;
        case CKPT_MBOX_GENERATION:
            time_restored();
            process_mail(&message);
            break;
        case CKPT_MBOX_IDENTITY:
            read_identity();
            break;
        default:
            process_mail(&message);
            break;
        }
    }
}
