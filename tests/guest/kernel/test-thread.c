/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test-thread.c - threads, waiting, time and reflection */
#include "kcall.h"

int64_t program_call(uint64_t number);
int program_registers(uint64_t value, uint64_t rounds);
void program_spin(uint32_t *word);
extern char program_call_next[];
extern uint64_t reflected, reflected_rip;

static uint32_t word;
static uint32_t turns;
static uint64_t fs_seen[4];
static int registers_lost[4];

static void unknown_call_is_reflected(void)
{
    uint64_t before = reflected;

    CHECK(program_call(39) == 1000039);
    CHECK(program_call(0) == 1000000);
    CHECK(program_call(0x2000) == 1000000 + 0x2000);
    CHECK(program_call((uint64_t)-1) == 999999);
    CHECK(reflected == before + 4);
    CHECK(reflected_rip == (uint64_t)program_call_next);
    CHECK(ublocks[0].app_rip == (uint64_t)program_call_next);
}

static void unknown_call_of_library_is_enosys(void)
{
    uint64_t before = reflected;

    CHECK(kcall(39) == -ENOSYS);
    CHECK(kcall(SYS_LAST) == -ENOSYS);
    CHECK(program_call(SYS_LAST) == -ENOSYS);
    CHECK(reflected == before);
}

static void registers_survive_reflection_and_preemption(void)
{
    CHECK(program_registers(0x1234567890ull, 1000) == 0);
}

static void busy_registers(uint64_t slot)
{
    registers_lost[slot] = program_registers(slot * 0x1111111111ull, 200000);
}

static void threads_keep_their_registers(void)
{
    unsigned int i;

    for (i = 1; i < 4; i++) {
        CHECK(start_thread(i, busy_registers, i) > 0);
    }
    for (i = 1; i < 4; i++) {
        join_thread(i);
        CHECK(registers_lost[i] == 0);
    }
}

static void set_and_read_fs(uint64_t slot)
{
    uint64_t value;

    kcall(SYS_THREAD_SET, SYS_THREAD_FS, 0x100000 * slot);
    kcall(SYS_YIELD);
    __asm__ volatile("rdfsbase %0" : "=r"(value));
    fs_seen[slot] = value;
}

static void fs_base_is_per_thread(void)
{
    unsigned int i;

    for (i = 1; i < 4; i++) {
        CHECK(start_thread(i, set_and_read_fs, i) > 0);
    }
    for (i = 1; i < 4; i++) {
        join_thread(i);
        CHECK(fs_seen[i] == 0x100000 * i);
    }
}

static void wait_checks_the_value(void)
{
    word = 5;
    CHECK(kcall(SYS_WAIT, &word, 4, SYS_FOREVER) == -EAGAIN);
    CHECK(kcall(SYS_WAIT, (uint64_t)&word + 1, 5, SYS_FOREVER) == -EINVAL);
    CHECK(kcall(SYS_WAIT, 0x5000000, 5, SYS_FOREVER) == -EFAULT);
    CHECK(kcall(SYS_WAIT, 0xffff800000100000, 5, SYS_FOREVER) == -EFAULT);
}

static void deadline_ends_a_wait_in_time(void)
{
    uint64_t start = now_ns();
    uint64_t late;

    word = 5;
    CHECK(kcall(SYS_WAIT, &word, 5, start + 20 * MS) == -ETIMEDOUT);
    late = now_ns() - start - 20 * MS;
    say_number("# late by ns: ", late);
    CHECK(now_ns() >= start + 20 * MS);
    CHECK(now_ns() < start + 500 * MS);
    CHECK(kcall(SYS_WAIT, &word, 5, now_ns() - 1) == -ETIMEDOUT);
    CHECK(kcall(SYS_WAIT, &word, 5, 0) == -ETIMEDOUT);
}

static void many_short_deadlines(void)
{
    unsigned int i;
    uint64_t start = now_ns();

    for (i = 0; i < 200; i++) {
        uint64_t deadline = now_ns() + 100000;

        CHECK(kcall(SYS_WAIT, &word, word, deadline) == -ETIMEDOUT);
        CHECK(now_ns() >= deadline);
    }
    say_number("# 200 waits of 100 us took ns: ", now_ns() - start);
}

static void wake_one(uint64_t slot)
{
    (void)slot;
    kcall(SYS_WAIT, &word, 7, SYS_FOREVER);
    __atomic_fetch_add(&turns, 1, __ATOMIC_RELAXED);
}

static void wake_wakes_as_many_as_asked(void)
{
    unsigned int i;

    word = 7;
    turns = 0;
    for (i = 1; i < 6; i++) {
        CHECK(start_thread(i, wake_one, i) > 0);
    }
    for (i = 0; i < 10; i++) {
        kcall(SYS_YIELD);
    }
    CHECK(kcall(SYS_WAKE, &word, 2) == 2);
    CHECK(kcall(SYS_WAKE, (uint64_t)&word + 4, 2) == 0);
    for (i = 0; i < 10; i++) {
        kcall(SYS_YIELD);
    }
    CHECK(turns == 2);
    CHECK(kcall(SYS_WAKE, &word, 100) == 3);
    for (i = 1; i < 6; i++) {
        join_thread(i);
    }
    CHECK(turns == 5);
}

static void pong(uint64_t slot)
{
    unsigned int i;

    (void)slot;
    for (i = 0; i < 20000; i++) {
        while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != 1) {
            kcall(SYS_WAIT, &word, 0, SYS_FOREVER);
        }
        __atomic_store_n(&word, 0, __ATOMIC_RELEASE);
        kcall(SYS_WAKE, &word, 1);
    }
}

static void no_wakeup_is_lost(void)
{
    uint64_t start = now_ns();
    unsigned int i;

    word = 0;
    CHECK(start_thread(1, pong, 1) > 0);
    for (i = 0; i < 20000; i++) {
        __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
        kcall(SYS_WAKE, &word, 1);
        while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != 0) {
            kcall(SYS_WAIT, &word, 1, SYS_FOREVER);
        }
    }
    join_thread(1);
    say_number("# ns per round trip of two threads: ",
               (now_ns() - start) / 20000);
}

static void spin(uint64_t slot)
{
    (void)slot;
    program_spin(&word);
}

static void a_spinning_thread_is_preempted(void)
{
    uint64_t start = now_ns();

    word = 0;
    CHECK(start_thread(1, spin, 1) > 0);
    CHECK(start_thread(2, spin, 2) > 0);
    kcall(SYS_YIELD);
    kcall(SYS_YIELD);
    CHECK(now_ns() - start < 2000 * MS);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    join_thread(1);
    join_thread(2);
}

static void a_waiter_gets_the_cpu_from_a_spinner(void)
{
    uint64_t start;
    uint32_t other = 1;

    word = 0;
    CHECK(start_thread(1, spin, 1) > 0);
    start = now_ns();
    CHECK(kcall(SYS_WAIT, &other, 1, start + 5 * MS) == -ETIMEDOUT);
    say_number("# late beside a spinner by ns: ", now_ns() - start - 5 * MS);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    join_thread(1);
}

#define SLICE_NS (2 * MS) /* of the kernel's sched.c */

static uint32_t last_spinner;
static uint32_t spinner_changes;

static void spin_and_say(uint64_t slot)
{
    while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) {
        if (__atomic_exchange_n(&last_spinner, (uint32_t)slot,
                                __ATOMIC_RELAXED) != slot) {
            spinner_changes++;
        }
    }
}

static void wakeups_do_not_rotate_those_who_compute(void)
{
    uint64_t start;
    unsigned int i;

    word = 0;
    CHECK(start_thread(1, spin_and_say, 1) > 0);
    CHECK(start_thread(2, spin_and_say, 2) > 0);
    kcall(SYS_YIELD);
    start = now_ns();
    spinner_changes = 0;
    for (i = 0; i < 300; i++) {
        kcall(SYS_WAIT, &turns, turns, now_ns() + MS / 20);
    }
    i = (unsigned int)((now_ns() - start) / SLICE_NS);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    join_thread(1);
    join_thread(2);
    CHECK(spinner_changes <= i + 5);
}

/* Time that the caller ran until @until, leaving out what others had. */
static uint64_t run_until(uint64_t until)
{
    uint64_t before = now_ns(), now = before, ran = 0;

    while (now < until) {
        now = now_ns();
        if (now - before < MS / 10) {
            ran += now - before;
        }
        before = now;
    }
    return ran;
}

static uint64_t greedy_ran;

/* Wakes by the clock as soon as it can, and takes what it gets. */
static void greedy(uint64_t slot)
{
    (void)slot;
    while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) {
        greedy_ran += run_until(now_ns() + MS);
        kcall(SYS_WAIT, &turns, turns, now_ns() + 1000);
    }
}

static void who_is_woken_does_not_get_it_all(void)
{
    uint64_t ran;

    word = 0;
    greedy_ran = 0;
    CHECK(start_thread(1, greedy, 1) > 0);
    ran = run_until(now_ns() + 300 * MS);
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    join_thread(1);
    say_number("# beside a greedy thread ran for ns: ", ran);
    CHECK(ran >= greedy_ran / 2);
}

static uint32_t control_words[2];

static void read_control_words(uint64_t slot)
{
    (void)slot;
    __asm__ volatile("fnstcw %0" : "=m"(control_words[0]));
    __asm__ volatile("stmxcsr %0" : "=m"(control_words[1]));
}

static void a_thread_computes_as_its_maker(void)
{
    const uint16_t fcw = 0x27f, fcw_start = 0x37f;       /* 53 bits */
    const uint32_t mxcsr = 0xff80, mxcsr_start = 0x1f80; /* to zero, flush */

    __asm__ volatile("fldcw %0; ldmxcsr %1" : : "m"(fcw), "m"(mxcsr));
    start_thread(1, read_control_words, 1);
    join_thread(1);
    __asm__ volatile("fldcw %0; ldmxcsr %1"
                     :
                     : "m"(fcw_start), "m"(mxcsr_start));
    CHECK((control_words[0] & 0xffff) == fcw && control_words[1] == mxcsr);
    start_thread(1, read_control_words, 1);
    join_thread(1);
    CHECK((control_words[0] & 0xffff) == fcw_start &&
          control_words[1] == mxcsr_start);
}

static uint64_t own_ns[2];

static void compute_and_say(uint64_t slot)
{
    uint64_t tid = (uint64_t)kcall(SYS_QUERY, SYS_QUERY_TID);

    while (kcall(SYS_QUERY, SYS_QUERY_THREAD_CPU_NS, 0) < (int64_t)(50 * MS)) {
    }
    own_ns[0] = (uint64_t)kcall(SYS_QUERY, SYS_QUERY_THREAD_CPU_NS, tid);
    __atomic_store_n(&turns, (uint32_t)tid, __ATOMIC_RELEASE);
    kcall(SYS_WAKE, &turns, 1);
    while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) == 0) {
        kcall(SYS_WAIT, &word, 0, SYS_FOREVER);
    }
    (void)slot;
}

static void a_thread_has_a_clock_of_its_own(void)
{
    int64_t process = kcall(SYS_QUERY, SYS_QUERY_CPU_NS);
    int64_t mine = kcall(SYS_QUERY, SYS_QUERY_THREAD_CPU_NS, 0);

    word = turns = 0;
    CHECK(start_thread(1, compute_and_say, 1) > 0);
    while (__atomic_load_n(&turns, __ATOMIC_ACQUIRE) == 0) {
        kcall(SYS_WAIT, &turns, 0, SYS_FOREVER);
    }
    own_ns[1] = (uint64_t)kcall(SYS_QUERY, SYS_QUERY_THREAD_CPU_NS, turns);
    mine = kcall(SYS_QUERY, SYS_QUERY_THREAD_CPU_NS, 0) - mine;
    process = kcall(SYS_QUERY, SYS_QUERY_CPU_NS) - process;
    __atomic_store_n(&word, 1, __ATOMIC_RELEASE);
    kcall(SYS_WAKE, &word, 1);
    join_thread(1);
    CHECK(own_ns[0] >= 50 * MS && own_ns[1] >= own_ns[0]);
    CHECK(process >= mine + (int64_t)(50 * MS));
    CHECK(kcall(SYS_QUERY, SYS_QUERY_THREAD_CPU_NS, 9999) == -ESRCH);
}

static void thread_create_refuses_nonsense(void)
{
    struct sys_thread spec = {
        .rip = (uint64_t)thread_entry,
        .ublock = (uint64_t)&ublocks[3],
    };

    CHECK(kcall(SYS_THREAD_CREATE, 0x10) == -EFAULT);
    spec.rip = 0xffffffff80100000;
    CHECK(kcall(SYS_THREAD_CREATE, &spec) == -EINVAL);
    spec.rip = (uint64_t)thread_entry;
    spec.ublock += 8;
    CHECK(kcall(SYS_THREAD_CREATE, &spec) == -EINVAL);
    spec.ublock = (uint64_t)thread_entry & ~63ull;
    CHECK(kcall(SYS_THREAD_CREATE, &spec) == -EFAULT);
    spec.ublock = 0xffff800000100000;
    CHECK(kcall(SYS_THREAD_CREATE, &spec) == -EINVAL);
    CHECK(kcall(SYS_THREAD_INTERRUPT, 9999, 1) == -ESRCH);
    CHECK(kcall(SYS_HANDLER_SET, 0x8000000000000000, upcall_entry, text_lo,
                text_hi) == -EINVAL);
    CHECK(kcall(SYS_THREAD_SET, SYS_THREAD_FS, 0x8000000000000000) == -EINVAL);
    CHECK(kcall(SYS_THREAD_SET, 77, 0) == -EINVAL);
}

static void nothing(uint64_t slot)
{
    (void)slot;
}

static void a_thousand_threads_leave_no_memory_behind(void)
{
    int64_t before = 0;
    unsigned int i;

    for (i = 0; i < 1000; i++) {
        CHECK(start_thread(1, nothing, 1) > 0);
        join_thread(1);
        if (i == 10) {
            before = kcall(SYS_QUERY, SYS_QUERY_FREE_BYTES);
        }
    }
    CHECK(kcall(SYS_QUERY, SYS_QUERY_FREE_BYTES) == before);
}

static void call_times(void)
{
    const unsigned int rounds = 100000;
    uint64_t start = now_ns();
    unsigned int i;

    for (i = 0; i < rounds; i++) {
        kcall(SYS_QUERY, SYS_QUERY_TID);
    }
    say_number("# ns per kernel call: ", (now_ns() - start) / rounds);
    start = now_ns();
    for (i = 0; i < rounds; i++) {
        program_call(39);
    }
    say_number("# ns per reflected call: ", (now_ns() - start) / rounds);
    CHECK(kcall(SYS_QUERY, SYS_QUERY_CPU_NS) > 0);
}

const struct test thread_tests[] = {
    { "unknown call is reflected", unknown_call_is_reflected },
    { "unknown call of the library is ENOSYS",
      unknown_call_of_library_is_enosys },
    { "registers survive reflection",
      registers_survive_reflection_and_preemption },
    { "threads keep their registers", threads_keep_their_registers },
    { "FS base is per thread", fs_base_is_per_thread },
    { "wait checks the value", wait_checks_the_value },
    { "a deadline ends a wait in time", deadline_ends_a_wait_in_time },
    { "many short deadlines", many_short_deadlines },
    { "wake wakes as many as asked", wake_wakes_as_many_as_asked },
    { "no wake-up is lost", no_wakeup_is_lost },
    { "a spinning thread is preempted", a_spinning_thread_is_preempted },
    { "a waiter gets the CPU from a spinner",
      a_waiter_gets_the_cpu_from_a_spinner },
    { "wake-ups do not rotate those who compute",
      wakeups_do_not_rotate_those_who_compute },
    { "who is woken does not get it all", who_is_woken_does_not_get_it_all },
    { "a thread computes as its maker does", a_thread_computes_as_its_maker },
    { "a thread has a clock of its own", a_thread_has_a_clock_of_its_own },
    { "thread calls refuse nonsense", thread_create_refuses_nonsense },
    { "a thousand threads leave no memory behind",
      a_thousand_threads_leave_no_memory_behind },
    { "times of calls", call_times },
};
const unsigned int n_thread_tests = N_ELEMENTS(thread_tests);
