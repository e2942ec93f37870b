/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - lwIP's timers, stopped while they have nothing to do
 *
 * Theory of operation.  TCP's timers are deadlines (tcp-timers.c).  To find the
 * earliest all connections are looked through, which is not to be done for each
 * frame.  So the clock has two states:
 *
 *  runs     something has happened: at the next tick, 10 ms later at most, what
 *           is due is done, acknowledgements that were delayed among it, and the
 *           next deadline is found.
 *           left by: clock_run() -> stopped
 *  stopped  nothing is due before that deadline.
 *           left by: clock_touch() -> runs
 *
 * An idle guest is not woken, and one that waits for an acknowledgement is woken
 * when it is late: each wake-up dirties memory.
 *
 * lwIP's counter tcp_ticks is a function of the monotonic clock, so a stop
 * costs nothing: the value is right again when the clock starts.
 *
 * When the deadline is long past at the time at which somebody looks, the whole
 * guest stood still: what has come meanwhile is yet to be looked at, so TCP is
 * given that time back.
 *
 * ARP and IP: requests that are on their way, and packets of which fragments
 * lack, need a tick each second; ARP entries that only age are caught up when
 * something happens anyway.
 */
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/tcp-timers.h"
#include "lwip/etharp.h"
#include "lwip/ip4_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

/* Later than this, and nobody can have been able to look. */
#define CLOCK_LATE_NS       500000000ull
#define CLOCK_TICK_NS       (2 * NET_TICK_NS) /* TCP_SLOW_INTERVAL */
#define CLOCK_SECOND_NS     1000000000ull     /* ARP_TMR_INTERVAL, IP_TMR_... */
#define CLOCK_ARP_ASK_NS    (7 * CLOCK_SECOND_NS) /* > ARP_MAXPENDING */
#define CLOCK_SECONDS_BURST 301u                  /* > ARP_MAXAGE */
#define CLOCK_REASS_NS      ((IP_REASS_MAXAGE + 1) * CLOCK_SECOND_NS)

static bool clock_runs;
static bool clock_excused; /* nothing was done at the last tick: it was late */
static uint64_t tick_done; /* of NET_TICK_NS, since 0 */
static uint64_t far_deadline_ns = SYS_FOREVER;
static uint64_t second_done;
static uint64_t second_until_ns; /* each second is worked on until then */

/**
 * sys_now() - lwIP's clock
 *
 * Return: milliseconds, any start.
 */
u32_t sys_now(void)
{
    return (u32_t)(prim_now_ns() / 1000000);
}

static void ticks_set(uint64_t tick)
{
    tick_done = tick;
    tcp_ticks = (u32_t)(tick / 2);
}

/**
 * clock_start() - bring lwIP's counters to the present
 *
 * Context: once, after lwip_init().
 */
void clock_start(void)
{
    uint64_t now = prim_now_ns();

    ticks_set(now / NET_TICK_NS);
    second_done = now / CLOCK_SECOND_NS;
}

/* When TCP is due. */
static uint64_t tcp_deadline_ns(void)
{
    return clock_runs ? (tick_done + 1) * NET_TICK_NS : far_deadline_ns;
}

/*
 * Bring TCP's clock to @now_ns, but for time in which the guest stood still.
 * Return: whether it did.
 */
static bool ticks_catch_up(uint64_t now_ns)
{
    uint64_t due_ns = tcp_deadline_ns();

    ticks_set(now_ns / NET_TICK_NS);
    if (now_ns <= due_ns || now_ns - due_ns <= CLOCK_LATE_NS) {
        return false;
    }
    tcp_timers_shift((uint32_t)((now_ns - due_ns) / CLOCK_TICK_NS));
    return true;
}

/**
 * clock_touch() - something happens that TCP may have to time
 *
 * To be called before frames are given to lwIP and before a program's call
 * makes it send.
 *
 * Context: lock held.
 */
void clock_touch(void)
{
    if (!clock_runs) {
        ticks_catch_up(prim_now_ns());
        clock_runs = true;
        net_kick();
    }
}

/**
 * tcp_timer_needed() - lwIP has put a connection on its list
 *
 * Context: lock held.
 */
void tcp_timer_needed(void)
{
    clock_touch();
}

/**
 * sys_timeouts_init() - called by lwip_init(); nothing to prepare here
 */
void sys_timeouts_init(void)
{
}

/* Something is timed in seconds that is over by @ns from now. */
static void seconds_run(uint64_t ns)
{
    uint64_t until = prim_now_ns() + ns;

    if (until > second_until_ns) {
        second_until_ns = until;
        net_kick();
    }
}

/**
 * clock_arp_asked() - an ARP request left: time it out
 *
 * Seconds that have passed before are not to be counted against it.
 *
 * Context: lock held.
 */
void clock_arp_asked(void)
{
    uint64_t second = prim_now_ns() / CLOCK_SECOND_NS;

    if (second > second_done + 1) {
        second_done = second;
    }
    seconds_run(CLOCK_ARP_ASK_NS);
}

/**
 * clock_fragment() - a piece of a packet came: others may never come
 *
 * Context: lock held.
 */
void clock_fragment(void)
{
    seconds_run(CLOCK_REASS_NS);
}

static void tcp_run(uint64_t now_ns)
{
    uint64_t tick = now_ns / NET_TICK_NS;
    uint32_t left;

    if (tick == tick_done || now_ns < tcp_deadline_ns()) {
        return;
    }
    if (ticks_catch_up(now_ns) && !clock_excused) {
        /* Let come in what waits; but a guest that is always late goes on. */
        clock_excused = true;
        clock_runs = true;
        return;
    }
    clock_excused = false;
    left = tcp_timers_run();
    clock_runs = false;
    far_deadline_ns = left == TCP_TIMERS_NEVER
                          ? SYS_FOREVER
                          : (tick / 2 + left) * CLOCK_TICK_NS;
}

/**
 * clock_seconds_run() - what ages by seconds
 *
 * To be called before the received frames: what they make is not older than
 * they are.
 *
 * Context: lock held; not from within lwIP.
 */
void clock_seconds_run(void)
{
    uint64_t second = prim_now_ns() / CLOCK_SECOND_NS;
    uint64_t n = second - second_done;

    second_done = second;
    if (n > CLOCK_SECONDS_BURST) {
        n = CLOCK_SECONDS_BURST;
    }
    while (n--) {
        etharp_tmr();
        ip_reass_tmr();
    }
}

/**
 * clock_run() - what is due by now
 * @now_ns: the present
 *
 * To be called after the received frames: an acknowledgement that waits in the
 * ring must stop a retransmission.
 *
 * Context: lock held.
 */
void clock_run(uint64_t now_ns)
{
    tcp_run(now_ns);
}

/**
 * clock_deadline() - when clock_run() is to be called again
 *
 * Return: ns, SYS_FOREVER if nothing is timed.
 * Context: lock held.
 */
uint64_t clock_deadline(void)
{
    uint64_t deadline = tcp_deadline_ns();
    uint64_t second = (second_done + 1) * CLOCK_SECOND_NS;

    if (second < deadline && second <= second_until_ns) {
        deadline = second;
    }
    return deadline;
}
