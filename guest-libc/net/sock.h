/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock.h - a TCP socket over lwIP's raw interface
 *
 * Nothing here blocks or touches the file table: posix/socket.c waits and
 * numbers.  Addresses and ports are in network byte order.  All functions need
 * the lock and return 0 or a negative errno unless they say otherwise.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include "guest-libc/net/options.h"
#include "guest-libc/posix/file.h"

struct tcp_pcb;
struct pbuf;

/*
 * enum sock_state
 *  NEW         no pcb or one that is only bound; left by sock_listen(),
 *              sock_connect()
 *  LISTENING   @accepted holds connections that nobody has taken; left by
 *              sock_shutdown() -> NEW
 *  CONNECTING  a SYN is out; left by its answer -> CONNECTED, or error -> DEAD
 *  CONNECTED   the pcb may be gone (NULL) once both directions are closed
 *  DEAD        reset or timed out; @error tells why until it was reported
 */
enum sock_state {
    SOCK_NEW,
    SOCK_LISTENING,
    SOCK_CONNECTING,
    SOCK_CONNECTED,
    SOCK_DEAD,
};

struct sock_addr {
    uint32_t address;
    uint16_t port;
};

struct sock {
    struct file file;
    enum sock_state state;
    struct tcp_pcb *pcb;
    int error;       /* positive errno, reported once */
    int soft_error;  /* why attempts may be in vain */
    bool fin;        /* the peer said that no more will come */
    bool rx_end;     /* so it is, or the program wants no more */
    bool tx_end;     /* FIN was sent */
    bool connecting; /* connect() has not said yet how it ended */
    bool port_named, address_named; /* by bind(): they outlive a connection */
    bool tx_waits;                  /* a write found no room */
    bool tx_starved;                /* or no memory: until something is sent */
    bool reuse, reuseport;          /* SO_REUSEADDR, SO_REUSEPORT */
    struct sock_options opt;
    struct pbuf *rx_head, *rx_tail; /* received, in order */
    uint32_t rx_offset;             /* taken of rx_head */
    uint32_t rx_bytes;
    struct list accepted; /* LISTENING: of accept_node */
    struct list accept_node;
    struct list bound_node; /* if @port_named; see names.c */
    struct sock_addr local, remote;
};

/*
 * Bytes came, whether or not there were some already; EPOLLMSG has no other
 * meaning on Linux either, and nobody is told of it.
 */
#define SOCK_EVENT_MORE EPOLLMSG

/* More than half of the window would never come (SO_RCVLOWAT). */
#define SOCK_LOWAT_MAX  (256 * 1024)

extern const struct file_ops sock_ops;

/* Release the last reference as close() does: SO_LINGER may make it wait. */
void sock_close(struct sock *s);

struct sock *sock_create(uint32_t flags);
static inline struct sock *sock_of(struct file *file)
{
    return file->ops == &sock_ops ? list_entry(file, struct sock, file) : NULL;
}

long sock_bind(struct sock *s, const struct sock_addr *local);
long sock_listen(struct sock *s, int backlog);
/* The oldest connection, -EAGAIN without one; takes the file over. */
long sock_accept(struct sock *s, struct sock **ret_sock);
/* -EINPROGRESS, -EISCONN, -EALREADY as connect(2). */
long sock_connect(struct sock *s, const struct sock_addr *remote);
/* How it ended: 0 or the error; -EALREADY if it has not. */
long sock_connect_result(struct sock *s);
/* As if it had never been connected; what bind() said stays. */
void sock_disconnect(struct sock *s);
/* Bytes, 0 at the end, -EAGAIN. */
#define SOCK_RECV_PEEK    1u /* they stay in the queue */
#define SOCK_RECV_DISCARD 2u /* nobody wants to see them */
long sock_recv(struct sock *s, struct uio *uio, uint32_t how);
/* Bytes taken (at least one unless none were given), -EAGAIN, -EPIPE. */
long sock_send(struct sock *s, struct uio *uio, bool more);
long sock_shutdown(struct sock *s, bool rx, bool tx);
uint32_t sock_events(struct file *file);
/* No peer: never had one, or not any more. */
bool sock_is_closed(const struct sock *s);
/* The pending error as a positive number; it is then forgotten. */
int sock_take_error(struct sock *s);
/* Options of the struct have changed: tell lwIP. */
void sock_apply_options(struct sock *s);
/* Send what TCP_CORK and MSG_MORE keep. */
void sock_push(struct sock *s);

/* names.c */
bool name_is_free(const struct sock *s, const struct sock_addr *name);
/* A port that nobody has (@remote: towards there); 0: none. */
uint16_t name_free_port(const struct sock *s, uint32_t address,
                        const struct sock_addr *remote);
void name_keep(struct sock *s);
void name_drop(struct sock *s);

uint32_t sock_mss(const struct sock *s);
/* Bytes that were written and not acknowledged. */
uint32_t sock_unsent(const struct sock *s);

#endif
