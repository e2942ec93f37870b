/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-gate-move.c - a gate that moves: what it takes along, in which order it
 * leaves there, and what of a damaged stream is refused
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "hw/ckpt/ckpt-gate.h"
#include "ckpt-nic.h"

#define HOLD_BYTES (4096 + 2 * CKPT_HOLD_RING_MIN)

typedef struct Side {
    uint8_t *mem;
    CkptGate *gate;
    GArray *out; /* uint32_t: first word of what left, in order */
    bool block;
} Side;

typedef struct Fixture {
    Side from;
    Side to;
    CkptGateCargo cargo;
} Fixture;

static CkptGateSent on_send(void *opaque, const struct ckpt_hold_record *rec,
                            const void *data)
{
    Side *side = opaque;
    uint32_t tag;

    (void)rec;
    memcpy(&tag, data, sizeof(tag));
    g_array_append_val(side->out, tag);
    return side->block ? CKPT_GATE_BUSY : CKPT_GATE_SENT;
}

static void on_nothing(void *opaque)
{
    (void)opaque;
}

static const CkptGateOps ops = {
    .send = on_send,
    .first_held = on_nothing,
    .room = on_nothing,
};

static void side_init(Side *side)
{
    side->mem = g_malloc0(HOLD_BYTES);
    side->out = g_array_new(FALSE, TRUE, sizeof(uint32_t));
    side->gate = ckpt_gate_new(&ops, side);
    g_assert_true(ckpt_gate_format(side->gate, side->mem, HOLD_BYTES, NULL));
}

static void side_clear(Side *side)
{
    ckpt_gate_free(side->gate);
    g_array_free(side->out, TRUE);
    g_free(side->mem);
}

static void set_up(Fixture *f, gconstpointer unused)
{
    (void)unused;
    memset(f, 0, sizeof(*f));
    side_init(&f->from);
    side_init(&f->to);
    ckpt_gate_set_epoch(f->from.gate, 1);
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    (void)unused;
    side_clear(&f->from);
    side_clear(&f->to);
    g_free(f->cargo.tx);
    g_free(f->cargo.rx);
}

static void hold(Side *side, uint32_t tag)
{
    uint8_t buf[64] = { 0 };
    struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };

    memcpy(buf, &tag, sizeof(tag));
    g_assert_true(
        ckpt_gate_hold(side->gate, CKPT_HOLD_FRAME, &iov, 1, sizeof(buf)));
}

static void journal(Side *side, uint32_t tag)
{
    uint8_t buf[64] = { 0 };

    memcpy(buf, &tag, sizeof(tag));
    g_assert_true(
        ckpt_gate_journal(side->gate, CKPT_HOLD_FRAME, buf, sizeof(buf)));
}

static void expect_out(const Side *side, const uint32_t *tags, unsigned n)
{
    g_assert_cmpmem(side->out->data, side->out->len * sizeof(*tags), tags,
                    n * sizeof(*tags));
}

static void pack(Fixture *f)
{
    ckpt_gate_seal(f->from.gate);
    ckpt_gate_pack(f->from.gate, &f->cargo);
}

/* The guest is in epoch 3; 1 is durable, its frames have left. */
static void test_held_leaves_there(Fixture *f, gconstpointer unused)
{
    static const uint32_t here[] = { 1 }, there[] = { 2, 3, 4 };

    (void)unused;
    hold(&f->from, 1);
    ckpt_gate_advance(f->from.gate);
    hold(&f->from, 2);
    ckpt_gate_advance(f->from.gate);
    hold(&f->from, 3);
    ckpt_gate_commit(f->from.gate, 1);
    pack(f);
    ckpt_gate_commit(f->from.gate, 2);
    expect_out(&f->from, here, 1); /* sealed: whatever becomes durable */

    g_assert_true(ckpt_gate_unpack(f->to.gate, &f->cargo, 3, NULL));
    g_assert_cmpuint(ckpt_gate_epoch(f->to.gate), ==, 3);
    hold(&f->to, 4);
    ckpt_gate_advance(f->to.gate);
    expect_out(&f->to, NULL, 0); /* nothing is durable there yet (G3) */
    ckpt_gate_commit(f->to.gate, 3);
    expect_out(&f->to, there, 3); /* G2 */
}

/* What the netdev had not taken when the guest left has not left. */
static void test_busy_goes_along(Fixture *f, gconstpointer unused)
{
    static const uint32_t there[] = { 1, 2 };

    (void)unused;
    f->from.block = true;
    hold(&f->from, 1);
    hold(&f->from, 2);
    ckpt_gate_advance(f->from.gate);
    ckpt_gate_commit(f->from.gate, 1);
    pack(f);
    g_assert_true(ckpt_gate_unpack(f->to.gate, &f->cargo, 2, NULL));
    ckpt_gate_advance(f->to.gate);
    ckpt_gate_commit(f->to.gate, 2);
    expect_out(&f->to, there, 2);
}

/* A move that came to nothing: the gate here goes on where it was. */
static void test_unsealed_goes_on(Fixture *f, gconstpointer unused)
{
    static const uint32_t here[] = { 1, 2 };

    (void)unused;
    hold(&f->from, 1);
    ckpt_gate_advance(f->from.gate);
    hold(&f->from, 2);
    pack(f);
    ckpt_gate_commit(f->from.gate, 1);
    expect_out(&f->from, NULL, 0);
    ckpt_gate_unseal(f->from.gate);
    expect_out(&f->from, here, 1);
    ckpt_gate_advance(f->from.gate);
    ckpt_gate_commit(f->from.gate, 2);
    expect_out(&f->from, here, 2);
}

/* Inputs that the guest has are in its RAM; those to be given again are not. */
static void test_only_ungiven_inputs_go(Fixture *f, gconstpointer unused)
{
    struct ckpt_hold_record rec;
    const void *data;
    uint32_t tag;

    (void)unused;
    journal(&f->from, 10);
    journal(&f->from, 11);
    ckpt_gate_free(f->from.gate); /* a crash: restored to nothing of them */
    f->from.gate = ckpt_gate_new(&ops, &f->from);
    g_assert_true(
        ckpt_gate_adopt(f->from.gate, f->from.mem, HOLD_BYTES, 0, NULL));
    g_assert_true(ckpt_gate_replay(f->from.gate, &rec, &data));
    ckpt_gate_replayed(f->from.gate);
    pack(f);
    g_assert_true(ckpt_gate_unpack(f->to.gate, &f->cargo, 1, NULL));
    ckpt_gate_advance(f->to.gate);
    ckpt_gate_commit(f->to.gate, 1);
    g_assert_true(ckpt_gate_replay(f->to.gate, &rec, &data));
    memcpy(&tag, data, sizeof(tag));
    g_assert_cmpuint(tag, ==, 11);
    g_assert_cmpuint(rec.epoch, ==, 2); /* in which the guest will get it */
    ckpt_gate_replayed(f->to.gate);
    g_assert_false(ckpt_gate_replay(f->to.gate, &rec, &data));
    journal(&f->to, 12);
}

/* Sequence numbers go on, so that no log byte is taken for a repetition. */
static void test_sequence_goes_on(Fixture *f, gconstpointer unused)
{
    (void)unused;
    hold(&f->from, 1);
    hold(&f->from, 2);
    pack(f);
    g_assert_cmpuint(f->cargo.tx_seq, ==, 3);
    g_assert_true(ckpt_gate_unpack(f->to.gate, &f->cargo, 1, NULL));
    g_free(f->cargo.tx);
    g_free(f->cargo.rx);
    ckpt_gate_seal(f->to.gate);
    ckpt_gate_pack(f->to.gate, &f->cargo);
    g_assert_cmpuint(f->cargo.tx_seq, ==, 3);
}

static void refuse(Fixture *f, uint64_t epoch)
{
    Error *err = NULL;

    side_clear(&f->to);
    side_init(&f->to);
    g_assert_false(ckpt_gate_unpack(f->to.gate, &f->cargo, epoch, &err));
    g_assert_nonnull(err);
    error_free(err);
}

static void test_refuses_nonsense(Fixture *f, gconstpointer unused)
{
    struct ckpt_hold_record *rec;

    (void)unused;
    hold(&f->from, 1);
    ckpt_gate_advance(f->from.gate);
    hold(&f->from, 2);
    pack(f);
    rec = (struct ckpt_hold_record *)f->cargo.tx;
    refuse(f, 0);
    refuse(f, 1); /* one is of an epoch that the guest has not reached */
    f->cargo.tx_bytes--;
    refuse(f, 2);
    f->cargo.tx_bytes++;
    f->cargo.tx_seq = 2;
    refuse(f, 2);
    f->cargo.tx_seq = 3;
    rec->epoch = 2;
    ((struct ckpt_hold_record *)(f->cargo.tx + sizeof(*rec) + 64))->epoch = 1;
    refuse(f, 2); /* G2: epochs go backwards */
    rec->epoch = 1;
    rec->kind = CKPT_HOLD_MBOX;
    refuse(f, 2);
    rec->kind = CKPT_HOLD_FRAME;
    rec->len_bytes = UINT32_MAX;
    refuse(f, 2);
}

/* Whatever comes in is taken or refused, and nothing worse. */
static void test_fuzz(Fixture *f, gconstpointer unused)
{
    unsigned round, taken = 0;
    uint32_t i, at;

    (void)unused;
    for (i = 0; i < 50; i++) {
        hold(&f->from, i);
        ckpt_gate_advance(f->from.gate);
    }
    pack(f);
    for (round = 0; round < 2000; round++) {
        g_autofree uint8_t *whole = g_memdup2(f->cargo.tx, f->cargo.tx_bytes);

        for (i = g_test_rand_int_range(0, 4); i; i--) {
            at = g_test_rand_int_range(0, f->cargo.tx_bytes);
            f->cargo.tx[at] = g_test_rand_int();
        }
        side_clear(&f->to);
        side_init(&f->to);
        if (ckpt_gate_unpack(f->to.gate, &f->cargo, 51, NULL)) {
            ckpt_gate_advance(f->to.gate);
            ckpt_gate_commit(f->to.gate, 51);
            g_assert_cmpuint(f->to.out->len, <=, 50);
            taken++;
        }
        memcpy(f->cargo.tx, whole, f->cargo.tx_bytes);
    }
    g_assert_cmpuint(taken, >, 100);
    g_assert_cmpuint(taken, <, round);
}

#define ADD(path, fn) g_test_add(path, Fixture, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/gate/move/held-leaves-there", test_held_leaves_there);
    ADD("/gate/move/busy-goes-along", test_busy_goes_along);
    ADD("/gate/move/unsealed-goes-on", test_unsealed_goes_on);
    ADD("/gate/move/only-ungiven-inputs-go", test_only_ungiven_inputs_go);
    ADD("/gate/move/sequence-goes-on", test_sequence_goes_on);
    ADD("/gate/move/refuses-nonsense", test_refuses_nonsense);
    ADD("/gate/move/fuzz", test_fuzz);
    return g_test_run();
}
