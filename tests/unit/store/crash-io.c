/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-io.c - files in memory that remember how they came about
 *
 * What is durable follows from few rules, which are those of POSIX and of the
 * file systems we know: a write with CKPTD_IO_DSYNC when it returns, other
 * writes and sizes with the next sync of their file, names (directories' too)
 * with the next sync of the directory they are in, in the order in which they
 * were made. Until then a crash may leave any sectors of any write, and any
 * first few of the changes to names; what is in a directory whose own name is
 * lost is lost with it.
 */
#include "tests/unit/store/crash-disk.h"

#include <errno.h>
#include <string.h>

struct handle {
    guint file;
    unsigned flags;
    int deny; /* what reading it ends with, 0 = nothing */
};

struct crash_io {
    struct ckptd_io layer; /* first: cast back */
    GMutex lock;
    struct crash_disk start;   /* before the trace */
    struct crash_disk disk;    /* now */
    GArray *handles;           /* struct handle */
    GPtrArray *trace;          /* struct crash_op */
    unsigned fail_in;          /* operations until one fails, 0 = never */
    unsigned n_failing;        /* so many in a row then */
    enum crash_keep fail_keep; /* what is left of a write that does */
    GRand *rand;               /* which sectors */
    gboolean failed;
    GHashTable *denied[CRASH_CALL__MAX]; /* path -> errno */
};

struct crash_replay {
    struct crash_io *of;
    GRand *rand;
    struct crash_disk durable;
    GPtrArray *pending; /* struct crash_op of the trace, oldest first */
    struct crash_promise promise;
    guint next;        /* the op in flight */
    unsigned n_points; /* that were passed */
    char text[200];
};

/* --- the layer ------------------------------------------------------------ */

/*
 * Fail.  Of a write something is left, and all of it may get to the disk yet;
 * of everything else nothing.
 */
static int fail(struct crash_io *c, struct crash_op *op)
{
    c->failed = TRUE;
    if (--c->n_failing == 0) {
        c->fail_in = 0;
    }
    if (op->type == OP_WRITE) {
        op->durable = FALSE;
        op->failed = TRUE;
        crash_disk_apply(&c->disk, op, c->fail_keep, c->rand);
        g_ptr_array_add(c->trace, op);
    } else {
        crash_op_free(op);
    }
    return -EIO;
}

/* Do it, and remember it. Takes over what @op points to. */
static int perform(struct crash_io *c, const struct crash_op *op)
{
    struct crash_op *copy = g_memdup2(op, sizeof(*op));

    if (c->fail_in && op->type != OP_PROMISE) {
        if (c->fail_in == 1) {
            return fail(c, copy);
        }
        c->fail_in--;
    }
    g_ptr_array_add(c->trace, copy);
    crash_disk_apply(&c->disk, copy, CRASH_KEEP, NULL);
    return 0;
}

static struct crash_io *begin(struct ckptd_io *io)
{
    struct crash_io *c = (struct crash_io *)io;

    g_mutex_lock(&c->lock);
    return c;
}

static int end(struct crash_io *c, int ret)
{
    g_mutex_unlock(&c->lock);
    return ret;
}

static guint file_of(struct crash_io *c, int handle)
{
    return g_array_index(c->handles, struct handle, handle).file;
}

/* Return: what @call of @path ends with, 0 = nothing in its way. */
static int denied(struct crash_io *c, enum crash_call call, const char *path)
{
    return GPOINTER_TO_INT(g_hash_table_lookup(c->denied[call], path));
}

static int crash_open(struct ckptd_io *io, const char *path, unsigned flags)
{
    struct crash_io *c = begin(io);
    struct handle h = { .flags = flags, .deny = denied(c, CRASH_READ, path) };
    gpointer file = g_hash_table_lookup(c->disk.names, path);
    g_autofree char *dir = g_path_get_dirname(path);

    if (denied(c, CRASH_OPEN, path)) {
        return end(c, -denied(c, CRASH_OPEN, path));
    }
    if (file && (flags & CKPTD_IO_NEW)) {
        return end(c, -EEXIST);
    }
    if (!file &&
        (!(flags & CKPTD_IO_CREATE) || !crash_disk_has_dir(&c->disk, dir))) {
        return end(c, -ENOENT);
    }
    if (file) {
        h.file = GPOINTER_TO_UINT(file) - 1;
    } else {
        struct crash_op op = { .type = OP_CREATE, .file = c->disk.files->len };

        op.name = g_strdup(path);
        h.file = op.file;
        if (perform(c, &op) < 0) {
            return end(c, -EIO);
        }
    }
    g_array_append_val(c->handles, h);
    return end(c, c->handles->len - 1);
}

static void crash_close(struct ckptd_io *io G_GNUC_UNUSED,
                        int handle G_GNUC_UNUSED)
{
}

static ssize_t crash_writev(struct ckptd_io *io, int handle,
                            const struct iovec *iov, int n_iov, uint64_t offset)
{
    struct crash_io *c = begin(io);
    struct crash_op op = { .type = OP_WRITE,
                           .file = file_of(c, handle),
                           .offset = offset };
    unsigned flags = g_array_index(c->handles, struct handle, handle).flags;
    GByteArray *all = g_byte_array_new();
    int i;

    for (i = 0; i < n_iov; i++) {
        g_byte_array_append(all, iov[i].iov_base, iov[i].iov_len);
    }
    op.durable = flags & CKPTD_IO_DSYNC;
    op.len = all->len;
    op.data = g_byte_array_free(all, FALSE);
    i = perform(c, &op);
    g_mutex_unlock(&c->lock);
    return i < 0 ? i : (ssize_t)op.len;
}

static ssize_t crash_read(struct ckptd_io *io, int handle, void *buf,
                          size_t len, uint64_t offset)
{
    struct crash_io *c = begin(io);
    const GByteArray *f = crash_disk_file(&c->disk, file_of(c, handle));
    int deny = g_array_index(c->handles, struct handle, handle).deny;

    if (deny) {
        return end(c, -deny);
    }
    len = offset < f->len ? MIN(len, f->len - offset) : 0;
    if (len) {
        memcpy(buf, f->data + offset, len);
    }
    g_mutex_unlock(&c->lock);
    return len;
}

static int crash_file_op(struct ckptd_io *io, int handle, enum op_type type,
                         uint64_t offset, uint64_t len)
{
    struct crash_io *c = begin(io);
    struct crash_op op = {
        .type = type,
        .file = file_of(c, handle),
        .offset = offset,
        .len = len,
    };

    return end(c, perform(c, &op));
}

static int crash_sync(struct ckptd_io *io, int handle)
{
    return crash_file_op(io, handle, OP_SYNC, 0, 0);
}

static int crash_resize(struct ckptd_io *io, int handle, uint64_t bytes)
{
    return crash_file_op(io, handle, OP_RESIZE, bytes, 0);
}

static int crash_reserve(struct ckptd_io *io G_GNUC_UNUSED,
                         int handle G_GNUC_UNUSED, uint64_t bytes G_GNUC_UNUSED)
{
    return 0;
}

static int crash_punch(struct ckptd_io *io, int handle, uint64_t offset,
                       uint64_t len)
{
    return crash_file_op(io, handle, OP_PUNCH, offset, len);
}

static int64_t crash_size(struct ckptd_io *io, int handle)
{
    struct crash_io *c = begin(io);

    return end(c, crash_disk_file(&c->disk, file_of(c, handle))->len);
}

static void crash_advise(struct ckptd_io *io G_GNUC_UNUSED,
                         int handle G_GNUC_UNUSED,
                         uint64_t offset G_GNUC_UNUSED,
                         uint64_t len G_GNUC_UNUSED,
                         gboolean will_need G_GNUC_UNUSED)
{
}

static int crash_lock(struct ckptd_io *io G_GNUC_UNUSED,
                      int handle G_GNUC_UNUSED, gboolean shared G_GNUC_UNUSED)
{
    return 0;
}

static int crash_fd(struct ckptd_io *io G_GNUC_UNUSED, int handle G_GNUC_UNUSED)
{
    return -1;
}

/* @name is there, and so is @to if @both. */
static int crash_name_op(struct ckptd_io *io, enum op_type type,
                         const char *name, const char *to, gboolean both)
{
    struct crash_io *c = begin(io);
    struct crash_op op = { .type = type };

    if (!g_hash_table_contains(c->disk.names, name) ||
        (both && !g_hash_table_contains(c->disk.names, to))) {
        return end(c, -ENOENT);
    }
    op.name = g_strdup(name);
    op.to = g_strdup(to);
    return end(c, perform(c, &op));
}

/* A name that was not there. */
static int crash_new_name(struct ckptd_io *io, enum op_type type,
                          const char *path, const char *from)
{
    struct crash_io *c = begin(io);
    struct crash_op op = { .type = type };
    gpointer file = from ? g_hash_table_lookup(c->disk.names, from) : NULL;

    if (from && !file) {
        return end(c, -ENOENT);
    }
    if (g_hash_table_contains(c->disk.names, path)) {
        return end(c, -EEXIST);
    }
    op.file = GPOINTER_TO_UINT(file) - 1;
    op.name = g_strdup(path);
    return end(c, perform(c, &op));
}

static int crash_make_dir(struct ckptd_io *io, const char *path)
{
    return crash_new_name(io, OP_MAKE_DIR, path, NULL);
}

static int crash_sync_dir(struct ckptd_io *io, const char *path)
{
    struct crash_io *c = begin(io);
    struct crash_op op = { .type = OP_SYNC_DIR, .name = g_strdup(path) };

    return end(c, perform(c, &op));
}

static int crash_remove_dir(struct ckptd_io *io, const char *path)
{
    return crash_name_op(io, OP_REMOVE_DIR, path, NULL, FALSE);
}

static int crash_rename(struct ckptd_io *io, const char *from, const char *to)
{
    return crash_name_op(io, OP_RENAME, from, to, FALSE);
}

static int crash_exchange(struct ckptd_io *io, const char *a, const char *b)
{
    return crash_name_op(io, OP_EXCHANGE, a, b, TRUE);
}

static int crash_link(struct ckptd_io *io, const char *from, const char *to)
{
    return crash_new_name(io, OP_LINK, to, from);
}

static int crash_unlink(struct ckptd_io *io, const char *path)
{
    return crash_name_op(io, OP_UNLINK, path, NULL, FALSE);
}

static int crash_list(struct ckptd_io *io, const char *path, GPtrArray *names)
{
    struct crash_io *c = begin(io);
    GHashTableIter iter;
    gpointer name;

    if (denied(c, CRASH_LIST, path)) {
        return end(c, -denied(c, CRASH_LIST, path));
    }
    if (!crash_disk_has_dir(&c->disk, path)) {
        return end(c, -ENOENT);
    }
    g_hash_table_iter_init(&iter, c->disk.names);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autofree char *dir = g_path_get_dirname(name);

        if (g_str_equal(dir, path)) {
            g_ptr_array_add(names, g_path_get_basename(name));
        }
    }
    return end(c, 0);
}

/**
 * crash_io_new() - an empty disk
 *
 * Return: (transfer full): the disk.
 * Context: any.
 */
struct crash_io *crash_io_new(void)
{
    struct crash_io *c = g_new0(struct crash_io, 1);
    unsigned i;

    for (i = 0; i < CRASH_CALL__MAX; i++) {
        c->denied[i] =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    c->layer = (struct ckptd_io){
        .open = crash_open,
        .close = crash_close,
        .writev = crash_writev,
        .read = crash_read,
        .sync = crash_sync,
        .resize = crash_resize,
        .reserve = crash_reserve,
        .punch = crash_punch,
        .size = crash_size,
        .advise = crash_advise,
        .lock = crash_lock,
        .fd = crash_fd,
        .make_dir = crash_make_dir,
        .sync_dir = crash_sync_dir,
        .remove_dir = crash_remove_dir,
        .rename = crash_rename,
        .exchange = crash_exchange,
        .link = crash_link,
        .unlink = crash_unlink,
        .list = crash_list,
    };
    g_mutex_init(&c->lock);
    crash_disk_init(&c->start);
    crash_disk_init(&c->disk);
    c->handles = g_array_new(FALSE, FALSE, sizeof(struct handle));
    c->trace = g_ptr_array_new_with_free_func(crash_op_free);
    return c;
}

/**
 * crash_io_clone() - a second disk with the same files
 * @c: the disk
 *
 * Return: (transfer full): the disk, with an empty trace and all on it durable.
 * Context: any.
 */
struct crash_io *crash_io_clone(struct crash_io *c)
{
    struct crash_io *clone = crash_io_new();

    crash_disk_clear(&clone->disk);
    crash_disk_copy(&clone->disk, &c->disk);
    crash_disk_clear(&clone->start);
    crash_disk_copy(&clone->start, &c->disk);
    return clone;
}

/**
 * crash_io_free() - forget a disk
 * @c: the disk; nothing is open on it
 *
 * Context: any.
 */
void crash_io_free(struct crash_io *c)
{
    unsigned i;

    for (i = 0; i < CRASH_CALL__MAX; i++) {
        g_hash_table_unref(c->denied[i]);
    }
    crash_disk_clear(&c->start);
    crash_disk_clear(&c->disk);
    g_array_unref(c->handles);
    g_ptr_array_unref(c->trace);
    g_mutex_clear(&c->lock);
    g_clear_pointer(&c->rand, g_rand_free);
    g_free(c);
}

/**
 * crash_io_layer() - the disk as the store sees it
 * @c: the disk
 *
 * Return: (transfer none): lives as long as the disk.
 * Context: any.
 */
struct ckptd_io *crash_io_layer(struct crash_io *c)
{
    return &c->layer;
}

/**
 * crash_io_fail_after() - have one operation fail with EIO
 * @c:     the disk
 * @n_ops: after so many that succeed
 *
 * Context: any.
 */
void crash_io_fail_after(struct crash_io *c, unsigned n_ops)
{
    crash_io_fail(c, n_ops, 1, CRASH_FIRST_HALF);
}

/**
 * crash_io_fail() - have some operations fail with EIO
 * @c:         the disk
 * @n_ops:     after so many that succeed
 * @n_failing: so many in a row
 * @keep:      what they leave of a write
 *
 * Context: any.
 */
void crash_io_fail(struct crash_io *c, unsigned n_ops, unsigned n_failing,
                   enum crash_keep keep)
{
    c->fail_in = n_ops + 1;
    c->n_failing = n_failing;
    c->fail_keep = keep;
    g_clear_pointer(&c->rand, g_rand_free);
    c->rand = g_rand_new_with_seed(n_ops);
    c->failed = FALSE;
}

/**
 * crash_io_deny() - have every call of a kind fail at one path
 * @c:    the disk
 * @call: of this kind; reading: of files that are opened from now on
 * @path: of the file or directory
 * @err:  errno that it fails with, 0 = it works again
 *
 * Context: any.
 */
void crash_io_deny(struct crash_io *c, enum crash_call call, const char *path,
                   int err)
{
    g_hash_table_replace(c->denied[call], g_strdup(path), GINT_TO_POINTER(err));
}

/**
 * crash_io_has_failed() - did it
 * @c: the disk
 *
 * Return: TRUE if the operation has failed.
 * Context: any.
 */
gboolean crash_io_has_failed(struct crash_io *c)
{
    return c->failed;
}

/**
 * crash_io_promise() - note in the trace what the store has promised by now
 * @c:       the disk
 * @promise: what must hold after any crash from here on
 *
 * Context: any thread.
 */
void crash_io_promise(struct crash_io *c, const struct crash_promise *promise)
{
    struct crash_op op = { .type = OP_PROMISE, .promise = *promise };

    begin(&c->layer);
    perform(c, &op);
    end(c, 0);
}

/**
 * crash_io_content() - what is in a file
 * @c:    the disk
 * @path: of the file
 * @buf:  where to
 * @len:  how much
 *
 * Return: FALSE if there is less.
 * Context: any.
 */
gboolean crash_io_content(struct crash_io *c, const char *path, void *buf,
                          size_t len)
{
    gpointer file = g_hash_table_lookup(c->disk.names, path);
    const GByteArray *f =
        file ? crash_disk_file(&c->disk, GPOINTER_TO_UINT(file) - 1) : NULL;

    if (!f || f->len < len) {
        return FALSE;
    }
    memcpy(buf, f->data, len);
    return TRUE;
}

/**
 * crash_io_poke() - change a file behind everybody's back
 * @c:      the disk
 * @path:   of the file
 * @offset: where
 * @data:   what
 * @len:    of it
 *
 * Return: FALSE if the file has no such place.
 * Context: any.
 */
gboolean crash_io_poke(struct crash_io *c, const char *path, uint64_t offset,
                       const void *data, size_t len)
{
    gpointer file = g_hash_table_lookup(c->disk.names, path);
    GByteArray *f =
        file ? crash_disk_file(&c->disk, GPOINTER_TO_UINT(file) - 1) : NULL;

    if (!f || offset > f->len || len > f->len - offset) {
        return FALSE;
    }
    memcpy(f->data + offset, data, len);
    return TRUE;
}

/* --- replaying ------------------------------------------------------------ */

static const struct crash_op *in_flight_op(struct crash_replay *r)
{
    return g_ptr_array_index(r->of->trace, r->next);
}

/* Promises are no points: nothing happens to the disk there. */
static void pass_promises(struct crash_replay *r)
{
    while (r->next < r->of->trace->len && in_flight_op(r)->type == OP_PROMISE) {
        r->promise = in_flight_op(r)->promise;
        r->next++;
    }
}

/**
 * crash_replay_new() - go through the trace of a disk
 * @c:    the disk; outlives the replay, does not change meanwhile
 * @rand: for what a crash leaves to chance
 *
 * Return: (transfer full): the replay, at the first point.
 * Context: any.
 */
struct crash_replay *crash_replay_new(struct crash_io *c, GRand *rand)
{
    struct crash_replay *r = g_new0(struct crash_replay, 1);

    r->of = c;
    r->rand = rand;
    crash_disk_copy(&r->durable, &c->start);
    r->pending = g_ptr_array_new();
    pass_promises(r);
    return r;
}

/* What waited for this sync is durable now. */
static void settle(struct crash_replay *r, const struct crash_op *sync)
{
    guint i = 0;

    while (i < r->pending->len) {
        const struct crash_op *op = g_ptr_array_index(r->pending, i);

        if (sync->type == OP_SYNC_DIR
                ? crash_op_is_name(op) && crash_op_is_in(op, sync->name)
                : !crash_op_is_name(op) && op->file == sync->file) {
            crash_disk_apply(&r->durable, op, CRASH_KEEP, NULL);
            g_ptr_array_remove_index(r->pending, i);
        } else {
            i++;
        }
    }
}

/* What has failed there will not come up after @op. */
static void supersede(struct crash_replay *r, const struct crash_op *op)
{
    guint i = 0;

    while (i < r->pending->len) {
        const struct crash_op *old = g_ptr_array_index(r->pending, i);

        if (old->failed && old->file == op->file &&
            old->offset < op->offset + op->len &&
            op->offset < old->offset + old->len) {
            g_ptr_array_remove_index(r->pending, i);
        } else {
            i++;
        }
    }
}

/**
 * crash_replay_next() - go past the operation in flight
 * @r: the replay
 *
 * Return: FALSE at the end of the trace.
 * Context: any.
 */
gboolean crash_replay_next(struct crash_replay *r)
{
    struct crash_op *op = g_ptr_array_index(r->of->trace, r->next);

    if (op->type == OP_SYNC || op->type == OP_SYNC_DIR) {
        settle(r, op);
    } else if (op->durable) {
        supersede(r, op);
        crash_disk_apply(&r->durable, op, CRASH_KEEP, NULL);
    } else {
        g_ptr_array_add(r->pending, op);
    }
    r->next++;
    r->n_points++;
    pass_promises(r);
    return r->next < r->of->trace->len;
}

/**
 * crash_replay_points() - how many points were passed
 * @r: the replay
 *
 * Return: their number.
 * Context: any.
 */
unsigned crash_replay_points(struct crash_replay *r)
{
    return r->n_points;
}

/**
 * crash_replay_promise() - what holds at this point
 * @r: the replay
 *
 * Return: (transfer none): what the store has promised.
 * Context: any.
 */
const struct crash_promise *crash_replay_promise(struct crash_replay *r)
{
    return &r->promise;
}

/**
 * crash_replay_is_write() - can the operation in flight be torn
 * @r: the replay
 *
 * Return: TRUE if it is a write of more than one sector.
 * Context: any.
 */
gboolean crash_replay_is_write(struct crash_replay *r)
{
    return in_flight_op(r)->len > CRASH_SECTOR_BYTES;
}

/**
 * crash_replay_has_pending() - is there anything else that is not durable
 * @r: the replay
 *
 * Return: TRUE if there is.
 * Context: any.
 */
gboolean crash_replay_has_pending(struct crash_replay *r)
{
    return r->pending->len > 0;
}

/**
 * crash_replay_crash() - the disk after a crash at this point
 * @r:         the replay
 * @in_flight: what became of the operation in flight
 * @pending:   what became of everything else that is not durable
 *
 * Return: (transfer full): the disk.
 * Context: any.
 */
struct crash_io *crash_replay_crash(struct crash_replay *r,
                                    enum crash_keep in_flight,
                                    enum crash_keep pending)
{
    struct crash_io *c = crash_io_new();
    gboolean names_go_on = pending != CRASH_DROP;
    const struct crash_op *last = in_flight_op(r);
    guint i;

    crash_disk_clear(&c->disk);
    crash_disk_copy(&c->disk, &r->durable);
    for (i = 0; i < r->pending->len; i++) {
        const struct crash_op *op = g_ptr_array_index(r->pending, i);

        if (!crash_op_is_name(op)) {
            crash_disk_apply(&c->disk, op, pending, r->rand);
            continue;
        }
        if (pending == CRASH_RANDOM && g_rand_int_range(r->rand, 0, 4) == 0) {
            names_go_on = FALSE;
        }
        if (names_go_on) {
            crash_disk_apply(&c->disk, op, CRASH_KEEP, r->rand);
        }
    }
    if (in_flight != CRASH_DROP && (!crash_op_is_name(last) || names_go_on)) {
        crash_disk_apply(&c->disk, last, in_flight, r->rand);
    }
    crash_disk_drop_orphans(&c->disk);
    /* A file whose number nobody has yet must not be taken for another. */
    crash_disk_file(&c->disk, r->of->disk.files->len);
    crash_disk_clear(&c->start);
    crash_disk_copy(&c->start, &c->disk);
    return c;
}

/**
 * crash_replay_describe() - which point this is, for messages
 * @r: the replay
 *
 * Return: (transfer none): valid until the next call.
 * Context: any.
 */
const char *crash_replay_describe(struct crash_replay *r)
{
    const struct crash_op *op = in_flight_op(r);

    g_snprintf(r->text, sizeof(r->text),
               "point %u: %s file %u %s at %" G_GUINT64_FORMAT
               " + %" G_GUINT64_FORMAT,
               r->next, crash_op_describe(op->type), op->file,
               op->name ? op->name : "", op->offset, op->len);
    return r->text;
}

/**
 * crash_replay_free() - end a replay
 * @r: the replay
 *
 * Context: any.
 */
void crash_replay_free(struct crash_replay *r)
{
    crash_disk_clear(&r->durable);
    g_ptr_array_unref(r->pending);
    g_free(r);
}
