/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trap.c - exceptions and interrupts
 *
 * From user code an exception becomes a page (vm.c), an upcall (upcall.c) or
 * the end of the process.  In the kernel only the few instructions that touch
 * user memory may fault: those of the table of fixups in entry.S.
 */
#include "kernel.h"

_Static_assert(offsetof(struct trap_frame, vector) == FRAME_VECTOR, "entry.S");
_Static_assert(offsetof(struct trap_frame, rip) == FRAME_RIP, "entry.S");
_Static_assert(offsetof(struct trap_frame, cs) == FRAME_CS, "entry.S");
_Static_assert(offsetof(struct trap_frame, rsp) == FRAME_RSP, "entry.S");
_Static_assert(sizeof(struct trap_frame) % 16 == 0, "stack alignment");

#define VECTOR_NMI           2
#define VECTOR_DOUBLE_FAULT  8
#define VECTOR_PAGE_FAULT    14
#define VECTOR_MACHINE_CHECK 18
#define N_EXCEPTIONS         32

struct fixup {
    uint64_t at;
    uint64_t go_on;
};

extern const struct fixup fixups_start[], fixups_end[];

static const struct fixup *find_fixup(uint64_t rip)
{
    const struct fixup *fixup;

    for (fixup = fixups_start; fixup < fixups_end; fixup++) {
        if (fixup->at == rip) {
            return fixup;
        }
    }
    return NULL;
}

static bool is_fatal(uint64_t vector)
{
    return vector == VECTOR_NMI || vector == VECTOR_DOUBLE_FAULT ||
           vector == VECTOR_MACHINE_CHECK;
}

/*
 * Memory is taken at the first touch, so that is where it ends: nothing in the
 * process could go on without it, and the process is killed.
 */
static int page_fault(const struct trap_frame *frame, uint64_t cr2)
{
    int result = vm_fault(&current->process->vm, cr2, frame->error);

    if (result == -ENOMEM) {
        process_out_of_memory(current->process);
    }
    return result;
}

static void kernel_exception(struct trap_frame *frame, uint64_t cr2)
{
    const struct fixup *fixup = find_fixup(frame->rip);

    if (fixup == NULL || is_fatal(frame->vector)) {
        panic_frame(frame, "exception in the kernel");
    }
    if (frame->vector == VECTOR_PAGE_FAULT && cr2 < LIBRARY_END &&
        page_fault(frame, cr2) == 0) {
        return;
    }
    frame->rip = fixup->go_on;
}

static void user_exception(struct trap_frame *frame, uint64_t cr2)
{
    if (is_fatal(frame->vector)) {
        panic_frame(frame, "exception of the machine");
    }
    if (frame->vector == VECTOR_PAGE_FAULT &&
        page_fault(frame, cr2) != -EFAULT) {
        return;
    }
    upcall_fault(frame, cr2);
}

static void interrupt(struct trap_frame *frame)
{
    wallclock_look(
        time_now_ns()); /* first: an idle guest may have slept long */
    sched_set_urgent(true);
    switch (frame->vector) {
    case VECTOR_NIC:
        apic_end_of_interrupt();
        nic_interrupt();
        break;
    case VECTOR_TIMER:
        apic_end_of_interrupt();
        time_interrupt();
        break;
    case VECTOR_SPURIOUS:
        break;
    default:
        panic_frame(frame, "unknown interrupt");
    }
    sched_set_urgent(false);
}

/**
 * trap_before_user - what is due before user code goes on
 * @frame: that of the running thread
 *
 * Context: may block.
 */
void trap_before_user(struct trap_frame *frame)
{
    sched_before_return();
    thread_load_user(current);
    if (current->interrupted) {
        upcall_interrupt(frame);
    }
    if (current->process->dying) {
        sched_exit();
    }
    time_arm();
}

/**
 * trap_dispatch - every vector but SYSCALL ends here
 * @frame: the registers
 */
void trap_dispatch(struct trap_frame *frame)
{
    uint64_t cr2 = frame->vector == VECTOR_PAGE_FAULT ? read_cr2() : 0;

    if (frame->vector >= N_EXCEPTIONS) {
        interrupt(frame);
    } else if (frame_is_user(frame)) {
        user_exception(frame, cr2);
    } else {
        kernel_exception(frame, cr2);
    }
    if (frame_is_user(frame)) {
        trap_before_user(frame);
    }
}
