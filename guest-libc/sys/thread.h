/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.h - the thread block and the process's signal state (sys/ only)
 *
 * Every field not marked otherwise is guarded by lib_lock().
 */
#ifndef THREAD_H
#define THREAD_H

#include "guest-libc/start/layout.h"
#include "guest-libc/sys/creds.h"
#include "guest-libc/sys/libos.h"
#include "guest-libc/sys/sigqueue.h"

#define FIRST_TID 100 /* of the first thread, and the process id */

struct alt_stack { /* stack_t */
    uint64_t sp;
    int32_t flags;
    int32_t reserved;
    uint64_t size_bytes;
};

struct thread {
    struct sys_ublock ublock; /* GS points here; owner, kernel */
    uint64_t frame_top;       /* owner; see entry.S */
    void *block;              /* the mapping that holds all of this */
    size_t block_bytes;

    struct thread *next;        /* list of the program's threads */
    int tid;                    /* what the program sees */
    int prim_tid;               /* what prim_interrupt() takes */
    bool helper;                /* never runs program text */
    void (*helper_run)(void *); /* owner */
    void *helper_arg;           /* owner */
    uint64_t clear_child_tid;   /* user address or 0 */
    uint64_t fs_base;           /* owner; the program's TLS */

    uint32_t word;     /* private word to sleep on */
    uint32_t *waiting; /* word it sleeps on, NULL: awake */
    bool wall_sleep;   /* until a time of day, on its own word */

    struct thread *futex_next; /* queue of futex.c */
    uint64_t futex_addr;       /* 0: not queued */
    uint32_t futex_bits;
    uint8_t futex_kind;         /* enum futex_kind */
    bool futex_reckons;         /* waits for a span that it may have reckoned */
    uint64_t futex_target;      /* FUTEX_TO_PI: where it is to go */
    struct thread *futex_owner; /* FUTEX_PI: who holds what it waits for */
    uint64_t robust_list;       /* user address or 0 */

    struct creds creds; /* written by its owner under the lock */
    bool no_new_privs;  /* owner */
    uint64_t slack_ns;  /* owner; 0: the default */
    int nice;
    int sched_policy, sched_priority;
    bool sched_reset; /* those it makes begin anew */

    uint64_t signal_mask;
    uint64_t saved_mask;     /* to come back at the call's exit ... */
    bool saved_mask_valid;   /* ... if this is set */
    uint64_t signal_wanted;  /* by rt_sigtimedwait() */
    uint64_t restart_number; /* owner; call that said LIB_RESTART, + 1 */
    bool restart_always;     /* owner; whatever SA_RESTART says */
    struct alt_stack alt;
    struct signal_queue signals;
    char name[THREAD_NAME_BYTES]; /* of PR_SET_NAME */
};

struct process {
    struct thread *threads; /* the program's, first one first */
    struct thread *first;   /* that it was started with */
    struct thread *ender;   /* ends the process; the others leave */
    uint32_t ender_word;    /* changes when one has left */
    int n_threads;
    int next_tid;
    uint32_t xsave_bytes; /* constant after boot */
    uint64_t xsave_mask;  /* constant after boot */
    uint64_t brk_start, brk_now;
    bool dumpable;                 /* of prctl(), as the others */
    bool subreaper, no_huge_pages; /* kept, of no use */
    int parent_signal;
    struct signal_queue signals;
    int fatal_signal; /* ends the process at the next door; 0: none */
};

extern struct process process;

/* Put @info's signal to @t, or to the process when @t is NULL: 0, or -EAGAIN
 * for a real-time signal that cannot be queued. Lock held. */
long signal_send_locked(struct thread *t, int sig,
                        const struct signal_info *info);
/*
 * The same for an entry that its sender keeps (a timer), with sig and info set;
 * true if it waits now and did not before.  While it waits it counts how often
 * it was sent, which is what si_overrun says; @told keeps what was said.
 * sigqueue_remove_kept() before it is freed.  Lock held.
 */
bool signal_send_kept_locked(struct thread *t, struct signal_entry *entry);
/* lib_wait() ends for a signal, which becomes this thread's. Lock held. */
void signal_claim_locked(void);
/* The call takes signals of @set; 0: no longer. Lock held. */
void signal_want_locked(uint64_t set);
/* @t ends, and is off the list: others take the process's signals. */
void signal_thread_leaves_locked(struct thread *t);
/* RLIMIT_SIGPENDING. Lock held. */
uint64_t limit_sigpending(void);
/* Take the next signal that @t may have now: its number or 0. Lock held. */
int signal_take_locked(struct thread *t, uint64_t allowed,
                       struct signal_info *ret_info);
/* Set the mask; what it uncovers is delivered at exit. Lock held. */
void signal_mask_set_locked(struct thread *t, uint64_t mask);
/* Deliver to the frame or context of the calling thread, no lock held. */
void signal_deliver_frame(struct frame *frame);
void signal_deliver_context(struct sys_context *context);
/* A fault of the program: deliver @sig with its information, or die. */
void signal_fault(struct sys_context *context, int sig,
                  const struct signal_info *info);
/* rt_sigreturn() found no frame: SIGSEGV. No lock held. */
void signal_bad_frame(struct frame *frame);
/* Lock held. */
_Noreturn void signal_die(int sig, const struct sys_context *context);

/* What the program wants done with @sig. Lock held. */
struct signal_action { /* as in the kernel's rt_sigaction() */
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};
const struct signal_action *signal_action(int sig);
void signal_action_set(int sig, const struct signal_action *action);
void signal_action_reset(int sig);
/* Have the thread look at what it is to do. Lock held. */
void thread_kick(struct thread *t);
bool signal_ignored(int sig);

/* Write the signal's frame to the program's stack, make @context enter the
 * handler: 0 or -EFAULT. Lock held. */
long sigframe_push(struct thread *t, struct sys_context *context,
                   const struct signal_action *action, int sig,
                   const struct signal_info *info, uint64_t mask);
/* Read back what sigframe_push() wrote, from the program's RSP. */
long sigframe_pop(struct thread *t, uint64_t user_rsp,
                  struct sys_context *ret_context, uint64_t *ret_mask);

/* ident.c's part of what /proc tells. Lock held. */
void ident_report(struct process_report *ret_report);

/* Threads */
struct thread *thread_new(void);
/* The program's thread of that number, or NULL. Lock held. */
struct thread *thread_find_locked(int tid);
void thread_boot(const struct boot_info *info);
_Noreturn void thread_leave(void);

/* @t ends: what it holds is passed on, or marked. Lock held. */
void robust_leave_locked(struct thread *t);
void futex_pi_leave_locked(struct thread *t);
/* The wall clock was set, or made a step. Lock held. */
void timer_wall_set_locked(void);
void futex_wall_set_locked(void);
/* The end of the process (ending.c). Lock held; kept by the one that returns. */
void process_stop_threads(void);
_Noreturn void process_end(uint32_t status);

/* Futexes from the inside: wake up to @count at user address @addr. */
long futex_wake_locked(uint64_t addr, uint32_t count, uint32_t bits);

/* clock.c: at boot. */
void clock_boot(void);

/* rlimit.c: at boot; then lock held. */
void limit_boot(void);
uint64_t limit_now(uint32_t resource);
/* 0, or -ENOMEM if so much more memory is more than a limit. */
long limit_memory(uint64_t more_bytes, bool writable);

#endif
