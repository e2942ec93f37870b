/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-moves-hosts.c - the other hosts: who they are, whether they answer
 *
 * What needs a link to be made is an errand: a thread, and an answer in the
 * main thread.
 */
#include <string.h>

#include "ckptd/ckptd-moves-internal.h"

/**
 * struct errand - something with a thread, answered in the main thread
 *
 * @work: in the thread; @value is what it brings back
 */
struct errand {
    CkptdMoves *moves;
    GCancellable *cancellable;
    GVariant *(*work)(struct errand *errand, GError **error);
    struct ckptd_token token;
    char *name;
    char *own_name;
    guint port;
    CkptdMovesDone done;
    gpointer opaque;
    GVariant *value;
    GError *error;
};

static gboolean answer_errand(gpointer opaque)
{
    struct errand *e = opaque;

    e->done(e->value, e->error, e->opaque);
    return G_SOURCE_REMOVE;
}

static void errand_free(gpointer opaque)
{
    struct errand *e = opaque;

    ckptd_token_clear(&e->token);
    g_clear_error(&e->error);
    g_free(e->name);
    g_free(e->own_name);
    g_free(e);
}

static gpointer errand_main(gpointer opaque)
{
    struct errand *e = opaque;
    CkptdMoves *moves = e->moves;
    GCancellable *cancellable = e->cancellable;

    e->value = e->work(e, &e->error);
    g_idle_add_full(G_PRIORITY_DEFAULT, answer_errand, e, errand_free);
    ckptd_moves_leave(moves, cancellable);
    return NULL;
}

static struct errand *errand_new(CkptdMoves *moves, CkptdMovesDone done,
                                 gpointer opaque)
{
    struct errand *e = g_new0(struct errand, 1);

    e->moves = moves;
    e->done = done;
    e->opaque = opaque;
    return e;
}

static void errand_start(struct errand *e)
{
    e->cancellable = ckptd_moves_enter(e->moves);
    g_thread_unref(g_thread_new("errand", errand_main, e));
}

static CkptdLink *link_to(struct errand *e, const char *address,
                          const char *print, GError **error)
{
    g_autoptr(CkptdLink) link = ckptd_link_connect(
        address, e->moves->env.cert, print, e->cancellable, error);

    if (!link ||
        !ckptd_link_send_dict(
            link, CKPTD_PEER_HELLO,
            g_variant_new_parsed("{'version': <%u>}", CKPTD_PEER_VERSION),
            error) ||
        !ckptd_link_expect(link, CKPTD_PEER_HELLO, NULL, error)) {
        return NULL;
    }
    return g_steal_pointer(&link);
}

static GVariant *work_add(struct errand *e, GError **error)
{
    g_autoptr(CkptdLink) link =
        link_to(e, e->token.address, e->token.print, error);
    struct ckptd_host host = { e->name, e->token.address, e->token.print };

    if (link &&
        ckptd_link_send_dict(
            link, CKPTD_PEER_PAIR,
            g_variant_new_parsed("{'secret': <%s>, 'name': <%s>, 'port': <%u>}",
                                 e->token.secret, e->own_name, e->port),
            error) &&
        ckptd_link_expect(link, CKPTD_PEER_DONE, NULL, error)) {
        ckptd_book_add(e->moves->env.book, &host, error);
    }
    return NULL;
}

/* A move has ended here, and the other host need not keep its ledger. */
static GVariant *work_forget(struct errand *e, GError **error)
{
    g_autoptr(CkptdHost) host =
        ckptd_book_find_print(e->moves->env.book, e->token.print);
    g_autoptr(CkptdLink) link = NULL;

    if (!host || !host->address[0]) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "the host is no longer known");
        return NULL;
    }
    link = link_to(e, host->address, host->print, error);
    if (link &&
        ckptd_link_send_dict(link, CKPTD_PEER_FORGET,
                             g_variant_new_parsed("{'id': <%s>}", e->name),
                             error) &&
        ckptd_link_expect(link, CKPTD_PEER_DONE, NULL, error)) {
        ckptd_ledger_remove(ckptd_io_system(), e->moves->env.ledger_dir,
                            e->name, error);
    }
    return NULL;
}

static void add_reach(struct errand *e, const struct ckptd_host *host,
                      GVariantBuilder *all)
{
    gint64 start_us = g_get_monotonic_time();
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdLink) link = NULL;

    if (!host->address[0]) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "it does not listen");
    } else {
        link = link_to(e, host->address, host->print, &error);
    }
    g_variant_builder_add_parsed(
        all,
        "{'name': <%s>, 'address': <%s>, 'fingerprint': <%s>, "
        "'reachable': <%b>, 'reason': <%s>, 'round_trip_ms': <%d>}",
        host->name, host->address, host->print, link != NULL,
        error ? error->message : "",
        (gint)((g_get_monotonic_time() - start_us) / 1000));
}

static GVariant *work_list(struct errand *e, GError **error G_GNUC_UNUSED)
{
    g_autoptr(GPtrArray) hosts = ckptd_book_list(e->moves->env.book);
    GVariantBuilder all;
    guint i;

    g_variant_builder_init(&all, G_VARIANT_TYPE("aa{sv}"));
    for (i = 0; i < hosts->len; i++) {
        add_reach(e, g_ptr_array_index(hosts, i), &all);
    }
    return g_variant_builder_end(&all);
}

/* --- for the main thread -------------------------------------------------- */

/**
 * ckptd_moves_invite() - let one host in that is not known yet
 * @moves:   of the daemon
 * @address: where it finds us, "" for where we listen
 * @error:   set when we do not listen
 *
 * Return: the token for it, to be freed, or NULL.
 */
char *ckptd_moves_invite(CkptdMoves *moves, const char *address, GError **error)
{
    const char *where = address[0] ? address : moves->listens;

    if (!moves->service) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "this host does not listen: `ckptctl host listen "
                    "ADDRESS:PORT` first");
        return NULL;
    }
    if (strchr(where, '/') || g_str_has_prefix(where, "0.0.0.0") ||
        g_str_has_prefix(where, "[::]")) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s' is nowhere that the other host could go: say at "
                    "which address it finds this one",
                    where);
        return NULL;
    }
    return ckptd_book_invite(moves->env.book, where, moves->print);
}

/**
 * ckptd_moves_add_host() - pair with a host that has invited us
 * @moves:    of the daemon
 * @name:     what we call it
 * @token:    from it
 * @own_name: what it is to call us
 * @done:     told in the end
 * @opaque:   for it
 */
void ckptd_moves_add_host(CkptdMoves *moves, const char *name,
                          const char *token, const char *own_name,
                          CkptdMovesDone done, gpointer opaque)
{
    struct errand *e = errand_new(moves, done, opaque);
    g_autoptr(GSocketAddress) where = NULL;
    g_autoptr(GError) error = NULL;

    e->work = work_add;
    e->name = g_strdup(name);
    e->own_name = g_strdup(own_name);
    if (moves->listens[0]) {
        e->port = ckptd_moves_parse_address(moves->listens, &where, NULL);
    }
    if (!ckptd_moves_have_cert(moves, &error) ||
        !ckptd_token_parse(token, &e->token, &error)) {
        done(NULL, error, opaque);
        errand_free(e);
        return;
    }
    errand_start(e);
}

/**
 * ckptd_moves_remove_host() - know a host no more
 * @moves: of the daemon
 * @name:  of the host
 * @error: set when a guest is given to it
 *
 * Return: TRUE when it is forgotten.
 */
gboolean ckptd_moves_remove_host(CkptdMoves *moves, const char *name,
                                 GError **error)
{
    g_autoptr(GError) unclear = NULL;
    g_autoptr(GArray) ledgers = ckptd_ledger_list(
        ckptd_io_system(), moves->env.ledger_dir, &unclear, error);
    guint i;

    if (unclear) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "it is not known whether a guest is given to %s: %s", name,
                    unclear->message);
        return FALSE;
    }
    for (i = 0; ledgers && i < ledgers->len; i++) {
        const struct ckptd_ledger_entry *e =
            &g_array_index(ledgers, struct ckptd_ledger_entry, i);

        if (g_str_equal(e->host, name) && e->role == CKPTD_LEDGER_FROM &&
            e->step == CKPTD_LEDGER_DECIDED) {
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                        "guest %s is given to %s and %s has not said what "
                        "became of it",
                        e->guest, name, name);
            return FALSE;
        }
    }
    return ledgers && ckptd_book_remove(moves->env.book, name, error);
}

/**
 * ckptd_moves_list_hosts() - all hosts, and whether they can be reached
 * @moves:  of the daemon
 * @done:   told in the end: aa{sv}
 * @opaque: for it
 */
void ckptd_moves_list_hosts(CkptdMoves *moves, CkptdMovesDone done,
                            gpointer opaque)
{
    struct errand *e = errand_new(moves, done, opaque);
    g_autoptr(GError) error = NULL;

    e->work = work_list;
    if (!ckptd_moves_have_cert(moves, &error)) {
        done(NULL, error, opaque);
        errand_free(e);
        return;
    }
    errand_start(e);
}

static void on_forgotten(GVariant *value G_GNUC_UNUSED, const GError *error,
                         gpointer opaque G_GNUC_UNUSED)
{
    if (error) {
        g_message("a move that has ended: its ledger is kept: %s",
                  error->message);
    }
}

/**
 * ckptd_moves_forget_ended() - tell the other host that a move has ended here
 * @moves: of the daemon
 * @l:     of the move
 *
 * When it is not reached the ledger is kept, and the next ckptd tries again.
 */
void ckptd_moves_forget_ended(CkptdMoves *moves,
                              const struct ckptd_ledger_entry *l)
{
    struct errand *e = errand_new(moves, on_forgotten, NULL);

    e->work = work_forget;
    e->name = g_strdup(l->id);
    e->token.print = g_strdup(l->print);
    errand_start(e);
}
