/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-door.c - who is not known takes nobody's place and little memory
 *
 * A ckptd's moves, listening on the loopback, and clients in other threads with
 * certificates that nobody has seen before.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-door.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-moves.h"
#include "ckptd/ckptd-peer-cert.h"
#include "ckptd/ckptd-peer-link.h"
#include "ckptd/ckptd-server.h"

#define SILENT     (CKPTD_DOOR_STRANGERS + CKPTD_DOOR_KNOWN + 2)
#define DEADLINE_S 120

struct fixture {
    char *dir;
    char *address;
    CkptdServer *server;
    CkptdMoves *moves;
    GTlsCertificate *cert;
    gboolean done; /* atomic */
};

/* A port that nobody listens at, now at least. */
static char *free_address(void)
{
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    guint port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);

    g_assert_cmpuint(port, !=, 0);
    return g_strdup_printf("127.0.0.1:%u", port);
}

static void set_up(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_paths paths;
    g_autofree char *other = NULL;

    alarm(DEADLINE_S);
    f->dir = g_dir_make_tmp("ckptd-door-XXXXXX", NULL);
    paths.state_dir = g_build_filename(f->dir, "state", NULL);
    paths.runtime_dir = g_build_filename(f->dir, "run", NULL);
    other = g_build_filename(f->dir, "other", NULL);
    f->server = ckptd_server_new(&paths, &error);
    g_assert_no_error(error);
    f->moves = ckptd_moves_new(f->server, &error);
    g_assert_no_error(error);
    f->address = free_address();
    ckptd_moves_listen(f->moves, f->address, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_mkdir(other, 0700), ==, 0);
    f->cert = ckptd_peer_cert_load(other, &error);
    g_assert_no_error(error);
    ckptd_paths_clear(&paths);
}

static void tear_down(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    ckptd_moves_free(f->moves);
    ckptd_server_free(f->server);
    g_object_unref(f->cert);
    g_assert_true(ckptd_guest_remove_tree(f->dir, NULL));
    g_free(f->address);
    g_free(f->dir);
    alarm(0);
}

/* Have another thread be the client; the main loop is the server's. */
static void meanwhile(struct fixture *f, GThreadFunc client)
{
    GThread *thread = g_thread_new("client", client, f);

    while (!g_atomic_int_get(&f->done)) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    g_thread_join(thread);
}

static gboolean take_any(GTlsConnection *tls G_GNUC_UNUSED,
                         GTlsCertificate *cert G_GNUC_UNUSED,
                         GTlsCertificateFlags errors G_GNUC_UNUSED,
                         gpointer opaque G_GNUC_UNUSED)
{
    return TRUE;
}

/* TLS, and not a word. */
static GIOStream *shake_hands(struct fixture *f)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_to_host(client, f->address, 1, NULL, NULL);
    GIOStream *tls;

    g_assert_nonnull(connection);
    tls = g_tls_client_connection_new(G_IO_STREAM(connection), NULL, NULL);
    g_tls_connection_set_certificate(G_TLS_CONNECTION(tls), f->cert);
    g_signal_connect(tls, "accept-certificate", G_CALLBACK(take_any), NULL);
    if (!g_tls_connection_handshake(G_TLS_CONNECTION(tls), NULL, NULL)) {
        g_clear_object(&tls);
    }
    return tls;
}

static void send_head(GIOStream *tls, uint32_t type, uint32_t len_bytes)
{
    uint8_t head[CKPTD_PEER_HEAD];

    ckptd_peer_put_head(head, type, len_bytes);
    g_assert_true(g_output_stream_write_all(g_io_stream_get_output_stream(tls),
                                            head, sizeof(head), NULL, NULL,
                                            NULL));
}

/* Until the other end closes. */
static guint read_to_end(GIOStream *tls)
{
    char buf[512];
    gssize n;
    guint sum = 0;

    while ((n = g_input_stream_read(g_io_stream_get_input_stream(tls), buf,
                                    sizeof(buf), NULL, NULL)) > 0) {
        sum += n;
    }
    return sum;
}

static void say_hello(GIOStream *tls)
{
    g_autoptr(GVariant) dict = g_variant_ref_sink(
        g_variant_new_parsed("{'version': <%u>}", CKPTD_PEER_VERSION));
    uint8_t answer[CKPTD_PEER_HEAD];

    send_head(tls, CKPTD_PEER_HELLO, g_variant_get_size(dict));
    g_output_stream_write_all(g_io_stream_get_output_stream(tls),
                              g_variant_get_data(dict),
                              g_variant_get_size(dict), NULL, NULL, NULL);
    g_assert_true(g_input_stream_read_all(g_io_stream_get_input_stream(tls),
                                          answer, sizeof(answer), NULL, NULL,
                                          NULL));
    g_assert_cmpuint(answer[0], ==, CKPTD_PEER_HELLO);
}

static gpointer many_silent(gpointer opaque)
{
    struct fixture *f = opaque;
    g_autoptr(GPtrArray) links = g_ptr_array_new_with_free_func(g_object_unref);
    GIOStream *tls;
    guint i;

    for (i = 0; i < SILENT; i++) {
        tls = shake_hands(f);
        if (tls) {
            g_ptr_array_add(links, tls);
        }
    }
    tls = shake_hands(f);
    g_assert_nonnull(tls);
    say_hello(tls); /* and is answered, though all of them are there */
    g_object_unref(tls);
    /* None of them stays; those that had to go went before. */
    for (i = 0; i < links->len; i++) {
        read_to_end(g_ptr_array_index(links, i));
    }
    g_atomic_int_set(&f->done, TRUE);
    return NULL;
}

static void silent(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    meanwhile(f, many_silent);
}

static gpointer greedy_client(gpointer opaque)
{
    struct fixture *f = opaque;
    GIOStream *tls = shake_hands(f);

    /* Before HELLO and behind it: it waits for no payload. */
    send_head(tls, CKPTD_PEER_LAST, 60u << 20);
    read_to_end(tls);
    g_object_unref(tls);
    tls = shake_hands(f);
    say_hello(tls);
    send_head(tls, CKPTD_PEER_OFFER, 60000);
    g_assert_cmpuint(read_to_end(tls), >, CKPTD_PEER_HEAD); /* REFUSE */
    g_object_unref(tls);
    g_atomic_int_set(&f->done, TRUE);
    return NULL;
}

static void greedy(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    meanwhile(f, greedy_client);
}

/* Known links do not take the strangers' places, nor the other way round. */
static void places(void)
{
    struct ckptd_visit known[CKPTD_DOOR_KNOWN + 1];
    struct ckptd_visit strange[CKPTD_DOOR_STRANGERS + 1];
    GCancellable *c[G_N_ELEMENTS(known) + G_N_ELEMENTS(strange)];
    struct ckptd_door door = { 0 };
    g_autoptr(GError) error = NULL;
    guint i, n = 0;

    for (i = 0; i < G_N_ELEMENTS(c); i++) {
        c[i] = g_cancellable_new();
    }
    for (i = 0; i < CKPTD_DOOR_KNOWN; i++) {
        ckptd_door_enter(&door, &known[i], c[n++]);
        g_assert_true(ckptd_door_is_known(&known[i], &error));
        g_assert_true(ckptd_door_is_known(&known[i], &error));
    }
    for (i = 0; i < G_N_ELEMENTS(strange); i++) {
        ckptd_door_enter(&door, &strange[i], c[n++]);
    }
    g_assert_true(g_cancellable_is_cancelled(c[CKPTD_DOOR_KNOWN]));
    g_assert_false(g_cancellable_is_cancelled(c[CKPTD_DOOR_KNOWN + 1]));
    g_assert_false(ckptd_door_is_known(&strange[1], &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY);
    ckptd_door_leave(&known[0]);
    g_assert_true(ckptd_door_is_known(&strange[1], NULL));
    for (i = 1; i < CKPTD_DOOR_KNOWN; i++) {
        g_assert_false(g_cancellable_is_cancelled(c[i]));
        ckptd_door_leave(&known[i]);
    }
    for (i = 0; i < G_N_ELEMENTS(strange); i++) {
        ckptd_door_leave(&strange[i]);
    }
    g_assert_cmpuint(door.n_known, ==, 0);
    g_assert_cmpuint(door.strangers.length, ==, 0);
    for (i = 0; i < G_N_ELEMENTS(c); i++) {
        g_object_unref(c[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    g_test_add_func("/door/places", places);
    g_test_add("/door/silent", struct fixture, NULL, set_up, silent, tear_down);
    g_test_add("/door/greedy", struct fixture, NULL, set_up, greedy, tear_down);
    return g_test_run();
}
