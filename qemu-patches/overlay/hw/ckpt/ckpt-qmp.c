/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-qmp.c - query-ckpt and ckpt-commit
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-ckpt.h"
#include "qapi/qapi-types-ckpt.h"
#include "ckpt-engine-internal.h"

static CkptPause *pause_info(const struct ckpt_epoch *last)
{
    CkptPause *pause = g_new0(CkptPause, 1);

    pause->wait_ns = last->wait_ns;
    pause->scan_ns = last->scan_ns;
    pause->copy_ns = last->copy_ns;
    pause->devstate_ns = last->devstate_ns;
    pause->total_ns = last->pause_ns;
    return pause;
}

/**
 * qmp_query_ckpt: see qapi/ckpt.json
 * @errp: set when there is no engine
 *
 * Return: what there is to know, or NULL.
 */
CkptInfo *qmp_query_ckpt(Error **errp)
{
    CkptEngine *e = ckpt_engine_get();
    CkptGateStats gate;
    CkptInfo *info;

    if (!e) {
        error_setg(errp, "there is no ckpt-engine");
        return NULL;
    }
    info = g_new0(CkptInfo, 1);
    info->state = g_strdup(ckpt_engine_state_name(e));
    info->connected = ckpt_client_is_up(e);
    info->committed = e->committed;
    info->generation = e->generation;
    info->epochs = e->stats.epochs;
    if (ckpt_engine_active(e)) {
        info->epoch = ckpt_gate_epoch(e->port->gate);
        info->in_flight = ckpt_engine_captured(e) - e->committed;
    }
    if (e->port) {
        ckpt_gate_stats(e->port->gate, &gate);
        info->held_bytes = gate.held_bytes;
        info->journal_bytes = gate.journal_bytes;
        info->refused_frames = gate.refused_frames;
    }
    if (e->stats.epochs) {
        info->has_last_pages = true;
        info->last_pages = e->stats.pages;
        info->has_last_bytes = true;
        info->last_bytes = e->stats.bytes;
        info->last_pause = pause_info(&e->stats.last);
    }
    return info;
}

/**
 * qmp_ckpt_commit: see qapi/ckpt.json
 * @errp: set when no checkpoints are taken
 *
 * Return: the epoch that is going to be committed, or NULL.
 */
CkptCommitInfo *qmp_ckpt_commit(Error **errp)
{
    CkptEngine *e = ckpt_engine_get();
    uint64_t epoch = ckpt_engine_request(e, CKPT_CAUSE_QMP);
    CkptCommitInfo *info;

    if (!epoch) {
        error_setg(errp, "no checkpoints are being taken");
        return NULL;
    }
    e->qmp_epoch = epoch;
    info = g_new0(CkptCommitInfo, 1);
    info->epoch = epoch;
    return info;
}
