/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-nic.h - contract between the guest kernel and QEMU's ckpt-nic
 *
 * The device is everything a guest can talk to.  It lies in I/O space:
 * CKPT_NIC_PORTS bytes from CKPT_NIC_IOBASE (property iobase), one edge
 * triggered ISA interrupt (property irq, default CKPT_NIC_IRQ).  Every
 * register is 32 bits wide, naturally aligned and little-endian; any other
 * access width is a guest error and reads as zero.
 *
 * Three kinds of access:
 *   - plain registers, listed in enum ckpt_nic_reg;
 *   - 64-bit parameters: writing a selector to CKPT_NIC_SEL latches the value,
 *     CKPT_NIC_VALUE_LO/HI read the latched halves, so that a value is of one
 *     instant;
 *   - buffer commands: BUF_LO/HI/LEN name a physically contiguous buffer,
 *     writing BUF_CMD carries the command out before the OUT returns, reading
 *     BUF_CMD gives its result (enum ckpt_nic_result).
 *
 * Rings.  A ring lies in guest RAM: struct ckpt_ring, then @size descriptors.
 * prod and cons are free running counters, entry i is desc[i % size]; prod -
 * cons never exceeds size.
 *   TX  the guest fills descriptors, then stores prod (release), then may write
 *       KICK.  The device takes whole frames (a chain of descriptors joined by
 *       CKPT_DESC_NEXT) in order, copies each into the hold gate and stores
 *       cons.  When the gate is full it stops taking; CKPT_INT_TX tells when it
 *       goes on.  A KICK is needed only when the device has seen prod == cons;
 *       the device also scans the ring at every epoch.
 *   RX  the guest posts empty buffers (addr, len = capacity) and stores prod.
 *       The device writes a frame into the buffer at cons, sets len to the
 *       bytes written and CKPT_DESC_DONE, stores cons (release) and raises
 *       CKPT_INT_RX.  One frame takes one descriptor.
 * The device checks every descriptor (address range, length, chain, counters).
 * A bad one is logged as a guest error, the queue stops (CKPT_QUEUE_ERROR) and
 * CKPT_INT_ERROR is raised; writing QSIZE starts it anew, with cons 0.
 */
#ifndef CKPT_NIC_H
#define CKPT_NIC_H

#include <stdint.h>
#include <stddef.h>

#define CKPT_NIC_IOBASE     0x5c0
#define CKPT_NIC_PORTS      0x80
#define CKPT_NIC_IRQ        3

#define CKPT_NIC_ID_VALUE   0x434e4c53u /* "SLNC" */
#define CKPT_NIC_VERSION_1  1u

enum ckpt_nic_reg {
    CKPT_NIC_ID         = 0x00, /* R  CKPT_NIC_ID_VALUE */
    CKPT_NIC_VERSION    = 0x04, /* R  CKPT_NIC_VERSION_1 */
    CKPT_NIC_FEATURES   = 0x08, /* R  CKPT_FEATURE_* */
    CKPT_NIC_INT_STATUS = 0x0c, /* R  pending causes, CKPT_INT_* */
    CKPT_NIC_INT_ACK    = 0x10, /* W  causes to clear (write one) */
    CKPT_NIC_INT_ENABLE = 0x14, /* RW causes that raise the line */
    CKPT_NIC_QSEL       = 0x18, /* RW queue that Q* registers speak of */
    CKPT_NIC_QADDR_LO   = 0x1c, /* RW ring address, CKPT_RING_ALIGN aligned */
    CKPT_NIC_QADDR_HI   = 0x20, /* RW */
    CKPT_NIC_QSIZE      = 0x24, /* RW entries, power of two, 0 = queue off */
    CKPT_NIC_QSTATUS    = 0x28, /* R  CKPT_QUEUE_* */
    CKPT_NIC_KICK       = 0x2c, /* W  queue number that has new descriptors */
    CKPT_NIC_COMMIT     = 0x30, /* W  CKPT_COMMIT_*; SEL_COMMIT is the epoch */
    CKPT_NIC_SEL        = 0x34, /* W  enum ckpt_nic_sel */
    CKPT_NIC_VALUE_LO   = 0x38, /* R  latched by SEL */
    CKPT_NIC_VALUE_HI   = 0x3c, /* R */
    CKPT_NIC_BUF_LO     = 0x40, /* RW physical address */
    CKPT_NIC_BUF_HI     = 0x44, /* RW */
    CKPT_NIC_BUF_LEN    = 0x48, /* RW bytes */
    CKPT_NIC_BUF_CMD    = 0x4c, /* W  enum ckpt_nic_cmd, R enum ckpt_nic_result */
    CKPT_NIC_EXIT       = 0x50, /* W  exit status (see CKPT_EXIT_*), held */
};

/* Queues.  More pairs, one per MAC address, may follow: see NQUEUES. */
#define CKPT_QUEUE_TX       0u
#define CKPT_QUEUE_RX       1u
#define CKPT_NIC_NQUEUES    2u

#define CKPT_QUEUE_ENABLED  (1u << 0)
#define CKPT_QUEUE_ERROR    (1u << 1) /* stopped by a bad descriptor */
#define CKPT_QUEUE_BLOCKED  (1u << 2) /* TX: the hold gate is full */

#define CKPT_INT_TX         (1u << 0) /* TX goes on after it was blocked */
#define CKPT_INT_RX         (1u << 1) /* frames arrived */
#define CKPT_INT_COMMIT     (1u << 2) /* an epoch asked for is committed */
#define CKPT_INT_MAILBOX    (1u << 3) /* SEL_MAILBOX is not zero */
#define CKPT_INT_ERROR      (1u << 4) /* a queue stopped */
#define CKPT_INT_ALL        0x1fu

#define CKPT_FEATURE_CHAIN      (1u << 0) /* TX frames of several buffers */
#define CKPT_FEATURE_CHECKPOINT (1u << 1) /* an engine takes checkpoints */
#define CKPT_FEATURE_ENDING     (1u << 2) /* EXIT knows CKPT_EXIT_ENDING */

#define CKPT_COMMIT_NOW     1u  /* end the current epoch as soon as possible */
#define CKPT_COMMIT_NOTIFY  2u  /* raise CKPT_INT_COMMIT when it is durable */

enum ckpt_nic_sel {
    CKPT_SEL_EPOCH      = 0, /* epoch being executed, >= 1; 0: no checkpoints */
    CKPT_SEL_COMMITTED  = 1, /* greatest epoch known to be durable */
    CKPT_SEL_COMMIT     = 2, /* epoch that the last COMMIT write asked for; 0:
                                no checkpoints, COMMIT is an error */
    CKPT_SEL_GENERATION = 3, /* changes at every restore (F1) */
    CKPT_SEL_TSC_HZ     = 4, /* frequency of the time stamp counter */
    CKPT_SEL_WALL_NS    = 5, /* host wall clock, ns since 1970 UTC, now */
    CKPT_SEL_ENTROPY    = 6, /* 64 fresh random bits at each selection */
    CKPT_SEL_MAC        = 7, /* bytes 0..5 of the address, byte 0 lowest */
    CKPT_SEL_MAILBOX    = 8, /* bytes of the oldest unread message, 0: none */
    CKPT_SEL_MTU        = 9, /* largest payload of a frame, bytes */
    CKPT_SEL_NQUEUES    = 10,
};

enum ckpt_nic_cmd {
    CKPT_CMD_LOG        = 1, /* bytes of the program's or kernel's log: held */
    CKPT_CMD_PANIC      = 2, /* report: shown at once as not committed; QEMU then
                                ends with status CKPT_QEMU_STATUS_PANIC */
    CKPT_CMD_MAILBOX    = 3, /* read the oldest message (struct ckpt_mbox) into
                                the buffer and remove it */
};

enum ckpt_nic_result {
    CKPT_RESULT_OK      = 0,
    CKPT_RESULT_AGAIN   = 1, /* the hold gate is full; CKPT_INT_TX follows */
    CKPT_RESULT_INVALID = 2, /* bad command, address or length */
    CKPT_RESULT_EMPTY   = 3, /* no message */
};

#define CKPT_LOG_MAX        4096u   /* bytes of one LOG or PANIC command */

/* CKPT_NIC_EXIT: low byte status, or the signal with CKPT_EXIT_SIGNALLED. */
#define CKPT_EXIT_SIGNALLED     (1u << 8)
/*
 * With CKPT_FEATURE_ENDING: no end yet.  All programs have ended, the last one
 * with this status, and the guest goes on until what they sent is acknowledged;
 * EXIT without this bit follows.
 */
#define CKPT_EXIT_ENDING        (1u << 9)
#define CKPT_QEMU_STATUS_PANIC  101     /* of the QEMU process */

/* Messages from the host.  The journal of the hold keeps them like frames. */
#define CKPT_MBOX_DATA_MAX  240u

enum ckpt_mbox_kind {
    CKPT_MBOX_SIGTERM    = 1, /* ask the program to end */
    CKPT_MBOX_SHUTDOWN   = 2, /* end now: the kernel stops all processes */
    CKPT_MBOX_GENERATION = 3, /* restored: read GENERATION and WALL_NS again */
    CKPT_MBOX_IDENTITY   = 4, /* R2, instead of GENERATION: another line of this
                                 guest begins; data[] is struct ckpt_identity,
                                 one message for each process */
};

/*
 * A line is one history of a guest.  Recovery goes on with the same line; a
 * fork (a start from a named checkpoint) begins one beside the original's, a
 * rollback one in its place.  The message is in the mailbox, its interrupt
 * pending, before the vCPU runs its first instruction; it is not journaled:
 * as long as the new line has no durable epoch of its own each restore says it
 * anew.  Messages that the old line had not read are gone; was one of them an
 * IDENTITY with CKPT_LINE_FORK, that is what the new ones say too.
 *
 * Frames of the guest are dropped by the device until the last IDENTITY has
 * been read, and from then on unless
 *   - the source MAC is that of an identity, and
 *   - IPv4: the source is that identity's address, or 0.0.0.0;
 *   - ARP: it is of IPv4 over Ethernet, the sender's MAC is the source MAC, and
 *     the sender's address that identity's or 0.0.0.0.
 * No address is looked at where the identity has CKPT_IDENTITY_DHCP or none,
 * nothing at all where it has CKPT_IDENTITY_OWN.
 * All of this is the device's state: checkpoints carry it, and so each later
 * generation of the line keeps it, without being told.
 */
enum ckpt_line_why {
    CKPT_LINE_FORK     = 1, /* connections are another's: drop them silently */
    CKPT_LINE_ROLLBACK = 2, /* connections are ours and stale: reset them */
};

struct ckpt_identity {
    uint32_t why;               /*   0 enum ckpt_line_why */
    uint32_t process;           /*   4 number of the process it is for */
    uint64_t generation;        /*   8 */
    /* from here on as struct boot_net of guest-boot.h */
    uint8_t  mac[6];            /*  16 zero only with CKPT_IDENTITY_OWN */
    uint16_t mtu;               /*  22 */
    uint32_t address;           /*  24 */
    uint32_t netmask;           /*  28 */
    uint32_t gateway;           /*  32 */
    uint32_t dns;               /*  36 */
    char     hostname[64];      /*  40 */
    uint32_t flags;             /* 104 CKPT_IDENTITY_* */
    uint32_t reserved;          /* 108 zero */
};

#define CKPT_IDENTITY_DHCP  1u      /* BOOT_NET_DHCP */
/*
 * Rollbacks only, then of all identities of the line: the process goes on under
 * the addresses it has, which the host does not know.  All from mac on is zero.
 */
#define CKPT_IDENTITY_OWN   2u
#define CKPT_IDENTITIES_MAX 16u     /* BOOT_MAX_PROCESSES */

struct ckpt_mbox {
    uint32_t kind;              /*   0 enum ckpt_mbox_kind */
    uint32_t len_bytes;         /*   4 of data */
    uint64_t seq;               /*   8 */
    uint8_t  data[CKPT_MBOX_DATA_MAX]; /* 16 */
};

#define CKPT_RING_ALIGN     64u
#define CKPT_RING_MAX       1024u   /* entries */
#define CKPT_CHAIN_MAX      16u     /* descriptors of one frame */
#define CKPT_FRAME_MIN      14u     /* an Ethernet header */
#define CKPT_FRAME_MAX      9216u   /* bytes, header included, no FCS */

#define CKPT_DESC_NEXT      (1u << 0) /* TX: the frame goes on in the next */
#define CKPT_DESC_DONE      (1u << 1) /* RX: holds a frame */

struct ckpt_desc {
    uint64_t paddr;             /*  0 */
    uint32_t len_bytes;         /*  8 */
    uint32_t flags;             /* 12 CKPT_DESC_* */
};

struct ckpt_ring {
    uint32_t prod;              /*  0 written by the guest */
    uint32_t reserved0[7];      /*  4 zero */
    uint32_t cons;              /* 32 written by the device */
    uint32_t reserved1[7];      /* 36 zero */
    struct ckpt_desc desc[];    /* 64 */
};

_Static_assert(sizeof(struct ckpt_mbox) == 256, "size");
_Static_assert(offsetof(struct ckpt_mbox, seq) == 8, "offset");
_Static_assert(offsetof(struct ckpt_mbox, data) == 16, "offset");
_Static_assert(sizeof(struct ckpt_identity) == 112, "size");
_Static_assert(offsetof(struct ckpt_identity, mac) == 16, "offset");
_Static_assert(offsetof(struct ckpt_identity, address) == 24, "offset");
_Static_assert(offsetof(struct ckpt_identity, hostname) == 40, "offset");
_Static_assert(offsetof(struct ckpt_identity, flags) == 104, "offset");
_Static_assert(sizeof(struct ckpt_desc) == 16, "size");
_Static_assert(offsetof(struct ckpt_desc, len_bytes) == 8, "offset");
_Static_assert(offsetof(struct ckpt_desc, flags) == 12, "offset");
_Static_assert(sizeof(struct ckpt_ring) == 64, "size");
_Static_assert(offsetof(struct ckpt_ring, cons) == 32, "offset");
_Static_assert(offsetof(struct ckpt_ring, desc) == 64, "offset");

#endif
