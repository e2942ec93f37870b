/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * script.h - a peer that says what a script tells it, segment by segment
 *
 * The peer is a host of its own on the simulated wire.  A script is a text of
 * steps, one a line or divided by ';'.  Sequence numbers count from each end's
 * SYN, which is 0: the first byte is 1.
 *
 *  < FLAGS SEQ[+LEN] [ack N] [win N] [mss N] [ws N]   the peer sends; LEN bytes
 *                                                      of data
 *  > FLAGS SEQ[+LEN] [ack N]   the guest sends this next and nothing before, at
 *                              once or while the step before waits
 *  @MS > ...                   MS after the last segment, give or take an eighth
 *  .MS                         let so many milliseconds pass
 *  -MS                         the same, and the guest sends nothing
 *  icmp TYPE CODE SEQ [mtu N]  the network tells of the guest's segment SEQ
 *
 * FLAGS are letters of FSRPA; on what the guest sends P is not looked at.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdint.h>

#define SCRIPT_PEER 0x4d00a8c0u /* 192.168.0.77 */

/* A new peer port, and the guest's port that it speaks to. */
void script_begin(uint16_t guest_port);
/* The port that the peer speaks from. */
uint16_t script_port(void);
/* Speak from that port again; numbers still count from the guest's last SYN. */
void script_as(uint16_t port);
void script_run(const char *file, int line, const char *text);
#define SCRIPT(text) script_run(__FILE__, __LINE__, text)
/* What the guest sent since, and throw it away: bytes of data. */
unsigned script_drain(void);

#endif
