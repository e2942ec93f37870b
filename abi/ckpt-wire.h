/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-wire.h - contract between QEMU's ckpt-engine and ckptd
 *
 * A SOCK_SEQPACKET unix socket: QEMU connects, one message per packet, struct
 * ckpt_msg first, @len_bytes of payload behind it, never more than
 * CKPT_MSG_MAX in all.  All integers little-endian.  Descriptors travel as
 * SCM_RIGHTS of the message they belong to.  ckptd checks SO_PEERCRED.
 *
 *   QEMU                              ckptd
 *   HELLO            ->                       first, nothing before it
 *                    <-  WELCOME | REFUSE
 *   EPOCH(n)         ->                       staging slot is ckptd's until
 *                    <-  COMMITTED(n)         n is durable (S2)
 *   OUTPUT           ->                       released log bytes, exit, panic
 *                    <-  MAILBOX, COMMIT_NOW, QUIT
 *                    <-  FREEZE              the guest is about to move away
 *   EPOCH(n) LAST    ->                       nothing after it but BYE
 *   NAME(n)          ->                       n is durable: keep it by a name
 *                    <-  NAMED                one for each NAME, in order
 *   MOVE             ->                       QEMU's own migration takes the
 *                    <-  MOVE_OK, STAY        guest away (below)
 *   EPOCH ARRIVING   ->                       it brings one
 *                    <-  STORED(k)
 *   BYE              ->                       an orderly end, not a crash
 *
 * Pages and device state do not travel by the socket: they lie in the staging
 * memfd, shared by both, @staging_slots slots of @slot_bytes each.  A slot is:
 *   0                  struct ckpt_slot
 *   list_offset        n_pages entries of uint64_t: page number, bit 63
 *                      (CKPT_PAGE_ZERO) set where the page is all zero
 *   devstate_offset    devstate_bytes: as qemu_save_device_state() writes it
 *   data_offset        the pages that are not CKPT_PAGE_ZERO, in list order,
 *                      page_bytes each; data_offset is page aligned
 * Page numbers are offsets into main RAM / page_bytes, strictly rising.
 * The receiver copies struct ckpt_slot and the list before it checks them.
 *
 * RESTORE uses the same layout the other way round: ckptd puts the newest copy
 * of every page that differs from the base image, and the device state, into
 * @restore_slot; QEMU maps the base image privately over main RAM, copies the
 * slot's pages over it, loads the device state, and is at the end of epoch
 * @epoch.  The slot is QEMU's again after its first EPOCH or COMMIT.
 *
 * A guest that QEMU's own migration brings (CKPT_HELLO_INCOMING): while its RAM
 * comes in, EPOCH ARRIVING hands over pages without device state, k = 1, 2, ...;
 * STORED(k) frees the slot and promises nothing.  EPOCH ARRIVED is the guest
 * itself, in the epoch that it was in and in the generation behind the one that
 * it left: from its COMMITTED on the store is this guest's (F1), and QEMU lets it
 * run not before.  A QEMU that goes away before leaves all as it was.
 *
 * A guest that it takes away: MOVE LEAVING, said with the gate sealed and the
 * vCPU stopped, before anything without which it cannot run elsewhere is sent.
 * MOVE_OK says that ckptd will not recover it, whatever happens, unless MOVE
 * STAYS follows.  MOVE MOVED and UNKNOWN tell how it ended.  STAY is an
 * operator's word that the guest runs nowhere else: go on.
 *
 * CONTINUE answers a HELLO with CKPT_HELLO_RECONNECT (ckptd was away: E3, G3):
 * QEMU sends hold and staging memfd along; the WELCOME's epoch says what is
 * durable; QEMU releases up to it and sends EPOCH again for the rest, oldest
 * first.
 */
#ifndef CKPT_WIRE_H
#define CKPT_WIRE_H

#include <stdint.h>
#include <stddef.h>

#define CKPT_WIRE_VERSION   1u
#define CKPT_MSG_MAX        (16u << 10)
#define CKPT_PAGE_BYTES     4096u
#define CKPT_PAGE_ZERO      (1ull << 63)
#define CKPT_STAGING_SLOTS  2u      /* epochs in flight */

enum ckpt_msg_type {
    CKPT_MSG_HELLO      = 1,
    CKPT_MSG_WELCOME    = 2,
    CKPT_MSG_REFUSE     = 3,    /* payload: reason, UTF-8; QEMU ends with it */
    CKPT_MSG_EPOCH      = 4,
    CKPT_MSG_COMMITTED  = 5,    /* no payload; header's epoch */
    CKPT_MSG_OUTPUT     = 6,    /* struct ckpt_output, then bytes */
    CKPT_MSG_MAILBOX    = 7,    /* struct ckpt_mbox of ckpt-nic.h; seq 0 */
    CKPT_MSG_COMMIT_NOW = 8,    /* take a checkpoint even with nothing held */
    CKPT_MSG_QUIT       = 9,    /* power off now */
    CKPT_MSG_BYE        = 10,   /* struct ckpt_bye */
    CKPT_MSG_FREEZE     = 11,   /* release nothing any more, take a checkpoint
                                   (CKPT_EPOCH_LAST), and stand still; QEMU
                                   ends when ckptd goes away after it */
    CKPT_MSG_NAME       = 12,   /* header's epoch is durable: keep it, or a
                                   later one; payload: the label, UTF-8, 1 to
                                   CKPT_LABEL_MAX bytes, no NUL */
    CKPT_MSG_NAMED      = 13,   /* header's epoch: what has the name, payload
                                   empty; or 0, payload: why not, UTF-8 */
    CKPT_MSG_MOVE       = 14,   /* struct ckpt_move */
    CKPT_MSG_MOVE_OK    = 15,   /* answers LEAVING */
    CKPT_MSG_STAY       = 16,   /* an operator: it runs nowhere else, go on */
    CKPT_MSG_STORED     = 17,   /* answers EPOCH ARRIVING; header's epoch */
};

#define CKPT_LABEL_MAX      48u     /* bytes of a label */

struct ckpt_msg {
    uint32_t type;              /*  0 enum ckpt_msg_type */
    uint32_t len_bytes;         /*  4 of the payload */
    uint64_t epoch;             /*  8 */
    uint64_t generation;        /* 16 of the sender; a message of another
                                      generation is refused (F1) */
};

#define CKPT_HELLO_RECONNECT    (1u << 0) /* fds: hold, staging */
#define CKPT_HELLO_VERIFY       (1u << 1) /* verify=on: records carry a hash */
#define CKPT_HELLO_NO_CHECKPOINT (1u << 2) /* gate open; only OUTPUT is used */
#define CKPT_HELLO_INCOMING     (1u << 3) /* -incoming: a guest is to come */

struct ckpt_hello {
    uint32_t version;           /*   0 CKPT_WIRE_VERSION */
    uint32_t flags;             /*   4 CKPT_HELLO_* */
    uint64_t features;          /*   8 zero */
    uint64_t ram_bytes;         /*  16 of main RAM */
    uint64_t tsc_hz;            /*  24 */
    uint64_t committed;         /*  32 RECONNECT: greatest epoch known durable;
                                       header's epoch: greatest captured */
    uint32_t page_bytes;        /*  40 CKPT_PAGE_BYTES */
    uint32_t devstate_max;      /*  44 room wanted for it in a slot, bytes */
    uint8_t  uuid[16];          /*  48 of the VM (-uuid), zero if none */
    char     name[64];          /*  64 of the guest, NUL padded */
    char     qemu[64];          /* 128 manifest: version */
    char     machine[32];       /* 192 manifest: machine type */
    char     cpu[64];           /* 224 manifest: CPU model as resolved */
    char     accel[16];         /* 288 manifest: tcg or kvm */
    uint8_t  reserved[16];      /* 304 zero */
};

enum ckpt_action {
    CKPT_ACTION_BOOT     = 1,   /* fds: hold, staging; the header's epoch is
                                   not 0 where a program has ended before:
                                   epochs go on counting, the first is whole */
    CKPT_ACTION_RESTORE  = 2,   /* fds: hold, staging, base image */
    CKPT_ACTION_CONTINUE = 3,   /* no fds */
    CKPT_ACTION_PASS     = 4,   /* NO_CHECKPOINT accepted: no fds */
    CKPT_ACTION_INCOMING = 5,   /* fds: hold, staging; epoch 0 */
};

#define CKPT_WELCOME_HASH   (1u << 0) /* ram_hash is to be checked */
#define CKPT_WELCOME_HOLD   (1u << 1) /* the hold is a predecessor's: release
                                         and replay from it */
#define CKPT_WELCOME_NEW_LINE (1u << 2) /* RESTORE: fork or rollback (R2).  The
                                         hold is fresh, what lies in the TX ring
                                         is discarded, @n_identities struct
                                         ckpt_identity of ckpt-nic.h follow
                                         (one @why, processes and MACs unlike
                                         each other, @generation the header's;
                                         or all CKPT_IDENTITY_OWN), and frames
                                         from any other address than theirs are
                                         dropped from then on */

#define CKPT_WELCOME_LAUNCHED (1u << 3) /* ckptd has started this QEMU, and
                                         moves it by its own way only */

struct ckpt_welcome {           /* header's epoch: last durable, 0 = none;
                                   header's generation: the guest's from now */
    uint32_t version;           /*  0 */
    uint32_t action;            /*  4 enum ckpt_action */
    uint32_t flags;             /*  8 CKPT_WELCOME_* */
    uint32_t staging_slots;     /* 12 CKPT_STAGING_SLOTS */
    uint64_t slot_bytes;        /* 16 multiple of page_bytes */
    uint64_t hold_bytes;        /* 24 */
    uint64_t base_bytes;        /* 32 RESTORE: == ram_bytes */
    uint64_t ram_hash;          /* 40 XXH3 64 of main RAM, seed 0 */
    uint32_t restore_slot;      /* 48 */
    uint32_t min_interval_us;   /* 52 between the starts of two epochs */
    uint32_t max_interval_ms;   /* 56 an epoch with dirty memory ends by then,
                                      0 = no limit */
    uint32_t n_identities;      /* 60 NEW_LINE: 1 to CKPT_IDENTITIES_MAX */
};

#define CKPT_SLOT_MAGIC     0x544f4c5343554c53ull /* "SLUCSLOT" */

struct ckpt_slot {
    uint64_t magic;             /*  0 */
    uint64_t epoch;             /*  8 */
    uint64_t generation;        /* 16 */
    uint64_t n_pages;           /* 24 entries of the list */
    uint64_t n_data;            /* 32 pages that follow at data_offset */
    uint64_t list_offset;       /* 40 from the slot's start, as the next two */
    uint64_t devstate_offset;   /* 48 */
    uint64_t devstate_bytes;    /* 56 */
    uint64_t data_offset;       /* 64 */
    uint64_t ram_hash;          /* 72 verify=on, else 0 */
    uint64_t reserved[6];       /* 80 zero */
};

#define CKPT_EPOCH_FULL     (1u << 0) /* all of RAM, not an increment */
#define CKPT_EPOCH_HASH     (1u << 1) /* the slot's ram_hash is valid */
#define CKPT_EPOCH_LAST     (1u << 2) /* answers FREEZE: the vCPU is stopped */
#define CKPT_EPOCH_ARRIVING (1u << 3) /* RAM that comes in: no devices, no epoch
                                         of the guest */
#define CKPT_EPOCH_ARRIVED  (1u << 4) /* the guest has come */

enum ckpt_cause {
    CKPT_CAUSE_FRAME = 1, CKPT_CAUSE_COMMIT = 2, CKPT_CAUSE_QMP = 3,
    CKPT_CAUSE_INTERVAL = 4, CKPT_CAUSE_FIRST = 5, CKPT_CAUSE_JOURNAL = 6,
    CKPT_CAUSE_FREEZE = 7, CKPT_CAUSE_RESET = 8, CKPT_CAUSE_ARRIVE = 9,
};

struct ckpt_epoch {             /* header's epoch: n */
    uint32_t slot;              /*  0 */
    uint32_t flags;             /*  4 CKPT_EPOCH_* */
    uint32_t cause;             /*  8 enum ckpt_cause */
    uint32_t wait_ns;           /* 12 trigger to vCPU thread */
    uint32_t scan_ns;           /* 16 dirty log sync, scan, clear */
    uint32_t copy_ns;           /* 20 */
    uint32_t devstate_ns;       /* 24 */
    uint32_t pause_ns;          /* 28 all that the guest stood still */
    uint64_t trigger_ns;        /* 32 CLOCK_MONOTONIC */
    uint64_t submit_ns;         /* 40 CLOCK_MONOTONIC */
};

enum ckpt_output_kind {
    CKPT_OUTPUT_LOG   = 1,
    CKPT_OUTPUT_EXIT  = 2,      /* uint32_t as CKPT_NIC_EXIT */
    CKPT_OUTPUT_PANIC = 3,      /* text, never committed */
    CKPT_OUTPUT_ENDING = 4,     /* uint32_t as CKPT_NIC_EXIT, with
                                   CKPT_EXIT_ENDING; EXIT follows */
};

#define CKPT_OUTPUT_COMMITTED   (1u << 0) /* released by its epoch's commit */

struct ckpt_output {            /* header's epoch: in which it was written */
    uint32_t kind;              /*  0 enum ckpt_output_kind */
    uint32_t flags;             /*  4 CKPT_OUTPUT_* */
    uint64_t seq;               /*  8 of the hold; a repetition after a
                                      recovery or a reconnect has the same */
};

enum ckpt_bye_reason {
    CKPT_BYE_EXIT     = 1,      /* the program's exit was released */
    CKPT_BYE_SHUTDOWN = 2,      /* QUIT, quit, or power off */
    CKPT_BYE_PANIC    = 3,      /* counts as a crash */
    CKPT_BYE_ERROR    = 4,      /* the engine cannot go on: text follows */
    CKPT_BYE_RESET    = 5,      /* said behind another: it was reset after
                                      that, the next QEMU is to start */
};

struct ckpt_bye {
    uint32_t reason;            /* 0 enum ckpt_bye_reason */
    uint32_t status;            /* 4 EXIT: as CKPT_NIC_EXIT */
};

enum ckpt_move_phase {
    CKPT_MOVE_LEAVING = 1,      /* the guest is about to be sent away */
    CKPT_MOVE_STAYS   = 2,      /* it was not, or an operator said STAY */
    CKPT_MOVE_UNKNOWN = 3,      /* it was sent, and nobody said what of it */
    CKPT_MOVE_MOVED   = 4,      /* the other QEMU has it */
};

struct ckpt_move {              /* header's epoch: that the guest is in */
    uint32_t phase;             /* 0 enum ckpt_move_phase */
    uint32_t reserved;          /* 4 zero */
};

_Static_assert(sizeof(struct ckpt_msg) == 24, "size");
_Static_assert(offsetof(struct ckpt_msg, epoch) == 8, "offset");
_Static_assert(sizeof(struct ckpt_hello) == 320, "size");
_Static_assert(offsetof(struct ckpt_hello, uuid) == 48, "offset");
_Static_assert(offsetof(struct ckpt_hello, accel) == 288, "offset");
_Static_assert(sizeof(struct ckpt_welcome) == 64, "size");
_Static_assert(offsetof(struct ckpt_welcome, ram_hash) == 40, "offset");
_Static_assert(offsetof(struct ckpt_welcome, max_interval_ms) == 56, "offset");
_Static_assert(sizeof(struct ckpt_slot) == 128, "size");
_Static_assert(offsetof(struct ckpt_slot, ram_hash) == 72, "offset");
_Static_assert(sizeof(struct ckpt_epoch) == 48, "size");
_Static_assert(offsetof(struct ckpt_epoch, trigger_ns) == 32, "offset");
_Static_assert(sizeof(struct ckpt_output) == 16, "size");
_Static_assert(offsetof(struct ckpt_output, seq) == 8, "offset");
_Static_assert(sizeof(struct ckpt_bye) == 8, "size");
_Static_assert(sizeof(struct ckpt_move) == 8, "size");

#endif
