/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-store-bench.c - how fast checkpoints become durable on this disk
 *
 *   ckptd-store-bench DIR
 *
 * For epochs of some sizes: appends back to back with folding going on, and,
 * in turns with them, plain durable writes of the same number of bytes to a
 * file of their own: the ratio is what the store costs. Then how long a store
 * with a full tail takes to open, and its tail to load.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <glib/gstdio.h>

#include "abi/ckpt-wire.h"
#include "ckptd/ckptd-io.h"
#include "ckptd/ckptd-store.h"

#define PAGE             CKPT_PAGE_BYTES
#define RAM_BYTES        (64u << 20)
#define RAM_PAGES        (RAM_BYTES / PAGE)
#define SLOT_BYTES       (RAM_BYTES + (1u << 20))
#define DEVSTATE_BYTES   3072
#define PLAIN_FILE_BYTES (64u << 20)
#define HOT_PAGES        2000u
#define EPOCHS           1500u

struct bench {
    const char *dir;
    char *store_dir;
    CkptdStore *store;
    uint8_t *slot; /* a shared mapping, as in ckptd */
    uint64_t epoch;
    uint64_t generation;
    int plain_fd;
    uint8_t *plain_buf;
    uint64_t plain_offset;
    GRand *rand;
};

static void G_GNUC_NORETURN fail(const char *what, const GError *error)
{
    fprintf(stderr, "%s: %s\n", what,
            error ? error->message : g_strerror(errno));
    exit(EXIT_FAILURE);
}

static int compare_ns(gconstpointer a, gconstpointer b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void print_times(const char *what, GArray *ns)
{
    uint64_t p[3];
    unsigned i;

    g_array_sort(ns, compare_ns);
    for (i = 0; i < 3; i++) {
        static const unsigned percent[] = { 50, 90, 99 };

        p[i] = g_array_index(ns, uint64_t, (ns->len - 1) * percent[i] / 100);
    }
    printf("  %-8s p50/p90/p99 %5" PRIu64 " %5" PRIu64 " %5" PRIu64 " us\n",
           what, p[0] / 1000, p[1] / 1000, p[2] / 1000);
}

/* Put @n_pages of the hot set into the slot. */
static void capture(struct bench *b, unsigned n_pages)
{
    struct ckpt_slot *s = (struct ckpt_slot *)b->slot;
    uint64_t *list = (uint64_t *)(b->slot + sizeof(*s));
    unsigned step = HOT_PAGES / n_pages;
    unsigned i;

    memset(s, 0, sizeof(*s));
    s->magic = CKPT_SLOT_MAGIC;
    s->epoch = ++b->epoch;
    s->generation = b->generation;
    s->n_pages = s->n_data = n_pages;
    s->list_offset = sizeof(*s);
    s->devstate_offset = s->list_offset + n_pages * sizeof(*list);
    s->devstate_bytes = DEVSTATE_BYTES;
    s->data_offset =
        (s->devstate_offset + DEVSTATE_BYTES + PAGE - 1) / PAGE * PAGE;
    for (i = 0; i < n_pages; i++) {
        list[i] = i * step + g_rand_int_range(b->rand, 0, step);
        memset(b->slot + s->data_offset + i * PAGE, s->epoch + i, PAGE);
    }
}

static uint64_t append(struct bench *b)
{
    uint64_t start_ns = now_ns();
    GError *error = NULL;

    if (!ckptd_store_append(b->store, b->slot, SLOT_BYTES, &error)) {
        fail("append", error);
    }
    return now_ns() - start_ns;
}

static uint64_t plain_write(struct bench *b, size_t bytes)
{
    uint64_t start_ns;

    if (b->plain_offset + bytes > PLAIN_FILE_BYTES) {
        b->plain_offset = 0;
    }
    start_ns = now_ns();
    if (pwrite(b->plain_fd, b->plain_buf, bytes, b->plain_offset) !=
        (ssize_t)bytes) {
        fail("write", NULL);
    }
    b->plain_offset += bytes;
    return now_ns() - start_ns;
}

/* Appends and plain writes in turns: what an epoch costs. */
static void bench_latency(struct bench *b, unsigned n_pages)
{
    g_autoptr(GArray) store = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    g_autoptr(GArray) plain = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    struct ckptd_store_stats stats;
    uint64_t before = 0;
    unsigned i;

    for (i = 0; i < EPOCHS / 3; i++) {
        uint64_t ns;

        capture(b, n_pages);
        ns = append(b);
        g_array_append_val(store, ns);
        ckptd_store_stats(b->store, &stats);
        ns = plain_write(b, before ? stats.log_bytes - before : PAGE);
        before = stats.log_bytes;
        if (i) {
            g_array_append_val(plain, ns);
        }
    }
    print_times("append", store);
    print_times("write", plain);
    printf("  append : write of the same bytes, p50: %.2f\n",
           (double)g_array_index(store, uint64_t, store->len / 2) /
               g_array_index(plain, uint64_t, plain->len / 2));
}

/* Appends back to back, with folding: what the disk keeps up with. */
static void bench_rate(struct bench *b, unsigned n_pages)
{
    struct ckptd_store_stats before;
    struct ckptd_store_stats after;
    uint64_t start_ns;
    uint64_t ns = 0;
    unsigned i;

    ckptd_store_stats(b->store, &before);
    start_ns = now_ns();
    for (i = 0; i < EPOCHS; i++) {
        uint64_t capture_ns = now_ns();

        capture(b, n_pages);
        ns += now_ns() - capture_ns;
        append(b);
    }
    ns = now_ns() - start_ns - ns;
    ckptd_store_stats(b->store, &after);
    printf("  back to back: %.0f durable checkpoints/s, %.0f MB/s; "
           "%" PRIu64 " folds, throttled %.1f %% of the time\n",
           EPOCHS * 1e9 / ns, (after.log_bytes - before.log_bytes) * 1e3 / ns,
           after.fold_count - before.fold_count,
           100.0 * (after.throttle_ns - before.throttle_ns) / ns);
    printf("  bytes written / page bytes: %.3f (log %.3f, base %.3f, "
           "preparing %.3f)\n",
           (double)(after.bytes_written - before.bytes_written) /
               (after.page_bytes - before.page_bytes),
           (double)(after.log_bytes - before.log_bytes) /
               (after.page_bytes - before.page_bytes),
           (double)(after.base_bytes - before.base_bytes) /
               (after.page_bytes - before.page_bytes),
           (double)(after.prepare_bytes - before.prepare_bytes) /
               (after.page_bytes - before.page_bytes));
}

static void open_store(struct bench *b, const struct ckptd_store_params *params)
{
    struct ckptd_manifest m = {
        .uuid = "9b2f4c1e-0d1a-4c55-8a3e-3f1f6f0f7a10",
        .ram_bytes = RAM_BYTES,
    };
    GError *error = NULL;

    b->epoch = 0;
    b->store = ckptd_store_create_full(b->store_dir, &m, params,
                                       ckptd_io_system(), &error);
    if (!b->store ||
        !ckptd_store_begin_generation(b->store, &b->generation, &error)) {
        fail("create", error);
    }
}

static void remove_store(struct bench *b)
{
    g_autoptr(GPtrArray) names = NULL;
    guint i;

    g_clear_pointer(&b->store, ckptd_store_close);
    names = ckptd_io_list(ckptd_io_system(), b->store_dir, NULL);
    for (i = 0; names && i < names->len; i++) {
        ckptd_io_unlink(ckptd_io_system(), b->store_dir,
                        g_ptr_array_index(names, i), NULL);
    }
    g_rmdir(b->store_dir);
}

static void bench_recovery(struct bench *b, unsigned n_pages)
{
    struct ckptd_store_params params = { .fold_start_bytes = 1u << 30,
                                         .tail_max_bytes = 1u << 31 };
    struct ckptd_store_stats stats;
    GError *error = NULL;
    uint64_t open_ns[3];
    uint64_t load_ns;
    unsigned i;

    open_store(b, &params);
    do {
        capture(b, n_pages);
        append(b);
        ckptd_store_stats(b->store, &stats);
    } while (stats.tail_bytes < 256u << 20);
    for (i = 0; i < G_N_ELEMENTS(open_ns); i++) {
        ckptd_store_close(b->store);
        open_ns[i] = now_ns();
        b->store = ckptd_store_open_full(b->store_dir, &params,
                                         ckptd_io_system(), &error);
        if (!b->store) {
            fail("open", error);
        }
        open_ns[i] = now_ns() - open_ns[i];
    }
    load_ns = now_ns();
    if (!ckptd_store_load_tail(b->store, b->slot, SLOT_BYTES, &error)) {
        fail("load", error);
    }
    load_ns = now_ns() - load_ns;
    printf("tail of 256 MiB, %u pages a record: open %.1f ms not cached, "
           "%.1f cached; load %" PRIu64 " pages %.1f ms\n",
           n_pages, open_ns[0] / 1e6, open_ns[2] / 1e6,
           (uint64_t)((struct ckpt_slot *)b->slot)->n_pages, load_ns / 1e6);
    remove_store(b);
}

static void set_up(struct bench *b)
{
    g_autofree char *plain = g_build_filename(b->dir, "plain", NULL);
    int memfd = memfd_create("staging", MFD_CLOEXEC);
    uint64_t at;

    if (memfd < 0 || ftruncate(memfd, SLOT_BYTES) < 0) {
        fail("memfd", NULL);
    }
    b->slot =
        mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (b->slot == MAP_FAILED) {
        fail("mmap", NULL);
    }
    close(memfd);
    b->store_dir = g_build_filename(b->dir, "store", NULL);
    remove_store(b);
    b->rand = g_rand_new_with_seed(1);
    b->plain_buf = ckptd_io_alloc(4 << 20);
    b->plain_fd =
        open(plain, O_RDWR | O_CREAT | O_DIRECT | O_DSYNC | O_CLOEXEC, 0600);
    if (b->plain_fd < 0) {
        fail(plain, NULL);
    }
    g_unlink(plain);
    for (at = 0; at < PLAIN_FILE_BYTES; at += 1 << 20) {
        if (pwrite(b->plain_fd, b->plain_buf, 1 << 20, at) < 0) {
            fail("write", NULL);
        }
    }
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 10, 100, 500 };
    struct bench b = { .dir = argc == 2 ? argv[1] : "." };
    unsigned i;

    if (argc != 2) {
        fprintf(stderr, "usage: %s DIR\n", argv[0]);
        return EXIT_FAILURE;
    }
    set_up(&b);
    for (i = 0; i < G_N_ELEMENTS(sizes); i++) {
        printf("epochs of %u pages\n", sizes[i]);
        open_store(&b, NULL);
        bench_latency(&b, sizes[i]);
        bench_rate(&b, sizes[i]);
        remove_store(&b);
    }
    bench_recovery(&b, 10);
    bench_recovery(&b, 100);
    return EXIT_SUCCESS;
}
