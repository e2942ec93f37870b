/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.h - /proc, and the little of /sys that programs look for
 *
 * proc.c          the names, and what is written to them
 * proc-process.c  stat, status, limits and what else there is of a process
 * proc-maps.c     maps, smaps, statm
 * proc-fd.c       /proc/self/fd and fdinfo
 * proc-task.c     /proc/self/task
 * proc-system.c   meminfo, stat, uptime, ...
 * proc-cpu.c      cpuinfo
 * proc-net.c      net/dev, net/route, net/tcp, net/udp
 */
#ifndef POSIX_PROC_H
#define POSIX_PROC_H

#include "guest-libc/posix/text.h"
#include "guest-libc/posix/tree.h"
#include "guest-libc/sys/libos.h"

#define PROC_TICKS_PER_S 100u /* USER_HZ */
#define PROC_KIB(bytes)  ((uint64_t)(bytes) >> 10)
#define PROC_PAGE_BYTES  4096u

/* Adds all of it to the tree; once. */
void proc_start(void);

/* Lists of files below a directory, ended by a NULL name. */
extern const struct tree_made proc_process_files[]; /* /proc/PID/ */
extern const struct tree_made proc_task_files[]; /* /proc/PID/task/TID/ too */
extern const struct tree_made proc_cpu_file;
extern const struct tree_made proc_maps_files[], proc_net_files[];

extern const struct tree_maker proc_fd_maker, proc_fdinfo_maker,
    proc_task_maker;
extern const struct tree_magic proc_thread_self;
/* proc-system.c: adds its files. */
void proc_system_start(void);

/* The program's file in the tree, NULL: it has none. */
const struct tree_node *proc_program(void);

/* proc-maps.c: bytes of the program's memory. */
struct proc_memory {
    uint64_t all, resident, text, data, stack, locked;
};
void proc_memory(struct proc_memory *ret_memory);

/* Processor time of the program. */
uint64_t proc_cpu_ticks(void);
/* When the program began, of the monotonic clock. */
uint64_t proc_start_ns(void);
/* The report of the thread that @node tells of, or of the first: 0, -ESRCH. */
long proc_thread(const struct tree_node *node,
                 struct thread_report *ret_report);

#endif
