/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.c - between lwIP and the frames of prim.h
 *
 * A received frame is copied out of the ring at once: what has been
 * acknowledged and still waits for the program must lie in memory that a
 * checkpoint covers at its own place, and the ring goes on being written.  The
 * copy is exactly as long as the frame, so small ones stay together.
 *
 * A frame that the gate has no room for is refused to lwIP (ERR_WOULDBLOCK).  TCP keeps
 * the segment on its queue then, and link_retry() sends it when the gate goes
 * on: nothing is dropped for want of room (G3 is about what left the guest; a
 * segment that never did is just late).
 */
#include <errno.h>
#include <string.h>
#include "guest-libc/net/net-internal.h"
#include "guest-libc/net/tcp-timers.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "netif/ethernet.h"

#define LINK_BATCH   64u
#define LINK_IOV_MAX 16u
#define LINK_HEADER  14u /* Ethernet */
#define LINK_MTU_MIN 68u /* RFC 791 */

static struct netif link_if;
static struct sys_net *link_net;
static uint32_t link_no_event; /* slept on when there is no network */
static bool link_blocked;      /* the hold was full at the last attempt */
static uint32_t blocked_event; /* the event word before that attempt */
static uint32_t room_word;     /* changes when the hold goes on */
static uint32_t room_waiters;
static bool epoch_known, committed_known; /* for this look */
static uint64_t epoch_now, committed_now;
static bool announce_waits; /* the hold was full when we had to speak up */

static bool is_type(const uint8_t *frame, uint16_t type)
{
    return frame[12] == type >> 8 && frame[13] == (type & 0xff);
}

/* Of an IPv4 packet: more follow, or it is not the first. */
static bool is_fragment(const uint8_t *frame, uint32_t len_bytes)
{
    return len_bytes > LINK_HEADER + 8 && is_type(frame, ETHTYPE_IP) &&
           ((frame[LINK_HEADER + 6] & 0x3f) || frame[LINK_HEADER + 7]);
}

/**
 * link_send() - one frame to the gate
 * @iov: its pieces, header included
 * @n: how many
 *
 * Return: as prim_net_send(); -ENETDOWN without a network.
 * Context: lock held.
 */
long link_send(const struct sys_iov *iov, uint32_t n)
{
    uint32_t event;
    long ret;

    if (!link_net) {
        return -ENETDOWN;
    }
    /* Before the attempt: the hold may go on right after it. */
    event = __atomic_load_n(&link_net->event, __ATOMIC_ACQUIRE);
    ret = prim_net_send(iov, n);
    if (ret == -EAGAIN) {
        link_blocked = true;
        blocked_event = event;
    }
    return ret;
}

/**
 * link_send_wait() - one frame to the gate, however long the hold is full
 * @iov: its pieces, header included
 * @n: how many
 *
 * Return: as link_send() but for -EAGAIN; -EINTR.
 * Context: a thread of the program, lock held; released while it sleeps.
 */
long link_send_wait(const struct sys_iov *iov, uint32_t n)
{
    for (;;) {
        uint32_t seen = room_word;
        long ret = link_send(iov, n);

        if (ret != -EAGAIN) {
            return ret;
        }
        room_waiters++;
        ret = net_sleep(&room_word, seen, SYS_FOREVER);
        room_waiters--;
        if (ret == -EINTR) {
            return ret;
        }
    }
}

static err_t link_output(struct netif *netif, struct pbuf *p)
{
    struct sys_iov iov[LINK_IOV_MAX];
    uint32_t n = 0;
    long ret;

    (void)netif;
    if (pbuf_clen(p) > LINK_IOV_MAX) {
        return ERR_BUF;
    }
    if (is_type(p->payload, ETHTYPE_ARP)) {
        clock_arp_asked();
    }
    for (struct pbuf *q = p; q; q = q->next) {
        iov[n].addr = (uintptr_t)q->payload;
        iov[n].len_bytes = q->len;
        n++;
    }
    ret = link_send(iov, n);
    return ret == -EAGAIN ? ERR_WOULDBLOCK : (ret ? ERR_IF : ERR_OK);
}

static err_t link_init(struct netif *netif)
{
    netif->name[0] = 'n';
    netif->name[1] = 'c';
    netif->output = etharp_output;
    netif->linkoutput = link_output;
    netif->mtu = link_net->mtu;
    netif->hwaddr_len = sizeof(link_net->mac);
    memcpy(netif->hwaddr, link_net->mac, sizeof(link_net->mac));
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP |
                   NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void link_address(uint32_t address, uint32_t netmask, uint32_t gateway)
{
    ip4_addr_t own = { .addr = address };
    ip4_addr_t mask = { .addr = netmask };
    ip4_addr_t router = { .addr = gateway };

    netif_set_addr(&link_if, &own, &mask, &router);
}

/**
 * link_limit_mtu() - frames are to be no longer than the network says
 * @mtu: bytes of their payload
 *
 * What no IPv4 network may say, or more than the NIC takes, is not listened to.
 *
 * Context: lock held.
 */
void link_limit_mtu(uint16_t mtu)
{
    if (mtu >= LINK_MTU_MIN && mtu < link_net->mtu) {
        link_if.mtu = mtu;
    }
}

/**
 * link_mtu_set() - what the host says the network takes
 * @mtu: bytes, 0: as much as the NIC
 *
 * Context: lock held, or before the program runs.
 */
void link_mtu_set(uint16_t mtu)
{
    link_if.mtu = link_net->mtu;
    link_limit_mtu(mtu);
}

/**
 * link_start() - lwIP, its loopback interface, and the NIC if there is one
 * @net: addresses, or NULL
 *
 * Return: whether there is a NIC.
 * Context: once, before the program runs.
 */
bool link_start(const struct boot_net *net)
{
    static const uint8_t no_mac[6];
    bool own_mac;
    long ret;

    lwip_init();
    icmp_start();
    if (!net || (!net->address && !(net->flags & BOOT_NET_DHCP))) {
        return false;
    }
    own_mac = memcmp(net->mac, no_mac, sizeof(no_mac)) != 0;
    ret = prim_net_attach(own_mac ? net->mac : NULL, &link_net);
    if (ret) {
        lib_log("no network: %ld", ret);
        link_net = NULL;
        return false;
    }
    netif_add_noaddr(&link_if, NULL, link_init, ethernet_input);
    link_mtu_set(net->mtu);
    if (net->hostname[0]) {
        netif_set_hostname(&link_if, boot_hostname());
    }
    if (net->dns) {
        resolv_set(&net->dns, 1);
    }
    netif_set_default(&link_if);
    link_address(net->address, net->netmask, net->gateway);
    netif_set_up(&link_if);
    if (net->flags & BOOT_NET_DHCP) {
        lease_start(&link_if);
    }
    return true;
}

/**
 * link_event() - the word that changes when frames arrive
 *
 * Return: its address, never NULL.
 */
uint32_t *link_event(void)
{
    return link_net ? &link_net->event : &link_no_event;
}

/**
 * link_mac() - our hardware address
 *
 * Return: six bytes, or NULL without a network.
 */
const uint8_t *link_mac(void)
{
    return link_net ? link_if.hwaddr : NULL;
}

/**
 * link_mtu() - the largest payload of a frame
 *
 * Return: bytes, 0 without a network.
 */
uint16_t link_mtu(void)
{
    return link_net ? link_if.mtu : 0;
}

/**
 * net_is_local() - is there nothing but loopback?
 *
 * Return: true without a NIC.
 */
bool net_is_local(void)
{
    return !link_net;
}

/**
 * net_address() - this process's address
 *
 * Return: network byte order, 0 without a network.
 */
uint32_t net_address(void)
{
    return link_net ? netif_ip4_addr(&link_if)->addr : 0;
}

/**
 * link_is_ours() - may a socket have this local address?
 * @address: network byte order
 *
 * Return: whether it is 0 (any), of loopback, or the interface's.
 */
bool link_is_ours(uint32_t address)
{
    return !address || (address & 0xff) == 127 || address == net_address();
}

/*
 * What a frame's memory is for: all but what acknowledges and no more waits for
 * the program, or may.
 */
static enum heap_use use_of(const uint8_t *frame, uint32_t len_bytes)
{
    const uint8_t *ip = frame + LINK_HEADER;
    uint32_t ip_bytes, total;

    if (!is_type(frame, ETHTYPE_IP)) {
        return HEAP_CONTROL;
    }
    if (len_bytes < LINK_HEADER + IP_HLEN + TCP_HLEN || ip[9] != IP_PROTO_TCP) {
        return HEAP_RECEIVED;
    }
    ip_bytes = (ip[0] & 15) * 4;
    total = ip[2] << 8 | ip[3];
    if (LINK_HEADER + ip_bytes + TCP_HLEN > len_bytes ||
        (ip[ip_bytes + 13] & (TCP_SYN | TCP_ACK)) == TCP_SYN ||
        ip_bytes + (ip[ip_bytes + 12] >> 4) * 4 < total) {
        return HEAP_RECEIVED;
    }
    return HEAP_CONTROL;
}

static void frame_deliver(const uint8_t *data, uint32_t len_bytes)
{
    enum heap_use before;
    struct pbuf *p;

    if (len_bytes < LINK_HEADER || len_bytes > CKPT_FRAME_MAX) {
        return;
    }
    if (is_type(data, FRAME_ETHERTYPE)) {
        frame_input(data, len_bytes);
        return;
    }
    if (is_fragment(data, len_bytes)) {
        clock_fragment();
    }
    /* Without memory the frame is lost as on a busy wire. */
    before = heap_net_use(use_of(data, len_bytes));
    p = pbuf_alloc(PBUF_RAW, (u16_t)len_bytes, PBUF_RAM);
    heap_net_use(before);
    if (!p) {
        return;
    }
    memcpy(p->payload, data, len_bytes);
    if (link_if.input(p, &link_if) != ERR_OK) {
        pbuf_free(p);
    }
}

/**
 * link_receive() - give lwIP the frames that lie in the ring
 *
 * The layout of the ring is in abi/guest-syscall.h.  The kernel is trusted,
 * but a frame's length is checked against what the ring holds all the same: a
 * length that cannot be is our own broken invariant.
 *
 * Return: frames taken, at most a batch.
 * Context: lock held.
 */
unsigned link_receive(void)
{
    const uint8_t *data;
    uint64_t head, tail;
    unsigned n = 0;

    if (!link_net) {
        return 0;
    }
    data = (const uint8_t *)link_net + link_net->data_offset;
    do {
        /* Pairs with the kernel's release after it wrote the frames. */
        head = __atomic_load_n(&link_net->head, __ATOMIC_ACQUIRE);
    } while (line_look());
    tail = link_net->tail;
    while (tail != head && n < LINK_BATCH) {
        uint64_t at = tail & (link_net->size_bytes - 1);
        uint32_t len;

        memcpy(&len, data + at, sizeof(len));
        if (len == SYS_NET_PAD) {
            tail += link_net->size_bytes - at;
            continue;
        }
        lib_assert(at + sizeof(len) + len <= link_net->size_bytes);
        if (!n) {
            clock_touch();
        }
        frame_deliver(data + at + sizeof(len), len);
        tail += (sizeof(len) + len + 15) & ~15ull;
        n++;
    }
    /* Pairs with the kernel's acquire before it writes over them. */
    __atomic_store_n(&link_net->tail, tail, __ATOMIC_RELEASE);
    return n;
}

/**
 * link_discard() - frames that lie in the ring are lost
 *
 * Context: lock held.
 */
void link_discard(void)
{
    uint64_t head = __atomic_load_n(&link_net->head, __ATOMIC_ACQUIRE);

    __atomic_store_n(&link_net->tail, head, __ATOMIC_RELEASE);
}

/**
 * link_retry() - the hold goes on: send what it refused
 *
 * Context: lock held.
 */
void link_retry(void)
{
    if (link_blocked && *link_event() != blocked_event) {
        link_blocked = false;
        net_wake(&room_word, room_waiters);
        clock_touch();
        dgram_room();
        tcp_txnow();
        if (announce_waits) {
            link_announce();
        }
    }
}

/* Does it stay within this host? */
static bool is_inner(const struct tcp_pcb *pcb)
{
    uint32_t remote = ip_2_ip4(&pcb->remote_ip)->addr;

    return !link_net || (remote & 0xff) == 127 || remote == net_address();
}

/**
 * tcp_output_epoch() - of which epoch is what a connection sends now?
 * @pcb: the connection
 *
 * Return: the epoch, 0 if nothing is held.
 * Context: lock held.
 */
uint64_t tcp_output_epoch(const struct tcp_pcb *pcb)
{
    if (is_inner(pcb)) {
        return 0;
    }
    if (!epoch_known) {
        epoch_now = (uint64_t)prim_query(SYS_QUERY_EPOCH);
        epoch_known = true;
    }
    return epoch_now;
}

/**
 * tcp_output_look() - ask the host anew for epochs
 *
 * Each question is some exits of the virtual machine: one is enough for all
 * connections that are looked through.
 *
 * Context: lock held.
 */
void tcp_output_look(void)
{
    epoch_known = committed_known = false;
}

static uint64_t epoch_committed(void)
{
    if (!committed_known) {
        committed_now = (uint64_t)prim_query(SYS_QUERY_COMMITTED);
        committed_known = true;
    }
    return committed_now;
}

/**
 * tcp_output_is_blocked() - has the hold no room for a connection's frames?
 * @pcb: the connection
 *
 * Return: whether.
 * Context: lock held.
 */
bool tcp_output_is_blocked(const struct tcp_pcb *pcb)
{
    return link_blocked && !is_inner(pcb);
}

/**
 * tcp_output_is_held() - does what a connection sent last lie in the hold?
 * @pcb: the connection; timer_epoch is the epoch of what it sent
 *
 * Return: whether, or whether it has not even been taken.
 * Context: lock held.
 */
bool tcp_output_is_held(const struct tcp_pcb *pcb)
{
    return tcp_output_is_blocked(pcb) || (pcb->timer_epoch && !is_inner(pcb) &&
                                          epoch_committed() < pcb->timer_epoch);
}

/**
 * link_loop() - deliver what this host sent to itself
 *
 * Context: lock held; not from within lwIP.
 */
void link_loop(void)
{
    netif_poll_all();
}

/**
 * link_announce() - tell the network where our address is now
 *
 * If the hold is full it is told as soon as that goes on.
 *
 * Context: lock held.
 */
void link_announce(void)
{
    if (link_net && net_address()) {
        announce_waits = etharp_gratuitous(&link_if) == ERR_WOULDBLOCK;
    }
}

/**
 * link_prompt_peers() - have peers send again at once what got lost
 *
 * Segments that reached the host while nobody was there to take them are lost
 * without a trace, and a peer may wait for seconds before it tries again.
 * Three duplicate acknowledgements are how TCP says that something is missing
 * (RFC 5681); a peer that has nothing outstanding ignores them.
 *
 * Context: lock held.
 */
void link_prompt_peers(void)
{
    struct tcp_pcb *pcb;

    for (pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        for (int i = 0; i < 3 && pcb->state >= ESTABLISHED; i++) {
            tcp_send_empty_ack(pcb);
        }
    }
}

/**
 * link_forget_neighbours() - drop what is known of them and waits for them
 *
 * Context: lock held; not from within lwIP.
 */
void link_forget_neighbours(void)
{
    if (link_net) {
        etharp_cleanup_netif(&link_if);
    }
}

/**
 * net_readdress() - be somebody else from now on
 * @mac: hardware address, NULL for the same; the kernel knows it already
 * @address: of ours; network byte order like the others
 * @netmask: of our network
 * @gateway: 0 for none
 * @by_dhcp: ask for an address; the lease that we have is another's
 *
 * What waits for a neighbour's answer was made by the old identity and would
 * leave under the new one's hardware address: it is dropped.
 *
 * Context: lock held; not from within lwIP.
 */
void net_readdress(const uint8_t mac[6], uint32_t address, uint32_t netmask,
                   uint32_t gateway, bool by_dhcp)
{
    bool same = address == net_address();

    if (!link_net) {
        return;
    }
    lease_stop();
    link_forget_neighbours();
    if (mac) {
        memcpy(link_if.hwaddr, mac, sizeof(link_if.hwaddr));
    }
    clock_touch();
    link_address(address, netmask, gateway);
    /* A new address lwIP announces by itself. */
    if (same) {
        link_announce();
    }
    if (by_dhcp) {
        lease_start(&link_if);
    }
}
