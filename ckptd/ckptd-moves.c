/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-moves.c - the other hosts, and the guests that come and go
 *
 * What is asked about hosts and moves comes in here (ckptd-control-move.c asks
 * for users, links ask for other hosts).  A link has a thread; so has whatever
 * needs a link to be made.  All of them are counted, and ended before this is.
 */
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-moves-internal.h"

#include <string.h>
#include <sys/socket.h>

#include "ckptd/ckptd-forward.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-peer-cert.h"

/* The last ones are there to see that there are too many others. */
#define THREADS_MAX (CKPTD_DOOR_KNOWN + CKPTD_DOOR_STRANGERS + 16)

/**
 * ckptd_moves_enter() - a thread begins that has to do with other hosts
 * @moves: of the daemon, which does not end before ckptd_moves_leave()
 *
 * Return: what ends the thread, for ckptd_moves_leave().
 * Context: any thread.
 */
GCancellable *ckptd_moves_enter(CkptdMoves *moves)
{
    GCancellable *cancellable = g_cancellable_new();

    g_mutex_lock(&moves->lock);
    moves->n_threads++;
    g_ptr_array_add(moves->cancels, cancellable);
    if (g_cancellable_is_cancelled(moves->env.stopping)) {
        g_cancellable_cancel(cancellable);
    }
    g_mutex_unlock(&moves->lock);
    return cancellable;
}

/**
 * ckptd_moves_leave() - such a thread ends
 * @moves:       of the daemon
 * @cancellable: from ckptd_moves_enter()
 *
 * Context: that thread.
 */
void ckptd_moves_leave(CkptdMoves *moves, GCancellable *cancellable)
{
    g_mutex_lock(&moves->lock);
    moves->n_threads--;
    g_ptr_array_remove_fast(moves->cancels, cancellable);
    g_cond_broadcast(&moves->cond);
    g_mutex_unlock(&moves->lock);
    g_object_unref(cancellable);
}

/* --- links that others made ----------------------------------------------- */

static gboolean hello(CkptdLink *link, GError **error)
{
    g_autoptr(GVariant) dict = NULL;
    guint version;

    if (!ckptd_link_expect(link, CKPTD_PEER_HELLO, &dict, error) ||
        !ckptd_peer_get(dict, "version", "u", &version, error)) {
        return FALSE;
    }
    if (version != CKPTD_PEER_VERSION) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_VERSION,
                    "it speaks version %u of the protocol, this host version "
                    "%u",
                    version, CKPTD_PEER_VERSION);
        ckptd_link_refuse(link, (*error)->message);
        return FALSE;
    }
    return ckptd_link_send_dict(
        link, CKPTD_PEER_HELLO,
        g_variant_new_parsed("{'version': <%u>}", CKPTD_PEER_VERSION), error);
}

static char *reachable_at(CkptdLink *link, guint port)
{
    g_autofree char *ip = ckptd_link_remote_ip(link);

    if (!ip || !port || port > 65535) {
        return g_strdup("");
    }
    return g_strdup_printf(strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
}

/* Somebody whom we do not know, or who wants to be known anew. */
static gboolean pair(CkptdMoves *moves, CkptdLink *link,
                     const struct ckptd_peer_msg *msg, GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);
    g_autofree char *secret =
        dict ? ckptd_peer_get_text(dict, "secret", 64, error) : NULL;
    g_autofree char *name =
        secret ? ckptd_peer_get_text(dict, "name", 63, error) : NULL;
    g_autoptr(CkptdHost) host = g_new0(struct ckptd_host, 1);
    guint port;

    if (!name || !ckptd_peer_get(dict, "port", "u", &port, error)) {
        return FALSE;
    }
    if (!ckptd_book_redeem(moves->env.book, secret)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the invitation is used, too old, or none of this host's");
        return FALSE;
    }
    host->name = g_steal_pointer(&name);
    host->address = reachable_at(link, port);
    host->print = g_strdup(ckptd_link_print(link));
    if (!ckptd_book_add(moves->env.book, host, error)) {
        return FALSE;
    }
    g_message("host %s is paired with this one", host->name);
    return ckptd_link_send(link, CKPTD_PEER_DONE, NULL, 0, error);
}

/* Whose certificate is known is no stranger, and may say more than a little. */
static gboolean let_in(CkptdMoves *moves, struct ckptd_visit *visit,
                       CkptdLink *link, GError **error)
{
    g_autoptr(CkptdHost) host =
        ckptd_book_find_print(moves->env.book, ckptd_link_print(link));

    if (host && !ckptd_door_is_known(visit, error)) {
        return FALSE;
    }
    ckptd_link_set_known(link, host != NULL);
    return TRUE;
}

static gboolean query(CkptdMoves *moves, CkptdLink *link,
                      const struct ckptd_peer_msg *msg, GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);
    g_autofree char *id =
        dict ? ckptd_peer_get_text(dict, "id", 64, error) : NULL;
    gboolean taken;

    if (!id) {
        return FALSE;
    }
    if (!ckptd_peer_id_ok(id) ||
        !ckptd_move_in_query(&moves->env, id, ckptd_link_print(link), &taken)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "cannot be said now");
        return FALSE;
    }
    return ckptd_link_send(link, taken ? CKPTD_PEER_TAKEN : CKPTD_PEER_NEVER,
                           NULL, 0, error);
}

static gboolean forget(CkptdMoves *moves, CkptdLink *link,
                       const struct ckptd_peer_msg *msg, GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);
    g_autofree char *id =
        dict ? ckptd_peer_get_text(dict, "id", 64, error) : NULL;

    return id &&
           ckptd_move_in_forget(&moves->env, id, ckptd_link_print(link),
                                error) &&
           ckptd_link_send(link, CKPTD_PEER_DONE, NULL, 0, error);
}

/* One message after HELLO.  Return: whether another one may follow. */
static gboolean serve_one(CkptdMoves *moves, CkptdLink *link,
                          GCancellable *cancellable,
                          const struct ckptd_peer_msg *msg, GError **error)
{
    g_autoptr(CkptdHost) host =
        ckptd_book_find_print(moves->env.book, ckptd_link_print(link));

    if (msg->type == CKPTD_PEER_PAIR) {
        return pair(moves, link, msg, error);
    }
    if (!host) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "it is not paired with this host: `ckptctl host invite` "
                    "here, `ckptctl host add` there");
        return FALSE;
    }
    switch (msg->type) {
    case CKPTD_PEER_OFFER:
        ckptd_move_in_run(&moves->env, link, cancellable, host, msg);
        return FALSE;
    case CKPTD_PEER_QUERY:
        return query(moves, link, msg, error);
    case CKPTD_PEER_FORGET:
        return forget(moves, link, msg, error);
    default:
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: unexpected %s",
                    ckptd_peer_type_name(msg->type));
        return FALSE;
    }
}

/* Of a message that makes no sense, not of a link that is broken. */
static gboolean is_ours(const GError *error)
{
    return g_error_matches(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
}

static void serve(CkptdMoves *moves, struct ckptd_visit *visit,
                  GSocketConnection *connection)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdLink) link = ckptd_link_accept(connection, moves->env.cert,
                                                  visit->cancellable, &error);
    struct ckptd_peer_msg msg = { 0 };
    gboolean more = link && let_in(moves, visit, link, &error);
    gboolean greeted = more && hello(link, &error);
    gboolean any = FALSE;

    more = greeted;
    while (more && ckptd_link_recv(link, &msg, any ? NULL : &error)) {
        any = TRUE;
        more = serve_one(moves, link, visit->cancellable, &msg, &error) &&
               let_in(moves, visit, link, &error);
    }
    if (error) {
        g_message("link from another host: %s", error->message);
        if (greeted && (any ? !more : is_ours(error))) {
            ckptd_link_refuse(link, error->message);
        }
    }
    ckptd_peer_msg_clear(&msg);
}

static gboolean on_connection(GThreadedSocketService *service G_GNUC_UNUSED,
                              GSocketConnection *connection,
                              GObject *source G_GNUC_UNUSED, CkptdMoves *moves)
{
    GCancellable *cancellable = ckptd_moves_enter(moves);
    struct ckptd_visit visit;

    ckptd_door_enter(&moves->door, &visit, cancellable);
    serve(moves, &visit, connection);
    ckptd_door_leave(&visit);
    ckptd_moves_leave(moves, cancellable);
    return TRUE;
}

/* --- for the main thread: hosts ------------------------------------------- */

/**
 * ckptd_moves_new() - know the other hosts
 * @server: whose guests come and go, outlives it
 * @error:  set on failure
 *
 * Return: to be freed, or NULL.
 */
CkptdMoves *ckptd_moves_new(CkptdServer *server, GError **error)
{
    const char *state_dir = ckptd_server_paths(server)->state_dir;
    g_autofree char *dir = g_build_filename(state_dir, "hosts", NULL);
    g_autoptr(CkptdMoves) moves = g_new0(CkptdMoves, 1);

    g_mutex_init(&moves->lock);
    g_cond_init(&moves->cond);
    moves->cancels = g_ptr_array_new();
    moves->listens = g_strdup("");
    moves->env.server = server;
    moves->env.ledger_dir = ckptd_ledger_dir(state_dir);
    moves->env.stopping = g_cancellable_new();
    moves->env.book = ckptd_book_open(dir, error);
    ckptd_forward_resume(state_dir);
    return moves->env.book ? g_steal_pointer(&moves) : NULL;
}

static void stop_listening(CkptdMoves *moves)
{
    if (moves->service) {
        g_signal_handlers_disconnect_by_data(moves->service, moves);
        g_socket_service_stop(moves->service);
        g_socket_listener_close(G_SOCKET_LISTENER(moves->service));
        g_clear_object(&moves->service);
    }
    g_free(moves->listens);
    moves->listens = g_strdup("");
}

/**
 * ckptd_moves_free() - end all links
 * @moves: may be NULL
 *
 * Context: main thread; waits for those who use them.
 */
void ckptd_moves_free(CkptdMoves *moves)
{
    g_autoptr(GList) guests = NULL;
    GList *item;
    guint i;

    if (!moves) {
        return;
    }
    stop_listening(moves);
    g_cancellable_cancel(moves->env.stopping);
    guests = ckptd_server_list(moves->env.server);
    for (item = guests; item; item = item->next) {
        ckptd_guest_travel_end(item->data);
    }
    g_mutex_lock(&moves->lock);
    for (i = 0; i < moves->cancels->len; i++) {
        g_cancellable_cancel(g_ptr_array_index(moves->cancels, i));
    }
    while (moves->n_threads) {
        g_cond_wait(&moves->cond, &moves->lock);
    }
    g_mutex_unlock(&moves->lock);
    ckptd_book_close(moves->env.book);
    g_clear_object(&moves->env.cert);
    g_object_unref(moves->env.stopping);
    g_ptr_array_unref(moves->cancels);
    g_mutex_clear(&moves->lock);
    g_cond_clear(&moves->cond);
    g_free(moves->env.ledger_dir);
    g_free(moves->listens);
    g_free(moves->print);
    g_free(moves);
}

/**
 * ckptd_moves_have_cert() - have a key; it is made when it is first needed
 * @moves: of the daemon
 * @error: where to say why not
 *
 * Return: TRUE when there is one.
 */
gboolean ckptd_moves_have_cert(CkptdMoves *moves, GError **error)
{
    if (!moves->env.cert) {
        moves->env.cert =
            ckptd_peer_cert_load(ckptd_book_dir(moves->env.book), error);
        if (!moves->env.cert) {
            return FALSE;
        }
        moves->print = ckptd_peer_cert_print(moves->env.cert);
    }
    return TRUE;
}

/**
 * ckptd_moves_parse_address() - "ADDRESS:PORT"
 * @address: of numbers
 * @ret:     to be unreffed
 * @error:   says what is wrong
 *
 * Return: the port, 0 on failure.
 */
guint ckptd_moves_parse_address(const char *address, GSocketAddress **ret,
                                GError **error)
{
    g_autoptr(GSocketConnectable) name =
        g_network_address_parse(address, CKPTD_PEER_PORT, error);
    const char *host;

    if (!name) {
        return 0;
    }
    host = g_network_address_get_hostname(G_NETWORK_ADDRESS(name));
    *ret = g_inet_socket_address_new_from_string(
        host, g_network_address_get_port(G_NETWORK_ADDRESS(name)));
    if (!*ret) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s' is no ADDRESS:PORT of numbers", address);
        return 0;
    }
    return g_network_address_get_port(G_NETWORK_ADDRESS(name));
}

/**
 * ckptd_moves_listen() - let other hosts in that are known
 * @moves:   of the daemon
 * @address: "ADDRESS:PORT"
 * @error:   set on failure
 *
 * Return: TRUE when it listens.
 */
gboolean ckptd_moves_listen(CkptdMoves *moves, const char *address,
                            GError **error)
{
    g_autoptr(GSocketService) service = NULL;
    g_autoptr(GSocketAddress) where = NULL;
    guint port = ckptd_moves_parse_address(address, &where, error);

    if (!port || !ckptd_moves_have_cert(moves, error)) {
        return FALSE;
    }
    stop_listening(moves);
    service = g_threaded_socket_service_new(THREADS_MAX);
    if (!g_socket_listener_add_address(
            G_SOCKET_LISTENER(service), where, G_SOCKET_TYPE_STREAM,
            G_SOCKET_PROTOCOL_TCP, NULL, NULL, error)) {
        g_prefix_error(error, "listening at %s: ", address);
        return FALSE;
    }
    g_signal_connect(service, "run", G_CALLBACK(on_connection), moves);
    g_socket_service_start(service);
    moves->service = g_steal_pointer(&service);
    g_free(moves->listens);
    moves->listens = g_strdup(address);
    g_message("listens for other hosts at %s", address);
    return TRUE;
}

/**
 * ckptd_moves_listen_saved() - listen where an earlier ckptd was told to
 * @moves: of the daemon
 * @error: set on failure
 *
 * Return: TRUE when it listens, or was not told to.
 */
gboolean ckptd_moves_listen_saved(CkptdMoves *moves, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *address =
        ckptd_book_listen_address(moves->env.book, &local);

    if (!address && !ckptd_lookup_is_absence(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return !address || ckptd_moves_listen(moves, address, error);
}

/**
 * ckptd_moves_set_listen() - listen, now and whenever ckptd starts
 * @moves:   of the daemon
 * @address: "ADDRESS:PORT", "" to listen no more
 * @error:   set on failure
 *
 * Return: TRUE when it does so.
 */
gboolean ckptd_moves_set_listen(CkptdMoves *moves, const char *address,
                                GError **error)
{
    if (!address[0]) {
        stop_listening(moves);
        return ckptd_book_set_listen(moves->env.book, NULL, error);
    }
    return ckptd_moves_listen(moves, address, error) &&
           ckptd_book_set_listen(moves->env.book, address, error);
}

/**
 * ckptd_moves_listens() - where it listens
 * @moves: of the daemon
 *
 * Return: "ADDRESS:PORT", "" if nowhere; owned by it.
 */
const char *ckptd_moves_listens(const CkptdMoves *moves)
{
    return moves->listens;
}

/* --- for the main thread: moves ------------------------------------------- */

static gboolean begin(CkptdMoves *moves, const char *guest, const char *host,
                      const struct ckptd_move_options *options,
                      CkptdMoveDone done, gpointer opaque, GError **error)
{
    CkptdGuest *g = ckptd_server_find(moves->env.server, guest, error);
    g_autoptr(CkptdHost) h =
        g ? ckptd_book_find(moves->env.book, host, error) : NULL;

    return h && ckptd_moves_have_cert(moves, error) &&
           ckptd_guest_travel_start(g, &moves->env, h, options, done, opaque,
                                    error);
}

/* A move that begins behind the guest's first checkpoint. */
struct first {
    CkptdMoves *moves;
    char *guest;
    char *host;
    struct ckptd_move_options options;
    CkptdMoveDone done;
    gpointer opaque;
};

static void on_first_checkpoint(guint64 epoch G_GNUC_UNUSED,
                                const GError *error, gpointer opaque)
{
    struct first *f = opaque;
    g_autoptr(GError) local = error ? g_error_copy(error) : NULL;

    if (local || !begin(f->moves, f->guest, f->host, &f->options, f->done,
                        f->opaque, &local)) {
        f->done(NULL, local, f->opaque);
    }
    g_free(f->guest);
    g_free(f->host);
    g_free(f);
}

/* Is it so new that there is nothing yet that could be sent? */
static gboolean has_no_checkpoint(CkptdMoves *moves, const char *guest)
{
    CkptdGuest *g = ckptd_server_find(moves->env.server, guest, NULL);
    struct ckptd_session_stats stats;

    if (!g || !g->session || !g->spec->checkpoint ||
        g->state != CKPTD_GUEST_RUNNING) {
        return FALSE; /* begin() has more to say about it */
    }
    ckptd_session_stats(g->session, &stats);
    return stats.committed == 0;
}

/**
 * ckptd_moves_start() - send a guest to another host
 * @moves:     of the daemon
 * @guest:     its name
 * @host:      where to
 * @options:   how
 * @done:      told in the end, if it begins
 * @opaque:    for it
 * @error:     says why it does not begin
 *
 * Return: TRUE when it begins.
 */
gboolean ckptd_moves_start(CkptdMoves *moves, const char *guest,
                           const char *host,
                           const struct ckptd_move_options *options,
                           CkptdMoveDone done, gpointer opaque, GError **error)
{
    struct first *f;

    if (!has_no_checkpoint(moves, guest)) {
        return begin(moves, guest, host, options, done, opaque, error);
    }
    f = g_new(struct first, 1);
    *f = (struct first){
        moves, g_strdup(guest), g_strdup(host), *options, done, opaque,
    };
    ckptd_guest_checkpoint(ckptd_server_find(moves->env.server, guest, NULL),
                           on_first_checkpoint, f);
    return TRUE;
}

/**
 * ckptd_moves_list_forwards() - what tunnels there are
 * @moves: of the daemon
 *
 * Return: aa{sv}, floating.
 */
GVariant *ckptd_moves_list_forwards(CkptdMoves *moves)
{
    g_autoptr(GPtrArray) all =
        ckptd_forward_list(ckptd_server_paths(moves->env.server)->state_dir);
    GVariantBuilder b;
    guint i;

    g_variant_builder_init(&b, G_VARIANT_TYPE("aa{sv}"));
    for (i = 0; i < all->len; i++) {
        const struct ckptd_forward *f = g_ptr_array_index(all, i);

        g_variant_builder_add_parsed(
            &b,
            "{'guest': <%s>, 'host': <%s>, 'address': <%s>, 'bridge': <%s>, "
            "'away': <%b>, 'vni': <%u>}",
            f->guest, f->host, f->address, f->bridge,
            f->end == CKPTD_FORWARD_HOME, f->vni);
    }
    return g_variant_builder_end(&b);
}

/**
 * ckptd_moves_remove_forward() - end a tunnel
 * @moves: of the daemon
 * @guest: whose
 * @error: CKPTD_ERROR_NOT_FOUND; _BUSY: the guest is here and hangs on it
 *
 * Return: TRUE when it is gone.
 */
gboolean ckptd_moves_remove_forward(CkptdMoves *moves, const char *guest,
                                    GError **error)
{
    const char *state_dir = ckptd_server_paths(moves->env.server)->state_dir;
    g_autoptr(CkptdForward) f = ckptd_forward_find(state_dir, guest, NULL);
    CkptdGuest *g = ckptd_server_find(moves->env.server, guest, NULL);

    if (g && f &&
        (g->out || (f->end == CKPTD_FORWARD_AWAY && !ckptd_guest_is_down(g)))) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%s is up here and reaches its Ethernet by it", guest);
        return FALSE;
    }
    return ckptd_forward_remove(state_dir, guest, error);
}

static CkptdGuest *find_moving(CkptdMoves *moves, const char *guest,
                               GError **error)
{
    CkptdGuest *g = ckptd_server_find(moves->env.server, guest, error);

    if (g && !g->out) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "%s is not on its way to another host", guest);
        return NULL;
    }
    return g;
}

/**
 * ckptd_moves_cancel() - give a move up
 * @moves: of the daemon
 * @guest: its name
 * @error: says why not
 *
 * Return: TRUE when it will end.
 */
gboolean ckptd_moves_cancel(CkptdMoves *moves, const char *guest,
                            GError **error)
{
    CkptdGuest *g = find_moving(moves, guest, error);

    return g && ckptd_move_out_cancel(g->out, error);
}

/**
 * ckptd_moves_resolve() - an operator says whose a guest is
 * @moves: of the daemon
 * @guest: its name
 * @keep:  ours; otherwise the other host's
 * @error: says why that is not asked
 *
 * Return: TRUE when it is taken for the truth.
 */
gboolean ckptd_moves_resolve(CkptdMoves *moves, const char *guest,
                             gboolean keep, GError **error)
{
    CkptdGuest *g = find_moving(moves, guest, error);

    return g && ckptd_move_out_resolve(g->out, keep, error);
}

static gboolean is_removed(CkptdMoves *moves,
                           const struct ckptd_ledger_entry *l)
{
    g_autofree char *dir =
        g_build_filename(ckptd_server_paths(moves->env.server)->state_dir,
                         "guests", l->guest, NULL);
    g_autoptr(CkptdLedger) ledger = NULL;
    g_autoptr(GError) error = NULL;

    if (l->step == CKPTD_LEDGER_REMOVED) {
        return TRUE;
    }
    if (ckptd_lookup_path(dir, &error)) {
        return FALSE;
    }
    if (!ckptd_lookup_is_absence(error)) {
        g_warning("%s: %s", l->guest, error->message);
        return FALSE;
    }
    g_clear_error(&error);
    ledger = ckptd_ledger_open(ckptd_io_system(), moves->env.ledger_dir, l->id,
                               &error);
    if (!ledger || !ckptd_move_sync_guests(&moves->env, &error) ||
        !ckptd_ledger_removed(ledger, &error)) {
        g_warning("%s: %s", l->guest, error->message);
        return FALSE;
    }
    return TRUE;
}

/* Return: whether @e is of a guest that was given, about which nobody asks. */
static gboolean ask_again(CkptdMoves *moves, const struct ckptd_ledger_entry *e)
{
    CkptdGuest *g = ckptd_server_find(moves->env.server, e->guest, NULL);

    if (e->role != CKPTD_LEDGER_FROM || e->step != CKPTD_LEDGER_DECIDED || !g ||
        g->state != CKPTD_GUEST_GIVEN || g->out) {
        return FALSE;
    }
    g->out = ckptd_move_out_ask(&moves->env, g, e);
    return TRUE;
}

/* Return: struct ckptd_ledger_entry each, or NULL when they cannot be read, or
 * there is no certificate to go on with; that was said then. */
static GArray *list_ledgers(CkptdMoves *moves)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ledgers = ckptd_ledger_list(
        ckptd_io_system(), moves->env.ledger_dir, NULL, &error);

    if (!ledgers || (ledgers->len && !ckptd_moves_have_cert(moves, &error))) {
        g_warning("moves: %s", error->message);
        return NULL;
    }
    return g_steal_pointer(&ledgers);
}

/**
 * ckptd_moves_ask() - a guest is known again that was left alone
 * @moves: of the daemon
 * @guest: its name; if it was given, the other host is asked
 */
void ckptd_moves_ask(CkptdMoves *moves, const char *guest)
{
    g_autoptr(GArray) ledgers = list_ledgers(moves);
    guint i;

    for (i = 0; ledgers && i < ledgers->len; i++) {
        const struct ckptd_ledger_entry *e =
            &g_array_index(ledgers, struct ckptd_ledger_entry, i);

        if (g_str_equal(e->guest, guest)) {
            ask_again(moves, e);
        }
    }
}

/**
 * ckptd_moves_resume() - go on with what an earlier ckptd had given
 * @moves: of the daemon, whose guests are there
 */
void ckptd_moves_resume(CkptdMoves *moves)
{
    g_autoptr(GArray) ledgers = list_ledgers(moves);
    guint i;

    for (i = 0; ledgers && i < ledgers->len; i++) {
        const struct ckptd_ledger_entry *e =
            &g_array_index(ledgers, struct ckptd_ledger_entry, i);

        if (e->step == CKPTD_LEDGER_OFFERED ||
            e->outcome == CKPTD_LEDGER_BACK) {
            ckptd_ledger_remove(ckptd_io_system(), moves->env.ledger_dir, e->id,
                                NULL);
        } else if (!ask_again(moves, e) && e->role == CKPTD_LEDGER_FROM &&
                   e->step >= CKPTD_LEDGER_ENDED && is_removed(moves, e)) {
            ckptd_moves_forget_ended(moves, e);
        }
    }
}
