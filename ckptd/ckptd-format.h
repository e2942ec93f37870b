/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-format.h - what a store looks like on disk, format version 1
 *
 * Offsets are normative and explained in FORMAT.md; change both or neither.
 * Integers are little-endian and wrapped in structs of their own, so that a
 * forgotten conversion does not compile.
 */
#ifndef CKPTD_FORMAT_H
#define CKPTD_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <endian.h>

typedef struct {
    uint32_t v;
} le32;

typedef struct {
    uint64_t v;
} le64;

static inline uint32_t le32_get(le32 x)
{
    return le32toh(x.v);
}

static inline uint64_t le64_get(le64 x)
{
    return le64toh(x.v);
}

static inline le32 le32_put(uint32_t v)
{
    return (le32){ htole32(v) };
}

static inline le64 le64_put(uint64_t v)
{
    return (le64){ htole64(v) };
}

#define CKPTD_FORMAT_VERSION          1u
#define CKPTD_FORMAT_BLOCK_BYTES      4096u /* everything is aligned to it */
#define CKPTD_FORMAT_PAGE_BYTES       4096u
#define CKPTD_FORMAT_PAGE_ZERO        (1ull << 63)

/* Bits that this version knows; an unknown incompatible one: do not open. */
#define CKPTD_FORMAT_INCOMPAT         0ull
#define CKPTD_FORMAT_COMPAT           0ull

/* Of the meta pages: the base image is still in "origin". */
#define CKPTD_FORMAT_META_ORIGIN      (1ull << 0)
#define CKPTD_FORMAT_META_INCOMPAT    CKPTD_FORMAT_META_ORIGIN

/* Of a segment: void_epoch is to be looked at. */
#define CKPTD_FORMAT_SEGMENT_VOIDS    (1ull << 0)
#define CKPTD_FORMAT_SEGMENT_INCOMPAT CKPTD_FORMAT_SEGMENT_VOIDS

#define CKPTD_FORMAT_META_MAGIC       "SLUCMETA"
#define CKPTD_FORMAT_SEGMENT_MAGIC    "SLUCSEGM"
#define CKPTD_FORMAT_RECORD_MAGIC     "SLUCRECD"
#define CKPTD_FORMAT_LABEL_MAGIC      "SLUCLABL"
#define CKPTD_FORMAT_MOVE_MAGIC       "SLUCMOVE"

/* file "meta": two blocks, page serial & 1 holds the struct at its start */
struct ckptd_disk_meta {
    uint8_t magic[8];     /*   0 SLUCMETA */
    le32 version;         /*   8 */
    le32 struct_bytes;    /*  12 128; readers skip what they do not know */
    le64 incompat;        /*  16 unknown bit set: refuse to open */
    le64 compat;          /*  24 unknown bit set: ignore */
    uint8_t store_id[16]; /*  32 random, made with the store */
    le64 serial;          /*  48 the greater one is the newer page */
    le64 generation;      /*  56 */
    le64 base_epoch;      /*  64 the base image is RAM as of this epoch */
    le64 base_seal;       /*  72 seal of that epoch's record, or 0 */
    le64 fold_epoch;      /*  80 >= base_epoch: folding up to here may
                                 have written to the base image */
    le64 committed;       /*  88 epochs up to here were durable */
    le64 log_seq;         /*  96 of the first live segment */
    le64 reserved[2];     /* 104 zero */
    le64 sum;             /* 120 XXH3 64 of bytes 0..119 */
};

/* first block of a file "log-NNNN"; records follow at 4096 */
struct ckptd_disk_segment {
    uint8_t magic[8];     /*   0 SLUCSEGM */
    le32 version;         /*   8 */
    le32 struct_bytes;    /*  12 96 */
    le64 incompat;        /*  16 */
    le64 compat;          /*  24 */
    uint8_t store_id[16]; /*  32 as in the meta pages */
    le64 seq;             /*  48 order of the segments in the log */
    le64 salt;            /*  56 random for each use of the file */
    le64 segment_bytes;   /*  64 of the file */
    le64 void_epoch;      /*  72 CKPTD_FORMAT_SEGMENT_VOIDS: a record of this
                                 epoch before this segment does not count */
    le64 reserved;        /*  80 zero */
    le64 sum;             /*  88 XXH3 64 of bytes 0..87 */
};

#define CKPTD_FORMAT_RECORD_HASH     (1u << 0) /* ram_hash is valid */
#define CKPTD_FORMAT_RECORD_FORK     (1u << 1) /* a line begins behind it, */
#define CKPTD_FORMAT_RECORD_ROLLBACK (1u << 2) /* for this reason */

/*
 * A record: this header, n_pages list entries, device state, zeros up to
 * meta_bytes; then n_data pages in list order.
 */
struct ckptd_disk_record {
    uint8_t magic[8];    /*   0 SLUCRECD */
    le64 seal;           /*   8 XXH3 64, seed = salt, of bytes 16 to
                                meta_bytes */
    le64 salt;           /*  16 of the segment */
    le32 struct_bytes;   /*  24 128 */
    le32 flags;          /*  28 CKPTD_FORMAT_RECORD_* */
    le64 epoch;          /*  32 */
    le64 generation;     /*  40 */
    le64 committed;      /*  48 greatest durable epoch when written */
    le64 prev_seal;      /*  56 of the record of epoch - 1, or 0 */
    le64 record_bytes;   /*  64 == meta_bytes + n_data * 4096 */
    le64 meta_bytes;     /*  72 multiple of 4096 */
    le64 n_pages;        /*  80 */
    le64 n_data;         /*  88 list entries without PAGE_ZERO */
    le64 devstate_bytes; /*  96 */
    le64 ram_hash;       /* 104 XXH3 64 of RAM at the epoch's end */
    le64 reserved[2];    /* 112 zero */
};

struct ckptd_disk_page {
    le64 page; /*   0 page number, bit 63: PAGE_ZERO */
    le64 sum;  /*   8 XXH3 64 of the page, 0 if PAGE_ZERO */
};

/* file "label" of a named checkpoint: all of it */
struct ckptd_disk_label {
    uint8_t magic[8];    /*   0 SLUCLABL */
    le32 version;        /*   8 */
    le32 struct_bytes;   /*  12 128 */
    le64 incompat;       /*  16 */
    le64 compat;         /*  24 */
    le64 epoch;          /*  32 */
    le64 generation;     /*  40 in which the epoch was made */
    le64 created_s;      /*  48 since 1970 UTC */
    le64 ram_bytes;      /*  56 */
    le64 ram_hash;       /*  64 XXH3 64 of RAM, 0: not known */
    le64 image_bytes;    /*  72 of pages in "image" that are not zero */
    le64 devstate_bytes; /*  80 size of file "devstate" */
    le64 devstate_sum;   /*  88 XXH3 64 of it */
    le64 sums_sum;       /*  96 XXH3 64 of file "image.sums" */
    le64 reserved[2];    /* 104 zero */
    le64 sum;            /* 120 XXH3 64 of bytes 0..119 */
};

/* file "moves/ID" of the daemon: a block for each step of a move, or zeros */
struct ckptd_disk_move {
    uint8_t magic[8];  /*   0 SLUCMOVE */
    le32 version;      /*   8 */
    le32 struct_bytes; /*  12 320 */
    le32 role;         /*  16 enum ckptd_ledger_role */
    le32 step;         /*  20 enum ckptd_ledger_step; the block's place + 1 */
    le32 outcome;      /*  24 enum ckptd_ledger_outcome */
    le32 reserved;     /*  28 zero */
    uint8_t id[32];    /*  32 hex digits, the file's name */
    le64 generation;   /*  64 */
    le64 epoch;        /*  72 */
    char guest[64];    /*  80 NUL padded */
    char host[64];     /* 144 NUL padded */
    char print[64];    /* 208 hex digits of the other's certificate */
    le64 reserved1[5]; /* 272 zero */
    le64 sum;          /* 312 XXH3 64 of bytes 0..311 */
};

static_assert(sizeof(struct ckptd_disk_meta) == 128, "on-disk size");
static_assert(offsetof(struct ckptd_disk_meta, store_id) == 32, "offset");
static_assert(offsetof(struct ckptd_disk_meta, serial) == 48, "offset");
static_assert(offsetof(struct ckptd_disk_meta, generation) == 56, "offset");
static_assert(offsetof(struct ckptd_disk_meta, base_epoch) == 64, "offset");
static_assert(offsetof(struct ckptd_disk_meta, base_seal) == 72, "offset");
static_assert(offsetof(struct ckptd_disk_meta, fold_epoch) == 80, "offset");
static_assert(offsetof(struct ckptd_disk_meta, committed) == 88, "offset");
static_assert(offsetof(struct ckptd_disk_meta, log_seq) == 96, "offset");
static_assert(offsetof(struct ckptd_disk_meta, sum) == 120, "offset");
static_assert(sizeof(struct ckptd_disk_segment) == 96, "on-disk size");
static_assert(offsetof(struct ckptd_disk_segment, store_id) == 32, "offset");
static_assert(offsetof(struct ckptd_disk_segment, seq) == 48, "offset");
static_assert(offsetof(struct ckptd_disk_segment, salt) == 56, "offset");
static_assert(offsetof(struct ckptd_disk_segment, segment_bytes) == 64,
              "offset");
static_assert(offsetof(struct ckptd_disk_segment, void_epoch) == 72, "offset");
static_assert(offsetof(struct ckptd_disk_segment, sum) == 88, "offset");
static_assert(sizeof(struct ckptd_disk_record) == 128, "on-disk size");
static_assert(offsetof(struct ckptd_disk_record, seal) == 8, "offset");
static_assert(offsetof(struct ckptd_disk_record, salt) == 16, "offset");
static_assert(offsetof(struct ckptd_disk_record, flags) == 28, "offset");
static_assert(offsetof(struct ckptd_disk_record, epoch) == 32, "offset");
static_assert(offsetof(struct ckptd_disk_record, generation) == 40, "offset");
static_assert(offsetof(struct ckptd_disk_record, committed) == 48, "offset");
static_assert(offsetof(struct ckptd_disk_record, prev_seal) == 56, "offset");
static_assert(offsetof(struct ckptd_disk_record, record_bytes) == 64, "offset");
static_assert(offsetof(struct ckptd_disk_record, meta_bytes) == 72, "offset");
static_assert(offsetof(struct ckptd_disk_record, n_pages) == 80, "offset");
static_assert(offsetof(struct ckptd_disk_record, n_data) == 88, "offset");
static_assert(offsetof(struct ckptd_disk_record, devstate_bytes) == 96,
              "offset");
static_assert(offsetof(struct ckptd_disk_record, ram_hash) == 104, "offset");
static_assert(sizeof(struct ckptd_disk_page) == 16, "on-disk size");
static_assert(sizeof(struct ckptd_disk_label) == 128, "on-disk size");
static_assert(offsetof(struct ckptd_disk_label, epoch) == 32, "offset");
static_assert(offsetof(struct ckptd_disk_label, ram_bytes) == 56, "offset");
static_assert(offsetof(struct ckptd_disk_label, devstate_bytes) == 80,
              "offset");
static_assert(offsetof(struct ckptd_disk_label, sums_sum) == 96, "offset");
static_assert(offsetof(struct ckptd_disk_label, sum) == 120, "offset");
static_assert(sizeof(struct ckptd_disk_move) == 320, "on-disk size");
static_assert(offsetof(struct ckptd_disk_move, id) == 32, "offset");
static_assert(offsetof(struct ckptd_disk_move, generation) == 64, "offset");
static_assert(offsetof(struct ckptd_disk_move, guest) == 80, "offset");
static_assert(offsetof(struct ckptd_disk_move, print) == 208, "offset");
static_assert(offsetof(struct ckptd_disk_move, sum) == 312, "offset");

#endif
