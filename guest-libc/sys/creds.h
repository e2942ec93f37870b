/* SPDX-License-Identifier: GPL-2.0-or-later */
/* creds.h - who a thread is, and what it may (sys/ only) */
#ifndef CREDS_H
#define CREDS_H

#include <stdbool.h>
#include <stdint.h>

#define GROUPS_MAX 65536u /* NGROUPS_MAX */

struct groups { /* shared by threads; sorted */
    uint32_t refs;
    uint32_t count;
    uint32_t id[];
};

/* Four ids of one kind. */
struct ids {
    uint32_t real, effective, saved, files;
};

/* Of one thread; all zero but the capabilities: root. */
struct creds {
    struct ids user, group;
    struct groups *groups; /* NULL: none */
    uint64_t permitted, usable, inheritable, bounding, ambient;
    uint32_t secure_bits;
};

struct thread;

/* The first thread's: root, who may everything. */
void creds_boot(struct creds *creds);
/* Another thread's are as its maker's. Lock held. */
void creds_copy(struct creds *to, const struct creds *from);
void creds_drop(struct creds *creds);
/* The calling thread has CAP_*. */
bool creds_may(int capability);
/* prctl() of capabilities; -ENOSYS: not one of those. */
long creds_prctl(const uint64_t arg[5]);

#endif
