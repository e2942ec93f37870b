/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-image.c - a store that came in page by page is the one that went out
 */
#include <stdlib.h>
#include <string.h>

#include "ckptd/ckptd-image.h"
#include "ckptd/ckptd-snapshot.h"
#include "tests/unit/store/store-fixture.h"

#define RAM_PAGES  256
#define PAGE       4096
#define GENERATION 5

struct fixture {
    char *dir;
    char *there; /* the other host's */
    struct store_guest guest;
    CkptdStore *store;
    CkptdImage *image;
    gboolean last;
    unsigned n_pages;
};

static void set_up(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;

    store_manifest(&manifest, RAM_PAGES);
    f->dir = store_temp_dir();
    f->there = store_temp_dir();
    store_guest_init(&f->guest, RAM_PAGES, 7);
    f->store = store_create(f->dir, &f->guest, &store_small);
    f->image = ckptd_image_begin(f->there, &manifest, &error);
    g_assert_no_error(error);
}

static void tear_down(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    ckptd_store_close(f->store);
    ckptd_image_free(f->image);
    store_guest_clear(&f->guest);
    store_remove_dir(f->dir);
    store_remove_dir(f->there);
    g_free(f->dir);
    g_free(f->there);
}

static void append(struct fixture *f, unsigned n_pages)
{
    store_append(f->store, &f->guest, n_pages);
}

static gboolean carry(uint64_t page, const uint8_t *data, uint64_t sum,
                      gpointer opaque, GError **error)
{
    struct fixture *f = opaque;
    struct ckptd_disk_page entry = {
        .page = le64_put(page | (data ? 0 : CKPTD_FORMAT_PAGE_ZERO)),
        .sum = le64_put(sum),
    };
    struct ckptd_peer_pages pages = {
        .n = 1,
        .n_data = data != NULL,
        .last = f->last,
        .list = &entry,
        .data = data,
    };

    f->n_pages++;
    return ckptd_image_write(f->image, &pages, error);
}

static uint64_t epoch_of(CkptdSnapshot *snapshot)
{
    struct ckptd_snapshot_info info;

    ckptd_snapshot_info(snapshot, &info);
    return info.epoch;
}

/* One more snapshot, and what changed since the one before. */
static CkptdSnapshot *round_of(struct fixture *f, CkptdSnapshot *before,
                               gboolean last)
{
    g_autoptr(GError) error = NULL;
    CkptdSnapshot *now = ckptd_store_snapshot(f->store, &error);
    uint64_t since = epoch_of(before);

    f->last = last;
    f->n_pages = 0;
    g_assert_true(ckptd_snapshot_read_changes(now, since, carry, f, &error));
    g_assert_cmpuint(f->n_pages, ==, ckptd_snapshot_count_changes(now, since));
    ckptd_snapshot_free(before);
    g_assert_true(last || ckptd_image_sync(f->image, &error));
    return now;
}

/* What the other host does when it has all of it. */
static CkptdStore *land(struct fixture *f, CkptdSnapshot *snapshot)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_snapshot_info info;
    struct ckptd_peer_last last = { 0 };
    g_autofree uint8_t *devstate = NULL;
    size_t slot_bytes;
    CkptdStore *store;
    void *slot;

    ckptd_snapshot_info(snapshot, &info);
    devstate = g_malloc(info.devstate_bytes);
    g_assert_true(ckptd_snapshot_read_devstate(snapshot, devstate, &error));
    last.epoch = info.epoch;
    last.generation = info.generation;
    last.ram_hash = info.ram_hash;
    last.devstate = g_bytes_new(devstate, info.devstate_bytes);
    store = ckptd_store_open(f->there, &error);
    g_assert_no_error(error);
    slot = ckptd_image_finish(f->image, &last, GENERATION, &slot_bytes, &error);
    g_assert_nonnull(slot);
    g_assert_true(
        ckptd_store_start_behind(store, info.epoch - 1, GENERATION, &error));
    g_assert_true(ckptd_store_append(store, slot, slot_bytes, &error));
    free(slot);
    ckptd_peer_last_clear(&last);
    return store;
}

static void check_there(struct fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdStore) store = ckptd_store_open(f->there, &error);
    struct ckptd_verify_report report;
    char devstate[sizeof(f->guest.devstate)];
    g_autofree uint8_t *ram = NULL;

    g_assert_no_error(error);
    g_assert_cmpuint(ckptd_store_last_epoch(store), ==, f->guest.epoch);
    g_assert_cmpuint(ckptd_store_generation(store), ==, GENERATION);
    ram = store_rebuild(store, &f->guest, NULL, devstate, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(ram, RAM_PAGES * PAGE, f->guest.ram, RAM_PAGES * PAGE);
    g_clear_pointer(&store, ckptd_store_close);
    g_assert_true(ckptd_store_verify(f->there, NULL, NULL, &report, &error));
    g_assert_cmpuint(report.problems, ==, 0);
}

/* Rounds while epochs go on and pages become zero again, then the last ones. */
static void test_rounds(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    CkptdSnapshot *snapshot;
    CkptdStore *there;
    unsigned i;

    for (i = 0; i < 10; i++) {
        append(f, 40);
    }
    g_assert_true(ckptd_store_fold(f->store, &error));
    append(f, 20);
    snapshot = ckptd_store_snapshot(f->store, &error);
    append(f, 40);
    g_assert_true(ckptd_snapshot_read_pages(snapshot, carry, f, &error));
    for (i = 0; i < 5; i++) {
        append(f, 40);
        g_assert_true(ckptd_store_fold(f->store, &error));
        append(f, 10);
        snapshot = round_of(f, snapshot, FALSE);
    }
    append(f, 20);
    snapshot = round_of(f, snapshot, TRUE);
    append(f, 20);
    snapshot = round_of(f, snapshot, TRUE);
    there = land(f, snapshot);
    ckptd_snapshot_free(snapshot);
    ckptd_store_close(there);
    check_there(f);
}

/* The last epoch may have changed nothing. */
static void test_nothing_changed(struct fixture *f,
                                 gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    CkptdSnapshot *snapshot;

    append(f, 40);
    append(f, 0);
    snapshot = ckptd_store_snapshot(f->store, &error);
    g_assert_true(ckptd_snapshot_read_pages(snapshot, carry, f, &error));
    append(f, 0);
    snapshot = round_of(f, snapshot, TRUE);
    ckptd_store_close(land(f, snapshot));
    ckptd_snapshot_free(snapshot);
    check_there(f);
}

/* A store that was begun and not finished is none to recover from. */
static void test_unfinished(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    CkptdStore *store = ckptd_store_open(f->there, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(ckptd_store_last_epoch(store), ==, 0);
    g_assert_true(ckptd_store_start_behind(store, 100, GENERATION, &error));
    ckptd_store_close(store);
    store = ckptd_store_open(f->there, &error);
    g_assert_null(store);
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
}

#define ADD(path, func)                                                        \
    g_test_add(path, struct fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/image/rounds", test_rounds);
    ADD("/image/nothing-changed", test_nothing_changed);
    ADD("/image/unfinished", test_unfinished);
    return g_test_run();
}
