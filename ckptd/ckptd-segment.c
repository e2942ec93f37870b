/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-segment.c - one file of the log
 *
 * A file system turns a block that was only allocated into a written one by a
 * commit of its journal, and with O_DSYNC each append would wait for that. So
 * a segment is filled with zeros once, by a thread that nobody waits for, and
 * from then on only overwritten. What lies in a recycled segment cannot be
 * taken for new, because each use has a salt of its own.
 */
#include "ckptd/ckptd-segment.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "ckptd/ckptd-sum.h"

#define ZERO_CHUNK_BYTES (1u << 20)

/**
 * ckptd_segment_name_is_valid() - is it the name of a segment: log-NNNN
 * @name: of a file
 *
 * Return: TRUE if it is.
 * Context: any thread.
 */
gboolean ckptd_segment_name_is_valid(const char *name)
{
    const char *p;

    if (!g_str_has_prefix(name, "log-") || strlen(name) != 8) {
        return FALSE;
    }
    for (p = name + 4; *p; p++) {
        if (!g_ascii_isdigit(*p)) {
            return FALSE;
        }
    }
    return TRUE;
}

static CkptdSegment *segment_new(struct ckptd_io *io, const char *dir,
                                 const char *name, unsigned flags,
                                 GError **error)
{
    g_autoptr(CkptdSegment) seg = g_new0(CkptdSegment, 1);

    seg->name = g_strdup(name);
    seg->end = CKPTD_SEGMENT_START;
    if (flags) {
        seg->out = ckptd_io_open(io, dir, name, flags, error);
        if (!seg->out) {
            return NULL;
        }
    }
    seg->in = ckptd_io_open(io, dir, name, 0, error);
    return seg->in ? g_steal_pointer(&seg) : NULL;
}

/* Write zeros; the file grows with them, so its size says how far they go. */
static gboolean fill(struct ckptd_io *io, const char *dir, const char *name,
                     uint64_t bytes, GError **error)
{
    g_autoptr(CkptdFile) f = ckptd_io_open(
        io, dir, name, CKPTD_IO_WRITE | CKPTD_IO_CREATE | CKPTD_IO_DIRECT,
        error);
    uint8_t *zeros;
    gboolean ok;
    uint64_t at;

    if (!f) {
        return FALSE;
    }
    zeros = ckptd_io_alloc(MIN(ZERO_CHUNK_BYTES, bytes));
    ok = ckptd_io_resize(f, 0, error) && ckptd_io_reserve(f, bytes, error);
    for (at = 0; ok && at < bytes; at += ZERO_CHUNK_BYTES) {
        ok = ckptd_io_write(f, zeros, MIN(ZERO_CHUNK_BYTES, bytes - at), at,
                            error);
    }
    free(zeros);
    return ok && ckptd_io_sync(f, error);
}

static gboolean allocate(struct ckptd_io *io, const char *dir, const char *name,
                         uint64_t bytes, GError **error)
{
    g_autoptr(CkptdFile) f =
        ckptd_io_open(io, dir, name, CKPTD_IO_WRITE | CKPTD_IO_CREATE, error);

    return f && ckptd_io_resize(f, 0, error) &&
           ckptd_io_reserve(f, bytes, error) &&
           ckptd_io_resize(f, bytes, error) && ckptd_io_sync(f, error);
}

static gboolean write_header(CkptdSegment *seg, const uint8_t *store_id,
                             uint64_t seq, uint64_t salt, uint64_t void_epoch,
                             GError **error)
{
    uint64_t incompat = void_epoch ? CKPTD_FORMAT_SEGMENT_VOIDS : 0;
    struct ckptd_disk_segment d = {
        .version = le32_put(CKPTD_FORMAT_VERSION),
        .struct_bytes = le32_put(sizeof(d)),
        .incompat = le64_put(incompat),
        .compat = le64_put(CKPTD_FORMAT_COMPAT),
        .seq = le64_put(seq),
        .salt = le64_put(salt),
        .segment_bytes = le64_put(seg->bytes),
        .void_epoch = le64_put(void_epoch),
    };
    uint8_t *block = ckptd_io_alloc(CKPTD_FORMAT_BLOCK_BYTES);
    gboolean ok;

    memcpy(d.magic, CKPTD_FORMAT_SEGMENT_MAGIC, sizeof(d.magic));
    memcpy(d.store_id, store_id, sizeof(d.store_id));
    d.sum =
        le64_put(ckptd_sum(&d, offsetof(struct ckptd_disk_segment, sum), 0));
    memcpy(block, &d, sizeof(d));
    ok = ckptd_io_write(seg->out, block, CKPTD_FORMAT_BLOCK_BYTES, 0, error);
    free(block);
    if (ok) {
        seg->whole = TRUE;
        seg->seq = seq;
        seg->salt = salt;
        seg->void_epoch = void_epoch;
        seg->end = CKPTD_SEGMENT_START;
    }
    return ok;
}

/**
 * ckptd_segment_create() - make a spare segment
 * @io:     the layer
 * @dir:    the store's directory
 * @name:   of the file, which is not in use
 * @store_id: of the store
 * @bytes:  its size, a multiple of the block size
 * @zeroed: write zeros all through it; else only allocate, for a segment that
 *          takes one record in one write
 * @error:  where to say why not
 *
 * What was made of it when that fails is removed: where there is no space, it
 * must not take what there is.
 *
 * Return: (transfer full): the segment, its name and size durable.
 * Context: any thread; blocks long if @zeroed.
 */
CkptdSegment *ckptd_segment_create(struct ckptd_io *io, const char *dir,
                                   const char *name, const uint8_t *store_id,
                                   uint64_t bytes, gboolean zeroed,
                                   GError **error)
{
    unsigned flags = CKPTD_IO_WRITE | CKPTD_IO_DSYNC | CKPTD_IO_DIRECT;
    g_autoptr(CkptdSegment) seg = NULL;

    if ((zeroed ? fill(io, dir, name, bytes, error)
                : allocate(io, dir, name, bytes, error)) &&
        ckptd_io_sync_dir(io, dir, error)) {
        seg = segment_new(io, dir, name, flags, error);
    }
    if (seg) {
        seg->bytes = bytes;
        if (write_header(seg, store_id, 0, 0, 0, error)) {
            return g_steal_pointer(&seg);
        }
    }
    ckptd_io_unlink(io, dir, name, NULL);
    return NULL;
}

/**
 * ckptd_segment_open() - open a segment that is there
 * @io:        the layer
 * @dir:       the store's directory
 * @name:      of the file
 * @store_id:  of the store
 * @read_only: nothing will be written
 * @error:     CKPTD_ERROR_VERSION, _IO
 *
 * Return: (transfer full): the segment; not @whole if its header is not, or is
 * another store's.
 * Context: any thread; blocks.
 */
CkptdSegment *ckptd_segment_open(struct ckptd_io *io, const char *dir,
                                 const char *name, const uint8_t *store_id,
                                 gboolean read_only, GError **error)
{
    unsigned flags = CKPTD_IO_WRITE | CKPTD_IO_DSYNC | CKPTD_IO_DIRECT;
    g_autoptr(CkptdSegment) seg =
        segment_new(io, dir, name, read_only ? 0 : flags, error);
    struct ckptd_disk_segment d = { 0 };
    size_t len;

    if (!seg || !ckptd_io_size(seg->in, &seg->bytes, error) ||
        !ckptd_io_read(seg->in, &d, sizeof(d), 0, &len, error)) {
        return NULL;
    }
    if (memcmp(d.magic, CKPTD_FORMAT_SEGMENT_MAGIC, sizeof(d.magic)) ||
        le64_get(d.sum) !=
            ckptd_sum(&d, offsetof(struct ckptd_disk_segment, sum), 0) ||
        memcmp(d.store_id, store_id, sizeof(d.store_id))) {
        return g_steal_pointer(&seg);
    }
    if (le32_get(d.version) != CKPTD_FORMAT_VERSION ||
        (le64_get(d.incompat) & ~CKPTD_FORMAT_SEGMENT_INCOMPAT)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_VERSION,
                    "%s: written by a later version", seg->in->path);
        return NULL;
    }
    if (le64_get(d.segment_bytes) == seg->bytes) {
        seg->whole = TRUE;
        seg->seq = le64_get(d.seq);
        seg->salt = le64_get(d.salt);
        seg->void_epoch = le64_get(d.incompat) & CKPTD_FORMAT_SEGMENT_VOIDS
                              ? le64_get(d.void_epoch)
                              : 0;
    }
    return g_steal_pointer(&seg);
}

/**
 * ckptd_segment_activate() - begin to use a spare segment
 * @seg:      the segment
 * @store_id: of the store
 * @seq:      the one after the last segment's
 * @void_epoch: whose write has failed, and may have left a record before this
 *            segment that does not count; 0 = none
 * @error:    where to say why not
 *
 * Return: TRUE if it is durably the log's last segment, still without records.
 * Context: the log's owner thread; blocks.
 */
gboolean ckptd_segment_activate(CkptdSegment *seg, const uint8_t *store_id,
                                uint64_t seq, uint64_t void_epoch,
                                GError **error)
{
    uint64_t salt;

    if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt)) {
        g_error("no random numbers");
    }
    return write_header(seg, store_id, seq, salt, void_epoch, error);
}

/**
 * ckptd_segment_free() - close the file
 * @seg: (transfer full) (nullable): the segment
 *
 * Context: any thread, the last that uses it.
 */
void ckptd_segment_free(CkptdSegment *seg)
{
    if (seg) {
        ckptd_io_close(seg->out);
        ckptd_io_close(seg->in);
        g_free(seg->name);
        g_free(seg);
    }
}
