/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pair.h - the two ends that socketpair() makes; the lock is held */
#ifndef POSIX_PAIR_H
#define POSIX_PAIR_H

#include "guest-libc/net/options.h"
#include "guest-libc/posix/file.h"

struct pair;

/* The end that @file is, or NULL. */
struct pair *pair_of(struct file *file);
struct sock_options *pair_options(struct pair *p);
void pair_shutdown(struct file *file, bool rx, bool tx);
/* socket(AF_UNIX, @type, @protocol): a descriptor; nobody is connected to it. */
long pair_open(uint32_t type, uint32_t protocol, uint32_t flags);
/* SOCK_* of such a one, 0: it is an end of a socketpair. */
uint32_t pair_lone(const struct pair *p);
int pair_take_error(struct file *file);
/* As struct ucred of Linux. */
struct pair_who {
    int32_t pid, uid, gid;
};
struct pair_who pair_caller(void);
struct pair_who pair_maker(const struct pair *p);
/* Bytes, 0 at the end, -EAGAIN; @peek leaves them. */
long pair_recv(struct pair *p, struct uio *uio, bool peek);
/* How many bytes wait; whether no others will come. */
uint32_t pair_unread(const struct pair *p);
bool pair_is_over(const struct pair *p);

#endif
