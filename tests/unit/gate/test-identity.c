/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-identity.c - whose frames a gate lets pass after a fork or a rollback
 * (R2), and what ckptd may say of it
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/ckpt/ckpt-gate.h"

#define HOLD_BYTES  (4096 + 2 * CKPT_HOLD_RING_MIN)
#define GENERATION  7

#define OWN         "\2\0\0\0\0\xaa"
#define OTHER       "\2\0\0\0\0\xbb"
#define SECOND      "\2\0\0\0\0\xcc"
#define OWN_IP      "\xc0\xa8\0\x14"
#define OTHER_IP    "\xc0\xa8\0\x02"
#define NO_IP       "\0\0\0\0"
#define ALL         "\xff\xff\xff\xff\xff\xff"
#define ARP         "\x08\x06\0\1\x08\0\6\4\0\1"
#define IP_HEAD     "\x08\0\x45\0\0\x1c\0\0\0\0\x40\x11\0\0"

/* Bytes of a literal, without its NUL. */
#define FRAME(text) (const uint8_t *)(text), sizeof(text) - 1

static struct ckpt_identity identity(unsigned process, const char *mac,
                                     const char *ip)
{
    struct ckpt_identity id = {
        .why = CKPT_LINE_FORK,
        .process = process,
        .generation = GENERATION,
        .hostname = "fork",
    };

    memcpy(id.mac, mac, 6);
    memcpy(&id.address, ip, 4);
    return id;
}

static void test_frames(void)
{
    struct ckpt_identity ids[2] = { identity(0, OWN, OWN_IP),
                                    identity(1, SECOND, NO_IP) };
    CkptIdentities set = { 0 };

    g_assert_true(ckpt_identities_own(&set, FRAME(ALL OTHER "\x88\xb5")));
    ckpt_identities_set(&set, ids, 2);
#define OWNS(text)    g_assert_true(ckpt_identities_own(&set, FRAME(text)))
#define REFUSES(text) g_assert_false(ckpt_identities_own(&set, FRAME(text)))
    OWNS(ALL OWN "\x88\xb5");
    REFUSES(ALL OTHER "\x88\xb5");
    REFUSES(OWN OTHER "\x88\xb5"); /* the destination does not count */

    OWNS(ALL OWN IP_HEAD OWN_IP OTHER_IP);
    OWNS(ALL OWN IP_HEAD NO_IP ALL);
    REFUSES(ALL OWN IP_HEAD OTHER_IP OWN_IP);
    REFUSES(ALL OWN IP_HEAD OWN_IP);
    OWNS(ALL SECOND IP_HEAD OTHER_IP OWN_IP); /* has no address of its own */
    REFUSES(ALL OTHER IP_HEAD OWN_IP OTHER_IP);

    OWNS(ALL OWN ARP OWN OWN_IP ALL OTHER_IP);
    OWNS(ALL OWN ARP OWN NO_IP ALL OWN_IP); /* a probe */
    REFUSES(ALL OWN ARP OWN OTHER_IP ALL OTHER_IP);
    REFUSES(ALL OWN ARP OTHER OWN_IP ALL OTHER_IP);
    REFUSES(ALL OWN ARP SECOND OWN_IP ALL OTHER_IP);
    REFUSES(ALL OWN ARP OWN OWN_IP ALL);
    REFUSES(ALL OWN "\x08\x06\0\1\x86\xdd\6\4\0\1" OWN OWN_IP ALL OTHER_IP);
    OWNS(ALL SECOND ARP SECOND OTHER_IP ALL OTHER_IP);
    REFUSES(ALL SECOND ARP OWN OTHER_IP ALL OTHER_IP);

    ids[0].flags = CKPT_IDENTITY_DHCP;
    ckpt_identities_set(&set, ids, 1);
    OWNS(ALL OWN IP_HEAD OTHER_IP OWN_IP);
    REFUSES(ALL SECOND IP_HEAD OTHER_IP OWN_IP);
#undef OWNS
#undef REFUSES
}

static void expect_wrong(const struct ckpt_identity *ids, unsigned n,
                         const char *what)
{
    Error *err = NULL;

    g_assert_false(ckpt_identities_check(ids, n, GENERATION, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), what));
    error_free(err);
}

static void test_check(void)
{
    struct ckpt_identity ids[2] = { identity(0, OWN, OWN_IP),
                                    identity(3, SECOND, NO_IP) };
    struct ckpt_identity bad[2];

    g_assert_true(ckpt_identities_check(ids, 0, GENERATION, NULL));
    g_assert_true(ckpt_identities_check(ids, 2, GENERATION, NULL));
#define WRONG(member, value, what)                                             \
    do {                                                                       \
        memcpy(bad, ids, sizeof(bad));                                         \
        bad[1].member = value;                                                 \
        expect_wrong(bad, 2, what);                                            \
    } while (0)
    WRONG(why, 0, "why");
    WRONG(why, 3, "why");
    WRONG(why, CKPT_LINE_ROLLBACK, "why");
    WRONG(generation, GENERATION - 1, "generation");
    WRONG(process, CKPT_IDENTITIES_MAX, "process");
    WRONG(process, 0, "another");
    WRONG(mac[0], 3, "MAC");
    WRONG(flags, 2, "flags");
    WRONG(reserved, 1, "flags");
#undef WRONG
    memcpy(bad, ids, sizeof(bad));
    memset(bad[0].mac, 0, 6);
    expect_wrong(bad, 2, "MAC");
    memcpy(bad, ids, sizeof(bad));
    memcpy(bad[1].mac, OWN, 6);
    expect_wrong(bad, 2, "another");
    memcpy(bad, ids, sizeof(bad));
    memset(bad[1].hostname, 'x', sizeof(bad[1].hostname));
    expect_wrong(bad, 2, "host name");
}

/* The host does not know them: all processes, or none. */
static void test_own(void)
{
    struct ckpt_identity ids[2] = {
        { .why = CKPT_LINE_ROLLBACK,
          .generation = GENERATION,
          .flags = CKPT_IDENTITY_OWN },
        { .why = CKPT_LINE_ROLLBACK,
          .generation = GENERATION,
          .process = 1,
          .flags = CKPT_IDENTITY_OWN },
    };
    struct ckpt_identity other = identity(0, OWN, OWN_IP);
    CkptIdentities set = { 0 };

    g_assert_true(ckpt_identities_check(ids, 2, GENERATION, NULL));
    ckpt_identities_set(&set, &other, 1);
    ckpt_identities_set(&set, ids, 2);
    g_assert_true(ckpt_identities_own(&set, FRAME(ALL OTHER "\x88\xb5")));
    ids[1].address = 1;
    expect_wrong(ids, 2, "flags");
    ids[1].address = 0;
    ids[1].process = 0;
    expect_wrong(ids, 2, "another");
    ids[0].why = CKPT_LINE_FORK;
    expect_wrong(ids, 1, "flags");
    ids[0] = other;
    ids[0].why = CKPT_LINE_ROLLBACK;
    ids[1].process = 1;
    expect_wrong(ids, 2, "flags");
}

static CkptGateSent on_send(void *opaque, const struct ckpt_hold_record *rec,
                            const void *data)
{
    GString *left = opaque;

    g_string_append_c(left, rec->kind == CKPT_HOLD_FRAME
                                ? ((const char *)data)[14]
                                : *(const char *)data);
    return CKPT_GATE_SENT;
}

static void on_nothing(void *opaque)
{
    (void)opaque;
}

static void say(CkptGate *gate, const char *from, char tag)
{
    uint8_t frame[15] = "\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\x88\xb5";
    /* In pieces, the addresses cut in two. */
    struct iovec iov[] = { { frame, 9 }, { frame + 9, 6 } };

    memcpy(frame + 6, from, 6);
    frame[14] = (uint8_t)tag;
    g_assert_true(ckpt_gate_hold(gate, CKPT_HOLD_FRAME, iov, 2, 15));
}

static void test_gate(void)
{
    static const CkptGateOps ops = { on_send, on_nothing, on_nothing };
    struct ckpt_identity id = identity(0, OWN, OWN_IP);
    struct iovec log = { (char *)"g", 1 };
    g_autofree uint8_t *mem = g_malloc0(HOLD_BYTES);
    GString *left = g_string_new(NULL);
    CkptGate *gate = ckpt_gate_new(&ops, left);
    CkptIdentities set = { 0 };
    CkptGateStats stats;

    g_assert_true(ckpt_gate_format(gate, mem, HOLD_BYTES, NULL));
    ckpt_gate_set_epoch(gate, 1);
    ckpt_gate_set_identities(gate, &set);
    say(gate, OTHER, 'a');
    ckpt_identities_set(&set, &id, 1);
    ckpt_gate_hush(gate, true);
    say(gate, OWN, 'x');
    say(gate, OTHER, 'x');
    g_assert_true(ckpt_gate_hold(gate, CKPT_HOLD_LOG, &log, 1, 1));
    ckpt_gate_hush(gate, false);
    say(gate, OWN, 'b');
    say(gate, OTHER, 'x');
    ckpt_gate_advance(gate);
    ckpt_gate_commit(gate, 1);
    g_assert_cmpstr(left->str, ==, "agb");
    ckpt_gate_stats(gate, &stats);
    g_assert_cmpuint(stats.refused_frames, ==, 3);
    g_assert_cmpuint(stats.held_records, ==, 0);
    ckpt_gate_free(gate);
    g_string_free(left, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/identity/frames", test_frames);
    g_test_add_func("/identity/check", test_check);
    g_test_add_func("/identity/own", test_own);
    g_test_add_func("/identity/gate", test_gate);
    return g_test_run();
}
