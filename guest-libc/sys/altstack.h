/* SPDX-License-Identifier: GPL-2.0-or-later */
/* altstack.h - a thread's alternate signal stack (sys/ only) */
#ifndef ALTSTACK_H
#define ALTSTACK_H

#include "guest-libc/sys/thread.h"

/* The thread's own stack: no alternate one. */
void altstack_reset(struct thread *t);
/* @rsp lies on it, whether or not it disarms itself. */
bool altstack_holds(const struct thread *t, uint64_t rsp);
/* A handler that wants it is to enter it, seen from @rsp. */
bool altstack_is_free(const struct thread *t, uint64_t rsp);
/* The thread is on it, and it does not disarm itself. */
bool altstack_is_busy(const struct thread *t, uint64_t rsp);
/* What sigaltstack() says of it. */
int32_t altstack_flags(const struct thread *t, uint64_t rsp);
/* 0, -EPERM, -EINVAL, -ENOMEM. */
long altstack_set(struct thread *t, const struct alt_stack *new, uint64_t rsp);

#endif
