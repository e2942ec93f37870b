/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-upcall.c - faults and interrupts handed to the library, resume() */
#include "kcall.h"

#define VECTOR_PAGE_FAULT 14

int library_peek(uint32_t *ret, uint64_t addr);
int program_load(uint64_t addr);
void program_spin(uint32_t *word);
extern char library_peek_at[], library_peek_failed[], program_load_at[],
    program_load_skipped[];
void upcall_handler(uint64_t level);

static struct sys_context last; /* of level 0 */
static uint32_t n_upcalls[2];
static uint32_t n_interrupts;
static uint32_t word;
static int wait_result;
static uint8_t xsave_areas[2][4096] __attribute__((aligned(64)));

static struct sys_ublock *own_ublock(void)
{
    uint64_t self;

    __asm__ volatile("movq %%gs:24, %0" : "=r"(self));
    return (struct sys_ublock *)self;
}

/* From upcall_entry, on the stack that the kernel chose. */
void upcall_handler(uint64_t level)
{
    struct sys_ublock *ublock = own_ublock();
    struct sys_context *context = &ublock->context[level];

    n_upcalls[level]++;
    if (level == 0) {
        memcpy(&last, context, sizeof(last));
    }
    if (level == 1) {
        ublock->context_used = 0;
    }
    if (context->vector == SYS_VECTOR_INTERRUPT) {
        n_interrupts++;
        __atomic_exchange_n(&ublock->pending, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    } else if (context->rip == (uint64_t)library_peek_at) {
        context->rip = (uint64_t)library_peek_failed;
    } else if (context->rip == (uint64_t)program_load_at) {
        context->rip = (uint64_t)program_load_skipped;
    } else {
        say_number("# fault that no test made, at ", context->rip);
        kcall(SYS_EXIT, 1);
    }
    kcall(SYS_RESUME, context);
    say("# resume came back");
    kcall(SYS_EXIT, 1);
}

static void fault_in_program_is_an_upcall(void)
{
    uint32_t before = n_upcalls[0];

    CHECK(program_load(0x77777000) == -1);
    CHECK(n_upcalls[0] == before + 1);
    CHECK(last.vector == VECTOR_PAGE_FAULT);
    CHECK(last.cr2 == 0x77777000);
    CHECK(last.rip == (uint64_t)program_load_at);
    CHECK(last.rdi == 0x77777000);
    CHECK(last.rax == 0xffffffff);
    CHECK(program_load(0xffff800000100000) == -1);
    CHECK(last.cr2 == 0xffff800000100000);
    CHECK(program_load(0x8000000000000000) == -1);
    CHECK(last.vector == 13);
}

static void fault_in_library_keeps_the_frames(void)
{
    uint32_t value = 1;
    uint32_t before = n_upcalls[1];

    CHECK(library_peek(&value, 0x77777000) == -EFAULT);
    CHECK(n_upcalls[1] == before + 1);
    CHECK(value == 1);
}

static void extended_state_goes_through_resume(void)
{
    uint64_t value = 0x123456789abcdef0;
    uint64_t after;

    CHECK(boot_info->xsave_bytes <= sizeof(xsave_areas[0]));
    ublocks[0].xsave[0] = (uint64_t)xsave_areas[0];
    ublocks[0].xsave[1] = (uint64_t)xsave_areas[1];
    __asm__ volatile("movq %0, %%xmm9" : : "r"(value));
    program_load(0x77777000);
    CHECK(last.xsave == (uint64_t)xsave_areas[0]);
    __asm__ volatile("movq %%xmm9, %0" : "=r"(after));
    CHECK(after == value);
    CHECK(*(uint64_t *)(xsave_areas[0] + 160 + 9 * 16) == value);
    *(uint64_t *)(xsave_areas[0] + 160 + 9 * 16) = 5;
    ublocks[0].context[0].xsave = (uint64_t)xsave_areas[0];
    ublocks[0].xsave[0] = 0;
    ublocks[0].xsave[1] = 0;
}

static void resume_refuses_nonsense(void)
{
    struct sys_context context = { .rip = 0xffff800000000000 };

    CHECK(kcall(SYS_RESUME, &context) == -EINVAL);
    CHECK(kcall(SYS_RESUME, 0x10) == -EFAULT);
    context.rip = (uint64_t)text_lo;
    context.fs_base = 0x8000000000000000;
    CHECK(kcall(SYS_RESUME, &context) == -EINVAL);
    context.fs_base = 0;
    context.xsave = 8;
    CHECK(kcall(SYS_RESUME, &context) == -EINVAL);
    context.xsave = 0x77777000;
    CHECK(kcall(SYS_RESUME, &context) == -EFAULT);
    memory_set(xsave_areas[1], 0xff, sizeof(xsave_areas[1]));
    context.xsave = (uint64_t)xsave_areas[1]; /* XRSTOR faults on it */
    CHECK(kcall(SYS_RESUME, &context) == -EFAULT);
    memory_set(xsave_areas[1], 0, sizeof(xsave_areas[1]));
}

static void spin(uint64_t slot)
{
    (void)slot;
    program_spin(&word);
}

static void interrupt_reaches_program_text(void)
{
    uint32_t before = n_interrupts;
    int64_t tid;

    word = 0;
    tid = start_thread(1, spin, 1);
    CHECK(tid > 0);
    kcall(SYS_YIELD);
    CHECK(kcall(SYS_THREAD_INTERRUPT, tid, 4) == 0);
    join_thread(1);
    CHECK(n_interrupts == before + 1);
}

static void wait_long(uint64_t slot)
{
    (void)slot;
    wait_result = (int)kcall(SYS_WAIT, &word, 9, SYS_FOREVER);
}

static void interrupt_ends_a_wait(void)
{
    uint32_t before = n_interrupts;
    int64_t tid;

    word = 9;
    wait_result = 0;
    tid = start_thread(1, wait_long, 1);
    CHECK(tid > 0);
    kcall(SYS_YIELD);
    CHECK(kcall(SYS_THREAD_INTERRUPT, tid, 2) == 0);
    join_thread(1);
    CHECK(wait_result == -EINTR);
    CHECK(ublocks[1].pending == 2);
    ublocks[1].pending = 0;
    CHECK(n_interrupts == before);
}

/* Its library looks at pending, serves it or not, and only then waits. */
static void wait_late(uint64_t serve)
{
    while (__atomic_load_n(&ublocks[1].pending, __ATOMIC_RELAXED) == 0) {
    }
    if (serve) {
        ublocks[1].pending = 0;
    }
    wait_result = (int)kcall(SYS_WAIT, &word, 9, now_ns() + 200 * MS);
}

static void interrupt_before_a_wait_ends_it(void)
{
    uint64_t serve;
    int64_t tid;

    word = 9;
    for (serve = 0; serve < 2; serve++) {
        tid = start_thread(1, wait_late, serve);
        CHECK(tid > 0);
        kcall(SYS_YIELD);
        CHECK(kcall(SYS_THREAD_INTERRUPT, tid, 2) == 0);
        join_thread(1);
        CHECK(wait_result == (serve ? -ETIMEDOUT : -EINTR));
        ublocks[1].pending = 0;
    }
}

/* In library text until it is interrupted, and only then in the program. */
static void late_program(uint64_t slot)
{
    while (__atomic_load_n(&ublocks[slot].pending, __ATOMIC_RELAXED) == 0) {
    }
    program_spin(&word);
}

static void interrupt_in_library_is_seen_in_the_program(void)
{
    uint32_t before = n_interrupts;
    int64_t tid;

    word = 0;
    tid = start_thread(1, late_program, 1);
    CHECK(tid > 0);
    kcall(SYS_YIELD);
    CHECK(kcall(SYS_THREAD_INTERRUPT, tid, 4) == 0);
    join_thread(1);
    CHECK(n_interrupts == before + 1);
}

const struct test upcall_tests[] = {
    { "a fault in the program is an upcall", fault_in_program_is_an_upcall },
    { "a fault in the library keeps the frames",
      fault_in_library_keeps_the_frames },
    { "extended state goes through resume",
      extended_state_goes_through_resume },
    { "resume refuses nonsense", resume_refuses_nonsense },
    { "an interrupt reaches program text", interrupt_reaches_program_text },
    { "an interrupt ends a wait", interrupt_ends_a_wait },
    { "an interrupt before a wait ends it, unless it was served",
      interrupt_before_a_wait_ends_it },
    { "an interrupt in the library is seen in the program",
      interrupt_in_library_is_seen_in_the_program },
};
const unsigned int n_upcall_tests = N_ELEMENTS(upcall_tests);
