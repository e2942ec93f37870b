/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer.c - the other end of the simulated wire
 *
 * Linked together with an lwIP of its own, whose symbols are made local to it
 * (rules.mk), so that two stacks talk to each other in one process.
 */
#include <string.h>
#include "guest-libc/net/tcp-timers.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip4_frag.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"
#include "tests/unit/libc-net/sim.h"

static struct netif peer_if;
static enum peer_mode mode;
static struct tcp_pcb *conn;
static struct pbuf *waiting; /* received, not yet sent back */
static bool ended;           /* the other end's FIN came */
static size_t received_bytes, hello_bytes;

void tcp_timer_needed(void)
{
}

void sys_timeouts_init(void)
{
}

/* Nothing of the peer's is held: its lwIP is not asked about ours. */
uint64_t tcp_output_epoch(const struct tcp_pcb *pcb)
{
    (void)pcb;
    return 0;
}

void tcp_output_look(void)
{
}

bool tcp_output_is_held(const struct tcp_pcb *pcb)
{
    (void)pcb;
    return false;
}

bool tcp_output_is_blocked(const struct tcp_pcb *pcb)
{
    (void)pcb;
    return false;
}

static err_t peer_output(struct netif *netif, struct pbuf *p)
{
    uint8_t frame[2048];

    (void)netif;
    sim_peer_sends(frame, pbuf_copy_partial(p, frame, sizeof(frame), 0));
    return ERR_OK;
}

static err_t peer_if_init(struct netif *netif)
{
    static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

    netif->name[0] = 'p';
    netif->name[1] = 'e';
    netif->output = etharp_output;
    netif->linkoutput = peer_output;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, mac, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP |
                   NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* Send back what fits. */
static void echo_some(void)
{
    while (conn && waiting && mode == PEER_ECHO) {
        struct pbuf *p = waiting;

        if (p->len > tcp_sndbuf(conn) ||
            tcp_write(conn, p->payload, p->len, TCP_WRITE_FLAG_COPY)) {
            break;
        }
        tcp_recved(conn, p->len);
        waiting = p->next;
        if (waiting) {
            pbuf_ref(waiting);
        }
        pbuf_free(p);
    }
    if (conn) {
        tcp_output(conn);
    }
    if (conn && ended && !waiting) {
        tcp_close(conn);
        conn = NULL;
    }
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    (void)arg;
    (void)pcb;
    (void)err;
    if (!p) {
        ended = true;
    } else {
        received_bytes += p->tot_len;
        if (waiting) {
            pbuf_cat(waiting, p);
        } else {
            waiting = p;
        }
    }
    echo_some();
    return ERR_OK;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    (void)arg;
    (void)pcb;
    (void)len;
    echo_some();
    return ERR_OK;
}

static void on_error(void *arg, err_t err)
{
    (void)arg;
    (void)err;
    conn = NULL;
}

static void take(struct tcp_pcb *pcb)
{
    conn = pcb;
    ended = false;
    received_bytes = 0;
    if (waiting) {
        pbuf_free(waiting);
        waiting = NULL;
    }
    tcp_recv(pcb, on_recv);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
    tcp_nagle_disable(pcb);
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    (void)arg;
    if (err || !pcb) {
        return ERR_VAL;
    }
    take(pcb);
    return ERR_OK;
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    static char hello[16384];

    (void)arg;
    (void)err;
    memset(hello, 'p', sizeof(hello));
    tcp_write(pcb, hello, (u16_t)hello_bytes, TCP_WRITE_FLAG_COPY);
    tcp_output(pcb);
    return ERR_OK;
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p,
                        const ip_addr_t *from, u16_t port)
{
    struct pbuf *back = pbuf_clone(PBUF_TRANSPORT, PBUF_RAM, p);

    (void)arg;
    if (back) {
        udp_sendto(pcb, back, from, port);
        pbuf_free(back);
    }
    pbuf_free(p);
}

/**
 * peer_start() - bring the peer up: echo servers on port 7
 */
void peer_start(void)
{
    ip4_addr_t address = { SIM_PEER }, mask = { 0x00ffffff };
    ip4_addr_t none = { 0 };
    struct udp_pcb *u;
    struct tcp_pcb *l;

    lwip_init();
    netif_add(&peer_if, &address, &mask, &none, NULL, peer_if_init,
              ethernet_input);
    netif_set_default(&peer_if);
    netif_set_up(&peer_if);
    l = tcp_new();
    tcp_bind(l, IP_ADDR_ANY, 7);
    l = tcp_listen(l);
    tcp_accept(l, on_accept);
    u = udp_new();
    udp_bind(u, IP_ADDR_ANY, 7);
    udp_recv(u, on_datagram, NULL);
}

/**
 * peer_input() - a frame reaches the peer
 * @frame: header included
 * @len_bytes: its length
 */
void peer_input(const void *frame, size_t len_bytes)
{
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)len_bytes, PBUF_RAM);

    if (!p) {
        return;
    }
    memcpy(p->payload, frame, len_bytes);
    if (peer_if.input(p, &peer_if)) {
        pbuf_free(p);
    }
}

/**
 * peer_tick() - ten milliseconds have passed
 */
void peer_tick(void)
{
    static unsigned ticks;

    tcp_ticks += ++ticks % 2;
    tcp_timers_run();
    if (ticks % 100 == 0) {
        ip_reass_tmr();
    }
}

/**
 * peer_mode() - what the peer does with received bytes
 * @next: send them back, or leave them unread
 */
void peer_mode(enum peer_mode next)
{
    mode = next;
    echo_some();
}

/**
 * peer_connect() - the peer connects to us
 * @port: ours
 * @len_bytes: what it says then, up to 16384
 */
void peer_connect(uint16_t port, size_t len_bytes)
{
    ip_addr_t to = { SIM_ADDRESS };
    struct tcp_pcb *pcb = tcp_new();

    take(pcb);
    hello_bytes = len_bytes;
    tcp_connect(pcb, &to, port, on_connected);
}

/**
 * peer_received_bytes() - on the present connection
 *
 * Return: how many.
 */
size_t peer_received_bytes(void)
{
    return received_bytes;
}

/**
 * peer_is_connected() - is the present connection still there?
 *
 * Return: whether.
 */
bool peer_is_connected(void)
{
    return conn != NULL;
}
