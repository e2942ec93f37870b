/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fake-prim.h - a layer below that remembers what it was asked */
#ifndef FAKE_PRIM_H
#define FAKE_PRIM_H

#include "guest-libc/sys/thread.h"

#define FAKE_RIP       0x400002ull /* after the program's SYSCALL */

#define FAKE_RAM_BYTES (64ull << 20)

struct fake {
    uint64_t now_ns; /* what the clocks say */
    uint64_t wall_offset_ns;
    int n_waits, n_wakes, n_interrupts;
    int interrupted_tid;
    uint64_t deadline_ns;  /* of the last wait */
    void (*on_wait)(void); /* the world while the thread sleeps; once */
    uint32_t prot, flags;  /* of the last call about memory */
    uint64_t addr;
    size_t len_bytes;
    long memory_result;    /* what calls about memory return */
    bool real_memory;      /* or map truly */
    uint64_t arg5, arg6;   /* last arguments of fake_call() */
    struct ckpt_mbox mail; /* kind 0: none */
    char log[4096];
    size_t log_bytes;
};

extern struct fake fake;

/* A process with one thread, which is the caller. */
void fake_reset(void);
/* A second thread of the process, that nobody runs. */
struct thread *fake_thread(void);
/* Serve a call as entry.S does: result in RAX. */
long fake_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* The frame that fake_call() used last. */
extern struct frame fake_frame;
/* Memory of the "program": below USER_END whatever the host does. */
void *fake_user(size_t len_bytes);

#endif
