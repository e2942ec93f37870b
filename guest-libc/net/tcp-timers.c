/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp-timers.c - TCP's timers as deadlines, with Linux' patience
 *
 * Theory of operation.  lwIP counts: each of its ticks adds one to each counter
 * of each connection, so ticks have to come for as long as anything waits for an
 * answer, and each writes to every connection.  Here a timer is the tick at
 * which it was started; when it is due follows from that.  One walk through the
 * connections does what is due and finds the next deadline, until which nobody
 * has to be woken (clock.c).
 *
 * Time during which nothing of ours can have reached the peer says nothing
 * about the peer or the network between.  A frame waits in the hold until its
 * checkpoint is durable, which is a matter of milliseconds or, when the place of
 * the checkpoints is gone, of hours.  So when a timer is due while what it waits
 * for has not left the hold (timer_epoch), or could not be sent at all, it
 * starts again: no attempt is counted, nothing is sent twice, and no time-out
 * grows.  timer_epoch is taken at the walk after the sending, which is as late
 * as a tick: at worst an epoch is named that is one too late.
 *
 * The limits are those of Linux, in time and not in attempts where Linux has
 * them so: what does not count is then left out of them by itself.
 */
#include "guest-libc/net/tcp-timers.h"
#include "guest-libc/net/hooks.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"

#define TICKS(ms)       ((uint32_t)((ms) / TCP_SLOW_INTERVAL))

/* Of attempts in vain, 200 ms doubled up to 120 s, what Linux calls 15 ... */
#define PATIENCE        TICKS(924600)
/* ... and 8, for a connection that no program has any more. */
#define PATIENCE_ALONE  TICKS(102200)
#define SYN_RETRIES     6 /* 127 s */
#define SYNACK_RETRIES  5 /* 63 s */
#define PROBES          15
/* A peer that has not ended, and whose connection no program has any more. */
#define FIN_WAIT_TICKS  TICKS(60000)
#define TIME_WAIT_TICKS TICKS(2 * TCP_MSL)
/*
 * Connections in TIME_WAIT.  Each SYN is looked up among them, one after the
 * other; with more the oldest goes before its time.
 */
#define TIME_WAIT_MAX   1024
/* What memory or a route lacked for is tried again after so long. */
#define LOCAL_RETRY     TICKS(500)
/* Is it still held? */
#define HELD_RETRY      TICKS(1000)
#define RTO_MAX         TICKS(TCP_RTO_MAX)
/* What TCP_CORK and MSG_MORE keep when nothing is under way. */
#define CORK_TICKS      TICKS(200)

/* Before this tick no connection in TIME_WAIT is through. */
static uint32_t time_wait_tick;

/* Ticks until @since + @wait, 0 if that is past. */
static uint32_t left(uint32_t since, uint32_t wait)
{
    uint32_t gone = tcp_ticks - since;

    return gone >= wait ? 0 : wait - gone;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool is_alone(const struct tcp_pcb *pcb)
{
    return pcb->flags & TF_RXCLOSED;
}

/* The time that attempts may take in vain. */
static uint32_t patience(const struct tcp_pcb *pcb)
{
    if (pcb->user_timeout) {
        return TICKS(pcb->user_timeout) + 1;
    }
    switch (pcb->state) {
    case SYN_SENT:
    case SYN_RCVD:
        return UINT32_MAX; /* attempts are counted */
    default:
        return is_alone(pcb) ? PATIENCE_ALONE : PATIENCE;
    }
}

static bool has_tried_enough(const struct tcp_pcb *pcb)
{
    unsigned retries = pcb->syn_retries ? pcb->syn_retries : SYN_RETRIES;

    return pcb->timer_spent >= patience(pcb) ||
           (pcb->state == SYN_SENT && pcb->nrtx >= retries) ||
           (pcb->state == SYN_RCVD && pcb->nrtx >= SYNACK_RETRIES);
}

/* Start @since so that @wait from then is @retry from now. */
static uint32_t due_in(uint32_t wait, uint32_t retry)
{
    return tcp_ticks - wait + least(wait, retry);
}

/*
 * Is the timer that was started at *@since not to be counted?  Then it has been
 * started again.  Once the hold has let go the peer gets its full time.
 */
static bool is_excused(struct tcp_pcb *pcb, uint32_t *since, uint32_t wait,
                       uint32_t full)
{
    if (tcp_output_is_held(pcb)) {
        pcb->timer_held = 1;
        /* An answer would not tell how long the way is. */
        pcb->rttest = 0;
        *since = due_in(wait, HELD_RETRY);
        return true;
    }
    if (pcb->timer_held) {
        pcb->timer_held = 0;
        *since = due_in(wait, full);
        return true;
    }
    return false;
}

/* -- less than a segment, kept for what follows ----------------------------- */

static bool is_kept(const struct tcp_pcb *pcb)
{
    return !pcb->unacked && tcp_is_corked(pcb);
}

/**
 * tcp_output_kept() - send what is kept, once
 * @pcb: a connection
 *
 * What is written later is kept as before, if an option says so.
 *
 * Context: lock held; not from within lwIP.
 */
void tcp_output_kept(struct tcp_pcb *pcb)
{
    uint8_t cork = pcb->cork & TCP_CORK_SET;

    pcb->cork = 0;
    tcp_output(pcb);
    pcb->cork = cork;
}

static void cork_run(struct tcp_pcb *pcb)
{
    if (!is_kept(pcb)) {
        if (pcb->cork_timed) {
            pcb->cork_timed = 0;
        }
    } else if (!pcb->cork_timed) {
        pcb->cork_timed = 1;
        pcb->cork_start = tcp_ticks;
    } else if (!left(pcb->cork_start, CORK_TICKS)) {
        pcb->cork_timed = 0;
        tcp_output_kept(pcb);
    }
}

/* -- retransmission ---------------------------------------------------------- */

static uint32_t rexmit_wait(const struct tcp_pcb *pcb)
{
    uint32_t spent = pcb->nrtx ? pcb->timer_spent : 0;
    uint32_t limit = patience(pcb);

    return least((uint32_t)pcb->rto, limit > spent ? limit - spent : 0);
}

static void congestion_lost(struct tcp_pcb *pcb)
{
    tcpwnd_size_t window = LWIP_MIN(pcb->cwnd, pcb->snd_wnd);

    /* A second loss of the same segment says no more (RFC 5681, 3.1). */
    if (!pcb->nrtx) {
        pcb->ssthresh = LWIP_MAX(window / 2, (tcpwnd_size_t)(2 * pcb->mss));
    }
    pcb->cwnd = pcb->mss;
    pcb->bytes_acked = 0;
}

/* Return: false if the connection is to be given up. */
static bool rexmit_run(struct tcp_pcb *pcb)
{
    uint32_t wait = rexmit_wait(pcb);

    if (pcb->persist_backoff || (!pcb->unacked && !pcb->unsent) ||
        is_kept(pcb)) {
        pcb->rtime = -1;
        return true;
    }
    if (pcb->rtime < 0) {
        /* There was no route: it would never be tried again. */
        TCP_RTIME_START(pcb);
    }
    if (left(pcb->rtime_start, wait) ||
        is_excused(pcb, &pcb->rtime_start, wait, wait)) {
        return true;
    }
    pcb->timer_spent = (pcb->nrtx ? pcb->timer_spent : 0) + wait;
    if (has_tried_enough(pcb)) {
        return false;
    }
    if (!pcb->unacked) {
        /* Nothing has been sent: it says nothing about the way. */
        pcb->nrtx += pcb->nrtx < UINT8_MAX;
        TCP_RTIME_START(pcb);
        tcp_output(pcb);
        if (!pcb->unacked) {
            pcb->rtime_start = due_in((uint32_t)pcb->rto, LOCAL_RETRY);
        }
        return true;
    }
    congestion_lost(pcb);
    pcb->rto = (s16_t)least(2 * (uint32_t)pcb->rto, RTO_MAX);
    TCP_RTIME_START(pcb);
    if (tcp_rexmit_rto_prepare(pcb) == ERR_OK) {
        tcp_rexmit_rto_commit(pcb);
    } else {
        /* It still waits for the neighbour's address. */
        pcb->nrtx += pcb->nrtx < UINT8_MAX;
    }
    return true;
}

/* -- probes of a shut window ------------------------------------------------- */

static uint32_t probe_wait(const struct tcp_pcb *pcb)
{
    uint32_t wait = (uint32_t)TCP_RTO_ESTIMATE(pcb);

    for (int i = 1; i < pcb->persist_backoff && wait < RTO_MAX; i++) {
        wait *= 2;
    }
    return least(wait, RTO_MAX);
}

static err_t probe_send(struct tcp_pcb *pcb)
{
    err_t err;

    if (!pcb->snd_wnd) {
        return tcp_zero_window_probe(pcb);
    }
    /* It is open, but not for a whole segment. */
    err = tcp_split_unsent_seg(
        pcb, (u16_t)LWIP_MIN(pcb->snd_wnd, (tcpwnd_size_t)pcb->mss));
    return err == ERR_OK ? tcp_output(pcb) : err;
}

/*
 * A peer may keep its window shut for as long as it answers: tcp_process() sets
 * persist_probe to 0.  Not so where no program waits any more.
 */
static bool has_probed_enough(const struct tcp_pcb *pcb, uint32_t wait)
{
    return pcb->persist_probe >= PROBES || (is_alone(pcb) && wait >= RTO_MAX) ||
           (pcb->user_timeout &&
            !left(pcb->persist_since, TICKS(pcb->user_timeout) + 1));
}

/* Return: false if the connection is to be given up. */
static bool probe_run(struct tcp_pcb *pcb)
{
    uint8_t probes = pcb->persist_probe;
    uint32_t wait = probe_wait(pcb);

    if (!pcb->unsent || pcb->unacked) {
        /* The peer took the byte that asked, and it was the last. */
        pcb->persist_backoff = 0;
    }
    if (!pcb->persist_backoff || left(pcb->persist_start, wait) ||
        is_excused(pcb, &pcb->persist_start, wait, wait)) {
        return true;
    }
    if (has_probed_enough(pcb, wait)) {
        return false;
    }
    if (probe_send(pcb) != ERR_OK) {
        /* Nobody has seen it. */
        pcb->persist_probe = probes;
        pcb->persist_start = due_in(wait, LOCAL_RETRY);
        return true;
    }
    if (pcb->persist_backoff) {
        pcb->persist_start = tcp_ticks;
        pcb->timer_epoch = 0;
        pcb->persist_backoff += pcb->persist_backoff < 16;
    }
    return true;
}

/* -- keep-alive -------------------------------------------------------------- */

static bool keeps_alive(const struct tcp_pcb *pcb)
{
    return ip_get_option(pcb, SOF_KEEPALIVE) &&
           (pcb->state == ESTABLISHED || pcb->state == CLOSE_WAIT ||
            (pcb->state == FIN_WAIT_2 && !is_alone(pcb))) &&
           !pcb->unacked && !pcb->unsent;
}

static uint32_t keep_wait(const struct tcp_pcb *pcb)
{
    return TICKS(pcb->keep_idle +
                 (uint64_t)pcb->keep_cnt_sent * pcb->keep_intvl) +
           1;
}

static bool is_silent(const struct tcp_pcb *pcb)
{
    if (pcb->user_timeout) {
        return pcb->keep_cnt_sent && !left(pcb->tmr, TICKS(pcb->user_timeout));
    }
    return pcb->keep_cnt_sent >= pcb->keep_cnt;
}

/* Return: false if the connection is to be given up. */
static bool keepalive_run(struct tcp_pcb *pcb)
{
    uint32_t wait = keep_wait(pcb);

    if (!keeps_alive(pcb) || left(pcb->tmr, wait) ||
        is_excused(pcb, &pcb->tmr, wait, TICKS(pcb->keep_intvl))) {
        return true;
    }
    if (is_silent(pcb)) {
        tcp_rst(pcb, pcb->snd_nxt, pcb->rcv_nxt, &pcb->local_ip,
                &pcb->remote_ip, pcb->local_port, pcb->remote_port);
        return false;
    }
    if (tcp_keepalive(pcb) == ERR_OK) {
        pcb->keep_cnt_sent += pcb->keep_cnt_sent < UINT8_MAX;
        pcb->timer_epoch = 0;
    } else {
        pcb->tmr = due_in(wait, LOCAL_RETRY);
    }
    return true;
}

/* -- all of them ------------------------------------------------------------- */

static bool waits_for_fin(const struct tcp_pcb *pcb)
{
    return pcb->state == FIN_WAIT_2 && is_alone(pcb);
}

static uint32_t fin_wait(const struct tcp_pcb *pcb)
{
    return !pcb->linger2      ? FIN_WAIT_TICKS
           : pcb->linger2 < 0 ? 0
                              : TICKS(pcb->linger2 * 1000u);
}

/* Return: false if the connection is to be given up. */
static bool fin_wait_run(struct tcp_pcb *pcb)
{
    if (!waits_for_fin(pcb) || left(pcb->tmr, fin_wait(pcb))) {
        return true;
    }
    if (pcb->linger2 < 0) {
        tcp_rst(pcb, pcb->snd_nxt, pcb->rcv_nxt, &pcb->local_ip,
                &pcb->remote_ip, pcb->local_port, pcb->remote_port);
    }
    return false;
}

/* Something that is done at the next tick, whenever that is. */
static bool wants_tick(const struct tcp_pcb *pcb)
{
    if (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW)) {
        return !tcp_output_is_blocked(pcb);
    }
    return (pcb->flags & TF_CLOSEPEND) || pcb->refused_data ||
           pcb->pollinterval;
}

static void ack_run(struct tcp_pcb *pcb)
{
    tcp_ack_now(pcb);
    tcp_output(pcb);
    /* Data that waits for others (Nagle) did not take it along. */
    if ((pcb->flags & TF_ACK_NOW) && tcp_send_empty_ack(pcb) == ERR_RTE) {
        tcp_clear_flags(pcb, TF_ACK_DELAY | TF_ACK_NOW);
    }
}

static void tick_run(struct tcp_pcb *pcb)
{
    if (pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW)) {
        ack_run(pcb);
    }
    if (pcb->flags & TF_CLOSEPEND) {
        tcp_handle_closepend();
    }
    if (pcb->refused_data) {
        tcp_process_refused_data(pcb);
    }
    if (pcb->pollinterval) {
        if (pcb->poll) {
            pcb->poll(pcb->callback_arg, pcb);
        }
        tcp_output(pcb);
    }
}

static void give_up(struct tcp_pcb *pcb)
{
    tcp_err_fn on_error = pcb->errf;
    void *arg = pcb->callback_arg;

    tcp_pcb_purge(pcb);
    TCP_RMV(&tcp_active_pcbs, pcb);
    tcp_free(pcb);
    if (on_error) {
        on_error(arg, ERR_ABRT);
    }
}

static bool pcb_run(struct tcp_pcb *pcb)
{
    if (wants_tick(pcb)) {
        tick_run(pcb);
    }
    cork_run(pcb);
    return probe_run(pcb) && rexmit_run(pcb) && keepalive_run(pcb) &&
           fin_wait_run(pcb);
}

static uint32_t pcb_left(struct tcp_pcb *pcb)
{
    uint32_t next = TCP_TIMERS_NEVER;

    if (wants_tick(pcb)) {
        return 1;
    }
    if (pcb->persist_backoff) {
        next = left(pcb->persist_start, probe_wait(pcb));
    } else if (pcb->rtime >= 0) {
        next = left(pcb->rtime_start, rexmit_wait(pcb));
    } else if (is_kept(pcb)) {
        next = left(pcb->cork_start, CORK_TICKS);
    } else if (keeps_alive(pcb)) {
        next = left(pcb->tmr, keep_wait(pcb));
    }
    if (waits_for_fin(pcb)) {
        next = least(next, left(pcb->tmr, fin_wait(pcb)));
    }
    if (next != TCP_TIMERS_NEVER && !pcb->timer_epoch) {
        pcb->timer_epoch = tcp_output_epoch(pcb);
    }
    return next ? next : 1;
}

static uint32_t time_wait_run(void)
{
    struct tcp_pcb *pcb, *after;
    uint32_t next = TIME_WAIT_TICKS;

    if (!tcp_tw_pcbs) {
        return TCP_TIMERS_NEVER;
    }
    if ((int32_t)(time_wait_tick - tcp_ticks) > 0) {
        return time_wait_tick - tcp_ticks;
    }
    for (pcb = tcp_tw_pcbs; pcb; pcb = after) {
        uint32_t wait = left(pcb->tmr, TIME_WAIT_TICKS);

        after = pcb->next;
        if (wait) {
            next = least(next, wait);
        } else {
            tcp_pcb_remove(&tcp_tw_pcbs, pcb);
            tcp_free(pcb);
        }
    }
    time_wait_tick = tcp_ticks + next;
    return tcp_tw_pcbs ? next : TCP_TIMERS_NEVER;
}

/**
 * tcp_timers_run() - do what is due at tcp_ticks
 *
 * lwIP calls the library back from here; nothing of that may end a connection.
 *
 * Return: ticks until there is something to do again, at least 1;
 *         TCP_TIMERS_NEVER.
 * Context: lock held; not from within lwIP.
 */
uint32_t tcp_timers_run(void)
{
    struct tcp_pcb *pcb, *after;
    uint32_t next = TCP_TIMERS_NEVER;

    tcp_output_look();
    for (pcb = tcp_active_pcbs; pcb; pcb = after) {
        after = pcb->next;
        if (pcb_run(pcb)) {
            next = least(next, pcb_left(pcb));
        } else {
            give_up(pcb);
        }
    }
    return least(next, time_wait_run());
}

/**
 * tcp_time_wait() - both ends have said that they are through
 * @pcb: of which all that we said is acknowledged
 *
 * Context: lock held, from within lwIP.
 */
void tcp_time_wait(struct tcp_pcb *pcb)
{
    struct tcp_pcb *oldest = tcp_tw_pcbs;
    unsigned n = 1;

    tcp_pcb_purge(pcb);
    TCP_RMV_ACTIVE(pcb);
    pcb->state = TIME_WAIT;
    pcb->tmr = tcp_ticks;
    if (!oldest) {
        time_wait_tick = tcp_ticks + TIME_WAIT_TICKS;
    }
    while (oldest && oldest->next) {
        oldest = oldest->next;
        n++;
    }
    if (n >= TIME_WAIT_MAX) {
        tcp_pcb_remove(&tcp_tw_pcbs, oldest);
        tcp_free(oldest);
    }
    TCP_REG(&tcp_tw_pcbs, pcb);
}

/**
 * tcp_timers_shift() - time has passed in which nobody could do anything
 * @ticks: how much
 *
 * What has come meanwhile has not been looked at: no timer may be due before it
 * was.
 *
 * Context: lock held.
 */
void tcp_timers_shift(uint32_t ticks)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        pcb->rtime_start += ticks;
        pcb->persist_start += ticks;
        pcb->persist_since += ticks;
        pcb->tmr += ticks;
        pcb->rttest = 0;
    }
}

/**
 * tcp_timers_renew() - time has passed that we know nothing of
 *
 * Attempts begin anew, with the time-outs that the way has, so that nobody
 * waits for the minutes that an outage made of them.
 *
 * Context: lock held.
 */
void tcp_timers_renew(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        pcb->rttest = 0;
        pcb->nrtx = 0;
        pcb->rto = TCP_RTO_ESTIMATE(pcb);
        if (pcb->rtime >= 0) {
            TCP_RTIME_START(pcb);
        }
        pcb->timer_epoch = 0;
        pcb->timer_held = 0;
        pcb->persist_probe = 0;
        pcb->persist_start = tcp_ticks;
        if (pcb->keep_cnt_sent) {
            pcb->keep_cnt_sent = 0;
            pcb->tmr = tcp_ticks;
        }
    }
}
