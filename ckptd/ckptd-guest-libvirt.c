/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-guest-libvirt.c - guests whose QEMU libvirt starts
 *
 * Such a guest is an external one (ckptd-guest-external.c): its QEMU calls, and
 * what its death means is judged as ever. But nobody sits there to start the
 * next one after a crash, so libvirt is asked to, through ckpt-libvirt, a
 * process of the guest's own that lives as long as ckptd serves the guest.
 *
 *   crashed, waits    an order is sent; at WELCOME it is void
 *   libvirt could not counts as a recovery that made no new epoch: tried again
 *                     after RETRY_MS, until the limit
 *   ended by hand     libvirt says so: it was no crash, and stays down
 */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-internal.h"

#define RETRY_MS   1000u
#define ORDERS_FD  3 /* as the process finds it */
#define ANSWER_MAX 4096

/**
 * struct ckptd_guest_libvirt - ckpt-libvirt, and what it was told to do
 *
 * @fd:      orders and answers, -1 = there is no process
 * @order:   number of the last start that was asked for
 * @pending: it is neither answered nor void
 * @anyway:  it is an operator's
 * @refused: libvirt could not, and QEMU's death is still to be judged
 */
struct ckptd_guest_libvirt {
    struct ckptd_process process;
    int fd;
    guint death_source;
    guint answer_source;
    guint timer;
    guint64 order;
    gboolean pending;
    gboolean anyway;
    gboolean refused;
};

static gboolean on_timer(gpointer opaque);

static void set_timer(CkptdGuest *g)
{
    if (!g->libvirt->timer) {
        g->libvirt->timer = g_timeout_add(RETRY_MS, on_timer, g);
    }
}

/* --- orders --------------------------------------------------------------- */

/* A process that does not take it is on its way out: the next one gets it. */
static void tell(CkptdGuest *g, const char *text)
{
    if (g->libvirt->fd >= 0) {
        send(g->libvirt->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

static void send_order(CkptdGuest *g)
{
    struct ckptd_guest_libvirt *lv = g->libvirt;
    g_autofree char *text = NULL;

    lv->order++;
    text = g_strdup_printf("%s %" G_GUINT64_FORMAT,
                           lv->anyway ? "start-anyway" : "start", lv->order);
    tell(g, text);
}

static void want(CkptdGuest *g, gboolean anyway)
{
    g->libvirt->pending = TRUE;
    g->libvirt->anyway = anyway;
    g->libvirt->refused = FALSE;
    send_order(g);
}

/* It was not done, and would not be worth saying again if that was all. */
static void try_again(CkptdGuest *g, const char *why)
{
    g->libvirt->pending = FALSE;
    g->libvirt->refused = FALSE;
    if (ckptd_guest_is_fruitless(g, why)) {
        ckptd_guest_external_fail(g);
        return;
    }
    g->libvirt->pending = TRUE;
    set_timer(g);
}

/* --- answers -------------------------------------------------------------- */

static void explain(CkptdGuest *g, const char *what, const char *why)
{
    char *reason = g_strdup_printf("%s: %s", what, why);

    if (g_strcmp0(g->reason, reason)) {
        g_message("%s: %s", g->spec->name, reason);
    }
    ckptd_guest_set_reason(g, reason);
}

static void on_failed(CkptdGuest *g, const char *why)
{
    explain(g, "libvirt could not start it", why);
    if (g->state == CKPTD_GUEST_WAITING) {
        try_again(g, g->reason);
    } else {
        g->libvirt->refused = TRUE;
    }
}

static void on_stays(CkptdGuest *g, const char *how)
{
    g->libvirt->pending = FALSE;
    g->crashed = FALSE;
    explain(g, "ended through libvirt", how);
    ckptd_guest_save_life(g);
}

static void on_words(CkptdGuest *g, const char *word, guint64 number,
                     const char *text)
{
    struct ckptd_guest_libvirt *lv = g->libvirt;

    if (number != lv->order) {
        return; /* to an order that is void */
    }
    if (g_str_equal(word, "failed")) {
        on_failed(g, text);
    } else if (!lv->pending) {
        return;
    } else if (g_str_equal(word, "started")) {
        lv->pending = FALSE;
    } else if (g_str_equal(word, "stays")) {
        on_stays(g, text);
    } else if (g_str_equal(word, "waits")) {
        explain(g, "libvirt does not answer", text);
    }
}

static gboolean on_answer(gint fd, GIOCondition condition G_GNUC_UNUSED,
                          gpointer opaque)
{
    CkptdGuest *g = opaque;
    g_autofree char *valid = NULL;
    char text[ANSWER_MAX], word[16];
    guint64 number;
    ssize_t len = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    int words_end = 0;

    if (len == 0) {
        g->libvirt->answer_source = 0;
        return G_SOURCE_REMOVE; /* its death is told by the pidfd */
    }
    text[MAX(len, 0)] = '\0';
    valid = g_utf8_make_valid(text, -1);
    if (sscanf(valid, "%15s %" G_GUINT64_FORMAT "%n", word, &number,
               &words_end) == 2) {
        on_words(g, word, number, g_strchug(valid + words_end));
    }
    return G_SOURCE_CONTINUE;
}

/* --- the process ---------------------------------------------------------- */

static void forget_process(struct ckptd_guest_libvirt *lv)
{
    g_clear_handle_id(&lv->death_source, g_source_remove);
    g_clear_handle_id(&lv->answer_source, g_source_remove);
    close(lv->fd);
    lv->fd = -1;
}

static gboolean on_death(gint fd G_GNUC_UNUSED,
                         GIOCondition condition G_GNUC_UNUSED, gpointer opaque)
{
    CkptdGuest *g = opaque;
    g_autofree char *how = ckptd_process_reap(&g->libvirt->process);

    g->libvirt->death_source = 0;
    forget_process(g->libvirt);
    g_warning("%s: ckpt-libvirt %s; see %s/libvirt.log", g->spec->name, how,
              g->state_dir);
    set_timer(g);
    return G_SOURCE_REMOVE;
}

static gboolean spawn(CkptdGuest *g, GError **error)
{
    struct ckptd_guest_libvirt *lv = g->libvirt;
    g_autofree char *program = ckptd_paths_find("libvirt", error);
    g_autofree char *log = ckptd_guest_file(g, "libvirt.log");
    g_autofree char *pid = ckptd_guest_file(g, "libvirt.pid");
    g_autofree char *xml = ckptd_guest_file(g, "domain.xml");
    char *argv[] = { program, g->spec->libvirt, g->spec->uuid, xml, NULL };
    struct ckptd_spawn how = {
        .argv = argv,
        .cwd = g->state_dir,
        .log_path = log,
        .pid_path = pid,
        .target_fd = ORDERS_FD,
    };
    int pair[2];
    gboolean ok;

    if (!program) {
        return FALSE;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "ckpt-libvirt: %m");
        return FALSE;
    }
    how.fd = pair[1];
    ok = ckptd_process_spawn(&how, &lv->process, error);
    close(pair[1]);
    if (!ok) {
        close(pair[0]);
        return FALSE;
    }
    lv->fd = pair[0];
    lv->death_source = g_unix_fd_add(lv->process.pidfd, G_IO_IN, on_death, g);
    lv->answer_source = g_unix_fd_add(lv->fd, G_IO_IN, on_answer, g);
    return TRUE;
}

static gboolean on_timer(gpointer opaque)
{
    CkptdGuest *g = opaque;
    g_autoptr(GError) error = NULL;

    g->libvirt->timer = 0;
    if (g->libvirt->fd < 0 && !spawn(g, &error)) {
        explain(g, "libvirt cannot be asked", error->message);
        set_timer(g);
    } else if (g->libvirt->pending) {
        send_order(g);
    }
    return G_SOURCE_REMOVE;
}

/* --- for the guest -------------------------------------------------------- */

/**
 * ckptd_guest_libvirt_open() - begin to look after the guest's domain
 * @g: external
 * @error: set when ckpt-libvirt cannot be started
 *
 * Return: FALSE then.
 */
gboolean ckptd_guest_libvirt_open(CkptdGuest *g, GError **error)
{
    if (!g->spec->libvirt || g->libvirt) {
        return TRUE;
    }
    g->libvirt = g_new0(struct ckptd_guest_libvirt, 1);
    g->libvirt->process = (struct ckptd_process)CKPTD_PROCESS_NONE;
    g->libvirt->fd = -1;
    if (!spawn(g, error)) {
        g_clear_pointer(&g->libvirt, g_free);
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_guest_libvirt_close() - look after it no more
 * @g: any
 */
void ckptd_guest_libvirt_close(CkptdGuest *g)
{
    struct ckptd_guest_libvirt *lv = g->libvirt;

    if (!lv) {
        return;
    }
    g_clear_handle_id(&lv->timer, g_source_remove);
    if (lv->fd >= 0) {
        forget_process(lv);
        ckptd_process_kill(&lv->process, SIGKILL);
        ckptd_process_wait(&lv->process, -1);
        g_free(ckptd_process_reap(&lv->process));
    }
    g_clear_pointer(&g->libvirt, g_free);
}

/**
 * ckptd_guest_libvirt_waiting() - the guest waits for a QEMU now
 * @g: any
 */
void ckptd_guest_libvirt_waiting(CkptdGuest *g)
{
    if (!g->libvirt) {
        return;
    }
    if (g->libvirt->refused) {
        try_again(g, g->reason ? g->reason : "QEMU ended");
    } else if (g->crashed && !g->libvirt->pending) {
        want(g, FALSE);
    }
}

/**
 * ckptd_guest_libvirt_start() - an operator wants the guest up
 * @g: waits, and has a libvirt URI
 */
void ckptd_guest_libvirt_start(CkptdGuest *g)
{
    want(g, TRUE);
}

/**
 * ckptd_guest_libvirt_settled() - what libvirt was asked for is void
 * @g: any; it runs, or is to stay down
 */
void ckptd_guest_libvirt_settled(CkptdGuest *g)
{
    if (g->libvirt && g->libvirt->pending) {
        g_clear_handle_id(&g->libvirt->timer, g_source_remove);
        g->libvirt->pending = FALSE;
        tell(g, "forget");
        if (g->libvirt->fd < 0) {
            set_timer(g);
        }
    }
}

/**
 * ckptd_guest_libvirt_give_up() - somebody says that it is to stay down
 * @g: any
 */
void ckptd_guest_libvirt_give_up(CkptdGuest *g)
{
    if (g->libvirt && g->libvirt->pending) {
        ckptd_guest_libvirt_settled(g);
        ckptd_guest_set_reason(g, g_strdup("killed"));
        g->crashed = FALSE;
        ckptd_guest_save_life(g);
    }
}

/**
 * ckptd_guest_libvirt_pid() - the process that looks after its domain
 * @g: any
 *
 * Return: 0 when there is none.
 */
GPid ckptd_guest_libvirt_pid(const CkptdGuest *g)
{
    return g->libvirt ? g->libvirt->process.pid : 0;
}
