/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-futex.c - queues, wake-ups and interruptions of futexes */
#include <asm/unistd.h>
#include <errno.h>
#include <glib.h>
#include <linux/futex.h>
#include <signal.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"

static uint32_t *word;
static long woken;

static long wait_on(uint32_t value, uint64_t timeout)
{
    return fake_call(__NR_futex, (uint64_t)word, FUTEX_WAIT, value, timeout);
}

static void setup(void)
{
    fake_reset();
    if (!word) {
        word = fake_user(4096);
    }
    *word = 0;
    woken = -1;
}

static void test_value(void)
{
    setup();
    g_assert_cmpint(wait_on(1, 0), ==, -EAGAIN);
    g_assert_cmpint(fake.n_waits, ==, 0);
    g_assert_cmpint(fake_call(__NR_futex, 2, FUTEX_WAIT, 0, 0), ==, -EINVAL);
    g_assert_cmpint(fake_call(__NR_futex, 0x1000, FUTEX_WAIT, 0, 0), ==,
                    -EFAULT);
    g_assert_cmpint(fake_call(__NR_futex, (uint64_t)word, 99, 0, 0), ==,
                    -ENOSYS);
}

static void wake_it(void)
{
    lib_lock();
    woken = futex_wake_locked((uint64_t)word, 10, ~0u);
    lib_unlock();
}

static void test_wake(void)
{
    setup();
    fake.on_wait = wake_it;
    g_assert_cmpint(wait_on(0, 0), ==, 0);
    g_assert_cmpint(woken, ==, 1);
    wake_it();
    g_assert_cmpint(woken, ==, 0); /* it has left the queue */
}

/* A return of the layer below that means nothing must not be seen. */
static void nothing(void)
{
    fake.on_wait = wake_it;
}

static void test_spurious(void)
{
    setup();
    fake.on_wait = nothing;
    g_assert_cmpint(wait_on(0, 0), ==, 0);
    g_assert_cmpint(fake.n_waits, ==, 2);
}

static void test_timeout(void)
{
    int64_t *timeout;

    setup();
    timeout = (int64_t *)(word + 4);
    timeout[0] = 1;
    timeout[1] = 5;
    g_assert_cmpint(wait_on(0, (uint64_t)timeout), ==, -ETIMEDOUT);
    g_assert_cmpuint(fake.deadline_ns, ==, 2000000005);
    wake_it();
    g_assert_cmpint(woken, ==, 0);
    timeout[1] = 1000000000;
    g_assert_cmpint(wait_on(0, (uint64_t)timeout), ==, -EINVAL);
}

static void interrupt_it(void)
{
    struct signal_info info = { 0 };

    lib_lock();
    signal_send_locked(thread_self(), SIGUSR1, &info);
    lib_unlock();
}

/* A signal changes the word that the thread sleeps on: no lost wake-up. */
static void test_interrupt(void)
{
    uint32_t before;

    setup();
    before = thread_self()->word;
    fake.on_wait = interrupt_it;
    g_assert_cmpint(wait_on(0, 0), ==, -EINTR);
    g_assert_cmpuint(thread_self()->word, ==, before + 1);
    g_assert_cmpuint(thread_self()->restart_number, ==, __NR_futex + 1);
    g_assert_cmpint(fake.n_interrupts, ==, 0);
    wake_it();
    g_assert_cmpint(woken, ==, 0);
}

static void wake_other(void)
{
    lib_lock();
    g_assert_cmpint(futex_wake_locked((uint64_t)word, 10, ~0u), ==, 0);
    woken = futex_wake_locked((uint64_t)(word + 1), 10, ~0u);
    lib_unlock();
}

/* Moved while it sleeps: the first word wakes it no more, the second does. */
static void requeue(void)
{
    fake.arg5 = (uint64_t)(word + 1);
    g_assert_cmpint(fake_call(__NR_futex, (uint64_t)word, FUTEX_REQUEUE, 0, 1),
                    ==, 0);
    fake.on_wait = wake_other;
}

static void test_requeue(void)
{
    setup();
    fake.on_wait = requeue;
    g_assert_cmpint(wait_on(0, 0), ==, 0);
    g_assert_cmpint(woken, ==, 1);
}

void test_futex_add(void)
{
    g_test_add_func("/libc-sys/futex/value", test_value);
    g_test_add_func("/libc-sys/futex/wake", test_wake);
    g_test_add_func("/libc-sys/futex/spurious", test_spurious);
    g_test_add_func("/libc-sys/futex/timeout", test_timeout);
    g_test_add_func("/libc-sys/futex/interrupt", test_interrupt);
    g_test_add_func("/libc-sys/futex/requeue", test_requeue);
}
