/* SPDX-License-Identifier: GPL-2.0-or-later */
/* siginfo.h - Linux's siginfo_t, and what the library keeps of it (sys/ only) */
#ifndef SIGINFO_H
#define SIGINFO_H

#include <linux/signal.h>
#include <stddef.h>
#include <string.h>
#include "guest-libc/sys/sigqueue.h"

struct siginfo_bytes { /* siginfo_t of x86-64 */
    int32_t sig;
    int32_t error;
    int32_t code;
    int32_t zero;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            uint64_t value;
            uint64_t rest[2];
        };
        uint64_t addr; /* of a fault */
        uint8_t bytes[112];
    };
};

_Static_assert(sizeof(struct siginfo_bytes) == sizeof(siginfo_t), "Linux's");
_Static_assert(offsetof(struct siginfo_bytes, code) ==
                   offsetof(siginfo_t, si_code),
               "Linux's");
_Static_assert(offsetof(struct siginfo_bytes, pid) ==
                   offsetof(siginfo_t, si_pid),
               "Linux's");
_Static_assert(offsetof(struct siginfo_bytes, value) ==
                   offsetof(siginfo_t, si_value),
               "Linux's");
_Static_assert(offsetof(struct siginfo_bytes, addr) ==
                   offsetof(siginfo_t, si_addr),
               "Linux's");

/* The kernel says so itself: si_addr is what comes with it. */
static inline bool siginfo_is_fault(int sig, int32_t code)
{
    return code > 0 && (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
                        sig == SIGILL || sig == SIGTRAP);
}

static inline void siginfo_fill(struct siginfo_bytes *si, int sig,
                                const struct signal_info *info)
{
    memset(si, 0, sizeof(*si));
    si->sig = sig;
    si->error = info->error;
    si->code = info->code;
    if (siginfo_is_fault(sig, info->code)) {
        si->addr = info->value;
    } else {
        si->pid = info->pid;
        si->uid = info->uid;
        si->value = info->value;
        memcpy(si->rest, info->rest, sizeof(si->rest));
    }
}

static inline void siginfo_get(const struct siginfo_bytes *si,
                               struct signal_info *ret_info)
{
    ret_info->error = si->error;
    ret_info->code = si->code;
    ret_info->pid = si->pid;
    ret_info->uid = si->uid;
    ret_info->value = si->value;
    memcpy(ret_info->rest, si->rest, sizeof(si->rest));
}

#endif
