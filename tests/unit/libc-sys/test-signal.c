/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-signal.c - who gets a signal, when, and on what frame */
#include <asm/unistd.h>
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>

#include "tests/unit/libc-sys/fake-prim.h"
#include "tests/unit/libc-sys/tests.h"

#define PAGE        4096u
#define HANDLER     0x401000ull
#define RESTORER    0x402000ull
#define UNKNOWN     400
#define SA_RESTORER 0x04000000u /* as the kernel has it */

static uint8_t *stack;

static uint64_t stack_top(void)
{
    return (uint64_t)stack + 4 * PAGE;
}

static void setup(void)
{
    fake_reset();
    if (!stack) {
        stack = fake_user(4 * PAGE);
    }
}

static void set_handler(int sig, uint64_t handler, uint64_t flags)
{
    struct signal_action action = { handler, flags | SA_RESTORER, RESTORER, 0 };
    struct signal_action *user = fake_user(PAGE);

    *user = action;
    g_assert_cmpint(fake_call(__NR_rt_sigaction, sig, (uint64_t)user, 0, 8), ==,
                    0);
}

static void send(struct thread *t, int sig)
{
    struct signal_info info = { .code = SI_TKILL, .pid = FIRST_TID };

    lib_lock();
    signal_send_locked(t, sig, &info);
    lib_unlock();
}

static void leave(struct frame *frame)
{
    *frame = (struct frame){
        .rcx = FAKE_RIP, .r11 = 0x202, .rax = 5, .rbx = 6, .rdi = 7
    };
    frame->rsp = stack_top();
    while (thread_self()->ublock.pending) {
        signal_deliver_frame(frame);
    }
}

static void test_handler(void)
{
    struct thread *t;
    struct frame frame;
    uint64_t *user;

    setup();
    t = thread_self();
    set_handler(SIGUSR1, HANDLER, 0);
    send(t, SIGUSR1);
    leave(&frame);
    g_assert_cmphex(frame.rcx, ==, HANDLER);
    g_assert_cmpuint(frame.rdi, ==, SIGUSR1);
    g_assert_cmpuint(frame.rbx, ==, 6);
    g_assert_cmphex(frame.rsp, <, stack_top() - 128);
    g_assert_cmpuint(frame.rsp % 16, ==, 8);
    user = (uint64_t *)frame.rsp;
    g_assert_cmphex(user[0], ==, RESTORER);
    g_assert_cmphex(t->signal_mask, ==, SIGNAL_BIT(SIGUSR1));
    g_assert_cmpint(t->signals.pending, ==, 0);
}

/* What sigreturn reads is what delivery wrote. */
static void test_return(void)
{
    struct sys_context context;
    struct thread *t;
    struct frame frame;
    uint64_t mask = ~0ull;

    setup();
    t = thread_self();
    set_handler(SIGUSR1, HANDLER, 0);
    send(t, SIGUSR1);
    leave(&frame);
    g_assert_cmpint(sigframe_pop(t, frame.rsp + 8, &context, &mask), ==, 0);
    g_assert_cmphex(context.rip, ==, FAKE_RIP);
    g_assert_cmphex(context.rsp, ==, stack_top());
    g_assert_cmpuint(context.rax, ==, 5);
    g_assert_cmpuint(context.rbx, ==, 6);
    g_assert_cmpuint(context.rdi, ==, 7);
    g_assert_cmphex(mask, ==, 0);
    g_assert_cmphex(context.gs_base, ==, (uint64_t)t);
}

/* A program that forges its frame gets no privileged flag, no library RIP. */
static void test_forged(void)
{
    struct sys_context context;
    struct thread *t;
    struct frame frame;
    uint64_t *user, mask;

    setup();
    t = thread_self();
    set_handler(SIGUSR1, HANDLER, 0);
    send(t, SIGUSR1);
    leave(&frame);
    user = (uint64_t *)(frame.rsp + 8 + 40); /* struct sigcontext */
    user[17] = ~0ull;                        /* eflags */
    g_assert_cmpint(sigframe_pop(t, frame.rsp + 8, &context, &mask), ==, 0);
    g_assert_cmphex(context.rflags & 0x3000, ==, 0); /* IOPL */
    g_assert_cmphex(context.rflags & 0x4000, ==, 0); /* NT */
    user[16] = LIBRARY_BASE + 64;                    /* rip */
    g_assert_cmpint(sigframe_pop(t, frame.rsp + 8, &context, &mask), ==,
                    -EFAULT);
    g_assert_cmpint(sigframe_pop(t, 0x1000, &context, &mask), ==, -EFAULT);
}

static void test_mask(void)
{
    struct thread *t;
    struct frame frame;

    setup();
    t = thread_self();
    set_handler(SIGUSR1, HANDLER, 0);
    lib_lock();
    signal_mask_set_locked(t, SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGKILL));
    g_assert_cmphex(t->signal_mask, ==, SIGNAL_BIT(SIGUSR1));
    lib_unlock();
    send(t, SIGUSR1);
    g_assert_cmpint(t->ublock.pending, ==, 0);
    lib_lock();
    signal_mask_set_locked(t, 0);
    lib_unlock();
    g_assert_cmpint(t->ublock.pending, !=, 0);
    leave(&frame);
    g_assert_cmphex(frame.rcx, ==, HANDLER);
}

static void test_ignored(void)
{
    struct thread *t;

    setup();
    t = thread_self();
    send(t, SIGCHLD);
    g_assert_cmphex(t->signals.pending, ==, 0);
    set_handler(SIGUSR1, 1, 0);
    send(t, SIGUSR1);
    g_assert_cmphex(t->signals.pending, ==, 0);
    /* Waiting, then ignored: gone. */
    lib_lock();
    signal_mask_set_locked(t, SIGNAL_BIT(SIGUSR2));
    lib_unlock();
    send(t, SIGUSR2);
    g_assert_cmphex(t->signals.pending, ==, SIGNAL_BIT(SIGUSR2));
    set_handler(SIGUSR2, 1, 0);
    g_assert_cmphex(t->signals.pending, ==, 0);
}

/* A process's signal goes to a thread that may have it. */
static void test_choice(void)
{
    struct thread *other;

    setup();
    other = fake_thread();
    set_handler(SIGTERM, HANDLER, 0);
    thread_self()->signal_mask = SIGNAL_BIT(SIGTERM);
    send(NULL, SIGTERM);
    g_assert_cmpint(fake.n_interrupts, ==, 1);
    g_assert_cmpint(fake.interrupted_tid, ==, other->prim_tid);
    g_assert_cmpint(thread_self()->ublock.pending, ==, 0);
}

/* Asleep: by its word, not by an interrupt. */
static void test_asleep(void)
{
    struct thread *other;

    setup();
    other = fake_thread();
    other->waiting = &other->word;
    set_handler(SIGUSR1, HANDLER, 0);
    send(other, SIGUSR1);
    g_assert_cmpuint(other->word, ==, 1);
    g_assert_cmpint(fake.n_wakes, ==, 1);
    g_assert_cmpint(fake.n_interrupts, ==, 0);
}

static void check_restart(uint64_t flags, uint64_t rip, long rax)
{
    struct thread *t;
    struct sys_context context = { .rip = FAKE_RIP, .rax = -EINTR };

    setup();
    t = thread_self();
    set_handler(SIGUSR1, HANDLER, flags);
    send(t, SIGUSR1);
    t->restart_number = UNKNOWN + 1;
    context.rsp = stack_top();
    signal_deliver_context(&context);
    g_assert_cmphex(context.rip, ==, HANDLER);
    g_assert_cmpint(
        sigframe_pop(t, context.rsp + 8, &context, &(uint64_t){ 0 }), ==, 0);
    g_assert_cmphex(context.rip, ==, rip);
    g_assert_cmpint(context.rax, ==, rax);
}

static void test_restart(void)
{
    check_restart(SA_RESTART, FAKE_RIP - 2, UNKNOWN);
    check_restart(0, FAKE_RIP, -EINTR);
}

/* Another mask for one call: the handler's frame brings back the old one. */
static void test_call_mask(void)
{
    struct sys_context context;
    struct thread *t;
    struct frame frame;
    uint64_t mask;

    setup();
    t = thread_self();
    set_handler(SIGUSR1, HANDLER, 0);
    t->signal_mask = SIGNAL_BIT(SIGUSR1);
    send(t, SIGUSR1);
    lib_lock();
    signal_mask_for_call_locked(0);
    g_assert(thread_pending());
    lib_unlock();
    leave(&frame);
    g_assert_cmphex(frame.rcx, ==, HANDLER);
    g_assert_cmpint(sigframe_pop(t, frame.rsp + 8, &context, &mask), ==, 0);
    g_assert_cmphex(mask, ==, SIGNAL_BIT(SIGUSR1));
    /* And without a signal the exit itself does. */
    lib_lock();
    signal_mask_for_call_locked(0);
    lib_unlock();
    leave(&frame);
    g_assert_cmphex(frame.rcx, ==, FAKE_RIP);
    g_assert(!t->saved_mask_valid);
}

static void test_alt_stack(void)
{
    struct alt_stack *alt;
    struct frame frame;

    setup();
    alt = fake_user(PAGE);
    *alt = (struct alt_stack){ .sp = (uint64_t)fake_user(16 * PAGE),
                               .size_bytes = 16 * PAGE };
    g_assert_cmpint(fake_call(__NR_sigaltstack, (uint64_t)alt, 0, 0, 0), ==, 0);
    set_handler(SIGUSR1, HANDLER, SA_ONSTACK);
    send(thread_self(), SIGUSR1);
    leave(&frame);
    g_assert_cmphex(frame.rsp, >, alt->sp);
    g_assert_cmphex(frame.rsp, <, alt->sp + alt->size_bytes);
    alt->size_bytes = 100;
    g_assert_cmpint(fake_call(__NR_sigaltstack, (uint64_t)alt, 0, 0, 0), ==,
                    -ENOMEM);
}

static void test_mail(void)
{
    struct frame frame;

    setup();
    set_handler(SIGTERM, HANDLER, 0);
    fake.mail.kind = CKPT_MBOX_SIGTERM;
    lib_lock();
    sys_poll_locked();
    lib_unlock();
    leave(&frame);
    g_assert_cmphex(frame.rcx, ==, HANDLER);
    g_assert_cmpuint(frame.rdi, ==, SIGTERM);
}

/* A busy poller does not ask each time, but asks again in time. */
static void test_mail_rate(void)
{
    uint64_t again_ns;

    setup();
    fake.now_ns += 1000000000;
    lib_lock();
    g_assert_cmpuint(sys_poll_locked(), ==, SYS_FOREVER);
    fake.mail.kind = CKPT_MBOX_SIGTERM;
    again_ns = sys_poll_locked();
    g_assert_cmpuint(again_ns, >, fake.now_ns);
    g_assert_cmpuint(fake.mail.kind, ==, CKPT_MBOX_SIGTERM);
    fake.now_ns = again_ns;
    lib_unlock();
    set_handler(SIGTERM, HANDLER, 0);
    lib_lock();
    g_assert_cmpuint(sys_poll_locked(), ==, SYS_FOREVER);
    g_assert_cmpuint(fake.mail.kind, ==, 0);
    lib_unlock();
}

/* Nobody else is there: not by -1, and not another process or group. */
static void test_kill(void)
{
    setup();
    g_assert_cmpint(fake_call(__NR_kill, FIRST_TID, 0, 0, 0), ==, 0);
    g_assert_cmpint(fake_call(__NR_kill, 0, 0, 0, 0), ==, 0);
    g_assert_cmpint(fake_call(__NR_kill, -FIRST_TID, 0, 0, 0), ==, 0);
    g_assert_cmpint(fake_call(__NR_kill, -1, SIGKILL, 0, 0), ==, -ESRCH);
    g_assert_cmpint(fake_call(__NR_kill, 1, SIGKILL, 0, 0), ==, -ESRCH);
    g_assert_cmpint(fake_call(__NR_kill, -1, 65, 0, 0), ==, -ESRCH);
    g_assert_cmpint(fake_call(__NR_kill, FIRST_TID, 65, 0, 0), ==, -EINVAL);
    g_assert_cmphex(process.signals.pending, ==, 0);
}

static void test_unknown_call(void)
{
    setup();
    g_assert_cmpint(fake_call(UNKNOWN, 0, 0, 0, 0), ==, -ENOSYS);
    g_assert_nonnull(strstr(fake.log, "400"));
    fake.log_bytes = 0;
    g_assert_cmpint(fake_call(UNKNOWN, 0, 0, 0, 0), ==, -ENOSYS);
    g_assert_cmpint(fake_call(~0ull, 0, 0, 0, 0), ==, -ENOSYS);
    g_assert_null(strstr(fake.log + fake.log_bytes, "400"));
}

void test_signal_add(void)
{
    g_test_add_func("/libc-sys/signal/handler", test_handler);
    g_test_add_func("/libc-sys/signal/return", test_return);
    g_test_add_func("/libc-sys/signal/forged", test_forged);
    g_test_add_func("/libc-sys/signal/mask", test_mask);
    g_test_add_func("/libc-sys/signal/ignored", test_ignored);
    g_test_add_func("/libc-sys/signal/choice", test_choice);
    g_test_add_func("/libc-sys/signal/asleep", test_asleep);
    g_test_add_func("/libc-sys/signal/restart", test_restart);
    g_test_add_func("/libc-sys/signal/call-mask", test_call_mask);
    g_test_add_func("/libc-sys/signal/alt-stack", test_alt_stack);
    g_test_add_func("/libc-sys/signal/kill", test_kill);
    g_test_add_func("/libc-sys/mailbox/sigterm", test_mail);
    g_test_add_func("/libc-sys/mailbox/rate", test_mail_rate);
    g_test_add_func("/libc-sys/table/unknown-call", test_unknown_call);
}
