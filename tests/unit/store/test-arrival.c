/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-arrival.c - the store of a guest that comes in: nothing before it is
 * there, everything afterwards; and the note that one has left
 */
#include <string.h>
#include <glib/gstdio.h>

#include "ckptd/ckptd-arrival.h"
#include "ckptd/ckptd-moved.h"
#include "tests/unit/store/store-fixture.h"

#define RAM_PAGES 256
#define PAGE      4096
#define EPOCH     500u /* that the guest is in when it arrives */

struct fixture {
    char *dir;
    char *store_dir;
    char *arriving_dir;
    char *note;
    struct store_guest guest;
    struct ckptd_manifest manifest;
};

static void set_up(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    f->dir = store_temp_dir();
    f->store_dir = g_build_filename(f->dir, "store", NULL);
    f->arriving_dir = g_build_filename(f->dir, "store.arriving", NULL);
    f->note = g_build_filename(f->dir, "moved", NULL);
    store_guest_init(&f->guest, RAM_PAGES, 23);
    f->guest.with_hash = TRUE;
    store_manifest(&f->manifest, RAM_PAGES);
}

static void tear_down(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    store_guest_clear(&f->guest);
    store_remove_dir(f->dir);
    g_free(f->dir);
    g_free(f->store_dir);
    g_free(f->arriving_dir);
    g_free(f->note);
}

static CkptdArrival *begin(struct fixture *f)
{
    g_autoptr(GError) error = NULL;
    CkptdArrival *a = ckptd_arrival_begin(ckptd_io_system(), f->store_dir,
                                          &f->manifest, &error);

    g_assert_no_error(error);
    return a;
}

/* Some rounds of pre-copy; pages come again, and some become zero. */
static void put_some(struct fixture *f, CkptdArrival *a)
{
    g_autoptr(GError) error = NULL;
    unsigned i;

    for (i = 0; i < 8; i++) {
        store_guest_scribble(&f->guest, 80);
        store_guest_capture(&f->guest);
        g_assert_true(
            ckptd_arrival_put(a, f->guest.slot, f->guest.slot_bytes, &error));
    }
}

static gboolean finish(struct fixture *f, CkptdArrival *a, uint64_t generation)
{
    f->guest.epoch = EPOCH - 1;
    f->guest.generation = generation;
    store_guest_scribble(&f->guest, 10);
    store_guest_capture(&f->guest);
    return ckptd_arrival_finish(a, f->guest.slot, f->guest.slot_bytes, EPOCH,
                                generation, NULL);
}

static void arrive(struct fixture *f, uint64_t generation)
{
    CkptdArrival *a = begin(f);

    put_some(f, a);
    g_assert_true(finish(f, a, generation));
    ckptd_arrival_free(a);
    g_assert_false(g_file_test(f->arriving_dir, G_FILE_TEST_EXISTS));
}

static void check_store(struct fixture *f, uint64_t generation)
{
    struct ckptd_verify_report report;
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdStore) s = ckptd_store_open(f->store_dir, &error);
    g_autofree uint8_t *ram = NULL;
    char devstate[64];

    g_assert_no_error(error);
    g_assert_cmpuint(ckptd_store_last_epoch(s), ==, EPOCH);
    g_assert_cmpuint(ckptd_store_generation(s), ==, generation);
    ram = store_rebuild(s, &f->guest, NULL, devstate, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(ram, RAM_PAGES * PAGE, f->guest.ram, RAM_PAGES * PAGE);
    g_assert_cmpstr(devstate, ==, f->guest.devstate);
    store_guest_scribble(&f->guest, 10); /* and it goes on from there */
    store_guest_capture(&f->guest);
    g_assert_true(
        ckptd_store_append(s, f->guest.slot, f->guest.slot_bytes, &error));
    ckptd_store_close(g_steal_pointer(&s));
    g_assert_true(
        ckptd_store_verify(f->store_dir, NULL, NULL, &report, &error));
    g_assert_cmpstr(report.first_problem, ==, "");
    g_assert_true(report.hash_checked);
}

static void test_arrives(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    arrive(f, 7);
    check_store(f, 7);
}

static void test_comes_back(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    arrive(f, 7);
    memset(f->guest.ram, 0, RAM_PAGES * PAGE);
    f->guest.epoch = 0;
    arrive(f, 9);
    check_store(f, 9);
}

/* S1: what has come in is no store before the end. */
static void test_no_store_before(struct fixture *f,
                                 gconstpointer data G_GNUC_UNUSED)
{
    CkptdArrival *a = begin(f);
    g_autoptr(GError) error = NULL;

    put_some(f, a);
    g_assert_null(ckptd_store_open(f->arriving_dir, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
    g_assert_false(g_file_test(f->store_dir, G_FILE_TEST_EXISTS));
    ckptd_arrival_free(a);
    g_assert_false(g_file_test(f->arriving_dir, G_FILE_TEST_EXISTS));
}

static void test_given_up_changes_nothing(struct fixture *f,
                                          gconstpointer data G_GNUC_UNUSED)
{
    g_autofree uint8_t *ram = NULL;
    CkptdArrival *a;

    arrive(f, 7);
    ram = g_memdup2(f->guest.ram, RAM_PAGES * PAGE);
    a = begin(f);
    put_some(f, a);
    ckptd_arrival_free(a);
    memcpy(f->guest.ram, ram, RAM_PAGES * PAGE);
    f->guest.epoch = EPOCH;
    f->guest.generation = 7;
    g_snprintf(f->guest.devstate, sizeof(f->guest.devstate),
               "device state of %u", EPOCH);
    check_store(f, 7);
}

/* A slot that makes no sense is refused, at any time. */
static void test_refuses_nonsense(struct fixture *f,
                                  gconstpointer data G_GNUC_UNUSED)
{
    struct ckpt_slot *slot = (struct ckpt_slot *)f->guest.slot;
    CkptdArrival *a = begin(f);
    g_autoptr(GError) error = NULL;

    put_some(f, a);
    slot->n_data++;
    g_assert_false(ckptd_arrival_put(a, slot, f->guest.slot_bytes, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    ckptd_arrival_free(a);
}

static guint phase_now(struct fixture *f)
{
    struct ckptd_moved moved;

    ckptd_moved_load(f->note, f->store_dir, &moved);
    return moved.phase;
}

/* F1: the note holds until a later generation is here, or it is taken away. */
static void test_note_of_a_guest_that_left(struct fixture *f,
                                           gconstpointer data G_GNUC_UNUSED)
{
    const struct ckptd_moved left = { CKPT_MOVE_MOVED, 7, EPOCH };
    g_autoptr(GError) error = NULL;

    arrive(f, 7);
    g_assert_cmpuint(phase_now(f), ==, 0);
    g_assert_true(ckptd_moved_save(f->note, &left, &error));
    g_assert_cmpuint(phase_now(f), ==, CKPT_MOVE_MOVED);
    arrive(f, 9);
    g_assert_cmpuint(phase_now(f), ==, 0);
    g_assert_true(g_file_set_contents(f->note, "\1", 1, NULL));
    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, "*moved*");
    g_assert_cmpuint(phase_now(f), ==, CKPT_MOVE_UNKNOWN);
    g_test_assert_expected_messages();
    g_assert_true(ckptd_moved_clear(f->note, &error));
    g_assert_cmpuint(phase_now(f), ==, 0);
}

#define ADD(path, fn)                                                          \
    g_test_add(path, struct fixture, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/store/arrival/arrives", test_arrives);
    ADD("/store/arrival/comes-back", test_comes_back);
    ADD("/store/arrival/no-store-before", test_no_store_before);
    ADD("/store/arrival/given-up-changes-nothing",
        test_given_up_changes_nothing);
    ADD("/store/arrival/refuses-nonsense", test_refuses_nonsense);
    ADD("/store/moved/note-of-a-guest-that-left",
        test_note_of_a_guest_that_left);
    return g_test_run();
}
