/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-ledger.c - whatever is lost, and wherever it is cut: one owner
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-ledger.h"
#include "ckptd/ckptd-move.h"
#include "tests/unit/store/crash-io.h"

#define BLOCK 4096

static const char id[] = "0123456789abcdef0123456789abcdef";
static const char print_a[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                              "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
static const char print_b[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
                              "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

static struct ckptd_ledger_entry entry_of(enum ckptd_ledger_role role)
{
    struct ckptd_ledger_entry entry = { .role = role, .generation = 3 };

    g_strlcpy(entry.id, id, sizeof(entry.id));
    g_strlcpy(entry.guest, "redis", sizeof(entry.guest));
    g_strlcpy(entry.host, "other", sizeof(entry.host));
    g_strlcpy(entry.print, role == CKPTD_LEDGER_FROM ? print_b : print_a,
              sizeof(entry.print));
    return entry;
}

/* --- one ledger, a crash at each write and sync ---------------------------- */

static void promise(struct crash_io *disk, uint64_t step)
{
    const struct crash_promise p = { .epoch = step };

    crash_io_promise(disk, &p);
}

static void all_steps(struct crash_io *disk)
{
    struct ckptd_ledger_entry entry = entry_of(CKPTD_LEDGER_FROM);
    struct ckptd_io *io = crash_io_layer(disk);
    g_autoptr(CkptdLedger) ledger =
        ckptd_ledger_begin(io, "/moves", &entry, NULL);

    g_assert_nonnull(ledger);
    promise(disk, CKPTD_LEDGER_OFFERED);
    g_assert_true(ckptd_ledger_decide(ledger, 4, 100, NULL));
    promise(disk, CKPTD_LEDGER_DECIDED);
    g_assert_true(ckptd_ledger_end(ledger, CKPTD_LEDGER_GONE, NULL));
    promise(disk, CKPTD_LEDGER_ENDED);
    g_assert_true(ckptd_ledger_removed(ledger, NULL));
    promise(disk, CKPTD_LEDGER_REMOVED);
}

static void check_after_crash(struct crash_io *disk, uint64_t promised)
{
    g_autoptr(CkptdLedger) ledger =
        ckptd_ledger_open(crash_io_layer(disk), "/moves", id, NULL);
    const struct ckptd_ledger_entry *e;

    if (!ledger) {
        g_assert_cmpuint(promised, ==, 0);
        return;
    }
    e = ckptd_ledger_entry(ledger);
    g_assert_cmpuint(e->step, >=, promised);
    g_assert_cmpuint(e->step, <=, promised + 1);
    g_assert_cmpstr(e->guest, ==, "redis");
    g_assert_cmpstr(e->print, ==, print_b);
    if (e->step == CKPTD_LEDGER_DECIDED) {
        g_assert_cmpuint(e->epoch, ==, 100);
    }
    g_assert_cmpint(e->outcome, ==,
                    e->step >= CKPTD_LEDGER_ENDED ? CKPTD_LEDGER_GONE
                                                  : CKPTD_LEDGER_OPEN);
}

static void test_crash_at_each_write(void)
{
    struct crash_io *disk = crash_io_new();
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    struct crash_replay *replay;
    guint n = 0;

    all_steps(disk);
    replay = crash_replay_new(disk, rand);
    while (crash_replay_next(replay)) {
        enum crash_keep in_flight;

        for (in_flight = 0; in_flight < CRASH__MAX; in_flight++) {
            struct crash_io *after =
                crash_replay_crash(replay, in_flight, CRASH_DROP);

            check_after_crash(after, crash_replay_promise(replay)->epoch);
            crash_io_free(after);
            n++;
        }
    }
    g_assert_cmpuint(n, >, 40);
    crash_replay_free(replay);
    crash_io_free(disk);
}

/* --- two ledgers, cut at each step of the hand-over ------------------------ */

struct world {
    char *dir_a;
    char *dir_b;
    CkptdLedger *a;
    CkptdLedger *b;
};

static void a_offers(struct world *w)
{
    struct ckptd_ledger_entry entry = entry_of(CKPTD_LEDGER_FROM);

    w->a = ckptd_ledger_begin(ckptd_io_system(), w->dir_a, &entry, NULL);
    g_assert_nonnull(w->a);
}

static void b_offers(struct world *w)
{
    struct ckptd_ledger_entry entry = entry_of(CKPTD_LEDGER_TO);

    w->b = ckptd_ledger_begin(ckptd_io_system(), w->dir_b, &entry, NULL);
    g_assert_nonnull(w->b);
}

static void a_gives(struct world *w)
{
    g_assert_true(ckptd_ledger_decide(w->a, 3, 100, NULL));
}

static void b_takes(struct world *w)
{
    g_assert_true(ckptd_ledger_decide(w->b, 4, 100, NULL));
}

static void a_ends(struct world *w)
{
    g_assert_true(ckptd_ledger_end(w->a, CKPTD_LEDGER_GONE, NULL));
}

static void a_removes(struct world *w)
{
    g_assert_true(ckptd_ledger_removed(w->a, NULL));
}

static void b_forgets(struct world *w)
{
    struct ckptd_move_env env = { .ledger_dir = w->dir_b };

    g_assert_true(ckptd_move_in_forget(&env, id, print_a, NULL));
}

/* In the order of the protocol; @block is what the step writes. */
static const struct {
    const char *name;
    void (*act)(struct world *w);
    gboolean at_b;
    int block;
} steps[] = {
    { "A offers", a_offers, FALSE, 0 },   { "B offers", b_offers, TRUE, 0 },
    { "A gives", a_gives, FALSE, 1 },     { "B takes", b_takes, TRUE, 1 },
    { "A ends", a_ends, FALSE, 2 },       { "A removes", a_removes, FALSE, 3 },
    { "B forgets", b_forgets, TRUE, -1 },
};

static void tear(const char *dir, int block)
{
    g_autofree char *path = g_build_filename(dir, id, NULL);
    static const uint8_t zeros[CRASH_SECTOR_BYTES];
    int fd = open(path, O_WRONLY);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, zeros, sizeof(zeros), block * BLOCK), ==,
                    sizeof(zeros));
    close(fd);
}

static enum ckptd_ledger_step step_of(const char *dir,
                                      enum ckptd_ledger_outcome *ret_outcome)
{
    g_autoptr(CkptdLedger) ledger =
        ckptd_ledger_open(ckptd_io_system(), dir, id, NULL);

    if (!ledger) {
        return 0;
    }
    *ret_outcome = ckptd_ledger_entry(ledger)->outcome;
    return ckptd_ledger_entry(ledger)->step;
}

/* Both sides come back with nothing but their disks. */
static void check_one_owner(struct world *w, const char *where)
{
    struct ckptd_move_env env = { .ledger_dir = w->dir_b };
    enum ckptd_ledger_outcome outcome = CKPTD_LEDGER_OPEN, ignored;
    enum ckptd_ledger_step a = step_of(w->dir_a, &outcome);
    gboolean b_has, a_has, taken;

    b_has = step_of(w->dir_b, &ignored) == CKPTD_LEDGER_DECIDED;
    if (a == CKPTD_LEDGER_DECIDED) {
        g_assert_true(ckptd_move_in_query(&env, id, print_a, &taken));
        g_assert_cmpint(taken, ==, b_has);
        a_has = !taken;
    } else {
        a_has = a < CKPTD_LEDGER_ENDED;
        b_has |= !a_has; /* its ledger may be forgotten */
    }
    if (a_has == b_has) {
        g_error("%s: %s", where, a_has ? "two owners" : "no owner");
    }
}

static void run_cut(guint n, gboolean torn)
{
    struct world w = { 0 };
    g_autofree char *where =
        g_strdup_printf("cut after %u steps%s%s", n, torn ? ", tearing " : "",
                        torn ? steps[n].name : "");
    guint i;

    w.dir_a = g_dir_make_tmp("sluice-ledger-XXXXXX", NULL);
    w.dir_b = g_dir_make_tmp("sluice-ledger-XXXXXX", NULL);
    for (i = 0; i < n + torn; i++) {
        steps[i].act(&w);
    }
    if (torn) {
        tear(steps[n].at_b ? w.dir_b : w.dir_a, steps[n].block);
    }
    ckptd_ledger_close(w.a);
    ckptd_ledger_close(w.b);
    check_one_owner(&w, where);
    ckptd_ledger_remove(ckptd_io_system(), w.dir_a, id, NULL);
    ckptd_ledger_remove(ckptd_io_system(), w.dir_b, id, NULL);
    g_rmdir(w.dir_a);
    g_rmdir(w.dir_b);
    g_free(w.dir_a);
    g_free(w.dir_b);
}

static void test_cut_at_each_step(void)
{
    guint n;

    for (n = 0; n <= G_N_ELEMENTS(steps); n++) {
        run_cut(n, FALSE);
        if (n < G_N_ELEMENTS(steps) && steps[n].block >= 0) {
            run_cut(n, TRUE);
        }
    }
}

/* Return: whether it is; that is known. */
static gboolean is_given(const char *dir, enum ckptd_ledger_step step,
                         const char *guest, struct ckptd_ledger_entry *ret)
{
    g_autoptr(GError) error = NULL;
    gboolean found =
        ckptd_ledger_find(ckptd_io_system(), dir, step, guest, ret, &error);

    if (!found) {
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
    }
    return found;
}

/*
 * A guest that left, came back and is given again: its old ledger, which nobody
 * had forgotten, says nothing about it.
 */
static void test_old_ledgers_do_not_count(void)
{
    g_autofree char *dir = g_dir_make_tmp("sluice-ledger-XXXXXX", NULL);
    g_autofree char *moves = ckptd_ledger_dir(dir);
    static const char second[] = "ffffffffffffffffffffffffffffffff";
    struct ckptd_ledger_entry entry = entry_of(CKPTD_LEDGER_FROM), found;
    struct world w = { .dir_a = moves };

    a_offers(&w);
    a_gives(&w);
    g_assert_true(is_given(dir, CKPTD_LEDGER_DECIDED, "redis", &found));
    a_ends(&w);
    g_assert_true(is_given(dir, CKPTD_LEDGER_ENDED, "redis", &found));
    a_removes(&w);
    ckptd_ledger_close(w.a);
    g_assert_false(is_given(dir, CKPTD_LEDGER_ENDED, "redis", &found));
    g_assert_false(is_given(dir, CKPTD_LEDGER_DECIDED, "redis", &found));
    g_strlcpy(entry.id, second, sizeof(entry.id));
    w.a = ckptd_ledger_begin(ckptd_io_system(), moves, &entry, NULL);
    a_gives(&w);
    ckptd_ledger_close(w.a);
    g_assert_true(is_given(dir, CKPTD_LEDGER_DECIDED, "redis", &found));
    g_assert_cmpstr(found.id, ==, second);
    g_assert_false(is_given(dir, CKPTD_LEDGER_DECIDED, "other", &found));
    ckptd_ledger_remove(ckptd_io_system(), moves, second, NULL);
    ckptd_ledger_remove(ckptd_io_system(), moves, id, NULL);
    g_rmdir(moves);
    g_rmdir(dir);
}

/* Only the host that a move was with may ask about it, or have it forgotten. */
static void test_others_may_not_ask(void)
{
    g_autofree char *dir = g_dir_make_tmp("sluice-ledger-XXXXXX", NULL);
    struct ckptd_move_env env = { .ledger_dir = dir };
    struct world w = { .dir_b = dir };
    g_autoptr(GError) error = NULL;
    gboolean taken;

    b_offers(&w);
    b_takes(&w);
    ckptd_ledger_close(w.b);
    g_assert_false(ckptd_move_in_query(&env, id, print_b, &taken));
    g_assert_false(ckptd_move_in_forget(&env, id, print_b, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    g_assert_true(ckptd_move_in_query(&env, id, print_a, &taken));
    g_assert_true(taken);
    g_assert_true(ckptd_move_in_forget(&env, id, print_a, NULL));
    g_assert_true(ckptd_move_in_query(&env, id, print_a, &taken));
    g_assert_false(taken);
    g_assert_false(ckptd_move_in_forget(&env, "../moves", print_a, NULL));
    g_rmdir(dir);
}

/* --- what cannot be read --------------------------------------------------- */

/* Nobody can say whether @guest is given, because of @code. */
static void check_unknown(struct crash_io *disk, const char *guest, int code)
{
    struct ckptd_ledger_entry found;
    g_autoptr(GError) error = NULL;

    g_assert_false(ckptd_ledger_find(crash_io_layer(disk), "/",
                                     CKPTD_LEDGER_DECIDED, guest, &found,
                                     &error));
    g_assert_error(error, CKPTD_ERROR, code);
}

static void test_unreadable_is_not_absent(void)
{
    g_autofree char *path = g_build_filename("/moves", id, NULL);
    struct crash_io *disk = crash_io_new();
    struct ckptd_io *io = crash_io_layer(disk);
    enum crash_call call;

    check_unknown(disk, "redis", CKPTD_ERROR_NOT_FOUND);
    all_steps(disk);
    check_unknown(disk, "redis", CKPTD_ERROR_NOT_FOUND); /* it is removed */
    for (call = 0; call < CRASH_CALL__MAX; call++) {
        const char *what = call == CRASH_LIST ? "/moves" : path;
        g_autoptr(GError) error = NULL;

        crash_io_deny(disk, call, what, call == CRASH_READ ? EIO : EMFILE);
        check_unknown(disk, "redis", CKPTD_ERROR_IO);
        check_unknown(disk, "other", CKPTD_ERROR_IO); /* it may be its ledger */
        if (call != CRASH_LIST) {
            g_assert_null(ckptd_ledger_open(io, "/moves", id, &error));
            g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_IO);
        } else {
            g_assert_null(ckptd_ledger_list(io, "/moves", NULL, &error));
            g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_IO);
        }
        crash_io_deny(disk, call, what, 0);
    }
    check_unknown(disk, "redis", CKPTD_ERROR_NOT_FOUND);
    crash_io_free(disk);
}

/* A step that rots was taken all the same: the one before it is not the last. */
static void test_a_rotten_step_is_no_step_back(void)
{
    g_autofree char *path = g_build_filename("/moves", id, NULL);
    guint step;

    for (step = 1; step < CKPTD_LEDGER__END; step++) {
        struct crash_io *disk = crash_io_new();
        g_autoptr(CkptdLedger) ledger = NULL;
        g_autoptr(GError) error = NULL;

        all_steps(disk);
        crash_io_poke(disk, path, (step - 1) * BLOCK + 100, "rot", 3);
        ledger = ckptd_ledger_open(crash_io_layer(disk), "/moves", id, &error);
        if (step == CKPTD_LEDGER_REMOVED) {
            g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
            check_unknown(disk, "redis", CKPTD_ERROR_DAMAGED);
            /* The steps before it say whose it is. */
            check_unknown(disk, "other", CKPTD_ERROR_NOT_FOUND);
        } else {
            g_assert_no_error(error); /* later ones say more */
        }
        g_clear_pointer(&ledger, ckptd_ledger_close);
        crash_io_free(disk);
    }
}

static void test_an_id_is_used_once(void)
{
    struct ckptd_ledger_entry entry = entry_of(CKPTD_LEDGER_TO);
    struct crash_io *disk = crash_io_new();
    g_autoptr(CkptdLedger) ledger = NULL;
    g_autoptr(GError) error = NULL;

    all_steps(disk);
    g_assert_null(
        ckptd_ledger_begin(crash_io_layer(disk), "/moves", &entry, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS);
    ledger = ckptd_ledger_open(crash_io_layer(disk), "/moves", id, NULL);
    g_assert_cmpint(ckptd_ledger_entry(ledger)->role, ==, CKPTD_LEDGER_FROM);
    g_clear_pointer(&ledger, ckptd_ledger_close);
    crash_io_free(disk);
}

/* "Never taken" is a promise: it is not given about what cannot be read. */
static void test_nothing_is_promised_unread(void)
{
    g_autofree char *dir = g_dir_make_tmp("sluice-ledger-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, id, NULL);
    struct ckptd_move_env env = { .ledger_dir = dir };
    g_autoptr(GError) error = NULL;
    gboolean taken;

    g_assert_cmpint(symlink(id, path), ==, 0); /* ELOOP, to root as well */
    g_assert_false(ckptd_move_in_query(&env, id, print_a, &taken));
    g_assert_false(ckptd_move_in_forget(&env, id, print_a, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_IO);
    g_unlink(path);
    g_assert_true(ckptd_move_in_query(&env, id, print_a, &taken));
    g_assert_false(taken);
    g_assert_true(ckptd_move_in_forget(&env, id, print_a, NULL));
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ledger/crash-at-each-write", test_crash_at_each_write);
    g_test_add_func("/ledger/cut-at-each-step", test_cut_at_each_step);
    g_test_add_func("/ledger/old-ones-do-not-count",
                    test_old_ledgers_do_not_count);
    g_test_add_func("/ledger/others-may-not-ask", test_others_may_not_ask);
    g_test_add_func("/ledger/unreadable-is-not-absent",
                    test_unreadable_is_not_absent);
    g_test_add_func("/ledger/a-rotten-step-is-no-step-back",
                    test_a_rotten_step_is_no_step_back);
    g_test_add_func("/ledger/an-id-is-used-once", test_an_id_is_used_once);
    g_test_add_func("/ledger/nothing-is-promised-unread",
                    test_nothing_is_promised_unread);
    return g_test_run();
}
