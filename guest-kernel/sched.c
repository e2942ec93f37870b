/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sched.c - which thread runs
 *
 * Round robin with a slice.  The slice is only timed while somebody else
 * could run.  A thread that an interrupt woke goes to the front and runs at
 * once: it waits for packets or for the clock, and would be late else.
 */
#include "kernel.h"

#define SLICE_NS 2000000ull
#define NO_SLICE UINT64_MAX

static struct list run_queue;
static struct thread *idle;
static struct thread *dead; /* to be freed by who runs next */
static bool want_switch;
static bool urgent; /* in an interrupt */
static uint64_t slice_end_ns = NO_SLICE;
static uint64_t run_start_ns; /* when current began to run */

static void start_slice(void)
{
    if (slice_end_ns == NO_SLICE && current != idle) {
        slice_end_ns = time_now_ns() + SLICE_NS;
    }
}

/**
 * sched_ready - a thread can run
 * @thread: the thread, on no queue
 *
 * It queues at the end; in an interrupt at the front, and runs next.
 */
void sched_ready(struct thread *thread)
{
    thread->state = THREAD_RUNNABLE;
    if (urgent) {
        list_add_before(run_queue.next, &thread->queue);
        want_switch = true;
    } else {
        list_add_before(&run_queue, &thread->queue);
    }
    start_slice();
}

/**
 * sched_set_urgent - an interrupt is being served, or no longer
 * @on: what becomes ready now runs first
 */
void sched_set_urgent(bool on)
{
    urgent = on;
}

/**
 * sched_remove - take a thread that is not running off all queues
 * @thread: the thread
 */
void sched_remove(struct thread *thread)
{
    list_remove(&thread->queue);
    list_remove(&thread->timed);
}

/**
 * sched_slice_end_ns - when the running thread has had its turn
 *
 * Return: the time, or UINT64_MAX when nobody else could run.
 */
uint64_t sched_slice_end_ns(void)
{
    return slice_end_ns;
}

/**
 * sched_slice_over - the timer: is the turn over?
 * @now_ns: the time
 */
void sched_slice_over(uint64_t now_ns)
{
    if (now_ns >= slice_end_ns) {
        want_switch = true;
    }
}

/**
 * sched_cpu_ns - time that a thread has run
 * @thread: the thread
 *
 * Return: nanoseconds.
 */
uint64_t sched_cpu_ns(const struct thread *thread)
{
    uint64_t ns = thread->cpu_ns;

    return thread == current ? ns + time_now_ns() - run_start_ns : ns;
}

static struct thread *pick(void)
{
    struct thread *next = idle;

    if (!list_empty(&run_queue)) {
        next = CONTAINER_OF(run_queue.next, struct thread, queue);
        list_remove(&next->queue);
    }
    return next;
}

/* Free the thread that ended on the stack we have just left. */
static void reap(void)
{
    struct thread *thread = dead;
    struct process *process;

    if (thread == NULL) {
        return;
    }
    dead = NULL;
    process = thread->process;
    thread_destroy(thread);
    if (process->n_threads == 0) {
        process_last_thread_gone(process);
    }
}

/* Leave the running thread, which is on the right queue already. */
static void switch_away(void)
{
    struct thread *previous = current;
    struct thread *next = pick();
    uint64_t now_ns = time_now_ns();

    want_switch = false;
    slice_end_ns =
        list_empty(&run_queue) || next == idle ? NO_SLICE : now_ns + SLICE_NS;
    previous->cpu_ns += now_ns - run_start_ns;
    run_start_ns = now_ns;
    if (next == previous) {
        return;
    }
    current = next;
    thread_switch(&previous->ksp, next->ksp);
    /* Here the thread that was left long ago goes on. */
}

/* What a thread does first when it has the CPU again. */
static void after_switch(void)
{
    reap();
    if (current != idle) {
        thread_load_user(current);
    }
}

/**
 * sched_begin - what a new thread does first, before its frame is loaded
 * @frame: the frame
 */
void sched_begin(struct trap_frame *frame)
{
    after_switch();
    trap_before_user(frame);
}

/**
 * sched_yield - let others run
 *
 * Context: may block.
 */
void sched_yield(void)
{
    if (list_empty(&run_queue)) {
        want_switch = false;
        slice_end_ns = NO_SLICE;
        return;
    }
    list_add_before(&run_queue, &current->queue);
    switch_away();
    after_switch();
}

/**
 * sched_block - sleep until somebody makes this thread ready
 *
 * Context: may block.
 */
void sched_block(void)
{
    current->state = THREAD_WAITING;
    switch_away();
    after_switch();
}

/**
 * sched_exit - end the running thread
 */
void sched_exit(void)
{
    KASSERT(dead == NULL);
    current->state = THREAD_DEAD;
    dead = current;
    switch_away();
    panic("a dead thread ran");
}

/**
 * sched_before_return - switch if it is time to, before user code goes on
 *
 * Context: may block.
 */
void sched_before_return(void)
{
    while (want_switch) {
        sched_yield();
    }
}

/*
 * The idle thread: with nothing to run and nobody waiting for the clock the
 * CPU sleeps with no timer armed, until the NIC calls.
 */
static void idle_loop(void)
{
    for (;;) {
        reap();
        if (!list_empty(&run_queue)) {
            switch_away();
            continue;
        }
        want_switch = false;
        time_arm();
        wait_for_interrupt();
    }
}

/**
 * sched_init - prepare for the first thread
 */
void sched_init(void)
{
    list_init(&run_queue);
}

/**
 * sched_start - leave the boot stack for ever, and run threads
 */
void sched_start(void)
{
    uint64_t boot_ksp;

    idle = thread_new_idle(idle_loop);
    current = idle;
    run_start_ns = time_now_ns();
    thread_switch(&boot_ksp, idle->ksp);
    panic("the boot stack ran again");
}
