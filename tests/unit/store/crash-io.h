/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-io.h - files in memory that remember how they came about
 *
 * A scenario runs on it and leaves a trace of all it did to the disk. From the
 * trace one can make the disk as a crash at any point may have left it.
 */
#ifndef CRASH_IO_H
#define CRASH_IO_H

#include "ckptd/ckptd-io.h"

#define CRASH_SECTOR_BYTES 512u

/**
 * enum crash_keep - what a crash leaves of something not yet durable
 */
enum crash_keep {
    CRASH_DROP,       /* nothing */
    CRASH_KEEP,       /* everything */
    CRASH_FIRST_HALF, /* of a write: the sectors of its first half */
    CRASH_LAST_HALF,
    CRASH_NO_FIRST, /* all sectors but the first */
    CRASH_NO_LAST,
    CRASH_RANDOM, /* some sectors; of several writes, some */
    CRASH__MAX
};

/**
 * enum crash_call - what crash_io_deny() can deny
 */
enum crash_call {
    CRASH_OPEN,
    CRASH_READ,
    CRASH_LIST,
    CRASH_CALL__MAX
};

/**
 * struct crash_promise - what the store had promised at a point of the trace
 */
struct crash_promise {
    gboolean created;
    uint64_t epoch;
    uint64_t generation;
};

struct crash_io;
struct crash_replay;

struct crash_io *crash_io_new(void);
struct crash_io *crash_io_clone(struct crash_io *c);
void crash_io_free(struct crash_io *c);
struct ckptd_io *crash_io_layer(struct crash_io *c);
void crash_io_fail_after(struct crash_io *c, unsigned n_ops);
void crash_io_deny(struct crash_io *c, enum crash_call call, const char *path,
                   int err);
void crash_io_fail(struct crash_io *c, unsigned n_ops, unsigned n_failing,
                   enum crash_keep keep);
gboolean crash_io_has_failed(struct crash_io *c);
void crash_io_promise(struct crash_io *c, const struct crash_promise *promise);
gboolean crash_io_content(struct crash_io *c, const char *path, void *buf,
                          size_t len);
gboolean crash_io_poke(struct crash_io *c, const char *path, uint64_t offset,
                       const void *data, size_t len);

struct crash_replay *crash_replay_new(struct crash_io *c, GRand *rand);
gboolean crash_replay_next(struct crash_replay *r);
unsigned crash_replay_points(struct crash_replay *r);
const struct crash_promise *crash_replay_promise(struct crash_replay *r);
gboolean crash_replay_is_write(struct crash_replay *r);
gboolean crash_replay_has_pending(struct crash_replay *r);
struct crash_io *crash_replay_crash(struct crash_replay *r,
                                    enum crash_keep in_flight,
                                    enum crash_keep pending);
const char *crash_replay_describe(struct crash_replay *r);
void crash_replay_free(struct crash_replay *r);

#endif
