/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-stubs.c - what the rest of QEMU calls when checkpoints are left out
 *
 * The hook in system/vl.c is one plain call; a QEMU without CONFIG_CKPT links
 * this file instead, so that upstream's code needs no #ifdef.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-ckpt.h"
#include "hw/ckpt/ckpt-engine.h"

bool ckpt_restore_at_start(Error **errp)
{
    return true;
}

bool ckpt_dirty_share(struct RAMBlock *rb, uint64_t *ret_new_pages)
{
    return false;
}

void ckpt_dirty_arrived(void *haddr)
{
}

void ckpt_move_refused(void)
{
}

CkptInfo *qmp_query_ckpt(Error **errp)
{
    error_setg(errp, "this QEMU is built without checkpoints");
    return NULL;
}

CkptCommitInfo *qmp_ckpt_commit(Error **errp)
{
    error_setg(errp, "this QEMU is built without checkpoints");
    return NULL;
}
