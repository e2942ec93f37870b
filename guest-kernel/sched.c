/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sched.c - which thread runs
 *
 * Round robin with a slice.  The slice is only timed while somebody else
 * could run.  A thread that an interrupt woke runs at once: it waits for
 * packets or for the clock, and would be late else.  The thread that it takes
 * the CPU from is the next to run, with the rest of its slice: threads that
 * compute do not change places with each packet, and their registers are not
 * saved and loaded for it.
 *
 * A slice does not begin anew with each wake-up.  A thread gets back of it what
 * it has slept, so one that is woken again and again gets half of the CPU beside
 * one that computes, and not all of it.
 */
#include "kernel.h"

#define SLICE_NS     2000000ull
#define SLICE_MIN_NS (SLICE_NS / 8) /* less is not worth a switch */
#define NO_SLICE     UINT64_MAX

static struct list urgent_queue; /* before all others */
static struct list run_queue;
static struct thread *idle;
static struct thread *dead; /* to be freed by who runs next */
static bool want_switch;
static bool urgent; /* in an interrupt */
static uint64_t slice_end_ns = NO_SLICE;
static uint64_t run_start_ns; /* when current began to run */

static bool nobody_waits(void)
{
    return list_empty(&run_queue) && list_empty(&urgent_queue);
}

static void start_slice(uint64_t now_ns)
{
    if (slice_end_ns == NO_SLICE && current != idle) {
        slice_end_ns = now_ns + current->slice_left_ns;
    }
}

/* What is left of the running thread's slice, if it is timed. */
static void stop_slice(struct thread *thread, uint64_t now_ns)
{
    if (slice_end_ns != NO_SLICE) {
        thread->slice_left_ns =
            slice_end_ns > now_ns ? slice_end_ns - now_ns : 0;
    }
}

/* A thread that slept has so much more of its slice. */
static void give_back(struct thread *thread, uint64_t now_ns)
{
    uint64_t used_ns = SLICE_NS - thread->slice_left_ns;
    uint64_t slept_ns = now_ns - thread->stopped_ns;

    thread->slice_left_ns += slept_ns < used_ns ? slept_ns : used_ns;
}

/**
 * sched_ready - a thread can run
 * @thread: the thread, on no queue
 *
 * It queues at the end; in an interrupt it runs next, unless it has used up its
 * slice.
 */
void sched_ready(struct thread *thread)
{
    uint64_t now_ns = time_now_ns();

    thread->state = THREAD_RUNNABLE;
    give_back(thread, now_ns);
    if (urgent && thread->slice_left_ns >= SLICE_MIN_NS) {
        list_add_before(&urgent_queue, &thread->queue);
        want_switch = true;
    } else {
        list_add_before(&run_queue, &thread->queue);
    }
    start_slice(now_ns);
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
    struct list *queue = list_empty(&urgent_queue) ? &run_queue : &urgent_queue;
    struct thread *next = idle;

    if (!list_empty(queue)) {
        next = CONTAINER_OF(queue->next, struct thread, queue);
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

/*
 * Leave the running thread, which is on the right queue already, for one that
 * is on none.
 */
static void switch_to(struct thread *next, uint64_t now_ns)
{
    struct thread *previous = current;

    want_switch = false;
    if (next->slice_left_ns < SLICE_MIN_NS) {
        next->slice_left_ns = SLICE_NS;
    }
    slice_end_ns = nobody_waits() || next == idle
                       ? NO_SLICE
                       : now_ns + next->slice_left_ns;
    previous->cpu_ns += now_ns - run_start_ns;
    previous->stopped_ns = now_ns;
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
    if (nobody_waits()) {
        want_switch = false;
        slice_end_ns = NO_SLICE;
        return;
    }
    current->slice_left_ns = 0;
    list_add_before(&run_queue, &current->queue);
    switch_to(pick(), time_now_ns());
    after_switch();
}

/* Somebody urgent comes first, then the running thread again. */
static void step_aside(uint64_t now_ns)
{
    struct thread *next = pick();

    stop_slice(current, now_ns);
    list_add_before(run_queue.next, &current->queue);
    switch_to(next, now_ns);
    after_switch();
}

/**
 * sched_block - sleep until somebody makes this thread ready
 *
 * Context: may block.
 */
void sched_block(void)
{
    uint64_t now_ns = time_now_ns();

    current->state = THREAD_WAITING;
    stop_slice(current, now_ns);
    switch_to(pick(), now_ns);
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
    switch_to(pick(), time_now_ns());
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
        uint64_t now_ns = time_now_ns();

        if (list_empty(&urgent_queue) ||
            now_ns + SLICE_MIN_NS >= slice_end_ns) {
            sched_yield();
        } else {
            step_aside(now_ns);
        }
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
        if (!nobody_waits()) {
            switch_to(pick(), time_now_ns());
            continue;
        }
        want_switch = false;
        nic_poll_for();
        if (nobody_waits()) {
            wallclock_idle();
            time_arm();
            wait_for_interrupt();
        }
    }
}

/**
 * sched_init - prepare for the first thread
 */
void sched_init(void)
{
    list_init(&urgent_queue);
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
