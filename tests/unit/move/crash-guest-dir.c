/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-guest-dir.c - a guest that is made, or comes in, and a crash of the
 * host at every point
 *
 * Once somebody was told that there is such a guest, it is found; once the
 * other host was told DONE, what it sent is there, every byte.
 */
#include <string.h>

#include "ckptd/ckptd-guest-dir.h"
#include "tests/unit/store/crash-io.h"

#define STATE  "/s"
#define GUEST  "/s/guests/redis"
#define CHUNK  5000
#define CHUNKS 3

enum told {
    TOLD_NOTHING,
    TOLD_MADE, /* the guest is there */
    TOLD_BUNDLE,
    TOLD_LOG,
};

static void tell(struct crash_io *disk, enum told what)
{
    const struct crash_promise p = { .epoch = what };

    crash_io_promise(disk, &p);
}

static void fill(uint8_t *buf, unsigned seed)
{
    memset(buf, 'a' + seed, CHUNK);
}

/* As g_file_set_contents_full() does it. */
static void put_durable(struct ckptd_io *io, const char *name)
{
    g_assert_true(ckptd_guest_dir_put(io, GUEST, name, "x", 1, 0, NULL));
    g_assert_true(ckptd_guest_dir_sync(io, GUEST, name, NULL));
}

static void take(struct ckptd_io *io, const char *name)
{
    uint8_t chunk[CHUNK];
    unsigned i;

    for (i = 0; i < CHUNKS; i++) {
        fill(chunk, i);
        g_assert_true(ckptd_guest_dir_put(io, GUEST, name, chunk, CHUNK,
                                          i * CHUNK, NULL));
    }
    g_assert_true(ckptd_guest_dir_sync(io, GUEST, name, NULL));
}

static void arrive(struct crash_io *disk)
{
    struct ckptd_io *io = crash_io_layer(disk);

    g_assert_true(ckptd_guest_dir_make(io, GUEST, NULL));
    put_durable(io, "guest.conf");
    g_assert_true(ckptd_guest_dir_keep(io, GUEST, NULL));
    tell(disk, TOLD_MADE);
    take(io, "bundle");
    tell(disk, TOLD_BUNDLE);
    take(io, "console.log");
    tell(disk, TOLD_LOG);
}

static void check_file(struct crash_io *disk, const char *name)
{
    g_autofree char *path = g_build_filename(GUEST, name, NULL);
    uint8_t content[CHUNKS * CHUNK], chunk[CHUNK];
    unsigned i;

    g_assert_true(crash_io_content(disk, path, content, sizeof(content)));
    for (i = 0; i < CHUNKS; i++) {
        fill(chunk, i);
        g_assert_cmpmem(content + i * CHUNK, CHUNK, chunk, CHUNK);
    }
}

static void check_after_crash(struct crash_io *disk, enum told told)
{
    char byte;

    if (told >= TOLD_MADE) {
        g_assert_true(crash_io_content(disk, GUEST "/guest.conf", &byte, 1));
    }
    if (told >= TOLD_BUNDLE) {
        check_file(disk, "bundle");
    }
    if (told >= TOLD_LOG) {
        check_file(disk, "console.log");
    }
}

static struct crash_io *state_dir(void)
{
    struct crash_io *disk = crash_io_new(), *durable;

    g_assert_true(ckptd_io_make_dir(crash_io_layer(disk), STATE, NULL));
    durable = crash_io_clone(disk);
    crash_io_free(disk);
    return durable;
}

static void test_what_was_told_is_durable(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    struct crash_io *disk = state_dir();
    struct crash_replay *replay;
    unsigned n = 0;

    arrive(disk);
    replay = crash_replay_new(disk, rand);
    while (crash_replay_next(replay)) {
        enum crash_keep flight, pending;

        for (flight = 0; flight < CRASH__MAX; flight++) {
            for (pending = 0; pending < CRASH__MAX; pending++) {
                struct crash_io *after =
                    crash_replay_crash(replay, flight, pending);

                check_after_crash(after, crash_replay_promise(replay)->epoch);
                crash_io_free(after);
                n++;
            }
        }
    }
    g_assert_cmpuint(n, >, 500);
    crash_replay_free(replay);
    crash_io_free(disk);
}

/* What lies there may be a guest that could not be read. */
static void test_a_directory_is_never_used_again(void)
{
    struct crash_io *disk = state_dir();
    struct ckptd_io *io = crash_io_layer(disk);
    g_autoptr(GError) error = NULL;

    arrive(disk);
    g_assert_false(ckptd_guest_dir_make(io, GUEST, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS);
    check_after_crash(disk, TOLD_LOG);
    crash_io_free(disk);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-dir/what-was-told-is-durable",
                    test_what_was_told_is_durable);
    g_test_add_func("/guest-dir/never-used-again",
                    test_a_directory_is_never_used_again);
    return g_test_run();
}
