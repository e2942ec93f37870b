/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-store.h - one guest's checkpoints on disk
 *
 * A store is a directory: a manifest, the base image, the log of what changed
 * since, and two meta pages that say where to begin (FORMAT.md). It has one
 * owner thread, from which everything here is called unless said otherwise;
 * folding and preparing segments happen in threads of its own.
 */
#ifndef CKPTD_STORE_H
#define CKPTD_STORE_H

#include <glib.h>
#include <stdint.h>

#include "ckptd/ckptd-error.h"

typedef struct ckptd_store CkptdStore;

/**
 * struct ckptd_manifest - what a guest is; fixed at its first boot
 *
 * Strings are NUL terminated UTF-8 without control characters; an empty one
 * means not known yet.
 */
struct ckptd_manifest {
    char uuid[37]; /* 8-4-4-4-12 hex digits, required */
    char name[64];
    char machine[32];
    char cpu[64];
    char accel[16];
    char qemu[64];
    uint64_t ram_bytes; /* main RAM; a multiple of the page size, required */
    uint64_t tsc_hz;    /* 0 = not known */
};

/**
 * struct ckptd_store_params - sizes; zero means the default
 *
 * @segment_bytes:    of a log segment (default 32 MiB); a record that is
 *                    larger gets a segment of its own
 * @fold_start_bytes: folding begins when closed segments hold this much
 *                    (default 2 segments)
 * @tail_max_bytes:   appends wait while the log holds more, for a fold or, as
 *                    long as there is a snapshot, a little (default 256 MiB,
 *                    at least fold_start_bytes and 2 segments)
 * @unfilled:         the first segment is allocated only: it is there sooner,
 *                    the few appends that it takes are slower
 * @manual:           no threads: nothing is folded but by ckptd_store_fold(),
 *                    segments are made when they are needed. For tests.
 */
struct ckptd_store_params {
    uint64_t segment_bytes;
    uint64_t fold_start_bytes;
    uint64_t tail_max_bytes;
    gboolean unfilled;
    gboolean manual;
};

/**
 * struct ckptd_store_stats - counters since the store was opened
 *
 * Write amplification is bytes_written / page_bytes.
 */
struct ckptd_store_stats {
    uint64_t last_epoch; /* last durable epoch */
    uint64_t base_epoch; /* folded into the base image */
    uint64_t generation;
    uint64_t records;       /* appended */
    uint64_t pages;         /* in these, zero pages included */
    uint64_t page_bytes;    /* data of those that are not zero */
    uint64_t log_bytes;     /* records as written, headers and padding */
    uint64_t base_bytes;    /* written to the base image by folding */
    uint64_t prepare_bytes; /* zeros and headers of new segments */
    uint64_t bytes_written; /* everything: the sum, and meta pages */
    uint64_t tail_bytes;    /* live bytes of the log now */
    uint64_t segments;      /* segment files now, spare ones included */
    uint64_t fold_count;
    uint64_t fold_ns;        /* duration of the last fold */
    uint64_t append_ns;      /* duration of the last append, all of it */
    uint64_t write_ns;       /* its write alone */
    uint64_t throttle_count; /* appends that waited for folding (S3) */
    uint64_t throttle_ns;    /* for how long in all */
    uint64_t stall_count;    /* appends that waited for a new segment */
    uint64_t need_bytes;     /* the last append failed, and so much free space
                                would do; 0 = it did not */
    gboolean direct_io;      /* O_DIRECT in use */
};

/**
 * struct ckptd_verify_report - what ckptd_store_verify() found
 */
struct ckptd_verify_report {
    uint64_t generation;
    uint64_t base_epoch;
    uint64_t last_epoch; /* last one that is whole */
    uint64_t committed;  /* known to have been committed, at least */
    uint64_t records;
    uint64_t pages;
    uint64_t bytes;        /* read and checked */
    uint64_t problems;     /* 0 = the store is whole */
    gboolean torn_tail;    /* an append that never was acknowledged */
    gboolean hash_checked; /* RAM as of last_epoch has the hash that its
                              record carries */
    char first_problem[192];
};

/**
 * typedef CkptdVerifyFunc - progress of ckptd_store_verify()
 * @done_bytes:  checked so far
 * @total_bytes: to be checked in all
 * @opaque:      the caller's
 */
typedef void (*CkptdVerifyFunc)(uint64_t done_bytes, uint64_t total_bytes,
                                gpointer opaque);

CkptdStore *ckptd_store_create(const char *dir,
                               const struct ckptd_manifest *manifest,
                               GError **error);
CkptdStore *ckptd_store_open(const char *dir, GError **error);
void ckptd_store_close(CkptdStore *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdStore, ckptd_store_close)

struct ckptd_io;
CkptdStore *ckptd_store_create_full(const char *dir,
                                    const struct ckptd_manifest *manifest,
                                    const struct ckptd_store_params *params,
                                    struct ckptd_io *io, GError **error);
CkptdStore *ckptd_store_open_full(const char *dir,
                                  const struct ckptd_store_params *params,
                                  struct ckptd_io *io, GError **error);

const struct ckptd_manifest *ckptd_store_manifest(CkptdStore *s);
gboolean ckptd_store_set_manifest(CkptdStore *s,
                                  const struct ckptd_manifest *manifest,
                                  GError **error);

uint64_t ckptd_store_generation(CkptdStore *s);
uint64_t ckptd_store_last_epoch(CkptdStore *s);
unsigned ckptd_store_line(CkptdStore *s);
gboolean ckptd_store_begin_generation(CkptdStore *s, uint64_t *ret_generation,
                                      GError **error);

gboolean ckptd_store_start_behind(CkptdStore *s, uint64_t epoch,
                                  uint64_t generation, GError **error);
gboolean ckptd_store_append(CkptdStore *s, const void *slot, size_t slot_bytes,
                            GError **error);

int ckptd_store_base_fd(CkptdStore *s);
gboolean ckptd_store_load_tail(CkptdStore *s, void *slot, size_t slot_bytes,
                               GError **error);
gboolean ckptd_store_ram_hash(CkptdStore *s, uint64_t *ret_hash);
uint64_t ckptd_store_devstate_bytes(CkptdStore *s);

gboolean ckptd_store_fold(CkptdStore *s, GError **error);
void ckptd_store_stats(CkptdStore *s, struct ckptd_store_stats *ret_stats);

gboolean ckptd_store_verify(const char *dir, CkptdVerifyFunc progress,
                            gpointer opaque,
                            struct ckptd_verify_report *ret_report,
                            GError **error);

#endif
