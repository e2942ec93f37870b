/* SPDX-License-Identifier: GPL-2.0-or-later */
/* report.c - what the other rooms may tell of the program and its threads */
#include <errno.h>
#include <string.h>
#include "guest-libc/sys/thread.h"

static struct thread *find(int tid)
{
    struct thread *t = process.threads;

    while (t && t->tid != tid) {
        t = t->next;
    }
    return t;
}

static void tell_ids(const struct ids *ids, uint32_t to[4])
{
    to[0] = ids->real;
    to[1] = ids->effective;
    to[2] = ids->saved;
    to[3] = ids->files;
}

static void tell_rights(const struct thread *t, struct thread_report *r)
{
    const struct creds *c = &t->creds;

    tell_ids(&c->user, r->user);
    tell_ids(&c->group, r->group);
    if (c->groups) {
        r->groups = c->groups->id;
        r->n_groups = c->groups->count;
    }
    r->inheritable = c->inheritable;
    r->permitted = c->permitted;
    r->usable = c->usable;
    r->bounding = c->bounding;
    r->ambient = c->ambient;
    r->nice = t->nice;
    r->no_new_privs = t->no_new_privs;
}

/**
 * report_thread - tell of a thread
 * @tid: the least number it may have
 * @ret_report: filled in
 *
 * Return: false if no thread has such a number.
 * Context: lock held.
 */
bool report_thread(int tid, struct thread_report *ret_report)
{
    struct thread *t, *best = NULL;

    for (t = process.threads; t; t = t->next) {
        if (t->tid >= tid && (!best || t->tid < best->tid)) {
            best = t;
        }
    }
    if (!best) {
        return false;
    }
    *ret_report = (struct thread_report){
        .tid = best->tid,
        .sleeps = best->waiting || best->futex_addr,
        .blocked = best->signal_mask,
        .pending = best->signals.pending,
    };
    memcpy(ret_report->name, best->name, sizeof(best->name));
    tell_rights(best, ret_report);
    return true;
}

/**
 * report_rename - give a thread another name
 * @tid: its number
 * @name: cut where there is no room
 *
 * Return: 0 or -ESRCH.
 * Context: lock held.
 */
long report_rename(int tid, const char *name)
{
    struct thread *t = find(tid);
    size_t len = strlen(name);

    if (!t) {
        return -ESRCH;
    }
    if (len >= sizeof(t->name)) {
        len = sizeof(t->name) - 1;
    }
    memset(t->name, 0, sizeof(t->name));
    memcpy(t->name, name, len);
    return 0;
}

/**
 * report_process - tell of the process
 * @ret_report: filled in
 *
 * Context: lock held.
 */
void report_process(struct process_report *ret_report)
{
    const struct signal_action *action;
    struct process_report r = {
        .pid = FIRST_TID,
        .n_threads = process.n_threads,
        .pending = process.signals.pending,
        .heap_start = process.brk_start,
        .heap_end = process.brk_now,
    };

    for (int sig = 1; sig <= SIGNAL_COUNT; sig++) {
        action = signal_action(sig);
        if (action->handler > 1) {
            r.caught |= SIGNAL_BIT(sig);
        } else if (action->handler == 1) {
            r.ignored |= SIGNAL_BIT(sig);
        }
    }
    ident_report(&r);
    *ret_report = r;
}
