/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-netctl.c - speak to ckpt-netd's control socket (PROTOCOL.md)
 *
 * Each exchange is a connection of its own: one request, one answer.  ckpt-netd
 * answers at once or is broken, so a short time limit is enough for the main
 * thread to wait in place.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-netctl.h"

#define ANSWER_MAX_BYTES 512
#define TIMEOUT_S        2
#define POLL_MS          2

static int fail(GError **error, const char *what)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "ckpt-netd: %s: %s", what,
                g_strerror(errno));
    return -1;
}

static int open_control(const char *path, GError **error)
{
    struct timeval timeout = { .tv_sec = TIMEOUT_S };
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd, saved;

    if (g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path)) >=
        sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return fail(error, path);
    }
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fail(error, "socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        saved = errno;
        close(fd);
        errno = saved;
        return fail(error, path);
    }
    return fd;
}

static char *last_line_of(const char *path)
{
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return g_strdup("");
    }
    g_strchomp(text);
    line = strrchr(text, '\n');
    return g_utf8_make_valid(line ? line + 1 : text, -1);
}

/**
 * ckptd_netctl_wait() - wait until a new ckpt-netd takes connections
 * @socket_path: of its control socket
 * @process: the process, which may end instead
 * @timeout_ms: how long
 * @log_path: where its last words are looked for
 * @error: set on failure
 *
 * Return: TRUE when it does.
 * Context: blocks.
 */
gboolean ckptd_netctl_wait(const char *socket_path,
                           const struct ckptd_process *process, int timeout_ms,
                           const char *log_path, GError **error)
{
    g_autofree char *words = NULL;
    int fd, waited_ms;

    for (waited_ms = 0; waited_ms < timeout_ms; waited_ms += POLL_MS) {
        fd = open_control(socket_path, NULL);
        if (fd >= 0) {
            close(fd);
            return TRUE;
        }
        if (ckptd_process_wait(process, POLL_MS)) {
            words = last_line_of(log_path);
            g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                        "the network did not start: %s", words);
            return FALSE;
        }
    }
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                "ckpt-netd does not answer at %s", socket_path);
    return FALSE;
}

/*
 * Both ends: ckpt-netd listens to the first, and only keeps the second, so that
 * what a QEMU that dies had not read can still be counted.
 */
static gboolean send_attach(int control, const int pair[2])
{
    char space[CMSG_SPACE(2 * sizeof(int))] = { 0 };
    char request = 'A';
    struct iovec iov = { &request, 1 };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = space,
        .msg_controllen = sizeof(space),
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(cmsg), pair, 2 * sizeof(int));
    return sendmsg(control, &msg, MSG_NOSIGNAL) == 1;
}

/**
 * ckptd_netctl_attach() - give ckpt-netd one end of a fresh socket pair
 * @socket_path: of its control socket
 * @pair: that end, and the one that a QEMU has; both stay the caller's
 * @error: set on failure
 *
 * From then on it listens to no other: a QEMU of an earlier generation that
 * should still hold an older end speaks to nobody (F1).
 *
 * Return: TRUE when it does.
 */
gboolean ckptd_netctl_attach(const char *socket_path, const int pair[2],
                             GError **error)
{
    g_autofree char *valid = NULL;
    char answer[ANSWER_MAX_BYTES + 1];
    int control = open_control(socket_path, error);
    ssize_t len;

    if (control < 0) {
        return FALSE;
    }
    len = send_attach(control, pair)
              ? recv(control, answer, ANSWER_MAX_BYTES, 0)
              : -1;
    close(control);
    if (len == 1 && answer[0] == 0) {
        return TRUE;
    }
    if (len < 0) {
        fail(error, "attach");
        return FALSE;
    }
    answer[len] = '\0';
    valid = g_utf8_make_valid(answer, -1);
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "ckpt-netd: %s",
                len ? valid : "no answer");
    return FALSE;
}

/**
 * ckptd_netctl_quit() - ask ckpt-netd to end
 * @socket_path: of its control socket
 * @reset: its connections end by a reset; else as it comes
 */
void ckptd_netctl_quit(const char *socket_path, gboolean reset)
{
    int control = open_control(socket_path, NULL);
    char answer;

    if (control >= 0) {
        if (reset && (send(control, "R", 1, MSG_NOSIGNAL) != 1 ||
                      recv(control, &answer, 1, 0) != 1)) {
            g_message("ckpt-netd at %s resets nothing", socket_path);
        }
        if (send(control, "Q", 1, MSG_NOSIGNAL) != 1) {
            g_message("ckpt-netd at %s takes no word", socket_path);
        }
        close(control);
    }
}

/**
 * ckptd_netctl_drain() - ask ckpt-netd to end when its connections have
 * @socket_path: of its control socket
 *
 * The guest has ended; peers that are slow still get what it sent.
 *
 * Return: TRUE when it will.
 */
gboolean ckptd_netctl_drain(const char *socket_path)
{
    int control = open_control(socket_path, NULL);
    gboolean ok = FALSE;
    char answer;

    if (control >= 0) {
        ok = send(control, "D", 1, MSG_NOSIGNAL) == 1 &&
             recv(control, &answer, 1, 0) == 1 && answer == 0;
        close(control);
    }
    return ok;
}
