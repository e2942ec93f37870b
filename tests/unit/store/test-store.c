/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-store.c - what the checkpoint store promises, on real files
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ckptd/ckptd-format.h"
#include "ckptd/ckptd-snapshot.h"
#include "tests/unit/store/store-fixture.h"

#define RAM_PAGES 256

static unsigned n_syncs;
static unsigned n_dir_syncs;

/* In the place of libc's, to see that the system layer does call them. */
int fdatasync(int fd)
{
    n_syncs++;
    return syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    n_dir_syncs++;
    return syscall(SYS_fsync, fd);
}

static const struct ckptd_store_params small = {
    .segment_bytes = 256 << 10,
    .fold_start_bytes = 256 << 10,
    .tail_max_bytes = 1 << 20,
    .manual = TRUE,
};

struct fixture {
    char *dir;
    struct store_guest guest;
    CkptdStore *store;
};

static void reopen(struct fixture *f)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&f->store, ckptd_store_close);
    f->store = ckptd_store_open_full(f->dir, &small, ckptd_io_system(), &error);
    g_assert_no_error(error);
}

static void set_up(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    f->dir = store_temp_dir();
    store_guest_init(&f->guest, RAM_PAGES, 1);
    f->store = store_create(f->dir, &f->guest, &small);
    g_assert_cmpuint(ckptd_store_generation(f->store), ==, 1);
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

static void check_content(struct fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *ram = NULL;
    char devstate[sizeof(f->guest.devstate)];

    g_assert_cmpuint(ckptd_store_last_epoch(f->store), ==, f->guest.epoch);
    ram = store_rebuild(f->store, &f->guest, NULL, devstate, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(ram, RAM_PAGES * 4096, f->guest.ram, RAM_PAGES * 4096);
    g_assert_cmpstr(devstate, ==, f->guest.devstate);
}

static void test_empty(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;

    reopen(f);
    g_assert_cmpuint(ckptd_store_last_epoch(f->store), ==, 0);
    g_assert_cmpuint(ckptd_store_generation(f->store), ==, 1);
    g_assert_false(ckptd_store_load_tail(f->store, f->guest.slot,
                                         f->guest.slot_bytes, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
}

static void test_round_trip(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    unsigned i;

    for (i = 0; i < 40; i++) {
        append(f, 12);
    }
    check_content(f);
    reopen(f);
    check_content(f);
    append(f, 3);
    reopen(f);
    check_content(f);
}

static void test_large_record(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    append(f, 3000);
    append(f, 1);
    reopen(f);
    check_content(f);
}

static void test_fold(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_store_stats stats;
    unsigned i;

    for (i = 0; i < 100; i++) {
        append(f, 12);
        if (i % 10 == 0) {
            g_assert_true(ckptd_store_fold(f->store, &error));
        }
    }
    ckptd_store_stats(f->store, &stats);
    g_assert_cmpuint(stats.base_epoch, >, 50);
    g_assert_cmpuint(stats.base_epoch, <, 100);
    g_assert_cmpuint(stats.segments, <=, 6);
    check_content(f);
    reopen(f);
    check_content(f);
}

static void test_refused(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    struct ckpt_slot *s = (struct ckpt_slot *)f->guest.slot;
    struct ckpt_slot good;
    GError *error = NULL;
    unsigned i;
    struct {
        size_t field;
        uint64_t value;
        int code;
    } bad[] = {
        { offsetof(struct ckpt_slot, magic), 1, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, epoch), 0, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, epoch), 7, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, generation), 9, CKPTD_ERROR_STALE },
        { offsetof(struct ckpt_slot, n_pages), 1000, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, n_pages), 1, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, n_data), 1, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, n_data), ~0ull, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, list_offset), ~0ull, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, list_offset), 0, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, devstate_offset), ~7ull,
          CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, devstate_bytes), 1ull << 40,
          CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, data_offset), 100, CKPTD_ERROR_INVALID },
        { offsetof(struct ckpt_slot, data_offset), ~4095ull,
          CKPTD_ERROR_INVALID },
    };

    store_guest_scribble(&f->guest, 20);
    store_guest_capture(&f->guest);
    good = *s;
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        *s = good;
        memcpy((char *)s + bad[i].field, &bad[i].value, sizeof(uint64_t));
        g_assert_false(ckptd_store_append(f->store, f->guest.slot,
                                          f->guest.slot_bytes, &error));
        g_assert_error(error, CKPTD_ERROR, bad[i].code);
        g_clear_error(&error);
    }
    *s = good;
    g_assert_true(ckptd_store_append(f->store, f->guest.slot,
                                     f->guest.slot_bytes, &error));
    check_content(f);
}

static void test_generation(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    uint64_t generation;

    append(f, 5);
    g_assert_true(ckptd_store_begin_generation(f->store, &generation, &error));
    g_assert_cmpuint(generation, ==, 2);
    store_guest_capture(&f->guest);
    g_assert_false(ckptd_store_append(f->store, f->guest.slot,
                                      f->guest.slot_bytes, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_STALE);
    f->guest.epoch--;
    f->guest.generation = 2;
    append(f, 5);
    reopen(f);
    g_assert_cmpuint(ckptd_store_generation(f->store), ==, 2);
    check_content(f);
}

static void test_one_holder(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *pid = g_strdup_printf("process %ld", (long)getpid());

    g_assert_null(ckptd_store_open(f->dir, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, pid));
}

/* A process that was just forked has all descriptors until it executes. */
static void test_closed_beside_a_fork(struct fixture *f,
                                      gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    pid_t child = fork();

    if (child == 0) {
        pause();
        _exit(0);
    }
    g_assert_cmpint(child, >, 0);
    g_clear_pointer(&f->store, ckptd_store_close);
    f->store = ckptd_store_open(f->dir, &error);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    g_assert_no_error(error);
}

static void test_create_twice(struct fixture *f, gconstpointer d G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;

    g_clear_pointer(&f->store, ckptd_store_close);
    store_manifest(&manifest, RAM_PAGES);
    g_assert_null(ckptd_store_create(f->dir, &manifest, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS);
}

static void test_modes(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *base = g_build_filename(f->dir, "base", NULL);
    struct stat st;

    g_assert_cmpint(stat(base, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
    g_assert_cmpint(st.st_size, ==, RAM_PAGES * 4096);
    g_assert_cmpint(st.st_blocks, ==, 0);
}

/*
 * The crash tests prove the order of durable writes on a disk of their own:
 * here it is the kernel that is asked for them.
 */
static void test_system_layer(struct fixture *f,
                              gconstpointer data G_GNUC_UNUSED)
{
    struct ckptd_io *io = ckptd_io_system();
    unsigned syncs = n_syncs, dir_syncs = n_dir_syncs;
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdFile) file = ckptd_io_open(
        io, f->dir, "durable",
        CKPTD_IO_WRITE | CKPTD_IO_CREATE | CKPTD_IO_DSYNC, &error);

    g_assert_no_error(error);
    g_assert_cmpint(fcntl(ckptd_io_fd(file), F_GETFL) & O_DSYNC, ==, O_DSYNC);
    g_assert_true(ckptd_io_sync(file, &error));
    g_assert_cmpuint(n_syncs, ==, syncs + 1);
    g_assert_true(ckptd_io_sync_dir(io, f->dir, &error));
    g_assert_cmpuint(n_dir_syncs, ==, dir_syncs + 1);
    g_assert_true(ckptd_io_rename(io, f->dir, "durable", "renamed", &error));
    g_assert_cmpuint(n_dir_syncs, ==, dir_syncs + 2);
}

/* L1 of FORMAT.md: all that the store appends to is open for durable writes. */
static void test_opened_durable(struct fixture *f,
                                gconstpointer data G_GNUC_UNUSED)
{
    unsigned n_segments = 0;
    int fd;

    append(f, 3);
    for (fd = 0; fd < 256; fd++) {
        g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autofree char *path = g_file_read_link(link, NULL);
        int flags = fcntl(fd, F_GETFL);

        if (path && g_str_has_prefix(path, f->dir) && strstr(path, "/log-") &&
            (flags & O_ACCMODE) != O_RDONLY) {
            g_assert_cmpint(flags & O_DSYNC, ==, O_DSYNC);
            n_segments++;
        }
    }
    g_assert_cmpuint(n_segments, >, 0);
}

static void test_manifest(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    struct ckptd_manifest m = *ckptd_store_manifest(f->store);
    GError *error = NULL;

    strcpy(m.qemu, "10.0.3 # = [x] ; \\ \"");
    g_assert_true(ckptd_store_set_manifest(f->store, &m, &error));
    reopen(f);
    g_assert_cmpstr(ckptd_store_manifest(f->store)->qemu, ==, m.qemu);
    append(f, 1);
    g_assert_false(ckptd_store_set_manifest(f->store, &m, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_MISMATCH);
    g_clear_error(&error);
}

static void flip(struct fixture *f, const char *name, off_t at)
{
    g_autofree char *path = g_build_filename(f->dir, name, NULL);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char c;

    g_assert_cmpint(pread(fd, &c, 1, at), ==, 1);
    c ^= 1;
    g_assert_cmpint(pwrite(fd, &c, 1, at), ==, 1);
    close(fd);
}

static void verify(struct fixture *f, struct ckptd_verify_report *ret_report)
{
    g_autoptr(GError) error = NULL;

    ckptd_store_verify(f->dir, NULL, NULL, ret_report, &error);
    g_assert_no_error(error);
}

static void test_verify(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    struct ckptd_verify_report report;
    g_autoptr(GError) error = NULL;
    unsigned i;

    f->guest.with_hash = TRUE;
    for (i = 0; i < 50; i++) {
        append(f, 12);
    }
    g_assert_true(ckptd_store_fold(f->store, &error));
    for (i = 0; i < 3; i++) {
        append(f, 12);
    }
    g_assert_false(ckptd_store_verify(f->dir, NULL, NULL, &report, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_BUSY);
    g_clear_pointer(&f->store, ckptd_store_close);
    verify(f, &report);
    g_assert_cmpstr(report.first_problem, ==, "");
    g_assert_cmpuint(report.problems, ==, 0);
    g_assert_cmpuint(report.last_epoch, ==, 53);
    g_assert_cmpuint(report.committed, ==, 53);
    g_assert_true(report.hash_checked);

    for (i = 0; i < RAM_PAGES; i++) {
        flip(f, "base", i * 4096 + 77);
    }
    verify(f, &report);
    g_assert_cmpuint(report.problems, >, 10);
    g_assert_true(g_str_has_prefix(report.first_problem, "base: page "));
}

/* Each block of the log but the last record's: its loss is never silent. */
static void test_damage(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    GError *error = NULL;
    unsigned found = 0;
    unsigned i;

    for (i = 0; i < 3; i++) {
        append(f, 6);
    }
    g_clear_pointer(&f->store, ckptd_store_close);
    for (i = 0; i < (32 << 10) / 512; i++) {
        struct ckptd_verify_report report;
        CkptdStore *s;

        flip(f, "log-0000", i * 512 + 3);
        s = ckptd_store_open_full(f->dir, &small, ckptd_io_system(), &error);
        if (!s) {
            g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
            g_clear_error(&error);
            found++;
        } else {
            g_assert_cmpuint(ckptd_store_last_epoch(s), ==, 3);
            ckptd_store_close(s);
            verify(f, &report);
            found += report.problems > 0;
        }
        flip(f, "log-0000", i * 512 + 3);
    }
    g_assert_cmpuint(found, >, 50);
    reopen(f);
    check_content(f);
}

static void test_lost_meta(struct fixture *f, gconstpointer data G_GNUC_UNUSED)
{
    g_autofree char *path = g_build_filename(f->dir, "meta", NULL);
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;

    append(f, 3);
    g_clear_pointer(&f->store, ckptd_store_close);
    g_assert_cmpint(unlink(path), ==, 0);
    store_manifest(&manifest, RAM_PAGES);
    g_assert_null(ckptd_store_create(f->dir, &manifest, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
}

/* Either meta page alone carries the store. */
static void test_one_meta_page(struct fixture *f,
                               gconstpointer data G_GNUC_UNUSED)
{
    unsigned page;

    append(f, 3);
    for (page = 0; page < 2; page++) {
        g_clear_pointer(&f->store, ckptd_store_close);
        flip(f, "meta", page * 4096 + 60);
        reopen(f);
        g_assert_cmpuint(ckptd_store_generation(f->store), ==, 1);
        check_content(f);
        g_clear_pointer(&f->store, ckptd_store_close);
        flip(f, "meta", page * 4096 + 60);
    }
}

/*
 * B1 of FORMAT.md: RAM that is a private mapping of the base image, with the
 * tail copied over it, stays right while what it does is folded into that file.
 */
static void test_private_mapping(struct fixture *f,
                                 gconstpointer data G_GNUC_UNUSED)
{
    struct store_guest *g = &f->guest;
    g_autoptr(GError) error = NULL;
    const uint64_t *list;
    struct ckpt_slot *s;
    const uint8_t *from;
    uint8_t *model;
    unsigned i;

    for (i = 0; i < 60; i++) {
        append(f, 12);
    }
    g_assert_true(ckptd_store_fold(f->store, &error));
    for (i = 0; i < 30; i++) {
        append(f, 3);
    }
    g_assert_true(
        ckptd_store_load_tail(f->store, g->slot, g->slot_bytes, &error));
    /* From now on the guest's RAM is the mapping. */
    model = g->ram;
    g->ram = mmap(NULL, RAM_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE,
                  ckptd_store_base_fd(f->store), 0);
    g_assert_true(g->ram != MAP_FAILED);
    s = (struct ckpt_slot *)g->slot;
    list = (const uint64_t *)(g->slot + s->list_offset);
    from = g->slot + s->data_offset;
    g_assert_cmpuint(s->n_pages, <, RAM_PAGES);
    for (i = 0; i < s->n_pages; i++) {
        uint8_t *to = g->ram + (list[i] & ~CKPT_PAGE_ZERO) * 4096;

        if (list[i] & CKPT_PAGE_ZERO) {
            memset(to, 0, 4096);
        } else {
            memcpy(to, from, 4096);
            from += 4096;
        }
    }
    g_assert_cmpmem(g->ram, RAM_PAGES * 4096, model, RAM_PAGES * 4096);
    for (i = 0; i < 200; i++) {
        memset(g->dirty, i == 100, RAM_PAGES);
        store_guest_scribble(g, i % 7);
        memcpy(model, g->ram, RAM_PAGES * 4096);
        store_guest_capture(g);
        g_assert_true(
            ckptd_store_append(f->store, g->slot, g->slot_bytes, &error));
        g_assert_true(ckptd_store_fold(f->store, &error));
        g_assert_cmpmem(g->ram, RAM_PAGES * 4096, model, RAM_PAGES * 4096);
    }
    check_content(f);
    munmap(g->ram, RAM_PAGES * 4096);
    g->ram = model;
}

/*
 * A record that was damaged after appends had paused is not taken for one that
 * was torn, although the store was never closed.
 */
static void test_committed_hint(void)
{
    struct ckptd_store_params params = small;
    struct fixture f = { .dir = store_temp_dir() };
    struct fixture copy = { .dir = store_temp_dir() };
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    struct ckptd_verify_report report = { 0 };
    uint64_t generation;
    const char *name;
    GDir *d;

    params.manual = FALSE;
    store_guest_init(&f.guest, RAM_PAGES, 2);
    store_manifest(&manifest, RAM_PAGES);
    f.store = ckptd_store_create_full(f.dir, &manifest, &params,
                                      ckptd_io_system(), &error);
    g_assert_no_error(error);
    ckptd_store_begin_generation(f.store, &generation, &error);
    append(&f, 3);
    do {
        g_usleep(50000);
        d = g_dir_open(f.dir, 0, &error);
        g_assert_no_error(error);
        while ((name = g_dir_read_name(d))) {
            g_autofree char *from = g_build_filename(f.dir, name, NULL);
            g_autofree char *to = g_build_filename(copy.dir, name, NULL);
            g_autofree char *text = NULL;
            size_t len;

            g_assert_true(g_file_get_contents(from, &text, &len, NULL));
            g_assert_true(g_file_set_contents(to, text, len, NULL));
        }
        g_dir_close(d);
        verify(&copy, &report);
    } while (report.committed < 1);
    flip(&copy, "log-0000", 4096 + 1000);
    g_assert_null(ckptd_store_open(copy.dir, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
    store_remove_dir(copy.dir);
    g_free(copy.dir);
    tear_down(&f, NULL);
}

static void test_threads(void)
{
    struct ckptd_store_params params = small;
    struct fixture f = { .dir = store_temp_dir() };
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    struct ckptd_store_stats stats;
    uint64_t generation;
    unsigned i;

    params.manual = FALSE;
    store_guest_init(&f.guest, RAM_PAGES, 2);
    store_manifest(&manifest, RAM_PAGES);
    f.store = ckptd_store_create_full(f.dir, &manifest, &params,
                                      ckptd_io_system(), &error);
    g_assert_no_error(error);
    ckptd_store_begin_generation(f.store, &generation, &error);
    for (i = 0; i < 300; i++) {
        append(&f, 20);
        if (i % 29 == 0) {
            check_content(&f);
        }
    }
    ckptd_store_stats(f.store, &stats);
    g_assert_cmpuint(stats.fold_count, >, 0);
    g_assert_cmpuint(stats.tail_bytes, <=, (1 << 20) + (256 << 10));
    reopen(&f);
    check_content(&f);
    tear_down(&f, NULL);
}

static void set_up_small_log(struct fixture *f)
{
    struct ckptd_store_params params = small;
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    uint64_t generation;

    params.manual = FALSE;
    params.segment_bytes = 64 << 10;
    params.fold_start_bytes = 512 << 10;
    params.tail_max_bytes = 1;
    f->dir = store_temp_dir();
    store_guest_init(&f->guest, RAM_PAGES, 2);
    store_manifest(&manifest, RAM_PAGES);
    f->store = ckptd_store_create_full(f->dir, &manifest, &params,
                                       ckptd_io_system(), &error);
    g_assert_no_error(error);
    ckptd_store_begin_generation(f->store, &generation, &error);
}

/* Large records that fill the log: appends wait for the fold, and go on. */
static void test_throttle(void)
{
    struct ckptd_store_stats stats;
    struct fixture f = { 0 };
    unsigned i;

    set_up_small_log(&f);
    for (i = 0; i < 12; i++) {
        append(&f, i % 3 ? 3 : 2000);
        ckptd_store_stats(f.store, &stats);
        g_assert_cmpuint(stats.tail_bytes, <, 2 << 20);
    }
    g_assert_cmpuint(stats.throttle_count, >, 0);
    check_content(&f);
    tear_down(&f, NULL);
}

/*
 * A snapshot keeps the log from being folded: whoever has it may wait for the
 * next epoch, so appends go on, however full the log is.
 */
static void test_full_beside_a_snapshot(void)
{
    struct ckptd_store_stats stats;
    g_autoptr(GError) error = NULL;
    CkptdSnapshot *snapshot;
    struct fixture f = { 0 };
    unsigned i;

    set_up_small_log(&f);
    append(&f, 3);
    snapshot = ckptd_store_snapshot(f.store, &error);
    g_assert_no_error(error);
    for (i = 0; i < 12; i++) {
        append(&f, 200);
    }
    ckptd_store_stats(f.store, &stats);
    g_assert_cmpuint(stats.tail_bytes, >, 2 << 20);
    g_assert_cmpuint(stats.fold_count, ==, 0);
    ckptd_snapshot_free(snapshot);
    append(&f, 3);
    ckptd_store_stats(f.store, &stats);
    g_assert_cmpuint(stats.tail_bytes, <, 2 << 20);
    check_content(&f);
    tear_down(&f, NULL);
}

#define ADD(path, func)                                                        \
    g_test_add(path, struct fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* A temporary directory without O_DIRECT is worth a warning, no more. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    ADD("/store/empty", test_empty);
    ADD("/store/round-trip", test_round_trip);
    ADD("/store/large-record", test_large_record);
    ADD("/store/fold", test_fold);
    ADD("/store/refused", test_refused);
    ADD("/store/generation", test_generation);
    ADD("/store/one-holder", test_one_holder);
    ADD("/store/closed-beside-a-fork", test_closed_beside_a_fork);
    ADD("/store/create-twice", test_create_twice);
    ADD("/store/modes", test_modes);
    ADD("/store/system-layer", test_system_layer);
    ADD("/store/opened-durable", test_opened_durable);
    ADD("/store/manifest", test_manifest);
    ADD("/store/verify", test_verify);
    ADD("/store/damage", test_damage);
    ADD("/store/lost-meta", test_lost_meta);
    ADD("/store/one-meta-page", test_one_meta_page);
    ADD("/store/private-mapping", test_private_mapping);
    g_test_add_func("/store/committed-hint", test_committed_hint);
    g_test_add_func("/store/throttle", test_throttle);
    g_test_add_func("/store/full-beside-a-snapshot",
                    test_full_beside_a_snapshot);
    g_test_add_func("/store/threads", test_threads);
    return g_test_run();
}
