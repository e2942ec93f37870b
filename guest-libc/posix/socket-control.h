/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket-control.h - control messages of sendmsg() and recvmsg() */
#ifndef POSIX_SOCKET_CONTROL_H
#define POSIX_SOCKET_CONTROL_H

#include "guest-libc/posix/socket.h"

long control_get(struct dgram_control *control, uint64_t user_control,
                 uint64_t len_bytes);
long control_put(struct socket_transfer *t, uint64_t user_control,
                 uint64_t *len_bytes);

#endif
