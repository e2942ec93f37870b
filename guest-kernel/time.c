/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * time.c - the clock, and the one timer that serves all deadlines
 *
 * The time stamp counter is the clock; its frequency and the wall clock come
 * from the NIC.  Processes read the clock by a page that changes only here: at
 * boot, after a restore and when it was compared with the host's clock
 * (wallclock.c).  After a restore the counter goes on where the checkpoint left
 * it, and so does the monotonic time; the wall clock steps.
 *
 * The timer is one shot and set only for the earliest thing to happen.  It may
 * fire early (its clock is not the counter): then it is set again.
 */
#include "kernel.h"

#define NS_PER_S           1000000000ull
#define TSC_SHIFT          32
#define NEVER              UINT64_MAX
#define INTERRUPT_RETRY_NS 1000000ull /* see upcall.c */

static struct guest_shared *shared;
static uint64_t shared_paddr;
static uint64_t armed_ns = NEVER;
static bool armed_for_look; /* at the host's clock: not when idle */

/**
 * time_at_ns - the monotonic clock at a value of the counter
 * @tsc: the value, not before the last change of the clock
 *
 * Return: nanoseconds since boot.
 */
uint64_t time_at_ns(uint64_t tsc)
{
    unsigned __int128 product =
        (unsigned __int128)(tsc - shared->tsc_base) * shared->tsc_mult;

    return shared->mono_base_ns + (uint64_t)(product >> TSC_SHIFT);
}

/**
 * time_now_ns - the monotonic clock
 *
 * Return: nanoseconds since boot.
 */
uint64_t time_now_ns(void)
{
    return time_at_ns(rdtsc());
}

/**
 * time_wall_offset_ns - what the wall clock is ahead of the monotonic one
 *
 * Return: nanoseconds.
 */
uint64_t time_wall_offset_ns(void)
{
    return shared->wall_offset_ns;
}

static void read_host(void)
{
    shared->wall_offset_ns = wallclock_start(shared->tsc_mult);
    shared->generation = nic_value(CKPT_SEL_GENERATION);
}

/*
 * Readers use @sequence to see a change under way; there are none now, with
 * one CPU, but a reader may have been interrupted between two loads.
 */
static void begin_change(void)
{
    shared->sequence++;
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end_change(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    shared->sequence++;
}

/**
 * time_set - let the clocks go on at another rate, and set the wall clock
 * @mult: nanoseconds per tick << 32
 * @wall_offset_ns: what the wall clock is ahead of the monotonic one
 */
void time_set(uint64_t mult, uint64_t wall_offset_ns)
{
    uint64_t tsc = rdtsc();
    uint64_t mono_ns = time_at_ns(tsc);

    begin_change();
    shared->mono_base_ns = mono_ns;
    shared->tsc_base = tsc;
    shared->tsc_mult = mult;
    shared->wall_offset_ns = wall_offset_ns;
    end_change();
}

/**
 * time_init - start the clock
 */
void time_init(void)
{
    uint64_t tsc_hz = nic_value(CKPT_SEL_TSC_HZ);

    if (tsc_hz == 0) {
        panic("the NIC knows no clock frequency");
    }
    shared_paddr = pmem_alloc_zero();
    KASSERT(shared_paddr != 0);
    shared = pmem_to_virt(shared_paddr);
    shared->tsc_shift = TSC_SHIFT;
    shared->tsc_mult = ((unsigned __int128)NS_PER_S << TSC_SHIFT) / tsc_hz;
    shared->tsc_base = rdtsc();
    read_host();
}

/**
 * time_shared_paddr - the page that processes read
 *
 * Return: its physical address.
 */
uint64_t time_shared_paddr(void)
{
    return shared_paddr;
}

/**
 * time_restored - this guest goes on from a checkpoint
 */
void time_restored(void)
{
    begin_change();
    read_host();
    end_change();
    armed_ns = NEVER;
    time_arm();
}

/**
 * time_new_line - another line of this guest begins (R2)
 *
 * Programs look at the count without a call: it changes last, and before any of
 * them runs.
 */
void time_new_line(void)
{
    time_restored();
    __atomic_store_n(&shared->line, shared->line + 1, __ATOMIC_RELEASE);
}

static uint64_t next_event_ns(void)
{
    uint64_t next = wait_first_deadline_ns();

    if (sched_slice_end_ns() < next) {
        next = sched_slice_end_ns();
    }
    if (nic_poll_ns() < next) {
        next = nic_poll_ns();
    }
    if (current->interrupted && time_now_ns() + INTERRUPT_RETRY_NS < next) {
        next = time_now_ns() + INTERRUPT_RETRY_NS;
    }
    return next;
}

/* The host's clock is looked at by who is awake. */
static uint64_t next_look_ns(void)
{
    return current->process == NULL ? NEVER : wallclock_next_ns();
}

/**
 * time_arm - set the timer for the earliest thing to happen
 *
 * A timer that is set too early is left alone while threads run, because
 * setting it costs more than one needless interrupt, but not when idle.
 */
void time_arm(void)
{
    uint64_t look = next_look_ns();
    uint64_t next = next_event_ns();
    bool too_early = armed_for_look && current->process == NULL;
    uint64_t now_ns;

    if (look < next) {
        next = look;
    }
    if (next == NEVER) {
        if (armed_ns != NEVER && current->process == NULL) {
            armed_ns = NEVER;
            armed_for_look = false;
            apic_timer_stop();
        }
        return;
    }
    if (next < armed_ns || too_early) {
        now_ns = time_now_ns();
        armed_ns = next;
        armed_for_look = next == look;
        apic_timer_set(next > now_ns ? next - now_ns : 0);
    }
}

/**
 * time_interrupt - the timer fired
 */
void time_interrupt(void)
{
    uint64_t now_ns = time_now_ns();

    armed_ns = NEVER;
    wait_expire(now_ns);
    nic_poll(now_ns);
    sched_slice_over(now_ns);
}
