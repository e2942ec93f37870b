/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-lines.c - labels of a session, and lines that begin with one
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-label.h"
#include "tests/unit/session/session-fixture.h"

/* Pages 0 to 2 of the restore slot hold @fill; the others are elsewhere. */
static void check_slot(struct fixture *f, uint64_t epoch)
{
    struct ckpt_slot head;

    memcpy(&head, slot_of(f, f->welcome.restore_slot), sizeof(head));
    g_assert_cmpuint(head.epoch, ==, epoch);
}

/* RAM of page 0 as a QEMU that restores would have it. */
static int first_byte(struct fixture *f)
{
    const char *slot = slot_of(f, f->welcome.restore_slot);
    struct ckpt_slot head;
    uint64_t page;
    char byte = 0;

    memcpy(&head, slot, sizeof(head));
    if (head.n_pages) {
        memcpy(&page, slot + head.list_offset, sizeof(page));
        if (page == 0) {
            return slot[head.data_offset];
        }
    }
    g_assert_cmpint(pread(f->base_fd, &byte, 1, 0), ==, 1);
    return byte;
}

static void check_identities(struct fixture *f, enum ckpt_line_why why,
                             uint64_t generation)
{
    struct ckpt_identity id[2];
    guint i;

    g_assert_cmpuint(f->welcome.flags & CKPT_WELCOME_NEW_LINE, !=, 0);
    g_assert_cmpuint(f->welcome.flags & CKPT_WELCOME_HOLD, ==, 0);
    g_assert_cmpuint(f->welcome.n_identities, ==, 2);
    g_assert_cmpuint(f->packet.msg.len_bytes, ==,
                     sizeof(f->welcome) + sizeof(id));
    memcpy(id, f->packet.payload + sizeof(f->welcome), sizeof(id));
    for (i = 0; i < 2; i++) {
        g_assert_cmpuint(id[i].why, ==, why);
        g_assert_cmpuint(id[i].process, ==, i);
        g_assert_cmpuint(id[i].generation, ==, generation);
        g_assert_cmpuint(id[i].mac[5], ==, i + 1);
    }
}

static uint64_t start_line(struct fixture *f, enum ckpt_line_why why)
{
    uint64_t generation = start(f, CKPT_ACTION_RESTORE);

    check_identities(f, why, generation);
    return generation;
}

static uint64_t start_same_line(struct fixture *f)
{
    uint64_t generation = start(f, CKPT_ACTION_RESTORE);

    g_assert_cmpuint(f->welcome.flags & CKPT_WELCOME_NEW_LINE, ==, 0);
    g_assert_cmpuint(f->welcome.n_identities, ==, 0);
    return generation;
}

/* The next epoch, @epoch, is asked for, taken, and has the name @label. */
static void name_next(struct fixture *f, const char *label, uint64_t epoch,
                      uint64_t generation, int fill)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(ckptd_session_name(f->session, label, &error));
    expect_message(f, CKPT_MSG_COMMIT_NOW);
    g_usleep(10);
    commit(f, epoch, generation, fill);
    expect_event(f, CKPTD_SESSION_COMMITTED);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_NAMED), ==, epoch);
}

static void load_label(struct fixture *f, const char *name,
                       struct ckptd_label *ret)
{
    g_autofree char *dir = g_build_filename(f->labels, name, NULL);
    g_autoptr(GError) error = NULL;

    ckptd_label_load(ckptd_io_system(), dir, ret, &error);
    g_assert_no_error(error);
}

static void end_session(struct fixture *f)
{
    die(f);
    drain(f);
    g_clear_pointer(&f->session, ckptd_session_free);
}

/* --- giving names --------------------------------------------------------- */

/* A label is of an epoch captured after the asking, while epochs go on. */
TEST(named_on_demand)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckptd_label label;

    commit(f, 1, generation, 'a');
    name_next(f, "two", 2, generation, 'b');
    commit(f, 3, generation, 'c');
    load_label(f, "two", &label);
    g_assert_cmpuint(label.epoch, ==, 2);
    g_assert_cmpuint(label.image_bytes, ==, RAM_BYTES);
    g_assert_cmpstr(label.manifest.accel, ==, "tcg");
}

/* QEMU dies before it took the checkpoint: the next one is asked. */
TEST(named_after_a_death)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autoptr(GError) error = NULL;
    struct ckptd_label label;

    commit(f, 1, generation, 'a');
    g_assert_true(ckptd_session_name(f->session, "late", &error));
    die(f);
    drain(f);
    g_assert_false(ckptd_session_name(f->session, "other", &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY);
    g_clear_error(&error);
    generation = start_same_line(f);
    g_assert_true(ckptd_session_checkpoint(f->session, &error));
    expect_message(f, CKPT_MSG_COMMIT_NOW);
    g_usleep(10);
    commit(f, 2, generation, 'b');
    expect_event(f, CKPTD_SESSION_COMMITTED);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_NAMED), ==, 2);
    load_label(f, "late", &label);
}

/* What was called off is not named. */
TEST(cancelled)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autofree char *dir = g_build_filename(f->labels, "no", NULL);
    g_autoptr(GError) error = NULL;

    commit(f, 1, generation, 'a');
    g_assert_true(ckptd_session_name(f->session, "no", &error));
    ckptd_session_cancel_name(f->session, "no");
    expect_message(f, CKPT_MSG_COMMIT_NOW);
    g_usleep(10);
    commit(f, 2, generation, 'b');
    expect_event(f, CKPTD_SESSION_COMMITTED);
    name_next(f, "yes", 3, generation, 'c');
    g_assert_cmpint(access(dir, F_OK), !=, 0);
}

static void say_name(struct fixture *f, uint64_t epoch, uint64_t generation,
                     const char *label)
{
    say(f, CKPT_MSG_NAME, epoch, generation, label, strlen(label), NULL, 0);
}

static void expect_named(struct fixture *f, uint64_t epoch, const char *text)
{
    g_autofree char *said = NULL;

    expect_message(f, CKPT_MSG_NAMED);
    g_assert_cmpuint(f->packet.msg.epoch, ==, epoch);
    said = g_strndup((char *)f->packet.payload, f->packet.msg.len_bytes);
    if (text) {
        g_assert_nonnull(strstr(said, text));
    } else {
        g_assert_cmpstr(said, ==, "");
    }
}

/* Each NAME is answered, in order, by the epoch or by what is wrong. */
TEST(named_by_qemu)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckptd_label label;

    commit(f, 1, generation, 'a');
    say_name(f, 1, generation, "one");
    say_name(f, 1, generation, "one");
    say_name(f, 1, generation, "not/a/name");
    expect_named(f, 1, NULL);
    expect_named(f, 0, "already");
    expect_named(f, 0, "letters");
    load_label(f, "one", &label);
    commit(f, 2, generation, 'b');
}

/* A NAME of what is not durable breaks the protocol (S2). */
TEST(name_of_the_future)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    say_name(f, 2, generation, "two");
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
}

/* A session that ends gives up what it writes, and leaves nothing of it. */
TEST(ends_while_naming)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autoptr(GPtrArray) names = NULL;
    guint i;

    commit(f, 1, generation, 'a');
    for (i = 0; i < 4; i++) {
        g_autofree char *label = g_strdup_printf("label%u", i);

        say_name(f, 1, generation, label);
    }
    commit(f, 2, generation, 'b'); /* so all four are in the namer's hands */
    die(f);
    g_clear_pointer(&f->session, ckptd_session_free);
    names = ckptd_io_list(ckptd_io_system(), f->labels, NULL);
    for (i = 0; names && i < names->len; i++) {
        struct ckptd_label label;

        load_label(f, names->pdata[i], &label);
    }
    open_session(f, TRUE);
}

/* --- lines ---------------------------------------------------------------- */

/* Leaves a label "one" of epoch 2, pages 'b', and a dead QEMU at epoch 4. */
static char *prepare_label(struct fixture *f)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    name_next(f, "one", 2, generation, 'b');
    commit(f, 3, generation, 'c');
    commit(f, 4, generation, 'd');
    die(f);
    drain(f);
    return g_build_filename(f->labels, "one", NULL);
}

/* R2: a fork's first QEMU is told, and each one until an epoch of the line is
 * durable; after that it recovers as any guest. */
TEST(fork_off)
{
    g_autofree char *dir = prepare_label(f);
    uint64_t generation, next;

    end_session(f);
    f->from = dir;
    g_free(f->store);
    f->store = g_build_filename(f->dir, "fork", NULL);
    open_session(f, TRUE);
    generation = start_line(f, CKPT_LINE_FORK);
    check_slot(f, 2);
    g_assert_cmpint(first_byte(f), ==, 'b');
    die(f);
    drain(f);
    next = start_line(f, CKPT_LINE_FORK);
    g_assert_cmpuint(next, >, generation);
    commit(f, 3, next, 'x');
    die(f);
    drain(f);
    start_same_line(f);
    g_assert_cmpuint(f->welcome.flags & CKPT_WELCOME_HOLD, !=, 0);
    check_slot(f, 3);
    g_assert_cmpint(first_byte(f), ==, 'x');
}

/* ckptd dies with a fork's store made and no epoch of the line; QEMU goes on,
 * then dies too: the hold is of no use to the next one. */
TEST(fork_reconnects)
{
    g_autofree char *dir = prepare_label(f);
    struct ckpt_hello h = hello();
    uint64_t generation;
    int fds[2];

    end_session(f);
    f->from = dir;
    g_free(f->store);
    f->store = g_build_filename(f->dir, "fork", NULL);
    open_session(f, TRUE);
    generation = start_line(f, CKPT_LINE_FORK);
    g_clear_pointer(&f->session, ckptd_session_free);
    close(f->sock);
    open_session(f, TRUE);
    ckptd_session_expect(f->session, getpid(), TRUE);
    dial(f);
    h.flags = CKPT_HELLO_RECONNECT;
    h.committed = 2;
    fds[0] = f->hold.fd;
    fds[1] = f->staging.fd;
    say(f, CKPT_MSG_HELLO, 2, generation, &h, sizeof(h), fds, 2);
    expect_message(f, CKPT_MSG_WELCOME);
    expect_event(f, CKPTD_SESSION_WELCOMED);
    die(f);
    drain(f);
    start_line(f, CKPT_LINE_FORK);
}

/* A fork never boots in place of beginning: without its label it fails. */
TEST(fork_of_nothing)
{
    g_clear_pointer(&f->session, ckptd_session_free);
    f->from = "/nowhere/label";
    open_session(f, TRUE);
    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*label*");
    ckptd_session_prepare(f->session);
    expect_event(f, CKPTD_SESSION_FAILED);
    g_test_assert_expected_messages();
    g_assert_cmpint(access(f->store, F_OK), !=, 0);
}

static void roll_back(struct fixture *f, const char *dir, uint64_t generation)
{
    ckptd_session_roll_back(f->session, dir, generation);
    expect_event(f, CKPTD_SESSION_ROLLED_BACK);
}

/* R2: a rollback drops the hold of what is given up, has a greater generation
 * (F1), and says so until an epoch of the line is durable. */
TEST(rollback)
{
    g_autofree char *dir = prepare_label(f);
    uint64_t before, generation, next;
    g_autofree struct ckptd_session_stats *stats =
        g_new0(struct ckptd_session_stats, 1);

    ckptd_session_stats(f->session, stats);
    before = stats->generation;
    roll_back(f, dir, 0);
    generation = start_line(f, CKPT_LINE_ROLLBACK);
    g_assert_cmpuint(generation, >, before);
    check_slot(f, 2);
    g_assert_cmpint(first_byte(f), ==, 'b');
    g_assert_cmpuint(committed(f), ==, 2);
    die(f);
    drain(f);
    next = start_line(f, CKPT_LINE_ROLLBACK);
    commit(f, 3, next, 'e');
    die(f);
    drain(f);
    start_same_line(f);
    g_assert_cmpint(first_byte(f), ==, 'e');
}

/* The new line comes to the epoch in which the old one ended, and goes on. */
static void reach_the_end(struct fixture *f)
{
    uint64_t generation = start_line(f, CKPT_LINE_ROLLBACK);

    commit(f, 3, generation, 'e');
    commit(f, 4, generation, 'f');
    die(f);
    drain(f);
    start_same_line(f);
}

/* The program had ended; the line that goes on before its end has not, not
 * even when it reaches the epoch of the end. */
TEST(rollback_behind_the_end)
{
    g_autofree char *dir = prepare_label(f);

    g_assert_cmpuint(ckptd_session_end_line(f->session), ==, 4);
    g_assert_cmpuint(ckptd_session_ended_epoch(f->session), ==, 4);
    roll_back(f, dir, 0);
    g_assert_cmpuint(ckptd_session_ended_epoch(f->session), ==, 0);
    reach_the_end(f);
}

/* ckptd died in the rollback: the next one knows of the end, and only the store
 * knows of the line. */
TEST(rollback_and_another_ckptd)
{
    g_autofree char *dir = prepare_label(f);

    f->ended_epoch = ckptd_session_end_line(f->session);
    roll_back(f, dir, 0);
    end_session(f);
    open_session(f, TRUE);
    reach_the_end(f);
    g_assert_cmpuint(ckptd_session_ended_epoch(f->session), ==, 0);
}

/* A label that is not there changes nothing, and no QEMU is welcomed. */
TEST(rollback_to_nothing)
{
    g_autofree char *dir = prepare_label(f);
    struct ckpt_hello h = hello();

    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*nothing was*");
    ckptd_session_roll_back(f->session, "/nowhere/label", 0);
    expect_event(f, CKPTD_SESSION_FAILED);
    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), FALSE);
    dial(f);
    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*generation*");
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_REFUSE);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    end_session(f);
    g_test_assert_expected_messages();
    open_session(f, TRUE);
    start_same_line(f);
    check_slot(f, 4);
    g_assert_cmpint(first_byte(f), ==, 'd');
}

/* An operator steps back from a store that cannot be read any more. */
TEST(rollback_from_damage)
{
    g_autofree char *dir = prepare_label(f);
    g_autofree char *meta = g_build_filename(f->store, "meta", NULL);

    end_session(f);
    g_assert_true(g_file_set_contents(meta, "x", 1, NULL));
    open_session(f, TRUE);
    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*stepping back*");
    roll_back(f, dir, 7);
    g_assert_cmpuint(start_line(f, CKPT_LINE_ROLLBACK), ==, 8);
    g_test_assert_expected_messages();
    check_slot(f, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    ADD("/names/on-demand", named_on_demand);
    ADD("/names/after-a-death", named_after_a_death);
    ADD("/names/cancelled", cancelled);
    ADD("/names/by-qemu", named_by_qemu);
    ADD("/names/of-the-future", name_of_the_future);
    ADD("/names/ends-while-naming", ends_while_naming);
    ADD("/lines/fork", fork_off);
    ADD("/lines/fork-reconnects", fork_reconnects);
    ADD("/lines/fork-of-nothing", fork_of_nothing);
    ADD("/lines/rollback", rollback);
    ADD("/lines/rollback-behind-the-end", rollback_behind_the_end);
    ADD("/lines/rollback-and-another-ckptd", rollback_and_another_ckptd);
    ADD("/lines/rollback-to-nothing", rollback_to_nothing);
    ADD("/lines/rollback-from-damage", rollback_from_damage);
    return g_test_run();
}
