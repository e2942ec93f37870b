/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-session-lines.c - labels, and lines that begin with one
 *
 * A label is asked for by the main thread or by QEMU's monitor (NAME). Both
 * come to the session's thread, which alone may take a snapshot of its store;
 * the writing is the namer's, and so is the answer.
 *
 * A line begins in a store that was made from a label (ckptd-label.c): the
 * store says so until an epoch of the line is durable, and as long as it does,
 * each QEMU is told by NEW_LINE who its processes are from now on, and gets a
 * fresh hold (R2).
 */
#include <string.h>
#include <sys/socket.h>

#include "ckptd/ckptd-label.h"
#include "ckptd/ckptd-session-internal.h"

#define FROM_MAIN 0u /* tag of a label that the main thread asked for */

/*
 * A NAME is answered where it came from, or nowhere. A QEMU that does not read
 * has to come back: an answer that it misses would make it wait for ever.
 */
static void answer_qemu(CkptdSession *s, guint conn_number, uint64_t epoch,
                        const char *text)
{
    struct ckpt_msg msg = {
        .type = CKPT_MSG_NAMED,
        .len_bytes = text ? ckptd_wire_text_bytes(text) : 0,
        .epoch = epoch,
    };
    g_autoptr(GError) error = NULL;

    g_mutex_lock(&s->lock);
    msg.generation = s->stats.generation;
    if (s->conn_fd >= 0 && s->conn_number == conn_number &&
        !ckptd_wire_send(s->conn_fd, &msg, text, NULL, 0, &error)) {
        g_message("%s: %s", s->config.manifest.name, error->message);
        shutdown(s->conn_fd, SHUT_RDWR);
    }
    g_mutex_unlock(&s->lock);
}

/* Namer's thread. */
static void on_named(const char *label, guint tag, uint64_t epoch,
                     const GError *error, gpointer opaque)
{
    CkptdSession *s = opaque;

    if (error) {
        g_message("%s: checkpoint %s: %s", s->config.manifest.name, label,
                  error->message);
    } else {
        g_message("%s: epoch %" G_GUINT64_FORMAT " is checkpoint %s",
                  s->config.manifest.name, epoch, label);
    }
    if (tag == FROM_MAIN) {
        ckptd_session_notify(s, CKPTD_SESSION_NAMED,
                             error ? (uint64_t)error->code : epoch,
                             error ? error->message : NULL);
    } else {
        answer_qemu(s, tag, epoch, error ? error->message : NULL);
    }
}

/**
 * ckptd_session_lines_init() - the part of ckptd_session_new() that is about labels
 * @s: the session, without its thread
 */
void ckptd_session_lines_init(CkptdSession *s)
{
    s->namer = ckptd_namer_new(s->config.labels_dir, on_named, s);
}

static void keep(CkptdSession *s, const char *label, guint tag)
{
    CkptdSnapshot *snapshot = NULL;
    GError *error = NULL;

    if (!ckptd_label_name_ok(label)) {
        g_set_error(&error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "'%s': the name of a checkpoint is 1 to %u letters, "
                    "digits, '.', '_' or '-', a letter or digit first",
                    label, CKPTD_LABEL_NAME_MAX);
    } else {
        snapshot = ckptd_store_snapshot(s->store, &error);
    }
    ckptd_namer_add(s->namer, label, tag, snapshot, error);
}

/**
 * ckptd_session_lines_keep() - the checkpoint that the main thread asked for is durable
 * @s: the session
 * @label: the name that it is to have
 *
 * Context: session thread.
 */
void ckptd_session_lines_keep(CkptdSession *s, const char *label)
{
    keep(s, label, FROM_MAIN);
}

/**
 * ckptd_session_lines_on_name() - QEMU's monitor asks for a label
 * @s: the session, with the packet
 * @error: set when the connection must end
 *
 * Return: TRUE when it is or will be answered.
 * Context: session thread.
 */
gboolean ckptd_session_lines_on_name(CkptdSession *s, GError **error)
{
    char label[CKPT_LABEL_MAX + 1];

    if (!ckptd_wire_check_name(&s->packet, label, error)) {
        return FALSE;
    }
    if (s->pass || s->packet.msg.epoch > ckptd_store_last_epoch(s->store) ||
        ckptd_namer_is_full(s->namer)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "NAME of epoch %" G_GUINT64_FORMAT
                    ", which is not durable, or one of too many at once",
                    s->packet.msg.epoch);
        return FALSE;
    }
    /* Only this thread counts connections. */
    keep(s, label, s->conn_number);
    return TRUE;
}

/* --- stores --------------------------------------------------------------- */

/**
 * ckptd_session_lines_make_store() - a store where there is none
 * @s: the session
 * @error: set on failure
 *
 * Return: it, open; empty, or beginning with a label.
 * Context: session thread; blocks.
 */
CkptdStore *ckptd_session_lines_make_store(CkptdSession *s, GError **error)
{
    const struct ckptd_session_config *c = &s->config;

    if (!c->from_dir) {
        return ckptd_store_create(c->store_dir, &c->manifest, error);
    }
    return ckptd_label_branch(ckptd_io_system(), c->from_dir, c->store_dir,
                              &c->manifest, CKPT_LINE_FORK, 0, error)
               ? ckptd_store_open(c->store_dir, error)
               : NULL;
}

/**
 * ckptd_session_lines_close_store() - nobody uses the store any more
 * @s: the session; labels that are being written are given up
 *
 * Context: session thread; blocks.
 */
void ckptd_session_lines_close_store(CkptdSession *s)
{
    CkptdStore *store;

    ckptd_namer_stop(s->namer);
    g_mutex_lock(&s->lock);
    store = g_steal_pointer(&s->store);
    g_mutex_unlock(&s->lock);
    ckptd_store_close(store);
}

/**
 * ckptd_session_lines_roll_back() - step back to a label
 * @s: the session, without a QEMU
 * @label_dir: of the label
 * @generation: least that the store had, as far as is known elsewhere
 * @error: set on failure; says whether the store is as it was
 *
 * A store that is damaged is left as well: that is what an operator may want
 * to step back from.
 *
 * Return: TRUE when the store begins with the label, durably.
 * Context: session thread; blocks.
 */
gboolean ckptd_session_lines_roll_back(CkptdSession *s, const char *label_dir,
                                       uint64_t generation, GError **error)
{
    g_autoptr(GError) damage = NULL;

    if (!ckptd_welcome_open_store(s, &damage)) {
        g_warning("%s: stepping back from what cannot be opened: %s",
                  s->config.manifest.name, damage->message);
    }
    generation = MAX(generation, s->stats.generation);
    ckptd_session_lines_close_store(s);
    if (!ckptd_label_branch(ckptd_io_system(), label_dir, s->config.store_dir,
                            &s->config.manifest, CKPT_LINE_ROLLBACK, generation,
                            error)) {
        return FALSE;
    }
    g_mutex_lock(&s->lock);
    ckptd_shm_clear(&s->hold); /* of the line that is given up */
    g_mutex_unlock(&s->lock);
    s->hold_valid = FALSE;
    return ckptd_welcome_open_store(s, error);
}

/**
 * ckptd_session_lines_identities() - who the processes are from now on
 * @s: the session, whose store begins a line
 * @ret_identities: room for CKPT_IDENTITIES_MAX
 *
 * Return: how many.
 * Context: session thread.
 */
uint32_t ckptd_session_lines_identities(CkptdSession *s,
                                        struct ckpt_identity *ret_identities)
{
    uint32_t i;

    for (i = 0; i < s->config.n_identities; i++) {
        ret_identities[i] = s->config.identities[i];
        ret_identities[i].why = ckptd_store_line(s->store);
        ret_identities[i].process = i;
        ret_identities[i].generation = s->stats.generation;
    }
    return s->config.n_identities;
}

/* --- for the main thread -------------------------------------------------- */

/**
 * ckptd_session_name() - ask for a checkpoint of now or later, to be named
 * @s: the session
 * @label: its name
 * @error: CKPTD_ERROR_BUSY: another one is on its way
 *
 * Answered by CKPTD_SESSION_NAMED. If QEMU dies before it is taken, the
 * question stands, and ckptd_session_checkpoint() asks the next one.
 *
 * Return: TRUE when asked.
 */
gboolean ckptd_session_name(CkptdSession *s, const char *label, GError **error)
{
    gboolean busy;

    g_mutex_lock(&s->lock);
    busy = s->want_label || ckptd_namer_is_full(s->namer);
    if (!busy) {
        s->want_label = g_strdup(label);
    }
    g_mutex_unlock(&s->lock);
    if (busy) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY,
                    "%s: another checkpoint is being named",
                    s->config.manifest.name);
        return FALSE;
    }
    ckptd_session_checkpoint(s, NULL);
    return TRUE;
}

/**
 * ckptd_session_cancel_name() - do not name it after all
 * @s: the session
 * @label: as asked for
 */
void ckptd_session_cancel_name(CkptdSession *s, const char *label)
{
    g_mutex_lock(&s->lock);
    if (!g_strcmp0(s->want_label, label)) {
        g_clear_pointer(&s->want_label, g_free);
    }
    g_mutex_unlock(&s->lock);
    ckptd_namer_cancel(s->namer, label);
}

/**
 * ckptd_session_name_progress() - how far it is
 * @s: the session
 * @label: as asked for
 * @ret_done_bytes: written
 * @ret_total_bytes: of so many, 0: not known yet
 *
 * Return: FALSE if writing has not begun, or is over.
 */
gboolean ckptd_session_name_progress(CkptdSession *s, const char *label,
                                     uint64_t *ret_done_bytes,
                                     uint64_t *ret_total_bytes)
{
    return ckptd_namer_progress(s->namer, label, ret_done_bytes,
                                ret_total_bytes);
}
