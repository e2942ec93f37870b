/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step.c - interrupt the library at each instruction, print TAP
 *
 *   step SLUICE-LINUX PROGRAM
 *
 * PROGRAM is stepped.c of tests/guest/programs; it runs through the library,
 * traced.  Its first thread is stopped at an instruction, its second one sends
 * it a signal by a call of the program, and the first one goes on.  Whatever
 * the instruction, the handler must run, no register may change, and a call
 * that would sleep must end.  Two stretches are gone through:
 *
 *   the way back to the program, where the library looks for signals and then
 *   loads the program's registers;
 *   a call that sleeps, from its first instruction to the sleep.
 *
 * The second thread may have to wait for a lock that the first one holds; then
 * the first one goes on without its signal, which comes later.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S   60
#define STEPS_MAX    5000
#define WAY_BACK_MAX 64
#define MODE_SHORT   0
#define MODE_SLEEP   1
#define MODE_END     2
#define BREAKPOINT   0xcc
#define SYSCALL      0x050f
#define SIG_LIBRARY  SIGURG /* by which the library interrupts a thread */

static pid_t first, second;
static int memory;
static time_t deadline;

static uint64_t way_back, way_back_end, reflect_entry;
static uint64_t mode, ready, turn, calls, go, sent, handled;
static uint64_t wrong, not_interrupted;
static uint32_t n_turns, n_signals;
static int n_results, n_failed;

static void fail(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    kill(first, SIGKILL);
    exit(EXIT_FAILURE);
}

static void result(bool good, const char *name)
{
    n_failed += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", ++n_results, name);
}

static time_t now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

/* Address of a symbol of a static image. */
static uint64_t symbol(const char *path, const char *name)
{
    const Elf64_Shdr *section, *strings;
    const Elf64_Sym *sym;
    const uint8_t *image;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t i, n;
    int s;

    if (fd < 0 || fstat(fd, &st) < 0) {
        fail(path);
    }
    image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    section = (const void *)(image + ((const Elf64_Ehdr *)image)->e_shoff);
    strings = section;
    for (s = 0; s < ((const Elf64_Ehdr *)image)->e_shnum; s++, section++) {
        if (section->sh_type != SHT_SYMTAB) {
            continue;
        }
        sym = (const void *)(image + section->sh_offset);
        n = section->sh_size / sizeof(*sym);
        for (i = 0; i < n; i++) {
            if (!strcmp((const char *)image +
                            strings[section->sh_link].sh_offset +
                            sym[i].st_name,
                        name)) {
                return sym[i].st_value;
            }
        }
    }
    fail(name);
    return 0;
}

static uint32_t peek(uint64_t addr)
{
    uint32_t value;

    if (pread(memory, &value, sizeof(value), addr) != sizeof(value)) {
        fail("reading the program");
    }
    return value;
}

static void poke(uint64_t addr, const void *value, size_t len_bytes)
{
    if (pwrite(memory, value, len_bytes, addr) != (ssize_t)len_bytes) {
        fail("writing the program");
    }
}

static void set(uint64_t addr, uint32_t value)
{
    poke(addr, &value, sizeof(value));
}

static struct user_regs_struct regs_of(pid_t tid)
{
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0) {
        fail("PTRACE_GETREGS");
    }
    return regs;
}

static void resume(pid_t tid, int how, int sig)
{
    if (ptrace(how, tid, NULL, (void *)(long)sig) < 0) {
        fail("resuming");
    }
}

/* The second thread goes on whatever stops it. */
static void serve_second(void)
{
    int status, sig;

    while (second && waitpid(second, &status, __WALL | WNOHANG) == second) {
        if (!WIFSTOPPED(status)) {
            return; /* with the process: the first one says so */
        }
        sig = WSTOPSIG(status);
        resume(second, PTRACE_CONT, sig == SIGSTOP ? 0 : sig);
    }
}

static void patience(const char *what)
{
    struct timespec nap = { 0, 20000 };

    if (now_s() > deadline) {
        errno = ETIMEDOUT;
        fail(what);
    }
    nanosleep(&nap, NULL);
}

/* The signal that the first thread stopped for, 0 if it runs. */
static int look_first(void)
{
    unsigned long tid;
    int status;
    pid_t got;

    serve_second();
    got = waitpid(first, &status, __WALL | WNOHANG);
    if (got < 0 || (got == first && !WIFSTOPPED(status))) {
        fail("the program has ended");
    }
    if (got != first) {
        return 0;
    }
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_CLONE << 8)) {
        if (ptrace(PTRACE_GETEVENTMSG, first, NULL, &tid) < 0) {
            fail("PTRACE_GETEVENTMSG");
        }
        second = tid;
        resume(first, PTRACE_CONT, 0);
        return 0;
    }
    return WSTOPSIG(status);
}

static int wait_first(const char *what)
{
    int sig;

    while (!(sig = look_first())) {
        patience(what);
    }
    return sig;
}

/* The first thread has its turn, and stops at an address on its way. */
static void run_to(uint64_t addr)
{
    uint8_t trap = BREAKPOINT, code;
    struct user_regs_struct regs;
    int sig;

    if (pread(memory, &code, 1, addr) != 1) {
        fail("reading the library");
    }
    poke(addr, &trap, 1);
    set(turn, ++n_turns);
    for (;;) {
        sig = wait_first("an instruction is not reached");
        regs = regs_of(first);
        if (sig == SIGTRAP && regs.rip == addr + 1) {
            break;
        }
        resume(first, PTRACE_CONT, sig);
    }
    poke(addr, &code, 1);
    regs.rip = addr;
    if (ptrace(PTRACE_SETREGS, first, NULL, &regs) < 0) {
        fail("PTRACE_SETREGS");
    }
}

static void step(void)
{
    resume(first, PTRACE_SINGLESTEP, 0);
    if (wait_first("a step does not end") != SIGTRAP) {
        fail("a signal between two steps");
    }
}

static char state_of(pid_t tid)
{
    char path[64], text[256] = "", *end;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", first, tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    end = n > 0 ? strrchr(text, ')') : NULL;
    return end ? end[2] : '?';
}

/*
 * The second thread sends a signal while the first one stands still; unless it
 * has to wait for a lock that the first one holds.
 */
static void send_signal(void)
{
    int asleep = 0;

    set(go, ++n_signals);
    while (peek(sent) != n_signals && asleep <= 3) {
        serve_second();
        asleep = state_of(second) == 'S' ? asleep + 1 : 0;
        patience("the second thread does not send");
    }
}

/* The first thread ends its call; where the interrupt found it, or 0. */
static uint64_t end_call(void)
{
    uint64_t found = 0;
    int sig;

    resume(first, PTRACE_CONT, 0);
    while (peek(calls) != n_turns || peek(handled) != n_signals ||
           peek(sent) != n_signals) {
        sig = look_first();
        if (!sig) {
            patience("a signal is lost");
            continue;
        }
        if (sig == SIG_LIBRARY && !found) {
            found = regs_of(first).rip;
        }
        resume(first, PTRACE_CONT, sig);
    }
    return found;
}

/* The instructions of the way back, then a signal at each of them. */
static void test_way_back(void)
{
    uint64_t at[WAY_BACK_MAX], rip = way_back;
    unsigned count = 0, exact = 0, i;

    run_to(way_back);
    while (rip >= way_back && rip < way_back_end && count < WAY_BACK_MAX) {
        at[count++] = rip;
        step();
        rip = regs_of(first).rip;
    }
    end_call();
    for (i = 0; i < count; i++) {
        run_to(at[i]);
        send_signal();
        exact += end_call() == at[i];
    }
    printf("# the way back: %u instructions, %u interrupted\n", count, exact);
    result(count > 10 && exact == count,
           "an interrupt at each instruction of the way back");
    result(peek(wrong) == 0, "every register is as it was");
}

/* Is it about to sleep? */
static bool at_sleep(void)
{
    struct user_regs_struct regs = regs_of(first);

    return (peek(regs.rip) & 0xffff) == SYSCALL && regs.rax == SYS_futex;
}

static void test_sleep(void)
{
    unsigned count = 0, i, k;

    set(mode, MODE_SLEEP);
    run_to(reflect_entry);
    while (!at_sleep() && count < STEPS_MAX) {
        step();
        count++;
    }
    send_signal();
    end_call();
    for (i = 0; i < count; i++) {
        run_to(reflect_entry);
        for (k = 0; k < i; k++) {
            step();
        }
        send_signal();
        end_call();
    }
    printf("# a call that sleeps: %u instructions\n", count);
    result(count > 100 && count < STEPS_MAX && !peek(not_interrupted),
           "a signal at each instruction of a call that sleeps ends it");
    result(peek(wrong) == 0, "and again every register is as it was");
}

static void find_symbols(const char *runner, const char *program)
{
    way_back = symbol(runner, "return_to_program");
    way_back_end = symbol(runner, "return_to_program_end");
    reflect_entry = symbol(runner, "reflect_entry");
    mode = symbol(program, "step_mode");
    ready = symbol(program, "step_ready");
    turn = symbol(program, "step_turn");
    calls = symbol(program, "step_calls");
    go = symbol(program, "step_go");
    sent = symbol(program, "step_sent");
    handled = symbol(program, "step_handled");
    wrong = symbol(program, "step_wrong");
    not_interrupted = symbol(program, "step_not_interrupted");
}

/* Trace it from its first instruction on, until both threads are there. */
static void start(char *runner, char *program)
{
    char path[64];
    int sig;

    first = fork();
    if (first == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        execl(runner, runner, program, NULL);
        _exit(127);
    }
    deadline = now_s() + PATIENCE_S;
    wait_first("the program does not start");
    if (ptrace(PTRACE_SETOPTIONS, first, NULL,
               (void *)(PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)) < 0) {
        fail("PTRACE_SETOPTIONS");
    }
    snprintf(path, sizeof(path), "/proc/%d/mem", first);
    memory = open(path, O_RDWR | O_CLOEXEC);
    resume(first, PTRACE_CONT, 0);
    while (!second || pread(memory, &(uint32_t){ 0 }, 4, ready) != 4 ||
           !peek(ready)) {
        sig = look_first();
        if (sig) {
            resume(first, PTRACE_CONT, sig);
        } else {
            patience("the program does not begin");
        }
    }
}

static void end(void)
{
    int status;
    pid_t got;

    set(mode, MODE_END);
    set(turn, ++n_turns);
    for (;;) {
        got = waitpid(-1, &status, __WALL | WNOHANG);
        if (got <= 0) {
            patience("the program does not end");
        } else if (WIFSTOPPED(status)) {
            resume(got, PTRACE_CONT, WSTOPSIG(status));
        } else if (got == first) {
            break;
        }
    }
    result(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the program ends");
}

int main(int argc, char *argv[])
{
    if (argc != 3) {
        fprintf(stderr, "usage: step SLUICE-LINUX PROGRAM\n");
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    find_symbols(argv[1], argv[2]);
    start(argv[1], argv[2]);
    test_way_back();
    test_sleep();
    end();
    printf("1..%d\n", n_results);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
