/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluice.h - what Sluice gives a program beyond Linux
 *
 * Link with libsluice.a.  On plain Linux every function fails with ENOSYS, so
 * that one binary runs on both.  Functions return -1 and set errno on failure
 * unless they say otherwise; epochs are 64 bits, 0 is none.  See sluice(3).
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* System call numbers: reflected to the system library, ENOSYS on Linux. */
#define SLUICE_CALL_COMMIT         0x2000
#define SLUICE_CALL_WAIT_COMMITTED 0x2001
#define SLUICE_CALL_EPOCH          0x2002
#define SLUICE_CALL_COMMITTED      0x2003
#define SLUICE_CALL_GENERATION     0x2004
#define SLUICE_CALL_FRAME_OPEN     0x2005
#define SLUICE_CALL_FRAME_SEND     0x2006
#define SLUICE_CALL_FRAME_RECV     0x2007
#define SLUICE_CALL_LINE           0x2008
#define SLUICE_CALL_LINE_COUNTER   0x2009

/* sluice_commit(): return only when the checkpoint is durable. */
#define SLUICE_COMMIT_WAIT         1

/*
 * Ask for a checkpoint of what was done so far.
 * Returns its epoch, to be given to sluice_wait_committed(); ENOTSUP without
 * checkpoints.
 */
int64_t sluice_commit(int flags);
/* Wait until checkpoint @epoch is durable: 0, or EINTR. */
int sluice_wait_committed(int64_t epoch);
/* The epoch being executed. */
int64_t sluice_epoch(void);
/* The greatest epoch known to be durable. */
int64_t sluice_committed(void);
/* Counts recoveries and other restores of this guest. */
int64_t sluice_generation(void);

/*
 * A line is one history of a guest.  Recovery goes on with it; a start from a
 * named checkpoint (a fork) and a rollback begin another.  Whatever must not be
 * the same in two lines (a seed, a key, an identifier) is the program's to
 * throw away then.
 */
enum sluice_line_why {
    SLUICE_LINE_FIRST = 0, /* of this boot */
    SLUICE_LINE_FORK = 1,
    SLUICE_LINE_ROLLBACK = 2,
};

struct sluice_line {
    uint64_t line; /* lines that began since the boot */
    uint64_t generation;
    uint32_t why; /* the present one did: enum sluice_line_why */
    uint32_t reserved;
};

/* Which line this is: 0. */
int sluice_line(struct sluice_line *line);
/* Wait until it is not line->line, then say which: 0, or EINTR. */
int sluice_line_wait(struct sluice_line *line);
/*
 * Where sluice_line.line can be read without a call.  It has changed before any
 * instruction of the program runs in a new line.  NULL on failure.
 */
const volatile uint64_t *sluice_line_counter(void);

/*
 * Raw Ethernet frames of a type of their own, beside TCP.  The descriptor can
 * be polled, set non-blocking and closed like any other; several may be open,
 * each gets all frames.
 */
#define SLUICE_FRAME_ETHERTYPE 0x88b5
#define SLUICE_FRAME_ADDRESS   6

int sluice_frame_open(void);
/*
 * One frame of @len_bytes payload for hardware address @to (NULL: broadcast).
 * Waits while the hold is full, or EAGAIN.  Returns 0; EMSGSIZE beyond the MTU.
 */
int sluice_frame_send(int fd, const unsigned char *to, const void *payload,
                      size_t len_bytes);
/*
 * The oldest frame received: the length of its payload, of which at most
 * @room_bytes are stored; @from may be NULL.  Waits for one, or EAGAIN.
 */
long sluice_frame_recv(int fd, unsigned char *from, void *payload,
                       size_t room_bytes);

#ifdef __cplusplus
}
#endif

#endif
