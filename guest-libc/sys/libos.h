/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libos.h - what the rooms of the system library share
 *
 * A system call of the program arrives in start/entry.S, which saves the
 * program's registers in a struct frame on the thread's library stack and
 * calls sys_dispatch().  That finds the handler in the one table (sys-table.c)
 * and puts what it returns into RAX.
 *
 * Rules of the house:
 *  - FS belongs to the program, GS to the library (thread_self()).  No TLS, no
 *    stack protector, no SSE: nothing of the program's extended state is saved
 *    at a call, so nothing here may touch it.
 *  - Everything the library shares is guarded by one lock, lib_lock().  A
 *    handler is entered without it.
 *  - A pointer from the program is touched only by the routines under "User
 *    memory".
 *  - A handler sleeps only in lib_wait().
 */
#ifndef LIBOS_H
#define LIBOS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "guest-libc/sys/prim.h"

/* The Linux that uname() names, which C libraries compare with their least. */
#define LINUX_RELEASE "6.1.0-sluice"
#define LINUX_VERSION "Sluice"

/* For large or seldom written variables: see start/library.lds. */
#define BULKY         __attribute__((section(".bss.bulky")))

/* Calls ---------------------------------------------------------------- */

struct frame { /* as entry.S pushes it, lowest address first */
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10;
    uint64_t r9, r8, rax, rcx, rdx, rsi, rdi, rsp;
}; /* rcx is the program's RIP */

struct sys_args {
    uint64_t arg[6];
    struct frame *frame; /* only sys/ looks at it */
};

typedef long (*sys_handler)(struct sys_args *args);

struct sys_entry {
    uint32_t number; /* Linux x86-64 */
    const char *name;
    sys_handler handler; /* NULL ends an array of entries */
};

/*
 * The arrays that sys-table.c joins.  Without posix/ and net/ the empty ones of
 * sys/no-rooms.c are linked (unit tests do that).
 */
extern const struct sys_entry memory_calls[], thread_calls[], sched_calls[],
    futex_calls[], robust_calls[], signal_calls[], clock_calls[], time_calls[],
    itimer_calls[], posix_timer_calls[], ident_calls[], creds_calls[],
    capability_calls[], rlimit_calls[], prctl_calls[], posix_calls[],
    net_calls[];

/*
 * A handler that a signal ended before it had done anything returns -EINTR if
 * Linux never restarts that call (poll, epoll_wait, nanosleep, ...), and
 * LIB_RESTART if SA_RESTART does (read, accept, futex, ...).
 */
#define LIB_RESTART (-512L)

/* Lock and waiting ------------------------------------------------------ */

void lib_lock(void);
void lib_unlock(void);

/*
 * Sleep until *word != seen, with the lock released meanwhile; @seen was read
 * under the lock.  0 (changed, or for no reason), -ETIMEDOUT, -EINTR (a signal
 * waits for this thread).  Context: program or helper thread, lock held.
 * Waking: lib_wake() under the lock.  Several threads may wait on one word.
 */
long lib_wait(uint32_t *word, uint32_t seen, uint64_t deadline_ns);
/* ++*word and wake up to @count waiters. */
void lib_wake(uint32_t *word, uint32_t count);

/* Threads --------------------------------------------------------------- */

struct thread;

#define THREAD_NAME_BYTES 16u /* with the NUL */

static inline struct thread *thread_self(void)
{
    struct thread *t;

    __asm__("mov %%gs:24, %0" : "=r"(t)); /* sys_ublock.self */
    return t;
}

/* A signal is to be delivered before the caller may sleep on. */
bool thread_pending(void);
int thread_tid(void);
/*
 * A thread of the library's own that never runs program text.  @run must not
 * return; it is entered without the lock.  Return: 0 or negative errno.
 */
long thread_spawn_helper(void (*run)(void *arg), void *arg);

/* What /proc tells of a thread of the program. */
struct thread_report {
    int tid;
    bool sleeps;
    char name[THREAD_NAME_BYTES];
    uint64_t blocked, pending;  /* signals */
    uint32_t user[4], group[4]; /* real, effective, saved, of files */
    const uint32_t *groups;     /* good while the lock is held */
    uint32_t n_groups;
    uint64_t inheritable, permitted, usable, bounding, ambient;
    int nice;
    bool no_new_privs;
};
/* The thread with the least number from @tid on: false if there is none.
 * Context: lock held. */
bool report_thread(int tid, struct thread_report *ret_report);
/* Another name for a thread: 0 or -ESRCH.  Context: lock held. */
long report_rename(int tid, const char *name);

/* What /proc tells of the process. */
struct process_report {
    int pid, n_threads;
    uint64_t pending, ignored, caught; /* signals */
    uint64_t heap_start, heap_end;     /* of brk() */
    uint32_t umask, personality;
    const char *domain; /* of NIS */
};
/* Context: lock held. */
void report_process(struct process_report *ret_report);

/* A limit of getrlimit(), UINT64_MAX: none. */
void report_limit(uint32_t resource, uint64_t *ret_now, uint64_t *ret_max);

/* Limits ------------------------------------------------------------------- */

/* Descriptors are below it.  Context: lock held. */
uint32_t limit_files(void);

/* Signals ---------------------------------------------------------------- */

/* Raise @sig (SIGPIPE) in the calling thread; delivered at the call's exit.
 * Context: lock held. */
void signal_raise_locked(int sig);
/*
 * Use @mask (program's 64 bit set) until this call's exit (ppoll, pselect,
 * epoll_pwait): signals are delivered under it, then the old one comes back.
 * Context: lock held.
 */
void signal_mask_for_call_locked(uint64_t mask);

/* For signalfd: what waits for the calling thread, blocked or not, and the next
 * one of @set as Linux's struct signalfd_siginfo. Context: lock held. */
uint64_t signal_pending_locked(void);
struct signalfd_siginfo;
bool signal_read_locked(uint64_t set, struct signalfd_siginfo *ret_info);

/* User memory: 0 or -EFAULT ---------------------------------------------- */

long copy_from_user(void *to, uint64_t user_from, size_t len_bytes);
long copy_to_user(uint64_t user_to, const void *from, size_t len_bytes);
/* Length without the NUL; -EFAULT; -ENAMETOOLONG if it does not fit. */
long strncpy_from_user(char *to, uint64_t user_from, size_t size_bytes);
long clear_user(uint64_t user_to, size_t len_bytes);

/* Library memory ---------------------------------------------------------- */

/* Whole zeroed pages of the library's heap, NULL if there are none. */
void *lib_pages(size_t len_bytes);
void lib_pages_free(void *addr, size_t len_bytes);

/* Log ---------------------------------------------------------------------- */

/*
 * %s %c %d %u %o %x %lx %ld %lu %p %%, field widths as in %08x; a string is
 * filled up behind it.
 */
struct format_sink {
    void (*put)(void *to, char c);
    void *to;
};
void lib_format(const struct format_sink *sink, const char *f, va_list args);
/* One line each. */
void lib_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Our own broken invariant: report, then end the process. */
_Noreturn void lib_panic(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
#define lib_assert(cond)                                                       \
    ((cond) ? (void)0 : lib_panic("%s:%d: %s", __FILE__, __LINE__, #cond))

/* The poller --------------------------------------------------------------- */

/*
 * Whoever polls the NIC (the program's thread that would block, or the helper
 * of net/) also looks after timers and messages from the host, by this call
 * after each round of net_poll().
 * Return: when to call again at the latest, SYS_FOREVER if nothing is due.
 * Context: lock held.  If a timer is set while a poller sleeps, net_kick() is
 * called so that it asks again.
 */
uint64_t sys_poll_locked(void);

/*
 * Take all messages from the host now, for a reason: each look is a kernel
 * call.  Context: lock held, not from within lwIP.
 */
void mailbox_read_locked(void);

/*
 * The wall clock may have been set (a restore, the host's own clock): whoever
 * sleeps until a time of day reckons again.  Called by who hears of it; costs
 * next to nothing when it was not.  Context: lock held.
 */
void wall_clock_look_locked(void);

/* Given by net/ and posix/ ---------------------------------------------------- */

/* Before the program runs; @net is NULL without a network. */
long posix_start(void);
/*
 * May the file behind @fd be mapped, with writes to it if @shared_write?
 * 0, -EBADF, -EACCES, -ENODEV.
 */
long posix_map_check(uint64_t fd, bool shared_write);
/* Copy what a mapping of it shows: 0, -EBADF, -EFAULT. */
long posix_map_fill(uint64_t fd, uint64_t offset, uint64_t user_addr,
                    size_t len_bytes);
/* The wall clock was set; @step: not just trimmed.  Context: lock held. */
void posix_wall_set(bool step);
/* A signal waits: wake who reads signals.  Context: lock held. */
void posix_signal_sent(int sig);
/* Unfinished lines of standard output go to the log.  Context: lock held. */
void posix_flush(void);
/*
 * Before prim_exit(), with no other thread of the program left: closes all
 * descriptors and returns when peers have what was sent to them.  Lock held.
 */
void posix_exit(uint32_t status);
long net_start(const struct boot_net *net);
/* The poller sleeps with an old deadline: wake it. Context: lock held. */
void net_kick(void);
/* This process goes on after a restore: gratuitous ARP. Context: lock held. */
void net_restored(void);
/* Another line of this guest begins (R2). Context: lock held. */
void net_new_line(const struct ckpt_identity *id);

/* The program ------------------------------------------------------------------- */

#define PROGRAM_SEGMENTS_MAX 16u

struct program_segment {
    uint64_t start, end; /* whole pages that hold bytes of the file */
    uint64_t offset;     /* in the file */
};

/* Where the program lies; constant once it runs. */
struct program_place {
    struct program_segment segments[PROGRAM_SEGMENTS_MAX];
    uint32_t n_segments;
    uint64_t text_start, text_end, data_start, data_end;
    uint64_t stack_start, stack_end; /* the first thread's, without its guard */
    uint64_t stack_first;            /* RSP at the first instruction */
    uint64_t args_start, args_end, env_start, env_end; /* strings */
    uint64_t auxv, auxv_bytes;
    uint64_t vdso; /* 0: none */
};
const struct program_place *program_place(void);

/* The boot bundle: entries of this process -------------------------------------- */

/* Value of NAME=VALUE in BOOT_OPTIONS, or NULL. */
const char *boot_option(const char *name);

struct boot_file { /* everything stays where it is */
    const char *path;
    const void *bytes;
    size_t len_bytes;
    uint32_t mode;    /* permission bits */
    uint32_t mtime_s; /* since 1970 */
};

/*
 * One file of the bundle after the other, those of this process before those
 * of all; *index begins with 0.  False: there are no more.
 */
bool boot_file_next(uint32_t *index, struct boot_file *ret_file);
/* The program as a file, @path as the bundle names it; false: none. */
bool boot_program(struct boot_file *ret_file);
uint64_t boot_ram_bytes(void);
const char *boot_hostname(void);
/* Copied, cut where there is no room. */
void boot_set_hostname(const char *name);

#endif
