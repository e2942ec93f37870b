/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-peer.c - nothing of another host's message is used unchecked
 */
#include <glib/gstdio.h>
#include <string.h>

#include "ckptd/ckptd-peer-book.h"
#include "ckptd/ckptd-peer-cert.h"
#include "ckptd/ckptd-peer-link.h"
#include "ckptd/ckptd-peer-wire.h"
#include "ckptd/ckptd-sum.h"

#define PAGE      CKPTD_FORMAT_PAGE_BYTES
#define RAM_PAGES 64u

static struct ckptd_peer_msg message(enum ckptd_peer_type type,
                                     const void *data, size_t len_bytes)
{
    return (struct ckptd_peer_msg){ type, len_bytes,
                                    g_memdup2(data, len_bytes) };
}

static struct ckptd_peer_msg dict_message(enum ckptd_peer_type type,
                                          GVariant *dict)
{
    g_autoptr(GVariant) own = g_variant_ref_sink(dict);

    return message(type, g_variant_get_data(own), g_variant_get_size(own));
}

/* --- heads ---------------------------------------------------------------- */

static void test_head_bounds(void)
{
    static const struct {
        uint32_t type;
        uint32_t len_bytes;
        gboolean ok;
    } cases[] = {
        { 0, 0, FALSE },
        { CKPTD_PEER__MAX, 0, FALSE },
        { G_MAXUINT32, 0, FALSE },
        { CKPTD_PEER_HELLO, 0, TRUE },
        { CKPTD_PEER_HELLO, (64u << 10) + 1, FALSE },
        { CKPTD_PEER_TAKEN, 0, TRUE },
        { CKPTD_PEER_TAKEN, 1, FALSE },
        { CKPTD_PEER_LAUNCH, 1, FALSE },
        { CKPTD_PEER_PAGES, 7, FALSE },
        { CKPTD_PEER_PAGES, 8, TRUE },
        { CKPTD_PEER_PAGES, CKPTD_PEER_MSG_MAX, TRUE },
        { CKPTD_PEER_PAGES, CKPTD_PEER_MSG_MAX + 1, FALSE },
        { CKPTD_PEER_FILE, 15, FALSE },
        { CKPTD_PEER_FRAME, 13, FALSE },
        { CKPTD_PEER_FRAME, CKPTD_PEER_FRAME_MAX + 1, FALSE },
        { CKPTD_PEER_LAST, G_MAXUINT32, FALSE },
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        le32 head[2] = { le32_put(cases[i].type),
                         le32_put(cases[i].len_bytes) };
        struct ckptd_peer_msg msg = { 0 };
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(
            ckptd_peer_check_head((const uint8_t *)head, &msg, &error), ==,
            cases[i].ok);
        g_assert_true(cases[i].ok != (error != NULL));
        if (cases[i].ok) {
            g_assert_cmpuint(msg.type, ==, cases[i].type);
            g_assert_cmpuint(msg.len_bytes, ==, cases[i].len_bytes);
        } else {
            g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
        }
    }
}

/* --- PAGES ---------------------------------------------------------------- */

static GByteArray *some_pages(void)
{
    GByteArray *bytes = g_byte_array_new();
    struct ckptd_peer_pages_head head = { .n = le32_put(3) };
    struct ckptd_disk_page list[3] = {
        { .page = le64_put(5) },
        { .page = le64_put(2 | CKPTD_FORMAT_PAGE_ZERO) },
        { .page = le64_put(RAM_PAGES - 1) },
    };
    uint8_t data[2][PAGE];

    memset(data[0], 0x11, PAGE);
    memset(data[1], 0x22, PAGE);
    list[0].sum = le64_put(ckptd_sum(data[0], PAGE, 0));
    list[2].sum = le64_put(ckptd_sum(data[1], PAGE, 0));
    g_byte_array_append(bytes, (guint8 *)&head, sizeof(head));
    g_byte_array_append(bytes, (guint8 *)list, sizeof(list));
    g_byte_array_append(bytes, (guint8 *)data, sizeof(data));
    return bytes;
}

static gboolean pages_ok(const GByteArray *bytes, uint64_t ram_pages,
                         struct ckptd_peer_pages *ret)
{
    struct ckptd_peer_msg msg =
        message(CKPTD_PEER_PAGES, bytes->data, bytes->len);
    struct ckptd_peer_pages pages;
    g_autoptr(GError) error = NULL;
    gboolean ok = ckptd_peer_check_pages(&msg, ram_pages, &pages, &error);

    g_assert_true(ok == !error);
    if (ok && ret) {
        *ret = pages;
        ret->list = NULL;
        ret->data = NULL;
    }
    ckptd_peer_msg_clear(&msg);
    return ok;
}

static void test_pages_are_whole(void)
{
    g_autoptr(GByteArray) good = some_pages();
    struct ckptd_peer_pages pages;

    g_assert_true(pages_ok(good, RAM_PAGES, &pages));
    g_assert_cmpuint(pages.n, ==, 3);
    g_assert_cmpuint(pages.n_data, ==, 2);
    g_assert_false(pages.last);
    g_assert_false(pages_ok(good, RAM_PAGES - 1, NULL));
}

/* Whichever byte changes: it is noticed, or it is another sound message. */
static void test_pages_with_a_changed_byte(void)
{
    g_autoptr(GByteArray) good = some_pages();
    guint i, refused = 0;

    for (i = 0; i < good->len; i++) {
        g_autoptr(GByteArray) bad = some_pages();
        struct ckptd_peer_pages pages;

        bad->data[i] ^= 0xff;
        if (!pages_ok(bad, RAM_PAGES, &pages)) {
            refused++;
        } else {
            g_assert_cmpuint(pages.n, ==, 3);
            g_assert_cmpuint(pages.n_data, ==, 2);
        }
    }
    g_assert_cmpuint(refused, ==, good->len);
}

static void test_pages_cut_short(void)
{
    g_autoptr(GByteArray) bytes = some_pages();

    while (bytes->len > sizeof(struct ckptd_peer_pages_head)) {
        g_byte_array_set_size(bytes, bytes->len - 1);
        g_assert_false(pages_ok(bytes, RAM_PAGES, NULL));
    }
}

static void test_pages_too_many(void)
{
    g_autoptr(GByteArray) bytes = some_pages();
    le32 n = le32_put(CKPTD_PEER_PAGES_MAX + 1);

    g_byte_array_set_size(bytes, CKPTD_PEER_MSG_MAX);
    memcpy(bytes->data, &n, sizeof(n));
    g_assert_false(pages_ok(bytes, G_MAXUINT32, NULL));
    n = le32_put(G_MAXUINT32);
    memcpy(bytes->data, &n, sizeof(n));
    g_assert_false(pages_ok(bytes, G_MAXUINT32, NULL));
    n = le32_put(0);
    memcpy(bytes->data, &n, sizeof(n));
    g_assert_false(pages_ok(bytes, G_MAXUINT32, NULL));
}

/* --- chunks --------------------------------------------------------------- */

static gboolean chunk_ok(enum ckptd_peer_type type, uint32_t which,
                         uint64_t offset, uint32_t len_bytes, uint64_t max)
{
    g_autofree uint8_t *data =
        g_malloc0(sizeof(struct ckptd_peer_chunk) + len_bytes);
    struct ckptd_peer_chunk head = { .which = le32_put(which),
                                     .offset = le64_put(offset) };
    struct ckptd_peer_chunk_view view;
    struct ckptd_peer_msg msg;
    gboolean ok;

    memcpy(data, &head, sizeof(head));
    msg = message(type, data, sizeof(head) + len_bytes);
    ok = ckptd_peer_check_chunk(&msg, max, &view, NULL);
    g_assert_true(!ok ||
                  (view.offset == offset && view.len_bytes == len_bytes));
    ckptd_peer_msg_clear(&msg);
    return ok;
}

static void test_chunks_stay_inside(void)
{
    g_assert_true(chunk_ok(CKPTD_PEER_HOLD, 0, 0, 100, 100));
    g_assert_true(chunk_ok(CKPTD_PEER_HOLD, 0, 100, 0, 100));
    g_assert_false(chunk_ok(CKPTD_PEER_HOLD, 0, 1, 100, 100));
    g_assert_false(chunk_ok(CKPTD_PEER_HOLD, 0, 101, 0, 100));
    g_assert_false(chunk_ok(CKPTD_PEER_HOLD, 0, G_MAXUINT64, 100, 1000));
    g_assert_false(chunk_ok(CKPTD_PEER_HOLD, 0, G_MAXUINT64 - 50, 100, 1000));
    g_assert_false(chunk_ok(CKPTD_PEER_HOLD, 1, 0, 10, 100));
    g_assert_true(chunk_ok(CKPTD_PEER_FILE, CKPTD_PEER_FILE_LOG, 0, 10, 100));
    g_assert_false(chunk_ok(CKPTD_PEER_FILE, 0, 0, 10, 100));
    g_assert_false(
        chunk_ok(CKPTD_PEER_FILE, CKPTD_PEER_FILE_LOG + 1, 0, 10, 100));
}

/* --- dictionaries --------------------------------------------------------- */

static struct ckptd_peer_offer some_offer(void)
{
    struct ckptd_peer_offer offer = {
        .manifest = { .uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
                      .name = "redis",
                      .machine = "microvm-machine",
                      .cpu = "max-x86_64-cpu",
                      .accel = "tcg",
                      .qemu = "10.0.0",
                      .ram_bytes = 64 << 20,
                      .tsc_hz = 1000000000 },
        .generation = 3,
        .hold_bytes = 16 << 20,
        .used_bytes = 5 << 20,
        .created_s = 1000,
        .recoveries = 2,
        .spec = (char *)"[guest]\n",
        .cpu_flags = (char *)"",
    };

    ckptd_peer_make_id(offer.id);
    return offer;
}

static gboolean offer_ok(const struct ckptd_peer_msg *msg, GError **error)
{
    g_autoptr(GVariant) dict = ckptd_peer_dict(msg, error);
    struct ckptd_peer_offer offer = { 0 };
    gboolean ok = dict && ckptd_peer_offer_get(dict, &offer, error);

    if (dict) {
        ckptd_peer_offer_clear(&offer);
    }
    return ok;
}

static void test_offer_comes_back(void)
{
    struct ckptd_peer_offer sent = some_offer(), got;
    struct ckptd_peer_msg msg =
        dict_message(CKPTD_PEER_OFFER, ckptd_peer_offer_put(&sent));
    g_autoptr(GVariant) dict = ckptd_peer_dict(&msg, NULL);

    g_assert_true(ckptd_peer_offer_get(dict, &got, NULL));
    g_assert_cmpstr(got.id, ==, sent.id);
    g_assert_cmpstr(got.spec, ==, sent.spec);
    g_assert_cmpmem(&got.manifest, sizeof(got.manifest), &sent.manifest,
                    sizeof(sent.manifest));
    g_assert_cmpuint(got.generation, ==, 3);
    g_assert_cmpuint(got.hold_bytes, ==, 16 << 20);
    ckptd_peer_offer_clear(&got);
    ckptd_peer_msg_clear(&msg);
}

static void spoil_id(struct ckptd_peer_offer *offer)
{
    memcpy(offer->id, "../../../../../../../../etc/passwd", 32);
}

static void spoil_hold(struct ckptd_peer_offer *offer)
{
    offer->hold_bytes = 1ull << 50;
}

static void spoil_small_hold(struct ckptd_peer_offer *offer)
{
    offer->hold_bytes = 4096;
}

static void spoil_ram(struct ckptd_peer_offer *offer)
{
    offer->manifest.ram_bytes = 1ull << 45;
}

static void spoil_odd_ram(struct ckptd_peer_offer *offer)
{
    offer->manifest.ram_bytes += 1;
}

static void spoil_generation(struct ckptd_peer_offer *offer)
{
    offer->generation = 0;
}

static void spoil_uuid(struct ckptd_peer_offer *offer)
{
    offer->manifest.uuid[3] = 'x';
}

static void test_offer_out_of_range(void)
{
    static void (*const spoils[])(struct ckptd_peer_offer * offer) = {
        spoil_id,      spoil_hold,       spoil_small_hold, spoil_ram,
        spoil_odd_ram, spoil_generation, spoil_uuid,
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(spoils); i++) {
        struct ckptd_peer_offer offer = some_offer();
        g_autoptr(GError) error = NULL;
        struct ckptd_peer_msg msg;

        spoils[i](&offer);
        msg = dict_message(CKPTD_PEER_OFFER, ckptd_peer_offer_put(&offer));
        g_assert_false(offer_ok(&msg, &error));
        g_assert_nonnull(error);
        ckptd_peer_msg_clear(&msg);
    }
}

/* Changed and cut at random: refused or another sound offer, never worse. */
static void test_offer_of_noise(void)
{
    struct ckptd_peer_offer offer = some_offer();
    struct ckptd_peer_msg good =
        dict_message(CKPTD_PEER_OFFER, ckptd_peer_offer_put(&offer));
    guint i, refused = 0;

    for (i = 0; i < 20000; i++) {
        guint len = g_test_rand_int_range(0, good.len_bytes + 1);
        g_autoptr(GError) error = NULL;
        struct ckptd_peer_msg msg;
        guint k;

        msg =
            message(CKPTD_PEER_OFFER, good.data, i % 2 ? good.len_bytes : len);
        for (k = 0; msg.len_bytes && k <= i % 4; k++) {
            msg.data[g_test_rand_int_range(0, msg.len_bytes)] =
                g_test_rand_int_range(0, 256);
        }
        refused += !offer_ok(&msg, &error);
        ckptd_peer_msg_clear(&msg);
    }
    g_assert_cmpuint(refused, >, 10000);
    ckptd_peer_msg_clear(&good);
}

static void test_last_out_of_range(void)
{
    static const struct {
        uint64_t epoch;
        uint64_t generation;
        gsize len;
        gboolean ok;
    } cases[] = {
        { 2, 1, 1, TRUE },
        { 1, 1, 1, FALSE },
        { G_MAXUINT64, 1, 1, FALSE },
        { 2, 0, 1, FALSE },
        { 2, G_MAXUINT64, 1, FALSE },
        { 2, 1, 0, FALSE },
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ckptd_peer_last last = {
            .epoch = cases[i].epoch,
            .generation = cases[i].generation,
            .devstate = g_bytes_new("x", cases[i].len),
        };
        struct ckptd_peer_msg msg =
            dict_message(CKPTD_PEER_LAST, ckptd_peer_last_put(&last));
        g_autoptr(GVariant) dict = ckptd_peer_dict(&msg, NULL);
        struct ckptd_peer_last got = { 0 };

        g_assert_cmpint(ckptd_peer_last_get(dict, &got, NULL), ==, cases[i].ok);
        ckptd_peer_last_clear(&got);
        ckptd_peer_last_clear(&last);
        ckptd_peer_msg_clear(&msg);
    }
}

/* --- the book ------------------------------------------------------------- */

static void test_token(void)
{
    static const char *const bad[] = {
        "", "/", "10.0.0.1:7345", "10.0.0.1:7345/ab/cd", "a/b/c/d",
    };
    g_autofree char *dir = g_dir_make_tmp("sluice-book-XXXXXX", NULL);
    g_autofree char *print = g_strnfill(CKPTD_PEER_PRINT_CHARS, 'a');
    g_autoptr(CkptdBook) book = ckptd_book_open(dir, NULL);
    struct ckptd_token token = { 0 };
    g_autofree char *text = NULL;
    guint i;

    text = ckptd_book_invite(book, "[fd00::1]:7345", print);
    g_assert_true(ckptd_token_parse(text, &token, NULL));
    g_assert_cmpstr(token.address, ==, "[fd00::1]:7345");
    g_assert_cmpstr(token.print, ==, print);
    g_assert_false(ckptd_book_redeem(book, print));
    g_assert_true(ckptd_book_redeem(book, token.secret));
    g_assert_false(ckptd_book_redeem(book, token.secret));
    ckptd_token_clear(&token);
    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(ckptd_token_parse(bad[i], &token, &error));
        g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID);
    }
    g_rmdir(dir);
}

static void test_book_keeps_hosts(void)
{
    g_autofree char *dir = g_dir_make_tmp("sluice-book-XXXXXX", NULL);
    g_autofree char *print = g_strnfill(CKPTD_PEER_PRINT_CHARS, 'a');
    g_autofree char *other = g_strnfill(CKPTD_PEER_PRINT_CHARS, 'b');
    struct ckptd_host host = { (char *)"west", (char *)"10.0.0.2:1", print };
    struct ckptd_host thief = { (char *)"west", (char *)"10.0.0.3:1", other };
    struct ckptd_host climber = { (char *)"../west", (char *)"", other };
    CkptdBook *book = ckptd_book_open(dir, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(CkptdHost) found = NULL;

    g_assert_true(ckptd_book_add(book, &host, NULL));
    g_assert_false(ckptd_book_add(book, &thief, &error));
    g_assert_error(error, CKPTD_ERROR, CKPTD_ERROR_EXISTS);
    g_assert_false(ckptd_book_add(book, &climber, NULL));
    ckptd_book_close(book);
    book = ckptd_book_open(dir, NULL);
    found = ckptd_book_find_print(book, print);
    g_assert_cmpstr(found->name, ==, "west");
    g_assert_cmpstr(found->address, ==, "10.0.0.2:1");
    g_assert_null(ckptd_book_find_print(book, other));
    g_assert_true(ckptd_book_remove(book, "west", NULL));
    g_assert_null(ckptd_book_find(book, "west", NULL));
    ckptd_book_close(book);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer/head/bounds", test_head_bounds);
    g_test_add_func("/peer/pages/whole", test_pages_are_whole);
    g_test_add_func("/peer/pages/changed-byte", test_pages_with_a_changed_byte);
    g_test_add_func("/peer/pages/cut-short", test_pages_cut_short);
    g_test_add_func("/peer/pages/too-many", test_pages_too_many);
    g_test_add_func("/peer/chunk/inside", test_chunks_stay_inside);
    g_test_add_func("/peer/offer/comes-back", test_offer_comes_back);
    g_test_add_func("/peer/offer/out-of-range", test_offer_out_of_range);
    g_test_add_func("/peer/offer/noise", test_offer_of_noise);
    g_test_add_func("/peer/last/out-of-range", test_last_out_of_range);
    g_test_add_func("/peer/book/token", test_token);
    g_test_add_func("/peer/book/hosts", test_book_keeps_hosts);
    return g_test_run();
}
