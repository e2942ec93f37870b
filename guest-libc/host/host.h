/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - the Linux build of the library: what its files share
 *
 * prim-linux.c      the calls of prim.h that need no more than a Linux call
 * linux-thread.c    threads: each has Syscall User Dispatch and a signal stack
 * linux-signal.c    host signals become reflections and upcalls
 * linux-net.c       a TAP device becomes struct sys_net
 * linux-areas.c     mappings, as Linux lists them
 * linux-clock.c     struct guest_shared of this host
 * runner.c          the command: makes a bundle of its arguments
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "abi/guest-boot.h"
#include "abi/guest-syscall.h"

/* Host signal that interrupts a thread which runs program text. */
#define HOST_SIGNAL_INTERRUPT 23 /* SIGURG */

/* linux-clock.c */
const struct guest_shared *host_clock_start(void);

/* linux-signal.c */
void host_signals_start(void);
/* Signal stack and Syscall User Dispatch for the calling thread. */
void host_thread_arm(void);
void host_signals_block(void);
bool host_term_taken(void); /* a SIGTERM came from outside; once */

/* linux-thread.c */
void host_signal_stack_put(void *stack);
void *host_signal_stack_get(void);
#define HOST_SIGNAL_STACK_BYTES (32u << 10)

/* linux-net.c */
void host_net_configure(const char *tap_name);
void host_net_event(void); /* count the event word up, if there is one */

/* entry-linux.S */
extern const char host_restorer[];
long host_clone(uint64_t flags, void *stack, uint64_t fs_base);
long host_reader_clone(uint64_t flags, void *stack);
_Noreturn void host_enter(uint64_t rip, uint64_t rsp, uint64_t arg);
_Noreturn void host_sigreturn(uint64_t frame_rsp);
_Noreturn void host_leave(void *block, size_t len_bytes);

#endif
