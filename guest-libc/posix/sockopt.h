/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sockopt.h - between the files of setsockopt() and getsockopt() */
#ifndef POSIX_SOCKOPT_H
#define POSIX_SOCKOPT_H

#include "guest-libc/posix/socket.h"

#define SOCKOPT_VALUE_MAX 256u /* struct tcp_info is the longest */

/* One call; the program's value has been read, or is to be written. */
struct sockopt_call {
    struct socket socket;
    uint32_t level, option;
    uint32_t len_bytes;  /* set: of the program's; get: of @bytes */
    uint32_t room_bytes; /* get: of the program's */
    union {
        uint8_t bytes[SOCKOPT_VALUE_MAX];
        int32_t number;
        uint32_t word[4];
    };
};

/* Not one of those that the function knows. */
#define SOCKOPT_OTHER 1L

/* sockopt-table.c: options that are no more than a value */
long sockopt_table_set(struct sockopt_call *c);
long sockopt_table_get(struct sockopt_call *c);

/* sockopt-ip.c: level IPPROTO_IP */
long sockopt_ip_set(struct sockopt_call *c);
long sockopt_ip_get(struct sockopt_call *c);

/* sockopt-tcp.c: level IPPROTO_TCP */
long sockopt_tcp_set(struct sockopt_call *c);
long sockopt_tcp_get(struct sockopt_call *c);

#endif
