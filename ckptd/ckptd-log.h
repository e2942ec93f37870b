/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-log.h - the log of checkpoints: appending, and what is in it
 */
#ifndef CKPTD_LOG_H
#define CKPTD_LOG_H

#include "ckptd/ckptd-meta.h"
#include "ckptd/ckptd-record.h"
#include "ckptd/ckptd-store.h"

typedef struct ckptd_log CkptdLog;

/**
 * struct ckptd_log_config - what a log has to know
 */
struct ckptd_log_config {
    struct ckptd_io *io;
    const char *dir;
    uint64_t ram_bytes;
    CkptdMeta *meta;                  /* outlives the log */
    struct ckptd_store_params params; /* no zeros */
};

/**
 * struct ckptd_log_fold - what can be folded next
 *
 * @records: (element-type CkptdRecord): base_epoch + 1 to @epoch; borrowed,
 *           stay where they are until ckptd_log_fold_done()
 * @epoch:   of the last of them
 * @seal:    its seal
 * @log_seq: of the first segment behind
 * @last_epoch: last durable one, greater than @epoch
 */
struct ckptd_log_fold {
    GPtrArray *records;
    uint64_t epoch;
    uint64_t seal;
    uint64_t log_seq;
    uint64_t last_epoch;
};

gboolean ckptd_log_create(struct ckptd_io *io, const char *dir,
                          const uint8_t *store_id,
                          const struct ckptd_store_params *params,
                          GError **error);
CkptdLog *ckptd_log_open(const struct ckptd_log_config *config, GError **error);
void ckptd_log_stop(CkptdLog *log);
void ckptd_log_close(CkptdLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdLog, ckptd_log_close)

gboolean ckptd_log_append(CkptdLog *log, const void *slot, size_t slot_bytes,
                          uint64_t generation, uint32_t flags, GError **error);
gboolean ckptd_log_settle(CkptdLog *log, GError **error);
uint64_t ckptd_log_last_epoch(CkptdLog *log);
const CkptdRecord *ckptd_log_last_record(CkptdLog *log);
GPtrArray *ckptd_log_pin(CkptdLog *log);
void ckptd_log_unpin(CkptdLog *log, GPtrArray *records);
GPtrArray *ckptd_log_hold(CkptdLog *log);
void ckptd_log_let_go(CkptdLog *log, GPtrArray *records);
void ckptd_log_stats(CkptdLog *log, struct ckptd_store_stats *stats);

gboolean ckptd_log_fold_wait(CkptdLog *log);
gboolean ckptd_log_fold_take(CkptdLog *log, struct ckptd_log_fold *ret_fold);
gboolean ckptd_log_fold_done(CkptdLog *log, const struct ckptd_log_fold *fold,
                             GError **error);
void ckptd_log_fold_ended(CkptdLog *log, const GError *reason);

#endif
