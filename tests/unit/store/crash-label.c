/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-label.c - named checkpoints, rollbacks and arrivals, after a crash at
 * every point
 *
 * A guest's directory with a store and a label of an earlier epoch is made
 * once. On a copy of it something is done to labels; then, for each operation
 * of that and each thing a crash can make of it, ckptd starts again: it tidies
 * up, and finds
 *
 *   - after a rollback the old store or the new one, whole, and nothing else
 *   - after writing or removing a label the label, whole, or none
 *   - after a fork the fork's store, whole, or none
 *   - after a guest has come in its store, whole, or what was there before
 *
 * and whatever it finds goes on.
 */
#include <malloc.h>
#include <string.h>

#include "ckptd/ckptd-arrival.h"
#include "ckptd/ckptd-label.h"
#include "ckptd/ckptd-store-internal.h"
#include "tests/unit/store/crash-io.h"
#include "tests/unit/store/store-fixture.h"

#define GUEST_DIR     "/g"
#define STORE_DIR     "/g/store"
#define LABELS_DIR    "/g/labels"
#define LABEL_DIR     "/g/labels/one"
#define SECOND_DIR    "/g/labels/two"
#define FORK_DIR      "/g/fork"
#define RAM_PAGES     32
#define RAM_BYTES     (RAM_PAGES * CKPT_PAGE_BYTES)
#define ARRIVAL_EPOCH 500u

static const struct ckptd_store_params sizes = {
    .segment_bytes = 64 << 10,
    .fold_start_bytes = 64 << 10,
    .tail_max_bytes = 256 << 10,
    .manual = TRUE,
};

/* RAM as of an epoch. */
struct moment {
    uint64_t epoch;
    uint8_t *ram;
};

/* @named: what label "one" holds; @last: where the store ends; @arrived: what
 * has come in */
struct fixture {
    struct crash_io *disk;
    GRand *rand;
    struct store_guest guest;
    struct ckptd_manifest manifest;
    struct moment named;
    struct moment last;
    struct moment arrived;
    uint64_t generation;
    unsigned n_checked;
};

static CkptdStore *open_store(struct crash_io *c, const char *dir)
{
    g_autoptr(GError) error = NULL;
    CkptdStore *s =
        ckptd_store_open_full(dir, &sizes, crash_io_layer(c), &error);

    g_assert_no_error(error);
    return s;
}

static void note(struct moment *m, const struct store_guest *g)
{
    m->epoch = g->epoch;
    m->ram = g_memdup2(g->ram, RAM_BYTES);
}

static gboolean write_label(struct crash_io *c, CkptdStore *s, const char *name,
                            GError **error)
{
    g_autoptr(CkptdSnapshot) snapshot = ckptd_store_snapshot(s, error);
    struct ckptd_label_work work = { 0 };

    return snapshot && ckptd_label_write(crash_io_layer(c), LABELS_DIR, name,
                                         snapshot, &work, error);
}

static void set_up(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_io *io;
    CkptdStore *s;
    unsigned i;

    f->disk = crash_io_new();
    f->rand = g_rand_new_with_seed(g_test_rand_int());
    io = crash_io_layer(f->disk);
    store_guest_init(&f->guest, RAM_PAGES, g_rand_int(f->rand));
    store_manifest(&f->manifest, RAM_PAGES);
    g_assert_true(ckptd_io_make_dir(io, GUEST_DIR, &error));
    s = ckptd_store_create_full(STORE_DIR, &f->manifest, &sizes, io, &error);
    g_assert_no_error(error);
    g_assert_true(ckptd_store_begin_generation(s, &f->generation, &error));
    f->guest.generation = f->generation;
    for (i = 0; i < 12; i++) {
        store_append(s, &f->guest, 6);
    }
    g_assert_true(ckptd_store_fold(s, &error));
    g_assert_true(write_label(f->disk, s, "one", &error));
    note(&f->named, &f->guest);
    for (i = 0; i < 6; i++) {
        store_append(s, &f->guest, 5);
    }
    note(&f->last, &f->guest);
    ckptd_store_close(s);
}

static void tear_down(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    g_print("# %u crashes\n", f->n_checked);
    g_free(f->named.ram);
    g_free(f->last.ram);
    g_free(f->arrived.ram);
    store_guest_clear(&f->guest);
    g_rand_free(f->rand);
    crash_io_free(f->disk);
}

/* Return: to be freed: RAM as a restore would see it. */
static uint8_t *rebuild(struct fixture *f, CkptdStore *s)
{
    g_autofree uint8_t *base = g_malloc(RAM_BYTES);
    g_autoptr(GError) error = NULL;
    struct ckptd_store_parts parts;
    uint8_t *ram;

    ckptd_store_parts(s, &parts);
    g_assert_true(ckptd_io_read(parts.base, base, RAM_BYTES, 0, NULL, &error));
    ram = store_rebuild(s, &f->guest, base, NULL, &error);
    g_assert_no_error(error);
    return ram;
}

/* It holds @m, and goes on from there. */
static void check_store(struct fixture *f, struct crash_io *c, const char *dir,
                        CkptdStore *s, const struct moment *m)
{
    g_autofree uint8_t *ram = rebuild(f, s);
    g_autofree uint8_t *later = NULL;
    g_autoptr(GError) error = NULL;
    struct store_guest g;

    g_assert_cmpuint(ckptd_store_last_epoch(s), ==, m->epoch);
    g_assert_cmpmem(ram, RAM_BYTES, m->ram, RAM_BYTES);
    store_guest_init(&g, RAM_PAGES, g_rand_int(f->rand));
    g_assert_true(ckptd_store_begin_generation(s, &g.generation, &error));
    g_assert_cmpuint(g.generation, >, f->generation);
    memcpy(g.ram, m->ram, RAM_BYTES);
    g.epoch = m->epoch;
    store_append(s, &g, 20);
    store_append(s, &g, 3);
    g_assert_true(ckptd_store_fold(s, &error));
    g_assert_no_error(error);
    ckptd_store_close(s);
    s = open_store(c, dir);
    g_assert_cmpuint(ckptd_store_line(s), ==, 0);
    later = rebuild(f, s);
    g_assert_cmpmem(later, RAM_BYTES, g.ram, RAM_BYTES);
    ckptd_store_close(s);
    store_guest_clear(&g);
}

/* Nothing is in the guest's directory but these. */
static void check_names(struct crash_io *c, const char *dir,
                        const char *const *expected)
{
    g_autoptr(GPtrArray) names = ckptd_io_list(crash_io_layer(c), dir, NULL);
    guint i;

    g_assert_nonnull(names);
    for (i = 0; i < names->len; i++) {
        g_assert_true(g_strv_contains(expected, names->pdata[i]));
    }
}

typedef gboolean (*DoFunc)(struct fixture *f, struct crash_io *c,
                           GError **error);
/* @done: the crash came after it had returned */
typedef void (*CheckFunc)(struct fixture *f, struct crash_io *c, gboolean done);

static void check_crash(struct fixture *f, struct crash_io *c, gboolean done,
                        CheckFunc check)
{
    f->n_checked++;
    ckptd_label_tidy(crash_io_layer(c), LABELS_DIR, STORE_DIR);
    ckptd_label_tidy(crash_io_layer(c), LABELS_DIR, FORK_DIR);
    ckptd_arrival_tidy(crash_io_layer(c), STORE_DIR);
    ckptd_arrival_tidy(crash_io_layer(c), FORK_DIR);
    check(f, c, done);
    crash_io_free(c);
}

/* A crash behind this undoes nothing. */
static void is_done(struct crash_io *c)
{
    const struct crash_promise promise = { .created = TRUE };

    crash_io_promise(c, &promise);
}

/* Do it on a copy of the disk, and crash it at every point of that. */
static void crash_everywhere(struct fixture *f, DoFunc act, CheckFunc check)
{
    static const enum crash_keep others[] = { CRASH_DROP, CRASH_KEEP,
                                              CRASH_RANDOM };
    struct crash_io *c = crash_io_clone(f->disk);
    g_autoptr(GError) error = NULL;
    struct crash_replay *r;
    guint keep, n_keep, i;

    g_assert_true(act(f, c, &error));
    g_assert_no_error(error);
    is_done(c);
    /* One more point, to crash behind the last. */
    g_assert_true(ckptd_io_make_dir(crash_io_layer(c), "/other", &error));
    r = crash_replay_new(c, f->rand);
    do {
        n_keep = crash_replay_is_write(r) ? CRASH__MAX : CRASH_KEEP + 1;
        for (keep = 0; keep < n_keep; keep++) {
            for (i = 0; i < G_N_ELEMENTS(others); i++) {
                g_test_message("%s: keep %u, others %u",
                               crash_replay_describe(r), keep, others[i]);
                check_crash(f, crash_replay_crash(r, keep, others[i]),
                            crash_replay_promise(r)->created, check);
            }
        }
    } while (crash_replay_next(r));
    crash_replay_free(r);
    crash_io_free(c);
}

/* Each operation of it fails once; then it is over, and leaves nothing. */
static void fail_everywhere(struct fixture *f, DoFunc act, CheckFunc check)
{
    gboolean failed = TRUE;
    unsigned n;

    for (n = 0; failed; n++) {
        struct crash_io *c = crash_io_clone(f->disk);
        g_autoptr(GError) error = NULL;
        gboolean ok;

        crash_io_fail_after(c, n);
        ok = act(f, c, &error);
        failed = crash_io_has_failed(c);
        crash_io_fail_after(c, G_MAXUINT - 1);
        check_crash(f, c, ok, check);
    }
    g_assert_cmpuint(n, >, 5);
}

/* --- rollback ------------------------------------------------------------- */

static gboolean roll_back(struct fixture *f, struct crash_io *c, GError **error)
{
    return ckptd_label_branch(crash_io_layer(c), LABEL_DIR, STORE_DIR,
                              &f->manifest, CKPT_LINE_ROLLBACK, f->generation,
                              error);
}

static void check_rolled_back(struct fixture *f, struct crash_io *c,
                              gboolean done)
{
    static const char *const names[] = { "store", "labels", NULL };
    CkptdStore *s = open_store(c, STORE_DIR);
    gboolean new_line = ckptd_store_line(s) == CKPT_LINE_ROLLBACK;
    struct ckptd_label label;

    g_assert_true(new_line || !done);
    check_names(c, GUEST_DIR, names);
    g_assert_true(ckptd_label_load(crash_io_layer(c), LABEL_DIR, &label, NULL));
    check_store(f, c, STORE_DIR, s, new_line ? &f->named : &f->last);
}

/* What a rollback that fails says of the store is so. */
static void test_rollback_tells(struct fixture *f,
                                gconstpointer opaque G_GNUC_UNUSED)
{
    unsigned n, n_exchanged = 0;
    gboolean failed = TRUE;

    for (n = 0; failed; n++) {
        struct crash_io *c = crash_io_clone(f->disk);
        g_autoptr(GError) error = NULL;
        gboolean exchanged, ok;
        CkptdStore *s;

        crash_io_fail_after(c, n);
        ok = roll_back(f, c, &error);
        failed = crash_io_has_failed(c);
        crash_io_fail_after(c, G_MAXUINT - 1);
        s = open_store(c, STORE_DIR);
        exchanged = ckptd_store_line(s) == CKPT_LINE_ROLLBACK;
        if (error) {
            g_assert_cmpint(strstr(error->message, "nothing was changed") ==
                                NULL,
                            ==, exchanged);
        }
        n_exchanged += !ok && exchanged;
        ckptd_store_close(s);
        crash_io_free(c);
    }
    g_assert_cmpuint(n_exchanged, >, 0);
}

static void test_rollback(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    crash_everywhere(f, roll_back, check_rolled_back);
    fail_everywhere(f, roll_back, check_rolled_back);
}

/* --- a start from a label ------------------------------------------------- */

static gboolean fork_off(struct fixture *f, struct crash_io *c, GError **error)
{
    return ckptd_label_branch(crash_io_layer(c), LABEL_DIR, FORK_DIR,
                              &f->manifest, CKPT_LINE_FORK, 0, error);
}

static void check_forked(struct fixture *f, struct crash_io *c, gboolean done)
{
    static const char *const names[] = { "store", "labels", "fork", NULL };
    g_autoptr(GError) error = NULL;
    CkptdStore *s;

    check_names(c, GUEST_DIR, names);
    s = ckptd_store_open_full(FORK_DIR, &sizes, crash_io_layer(c), &error);
    if (!s) {
        g_assert_false(done);
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
        g_clear_error(&error);
        fork_off(f, c, &error);
        g_assert_no_error(error);
        s = open_store(c, FORK_DIR);
    }
    g_assert_cmpuint(ckptd_store_line(s), ==, CKPT_LINE_FORK);
    check_store(f, c, FORK_DIR, s, &f->named);
    s = open_store(c, STORE_DIR);
    check_store(f, c, STORE_DIR, s, &f->last);
}

static void test_fork(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    crash_everywhere(f, fork_off, check_forked);
    fail_everywhere(f, fork_off, check_forked);
}

/* --- labels --------------------------------------------------------------- */

static gboolean name_second(struct fixture *f G_GNUC_UNUSED, struct crash_io *c,
                            GError **error)
{
    g_autoptr(CkptdStore) s =
        ckptd_store_open_full(STORE_DIR, &sizes, crash_io_layer(c), error);

    return s && write_label(c, s, "two", error);
}

/* The label is there, whole, or not at all. */
static void check_label(struct fixture *f, struct crash_io *c, const char *dir,
                        gboolean must, const struct moment *m)
{
    struct ckptd_io *io = crash_io_layer(c);
    g_autoptr(GError) error = NULL;
    struct ckptd_label label;

    if (!ckptd_label_load(io, dir, &label, &error)) {
        g_assert_false(must);
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
        return;
    }
    g_assert_cmpuint(label.epoch, ==, m->epoch);
    ckptd_label_branch(io, dir, FORK_DIR, &f->manifest, CKPT_LINE_FORK,
                       f->generation, &error);
    g_assert_no_error(error);
    check_store(f, c, FORK_DIR, open_store(c, FORK_DIR), m);
}

static void check_second(struct fixture *f, struct crash_io *c, gboolean done)
{
    static const char *const names[] = { "one", "two", NULL };

    check_names(c, LABELS_DIR, names);
    check_label(f, c, SECOND_DIR, done, &f->last);
    check_label(f, c, LABEL_DIR, TRUE, &f->named);
    check_store(f, c, STORE_DIR, open_store(c, STORE_DIR), &f->last);
}

static void test_write(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    crash_everywhere(f, name_second, check_second);
    fail_everywhere(f, name_second, check_second);
}

static gboolean remove_label(struct fixture *f G_GNUC_UNUSED,
                             struct crash_io *c, GError **error)
{
    return ckptd_label_remove(crash_io_layer(c), LABELS_DIR, "one", error);
}

static void check_removed(struct fixture *f, struct crash_io *c, gboolean done)
{
    struct ckptd_label label;

    g_assert_false(
        done && ckptd_label_load(crash_io_layer(c), LABEL_DIR, &label, NULL));
    check_label(f, c, LABEL_DIR, FALSE, &f->named);
}

static void test_remove(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    crash_everywhere(f, remove_label, check_removed);
}

/* --- a guest that comes in ------------------------------------------------ */

/* The same one each time. */
static gboolean bring(struct fixture *f, struct crash_io *c, const char *dir,
                      GError **error)
{
    CkptdArrival *a =
        ckptd_arrival_begin(crash_io_layer(c), dir, &f->manifest, error);
    gboolean ok = a != NULL;
    struct store_guest g;
    unsigned i;

    store_guest_init(&g, RAM_PAGES, 23);
    for (i = 0; ok && i < 3; i++) {
        store_guest_scribble(&g, 6);
        store_guest_capture(&g);
        ok = ckptd_arrival_put(a, g.slot, g.slot_bytes, error);
    }
    if (ok) {
        g.epoch = ARRIVAL_EPOCH - 1;
        g.generation = f->generation + 1;
        store_guest_scribble(&g, 4);
        store_guest_capture(&g);
        g_free(f->arrived.ram);
        note(&f->arrived, &g);
        ok = ckptd_arrival_finish(a, g.slot, g.slot_bytes, ARRIVAL_EPOCH,
                                  g.generation, error);
    }
    if (ok) {
        is_done(c);
    }
    ckptd_arrival_free(a);
    store_guest_clear(&g);
    return ok;
}

static gboolean come_back(struct fixture *f, struct crash_io *c, GError **error)
{
    return bring(f, c, STORE_DIR, error);
}

static void check_came_back(struct fixture *f, struct crash_io *c,
                            gboolean done)
{
    static const char *const names[] = { "store", "labels", NULL };
    CkptdStore *s = open_store(c, STORE_DIR);
    gboolean came = ckptd_store_generation(s) > f->generation;

    g_assert_true(came || !done);
    check_names(c, GUEST_DIR, names);
    check_store(f, c, STORE_DIR, s, came ? &f->arrived : &f->last);
}

static gboolean come(struct fixture *f, struct crash_io *c, GError **error)
{
    return bring(f, c, FORK_DIR, error);
}

static void check_came(struct fixture *f, struct crash_io *c, gboolean done)
{
    static const char *const names[] = { "store", "labels", "fork", NULL };
    g_autoptr(GError) error = NULL;
    CkptdStore *s;

    check_names(c, GUEST_DIR, names);
    s = ckptd_store_open_full(FORK_DIR, &sizes, crash_io_layer(c), &error);
    if (!s) {
        g_assert_false(done);
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
        return;
    }
    check_store(f, c, FORK_DIR, s, &f->arrived);
}

static void test_arrival(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    crash_everywhere(f, come_back, check_came_back);
    fail_everywhere(f, come_back, check_came_back);
}

static void test_first_arrival(struct fixture *f,
                               gconstpointer opaque G_GNUC_UNUSED)
{
    crash_everywhere(f, come, check_came);
    fail_everywhere(f, come, check_came);
}

#define ADD(path, func)                                                        \
    g_test_add(path, struct fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    ADD("/label/crash/rollback", test_rollback);
    ADD("/label/crash/rollback-tells", test_rollback_tells);
    ADD("/label/crash/fork", test_fork);
    ADD("/label/crash/write", test_write);
    ADD("/label/crash/remove", test_remove);
    ADD("/arrival/crash/comes-back", test_arrival);
    ADD("/arrival/crash/comes", test_first_arrival);
    return g_test_run();
}
