/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluice-commit.c - checkpoints on demand, as a program sees them; prints TAP
 *
 *     sluice-commit [ROUNDS]
 *
 * Runs anywhere: on Linux every call must fail with ENOSYS, in a guest without
 * checkpoints a commit must fail with ENOTSUP, and with them what was asked
 * for must become durable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include "sluice.h"
#include "tap.h"

static int fails_with(int64_t ret, int error)
{
    return ret == -1 && errno == error;
}

static void test_on_linux(void)
{
    struct sluice_line line = { 0 };
    char payload[4] = "";

    tap_ok(fails_with(sluice_commit(0), ENOSYS), "commit: ENOSYS");
    tap_ok(fails_with(sluice_wait_committed(1), ENOSYS), "wait: ENOSYS");
    tap_ok(fails_with(sluice_epoch(), ENOSYS), "epoch: ENOSYS");
    tap_ok(fails_with(sluice_committed(), ENOSYS), "committed: ENOSYS");
    tap_ok(fails_with(sluice_generation(), ENOSYS), "generation: ENOSYS");
    tap_ok(fails_with(sluice_frame_open(), ENOSYS), "frame_open: ENOSYS");
    tap_ok(fails_with(sluice_frame_send(0, NULL, payload, 4), ENOSYS),
           "frame_send: ENOSYS");
    tap_ok(fails_with(sluice_frame_recv(0, NULL, payload, 4), ENOSYS),
           "frame_recv: ENOSYS");
    tap_ok(fails_with(sluice_line(&line), ENOSYS), "line: ENOSYS");
    tap_ok(fails_with(sluice_line_wait(&line), ENOSYS), "line_wait: ENOSYS");
    tap_ok(!sluice_line_counter() && errno == ENOSYS, "line_counter: ENOSYS");
}

/* A boot is the first line, whatever checkpoints there are. */
static void test_first_line(void)
{
    struct sluice_line line = { .line = 1, .why = 1 };

    tap_ok(sluice_line(&line) == 0 && line.line == 0 &&
               line.why == SLUICE_LINE_FIRST && *sluice_line_counter() == 0,
           "the first line");
    line.line = 1;
    tap_ok(sluice_line_wait(&line) == 0 && line.line == 0,
           "waiting for another than a later one is over at once");
    tap_ok(fails_with(sluice_line(NULL), EFAULT), "line: EFAULT");
}

static void test_without_checkpoints(void)
{
    tap_ok(fails_with(sluice_commit(0), ENOTSUP), "commit: ENOTSUP");
    tap_ok(fails_with(sluice_commit(SLUICE_COMMIT_WAIT), ENOTSUP),
           "commit and wait: ENOTSUP");
    tap_ok(fails_with(sluice_wait_committed(1), ENOTSUP), "wait: ENOTSUP");
}

static void test_with_checkpoints(int rounds)
{
    /* in this order: an epoch may end between the two questions */
    int64_t committed = sluice_committed(), first = sluice_epoch();
    int64_t n, last = 0;
    int good = 0;

    tap_ok(first >= 1, "an epoch is being executed");
    tap_ok(sluice_generation() >= 1, "in a generation");
    tap_ok(committed < first, "this epoch is not durable yet");
    n = sluice_commit(0);
    tap_ok(n >= first, "commit: the epoch that it asked for");
    tap_ok(sluice_wait_committed(n) == 0 && sluice_committed() >= n,
           "wait: it is durable");
    tap_ok(sluice_epoch() > n, "and over");
    tap_ok(sluice_wait_committed(n) == 0, "waiting again is over at once");
    for (int i = 0; i < rounds; i++) {
        n = sluice_commit(SLUICE_COMMIT_WAIT);
        good += n > last && sluice_committed() >= n;
        last = n;
    }
    tap_ok(good == rounds, "commit and wait, again and again");
    n = sluice_epoch();
    tap_ok(sluice_wait_committed(n) == 0 && sluice_committed() >= n,
           "waiting for the present epoch ends it");
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    int64_t epoch = sluice_epoch();

    tap_ok(fails_with(sluice_commit(64), EINVAL) || errno == ENOSYS,
           "an unknown flag");
    if (epoch < 0) {
        test_on_linux();
    } else if (epoch == 0) {
        test_without_checkpoints();
    } else {
        test_with_checkpoints(rounds);
    }
    if (epoch >= 0) {
        test_first_line();
    }
    return tap_done();
}
