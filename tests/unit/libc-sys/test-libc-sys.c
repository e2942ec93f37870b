/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-libc-sys.c - the parts of the library at the level of prim.h */
#include <glib.h>

#include "tests/unit/libc-sys/tests.h"

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    test_uaccess_add();
    test_futex_add();
    test_signal_add();
    test_sigqueue_add();
    test_memory_add();
    test_ident_add();
    test_time_add();
    test_timer_add();
    test_start_add();
    test_string_add();
    return g_test_run();
}
