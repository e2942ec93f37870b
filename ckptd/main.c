/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - ckptd, the daemon that keeps guests and their checkpoints
 *
 * The parts, from the bottom up: a store for each guest (ckptd-store), a
 * session that fills it (ckptd-session), a guest around it that starts and
 * supervises QEMU (ckptd-guest), all guests (ckptd-server), and the orders that
 * come in (ckptd-control).
 */
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ckptd/ckptd-control.h"
#include "ckptd/ckptd-limits.h"
#include "ckptd/ckptd-trace.h"

static const char about[] =
    "Supervises checkpointed guests. ckptctl starts it when it is needed; its\n"
    "messages go to standard error. SIGTERM ends it and leaves the guests\n"
    "running, their output held, until it is started again.\n"
    "\n"
    "Exit status: 0 ended by signal or `ckptctl shutdown`, 1 could not start,\n"
    "2 wrong usage.";

static struct {
    char *state_dir;
    char *runtime_dir;
    char *trace;
    char *listen;
    gboolean foreground;
    gboolean version;
} opt;

static const GOptionEntry entries[] = {
    { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &opt.state_dir,
      "Guests and their checkpoints ($SLUICE_STATE_DIR)", "DIR" },
    { "runtime-dir", 0, 0, G_OPTION_ARG_FILENAME, &opt.runtime_dir,
      "Sockets and pid files ($SLUICE_RUNTIME_DIR)", "DIR" },
    { "trace", 0, 0, G_OPTION_ARG_FILENAME, &opt.trace,
      "Append a line for each step of each epoch ($SLUICE_TRACE)", "FILE" },
    { "listen", 0, 0, G_OPTION_ARG_STRING, &opt.listen,
      "Let the ckptds of other hosts in, see `ckptctl host`", "ADDRESS:PORT" },
    { "foreground", 'f', 0, G_OPTION_ARG_NONE, &opt.foreground,
      "Stay in the foreground (it always does; for service files)", NULL },
    { "version", 'V', 0, G_OPTION_ARG_NONE, &opt.version, "Print the version",
      NULL },
    { 0 },
};

static GLogWriterOutput write_log(GLogLevelFlags level, const GLogField *fields,
                                  gsize n_fields, gpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *when = g_date_time_format(now, "%F %T.%f");
    const char *what = "", *word = "";
    gsize i;

    if (level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) {
        return G_LOG_WRITER_HANDLED;
    }
    for (i = 0; i < n_fields; i++) {
        if (g_str_equal(fields[i].key, "MESSAGE")) {
            what = fields[i].value;
        }
    }
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) {
        word = "error: ";
    } else if (level & G_LOG_LEVEL_WARNING) {
        word = "warning: ";
    }
    fprintf(stderr, "%.23s ckptd: %s%s\n", when, word, what);
    return G_LOG_WRITER_HANDLED;
}

static gboolean on_signal(gpointer opaque)
{
    g_main_loop_quit(opaque);
    return G_SOURCE_CONTINUE;
}

/* sd_notify(3), for a service manager that waits until we take orders. */
static void tell_ready(void)
{
    static const char ready[] = "READY=1";
    const char *path = g_getenv("NOTIFY_SOCKET");
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GError) error = NULL;

    if (!path) {
        return;
    }
    address = path[0] == '@' ? g_unix_socket_address_new_with_type(
                                   path + 1, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT)
                             : g_unix_socket_address_new(path);
    socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_DATAGRAM,
                          G_SOCKET_PROTOCOL_DEFAULT, &error);
    if (!socket || g_socket_send_to(socket, address, ready, strlen(ready), NULL,
                                    &error) < 0) {
        g_warning("cannot tell the service manager: %s", error->message);
    }
}

static gboolean serve(GError **error)
{
    const char *trace = opt.trace ? opt.trace : g_getenv("SLUICE_TRACE");
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(CkptdServer) server = NULL;
    g_autoptr(CkptdMoves) moves = NULL;
    g_autoptr(CkptdControl) control = NULL;
    struct ckptd_paths paths;

    ckptd_limits_raise();
    if (trace && trace[0] && !ckptd_trace_open(trace, error)) {
        return FALSE;
    }
    ckptd_paths_init(&paths, opt.state_dir, opt.runtime_dir);
    server = ckptd_server_new(&paths, error);
    ckptd_paths_clear(&paths);
    if (!server) {
        return FALSE;
    }
    moves = ckptd_moves_new(server, error);
    control = moves ? ckptd_control_new(server, moves, loop, error) : NULL;
    if (!control || !(opt.listen ? ckptd_moves_listen(moves, opt.listen, error)
                                 : ckptd_moves_listen_saved(moves, error))) {
        return FALSE;
    }
    g_unix_signal_add(SIGTERM, on_signal, loop);
    g_unix_signal_add(SIGINT, on_signal, loop);
    g_message("version %s, state in %s, sockets in %s", CKPTD_VERSION,
              ckptd_server_paths(server)->state_dir,
              ckptd_server_paths(server)->runtime_dir);
    if (!ckptd_server_resume(server, error)) {
        return FALSE;
    }
    ckptd_moves_resume(moves);
    tell_ready();
    g_main_loop_run(loop);
    g_message("ends; %u guest(s) go on without it",
              ckptd_server_count_up(server));
    return TRUE;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    umask(077);
    signal(SIGPIPE, SIG_IGN);
    g_log_set_writer_func(write_log, NULL, NULL);
    g_option_context_set_summary(context, about);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "ckptd: %s; see ckptd --help\n",
                error ? error->message : "no arguments are taken");
        return 2;
    }
    if (opt.version) {
        printf("ckptd %s\n", CKPTD_VERSION);
        return 0;
    }
    if (!serve(&error)) {
        fprintf(stderr, "ckptd: %s\n", error->message);
        return 1;
    }
    return 0;
}
