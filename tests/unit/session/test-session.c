/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-session.c - a session does what it promises to QEMU, whatever QEMU does
 *
 * session-fixture.h has the QEMU.
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/ckpt-hold.h"
#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-output.h"
#include "tests/unit/session/session-fixture.h"

#define FUZZ_ROUNDS 100

/* --- promises ------------------------------------------------------------- */

/* S2: what was answered with COMMITTED is in the store without us. */
TEST(committed_is_durable)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autoptr(CkptdStore) store = NULL;
    g_autoptr(GError) error = NULL;

    commit(f, 1, generation, 'a');
    commit(f, 2, generation, 'b');
    die(f);
    drain(f);
    g_clear_pointer(&f->session, ckptd_session_free);
    store = ckptd_store_open(f->store, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(ckptd_store_last_epoch(store), ==, 2);
    g_assert_cmpstr(ckptd_store_manifest(store)->accel, ==, "tcg");
}

/* F1: a recovery has a greater generation; the pages are those of the end of
 * the last epoch; the hold is the same memory. */
TEST(recovery_restores)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT), next;
    struct ckpt_slot head;

    commit(f, 1, generation, 'a');
    commit(f, 2, generation, 'b');
    memcpy((char *)f->hold.addr + 4096, "kept", 4);
    die(f);
    drain(f);
    next = start(f, CKPT_ACTION_RESTORE);
    g_assert_cmpuint(next, >, generation);
    g_assert_cmpuint(f->welcome.flags & CKPT_WELCOME_HOLD, !=, 0);
    g_assert_cmpmem((char *)f->hold.addr + 4096, 4, "kept", 4);
    g_assert_cmpint(fcntl(f->base_fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
    memcpy(&head, slot_of(f, f->welcome.restore_slot), sizeof(head));
    g_assert_cmpuint(head.epoch, ==, 2);
    g_assert_cmpuint(head.n_pages, >=, 3);
    g_assert_cmpint(
        *((char *)slot_of(f, f->welcome.restore_slot) + head.data_offset), ==,
        'b');
    commit(f, 3, next, 'c');
}

/* An epoch that was submitted whole counts, even if QEMU did not live to read
 * COMMITTED. */
TEST(submitted_before_death)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    fill_slot(f, 0, 2, generation, 3, 'b');
    submit(f, 0, 2, generation);
    die(f);
    drain(f);
    g_assert_cmpuint(committed(f), ==, 2);
    start(f, CKPT_ACTION_RESTORE);
}

/* E3, G3: ckptd dies, QEMU keeps its epochs and goes on with the next ckptd. */
TEST(reconnect_continues)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_hello h = hello();
    int fds[2];

    commit(f, 1, generation, 'a');
    g_clear_pointer(&f->session, ckptd_session_free);
    close(f->sock);
    open_session(f, TRUE);
    ckptd_session_expect(f->session, getpid(), TRUE);
    fill_slot(f, 0, 2, generation, 3, 'b');
    dial(f);
    h.flags = CKPT_HELLO_RECONNECT;
    h.committed = 1;
    fds[0] = f->hold.fd;
    fds[1] = f->staging.fd;
    say(f, CKPT_MSG_HELLO, 2, generation, &h, sizeof(h), fds, 2);
    expect_message(f, CKPT_MSG_WELCOME);
    memcpy(&f->welcome, f->packet.payload, sizeof(f->welcome));
    g_assert_cmpuint(f->welcome.action, ==, CKPT_ACTION_CONTINUE);
    g_assert_cmpuint(f->packet.msg.epoch, ==, 1);
    g_assert_cmpuint(f->packet.msg.generation, ==, generation);
    submit(f, 0, 2, generation);
    expect_message(f, CKPT_MSG_COMMITTED);
    commit(f, 3, generation, 'c');
}

/* A reconnecting QEMU cannot make us map what it may shrink under us. */
TEST(reconnect_needs_seals)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_hello h = hello();
    int fds[2];

    commit(f, 1, generation, 'a');
    g_clear_pointer(&f->session, ckptd_session_free);
    close(f->sock);
    open_session(f, TRUE);
    ckptd_session_expect(f->session, getpid(), TRUE);
    dial(f);
    h.flags = CKPT_HELLO_RECONNECT;
    h.committed = 1;
    fds[0] = f->hold.fd;
    fds[1] = memfd_create("unsealed", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fds[1], f->staging.size_bytes), ==, 0);
    say(f, CKPT_MSG_HELLO, 1, generation, &h, sizeof(h), fds, 2);
    close(fds[1]);
    expect_message(f, CKPT_MSG_REFUSE);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
}

/* F1: a message of another generation ends the connection. */
TEST(stale_generation)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    fill_slot(f, 0, 2, generation - 1, 3, 'b');
    submit(f, 0, 2, generation - 1);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_assert_cmpuint(committed(f), ==, 1);
}

/* F1: nor is its output let out, however durable the epoch. */
TEST(stale_output)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autofree char *log = NULL;

    commit(f, 1, generation, 'a');
    die(f);
    drain(f);
    generation = start(f, CKPT_ACTION_RESTORE);
    output(f, 1, generation - 1, CKPT_OUTPUT_LOG, 0, "of the dead");
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_file_get_contents(f->log, &log, NULL, NULL);
    g_assert_cmpstr(log, ==, "");
}

/* S2: what cannot be stored is not committed. */
TEST(unstorable_is_not_committed)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_slot *head;

    commit(f, 1, generation, 'a');
    fill_slot(f, 0, 2, generation, 3, 'b');
    head = slot_of(f, 0);
    head->data_offset = f->welcome.slot_bytes;
    submit(f, 0, 2, generation);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_assert_cmpuint(committed(f), ==, 1);
}

/* Epochs come one after the other, and the slot must say the same. */
TEST(epochs_in_order)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    fill_slot(f, 0, 3, generation, 3, 'b');
    submit(f, 0, 3, generation);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    die(f);
    drain(f);
    generation = start(f, CKPT_ACTION_RESTORE);
    fill_slot(f, 0, 5, generation, 3, 'b');
    submit(f, 0, 2, generation);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
}

/* G3 holds for log bytes too: nothing of an epoch that is not committed. */
TEST(early_output_is_refused)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autofree char *log = NULL;

    commit(f, 1, generation, 'a');
    output(f, 2, generation, CKPT_OUTPUT_LOG, 0, "too early");
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_file_get_contents(f->log, &log, NULL, NULL);
    g_assert_cmpstr(log, ==, "");
}

/* Nor what QEMU itself does not say to be of a committed epoch. */
TEST(unsettled_output_is_refused)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autofree char *log = NULL;

    commit(f, 1, generation, 'a');
    output_with(f, 1, generation, CKPT_OUTPUT_LOG, 0, 0, "not settled");
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_file_get_contents(f->log, &log, NULL, NULL);
    g_assert_cmpstr(log, ==, "");
}

/* A record that a recovery releases again is in the log once. */
TEST(output_once)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autofree char *log = NULL;

    commit(f, 1, generation, 'a');
    output(f, 1, generation, CKPT_OUTPUT_LOG, 0, "one\n");
    output(f, 1, generation, CKPT_OUTPUT_LOG, 4, "two\n");
    die(f);
    drain(f);
    generation = start(f, CKPT_ACTION_RESTORE);
    output(f, 1, generation, CKPT_OUTPUT_LOG, 4, "two\n");
    output(f, 1, generation, CKPT_OUTPUT_LOG, 5, "three\n");
    output(f, 2, generation, CKPT_OUTPUT_PANIC, 0, "oops\nat line 1\n");
    expect_event(f, CKPTD_SESSION_PANIC);
    output(f, 1, generation, CKPT_OUTPUT_ENDING, 6, "\7\2\1\1");
    expect_event(f, CKPTD_SESSION_ENDING);
    output(f, 1, generation, CKPT_OUTPUT_EXIT, 7, "\7\1\1\1");
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_EXIT), ==, 0x01010107);
    die(f);
    drain(f);
    g_file_get_contents(f->log, &log, NULL, NULL);
    g_assert_cmpstr(log, ==,
                    "one\ntwo\nthree\n"
                    "[panic, not committed] oops\n"
                    "[panic, not committed] at line 1\n");
}

TEST(exit_and_bye)
{
    struct ckpt_bye bye = { .reason = CKPT_BYE_EXIT, .status = 7 };
    uint64_t generation = start(f, CKPT_ACTION_BOOT);

    commit(f, 1, generation, 'a');
    say(f, CKPT_MSG_BYE, 1, generation, &bye, sizeof(bye), NULL, 0);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_EXIT), ==, 7);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_BYE), ==, CKPT_BYE_EXIT);
    bye.reason = CKPT_BYE_RESET; /* it stayed, and was reset after that */
    say(f, CKPT_MSG_BYE, 1, generation, &bye, sizeof(bye), NULL, 0);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_BYE), ==, CKPT_BYE_RESET);
}

/* The last epoch before a move is asked for, and there is nothing behind it. */
TEST(last_epoch_is_asked_for)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_epoch e = { .flags = CKPT_EPOCH_LAST };
    g_autoptr(GError) error = NULL;

    commit(f, 1, generation, 'a');
    fill_slot(f, 0, 2, generation, 3, 'b');
    say(f, CKPT_MSG_EPOCH, 2, generation, &e, sizeof(e), NULL, 0);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    die(f);
    drain(f);
    generation = start(f, CKPT_ACTION_RESTORE);
    g_assert_true(
        ckptd_session_send(f->session, CKPT_MSG_FREEZE, NULL, 0, &error));
    expect_message(f, CKPT_MSG_FREEZE);
    fill_slot(f, 0, 2, generation, 3, 'b');
    say(f, CKPT_MSG_EPOCH, 2, generation, &e, sizeof(e), NULL, 0);
    expect_message(f, CKPT_MSG_COMMITTED);
    expect_event(f, CKPTD_SESSION_FROZEN);
    fill_slot(f, 1, 3, generation, 3, 'c');
    submit(f, 1, 3, generation);
    expect_hang_up(f);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    g_assert_cmpuint(committed(f), ==, 2);
}

/* A QEMU that was not given the guest has none to come back with. */
TEST(reconnect_needs_welcome)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_hello h = hello();
    struct ckptd_shm hold, staging;
    int fds[2];

    commit(f, 1, generation, 'a');
    ckptd_shm_create("hold", f->hold.size_bytes, &hold, NULL);
    ckptd_shm_create("staging", f->staging.size_bytes, &staging, NULL);
    die(f);
    drain(f);
    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), FALSE);
    dial(f);
    h.flags = CKPT_HELLO_RECONNECT;
    h.committed = 1;
    fds[0] = hold.fd;
    fds[1] = staging.fd;
    say(f, CKPT_MSG_HELLO, 1, generation + 1, &h, sizeof(h), fds, 2);
    expect_message(f, CKPT_MSG_REFUSE);
    expect_event(f, CKPTD_SESSION_BAD_PEER);
    ckptd_shm_clear(&hold);
    ckptd_shm_clear(&staging);
}

/* Somebody may have got the connection from a QEMU that died: nobody waits. */
TEST(dead_with_an_heir)
{
    int heir;

    commit(f, 1, start(f, CKPT_ACTION_BOOT), 'a');
    heir = dup(f->sock);
    die(f);
    drain(f);
    start(f, CKPT_ACTION_RESTORE);
    close(heir);
}

/* Only the process that was started is let in. */
TEST(other_process)
{
    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, 1, FALSE);
    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*turned away*");
    dial(f);
    expect_hang_up(f);
    g_test_assert_expected_messages();
}

/* QEMU died, and the next one says hello in words of its own. */
static void greet(struct fixture *f, const struct ckpt_hello *h)
{
    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), FALSE);
    dial(f);
    say(f, CKPT_MSG_HELLO, 0, 0, h, sizeof(*h), NULL, 0);
}

/* The manifest is fixed by the first HELLO: each of its words, and the clock,
 * which may differ by what NTP corrects. */
TEST(another_machine)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_hello same = hello();
    struct ckpt_hello others[] = { same, same, same, same, same, same, same };
    size_t i;

    g_strlcpy(others[0].cpu, "host", sizeof(same.cpu));
    g_strlcpy(others[1].machine, "pc", sizeof(same.machine));
    g_strlcpy(others[2].accel, "kvm", sizeof(same.accel));
    g_strlcpy(others[3].qemu, "11.0", sizeof(same.qemu));
    others[4].tsc_hz += same.tsc_hz / 1000;
    others[5].tsc_hz -= same.tsc_hz / 1000;
    others[6].ram_bytes += CKPT_PAGE_BYTES;
    commit(f, 1, generation, 'a');
    die(f);
    drain(f);
    for (i = 0; i < G_N_ELEMENTS(others); i++) {
        greet(f, &others[i]);
        expect_message(f, CKPT_MSG_REFUSE);
        expect_event(f, CKPTD_SESSION_FAILED);
        die(f);
        drain(f);
    }
    greet(f, &same);
    expect_message(f, CKPT_MSG_WELCOME);
}

TEST(another_guest)
{
    struct ckpt_hello h = hello();

    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), FALSE);
    dial(f);
    memset(h.uuid, 0x11, sizeof(h.uuid));
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_REFUSE);
    expect_event(f, CKPTD_SESSION_FAILED);
}

TEST(a_little_faster_clock)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    struct ckpt_hello h = hello();

    commit(f, 1, generation, 'a');
    die(f);
    drain(f);
    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), FALSE);
    dial(f);
    h.tsc_hz += 10000;
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_WELCOME);
}

/* A checkpoint asked for is one captured after the asking. */
TEST(checkpoint_on_demand)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT);
    g_autoptr(GError) error = NULL;

    commit(f, 1, generation, 'a');
    g_assert_true(ckptd_session_checkpoint(f->session, &error));
    expect_message(f, CKPT_MSG_COMMIT_NOW);
    g_usleep(10);
    commit(f, 2, generation, 'b');
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_COMMITTED), ==, 2);
}

/* One that was captured before and becomes durable after it is not. */
TEST(checkpoint_of_before)
{
    uint64_t generation = start(f, CKPT_ACTION_BOOT), before_ns;
    g_autoptr(GError) error = NULL;

    commit(f, 1, generation, 'a');
    before_ns = g_get_monotonic_time() * 1000;
    g_assert_true(ckptd_session_checkpoint(f->session, &error));
    expect_message(f, CKPT_MSG_COMMIT_NOW);
    fill_slot(f, 0, 2, generation, 3, 'b');
    submit_of(f, 0, 2, generation, before_ns);
    expect_message(f, CKPT_MSG_COMMITTED);
    commit(f, 3, generation, 'c');
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_COMMITTED), ==, 3);
}

TEST(without_checkpoints)
{
    struct ckpt_hello h = hello();
    g_autofree char *log = NULL;

    g_clear_pointer(&f->session, ckptd_session_free);
    open_session(f, FALSE);
    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), FALSE);
    dial(f);
    h.flags = CKPT_HELLO_NO_CHECKPOINT;
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_WELCOME);
    memcpy(&f->welcome, f->packet.payload, sizeof(f->welcome));
    g_assert_cmpuint(f->welcome.action, ==, CKPT_ACTION_PASS);
    output(f, 0, f->packet.msg.generation, CKPT_OUTPUT_LOG, 0, "hello\n");
    expect_event(f, CKPTD_SESSION_WELCOMED);
    die(f);
    drain(f);
    g_file_get_contents(f->log, &log, NULL, NULL);
    g_assert_cmpstr(log, ==, "hello\n");
}

/* --- a QEMU gone mad ------------------------------------------------------ */

/* One connection: welcomed or not, then nonsense, in messages and in slots. */
static void rave(struct fixture *f, uint64_t epoch)
{
    guint8 payload[1024] = { 0 };
    struct ckpt_hello h = hello();
    uint64_t generation;
    guint i, n = g_test_rand_int_range(1, 8);

    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), g_test_rand_bit());
    dial(f);
    if (g_test_rand_bit()) {
        scribble((guint8 *)&h, sizeof(h));
    }
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    if (ckptd_wire_recv(f->sock, &f->packet, NULL) != CKPTD_RECV_PACKET ||
        f->packet.msg.type != CKPT_MSG_WELCOME) {
        return;
    }
    memcpy(&f->welcome, f->packet.payload, sizeof(f->welcome));
    generation = f->packet.msg.generation;
    g_assert_true(ckptd_shm_adopt(ckptd_wire_steal_fd(&f->packet, 1), "staging",
                                  0, &f->staging, NULL));
    for (i = 0; i < n; i++) {
        fill_slot(f, i % 2, epoch, generation, 3, 'x');
        if (g_test_rand_int_range(0, 4)) {
            scribble(slot_of(f, i % 2), 160);
        }
        if (g_test_rand_bit()) {
            submit(f, i % 2, epoch, generation);
        } else {
            scribble(payload, sizeof(payload));
            say(f, g_test_rand_int_range(0, CKPT_MSG_STORED + 2),
                g_test_rand_int_range(0, 9), generation, payload,
                g_test_rand_int_range(0, 1024), NULL, 0);
        }
    }
}

static gboolean not_fatal(const char *domain G_GNUC_UNUSED,
                          GLogLevelFlags level,
                          const char *message G_GNUC_UNUSED,
                          gpointer opaque G_GNUC_UNUSED)
{
    return (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0;
}

TEST(fuzz)
{
    uint64_t generation, last = 1;
    guint round;

    g_test_log_set_fatal_handler(not_fatal, NULL);
    generation = start(f, CKPT_ACTION_BOOT);
    commit(f, 1, generation, 'a');
    die(f);
    drain(f);
    for (round = 0; round < FUZZ_ROUNDS; round++) {
        rave(f, committed(f) + 1);
        die(f);
        drain_all(f);
        g_assert_cmpuint(committed(f), >=, last);
        last = committed(f);
    }
    generation = start(f, CKPT_ACTION_RESTORE);
    commit(f, last + 1, generation, 'z');
}

/* --- the log's file ------------------------------------------------------- */

TEST(output_survives_ckptd)
{
    CkptdOutput *out;
    g_autofree char *log = NULL;
    int round;

    for (round = 0; round < 2; round++) {
        out = ckptd_output_open(f->log, f->seq, NULL);
        g_assert_true(
            ckptd_output_log(out, 9, (const uint8_t *)"nine", 4, NULL));
        ckptd_output_close(out);
    }
    out = ckptd_output_open(f->log, f->seq, NULL);
    ckptd_output_new_hold(out);
    g_assert_true(ckptd_output_log(out, 0, (const uint8_t *)"zero", 4, NULL));
    ckptd_output_close(out);
    g_file_get_contents(f->log, &log, NULL, NULL);
    g_assert_cmpstr(log, ==, "ninezero");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    ADD("/session/committed-is-durable", committed_is_durable);
    ADD("/session/recovery-restores", recovery_restores);
    ADD("/session/submitted-before-death", submitted_before_death);
    ADD("/session/reconnect-continues", reconnect_continues);
    ADD("/session/reconnect-needs-seals", reconnect_needs_seals);
    ADD("/session/stale-generation", stale_generation);
    ADD("/session/stale-output", stale_output);
    ADD("/session/unstorable-is-not-committed", unstorable_is_not_committed);
    ADD("/session/epochs-in-order", epochs_in_order);
    ADD("/session/early-output-is-refused", early_output_is_refused);
    ADD("/session/unsettled-output-is-refused", unsettled_output_is_refused);
    ADD("/session/output-once", output_once);
    ADD("/session/exit-and-bye", exit_and_bye);
    ADD("/session/last-epoch-is-asked-for", last_epoch_is_asked_for);
    ADD("/session/reconnect-needs-welcome", reconnect_needs_welcome);
    ADD("/session/dead-with-an-heir", dead_with_an_heir);
    ADD("/session/other-process", other_process);
    ADD("/session/another-machine", another_machine);
    ADD("/session/another-guest", another_guest);
    ADD("/session/a-little-faster-clock", a_little_faster_clock);
    ADD("/session/checkpoint-on-demand", checkpoint_on_demand);
    ADD("/session/checkpoint-of-before", checkpoint_of_before);
    ADD("/session/without-checkpoints", without_checkpoints);
    ADD("/session/fuzz", fuzz);
    ADD("/output/survives-ckptd", output_survives_ckptd);
    return g_test_run();
}
