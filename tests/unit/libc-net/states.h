/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * states.h - a connection in each state of TCP, with a scripted peer
 *
 * The peer has sent 100 bytes when a connection is there, so that its numbers
 * go on at 101; the guest has sent none.
 */
#ifndef STATES_H
#define STATES_H

#include <stddef.h>
#include <stdint.h>

#define MS 1000000ull
#define S  1000000000ull

#define CALL(handler, ...)                                                     \
    (handler)(&(struct sys_args){ .arg = { __VA_ARGS__ } })
#define P(pointer) ((uint64_t)(uintptr_t)(pointer))

/* On which the peer connects, and the connection; -1: none, or not accepted. */
extern long listener, fd;

/* The world, once. */
void states_start(void);

void syn_sent(void);
void syn_rcvd(void);
void established(void);
void fin_wait_1(void);
void fin_wait_2(void);
void closing(void);
void time_wait(void);
void close_wait(void);
void last_ack(void);
/* Nothing of it speaks up any more. */
void end(void);

/* SO_ERROR */
int error_of(void);
/* Bytes 0; all of them are taken. */
void write_all(size_t len);

#endif
