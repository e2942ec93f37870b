/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-host.c - packets between processes and what the NIC tells
 *
 * The peer (process 1) sends every frame back to its sender.  A frame with 'q'
 * as its first payload byte ends it.
 */
#include "kcall.h"

#define HEADER    14
#define ETHERTYPE 0x88b5 /* for local experiments */

static const uint8_t peer_mac[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t no_mac[6] = { 2, 0, 0, 0, 0, 99 };
static const uint8_t all_macs[6] = { 255, 255, 255, 255, 255, 255 };
static struct sys_net *net;
static uint8_t frame[2048];

static void make_frame(const uint8_t *to, uint8_t first, size_t len)
{
    size_t i;

    memcpy(frame, to, 6);
    memcpy(frame + 6, net->mac, 6);
    frame[12] = ETHERTYPE >> 8;
    frame[13] = ETHERTYPE & 0xff;
    frame[HEADER] = first;
    for (i = HEADER + 1; i < len; i++) {
        frame[i] = (uint8_t)i;
    }
}

static int64_t send(size_t len)
{
    struct sys_iov iov[2] = {
        { (uint64_t)frame, HEADER },
        { (uint64_t)frame + HEADER, len - HEADER },
    };

    return kcall(SYS_NET_SEND, iov, 2);
}

/* The oldest frame, waited for; NULL at the deadline. */
static const uint8_t *receive(uint32_t *ret_len, uint64_t deadline_ns)
{
    const uint8_t *data = (const uint8_t *)net + net->data_offset;

    for (;;) {
        uint32_t event = __atomic_load_n(&net->event, __ATOMIC_ACQUIRE);
        uint64_t head = __atomic_load_n(&net->head, __ATOMIC_ACQUIRE);

        if (head != net->tail) {
            const uint8_t *record = data + net->tail % net->size_bytes;

            memcpy(ret_len, record, sizeof(*ret_len));
            if (*ret_len != SYS_NET_PAD) {
                return record + 4;
            }
            net->tail += net->size_bytes - net->tail % net->size_bytes;
            continue;
        }
        if (kcall(SYS_WAIT, &net->event, event, deadline_ns) == -ETIMEDOUT) {
            return NULL;
        }
    }
}

static void received(uint32_t len)
{
    __atomic_store_n(&net->tail, net->tail + ((4 + len + 15) & ~15u),
                     __ATOMIC_RELEASE);
}

void peer_process(void)
{
    kcall(SYS_NET_ATTACH, peer_mac, &net);
    for (;;) {
        uint32_t len;
        const uint8_t *got = receive(&len, SYS_FOREVER);

        make_frame(got + 6, got[HEADER], len);
        received(len);
        if (frame[HEADER] == 'q') {
            kcall(SYS_EXIT, 0);
        }
        if (frame[HEADER] == 's') { /* slowly: let the ring fill up */
            kcall(SYS_WAIT, &net->mtu, 0, now_ns() + MS);
        }
        send(len);
    }
}

#define SWAMP_FRAMES                                                           \
    1000 /* of check-kernel; several times what the ring holds */

static bool ring_is_full(void)
{
    return __atomic_load_n(&net->head, __ATOMIC_ACQUIRE) - net->tail >
           net->size_bytes - 2048;
}

/*
 * Reads when the ring is full, and makes no call that could tell the kernel that
 * there is room again.
 */
void swamped_process(void)
{
    uint64_t deadline_ns = now_ns() + 30000 * MS;
    uint32_t number, len, i;

    kcall(SYS_NET_ATTACH, 0, &net);
    make_frame(peer_mac, 'r', 60);
    send(60); /* the sender waits for it */
    while (!ring_is_full() && now_ns() < deadline_ns) {
    }
    for (i = 0; i < SWAMP_FRAMES; i++) {
        const uint8_t *got;

        while (__atomic_load_n(&net->head, __ATOMIC_ACQUIRE) == net->tail) {
            if (now_ns() > deadline_ns) {
                say_number("frames: ", i);
                kcall(SYS_EXIT, 1);
            }
        }
        got = receive(&len, 0);
        memcpy(&number, got + HEADER, sizeof(number));
        received(len);
        if (number != i) {
            say_number("lost: ", i);
            kcall(SYS_EXIT, 2);
        }
    }
    kcall(SYS_EXIT, net->dropped == 0 ? 0 : 3);
}

static void attach_makes_a_ring(void)
{
    CHECK(kcall(SYS_NET_SEND, frame, 1) == -EINVAL);
    CHECK(kcall(SYS_NET_ATTACH, all_macs, &net) == -EINVAL);
    CHECK(kcall(SYS_NET_ATTACH, 0, &net) == 0);
    CHECK(net->size_bytes == SYS_NET_RING_BYTES);
    CHECK(net->mtu >= 1280 && net->mac[0] % 2 == 0);
    CHECK(kcall(SYS_NET_ATTACH, 0, &net) == -EEXIST);
    CHECK(kcall(SYS_UNMAP, net, PAGE, SYS_MAP_LIBRARY) == -EACCES);
}

static void send_refuses_nonsense(void)
{
    struct sys_iov iov = { 0x77777000, 100 };

    CHECK(kcall(SYS_NET_SEND, 0x10, 1) == -EFAULT);
    CHECK(kcall(SYS_NET_SEND, &iov, 0) == -EINVAL);
    CHECK(kcall(SYS_NET_SEND, &iov, 1000) == -EINVAL);
    CHECK(kcall(SYS_NET_SEND, &iov, 1) == -EFAULT);
    iov.addr = (uint64_t)frame;
    iov.len_bytes = 13;
    CHECK(kcall(SYS_NET_SEND, &iov, 1) == -EINVAL);
    iov.len_bytes = (uint64_t)-1;
    CHECK(kcall(SYS_NET_SEND, &iov, 1) == -EMSGSIZE);
    iov.len_bytes = net->mtu + HEADER + 1u;
    CHECK(kcall(SYS_NET_SEND, &iov, 1) == -EMSGSIZE);
}

static void frames_come_back_from_the_peer(void)
{
    uint64_t start = now_ns();
    unsigned int i;

    for (i = 0; i < 2000; i++) {
        size_t len = 15 + (i * 37) % 1400;
        uint32_t got_len;
        const uint8_t *got;

        make_frame(peer_mac, 'e', len);
        CHECK(send(len) == 0);
        got = receive(&got_len, now_ns() + 5000 * MS);
        CHECK(got != NULL && got_len == len);
        CHECK(got[len - 1] == (len == 15 ? 'e' : (uint8_t)(len - 1)));
        CHECK(got[6] == peer_mac[0] && got[11] == peer_mac[5]);
        received(got_len);
    }
    say_number("# ns per echo between processes: ", (now_ns() - start) / 2000);
    CHECK(net->dropped == 0);
}

static void a_full_ring_drops_and_counts(void)
{
    uint64_t before = net->dropped;
    uint32_t len;
    unsigned int i, n = 0;

    for (i = 0; i < 400; i++) { /* to ourselves, and nobody reads */
        make_frame(net->mac, 'f', 1014);
        CHECK(send(1014) == 0);
    }
    CHECK(net->dropped > before);
    while (net->head != net->tail) {
        CHECK(receive(&len, 0) != NULL);
        received(len);
        n++;
    }
    CHECK(n + (net->dropped - before) == 400);
    CHECK(n >= 250);
}

static void broadcast_reaches_the_peer(void)
{
    uint32_t len;
    const uint8_t *got;

    make_frame(all_macs, 'b', 60);
    CHECK(send(60) == 0);
    got = receive(&len, now_ns() + 5000 * MS);
    CHECK(got != NULL && got[HEADER] == 'b');
    received(len);
}

static void frames_go_out(void)
{
    uint64_t start = now_ns();
    unsigned int i;

    for (i = 0; i < 1000; i++) {
        make_frame(no_mac, 'o', 1000);
        while (send(1000) == -EAGAIN) {
            kcall(SYS_WAIT, &net->event, net->event, now_ns() + 10 * MS);
        }
    }
    say_number("# ns per frame sent out: ", (now_ns() - start) / 1000);
}

static void random_is_random(void)
{
    uint64_t words[32];
    unsigned int i, j;

    CHECK(kcall(SYS_RANDOM, words, sizeof(words)) == 0);
    for (i = 0; i < 32; i++) {
        for (j = 0; j < i; j++) {
            CHECK(words[i] != words[j]);
        }
    }
    CHECK(kcall(SYS_RANDOM, words, 257) == -EINVAL);
}

static void log_refuses_nonsense(void)
{
    CHECK(kcall(SYS_LOG, 0x77777000, 10) == -EFAULT);
    CHECK(kcall(SYS_LOG, 0xffff800000100000, 10) == -EFAULT);
    CHECK(kcall(SYS_LOG, frame, 0) == 0);
}

static void commit_needs_checkpoints(void)
{
    int64_t epoch = kcall(SYS_QUERY, SYS_QUERY_EPOCH);
    int64_t asked;

    CHECK(kcall(SYS_COMMIT, 0x100) == -EINVAL);
    asked = kcall(SYS_COMMIT, CKPT_COMMIT_NOW);
    CHECK(epoch == 0 ? asked == -ENOTSUP : asked >= epoch);
    CHECK(kcall(SYS_QUERY, 1000) == -EINVAL);
    CHECK(kcall(SYS_MAILBOX, frame) == -EAGAIN);
}

static void the_peer_ends_and_is_gone(void)
{
    uint32_t len;

    make_frame(peer_mac, 'q', 60);
    CHECK(send(60) == 0);
    kcall(SYS_YIELD);
    make_frame(peer_mac, 'x', 60); /* goes out now, to nobody */
    send(60);
    CHECK(receive(&len, now_ns() + 20 * MS) == NULL);
}

const struct test host_tests[] = {
    { "attach makes a ring", attach_makes_a_ring },
    { "send refuses nonsense", send_refuses_nonsense },
    { "frames come back from the peer", frames_come_back_from_the_peer },
    { "a full ring drops and counts", a_full_ring_drops_and_counts },
    { "a broadcast reaches the peer", broadcast_reaches_the_peer },
    { "frames go out", frames_go_out },
    { "random is random", random_is_random },
    { "log refuses nonsense", log_refuses_nonsense },
    { "commit needs checkpoints", commit_needs_checkpoints },
    { "the peer ends and is gone", the_peer_ends_and_is_gone },
};
const unsigned int n_host_tests = N_ELEMENTS(host_tests);
