/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigqueue.c - signals that wait to be taken
 *
 * As on Linux a standard signal waits once, a real-time signal as often as it
 * was sent.  What comes with each lies in an entry; the entries are counted,
 * and RLIMIT_SIGPENDING bounds them.  Beyond it, or without memory, sigqueue()
 * of a real-time signal fails; any other signal is sent without its
 * information, since nobody could be told that it is lost.
 *
 * Entries are cut from whole pages and used again, never given back: there
 * are as many pages as the greatest number that ever waited at once needs.
 */
#include <errno.h>
#include <linux/signal.h>
#include "guest-libc/sys/thread.h"

#define PAGE_BYTES 4096u

/* A fault's signal is taken first: its address is where the program is now. */
#define SYNCHRONOUS                                                            \
    (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) |           \
     SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS))

static struct signal_entry *spare BULKY;
static uint32_t n_waiting BULKY;

static void cut_page(void)
{
    struct signal_entry *entry = lib_pages(PAGE_BYTES);
    size_t i;

    for (i = 0; entry && i < PAGE_BYTES / sizeof(*entry); i++) {
        entry[i].next = spare;
        spare = &entry[i];
    }
}

/* Real-time signals and what sigqueue() sends obey the limit. */
static struct signal_entry *entry_new(int sig, const struct signal_info *info)
{
    bool limited = sig >= SIGNAL_FIRST_REAL || info->code < 0;
    struct signal_entry *entry;

    if (limited && n_waiting >= limit_sigpending()) {
        return NULL;
    }
    if (!spare) {
        cut_page();
    }
    entry = spare;
    if (entry) {
        spare = entry->next;
        n_waiting++;
        *entry = (struct signal_entry){ .sig = sig, .info = *info };
    }
    return entry;
}

static void entry_done(struct signal_entry *entry)
{
    entry->queue = NULL;
    if (!entry->kept) {
        n_waiting--;
        entry->next = spare;
        spare = entry;
    }
}

static void append(struct signal_queue *queue, struct signal_entry *entry)
{
    entry->next = NULL;
    entry->queue = queue;
    if (queue->last) {
        queue->last->next = entry;
    } else {
        queue->first = entry;
    }
    queue->last = entry;
    queue->pending |= SIGNAL_BIT(entry->sig);
}

static bool waits(const struct signal_queue *queue, int sig)
{
    const struct signal_entry *entry;

    for (entry = queue->first; entry && entry->sig != sig;
         entry = entry->next) {
    }
    return entry;
}

/* Take the entry behind @before out; NULL: the first one. */
static struct signal_entry *unlink_after(struct signal_queue *queue,
                                         struct signal_entry *before)
{
    struct signal_entry *entry = before ? before->next : queue->first;

    if (before) {
        before->next = entry->next;
    } else {
        queue->first = entry->next;
    }
    if (queue->last == entry) {
        queue->last = before;
    }
    return entry;
}

/* The first entry of @sig, NULL if its information is lost. */
static struct signal_entry *unlink_first(struct signal_queue *queue, int sig)
{
    struct signal_entry *before = NULL, *entry;

    for (entry = queue->first; entry && entry->sig != sig;
         entry = entry->next) {
        before = entry;
    }
    if (entry) {
        unlink_after(queue, before);
    }
    if (!waits(queue, sig)) {
        queue->pending &= ~SIGNAL_BIT(sig);
    }
    return entry;
}

static int next_signal(const struct signal_queue *queue, uint64_t allowed)
{
    uint64_t ready = queue->pending & allowed;

    if (ready & SYNCHRONOUS) {
        ready &= SYNCHRONOUS;
    }
    return ready ? __builtin_ctzll(ready) + 1 : 0;
}

/**
 * sigqueue_add - a signal waits
 * @queue: where
 * @sig: 1..SIGNAL_COUNT
 * @info: what comes with it
 *
 * Return: 0, or -EAGAIN if a real-time signal cannot be queued.
 * Context: lock held.
 */
long sigqueue_add(struct signal_queue *queue, int sig,
                  const struct signal_info *info)
{
    struct signal_entry *entry;

    if (sig < SIGNAL_FIRST_REAL && (queue->pending & SIGNAL_BIT(sig))) {
        return 0;
    }
    entry = entry_new(sig, info);
    if (entry) {
        append(queue, entry);
    } else if (sig >= SIGNAL_FIRST_REAL && info->code != SI_USER) {
        return -EAGAIN;
    }
    queue->pending |= SIGNAL_BIT(sig);
    return 0;
}

/**
 * sigqueue_add_kept - an entry of its sender's waits
 * @queue: where
 * @entry: waits nowhere; its signal and information are set
 *
 * Context: lock held.
 */
void sigqueue_add_kept(struct signal_queue *queue, struct signal_entry *entry)
{
    entry->kept = true;
    entry->overrun = 0;
    append(queue, entry);
}

/**
 * sigqueue_remove_kept - an entry of its sender's waits no more
 * @entry: may wait nowhere
 *
 * Context: lock held.
 */
void sigqueue_remove_kept(struct signal_entry *entry)
{
    struct signal_queue *queue = entry->queue;
    struct signal_entry *before = NULL, *at;

    if (!queue) {
        return;
    }
    for (at = queue->first; at != entry; at = at->next) {
        before = at;
    }
    unlink_after(queue, before);
    if (!waits(queue, entry->sig)) {
        queue->pending &= ~SIGNAL_BIT(entry->sig);
    }
    entry->queue = NULL;
}

/**
 * sigqueue_take - take the next signal
 * @queue: from here
 * @allowed: set of signals to choose from
 * @ret_info: what came with it
 *
 * The lowest number comes first, and of one number the oldest.
 *
 * Return: its number, 0 if there is none.
 * Context: lock held.
 */
int sigqueue_take(struct signal_queue *queue, uint64_t allowed,
                  struct signal_info *ret_info)
{
    int sig = next_signal(queue, allowed);
    struct signal_entry *entry;

    if (!sig) {
        return 0;
    }
    entry = unlink_first(queue, sig);
    if (!entry) {
        *ret_info = (struct signal_info){ .code = SI_USER };
        return sig;
    }
    *ret_info = entry->info;
    if (entry->kept) {
        if (entry->count) {
            entry->count(entry);
        }
        entry->told = entry->overrun;
        ret_info->uid = entry->told;
    }
    entry_done(entry);
    return sig;
}

/**
 * sigqueue_move_next - let the next signal wait elsewhere
 * @to: there
 * @from: here
 * @allowed: set of signals to choose from
 *
 * Context: lock held.
 */
void sigqueue_move_next(struct signal_queue *to, struct signal_queue *from,
                        uint64_t allowed)
{
    int sig = next_signal(from, allowed);
    struct signal_entry *entry;

    if (!sig) {
        return;
    }
    entry = unlink_first(from, sig);
    if (entry) {
        append(to, entry);
    }
    to->pending |= SIGNAL_BIT(sig);
}

/**
 * sigqueue_flush - forget signals
 * @queue: of a thread or of the process
 * @set: which
 *
 * Context: lock held.
 */
void sigqueue_flush(struct signal_queue *queue, uint64_t set)
{
    struct signal_entry *before = NULL, *entry, *next;

    for (entry = queue->first; entry; entry = next) {
        next = entry->next;
        if (set & SIGNAL_BIT(entry->sig)) {
            entry_done(unlink_after(queue, before));
        } else {
            before = entry;
        }
    }
    queue->pending &= ~set;
}
