/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libsluice.c - sluice.h as system calls
 *
 * Every function is one call; the work is in posix/sluice.c.  Nothing but
 * syscall() is asked of the program's C library, so the same source serves
 * musl and glibc.
 */
#define _GNU_SOURCE
#include <unistd.h>
#include "sluice.h"

/**
 * sluice_commit() - ask for a checkpoint
 * @flags: SLUICE_COMMIT_WAIT or 0
 *
 * Return: its epoch, or -1.
 */
int64_t sluice_commit(int flags)
{
    return syscall(SLUICE_CALL_COMMIT, flags);
}

/**
 * sluice_wait_committed() - wait until a checkpoint is durable
 * @epoch: of sluice_commit() or sluice_epoch()
 *
 * Return: 0 or -1.
 */
int sluice_wait_committed(int64_t epoch)
{
    return (int)syscall(SLUICE_CALL_WAIT_COMMITTED, epoch);
}

/**
 * sluice_epoch() - the epoch being executed
 *
 * Return: it, or -1.
 */
int64_t sluice_epoch(void)
{
    return syscall(SLUICE_CALL_EPOCH);
}

/**
 * sluice_committed() - the greatest epoch known to be durable
 *
 * Return: it, or -1.
 */
int64_t sluice_committed(void)
{
    return syscall(SLUICE_CALL_COMMITTED);
}

/**
 * sluice_generation() - which life of the guest this is
 *
 * Return: the generation, or -1.
 */
int64_t sluice_generation(void)
{
    return syscall(SLUICE_CALL_GENERATION);
}

/**
 * sluice_frame_open() - a descriptor for raw frames
 *
 * Return: it, or -1.
 */
int sluice_frame_open(void)
{
    return (int)syscall(SLUICE_CALL_FRAME_OPEN, 0);
}

/**
 * sluice_frame_send() - send one raw frame
 * @fd: of sluice_frame_open()
 * @to: hardware address, or NULL for broadcast
 * @payload: what follows the Ethernet header
 * @len_bytes: its length
 *
 * Return: 0 or -1.
 */
int sluice_frame_send(int fd, const unsigned char *to, const void *payload,
                      size_t len_bytes)
{
    return (int)syscall(SLUICE_CALL_FRAME_SEND, fd, to, payload, len_bytes);
}

/**
 * sluice_frame_recv() - receive one raw frame
 * @fd: of sluice_frame_open()
 * @from: hardware address of the sender, or NULL
 * @payload: what follows the Ethernet header
 * @room_bytes: how much of it may be stored
 *
 * Return: length of the payload, or -1.
 */
long sluice_frame_recv(int fd, unsigned char *from, void *payload,
                       size_t room_bytes)
{
    return syscall(SLUICE_CALL_FRAME_RECV, fd, from, payload, room_bytes);
}

/**
 * sluice_line() - which line of the guest this is
 * @line: gets it
 *
 * Return: 0 or -1.
 */
int sluice_line(struct sluice_line *line)
{
    return (int)syscall(SLUICE_CALL_LINE, line, 0);
}

/**
 * sluice_line_wait() - wait for another line to begin
 * @line: of sluice_line(); gets the next
 *
 * Return: 0 or -1.
 */
int sluice_line_wait(struct sluice_line *line)
{
    return (int)syscall(SLUICE_CALL_LINE, line, 1);
}

/**
 * sluice_line_counter() - where the number of the line can be read
 *
 * Return: its address, or NULL.
 */
const volatile uint64_t *sluice_line_counter(void)
{
    long at = syscall(SLUICE_CALL_LINE_COUNTER);

    return at == -1 ? NULL : (const volatile uint64_t *)at;
}
