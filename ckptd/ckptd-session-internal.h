/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-session-internal.h - what the parts of a session share
 *
 * ckptd-session.c has the thread, its commands and its connections;
 * ckptd-welcome.c what comes before the first epoch: store, shared memory and
 * HELLO;
 * ckptd-session-epoch.c the way of an epoch, and what else QEMU says;
 * ckptd-session-disk.c what happens while the disk takes nothing;
 * ckptd-session-lines.c labels, and lines that begin with one;
 * ckptd-session-move.c how a guest comes and goes by QEMU's own migration.
 */
#ifndef CKPTD_SESSION_INTERNAL_H
#define CKPTD_SESSION_INTERNAL_H

#include "ckptd/ckptd-arrival.h"
#include "ckptd/ckptd-moved.h"
#include "ckptd/ckptd-landing.h"
#include "ckptd/ckptd-namer.h"
#include "ckptd/ckptd-output.h"
#include "ckptd/ckptd-session.h"
#include "ckptd/ckptd-shm.h"
#include "ckptd/ckptd-wire.h"

/**
 * struct CkptdSession - see ckptd-session.h
 *
 * Set by ckptd_session_new(), then constant: config (with its strings, but for
 * ended_epoch, which is under @lock, and arriving, which is the session
 * thread's own), thread, listen_fd, wake_fd, commands (a
 * queue of its own lock), namer (likewise).
 *
 * Of the session's thread alone:
 * @output:     the guest's log
 * @pid:        of the QEMU that may connect, 0 = none may
 * @adopt:      it may be one that an earlier ckptd started
 * @prepared:   a generation is begun and its restore slot is filled
 * @pass:       the guest runs without checkpoints
 * @hold_valid: a QEMU has formatted the hold and an epoch of it is durable
 * @slot_bytes: of each slot of the staging memory
 * @devstate_room: in a slot, for device state
 * @unfit:      stepping back failed: no generation begins any more
 * @packet:     being worked on
 * @heard:      HEARD_*, of the QEMU that there is
 * @arrival:    of a guest that is coming in, or NULL
 * @prepare_due: a generation could not begin yet: to be tried again
 * @disk_delay_ms: until the next try, 0 = nothing waits for the disk
 * @disk_code:  CkptdError that was told, while something does
 *
 * Atomic:
 * @throttle_us: each COMMITTED is held back for so long
 * @serves:     connections that ckptd_session_serve() brought and are not over
 *
 * Under @lock:
 * @landing:    what ckptd-landing.c has to do
 * @conn_fd:    welcomed connection, -1 = none
 * @any_fd:     connection of any kind, to be shut down from outside
 * @freezing:   FREEZE was sent to the QEMU that there is
 * @ending:     no connection may go on any more
 * @store:      opened by the thread, closed by it at its end.  The pointer is
 *              under @lock; the store's own calls are the thread's.
 * @hold, @staging: likewise
 * @conn_number: counts welcomed connections
 * @want_capture_ns: a checkpoint taken at or after this was asked for, 0 = no
 * @want_label: it is to have this name, or NULL
 * @stats:      all but held_bytes and store, which are read on demand
 */
struct CkptdSession {
    struct ckptd_session_config config;
    GThread *thread;
    GAsyncQueue *commands;
    CkptdNamer *namer;
    int listen_fd;
    int wake_fd;

    CkptdOutput *output;
    GPid pid;
    gboolean adopt;
    gboolean prepared;
    gboolean pass;
    gboolean hold_valid;
    gboolean unfit;
    uint64_t slot_bytes;
    uint32_t devstate_room;
    struct ckptd_packet packet;
    guint heard;
    CkptdArrival *arrival;
    gboolean prepare_due;
    guint disk_delay_ms;
    gint disk_code;

    guint throttle_us;
    gint serves;

    GMutex lock;
    struct ckptd_landing landing;
    int conn_fd;
    int any_fd;
    gboolean freezing;
    gboolean ending;
    CkptdStore *store;
    struct ckptd_shm hold;
    struct ckptd_shm staging;
    guint conn_number;
    uint64_t want_capture_ns;
    char *want_label;
    struct ckptd_session_stats stats;
};

/* What has passed between us and the QEMU that there is. */
#define CKPTD_HEARD_WELCOMED (1u << 0) /* it has a guest: it may RECONNECT */
#define CKPTD_HEARD_LAST     (1u << 1) /* the last epoch before a move */

/* Of the staging memory: QEMU has read it before its first EPOCH. */
#define CKPTD_RESTORE_SLOT   0u

/**
 * enum ckptd_welcome - how a HELLO was answered
 *
 * @CKPTD_WELCOME_OK:       the session is on
 * @CKPTD_WELCOME_BAD_PEER: it did not make sense
 * @CKPTD_WELCOME_FAILED:   we cannot serve it: the guest must stay down
 * @CKPTD_WELCOME_GONE:     the connection ended before; no error is set
 */
enum ckptd_welcome {
    CKPTD_WELCOME_OK,
    CKPTD_WELCOME_BAD_PEER,
    CKPTD_WELCOME_FAILED,
    CKPTD_WELCOME_GONE,
};

gboolean ckptd_welcome_check(CkptdSession *s, struct ckpt_hello *ret_hello,
                             GError **error);
gboolean ckptd_welcome_make_shm(CkptdSession *s, uint32_t devstate_max,
                                GError **error);
gboolean ckptd_welcome_open_store(CkptdSession *s, GError **error);
void ckptd_welcome_refuse(CkptdSession *s, int conn_fd, const char *reason);
gboolean ckptd_welcome_prepare(CkptdSession *s, GError **error);
enum ckptd_welcome ckptd_welcome_hello(CkptdSession *s, int conn_fd,
                                       GError **error);
void ckptd_session_forget_heard(CkptdSession *s);
gboolean ckptd_session_on_message(CkptdSession *s, int conn_fd, GError **error);
gboolean ckptd_session_arrival_begin(CkptdSession *s, GError **error);
void ckptd_session_arrival_end(CkptdSession *s);
gboolean ckptd_session_on_arriving(CkptdSession *s, int conn_fd,
                                   GError **error);
gboolean ckptd_session_on_move(CkptdSession *s, int conn_fd, GError **error);
void ckptd_session_notify(CkptdSession *s, enum ckptd_session_event_type type,
                          uint64_t number, const char *text);

gboolean ckptd_session_disk_ill(CkptdSession *s, GError **error);
gboolean ckptd_session_disk_pause(CkptdSession *s, int conn_fd);
gboolean ckptd_session_disk_retry(CkptdSession *s, int conn_fd, GError *why,
                                  GError **error);
void ckptd_session_disk_well(CkptdSession *s);

void ckptd_session_lines_init(CkptdSession *s);
void ckptd_session_lines_keep(CkptdSession *s, const char *label);
gboolean ckptd_session_lines_on_name(CkptdSession *s, GError **error);
CkptdStore *ckptd_session_lines_make_store(CkptdSession *s, GError **error);
void ckptd_session_lines_close_store(CkptdSession *s);
gboolean ckptd_session_lines_roll_back(CkptdSession *s, const char *label_dir,
                                       uint64_t generation, GError **error);
uint32_t ckptd_session_lines_identities(CkptdSession *s,
                                        struct ckpt_identity *ret_identities);

#endif
