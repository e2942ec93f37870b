/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nic.c - the ckpt-nic: rings, registers and commands
 *
 * Theory of operation
 *
 * Both rings lie in one page, and with a common MTU the first TX buffer behind
 * them.  A frame is copied into a buffer of ours; the device normally takes it
 * while KICK is being written, so the buffer is free again at once and the next
 * frame goes into the same one: TX and both rings touch one page however many
 * frames are sent.
 *
 * There is one TX buffer more than the ring has entries, so a frame can always
 * be put together, also if only another process of this guest is to have it.
 *
 * RX buffers go to the device in the order in which they come back, so all of
 * them change under load; therefore they are few.  A buffer that netswitch.c
 * keeps, because a process has no room, is not posted; when none is left the
 * device waits, and so does the network behind it: no frame is lost.
 *
 * Receiving may not take all of the time: whoever floods the network could stop
 * the programs else.  In each RX_WINDOW_NS the interrupt may spend RX_SHARE_NS.
 * What is over is left in the ring, RX raises no interrupt any more, and the
 * ring is looked at when a thread waits (it has no better use for its time) and
 * when the window is over, until it is found empty.  So it is too while
 * netswitch.c keeps buffers: when it keeps all no interrupt comes.
 *
 *  N1  tx_prod - tx_done frames are in the ring; their buffers are not free
 *  N2  a receive buffer is posted, or in the hands of netswitch.c, never both
 *  N3  while RX raises no interrupt, poll_ns is a time at which nic_poll() runs
 */
#include "kernel.h"

#define TX_ENTRIES     16u
#define TX_BUFFERS     (TX_ENTRIES + 1)
#define RX_ENTRIES     NIC_RX_BUFFERS
#define RX_RING_OFFSET 512u
#define SMALL_BUFFER   2048u

static struct ckpt_ring *tx_ring;
static struct ckpt_ring *rx_ring;
static uint64_t ring_paddr;

static uint8_t *tx_buffers[TX_BUFFERS];
static uint32_t tx_free[TX_BUFFERS]; /* a stack of their numbers */
static uint32_t n_tx_free;
static uint32_t tx_in_ring[TX_ENTRIES]; /* buffer of each entry */
static uint32_t tx_next = TX_BUFFERS;   /* being filled; TX_BUFFERS: none */
static uint32_t tx_prod;
static uint32_t tx_done;

static uint8_t *rx_buffers[RX_ENTRIES];
static uint32_t rx_in_ring[RX_ENTRIES];
static uint32_t rx_prod;
static uint32_t rx_seen;

#define RX_WINDOW_NS 2000000ull
#define RX_SHARE_NS  1000000ull
#define RX_POLL_MAX  64u /* frames of one look when a thread waits */
#define NO_POLL      UINT64_MAX

static uint64_t window_ns;         /* when the window began */
static uint64_t spent_ns;          /* in it, by receiving */
static uint64_t poll_ns = NO_POLL; /* the next look; NO_POLL: by interrupt */

static uint32_t mtu;
static uint32_t buffer_bytes;

_Static_assert(sizeof(struct ckpt_ring) +
                       TX_ENTRIES * sizeof(struct ckpt_desc) <=
                   RX_RING_OFFSET,
               "TX ring");
_Static_assert(RX_RING_OFFSET + sizeof(struct ckpt_ring) +
                       RX_ENTRIES * sizeof(struct ckpt_desc) <=
                   PAGE_BYTES - SMALL_BUFFER,
               "RX ring");

static void reg_write(enum ckpt_nic_reg reg, uint32_t value)
{
    outl(CKPT_NIC_IOBASE + reg, value);
}

static uint32_t reg_read(enum ckpt_nic_reg reg)
{
    return inl(CKPT_NIC_IOBASE + reg);
}

static uint64_t paddr_of(const void *p)
{
    uint64_t vaddr = (uint64_t)p;

    return vaddr >= KERNEL_BASE ? vaddr - KERNEL_BASE : pmem_of_virt(p);
}

/**
 * nic_value - read a 64-bit parameter
 * @which: the parameter
 *
 * Return: its value.
 */
uint64_t nic_value(enum ckpt_nic_sel which)
{
    uint64_t low;

    reg_write(CKPT_NIC_SEL, which);
    low = reg_read(CKPT_NIC_VALUE_LO);
    return low | (uint64_t)reg_read(CKPT_NIC_VALUE_HI) << 32;
}

/**
 * nic_mac - the NIC's own address
 * @ret_mac: gets it
 */
void nic_mac(uint8_t ret_mac[6])
{
    uint64_t value = nic_value(CKPT_SEL_MAC);
    unsigned int i;

    for (i = 0; i < 6; i++) {
        ret_mac[i] = (uint8_t)(value >> (8 * i));
    }
}

/**
 * nic_mtu - the largest payload of a frame
 *
 * Return: bytes.
 */
uint32_t nic_mtu(void)
{
    return mtu;
}

/**
 * nic_command - have the device do something with a buffer
 * @command: what
 * @buf: kernel memory, physically contiguous
 * @len_bytes: its length
 *
 * Return: 0, -EAGAIN (hold full, or no message), -EINVAL.
 */
int nic_command(enum ckpt_nic_cmd command, const void *buf, uint32_t len_bytes)
{
    uint64_t paddr = paddr_of(buf);

    reg_write(CKPT_NIC_BUF_LO, (uint32_t)paddr);
    reg_write(CKPT_NIC_BUF_HI, (uint32_t)(paddr >> 32));
    reg_write(CKPT_NIC_BUF_LEN, len_bytes);
    reg_write(CKPT_NIC_BUF_CMD, command);
    switch (reg_read(CKPT_NIC_BUF_CMD)) {
    case CKPT_RESULT_OK:
        return 0;
    case CKPT_RESULT_AGAIN:
    case CKPT_RESULT_EMPTY:
        return -EAGAIN;
    default:
        return -EINVAL;
    }
}

/**
 * nic_commit - ask for a checkpoint
 * @flags: CKPT_COMMIT_*
 *
 * Return: the epoch that was asked for, 0 without checkpoints.
 */
uint64_t nic_commit(uint32_t flags)
{
    if (!(reg_read(CKPT_NIC_FEATURES) & CKPT_FEATURE_CHECKPOINT)) {
        return 0;
    }
    reg_write(CKPT_NIC_COMMIT, flags);
    return nic_value(CKPT_SEL_COMMIT);
}

/**
 * nic_exit - the guest has ended
 * @status: as CKPT_NIC_EXIT
 */
void nic_exit(uint32_t status)
{
    reg_write(CKPT_NIC_EXIT, status);
}

/**
 * nic_ending - the guest only goes on for what its programs sent
 * @status: as CKPT_NIC_EXIT
 */
void nic_ending(uint32_t status)
{
    if (reg_read(CKPT_NIC_FEATURES) & CKPT_FEATURE_ENDING) {
        reg_write(CKPT_NIC_EXIT, status | CKPT_EXIT_ENDING);
    }
}

/* Take back what the device has sent. */
static void tx_reclaim(void)
{
    /* Pairs with the device's store of cons: the frame is copied by then. */
    uint32_t cons = __atomic_load_n(&tx_ring->cons, __ATOMIC_ACQUIRE);

    KASSERT(cons - tx_done <= tx_prod - tx_done);
    while (tx_done != cons) {
        tx_free[n_tx_free++] = tx_in_ring[tx_done++ % TX_ENTRIES];
    }
}

/**
 * nic_tx_buffer - where to put the next frame together
 *
 * It stays free until nic_tx_send().
 *
 * Return: a buffer for a header and MTU bytes.
 */
uint8_t *nic_tx_buffer(void)
{
    if (tx_next == TX_BUFFERS) {
        tx_reclaim();
        KASSERT(n_tx_free > 0);
        /* Off the stack: what comes back meanwhile goes on top of it. */
        tx_next = tx_free[--n_tx_free];
    }
    return tx_buffers[tx_next];
}

/**
 * nic_tx_room - can a frame be sent now?
 *
 * Return: false when the hold and the ring are full.
 */
bool nic_tx_room(void)
{
    tx_reclaim();
    return tx_prod - tx_done < TX_ENTRIES;
}

/**
 * nic_tx_send - send what lies in nic_tx_buffer()
 * @len_bytes: its length; there must be room
 */
void nic_tx_send(uint32_t len_bytes)
{
    struct ckpt_desc *desc = &tx_ring->desc[tx_prod % TX_ENTRIES];

    KASSERT(tx_next < TX_BUFFERS);
    desc->paddr = paddr_of(tx_buffers[tx_next]);
    desc->len_bytes = len_bytes;
    desc->flags = 0;
    tx_in_ring[tx_prod % TX_ENTRIES] = tx_next;
    tx_next = TX_BUFFERS;
    tx_prod++;
    /* Pairs with the device's load of prod: the entry is whole by then. */
    __atomic_store_n(&tx_ring->prod, tx_prod, __ATOMIC_RELEASE);
    reg_write(CKPT_NIC_KICK, CKPT_QUEUE_TX);
}

/**
 * nic_rx_data - the bytes of a received frame
 * @buffer: its buffer
 *
 * Return: the frame.
 */
const uint8_t *nic_rx_data(uint32_t buffer)
{
    return rx_buffers[buffer];
}

static void rx_post(uint32_t buffer)
{
    struct ckpt_desc *desc = &rx_ring->desc[rx_prod % RX_ENTRIES];

    KASSERT(rx_prod - rx_seen < RX_ENTRIES);
    desc->paddr = paddr_of(rx_buffers[buffer]);
    desc->len_bytes = buffer_bytes;
    desc->flags = 0;
    rx_in_ring[rx_prod % RX_ENTRIES] = buffer;
    rx_prod++;
    __atomic_store_n(&rx_ring->prod, rx_prod, __ATOMIC_RELEASE);
}

/**
 * nic_rx_return - a received frame is dealt with: post its buffer again
 * @buffer: the buffer
 */
void nic_rx_return(uint32_t buffer)
{
    rx_post(buffer);
    /*
     * The device looks at prod again after it stored a cons that emptied the
     * ring; this fence pairs with the one between the two.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&rx_ring->cons, __ATOMIC_RELAXED) + 1 == rx_prod) {
        reg_write(CKPT_NIC_KICK, CKPT_QUEUE_RX);
    }
}

/* Frames that are there, @max at most, until @end_ns; false: some are left. */
static bool rx_frames(uint32_t max, uint64_t end_ns)
{
    /* Pairs with the device's store of cons: the frames are there by then. */
    uint32_t cons = __atomic_load_n(&rx_ring->cons, __ATOMIC_ACQUIRE);

    while (rx_seen != cons) {
        const struct ckpt_desc *desc = &rx_ring->desc[rx_seen % RX_ENTRIES];
        uint32_t buffer = rx_in_ring[rx_seen % RX_ENTRIES];
        uint32_t len_bytes = desc->len_bytes;

        if (max-- == 0 || time_now_ns() >= end_ns) {
            return false;
        }
        KASSERT(len_bytes <= buffer_bytes);
        rx_seen++;
        netswitch_receive(buffer, len_bytes);
        cons = __atomic_load_n(&rx_ring->cons, __ATOMIC_ACQUIRE);
    }
    return true;
}

/* By interrupt again, or by looking at @when_ns. */
static void set_poll(uint64_t when_ns)
{
    if ((poll_ns == NO_POLL) != (when_ns == NO_POLL)) {
        reg_write(CKPT_NIC_INT_ENABLE, when_ns == NO_POLL
                                           ? CKPT_INT_ALL
                                           : CKPT_INT_ALL & ~CKPT_INT_RX);
    }
    poll_ns = when_ns;
}

/* Receive as long as the window's share lasts. */
static void rx_in_share(void)
{
    uint64_t start_ns = time_now_ns();
    bool all;

    if (start_ns - window_ns >= RX_WINDOW_NS) {
        window_ns = start_ns;
        spent_ns = 0;
    }
    netswitch_retry_all();
    all = rx_frames(UINT32_MAX, start_ns + RX_SHARE_NS - spent_ns);
    spent_ns += time_now_ns() - start_ns;
    if (spent_ns > RX_SHARE_NS) {
        spent_ns = RX_SHARE_NS;
    }
    set_poll(all && !netswitch_keeps() ? NO_POLL : window_ns + RX_WINDOW_NS);
}

/**
 * nic_poll_ns - when nic_poll() is to be called
 *
 * Return: the time, or UINT64_MAX: frames come by interrupt.
 */
uint64_t nic_poll_ns(void)
{
    return poll_ns;
}

/**
 * nic_poll - the timer: frames were left for later
 * @now_ns: the time
 */
void nic_poll(uint64_t now_ns)
{
    if (now_ns >= poll_ns) {
        rx_in_share();
    }
}

/**
 * nic_poll_for - a thread is about to wait: are there frames?
 *
 * This is on its own time, and not of the window.
 */
void nic_poll_for(void)
{
    if (poll_ns != NO_POLL && rx_frames(RX_POLL_MAX, UINT64_MAX) &&
        !netswitch_keeps()) {
        set_poll(NO_POLL);
    }
}

/**
 * nic_interrupt - serve all causes of the NIC's interrupt
 *
 * The line is an edge: it comes again only after all causes were seen clear.
 */
void nic_interrupt(void)
{
    uint32_t causes;

    while ((causes = reg_read(CKPT_NIC_INT_STATUS) &
                     (poll_ns == NO_POLL ? CKPT_INT_ALL
                                         : CKPT_INT_ALL & ~CKPT_INT_RX)) != 0) {
        reg_write(CKPT_NIC_INT_ACK, causes);
        if (causes & CKPT_INT_ERROR) {
            panic("the NIC refused a descriptor");
        }
        if (causes & CKPT_INT_MAILBOX) {
            mailbox_read(); /* first: frames may be for another line (R2) */
        }
        if (causes & CKPT_INT_RX) {
            rx_in_share();
        }
        if (causes & CKPT_INT_TX) {
            log_flush();
            netswitch_tx_goes_on();
        }
        if (causes & CKPT_INT_COMMIT) {
            netswitch_committed();
        }
    }
}

/**
 * nic_init - find the device
 *
 * Without it nobody could be told anything.
 */
void nic_init(void)
{
    if (reg_read(CKPT_NIC_ID) != CKPT_NIC_ID_VALUE ||
        reg_read(CKPT_NIC_VERSION) != CKPT_NIC_VERSION_1) {
        halt_forever();
    }
}

static void alloc_buffers(uint8_t **buffers, uint32_t n)
{
    uint32_t per_run =
        buffer_bytes < PAGE_BYTES ? PAGE_BYTES / buffer_bytes : 1;
    uint32_t run_pages = ALIGN_UP(buffer_bytes, PAGE_BYTES) / PAGE_BYTES;
    uint64_t paddr = 0;
    uint32_t i;

    for (i = 0; i < n; i++) {
        if (i % per_run == 0) {
            paddr = pmem_alloc_run(run_pages);
            KASSERT(paddr != 0);
        }
        buffers[i] = pmem_to_virt(paddr + (i % per_run) * buffer_bytes);
    }
}

static void start_queue(uint32_t queue, uint64_t paddr, uint32_t n_entries)
{
    reg_write(CKPT_NIC_QSEL, queue);
    reg_write(CKPT_NIC_QADDR_LO, (uint32_t)paddr);
    reg_write(CKPT_NIC_QADDR_HI, (uint32_t)(paddr >> 32));
    reg_write(CKPT_NIC_QSIZE, n_entries);
}

/**
 * nic_init_rings - give the device its rings and let it interrupt
 */
void nic_init_rings(void)
{
    uint32_t i;

    mtu = (uint32_t)nic_value(CKPT_SEL_MTU);
    KASSERT(mtu + CKPT_FRAME_MIN <= CKPT_FRAME_MAX);
    buffer_bytes = mtu + CKPT_FRAME_MIN <= SMALL_BUFFER
                       ? SMALL_BUFFER
                       : ALIGN_UP(mtu + CKPT_FRAME_MIN, PAGE_BYTES);
    ring_paddr = pmem_alloc_zero();
    KASSERT(ring_paddr != 0);
    if (buffer_bytes == SMALL_BUFFER) {
        tx_buffers[0] = pmem_to_virt(ring_paddr + PAGE_BYTES - SMALL_BUFFER);
    } else {
        alloc_buffers(tx_buffers, 1);
    }
    alloc_buffers(tx_buffers + 1, TX_BUFFERS - 1);
    alloc_buffers(rx_buffers, RX_ENTRIES);
    for (i = TX_BUFFERS; i > 0; i--) {
        tx_free[n_tx_free++] = i - 1;
    }
    tx_ring = pmem_to_virt(ring_paddr);
    rx_ring = pmem_to_virt(ring_paddr + RX_RING_OFFSET);
    for (i = 0; i < RX_ENTRIES; i++) {
        rx_post(i);
    }
    start_queue(CKPT_QUEUE_TX, ring_paddr, TX_ENTRIES);
    start_queue(CKPT_QUEUE_RX, ring_paddr + RX_RING_OFFSET, RX_ENTRIES);
    reg_write(CKPT_NIC_INT_ENABLE, CKPT_INT_ALL);
}
