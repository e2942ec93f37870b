/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-session.c - one guest's thread: who may connect, and when
 *
 * Theory of operation
 *
 * The thread is in one of two places.  Without a connection it polls for a
 * command or for the QEMU that it expects (by pid, checked with SO_PEERCRED;
 * that of an external guest is brought to it, see ckptd-engine-socket.c).
 * With one it sits in recvmsg() and nowhere else, and each message is worked on
 * in ckptd-session-epoch.c.  Commands wait until the connection ends; one that
 * has to end is shut down from outside.  The order in which the main thread
 * gives commands is that of a guest's life:
 *
 *   prepare   the old QEMU is dead (its pidfd said so): begin a generation,
 *             durable (F1), and fill the restore slot, while QEMU boots
 *   expect    the QEMU with this pid may connect; or
 *   serve     it has, and this is its connection
 *   roll back nobody runs: step back to a label, for whoever comes next
 *   drain     it has died: everything it had sent has been worked on by now.
 *             An epoch that was submitted whole is committed even so: its
 *             successor then goes on from there.
 *
 * What a QEMU may say depends on what was said before, by it or to it: @heard
 * has that, from its first connection to its death.  Whatever is not due ends
 * the connection with a reason, and is told as CKPTD_SESSION_BAD_PEER.
 *
 * A QEMU of an earlier generation cannot be heard: its pid is not expected,
 * and each message carries the generation that WELCOME gave out.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ckptd/ckptd-session-internal.h"
#include "ckptd/ckptd-trace.h"

#define SERVES_MAX 4u /* connections of one QEMU that wait for their turn */

enum command_type {
    COMMAND_PREPARE,
    COMMAND_EXPECT,
    COMMAND_SERVE,
    COMMAND_ROLL_BACK,
    COMMAND_DRAIN,
    COMMAND_END,
};

struct command {
    enum command_type type;
    GPid pid;
    gboolean adopt;
    int conn_fd;
    char *label_dir;
    uint64_t generation;
};

static void command_free(gpointer data)
{
    struct command *command = data;

    if (command->conn_fd >= 0) {
        close(command->conn_fd);
    }
    g_free(command->label_dir);
    g_free(command);
}

/**
 * ckptd_session_notify() - tell the owner of the session
 * @s: the session
 * @type: what happened
 * @number: see enum ckptd_session_event_type
 * @text: likewise, or NULL
 *
 * Context: session thread.
 */
void ckptd_session_notify(CkptdSession *s, enum ckptd_session_event_type type,
                          uint64_t number, const char *text)
{
    struct ckptd_session_event event = { type, number, text };

    s->config.notify(&event, s->config.opaque);
}

/* --- a connection --------------------------------------------------------- */

static gboolean peer_is_ours(CkptdSession *s, int conn_fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(conn_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        return FALSE;
    }
    if (cred.uid != geteuid() || cred.pid != s->pid) {
        g_warning("%s: process %d of user %d is not this guest's QEMU (%d of "
                  "%d): turned away",
                  s->config.manifest.name, (int)cred.pid, (int)cred.uid,
                  (int)s->pid, (int)geteuid());
        return FALSE;
    }
    return TRUE;
}

static void set_connection(CkptdSession *s, int any_fd, int conn_fd)
{
    g_mutex_lock(&s->lock);
    s->any_fd = any_fd;
    s->conn_fd = conn_fd;
    s->conn_number += conn_fd >= 0;
    s->stats.connected = conn_fd >= 0;
    if (s->ending && any_fd >= 0) {
        shutdown(any_fd, SHUT_RDWR);
    }
    g_mutex_unlock(&s->lock);
}

/* Errors of the store's making are the guest's end; the rest is QEMU's. */
static void report(CkptdSession *s, const GError *error)
{
    gboolean peer = g_error_matches(error, CKPTD_ERROR, CKPTD_ERROR_INVALID) ||
                    g_error_matches(error, CKPTD_ERROR, CKPTD_ERROR_STALE);

    g_warning("%s: %s", s->config.manifest.name, error->message);
    ckptd_session_notify(s,
                         peer ? CKPTD_SESSION_BAD_PEER : CKPTD_SESSION_FAILED,
                         0, error->message);
}

/* HELLO, then message after message until one side ends it. */
static void serve(CkptdSession *s, int conn_fd)
{
    g_autoptr(GError) error = NULL;
    enum ckptd_recv received;
    enum ckptd_welcome welcome;

    set_connection(s, conn_fd, -1);
    received = ckptd_wire_recv(conn_fd, &s->packet, &error);
    if (received == CKPTD_RECV_PACKET) {
        welcome = s->config.arriving ? ckptd_landing_hello(s, conn_fd, &error)
                                     : ckptd_welcome_hello(s, conn_fd, &error);
        if (welcome == CKPTD_WELCOME_FAILED) {
            ckptd_session_notify(s, CKPTD_SESSION_FAILED, error->code,
                                 error->message);
            g_clear_error(&error);
        } else if (welcome == CKPTD_WELCOME_OK) {
            set_connection(s, conn_fd, conn_fd);
            ckptd_session_notify(
                s, s->arrival ? CKPTD_SESSION_ARRIVING : CKPTD_SESSION_WELCOMED,
                s->stats.generation, NULL);
            do {
                received = ckptd_wire_recv(conn_fd, &s->packet, &error);
            } while (received == CKPTD_RECV_PACKET &&
                     ckptd_session_on_message(s, conn_fd, &error));
        }
    }
    if (error) {
        report(s, error);
    }
    set_connection(s, -1, -1);
    ckptd_session_arrival_end(s);
    ckptd_wire_packet_clear(&s->packet);
}

static void accept_connection(CkptdSession *s, gboolean refuse)
{
    int conn_fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

    if (conn_fd < 0) {
        return;
    }
    if (!refuse && peer_is_ours(s, conn_fd)) {
        serve(s, conn_fd);
    }
    close(conn_fd);
}

/* --- the thread ----------------------------------------------------------- */

/*
 * Is there something to wait for?  A guest that never had a checkpoint has
 * nothing to lose: who starts it is told at once.
 */
static gboolean has_checkpoints(CkptdSession *s)
{
    g_autofree char *meta = NULL;

    if (s->store || s->pass) {
        return s->store && ckptd_store_last_epoch(s->store) > 0;
    }
    meta = g_build_filename(s->config.store_dir, "meta", NULL);
    return g_file_test(meta, G_FILE_TEST_EXISTS);
}

/* Begin a generation, or have it tried again as long as the disk fails. */
static void prepare(CkptdSession *s)
{
    g_autoptr(GError) error = NULL;

    s->prepared = s->prepare_due = FALSE;
    if (s->unfit) {
        return;
    }
    if (ckptd_welcome_prepare(s, &error)) {
        ckptd_session_disk_well(s);
    } else if (has_checkpoints(s) && ckptd_session_disk_ill(s, &error)) {
        s->prepare_due = TRUE;
    } else {
        g_warning("%s: %s", s->config.manifest.name, error->message);
        ckptd_session_notify(s, CKPTD_SESSION_FAILED, error->code,
                             error->message);
    }
}

/* A QEMU is here for a generation that cannot begin yet. */
static void prepare_patiently(CkptdSession *s, int conn_fd)
{
    while (s->prepare_due && ckptd_session_disk_pause(s, conn_fd)) {
        prepare(s);
    }
}

/* Return: FALSE when the thread is to end. */
static gboolean obey(CkptdSession *s, const struct command *command)
{
    g_autoptr(GError) error = NULL;

    switch (command->type) {
    case COMMAND_PREPARE:
        prepare(s);
        return TRUE;
    case COMMAND_EXPECT:
        s->pid = command->pid;
        s->adopt = command->adopt;
        return TRUE;
    case COMMAND_SERVE:
        prepare_patiently(s, command->conn_fd);
        serve(s, command->conn_fd);
        g_atomic_int_add(&s->serves, -1);
        return TRUE;
    case COMMAND_ROLL_BACK:
        if (!ckptd_session_lines_roll_back(s, command->label_dir,
                                           command->generation, &error)) {
            s->unfit = TRUE;
            g_warning("%s: %s", s->config.manifest.name, error->message);
            ckptd_session_notify(s, CKPTD_SESSION_FAILED, error->code,
                                 error->message);
        } else {
            ckptd_session_notify(s, CKPTD_SESSION_ROLLED_BACK, 0, NULL);
        }
        return TRUE;
    case COMMAND_DRAIN:
        /* What knocked and died before it was let in is not heard again. */
        while (poll(&(struct pollfd){ s->listen_fd, POLLIN, 0 }, 1, 0) > 0) {
            accept_connection(s, TRUE);
        }
        s->pid = 0;
        ckptd_session_forget_heard(s);
        s->prepare_due = FALSE;
        ckptd_session_notify(s, CKPTD_SESSION_DRAINED, 0, NULL);
        return TRUE;
    case COMMAND_END:
        return FALSE;
    }
    g_assert_not_reached();
}

static gboolean obey_all(CkptdSession *s)
{
    struct command *command;
    gboolean more = TRUE;

    while (more && (command = g_async_queue_try_pop(s->commands))) {
        more = obey(s, command);
        command_free(command);
    }
    return more;
}

static gpointer session_main(gpointer opaque)
{
    CkptdSession *s = opaque;
    struct pollfd pfd[2] = {
        { s->wake_fd, POLLIN, 0 },
        { s->listen_fd, POLLIN, 0 },
    };
    uint64_t count;
    int ret;

    for (;;) {
        pfd[1].fd = s->pid && !s->prepare_due ? s->listen_fd : -1;
        ret = poll(pfd, G_N_ELEMENTS(pfd),
                   s->prepare_due ? (int)s->disk_delay_ms : -1);
        if (ret < 0) {
            g_assert(errno == EINTR);
        } else if (ret == 0) {
            prepare(s);
        } else if (pfd[0].revents) {
            if (read(s->wake_fd, &count, sizeof(count)) < 0) {
                g_assert(errno == EINTR);
            }
            if (!obey_all(s)) {
                break;
            }
        } else if (pfd[1].revents) {
            accept_connection(s, FALSE);
        }
    }
    ckptd_session_lines_close_store(s);
    return NULL;
}

static void give(CkptdSession *s, struct command order)
{
    struct command *command = g_memdup2(&order, sizeof(order));
    const uint64_t one = 1;

    g_async_queue_push(s->commands, command);
    g_assert(write(s->wake_fd, &one, sizeof(one)) == sizeof(one));
}

/* --- for the main thread -------------------------------------------------- */

static int listen_at(const char *path, GError **error)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    unlink(path);
    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >=
        sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
    } else if (fd >= 0 &&
               bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 &&
               listen(fd, 4) == 0) {
        return fd;
    }
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "socket %s: %s", path,
                g_strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

/**
 * ckptd_session_new() - begin to serve a guest
 * @config: copied
 * @error: set on failure
 *
 * Return: the session, or NULL.
 */
CkptdSession *ckptd_session_new(const struct ckptd_session_config *config,
                                GError **error)
{
    CkptdOutput *output =
        ckptd_output_open(config->log_path, config->seq_path, error);
    CkptdSession *s;
    int listen_fd = -1;

    if (!output) {
        return NULL;
    }
    if (config->socket_path) {
        listen_fd = listen_at(config->socket_path, error);
        if (listen_fd < 0) {
            ckptd_output_close(output);
            return NULL;
        }
    }
    s = g_new0(CkptdSession, 1);
    s->config = *config;
    s->config.socket_path = g_strdup(config->socket_path);
    s->config.home_dir = g_strdup(config->home_dir);
    s->config.store_dir = g_strdup(config->store_dir);
    s->config.labels_dir = g_strdup(config->labels_dir);
    s->config.from_dir = g_strdup(config->from_dir);
    s->config.moved_path = g_strdup(config->moved_path);
    s->config.log_path = NULL;
    s->config.seq_path = NULL;
    s->output = output;
    s->listen_fd = listen_fd;
    s->wake_fd = eventfd(0, EFD_CLOEXEC);
    g_assert(s->wake_fd >= 0);
    s->commands = g_async_queue_new_full(command_free);
    s->conn_fd = s->any_fd = -1;
    s->hold = s->staging = (struct ckptd_shm)CKPTD_SHM_NONE;
    s->stats.manifest = config->manifest;
    g_mutex_init(&s->lock);
    g_cond_init(&s->landing.cond);
    ckptd_wire_packet_init(&s->packet);
    ckptd_session_lines_init(s);
    s->thread = g_thread_new("session", session_main, s);
    return s;
}

/**
 * ckptd_session_free() - end a session
 * @s: may be NULL
 *
 * Context: blocks until an epoch that is being written is durable.
 */
void ckptd_session_free(CkptdSession *s)
{
    if (!s) {
        return;
    }
    g_mutex_lock(&s->lock);
    s->ending = TRUE;
    g_mutex_unlock(&s->lock);
    ckptd_namer_cancel(s->namer, NULL);
    give(s, (struct command){ .type = COMMAND_END, .conn_fd = -1 });
    ckptd_landing_end(s);
    ckptd_session_disconnect(s);
    g_thread_join(s->thread);
    if (s->listen_fd >= 0) {
        unlink(s->config.socket_path);
        close(s->listen_fd);
    }
    close(s->wake_fd);
    ckptd_output_close(s->output);
    ckptd_shm_clear(&s->hold);
    ckptd_shm_clear(&s->staging);
    g_async_queue_unref(s->commands);
    g_mutex_clear(&s->lock);
    g_cond_clear(&s->landing.cond);
    g_free((char *)s->config.socket_path);
    g_free((char *)s->config.home_dir);
    g_free((char *)s->config.store_dir);
    g_free((char *)s->config.labels_dir);
    g_free((char *)s->config.from_dir);
    ckptd_namer_free(s->namer);
    g_free(s->want_label);
    g_free((char *)s->config.moved_path);
    g_free(s);
}

/**
 * ckptd_session_prepare() - begin a new generation
 * @s: the session
 *
 * The QEMU of the last generation must be dead (F1).
 */
void ckptd_session_prepare(CkptdSession *s)
{
    give(s, (struct command){ .type = COMMAND_PREPARE, .conn_fd = -1 });
}

/**
 * ckptd_session_expect() - let a QEMU in
 * @s: the session
 * @pid: who may connect from now on
 * @adopt: it may be one that an earlier ckptd started, and nothing is prepared
 */
void ckptd_session_expect(CkptdSession *s, GPid pid, gboolean adopt)
{
    give(s, (struct command){ .type = COMMAND_EXPECT,
                              .pid = pid,
                              .adopt = adopt,
                              .conn_fd = -1 });
}

/**
 * ckptd_session_serve() - a QEMU that somebody else started has connected
 * @s: the session
 * @conn_fd: the connection, taken over
 *
 * Its process is known and watched, and either a generation was prepared for it
 * or it is the one that had the last. One that connects again and again, and
 * leaves its connections open, is not let in any more.
 */
void ckptd_session_serve(CkptdSession *s, int conn_fd)
{
    if (g_atomic_int_add(&s->serves, 1) >= (gint)SERVES_MAX) {
        g_atomic_int_add(&s->serves, -1);
        g_message("%s: QEMU has %u connections: another one is closed",
                  s->config.manifest.name, SERVES_MAX);
        close(conn_fd);
        return;
    }
    give(s, (struct command){ .type = COMMAND_SERVE, .conn_fd = conn_fd });
}

/**
 * ckptd_session_roll_back() - step back to a label
 * @s: the session; its QEMU is dead and drained
 * @label_dir: of the label
 * @generation: least that the store had
 *
 * What came after the label is given up: held frames too. The store is the old
 * one or the new one, whole, at any time. Told by CKPTD_SESSION_FAILED if it
 * cannot be; then no QEMU is welcomed.
 */
void ckptd_session_roll_back(CkptdSession *s, const char *label_dir,
                             uint64_t generation)
{
    give(s, (struct command){ .type = COMMAND_ROLL_BACK,
                              .conn_fd = -1,
                              .label_dir = g_strdup(label_dir),
                              .generation = generation });
}

/**
 * ckptd_session_end_line() - the program has ended
 * @s: the session, drained
 *
 * There is nothing to go on from: who starts next boots anew, behind the last
 * durable epoch, until it has an epoch of its own.
 *
 * Return: that epoch, for ckptd_session_config.ended_epoch.
 */
uint64_t ckptd_session_end_line(CkptdSession *s)
{
    uint64_t epoch;

    g_mutex_lock(&s->lock);
    epoch = s->config.ended_epoch = s->stats.committed;
    g_mutex_unlock(&s->lock);
    return epoch;
}

/**
 * ckptd_session_ended_epoch() - where the program has ended
 * @s: the session
 *
 * Return: as ckptd_session_config.ended_epoch; 0 also where another line has
 * begun since then.
 */
uint64_t ckptd_session_ended_epoch(CkptdSession *s)
{
    uint64_t epoch;

    g_mutex_lock(&s->lock);
    epoch = s->config.ended_epoch;
    g_mutex_unlock(&s->lock);
    return epoch;
}

/**
 * ckptd_session_drain() - QEMU is dead: finish with what it had sent
 * @s: the session
 *
 * Answered by CKPTD_SESSION_DRAINED. Somebody else may have got the connection
 * from it: nobody can send by it any more.
 */
void ckptd_session_drain(CkptdSession *s)
{
    g_mutex_lock(&s->lock);
    if (s->any_fd >= 0) {
        shutdown(s->any_fd, SHUT_RD);
    }
    g_mutex_unlock(&s->lock);
    give(s, (struct command){ .type = COMMAND_DRAIN, .conn_fd = -1 });
    ckptd_landing_end(s);
}

/**
 * ckptd_session_disconnect() - end the connection, if there is one
 * @s: the session
 */
void ckptd_session_disconnect(CkptdSession *s)
{
    g_mutex_lock(&s->lock);
    if (s->any_fd >= 0) {
        shutdown(s->any_fd, SHUT_RDWR);
    }
    g_mutex_unlock(&s->lock);
}

/**
 * ckptd_session_send() - send QEMU a message
 * @s: the session
 * @type: MAILBOX, COMMIT_NOW or QUIT
 * @payload: may be NULL
 * @len_bytes: its length
 * @error: set when there is no connection, or it takes nothing
 *
 * A QEMU that does not read loses its connection: when it does so again it
 * reconnects, and may be asked anew. One without checkpoints cannot reconnect.
 *
 * Return: TRUE when sent.
 * Context: does not block.
 */
gboolean ckptd_session_send(CkptdSession *s, enum ckpt_msg_type type,
                            const void *payload, size_t len_bytes,
                            GError **error)
{
    struct ckpt_msg msg = { .type = type, .len_bytes = len_bytes };
    gboolean ok = FALSE;

    g_mutex_lock(&s->lock);
    msg.generation = s->stats.generation;
    if (s->conn_fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "QEMU is not connected");
    } else {
        ok = ckptd_wire_send(s->conn_fd, &msg, payload, NULL, 0, error);
        s->freezing |= ok && type == CKPT_MSG_FREEZE;
        if (!ok && s->config.store_dir) {
            shutdown(s->conn_fd, SHUT_RDWR);
        }
    }
    g_mutex_unlock(&s->lock);
    return ok;
}

/**
 * ckptd_session_checkpoint() - ask for a checkpoint of now or later
 * @s: the session
 * @error: set when QEMU cannot be asked
 *
 * Answered by CKPTD_SESSION_COMMITTED when an epoch whose capture began after
 * this call is durable.
 *
 * Return: TRUE when asked.
 */
gboolean ckptd_session_checkpoint(CkptdSession *s, GError **error)
{
    g_mutex_lock(&s->lock);
    s->want_capture_ns = ckptd_trace_now().monotonic_ns;
    g_mutex_unlock(&s->lock);
    return ckptd_session_send(s, CKPT_MSG_COMMIT_NOW, NULL, 0, error);
}

/**
 * ckptd_session_stats() - how it goes
 * @s: the session
 * @ret_stats: filled in
 */
void ckptd_session_stats(CkptdSession *s, struct ckptd_session_stats *ret_stats)
{
    g_mutex_lock(&s->lock);
    *ret_stats = s->stats;
    ret_stats->held_bytes = ckptd_shm_held_bytes(&s->hold);
    if (s->store) {
        ckptd_store_stats(s->store, &ret_stats->store);
    }
    g_mutex_unlock(&s->lock);
}

/**
 * ckptd_session_snapshot() - hold the store's state still
 * @s: the session
 * @error: CKPTD_ERROR_NOT_FOUND: there is no checkpoint yet
 *
 * Return: to be freed before the session is, or NULL.
 * Context: any thread.
 */
CkptdSnapshot *ckptd_session_snapshot(CkptdSession *s, GError **error)
{
    CkptdSnapshot *snapshot = NULL;

    g_mutex_lock(&s->lock);
    if (s->store) {
        snapshot = ckptd_store_snapshot(s->store, error);
    } else {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "there is no checkpoint yet");
    }
    g_mutex_unlock(&s->lock);
    return snapshot;
}

/**
 * ckptd_session_hold() - what the last QEMU had not released
 * @s: the session, drained; its QEMU is dead, so that nobody writes to it
 *
 * Return: owned by the session.
 * Context: any thread.
 */
const struct ckptd_shm *ckptd_session_hold(CkptdSession *s)
{
    return &s->hold;
}

/**
 * ckptd_session_throttle() - slow the guest down, or no longer
 * @s: the session
 * @delay_us: how long each commit is held back
 *
 * Context: any thread.
 */
void ckptd_session_throttle(CkptdSession *s, guint delay_us)
{
    g_atomic_int_set(&s->throttle_us, delay_us);
}
