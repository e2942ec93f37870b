/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prim.h - the only gate from the library to what lies below it
 *
 * Two implementations: prim-sluice.c makes the kernel calls of
 * abi/guest-syscall.h, prim-linux.c gives the same services on a Linux host,
 * so that the very same library is tested there.  Everything above this
 * header is common to both.
 *
 * Functions that return long return a negative errno on failure.  Times are
 * nanoseconds of the monotonic clock, absolute; SYS_FOREVER is no deadline.
 * PROT and MAP bits are those of guest-syscall.h.
 */
#ifndef PRIM_H
#define PRIM_H

#include <stdbool.h>
#include "abi/ckpt-nic.h"
#include "abi/guest-boot.h"
#include "abi/guest-syscall.h"

/* Entry points in start/entry.S that the layer below jumps to. */
extern const char reflect_entry[], upcall_entry[];
/* Library text in which an interrupt is only noted (see entry.S). */
extern const char library_text_start[], library_text_end[];

/* The process --------------------------------------------------------- */

/* First of all: the shared page's address, and what else @info says. */
void prim_boot(const struct boot_info *info);
/* Tell the layer below where reflected calls and upcalls go. */
void prim_handler_set(void);
/* End the process; status is as CKPT_NIC_EXIT (CKPT_EXIT_SIGNALLED). */
_Noreturn void prim_exit(uint32_t status);
/* The program has ended with @status; prim_exit() comes when peers have all. */
void prim_ending(uint32_t status);
/* Text for the log: bytes taken, or -EAGAIN when the hold is full. */
long prim_log(const void *buf, size_t len_bytes);
/* Fill @buf with fresh entropy, any length. */
void prim_random(void *buf, size_t len_bytes);

/* Waiting ------------------------------------------------------------- */

/*
 * Sleep while *addr == value: 0, -EAGAIN (other value), -ETIMEDOUT, -EINTR.
 * Spurious returns are allowed.  Nobody but sys/ calls this: the library
 * waits by lib_wait() of libos.h, which knows of signals and the lock.
 */
long prim_wait(const uint32_t *addr, uint32_t value, uint64_t deadline_ns);
long prim_wake(const uint32_t *addr, uint32_t count);
void prim_yield(void);

/* Memory -------------------------------------------------------------- */

long prim_map(uint64_t addr, size_t len_bytes, uint32_t prot, uint32_t flags);
/* @flags: 0 for the program's range, SYS_MAP_LIBRARY for the library's. */
long prim_unmap(uint64_t addr, size_t len_bytes, uint32_t flags);
long prim_protect(uint64_t addr, size_t len_bytes, uint32_t prot,
                  uint32_t flags);
long prim_remap(uint64_t old, size_t old_bytes, size_t new_bytes,
                uint32_t flags, uint64_t new_addr);
/* Make the pages zero and untouched again. */
long prim_discard(uint64_t addr, size_t len_bytes, uint32_t flags);
/* Which pages were touched: a byte each, at most SYS_RESIDENT_MAX; NULL: only
 * whether all are mapped. 0, or -ENOMEM: they are not. */
long prim_resident(uint64_t addr, size_t len_bytes, uint8_t *ret_pages);
/* Shall the pages become zero when another line begins? */
long prim_wipe(uint64_t addr, size_t len_bytes, bool on);
/* Up to @n mappings that end behind @from, by address: how many there were. */
long prim_areas(uint64_t from, struct sys_area *ret_areas, uint32_t n);

/* Threads ------------------------------------------------------------- */

long prim_thread_create(const struct sys_thread *thread); /* -> tid > 0 */
/* The calling thread becomes known by @ublock and gets its GS base. */
void prim_thread_adopt(struct sys_ublock *ublock);
/* Leave for good; the layer below unmaps [@block, @block + @len_bytes). */
_Noreturn void prim_thread_exit(void *block, size_t len_bytes);
long prim_thread_set(enum sys_thread_reg reg, uint64_t value);
/* Set ublock->pending and upcall the thread if it runs program text. */
long prim_interrupt(int tid, uint32_t bits);
/* Load every register from @context; does not return. */
_Noreturn void prim_resume(const struct sys_context *context);

/* Time: by the shared page, no call below ------------------------------ */

uint64_t prim_now_ns(void);  /* monotonic */
uint64_t prim_wall_ns(void); /* since 1970, UTC */
/* What the wall clock is ahead of the monotonic one: changes when it is set. */
uint64_t prim_wall_offset_ns(void);
uint64_t prim_generation(void);
/* Counts lines; it changes before the program runs in a new one. */
const uint64_t *prim_line(void);

/* Packets and checkpoints ---------------------------------------------- */

/*
 * The receive ring of this process; frames for @mac (NULL: the NIC's own) and
 * broadcasts come to it from then on.
 */
long prim_net_attach(const uint8_t *mac, struct sys_net **ret_net);
/* One frame in @n pieces: 0, -EAGAIN (hold full; net->event counts up when it
 * goes on), -EINVAL, -EFAULT. */
long prim_net_send(const struct sys_iov *iov, uint32_t n);
long prim_commit(uint32_t flags); /* -> epoch, -ENOTSUP */
long prim_query(enum sys_query query);
/* CPU time of a thread that prim_thread_create() made: or -ESRCH. */
long prim_thread_cpu_ns(int tid);
long prim_mailbox(struct ckpt_mbox *ret_message); /* 0 or -EAGAIN */

#endif
