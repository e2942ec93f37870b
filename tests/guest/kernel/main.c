/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - runs the kernel's tests inside the guest and prints TAP
 *
 * The first argument of a process, in the boot bundle, says what it does:
 *   tests   runs them all and ends
 *   peer    answers frames of other processes (test-host.c)
 *   clock   says what the wall clock shows; see check_wall_clock()
 *   fault   dies of a fault at once, which must harm nobody
 *   idle    waits for ever
 *   busy    computes while frames pour in that it does not read
 *   swamped reads late what more peers send than the ring holds
 *   glutton, modest  see test-quota.c
 *   random  makes calls at random (test-random.c); the second argument is the
 *           seed
 */
#include "guest-libc/sys/shared-clock.h"
#include "kcall.h"

const struct boot_info *boot_info;
struct sys_ublock ublocks[THREADS_MAX] __attribute__((aligned(64)));

static uint8_t stacks[THREADS_MAX][4 * PAGE] __attribute__((aligned(4096)));
static uint32_t running[THREADS_MAX];
static bool failed;

/* As the compiler may call it. */
void *memset(void *to, int byte, size_t bytes);

void *memset(void *to, int byte, size_t bytes)
{
    memory_set(to, byte, bytes);
    return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    uint8_t *d = to;
    const uint8_t *s = from;

    while (bytes-- > 0) {
        *(volatile uint8_t *)d++ = *s++;
    }
    return to;
}

void memory_set(void *to, int byte, size_t bytes)
{
    volatile uint8_t *d = to;

    while (bytes-- > 0) {
        *d++ = (uint8_t)byte;
    }
}

static size_t append(char *line, size_t at, const char *text)
{
    while (*text != '\0') {
        line[at++] = *text++;
    }
    return at;
}

static size_t append_number(char *line, size_t at, uint64_t value)
{
    char digits[20];
    unsigned int n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (n > 0) {
        line[at++] = digits[--n];
    }
    return at;
}

void say(const char *text)
{
    char line[200];
    size_t len = append(line, 0, text);

    line[len++] = '\n';
    kcall(SYS_LOG, line, len);
}

void say_number(const char *text, uint64_t value)
{
    char line[200];
    size_t len = append_number(line, append(line, 0, text), value);

    line[len++] = '\n';
    kcall(SYS_LOG, line, len);
}

void tap_failed(const char *file, int line, const char *what)
{
    char text[200];
    size_t len = append(text, 0, "# ");

    len = append(text, len, file);
    len = append(text, len, ":");
    len = append_number(text, len, (uint64_t)line);
    len = append(text, len, ": ");
    len = append(text, len, what);
    text[len] = '\0';
    say(text);
    failed = true;
}

/* By the shared page, as the library does. */
uint64_t now_ns(void)
{
    uint64_t offset_ns;

    return shared_clock_read((const struct guest_shared *)boot_info->shared,
                             &offset_ns);
}

int64_t start_thread(unsigned int slot, void (*run)(uint64_t), uint64_t arg)
{
    uint64_t *top = (uint64_t *)(stacks[slot] + sizeof(stacks[slot]));
    struct sys_thread spec = {
        .rip = (uint64_t)thread_entry,
        .arg = arg,
        .gs_base = (uint64_t)&ublocks[slot],
        .ublock = (uint64_t)&ublocks[slot],
    };

    ublocks[slot].self = (uint64_t)&ublocks[slot];
    ublocks[slot].stack_top = (uint64_t)top - PAGE;
    running[slot] = 1;
    top -= 2;
    top[0] = (uint64_t)run;
    top[1] = (uint64_t)&running[slot];
    spec.rsp = (uint64_t)top;
    return kcall(SYS_THREAD_CREATE, &spec);
}

void join_thread(unsigned int slot)
{
    while (__atomic_load_n(&running[slot], __ATOMIC_ACQUIRE) != 0) {
        kcall(SYS_WAIT, &running[slot], 1, SYS_FOREVER);
    }
}

static unsigned int run_tests(const struct test *tests, unsigned int n,
                              unsigned int number)
{
    unsigned int i;

    for (i = 0; i < n; i++) {
        char line[200];
        size_t len;

        failed = false;
        tests[i].run();
        number++;
        len = append(line, 0, failed ? "not ok " : "ok ");
        len = append_number(line, len, number);
        len = append(line, len, " - ");
        len = append(line, len, tests[i].name);
        line[len] = '\0';
        say(line);
    }
    return number;
}

static void main_process(void)
{
    unsigned int number = 0;

    say_number("1..",
               n_thread_tests + n_memory_tests + n_upcall_tests + n_host_tests);
    number = run_tests(thread_tests, n_thread_tests, number);
    number = run_tests(memory_tests, n_memory_tests, number);
    number = run_tests(upcall_tests, n_upcall_tests, number);
    run_tests(host_tests, n_host_tests, number);
    kcall(SYS_EXIT, 0);
}

/* The first argument behind the program's name, of this process. */
static const char *role(void)
{
    const struct boot_bundle *bundle = (const void *)boot_info->bundle;
    const struct boot_entry *entry =
        (const void *)(boot_info->bundle + bundle->entries_offset);
    uint32_t i;

    for (i = 0; i < bundle->n_entries; i++) {
        if (entry[i].type == BOOT_ARGV &&
            entry[i].process == boot_info->process) {
            const char *text = (const char *)bundle + entry[i].offset;

            while (*text++ != '\0') {
            }
            return text;
        }
    }
    return "";
}

static uint64_t number_behind(const char *text)
{
    uint64_t value = 0;

    while (*text++ != '\0') {
    }
    while (*text >= '0' && *text <= '9') {
        value = value * 10 + (uint64_t)(*text++ - '0');
    }
    return value;
}

static uint32_t early;

static void wait_an_hour(uint64_t slot)
{
    (void)slot;
    kcall(SYS_WAIT, &early, 0, now_ns() + 3600000 * MS);
}

/* Idle with a timer behind it that is not needed any more. */
static void idle_process(void)
{
    static const uint32_t never;

    start_thread(1, wait_an_hour, 0);
    kcall(SYS_YIELD);
    kcall(SYS_WAKE, &early, 1);
    join_thread(1);
    say("idle");
    for (;;) {
        kcall(SYS_WAIT, &never, 0, SYS_FOREVER);
    }
}

#define SAY_NS  (100 * MS)
#define STEP_NS (50 * MS) /* who goes back less was not set */

/*
 * Says the time of day again and again, computing in between or, every other
 * second, asleep.  The monotonic clock may never go back, and the wall clock
 * only when it is set.
 */
static void clock_process(void)
{
    const struct guest_shared *shared =
        (const struct guest_shared *)boot_info->shared;
    uint64_t mono = 0, wall = 0, said = 0;
    struct sys_net *net;
    uint32_t event = 0;

    kcall(SYS_NET_ATTACH, 0, &net);
    for (;;) {
        uint64_t offset;
        uint64_t now = shared_clock_read(shared, &offset);

        if (__atomic_load_n(&net->event, __ATOMIC_ACQUIRE) != event) {
            event = __atomic_load_n(&net->event, __ATOMIC_ACQUIRE);
            say("told of a clock that was set");
        }

        if (now < mono) {
            say("the monotonic clock went back");
        }
        if (now + offset < wall && now + offset + STEP_NS > wall) {
            say("the wall clock went back a little");
        }
        mono = now;
        wall = now + offset;
        if (now - said >= SAY_NS) {
            said = now;
            say_number("ms: ", wall / MS);
            if (now / (1000 * MS) % 2 == 1) {
                kcall(SYS_WAIT, &net->event, event, now + SAY_NS);
            }
        }
    }
}

#define BUSY_ROUNDS 500000000u

/* Work that has an end, for which somebody outside measures no time. */
static void busy_process(void)
{
    struct sys_net *net;
    unsigned int i;

    kcall(SYS_NET_ATTACH, 0, &net);
    say("ready");
    while (__atomic_load_n(&net->dropped, __ATOMIC_RELAXED) == 0) {
        uint32_t event = __atomic_load_n(&net->event, __ATOMIC_ACQUIRE);

        kcall(SYS_WAIT, &net->event, event, now_ns() + MS);
    }
    say("flooded");
    for (i = 0; i < BUSY_ROUNDS; i++) {
        __asm__ volatile("" : : : "memory");
    }
    say_number("done, frames dropped: ", net->dropped);
    kcall(SYS_EXIT, 0);
}

void test_main(const struct boot_info *info);

void test_main(const struct boot_info *info)
{
    boot_info = info;
    ublocks[0].self = (uint64_t)&ublocks[0];
    ublocks[0].stack_top = info->stack_top - 8 * PAGE;
    kcall(SYS_THREAD_SET, SYS_THREAD_UBLOCK, &ublocks[0]);
    kcall(SYS_THREAD_SET, SYS_THREAD_GS, &ublocks[0]);
    if (role()[0] == 'f') {
        *(volatile uint32_t *)0x123000 = 1;
    }
    kcall(SYS_HANDLER_SET, reflect_entry, upcall_entry, text_lo, text_hi);
    switch (role()[0]) {
    case 'l':
        line_process();
        break;
    case 'p':
        peer_process();
        break;
    case 's':
        swamped_process();
        break;
    case 'r':
        random_process(number_behind(role()));
        break;
    case 'b':
        busy_process();
        break;
    case 'c':
        clock_process();
        break;
    case 'g':
        glutton_process();
        break;
    case 'm':
        modest_process();
        break;
    case 'i':
        idle_process();
        break;
    default:
        main_process();
        break;
    }
    for (;;) {
    }
}
