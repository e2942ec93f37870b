/* SPDX-License-Identifier: GPL-2.0-or-later */
/* defaults.h - files that every program finds, where the bundle has none */
#ifndef POSIX_DEFAULTS_H
#define POSIX_DEFAULTS_H

#include "guest-libc/posix/tree.h"

struct tree_default {
    const char *path; /* NULL ends the list */
    enum tree_kind kind;
    uint16_t mode;
    const void *data;
    size_t len_bytes;
};

/* Once, by tree_start(). */
const struct tree_default *defaults_list(void);
/* The program's path, empty if there is none. */
const char *defaults_program(void);
/* Files that tell the machine's name: at the start, and when it changes. */
void defaults_hostname(void);

#endif
