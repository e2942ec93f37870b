/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap.h - how the small programs here say what they found
 *
 * A program prints TAP and nothing that differs from run to run, so that its
 * output under Linux, under the library on Linux and in the guest can be
 * compared byte by byte.
 */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <stdlib.h>

static int tap_count, tap_failed;

static inline void tap_ok(int good, const char *name)
{
    tap_failed += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", ++tap_count, name);
    fflush(stdout);
}

static inline int tap_done(void)
{
    printf("1..%d\n", tap_count);
    fflush(stdout);
    return tap_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
