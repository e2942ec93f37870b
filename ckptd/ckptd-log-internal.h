/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-log-internal.h - what the files of the log share
 */
#ifndef CKPTD_LOG_INTERNAL_H
#define CKPTD_LOG_INTERNAL_H

#include "ckptd/ckptd-log.h"

#define CKPTD_LOG_NAMES_MAX 10000

struct ckptd_log {
    struct ckptd_log_config config;
    char *dir;
    uint8_t store_id[16];
    uint64_t ram_pages;
    GThread *keeper;

    /* owner thread alone */
    struct ckptd_record_buf buf;
    uint64_t failed_epoch; /* L4: its write failed, 0 = none */
    CkptdSegment *half;    /* may have a header that was to make it the last
                              one; to be removed, or NULL */

    GMutex pin; /* held by whoever needs segments to stay;
                   taken before lock */

    GMutex lock;        /* all below */
    GCond cond;         /* anything below changed */
    GPtrArray *live;    /* CkptdSegment; the last one takes appends,
                           and stays */
    GPtrArray *spare;   /* CkptdSegment */
    GPtrArray *records; /* CkptdRecord, oldest first */
    gboolean name_used[CKPTD_LOG_NAMES_MAX];
    uint64_t last_epoch;
    uint64_t last_seal;
    gboolean throttled;    /* an append waits for the folder */
    gboolean starved;      /* an append failed: a fold might make room */
    guint n_holds;         /* L6 */
    gboolean keeper_idle;  /* it waits without a deadline */
    uint64_t hinted_epoch; /* whose durability the meta page tells */
    gboolean stop;
    GError *keeper_error; /* no spare segment could be made */
    GError *fold_error;   /* the last fold failed; it is tried again */
    gint64 fold_retry_us; /* then */
    gint64 fold_delay_us; /* and so much later if that fails too */
    struct ckptd_store_stats stats;
};

/* ckptd-log-segments.c */
void ckptd_log_note_name(CkptdLog *log, const char *name);
CkptdSegment *ckptd_log_last_segment_locked(CkptdLog *log);
CkptdSegment *ckptd_log_last_segment(CkptdLog *log);
gboolean ckptd_log_make_room(CkptdLog *log, uint64_t bytes, GError **error);
gboolean ckptd_log_remove_segment(CkptdLog *log, CkptdSegment *seg,
                                  GError **error);
gpointer ckptd_log_keeper_main(gpointer opaque);

/* ckptd-log-fold.c */
uint64_t ckptd_log_tail_bytes_locked(CkptdLog *log);
guint ckptd_log_n_closed_locked(CkptdLog *log, uint64_t *ret_bytes);
gboolean ckptd_log_throttle(CkptdLog *log, uint64_t bytes, GError **error);
void ckptd_log_starve(CkptdLog *log, uint64_t bytes);

#endif
