/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests.h - each file here adds its tests */
#ifndef LIBC_SYS_TESTS_H
#define LIBC_SYS_TESTS_H

void test_uaccess_add(void);
void test_futex_add(void);
void test_signal_add(void);
void test_sigqueue_add(void);
void test_memory_add(void);
void test_ident_add(void);
void test_time_add(void);
void test_timer_add(void);
void test_start_add(void);
void test_string_add(void);

#endif
