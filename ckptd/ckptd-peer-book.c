/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-book.c - which hosts this one knows, and how to reach them
 *
 * A pair is made by an invitation: one side makes up a secret and says it, its
 * address and its fingerprint to a person, who carries them to the other side.
 * That one connects, finds the fingerprint it was told, and shows the secret;
 * from then on each keeps the other's fingerprint.  A secret is good once, for
 * INVITE_S, and not over a restart.
 *
 * In the directory: NAME.host for each host, listen.conf, and what
 * ckptd-peer-cert.c keeps there.
 */
#include "ckptd/ckptd-peer-book.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-paths.h"
#include "ckptd/ckptd-peer-cert.h"
#include "ckptd/ckptd-peer-wire.h"
#include "ckptd/ckptd-spec.h"

#define SUFFIX      ".host"
#define GROUP       "host"
#define LISTEN      "listen.conf"
#define INVITE_S    600
#define INVITES_MAX 64u

struct invite {
    char secret[2 * CKPTD_PEER_ID_BYTES + 1];
    gint64 until_us;
};

/* @lock: of everything: links have threads of their own */
struct ckptd_book {
    char *dir;
    GMutex lock;
    GHashTable *hosts; /* name -> struct ckptd_host */
    GArray *invites;   /* struct invite */
};

/**
 * ckptd_host_free() - free a host
 * @host: may be NULL
 */
void ckptd_host_free(struct ckptd_host *host)
{
    if (host) {
        g_free(host->name);
        g_free(host->address);
        g_free(host->print);
        g_free(host);
    }
}

static struct ckptd_host *copy_host(const struct ckptd_host *host)
{
    struct ckptd_host *copy = g_new0(struct ckptd_host, 1);

    copy->name = g_strdup(host->name);
    copy->address = g_strdup(host->address);
    copy->print = g_strdup(host->print);
    return copy;
}

static struct ckptd_host *load_host(const char *dir, const char *file)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autoptr(CkptdHost) host = g_new0(struct ckptd_host, 1);
    g_autoptr(GError) error = NULL;

    host->name = g_strndup(file, strlen(file) - strlen(SUFFIX));
    if (!ckptd_spec_name_ok(host->name) ||
        !ckptd_lookup_keys(conf, path, &error) ||
        !(host->address =
              g_key_file_get_string(conf, GROUP, "address", NULL)) ||
        !(host->print =
              g_key_file_get_string(conf, GROUP, "fingerprint", NULL)) ||
        !ckptd_peer_print_ok(host->print)) {
        g_warning("%s is left alone: %s", path,
                  error ? error->message : "it describes no host");
        return NULL;
    }
    return g_steal_pointer(&host);
}

/**
 * ckptd_book_open() - read which hosts are known
 * @dir:   the book's, made if it is not there
 * @error: where to say why not
 *
 * Return: to be closed, or NULL.
 */
CkptdBook *ckptd_book_open(const char *dir, GError **error)
{
    g_autoptr(GPtrArray) files = NULL;
    CkptdBook *book;
    guint i;

    if (!ckptd_paths_make_dir(dir, error) ||
        !(files = ckptd_io_list(ckptd_io_system(), dir, error))) {
        return NULL;
    }
    book = g_new0(CkptdBook, 1);
    book->dir = g_strdup(dir);
    g_mutex_init(&book->lock);
    book->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                        (GDestroyNotify)ckptd_host_free);
    book->invites = g_array_new(FALSE, FALSE, sizeof(struct invite));
    for (i = 0; i < files->len; i++) {
        const char *file = files->pdata[i];
        struct ckptd_host *host =
            g_str_has_suffix(file, SUFFIX) ? load_host(dir, file) : NULL;

        if (host) {
            g_hash_table_replace(book->hosts, host->name, host);
        }
    }
    return book;
}

/**
 * ckptd_book_close() - let go of a book
 * @book: may be NULL
 */
void ckptd_book_close(CkptdBook *book)
{
    if (book) {
        g_hash_table_unref(book->hosts);
        g_array_unref(book->invites);
        g_mutex_clear(&book->lock);
        g_free(book->dir);
        g_free(book);
    }
}

/**
 * ckptd_book_dir() - where it is
 * @book: the book
 *
 * Return: owned by it.
 */
const char *ckptd_book_dir(const CkptdBook *book)
{
    return book->dir;
}

/**
 * ckptd_book_find() - a host by name
 * @book:  the book
 * @name:  of the host
 * @error: set when there is none
 *
 * Return: a copy, to be freed, or NULL.
 * Context: any thread, as all that follow.
 */
struct ckptd_host *ckptd_book_find(CkptdBook *book, const char *name,
                                   GError **error)
{
    struct ckptd_host *host;

    g_mutex_lock(&book->lock);
    host = g_hash_table_lookup(book->hosts, name);
    host = host ? copy_host(host) : NULL;
    g_mutex_unlock(&book->lock);
    if (!host) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "there is no host %s; `ckptctl hosts` lists them", name);
    }
    return host;
}

/**
 * ckptd_book_find_print() - a host by its certificate
 * @book:  the book
 * @print: its fingerprint
 *
 * Return: a copy, to be freed, or NULL.
 */
struct ckptd_host *ckptd_book_find_print(CkptdBook *book, const char *print)
{
    struct ckptd_host *host, *found = NULL;
    GHashTableIter iter;

    g_mutex_lock(&book->lock);
    g_hash_table_iter_init(&iter, book->hosts);
    while (!found && g_hash_table_iter_next(&iter, NULL, (gpointer *)&host)) {
        if (g_str_equal(host->print, print)) {
            found = copy_host(host);
        }
    }
    g_mutex_unlock(&book->lock);
    return found;
}

static gboolean save_host(CkptdBook *book, const struct ckptd_host *host,
                          GError **error)
{
    g_autofree char *file = g_strconcat(host->name, SUFFIX, NULL);
    g_autofree char *path = g_build_filename(book->dir, file, NULL);
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *text = NULL;
    gsize len;

    g_key_file_set_string(conf, GROUP, "address", host->address);
    g_key_file_set_string(conf, GROUP, "fingerprint", host->print);
    text = g_key_file_to_data(conf, &len, NULL);
    return g_file_set_contents_full(path, text, len,
                                    G_FILE_SET_CONTENTS_CONSISTENT |
                                        G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

/**
 * ckptd_book_add() - know a host
 * @book:  the book
 * @host:  copied
 * @error: CKPTD_ERROR_EXISTS: the name is another host's
 *
 * Return: TRUE when it is written down.
 */
gboolean ckptd_book_add(CkptdBook *book, const struct ckptd_host *host,
                        GError **error)
{
    struct ckptd_host *there, *copy;
    gboolean ok = FALSE;

    if (!ckptd_spec_name_ok(host->name)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s' is no name for a host", host->name);
        return FALSE;
    }
    g_mutex_lock(&book->lock);
    there = g_hash_table_lookup(book->hosts, host->name);
    if (there && !g_str_equal(there->print, host->print)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS,
                    "there is another host %s already: choose another name, "
                    "or `ckptctl host rm %s`",
                    host->name, host->name);
    } else if (save_host(book, host, error)) {
        copy = copy_host(host);
        g_hash_table_replace(book->hosts, copy->name, copy);
        ok = TRUE;
    }
    g_mutex_unlock(&book->lock);
    return ok;
}

/**
 * ckptd_book_remove() - know a host no more
 * @book:  the book
 * @name:  of the host
 * @error: CKPTD_ERROR_NOT_FOUND, _IO
 *
 * Return: TRUE when it is forgotten.
 */
gboolean ckptd_book_remove(CkptdBook *book, const char *name, GError **error)
{
    g_autofree char *file = g_strconcat(name, SUFFIX, NULL);
    g_autofree char *path = g_build_filename(book->dir, file, NULL);
    gboolean ok = FALSE;

    g_mutex_lock(&book->lock);
    if (!g_hash_table_contains(book->hosts, name)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "there is no host %s; `ckptctl hosts` lists them", name);
    } else if (g_unlink(path) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s: %s", path,
                    g_strerror(errno));
    } else {
        ok = g_hash_table_remove(book->hosts, name);
    }
    g_mutex_unlock(&book->lock);
    return ok;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const struct ckptd_host *const *)a)->name,
                  (*(const struct ckptd_host *const *)b)->name);
}

/**
 * ckptd_book_list() - all hosts, by name
 * @book: the book
 *
 * Return: (element-type CkptdHost): copies, to be unreffed.
 */
GPtrArray *ckptd_book_list(CkptdBook *book)
{
    GPtrArray *all =
        g_ptr_array_new_with_free_func((GDestroyNotify)ckptd_host_free);
    struct ckptd_host *host;
    GHashTableIter iter;

    g_mutex_lock(&book->lock);
    g_hash_table_iter_init(&iter, book->hosts);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&host)) {
        g_ptr_array_add(all, copy_host(host));
    }
    g_mutex_unlock(&book->lock);
    g_ptr_array_sort(all, by_name);
    return all;
}

/* --- invitations ---------------------------------------------------------- */

static void drop_old_invites(CkptdBook *book)
{
    gint64 now_us = g_get_monotonic_time();
    guint i;

    for (i = book->invites->len; i-- > 0;) {
        if (g_array_index(book->invites, struct invite, i).until_us < now_us) {
            g_array_remove_index(book->invites, i);
        }
    }
    if (book->invites->len > INVITES_MAX) {
        g_array_remove_range(book->invites, 0,
                             book->invites->len - INVITES_MAX);
    }
}

/**
 * ckptd_book_invite() - let one host in that is not known yet
 * @book:    the book
 * @address: where it finds us
 * @print:   by what it knows us
 *
 * Return: the token for it, to be freed.
 */
char *ckptd_book_invite(CkptdBook *book, const char *address, const char *print)
{
    struct invite invite = {
        .until_us = g_get_monotonic_time() + (gint64)INVITE_S * G_USEC_PER_SEC,
    };

    ckptd_peer_make_id(invite.secret);
    g_mutex_lock(&book->lock);
    g_array_append_val(book->invites, invite);
    drop_old_invites(book);
    g_mutex_unlock(&book->lock);
    return g_strdup_printf("%s/%s/%s", address, print, invite.secret);
}

static gboolean same(const char *a, const char *b, size_t len)
{
    unsigned char apart = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        apart |= a[i] ^ b[i];
    }
    return !apart;
}

/**
 * ckptd_book_redeem() - is this the secret of an invitation?
 * @book:   the book
 * @secret: from whoever wants in
 *
 * Return: TRUE once for each invitation.
 */
gboolean ckptd_book_redeem(CkptdBook *book, const char *secret)
{
    gboolean ok = FALSE;
    guint i;

    if (!ckptd_peer_id_ok(secret)) {
        return FALSE;
    }
    g_mutex_lock(&book->lock);
    drop_old_invites(book);
    for (i = book->invites->len; i-- > 0 && !ok;) {
        if (same(g_array_index(book->invites, struct invite, i).secret, secret,
                 2 * CKPTD_PEER_ID_BYTES)) {
            g_array_remove_index(book->invites, i);
            ok = TRUE;
        }
    }
    g_mutex_unlock(&book->lock);
    return ok;
}

/**
 * ckptd_token_parse() - take an invitation apart
 * @text:      as `ckptctl host invite` printed it
 * @ret_token: filled in on success, to be cleared
 * @error:     set when it is none
 *
 * Return: TRUE if it is whole.
 */
gboolean ckptd_token_parse(const char *text, struct ckptd_token *ret_token,
                           GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 4);

    if (g_strv_length(parts) != 3 || !parts[0][0] ||
        !ckptd_peer_print_ok(parts[1]) || !ckptd_peer_id_ok(parts[2])) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s' is no invitation: `ckptctl host invite` on the other "
                    "host prints one",
                    text);
        return FALSE;
    }
    ret_token->address = g_steal_pointer(&parts[0]);
    ret_token->print = g_steal_pointer(&parts[1]);
    ret_token->secret = g_steal_pointer(&parts[2]);
    return TRUE;
}

/**
 * ckptd_token_clear() - free what it has
 * @token: zero, or filled in
 */
void ckptd_token_clear(struct ckptd_token *token)
{
    g_free(token->address);
    g_free(token->print);
    g_free(token->secret);
    *token = (struct ckptd_token){ 0 };
}

/* --- where to listen ------------------------------------------------------ */

/**
 * ckptd_book_listen_address() - where `ckptctl host listen` said to listen
 * @book: the book
 * @error: CKPTD_ERROR_NOT_FOUND: nowhere; any other: that is not known
 *
 * Return: to be freed, or NULL.
 */
char *ckptd_book_listen_address(CkptdBook *book, GError **error)
{
    g_autofree char *path = g_build_filename(book->dir, LISTEN, NULL);
    g_autoptr(GKeyFile) conf = g_key_file_new();

    return ckptd_lookup_keys(conf, path, error)
               ? g_key_file_get_string(conf, "listen", "address", error)
               : NULL;
}

/**
 * ckptd_book_set_listen() - where to listen from now on
 * @book:    the book
 * @address: "ADDRESS:PORT"; NULL: nowhere
 * @error:   where to say why not
 *
 * Return: TRUE when it is written down.
 */
gboolean ckptd_book_set_listen(CkptdBook *book, const char *address,
                               GError **error)
{
    g_autofree char *path = g_build_filename(book->dir, LISTEN, NULL);
    g_autoptr(GKeyFile) conf = g_key_file_new();
    g_autofree char *text = NULL;
    gsize len;

    if (!address) {
        if (g_unlink(path) == 0 || errno == ENOENT) {
            return TRUE;
        }
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "removing %s: %s", path,
                    g_strerror(errno));
        return FALSE;
    }
    g_key_file_set_string(conf, "listen", "address", address);
    text = g_key_file_to_data(conf, &len, NULL);
    return g_file_set_contents_full(path, text, len,
                                    G_FILE_SET_CONTENTS_CONSISTENT |
                                        G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}
