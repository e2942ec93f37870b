/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-internal.h - what the files of a guest share
 *
 * ckptd-guest.c has the state machine, ckptd-guest-events.c what happens to it,
 * ckptd-guest-verbs.c what may be asked of it, ckptd-guest-lines.c its labels,
 * ckptd-guest-files.c its files and what is told about it.
 */
#ifndef CKPTD_GUEST_INTERNAL_H
#define CKPTD_GUEST_INTERNAL_H

#include "ckptd/ckptd-guest.h"
#include "ckptd/ckptd-engine-socket.h"
#include "ckptd/ckptd-guest-libvirt.h"
#include "ckptd/ckptd-notes.h"
#include "ckptd/ckptd-process.h"
#include "ckptd/ckptd-session.h"

/*
 * enum ckptd_guest_state - a guest's life
 *
 *  CREATED     has its directory, nothing runs yet
 *              left by: ckptd_guest_start() -> STARTING
 *  STARTING    QEMU is on its way to its first WELCOME since the guest was down
 *              left by: WELCOME -> RUNNING; its death -> FAILED, or RECOVERING
 *              if it had been welcomed; stop, kill -> STOPPING
 *  RUNNING     QEMU is welcomed; epochs come in
 *              left by: its death -> RECOVERING, EXITED, STOPPED or FAILED, by
 *              what it said before; stop, kill -> STOPPING; the program has
 *              ended -> ENDING
 *  RECOVERING  the old QEMU is dead (pidfd), the next one is on its way
 *              left by: as STARTING; its death -> RECOVERING, until the limit
 *              must not: begin before the old pidfd is readable (F1)
 *  ADOPTING    ckptd came back and found QEMU alive; it must reconnect
 *              left by: WELCOME -> RUNNING; its death, also by our hand when
 *              it stays silent -> RECOVERING
 *  STOPPING    told to end, or killed; no recovery any more
 *              left by: its death -> STOPPED; the program has ended -> ENDING
 *  ENDING      the program has ended, what it sent is still being delivered:
 *              by the guest, until its peers have acknowledged all; then QEMU
 *              ends, and ckpt-netd goes on until the host's kernel has all
 *              left by: QEMU's death -> RECOVERING unless the guest has said
 *              that it is done; ckpt-netd's end -> EXITED or STOPPED; kill ->
 *              STOPPING
 *  STOPPED, EXITED, FAILED
 *              nothing runs, the store is kept, ckptd holds none of its locks
 *              left by: ckptd_guest_start() -> STARTING, or -> WAITING for an
 *              external guest
 *  WAITING     external guests only: nothing runs, a QEMU may report; store
 *              and hold are ours, so that it finds what the last one left
 *              left by: its call -> STARTING, or RECOVERING where the last one
 *              crashed; rm
 *  ROLLING_BACK QEMU was killed to step back to a label; counts as up, so that
 *              whatever ckptd comes next recovers from the store that is there
 *              left by: its death -> STARTING with the exchanged store, or ->
 *              WAITING for an external guest; stop, kill -> STOPPING
 *
 * External guests that QEMU's own migration moves (docs/migration-qemu.md):
 *
 *  ARRIVING    a QEMU with -incoming is welcomed, RAM comes in
 *              left by: the guest is durable here -> RUNNING; QEMU's death,
 *              which leaves all as it was -> WAITING or MOVED
 *  LEAVING     QEMU is about to send, or has sent, what the guest needs to run
 *              elsewhere; it lives and holds the guest
 *              left by: it stays -> RUNNING; its death -> MOVED
 *              must not: be recovered (F1)
 *  MOVED       as WAITING, but only a QEMU with -incoming may report
 *              left by: its call -> STARTING; `ckptctl reclaim` -> WAITING
 *
 * Guests of ours that move to another host (docs/migration.md):
 *
 *  HANDING     told to stand still (FREEZE), then dead: what it left goes to
 *              another host; nothing is started
 *              left by: the ledger -> GIVEN; giving up, its early death ->
 *              RECOVERING
 *  GIVEN       by the ledger it may be the other host's: store and hold are
 *              kept, and must not be used
 *              left by: TAKEN -> STOPPED and gone; NEVER -> RECOVERING
 *  LANDING     comes from another host; its QEMU waits for WELCOME
 *              left by: WELCOME -> RUNNING; its death after it was taken ->
 *              RECOVERING; the end of the move -> STOPPED and gone
 */
enum ckptd_guest_state {
    CKPTD_GUEST_CREATED,
    CKPTD_GUEST_STARTING,
    CKPTD_GUEST_RUNNING,
    CKPTD_GUEST_RECOVERING,
    CKPTD_GUEST_ADOPTING,
    CKPTD_GUEST_STOPPING,
    CKPTD_GUEST_STOPPED,
    CKPTD_GUEST_EXITED,
    CKPTD_GUEST_FAILED,
    CKPTD_GUEST_WAITING,
    CKPTD_GUEST_ROLLING_BACK,
    CKPTD_GUEST_ARRIVING,
    CKPTD_GUEST_LEAVING,
    CKPTD_GUEST_MOVED,
    CKPTD_GUEST_HANDING,
    CKPTD_GUEST_GIVEN,
    CKPTD_GUEST_LANDING,
    CKPTD_GUEST_ENDING,
    CKPTD_GUEST__MAX,
};

/* Somebody who waits for _stop(), _kill(), _checkpoint(), _when_started(). */
struct ckptd_waiter {
    CkptdGuestDone done;
    gpointer opaque;
};

/**
 * struct ckptd_guest_last - what QEMU said before it died, one life of it
 *
 * @welcomed: it got as far as WELCOME
 * @bye:      enum ckpt_bye_reason, 0 = it said nothing
 * @exited:   the program's exit was released: exit_status is valid
 * @fatal:    why it must not be started again, or NULL
 * @bad:      how it broke the protocol, or its BYE's text, or NULL
 */
struct ckptd_guest_last {
    gboolean welcomed;
    guint bye;
    gboolean exited;
    guint exit_status;
    char *fatal;
    char *bad;
};

/**
 * struct CkptdGuest - see ckptd-guest.h
 *
 * @notes:          what its session has told and nobody has heard yet
 * @fruitless:      recoveries in a row without a new durable epoch
 * @floor_epoch:    last durable epoch at the last recovery
 * @reason:         why it is in this state, for people, or NULL
 * @stalled:        its session waits for the disk: why, or NULL.  The state is
 *                  what it was, and is called waiting.
 * @tap_fd:         the guest's interface, for every QEMU the same, or -1
 * @stop_pending:   SIGTERM was asked for, and nothing harder since
 * @ending:         the program has ended, and no line without it began since
 * @saved_up:       life.conf says that it should be up
 * @wanted_up:      it said so when this ckptd began
 * @cut_off:        the QEMU that was found then talks to nobody any more
 * @given:          by the ledger it may be another host's, as was found then
 * @died_ns:        CLOCK_MONOTONIC of the last death, until the next WELCOME
 * @ended_epoch:    the program ended in it, see struct ckptd_session_config
 * @crashed:        the last QEMU did not end in good order
 * @move_phase:     enum ckpt_move_phase that is noted (ckptd-moved.h), 0 = none
 * @engine_socket:  of an external guest
 * @caller:         a QEMU that reported while another one is on its way out
 * @caller_fd:      its connection, -1 = there is none
 * @back_to:        directory of the label that it is stepping back to, or NULL
 * @naming:         label that is being written for @named, or NULL
 * @out:            the move that takes it away, or NULL
 * @in:             the move that brings it, or NULL
 * @retry:          timer of a launch that is tried again, 0 = none is
 * @retry_ms:       of the last such timer
 * @frozen:         leaving: the last epoch is durable
 * @move_back:      leaving: why it comes back when QEMU is dead, or NULL
 * @libvirt:        of an external guest whose QEMU libvirt starts, or NULL
 */
struct CkptdGuest {
    gint refs; /* atomic: the session's thread takes some */
    struct ckptd_spec *spec;
    char *state_dir;
    char *runtime_dir;
    char *engines_dir;
    enum ckptd_guest_state state;
    CkptdGuestObserver observer;
    gpointer observer_opaque;

    CkptdSession *session;
    struct ckptd_notes notes;
    struct ckptd_process qemu;
    struct ckptd_process netd;
    guint qemu_source;
    guint netd_source;
    int tap_fd;
    guint timer;
    guint retry;
    guint retry_ms;
    struct ckptd_guest_last last;

    guint recoveries;
    guint fruitless;
    guint64 floor_epoch;
    struct ckptd_session_stats final; /* of the last session */
    gboolean has_exit_status;
    guint exit_status;
    char *reason;
    char *stalled;
    char *panic;
    gint64 created_s;
    guint64 died_ns;
    struct ckptd_histogram recovery_us;
    gboolean stop_pending;
    gboolean ending;
    gboolean saved_up;
    gboolean wanted_up;
    gboolean cut_off;
    gboolean given;
    guint stop_timeout_ms;
    guint64 ended_epoch;
    gboolean crashed;
    guint move_phase;

    CkptdEngineSocket *engine_socket;
    struct ckptd_process caller;
    int caller_fd;
    guint caller_timer;
    struct ckptd_guest_libvirt *libvirt;

    char *back_to;
    char *naming;
    struct ckptd_waiter named;
    struct ckptd_move_out *out;
    struct ckptd_move_in *in;
    gboolean frozen;
    char *move_back;

    GArray *down_waiters; /* struct ckptd_waiter */
    GArray *checkpoint_waiters;
    GArray *start_waiters;
};

/* ckptd-guest.c */
gboolean ckptd_guest_may_become(const CkptdGuest *g,
                                enum ckptd_guest_state next);
void ckptd_guest_set_state(CkptdGuest *g, enum ckptd_guest_state next);
void ckptd_guest_set_reason(CkptdGuest *g, char *reason);
void ckptd_guest_set_timer(CkptdGuest *g, guint timeout_ms, GSourceFunc func);
void ckptd_guest_answer_all(GArray *waiters, guint64 epoch,
                            const GError *error);
void ckptd_guest_clear_last(CkptdGuest *g);
void ckptd_guest_stall(CkptdGuest *g, const char *why);
gboolean ckptd_guest_open_session(CkptdGuest *g, GError **error);
void ckptd_guest_end_session(CkptdGuest *g);
gboolean ckptd_guest_is_fruitless(CkptdGuest *g, const char *why);
void ckptd_guest_launch(CkptdGuest *g);
gboolean ckptd_guest_between(CkptdGuest *g);
void ckptd_guest_release(CkptdGuest *g);
void ckptd_guest_go_down(CkptdGuest *g, enum ckptd_guest_state state);
void ckptd_guest_recover(CkptdGuest *g, const char *why);
gboolean ckptd_guest_open_arriving(CkptdGuest *g,
                                   const struct ckptd_manifest *manifest,
                                   GError **error);
gboolean ckptd_guest_launch_arriving(CkptdGuest *g, GError **error);
void ckptd_guest_end_qemu(CkptdGuest *g);

/* ckptd-guest-net.c */
gboolean ckptd_guest_net_drain(CkptdGuest *g);
void ckptd_guest_net_watch(CkptdGuest *g);

/* ckptd-guest-events.c */
void ckptd_guest_watch_qemu(CkptdGuest *g);
void ckptd_guest_on_event(CkptdGuest *g,
                          const struct ckptd_session_event *event);

/* ckptd-guest-verbs.c */
void ckptd_guest_stop_now(CkptdGuest *g);

/* ckptd-guest-ending.c */
enum ckptd_guest_state ckptd_guest_up_state(const CkptdGuest *g);
void ckptd_guest_program_ended(CkptdGuest *g);
void ckptd_guest_was_reset(CkptdGuest *g);
gboolean ckptd_guest_is_settling(const CkptdGuest *g);
void ckptd_guest_settle(CkptdGuest *g);
void ckptd_guest_settled(CkptdGuest *g);
gboolean ckptd_guest_settle_resume(CkptdGuest *g);

/* ckptd-guest-external.c */
gboolean ckptd_guest_external_open(CkptdGuest *g, GError **error);
void ckptd_guest_external_close(CkptdGuest *g, gboolean remove);
void ckptd_guest_external_resume(CkptdGuest *g);
void ckptd_guest_external_judge(CkptdGuest *g);
gboolean ckptd_guest_external_start(CkptdGuest *g, GError **error);
void ckptd_guest_external_welcomed(CkptdGuest *g);
void ckptd_guest_external_fail(CkptdGuest *g);
void ckptd_guest_external_rolled_back(CkptdGuest *g);
gboolean ckptd_guest_external_refused(CkptdGuest *g, guint64 code);

/* ckptd-guest-lines.c */
void ckptd_guest_lines_tidy(CkptdGuest *g);
gboolean ckptd_guest_has_labels(const CkptdGuest *g, GError **error);
void ckptd_guest_named(CkptdGuest *g, guint64 epoch, const GError *error);
gboolean ckptd_guest_identities(const CkptdGuest *g,
                                struct ckptd_session_config *config,
                                GError **error);
void ckptd_guest_rolled_back(CkptdGuest *g);
void ckptd_guest_line_began(CkptdGuest *g);

/* ckptd-guest-travel.c; what the threads of moves call */
void ckptd_guest_travel_over(CkptdGuest *g, const struct ckptd_move_out *out);
void ckptd_guest_travel_end(CkptdGuest *g);
gboolean ckptd_guest_travel_refuses(CkptdGuest *g, GError **error);
gboolean ckptd_guest_travel_holds(CkptdGuest *g, GError **error);
CkptdSnapshot *ckptd_guest_travel_snapshot(CkptdGuest *g, GError **error);
const struct ckptd_shm *ckptd_guest_travel_hold(CkptdGuest *g);
void ckptd_guest_travel_throttle(CkptdGuest *g, guint delay_us);
gboolean ckptd_guest_travel_freeze(CkptdGuest *g, GError **error);
void ckptd_guest_travel_frozen(CkptdGuest *g);
gboolean ckptd_guest_travel_judge(CkptdGuest *g, const char *how);
int ckptd_guest_travel_given(CkptdGuest *g, const char *host);
gboolean ckptd_guest_travel_forward(CkptdGuest *g, const char *state_dir,
                                    const char *host, char *address,
                                    GError **error);
gboolean ckptd_guest_travel_gone(CkptdGuest *g, const char *host,
                                 const char *state_dir);
void ckptd_guest_travel_back(CkptdGuest *g, const char *why);
struct ckptd_peer_offer;
CkptdGuest *ckptd_guest_travel_arrive(const struct ckptd_paths *paths,
                                      const struct ckptd_peer_offer *offer,
                                      const char *host, const char *address,
                                      GError **error);
gboolean ckptd_guest_travel_launch(CkptdGuest *g,
                                   const struct ckptd_peer_offer *offer,
                                   GError **error);
gboolean ckptd_guest_travel_unmark(const char *state_dir, const char *guest,
                                   const char *id, GError **error);
void ckptd_guest_travel_settled(CkptdGuest *g, const char *state_dir,
                                guint recoveries);
void ckptd_guest_travel_discard(CkptdGuest *g, const char *state_dir);
gboolean ckptd_guest_travel_find(CkptdGuest *g, const char *state_dir,
                                 GError **error);
gboolean ckptd_guest_travel_resume(CkptdGuest *g);
void ckptd_guest_travel_status(CkptdGuest *g, GVariantBuilder *b);

/* ckptd-guest-move.c */
void ckptd_guest_move_load(CkptdGuest *g);
void ckptd_guest_move_said(CkptdGuest *g, guint phase);
void ckptd_guest_move_arriving(CkptdGuest *g);
void ckptd_guest_move_arrived(CkptdGuest *g);
enum ckptd_guest_state ckptd_guest_move_rest(CkptdGuest *g);

/* ckptd-guest-net.c */
gboolean ckptd_guest_net_up(CkptdGuest *g, int ret_ends[2], GError **error);
gboolean ckptd_guest_net_join(CkptdGuest *g, const int ends[2], GError **error);
void ckptd_guest_net_down(CkptdGuest *g, gboolean reset);
gboolean ckptd_guest_net_find(CkptdGuest *g, GError **error);
gboolean ckptd_guest_net_resume(CkptdGuest *g);
void ckptd_guest_net_leave(CkptdGuest *g);

/* ckptd-guest-life.c */
void ckptd_guest_save_life(CkptdGuest *g);

/* ckptd-guest-files.c */

char *ckptd_guest_file(const CkptdGuest *g, const char *name);
char *ckptd_guest_origin(const CkptdGuest *g, const char *name);
gboolean ckptd_guest_readdress(const CkptdGuest *g, GError **error);
char *ckptd_guest_engine_path(const CkptdGuest *g);
char *ckptd_guest_runtime_file(const CkptdGuest *g, const char *name);
CkptdGuest *ckptd_guest_alloc(const struct ckptd_paths *paths,
                              const char *name);
gboolean ckptd_guest_new_dir(const CkptdGuest *g, GError **error);
gboolean ckptd_guest_remove_tree(const char *path, GError **error);

#endif
