/* SPDX-License-Identifier: GPL-2.0-or-later */
/* futex.h - between futex.c and futex-pi.c */
#ifndef FUTEX_H
#define FUTEX_H

#include "guest-libc/sys/clock.h"

/* What a thread on a futex's queue waits for. */
enum futex_kind {
    FUTEX_PLAIN, /* to be woken, or moved */
    FUTEX_TO_PI, /* to be moved to a lock with an owner */
    FUTEX_PI     /* to become the owner of a lock */
};

void futex_queue_add(struct thread *t, uint64_t addr);
void futex_queue_remove(struct thread *t);
/* The first thread that waits at @addr after @after (NULL: of all), or NULL. */
struct thread *futex_next_waiter(struct thread *after, uint64_t addr);
/* Compare the word with @value: 0, -EAGAIN, -EFAULT, -EINVAL. */
long futex_compare(uint64_t addr, uint32_t value);

long futex_lock_pi(uint64_t addr, const struct moment *until, bool try_only);
long futex_unlock_pi(uint64_t addr);
long futex_wait_requeue_pi(uint64_t addr, uint32_t value,
                           const struct moment *until, uint64_t target);
long futex_cmp_requeue_pi(uint64_t from, uint32_t value, int32_t wake_count,
                          int32_t move_count, uint64_t to);

#endif
