/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netswitch.c - frames between the NIC and the processes, by MAC address
 *
 * A process that attached has a port: an address and a ring in memory that it
 * shares with the kernel.  Frames for a local address never leave the guest;
 * group addresses go to all.  Nothing above Ethernet is looked at.
 *
 * The ring is the library's memory: what it says in tail is checked, and the
 * kernel's own head counts, not the one that the library can see.
 *
 * A frame from outside that finds no room stays in its receive buffer, and so
 * do those behind it.  A process that is alone may keep all buffers: then the
 * host does the waiting, and nothing is lost however many peers speak at once.
 * Where there are others it has a share that leaves buffers for them; beyond it
 * frames are dropped and counted.  What was kept is tried again when the process
 * waits or sends, and whenever nic.c looks for frames; it does so by its timer
 * as long as something is kept, since a process that does neither may have made
 * room all the same.
 */
#include "kernel.h"

#define FRAME_ALIGN  16u
#define RECORD_BYTES sizeof(uint32_t)
#define RX_SPARE     2u /* buffers that no process may keep */
#define RING_BYTES   (PAGE_BYTES + SYS_NET_RING_BYTES)

_Static_assert((SYS_NET_RING_BYTES & (SYS_NET_RING_BYTES - 1)) == 0,
               "counters run over");

static struct list ports;
static uint32_t n_ports;
static struct slab port_slab;

/**
 * netswitch_init - prepare for the first port
 */
void netswitch_init(void)
{
    list_init(&ports);
    slab_init(&port_slab, sizeof(struct net_port));
}

static struct net_port *port_of(struct list *node)
{
    return CONTAINER_OF(node, struct net_port, node);
}

static struct net_port *find_port(const uint8_t *mac)
{
    struct list *node;

    for (node = ports.next; node != &ports; node = node->next) {
        if (memcmp(port_of(node)->mac, mac, 6) == 0) {
            return port_of(node);
        }
    }
    return NULL;
}

static bool is_group(const uint8_t *mac)
{
    return mac[0] & 1;
}

/**
 * netswitch_ring_bytes - memory that a port needs
 *
 * Return: bytes behind one another, a whole number of pages.
 */
uint32_t netswitch_ring_bytes(void)
{
    return RING_BYTES;
}

static void make_ring(struct net_port *port)
{
    memset(port->ring, 0, RING_BYTES);
    port->ring->size_bytes = SYS_NET_RING_BYTES;
    port->ring->data_offset = PAGE_BYTES;
    port->ring->mtu = (uint16_t)nic_mtu();
    memcpy(port->ring->mac, port->mac, sizeof(port->mac));
}

/**
 * netswitch_attach - give a process a port
 * @process: the process
 * @mac: the address whose frames it gets
 *
 * Return: 0, -EEXIST, -EINVAL (a group address) or -ENOMEM.
 */
int netswitch_attach(struct process *process, const uint8_t mac[6])
{
    struct net_port *port;
    uint64_t user_addr;

    if (is_group(mac)) {
        return -EINVAL;
    }
    if (process->port != NULL || find_port(mac) != NULL) {
        return -EEXIST;
    }
    user_addr = vm_find_free(&process->vm, RING_BYTES, SYS_MAP_LIBRARY);
    port = slab_alloc_zero(&port_slab);
    if (user_addr == 0 || port == NULL ||
        vm_map(&process->vm, user_addr, RING_BYTES,
               SYS_PROT_READ | SYS_PROT_WRITE, VMA_PHYS,
               process->ring_paddr) != 0) {
        if (port != NULL) {
            slab_free(&port_slab, port);
        }
        return -ENOMEM;
    }
    port->process = process;
    port->user_addr = user_addr;
    memcpy(port->mac, mac, sizeof(port->mac));
    port->ring = pmem_to_virt(process->ring_paddr);
    make_ring(port);
    list_add_before(&ports, &port->node);
    n_ports++;
    process->port = port;
    return 0;
}

/**
 * netswitch_detach - take a process's port away
 * @process: the process, ending
 */
void netswitch_detach(struct process *process)
{
    struct net_port *port = process->port;
    uint32_t i;

    if (port == NULL) {
        return;
    }
    for (i = 0; i < port->n_held; i++) {
        nic_rx_return(port->held[i].buffer);
    }
    list_remove(&port->node);
    n_ports--;
    slab_free(&port_slab, port);
    process->port = NULL;
}

/**
 * netswitch_readdress - frames for another address from now on (R2)
 * @port: the port
 * @mac: the address
 *
 * Frames that were kept for the port were the line's before: they are lost.
 */
void netswitch_readdress(struct net_port *port, const uint8_t mac[6])
{
    uint32_t i;

    for (i = 0; i < port->n_held; i++) {
        nic_rx_return(port->held[i].buffer);
    }
    port->n_held = 0;
    memcpy(port->mac, mac, sizeof(port->mac));
    memcpy(port->ring->mac, mac, sizeof(port->ring->mac));
}

/**
 * netswitch_notice - something happened that a process waits for
 * @port: its port
 */
void netswitch_notice(struct net_port *port)
{
    __atomic_fetch_add(&port->ring->event, 1, __ATOMIC_RELEASE);
    wait_wake(port->process, port->user_addr + offsetof(struct sys_net, event),
              UINT32_MAX);
}

/* Put one frame into a ring; false if there is no room. */
static bool ring_put(struct net_port *port, const uint8_t *frame,
                     uint32_t len_bytes)
{
    uint8_t *data = (uint8_t *)port->ring + PAGE_BYTES;
    uint64_t tail = __atomic_load_n(&port->ring->tail, __ATOMIC_ACQUIRE);
    uint64_t used = port->head - tail;
    uint32_t need = ALIGN_UP(RECORD_BYTES + len_bytes, FRAME_ALIGN);
    uint32_t at = port->head % SYS_NET_RING_BYTES;
    uint32_t to_end = SYS_NET_RING_BYTES - at;
    uint32_t skip = to_end < need ? to_end : 0;
    uint32_t pad = SYS_NET_PAD;

    if (used > SYS_NET_RING_BYTES ||
        SYS_NET_RING_BYTES - used < (uint64_t)need + skip) {
        return false;
    }
    if (skip != 0) {
        memcpy(data + at, &pad, sizeof(pad));
        at = 0;
    }
    memcpy(data + at, &len_bytes, sizeof(len_bytes));
    memcpy(data + at + RECORD_BYTES, frame, len_bytes);
    port->head += skip + need;
    /* Pairs with the library's load of head: the frame is whole by then. */
    __atomic_store_n(&port->ring->head, port->head, __ATOMIC_RELEASE);
    return true;
}

/* A frame that cannot wait: into the ring, or dropped. */
static void deliver_or_drop(struct net_port *port, const uint8_t *frame,
                            uint32_t len_bytes)
{
    if (port->n_held == 0 && ring_put(port, frame, len_bytes)) {
        netswitch_notice(port);
    } else {
        port->ring->dropped++;
    }
}

static uint32_t held_max(void)
{
    return n_ports == 1 ? NIC_RX_BUFFERS
                        : (NIC_RX_BUFFERS - RX_SPARE) / n_ports;
}

/* A frame in a receive buffer, for one process. */
static void receive_for(struct net_port *port, uint32_t buffer,
                        uint32_t len_bytes)
{
    if (port->n_held > 0 || !ring_put(port, nic_rx_data(buffer), len_bytes)) {
        if (port->n_held < held_max()) {
            port->held[port->n_held].buffer = buffer;
            port->held[port->n_held].len_bytes = len_bytes;
            port->n_held++;
            return;
        }
        port->ring->dropped++;
    } else {
        netswitch_notice(port);
    }
    nic_rx_return(buffer);
}

static void to_all_but(const struct net_port *sender, const uint8_t *frame,
                       uint32_t len_bytes)
{
    struct list *node;

    for (node = ports.next; node != &ports; node = node->next) {
        if (port_of(node) != sender) {
            deliver_or_drop(port_of(node), frame, len_bytes);
        }
    }
}

/**
 * netswitch_receive - a frame came from outside
 * @buffer: the receive buffer it lies in; returned to the NIC, now or later
 * @len_bytes: its length
 */
void netswitch_receive(uint32_t buffer, uint32_t len_bytes)
{
    const uint8_t *frame = nic_rx_data(buffer);
    struct net_port *port;

    if (len_bytes >= CKPT_FRAME_MIN) {
        port = find_port(frame);
        if (port != NULL) {
            receive_for(port, buffer, len_bytes);
            return;
        }
        if (is_group(frame)) {
            to_all_but(NULL, frame, len_bytes);
        }
    }
    nic_rx_return(buffer);
}

/**
 * netswitch_retry - deliver frames that were kept, as far as there is room
 * @port: the port
 */
void netswitch_retry(struct net_port *port)
{
    uint32_t done = 0;
    uint32_t i;

    while (done < port->n_held &&
           ring_put(port, nic_rx_data(port->held[done].buffer),
                    port->held[done].len_bytes)) {
        nic_rx_return(port->held[done].buffer);
        done++;
    }
    if (done == 0) {
        return;
    }
    port->n_held -= done;
    for (i = 0; i < port->n_held; i++) {
        port->held[i] = port->held[i + done];
    }
    netswitch_notice(port);
}

/**
 * netswitch_retry_all - the same for all ports
 */
void netswitch_retry_all(void)
{
    struct list *node;

    for (node = ports.next; node != &ports; node = node->next) {
        netswitch_retry(port_of(node));
    }
}

/**
 * netswitch_keeps - does a process keep frames in their receive buffers?
 *
 * Return: true if any does.
 */
bool netswitch_keeps(void)
{
    struct list *node;

    for (node = ports.next; node != &ports; node = node->next) {
        if (port_of(node)->n_held > 0) {
            return true;
        }
    }
    return false;
}

/**
 * netswitch_send - send the frame that lies in nic_tx_buffer()
 * @process: the sender
 * @len_bytes: length of the frame
 *
 * Return: 0, or -EAGAIN when it has to go out and there is no room.
 */
int netswitch_send(struct process *process, uint32_t len_bytes)
{
    const uint8_t *frame = nic_tx_buffer();
    struct net_port *to = find_port(frame);

    netswitch_retry(process->port);
    if (to != NULL) {
        deliver_or_drop(to, frame, len_bytes);
        return 0;
    }
    if (!nic_tx_room()) {
        process->port->wants_tx = true;
        return -EAGAIN;
    }
    if (is_group(frame)) {
        to_all_but(process->port, frame, len_bytes);
    }
    nic_tx_send(len_bytes);
    return 0;
}

/**
 * netswitch_tx_goes_on - the hold has room again
 */
void netswitch_tx_goes_on(void)
{
    struct list *node;

    for (node = ports.next; node != &ports; node = node->next) {
        if (port_of(node)->wants_tx) {
            port_of(node)->wants_tx = false;
            netswitch_notice(port_of(node));
        }
    }
}

/**
 * netswitch_committed - a checkpoint that was asked for is durable
 */
void netswitch_committed(void)
{
    struct list *node;

    for (node = ports.next; node != &ports; node = node->next) {
        if (port_of(node)->wants_commit) {
            port_of(node)->wants_commit = false;
            netswitch_notice(port_of(node));
        }
    }
}
