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
 *
 * The same with operations that fail, any of them, once or several times in a
 * row, and are tried again until they do not: a write that failed may have left
 * nothing, half of it or all, and may leave it yet.
 */
#include <malloc.h>
#include <string.h>

#include "tests/unit/store/crash-io.h"
#include "tests/unit/store/store-fixture.h"

#define DIR_NAME      "/s"
#define BASE_NAME     "/s/base"
#define RAM_PAGES     32
#define RAM_BYTES     (RAM_PAGES * CKPT_PAGE_BYTES)
#define NESTED_EVERY  1999
#define CRASHED_EVERY 97

static const struct ckptd_store_params sizes = {
    .segment_bytes = 64 << 10,
    .fold_start_bytes = 64 << 10,
    .tail_max_bytes = 256 << 10,
    .manual = TRUE,
};

/*
 * What RAM was at the end of each epoch; index 0: all zero.
 * @given_up: at the end of one whose append had failed, or NULL; the next
 *            generation went on from the epoch before
 */
struct model {
    GPtrArray *ram;
    uint8_t *given_up;
    uint64_t given_up_epoch;
    uint64_t given_up_generation;
};

static unsigned n_checked;

static void model_init(struct model *m)
{
    *m = (struct model){ 0 };
    m->ram = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(m->ram, g_malloc0(RAM_BYTES));
}

static void model_clear(struct model *m)
{
    g_ptr_array_unref(m->ram);
    g_free(m->given_up);
}

/* A model that agrees with @of up to @epoch. */
static void model_branch(struct model *m, const struct model *of,
                         uint64_t epoch)
{
    uint64_t i;

    *m = (struct model){ 0 };
    m->ram = g_ptr_array_new_with_free_func(g_free);
    for (i = 0; i <= epoch; i++) {
        g_ptr_array_add(m->ram,
                        g_memdup2(g_ptr_array_index(of->ram, i), RAM_BYTES));
    }
}

/* Until the next generation is durable an epoch that was given up may count. */
static gboolean may_be_given_up(const struct model *m, uint64_t epoch,
                                const struct crash_promise *p)
{
    return m->given_up && epoch == m->given_up_epoch &&
           p->generation == m->given_up_generation;
}

static void model_add(struct model *m, const struct store_guest *g)
{
    g_assert_cmpuint(g->epoch, ==, m->ram->len);
    g_ptr_array_add(m->ram, g_memdup2(g->ram, RAM_BYTES));
}

/* RAM and device state as a recovery would find them. */
static uint8_t *content(struct crash_io *c, CkptdStore *s,
                        struct store_guest *g, char *ret_devstate)
{
    uint8_t *ram = g_malloc(RAM_BYTES);
    g_autoptr(GError) error = NULL;

    ckptd_store_load_tail(s, g->slot, g->slot_bytes, &error);
    g_assert_no_error(error);
    g_assert_true(crash_io_content(c, BASE_NAME, ram, RAM_BYTES));
    store_lay_tail(g, ram, ret_devstate);
    return ram;
}

static void check_content(struct crash_io *c, CkptdStore *s,
                          const struct model *m, struct store_guest *g)
{
    uint64_t epoch = ckptd_store_last_epoch(s);
    g_autofree uint8_t *ram = NULL;
    g_autofree char *devstate = g_malloc0(sizeof(g->devstate));
    g_autofree char *want =
        g_strdup_printf("device state of %u", (unsigned)epoch);

    g_assert_cmpuint(epoch, <, m->ram->len);
    if (!epoch) {
        return;
    }
    ram = content(c, s, g, devstate);
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
    uint64_t epoch;
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
    epoch = ckptd_store_last_epoch(s);
    model_branch(&branch, m, epoch);
    if (may_be_given_up(m, epoch, p)) {
        g_autofree uint8_t *ram = content(c, s, &g, NULL);

        if (!memcmp(ram, m->given_up, RAM_BYTES)) {
            memcpy(g_ptr_array_index(branch.ram, epoch), ram, RAM_BYTES);
        }
    }
    check_content(c, s, &branch, &g);
    go_on(c, s, &branch, &g);
    if (nested) {
        crash_everywhere(c, &branch, rand, FALSE);
    }
    model_clear(&branch);
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
    model_clear(&m);
    store_guest_clear(&g);
    crash_io_free(c);
    g_rand_free(rand);
}

/* The store warns of what it can go on without. */
static void ignore(const char *domain G_GNUC_UNUSED,
                   GLogLevelFlags level G_GNUC_UNUSED,
                   const char *message G_GNUC_UNUSED,
                   gpointer opaque G_GNUC_UNUSED)
{
}

/* Try until the disk takes it, as a session does. */
#define UNTIL_DONE(call)                                                       \
    do {                                                                       \
    } while (!(call))

/*
 * Operations fail; whoever was told of it tries again.  Every fourth epoch is
 * given up instead, as when QEMU dies meanwhile.  Return: whether any failed.
 */
static gboolean live_with_faults(struct crash_io *c, struct model *m,
                                 struct store_guest *g, unsigned seed)
{
    static const enum crash_keep left[] = { CRASH_DROP, CRASH_KEEP,
                                            CRASH_FIRST_HALF, CRASH_NO_FIRST };
    struct ckptd_manifest manifest;
    CkptdStore *s;
    unsigned i;

    store_manifest(&manifest, RAM_PAGES);
    s = ckptd_store_create_full(DIR_NAME, &manifest, &sizes, crash_io_layer(c),
                                NULL);
    promise(c, s);
    begin_generation(c, s, g);
    crash_io_fail(c, seed / 4, 1 + seed % 3, left[seed % 4]);
    for (i = 0; i < 14; i++) {
        store_guest_scribble(g, i == 6 ? 100 : 5);
        store_guest_capture(g);
        if (!ckptd_store_append(s, g->slot, g->slot_bytes, NULL)) {
            if (seed % 8 < 2) {
                m->given_up = g_memdup2(g->ram, RAM_BYTES);
                m->given_up_epoch = g->epoch--;
                m->given_up_generation = g->generation;
                memcpy(g->ram, g_ptr_array_index(m->ram, g->epoch), RAM_BYTES);
                UNTIL_DONE(
                    ckptd_store_begin_generation(s, &g->generation, NULL));
                promise(c, s);
                store_guest_scribble(g, 7);
                store_guest_capture(g);
            }
            UNTIL_DONE(ckptd_store_append(s, g->slot, g->slot_bytes, NULL));
        }
        model_add(m, g);
        promise(c, s);
        if (i % 5 == 4) {
            UNTIL_DONE(ckptd_store_fold(s, NULL));
        }
    }
    check_content(c, s, m, g);
    ckptd_store_close(s);
    return crash_io_has_failed(c);
}

static void test_faults(void)
{
    GRand *rand = g_rand_new_with_seed(g_test_rand_int());
    unsigned crashed = g_rand_int_range(rand, 0, CRASHED_EVERY);
    gboolean failed = TRUE;
    unsigned n;

    g_log_set_default_handler(ignore, NULL);
    n_checked = 0;
    for (n = 0; failed; n++) {
        struct crash_io *c = crash_io_new();
        struct store_guest g;
        struct model m;
        CkptdStore *s;

        model_init(&m);
        store_guest_init(&g, RAM_PAGES, n);
        failed = live_with_faults(c, &m, &g, n);
        s = open_store(c);
        g_assert_cmpuint(ckptd_store_last_epoch(s), ==, 14);
        check_content(c, s, &m, &g);
        ckptd_store_close(s);
        if (n % CRASHED_EVERY == crashed) {
            crash_everywhere(c, &m, rand, FALSE);
        }
        model_clear(&m);
        store_guest_clear(&g);
        crash_io_free(c);
    }
    g_log_set_default_handler(g_log_default_handler, NULL);
    g_assert_cmpuint(n, >, 200);
    g_print("# %u lives with faults, %u crashes\n", n, n_checked);
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
        /* Once more, as if nothing had been. */
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
        model_clear(&branch);
    }
    model_clear(&m);
    store_guest_clear(&g);
    crash_io_free(c);
    return failed;
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
    g_test_add_func("/store/faults", test_faults);
    g_test_add_func("/store/errors", test_errors);
    return g_test_run();
}
