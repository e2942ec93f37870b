/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * panic.c - the last report
 *
 * Registers and a backtrace with names go to the host by CKPT_CMD_PANIC, which
 * shows them at once and ends QEMU with a status of its own.  The names come
 * from a table that the build makes of the first link (see rules.mk).
 */
#include "kernel.h"

#include <stdarg.h>

#define BACKTRACE_MAX 24

/* One function: its address and where its name begins in symbol_names. */
struct symbol {
    uint64_t start;
    uint64_t name_offset;
};

extern const struct symbol symbols[];
extern const uint64_t n_symbols;
extern const char symbol_names[];
extern char image_start[], text_end[];

static char report[CKPT_LOG_MAX] __attribute__((aligned(PAGE_BYTES))) BULKY;
static size_t report_used;

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void add(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report_used += format_va(report + report_used, sizeof(report) - report_used,
                             format, args);
    va_end(args);
}

static bool is_text(uint64_t addr)
{
    return addr >= (uint64_t)image_start && addr < (uint64_t)text_end;
}

static void add_place(uint64_t addr)
{
    const struct symbol *found = NULL;
    uint64_t i;

    for (i = 0; i < n_symbols && symbols[i].start <= addr; i++) {
        found = &symbols[i];
    }
    if (found == NULL || !is_text(addr)) {
        add("  %p\n", (void *)addr);
        return;
    }
    add("  %p %s+0x%lx\n", (void *)addr, symbol_names + found->name_offset,
        addr - found->start);
}

/* Kernel stacks grow down, so each saved RBP must be above the one before. */
static void add_backtrace(uint64_t rip, uint64_t rbp, uint64_t rsp)
{
    unsigned int depth;

    add("backtrace:\n");
    add_place(rip);
    for (depth = 0; depth < BACKTRACE_MAX; depth++) {
        const uint64_t *frame = (const uint64_t *)rbp;

        if (rbp < rsp || rbp - rsp >= KSTACK_BYTES || rbp % 8 != 0 ||
            !is_text(frame[1])) {
            break;
        }
        add_place(frame[1]);
        rsp = rbp + 2 * sizeof(uint64_t);
        rbp = frame[0];
    }
}

static void add_thread(void)
{
    if (current != NULL && current->process != NULL) {
        add("running: process %u thread %u\n", current->process->number,
            current->tid);
    } else {
        add("running: %s\n", current == NULL ? "boot" : "idle");
    }
}

static void send_and_halt(void) __attribute__((noreturn));

static void send_and_halt(void)
{
    log_flush();
    nic_command(CKPT_CMD_PANIC, report, (uint32_t)report_used);
    halt_forever();
}

/**
 * panic - something of ours is broken: report it and stop
 * @format: as printf: what
 */
void panic(const char *format, ...)
{
    uint64_t rsp;
    va_list args;

    if (report_used != 0) {
        halt_forever(); /* a panic in a panic: no second report */
    }
    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    add("kernel panic: ");
    va_start(args, format);
    report_used += format_va(report + report_used, sizeof(report) - report_used,
                             format, args);
    va_end(args);
    add("\n");
    add_thread();
    add_backtrace((uint64_t)__builtin_return_address(0),
                  *(const uint64_t *)__builtin_frame_address(0), rsp);
    send_and_halt();
}

/**
 * panic_frame - an exception that may not be
 * @frame: the registers
 * @what: a word on it
 */
void panic_frame(const struct trap_frame *frame, const char *what)
{
    if (report_used != 0) {
        halt_forever();
    }
    add("kernel panic: %s: vector %lu error %lx\n", what, frame->vector,
        frame->error);
    add_thread();
    add("rip %016lx rsp %016lx rflags %lx cs %lx\n", frame->rip, frame->rsp,
        frame->rflags, frame->cs);
    add("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", frame->rax, frame->rbx,
        frame->rcx, frame->rdx);
    add("rsi %016lx rdi %016lx rbp %016lx cr2 %016lx\n", frame->rsi, frame->rdi,
        frame->rbp, read_cr2());
    add("r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", frame->r8, frame->r9,
        frame->r10, frame->r11);
    add("r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", frame->r12, frame->r13,
        frame->r14, frame->r15);
    add_backtrace(frame->rip, frame->rbp, frame->rsp);
    send_and_halt();
}
