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
                    ==, 1);
    fake.on_wait = wake_other;
}

static void test_requeue(void)
{
    setup();
    fake.on_wait = requeue;
    g_assert_cmpint(wait_on(0, 0), ==, 0);
    g_assert_cmpint(woken, ==, 1);
}

static void set_ahead(void)
{
    fake.wall_offset_ns += 6000000000ull;
    lib_lock();
    wall_clock_look_locked();
    lib_unlock();
}

static void set_ahead_then_wake(void)
{
    set_ahead();
    wake_it();
}

/* A condition variable's time of day stays one when the clock is set. */
static void test_wall_set(void)
{
    const int op = FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME;
    uint64_t at_ns, start_ns;
    int64_t *timeout;

    setup();
    start_ns = fake.now_ns;
    at_ns = prim_wall_ns() + 10000000000ull;
    timeout = (int64_t *)(word + 4);
    timeout[0] = at_ns / 1000000000;
    timeout[1] = at_ns % 1000000000;
    fake.on_wait = set_ahead;
    fake.arg6 = ~0u;
    g_assert_cmpint(
        fake_call(__NR_futex, (uint64_t)word, op, 0, (uint64_t)timeout), ==,
        -ETIMEDOUT);
    g_assert_cmpuint(fake.now_ns, ==, start_ns + 4000000000ull);
    wake_it();
    g_assert_cmpint(woken, ==, 0);
}

/* A span that may stand for a time of day: the waiter is to look again. */
static void test_wall_set_span(void)
{
    int64_t *timeout;

    setup();
    timeout = (int64_t *)(word + 4);
    timeout[0] = 10;
    timeout[1] = 0;
    fake.on_wait = set_ahead;
    g_assert_cmpint(wait_on(0, (uint64_t)timeout), ==, 0);
    g_assert_cmpint(fake.n_waits, ==, 1);
    wake_it();
    g_assert_cmpint(woken, ==, 0);
    /* Who waits without end reckons with no clock. */
    fake.on_wait = set_ahead_then_wake;
    g_assert_cmpint(wait_on(0, 0), ==, 0);
    g_assert_cmpint(woken, ==, 1);
}

/* A list of locks that has no end, and one that leads nowhere. */
static void test_robust_list(void)
{
    struct thread *t = thread_self();
    uint64_t *list = (uint64_t *)(word + 64);

    setup();
    t->robust_list = (uint64_t)list;
    list[0] = (uint64_t)(list + 8); /* the first entry */
    list[1] = -32;                  /* from it to its word */
    list[2] = 0;
    list[8] = (uint64_t)(list + 8); /* again and again */
    *(uint32_t *)(list + 4) = t->tid | FUTEX_WAITERS;
    lib_lock();
    robust_leave_locked(t);
    g_assert_cmphex(*(uint32_t *)(list + 4), ==,
                    FUTEX_OWNER_DIED | FUTEX_WAITERS);
    list[0] = 16;
    robust_leave_locked(t);
    list[0] = (uint64_t)(list + 8);
    list[8] = 0x1000;
    *(uint32_t *)(list + 4) = t->tid;
    robust_leave_locked(t);
    g_assert_cmphex(*(uint32_t *)(list + 4), ==, FUTEX_OWNER_DIED);
    /* Held by another one: let alone. */
    *(uint32_t *)(list + 4) = t->tid + 1;
    robust_leave_locked(t);
    g_assert_cmphex(*(uint32_t *)(list + 4), ==, t->tid + 1);
    t->robust_list = 0x1000;
    robust_leave_locked(t);
    lib_unlock();
}

void test_futex_add(void)
{
    g_test_add_func("/libc-sys/futex/value", test_value);
    g_test_add_func("/libc-sys/futex/wake", test_wake);
    g_test_add_func("/libc-sys/futex/spurious", test_spurious);
    g_test_add_func("/libc-sys/futex/timeout", test_timeout);
    g_test_add_func("/libc-sys/futex/interrupt", test_interrupt);
    g_test_add_func("/libc-sys/futex/requeue", test_requeue);
    g_test_add_func("/libc-sys/futex/wall-set", test_wall_set);
    g_test_add_func("/libc-sys/futex/wall-set-span", test_wall_set_span);
    g_test_add_func("/libc-sys/futex/robust-list", test_robust_list);
}
