/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dgram.h - sockets whose unit is a datagram: UDP, and ICMP in two forms
 *
 * As sock.h: nothing here blocks or touches the file table, addresses and
 * ports are in network byte order, all functions need the lock and return 0 or
 * a negative errno unless they say otherwise.
 */
#ifndef NET_DGRAM_H
#define NET_DGRAM_H

#include "guest-libc/net/sock.h"

struct udp_pcb;

/*
 * enum dgram_kind
 *  UDP   SOCK_DGRAM
 *  PING  SOCK_DGRAM, IPPROTO_ICMP: echo requests of a number of its own (which
 *        stands where a port would), and their replies
 *  RAW   SOCK_RAW, IPPROTO_ICMP: every ICMP message, its IP header before it
 */
enum dgram_kind {
    DGRAM_UDP,
    DGRAM_PING,
    DGRAM_RAW,
};

/* What is known of a datagram that came. */
struct dgram_info {
    struct sock_addr from, to;
    uint64_t wall_ns; /* when it came, since 1970 */
    uint8_t device;   /* OPTION_DEVICE_* */
    uint8_t ttl, tos;
};

/* What sendmsg() asks for, for one datagram. */
struct dgram_control {
    uint32_t source;  /* 0: not said; network byte order */
    uint32_t device;  /* 0: any */
    int32_t ttl, tos; /* -1: the socket's */
};

struct dgram {
    struct file file;
    enum dgram_kind kind;
    struct list node;        /* of all of them */
    struct udp_pcb *pcb;     /* UDP: once it has a port */
    struct sock_addr local;  /* what bind() said; PING, RAW: all of it */
    struct sock_addr remote; /* if @connected */
    int error;               /* positive errno, reported once */
    bool connected;
    bool port_named;     /* by bind(): it outlives connect() to nowhere */
    bool rx_end, tx_end; /* shut down */
    bool tx_waits;       /* the hold was full */
    bool reuse, reuseport;
    uint32_t icmp_filter; /* RAW: types that are not wanted */
    struct sock_options opt;
    struct list queue;     /* of struct dgram_packet, oldest first */
    uint32_t queued_bytes; /* with what keeping them costs */
};

extern const struct file_ops dgram_ops;

/* With one reference, or NULL. */
struct dgram *dgram_create(enum dgram_kind kind, uint32_t flags);
static inline struct dgram *dgram_of(struct file *file)
{
    return file->ops == &dgram_ops ? list_entry(file, struct dgram, file)
                                   : NULL;
}

long dgram_bind(struct dgram *d, const struct sock_addr *local);
/* NULL: not any more. */
long dgram_connect(struct dgram *d, const struct sock_addr *remote);
void dgram_local(struct dgram *d, struct sock_addr *ret_local);
/* All of @uio as one datagram; @to NULL: to whom it is connected. */
long dgram_send(struct dgram *d, struct uio *uio, const struct sock_addr *to,
                const struct dgram_control *control);
/*
 * The oldest datagram, what does not fit of it is lost: bytes copied.
 * @ret_info and @ret_bytes (its whole length) are set then.
 */
long dgram_recv(struct dgram *d, struct uio *uio, bool peek,
                struct dgram_info *ret_info, size_t *ret_bytes);
long dgram_shutdown(struct dgram *d, bool rx, bool tx);
int dgram_take_error(struct dgram *d);
/* Options of the struct have changed. */
void dgram_apply_options(struct dgram *d);

#endif
