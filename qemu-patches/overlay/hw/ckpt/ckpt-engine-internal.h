/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-engine-internal.h - what the files of the checkpoint engine share
 *
 *   ckpt-object.c    -object and its properties
 *   ckpt-engine.c    requests, the life of an epoch, COMMITTED
 *   ckpt-ram.c       main RAM, copies of its pages, verify=on
 *   ckpt-dirty.c     which pages changed, for us and for a migration
 *   ckpt-devstate.c  vCPU and devices
 *   ckpt-staging.c   the slots shared with ckptd
 *   ckpt-client.c    the socket, its loss and its return
 *   ckpt-output.c    log bytes, exit status, panic, the orderly end
 *   ckpt-restore.c   first boot or recovery
 *   ckpt-name.c      checkpoints that a monitor gives a name
 *   ckpt-move.c      a migration takes the guest away
 *   ckpt-arrive.c    a migration brings it
 *   ckpt-qmp.c       monitor commands
 *
 * Everything here belongs to the holder of the big QEMU lock (BQL).
 */
#ifndef HW_CKPT_ENGINE_INTERNAL_H
#define HW_CKPT_ENGINE_INTERNAL_H

#include "qom/object.h"
#include "qemu/notify.h"
#include "hw/ckpt/ckpt-engine.h"
#include "hw/ckpt/ckpt-tsc.h"
#include "migration/vmstate.h"
#include "ckpt-nic.h"

#define TYPE_CKPT_ENGINE "ckpt-engine"
OBJECT_DECLARE_SIMPLE_TYPE(CkptEngine, CKPT_ENGINE)

/* Room wanted for the device state; a microvm guest needs about 3 KiB. */
#define CKPT_DEVSTATE_MAX   (256u << 10)

/* Messages that wait for room in the guest's mailbox. */
#define CKPT_MESSAGES_MAX   16

/*
 * enum ckpt_state - life of the epoch being made
 *
 *  START    the machine is being built; ckptd has not answered yet
 *           must not: take requests
 *           left by: ckpt_restore_at_start() -> RUN, OFF, ARRIVE or END
 *  OFF      no checkpoints in this QEMU; the gate is open.  Final, but for
 *           ckpt_engine_end()
 *  ARRIVE   -incoming: the guest's RAM comes in and goes to ckptd
 *           must not: let the guest run, release anything
 *           left by: ckpt-arrive.c, when the guest is durable here -> RUN
 *  RUN      guest runs, dirty log on, output tagged with this epoch
 *           left by: ckpt_engine_request() -> WAIT
 *  WAIT     a checkpoint is wanted, but no slot is free, the last one started
 *           less than min_interval ago, or the guest has not left firmware
 *           left by: ckpt_engine_try_start() -> PAUSE
 *  PAUSE    capture is queued on the vCPU's thread; the gate still tags with
 *           this epoch
 *           left by: ckpt_engine_capture() -> CAPTURE, or -> WAIT when it
 *           finds the vCPU in firmware
 *  CAPTURE  on the vCPU's thread, which therefore runs no guest code
 *           must not: block, drop the BQL, start another capture
 *           left by: ckpt_engine_capture(), which also advances the gate's
 *           epoch (E2) -> RUN
 *  END      no epoch begins and nothing is released any more: the guest has
 *           ended, or the engine cannot go on.  Final
 *
 * Whether ckptd can be reached is no part of it: without ckptd the slots are
 * not freed, so that the guest runs on in WAIT with the gate shut (G3).
 */
enum ckpt_state {
    CKPT_STATE_START,
    CKPT_STATE_OFF,
    CKPT_STATE_ARRIVE,
    CKPT_STATE_RUN,
    CKPT_STATE_WAIT,
    CKPT_STATE_PAUSE,
    CKPT_STATE_CAPTURE,
    CKPT_STATE_END,
    CKPT_STATE__MAX
};

/*
 * enum ckpt_slot_state - who may write a staging slot
 *
 *  FREE      QEMU's; left by: capture -> CAPTURED
 *  CAPTURED  holds an epoch that ckptd has not been told of
 *            left by: EPOCH sent -> SENT; durable, as WELCOME says -> FREE
 *  SENT      ckptd's until COMMITTED -> FREE; connection lost -> CAPTURED
 *  RESTORE   ckptd's, what this QEMU was restored from
 *            left by: the first EPOCH is sent -> FREE
 */
enum ckpt_slot_state {
    CKPT_SLOT_FREE,
    CKPT_SLOT_CAPTURED,
    CKPT_SLOT_SENT,
    CKPT_SLOT_RESTORE,
    CKPT_SLOT__MAX
};

typedef struct CkptSlot {
    enum ckpt_slot_state state;
    uint32_t index;
    uint64_t epoch;             /* valid in CAPTURED and SENT */
    uint8_t *base;
    struct ckpt_epoch msg;      /* what EPOCH says of it, again after a loss */
} CkptSlot;

typedef struct CkptStaging {
    int fd;                     /* goes along when we reconnect */
    uint64_t slot_bytes;
    uint64_t devstate_offset;
    uint64_t data_offset;
    CkptSlot slot[CKPT_STAGING_SLOTS];
} CkptStaging;

typedef struct CkptRam {
    struct RAMBlock *block;
    uint8_t *host;
    uint64_t n_pages;
    MemoryRegion *firmware;     /* hidden from the first checkpoint on */
    uint8_t *firmware_image;    /* as a reset wants it */
    unsigned long *dirty;       /* pages of the epoch being captured */
    unsigned long *owed;        /* captured, unknown to migration */
    unsigned long *others;      /* changed, and in the log no more */
    uint8_t *shadow;            /* verify=on: what the increments add up to */
} CkptRam;

typedef struct CkptDevstate {
    struct QIOChannelBuffer *ioc;
    struct QEMUFile *file;      /* writes to @ioc; kept from epoch to epoch */
} CkptDevstate;

/*
 * enum ckpt_away - has the guest left this QEMU?
 *
 *  HERE    no.  left by: its state is about to be sent, and ckptd knows: LEFT
 *  LEFT    the gate is sealed, nothing is captured; the vCPU stands still
 *          left by: migration's end -> AWAY; the destination said that it did
 *          not take the guest -> HERE
 *  AWAY    it runs elsewhere, or may.  left by: STAY -> HERE
 */
enum ckpt_away {
    CKPT_AWAY_HERE,
    CKPT_AWAY_LEFT,
    CKPT_AWAY_AWAY,
    CKPT_AWAY__MAX
};

/* What travels beside RAM and devices; all that the engine's vmstate holds. */
typedef struct CkptCargo {
    uint64_t generation;        /* that it leaves */
    uint64_t epoch;             /* that it is in; captured nowhere */
    CkptGateCargo gate;
    uint32_t n_messages;        /* struct ckpt_mbox, not yet the guest's */
    uint32_t messages_bytes;
    uint8_t *messages;
} CkptCargo;

typedef struct CkptMove {
    enum ckpt_away away;
    uint32_t said;              /* enum ckpt_move_phase, the last; 0 = none */
    bool say;                   /* it is not sent yet */
    bool granted;               /* MOVE_OK has come */
    bool refused;               /* the destination did not take it; atomic: set
                                   by migration's return path thread */
    CkptCargo cargo;
    bool received;              /* @cargo came in, and is in the gate */
    Error *blocker;
    Error *cpr_blocker;
    NotifierWithReturn notifier;
    uint64_t n_arriving;        /* ARRIVING epochs so far */
    QEMUTimer *arrive_timer;
} CkptMove;

/*
 * enum ckpt_link - the connection to ckptd
 *
 *  DOWN   no socket, or none that works; left by: connect -> HELLO
 *  HELLO  HELLO is sent; left by: WELCOME -> UP; loss -> DOWN
 *  UP     left by: loss -> DOWN
 */
enum ckpt_link {
    CKPT_LINK_DOWN,
    CKPT_LINK_HELLO,
    CKPT_LINK_UP,
    CKPT_LINK__MAX
};

typedef enum CkptSend {
    CKPT_SEND_DONE,
    CKPT_SEND_AGAIN,            /* the socket is full, or there is none now */
} CkptSend;

typedef struct CkptClient {
    enum ckpt_link link;
    int fd;
    QEMUTimer *retry;
    bool writing;               /* waiting for room in the socket */
    uint8_t rx[CKPT_MSG_MAX] QEMU_ALIGNED(8);
} CkptClient;

/* One message as it came: payload in place, descriptors the receiver's. */
typedef struct CkptMessage {
    struct ckpt_msg head;
    const void *payload;
    int fd[3];
    unsigned n_fd;
} CkptMessage;

typedef struct CkptStats {
    uint64_t epochs;
    uint64_t pages;             /* of the last epoch, as the next three */
    uint64_t bytes;
    struct ckpt_epoch last;
    int64_t commit_ns;
} CkptStats;

struct CkptEngine {
    Object parent_obj;

    /* properties */
    char *path;
    char *guest;
    bool checkpoint;
    bool verify;
    uint32_t reconnect_ms;

    CkptPort *port;
    enum ckpt_state state;
    uint64_t committed;
    uint64_t generation;
    bool full;                  /* the next epoch holds all of RAM */
    bool frozen;                /* FREEZE has come: one more epoch at most */
    bool ended;                 /* no epoch is captured: that was the last, or
                                   the guest is LEFT or AWAY */
    uint64_t qmp_epoch;         /* CKPT_COMMITTED is wanted for it, or 0 */
    char *label;                /* of the checkpoint being named, or NULL */
    uint64_t label_epoch;       /* to be durable before NAME is sent */
    bool label_sent;

    enum ckpt_cause cause;      /* of the epoch wanted */
    bool asked;                 /* by somebody: also of a guest that is stopped */
    int64_t trigger_ns;
    int64_t start_ns;           /* of the last capture that was queued */
    int64_t write_begin_ns;     /* ckptd is at the oldest SENT slot since */
    int64_t write_ns;           /* what it takes for one, smoothed */
    uint32_t min_interval_us;
    uint32_t max_interval_ms;
    QEMUTimer *start_timer;     /* min_interval is over */
    QEMUTimer *interval_timer;
    QEMUTimer *mailbox_timer;

    int hold_fd;
    void *hold;
    uint64_t hold_bytes;
    CkptRam ram;
    CkptDevstate devstate;
    CkptStaging staging;
    CkptClient client;
    GQueue outputs_due;         /* to be sent, oldest first */
    GQueue outputs_sent;        /* before those, and perhaps not yet ckptd's */
    bool output_waits;          /* the gate does, for the newest that is due */
    CkptMove move;
    GQueue mailbox;             /* struct ckpt_mbox, not yet the port's */
    CkptStats stats;

    Notifier shutdown;
    VMChangeStateEntry *first_run;
    CkptTscSample made;         /* for HELLO's tsc_hz */
    struct ckpt_bye bye;        /* the last one; reason 0 = none yet */
    char *bye_text;
    bool bye_due;               /* it is not sent, or perhaps not ckptd's */
};

/* ckpt-engine.c */
void ckpt_engine_init_timers(CkptEngine *e);
void ckpt_engine_set_state(CkptEngine *e, enum ckpt_state next);
void ckpt_engine_begin(CkptEngine *e, uint64_t committed, bool full);
bool ckpt_engine_fill_slot(CkptEngine *e, CkptSlot *slot, bool whole,
                           Error **errp);
void ckpt_engine_submit(CkptEngine *e);
void ckpt_engine_go_on(CkptEngine *e);
bool ckpt_engine_is_durable(CkptEngine *e, uint64_t epoch, Error **errp);
void ckpt_engine_seal(CkptEngine *e);
void ckpt_engine_freeze(CkptEngine *e);
void ckpt_engine_fail(CkptEngine *e, Error *err);
uint64_t ckpt_engine_captured(const CkptEngine *e);
const char *ckpt_engine_state_name(const CkptEngine *e);

/* ckpt-ram.c */
bool ckpt_ram_init(CkptRam *ram, bool verify, Error **errp);
bool ckpt_ram_firmware_runs(const CkptRam *ram, CPUState *cpu);
void ckpt_ram_hide_firmware(CkptRam *ram);
void ckpt_ram_replace_firmware(CkptRam *ram);
void ckpt_ram_copy(CkptRam *ram, CkptStaging *staging, struct ckpt_slot *slot);
void ckpt_ram_shadow(CkptRam *ram, const struct ckpt_slot *slot);
void ckpt_ram_verify(CkptRam *ram, const struct ckpt_slot *slot);
bool ckpt_ram_map_base(CkptRam *ram, int fd, uint64_t bytes, Error **errp);
bool ckpt_ram_fill(CkptRam *ram, const uint8_t *base,
                   const struct ckpt_slot *slot, Error **errp);
void ckpt_ram_settle(CkptRam *ram);
uint64_t ckpt_ram_hash(const CkptRam *ram);

/* ckpt-dirty.c */
void ckpt_dirty_init(CkptRam *ram);
bool ckpt_dirty_start(CkptRam *ram, Error **errp);
bool ckpt_dirty_any(CkptRam *ram);
void ckpt_dirty_scan(CkptRam *ram, bool full);

/* ckpt-devstate.c */
void ckpt_devstate_init(CkptDevstate *dev);
bool ckpt_devstate_save(CkptDevstate *dev, void *dst, size_t max_bytes,
                        uint64_t *ret_bytes, Error **errp);
bool ckpt_devstate_load(const void *data, size_t len_bytes, Error **errp);

/* ckpt-staging.c */
uint64_t ckpt_staging_slot_bytes(uint64_t n_pages);
bool ckpt_staging_map(CkptStaging *staging, int fd, uint64_t slot_bytes,
                      uint64_t n_pages, Error **errp);
bool ckpt_staging_read_slot(CkptStaging *staging, uint32_t index,
                            uint64_t n_pages, struct ckpt_slot *ret_slot,
                            Error **errp);
CkptSlot *ckpt_staging_find(CkptStaging *staging, enum ckpt_slot_state state);
void ckpt_staging_set_state(CkptSlot *slot, enum ckpt_slot_state next);
bool ckpt_memfd_check(int fd, uint64_t bytes, const char *what, Error **errp);

/* ckpt-client.c */
bool ckpt_client_hello(CkptEngine *e, uint32_t flags, CkptMessage *ret_welcome,
                       Error **errp);
void ckpt_client_run(CkptEngine *e);
CkptSend ckpt_client_send(CkptEngine *e, const struct ckpt_msg *head,
                          const struct iovec *payload, unsigned n_payload);
void ckpt_client_close(CkptEngine *e);
bool ckpt_client_is_up(const CkptEngine *e);
bool ckpt_client_wait(const CkptEngine *e);
bool ckpt_client_wait_for(CkptEngine *e, bool (*done)(const CkptEngine *e),
                          uint32_t timeout_ms, Error **errp);

/* ckpt-hmp.c */
void ckpt_hmp_info(Monitor *mon, const QDict *qdict);

/* ckpt-output.c */
void ckpt_output_flush(CkptEngine *e);
void ckpt_output_settle(CkptEngine *e, uint64_t epoch);
void ckpt_output_lost(CkptEngine *e);
void ckpt_output_take_back(CkptEngine *e);
void ckpt_output_bye(CkptEngine *e, enum ckpt_bye_reason reason,
                     uint32_t status, const char *text);
void ckpt_output_init(CkptEngine *e);

/* ckpt-name.c */
void ckpt_name_run(CkptEngine *e);
bool ckpt_name_answered(CkptEngine *e, const CkptMessage *m, Error **errp);
void ckpt_name_lost(CkptEngine *e);
void ckpt_name_fail(CkptEngine *e, const char *why);

/* ckpt-move.c */
bool ckpt_move_init(CkptEngine *e, bool launched, Error **errp);
void ckpt_move_say_again(CkptEngine *e);
void ckpt_move_flush(CkptEngine *e);
void ckpt_move_reclaim(CkptEngine *e);

/* ckpt-arrive.c */
bool ckpt_arrive_start(CkptEngine *e, Error **errp);
void ckpt_arrive_stored(CkptEngine *e, uint64_t epoch);

#endif
