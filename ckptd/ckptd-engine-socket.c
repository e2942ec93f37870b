/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-engine-socket.c - where a QEMU that we did not start reports
 *
 * The socket of a guest that ckptd started is its session's, and lets in one
 * pid.  That of an external guest is there as long as the guest is, for whoever
 * is allowed to start it: ourselves, root, or the owner that was named.
 *
 * Who calls is known by SO_PEERCRED, which names a pid and not a process.  So
 * the pidfd is opened first, then the connection is looked at: while its other
 * end is open, the process that opened it lives, and the pid is still its own.
 */
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-engine-socket.h"
#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-wire.h"

/* How long one who is turned away may take to say what it wants. */
#define LAST_WORDS_MS 200
/* So many are waited for at a time; others are not told why. */
#define REFUSED_MAX   8u

struct CkptdEngineSocket {
    char *path;
    uid_t owner;
    int fd;
    guint source;
    CkptdEngineCaller called;
    gpointer opaque;
};

/**
 * ckptd_engine_socket_owner() - a user by name or number
 * @name: NULL is ourselves
 * @ret_uid: filled in
 * @error: set when there is no such user, or we may not act for it
 *
 * Return: TRUE when found.
 */
gboolean ckptd_engine_socket_owner(const char *name, uid_t *ret_uid,
                                   GError **error)
{
    struct passwd *user;
    guint64 number;

    *ret_uid = geteuid();
    if (!name) {
        return TRUE;
    }
    user = getpwnam(name);
    if (user) {
        *ret_uid = user->pw_uid;
    } else if (g_ascii_string_to_unsigned(name, 10, 0, G_MAXINT, &number,
                                          NULL)) {
        *ret_uid = number;
    } else {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "owner: no user '%s'", name);
        return FALSE;
    }
    if (geteuid() != 0 && *ret_uid != geteuid()) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "owner: only root's ckptd can serve another user than "
                    "itself");
        return FALSE;
    }
    return TRUE;
}

/*
 * Return: FALSE with a word to the log for one who may not call, and @ret_why
 * where it is to hear that.
 */
static gboolean identify(CkptdEngineSocket *s, int conn_fd,
                         struct ckptd_process *ret_caller, const char **ret_why)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    struct pollfd pfd = { conn_fd, 0, 0 };

    if (getsockopt(conn_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        return FALSE;
    }
    if (cred.uid != 0 && cred.uid != geteuid() && cred.uid != s->owner) {
        g_warning("%s: process %d of user %d may not run this guest: turned "
                  "away",
                  s->path, (int)cred.pid, (int)cred.uid);
        *ret_why = "this guest is another user's";
        return FALSE;
    }
    if (!ckptd_process_watch(cred.pid, ret_caller)) {
        return FALSE;
    }
    if (poll(&pfd, 1, 0) > 0) { /* hung up: the pid may be another's now */
        ckptd_process_clear(ret_caller);
        return FALSE;
    }
    return TRUE;
}

static gboolean on_call(gint fd, GIOCondition condition G_GNUC_UNUSED,
                        gpointer opaque)
{
    CkptdEngineSocket *s = opaque;
    struct ckptd_process caller;
    const char *why = NULL;
    int conn_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (conn_fd < 0) {
        return G_SOURCE_CONTINUE;
    }
    if (identify(s, conn_fd, &caller, &why)) {
        s->called(conn_fd, &caller, s->opaque);
    } else if (why) {
        ckptd_engine_socket_refuse(conn_fd, why);
    } else {
        close(conn_fd);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean bind_for(CkptdEngineSocket *s, GError **error)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };

    s->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(s->path);
    if (g_strlcpy(addr.sun_path, s->path, sizeof(addr.sun_path)) >=
        sizeof(addr.sun_path)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s is too long for a socket: choose a shorter name, or "
                    "start ckptd with a shorter --runtime-dir",
                    s->path);
        return FALSE;
    }
    /* Nobody gets in between bind() and chown(): the umask is 077. */
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        chmod(s->path, 0600) < 0 ||
        (s->owner != geteuid() && chown(s->path, s->owner, (gid_t)-1) < 0) ||
        listen(s->fd, 4) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "socket %s: %s",
                    s->path, g_strerror(errno));
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_engine_socket_new() - begin to listen
 * @path: of the socket; one that lies there is replaced
 * @owner: who may call besides us and root
 * @called: told of each who may
 * @opaque: for it
 * @error: set on failure
 *
 * Return: the socket, or NULL.
 */
CkptdEngineSocket *ckptd_engine_socket_new(const char *path, uid_t owner,
                                           CkptdEngineCaller called,
                                           gpointer opaque, GError **error)
{
    CkptdEngineSocket *s = g_new0(CkptdEngineSocket, 1);

    s->path = g_strdup(path);
    s->owner = owner;
    s->called = called;
    s->opaque = opaque;
    if (!bind_for(s, error)) {
        ckptd_engine_socket_free(s, FALSE);
        return NULL;
    }
    s->source = g_unix_fd_add(s->fd, G_IO_IN, on_call, s);
    return s;
}

/**
 * ckptd_engine_socket_free() - listen no more
 * @s: may be NULL
 * @remove: the guest goes; else the next ckptd listens there again
 */
void ckptd_engine_socket_free(CkptdEngineSocket *s, gboolean remove)
{
    if (!s) {
        return;
    }
    g_clear_handle_id(&s->source, g_source_remove);
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (remove) {
        unlink(s->path);
    }
    g_free(s->path);
    g_free(s);
}

/* --- one who is turned away ----------------------------------------------- */

struct refused {
    int fd;
    char *reason;
    guint source;
    guint timer;
};

static guint n_refused;

/* Return: FALSE when its HELLO has not come yet. */
static gboolean say_why(int conn_fd, const char *reason)
{
    struct ckpt_msg msg = {
        .type = CKPT_MSG_REFUSE,
        .len_bytes = ckptd_wire_text_bytes(reason),
    };
    char hello[CKPT_MSG_MAX];

    if (recv(conn_fd, hello, sizeof(hello), MSG_DONTWAIT) <= 0) {
        return FALSE;
    }
    ckptd_wire_send(conn_fd, &msg, reason, NULL, 0, NULL);
    return TRUE;
}

static void refused_end(struct refused *r)
{
    g_clear_handle_id(&r->source, g_source_remove);
    g_clear_handle_id(&r->timer, g_source_remove);
    close(r->fd);
    g_free(r->reason);
    g_free(r);
    n_refused--;
}

static gboolean on_last_words(gint fd, GIOCondition condition G_GNUC_UNUSED,
                              gpointer opaque)
{
    struct refused *r = opaque;

    r->source = 0;
    say_why(fd, r->reason);
    refused_end(r);
    return G_SOURCE_REMOVE;
}

static gboolean on_silence(gpointer opaque)
{
    struct refused *r = opaque;

    r->timer = 0;
    refused_end(r);
    return G_SOURCE_REMOVE;
}

/**
 * ckptd_engine_socket_refuse() - tell one who called why it cannot be
 * @conn_fd: the connection, taken over
 * @reason: for people: QEMU ends with it
 *
 * Its HELLO is read first: a connection closed with something unread looks
 * like an error to the other side, which then does not see the reason. One who
 * has not said it yet gets LAST_WORDS_MS, while the main thread goes on.
 */
void ckptd_engine_socket_refuse(int conn_fd, const char *reason)
{
    struct refused *r;

    if (say_why(conn_fd, reason) || n_refused >= REFUSED_MAX) {
        close(conn_fd);
        return;
    }
    r = g_new0(struct refused, 1);
    r->fd = conn_fd;
    r->reason = g_strdup(reason);
    r->source = g_unix_fd_add(conn_fd, G_IO_IN, on_last_words, r);
    r->timer = g_timeout_add(LAST_WORDS_MS, on_silence, r);
    n_refused++;
}
