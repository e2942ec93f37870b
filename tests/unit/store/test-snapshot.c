/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-snapshot.c - a store held still while it goes on
 */
#include <string.h>

#include "ckptd/ckptd-snapshot.h"
#include "tests/unit/store/store-fixture.h"

#define RAM_PAGES 256
#define PAGE      4096

struct fixture {
    char *dir;
    struct store_guest guest;
    CkptdStore *store;
};

static void open_store(struct fixture *f, gboolean manual)
{
    struct ckptd_store_params params = store_small;

    params.manual = manual;
    f->dir = store_temp_dir();
    store_guest_init(&f->guest, RAM_PAGES, 7);
    f->store = store_create(f->dir, &f->guest, &params);
}

static void set_up(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    open_store(f, TRUE);
}

static void set_up_threads(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    open_store(f, FALSE);
}

static void tear_down(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    ckptd_store_close(f->store);
    store_guest_clear(&f->guest);
    store_remove_dir(f->dir);
    g_free(f->dir);
}

static void append(struct fixture *f, unsigned n_pages)
{
    store_append(f->store, &f->guest, n_pages);
}

/* Each page once, none of them zero. */
static gboolean take_page(uint64_t page, const uint8_t *data, uint64_t sum,
                          gpointer opaque, GError **error G_GNUC_UNUSED)
{
    uint8_t *ram = opaque;
    static const uint8_t zero[PAGE];

    g_assert_cmpuint(sum, !=, 0);
    g_assert_cmpmem(ram + page * PAGE, PAGE, zero, PAGE);
    memcpy(ram + page * PAGE, data, PAGE);
    return TRUE;
}

static uint8_t *read_all(CkptdSnapshot *snapshot)
{
    uint8_t *ram = g_malloc0(RAM_PAGES * PAGE);
    g_autoptr(GError) error = NULL;

    ckptd_snapshot_read_pages(snapshot, take_page, ram, &error);
    g_assert_no_error(error);
    return ram;
}

static void check(struct fixture *f, CkptdSnapshot *snapshot,
                  const uint8_t *want_ram, uint64_t want_epoch)
{
    g_autofree uint8_t *ram = read_all(snapshot);
    g_autoptr(GError) error = NULL;
    char devstate[sizeof(f->guest.devstate)];
    g_autofree char *want =
        g_strdup_printf("device state of %u", (unsigned)want_epoch);
    struct ckptd_snapshot_info info;

    ckptd_snapshot_info(snapshot, &info);
    g_assert_cmpuint(info.epoch, ==, want_epoch);
    g_assert_cmpuint(info.devstate_bytes, ==, sizeof(devstate));
    g_assert_true(ckptd_snapshot_read_devstate(snapshot, devstate, &error));
    g_assert_cmpstr(devstate, ==, want);
    g_assert_cmpmem(ram, RAM_PAGES * PAGE, want_ram, RAM_PAGES * PAGE);
}

static void test_none(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(ckptd_store_snapshot(f->store, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
}

/* Epochs that come later, and a fold that is asked for, change nothing. */
static void test_still(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *ram = NULL;
    struct ckptd_store_stats stats;
    CkptdSnapshot *snapshot;
    uint64_t epoch;
    unsigned i;

    for (i = 0; i < 20; i++) {
        append(f, 20);
    }
    g_assert_true(ckptd_store_fold(f->store, &error));
    append(f, 20);
    snapshot = ckptd_store_snapshot(f->store, &error);
    g_assert_no_error(error);
    ram = g_memdup2(f->guest.ram, RAM_PAGES * PAGE);
    epoch = f->guest.epoch;
    for (i = 0; i < 20; i++) {
        append(f, 40);
    }
    ckptd_store_stats(f->store, &stats);
    g_assert_true(ckptd_store_fold(f->store, &error));
    check(f, snapshot, ram, epoch);
    ckptd_snapshot_free(snapshot);

    epoch = stats.base_epoch;
    g_assert_true(ckptd_store_fold(f->store, &error));
    ckptd_store_stats(f->store, &stats);
    g_assert_cmpuint(stats.base_epoch, >, epoch);
}

/* With folder and keeper at work, and a reader in a thread of its own. */
struct job {
    CkptdSnapshot *snapshot;
    uint8_t *ram;
};

static gpointer reader_main(gpointer opaque)
{
    struct job *job = opaque;
    unsigned i;

    for (i = 0; i < 3; i++) {
        g_autofree uint8_t *ram = read_all(job->snapshot);

        g_assert_cmpmem(ram, RAM_PAGES * PAGE, job->ram, RAM_PAGES * PAGE);
    }
    ckptd_snapshot_free(job->snapshot);
    return NULL;
}

static void test_threads(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_store_stats stats;
    unsigned round;
    unsigned i;

    for (round = 0; round < 8; round++) {
        struct job job;
        GThread *thread;

        for (i = 0; i < 10; i++) {
            append(f, 60);
        }
        job.snapshot = ckptd_store_snapshot(f->store, &error);
        g_assert_no_error(error);
        job.ram = g_memdup2(f->guest.ram, RAM_PAGES * PAGE);
        thread = g_thread_new("reader", reader_main, &job);
        for (i = 0; i < 20; i++) {
            append(f, 60);
        }
        g_thread_join(thread);
        g_free(job.ram);
    }
    ckptd_store_stats(f->store, &stats);
    g_assert_cmpuint(stats.fold_count, >, 0);
}

#define ADD(path, start, func)                                                 \
    g_test_add(path, struct fixture, NULL, start, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    ADD("/snapshot/none", set_up, test_none);
    ADD("/snapshot/still", set_up, test_still);
    ADD("/snapshot/threads", set_up_threads, test_threads);
    return g_test_run();
}
