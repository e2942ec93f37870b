/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-move-give.c - a guest on its way to another host: offer and hand-over
 *
 * From GIVEN to ENDED the only thing that counts is what the other host has
 * durably: TAKEN or NEVER (ckptd-ledger.c).  A link that breaks in between is
 * made again, every ASK_US, for as long as it takes; status says so, and an
 * operator who knows more may decide.
 */
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-forward.h"
#include "ckptd/ckptd-main-call.h"
#include "ckptd/ckptd-move-out.h"

#define ASK_US        (1 * G_TIME_SPAN_SECOND)
#define LINGER_MS     100 /* frames that still come in here are sent after it */
#define LINGER_MAX_US (1 * G_TIME_SPAN_SECOND)

static const char *guest_name(const CkptdMoveOut *out)
{
    return ckptd_guest_spec(out->guest)->name;
}

/* --- the link, the offer -------------------------------------------------- */

static gboolean connect_to(CkptdMoveOut *out, GError **error)
{
    g_autoptr(CkptdHost) host =
        ckptd_book_find_print(out->env->book, out->print);

    if (!host) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "host %s is no longer known", out->progress.host);
        return FALSE;
    }
    if (!host->address[0]) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "host %s does not listen: `ckptctl host listen` there, "
                    "then `ckptctl host add` again",
                    host->name);
        return FALSE;
    }
    out->link = ckptd_link_connect(host->address, out->env->cert, out->print,
                                   out->cancellable, error);
    if (!out->link) {
        g_prefix_error(error, "host %s: ", host->name);
    }
    return out->link &&
           ckptd_link_send_dict(
               out->link, CKPTD_PEER_HELLO,
               g_variant_new_parsed("{'version': <%u>}", CKPTD_PEER_VERSION),
               error) &&
           ckptd_link_expect(out->link, CKPTD_PEER_HELLO, NULL, error);
}

/* Under KVM the guest has seen the host's CPU. */
static char *cpu_flags(const char *accel)
{
    g_autofree char *text = NULL;
    const char *at;

    if (!g_str_equal(accel, "kvm") ||
        !g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) ||
        !(at = strstr(text, "\nflags\t\t: "))) {
        return g_strdup("");
    }
    at += strlen("\nflags\t\t: ");
    return g_strndup(at, strcspn(at, "\n"));
}

static gboolean make_offer(CkptdMoveOut *out, struct ckptd_peer_offer *offer,
                           GError **error)
{
    g_autofree char *conf = ckptd_guest_file(out->guest, "guest.conf");
    g_autoptr(CkptdSnapshot) snapshot =
        ckptd_guest_travel_snapshot(out->guest, error);
    struct ckptd_snapshot_info info;
    uint64_t pages;

    if (!snapshot || !ckptd_snapshot_count_pages(snapshot, &pages, error) ||
        !g_file_get_contents(conf, &offer->spec, NULL, error)) {
        return FALSE;
    }
    ckptd_snapshot_info(snapshot, &info);
    memcpy(offer->id, out->progress.id, sizeof(offer->id));
    offer->manifest = info.manifest;
    offer->generation = info.generation;
    offer->hold_bytes = ckptd_guest_travel_hold(out->guest)->size_bytes;
    offer->used_bytes = pages * CKPTD_FORMAT_PAGE_BYTES;
    offer->created_s = out->guest->created_s;
    offer->recoveries = out->guest->recoveries;
    offer->cpu_flags = cpu_flags(info.manifest.accel);
    offer->vni =
        out->options.forward ? ckptd_forward_vni(info.manifest.uuid) : 0;
    return TRUE;
}

static gboolean begin_ledger(CkptdMoveOut *out, GError **error)
{
    struct ckptd_ledger_entry entry = { .role = CKPTD_LEDGER_FROM };

    g_strlcpy(entry.id, out->progress.id, sizeof(entry.id));
    g_strlcpy(entry.guest, guest_name(out), sizeof(entry.guest));
    g_strlcpy(entry.host, out->progress.host, sizeof(entry.host));
    g_strlcpy(entry.print, out->print, sizeof(entry.print));
    out->ledger = ckptd_ledger_begin(ckptd_io_system(), out->env->ledger_dir,
                                     &entry, error);
    return out->ledger != NULL;
}

static gboolean forward_in_main(gpointer opaque, GError **error)
{
    CkptdMoveOut *out = opaque;

    out->forwards = ckptd_guest_travel_forward(
        out->guest, ckptd_server_paths(out->env->server)->state_dir,
        out->progress.host, ckptd_link_remote_ip(out->link), error);
    return out->forwards;
}

/* Refused before any of its memory moves; then the other host has a QEMU. */
static gboolean offer(CkptdMoveOut *out, GError **error)
{
    g_autofree char *bundle = ckptd_guest_file(out->guest, "bundle");
    struct ckptd_peer_offer o = { 0 };
    guint64 offset = 0;
    gboolean ok;

    ok = make_offer(out, &o, error) &&
         ckptd_link_send_dict(out->link, CKPTD_PEER_OFFER,
                              ckptd_peer_offer_put(&o), error) &&
         ckptd_link_expect(out->link, CKPTD_PEER_DONE, NULL, error) &&
         ckptd_ship_file(&out->ship, CKPTD_PEER_FILE_BUNDLE, bundle, &offset,
                         error) &&
         ckptd_link_send(out->link, CKPTD_PEER_LAUNCH, NULL, 0, error) &&
         ckptd_link_expect(out->link, CKPTD_PEER_DONE, NULL, error) &&
         (!out->options.forward ||
          ckptd_main_call(forward_in_main, out, out->cancellable, error));
    if (!ok) {
        g_prefix_error(error, "%s cannot take it: ", out->progress.host);
    }
    ckptd_peer_offer_clear(&o);
    if (ok) {
        ckptd_move_out_step(out, "accepted");
    }
    return ok;
}

/* --- the hand-over -------------------------------------------------------- */

static gboolean given_in_main(gpointer opaque, GError **error G_GNUC_UNUSED)
{
    CkptdMoveOut *out = opaque;

    out->tap_fd = ckptd_guest_travel_given(out->guest, out->progress.host);
    return TRUE;
}

static gboolean gone_in_main(gpointer opaque, GError **error)
{
    CkptdMoveOut *out = opaque;
    const char *state_dir = ckptd_server_paths(out->env->server)->state_dir;

    return ckptd_guest_travel_gone(out->guest, out->progress.host, state_dir) &&
           ckptd_server_remove(out->env->server, guest_name(out), TRUE, error);
}

static gboolean back_in_main(gpointer opaque, GError **error G_GNUC_UNUSED)
{
    CkptdMoveOut *out = opaque;

    if (out->forwards) {
        ckptd_forward_remove(ckptd_server_paths(out->env->server)->state_dir,
                             guest_name(out), NULL);
    }
    ckptd_guest_travel_back(out->guest, out->error ? out->error->message
                                                   : "it was never taken");
    return TRUE;
}

/* Cancelling is over when this returns TRUE. */
static gboolean decide(CkptdMoveOut *out, GError **error)
{
    gboolean cancelled;

    g_mutex_lock(&out->lock);
    cancelled = out->cancelled;
    if (!cancelled) {
        out->progress.phase = CKPTD_MOVE_GIVEN;
    }
    g_mutex_unlock(&out->lock);
    if (cancelled) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
        return FALSE;
    }
    if (!ckptd_ledger_decide(out->ledger, out->generation, out->epoch, error)) {
        /* It may be on disk, but GIVE was not sent and never will be. */
        g_mutex_lock(&out->lock);
        out->progress.phase = CKPTD_MOVE_FREEZE;
        g_mutex_unlock(&out->lock);
        return FALSE;
    }
    ckptd_move_out_step(out, "given");
    return TRUE;
}

static GVariant *id_of(const CkptdMoveOut *out)
{
    return g_variant_new_parsed("{'id': <%s>}", out->progress.id);
}

/* Return: whether the answer is known now. */
static gboolean answer(CkptdMoveOut *out, enum ckptd_ledger_outcome *ret,
                       GError **error)
{
    struct ckptd_peer_msg msg = { 0 };
    gboolean ok = ckptd_link_recv(out->link, &msg, error);

    if (ok && msg.type != CKPTD_PEER_TAKEN && msg.type != CKPTD_PEER_NEVER) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: %s where TAKEN or NEVER was due",
                    ckptd_peer_type_name(msg.type));
        ok = FALSE;
    }
    if (ok) {
        *ret = msg.type == CKPTD_PEER_TAKEN ? CKPTD_LEDGER_GONE
                                            : CKPTD_LEDGER_BACK;
    }
    ckptd_peer_msg_clear(&msg);
    return ok;
}

static gboolean give(CkptdMoveOut *out, enum ckptd_ledger_outcome *ret,
                     GError **error)
{
    gboolean sent =
        ckptd_link_send_dict(out->link, CKPTD_PEER_GIVE, id_of(out), error);

    ckptd_move_out_step(out, "gave");
    ckptd_main_call(given_in_main, out, out->cancellable, NULL);
    return sent && answer(out, ret, error);
}

static gboolean query(CkptdMoveOut *out, enum ckptd_ledger_outcome *ret,
                      GError **error)
{
    g_clear_pointer(&out->link, ckptd_link_free);
    return connect_to(out, error) &&
           ckptd_link_send_dict(out->link, CKPTD_PEER_QUERY, id_of(out),
                                error) &&
           answer(out, ret, error);
}

static void set_waits(CkptdMoveOut *out, char *waits)
{
    g_mutex_lock(&out->lock);
    g_free(out->progress.waits);
    out->progress.waits = waits;
    g_mutex_unlock(&out->lock);
}

/* Return: FALSE when ckptd ends: the next one goes on asking. */
static gboolean ask_until_known(CkptdMoveOut *out,
                                enum ckptd_ledger_outcome *ret)
{
    g_autoptr(GError) error = NULL;

    while (!g_cancellable_is_cancelled(out->cancellable)) {
        g_clear_error(&error);
        if (query(out, ret, &error)) {
            return TRUE;
        }
        set_waits(out, g_strdup_printf("waits for %s to say whether it took "
                                       "the guest: %s",
                                       out->progress.host, error->message));
        g_mutex_lock(&out->lock);
        if (!out->resolution && !g_cancellable_is_cancelled(out->cancellable)) {
            g_cond_wait_until(&out->cond, &out->lock,
                              g_get_monotonic_time() + ASK_US);
        }
        *ret = out->resolution;
        g_mutex_unlock(&out->lock);
        if (*ret) {
            return TRUE;
        }
    }
    return FALSE;
}

/* A frame for the guest that came in after QEMU had stopped reading. */
static gboolean is_for_guest(const CkptdMoveOut *out, const uint8_t *frame)
{
    const struct ckptd_spec *spec = ckptd_guest_spec(out->guest);
    g_autofree char *mac =
        g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", frame[0], frame[1],
                        frame[2], frame[3], frame[4], frame[5]);

    return !g_ascii_strcasecmp(mac, spec->mac) ||
           (spec->macs &&
            g_strv_contains((const char *const *)spec->macs, mac));
}

static void send_frames_after(CkptdMoveOut *out)
{
    gint64 until_us = g_get_monotonic_time() + LINGER_MAX_US;
    struct pollfd pfd = { out->tap_fd, POLLIN, 0 };
    uint8_t frame[CKPTD_PEER_FRAME_MAX];
    ssize_t len;

    while (out->tap_fd >= 0 && g_get_monotonic_time() < until_us &&
           poll(&pfd, 1, LINGER_MS) > 0) {
        len = read(out->tap_fd, frame, sizeof(frame));
        if (len < 14) {
            break;
        }
        if (is_for_guest(out, frame) &&
            !ckptd_link_send(out->link, CKPTD_PEER_FRAME, frame, len, NULL)) {
            break;
        }
    }
    if (out->tap_fd >= 0) {
        close(out->tap_fd);
        out->tap_fd = -1;
    }
}

/* Nobody has to ask any more: then the other host may forget it (H4). */
static void forget(CkptdMoveOut *out)
{
    g_autoptr(GError) error = NULL;

    if (!out->link ||
        !ckptd_link_send_dict(out->link, CKPTD_PEER_FORGET, id_of(out),
                              &error) ||
        !ckptd_link_expect(out->link, CKPTD_PEER_DONE, NULL, &error)) {
        g_message("%s: move %s: %s keeps its ledger: %s", guest_name(out),
                  out->progress.id, out->progress.host,
                  error ? error->message : "not reached");
        return;
    }
    ckptd_ledger_remove(ckptd_io_system(), out->env->ledger_dir,
                        out->progress.id, NULL);
}

/**
 * ckptd_move_sync_guests() - guests that are gone stay gone
 * @env:   of all moves
 * @error: says why not
 *
 * Return: TRUE when what is in the directory of the guests is durable (H5).
 * Context: any thread; blocks.
 */
gboolean ckptd_move_sync_guests(const struct ckptd_move_env *env,
                                GError **error)
{
    g_autofree char *dir = g_build_filename(
        ckptd_server_paths(env->server)->state_dir, "guests", NULL);

    return ckptd_io_sync_dir(ckptd_io_system(), dir, error);
}

static void end_as(CkptdMoveOut *out, enum ckptd_ledger_outcome outcome,
                   GError **error)
{
    gboolean ended =
        ckptd_ledger_entry(out->ledger)->step == CKPTD_LEDGER_ENDED;

    set_waits(out, NULL);
    ckptd_move_out_step(out, "told");
    if (!ended && !ckptd_ledger_end(out->ledger, outcome, error)) {
        return; /* the next ckptd asks again */
    }
    ckptd_move_out_step(out, "ended");
    if (outcome == CKPTD_LEDGER_GONE) {
        send_frames_after(out);
        if (ckptd_main_call(gone_in_main, out, out->cancellable, error) &&
            ckptd_move_sync_guests(out->env, error) &&
            ckptd_ledger_removed(out->ledger, error)) {
            ckptd_move_out_set_phase(out, CKPTD_MOVE_ENDED);
            ckptd_move_out_step(out, "gone");
            forget(out);
        }
        return;
    }
    ckptd_ledger_remove(ckptd_io_system(), out->env->ledger_dir,
                        out->progress.id, NULL);
    if (ckptd_main_call(back_in_main, out, out->cancellable, error)) {
        ckptd_move_out_set_phase(out, CKPTD_MOVE_ENDED);
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s never took it: it goes on here", out->progress.host);
    }
}

static void hand_over(CkptdMoveOut *out, GError **error)
{
    enum ckptd_ledger_outcome outcome = CKPTD_LEDGER_OPEN;
    g_autoptr(GError) local = NULL;

    if (give(out, &outcome, &local)) {
        out->progress.downtime_us = g_get_monotonic_time() - out->freeze_us;
    } else {
        g_message("%s: move %s: %s", guest_name(out), out->progress.id,
                  local->message);
        if (!ask_until_known(out, &outcome)) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                        "given to %s; whether it took the guest is not known",
                        out->progress.host);
            return;
        }
    }
    end_as(out, outcome, error);
}

/* --- the thread ----------------------------------------------------------- */

/* Not given: as it was, or recovered. */
static void give_up(CkptdMoveOut *out, gboolean frozen, GError *error)
{
    out->error = error;
    g_clear_pointer(&out->link, ckptd_link_free);
    if (out->ledger) {
        ckptd_ledger_remove(ckptd_io_system(), out->env->ledger_dir,
                            out->progress.id, NULL);
    }
    ckptd_guest_travel_throttle(out->guest, 0);
    if (frozen || out->forwards) {
        g_autoptr(GCancellable) never = g_cancellable_new();

        ckptd_main_call(back_in_main, out, out->ends ? out->cancellable : never,
                        NULL);
    }
}

static void move(CkptdMoveOut *out)
{
    GError *error = NULL;

    if (connect_to(out, &error) && begin_ledger(out, &error)) {
        ckptd_ship_init(&out->ship, out->link, out->cancellable,
                        out->options.bandwidth);
        ckptd_move_out_set_phase(out, CKPTD_MOVE_OFFER);
        ckptd_move_out_step(out, "connected");
        if (offer(out, &error) && ckptd_move_out_stream(out, &error) &&
            decide(out, &error)) {
            hand_over(out, &out->error);
            return;
        }
    }
    give_up(out, out->progress.phase >= CKPTD_MOVE_FREEZE, error);
}

static void ask(CkptdMoveOut *out)
{
    enum ckptd_ledger_outcome outcome;

    out->ledger = ckptd_ledger_open(ckptd_io_system(), out->env->ledger_dir,
                                    out->progress.id, &out->error);
    if (!out->ledger) {
        return;
    }
    outcome = ckptd_ledger_entry(out->ledger)->outcome;
    if (outcome != CKPTD_LEDGER_OPEN || ask_until_known(out, &outcome)) {
        end_as(out, outcome, &out->error);
    }
}

static void out_unref(gpointer data)
{
    CkptdMoveOut *out = data;

    if (!g_atomic_int_dec_and_test(&out->refs)) {
        return;
    }
    ckptd_ship_clear(&out->ship);
    ckptd_link_free(out->link);
    ckptd_ledger_close(out->ledger);
    ckptd_guest_unref(out->guest);
    g_object_unref(out->cancellable);
    g_mutex_clear(&out->lock);
    g_cond_clear(&out->cond);
    g_clear_error(&out->error);
    g_free(out->progress.waits);
    g_free(out->log_path);
    g_free(out->seq_path);
    g_free(out->print);
    g_free(out);
}

/* Main thread, once. */
static void finish(CkptdMoveOut *out)
{
    if (!out->thread) {
        return;
    }
    g_thread_join(g_steal_pointer(&out->thread));
    ckptd_guest_travel_over(out->guest, out);
    if (out->done) {
        out->done(&out->progress, out->error, out->opaque);
    }
    out_unref(out);
}

static gboolean on_thread_end(gpointer opaque)
{
    finish(opaque);
    return G_SOURCE_REMOVE;
}

static gpointer out_main(gpointer opaque)
{
    CkptdMoveOut *out = opaque;

    if (out->ask) {
        ask(out);
    } else {
        move(out);
    }
    g_idle_add_full(G_PRIORITY_DEFAULT, on_thread_end, out, out_unref);
    return NULL;
}

/* --- for the main thread -------------------------------------------------- */

static CkptdMoveOut *out_new(const struct ckptd_move_env *env,
                             CkptdGuest *guest, const char *host,
                             const char *print)
{
    CkptdMoveOut *out = g_new0(CkptdMoveOut, 1);

    out->refs = 2; /* the guest's, the thread's */
    out->env = env;
    out->guest = ckptd_guest_ref(guest);
    out->print = g_strdup(print);
    out->log_path = ckptd_guest_file(guest, "console.log");
    out->seq_path = ckptd_guest_file(guest, "console.seq");
    out->cancellable = g_cancellable_new();
    out->tap_fd = -1;
    out->progress.start_us = g_get_monotonic_time();
    g_strlcpy(out->progress.host, host, sizeof(out->progress.host));
    g_mutex_init(&out->lock);
    g_cond_init(&out->cond);
    return out;
}

/**
 * ckptd_move_out_start() - send a guest to another host
 * @env:       outlives it
 * @guest:     that runs
 * @host:      where to
 * @options:   how; copied
 * @done:      told in the end, or NULL
 * @opaque:    for it
 *
 * Return: the move, owned by itself until @done.
 * Context: main thread, as all that follow.
 */
CkptdMoveOut *ckptd_move_out_start(const struct ckptd_move_env *env,
                                   CkptdGuest *guest,
                                   const struct ckptd_host *host,
                                   const struct ckptd_move_options *options,
                                   CkptdMoveDone done, gpointer opaque)
{
    CkptdMoveOut *out = out_new(env, guest, host->name, host->print);

    ckptd_peer_make_id(out->progress.id);
    out->options = *options;
    out->done = done;
    out->opaque = opaque;
    out->thread = g_thread_new("move-out", out_main, out);
    return out;
}

/**
 * ckptd_move_out_ask() - go on with a move that an earlier ckptd had given
 * @env:   outlives it
 * @guest: in state given
 * @entry: of the ledger
 *
 * Return: the move, owned by itself until it is over.
 */
CkptdMoveOut *ckptd_move_out_ask(const struct ckptd_move_env *env,
                                 CkptdGuest *guest,
                                 const struct ckptd_ledger_entry *entry)
{
    CkptdMoveOut *out = out_new(env, guest, entry->host, entry->print);

    memcpy(out->progress.id, entry->id, sizeof(entry->id));
    out->progress.phase = CKPTD_MOVE_GIVEN;
    out->ask = TRUE;
    out->thread = g_thread_new("move-ask", out_main, out);
    return out;
}

/**
 * ckptd_move_out_tell() - something happened to the guest
 * @out:   the move
 * @event: what
 * @epoch: of FROZEN
 */
void ckptd_move_out_tell(CkptdMoveOut *out, enum ckptd_move_event event,
                         guint64 epoch G_GNUC_UNUSED)
{
    g_mutex_lock(&out->lock);
    out->events |= 1u << event;
    g_cond_broadcast(&out->cond);
    g_mutex_unlock(&out->lock);
}

static void stop_waiting(CkptdMoveOut *out)
{
    g_cancellable_cancel(out->cancellable);
    g_mutex_lock(&out->lock);
    g_cond_broadcast(&out->cond);
    g_mutex_unlock(&out->lock);
}

/**
 * ckptd_move_out_cancel() - give a move up
 * @out:   the move
 * @error: CKPTD_ERROR_FAILED: it is too late
 *
 * Return: TRUE when it will end, the guest staying here.
 */
gboolean ckptd_move_out_cancel(CkptdMoveOut *out, GError **error)
{
    gboolean late;

    g_mutex_lock(&out->lock);
    late = out->progress.phase >= CKPTD_MOVE_GIVEN;
    out->cancelled |= !late;
    g_mutex_unlock(&out->lock);
    if (late) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "too late: %s was given to %s", guest_name(out),
                    out->progress.host);
        return FALSE;
    }
    stop_waiting(out);
    return TRUE;
}

/**
 * ckptd_move_out_resolve() - an operator says whose the guest is
 * @out:   the move
 * @keep:  it is ours; otherwise the other host's
 * @error: CKPTD_ERROR_FAILED: nobody waits for that
 *
 * Return: TRUE when it is taken for the truth.
 */
gboolean ckptd_move_out_resolve(CkptdMoveOut *out, gboolean keep,
                                GError **error)
{
    gboolean waits;

    g_mutex_lock(&out->lock);
    waits = out->progress.phase == CKPTD_MOVE_GIVEN && out->progress.waits;
    if (waits) {
        out->resolution = keep ? CKPTD_LEDGER_BACK : CKPTD_LEDGER_GONE;
        g_cond_broadcast(&out->cond);
    }
    g_mutex_unlock(&out->lock);
    if (!waits) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s does not wait for a decision", guest_name(out));
    }
    return waits;
}

/**
 * ckptd_move_out_progress() - how it goes
 * @out:          the move
 * @ret_progress: filled in; its text is to be freed
 */
void ckptd_move_out_progress(CkptdMoveOut *out,
                             struct ckptd_move_progress *ret_progress)
{
    g_mutex_lock(&out->lock);
    *ret_progress = out->progress;
    ret_progress->waits = g_strdup(out->progress.waits);
    g_mutex_unlock(&out->lock);
    ret_progress->sent_bytes = ckptd_ship_sent(&out->ship);
}

/**
 * ckptd_move_out_end() - the guest goes down, or ckptd ends
 * @out: the move; freed
 *
 * What is given stays given: the ledger says so to the next ckptd.
 *
 * Context: main thread; waits for the thread.
 */
void ckptd_move_out_end(CkptdMoveOut *out)
{
    g_atomic_int_set(&out->ends, TRUE);
    stop_waiting(out);
    finish(out);
}
