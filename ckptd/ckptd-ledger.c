/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-ledger.c - whose a guest is that moves: what each side has promised
 *
 * Theory of operation (F1 between two hosts)
 *
 * The file has a block for each step.  A step is taken by one write of its
 * block to a file that has its size already, durable when it returns; a block
 * of zeros was never written.  One that is neither zeros nor whole is damaged,
 * and one that cannot be read may say anything: then nobody knows, and nothing
 * is done.  So each side can say after any crash:
 *
 *   FROM  offered    the guest is ours
 *         decided    given.  It may be the other's: neither run nor release.
 *         ended      the other has it, or it never took it (it is ours)
 *         removed    the other has it, and here it is gone: it may come back
 *   TO    offered    what came in is worth nothing
 *         decided    taken: the guest is ours, of a generation that is greater
 *
 *  H1  FROM is decided before GIVE is sent.
 *  H2  TO is decided before TAKEN is sent, and before its vCPU runs.
 *  H3  A move that TO does not know, or has only offered and now removed, it
 *      never took and never will: it is known to one process, and to that
 *      only until it says NEVER.
 *  H4  TO keeps its file until FROM has said that it is ended.
 *  H5  FROM is removed only when the guest's directory is gone, durably, and
 *      before another guest, or the same, comes in under its name.
 *
 * H1 to H3: FROM goes on only after NEVER, and then TO does not; TO goes on
 * only after GIVE, and then FROM does not without asking.
 */
#include "ckptd/ckptd-ledger.h"

#include <string.h>

#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-spec.h"
#include "ckptd/ckptd-sum.h"

#define BLOCK CKPTD_FORMAT_BLOCK_BYTES

struct ckptd_ledger {
    CkptdFile *file;
    struct ckptd_ledger_entry entry;
};

/**
 * ckptd_ledger_dir() - where the ledgers are
 * @state_dir: of the daemon
 *
 * Return: to be freed.
 */
char *ckptd_ledger_dir(const char *state_dir)
{
    return g_build_filename(state_dir, "moves", NULL);
}

static void put(const struct ckptd_ledger_entry *e,
                struct ckptd_disk_move *ret_disk)
{
    struct ckptd_disk_move d = {
        .version = le32_put(CKPTD_FORMAT_VERSION),
        .struct_bytes = le32_put(sizeof(d)),
        .role = le32_put(e->role),
        .step = le32_put(e->step),
        .outcome = le32_put(e->outcome),
        .generation = le64_put(e->generation),
        .epoch = le64_put(e->epoch),
    };

    memcpy(d.magic, CKPTD_FORMAT_MOVE_MAGIC, sizeof(d.magic));
    memcpy(d.id, e->id, sizeof(d.id));
    memcpy(d.print, e->print, sizeof(d.print));
    g_strlcpy(d.guest, e->guest, sizeof(d.guest));
    g_strlcpy(d.host, e->host, sizeof(d.host));
    d.sum = le64_put(ckptd_sum(&d, offsetof(struct ckptd_disk_move, sum), 0));
    *ret_disk = d;
}

/*
 * A block's struct lies in one sector: a crash leaves zeros or all of it.  So
 * one that is neither is damage, and no step that was not taken.
 */
enum block {
    BLOCK_EMPTY,
    BLOCK_WHOLE,
    BLOCK_DAMAGED,
    BLOCK_LATER, /* of a version that we do not know */
};

/* Return: what @d is as the block of @step. */
static enum block get(const struct ckptd_disk_move *d,
                      enum ckptd_ledger_step step,
                      struct ckptd_ledger_entry *ret_entry)
{
    static const struct ckptd_disk_move empty;
    struct ckptd_ledger_entry e = {
        .role = le32_get(d->role),
        .step = le32_get(d->step),
        .outcome = le32_get(d->outcome),
        .generation = le64_get(d->generation),
        .epoch = le64_get(d->epoch),
    };

    if (!memcmp(d, &empty, sizeof(empty))) {
        return BLOCK_EMPTY;
    }
    if (memcmp(d->magic, CKPTD_FORMAT_MOVE_MAGIC, sizeof(d->magic))) {
        return BLOCK_DAMAGED;
    }
    if (le32_get(d->version) != CKPTD_FORMAT_VERSION) {
        return BLOCK_LATER;
    }
    if (le64_get(d->sum) !=
        ckptd_sum(d, offsetof(struct ckptd_disk_move, sum), 0)) {
        return BLOCK_DAMAGED;
    }
    memcpy(e.id, d->id, sizeof(d->id));
    memcpy(e.print, d->print, sizeof(d->print));
    memcpy(e.guest, d->guest, sizeof(e.guest) - 1);
    memcpy(e.host, d->host, sizeof(e.host) - 1);
    if (e.step != step || e.outcome >= CKPTD_LEDGER__OUTCOMES ||
        (e.role != CKPTD_LEDGER_FROM && e.role != CKPTD_LEDGER_TO) ||
        !ckptd_peer_id_ok(e.id) || !ckptd_spec_name_ok(e.guest)) {
        return BLOCK_DAMAGED;
    }
    *ret_entry = e;
    return BLOCK_WHOLE;
}

/* Durable when it returns TRUE. */
static gboolean write_step(CkptdLedger *ledger,
                           const struct ckptd_ledger_entry *entry,
                           GError **error)
{
    uint8_t block[BLOCK] = { 0 };
    struct ckptd_disk_move d;

    put(entry, &d);
    memcpy(block, &d, sizeof(d));
    if (!ckptd_io_write(ledger->file, block, sizeof(block),
                        (entry->step - 1) * (uint64_t)BLOCK, error)) {
        return FALSE;
    }
    ledger->entry = *entry;
    return TRUE;
}

static gboolean fill(CkptdLedger *ledger, GError **error)
{
    g_autofree uint8_t *zeros = g_malloc0((CKPTD_LEDGER__END - 1) * BLOCK);

    return ckptd_io_write(ledger->file, zeros, (CKPTD_LEDGER__END - 1) * BLOCK,
                          0, error) &&
           ckptd_io_sync(ledger->file, error);
}

/**
 * ckptd_ledger_begin() - a guest is offered
 * @io:    the layer
 * @dir:   of the ledgers, made if it is not there
 * @entry: role, id, guest, host, print, generation
 * @error: CKPTD_ERROR_EXISTS: there is one of that id; and others
 *
 * Return: to be closed; all that later steps need of the disk is taken.
 * Context: any thread; blocks.
 */
CkptdLedger *ckptd_ledger_begin(struct ckptd_io *io, const char *dir,
                                const struct ckptd_ledger_entry *entry,
                                GError **error)
{
    g_autoptr(CkptdLedger) ledger = g_new0(CkptdLedger, 1);
    g_autofree char *parent = g_path_get_dirname(dir);
    struct ckptd_ledger_entry first = *entry;

    first.step = CKPTD_LEDGER_OFFERED;
    first.outcome = CKPTD_LEDGER_OPEN;
    if (!ckptd_io_make_dir(io, dir, error) ||
        !ckptd_io_sync_dir(io, parent, error) ||
        !(ledger->file = ckptd_io_open(io, dir, entry->id,
                                       CKPTD_IO_WRITE | CKPTD_IO_CREATE |
                                           CKPTD_IO_NEW | CKPTD_IO_DSYNC,
                                       error)) ||
        !fill(ledger, error) || !write_step(ledger, &first, error) ||
        !ckptd_io_sync_dir(io, dir, error)) {
        return NULL;
    }
    return g_steal_pointer(&ledger);
}

/* What block @step of a ledger is; FALSE: that is not known. */
static gboolean read_step(CkptdFile *file, enum ckptd_ledger_step step,
                          enum block *ret, struct ckptd_ledger_entry *ret_entry,
                          GError **error)
{
    struct ckptd_disk_move d = { 0 };
    size_t len;

    /* A file that is too short was being filled with zeros. */
    if (!ckptd_io_read(file, &d, sizeof(d), (step - 1) * (uint64_t)BLOCK, &len,
                       error)) {
        return FALSE;
    }
    *ret = get(&d, step, ret_entry);
    return TRUE;
}

/*
 * The last step that was taken.  Where that is not known, what @ret_entry is
 * given is of an earlier step, if there is one: then it names the guest.
 */
static gboolean read_last(CkptdFile *file, const char *id,
                          struct ckptd_ledger_entry *ret_entry, GError **error)
{
    g_autoptr(GError) local = NULL;
    int step;

    for (step = CKPTD_LEDGER__END - 1; step > 0; step--) {
        struct ckptd_ledger_entry entry = { 0 };
        enum block block;

        if (!read_step(file, step, &block, &entry, local ? NULL : &local) ||
            block == BLOCK_EMPTY) {
            continue;
        }
        if (block == BLOCK_WHOLE && g_str_equal(entry.id, id)) {
            *ret_entry = entry;
            break;
        }
        if (!local) {
            g_set_error(&local, CKPTD_ERROR,
                        block == BLOCK_LATER ? CKPTD_ERROR_VERSION
                                             : CKPTD_ERROR_DAMAGED,
                        "%s: step %d %s", file->path, step,
                        block == BLOCK_LATER ? "is of a later version"
                                             : "is damaged");
        }
    }
    if (!local && !step) {
        g_set_error(&local, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "%s: no step was taken", file->path);
    }
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    return TRUE;
}

/**
 * ckptd_ledger_open() - go on with a ledger
 * @io:    the layer
 * @dir:   of the ledgers
 * @id:    of the move
 * @error: CKPTD_ERROR_NOT_FOUND: nothing was ever promised; any other: that is
 *         not known, and nothing may be done that a promise forbids
 *
 * Return: to be closed, or NULL.
 * Context: any thread; blocks.
 */
CkptdLedger *ckptd_ledger_open(struct ckptd_io *io, const char *dir,
                               const char *id, GError **error)
{
    g_autoptr(CkptdLedger) ledger = g_new0(CkptdLedger, 1);

    ledger->file =
        ckptd_io_open(io, dir, id, CKPTD_IO_WRITE | CKPTD_IO_DSYNC, error);
    return ledger->file && read_last(ledger->file, id, &ledger->entry, error)
               ? g_steal_pointer(&ledger)
               : NULL;
}

/**
 * ckptd_ledger_close() - let go of a ledger; the file stays
 * @ledger: may be NULL
 */
void ckptd_ledger_close(CkptdLedger *ledger)
{
    if (ledger) {
        ckptd_io_close(ledger->file);
        g_free(ledger);
    }
}

/**
 * ckptd_ledger_entry() - what it says
 * @ledger: open
 *
 * Return: owned by the ledger.
 */
const struct ckptd_ledger_entry *ckptd_ledger_entry(const CkptdLedger *ledger)
{
    return &ledger->entry;
}

/**
 * ckptd_ledger_decide() - give, or take
 * @ledger:     offered, or decided already
 * @generation: of the guest
 * @epoch:      its last
 * @error:      where to say why not: then it may have happened or not
 *
 * Return: TRUE when it is durable (H1, H2).
 * Context: any one thread; blocks.
 */
gboolean ckptd_ledger_decide(CkptdLedger *ledger, uint64_t generation,
                             uint64_t epoch, GError **error)
{
    struct ckptd_ledger_entry next = ledger->entry;

    g_assert(next.step <= CKPTD_LEDGER_DECIDED);
    next.step = CKPTD_LEDGER_DECIDED;
    next.generation = generation;
    next.epoch = epoch;
    return write_step(ledger, &next, error);
}

/**
 * ckptd_ledger_end() - now it is known whose it is
 * @ledger:  decided, of role FROM
 * @outcome: GONE or BACK
 * @error:   where to say why not
 *
 * Return: TRUE when it is durable.
 * Context: any one thread; blocks.
 */
gboolean ckptd_ledger_end(CkptdLedger *ledger,
                          enum ckptd_ledger_outcome outcome, GError **error)
{
    struct ckptd_ledger_entry next = ledger->entry;

    g_assert(next.step == CKPTD_LEDGER_DECIDED &&
             next.role == CKPTD_LEDGER_FROM && outcome != CKPTD_LEDGER_OPEN);
    next.step = CKPTD_LEDGER_ENDED;
    next.outcome = outcome;
    return write_step(ledger, &next, error);
}

/**
 * ckptd_ledger_removed() - it is the other's, and here it is gone (H5)
 * @ledger: ended, or removed already
 * @error:  where to say why not
 *
 * Return: TRUE when it is durable.
 * Context: any one thread; blocks.
 */
gboolean ckptd_ledger_removed(CkptdLedger *ledger, GError **error)
{
    struct ckptd_ledger_entry next = ledger->entry;

    g_assert(next.step >= CKPTD_LEDGER_ENDED &&
             next.outcome == CKPTD_LEDGER_GONE);
    next.step = CKPTD_LEDGER_REMOVED;
    return write_step(ledger, &next, error);
}

/**
 * ckptd_ledger_remove() - nobody will ask for this move any more
 * @io:    the layer
 * @dir:   of the ledgers
 * @id:    of the move
 * @error: where to say why not
 *
 * Return: TRUE when it is gone, durably.
 * Context: any thread; blocks.
 */
gboolean ckptd_ledger_remove(struct ckptd_io *io, const char *dir,
                             const char *id, GError **error)
{
    return ckptd_io_unlink(io, dir, id, error) &&
           ckptd_io_sync_dir(io, dir, error);
}

/*
 * Each ledger of @dir: FALSE with CKPTD_ERROR_NOT_FOUND for one that was never
 * begun; @ret_entry as from read_last().
 */
static gboolean read_one(struct ckptd_io *io, const char *dir, const char *id,
                         struct ckptd_ledger_entry *ret_entry, GError **error)
{
    g_autoptr(CkptdFile) file = ckptd_io_open(io, dir, id, 0, error);

    memset(ret_entry, 0, sizeof(*ret_entry));
    return file && read_last(file, id, ret_entry, error);
}

/* Return: (element-type utf8): ids, none where there is no @dir, or NULL. */
static GPtrArray *list_ids(struct ckptd_io *io, const char *dir, GError **error)
{
    g_autoptr(GError) local = NULL;
    GPtrArray *names = ckptd_io_list(io, dir, &local);
    guint i;

    if (!names && ckptd_lookup_is_absence(local)) {
        return g_ptr_array_new();
    }
    if (!names) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    for (i = names->len; i > 0; i--) {
        if (!ckptd_peer_id_ok(names->pdata[i - 1])) {
            g_ptr_array_remove_index(names, i - 1);
        }
    }
    return names;
}

/**
 * ckptd_ledger_list() - all ledgers that say something
 * @io:    the layer
 * @dir:   of the ledgers, need not be there
 * @ret_unclear: (nullable): set when one cannot be read
 * @error: where to say why not
 *
 * One that was never begun says nothing, and is left out.  One that cannot be
 * read is left out with a warning; what it forbids ckptd_ledger_find() knows.
 *
 * Return: (element-type struct ckptd_ledger_entry): to be unreffed, or NULL.
 * Context: any thread; blocks.
 */
GArray *ckptd_ledger_list(struct ckptd_io *io, const char *dir,
                          GError **ret_unclear, GError **error)
{
    g_autoptr(GPtrArray) ids = list_ids(io, dir, error);
    GArray *all;
    guint i;

    if (!ids) {
        return NULL;
    }
    all = g_array_new(FALSE, FALSE, sizeof(struct ckptd_ledger_entry));
    for (i = 0; i < ids->len; i++) {
        struct ckptd_ledger_entry entry;
        g_autoptr(GError) local = NULL;

        if (read_one(io, dir, ids->pdata[i], &entry, &local)) {
            g_array_append_val(all, entry);
        } else if (!ckptd_lookup_is_absence(local)) {
            g_warning("%s", local->message);
            if (ret_unclear && !*ret_unclear) {
                *ret_unclear = g_steal_pointer(&local);
            }
        }
    }
    return all;
}

/**
 * ckptd_ledger_find() - is a guest given away?
 * @io:        the layer
 * @state_dir: of the daemon
 * @step:      of a ledger of role FROM; others of the guest do not count, they
 *             are of moves before, or after
 * @guest:     its name
 * @ret_entry: filled in
 * @error:     CKPTD_ERROR_NOT_FOUND: there is no such ledger; any other: that
 *             is not known, as a ledger that may be it cannot be read
 *
 * Return: TRUE if there is such a ledger.
 * Context: any thread; blocks.
 */
gboolean ckptd_ledger_find(struct ckptd_io *io, const char *state_dir,
                           enum ckptd_ledger_step step, const char *guest,
                           struct ckptd_ledger_entry *ret_entry, GError **error)
{
    g_autofree char *dir = ckptd_ledger_dir(state_dir);
    g_autoptr(GPtrArray) ids = list_ids(io, dir, error);
    g_autoptr(GError) unclear = NULL;
    guint i;

    if (!ids) {
        return FALSE;
    }
    for (i = 0; i < ids->len; i++) {
        struct ckptd_ledger_entry e;
        g_autoptr(GError) local = NULL;

        if (read_one(io, dir, ids->pdata[i], &e, &local)) {
            if (e.role == CKPTD_LEDGER_FROM && e.step == step &&
                g_str_equal(e.guest, guest)) {
                *ret_entry = e;
                return TRUE;
            }
        } else if (!ckptd_lookup_is_absence(local) && !unclear &&
                   (!e.guest[0] || g_str_equal(e.guest, guest))) {
            unclear = g_steal_pointer(&local);
        }
    }
    if (!unclear) {
        g_set_error(&unclear, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND,
                    "%s is not given away", guest);
    }
    g_propagate_error(error, g_steal_pointer(&unclear));
    return FALSE;
}
