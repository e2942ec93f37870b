/* SPDX-License-Identifier: GPL-2.0-or-later */
/* script.c - a peer that says what a script tells it, segment by segment */
#include <glib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "guest-libc/net/net.h"
#include "guest-libc/posix/calls.h"
#include "tests/unit/libc-net/script.h"
#include "tests/unit/libc-net/sim.h"

#define MS        1000000ull
#define IP        14u
#define TCP       34u
/* "At once": delayed acknowledgements, and a tick of TCP. */
#define SOON_MS   45u
#define SLACK_MS  45
/* A round trip is a tick or none: a time-out is up to a tenth longer. */
#define SLACK(ms) (SLACK_MS + (ms) / 8)
#define ISN       1000000u
#define DATA_MAX  1460u

enum {
    FIN = 1,
    SYN = 2,
    RST = 4,
    PSH = 8,
    ACK = 16
};

struct segment {
    uint64_t at_ns;
    uint8_t flags;
    uint32_t seq, ack, len, mss, ws;
    uint32_t win, mtu;
    bool has_ack;
};

static const uint8_t guest_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 0x4d };
static uint16_t guest_port, peer_port = 20000;
static uint32_t guest_isn;
static GQueue heard = G_QUEUE_INIT; /* of struct segment */
static uint64_t last_ns;            /* of the last segment either way */

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void put16(uint8_t *p, uint32_t value)
{
    p[0] = value >> 8;
    p[1] = value;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value);
}

static uint32_t sum_add(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
    }
    return sum;
}

static uint16_t sum_end(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return ~((sum & 0xffff) + (sum >> 16));
}

/* -- the wire ------------------------------------------------------------------- */

static void arp_answer(const uint8_t *asked)
{
    uint8_t frame[60] = { 0 };

    memcpy(frame, asked, 42);
    memcpy(frame, asked + 6, 6);
    memcpy(frame + 6, peer_mac, 6);
    frame[21] = 2;
    memcpy(frame + 22, peer_mac, 6);
    memcpy(frame + 28, asked + 38, 4);
    memcpy(frame + 32, asked + 22, 10);
    sim_inject(frame, sizeof(frame));
}

static bool hears(const uint8_t *frame, size_t len_bytes)
{
    uint32_t address = SCRIPT_PEER;
    struct segment *s;

    if (frame[12] == 8 && frame[13] == 6) {
        if (memcmp(frame + 38, &address, 4) || frame[21] != 1) {
            return false;
        }
        arp_answer(frame);
        return true;
    }
    if (memcmp(frame + IP + 16, &address, 4)) {
        return false;
    }
    if (frame[IP + 9] == IPPROTO_TCP &&
        (frame[TCP + 2] << 8 | frame[TCP + 3]) == peer_port) {
        g_assert_cmpuint(frame[IP + 6] & 0x40, ==, 0x40); /* DF */
        s = g_new0(struct segment, 1);
        s->at_ns = sim.now_ns;
        s->flags = frame[TCP + 13] & 0x1f;
        if (s->flags & SYN) {
            guest_port = frame[TCP] << 8 | frame[TCP + 1];
            guest_isn = get32(frame + TCP + 4);
        }
        s->seq = get32(frame + TCP + 4) - guest_isn;
        s->ack = get32(frame + TCP + 8) - ISN;
        s->len = (frame[IP + 2] << 8 | frame[IP + 3]) - 20 -
                 (frame[TCP + 12] >> 4) * 4;
        g_queue_push_tail(&heard, s);
    }
    (void)len_bytes;
    return true;
}

static void ip_fill(uint8_t *frame, uint8_t protocol, size_t payload)
{
    uint32_t from = SCRIPT_PEER, to = SIM_ADDRESS;

    memcpy(frame, guest_mac, 6);
    memcpy(frame + 6, peer_mac, 6);
    put16(frame + 12, 0x800);
    frame[IP] = 0x45;
    put16(frame + IP + 2, 20 + payload);
    frame[IP + 8] = 64;
    frame[IP + 9] = protocol;
    memcpy(frame + IP + 12, &from, 4);
    memcpy(frame + IP + 16, &to, 4);
    put16(frame + IP + 10, sum_end(sum_add(0, frame + IP, 20)));
}

static void segment_send(const struct segment *s)
{
    uint8_t frame[TCP + 28 + DATA_MAX] = { 0 }, *t = frame + TCP, *o = t + 20;
    size_t header, len;

    if (s->mss) {
        put32(o, 0x02040000 | s->mss);
        o += 4;
    }
    if (s->ws) {
        put32(o, 0x01030300 | s->ws);
        o += 4;
    }
    header = o - t;
    len = header + s->len;
    put16(t, peer_port);
    put16(t + 2, guest_port);
    put32(t + 4, ISN + s->seq);
    put32(t + 8, s->has_ack ? guest_isn + s->ack : 0);
    t[12] = header / 4 << 4;
    t[13] = s->flags;
    put16(t + 14, s->win);
    memset(o, 'd', s->len);
    ip_fill(frame, IPPROTO_TCP, len);
    put16(t + 16, sum_end(sum_add(IPPROTO_TCP + len, frame + IP + 12, 8) +
                          sum_add(0, t, len)));
    sim_inject(frame, TCP + len);
    last_ns = sim.now_ns;
}

/* The network could not deliver the segment of ours that began with s->seq. */
static void icmp_send(const struct segment *s, uint8_t type, uint8_t code)
{
    uint8_t frame[TCP + 8 + 28] = { 0 }, *m = frame + TCP, *q = m + 8;
    uint32_t from = SIM_ADDRESS, to = SCRIPT_PEER;

    m[0] = type;
    m[1] = code;
    put16(m + 6, s->mtu);
    q[0] = 0x45;
    put16(q + 2, 1500);
    q[6] = 0x40;
    q[9] = IPPROTO_TCP;
    memcpy(q + 12, &from, 4);
    memcpy(q + 16, &to, 4);
    put16(q + 20, guest_port);
    put16(q + 22, peer_port);
    put32(q + 24, guest_isn + s->seq);
    put16(m + 2, sum_end(sum_add(0, m, 36)));
    ip_fill(frame, IPPROTO_ICMP, 36);
    sim_inject(frame, sizeof(frame));
}

/* -- steps ---------------------------------------------------------------------- */

/* The guest's program sleeps; what comes and is due is worked on. */
static void pass(uint64_t ms)
{
    (poll_sys_poll)(&(struct sys_args){ .arg = { 0, 0, ms } });
    net_poll();
}

static uint8_t flags_of(const char *word)
{
    static const char letters[] = "FSRPA";
    uint8_t flags = 0;

    for (; *word; word++) {
        const char *at = strchr(letters, *word);

        g_assert_nonnull(at);
        flags |= 1 << (at - letters);
    }
    return flags;
}

static void parse(struct segment *s, char **word)
{
    char *end;

    s->win = 65535;
    s->seq = strtoul(*word++, &end, 10);
    s->len = *end == '+' ? strtoul(end, NULL, 10) : 0;
    for (; *word; word += 2) {
        uint32_t n = strtoul(word[1], NULL, 10);

        if (!strcmp(*word, "ack")) {
            s->ack = n;
            s->has_ack = true;
        } else if (!strcmp(*word, "win")) {
            s->win = n;
        } else if (!strcmp(*word, "mss")) {
            s->mss = n;
        } else if (!strcmp(*word, "ws")) {
            s->ws = n;
        } else if (!strcmp(*word, "mtu")) {
            s->mtu = n;
        } else {
            g_error("script: what is %s?", *word);
        }
    }
}

static char *said(const struct segment *s)
{
    return s ? g_strdup_printf(
                   "%s%s%s%s%s %u+%u ack %u, after %.3f s",
                   s->flags & SYN ? "S" : "", s->flags & FIN ? "F" : "",
                   s->flags & RST ? "R" : "", s->flags & PSH ? "P" : "",
                   s->flags & ACK ? "A" : "", s->seq, s->len, s->ack,
                   (s->at_ns - last_ns) / 1e9)
             : g_strdup("nothing");
}

/* @after_ms < 0: soon; else so long after the last segment. */
static void expect(const char *where, const struct segment *want, long after_ms)
{
    uint64_t until = after_ms < 0 ? sim.now_ns + SOON_MS * MS
                                  : last_ns + (after_ms + SLACK(after_ms)) * MS;
    g_autofree struct segment *got = NULL;
    g_autofree char *text = NULL;
    long at_ms;

    while (g_queue_is_empty(&heard) && sim.now_ns < until) {
        pass(until - sim.now_ns > 500 * MS ? 100 : 1);
    }
    got = g_queue_pop_head(&heard);
    text = said(got);
    at_ms = got ? (long)((int64_t)(got->at_ns - last_ns) / (long)MS) : 0;
    if (!got || (got->flags & ~PSH) != (want->flags & ~PSH) ||
        got->seq != want->seq || got->len != want->len ||
        (want->has_ack && got->ack != want->ack) ||
        (after_ms >= 0 && labs(at_ms - after_ms) > SLACK(after_ms))) {
        g_error("%s: the guest sent %s", where, text);
    }
    last_ns = got->at_ns;
}

static void expect_nothing(const char *where)
{
    if (!g_queue_is_empty(&heard)) {
        g_autofree char *text = said(g_queue_peek_head(&heard));

        g_error("%s: the guest sent %s", where, text);
    }
}

static void step(const char *where, char **word)
{
    struct segment s = { 0 };
    long after_ms = -1;

    if (**word == '@') {
        after_ms = atol(*word++ + 1);
    }
    switch (**word) {
    case '<':
        s.flags = flags_of(word[1]);
        parse(&s, word + 2);
        segment_send(&s);
        net_poll();
        break;
    case '>':
        s.flags = flags_of(word[1]);
        parse(&s, word + 2);
        expect(where, &s, after_ms);
        break;
    case 'i':
        parse(&s, word + 3);
        icmp_send(&s, atoi(word[1]), atoi(word[2]));
        net_poll();
        break;
    case '.':
        pass(strtoul(*word + 1, NULL, 10));
        break;
    case '-':
        pass(strtoul(*word + 1, NULL, 10));
        expect_nothing(where);
        break;
    default:
        g_error("%s: what is %s?", where, *word);
    }
}

void script_run(const char *file, int line, const char *text)
{
    g_auto(GStrv) steps = g_strsplit_set(text, ";\n", -1);

    for (char **s = steps; *s; s++) {
        g_autoptr(GPtrArray) words = g_ptr_array_new();
        g_autofree char *where =
            g_strdup_printf("%s:%d: %s", file, line, g_strstrip(*s));
        g_auto(GStrv) parts = g_strsplit(*s, " ", -1);

        for (char **p = parts; *p; p++) {
            if (**p) {
                g_ptr_array_add(words, *p);
            }
        }
        if (words->len) {
            g_ptr_array_add(words, NULL);
            step(where, (char **)words->pdata);
        }
    }
}

unsigned script_drain(void)
{
    unsigned bytes = 0;

    while (!g_queue_is_empty(&heard)) {
        g_autofree struct segment *s = g_queue_pop_head(&heard);

        bytes += s->len;
        last_ns = s->at_ns;
    }
    return bytes;
}

void script_begin(uint16_t port)
{
    sim.listener = hears;
    guest_port = port;
    peer_port++;
    script_drain();
    last_ns = sim.now_ns;
}

uint16_t script_port(void)
{
    return peer_port;
}

void script_as(uint16_t port)
{
    peer_port = port;
    script_drain();
    last_ns = sim.now_ns;
}
