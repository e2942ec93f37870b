/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-nic.c - all that a checkpointed guest can talk to: a packet-only NIC
 *
 * The guest's contract is abi/ckpt-nic.h (docs/specs/ckpt-nic.rst in prose).
 * An ISA device with port registers: an access needs no instruction decoder,
 * microvm has it as pc and q35 do, and a checkpoint has little to save.
 *
 * This file holds the registers and the interrupt.  The line is edge triggered:
 * it rises with the first enabled cause, and falls and rises again at an
 * acknowledgement that leaves one pending, so a handler may acknowledge what it
 * read and return.
 */
#include "qemu/osdep.h"
#include "qemu/guest-random.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/boards.h"
#include "hw/irq.h"
#include "hw/qdev-properties.h"
#include "ckpt-nic-internal.h"
#include "trace.h"

#define CKPT_NIC_MTU_MAX    (CKPT_FRAME_MAX - CKPT_FRAME_MIN)
#define CKPT_NIC_MTU_MIN    68          /* what IPv4 asks of a link */

static void guest_error(const char *what, uint64_t value)
{
    qemu_log_mask(LOG_GUEST_ERROR, "ckpt-nic: %s 0x%" PRIx64 "\n", what,
                  value);
}

/* --- interrupts ---------------------------------------------------------- */

static uint32_t pending(const CkptNic *s)
{
    return s->int_status & s->int_enable;
}

/**
 * ckpt_nic_raise: causes became true
 * @s: the device
 * @causes: CKPT_INT_*, or 0
 */
void ckpt_nic_raise(CkptNic *s, uint32_t causes)
{
    bool was = pending(s);

    s->int_status |= causes;
    trace_ckpt_nic_raise(causes, s->int_status, s->int_enable);
    if (!was && pending(s)) {
        qemu_irq_raise(s->irq);
    }
}

static void int_ack(CkptNic *s, uint32_t causes)
{
    s->int_status &= ~causes;
    qemu_irq_lower(s->irq);
    if (pending(s)) {
        qemu_irq_raise(s->irq);
    }
}

static void int_set_enable(CkptNic *s, uint32_t causes)
{
    bool was = pending(s);

    s->int_enable = causes & CKPT_INT_ALL;
    if (was != !!pending(s)) {
        qemu_set_irq(s->irq, !was);
    }
}

/**
 * ckpt_nic_raise_rx: a frame arrived
 * @s: the device
 *
 * With rx-coalesce-us the first is told at once and those that follow within
 * that time together, at its end.
 */
void ckpt_nic_raise_rx(CkptNic *s)
{
    if (timer_pending(&s->rx_timer)) {
        s->rx_held_back = true;
        return;
    }
    ckpt_nic_raise(s, CKPT_INT_RX);
    if (s->rx_coalesce_us) {
        timer_mod(&s->rx_timer, qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) +
                                (int64_t)s->rx_coalesce_us * SCALE_US);
    }
}

static void rx_timer_cb(void *opaque)
{
    CkptNic *s = opaque;

    if (s->rx_held_back) {
        s->rx_held_back = false;
        ckpt_nic_raise_rx(s);
    }
}

/* --- 64-bit parameters --------------------------------------------------- */

static uint64_t mac_value(const CkptNic *s)
{
    uint64_t v = 0;
    int i;

    for (i = 0; i < 6; i++) {
        v |= (uint64_t)s->conf.macaddr.a[i] << (8 * i);
    }
    return v;
}

static uint64_t epoch_value(CkptNic *s, uint32_t sel)
{
    if (!s->engine) {
        return 0;
    }
    switch (sel) {
    case CKPT_SEL_EPOCH:
        return ckpt_engine_active(s->engine) ? ckpt_gate_epoch(s->gate) : 0;
    case CKPT_SEL_COMMITTED:
        return ckpt_engine_committed(s->engine);
    default:
        return ckpt_engine_generation(s->engine);
    }
}

static void latch(CkptNic *s, uint32_t sel)
{
    s->value = 0;
    switch (sel) {
    case CKPT_SEL_EPOCH:
    case CKPT_SEL_COMMITTED:
    case CKPT_SEL_GENERATION:
        s->value = epoch_value(s, sel);
        break;
    case CKPT_SEL_COMMIT:
        s->value = s->commit_epoch;
        break;
    case CKPT_SEL_TSC_HZ:
        if (!s->tsc_hz) {
            s->tsc_hz = ckpt_tsc_hz(&s->made);
            trace_ckpt_nic_tsc(s->tsc_hz);
        }
        s->value = s->tsc_hz;
        break;
    case CKPT_SEL_WALL_NS:
        s->value = qemu_clock_get_ns(QEMU_CLOCK_HOST);
        break;
    case CKPT_SEL_ENTROPY:
        qemu_guest_getrandom_nofail(&s->value, sizeof(s->value));
        break;
    case CKPT_SEL_MAC:
        s->value = mac_value(s);
        break;
    case CKPT_SEL_MAILBOX:
        s->value = ckpt_nic_mailbox_bytes(s);
        break;
    case CKPT_SEL_MTU:
        s->value = s->mtu;
        break;
    case CKPT_SEL_NQUEUES:
        s->value = CKPT_NIC_NQUEUES;
        break;
    default:
        guest_error("unknown parameter", sel);
    }
}

/* --- buffer commands ----------------------------------------------------- */

static uint32_t cmd_log(CkptNic *s)
{
    uint8_t buf[CKPT_LOG_MAX];

    if (s->buf_len_bytes == 0 || s->buf_len_bytes > sizeof(buf) ||
        !ckpt_nic_dma(s, s->buf_paddr, buf, s->buf_len_bytes, false)) {
        return CKPT_RESULT_INVALID;
    }
    ckpt_nic_tx_scan(s); /* G2: frames that the guest made ready before */
    if ((s->queue[CKPT_QUEUE_TX].status & CKPT_QUEUE_BLOCKED) ||
        !ckpt_nic_hold(s, CKPT_HOLD_LOG, buf, s->buf_len_bytes)) {
        s->buf_waits = true;
        return CKPT_RESULT_AGAIN;
    }
    return CKPT_RESULT_OK;
}

static uint32_t cmd_panic(CkptNic *s)
{
    char buf[CKPT_LOG_MAX];

    if (s->buf_len_bytes > sizeof(buf) ||
        !ckpt_nic_dma(s, s->buf_paddr, buf, s->buf_len_bytes, false)) {
        return CKPT_RESULT_INVALID;
    }
    ckpt_nic_panic(s, buf, s->buf_len_bytes);
    return CKPT_RESULT_OK;
}

static uint32_t cmd_mailbox(CkptNic *s)
{
    struct ckpt_mbox msg;
    uint32_t bytes = ckpt_nic_mailbox_bytes(s);
    uint8_t probe;

    if (!bytes) {
        return CKPT_RESULT_EMPTY;
    }
    /* Not taken out before it is known that it can be handed over. */
    if (s->buf_len_bytes < bytes ||
        !ckpt_nic_dma(s, s->buf_paddr, &probe, 1, false) ||
        !ckpt_nic_dma(s, s->buf_paddr + bytes - 1, &probe, 1, false)) {
        return CKPT_RESULT_INVALID;
    }
    ckpt_nic_mailbox_get(s, &msg);
    msg.kind = cpu_to_le32(msg.kind);
    msg.len_bytes = cpu_to_le32(msg.len_bytes);
    msg.seq = cpu_to_le64(msg.seq);
    return ckpt_nic_dma(s, s->buf_paddr, &msg, bytes, true)
           ? CKPT_RESULT_OK : CKPT_RESULT_INVALID;
}

static void command(CkptNic *s, uint32_t cmd)
{
    switch (cmd) {
    case CKPT_CMD_LOG:
        s->buf_result = cmd_log(s);
        break;
    case CKPT_CMD_PANIC:
        s->buf_result = cmd_panic(s);
        break;
    case CKPT_CMD_MAILBOX:
        s->buf_result = cmd_mailbox(s);
        break;
    default:
        s->buf_result = CKPT_RESULT_INVALID;
    }
    if (s->buf_result == CKPT_RESULT_INVALID) {
        guest_error("bad buffer or command", cmd);
    }
}

/* --- registers ----------------------------------------------------------- */

static uint32_t reg_read(CkptNic *s, hwaddr reg)
{
    CkptNicQueue *q = &s->queue[s->qsel];

    switch (reg) {
    case CKPT_NIC_ID:
        return CKPT_NIC_ID_VALUE;
    case CKPT_NIC_VERSION:
        return CKPT_NIC_VERSION_1;
    case CKPT_NIC_FEATURES:
        return CKPT_FEATURE_CHAIN | CKPT_FEATURE_ENDING |
               (s->engine && ckpt_engine_active(s->engine)
                ? CKPT_FEATURE_CHECKPOINT : 0);
    case CKPT_NIC_INT_STATUS:
        return s->int_status;
    case CKPT_NIC_INT_ENABLE:
        return s->int_enable;
    case CKPT_NIC_QSEL:
        return s->qsel;
    case CKPT_NIC_QADDR_LO:
        return extract64(q->paddr, 0, 32);
    case CKPT_NIC_QADDR_HI:
        return extract64(q->paddr, 32, 32);
    case CKPT_NIC_QSIZE:
        return q->size;
    case CKPT_NIC_QSTATUS:
        return q->status;
    case CKPT_NIC_VALUE_LO:
        return extract64(s->value, 0, 32);
    case CKPT_NIC_VALUE_HI:
        return extract64(s->value, 32, 32);
    case CKPT_NIC_BUF_LO:
        return extract64(s->buf_paddr, 0, 32);
    case CKPT_NIC_BUF_HI:
        return extract64(s->buf_paddr, 32, 32);
    case CKPT_NIC_BUF_LEN:
        return s->buf_len_bytes;
    case CKPT_NIC_BUF_CMD:
        return s->buf_result;
    default:
        guest_error("read of no register", reg);
        return 0;
    }
}

/* The ring of a running queue does not move. */
static void queue_set_paddr(CkptNic *s, int half, uint32_t v)
{
    CkptNicQueue *q = &s->queue[s->qsel];

    if (q->status & CKPT_QUEUE_ENABLED) {
        guest_error("QADDR written while the queue runs", s->qsel);
        return;
    }
    q->paddr = deposit64(q->paddr, half, 32, v);
}

static void select_queue(CkptNic *s, uint32_t no)
{
    if (no < CKPT_NIC_NQUEUES) {
        s->qsel = no;
    } else {
        guest_error("no such queue", no);
    }
}

static void kick(CkptNic *s, uint32_t no)
{
    if (no < CKPT_NIC_NQUEUES) {
        ckpt_nic_queue_kick(s, no);
    } else {
        guest_error("no such queue", no);
    }
}

static void reg_write(CkptNic *s, hwaddr reg, uint32_t v)
{
    switch (reg) {
    case CKPT_NIC_INT_ACK:
        int_ack(s, v);
        break;
    case CKPT_NIC_INT_ENABLE:
        int_set_enable(s, v);
        break;
    case CKPT_NIC_QSEL:
        select_queue(s, v);
        break;
    case CKPT_NIC_QADDR_LO:
        queue_set_paddr(s, 0, v);
        break;
    case CKPT_NIC_QADDR_HI:
        queue_set_paddr(s, 32, v);
        break;
    case CKPT_NIC_QSIZE:
        ckpt_nic_queue_start(s, s->qsel, v);
        break;
    case CKPT_NIC_KICK:
        kick(s, v);
        break;
    case CKPT_NIC_COMMIT:
        ckpt_nic_commit(s, v);
        break;
    case CKPT_NIC_SEL:
        latch(s, v);
        break;
    case CKPT_NIC_BUF_LO:
        s->buf_paddr = deposit64(s->buf_paddr, 0, 32, v);
        break;
    case CKPT_NIC_BUF_HI:
        s->buf_paddr = deposit64(s->buf_paddr, 32, 32, v);
        break;
    case CKPT_NIC_BUF_LEN:
        s->buf_len_bytes = v;
        break;
    case CKPT_NIC_BUF_CMD:
        command(s, v);
        break;
    case CKPT_NIC_EXIT:
        ckpt_nic_exit(s, v);
        break;
    default:
        guest_error("write of no register", reg);
    }
}

static bool access_ok(hwaddr addr, unsigned size)
{
    if (size == 4 && addr % 4 == 0) {
        return true;
    }
    guest_error("access not of 32 aligned bits", addr);
    return false;
}

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    return access_ok(addr, size) ? reg_read(opaque, addr) : 0;
}

static void io_write(void *opaque, hwaddr addr, uint64_t v, unsigned size)
{
    if (access_ok(addr, size)) {
        reg_write(opaque, addr, v);
    }
}

static const MemoryRegionOps io_ops = {
    .read = io_read,
    .write = io_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    /* Every width comes here, to be refused here. */
    .valid = { .min_access_size = 1, .max_access_size = 4, .unaligned = true },
    .impl = { .min_access_size = 1, .max_access_size = 4, .unaligned = true },
};

/* --- life ---------------------------------------------------------------- */

/*
 * A reset ends what the guest had begun, not what it had said: the hold keeps
 * its output, and the TSC keeps its frequency.
 */
static void ckpt_nic_reset(DeviceState *dev)
{
    CkptNic *s = CKPT_NIC(dev);

    qemu_irq_lower(s->irq);
    timer_del(&s->rx_timer);
    s->rx_held_back = false;
    s->int_status = 0;
    s->int_enable = 0;
    s->qsel = 0;
    memset(s->queue, 0, sizeof(s->queue));
    s->value = 0;
    s->buf_paddr = 0;
    s->buf_len_bytes = 0;
    s->buf_result = CKPT_RESULT_OK;
    s->buf_waits = false;
    s->exit_waits = false;
    s->exit_said = false;
    s->exit_lost = false;
    s->exit_value = 0;
    s->commit_epoch = 0;
    s->notify_epoch = 0;
    s->mailbox.count = 0;
    ckpt_nic_mailbox_changed(s);
}

static void ckpt_nic_realize(DeviceState *dev, Error **errp)
{
    CkptNic *s = CKPT_NIC(dev);

    if (s->mtu < CKPT_NIC_MTU_MIN || s->mtu > CKPT_NIC_MTU_MAX) {
        error_setg(errp, "mtu must be from %u to %u", CKPT_NIC_MTU_MIN,
                   CKPT_NIC_MTU_MAX);
        return;
    }
    if (s->isa_irq >= ISA_NUM_IRQS || s->iobase % 4 ||
        s->iobase > 0x10000 - CKPT_NIC_PORTS) {
        error_setg(errp, "irq must be below %u, iobase a multiple of 4",
                   ISA_NUM_IRQS);
        return;
    }
    if (ckpt_engine_get() && current_machine->smp.max_cpus > 1) {
        error_setg(errp, "checkpoints need a machine with one vCPU");
        return;
    }
    s->made = ckpt_tsc_sample();
    timer_init_ns(&s->rx_timer, QEMU_CLOCK_VIRTUAL, rx_timer_cb, s);
    if (!ckpt_nic_host_realize(s, errp)) {
        return;
    }
    s->irq = isa_get_irq(ISA_DEVICE(dev), s->isa_irq);
    memory_region_init_io(&s->io, OBJECT(dev), &io_ops, s, TYPE_CKPT_NIC,
                          CKPT_NIC_PORTS);
    isa_register_ioport(ISA_DEVICE(dev), &s->io, s->iobase);
}

/* clang-format off */
static const Property ckpt_nic_properties[] = {
    DEFINE_NIC_PROPERTIES(CkptNic, conf),
    DEFINE_PROP_UINT32("iobase", CkptNic, iobase, CKPT_NIC_IOBASE),
    DEFINE_PROP_UINT32("irq", CkptNic, isa_irq, CKPT_NIC_IRQ),
    DEFINE_PROP_UINT32("mtu", CkptNic, mtu, CKPT_NIC_MTU_DEFAULT),
    DEFINE_PROP_UINT32("rx-coalesce-us", CkptNic, rx_coalesce_us, 0),
};

/* What `-device ckpt-nic,help` says of them. */
static const char *const ckpt_nic_descriptions[][2] = {
    { "netdev", "id of the -netdev that frames go to and come from" },
    { "mac", "Ethernet address of a program that has none in the bundle" },
    { "iobase", "first of its 128 I/O ports, a multiple of 4" },
    { "irq", "its ISA interrupt; microvm needs 5 to 12 for virtio-mmio" },
    { "mtu", "largest payload of a frame in bytes, 68 to 9202" },
    { "rx-coalesce-us",
      "tell the guest at most every so many microseconds of frames that came; "
      "0: of each at once" },
};
/* clang-format on */

static void ckpt_nic_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    size_t i;

    dc->desc = "Packet-only NIC of a checkpointed guest";
    dc->realize = ckpt_nic_realize;
    dc->vmsd = &ckpt_nic_vmstate;
    /* The gate's epochs are tied to this device for the life of the VM. */
    dc->hotpluggable = false;
    device_class_set_legacy_reset(dc, ckpt_nic_reset);
    device_class_set_props(dc, ckpt_nic_properties);
    for (i = 0; i < ARRAY_SIZE(ckpt_nic_descriptions); i++) {
        object_class_property_set_description(klass,
                                              ckpt_nic_descriptions[i][0],
                                              ckpt_nic_descriptions[i][1]);
    }
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
}

static const TypeInfo ckpt_nic_info = {
    .name = TYPE_CKPT_NIC,
    .parent = TYPE_ISA_DEVICE,
    .instance_size = sizeof(CkptNic),
    .class_init = ckpt_nic_class_init,
};

static void ckpt_nic_register_types(void)
{
    type_register_static(&ckpt_nic_info);
}

type_init(ckpt_nic_register_types)
