/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sigread.c - a signal as signalfd shows it */
#include <string.h>
#include <linux/signalfd.h>
#include "guest-libc/sys/siginfo.h"
#include "guest-libc/sys/thread.h"

static void fill(struct signalfd_siginfo *out, int sig,
                 const struct signal_info *info)
{
    memset(out, 0, sizeof(*out));
    out->ssi_signo = sig;
    out->ssi_errno = info->error;
    out->ssi_code = info->code;
    if (siginfo_is_fault(sig, info->code)) {
        out->ssi_addr = info->value;
        return;
    }
    if (info->code == SI_TIMER) {
        out->ssi_tid = info->pid;
        out->ssi_overrun = info->uid;
    } else {
        out->ssi_pid = info->pid;
        out->ssi_uid = info->uid;
    }
    if (info->code < 0) {
        out->ssi_ptr = info->value;
        out->ssi_int = (int32_t)info->value;
    }
}

/**
 * signal_read_locked - take the next signal of a set by reading
 * @set: which
 * @ret_info: what the program reads
 *
 * Return: true if one waited.
 * Context: lock held.
 */
bool signal_read_locked(uint64_t set, struct signalfd_siginfo *ret_info)
{
    struct signal_info info;
    int sig = signal_take_locked(thread_self(), set, &info);

    if (sig) {
        fill(ret_info, sig, &info);
    }
    return sig;
}
