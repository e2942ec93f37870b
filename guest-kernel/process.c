/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process.c - address spaces with threads in them
 *
 * A process ends when its last thread is gone.  To kill one means to mark it
 * dying and to destroy every thread of it but the running one, which finds
 * the mark before it returns to user code.
 */
#include "kernel.h"

_Static_assert((PROCESS_MAIL_MAX + 1) * sizeof(struct ckpt_mbox) <= PAGE_BYTES,
               "messages fit in a page");

static struct list processes;
static struct slab process_slab;
static uint32_t n_processes;

#define SIGNAL_KILL 9

/**
 * process_init - prepare for the first process
 */
void process_init(void)
{
    list_init(&processes);
    slab_init(&process_slab, sizeof(struct process));
}

/**
 * process_create - make a process without mappings and threads
 * @number: its number in the boot bundle
 *
 * Return: the process, or NULL when there is no memory.
 */
struct process *process_create(uint32_t number)
{
    struct process *process = slab_alloc_zero(&process_slab);
    uint64_t mail = pmem_alloc_zero();
    uint64_t ring = pmem_alloc_run(netswitch_ring_bytes() / PAGE_BYTES);

    if (process == NULL || mail == 0 || ring == 0 ||
        vm_create(&process->vm) != 0) {
        return NULL; /* at boot: nothing goes on without it */
    }
    process->ring_paddr = ring;
    process->number = number;
    process->mail = pmem_to_virt(mail);
    list_init(&process->threads);
    list_add_before(&processes, &process->node);
    n_processes++;
    return process;
}

/**
 * process_next - go through all processes
 * @process: the one before, NULL for the first
 *
 * Return: the next, or NULL.
 */
struct process *process_next(struct process *process)
{
    struct list *node = process == NULL ? processes.next : process->node.next;

    return node == &processes ? NULL : CONTAINER_OF(node, struct process, node);
}

/* Tell the host once no process has a program any more, but some are there. */
static void tell_ending(uint32_t status)
{
    struct process *process = process_next(NULL);

    if (process == NULL) {
        return;
    }
    for (; process != NULL; process = process_next(process)) {
        if (!process->ending) {
            return;
        }
    }
    nic_ending(status);
}

/**
 * process_is_ending - the program has ended, its connections have not
 * @process: the process; it goes on until it exits
 * @status: of the program, as CKPT_NIC_EXIT
 */
void process_is_ending(struct process *process, uint32_t status)
{
    if (!process->ending) {
        process->ending = true;
        tell_ending(status);
    }
}

/**
 * process_last_thread_gone - free a process, and end the guest with the last
 * @process: has no threads
 */
void process_last_thread_gone(struct process *process)
{
    uint32_t status = process->exit_status;
    bool was_ending = process->ending;
    uint32_t at;

    log_line("process %u ended, status %u%s%s", process->number, status & 0xff,
             status & CKPT_EXIT_SIGNALLED ? " (signal)" : "",
             process->out_of_memory ? ": out of memory" : "");
    netswitch_detach(process);
    if (read_cr3() == process->vm.root) {
        thread_save_user();
    }
    vm_destroy(&process->vm);
    pmem_free(pmem_of_virt(process->mail));
    pmem_free(process->info_paddr);
    for (at = 0; at < netswitch_ring_bytes(); at += PAGE_BYTES) {
        pmem_free(process->ring_paddr + at);
    }
    list_remove(&process->node);
    slab_free(&process_slab, process);
    if (--n_processes == 0) {
        nic_exit(status);
        halt_forever();
    }
    if (!was_ending) {
        tell_ending(status);
    }
}

/**
 * process_kill - end a process
 * @process: the process; if it is the running one it ends before user code
 *           runs again, else at once
 * @status: as CKPT_NIC_EXIT; the first one counts
 */
void process_kill(struct process *process, uint32_t status)
{
    struct list *node, *next;

    if (process->dying) {
        return;
    }
    process->dying = true;
    process->exit_status = status;
    for (node = process->threads.next; node != &process->threads; node = next) {
        struct thread *thread = CONTAINER_OF(node, struct thread, sibling);

        next = node->next;
        if (thread != current) {
            sched_remove(thread);
            thread_destroy(thread);
        }
    }
    if (process->n_threads == 0) {
        process_last_thread_gone(process);
    }
}

/**
 * process_out_of_memory - end a process that needs memory, and there is none
 * @process: the process
 */
void process_out_of_memory(struct process *process)
{
    if (process->dying) {
        return;
    }
    log_line("process %u: out of memory: killed, it uses %lu KiB, and %lu KiB "
             "are kept for others",
             process->number, process->vm.quota.used_bytes >> 10,
             pmem_free_bytes() >> 10);
    process->out_of_memory = true;
    process_kill(process, SIGNAL_KILL | CKPT_EXIT_SIGNALLED);
}

/**
 * process_kill_all - end all processes, and so the guest
 * @status: as CKPT_NIC_EXIT
 */
void process_kill_all(uint32_t status)
{
    struct process *process, *next;

    for (process = process_next(NULL); process != NULL; process = next) {
        next = process_next(process);
        process_kill(process, status);
    }
}

/**
 * process_forget_ublocks - thread blocks of a range may have moved
 * @process: the process
 * @start: first address whose pages were changed
 * @end: address behind the last
 */
void process_forget_ublocks(struct process *process, uint64_t start,
                            uint64_t end)
{
    struct list *node;

    for (node = process->threads.next; node != &process->threads;
         node = node->next) {
        struct thread *thread = CONTAINER_OF(node, struct thread, sibling);

        if (thread->ublock < end &&
            thread->ublock + sizeof(struct sys_ublock) > start) {
            thread->ublock_direct = NULL;
            thread_sync_cpu(thread);
        }
    }
}

/**
 * process_notice - tell a process that something happened outside
 * @process: the process
 * @pending_bit: for its first thread, if it has no network
 */
void process_notice(struct process *process, uint32_t pending_bit)
{
    if (process->port != NULL) {
        netswitch_notice(process->port);
    } else if (!list_empty(&process->threads)) {
        thread_interrupt(
            CONTAINER_OF(process->threads.next, struct thread, sibling),
            pending_bit);
    }
}

/**
 * process_mail - give a message of the host to all processes
 * @message: the message
 *
 * A process that does not read loses the oldest.
 */
void process_mail(const struct ckpt_mbox *message)
{
    struct process *process;

    for (process = process_next(NULL); process != NULL;
         process = process_next(process)) {
        if (process->mail_head - process->mail_tail == PROCESS_MAIL_MAX) {
            process->mail_tail++;
        }
        process->mail[process->mail_head++ % PROCESS_MAIL_MAX] = *message;
        process_notice(process, SYS_PENDING_MAILBOX);
    }
}

/**
 * process_clock_set - tell all processes that the wall clock was set
 *
 * Who waits for a time of day has reckoned with the clock as it was.
 */
void process_clock_set(void)
{
    struct process *process;

    for (process = process_next(NULL); process != NULL;
         process = process_next(process)) {
        process_notice(process, SYS_PENDING_MAILBOX);
    }
}

static struct process *find_process(uint32_t number)
{
    struct process *process = process_next(NULL);

    while (process != NULL && process->number != number) {
        process = process_next(process);
    }
    return process;
}

/*
 * A line that nobody has read of yet is followed by another: the connections
 * are still those of before the first, so a fork stays one.
 */
static void put_identity(struct process *process,
                         const struct ckpt_mbox *message)
{
    struct ckpt_mbox *slot = &process->mail[PROCESS_MAIL_MAX];
    struct ckpt_identity before, now;

    memcpy(&before, slot->data, sizeof(before));
    memcpy(&now, message->data, sizeof(now));
    if (process->line_unread && before.why == CKPT_LINE_FORK) {
        now.why = CKPT_LINE_FORK;
    }
    *slot = *message;
    memcpy(slot->data, &now, sizeof(now));
    process->line_unread = true;
}

/**
 * process_new_line - another line of the guest begins for a process (R2)
 * @message: CKPT_MBOX_IDENTITY, with the number of the process
 *
 * Every thread is told, so that whichever is first to leave the kernel for
 * program text goes through its library.  Until that has taken the message,
 * what the process sends was made by the line before (sys_net.c).
 */
void process_new_line(const struct ckpt_mbox *message)
{
    struct ckpt_identity id;
    struct process *process;
    struct list *node, *next;

    memcpy(&id, message->data, sizeof(id));
    process = find_process(id.process);
    if (process == NULL) {
        return; /* it has ended before the checkpoint was taken */
    }
    put_identity(process, message);
    vm_wipe(&process->vm);
    for (node = process->threads.next; node != &process->threads; node = next) {
        next = node->next;
        thread_interrupt(CONTAINER_OF(node, struct thread, sibling),
                         SYS_PENDING_MAILBOX);
    }
    if (process->port != NULL) {
        if (!(id.flags & CKPT_IDENTITY_OWN)) {
            netswitch_readdress(process->port, id.mac);
        }
        netswitch_notice(process->port);
    }
}

/**
 * process_take_mail - the oldest message for a process
 * @process: the process
 * @ret_message: gets it
 *
 * That another line began comes before all else: what is older was said to the
 * line before.
 *
 * Return: false if there is none.
 */
bool process_take_mail(struct process *process, struct ckpt_mbox *ret_message)
{
    if (process->line_unread) {
        *ret_message = process->mail[PROCESS_MAIL_MAX];
        process->line_unread = false;
        return true;
    }
    if (process->mail_head == process->mail_tail) {
        return false;
    }
    *ret_message = process->mail[process->mail_tail++ % PROCESS_MAIL_MAX];
    return true;
}
