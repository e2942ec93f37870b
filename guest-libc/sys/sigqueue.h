/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigqueue.h - signals that wait to be taken (sys/ only)
 *
 * All of it is guarded by lib_lock().
 */
#ifndef SIGQUEUE_H
#define SIGQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define SIGNAL_COUNT      64
#define SIGNAL_FIRST_REAL 32 /* the first real-time signal, as Linux counts */
#define SIGNAL_BIT(sig)   (1ull << ((sig)-1))

/* What comes with a signal: the first 48 bytes of siginfo, less its number. */
struct signal_info {
    int32_t code;     /* si_code */
    int32_t pid;      /* si_pid, or a timer's id */
    uint64_t value;   /* si_value, or si_addr of a fault */
    uint32_t uid;     /* si_uid, or a timer's overrun count */
    int32_t error;    /* si_errno */
    uint64_t rest[2]; /* what a program sends beyond */
};

/*
 * One signal that waits.  Its memory belongs to the queues, or, if @kept, to
 * whoever sends it again and again (a timer): such an entry waits once at a
 * time and counts what comes meanwhile in @overrun.  @count, if any, adds what
 * was due and not yet sent when the signal is taken; lock held.
 */
struct signal_entry {
    struct signal_entry *next;
    struct signal_queue *queue; /* where it waits, NULL: nowhere */
    int sig;
    uint32_t overrun; /* sent again while it waits */
    uint32_t told;    /* what it was when the signal was last taken */
    void (*count)(struct signal_entry *entry);
    bool kept;
    struct signal_info info;
};

/* Of a thread or of the process.  A bit may be set without an entry. */
struct signal_queue {
    uint64_t pending;
    struct signal_entry *first, *last; /* in order of arrival */
};

/* 0, or -EAGAIN: @info is lost, and so is a real-time signal with it. */
long sigqueue_add(struct signal_queue *queue, int sig,
                  const struct signal_info *info);
void sigqueue_add_kept(struct signal_queue *queue, struct signal_entry *entry);
/* A kept entry no longer waits; its owner may free it. */
void sigqueue_remove_kept(struct signal_entry *entry);
/* The next one of @allowed: its number or 0. */
int sigqueue_take(struct signal_queue *queue, uint64_t allowed,
                  struct signal_info *ret_info);
/* The next one of @allowed waits in @to instead. */
void sigqueue_move_next(struct signal_queue *to, struct signal_queue *from,
                        uint64_t allowed);
void sigqueue_flush(struct signal_queue *queue, uint64_t set);

#endif
