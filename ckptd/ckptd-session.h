/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-session.h - one guest's epochs: QEMU's messages in, commits out
 *
 * A session lives as long as its guest is up, over all generations of its
 * QEMU.  It has a thread of its own, which owns the store; everything that may
 * take time happens there.  The functions here are called from one other
 * thread, the daemon's main thread, and do not block, unless said otherwise.
 */
#ifndef CKPTD_SESSION_H
#define CKPTD_SESSION_H

#include <glib.h>

#include "abi/ckpt-nic.h"
#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-histogram.h"
#include "ckptd/ckptd-shm.h"
#include "ckptd/ckptd-snapshot.h"

typedef struct CkptdSession CkptdSession;

/**
 * enum ckptd_session_event_type - what a session tells
 *
 * @CKPTD_SESSION_WELCOMED:  QEMU has its WELCOME; number: its generation
 * @CKPTD_SESSION_EXIT:      the program's exit was released; number: status
 * @CKPTD_SESSION_ENDING:    that the program has ended was released; EXIT will
 *                           follow when all that it sent is acknowledged
 * @CKPTD_SESSION_RESET:     the guest was reset: it boots
 * @CKPTD_SESSION_PANIC:     the guest's kernel gave up; text: its report
 * @CKPTD_SESSION_BYE:       QEMU ends; number: enum ckpt_bye_reason; text
 * @CKPTD_SESSION_COMMITTED: an epoch asked for by ckptd_session_checkpoint()
 *                           is durable; number: the epoch
 * @CKPTD_SESSION_BAD_PEER:  QEMU broke the protocol, the connection is closed;
 *                           text: how
 * @CKPTD_SESSION_FAILED:    the store failed or refuses; number: CkptdError,
 *                           text: why.  Nothing is committed any more.
 * @CKPTD_SESSION_WAITING:   the disk takes nothing, or gives nothing: it is
 *                           tried again until it does; number: CkptdError,
 *                           text: why
 * @CKPTD_SESSION_GOES_ON:   it does again
 * @CKPTD_SESSION_ARRIVING:  instead of WELCOMED: a migration brings the guest
 * @CKPTD_SESSION_ARRIVED:   it is here; number: its generation
 * @CKPTD_SESSION_MOVE:      a migration takes it away; number: enum
 *                           ckpt_move_phase
 * @CKPTD_SESSION_DRAINED:   answers ckptd_session_drain()
 * @CKPTD_SESSION_NAMED:     answers ckptd_session_name(); number: the epoch
 *                           that has the name; or text: why nothing has, and
 *                           number: CkptdError
 * @CKPTD_SESSION_FROZEN:    the last epoch before a move is durable; number:
 *                           the epoch
 * @CKPTD_SESSION_AGREED:    QEMU waits for a guest that is to arrive
 * @CKPTD_SESSION_ROLLED_BACK: answers ckptd_session_roll_back(), or FAILED does
 */
enum ckptd_session_event_type {
    CKPTD_SESSION_WELCOMED,
    CKPTD_SESSION_EXIT,
    CKPTD_SESSION_ENDING,
    CKPTD_SESSION_RESET,
    CKPTD_SESSION_PANIC,
    CKPTD_SESSION_BYE,
    CKPTD_SESSION_COMMITTED,
    CKPTD_SESSION_BAD_PEER,
    CKPTD_SESSION_FAILED,
    CKPTD_SESSION_WAITING,
    CKPTD_SESSION_GOES_ON,
    CKPTD_SESSION_ARRIVING,
    CKPTD_SESSION_ARRIVED,
    CKPTD_SESSION_MOVE,
    CKPTD_SESSION_DRAINED,
    CKPTD_SESSION_NAMED,
    CKPTD_SESSION_FROZEN,
    CKPTD_SESSION_AGREED,
    CKPTD_SESSION_ROLLED_BACK,
};

struct ckptd_session_event {
    enum ckptd_session_event_type type;
    uint64_t number;
    const char *text; /* valid during the call, or NULL */
};

/**
 * typedef CkptdSessionNotify - told in the session's thread, or its namer's
 * @event: what happened
 * @opaque: the caller's
 */
typedef void (*CkptdSessionNotify)(const struct ckptd_session_event *event,
                                   gpointer opaque);

/**
 * struct ckptd_session_config - what a session is about; copied
 *
 * @socket_path: where QEMU connects; NULL: ckptd_session_serve() brings it
 * @home_dir:  directory of all that is the guest's, for people
 * @store_dir: directory of the store, made when it does not exist; NULL: no
 *             checkpoints
 * @labels_dir: of the guest's labels
 * @from_dir:  of the label with which the store begins when it is made; NULL:
 *             with nothing
 * @identities: who its processes are on the network, when a line begins; why
 *             and generation are filled in here
 * @moved_path: where it is noted that the guest has left (ckptd-moved.h)
 * @manifest:  uuid, name and ram_bytes; the rest comes with the first HELLO
 * @ended_epoch: the program's end is in this epoch: if it is the last durable
 *             one, the guest boots anew; 0 = none
 * @stop_on_full: a disk that fails is the guest's end, see
 *             ckptd-session-disk.c
 * @arriving:  the guest comes from another host, @manifest is whole, and there
 *             is no store yet: see ckptd-landing.h
 */
struct ckptd_session_config {
    const char *socket_path;
    const char *home_dir;
    const char *store_dir;
    const char *labels_dir;
    const char *from_dir;
    const char *moved_path;
    const char *log_path;
    const char *seq_path;
    struct ckpt_identity identities[CKPT_IDENTITIES_MAX];
    guint n_identities;
    struct ckptd_manifest manifest;
    uint64_t ended_epoch;
    gboolean stop_on_full;
    gboolean arriving;
    uint64_t hold_bytes;
    uint32_t min_interval_us;
    uint32_t max_interval_ms;
    CkptdSessionNotify notify;
    gpointer opaque;
};

/**
 * struct ckptd_session_stats - a snapshot
 *
 * @captured:  greatest epoch received
 * @committed: greatest epoch durable
 * @waiting:   why nothing is durable for now, "" = it goes on
 */
struct ckptd_session_stats {
    gboolean connected;
    char waiting[320];
    gboolean verify;
    uint64_t generation;
    uint64_t captured;
    uint64_t committed;
    uint64_t epochs;
    uint64_t held_bytes;
    struct ckptd_manifest manifest;
    struct ckptd_histogram pages;
    struct ckptd_histogram pause_ns;
    struct ckptd_histogram wait_ns;
    struct ckptd_histogram scan_ns;
    struct ckptd_histogram copy_ns;
    struct ckptd_histogram devstate_ns;
    struct ckptd_histogram commit_ns; /* submitted by QEMU to COMMITTED */
    struct ckptd_store_stats store;
};

CkptdSession *ckptd_session_new(const struct ckptd_session_config *config,
                                GError **error);
void ckptd_session_free(CkptdSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdSession, ckptd_session_free)

void ckptd_session_prepare(CkptdSession *session);
void ckptd_session_expect(CkptdSession *session, GPid pid, gboolean adopt);
void ckptd_session_serve(CkptdSession *session, int conn_fd);
uint64_t ckptd_session_end_line(CkptdSession *session);
uint64_t ckptd_session_ended_epoch(CkptdSession *session);
void ckptd_session_roll_back(CkptdSession *session, const char *label_dir,
                             uint64_t generation);
void ckptd_session_drain(CkptdSession *session);
void ckptd_session_disconnect(CkptdSession *session);

gboolean ckptd_session_send(CkptdSession *session, enum ckpt_msg_type type,
                            const void *payload, size_t len_bytes,
                            GError **error);
gboolean ckptd_session_checkpoint(CkptdSession *session, GError **error);
gboolean ckptd_session_name(CkptdSession *session, const char *label,
                            GError **error);
void ckptd_session_cancel_name(CkptdSession *session, const char *label);
gboolean ckptd_session_name_progress(CkptdSession *session, const char *label,
                                     uint64_t *ret_done_bytes,
                                     uint64_t *ret_total_bytes);
void ckptd_session_stats(CkptdSession *session,
                         struct ckptd_session_stats *ret_stats);
CkptdSnapshot *ckptd_session_snapshot(CkptdSession *session, GError **error);
const struct ckptd_shm *ckptd_session_hold(CkptdSession *session);
void ckptd_session_throttle(CkptdSession *session, guint delay_us);

#endif
