/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upcall.c - faults and interrupts of a thread, handed to its library
 *
 * abi/guest-syscall.h, "Upcalls", says what the library sees.  Everything is
 * written to user memory by copies that may be refused; a thread whose block
 * or stack cannot take an upcall ends its process.
 *
 * thread_interrupt() on a thread in library text is not an upcall: the library
 * looks at ublock->pending on its way out.  If it had already looked, the
 * thread is back in program text very soon; therefore the mark stays on the
 * thread, and the timer looks again (time.c), until pending is 0 or the thread
 * is met in program text.
 */
#include "kernel.h"

#define LEVEL_PROGRAM     0
#define LEVEL_LIBRARY     1
#define LIBRARY_RED_BYTES 512
#define CONTEXT_1_USED    (1u << LEVEL_LIBRARY)
#define SIGNAL_ILL        4
#define SIGNAL_TRAP       5
#define SIGNAL_BUS        7
#define SIGNAL_FPE        8
#define SIGNAL_SEGV       11

static const uint8_t signals[32] = {
    [0] = SIGNAL_FPE,  [1] = SIGNAL_TRAP, [3] = SIGNAL_TRAP, [6] = SIGNAL_ILL,
    [16] = SIGNAL_FPE, [17] = SIGNAL_BUS, [19] = SIGNAL_FPE,
};

static bool in_library(const struct trap_frame *frame)
{
    const struct process *process = current->process;

    return frame->rip >= process->text_lo && frame->rip < process->text_hi;
}

static void kill_for_fault(const struct trap_frame *frame, uint64_t cr2,
                           const char *why)
{
    uint8_t signal =
        frame->vector < N_ELEMENTS(signals) ? signals[frame->vector] : 0;

    if (signal == 0) {
        signal = SIGNAL_SEGV;
    }
    log_line("process %u thread %u: exception %lu error %lx at %lx, address "
             "%lx, stack %lx: %s",
             current->process->number, current->tid, frame->vector,
             frame->error, frame->rip, cr2, frame->rsp, why);
    process_kill(current->process, signal | CKPT_EXIT_SIGNALLED);
}

static void fill_context(struct sys_context *context,
                         const struct trap_frame *frame)
{
    context->rax = frame->rax;
    context->rbx = frame->rbx;
    context->rcx = frame->rcx;
    context->rdx = frame->rdx;
    context->rsi = frame->rsi;
    context->rdi = frame->rdi;
    context->rbp = frame->rbp;
    context->rsp = frame->rsp;
    context->r8 = frame->r8;
    context->r9 = frame->r9;
    context->r10 = frame->r10;
    context->r11 = frame->r11;
    context->r12 = frame->r12;
    context->r13 = frame->r13;
    context->r14 = frame->r14;
    context->r15 = frame->r15;
    context->rip = frame->rip;
    context->rflags = frame->rflags;
    context->fs_base = rdfsbase();
    context->gs_base = rdgsbase();
}

/* Save all to context[level] and xsave[level]: 0 or -EFAULT. */
static int save_state(const struct trap_frame *frame, unsigned int level,
                      uint64_t vector, uint64_t cr2, uint64_t xsave_addr)
{
    struct sys_context context = { 0 };
    uint64_t to = current->ublock + offsetof(struct sys_ublock, context[level]);

    fill_context(&context, frame);
    context.vector = vector;
    context.error = frame->error;
    context.cr2 = cr2;
    if (xsave_addr != 0 && xsave_addr % 64 == 0 &&
        user_range_ok(xsave_addr, cpu_xsave_bytes)) {
        if (user_xsave((void *)xsave_addr, cpu_xsave_mask) != 0) {
            return -EFAULT;
        }
        context.xsave = xsave_addr;
    }
    return copy_to_user(to, &context, sizeof(context));
}

static int deliver(struct trap_frame *frame, unsigned int level,
                   uint64_t vector, uint64_t cr2)
{
    struct sys_ublock *ublock = thread_ublock(current);
    struct sys_ublock head;

    if (ublock == NULL || current->process->upcall_entry == 0 ||
        copy_from_user(&head, current->ublock,
                       offsetof(struct sys_ublock, context)) != 0 ||
        (level == LEVEL_LIBRARY && (head.context_used & CONTEXT_1_USED)) ||
        save_state(frame, level, vector, cr2, head.xsave[level]) != 0) {
        return -EFAULT;
    }
    if (level == LEVEL_LIBRARY) {
        __atomic_fetch_or(&ublock->context_used, CONTEXT_1_USED,
                          __ATOMIC_RELAXED);
    }
    wrgsbase(current->library_gs);
    frame->rsp = level == LEVEL_LIBRARY
                     ? ALIGN_DOWN(frame->rsp - LIBRARY_RED_BYTES, 16)
                     : head.stack_top;
    frame->rdi = level;
    frame->rip = current->process->upcall_entry;
    frame->rflags = RFLAGS_FIXED | RFLAGS_IF;
    frame->vector = VECTOR_NONE;
    return 0;
}

/**
 * upcall_fault - a fault that user code has to deal with itself
 * @frame: of the running thread; changed to enter its library
 * @cr2: address of a page fault
 */
void upcall_fault(struct trap_frame *frame, uint64_t cr2)
{
    unsigned int level = in_library(frame) ? LEVEL_LIBRARY : LEVEL_PROGRAM;

    if (current->process->upcall_entry == 0) {
        kill_for_fault(frame, cr2, "no handler");
    } else if (deliver(frame, level, frame->vector, cr2) != 0) {
        kill_for_fault(frame, cr2, "the handler cannot be called");
    }
}

/**
 * upcall_interrupt - the running thread was interrupted: tell it if possible
 * @frame: of the running thread; changed to enter its library
 */
void upcall_interrupt(struct trap_frame *frame)
{
    struct sys_ublock *ublock = thread_ublock(current);

    if (ublock == NULL || ublock->pending == 0 ||
        current->process->upcall_entry == 0) {
        current->interrupted = false;
    } else if (!in_library(frame)) {
        current->interrupted = false;
        if (deliver(frame, LEVEL_PROGRAM, SYS_VECTOR_INTERRUPT, 0) != 0) {
            kill_for_fault(frame, 0, "the handler cannot be called");
        }
    }
}

static bool is_canonical(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

static void load_context(struct trap_frame *frame,
                         const struct sys_context *context)
{
    frame->rax = context->rax;
    frame->rbx = context->rbx;
    frame->rcx = context->rcx;
    frame->rdx = context->rdx;
    frame->rsi = context->rsi;
    frame->rdi = context->rdi;
    frame->rbp = context->rbp;
    frame->rsp = context->rsp;
    frame->r8 = context->r8;
    frame->r9 = context->r9;
    frame->r10 = context->r10;
    frame->r11 = context->r11;
    frame->r12 = context->r12;
    frame->r13 = context->r13;
    frame->r14 = context->r14;
    frame->r15 = context->r15;
    frame->rip = context->rip;
    frame->rflags = (context->rflags & RFLAGS_USER) | RFLAGS_FIXED | RFLAGS_IF;
    frame->vector = VECTOR_NONE;
}

/**
 * upcall_resume - load a whole context into the running thread
 * @frame: of the running thread
 * @context_addr: user address of a struct sys_context
 *
 * Return: 0, or -EFAULT, -EINVAL with the frame untouched.
 */
int upcall_resume(struct trap_frame *frame, uint64_t context_addr)
{
    struct sys_ublock *ublock = thread_ublock(current);
    struct sys_context context;

    if (copy_from_user(&context, context_addr, sizeof(context)) != 0) {
        return -EFAULT;
    }
    if (context.rip >= LIBRARY_END || !is_canonical(context.fs_base) ||
        !is_canonical(context.gs_base) || context.xsave % 64 != 0) {
        return -EINVAL;
    }
    if (context.xsave != 0 &&
        (!user_range_ok(context.xsave, cpu_xsave_bytes) ||
         user_xrstor((const void *)context.xsave, cpu_xsave_mask) != 0)) {
        return -EFAULT;
    }
    if (ublock != NULL && ublock->pending != 0) {
        current->interrupted = true; /* what came since: an upcall there */
    }
    wrfsbase(context.fs_base);
    wrgsbase(context.gs_base);
    load_context(frame, &context);
    return 0;
}
