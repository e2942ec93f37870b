/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame.h - files of raw frames; all functions need the lock */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "guest-libc/posix/file.h"

#define FRAME_ADDRESS 6u

/* With one reference; NULL without memory. */
struct file *frame_open(void);
bool frame_is(const struct file *file);
/* 0, -EAGAIN (the hold is full) or -EINTR, -EMSGSIZE, -ENETDOWN. */
long frame_send(const uint8_t *to, const uint8_t *payload, size_t len_bytes,
                bool nonblock);
/*
 * The oldest frame: length of its payload, -EAGAIN.  It stays owned by @file
 * until frame_drop().
 */
long frame_peek(struct file *file, const uint8_t **ret_from,
                const uint8_t **ret_payload);
void frame_drop(struct file *file);

#endif
