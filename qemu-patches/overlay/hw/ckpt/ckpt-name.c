/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-name.c - checkpoints that a monitor gives a name
 *
 * ckpt-name asks for a checkpoint; when that is durable NAME goes to ckptd, who
 * keeps it, and NAMED becomes the event CKPT_NAMED.  One at a time.  Every
 * command that returned an epoch ends in one event, also when ckptd is lost on
 * the way: then nobody here can know whether it has the name.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-ckpt.h"
#include "qapi/qapi-events-ckpt.h"
#include "trace.h"
#include "ckpt-engine-internal.h"

/* The event, and the end of it.  @epoch 0: @why not. */
static void name_done(CkptEngine *e, uint64_t epoch, const char *why)
{
    g_autofree char *label = g_steal_pointer(&e->label);

    qapi_event_send_ckpt_named(label, epoch, why);
}

/**
 * ckpt_name_run: send what has become durable
 * @e: the engine
 *
 * Context: main loop, BQL; after a commit, and when there is a socket again.
 */
void ckpt_name_run(CkptEngine *e)
{
    struct ckpt_msg head = { .type = CKPT_MSG_NAME, .epoch = e->label_epoch };
    struct iovec iov;

    if (!e->label || e->label_sent || e->committed < e->label_epoch) {
        return;
    }
    iov.iov_base = e->label;
    iov.iov_len = strlen(e->label);
    if (ckpt_client_send(e, &head, &iov, 1) == CKPT_SEND_DONE) {
        e->label_sent = true;
        trace_ckpt_name(e->label_epoch, e->label);
    }
}

/**
 * ckpt_name_answered: ckptd says NAMED
 * @e: the engine
 * @m: the message
 * @errp: set when it makes no sense
 *
 * Return: false when the connection must be closed.
 * Context: main loop, BQL.
 */
bool ckpt_name_answered(CkptEngine *e, const CkptMessage *m, Error **errp)
{
    bool named = m->head.epoch != 0;
    g_autofree char *why = NULL;

    if (!e->label || !e->label_sent || named == (m->head.len_bytes != 0) ||
        (named && m->head.epoch < e->label_epoch)) {
        error_setg(errp, "ckptd named epoch %" PRIu64 " with %u bytes of "
                   "reason, which nobody asked for", m->head.epoch,
                   m->head.len_bytes);
        return false;
    }
    if (!named) {
        why = g_utf8_make_valid(m->payload, m->head.len_bytes);
    }
    name_done(e, m->head.epoch, why);
    return true;
}

/**
 * ckpt_name_fail: what was to be named is not
 * @e: the engine
 * @why: for people
 */
void ckpt_name_fail(CkptEngine *e, const char *why)
{
    if (e->label) {
        name_done(e, 0, why);
    }
}

/**
 * ckpt_name_lost: the connection is over
 * @e: the engine
 *
 * A NAME that was not sent waits for the next connection.
 */
void ckpt_name_lost(CkptEngine *e)
{
    if (e->label_sent) {
        ckpt_name_fail(e, "ckptd went away before it answered: it may have "
                       "the name or not");
    }
}

static bool label_ok(const char *label)
{
    size_t len = strlen(label);
    const char *p;

    for (p = label; *p; p++) {
        if (g_ascii_iscntrl(*p)) {
            return false;
        }
    }
    return len >= 1 && len <= CKPT_LABEL_MAX &&
           g_utf8_validate(label, len, NULL);
}

/**
 * qmp_ckpt_name: see qapi/ckpt.json
 * @label: the name
 * @errp: set when that cannot be, or not now
 *
 * Return: the epoch that is going to be committed, or NULL.
 */
CkptCommitInfo *qmp_ckpt_name(const char *label, Error **errp)
{
    CkptEngine *e = ckpt_engine_get();
    CkptCommitInfo *info;
    uint64_t epoch;

    if (!label_ok(label)) {
        error_setg(errp, "a label is 1 to %u bytes of text", CKPT_LABEL_MAX);
        return NULL;
    }
    if (e && e->label) {
        error_setg(errp, "'%s' is still being named", e->label);
        return NULL;
    }
    epoch = e && !e->frozen ? ckpt_engine_request(e, CKPT_CAUSE_QMP) : 0;
    if (!epoch) {
        error_setg(errp, "no checkpoints are being taken");
        return NULL;
    }
    e->label = g_strdup(label);
    e->label_epoch = epoch;
    e->label_sent = false;
    info = g_new0(CkptCommitInfo, 1);
    info->epoch = epoch;
    return info;
}
