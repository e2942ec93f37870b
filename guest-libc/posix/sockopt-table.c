/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockopt-table.c - options of sockets that are no more than a value
 *
 * Each has its place in struct sock_options.  Who follows it, if anybody does,
 * is said there.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include "guest-libc/posix/calls.h"
#include "guest-libc/posix/sockopt.h"

/* Hidden without extensions. */
#define IP_BIND_NO_PORT    24
#define TCP_SAVED_SYN_WISH 27
#define TCP_INQ_WISH       36

struct row {
    uint16_t level, option;
    uint8_t bytes; /* of its place; 0: a flag, which any value but 0 sets */
    uint16_t offset;
    int32_t least, most; /* -EINVAL beyond */
};

#define PLACE(field)                                                           \
    sizeof(((struct sock_options *)0)->field),                                 \
        offsetof(struct sock_options, field)
#define FLAG(field) 0, offsetof(struct sock_options, field), 0, 0
#define ANY         INT32_MIN, INT32_MAX

static const struct row rows[] = {
    /* @linux sockopt SO_DEBUG SO_DONTROUTE SO_OOBINLINE SO_NO_CHECK
     *   SO_PRIORITY SO_MARK SO_BUSY_POLL SO_INCOMING_CPU SO_MAX_PACING_RATE
     *   SO_RXQ_OVFL - kept and told, of no effect
     * @test guest/programs/sockopts.c "values of SOL_SOCKET are kept" */
    { SOL_SOCKET, SO_DEBUG, FLAG(debug) },
    { SOL_SOCKET, SO_DONTROUTE, FLAG(dontroute) },
    { SOL_SOCKET, SO_OOBINLINE, FLAG(oobinline) },
    { SOL_SOCKET, SO_NO_CHECK, FLAG(no_check) },
    { SOL_SOCKET, SO_PRIORITY, PLACE(priority), ANY },
    { SOL_SOCKET, SO_MARK, PLACE(mark), ANY },
    { SOL_SOCKET, SO_BUSY_POLL, PLACE(busy_poll), 0, INT32_MAX },
    { SOL_SOCKET, SO_INCOMING_CPU, PLACE(incoming_cpu), ANY },
    { SOL_SOCKET, SO_MAX_PACING_RATE, PLACE(max_pacing), ANY },
    { SOL_SOCKET, SO_RXQ_OVFL, FLAG(rxq_ovfl) },
    /* @linux sockopt SO_REUSEADDR SO_REUSEPORT
     * @test guest/programs/binds.c "SO_REUSEADDR, SO_REUSEPORT read back"
     * @linux sockopt SO_BROADCAST SO_KEEPALIVE
     * @test guest/programs/sockopts.c "values of SOL_SOCKET are kept"
     * @test guest/programs/sockets.c "keep-alive options" */
    { SOL_SOCKET, SO_REUSEADDR, FLAG(reuse) },
    { SOL_SOCKET, SO_REUSEPORT, FLAG(reuseport) },
    { SOL_SOCKET, SO_BROADCAST, FLAG(broadcast) },
    { SOL_SOCKET, SO_KEEPALIVE, FLAG(keepalive) },
    /* @linux sockopt SO_TIMESTAMP SO_TIMESTAMPNS - of datagrams alone
     * @test guest/programs/recvflags.c "SO_TIMESTAMP: the time of arrival" */
    { SOL_SOCKET, SO_TIMESTAMP, FLAG(timestamp) },
    { SOL_SOCKET, SO_TIMESTAMPNS, FLAG(timestampns) },

    /* @linux sockopt IP_PKTINFO IP_RECVTTL IP_RECVTOS IP_RECVORIGDSTADDR
     * @test guest/programs/recvflags.c "IP_PKTINFO: where it went to"
     * @test guest/programs/recvflags.c "IP_RECVTTL and IP_RECVTOS" */
    { IPPROTO_IP, IP_PKTINFO, FLAG(pktinfo) },
    { IPPROTO_IP, IP_RECVTTL, FLAG(recvttl) },
    { IPPROTO_IP, IP_RECVTOS, FLAG(recvtos) },
    { IPPROTO_IP, IP_ORIGDSTADDR, FLAG(recvorigdst) },
    /* @linux sockopt IP_RECVERR - kept and told; MSG_ERRQUEUE finds nothing
     * @test guest/programs/sockopts.c "values of IPPROTO_IP are kept"
     * @linux sockopt IP_MTU_DISCOVER IP_BIND_ADDRESS_NO_PORT IP_RECVOPTS
     *   IP_RETOPTS - kept and told, of no effect
     * @test guest/programs/sockopts.c "values of IPPROTO_IP are kept"
     * @linux sockopt IP_FREEBIND
     * @test guest/programs/sockopts.c "values of IPPROTO_IP are kept" */
    { IPPROTO_IP, IP_RECVERR, FLAG(recverr) },
    { IPPROTO_IP, IP_MTU_DISCOVER, PLACE(mtu_discover), 0, 5 },
    { IPPROTO_IP, IP_BIND_NO_PORT, FLAG(bind_no_port) },
    { IPPROTO_IP, IP_RECVOPTS, FLAG(recvopts) },
    { IPPROTO_IP, IP_RETOPTS, FLAG(retopts) },
    { IPPROTO_IP, IP_FREEBIND, FLAG(freebind) },
    /* @linux sockopt IP_MULTICAST_LOOP IP_MULTICAST_ALL - kept and told
     * @test guest/programs/sockopts.c "values of IPPROTO_IP are kept" */
    { IPPROTO_IP, IP_MULTICAST_LOOP, FLAG(multicast_loop) },
    { IPPROTO_IP, IP_MULTICAST_ALL, PLACE(multicast_all), 0, 1 },

    /* @linux sockopt TCP_NODELAY TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT
     * @test guest/programs/sockopts.c "values of IPPROTO_TCP are kept"
     * @linux sockopt TCP_CORK
     * @test guest/programs/corks.c "TCP_CORK keeps what is no full segment"
     * @test unit/libc-net/test-cork.c "/libc/net/cork/segments"
     * @linux sockopt TCP_USER_TIMEOUT
     * @test unit/libc-net/test-tcp.c "test_user_timeout"
     * @linux sockopt TCP_SYNCNT
     * @test unit/libc-net/test-tcp.c "test_syncnt"
     * @linux sockopt TCP_NOTSENT_LOWAT TCP_WINDOW_CLAMP TCP_INQ TCP_SAVE_SYN
     *   TCP_THIN_LINEAR_TIMEOUTS TCP_THIN_DUPACK - kept and told, of no effect
     * @test guest/programs/sockopts.c "values of IPPROTO_TCP are kept" */
    { IPPROTO_TCP, TCP_NODELAY, FLAG(nodelay) },
    { IPPROTO_TCP, TCP_CORK, FLAG(cork) },
    { IPPROTO_TCP, TCP_KEEPIDLE, PLACE(keep_idle_s), 1, 32767 },
    { IPPROTO_TCP, TCP_KEEPINTVL, PLACE(keep_intvl_s), 1, 32767 },
    { IPPROTO_TCP, TCP_KEEPCNT, PLACE(keep_cnt), 1, 127 },
    { IPPROTO_TCP, TCP_USER_TIMEOUT, PLACE(user_timeout_ms), 0, INT32_MAX },
    { IPPROTO_TCP, TCP_SYNCNT, PLACE(syncnt), 1, 127 },
    { IPPROTO_TCP, TCP_NOTSENT_LOWAT, PLACE(notsent_lowat), ANY },
    { IPPROTO_TCP, TCP_WINDOW_CLAMP, PLACE(window_clamp), ANY },
    { IPPROTO_TCP, TCP_INQ_WISH, PLACE(inq), 0, 1 },
    { IPPROTO_TCP, TCP_SAVED_SYN_WISH, PLACE(save_syn), 0, 2 },
    { IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, PLACE(thin_linear), 0, 1 },
    { IPPROTO_TCP, TCP_THIN_DUPACK, PLACE(thin_dupack), 0, 1 },
};

static const struct row *find(const struct sockopt_call *c)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].level == c->level && rows[i].option == c->option) {
            return &rows[i];
        }
    }
    return NULL;
}

/**
 * sockopt_table_set() - set an option that is a value
 * @c: the call
 *
 * Return: 0, -EINVAL, SOCKOPT_OTHER.
 * Context: lock held.
 */
long sockopt_table_set(struct sockopt_call *c)
{
    const struct row *row = find(c);
    uint8_t *place;

    if (!row) {
        return SOCKOPT_OTHER;
    }
    place = (uint8_t *)c->socket.opt + row->offset;
    if (!row->bytes) {
        *(bool *)place = c->number != 0;
        return 0;
    }
    if (c->number < row->least || c->number > row->most) {
        return -EINVAL;
    }
    /* Little-endian: the low bytes come first. */
    memcpy(place, &c->number, row->bytes);
    return 0;
}

/**
 * sockopt_table_get() - read an option that is a value
 * @c: the call
 *
 * Return: 0, SOCKOPT_OTHER.
 * Context: lock held.
 */
long sockopt_table_get(struct sockopt_call *c)
{
    const struct row *row = find(c);

    if (!row) {
        return SOCKOPT_OTHER;
    }
    c->number = 0;
    memcpy(&c->number, (uint8_t *)c->socket.opt + row->offset,
           row->bytes ? row->bytes : sizeof(bool));
    return 0;
}
