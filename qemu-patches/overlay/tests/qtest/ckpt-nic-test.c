/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-nic-test.c - the registers and rings of ckpt-nic, driven from outside
 *
 * The test plays the guest: it writes rings into guest memory and registers by
 * port I/O.  The other end of the netdev is a socket pair that it holds, with
 * a 4-byte big-endian length before each frame.  There is no ckpt-engine here,
 * so the gate is open and what is sent leaves at once.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "libqtest.h"
#include "ckpt-nic.h"

#define RAM_BYTES   (128 * MiB)     /* microvm's and q35's default */
#define RING_PADDR  0x200000        /* TX; RX lies RING_SPAN behind it */
#define RING_SPAN   0x10000
#define BUF_PADDR   0x300000
#define RING_SIZE   8
#define HOST_WAIT_MS 20000

typedef struct Nic {
    QTestState *qts;
    int fd;                         /* the test's end of the netdev */
} Nic;

/* --- the guest's side ---------------------------------------------------- */

static uint32_t rd(Nic *n, unsigned reg)
{
    return qtest_inl(n->qts, CKPT_NIC_IOBASE + reg);
}

static void wr(Nic *n, unsigned reg, uint32_t v)
{
    qtest_outl(n->qts, CKPT_NIC_IOBASE + reg, v);
}

static uint64_t sel(Nic *n, uint32_t what)
{
    wr(n, CKPT_NIC_SEL, what);
    return rd(n, CKPT_NIC_VALUE_LO) |
           (uint64_t)rd(n, CKPT_NIC_VALUE_HI) << 32;
}

static void start_command(Nic *n, uint64_t paddr, uint32_t len, uint32_t cmd)
{
    wr(n, CKPT_NIC_BUF_LO, paddr);
    wr(n, CKPT_NIC_BUF_HI, paddr >> 32);
    wr(n, CKPT_NIC_BUF_LEN, len);
    wr(n, CKPT_NIC_BUF_CMD, cmd);
}

static uint32_t command(Nic *n, uint64_t paddr, uint32_t len, uint32_t cmd)
{
    start_command(n, paddr, len, cmd);
    return rd(n, CKPT_NIC_BUF_CMD);
}

static uint64_t ring(unsigned q)
{
    return RING_PADDR + q * RING_SPAN;
}

static uint32_t cons(Nic *n, unsigned q)
{
    return qtest_readl(n->qts, ring(q) + offsetof(struct ckpt_ring, cons));
}

static void set_prod(Nic *n, unsigned q, uint32_t prod)
{
    qtest_writel(n->qts, ring(q) + offsetof(struct ckpt_ring, prod), prod);
}

static void set_desc(Nic *n, unsigned q, uint32_t i, uint64_t paddr,
                     uint32_t len, uint32_t flags)
{
    uint64_t at = ring(q) + sizeof(struct ckpt_ring) +
                  (i % RING_SIZE) * sizeof(struct ckpt_desc);

    qtest_writeq(n->qts, at, paddr);
    qtest_writel(n->qts, at + 8, len);
    qtest_writel(n->qts, at + 12, flags);
}

static uint32_t qstatus(Nic *n, unsigned q)
{
    wr(n, CKPT_NIC_QSEL, q);
    return rd(n, CKPT_NIC_QSTATUS);
}

static void queue_on_at(Nic *n, unsigned q, uint64_t paddr, uint32_t size)
{
    wr(n, CKPT_NIC_QSEL, q);
    wr(n, CKPT_NIC_QADDR_LO, paddr);
    wr(n, CKPT_NIC_QADDR_HI, paddr >> 32);
    wr(n, CKPT_NIC_QSIZE, size);
}

static void queue_on(Nic *n, unsigned q)
{
    set_prod(n, q, 0);
    queue_on_at(n, q, ring(q), RING_SIZE);
    g_assert_cmphex(qstatus(n, q), ==, CKPT_QUEUE_ENABLED);
}

/* --- the world's side ---------------------------------------------------- */

static void host_send(Nic *n, const void *frame, uint32_t len)
{
    uint32_t head = cpu_to_be32(len);

    g_assert_cmpint(send(n->fd, &head, 4, 0), ==, 4);
    g_assert_cmpint(send(n->fd, frame, len, 0), ==, len);
}

/* Return: whether something came within @timeout_ms. */
static bool host_poll(Nic *n, int timeout_ms)
{
    GPollFD p = { .fd = n->fd, .events = G_IO_IN };

    return g_poll(&p, 1, timeout_ms) == 1;
}

static void host_expect(Nic *n, const uint8_t *frame, uint32_t len)
{
    g_autofree uint8_t *got = g_malloc(len);
    uint32_t head;

    g_assert_true(host_poll(n, HOST_WAIT_MS));
    g_assert_cmpint(recv(n->fd, &head, 4, MSG_WAITALL), ==, 4);
    g_assert_cmpuint(be32_to_cpu(head), ==, len);
    g_assert_cmpint(recv(n->fd, got, len, MSG_WAITALL), ==, len);
    g_assert_cmpmem(got, len, frame, len);
}

/* Wait until cons of @q is @v: the netdev's side is a thread of QEMU's. */
static void wait_cons(Nic *n, unsigned q, uint32_t v)
{
    int64_t end = g_get_monotonic_time() + HOST_WAIT_MS * 1000;

    while (cons(n, q) != v) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

static void fill(uint8_t *frame, size_t len, uint8_t salt)
{
    size_t i;

    for (i = 0; i < len; i++) {
        frame[i] = i * 7 + salt;
    }
}

static void start(Nic *n, const char *machine, const char *props)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    n->qts = qtest_initf("-M %s -nodefaults "
                         "-netdev stream,id=n0,addr.type=fd,addr.str=%d "
                         "-device ckpt-nic,netdev=n0,"
                         "mac=52:54:00:12:34:56%s",
                         machine, fds[1], props);
    close(fds[1]);
    n->fd = fds[0];
}

static void stop(Nic *n)
{
    qtest_quit(n->qts);
    close(n->fd);
}

/* --- registers ----------------------------------------------------------- */

static void test_identity(const void *machine)
{
    Nic n;

    start(&n, machine, "");
    g_assert_cmphex(rd(&n, CKPT_NIC_ID), ==, CKPT_NIC_ID_VALUE);
    g_assert_cmphex(rd(&n, CKPT_NIC_VERSION), ==, CKPT_NIC_VERSION_1);
    g_assert_cmphex(rd(&n, CKPT_NIC_FEATURES), ==,
                    CKPT_FEATURE_CHAIN | CKPT_FEATURE_ENDING);
    g_assert_cmphex(sel(&n, CKPT_SEL_MAC), ==, 0x563412005452ull);
    g_assert_cmpuint(sel(&n, CKPT_SEL_MTU), ==, 1500);
    g_assert_cmpuint(sel(&n, CKPT_SEL_NQUEUES), ==, CKPT_NIC_NQUEUES);
    g_assert_cmpuint(sel(&n, CKPT_SEL_EPOCH), ==, 0);
    g_assert_cmpuint(sel(&n, CKPT_SEL_COMMITTED), ==, 0);
    g_assert_cmpuint(sel(&n, CKPT_SEL_MAILBOX), ==, 0);
    stop(&n);
}

static void test_parameters(const void *machine)
{
    uint64_t hz, ns, entropy;
    Nic n;

    start(&n, machine, ",mtu=9000");
    g_assert_cmpuint(sel(&n, CKPT_SEL_MTU), ==, 9000);
    hz = sel(&n, CKPT_SEL_TSC_HZ);
    g_assert_cmpuint(hz, >, 100 * 1000 * 1000);
    g_assert_cmpuint(sel(&n, CKPT_SEL_TSC_HZ), ==, hz);
    ns = sel(&n, CKPT_SEL_WALL_NS);
    g_assert_cmpuint(ns / 1000000000, >=, g_get_real_time() / 1000000 - 60);
    g_assert_cmpuint(sel(&n, CKPT_SEL_WALL_NS), >, ns);
    entropy = sel(&n, CKPT_SEL_ENTROPY);
    g_assert_cmphex(sel(&n, CKPT_SEL_ENTROPY), !=, entropy);
    /* Reading does not latch anew. */
    g_assert_cmphex(rd(&n, CKPT_NIC_VALUE_LO), ==, rd(&n, CKPT_NIC_VALUE_LO));
    g_assert_cmphex(sel(&n, 0x1234), ==, 0);
    stop(&n);
}

static void test_widths(const void *machine)
{
    Nic n;

    start(&n, machine, "");
    g_assert_cmphex(qtest_inb(n.qts, CKPT_NIC_IOBASE + CKPT_NIC_ID), ==, 0);
    g_assert_cmphex(qtest_inw(n.qts, CKPT_NIC_IOBASE + CKPT_NIC_ID), ==, 0);
    g_assert_cmphex(qtest_inl(n.qts, CKPT_NIC_IOBASE + 2), ==, 0);
    qtest_outb(n.qts, CKPT_NIC_IOBASE + CKPT_NIC_INT_ENABLE, 0x1f);
    qtest_outw(n.qts, CKPT_NIC_IOBASE + CKPT_NIC_INT_ENABLE, 0x1f);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_ENABLE), ==, 0);
    wr(&n, CKPT_NIC_INT_ENABLE, 0xffffffff);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_ENABLE), ==, CKPT_INT_ALL);
    g_assert_cmphex(rd(&n, CKPT_NIC_PORTS - 4), ==, 0);
    wr(&n, CKPT_NIC_QSEL, CKPT_NIC_NQUEUES);
    g_assert_cmphex(rd(&n, CKPT_NIC_QSEL), ==, 0);
    wr(&n, CKPT_NIC_KICK, 77);
    stop(&n);
}

static void test_reset(const void *machine)
{
    Nic n;

    start(&n, machine, "");
    queue_on(&n, CKPT_QUEUE_TX);
    wr(&n, CKPT_NIC_INT_ENABLE, CKPT_INT_ALL);
    wr(&n, CKPT_NIC_BUF_LO, 0x1000);
    set_prod(&n, CKPT_QUEUE_TX, 100);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, CKPT_INT_ERROR);
    qtest_system_reset(n.qts);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, 0);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_ENABLE), ==, 0);
    g_assert_cmphex(rd(&n, CKPT_NIC_QADDR_LO), ==, 0);
    g_assert_cmphex(rd(&n, CKPT_NIC_QSIZE), ==, 0);
    g_assert_cmphex(rd(&n, CKPT_NIC_BUF_LO), ==, 0);
    g_assert_cmphex(qstatus(&n, CKPT_QUEUE_TX), ==, 0);
    queue_on(&n, CKPT_QUEUE_TX);
    stop(&n);
}

/* --- rings --------------------------------------------------------------- */

static void test_tx(const void *machine)
{
    uint8_t frame[1514];
    uint32_t i;
    Nic n;

    start(&n, machine, "");
    queue_on(&n, CKPT_QUEUE_TX);
    /* Several times around the ring. */
    for (i = 0; i < 3 * RING_SIZE; i++) {
        uint32_t len = i % 2 ? sizeof(frame) : 60 + i;

        fill(frame, len, i);
        qtest_memwrite(n.qts, BUF_PADDR, frame, len);
        set_desc(&n, CKPT_QUEUE_TX, i, BUF_PADDR, len, 0);
        set_prod(&n, CKPT_QUEUE_TX, i + 1);
        wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
        g_assert_cmpuint(cons(&n, CKPT_QUEUE_TX), ==, i + 1);
        host_expect(&n, frame, len);
    }
    stop(&n);
}

static void test_tx_chain(const void *machine)
{
    uint8_t frame[600];
    uint32_t i;
    Nic n;

    start(&n, machine, "");
    queue_on(&n, CKPT_QUEUE_TX);
    fill(frame, sizeof(frame), 1);
    qtest_memwrite(n.qts, BUF_PADDR, frame, sizeof(frame));
    /* Two frames of three buffers, then one that wraps around the ring. */
    for (i = 0; i < 9; i++) {
        set_desc(&n, CKPT_QUEUE_TX, i, BUF_PADDR + (i % 3) * 200, 200,
                 i % 3 < 2 ? CKPT_DESC_NEXT : 0);
        if (i == 5) {
            set_prod(&n, CKPT_QUEUE_TX, 6);
            wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
            host_expect(&n, frame, sizeof(frame));
            host_expect(&n, frame, sizeof(frame));
        }
    }
    set_prod(&n, CKPT_QUEUE_TX, 9);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
    host_expect(&n, frame, sizeof(frame));
    g_assert_cmpuint(cons(&n, CKPT_QUEUE_TX), ==, 9);
    stop(&n);
}

static void test_rx(const void *machine)
{
    uint8_t frame[900], got[900];
    uint32_t i;
    Nic n;

    start(&n, machine, "");
    qtest_irq_intercept_in(n.qts, "ioapic");
    wr(&n, CKPT_NIC_INT_ENABLE, CKPT_INT_RX);
    queue_on(&n, CKPT_QUEUE_RX);
    for (i = 0; i < RING_SIZE; i++) {
        set_desc(&n, CKPT_QUEUE_RX, i, BUF_PADDR + i * 2048, 2048, 0);
    }
    /* Frames without a buffer wait, and come in order after a KICK. */
    for (i = 0; i < 3; i++) {
        fill(frame, sizeof(frame), i);
        host_send(&n, frame, sizeof(frame));
    }
    g_usleep(20000);
    g_assert_cmpuint(cons(&n, CKPT_QUEUE_RX), ==, 0);
    g_assert_false(qtest_get_irq(n.qts, CKPT_NIC_IRQ));
    set_prod(&n, CKPT_QUEUE_RX, 2);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_RX);
    wait_cons(&n, CKPT_QUEUE_RX, 2);
    g_assert_true(qtest_get_irq(n.qts, CKPT_NIC_IRQ));
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, CKPT_INT_RX);
    wr(&n, CKPT_NIC_INT_ACK, CKPT_INT_RX);
    g_assert_false(qtest_get_irq(n.qts, CKPT_NIC_IRQ));
    set_prod(&n, CKPT_QUEUE_RX, RING_SIZE);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_RX);
    wait_cons(&n, CKPT_QUEUE_RX, 3);
    g_assert_true(qtest_get_irq(n.qts, CKPT_NIC_IRQ));
    for (i = 0; i < 3; i++) {
        uint64_t desc = ring(CKPT_QUEUE_RX) + sizeof(struct ckpt_ring) +
                        i * sizeof(struct ckpt_desc);

        fill(frame, sizeof(frame), i);
        qtest_memread(n.qts, BUF_PADDR + i * 2048, got, sizeof(got));
        g_assert_cmpmem(got, sizeof(got), frame, sizeof(frame));
        g_assert_cmpuint(qtest_readl(n.qts, desc + 8), ==, sizeof(frame));
        g_assert_cmphex(qtest_readl(n.qts, desc + 12), ==, CKPT_DESC_DONE);
    }
    stop(&n);
}

static void test_rx_coalesce(const void *machine)
{
    uint8_t frame[100] = { 0 };
    uint32_t i;
    Nic n;

    start(&n, machine, ",rx-coalesce-us=100");
    queue_on(&n, CKPT_QUEUE_RX);
    for (i = 0; i < RING_SIZE; i++) {
        set_desc(&n, CKPT_QUEUE_RX, i, BUF_PADDR + i * 2048, 2048, 0);
    }
    set_prod(&n, CKPT_QUEUE_RX, RING_SIZE);
    host_send(&n, frame, sizeof(frame));
    wait_cons(&n, CKPT_QUEUE_RX, 1);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, CKPT_INT_RX);
    wr(&n, CKPT_NIC_INT_ACK, CKPT_INT_RX);
    host_send(&n, frame, sizeof(frame));
    host_send(&n, frame, sizeof(frame));
    wait_cons(&n, CKPT_QUEUE_RX, 3);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, 0);
    qtest_clock_step(n.qts, 100 * 1000);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, CKPT_INT_RX);
    stop(&n);
}

/* --- bad guests ---------------------------------------------------------- */

static const struct bad_desc {
    const char *what;
    uint64_t paddr;
    uint32_t len;
    uint32_t flags;
    uint32_t prod;
} bad_tx[] = {
    { "empty buffer", BUF_PADDR, 0, 0, 1 },
    { "runt", BUF_PADDR, CKPT_FRAME_MIN - 1, 0, 1 },
    { "above the mtu", BUF_PADDR, 1500 + CKPT_FRAME_MIN + 1, 0, 1 },
    { "length wraps", BUF_PADDR, UINT32_MAX, 0, 1 },
    { "behind RAM", RAM_BYTES - 30, 60, 0, 1 },
    { "in nowhere", 1ull << 60, 60, 0, 1 },
    { "address wraps", UINT64_MAX - 30, 60, 0, 1 },
    { "a device's registers", 0xfec00000, 60, 0, 1 },
    { "unknown flag", BUF_PADDR, 60, 1u << 7, 1 },
    { "done flag", BUF_PADDR, 60, CKPT_DESC_DONE, 1 },
    { "chain beyond prod", BUF_PADDR, 60, CKPT_DESC_NEXT, 1 },
    { "chain all around", BUF_PADDR, 60, CKPT_DESC_NEXT, RING_SIZE },
    { "prod beyond size", BUF_PADDR, 60, 0, RING_SIZE + 1 },
    { "prod before cons", BUF_PADDR, 60, 0, UINT32_MAX },
};

static void expect_stopped(Nic *n, unsigned q)
{
    g_assert_cmphex(qstatus(n, q), ==, CKPT_QUEUE_ERROR);
    g_assert_cmphex(rd(n, CKPT_NIC_INT_STATUS), ==, CKPT_INT_ERROR);
    wr(n, CKPT_NIC_INT_ACK, CKPT_INT_ERROR);
    /* It does nothing more until QSIZE is written. */
    wr(n, CKPT_NIC_KICK, q);
    g_assert_cmphex(rd(n, CKPT_NIC_INT_STATUS), ==, 0);
}

static void test_bad_tx(const void *machine)
{
    uint8_t frame[60];
    unsigned i, k;
    Nic n;

    start(&n, machine, "");
    for (i = 0; i < G_N_ELEMENTS(bad_tx); i++) {
        const struct bad_desc *b = &bad_tx[i];

        g_test_message("%s", b->what);
        queue_on(&n, CKPT_QUEUE_TX);
        for (k = 0; k < RING_SIZE; k++) {
            set_desc(&n, CKPT_QUEUE_TX, k, b->paddr, b->len, b->flags);
        }
        set_prod(&n, CKPT_QUEUE_TX, b->prod);
        wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
        expect_stopped(&n, CKPT_QUEUE_TX);
        g_assert_cmpuint(cons(&n, CKPT_QUEUE_TX), ==, 0);
    }
    g_assert_false(host_poll(&n, 20));

    /* The frames before a bad one leave. */
    queue_on(&n, CKPT_QUEUE_TX);
    fill(frame, sizeof(frame), 0);
    qtest_memwrite(n.qts, BUF_PADDR, frame, sizeof(frame));
    set_desc(&n, CKPT_QUEUE_TX, 0, BUF_PADDR, sizeof(frame), 0);
    set_desc(&n, CKPT_QUEUE_TX, 1, BUF_PADDR, 0, 0);
    set_prod(&n, CKPT_QUEUE_TX, 2);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
    host_expect(&n, frame, sizeof(frame));
    expect_stopped(&n, CKPT_QUEUE_TX);
    g_assert_cmpuint(cons(&n, CKPT_QUEUE_TX), ==, 1);
    stop(&n);
}

static void test_bad_ring(const void *machine)
{
    static const struct {
        uint64_t paddr;
        uint32_t size;
    } bad[] = {
        { RING_PADDR + 32, RING_SIZE }, { RING_PADDR, 7 },
        { RING_PADDR, CKPT_RING_MAX * 2 }, { RING_PADDR, UINT32_MAX },
        { RAM_BYTES, RING_SIZE }, { 0xfec00000, RING_SIZE },
        { UINT64_MAX - 63, RING_SIZE },
    };
    unsigned i;
    Nic n;

    start(&n, machine, "");
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        queue_on_at(&n, CKPT_QUEUE_TX, bad[i].paddr, bad[i].size);
        expect_stopped(&n, CKPT_QUEUE_TX);
        queue_on_at(&n, CKPT_QUEUE_RX, bad[i].paddr, bad[i].size);
        expect_stopped(&n, CKPT_QUEUE_RX);
    }
    /* One whose header is in RAM and whose descriptors are not. */
    qtest_writel(n.qts, RAM_BYTES - 64, 1);
    queue_on_at(&n, CKPT_QUEUE_TX, RAM_BYTES - 64, RING_SIZE);
    expect_stopped(&n, CKPT_QUEUE_TX);
    /* A running one does not move. */
    queue_on(&n, CKPT_QUEUE_TX);
    wr(&n, CKPT_NIC_QADDR_LO, 0x1000);
    g_assert_cmphex(rd(&n, CKPT_NIC_QADDR_LO), ==, RING_PADDR);
    stop(&n);
}

static void test_bad_rx(const void *machine)
{
    uint8_t frame[100] = { 0 };
    uint8_t big[3000] = { 0 };
    unsigned i;
    static const struct bad_desc bad[] = {
        { "too small", BUF_PADDR, 99, 0, 1 },
        { "behind RAM", RAM_BYTES - 30, 2048, 0, 1 },
        { "a device's registers", 0xfec00000, 2048, 0, 1 },
        { "prod beyond size", BUF_PADDR, 2048, 0, RING_SIZE + 1 },
    };
    Nic n;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        int64_t end = g_get_monotonic_time() + HOST_WAIT_MS * 1000;

        g_test_message("%s", bad[i].what);
        start(&n, machine, "");
        set_desc(&n, CKPT_QUEUE_RX, 0, bad[i].paddr, bad[i].len, 0);
        queue_on(&n, CKPT_QUEUE_RX);
        set_prod(&n, CKPT_QUEUE_RX, bad[i].prod);
        wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_RX);
        host_send(&n, frame, sizeof(frame));
        while (!rd(&n, CKPT_NIC_INT_STATUS)) {
            g_assert_cmpint(g_get_monotonic_time(), <, end);
            g_usleep(1000);
        }
        expect_stopped(&n, CKPT_QUEUE_RX);
        g_assert_cmpuint(cons(&n, CKPT_QUEUE_RX), ==, 0);
        stop(&n);
    }

    /* What cannot be a frame of this link is passed over, the next one comes */
    start(&n, machine, "");
    set_desc(&n, CKPT_QUEUE_RX, 0, BUF_PADDR, 2048, 0);
    queue_on(&n, CKPT_QUEUE_RX);
    set_prod(&n, CKPT_QUEUE_RX, 1);
    host_send(&n, big, sizeof(big));
    host_send(&n, frame, sizeof(frame));
    wait_cons(&n, CKPT_QUEUE_RX, 1);
    g_assert_cmpuint(qtest_readl(n.qts, ring(CKPT_QUEUE_RX) +
                                        sizeof(struct ckpt_ring) + 8),
                     ==, sizeof(frame));
    stop(&n);
}

/* --- everything else is a register --------------------------------------- */

static void test_mailbox(const void *machine)
{
    Nic n;

    start(&n, machine, "");
    g_assert_cmpuint(command(&n, BUF_PADDR, sizeof(struct ckpt_mbox),
                             CKPT_CMD_MAILBOX), ==, CKPT_RESULT_EMPTY);
    g_assert_cmpuint(command(&n, BUF_PADDR, 0, 99), ==, CKPT_RESULT_INVALID);
    stop(&n);
}

static void test_log(const void *machine)
{
    g_autofree char *text = NULL;
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("ckpt-nic-log-XXXXXX", &path, NULL);
    int saved = dup(STDERR_FILENO);
    Nic n;

    /* Without a daemon the guest's log is QEMU's stderr. */
    g_assert_cmpint(dup2(fd, STDERR_FILENO), >=, 0);
    start(&n, machine, "");
    g_assert_cmpint(dup2(saved, STDERR_FILENO), >=, 0);
    qtest_memwrite(n.qts, BUF_PADDR, "hello, world\n", 13);
    g_assert_cmpuint(command(&n, BUF_PADDR, 13, CKPT_CMD_LOG), ==,
                     CKPT_RESULT_OK);
    g_assert_cmpuint(command(&n, BUF_PADDR, 0, CKPT_CMD_LOG), ==,
                     CKPT_RESULT_INVALID);
    g_assert_cmpuint(command(&n, BUF_PADDR, CKPT_LOG_MAX + 1, CKPT_CMD_LOG),
                     ==, CKPT_RESULT_INVALID);
    g_assert_cmpuint(command(&n, RAM_BYTES - 5, 13, CKPT_CMD_LOG), ==,
                     CKPT_RESULT_INVALID);
    stop(&n);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "hello, world\n"));
    unlink(path);
    close(fd);
    close(saved);
}

static void test_commit_without_engine(const void *machine)
{
    Nic n;

    start(&n, machine, "");
    wr(&n, CKPT_NIC_COMMIT, CKPT_COMMIT_NOW | CKPT_COMMIT_NOTIFY);
    g_assert_cmpuint(sel(&n, CKPT_SEL_COMMIT), ==, 0);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, 0);
    stop(&n);
}

static void expect_end(Nic *n, int status)
{
    qtest_set_expected_status(n->qts, status);
    qtest_wait_qemu(n->qts);
    stop(n);
}

static void test_exit(const void *machine)
{
    uint8_t frame[60];
    Nic n;

    /* Frames that were made ready before leave before it. */
    start(&n, machine, "");
    queue_on(&n, CKPT_QUEUE_TX);
    fill(frame, sizeof(frame), 3);
    qtest_memwrite(n.qts, BUF_PADDR, frame, sizeof(frame));
    set_desc(&n, CKPT_QUEUE_TX, 0, BUF_PADDR, sizeof(frame), 0);
    set_prod(&n, CKPT_QUEUE_TX, 1);
    wr(&n, CKPT_NIC_EXIT, 7);
    host_expect(&n, frame, sizeof(frame));
    expect_end(&n, 7);

    start(&n, machine, "");
    wr(&n, CKPT_NIC_EXIT, CKPT_EXIT_SIGNALLED | 11);
    expect_end(&n, 128 + 11);

    /* Announced, it is no end: the guest goes on sending. */
    start(&n, machine, "");
    queue_on(&n, CKPT_QUEUE_TX);
    wr(&n, CKPT_NIC_EXIT, CKPT_EXIT_ENDING | 5);
    qtest_memwrite(n.qts, BUF_PADDR, frame, sizeof(frame));
    set_desc(&n, CKPT_QUEUE_TX, 0, BUF_PADDR, sizeof(frame), 0);
    set_prod(&n, CKPT_QUEUE_TX, 1);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
    host_expect(&n, frame, sizeof(frame));
    wr(&n, CKPT_NIC_EXIT, 5);
    expect_end(&n, 5);
}

static void test_panic(const void *machine)
{
    Nic n;

    start(&n, machine, "");
    qtest_memwrite(n.qts, BUF_PADDR, "panic: test\n", 12);
    start_command(&n, BUF_PADDR, 12, CKPT_CMD_PANIC);
    expect_end(&n, CKPT_QEMU_STATUS_PANIC);
}

/* Ask until the answer's "status" is @status: an event may come too early. */
static void wait_status(Nic *n, const char *command, const char *status)
{
    int64_t end = g_get_monotonic_time() + HOST_WAIT_MS * 1000;
    bool done = false;

    while (!done) {
        QDict *rsp = qtest_qmp_assert_success_ref(
            n->qts, "{'execute': %s}", command);
        const char *now = qdict_get_try_str(rsp, "status");

        done = now && !strcmp(now, status);
        qobject_unref(rsp);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* A saved and loaded device goes on where it was, rings included. */
static void test_vmstate(const void *machine)
{
    g_autofree char *dir = g_dir_make_tmp("ckpt-nic-XXXXXX", NULL);
    g_autofree char *file = g_strdup_printf("%s/state", dir);
    g_autofree char *uri = g_strdup_printf("file:%s", file);
    g_autofree char *incoming = g_strdup_printf(" -incoming %s", uri);
    uint8_t frame[60];
    uint64_t hz;
    Nic n;

    start(&n, machine, "");
    queue_on(&n, CKPT_QUEUE_TX);
    queue_on(&n, CKPT_QUEUE_RX);
    fill(frame, sizeof(frame), 3);
    qtest_memwrite(n.qts, BUF_PADDR, frame, sizeof(frame));
    set_desc(&n, CKPT_QUEUE_TX, 0, BUF_PADDR, sizeof(frame), 0);
    set_desc(&n, CKPT_QUEUE_TX, 1, BUF_PADDR, sizeof(frame), 0);
    set_prod(&n, CKPT_QUEUE_TX, 1);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
    host_expect(&n, frame, sizeof(frame));
    wr(&n, CKPT_NIC_INT_ENABLE, CKPT_INT_RX);
    hz = sel(&n, CKPT_SEL_TSC_HZ);
    qtest_qmp_assert_success(n.qts, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", uri);
    wait_status(&n, "query-migrate", "completed");
    stop(&n);

    start(&n, machine, incoming);
    wait_status(&n, "query-status", "running");
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_ENABLE), ==, CKPT_INT_RX);
    g_assert_cmphex(qstatus(&n, CKPT_QUEUE_RX), ==, CKPT_QUEUE_ENABLED);
    g_assert_cmphex(qstatus(&n, CKPT_QUEUE_TX), ==, CKPT_QUEUE_ENABLED);
    g_assert_cmpuint(sel(&n, CKPT_SEL_TSC_HZ), ==, hz);
    set_prod(&n, CKPT_QUEUE_TX, 2);
    wr(&n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
    host_expect(&n, frame, sizeof(frame));
    g_assert_cmpuint(cons(&n, CKPT_QUEUE_TX), ==, 2);
    stop(&n);
    unlink(file);
    rmdir(dir);
}

/* Send until socket and gate are full and the ring stops. Return: frames. */
static uint32_t fill_up(Nic *n)
{
    uint8_t frame[1514];
    uint32_t sent = 0;

    queue_on(n, CKPT_QUEUE_TX);
    do {
        uint64_t paddr = BUF_PADDR + sent % RING_SIZE * 2048;

        fill(frame, sizeof(frame), sent);
        qtest_memwrite(n->qts, paddr, frame, sizeof(frame));
        set_desc(n, CKPT_QUEUE_TX, sent, paddr, sizeof(frame), 0);
        set_prod(n, CKPT_QUEUE_TX, ++sent);
        wr(n, CKPT_NIC_KICK, CKPT_QUEUE_TX);
    } while (cons(n, CKPT_QUEUE_TX) == sent);
    g_assert_cmphex(qstatus(n, CKPT_QUEUE_TX), ==,
                    CKPT_QUEUE_ENABLED | CKPT_QUEUE_BLOCKED);
    return sent;
}

static void expect_all(Nic *n, uint32_t sent)
{
    uint8_t frame[1514];
    uint32_t i;

    for (i = 0; i < sent; i++) {
        fill(frame, sizeof(frame), i);
        host_expect(n, frame, sizeof(frame));
    }
}

/* A stop while the netdev is full loses and doubles no frame. */
static void test_stop_while_blocked(const void *machine)
{
    uint32_t sent;
    uint32_t i;
    Nic n;

    start(&n, machine, "");
    sent = fill_up(&n);
    for (i = 0; i < 3; i++) {
        qtest_qmp_assert_success(n.qts, "{'execute': 'stop'}");
        qtest_qmp_assert_success(n.qts, "{'execute': 'cont'}");
    }
    expect_all(&n, sent);
    g_assert_false(host_poll(&n, 20));
    g_assert_cmphex(qstatus(&n, CKPT_QUEUE_TX), ==, CKPT_QUEUE_ENABLED);
    g_assert_cmphex(rd(&n, CKPT_NIC_INT_STATUS), ==, CKPT_INT_TX);
    g_assert_cmpuint(cons(&n, CKPT_QUEUE_TX), ==, sent);
    stop(&n);
}

/* The program's end is told behind all it had sent, however full it was. */
static void test_end_while_blocked(const void *machine)
{
    uint32_t sent;
    Nic n;

    start(&n, machine, "");
    sent = fill_up(&n);
    qtest_memwrite(n.qts, BUF_PADDR + 0x10000, "x", 1);
    g_assert_cmpuint(command(&n, BUF_PADDR + 0x10000, 1, CKPT_CMD_LOG), ==,
                     CKPT_RESULT_AGAIN);
    wr(&n, CKPT_NIC_EXIT, CKPT_EXIT_ENDING | 3);
    wr(&n, CKPT_NIC_EXIT, 3);
    expect_all(&n, sent);
    expect_end(&n, 3);
}

static const struct {
    const char *name;
    void (*fn)(const void *machine);
} tests[] = {
    { "identity", test_identity },
    { "parameters", test_parameters },
    { "widths", test_widths },
    { "reset", test_reset },
    { "tx", test_tx },
    { "tx-chain", test_tx_chain },
    { "rx", test_rx },
    { "rx-coalesce", test_rx_coalesce },
    { "bad-tx", test_bad_tx },
    { "bad-rx", test_bad_rx },
    { "bad-ring", test_bad_ring },
    { "mailbox-empty", test_mailbox },
    { "log", test_log },
    { "commit-without-engine", test_commit_without_engine },
    { "exit", test_exit },
    { "panic", test_panic },
    { "vmstate", test_vmstate },
    { "stop-while-blocked", test_stop_while_blocked },
    { "end-while-blocked", test_end_while_blocked },
};

int main(int argc, char **argv)
{
    static const char *const machines[] = { "microvm", "q35", "pc" };
    unsigned i, k;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(machines); i++) {
        for (k = 0; k < G_N_ELEMENTS(tests); k++) {
            g_autofree char *path = g_strdup_printf(
                "/ckpt-nic/%s/%s", machines[i], tests[k].name);

            qtest_add_data_func(path, machines[i], tests[k].fn);
        }
    }
    return g_test_run();
}
