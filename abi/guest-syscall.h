/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest-syscall.h - contract between the guest kernel and the system library
 *
 * SYSCALL instruction, number in RAX, arguments in RDI RSI RDX R10 R8 R9,
 * result in RAX (negative errno on failure); RCX and R11 are lost, all other
 * registers and the extended state are kept.
 *
 * Numbers SYS_FIRST..SYS_LAST are the kernel's.  Any other number is
 * reflected: the kernel stores the address after the SYSCALL in the thread's
 * ublock (app_rip) and RFLAGS (app_rflags), and returns to reflect_entry of
 * handler_set() with RCX = reflect_entry, the flags SYS_RFLAGS_CLEAR clear, and
 * every other register but R11, RSP included, as the program had it.  Without a
 * handler, or with a SYSCALL that lies in the library's text, it is -ENOSYS.
 *
 * Upcalls.  A fault in program text, or thread_interrupt() on a thread that
 * runs program text: the kernel saves the whole context in ublock->context[0]
 * (extended state in ublock->xsave[0]), and enters upcall_entry with RDI = 0,
 * RSP = ublock->stack_top.  A fault in library text: the same with context[1]
 * and xsave[1], RDI = 1, RSP = the faulting RSP - 512, 16 byte aligned: the
 * frames below stay whole; the library looks RIP up in its exception table
 * (EFAULT), changes context[1].rip and calls resume().  A fault while context
 * [1] is in use ends the process.  An interrupt never breaks into library text
 * [text_lo, text_hi): it only sets ublock->pending, which the library looks at
 * before it returns to the program, and ends a wait() of that thread with
 * -EINTR.  resume() to program text with ublock->pending set is an interrupt
 * there.
 */
#ifndef GUEST_SYSCALL_H
#define GUEST_SYSCALL_H

#define SYS_ABI_VERSION     3
#define SYS_FIRST           0x1000
#define SYS_LAST            0x1fff

/* handler_set(reflect_entry, upcall_entry, text_lo, text_hi): per process. */
#define SYS_HANDLER_SET     0x1000
/* thread_create(const struct sys_thread *) -> tid > 0; -ENOMEM, or -EAGAIN: too
 * many.  The new thread computes as the caller does (x87 control, MXCSR). */
#define SYS_THREAD_CREATE   0x1001
/* thread_exit(u32 *clear, void *free, size_t free_bytes): off its stack, the
 * kernel unmaps free, stores 0 to clear and wakes all waiters there; each may
 * be 0.  The last thread's exit ends the process with status 0. */
#define SYS_THREAD_EXIT     0x1002
/* thread_interrupt(tid, u32 bits): see Upcalls; ESRCH if there is none */
#define SYS_THREAD_INTERRUPT 0x1003
/* wait(const u32 *addr, u32 value, u64 deadline_ns): sleep while *addr ==
 * value until wake(), the deadline (monotonic, absolute; SYS_FOREVER) or an
 * interrupt: 0, -EAGAIN (other value), -ETIMEDOUT, -EINTR */
#define SYS_WAIT            0x1004
/* wake(const u32 *addr, u32 count) -> number woken */
#define SYS_WAKE            0x1005
#define SYS_YIELD           0x1006
/* map(addr, bytes, prot, flags) -> address: anonymous, zero, taken on first
 * touch.  addr 0: the kernel chooses below USER_END (SYS_MAP_LIBRARY: in the
 * library's range). */
#define SYS_MAP             0x1007
/* unmap(addr, bytes, flags 0 or SYS_MAP_LIBRARY); holes are fine */
#define SYS_UNMAP           0x1008
/* protect(addr, bytes, prot, flags 0 or SYS_MAP_LIBRARY) */
#define SYS_PROTECT         0x1009
/* remap(old, old_bytes, new_bytes, flags, new): moves pages (mremap) */
#define SYS_REMAP           0x100a
/* pages become zero and untouched again */
#define SYS_DISCARD         0x100b
/* resident(addr, bytes, u8 *ret or 0): a byte for each page, 1: it was touched;
 * at most SYS_RESIDENT_MAX of them.  With 0 only: is all of it mapped?  -ENOMEM
 * if not */
#define SYS_RESIDENT        0x100c
/* wipe(addr, bytes, on): these pages become zero and untouched again when
 * another line begins (CKPT_MBOX_IDENTITY), before user code of it runs */
#define SYS_WIPE            0x100d
/* net_attach(const u8 mac[6] or 0 for the NIC's, struct sys_net **ret):
 * makes and maps this process's receive ring; frames for @mac and broadcasts
 * come to it from then on */
#define SYS_NET_ATTACH      0x1010
/* net_send(const struct sys_iov *, n): one frame.  0; -EAGAIN: the hold is
 * full, sys_net.event counts up when it goes on; -EINVAL; -EFAULT */
#define SYS_NET_SEND        0x1011
/* commit(flags CKPT_COMMIT_* of ckpt-nic.h) -> epoch asked for, -ENOTSUP
 * without checkpoints.  With NOTIFY sys_net.event counts up when it, or any
 * later epoch, is durable. */
#define SYS_COMMIT          0x1012
/* query(enum sys_query, tid: THREAD_CPU_NS, 0: the caller) -> value; -ESRCH */
#define SYS_QUERY           0x1013
#define SYS_EXIT            0x1014  /* exit(status as CKPT_NIC_EXIT) */
#define SYS_LOG             0x1015  /* log(buf, bytes) -> bytes taken, -EAGAIN */
#define SYS_RANDOM          0x1016  /* random(buf, bytes <= 256): host entropy */
/* resume(const struct sys_context *): all registers, and the extended state
 * when @xsave is not 0; does not return */
#define SYS_RESUME          0x1017
/* mailbox(struct ckpt_mbox *): oldest unread message for this process, -EAGAIN
 * if none; sys_net.event tells, before net_attach() SYS_PENDING_MAILBOX in
 * ublock->pending of the first thread.  CKPT_MBOX_IDENTITY comes before older
 * messages, the latest only, and SYS_PENDING_MAILBOX is set in every thread, so
 * that none runs program text before the library had a chance to read it; until
 * it is read net_send() drops the frame: what is sent was made by the line
 * before.  Frames for the identity's MAC come to the process at once.
 * The same tells, without a message, that the wall clock was set. */
#define SYS_MAILBOX         0x1018
/* thread_set(enum sys_thread_reg, value): FS or GS base of the caller */
#define SYS_THREAD_SET      0x1019
/* areas(u64 from, struct sys_area *, n <= SYS_AREAS_MAX) -> count: what is
 * mapped and ends behind @from, by address, the library's range included; 0 at
 * the end */
#define SYS_AREAS           0x101a
/* ending(status as CKPT_NIC_EXIT): the program of this process has ended; the
 * process stays until what it sent is acknowledged.  When that is so of all
 * processes the host is told (CKPT_EXIT_ENDING).  0, -ENOSYS: an older kernel */
#define SYS_ENDING          0x101b

/* AC NT DF TF: the library is not stepped and not checked for alignment. */
#define SYS_RFLAGS_CLEAR    0x44500

#define SYS_FOREVER         0xffffffffffffffffull

#define SYS_PROT_READ       1
#define SYS_PROT_WRITE      2
#define SYS_PROT_EXEC       4

#define SYS_MAP_FIXED       1   /* at addr, replacing what is there */
#define SYS_MAP_NOREPLACE   2   /* at addr or -EEXIST */
#define SYS_MAP_RESERVE     4   /* address space only; protect() opens it */
#define SYS_MAP_LIBRARY     8   /* of the library: MAP, UNMAP, PROTECT without
                                   this flag refuse the library's range */
#define SYS_MAP_GROWSDOWN   16  /* a touch below it makes it longer: at most
                                   SYS_GROWS_MAX in all, and not to within
                                   SYS_GROWS_GAP of what is mapped below */
#define SYS_MAP_LOW         32  /* if the kernel chooses: below 2 GiB */

#define SYS_GROWS_MAX       (8u << 20)
#define SYS_GROWS_GAP       (1u << 20)
#define SYS_RESIDENT_MAX    4096u

#define SYS_REMAP_MAYMOVE   1
#define SYS_REMAP_FIXED     2

#define SYS_AREAS_MAX       32

#ifndef __ASSEMBLER__
#include <stdint.h>
#include <stddef.h>

enum sys_query {
    SYS_QUERY_EPOCH = 0, SYS_QUERY_COMMITTED = 1, SYS_QUERY_GENERATION = 2,
    SYS_QUERY_FREE_BYTES = 3, SYS_QUERY_TID = 4, SYS_QUERY_CPU_NS = 5,
    SYS_QUERY_THREAD_CPU_NS = 6,
};

enum sys_thread_reg { SYS_THREAD_FS = 0, SYS_THREAD_GS = 1 };

struct sys_iov {
    uint64_t addr;
    uint64_t len_bytes;
};

struct sys_thread {
    uint64_t rip;               /*  0 in the library */
    uint64_t rsp;               /*  8 */
    uint64_t arg;               /* 16 RDI */
    uint64_t fs_base;           /* 24 */
    uint64_t gs_base;           /* 32 */
    uint64_t ublock;            /* 40 struct sys_ublock, SYS_UBLOCK_ALIGN */
};

#define SYS_UBLOCK_ALIGN    64
#define SYS_PENDING_MAILBOX 0x80000000u /* bit of pending: see SYS_MAILBOX */
#define SYS_VECTOR_INTERRUPT 0x100  /* context.vector of thread_interrupt() */

struct sys_context {            /* order of registers: as pushed by nobody */
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;    /*   0 */
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;      /*  64 */
    uint64_t rip, rflags, fs_base, gs_base;             /* 128 */
    uint64_t vector, error, cr2;                        /* 160 */
    uint64_t xsave;             /* 184 address of the extended state, 64 byte
                                       aligned, or 0 */
};

/*
 * One per thread, in library memory; its address is the kernel's own from
 * thread_create() (the first thread: boot code passes it by SYS_THREAD_SET
 * after mapping) and never taken from GS.  The kernel touches it fault-safely.
 */
struct sys_ublock {
    uint64_t app_rip;           /*   0 written at each reflection */
    uint64_t app_rflags;        /*   8 */
    uint64_t stack_top;         /*  16 of the library's stack */
    uint64_t self;              /*  24 its own address (the library's %gs:24) */
    uint64_t scratch;           /*  32 the entry code's own */
    uint32_t pending;           /*  40 bits of thread_interrupt() */
    uint32_t context_used;      /*  44 bit 1: context[1] is in use; set by the
                                       kernel, cleared by the library */
    uint64_t xsave[2];          /*  48 areas of boot_info.xsave_bytes, or 0 */
    struct sys_context context[2]; /* 64 */
};

struct sys_area {
    uint64_t start;             /*  0 */
    uint64_t end;               /*  8 */
    uint64_t resident_bytes;    /* 16 pages that were touched */
    uint32_t prot;              /* 24 SYS_PROT_* */
    uint32_t reserved;          /* 28 zero */
};

#define SYS_THREAD_UBLOCK   2   /* thread_set(): ublock of the first thread */

/*
 * Receive ring of a process: bytes b of [tail, head) lie at data[b % size].  A
 * frame is a uint32_t length, the frame, padded to 16 bytes; length
 * SYS_NET_PAD: nothing up to the end of the ring.  The kernel stores head
 * (release), adds 1 to event and wakes it; the library stores tail.  A byte
 * ring and not slots: a burst of small frames then dirties few pages.
 */
#define SYS_NET_PAD         0xffffffffu
#define SYS_NET_RING_BYTES  (256u << 10)

struct sys_net {
    uint32_t event;             /*  0 also counted by the library itself */
    uint32_t size_bytes;        /*  4 of data, power of two */
    uint64_t data_offset;       /*  8 from here, page aligned */
    uint64_t head;              /* 16 kernel */
    uint64_t tail;              /* 24 library */
    uint64_t dropped;           /* 32 frames that found no room */
    uint8_t  mac[6];            /* 40 */
    uint16_t mtu;               /* 46 */
};

_Static_assert(sizeof(struct sys_thread) == 48, "size");
_Static_assert(sizeof(struct sys_context) == 192, "size");
_Static_assert(offsetof(struct sys_context, rip) == 128, "offset");
_Static_assert(offsetof(struct sys_context, xsave) == 184, "offset");
_Static_assert(sizeof(struct sys_ublock) == 448, "size");
_Static_assert(offsetof(struct sys_ublock, context) == 64, "offset");
_Static_assert(sizeof(struct sys_net) == 48, "size");
_Static_assert(sizeof(struct sys_area) == 32, "size");
_Static_assert(offsetof(struct sys_area, prot) == 24, "offset");

#endif /* __ASSEMBLER__ */
#endif
