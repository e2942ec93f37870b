/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-sigqueue.c - signals that wait, and the thread that is told of them */
#include <asm/unistd.h>
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>

#include "guest-libc/sys/altstack.h"
#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"

#define PAGE    4096u
#define HANDLER 0x401000ull
#define RT      (SIGNAL_FIRST_REAL + 4)

static const struct signal_action action = { HANDLER, 0x04000000, HANDLER, 0 };

static void handle(int sig)
{
    lib_lock();
    signal_action_set(sig, &action);
    lib_unlock();
}

static long send(struct thread *t, int sig, int value)
{
    struct signal_info info = { .code = SI_QUEUE, .value = value };
    long ret;

    lib_lock();
    ret = signal_send_locked(t, sig, &info);
    lib_unlock();
    return ret;
}

static void set_mask(uint64_t mask)
{
    lib_lock();
    signal_mask_set_locked(process.first, mask);
    lib_unlock();
}

/* The thread that was told blocks it, ends, or stops waiting: another is. */
static void test_retarget(void)
{
    struct thread *other;

    fake_reset();
    other = fake_thread();
    handle(SIGTERM);
    send(NULL, SIGTERM, 0);
    g_assert_cmpint(process.first->ublock.pending, !=, 0);
    g_assert_cmpint(fake.n_interrupts, ==, 0);
    set_mask(SIGNAL_BIT(SIGTERM));
    g_assert_cmpint(fake.n_interrupts, ==, 1);
    g_assert_cmpint(fake.interrupted_tid, ==, other->prim_tid);

    fake_reset();
    other = fake_thread();
    handle(SIGTERM);
    set_mask(SIGNAL_BIT(SIGTERM));
    lib_lock();
    signal_want_locked(SIGNAL_BIT(SIGTERM));
    lib_unlock();
    send(NULL, SIGTERM, 0);
    g_assert_cmpint(fake.n_interrupts, ==, 0);
    lib_lock();
    signal_want_locked(0);
    lib_unlock();
    g_assert_cmpint(fake.n_interrupts, ==, 1);
}

static void test_leave(void)
{
    struct thread *other;

    fake_reset();
    other = fake_thread();
    handle(SIGTERM);
    set_mask(SIGNAL_BIT(SIGTERM));
    send(NULL, SIGTERM, 0);
    send(other, RT, 1);
    g_assert_cmpint(fake.interrupted_tid, ==, other->prim_tid);
    process.first->signal_mask = 0;
    lib_lock();
    process.threads = process.first;
    signal_thread_leaves_locked(other);
    lib_unlock();
    g_assert_cmpint(process.first->ublock.pending, !=, 0);
    g_assert_cmphex(other->signals.pending, ==, 0);
    g_assert_null(other->signals.first);
}

/* A call ends for a signal of the process: nobody else takes it then. */
static void test_claim(void)
{
    struct thread *t, *other;

    fake_reset();
    t = process.first;
    other = fake_thread();
    other->signal_mask = SIGNAL_BIT(RT);
    handle(RT);
    send(NULL, RT, 1);
    send(NULL, RT, 2);
    lib_lock();
    g_assert_cmpint(lib_wait(&t->word, t->word, SYS_FOREVER), ==, -EINTR);
    lib_unlock();
    g_assert_cmpuint(t->signals.first->info.value, ==, 1);
    g_assert_cmpuint(process.signals.first->info.value, ==, 2);
    g_assert_cmphex(process.signals.pending, ==, SIGNAL_BIT(RT));
}

/* Told of nothing, a thread sleeps on: the signal is another thread's. */
static void test_not_told(void)
{
    struct thread *t, *other;

    fake_reset();
    t = process.first;
    other = fake_thread();
    process.first = other;
    handle(SIGTERM);
    send(NULL, SIGTERM, 0);
    lib_lock();
    g_assert_cmpint(lib_wait(&t->word, t->word, fake.now_ns + 1), ==,
                    -ETIMEDOUT);
    lib_unlock();
}

/* Three times it was due, and nobody has sent it yet. */
static void count_more(struct signal_entry *entry)
{
    entry->overrun += 3;
}

/* A timer's entry: once at a time, and counts what comes meanwhile. */
static void test_kept(void)
{
    struct signal_entry timer = {
        .sig = RT,
        .count = count_more,
        .info = { .code = SI_TIMER },
    };
    struct signal_info info;
    struct thread *t;

    fake_reset();
    t = process.first;
    set_mask(~0ull);
    lib_lock();
    g_assert_true(signal_send_kept_locked(NULL, &timer));
    g_assert_false(signal_send_kept_locked(NULL, &timer));
    g_assert_false(signal_send_kept_locked(NULL, &timer));
    lib_unlock();
    send(NULL, RT, 5);
    lib_lock();
    g_assert_cmpint(signal_take_locked(t, ~0ull, &info), ==, RT);
    g_assert_cmpint(info.code, ==, SI_TIMER);
    g_assert_cmpuint(info.uid, ==, 5);
    g_assert_cmpuint(timer.told, ==, 5);
    g_assert_null(timer.queue);
    g_assert_true(signal_send_kept_locked(NULL, &timer));
    g_assert_cmpuint(timer.overrun, ==, 0);
    g_assert_cmpuint(timer.told, ==, 5);
    sigqueue_remove_kept(&timer);
    sigqueue_remove_kept(&timer);
    g_assert_cmpint(signal_take_locked(t, ~0ull, &info), ==, RT);
    g_assert_cmpuint(info.value, ==, 5);
    g_assert_cmpint(signal_take_locked(t, ~0ull, &info), ==, 0);
    lib_unlock();
}

static void test_limit(void)
{
    struct signal_info info;
    uint64_t i;

    fake_reset();
    set_mask(~0ull);
    for (i = 0; i < limit_sigpending(); i++) {
        g_assert_cmpint(send(NULL, RT, i), ==, 0);
    }
    g_assert_cmpint(send(NULL, RT, 0), ==, -EAGAIN);
    g_assert_cmpint(send(NULL, SIGUSR1, 0), ==, 0);
    lib_lock();
    g_assert_cmpint(sigqueue_take(&process.signals, ~0ull, &info), ==, SIGUSR1);
    for (i = 0; i < limit_sigpending(); i++) {
        g_assert_cmpint(sigqueue_take(&process.signals, ~0ull, &info), ==, RT);
        g_assert_cmpuint(info.value, ==, i);
    }
    g_assert_cmphex(process.signals.pending, ==, 0);
    lib_unlock();
}

/* What ends the process does so in the sender too, before it goes on. */
static void test_fatal(void)
{
    struct sys_context context = { .rip = FAKE_RIP };
    struct thread *other;

    fake_reset();
    other = fake_thread();
    send(other, SIGKILL, 0);
    g_assert_cmpint(fake.n_interrupts, ==, 1);
    if (g_test_subprocess()) {
        signal_deliver_context(&context);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
}

/* On the alternate stack with no room left: nothing is written. */
static void test_full_stack(void)
{
    struct signal_info info = { .code = SI_USER };
    struct sys_context context = { 0 };
    uint8_t *stack, clean[PAGE];
    struct thread *t;

    fake_reset();
    t = process.first;
    stack = fake_user(2 * PAGE);
    memset(stack, 0x5a, 2 * PAGE);
    memset(clean, 0x5a, PAGE);
    t->alt =
        (struct alt_stack){ .sp = (uint64_t)stack + PAGE, .size_bytes = PAGE };
    context.rsp = t->alt.sp + 400;
    g_assert_cmpint(sigframe_push(t, &context, &action, SIGUSR1, &info, 0), ==,
                    -EFAULT);
    g_assert_cmpmem(stack, PAGE, clean, PAGE);
    context.rsp = t->alt.sp + PAGE;
    g_assert_cmpint(sigframe_push(t, &context, &action, SIGUSR1, &info, 0), ==,
                    0);
    g_assert_cmphex(context.rsp, >, t->alt.sp);
}

void test_sigqueue_add(void)
{
    g_test_add_func("/libc-sys/sigqueue/retarget", test_retarget);
    g_test_add_func("/libc-sys/sigqueue/leave", test_leave);
    g_test_add_func("/libc-sys/sigqueue/claim", test_claim);
    g_test_add_func("/libc-sys/sigqueue/not-told", test_not_told);
    g_test_add_func("/libc-sys/sigqueue/kept", test_kept);
    g_test_add_func("/libc-sys/sigqueue/limit", test_limit);
    g_test_add_func("/libc-sys/sigqueue/fatal", test_fatal);
    g_test_add_func("/libc-sys/sigqueue/full-stack", test_full_stack);
}
