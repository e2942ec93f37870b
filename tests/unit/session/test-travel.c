/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-travel.c - a guest that QEMU's own migration takes away or brings, as its
 * session hears of it: MOVE, and EPOCH with ARRIVING and ARRIVED
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "ckptd/ckptd-moved.h"
#include "tests/unit/session/session-fixture.h"

#define ARRIVAL_EPOCH 500u /* that the guest is in when it comes */
#define FUZZ_ROUNDS   100

static guint noted(struct fixture *f)
{
    struct ckptd_moved moved;

    ckptd_moved_load(f->moved, f->store, &moved);
    return moved.phase;
}

static void move(struct fixture *f, uint64_t epoch, uint64_t generation,
                 uint32_t phase)
{
    struct ckpt_move m = { .phase = phase };

    say(f, CKPT_MSG_MOVE, epoch, generation, &m, sizeof(m), NULL, 0);
}

static void come(struct fixture *f, uint32_t flags, uint64_t epoch,
                 uint64_t generation)
{
    struct ckpt_epoch e = {
        .slot = epoch % 2,
        .flags = flags,
        .cause = CKPT_CAUSE_ARRIVE,
    };

    say(f, CKPT_MSG_EPOCH, epoch, generation, &e, sizeof(e), NULL, 0);
}

/* Some rounds of RAM, as the source sends it. */
static void come_in(struct fixture *f, uint64_t generation)
{
    uint64_t k;

    for (k = 1; k <= 3; k++) {
        fill_slot(f, k % 2, k, generation, k == 1 ? RAM_PAGES : 3, 'a' + k);
        come(f, CKPT_EPOCH_ARRIVING, k, generation);
        expect_message(f, CKPT_MSG_STORED);
        g_assert_cmpuint(f->packet.msg.epoch, ==, k);
    }
}

static void say_arrived(struct fixture *f, uint64_t generation)
{
    fill_slot(f, ARRIVAL_EPOCH % 2, ARRIVAL_EPOCH, generation, 3, 'z');
    come(f, CKPT_EPOCH_ARRIVED, ARRIVAL_EPOCH, generation);
}

/* A guest of one epoch that has left. */
static uint64_t leave(struct fixture *f)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    move(f, 2, generation, CKPT_MOVE_LEAVING);
    expect_message(f, CKPT_MSG_MOVE_OK);
    g_assert_cmpuint(f->packet.msg.epoch, ==, 2);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_MOVE), ==,
                     CKPT_MOVE_LEAVING);
    return generation;
}

static void expect_refusal(struct fixture *f)
{
    struct ckpt_hello h = hello();

    dial(f);
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_REFUSE);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
}

/* F1: it is durable here that the guest may run elsewhere before QEMU hears
 * that it may send it, and nobody gets it from then on. */
TEST(leaving_is_noted_first)
{
    leave(f);
    g_assert_cmpuint(noted(f), !=, 0);
    die(f);
    drain(f);
    expect_refusal(f);
}

/* The note says what was said last, and a guest that stays has none. */
TEST(how_it_ended_is_noted)
{
    uint64_t generation = leave(f);

    move(f, 2, generation, CKPT_MOVE_MOVED);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_MOVE), ==, CKPT_MOVE_MOVED);
    g_assert_cmpuint(noted(f), ==, CKPT_MOVE_MOVED);
    move(f, 2, generation, CKPT_MOVE_STAYS);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_MOVE), ==, CKPT_MOVE_STAYS);
    g_assert_cmpuint(noted(f), ==, 0);
    commit(f, 2, generation, 'b');
    die(f);
    drain(f);
    start(f, CKPT_ACTION_RESTORE);
}

/* What ckptd has started it moves itself. */
TEST(ours_does_not_leave)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    move(f, 2, generation, CKPT_MOVE_LEAVING);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
}

/* What became of it is told of one that was sent. */
TEST(one_that_stayed_is_not_elsewhere)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    move(f, 2, generation, CKPT_MOVE_MOVED);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_assert_cmpuint(noted(f), ==, 0);
}

/* A QEMU has one guest: another does not come in its place, also where no epoch
 * of it is durable yet. */
TEST(none_comes_into_one_that_has)
{
    struct ckpt_hello h = hello();

    start(f, CKPT_ACTION_BOOT);
    close(f->sock);
    dial(f);
    h.flags = CKPT_HELLO_INCOMING;
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_REFUSE);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
}

/* What is on its way says nothing of itself, and the guest that is here does
 * not come again. */
TEST(arrival_in_order)
{
    uint64_t generation;

    incoming(f);
    output(f, 0, 0, CKPT_OUTPUT_LOG, 0, "not yet");
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    die(f);
    drain(f);
    generation = start(f, CKPT_ACTION_BOOT);
    commit(f, 1, generation, 'a');
    fill_slot(f, 0, 2, generation, 3, 'b');
    come(f, CKPT_EPOCH_ARRIVED, 2, generation);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_assert_cmpuint(committed(f), ==, 1);
}

TEST(nonsense_does_not_leave)
{
    struct ckpt_move m = { .phase = CKPT_MOVE_LEAVING, .reserved = 1 };
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    say(f, CKPT_MSG_MOVE, 2, generation, &m, sizeof(m), NULL, 0);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_assert_cmpuint(noted(f), ==, 0);
}

/* S2: COMMITTED says that it is here; what comes after it is as ever. */
TEST(arrives)
{
    incoming(f);
    come_in(f, 7);
    g_assert_cmpuint(committed(f), ==, 0);
    say_arrived(f, 7);
    expect_message(f, CKPT_MSG_COMMITTED);
    g_assert_cmpuint(f->packet.msg.epoch, ==, ARRIVAL_EPOCH);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_ARRIVED), ==, 7);
    commit(f, ARRIVAL_EPOCH + 1, 7, 'b');
    die(f);
    drain(f);
    g_assert_cmpuint(start(f, CKPT_ACTION_RESTORE), >, 7);
}

/* It comes back to where it left, and the note is void. */
TEST(comes_back)
{
    uint64_t generation = leave(f) + 2;

    die(f);
    drain(f);
    incoming(f);
    come_in(f, generation);
    say_arrived(f, generation);
    expect_message(f, CKPT_MSG_COMMITTED);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_ARRIVED), ==, generation);
    g_assert_false(g_file_test(f->moved, G_FILE_TEST_EXISTS));
    die(f);
    drain(f);
    start(f, CKPT_ACTION_RESTORE);
}

/* Before ARRIVED nothing is here. */
TEST(half_is_nothing)
{
    incoming(f);
    come_in(f, 7);
    die(f);
    drain(f);
    start(f, CKPT_ACTION_BOOT);
}

/* F1: what left generation n - 1 cannot come where the guest has been n. */
TEST(stale_does_not_come)
{
    uint64_t generation = leave(f);

    die(f);
    drain(f);
    incoming(f);
    come_in(f, generation);
    say_arrived(f, generation);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_assert_cmpuint(noted(f), !=, 0);
    g_assert_cmpuint(committed(f), ==, 1);
}

/* Where the guest is, no other comes in its place. */
TEST(none_comes_where_one_is)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_hello h = hello();

    commit(f, 1, generation, 'a');
    die(f);
    drain(f);
    dial(f);
    h.flags = CKPT_HELLO_INCOMING;
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_REFUSE);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    drain(f);
    start(f, CKPT_ACTION_RESTORE);
}

/* --- a QEMU gone mad ------------------------------------------------------ */

static gboolean not_fatal(const char *domain G_GNUC_UNUSED,
                          GLogLevelFlags level,
                          const char *message G_GNUC_UNUSED,
                          gpointer opaque G_GNUC_UNUSED)
{
    return (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0;
}

/* Slots and messages of a guest that comes, all of them somewhat wrong. */
static void rave(struct fixture *f, uint64_t generation)
{
    guint i, n = g_test_rand_int_range(1, 8);

    incoming(f);
    for (i = 0; i < n; i++) {
        struct ckpt_epoch e = { .slot = i % 2, .flags = CKPT_EPOCH_ARRIVING };
        struct ckpt_move m = { .phase = CKPT_MOVE_STAYS };

        fill_slot(f, i % 2, i + 1, generation, 3, 'x');
        if (g_test_rand_bit()) {
            scribble(slot_of(f, i % 2), 160);
        }
        if (g_test_rand_bit()) {
            scribble((guint8 *)&e, sizeof(e));
        }
        if (g_test_rand_int_range(0, 8)) {
            say(f, CKPT_MSG_EPOCH, i + 1, generation, &e, sizeof(e), NULL, 0);
        } else {
            say(f, CKPT_MSG_MOVE, i + 1, generation, &m,
                g_test_rand_int_range(0, sizeof(m) + 1), NULL, 0);
        }
    }
}

/* The guest that has left is not here whatever is said, and comes all the same
 * when it comes in good order. */
TEST(fuzz)
{
    uint64_t generation;
    guint round;

    g_test_log_set_fatal_handler(not_fatal, NULL);
    generation = leave(f);
    die(f);
    drain(f);
    for (round = 0; round < FUZZ_ROUNDS; round++) {
        rave(f, generation); /* too old to arrive */
        die(f);
        drain_all(f);
        g_assert_cmpuint(noted(f), !=, 0);
        g_assert_cmpuint(committed(f), ==, 1);
    }
    incoming(f);
    come_in(f, generation + 1);
    say_arrived(f, generation + 1);
    expect_message(f, CKPT_MSG_COMMITTED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    ADD_EXTERNAL("/travel/leaving-is-noted-first", leaving_is_noted_first);
    ADD_EXTERNAL("/travel/how-it-ended-is-noted", how_it_ended_is_noted);
    ADD_EXTERNAL("/travel/nonsense-does-not-leave", nonsense_does_not_leave);
    ADD_EXTERNAL("/travel/one-that-stayed-is-not-elsewhere",
                 one_that_stayed_is_not_elsewhere);
    ADD_EXTERNAL("/travel/none-comes-into-one-that-has",
                 none_comes_into_one_that_has);
    ADD_EXTERNAL("/travel/arrival-in-order", arrival_in_order);
    ADD("/travel/ours-does-not-leave", ours_does_not_leave);
    ADD_EXTERNAL("/travel/arrives", arrives);
    ADD_EXTERNAL("/travel/comes-back", comes_back);
    ADD_EXTERNAL("/travel/half-is-nothing", half_is_nothing);
    ADD_EXTERNAL("/travel/stale-does-not-come", stale_does_not_come);
    ADD_EXTERNAL("/travel/none-comes-where-one-is", none_comes_where_one_is);
    ADD_EXTERNAL("/travel/fuzz", fuzz);
    return g_test_run();
}
