/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-gate.c - the hold gate alone: what it promises (G1 G2 G3, R1), and what
 * it survives in a hold that somebody damaged
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "hw/ckpt/ckpt-gate.h"
#include "ckpt-nic.h"

#define HOLD_BYTES (4096 + 2 * CKPT_HOLD_RING_MIN)

/* One record that left. */
struct out {
    uint64_t epoch;
    uint64_t seq;
    uint32_t kind;
    uint32_t len_bytes;
    uint32_t tag; /* first word of the payload */
};

typedef struct Fixture {
    uint8_t *mem;
    CkptGate *gate;
    GArray *out; /* struct out, since the fixture began */
    bool block;  /* send() says BUSY */
    unsigned offered;
    unsigned first_held;
    unsigned room;
    uint64_t may_leave; /* greatest epoch that is durable */
} Fixture;

static CkptGateSent on_send(void *opaque, const struct ckpt_hold_record *rec,
                            const void *data)
{
    Fixture *f = opaque;
    struct out o = {
        .epoch = rec->epoch,
        .seq = rec->seq,
        .kind = rec->kind,
        .len_bytes = rec->len_bytes,
    };

    g_assert_cmpuint(rec->epoch, <=, f->may_leave); /* G3 */
    memcpy(&o.tag, data, MIN(rec->len_bytes, sizeof(o.tag)));
    f->offered++;
    g_array_append_val(f->out, o);
    return f->block ? CKPT_GATE_BUSY : CKPT_GATE_SENT;
}

static void on_first_held(void *opaque)
{
    ((Fixture *)opaque)->first_held++;
}

static void on_room(void *opaque)
{
    ((Fixture *)opaque)->room++;
}

static const CkptGateOps ops = {
    .send = on_send,
    .first_held = on_first_held,
    .room = on_room,
};

static void set_up(Fixture *f, gconstpointer unused)
{
    (void)unused;
    memset(f, 0, sizeof(*f));
    f->mem = g_malloc0(HOLD_BYTES);
    f->out = g_array_new(FALSE, TRUE, sizeof(struct out));
    f->gate = ckpt_gate_new(&ops, f);
    g_assert_true(ckpt_gate_format(f->gate, f->mem, HOLD_BYTES, NULL));
    ckpt_gate_set_epoch(f->gate, 1);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    (void)unused;
    ckpt_gate_free(f->gate);
    g_array_free(f->out, TRUE);
    g_free(f->mem);
}

/* QEMU dies; the next one finds @f->mem and is restored to @committed. */
static bool crash(Fixture *f, uint64_t committed, Error **errp)
{
    ckpt_gate_free(f->gate);
    f->block = false;
    f->gate = ckpt_gate_new(&ops, f);
    return ckpt_gate_adopt(f->gate, f->mem, HOLD_BYTES, committed, errp);
}

static bool hold(Fixture *f, uint32_t tag, size_t len_bytes)
{
    uint8_t buf[CKPT_FRAME_MAX];
    struct iovec iov[2];

    memset(buf, (int)tag, len_bytes);
    memcpy(buf, &tag, sizeof(tag));
    iov[0].iov_base = buf;
    iov[0].iov_len = 6;
    iov[1].iov_base = buf + 6;
    iov[1].iov_len = len_bytes - 6;
    return ckpt_gate_hold(f->gate, CKPT_HOLD_FRAME, iov, 2, len_bytes);
}

static bool journal(Fixture *f, uint32_t tag, size_t len_bytes)
{
    uint8_t buf[CKPT_FRAME_MAX] = { 0 };

    memcpy(buf, &tag, sizeof(tag));
    return ckpt_gate_journal(f->gate, CKPT_HOLD_FRAME, buf, len_bytes);
}

static void commit(Fixture *f, uint64_t epoch)
{
    f->may_leave = epoch;
    ckpt_gate_commit(f->gate, epoch);
}

static struct out *out(Fixture *f, unsigned i)
{
    g_assert_cmpuint(i, <, f->out->len);
    return &g_array_index(f->out, struct out, i);
}

/* The next input to be given again is @tag; the guest takes it. */
static void expect_replay(Fixture *f, uint32_t tag)
{
    struct ckpt_hold_record rec;
    const void *data;
    uint32_t got;

    g_assert_true(ckpt_gate_replay(f->gate, &rec, &data));
    memcpy(&got, data, sizeof(got));
    g_assert_cmpuint(got, ==, tag);
    ckpt_gate_replayed(f->gate);
}

static void expect_no_replay(Fixture *f)
{
    struct ckpt_hold_record rec;
    const void *data;

    g_assert_false(ckpt_gate_replay(f->gate, &rec, &data));
}

/* --- output -------------------------------------------------------------- */

static void test_nothing_before_commit(Fixture *f, gconstpointer unused)
{
    uint64_t epoch;
    unsigned i;

    (void)unused;
    for (epoch = 1; epoch <= 3; epoch++) {
        g_assert_cmpuint(ckpt_gate_epoch(f->gate), ==, epoch);
        g_assert_true(hold(f, epoch * 10, 60));
        g_assert_true(hold(f, epoch * 10 + 1, 1514));
        ckpt_gate_advance(f->gate);
    }
    g_assert_cmpuint(f->out->len, ==, 0);
    commit(f, 1);
    g_assert_cmpuint(f->out->len, ==, 2);
    commit(f, 3);
    g_assert_cmpuint(f->out->len, ==, 6);
    for (i = 0; i < 6; i++) {
        g_assert_cmpuint(out(f, i)->epoch, ==, i / 2 + 1); /* G1 */
        g_assert_cmpuint(out(f, i)->tag, ==, (i / 2 + 1) * 10 + i % 2);
        g_assert_cmpuint(out(f, i)->seq, ==, i + 1); /* G2 */
    }
}

static void test_first_held_once(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_true(ckpt_gate_epoch_empty(f->gate));
    hold(f, 1, 60);
    hold(f, 2, 60);
    g_assert_cmpuint(f->first_held, ==, 1);
    g_assert_false(ckpt_gate_epoch_empty(f->gate));
    ckpt_gate_advance(f->gate);
    g_assert_true(ckpt_gate_epoch_empty(f->gate));
    hold(f, 3, 60);
    g_assert_cmpuint(f->first_held, ==, 2);
}

static void test_full_refuses_then_room(Fixture *f, gconstpointer unused)
{
    CkptGateStats stats;
    uint32_t n = 0;

    (void)unused;
    while (hold(f, n, 1500)) {
        n++;
        g_assert_cmpuint(n, <, HOLD_BYTES); /* it is bounded */
    }
    g_assert_cmpuint(n, ==, CKPT_HOLD_RING_MIN / (32 + 1504));
    g_assert_false(hold(f, n, 1500));
    ckpt_gate_stats(f->gate, &stats);
    g_assert_cmpuint(stats.held_records, ==, n);
    g_assert_cmpuint(stats.full_count, ==, 1);
    g_assert_cmpuint(f->room, ==, 0);
    ckpt_gate_advance(f->gate);
    commit(f, 1);
    g_assert_cmpuint(f->room, ==, 1);
    g_assert_cmpuint(f->out->len, ==, n);
    g_assert_true(hold(f, n, 1500));
}

static void test_cursor_waits_for_sent(Fixture *f, gconstpointer unused)
{
    struct ckpt_hold_header *h = (void *)f->mem;
    uint64_t before = h->tx_cursor;

    (void)unused;
    hold(f, 1, 60);
    hold(f, 2, 60);
    ckpt_gate_advance(f->gate);
    f->block = true;
    commit(f, 1);
    g_assert_cmpuint(f->offered, ==, 1);
    g_assert_cmpuint(h->tx_cursor, ==, before);
    ckpt_gate_sent(f->gate);
    g_assert_cmpuint(f->offered, ==, 2);
    g_assert_cmpuint(h->tx_cursor, ==, before + 96);

    /* Purged on its way: the same record comes again, the cursor waits. */
    ckpt_gate_unsent(f->gate);
    g_assert_cmpuint(f->offered, ==, 3);
    g_assert_cmpuint(out(f, 2)->tag, ==, 2);
    g_assert_cmpuint(h->tx_cursor, ==, before + 96);
    ckpt_gate_sent(f->gate);
    g_assert_cmpuint(h->tx_cursor, ==, h->tx_head);
}

static void test_sealed_releases_nothing(Fixture *f, gconstpointer unused)
{
    (void)unused;
    hold(f, 1, 60);
    ckpt_gate_advance(f->gate);
    hold(f, 2, 60);
    ckpt_gate_advance(f->gate);
    f->block = true;
    commit(f, 1); /* record 1 is with the netdev when the seal comes */
    ckpt_gate_seal(f->gate);
    commit(f, 2);
    ckpt_gate_sent(f->gate);
    g_assert_cmpuint(f->out->len, ==, 1);

    /* The successor releases the rest: nothing twice, nothing lost. */
    g_assert_true(crash(f, 2, NULL));
    commit(f, 2);
    g_assert_cmpuint(f->out->len, ==, 2);
    g_assert_cmpuint(out(f, 1)->tag, ==, 2);
}

/* A crash in the middle of a release repeats one record and loses none. */
static void test_release_cut_in_half(Fixture *f, gconstpointer unused)
{
    unsigned taken;
    unsigned i;

    for (taken = 0; taken < 5; taken++) {
        tear_down(f, unused);
        set_up(f, unused);
        for (i = 0; i < 5; i++) {
            hold(f, i, 60 + i);
        }
        ckpt_gate_advance(f->gate);
        f->block = true;
        commit(f, 1);
        for (i = 0; i < taken; i++) {
            ckpt_gate_sent(f->gate);
        }
        g_assert_cmpuint(f->out->len, ==, taken + 1);
        g_assert_true(crash(f, 1, NULL));
        g_assert_cmpuint(f->out->len, ==, taken + 1);
        commit(f, 1);
        g_assert_cmpuint(f->out->len, ==, 6);
        for (i = taken; i < 5; i++) {
            g_assert_cmpuint(out(f, i + 1)->tag, ==, i);
        }
    }
}

static void test_partial_room(Fixture *f, gconstpointer unused)
{
    unsigned i;
    uint32_t n = 0;

    (void)unused;
    while (hold(f, n, CKPT_FRAME_MAX)) {
        n++;
        g_assert_cmpuint(n, <, HOLD_BYTES); /* it is bounded */
    }
    ckpt_gate_advance(f->gate);
    f->block = true;
    commit(f, 1);
    g_assert_cmpuint(f->room, ==, 0);
    for (i = 0; i < 40; i++) {
        ckpt_gate_sent(f->gate);
        g_assert_true(hold(f, n++, CKPT_FRAME_MAX));
        g_assert_false(hold(f, n, CKPT_FRAME_MAX));
        ckpt_gate_advance(f->gate);
        commit(f, ckpt_gate_epoch(f->gate) - 1);
        g_assert_cmpuint(out(f, i)->tag, ==, i);
    }
    g_assert_cmpuint(f->room, >=, 39);
}

static void test_open(Fixture *f, gconstpointer unused)
{
    CkptGateStats stats;
    uint32_t n = 0;

    (void)unused;
    f->may_leave = UINT64_MAX;
    ckpt_gate_free(f->gate);
    f->gate = ckpt_gate_new(&ops, f);
    g_assert_false(hold(f, 1, 60));
    ckpt_gate_open(f->gate);
    g_assert_cmpuint(f->room, ==, 1);
    g_assert_true(hold(f, 1, 60));
    g_assert_cmpuint(f->out->len, ==, 1);
    g_assert_cmpuint(f->first_held, ==, 0);
    g_assert_true(journal(f, 1, 60));
    ckpt_gate_stats(f->gate, &stats);
    g_assert_cmpuint(stats.journal_bytes, ==, 0);

    f->block = true;
    while (hold(f, n, 1500)) {
        n++;
        g_assert_cmpuint(n, <, HOLD_BYTES); /* it is bounded */
    }
    g_assert_cmpuint(f->out->len, ==, 2);
    f->block = false;
    ckpt_gate_sent(f->gate);
    g_assert_cmpuint(f->out->len, ==, n + 1);
    g_assert_cmpuint(f->room, ==, 2);
}

static void test_kinds_in_one_order(Fixture *f, gconstpointer unused)
{
    uint32_t status = 7;
    struct iovec log = { (void *)"hello", 5 };
    struct iovec end = { &status, sizeof(status) };

    (void)unused;
    hold(f, 1, 60);
    g_assert_true(ckpt_gate_hold(f->gate, CKPT_HOLD_LOG, &log, 1, 5));
    hold(f, 2, 60);
    g_assert_true(ckpt_gate_hold(f->gate, CKPT_HOLD_EXIT, &end, 1, 4));
    ckpt_gate_advance(f->gate);
    g_assert_true(crash(f, 1, NULL));
    commit(f, 1);
    g_assert_cmpuint(f->out->len, ==, 4);
    g_assert_cmpuint(out(f, 0)->kind, ==, CKPT_HOLD_FRAME);
    g_assert_cmpuint(out(f, 1)->kind, ==, CKPT_HOLD_LOG);
    g_assert_cmpuint(out(f, 1)->len_bytes, ==, 5);
    g_assert_cmpuint(out(f, 3)->kind, ==, CKPT_HOLD_EXIT);
    g_assert_cmpuint(out(f, 3)->tag, ==, 7);
}

/* --- recovery ------------------------------------------------------------ */

static void test_recovery_cuts_later_epochs(Fixture *f, gconstpointer unused)
{
    struct ckpt_hold_header *h = (void *)f->mem;
    uint64_t seq;

    (void)unused;
    hold(f, 1, 60);
    ckpt_gate_advance(f->gate);
    hold(f, 2, 60);
    ckpt_gate_advance(f->gate);
    hold(f, 3, 60);
    seq = h->tx_seq;
    g_assert_true(crash(f, 1, NULL));
    g_assert_cmpuint(ckpt_gate_epoch(f->gate), ==, 2);
    commit(f, 1);
    g_assert_cmpuint(f->out->len, ==, 1);
    hold(f, 4, 60);
    ckpt_gate_advance(f->gate);
    commit(f, 2);
    g_assert_cmpuint(f->out->len, ==, 2);
    g_assert_cmpuint(out(f, 1)->tag, ==, 4);
    g_assert_cmpuint(out(f, 1)->seq, ==, seq); /* never reused */

    /* A hold with such a gap in its sequence is adopted like any other. */
    hold(f, 5, 60);
    ckpt_gate_advance(f->gate);
    g_assert_true(crash(f, 3, NULL));
    commit(f, 3);
    g_assert_cmpuint(out(f, 2)->tag, ==, 5);
}

static void test_journal_is_given_again(Fixture *f, gconstpointer unused)
{
    (void)unused;
    journal(f, 1, 60);
    ckpt_gate_advance(f->gate);
    journal(f, 2, 60);
    ckpt_gate_advance(f->gate);
    journal(f, 3, 60);
    commit(f, 1);
    g_assert_true(crash(f, 1, NULL));
    /* No new input before the old ones. */
    g_assert_false(journal(f, 9, 60));
    expect_replay(f, 2);
    g_assert_cmpuint(f->room, ==, 0);
    expect_replay(f, 3);
    g_assert_cmpuint(f->room, ==, 1);
    expect_no_replay(f);
    g_assert_true(journal(f, 4, 60));

    /* Again, and again the same: all are of epoch 2 now. */
    g_assert_true(crash(f, 1, NULL));
    expect_replay(f, 2);
    expect_replay(f, 3);
    expect_replay(f, 4);
    ckpt_gate_advance(f->gate);
    commit(f, 2);
    g_assert_true(crash(f, 2, NULL));
    expect_no_replay(f);
}

/* What the guest had no buffer for stays, whatever becomes durable meanwhile.*/
static void test_replay_outlives_commits(Fixture *f, gconstpointer unused)
{
    uint32_t i;

    (void)unused;
    for (i = 0; i < 8; i++) {
        journal(f, i, 100);
        if (i == 5) {
            ckpt_gate_advance(f->gate);
        }
    }
    g_assert_true(crash(f, 0, NULL));
    expect_replay(f, 0);
    expect_replay(f, 1);
    ckpt_gate_advance(f->gate);
    commit(f, 1);
    expect_replay(f, 2);
    ckpt_gate_advance(f->gate);
    commit(f, 2);
    g_assert_true(crash(f, 2, NULL));
    for (i = 3; i < 8; i++) {
        expect_replay(f, i);
    }
    expect_no_replay(f);
}

static void test_journal_full(Fixture *f, gconstpointer unused)
{
    uint32_t n = 0;
    uint32_t i;

    (void)unused;
    g_assert_true(ckpt_gate_journal_room(f->gate, CKPT_FRAME_MAX));
    g_assert_false(ckpt_gate_journal_high(f->gate));
    while (journal(f, n, 1514)) {
        n++;
        g_assert_cmpuint(n, <, HOLD_BYTES); /* it is bounded */
    }
    g_assert_true(ckpt_gate_journal_high(f->gate));
    ckpt_gate_advance(f->gate);
    commit(f, 1);
    g_assert_cmpuint(f->room, ==, 1);
    for (i = 0; i < 5 * n; i++) {
        if (!journal(f, n + i, 700)) {
            ckpt_gate_advance(f->gate);
            commit(f, ckpt_gate_epoch(f->gate) - 1);
            g_assert_true(journal(f, n + i, 700));
        }
    }
}

/* Many records of all sizes around the ring, with crashes in between. */
static void test_wrap_with_crashes(Fixture *f, gconstpointer unused)
{
    uint32_t sent = 0;
    uint32_t heard = 0;
    uint32_t durable_sent = 0;
    unsigned i;

    (void)unused;
    for (i = 0; i < 20000; i++) {
        switch (g_test_rand_int_range(0, 8)) {
        case 0:
            ckpt_gate_advance(f->gate);
            durable_sent = sent;
            commit(f, ckpt_gate_epoch(f->gate) - 1);
            g_assert_cmpuint(f->out->len, ==, sent);
            break;
        case 1:
            if (g_test_rand_int_range(0, 4) == 0) {
                g_assert_true(crash(f, f->may_leave, NULL));
                commit(f, f->may_leave);
                sent = durable_sent; /* the guest says it again */
                while (heard && f->may_leave < ckpt_gate_epoch(f->gate)) {
                    struct ckpt_hold_record rec;
                    const void *data;

                    if (!ckpt_gate_replay(f->gate, &rec, &data)) {
                        break;
                    }
                    ckpt_gate_replayed(f->gate);
                }
            }
            break;
        case 2:
        case 3:
            heard += journal(f, heard, g_test_rand_int_range(14, 3000));
            break;
        default:
            sent += hold(f, sent, g_test_rand_int_range(14, 3000));
        }
    }
    for (i = 0; i < f->out->len; i++) {
        g_assert_cmpuint(out(f, i)->tag, ==, i);
        g_assert_true(i == 0 || out(f, i)->seq > out(f, i - 1)->seq);
    }
    g_assert_cmpuint(f->out->len, >, 1000);
}

/* --- damage -------------------------------------------------------------- */

static void test_refuses_bad_header(Fixture *f, gconstpointer unused)
{
    struct ckpt_hold_header *h = (void *)f->mem;
    struct ckpt_hold_header good = *h;
    Error *err = NULL;

    (void)unused;
    g_assert_false(crash(f, UINT64_MAX, NULL));
#define BAD(field, value)                                                      \
    do {                                                                       \
        h->field = (value);                                                    \
        g_assert_false(crash(f, 0, &err));                                     \
        g_assert_nonnull(err);                                                 \
        error_free(g_steal_pointer(&err));                                     \
        *h = good;                                                             \
    } while (0)
    BAD(magic, 0);
    BAD(version, 2);
    BAD(header_bytes, 256);
    BAD(tx_offset, 0);
    BAD(tx_offset, HOLD_BYTES);
    BAD(tx_offset, UINT64_MAX - 31);
    BAD(tx_offset, good.rx_offset);
    BAD(tx_offset, good.tx_offset + 1);
    BAD(tx_size, 0);
    BAD(tx_size, UINT64_MAX - 31);
    BAD(tx_size, good.tx_size + 32);
    BAD(rx_size, good.rx_size + 32);
    BAD(tx_head, 31);
    BAD(tx_head, good.tx_size + 32);
    BAD(tx_cursor, 32);
    BAD(rx_tail, 32);
    BAD(rx_head, UINT64_MAX);
    BAD(tx_seq, UINT64_MAX);
#undef BAD
    g_assert_true(crash(f, 0, &err));
    ckpt_gate_free(f->gate);
    f->gate = ckpt_gate_new(&ops, f);
    g_assert_false(ckpt_gate_adopt(f->gate, f->mem, 100, 0, NULL));
    g_assert_false(ckpt_gate_adopt(f->gate, f->mem, HOLD_BYTES - 1, 0, NULL));
    g_assert_false(ckpt_gate_format(f->gate, f->mem, 4096, &err));
    error_free(err);
}

/* The record that is damaged and those behind it go, those before it leave. */
static void test_bad_record_ends_ring(Fixture *f, gconstpointer unused)
{
    struct ckpt_hold_header *h;
    struct ckpt_hold_record *rec;
    unsigned damage, reports;
    unsigned i;

    for (damage = 0; damage < 8; damage++) {
        tear_down(f, unused);
        set_up(f, unused);
        h = (void *)f->mem;
        for (i = 0; i < 4; i++) {
            hold(f, i, 64);
            ckpt_gate_advance(f->gate);
        }
        rec = (void *)(f->mem + h->tx_offset + 2 * 96);
        switch (damage) {
        case 0:
            rec->kind = CKPT_HOLD_MBOX;
            break;
        case 1:
            rec->kind = 0xffffffff;
            break;
        case 2:
            rec->len_bytes = 0xfffffff0;
            break;
        case 3:
            rec->len_bytes = 13;
            break;
        case 4:
            rec->epoch = 1;
            break;
        case 5:
            rec->seq = 2;
            break;
        case 6:
            rec->seq = UINT64_MAX;
            break;
        case 7:
            rec->kind = CKPT_HOLD_PAD;
            break;
        }
        reports = shim_error_reports;
        g_assert_true(crash(f, 4, NULL));
        g_assert_cmpuint(shim_error_reports, ==, reports + 1);
        commit(f, 4);
        g_assert_cmpuint(f->out->len, ==, 2);
        g_assert_cmpuint(h->tx_head, ==, 2 * 96);
    }
}

/* Use an adopted gate as QEMU would; on_send() checks that G3 holds. */
static void exercise(Fixture *f)
{
    struct ckpt_hold_record rec;
    const void *data;
    uint32_t tag;
    unsigned i;

    commit(f, f->may_leave);
    for (i = 0; i < 4 && ckpt_gate_replay(f->gate, &rec, &data); i++) {
        memcpy(&tag, data, sizeof(tag));
        ckpt_gate_replayed(f->gate);
    }
    ckpt_gate_advance(f->gate);
    hold(f, 1, 1500);
    journal(f, 1, 1500);
    commit(f, ckpt_gate_epoch(f->gate) - 1);
    while (ckpt_gate_replay(f->gate, &rec, &data)) {
        memcpy(&tag, data, sizeof(tag));
        ckpt_gate_replayed(f->gate);
    }
}

static void test_fuzz_damaged(Fixture *f, gconstpointer unused)
{
    g_autofree uint8_t *good = g_malloc(HOLD_BYTES);
    struct ckpt_hold_header *h = (void *)f->mem;
    unsigned adopted = 0;
    unsigned round, i, n;
    size_t at;

    (void)unused;
    for (i = 0; i < 200; i++) {
        hold(f, i, g_test_rand_int_range(14, 1600));
        journal(f, i, g_test_rand_int_range(14, 1600));
        if (i % 8 == 0) {
            ckpt_gate_advance(f->gate);
            commit(f, ckpt_gate_epoch(f->gate) - (i < 160 ? 1 : 6));
        }
    }
    memcpy(good, f->mem, HOLD_BYTES);
    for (round = 0; round < 3000; round++) {
        memcpy(f->mem, good, HOLD_BYTES);
        f->may_leave = g_test_rand_int_range(0, 30);
        for (n = g_test_rand_int_range(1, 12); n; n--) {
            switch (g_test_rand_int_range(0, 4)) {
            case 0: /* the counters and all else in the header */
                at = 64 + g_test_rand_int_range(0, 200);
                break;
            case 1: /* a record header in the TX ring */
                at = h->tx_offset + g_test_rand_int_range(0, 2000) * 32;
                break;
            case 2: /* one in the RX ring */
                at = HOLD_BYTES / 2 + g_test_rand_int_range(0, 2000) * 32;
                break;
            default:
                at = g_test_rand_int_range(0, HOLD_BYTES);
            }
            at = (at + g_test_rand_int_range(0, 32)) % HOLD_BYTES;
            f->mem[at] = g_test_rand_bit() ? g_test_rand_int()
                                           : f->mem[at] ^ (1 << n % 8);
        }
        if (crash(f, f->may_leave, NULL)) {
            adopted++;
            exercise(f);
        }
    }
    g_test_message("%u of %u damaged holds adopted", adopted, round);
    g_assert_cmpuint(adopted, >, 100);
}

/* A valid header over rings of noise, with small words where they hurt. */
static void test_fuzz_noise(Fixture *f, gconstpointer unused)
{
    struct ckpt_hold_header hdr;
    unsigned round;
    size_t i;

    (void)unused;
    memcpy(&hdr, f->mem, sizeof(hdr));
    for (round = 0; round < 300; round++) {
        for (i = 4096; i + 4 <= HOLD_BYTES; i += 4) {
            uint32_t v = i % 64 < 16 ? g_test_rand_int_range(0, 64)
                                     : g_test_rand_int() & 0x3ff;

            memcpy(f->mem + i, &v, sizeof(v));
        }
        hdr.tx_cursor = 32 * g_test_rand_int_range(0, 10000);
        hdr.tx_head = hdr.tx_cursor + 32 * g_test_rand_int_range(0, 2049);
        hdr.tx_seq = 1ull << g_test_rand_int_range(0, 62);
        hdr.rx_tail = 32 * g_test_rand_int_range(0, 10000);
        hdr.rx_head = hdr.rx_tail + 32 * g_test_rand_int_range(0, 2049);
        hdr.rx_seq = 1ull << g_test_rand_int_range(0, 62);
        memcpy(f->mem, &hdr, sizeof(hdr));
        f->may_leave = g_test_rand_int_range(0, 1 << 20);
        g_assert_true(crash(f, f->may_leave, NULL));
        exercise(f);
    }
}

#define ADD(path, fn) g_test_add(path, Fixture, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/gate/output/nothing-before-commit", test_nothing_before_commit);
    ADD("/gate/output/first-held-once-per-epoch", test_first_held_once);
    ADD("/gate/output/full-refuses-then-room", test_full_refuses_then_room);
    ADD("/gate/output/cursor-waits-for-sent", test_cursor_waits_for_sent);
    ADD("/gate/output/sealed-releases-nothing", test_sealed_releases_nothing);
    ADD("/gate/output/release-cut-in-half", test_release_cut_in_half);
    ADD("/gate/output/partly-released-ring", test_partial_room);
    ADD("/gate/output/open", test_open);
    ADD("/gate/output/all-kinds-in-one-order", test_kinds_in_one_order);
    ADD("/gate/recover/cuts-later-epochs", test_recovery_cuts_later_epochs);
    ADD("/gate/recover/journal-given-again", test_journal_is_given_again);
    ADD("/gate/recover/replay-outlives-commits", test_replay_outlives_commits);
    ADD("/gate/recover/journal-full", test_journal_full);
    ADD("/gate/recover/wrap-with-crashes", test_wrap_with_crashes);
    ADD("/gate/damage/bad-header", test_refuses_bad_header);
    ADD("/gate/damage/bad-record-ends-ring", test_bad_record_ends_ring);
    ADD("/gate/damage/fuzz-damaged", test_fuzz_damaged);
    ADD("/gate/damage/fuzz-noise", test_fuzz_noise);
    return g_test_run();
}
