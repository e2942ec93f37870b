/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-load.c - what a ckptd that comes back does about files that it finds,
 * and about those that it cannot read: nothing
 *
 * A symbolic link to itself is there, and cannot be read by anybody, root
 * included (ELOOP).
 */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-internal.h"
#include "ckptd/ckptd-launch.h"
#include "ckptd/ckptd-ledger.h"
#include "ckptd/ckptd-lookup.h"
#include "ckptd/ckptd-server.h"

#define NAME "redis"

static const char id[] = "0123456789abcdef0123456789abcdef";
static const char print[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/* @victim: a process that stands for the guest's QEMU */
struct fixture {
    struct ckptd_paths paths;
    char *guest;
    char *runtime;
    char *moves;
    GPid victim;
};

static void put(const char *dir, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* In the place of what is there, which is kept beside it. */
static void hide(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *kept = g_strconcat(path, ".kept", NULL);

    g_rename(path, kept);
    g_assert_cmpint(symlink(name, path), ==, 0);
}

static void show(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autofree char *kept = g_strconcat(path, ".kept", NULL);

    g_assert_cmpint(g_unlink(path), ==, 0);
    g_rename(kept, path);
}

static gboolean is_there(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return ckptd_lookup_path(path, NULL);
}

/* A process as ckptd starts them, with its pid file. */
static void start_victim(struct fixture *f, const char *pid_file)
{
    g_autofree char *pid = g_build_filename(f->runtime, pid_file, NULL);
    char *argv[] = { "/bin/sleep", "1000", NULL };
    struct ckptd_process process;
    g_autoptr(GError) error = NULL;
    struct ckptd_spawn how = {
        .argv = argv,
        .cwd = "/",
        .log_path = "/dev/null",
        .pid_path = pid,
        .fd = -1,
    };

    g_assert_true(ckptd_process_spawn(&how, &process, &error));
    g_assert_no_error(error);
    f->victim = process.pid;
    ckptd_process_clear(&process);
}

static gboolean victim_lives(const struct fixture *f)
{
    return f->victim && waitpid(f->victim, NULL, WNOHANG) == 0;
}

static void set_up(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    const char *const argv[] = { "/bin/true", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdSpec) spec = NULL;
    g_autofree char *conf = NULL;
    GVariantDict options;
    g_autoptr(GVariant) dict = NULL;

    f->paths.state_dir = g_dir_make_tmp("sluice-load-XXXXXX", NULL);
    f->paths.runtime_dir = g_build_filename(f->paths.state_dir, "run", NULL);
    f->guest = g_build_filename(f->paths.state_dir, "guests", NAME, NULL);
    f->runtime = g_build_filename(f->paths.runtime_dir, "guests", NAME, NULL);
    f->moves = ckptd_ledger_dir(f->paths.state_dir);
    g_assert_cmpint(g_mkdir_with_parents(f->guest, 0700), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(f->runtime, 0700), ==, 0);
    g_variant_dict_init(&options, NULL);
    g_variant_dict_insert(&options, "name", "s", NAME);
    g_variant_dict_insert(&options, "net", "s", "none");
    g_variant_dict_insert(&options, "accel", "s", "tcg");
    dict = g_variant_ref_sink(g_variant_dict_end(&options));
    spec = ckptd_spec_new(dict, argv, &error);
    g_assert_no_error(error);
    conf = g_build_filename(f->guest, "guest.conf", NULL);
    g_assert_true(ckptd_spec_save(spec, conf, &error));
}

static void tear_down(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    if (f->victim && victim_lives(f)) {
        kill(f->victim, SIGKILL);
        waitpid(f->victim, NULL, 0);
    }
    g_assert_true(ckptd_guest_remove_tree(f->paths.state_dir, NULL));
    g_free(f->guest);
    g_free(f->runtime);
    g_free(f->moves);
    ckptd_paths_clear(&f->paths);
}

/* What a ckptd makes of it that has just started; to be freed. */
static CkptdServer *start(struct fixture *f)
{
    g_autoptr(GError) error = NULL;
    CkptdServer *server = ckptd_server_new(&f->paths, &error);

    g_assert_no_error(error);
    g_assert_true(ckptd_server_resume(server, &error));
    return server;
}

/* It is left alone, and what there is of it is what there was. */
static void check_left_alone(struct fixture *f, const char *what)
{
    g_autoptr(CkptdServer) server = NULL;
    g_autoptr(GVariant) list = NULL;
    g_autofree char *reason = NULL;
    g_autofree char *state = NULL;
    g_autoptr(GError) error = NULL;
    GVariantBuilder builder;

    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*is left alone*");
    server = start(f);
    g_test_assert_expected_messages();
    g_assert_null(ckptd_server_find(server, NAME, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
    g_assert_nonnull(strstr(error->message, what));
    g_assert_nonnull(strstr(error->message, "ckptctl recover " NAME));
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    g_assert_cmpuint(ckptd_server_add_left(server, NULL, &builder), ==, 1);
    list = g_variant_ref_sink(g_variant_builder_end(&builder));
    list = g_variant_get_child_value(list, 0);
    g_assert_true(g_variant_lookup(list, "state", "s", &state));
    g_assert_cmpstr(state, ==, "damaged");
    g_assert_true(g_variant_lookup(list, "reason", "s", &reason));
    g_assert_cmpstr(reason, ==, error->message);
    g_assert_true(is_there(f->guest, "guest.conf"));
    g_assert_true(!f->victim || victim_lives(f));
}

/* Nothing is wrong any more. */
static void check_known(struct fixture *f, const char *state)
{
    g_autoptr(CkptdServer) server = start(f);
    g_autoptr(GError) error = NULL;
    CkptdGuest *g = ckptd_server_find(server, NAME, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(ckptd_guest_state_name(g), ==, state);
}

static void put_life(struct fixture *f)
{
    put(f->guest, "life.conf", "[life]\nup=false\nstate=6\n");
}

static void test_guest_conf(struct fixture *f, gconstpointer opaque)
{
    (void)opaque;
    put_life(f);
    hide(f->guest, "guest.conf");
    check_left_alone(f, "guest.conf");
    show(f->guest, "guest.conf");
    check_known(f, "stopped");
    put(f->guest, "guest.conf", "[rot");
    check_left_alone(f, "guest.conf");
}

static void test_life(struct fixture *f, gconstpointer opaque)
{
    static const char *const damaged[] = {
        "",
        "not a key file",
        "[life]\nstate=6\n",
        "[life]\nup=maybe\nstate=6\n",
        "[life]\nup=true\n",
    };
    guint i;

    (void)opaque;
    start_victim(f, CKPTD_LAUNCH_QEMU_PID_FILE);
    put_life(f);
    hide(f->guest, "life.conf");
    check_left_alone(f, "life.conf");
    show(f->guest, "life.conf");
    for (i = 0; i < G_N_ELEMENTS(damaged); i++) {
        put(f->guest, "life.conf", damaged[i]);
        check_left_alone(f, "life.conf");
    }
    put_life(f);
    check_known(f, "stopped"); /* so its QEMU was ended */
    g_assert_false(victim_lives(f));
    f->victim = 0;
}

static void test_pid(struct fixture *f, gconstpointer opaque)
{
    const char *pid = opaque;

    start_victim(f, pid);
    put_life(f);
    hide(f->runtime, pid);
    check_left_alone(f, pid);
    show(f->runtime, pid);
    check_known(f, "stopped");
    g_assert_false(victim_lives(f));
    f->victim = 0;
}

/* Descriptors run out: the case in which all of this was seen. */
static void test_no_descriptor_is_no_absence(struct fixture *f,
                                             gconstpointer opaque)
{
    g_autofree char *pid =
        g_build_filename(f->runtime, CKPTD_LAUNCH_QEMU_PID_FILE, NULL);
    struct ckptd_process found = CKPTD_PROCESS_NONE;
    struct rlimit limit, few;
    guint more;

    (void)opaque;
    start_victim(f, CKPTD_LAUNCH_QEMU_PID_FILE);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    /* Each of the descriptors that it takes is the one too many. */
    for (more = 0; more < 2; more++) {
        g_autoptr(GError) error = NULL;
        int fd = dup(0);
        gboolean known;

        close(fd);
        few = limit;
        few.rlim_cur = fd + more;
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
        known = ckptd_process_find(pid, &found, &error);
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
        g_assert_false(known);
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_IO);
    }
    {
        g_autoptr(GError) error = NULL;

        g_assert_true(ckptd_process_find(pid, &found, &error));
        g_assert_cmpint(found.pid, ==, f->victim);
        ckptd_process_clear(&found);
    }
    kill(f->victim, SIGKILL);
    waitpid(f->victim, NULL, 0);
    f->victim = 0;
    g_assert_true(ckptd_process_find(pid, &found, NULL));
    g_assert_cmpint(found.pidfd, <, 0);
    g_assert_true(ckptd_process_find("/nonexistent", &found, NULL));
    g_assert_cmpint(found.pidfd, <, 0);
}

static CkptdLedger *begin(struct fixture *f, enum ckptd_ledger_role role)
{
    struct ckptd_ledger_entry entry = { .role = role, .generation = 3 };
    g_autoptr(GError) error = NULL;
    CkptdLedger *ledger;

    g_strlcpy(entry.id, id, sizeof(entry.id));
    g_strlcpy(entry.guest, NAME, sizeof(entry.guest));
    g_strlcpy(entry.host, "other", sizeof(entry.host));
    g_strlcpy(entry.print, print, sizeof(entry.print));
    ledger = ckptd_ledger_begin(ckptd_io_system(), f->moves, &entry, &error);
    g_assert_no_error(error);
    return ledger;
}

/* It arrived, and is ours by a ledger that cannot be read for the moment. */
static void test_arrived(struct fixture *f, gconstpointer opaque)
{
    g_autoptr(CkptdLedger) ledger = begin(f, CKPTD_LEDGER_TO);

    (void)opaque;
    g_assert_true(ckptd_ledger_decide(ledger, 4, 100, NULL));
    put_life(f);
    put(f->guest, "arriving", id);
    hide(f->moves, id);
    check_left_alone(f, id);
    show(f->moves, id);
    hide(f->guest, "arriving");
    check_left_alone(f, "arriving");
    show(f->guest, "arriving");
    put(f->guest, "arriving", "rot");
    check_left_alone(f, "arriving");
    put(f->guest, "arriving", id);
    check_known(f, "stopped");
}

/* By the ledger it may run elsewhere; whether it is so cannot be read. */
static void test_given(struct fixture *f, gconstpointer opaque)
{
    g_autoptr(CkptdLedger) ledger = begin(f, CKPTD_LEDGER_FROM);

    (void)opaque;
    start_victim(f, CKPTD_LAUNCH_QEMU_PID_FILE);
    g_assert_true(ckptd_ledger_decide(ledger, 3, 100, NULL));
    put(f->guest, "life.conf", "[life]\nup=true\nstate=0\n");
    hide(f->moves, id);
    check_left_alone(f, id);
    show(f->moves, id);
    hide(f->paths.state_dir, "moves");
    check_left_alone(f, "moves");
    show(f->paths.state_dir, "moves");
    check_known(f, "given");
    g_assert_false(victim_lives(f));
    f->victim = 0;
}

/* What it had not arrived with, and what was only begun, is cleared away. */
static void test_what_never_was(struct fixture *f, gconstpointer opaque)
{
    g_autofree char *begun =
        g_build_filename(f->paths.state_dir, "guests", "begun", NULL);
    g_autoptr(CkptdLedger) ledger = begin(f, CKPTD_LEDGER_TO);
    g_autoptr(CkptdServer) server = NULL;

    (void)opaque;
    put(f->guest, "arriving", id);
    put(begun, "bundle", "of something");
    server = start(f);
    g_assert_null(ckptd_server_find(server, NAME, NULL));
    g_assert_false(is_there(f->paths.state_dir, "guests/" NAME));
    g_assert_false(is_there(f->paths.state_dir, "guests/begun"));
}

/* Mended, it is taken up; and not before an operator says so is it deleted. */
static void test_recover_and_remove(struct fixture *f, gconstpointer opaque)
{
    g_autoptr(CkptdServer) server = NULL;
    g_autoptr(GError) error = NULL;

    (void)opaque;
    put_life(f);
    hide(f->guest, "guest.conf");
    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*is left alone*");
    server = start(f);
    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*is left alone*");
    g_assert_false(ckptd_server_retry(server, NAME, &error));
    g_test_assert_expected_messages();
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
    g_clear_error(&error);
    g_assert_false(ckptd_server_remove(server, NAME, FALSE, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
    g_clear_error(&error);
    show(f->guest, "guest.conf");
    g_assert_true(ckptd_server_retry(server, NAME, &error));
    g_assert_nonnull(ckptd_server_find(server, NAME, NULL));
    g_clear_pointer(&server, ckptd_server_free);
    put(f->guest, "guest.conf", "[rot");
    g_test_expect_message("ckptd", G_LOG_LEVEL_WARNING, "*is left alone*");
    server = start(f);
    g_assert_true(ckptd_server_remove(server, NAME, TRUE, &error));
    g_assert_false(is_there(f->paths.state_dir, "guests/" NAME));
    g_assert_null(ckptd_server_find(server, NAME, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
}

/* A ckptd that cannot read which guests there are does not begin without. */
static void test_guests_unreadable(struct fixture *f, gconstpointer opaque)
{
    g_autoptr(CkptdServer) server = NULL;
    g_autoptr(GError) error = NULL;

    (void)opaque;
    hide(f->paths.state_dir, "guests");
    server = ckptd_server_new(&f->paths, &error);
    g_assert_no_error(error);
    g_assert_false(ckptd_server_resume(server, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_IO);
    show(f->paths.state_dir, "guests");
}

/* Named checkpoints that cannot be listed are not none. */
static void test_labels(struct fixture *f, gconstpointer opaque)
{
    g_autofree char *labels = g_build_filename(f->guest, "labels", NULL);
    g_autoptr(CkptdServer) server = NULL;
    g_autoptr(GError) error = NULL;

    (void)opaque;
    put_life(f);
    g_assert_cmpint(g_mkdir(labels, 0700), ==, 0);
    server = start(f);
    hide(f->guest, "labels");
    g_assert_false(ckptd_server_remove(server, NAME, FALSE, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_IO);
    show(f->guest, "labels");
    g_assert_true(ckptd_server_remove(server, NAME, FALSE, NULL));
    g_assert_false(is_there(f->paths.state_dir, "guests/" NAME));
}

static void add(const char *path, gconstpointer data,
                void (*test)(struct fixture *f, gconstpointer opaque))
{
    g_test_add(path, struct fixture, data, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("SLUICE_QEMU", "/bin/true", TRUE);
    g_setenv("SLUICE_KERNEL", "/bin/true", TRUE);
    g_setenv("SLUICE_LIBRARY", "/bin/true", TRUE);
    add("/load/guest-conf", NULL, test_guest_conf);
    add("/load/life", NULL, test_life);
    add("/load/qemu-pid", CKPTD_LAUNCH_QEMU_PID_FILE, test_pid);
    add("/load/netd-pid", CKPTD_LAUNCH_NETD_PID_FILE, test_pid);
    add("/load/no-descriptor-is-no-absence", NULL,
        test_no_descriptor_is_no_absence);
    add("/load/arrived", NULL, test_arrived);
    add("/load/given", NULL, test_given);
    add("/load/what-never-was", NULL, test_what_never_was);
    add("/load/recover-and-remove", NULL, test_recover_and_remove);
    add("/load/guests-unreadable", NULL, test_guests_unreadable);
    add("/load/labels", NULL, test_labels);
    return g_test_run();
}
