/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-label.c - named checkpoints, and stores that begin with one
 */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "ckptd/ckptd-fold.h"
#include "ckptd/ckptd-label.h"
#include "ckptd/ckptd-log-internal.h"
#include "ckptd/ckptd-origin.h"
#include "ckptd/ckptd-store-internal.h"
#include "tests/unit/store/store-fixture.h"

#define RAM_PAGES 256
#define PAGE      4096

/* @ram: as of the label "one" */
struct fixture {
    char *dir;
    char *store_dir;
    char *labels_dir;
    char *label_dir;
    char *branch_dir;
    struct store_guest guest;
    struct ckptd_manifest manifest;
    CkptdStore *store;
    uint8_t *ram;
    uint64_t epoch;
};

static void write_label(struct fixture *f, const char *name)
{
    struct ckptd_label_work work = { 0 };
    g_autoptr(CkptdSnapshot) snapshot = NULL;
    g_autoptr(GError) error = NULL;

    snapshot = ckptd_store_snapshot(f->store, &error);
    g_assert_no_error(error);
    ckptd_label_write(ckptd_io_system(), f->labels_dir, name, snapshot, &work,
                      &error);
    g_assert_no_error(error);
    g_assert_cmpint(work.done, >, 0);
    g_assert_cmpint(work.done, ==, work.total);
}

static void set_up(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    unsigned i;

    f->dir = store_temp_dir();
    f->store_dir = g_build_filename(f->dir, "store", NULL);
    f->labels_dir = g_build_filename(f->dir, "labels", NULL);
    f->label_dir = g_build_filename(f->labels_dir, "one", NULL);
    f->branch_dir = g_build_filename(f->dir, "branch", NULL);
    store_guest_init(&f->guest, RAM_PAGES, 11);
    f->guest.with_hash = TRUE;
    store_manifest(&f->manifest, RAM_PAGES);
    f->store = store_create(f->store_dir, &f->guest, &store_small);
    for (i = 0; i < 12; i++) {
        store_append(f->store, &f->guest, 30);
    }
    g_assert_true(ckptd_store_fold(f->store, &error));
    store_append(f->store, &f->guest, 3);
    write_label(f, "one");
    f->ram = g_memdup2(f->guest.ram, RAM_PAGES * PAGE);
    f->epoch = f->guest.epoch;
}

static void tear_down(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    ckptd_store_close(f->store);
    store_guest_clear(&f->guest);
    store_remove_dir(f->dir);
    g_free(f->dir);
    g_free(f->store_dir);
    g_free(f->labels_dir);
    g_free(f->label_dir);
    g_free(f->branch_dir);
    g_free(f->ram);
}

static CkptdStore *branch(struct fixture *f, const char *dir,
                          enum ckpt_line_why why, uint64_t generation)
{
    struct ckptd_manifest m = f->manifest;
    g_autoptr(GError) error = NULL;
    CkptdStore *s;

    if (why == CKPT_LINE_FORK) {
        g_strlcpy(m.name, "other", sizeof(m.name));
        m.uuid[0] = 'a';
    }
    ckptd_label_branch(ckptd_io_system(), f->label_dir, dir, &m, why,
                       generation, &error);
    g_assert_no_error(error);
    s = ckptd_store_open_full(dir, &store_small, ckptd_io_system(), &error);
    g_assert_no_error(error);
    return s;
}

static void check_ram(struct fixture *f, CkptdStore *s, const uint8_t *want)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *ram = store_rebuild(s, &f->guest, NULL, NULL, &error);

    g_assert_no_error(error);
    g_assert_cmpmem(ram, RAM_PAGES * PAGE, want, RAM_PAGES * PAGE);
}

static void check_verify(const char *dir)
{
    struct ckptd_verify_report report;
    g_autoptr(GError) error = NULL;

    g_assert_true(ckptd_store_verify(dir, NULL, NULL, &report, &error));
    g_assert_cmpstr(report.first_problem, ==, "");
    g_assert_true(report.hash_checked);
}

static void test_immutable(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_label label;
    CkptdStore *s;
    unsigned i;

    for (i = 0; i < 12; i++) {
        store_append(f->store, &f->guest, 60);
    }
    g_assert_true(ckptd_store_fold(f->store, &error));
    g_assert_true(
        ckptd_label_load(ckptd_io_system(), f->label_dir, &label, &error));
    g_assert_cmpuint(label.epoch, ==, f->epoch);
    g_assert_cmpstr(label.manifest.name, ==, "guest");
    s = branch(f, f->branch_dir, CKPT_LINE_FORK, 0);
    check_ram(f, s, f->ram);
    ckptd_store_close(s);
    check_verify(f->branch_dir);
}

/* A line has a beginning, which stays until an epoch of its own is durable. */
static void test_line(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct store_guest g;
    uint64_t generation;
    CkptdStore *s;

    g_assert_cmpuint(ckptd_store_line(f->store), ==, 0);
    s = branch(f, f->branch_dir, CKPT_LINE_FORK, 0);
    g_assert_cmpuint(ckptd_store_last_epoch(s), ==, f->epoch);
    g_assert_cmpstr(ckptd_store_manifest(s)->name, ==, "other");
    g_assert_true(ckptd_store_begin_generation(s, &generation, &error));
    g_assert_cmpuint(generation, ==, 2);
    g_assert_cmpuint(ckptd_store_line(s), ==, CKPT_LINE_FORK);
    ckptd_store_close(s);

    s = ckptd_store_open_full(f->branch_dir, &store_small, ckptd_io_system(),
                              NULL);
    g_assert_cmpuint(ckptd_store_line(s), ==, CKPT_LINE_FORK);
    store_guest_init(&g, RAM_PAGES, 3);
    memcpy(g.ram, f->ram, RAM_PAGES * PAGE);
    g.epoch = f->epoch;
    g.generation = 2;
    store_append(s, &g, 5);
    g_assert_cmpuint(ckptd_store_line(s), ==, 0);
    check_ram(f, s, g.ram);
    ckptd_store_close(s);
    store_guest_clear(&g);
}

/* Folding gives the branch an image of its own and leaves the label alone. */
static void test_fold(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autofree char *origin = g_build_filename(f->branch_dir, "origin", NULL);
    g_autoptr(GError) error = NULL;
    struct store_guest g;
    uint64_t generation;
    CkptdStore *s, *other;
    unsigned i;

    s = branch(f, f->branch_dir, CKPT_LINE_FORK, 7);
    g_assert_true(ckptd_store_begin_generation(s, &generation, &error));
    g_assert_cmpuint(generation, ==, 8);
    store_guest_init(&g, RAM_PAGES, 3);
    memcpy(g.ram, f->ram, RAM_PAGES * PAGE);
    g.epoch = f->epoch;
    g.generation = 8;
    g.with_hash = TRUE;
    for (i = 0; i < 60; i++) { /* more than its first segment holds */
        store_append(s, &g, 40);
    }
    g_assert_cmpint(access(origin, F_OK), ==, 0);
    ckptd_label_remove(ckptd_io_system(), f->labels_dir, "one", &error);
    g_assert_no_error(error);
    g_assert_true(ckptd_store_fold(s, &error));
    g_assert_no_error(error);
    g_assert_cmpint(access(origin, F_OK), !=, 0);
    check_ram(f, s, g.ram);
    ckptd_store_close(s);
    check_verify(f->branch_dir);
    s = ckptd_store_open_full(f->branch_dir, &store_small, ckptd_io_system(),
                              NULL);
    check_ram(f, s, g.ram);
    ckptd_store_close(s);
    store_guest_clear(&g);

    write_label(f, "two");
    g_free(f->label_dir);
    f->label_dir = g_build_filename(f->labels_dir, "two", NULL);
    g_free(f->branch_dir);
    f->branch_dir = g_build_filename(f->dir, "third", NULL);
    other = branch(f, f->branch_dir, CKPT_LINE_FORK, 0);
    check_ram(f, other, f->guest.ram);
    ckptd_store_close(other);
}

/* A reader that was written from FORMAT.md alone finds RAM in the origin. */
static void test_stranger(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autofree char *ram_out = g_build_filename(f->dir, "out.ram", NULL);
    g_autofree char *dev_out = g_build_filename(f->dir, "out.devstate", NULL);
    const char *argv[] = { "tests/unit/store/format_reader.py", f->branch_dir,
                           ram_out, dev_out, NULL };
    const char *probe[] = { "/usr/bin/python3", "-c", "import xxhash", NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *ram = NULL;
    int status = 1;
    size_t len;

    g_spawn_sync(NULL, (char **)probe, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                 NULL, NULL, NULL, &status, NULL);
    if (status) {
        g_test_skip("no Python module xxhash (python3-xxhash)");
        return;
    }
    ckptd_store_close(branch(f, f->branch_dir, CKPT_LINE_FORK, 0));
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL,
                 NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    g_assert_true(g_file_get_contents(ram_out, &ram, &len, NULL));
    g_assert_cmpmem(ram, len, f->ram, RAM_PAGES * PAGE);
}

/* What came after the label is given up, also where it is damaged. */
static void test_rollback(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autofree char *meta = g_build_filename(f->store_dir, "meta", NULL);
    g_autoptr(GError) error = NULL;

    store_append(f->store, &f->guest, 30);
    ckptd_store_close(f->store);
    g_assert_true(g_file_set_contents(meta, "x", 1, &error));
    f->store = branch(f, f->store_dir, CKPT_LINE_ROLLBACK, 5);
    g_assert_cmpuint(ckptd_store_generation(f->store), ==, 5);
    g_assert_cmpuint(ckptd_store_last_epoch(f->store), ==, f->epoch);
    g_assert_cmpuint(ckptd_store_line(f->store), ==, CKPT_LINE_ROLLBACK);
    check_ram(f, f->store, f->ram);
}

static void spoil(const char *dir, const char *name, long at)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    FILE *file = fopen(path, "r+");
    int byte;

    g_assert_nonnull(file);
    g_assert_cmpint(fseek(file, at, SEEK_SET), ==, 0);
    byte = fgetc(file);
    g_assert_cmpint(fseek(file, at, SEEK_SET), ==, 0);
    fputc(byte ^ 1, file);
    fclose(file);
}

/* Refused, and whatever store was there before still is. */
static void test_damage(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    static const struct {
        const char *file;
        long at;
    } places[] = {
        { "label", 0 },     { "label", 33 },   { "label", 127 },
        { "manifest", 20 }, { "devstate", 3 }, { "image.sums", 8 },
    };
    unsigned i;

    ckptd_store_close(g_steal_pointer(&f->store));
    for (i = 0; i < G_N_ELEMENTS(places); i++) {
        g_autoptr(GError) error = NULL;

        spoil(f->label_dir, places[i].file, places[i].at);
        g_assert_false(ckptd_label_branch(ckptd_io_system(), f->label_dir,
                                          f->store_dir, &f->manifest,
                                          CKPT_LINE_ROLLBACK, 5, &error));
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
        spoil(f->label_dir, places[i].file, places[i].at);
    }
    f->store = ckptd_store_open_full(f->store_dir, &store_small,
                                     ckptd_io_system(), NULL);
    check_ram(f, f->store, f->guest.ram);
}

/* A crash while writing leaves nothing that could be taken for a label. */
static void test_unfinished(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autofree char *fresh = g_build_filename(f->labels_dir, "+two", NULL);
    struct ckptd_label_work work = { .cancel = 1 };
    g_autoptr(CkptdSnapshot) snapshot = NULL;
    g_autoptr(GError) error = NULL;

    snapshot = ckptd_store_snapshot(f->store, &error);
    g_assert_false(ckptd_label_write(ckptd_io_system(), f->labels_dir, "two",
                                     snapshot, &work, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED);
    g_assert_cmpint(access(fresh, F_OK), !=, 0);
    g_clear_error(&error);

    g_assert_cmpint(g_mkdir(fresh, 0700), ==, 0);
    g_assert_false(ckptd_label_name_ok("+two"));
    ckptd_label_tidy(ckptd_io_system(), f->labels_dir, f->store_dir);
    g_assert_cmpint(access(fresh, F_OK), !=, 0);
    g_assert_cmpint(access(f->label_dir, F_OK), ==, 0);
    work.cancel = 0;
    g_assert_false(ckptd_label_write(ckptd_io_system(), f->labels_dir, "one",
                                     snapshot, &work, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS);
}

/* --- an image that is elsewhere first -------------------------------------- */

static CkptdFile *open_file(const char *dir, const char *name)
{
    g_autoptr(GError) error = NULL;
    CkptdFile *file =
        ckptd_io_open(ckptd_io_system(), dir, name, CKPTD_IO_WRITE, &error);

    g_assert_no_error(error);
    return file;
}

/* A crash may come between the meta pages and the end of the other names. */
static void test_leftover(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    static const char *const names[] = { "origin", "origin.sums" };
    CkptdStore *s = branch(f, f->branch_dir, CKPT_LINE_FORK, 0);
    g_autoptr(GError) error = NULL;
    struct store_guest g;
    guint i;

    store_guest_init(&g, RAM_PAGES, 3);
    memcpy(g.ram, f->ram, RAM_PAGES * PAGE);
    g.epoch = f->epoch;
    g_assert_true(ckptd_store_begin_generation(s, &g.generation, &error));
    for (i = 0; i < 60; i++) { /* more than its first segment holds */
        store_append(s, &g, 40);
    }
    g_assert_true(ckptd_store_fold(s, &error));
    ckptd_store_close(s);
    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->branch_dir, names[i], NULL);

        g_assert_cmpint(access(path, F_OK), !=, 0);
        g_assert_true(g_file_set_contents(path, "large", -1, NULL));
    }
    s = ckptd_store_open_full(f->branch_dir, &store_small, ckptd_io_system(),
                              &error);
    g_assert_no_error(error);
    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->branch_dir, names[i], NULL);

        g_assert_cmpint(access(path, F_OK), !=, 0);
    }
    check_ram(f, s, g.ram);
    ckptd_store_close(s);
    store_guest_clear(&g);
}

struct taking {
    CkptdStore *store;
    CkptdSnapshot *snapshot;
    gint tid; /* atomic; 0: has not begun */
};

static gpointer take_snapshot(gpointer opaque)
{
    struct taking *t = opaque;

    g_atomic_int_set(&t->tid, gettid());
    t->snapshot = ckptd_store_snapshot(t->store, NULL);
    return NULL;
}

static void wait_asleep(struct taking *t)
{
    char state = 'R';

    while (state != 'S') {
        g_autofree char *path =
            g_strdup_printf("/proc/self/task/%d/stat", t->tid);
        g_autofree char *stat = NULL;

        if (g_atomic_int_get(&t->tid) &&
            g_file_get_contents(path, &stat, NULL, NULL)) {
            state = strrchr(stat, ')')[2];
        }
        g_thread_yield();
    }
}

/* The first half of a store's first fold: its base image becomes its own. */
static void fill_base(struct fixture *f, CkptdLog *log)
{
    g_autoptr(CkptdFile) base = open_file(f->branch_dir, "base");
    g_autoptr(CkptdFile) sums = open_file(f->branch_dir, "base.sums");
    g_autoptr(CkptdFile) origin = open_file(f->branch_dir, "origin");
    g_autoptr(CkptdFile) origin_sums = open_file(f->branch_dir, "origin.sums");
    struct ckptd_fold_config config = {
        .log = log,
        .meta = log->config.meta,
        .base = base,
        .sums = sums,
        .origin = origin,
        .origin_sums = origin_sums,
        .io = ckptd_io_system(),
        .dir = f->branch_dir,
        .ram_pages = RAM_PAGES,
    };
    g_autofree uint8_t *rot = g_malloc0(RAM_PAGES * PAGE);
    g_autoptr(GError) error = NULL;
    uint64_t bytes = 0;

    ckptd_origin_fill(&config, &bytes, &error);
    g_assert_no_error(error);
    /* Whoever still looks at the origin finds nothing whole. */
    g_assert_true(ckptd_io_write(origin, rot, RAM_PAGES * PAGE, 0, &error));
}

static gboolean ignore_page(uint64_t page G_GNUC_UNUSED,
                            const uint8_t *data G_GNUC_UNUSED,
                            uint64_t sum G_GNUC_UNUSED,
                            gpointer opaque G_GNUC_UNUSED,
                            GError **error G_GNUC_UNUSED)
{
    return TRUE;
}

/* A fold that ends while somebody begins to take a snapshot. */
static void test_snapshot_while_filled(struct fixture *f,
                                       gconstpointer d G_GNUC_UNUSED)
{
    CkptdStore *s = branch(f, f->branch_dir, CKPT_LINE_FORK, 0);
    struct taking t = { .store = s };
    struct ckptd_store_parts parts;
    g_autoptr(GError) error = NULL;
    GThread *thread;

    ckptd_store_parts(s, &parts);
    g_mutex_lock(&parts.log->lock);
    thread = g_thread_new("snapshot", take_snapshot, &t);
    wait_asleep(&t);
    fill_base(f, parts.log);
    g_mutex_unlock(&parts.log->lock);
    g_thread_join(thread);
    g_assert_nonnull(t.snapshot);
    ckptd_snapshot_read_pages(t.snapshot, ignore_page, NULL, &error);
    g_assert_no_error(error);
    ckptd_snapshot_free(t.snapshot);
    ckptd_store_close(s);
}

static void test_names(void)
{
    static const char *const bad[] = {
        "",         "+a",
        "a/b",      "..",
        ".a",       "-a",
        "a b",      "a@b",
        "\xc3\xa4", "123456789012345678901234567890123456789012345678-",
    };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(ckptd_label_name_ok(bad[i]));
    }
    g_assert_true(ckptd_label_name_ok("a.b-c_1"));
}

#define ADD(path, func)                                                        \
    g_test_add(path, struct fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    ADD("/label/immutable", test_immutable);
    ADD("/label/line", test_line);
    ADD("/label/fold", test_fold);
    ADD("/label/stranger", test_stranger);
    ADD("/label/rollback", test_rollback);
    ADD("/label/damage", test_damage);
    ADD("/label/unfinished", test_unfinished);
    ADD("/label/leftover", test_leftover);
    ADD("/label/snapshot-while-filled", test_snapshot_while_filled);
    g_test_add_func("/label/names", test_names);
    return g_test_run();
}
