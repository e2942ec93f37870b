/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-hmp.c - "info ckpt": query-ckpt for people
 */
#include "qemu/osdep.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-ckpt.h"
#include "qapi/qapi-types-ckpt.h"
#include "ckpt-engine-internal.h"

static void print_last(Monitor *mon, const CkptInfo *info)
{
    const CkptPause *pause = info->last_pause;

    monitor_printf(mon, "last checkpoint: %" PRIu64 " pages, %" PRIu64
                   " bytes\n", info->last_pages, info->last_bytes);
    monitor_printf(mon, "last pause: %u us (wait %u, scan %u, copy %u, "
                   "devices %u)\n", pause->total_ns / 1000,
                   pause->wait_ns / 1000, pause->scan_ns / 1000,
                   pause->copy_ns / 1000, pause->devstate_ns / 1000);
}

/**
 * ckpt_hmp_info: "info ckpt" of the human monitor
 * @mon: to print to
 * @qdict: no arguments
 */
void ckpt_hmp_info(Monitor *mon, const QDict *qdict)
{
    Error *err = NULL;
    g_autoptr(CkptInfo) info = qmp_query_ckpt(&err);

    if (hmp_handle_error(mon, err)) {
        return;
    }
    monitor_printf(mon, "state: %s, ckptd %s\n", info->state,
                   info->connected ? "connected" : "not connected");
    monitor_printf(mon, "epoch: %" PRIu64 ", committed %" PRIu64
                   ", in flight %" PRIu64 ", generation %" PRIu64 "\n",
                   info->epoch, info->committed, info->in_flight,
                   info->generation);
    monitor_printf(mon, "held: %" PRIu64 " bytes of output, %" PRIu64
                   " bytes of input kept\n", info->held_bytes,
                   info->journal_bytes);
    monitor_printf(mon, "checkpoints of this process: %" PRIu64 "\n",
                   info->epochs);
    if (info->last_pause) {
        print_last(mon, info);
    }
}
