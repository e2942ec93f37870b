/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.c - threads, and whose user registers the CPU holds
 *
 * At most one thread owns the CPU's user state: page tables, FS and GS base,
 * extended registers and what struct cpu caches.  A switch to the idle thread
 * leaves all that in place, so a thread that waits and goes on alone costs
 * nothing of it.
 */
#include "kernel.h"

_Static_assert(offsetof(struct cpu, user_rsp) == CPU_USER_RSP, "entry.S");
_Static_assert(offsetof(struct cpu, kstack_top) == CPU_KSTACK_TOP, "entry.S");
_Static_assert(offsetof(struct cpu, ublock_direct) == CPU_UBLOCK, "entry.S");
_Static_assert(offsetof(struct cpu, reflect_entry) == CPU_REFLECT, "entry.S");
_Static_assert(offsetof(struct cpu, text_lo) == CPU_TEXT_LO, "entry.S");
_Static_assert(offsetof(struct cpu, text_hi) == CPU_TEXT_HI, "entry.S");
_Static_assert(offsetof(struct cpu, smap) == CPU_SMAP, "entry.S");
_Static_assert(offsetof(struct sys_ublock, app_rip) == 0, "entry.S");
_Static_assert(offsetof(struct sys_ublock, app_rflags) == 8, "entry.S");

#define TID_MAX 4194304u

/* As XSAVE has it; what lies between is 0 in a new thread. */
struct xsave_head {
    uint16_t fcw;
    uint8_t unused[22];
    uint32_t mxcsr;
    uint8_t registers[484];
    uint64_t present; /* XSTATE_BV */
};

_Static_assert(offsetof(struct xsave_head, mxcsr) == 24, "XSAVE");
_Static_assert(offsetof(struct xsave_head, present) == 512, "XSAVE");

#define FCW_START   0x37fu  /* all exceptions masked */
#define MXCSR_START 0x1f80u /* likewise */
#define XSAVE_X87   1u

struct cpu cpu;
struct thread *current;

static struct thread *user_owner;
static struct slab thread_slab;
static struct slab xsave_slab;
static uint16_t free_slots[KSTACK_SLOTS] BULKY;
static uint32_t n_free_slots;
static uint32_t n_mapped_slots; /* slots below have their pages for ever */

/**
 * thread_init - prepare for the first thread
 *
 * Context: after cpu_init(), which knows the size of the extended state.
 */
void thread_init(void)
{
    slab_init(&thread_slab, sizeof(struct thread));
    slab_init(&xsave_slab, cpu_xsave_bytes);
}

/*
 * A kernel stack, last freed first used.  Its lowest page is not mapped, so
 * that an overflow is a double fault and not a silent write.
 */
static int slot_alloc(uint32_t *ret_slot)
{
    uint64_t base = KSTACK_BASE + (uint64_t)n_mapped_slots * KSTACK_SLOT;
    uint64_t at, paddr;
    uint64_t *entry;

    if (n_free_slots > 0) {
        *ret_slot = free_slots[--n_free_slots];
        return 0;
    }
    if (n_mapped_slots == KSTACK_SLOTS) {
        return -ENOMEM;
    }
    for (at = base + PAGE_BYTES; at < base + PAGE_BYTES + KSTACK_BYTES;
         at += PAGE_BYTES) {
        entry = pt_entry(pt_kernel_root, at);
        if (entry != NULL && *entry != 0) {
            continue; /* of a try that failed */
        }
        paddr = pmem_alloc();
        if (paddr == 0) {
            return -ENOMEM;
        }
        if (pt_map_kernel(at, paddr, PTE_W | PTE_NX) != 0) {
            pmem_free(paddr);
            return -ENOMEM;
        }
    }
    *ret_slot = n_mapped_slots++;
    return 0;
}

static struct thread *thread_alloc(void)
{
    struct thread *thread = slab_alloc_zero(&thread_slab);

    if (thread == NULL) {
        return NULL;
    }
    if (slot_alloc(&thread->kstack_slot) != 0) {
        slab_free(&thread_slab, thread);
        return NULL;
    }
    list_init(&thread->queue);
    list_init(&thread->timed);
    list_init(&thread->sibling);
    thread->state = THREAD_RUNNABLE;
    thread->kstack_top = KSTACK_BASE +
                         (uint64_t)thread->kstack_slot * KSTACK_SLOT +
                         PAGE_BYTES + KSTACK_BYTES;
    return thread;
}

/* Let thread_switch() to a new thread return to @entry with RSP = @sp. */
static void prepare_switch(struct thread *thread, uint64_t sp,
                           void (*entry)(void))
{
    uint64_t *frame = (uint64_t *)sp;

    *--frame = (uint64_t)entry;
    frame -= 6; /* RBX RBP R12..R15 of thread_switch() */
    memset(frame, 0, 6 * sizeof(*frame));
    thread->ksp = (uint64_t)frame;
}

/**
 * thread_new_idle - make the thread that runs when no other can
 * @entry: what it runs; never returns
 *
 * Return: the thread.
 */
struct thread *thread_new_idle(void (*entry)(void))
{
    struct thread *thread = thread_alloc();

    KASSERT(thread != NULL);
    prepare_switch(thread, thread->kstack_top - 8, entry);
    return thread;
}

/* Numbers come round again after four million, as on Linux. */
static uint32_t new_tid(struct process *process)
{
    do {
        process->last_tid = process->last_tid % TID_MAX + 1;
    } while (thread_find(process, process->last_tid) != NULL);
    return process->last_tid;
}

/*
 * The extended state of a new thread: all at its start but how to compute,
 * which it inherits from the thread that made it.
 */
static void init_registers(struct xsave_head *head, bool inherit)
{
    head->fcw = FCW_START;
    head->mxcsr = MXCSR_START;
    if (inherit) {
        head->fcw = fnstcw();
        head->mxcsr = stmxcsr();
    }
    head->present = XSAVE_X87; /* or FCW would not be loaded */
}

/* What a thread takes, for its process's quota. */
static uint64_t thread_bytes(void)
{
    return sizeof(struct thread) + KSTACK_BYTES + cpu_xsave_bytes;
}

static struct thread *alloc_with_registers(void)
{
    struct thread *thread = thread_alloc();

    if (thread == NULL) {
        return NULL;
    }
    thread->xsave = slab_alloc_zero(&xsave_slab);
    if (thread->xsave == NULL) {
        free_slots[n_free_slots++] = thread->kstack_slot;
        slab_free(&thread_slab, thread);
        return NULL;
    }
    return thread;
}

/**
 * thread_create - make a thread of a process, ready to run
 * @process: the process
 * @spec: where and with what it starts, already checked
 * @ret_thread: gets the thread, may be NULL
 *
 * Return: its number, -ENOMEM, or -EAGAIN: the process has too many.
 */
int thread_create(struct process *process, const struct sys_thread *spec,
                  struct thread **ret_thread)
{
    struct thread *thread;
    struct trap_frame *frame;

    if (process->n_threads >= quota_threads()) {
        return -EAGAIN;
    }
    if (!quota_take(&process->vm.quota, thread_bytes())) {
        return -ENOMEM;
    }
    thread = alloc_with_registers();
    if (thread == NULL) {
        quota_add(&process->vm.quota, -(int64_t)thread_bytes());
        return -ENOMEM;
    }
    init_registers(thread->xsave, current != NULL && current->process != NULL);
    thread->process = process;
    thread->tid = new_tid(process);
    thread->fs_base = spec->fs_base;
    thread->gs_base = spec->gs_base;
    thread->library_gs = spec->gs_base;
    thread->ublock = spec->ublock;
    frame = thread_frame(thread);
    memset(frame, 0, sizeof(*frame));
    frame->rdi = spec->arg;
    frame->vector = VECTOR_NONE;
    frame->rip = spec->rip;
    frame->cs = SEL_UCODE;
    frame->rflags = RFLAGS_FIXED | RFLAGS_IF;
    frame->rsp = spec->rsp;
    frame->ss = SEL_UDATA;
    prepare_switch(thread, (uint64_t)frame, thread_begin);
    list_add_before(&process->threads, &thread->sibling);
    process->n_threads++;
    if (process->line_unread) {
        thread_interrupt(thread, SYS_PENDING_MAILBOX);
    }
    sched_ready(thread);
    if (ret_thread != NULL) {
        *ret_thread = thread;
    }
    return (int)thread->tid;
}

/**
 * thread_destroy - free a thread
 * @thread: on no queue, and not on its own kernel stack
 */
void thread_destroy(struct thread *thread)
{
    KASSERT(thread != current);
    if (user_owner == thread) {
        user_owner = NULL;
    }
    thread->process->cpu_ns += thread->cpu_ns;
    thread->process->n_threads--;
    quota_add(&thread->process->vm.quota, -(int64_t)thread_bytes());
    list_remove(&thread->sibling);
    free_slots[n_free_slots++] = thread->kstack_slot;
    slab_free(&xsave_slab, thread->xsave);
    slab_free(&thread_slab, thread);
}

/**
 * thread_frame - the frame by which a thread entered the kernel
 * @thread: the thread
 *
 * Return: the frame, at the top of its kernel stack.
 */
struct trap_frame *thread_frame(struct thread *thread)
{
    return (struct trap_frame *)thread->kstack_top - 1;
}

/**
 * thread_find - a thread by its number
 * @process: the process
 * @tid: the number
 *
 * Return: the thread or NULL.
 */
struct thread *thread_find(struct process *process, uint32_t tid)
{
    struct list *node;

    for (node = process->threads.next; node != &process->threads;
         node = node->next) {
        struct thread *thread = CONTAINER_OF(node, struct thread, sibling);

        if (thread->tid == tid) {
            return thread;
        }
    }
    return NULL;
}

/*
 * With XSAVEOPT only what the thread has changed since it was loaded is
 * written: a thread that was woken for a packet mostly has changed nothing.
 */
static void save_registers(void)
{
    if (user_owner == NULL) {
        return;
    }
    user_owner->fs_base = rdfsbase();
    user_owner->gs_base = rdgsbase();
    if (cpu_has_xsaveopt) {
        xsaveopt(user_owner->xsave, cpu_xsave_mask);
    } else {
        xsave(user_owner->xsave, cpu_xsave_mask);
    }
    user_owner = NULL;
}

/**
 * thread_save_user - put the CPU's user state away, to its owner
 *
 * Afterwards no thread owns it, and the kernel's own page tables are in use.
 */
void thread_save_user(void)
{
    save_registers();
    write_cr3(pt_kernel_root);
}

/**
 * thread_sync_cpu - refresh what entry.S reads of a thread
 * @thread: the thread; nothing happens unless it owns the user state
 */
void thread_sync_cpu(struct thread *thread)
{
    const struct process *process = thread->process;

    if (user_owner != thread) {
        return;
    }
    cpu.ublock_direct =
        process->reflect_entry != 0 ? (uint64_t)thread->ublock_direct : 0;
    cpu.reflect_entry = process->reflect_entry;
    cpu.text_lo = process->text_lo;
    cpu.text_hi = process->text_hi;
}

/**
 * thread_load_user - make a thread the owner of the CPU's user state
 * @thread: the thread, about to run
 */
void thread_load_user(struct thread *thread)
{
    if (user_owner == thread) {
        return;
    }
    save_registers();
    if (read_cr3() != thread->process->vm.root) {
        write_cr3(thread->process->vm.root);
    }
    wrfsbase(thread->fs_base);
    wrgsbase(thread->gs_base);
    xrstor(thread->xsave, cpu_xsave_mask);
    user_owner = thread;
    cpu.kstack_top = thread->kstack_top;
    cpu_set_kstack(thread->kstack_top);
    thread_sync_cpu(thread);
}

/**
 * thread_ublock - a thread's block, for the kernel
 * @thread: the thread
 *
 * Return: its direct address, or NULL if there is none or its memory is gone.
 */
struct sys_ublock *thread_ublock(struct thread *thread)
{
    if (thread->ublock_direct == NULL && thread->ublock != 0) {
        thread->ublock_direct = vm_pin(&thread->process->vm, thread->ublock);
        thread_sync_cpu(thread);
    }
    return thread->ublock_direct;
}

/**
 * thread_interrupt - make a thread look up from what it does
 * @thread: the thread
 * @bits: set in its ublock->pending
 *
 * A wait ends with -EINTR.  In program text the thread gets an upcall before
 * it runs on; in library text it is the library that looks at pending.
 */
void thread_interrupt(struct thread *thread, uint32_t bits)
{
    struct sys_ublock *ublock = thread_ublock(thread);

    if (ublock != NULL) {
        __atomic_fetch_or(&ublock->pending, bits, __ATOMIC_RELAXED);
    }
    thread->interrupted = true;
    if (thread->state == THREAD_WAITING) {
        thread->interrupted = false;
        wait_finish(thread, -EINTR);
    }
}
