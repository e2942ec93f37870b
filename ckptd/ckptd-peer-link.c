/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-link.c - a connection to another ckptd: TLS, message by message
 *
 * Both sides show a certificate, and a link is what it is by the other's
 * fingerprint, nothing else.  Who connects knows which one it has to be; who
 * accepts learns it and asks its book (ckptd-peer-book.c).
 *
 * A host that is gone says nothing: the kernel is told to give a connection up
 * on which nothing was acknowledged for DEAD_MS, and to ask when it is idle.
 */
#include "ckptd/ckptd-peer-link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "ckptd/ckptd-peer-cert.h"

#define CONNECT_TIMEOUT_S 5
#define DEAD_MS           5000
#define STRANGER_MAX      4096u /* bytes of a message */

struct ckptd_link {
    GIOStream *tls;
    GSocket *socket; /* borrowed from below */
    GCancellable *cancellable;
    char *print;
    char *wanted; /* the only fingerprint taken, NULL: any */
    gboolean strange;
};

static gboolean accept_certificate(GTlsConnection *tls G_GNUC_UNUSED,
                                   GTlsCertificate *cert,
                                   GTlsCertificateFlags errors G_GNUC_UNUSED,
                                   CkptdLink *link)
{
    g_autofree char *print = ckptd_peer_cert_print(cert);

    return !link->wanted || g_str_equal(link->wanted, print);
}

static void set_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value));
}

static void be_alert(GSocket *socket)
{
    int fd = g_socket_get_fd(socket);

    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_MS);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 2);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    g_socket_set_timeout(socket, 0);
}

static gboolean shake_hands(CkptdLink *link, GTlsConnection *tls,
                            GTlsCertificate *own, GError **error)
{
    GTlsCertificate *peer;

    g_tls_connection_set_certificate(tls, own);
    g_tls_connection_set_database(tls, NULL);
    g_tls_connection_set_require_close_notify(tls, FALSE);
    g_signal_connect(tls, "accept-certificate", G_CALLBACK(accept_certificate),
                     link);
    if (!g_tls_connection_handshake(tls, link->cancellable, error)) {
        g_prefix_error(error, "TLS: ");
        return FALSE;
    }
    peer = g_tls_connection_get_peer_certificate(tls);
    if (!peer) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "TLS: the other host shows no certificate");
        return FALSE;
    }
    link->print = ckptd_peer_cert_print(peer);
    be_alert(link->socket);
    return TRUE;
}

/**
 * ckptd_link_connect() - reach another host
 * @address:     "HOST:PORT", "[ADDRESS]:PORT"; without a port CKPTD_PEER_PORT
 * @own:         our certificate
 * @print:       the fingerprint that its certificate must have
 * @cancellable: ends it
 * @error:       says why it cannot be reached
 *
 * Return: to be freed, or NULL.
 * Context: any thread; blocks.
 */
CkptdLink *ckptd_link_connect(const char *address, GTlsCertificate *own,
                              const char *print, GCancellable *cancellable,
                              GError **error)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection = NULL;
    g_autoptr(CkptdLink) link = g_new0(CkptdLink, 1);

    g_socket_client_set_timeout(client, CONNECT_TIMEOUT_S);
    g_socket_client_set_enable_proxy(client, FALSE);
    link->cancellable = g_object_ref(cancellable);
    link->wanted = g_strdup(print);
    connection = g_socket_client_connect_to_host(
        client, address, CKPTD_PEER_PORT, cancellable, error);
    if (!connection) {
        return NULL;
    }
    link->socket = g_socket_connection_get_socket(connection);
    link->tls =
        g_tls_client_connection_new(G_IO_STREAM(connection), NULL, error);
    if (!link->tls ||
        !shake_hands(link, G_TLS_CONNECTION(link->tls), own, error)) {
        return NULL;
    }
    return g_steal_pointer(&link);
}

/**
 * ckptd_link_accept() - another host has connected
 * @connection:  its connection
 * @own:         our certificate
 * @cancellable: ends it
 * @error:       says why it is no link
 *
 * Return: to be freed, or NULL.
 * Context: any thread; blocks.
 */
CkptdLink *ckptd_link_accept(GSocketConnection *connection,
                             GTlsCertificate *own, GCancellable *cancellable,
                             GError **error)
{
    g_autoptr(CkptdLink) link = g_new0(CkptdLink, 1);

    link->cancellable = g_object_ref(cancellable);
    link->strange = TRUE;
    link->socket = g_socket_connection_get_socket(connection);
    g_socket_set_timeout(link->socket, CONNECT_TIMEOUT_S);
    link->tls =
        g_tls_server_connection_new(G_IO_STREAM(connection), own, error);
    if (!link->tls) {
        return NULL;
    }
    g_object_set(link->tls, "authentication-mode",
                 G_TLS_AUTHENTICATION_REQUIRED, NULL);
    return shake_hands(link, G_TLS_CONNECTION(link->tls), own, error)
               ? g_steal_pointer(&link)
               : NULL;
}

/**
 * ckptd_link_free() - end a connection
 * @link: may be NULL
 */
void ckptd_link_free(CkptdLink *link)
{
    if (!link) {
        return;
    }
    if (link->tls) {
        g_signal_handlers_disconnect_by_data(link->tls, link);
        /* Not politely: nobody waits for a peer that may be gone. */
        g_socket_close(link->socket, NULL);
        g_object_unref(link->tls);
    }
    g_clear_object(&link->cancellable);
    g_free(link->print);
    g_free(link->wanted);
    g_free(link);
}

/**
 * ckptd_link_print() - who is at the other end
 * @link: the link
 *
 * Return: the fingerprint of its certificate, owned by the link.
 */
const char *ckptd_link_print(const CkptdLink *link)
{
    return link->print;
}

/**
 * ckptd_link_remote_ip() - where the other end is
 * @link: the link
 *
 * Return: an IP address, to be freed, or NULL.
 */
char *ckptd_link_remote_ip(const CkptdLink *link)
{
    g_autoptr(GSocketAddress) address =
        g_socket_get_remote_address(link->socket, NULL);

    return address && G_IS_INET_SOCKET_ADDRESS(address)
               ? g_inet_address_to_string(g_inet_socket_address_get_address(
                     G_INET_SOCKET_ADDRESS(address)))
               : NULL;
}

/**
 * ckptd_link_set_known() - may the other end send all that a host may?
 * @link:  the link; one that another host made is a stranger's at first
 * @known: its certificate is
 *
 * Context: the link's thread.
 */
void ckptd_link_set_known(CkptdLink *link, gboolean known)
{
    link->strange = !known;
}

/* A stranger says HELLO and PAIR: for no other is memory to be had. */
static gboolean check_stranger(const CkptdLink *link,
                               const struct ckptd_peer_msg *msg, GError **error)
{
    if (link->strange &&
        ((msg->type != CKPTD_PEER_HELLO && msg->type != CKPTD_PEER_PAIR) ||
         msg->len_bytes > STRANGER_MAX)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "it is not paired with this host: `ckptctl host invite` "
                    "here, `ckptctl host add` there");
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_link_cancel() - end what a thread does with a link
 * @link: the link
 *
 * Context: any thread.
 */
void ckptd_link_cancel(CkptdLink *link)
{
    g_cancellable_cancel(link->cancellable);
}

/**
 * ckptd_link_send() - send a message
 * @link:      the link
 * @type:      of the message
 * @data:      its payload
 * @len_bytes: of it
 * @error:     says why not
 *
 * Return: TRUE when it is on its way.
 * Context: the link's thread; blocks.
 */
gboolean ckptd_link_send(CkptdLink *link, enum ckptd_peer_type type,
                         const void *data, size_t len_bytes, GError **error)
{
    GOutputStream *out = g_io_stream_get_output_stream(link->tls);
    uint8_t head[CKPTD_PEER_HEAD];
    GOutputVector vectors[2] = { { head, sizeof(head) }, { data, len_bytes } };

    ckptd_peer_put_head(head, type, len_bytes);
    if (!g_output_stream_writev_all(out, vectors, len_bytes ? 2 : 1, NULL,
                                    link->cancellable, error)) {
        g_prefix_error(error, "the link broke while sending %s: ",
                       ckptd_peer_type_name(type));
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_link_send_dict() - send a message with a dictionary
 * @link:  the link
 * @type:  of the message
 * @dict:  a{sv}; a floating one is taken over
 * @error: says why not
 *
 * Return: TRUE when it is on its way.
 * Context: the link's thread; blocks.
 */
gboolean ckptd_link_send_dict(CkptdLink *link, enum ckptd_peer_type type,
                              GVariant *dict, GError **error)
{
    g_autoptr(GVariant) own = g_variant_ref_sink(dict);

    return ckptd_link_send(link, type, g_variant_get_data(own),
                           g_variant_get_size(own), error);
}

/**
 * ckptd_link_refuse() - say no
 * @link:   the link
 * @reason: for people
 *
 * Return: FALSE, always.
 * Context: the link's thread; blocks.
 */
gboolean ckptd_link_refuse(CkptdLink *link, const char *reason)
{
    ckptd_link_send_dict(link, CKPTD_PEER_REFUSE,
                         g_variant_new_parsed("{'reason': <%s>}", reason),
                         NULL);
    return FALSE;
}

static gboolean read_all(CkptdLink *link, void *buf, size_t len_bytes,
                         GError **error)
{
    GInputStream *in = g_io_stream_get_input_stream(link->tls);
    gsize len = 0;

    if (!g_input_stream_read_all(in, buf, len_bytes, &len, link->cancellable,
                                 error)) {
        g_prefix_error(error, "the link broke: ");
        return FALSE;
    }
    if (len < len_bytes) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO,
                    "the other host closed the link");
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_link_recv() - wait for a message
 * @link:    the link
 * @ret_msg: zero, or received before; to be cleared
 * @error:   says why there is none
 *
 * Return: TRUE when there is one, of a length that its type may have.
 * Context: the link's thread; blocks.
 */
gboolean ckptd_link_recv(CkptdLink *link, struct ckptd_peer_msg *ret_msg,
                         GError **error)
{
    uint8_t head[CKPTD_PEER_HEAD];

    ckptd_peer_msg_clear(ret_msg);
    if (!read_all(link, head, sizeof(head), error) ||
        !ckptd_peer_check_head(head, ret_msg, error) ||
        !check_stranger(link, ret_msg, error)) {
        return FALSE;
    }
    ret_msg->data = g_malloc(ret_msg->len_bytes + 1);
    return read_all(link, ret_msg->data, ret_msg->len_bytes, error);
}

static void set_refused(const struct ckptd_peer_msg *msg, GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, NULL);
    g_autofree char *reason =
        dict ? ckptd_peer_get_text(dict, "reason", 4096, NULL) : NULL;

    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH, "%s",
                reason ? reason : "refused without a reason");
}

/**
 * ckptd_link_expect() - wait for one kind of message
 * @link:     the link
 * @type:     of the message
 * @ret_dict: gets its dictionary, to be unreffed; NULL: not wanted
 * @error:    CKPTD_ERROR_MISMATCH: it said no, and why; others: the link
 *
 * Return: TRUE when it came.
 * Context: the link's thread; blocks.
 */
gboolean ckptd_link_expect(CkptdLink *link, enum ckptd_peer_type type,
                           GVariant **ret_dict, GError **error)
{
    struct ckptd_peer_msg msg = { 0 };
    gboolean ok = FALSE;

    if (!ckptd_link_recv(link, &msg, error)) {
        ok = FALSE;
    } else if (msg.type == CKPTD_PEER_REFUSE) {
        set_refused(&msg, error);
    } else if (msg.type != type) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "the other host: %s where %s was due",
                    ckptd_peer_type_name(msg.type), ckptd_peer_type_name(type));
    } else {
        ok = !ret_dict || (*ret_dict = ckptd_peer_dict(&msg, error));
    }
    ckptd_peer_msg_clear(&msg);
    return ok;
}
