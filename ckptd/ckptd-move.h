/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-move.h - a guest on its way to another host, and one that comes
 *
 * Each move has a thread of its own on either side; what touches the guest goes
 * to the main thread and back (ckptd-main-call.h).
 */
#ifndef CKPTD_MOVE_H
#define CKPTD_MOVE_H

#include "ckptd/ckptd-ledger.h"
#include "ckptd/ckptd-peer-book.h"
#include "ckptd/ckptd-peer-link.h"
#include "ckptd/ckptd-server.h"

typedef struct ckptd_move_out CkptdMoveOut;
typedef struct ckptd_move_in CkptdMoveIn;

/**
 * struct ckptd_move_env - what every move needs; outlives them all
 *
 * @stopping: ckptd ends: nothing more may be asked of the main thread
 */
struct ckptd_move_env {
    CkptdServer *server;
    CkptdBook *book;
    GTlsCertificate *cert;
    char *ledger_dir;
    GCancellable *stopping;
};

/**
 * enum ckptd_move_phase - how far a move is, on the side that gives
 *
 *  CONNECT   on the way to the other host
 *  OFFER     it looks whether it can take the guest, and starts a QEMU
 *  COPY      pages go over while the guest runs, round by round
 *  FREEZE    the guest stands still; the rest goes over
 *  GIVEN     the ledger says so: neither run nor release before it is known
 *            whose the guest is; cancelling is over
 *  ENDED     it is known
 */
enum ckptd_move_phase {
    CKPTD_MOVE_CONNECT,
    CKPTD_MOVE_OFFER,
    CKPTD_MOVE_COPY,
    CKPTD_MOVE_FREEZE,
    CKPTD_MOVE_GIVEN,
    CKPTD_MOVE_ENDED,
    CKPTD_MOVE__MAX,
};

/**
 * struct ckptd_move_options - how a guest is to move
 *
 * @bandwidth: bytes a second while it runs, 0 = as the link gives
 * @forward:   bring its Ethernet along, by a tunnel
 */
struct ckptd_move_options {
    guint64 bandwidth;
    gboolean forward;
};

/**
 * struct ckptd_move_progress - for people
 *
 * @total_bytes:  of pages that there were at the beginning
 * @rest_pages:   that changed and have not gone over yet
 * @rate:         bytes a second, of late
 * @throttle_us:  the guest is slowed down by so much at each commit
 * @downtime_us:  from the freeze to the other host's TAKEN
 * @waits:        for what, or NULL; owned by the move
 */
struct ckptd_move_progress {
    enum ckptd_move_phase phase;
    char host[64];
    char id[2 * CKPTD_PEER_ID_BYTES + 1];
    guint rounds;
    guint64 sent_bytes;
    guint64 total_bytes;
    guint64 rest_pages;
    guint64 rate;
    guint throttle_us;
    guint64 downtime_us;
    gint64 start_us;
    char *waits;
};

/**
 * typedef CkptdMoveDone - a move is over
 * @progress: at its end
 * @error:    NULL: the guest is on the other host
 * @opaque:   the caller's
 */
typedef void (*CkptdMoveDone)(const struct ckptd_move_progress *progress,
                              const GError *error, gpointer opaque);

/* What the guest tells the thread of a move that leaves. */
enum ckptd_move_event {
    CKPTD_MOVE_FROZEN, /* the last epoch is durable; QEMU is being killed */
    CKPTD_MOVE_DEAD,   /* QEMU is dead and all that it said is worked on */
    CKPTD_MOVE_LOST,   /* it died before its last epoch */
};

CkptdMoveOut *ckptd_move_out_start(const struct ckptd_move_env *env,
                                   CkptdGuest *guest,
                                   const struct ckptd_host *host,
                                   const struct ckptd_move_options *options,
                                   CkptdMoveDone done, gpointer opaque);
CkptdMoveOut *ckptd_move_out_ask(const struct ckptd_move_env *env,
                                 CkptdGuest *guest,
                                 const struct ckptd_ledger_entry *entry);
void ckptd_move_out_tell(CkptdMoveOut *out, enum ckptd_move_event event,
                         guint64 epoch);
gboolean ckptd_move_out_cancel(CkptdMoveOut *out, GError **error);
gboolean ckptd_move_out_resolve(CkptdMoveOut *out, gboolean keep,
                                GError **error);
void ckptd_move_out_progress(CkptdMoveOut *out,
                             struct ckptd_move_progress *ret_progress);
void ckptd_move_out_end(CkptdMoveOut *out);
gboolean ckptd_move_sync_guests(const struct ckptd_move_env *env,
                                GError **error);
const char *ckptd_move_phase_name(enum ckptd_move_phase phase);

gboolean ckptd_guest_travel_start(CkptdGuest *guest,
                                  const struct ckptd_move_env *env,
                                  const struct ckptd_host *host,
                                  const struct ckptd_move_options *options,
                                  CkptdMoveDone done, gpointer opaque,
                                  GError **error);

void ckptd_move_in_run(const struct ckptd_move_env *env, CkptdLink *link,
                       GCancellable *cancellable, const struct ckptd_host *host,
                       const struct ckptd_peer_msg *offer);
gboolean ckptd_move_in_query(const struct ckptd_move_env *env, const char *id,
                             const char *print, gboolean *ret_taken);
gboolean ckptd_move_in_forget(const struct ckptd_move_env *env, const char *id,
                              const char *print, GError **error);
void ckptd_move_in_agreed(CkptdMoveIn *in);
void ckptd_move_in_failed(CkptdMoveIn *in, const char *reason);
gboolean ckptd_move_in_is_taken(CkptdMoveIn *in);
const char *ckptd_move_in_host(CkptdMoveIn *in);

#endif
