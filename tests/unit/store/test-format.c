/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-format.c - the store's format: golden file, stranger's reader, fuzzing
 *
 * golden-v1.bin is a store of format version 1: both meta pages, the header
 * block of a segment and its two records; golden-v1.manifest goes with it. They
 * were written by `test-format --write-golden DIR` once and do not change: a
 * later version has files of its own, and still reads these.
 */
#include <stdlib.h>
#include <string.h>

#include "ckptd/ckptd-manifest.h"
#include "ckptd/ckptd-meta.h"
#include "ckptd/ckptd-record.h"
#include "ckptd/ckptd-sum.h"
#include "tests/unit/store/crash-io.h"
#include "tests/unit/store/store-fixture.h"

#define DIR_NAME      "/s"
#define LOG_NAME      "/s/log-0000"
#define SOURCE        "tests/unit/store/"
#define RAM_PAGES     8
#define RAM_BYTES     (RAM_PAGES * CKPT_PAGE_BYTES)
#define SEGMENT_BYTES (64u << 10)
#define META_BYTES    (2 * CKPTD_FORMAT_BLOCK_BYTES)

static const struct ckptd_store_params sizes = {
    .segment_bytes = SEGMENT_BYTES,
    .manual = TRUE,
};

/* The guest of the golden file; the same at each call. */
static void golden_epoch(struct store_guest *g, unsigned epoch)
{
    if (epoch == 1) {
        store_guest_write(g, 1, 0x11);
        store_guest_write(g, 4, 0);
        store_guest_write(g, 6, 0x66);
    } else {
        g->with_hash = TRUE;
        store_guest_write(g, 6, 0x67);
        store_guest_write(g, 1, 0);
    }
    store_guest_capture(g);
}

static CkptdStore *make_store(struct crash_io *c, struct store_guest *g,
                              uint64_t ram_pages)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    CkptdStore *s;

    store_manifest(&manifest, ram_pages);
    s = ckptd_store_create_full(DIR_NAME, &manifest, &sizes, crash_io_layer(c),
                                &error);
    g_assert_no_error(error);
    ckptd_store_begin_generation(s, &g->generation, &error);
    g_assert_no_error(error);
    return s;
}

static void append(CkptdStore *s, struct store_guest *g)
{
    g_autoptr(GError) error = NULL;

    ckptd_store_append(s, g->slot, g->slot_bytes, &error);
    g_assert_no_error(error);
}

static int write_golden(const char *dir)
{
    g_autofree char *bin = g_build_filename(dir, "golden-v1.bin", NULL);
    g_autofree char *txt = g_build_filename(dir, "golden-v1.manifest", NULL);
    size_t log_bytes = CKPTD_FORMAT_BLOCK_BYTES * 6;
    g_autofree char *data = g_malloc(META_BYTES + log_bytes);
    struct crash_io *c = crash_io_new();
    struct store_guest g;
    CkptdStore *s;
    char text[4096] = "";
    size_t len = 0;

    store_guest_init(&g, RAM_PAGES, 1);
    s = make_store(c, &g, RAM_PAGES);
    golden_epoch(&g, 1);
    append(s, &g);
    golden_epoch(&g, 2);
    append(s, &g);
    ckptd_store_close(s);
    while (crash_io_content(c, "/s/manifest", text, len + 1)) {
        len++;
    }
    return crash_io_content(c, "/s/meta", data, META_BYTES) &&
                   crash_io_content(c, LOG_NAME, data + META_BYTES,
                                    log_bytes) &&
                   g_file_set_contents(bin, data, META_BYTES + log_bytes,
                                       NULL) &&
                   g_file_set_contents(txt, text, len, NULL)
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}

static char *read_source(const char *name, size_t *ret_len)
{
    g_autofree char *path = g_build_filename(SOURCE, name, NULL);
    g_autoptr(GError) error = NULL;
    char *data = NULL;

    g_file_get_contents(path, &data, ret_len, &error);
    g_assert_no_error(error);
    return data;
}

static void put_file(struct crash_io *c, const char *name, const void *data,
                     size_t len, uint64_t size)
{
    struct ckptd_io *io = crash_io_layer(c);
    g_autoptr(CkptdFile) f = NULL;

    g_assert_true(ckptd_io_make_dir(io, DIR_NAME, NULL));
    f = ckptd_io_open(io, DIR_NAME, name, CKPTD_IO_WRITE | CKPTD_IO_CREATE,
                      NULL);
    g_assert_true(ckptd_io_resize(f, size, NULL));
    g_assert_true(ckptd_io_write(f, data, len, 0, NULL));
}

/* A store that was written by version 1 opens, and holds what it held. */
static void test_golden_read(void)
{
    g_autofree char *devstate = NULL;
    g_autofree uint8_t *ram = NULL;
    g_autoptr(GError) error = NULL;
    struct crash_io *c = crash_io_new();
    uint8_t base[RAM_BYTES] = { 0 };
    struct store_guest g;
    size_t text_len;
    size_t len;
    g_autofree char *data = read_source("golden-v1.bin", &len);
    g_autofree char *text = read_source("golden-v1.manifest", &text_len);
    uint64_t hash;
    CkptdStore *s;

    put_file(c, "meta", data, META_BYTES, META_BYTES);
    put_file(c, "log-0000", data + META_BYTES, len - META_BYTES, SEGMENT_BYTES);
    put_file(c, "manifest", text, text_len, text_len);
    put_file(c, "base", base, RAM_BYTES, RAM_BYTES);
    put_file(c, "base.sums", base, RAM_PAGES * 8, RAM_PAGES * 8);

    store_guest_init(&g, RAM_PAGES, 1);
    golden_epoch(&g, 1);
    golden_epoch(&g, 2);
    s = ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(c), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(ckptd_store_last_epoch(s), ==, 2);
    g_assert_cmpuint(ckptd_store_generation(s), ==, 1);
    g_assert_cmpstr(ckptd_store_manifest(s)->cpu, ==, "max");
    g_assert_true(ckptd_store_ram_hash(s, &hash));
    g_assert_cmphex(hash, ==, ckptd_sum(g.ram, RAM_BYTES, 0));
    devstate = g_malloc0(sizeof(g.devstate));
    ram = store_rebuild(s, &g, base, devstate, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(ram, RAM_BYTES, g.ram, RAM_BYTES);
    g_assert_cmpstr(devstate, ==, "device state of 2");
    ckptd_store_close(s);
    store_guest_clear(&g);
    crash_io_free(c);
}

static void check_record(struct store_guest *g, CkptdSegment *seg,
                         uint64_t *prev_seal, const char *golden)
{
    struct ckptd_record_buf buf = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdRecord) r = NULL;
    const void *data;

    r = ckptd_record_encode(&buf, g->slot, g->slot_bytes, RAM_PAGES, &data,
                            &error);
    g_assert_no_error(error);
    ckptd_record_seal(r, &buf, seg, g->epoch - 1, *prev_seal);
    g_assert_cmpmem(buf.data, r->meta_bytes, golden + seg->end, r->meta_bytes);
    g_assert_cmpmem(data, r->n_data * CKPT_PAGE_BYTES,
                    golden + seg->end + r->meta_bytes,
                    r->n_data * CKPT_PAGE_BYTES);
    seg->end += r->record_bytes;
    *prev_seal = r->seal;
    ckptd_record_buf_clear(&buf);
}

/* What is written today is what was written then, byte by byte. */
static void test_golden_write(void)
{
    const struct ckptd_disk_segment *head;
    struct crash_io *c = crash_io_new();
    struct ckptd_meta_state state = { .log_seq = 1 };
    CkptdSegment seg = { .end = CKPTD_SEGMENT_START };
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    uint64_t prev_seal = 0;
    struct store_guest g;
    size_t text_len;
    size_t len;
    g_autofree char *data = read_source("golden-v1.bin", &len);
    g_autofree char *text = read_source("golden-v1.manifest", &text_len);
    g_autofree char *got = g_malloc(MAX(META_BYTES, text_len));
    CkptdMeta *meta;

    store_manifest(&manifest, RAM_PAGES);
    g_assert_true(ckptd_io_make_dir(crash_io_layer(c), DIR_NAME, &error));
    g_assert_true(
        ckptd_manifest_save(crash_io_layer(c), DIR_NAME, &manifest, &error));
    g_assert_true(crash_io_content(c, "/s/manifest", got, text_len));
    g_assert_cmpmem(got, text_len, text, text_len);

    memcpy(state.store_id, data + 32, sizeof(state.store_id));
    meta = ckptd_meta_create(crash_io_layer(c), DIR_NAME, &state, &error);
    g_assert_true(ckptd_meta_set_generation(meta, 1, 0, &error));
    g_assert_true(ckptd_meta_set_committed(meta, 2, &error));
    g_assert_true(crash_io_content(c, "/s/meta", got, META_BYTES));
    g_assert_cmpmem(got, META_BYTES, data, META_BYTES);
    ckptd_meta_close(meta);

    head = (const struct ckptd_disk_segment *)(data + META_BYTES);
    seg.salt = le64_get(head->salt);
    store_guest_init(&g, RAM_PAGES, 1);
    golden_epoch(&g, 1);
    check_record(&g, &seg, &prev_seal, data + META_BYTES);
    golden_epoch(&g, 2);
    check_record(&g, &seg, &prev_seal, data + META_BYTES);
    g_assert_cmpuint(META_BYTES + seg.end, ==, len);
    store_guest_clear(&g);
    crash_io_free(c);
}

/* A reader that was written from FORMAT.md alone comes to the same RAM. */
static void test_stranger(void)
{
    g_autofree char *dir = store_temp_dir();
    g_autofree char *ram_out = g_build_filename(dir, "out.ram", NULL);
    g_autofree char *dev_out = g_build_filename(dir, "out.devstate", NULL);
    const char *argv[] = { SOURCE "format_reader.py", dir, ram_out, dev_out,
                           NULL };
    const char *probe[] = { "/usr/bin/python3", "-c", "import xxhash", NULL };
    g_autofree char *output = NULL;
    g_autofree char *ram = NULL;
    g_autofree char *devstate = NULL;
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    struct store_guest g;
    int status = 1;
    CkptdStore *s;
    unsigned i;
    size_t len;

    g_spawn_sync(NULL, (char **)probe, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                 NULL, NULL, NULL, &status, NULL);
    if (status) {
        g_test_skip("no Python module xxhash (python3-xxhash)");
        store_remove_dir(dir);
        return;
    }
    store_manifest(&manifest, 64);
    store_guest_init(&g, 64, 3);
    g.with_hash = TRUE;
    s = ckptd_store_create_full(dir, &manifest, &sizes, ckptd_io_system(),
                                &error);
    g_assert_no_error(error);
    ckptd_store_begin_generation(s, &g.generation, &error);
    for (i = 0; i < 40; i++) {
        store_guest_scribble(&g, i == 20 ? 200 : 5);
        store_guest_capture(&g);
        append(s, &g);
        if (i == 10 || i == 30) {
            g_assert_true(ckptd_store_fold(s, &error));
        }
    }
    /* It is not closed before: a reader sees what a crash leaves, too. */
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
                 &output, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpstr(output, ==, "40\n");
    g_assert_true(g_file_get_contents(ram_out, &ram, &len, NULL));
    g_assert_cmpmem(ram, len, g.ram, 64 * CKPT_PAGE_BYTES);
    g_assert_true(g_file_get_contents(dev_out, &devstate, &len, NULL));
    g_assert_cmpmem(devstate, len, g.devstate, sizeof(g.devstate));
    ckptd_store_close(s);
    store_guest_clear(&g);
    store_remove_dir(dir);
}

/* --- damage --------------------------------------------------------------- */

#define DAMAGE_EPOCHS 4

/* A log of a few records as a crash leaves it: no hint says how many. */
static struct crash_io *log_of_few(void)
{
    struct crash_io *c = crash_io_new();
    struct crash_io *crashed;
    struct store_guest g;
    CkptdStore *s;
    unsigned i;

    store_guest_init(&g, RAM_PAGES, 1);
    s = make_store(c, &g, RAM_PAGES);
    for (i = 0; i < DAMAGE_EPOCHS; i++) {
        store_guest_scribble(&g, 2);
        store_guest_capture(&g);
        append(s, &g);
    }
    crashed = crash_io_clone(c);
    ckptd_store_close(s);
    store_guest_clear(&g);
    crash_io_free(c);
    return crashed;
}

/* Where the record of epoch @n lies; its header is copied to @ret. */
static uint64_t find_record(struct crash_io *c, unsigned n, uint8_t *log,
                            struct ckptd_disk_record *ret)
{
    uint64_t at = CKPTD_SEGMENT_START;

    g_assert_true(crash_io_content(c, LOG_NAME, log, SEGMENT_BYTES));
    for (;;) {
        memcpy(ret, log + at, sizeof(*ret));
        g_assert_cmpmem(ret->magic, 8, CKPTD_FORMAT_RECORD_MAGIC, 8);
        if (--n == 0) {
            return at;
        }
        at += le64_get(ret->record_bytes);
    }
}

static void expect_damaged(struct crash_io *c)
{
    g_autoptr(GError) error = NULL;
    CkptdStore *s =
        ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(c), &error);

    g_assert_null(s);
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
}

/* T2: a record in the middle is no torn end, though nobody knows of a later. */
static void test_hole(void)
{
    g_autofree uint8_t *log = g_malloc(SEGMENT_BYTES);
    struct ckptd_disk_record r;
    unsigned n;

    for (n = 1; n < DAMAGE_EPOCHS; n++) {
        struct crash_io *c = log_of_few();
        uint64_t at = find_record(c, n, log, &r);

        crash_io_poke(c, LOG_NAME, at + 20, "?", 1);
        expect_damaged(c);
        crash_io_free(c);
    }
}

/* T1: a sealed record that names another one before it does not follow. */
static void test_other_past(void)
{
    g_autofree uint8_t *log = g_malloc(SEGMENT_BYTES);
    struct crash_io *c = log_of_few();
    struct ckptd_disk_record r;
    uint64_t at = find_record(c, DAMAGE_EPOCHS, log, &r);

    r.prev_seal = le64_put(le64_get(r.prev_seal) + 1);
    memcpy(log + at, &r, sizeof(r));
    r.seal = le64_put(ckptd_sum(log + at + 16, le64_get(r.meta_bytes) - 16,
                                le64_get(r.salt)));
    crash_io_poke(c, LOG_NAME, at, &r, sizeof(r));
    expect_damaged(c);
    crash_io_free(c);
}

/* S1: device state that has changed since the store was opened is not used. */
static void test_devstate_rots(void)
{
    g_autofree uint8_t *log = g_malloc(SEGMENT_BYTES);
    struct crash_io *c = log_of_few();
    g_autoptr(GError) error = NULL;
    struct ckptd_disk_record r;
    struct store_guest g;
    CkptdStore *s;
    uint64_t at;
    uint8_t byte;

    store_guest_init(&g, RAM_PAGES, 1);
    s = ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(c), &error);
    g_assert_no_error(error);
    g_assert_true(ckptd_store_load_tail(s, g.slot, g.slot_bytes, &error));
    at = find_record(c, DAMAGE_EPOCHS, log, &r);
    at += le32_get(r.struct_bytes) +
          le64_get(r.n_pages) * sizeof(struct ckptd_disk_page);
    byte = log[at] ^ 1;
    crash_io_poke(c, LOG_NAME, at, &byte, 1);
    g_assert_false(ckptd_store_load_tail(s, g.slot, g.slot_bytes, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_DAMAGED);
    ckptd_store_close(s);
    store_guest_clear(&g);
    crash_io_free(c);
}

/* --- fuzzing -------------------------------------------------------------- */

#define FUZZ_PAGES  32
#define FUZZ_BYTES  (FUZZ_PAGES * CKPT_PAGE_BYTES)
#define FUZZ_ROUNDS 1500

struct fuzz {
    struct crash_io *disk;
    struct store_guest guest;
};

static void fuzz_init(struct fuzz *f)
{
    g_autoptr(GError) error = NULL;
    CkptdStore *s;
    unsigned i;

    f->disk = crash_io_new();
    store_guest_init(&f->guest, FUZZ_PAGES, g_test_rand_int());
    s = make_store(f->disk, &f->guest, FUZZ_PAGES);
    for (i = 0; i < 30; i++) {
        store_guest_scribble(&f->guest, 4);
        store_guest_capture(&f->guest);
        append(s, &f->guest);
        if (i == 15) {
            g_assert_true(ckptd_store_fold(s, &error));
        }
    }
    ckptd_store_close(s);
}

static void fuzz_clear(struct fuzz *f)
{
    store_guest_clear(&f->guest);
    crash_io_free(f->disk);
}

static const char *const fuzz_files[] = {
    "/s/meta",     "/s/log-0000", "/s/log-0001",
    "/s/log-0002", "/s/log-0003", "/s/manifest",
};

/* Bytes at random: an error, or the right RAM, never another. */
static void test_fuzz_bytes(void)
{
    unsigned n_right = 0;
    struct fuzz f;
    unsigned i;

    fuzz_init(&f);
    for (i = 0; i < FUZZ_ROUNDS; i++) {
        struct crash_io *c = crash_io_clone(f.disk);
        unsigned n = g_test_rand_int_range(1, 20);
        g_autofree uint8_t *base = g_malloc(FUZZ_BYTES);
        g_autofree uint8_t *ram = NULL;
        CkptdStore *s;

        while (n--) {
            const char *name =
                fuzz_files[g_test_rand_int_range(0, G_N_ELEMENTS(fuzz_files))];
            guint32 value = g_test_rand_int();
            uint64_t at = g_test_rand_int_range(0, SEGMENT_BYTES);

            /* Half of the time where the structs are. */
            at = g_test_rand_bit() ? at : at / 4096 * 4096 + at % 200;
            crash_io_poke(c, name, at, &value, 1 + value % 4);
        }
        s = ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(c), NULL);
        if (s) {
            g_assert_cmpuint(ckptd_store_last_epoch(s), ==, f.guest.epoch);
            g_assert_true(crash_io_content(c, "/s/base", base, FUZZ_BYTES));
            ram = store_rebuild(s, &f.guest, base, NULL, NULL);
            if (ram) {
                g_assert_cmpmem(ram, FUZZ_BYTES, f.guest.ram, FUZZ_BYTES);
                n_right++;
            }
            ckptd_store_close(s);
        }
        crash_io_free(c);
    }
    g_test_message("%u of %u came back whole", n_right, FUZZ_ROUNDS);
    fuzz_clear(&f);
}

/* Change a sealed record's fields and seal it again: lengths are checked. */
static void test_fuzz_sealed(void)
{
    struct fuzz f;
    unsigned i;

    fuzz_init(&f);
    for (i = 0; i < FUZZ_ROUNDS; i++) {
        const char *name = fuzz_files[g_test_rand_int_range(1, 5)];
        struct crash_io *c = crash_io_clone(f.disk);
        uint8_t *log = g_malloc(SEGMENT_BYTES);
        struct ckptd_disk_record *r =
            (struct ckptd_disk_record *)(log + CKPTD_SEGMENT_START);
        static const uint64_t values[] = { 0,          1,          7,
                                           33,         4096,       65536,
                                           1ull << 32, 1ull << 63, ~0ull };
        uint64_t value = values[g_test_rand_int_range(0, G_N_ELEMENTS(values))];
        uint64_t meta_bytes;
        CkptdStore *s;

        if (!crash_io_content(c, name, log, SEGMENT_BYTES)) {
            crash_io_free(c);
            g_free(log);
            continue;
        }
        /* Header fields, and now and then the list behind them. */
        memcpy((uint8_t *)r + 16 + 8 * g_test_rand_int_range(0, 24), &value,
               g_test_rand_bit() ? 8 : 4);
        meta_bytes = le64_get(r->meta_bytes);
        if (meta_bytes >= 4096 && meta_bytes < SEGMENT_BYTES - 4096) {
            r->seal = le64_put(ckptd_sum((uint8_t *)r + 16, meta_bytes - 16,
                                         le64_get(r->salt)));
        }
        crash_io_poke(c, name, 0, log, SEGMENT_BYTES);
        s = ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(c), NULL);
        if (s) {
            ckptd_store_load_tail(s, f.guest.slot, f.guest.slot_bytes, NULL);
            ckptd_store_close(s);
        }
        crash_io_free(c);
        g_free(log);
    }
    fuzz_clear(&f);
}

/* A slot of random words is refused or appended, nothing else. */
static void test_fuzz_slot(void)
{
    g_autofree uint8_t *copy = NULL;
    struct fuzz f;
    CkptdStore *s;
    unsigned i;

    fuzz_init(&f);
    s = ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(f.disk), NULL);
    store_guest_scribble(&f.guest, 10);
    store_guest_capture(&f.guest);
    copy = g_memdup2(f.guest.slot, f.guest.slot_bytes);
    for (i = 0; i < FUZZ_ROUNDS; i++) {
        struct ckpt_slot *slot = (struct ckpt_slot *)f.guest.slot;
        uint64_t *words = (uint64_t *)f.guest.slot;
        unsigned n = g_test_rand_int_range(1, 4);

        memcpy(f.guest.slot, copy, f.guest.slot_bytes);
        slot->epoch = ckptd_store_last_epoch(s) + 1;
        while (n--) {
            uint64_t value =
                (uint64_t)g_test_rand_int() << 32 | (uint32_t)g_test_rand_int();

            value >>= g_test_rand_int_range(0, 64);
            words[g_test_rand_int_range(2, 24)] = value;
        }
        ckptd_store_append(s, f.guest.slot, f.guest.slot_bytes, NULL);
    }
    ckptd_store_close(s);
    fuzz_clear(&f);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--write-golden")) {
        return write_golden(argv[2]);
    }
    g_test_init(&argc, &argv, NULL);
    /* A temporary directory without O_DIRECT is worth a warning, no more. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    g_test_add_func("/store/format/golden-read", test_golden_read);
    g_test_add_func("/store/format/golden-write", test_golden_write);
    g_test_add_func("/store/format/stranger", test_stranger);
    g_test_add_func("/store/damage/hole", test_hole);
    g_test_add_func("/store/damage/other-past", test_other_past);
    g_test_add_func("/store/damage/devstate-rots", test_devstate_rots);
    g_test_add_func("/store/fuzz/bytes", test_fuzz_bytes);
    g_test_add_func("/store/fuzz/sealed", test_fuzz_sealed);
    g_test_add_func("/store/fuzz/slot", test_fuzz_slot);
    return g_test_run();
}
