/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tcp-timers.h - TCP's timers, and what they want to know of the network */
#ifndef NET_TCP_TIMERS_H
#define NET_TCP_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct tcp_pcb;

#define TCP_TIMERS_NEVER UINT32_MAX

/* Do what is due at tcp_ticks; return: ticks until the next, at least 1. */
uint32_t tcp_timers_run(void);
/* Nobody could do anything for so long: it does not count. */
void tcp_timers_shift(uint32_t ticks);
/* Time has passed that we know nothing of: start all attempts anew. */
void tcp_timers_renew(void);

/* Send what TCP_CORK and MSG_MORE keep. */
void tcp_output_kept(struct tcp_pcb *pcb);

/*
 * Where TCP's output lies; by link.c. An epoch is that of which a frame that is
 * sent now is a part, 0 without checkpoints. What of it has not left the hold
 * cannot be answered.
 */
uint64_t tcp_output_epoch(const struct tcp_pcb *pcb);
/* What was asked of the host before is out of date. */
void tcp_output_look(void);
bool tcp_output_is_held(const struct tcp_pcb *pcb);
/* No frame of this connection would be taken now. */
bool tcp_output_is_blocked(const struct tcp_pcb *pcb);

#endif
