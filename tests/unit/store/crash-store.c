/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash-store.c - the store after a crash at every point of its life
 *
 * A scenario runs once on a disk that keeps a trace (crash-io.c): create,
 * generations, appends, segments of usual and unusual size, folding, closing
 * and opening again. Then, for each operation of the trace and each thing a
 * crash can make of it and of what else was not durable, the store is opened
 * and must hold what it promised:
 *
 *   - the last epoch is not older than what was acknowledged, and no newer than
 *     what was being appended; nor is the generation
 *   - RAM and device state are those of that epoch, byte by byte
 *   - it goes on: another generation, epoch and fold, and again all is there
 *
 * For some of these disks that second life is crashed in the same way.
 */
#include <malloc.h>
#include <string.h>

#include "tests/unit/store/crash-io.h"
#include "tests/unit/store/store-fixture.h"

#define DIR_NAME     "/s"
#define BASE_NAME    "/s/base"
#define RAM_PAGES    32
#define RAM_BYTES    (RAM_PAGES * CKPT_PAGE_BYTES)
#define NESTED_EVERY 1999

static const struct ckptd_store_params sizes = {
    .segment_bytes = 64 << 10,
    .fold_start_bytes = 64 << 10,
    .tail_max_bytes = 256 << 10,
    .manual = TRUE,
};

/* What RAM was at the end of each epoch; index 0: all zero. */
struct model {
    GPtrArray *ram;
};

static unsigned n_checked;

static void model_init(struct model *m)
{
    m->ram = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(m->ram, g_malloc0(RAM_BYTES));
}

/* A model that agrees with @of up to @epoch. */
static void model_branch(struct model *m, const struct model *of,
                         uint64_t epoch)
{
    uint64_t i;

    m->ram = g_ptr_array_new_with_free_func(g_free);
    for (i = 0; i <= epoch; i++) {
        g_ptr_array_add(m->ram,
                        g_memdup2(g_ptr_array_index(of->ram, i), RAM_BYTES));
    }
}

static void model_add(struct model *m, const struct store_guest *g)
{
    g_assert_cmpuint(g->epoch, ==, m->ram->len);
    g_ptr_array_add(m->ram, g_memdup2(g->ram, RAM_BYTES));
}

static void check_content(struct crash_io *c, CkptdStore *s,
                          const struct model *m, struct store_guest *g)
{
    uint64_t epoch = ckptd_store_last_epoch(s);
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *ram = g_malloc(RAM_BYTES);
    g_autofree char *devstate = g_malloc0(sizeof(g->devstate));
    g_autofree char *want =
        g_strdup_printf("device state of %u", (unsigned)epoch);

    g_assert_cmpuint(epoch, <, m->ram->len);
    if (!epoch) {
        return;
    }
    ckptd_store_load_tail(s, g->slot, g->slot_bytes, &error);
    g_assert_no_error(error);
    g_assert_true(crash_io_content(c, BASE_NAME, ram, RAM_BYTES));
    store_lay_tail(g, ram, devstate);
    g_assert_cmpmem(ram, RAM_BYTES, g_ptr_array_index(m->ram, epoch),
                    RAM_BYTES);
    g_assert_cmpstr(devstate, ==, want);
}

static CkptdStore *open_store(struct crash_io *c)
{
    g_autoptr(GError) error = NULL;
    CkptdStore *s =
        ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(c), &error);

    g_assert_no_error(error);
    return s;
}

static void promise(struct crash_io *c, CkptdStore *s)
{
    struct crash_promise p = {
        .created = TRUE,
        .epoch = ckptd_store_last_epoch(s),
        .generation = ckptd_store_generation(s),
    };

    crash_io_promise(c, &p);
}

static void append(struct crash_io *c, CkptdStore *s, struct model *m,
                   struct store_guest *g, unsigned n_pages)
{
    g_autoptr(GError) error = NULL;

    store_guest_scribble(g, n_pages);
    store_guest_capture(g);
    model_add(m, g);
    ckptd_store_append(s, g->slot, g->slot_bytes, &error);
    g_assert_no_error(error);
    promise(c, s);
}

static void begin_generation(struct crash_io *c, CkptdStore *s,
                             struct store_guest *g)
{
    g_autoptr(GError) error = NULL;

    ckptd_store_begin_generation(s, &g->generation, &error);
    g_assert_no_error(error);
    promise(c, s);
}

/* The life after a crash; @m gets one epoch more. */
static void go_on(struct crash_io *c, CkptdStore *s, struct model *m,
                  struct store_guest *g)
{
    g_autoptr(GError) error = NULL;

    promise(c, s);
    begin_generation(c, s, g);
    g->epoch = ckptd_store_last_epoch(s);
    memcpy(g->ram, g_ptr_array_index(m->ram, g->epoch), RAM_BYTES);
    /* Larger than what may have been torn, and smaller. */
    append(c, s, m, g, g->epoch % 2 ? 1 : 14);
    check_content(c, s, m, g);
    ckptd_store_fold(s, &error);
    g_assert_no_error(error);
    check_content(c, s, m, g);
    ckptd_store_close(s);
    s = open_store(c);
    g_assert_cmpuint(ckptd_store_last_epoch(s), ==, g->epoch);
    check_content(c, s, m, g);
    ckptd_store_close(s);
}

static unsigned crash_everywhere(struct crash_io *c, const struct model *m,
                                 GRand *rand, gboolean nested);

/* One disk after one crash. */
static void check_crash(struct crash_io *c, const struct crash_promise *p,
                        const struct model *m, GRand *rand, gboolean nested)
{
    g_autoptr(GError) error = NULL;
    struct store_guest g;
    struct model branch;
    CkptdStore *s;

    n_checked++;
    crash_io_promise(c, p);
    s = ckptd_store_open_full(DIR_NAME, &sizes, crash_io_layer(c), &error);
    if (!s && !p->created) {
        struct ckptd_manifest manifest;

        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_NOT_FOUND);
        g_clear_error(&error);
        store_manifest(&manifest, RAM_PAGES);
        s = ckptd_store_create_full(DIR_NAME, &manifest, &sizes,
                                    crash_io_layer(c), &error);
    }
    g_assert_no_error(error);
    g_assert_cmpuint(ckptd_store_last_epoch(s), >=, p->epoch);
    g_assert_cmpuint(ckptd_store_last_epoch(s), <=, p->epoch + 1);
    g_assert_cmpuint(ckptd_store_generation(s), >=, p->generation);
    g_assert_cmpuint(ckptd_store_generation(s), <=, p->generation + 1);

    store_guest_init(&g, RAM_PAGES, g_rand_int(rand));
    check_content(c, s, m, &g);
    model_branch(&branch, m, ckptd_store_last_epoch(s));
    go_on(c, s, &branch, &g);
    if (nested) {
        crash_everywhere(c, &branch, rand, FALSE);
    }
    g_ptr_array_unref(branch.ram);
    store_guest_clear(&g);
}

/* All that a crash at one point can leave. */
static void crash_here(struct crash_replay *r, const struct model *m,
                       GRand *rand, gboolean nest)
{
    static const enum crash_keep others[] = { CRASH_DROP, CRASH_KEEP,
                                              CRASH_RANDOM };
    guint n_others = crash_replay_has_pending(r) ? G_N_ELEMENTS(others) : 1;
    guint n_keep = crash_replay_is_write(r) ? CRASH__MAX : CRASH_KEEP + 1;
    guint keep;
    guint i;

    for (keep = 0; keep < n_keep; keep++) {
        for (i = 0; i < n_others; i++) {
            struct crash_io *c = crash_replay_crash(r, keep, others[i]);
            gboolean nested = nest && n_checked % NESTED_EVERY == 0;

            g_test_message("%s: keep %u, others %u%s", crash_replay_describe(r),
                           keep, others[i], nested ? ", nested" : "");
            check_crash(c, crash_replay_promise(r), m, rand, nested);
            crash_io_free(c);
        }
    }
}

static unsigned crash_everywhere(struct crash_io *c, const struct model *m,
                                 GRand *rand, gboolean nest)
{
    /* Each crash adds to no trace but its own, so this one stands still. */
    struct crash_replay *r = crash_replay_new(c, rand);
    unsigned n_points;

    do {
        crash_here(r, m, rand, nest);
    } while (crash_replay_next(r));
    n_points = crash_replay_points(r);
    crash_replay_free(r);
    return n_points;
}

static void live(struct crash_io *c, struct model *m, struct store_guest *g,
                 gboolean manual)
{
    struct ckptd_store_params params = sizes;
    g_autoptr(GError) error = NULL;
    struct ckptd_manifest manifest;
    CkptdStore *s;
    unsigned i;

    params.manual = manual;
    store_manifest(&manifest, RAM_PAGES);
    s = ckptd_store_create_full(DIR_NAME, &manifest, &params, crash_io_layer(c),
                                &error);
    g_assert_no_error(error);
    promise(c, s);
    begin_generation(c, s, g);
    for (i = 0; i < 45; i++) {
        append(c, s, m, g, i % 13 == 5 ? 100 : 1 + i % 6);
        if (manual && i % 7 == 6) {
            ckptd_store_fold(s, &error);
            g_assert_no_error(error);
        }
        if (i % 20 == 15) {
            ckptd_store_close(s);
            s = ckptd_store_open_full(DIR_NAME, &params, crash_io_layer(c),
                                      &error);
            g_assert_no_error(error);
            begin_generation(c, s, g);
        }
    }
    check_content(c, s, m, g);
    ckptd_store_close(s);
}

static void test_crash(gconstpointer manual)
{
    struct crash_io *c = crash_io_new();
    GRand *rand = g_rand_new_with_seed(g_test_rand_int());
    struct store_guest g;
    unsigned n_points;
    struct model m;

    model_init(&m);
    store_guest_init(&g, RAM_PAGES, g_rand_int(rand));
    live(c, &m, &g, manual != NULL);
    n_checked = 0;
    n_points = crash_everywhere(c, &m, rand, TRUE);
    g_print("# %u points, %u crashes\n", n_points, n_checked);
    g_ptr_array_unref(m.ram);
    store_guest_clear(&g);
    crash_io_free(c);
    g_rand_free(rand);
}

/*
 * One operation fails; whoever was told of it opens the store again, and finds
 * what was acknowledged. Returns whether any did.
 */
static gboolean live_with_error(unsigned after)
{
    struct crash_io *c = crash_io_new();
    struct ckptd_manifest manifest;
    CkptdStore *s = NULL;
    struct store_guest g;
    uint64_t acked = 0;
    gboolean failed;
    struct model m;
    unsigned i;

    model_init(&m);
    store_guest_init(&g, RAM_PAGES, after);
    store_manifest(&manifest, RAM_PAGES);
    crash_io_fail_after(c, after);
    s = ckptd_store_create_full(DIR_NAME, &manifest, &sizes, crash_io_layer(c),
                                NULL);
    if (s && ckptd_store_begin_generation(s, &g.generation, NULL)) {
        for (i = 0; i < 12; i++) {
            store_guest_scribble(&g, i == 6 ? 100 : 5);
            store_guest_capture(&g);
            model_add(&m, &g);
            if (!ckptd_store_append(s, g.slot, g.slot_bytes, NULL)) {
                break;
            }
            acked = g.epoch;
            if (i % 5 == 4 && !ckptd_store_fold(s, NULL)) {
                break;
            }
        }
        g_assert_cmpuint(ckptd_store_last_epoch(s), ==, acked);
        /*
         * Once more: refused if half of it may be on disk, else as if nothing
         * had been.
         */
        if (acked < g.epoch &&
            ckptd_store_append(s, g.slot, g.slot_bytes, NULL)) {
            acked = g.epoch;
        }
    }
    ckptd_store_close(s);
    failed = crash_io_has_failed(c);
    crash_io_fail_after(c, G_MAXUINT - 1);
    if (acked) {
        struct model branch;

        s = open_store(c);
        g_assert_cmpuint(ckptd_store_last_epoch(s), >=, acked);
        check_content(c, s, &m, &g);
        model_branch(&branch, &m, ckptd_store_last_epoch(s));
        go_on(c, s, &branch, &g);
        g_ptr_array_unref(branch.ram);
    }
    g_ptr_array_unref(m.ram);
    store_guest_clear(&g);
    crash_io_free(c);
    return failed;
}

/* The store warns of what it can go on without. */
static void ignore(const char *domain G_GNUC_UNUSED,
                   GLogLevelFlags level G_GNUC_UNUSED,
                   const char *message G_GNUC_UNUSED,
                   gpointer opaque G_GNUC_UNUSED)
{
}

static void test_errors(void)
{
    unsigned n = 0;

    g_log_set_always_fatal(G_LOG_FATAL_MASK);
    g_log_set_default_handler(ignore, NULL);
    while (live_with_error(n)) {
        n++;
    }
    g_log_set_default_handler(g_log_default_handler, NULL);
    g_assert_cmpuint(n, >, 50);
    g_print("# %u operations failed, one at a time\n", n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* Tens of thousands of disks come and go: keep their memory. */
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    g_test_add_data_func("/store/crash/step-by-step", GINT_TO_POINTER(1),
                         test_crash);
    g_test_add_data_func("/store/crash/threads", NULL, test_crash);
    g_test_add_func("/store/errors", test_errors);
    return g_test_run();
}
