/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - lwIP's timers, stopped while they have nothing to do
 *
 * Theory of operation.  lwIP wants tcp_fasttmr() at each tick of 10 ms and
 * tcp_slowtmr() at every second one, for ever.  An idle guest must not be woken
 * a hundred times a second: each wake-up dirties memory.  So the clock has two
 * states:
 *
 *  runs     ticks are due; after each the connections are looked through, and
 *           when none needs the next tick the clock stops.
 *           left by: clock_run() -> stopped
 *  stopped  no connection has anything in flight, delayed or pending.  What is
 *           left are far deadlines (keep-alive, TIME_WAIT and the like), of
 *           which the earliest is known; only then a tick is due.
 *           left by: clock_touch() -> runs
 *
 * lwIP's counter tcp_ticks is a function of the monotonic clock, so a stop
 * costs nothing: the value is right again when the clock starts.  Relative
 * counters inside the pcbs (rtime, persist_cnt) are only in use while it runs.
 *
 * ARP and IP: requests that are on their way, and packets of which fragments
 * lack, need a tick each second; ARP entries that only age are caught up when
 * something happens anyway.
 */
#include "guest-libc/net/net-internal.h"
#include "lwip/etharp.h"
#include "lwip/ip4_frag.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"

/* After a long absence of any poller: not more ticks than this at once. */
#define CLOCK_BURST_TICKS   8u
#define CLOCK_SECOND_NS     1000000000ull /* ARP_TMR_INTERVAL, IP_TMR_... */
#define CLOCK_ARP_ASK_NS    (7 * CLOCK_SECOND_NS) /* > ARP_MAXPENDING */
#define CLOCK_SECONDS_BURST 301u                  /* > ARP_MAXAGE */
#define CLOCK_REASS_NS      ((IP_REASS_MAXAGE + 1) * CLOCK_SECOND_NS)

static bool clock_runs;
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
        ticks_set(prim_now_ns() / NET_TICK_NS);
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
 * Context: lock held.
 */
void clock_arp_asked(void)
{
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

static bool pcb_needs_tick(const struct tcp_pcb *pcb)
{
    return pcb->unsent || pcb->unacked || pcb->ooseq || pcb->refused_data ||
           pcb->rtime >= 0 || pcb->persist_backoff ||
           (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND)) ||
           pcb->pollinterval;
}

/* Slow ticks after pcb->tmr when tcp_slowtmr() has something to do. */
static uint64_t pcb_far_ticks(const struct tcp_pcb *pcb)
{
    switch (pcb->state) {
    case SYN_RCVD:
        return TCP_SYN_RCVD_TIMEOUT / TCP_SLOW_INTERVAL;
    case FIN_WAIT_2:
        return pcb->flags & TF_RXCLOSED
                   ? TCP_FIN_WAIT_TIMEOUT / TCP_SLOW_INTERVAL
                   : UINT64_MAX;
    case LAST_ACK:
    case TIME_WAIT:
        return 2 * TCP_MSL / TCP_SLOW_INTERVAL;
    case ESTABLISHED:
    case CLOSE_WAIT:
        if (pcb->so_options & SOF_KEEPALIVE) {
            return (pcb->keep_idle +
                    (uint64_t)pcb->keep_cnt_sent * pcb->keep_intvl) /
                   TCP_SLOW_INTERVAL;
        }
        return UINT64_MAX;
    default:
        return UINT64_MAX;
    }
}

/* Look through @pcb's list: true if one needs ticks, else its far deadline. */
static bool list_needs_tick(const struct tcp_pcb *pcb, uint64_t *far_ticks)
{
    for (; pcb; pcb = pcb->next) {
        uint64_t far = pcb_far_ticks(pcb);
        uint32_t gone = tcp_ticks - pcb->tmr;

        if (pcb->state != TIME_WAIT && pcb_needs_tick(pcb)) {
            return true;
        }
        if (far != UINT64_MAX) {
            far = far >= gone ? far - gone + 1 : 1;
            if (far < *far_ticks) {
                *far_ticks = far;
            }
        }
    }
    return false;
}

/* Stop if no connection needs the next tick. */
static void clock_settle(void)
{
    uint64_t far_ticks = UINT64_MAX;

    clock_runs = list_needs_tick(tcp_active_pcbs, &far_ticks) ||
                 list_needs_tick(tcp_tw_pcbs, &far_ticks);
    if (clock_runs || far_ticks == UINT64_MAX) {
        far_deadline_ns = SYS_FOREVER;
    } else {
        far_deadline_ns = (tick_done / 2 + far_ticks) * 2 * NET_TICK_NS;
    }
}

static void tcp_run(uint64_t now_ns)
{
    uint64_t tick = now_ns / NET_TICK_NS;

    if (tick == tick_done || (!clock_runs && now_ns < far_deadline_ns)) {
        return;
    }
    if (!clock_runs || tick - tick_done > CLOCK_BURST_TICKS) {
        /* At least one slow tick is among the two that are left. */
        ticks_set(tick - (clock_runs ? CLOCK_BURST_TICKS : 2));
    }
    while (tick_done < tick) {
        tick_done++;
        tcp_fasttmr();
        if (!(tick_done & 1)) {
            tcp_ticks = (u32_t)(tick_done / 2 - 1);
            tcp_slowtmr();
        }
    }
    clock_settle();
}

static void seconds_work(uint64_t now_ns)
{
    uint64_t second = now_ns / CLOCK_SECOND_NS;
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
    if (now_ns / CLOCK_SECOND_NS != second_done) {
        seconds_work(now_ns);
    }
}

/**
 * clock_deadline() - when clock_run() is to be called again
 *
 * Return: ns, SYS_FOREVER if nothing is timed.
 * Context: lock held.
 */
uint64_t clock_deadline(void)
{
    uint64_t deadline =
        clock_runs ? (tick_done + 1) * NET_TICK_NS : far_deadline_ns;
    uint64_t second = (second_done + 1) * CLOCK_SECOND_NS;

    if (second < deadline && second <= second_until_ns) {
        deadline = second;
    }
    return deadline;
}
